"""Ball arithmetic for networks: arrays of real numbers, each known up to a rigorous radius.

A ``Ball(center, radius)`` contains the ideal real value *and* what any floating-point execution of the same formula
may get: unit roundoff ``u``, sums in any order, with or without fused multiply-add, with or without flushing of
subnormals, softmax in one pass or online in blocks of 16 or more keys. ``u`` is a parameter of every operation
(``FLOAT32`` or ``FLOAT64``). What is assumed of the arithmetic is one sentence, ``KERNEL_ASSUMPTION``, to be printed
beside every claim.

The idea: let ``f`` be an operation and ``c`` its value at the input centers, computed here in float64. The radius adds

    how far ``f`` moves when its input moves within its ball      (a Lipschitz argument per operation)
    the rounding of an execution with unit roundoff ``u``         (Higham 2002, chapter 3: gamma_k = k u / (1 - k u))
    the rounding of ``c`` itself, with unit roundoff 2**-53       (so ``gamma`` below is a sum of two terms)

Radii are sums and products of non-negative numbers, evaluated in float64 and then inflated by ``1 + 2**-30`` and an
absolute term for subnormals, so that they are upper bounds. A value that is not finite, or so large that float32
could overflow on the way, becomes a ball of infinite radius, which no later step can shrink, hide or decide: where
executions are meant it may be NaN, and NaN times zero is NaN.

It does not choose labels and knows no network; see ``interpreter`` and ``enumeration``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import erf

from dsl.showing import brief

Reals = NDArray[np.float64]
Rows = int | slice | NDArray[np.int64]
Index = Rows | tuple[Rows, Rows]

FLOAT32, FLOAT64 = 2.0**-24, 2.0**-53
REAL = FLOAT64 * (1.0 - 2.0**-50)  # the radii of float64, but no execution is meant that might meet NaN
KERNEL_ASSUMPTION = (
    "Executions are IEEE float32 or float64, rounded to nearest (sums in any order, fused multiply-add and flushed "
    "subnormals allowed; no TF32, half precision or Strassen products), of prompts without padding; sqrt, rsqrt, exp, "
    "erf and tanh within 4 ulp; softmax shifted by its largest score, in one pass or online in blocks of 16 or more "
    "keys, with weight zero for keys that are not seen; variances in two passes, by Welford's update, or as mean(x^2) "
    "- mean(x)^2."
)

TINY = 2.0**-125  # twice the smallest normal float32: what flushing an operand or a result may cost
LIMIT = 2.0**50  # of centers and radii: then squares, and partial sums (at most radius / u), fit float32
INFLATION = 1.0 + 2.0**-30
GELU_SLOPE = 1.13  # sup |gelu'| = 1.12892..., at sqrt(2)
MOST_APART = 500.0  # of the scores of listed keys: then no exponential is subnormal
SINK_LIMIT = 80.0  # exp(sink - largest score) must stay finite in float32


class RoundoffError(ValueError):
    """A unit roundoff for which the bounds here do not hold."""


def check_roundoff(u: float) -> None:
    """Raise RoundoffError unless ``u`` is REAL, or of an arithmetic with at least float32's precision and range."""
    if u != REAL and not FLOAT64 <= u <= FLOAT32:
        raise RoundoffError(
            f"expected a unit roundoff between 2**-53 (float64) and 2**-24 (float32), got {u!r}; "
            "half precision has another range and is not covered"
        )


def is_executed(u: float) -> bool:
    """Whether executions are meant, where infinity times zero is NaN; in real arithmetic it is nothing."""
    return u != REAL


