"""Claims about joining rows by conditionals: right everywhere, plain or in disguise, and what is missing is named."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from dsl.deduction.conditionals import conditionals, join
from dsl.deduction.trees import Guard, Guards, Leaf, Split, Stuck, Tree, grow_tree
from dsl.enumeration.bank import Bank
from dsl.grammar import Grammar, Production
from dsl.operators import BOOL, INT, Operator, Term
from dsl.scalars import ScalarSignature, variable
from dsl.theories.theory import define, find, literal

A, B, C = (variable(name, INT)() for name in "abc")
ZERO, ONE = literal(0, INT)(), literal(1, INT)()
ITE, LESS, EQUAL = find("ite", (BOOL, INT, INT)), find("<", (INT, INT)), find("=", (INT, INT))
IM = define("im", (("c", INT), ("a", INT), ("b", INT)), ITE(EQUAL(C, ONE), A, B))
QM = define("qm", (("a", INT), ("b", INT)), ITE(LESS(A, ZERO), B, A))
POINTS = [(x, y) for x in range(-4, 5, 2) for y in range(-3, 6, 2)]


def grammar(*more: Production) -> Grammar:
    leaves = [Production("I", variable(name, INT)) for name in "xy"]
    leaves += [Production("I", literal(number, INT)) for number in (0, 1)]
    steps = [Production("I", find(name, (INT, INT)), ("I", "I")) for name in "+-"]
    return Grammar(ScalarSignature((("x", INT), ("y", INT)), INT), "I", (*leaves, *steps, *more))


FLAGS = (Production("F", LESS, ("I", "I")), Production("F", find("not", (BOOL,)), ("F",)))
PLAIN = grammar(*FLAGS, Production("I", ITE, ("F", "I", "I")))
ASKING = grammar(Production("I", IM, ("I", "I", "I")))
GUARDED = grammar(Production("I", QM, ("I", "I")))


def joined(grammar: Grammar, wanted: Callable[[int, int], int], level: int, points=POINTS, **options) -> Term | Stuck:
    bank = Bank(grammar)
    bank.observe(grammar.signature.batch(points))
    bank.grow(level)
    right = bank.stores["I"].values == np.array([wanted(*point) for point in points])
    assert not right.all(axis=1).any(), "one row would do"
    result = join(bank, "I", right, **options)
    if isinstance(result, Term):
        assert np.broadcast_to(result.evaluate(bank.batch), len(points)).tolist() == [wanted(*p) for p in points]
        assert grammar.cost(result) is not None
    return result


def operators(term: Term) -> list[str]:
    return [term.operator.name, *(name for argument in term.arguments for name in operators(argument))]


def test_terms_are_joined_by_the_grammars_conditional():
    result = joined(PLAIN, lambda x, y: max(x, y), 3)
    assert isinstance(result, Term)
    assert result.size == 6


def test_several_regions_are_told_apart():
    result = joined(PLAIN, lambda x, y: 0 if x < 0 else y if y < x else x + y, 3)
    assert isinstance(result, Term)
    assert operators(result).count("ite") == 2


def test_a_defined_function_that_is_a_conditional_joins_too():
    (conditional,) = conditionals(ASKING, "I")
    assert (conditional.asked, conditional.then, conditional.otherwise, conditional.is_guard) == (0, 1, 2, False)
    points = [(x, y) for x in (0, 1, 2) for y in (-3, 4)]
    result = joined(ASKING, lambda x, y: y + y + 1 if x == 1 else y - x - 1, 5, points)
    assert isinstance(result, Term)
    assert "im" in operators(result)


def test_a_function_that_asks_its_own_branch_guards_it():
    (conditional,) = conditionals(GUARDED, "I")
    assert conditional.is_guard
    points = [(x, y) for x in range(-3, 4) for y in (0, 1, 2, 5)]
    result = joined(GUARDED, lambda x, y: max(x - y, x - y + (y + 1) if x - y < 0 and x + 1 >= 0 else 0, 0), 4, points)
    assert isinstance(result, Term)
    assert operators(result).count("qm") >= 2


@pytest.mark.parametrize(
    "body", [ITE(LESS(A, B), A, B), ITE(LESS(A, ZERO), ZERO, B), ITE(LESS(A, ZERO), B, B), find("+", (INT, INT))(A, B)]
)
def test_what_is_no_conditional_between_its_arguments_is_left_alone(body):
    odd = define("odd", (("a", INT), ("b", INT)), body)
    assert conditionals(grammar(Production("I", odd, ("I", "I"))), "I") == ()


def test_branches_of_another_nonterminal_are_left_alone():
    other = (*FLAGS, Production("J", variable("x", INT)), Production("J", ITE, ("F", "J", "I")))
    assert conditionals(grammar(*other), "J") == ()


def test_examples_no_row_is_right_on_are_named():
    assert joined(PLAIN, lambda x, y: 999 if x == 2 else min(x, y), 3) == Stuck(
        tuple(place for place, (x, _) in enumerate(POINTS) if x == 2), ()
    )


def test_examples_no_flag_tells_apart_are_named():
    bank = Bank(PLAIN)
    bank.observe(PLAIN.signature.batch([(1, 1), (2, 2), (1, 1)]))
    bank.grow(3)
    right = np.zeros((len(bank.stores["I"]), 3), bool)
    right[0, 0] = right[1, 1] = right[2, 2] = True
    assert join(bank, "I", right) == Stuck((), (0, 2))


def reached(tree: Tree, flags: np.ndarray, guards: Guards | None, place: int) -> tuple[str, int]:
    """The leaf or guard that answers for an example."""
    match tree:
        case Leaf(row):
            return "leaf", row
        case Split(flag, then, otherwise):
            return reached(then if flags[flag, place] else otherwise, flags, guards, place)
        case Guard(guard, rest):
            return ("guard", guard) if guards.selects[guard, place] else reached(rest, flags, guards, place)


@pytest.mark.parametrize("seed", range(20))
def test_every_example_reaches_a_row_that_is_right_there(seed):
    rng = np.random.default_rng(seed)
    flags, right = rng.random((40, 60)) < 0.5, rng.random((25, 60)) < 0.3
    guards = Guards(rng.random((25, 60)) < 0.1, right, np.ones(25, int)) if seed % 2 else None
    right[0] |= ~right.any(axis=0)
    tree = grow_tree(right, rng.integers(1, 9, 25), flags, rng.integers(1, 9, 40), guards=guards)
    assert not isinstance(tree, Stuck)
    for place in range(60):
        kind, number = reached(tree, flags, guards, place)
        assert right[number, place] if kind == "leaf" else guards.right[number, place]


def test_more_tries_never_give_a_dearer_tree():
    rng, gained = np.random.default_rng(4), 0
    for _ in range(15):
        flags, right = rng.random((60, 40)) < 0.5, rng.random((20, 40)) < 0.4
        right[0] |= ~right.any(axis=0)
        leaf_cost, flag_cost = rng.integers(1, 9, 20), rng.integers(1, 9, 60)

        def price(tree: Tree, leaf_cost=leaf_cost, flag_cost=flag_cost) -> int:
            match tree:
                case Leaf(row):
                    return int(leaf_cost[row])
                case Split(flag, then, otherwise):
                    return int(flag_cost[flag]) + 1 + price(then) + price(otherwise)

        trees = [grow_tree(right, leaf_cost, flags, flag_cost, tries=tries) for tries in (1, 2, 3)]
        prices = [price(tree) for tree in trees]
        assert prices == sorted(prices, reverse=True)
        gained += prices[-1] < prices[0]
    assert gained


def test_what_few_flags_tell_is_found_among_many_rows_and_examples():
    rng = np.random.default_rng(0)
    flags, right = rng.random((3000, 300)) < 0.5, rng.random((3000, 300)) < 0.02
    region = np.where(flags[5], np.where(flags[17], 0, 1), np.where(flags[123], 2, 3))
    for kind in range(4):
        right[10 + kind] |= region == kind
    tree = grow_tree(right, np.full(3000, 3), flags, np.full(3000, 3), tries=1)
    rows = {reached(tree, flags, None, place) for place in range(300)}
    assert {row for _, row in rows} == {10, 11, 12, 13}


def test_a_stopped_tree_is_no_tree():
    right, flags = np.eye(4, dtype=bool), np.array([[1, 1, 0, 0], [1, 0, 1, 0]], bool)
    assert isinstance(grow_tree(right, np.ones(4), flags, np.ones(2), stop=lambda: True), Stuck)
    assert not isinstance(grow_tree(right, np.ones(4), flags, np.ones(2)), Stuck)


def test_operators_of_the_grammar_are_all_a_joined_program_uses():
    def used(term: Term) -> set[Operator]:
        return {term.operator}.union(*map(used, term.arguments))

    result = joined(PLAIN, lambda x, y: abs(x - y), 3)
    assert isinstance(result, Term)
    assert used(result) <= {production.operator for production in PLAIN.productions}
