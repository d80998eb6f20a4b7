"""States of a recurrent network along one sequence in arithmetic of any precision, as ideal real numbers.

Balls forget how the errors of a state belong together, and grow at every token by the norm of the absolute Jacobian,
say threefold, where the state itself is contracted. Along one sequence that costs nothing but digits: with 2 bits more
for every token the last state is still known to 2**-40. So a thousand tokens take seconds (arb, by python-flint).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from flint import arb, arb_mat, ctx

from tasks.bounds.ball import Ball, Reals
from tasks.networks.recurrent import Recurrent
from tasks.networks.sparse_transformer import NetworkError
from tasks.networks.transformer import Activation, Affine, Blend, Columns, Concat, Product, Residual, Step

Row = list[arb]

LEAST_BITS, SPARE = 64, 24  # of precision; bits below the error of a state
ENOUGH = 2.0**-40  # radius of a known state
MOST_BITS = 2**15


@dataclass(frozen=True)
class Known:
    """What is known after some tokens: ``state`` and ``logits`` as balls of one row each, by so many ``bits``."""

    state: Ball
    logits: Ball
    bits: int


def along(network: Recurrent, ids: Sequence[int]) -> Iterator[Known]:
    """What is known before the first token and after each; raises NetworkError where no precision suffices.

    The sequence is begun again with more precision where a state is known to less than ``ENOUGH``; what was given stays
    given.
    """
    exact, bits, done = ExactSteps(network), 4 * LEAST_BITS, 0
    while bits <= MOST_BITS:
        ctx_bits, ctx.prec = ctx.prec, bits
        try:
            state, at = [arb(float(v)) for v in network.start], 0
            while True:
                radius = max(v.rad() for v in state)
                if not radius <= ENOUGH:
                    break
                if at >= done:
                    known = Known(_ball(state), _ball(exact.rows(network.output, state)), bits)
                    ctx.prec = ctx_bits
                    yield known
                    done += 1
                if at == len(ids):
                    return
                ctx.prec = min(bits, _needed(radius))
                state = exact.rows(network.transition, [*state, *(arb(float(v)) for v in network.tokens[ids[at]])])
                at += 1
        finally:
            ctx.prec = ctx_bits
        bits = max(2 * bits, min(MOST_BITS, LEAST_BITS + bits * len(ids) * 9 // (8 * max(at, 1))))  # as it went so far
    raise NetworkError(f"a state is not known to {ENOUGH:.0e} after {done} tokens with {MOST_BITS:,} bits")


def _needed(radius: arb) -> int:
    """Bits of precision that add little to an error of ``radius``."""
    return MOST_BITS if radius == 0 else max(LEAST_BITS, SPARE - int(float(radius.log()) / np.log(2.0)))


class ExactSteps:
    """The row steps of one network on rows of ``arb``, weights converted once."""

    def __init__(self, network: Recurrent) -> None:
        self._kept: dict[int, tuple[list[int], arb_mat, Row]] = {}
        self._network = network

    def rows(self, steps: tuple[Step, ...], x: Row) -> Row:
        """What ``steps`` make of a row."""
        for step in steps:
            x = self._step(step, x)
        return x

    def _step(self, step: Step, x: Row) -> Row:
        match step:
            case Affine():
                used, weight, bias = self._map(step)
                read = arb_mat(len(used), 1, [x[n] for n in used])
                return [v + b for v, b in zip((weight * read).entries(), bias, strict=True)]
            case Activation("tanh"):
                return [v.tanh() for v in x]
            case Activation("sigmoid"):
                return [sigmoid(v) for v in x]
            case Activation("relu"):
                return [v if v >= 0 else arb(0) if v <= 0 else arb(0).union(v).union(arb(0)) for v in x]
            case Columns(start, stop):
                return x[start:stop]
            case Concat(parts):
                return [v for part in parts for v in self.rows(part, x)]
            case Product(left, right):
                return [v * w for v, w in zip(self.rows(left, x), self.rows(right, x), strict=True)]
            case Residual(inner):
                return [v + w for v, w in zip(x, self.rows(inner, x), strict=True)]
            case Blend(gate, one, other):
                ways = (self.rows(part, x) for part in (gate, one, other))
                return [b + sigmoid(g) * (a - b) for g, a, b in zip(*ways, strict=True)]
        raise NetworkError(f"states are not followed exactly through {type(step).__name__}")

    def _map(self, step: Affine) -> tuple[list[int], arb_mat, Row]:
        """The columns that are read, their weights, and the bias."""
        if id(step) not in self._kept:
            bias = np.zeros(len(step.weight)) if step.bias is None else step.bias
            used = np.flatnonzero(step.weight.any(axis=0))
            weight = arb_mat(step.weight[:, used].tolist()) if len(used) else arb_mat(len(bias), 0)
            self._kept[id(step)] = used.tolist(), weight, [arb(v) for v in bias.tolist()]
        return self._kept[id(step)]


def sigmoid(x: arb) -> arb:
    """``1 / (1 + exp(-x))``."""
    return 1 / (1 + (-x).exp())


def _ball(row: Row) -> Ball:
    """The same numbers in float64."""
    center = np.array([float(v.mid()) for v in row])
    return Ball(center[None], _radius(row, center)[None])


def _radius(row: Row, center: Reals) -> Reals:
    return np.array(
        [float((v - arb(c)).abs_upper()) * (1.0 + 2.0**-40) for v, c in zip(row, center.tolist(), strict=True)]
    )
