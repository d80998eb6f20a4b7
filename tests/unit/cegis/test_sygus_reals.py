"""Linear arithmetic over the reals: read, searched, proved, printed, and refused where no solver decides it."""

from __future__ import annotations

import json
from fractions import Fraction

import pytest
from quick import sliced

from cegis import Exhausted, FormulaBudget, Found, SygusError, solve
from cegis.invariants.unrolling import Run
from cegis.searchers.contradiction import Contradiction
from cegis.searchers.peers import Cvc5Sygus, Unrolling
from cegis.searchers.portfolio import Problem
from cegis.searchers.solving import homes
from cegis.sygus import read_answer, read_text, write_problem
from dsl.operators import REAL
from dsl.program import Program, term_text
from dsl.theories.theory import literal

MIDDLE = """
(set-logic LRA)
(define-fun half ((x Real)) Real (/ x 2))
(synth-fun mid ((a Real) (b Real)) Real
  ((R Real) (B Bool))
  ((R Real (a b 0 1 (+ R R) (- R R) (* (/ 1 2) R) (ite B R R))) (B Bool ((<= R R)))))
(declare-var a Real)
(declare-var b Real)
(constraint (= (mid a b) (half (+ a b))))
(check-synth)
"""
LARGER = """
(set-logic LRA)
(synth-fun f ((x Real) (y Real)) Real)
(declare-var x Real)
(declare-var y Real)
(constraint (and (>= (f x y) x) (>= (f x y) y) (or (= (f x y) x) (= (f x y) y))))
(check-synth)
"""


def climbing(limit: str) -> str:
    """A loop that climbs by thirds while it is below 1, and ends at ``limit`` at most."""
    return f"""
    (set-logic LRA)
    (synth-inv inv ((x Real)))
    (define-fun pre ((x Real)) Bool (= x 0))
    (define-fun trans ((x Real) (x! Real)) Bool (and (< x 1) (= x! (+ x (/ 1 3)))))
    (define-fun post ((x Real)) Bool (<= x {limit}))
    (inv-constraint inv pre trans post)
    (check-synth)
    """


def solved(text: str) -> Found:
    problem = read_text(text)
    outcome = solve(problem.spec, problem.grammars, budget=FormulaBudget(seconds=60))
    assert isinstance(outcome, Found), outcome
    return outcome


def only(outcome: Found) -> Program:
    (program,) = outcome.program.programs.values()
    return program


def test_a_program_over_the_reals_is_proved_by_two_solvers() -> None:
    outcome = solved(LARGER)
    assert term_text(only(outcome).term) in ("(ite (<= x y) y x)", "(ite (<= y x) x y)")
    (proof,) = outcome.claims
    assert proof.logic == "QF_LRA"
    assert proof.is_confirmed
    assert only(outcome)(Fraction(1, 3), Fraction(2, 7)) == Fraction(1, 3)


def test_the_printed_program_rounds_nothing() -> None:
    program = only(solved(MIDDLE))
    names: dict[str, object] = {}
    exec(program.source("mid"), names)
    middle = names["mid"]
    assert callable(middle)
    for a, b in ((Fraction(1, 3), Fraction(1, 7)), (1, 2), (Fraction(1, 10**30), 0)):
        assert middle(a, b) == program(a, b) == (Fraction(a) + Fraction(b)) / 2
        assert isinstance(middle(a, b), Fraction)
    assert Program.parse(program.source("mid"), program.grammar) == program


@pytest.mark.parametrize(
    ("text", "value", "name"),
    [
        ("1.5", Fraction(3, 2), "(/ 3.0 2.0)"),
        ("(- 0.25)", Fraction(-1, 4), "(/ (- 1.0) 4.0)"),
        ("(/ 2 (- 6))", Fraction(-1, 3), "(/ (- 1.0) 3.0)"),
        ("7", Fraction(7), "7.0"),
        ("-7.0", Fraction(-7), "(- 7.0)"),
    ],
)
def test_numbers_are_read_exactly_and_written_so_that_they_read_back(text: str, value: Fraction, name: str) -> None:
    for written in (text, name):
        spec = read_text(f"(set-logic LRA) (synth-fun f () Real) (constraint (= f {written}))").spec
        number = spec.constraints[0].arguments[1].operator
        assert (number.result, number.value, number.name) == (REAL, value, name)


def test_a_whole_number_beside_reals_is_real_in_any_logic() -> None:
    spec = read_text("(synth-fun f ((x Real)) Real) (declare-var x Real) (constraint (< (f x) (+ x 1)))").spec
    assert term_text(spec.constraints[0]) == "(< (f x) (+ x 1.0))"


