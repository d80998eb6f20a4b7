"""Solving a formula: searchers race, solvers decide, the answer is made small.

A specification falls into components that share no function; each is solved by its own loop. For one function whose
calls are not nested ``PointSearch`` proposes, for several that are called once each ``StepwiseSearch``, else
``JointSearch``; other searchers run beside it, some of which look for evidence that there is no solution. A solution is
polished, and where it was put together from parts proved once more as a whole: the claim is about the specification
that was asked. What one solver proves another confirms (``cegis.searchers.witnesses``).
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from backends.answer import BackendError
from cegis.domain import DomainError
from cegis.formulas.evaluation import Proof
from cegis.formulas.formula import FormulaSpec, Function, inlined, subterms
from cegis.formulas.logic import logic_name
from cegis.formulas.points import Points
from cegis.formulas.solution import Solution
from cegis.loop import Budget, FormulaBudget, Loop, Search
from cegis.outcome import Differs, Exhausted, Found, Outcome, Round, Statistics, Stopped
from cegis.searchers.peers import REFUTERS
from cegis.searchers.portfolio import BUSY, Problem, Racing, Searcher, cpu_end
from cegis.searchers.search import MASKS, PointSearch, hard_operators
from cegis.searchers.witnesses import LEAST_SECONDS, Witnesses, default_backend, witnesses_of
from cegis.verdict import Valid, Verdict, Verifier
from dsl import enumerator
from dsl.grammar import Grammar
from dsl.grammars.defaults import default_grammar, with_rows
from dsl.operators import GrammarError, Operator, Term
from dsl.scalars import ScalarSignature, Value
from dsl.sequences import SequenceSignature
from dsl.showing import cut
from dsl.theories.theory import is_own

if TYPE_CHECKING:
    from backends import Backend

Grammars = Grammar | Mapping[str, Grammar | None] | None
MOST_CONSTANTS = 16
POLISH_SECONDS = 1.0  # of CPU time for making a proved solution smaller
PROOF_SHARES = 10  # as many times that, of wall clock, for all proofs of smaller ones
OUTSIDE_SECONDS = 2.0  # the same for one of another searcher, which is no small one
EQUATIONS_SHARE = 0.5  # of the time left, for the functions that equations leave
SHARE = 0.1  # of the time left, for deciding a solution that multiplies or divides; then others are looked for


def solve(
    spec: FormulaSpec,
    grammars: Grammars = None,
    *,
    backend: Backend | None = None,
    witnesses: Sequence[Backend] | None = None,
    verifier: Verifier[Solution] | None = None,
    budget: Budget | None = None,
    searchers: Sequence[Searcher] = (),
    seed: int = 0,
    on_event: Callable[[Round[Solution]], None] = lambda event: None,
    on_progress: Callable[[Statistics], None] = lambda statistics: None,
    on_found: Callable[[Found[Solution]], None] = lambda found: None,
) -> Outcome[Solution]:
    """Programs for all functions of ``spec``, each of its grammar, or why not.

    ``grammars``: one by name, one for all, or None for any term of the logic. ``backend`` proves the programs (None:
    ``default_backend``, or nobody where there is no variable), and the first of ``witnesses`` that can (None: the other
    shipped ones that are installed) confirms it; or a ``verifier`` of one's own, asked about all functions together.
    Other ``searchers`` run beside our own search; the outcome says what became of each. ``on_found`` hears of every
    proved solution of all functions at once, each smaller than the one before; what is returned is the last of them.
    Deterministic by ``seed`` as long as no limit of time is met and no other searcher is first.
    Raises GrammarError for a grammar that does not fit its function.

    >>> print(solve(above).program)
    (define-fun f ((x Int)) Int (+ x 1))
    """
    if not isinstance(spec, FormulaSpec):
        raise DomainError(f"expected a FormulaSpec, got {cut(repr(spec), 80)}; synthesize takes references as well")
    named = by_name(spec, grammars)
    budget, started = budget or FormulaBudget(), time.perf_counter()
    end = None if budget.seconds is None else started + budget.seconds
    asked = witnesses_of(spec, backend)
    solvers = asked if witnesses is None else (*asked[:1], *witnesses)
    components = (spec,) if verifier else spec.components
    tell = on_found if len(components) == 1 else lambda found: None
    run = _Run(tuple(solvers), verifier, budget, end, tuple(searchers), seed, on_event, on_progress, tell)
    found: list[Found[Solution]] = []
    for component in components:
        own = {function: named.get(function.name) for function in component.functions}
        outcome = run.solve(Problem(component, own, homes(component, named)))
        if not isinstance(outcome, Found):
            assert not isinstance(outcome, Differs)
            earlier = (searched for part in found for searched in part.searchers)
            return replace(outcome, searchers=(*earlier, *outcome.searchers))
        found.append(outcome)
    return found[0] if len(found) == 1 else run.together(spec, found)


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
        if grammar is not None and any(is_own(row.operator) for row in grammar.productions):
            from cegis.operators.agreement import check_own, guarded

            check_own(grammar)
            named[name] = guarded(grammar)
    return named


def shape(signature: SequenceSignature | ScalarSignature) -> str:
    """``(x: Int, y: Int) -> Int``"""
    if not isinstance(signature, ScalarSignature):
        return "sequences"
    return f"({', '.join(f'{name}: {sort.name}' for name, sort in signature.parameters)}) -> {signature.result.name}"


def homes(spec: FormulaSpec, grammars: Mapping[str, Grammar | None]) -> dict[Function, Grammar]:
    """A grammar for every function of ``spec``: its own, or the terms of the logic and rows that constraints use."""
    logic, constants, rows = logic_name(spec), _constants(spec), _rows(spec)
    found = {}
    for function in spec.functions:
        own = grammars.get(function.name)
        found[function] = own or with_rows(default_grammar(function.signature, logic, constants), rows)
    return found


def _rows(spec: FormulaSpec) -> tuple[Operator, ...]:
    """The rows of the theories, and literals, that the constraints and assumptions are made of."""
    parts = (part for term in (*spec.constraints, *spec.assumptions) for part in subterms(inlined(term)))
    calls = {function.operator for function in spec.functions}
    return tuple(row for row in dict.fromkeys(p.operator for p in parts) if row not in calls and not is_own(row))


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

    backends: tuple[Backend, ...]
    verifier: Verifier[Solution] | None
    budget: Budget
    end: float | None
    searchers: tuple[Searcher, ...]
    seed: int
    on_event: Callable[[Round[Solution]], None]
    on_progress: Callable[[Statistics], None]
    on_found: Callable[[Found[Solution]], None]

    def solve(self, problem: Problem) -> Outcome[Solution]:
        """One component: by its equations where it has some, else its loop, and a smaller solution."""
        if len(problem.spec.functions) > 1 and self.verifier is None:
            found = self._by_equations(problem)
            if found is not None:
                return found
        budget = self._left()
        with self._verifying(problem.spec) as verifier:
            end = math.inf if budget.seconds is None else time.monotonic() + budget.seconds
            with Racing(Absent("not made yet"), (*self.searchers, *REFUTERS), problem, end=end) as search:
                search.start()  # making our own search may take longer than some other needs for an answer
                search.own, troubles = _own(problem, next(iter(self.backends), None), budget, self.seed, search.is_due)
                budget = self._left()
                timely = Timely(verifier, self.end, SHARE)
                loop = Loop(search, timely, budget, self.on_event, self.on_progress)
                outcome = loop.run()
                if isinstance(outcome, Found):
                    self.on_found(outcome)
                    outcome = self._smaller(outcome, search, loop)
            outcome = _told(outcome, search, troubles, verifier)
            if not isinstance(outcome, Found) or search.is_smallest(outcome.program):
                return outcome
            polished = self._polished(outcome, problem, verifier)
            if polished.program is not outcome.program:
                self.on_found(polished)
            return polished

    def _by_equations(self, problem: Problem) -> Found[Solution] | None:
        """Functions that equations define put in, then the others, and all proved as a whole; None if that fails."""
        from cegis.searchers.elimination import NAME, reduced

        system = reduced(problem.spec)
        if system is None:
            return None
        now = time.perf_counter()
        end = None if self.end is None else now + EQUATIONS_SHARE * (self.end - now)
        inner = replace(self, end=end, on_found=lambda found: None)
        parts: list[Found[Solution]] = []
        for component in () if system.rest is None else system.rest.components:
            functions = component.functions
            grammars = {function: problem.grammars[function] for function in functions}
            part = inner.solve(Problem(component, grammars, {f: problem.homes[f] for f in functions}))
            if not isinstance(part, Found):
                return None
            parts.append(part)
        programs = {function: program for part in parts for function, program in part.program.programs.items()}
        names = dict.fromkeys((NAME, *(part.program.searcher for part in parts)))
        solution = system.solution(problem, programs, ", ".join(names))
        if solution is None:
            return None
        with self._verifying(problem.spec) as verifier:
            match Timely(verifier, self.end).check(solution):
                case Valid(claims, notes):
                    searched = tuple(one for part in parts for one in part.searchers)
                    found = Found(solution, claims, notes, _summed([part.statistics for part in parts]), searched)
                    self.on_found(found)
                    polished = self._polished(found, problem, verifier)
                    if polished.program is not found.program:
                        self.on_found(polished)
                    return polished
        return None

    def _smaller(self, found: Found[Solution], search: Racing, loop: Loop) -> Found[Solution]:
        """``found``, or where another searcher had it, or masks joined it, a smaller solution that comes soon after."""
        while found.program.searcher in {MASKS, *(searcher.name for searcher in search.others)}:
            search.beat(found.program)
            loop.budget = self._left()
            more = loop.run()
            if not isinstance(more, Found) or more.program.size >= found.program.size:
                break
            found = more
            self.on_found(found)
        return found

    def _polished(self, found: Found[Solution], problem: Problem, verifier: Verifier[Solution]) -> Found[Solution]:
        """A smaller solution; solvers confirm only the last, and where they do not the first stays."""
        from cegis.searchers.polishing import polish

        now, used = time.perf_counter(), time.process_time()
        share = POLISH_SECONDS if found.program.searcher == "enumeration" else OUTSIDE_SECONDS
        end = now + PROOF_SHARES * share
        timely = Timely(verifier, end if self.end is None else min(end, self.end), confirms=False)

        def stop() -> bool:
            is_late = self.end is not None and time.perf_counter() > self.end
            return is_late or time.process_time() > min(used + share, cpu_end())

        small = polish(found, problem.spec, timely, stop=stop, seed=self.seed)
        if small.program is not found.program and isinstance(verifier, Witnesses):
            small = _confirmed(small, found, verifier, self.end)
        checking = small.statistics.check_seconds + time.perf_counter() - now
        return replace(small, statistics=replace(small.statistics, check_seconds=checking))

    def together(self, spec: FormulaSpec, found: Sequence[Found[Solution]]) -> Outcome[Solution]:
        """The solutions of the components as one, proved as a whole."""
        programs = {function: program for part in found for function, program in part.program.programs.items()}
        names = dict.fromkeys(part.program.searcher for part in found)
        notes = tuple(dict.fromkeys(note for part in found for note in part.notes))
        searched = tuple(one for part in found for one in part.searchers)
        solution = Solution({function: programs[function] for function in spec.functions}, ", ".join(names))
        statistics = _summed([part.statistics for part in found])
        with self._verifying(spec) as verifier:
            match Timely(verifier, self.end).check(solution):
                case Valid(claims, more):
                    notes = tuple(dict.fromkeys((*notes, *more)))
                    return Found(solution, claims, notes, statistics, searched)
                case other:
                    reason = f"solved in parts, but not proved as a whole: {other}"
                    return Stopped(reason, solution, (), statistics, searched)

    def _verifying(self, spec: FormulaSpec) -> AbstractContextManager[Verifier[Solution]]:
        return nullcontext(self.verifier) if self.verifier else Witnesses(spec, self.backends, seed=self.seed)

    def _left(self) -> Budget:
        if self.end is None:
            return self.budget
        return replace(self.budget, seconds=max(LEAST_SECONDS, self.end - time.perf_counter()))


@dataclass(frozen=True)
class Timely:
    """A verifier whose solvers are given the time until ``end``; a ``share`` of it where a solution can be avoided.

    Without ``confirms`` one solver's word will do for now.
    """

    verifier: Verifier[Solution]
    end: float | None
    share: float = 1.0
    confirms: bool = True

    def check(self, solution: Solution, /) -> Verdict:
        """The verifier's verdict, in the time that is left."""
        if not isinstance(self.verifier, Witnesses):
            return self.verifier.check(solution)
        if self.end is not None:
            share = min(1.0, self.share * slowness()) if hard_operators(solution) else 1.0
            self.verifier.seconds = max(LEAST_SECONDS, share * (self.end - time.perf_counter()))
        return self.verifier.check(solution) if self.confirms else self.verifier.check_once(solution)


