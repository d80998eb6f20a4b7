"""Exact evaluation: what fails at given values of the variables, and what is proved where there is no variable.

Terms are evaluated on Python's own numbers and texts (``Term.evaluate``), which are never rounded. Examples such as
``f(1, 2) = 3`` name no variable: that each of them holds is all that the specification says, and no solver is asked.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from backends.answer import BackendError
from cegis.domain import DomainError
from cegis.formulas.formula import FormulaSpec, Function, inlined, subterms, with_programs
from cegis.formulas.solution import Solution
from cegis.verdict import Counterexample, Valid
from dsl.operators import BOOL, REAL, STRING, Operator, Sort, Term
from dsl.scalars import Value, column
from dsl.showing import brief

DIVISIONS = ("div", "mod")
TEXT = "running the printed text"
TOO_DEEP = "the printed text is nested too deeply for Python to read it"


class ContradictionError(DomainError):
    """Nothing satisfies the assumptions."""

    TEXT = "the assumptions contradict each other, so every program satisfies the specification; correct them"


class EncodingError(BackendError):
    """Two readings of a program differ, as a solver's model or the printed text shows: the fault is ours."""


@dataclass(frozen=True)
class Proof:
    """The claim about a formula: every constraint holds for all values of the variables, by the word of solvers.

    ``solver`` (its ``name`` with a version) found no exception, nor did ``witnesses``; without any, ``doubt`` says why
    nobody else confirms it. No solver at all: there is no variable, and exact evaluation is the proof (``evaluated``).

    >>> proof = synthesize(above).claims[0]
    >>> type(proof).__name__, proof.is_confirmed
    ('Proof', True)
    """

    spec: FormulaSpec
    logic: str
    solver: str
    seconds: float
    name: str = ""
    witnesses: tuple[str, ...] = ()
    doubt: str = ""

    __repr__ = brief

    @property
    def is_confirmed(self) -> bool:
        """Whether the claim rests on more than one solver's word."""
        return bool(self.witnesses) or not self.spec.variables or not self.spec.constraints

    def as_json(self) -> dict[str, Any]:
        """The witnesses as JSON values."""
        by = [] if self.spec.variables else ["exact evaluation", *([] if self.doubt else [TEXT])]
        by += [solver for solver in (self.solver, *self.witnesses) if solver]
        return {"by": by, "logic": self.logic, "confirmed": self.is_confirmed, "doubt": self.doubt}

    @property
    def sentence(self) -> str:
        """The claim in one sentence."""
        free = [function.name for function in self.spec.functions if function not in self._called]
        return self._proved + (f"; no constraint calls {', '.join(free)}: any program would do" if free else "")

    @property
    def _called(self) -> set[Function]:
        return {function for constraint in self.spec.constraints for function in self.spec.called(constraint)}

    @property
    def _proved(self) -> str:
        if not self.spec.constraints:
            return "satisfies the specification, which has no constraint"
        count = len(self.spec.constraints)
        what = f"all {count:,} constraints" if count > 1 else "the constraint"
        if not self.spec.variables:
            verb = "name" if count > 1 else "names"
            other = self.solver or ("" if self.doubt else TEXT)
            said = f"satisfies {what}, which {verb} no variable; checked by exact evaluation"
            return f"{said} and by {other}" if other else said
        names = ", ".join(f"{name}: {sort.name}" for name, sort in self.spec.variables)
        assumed = " that the assumptions allow" if self.spec.assumptions else ""
        claim = f"satisfies {what} for all values of {names}{assumed}"
        if self.witnesses:
            return f"{claim}; {' and '.join((self.solver, *self.witnesses))} ({self.logic}) find no exception"
        why = f" ({self.doubt})" if self.doubt else ""
        return f"{claim}; no exception, on the word of {self.solver} ({self.logic}) alone{why}"


