"""What a program can answer over a whole box of token counts, the box open above if need be.

Numbers are kept as ``weights . counts + [low, high]``, so that differences of counts, which is what most programs
compare, are exact; flags and labels as a range of whole numbers, a single one where the answer is certain. The states
of folds (``program_states``) are given, not ranged over. A row that is not listed here is evaluated where all of its
arguments are certain, and may be anything elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dsl.grammars import motifs
from dsl.operators import BOOL, Operator, Term
from tasks.automata.program_states import Fold, Folded, Ints, Unread

Reals = NDArray[np.float64]
Meanings = dict[tuple[Operator, str], Callable[..., "Range"]]

MOST = 4096  # the largest factor and threshold that are known
EXACT = 2.0**50  # numbers of at least this size are not told from infinity


@dataclass(frozen=True)
class Boxes:
    """``low <= counts <= high``, both (boxes, letters), whole numbers; ``high`` may be infinite."""

    low: Reals
    high: Reals


@dataclass(frozen=True)
class Range:
    """``weights . counts + [low, high]``; weights (letters,), low and high (boxes,).

    Flags (0 and 1) and labels have no weights.
    """

    weights: Reals
    low: Reals
    high: Reals

    def ends(self, boxes: Boxes) -> tuple[Reals, Reals]:
        """The least and the greatest value over each box."""
        low, high = self.low, self.high
        for column in np.flatnonzero(self.weights):
            weight, bottom, top = self.weights[column], boxes.low[:, column], boxes.high[:, column]
            low = low + weight * (bottom if weight > 0 else top)
            high = high + weight * (top if weight > 0 else bottom)
        return np.where(low > -EXACT, low, -np.inf), np.where(high < EXACT, high, np.inf)

    def plus(self, other: Range) -> Range:
        return Range(self.weights + other.weights, self.low + other.low, self.high + other.high)

    def times(self, factor: int) -> Range:
        low, high = factor * self.low, factor * self.high
        return Range(factor * self.weights, np.minimum(low, high), np.maximum(low, high))


@dataclass(frozen=True)
class Ranged:
    """A program, to be evaluated over boxes."""

    folded: Folded

    def answers(self, boxes: Boxes, last: int, states: tuple[Ints, ...]) -> tuple[Reals, Reals]:
        """The least and the greatest label index over each box, for sequences that end in ``last``; states per fold."""
        known: dict[Term, Range] = {}
        for (term, fold), state in zip(self.folded.folds, states, strict=True):
            known[term] = _exactly(boxes, np.asarray(fold.value(state, 0), np.float64))
        for term in self.folded.terms:
            if term not in known and not term.sort.positional:
                known[term] = self._range(term, boxes, last, known)
        return known[self.folded.program.term].ends(boxes)

    def _range(self, term: Term, boxes: Boxes, last: int, known: dict[Term, Range]) -> Range:
        key = term.operator, term.operator.python
        readings, rows = _known(self.folded.program.grammar.sequences.alphabet)
        if key in readings:
            sets = [sorted(self.folded.tokens(test, last)) for test in term.arguments]
            return readings[key](boxes, last, *sets)
        parts = [known[part] for part in term.arguments]
        if key in rows:
            return rows[key](boxes, *parts)
        return _evaluated(term.operator, boxes, [part.ends(boxes) for part in parts])


def is_finite(fold: Fold) -> bool:
    """Whether the states of a fold do not grow with the length."""
    return fold.states(1) == fold.states(2**20)


def _exactly(boxes: Boxes, value: Reals | float) -> Range:
    values = np.broadcast_to(np.asarray(value, np.float64), (len(boxes.low),))
    return _between(boxes, values, values)


def _between(boxes: Boxes, low: NDArray[Any], high: NDArray[Any]) -> Range:
    return Range(np.zeros(boxes.low.shape[1]), low.astype(np.float64), high.astype(np.float64))


def _total(boxes: Boxes, tokens: list[int]) -> Range:
    """How many of these tokens there are."""
    nothing = np.zeros(len(boxes.low))
    return Range(np.isin(np.arange(boxes.low.shape[1]), tokens).astype(np.float64), nothing, nothing)


@cache
def _known(alphabet: tuple[str, ...]) -> tuple[Meanings, Meanings]:
    readings, rows = _readings(alphabet), _rows()
    return {(row, row.python): m for row, m in readings}, {(row, row.python): m for row, m in rows}


def _readings(alphabet: tuple[str, ...]) -> Iterator[tuple[Operator, Callable[..., Range]]]:
    """Rows that read counts or the last token: functions of boxes, last token and one set of tokens per argument."""
    for a, text in enumerate(alphabet):
        yield motifs.count_of(a, text), lambda boxes, last, a=a: _total(boxes, [a])
        yield motifs.has(a, text), lambda boxes, last, a=a: _above(boxes, _total(boxes, [a]), 0)
        yield motifs.lacks(a, text), lambda boxes, last, a=a: _not(boxes, _above(boxes, _total(boxes, [a]), 0))
    yield motifs.COUNT, lambda boxes, last, tokens: _total(boxes, tokens)
    yield motifs.LENGTH, lambda boxes, last: _total(boxes, list(range(len(alphabet))))
    yield motifs.ENDS_WITH, lambda boxes, last, tokens: _exactly(boxes, float(last in tokens))
    yield motifs.TOGGLE, lambda boxes, last, tokens: _modulo(boxes, tokens, 2)
    for n in range(2, MOST + 1):
        yield motifs.modular(n), lambda boxes, last, tokens, n=n: _modulo(boxes, tokens, n)


def _rows() -> Iterator[tuple[Operator, Callable[..., Range]]]:
    """Rows that combine values: functions of boxes and ranges."""
    yield motifs.PLUS, lambda boxes, a, b: a.plus(b)
    yield motifs.MINUS, lambda boxes, a, b: a.plus(b.times(-1))
    yield motifs.GREATER, lambda boxes, a, b: _above(boxes, a.plus(b.times(-1)), 0)
    yield motifs.EQUAL, _equal
    yield motifs.NOT, _not
    yield motifs.AND, lambda boxes, a, b: _between(boxes, np.minimum(a.low, b.low), np.minimum(a.high, b.high))
    yield motifs.OR, lambda boxes, a, b: _between(boxes, np.maximum(a.low, b.low), np.maximum(a.high, b.high))
    yield motifs.CHOOSE, _choose
    for n in range(1, MOST + 1):
        yield motifs.times(n), lambda boxes, a, n=n: a.times(n)
        yield motifs.at_least(n), lambda boxes, a, n=n: _above(boxes, a, n - 1)


def _above(boxes: Boxes, number: Range, bound: int) -> Range:
    low, high = number.ends(boxes)
    return _between(boxes, low > bound, high > bound)


def _equal(boxes: Boxes, a: Range, b: Range) -> Range:
    low, high = a.plus(b.times(-1)).ends(boxes)
    return _between(boxes, (low == 0) & (high == 0), (low <= 0) & (high >= 0))


def _not(boxes: Boxes, flag: Range) -> Range:
    return _between(boxes, 1 - flag.high, 1 - flag.low)


def _choose(boxes: Boxes, flag: Range, a: Range, b: Range) -> Range:
    yes, no = flag.low == 1, flag.high == 0
    low = np.where(yes, a.low, np.where(no, b.low, np.minimum(a.low, b.low)))
    high = np.where(yes, a.high, np.where(no, b.high, np.maximum(a.high, b.high)))
    return _between(boxes, low, high)


def _modulo(boxes: Boxes, tokens: list[int], modulus: int) -> Range:
    low, high = _total(boxes, tokens).ends(boxes)
    return _between(boxes, np.where(low == high, low % modulus, 0), np.where(low == high, low % modulus, modulus - 1))


def _evaluated(operator: Operator, boxes: Boxes, parts: list[tuple[Reals, Reals]]) -> Range:
    """The row's own value where its arguments are certain, and anything elsewhere."""
    certain = np.ones(len(boxes.low), np.bool_)
    for low, high in parts:
        certain &= (low == high) & np.isfinite(low)
    low = np.full(len(certain), 0.0 if operator.result == BOOL else -np.inf)
    high = np.full(len(certain), 1.0 if operator.result == BOOL else np.inf)
    arguments = [part[certain].astype(sort.dtype) for (part, _), sort in zip(parts, operator.arguments, strict=True)]
    value = np.broadcast_to(operator.numpy(Unread(int(certain.sum())), *arguments), (int(certain.sum()),))
    low[certain], high[certain] = value, value
    return _between(boxes, low, high)
