"""All solutions: what is listed is what brute force finds, in order of cost, each proved, and the end says why."""

from __future__ import annotations

from itertools import islice, product

import numpy as np
import pytest
from specs import call, function, integers, maximum, of

from backends import Unknown, get
from cegis import Budget, DomainError, GrammarError
from cegis.formulas.formula import FormulaSpec
from cegis.searchers.solutions import enumerate_solutions, longest
from dsl.grammar import Grammar, Production
from dsl.operators import BOOL, INT, Term
from dsl.scalars import ScalarSignature, variable
from dsl.theories.theory import find, literal

(x,) = integers("x")
F = function("f", ("x", INT), result=INT)
ROWS = (
    Production("I", variable("x", INT)),
    Production("I", literal(0, INT)),
    Production("I", literal(1, INT)),
    Production("I", find("+", (INT, INT)), ("I", "I"), cost=2),
    Production("I", find("-", (INT, INT)), ("I", "I")),
    Production("I", find("ite", (BOOL, INT, INT)), ("B", "I", "I")),
    Production("B", find("<=", (INT, INT)), ("I", "I")),
)
GRAMMAR = Grammar(ScalarSignature((("x", INT),), INT), "I", ROWS)
LEVEL = 8
WIDE = [(value,) for value in range(-40, 41)]  # terms of this size that agree here agree everywhere


def number(value: int) -> Term:
    return literal(value, INT)()


def every(grammar: Grammar, level: int) -> dict[Term, int]:
    """Every term of the grammar with its cost, by brute force; a term that is derived twice has the lesser."""
    found: dict[tuple[str, int], list[Term]] = {}
    for cost in range(1, level + 1):
        for p in grammar.productions:
            for costs in product(range(1, level), repeat=len(p.arguments)):
                if sum(costs) + p.cost == cost:
                    parts = [found.get(key, []) for key in zip(p.arguments, costs, strict=True)]
                    found.setdefault((p.nonterminal, cost), []).extend(p.operator(*a) for a in product(*parts))
    terms: dict[Term, int] = {}
    for (name, cost), some in found.items():
        for term in some if name == grammar.start else ():
            terms.setdefault(term, cost)
    return terms


def unordered(term: Term) -> object:
    """What a term and its mirror images have in common: ``x + 1`` and ``1 + x`` are listed once."""
    parts = [unordered(argument) for argument in term.arguments]
    return term.operator.name, tuple(sorted(parts, key=repr) if term.operator.commutative else parts)


def values(term: Term) -> tuple[int, ...]:
    return tuple(np.broadcast_to(term.evaluate(F.signature.batch(WIDE)), len(WIDE)).tolist())


def listed(spec: FormulaSpec) -> list[Term]:
    found = enumerate_solutions(spec, {"f": GRAMMAR}, backend=get("z3"), budget=Budget(seconds=60, cost=LEVEL))
    terms = [solution.programs[F].term for solution in found]
    assert found.ended == f"search limit of cost {LEVEL}"
    assert found.claims
    costs = [GRAMMAR.cost(term) for term in terms]
    assert costs == sorted(costs)
    return terms


def determined(*wanted: Term) -> FormulaSpec:
    return FormulaSpec((F,), (("x", INT),), wanted)


BELOW = of("<=", x, call(F, x))
ABOVE = of("<=", number(0), call(F, x))
EITHER = of("or", of("=", call(F, x), x), of("=", call(F, x), number(0)))
EXAMPLES = tuple(of("=", call(F, number(given)), number(wanted)) for given, wanted in ((2, 1), (1, 0)))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("spec", "is_right"),
    [
        (determined(of("=", call(F, x), of("-", x, number(2)))), lambda x, y: y == x - 2),
        (determined(BELOW, ABOVE, EITHER), lambda x, y: y == max(x, 0)),
        (FormulaSpec((F,), (), EXAMPLES), lambda x, y: {2: y == 1, 1: y == 0}.get(x, True)),
    ],
    ids=["an equation", "a formula that leaves no choice", "examples"],
)
def test_where_there_is_no_choice_the_solutions_are_all_right_terms(spec, is_right):
    found = listed(spec)
    right = [t for t in every(GRAMMAR, LEVEL) if all(is_right(x, y) for (x,), y in zip(WIDE, values(t), strict=True))]
    assert len(right) > 1
    assert len(set(found)) == len(found)
    assert set(found) <= set(right)
    assert {unordered(term) for term in found} == {unordered(term) for term in right}


def test_where_there_is_a_choice_the_solutions_are_all_behaviours_by_their_cheapest_terms():
    found = listed(determined(BELOW, ABOVE))
    cheapest: dict[tuple[int, ...], int] = {}
    for term, cost in sorted(every(GRAMMAR, LEVEL).items(), key=lambda pair: pair[1]):
        if all(y >= max(x, 0) for (x,), y in zip(WIDE, values(term), strict=True)):
            cheapest.setdefault(values(term), cost)
    assert len(cheapest) > 5
    assert {values(term): GRAMMAR.cost(term) for term in found} == cheapest
    assert len(found) == len(cheapest)


def test_a_few_are_had_without_the_rest():
    few = list(islice(enumerate_solutions(maximum(2), {}), 3))
    assert [solution.size for solution in few] == [6, 6, 6]
    assert len({solution.text for solution in few}) == 3


def test_a_grammar_that_ends_is_listed_to_its_end():
    rows = (ROWS[0], ROWS[1], Production("S", find("-", (INT, INT)), ("I", "I")))
    grammar = Grammar(GRAMMAR.signature, "S", rows)
    found = enumerate_solutions(determined(of("=", call(F, x), x)), {"f": grammar})
    assert [str(solution.programs[F].term) for solution in found] == ["-(x, 0)"]
    assert found.ended == "the grammar has no more terms"
    assert (longest(grammar), longest(GRAMMAR)) == (3, float("inf"))


def test_what_the_solver_does_not_know_is_not_listed(monkeypatch):
    monkeypatch.setattr("cegis.formulas.refutation.decide", lambda *_: Unknown("z3", "0", 0.0, "gave up"))
    found = enumerate_solutions(determined(BELOW, ABOVE), {"f": GRAMMAR}, budget=Budget(cost=LEVEL))
    assert list(found) == []
    assert found.undecided > 0


def test_spent_budgets_end_the_list_and_say_so():
    spec = determined(BELOW, ABOVE)
    for budget, reason in (
        (Budget(seconds=1e-6), "time limit"),
        (Budget(candidates=20), "search limit of 20 candidates"),
        (Budget(memory_mb=1, cost=1000, candidates=10**9), "memory limit of 1 MiB"),
    ):
        found = enumerate_solutions(spec, {"f": GRAMMAR}, budget=budget)
        assert len(list(found)) < 100
        assert found.ended == reason
        assert found.statistics.candidates <= budget.candidates


def test_what_cannot_be_listed_is_said():
    g = function("g", ("x", INT), result=INT)
    two = FormulaSpec((F, g), (("x", INT),), (of("=", call(F, x), call(g, x)),))
    with pytest.raises(DomainError, match="one function, got f, g"):
        enumerate_solutions(two, {})
    with pytest.raises(DomainError, match="a call stands inside another"):
        enumerate_solutions(determined(of("=", call(F, call(F, x)), x)), {})
    with pytest.raises(GrammarError, match="the grammar is for"):
        enumerate_solutions(maximum(2), {"f": GRAMMAR})
