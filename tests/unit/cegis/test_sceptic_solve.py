"""Attacks on the SyGuS engine that once went through: wrong proofs, wrong "infeasible", liars."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest
from pysmt import typing as types
from pysmt.environment import Environment
from specs import call, function, integers, maximum, of

from backends import Unknown as NoAnswer
from backends import get
from cegis import Budget, Counterexample, DomainError, Exhausted, Found, Stopped, Unknown, Valid
from cegis.formulas.formula import FormulaSpec
from cegis.formulas.refutation import Refutation
from cegis.formulas.solution import Solution
from cegis.outcome import End
from cegis.searchers.solving import solve
from cegis.sygus import read_answer, read_text
from dsl.grammars.defaults import default_grammar
from dsl.operators import BOOL, INT
from dsl.program import Program
from dsl.scalars import Symbols
from dsl.theories.theory import find, literal

x, y = integers("x", "y")
FIVE = literal(5, INT)()


def outcome_of(text, **options):
    problem = read_text(text)
    options = {"backend": get("z3"), "budget": Budget(seconds=20), **options}
    return solve(problem.spec, problem.grammars, **options)


def verdict_of(text, *answers):
    """What is said of functions, each in SyGuS-IF, as an answer to a file."""
    problem = read_text(text)
    terms = read_answer("\n".join(answers), problem)
    programs = {f: Program(terms[f.name], default_grammar(f.signature)) for f in problem.spec.functions}
    with Refutation(problem.spec, get("z3")) as verifier:
        return verifier.check(Solution(programs))


# --- names --------------------------------------------------------------------------------------------------------


def test_a_variable_with_the_name_of_a_literal_is_none():
    text = "(synth-fun f () Int) (declare-var |5| Int) (constraint (= f |5|))"
    assert isinstance(verdict_of(text, "(define-fun f () Int 5)"), Counterexample)


def test_a_variable_with_the_name_of_a_function_is_no_call_of_it():
    text = """(synth-fun c () Int) (synth-inv inv ((c Int)))
        (define-fun all ((c Int)) Bool true) (define-fun step ((c Int) (d Int)) Bool true)
        (define-fun three ((c Int)) Bool (= c 3)) (inv-constraint inv all step three) (constraint (= c 3))"""
    answers = "(define-fun c () Int 3)", "(define-fun inv ((c Int)) Bool true)"
    assert isinstance(verdict_of(text, *answers), Counterexample)


def test_a_defined_constant_with_the_name_of_a_literal_is_none():
    text = """(define-fun |5| () Int 7) (synth-fun f ((x Int)) Int ((S Int)) ((S Int (|5| 5))))
        (constraint (= (f 0) 7)) (constraint (= (f 1) 7))"""
    found = outcome_of(text)
    assert isinstance(found, Found)
    assert found.program.text == "(define-fun f ((x Int)) Int |5|)"


@pytest.mark.parametrize("name", ["f@0", "f@@0", "@0@", "literal"])
def test_names_that_look_like_our_own_change_nothing(name):
    text = f"""(synth-fun f ((a Int)) Int ((S Int)) ((S Int (a 0 1))))
        (declare-var {name} Int) (declare-var y Int)
        (constraint (= (f y) y)) (constraint (=> (= {name} 3) (= (f {name}) 3)))"""
    assert isinstance(outcome_of(text), Found)
    text = f"""(synth-fun {name} ((a Int)) Int ((S Int)) ((S Int (a 1 (+ S S)))))
        (constraint (= ({name} 1) 2)) (constraint (= ({name} 5) 6))"""
    assert isinstance(outcome_of(text), Found)


def test_nothing_that_a_file_declares_is_the_value_of_a_number_modulo_zero():
    """Once the symbol for x mod 0 had a name that a file could take, and so any property it liked."""
    environment = Environment()
    manager = environment.formula_manager
    symbols = Symbols(manager, {name: manager.Symbol(name, types.INT) for name in ("x", "y")})
    declared = {manager.Symbol(f"mod-{n}-by-zero", types.INT) for n in range(99)}
    declared |= {manager.Symbol(f"mod-by-zero-{n}", types.INT) for n in range(9)}
    formula = of("mod", x, y).encode(symbols)
    assert not declared & environment.fvo.get_free_variables(formula)
    assert formula == of("mod", x, y).encode(symbols)


@pytest.mark.parametrize("name", ["signed", "mod", "substr", "total", "flag", "word"])
def test_parameters_and_functions_have_any_name(name):
    text = f"""(set-logic BV) (define-sort W () (_ BitVec 8)) (synth-fun {name} (({name} W) (y W)) Bool)
        (declare-var x W) (declare-var y W) (constraint (= ({name} x y) (bvslt (bvadd x y) (bvadd x y y))))"""
    problem = read_text(text)
    (f,) = problem.spec.functions
    grammar = default_grammar(f.signature)
    a, b = f.signature.variables
    program = Program(of("bvslt", of("bvadd", a, b), of("bvadd", of("bvadd", a, b), b)), grammar)
    scope = {}
    exec(program.source(name), scope)
    called = scope[f.signature.function_name(name)]
    assert [called(*row) for row in ((0, 1), (126, 1), (1, 127))] == [True, False, True] == [
        program(*row) for row in ((0, 1), (126, 1), (1, 127))
    ]  # fmt: skip
    assert Program.parse(program.source(name), grammar) == program


# --- assumptions and constraints that say nothing -----------------------------------------------------------------


def test_undecided_or_contradicting_assumptions_are_asked_again(monkeypatch):
    f = function("f", ("a", INT), result=INT)
    never = (of("<", x, FIVE), of(">", x, FIVE))
    spec = FormulaSpec((f,), (("x", INT),), (of("=", call(f, x), FIVE),), never)
    solution = Solution({f: Program(f.signature.variables[0], default_grammar(f.signature))})
    with Refutation(spec, get("z3")) as verifier:
        with monkeypatch.context() as patched:
            patched.setattr("cegis.formulas.refutation.decide", lambda *_: NoAnswer("z3", "0", 0.0, "gave up"))
            assert verifier.check(solution) == Unknown("z3: gave up")
        for _ in range(2):
            with pytest.raises(DomainError, match="contradict"):
                verifier.check(solution)


def test_a_false_assumption_proves_nothing_that_no_solver_can_be_told():
    text = '(synth-fun f () Bool) (assume (str.< "b" "a")) (constraint (= f (str.<= "a" "b")))'
    with pytest.raises(DomainError, match="contradict"):
        verdict_of(text, "(define-fun f () Bool false)")


def test_what_the_assumptions_exclude_does_not_make_a_grammar_infeasible():
    text = """(synth-fun f ((x Int)) Int ((S Int)) ((S Int ((abs x)))))
        (declare-var x Int) (assume (>= x 0)) (constraint (= (f x) x))"""
    assert isinstance(outcome_of(text), Found)
    text = """(synth-fun f ((x Int)) Int) (declare-var x Int) (assume (>= x 6))
        (constraint (= (f x) x)) (constraint (= (f (- x)) 0))"""
    assert isinstance(outcome_of(text), Found)


@pytest.mark.parametrize(
    ("constraints", "said"),
    [
        ("", "satisfies the specification, which has no constraint; no constraint calls f: any program would do"),
        ("(constraint true)", "exact evaluation and by z3"),
        ("(declare-var x Int) (constraint (< x (+ x 1)))", "; no constraint calls f: any program would do"),
    ],
)
def test_a_proof_about_nothing_says_so(constraints, said):
    found = outcome_of(f"(synth-fun f ((a Int)) Int) {constraints}")
    assert isinstance(found, Found)
    assert said in found.claims[0].sentence
    assert found.claims[0].sentence.endswith("; no constraint calls f: any program would do")


@pytest.mark.parametrize("sort", ["Int", "Bool", "String", "(_ BitVec 100)"])
def test_without_constraints_there_is_an_answer_of_every_sort(sort):
    assert isinstance(outcome_of(f"(synth-fun f ((a {sort})) {sort})"), Found)


@pytest.mark.parametrize(
    "constraints",
    ["(constraint false)", "(declare-var v Int) (constraint (= (f v) v)) (constraint (>= 5 v))",
     "(declare-var v Int) (constraint (and (= (f v) v) (not (= v 123456))))"],
)  # fmt: skip
def test_what_fails_whatever_the_function_is_has_no_solution(constraints):
    assert isinstance(outcome_of(f"(synth-fun f ((a Int)) Int) {constraints}"), Exhausted)


# --- machine words ------------------------------------------------------------------------------------------------


def test_numbers_that_wrap_around_do_not_make_a_grammar_infeasible():
    text = """(synth-fun f ((x Int)) Int ((S Int) (B Bool)) ((S Int (0 1 (ite B S S))) (B Bool ((<= x 0)))))
        (constraint (= (f 9223372036854775808) 1)) (constraint (= (f (- 1)) 0))"""
    assert isinstance(outcome_of(text), Stopped)
    small = text.replace("9223372036854775808", "9223372036854775807")
    assert isinstance(outcome_of(small), Found)
    assert isinstance(outcome_of(small.replace("(f (- 1)) 0", "(f (- 1)) 2")), Exhausted)


def test_targets_that_differ_as_machine_words_alone_are_no_contradiction():
    text = """(synth-fun f ((x Int)) Int ((S Int)) ((S Int (x 0))))
        (declare-var x Int) (constraint (= (f x) x))
        (constraint (= (f (+ x 0)) (div (* 4611686018427387904 (* 4 x)) 18446744073709551616)))"""
    assert not isinstance(outcome_of(text), Exhausted)


def test_a_counterexample_that_no_machine_word_holds_ends_the_search():
    text = """(synth-fun f ((x Int)) Int) (declare-var x Int)
        (constraint (=> (> x 9223372036854775807) (= (f x) 5)))
        (constraint (=> (< x 9223372036854775807) (= (f x) x)))"""
    found = outcome_of(text, budget=Budget(seconds=5))
    assert isinstance(found, (Found, Stopped))


def test_a_nonterminal_of_any_constant_is_never_exhausted():
    text = """(synth-fun f ((x Int)) Int ((S Int)) ((S Int ((Constant Int)))))
        (declare-var x Int) (constraint (= (* 2 (f x)) 24690))"""
    assert not isinstance(outcome_of(text, budget=Budget(seconds=5)), Exhausted)


# --- what solvers are told ----------------------------------------------------------------------------------------


def test_examples_prove_what_no_solver_can_be_told():
    text = """(set-logic SLIA) (synth-fun f ((s String)) String)
        (constraint (= (f "a b c") "abc")) (constraint (= (f " x ") "x"))"""
    right = '(define-fun f ((s String)) String (str.replace_all s " " ""))'
    verdict = verdict_of(text, right)
    assert isinstance(verdict, Valid)
    assert verdict.claims[0].sentence.endswith("checked by exact evaluation and by running the printed text")
    assert isinstance(verdict_of(text, right.replace('""', '"b"')), Counterexample)
    open_text = text.replace('"a b c") "abc"', 'v) (str.++ v "")').replace(
        "(constraint", "(declare-var v String)(constraint", 1
    )
    assert isinstance(verdict_of(open_text, right), Unknown)


@pytest.mark.parametrize("solver", ["z3", "cvc5"])
@pytest.mark.needs("z3", "cvc5")
def test_a_session_takes_programs_of_another_logic(solver):
    f = function("f", ("a", INT), ("b", INT), result=INT)
    a, b = f.signature.variables
    spec = FormulaSpec((f,), (("x", INT), ("y", INT)), (of(">=", of("+", call(f, x, y), FIVE), FIVE),))
    square, length = of("*", a, a), of("str.len", of("str.from_int", b))
    by_zero = of("ite", of("=", of("div", a, literal(0, INT)()), b), FIVE, FIVE)
    with Refutation(spec, get(solver)) as verifier:
        for body, expected in ((a, Counterexample), (square, Valid), (FIVE, Valid), (length, Valid), (by_zero, Valid)):
            verdict = verifier.check(Solution({f: Program(body, default_grammar(f.signature))}))
            assert isinstance(verdict, expected), body


# --- other searchers ----------------------------------------------------------------------------------------------


class Liar:
    """Yields what ``lies`` makes of the problem, again and again."""

    name, delay = "liar", 0.0

    def __init__(self, *lies, times=5):
        self.lies, self.times = lies, times

    def search(self, problem, stop):
        for _ in range(self.times):
            for lie in self.lies:
                yield lie(problem)


def answer(problem, body):
    (f,) = problem.spec.functions
    return Solution({f: Program(body(*f.signature.variables), default_grammar(f.signature))}, "liar")


MAXIMUM = """(synth-fun f ((a Int) (b Int)) Int ((S Int) (B Bool)) ((S Int (a b (- S) (ite B S S))) (B Bool (false))))
    (declare-var x Int) (declare-var y Int) (constraint (>= (f x y) x)) (constraint (>= (f x y) y))
    (constraint (or (= x (f x y)) (= y (f x y))))"""
ABSENT = Budget(seconds=3, candidates=1_000_000)


def fake(a, b):
    """``ite false a b`` with the readings of a maximum."""
    row = replace(
        find("ite", (BOOL, INT, INT)),
        numpy=lambda _, c, a, b: np.maximum(a, b),
        smt=lambda s, c, a, b: s.manager.Ite(s.manager.GE(a, b), a, b),
    )
    return row(literal(False, BOOL)(), a, b)


@pytest.mark.parametrize(
    "lie",
    [
        lambda problem: answer(problem, lambda a, b: a),
        lambda problem: answer(problem, lambda a, b: of("ite", of("<=", a, b), b, a)),  # right, outside the grammar
        lambda problem: answer(problem, fake),
        lambda problem: answer(problem, lambda a, b: find("ite", (BOOL, INT, INT))(literal(False, BOOL)(), a, b)),
        lambda problem: Solution({}, "liar"),
        lambda problem: "f = maximum",
        lambda problem: None,
    ],
)
def test_what_a_searcher_makes_up_is_never_an_answer(lie):
    found = outcome_of(MAXIMUM, budget=ABSENT, searchers=[Liar(lie)])
    assert isinstance(found, (Exhausted, Stopped))


def test_a_right_answer_of_the_grammar_is_taken_with_our_own_readings():
    wider = MAXIMUM.replace("(B Bool (false))", "(B Bool ((<= S S)))")
    right = Liar(lambda problem: answer(problem, lambda a, b: of("ite", of("<=", a, b), b, a)))
    found = outcome_of(wider, searchers=[right])
    assert isinstance(found, Found)
    (program,) = found.program.programs.values()
    assert program.grammar.cost(program.term) is not None


@pytest.mark.slow
@pytest.mark.parametrize("name", ["boom", "number"])
def test_a_searcher_that_fails_is_told(name):
    class Failing:
        delay = 0.0

        def search(self, problem, stop):
            if self.name == "boom":
                raise KeyError("boom")
            return 5

    failing = Failing()
    failing.name = name
    impossible = "(synth-fun f ((a Int)) Int) (declare-var x Int) (constraint (< (f x) (f x)))"
    found = outcome_of(impossible, budget=Budget(seconds=20), searchers=[failing])
    assert isinstance(found, Exhausted)
    (fate,) = (one for one in found.searchers if one.searcher == name)
    assert (fate.end, fate.reason) == (
        (End.DIED, "KeyError: 'boom'") if name == "boom" else (End.DIED, "TypeError: 'int' object is not iterable")
    )


@pytest.mark.parametrize("wrong", [True, False])
def test_a_searcher_without_end_ends_with_the_time(monkeypatch, wrong):
    monkeypatch.setattr("cegis.searchers.portfolio.END_SECONDS", 0.2)

    class Endless(Liar):
        def search(self, problem, stop):
            while True:
                if wrong:
                    yield from super().search(problem, stop)
                time.sleep(0.001)

    began = time.monotonic()
    endless = Endless(lambda problem: answer(problem, lambda a, b: a))
    found = outcome_of(
        MAXIMUM.replace("(B Bool (false))", "(B Bool ((< S S)))"), budget=Budget(seconds=10), searchers=[endless]
    )
    assert isinstance(found, Found)
    assert time.monotonic() - began < 15


def test_every_other_program_of_the_same_size_is_refuted():
    spec = maximum(2)
    (f,) = spec.functions
    a, b = f.signature.variables
    right = {("<=", b, a), ("<", b, a), (">=", a, b), (">", a, b)}
    with Refutation(spec, get("z3")) as verifier:
        for relation in ("<=", "<", ">=", ">", "="):
            for then, otherwise in ((a, b), (b, a), (a, a)):
                body = of("ite", of(relation, a, b), then, otherwise)
                verdict = verifier.check(Solution({f: Program(body, default_grammar(f.signature))}))
                assert isinstance(verdict, Valid if (relation, then, otherwise) in right else Counterexample), body
