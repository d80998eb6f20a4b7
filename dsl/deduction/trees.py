"""Divide and conquer: a decision tree over enumerated flags, with enumerated terms at the leaves.

Alur, Radhakrishna, Udupa, "Scaling enumerative program synthesis via divide and conquer", TACAS 2017: when no term is
right on all examples, join terms that are right on some of them. Being right is a matrix, not a value, so it may be
what a relation allows. A few leaves are chosen first, greedily, so that every example has one; a flag is then worth
the information it gives on which leaf to take, where an example that several leaves fit belongs to each in proportion
to how much that leaf covers. A node over examples that one term fits is a leaf. Several choices of leaves, with and
without a price on costly flags, give several trees; the cheapest is kept. Rows are compared as packed bits.

A *guard* is a term with a condition on its own values (``min``-like functions): where the condition selects the term it
must be right, and elsewhere the rest of the tree goes on. Nothing here knows terms: rows have numbers and costs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

MOST_VALUES = 2**25  # flags times examples that are looked at (the cheapest flags)
MOST_LEAVES = 48  # of a tree, and chosen beforehand
BLOCK = 2**21  # values turned into weights at once
TINY = 1e-9
Mask = NDArray[np.bool_]
Places = NDArray[np.signedinteger[Any]]


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


@dataclass(frozen=True)
class Guard:
    """This guard's term is right on every example here that its condition selects; others go to ``otherwise``."""

    guard: int
    otherwise: Tree


Tree = Leaf | Split | Guard


@dataclass(frozen=True)
class Stuck:
    """No tree: no term is right on the examples ``uncovered``, or no flag tells the examples ``together`` apart."""

    uncovered: tuple[int, ...]
    together: tuple[int, ...]


@dataclass(frozen=True)
class Rated:
    """Rows with their costs. ``holds``: (rows, examples)."""

    holds: Mask
    cost: NDArray[Any]


@dataclass(frozen=True)
class Guards:
    """Guards by number: the examples each one's condition selects, and where its term is right: (guards, examples)."""

    selects: Mask
    right: Mask
    cost: NDArray[Any]


class Packed:
    """A Boolean matrix as words of bits: one bit per example, rows in order of cost."""

    def __init__(self, rows: Rated) -> None:
        self.order = np.argsort(rows.cost, kind="stable")
        packed = np.packbits(rows.holds, axis=1)
        self._bits = np.pad(packed, ((0, 0), (0, -packed.shape[1] % 2))).view(np.uint16)[self.order]

    def _mask(self, here: Mask) -> NDArray[np.uint16]:
        packed = np.packbits(here)
        return np.pad(packed, (0, -len(packed) % 2)).view(np.uint16)

    def covering(self, here: Mask) -> int | None:
        """The cheapest row that holds on all these examples."""
        able = np.arange(len(self._bits))
        for word, wanted in enumerate(self._mask(here)):  # a word at a time: few rows are left soon
            if wanted:
                able = able[self._bits[able, word] & wanted == wanted]
        return int(self.order[able[0]]) if len(able) else None

    def count(self, here: Mask) -> NDArray[np.int64]:
        """On how many of these examples each row holds, rows in order of cost."""
        bits = self._bits & self._mask(here)
        return np.asarray(ONES[bits].sum(axis=1, dtype=np.int64))


ONES = np.unpackbits(np.arange(2**16, dtype=np.uint16).view(np.uint8)).reshape(-1, 16).sum(axis=1, dtype=np.uint8)


