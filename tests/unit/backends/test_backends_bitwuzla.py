"""Claims about Bitwuzla: it conforms, keeps its limits, and proves a shipped circuit through bit-vectors."""

from __future__ import annotations

import time
from typing import Any

import pytest
from distilling import distilled
from pysmt.environment import Environment
from pysmt.logics import QF_BV, QF_LIA
from pysmt.typing import BVType

from backends import BITWUZLA, BackendError, Limits, Sat, Unknown, Unsat, decide, get
from backends.conformance import CASES, Case, check
from cegis import Found, Rung
from tasks.formats.circuit_folder import load_circuit, shipped_path

pytestmark = pytest.mark.needs("bitwuzla")
OURS = [case for case in CASES if case.logic in BITWUZLA.logics]


@pytest.mark.parametrize("case", OURS, ids=str)
def test_bitwuzla_conforms(case: Case) -> None:
    case.run(BITWUZLA)


@pytest.mark.slow
def test_bitwuzla_conforms_in_a_worker() -> None:
    assert check(BITWUZLA, hard=True) == ()


def test_bitwuzla_is_known_by_name() -> None:
    assert get("bitwuzla") is BITWUZLA


def test_integers_are_refused_by_name() -> None:
    with pytest.raises(BackendError, match="bitwuzla is not set up for QF_LIA; it decides QF_BV"):
        BITWUZLA.open(Environment(), QF_LIA)


def test_a_soft_limit_holds_on_wide_division() -> None:
    environment = Environment()
    m = environment.formula_manager
    x, y = m.Symbol("x", BVType(512)), m.Symbol("y", BVType(512))
    again = m.BVAdd(m.BVMul(m.BVUDiv(x, y), y), m.BVURem(x, y))
    with BITWUZLA.open(environment, QF_BV) as session:
        start = time.monotonic()
        answer = decide(session, "wide division", m.Not(m.Equals(again, x)), Limits(0.3))
        assert time.monotonic() - start < 0.3 + 1
        assert isinstance(answer, Unknown)
        assert answer.reason == "reached the time limit of 0.3 s"
        assert isinstance(decide(session, "after", m.Equals(x, y)), Sat)


def test_a_number_wider_than_a_machine_word_comes_back_exactly() -> None:
    environment = Environment()
    m = environment.formula_manager
    x, value = m.Symbol("x", BVType(200)), (1 << 199) + 12345
    with BITWUZLA.open(environment, QF_BV) as session:
        answer = decide(session, "wide", m.Equals(m.BVNot(x), m.BV((1 << 200) - 1 - value, 200)))
    assert isinstance(answer, Sat)
    assert answer.model == {"x": value}


def test_deep_formulas_need_no_recursion() -> None:
    environment = Environment()
    m = environment.formula_manager
    start = m.Symbol("x", BVType(8))
    term: Any = start
    for _ in range(3_000):
        term = m.Ite(m.Symbol("keep"), m.BVAdd(term, m.BV(1, 8)), m.BVNot(term))
    with BITWUZLA.open(environment, QF_BV) as session:
        odd = m.Not(m.Equals(m.BVExtract(term, 0, 0), m.BVExtract(start, 0, 0)))
        assert isinstance(decide(session, "3000 flips of the lowest bit", odd, Limits(20)), Unsat)


def test_a_shipped_circuit_is_proved_by_bit_vectors_alone() -> None:
    result = distilled(load_circuit(shipped_path("quote_closing")), BITWUZLA, length=4, seconds=60)
    assert isinstance(result.outcome, Found)
    assert result.is_proved
    proof = next(claim for claim in result.claims if claim.rung is Rung.SURROGATE)
    assert proof.domain.max_length == 4
    assert "by bitwuzla" in proof.method
