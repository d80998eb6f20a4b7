"""The engine as a library: one ``synthesize`` for formulas too, with any verifier and any searchers."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from specs import call, function, integers, maximum, of

import cegis
from backends import get
from cegis import (
    Counterexample,
    DomainError,
    FormulaBudget,
    FormulaSpec,
    Found,
    GrammarError,
    Refutation,
    Solution,
    Stopped,
    Unknown,
    Valid,
    default_grammar,
    literal,
    motifs,
    solve,
    synthesize,
)
from cegis import Exhausted as Infeasible
from cegis.searchers.portfolio import Problem, Racing
from dsl import enumerator
from dsl.grammar import Grammar
from dsl.operators import BOOL, INT
from dsl.program import Program

SPEC = maximum(2)
(F,) = SPEC.functions
OPEN = default_grammar(F.signature)
x, x0 = integers("x", "x0")


@pytest.mark.parametrize("verifier", ["z3", get("z3"), None])
def test_a_formula_is_synthesized_like_a_reference(verifier):
    outcome = synthesize(SPEC, OPEN, verifier=verifier)
    assert isinstance(outcome, Found)
    assert outcome.program.programs[F](3, 5) == 5
    assert "for all values of x0: Int, x1: Int; z3" in outcome.claims[0].sentence
    assert outcome.statistics.candidates_per_second > 0
    assert outcome.statistics.memory_mb > 0
    assert outcome.statistics.level > 0


@pytest.mark.parametrize("grammar", [OPEN, {"f": OPEN}, {"f": None}, {}, None])
def test_a_grammar_is_one_for_all_or_by_name_or_left_open(grammar):
    assert isinstance(synthesize(SPEC, grammar), Found)


def test_a_function_of_a_solution_verifies():
    seen = []

    def checked(solution: Solution) -> Valid | Counterexample | Unknown:
        seen.append(solution)
        (program,) = solution.programs.values()
        for values in ((0, 1), (5, 2), (-3, -3)):
            if program(*values) != max(values):
                return Counterexample(values, "larger", None)
        return Valid(())

    outcome = synthesize(SPEC, verifier=checked)
    assert isinstance(outcome, Found)
    assert outcome.program in seen
    assert isinstance(synthesize(SPEC, verifier=lambda solution: Unknown("cannot tell")), Stopped)


def test_a_verifier_of_ones_own_is_asked_about_all_functions_together():
    g = function("g", ("a", INT), result=INT)
    h = function("h", ("a", INT), result=INT)
    spec = FormulaSpec((g, h), (("x", INT),), (of("=", call(g, x), x), of("=", call(h, x), of("+", x, x))))
    asked: list[int] = []

    class Counting:
        def check(self, solution: Solution) -> Valid | Counterexample | Unknown:
            asked.append(len(solution.programs))
            with Refutation(spec, get("z3")) as verifier:
                return verifier.check(solution)

    assert isinstance(synthesize(spec, verifier=Counting()), Found)
    assert set(asked) == {2}


@dataclass(frozen=True)
class Knowing:
    """A searcher that has the answer ready."""

    body: object
    name: str = "knowing"
    delay: float = 0.0

    def search(self, problem, stop):
        yield Solution({F: Program(self.body, problem.homes[F])}, self.name)


class Failing:
    """A searcher that has a mistake in it."""

    name, delay = "failing", 0.0

    def search(self, problem, stop):
        raise KeyError("oops")


x1 = SPEC.flat.calls[0].arguments[1]
NESTED = FormulaSpec((F,), SPEC.variables, (*SPEC.constraints, of("=", call(F, call(F, x0, x1), x0), call(F, x0, x1))))


def test_a_searcher_of_ones_own_is_believed_only_when_proved():
    """Our own search does not take a call inside a call, so all depends on others."""
    a, b = F.signature.variables
    right, wrong = of("ite", of("<=", a, b), b, a), of("ite", of("<=", a, b), a, b)
    outcome = synthesize(NESTED, OPEN, searchers=[Knowing(right)])
    assert isinstance(outcome, Found)
    assert outcome.program.searcher == "knowing"
    assert isinstance(synthesize(NESTED, OPEN, searchers=[Knowing(wrong)]), Stopped)


@pytest.mark.slow
def test_a_searcher_that_fails_is_named_and_ends_nothing():
    outcome = synthesize(NESTED, OPEN, searchers=[Failing()])
    assert isinstance(outcome, Stopped)
    (fate,) = (one for one in outcome.searchers if one.searcher == "failing")
    assert str(fate) == "failing died (KeyError: 'oops')"
    outcome = synthesize(SPEC, OPEN, searchers=[Failing()])
    assert isinstance(outcome, Found)
    assert outcome.program.searcher == "enumeration"


@dataclass
class Endless:
    """A searcher that never has an answer, and hears when it is told to stop."""

    name: str = "endless"
    delay: float = 0.0
    is_running: bool = False

    def search(self, problem, stop):
        self.is_running = True
        while not stop():
            time.sleep(0.01)
        self.is_running = False
        yield from ()


def test_an_infeasible_problem_waits_for_nobody_and_leaves_nobody_running():
    signature = F.signature
    small = Grammar(signature, OPEN.start, tuple(p for p in OPEN.productions if not p.arguments))
    endless, began = Endless(), time.monotonic()
    assert isinstance(synthesize(SPEC, small, searchers=[endless]), Infeasible)
    assert time.monotonic() - began < 10
    assert not endless.is_running


def test_the_time_limit_holds_for_proofs_and_polishing_too():
    endless, began = Endless(), time.monotonic()
    outcome = synthesize(maximum(9), searchers=[endless], budget=FormulaBudget(seconds=0.5))
    assert time.monotonic() - began < 5
    assert isinstance(outcome, (Found, Stopped))
    assert not endless.is_running


def test_a_long_search_tells_how_far_it_is(monkeypatch):
    monkeypatch.setattr("cegis.loop.TELL_SECONDS", 0.0)
    told = []
    hard = FormulaSpec(
        (F,), (("x0", INT), ("x1", INT)), (of("=", call(F, x0, x0), of("+", x0, literal(12345, INT)())),)
    )
    assert isinstance(solve(hard, on_progress=told.append, budget=FormulaBudget(seconds=2, cost=5)), (Stopped, Found))
    assert [each.level for each in told] == sorted(each.level for each in told)
    assert told[-1].candidates > told[0].candidates >= 0
    assert all(each.search_seconds > 0 for each in told)


def test_a_formula_has_a_budget_of_its_own():
    budget = FormulaBudget(seconds=3)
    assert (budget.candidates, budget.cost, budget.memory_mb) == (100_000_000, 1_000, 2_048)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"grammar": default_grammar(maximum(3).functions[0].signature)}, GrammarError, r"is f\(x0: Int, x1: Int\) ->"),
        ({"grammar": {"g": OPEN}}, GrammarError, "a grammar for 'g', but the functions to be found are f"),
        ({"grammar": motifs(("a", "b"), ("no", "yes"))}, GrammarError, "the grammar is for sequences"),
        ({"searchers": ["zip"]}, DomainError, "unknown searcher 'zip'; known: cvc5, horn, induction"),
        ({"verifier": 7}, DomainError, "expected a solver, a verifier or a function"),
        ({"examples": [((1, 2), 2)]}, DomainError, "examples go into a formula as constraints"),
    ],
)
def test_bad_input_is_one_sentence(options, error, message):
    with pytest.raises(error, match=message):
        synthesize(SPEC, **options)


def test_what_formulas_alone_take_is_refused_for_references():
    spec = cegis.Spec(cegis.Domain(("a", "b"), max_length=2), lambda tokens: "yes" if "a" in tokens else "no")
    with pytest.raises(DomainError, match="other searchers take formulas"):
        synthesize(spec, motifs(("a", "b"), ("no", "yes")), searchers=["cvc5"])
    with pytest.raises(DomainError, match="expected a grammar of programs over sequences"):
        synthesize(spec)


def test_every_public_name_is_there_and_the_import_leaves_out_what_only_formulas_need():
    for name in cegis.__all__:
        assert getattr(cegis, name) is not None
    assert set(cegis.LATER) <= set(cegis.__all__)
    late = ("cegis.searchers.solving", "cegis.sygus", "torch")
    code = f"import cegis, sys; sys.exit(any(m in sys.modules for m in {late}))"
    root = Path(__file__).resolve().parents[3]
    assert subprocess.run([sys.executable, "-c", code], cwd=root).returncode == 0
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        cegis.nothing  # noqa: B018
    assert cegis.BOOL == BOOL


@dataclass(frozen=True)
class Asleep:
    """A search of our own that never ends by itself."""

    candidates: int = 0
    memory_mb: float = 0.0
    level: int = 0

    def propose(self, stop):
        while not stop():
            time.sleep(0.005)
        return enumerator.Stopped("told to stop")

    def observe(self, inputs, expected):
        """Nothing to learn."""


@pytest.mark.slow
def test_an_outside_answer_is_proposed_at_once_and_then_only_what_is_smaller():
    a, b = F.signature.variables
    problem = Problem(SPEC, {F: None}, {F: OPEN})
    short, long = of("ite", of("<=", a, b), b, a), of("ite", of("<=", a, b), b, of("+", a, literal(0, INT)()))
    with Racing(Asleep(), (Knowing(long), Knowing(long, delay=0.2)), problem, patience=(0.5, 0.5)) as race:
        found = race.propose(lambda: False)
        race.beat(found)
        assert found.size == long.size
        assert race.propose(lambda: False) == enumerator.Stopped("told to stop")  # the same again is no smaller
    with Racing(Asleep(), (Knowing(long), Knowing(short, delay=0.2)), problem, patience=(60.0, 60.0)) as race:
        race.beat(race.propose(lambda: False))
        assert race.propose(lambda: False).size == short.size


def test_every_proved_solution_is_told_at_once_and_the_last_is_the_answer(monkeypatch):
    a, b = F.signature.variables
    short, long = of("ite", of("<=", a, b), b, a), of("ite", of("<=", a, b), b, of("+", a, literal(0, INT)()))
    told = []
    outcome = solve(NESTED, OPEN, searchers=[Knowing(long)], on_found=told.append)
    assert [found.program for found in told] == [outcome.program]

    def polished(found, *_, **__):
        assert [one.program for one in told] == [found.program]
        return replace(found, program=Solution({F: Program(short, OPEN)}, "knowing"))

    told.clear()
    monkeypatch.setattr("cegis.searchers.polishing.polish", polished)
    outcome = solve(NESTED, OPEN, searchers=[Knowing(long)], on_found=told.append)
    assert [found.program.size for found in told] == [long.size, short.size]
    assert told[-1].program == outcome.program
