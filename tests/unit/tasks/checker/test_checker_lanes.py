"""Tables in lanes are what rows of integers are, and no entry runs over into its neighbour."""

from __future__ import annotations

from struct import error

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from quick import examples

from tasks.checker.lanes import FULL, Table, lowered, ones, packed, unpacked

LARGE = 2**63 - 1
COLUMNS = st.lists(st.integers(-LARGE, LARGE), min_size=1, max_size=9)
SMALL = st.lists(st.integers(-FULL + 1, FULL - 1), min_size=1, max_size=9)


@given(COLUMNS)
@settings(max_examples=examples(60))
def test_a_column_is_unpacked_as_it_was_packed(values):
    assert [*unpacked(packed(values), len(values))] == values


@given(COLUMNS, COLUMNS, st.integers(-5, 5))
@settings(max_examples=examples(60))
def test_sums_and_multiples_of_columns_are_those_of_their_numbers(one, two, by):
    one, two = [v // 12 for v in one], [v // 12 for v in two]
    both = [x * by + y for x, y in zip(one, two, strict=False)]
    size = len(both)
    assert [*unpacked(packed(one[:size]) * by + packed(two[:size]), size)] == both


@given(COLUMNS, st.integers(0, 80))
@settings(max_examples=examples(60))
def test_a_column_is_lowered_as_each_number_is(values, by):
    assert [*unpacked(lowered(packed(values), len(values), by), len(values))] == [v >> min(by, 63) for v in values]


def test_the_ends_of_a_lane_are_told_apart():
    assert [*unpacked(packed([-1, LARGE, -LARGE, 0, -1]), 5)] == [-1, LARGE, -LARGE, 0, -1]
    assert ones(3) == 1 + 2**64 + 2**128
    with pytest.raises(error):
        packed([2**63])


@given(SMALL, st.integers(-70, 70))
@settings(max_examples=examples(60))
def test_fewer_bits_round_down_and_more_are_exact_and_no_entry_is_above_the_bound(values, more):
    table = Table.of([values, values[::-1]], len(values), 9)
    if table.bound(9 + more) >= FULL:
        with pytest.raises(OverflowError):
            table.shifted(9 + more)
        return
    found = table.shifted(9 + more)
    assert [*found.lists()[0]] == [v << more if more >= 0 else v >> min(-more, 63) for v in values]
    assert found.bits == 9 + more
    assert max(map(abs, found.lists()[1])) <= found.most == table.bound(9 + more)


@given(SMALL, st.integers(2, FULL - 1))
@settings(max_examples=examples(60))
def test_within_a_bound_as_many_bits_are_kept_as_fit(values, most):
    table = Table.of([values], len(values), 20)
    found = table.within(most)
    assert max(map(abs, found.lists()[0])) <= found.most <= most
    assert found.bits == 20 or table.bound(found.bits + 1) > most


def test_a_product_has_the_bits_of_both_and_weights_that_are_not_there_are_zero():
    table = Table.of([[1, -2, 3], [5, 7, -11]], 3, 4)
    found = table.times([{0: 3, 1: -1}, {1: 2}, {}], [10, 0, -6], 5, 1000)
    assert [[*column] for column in found.lists()] == [[8, -3, 30], [10, 14, -22], [-6, -6, -6]]
    assert (found.bits, found.count, found.unit) == (9, 3, 2.0**-9)
    with pytest.raises(OverflowError):
        table.times([{0: 1}], [0], 5, FULL)
    both = table.plus(table.picked([2, 0, 0]))
    assert [[*column] for column in both.lists()] == [[4, -1, 4], [-6, 12, -6]]
    assert both.most == 22
    assert table.picked([0, 1, 2]) is table
