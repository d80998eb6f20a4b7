"""Solving a formula: searchers race, a solver decides, the answer is made small.

A specification falls into components that share no function; each is solved by its own loop. For one function whose
calls are not nested ``PointSearch`` proposes, for several that are called once each ``StepwiseSearch``, else
``JointSearch``; other searchers run beside it. A solution is polished, and where it was put together from parts proved
once more as a whole: the claim is about the specification that was asked.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace

from backends import Backend, get
from cegis.agreement import check_own
from cegis.formula import FormulaSpec, Function, inlined, subterms
from cegis.joint import JointSearch
from cegis.loop import Budget, FormulaBudget, Loop, Search
from cegis.outcome import Found, Outcome, Round, Statistics, Stopped
from cegis.points import Points
from cegis.polishing import polish
from cegis.racing import Problem, Racing, Searcher
from cegis.refutation import Refutation, logic_of
from cegis.search import PointSearch, hard_operators
from cegis.solution import Solution
from cegis.stepwise import StepwiseSearch, is_stepwise
from cegis.telling import telling
from cegis.verdict import Valid, Verdict, Verifier
from dsl import enumeration
from dsl.defaults import default_grammar
from dsl.grammar import Grammar
from dsl.operators import STRING, GrammarError, Operator, Term
from dsl.scalars import ScalarSignature
from dsl.sequences import SequenceSignature

Grammars = Grammar | Mapping[str, Grammar | None] | None
MOST_CONSTANTS = 16
POLISH_SECONDS = 1.0  # for making a proved solution smaller, and as much again as it took to find
SHARE = 0.1  # of the time left, for deciding a solution that multiplies or divides; then others are looked for
LEAST_SECONDS = 0.001  # what a solver is given when time is up


def solve(
    spec: FormulaSpec,
    grammars: Grammars = None,
    *,
    backend: Backend | None = None,
    verifier: Verifier[Solution] | None = None,
    budget: Budget | None = None,
    searchers: Sequence[Searcher] = (),
    seed: int = 0,
    on_event: Callable[[Round[Solution]], None] = lambda event: None,
    on_progress: Callable[[Statistics], None] = lambda statistics: None,
) -> Outcome[Solution]:
    """Programs for all functions of ``spec``, each of its grammar, or why not.

    ``grammars``: one by name, one for all, or None for any term of the logic. ``backend`` proves the programs (None:
    ``default_backend``), or a ``verifier`` of one's own, asked about all functions together. Other ``searchers`` run
    beside our own search. Deterministic by ``seed`` as long as no limit of time is met and no other searcher is first.
    Raises GrammarError for a grammar that does not fit its function.
    """
    named = by_name(spec, grammars)
    budget, started = budget or FormulaBudget(), time.perf_counter()
    end = None if budget.seconds is None else started + budget.seconds
    solver = backend or default_backend(spec)
    run = _Run(solver, verifier, budget, end, tuple(searchers), seed, on_event, on_progress)
    found: list[Found[Solution]] = []
    for component in (spec,) if verifier else spec.components:
        own = {function: named.get(function.name) for function in component.functions}
        outcome = run.solve(Problem(component, own, homes(component, named)))
        if not isinstance(outcome, Found):
            return outcome
        found.append(outcome)
    return found[0] if len(found) == 1 else run.together(spec, found)


def default_backend(spec: FormulaSpec) -> Backend:
    """z3, but cvc5 for strings: PySMT does not hand them to z3, which has to be told in text, by its own program."""
    sorts = {sort for _, sort in spec.variables}
    for function in spec.functions:
        sorts |= {function.signature.result, *(sort for _, sort in function.signature.parameters)}
    return get("cvc5" if STRING in sorts else "z3")


def by_name(spec: FormulaSpec, grammars: Grammars) -> Mapping[str, Grammar | None]:
    """The grammars by function; raises GrammarError for one of another signature than its function's."""
    signatures = {function.name: function.signature for function in spec.functions}
    named = dict.fromkeys(signatures, grammars) if isinstance(grammars, Grammar) else dict(grammars or {})
    for name, grammar in named.items():
        if name not in signatures:
            raise GrammarError(f"a grammar for {name!r}, but the functions to be found are {', '.join(signatures)}")
        if grammar is not None and grammar.signature != signatures[name]:
            wanted = f"{name}{shape(signatures[name])}"
            raise GrammarError(f"the grammar is for {shape(grammar.signature)}, the function is {wanted}")
        if grammar is not None:
            check_own(grammar)
    return named


def shape(signature: SequenceSignature | ScalarSignature) -> str:
    """``(x: Int, y: Int) -> Int``"""
    if not isinstance(signature, ScalarSignature):
        return "sequences"
    return f"({', '.join(f'{name}: {sort.name}' for name, sort in signature.parameters)}) -> {signature.result.name}"


def homes(spec: FormulaSpec, grammars: Mapping[str, Grammar | None]) -> dict[Function, Grammar]:
    """A grammar for every function of ``spec``: its own, or all terms of the logic."""
    logic, constants = logic_of(spec).name, _constants(spec)
    return {f: grammars.get(f.name) or default_grammar(f.signature, logic, constants) for f in spec.functions}


def _constants(spec: FormulaSpec) -> tuple[Operator, ...]:
    """Literals worth proposing where the grammar is open: those that stand beside variables."""
    terms = [term for term in (*spec.constraints, *spec.assumptions) if _has_variable(term)]
    inner = (part for term in terms for part in subterms(inlined(term)))
    return tuple(dict.fromkeys(part.operator for part in inner if part.operator.is_literal))[:MOST_CONSTANTS]