@dataclass(frozen=True)
class Ball:
    """Numbers within ``radius`` of ``center``, entry by entry. Shapes are equal; radii are >= 0 and may be infinite."""

    center: Reals
    radius: Reals

    __repr__ = brief

    @classmethod
    def exact(cls, values: NDArray[np.floating]) -> Ball:
        """Values that are float32 numbers: every execution holds them exactly, up to a flushed subnormal."""
        return _ball(values.astype(np.float64), np.zeros(values.shape))

    @classmethod
    def join(cls, parts: list[Ball]) -> Ball:
        """Rows of several balls, one below the other."""
        return cls(np.concatenate([p.center for p in parts]), np.concatenate([p.radius for p in parts]))

    def __getitem__(self, index: Index) -> Ball:
        return Ball(self.center[index], self.radius[index])

    def __len__(self) -> int:
        return len(self.center)

    def heads(self, d_head: int) -> Ball:
        """The last axis split into (heads, d_head)."""
        shape = (*self.center.shape[:-1], -1, d_head)
        return Ball(self.center.reshape(shape), self.radius.reshape(shape))

    @property
    def flat(self) -> Ball:
        """All axes but the first as one."""
        return Ball(self.center.reshape(len(self), -1), self.radius.reshape(len(self), -1))

    @property
    def is_lost(self) -> NDArray[np.bool_]:
        """Whether anything in a row of the last axis is unbounded."""
        return np.asarray(~np.isfinite(self.radius).all(axis=-1))

    @property
    def magnitude(self) -> Reals:
        """The largest absolute value inside."""
        return np.abs(self.center) + self.radius


@dataclass(frozen=True)
class Affine:
    """``x -> W x + b`` with exact float32 entries. ``weight``: (out, in), ``bias``: (out,).

    ``depth`` counts, per output, the roundings one term can meet: its product and every addition of a nonzero term.
    ``blocks``: of how many identities side by side the weight consists, 0 where it is something else.
    """

    weight: Reals
    bias: Reals
    absolute: Reals
    depth: Reals
    blocks: int = 0

    @classmethod
    def of(cls, weight: NDArray[np.floating], bias: NDArray[np.floating]) -> Affine:
        """The map with these weights."""
        wide = weight.astype(np.float64)
        blocks = wide.shape[1] // max(1, len(wide))
        is_sum = blocks > 0 and np.array_equal(wide, np.tile(np.eye(len(wide)), (1, blocks)))
        depth = np.count_nonzero(wide, axis=1) + 2.0
        return cls(wide, bias.astype(np.float64), np.abs(wide), depth, blocks if is_sum else 0)

    def linear(self, x: NDArray[Any], weight: NDArray[Any] | None = None) -> NDArray[Any]:
        """``x W^T`` over the last axis; ``weight``: W^T in the precision of ``x``, or other weights of its pattern."""
        if not self.blocks:
            return np.asarray(x @ (self.weight.T if weight is None else weight))
        out = len(self.bias)
        total = x[..., :out]
        for start in range(out, self.blocks * out, out):
            total = total + x[..., start : start + out]
        return total

    def sizes(self, x: Reals) -> Reals:
        """``x |W|^T`` over the last axis."""
        return self.linear(x, self.absolute.T)


def gamma(roundings: float | Reals, u: float) -> Reals:
    """Relative error of that many roundings, of an execution plus of the center computed here."""
    return _gamma(float(roundings), u) if np.ndim(roundings) == 0 else _gammas(np.asarray(roundings, np.float64), u)


@cache
def _gamma(k: float, u: float) -> Reals:
    return _gammas(np.asarray(k), u)[()]


def _gammas(k: Reals, u: float) -> Reals:
    return np.where(k * u < 0.5, k * u / (1 - k * u) + k * FLOAT64 / (1 - k * FLOAT64), np.inf)


@np.errstate(all="ignore")
def affine(x: Ball, layer: Affine, u: float) -> Ball:
    """``W x + b`` over the last axis; x: (..., in). At most nnz + 2 roundings per term, whatever the order."""
    center, moved = layer.linear(x.center) + layer.bias, layer.sizes(x.radius)
    return _ball(center, moved + _rounded(x.magnitude, np.abs(center) + moved, layer, u))


@np.errstate(all="ignore")
def affine_sizes(x: Ball, layer: Affine, u: float) -> Ball:
    """Of any rows with centers of at most ``x.center`` in size, known up to ``x.radius``: the same of ``W x + b``."""
    size = layer.sizes(x.center + x.radius) + np.abs(layer.bias)
    radius = layer.sizes(x.radius) + _rounded(x.center + x.radius, size, layer, u)
    return _ball(size * INFLATION + TINY, radius)


def _rounded(largest: Reals, total: Reals, layer: Affine, u: float) -> Reals:
    """What an execution rounds and flushes where |x| <= ``largest`` and |W x + b| <= ``total``."""
    size = layer.sizes(largest) + np.abs(layer.bias)
    flushed: Reals = TINY * (2.0 * layer.depth + largest.sum(axis=-1, keepdims=True))
    return rounding(layer.depth, size, total, u) + flushed


