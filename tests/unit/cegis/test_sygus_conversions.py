"""Bit-vectors beside integers: every spelling is read, searched, proved twice, and printed as it was written."""

from __future__ import annotations

from itertools import product

import pytest
from pysmt.environment import Environment
from pysmt.logics import QF_AUFBVLIRA
from quick import sliced

from backends import CVC5, Z3, Limits, Sat, Unsat, decide
from backends.evaluation import flatten
from cegis import DomainError, Exhausted, FormulaBudget, Found, SygusError, solve
from cegis.formulas.refutation import Refutation, logic_of
from cegis.formulas.solution import Solution
from cegis.sygus import read_text, write_problem
from cegis.verdict import Counterexample
from dsl.grammars.defaults import default_grammar
from dsl.operators import INT, GrammarError, Sort, Term, bitvector
from dsl.program import Program
from dsl.scalars import ScalarSignature, variable
from dsl.theories.theory import find, literal

SPELLINGS = [("ubv_to_int", "int_to_bv"), ("bv2nat", "int2bv"), ("bv2int", "nat2bv"), ("sbv_to_int", "int_to_bv")]
NIBBLE = bitvector(4)
SIGNATURE = ScalarSignature((("w", NIBBLE), ("v", NIBBLE), ("n", INT), ("m", INT)), INT)


def problem(to_number: str, to_word: str) -> str:
    return f"""
    (set-logic ALL)
    (synth-fun f ((x (_ BitVec 8)) (n Int)) (_ BitVec 8)
      ((W (_ BitVec 8)) (I Int))
      ((W (_ BitVec 8) (x #x0f (bvand W W) ((_ {to_word} 8) I))) (I Int (n 1 (+ I I) (- I I) ({to_number} W)))))
    (declare-var x (_ BitVec 8))
    (declare-var n Int)
    (constraint (= (f x n) (bvadd (bvsub x ((_ {to_word} 8) n)) #x01)))
    (check-synth)
    """


def solved(text: str) -> Found:
    asked = read_text(text)
    outcome = solve(asked.spec, asked.grammars, budget=FormulaBudget(seconds=60))
    assert isinstance(outcome, Found), outcome
    return outcome


def apply(name: str, *arguments: Term) -> Term:
    return find(name, tuple(argument.sort for argument in arguments))(*arguments)


@pytest.mark.parametrize(("to_number", "to_word"), SPELLINGS)
def test_an_answer_is_proved_by_two_solvers_and_written_as_its_file_is(to_number, to_word):
    found = solved(problem(to_number, to_word))
    (claim,) = found.claims
    assert claim.is_confirmed
    assert claim.logic == "QF_AUFBVLIRA"
    assert f"(_ {to_word} 8)" in found.program.text
    assert to_number in found.program.text
    text = "\n".join(write_problem(read_text(problem(to_number, to_word))).splitlines())
    assert f"({to_number} " in text
    assert read_text(text).spec == read_text(problem(to_number, to_word)).spec


def test_a_number_may_become_a_word_without_a_grammar():
    text = """
    (synth-fun g ((n Int)) (_ BitVec 16))
    (declare-var n Int)
    (constraint (=> (and (>= n 0) (< n 60000)) (= (ubv_to_int (g n)) (+ n 2))))
    (check-synth)
    """
    assert solved(text).program.text == "(define-fun g ((n Int)) (_ BitVec 16) ((_ int_to_bv 16) (+ n 2)))"


def test_examples_decide_whether_there_is_a_sign():
    text = "(synth-fun h ((x (_ BitVec 32))) Int)"
    text += "(constraint (= (h #xffffffff) (- 1))) (constraint (= (h #x00000007) 7)) (check-synth)"
    assert solved(text).program.text.endswith("(sbv_to_int x))")


def test_a_word_that_is_right_only_where_numbers_wrap_around_is_no_answer():
    text = """
    (synth-fun h ((x (_ BitVec 64))) Int ((I Int) (W (_ BitVec 64))) ((I Int ((ubv_to_int W))) (W (_ BitVec 64) (x))))
    (constraint (= (h #xffffffffffffffff) (- 1)))
    (check-synth)
    """
    asked = read_text(text)
    assert not isinstance(solve(asked.spec, asked.grammars, budget=FormulaBudget(seconds=10)), Found)


def test_a_wrong_program_is_refuted_at_a_number_beyond_every_machine_word():
    wide = bitvector(70)
    text = "(synth-fun f ((x (_ BitVec 70))) Int) (declare-var x (_ BitVec 70)) (constraint (>= (f x) 0)) (check-synth)"
    spec = read_text(text).spec
    (function,) = spec.functions
    program = Program(apply("sbv_to_int", variable("x", wide)()), default_grammar(function.signature))
    for backend in (Z3, CVC5):
        with Refutation(spec, backend) as verifier:
            verdict = verifier.check(Solution({function: program}))
        assert isinstance(verdict, Counterexample)
        assert verdict.inputs[0] >= 2**69


