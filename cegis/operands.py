"""Prompts with two numbers in them, digit by digit: a structured domain of pairs, far too many to list.

    prompt    before  DIGITS OF a  between  DIGITS OF b  after
    answer    the digits of a number, as a network goes on, one token after the other

An ``Operands`` is the set of all pairs ``(a, b)`` of numbers from 0 to ``most``, written with a fixed number of digits,
leading zeros included. The order of the digits, most or least significant first (``msb``, ``lsb``), is one of its
fields, for the operands and for the answer. This file knows no program and no network.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from numbers import Integral
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cegis.domain import DomainError

Order = Literal["lsb", "msb"]
Pair = tuple[int, int]
Cell = tuple[str, int] | str  # the digit of an operand that counts so many powers of the base, or a token

MOST_DIGITS, MOST_BASE = 64, 1024


@dataclass(frozen=True)
class Operands:
    """All pairs of numbers from 0 to ``most`` (None: all of ``digits`` digits), and how a prompt shows them.

    The token of the digit d is its number in decimal. ``before``, ``between`` and ``after`` are tokens; the answer has
    ``answer_digits`` digits (None: one more than an operand).

    >>> pairs = Operands(digits=2, between=("+",), after=("=",))
    >>> pairs.prompt(17, 5), pairs.answer(22), pairs.size()
    (('7', '1', '+', '5', '0', '='), ('2', '2', '0'), 10000)
    >>> pairs.value(("2", "2", "0"))
    22
    """

    digits: int = 10
    base: int = 10
    order: Order = "lsb"
    answer_digits: int | None = None
    answer_order: Order | None = None
    before: tuple[str, ...] = ()
    between: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    most: int | None = None

    def __post_init__(self) -> None:
        for name in ("digits", "base", "answer_digits", "most"):
            value = getattr(self, name)
            if value is not None and (not isinstance(value, Integral) or isinstance(value, bool)):
                raise DomainError(f"expected {name} as a whole number, got {value!r}")
        if not 1 <= self.digits <= MOST_DIGITS or not 2 <= self.base <= MOST_BASE:
            raise DomainError(
                f"expected 1 to {MOST_DIGITS} digits of a base from 2 to {MOST_BASE:,}, got {self.digits} of base "
                f"{self.base}"
            )
        if self.order not in ("lsb", "msb") or self.answer_order not in (None, "lsb", "msb"):
            raise DomainError(f"expected the order lsb or msb, got {self.order!r} and {self.answer_order!r}")
        if not 1 <= self.shown_digits <= 2 * MOST_DIGITS:
            raise DomainError(f"expected an answer of 1 to {2 * MOST_DIGITS} digits, got {self.answer_digits}")
        if not 0 <= self.largest < self.base**self.digits:
            raise DomainError(f"expected numbers up to {self.base**self.digits - 1:,}, got most = {self.most}")
        for name in ("before", "between", "after"):
            tokens = getattr(self, name)
            if not isinstance(tokens, tuple) or not all(isinstance(token, str) for token in tokens):
                raise DomainError(f"expected {name} as a tuple of tokens, such as ('+',), got {tokens!r}")

    def up_to(self, digits: int) -> Operands:
        """The same prompts, of numbers of so many digits at most.

        >>> Operands(digits=3).up_to(2).largest
        99
        """
        most = self.base ** min(digits, self.digits) - 1
        return self if most >= self.largest else replace(self, most=most)

    @property
    def largest(self) -> int:
        """The largest number that an operand may be."""
        return int(self.base**self.digits - 1 if self.most is None else self.most)

    @property
    def shown_digits(self) -> int:
        """How many digits the answer has."""
        return int(self.digits + 1 if self.answer_digits is None else self.answer_digits)

    @property
    def tokens(self) -> tuple[str, ...]:
        """Those of prompts and answers."""
        return (*self.before, *self.alphabet, *self.between, *self.after)

    @property
    def min_length(self) -> int:
        """How many tokens a prompt has."""
        return len(self.cells)

    @property
    def max_length(self) -> int:
        """As many: every prompt has the same length."""
        return len(self.cells)

    @property
    def alphabet(self) -> tuple[str, ...]:
        """The tokens of digits, in their order."""
        return tuple(map(str, range(self.base)))

    @cached_property
    def cells(self) -> tuple[Cell, ...]:
        """What stands at each place of a prompt."""
        powers = _powers(self.digits, self.order)
        parts = [[(name, power) for power in powers] for name in "ab"]
        return (*self.before, *parts[0], *self.between, *parts[1], *self.after)

    @cached_property
    def answer_powers(self) -> tuple[int, ...]:
        """The power of the base that each digit of an answer counts, in the order in which they are given."""
        return _powers(self.shown_digits, self.answer_order or "lsb")

    def size(self) -> int:
        """How many pairs there are."""
        return (self.largest + 1) ** 2

    def contains(self, pair: Pair) -> bool:
        """Whether it is one of the pairs."""
        return all(0 <= number <= self.largest for number in pair)

    def prompt(self, a: int, b: int) -> tuple[str, ...]:
        """The tokens that show a pair; raises DomainError for one that is not of the domain."""
        if not self.contains((a, b)):
            raise DomainError(f"expected numbers from 0 to {self.largest:,}, got {a} and {b}")
        numbers = {"a": a, "b": b}
        return tuple(
            cell if isinstance(cell, str) else str(numbers[cell[0]] // self.base ** cell[1] % self.base)
            for cell in self.cells
        )

    def answer(self, value: int) -> tuple[str, ...]:
        """The tokens that show ``value``; raises DomainError where its digits do not hold it."""
        if not 0 <= value < self.base**self.shown_digits:
            raise DomainError(f"{value} has not {self.shown_digits} digits of base {self.base}")
        return tuple(str(value // self.base**power % self.base) for power in self.answer_powers)

    def value(self, tokens: tuple[str, ...]) -> int | None:
        """The number that an answer shows; None where a token is no digit."""
        if len(tokens) != self.shown_digits or any(token not in self.alphabet for token in tokens):
            return None
        parts = [int(token) * int(self.base) ** power for token, power in zip(tokens, self.answer_powers, strict=True)]
        return int(sum(parts))

    def digits_of(self, numbers: NDArray[np.object_]) -> NDArray[np.int64]:
        """Digits of whole numbers of any size, least significant first: (count,) to (count, digits)."""
        columns = [numbers // self.base**power % self.base for power in range(self.digits)]
        return np.stack(columns, axis=-1).astype(np.int64)

    @property
    def words(self) -> str:
        """The numbers in words.

        >>> Operands(digits=3).words
        'numbers a, b from 0 to 999 (3 digits, least significant first)'
        """
        digits = f"{self.digits} digit{'s' * (self.digits > 1)}{'' if self.base == 10 else f' of base {self.base}'}"
        return f"numbers a, b from 0 to {self.largest:,} ({digits}{_first(self.order, self.digits)})"

    @property
    def answer_words(self) -> str:
        """The answer in words."""
        count = self.shown_digits
        return f"{count} digit{'s' * (count > 1)}{_first(self.answer_order or 'lsb', count)}"

    @property
    def shown(self) -> str:
        """A prompt in words, runs of digits as such.

        >>> Operands(digits=3, between=("+",), after=("=",)).shown
        "a '+' b '='"
        """
        around = [" ".join(map(repr, part)) for part in (self.before, self.between, self.after)]
        return " ".join(filter(None, (around[0], "a", around[1], "b", around[2])))


def _powers(count: int, order: Order) -> tuple[int, ...]:
    return tuple(range(count) if order == "lsb" else range(count - 1, -1, -1))


def _first(order: Order, digits: int) -> str:
    return "" if digits == 1 else f", {'least' if order == 'lsb' else 'most'} significant first"
