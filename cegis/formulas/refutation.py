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
from types import TracebackType

from pysmt.environment import Environment
from pysmt.logics import QF_AUFBVLIRA, QF_BV, QF_LIA, QF_LRA, QF_NIA, QF_SLIA, QF_UF, Logic

from backends import Backend, BackendError, Limits, Recorder, Sat, Session, Unsat, decide
from backends import Unknown as NoAnswer
from cegis.formulas.evaluation import (
    ContradictionError,
    EncodingError,
    Proof,
    default_of,
    divides_by_zero,
    evaluated,
    failing,
    is_allowed,
)
from cegis.formulas.formula import FormulaSpec, with_programs
from cegis.formulas.logic import logic_name
from cegis.formulas.solution import Solution
from cegis.verdict import Counterexample, Unknown, Valid, Verdict
from dsl.operators import GrammarError, Term
from dsl.scalars import Value
from dsl.showing import brief

LOGICS = {logic.name: logic for logic in (QF_AUFBVLIRA, QF_BV, QF_LIA, QF_LRA, QF_NIA, QF_SLIA, QF_UF)}


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
        start, doubt = time.perf_counter(), ""
        is_evaluated = False  # whether exact evaluation is a proof
        if not self.spec.variables:
            ground = evaluated(self.spec, solution, self._closed(solution))
            if isinstance(ground, Counterexample):
                return ground
            doubt, is_evaluated = "; ".join(ground.notes), not divides_by_zero(self.spec, self._closed(solution))
        try:
            answer = self._ask(solution)
        except (GrammarError, BackendError) as error:  # no solver can be told of some operator, or this one is broken
            if is_evaluated:
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
                return self._evaluated(start, reason) if is_evaluated else Unknown(reason)
            case Unsat(solver=name, version=version):
                seconds = time.perf_counter() - start
                assert self._session is not None
                logic = self._session.logic.name
                return Valid((Proof(self.spec, logic, f"{name} {version}", seconds, name, doubt=doubt),))

    def _evaluated(self, start: float, doubt: str) -> Valid:
        """Proved by exact evaluation alone, as there is no variable and no division by 0."""
        return Valid((Proof(self.spec, "", "", time.perf_counter() - start, doubt=doubt),))

    def replay(self, solution: Solution, values: Sequence[Value]) -> Counterexample | None:
        """The first constraint that fails at these values of the variables, by exact evaluation; None if none does."""
        return failing(self.spec, self._closed(solution), values) if is_allowed(self.spec, values) else None

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


def logic_of(spec: FormulaSpec, solution: Solution | None = None) -> Logic:
    """The logic that a specification (and a solution) is stated in; raises DomainError for a mixture."""
    return LOGICS[logic_name(spec, solution)]