def _has_variable(term: Term) -> bool:
    return any(part.operator.is_variable for part in subterms(term))


@dataclass(frozen=True)
class _Run:
    """What one call of ``solve`` was given; ``end`` is when its time is up."""

    backend: Backend
    verifier: Verifier[Solution] | None
    budget: Budget
    end: float | None
    searchers: tuple[Searcher, ...]
    seed: int
    on_event: Callable[[Round[Solution]], None]
    on_progress: Callable[[Statistics], None]

    def solve(self, problem: Problem) -> Outcome[Solution]:
        """One component: its loop, and a smaller solution."""
        started, budget = time.perf_counter(), self._left()
        with self._verifying(problem.spec) as verifier:
            own = _own(problem, self.backend, budget, self.seed)
            budget = self._left()
            end = math.inf if budget.seconds is None else time.monotonic() + budget.seconds
            with Racing(own, self.searchers, problem, end=end) as search:
                timely = Timely(verifier, self.end, SHARE)
                outcome = Loop(search, timely, budget, self.on_event, self.on_progress).run()
            outcome = _with_failures(outcome, [str(error) for error in search.errors])
            return outcome if not isinstance(outcome, Found) else self._polished(outcome, problem, verifier, started)

    def _polished(
        self, found: Found[Solution], problem: Problem, verifier: Verifier[Solution], started: float
    ) -> Found[Solution]:
        now = time.perf_counter()
        end = now + POLISH_SECONDS + (now - started)
        end = end if self.end is None else min(end, self.end)
        timely = Timely(verifier, end)
        small = polish(found, problem.spec, timely, stop=lambda: time.perf_counter() > end, seed=self.seed)
        checking = small.statistics.check_seconds + time.perf_counter() - now
        return replace(small, statistics=replace(small.statistics, check_seconds=checking))

    def together(self, spec: FormulaSpec, found: Sequence[Found[Solution]]) -> Outcome[Solution]:
        """The solutions of the components as one, proved as a whole."""
        programs = {function: program for part in found for function, program in part.program.programs.items()}
        names = dict.fromkeys(part.program.searcher for part in found)
        notes = tuple(dict.fromkeys(note for part in found for note in part.notes))
        solution = Solution({function: programs[function] for function in spec.functions}, ", ".join(names))
        statistics = _summed([part.statistics for part in found])
        with self._verifying(spec) as verifier:
            match Timely(verifier, self.end).check(solution):
                case Valid(claims, more):
                    return Found(solution, claims, (*notes, *more), statistics)
                case other:
                    return Stopped(f"solved in parts, but not proved as a whole: {other}", solution, (), statistics)

    def _verifying(self, spec: FormulaSpec) -> AbstractContextManager[Verifier[Solution]]:
        return nullcontext(self.verifier) if self.verifier else Refutation(spec, self.backend, seed=self.seed)

    def _left(self) -> Budget:
        if self.end is None:
            return self.budget
        return replace(self.budget, seconds=max(LEAST_SECONDS, self.end - time.perf_counter()))


@dataclass(frozen=True)
class Timely:
    """A verifier whose solver is given the time until ``end``; a ``share`` of it where a solution can be avoided."""

    verifier: Verifier[Solution]
    end: float | None
    share: float = 1.0

    def check(self, solution: Solution, /) -> Verdict:
        if isinstance(self.verifier, Refutation) and self.end is not None:
            share = self.share if hard_operators(solution) else 1.0
            self.verifier.seconds = max(LEAST_SECONDS, share * (self.end - time.perf_counter()))
        return self.verifier.check(solution)


def _with_failures(outcome: Outcome[Solution], failures: Sequence[str]) -> Outcome[Solution]:
    """``outcome``, telling which other searchers failed."""
    match outcome:
        case Found(notes=notes):
            return replace(outcome, notes=(*notes, *failures))
        case Stopped(reason=reason):
            return replace(outcome, reason="; ".join([reason, *failures]))
    return outcome


@dataclass
class Absent:
    """No search of our own, and why."""

    reason: str
    candidates: int = 0
    memory_mb: float = 0.0
    level: int = 0

    def propose(self, stop: Callable[[], bool]) -> enumeration.Stopped:
        return enumeration.Stopped(self.reason)

    def observe(self, inputs: object, expected: object) -> None:
        """Nothing to learn."""


def _own(problem: Problem, backend: Backend, budget: Budget, seed: int) -> Search:
    """Our own search for this shape of specification."""
    points = Points(problem.spec)
    if not points.is_layered:
        return Absent("a call stands inside another; only other searchers take that")
    if len(problem.spec.functions) > 1 and is_stepwise(problem.spec):
        return StepwiseSearch(problem.spec, problem.homes, backend=backend, budget=budget, seed=seed)
    if len(problem.spec.functions) > 1:
        return JointSearch(problem.spec, problem.homes, budget=budget, seed=seed)
    (function,) = problem.spec.functions
    valuations = telling(problem.spec, backend, seed=seed)
    return PointSearch(problem.spec, problem.homes[function], budget=budget, seed=seed, valuations=valuations)


def _summed(parts: Sequence[Statistics]) -> Statistics:
    return Statistics(
        sum(part.rounds for part in parts),
        sum(part.examples for part in parts),
        sum(part.candidates for part in parts),
        sum(part.search_seconds for part in parts),
        sum(part.check_seconds for part in parts),
        max(part.memory_mb for part in parts),
        max(part.level for part in parts),
    )
