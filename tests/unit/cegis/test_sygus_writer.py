"""Problems and answers as SyGuS-IF: what is written is read again, by us and by cvc5."""

from __future__ import annotations

import pytest

from backends.cvc5_sygus import Answered, cvc5_answer
from cegis.formulas.formula import FormulaSpec, Function
from cegis.sygus import as_problem, read_answer, read_text, write_problem, write_solution
from dsl.grammar import Grammar, Production
from dsl.grammars.defaults import default_grammar
from dsl.operators import BOOL, INT, GrammarError, bitvector
from dsl.program import Program
from dsl.scalars import ScalarSignature, variable
from dsl.theories.theory import find, literal

PROBLEMS = {
    "grammar": """
        (set-logic LIA)
        (define-fun one () Int 1)
        (define-fun twice ((a Int)) Int (+ a a))
        (synth-fun f ((x Int) (y! Int)) Int
          ((S Int) (B Bool))
          ((S Int (x y! one (- 7) (twice S) (+ S S S) (ite B S S) (Constant Int)))
           (B Bool ((< S S) (not B)))))
        (declare-var x Int)
        (declare-var |odd name| Int)
        (constraint (=> (< x |odd name|) (> (f x |odd name|) (twice x))))
        (check-synth)""",
    "words": """
        (set-logic PBE_BV)
        (synth-fun f ((x (BitVec 8))) (BitVec 8)
          ((Start (BitVec 8) (x #x01 #b00000010 (bvadd Start Start) ((_ rotate_left 2) Start)))))
        (constraint (= (f #x01) #x02))
        (constraint (= (f #x05) #x0a))
        (check-synth)""",
    "strings": """
        (set-logic PBE_SLIA)
        (synth-fun f ((s String)) String
          ((Start String) (N Int))
          ((Start String (s "a""b" "\\u{e9}\\u{5c}u0041" (str.++ Start Start) (str.at Start N)))
           (N Int (0 (str.len Start)))))
        (constraint (= (f "x") "xx"))
        (constraint (= (f "") ""))
        (check-synth)""",
    "invariant": """
        (set-logic LIA)
        (synth-inv inv ((n Int)))
        (define-fun pre ((n Int)) Bool (= n 0))
        (define-fun trans ((n Int) (n! Int)) Bool (= n! (+ n 2)))
        (define-fun post ((n Int)) Bool (not (= n (- 1))))
        (inv-constraint inv pre trans post)
        (check-synth)""",
    "two functions, assumed": """
        (set-logic NIA)
        (synth-fun f ((x Int)) Int)
        (synth-fun g () Bool)
        (declare-var x Int)
        (assume (> (* x x) 3))
        (constraint (= (f x) (mod x 3)))
        (constraint g)
        (check-synth)""",
}
SOLVED = ("grammar", "words", "strings", "invariant")


@pytest.mark.parametrize("name", PROBLEMS)
def test_what_is_written_reads_back(name):
    problem = read_text(PROBLEMS[name])
    written = write_problem(problem)
    again = read_text(written)
    assert again.spec == problem.spec
    assert again.grammars == problem.grammars
    assert [operator.definition for operator in again.definitions] == [o.definition for o in problem.definitions]
    assert write_problem(again) == written


@pytest.mark.needs("cvc5")
@pytest.mark.parametrize("name", SOLVED)
def test_what_is_written_is_solved_by_cvc5_and_its_answer_is_read(name):
    problem = read_text(PROBLEMS[name])
    answer = cvc5_answer(write_problem(problem), options={}, seconds=20.0)
    assert isinstance(answer, Answered), answer
    terms = read_answer("\n".join(answer.functions), problem)
    for function, written in problem.written.items():
        assert written is None or written.derives(terms[function])
        assert written is None or problem.grammars[function].cost(terms[function]) is not None


def clamp():
    """A specification and a grammar made in Python."""
    signature = ScalarSignature((("x", INT),), INT)
    function = Function("clamp", signature)
    x, zero = variable("x", INT)(), literal(0, INT)()
    call = function.operator(x)
    constraint = find("and", (BOOL, BOOL))(find(">=", (INT, INT))(call, zero), find(">=", (INT, INT))(call, x))
    rows = (
        Production("a number", variable("x", INT)),
        Production("a number", literal(0, INT)),
        Production("a number", find("ite", (BOOL, INT, INT)), ("x", "a number", "a number")),
        Production("x", find("<", (INT, INT)), ("a number", "a number")),
    )
    grammar = Grammar(signature, "a number", rows, frozenset({"a number"}))
    return FormulaSpec((function,), (("x", INT),), (constraint,)), grammar


def test_a_problem_made_in_python_is_written():
    spec, grammar = clamp()
    assert write_problem(as_problem(spec, {"clamp": grammar})) == (
        "(set-logic LIA)\n"
        "(synth-fun clamp ((x Int)) Int\n"
        "  ((N0 Int) (N1 Bool))\n"
        "  ((N0 Int (x 0 (ite N1 N0 N0) (Constant Int)))\n"
        "   (N1 Bool ((< N0 N0)))))\n"
        "(declare-var x Int)\n"
        "(constraint (and (>= (clamp x) 0) (>= (clamp x) x)))\n"
        "(check-synth)\n"
    )


def test_the_logic_is_the_least_that_has_all_sorts_and_operators():
    x, word = variable("x", INT)(), variable("w", bitvector(8))()

    def logic(*terms):
        function = Function("f", ScalarSignature((), BOOL))
        made = tuple(find("=", (term.sort, term.sort))(term, term) for term in terms)
        return as_problem(FormulaSpec((function,), (("x", INT), ("w", bitvector(8))), made), {}).logic

    assert logic(x) == "LIA"
    assert logic(find("*", (INT, INT))(literal(2, INT)(), x)) == "LIA"
    assert logic(find("*", (INT, INT))(x, x)) == "NIA"
    assert logic(find("div", (INT, INT))(literal(2, INT)(), x)) == "NIA"
    assert logic(word) == "BV"
    assert logic(word, x) == "ALL"
    assert logic(find("str.from_int", (INT,))(x)) == "SLIA"


def test_default_grammars_can_be_written():
    spec, _ = clamp()
    grammar = default_grammar(spec.functions[0].signature)
    again = read_text(write_problem(as_problem(spec, {"clamp": grammar})))
    assert again.grammars["clamp"].cost(variable("x", INT)()) == 1


def test_an_answer_is_written_in_brackets():
    _, grammar = clamp()
    assert write_solution({"clamp": Program(variable("x", INT)(), grammar)}) == (
        "(\n(define-fun clamp ((x Int)) Int x)\n)\n"
    )


def test_a_grammar_over_sequences_is_refused():
    from cegis import motifs

    spec, _ = clamp()
    with pytest.raises(GrammarError, match="got one of sequence programs"):
        as_problem(spec, {"clamp": motifs(("a", "b"), ("yes", "no"))})