def evaluated(spec: FormulaSpec, solution: Solution, closed: Sequence[Term]) -> Valid | Counterexample:
    """What exact evaluation says where there is no variable; ``closed``: the constraints with the programs put in.

    The printed Python functions are run in the place of the programs as well: another reading of the same rows.
    Raises ContradictionError where an assumption fails, EncodingError where the two readings do.
    """
    start = time.perf_counter()
    if not is_allowed(spec, ()):
        raise ContradictionError(ContradictionError.TEXT)
    failed = failing(spec, closed, ())
    if failed is not None:
        return failed
    try:
        printed = _printed(solution)
    except (SyntaxError, RecursionError, MemoryError):
        return Valid((Proof(spec, "", "", time.perf_counter() - start, doubt=TOO_DEEP),), (TOO_DEEP,))
    columns = spec.signature.batch([()], exact=True)

    def read(operator: Operator, values: list[Any]) -> Any:
        return printed.get(operator, operator.numpy)(columns, *values)

    for constraint in spec.constraints:
        if not np.all(constraint.fold(read)):
            raise EncodingError(
                f"the printed text of {solution.text} breaks {constraint}, which its terms satisfy; a reading of an "
                "operator is wrong, please report it"
            )
    return Valid((Proof(spec, "", "", time.perf_counter() - start),))


def divides_by_zero(spec: FormulaSpec, closed: Sequence[Term]) -> bool:
    """Whether an integer is divided by 0 in terms without variables: SMT-LIB leaves open what comes out of x/0.

    Where no divisor is 0 all values are the same for every reading of x/0. A row that divides within counts as 0.
    """
    called = {inner.operator for term in closed for inner in subterms(term)}
    if not any(_may_divide(operator) for operator in called):
        return False
    columns = spec.signature.batch([()], exact=True)
    for inner in {inner for term in closed for inner in subterms(inlined(term))}:
        name, arguments = inner.operator.name, inner.arguments
        if name in DIVISIONS and len(arguments) == 2:
            if np.any(arguments[1].evaluate(columns) == 0):
                return True
        elif name in DIVISIONS or any(f"({division} " in name for division in DIVISIONS):
            return True
    return False


def _may_divide(operator: Operator) -> bool:
    """Whether there is a division in what is computed by this operator, where that can be read off."""
    if operator.definition is None:
        return any(division in operator.name for division in DIVISIONS)
    return any(_may_divide(inner.operator) for inner in subterms(operator.definition))


def _printed(solution: Solution) -> dict[Operator, Callable[..., Any]]:
    """The printed Python function of each program, in the place of the numpy reading of its calls."""

    def run(function: Callable[..., Any], sort: Sort) -> Callable[..., Any]:
        return lambda _, *columns: column(sort, [function(*(one.tolist()[0] for one in columns))], exact=True)

    found = {}
    for function, program in solution.programs.items():
        name, scope = program.grammar.signature.function_name(function.name), dict[str, Any]()
        exec(program.source(function.name), scope)
        found[function.operator] = run(scope[name], function.signature.result)
    return found


def failing(spec: FormulaSpec, closed: Sequence[Term], values: Sequence[Value]) -> Counterexample | None:
    """The first constraint that fails at these values of the variables; None where none does."""
    columns = spec.signature.batch([values], exact=True)
    for constraint, whole in zip(spec.constraints, closed, strict=True):
        if not np.all(whole.evaluate(columns)):
            return Counterexample(tuple(values), str(constraint), None)
    return None


def is_allowed(spec: FormulaSpec, values: Sequence[Value]) -> bool:
    """Whether all assumptions hold at these values of the variables."""
    columns = spec.signature.batch([values], exact=True)
    return all(bool(np.all(assumption.evaluate(columns))) for assumption in spec.assumptions)


def holds(spec: FormulaSpec, solution: Solution, valuations: Sequence[Sequence[Value]]) -> bool:
    """Whether every constraint holds, by exact numbers, at values of the variables that the assumptions allow."""
    columns = spec.signature.batch(valuations, exact=True)
    return all(np.all(closed.evaluate(columns)) for closed in with_programs(spec.constraints, solution.bodies))


def default_of(sort: Sort) -> Value:
    """A value for a variable that no constraint mentions."""
    simplest: dict[Sort, Value] = {BOOL: False, STRING: "", REAL: Fraction(0)}
    return simplest.get(sort, 0)
