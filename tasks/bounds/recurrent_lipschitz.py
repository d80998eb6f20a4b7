"""The last tokens of a ``Recurrent`` network's prompts by centers alone, and one bound on the errors of many of them.

    |f(x) - f(y)|  <=  sup |f'| |x - y|          entry by entry; W x: |W|

A ball (``ball``) takes the slopes where its center is, which costs several passes over all numbers; here states go
through all steps together with one row for all of them, how large their entries are and how far they may be off, so
that a state costs little more than to run the network (forward error analysis: Higham 2002, chapter 1). The slope of a
column is the steepest of its entries. So errors grow several times a token, and this is for the last few; what is
computed before stays as narrow as it was. Most states of a tree stand in its last levels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from tasks.bounds import ball, operations
from tasks.bounds.ball import FLOAT64, INFLATION, TINY, Ball, Reals, gamma
from tasks.bounds.interpreter import Stream, layers
from tasks.bounds.recurrent import Balls, Ids, Level, beginnings, tree
from tasks.bounds.stacking import maps_together
from tasks.networks.interpreter import run
from tasks.networks.recurrent import Recurrent
from tasks.networks.sparse_transformer import NetworkError
from tasks.networks.transformer import Activation, Affine, Blend, Columns, Concat, Product, Residual, Step

TANH_LOSS = 16.0 * FLOAT64  # what 2 / (1 + exp(-2x)) - 1 may miss of tanh, in size: each part is at most 2
NO_IDS = np.zeros((0, 0), np.int64)  # no step here looks at a token


@dataclass(frozen=True)
class Centers:
    """``pieces`` that stand side by side, (rows, some columns) each, and of all rows the ``sizes`` (1, width).

    ``sizes.center`` is no smaller than any entry of the column, ``sizes.radius`` than the distance of any to what it
    stands for. Columns are chosen and put together without a copy.
    """

    pieces: tuple[Reals, ...]
    sizes: Ball

    @property
    def center(self) -> Reals:
        """All of them, (rows, width)."""
        return self.pieces[0] if len(self.pieces) == 1 else np.concatenate(self.pieces, axis=1)

    @property
    def magnitude(self) -> Reals:
        """The largest absolute value that an entry may stand for, (1, width)."""
        return self.sizes.center + self.sizes.radius

    def columns(self, start: int, stop: int) -> Centers:
        """Those from ``start`` to below ``stop``."""
        pieces, at = [], 0
        for piece in self.pieces:
            if max(start, at) < min(stop, at + piece.shape[1]):
                pieces.append(piece[:, max(0, start - at) : stop - at])
            at += piece.shape[1]
        return Centers(tuple(pieces), self.sizes[:, start:stop])

    @classmethod
    def beside(cls, parts: Sequence[Centers]) -> Centers:
        """Several, one beside the other."""
        sizes, radius = (
            np.concatenate(each, axis=1)
            for each in zip(*((p.sizes.center, p.sizes.radius) for p in parts), strict=True)
        )
        return cls(tuple(piece for part in parts for piece in part.pieces), Ball(sizes, radius))


Way = Callable[[Centers], Centers]


class Lipschitz(Balls):
    """Balls whose radii are those of many rows together."""

    def __init__(self, network: Recurrent, u: float) -> None:
        ball.check_roundoff(u)
        self._network, self._u = network, u
        self._after, self._read = way(network.transition, u), way(network.output, u)
        sizes = np.abs(network.tokens).max(axis=0, keepdims=True)
        self._tokens = Ball(sizes, np.zeros_like(sizes))

    def __reduce__(self) -> tuple[type[Lipschitz], tuple[Recurrent, float]]:
        return Lipschitz, (self._network, self._u)

    def step(self, states: Ball, ids: NDArray[np.integer]) -> Ball:
        """The states after one more token each."""
        x = Centers((self._network.tokens[ids],), self._tokens)
        return apart(self._after(Centers.beside([together(states), x])))

    def read(self, states: Ball) -> Ball:
        """Their logits."""
        return apart(self._read(together(states)))


def enclose(network: Recurrent, batches: Sequence[NDArray[np.integer]], u: float, ahead: int = 0) -> Stream:
    """What ``recurrent.enclose`` gives, with larger radii for the last ``ahead`` tokens of the longest prompts."""
    return Steep(ahead)(network, batches, u)


@dataclass
class Steep:
    """Encloses prompts as balls, and for the last ``ahead`` tokens so; what that leaves open as balls from there.

    It is called once, then ``narrowed``.
    """

    ahead: int
    _begun: Level[Ball] | None = None

    def __call__(self, network: Recurrent, batches: Sequence[NDArray[np.integer]], u: float) -> Stream:
        """Bounds on the logits of ``batches`` of prompts."""
        balls = Balls(network, u)
        if not self.ahead:
            return tree(network, batches, balls, self._begun)
        depth = max(0, max((ids.shape[1] for ids in batches), default=0) - self.ahead)
        if begun := beginnings(network, batches, balls, depth):
            widest = begun.states.radius.max(axis=1)
            self._begun = begun.ordered(balls, np.argsort(widest))  # such as are alike have one bound
        return tree(network, batches, Lipschitz(network, u), self._begun)

    def narrowed(self, some: Sequence[Ids]) -> Steep | None:
        """The next one, for ``some`` of the prompts of each batch; None where all was balls."""
        return Steep(0, self._begun and self._begun.of(some)) if self.ahead else None


def together(x: Ball) -> Centers:
    """Balls (rows, width) as centers with one bound."""
    sizes = np.maximum(x.center.max(axis=0, keepdims=True), -x.center.min(axis=0, keepdims=True))
    return Centers((x.center,), Ball(sizes, x.radius.max(axis=0, keepdims=True)))


def apart(x: Centers) -> Ball:
    """The same as balls, each with the radius of all."""
    center, known = x.center, np.isfinite(x.sizes.radius)
    return Ball(center if known.all() else np.where(known, center, 0.0), np.broadcast_to(x.sizes.radius, center.shape))


def way(steps: Sequence[Step], u: float) -> Way:
    """The steps, one after another, weights prepared."""
    prepared = [_step(inner, u) for step in steps for inner in maps_together(step)]

    def after(x: Centers) -> Centers:
        for one in prepared:
            x = one(x)
        return x

    return np.errstate(all="ignore")(after)


def _step(step: Step, u: float) -> Way:
    match step:
        case Affine(weight, bias):
            shift = np.zeros(len(weight)) if bias is None else bias
            whole, part = layers(weight, shift)[:2] if weight.any() else (ball.Affine.of(weight, shift), None)
            ends = np.flatnonzero(np.diff(weight.any(axis=0), prepend=False, append=False))  # of columns with weights
            return partial(_affine, whole, part, [(int(a), int(b)) for a, b in ends.reshape(-1, 2)], u)
        case Activation():
            return partial(_activation, step, u)
        case Product(left, right):
            return partial(_product, way(left, u), way(right, u), u)
        case Columns(start, stop):
            return lambda x: x.columns(start, stop)
        case Concat(parts):
            ways = [way(part, u) for part in parts]
            return lambda x: Centers.beside([one(x) for one in ways])
        case Blend(gate, one, other):
            return partial(_blend, [way(part, u) for part in (gate, one, other)], u)
        case Residual(inner):
            return partial(_residual, way(inner, u), u)
    raise NetworkError(f"no bound is known for the step {type(step).__name__}")


def _affine(
    whole: ball.Affine, part: ball.Affine | None, runs: Sequence[tuple[int, int]], u: float, x: Centers
) -> Centers:
    """``W x + b``; columns without weight are left out where all are finite: zero times infinity is none."""
    if part is not None and np.isfinite(x.sizes.radius).all():
        x, whole = Centers.beside([x.columns(*run) for run in runs]), part
    if whole.blocks and all(piece.shape[1] == len(whole.bias) for piece in x.pieces):
        center = sum(x.pieces[1:], x.pieces[0])
    else:
        center = whole.linear(x.center)
    return Centers((center + whole.bias,), ball.affine_sizes(x.sizes, whole, u))


def _activation(step: Activation, u: float, x: Centers) -> Centers:
    """Slopes, and what an execution rounds, as in ``ball`` and ``operations``."""
    size, magnitude, radius = x.sizes.center, x.magnitude, x.sizes.radius
    pieces = tuple(_activated(step, piece) for piece in x.pieces)
    match step.kind:
        case "tanh":
            low, high = _ends(pieces)
            least = np.where(low * high > 0, np.minimum(np.abs(low), np.abs(high)), 0.0)
            slope = np.minimum(1.0 - least**2 + operations.TANH_BEND * radius + 2.0**-40, 1.0)
            size, moved = np.maximum(-low, high), np.minimum(slope * radius, 2.0)
            rounded = gamma(10, u) * np.minimum(size + moved, 1.0) + TANH_LOSS
        case "sigmoid":
            low, high = _ends(pieces)
            steepest = np.clip(0.5, low, high)
            slope = np.minimum(steepest * (1.0 - steepest) + operations.SIGMOID_BEND * radius + 2.0**-40, 0.25)
            size, moved = high, np.minimum(slope * radius, 1.0)
            rounded = gamma(14, u)
        case "relu":
            moved, rounded = radius, np.zeros_like(size)
        case "leaky_relu":
            moved, rounded = radius, step.slope * gamma(3, u) * magnitude
        case "gelu":
            moved, rounded = ball.GELU_SLOPE * radius, gamma(12, u) * magnitude
        case "silu":
            moved, rounded = operations.SILU_SLOPE * radius, gamma(16, u) * magnitude
        case _:
            moved, rounded = operations.TANH_GELU_SLOPE * radius, gamma(16, u) * magnitude
    moved = np.where(np.isfinite(radius), moved, np.inf)
    return Centers(pieces, _sizes(size, moved + rounded + operations.OVERFLOWN))


def _ends(pieces: Sequence[Reals]) -> tuple[Reals, Reals]:
    """The least and the largest entry of each column, (1, width)."""
    low, high = (np.concatenate([end(piece, axis=0) for piece in pieces])[None] for end in (np.min, np.max))
    return low, high


def _activated(step: Activation, x: Reals) -> Reals:
    """The values of an activation; a tanh by another formula than numpy's, in half the time."""
    return 2.0 * expit(2.0 * x) - 1.0 if step.kind == "tanh" else run((step,), x, NO_IDS)


