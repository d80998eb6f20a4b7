"""The logic of SMT-LIB that a specification is stated in, by its name."""

from __future__ import annotations

from cegis.domain import DomainError
from cegis.formulas.formula import FormulaSpec, inlined, subterms
from cegis.formulas.solution import Solution
from dsl.operators import BOOL, INT, REAL, STRING, GrammarError, Sort, Term

NONLINEAR = ("*", "div", "mod")


def logic_name(spec: FormulaSpec, solution: Solution | None = None) -> str:
    """The logic that a specification (and a solution) is stated in; raises DomainError for a mixture."""
    terms = [inlined(term) for term in (*spec.constraints, *spec.assumptions)]
    terms += [] if solution is None else [inlined(program.term) for program in solution.programs.values()]
    parts = {inner for term in terms for inner in subterms(term)}
    sorts = {inner.sort for inner in parts} | {sort for _, sort in spec.variables}
    if any(sort.width for sort in sorts):
        if sorts & {REAL, STRING}:
            raise DomainError("a specification that mixes bit-vectors with reals or strings is not supported")
        if INT in sorts and any(_is_nonlinear(inner) for inner in parts):
            raise GrammarError("a product of integers beside bit-vectors is only supported with a number")
        return "QF_AUFBVLIRA" if INT in sorts else "QF_BV"
    if REAL in sorts:
        return _real_logic(sorts, parts)
    if STRING in sorts:
        return "QF_SLIA"
    if any(_is_nonlinear(inner) for inner in parts):
        return "QF_NIA"
    return "QF_LIA" if INT in sorts or sorts == {BOOL} else "QF_UF"


def _real_logic(sorts: set[Sort], parts: set[Term]) -> str:
    """That of linear reals; raises DomainError for a mixture, GrammarError for a product of unknowns."""
    if sorts & {INT, STRING}:
        raise DomainError("a specification that mixes reals with integers or strings is not supported")
    if any(_is_nonlinear(inner) for inner in parts):
        raise GrammarError("a product of reals is only supported with a number")
    return "QF_LRA"


def _is_nonlinear(term: Term) -> bool:
    if term.operator.name not in NONLINEAR or len(term.arguments) != 2:
        return False
    changing = [not argument.operator.is_literal for argument in term.arguments]
    return all(changing) if term.operator.name == "*" else changing[1] or term.arguments[1].operator.value == 0