def rounding(depth: Reals, size: Reals, total: Reals, u: float) -> Reals:
    """What roundings change of a sum of products with absolute values that add up to ``size``, itself up to ``total``.

    The error is that of the products, u times their sizes, and of each addition, u times the partial sum it computes
    (Higham 2002, section 4.2): exactly, that is no more than the positive terms or the negative ones come to, so than
    (size + total) / 2, whatever the order. The center computed here errs in the same way.
    """
    ways, sums = (u, FLOAT64), depth - 1.0
    half = sum(sums * v for v in ways) / 2.0
    rest: Reals = sum(v + sums * v * gamma(depth, v) for v in ways) + half * (1.0 + gamma(depth, FLOAT64))
    return rest * size + half * total


@np.errstate(all="ignore")
def add(x: Ball, y: Ball, u: float) -> Ball:
    """``x + y`` with one rounding."""
    center = x.center + y.center
    moved = x.radius + y.radius
    return _ball(center, moved + gamma(1, u) * (np.abs(center) + moved))


@np.errstate(all="ignore")
def multiply(x: Ball, y: Ball, u: float) -> Ball:
    """``x * y`` with one rounding, of operands that may be flushed."""
    center = x.center * y.center
    moved = np.abs(x.center) * y.radius + x.radius * y.magnitude
    flushed = TINY * (2.0 + x.magnitude + y.magnitude)
    return _ball(center, moved + gamma(1, u) * (np.abs(center) + moved) + flushed)


@np.errstate(all="ignore")
def rms_norm(x: Ball, gain: Reals, eps: float, u: float) -> Ball:
    """``gain * x / sqrt(mean(x^2) + eps)`` over the last axis."""
    zeros = np.zeros_like(gain)
    spread = gamma(x.center.shape[-1] + 6, u) * np.ones((*x.center.shape[:-1], 1))
    return _normalised(x, gain, zeros, eps, spread, u)


@np.errstate(all="ignore")
def layer_norm(x: Ball, gain: Reals, bias: Reals, eps: float, u: float) -> Ball:
    """``gain * (x - m) / sqrt(mean((x - m)^2) + eps) + bias`` with m = mean(x).

    The variance may be computed in two passes, by Welford's update, or as mean(x^2) - m^2.
    """
    width = x.center.shape[-1]
    g = gamma(width + 8, u)
    mean_radius = x.radius.mean(axis=-1, keepdims=True) + g * x.magnitude.mean(axis=-1, keepdims=True)
    center = x.center - x.center.mean(axis=-1, keepdims=True)
    moved = x.radius + mean_radius
    centered = _ball(center, moved + gamma(1, u) * (np.abs(center) + moved))
    floor = _root_floor(centered, eps)
    spread = 4.0 * g * ((x.magnitude**2).mean(axis=-1, keepdims=True) + eps) / floor**2
    return _normalised(centered, gain, bias, eps, spread, u)


def _normalised(x: Ball, gain: Reals, bias: Reals, eps: float, spread: Reals, u: float) -> Ball:
    """``gain * x / S + bias``, S = sqrt(mean(x^2) + eps), where an execution knows S^2 up to a factor 1 +- spread.

    S is 1-Lipschitz in x / sqrt(width), so S lies within rho = sqrt(mean(radius^2)) of its value at the center, and
    x/S - c/S_c = (x - c)/S + c (S_c - S)/(S S_c). For spread < 1/2, 1/sqrt(1 +- spread) is 1 up to spread.
    """
    root = np.sqrt((x.center**2).mean(axis=-1, keepdims=True) + eps)
    rho = np.sqrt((x.radius**2).mean(axis=-1, keepdims=True))
    floor = _root_floor(x, eps)
    spread = spread * INFLATION + 4.0 * TINY / floor**2
    if is_executed(u) and np.abs(gain).max() >= LIMIT:  # then gain / S, too, may overflow
        spread = np.full_like(spread, np.inf)
    relative = np.where(spread < 0.5, spread + (1.0 + spread) * gamma(12, u), np.inf)
    moved = x.radius / floor + np.abs(x.center) * rho / (floor * root)
    size = x.magnitude / floor
    radius = np.abs(gain) * (moved + relative * size)
    radius = radius + gamma(1, u) * (np.abs(gain) * size * (1.0 + relative) + np.abs(bias)) * (bias != 0)
    return _ball(gain * (x.center / root) + bias, radius + TINY * (np.abs(gain) + 4.0) * (size + 2.0))


