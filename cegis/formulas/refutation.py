"""The verifier for formulas: a solver looks for values of the variables at which the specification fails.

    exists x:  assumptions(x)  and  not constraints(x, program(x))      unsatisfiable: the programs are a solution

The assumptions alone are asked first: a specification that nothing satisfies the assumptions of is an error, never a
proof. A model is put through the programs by exact arithmetic (``Term.evaluate`` on Python's own numbers, another
reading of the same rows) before it is believed. Earlier counterexamples need no solver: ``replay`` answers for them.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from types import TracebackType
from typing import Any

import numpy as np
from pysmt.environment import Environment
from pysmt.logics import QF_AUFBVLIRA, QF_BV, QF_LIA, QF_LRA, QF_NIA, QF_SLIA, QF_UF, Logic

from backends import Backend, BackendError, Limits, Recorder, Sat, Session, Unsat, decide
from backends import Unknown as NoAnswer
from cegis.domain import DomainError
from cegis.formulas.formula import FormulaSpec, Function, inlined, subterms, with_programs
from cegis.formulas.solution import Solution
from cegis.verdict import Counterexample, Unknown, Valid, Verdict
from dsl.operators import BOOL, INT, REAL, STRING, GrammarError, Sort, Term
from dsl.scalars import Value
from dsl.showing import brief

NONLINEAR = ("*", "div", "mod")


class ContradictionError(DomainError):
    """Nothing satisfies the assumptions."""

    TEXT = "the assumptions contradict each other, so every program satisfies the specification; correct them"


class EncodingError(BackendError):
    """A solver's model is right about the formula and wrong about the programs: the fault is ours."""


