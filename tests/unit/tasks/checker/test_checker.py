"""The independent checker: it stands alone, finds what is true, and accepts nothing that was tampered with."""

from __future__ import annotations

import hashlib
import json
import struct
import subprocess
import sys
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from flint import arb
from quick import sliced
from refusing import REFUSED, refused
from safetensors.numpy import save
from small_networks import DYCK, GPT2, dyck_tensors, gpt2_tensors, write_network

from cegis import Domain
from cegis.certificate import MANIFEST, Certificate
from tasks.certificates.independent import attest
from tasks.checker.evidence import GIVEN, PROGRAM, _below, check, establish
from tasks.checker.files import Rejected, UnreadableError
from tasks.checker.formats import Read
from tasks.checker.programs import function_of
from tasks.checker.readouts import reader_of
from tasks.formats import Question, load
from tasks.formats.circuit_folder import shipped_path
from tasks.pipeline.distill import distill

ROOT = Path(__file__).resolve().parents[4]
DYCK_PROGRAM = "def program(tokens):\n    return 'valid' if tokens[0] == '(' else 'not valid'\n"


def dyck_files(tensors=None, config=None, program=DYCK_PROGRAM, scratch=None):
    """The files of a certificate for a random Dyck network."""
    folder = write_network(scratch / "network", config or DYCK, tensors or dyck_tensors())
    stored = {f"network/{path.name}": path.read_bytes() for path in sorted(folder.iterdir())}
    return {PROGRAM: program.encode(), **stored}


def exceptions_of(folder, program=DYCK_PROGRAM):
    """Where program and network differ, as the project's own executor finds them."""
    loaded, function = load(folder), function_of(program, ["tokens"])
    every, found = loaded.domain.sequences(DYCK["n"]), []
    for row, label in zip(every, loaded.labels(every)[0], strict=True):
        words, name = [*loaded.domain.words(row)], loaded.readout.names[max(int(label), 0)]
        if name != function([*words]):
            found.append([words, None, name, function([*words])])
    return found


def question(semantics="float32"):
    return {
        "kind": "network", "format": "dyck", "alphabet": ["(", ")"], "lengths": [4, 4], "automaton": None,
        "prefix": [], "suffix": [], "semantics": semantics, "directions": None, "least_margin": 0.0,
        "readout": {"kind": "argmax", "columns": [0, 1], "names": ["not valid", "valid"], "position": "last",
                    "denominator": 1},
    }  # fmt: skip


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    files = dyck_files(scratch=tmp_path_factory.mktemp("dyck"))
    return Certificate(establish(question(), files), files)


def checked(statement, files, folder):
    """What the checker says of a certificate with these parts, all of its hashes right."""
    return check(Certificate(statement, files).save(folder))


