"""The surrogate that people would train: a dense network with one hidden layer over one-hot tokens of one length.

    h = relu(W onehot(x) + b)        logits = V h + c        label = argmax

It is trained (Adam, cross-entropy, seeded) until it is right on all sequences it is given, then its weights are rounded
to the coarsest dyadic grid that keeps it so. Scaled by the grid they are integers, so that real and integer evaluation
agree. Positions are not tied and nothing asks for small or few weights: ``tasks.surrogates.relu`` does both, and this
file is what it is compared with. It is equal to the circuit where it was checked: at its one length, on the sequences
given.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.harness.row import BenchmarkError
from cegis.domain import Tokens
from dsl.sequences import SymbolicSequence
from tasks.surrogates.relu import Integers

WIDTHS = (16, 32, 64)  # hidden units, the fewest that can be trained
STEPS, BATCH, LOOK = 8000, 512, 250
CHUNK = 100_000  # sequences run together
BITS = range(1, 13)
Reals = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Dense:
    """``first``: (units, length * alphabet), ``second``: (labels, units), biases to match; integers."""

    first: Integers
    first_bias: Integers
    second: Integers
    second_bias: Integers

    @property
    def relus(self) -> int:
        """How many hidden units there are."""
        return len(self.first_bias)

    def labels(self, sequences: Tokens, alphabet: int) -> NDArray[np.int64]:
        """(sequences,) label indices of sequences of the one length, -1 for a tie."""
        weights = [self.first, self.first_bias, self.second, self.second_bias]
        logits = _logits(weights, sequences, alphabet)
        top = np.sort(logits, axis=1)
        return np.where(top[:, -1] > top[:, -2], logits.argmax(axis=1), -1)

    def is_right(self, sequences: Tokens, labels: NDArray[np.int8], alphabet: int) -> bool:
        """Whether every one of ``sequences`` gets its label."""
        parts = range(0, len(sequences), CHUNK)
        return all((self.labels(sequences[n : n + CHUNK], alphabet) == labels[n : n + CHUNK]).all() for n in parts)

    def differs(self, symbols: SymbolicSequence, answer: Any) -> Any:
        """The formula "``answer`` (a label index) is not this network's label"; a tie is no label."""
        m = symbols.manager
        tokens = [m.Ite(chosen, m.Int(1), m.Int(0)) for row in symbols.at for chosen in row]
        sums = [_affine(m, *row, tokens) for row in zip(self.first, self.first_bias, strict=True)]
        hidden = [m.Ite(m.GT(total, m.Int(0)), total, m.Int(0)) for total in sums]
        logits = [_affine(m, *row, hidden) for row in zip(self.second, self.second_bias, strict=True)]
        labelled = [
            m.And(m.Equals(answer, m.Int(n)), *(m.GT(mine, other) for k, other in enumerate(logits) if k != n))
            for n, mine in enumerate(logits)
        ]
        return m.Not(m.Or(labelled))

    def to_json(self) -> str:
        """The network as text; ``from_json`` reads it back."""
        return json.dumps({name: value.tolist() for name, value in asdict(self).items()})

    @classmethod
    def from_json(cls, text: str) -> Dense:
        """What ``to_json`` wrote."""
        return cls(**{name: np.array(value, np.int64) for name, value in json.loads(text).items()})


def train(sequences: Tokens, labels: NDArray[np.int8], alphabet: int, classes: int, *, seed: int = 0) -> Dense:
    """A dense network that gives every one of ``sequences`` (of one length) its label; raises BenchmarkError."""
    for width in WIDTHS:
        for weights in _descent(sequences, labels, alphabet, classes, width, seed):
            for bits in BITS:
                network = _rounded(weights, bits)
                if network.is_right(sequences, labels, alphabet):
                    return network
    raise BenchmarkError(
        f"no dense network of {WIDTHS[-1]} units was right on all {len(sequences):,} sequences of length "
        f"{sequences.shape[1]} after {STEPS:,} steps; ask for shorter ones"
    )


def _descent(
    sequences: Tokens, labels: NDArray[np.int8], alphabet: int, classes: int, width: int, seed: int
) -> Iterator[list[Reals]]:
    """Weights in training, now and then while they are right on a part of the sequences."""
    chance = np.random.default_rng(seed)
    length = sequences.shape[1]
    weights = [
        chance.normal(0, length**-0.5, (width, length * alphabet)), np.zeros(width),
        chance.normal(0, width**-0.5, (classes, width)), np.zeros(classes),
    ]  # fmt: skip
    first, second = [np.zeros_like(w) for w in weights], [np.zeros_like(w) for w in weights]
    onehot = np.eye(alphabet)
    looked_at = sequences[:: max(1, len(sequences) // CHUNK)], labels[:: max(1, len(sequences) // CHUNK)]
    for step in range(1, STEPS + 1):
        rows = chance.integers(0, len(sequences), min(BATCH, len(sequences)))
        inputs = onehot[sequences[rows]].reshape(len(rows), -1)
        rate = 0.02 * (1 - step / STEPS) + 1e-4
        for n, slope in enumerate(_slopes(weights, inputs, labels[rows])):
            first[n] = 0.9 * first[n] + 0.1 * slope
            second[n] = 0.999 * second[n] + 0.001 * slope**2
            scaled = first[n] / (1 - 0.9**step), second[n] / (1 - 0.999**step)
            weights[n] = weights[n] - rate * scaled[0] / (np.sqrt(scaled[1]) + 1e-8)
        if step % LOOK == 0 and (_logits(weights, looked_at[0], alphabet).argmax(axis=1) == looked_at[1]).all():
            yield weights


def _logits(weights: Sequence[NDArray[Any]], sequences: Tokens, alphabet: int) -> NDArray[Any]:
    """(sequences, labels), in the arithmetic of the weights."""
    total = np.broadcast_to(weights[1], (len(sequences), len(weights[1])))
    for position in range(sequences.shape[1]):
        total = total + weights[0].T[position * alphabet + sequences[:, position].astype(np.int64)]
    result: NDArray[Any] = np.maximum(total, 0) @ weights[2].T + weights[3]
    return result


def _slopes(weights: list[Reals], inputs: Reals, labels: NDArray[np.int8]) -> list[Reals]:
    """The gradient of the mean cross-entropy."""
    hidden = np.maximum(inputs @ weights[0].T + weights[1], 0)
    logits = hidden @ weights[2].T + weights[3]
    share = np.exp(logits - logits.max(axis=1, keepdims=True))
    error = share / share.sum(axis=1, keepdims=True)
    error[np.arange(len(labels)), labels] -= 1
    error /= len(labels)
    back = (error @ weights[2]) * (hidden > 0)
    return [back.T @ inputs, back.sum(axis=0), error.T @ hidden, error.sum(axis=0)]


def _rounded(weights: list[Reals], bits: int) -> Dense:
    """The integers of a grid of step 2^-bits; the last bias is on the grid of products."""
    scale = 2.0**bits
    first, first_bias, second, second_bias = (
        np.rint(w * s).astype(np.int64) for w, s in zip(weights, (scale, scale, scale, scale**2), strict=True)
    )
    return Dense(first, first_bias, second, second_bias)


def _affine(m: Any, weights: Integers, bias: np.int64, terms: list[Any]) -> Any:
    parts = [m.Times(m.Int(int(w)), term) for w, term in zip(weights, terms, strict=True) if w]
    return m.Plus([*parts, m.Int(int(bias))])
