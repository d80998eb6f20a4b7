"""Attacks on single links of the chain that once went through."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from distilling import distilled

from backends import get
from cegis import Counterexample, Differs, DomainError, Program, motifs
from cegis.certificate import MANIFEST, Certificate, CertificateError
from tasks.certificates.recheck import check, printed_function
from tasks.certificates.solver_evidence import certify
from tasks.formats.circuit_folder import load_circuit, save_circuit, shipped_path
from tasks.networks.quoting import NAME
from tasks.networks.readout import UNDECIDED
from tasks.networks.sparse_transformer import Network, NetworkError
from tasks.pipeline import labels
from tasks.pipeline.labels import LabelTable
from tasks.pipeline.report import docstring, identifier, verdict
from tasks.proofs.enumeration import enumerate_within
from tasks.surrogates.relu import Surrogate

SMALL = {
    "before": [[0, 0]], "here": [[1, 0]], "bias": [0], "hidden": [], "hidden_bias": [],
    "readout": [[1, 0, 0], [0, 0, 0]], "readout_bias": [0, 1], "alphabet": 2, "window": 1, "max_length": 3,
}  # fmt: skip


def surrogate(**change):
    return Surrogate.from_json(json.dumps({**SMALL, **change}))


def test_a_small_surrogate_is_read():
    assert surrogate().largest_sum == 3


@pytest.mark.parametrize("weight", [2**62, 2**63 - 1, -(2**63)])
def test_partial_sums_beyond_int64_are_not_taken_for_small_ones(weight):
    arrays = {name: np.array(SMALL[name], np.int64) for name in SMALL if name not in ("alphabet", "window")}
    arrays["hidden"], arrays["max_length"] = np.zeros((0, 3), np.int64), 4
    arrays["readout"] = np.array([[weight, 0, 0], [0, 0, 0]], np.int64)
    with pytest.raises(NetworkError, match="partial sums reach"):
        Surrogate(**arrays)


@pytest.mark.parametrize(
    "change",
    [
        {"readout_bias": [0.9, 1]},
        {"readout_bias": ["0", 1]},
        {"readout_bias": [False, True]},
        {"readout_bias": [2**62, 0]},
        {"readout_bias": [10**30, 0]},
        {"bias": 3},
        {"hidden_bias": 3},
        {"alphabet": 0, "before": [], "here": []},
        {"max_length": 10**30},
        {"max_length": -1},
        {"window": 0},
        {"window": "1"},
        {"readout": 5},
    ],
)
def test_a_surrogate_of_anything_but_whole_numbers_is_refused(change):
    with pytest.raises(NetworkError, match="surrogate: "):
        surrogate(**change)


def test_a_surrogate_nested_without_end_is_refused():
    with pytest.raises(NetworkError, match="not readable"):
        Surrogate.from_json("[" * 100_000)


def test_more_labels_than_an_index_holds_are_refused():
    circuit = load_circuit(shipped_path("quote_closing"))
    with pytest.raises(NetworkError, match="at most"):
        many(circuit, 300)


def many(circuit, count):
    """``circuit`` with ``count`` labels, tokens of a vocabulary made longer with zeros."""
    config = replace(circuit.network.config, vocab_size=count)
    tensors = {}
    for name, shape in config.tensor_shapes().items():
        old = circuit.network.tensors[name]
        tensors[name] = np.zeros(shape, np.float32)
        tensors[name][tuple(slice(0, n) for n in old.shape)] = old
    words = (*circuit.vocabulary, *(f"w{n}" for n in range(count - len(circuit.vocabulary))))
    return replace(circuit, network=Network(config, tensors), vocabulary=words, labels=words)


def test_a_program_with_the_labels_in_another_order_is_never_compared():
    circuit = load_circuit(shipped_path("quote_closing"))
    backwards = motifs(circuit.domain.alphabet, circuit.labels[::-1])
    with pytest.raises(DomainError, match="in this order"):
        distilled(circuit, get("z3"), length=3, grammar=backwards)


def with_tensors(circuit, **change):
    return replace(circuit, network=Network(circuit.network.config, {**circuit.network.tensors, **change}))


def gappy(enumeration):
    """``enumeration`` without a label for the first sequences."""
    first = enumeration.lengths[0]
    gaps = replace(first, labels=np.full_like(first.labels, UNDECIDED), margins=np.full_like(first.margins, -1.0))
    return replace(enumeration, lengths=(gaps, *enumeration.lengths[1:]))


def test_a_first_sequence_without_a_label_is_an_answer_not_bad_input(monkeypatch):
    """The bounds are widened for the first sequences alone; the run must end unproved and say how many have none."""
    circuit = load_circuit(shipped_path("quote_closing"))
    monkeypatch.setattr(labels, "enumerate_within", lambda *given, **more: gappy(enumerate_within(*given, **more)))
    monkeypatch.setattr(labels, "in_float64", lambda found, *limits: found)
    result = distilled(circuit, get("z3"), length=3)
    assert not result.is_proved
    assert "PROVED WHERE IT HAS A LABEL" in verdict(result)
    assert "2 have no label" in verdict(result)
    assert result.not_applied["solver"] == "2 sequences have no label"
    assert certify(result, shipped_path("quote_closing")) is None


def test_a_circuit_that_changed_during_the_run_is_not_certified(tmp_path):
    circuit = load_circuit(shipped_path("quote_closing"))
    save_circuit(circuit, tmp_path / "c")
    result = distilled(circuit, get("z3"), length=3)
    assert certify(result, tmp_path / "c") is not None
    bias = circuit.network.tensors["final_logits_bias"] + np.float32(1e-3)
    for other in (with_tensors(circuit, final_logits_bias=bias), replace(circuit, name="other")):
        save_circuit(other, tmp_path / "c")
        with pytest.raises(NetworkError, match="it changed"):
            certify(result, tmp_path / "c")


@pytest.fixture(scope="module")
def diluting():
    """A circuit of which the shortest programs are wrong somewhere, on its whole range."""
    circuit = load_circuit(shipped_path("bracket_depth"))
    return circuit, distilled(circuit, get("z3"), length=4)


def test_exceptions_are_not_called_complete_while_sequences_have_no_label(diluting):
    circuit, result = diluting
    wrong = Counterexample(("(", "("), circuit.labels[0], circuit.labels[1])
    differs = Differs(result.program, (wrong,), "time limit", result.outcome.statistics)
    complete = replace(result, outcome=differs)
    assert "except on exactly 1 of them" in docstring(complete)
    assert "exactly 1 of" in verdict(complete)
    assert "no label" not in verdict(complete)
    table = LabelTable.of(gappy(result.labels.enumeration))
    partial = replace(complete, labels=table)
    said = " ".join(docstring(partial).split())
    assert "sequences of length 1 to 4 that have a label, except on exactly 1 of them" in said
    assert f"{table.undecided} have no label" in verdict(partial)
    assert "up to length 1 the two are equal" in verdict(complete)
    assert "the two are equal" not in verdict(partial)
    assert f"of {table.size:,} sequences of length 1 to 4 that have a label" in verdict(partial)


@pytest.mark.parametrize("name", ["max", "class", "__builtins__", "_", "", "../../evil", "/etc/evil", "3d", "é"])
def test_a_circuit_of_any_name_prints_as_a_function_that_hides_nothing(name):
    circuit = replace(load_circuit(shipped_path("quote_closing")), name=name)
    printed = identifier(circuit.name[:NAME])
    program = Program.parse('def f(tokens):\n    return "\'"', motifs(circuit.domain.alphabet, circuit.labels))
    assert printed_function(program.source(printed))(["x"]) == "'"
    assert printed.isidentifier()
    assert printed.isascii()


def described(tmp_path, **change):
    """A circuit folder whose description says ``change``."""
    folder = tmp_path / "circuit"
    save_circuit(load_circuit(shipped_path("quote_closing")), folder)
    body = json.loads((folder / "circuit.json").read_text())
    (folder / "circuit.json").write_text(json.dumps({**body, **change}))
    return folder


@pytest.mark.parametrize("key", ["name", "summary"])
@pytest.mark.parametrize("text", ["x\nPROVED: all lengths", "\x1b[2J", "\u202e", "\ud800"])
def test_a_description_that_could_pass_for_our_own_lines_is_refused(tmp_path, key, text):
    with pytest.raises(NetworkError, match=f"{key} should be"):
        load_circuit(described(tmp_path, **{key: text}))


def test_a_token_that_no_file_can_hold_is_refused(tmp_path):
    with pytest.raises(NetworkError, match="UTF-8"):
        load_circuit(described(tmp_path, prefix=["\ud800"]))


SMALL_CERTIFICATE = Certificate({"claim": "a"}, {"a.txt": b"alpha", "sub/b.txt": b"beta"})


def test_a_file_put_beside_a_certificate_is_never_deleted(tmp_path):
    folder = SMALL_CERTIFICATE.save(tmp_path / "c")
    for note in (folder / "notes.txt", folder / "sub" / "notes.txt"):
        note.write_text("precious")
        with pytest.raises(CertificateError, match="holds other files"):
            SMALL_CERTIFICATE.save(folder)
        assert note.read_text() == "precious"
        note.unlink()
    SMALL_CERTIFICATE.save(folder)


def test_a_link_to_a_certificate_is_followed(tmp_path):
    SMALL_CERTIFICATE.save(tmp_path / "c")
    (tmp_path / "link").symlink_to("c")
    Certificate({"claim": "b"}, {}).save(tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert Certificate.load(tmp_path / "c").statement == {"claim": "b"}


def test_writers_of_one_folder_leave_one_whole_certificate(tmp_path):
    wanted = [Certificate({"claim": n}, {"a.txt": str(n).encode()}) for n in range(4)]
    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(wanted[n % 4].save, tmp_path / "c") for n in range(80)]:
            assert isinstance(done.exception(), CertificateError | None)
    assert Certificate.load(tmp_path / "c") in wanted
    assert [path.name for path in tmp_path.iterdir()] == ["c"]


@pytest.mark.parametrize("depth", [10, 400, 900, 950, 980, 1000, 5_000, 100_000])
def test_a_manifest_nested_without_end_is_refused(tmp_path, depth):
    folder = SMALL_CERTIFICATE.save(tmp_path / "c")
    nested = "[" * depth + "]" * depth
    text = f'{{"format": 1, "statement": {{"a": {nested}}}, "files": {{}}, "sha256": "0"}}'
    (folder / MANIFEST).write_text(text)
    with pytest.raises(CertificateError):
        Certificate.load(folder)


def test_a_manifest_of_lone_surrogates_is_refused(tmp_path):
    folder = SMALL_CERTIFICATE.save(tmp_path / "c")
    (folder / MANIFEST).write_text('{"format": 1, "statement": {"a": "\\ud800"}, "files": {}, "sha256": "0"}')
    with pytest.raises(CertificateError, match="SHA-256 differs"):
        Certificate.load(folder)


def test_a_circuit_of_a_hostile_name_is_certified_under_it(tmp_path):
    circuit = replace(load_circuit(shipped_path("quote_closing")), name="all), PROVED (")
    save_circuit(circuit, tmp_path / "c")
    result = distilled(circuit, get("z3"), length=3)
    certificate = certify(result, tmp_path / "c")
    assert certificate is not None
    assert certificate.statement["claims"][1]["sentence"].startswith("equals circuit 'all), PROVED (' on all 34 ")
    assert all(step.holds for step in check(certificate.save(tmp_path / "d"), get("cvc5"), seconds=60))
