"""The tree of prefixes of a ``Recurrent`` network with zonotopes: the error of a state, and where it came from.

    state after a prefix  =  c + S^T s + e,   |s_k| <= 1,  |e| <= rest          S (symbols, width)

A ball loses the sign of each error, and so grows like the product of the absolute Jacobians, some threefold a token;
here what one step got wrong stays a symbol, and moves as the network moves it. After every step what is left over
becomes a symbol for each number of the state. Symbols beyond ``MOST_SYMBOLS`` per number, the lightest, are forgotten.

The operations are those of ``zonotope``, with its formulas, laid out for speed: symbols are rows, so that a map of all
symbols of all states is one product of matrices, in float32 where executions in float32 are meant. What such a product
loses is bounded (``_slack``, ``FLUSHED``) and put into ``rest`` with everything else.

A state costs a hundred times what it costs as a ball. So the last ``ahead`` tokens of the longest prompts are followed
as balls, which begin at the box around the zonotope; prompts come in pieces that share their beginnings (``pieces``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from tasks.bounds import ball, interpreter, operations, recurrent
from tasks.bounds.ball import FLOAT32, FLOAT64, INFLATION, LIMIT, TINY, Ball, Reals, gamma
from tasks.bounds.interpreter import Stream
from tasks.bounds.recurrent import Ids, tree
from tasks.networks.recurrent import Recurrent
from tasks.networks.transformer import Activation, Affine, Blend, Columns, Concat, Product, Residual, Step

MOST_SYMBOLS = {True: 6, False: 2}  # per number of the state: in float32, where errors are large, and in float64
MOST_NUMBERS = 40_000_000  # in the zonotopes of one level
NUMBERS = 2**20  # in the zonotopes that go through all steps together
LOOSER = 0.125  # than a ball a linear form may be: what it remembers is worth that, a ball only grows
FLUSHED = 2.0**-100  # above what all subnormals that one product of symbols flushes may come to
VANISHED = 2.0**-55  # above the root of what all squares of numbers in float32 that come out as zero may add up to
Symbols = NDArray[np.floating]


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
    """``center`` and ``rest``: (rows, width); ``symbols``: (rows, symbols, width); after ``depth`` tokens.

    Forms of the same rows share their symbols in order; those that a form does not have move nothing in it. So do all
    at the last entries where ``symbols`` is narrower than the rows: those are tokens, which are exact.

    Where it ``is_round`` (``recurrent_ellipsoid``) the symbols meet |s|_2 <= 1 together, else each |s_k| <= 1.
    All bounds here but ``spread`` are the triangle inequality, and so hold for both.
    """

    center: Reals
    symbols: Symbols
    rest: Reals
    depth: int = 0
    is_round: bool = False

    @cached_property
    def spread(self) -> Reals:
        """How far the symbols move each entry, (rows, width), rounded up."""
        if self.is_round:
            squares = np.einsum("rkw,rkw->rw", self.symbols, self.symbols).astype(np.float64)
            length: Reals = np.sqrt(squares) * (1.0 + _slack(self, self.symbols.shape[1])) + VANISHED
            return length
        ones = np.ones((1, self.symbols.shape[1]), self.symbols.dtype)
        total: Reals = (ones @ np.abs(self.symbols))[:, 0].astype(np.float64)
        return total * (1.0 + _slack(self, self.symbols.shape[1])) + FLUSHED

    @cached_property
    def radius(self) -> Reals:
        """How far an entry may lie from its center, in all."""
        return self.spread + self.rest

    @cached_property
    def ball(self) -> Ball:
        """The same numbers without memory."""
        with np.errstate(all="ignore"):
            return ball._ball(self.center, self.radius)

    def at(self, rows: Ids | slice) -> Zonotope:
        """Some of the rows."""
        return replace(self, center=self.center[rows], symbols=self.symbols[rows], rest=self.rest[rows])


States = Zonotope | Ball
Way = Callable[[Zonotope], Zonotope]


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
            _ways(steps, u, self._dtype) for steps in (network.transition, network.output)
        )
        self._together = max(1, NUMBERS // (network.width * (self._most + network.width)))

    def __reduce__(self) -> tuple[type[Zonotopes], tuple[object, ...]]:
        return type(self), self._made_of

    def initial(self) -> States:
        """The state before any token, once."""
        start = Ball.exact(self._network.initial(1))
        return Zonotope(
            start.center, np.zeros((1, 0, self._network.width), self._dtype), start.radius, 0, self.is_round
        )

    def step(self, states: States, ids: Ids) -> States:
        """The states after one more token each."""
        if isinstance(states, Zonotope) and states.depth >= self._deep:
            states = states.ball
        if isinstance(states, Ball):
            return self._balls.step(states, ids)
        return self.joined([self._stepped(states.at(part), ids[part]) for part in self._parts(len(ids))])

    @np.errstate(all="ignore")
    def read(self, states: States) -> Ball:
        """Their logits."""
        if isinstance(states, Ball):
            return self._balls.read(states)
        return Ball.join([self._output(states.at(part)).ball for part in self._parts(len(states.center))])

    def chosen(self, states: States, rows: Ids) -> States:
        """Some of them."""
        return states[rows] if isinstance(states, Ball) else states.at(rows)

    def joined(self, parts: Sequence[States]) -> States:
        """All of them."""
        balls = [part for part in parts if isinstance(part, Ball)]
        if balls:
            return Ball.join(balls)
        forms = [part for part in parts if isinstance(part, Zonotope)]
        center, rest = (np.concatenate([getattr(x, name) for x in forms]) for name in ("center", "rest"))
        return replace(forms[0], center=center, symbols=np.concatenate([x.symbols for x in forms]), rest=rest)

    def merged(self, states: States) -> tuple[Ids, Ids]:
        """Balls that are equal bit by bit; of zonotopes none: each has symbols of its own."""
        if isinstance(states, Ball):
            return self._balls.merged(states)
        return np.arange(len(states.center)), np.arange(len(states.center))

    def _parts(self, count: int) -> list[slice]:
        return [slice(start, start + self._together) for start in range(0, count, self._together)]

    @np.errstate(all="ignore")
    def _stepped(self, states: Zonotope, ids: Ids) -> Zonotope:
        x = Ball.exact(self._network.tokens[ids])
        center, rest, spread = (
            np.concatenate(pair, axis=1)
            for pair in ((states.center, x.center), (states.rest, x.radius), (states.spread, np.zeros_like(x.center)))
        )
        after = self._way(states.depth + 1)(_spread(replace(states, center=center, rest=rest), spread))
        return replace(self._renewed(after, states.depth + 1), depth=states.depth + 1)

    def _way(self, depth: int) -> Way:
        """The transition to states after so many tokens."""
        return self._transition

    def _renewed(self, after: Zonotope, depth: int) -> Zonotope:
        """``after``, of so many tokens, with a symbol for what is left at each entry; the lightest are forgotten."""
        known = np.isfinite(after.rest)
        own = np.where(known, after.rest, 0.0).astype(self._dtype)
        fresh = np.zeros((*own.shape, own.shape[1]), self._dtype)
        diagonal = np.arange(own.shape[1])
        fresh[:, diagonal, diagonal] = own
        lost = np.where(known, np.abs(after.rest - own.astype(np.float64)) + TINY, np.inf)  # what the conversion rounds
        symbols, lost = _lightened(np.concatenate([after.symbols, fresh], axis=1), lost, self._most)
        return replace(after, symbols=symbols, rest=lost)


def _lightened(symbols: Symbols, rest: Reals, most: int) -> tuple[Symbols, Reals]:
    """The heaviest ``most`` symbols of each row; the others are added to the rest."""
    if symbols.shape[1] <= most:
        return symbols, rest
    size = np.abs(symbols)
    order = np.argpartition(size @ np.ones(size.shape[2], size.dtype), symbols.shape[1] - most, axis=1)
    rows, out = np.arange(len(symbols))[:, None], order[:, : symbols.shape[1] - most]
    lost = size[rows, out].sum(axis=1, dtype=np.float64)
    return symbols[rows, order[:, symbols.shape[1] - most :]], (rest + lost) * INFLATION


def _slack(x: Zonotope, terms: int) -> float:
    """What a sum of so many products of symbols may lose, of what it adds."""
    return 1.01 * (terms + 4) * (FLOAT32 if x.symbols.dtype == np.float32 else FLOAT64)


def _ways(steps: Sequence[Step], u: float, dtype: type[np.floating]) -> Way:
    each = [_way(step, u, dtype) for step in steps]

    def run(x: Zonotope) -> Zonotope:
        for one in each:
            x = one(x)
        return x

    return run


def _way(step: Step, u: float, dtype: type[np.floating]) -> Way:
    """A step, with its weights prepared."""
    match step:
        case Affine(weight, bias):
            offset = np.zeros(len(weight)) if bias is None else bias
            whole = ball.Affine.of(weight, offset)
            part, used = (None, slice(None)) if not weight.any() else interpreter.layers(weight, offset)[1:]
            maps = [(layer, np.ascontiguousarray(layer.weight.T.astype(dtype))) for layer in (whole, part or whole)]
            return partial(_affine, maps[0], maps[1], used, u)
        case Activation():
            return lambda x: _activation(step, u, _widened(x))
        case Columns(start, stop):
            return partial(_columns, start, stop)
        case Concat(parts):
            sides = [_ways(part, u, dtype) for part in parts]
            return lambda x: _concat([side(x) for side in sides])
        case Residual(inner):
            branch = _ways(inner, u, dtype)
            return lambda x: _add(_widened(x), branch(x), u)
        case Product(left, right):
            pair = _ways(left, u, dtype), _ways(right, u, dtype)
            return lambda x: _multiply(pair[0](x), pair[1](x), u)
        case Blend(gate, one, other):
            share, first, second = (_ways(part, u, dtype) for part in (gate, one, other))
            return lambda x: _blend(share(x), first(x), second(x), u)
    by_ball = interpreter.row_step(step, u)
    return lambda x: _forget(x, by_ball(x.ball, np.zeros(len(x.center), np.int64)))


Map = tuple[ball.Affine, Symbols]


def _affine(whole: Map, part: Map, used: slice | Ids, u: float, x: Zonotope) -> Zonotope:
    """``W x + b``, without the columns that have no weight where all are finite: zero times infinity is none."""
    layer, weight = whole
    if part[0] is not layer and np.isfinite(x.rest).all():
        x = _chosen_once(x, used)
        layer, weight = part
    width = x.center.shape[1]
    size = np.abs(x.center) + x.radius
    lost = x.rest + _slack(x, width) * x.spread
    sizes, moved, rest = np.split(layer.sizes(np.concatenate([size, x.radius, lost])), 3)
    center = layer.linear(x.center) + layer.bias
    rounded = ball.rounding(layer.depth, sizes + np.abs(layer.bias), np.abs(center) + moved, u)
    flushed = TINY * (2.0 * layer.depth + size.sum(axis=-1, keepdims=True)) + FLUSHED
    symbols = layer.linear(_widened(x).symbols if layer.blocks else x.symbols, weight[: x.symbols.shape[2]])
    return _kept(x, center, symbols, rest + rounded + flushed)


def _add(x: Zonotope, y: Zonotope, u: float) -> Zonotope:
    """``x + y`` with one rounding."""
    center, moved = x.center + y.center, x.radius + y.radius
    rest = x.rest + y.rest + _slack(x, 2) * moved + gamma(1, u) * (np.abs(center) + moved) + FLUSHED
    return _kept(x, center, _summed([x.symbols, y.symbols]), rest)


def _multiply(x: Zonotope, y: Zonotope, u: float) -> Zonotope:
    """``x * y``: linear about the centers; the product of the errors goes to the rest."""
    a, b, total = x.ball, y.ball, ball.multiply(x.ball, y.ball, u)
    moved = np.abs(x.center) * b.radius + a.radius * b.magnitude
    straight = np.abs(x.center) * y.rest + np.abs(y.center) * x.rest
    slack = _slack(x, 4)
    rest = straight + a.radius * b.radius + slack * moved
    linear = [(x.center, y.symbols), (y.center, x.symbols)]
    return _better(x, total, moved, total.radius - (1.0 - slack) * moved, linear, rest)


def _blend(gate: Zonotope, one: Zonotope, other: Zonotope, u: float) -> Zonotope:
    """``g one + (1 - g) other``, g = sigmoid(gate): linear about the centers."""
    g = _activation(Activation("sigmoid"), u, gate)
    total = operations.blend(gate.ball, one.ball, other.ball, u)
    share, apart = g.center, one.center - other.center
    both = one.ball.radius + other.ball.radius
    moves = share * one.ball.radius + (1.0 - share) * other.ball.radius + np.abs(apart) * g.ball.radius
    moved = moves + g.ball.radius * both
    straight = share * one.rest + (1.0 - share) * other.rest + np.abs(apart) * g.rest
    slack = _slack(g, 6)
    rest = straight + g.ball.radius * both + slack * moves
    linear = [(share, one.symbols), (1.0 - share, other.symbols), (apart, g.symbols)]
    return _better(g, total, moved, total.radius - (1.0 - slack) * moved, linear, rest)


def _activation(step: Activation, u: float, x: Zonotope) -> Zonotope:
    """ReLUs are linear where their sign is known; tanh and sigmoid bend; what others do is not remembered."""
    whole, c = x.ball, x.center
    bend: Reals
    match step.kind:
        case "relu":
            up, down = c - whole.radius >= 0, c + whole.radius <= 0
            total, rounded = ball.relu(whole), np.zeros_like(c)
            slope, bend = np.where(up, 1.0, 0.0), np.where(up | down, 0.0, np.inf)
        case "tanh":
            total, rounded = operations.tanh(whole, u), np.full_like(c, gamma(10, u) + 4.0 * TINY)
            slope, bend = 1.0 - np.tanh(c) ** 2, operations.tanh_bend(c, whole.radius)
        case "sigmoid":
            total, rounded = operations.sigmoid(whole, u), np.full_like(c, gamma(14, u) + operations.OVERFLOWN)
            share = operations.sigmoid(Ball(c, np.zeros_like(c)), ball.REAL).center
            slope, bend = share * (1.0 - share), operations.tanh_bend(0.5 * c, 0.5 * whole.radius) / 8.0
        case _:
            return _forget(x, interpreter.row_step(step, u)(whole, np.zeros(len(c), np.int64)))
    rest = slope * x.rest + _slack(x, 2) * whole.radius + 0.5 * bend * whole.radius**2
    return _better(x, total, total.radius - rounded, rounded, [(slope, x.symbols)], rest)


def _columns(start: int, stop: int, x: Zonotope) -> Zonotope:
    return _widened(_chosen(x, slice(start, stop)))


def _chosen(x: Zonotope, columns: slice | Ids) -> Zonotope:
    """Those entries alone; of symbols in triangular form not the last, which move none of the first entries."""
    wide = x.symbols.shape[2]
    if isinstance(columns, np.ndarray):
        index = columns[columns < wide]
        is_run = len(index) > 0 and index[-1] - index[0] == len(index) - 1
        columns, index = columns, slice(int(index[0]), int(index[-1]) + 1) if is_run else index
    else:
        index = columns
    symbols = x.symbols[:, :, index]
    stop = index.stop if isinstance(index, slice) else symbols.shape[1]
    if not symbols[:, -1:].any() and not symbols[:, stop:].any():
        symbols = symbols[:, :stop]
    form = replace(x, center=x.center[:, columns], symbols=symbols, rest=x.rest[:, columns])
    return _spread(form, x.spread[:, columns])


def _widened(x: Zonotope) -> Zonotope:
    """``x`` with symbols for each entry."""
    rows, count, width = x.symbols.shape
    if width == x.center.shape[1]:
        return x
    symbols = np.zeros((rows, count, x.center.shape[1]), x.symbols.dtype)
    symbols[:, :, :width] = x.symbols
    return _spread(replace(x, symbols=symbols), x.spread)


def _summed(parts: Sequence[Symbols]) -> Symbols:
    """The sum of symbols, of which some may have more than others."""
    first, *others = sorted(parts, key=lambda part: -part.shape[1])
    total = first.copy()
    for part in others:
        total[:, : part.shape[1]] += part
    return total


def _chosen_once(x: Zonotope, columns: slice | Ids) -> Zonotope:
    """Those entries alone; the gates of a cell read the same."""
    known = vars(x).setdefault("chosen", {})
    key = columns.tobytes() if isinstance(columns, np.ndarray) else repr(columns)
    if key not in known:
        known[key] = _chosen(x, columns)
    found: Zonotope = known[key]
    return found


def _spread(x: Zonotope, spread: Reals) -> Zonotope:
    """``x``, with what its property would find, once more."""
    vars(x)["spread"] = spread
    return x


def _concat(parts: Sequence[Zonotope]) -> Zonotope:
    """Side by side, over the same symbols."""
    center, rest, spread = (
        np.concatenate([getattr(x, name) for x in parts], axis=-1) for name in ("center", "rest", "spread")
    )
    count = max(x.symbols.shape[1] for x in parts)
    symbols = np.empty((len(center), count, center.shape[1]), parts[0].symbols.dtype)
    start = 0
    for x in parts:
        _, own, width = x.symbols.shape
        symbols[:, :own, start : start + width] = x.symbols
        symbols[:, own:, start : start + width] = 0.0
        start += width
    return _spread(replace(parts[0], center=center, symbols=symbols, rest=rest), spread)


def _forget(x: Zonotope, y: Ball) -> Zonotope:
    """Any operation on balls, after which no symbol is known."""
    none = np.zeros((len(y.center), 0, y.center.shape[1]), x.symbols.dtype)
    return replace(x, center=y.center, symbols=none, rest=y.radius)


def _better(
    x: Zonotope, total: Ball, moved: Reals, rounded: Reals, linear: list[tuple[Reals, Symbols]], rest: Reals
) -> Zonotope:
    """The linear form, of symbols of ``x``, except at entries that the ball's own bound holds far more tightly."""
    (slope, first), *others = sorted(linear, key=lambda part: -part[1].shape[1])
    symbols = first * slope.astype(first.dtype)[:, None]
    for slope, more in others:
        symbols[:, : more.shape[1]] += more * slope.astype(first.dtype)[:, None]
    found = replace(x, center=total.center, symbols=symbols, rest=rest)
    tight = found.spread + rest < moved * (1.0 + LOOSER)
    if tight.all():
        return _kept(x, total.center, symbols, rest + rounded + FLUSHED, found.spread)
    symbols = np.where(tight[:, None], symbols, symbols.dtype.type(0))
    return _kept(x, total.center, symbols, np.where(tight, rest + rounded + FLUSHED, total.radius))


def _kept(x: Zonotope, center: Reals, symbols: Symbols, rest: Reals, spread: Reals | None = None) -> Zonotope:
    """A form as ``x`` with its rest rounded up; unbounded where anything is not finite or too large."""
    form = replace(x, center=center, symbols=symbols, rest=rest * INFLATION + TINY)
    if spread is not None:
        _spread(form, spread)
    lost = ~((np.abs(center) < LIMIT) & (form.radius < LIMIT))
    if lost.any():
        symbols = np.where(lost[:, None], symbols.dtype.type(0), symbols)
        return replace(
            form, center=np.where(lost, 0.0, center), symbols=symbols, rest=np.where(lost, np.inf, form.rest)
        )
    return form
