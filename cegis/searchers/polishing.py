"""A smaller solution from a proved one: shrink what examples allow, prove it again, or learn why not.

    repeat:  S = the proved solution, shrunk while it passes all tests seen (dsl.deduction.shrinking)
             S is proved: take it;  a counterexample: one more test, shrink the proved solution again

Only proved solutions are taken, so stopping at any time is safe.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cegis.formulas.formula import FormulaSpec, Function
from cegis.formulas.linear import condition, forms
from cegis.formulas.points import Points
from cegis.formulas.sampling import sample
from cegis.formulas.solution import Solution
from cegis.outcome import Found
from cegis.verdict import Counterexample, Valid, Verifier
from dsl.deduction.shrinking import shrink
from dsl.enumeration.values import Values
from dsl.operators import BOOL, INT, GrammarError, Term
from dsl.program import Program
from dsl.theories.theory import literal

SAMPLES = 400
TRIES = 30  # proofs asked for


def polish(
    found: Found[Solution],
    spec: FormulaSpec,
    verifier: Verifier[Solution],
    *,
    stop: Callable[[], bool] = lambda: False,
    seed: int = 0,
) -> Found[Solution]:
    """``found``, or a smaller solution with its own proof."""
    points = Points(spec)
    points.add_ground()
    points.add(sample(spec, SAMPLES, seed=seed))
    if not points.is_layered:
        return found
    for _ in range(TRIES):
        smaller = _shrunk(found.program, points, stop)
        if stop() or smaller.size >= found.program.size:
            return found
        match verifier.check(smaller):
            case Valid(claims, notes):
                found = replace(found, program=smaller, claims=claims, notes=notes)
            case Counterexample() as counterexample:
                before = points.tests
                points.add([counterexample.values])
                if points.tests == before:
                    return found
            case _:
                return found
    return found


def _shrunk(solution: Solution, points: Points, stop: Callable[[], bool]) -> Solution:
    """Every program shrunk in turn while all tests pass."""
    programs = dict(solution.programs)
    for function in programs:
        programs[function] = _shrunk_one(function, programs, points, stop)
    return replace(solution, programs=programs)


def _shrunk_one(
    function: Function, programs: Mapping[Function, Program], points: Points, stop: Callable[[], bool]
) -> Program:
    counts = {other: len(points.arguments[other]) for other in programs}
    values = {other: Values(points.columns(other)) for other in programs}
    fixed = {other: _row(values[other](program.term), counts[other]) for other, program in programs.items()}
    program, own = programs[function], values[function]
    costs: dict[Term, dict[str, int]] = {}  # of parts, most of which stay from one attempt to the next

    def fits(term: Term) -> bool:
        return bool(points.judge({**fixed, function: _row(own(term), counts[function])}).all())

    spares = [*function.signature.variables, *(literal(value, BOOL)() for value in (True, False))]
    spares += [literal(value, INT)() for value in (0, 1)]

    def price(term: Term) -> int | None:
        return program.grammar.costs(term, costs).get(program.grammar.start)

    shrunk = shrink(program.term, fits, price, spares=spares, rewritings=_plainer, stop=stop)
    return Program(shrunk, program.grammar)


@lru_cache(maxsize=65_536)
def _plainer(term: Term) -> tuple[Term, ...]:
    """The same sum or condition as linear arithmetic has it: x <= y for not (x + -1 * y >= 1), as solvers write it."""
    if term.sort not in (INT, BOOL) or not term.arguments or term.operator.definition is not None:
        return ()
    try:
        if term.sort == BOOL:
            return (condition(term).term,)
        found = forms(term)
    except (GrammarError, RecursionError):
        return ()
    return (found[0].term,) if len(found) == 1 else ()


def _row(values: Any, points: int) -> NDArray[Any]:
    """The values of one term: (1, points)."""
    return np.broadcast_to(np.asarray(values), (1, points))
