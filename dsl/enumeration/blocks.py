"""What a bank builds at once: the product of ranges of argument rows under one production.

A block keeps ranges, not rows: the rows of one cost are a list that only grows, so a range says the same for ever.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from dsl.enumeration import index_ranges
from dsl.enumeration.index_ranges import Box
from dsl.enumeration.store import Rows
from dsl.grammar import Production
from dsl.operators import Sort, Term

Costs = tuple[int, ...]


class Batch(Protocol):
    """Examples, as a signature makes them: ``SequenceBatch`` or ``Columns``."""

    @property
    def examples(self) -> int:
        """How many inputs there are."""
        ...

    @property
    def width(self) -> int:
        """How many positions the longest may have."""
        ...

    @property
    def has_empty(self) -> bool:
        """Whether some input has no position."""
        ...

    def widened(self, width: int, /) -> Any:
        """The same inputs, padded to at least ``width`` positions."""
        ...

    def part(self, start: int, stop: int, /) -> Any:
        """The inputs from ``start`` to before ``stop``."""
        ...

    def joined(self, other: Any, /) -> Any:
        """The inputs of both, as wide as the wider."""
        ...


@dataclass
class Block:
    """Candidates built at once, in lexicographic order of their argument rows: ``row[i]`` is candidate i's behaviour.

    The arguments are the product of ``box``, ranges of the levels of ``costs``. ``row`` is None where the bank does
    not remember; ``sides``: the argument rows of each candidate, where they are kept.
    """

    production: Production
    cost: int
    costs: Costs
    box: Box
    row: NDArray[np.int32] | None = None  # (candidates,)
    given: Term | None = None
    sides: tuple[Rows, ...] | None = None

    @property
    def is_mirrored(self) -> bool:
        """Whether mirror images are left out of it."""
        return is_mirrored(self.production, self.costs)

    @property
    def members(self) -> Rows:
        """The place of each candidate in the product: (candidates,)."""
        places = np.arange(index_ranges.volume(self.box))
        if self.is_mirrored and self.box[0][1] - 1 > self.box[1][0]:
            (first, stop), (second, end) = self.box
            return places[(np.arange(first, stop)[:, None] <= np.arange(second, end)).ravel()]
        return places


def is_mirrored(production: Production, costs: Costs) -> bool:
    """Whether both arguments come from the same rows of a commutative operator."""
    return production.operator.commutative and len(set(production.arguments)) == 1 and len(set(costs)) == 1


def is_mirror(production: Production, costs: Costs) -> bool:
    """Whether these argument costs mirror ones already taken for a commutative operator."""
    return production.operator.commutative and len(set(production.arguments)) == 1 and costs != tuple(sorted(costs))


def shape(sort: Sort, batch: Batch) -> tuple[int, ...]:
    """The shape of one value on a batch."""
    return (batch.examples, batch.width) if sort.positional else (batch.examples,)


def taken(words: NDArray[Any], rows: NDArray[np.int32]) -> NDArray[Any]:
    """``words[rows]``, without a copy where the rows follow each other."""
    if len(rows) and rows[-1] - rows[0] == len(rows) - 1 and (np.diff(rows) == 1).all():
        return words[rows[0] : rows[-1] + 1]
    return words[rows]


def spread(sides: list[NDArray[Any]]) -> list[NDArray[Any]]:
    """Arrays whose first axes broadcast to their product."""
    shapes = [[1] * i + [len(side)] + [1] * (len(sides) - 1 - i) for i, side in enumerate(sides)]
    return [side.reshape(*shape, *side.shape[1:]) for side, shape in zip(sides, shapes, strict=True)]