def _root_floor(x: Ball, eps: float) -> Reals:
    """A lower bound of sqrt(mean(x^2) + eps) over the ball."""
    root = np.sqrt((x.center**2).mean(axis=-1, keepdims=True) + eps)
    rho = np.sqrt((x.radius**2).mean(axis=-1, keepdims=True))
    floor: Reals = np.maximum(root / INFLATION - rho * INFLATION, np.sqrt(eps) / INFLATION)
    return floor


@np.errstate(all="ignore")
def relu(x: Ball) -> Ball:
    """``max(x, 0)``, exact; zero where the whole ball is negative."""
    negative = x.center + x.radius <= 0  # the sign of a rounded sum is right
    return _ball(np.maximum(x.center, 0.0), np.where(negative, 0.0, x.radius))


@np.errstate(all="ignore")
def gelu(x: Ball, u: float) -> Ball:
    """``x/2 (1 + erf(x / sqrt 2))``. An execution errs by less than 8u |x|: erf, its argument, products.

    With Phi and phi the normal distribution and density, gelu' = Phi(x) + x phi(x) and |gelu''| <= 2 phi(0) < 0.8.
    """
    below = 0.5 * (1.0 + erf(x.center * np.sqrt(0.5)))
    slope = np.abs(below + x.center * np.exp(-0.5 * x.center**2) / np.sqrt(2.0 * np.pi)) + 0.8 * x.radius + 2.0**-40
    return _ball(x.center * below, np.minimum(slope, GELU_SLOPE) * x.radius + gamma(12, u) * x.magnitude + 4.0 * TINY)


@np.errstate(all="ignore")
def abs_top_k(x: Ball, k: int) -> Ball:
    """Keep the k entries of largest absolute value along the last axis, zero the rest.

    An entry that some execution keeps and another may drop (an exact tie too) becomes the hull of its ball and 0.
    Where an entry is unbounded all are: it may be NaN, which has no place among numbers.
    """
    width = x.center.shape[-1]
    if k >= width:
        return x
    size = np.abs(x.center)
    low, high = np.maximum(size - x.radius, 0.0) * (1 - 2.0**-50), (size + x.radius) * (1 + 2.0**-50)
    low_kth = np.partition(low, width - k, axis=-1)[..., width - k, None]
    high_next = np.partition(high, width - k - 1, axis=-1)[..., width - k - 1, None]
    kept, dropped = low > high_next, high < low_kth
    center = np.where(kept, x.center, np.where(dropped, 0.0, 0.5 * x.center))
    known = ~x.is_lost[..., None]
    return _ball(
        center, np.where(known, np.where(kept, x.radius, np.where(dropped, 0.0, 0.5 * size + x.radius)), np.inf)
    )


def select(mask: NDArray[np.bool_], x: Ball, constant: Ball, u: float) -> Ball:
    """``x`` where ``mask`` holds, else ``constant``, however an execution replaces one by the other."""
    replaced = constant.radius + remains(x.radius, u)
    return Ball(np.where(mask, x.center, constant.center), np.where(mask, x.radius, replaced))


def remains(radius: Reals, u: float) -> Reals:
    """The radius that is left of a value times zero: none, unless an execution may have NaN there."""
    return np.where(np.isfinite(radius), 0.0, np.inf) if is_executed(u) else np.zeros_like(radius)


