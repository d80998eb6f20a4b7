"""Invariants as conjunctions of simple conditions: the strongest ones that the clauses allow.

    every region is empty
    repeat:  a clause whose premises hold and whose conclusion does not, by a solver's model
             join the concluded point to the regions of that function
    until no clause has one; then the conditions of the regions are inductive

This is symbolic abstraction (Reps, Sagiv, Yorsh, VMCAI 2004) of the clauses' least solution in the regions of
``cegis.invariants.templates``; with bounds alone it is Houdini (Flanagan, Leino, FME 2001). If the inductive conditions
refute every clause without a conclusion, as few of them as will do are the answer: a condition is needed where a model
that lacks it spoils a clause. ``STAGES`` says in which steps more is looked at. Integers and Booleans only; the answer
is not trusted.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

from pysmt.environment import Environment

from backends import Backend, Limits, Sat, Session, Unknown, Unsat, decide
from backends.search import STOPPED, NoAnswer, NotApplicable, Stop, interruptible, never
from backends.z3 import Z3
from cegis.formulas.formula import FormulaSpec, Function, rebuilt
from cegis.formulas.linear import condition, join
from cegis.formulas.refutation import logic_of
from cegis.invariants.candidates import STAGES, Stage, watched
from cegis.invariants.clauses import Clause, clauses
from cegis.invariants.horn import Conditions
from cegis.invariants.templates import Point, Region
from dsl.operators import BOOL, INT, Operator, Sort, Term
from dsl.scalars import Columns

QUERY_SECONDS = 2.0  # of one question, so that a stop is heard
Regions = Mapping[Operator, tuple[Region, ...]]


class _StoppedError(Exception):
    """No answer, and why."""


def induction(
    spec: FormulaSpec,
    *,
    seconds: float,
    backend: Backend = Z3,
    seed: int = 0,
    stop: Stop = never,
    hard: bool = False,
) -> Conditions | NoAnswer:
    """Inductive conditions that satisfy ``spec``, unverified, or NoAnswer where those of the regions are too weak.

    ``hard`` asks the solver in a process of its own, which is needed in a thread beside others that use it.
    """
    found = clauses(spec)
    if found is None:
        return NotApplicable("the specification is not made of Horn clauses")
    if any(sort not in (INT, BOOL) for _, sort in (*spec.variables, *_parameters(spec))):
        return NotApplicable("only conditions on integers and Booleans are guessed")
    environment = Environment()
    try:
        with (
            backend.open(environment, logic_of(spec), seed=seed, hard=hard) as opened,
            interruptible(opened, stop) as session,
        ):
            search = _Induction(spec, found, session, monotonic() + seconds, stop)
            answers = (search.run(stage) for stage in STAGES)
            return next((answer for answer in answers if answer), NoAnswer("no such conditions are inductive"))
    except _StoppedError as reason:
        return NoAnswer(str(reason))
    except RecursionError:
        return NoAnswer("the specification is nested too deeply")


def _parameters(spec: FormulaSpec) -> Iterator[tuple[str, Sort]]:
    return (parameter for function in spec.functions for parameter in function.signature.parameters)


@dataclass
class _Induction:
    """One run: the clauses, the solver and the formulas made so far."""

    spec: FormulaSpec
    clauses: tuple[Clause, ...]
    session: Session
    deadline: float
    stop: Stop
    formulas: dict[Term, Any] = field(default_factory=dict)
    placed: dict[tuple[Term, Term], Term] = field(default_factory=dict)

    def run(self, stage: Stage) -> Conditions | None:
        """The conditions, or None where the inductive ones are too weak."""
        regions = self._fixpoint({f.operator: watched(f, self.clauses, stage) for f in self.spec.functions})
        known = {function: _conditions(some) for function, some in regions.items()}
        goals = [clause for clause in self.clauses if clause.conclusion is None]
        if any(self._ask(clause, self._premises(clause, known), ()) is not None for clause in goals):
            return None
        return self._slice(known, goals)

    def _fixpoint(self, regions: dict[Operator, tuple[Region, ...]]) -> Regions:
        """Regions that no clause leads out of."""
        waiting = [clause for clause in self.clauses if clause.conclusion is not None]
        while waiting:
            clause = waiting[0]
            head = clause.conclusion
            assert head is not None
            known = {function: _conditions(some) for function, some in regions.items()}
            model = self._ask(clause, self._premises(clause, known), [self._at(t, head) for t in known[head.operator]])
            if model is None:
                waiting.pop(0)
                continue
            point = self._point(head, model)
            joined = tuple(region.joined(point) for region in regions[head.operator])
            if joined == regions[head.operator]:
                raise _StoppedError("a model that the conditions already hold for")
            regions[head.operator] = joined
            waiting += [c for c in self._using(head.operator) if c not in waiting]
        return regions

    def _using(self, function: Operator) -> Iterator[Clause]:
        for clause in self.clauses:
            if clause.conclusion is not None and any(premise.operator == function for premise in clause.premises):
                yield clause

    def _premises(self, clause: Clause, known: Mapping[Operator, tuple[Term, ...]]) -> list[Term]:
        """The conditions at the arguments of the clause's premises."""
        return [self._at(term, call) for call in clause.premises for term in known[call.operator]]

    def _ask(self, clause: Clause, premises: Sequence[Term], concluded: Sequence[Term]) -> Mapping[str, Any] | None:
        """Values at which the clause's facts and ``premises`` hold and ``concluded`` does not; None: there are none."""
        left = self.deadline - monotonic()
        if self.stop():
            raise _StoppedError(STOPPED)
        if left <= 0:
            raise _StoppedError("out of time")
        manager = self.session.environment.formula_manager
        asked = [self._formula(term) for term in (*clause.facts, *premises)]
        if clause.conclusion is not None:
            asked.append(manager.Not(manager.And([self._formula(term) for term in concluded])))
        match decide(self.session, "induction", manager.And(asked), Limits(min(left, QUERY_SECONDS))):
            case Sat(model=model):
                return model
            case Unsat():
                return None
            case Unknown(reason=reason):
                raise _StoppedError(STOPPED if self.stop() else reason)

    def _at(self, term: Term, call: Term) -> Term:
        """A condition on the parameters at a call's arguments."""
        if (term, call) not in self.placed:
            parameters = self._function(call.operator).signature.variables
            self.placed[term, call] = rebuilt(term, dict(zip(parameters, call.arguments, strict=True)))
        return self.placed[term, call]

    def _formula(self, term: Term) -> Any:
        if term not in self.formulas:
            self.formulas[term] = term.encode(self.spec.signature.symbols(self.session.environment.formula_manager))
        return self.formulas[term]

    def _function(self, operator: Operator) -> Function:
        return next(function for function in self.spec.functions if function.operator == operator)

    def _columns(self, model: Mapping[str, Any]) -> Columns:
        """The variables of the specification in a model, any value where it has none."""
        row = [model.get(name, False if sort == BOOL else 0) for name, sort in self.spec.variables]
        return self.spec.signature.batch([row], exact=True)

    def _point(self, head: Term, model: Mapping[str, Any]) -> Point:
        """The argument values of a call in a model."""
        values = [argument.evaluate(self._columns(model))[0] for argument in head.arguments]
        return dict(zip(self._function(head.operator).signature.variables, values, strict=True))

    def _slice(self, known: Mapping[Operator, tuple[Term, ...]], goals: list[Clause]) -> Conditions:
        """Of the inductive conditions, those that the goals need, and those that these need in turn."""
        needed: dict[tuple[Operator, Term], None] = {}
        waiting: list[tuple[Clause, Term | None]] = [(goal, None) for goal in goals]
        while waiting:
            clause, concluded = waiting.pop(0)
            for used in self._enough(clause, known, concluded, needed):
                if used not in needed:
                    needed[used] = None
                    waiting += [(c, used[1]) for c in self.clauses if c.conclusion and c.conclusion.operator == used[0]]
        for one in sorted(needed, key=lambda pair: -pair[1].size):
            fewer = [pair for pair in needed if pair != one]
            if all(self._holds(clause, fewer) for clause in self.clauses):
                del needed[one]
        parts = (
            (condition(term) for operator, term in needed if operator == function.operator)
            for function in self.spec.functions
        )
        return Conditions(tuple(join(True, some).term for some in parts))

    def _holds(self, clause: Clause, pairs: Sequence[tuple[Operator, Term]]) -> bool:
        """Whether conditions of functions satisfy a clause."""
        known = {f.operator: tuple(t for operator, t in pairs if operator == f.operator) for f in self.spec.functions}
        head = clause.conclusion
        concluded = [self._at(term, head) for term in known[head.operator]] if head else ()
        return self._ask(clause, self._premises(clause, known), concluded) is None

    def _enough(
        self,
        clause: Clause,
        known: Mapping[Operator, tuple[Term, ...]],
        concluded: Term | None,
        needed: Container[tuple[Operator, Term]],
    ) -> list[tuple[Operator, Term]]:
        """Conditions of the premises that make a clause hold: needed ones, then small ones that a model calls for."""
        offered = [(call, term) for call in clause.premises for term in known[call.operator]]
        offered.sort(key=lambda pair: ((pair[0].operator, pair[1]) not in needed, pair[1].size))
        goal = [self._at(concluded, clause.conclusion)] if clause.conclusion and concluded else []
        used: list[tuple[Term, Term]] = []
        while (model := self._ask(clause, [self._at(term, call) for call, term in used], goal)) is not None:
            columns = self._columns(model)
            used.append(next(pair for pair in offered if not self._at(pair[1], pair[0]).evaluate(columns)[0]))
        return [(call.operator, term) for call, term in used]


def _conditions(regions: tuple[Region, ...]) -> tuple[Term, ...]:
    return tuple(dict.fromkeys(term for region in regions for term in region.conditions))