def grow_tree(
    right: Mask,
    leaf_cost: NDArray[Any],
    flags: Mask,
    flag_cost: NDArray[Any],
    *,
    kinds: NDArray[Any] | None = None,
    guards: Guards | None = None,
    split_cost: int = 1,
    tries: int = 4,
    most_leaves: int = MOST_LEAVES,
    stop: Callable[[], bool] = lambda: False,
) -> Tree | Stuck:
    """The cheapest of several trees whose leaves are right on every example, or why there is none.

    right: (leaf rows, examples) with leaf_cost: (leaf rows,); flags: (flag rows, examples) likewise. kinds:
    (examples,), classes that flags should tell apart in the first try, such as the values wanted, where they are few. A
    tree has at most ``most_leaves``.
    """
    examples = right.shape[1]
    uncovered = ~right.any(axis=0) if len(right) else np.ones(examples, bool)
    if guards is not None and len(guards.cost):
        uncovered &= ~(guards.right & guards.selects).any(axis=0)
    if uncovered.any() or not len(right):
        return Stuck(tuple(np.flatnonzero(uncovered).tolist()), ())
    grower = Grower(Rated(right, leaf_cost), Rated(flags, flag_cost), guards, split_cost, most_leaves, stop)
    best: tuple[int, Tree] | None = None
    for weigh, price in list(grower.tries(kinds))[:tries]:
        tree = grower.grow(weigh, price)
        if tree is not None and (best is None or grower.cost(tree) < best[0]):
            best = grower.cost(tree), tree
    return Stuck((), grower.together) if best is None else best[1]


Weigh = Callable[[Places], NDArray[np.float64]]  # examples -> (examples, kinds), rows that add up to 1