class Softmax:
    """Softmax attention of queries over keys: ``y = sum_j p_j v_j``, p = softmax(scale q.k).

    q: (queries, heads, d_head); k, v: (keys, heads, d_head); sink: (heads,), the score of one more key, of value zero.

    With scores known up to ``delta_j``, exponentials are known up to factors ``1 + e_j``, |e_j| <= expm1(delta_j), and
    the average with weights p_j (1 + e_j), made to sum to 1, is y + sum p_j e_j (v_j - y) / (1 + sum p_j e_j).
    """

    @np.errstate(all="ignore")
    def __init__(self, q: Ball, k: Ball, v: Ball, scale: float, sink: Reals | None, u: float) -> None:
        self._scores, self._sink, self._u = Scores(q, k, scale, u), sink, u
        size, self._d = v.magnitude, v.center.shape[-1]
        self._values = _by_head(v.center, v.radius, size)
        self._largest = size.max(where=np.isfinite(size), initial=0.0)  # where it is not, nothing is known anyway

    @np.errstate(all="ignore")
    def __call__(self, asking: NDArray[np.int64], seen: NDArray[np.int64]) -> Ball:
        """What each row is given. asking: (rows,) queries; seen: (rows, n) keys. Returns (rows, heads, d_head)."""
        if not seen.shape[1]:  # the sink takes everything
            return Ball.exact(np.zeros((len(asking), len(self._values), self._d)))
        heads = [self._of_head(head, asking, seen) for head in range(len(self._values))]
        center, radius = (np.stack(part, axis=1) for part in zip(*heads, strict=True))
        return _ball(center, radius)

    def _of_head(self, head: int, asking: NDArray[np.int64], seen: NDArray[np.int64]) -> tuple[Reals, Reals]:
        """Center and radius, (rows, d_head) each."""
        u, d, n, has_sink = self._u, self._d, seen.shape[1], self._sink is not None
        scores = self._scores.of_head(head, asking, seen)
        if self._sink is not None:
            scores = _with_sink(scores, self._sink[head])
        score, size, keys = scores.center, scores.magnitude, n + has_sink
        blocks = 1 + keys // 16  # an online softmax rescales at most this often
        largest = size.max(axis=-1, keepdims=True)
        delta = (scores.radius + gamma(4, u) * (size + largest) + gamma(16 * blocks, u)) * INFLATION
        growth = np.where(delta <= 1.0, np.expm1(delta), np.inf)
        weight = np.exp(score - score.max(axis=-1, keepdims=True))
        weight = weight / weight.sum(axis=-1, keepdims=True)
        loose = weight * growth
        total = loose.sum(axis=-1, keepdims=True) * INFLATION
        value = self._values[head].take(seen, axis=0)  # (rows, n, 3 d): center, radius, magnitude
        y = _mix(weight[:, :n], value[..., :d])  # rounded, hence the factor 2 below
        away, sizes = value[..., :d] - y[:, None], _mix((weight + loose)[:, :n], value[..., d:])
        moved = _mix(loose[:, :n], np.abs(away, out=away)) + sizes[:, :d]
        if has_sink:
            moved = moved + loose[:, n:] * np.abs(y)
        rounded = 2.0 * gamma(2 * keys + 8, u) * sizes[:, d:]
        flushed = 8.0 * TINY * keys * (1.0 + self._largest)
        return y, np.where(total < 0.5, (moved + rounded) / (1.0 - total), np.inf) + flushed


class Scores:
    """``scale * q.k`` of queries with keys. q: (queries, heads, d_head); k: (keys, heads, d_head).

    The scale may be applied to either side, or its root to both.
    """

    @np.errstate(all="ignore")
    def __init__(self, q: Ball, k: Ball, scale: float, u: float) -> None:
        self._scale, self._d = scale, q.center.shape[-1]
        size, g = k.magnitude, gamma(self._d + 8, u)
        self._q = _by_head(q.center, q.radius + g * q.magnitude, np.abs(q.center))
        self._k = _by_head(k.center, size, k.radius)
        share = 8.0 * TINY * self._d
        self._asking, self._seen = share * (1.0 + q.magnitude.max(axis=-1).T), share * size.max(axis=-1).T  # flushed

    def __call__(self, asking: NDArray[np.int64], seen: NDArray[np.int64]) -> Ball:
        """Those of each row. asking: (rows,) queries; seen: (rows, n) keys. Returns (rows, heads, n)."""
        heads = [self.of_head(head, asking, seen) for head in range(len(self._k))]
        return Ball(np.stack([x.center for x in heads], axis=1), np.stack([x.radius for x in heads], axis=1))

    @np.errstate(all="ignore")
    def of_head(self, head: int, asking: NDArray[np.int64], seen: NDArray[np.int64]) -> Ball:
        """The same of one head: (rows, n)."""
        d, q, k = self._d, self._q[head].take(asking, axis=0), self._k[head].take(seen, axis=0)
        center, moved = _dot(q[:, :d], k[..., :d]), _dot(q[:, d:], k[..., d:])
        flushed = self._asking[head].take(asking)[:, None] + self._seen[head].take(seen)
        return _ball(self._scale * center, self._scale * moved + flushed)


