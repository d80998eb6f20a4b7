"""SyGuS-IF files as problems: what each command means."""

from __future__ import annotations

import time

import numpy as np
import pytest

from cegis import SygusError, solve
from cegis.formulas.formula import subterms
from cegis.sygus import read, read_answer, read_text, write_problem
from dsl.operators import BOOL, INT, STRING, bitvector
from dsl.program import term_text as text
from dsl.scalars import Columns, ScalarSignature

MAX = """
; the larger of two
(set-logic LIA)
(set-info :source "own")
(set-option :random-seed 1)
(synth-fun max ((x Int) (y Int)) Int)
(declare-var a Int)
(declare-var b Int)
(constraint (>= (max a b) a))
(constraint (>= (max a b) b))
(constraint (or (= a (max a b)) (= b (max a b))))
(check-synth)
"""


def constraints(source):
    """The constraints of a file, as text."""
    return [text(term) for term in read_text(source).spec.constraints]


def constraint(formula, declared="(declare-var x Int) (declare-var s String) (declare-var p Bool)"):
    """One formula over x, s and p, as text."""
    return constraints(f"(synth-fun f ((x Int)) Int) {declared} (constraint {formula})")[0]


def test_a_file_is_a_specification(tmp_path):
    path = tmp_path / "max.sl"
    path.write_text(MAX.replace("\n", "\r\n"), encoding="utf-8-sig")  # as some editors save it
    problem = read(path)
    (function,) = problem.spec.functions
    assert (problem.logic, problem.file) == ("LIA", str(path))
    assert (function.name, function.signature) == ("max", ScalarSignature((("x", INT), ("y", INT)), INT))
    assert problem.spec.variables == (("a", INT), ("b", INT))
    assert [text(term) for term in problem.spec.constraints] == [
        "(>= (max a b) a)",
        "(>= (max a b) b)",
        "(or (= a (max a b)) (= b (max a b)))",
    ]
    assert problem.grammars == {"max": None}


def test_a_return_ends_a_comment_and_is_part_of_a_string(tmp_path):
    """SMT-LIB 2.6, section 3.1: a comment ends at character 10 or 13, a literal is what stands between quotes."""
    path = tmp_path / "late.sl"
    lines = '; above\r(constraint (>= (max a b) 7))\n(declare-var s String) (constraint (distinct s "c\r\nd"))\n(check'
    path.write_bytes(MAX.replace("(check", lines).encode())
    asked = list(map(text, read(path).spec.constraints))
    assert len(asked) == 5
    assert "(>= (max a b) 7)" in asked
    assert any("c" in one and "{d}" in one and "{a}" in one for one in asked)  # both characters


@pytest.mark.parametrize(
    ("formula", "meaning"),
    [
        ("(< 1 x 5)", "(and (< 1 x) (< x 5))"),
        ("(= x 1 2 3)", "(and (and (= x 1) (= 1 2)) (= 2 3))"),
        ("(distinct x 1 2)", "(and (and (not (= x 1)) (not (= x 2))) (not (= 1 2)))"),
        ("(=> p p (> x 0))", "(=> p (=> p (> x 0)))"),
        ("(= 0 (- x 1 2 3))", "(= 0 (- (- (- x 1) 2) 3))"),
        ("(= 0 (+ x 1 2 3))", "(= 0 (+ (+ x 1) (+ 2 3)))"),
        ("(and p)", "p"),
        ("(= x -5)", "(= x (- 5))"),
        ("(= x (- 5))", "(= x (- 5))"),
        ("(= x (- x))", "(= x (- x))"),
        ("(let ((y (+ x 1)) (x 2)) (< x y))", "(< 2 (+ x 1))"),
        ("(let ((y Int 1)) (< x y))", "(< x 1)"),
        ("(! (< x 1) :named small)", "(< x 1)"),
        ('(= s "a""b\\u{41}\\u0042\\n")', '(= s "a""bAB\\n")'),
        ("(= (str.to.int s) x)", "(= (str.to_int s) x)"),
        ("(= (int.to.str x) s)", "(= (str.from_int x) s)"),
        ("(= #b101 (_ bv5 3))", "(= #b101 #b101)"),
        ("(= #xAB (bvnot #x00))", "(= #xab (bvnot #x00))"),
        ("(= #xb ((_ extract 7 4) #xbc))", "(= #xb ((_ extract 7 4) #xbc))"),
        ("(= |x| x)", "(= x x)"),
        ("(= (f x) (f (f 1)))", "(= (f x) (f (f 1)))"),
    ],
)
def test_a_formula_means(formula, meaning):
    assert constraint(formula) == meaning


