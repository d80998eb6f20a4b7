"""A recurrent network of numbers: what comes in at a step are one or several whole numbers, and a number goes out.

    y_t = the whole number nearest to output ``column`` after step t

``numbers`` has a row for each token id, with the numbers that the token stands for, so that such a network may have
more different steps than a domain has tokens: two hundred numbers, or pairs of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cegis.streams import Streams
from tasks.networks.recurrent import Recurrent
from tasks.networks.sparse_transformer import NetworkError

Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class NumberStreams:
    """``numbers``: (tokens, inputs), every combination of ``low`` to ``high``; ``length``: steps that it was made for.

    ``origin``: whose weights they are; ``format``: how they were stored.
    """

    name: str
    network: Recurrent
    numbers: Ints
    length: int
    origin: str
    column: int = 0
    format: str = "recurrent case"

    def __post_init__(self) -> None:
        if self.numbers.shape[0] != len(self.network.tokens) or not 0 <= self.column < self.network.outputs:
            raise NetworkError(f"{self.name}: expected numbers for each of {len(self.network.tokens)} tokens")
        if not np.array_equal(self.numbers, combinations(self.low, self.high, self.inputs)):
            raise NetworkError(f"{self.name}: expected every combination of the numbers of a step, in order")

    @property
    def reference(self) -> str:
        """What claims call it."""
        return f"the network {self.name}"

    @property
    def asked(self) -> Streams:
        """The streams that it was made for."""
        return self.up_to(self.length)

    def up_to(self, longest: int | None) -> Streams:
        """All streams of so many steps at most; None: of any number."""
        return Streams(self.low, self.high, self.inputs, 1, longest)

    @property
    def conditions(self) -> str:
        """How an answer is read, in words."""
        return f"read-out: the whole number nearest to output {self.column}, after every step"

    @property
    def low(self) -> int:
        """The least number of a step."""
        return int(self.numbers.min())

    @property
    def high(self) -> int:
        """The greatest number of a step."""
        return int(self.numbers.max())

    @property
    def inputs(self) -> int:
        """How many numbers come in at a step."""
        return int(self.numbers.shape[1])

    @property
    def alphabet(self) -> tuple[str, ...]:
        """The tokens as texts: ``7``, or ``3,5``."""
        return self.asked.alphabet

    def answers(self, x: Ints) -> Ints:
        """The network's answers (streams, T) to numbers x (streams, T, inputs), in float64 without bounds."""
        span = self.high - self.low + 1
        ids = np.zeros(x.shape[:2], np.int64)
        for n in range(self.inputs):
            ids = ids * span + (x[:, :, n] - self.low)
        states, answers = self.network.initial(len(x)), []
        for at in range(x.shape[1]):
            states = self.network.step(states, ids[:, at])
            answers.append(np.round(self.network.read(states)[:, self.column]))
        return np.stack(answers, axis=1).astype(np.int64)

    def sample(self, count: int, rng: np.random.Generator) -> Ints:
        """Random streams (count, length, inputs): all numbers alike, and of a few numbers that lie close together."""
        shape = (count, self.length, self.inputs)
        x = rng.integers(self.low, self.high + 1, shape)
        about = rng.integers(self.low, self.high + 1, (count, 1, self.inputs))
        near = np.clip(about + rng.integers(-1, 2, shape), self.low, self.high)
        return np.where(rng.random((count, 1, 1)) < 0.3, near, x)


def combinations(low: int, high: int, inputs: int) -> Ints:
    """Every combination (tokens, inputs) of whole numbers, the last changing first."""
    grid = np.stack(np.meshgrid(*[np.arange(low, high + 1)] * inputs, indexing="ij"), -1)
    return grid.reshape(-1, inputs)
