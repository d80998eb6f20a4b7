"""Conditionals from examples: split the examples by flags until one term is right on each part.

Alur, Radhakrishna, Udupa, "Scaling enumerative program synthesis via divide and conquer", TACAS 2017, where the terms
of the leaves are not enumerated but asked for, part by part. Asking is dear, so what is known is used: a term right on
a part is right on every part of it, and where a part has no term, no larger part has one. Splits with a side that is
known, and large, come first. A part is a set of examples as the bits of a number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dsl.deduction.rows import Rows
from dsl.grammar import Production
from dsl.operators import Term

MAX_SPLITS = 64  # tried on one part with two leaves
MAX_DEEP = 6  # tried on one part with a tree on a side

Found = tuple[int, Term]  # a cost, and the term
Part = int


@dataclass(frozen=True)
class Split:
    """A row of the flags, and the examples where it is true."""

    flag: int
    then: Part


def parts(right: NDArray[np.bool_]) -> list[Part]:
    """Rows of flags (rows, examples) as parts."""
    packed = np.packbits(right, axis=1, bitorder="little")
    return [int.from_bytes(row.tobytes(), "little") for row in packed]


def examples(part: Part) -> NDArray[np.int64]:
    """The numbers of the examples in a part."""
    return np.array([place for place in range(part.bit_length()) if part >> place & 1], np.int64)


class Branches:
    """Grows trees. ``flags``: Bool rows in order of cost. ``leaf(part)`` gives a term right on that part, or None.

    ``right(term)`` is the part that a term is right on. ``asks`` bounds the calls of ``leaf``.
    """

    def __init__(
        self,
        choose: Production,
        flags: Rows,
        known: Iterable[tuple[Part, Found]],
        leaf: Callable[[Part], Found | None],
        right: Callable[[Term], Part],
        asks: int,
        stop: Callable[[], bool],
    ) -> None:
        self._choose, self._flags, self._ask, self._right, self._stop = choose, flags, leaf, right, stop
        self._splits = [Split(row, then) for row, then in enumerate(parts(flags.values))]
        self._known = sorted(known, key=lambda pair: pair[1][0])
        self._failed: list[Part] = []
        self._grown: dict[tuple[Part, int], Found | None] = {}
        self.asks = asks

    def grow(self, part: Part, depth: int) -> Found | None:
        """The cheapest tree found, right on ``part``, with at most ``depth`` flags in a row."""
        key = part, depth
        if key not in self._grown:
            self._grown[key] = self._leaf(part) or self._tree(part, depth)
        return self._grown[key]

    def _tree(self, part: Part, depth: int) -> Found | None:
        if depth == 0 or self._stop():
            return None
        splits = self._divided(part)
        found = [tree for split in splits[:MAX_SPLITS] if (tree := self._pair(part, split)) is not None]
        if not found and depth > 1:
            splits.sort(key=lambda split: -self._share(part, split))
            found = [tree for split in splits[:MAX_DEEP] if (tree := self._deep(part, split, depth)) is not None]
        return min(found, key=lambda tree: tree[0], default=None)

    def _divided(self, part: Part) -> list[Split]:
        """Splits that divide ``part`` in different ways; those with a large known side first, then cheap ones."""
        seen = {0, part}
        found = []
        for split in self._splits:
            then = split.then & part
            if then not in seen:
                seen |= {then, part & ~then}
                found.append(split)
        return sorted(found, key=lambda split: -self._share(part, split))

    def _share(self, part: Part, split: Split) -> int:
        """How many examples of ``part`` are on a known side."""
        sides = (part & split.then, part & ~split.then)
        return max((side.bit_count() for side in sides if self._cheapest(side) is not None), default=0)

    def _pair(self, part: Part, split: Split) -> Found | None:
        """Two leaves; the larger side is the likelier to have none, so it is asked for first."""
        sides = (part & split.then, part & ~split.then)
        if all(self._leaf(side) is not None for side in sorted(sides, key=int.bit_count, reverse=True)):
            return self._joined(split, self._leaf(sides[0]), self._leaf(sides[1]))
        return None

    def _deep(self, part: Part, split: Split, depth: int) -> Found | None:
        """Two trees; the side that is known, or small, is the likelier to have one."""
        sides = (part & split.then, part & ~split.then)
        likely = sorted(sides, key=lambda side: (self._cheapest(side) is None, side.bit_count()))
        if all(self.grow(side, depth - 1) is not None for side in likely):
            return self._joined(split, self.grow(sides[0], depth - 1), self.grow(sides[1], depth - 1))
        return None

    def _leaf(self, part: Part) -> Found | None:
        found = self._cheapest(part)
        if found is None and self.asks > 0 and not any(part & failed == failed for failed in self._failed):
            self.asks -= 1
            found = None if self._stop() else self._ask(part)
            if found is None:
                self._failed.append(part)
            else:
                self._known.append((self._right(found[1]) | part, found))
        return found

    def _cheapest(self, part: Part) -> Found | None:
        """A term known to be right on ``part``."""
        return next((found for whole, found in self._known if part & whole == part), None)

    def _joined(self, split: Split, then: Found | None, other: Found | None) -> Found | None:
        if then is None or other is None:
            return None
        cost = self._choose.cost + int(self._flags.costs[split.flag]) + then[0] + other[0]
        return cost, self._choose.operator(self._flags.term(split.flag), then[1], other[1])
