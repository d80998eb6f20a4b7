"""The largest quotient of two sums along the paths of a trellis: a weighted average of values, in a direction.

    c.y = sum_j w_j (c.v_j) / sum_j w_j  <=  t      exactly when      sum_j w_j (c.v_j - t)  <=  0

The largest value of the right-hand sum over all paths is found by dynamic programming (Viterbi 1967), and the least
such t by Newton's steps (Dinkelbach 1967), each from the path that is worst so far. The last is checked: t is given out
only where the sum is negative for every path, by more than float64 can have lost.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from tasks.automata.trellis import Ints, Trellis
from tasks.bounds.ball import Reals

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
    """The paths of a trellis that end in one of ``nodes`` of level ``length`` each."""

    trellis: Trellis
    length: int
    nodes: Ints

    def heaviest(self, terms: Reals, weights: Reals, of_level: list[Ints]) -> tuple[Reals, Reals]:
        """The largest sum of ``terms`` (rows, keys) along a path to each row's node, and the sum of ``weights`` (keys,)
        along that path; both (rows,).
        """
        value, choices = np.zeros((len(terms), 1)), []
        for n in range(1, self.length + 1):
            before = self.trellis.before[n]
            best, choice = value[:, before[:, 0]], np.zeros((len(terms), len(before)), np.int32)
            for k in range(1, before.shape[1]):
                other = value[:, before[:, k]]
                choice[other > best] = k
                best = np.maximum(best, other)
            value = best + terms[:, of_level[n]]
            choices.append(choice)
        rows, node = np.arange(len(terms)), self.nodes
        found, weight = value[rows, node], np.zeros(len(terms))
        for n in range(self.length, 0, -1):
            weight += weights[of_level[n][node]]
            node = self.trellis.before[n][node, choices[n - 1][rows, node]]
        return found, weight


@np.errstate(all="ignore")
def largest_ratio(directions: Reals, keys: Keys, paths: Paths) -> Reals:
    """An upper bound of c.y over all paths to each node, (rows,); c: (rows, d), one per node of ``paths``.

    Where no t is found it is that of the largest value, which is infinite where values are not known.

    ``slack`` is above what float64 may lose while t is no larger than any value: on a term by the product c.v, and on a
    sum of so many terms. A larger t is a bound anyway.
    """
    free, fixed = directions @ keys.value.T, directions @ keys.fixed_value.T
    size = np.abs(directions).sum(axis=-1) * keys.largest.max()
    total = keys.fixed.sum()
    heaviest, _ = paths.heaviest(np.broadcast_to(keys.weight, free.shape), keys.weight, keys.of_level)
    many = 1.0 + paths.length + len(keys.fixed) + directions.shape[-1]
    slack = ROUNDING * many * (heaviest + total) * 2.0 * size
    bound, ceiling = -size, size * (1.0 + ROUNDING)
    is_open = np.arange(len(bound))
    for _ in range(MOST_STEPS):
        t = bound[is_open, None]
        value, weight = replace(paths, nodes=paths.nodes[is_open]).heaviest(
            keys.weight * (free[is_open] - t), keys.weight, keys.of_level
        )
        value = value + (keys.fixed * (fixed[is_open] - t)).sum(axis=-1)
        left = ~(value <= -slack[is_open])
        step = (value + 2.0 * slack[is_open]) / (weight + total)
        is_open, step = is_open[left], step[left]
        if not len(is_open):
            break
        bound[is_open] += step
    bound[is_open] = np.inf
    found: Reals = np.minimum(bound, ceiling)
    return found
