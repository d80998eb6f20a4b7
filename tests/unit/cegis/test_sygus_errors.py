"""Every text that is no problem we read gets one sentence with its place."""

from __future__ import annotations

import pytest

from cegis.sygus import SygusError, read, read_answer, read_text

FUNCTION = "(synth-fun f ((x Int)) Int)\n"
LOGICS = (
    "ALL, BV, CLIA, LIA, LRA, NIA, S, SLIA, SNIA, UFBV, UFLIA, UFNIA, UFSLIA, PBE_BV, PBE_SLIA, "
    "QF_BV, QF_LIA, QF_LRA, QF_NIA, QF_S, QF_SLIA, QF_UFBV, QF_UFLIA, QF_UFNIA"
)

TEXTS = [
    ("", "1:1: the file asks for no function: expected a synth-fun or a synth-inv"),
    ("(set-logic NRA)", f"1:12: the logic 'NRA' is not supported; known: {LOGICS}"),
    ("(set-logic LIA)\n(set-logic BV)", "2:1: the logic is set twice, to LIA and BV"),
    ("(set-feature :oracles true)", "1:1: the feature :oracles is not supported"),
    ("(synth-fun 5 () Int)", "1:12: expected a name, got '5'"),
    ("(synth-fun true () Int)", "1:12: the name true is reserved"),
    ("(synth-fun abs ((x Int)) Int)", "1:12: the name 'abs' is that of an operator"),
    ("(define-fun and ((a Bool) (b Bool) (c Bool)) Bool a)", "1:13: the name 'and' is that of an operator"),
    ("(synth-fun f x Int)", "1:14: expected ((ARGUMENT SORT) ...), got 'x'"),
    ("(synth-fun f (x) Int)", "1:15: expected (ARGUMENT SORT), got 'x'"),
    ("(synth-fun f ((x Int) (x Int)) Int)", "1:23: the argument 'x' is declared twice"),
    ("(define-fun g ((x Int)) Bool x)", "1:30: g is declared to be of sort Bool, but its body is of Int"),
    ("(synth-inv i ((x Int)))(inv-constraint i q p p)", "1:42: unknown function 'q'"),
]
LATE = """(synth-inv i ((x Int))) (declare-var x Int)
(define-fun p ((x Int)) Bool true) (define-fun t ((x Int) (y Int)) Bool true)
(inv-constraint i p t p)
(assume (> x 0))"""
TEXTS.append((LATE, "4:1: an assumption on 'x' is only supported before the constraint that binds it"))
COMMANDS = [
    ("(optimize-synth x)", "1: the command optimize-synth is not supported"),
    ("(declare-datatype L ())", "1: the command declare-datatype is not supported"),
    ("(oracle-assume x)", "1: the command oracle-assume is not supported"),
    ("(define-fun-rec g ((x Int)) Int x)", "1: the command define-fun-rec is not supported"),
    (
        "(constrain (= 1 1))",
        "1: the command constrain is not supported; did you mean constraint or inv-constraint or chc-constraint?",
    ),
    ("(declare-fun g (Int) Int)", "1: an uninterpreted function with arguments is not supported"),
    ("x", "1: expected a command in brackets, got 'x'"),
    ("(constraint)", "1: expected one formula, got '(constraint)'"),
    (
        "(declare-var a (Array Int Int))",
        "16: the sort '(Array Int Int)' is not supported; known: Int, Bool, Real, String and (_ BitVec n)",
    ),
    ("(declare-var a (_ BitVec 0))", "26: expected a width of 1 to 65,536 bits, got '0'"),
    ("(declare-var f Int)", "14: the name 'f' is declared twice"),
    ("(check-synth)(constraint true)", "14: the command constraint after (check-synth) is not supported"),
    ("(inv-constraint f f f f)", "17: expected the name of an invariant to be found, got 'f'"),
    ("(declare-const c Int)", "1: the command declare-const is not supported"),
    ("(assume (= (f 1) 2))", "9: an assumption speaks of variables alone, but this one calls f"),
    ("(constraint (= (f 1) 1)", "1: an opening bracket without a closing one"),
    ("(constraint (= (f 1) 1)))", "25: a closing bracket without an opening one"),
    ('(constraint "abc)', "13: a string that is never closed"),
    ("(constraint |abc)", "13: a quoted symbol that is never closed"),
    ("(constraint [x])", "13: expected an SMT-LIB token, got '[x])'"),
]
TERMS = [
    ("y", "13: unknown name 'y'"),
    ("(= (f zz) z)", "19: unknown name 'zz'; did you mean z?"),
    ("(+ 1 2)", "13: expected a formula of sort Bool, got a term of sort Int"),
    ("(= (f 1 2) 3)", "17: f takes (Int), got (Int, Int)"),
    ("(= (f true) 3)", "17: f takes (Int), got (Bool)"),
    ("(= 1 true)", "14: = takes two arguments of one sort, got (Int, Bool)"),
    ("(bvad #b0 #b1)", "14: unknown function 'bvad'; did you mean bvand or bvadd or bvnand?"),
    ("(distinct 1 true)", "14: distinct takes two or more arguments of one sort"),
    ('(str.in_re "a" (str.to_re "a"))', "29: regular expressions (str.to_re) are not supported"),
    ("(f -)", "16: - is a function: expected (- ...) with arguments"),
    ("(= 1.5 z)", "14: = takes two arguments of one sort, got (Real, Int)"),
    ("(= (/ z 2.0) 1.0)", "17: / takes two reals, got (Int, Real)"),
    ("(= (/ 1.0 0.0) 1.0)", "17: a division of reals is only supported by a number that is not 0"),
    (
        "(exists ((y Int)) (= y z))",
        "14: a quantifier (exists) is not supported here; forall may stand below the connectives "
        "of a constraint, where it is true",
    ),
    ("(let ((y)) y)", "19: expected (name term) in a let, got '(y)'"),
    ("()", "13: expected a term, got '()'"),
    ("((f 1) 2)", "14: expected the name of a function, got '(f 1)'"),
    ("(= #b11 (_ bv5 2))", "21: expected a number of 2 bits, got '(_ bv5 2)'"),
    (f"(= z {'9' * 1001})", "18: expected a number of at most 1,000 digits, got one of 1,001"),
    (f"(= z {'(+ z ' * 900}z{')' * 900})", "1: brackets nested more than 400 deep"),
]
GRAMMARS = [
    ("()", "29: expected a list of nonterminals in brackets, got '()'"),
    ("((S Int))", "30: expected (NONTERMINAL SORT (RULE ...)), got '(S Int)'"),
    (
        "((S Int)) ((T Int (x)))",
        "29: expected the nonterminals of the rules, in their order: ((T Int)), got '((S Int))'",
    ),
    ("((S Int (x true)))", "40: S is of sort Int, but this rule is of sort Bool"),
    ("((S Int (y)))", "38: unknown name 'y'"),
    ("((S Int ()))", "30: the nonterminal 'S' has no rule"),
    ("((S Int (S (+ S S))))", "29: the grammar derives no term from S: every rule leads back to itself"),
    ("((S Int (x (let ((x S)) x))))", "40: the let binds 'x', a name that is taken"),
    ("((x Int (1)))", "30: the nonterminal 'x' has a name that is taken"),
    ("((S Bool (true)))", "30: the start S is of sort Bool, but the function of sort Int"),
]


