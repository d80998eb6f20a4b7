"""The classes of a domain: which (counts, last token, states) its sequences reach, length by length.

All sequences of one class have the same token counts, the same last token, and leave the constraint and the folds of
a program in the same states. There are exponentially many sequences and polynomially many classes. The classes of
length n + 1 are those of n moved by one token, so each is reached by a sequence, and ``word`` finds one.

A class is one whole number: ``sum_c n_c base^c + base^letters * state``, base = longest + 1, the state of constraint
and folds likewise in mixed radix. This file knows no network.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from math import prod

import numpy as np

from cegis.domain import DEAD, Domain, DomainError
from dsl.meaning import Ints
from tasks.automata.program_states import Folded

MOST_CLASSES = 30_000_000  # of one length
MOST_CODE = 2**62


@dataclass(frozen=True)
class Level:
    """The classes of one length: ``ends[token]`` those whose last token is ``token``, as (classes,) sorted codes."""

    length: int
    ends: dict[int, Ints]


class Classes:
    """The classes of ``domain`` (bounded) under the folds of a program.

    ``last`` None: all last tokens together, for folds that do not ask for it; else the classes that end in ``last``.
    ``kinds``: the kind of each letter, from 0, where letters of one kind are counted together (default: none are).
    Raises DomainError where the classes cannot be numbered.
    """

    def __init__(
        self, domain: Domain, folded: Folded, last: int | None = None, kinds: tuple[int, ...] | None = None
    ) -> None:
        self.domain, self.folded, self.last = domain, folded, last
        self.longest, self.letters = domain.lengths[-1], len(domain.alphabet)
        self.base = self.longest + 1
        self.kinds = tuple(range(self.letters)) if kinds is None else kinds
        self.plane = self.base ** (max(self.kinds) + 1)
        states = 1 if domain.constraint is None else len(domain.constraint.transitions)
        self.sizes = (states, *(fold.states(self.longest) for _, fold in folded.folds))
        if self.plane * prod(self.sizes) > MOST_CODE:
            raise DomainError(
                f"counts of {max(self.kinds) + 1} kinds of tokens up to length {self.longest}, beside "
                f"{prod(self.sizes):,} states, are too many to number; ask for a shorter length"
            )
        self._reached: list[Ints] = [np.zeros(1, np.int64)]

    def levels(self) -> Iterator[Level]:
        """The accepted classes of each length from 1, shortest first, those below the domain's left out."""
        for length in range(1, self.longest + 1):
            before = self._reached[length - 1]
            if len(before) * self.letters > MOST_CLASSES:
                raise DomainError(f"more than {MOST_CLASSES:,} classes of length {length}; ask for a shorter length")
            moved = [unique(self.step(before, token, length - 1)) for token in range(self.letters)]
            if len(self._reached) == length:
                self._reached.append(unique(np.concatenate(moved)))
            if length >= self.domain.min_length:
                ends = {token: self._accepted(codes) for token, codes in enumerate(moved) if self.last in (None, token)}
                yield Level(length, ends)

    def counts(self, codes: Ints) -> Ints:
        """(classes, letters); those of one kind in the column of its first letter."""
        found = np.zeros((len(codes), self.letters), np.int64)
        for kind in range(max(self.kinds) + 1):
            found[:, self.kinds.index(kind)] = codes // self.base**kind % self.base
        return found

    def states(self, codes: Ints) -> tuple[Ints, ...]:
        """The state of the constraint, then of each fold."""
        rest, found = codes // self.plane, []
        for size in self.sizes:
            found.append(rest % size)
            rest = rest // size
        return tuple(found)

    def answers(self, codes: Ints, token: int, length: int) -> Ints:
        """What the program says of each class that ends in ``token``."""
        values = self.folded.evaluate(self.counts(codes), token, length, self.states(codes)[1:])
        return values.astype(np.int64)

    def word(self, code: int, token: int, length: int) -> tuple[str, ...]:
        """A sequence of the class ``code`` of ``length`` that ends in ``token``."""
        found: list[int] = []
        for position in reversed(range(length)):
            before = self._reached[position]
            for choice in (token,) if not found else range(self.letters):
                match = before[self.step(before, choice, position, keep=True) == code]
                if len(match):
                    code = int(match[0])
                    found.append(choice)
                    break
            else:
                raise AssertionError("every class is reached from a shorter one")
        return self.domain.words(found[::-1])

    def step(self, codes: Ints, token: int, position: int, *, keep: bool = False) -> Ints:
        """The classes after ``token`` at ``position``; those the constraint forbids are -1 (``keep``) or left out."""
        constraint, *states = self.states(codes)
        if self._table is not None:
            constraint = self._table[constraint, token]
        hits = self.folded.hits(token, self.last)
        moved = [
            np.asarray(fold.step(state, position, *met))
            for (_, fold), state, met in zip(self.folded.folds, states, hits, strict=True)
        ]
        after, scale = self._counted(codes % self.plane, token), self.plane
        for size, state in zip(self.sizes, (constraint, *moved), strict=True):
            after, scale = after + scale * state, scale * size
        dead = constraint == DEAD
        return np.where(dead, -1, after) if keep else after[~dead]

    def _counted(self, vectors: Ints, token: int) -> Ints:
        """Vectors of counts after one more ``token``."""
        return np.asarray(vectors + self.base ** self.kinds[token])

    def _accepted(self, codes: Ints) -> Ints:
        constraint = self.domain.constraint
        return codes if constraint is None else codes[np.array(constraint.accepting)[self.states(codes)[0]]]

    @cached_property
    def _table(self) -> Ints | None:
        constraint = self.domain.constraint
        return None if constraint is None else np.array(constraint.transitions, np.int64)


def unique(codes: Ints) -> Ints:
    """Sorted, each once (``np.unique`` hashes, which is slower here)."""
    codes = np.sort(codes)
    return codes[np.concatenate([[True], codes[1:] != codes[:-1]])] if len(codes) else codes
