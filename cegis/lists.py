"""Prompts with a list in them that a network answers token by token: a structured domain of lists, too many to list.

    prompt    before  ITEMS  after
    answer    so many tokens, as a network goes on, one after the other

A ``Lists`` is the set of all lists of a fixed number of tokens of an alphabet, all different where it says so. This
file knows no program and no network.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from cegis.domain import DomainError

MOST_ITEMS, MOST_TOKENS = 256, 127


@dataclass(frozen=True)
class Lists:
    """All lists of ``items`` tokens of ``alphabet``, and how a prompt shows them; the answer has ``answers`` tokens.

    >>> lists = Lists(("1", "2", "3"), 2, 2, after=("SEP",), is_distinct=True)
    >>> lists.size(), lists.prompt(("3", "1")), lists.contains(("3", "3"))
    (6, ('3', '1', 'SEP'), False)
    >>> lists.words
    "2 different tokens of 3 from '1' to '3'"
    """

    alphabet: tuple[str, ...]
    items: int
    answers: int
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    is_distinct: bool = False

    def __post_init__(self) -> None:
        if not 1 <= len(self.alphabet) <= MOST_TOKENS or len({*self.alphabet}) != len(self.alphabet):
            raise DomainError(f"expected 1 to {MOST_TOKENS} different tokens, got {len(self.alphabet)}")
        if not 1 <= self.items <= MOST_ITEMS or not 1 <= self.answers <= self.items:
            raise DomainError(
                f"expected a list of 1 to {MOST_ITEMS} tokens and an answer of as many at most, got {self.items} and "
                f"{self.answers}"
            )
        if self.is_distinct and self.items > len(self.alphabet):
            raise DomainError(f"expected at most {len(self.alphabet)} different tokens in a list, got {self.items}")

    def size(self) -> int:
        """How many lists there are."""
        count = len(self.alphabet)
        return math.perm(count, self.items) if self.is_distinct else count**self.items

    def contains(self, items: tuple[str, ...]) -> bool:
        """Whether it is one of the lists."""
        fits = len(items) == self.items and {*items} <= {*self.alphabet}
        return fits and (not self.is_distinct or len({*items}) == len(items))

    def prompt(self, items: tuple[str, ...]) -> tuple[str, ...]:
        """The tokens that show a list; raises DomainError for one that is not of the domain."""
        if not self.contains(items):
            raise DomainError(f"expected {self.words}, got {' '.join(items)!r}")
        return (*self.before, *items, *self.after)

    @property
    def tokens(self) -> tuple[str, ...]:
        """Those of prompts and answers."""
        return (*self.before, *self.alphabet, *self.after)

    @property
    def min_length(self) -> int:
        """How long the lists are."""
        return self.items

    @property
    def max_length(self) -> int:
        """How long the lists are."""
        return self.items

    @property
    def words(self) -> str:
        """The lists in words."""
        first, last = self.alphabet[0], self.alphabet[-1]
        which = "different tokens" if self.is_distinct else "tokens"
        return f"{self.items} {which} of {len(self.alphabet)} from {first!r} to {last!r}"

    @property
    def shown(self) -> str:
        """A prompt in words."""
        around = [" ".join(map(repr, part)) for part in (self.before, self.after)]
        return " ".join(filter(None, (around[0], "LIST", around[1])))
