"""Claims about what became of searchers: the outcome lists every one, however it ended."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from quick import sliced
from specs import call, function, integers, maximum, of

from cegis import Budget, FormulaBudget, Found, Stopped
from cegis.formulas.formula import FormulaSpec
from cegis.formulas.solution import Solution
from cegis.outcome import End, Outcome, Searched
from cegis.searchers.peers import SEARCHERS
from cegis.searchers.portfolio import SHORT, Problem, Racing
from cegis.searchers.solving import Absent, homes, solve
from dsl.grammars.defaults import default_grammar
from dsl.operators import INT, Term
from dsl.program import Program

pytestmark = pytest.mark.needs("z3", "cvc5")
SPEC = maximum(2)
(F,) = SPEC.functions
A, B = F.signature.variables
X, Y = integers("x0", "x1")
NESTED = FormulaSpec((F,), SPEC.variables, (*SPEC.constraints, of("=", call(F, X, call(F, X, Y)), call(F, X, Y))))
RIGHT, WRONG = of("ite", of("<=", A, B), B, A), of("ite", of("<=", A, B), A, B)


@dataclass
class Asked:
    """A searcher that does what it is told."""

    does: Callable[[], Any]
    delay: float = 0.0
    name: str = "asked"

    def search(self, problem: Problem, stop: Callable[[], bool]) -> Iterator[Solution]:
        done = self.does()
        if isinstance(done, Term):
            yield Solution({F: Program(done, default_grammar(F.signature))}, self.name)
        while done == "wait" and not stop():
            time.sleep(0.01)


def leave() -> None:
    raise SystemExit(3)


def exhaust() -> None:
    raise MemoryError


def fates(outcome: Outcome[Solution]) -> dict[str, Searched]:
    assert isinstance(outcome, Found | Stopped)
    return {one.searcher: one for one in outcome.searchers}


@pytest.mark.parametrize(
    ("does", "delay", "end", "reason"),
    sliced(
        [
            (lambda: RIGHT, 0.0, End.FOUND, ""),
            (lambda: WRONG, 0.0, End.ANSWERED, ""),
            (lambda: None, 0.0, End.NO_ANSWER, ""),
            pytest.param(lambda: "wait", 0.0, End.NOTHING, "", marks=pytest.mark.slow),
            (lambda: 1 // 0, 0.0, End.DIED, "ZeroDivisionError: integer division or modulo by zero"),
            pytest.param(leave, 0.0, End.DIED, "SystemExit: 3", marks=pytest.mark.slow),
            (exhaust, 0.0, End.DIED, "MemoryError:"),
        ],
        3,
    ),
)
def test_every_end_of_a_searcher_is_told(does: Callable[[], Any], delay: float, end: End, reason: str) -> None:
    outcome = solve(NESTED, searchers=[Asked(does, delay)], budget=FormulaBudget(seconds=1.5))
    assert isinstance(outcome, Found) == (end is End.FOUND)
    found = fates(outcome)
    assert (found["asked"].end, found["asked"].reason) == (end, reason)
    assert found["own"].end is End.NOT_APPLICABLE
    assert found["own"].reason == "a call stands inside another; only other searchers take that"


def test_those_that_did_not_start_and_those_that_cannot_are_told() -> None:
    outcome = solve(SPEC, searchers=[factory() for factory in SEARCHERS.values()], budget=FormulaBudget(seconds=20))
    found = fates(outcome)
    assert list(found) == ["own", "cvc5", "horn", "induction", "contradiction", "unrolling"]
    assert found["own"].end is End.FOUND
    assert found["cvc5"].end is End.NOT_STARTED
    assert {str(found[name]) for name in ("horn", "induction")} <= {
        f"{name} {end}"
        for name in ("horn", "induction")
        for end in ("not started", "not applicable (the specification is not made of Horn clauses)")
    }


@pytest.mark.slow
def test_once_our_own_search_has_nothing_to_say_nobody_waits() -> None:
    began = time.monotonic()
    outcome = solve(NESTED, searchers=[Asked(lambda: RIGHT, delay=60.0)], budget=FormulaBudget(seconds=50))
    assert isinstance(outcome, Found)
    assert time.monotonic() - began < 20


def test_our_own_search_dies_like_any_other(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: object, stop: object) -> object:
        raise KeyError("broken")

    monkeypatch.setattr("cegis.searchers.search.PointSearch.propose", broken)
    outcome = solve(SPEC, searchers=[Asked(lambda: RIGHT)], budget=Budget(seconds=20))
    assert isinstance(outcome, Found)
    assert str(fates(outcome)["own"]) == "own died (KeyError: 'broken')"
    assert fates(outcome)["asked"].end is End.FOUND


def test_the_parts_of_a_specification_tell_of_their_searchers_each() -> None:
    g = function("g", ("a", INT), result=INT)
    constraints = (*SPEC.constraints, of("=", call(g, X), X))
    both = FormulaSpec((F, g), SPEC.variables, constraints)
    outcome = solve(both, budget=FormulaBudget(seconds=20))
    assert isinstance(outcome, Found)
    assert [one.searcher for one in outcome.searchers].count("own") == 2


def test_our_own_search_leaves_cpu_time_for_proofs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cegis.searchers.portfolio.cpu_end", lambda: 0.0)
    outcome = solve(SPEC, searchers=[Asked(lambda: RIGHT)], budget=FormulaBudget(seconds=20))
    assert isinstance(outcome, Found)
    assert str(fates(outcome)["own"]) == "own no answer (nearly all CPU time that this process is allowed was used)"
    assert fates(outcome)["asked"].end is End.FOUND


@dataclass(frozen=True)
class Waiting:
    """A searcher that waits to be told to stop; it is of no use once a solution is proved."""

    name: str = "waiting"
    delay: float = 0.0
    is_until_proved: bool = True

    def search(self, problem: Any, stop: Callable[[], bool]) -> Iterator[Any]:
        while not stop():
            time.sleep(0.01)
        yield from ()


def test_who_is_good_for_a_first_solution_alone_ends_with_a_proved_one() -> None:
    problem = Problem(NESTED, {f: None for f in NESTED.functions}, homes(NESTED, {}))
    with Racing(Absent("never"), (Waiting(), Asked(lambda: RIGHT, 0.0)), problem) as race:
        found = race.propose(lambda: False)
        waiting = next(lane for lane in race._lanes if lane.searcher.name == "waiting")
        assert not waiting.ended
        race.beat(found)
        assert waiting.thread is not None
        waiting.thread.join(60)
        assert waiting.ended
        assert race.searched("asked", own_won=False)[1].end is End.NOTHING


def test_what_is_proved_is_told_before_all_processes_together_used_their_cpu_time() -> None:
    problem = Problem(NESTED, {f: None for f in NESTED.functions}, homes(NESTED, {}))
    others = Asked(lambda: "wait", name="one"), Asked(lambda: "wait", name="other"), Asked(lambda: RIGHT)
    with Racing(Absent("never"), others, problem, patience=(60.0, 60.0)) as race:
        found = race.propose(lambda: False)
        race.beat(found)
        race._cpu_end = time.process_time() + 0.6
        assert not race.is_due()
        time.sleep(0.4)  # of which each of the two that wait may have used all
        assert race.is_due()
        assert race.propose(lambda: False).reason == SHORT
