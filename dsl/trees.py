"""Divide and conquer: a decision tree over enumerated flags, with enumerated terms at the leaves.

Alur, Radhakrishna, Udupa, "Scaling enumerative program synthesis via divide and conquer", TACAS 2017: when no term is
right on all examples, join terms that are right on some of them. The tree is grown greedily by information gain on
the wanted values, cheaper flags first among equals. It knows values and costs, not terms.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Leaf:
    """The term in this row is right on every example that comes here."""

    row: int


@dataclass(frozen=True)
class Split:
    """Examples on which this flag is true go to ``then``."""

    flag: int
    then: Tree
    otherwise: Tree


Tree = Leaf | Split


def grow_tree(
    target: NDArray[np.int64],
    leaves: NDArray[np.int64],
    leaf_cost: NDArray[Any],
    flags: NDArray[np.bool_],
    flag_cost: NDArray[Any],
) -> Tree | None:
    """The tree that gives ``target`` on every example, or None when the flags cannot tell two examples apart.

    target: (examples,); leaves: (leaf rows, examples) with leaf_cost: (leaf rows,); flags likewise.
    """
    right = leaves == target
    by_cost = np.argsort(flag_cost, kind="stable")

    def grow(here: NDArray[np.int64]) -> Tree | None:
        fitting = np.flatnonzero(right[:, here].all(axis=1))
        if len(fitting):
            return Leaf(int(fitting[np.argmin(leaf_cost[fitting])]))
        gain = information_gain(flags[np.ix_(by_cost, here)], target[here])
        if not len(gain) or gain.max() <= 1e-12:
            return None
        flag = int(by_cost[np.argmax(gain > gain.max() - 1e-9)])
        then, otherwise = grow(here[flags[flag, here]]), grow(here[~flags[flag, here]])
        return None if then is None or otherwise is None else Split(flag, then, otherwise)

    return grow(np.arange(len(target)))


def information_gain(flags: NDArray[np.bool_], target: NDArray[np.int64]) -> NDArray[np.float64]:
    """Bits of ``target`` that each flag tells: (flags,)."""
    kinds = np.unique(target)[:, None] == target
    total = kinds.sum(axis=1)
    inside = flags.astype(np.float64) @ kinds.T.astype(np.float64)  # (flags, kinds)
    share = flags.mean(axis=1)
    return np.asarray(_entropy(total[None])[0] - share * _entropy(inside) - (1 - share) * _entropy(total - inside))


def _entropy(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    p = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    return np.asarray(-(p * np.log2(np.where(p > 0, p, 1))).sum(axis=1))
