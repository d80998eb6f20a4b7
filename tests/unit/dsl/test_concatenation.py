"""Claims about chains, substrings, replacements and branches: each finds what joins given rows to a goal."""

from __future__ import annotations

import math

import numpy as np
import pytest

from dsl.deduction.branches import Branches, examples, parts
from dsl.deduction.concatenation import cheapest_chain
from dsl.deduction.replacements import edited, nearness, replaced
from dsl.deduction.rows import Rows, product, union
from dsl.deduction.substrings import reach, substrings, substrings_between
from dsl.grammar import Production
from dsl.operators import BOOL, INT, STRING, Sort
from dsl.scalars import Columns, column, variable
from dsl.theories.theory import find

CONCAT = Production("S", find("str.++", (STRING, STRING)), ("S", "S"))
REPLACE = Production("S", find("str.replace", (STRING, STRING, STRING)), ("S", "S", "S"))
SUBSTR = Production("S", find("str.substr", (STRING, INT, INT)), ("S", "I", "I"))
MINUS = Production("I", find("-", (INT, INT)), ("I", "I"))
ITE = Production("S", find("ite", (BOOL, STRING, STRING)), ("B", "S", "S"))


def rows(sort: Sort, *values, costs=None) -> Rows:
    """Rows of the given values, each a variable named by its place: r0, r1, ..."""
    array = np.array([column(sort, value) for value in values]).reshape(len(values), -1)
    terms = [variable(f"r{place}", sort)() for place in range(len(values))]
    return Rows(array, np.array(costs or [1] * len(values), np.int64), terms.__getitem__)


def strings(*values, costs=None) -> Rows:
    return rows(STRING, *values, costs=costs)


def goal(*values):
    return column(STRING, values)


def chain(wanted, pieces, joins=(CONCAT,), **options):
    return cheapest_chain("S", wanted, pieces if isinstance(pieces, dict) else {"S": pieces}, joins, **options)


def test_a_chain_is_the_cheapest_one():
    pieces = strings(["a", "x"], ["b", "y"], ["ab", "xy"], costs=[1, 1, 2])
    cost, term = chain(goal("ab", "xy"), pieces)
    assert (cost, str(term)) == (2, "r2")
    cost, term = chain(goal("ab", "xy"), pieces.take(np.array([0, 1])))
    assert (cost, str(term)) == (3, "str.++(r0, r1)")


def test_a_chain_fits_every_example():
    assert chain(goal("ab", "xx"), strings(["a", "x"], ["b", "y"])) is None


def test_a_piece_may_be_empty_in_some_examples():
    cost, term = chain(goal("ab", "b"), strings(["a", ""], ["b", "b"]))
    assert (cost, str(term)) == (3, "str.++(r0, r1)")


def test_a_chain_stops_when_told():
    assert chain(goal("a"), strings(["a"]), stop=lambda: True) is None


def test_a_grammar_without_concatenation_gives_rows_only():
    assert chain(goal("ab"), strings(["a"], ["b"]), joins=()) is None
    assert chain(goal("ab"), strings(["ab"]), joins=()) is not None


def test_nonterminals_of_a_concatenation_are_respected():
    join = Production("S", CONCAT.operator, ("Digit", "Letter"))
    digit, letter = strings(["1"]), strings(["a"])
    pieces = {"S": strings(["q"]), "Digit": digit, "Letter": letter}
    assert chain(goal("1a"), pieces, joins=(join,)) is not None
    assert chain(goal("a1"), pieces, joins=(join,)) is None
    assert chain(goal("11a"), pieces, joins=(join,)) is None


def test_reach_counts_what_the_goal_contains():
    assert reach(goal("abc", "xyz"), goal("-ab-c", "zz"))[0].tolist() == [2, 1, 1, 0]
    assert reach(goal("abc", "xyz"), goal("-ab-c", "zz"))[1].tolist() == [0, 0, 1, 0]


def test_substrings_are_those_the_goal_contains():
    source, starts = strings(["key=1", "k=22"]), rows(INT, [4, 2], [0, 0], [9, 9])
    lengths = rows(INT, [1, 2], [9, 9])
    found = substrings(SUBSTR, source, starts, lengths, goal("<1>", "<22>"), 10)
    assert found.values.tolist() == [["1", "22"]]
    assert found.costs.tolist() == [4]


def test_a_length_may_be_an_end_minus_the_start():
    source, places = strings(["a[x]b", "[yy]"]), rows(INT, [2, 1], [3, 3])
    found = substrings_between(SUBSTR, MINUS, source, places, places, goal("x", "yy"), 10)
    assert found.values.tolist() == [["x", "yy"]]
    assert str(found.term(0)) == "str.substr(r0, r0, -(r1, r0))"
    assert found.costs.tolist() == [6]


