"""Whether a grammar really has no right program: the same terms once more, on exact numbers.

A search keeps integers as machine words, which wrap around; two terms that differ may look alike there, and a right one
wrong. So before anyone says that a grammar is exhausted, all values that its nonterminals have at some points are built
up again until nothing new comes, by the readings of the same rows on Python's own numbers. Terms over other sorts
are exact in a search already.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cegis.formulas.formula import FormulaSpec, conjuncts, inlined, subterms
from cegis.formulas.points import Points
from dsl.grammar import Grammar, Production
from dsl.operators import BOOL, INT, Term
from dsl.scalars import Columns, Value

MOST_VALUES = 5_000_000  # built in all
Known = dict[str, dict[tuple[Value, ...], None]]  # the values at all points that a nonterminal can have


def is_exhausted(
    spec: FormulaSpec,
    grammar: Grammar,
    valuations: Sequence[tuple[Value, ...]],
    stop: Callable[[], bool] = lambda: False,
) -> bool:
    """Whether every term of ``grammar`` fails at one of ``valuations``, or in a test without any.

    False also where it takes too long to tell, and for several functions or a nonterminal that derives all literals.
    """
    if grammar.constants or len(spec.functions) > 1:
        return False
    if not _has_integers(spec, grammar):
        return True
    points = Points(spec, exact=True)
    points.add_ground()
    points.add(valuations)
    (function,) = spec.functions
    inputs = points.columns(function)
    if not inputs.examples:
        return bool(points.tests) and not points.judge({function: np.zeros((1, 0), object)}).all()
    known = _saturated(grammar, inputs, stop)
    if known is None:
        return False
    found = _stacked(grammar, known, grammar.start, inputs)
    return not points.judge({function: found}).all(axis=1).any()


def hopeless(spec: FormulaSpec, valuations: Sequence[tuple[Value, ...]]) -> tuple[Term, tuple[Value, ...]] | None:
    """A constraint that no function has a part in, and where of ``valuations`` it fails, by exact numbers."""
    free = [term for term in conjuncts(spec.constraints) if not spec.called(term)]
    columns = spec.signature.batch(valuations, exact=True)
    allowed = np.ones(len(valuations), bool)
    for assumption in spec.assumptions if free else ():
        allowed &= np.broadcast_to(np.asarray(assumption.evaluate(columns), bool), allowed.shape)
    for term in free:
        fails = allowed & ~np.broadcast_to(np.asarray(term.evaluate(columns), bool), allowed.shape)
        if fails.any():
            return term, tuple(valuations[int(np.argmax(fails))])
    return None


def _has_integers(spec: FormulaSpec, grammar: Grammar) -> bool:
    rows = (row.operator.definition for row in grammar.productions)
    terms = (inlined(term) for term in (*spec.constraints, *spec.assumptions, *(row for row in rows if row)))
    return INT in chain(grammar.sorts.values(), (inner.sort for term in terms for inner in subterms(term)))


def _saturated(grammar: Grammar, inputs: Columns, stop: Callable[[], bool]) -> Known | None:
    """The values of every nonterminal, or None where they are too many."""
    known: Known = {name: {} for name in grammar.sorts}
    built = 0
    while True:
        before = sum(map(len, known.values()))
        for production in grammar.productions:
            built += inputs.examples * math.prod(len(known[name]) for name in production.arguments)
            if stop() or built > MOST_VALUES:
                return None
            known[production.nonterminal] |= dict.fromkeys(
                map(tuple, _values(grammar, production, known, inputs).tolist())
            )
        if sum(map(len, known.values())) == before:
            return known


def _values(grammar: Grammar, production: Production, known: Known, inputs: Columns) -> NDArray[Any]:
    """What the operator makes of all values of its arguments: (terms, points)."""
    count = len(production.arguments)
    shapes = [[1] * place + [-1] + [1] * (count - 1 - place) for place in range(count)]
    sides = [_stacked(grammar, known, name, inputs) for name in production.arguments]
    spread = [side.reshape(*shape, inputs.examples) for side, shape in zip(sides, shapes, strict=True)]
    values = np.asarray(production.operator.numpy(inputs, *spread))
    return np.broadcast_to(values, (*map(len, sides), inputs.examples)).reshape(-1, inputs.examples)


def _stacked(grammar: Grammar, known: Known, name: str, inputs: Columns) -> NDArray[Any]:
    """The values of a nonterminal: (terms, points)."""
    rows = np.empty((len(known[name]), inputs.examples), object)
    rows[:] = list(known[name]) or rows
    return rows.astype(bool) if grammar.sorts[name] == BOOL else rows
