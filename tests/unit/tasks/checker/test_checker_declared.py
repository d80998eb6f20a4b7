"""A certificate says what the network's own files say: each cell of the checker's table, changed and sealed again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import tracr_networks
from quick import sliced
from small_networks import DYCK, GPT2, dyck_tensors, gpt2_tensors, lead_network, write_network

from cegis import Domain
from cegis.certificate import Certificate
from tasks.certificates.independent import _question, attest
from tasks.checker.declared import ALL, CUT, Declared, named, quoted
from tasks.checker.evidence import PROGRAM, check, establish
from tasks.checker.files import Rejected, UnreadableError
from tasks.checker.formats import FILES
from tasks.formats import Question, load
from tasks.formats.circuit_folder import shipped_path
from tasks.pipeline.distill import distill

EVERY = {"transitions": [[0, 0]], "accepting": [True]}
NEVER_B = {"transitions": [[0, -1]], "accepting": [True]}
ONE_QUOTE_FIRST = {"transitions": [[1, 1, -1, -1], [-1, -1, 1, 1]], "accepting": [False, True]}
LANGUAGE = {
    "words": "no two b", "alphabet": ["a", "b"], "start": "s", "states": ["t", "s"],
    "transitions": {"s": {"a": "s", "b": "t"}, "t": {"a": "s"}},
}  # fmt: skip


def circuit(path: Path) -> Path:
    return shipped_path("quote_closing")


def dyck(path: Path) -> Path:
    return write_network(path, DYCK, dyck_tensors())


def plain(path: Path) -> Path:
    return write_network(path, GPT2, gpt2_tensors())


def bce(path: Path) -> Path:
    config = {**GPT2, "architectures": ["GPT2BCELMHeadModel"]}
    return write_network(path, config, gpt2_tensors())


def case(path: Path) -> Path:
    folder = lead_network(path)
    said = json.loads((folder / "case.json").read_text())
    (folder / "case.json").write_text(json.dumps({**said, "language": LANGUAGE}))
    return folder


def tracr(path: Path) -> Path:
    return tracr_networks.folder(path)


FOLDERS = {f.__name__: f for f in (circuit, dyck, plain, bce, case, tracr)}


@pytest.fixture(scope="module")
def honest(tmp_path_factory):
    """Per folder a question that its loader asks, and the files of a certificate."""
    asked = {}
    for name, make in FOLDERS.items():
        folder = make(tmp_path_factory.mktemp(name) / "network")
        loaded = load(folder)
        domain = loaded.domain.up_to(min(loaded.domain.max_length, 4))
        must, may = FILES[loaded.format]
        files = {f"network/{n}": (folder / n).read_bytes() for n in (*must, *may) if (folder / n).is_file()}
        place = ", i" if loaded.readout.position == "every" else ""
        program = f"def program(tokens{place}):\n    return '?'\n"
        asked[name] = _question("network", loaded, domain, "real"), {PROGRAM: program.encode(), **files}
    return asked


def readout(**changes):
    return {"kind": "argmax", "columns": [0, 1], "names": ["a", "b"], "position": "last", "denominator": 1} | changes


REFUSED = [
    ("circuit", "readout", readout(columns=[3, 4], names=["x", "y"])),
    ("circuit", "readout", readout(columns=[2, 1], names=['"', "'"])),
    ("circuit", "readout", readout(columns=[1, 2], names=["'", '"'], kind="set")),
    ("circuit", "readout", readout(columns=[1, 2], names=["'", '"'], position="every")),
    ("circuit", "prefix", []),
    ("circuit", "prefix", ["BOS", "x"]),
    ("circuit", "suffix", ["x"]),
    ("circuit", "automaton", None),
    ("circuit", "automaton", {"transitions": [[0, 0, 0, 0]], "accepting": [True]}),
    ("circuit", "lengths", [0, 4]),
    ("circuit", "lengths", [1, 17]),
    ("circuit", "alphabet", ["'", '"', "x", "BOS"]),
    ("dyck", "readout", readout(columns=[1, 0], names=["valid", "not valid"])),
    ("dyck", "readout", readout(names=["not valid", "valid"], kind="set")),
    ("dyck", "lengths", [3, 4]),
    ("dyck", "lengths", [3, 3]),
    ("dyck", "prefix", ["("]),
    ("dyck", "suffix", [")"]),
    ("case", "readout", readout()),
    ("case", "readout", readout(columns=[0, 1, 2], names=["a", "b", "<bos>"], kind="set")),
    ("case", "prefix", []),
    ("case", "suffix", ["<bos>"]),
    ("case", "automaton", None),
    ("case", "automaton", EVERY),
    ("case", "alphabet", ["a", "<bos>"]),
    ("bce", "readout", readout(columns=[0, 1, 2], names=["#0", "#1", "#2"])),
    ("bce", "readout", readout(names=["#0", "#1"], kind="set")),
    ("tracr", "readout", readout(columns=[1, 4], names=["y", "x"], position="every")),
    ("tracr", "readout", readout(columns=[1, 4], names=["r1", "r4"], position="every")),
    ("tracr", "readout", readout(columns=[1, 4], names=["x", "y"])),
    ("tracr", "readout", readout(columns=[1], names=[], kind="round", position="every", denominator=4)),
    ("tracr", "prefix", ["a"]),
    ("tracr", "prefix", []),
    ("tracr", "lengths", [0, 4]),
    ("tracr", "lengths", [1, 5]),
    ("tracr", "alphabet", ["a", "compiler_pad"]),
]
SAID = [
    ("circuit", {"lengths": [1, 3]}, "lengths (declared: 1 to 16)"),
    ("circuit", {"automaton": ONE_QUOTE_FIRST}, "constraint (declared: 'exactly one quote')"),
    ("circuit", {"alphabet": ["'", "x"], "automaton": {"transitions": [[1, 0], [-1, 1]], "accepting": [False, True]}},
     "alphabet (declared: \"'\" '\"' 'x' 'y')"),
    ("dyck", {"automaton": NEVER_B}, "constraint (declared: every sequence)"),
    ("dyck", {"alphabet": ["("]}, "alphabet (declared: '(' ')')"),
    ("case", {"automaton": NEVER_B}, "constraint (declared: 'prefixes of: no two b')"),
    ("case", {"alphabet": ["a"], "automaton": None}, "alphabet (declared: 'a' 'b')"),
    ("case", {"lengths": [1, 4]}, "as the network's files declare none: lengths"),
    ("tracr", {"lengths": [1, 3]}, "lengths (declared: 1 to 4)"),
    ("tracr", {"lengths": [2, 4]}, "lengths (declared: 1 to 4)"),
    ("tracr", {"alphabet": ["a"]}, "alphabet (declared: 'a' 'b')"),
    ("bce", {"prefix": ["#1"]}, "declare none: alphabet, lengths, prefix, suffix"),
    ("plain", {}, "as the network's files declare none: alphabet, lengths, prefix, suffix, read-out"),
    ("plain", {"alphabet": ["#0", "#2"]}, "tokens '#0' '#2'; "),
    ("plain", {"prefix": ["#1"]}, "prompt: '#1' before the sequence; "),
    ("plain", {"suffix": ["#1"]}, "prompt: '#1' after the sequence; "),
    ("plain", {"readout": readout(names=["#0", "#1"])}, "the largest of the logits '#0' '#1', at the last position"),
    ("plain", {"automaton": {"transitions": [[0, 0, -1]], "accepting": [True]}}, "lengths, constraint, prefix, suffix"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "part", "value"), REFUSED)
def test_what_the_files_declare_otherwise_is_refused(honest, name, part, value):
    question, files = honest[name]
    assert question[part] != value
    why = r"network's files (declare|rule out)|do not fit the network|outputs that the folder does not"
    with pytest.raises((Rejected, UnreadableError), match=why):
        establish({**question, part: value}, files)


@pytest.mark.parametrize(("name", "changes", "words"), sliced(SAID, 2))
def test_what_the_user_chose_is_said(honest, name, changes, words, tmp_path):
    question, files = honest[name]
    found = establish({**question, **changes}, files)
    assert words in found["claim"]
    assert check(Certificate(found, files).save(tmp_path / "c"))["claim"] == found["claim"]
    for other in ({"chosen": []}, {"declared": {}}):
        with pytest.raises(Rejected, match=r"declared|chosen"):
            check(Certificate({**found, **other}, files).save(tmp_path / "c"))


@pytest.mark.parametrize("name", FOLDERS)
def test_the_question_of_the_folder_itself_is_established(honest, name):
    question, files = honest[name]
    found = establish(question, files)
    assert found["chosen"] == {
        "circuit": ["lengths"], "dyck": [], "tracr": [], "case": ["lengths"],
        "bce": ["alphabet", "lengths", "prefix", "suffix"],
        "plain": ["alphabet", "lengths", "prefix", "suffix", "readout"],
    }[name]  # fmt: skip
    for words in ("; tokens ", "; prompt: ", "; read-out: ", "after rounding at least "):
        assert words in found["claim"]


def test_the_empty_prompt_is_refused(honest):
    question, files = honest["plain"]
    with pytest.raises(UnreadableError, match=r"begin with length 1, or name tokens before every sequence \(prefix\)"):
        establish({**question, "lengths": [0, 2]}, files)
    assert establish({**question, "lengths": [0, 2], "prefix": ["#1"]}, files)["sequences"] == 13


def test_languages_are_compared_of_the_lengths_that_are_stated():
    longer = {"transitions": [[1], [2], [2]], "accepting": [False, False, True]}
    declared = Declared(["a"], [0, 9], longer, [], [], None)
    question = {"prefix": [], "suffix": [], "readout": readout(), "automaton": None, "alphabet": ["a"]}
    assert declared.chosen({**question, "lengths": [2, 9]}) == ["lengths", "readout"]
    with pytest.raises(Rejected, match="rule out"):
        declared.chosen({**question, "lengths": [1, 9]})
    with pytest.raises(Rejected, match="declare lengths 0 to 9"):
        declared.chosen({**question, "lengths": [2, 10]})


def test_a_strangers_words_cannot_end_a_line_or_turn_it():
    said = quoted("even\nHOLDS\x1b[31m\u202e" + "x" * 500)
    assert said.isprintable()
    assert len(said) <= CUT + 2


@pytest.mark.parametrize("letter", ["w", "'", "\\", "\n", "\u202e", "\u3164", "\U0010ffff", "\ud800"])
def test_what_is_quoted_is_as_long_as_stated_whatever_it_holds(letter):
    assert quoted(letter) in (repr(letter), ascii(letter))
    for count in (100, 119, 120, 121, 5000):
        said = quoted(letter * count)
        assert said.isprintable()
        assert len(said) <= CUT + 2
        assert said.endswith(("…'", '…"')) is (len(ascii(letter)[1:-1]) * count > CUT or count > CUT), said


def test_a_list_of_names_is_cut_and_says_how_many_are_left():
    said = named(["w" * 50] * 90)
    assert len(said) < ALL + 20
    assert said.endswith(" and 87 more")
    assert (named([]), named(["a", "<bos>"])) == ("none", "'a' '<bos>'")


def test_another_read_out_of_a_circuit_has_no_certificate_and_the_claim_says_what_was_chosen():
    folder = shipped_path("quote_closing")
    loaded = load(folder, Question(answers=("x", "y")))
    result = distill(loaded, loaded.domain.up_to(3), seconds=5)
    made = attest(result, folder)
    assert isinstance(made, str)
    assert "declare another read-out" in made


def test_a_plain_folder_says_what_was_chosen_in_sentence_docstring_and_json(tmp_path):
    from tasks.pipeline.report import distillation_json

    loaded = load(plain(tmp_path / "n"), Question(prefix=("#1",), answers=("#0", "#2")))
    said = distillation_json(distill(loaded, Domain(loaded.domain.alphabet, 0, 3), seconds=5, semantics="float64"))
    words = (
        "prompt: '#1' before the sequence; read-out: the largest of the logits '#0' '#2', at the last position; "
        "stated here, as the network's files declare none: alphabet, prefix, suffix, read-out"
    )
    assert words in said["conditions"]
    assert words in said["sentence"]
    assert words in " ".join(said["program"].split('"""')[1].replace("read-\n    out", "read-out").split())