def test_a_grammar_without_a_right_program_is_exhausted():
    text = """
    (synth-fun f ((x (_ BitVec 4))) Int ((I Int) (W (_ BitVec 4))) ((I Int ((ubv_to_int W))) (W (_ BitVec 4) (x))))
    (constraint (= (f #xf) (- 1)))
    (check-synth)
    """
    asked = read_text(text)
    assert isinstance(solve(asked.spec, asked.grammars, budget=FormulaBudget(seconds=30)), Exhausted)


@pytest.mark.parametrize(
    ("constraint", "message"),
    [
        ("(= ((_ int_to_bv 0) n) x)", "(_ int_to_bv 0) takes (Int), with a width of at most 1,024, got (Int)"),
        ("(= (ubv_to_int n) n)", "ubv_to_int takes one bit-vector, got (Int)"),
        ("(= ((_ int_to_bv 8) x) x)", "int_to_bv 8) takes (Int), with a width of at most 1,024, got ((_ BitVec 8))"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_place(constraint, message):
    text = f"(declare-var n Int) (declare-var x (_ BitVec 8)) (synth-fun f () Int) (constraint {constraint})"
    with pytest.raises(SygusError) as refused:
        read_text(text)
    assert message in str(refused.value)


@pytest.mark.parametrize(
    ("constraint", "error"),
    [
        ("(= f (str.len (str.from_int (ubv_to_int #x0f))))", DomainError),
        ("(= f (* n (* n (ubv_to_int #x0f))))", GrammarError),
    ],
)
def test_a_mixture_that_no_solver_decides_is_refused(constraint, error):
    text = f"(declare-var n Int) (synth-fun f () Int) (constraint {constraint}) (check-synth)"
    with pytest.raises(error):
        logic_of(read_text(text).spec)


def number(name: str = "n") -> Term:
    return variable(name, INT)()


def word(name: str = "w") -> Term:
    return variable(name, NIBBLE)()


def converted() -> list[Term]:
    """Numbers of words of numbers, through every rule by which an encoding is made of its parts."""
    n, m, w, v = number("n"), number("m"), word("w"), word("v")
    flag = apply("<", n, m)
    numbers = [
        n,
        literal(-3, INT)(),
        apply("-", apply("*", literal(5, INT)(), n), m),
        apply("ite", flag, apply("-", n), apply("ubv_to_int", w)),
        apply("-", apply("ubv_to_int", w), apply("sbv_to_int", v)),
        apply("mod", n, literal(3, INT)()),
    ]
    words = [
        w,
        apply("bvadd", w, v),
        apply("bvsub", w, v),
        apply("bvmul", w, v),
        apply("ite", flag, w, apply("bvsub", v, w)),
        apply("(_ zero_extend 3)", apply("bvadd", w, v)),
        apply("(_ sign_extend 3)", w),
        literal(9, NIBBLE)(),
    ]
    words += [apply(f"(_ int_to_bv {width})", one) for one in numbers for width in (2, 4, 7)]
    return [apply(name, one) for one in words for name in ("ubv_to_int", "sbv_to_int")]


@pytest.mark.parametrize("term", sliced(converted(), 3), ids=str)
def test_the_encoding_has_the_value_of_exact_evaluation_at_all_words(term):
    environment = Environment()
    symbols = SIGNATURE.symbols(environment.formula_manager)
    tape = flatten(environment, term.encode(symbols))
    rows = [(*words, *numbers) for words in product(range(16), repeat=2) for numbers in ((0, 1), (-9, 37), (5, -64))]
    exact = term.evaluate(SIGNATURE.batch(rows, exact=True))
    plain = [int(value) for value in (exact.tolist() if exact.ndim else [exact.item()] * len(rows))]
    assert [tape(dict(zip("wvnm", row, strict=True))) for row in rows] == plain
    machine = term.evaluate(SIGNATURE.batch(rows))
    assert [int(value) for value in (machine.tolist() if machine.ndim else [machine.item()] * len(rows))] == plain


@pytest.mark.parametrize("backend", [Z3, CVC5], ids=lambda backend: backend.name)
@pytest.mark.parametrize("hard", [False, True])
def test_a_solver_agrees_with_exact_evaluation(backend, hard):
    sorts: tuple[Sort, ...] = (NIBBLE, INT)
    signature = ScalarSignature((("w", sorts[0]), ("n", sorts[1])), INT)
    environment = Environment()
    manager = environment.formula_manager
    symbols = signature.symbols(manager)
    back = apply("ubv_to_int", apply("(_ int_to_bv 4)", number()))
    wrapped = apply("mod", number(), literal(16, INT)())
    signed = apply("(_ int_to_bv 4)", apply("sbv_to_int", word()))
    with backend.open(environment, QF_AUFBVLIRA, limits=Limits(20), hard=hard) as session:
        same = manager.Equals(back.encode(symbols), wrapped.encode(symbols))
        assert isinstance(decide(session, "remainder", manager.Not(same)), Unsat)
        same = manager.Equals(signed.encode(symbols), symbols["w"])
        assert isinstance(decide(session, "round trip", manager.Not(same)), Unsat)
        low = manager.Equals(apply("sbv_to_int", word()).encode(symbols), manager.Int(-8))
        answer = decide(session, "least", low)
        assert isinstance(answer, Sat)
        assert answer.model["w"] == 8