def refusal(text):
    with pytest.raises(SygusError) as caught:
        read_text(text, "file.sl")
    return str(caught.value)


@pytest.mark.parametrize(("text", "message"), TEXTS)
def test_a_wrong_text_is_refused_with_its_place(text, message):
    assert refusal(text) == f"file.sl:{message}"


@pytest.mark.parametrize(("command", "message"), COMMANDS)
def test_a_wrong_command_is_refused_with_its_place(command, message):
    assert refusal(FUNCTION + command) == f"file.sl:2:{message}"


@pytest.mark.parametrize(("term", "message"), TERMS)
def test_a_wrong_term_is_refused_with_its_place(term, message):
    assert refusal(f"{FUNCTION[:-1]}(declare-var z Int)\n(constraint {term})") == f"file.sl:2:{message}"


@pytest.mark.parametrize(("grammar", "message"), GRAMMARS)
def test_a_wrong_grammar_is_refused_with_its_place(grammar, message):
    assert refusal(f"(synth-fun f ((x Int)) Int  {grammar})") == f"file.sl:1:{message}"


def test_what_is_nested_less_is_read():
    text = f"{FUNCTION}(declare-var z Int)(constraint (= (f z) {'(+ z ' * 396}z{')' * 396}))"
    assert read_text(text).spec.constraints[0].size == 796


def test_lets_that_would_not_fit_in_memory_are_refused():
    lets = "".join(f"(let ((x{n + 1} (+ x{n} x{n}))) " for n in range(60))
    text = f"{FUNCTION}(declare-var x0 Int)(constraint {lets}(= x60 0){')' * 60})"
    assert refusal(text).endswith("the term has more than 100,000 nodes when its lets and definitions are written out")


def test_a_file_that_is_no_text_is_refused(tmp_path):
    path = tmp_path / "binary.sl"
    path.write_bytes(b"(set-logic \xff)")
    with pytest.raises(SygusError, match=r"binary\.sl:1:1: expected UTF-8 text, got the byte 0xff"):
        read(path)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ("", "1:1: the answer has no f"),
        ("infeasible", "1:1: expected (define-fun NAME PARAMETERS SORT BODY), got 'infeasible'"),
        ("(define-fun g ((x Int)) Int x)", "1:13: 'g' is none of the functions to be found"),
        ("(define-fun f () Int 1)", "1:15: expected the 1 parameters of f"),
        ("(define-fun f ((x Int)) Int true)", "1:29: expected a body of sort Int"),
        ("(define-fun f ((x Int)) Int y)", "1:29: unknown name 'y'"),
    ],
)
def test_a_wrong_answer_is_refused(answer, message):
    with pytest.raises(SygusError) as caught:
        read_answer(answer, read_text(FUNCTION))
    assert str(caught.value) == message
