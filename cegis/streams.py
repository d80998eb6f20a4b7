"""Streams of whole numbers, one step after the other: a structured domain, far too many to list.

A ``Streams`` is the set of all streams of so many steps, at each of which come one or several numbers. A step is
written as a token: ``7``, or ``3,5`` for two numbers. This file knows no program and no network.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby, product

from cegis.domain import DomainError


@dataclass(frozen=True)
class Streams:
    """All streams of ``min_length`` to ``max_length`` steps (None: of any number of them).

    At every step come ``inputs`` whole numbers, each from ``low`` to ``high``.

    >>> bits = Streams(0, 1, inputs=2, max_length=3)
    >>> bits.words, bits.size(), bits.alphabet
    ('1 to 3 steps, each of 2 whole numbers from 0 to 1', 84, ('0,0', '0,1', '1,0', '1,1'))
    """

    low: int
    high: int
    inputs: int = 1
    min_length: int = 1
    max_length: int | None = None

    def __post_init__(self) -> None:
        if self.low > self.high or self.inputs < 1:
            raise DomainError(f"expected numbers that rise, got {self.low} to {self.high}, {self.inputs} a step")
        if self.min_length < 1 or (self.max_length is not None and self.max_length < self.min_length):
            raise DomainError(f"expected streams of 1 step or more, got {self.min_length} to {self.max_length} steps")

    @property
    def each(self) -> int:
        """How many different steps there are."""
        return int((self.high - self.low + 1) ** self.inputs)

    def size(self) -> int:
        """How many streams there are; DomainError where there is no longest one."""
        if self.max_length is None:
            raise DomainError("there are infinitely many streams; say how long they are at most")
        return sum(self.each**length for length in range(self.min_length, self.max_length + 1))

    @cached_property
    def alphabet(self) -> tuple[str, ...]:
        """The tokens of a step, in their order, the last number changing first."""
        numbers = range(self.low, self.high + 1)
        return tuple(",".join(map(str, step)) for step in product(numbers, repeat=self.inputs))

    @property
    def words(self) -> str:
        """How long, and of what.

        >>> Streams(0, 9).words, Streams(0, 9, max_length=1).words
        ('1 or more steps, each a whole number from 0 to 9', '1 step, a whole number from 0 to 9')
        """
        is_one = self.max_length == self.min_length == 1
        steps = f"{self.min_length} to {self.max_length} steps"
        if self.max_length is None:
            steps = f"{self.min_length} or more steps"
        elif self.max_length == self.min_length:
            steps = f"{self.min_length} step{'' if is_one else 's'}"
        number = "a whole number" if self.inputs == 1 else f"of {self.inputs} whole numbers"
        return f"{steps}, {'' if is_one else 'each '}{number} from {self.low} to {self.high}"


def stream_text(tokens: Iterable[str]) -> str:
    """A stream for a reader: what comes several times in a row is said once.

    >>> stream_text(["1", "99", "99", "99", "0,1"])
    '1 99 (3 times) 0,1'
    """
    runs = [(token, len(list(run))) for token, run in groupby(tokens)]
    return " ".join(f"{token} ({count} times)" if count > 2 else " ".join([token] * count) for token, count in runs)
