"""Sets of states in a frame of directions, and what a token makes of them: x = c + V y, |y_k| <= r_k.

V may be complex (eigenvectors of a real Jacobian): then y is such that x is real. Where V holds the eigenvectors of the
Jacobian at c, tokens shrink the set along every direction by the size of its eigenvalue, up to the curvature, while an
upright box may grow at once. The image is a zonotope with one symbol for every direction (``zonotope``), which holds
every execution with unit roundoff u as well; its extent along the directions is measured by an inverse W of V:

    V^-1 z = (W V)^-1 W z,  and with R = |I - W V|:  |V^-1 z| <= q + R q + (|R|^2 / (1 - |R|)) max q  for q >= |W z|
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.bounds import ball, zonotope
from tasks.bounds.ball import Ball, Reals
from tasks.bounds.zonotope import SLACK, Form
from tasks.bounds.zonotope_interpreter import form_step
from tasks.networks.recurrent import Recurrent
from tasks.networks.transformer import Step

WORST = 2.0**-10  # of R: a frame beyond is nearly degenerate
Complex = NDArray[np.complex128]


class FrameError(ValueError):
    """Directions that are nearly the same."""


@dataclass(frozen=True, eq=False)
class Frame:
    """``center`` (width,) and ``axes`` (width, width), real or complex. Raises FrameError."""

    center: Reals
    axes: Complex

    def __post_init__(self) -> None:
        if not self._off.sum(axis=1).max() <= WORST:  # so is NaN
            raise FrameError("directions of the frame are nearly the same")

    def form(self, radii: Reals) -> Form:
        """The set with these ``radii`` (width,), as a form of one row."""
        shape: Any = self.axes * radii  # complex where the axes are
        return Form(self.center[None], shape[None], (SLACK * np.abs(shape).sum(axis=1) + ball.TINY)[None])

    def linear(self, image: Form) -> Reals:
        """(width, symbols): |V^-1 s| for every generator s of ``image``, rounded up."""
        return self._up(np.abs(self._inverse @ image.shape[0]), self._size @ np.abs(image.shape[0]))

    def offset(self, image: Form) -> Reals:
        """(width,): how far along each direction the rest of ``image`` may lie from the center of the frame."""
        apart = image.center[0] - self.center
        rest = image.rest[0] + 2.0**-50 * (np.abs(self.center) + np.abs(image.center[0]))
        found = np.abs(self._inverse @ apart) + self._size @ rest
        return self._up(found[:, None], (self._size @ np.abs(apart) + found)[:, None])[:, 0]

    def reach(self, known: Ball) -> Reals:
        """(width,): how far along each direction a state that is ``known`` may lie from the center."""
        empty = np.zeros((1, len(self.center), 0))
        return self.offset(Form(known.center, empty, known.radius))

    def _up(self, found: Reals, size: Reals) -> Reals:
        """``found`` of W, as of the inverse of V; ``size``: of the terms that were added."""
        q = found + 2.0**-44 * size * (1.0 + len(self.center) / 64)
        norm = self._off.sum(axis=1).max()
        up: Reals = (q + self._off @ q + norm**2 / (1.0 - norm) * q.max(axis=0)) * ball.INFLATION + ball.TINY
        return up

    @cached_property
    def _inverse(self) -> Complex:
        try:
            found = np.linalg.inv(self.axes).astype(np.complex128)
        except np.linalg.LinAlgError as error:
            raise FrameError("directions of the frame are the same") from error
        return found

    @cached_property
    def _size(self) -> Reals:
        return np.abs(self._inverse)

    @cached_property
    def _off(self) -> Reals:
        """|I - W V|, rounded up."""
        found = np.abs(np.eye(len(self.center)) - self._inverse @ self.axes)
        off: Reals = found + 2.0**-46 * (1.0 + len(self.center) / 64) * (1.0 + self._size @ np.abs(self.axes))
        return off


def step(network: Recurrent, u: float) -> Callable[[Form, int], Form]:
    """What a token makes of a form of one row, with executions of unit roundoff ``u``."""
    ball.check_roundoff(u)
    after = rows(network.transition, u)

    def stepped(states: Form, token: int) -> Form:
        read = Ball.exact(network.tokens[[token]])
        none = np.zeros((1, network.tokens.shape[1], states.shape.shape[2]), states.shape.dtype)
        return after(zonotope.concat([states, Form(read.center, none, read.radius)]))

    return stepped


def rows(steps: tuple[Step, ...], u: float) -> Callable[[Form], Form]:
    """``steps`` on forms, weights prepared."""
    prepared = [form_step(inner, u) for inner in steps]

    def run(x: Form) -> Form:
        none = np.zeros(len(x.center), np.int64)  # no step here looks at a token
        for one in prepared:
            x = one(x, none)
        return x

    return run
