"""What a solver cannot decide in time is avoided, and never read as an answer."""

import pytest

from cegis import Found, Stopped, Unknown, Valid
from cegis.formulas.formula import FormulaSpec
from cegis.formulas.solution import Solution
from cegis.loop import Budget, Loop
from cegis.searchers.search import PointSearch, hard_operators
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