class Grower:
    """Grows trees over the same rows in several ways."""

    def __init__(
        self,
        leaves: Rated,
        flags: Rated,
        guards: Guards | None,
        split_cost: int,
        most_leaves: int,
        stop: Callable[[], bool],
    ) -> None:
        self.together: tuple[int, ...] = ()
        self._leaves, self._packed, self._guards, self._stop = leaves, Packed(leaves), guards, stop
        self._split_cost, self._examples = split_cost, leaves.holds.shape[1]
        cheap = np.argsort(flags.cost, kind="stable")[: MOST_VALUES // max(1, self._examples)]
        self._flags, self._by_cost = flags, cheap
        self._by_example = np.ascontiguousarray(flags.holds[cheap].T)  # (examples, flags), cheapest first
        self._most, self._left = most_leaves, 0  # leaves in all, and those that may still be made

    def tries(self, kinds: NDArray[Any] | None) -> Iterator[tuple[Weigh, float]]:
        """Ways to weigh examples, each with the bits of information that a unit of a flag's cost must bring."""
        if kinds is not None:
            different = np.unique(kinds)
            if len(different) <= MOST_LEAVES:
                one_hot = (kinds[:, None] == different).astype(np.float64)
                yield lambda here: one_hot[here], 0.0
        yield partial(self._shares, self._cover(0.0)), 0.0
        yield partial(self._shares, self._cover(2.0)), 0.03
        often = np.argsort(-self._packed.count(np.ones(self._examples, bool)), kind="stable")[: MOST_LEAVES // 2]
        yield partial(self._shares, self._packed.order[often]), 0.01

    def grow(self, weigh: Weigh, price: float) -> Tree | None:
        """A tree, or None when it would be stuck (``together`` says where) or too large."""
        self._left = self._most
        return self._node(np.arange(self._examples), weigh, price)

    def cost(self, tree: Tree) -> int:
        """What the tree costs."""
        match tree:
            case Leaf(row):
                return int(self._leaves.cost[row])
            case Guard(guard, otherwise):
                assert self._guards is not None
                return int(self._guards.cost[guard]) + self._split_cost + self.cost(otherwise)
            case Split(flag, then, otherwise):
                return int(self._flags.cost[flag]) + self._split_cost + self.cost(then) + self.cost(otherwise)

    def _cover(self, spread: float) -> Places:
        """Leaves that cover all examples between them: each time the most of what is left (per cost + ``spread``)."""
        price = self._leaves.cost[self._packed.order] + spread if spread else np.ones(len(self._leaves.cost))
        chosen: list[int] = []
        left = np.ones(self._examples, bool)
        while left.any() and len(chosen) < MOST_LEAVES:
            count = self._packed.count(left)
            if not len(count) or not count.max():
                break
            chosen.append(int(self._packed.order[np.argmax(count / price)]))
            left &= ~self._leaves.holds[chosen[-1]]
        return np.array(chosen, np.int64)

    def _shares(self, chosen: Places, here: Places) -> NDArray[np.float64]:
        """How much each example belongs to each of the chosen leaves."""
        fits = self._leaves.holds[np.ix_(chosen, here)].T.astype(np.float64)
        weighed = fits * fits.sum(axis=0)
        lonely = weighed.sum(axis=1) == 0  # fitted by a guard alone, or by a leaf beyond the chosen ones
        weighed = np.column_stack([weighed, lonely])
        return np.asarray(weighed / weighed.sum(axis=1, keepdims=True))

    def _node(self, here: Places, weigh: Weigh, price: float) -> Tree | None:
        mask = np.zeros(self._examples, bool)
        mask[here] = True
        row = self._packed.covering(mask)
        if row is not None:
            self._left -= 1
            return Leaf(row)
        if self._left < 2 or self._stop():
            return None
        weights = weigh(here)
        score, flag = self._best_flag(here, weights, price)
        guarded, guard = self._best_guard(here, weights, price)
        if flag is None and guard is None:
            self.together = tuple(here.tolist())
            return None
        if guard is not None and self._guards is not None and guarded >= score - TINY:
            self._left -= 1
            rest = self._node(here[~self._guards.selects[guard, here]], weigh, price)
            return None if rest is None else Guard(guard, rest)
        assert flag is not None
        true = self._flags.holds[flag, here]
        then = self._node(here[true], weigh, price)
        otherwise = None if then is None else self._node(here[~true], weigh, price)
        return None if then is None or otherwise is None else Split(flag, then, otherwise)

    def _best_flag(self, here: Places, weights: NDArray[np.float64], price: float) -> tuple[float, int | None]:
        """The flag that tells most, cheaper ones first among equals; it is true on some examples and not on all."""
        scores = np.full(len(self._by_cost), -np.inf)
        step = max(1, BLOCK // len(here))
        for start in range(0, len(self._by_cost), step):
            values = self._by_example[:, start : start + step][here].T
            splits = values.any(axis=1) & ~values.all(axis=1)
            score = information_gain(values, weights)
            if price:
                score -= price * self._flags.cost[self._by_cost[start : start + step]]
            scores[start : start + step] = np.where(splits, score, -np.inf)
        if not len(scores) or scores.max() == -np.inf:
            return -np.inf, None
        return float(scores.max()), int(self._by_cost[np.argmax(scores > scores.max() - TINY)])

    def _best_guard(self, here: Places, weights: NDArray[np.float64], price: float) -> tuple[float, int | None]:
        """The guard that is right wherever it selects here and leaves least to be told."""
        if self._guards is None or not len(self._guards.cost):
            return -np.inf, None
        selects = self._guards.selects[:, here]
        able = np.flatnonzero(~(selects & ~self._guards.right[:, here]).any(axis=1) & selects.any(axis=1))
        able = able[~selects[able].all(axis=1)]
        if not len(able):
            return -np.inf, None
        inside = selects[able].astype(np.float64) @ weights
        outside = weights.sum(axis=0) - inside
        bits = _bits(weights.sum(axis=0)[None])[0] - _bits(outside)
        cost, selected = self._guards.cost[able], selects[able].sum(axis=1)
        scores = np.round(bits / len(here) - price * cost, 9)
        best = np.lexsort((cost, -selected, -scores))[0]
        return float(scores[best]), int(able[best])


def information_gain(flags: Mask, weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Bits that each flag tells of the kind: (flags,). flags: (flags, examples); weights: (examples, kinds)."""
    total = weights.sum(axis=0)
    inside = flags.astype(np.float64) @ weights
    told = _bits(total[None])[0] - _bits(inside) - _bits(total - inside)
    return np.asarray(told / max(1, flags.shape[1]))


def _bits(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Entropy times size of each row of counts."""
    counts = np.maximum(counts, 0)
    size = counts.sum(axis=1)
    spread = (counts * np.log2(np.where(counts > 0, counts, 1))).sum(axis=1)
    return np.asarray(size * np.log2(np.where(size > 0, size, 1)) - spread)
