"""Ball arithmetic for what ``ball`` lacks: sparsemax and hard attention, other activations, and pools.

Each is enclosed like those of ``ball``: the ideal value and every execution with unit roundoff ``u``. Two facts about
``p = sparsemax(z)``, the projection of z on the simplex, ``p_j = max(z_j - tau, 0)``, spare any talk of supports:

    tau(z) = max over k of (sum of the k largest z - 1) / k       (Martins and Astudillo 2016, proposition 1)
    |tau(z) - tau(z')| <= max |z - z'|                            (tau is monotone, and moves along with all z)

An execution that errs on the support picks another k where the maximum is as good as attained, so the same bound on
rounding holds; where scores are so large that they swallow the 1, it may find no support at all, and nothing is known.
What is assumed beyond ``ball.KERNEL_ASSUMPTION`` is said in ``SPARSEMAX`` and ``TABLES``.
"""

from __future__ import annotations

import numpy as np
from scipy.special import expit

from tasks.bounds import ball
from tasks.bounds.ball import TINY, Ball, Reals, gamma

SPARSEMAX = "Sparsemax is computed by sorting the scores and testing each number of them."
TABLES = (
    "Tables that have a formula (cosines and sines of angles, or products of stored factors) are computed by it in "
    "float32 or float64, with sin, cos, log and powers within 4 ulp, or stored rounded to one of these."
)

SWALLOWED = 0.125  # of a score times the unit roundoff: below, 1 + z > z holds as executed
TANH_GELU_SLOPE = 1.13  # sup |gelu_tanh'| = 1.12899...
TANH_GELU_BEND = 1.0  # above sup |gelu_tanh''| = 0.7978...
SILU_SLOPE, SILU_BEND = 1.1, 0.5  # above sup |silu'| = 1.0998..., sup |silu''|, at 0
TANH_BEND, SIGMOID_BEND = 0.77, 0.0963  # above sup |tanh''| = 0.7698..., sup |sigmoid''| = 0.09622...
OVERFLOWN = 2.0**-115  # above 128 / (largest float32): what is lost of silu where exp(-x) is infinite, or subnormal
CUBIC, ROOT = 0.044715, float(np.sqrt(2.0 / np.pi))


@np.errstate(all="ignore")
def leaky_relu(x: Ball, slope: float, u: float) -> Ball:
    """``x`` where positive, else ``slope * x`` for a slope from 0 to below 1."""
    center = np.where(x.center >= 0, x.center, slope * x.center)
    steep = np.where(x.center + x.radius <= 0, slope, 1.0)
    rounded = np.where(x.center - x.radius >= 0, 0.0, slope * gamma(3, u) * x.magnitude + TINY)
    return ball._ball(center, steep * x.radius + rounded)


@np.errstate(all="ignore")
def gelu_tanh(x: Ball, u: float) -> Ball:
    """``x/2 (1 + tanh(a))``, a = sqrt(2/pi) (x + 0.044715 x^3). An execution errs by less than 12u |x|.

    The error of ``a`` is relative, and |a| (1 - tanh(a)^2) < 0.45, so that of tanh is a few u in absolute terms.
    """
    c = x.center
    tanh = np.tanh(ROOT * (c + CUBIC * c * c * c))
    bend = ROOT * (1.0 + 3.0 * CUBIC * c**2)
    slope = np.abs(0.5 * (1.0 + tanh) + 0.5 * c * (1.0 - tanh**2) * bend) + TANH_GELU_BEND * x.radius + 2.0**-40
    moved = np.minimum(slope, TANH_GELU_SLOPE) * x.radius
    return ball._ball(0.5 * c * (1.0 + tanh), moved + gamma(16, u) * x.magnitude + 4.0 * TINY)


@np.errstate(all="ignore")
def silu(x: Ball, u: float) -> Ball:
    """``x sigmoid(x)``. An execution errs by less than 12u |x|, whether by exp or as ``x/2 (1 + tanh(x/2))``."""
    c = x.center
    share = expit(c)
    slope = np.abs(share + c * share * (1.0 - share)) + SILU_BEND * x.radius + 2.0**-40
    moved = np.minimum(slope, SILU_SLOPE) * x.radius
    return ball._ball(c * share, moved + gamma(16, u) * x.magnitude + OVERFLOWN)


@np.errstate(all="ignore")
def tanh(x: Ball, u: float) -> Ball:
    """``tanh(x)``, with a result within 4 ulp."""
    y = np.tanh(x.center)
    slope = np.minimum(1.0 - y * y + TANH_BEND * x.radius + 2.0**-40, 1.0)
    moved = np.where(np.isfinite(x.radius), np.minimum(slope * x.radius, 2.0), np.inf)
    return ball._ball(y, moved + gamma(10, u) * np.minimum(np.abs(y) + moved, 1.0) + 4.0 * TINY)


@np.errstate(all="ignore")
def tanh_bend(y: ball.Reals, radius: ball.Reals) -> ball.Reals:
    """Above |tanh''| within ``radius`` of where tanh is ``y``; sigmoid'' at x is an eighth of tanh'' at x/2.

    |tanh''| = 2 |t| (1 - t^2) with |t| <= |y| + radius, and 1 - t^2 = 1 / cosh^2 grows by at most exp(2 radius), since
    cosh(x + d) >= cosh(x) exp(-|d|); that is at most (1 + radius) / (1 - radius), by the series of artanh.
    """
    size = np.minimum(np.abs(y) + radius, 1.0)
    grown = (1.0 - y * y + 2.0**-40) * (1.0 + radius) / (1.0 - radius)
    bend = np.minimum(2.0 * (1.0 + 2.0**-40) * size * grown, TANH_BEND)
    return np.where(radius < 1.0, bend, TANH_BEND)


