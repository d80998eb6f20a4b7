"""The bounds of ``interpreter`` with zonotopes (``zonotope``): several times tighter, and many times the work.

Between two attention layers a row is a function of its own stream and of what attention gave it, and a form follows
both through projection, residual, norms, MLP and on to the next queries, keys and values:

    (x, y = attention)  --post-->  x + W y  --steps-->  norm  -->  q, k, v        symbols: the entries of x and of y

Attention itself, and pools, are those of ``interpreter``. Residual branches with more than one step that sees other
rows are followed as balls.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from tasks.bounds import ball, interpreter, zonotope
from tasks.bounds.ball import Ball
from tasks.bounds.interpreter import Ids, Stream
from tasks.bounds.zonotope import Form
from tasks.networks.transformer import (
    Activation,
    Affine,
    Attention,
    Blend,
    Columns,
    Concat,
    Lookup,
    Mask,
    Norm,
    Pool,
    Product,
    Residual,
    Step,
    Transformer,
    walk,
)

FormStep = Callable[[Form, Ids], Form]
CHUNK_VALUES = 4_000_000  # numbers in the shapes of some rows


def enclose(network: Transformer, batches: Sequence[NDArray[np.integer]], u: float, *, at_end: bool = False) -> Stream:
    """What ``interpreter.enclose`` gives, with smaller radii."""
    interpreter.check(network, batches, u)
    rows, steps = _Rows(interpreter.embed(network, batches, u), u), interpreter.needed(network, u)
    last = max((n for n, step in enumerate(steps) if interpreter.sees_others(step)), default=-1)
    for n, step in enumerate(steps):
        rows.follow(step, at_end=at_end and n == last)
    return interpreter.finite(rows.stream(), u)


def work(network: Transformer, stream: Stream) -> int:
    """About how many numbers the largest forms of all rows hold together; ``stream`` is what ``interpreter`` gave."""
    widths = [len(step.weight) for step in walk(network.steps) if isinstance(step, Affine)]
    width = int(network.tokens.shape[1])
    is_pooled = any(isinstance(step, Pool) for step in network.steps)
    rows = sum(map(len, stream.places)) * network.longest if is_pooled else max(stream.most, len(stream.x))
    return rows * max([width, *widths]) * 2 * width


class _Rows:
    """Classes on their way from one attention to the next: a base, and the steps since."""

    def __init__(self, stream: Stream, u: float) -> None:
        self.u = u
        self._start(stream)

    def _start(self, stream: Stream, given: Ball | None = None, post: Sequence[FormStep] = ()) -> None:
        """Begin again at ``stream``, beside what attention gave each class, and the steps that this takes first."""
        self.base, self.given, self.post = stream, given, post
        self.steps: list[FormStep] = []

    def follow(self, step: Step, *, at_end: bool) -> None:
        """One more step; ``at_end``: behind it last rows alone are wanted."""
        if not interpreter.sees_others(step):
            self.steps.append(form_step(step, self.u))
            return
        match step:
            case Attention():
                self._attend((), step, (), at_end=at_end, is_residual=False)
                return
            case Residual(inner):
                seeing = [n for n, part in enumerate(inner) if interpreter.sees_others(part)]
                if len(seeing) == 1 and isinstance(inner[seeing[0]], Attention):
                    attention = inner[seeing[0]]
                    assert isinstance(attention, Attention)
                    before, after = inner[: seeing[0]], inner[seeing[0] + 1 :]
                    self._attend(before, attention, after, at_end=at_end, is_residual=True)
                    return
        self._start(interpreter.run((step,), self.stream(), self.u, at_end=at_end))

    def stream(self) -> Stream:
        """Everything that was followed, as balls."""
        return replace(self.base, x=self._each([[]])[0])

    def _attend(
        self,
        before: tuple[Step, ...],
        step: Attention,
        after: tuple[Step, ...],
        *,
        at_end: bool,
        is_residual: bool,
    ) -> None:
        pre = [form_step(part, self.u) for part in before]
        ways = [[*pre, *(form_step(inner, self.u) for inner in part)] for part in (step.query, step.key, step.value)]
        x, q, k, v = self._each([[], *ways])
        stream = replace(self.base, x=x)
        given, came_from = interpreter.attention(step, stream, q, k, v, self.u, at_end=at_end)
        own = replace(given, x=x[came_from])
        post = [form_step(part, self.u) for part in after]
        if is_residual:
            self._start(own, given.x, post)
        else:
            self._start(given)
            self.steps += post

    def _each(self, ways: list[list[FormStep]]) -> list[Ball]:
        """The balls that each way of going on from here ends in."""
        parts: list[list[Ball]] = [[] for _ in ways]
        width = self.base.x.center.shape[1] + (0 if self.given is None else self.given.center.shape[1])
        for rows in interpreter.chunks(len(self.base.x), 4 * width * width, CHUNK_VALUES):
            token, form = self.base.token[rows], self._begin(rows)
            for step in self.steps:
                form = step(form, token)
            for part, way in zip(parts, ways, strict=True):
                end = form
                for step in way:
                    end = step(end, token)
                part.append(end.ball)
        return [Ball.join(part) for part in parts]

    def _begin(self, rows: slice) -> Form:
        x = self.base.x[rows]
        if self.given is None:
            return Form.of(x)
        y, token = self.given[rows], self.base.token[rows]
        branch = Form.of(y, before=x.center.shape[1])
        for step in self.post:
            branch = step(branch, token)
        return zonotope.add(Form.of(x, after=y.center.shape[1]), branch, self.u)


def form_step(step: Step, u: float) -> FormStep:
    """A step that acts on each row by itself."""
    match step:
        case Affine(weight, bias) if weight.any():
            return partial(_affine, *interpreter.layers(weight, np.zeros(len(weight)) if bias is None else bias), u)
        case Affine(weight, bias):
            layer = ball.Affine.of(weight, np.zeros(len(weight)) if bias is None else bias)
            return lambda x, token: zonotope.affine(x, layer, u)
        case Norm(kind, _, bias) if kind == "layer" or bias is None:
            return lambda x, token: zonotope.norm(step, x, u)
        case Activation():
            return lambda x, token: zonotope.activation(step, x, u)
        case Mask(_, kept, means):
            constant = Ball.exact(means)
            return lambda x, token: Form(
                np.where(kept, x.center, constant.center),
                np.where(kept[:, None], x.shape, 0.0),
                np.where(kept, x.rest, constant.radius + ball.remains(x.rest, u)),
            )
        case Product(left, right):
            return _product([form_step(part, u) for part in left], [form_step(part, u) for part in right], u)
        case Columns(start, stop):
            return lambda x, token: zonotope.columns(x, start, stop)
        case Concat(parts):
            sides = [[form_step(inner, u) for inner in part] for part in parts]
            return lambda x, token: zonotope.concat([_after(side, x, token) for side in sides])
        case Blend(gate, one, other):
            ways = [[form_step(inner, u) for inner in part] for part in (gate, one, other)]
            return _blend(ways, u)
        case Lookup(table):
            return lambda x, token: zonotope.add(x, _constant(table[token], x), u)
        case Residual(inner):
            return _residual([form_step(part, u) for part in inner], u)
    by_ball = interpreter.row_step(step, u)
    return lambda x, token: zonotope.forget(x, lambda y: by_ball(y, token))


def _affine(
    whole: ball.Affine, part: ball.Affine | None, used: slice | NDArray[np.int64], u: float, x: Form, token: Ids
) -> Form:
    """``W x + b``, as ``interpreter`` does it: without the columns that have no weight, where all are finite."""
    if part is None or not np.isfinite(x.rest).all():
        return zonotope.affine(x, whole, u)
    return zonotope.affine(Form(x.center[:, used], x.shape[:, used], x.rest[:, used]), part, u)


def _after(steps: Sequence[FormStep], x: Form, token: Ids) -> Form:
    for step in steps:
        x = step(x, token)
    return x


def _blend(ways: list[list[FormStep]], u: float) -> FormStep:
    def run(x: Form, token: Ids) -> Form:
        gate, one, other = (_after(way, x, token) for way in ways)
        return zonotope.blend(gate, one, other, u)

    return run


def _residual(steps: list[FormStep], u: float) -> FormStep:
    def run(x: Form, token: Ids) -> Form:
        inner = x
        for step in steps:
            inner = step(inner, token)
        return zonotope.add(x, inner, u)

    return run


def _product(left: list[FormStep], right: list[FormStep], u: float) -> FormStep:
    def run(x: Form, token: Ids) -> Form:
        one, other = x, x
        for step in left:
            one = step(one, token)
        for step in right:
            other = step(other, token)
        return zonotope.multiply(one, other, u)

    return run


def _constant(values: NDArray[np.float64], like: Form) -> Form:
    return Form(values, np.zeros_like(like.shape), Ball.exact(values).radius)
