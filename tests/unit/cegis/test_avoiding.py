"""What a solver cannot decide in time is avoided, and never read as an answer."""

import os
import time

import pytest

from cegis import Found, Stopped, Unknown, Valid
from cegis.formulas.formula import FormulaSpec
from cegis.formulas.solution import Solution
from cegis.loop import Budget, Loop
from cegis.searchers.search import PointSearch, hard_operators
from cegis.searchers.solving import Timely
from cegis.searchers.witnesses import Witnesses, witnesses_of
from cegis.sygus import read_text
from cegis.verdict import Verdict

DOUBLE = """
(set-logic BV)
(synth-fun f ((x (_ BitVec 8))) (_ BitVec 8) ((S (_ BitVec 8))) ((S (_ BitVec 8) (x #x02 {rules}))))
(declare-var x (_ BitVec 8))
(constraint (= (f x) (bvshl x #x01)))
(check-synth)
"""


class DecidesSums:
    """A verifier that gives up on every product."""

    def check(self, solution: Solution) -> Verdict:
        return Unknown("too hard") if hard_operators(solution) else Valid(())


def run(rules: str):
    problem = read_text(DOUBLE.format(rules=rules))
    spec: FormulaSpec = problem.spec
    search = PointSearch(spec, problem.grammars["f"], budget=Budget(seconds=20))
    return Loop(search, DecidesSums(), Budget(seconds=20)).run()


def test_a_product_that_cannot_be_decided_gives_way_to_a_sum():
    outcome = run("(bvmul S S) (bvadd S S)")
    assert isinstance(outcome, Found)
    assert outcome.program.text.count("bvadd") == 1


@pytest.mark.parametrize("rules", ["(bvmul S S)", "(bvmul S S) (bvnot S)"])
def test_what_was_not_decided_is_neither_found_nor_infeasible(rules):
    outcome = run(rules)
    assert isinstance(outcome, Stopped)
    assert "too hard" in outcome.reason
    assert "bvmul" in outcome.program.text


@pytest.mark.parametrize(("load", "share"), [(0.0, 0.1), (2.0, 0.1), (4.0, 0.2), (99.0, 0.4)])
def test_a_product_is_given_as_much_more_of_the_clock_as_the_machine_is_busy(load, share, monkeypatch):
    monkeypatch.setattr(os, "getloadavg", lambda: (load, 0.0, 0.0))
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    problem = read_text(DOUBLE.format(rules="(bvmul S S)"))
    product = PointSearch(problem.spec, problem.grammars["f"], budget=Budget(seconds=20)).propose(lambda: False)
    with Witnesses(problem.spec, witnesses_of(problem.spec)[:1]) as verifier:
        Timely(verifier, time.perf_counter() + 1_000.0, 0.1).check(product)
        assert verifier.seconds == pytest.approx(1_000.0 * share, rel=0.2)
