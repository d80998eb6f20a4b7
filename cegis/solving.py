"""Solving a formula: searchers race, a solver decides, the answer is made small.

A specification falls into components that share no function; each is solved by its own loop. For one function whose
calls are not nested ``PointSearch`` proposes, for several ``JointSearch``; other searchers run beside it. A solution
is polished, and where it was put together from parts proved once more as a whole: the claim is about the
specification that was asked.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from backends import Backend
from cegis.formula import FormulaSpec, inlined, subterms
from cegis.joint import JointSearch
from cegis.loop import Budget, Loop, Search
from cegis.outcome import Found, Outcome, Round, Statistics, Stopped
from cegis.points import Points
from cegis.polishing import polish
from cegis.racing import Problem, Racing, Searcher
from cegis.refutation import Refutation, logic_of
from cegis.search import PointSearch
from cegis.solution import Solution
from cegis.stepwise import StepwiseSearch, is_stepwise
from cegis.verdict import Valid
from dsl import enumeration
from dsl.defaults import default_grammar
from dsl.grammar import Grammar
from dsl.operators import Operator, Term

MOST_CONSTANTS = 16
POLISH_SECONDS = 1.0  # for making a proved solution smaller, and as much again as it took to find


def solve(
    spec: FormulaSpec,
    grammars: Mapping[str, Grammar | None],
    *,
    backend: Backend,
    budget: Budget | None = None,
    searchers: Sequence[Searcher] = (),
    seed: int = 0,
    on_event: Callable[[Round], None] = lambda event: None,
) -> Outcome:
    """Programs for all functions of ``spec``, each of its grammar (None: any term of the logic), or why not.

    Other ``searchers`` run beside our own. Deterministic by ``seed`` as long as no limit of time is met and no other
    searcher is first.
    """
    budget, started = budget or Budget(), time.perf_counter()
    found: list[Found] = []
    for component in spec.components:
        own = {function: grammars.get(function.name) for function in component.functions}
        logic, constants = logic_of(component).name, _constants(component)
        homes = {f: grammar or default_grammar(f.signature, logic, constants) for f, grammar in own.items()}
        outcome = _solve(Problem(component, own, homes), backend, _left(budget, started), searchers, seed, on_event)
        if not isinstance(outcome, Found):
            return outcome
        found.append(outcome)
    return found[0] if len(found) == 1 else _together(spec, found, backend, _left(budget, started), seed)


def _constants(spec: FormulaSpec) -> tuple[Operator, ...]:
    """Literals worth proposing where the grammar is open: those that stand beside variables."""
    terms = [term for term in (*spec.constraints, *spec.assumptions) if _has_variable(term)]
    inner = (part for term in terms for part in subterms(inlined(term)))
    return tuple(dict.fromkeys(part.operator for part in inner if part.operator.is_literal))[:MOST_CONSTANTS]


def _has_variable(term: Term) -> bool:
    return any(part.operator.is_variable for part in subterms(term))


def _left(budget: Budget, started: float) -> Budget:
    if budget.seconds is None:
        return budget
    return replace(budget, seconds=max(0.001, budget.seconds - (time.perf_counter() - started)))


def _solve(
    problem: Problem,
    backend: Backend,
    budget: Budget,
    searchers: Sequence[Searcher],
    seed: int,
    on_event: Callable[[Round], None],
) -> Outcome:
    """One component: its loop, and a smaller solution."""
    started = time.perf_counter()
    with (
        Refutation(problem.spec, backend, seconds=budget.seconds, seed=seed) as verifier,
        Racing(_own(problem, backend, budget, seed), tuple(searchers), problem) as search,
    ):
        outcome = Loop(search, verifier, budget, on_event).run()
        if not isinstance(outcome, Found):
            return outcome
        now = time.perf_counter()
        end = now + POLISH_SECONDS + (now - started)
        end = end if budget.seconds is None else min(end, started + budget.seconds)
        return polish(outcome, problem.spec, verifier, stop=lambda: time.perf_counter() > end, seed=seed)


@dataclass
class Absent:
    """No search of our own, and why."""

    reason: str
    candidates: int = 0
    memory_mb: float = 0.0

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
    return PointSearch(problem.spec, problem.homes[function], budget=budget, seed=seed)


def _together(spec: FormulaSpec, found: Sequence[Found], backend: Backend, budget: Budget, seed: int) -> Outcome:
    """The solutions of the components as one, proved as a whole."""
    programs = {function: program for part in found for function, program in part.program.programs.items()}
    names = dict.fromkeys(part.program.searcher for part in found)
    solution = Solution({function: programs[function] for function in spec.functions}, ", ".join(names))
    statistics = _summed([part.statistics for part in found])
    with Refutation(spec, backend, seconds=budget.seconds, seed=seed) as verifier:
        match verifier.check(solution):
            case Valid(claims, notes):
                return Found(solution, claims, notes, statistics)
            case other:
                return Stopped(f"solved in parts, but not proved as a whole: {other}", solution, (), statistics)


def _summed(parts: Sequence[Statistics]) -> Statistics:
    return Statistics(
        sum(part.rounds for part in parts),
        sum(part.examples for part in parts),
        sum(part.candidates for part in parts),
        sum(part.search_seconds for part in parts),
        sum(part.check_seconds for part in parts),
        max(part.memory_mb for part in parts),
    )
