"""A network with other weights: rounded to a coarser format, quantised to few bits, or the smallest left out.

Weights are what ``Transformer.arrays`` lists. Matrices (embeddings, maps, tables) are quantised and pruned; gains,
biases and means of nodes stay, and so do tables that a program computes by a formula.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, is_dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.networks.transformer import Reals, Transformer

Change = Callable[[Reals], Reals]


def float16(values: Reals) -> Reals:
    """Rounded to the nearest number of half precision; infinite where there is none."""
    with np.errstate(over="ignore"):
        return values.astype(np.float16).astype(np.float64)


def bfloat16(values: Reals) -> Reals:
    """Rounded to the nearest number with eight bits of significand and float32's range, ties to even.

    >>> bfloat16(np.array([1.0, 1.00390625, 1.01171875, -3.3])).tolist()
    [1.0, 1.0, 1.015625, -3.296875]
    """
    bits: NDArray[Any] = values.astype(np.float32).view(np.uint32).astype(np.uint64)
    rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF0000
    found: Reals = rounded.astype(np.uint32).view(np.float32).astype(np.float64)
    return found


def quantised(bits: int) -> Change:
    """Rounded to whole multiples, from ``1 - 2**(bits - 1)`` to its negative, of the step that the largest needs."""
    levels = 2 ** (bits - 1) - 1

    def change(values: Reals) -> Reals:
        step = float(np.abs(values).max()) / levels
        return values if values.ndim < 2 or step == 0 else np.rint(values / step) * step

    return change


def pruned(network: Transformer, share: float) -> Change:
    """Zero where a weight of a matrix is among the ``share`` smallest of those that are not zero."""
    sizes = np.concatenate([np.abs(values[values != 0]) for values in network.arrays() if values.ndim == 2])
    count = int(share * len(sizes))
    limit = np.sort(sizes)[count] if count < len(sizes) else np.inf
    return lambda values: values if values.ndim < 2 else np.where(np.abs(values) < limit, 0.0, values)


def altered(network: Transformer, change: Change) -> Transformer:
    """``network`` with ``change`` made to each array, in its own precision; NetworkError where one overflows."""
    dtype = np.float32 if network.dtype == "float32" else np.float64

    def stored(values: Reals) -> Reals:
        with np.errstate(over="ignore"):
            return change(values.copy()).astype(dtype).astype(np.float64)

    def visited(value: Any) -> Any:
        match value:
            case np.ndarray(dtype=np.float64):
                return stored(value)
            case tuple() if value and all(map(is_dataclass, value)):
                return tuple(map(visited, value))
        if is_dataclass(value):
            named = {field.name: getattr(value, field.name) for field in fields(value)}
            return replace(value, **{name: visited(inner) for name, inner in named.items()})  # type: ignore[type-var]
        return value

    tokens = stored(network.tokens) if network.token_error is None else network.tokens
    positions = network.positions
    if positions is not None and network.position_error is None:
        positions = stored(positions)
    return replace(network, tokens=tokens, positions=positions, steps=visited(network.steps))