def test_the_checker_loads_no_array_library_and_none_of_our_rooms(certificate, tmp_path):
    folder = certificate.save(tmp_path / "c")
    code = (
        "import sys\nfrom tasks.checker.__main__ import answer\n"
        "code = answer(sys.argv[1])\n"  # what runs in the process under limits
        "print(code, *sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code, folder], capture_output=True, text=True, check=True, cwd=ROOT)
    assert run.stdout.startswith("HOLDS: the program equals the dyck network")
    code, *modules = run.stdout.splitlines()[-1].split()
    assert code == "0"
    assert not {name.partition(".")[0] for name in modules} & {
        "numpy",
        "torch",
        "scipy",
        "safetensors",
        "pysmt",
        "dsl",
        "cegis",
        "backends",
    }
    ours = {name for name in modules if name.partition(".")[0] == "tasks"}
    assert all(name == "tasks" or name.startswith("tasks.checker") for name in ours)


def test_a_certificate_holds_and_says_what_was_found(certificate, tmp_path):
    found = checked(certificate.statement, certificate.files, tmp_path / "c")
    own = exceptions_of(write_network(tmp_path / "network", DYCK, dyck_tensors()))
    assert (found["inputs"], found["exceptions"], found["undecided"]) == (16, own, [])
    assert f"all 16 sequences of length 4 except the {len(own)} listed" in found["claim"]
    assert 0 < len(own) < 16
    assert set(found["labels"]) == {"valid", "not valid"}


def other_type(value):
    return [float(value)] if isinstance(value, int) else []


def test_a_smaller_margin_holds_and_no_larger_one(certificate, tmp_path):
    margin = certificate.statement["margin"]
    smaller = {**certificate.statement, "margin": 0.5 * margin}
    assert checked(smaller, certificate.files, tmp_path / "smaller")["margin"] == 0.5 * margin
    for n, other in enumerate((1.0001 * margin, 0.0, -margin, float("nan"), float("inf"), True)):
        with pytest.raises((Rejected, UnreadableError)):
            checked({**certificate.statement, "margin": other}, certificate.files, tmp_path / f"{n}")


@pytest.mark.parametrize("step", sliced([8, 1], 2))
def test_every_changed_entry_of_the_statement_is_refused(certificate, tmp_path, step):
    def changes(value):
        match value:
            case bool():
                return [not value, None]
            case int() | float():
                return [value + 1, value - 1, -value - 7, 1.5 * value + 1, "1", None, float("inf"), *other_type(value)]
            case str():
                return [value + "x", *[""] * bool(value), None]
            case list():
                shorter = [value[:-1], [*value, value[-1]], value[::-1]] if value else [["("]]
                inner = [[*value[:n], new, *value[n + 1 :]] for n, part in enumerate(value) for new in changes(part)]
                return [new for new in (*shorter, *inner) if new != value]
            case dict():
                fewer = [{k: v for k, v in value.items() if k != gone} for gone in value]
                return [*fewer, {**value, "more": 1}, *({**value, k: new} for k in value for new in changes(value[k]))]
        return [{"transitions": [[0, -1]], "accepting": [True]}, [], 0]

    folder, count = tmp_path / "c", 0
    listed = {"exceptions": certificate.statement["exceptions"]}  # another test changes these
    changed_ones = changes({name: v for name, v in certificate.statement.items() if name not in listed})
    for changed in changed_ones[::step]:
        statement = {**listed, **changed}
        count += 1
        is_reordered = statement == {**certificate.statement, "alphabet": [")", "("]}  # the same claim
        assert refused(statement, certificate.files, folder) or is_reordered, statement
    assert count > 100 // step


def test_every_changed_line_of_the_lists_is_refused(certificate, tmp_path):
    listed = {name: certificate.statement[name] for name in ("exceptions", "undecided")}
    exceptions = listed["exceptions"]
    every = [[*map("()".__getitem__, bits)] for bits in product((0, 1), repeat=4)]
    other = next([words, None] for words in every if [words, None] not in [line[:2] for line in exceptions])
    swapped = [[words, place, program, network] for words, place, network, program in exceptions]
    for changed in (
        {**listed, "exceptions": exceptions[1:]},
        {**listed, "exceptions": exceptions + exceptions[:1]},
        {**listed, "exceptions": [*exceptions, [*other, "valid", "not valid"]]},
        {**listed, "exceptions": swapped},
        {**listed, "exceptions": [[list("((((("), None, "valid", "not valid"], *exceptions]},
        {**listed, "undecided": [other]},
        {**listed, "undecided": [exceptions[0][:2]]},
        {**listed, "undecided": [[list("((((("), None]]},
        {**listed, "exceptions": exceptions[::-1]},
        {**listed, "exceptions": [[*line[:3], False] for line in exceptions]},
        {**listed, "exceptions": len(exceptions)},
    ):
        assert refused({**certificate.statement, **changed}, certificate.files, tmp_path / "c"), changed


def test_a_file_that_has_no_part_in_the_claim_is_refused(certificate, tmp_path):
    for name in ("boxes.json", "listed.json", "network/more.json", "program2.py"):
        assert refused(certificate.statement, {**certificate.files, name: b"{}"}, tmp_path / "c"), name
    assert refused({**certificate.statement, "directions": [[[1]]]}, certificate.files, tmp_path / "c")


@pytest.mark.parametrize(
    "text",
    [
        DYCK_PROGRAM.replace("== '('", "!= '('"),
        DYCK_PROGRAM.replace("tokens[0]", "tokens[1]"),
        DYCK_PROGRAM.replace("tokens[0]", "tokens[9]"),
        DYCK_PROGRAM + "# proved for all lengths\n",
        DYCK_PROGRAM.replace("\n    return", '\n    """Equals every network."""\n    return'),
        DYCK_PROGRAM.replace("):", ") -> 'right on every sequence':"),
        DYCK_PROGRAM.replace("tokens)", "tokens: 'right on every sequence')"),
        "import os\n" + DYCK_PROGRAM,
        "def program(tokens):\n    return __import__('os').getcwd()\n",
        "def program(tokens):\n    return tokens.__class__.__name__\n",
        "def program(tokens, seen=[]):\n    return 'valid'\n",
        "def program(tokens):\n    while True:\n        pass\n",
        "def program(tokens):\n    len = 3\n    return 'valid'\n",
        "def program(tokens):\n    return (lambda: 'valid')()\n",
        "def program(tokens):\n    return f'{tokens}'\n",
        "def program(tokens, i):\n    return 'valid'\n",
        "def program(tokens):\n    return program(tokens)\n",
        "program = 3\n",
        "def program(tokens:\n",
        "",
    ],
)
def test_another_or_a_hostile_program_is_refused(certificate, tmp_path, text):
    assert refused(certificate.statement, {**certificate.files, PROGRAM: text.encode()}, tmp_path / "c")


@pytest.mark.slow
def test_flipped_bits_of_weights_are_refused_or_found_to_be_true(tmp_path):
    files = dyck_files(scratch=tmp_path)
    stated, weights = establish(question(), files), files["network/model.safetensors"]
    folder = tmp_path / "changed"
    begin = 8 + int.from_bytes(weights[:8], "little")
    rng, unlike = np.random.default_rng(0), 0
    for place in rng.choice(np.arange(begin, len(weights)), 24, replace=False):
        changed = bytearray(weights)
        changed[place] ^= 1 << int(rng.integers(8))
        assert refused(stated, {**files, "network/model.safetensors": bytes(changed)}, tmp_path / "c")  # another hash
        again = {**files, "network/model.safetensors": bytes(changed)}
        try:
            found = establish(question(), again)
        except REFUSED:
            unlike += 1
            continue
        unlike += found["exceptions"] != stated["exceptions"]
        folder.mkdir(exist_ok=True)
        for name in ("config.json", "model.safetensors"):
            (folder / name).write_bytes(again[f"network/{name}"])
        assert found["exceptions"] == [line for line in exceptions_of(folder) if line[:2] not in found["undecided"]]
    assert unlike


@pytest.mark.parametrize("step", sliced([4, 1], 2))
def test_a_weight_that_flips_a_label_is_never_accepted(tmp_path, step):
    """Move the output bias to just beyond every margin: one label changes. Right at it there is a tie, and none."""
    tensors = dyck_tensors()
    loaded = load(write_network(tmp_path / "network", DYCK, tensors))
    logits = loaded.logits(loaded.domain.sequences(4))
    gap = logits[:, 1] - logits[:, 0]
    files = dyck_files(tensors, scratch=tmp_path)
    stated = establish(question(), files)
    for row, target in zip(loaded.domain.sequences(4)[::step], gap[::step], strict=True):
        for nudge in (1e-3, 0.0):
            moved = {**tensors, "h2.bias": tensors["h2.bias"].copy()}
            moved["h2.bias"][1] -= np.float32(target + np.sign(target) * nudge)
            changed = {**files, "network/model.safetensors": save(moved)}
            found = establish(question(), changed)
            listed = {name: [line[0] for line in found[name]] for name in ("exceptions", "undecided")}
            before = [line[0] for line in stated["exceptions"]]
            words = [*loaded.domain.words(row)]
            assert words in listed["undecided"] or (nudge and (words in listed["exceptions"]) != (words in before))
            assert refused(stated, changed, tmp_path / "c")


def test_a_tie_is_undecided_not_a_label(tmp_path):
    tensors = dyck_tensors()
    tensors["h2.weight"][1], tensors["h2.bias"][1] = tensors["h2.weight"][0], tensors["h2.bias"][0]
    files = dyck_files(tensors, scratch=tmp_path)
    for semantics in ("real", "float64", "float32"):
        with pytest.raises(Rejected, match="not decided"):
            establish(question(semantics), files)


@pytest.mark.parametrize("unknown", [arb.nan(), arb(1, arb.pos_inf()), arb.pos_inf()])
@pytest.mark.parametrize("kind", ["argmax", "set", "round"])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_logit_that_is_not_known_decides_nothing(kind, unknown, place):
    row = [arb(5), arb(1), arb(-3)]
    row[place] = unknown
    names = [] if kind == "round" else ["a", "b", "c"]
    columns = [place] if kind == "round" else [0, 1, 2]
    asked = {"kind": kind, "columns": columns, "names": names, "position": "last", "denominator": 1}
    network = Read(None, "", ("a", "b", "c"), ("a", "b", "c"))
    assert not reader_of(asked, network)(row)[1] > 0


def test_a_margin_below_the_least_one_is_no_label(certificate):
    margin = certificate.statement["margin"]
    found = establish({**question(), "least_margin": 1.01 * margin}, certificate.files)
    assert (len(found["undecided"]), found["inputs"]) == (1, 16)
    assert found["margin"] > 1.01 * margin
    assert "nothing is said of 1 others" in found["claim"]
    for least in (-1.0, 1, None, "0", float("nan")):
        with pytest.raises(UnreadableError):
            establish({**question(), "least_margin": least}, certificate.files)


def test_what_float32_loses_is_certified_for_real_numbers_alone(tmp_path):
    """Two units that cancel in real arithmetic, and swallow everything else in float32."""
    tensors = dyck_tensors()
    tensors["blocks.1.mlp1.weight"][:2] = 0
    tensors["blocks.1.mlp1.bias"][:2] = 2.0**30
    tensors["blocks.1.mlp2.weight"][:, :2] = [1, -1]
    files = dyck_files(tensors, scratch=tmp_path)
    assert establish(question("real"), files)["semantics"] == "real"
    with pytest.raises(Rejected, match="not decided"):
        establish(question("float32"), files)


def broken(name, tensors):
    """Files of weights that are not what the format says."""
    header, start = (
        json.loads(tensors[8 : 8 + int.from_bytes(tensors[:8], "little")]),
        int.from_bytes(tensors[:8], "little"),
    )
    data = bytearray(tensors[8 + start :])
    match name:
        case "nan":
            data[:4] = struct.pack("<f", float("nan"))
        case "infinity":
            data[:4] = struct.pack("<f", float("inf"))
        case "shape":
            header["pos"]["shape"].reverse()
        case "extra":
            header["more"] = {"dtype": "F32", "shape": [1], "data_offsets": [len(data), len(data) + 4]}
            data += b"\0\0\0\0"
        case "overlap":
            header["tok.weight"]["data_offsets"] = header["pos"]["data_offsets"]
        case "hidden bytes":
            data += b"\0\0\0\0"
        case "missing":
            header["other"] = header.pop("pos")
        case "dtype":
            header["pos"]["dtype"] = "I32"
        case "truncated":
            data = data[:-4]
        case "no header":
            return b"\xff" * 16
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + bytes(data)


@pytest.mark.parametrize(
    "name",
    ["nan", "infinity", "shape", "extra", "overlap", "hidden bytes", "missing", "dtype", "truncated", "no header"],
)
def test_weights_that_are_not_as_described_are_one_sentence(certificate, tmp_path, name):
    weights = broken(name, certificate.files["network/model.safetensors"])
    with pytest.raises(UnreadableError) as error:
        checked(certificate.statement, {**certificate.files, "network/model.safetensors": weights}, tmp_path / "c")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "change", [{"d": 5}, {"heads": 4}, {"pool": "max"}, {"causal": 1}, {"layers": 0}, {"gate": True}]
)
def test_a_config_that_is_not_understood_is_refused(certificate, tmp_path, change):
    files = {**certificate.files, "network/config.json": json.dumps({**DYCK, **change}).encode()}
    assert refused(certificate.statement, files, tmp_path / "c")


