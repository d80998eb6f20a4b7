"""Shipped circuits to certificates, through the functions the command line calls."""

from __future__ import annotations

import pytest
from distilling import distilled
from quick import sliced

from backends import get
from cegis import Found, Program, Rung, motifs
from tasks.certificates.recheck import check
from tasks.certificates.solver_evidence import certify
from tasks.formats.circuit_folder import load_circuit, shipped_names, shipped_path
from tasks.pipeline.report import program_text

LENGTH = {"z3": 8, "cvc5": 6}
ASKED = [(name, [*LENGTH][(n + m) % 2]) for n, name in enumerate(shipped_names()) for m in (0, 1)]


@pytest.mark.parametrize(("name", "backend"), sliced(ASKED, 6))
def test_every_circuit_becomes_a_short_proved_program(name, backend):
    circuit = load_circuit(shipped_path(name))
    result = distilled(circuit, get(backend), length=LENGTH[backend], seconds=100)
    assert isinstance(result.outcome, Found)
    assert result.is_proved
    rungs = {claim.rung: claim for claim in result.claims}
    assert rungs[Rung.ENUMERATED].domain.max_length == LENGTH[backend]
    assert rungs[Rung.SURROGATE].domain.max_length == LENGTH[backend]
    source = program_text(result)
    assert len(source.splitlines()) <= 12
    grammar = motifs(circuit.domain.alphabet, circuit.labels, min_length=circuit.domain.min_length)
    assert Program.parse(source, grammar).term == result.program.term


@pytest.mark.parametrize("name", sliced(shipped_names(), 3))
def test_the_certificate_of_every_circuit_holds(name, tmp_path):
    folder = shipped_path(name)
    result = distilled(load_circuit(folder), get("z3"), length=5, seconds=60)
    certificate = certify(result, folder)
    assert certificate is not None
    steps = check(certificate.save(tmp_path / "c"), get("cvc5"), seconds=60)
    assert [(step.name, step.holds) for step in steps] == [
        (name, True) for name in ("files", "statement", "program", "network", "rounding", "surrogate", "queries")
    ]


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["z3", "cvc5"])
@pytest.mark.parametrize("name", shipped_names())
def test_every_circuit_is_proved_by_enumeration_to_length_ten(name, backend):
    result = distilled(load_circuit(shipped_path(name)), get(backend), length=10, seconds=170)
    claims = {claim.rung: claim.domain.max_length for claim in result.claims}
    assert claims[Rung.ENUMERATED] == 10
    assert claims[Rung.SURROGATE] >= LENGTH[backend]
