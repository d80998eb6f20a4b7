"""What a row of a sequence grammar does, as a value: for those who take a program apart instead of running it.

An operator carries one of these (``Operator.meaning``) beside its three readings, or none, which says nothing. Token
counts, automata and ranges of values are followed through a program by them; nobody tells a row by its name or text.
A meaning is a promise: ``tests/property`` holds those of ``motifs`` to what the rows answer.

Tokens are indices into the alphabet. The *tests* of a row are its position-wise arguments.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dsl.combination import Combination as Combination

Ints = NDArray[np.int64]
Values = NDArray[Any]


@dataclass(frozen=True)
class TokenTest:
    """A test that each position passes where its token is one of ``tokens``, or, ``is_complement``, none of them."""

    tokens: frozenset[int]
    is_complement: bool = False


@dataclass(frozen=True)
class SameAsLast:
    """A test that each position passes where its token is the last one of the sequence."""


Test = TokenTest | SameAsLast


@dataclass(frozen=True)
class Count:
    """How often ``token`` occurs, or, where that is None, how many positions pass the row's one test."""

    token: int | None = None


@dataclass(frozen=True)
class Remainder:
    """How many positions pass the row's one test, modulo ``modulus``; of a flag, whether that is 1."""

    modulus: int


@dataclass(frozen=True)
class Present:
    """Whether ``token`` occurs."""

    token: int


@dataclass(frozen=True)
class Absent:
    """Whether ``token`` does not occur."""

    token: int


@dataclass(frozen=True)
class Length:
    """The number of tokens."""


@dataclass(frozen=True)
class LastMeets:
    """Whether the last position passes the row's one test."""


Reading = Count | Remainder | Present | Absent | Length | LastMeets


@dataclass(frozen=True)
class Fold:
    """A state that starts at 0 and stays below ``states(longest)``.

    ``step(states, position, *hits)``: the states (rows,) after a token at ``position``, where each of ``hits`` says
    whether the token passes that test of the row. ``value(states, length)``: what the row returns. Where ``states``
    does not grow, only "is the position 0" matters of the position, and nothing of the length.
    """

    states: Callable[[int], int]
    step: Callable[..., Ints]
    value: Callable[[Ints, int], Values]


@dataclass(frozen=True)
class Constant:
    """The same number everywhere."""

    value: int


@dataclass(frozen=True)
class Multiple:
    """``factor`` times the argument."""

    factor: int


@dataclass(frozen=True)
class AtLeast:
    """Whether the argument is at least ``bound``."""

    bound: int


@dataclass(frozen=True)
class Divided:
    """The argument divided by ``divisor``, rounded down, or what is left over."""

    divisor: int


@dataclass(frozen=True)
class Within:
    """A number that is never larger than ``bound``, nor smaller than its negative."""

    bound: int


@dataclass(frozen=True)
class TupleOf:
    """A label that is a tuple of the arguments; ``values``: what each label is a tuple of, None where it is none."""

    values: tuple[tuple[str | int | bool, ...] | None, ...]