def test_a_long_sum_is_not_deep():
    term = read_text(f"(synth-fun f () Int)(constraint (= f (+ {'1 ' * 3000})))").spec.constraints[0]
    total = term.arguments[1].evaluate(Columns({}, 1))
    assert np.all(total == 3000)


def test_sorts_have_the_names_of_both_dialects():
    problem = read_text(
        "(define-sort Word () (_ BitVec 8)) (define-sort Short (BitVec 4))"
        "(synth-fun f ((a Word) (b (BitVec 16)) (c String) (d Bool) (e Short)) Int)"
    )
    sorts = [sort for _, sort in problem.spec.functions[0].signature.parameters]
    assert sorts == [bitvector(8), bitvector(16), STRING, BOOL, bitvector(4)]


def test_a_definition_has_the_readings_of_its_body():
    problem = read_text(
        "(define-fun twice ((x Int)) Int (+ x x)) (define-fun ten () Int 10)"
        "(synth-fun f ((x Int)) Int) (declare-var y Int) (constraint (= (f y) (twice (+ y ten))))"
    )
    twice, ten = problem.definitions
    call = problem.spec.constraints[0].arguments[1]
    assert (text(call), twice.parameters, text(ten.definition)) == ("(twice (+ y 10))", (("x", INT),), "10")
    assert call.evaluate(Columns({"y": np.array([1, -3])}, 2)).tolist() == [22, 14]


def test_a_definition_that_calls_the_function_is_written_out():
    source = """
    (synth-fun f ((x Int)) Int) (declare-var y Int)
    (define-fun grows ((a Int) (b Int)) Bool (=> (< a b) (< (f a) (f b))))
    (constraint (grows y (+ y 1)))
    """
    assert constraints(source) == ["(=> (< y (+ y 1)) (< (f y) (f (+ y 1))))"]
    assert read_text(source).definitions == ()


def test_a_definition_goes_before_an_old_name_and_a_parameter_before_a_definition():
    source = """
    (define-fun implies ((a Bool) (b Bool)) Bool a)
    (define-fun concat () Int 3)
    (define-fun less ((concat Int)) Bool (< concat 0))
    (synth-fun f ((mod Int)) Bool)
    (declare-var mod Int)
    (constraint (implies (f mod) (less concat)))
    """
    assert constraints(source) == ["(implies (f mod) (less 3))"]
    assert text(read_text(source).definitions[2].definition) == "(< concat 0)"


def test_an_invariant_is_three_clauses():
    source = """
    (set-logic LIA)
    (synth-inv inv ((x Int)))
    (declare-primed-var x Int)
    (define-fun pre ((x Int)) Bool (= x 0))
    (define-fun trans ((x Int) (x! Int)) Bool (= x! (+ x 1)))
    (define-fun post ((x Int)) Bool (>= x 0))
    (inv-constraint inv pre trans post)
    """
    problem = read_text(source)
    assert constraints(source) == [
        "(=> (pre x) (inv x))",
        "(=> (and (inv x) (trans x x!)) (inv x!))",
        "(=> (inv x) (post x))",
    ]
    assert problem.spec.variables == (("x", INT), ("x!", INT))
    assert problem.spec.functions[0].signature.result == BOOL


