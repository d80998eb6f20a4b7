"""Rows of balls told apart by their numbers: where they are made coarse, nearly equal ones are equal.

A ball is only ever replaced by one that holds it.
"""

from __future__ import annotations

from collections.abc import Hashable
from functools import lru_cache
from math import ceil, frexp, inf, ldexp

from flint import arb

from tasks.checker.arithmetic import Row, is_known

STEPS = 256  # of what a power of two is divided into: more do not make radii that differ equal, fewer make them large
LEAST = 2.0**-1000  # so far above what floats lose to underflow


class Balls:
    """Rows of balls, each by its number; those that are equal when made coarse have one."""

    def __init__(self, grain: int | None) -> None:
        self.rows: list[Row] = []
        self._grain = grain
        self._known: dict[Hashable, int] = {}

    def number(self, row: Row, *marks: int) -> int:
        """The number of ``row``, apart from those with other ``marks``."""
        if self._grain is not None:
            key, row = coarse(row, self._grain)
            known = self._known.setdefault((key, marks), len(self.rows))
            if known < len(self.rows):
                return known
        self.rows.append(row)
        return len(self.rows) - 1


def coarse(row: Row, grain: int) -> tuple[Hashable, Row]:
    """Balls that hold those of ``row``, and what tells them apart: whole multiples of 2**-grain, and radii.

    What lies in the ball of x is from there no farther away than the size of x - k / 2**grain in ball arithmetic. Rows
    with an entry that may not be finite are one, of which nothing is known.
    """
    if not is_known(row):
        return (), [arb.nan()] * len(row)
    key = []
    for x in row:
        middle = round(float(x.mid()) * 2.0**grain)
        key.append((middle, max(above(x - _ball(middle, grain)), 2.0**-grain)))
    return tuple(key), [_ball(middle, grain, size) for middle, size in key]


def above(x: arb) -> float:
    """The least number of few digits that ``x`` is surely not above in size; infinite where it may be. Never zero."""
    if not x.is_finite():
        return inf
    part, power = frexp(float(x.abs_upper()) * 1.000001 + LEAST)  # more than a float may lose of it
    return ldexp(ceil(part * STEPS), power) / STEPS


@lru_cache(1 << 16)
def _ball(middle: int, grain: int, size: float = 0.0) -> arb:
    """``middle / 2**grain``, up to ``size``."""
    return arb(arb(middle) / arb(2) ** grain, size)