def slowness() -> float:
    """How many times as long as alone a solver may take by the clock: processes per processor, 1 to ``BUSY``."""
    try:
        load, processors = os.getloadavg()[0], os.cpu_count() or 1
    except (AttributeError, OSError):  # a system that does not tell
        return 1.0
    return min(float(BUSY), max(1.0, load / processors))


def _confirmed(
    small: Found[Solution], found: Found[Solution], verifier: Witnesses, end: float | None
) -> Found[Solution]:
    """``small`` where it is proved as well as ``found`` is, otherwise that."""
    verifier.seconds = None if end is None else max(LEAST_SECONDS, end - time.perf_counter())
    (proof,) = small.claims
    assert isinstance(proof, Proof)
    match verifier.confirm(small.program, proof):
        case Valid((Proof() as confirmed,), notes):
            known = all(isinstance(claim, Proof) and claim.is_confirmed for claim in found.claims)
            if confirmed.is_confirmed or not known:
                notes = tuple(dict.fromkeys((*found.notes, *notes)))
                return replace(small, claims=(confirmed,), notes=notes)
    return replace(found, notes=tuple(dict.fromkeys((*found.notes, *verifier.notes))))


def _told(
    outcome: Outcome[Solution], search: Racing, troubles: Sequence[str], verifier: Verifier[Solution]
) -> Outcome[Solution]:
    """``outcome`` with what became of every searcher, what solvers did wrong, and evidence of there being nothing."""
    told = tuple(dict.fromkeys((*troubles, *(verifier.notes if isinstance(verifier, Witnesses) else ()))))
    match outcome:
        case Found(program=solution, notes=notes):
            names = {searcher.name for searcher in search.others}
            searched = search.searched(solution.searcher, own_won=solution.searcher not in names)
            return replace(outcome, notes=tuple(dict.fromkeys((*notes, *told))), searchers=searched)
        case Stopped(reason=reason):
            return replace(outcome, reason="; ".join([reason, *told]), searchers=search.searched("", own_won=False))
        case Exhausted():
            searched = search.searched("", own_won=False)
            return replace(outcome, evidence=search.evidence, searchers=searched)
    return outcome