def test_variables_of_an_invariant_are_fresh_where_others_are_bound():
    source = """
    (synth-fun inv ((x Int)) Bool) (declare-var x Bool)
    (define-fun all ((x Int)) Bool true) (define-fun step ((x Int) (y Int)) Bool true)
    (inv-constraint inv all step all)
    """
    assert constraints(source)[0] == "(=> (all x_1) (inv x_1))"
    assumed = source.replace("(declare-var x Bool)", "(declare-var x Int) (assume (> x 3))")
    assert constraints(assumed)[0] == "(=> (all x_1) (inv x_1))"


def test_a_clause_has_variables_of_its_own():
    source = "(synth-fun p ((x Int)) Bool) (chc-constraint ((n Int)) (= n 0) (p n))"
    assert constraints(source) == ["(=> (= n 0) (p n))"]


def test_assumptions_are_kept_apart():
    problem = read_text("(synth-fun f ((x Int)) Int) (declare-var y Int) (assume (> y 0)) (constraint (= (f y) y))")
    assert [text(term) for term in problem.spec.assumptions] == ["(> y 0)"]


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ("(= (f 1) 2)", (((1,), 2),)),
        ("(= 2 (f (- 1)))", (((-1,), 2),)),
        ("(and (= (f 1) 2) (= (f 2) 3))", (((1,), 2), ((2,), 3))),
        ("(= (f 1) (f 2))", None),
        ("(< (f 1) 2)", None),
        ("(= (f y) 2)", None),
        ("(= 1 1)", None),
    ],
)
def test_examples_are_recognised(given, found):
    problem = read_text(f"(synth-fun f ((x Int)) Int) (declare-var y Int) (constraint {given})")
    assert problem.examples(problem.function("f")) == found


def test_examples_of_a_condition_are_bare_calls():
    problem = read_text('(synth-fun f ((s String)) Bool) (constraint (f "a")) (constraint (not (f "b")))')
    assert problem.examples(problem.function("f")) == ((("a",), True), (("b",), False))


def test_a_thousand_examples_read_quickly():
    rows = "".join(f"(constraint (= (f #x{n * 2654435761 % 2**64:016x}) #x{n:016x}))\n" for n in range(1000))
    source = f"(set-logic BV)(synth-fun f ((x (_ BitVec 64))) (_ BitVec 64)){rows}(check-synth)"
    started = time.process_time()
    problem = read_text(source)
    assert len(problem.examples(problem.function("f"))) == 1000
    assert time.process_time() - started < 1.5  # about 0.25 s on two slow cores


def test_an_answer_is_read_as_terms_of_the_grammar():
    problem = read_text(
        "(define-fun one () Int 1) (synth-fun f ((x Int)) Int ((S Int)) ((S Int (x one (+ S S S)))))"
        "(synth-fun g () Bool)"
    )
    answer = read_answer("((define-fun f ((arg Int)) Int (+ arg one arg)) (define-fun g () Bool true))", problem)
    assert [text(term) for term in answer.values()] == ["(+ x one x)", "true"]
    assert problem.grammars["f"].cost(answer["f"]) == 4
    assert problem.written["f"].derives(answer["f"])


def test_cvc5s_total_division_is_read_as_the_standards():
    problem = read_text("(set-logic LIA)\n(synth-fun f ((x Int)) Int)\n(declare-var x Int)\n(check-synth)")
    answer = read_answer("((define-fun f ((x Int)) Int (div_total (mod_total x 5) 3)))", problem)
    assert str(answer["f"]) == "div(mod(x, 5), 3)"


