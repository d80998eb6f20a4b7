"""Claims about solvers as witnesses: no proof rests unsaid on one word, and none that misbehaves costs a result."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest
from specs import call, function, integers, maximum, of

from backends import CVC5, Z3, Backend, BackendError, Portfolio, get
from backends.smtlib_process import SmtlibProcess
from cegis import Counterexample, DomainError, FormulaBudget, Found, Unknown, Valid, enumerate_solutions, synthesize
from cegis.formulas.evaluation import Proof, divides_by_zero
from cegis.formulas.formula import FormulaSpec
from cegis.formulas.solution import Solution
from cegis.outcome import Outcome
from cegis.searchers.solving import solve
from cegis.searchers.witnesses import Witnesses, default_backend, witnesses_of
from cegis.sygus.applications import let_row, one_row
from dsl.grammars.defaults import default_grammar
from dsl.operators import INT, STRING, Term
from dsl.program import Program
from dsl.scalars import variable
from dsl.theories.theory import define, find, literal

pytestmark = pytest.mark.needs("z3", "cvc5")
FAKE = Path(__file__).parents[2] / "support/fake_solver.py"
F = function("f", ("a", INT), result=INT)
(A,) = F.signature.variables
(X,) = integers("x")
V = variable("v", INT)()
BIG = literal(666, INT)()  # what the fake solver misbehaves at
SPEC = FormulaSpec((F,), (("x", INT),), (of("=", call(F, X), of("+", X, BIG)),))
RIGHT, WRONG = of("+", A, BIG), of("+", A, of("+", BIG, BIG))


def fake(mode: str = "") -> Backend:
    return SmtlibProcess(name="fake", command=(sys.executable, "-SE", str(FAKE), mode), logics=("QF_LIA", "QF_UF"))


def solution(body: Term) -> Solution:
    return Solution({F: Program(body, default_grammar(F.signature))})


def proof_of(verdict: object) -> Proof:
    assert isinstance(verdict, Valid), verdict
    (proof,) = verdict.claims
    assert isinstance(proof, Proof)
    return proof


def proved(outcome: Outcome[Solution]) -> Proof:
    assert isinstance(outcome, Found), outcome
    (proof,) = outcome.claims
    assert isinstance(proof, Proof)
    return proof


def names(proof: Proof) -> list[str]:
    return [text.split()[0] for text in (proof.solver, *proof.witnesses)]


# --- a proof has two witnesses, or says that it has not -----------------------------------------------------------


@pytest.mark.parametrize(("first", "said"), [("z3", ["z3", "cvc5"]), ("cvc5", ["cvc5", "z3"]), (None, ["z3", "cvc5"])])
def test_what_one_solver_proves_another_confirms(first: str | None, said: list[str]) -> None:
    proof = proved(synthesize(SPEC, verifier=first))
    assert names(proof) == said
    assert proof.is_confirmed
    assert proof.sentence.endswith(f"{proof.solver} and {proof.witnesses[0]} (QF_LIA) find no exception")


def test_a_portfolio_is_confirmed_by_another_than_the_one_that_answered() -> None:
    proof = proved(solve(SPEC, backend=Portfolio(Z3, CVC5), budget=FormulaBudget(seconds=30)))
    assert sorted(names(proof)) == ["cvc5", "z3"]


def test_strings_are_confirmed_as_well() -> None:
    f = function("f", ("a", STRING), result=STRING)
    s = variable("s", STRING)()
    spec = FormulaSpec((f,), (("s", STRING),), (of("=", call(f, s), of("str.++", s, s)),))
    assert default_backend(spec) == CVC5
    assert names(proved(solve(spec, budget=FormulaBudget(seconds=30)))) == ["cvc5", "z3"]


def test_without_another_the_sentence_says_on_whose_word_it_rests() -> None:
    with Witnesses(SPEC, (Z3,)) as witnesses:
        proof = proof_of(witnesses.check(solution(RIGHT)))
    assert not proof.is_confirmed
    assert proof.sentence.endswith(
        f"no exception, on the word of {proof.solver} (QF_LIA) alone (no other solver is there to confirm it)"
    )
    assert proof.as_json() == {"by": [proof.solver], "logic": "QF_LIA", "confirmed": False, "doubt": proof.doubt}


@pytest.mark.parametrize(
    ("mode", "doubt"),
    [
        ("unknown", "fake: (:reason-unknown tired)"),
        ("leave", "fake: the solver process ended with status 3"),
        ("garbage", "fake: a closing bracket without an opening one"),
        ("hang", "fake: killed at the time limit of 0."),
        ("", "fake answered sat to 'query=1' with a model that does not satisfy it"),
    ],
)
def test_a_witness_that_does_not_confirm_is_named_with_its_reason(
    mode: str, doubt: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cegis.searchers.witnesses.CONFIRM_SECONDS", 0.2)
    with Witnesses(SPEC, (Z3, fake(mode))) as witnesses:
        proof = proof_of(witnesses.check(solution(RIGHT)))
    assert names(proof) == ["z3"]
    assert doubt in proof.doubt.replace("fake 0.1-fake", "fake")
    assert f"on the word of {proof.solver} (QF_LIA) alone (" in proof.sentence


def test_every_listed_solution_is_confirmed() -> None:
    found = enumerate_solutions(maximum(2), budget=FormulaBudget(seconds=30))
    next(found), next(found)
    (proof,) = found.claims
    assert isinstance(proof, Proof)
    assert names(proof) == ["z3", "cvc5"]
    doubtful = enumerate_solutions(maximum(2), witnesses=(), budget=FormulaBudget(seconds=30))
    next(doubtful)
    assert " alone (" in doubtful.claims[0].sentence


# --- a solver that misbehaves ---------------------------------------------------------------------------------------


def test_a_lying_unsat_is_found_out_and_never_believed_again() -> None:
    with Witnesses(SPEC, (fake("contrary"), Z3, CVC5)) as witnesses:
        verdict = witnesses.check(solution(WRONG))
        assert isinstance(verdict, Counterexample)
        (note,) = witnesses.notes
        assert note.startswith("fake was wrong and is not believed any more: it found no exception to ")
        assert names(proof_of(witnesses.check(solution(RIGHT)))) == ["z3", "cvc5"]


def test_a_lying_unsat_that_nobody_checks_is_that_solvers_word() -> None:
    with Witnesses(SPEC, (fake("contrary"),)) as witnesses:
        sentence = proof_of(witnesses.check(solution(WRONG))).sentence
    assert "on the word of fake 0.1-fake (QF_LIA) alone" in sentence


@pytest.mark.parametrize(
    "mode",
    ["die", "garbage", "nothing", "twice", "late", "error", "fatal", "unsupported", "memory", "unknown", "lie", ""],
)
def test_a_solver_that_breaks_is_replaced_and_named(mode: str) -> None:
    outcome = solve(SPEC, backend=fake(mode), budget=FormulaBudget(seconds=30))
    assert names(proved(outcome)) == ["z3", "cvc5"]
    assert isinstance(outcome, Found)
    assert any("fake" in note for note in outcome.notes)


def test_a_solver_that_hangs_leaves_time_for_the_others() -> None:
    outcome = solve(SPEC, backend=fake("hang"), budget=FormulaBudget(seconds=3))
    assert names(proved(outcome)) == ["z3", "cvc5"]
    assert isinstance(outcome, Found)
    assert any("fake: killed at the time limit" in note for note in outcome.notes)


def test_when_nobody_knows_everybody_is_named() -> None:
    with Witnesses(SPEC, (fake("leave"), fake("unknown"))) as witnesses:
        verdict = witnesses.check(solution(RIGHT))
    assert isinstance(verdict, Unknown)
    assert "ended with status 3" in verdict.reason


def test_assumptions_contradict_each_other_by_two_words() -> None:
    possible = FormulaSpec((F,), (("x", INT),), SPEC.constraints, (of(">", X, BIG),))
    with Witnesses(possible, (fake("denial"), Z3, CVC5)) as witnesses:
        assert names(proof_of(witnesses.check(solution(RIGHT)))) == ["z3", "cvc5"]
        assert "it found no values that satisfy the assumptions" in witnesses.notes[0]
    with Witnesses(possible, (fake("denial"),)) as witnesses, pytest.raises(DomainError, match="word of fake alone"):
        witnesses.check(solution(RIGHT))
    impossible = FormulaSpec((F,), (("x", INT),), SPEC.constraints, (of(">", X, X),))
    with Witnesses(impossible, (Z3, CVC5)) as witnesses, pytest.raises(DomainError, match="z3 and cvc5 say so"):
        witnesses.check(solution(RIGHT))


@pytest.mark.parametrize("mode", ["", "contrary", "garbage", "leave"])
def test_without_variables_exact_evaluation_is_the_proof(mode: str) -> None:
    ground = FormulaSpec((F,), (), (of("=", call(F, BIG), of("+", BIG, BIG)),))
    outcome = solve(ground, backend=fake(mode), budget=FormulaBudget(seconds=10))
    assert "checked by exact evaluation" in proved(outcome).sentence
    with Witnesses(ground, (fake(mode),)) as witnesses:
        assert isinstance(witnesses.check(solution(WRONG)), Counterexample)


def test_examples_need_no_solver_unless_one_is_named() -> None:
    ground = FormulaSpec((F,), (), (of("=", call(F, BIG), BIG),))
    assert witnesses_of(ground) == ()
    assert witnesses_of(ground, get("cvc5"))[0].name == "cvc5"
    proof = proved(solve(ground, budget=FormulaBudget(seconds=10)))
    assert proof.as_json()["by"] == ["exact evaluation", "running the printed text"]
    assert proof.is_confirmed
    named = proved(solve(ground, backend=get("cvc5"), budget=FormulaBudget(seconds=10)))
    assert named.sentence.endswith(f"checked by exact evaluation and by {named.solver}")


def test_examples_that_divide_by_zero_are_put_to_a_solver() -> None:
    by_zero = of("div", A, literal(0, INT)())
    ground = FormulaSpec((F,), (), (of("=", call(F, BIG), literal(0, INT)()),))
    with Witnesses(ground, ()) as witnesses:
        assert isinstance(witnesses.check(solution(BIG)), Counterexample)
        assert not witnesses.backends
        assert isinstance(witnesses.check(solution(of("div", A, of("+", A, A)))), Valid)
        assert not witnesses.backends
        verdict = witnesses.check(solution(by_zero))  # 0 for us, any number for SMT-LIB
        assert isinstance(verdict, Unknown)
        assert "division by zero" in verdict.reason
        assert witnesses.backends


def test_a_division_within_defined_functions_is_seen() -> None:
    halved = define("halved", (("a", INT),), of("mod", A, of("-", A, A)))
    twice = define("twice", (("a", INT),), halved(A))
    ground = FormulaSpec((F,), (), (of("=", call(F, BIG), BIG),))
    assert divides_by_zero(ground, (twice(BIG),))
    assert not divides_by_zero(ground, (define("same", (("a", INT),), of("+", A, A))(BIG),))


def test_a_solver_that_does_not_know_is_no_proof_where_zero_divides() -> None:
    ground = FormulaSpec((F,), (), (of("=", call(F, BIG), literal(0, INT)()),))
    zero = of("-", A, A)
    for body in (of("mod", zero, zero), one_row("div", (zero, A, zero)), let_row([("v", zero)], of("div", A, V))):
        for name in ("z3", "cvc5"):
            with Witnesses(ground, (get(name),)) as witnesses:
                assert not isinstance(witnesses.check(solution(body)), Valid)
    ignored = of("ite", of("=", of("div", A, zero), A), zero, of("-", zero, zero))
    with Witnesses(ground, ()) as witnesses:
        assert isinstance(witnesses.check(solution(ignored)), Valid)  # as a solver proves


def test_examples_are_run_through_the_printed_text_as_well() -> None:
    misprinted = replace(find("+", (INT, INT)), python="_0 - _1")
    ground = FormulaSpec((F,), (), (of("=", call(F, BIG), of("+", BIG, BIG)),))
    with Witnesses(ground, ()) as witnesses, pytest.raises(BackendError, match="printed text"):
        witnesses.check(solution(misprinted(A, A)))
    with Witnesses(ground, ()) as witnesses:
        assert isinstance(witnesses.check(solution(of("+", A, A))), Valid)


def test_a_text_that_python_cannot_read_is_no_second_reading() -> None:
    deep = A
    for _ in range(300):
        deep = of("-", literal(0, INT)(), deep)
    ground = FormulaSpec((F,), (), (of("=", call(F, BIG), BIG),))
    with Witnesses(ground, ()) as witnesses:
        proof = proof_of(witnesses.check(solution(deep)))
    assert proof.sentence.endswith("; checked by exact evaluation")
    assert proof.as_json()["by"] == ["exact evaluation"]
    assert "nested too deeply" in proof.doubt


def test_the_witnesses_are_those_that_decide_the_logic() -> None:
    assert [backend.name for backend in witnesses_of(SPEC, get("cvc5"))] == ["cvc5", "z3"]
    assert witnesses_of(SPEC)[0] == Z3
