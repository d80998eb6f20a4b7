"""From the goal down: what an argument must be, for operators that can be undone, joined to what a bank holds.

    op(a, x) = goal   gives   x = undo(goal, a)   for every row a of the bank, and x is looked up (meet in the middle).

``Goals`` is a bank the other way round: it holds values that would do, each with the context that turns such a value
into the target, by cost of the context and one for each behaviour. A goal that the bank holds is a program as large
as both together, so two levels of goals reach as deep as two more levels of the bank at the price of look-ups. Where
an operator keeps only part of its argument (bvand, bvor) there is no one value to ask for; ``goal_match`` tries the
pairs of rows that can be its arguments at all. The idea is in FlashMeta's witness functions (Polozov & Gulwani,
OOPSLA 2015) and Duet (Lee, POPL 2021). Targets are exact values of machine words; strings are ``string_goals``' work.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dsl.enumeration.bank import Bank
from dsl.enumeration.blocks import taken
from dsl.enumeration.index_ranges import chunks
from dsl.enumeration.store import Column, Numbering, Rows
from dsl.grammar import Production
from dsl.operators import Term

CHUNK = 2**17  # values at once
PAIRS = 2_000  # rows on either side of a pair that is tried
Words = NDArray[Any]
Undo = Callable[[Words, Words, int], tuple[Words, Words | None]]  # goal, other argument, width -> needed, is possible


def _mask(width: int) -> np.uint64:
    return np.uint64(2**width - 1)


def _factor(goal: Words, other: Words, width: int) -> tuple[Words, Words]:
    """x with other * x = goal modulo 2**width, for odd numbers (Newton's iteration doubles the right bits)."""
    inverse = other.copy()
    for _ in range(5):
        inverse *= np.uint64(2) - other * inverse
    return (goal * inverse) & _mask(width), (other & np.uint64(1)) == 1


def _quotient(goal: Words, other: Words, _: int) -> tuple[Words, Words]:
    divisor = np.where(other == 0, 1, other)
    return goal // divisor, (other != 0) & (goal % divisor == 0)


UNARY: Mapping[str, Callable[[Words, int], Words]] = {
    "bvnot": lambda goal, width: goal ^ _mask(width),
    "bvneg": lambda goal, width: (np.uint64(0) - goal) & _mask(width),
    "-": lambda goal, _: -goal,
    "not": lambda goal, _: ~goal,
}
BINARY: Mapping[str, tuple[Undo, Undo]] = {  # for the first argument and for the second
    "bvadd": 2 * (lambda goal, other, width: ((goal - other) & _mask(width), None),),
    "bvsub": (
        lambda goal, other, width: ((goal + other) & _mask(width), None),
        lambda goal, other, width: ((other - goal) & _mask(width), None),
    ),
    "bvxor": 2 * (lambda goal, other, _: (goal ^ other, None),),
    "bvxnor": 2 * (lambda goal, other, width: (goal ^ other ^ _mask(width), None),),
    "bvmul": 2 * (_factor,),
    "+": 2 * (lambda goal, other, _: (goal - other, None),),
    "-": (lambda goal, other, _: (goal + other, None), lambda goal, other, _: (other - goal, None)),
    "*": 2 * (_quotient,),
    "xor": 2 * (lambda goal, other, _: (goal ^ other, None),),
}
CAN_BE: Mapping[str, Callable[[Words, Words], Words]] = {  # whether a row can be an argument, example by example
    "bvand": lambda goal, row: row & goal == goal,
    "bvor": lambda goal, row: row | goal == goal,
    "and": lambda goal, row: row >= goal,
    "or": lambda goal, row: row <= goal,
}


@dataclass(frozen=True)
class Context:
    """``production`` with a hole at ``side`` and rows for the other argument, around goals of its nonterminal."""

    production: Production
    side: int


class Level:
    """The goals of one nonterminal: words (goals, examples), and where each comes from: context, outer goal, row."""

    def __init__(self, examples: int, dtype: str) -> None:
        self.words = Column(np.zeros((0, examples), dtype))
        self.origin = Column(np.zeros((0, 3), np.int64))
        self.numbering = Numbering()
        self.at: dict[int, tuple[int, int]] = {}  # cost -> range of goals

    @property
    def nbytes(self) -> int:
        """Bytes in use."""
        return self.words.nbytes + self.origin.nbytes + self.numbering.nbytes


@dataclass(frozen=True)
class Hit:
    """A goal whose value the bank holds."""

    cost: int
    nonterminal: str
    goal: int
    row: int


class Goals:
    """Values that would do in place of ``nonterminal`` = ``target``, by cost of what must stand around them."""

    def __init__(self, bank: Bank, nonterminal: str, target: Words, *, most: int = 1_000_000) -> None:
        self.bank, self.most, self.cost, self.asked = bank, most, 0, 0
        self.best: Hit | None = None
        self._room = (bank.max_memory_mb - bank.memory_mb) * 2**20
        self._contexts: list[Context] = []
        self.levels = {
            name: Level(bank.batch.examples, sort.dtype)
            for name, sort in bank.grammar.sorts.items()
            if sort.dtype != "object" and not sort.positional
        }
        if nonterminal in self.levels:
            self._add(
                nonterminal,
                -1,
                target[None].astype(bank.stores[nonterminal].words.dtype),
                lambda places: np.zeros((len(places), 2), np.int64),
            )

    @property
    def is_full(self) -> bool:
        """Whether no more goals are kept: enough were asked for, or the memory the bank leaves is taken."""
        return self.asked >= self.most or sum(level.nbytes for level in self.levels.values()) >= self._room

    def grow(self, max_cost: int, stop: Callable[[], bool] = lambda: False) -> None:
        """Ask for more, in order of cost, until a cheaper match is impossible.

        Once ``most`` have been asked for, only the target itself asks, once for each row, and only a match is kept.
        """
        deepest = max((cost for store in self.bank.stores.values() for cost in store.costs), default=0)
        dearest = max((p.cost for p in self.bank.grammar.productions), default=0)
        if not deepest or not any(level.at for level in self.levels.values()):
            return
        while self.cost < max_cost and (self.best is None or self.cost + 2 < self.best.cost):
            outermost = 0 if self.is_full else max(cost for level in self.levels.values() for cost in level.at)
            if self.cost > outermost + deepest + dearest:
                return
            self.cost += 1
            for production in self.bank.grammar.productions:
                for context in _contexts(production):
                    if stop():
                        return
                    if context.production.arguments[context.side] in self.levels and not self._ask(context, stop):
                        return

    def term(self, nonterminal: str, goal: int, inner: Term) -> Term:
        """The program with ``inner`` in place of a goal."""
        context, outer, row = (int(number) for number in self.levels[nonterminal].origin.array[goal])
        if context < 0:
            return inner
        production, side = self._contexts[context].production, self._contexts[context].side
        arguments = [inner]
        if len(production.arguments) == 2:
            arguments.insert(1 - side, self.bank.term(production.arguments[1 - side], row))
        return self.term(production.nonterminal, outer, production.operator(*arguments))

    def _ask(self, context: Context, stop: Callable[[], bool]) -> bool:
        """All goals of the present cost that ``context`` gives; False when it is time to end."""
        production, number = context.production, len(self._contexts)
        self._contexts.append(context)
        outer, inner = self.levels.get(production.nonterminal), production.arguments[context.side]
        if outer is None:
            return True
        for cost, (start, end) in list(outer.at.items()):
            spare = self.cost - cost - production.cost
            if len(production.arguments) == 1 and spare == 0 and end > start and not (self.is_full and cost):
                needed = UNARY[production.operator.name](outer.words.array[start:end], production.operator.result.width)
                self._add(inner, number, needed, partial(_same, start))
            elif len(production.arguments) == 2 and spare > 0:
                rows = self.bank.level_rows(production.arguments[1 - context.side], spare)
                box = ((start, end), (0, len(rows)))
                for (low, high), (first, last) in chunks(box, max(1, CHUNK // self.bank.batch.examples)):
                    if stop():
                        return False
                    if self.is_full and cost:
                        break
                    self._undo(number, np.arange(low, high), rows[first:last])
        return True

    def _undo(self, number: int, goals: Rows, rows: Rows) -> None:
        """What a context of two arguments asks for, for the product of goals and rows."""
        context = self._contexts[number]
        production = context.production
        outer = self.levels[production.nonterminal].words.array[goals][:, None]
        other = taken(self.bank.stores[production.arguments[1 - context.side]].words, rows)[None]
        with np.errstate(all="ignore"):
            needed, possible = BINARY[production.operator.name][context.side](
                outer, other, production.operator.result.width
            )
        shape = (len(goals), len(rows), outer.shape[-1])
        needed, able = np.broadcast_to(needed, shape).reshape(-1, shape[-1]), np.arange(len(goals) * len(rows))
        if possible is not None:
            able = np.flatnonzero(np.broadcast_to(possible, shape).all(axis=2))
            needed = needed[able]

        def origin(places: Rows) -> NDArray[Any]:
            return np.column_stack([goals[able[places] // len(rows)], rows[able[places] % len(rows)]])

        self._add(production.arguments[context.side], number, needed, origin)

    def _add(self, nonterminal: str, context: int, words: Words, origin: Callable[[Rows], NDArray[Any]]) -> None:
        """Look new goals up in the bank, and keep them (when there are too many, only a match)."""
        level, store = self.levels[nonterminal], self.bank.stores[nonterminal]
        keys, is_full = self.bank.keys.of(words), self.is_full
        self.asked += len(words)
        new: Rows = np.arange(len(words)) if is_full else level.numbering.number(keys)[1]
        rows = store.lookup(keys[new])
        held = np.flatnonzero(rows >= 0)
        held = held[(store.words[rows[held]] == words[new[held]]).all(axis=1)]
        best = held[np.argmin(store.origin[rows[held], 0])] if len(held) else None
        kept = new if not is_full else new[[] if best is None else [best]]
        start = len(level.words)
        level.words.extend(words[kept])
        level.origin.extend(np.column_stack([np.full(len(kept), context), origin(kept)]).astype(np.int64))
        if len(kept):
            level.at[self.cost] = (level.at[self.cost][0] if self.cost in level.at else start, start + len(kept))
        if best is not None:
            cost = self.cost + int(store.origin[rows[best], 0])
            if self.best is None or cost < self.best.cost:
                self.best = Hit(cost, nonterminal, start + (0 if is_full else int(best)), int(rows[best]))

    @property
    def match(self) -> Term | None:
        """The cheapest program found so far."""
        if self.best is None:
            return None
        return self.term(self.best.nonterminal, self.best.goal, self.bank.term(self.best.nonterminal, self.best.row))


def goal_match(
    bank: Bank,
    nonterminal: str,
    target: Words,
    *,
    most: int = 1_000_000,
    max_cost: int = 1_000_000,
    stop: Callable[[], bool] = lambda: False,
) -> Term | None:
    """A program of ``nonterminal`` with the values ``target`` (examples,) on the bank's examples, or None.

    It has at most ``max_cost``, and is the cheapest among those found by asking ``most`` times; not always the cheapest
    there is. A machine word stands for its number, so a match is one modulo 2**64 for Int.
    """
    goals = Goals(bank, nonterminal, target, most=most)
    goals.grow(max_cost, stop)
    found = [goals.match, *_pairs(bank, nonterminal, target, stop)]
    priced = [(cost, term) for term in found if term and (cost := bank.grammar.cost(term, nonterminal)) is not None]
    least, term = min(priced, key=lambda pair: pair[0], default=(0, None))
    return term if least <= max_cost else None


def _same(start: int, places: Rows) -> NDArray[Any]:
    """Goals at these places from ``start`` on; there is no row."""
    return np.column_stack([start + places] * 2)


def _contexts(production: Production) -> Iterator[Context]:
    """The sides at which a production can be undone."""
    name, names = production.operator.name, production.arguments
    if len(names) == 1 and name in UNARY:
        yield Context(production, 0)
    if len(names) == 2 and name in BINARY:
        if not (production.operator.commutative and names[0] == names[1]):
            yield Context(production, 0)
        yield Context(production, 1)


def _pairs(bank: Bank, nonterminal: str, target: Words, stop: Callable[[], bool]) -> Iterator[Term]:
    """For operators that keep part of their arguments: pairs among the cheapest rows that can be arguments at all."""
    for production in bank.grammar.productions:
        can_be = CAN_BE.get(production.operator.name)
        if production.nonterminal != nonterminal or can_be is None or len(production.arguments) != 2 or stop():
            continue
        sides = [_able(bank, name, target, can_be) for name in production.arguments]
        if all(map(len, sides)):
            yield from _pair(bank, production, sides, target)


def _able(bank: Bank, name: str, target: Words, can_be: Callable[[Words, Words], Words]) -> Rows:
    """The cheapest rows that can be an argument."""
    store = bank.stores[name]
    able = np.arange(len(store))
    for place in range(len(target)):  # an example at a time: few rows are left after two or three
        able = able[can_be(target[place], store.words[able, place])]
    return able[np.argsort(store.origin[able, 0], kind="stable")[:PAIRS]]


def _pair(bank: Bank, production: Production, sides: list[Rows], target: Words) -> Iterator[Term]:
    """The cheapest pair of rows that gives the target."""
    words = [bank.stores[name].words[rows] for name, rows in zip(production.arguments, sides, strict=True)]
    costs = [bank.stores[name].origin[rows, 0] for name, rows in zip(production.arguments, sides, strict=True)]
    left, right = np.indices((len(sides[0]), len(sides[1]))).reshape(2, math.prod(map(len, sides)))
    for place in range(len(target)):
        one = bank.batch.part(place, place + 1)
        got = production.operator.numpy(one, words[0][left, place, None], words[1][right, place, None])[:, 0]
        fits = np.flatnonzero(got == target[place])
        left, right = left[fits], right[fits]
    if len(left):
        best = np.argmin(costs[0][left] + costs[1][right])
        places = (left[best], right[best])
        arguments = zip(production.arguments, sides, places, strict=True)
        yield production.operator(*(bank.term(name, int(rows[place])) for name, rows, place in arguments))
