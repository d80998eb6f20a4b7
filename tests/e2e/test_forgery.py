"""Forged certificates, each rewritten with fresh checksums: a word that nothing backs must not pass the check."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest
from distilling import distilled

from backends import get
from cegis import Differs, Exhaustive, Program, motifs
from cegis.certificate import Certificate, CertificateError
from tasks.certificates.recheck import check, other_backend
from tasks.certificates.solver_evidence import certify
from tasks.certificates.statement import Subject, known
from tasks.formats.circuit_folder import load_circuit, save_circuit, shipped_path, weights_sha256
from tasks.networks.sparse_transformer import Network, NetworkError
from tasks.proofs.circuit_labels import as_table, label_domain

FOLDER = shipped_path("quote_closing")


@pytest.fixture(scope="module")
def circuit():
    return load_circuit(FOLDER)


@pytest.fixture(scope="module")
def honest(circuit):
    return certify(distilled(circuit, get("z3"), length=3), FOLDER)


@pytest.fixture
def failing_step(honest, tmp_path):
    """The first step that does not hold of ``honest`` with some entries and files replaced and others left out."""

    def run(statement=None, files=None, without=()):
        kept = {name: text for name, text in honest.files.items() if not name.startswith(tuple(without))}
        forged = Certificate({**honest.statement, **(statement or {})}, {**kept, **(files or {})})
        forged.save(tmp_path / "forged")
        steps = check(tmp_path / "forged", get("cvc5"), seconds=60)
        return next((step.name for step in steps if step.holds is not True), None)

    return run


def with_claims(honest, **change):
    return {"claims": [{**claim, **change} for claim in honest.statement["claims"]]}


def test_the_honest_certificate_holds(failing_step):
    assert failing_step() is None


@pytest.mark.parametrize(
    "change",
    [
        {"rung": "all lengths"},
        {"semantics": "every arithmetic there is"},
        {"lengths": [1, 10**9]},
        {"lengths": [1, 2]},
        {"sequences": 10**9},
        {"sentence": "equals circuit quote_closing on all sequences"},
        {"assumption": ""},
        {"note": "for all lengths"},
    ],
)
def test_a_claim_that_says_more_than_the_evidence_is_rejected(failing_step, honest, change):
    assert failing_step(statement=with_claims(honest, **change)) == "statement"


def test_a_sentence_may_name_the_solver_and_nothing_else(failing_step, honest):
    solver, network = honest.statement["claims"]
    renamed = {**solver, "sentence": solver["sentence"].split(" by z3 ")[0] + " by z9 9.9"}
    assert failing_step(statement={"claims": [renamed, network]}) is None
    longer = {**solver, "sentence": solver["sentence"] + " for all lengths"}
    assert failing_step(statement={"claims": [longer, network]}) == "statement"


def test_a_solver_claim_without_its_queries_is_rejected(failing_step):
    assert failing_step(without=["surrogate", "queries"]) == "statement"
    assert failing_step(without=["queries/length-002"]) == "statement"


@pytest.mark.parametrize(
    "change",
    [
        {"claims": []},
        {"circuit": "another"},
        {"labels": ["x", "y"]},
        {"prefix": []},
        {"alphabet": ["x", "y"]},
        {"constraint": None},
        {"constraint": "every sequence"},
        {"unit_roundoff": 2.0**-11},
        {"error_bound": 0},
        {"note": "for all lengths"},
    ],
)
def test_a_statement_that_does_not_follow_from_its_files_is_rejected(failing_step, change):
    assert failing_step(statement=change) == "statement"


@pytest.mark.parametrize("change", [{"error_bound": 0.0}, {"error_bound": -1.0}, {"error_bound": float("nan")}])
def test_a_forged_error_bound_is_rejected(failing_step, change):
    assert failing_step(statement=change) == "rounding"


def test_a_forged_margin_is_rejected(failing_step, honest):
    said, forged = "at least 3.7", "at least 8.99"
    claims = [{**c, "sentence": c["sentence"].replace(said, forged)} for c in honest.statement["claims"]]
    assert claims != honest.statement["claims"]
    assert failing_step(statement={"margin": 9.0, "claims": claims}) == "program"
    files = {"program.py": honest.files["program.py"].replace(said.encode(), forged.encode())}
    assert failing_step(statement={"margin": 9.0, "claims": claims}, files=files) == "rounding"


def test_a_network_that_ties_cannot_be_certified_by_a_bound_below_zero(failing_step, circuit, honest, tmp_path):
    """Every logit is equal; torch's argmax names the first label, and a program that always does agrees with it."""
    tensors = dict(circuit.network.tensors)
    for name in ("lm_head.weight", "final_logits_bias"):
        tensors[name] = np.zeros_like(tensors[name])
    tied = replace(circuit, network=Network(circuit.network.config, tensors))
    save_circuit(tied, tmp_path / "tied")
    files = {f"circuit/{path.name}": path.read_bytes() for path in (tmp_path / "tied").iterdir()}
    files["program.py"] = honest.files["program.py"].replace(b'"\'" if "\'" in tokens else \'"\'', b'"\'"')
    files["program.py"] = files["program.py"].replace(b"at least 3.7", b"at least 0")
    network = dict(honest.statement["claims"][1])
    network["sentence"] = network["sentence"].replace("at least 3.7", "at least 0")
    statement = {
        "circuit_sha256": weights_sha256(tmp_path / "tied"), "claims": [network], "margin": 0.0, "error_bound": -1.0,
    }  # fmt: skip
    assert failing_step(statement=statement, files=files, without=["surrogate", "queries"]) == "rounding"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"of length 1 to 3", b"of length 1 to 1000"),
        (b"def quote_closing", b"def gpt"),
        (b"def quote_closing", b"def __builtins__"),
        (b"    return", b"    # for all lengths\n    return"),
    ],
)
def test_a_program_text_that_says_more_than_was_proved_is_rejected(failing_step, honest, old, new):
    text = honest.files["program.py"]
    assert old in text
    assert failing_step(files={"program.py": text.replace(old, new)}) == "program"


