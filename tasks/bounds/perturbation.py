"""Bounds on a network each of whose weights may be off by a factor of its own: how far they may move.

Every network with weights ``w (1 + d)``, ``|d| <= spread``, each with a ``d`` of its own, is bounded at once, in real
arithmetic. Rows of a prompt share their weights, and a class of rows is one ball, so that what merges rows of one
network merges them here (``interpreter``). Attention sinks stay as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from tasks.bounds import ball
from tasks.bounds.ball import Ball
from tasks.bounds.interpreter import Loose, Stream, check, embed, needed, run
from tasks.networks.transformer import (
    AbsTopK,
    Activation,
    Affine,
    Attention,
    Lookup,
    Mask,
    Norm,
    Pool,
    Product,
    Reals,
    Residual,
    Step,
    Transformer,
    walk,
)

KNOWN = (Affine, Norm, Mask, Lookup, Activation, AbsTopK, Attention, Pool, Product, Residual)


def why_not_loose(network: Transformer) -> str | None:
    """Why nothing is known of other weights of ``network``; None where something is."""
    strange = [type(step).__name__ for step in walk(network.steps) if not isinstance(step, KNOWN)]
    return f"no bound is known for other weights of the step {strange[0]}" if strange else None


def enclose_loosely(network: Transformer, batches: Sequence[NDArray[np.integer]], spread: float) -> Stream:
    """Bounds on the logits at every row of ``batches`` of prompts, for all weights within ``spread`` (relative).

    In real arithmetic. Raises NetworkError for ids that the network cannot take.
    """
    check(network, batches, ball.REAL)
    start = embed(network, batches, ball.REAL)
    moved = _sizes(network.tokens, network.token_error)[start.token]
    if network.positions is not None:
        moved = moved + _sizes(network.positions, network.position_error).max(axis=0)
    x = Ball(start.x.center, (start.x.radius + spread * moved) * ball.INFLATION)
    return run(_loose(needed(network, ball.REAL), spread), Stream(x, start.token, start.places), ball.REAL)


def _sizes(table: Reals, error: Reals | None) -> Reals:
    return np.abs(table) if error is None else np.abs(table) + error


def _loose(steps: Sequence[Step], spread: float) -> tuple[Step, ...]:
    return tuple(_loosened(step, spread) for step in steps)


def _loosened(step: Step, spread: float) -> Step:
    match step:
        case Residual(inner):
            return Residual(_loose(inner, spread))
        case Attention(query, key, value):
            parts = {"query": query, "key": key, "value": value}
            loose = {name: _loose(part, spread) for name, part in parts.items()}
            return _attention(step, loose)
        case Product(left, right):
            return Product(_loose(left, spread), _loose(right, spread))
        case Pool():
            return step
    return Loose(step, spread)  # type: ignore[return-value]  # a step of bounds alone, as Watched is


def _attention(step: Attention, parts: dict[str, tuple[Step, ...]]) -> Attention:
    return replace(step, query=parts["query"], key=parts["key"], value=parts["value"])