def test_a_change_that_the_manifest_shows_is_refused(certificate, tmp_path):
    folder = certificate.save(tmp_path / "c")
    manifest = json.loads((folder / MANIFEST).read_text())
    for change in ({"format": 2}, {"sha256": "0" * 64}, {"statement": []}, {"files": {}}, {"more": 1}):
        (folder / MANIFEST).write_text(json.dumps({**manifest, **change}))
        with pytest.raises(UnreadableError):
            check(folder)
    (folder / MANIFEST).write_text(json.dumps(manifest))
    check(folder)
    (folder / "network" / "config.json").write_text(json.dumps({**DYCK, "note": "other"}))
    with pytest.raises(UnreadableError, match="SHA-256"):
        check(folder)


@pytest.fixture(scope="module")
def of_gpt2(tmp_path_factory):
    result, folder = explained_gpt2(tmp_path_factory.mktemp("gpt2"))
    made = attest(result, folder)
    assert isinstance(made, Certificate)
    return made


@pytest.mark.parametrize(
    ("entry", "value"),
    [("layer_norm_epsilon", 0.0), ("layer_norm_epsilon", 1e-30), ("layer_norm_epsilon", -1e-5), ("n_head", 3),
     ("layer_norm_epsilon", "1e-5"), ("reorder_and_upcast_attn", True), ("activation_function", "silu"), ("new", 1)],
)  # fmt: skip
def test_an_eps_of_zero_or_an_unknown_option_is_refused(of_gpt2, tmp_path, entry, value):
    config = json.dumps({**GPT2, entry: value}).encode()
    with pytest.raises(UnreadableError):
        checked(of_gpt2.statement, {**of_gpt2.files, "network/config.json": config}, tmp_path / "c")


