"""What a program of the motif grammar reads off a sequence whose token counts and last token are known.

Every row of ``dsl.grammars.motifs`` is one of three things, given the last token:

- a *reading*: a function of the counts and the last token (``count``, ``has``, ``ends with``, parity, length);
- a *fold*: a state that each token moves, with only so many values (``depth``, ``latch``, ``stage``, ``first``);
- a function of its arguments alone (``plus``, ``greater``, ``choose``).

So a program is a function of (counts, last token, states), and ``parikh`` finds which of these a domain reaches. What a
row is, its operator says (``dsl.meaning``); one that reads the sequence and does not say it is refused, never guessed
at.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from dsl.meaning import (
    Absent,
    Count,
    Fold,
    Ints,
    LastMeets,
    Length,
    Present,
    Reading,
    Remainder,
    SameAsLast,
    Test,
    TokenTest,
    Values,
)
from dsl.operators import Term
from dsl.program import Program

Tokens = frozenset[int]  # indices into the alphabet
Row = Test | Reading | Fold  # what reads the sequence

NOTHING = np.zeros(0, np.int64)


class UncountableError(ValueError):
    """A program that cannot be read off counts and states."""


@dataclass(frozen=True)
class Folded:
    """A program as its folds and the rest. Raises UncountableError where a row is none of the three."""

    program: Program

    def __post_init__(self) -> None:
        for term in self.terms:
            if isinstance(self.row(term), Reading | Fold):
                if not all(isinstance(self.row(argument), Test) for argument in term.arguments):
                    raise UncountableError(f"counting cannot follow the arguments of the row {term.operator.name!r}")
            elif self.row(term) is None and any(part.sort.positional for part in (term, *term.arguments)):
                raise UncountableError(f"counting does not know the row {term.operator.name!r}")
        letters = len(self.program.grammar.sequences.alphabet)
        self.evaluate(np.zeros((0, letters), np.int64), 0, 0, tuple(NOTHING for _ in self.folds))

    @cached_property
    def folds(self) -> tuple[tuple[Term, Fold], ...]:
        """The different folds of the program, and the terms they are."""
        found = [(term, self.row(term)) for term in self.terms]
        return tuple((term, row) for term, row in found if isinstance(row, Fold))

    @cached_property
    def asks_last(self) -> bool:
        """Whether the steps of some fold depend on what the last token will be."""
        return any(isinstance(self.row(test), SameAsLast) for term, _ in self.folds for test in term.arguments)

    def hits(self, token: int, last: int | None) -> tuple[tuple[bool, ...], ...]:
        """For every fold, which of its tests ``token`` meets in a sequence that ends in ``last``."""
        return tuple(tuple(token in self.tokens(test, last) for test in term.arguments) for term, _ in self.folds)

    def evaluate(self, counts: Ints, last: int, length: int, states: tuple[Ints, ...]) -> Values:
        """Values (rows,) of sequences of ``length`` that end in ``last``: counts (rows, letters), states per fold."""
        known = {term: fold.value(state, length) for (term, fold), state in zip(self.folds, states, strict=True)}
        for term in self.terms:
            if term not in known and not term.sort.positional:
                known[term] = self._value(term, counts, last, known)
        return np.broadcast_to(known[self.program.term], (len(counts),))

    def _value(self, term: Term, counts: Ints, last: int, known: dict[Term, Values]) -> Values:
        row = self.row(term)
        if isinstance(row, Reading):
            return _read(row, counts, last, self.passing(term, last)).astype(term.sort.dtype)
        try:
            return np.asarray(term.operator.numpy(Unread(len(counts)), *(known[part] for part in term.arguments)))
        except (AttributeError, TypeError, IndexError) as error:
            raise UncountableError(f"counting does not know the row {term.operator.name!r}") from error

    @cached_property
    def kinds(self) -> tuple[int, ...]:
        """The kind of each letter, from 0: the readings ask of letters of one kind only how many there are together."""
        every = range(len(self.program.grammar.sequences.alphabet))
        told: list[Tokens] = []  # sets of letters that a reading asks for
        for term in self.terms:
            row = self.row(term)
            if isinstance(row, Count | Present | Absent) and row.token is not None:
                told.append(frozenset({row.token}))
            elif isinstance(row, Count | Remainder):
                for test in term.arguments:
                    is_any = isinstance(self.row(test), SameAsLast)
                    told += [frozenset({n}) for n in every] if is_any else [self.tokens(test, None)]
        known: dict[tuple[bool, ...], int] = {}
        return tuple(known.setdefault(tuple(n in part for part in told), len(known)) for n in every)

    def row(self, term: Term) -> Row | None:
        """What is known of a term that reads the sequence."""
        meaning = term.operator.meaning
        return meaning if isinstance(meaning, Row) else None

    def passing(self, reading: Term, last: int | None) -> Tokens:
        """The tokens that pass the test of ``reading`` in a sequence that ends in ``last``; none without a test."""
        return frozenset[int]().union(*(self.tokens(test, last) for test in reading.arguments))

    def tokens(self, test: Term, last: int | None) -> Tokens:
        """The tokens that meet ``test`` in a sequence that ends in ``last``."""
        match self.row(test):
            case SameAsLast():
                return frozenset(() if last is None else (last,))
            case TokenTest(tokens, is_complement):
                every = frozenset(range(len(self.program.grammar.sequences.alphabet)))
                return every - tokens if is_complement else tokens
        raise AssertionError("the arguments of readings and folds are tests, or the program is refused")

    @cached_property
    def terms(self) -> tuple[Term, ...]:
        """Every different subterm, arguments first."""
        found: dict[Term, None] = {}
        stack = [self.program.term]
        while stack:
            missing = [part for part in stack[-1].arguments if part not in found]
            stack += missing
            if not missing:
                found[stack.pop()] = None
        return tuple(found)


def _read(row: Reading, counts: Ints, last: int, passing: Tokens) -> Values:
    """What a reading says at counts (rows, letters) of sequences that end in ``last``; ``passing`` its test."""
    match row:
        case Count(None):
            return np.asarray(counts[:, sorted(passing)].sum(axis=1))
        case Count(token):
            return counts[:, token]
        case Remainder(modulus):
            return np.asarray(counts[:, sorted(passing)].sum(axis=1) % modulus)
        case Present(token):
            return np.asarray(counts[:, token] > 0)
        case Absent(token):
            return np.asarray(counts[:, token] == 0)
        case Length():
            return np.asarray(counts.sum(axis=1))
        case LastMeets():
            return np.full(len(counts), last in passing)


class Unread:
    """Stands for a batch of sequences, of which a row may know how many there are and nothing else."""

    def __init__(self, count: int) -> None:
        self.tokens = _Sized(count)


class _Sized:
    """Has a length, and refuses to be compared or to become an array."""

    __hash__ = None  # type: ignore[assignment]

    def __init__(self, count: int) -> None:
        self._count = count

    def __len__(self) -> int:
        return self._count

    def __eq__(self, other: object) -> bool:
        raise TypeError("the tokens are not known")

    def __array__(self, *options: Any, **more: Any) -> Values:
        raise TypeError("the tokens are not known")
