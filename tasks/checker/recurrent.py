"""A recurrent network as checked here: a state, and what a token does to it. ``States`` follows many prompts.

    state = start;  per token t: state = transition([state | tokens[t]]);  logits = output(state)

Every step acts on a row by itself. A prompt's state is made from that of the prompt without its last token, so that
prompts which begin alike share that beginning.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from tasks.checker.arithmetic import Arithmetic, Row
from tasks.checker.files import expect
from tasks.checker.network import Prompt, Step, run

T = TypeVar("T")
LONGEST = 2**16  # tokens of a prompt


@dataclass(frozen=True)
class Columns:
    """Those from ``start`` to below ``stop``."""

    start: int
    stop: int

    def __call__(self, a: Arithmetic, rows: list[Row]) -> list[Row]:
        """That part of each row."""
        return [row[self.start : self.stop] for row in rows]


@dataclass(frozen=True)
class Concat:
    """Several ways from each row, their ends side by side."""

    parts: tuple[tuple[Step, ...], ...]

    def __call__(self, a: Arithmetic, rows: list[Row]) -> list[Row]:
        """The ends of all ways."""
        ends = [run(part, a, rows) for part in self.parts]
        return [[v for part in parts for v in part] for parts in zip(*ends, strict=True)]


@dataclass(frozen=True)
class Blend:
    """``g one + (1 - g) other``, g = sigmoid(gate), of three ways from each row."""

    gate: tuple[Step, ...]
    one: tuple[Step, ...]
    other: tuple[Step, ...]

    def __call__(self, a: Arithmetic, rows: list[Row]) -> list[Row]:
        """The blends of the ends of the ways."""
        return a.blend(*(run(way, a, rows) for way in (self.gate, self.one, self.other)))


@dataclass(frozen=True)
class Recurrent:
    """``tokens``: what each token is; ``start``: the state before the first."""

    tokens: list[Row]
    start: Row
    transition: tuple[Step, ...]
    output: tuple[Step, ...]
    longest: int = LONGEST

    def step(self, a: Arithmetic, states: list[Row], tokens: list[int]) -> list[Row]:
        """The states after one more token each."""
        return run(self.transition, a, [state + self.tokens[t] for state, t in zip(states, tokens, strict=True)])

    def read(self, a: Arithmetic, states: list[Row]) -> list[Row]:
        """The logits of states."""
        return run(self.output, a, states)


class States(Generic[T]):
    """What is ``read`` of the logits after each token of a prompt (``every``), or after the last alone.

    ``first``: how many tokens a prompt begins with that no label is read behind.
    """

    def __init__(
        self, network: Recurrent, a: Arithmetic, read: Callable[[Row], T], *, every: bool, first: int = 0
    ) -> None:
        self._network, self._a, self._read, self._every, self._first = network, a, read, every, first
        self._known: dict[Prompt, tuple[Row, T]] = {}
        self._add([()], [network.start])

    def at(self, prompts: list[Prompt]) -> list[list[T]]:
        """What is read of each prompt; all that they do not share with the last of them is forgotten afterwards."""
        new: dict[int, dict[Prompt, None]] = {}
        for prompt in prompts:
            expect(len(prompt) <= self._network.longest, f"prompts of {len(prompt)} tokens do not fit the network")
            for n in range(len(prompt), 0, -1):
                if prompt[:n] in self._known or prompt[:n] in new.get(n, ()):
                    break
                new.setdefault(n, {})[prompt[:n]] = None
        for n in sorted(new):
            heads = [*new[n]]
            states = [self._known[head[:-1]][0] for head in heads]
            self._add(heads, self._network.step(self._a, states, [head[-1] for head in heads]))
        found = [
            [self._known[prompt[:n]][1] for n in range(self._first + 1, len(prompt) + 1)]
            if self._every
            else [self._known[prompt][1]]
            for prompt in prompts
        ]
        last = prompts[-1] if prompts else ()
        self._known = {last[:n]: self._known[last[:n]] for n in range(len(last) + 1)}
        return found

    def _add(self, heads: list[Prompt], states: list[Row]) -> None:
        logits = self._network.read(self._a, states)
        for head, state, row in zip(heads, states, logits, strict=True):
            self._known[head] = state, self._read(row)