def test_constants_repetition_and_divisibility_are_read():
    problem = read_text(
        "(set-logic BV)(define-const two (_ BitVec 4) #x2)(synth-fun f ((x (_ BitVec 4))) (_ BitVec 8))"
        "(declare-var x (_ BitVec 4))(constraint (= (f x) ((_ repeat 2) (bvadd x two))))(check-synth)"
    )
    (constraint,) = problem.spec.constraints
    repeated = constraint.arguments[1]
    assert repeated.operator.name == "concat"
    assert repeated.evaluate(problem.spec.signature.batch([(3,)])) == 0x55
    problem = read_text(
        "(set-logic LIA)(synth-fun f ((x Int)) Bool)(declare-var x Int)"
        "(constraint (= (f x) ((_ divisible 3) x)))(check-synth)"
    )
    (constraint,) = problem.spec.constraints
    right = constraint.arguments[1].evaluate(problem.spec.signature.batch([(6,), (-4,), (0,)]))
    assert right.tolist() == [True, False, True]
    for wrong in ("((_ repeat 0) x)", "((_ repeat 5000) x)", "((_ divisible 2) x)"):
        with pytest.raises(SygusError, match=r"1:\d+: "):
            read_text(f"(set-logic BV)(synth-fun f () Bool)(declare-var x (_ BitVec 4))(constraint (= x {wrong}))")


QUANTIFIED = """(set-logic LIA)(synth-fun f ((x Int)) Int)(declare-var x Int)(declare-var y Int)
(constraint {})(check-synth)"""


@pytest.mark.parametrize(
    "text",
    [
        "(forall ((y Int)) (=> (< y x) (<= y (f x))))",
        "(=> (exists ((y Int)) (and (< y x) (> y (f x)))) false)",
        "(and true (not (exists ((y Int)) (not (or (forall ((z Int)) (>= (f z) z)) (= y y))))))",
    ],
)
def test_quantifiers_over_all_values_are_variables_of_their_own(text):
    problem = read_text(QUANTIFIED.format(text))
    assert len(problem.spec.variables) > 2
    used = {str(one) for c in problem.spec.constraints for one in subterms(c) if one.operator.is_variable}
    assert "y" not in used  # the declared one is another


@pytest.mark.parametrize(
    "text",
    [
        "(exists ((y Int)) (= (f x) (* 2 y)))",
        "(= (forall ((y Int)) (> y x)) (> (f x) 0))",
        "(=> (forall ((y Int)) (> (f y) x)) (> (f x) 0))",
        "(let ((z 1)) (forall ((y Int)) (> (f y) z)))",
    ],
)
def test_other_quantifiers_are_refused_with_their_place(text):
    with pytest.raises(SygusError, match=r"input:2:\d+: a quantifier \((exists|forall)\) is not supported here"):
        read_text(QUANTIFIED.format(text))


WEIGHTED = """(set-logic LIA)(set-feature :weights true)(declare-weight w)
(synth-fun f ((x Int)) Int ((A Int)) ((A Int ({}))))(declare-var x Int)
(constraint (= (f x) (+ x x)))(check-synth)"""


def test_the_weight_of_a_rule_is_what_the_search_pays_for_it():
    problem = read_text(WEIGHTED.format("x 2 (! (+ A A) :w 9) (! (* 2 A) :w 3)"))
    grammar = problem.grammars["f"]
    costs = {(p.operator.name, p.cost) for p in grammar.productions}
    assert {("+", 9), ("*", 3), ("x", 1)} <= costs
    again = read_text(write_problem(problem))
    assert again.grammars == problem.grammars
    outcome = solve(problem.spec, problem.grammars)
    assert outcome.program.programs[problem.spec.functions[0]].term.operator.name == "*"
    heavy = read_text(WEIGHTED.format("x 2 (! (+ A A) :w 3) (! (* 2 A) :w 9)"))
    outcome = solve(heavy.spec, heavy.grammars)
    assert outcome.program.programs[heavy.spec.functions[0]].term.operator.name == "+"


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ("x (! (+ A A) :w 0)", "expected a weight from 1 to 1,000, got '0'"),
        ("x (! A :w 2)", "a weight of a rule that is a nonterminal, or any constant, is not supported"),
        ("x (! (+ A A) :w 2) (! (- A A) :weight 2)", "a grammar has one weight to search by, got :w and :weight"),
    ],
)
def test_weights_that_cannot_be_kept_are_refused(rules, message):
    with pytest.raises(SygusError, match=f"input:2:[0-9]+: {message}"):
        read_text(WEIGHTED.format(rules))
