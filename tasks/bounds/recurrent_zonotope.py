"""The tree of prefixes of a ``Recurrent`` network with zonotopes: the error of a state, and where it came from.

    state after a prefix  =  c + S s + e,   |s_k| <= 1,  |e| <= rest          S (width, symbols)

A ball loses the sign of each error, and so grows like the product of the absolute Jacobians, some threefold a token;
here what one step got wrong stays a symbol, and moves as the network moves it. After every step what is left over
becomes a symbol for each number of the state. Symbols beyond ``MOST_SYMBOLS`` per number, the lightest, are forgotten.

What a step makes of errors is a Taylor model of first order (``taylor``), in float32 where executions in float32 are
meant.

A state costs a hundred times what it costs as a ball. So the last ``ahead`` tokens of the longest prompts are followed
as balls, which begin at the box around the zonotope; prompts come in pieces that share their beginnings (``pieces``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from tasks.bounds import ball, recurrent, taylor
from tasks.bounds.ball import FLOAT64, INFLATION, TINY, Ball, Reals
from tasks.bounds.interpreter import Stream
from tasks.bounds.recurrent import Ids, tree
from tasks.bounds.taylor import Errors, Model, Row, Symbols
from tasks.networks.recurrent import Recurrent

MOST_SYMBOLS = {True: 6, False: 2}  # per number of the state: in float32, where errors are large, and in float64
MOST_NUMBERS = 40_000_000  # in the zonotopes of one level
NUMBERS = 2**23  # in the zonotopes that go through all steps together


def enclose(
    network: Recurrent, batches: Sequence[NDArray[np.integer]], u: float, ahead: int = 0, times: int = 1
) -> Stream:
    """What ``recurrent.enclose`` gives, with smaller radii; ``ahead``: the last tokens, for which balls are used.

    ``times`` as many symbols as usual are kept.
    """
    longest = max((ids.shape[1] for ids in batches), default=0)
    return tree(network, batches, Zonotopes(network, u, max(0, longest - ahead), times))


def pieces(network: Recurrent, ids: NDArray[np.integer], u: float, ahead: int = 0, times: int = 1) -> Iterator[slice]:
    """Rows of sorted ``ids`` (prompts, T) that may be followed at once: with few beginnings of T - ``ahead`` tokens."""
    deep = max(0, ids.shape[1] - ahead)
    symbols = max(1, min(deep, times * MOST_SYMBOLS[u > FLOAT64] + 1)) * network.width
    most = max(1, MOST_NUMBERS // (network.width * symbols))
    is_new = np.concatenate([[True], (ids[1:, :deep] != ids[:-1, :deep]).any(axis=1)])[: len(ids)]
    number = (np.cumsum(is_new) - 1) // most
    cuts = [0, *(np.flatnonzero(np.diff(number)) + 1).tolist(), len(ids)]
    return (slice(start, stop) for start, stop in pairwise(cuts) if stop > start)


@dataclass(frozen=True)
class Zonotope:
    """``center`` and ``rest``: (rows, width); ``symbols``: (rows, width, symbols); after ``depth`` tokens.

    Where it ``is_round`` (``recurrent_ellipsoid``) the symbols meet |s|_2 <= 1 together, else each |s_k| <= 1.
    ``counts``: (width,), of how many of the symbols, the first, move each entry; all of them where it is None.
    """

    center: Reals
    symbols: Symbols
    rest: Reals
    depth: int = 0
    is_round: bool = False
    counts: Ids | None = None

    def start(self) -> tuple[Errors, Model]:
        """The same as a row that comes in."""
        counts = np.full(self.center.shape[1], self.symbols.shape[2]) if self.counts is None else self.counts
        return taylor.start(self.center, self.symbols, self.rest, counts, self.is_round)

    @property
    def radius(self) -> Reals:
        """How far an entry may lie from its center, in all."""
        return self.start()[1].radius

    @property
    def ball(self) -> Ball:
        """The same numbers without memory."""
        with np.errstate(all="ignore"):
            return self.start()[1].ball

    def at(self, rows: Ids | slice) -> Zonotope:
        """Some of the rows."""
        return replace(self, center=self.center[rows], symbols=self.symbols[rows], rest=self.rest[rows])


States = Zonotope | Ball


class Zonotopes:
    """Zonotopes with symbols of their own for the first ``deep`` tokens, balls for the others."""

    rows = recurrent.ROWS
    is_round = False

    def __init__(self, network: Recurrent, u: float, deep: int, times: int = 1) -> None:
        ball.check_roundoff(u)
        self._made_of: tuple[object, ...] = (network, u, deep, times)
        self._network, self._deep, self._balls = network, deep, recurrent.Balls(network, u)
        self._most = times * MOST_SYMBOLS[u > FLOAT64] * network.width
        self._dtype = np.float32 if u > FLOAT64 and network.dtype == "float32" else np.float64
        self._transition, self._output = (
            taylor.way(steps, u, self._dtype) for steps in (network.transition, network.output)
        )
        self._together = max(1, NUMBERS // (network.width * (self._most + network.width)))

    def __reduce__(self) -> tuple[type[Zonotopes], tuple[object, ...]]:
        return type(self), self._made_of

    def rows_of(self, states: States) -> int:
        """Few zonotopes, many balls."""
        is_ball = isinstance(states, Ball) or states.depth >= self._deep
        return self.rows if is_ball else min(self.rows, self._together)

    def initial(self) -> States:
        """The state before any token, once."""
        start = Ball.exact(self._network.initial(1))
        return Zonotope(
            start.center, np.zeros((1, self._network.width, 0), self._dtype), start.radius, 0, self.is_round
        )

    def step(self, states: States, ids: Ids) -> States:
        """The states after one more token each."""
        if isinstance(states, Zonotope) and states.depth >= self._deep:
            states = states.ball
        if isinstance(states, Ball):
            return self._balls.step(states, ids)
        return self._stepped(states, ids)

    @np.errstate(all="ignore")
    def read(self, states: States) -> Ball:
        """Their logits."""
        if isinstance(states, Ball):
            return self._balls.read(states)
        errors, row = states.start()
        return taylor.whole(self._output(errors, [row]))

    def chosen(self, states: States, rows: Ids) -> States:
        """Some of them."""
        return states[recurrent.run_of(rows)] if isinstance(states, Ball) else states.at(recurrent.run_of(rows))

    def joined(self, parts: Sequence[States]) -> States:
        """All of them."""
        if len(parts) == 1:
            return parts[0]
        balls = [part for part in parts if isinstance(part, Ball)]
        if balls:
            return Ball.join(balls)
        forms = [part for part in parts if isinstance(part, Zonotope)]
        center, rest = (np.concatenate([getattr(x, name) for x in forms]) for name in ("center", "rest"))
        each = [x.counts for x in forms if x.counts is not None]
        counts = np.max(each, axis=0) if len(each) == len(forms) else None
        symbols = np.concatenate([x.symbols for x in forms])
        return replace(forms[0], center=center, symbols=symbols, rest=rest, counts=counts)

    def merged(self, states: States) -> tuple[Ids, Ids]:
        """Balls that are equal bit by bit; of zonotopes none: each has symbols of its own."""
        if isinstance(states, Ball):
            return self._balls.merged(states)
        return np.arange(len(states.center)), np.arange(len(states.center))

    @np.errstate(all="ignore")
    def _stepped(self, states: Zonotope, ids: Ids) -> Zonotope:
        x = Ball.exact(self._network.tokens[ids])
        errors, row = states.start()
        after = self._transition(errors, [row, Model(x.center, (), x.radius)])
        return self._renewed(errors, after, states.depth + 1)

    def _renewed(self, errors: Errors, row: Row, depth: int) -> Zonotope:
        """The state after so many tokens, with a symbol for what is left at each entry; the lightest are forgotten."""
        center, symbols, _, rest, images = taylor.joined(errors, row)
        rest = taylor.with_boxes(errors, rest, images)
        known = np.isfinite(rest)
        own = np.where(known, rest, 0.0).astype(self._dtype)
        fresh = np.zeros((*own.shape, own.shape[1]), self._dtype)
        diagonal = np.arange(own.shape[1])
        fresh[:, diagonal, diagonal] = own
        lost = np.where(known, np.abs(rest - own.astype(np.float64)) + TINY, np.inf)  # what the conversion rounds
        symbols, lost = _lightened(np.concatenate([symbols, fresh], axis=2), lost, self._most)
        return Zonotope(center, symbols, lost, depth)


def _lightened(symbols: Symbols, rest: Reals, most: int) -> tuple[Symbols, Reals]:
    """The heaviest ``most`` symbols of each row; the others are added to the rest."""
    if symbols.shape[2] <= most:
        return symbols, rest
    size = np.abs(symbols)
    order = np.argpartition(size.sum(axis=1), symbols.shape[2] - most, axis=1)[:, None]
    out, kept = order[..., : symbols.shape[2] - most], order[..., symbols.shape[2] - most :]
    lost = np.take_along_axis(size, out, axis=2).sum(axis=2, dtype=np.float64)
    return np.take_along_axis(symbols, kept, axis=2), (rest + lost) * INFLATION
