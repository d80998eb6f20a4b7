"""A refutation is checked line by line: a step that is no consequence, and a case that is left out, is refused."""

from __future__ import annotations

from itertools import product

import pytest
from quick_terms import applied, variables

from cegis.quick.certificates import ALL, ANY, FACT, check, opened
from cegis.quick.nodes import BOOL, INT, VARIABLE, BeyondError, Node, literal, node
from cegis.quick.refutation import holds

X, Y = variables("x", "y")


def at_most(term: Node, bound: int) -> tuple[Node, bool]:
    return applied("<=", term, literal(bound, INT)), True


def closed(*steps: tuple[tuple[tuple[int, int], ...], int]) -> tuple[str, object]:
    return "closed", steps


ONE = at_most(X, 1), at_most(applied("-", X), -2)  # x <= 1 and x >= 2; facts are numbered from the last condition
HALF = at_most(applied("*", literal(2, INT), X), 1), at_most(applied("*", literal(-2, INT), X), -1)  # 2x = 1
ADDED = ((0, 1), (1, 1))


def test_what_follows_is_a_refutation():
    assert check(ONE, closed((ADDED, 1)))
    assert check(ONE, closed((((0, 3), (1, 3)), 1)))
    assert check(HALF, closed((((0, 1),), 2), (((1, 1),), 2), (((2, 1), (3, 1)), 1)))


def test_a_refutation_ends_in_a_contradiction():
    assert not check(ONE, closed())
    assert not check(ONE, closed((((0, 1),), 1)))
    assert not check((at_most(X, -1),), closed((((0, 1),), 1)))


def test_zero_at_most_zero_is_no_contradiction():
    touching = at_most(X, 2), at_most(applied("-", X), -2)
    assert not check(touching, closed((ADDED, 1)))


@pytest.mark.parametrize("factor", [0, -1])
def test_an_inequality_is_added_a_positive_number_of_times(factor):
    above = at_most(X, 1), at_most(X, 5)
    assert not check(above, closed((((0, factor), (1, 1)), 1)))
    assert not check(above, closed((((0, 1), (1, factor)), 1)))
    assert not check((at_most(X, 1),), closed((((0, 1), (0, factor)), 1)))


def test_only_a_number_that_divides_all_coefficients_rounds():
    both_sides = closed((((1, 1),), 2), (((0, 1),), 2), (((2, 1), (3, 1)), 1))
    at_least = at_most(applied("*", literal(-2, INT), X), -1)
    assert check((at_most(applied("*", literal(2, INT), X), 1), at_least), both_sides)
    assert not check((at_most(applied("+", applied("*", literal(2, INT), X), Y), 1), at_least), both_sides)
    assert not check((at_least,), closed((((0, 1),), -2), (((0, 1),), 2), (((1, 1), (2, 1)), 1)))
    assert not check(HALF, closed((((0, 1),), 0)))


def test_every_case_has_a_refutation():
    either = applied("or", at_most(X, 1)[0], at_most(Y, 1)[0])
    case = ((either, True), at_most(applied("-", X), -2))
    assert not check(case, ("split", 0, (closed((ADDED, 1)),)))
    assert not check(case, ("split", 0, ()))
    assert not check(case, ("split", 0, (closed((ADDED, 1)), closed((ADDED, 1)))))
    both = (*case, at_most(applied("-", Y), -2))
    first, second = closed((((1, 1), (2, 1)), 1)), closed((((0, 1), (2, 1)), 1))
    assert check(both, ("split", 0, (first, second)))
    assert not check(both, ("split", 0, (second, first)))


CONDITIONS = [applied(name, X, Y) for name in ("<", "<=", ">", ">=", "=")]
JOINED = [
    *CONDITIONS,
    *(applied("not", one) for one in CONDITIONS[:2]),
    *(applied(name, CONDITIONS[0], CONDITIONS[4]) for name in ("and", "or", "=>", "xor", "=")),
    applied("ite", CONDITIONS[0], CONDITIONS[4], applied("<", Y, literal(1, INT))),
    applied("<=", applied("ite", CONDITIONS[0], X, applied("+", Y, literal(1, INT))), literal(0, INT)),
    applied("<", applied("-", applied("*", X, literal(3, INT)), applied("-", Y)), literal(2, INT)),
    literal(True, BOOL),
    literal(False, BOOL),
]


@pytest.mark.parametrize("truth", [True, False])
@pytest.mark.parametrize("term", JOINED, ids=repr)
def test_a_condition_is_opened_into_what_it_means(term, truth):
    kind, what = opened(term, truth)
    for x, y in product(range(-3, 4), repeat=2):
        is_so = holds([(term, truth)], {X: x, Y: y})
        if kind == FACT:
            parts, bound = what
            assert is_so == (sum(a * {X: x, Y: y}[one] for one, a in parts) <= bound)
        elif kind == ALL:
            assert is_so == holds(what, {X: x, Y: y})
        else:
            assert kind == ANY
            assert is_so == any(holds(case, {X: x, Y: y}) for case in what)


def test_a_flag_is_a_number_that_is_not_0_and_1_at_once():
    flag = node(VARIABLE, "b", BOOL)
    for truth, number in product((False, True), range(-3, 4)):
        kind, (((one, a),), bound) = opened(flag, truth)
        assert (kind, one) == (FACT, flag)
        assert (a * number <= bound) is (truth is (number >= 1))
    both = (flag, True), (flag, False)
    assert check(both, closed((ADDED, 1)))
    assert not check(both[:1], closed((((0, 1),), 1)))


def test_a_term_of_another_kind_is_refused():
    for term in (node(VARIABLE, "b", "(_ BitVec 1)"), applied("<=", applied("*", X, Y), X)):
        with pytest.raises(BeyondError):
            opened(term, True)
