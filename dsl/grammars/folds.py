"""The rows of ``motifs`` that walk the sequence, as states that each token moves; see ``dsl.meaning.Fold``.

States and values are arrays (rows,) of whole numbers, one row for each of the sequences that are followed together.
"""

from __future__ import annotations

import numpy as np

from dsl.meaning import Fold, Ints


def _places(longest: int) -> int:
    """0 for "nowhere", else the place and one."""
    return longest + 1


def _first(state: Ints, at: int, hit: bool) -> Ints:
    return np.where(state, state, hit * (at + 1))


def _last(state: Ints, at: int, hit: bool) -> Ints:
    return np.full_like(state, at + 1) if hit else state


def _begins(state: Ints, at: int, hit: bool) -> Ints:
    return state | (at == 0 and hit)


def _latch(state: Ints, at: int, on: bool, off: bool) -> Ints:
    return state * (not off) | on


def _stage(state: Ints, at: int, first: bool, second: bool) -> Ints:
    """0 before the first test, 1 after it, 2 after the second behind it."""
    return np.where(state == 0, int(first), np.where((state == 1) & second, 2, state))


def _any_pair(state: Ints, at: int, before: bool, after: bool) -> Ints:
    """1 where the token before met the first test, 2 once a pair was seen."""
    return np.where((state == 2) | ((state == 1) & after), 2, int(before))


def _pairs(state: Ints, at: int, before: bool, after: bool) -> Ints:
    """Twice the pairs so far, and 1 where the token before met the first test."""
    return state // 2 * 2 + 2 * (state % 2) * after + before


def _balance(state: Ints, at: int, up: bool, down: bool) -> Ints:
    """1 once more of the second than of the first were seen; else how many more of the first, and 1, or 0 for none."""
    more = np.where(state > 1, state - 1, 0) + int(up) - int(down)
    return np.where((state == 1) | (more < 0), 1, np.where(more > 0, more + 1, 0))


FIRST = Fold(_places, _first, lambda state, length: np.where(state, state - 1, length))
LAST = Fold(_places, _last, lambda state, length: state - 1)
BEGINS_WITH = Fold(lambda longest: 2, _begins, lambda state, length: state == 1)
LATCH = Fold(lambda longest: 2, _latch, lambda state, length: state == 1)
STAGE = Fold(lambda longest: 3, _stage, lambda state, length: state)
ANY_PAIR = Fold(lambda longest: 3, _any_pair, lambda state, length: state == 2)
BALANCE = Fold(lambda longest: longest + 2, _balance, lambda state, length: np.where(state > 1, state - 1, -state))
COUNT_PAIRS = Fold(lambda longest: 2 * longest + 2, _pairs, lambda state, length: state // 2)


def clipped(cap: int | None) -> Fold:
    """Up by one on the first test, else down by one on the second, kept between 0 and ``cap`` (None: no cap)."""

    def step(state: Ints, at: int, up: bool, down: bool) -> Ints:
        return np.clip(state + (1 if up else -1 if down else 0), 0, cap)

    return Fold(lambda longest: (longest if cap is None else cap) + 1, step, lambda state, length: state)
