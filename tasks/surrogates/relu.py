"""An exact ReLU stand-in for a circuit on a domain: a position-tied convolution, sum pooling, one hidden layer.

    u_j(t) = relu(before_j . onehot(x[t-1]) + here_j . onehot(x[t]) + bias_j)      the same at every position t
    s      = (sum_t u(t), onehot(x[-1]), ..., onehot(x[-window]))                   pooled; zero before the start
    h_i    = relu(hidden_i . s + hidden_bias_i)
    logits = readout . (s, h) + readout_bias                                        label = argmax

All weights are integers (a dyadic grid of step 1 after scaling, which argmax ignores) and every partial sum stays
below 2^24, checked statically, so that real, float32 and integer evaluation are the same numbers. Tied positions,
small integers and few units are what makes solver proofs about the network short (see SOLVERS.md).

This file holds the network: evaluation in exact integer arithmetic, and its reading as a PySMT formula. Fitting one to
a circuit is ``fitting``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dsl.sequences import SymbolicSequence
from dsl.showing import brief
from tasks.networks.sparse_transformer import NetworkError

Integers = NDArray[np.int64]

EXACT = 2**24  # float32 holds every integer up to here
SEMANTICS = "exact integer arithmetic (which for the surrogate is also its real and its float32 value)"
_FIELDS = ("before", "here", "bias", "hidden", "hidden_bias", "readout", "readout_bias")


@dataclass(frozen=True, eq=False)
class Surrogate:
    """``before``, ``here``: (units, alphabet); ``hidden``: (hidden units, pooled) with pooled = units + window *
    alphabet; ``readout``: (labels, pooled + hidden units); biases to match. Exact for sequences of up to ``max_length``
    tokens; the window is how many of the last tokens are seen one by one."""

    before: Integers
    here: Integers
    bias: Integers
    hidden: Integers
    hidden_bias: Integers
    readout: Integers
    readout_bias: Integers
    max_length: int

    __repr__ = brief

    def __post_init__(self) -> None:
        units, alphabet = self.here.shape
        hidden, labels = len(self.hidden_bias), len(self.readout_bias)
        pooled = units + self.window * alphabet
        shapes = {
            "before": (units, alphabet),
            "bias": (units,),
            "hidden": (hidden, pooled),
            "readout": (labels, pooled + hidden),
        }
        for name, shape in shapes.items():
            if getattr(self, name).shape != shape:
                raise NetworkError(f"surrogate: {name} should have shape {shape}, got {getattr(self, name).shape}")
        if self.largest_sum >= EXACT:
            raise NetworkError(
                f"surrogate: partial sums reach {self.largest_sum:,}, which float32 may round (limit {EXACT:,}); "
                "use a coarser grid"
            )

    @property
    def window(self) -> int:
        """How many of the last tokens are seen one by one."""
        units, alphabet = self.here.shape
        return int(self.hidden.shape[1] - units) // int(alphabet)

    @cached_property
    def largest_sum(self) -> int:
        """A static bound on every partial sum: sum |w| |x| + |b|, layer by layer."""
        size = {name: np.abs(getattr(self, name).astype(object)) for name in _FIELDS}  # Python's integers: no overflow
        taps = size["before"].max(axis=1, initial=0) + size["here"].max(axis=1, initial=0)
        unit = taps + size["bias"]
        pooled = np.concatenate([unit * self.max_length, np.ones(self.hidden.shape[1] - len(unit), object)])
        hidden = size["hidden"] @ pooled + size["hidden_bias"]
        logits = size["readout"] @ np.concatenate([pooled, hidden]) + size["readout_bias"]
        return int(max(pooled.max(initial=0), hidden.max(initial=0), logits.max(initial=0)))

    @property
    def relus(self) -> int:
        """How many ReLU units the network has: convolution units (shared by all positions) and hidden units."""
        return len(self.bias) + len(self.hidden_bias)

    @property
    def weights(self) -> int:
        """How many weights are not zero."""
        return int(sum(np.count_nonzero(getattr(self, name)) for name in _FIELDS))

    def logits(self, sequences: NDArray[np.int8]) -> Integers:
        """(sequences, length) alphabet indices, of one length, to (sequences, labels), in exact integer arithmetic."""
        features = pooled_features(self.before, self.here, self.bias, self.window, sequences)
        hidden = np.maximum(features @ self.hidden.T + self.hidden_bias, 0)
        return np.hstack([features, hidden]) @ self.readout.T + self.readout_bias

    def labels(self, sequences: NDArray[np.int8]) -> NDArray[np.int8]:
        """(sequences,) label indices, -1 for a tie."""
        logits = self.logits(sequences)
        top = np.sort(logits, axis=1)
        return np.where(top[:, -1] > top[:, -2], logits.argmax(axis=1), -1).astype(np.int8)

    def differs(self, symbols: SymbolicSequence, answer: Any) -> Any:
        """The formula "``answer`` (a label index) is not this network's label"; a tie is no label."""
        m, logits = symbols.manager, self._encode(symbols)
        labelled = [
            m.And(
                m.Equals(answer, m.Int(label)),
                *(m.GT(mine, other) for rival, other in enumerate(logits) if rival != label),
            )
            for label, mine in enumerate(logits)
        ]
        return m.Not(m.Or(labelled))

    def _encode(self, symbols: SymbolicSequence) -> list[Any]:
        """The logits as integer terms. A ReLU over one-hot inputs takes finitely many values and is a table of them."""
        m = symbols.manager
        units = [self._pooled(symbols, unit) for unit in range(len(self.bias))]
        seen = [row for row in reversed(symbols.at[-self.window :])]
        blank = tuple(m.FALSE() for _ in range(self.here.shape[1]))
        seen += [blank] * (self.window - len(seen))
        pooled = [*units, *(m.Ite(here, m.Int(1), m.Int(0)) for row in seen for here in row)]
        hidden = []
        for weights, bias in zip(self.hidden, self.hidden_bias, strict=True):
            total = _weighted(m, weights, pooled, bias)
            hidden.append(m.Ite(m.GT(total, m.Int(0)), total, m.Int(0)))
        rows = zip(self.readout, self.readout_bias, strict=True)
        return [_weighted(m, weights, [*pooled, *hidden], bias) for weights, bias in rows]

    def _pooled(self, symbols: SymbolicSequence, unit: int) -> Any:
        """``sum_t u(t)`` of one unit."""
        m, terms = symbols.manager, []
        for position, row in enumerate(symbols.at):
            previous = symbols.at[position - 1] if position else (m.TRUE(),)
            before = self.before[unit] if position else np.zeros(1, np.int64)
            values = np.maximum(before[:, None] + self.here[unit][None] + self.bias[unit], 0)
            for value in np.unique(values[values > 0]):
                taken = _where(m, values == value, previous, row)
                one = m.Ite(taken, m.Int(1), m.Int(0))
                terms.append(one if value == 1 else m.Times(m.Int(int(value)), one))
        return m.Plus(terms) if terms else m.Int(0)

    def to_json(self) -> str:
        """The network as text; ``from_json`` reads it back."""
        fields: dict[str, Any] = {name: getattr(self, name).tolist() for name in _FIELDS}
        sizes = {"alphabet": self.here.shape[1], "window": self.window, "max_length": self.max_length}
        return json.dumps({**fields, **sizes})

    @classmethod
    def from_json(cls, text: str | bytes) -> Surrogate:
        """Raises NetworkError for text that is not a surrogate."""
        try:
            fields: Mapping[str, Any] = json.loads(text)
            arrays = {name: _whole_numbers(fields[name]) for name in _FIELDS}
            alphabet, window, max_length = (
                int(_whole_numbers(fields[n])) for n in ("alphabet", "window", "max_length")
            )
            units, hidden_units = len(arrays["bias"]), len(arrays["hidden_bias"])
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
            raise NetworkError(f"surrogate: not readable as a surrogate network ({error})") from error
        if min(alphabet, window, max_length) < 1:
            raise NetworkError("surrogate: alphabet, window and max_length should be at least 1")
        shapes = {
            "before": (units, alphabet),
            "here": (units, alphabet),
            "hidden": (hidden_units, units + window * alphabet),
        }
        for name, shape in shapes.items():
            if arrays[name].size != np.prod(shape):
                raise NetworkError(f"surrogate: {name} should have shape {shape}, got {arrays[name].size} numbers")
            arrays[name] = arrays[name].reshape(shape)  # an empty list has lost its second axis
        return cls(**arrays, max_length=max_length)


def _whole_numbers(value: object) -> Integers:
    """JSON lists of whole numbers as an array; raises ValueError for anything else, what int64 cannot hold included."""
    numbers = np.array(value)
    if numbers.size and numbers.dtype != np.int64:
        raise ValueError(f"expected whole numbers below 2^63, got {numbers.dtype}")
    return numbers.astype(np.int64)


def pooled_features(
    before: Integers, here: Integers, bias: Integers, window: int, sequences: NDArray[np.int8]
) -> Integers:
    """The pooled layer: (sequences, units + window * alphabet)."""
    count, length = sequences.shape
    pooled, now, earlier = np.zeros((count, len(bias)), np.int64), here.T + bias, before.T  # (alphabet, units)
    for position in range(length):
        total = now.take(sequences[:, position], axis=0)
        if position:
            total += earlier.take(sequences[:, position - 1], axis=0)
        pooled += np.maximum(total, 0, out=total)
    onehot = np.vstack([np.eye(here.shape[1], dtype=np.int64), np.zeros(here.shape[1], np.int64)])  # row -1: no token
    seen = [onehot[sequences[:, -1 - back]] for back in range(min(window, length))]
    blank = np.zeros((count, max(window - length, 0) * here.shape[1]), np.int64)
    return np.hstack([pooled, *seen, blank])


def _where(m: Any, chosen: NDArray[np.bool_], previous: tuple[Any, ...], row: tuple[Any, ...]) -> Any:
    """The formula "(previous token, this token) is a chosen pair"."""
    cases = []
    for token, here in enumerate(row):
        allowed = np.flatnonzero(chosen[:, token])
        if len(allowed) == len(previous):
            cases.append(here)
        elif len(allowed):
            cases.append(m.And(here, m.Or([previous[index] for index in allowed])))
    return m.Or(cases)


def _weighted(m: Any, weights: Integers, terms: list[Any], bias: np.int64) -> Any:
    parts = [
        term if weight == 1 else m.Times(m.Int(int(weight)), term)
        for weight, term in zip(weights, terms, strict=True)
        if weight
    ]
    if bias or not parts:
        parts.append(m.Int(int(bias)))
    return m.Plus(parts)