def scores_of_one(q: Ball, k: Ball, scale: float, u: float) -> Ball:
    """The scores of a query (1, heads, d_head) with all keys (keys, heads, d_head): (heads, keys)."""
    return Scores(q, k, scale, u)(np.zeros(1, np.int64), np.arange(len(k))[None])[0]


@np.errstate(all="ignore")
def average_error(scores: Ball, v: Ball, keys: int, u: float) -> Reals:
    """How far an execution of ``sum p_j v_j`` may lie from its value at the centers, whichever keys take part.

    scores: (heads, listed); v: (listed, heads, d_head). Bounds every multiset of up to ``keys`` of the listed keys;
    the argument is that of ``attend``, with |p_j e_j (v_j - y)| at most max |e_j| times the spread of the values.
    Returns (heads, d_head).
    """
    size, largest = scores.magnitude, v.magnitude.max(axis=0)
    wobble = scores.radius + gamma(4, u) * (size + size.max(axis=-1, keepdims=True))
    delta = (wobble + gamma(16 * (1 + keys // 16), u)) * INFLATION
    growth = np.where(delta <= 0.5, np.expm1(delta), np.inf).max(axis=-1)[:, None]
    moved = growth * (v.center.max(axis=0) - v.center.min(axis=0)) + (1 + growth) * v.radius.max(axis=0)
    rounded = 2 * gamma(2 * (keys + len(v.center)) + 8, u) * (1 + growth) * largest
    spread = np.where(growth < 0.5, (moved + rounded) / (1 - growth), np.inf) * INFLATION
    error: Reals = spread + 8 * TINY * keys * (1 + largest)
    return error


def with_sink_among(scores: Ball, v: Ball, sink: Reals) -> tuple[Ball, Ball]:
    """What ``average_error`` takes with the sink as one more key, of value zero, whichever others there are."""
    column = sink[:, None]
    tame = column - (scores.center - scores.radius).min(axis=-1, keepdims=True) < SINK_LIMIT
    nothing = np.zeros_like(v.center[:1])
    return (
        Ball(np.hstack([scores.center, column]), np.hstack([scores.radius, np.where(tame, 0.0, np.inf)])),
        Ball(np.concatenate([v.center, nothing]), np.concatenate([v.radius, nothing])),
    )


def _with_sink(scores: Ball, sink: np.float64) -> Ball:
    """Scores (rows, n) of a head, its sink as the last key: unbounded where exp(sink - largest other) may overflow."""
    tame = sink - (scores.center - scores.radius).max(axis=-1, keepdims=True) < SINK_LIMIT
    column = Ball(np.full((len(scores), 1), sink), np.where(tame, 0.0, np.inf))
    return Ball(np.hstack([scores.center, column.center]), np.hstack([scores.radius, column.radius]))


def _by_head(*parts: Reals) -> Reals:
    """Arrays of shape (rows, heads, d) side by side, as one of (heads, rows, ...)."""
    rows, heads, d = parts[0].shape
    result = np.empty((heads, rows, len(parts) * d))
    for n, part in enumerate(parts):
        result[:, :, n * d : (n + 1) * d] = part.swapaxes(0, 1)
    return result


def _dot(q: Reals, k: Reals) -> Reals:
    """(rows, d) and (rows, n, d) to (rows, n)."""
    products: Reals = np.matmul(k, q[..., None])[..., 0]
    return products


def _mix(weight: Reals, v: Reals) -> Reals:
    """(rows, n) and (rows, n, d) to (rows, d)."""
    mixed: Reals = np.matmul(weight[:, None, :], v)[:, 0]
    return mixed


def _ball(center: Reals, radius: Reals) -> Ball:
    """A ball with its radius rounded up; unbounded where anything is not finite or too large."""
    radius = radius * INFLATION + TINY
    if radius.size and center.min() > -LIMIT and center.max() < LIMIT and radius.max() < LIMIT:  # none of them NaN
        return Ball(center, radius)
    lost = ~((np.abs(center) < LIMIT) & (radius < LIMIT))  # NaN compares false
    return Ball(np.where(lost, 0.0, center), np.where(lost, np.inf, radius))
