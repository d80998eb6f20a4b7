"""Claims about listing the terms of a row: all of them, once each, cheapest first, and no more than asked for."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice, product

import numpy as np
import pytest

from dsl.enumeration.bank import Bank
from dsl.enumeration.solutions import Forest
from dsl.grammar import Grammar, Production
from dsl.operators import BOOL, INT, GrammarError, Term
from dsl.scalars import ScalarSignature, variable
from dsl.theories.theory import find, literal

X = variable("x", INT)
GRAMMAR = Grammar(
    ScalarSignature((("x", INT),), INT),
    "I",
    (
        Production("I", X),
        Production("I", literal(0, INT)),
        Production("I", literal(1, INT), cost=2),
        Production("I", find("-", (INT, INT)), ("I", "I")),
        Production("I", find("ite", (BOOL, INT, INT)), ("B", "I", "I")),
        Production("B", find("<=", (INT, INT)), ("I", "I")),
    ),
)
POINTS = [(3,), (-2,), (0,)]
LEVEL = 8


def every(level: int) -> dict[str, list[Term]]:
    """Every term by nonterminal, cheapest first."""
    found: dict[tuple[str, int], list[Term]] = {}
    for cost in range(1, level + 1):
        for p in GRAMMAR.productions:
            for costs in product(range(1, level), repeat=len(p.arguments)):
                if sum(costs) + p.cost == cost:
                    parts = [found.get(key, []) for key in zip(p.arguments, costs, strict=True)]
                    found.setdefault((p.nonterminal, cost), []).extend(p.operator(*a) for a in product(*parts))
    return {name: [t for (n, _), terms in found.items() if n == name for t in terms] for name in GRAMMAR.sorts}


def grown(level: int, **options: bool) -> Bank:
    bank = Bank(GRAMMAR, **options)
    bank.observe(GRAMMAR.signature.batch(POINTS[:2]))
    bank.grow(level - 2)
    bank.observe(GRAMMAR.signature.batch(POINTS[2:]))
    bank.grow(level)
    return bank


def solutions(bank: Bank, nonterminal: str, row: int, max_cost: int | None = None) -> Iterator[Term]:
    """The terms of a row that cost up to ``max_cost`` (the deepest level grown), cheapest first, each once."""
    forest = Forest(bank)
    costs = range(1, (max_cost or max(block.cost for block in bank.blocks)) + 1)
    return iter(dict.fromkeys(term for cost in costs for term in islice(forest.terms(nonterminal, row, cost), 2000)))


@pytest.mark.parametrize("nonterminal", ["I", "B"])
def test_a_rows_terms_are_all_terms_that_behave_so_cheapest_first(nonterminal):
    bank, wanted = grown(LEVEL), every(LEVEL)[nonterminal]
    store = bank.stores[nonterminal]
    for row in range(0, len(store), 5):
        found = list(solutions(bank, nonterminal, row))
        same = [t for t in wanted if np.array_equal(np.broadcast_to(t.evaluate(bank.batch), 3), store.values[row])]
        assert len(found) == len(set(found))
        assert set(found) == set(same)
        costs = [GRAMMAR.cost(term, nonterminal) for term in found]
        assert costs == sorted(costs)
        assert found[0] == bank.term(nonterminal, row) or costs[0] == store.origin[row, 0]


@pytest.mark.slow
def test_a_row_that_stands_for_itself_has_terms_at_any_cost():
    bank = grown(4)
    row = bank.find("I", np.array([point for (point,) in POINTS]))
    terms = list(islice(solutions(bank, "I", row, max_cost=60), 2000))
    assert len(set(terms)) == 2000
    assert all((term.evaluate(bank.batch) == [point for (point,) in POINTS]).all() for term in terms[::100])


def test_a_given_term_is_listed_once_beside_what_is_built():
    bank, minus = Bank(GRAMMAR), find("-", (INT, INT))
    bank.observe(GRAMMAR.signature.batch(POINTS))
    term = minus(X(), literal(1, INT)())
    bank.add("I", term, 4)
    row = bank.find("I", term.evaluate(bank.batch))
    assert list(solutions(bank, "I", row)) == [term]
    bank.grow(6)
    assert list(solutions(bank, "I", row)).count(term) == 1


def test_a_bank_that_forgets_has_nothing_to_list():
    with pytest.raises(GrammarError, match="remember=True"):
        list(solutions(grown(4, remember=False), "I", 0))
