"""Conditionals of words in grammars without any: a mask, all of whose bits are what a flag says, chooses.

    b ^ ((a ^ b) & m)        (a & m) | (b & ~m)        b + ((a - b) & m)        b - ((b - a) & m)

are a where the mask m is all ones, and b where it is 0 (Warren, Hacker's Delight, chapter 2: maximum by a mask). Masks
are rows of words that are nothing else at all points, such as a sign bit shifted over the word; and flags, where the
grammar turns them into two constants, of which an operator makes a mask: -(1 if flag else 0).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dsl.deduction.trees import Mask
from dsl.grammar import Grammar, Production
from dsl.operators import BOOL, Operator, Term, bitvector
from dsl.theories.theory import literal

JOINING = ("bvor", "bvxor", "bvadd")  # of words that have no bit in common
Chooses = Callable[[Term, Term, Term], Term]  # mask, then, otherwise
Made = Callable[[Term], Term]


@dataclass(frozen=True)
class Masked:
    """Chooses by rows of the nonterminal ``source``, each a flag or, where ``width`` says how wide, a mask itself.

    ``made`` turns the term of a row into a mask; each of ``ways`` chooses by that, between terms.
    """

    source: str
    made: Made
    ways: tuple[Chooses, ...]
    cost: int
    width: int | None = None
    is_guard = False

    def flags(self, values: NDArray[Any], examples: int) -> Mask:
        """What rows say: (rows, examples)."""
        return values if self.width is None else values != 0

    def usable(self, values: NDArray[Any]) -> Mask:
        """Which rows may be asked."""
        able = np.ones(len(values), bool)
        if self.width is not None:
            for column in values.T:
                able &= (column == 0) | (column == 2**self.width - 1)
        return able

    def apply(self, asked: Term, then: Term, otherwise: Term) -> Term:
        """The smallest application."""
        mask = self.made(asked)
        return min((way(mask, then, otherwise) for way in self.ways), key=lambda term: term.size)


def masked(grammar: Grammar, nonterminal: str) -> tuple[Masked, ...]:
    """The ways to choose between words of ``nonterminal``; none where they are too wide for a machine word."""
    sort = grammar.sorts[nonterminal]
    if not 0 < sort.width <= 64:
        return ()
    own = [p for p in grammar.productions if (p.nonterminal, *p.arguments) == (nonterminal,) * (1 + _arity(p.operator))]
    of = {p.operator.name: p.operator for p in own}
    ways = tuple(_ways(of))
    if not ways:
        return ()
    cost = 3 * min(p.cost for p in own)
    found = [Masked(nonterminal, lambda term: term, ways, cost, sort.width)]
    literals = _literals(grammar)
    makers = [*_makers(of, literals[nonterminal])]
    for p in grammar.productions:
        if p.nonterminal == nonterminal and p.operator.is_choice and grammar.sorts[p.arguments[0]] == BOOL:
            made = _chosen(p, literals, makers, sort.width)
            found += [Masked(p.arguments[0], made, ways, cost + p.cost)] if made else []
    return tuple(found)


def _arity(operator: Operator) -> int:
    """Of how many words it is meant here; SMT-LIB has some of more."""
    return 1 if operator.name in ("bvnot", "bvneg") else 2


def _ways(of: Mapping[str, Operator]) -> Iterator[Chooses]:
    """How to choose by a mask, with these operators."""
    both, either, inverted = of.get("bvand"), of.get("bvxor"), of.get("bvnot")
    minus, plus = of.get("bvsub"), of.get("bvadd")
    joined = next((of[name] for name in JOINING if name in of), None)
    if both and either:
        yield lambda m, a, b: either(b, both(either(a, b), m))
    if both and inverted and joined:
        yield lambda m, a, b: joined(both(a, m), both(b, inverted(m)))
    if both and minus:
        yield lambda m, a, b: minus(b, both(minus(b, a), m))
    if both and minus and plus:
        yield lambda m, a, b: plus(b, both(minus(a, b), m))


def _literals(grammar: Grammar) -> dict[str, dict[int, Term]]:
    """The words that each nonterminal names, and where it derives any literal those that masks are made of."""
    found: dict[str, dict[int, Term]] = {name: {} for name in grammar.sorts}
    for name in grammar.constants:
        if width := grammar.sorts[name].width:
            found[name] |= {value: literal(value, bitvector(width))() for value in (0, 1, 2**width - 1)}
    for p in grammar.productions:
        if type(p.operator.value) is int:
            found[p.nonterminal].setdefault(p.operator.value, p.operator())
    return found


@dataclass(frozen=True)
class _Maker:
    """What may make a mask of a word: its value, and the term."""

    value: Callable[[int], int]
    term: Made


def _makers(of: Mapping[str, Operator], literals: Mapping[int, Term]) -> Iterator[_Maker]:
    """What may make a mask of a word, with these operators and literals."""
    yield _Maker(lambda value: value, lambda term: term)
    negated, minus = of.get("bvneg"), of.get("bvsub")
    if negated:
        yield _Maker(lambda value: -value, negated)
    if minus:
        for number, word in literals.items():
            yield _Maker(partial(int.__rsub__, number), partial(_applied, minus, word))
            yield _Maker(partial(int.__sub__, number), partial(minus, word))


def _applied(operator: Operator, second: Term, first: Term) -> Term:
    return operator(first, second)


def _chosen(
    choice: Production,
    literals: Mapping[str, Mapping[int, Term]],
    makers: Sequence[_Maker],
    width: int,
) -> Made | None:
    """How a flag becomes a mask, all ones where it is true, by a choice between two literals; None where it cannot."""
    _, then, otherwise = choice.arguments
    for maker, (one, first), (other, second) in product(makers, literals[then].items(), literals[otherwise].items()):
        if (maker.value(one) + 1) % 2**width == maker.value(other) % 2**width == 0:
            return lambda flag: maker.term(choice.operator(flag, first, second))
    return None
