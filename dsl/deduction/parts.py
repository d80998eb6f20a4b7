"""Constants solved at a part of the points: what a decision tree over the whole lacks in a bank.

A tree (``dsl.deduction.conditionals``) joins terms of the bank that are right at some points by flags of the bank.
Where any literal may stand, its leaves can be ones the bank would never reach: numbers wanted more than once, a row
beside a literal that is right at several points, a sum over the parameters right wherever a cheap flag holds, or does
not. And so can its flags: where a row is right up to some value of a parameter, a comparison with that value. All these
become candidates of the bank; what is made of them is priced by the grammar like any other term.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from dsl.deduction.constants import MOST_VALUES, Ordered, Words, affine, beside, is_open, open_sides
from dsl.deduction.inverses import BINARY
from dsl.enumeration.bank import Bank
from dsl.grammar import Grammar, Production
from dsl.operators import BOOL, Term
from dsl.theories.theory import literal

SIDES = 64  # flags whose sides are fitted each on its own
LIKELY = 512  # the cheapest rows that are looked at, beside any literal or on either side of a limit
MOST_LEAVES = 12  # terms right at a part of the points, from each source
MOST_LIMITS = 8  # values of a parameter that are compared with to tell points apart


@np.errstate(over="ignore")
def add_parts(bank: Bank, nonterminal: str, target: Words) -> None:
    """Give the bank what it lacks: terms of ``nonterminal`` right at a part of the points, and limits between parts."""
    if not is_open(bank, target):
        return
    for source in (_leaves, _limits):  # limits are between leaves
        for name, term in list(source(bank, nonterminal, target)):
            values = np.broadcast_to(np.asarray(term.evaluate(bank.batch)), target.shape)
            cost = bank.grammar.cost(term, name)
            if cost is not None and bank.find(name, values) is None:
                bank.add(name, term, cost)


def _leaves(bank: Bank, nonterminal: str, target: Words) -> Iterator[tuple[str, Term]]:
    """Terms with solved literals that are right at some points: at two, or at more than it takes to solve for them."""
    values, counts = np.unique(target, return_counts=True)
    often = np.argsort(-counts, kind="stable")[:MOST_LEAVES]
    sort = bank.grammar.sorts[nonterminal]
    yield from ((nonterminal, literal(int(values[place]), sort)()) for place in often if counts[place] > 1)
    for production, side in open_sides(bank, nonterminal):
        yield from ((nonterminal, term) for term in _often(bank, production, side, target))
    for name in (name for name, sort in bank.grammar.sorts.items() if sort == BOOL):
        for flags in Ordered.of(bank, name, SIDES).words.T:
            for points in map(np.flatnonzero, (flags, ~flags)):
                if len(points) > len(bank.grammar.scalars.parameters) + 1:
                    yield from ((nonterminal, term) for term in affine(bank, target, points))


def _often(bank: Bank, production: Production, side: int, target: Words) -> Iterator[Term]:
    """The production on cheap rows and the literals that are right at the most points, at different ones each."""
    name, other = production.operator.name, production.arguments[1 - side]
    rows = Ordered.of(bank, other, LIKELY)
    if name not in BINARY or not len(rows.numbers):
        return
    needed, possible = BINARY[name][side](target, rows.words.T, production.operator.result.width)
    if possible is not None:
        return
    in_order = np.sort(needed, axis=1)
    again = (in_order[:, 1:] == in_order[:, :-1]).any(axis=1)
    seen: set[bytes] = set()
    found: list[tuple[int, int, int]] = []  # how many points not, row, literal
    for row in np.flatnonzero(again).tolist():
        values, counts = np.unique(needed[row], return_counts=True)
        value, key = values[counts.argmax()], np.packbits(needed[row] == values[counts.argmax()]).tobytes()
        if key not in seen:
            seen.add(key)
            found.append((-int(counts.max()), row, int(value)))
    for _, row, constant in sorted(found)[:MOST_LEAVES]:
        yield beside(bank, production, side, int(rows.numbers[row]), constant)


def _limits(bank: Bank, nonterminal: str, target: Words) -> Iterator[tuple[str, Term]]:
    """For each parameter, comparisons with values up to which a cheap row is right, or wrong, and then no longer."""
    rows = Ordered.of(bank, nonterminal, MOST_VALUES // len(target)).words.T
    right = rows == target
    right = np.unique(right[(right.sum(axis=1) > 1) & ~right.all(axis=1)][:LIKELY], axis=0)
    for parameter in bank.grammar.scalars.variables:
        if parameter.sort == BOOL or parameter.sort.dtype == "object":
            continue
        values = np.asarray(parameter.evaluate(bank.batch))
        order = np.argsort(values, kind="stable")
        changes = right[:, order[1:]] != right[:, order[:-1]]
        places, counts = np.unique(changes[changes.sum(axis=1) == 1].argmax(axis=1), return_counts=True)
        for place in places[np.argsort(-counts, kind="stable")[:MOST_LIMITS]]:
            last, next_one = (literal(int(values[order[at]]), parameter.sort)() for at in (place, place + 1))
            yield from _comparisons(bank.grammar, parameter, last, next_one)


def _comparisons(grammar: Grammar, parameter: Term, last: Term, next_one: Term) -> Iterator[tuple[str, Term]]:
    """Ways to say that the parameter is at most ``last``, or else at least ``next_one``."""
    for production in grammar.productions:
        if production.operator.arguments == (parameter.sort, parameter.sort):
            match production.operator.name.removeprefix("bvu"):
                case "<=" | "le":
                    yield production.nonterminal, production.operator(parameter, last)
                case "<" | "lt":
                    yield production.nonterminal, production.operator(parameter, next_one)
                case ">=" | "ge":
                    yield production.nonterminal, production.operator(parameter, next_one)
                case ">" | "gt":
                    yield production.nonterminal, production.operator(parameter, last)