def test_replacing_again_and_again_reaches_the_goal():
    sources, marks = strings(["1-2-3-4", "9-8-7-6"]), strings(["-", "-"])
    found = edited(REPLACE, sources, marks, strings(["", ""]), goal("1234", "9876"), lambda: False)
    assert ["1234", "9876"] in found.values.tolist()


def test_nearness_is_zero_for_the_goal_alone():
    assert nearness(goal("abc", "abd", "").reshape(3, 1), goal("abc")).tolist() == [0, -2, -3]


def test_what_was_filled_in_is_found():
    sources, fills = strings(["a-b", "c-d"]), strings(["+", "/"], ["+", "+"])
    found = replaced(REPLACE, sources, strings(["-", "-"]), fills, goal("a+b", "c+d"))
    assert [str(found.term(row)) for row in range(len(found))] == ["str.replace(r0, r0, r1)"]


def test_where_the_mark_is_missing_any_fill_will_do():
    sources, fills = strings(["a-b", "cd"]), strings(["+", "/"])
    assert len(replaced(REPLACE, sources, strings(["-", "-"]), fills, goal("a+b", "cd"))) == 1
    assert len(replaced(REPLACE, sources, strings(["-", "-"]), fills, goal("a+b", "c+d"))) == 0


def test_parts_and_examples_undo_each_other():
    flags = np.array([[True, False, True] + [False] * 8 + [True]])
    assert examples(parts(flags)[0]).tolist() == [0, 2, 11]


def leaves(*right: int):
    """A function that finds a leaf for any part of these, and the parts it was asked for."""
    asked = []

    def leaf(part):
        asked.append(part)
        place = next((place for place, whole in enumerate(right) if part & whole == part), None)
        return None if place is None else (1, variable(f"leaf{place}", STRING)())

    return leaf, asked, lambda term: right[int(term.operator.name[4:])]


def test_a_tree_splits_until_each_part_has_a_leaf():
    leaf, _, right = leaves(0b000011, 0b001100, 0b110000)
    flags = rows(BOOL, [True, True, False, False, False, False], [False, False, False, False, True, True])
    found = Branches(ITE, flags, (), leaf, right, 100, lambda: False).grow(0b111111, 2)
    assert found is not None
    assert str(found[1]) in ("ite(r0, leaf0, ite(r1, leaf2, leaf1))", "ite(r1, leaf2, ite(r0, leaf0, leaf1))")
    assert Branches(ITE, flags, (), leaf, right, 100, lambda: False).grow(0b111111, 1) is None


def test_no_part_larger_than_a_failed_one_is_asked_for():
    leaf, asked, right = leaves()
    flags = rows(BOOL, [True, False, False], [False, True, False])
    assert Branches(ITE, flags, (), leaf, right, 100, lambda: False).grow(0b111, 3) is None
    assert all(small & large != small for place, small in enumerate(asked) for large in asked[place + 1 :])


def test_asking_is_bounded():
    leaf, asked, right = leaves(0b001, 0b010, 0b100)
    flags = rows(BOOL, [True, False, False], [False, True, False])
    assert Branches(ITE, flags, (), leaf, right, 2, lambda: False).grow(0b111, 3) is None
    assert len(asked) == 2


def test_rows_keep_their_terms_through_union_and_choice():
    both = union(strings(["a"], ["b"]), strings(["c"]))
    assert [str(both.take(np.array([2, 1])).term(row)) for row in range(2)] == ["r0", "r1"]
    assert both.take(np.array([True, False, True])).values.tolist() == [["a"], ["c"]]


def test_the_cheapest_rows_have_different_values():
    some = strings(["a"], ["b"], ["a"], ["c"], costs=[3, 2, 1, 4]).cheapest(2)
    assert some.values.tolist() == [["a"], ["b"]]
    assert some.costs.tolist() == [1, 2]


@pytest.mark.parametrize("limit", [1, 5, 12, math.inf])
def test_a_product_stays_within_its_limit(limit):
    some = strings(["a"], ["b"], ["c"])
    assert 1 <= len(product(CONCAT, (some, some), limit)) <= min(limit, 9)


def test_a_product_applies_the_operator():
    pair = product(CONCAT, (strings(["a", "b"]), strings(["c", "d"])), 10)
    assert pair.values.tolist() == [["ac", "bd"]]
    assert pair.costs.tolist() == [3]
    inputs = Columns({"r0": goal("a", "b")}, 2)
    assert pair.term(0).evaluate(inputs).tolist() == ["aa", "bb"]
