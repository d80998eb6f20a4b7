"""Which argument rows to combine: products of ranges, without what has been combined before.

The rows of one cost are a list that only grows, so "not combined yet" is a few boxes of positions, and a box is cut
into chunks in lexicographic order. Costs of arguments are the ordered ways to write a number as a sum.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

Range = tuple[int, int]  # positions from the first to before the second
Box = tuple[Range, ...]


def splits(total: int, parts: int) -> Iterator[tuple[int, ...]]:
    """Ways to write ``total`` as ``parts`` costs of at least 1, in order.

    >>> list(splits(4, 2))
    [(1, 3), (2, 2), (3, 1)]
    """
    return splits_among(total, [range(1, total + 1)] * parts)


def splits_among(total: int, choices: Sequence[Sequence[int]]) -> Iterator[tuple[int, ...]]:
    """Ways to write ``total`` as a sum of one cost of each of ``choices`` (at least 1 and rising), in order.

    >>> list(splits_among(4, [(1, 2, 3), (1, 3)]))
    [(1, 3), (3, 1)]
    """
    if len(choices) < 2:
        if not choices and total == 0:
            yield ()
        elif choices and total in choices[0]:
            yield (total,)
        return
    for first in choices[0]:
        if first >= total:
            return
        for rest in splits_among(total - first, choices[1:]):
            yield (first, *rest)


def fresh(sizes: tuple[int, ...], done: tuple[int, ...]) -> list[Box]:
    """The part of the product of ``sizes`` outside the first ``done`` of each, as disjoint boxes."""
    boxes = []
    for i in range(len(sizes)):
        before = tuple((0, d) for d in done[:i])
        behind = tuple((0, s) for s in sizes[i + 1 :])
        box = (*before, (done[i], sizes[i]), *behind)
        if volume(box):
            boxes.append(box)
    return boxes


def volume(box: Box) -> int:
    """How many combinations a box holds."""
    return math.prod(max(0, stop - start) for start, stop in box)


def chunks(box: Box, most: int, *, mirrored: bool = False) -> Iterator[Box]:
    """``box`` in pieces of at most ``most`` (at least 1) combinations; of pairs, those in order when ``mirrored``.

    A piece of a ``mirrored`` box may still hold some pairs (i, j) with i > j.
    """
    if not box:
        yield ()
        return
    (start, stop), rest = box[0], box[1:]
    step = max(1, most // max(1, volume(rest)))
    for low in range(start, stop, step):
        high = min(low + step, stop)
        tail = ((max(rest[0][0], low), rest[0][1]),) if mirrored else rest
        for piece in chunks(tail, most // (high - low)):
            if volume(piece):
                yield ((low, high), *piece)