@np.errstate(all="ignore")
def sigmoid(x: Ball, u: float) -> Ball:
    """``1 / (1 + exp(-x))``, computed so or as ``(1 + tanh(x/2)) / 2``: up to 10u in size."""
    y = 1.0 / (1.0 + np.exp(-x.center))
    slope = np.minimum(y * (1.0 - y) + SIGMOID_BEND * x.radius + 2.0**-40, 0.25)
    moved = np.where(np.isfinite(x.radius), np.minimum(slope * x.radius, 1.0), np.inf)
    return ball._ball(y, moved + gamma(14, u) + OVERFLOWN)


@np.errstate(all="ignore")
def blend(gate: Ball, one: Ball, other: Ball, u: float) -> Ball:
    """``g one + (1 - g) other`` with ``g = sigmoid(gate)``, computed as that or as ``(one - other) g + other``.

    With g in [0, 1] and d = one - other, changes move it by at most g |d one| + (1 - g) |d other| + |d g| |d|, where
    g is that of the centers and d the largest difference within the balls. An execution errs by at most 4 roundings of
    numbers of at most |one| + |other|, and by that of g.
    """
    share = sigmoid(gate, u)
    apart = np.abs(one.center - other.center) + one.radius + other.radius
    size = one.magnitude + other.magnitude
    g = share.center
    moved = g * one.radius + (1.0 - g) * other.radius + share.radius * apart
    center = other.center + g * (one.center - other.center)
    return ball._ball(center, moved + gamma(8, u) * (1.0 + share.radius) * size + 4.0 * TINY * (2.0 + size))


@np.errstate(all="ignore")
def pool(x: Ball, kind: str, u: float) -> Ball:
    """(prompts, rows, width) to (prompts, width): the sum of the rows, their mean, one of them, or side by side."""
    if kind == "concat":
        return Ball(x.center.reshape(len(x), -1), x.radius.reshape(len(x), -1))
    if kind in ("first", "last"):
        at = 0 if kind == "first" else -1
        return Ball(x.center[:, at], x.radius[:, at] + ball.remains(x.radius, u).max(axis=1))
    rows = x.center.shape[1]
    share = 1.0 / rows if kind == "mean" else 1.0
    rounded = gamma(rows + 2, u) * x.magnitude.sum(axis=1)
    radius = share * (x.radius.sum(axis=1) + rounded) + TINY * rows
    return ball._ball(share * x.center.sum(axis=1), radius)


@np.errstate(all="ignore")
def sparse_attend(scores: Ball, v: Ball, u: float) -> Ball:
    """Sparsemax attention: scores (rows, heads, keys), v (rows, keys, heads, d_head) to (rows, heads, d_head)."""
    z, keys = scores.center, scores.center.shape[-1]
    largest = scores.magnitude.max(axis=-1, keepdims=True)
    falling = -np.sort(-z, axis=-1)
    tau = ((np.cumsum(falling, axis=-1) - 1.0) / np.arange(1, keys + 1)).max(axis=-1, keepdims=True)
    rounded = 4.0 * gamma(keys + 8, u) * (keys * largest + 1.0)
    if ball.is_executed(u):
        rounded = np.where(u * largest < SWALLOWED, rounded, np.inf)
    wobble = scores.radius + scores.radius.max(axis=-1, keepdims=True) + 2.0 * rounded
    is_out = z - tau + wobble <= 0
    weight = Ball(np.maximum(z - tau, 0.0), np.where(is_out, 0.0, wobble))
    return _mixed(weight, v, u)


@np.errstate(all="ignore")
def hard_attend(scores: Ball, v: Ball, u: float) -> Ball:
    """The average value over the keys of largest score. Where several may be largest: the hull of their values.

    scores: (rows, heads, keys); v: (rows, keys, heads, d_head). Returns (rows, heads, d_head).
    """
    floor = (scores.center - scores.radius).max(axis=-1, keepdims=True)
    may_win = ~(scores.center + scores.radius < floor - 2.0**-50 * np.abs(floor))  # (rows, heads, keys)
    among = may_win.swapaxes(1, 2)[..., None]  # (rows, keys, heads, 1)
    low = np.where(among, v.center - v.radius, np.inf).min(axis=1)
    high = np.where(among, v.center + v.radius, -np.inf).max(axis=1)
    size = np.where(among, v.magnitude, 0.0).max(axis=1)
    rounded = gamma(2 * scores.center.shape[-1] + 8, u) * size + 8.0 * TINY
    lost = ~np.isfinite(high - low) | ~np.isfinite(v.radius).all(axis=1)
    return ball._ball(np.where(lost, np.nan, 0.5 * (low + high)), 0.5 * (high - low) + rounded)


def _mixed(weight: Ball, v: Ball, u: float) -> Ball:
    """``sum_j weight_j v_j``: weight (rows, heads, keys), v (rows, keys, heads, d) to (rows, heads, d)."""
    keys = weight.center.shape[-1]
    moved = _mix(weight.radius, v.magnitude) + _mix(weight.center, v.radius)
    rounded = gamma(keys + 4, u) * _mix(weight.magnitude, v.magnitude)
    flushed = 8.0 * TINY * keys * (1.0 + v.magnitude.max(axis=1))
    return ball._ball(_mix(weight.center, v.center), moved + rounded + flushed)


def _mix(weight: Reals, v: Reals) -> Reals:
    mixed: Reals = np.matmul(weight[:, :, None, :], v.transpose(0, 2, 1, 3))[:, :, 0]
    return mixed