def test_nan_for_eps_is_no_json(tmp_path):
    result, folder = explained_gpt2(tmp_path)
    made = attest(result, folder)
    config = json.dumps({**GPT2, "layer_norm_epsilon": float("nan")}).encode()
    with pytest.raises(UnreadableError, match="NaN"):
        checked(made.statement, {**made.files, "network/config.json": config}, tmp_path / "c")


def explained_gpt2(tmp_path):
    folder = write_network(tmp_path / "gpt2", GPT2, gpt2_tensors())
    loaded = load(folder, Question(lengths=(1, 3)))
    return distill(loaded, seconds=2, semantics="float64"), folder


def test_a_gpt2_is_certified_with_its_exceptions(tmp_path):
    result, folder = explained_gpt2(tmp_path)
    made = attest(result, folder)
    assert isinstance(made, Certificate)
    found = checked(made.statement, made.files, tmp_path / "c")
    assert (found["inputs"], len(found["exceptions"])) == (39, len(result.exceptions))
    assert found["semantics"] == "float64"


def test_without_time_for_the_checker_there_is_no_certificate_and_it_is_said_why(tmp_path):
    result, folder = explained_gpt2(tmp_path)
    seen = []
    made = attest(result, folder, seconds=0.0, on_progress=lambda done, total: seen.append((done, total)))
    assert made == "the checker had 0 s, which is too little (0 inputs were visited in time); give it more time"
    assert seen == [(0, 39)]


