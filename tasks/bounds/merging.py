"""Rows whose balls are nearly equal, taken for one.

A bound computed from balls holds for whatever lies in them, so rows with equal balls may share it. A network that was
compiled from a program has few distinct rows, but for noise of rounding: there balls are made coarse, that is replaced
by balls that hold them, with centers on a grid. Where that makes few rows equal, they stay as they are.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tasks.bounds.ball import INFLATION, TINY, Ball

Ids = NDArray[np.int64]
GRAIN, STEPS = 2.0**-44, 256  # between centers; of what a power of two is divided into for radii


def merged(*parts: Ball) -> tuple[Ids, tuple[Ball, ...]]:
    """The number of each row, and its ``parts`` (rows, width) by number: those that hold equal coarse ones are one.

    Where they are not at least twice as many as their numbers, each row is its own, and not made coarse.
    """
    count = len(parts[0])
    if any(2 * _distinct(part) > count for part in parts):
        return np.arange(count), parts
    wide = tuple(map(coarse, parts))
    index, first = numbered(*wide)
    if 2 * len(first) > count:
        return np.arange(count), parts
    return index, tuple(part[first] for part in wide)


@np.errstate(all="ignore")
def coarse(x: Ball) -> Ball:
    """A ball that holds ``x``: its center moved to a multiple of GRAIN, by no more than its radius grows.

    The distance of two centers is a float64 difference, off by less than INFLATION and TINY allow for.
    """
    center = np.rint(x.center / GRAIN) * GRAIN + 0.0  # no negative zero
    radius = np.maximum((x.radius + np.abs(x.center - center)) * INFLATION + TINY, GRAIN)
    part, power = np.frexp(radius)
    return Ball(center, np.where(np.isfinite(radius), np.ldexp(np.ceil(part * STEPS), power) / STEPS, np.inf))


@np.errstate(all="ignore")
def _distinct(x: Ball) -> int:
    """At least so many rows differ when they are coarse: by the centers in the column with the widest range, alone."""
    if not x.center.size:
        return 0
    column = x.center[:, np.ptp(x.center, axis=0).argmax()]
    return len(np.unique(np.rint(column / GRAIN)))


def numbered(*parts: Ball) -> tuple[Ids, Ids]:
    """The number of each row among those that differ in any entry of any part, and the first row of each number."""
    bits = np.ascontiguousarray(np.hstack([array for x in parts for array in (x.center, x.radius)])).view(np.uint64)
    factors = np.random.default_rng(0).integers(2**63, size=bits.shape[1], dtype=np.uint64) * 2 + 1
    mixed = ((bits ^ (bits >> 29)) * factors).sum(axis=1, dtype=np.uint64)
    _, first, index = np.unique(mixed, return_index=True, return_inverse=True)
    if not np.array_equal(bits[first][index], bits):  # two rows with one code
        _, first, index = np.unique(bits, axis=0, return_index=True, return_inverse=True)
    return index.ravel(), first
