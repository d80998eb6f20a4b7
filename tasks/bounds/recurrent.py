"""Rigorous bounds on the states and logits of a ``Recurrent`` network: its two steps, on balls.

    states = recurrent.initial(network, 5)             # Ball (5, width)
    states = recurrent.step(network, u)(states, ids)   # a ball of states and a token each, to the ball after it
    recurrent.read(network, u)(states)                 # Ball (5, outputs)

A ball holds the real value and that of every execution with unit roundoff ``u`` (``ball``), so levels of states may be
carried on, cut into pieces and joined. What an execution keeps as its state are numbers of its own precision; nothing
is assumed of how it splits the formula into operations beyond ``ball.KERNEL_ASSUMPTION``.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from tasks.bounds import ball
from tasks.bounds.ball import Ball
from tasks.bounds.interpreter import row_step
from tasks.networks.recurrent import Recurrent
from tasks.networks.transformer import Step

Ids = NDArray[np.int64]


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
    prepared = [row_step(inner, u) for inner in steps]

    def run(x: Ball) -> Ball:
        none = np.zeros(len(x), np.int64)  # no step here looks at a token
        for one in prepared:
            x = one(x, none)
        return x

    return run
