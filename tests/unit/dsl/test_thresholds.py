"""Claims about solved constants: a threshold separates the examples exactly, or there is none."""

from __future__ import annotations

from itertools import product
from types import SimpleNamespace

import numpy as np
import pytest
import scipy.optimize

from dsl.deduction.thresholds import MAX_WEIGHT, solve_thresholds
from dsl.grammar import Grammar
from dsl.grammars.motifs import LENGTH, count_of, motifs

GRAMMAR = motifs(["a", "b", "c"], ["x", "y"])
NUMBERS = (count_of(0, "a")(), count_of(1, "b")(), LENGTH())
WORDS = ["".join(letters) for n in range(1, 6) for letters in product("abc", repeat=n)]
BATCH = GRAMMAR.signature.batch(WORDS)
VALUES = np.array([number.evaluate(BATCH) for number in NUMBERS], np.int64)


@pytest.mark.parametrize(
    ("weights", "bias"),
    [
        ((1, 0, 0), 0),
        ((1, -1, 0), 0),
        ((5, 0, -1), 0),
        ((5, 0, -2), 0),
        ((0, 0, 1), -3),
        ((-1, 0, 0), 1),
        ((3, 3, -2), 1),
    ],
)
def test_a_threshold_that_exists_is_found_and_is_exact(weights, bias):
    positive = np.array(weights) @ VALUES + bias > 0
    found = solve_thresholds(GRAMMAR, NUMBERS, VALUES, positive, seconds=20.0)
    assert found
    for term in found:
        assert term.evaluate(BATCH).tolist() == positive.tolist(), str(term)
        assert GRAMMAR.cost(term, "Flag") >= 1


def test_the_simplest_threshold_is_the_one_found_for_an_average():
    positive = 2 * VALUES[0] > VALUES[2]
    found = solve_thresholds(GRAMMAR, NUMBERS, VALUES, positive, seconds=20.0)
    assert "greater(2 times(count 'a'), length)" in map(str, found)


def test_what_no_threshold_tells_apart_has_none():
    parity = np.array([word.count("a") % 2 == 1 for word in WORDS])
    assert solve_thresholds(GRAMMAR, NUMBERS, VALUES, parity, seconds=20.0) == ()


@pytest.mark.parametrize("value", [True, False])
def test_examples_of_one_kind_need_no_threshold(value):
    assert solve_thresholds(GRAMMAR, NUMBERS, VALUES, np.full(len(WORDS), value), seconds=5.0) == ()


def test_no_numbers_give_no_threshold():
    assert solve_thresholds(GRAMMAR, (), VALUES[:0], np.array([True, False] * 20)[: len(WORDS)], seconds=5.0) == ()


@pytest.mark.parametrize("missing", ["plus", "minus", "greater", "5 times"])
def test_a_grammar_without_the_rows_gets_no_term_with_them(missing):
    rows = tuple(p for p in GRAMMAR.productions if p.operator.name != missing)
    grammar = Grammar(GRAMMAR.signature, "Label", rows)
    positive = np.array([5 * word.count("a") > len(word) for word in WORDS])
    for term in solve_thresholds(grammar, NUMBERS, VALUES, positive, seconds=20.0):
        assert missing not in str(term)
        assert term.evaluate(BATCH).tolist() == positive.tolist()


def test_a_solution_that_does_not_separate_is_not_believed(monkeypatch):
    near_miss = np.array([1.0, 0, 0, 0, 0, 0, 1, 0, 0, 0.0])  # count 'a' > 0
    monkeypatch.setattr("scipy.optimize.milp", lambda *args, **options: SimpleNamespace(x=near_miss, status=0))
    positive = VALUES[0] > 0
    assert solve_thresholds(GRAMMAR, NUMBERS, VALUES, positive, seconds=1.0)
    positive[np.flatnonzero(positive)[0]] = False
    assert solve_thresholds(GRAMMAR, NUMBERS, VALUES, positive, seconds=1.0) == ()


def test_a_factor_beyond_the_largest_is_not_rounded_to_it():
    values = np.array([[1, 1, 2, 2, 10, 10], [12, 14, 25, 27, 129, 131]])
    positive = 13 * values[0] > values[1]
    assert positive.tolist() == [True, False] * 3
    assert MAX_WEIGHT < 13
    assert solve_thresholds(GRAMMAR, NUMBERS[:2], values, positive, seconds=20.0) == ()


def test_what_was_found_for_the_first_examples_is_asked_again_only_where_it_fails(monkeypatch):
    asked, solve = [], scipy.optimize.milp
    monkeypatch.setattr("scipy.optimize.milp", lambda *args, **options: asked.append(1) or solve(*args, **options))
    positive, known = VALUES[0] > 0, {}
    few = slice(0, len(WORDS) // 2)
    first = solve_thresholds(GRAMMAR, NUMBERS, VALUES[:, few], positive[few], seconds=20.0, known=known)
    count = len(asked)
    again = solve_thresholds(GRAMMAR, NUMBERS, VALUES, positive, seconds=20.0, known=known)
    assert again == first
    assert len(asked) == count
    other = 5 * VALUES[0] > VALUES[-1]
    assert solve_thresholds(GRAMMAR, NUMBERS, VALUES, other, seconds=20.0, known=known) == solve_thresholds(
        GRAMMAR, NUMBERS, VALUES, other, seconds=20.0
    )
    assert len(asked) > count
    parity = VALUES[0] % 2 == 1
    none = dict[tuple[int, int], object]()
    assert solve_thresholds(GRAMMAR, NUMBERS, VALUES, parity, seconds=20.0, known=none) == ()
    count = len(asked)
    assert solve_thresholds(GRAMMAR, NUMBERS, VALUES, parity, seconds=20.0, known=none) == ()
    assert len(asked) == count