@pytest.mark.parametrize(
    ("formula", "message"),
    [
        ("(= (* x x) 1.0)", "a product of reals is only supported with a number"),
        ("(= (/ 1.0 x) 1.0)", "a division of reals is only supported by a number that is not 0"),
        ("(= (div x 2.0) 1.0)", "div takes"),
    ],
)
def test_what_no_solver_here_decides_is_refused_with_its_place(formula: str, message: str) -> None:
    text = f"(set-logic LRA)\n(synth-fun f ((x Real)) Real)\n(declare-var x Real)\n(constraint {formula})"
    with pytest.raises(SygusError, match=message) as caught:
        read_text(text)
    assert (caught.value.line, caught.value.column) == (4, 17)


def test_a_rule_may_not_multiply_what_it_derives() -> None:
    for rule in ("(* R R)", "(/ R 2.0)"):
        with pytest.raises(SygusError, match=r"a product of reals|a rule cannot divide"):
            read_text(f"(set-logic LRA) (synth-fun f ((x Real)) Real ((R Real)) ((R Real (x {rule}))))")


def test_reals_and_integers_in_one_specification_are_refused() -> None:
    spec = read_text("(synth-fun f ((x Real)) Real) (declare-var n Int) (constraint (< n (+ n 1)))").spec
    text = "(synth-fun f ((x Real)) Real) (declare-var n Int) (declare-var x Real)"
    both = read_text(f"{text} (constraint (=> (< 0 n) (= (f x) x)))").spec
    with pytest.raises(ValueError, match="mixes reals with integers"):
        solve(both, budget=FormulaBudget(seconds=5))
    assert spec.variables == (("n", both.variables[0][1]),)


def test_a_loop_over_the_reals_has_an_invariant_or_a_run_that_breaks_it() -> None:
    assert isinstance(solved(climbing("1.5")).program.searcher, str)
    problem = read_text(climbing("1.0"))
    assert isinstance(solved(climbing("1.4")), Found)
    unsafe = read_text(climbing("0.9"))
    asked = Problem(unsafe.spec, dict.fromkeys(unsafe.spec.functions), homes(unsafe.spec, {}))
    searching = Unrolling().search(asked, lambda: False)
    with pytest.raises(StopIteration) as ended:
        next(searching)
    assert isinstance(ended.value.value.evidence, Run)
    assert "(inv 1.0)" in ended.value.value.evidence.sentence
    assert problem.logic == "LRA"


def test_cvc5_is_told_of_reals_and_its_answer_is_read() -> None:
    for text in (MIDDLE, LARGER):
        problem = read_text(text)
        assert read_text(write_problem(problem)).spec.constraints == problem.spec.constraints
        grammars = {function: problem.grammars[function.name] for function in problem.spec.functions}
        asked = Problem(problem.spec, grammars, homes(problem.spec, problem.grammars))
        (answer,) = Cvc5Sygus(delay=0).search(asked, lambda: False)
        assert answer.size >= 3
    bodies = read_answer("((define-fun f ((a Real) (b Real)) Real (+ a (* (- 1) b) (/ 1 2))))", read_text(LARGER))
    assert term_text(bodies["f"]) == "(+ (+ x (* (- 1.0) y)) (/ 1.0 2.0))"


def test_a_finite_grammar_of_reals_can_be_exhausted() -> None:
    problem = read_text(
        "(set-logic LRA) (synth-fun f ((x Real)) Real ((R Real)) ((R Real (x 0.5)))) (declare-var x Real)"
        " (constraint (= (f x) (+ x 0.5)))"
    )
    assert isinstance(solve(problem.spec, problem.grammars, budget=FormulaBudget(seconds=30)), Exhausted)


def test_a_literal_is_the_same_from_a_whole_number_and_from_a_fraction() -> None:
    assert literal(3, REAL) == literal(Fraction(3), REAL)
    assert literal(3, REAL).value == Fraction(3)


@pytest.mark.parametrize(
    "text",
    sliced(
        [
            climbing("0.9"),
            "(set-logic LRA) (synth-fun f ((x Real)) Real) (declare-var x Real) (constraint (= (f x) 0.5))"
            " (constraint (=> (> x 1) (= (f x) (/ 1 3))))",
        ],
        2,
    ),
)
def test_evidence_with_reals_is_json(text: str) -> None:
    problem = read_text(text)
    outcome = solve(problem.spec, problem.grammars, budget=FormulaBudget(seconds=60))
    assert isinstance(outcome, Exhausted), outcome
    assert isinstance(outcome.evidence, Run | Contradiction)
    assert "/" in json.dumps(outcome.evidence.as_json())