def test_a_list_of_exceptions_that_are_none_is_rejected(failing_step, circuit, honest):
    text = honest.files["program.py"].decode()
    before, after = text.split('"""')[0], text.split('"""')[2]
    subject = Subject(circuit, "", circuit.domain.up_to(3), 1)
    assert "except on exactly 1 of them" in known(subject, honest.statement["margin"])
    grammar = motifs(circuit.domain.alphabet, circuit.labels)
    program = Program.parse(before + after.lstrip(), grammar)
    text = program.source("quote_closing", known(subject, honest.statement["margin"]))
    files = {"program.py": text.encode(), "exceptions.json": json.dumps([["'"]]).encode()}
    assert failing_step({"exceptions": 1, "claims": []}, files, ["surrogate", "queries"]) == "network"


@pytest.mark.parametrize("name", ["README.md", "circuit/deeper/weights.safetensors", "queries/length-009.smt2"])
def test_a_file_without_a_part_in_the_proof_is_rejected(failing_step, name):
    assert failing_step(files={name: b"proved for all lengths"}) == "statement"


@pytest.mark.parametrize(
    ("statement", "files"),
    [
        ({"claims": ["x"]}, {}),
        ({"claims": [{}]}, {}),
        ({"claims": 3}, {}),
        ({"lengths": []}, {}),
        ({"lengths": [1, 10**7]}, {}),
        ({}, {"exceptions.json": b"[" * 100_000}),
        ({}, {"exceptions.json": b"[[[" + b"]]]"}),
        ({}, {"program.py": b"\xff"}),
        ({}, {"surrogate.json": b"[" * 100_000}),
        ({}, {"surrogate.json": b"{}"}),
        ({}, {"surrogate.json": b"3"}),
        ({}, {"surrogate.json": b"\xff"}),
    ],
)
def test_nonsense_is_refused_in_one_sentence(failing_step, tmp_path, statement, files):
    with suppress(CertificateError, NetworkError):
        assert failing_step(statement=statement, files=files) is not None
    assert other_backend(tmp_path / "forged").is_installed()


def test_a_solver_claim_for_the_shorter_lengths_alone_holds(failing_step, circuit, honest):
    solver, network = honest.statement["claims"]
    shorter = circuit.domain.up_to(2)
    sentence = solver["sentence"].replace(
        "34 sequences of length 1 to 3", f"{shorter.size()} sequences of length 1 to 2"
    )
    assert sentence != solver["sentence"]
    part = {**solver, "lengths": [1, 2], "sequences": shorter.size(), "sentence": sentence}
    assert failing_step({"claims": [part, network]}, without=["queries/length-003"]) is None
    assert failing_step({"claims": [part, network]}) == "statement"


def test_a_program_with_exceptions_is_certified_with_all_of_them(circuit, tmp_path):
    result = distilled(circuit, get("z3"), length=3)
    text = 'def f(tokens):\n    return "\'" if "\'" in tokens and len(tokens) > 2 else \'"\''
    program = Program.parse(text, result.program.grammar)
    exceptions = Exhaustive(as_table(circuit, label_domain(circuit, result.domain))).exceptions(program)
    differs = replace(result, outcome=Differs(program, exceptions, "time limit", result.outcome.statistics))
    certificate = certify(differs, FOLDER)
    steps = check(certificate.save(tmp_path / "c"), get("cvc5"), seconds=60)
    assert [step.name for step in steps if step.holds] == ["files", "statement", "program", "network", "rounding"]
    listed = json.loads(certificate.files["exceptions.json"])[1:]
    text = certificate.files["program.py"].replace(b"exactly 5 ", b"exactly 4 ")
    files = {**certificate.files, "exceptions.json": json.dumps(listed).encode(), "program.py": text}
    Certificate({**certificate.statement, "exceptions": 4}, files).save(tmp_path / "c")
    assert [step.name for step in check(tmp_path / "c", get("cvc5")) if not step.holds] == ["network"]
