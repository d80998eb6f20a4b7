"""A search that was interrupted, as for an answer from outside, goes on as if it had not been."""

from __future__ import annotations

import pytest
from quick import sliced

from cegis.formulas.solution import Solution
from cegis.loop import FormulaBudget
from cegis.searchers.search import PointSearch
from cegis.searchers.solving import homes
from cegis.sygus import read_text
from dsl.enumerator import Stopped

SEARCH = """
(set-logic LIA)
(synth-fun f ((a Int) (b Int) (c Int) (k Int)) Int)
(declare-var a Int) (declare-var b Int) (declare-var c Int) (declare-var k Int)
(constraint (=> (and (< a b) (< b c) (< k a)) (= (f a b c k) 0)))
(constraint (=> (and (< a b) (< b c) (> k c)) (= (f a b c k) 3)))
(constraint (=> (and (< a b) (< b c) (> k a) (< k b)) (= (f a b c k) 1)))
(constraint (=> (and (< a b) (< b c) (> k b) (< k c)) (= (f a b c k) 2)))
"""


def fresh() -> PointSearch:
    spec = read_text(SEARCH).spec
    (grammar,) = homes(spec, {}).values()
    return PointSearch(spec, grammar, budget=FormulaBudget())


@pytest.mark.parametrize("looks", sliced([1, 2, 3, 5, 8, 13, 21], 2))
def test_what_was_ended_on_the_way_is_worked_out_again(looks: int) -> None:
    wanted = fresh().propose(lambda: False)
    assert isinstance(wanted, Solution)
    left = [looks]

    def stop() -> bool:
        left[0] -= 1
        return left[0] < 0

    search = fresh()
    first = search.propose(stop)
    found = search.propose(lambda: False) if isinstance(first, Stopped) else first
    assert isinstance(found, Solution)
    assert found.size <= wanted.size
