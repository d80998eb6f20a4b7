"""Functions that the specification defines by an equation, taken out before anything is searched.

    f(x_1, ..., x_n) = t        a constraint of its own, the x_i different variables, all that t depends on, t without f

says what f is, up to the other functions that t calls: so f is t everywhere, and the rest is asked about the others
alone. Their programs put into t give the program of f. Nothing is believed for that: what is found is proved of the
whole specification like any solution, and where the grammar does not derive it, the search goes its usual way.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from cegis.formulas.formula import FormulaSpec, Function, conjuncts, rebuilt, subterms, with_programs
from cegis.formulas.solution import Solution
from cegis.searchers.portfolio import Problem
from dsl.operators import Operator, Term
from dsl.program import Program
from dsl.scalars import ScalarSignature

NAME = "equation"  # who is said to have found a function that the specification defines


@dataclass(frozen=True)
class Reduced:
    """What a specification comes to without the functions that it defines.

    ``defined``: these and their bodies over their parameters, each after those that call it; ``rest``: the
    specification of the others, None where there are none.
    """

    defined: tuple[tuple[Function, Term], ...]
    rest: FormulaSpec | None

    def solution(self, problem: Problem, found: Mapping[Function, Program], searcher: str) -> Solution | None:
        """All functions, from programs for the rest; None where a grammar does not derive one of them."""
        programs = dict(found)
        for function, body in reversed(self.defined):
            bodies = {other.operator: (other.signature, program.term) for other, program in programs.items()}
            (term,) = with_programs((body,), bodies)
            program = problem.program(function, term)
            if program is None:
                return None
            programs[function] = program
        return Solution({function: programs[function] for function in problem.spec.functions}, searcher)


def reduced(spec: FormulaSpec) -> Reduced | None:
    """``spec`` without the functions that it defines; None where it defines none."""
    constraints, functions = conjuncts(spec.constraints), spec.functions
    defined: list[tuple[Function, Term]] = []
    while found := next((one for one in (_definition(spec, c) for c in constraints) if one), None):
        function, body, constraint = found
        defined.append((function, body))
        functions = tuple(other for other in functions if other != function)
        bodies: dict[Operator, tuple[ScalarSignature, Term]] = {function.operator: (function.signature, body)}
        constraints = with_programs((c for c in constraints if c != constraint), bodies)
        spec = replace(spec, functions=functions, constraints=constraints) if functions else spec
        if not functions:
            break
    if not defined:
        return None
    return Reduced(tuple(defined), spec if functions else None)


def _definition(spec: FormulaSpec, constraint: Term) -> tuple[Function, Term, Term] | None:
    """The function that ``constraint`` defines, and its body over its parameters."""
    if constraint.operator.name != "=":
        return None
    for call, value in (constraint.arguments, constraint.arguments[::-1]):
        function = next((one for one in spec.functions if one.operator == call.operator), None)
        if function is None or len(set(call.arguments)) != len(call.arguments):
            continue
        inside = subterms(value)
        free = {inner for inner in inside if inner.operator.is_variable}
        is_called = any(inner.operator == function.operator for inner in inside)
        if all(one.operator.is_variable for one in call.arguments) and free <= set(call.arguments) and not is_called:
            names = dict(zip(call.arguments, function.signature.variables, strict=True))
            return function, rebuilt(value, names), constraint
    return None
