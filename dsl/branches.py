"""Conditionals from examples: split the examples by flags until one term is right on each part.

Alur, Radhakrishna, Udupa, "Scaling enumerative program synthesis via divide and conquer", TACAS 2017, where the terms
of the leaves are not enumerated but asked for, part by part. Asking is dear, so what is known is used: a term that is
right on a part is right on every part of that part, and where a part has no term, no larger part has one. Two leaves
are tried before three.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from dsl.grammar import Production
from dsl.operators import Term
from dsl.rows import Indices, Rows

MAX_SPLITS = 60  # flags tried on one part
Found = tuple[int, Term]  # a cost, and the term
Part = frozenset[int]


class Branches:
    """``leaf(examples)`` is the cheapest term right on these examples, or None. ``flags``: Bool rows by cost."""

    def __init__(
        self, choose: Production, flags: Rows, leaf: Callable[[Indices], Found | None], stop: Callable[[], bool]
    ) -> None:
        self._choose, self._flags, self._ask, self._stop = choose, flags, leaf, stop
        self._right: dict[Part, Found] = {}
        self._failed: list[Part] = []

    def grow(self, part: Part, depth: int) -> Found | None:
        """The cheapest tree found over at most ``depth`` flags in a row that is right on ``part``."""
        found = self._leaf(part)
        if found is not None or depth == 0:
            return found
        splits = list(self._splits(part))
        trees = [tree for split in splits if (tree := self._pair(*split)) is not None]
        if trees or depth == 1:
            return min(trees, key=lambda tree: tree[0], default=None)
        halves = [(row, then, other) for row, then, other in splits if self._known(then) or self._known(other)]
        halves.sort(key=lambda split: -max(len(half) for half in split[1:] if self._known(half)))
        for row, then, other in halves:
            tree = self._joined(row, self.grow(then, depth - 1), self.grow(other, depth - 1))
            if tree is not None or self._stop():
                return tree
        return None

    def _splits(self, part: Part) -> Iterator[tuple[int, Part, Part]]:
        """Flags that divide ``part`` in different ways, with both sides; cheap flags first."""
        seen = set()
        for row, values in enumerate(self._flags.values):
            then = frozenset(example for example in part if values[example])
            if then and then != part and then not in seen and part - then not in seen:
                seen.add(then)
                yield row, then, part - then
            if len(seen) == MAX_SPLITS:
                return

    def _pair(self, flag: int, then: Part, other: Part) -> Found | None:
        """Two leaves; the larger part is the likelier to have none, so it is asked for first."""
        if all(self._leaf(half) is not None for half in sorted((then, other), key=len, reverse=True)):
            return self._joined(flag, self._leaf(then), self._leaf(other))
        return None

    def _leaf(self, part: Part) -> Found | None:
        known = self._known(part)
        if known is None and not self._stop() and not any(failed <= part for failed in self._failed):
            known = self._ask(np.array(sorted(part), np.int64))
            if known is not None:
                self._right[part] = known
            else:
                self._failed.append(part)
        return known

    def _known(self, part: Part) -> Found | None:
        """A term known to be right on ``part``."""
        right = [found for whole, found in self._right.items() if part <= whole]
        return min(right, key=lambda found: found[0], default=None)

    def _joined(self, flag: int, then: Found | None, other: Found | None) -> Found | None:
        if then is None or other is None:
            return None
        cost = self._choose.cost + int(self._flags.costs[flag]) + then[0] + other[0]
        return cost, self._choose.operator(self._flags.term(flag), then[1], other[1])