@pytest.mark.parametrize("name", sliced(["quote_closing", "bracket_dilution"], 2))
def test_a_shipped_circuit_is_certified_in_float32(name, tmp_path):
    folder = shipped_path(name)
    loaded = load(folder)
    domain = Domain(loaded.domain.alphabet, 1, 4, loaded.domain.constraint)
    made = attest(distill(loaded, domain, seconds=5), folder)
    assert isinstance(made, Certificate)
    assert checked(made.statement, made.files, tmp_path / "c")["semantics"] == "float32"


def test_what_is_given_is_all_that_the_statement_takes_as_given(certificate):
    assert {*GIVEN} == question().keys()
    assert certificate.statement == establish(question(), certificate.files)
    assert hashlib.sha256(certificate.files["network/config.json"]).hexdigest() in str(certificate.statement["sha256"])


def test_a_statement_of_another_kind_names_the_command_that_reads_it(certificate, tmp_path):
    statement = {name: value for name, value in certificate.statement.items() if name not in ("kind", "suffix")}
    with pytest.raises(UnreadableError, match=r"the statement has no kind, suffix\); distill check reads every kind"):
        checked(statement, certificate.files, tmp_path / "c")


@pytest.mark.parametrize("margin", [0.123999, 9.999, 123456.0, 0.0001, 3.7e-9, 2.0])
def test_the_margin_of_a_sentence_is_one_that_was_found(margin):
    said = float(_below(margin))
    assert 0.99 * margin < said <= margin


