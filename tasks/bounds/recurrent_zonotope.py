"""The tree of prefixes of a ``Recurrent`` network with zonotopes: the error of a state, and where it came from.

A ball loses the sign of each error, and so grows like the product of the absolute Jacobians; in a form (``zonotope``)
what one step got wrong stays a symbol, and moves as the network moves it. After every step what is left over becomes a
symbol for each number of the state. That is some hundred times the work of balls, for the few words that balls leave
open. Symbols beyond ``MOST_SYMBOLS`` per number of the state, the lightest, are forgotten.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tasks.bounds import ball, zonotope
from tasks.bounds.ball import Ball
from tasks.bounds.interpreter import Stream
from tasks.bounds.recurrent import Ids, tree
from tasks.bounds.zonotope import Form
from tasks.bounds.zonotope_interpreter import FormStep, form_step
from tasks.networks.recurrent import Recurrent
from tasks.networks.transformer import Step

MOST_SYMBOLS = {True: 24, False: 2}  # per number of the state: in float32, where errors are large, and in float64
MOST_NUMBERS = 40_000_000  # in the forms of one level


def enclose(network: Recurrent, batches: Sequence[NDArray[np.integer]], u: float) -> Stream:
    """What ``recurrent.enclose`` gives, with smaller radii."""
    return tree(network, batches, Forms(network, u))


def most_prompts(network: Recurrent, length: int, u: float) -> int:
    """How many prompts of ``length`` tokens may be followed at once."""
    symbols = min(length, MOST_SYMBOLS[u > ball.FLOAT64]) * network.width
    return max(1, MOST_NUMBERS // (network.width * max(1, symbols)))


class Forms:
    """Forms with symbols of their own for each state."""

    rows = 64

    def __init__(self, network: Recurrent, u: float) -> None:
        ball.check_roundoff(u)
        self._network, self._most = network, MOST_SYMBOLS[u > ball.FLOAT64] * network.width
        self._transition, self._output = ([form_step(s, u) for s in steps] for steps in _steps(network))

    def initial(self) -> Form:
        """The state before any token, once."""
        start = Ball.exact(self._network.initial(1))
        return Form(start.center, np.zeros((*start.center.shape, 0)), start.radius)

    def step(self, states: Form, ids: Ids) -> Form:
        """The states after one more token each."""
        x = Ball.exact(self._network.tokens[ids])
        given = Form(x.center, np.zeros((*x.center.shape, states.shape.shape[2])), x.radius)
        after = _run(self._transition, zonotope.concat([states, given]))
        own = Form.of(Ball(after.center, after.rest))
        return zonotope.compressed(
            Form(after.center, np.concatenate([after.shape, own.shape], axis=2), own.rest), self._most
        )

    def read(self, states: Form) -> Ball:
        """Their logits."""
        return _run(self._output, states).ball

    def chosen(self, states: Form, rows: Ids) -> Form:
        """Some of them."""
        return Form(states.center[rows], states.shape[rows], states.rest[rows])

    def joined(self, parts: list[Form]) -> Form:
        """All of them."""
        return Form(*(np.concatenate([getattr(x, name) for x in parts]) for name in ("center", "shape", "rest")))

    def merged(self, states: Form) -> tuple[Ids, Ids]:
        """None: each has symbols of its own."""
        return np.arange(len(states.center)), np.arange(len(states.center))


def _steps(network: Recurrent) -> tuple[tuple[Step, ...], tuple[Step, ...]]:
    return network.transition, network.output


def _run(steps: Sequence[FormStep], x: Form) -> Form:
    none = np.zeros(len(x.center), np.int64)  # no step here looks at a token
    for step in steps:
        x = step(x, none)
    return x
