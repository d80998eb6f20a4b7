"""Which sequences a claim is about: an alphabet, a length range, and an optional regular constraint.

A domain is a finite (or, with ``max_length=None``, infinite) set of token sequences. It can be counted without
being listed (a dynamic programme over the constraint's automaton) and listed length by length as numpy arrays.
This file knows no program and no network.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from numbers import Integral

import numpy as np
from numpy.typing import NDArray

from dsl.showing import brief, cut

Tokens = NDArray[np.int8]  # (sequences, length), indices into the alphabet

DEAD = -1
MAX_ALPHABET = 127


class DomainError(ValueError):
    """A domain that cannot be meant: empty, contradictory, or too large to list.

    >>> Domain(("a", "b"), 5, 4)
    Traceback (most recent call last):
        ...
    cegis.domain.DomainError: the domain is empty: the longest length 4 is below the shortest length 5
    """


@dataclass(frozen=True)
class Constraint:
    """A regular constraint on sequences: a deterministic automaton that starts in state 0.

    ``transitions[state][symbol]`` is the next state, or ``DEAD`` (-1) where no continuation is allowed.

    >>> ends_in_a = Constraint("ends in a", ((1, 0), (1, 0)), (False, True))
    >>> Domain(("a", "b"), 1, 4, ends_in_a).size()
    15
    """

    text: str
    transitions: tuple[tuple[int, ...], ...]
    accepting: tuple[bool, ...]

    def __repr__(self) -> str:
        return f"Constraint({cut(self.text)!r}, {len(self.accepting)} states)"

    def __post_init__(self) -> None:
        are_tuples = isinstance(self.transitions, tuple) and all(isinstance(row, tuple) for row in self.transitions)
        if not are_tuples or not isinstance(self.accepting, tuple):
            raise DomainError(
                f"constraint {self.text!r}: expected transitions as a tuple of tuples and accepting as a tuple, "
                "such as Constraint('even a', ((1, 0), (0, 1)), (True, False))"
            )
        states = len(self.transitions)
        if states == 0 or len(self.accepting) != states:
            raise DomainError(
                f"constraint {self.text!r}: expected one accepting flag per state, "
                f"got {states} states and {len(self.accepting)} flags"
            )
        width = len(self.transitions[0])
        for state, row in enumerate(self.transitions):
            if len(row) != width or not all(DEAD <= target < states for target in row):
                raise DomainError(
                    f"constraint {self.text!r}: row {state} must hold {width} targets "
                    f"between -1 and {states - 1}, got {row}"
                )

    def completions(self, length: int) -> list[list[int]]:
        """``result[n][state]``: accepted continuations of exactly n symbols, n up to ``length`` (Python integers)."""
        counts = self._counts
        while len(counts) <= length:
            below = counts[-1]
            counts.append([sum(below[target] for target in row if target != DEAD) for row in self.transitions])
        return counts[: length + 1]

    @cached_property
    def _counts(self) -> list[list[int]]:
        """``completions`` as far as anybody asked."""
        return [[int(flag) for flag in self.accepting]]

    @classmethod
    def explore(
        cls,
        text: str,
        alphabet: Sequence[str],
        start: Hashable,
        step: Callable[[Hashable, str], Hashable | None],
        accepts: Callable[[Hashable], bool],
        *,
        max_states: int = 10_000,
    ) -> Constraint:
        """The automaton whose states are what ``step`` can reach from ``start``; ``None`` means dead.

        >>> even = Constraint.explore("even", "ab", 0, lambda s, t: s ^ (t == "a"), lambda s: s == 0)
        >>> even.transitions, even.accepting
        (((1, 0), (0, 1)), (True, False))
        """
        index: dict[Hashable, int] = {start: 0}
        order: list[Hashable] = [start]
        rows: list[tuple[int, ...]] = []
        for state in order:  # grows while we walk it: breadth first
            row: list[int] = []
            for token in alphabet:
                target = step(state, token)
                if target is not None and target not in index:
                    if len(order) >= max_states:
                        raise DomainError(
                            f"constraint {text!r} reaches more than {max_states} states; bound the counter it keeps"
                        )
                    index[target] = len(order)
                    order.append(target)
                row.append(DEAD if target is None else index[target])
            rows.append(tuple(row))
        return cls(text, tuple(rows), tuple(accepts(state) for state in order))


@dataclass(frozen=True)
class Domain:
    """Every sequence over ``alphabet`` with ``min_length <= length <= max_length`` that meets ``constraint``.

    >>> domain = Domain(("a", "b"), 1, 4)
    >>> domain.size(), domain.count(3), domain.contains(("a", "b"))
    (30, 8, True)
    """

    alphabet: tuple[str, ...]
    min_length: int = 1
    max_length: int | None = 10
    constraint: Constraint | None = None

    __repr__ = brief

    def __post_init__(self) -> None:
        if not isinstance(self.alphabet, tuple) or not all(isinstance(token, str) for token in self.alphabet):
            raise DomainError(
                f"expected the alphabet as a tuple of tokens, such as ('a', 'b'), got {cut(repr(self.alphabet), 80)}"
            )
        for name in ("min_length", "max_length"):
            value = getattr(self, name)
            if not isinstance(value, Integral) and not (value is None and name == "max_length"):
                raise DomainError(f"expected {name} as a whole number, got {cut(repr(value), 80)}")
        if not 1 <= len(self.alphabet) <= MAX_ALPHABET or len(set(self.alphabet)) != len(self.alphabet):
            raise DomainError(f"expected 1 to {MAX_ALPHABET} different tokens in the alphabet, got {self.alphabet!r}")
        if self.min_length < 0:
            raise DomainError(f"expected a shortest length of 0 or more, got {self.min_length}")
        if self.max_length is not None and self.max_length < self.min_length:
            raise DomainError(
                f"the domain is empty: the longest length {self.max_length} is below "
                f"the shortest length {self.min_length}"
            )
        if self.constraint is not None and len(self.constraint.transitions[0]) != len(self.alphabet):
            raise DomainError(
                f"constraint {self.constraint.text!r} reads {len(self.constraint.transitions[0])} symbols, "
                f"the alphabet has {len(self.alphabet)}"
            )

    @property
    def lengths(self) -> range:
        """The lengths of a bounded domain, shortest first."""
        if self.max_length is None:
            raise DomainError("an unbounded domain has no list of lengths; give it a longest length")
        return range(self.min_length, self.max_length + 1)

    def up_to(self, max_length: int) -> Domain:
        """The same domain with another longest length."""
        return Domain(self.alphabet, self.min_length, max_length, self.constraint)

    def count(self, length: int) -> int:
        """How many sequences of exactly ``length`` the domain holds (exact, without listing them)."""
        if self.constraint is None:
            return math.prod([len(self.alphabet)] * length)
        return self._completions(length)[length][0]

    def size(self) -> int:
        """How many sequences a bounded domain holds."""
        if self.constraint is None:
            return sum(self.count(length) for length in self.lengths)
        completions = self._completions(self.lengths[-1])
        return sum(completions[length][0] for length in self.lengths)

    def sample(self, length: int, count: int, random: np.random.Generator) -> Tokens:
        """``count`` sequences drawn uniformly from those of ``length``, (count, length) indices into the alphabet.

        Raises DomainError where there is none.
        """
        if not self.count(length):
            raise DomainError(f"the domain holds no sequence of length {length} to draw from; ask for another length")
        if self.constraint is None:
            return random.integers(0, len(self.alphabet), (count, length)).astype(np.int8)
        table = np.array(self.constraint.transitions)
        states, tokens = np.zeros(count, np.int64), np.zeros((count, length), np.int8)
        for position, ways in enumerate(self._completions(length)[-2::-1]):
            most = max(ways)
            share = np.array([way / most for way in ways])  # whole numbers of any size
            weights = np.where(table == DEAD, 0.0, share[table])[states].cumsum(axis=1)
            tokens[:, position] = (random.random((count, 1)) * weights[:, -1:] >= weights).sum(axis=1)
            states = table[states, tokens[:, position]]
        return tokens

    def sequences(self, length: int, *, max_count: int = 20_000_000) -> Tokens:
        """All sequences of ``length`` in lexicographic order: (count, length) indices into the alphabet.

        Raises DomainError when there are more than ``max_count``.
        """
        count = self.count(length)
        if count > max_count:
            raise DomainError(
                f"{count:,} sequences of length {length} are too many to list (limit {max_count:,}); "
                "ask for a shorter length"
            )
        symbols = np.arange(len(self.alphabet), dtype=np.int8)
        if self.constraint is None:
            if length == 0 or len(symbols) == 1:  # numpy has no room for an axis per position of a long sequence
                return np.zeros((1, length), np.int8)
            return np.stack(np.meshgrid(*[symbols] * length, indexing="ij"), axis=-1).reshape(-1, length)
        table = np.array(self.constraint.transitions)
        completions = self._completions(length)
        prefixes, states = np.zeros((1, 0), np.int8), np.zeros(1, int)
        for position in range(length):
            states = table[states].reshape(-1)
            prefixes = np.hstack([np.repeat(prefixes, len(symbols), axis=0), np.tile(symbols, len(prefixes))[:, None]])
            live = np.array(
                [completions[length - position - 1][s] > 0 if s != DEAD else False for s in range(len(table))] + [False]
            )  # index -1 is DEAD
            prefixes, states = prefixes[live[states]], states[live[states]]
        if length == 0 and not count:
            return prefixes[:0]
        return prefixes

    def first(self) -> tuple[str, ...] | None:
        """The first sequence of a bounded domain, found without listing any; None when there is none."""
        length = next((length for length in self.lengths if self.count(length)), None)
        if length is None or self.constraint is None:
            return None if length is None else self.alphabet[:1] * length
        completions, state, word = self._completions(length), 0, []
        for left in reversed(range(length)):
            row = self.constraint.transitions[state]
            token = next(t for t, target in enumerate(row) if target != DEAD and completions[left][target])
            state = row[token]
            word.append(self.alphabet[token])
        return tuple(word)

    def contains(self, tokens: Sequence[str]) -> bool:
        """Whether ``tokens`` is a sequence of this domain."""
        if len(tokens) < self.min_length or (self.max_length is not None and len(tokens) > self.max_length):
            return False
        if any(token not in self.alphabet for token in tokens):
            return False
        if self.constraint is None:
            return True
        state = 0
        for token in tokens:
            state = self.constraint.transitions[state][self.alphabet.index(token)]
            if state == DEAD:
                return False
        return self.constraint.accepting[state]

    def words(self, tokens: Sequence[int] | NDArray[np.int8]) -> tuple[str, ...]:
        """Indices as token names."""
        return tuple(self.alphabet[int(index)] for index in tokens)

    def indices(self, words: Sequence[str]) -> tuple[int, ...]:
        """Token names as indices; raises DomainError for a token outside the alphabet."""
        unknown = [word for word in words if word not in self.alphabet]
        if unknown:
            raise DomainError(f"unknown token {unknown[0]!r}; the alphabet is {', '.join(self.alphabet)}")
        return tuple(self.alphabet.index(word) for word in words)

    def __iter__(self) -> Iterator[tuple[str, ...]]:
        """Every sequence of a bounded domain as token names, shortest first."""
        for length in self.lengths:
            for row in self.sequences(length):
                yield self.words(row)

    def _completions(self, length: int) -> list[list[int]]:
        """``result[n][state]``: accepted continuations of exactly n symbols from ``state`` (Python integers)."""
        assert self.constraint is not None
        return self.constraint.completions(length)
