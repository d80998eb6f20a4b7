"""Claims about evidence that there is no solution: found for many kinds, it stands a replay, and none is made up."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from quick import sliced

from backends import CVC5, Z3
from backends.search import STOPPED, NoAnswer, NotApplicable
from cegis import Exhausted, FormulaBudget, Found
from cegis.formulas.formula import FormulaSpec
from cegis.invariants.unrolling import Run, Step, unrolled
from cegis.searchers.contradiction import Contradiction, contradiction
from cegis.searchers.solving import solve
from cegis.sygus import read_text

pytestmark = pytest.mark.needs("z3", "cvc5")


def spec_of(text: str) -> FormulaSpec:
    return read_text(f"(set-logic ALL) {text} (check-synth)").spec


def loop(parameters: str, before: str, step: str, after: str) -> FormulaSpec:
    both = f"{parameters} {parameters.replace(' Int', '! Int')}"
    return spec_of(
        f"""(synth-inv inv ({parameters})) (define-fun pre ({parameters}) Bool {before})
        (define-fun trans ({both}) Bool {step}) (define-fun post ({parameters}) Bool {after})
        (inv-constraint inv pre trans post)"""
    )


COUNTS = loop("(n Int)", "(= n 1)", "(= n! (+ n 3))", "(< n 12)")
UNSAFE = {
    "at once": (loop("(n Int)", "(> n 5)", "(= n! n)", "(> n 6)"), 1),
    "after some steps": (COUNTS, 5),
    "by a choice": (
        loop(
            "(n Int) (m Int)",
            "(= 0 n m)",
            "(or (and (= n! (+ n 1)) (= m! m)) (and (> n 2) (= m! (+ m n)) (= n! 0)))",
            "(not (= m 7))",
        ),
        9,
    ),
    "in words": (
        spec_of("""(synth-fun p ((x (_ BitVec 8))) Bool) (declare-var x (_ BitVec 8))
            (constraint (p #x01)) (constraint (=> (p x) (p (bvshl x #x01)))) (constraint (not (p #x10)))"""),
        5,
    ),
    "in strings": (
        spec_of("""(synth-fun p ((s String)) Bool) (declare-var s String) (constraint (p "a"))
            (constraint (=> (p s) (p (str.++ s "b")))) (constraint (=> (p s) (< (str.len s) 3)))"""),
        3,
    ),
    "of two conditions": (
        spec_of("""(synth-fun even ((n Int)) Bool) (synth-fun odd ((n Int)) Bool) (declare-var n Int)
            (constraint (even 0)) (constraint (=> (even n) (odd (+ n 1)))) (constraint (=> (odd n) (even (+ n 1))))
            (constraint (=> (and (even n) (odd (+ n 1))) (< n 4)))"""),
        6,
    ),
    "from an assumption on": (
        spec_of("""(synth-fun p ((n Int)) Bool) (declare-var n Int) (declare-var k Int) (assume (and (> k 2) (< k 5)))
            (constraint (=> (= n k) (p n))) (constraint (=> (p n) (p (+ n k)))) (constraint (not (p 8)))"""),
        2,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", UNSAFE)
def test_a_run_is_found_as_short_as_it_can_be_and_stands_the_replay(name: str) -> None:
    spec, steps = UNSAFE[name]
    run = unrolled(spec, seconds=20, backend=CVC5 if name == "in strings" else Z3)
    assert isinstance(run, Run), run
    assert len(run.facts) == steps
    assert run.is_real()
    assert run.sentence.startswith("nothing satisfies the specification: (")
    assert run.sentence.endswith("; replayed by exact evaluation")


def test_a_run_with_a_step_changed_or_left_out_is_none() -> None:
    run = unrolled(COUNTS, seconds=20, backend=Z3)
    assert isinstance(run, Run)
    for place, step in enumerate(run.steps):
        assert not replace(run, steps=run.steps[:place] + run.steps[place + 1 :]).is_real()
        wrong = Step(tuple(int(value) + 1 for value in step.valuation), step.premises, step.concluded)
        assert not replace(run, steps=(*run.steps[:place], wrong, *run.steps[place + 1 :])).is_real()
    assert not replace(run, steps=run.steps[:-1]).is_real()
    assert not replace(run, steps=()).is_real()


def test_safe_loops_and_other_kinds_have_no_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cegis.invariants.unrolling.LONGEST", 32)
    safe = loop("(n Int)", "(= n 0)", "(and (< n 5) (= n! (+ n 1)))", "(<= n 5)")
    assert unrolled(safe, seconds=20, backend=Z3) == NoAnswer("no run of up to 32 steps")
    assert unrolled(COUNTS, seconds=20, backend=Z3, stop=lambda: True) == NoAnswer(STOPPED)
    assert unrolled(COUNTS, seconds=1e-9, backend=Z3) == NoAnswer("out of time")
    other = spec_of("(synth-fun f ((x Int)) Int) (constraint (= (f 1) 2))")
    assert isinstance(unrolled(other, seconds=20, backend=Z3), NotApplicable)
    free = spec_of("(synth-fun p ((x Int)) Bool) (constraint (p 1))")
    assert isinstance(unrolled(free, seconds=20, backend=Z3), NotApplicable)


INT = "(synth-fun f ((x Int)) Int) (declare-var x Int) (declare-var y Int)"
IMPOSSIBLE = {
    "two answers for one input": ("(synth-fun f ((x Int)) Int) (constraint (= (f 4) 7)) (constraint (= (f 4) 9))", 0),
    "at one point alone": (f"{INT} (constraint (=> (= x 123456) (< x (f x) (+ x 1))))", 2),
    "beyond a border": (f"{INT} (constraint (>= (f x) x)) (constraint (<= (f x) 98765))", 2),
    "two inputs that meet": (f"{INT} (constraint (= (f (+ x y)) x))", 0),
    "a call in a call": (f"{INT} (constraint (= (f (f x)) (+ x 1))) (constraint (= (f x) x))", 2),
    "several functions": (
        f"{INT} (synth-fun g ((x Int)) Int) (constraint (= (f x) (g x) 0)) (constraint (> (g x) x))",
        0,
    ),
    "words": (
        """(synth-fun f ((x (_ BitVec 32))) (_ BitVec 32)) (declare-var x (_ BitVec 32))
        (constraint (bvult (f x) x))""",
        2,
    ),
    "a few words": (
        "(synth-fun f ((x (_ BitVec 4))) (_ BitVec 4)) (declare-var x (_ BitVec 4)) (constraint (bvult (f x) x))",
        0,
    ),
    "conditions": (f"{INT} (synth-fun p ((x Int)) Bool) (constraint (= (p x) (not (p (+ x 0)))))", 0),
    "strings": (
        '(synth-fun f ((s String)) String) (declare-var s String) (constraint (= (str.++ (f s) "!") s))',
        2,
    ),
    "examples of strings": (
        """(synth-fun f ((s String)) String) (constraint (= (f "x") "xa")) (constraint (= (f "y") "ya"))
        (constraint (= (f "x") "xb"))""",
        0,
    ),
    "where an assumption allows it": (f"{INT} (assume (> x 3)) (constraint (< (f x) 2)) (constraint (> (f x) x))", 2),
}  # fmt: skip


@pytest.mark.parametrize("name", IMPOSSIBLE)
def test_a_contradiction_is_found_and_says_who_saw_it(name: str) -> None:
    text, solvers = IMPOSSIBLE[name]
    spec = spec_of(text)
    found = contradiction(spec, seconds=20, backends=(CVC5, Z3) if "strings" in name else (Z3, CVC5))
    assert isinstance(found, Contradiction), found
    assert len(found.solvers) == solvers
    assert found.sentence.startswith("nothing satisfies the specification: no value of (")
    said = "find none" if solvers else "checked by exact evaluation"
    assert found.sentence.endswith(said)
    assert len(found.instances) <= 4


@pytest.mark.parametrize(("last", "room"), [(3, 2), (4, 3)])
def test_values_that_have_to_rise_leave_their_room(last: int, room: int) -> None:
    text = f"""{INT} (constraint (=> (> x y) (> (f x) (f y))))
    (constraint (=> (<= 0 x {last}) (<= 0 (f x) {room})))"""
    found = contradiction(spec_of(text), seconds=20, backends=(Z3, CVC5))
    assert isinstance(found, Contradiction), found
    assert len(found.calls) > last
    assert isinstance(
        contradiction(spec_of(text.replace(f"{room}))", f"{last}))")), seconds=20, backends=(Z3,)), NoAnswer
    )


def test_a_contradiction_on_one_word_says_so() -> None:
    spec = spec_of(IMPOSSIBLE["words"][0])
    found = contradiction(spec, seconds=20, backends=(Z3,))
    assert isinstance(found, Contradiction)
    assert "; on the word of z3 " in found.sentence
    assert found.sentence.endswith(" alone (there was nobody else to ask)")


POSSIBLE = [
    "(synth-fun f ((x Int)) Int) (assume (< 2 1)) (constraint (= (f 4) 7)) (constraint (= (f 4) 9))",
    f"{INT} (constraint (> (f x) x))",
    f"{INT} (constraint (= (f (f x)) x))",
    f"{INT} (assume (< x 3)) (constraint (< (f x) 5)) (constraint (> (f x) x))",
    "(synth-fun f ((x Int)) Int) (constraint (= (f 4) 7)) (constraint (= (f 5) 9))",
    '(synth-fun f ((s String)) String) (declare-var s String) (constraint (= (f s) (str.++ s "!")))',
    "(synth-fun f ((x (_ BitVec 4))) (_ BitVec 4)) (declare-var x (_ BitVec 4)) (constraint (bvule (f x) x))",
]


@pytest.mark.parametrize("text", POSSIBLE)
def test_what_has_a_solution_has_no_contradiction(text: str) -> None:
    backends = (CVC5, Z3) if "String" in text else (Z3, CVC5)
    assert isinstance(contradiction(spec_of(text), seconds=20, backends=backends), NoAnswer)


@pytest.mark.parametrize("text", sliced([*(text for text, _ in IMPOSSIBLE.values())][:2], 2))
def test_what_has_no_solution_is_infeasible_with_its_evidence(text: str) -> None:
    outcome = solve(spec_of(text), budget=FormulaBudget(seconds=30))
    assert isinstance(outcome, Exhausted), outcome
    assert isinstance(outcome.evidence, Contradiction)


def test_a_constraint_that_calls_no_function_is_shown_where_it_fails() -> None:
    text = f"{INT} (assume (> y 4)) (constraint (> (f x) x)) (constraint (=> (> x y) (< x 9)))"
    outcome = solve(spec_of(text), budget=FormulaBudget(seconds=30))
    assert isinstance(outcome, Exhausted), outcome
    assert isinstance(outcome.evidence, Contradiction)
    assert outcome.evidence.sentence.endswith("; checked by exact evaluation")
    (instance,) = outcome.evidence.instances
    at_x, at_y = instance.valuation
    assert at_x > at_y > 4
    assert at_x >= 9
    assert json.dumps(outcome.evidence.as_json())
    assert isinstance(solve(spec_of(text.replace("< x 9", "> x 5")), budget=FormulaBudget(seconds=30)), Found)


@pytest.mark.slow
def test_an_unsafe_loop_is_infeasible_and_a_safe_one_is_solved() -> None:
    outcome = solve(COUNTS, budget=FormulaBudget(seconds=30))
    assert isinstance(outcome, Exhausted), outcome
    assert isinstance(outcome.evidence, Run)
    safe = loop("(n Int)", "(= n 1)", "(and (< n 9) (= n! (+ n 3)))", "(< n 12)")
    assert isinstance(solve(safe, budget=FormulaBudget(seconds=30)), Found)