@dataclass
class Absent:
    """No search of our own, and why."""

    reason: str
    is_absent: bool = True
    candidates: int = 0
    memory_mb: float = 0.0
    level: int = 0

    def propose(self, stop: Callable[[], bool]) -> enumerator.Stopped:
        """Nothing: the search has ended."""
        return enumerator.Stopped(self.reason)

    def observe(self, inputs: object, expected: object) -> None:
        """Nothing to learn."""


def _own(
    problem: Problem, backend: Backend | None, budget: Budget, seed: int, stop: Callable[[], bool]
) -> tuple[Search, tuple[str, ...]]:
    """Our own search for this shape of specification, and what a solver that was to help it did wrong.

    Nothing is asked of a solver any more once ``stop()`` is true.
    """
    points = Points(problem.spec)
    if not points.is_layered:
        return Absent("a call stands inside another; only other searchers take that"), ()
    if len(problem.spec.functions) > 1:
        from cegis.searchers.joint import JointSearch
        from cegis.searchers.stepwise import StepwiseSearch, is_stepwise

        if is_stepwise(problem.spec):
            first = backend or default_backend(problem.spec)
            return StepwiseSearch(problem.spec, problem.homes, backend=first, budget=budget, seed=seed), ()
        return JointSearch(problem.spec, problem.homes, budget=budget, seed=seed), ()
    (function,) = problem.spec.functions
    valuations, troubles = list[tuple[Value, ...]](), tuple[str, ...]()
    try:
        if backend is not None:  # there are variables
            from cegis.formulas.distinguishing import telling

            valuations = telling(problem.spec, backend, seed=seed, stop=stop)
    except BackendError as error:  # the search does without
        troubles = (str(error),)
    grammar = problem.homes[function]
    return PointSearch(problem.spec, grammar, budget=budget, seed=seed, valuations=valuations), troubles


def _summed(parts: Sequence[Statistics]) -> Statistics:
    return Statistics(
        sum(part.rounds for part in parts),
        sum(part.examples for part in parts),
        sum(part.candidates for part in parts),
        sum(part.search_seconds for part in parts),
        sum(part.check_seconds for part in parts),
        max((part.memory_mb for part in parts), default=0.0),
        max((part.level for part in parts), default=0),
    )
