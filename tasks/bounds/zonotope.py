"""Affine forms: balls that remember how their error depends on the stream, so that it does not grow at every map.

    x = center + shape s + e,    |s_k| <= 1,  |e| <= rest

A ball forgets the sign of each error, so ``W2 (W1 x)`` costs ``|W2| |W1| r``. A form keeps ``s``, the error of the row
that some steps started from, and pays ``|W2 W1| r``; only roundings and curvature go to ``rest`` (Comba and Stolfi's
affine arithmetic of 1993, with symbols for the row alone). Every operation holds what that of ``ball`` holds, and is
never given a clearly larger radius for an entry where curvature would cost more than the ball's own bound.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.special import erf, expit

from tasks.bounds import ball, operations
from tasks.bounds.ball import INFLATION, LIMIT, TINY, Ball, Reals, gamma
from tasks.networks.transformer import Activation, Norm

LOOSER = 2.0**-16  # than a ball a linear form may be: what it remembers is worth that
SLACK = 2.0**-40  # what float64 may lose in one step on a shape, relative to the error it stands for
BEND = 0.8  # above sup |gelu''| and |gelu_tanh''|, both 0.79788...


@dataclass(frozen=True)
class Form:
    """``center`` and ``rest``: (rows, width); ``shape``: (rows, width, symbols)."""

    center: Reals
    shape: Reals
    rest: Reals

    @classmethod
    def of(cls, x: Ball, before: int = 0, after: int = 0) -> Form:
        """A symbol for every entry of ``x``, between so many that belong to others."""
        rows, width = x.center.shape
        known = np.where(np.isfinite(x.radius), x.radius, 0.0)
        shape = np.zeros((rows, width, before + width + after))
        shape[:, np.arange(width), before + np.arange(width)] = known
        return cls(x.center, shape, np.where(np.isfinite(x.radius), 0.0, np.inf))

    @cached_property
    def ball(self) -> Ball:
        """The same numbers without memory."""
        with np.errstate(all="ignore"):
            return ball._ball(self.center, self._radius)

    @cached_property
    def spread(self) -> Reals:
        """How far the symbols move each entry, (rows, width)."""
        total: Reals = np.abs(self.shape).sum(axis=-1)
        return total

    @cached_property
    def _radius(self) -> Reals:
        return self.spread * (1.0 + SLACK) + self.rest


@np.errstate(all="ignore")
def affine(x: Form, layer: ball.Affine, u: float) -> Form:
    """``W x + b``; the roundings are those of ``ball.affine``."""
    whole = x.ball
    g = gamma(layer.depth, u)
    rounded = g * (whole.magnitude @ layer.absolute.T + np.abs(layer.bias))
    flushed = TINY * (2.0 * layer.depth + whole.magnitude.sum(axis=-1, keepdims=True))
    rest = x.rest @ layer.absolute.T + SLACK * (whole.radius @ layer.absolute.T) + rounded + flushed
    return _form(x.center @ layer.weight.T + layer.bias, np.matmul(layer.weight, x.shape), rest)


@np.errstate(all="ignore")
def apart(x: Form, weight: Reals, bias: Reals, own: int, u: float) -> Form:
    """How far entry ``own`` of ``W x + b`` is above every entry; an execution rounds both, the other way round."""
    whole, layer = x.ball, ball.Affine.of(weight, bias)
    less, sizes = weight[own] - weight, layer.absolute[own] + layer.absolute
    reach, offset = whole.magnitude @ sizes.T, np.abs(bias[own]) + np.abs(bias)
    depth = np.maximum(layer.depth, layer.depth[own])
    rounded = gamma(depth, u) * (reach + offset)
    flushed = 2.0 * TINY * (2.0 * depth + whole.magnitude.sum(axis=-1, keepdims=True))
    rest = x.rest @ np.abs(less).T + SLACK * (whole.radius @ sizes.T) + rounded + flushed
    rest = np.where(reach + offset < ball.LIMIT, rest, np.inf)
    return _form(x.center @ less.T + (bias[own] - bias), np.matmul(less, x.shape), rest)


@np.errstate(all="ignore")
def add(x: Form, y: Form, u: float) -> Form:
    """``x + y`` over the same symbols, with one rounding."""
    center, moved = x.center + y.center, x.ball.radius + y.ball.radius
    rest = x.rest + y.rest + SLACK * moved + gamma(1, u) * (np.abs(center) + moved)
    return _form(center, x.shape + y.shape, rest)


@np.errstate(all="ignore")
def multiply(x: Form, y: Form, u: float) -> Form:
    """``x * y`` over the same symbols: linear about the centers, and the product of the errors put into ``rest``."""
    a, b = x.ball, y.ball
    total = ball.multiply(a, b, u)
    moved = np.abs(x.center) * b.radius + a.radius * b.magnitude
    shape = x.center[..., None] * y.shape + y.center[..., None] * x.shape
    straight = np.abs(x.center) * y.rest + np.abs(y.center) * x.rest
    rest = straight + a.radius * b.radius + SLACK * moved
    return _better(total, moved, total.radius - (1.0 - SLACK) * moved, shape, rest)


@np.errstate(all="ignore")
def blend(gate: Form, one: Form, other: Form, u: float) -> Form:
    """``g one + (1 - g) other``, g = sigmoid(gate), over the same symbols: linear about the centers.

    The change is g d_one + (1 - g) d_other + d_g (c_one - c_other) + d_g (d_one - d_other); the last goes to ``rest``.
    """
    g = activation(Activation("sigmoid"), gate, u)
    total = operations.blend(gate.ball, one.ball, other.ball, u)
    share, apart = g.center, one.center - other.center
    moves = share * one.ball.radius, (1.0 - share) * other.ball.radius, np.abs(apart) * g.ball.radius
    both = one.ball.radius + other.ball.radius
    moved = moves[0] + moves[1] + g.ball.radius * (np.abs(apart) + both)
    shape = share[..., None] * one.shape + (1.0 - share)[..., None] * other.shape + apart[..., None] * g.shape
    straight = share * one.rest + (1.0 - share) * other.rest + np.abs(apart) * g.rest
    rest = straight + g.ball.radius * both + SLACK * sum(moves)
    return _better(total, moved, total.radius - (1.0 - SLACK) * moved, shape, rest)


@np.errstate(all="ignore")
def norm(step: Norm, x: Form, u: float) -> Form:
    """Linear in the error, with the second derivative of ``x / S``, S = sqrt(mean(x^2) + eps), put into ``rest``.

    For a direction d of mean square rho^2 it is at most 2 |d_i| rho / S^2 + 4 |x_i| rho^2 / S^3, since
    |mean(x d)| <= S rho.
    """
    if step.groups > 1:
        parts = [norm(one, Form(x.center[:, at], x.shape[:, at], x.rest[:, at]), u) for at, one in step.parts]
        center, shape, rest = (
            np.concatenate([getattr(part, name) for part in parts], axis=1) for name in ("center", "shape", "rest")
        )
        return Form(center, shape, rest)
    gain, width = step.gain, x.center.shape[1]
    bias = np.zeros(width) if step.bias is None else step.bias
    spread = gamma(width + 6, u) * np.ones((len(x.center), 1))
    if step.kind == "layer":
        x, spread = _centered(x, step.eps, u)
    elif step.bias is not None:
        raise NotImplementedError("an RMS norm with a bias has no form")
    whole, c = x.ball, x.center
    total = ball._normalised(whole, gain, bias, step.eps, spread, u)
    root = np.sqrt((c**2).mean(axis=1, keepdims=True) + step.eps)
    rho = np.sqrt((whole.radius**2).mean(axis=1, keepdims=True))
    floor = ball._root_floor(whole, step.eps)
    moved = np.abs(gain) * (whole.radius / floor + np.abs(c) * rho / (floor * root))
    rounded = total.radius - (1.0 - SLACK) * moved
    pull = np.einsum("nw,nwk->nk", c, x.shape) / width
    shape = gain[:, None] * (x.shape / root[..., None] - c[..., None] * (pull / root**3)[:, None])
    aside = (np.abs(c) * x.rest).mean(axis=1, keepdims=True) / root**3
    lost = (np.abs(c) * whole.radius).mean(axis=1, keepdims=True) / root**3
    bend = (whole.radius * rho + 2.0 * whole.magnitude * rho**2 / floor) / floor**2
    straight = x.rest / root + np.abs(c) * aside + SLACK * (whole.radius / root + np.abs(c) * lost)
    return _better(total, moved, rounded, shape, np.abs(gain) * (straight + bend))


def _centered(x: Form, eps: float, u: float) -> tuple[Form, Reals]:
    """``x - mean(x)``, and the factor by which an execution may know the variance, as in ``ball.layer_norm``."""
    whole, g = x.ball, gamma(x.center.shape[1] + 8, u)
    mean_size = whole.magnitude.mean(axis=1, keepdims=True)
    center = x.center - x.center.mean(axis=1, keepdims=True)
    moved = whole.radius + whole.radius.mean(axis=1, keepdims=True) + g * mean_size
    rounded = g * mean_size + gamma(1, u) * (np.abs(center) + moved) + SLACK * moved
    rest = x.rest + x.rest.mean(axis=1, keepdims=True) + rounded
    centered = _form(center, x.shape - x.shape.mean(axis=1, keepdims=True), rest)
    floor = ball._root_floor(centered.ball, eps)
    return centered, 4.0 * g * ((whole.magnitude**2).mean(axis=1, keepdims=True) + eps) / floor**2


@np.errstate(all="ignore")
def activation(step: Activation, x: Form, u: float) -> Form:
    """ReLUs are linear where their sign is known; all others bend."""
    whole, c = x.ball, x.center
    bend: float | Reals
    match step.kind:
        case "relu" | "leaky_relu":
            total = ball.relu(whole) if step.kind == "relu" else operations.leaky_relu(whole, step.slope, u)
            up, down = c - whole.radius >= 0, c + whole.radius <= 0
            low = step.slope if step.kind == "leaky_relu" else 0.0
            slope = np.where(up, 1.0, low)
            rounded = np.where(up | (low == 0.0), 0.0, low * gamma(3, u) * whole.magnitude + TINY)
            rest = np.where(up | down, slope * x.rest + SLACK * whole.radius * slope, np.inf)
            return _better(total, whole.radius, rounded, slope[..., None] * x.shape, rest)
        case "gelu":
            total, rounded, bend = ball.gelu(whole, u), gamma(12, u) * whole.magnitude + 4.0 * TINY, BEND
            below = 0.5 * (1.0 + erf(c * np.sqrt(0.5)))
            slope = below + c * np.exp(-0.5 * c**2) / np.sqrt(2.0 * np.pi)
        case "silu":
            total, rounded = operations.silu(whole, u), gamma(16, u) * whole.magnitude + operations.OVERFLOWN
            share = expit(c)
            slope, bend = share + c * share * (1.0 - share), operations.SILU_BEND
        case "tanh":
            total, rounded = operations.tanh(whole, u), gamma(10, u) + 4.0 * TINY
            slope, bend = 1.0 - total.center**2, operations.tanh_bend(total.center, whole.radius)
        case "sigmoid":
            total, rounded = operations.sigmoid(whole, u), gamma(14, u) + operations.OVERFLOWN
            share = total.center
            slope, bend = share * (1.0 - share), operations.tanh_bend(2.0 * share - 1.0, 0.5 * whole.radius) / 8.0
        case _:
            total, rounded, bend = operations.gelu_tanh(whole, u), gamma(16, u) * whole.magnitude + 4.0 * TINY, BEND
            tanh = np.tanh(operations.ROOT * (c + operations.CUBIC * c * c * c))
            bent = operations.ROOT * (1.0 + 3.0 * operations.CUBIC * c**2)
            slope = 0.5 * (1.0 + tanh) + 0.5 * c * (1.0 - tanh**2) * bent
    rest = np.abs(slope) * x.rest + SLACK * whole.radius + 0.5 * bend * whole.radius**2
    return _better(total, total.radius - rounded, rounded, slope[..., None] * x.shape, rest)


def columns(x: Form, start: int, stop: int) -> Form:
    """Those entries alone."""
    return Form(x.center[:, start:stop], x.shape[:, start:stop], x.rest[:, start:stop])


def concat(parts: list[Form]) -> Form:
    """Side by side, over the same symbols."""
    return Form(*(np.concatenate([getattr(x, name) for x in parts], axis=1) for name in ("center", "shape", "rest")))


def compressed(x: Form, symbols: int) -> Form:
    """The heaviest ``symbols`` of each row; the others are forgotten."""
    weight = np.abs(x.shape).sum(axis=1)
    if weight.shape[1] <= symbols:
        return x
    order = np.argsort(-weight, axis=1)
    kept = np.take_along_axis(x.shape, order[:, None, :symbols], axis=2)
    lost = np.abs(np.take_along_axis(x.shape, order[:, None, symbols:], axis=2)).sum(axis=2)
    return Form(x.center, kept, x.rest + lost * (1.0 + SLACK))


def forget(x: Form, apply: Callable[[Ball], Ball]) -> Form:
    """Any operation on balls, after which no symbol is known."""
    y = apply(x.ball)
    return Form(y.center, np.zeros((*y.center.shape, x.shape.shape[-1])), y.radius)


def _better(total: Ball, moved: Reals, rounded: Reals, shape: Reals, rest: Reals) -> Form:
    """The linear form, except at entries that the ball's own bound ``total`` holds clearly more tightly."""
    spread = np.abs(shape).sum(axis=-1)
    tight = spread + rest < moved * (1.0 + LOOSER)
    shape, spread = np.where(tight[..., None], shape, 0.0), np.where(tight, spread, 0.0)
    return _form(total.center, shape, np.where(tight, rest + rounded, total.radius), spread)


def _form(center: Reals, shape: Reals, rest: Reals, spread: Reals | None = None) -> Form:
    """A form with its rest rounded up; unbounded where anything is not finite or too large."""
    rest = rest * INFLATION + TINY
    form = Form(center, shape, rest)
    if spread is not None:
        vars(form)["spread"] = spread  # what the property would find, once more
    lost = ~((np.abs(center) < LIMIT) & (form.spread + rest < LIMIT))
    if lost.any():
        shape = np.where(lost[..., None], 0.0, shape)
        return Form(np.where(lost, 0.0, center), shape, np.where(lost, np.inf, rest))
    return form
