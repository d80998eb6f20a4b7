"""What a program can answer over a whole box of token counts, the box open above if need be.

Numbers are kept as ``weights . counts + [low, high]``, so that differences of counts, which is what most programs
compare, are exact; flags and labels as a range of whole numbers, a single one where the answer is certain. The states
of folds (``program_states``) are given, not ranged over. A row that is not listed here is evaluated where all of its
arguments are certain, and may be anything elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dsl.meaning import (
    Absent,
    AtLeast,
    Combination,
    Count,
    Fold,
    Ints,
    LastMeets,
    Length,
    Multiple,
    Present,
    Reading,
    Remainder,
)
from dsl.operators import BOOL, Operator, Term
from tasks.automata.program_states import Folded, Unread

Reals = NDArray[np.float64]

MOST = 4096  # the largest factor and threshold that are known
EXACT = 2.0**50  # numbers of at least this size are not told from infinity
WHOLE = 2.0**53  # float64 holds every whole number below


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
        """The least and the greatest value over each box; infinite where a sum on the way may have been rounded."""
        low, high = self.low, self.high
        below, above = np.abs(low), np.abs(high)
        for column in np.flatnonzero(self.weights):
            weight, bottom, top = self.weights[column], boxes.low[:, column], boxes.high[:, column]
            least, most = weight * (bottom if weight > 0 else top), weight * (top if weight > 0 else bottom)
            low, high = low + least, high + most
            below, above = below + np.abs(least), above + np.abs(most)
        is_low, is_high = (low > -EXACT) & (below < WHOLE), (high < EXACT) & (above < WHOLE)
        return np.where(is_low, low, -np.inf), np.where(is_high, high, np.inf)

    def plus(self, other: Range) -> Range:
        """The sum of two."""
        return _whole(self.weights + other.weights, self.low + other.low, self.high + other.high)

    def times(self, factor: int) -> Range:
        """A multiple, by a whole number other than 0."""
        low, high = factor * self.low, factor * self.high
        return _whole(factor * self.weights, np.minimum(low, high), np.maximum(low, high))


def _whole(weights: Reals, low: Reals, high: Reals) -> Range:
    """The range of these parts; without end where float64 may have rounded one of them."""
    if np.abs(weights).max(initial=0.0) >= WHOLE:
        return Range(np.zeros_like(weights), np.full_like(low, -np.inf), np.full_like(high, np.inf))
    return Range(weights, np.where(low > -WHOLE, low, -np.inf), np.where(high < WHOLE, high, np.inf))


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
        row = self.folded.row(term)
        if isinstance(row, Reading):
            return _reading(row, boxes, last, sorted(self.folded.passing(term, last)))
        return _combined(term.operator, boxes, [known[part] for part in term.arguments])


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


def _reading(row: Reading, boxes: Boxes, last: int, passing: list[int]) -> Range:
    """What a row says that reads counts or the last token; ``passing``: the tokens that pass its test."""
    match row:
        case Count(token):
            return _total(boxes, passing if token is None else [token])
        case Remainder(modulus):
            return _modulo(boxes, passing, modulus)
        case Present(token):
            return _above(boxes, _total(boxes, [token]), 0)
        case Absent(token):
            return _not(boxes, _above(boxes, _total(boxes, [token]), 0))
        case Length():
            return _total(boxes, list(range(boxes.low.shape[1])))
        case LastMeets():
            return _exactly(boxes, float(last in passing))


def _combined(operator: Operator, boxes: Boxes, parts: list[Range]) -> Range:
    """What a row says that combines values."""
    match operator.meaning, parts:
        case Combination.SUM, [a, b]:
            return a.plus(b)
        case Combination.DIFFERENCE, [a, b]:
            return a.plus(b.times(-1))
        case Combination.GREATER, [a, b]:
            return _above(boxes, a.plus(b.times(-1)), 0)
        case Combination.EQUAL, [a, b]:
            return _equal(boxes, a, b)
        case Combination.LESS, [a, b]:
            return _above(boxes, b.plus(a.times(-1)), 0)
        case Combination.AT_MOST, [a, b]:
            return _not(boxes, _above(boxes, a.plus(b.times(-1)), 0))
        case Combination.NO_LESS, [a, b]:
            return _not(boxes, _above(boxes, b.plus(a.times(-1)), 0))
        case Combination.UNEQUAL, [a, b]:
            return _not(boxes, _equal(boxes, a, b))
        case Combination.NOT, [a]:
            return _not(boxes, a)
        case Combination.AND, [a, b]:
            return _between(boxes, np.minimum(a.low, b.low), np.minimum(a.high, b.high))
        case Combination.OR, [a, b]:
            return _between(boxes, np.maximum(a.low, b.low), np.maximum(a.high, b.high))
        case Combination.CHOICE, [flag, a, b]:
            return _choose(boxes, flag, a, b)
        case Multiple(factor), [a] if 1 <= factor <= MOST:
            return a.times(factor)
        case AtLeast(bound), [a] if 1 <= bound <= MOST:
            return _above(boxes, a, bound - 1)
    return _evaluated(operator, boxes, [part.ends(boxes) for part in parts])


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
