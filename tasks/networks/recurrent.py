"""One type for every recurrent network we read: a state, and the steps that a token and a state go through.

    state_0  = start                                          (width,)
    state_t  = transition([state_(t-1), tokens[id_t]])        the row holds the state first, then what the token is
    logits_t = output(state_t)

``tokens`` has a row for each token id: a row of an embedding, a one-hot row, or the numbers that the token stands for
(several where a step reads several). All layers are in one state, h after h, and for an LSTM h, c, h, c, ... A cell is
spelt with the steps of ``transformer``, each on a row by itself, so that one interpreter, one arithmetic of balls and
one checker serve both kinds of network; ``cells`` spells the known ones:

    recurrence   Affine, Activation("tanh")                    affine and MLP transitions alike
    GRU          Blend(update gate, old h, candidate)          h' = z h + (1 - z) n
    LSTM         Product of (f, i) and (c, g), added; Product of o and tanh of that

It is a value: run it with ``step`` and ``read`` on matrices of states, or ``logits`` on prompts.

    states = network.initial(5)                        # (5, width), five times the state before any token
    states = network.step(states, np.array([0, 1, 1, 0, 1]))
    network.read(states)                               # (5, outputs)

float64 without bounds on rounding; rigorous bounds are in ``tasks.bounds.recurrent``, with the same two names on balls.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from dsl.showing import brief, cut
from tasks.networks.interpreter import CHUNK_VALUES, check_ids, run
from tasks.networks.sparse_transformer import NetworkError
from tasks.networks.transformer import (
    Activation,
    Affine,
    Blend,
    Columns,
    Concat,
    Product,
    Reals,
    Residual,
    Step,
    check_array,
    walk,
    width_after,
)

LONGEST = 64  # tokens of a prompt, where nobody says how many: a recurrence has no end of its own
ROW_STEPS = (Affine, Activation, Residual, Product, Columns, Concat, Blend)


@dataclass(frozen=True, eq=False)
class Recurrent:
    """``tokens``: (vocabulary, inputs); ``start``: (width,), the state before the first token.

    ``transition`` maps rows of width + inputs to rows of ``width``, ``output`` a state to logits. ``dtype`` says in
    which arithmetic it is meant to be executed. ``longest`` is how many tokens a prompt may have, unless somebody asks
    for more: the formula is the same at every length. Raises NetworkError where shapes do not fit; arrays given to it
    are locked against writing.
    """

    tokens: Reals
    start: Reals
    transition: tuple[Step, ...]
    output: tuple[Step, ...]
    longest: int = LONGEST
    dtype: Literal["float32", "float64"] = "float32"

    def __repr__(self) -> str:
        sizes = f"{len(self.tokens)} tokens of {self.tokens.shape[1]}, state of {self.width}, {self.outputs} outputs"
        return cut(f"Recurrent({sizes}, {self.dtype}: {brief(self)})")

    def __post_init__(self) -> None:
        check_array("what the tokens are", self.tokens, (None, None))
        check_array("the initial state", self.start, (None,))
        if self.longest < 1:
            raise NetworkError(f"expected prompts of at least one token, got a longest length of {self.longest}")
        if self.dtype not in ("float32", "float64"):
            raise NetworkError(f"expected execution in float32 or float64, got {self.dtype!r}")
        for step in walk(self.transition + self.output):
            if not isinstance(step, ROW_STEPS):
                known = ", ".join(kind.__name__ for kind in ROW_STEPS)
                raise NetworkError(f"{type(step).__name__} is no step of a recurrent network; known: {known}")
        width = width_after(self.transition, self.width + self.tokens.shape[1], len(self.tokens))
        if width != self.width:
            raise NetworkError(f"the transition should give a state of {self.width}, got {width} numbers")
        if self.dtype == "float32" and any((array != array.astype(np.float32)).any() for array in self.arrays()):
            raise NetworkError("a network executed in float32 has a weight that no float32 can hold")
        _ = self.outputs

    @property
    def width(self) -> int:
        """How many numbers a state holds."""
        return len(self.start)

    @property
    def outputs(self) -> int:
        """How many logits are read from a state."""
        return width_after(self.output, self.width, len(self.tokens))

    @property
    def shortest(self) -> int:
        """The least number of tokens per prompt: none, when the initial state is read."""
        return 0

    @property
    def has_end(self) -> bool:
        """Whether no prompt can be longer than ``longest``: never."""
        return False

    def arrays(self) -> Iterator[Reals]:
        """Every array of weights."""
        yield from (self.tokens, self.start)
        for step in walk(self.transition + self.output):
            yield from (value for value in vars(step).values() if getattr(value, "dtype", None) == np.float64)

    def initial(self, count: int) -> Reals:
        """The state before any token, ``count`` times: (count, width)."""
        return np.tile(self.start, (count, 1))

    def step(self, states: Reals, ids: NDArray[np.integer]) -> Reals:
        """The states (count, width) after one more token each, (count,) ids."""
        rows = np.concatenate([states, self.tokens[ids]], axis=1)
        return run(self.transition, rows, np.zeros((0, 0), np.int64))

    def read(self, states: Reals) -> Reals:
        """The logits (count, outputs) of states (count, width)."""
        return run(self.output, states, np.zeros((0, 0), np.int64))

    def logits(self, ids: NDArray[np.integer]) -> Reals:
        """Logits before the first token and after every one: (prompts, T) ids to (prompts, T + 1, outputs)."""
        check_ids(ids, len(self.tokens), self.longest, self.shortest)
        rows = max(1, CHUNK_VALUES // (4 * self.width + ids.shape[1] * self.outputs))
        parts = []
        for start in range(0, max(1, len(ids)), rows):
            some = ids[start : start + rows]
            states = self.initial(len(some))
            read = [self.read(states)]
            for column in some.T:
                states = self.step(states, column)
                read.append(self.read(states))
            parts.append(np.stack(read, axis=1))
        return np.concatenate(parts)