def _product(left: Way, right: Way, u: float, x: Centers) -> Centers:
    one, other = left(x), right(x)
    size = one.sizes.center * other.sizes.center
    moved = one.sizes.center * other.sizes.radius + one.sizes.radius * other.magnitude
    flushed = TINY * (2.0 + one.magnitude + other.magnitude)
    are_alike = [p.shape for p in one.pieces] == [p.shape for p in other.pieces]
    pairs = zip(one.pieces, other.pieces, strict=True) if are_alike else [(one.center, other.center)]
    return Centers(tuple(p * q for p, q in pairs), _sizes(size, moved + gamma(1, u) * (size + moved) + flushed))


def _blend(ways: Sequence[Way], u: float, x: Centers) -> Centers:
    """``g one + (1 - g) other`` moves by g and 1 - g times what these do, and by their difference times what g does."""
    gate, one, other = (part(x) for part in ways)
    share, size = _activation(Activation("sigmoid"), u, gate), one.magnitude + other.magnitude
    base = other.center
    apart = one.center - base
    (low, high), (least, most) = _ends(share.pieces), _ends([apart])
    reach = np.maximum(-least, most) + one.sizes.radius + other.sizes.radius
    moved = np.minimum(
        np.maximum(one.sizes.radius, other.sizes.radius), high * one.sizes.radius + (1.0 - low) * other.sizes.radius
    )
    moved = moved + share.sizes.radius * reach
    rounded = gamma(8, u) * (1.0 + share.sizes.radius) * size + 4.0 * TINY * (2.0 + size)
    largest = np.maximum(one.sizes.center, other.sizes.center)
    return Centers((base + share.center * apart,), _sizes(largest, moved + rounded))


def _residual(inner: Way, u: float, x: Centers) -> Centers:
    y = inner(x)
    size, moved = x.sizes.center + y.sizes.center, x.sizes.radius + y.sizes.radius
    return Centers((x.center + y.center,), _sizes(size, moved + gamma(1, u) * (size + moved)))


def _sizes(size: Reals, radius: Reals) -> Ball:
    """Sizes rounded up, of centers that are rounded, too."""
    return ball._ball(size * INFLATION + TINY, radius)
