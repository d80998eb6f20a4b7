"""Grammars of synth-fun: the productions a search gets derive exactly what is written."""

from __future__ import annotations

import re

import numpy as np
import pytest

from cegis import SygusError, solve
from cegis.sygus import read_text, write_problem
from cegis.sygus.syntax import expressions
from cegis.sygus.terms import Scope, read_term
from dsl.operators import INT, STRING
from dsl.program import term_text
from dsl.scalars import Columns, variable


def problem(grammar, parameters="(x Int) (y Int)", result="Int", before=""):
    return read_text(f"{before} (synth-fun f ({parameters}) {result} {grammar})")


def productions(grammar, **others):
    """``nonterminal -> operator(arguments)`` for each production."""
    found = problem(grammar, **others).grammars["f"]
    return [f"{row.nonterminal} -> {row.operator.name}({' '.join(row.arguments)})" for row in found.productions]


def test_rules_of_one_operator_are_productions():
    rows = productions("((S Int) (B Bool)) ((S Int (x 0 (+ S S) (ite B S S))) (B Bool ((<= S S))))")
    assert rows == ["S -> x()", "S -> 0()", "S -> +(S S)", "S -> ite(B S S)", "B -> <=(S S)"]


def test_the_old_dialect_declares_no_nonterminals_apart():
    old = productions("((S Int (x 0 (+ S S) (ite B S S))) (B Bool ((<= S S))))")
    assert old == productions("((S Int) (B Bool)) ((S Int (x 0 (+ S S) (ite B S S))) (B Bool ((<= S S))))")


def test_nested_rules_get_nonterminals_named_by_their_text():
    rows = productions("((S Int)) ((S Int (x (+ S (* 2 x)))))")
    assert rows == ["S -> x()", "S -> +(S *(2, x))", "*(2, x) -> *(2 x)", "2 -> 2()", "x -> x()"]


def test_a_nonterminal_alone_is_replaced_by_its_rules():
    rows = productions("((S Int) (T Int) (U Int)) ((S Int (T (- T T))) (T Int (U x)) (U Int (S 1)))")
    assert rows == ["S -> -(S S)", "S -> x()", "S -> 1()"]


def test_equal_nonterminals_are_one_and_unreached_ones_are_left_out():
    rows = productions("((S Int) (T Int) (U Int) (W Int)) ((S Int ((+ T U))) (T Int (x 1)) (U Int (1 x)) (W Int (y)))")
    assert rows == ["S -> +(T T)", "T -> x()", "T -> 1()"]


def test_nonterminals_that_derive_nothing_are_left_out():
    assert productions("((S Int) (T Int)) ((S Int (x (+ S T))) (T Int ((+ T T))))") == ["S -> x()"]


def test_wide_applications_stay_one_operator():
    grammar = problem("((S Int)) ((S Int (x y (+ S S S))))").grammars["f"]
    row = grammar.productions[-1]
    assert (row.operator.name, row.operator.arguments, row.operator.python) == ("+", (INT,) * 3, "_0 + _1 + _2")
    term = row.operator(*(grammar.productions[place].operator() for place in (0, 1, 0)))
    assert grammar.cost(term) == 4


def test_any_constant_and_any_variable_are_derived():
    read = problem("((S Int)) ((S Int ((Constant Int) (Variable Int) (* (Constant Int) S))))")
    grammar = read.grammars["f"]
    assert "S" in grammar.constants
    term = term_of("(* 77 y)", read)
    assert grammar.cost(term) == 3
    assert read.written["f"].derives(term)
    assert grammar.cost(term_of("(* y 77)", read)) is None
    assert not read.written["f"].derives(term_of("(* y 77)", read))


def test_any_constant_is_not_taken_for_the_few_that_are_tried():
    read = problem("((S Int) (T Int) (U Int)) ((S Int ((+ T U))) (T Int ((Constant Int))) (U Int (0 1)))")
    assert read.grammars["f"].cost(term_of("(+ 5 0)", read)) == 3
    assert read.grammars["f"].cost(term_of("(+ 0 5)", read)) is None


def test_constants_to_try_come_from_the_specification_but_not_from_examples():
    source = "(synth-fun f ((x Int)) Int ((S Int)) ((S Int (x (Constant Int) (+ S S)))))"
    asked = read_text(source + "(declare-var y Int)(constraint (> (f y) 37))")
    shown = read_text(source + "(constraint (= (f 4) 37))")
    names = [{row.operator.name for row in p.grammars["f"].productions} for p in (asked, shown)]
    assert names == [{"x", "0", "1", "37", "+"}, {"x", "0", "1", "+"}]


