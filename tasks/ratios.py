"""The largest quotient of two sums along the paths of a trellis: a weighted average of values, in a direction.

    c.y = sum_j w_j (c.v_j) / sum_j w_j  <=  t      exactly when      sum_j w_j (c.v_j - t)  <=  0

The largest value of the right-hand sum over all paths is found by dynamic programming (Viterbi 1967), and the least
such t by Newton's steps (Dinkelbach 1967), each from the path that is worst so far. The last is checked: t is given out
only where the sum is negative for every path, by more than float64 can have lost.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from tasks.ball import Reals
from tasks.trellis import Ints, Masks, Trellis

MOST_STEPS = 40  # of Newton
ROUNDING = 2.0**-46  # per term; far above 2**-53


@dataclass(frozen=True)
class Keys:
    """What the last row attends to: keys that some sequence has, and those that every one has (``fixed``).

    ``weight``: (heads, keys), ``value``: (keys, heads, d); ``of_level``: per level the key of each node. Per entry of a
    head's result, (heads, d): the ``error`` of an execution, and the ``largest`` value.
    """

    weight: Reals
    value: Reals
    of_level: list[Ints]
    fixed: Reals
    fixed_value: Reals
    error: Reals
    largest: Reals

    def head(self, h: int) -> Keys:
        """One head's, without that axis."""
        return replace(
            self, weight=self.weight[h], value=self.value[:, h], fixed=self.fixed[h], fixed_value=self.fixed_value[:, h]
        )


@dataclass(frozen=True)
class Paths:
    """The paths of a trellis that end in one of ``nodes`` each, through what ``masks`` leaves."""

    trellis: Trellis
    length: int
    nodes: Ints
    masks: Masks | None

    def heaviest(self, terms: Reals, weights: Reals, of_level: list[Ints]) -> tuple[Reals, Reals]:
        """The largest sum of ``terms`` (boxes, directions, keys) along a path to each box's node, (boxes, directions),
        and the sum of ``weights`` (keys,) along that path.
        """
        value, weight = np.zeros((*terms.shape[:2], 1)), np.zeros((*terms.shape[:2], 1))
        for n in range(1, self.length + 1):
            before, keys = self.trellis.before[n], of_level[n]
            if before.shape[1] == 1:
                value, weight = value[..., before[:, 0]], weight[..., before[:, 0]]
            else:
                came = value[..., before]
                best = came.argmax(axis=-1)[..., None]
                value = np.take_along_axis(came, best, -1)[..., 0]
                weight = np.take_along_axis(weight[..., before], best, -1)[..., 0]
            value, weight = value + terms[..., keys], weight + weights[keys]
            if self.masks is not None:
                value = np.where(self.masks[n][:, None], value, -np.inf)
        rows = np.arange(len(self.nodes))
        return value[rows, :, self.nodes], weight[rows, :, self.nodes]

    def weight(self, keys: Keys) -> Reals:
        """At least the sum of one head's weights along any path to each box's node, (boxes,)."""
        total = np.zeros(len(self.nodes))
        for n in range(1, self.length + 1):
            here = keys.weight[keys.of_level[n]]
            total += here.max() if self.masks is None else np.where(self.masks[n], here, 0.0).max(axis=1)
        return total


@np.errstate(all="ignore")
def largest_ratio(directions: Reals, keys: Keys, paths: Paths) -> Reals:
    """An upper bound of c.y over all paths, (boxes, directions); c: (boxes, directions, d).

    Where no t is found it is that of the largest value, which is infinite where values are not known.

    ``slack`` is above what float64 may lose while t is no larger than any value: on a term by the product c.v, and on a
    sum of so many terms. A larger t is a bound anyway.
    """
    free = np.einsum("bcd,kd->bck", directions, keys.value)
    fixed = np.einsum("bcd,kd->bck", directions, keys.fixed_value)
    size = np.abs(directions).sum(axis=-1) * keys.largest.max()
    slack = (
        ROUNDING
        * (1.0 + paths.length + len(fixed[0, 0]) + directions.shape[-1])
        * (paths.weight(keys) + keys.fixed.sum())[:, None]
        * 2.0
        * size
    )
    total, ceiling = keys.fixed.sum(), size * (1.0 + ROUNDING)
    bound = -size
    for _ in range(MOST_STEPS):
        terms, base = keys.weight * (free - bound[..., None]), (keys.fixed * (fixed - bound[..., None])).sum(axis=-1)
        value, weight = paths.heaviest(terms, keys.weight, keys.of_level)
        value = value + base
        if (value <= -slack).all():
            break
        step = (value + 2.0 * slack) / (weight + total)
        bound = np.where(value <= -slack, bound, bound + step)
    found: Reals = np.where(value <= -slack, np.minimum(bound, ceiling), ceiling)
    return found
