"""A levelled automaton: the sequences of a domain, gathered at every length into the states a program needs.

A node of level n stands for all sequences of n tokens that lead to it. They end in the same token, get the same label
from the program, and have the same continuations:

    level 0 --token--> level 1 --token--> ... --token--> level N

Nodes that no continuation tells apart are one (``minimal``), so a program with few states has few nodes at any length,
and a sum over the tokens of a sequence is a sum along a path: its largest value over all sequences of a node is a
longest path (Viterbi 1967). Where that is too coarse, a node's sequences are parted by such a sum (``divided``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from cegis.domain import DomainError
from dsl.sequences import Label

Ints = NDArray[np.int64]

NONE = -1  # no label, or no next node
MOST_NODES = 2_000_000


@dataclass(frozen=True, eq=False)
class Level:
    """The nodes of one length: ``token`` each ends in (NONE at length 0), ``label`` (NONE: none is asked), both
    (nodes,); and ``after``: (nodes, letters), the node of the next level that each token leads to, or NONE.
    """

    token: Ints
    label: Ints
    after: Ints


@dataclass(frozen=True, eq=False)
class Trellis:
    """``levels[n]`` for n = 0 to the longest length; level 0 is one node.

    ``names`` are the program's labels; None for that of one which answers nothing there.
    """

    levels: tuple[Level, ...]
    names: tuple[Label | None, ...]

    @property
    def longest(self) -> int:
        """The length of the last level."""
        return len(self.levels) - 1

    @property
    def letters(self) -> int:
        """How many tokens the alphabet has."""
        return int(self.levels[0].after.shape[1])

    @property
    def nodes(self) -> int:
        """How many there are in all."""
        return sum(len(level.token) for level in self.levels)

    @cached_property
    def before(self) -> tuple[Ints, ...]:
        """Per level (nodes, most): the nodes of the level before that lead to each; its last one fills up."""
        found = [np.zeros((1, 0), np.int64)]
        for level, following in zip(self.levels, self.levels[1:], strict=False):
            start, _ = np.nonzero(level.after != NONE)
            end = level.after[level.after != NONE]
            order = np.argsort(end, kind="stable")
            start, end = start[order], end[order]
            counts = np.bincount(end, minlength=len(following.token))
            first = np.cumsum(counts) - counts
            place = np.arange(counts.max(initial=1))
            found.append(start[first[:, None] + np.minimum(place, counts[:, None] - 1)])
        return tuple(found)

    @cached_property
    def sizes(self) -> tuple[tuple[int, ...], ...]:
        """How many sequences each node stands for, exactly."""
        found = [[1]]
        for level, following in zip(self.levels, self.levels[1:], strict=False):
            counts = [0] * len(following.token)
            for node, row in zip(found[-1], level.after, strict=True):
                for target in row:
                    if target != NONE:
                        counts[target] += node
            found.append(counts)
        return tuple(map(tuple, found))

    def labelled(self, length: int) -> int:
        """How many sequences of ``length`` have a label."""
        return sum(
            size for size, label in zip(self.sizes[length], self.levels[length].label, strict=True) if label != NONE
        )

    def paths(self, length: int, nodes: Ints, count: int, random: np.random.Generator) -> Ints:
        """``count`` random sequences of each of ``nodes`` of ``length``: (nodes, count, length + 1) nodes by level."""
        found = np.zeros((len(nodes), count, length + 1), np.int64)
        found[..., length] = nodes[:, None]
        for n in range(length, 0, -1):
            before = self.before[n]
            choice = random.integers(0, 2**31, found.shape[:2]) % before.shape[1]
            found[..., n - 1] = before[found[..., n], choice]
        return found

    def tokens(self, paths: Ints) -> NDArray[np.int8]:
        """Alphabet indices (..., length) of paths (..., length + 1)."""
        parts = [self.levels[n].token[paths[..., n]] for n in range(1, paths.shape[-1])]
        empty = np.zeros((*paths.shape[:-1], 0), np.int64)
        return np.concatenate([empty, *(part[..., None] for part in parts)], axis=-1).astype(np.int8)

    @property
    def sequences(self) -> NDArray[np.int8]:
        """Every sequence of the longest length: (sequences, length) alphabet indices."""
        found, nodes = np.zeros((1, 0), np.int8), np.zeros(1, np.int64)
        for level in self.levels[:-1]:
            after = level.after[nodes]
            row, letter = np.nonzero(after != NONE)
            found, nodes = np.column_stack([found[row], letter.astype(np.int8)]), after[row, letter]
        return found

    def minimal(self) -> Trellis:
        """The same sequences and labels with as few nodes as can be."""
        levels: list[Level] = []
        classes = np.zeros(0, np.int64)
        for level in reversed(self.levels):
            after = np.append(classes, NONE)[level.after]  # NONE stays what it is
            rows = np.column_stack([level.token, level.label, after])
            kept, classes = np.unique(rows, axis=0, return_inverse=True)
            classes = classes.ravel()
            levels.append(Level(kept[:, 0], kept[:, 1], kept[:, 2:]))
        return Trellis(_reached(levels[::-1]), self.names)

    def only(self, length: int, node: int) -> Trellis:
        """The sequences of one node of level ``length``, and no others."""
        inside = np.arange(len(self.levels[length].token)) == node
        levels = [
            Level(self.levels[length].token, self.levels[length].label, np.full((len(inside), self.letters), NONE))
        ]
        for level in reversed(self.levels[:length]):
            after = np.where(np.append(inside, False)[level.after], level.after, NONE)
            levels.append(Level(level.token, level.label, after))
            inside = (after != NONE).any(axis=1)
        return Trellis(_reached(levels[::-1]), self.names)

    def divided(self, pull: Sequence[NDArray[np.floating]], parts: int, steps: int) -> Trellis:
        """The same sequences, those of each last node in up to ``parts`` nodes, by the sum of ``pull`` along each.

        ``pull``: a number per node, by level. Sums are followed in about so many ``steps`` between the least and the
        largest; so a part is what its rounded sum says, and no more is meant by it.
        """
        unit = sum(float(np.ptp(of_node)) for of_node in pull) / steps or 1.0
        gain = [np.rint((of_node - of_node.min()) / unit).astype(np.int64) for of_node in pull]
        nodes, sums, levels = np.zeros(1, np.int64), np.zeros(1, np.int64), []
        for n, level in enumerate(self.levels[:-1]):
            after = level.after[nodes]
            is_next = after != NONE
            moved = np.broadcast_to(sums[:, None], after.shape)[is_next] + gain[n + 1][after[is_next]]
            if n + 1 == self.longest:
                moved = (moved - moved.min()) * parts // (np.ptp(moved) + 1)
            base = int(moved.max()) + 1
            codes, index = np.unique(after[is_next] * base + moved, return_inverse=True)
            check_size(len(codes))
            following = np.full(after.shape, NONE)
            following[is_next] = index
            levels.append(Level(level.token[nodes], level.label[nodes], following))
            nodes, sums = np.divmod(codes, base)
        last = self.levels[-1]
        levels.append(Level(last.token[nodes], last.label[nodes], last.after[nodes]))
        return Trellis(tuple(levels), self.names)


def product(one: Trellis, other: Trellis, label: int) -> Trellis:
    """``one``, with labels only where the sequences have the given ``label`` in ``other``."""
    pairs = np.zeros((1, 2), np.int64)
    levels = []
    for n, (left, right) in enumerate(zip(one.levels, other.levels, strict=True)):
        a, b = pairs.T
        asked = np.where(right.label[b] == label, left.label[a], NONE)
        after_a, after_b = left.after[a], right.after[b]
        both = (after_a != NONE) & (after_b != NONE)
        if n == one.longest:
            levels.append(Level(left.token[a], asked, np.full(both.shape, NONE)))
            break
        width = len(one.levels[n + 1].token), len(other.levels[n + 1].token)
        codes, index = np.unique(after_a[both] * width[1] + after_b[both], return_inverse=True)
        after = np.full(both.shape, NONE)
        after[both] = index
        levels.append(Level(left.token[a], asked, after))
        pairs = np.column_stack(np.divmod(codes, width[1]))
        check_size(len(pairs))
    return Trellis(tuple(levels), one.names).minimal()


def _reached(levels: Sequence[Level]) -> tuple[Level, ...]:
    """The levels without nodes that nothing leads to."""
    kept = np.arange(1)
    found = []
    for n, level in enumerate(levels):
        after = level.after[kept]
        if n == len(levels) - 1:
            found.append(Level(level.token[kept], level.label[kept], after))
            break
        following = np.unique(after[after != NONE])
        places = np.full(len(levels[n + 1].token) + 1, NONE)
        places[following] = np.arange(len(following))
        found.append(Level(level.token[kept], level.label[kept], places[after]))
        kept = following
    return tuple(found)


def check_size(nodes: int) -> None:
    """Raise DomainError for more ``nodes`` at one length than are worth following."""
    if nodes > MOST_NODES:
        raise DomainError(f"a program with more than {MOST_NODES:,} states at one length; ask for a shorter length")
