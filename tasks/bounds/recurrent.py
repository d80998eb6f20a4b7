"""Rigorous bounds on the states and logits of a ``Recurrent`` network: its two steps, on balls.

    states = recurrent.initial(network, 5)             # Ball (5, width)
    states = recurrent.step(network, u)(states, ids)   # a ball of states and a token each, to the ball after it
    recurrent.read(network, u)(states)                 # Ball (5, outputs)

``enclose`` bounds many prompts by the tree of their prefixes, level by level: a prefix is a state, computed once
however many prompts begin with it, and states that coincide, center and radius bit by bit, are one.

A ball holds the real value and that of every execution with unit roundoff ``u`` (``ball``), so levels of states may be
carried on, cut into pieces and joined. What an execution keeps as its state are numbers of its own precision; nothing
is assumed of how it splits the formula into operations beyond ``ball.KERNEL_ASSUMPTION``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from tasks.bounds import ball
from tasks.bounds.ball import Ball
from tasks.bounds.interpreter import Stream, ranked, row_step
from tasks.bounds.stacking import maps_together
from tasks.bounds.workers import blocks, each
from tasks.networks.interpreter import check_ids
from tasks.networks.recurrent import Recurrent
from tasks.networks.transformer import Step

Ids = NDArray[np.int64]
States = TypeVar("States")
ROWS = 512  # of states that go through all steps together: what they need fits a cache


class Arithmetic(Protocol[States]):
    """What a tree of prefixes is computed in: states of many prefixes, and what is done to them.

    It can be pickled, by what it is made of: the blocks of a level are computed by the ``workers`` in use.
    """

    def rows_of(self, states: States) -> int:
        """How many of these states go through all steps together."""

    def initial(self) -> States:
        """The state before any token, once."""

    def step(self, states: States, ids: Ids) -> States:
        """The states after one more token each."""

    def read(self, states: States) -> Ball:
        """Their logits."""

    def chosen(self, states: States, rows: Ids) -> States:
        """Some of them."""

    def joined(self, parts: list[States]) -> States:
        """All of them."""

    def merged(self, states: States) -> tuple[Ids, Ids]:
        """The first of those that coincide, and for each which of these it is."""


class Balls:
    """Balls, entry by entry."""

    rows = ROWS

    def __init__(self, network: Recurrent, u: float) -> None:
        self._network, self._u = network, u
        self.step, self.read = step(network, u), read(network, u)

    def __reduce__(self) -> tuple[type[Balls], tuple[Recurrent, float]]:
        return Balls, (self._network, self._u)

    def rows_of(self, states: Ball) -> int:
        """As many as fit a cache."""
        return self.rows

    def initial(self) -> Ball:
        """The state before any token, once."""
        return initial(self._network, 1)

    def chosen(self, states: Ball, rows: Ids) -> Ball:
        """Some of them."""
        return states[run_of(rows)]

    def joined(self, parts: list[Ball]) -> Ball:
        """All of them."""
        return parts[0] if len(parts) == 1 else Ball.join(parts)

    def merged(self, states: Ball) -> tuple[Ids, Ids]:
        """Those that are equal bit by bit."""
        return merged(states)


def enclose(network: Recurrent, batches: Sequence[NDArray[np.integer]], u: float) -> Stream:
    """Bounds on the logits before the first token and after each one, for ``batches`` of prompts (prompts, T) of ids.

    The result has a place for each: (prompts, T + 1) per batch. Raises NetworkError for ids that the network cannot
    take, RoundoffError for a ``u`` that is not covered.
    """
    return tree(network, batches, Balls(network, u))


@dataclass(frozen=True)
class Level(Generic[States]):
    """The states of a tree after ``depth`` tokens, and for each prompt of each batch which of them it is in (``at``).

    ``found``: the logits of each level so far, ``tokens`` the last token of each state, and ``places`` for each batch
    where its prompts are among them all, a column (prompts,) a level; shorter prompts have fewer.
    """

    depth: int
    states: States
    at: list[Ids]
    found: list[Ball]
    tokens: list[Ids]
    places: list[list[Ids]]

    def of(self, some: Sequence[Ids | slice]) -> Level[States]:
        """The same for some of the prompts of each batch."""
        at = [where[rows] for where, rows in zip(self.at, some, strict=True)]
        places = [[column[rows] for column in columns] for columns, rows in zip(self.places, some, strict=True)]
        return replace(self, at=at, places=places)

    def ordered(self, arithmetic: Arithmetic[States], order: Ids) -> Level[States]:
        """The same with its states in this order, in which those of the next levels follow one another, too."""
        place = np.argsort(order)
        there = [len(columns) > self.depth for columns in self.places]  # and no prompts that ended before
        at = [place[where] if is_there else where for where, is_there in zip(self.at, there, strict=True)]
        return replace(self, states=arithmetic.chosen(self.states, order), at=at)


def tree(
    network: Recurrent,
    batches: Sequence[NDArray[np.integer]],
    arithmetic: Arithmetic[States],
    begun: Level[States] | None = None,
    on_level: Callable[[Level[States]], None] = lambda level: None,
) -> Stream:
    """What ``enclose`` gives, in any arithmetic; ``on_level`` is given each level.

    Where a tree has ``begun`` it goes on from that level, of these prompts.
    """
    for ids in batches:
        check_ids(ids, len(network.tokens), network.longest, network.shortest)
    vocabulary = len(network.tokens)
    if begun is None:
        none, start = [np.zeros(len(ids), np.int64) for ids in batches], arithmetic.initial()
        begun = Level(0, start, none, [arithmetic.read(start)], [np.zeros(1, np.int64)], [[column] for column in none])
    states, at, found, tokens = begun.states, [*begun.at], [*begun.found], [*begun.tokens]
    places = [[*columns] for columns in begun.places]
    offset = sum(map(len, found))
    for depth in range(begun.depth, max((ids.shape[1] for ids in batches), default=0)):
        going = [n for n, ids in enumerate(batches) if ids.shape[1] > depth]
        last = max((int(at[n].max(initial=-1)) for n in going), default=-1)
        codes = np.concatenate([batches[n][:, depth].astype(np.int64) * (last + 1) + at[n] for n in going])
        if not len(codes):
            break
        pairs, index = ranked(codes, vocabulary * (last + 1))
        token, before = pairs // (last + 1), pairs % (last + 1)  # token by token, so that states follow each other
        cut = blocks(len(pairs), arithmetic.rows_of(states))
        parts = ((arithmetic.chosen(states, before[rows]), token[rows]) for rows in cut)
        states = arithmetic.joined([*each(_stepped, arithmetic, parts)])
        kept, same = arithmetic.merged(states)
        if len(kept) < len(pairs):
            states, index, token = arithmetic.chosen(states, kept), same[index], token[kept]
        every = np.arange(len(kept))
        found += [
            arithmetic.read(arithmetic.chosen(states, every[rows]))
            for rows in blocks(len(kept), arithmetic.rows_of(states))
        ]
        tokens.append(token)
        for n, part in zip(going, np.split(index, np.cumsum([len(batches[n]) for n in going])[:-1]), strict=True):
            at[n] = part
            places[n].append(part + offset)
        offset += len(kept)
        on_level(Level(depth + 1, states, [*at], [*found], [*tokens], [[*columns] for columns in places]))
    return Stream(Ball.join(found), np.concatenate(tokens), tuple(np.stack(columns, axis=1) for columns in places))


def beginnings(
    network: Recurrent, batches: Sequence[NDArray[np.integer]], arithmetic: Arithmetic[States], depth: int
) -> Level[States] | None:
    """The tree of the first ``depth`` tokens of all prompts, which parts of them may go on from; None of no token."""
    levels: list[Level[States]] = []
    tree(network, [ids[:, :depth] for ids in batches], arithmetic, on_level=levels.append)
    return levels[-1] if levels else None


def run_of(rows: Ids) -> Ids | slice:
    """Rows as a slice, which copies nothing, where they follow each other."""
    is_run = len(rows) > 0 and rows[-1] - rows[0] == len(rows) - 1 and (np.diff(rows) == 1).all()
    return slice(int(rows[0]), int(rows[-1]) + 1) if is_run else rows


def _stepped(arithmetic: Arithmetic[States], states: States, ids: Ids) -> States:
    """What is computed by itself: some states of a level, each after one more token."""
    return arithmetic.step(states, ids)


def merged(states: Ball) -> tuple[Ids, Ids]:
    """The first of the rows that are equal, bit by bit, and for each row which of these it equals."""
    width, every = states.center.shape[1], np.arange(len(states))
    odd = np.random.default_rng(0).integers(0, 2**63, 2 * width, dtype=np.uint64) * np.uint64(2) + np.uint64(1)
    hashes = np.ascontiguousarray(states.center).view(np.uint64) @ odd[:width]  # modulo 2**64
    if (np.diff(np.sort(hashes)) != 0).all():
        return every, every
    bits = np.concatenate([states.center, states.radius], axis=1).view(np.uint64)
    _, first, index = np.unique(hashes + bits[:, width:] @ odd[width:], return_index=True, return_inverse=True)
    if len(first) == len(states) or (bits[first[index]] != bits).any():  # all different, or two hashes that coincide
        return every, every
    return first, index


def initial(network: Recurrent, count: int) -> Ball:
    """The state before any token, ``count`` times."""
    return Ball.exact(network.initial(count))


def step(network: Recurrent, u: float) -> Callable[[Ball, NDArray[np.integer]], Ball]:
    """The map of balls of states (count, width) and ids (count,) to those after these tokens, weights prepared.

    Raises RoundoffError for a ``u`` that is not covered.
    """
    ball.check_roundoff(u)
    after = _rows(network.transition, u)

    def stepped(states: Ball, ids: NDArray[np.integer]) -> Ball:
        x = Ball.exact(network.tokens[ids])
        centers, radii = (
            np.concatenate(pair, axis=1) for pair in ((states.center, x.center), (states.radius, x.radius))
        )
        return after(Ball(centers, radii))

    return stepped


def read(network: Recurrent, u: float) -> Callable[[Ball], Ball]:
    """The map of balls of states (count, width) to those of their logits (count, outputs), weights prepared."""
    ball.check_roundoff(u)
    return _rows(network.output, u)


def _rows(steps: tuple[Step, ...], u: float) -> Callable[[Ball], Ball]:
    prepared = [row_step(inner, u) for step in steps for inner in maps_together(step)]

    def run(x: Ball) -> Ball:
        none = np.zeros(len(x), np.int64)  # no step here looks at a token
        for one in prepared:
            x = one(x, none)
        return x

    return run
