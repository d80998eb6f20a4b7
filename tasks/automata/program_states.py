"""What a program of the motif grammar reads off a sequence whose token counts and last token are known.

Every row of ``dsl.grammars.motifs`` is one of three things, given the last token:

- a *reading*: a function of the counts and the last token (``count``, ``has``, ``ends with``, parity, length);
- a *fold*: a state that each token moves, with only so many values (``depth``, ``latch``, ``stage``, ``first``);
- a function of its arguments alone (``plus``, ``greater``, ``choose``), which then needs no entry here.

So a program is a function of (counts, last token, states), and ``parikh`` finds which of these a domain reaches. A
row is known by its name, sorts and printed text; any other row is refused, never guessed at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dsl.grammars import motifs
from dsl.operators import Operator, Term
from dsl.program import Program

Ints = NDArray[np.int64]
Values = NDArray[Any]
Tokens = frozenset[int]  # indices into the alphabet

MOST = 16  # the largest cap and modulus that are known
NOTHING = np.zeros(0, np.int64)


class UncountableError(ValueError):
    """A program that cannot be read off counts and states."""


@dataclass(frozen=True)
class Test:
    """A test on one token; ``tokens`` is None where it compares with the last one."""

    tokens: Tokens | None


@dataclass(frozen=True)
class Reading:
    """``value(counts, last, *sets)``: counts (rows, letters); one set of tokens per argument of the row.

    A row without arguments reads the count of ``letter`` alone, or, where that is None, no more than the length.
    """

    value: Callable[..., Values]
    letter: int | None = None


@dataclass(frozen=True)
class Fold:
    """A state that starts at 0 and stays below ``states(longest)``.

    ``step(state, position, *hits)``: the states after a token at ``position``, where each of ``hits`` says whether the
    token meets that test of the row. ``value(state, length)``: what the row returns. Where ``states`` does not grow,
    only "is the position 0" matters of the position, and nothing of the length.
    """

    states: Callable[[int], int]
    step: Callable[..., Ints]
    value: Callable[[Ints, int], Values]


Row = Test | Reading | Fold


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
        return any(self.row(test) == Test(None) for term, _ in self.folds for test in term.arguments)

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
            return row.value(counts, last, *(self.tokens(test, last) for test in term.arguments))
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
            if isinstance(row, Reading) and term.operator != motifs.ENDS_WITH:
                sets = [self.row(test) for test in term.arguments]
                told += [part.tokens for part in sets if isinstance(part, Test) and part.tokens is not None]
                told += [frozenset({n}) for n in every if Test(None) in sets or n == row.letter]
        known: dict[tuple[bool, ...], int] = {}
        return tuple(known.setdefault(tuple(n in part for part in told), len(known)) for n in every)

    def row(self, term: Term) -> Row | None:
        """What is known of a term that reads the sequence."""
        return _known(self.program.grammar.sequences.alphabet).get((term.operator, term.operator.python))

    def tokens(self, test: Term, last: int | None) -> Tokens:
        """The tokens that meet ``test`` in a sequence that ends in ``last``."""
        row = self.row(test)
        assert isinstance(row, Test)
        return row.tokens if row.tokens is not None else frozenset(() if last is None else (last,))

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


@cache
def _known(alphabet: tuple[str, ...]) -> dict[tuple[Operator, str], Row]:
    return {(row, row.python): meaning for row, meaning in known_rows(alphabet)}


def known_rows(alphabet: tuple[str, ...]) -> Iterator[tuple[Operator, Row]]:
    """Every row of the motif grammar over ``alphabet`` that reads the sequence, and its meaning."""
    letters = list(enumerate(alphabet))
    for a, text in letters:
        yield motifs.is_token(a, text), Test(frozenset({a}))
        yield motifs.is_not_token(a, text), Test(frozenset(range(len(alphabet))) - {a})
        yield motifs.count_of(a, text), _count_of(a)
        yield motifs.has(a, text), Reading(lambda counts, last, a=a: counts[:, a] > 0, a)
        yield motifs.lacks(a, text), Reading(lambda counts, last, a=a: counts[:, a] == 0, a)
    for (a, one), (b, other) in combinations(letters, 2):
        yield motifs.is_either(a, one, b, other), Test(frozenset({a, b}))
    yield motifs.SAME_AS_QUERY, Test(None)
    yield motifs.COUNT, Reading(lambda counts, last, tokens: _total(counts, tokens))
    yield motifs.LENGTH, Reading(lambda counts, last: counts.sum(axis=1))
    yield motifs.ENDS_WITH, Reading(lambda counts, last, tokens: np.full(len(counts), last in tokens))
    yield motifs.TOGGLE, Reading(lambda counts, last, tokens: _total(counts, tokens) % 2 == 1)
    for n in range(2, MOST + 1):
        yield motifs.modular(n), Reading(lambda counts, last, tokens, n=n: _total(counts, tokens) % n)
    for cap in (None, *range(1, MOST + 1)):
        yield motifs.clipped(cap), _depth(cap)
    yield motifs.LATCH, Fold(lambda longest: 2, lambda s, at, on, off: s * (not off) | on, lambda s, n: s == 1)
    yield motifs.STAGE, Fold(lambda longest: 3, _next_stage, lambda s, n: s)
    yield motifs.BEGINS_WITH, Fold(lambda longest: 2, lambda s, at, hit: s | (at == 0 and hit), lambda s, n: s == 1)
    yield motifs.ANY_PAIR, Fold(lambda longest: 3, _next_any_pair, lambda s, n: s == 2)
    yield motifs.COUNT_PAIRS, Fold(lambda longest: 2 * longest + 2, _next_pair, lambda s, n: s // 2)
    yield motifs.FIRST, Fold(_places, lambda s, at, hit: _or(s, hit * (at + 1)), lambda s, n: np.where(s, s - 1, n))
    yield motifs.LAST, Fold(_places, lambda s, at, hit: np.full_like(s, at + 1) if hit else s, lambda s, n: s - 1)


def _count_of(a: int) -> Reading:
    return Reading(lambda counts, last: counts[:, a], a)


def _total(counts: Ints, tokens: Tokens) -> Ints:
    return np.asarray(counts[:, sorted(tokens)].sum(axis=1))


def _depth(cap: int | None) -> Fold:
    def step(state: Ints, at: int, up: bool, down: bool) -> Ints:
        return np.clip(state + (1 if up else -1 if down else 0), 0, cap)

    return Fold(lambda longest: (longest if cap is None else cap) + 1, step, lambda state, length: state)


def _places(longest: int) -> int:
    """0 for "nowhere", else the place and one."""
    return longest + 1


def _or(state: Ints, other: int) -> Ints:
    """``state`` where it is not 0, else ``other``."""
    return np.where(state, state, other)


def _next_stage(state: Ints, at: int, first: bool, second: bool) -> Ints:
    """0 before the first test, 1 after it, 2 after the second behind it."""
    return np.where(state == 0, int(first), np.where((state == 1) & second, 2, state))


def _next_any_pair(state: Ints, at: int, before: bool, after: bool) -> Ints:
    """1 where the token before met the first test, 2 once a pair was seen."""
    return np.where((state == 2) | ((state == 1) & after), 2, int(before))


def _next_pair(state: Ints, at: int, before: bool, after: bool) -> Ints:
    """Twice the pairs so far, and 1 where the token before met the first test."""
    return state // 2 * 2 + 2 * (state % 2) * after + before
