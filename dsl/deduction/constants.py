"""Constants by solving: what the literal beside a row must be, for wanted values, instead of enumerating literals.

    f = row op c      c follows from the points: by undoing op (+ - * bvadd bvsub bvxor ...) at one of them, from the
                      bits wanted anywhere (bvand bvor), as a common divisor of what is lost (mod), by trial (shifts)
    f = a * row + c   from two points at which the row differs
    f = sum a_i x_i + c   over the parameters, by exact elimination over the rationals (no floating point)

A literal may stand only where the grammar derives any (``Grammar.constants``); the sums are written in each way a
grammar may want them and priced by it. What is returned is right at the points, on machine words: no more is said. A
constant that the points leave open is the one with the fewest bits for bvand and the most for bvor. Strings, and words
of more than 64 bits, are left out; what is right at a part of the points only is ``parts``' work.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dsl.deduction.inverses import BINARY
from dsl.enumeration.bank import Bank
from dsl.grammar import Production
from dsl.operators import INT, Term
from dsl.theories.theory import find, literal

MOST_VALUES = 2**22  # rows times points looked at (the cheapest rows)
FEWER = 2**15  # rows beside which constants are tried, or are slow to find
FEW = 4  # of the rows that fit, the cheapest are written out; points tried where an operator cannot be undone at all
SMALL = 2**40  # numbers below it do not wrap around in a short sum
REPEATED = 8  # the largest factor that is written as a sum where there is no product
Words = NDArray[Any]
Solve = Callable[[Words, Words], Words]  # words (points, rows), target (points, 1) -> constants (rows,) or (1,)


def _lost(words: Words, target: Words) -> Words:
    """The largest divisor that can leave ``target`` as the rest."""
    return np.asarray(np.gcd.reduce(words - target, axis=0))


def _ratio(words: Words, target: Words) -> Words:
    """The largest divisor that can give ``target`` wherever that is positive; 0 where it is nowhere."""
    positive = np.flatnonzero(target > 0)
    if not len(positive):
        return np.zeros(1, words.dtype)
    return np.asarray((words[positive] // target[positive]).min(axis=0))


SOLVED: Mapping[str, Solve] = {  # for the second argument, by the first
    "bvand": lambda _, target: np.bitwise_or.reduce(target),
    "bvor": lambda _, target: np.bitwise_and.reduce(target),
    "mod": _lost,
    "bvurem": _lost,
    "div": _ratio,
    "bvudiv": _ratio,
}
EITHER = ("bvand", "bvor")
DIVISIONS = ("div", "mod", "bvudiv", "bvurem")
SHIFTS = ("bvshl", "bvlshr", "bvashr")
LATE = (*DIVISIONS, "bvmul")  # a shift or a mask that costs the same is easier to read and to prove


@dataclass(frozen=True)
class Ordered:
    """The cheapest rows of a nonterminal, in order of cost: their numbers (rows,) and words (points, rows)."""

    numbers: NDArray[Any]
    words: Words

    @classmethod
    def of(cls, bank: Bank, nonterminal: str, most: int) -> Ordered:
        """At most ``most`` rows, and at least one."""
        store = bank.stores[nonterminal]
        numbers = np.argsort(store.origin[:, 0], kind="stable")[: max(1, most)]
        return cls(numbers, np.ascontiguousarray(store.words[numbers].T))


@np.errstate(over="ignore")  # the smallest number over -1 wraps around, and is found wanting
def fitted(bank: Bank, nonterminal: str, target: Words, *, stop: Callable[[], bool] = lambda: False) -> Term | None:
    """The cheapest term found of ``nonterminal`` with the values ``target`` (points,) on the bank's examples, or None.

    It is made of a row of the bank and solved literals, or of the parameters and solved literals.
    """
    if not is_open(bank, target):
        return None
    found = [literal(int(target[0]), bank.grammar.sorts[nonterminal])()] if (target == target[0]).all() else []
    found += affine(bank, target)
    known: dict[str, Ordered] = {}
    for production, side in open_sides(bank, nonterminal):
        name = production.arguments[1 - side]
        if stop():
            break
        known[name] = known.get(name) or Ordered.of(bank, name, MOST_VALUES // len(target))
        found += _beside(bank, production, side, known[name], target)
    found += _scaled(bank, nonterminal, known.get(nonterminal), target)
    priced = [(cost, term) for term in found if (cost := bank.grammar.cost(term, nonterminal)) is not None]
    return min(priced, key=lambda pair: pair[0])[1] if priced else None


def is_open(bank: Bank, target: Words) -> bool:
    """Whether there are numbers to solve for and places for any literal."""
    return bool(bank.grammar.constants) and target.dtype not in (object, bool) and len(target) > 0


def open_sides(bank: Bank, nonterminal: str) -> Iterator[tuple[Production, int]]:
    """Productions of two arguments of one sort, and the number of one that may be any literal."""
    for production in sorted(bank.grammar.productions, key=lambda production: production.operator.name in LATE):
        sorts = {production.operator.result, *production.operator.arguments}
        if production.nonterminal == nonterminal and len(production.arguments) == 2 and len(sorts) == 1:
            yield from ((production, side) for side in (1, 0) if production.arguments[side] in bank.grammar.constants)


def beside(bank: Bank, production: Production, side: int, row: int, value: int) -> Term:
    """The production of a row of the bank and, as the argument ``side``, a literal."""
    arguments = [bank.term(production.arguments[1 - side], row)]
    arguments.insert(side, literal(value, production.operator.arguments[side])())
    return production.operator(*arguments)


# --- a row and one literal --------------------------------------------------------------------------------------


def _beside(bank: Bank, production: Production, side: int, rows: Ordered, target: Words) -> Iterator[Term]:
    """The production with a solved literal as its argument ``side``, for the cheapest row with which there is one."""
    if production.operator.name in (*SHIFTS, *DIVISIONS):
        rows = Ordered(rows.numbers[:FEWER], rows.words[:, :FEWER])
    best, value = len(rows.numbers), 0
    for constants in _solutions(production, side, rows.words, target) if best else ():
        held = np.broadcast_to(constants, (len(rows.numbers),))
        keep = np.arange(best)
        if production.operator.name in DIVISIONS:
            keep = np.flatnonzero(held[:best])
        for place in range(len(target)):  # a point at a time: few rows are left after one or two
            arguments = [rows.words[place, keep, None]]
            arguments.insert(side, held[keep, None])
            got = production.operator.numpy(bank.batch.part(place, place + 1), *arguments)[:, 0]
            keep = keep[got == target[place]]
        if len(keep):
            best, value = int(keep[0]), int(held[keep[0]])
    if best < len(rows.numbers):
        yield beside(bank, production, side, int(rows.numbers[best]), value)


def _solutions(production: Production, side: int, words: Words, target: Words) -> Iterator[Words]:
    """Constants that the argument ``side`` may be, beside each row: arrays of (rows,) or (1,)."""
    name, width = production.operator.name, production.operator.result.width
    if name in BINARY:
        undo = BINARY[name][side]
        needed, possible = undo(target[0], words[0], width)
        for place in range(1, min(FEW, len(target))):
            if possible is not None:
                more, also = undo(target[place], words[place], width)
                needed, possible = np.where(possible, needed, more), possible | also
        yield needed
    elif name in SOLVED and (side == 1 or name in EITHER):
        yield SOLVED[name](words, target[:, None])
    elif name in SHIFTS and side == 1:
        yield from np.arange(1, width, dtype=words.dtype)[:, None]


# --- sums -------------------------------------------------------------------------------------------------------


def _scaled(bank: Bank, nonterminal: str, rows: Ordered | None, target: Words) -> Iterator[Term]:
    """``a * row + c`` for the cheapest rows with which it fits."""
    if bank.grammar.sorts[nonterminal] != INT or rows is None or not len(rows.numbers) or (target == target[0]).all():
        return
    words = rows.words
    other = (words != words[0]).argmax(axis=0)
    run, rise = words[other, np.arange(len(other))] - words[0], target[other] - target[0]
    keep = np.flatnonzero((run != 0) & (rise % np.where(run == 0, 1, run) == 0))
    factor = rise[keep] // run[keep]
    constant = target[0] - factor * words[0, keep]
    for place in range(len(target)):
        fits = factor * words[place, keep] + constant == target[place]
        keep, factor, constant = keep[fits], factor[fits], constant[fits]
    for row, a, c in zip(keep[:FEW].tolist(), factor.tolist(), constant.tolist(), strict=False):
        yield from _sums([(bank.term(nonterminal, int(rows.numbers[row])), a)], c)


def affine(bank: Bank, target: Words, points: NDArray[Any] | None = None) -> Iterator[Term]:
    """``sum a_i x_i + c`` over the integer parameters, right at the ``points`` (all), where integers make it so."""
    if target.dtype != np.int64:
        return
    parameters = [term for term in bank.grammar.scalars.variables if term.sort == INT]
    columns = [np.broadcast_to(np.asarray(term.evaluate(bank.batch)), target.shape) for term in parameters]
    table = np.stack([*columns, np.ones_like(target), target], axis=1)
    table = table if points is None else table[points]
    solved = _solve_exactly(table[((table > -SMALL) & (table < SMALL)).all(axis=1)].tolist(), len(parameters) + 1)
    if solved is None or not (table[:, :-1] @ np.array(solved) == table[:, -1]).all():
        return
    yield from _sums(list(zip(parameters, solved, strict=False)), solved[-1])


def _solve_exactly(table: Iterable[Sequence[int]], unknowns: int) -> list[int] | None:
    """Whole numbers with row[:unknowns] . numbers = row[unknowns] for every row; what is left open is 0.

    None where there are none, or where those that are left open would have to be others.
    """
    reduced: dict[int, list[Fraction]] = {}  # by the unknown that this row alone has
    for numbers in table:
        row = list(map(Fraction, numbers))
        for pivot, known in reduced.items():
            row = [a - row[pivot] * b for a, b in zip(row, known, strict=True)]
        new = next((place for place in range(unknowns) if row[place]), None)
        if new is None:
            if row[-1]:
                return None
            continue
        row = [a / row[new] for a in row]
        for pivot, known in reduced.items():
            reduced[pivot] = [a - known[new] * b for a, b in zip(known, row, strict=True)]
        reduced[new] = row
    values = [reduced[place][-1] if place in reduced else Fraction(0) for place in range(unknowns)]
    is_small = all(value.denominator == 1 and abs(value) < SMALL for value in values)
    return [int(value) for value in values] if is_small else None


def _sums(parts: Sequence[tuple[Term, int]], constant: int) -> Iterator[Term]:
    """``sum a * term + constant`` in the ways a grammar may write it: it takes those it derives."""
    parts = [(term, factor) for term, factor in parts if factor]
    minus = find("-", (INT, INT))
    for times in (_factor_first, _factor_last, _repeated):
        rising = [times(factor, term) for term, factor in parts if factor > 0]
        falling = [times(-factor, term) for term, factor in parts if factor < 0]
        more, less = ([_number(constant)] if constant > 0 else []), ([_number(-constant)] if constant < 0 else [])
        yield (
            _total([*rising, *more])
            if not falling + less
            else minus(_total([*rising, *more]), _total([*falling, *less]))
        )
        own = [_number(constant)] if constant else []
        if falling:
            yield _total([*(times(factor, term) for term, factor in parts), *own])
        elif own:
            yield _total([*rising, *own])
        if falling and not rising and not more:
            yield find("-", (INT,))(_total([*falling, *less]))


def _number(value: int) -> Term:
    return literal(value, INT)()


def _factor_first(factor: int, term: Term) -> Term:
    return term if factor == 1 else find("*", (INT, INT))(_number(factor), term)


def _factor_last(factor: int, term: Term) -> Term:
    return term if factor == 1 else find("*", (INT, INT))(term, _number(factor))


def _repeated(factor: int, term: Term) -> Term:
    return _total([term] * factor) if 0 < factor <= REPEATED else _factor_first(factor, term)


def _total(terms: Sequence[Term]) -> Term:
    return reduce(find("+", (INT, INT)), terms) if terms else _number(0)
