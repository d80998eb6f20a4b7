"""Costs learned from partial solutions lead to programs beyond the reach of uniform ones, and prove nothing."""

import random

import numpy as np
import pytest
from specs import function, of

from cegis.formulas.formula import FormulaSpec
from cegis.formulas.solution import Solution
from cegis.loop import Budget
from cegis.searchers import search
from cegis.searchers.search import PARTIAL, PointSearch
from dsl.enumeration.learning import DEAREST, learned
from dsl.enumerator import Exhausted, Stopped
from dsl.grammar import Grammar, Production
from dsl.operators import bitvector
from dsl.theories.theory import find, literal

WORD = bitvector(16)
BINARY = ("bvadd", "bvsub", "bvand", "bvor", "bvxor", "bvshl", "bvlshr", "bvmul")
F = function("f", ("x", WORD), ("y", WORD), result=WORD)
x, y = F.signature.variables
TARGET = of(
    "bvadd", of("bvadd", y, of("bvshl", x, y)), of("bvshl", of("bvadd", y, literal(15, WORD)()), of("bvadd", x, y))
)

OFTEN_X = of("bvxor", x, of("bvand", y, literal(8, WORD)()))


def grammar(unary=("bvnot", "bvneg"), binary=BINARY, leaves=(0, 1, 2, 15)):
    operators = [*(term.operator for term in (x, y)), *(literal(value, WORD) for value in leaves)]
    operators += [find(name, (WORD,)) for name in unary] + [find(name, (WORD, WORD)) for name in binary]
    return Grammar(F.signature, "S", tuple(Production("S", o, ("S",) * len(o.arguments)) for o in operators))


def points(target):
    """Equations for ``target`` at numbers of 2, 4, 8 and 16 bits."""
    draw = random.Random(0)
    inputs = [(draw.randrange(2 ** (2, 4, 8, 16)[k % 4]), draw.randrange(2 ** (2, 4)[k % 2])) for k in range(16)]
    equations = []
    for given in inputs:
        value = int(target.evaluate(F.signature.example(*given))[0])
        called = F.operator(*(literal(part, WORD)() for part in given))
        equations.append(of("=", called, literal(value, WORD)()))
    return FormulaSpec((F,), (), tuple(equations))


def proposal(spec, allowed, candidates=100_000):
    searching = PointSearch(spec, allowed, budget=Budget(candidates=candidates, cost=100))
    return searching, searching.propose(lambda: False)


def costs(learnt):
    return {production.operator.name: production.cost for production in learnt.productions}


def test_what_helped_at_more_points_is_cheaper():
    some = of("bvadd", x, of("bvshl", x, y))
    learnt = learned(grammar(), [(some, 0.75), (of("bvand", x, y), 0.25), (of("bvand", x, x), 0.125)])
    cost = costs(learnt)
    assert cost["bvadd"] == cost["bvshl"] == cost["x"] == cost["y"] == 1
    assert cost["bvadd"] < cost["bvand"] < cost["bvmul"] == cost["bvnot"] <= DEAREST


def test_learning_changes_costs_alone():
    learnt = learned(grammar(), [(TARGET, 1.0)])
    assert [(p.nonterminal, p.operator, p.arguments) for p in learnt.productions] == [
        (p.nonterminal, p.operator, p.arguments) for p in grammar().productions
    ]
    assert set(costs(learned(grammar(), [])).values()) == {1}


def test_learned_costs_find_what_a_larger_uniform_search_does_not(monkeypatch):
    searching, found = proposal(points(TARGET), grammar())
    assert isinstance(found, Solution)
    program = found.programs[F]
    assert grammar().cost(program.term) == program.term.size > searching.level
    total = searching.candidates
    monkeypatch.setattr(search, "RELEARNT", -1)
    _, missed = proposal(points(TARGET), grammar(), candidates=2 * total)
    assert isinstance(missed, Stopped)


def test_a_search_with_learned_costs_repeats_itself():
    (one, first), (other, second) = (proposal(points(TARGET), grammar()) for _ in range(2))
    assert first.programs[F].term == second.programs[F].term
    assert one.candidates == other.candidates


@pytest.mark.parametrize("stalled", [10, 30])
def test_a_stalled_search_still_goes_through_the_whole_grammar(stalled, monkeypatch):
    monkeypatch.setattr(search, "STALLED", stalled)
    searching, outcome = proposal(points(OFTEN_X), grammar((), ("bvand", "bvor"), (1,)))
    assert searching._earlier > 2 * stalled
    assert isinstance(outcome, Exhausted)


def test_learned_costs_exhaust_nothing(monkeypatch):
    """The bank of learned costs runs out of terms, that of the user's was full before it did."""
    full = PointSearch._is_full
    monkeypatch.setattr(PointSearch, "_is_full", lambda self: self._level > 2 if not self._is_learned else full(self))
    searching, outcome = proposal(points(OFTEN_X), grammar((), ("bvand", "bvor"), (1,)))
    assert searching._is_learned
    assert isinstance(outcome, Stopped)


def test_they_are_learned_from_the_cheapest_term_for_each_set_of_points():
    one = PointSearch(points(TARGET), grammar(), budget=Budget(candidates=3_000))
    one._bank.grow(5, lambda: one._bank.candidates > 3_000)
    right, store = one._right(), one._bank.stores["S"]
    cheapest: dict[frozenset[int], tuple[int, int]] = {}
    for row, said in enumerate(right):
        at = frozenset(np.flatnonzero(said).tolist())
        cost = (int(store.origin[row, 0]), row)
        cheapest[at] = min(cheapest.get(at, cost), cost)
    wanted = sorted((-len(at), *cost) for at, cost in cheapest.items() if at)[:PARTIAL]
    found = one._partial()
    assert len(wanted) > 5
    assert [(-share * right.shape[1], term.size) for term, share in found] == [(n, size) for n, size, _ in wanted]