def test_an_automaton_says_yes_or_no(certificate, tmp_path):
    for accepts in ("no", 0, None, []):
        automaton = {"transitions": [[0, 0]], "accepting": [accepts]}
        question = {name: certificate.statement[name] for name in GIVEN} | {"automaton": automaton}
        with pytest.raises(UnreadableError, match="an automaton"):
            establish(question, certificate.files)


def halved(name):
    """Weights of a GPT-2 in half precision, as a safetensors file holds them, and its bytes."""
    tensors, stored, parts, at = gpt2_tensors(), {}, [], 0
    for key, tensor in tensors.items():
        bits = tensor.astype("<f2") if name == "float16" else (tensor.astype("<f4").view("<u4") >> 16).astype("<u2")
        parts.append(bits.tobytes())
        kind = {"float16": "F16", "bfloat16": "BF16"}[name]
        stored[key] = {"dtype": kind, "shape": [*tensor.shape], "data_offsets": [at, at + len(parts[-1])]}
        at += len(parts[-1])
    header = json.dumps(stored).encode()
    return len(header).to_bytes(8, "little") + header + b"".join(parts)


@pytest.mark.parametrize("name", ["float16", "bfloat16"])
def test_a_network_in_half_precision_is_certified_as_the_float32_numbers_that_it_holds(tmp_path, name):
    folder = write_network(tmp_path / "gpt2", {**GPT2, "dtype": name}, gpt2_tensors())
    (folder / "model.safetensors").write_bytes(halved(name))
    made = attest(distill(load(folder, Question(lengths=(1, 3))), seconds=2), folder)
    assert isinstance(made, Certificate), made
    assert checked(made.statement, made.files, tmp_path / "c")["semantics"] == "float32"
    assert "no TF32, half precision" in made.statement["assumption"]
    widened = {**made.files, "network/model.safetensors": save(gpt2_tensors())}  # numbers that it does not hold
    with pytest.raises(UnreadableError, match="changes a number"):
        establish({key: made.statement[key] for key in GIVEN}, widened)
    if name == "float16":  # which has more digits
        config = json.dumps({**GPT2, "dtype": "bfloat16"}).encode()
        with pytest.raises(UnreadableError, match="changes a number"):
            establish({key: made.statement[key] for key in GIVEN}, {**made.files, "network/config.json": config})


def test_half_precision_beside_other_types_is_refused(certificate):
    content = certificate.files["network/model.safetensors"]
    size = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + size])
    header["pos"] |= {"dtype": "F16", "shape": [2 * DYCK["n"], DYCK["d"]]}
    text = json.dumps(header).encode()
    changed = len(text).to_bytes(8, "little") + text + content[8 + size :]
    with pytest.raises(UnreadableError, match="half precision beside other types"):
        establish(question(), {**certificate.files, "network/model.safetensors": changed})