def test_defined_functions_are_operators_of_a_grammar():
    before = "(define-fun one () Int 1) (define-fun twice ((a Int)) Int (+ a a))"
    rows = productions("((S Int)) ((S Int (one x (twice S))))", before=before)
    assert rows == ["S -> one()", "S -> x()", "S -> twice(S)"]


@pytest.mark.parametrize(
    ("text", "is_derived"),
    [
        ("x", True),
        ("(+ x (* 2 x))", True),
        ("(+ (+ x (* 2 x)) (* 2 x))", True),
        ("(+ x x)", False),
        ("(* 2 x)", False),
        ("(+ x (* x 2))", False),
    ],
)
def test_productions_derive_what_the_rules_derive(text, is_derived):
    read = problem("((S Int) (T Int)) ((S Int (x T (+ S (* 2 x)))) (T Int (S)))")
    term = term_of(text, read)
    assert read.written["f"].derives(term) == is_derived
    assert (read.grammars["f"].cost(term) is not None) == is_derived


def test_cost_is_size():
    read = problem("((S Int) (T Int)) ((S Int (T (+ S (* 2 x)))) (T Int (x y)))")
    term = term_of("(+ (+ y (* 2 x)) (* 2 x))", read)
    assert read.grammars["f"].cost(term) == term.size == 9


def test_strings_have_a_grammar_too():
    read = problem('((S String)) ((S String (s "-" (str.++ S S))))', parameters="(s String)", result="String")
    assert read.grammars["f"].sorts == {"S": STRING}


def term_of(text, read):
    """A term over the parameters of f."""
    variables = {term.operator.name: term for term in read.function("f").signature.variables}
    return read_term(expressions(text)[0], Scope(variables))


LET = """(set-logic LIA)(synth-fun f ((x Int) (y Int)) Int ((S Int) (A Int)) (
 (S Int ((let ((v A) (w (+ A 1))) (- (* 2 v) (+ w A)))))
 (A Int (x y (+ A A)))))
(declare-var x Int)(declare-var y Int)(constraint (= (f x y) (- (* 2 (+ x x)) (+ (+ y 1) x))))(check-synth)"""


@pytest.mark.needs("z3", "cvc5")
def test_what_a_let_of_a_rule_binds_is_derived_once_and_printed_so():
    z3 = pytest.importorskip("z3")
    problem = read_text(LET)
    found = solve(problem.spec, problem.grammars)
    (program,) = found.program.programs.values()
    text = program.sygus("f")
    assert re.search(r"Int \(let \(\(v \(\+ x x\)\) \(w \(\+ (x|y) 1\)\)\) \(- \(\* 2 v\) \(\+ w (x|y)\)\)\)\)$", text)
    assert program(3, 5) == 3
    assert problem.written["f"].derives(program.term)
    assert read_text(write_problem(problem)).written == problem.written
    smt = z3.Solver()  # the text means for a solver's own reader what it means here
    smt.from_string(f"{text}(assert (distinct (f 3 5) 3))")
    assert str(smt.check()) == "unsat"


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("(let ((x A)) (+ x A))", "the let binds 'x', a name that is taken"),
        ("(let ((A A)) (+ A A))", "the let binds 'A', a name that is taken"),
        ("(let ((_1 A)) (+ _1 A))", "the let binds '_1', a name that is taken"),
        ("(let ((v A) (v A)) v)", "the let binds a name twice"),
        ("(let ((v A)) (+ A A))", "a let in a grammar has to use every name that it binds"),
        ("(let ((v A)) (+ v q))", "unknown name 'q'"),
    ],
)
def test_a_let_that_cannot_be_a_row_is_refused(rule, message):
    with pytest.raises(SygusError, match=re.escape(message)):
        read_text(LET.replace("(let ((v A) (w (+ A 1))) (- (* 2 v) (+ w A)))", rule))


def test_lets_within_a_let_keep_their_own_names():
    rule = "(let ((v A)) (+ (let ((w (+ v A))) (- w v)) v))"
    problem = read_text(LET.replace("(let ((v A) (w (+ A 1))) (- (* 2 v) (+ w A)))", rule))
    (term,) = problem.written["f"].rules["S"]
    values = {"x": np.array([4]), "y": np.array([9])}
    row = term.operator(*(variable(name, INT)() for name in "xyx"[: len(term.arguments)]))
    assert term_text(row) == "(let ((v x)) (+ (let ((w (+ v y))) (- w v)) v))"
    assert int(row.evaluate(Columns(values, 1))[0]) == 4 + 9
