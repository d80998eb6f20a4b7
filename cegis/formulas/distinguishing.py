"""Valuations that tell the values of a specification apart, by a solver: where one is right and no other is.

Points by chance rarely meet conditions such as x1 < x2 < ... < x15, so a search would learn them from one
counterexample after the other. Here every harvested value is given a point of its own before the search begins.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from cegis.formulas.formula import FormulaSpec
from cegis.formulas.harvest import harvest, single_call
from dsl.operators import INT, Term
from dsl.scalars import Value

if TYPE_CHECKING:
    from backends import Backend

LEAST_VALUES, MOST_VALUES = 5, 24  # of fewer, points by chance meet each
QUERY_SECONDS = 0.5


def telling(
    spec: FormulaSpec, backend: Backend, *, seed: int = 0, stop: Callable[[], bool] = lambda: False
) -> list[tuple[Value, ...]]:
    """A valuation for each value on a border at which it alone is right; none for a value that never is.

    Once ``stop()`` is true, those found so far.
    """
    mined, call = harvest(spec), single_call(spec)
    if mined is None or call is None or mined.value.sort != INT or mined.borders < LEAST_VALUES:
        return []
    from pysmt.environment import Environment

    from backends import Limits, Sat, decide
    from cegis.formulas.refutation import logic_of

    environment = Environment()
    manager, signature = environment.formula_manager, call.function.signature
    symbols = signature.symbols(manager)
    right = [mined.right(term).term.encode(symbols) for term in mined.terms[: min(mined.borders, MOST_VALUES)]]
    found = []
    with backend.open(environment, logic_of(spec), seed=seed, limits=Limits(seconds=QUERY_SECONDS)) as session:
        for place, one in enumerate(right):
            if stop():
                break
            others = [manager.Not(other) for number, other in enumerate(right) if number != place]
            answer = decide(session, f"telling/{place}", manager.And(one, *others))
            if isinstance(answer, Sat):
                values: dict[Term, Any] = {
                    argument: answer.model.get(name, 0)
                    for argument, (name, _) in zip(call.arguments, signature.parameters, strict=True)
                }
                found.append(tuple(values.get(variable, 0) for variable in spec.signature.variables))
    return found