@dataclass(frozen=True)
class Proof:
    """The claim about a formula: every constraint holds for all values of the variables, by the word of solvers.

    ``solver`` (its ``name`` with a version) found no exception, nor did ``witnesses``; without any, ``doubt`` says why
    nobody else confirms it. No solver at all: there is no variable, and exact evaluation is the proof.

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
        solvers = [solver for solver in (self.solver, *self.witnesses) if solver]
        evaluated = [] if self.spec.variables else ["exact evaluation"]
        return {"by": [*evaluated, *solvers], "logic": self.logic, "confirmed": self.is_confirmed, "doubt": self.doubt}

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
            asked = f" and by {self.solver}" if self.solver else ""
            verb = "name" if count > 1 else "names"
            return f"satisfies {what}, which {verb} no variable; checked by exact evaluation{asked}"
        names = ", ".join(f"{name}: {sort.name}" for name, sort in self.spec.variables)
        assumed = " that the assumptions allow" if self.spec.assumptions else ""
        claim = f"satisfies {what} for all values of {names}{assumed}"
        if self.witnesses:
            return f"{claim}; {' and '.join((self.solver, *self.witnesses))} ({self.logic}) find no exception"
        why = f" ({self.doubt})" if self.doubt else ""
        return f"{claim}; no exception, on the word of {self.solver} ({self.logic}) alone{why}"


@dataclass
class Refutation:
    """Checks solutions of ``spec`` with ``backend``; close it (or use ``with``) to release the solver session.

    ``seconds`` bounds one ``check``; ``hard`` hosts the solver in a worker that is killed when it overruns.

    >>> same = Solution({f: Program(x, default_grammar(f.signature))})
    >>> with Refutation(above, get("z3")) as verifier:
    ...     print(type(verifier.check(same)).__name__)
    Counterexample
    """

    spec: FormulaSpec
    backend: Backend
    seconds: float | None = None
    seed: int = 0
    hard: bool = False
    recorder: Recorder | None = None
    environment: Environment = field(default_factory=Environment)
    queries: int = field(default=0, init=False)
    _session: Session | None = field(default=None, init=False, repr=False)
    _last: tuple[Solution, tuple[Term, ...]] | None = field(default=None, init=False, repr=False)

    __repr__ = brief

    def check(self, solution: Solution) -> Verdict:
        """Valid, a counterexample that the exact evaluation confirms, or Unknown with the reason."""
        start = time.perf_counter()
        if not self.spec.variables:
            ground = self._ground(solution)
            if ground is not None:
                return ground
        try:
            answer = self._ask(solution)
        except (GrammarError, BackendError) as error:  # no solver can be told of some operator, or this one is broken
            if not self.spec.variables:
                return self._evaluated(start, "" if isinstance(error, GrammarError) else str(error))
            if isinstance(error, BackendError):
                raise
            return Unknown(str(error))
        match answer:
            case Sat(model=model):
                values = tuple(model.get(name, default_of(sort)) for name, sort in self.spec.variables)
                found = self.replay(solution, values)
                if found is None:
                    raise EncodingError(
                        f"{self.backend.name} claims that {solution.text} fails at {values!r}, but exact evaluation "
                        "says it holds there; the encoding of an operator is wrong, please report it"
                    )
                return found
            case NoAnswer(reason=reason):
                reason = f"{self.backend.name}: {reason}"
                return Unknown(reason) if self.spec.variables else self._evaluated(start, reason)
            case Unsat(solver=name, version=version):
                seconds = time.perf_counter() - start
                assert self._session is not None
                return Valid((Proof(self.spec, self._session.logic.name, f"{name} {version}", seconds, name),))

    def _evaluated(self, start: float, doubt: str) -> Valid:
        """Proved by exact evaluation alone, as there is no variable."""
        return Valid((Proof(self.spec, "", "", time.perf_counter() - start, doubt=doubt),))

    def replay(self, solution: Solution, values: Sequence[Value]) -> Counterexample | None:
        """The first constraint that fails at these values of the variables, by exact evaluation; None if none does."""
        columns = self.spec.signature.batch([values], exact=True)
        if not all(np.all(assumption.evaluate(columns)) for assumption in self.spec.assumptions):
            return None
        for constraint, closed in zip(self.spec.constraints, self._closed(solution), strict=True):
            if not np.all(closed.evaluate(columns)):
                return Counterexample(tuple(values), str(constraint), None)
        return None

    def _ground(self, solution: Solution) -> Counterexample | None:
        """``replay`` where there are no variables, and so nothing else to ask; assumptions must hold there."""
        columns = self.spec.signature.batch([()], exact=True)
        if not all(np.all(assumption.evaluate(columns)) for assumption in self.spec.assumptions):
            raise ContradictionError(ContradictionError.TEXT)
        return self.replay(solution, ())

    def _closed(self, solution: Solution) -> tuple[Term, ...]:
        """The constraints with the programs in place of the calls."""
        if self._last is None or self._last[0] is not solution:
            self._last = solution, with_programs(self.spec.constraints, solution.bodies)
        return self._last[1]

    def _ask(self, solution: Solution) -> Sat | Unsat | NoAnswer:
        manager = self.environment.formula_manager
        symbols = self.spec.signature.symbols(manager)
        limits = Limits(seconds=self.seconds)
        logic = logic_of(self.spec, solution)
        if self._session is None or not logic <= self._session.logic:
            self.close()
            self._session = self.backend.open(
                self.environment, logic, seed=self.seed, limits=limits, recorder=self.recorder, hard=self.hard
            )
            if self.spec.assumptions:
                self._session.add(manager.And([term.encode(symbols) for term in self.spec.assumptions]))
                possible = decide(self._session, "assumptions", None, limits)
                if not isinstance(possible, Sat):
                    self.close()  # so that they are asked again before anything is believed
                if isinstance(possible, Unsat):
                    raise ContradictionError(ContradictionError.TEXT)
                if isinstance(possible, NoAnswer):
                    return possible
        self.queries += 1
        constraints = [closed.encode(symbols) for closed in self._closed(solution)]
        return decide(self._session, f"query={self.queries}", manager.Not(manager.And(constraints)), limits)

    def close(self) -> None:
        """Release the session."""
        if self._session is not None:
            self._session.close()
            self._session = None

    def __enter__(self) -> Refutation:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def holds(spec: FormulaSpec, solution: Solution, valuations: Sequence[Sequence[Value]]) -> bool:
    """Whether every constraint holds, by exact numbers, at values of the variables that the assumptions allow."""
    columns = spec.signature.batch(valuations, exact=True)
    return all(np.all(closed.evaluate(columns)) for closed in with_programs(spec.constraints, solution.bodies))


def default_of(sort: Sort) -> Value:
    """A value for a variable that no constraint mentions."""
    simplest: dict[Sort, Value] = {BOOL: False, STRING: "", REAL: Fraction(0)}
    return simplest.get(sort, 0)


def logic_of(spec: FormulaSpec, solution: Solution | None = None) -> Logic:
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
        return QF_AUFBVLIRA if INT in sorts else QF_BV
    if REAL in sorts:
        return _real_logic(sorts, parts)
    if STRING in sorts:
        return QF_SLIA
    if any(_is_nonlinear(inner) for inner in parts):
        return QF_NIA
    return QF_LIA if INT in sorts or sorts == {BOOL} else QF_UF


def _real_logic(sorts: set[Sort], parts: set[Term]) -> Logic:
    """That of linear reals; raises DomainError for a mixture, GrammarError for a product of unknowns."""
    if sorts & {INT, STRING}:
        raise DomainError("a specification that mixes reals with integers or strings is not supported")
    if any(_is_nonlinear(inner) for inner in parts):
        raise GrammarError("a product of reals is only supported with a number")
    return QF_LRA


def _is_nonlinear(term: Term) -> bool:
    if term.operator.name not in NONLINEAR or len(term.arguments) != 2:
        return False
    changing = [not argument.operator.is_literal for argument in term.arguments]
    return all(changing) if term.operator.name == "*" else changing[1] or term.arguments[1].operator.value == 0
