"""Formulas solved: what is claimed holds, what does not hold is refuted, what is unknown stays unknown."""

import dataclasses
import time

import pytest
from specs import call, function, integers, maximum, of

from backends import BackendError, Unknown, get
from cegis import Budget, Counterexample, DomainError, Exhausted, Found, Stopped, Valid
from cegis import Unknown as Undecided
from cegis.formulas.formula import FormulaSpec
from cegis.formulas.refutation import Refutation, logic_of
from cegis.formulas.solution import Solution
from cegis.searchers.solving import solve
from cegis.sygus import read_text
from dsl.grammars.defaults import default_grammar
from dsl.operators import BOOL, INT, STRING, bitvector
from dsl.program import Program
from dsl.theories.theory import literal

x, y = integers("x", "y")


def solution(f, body):
    return Solution({f: Program(body, default_grammar(f.signature))})


@pytest.mark.parametrize("solver", ["z3", "cvc5"])
@pytest.mark.needs("cvc5")
def test_a_maximum_is_found_and_proved(solver):
    outcome = solve(maximum(2), {}, backend=get(solver), budget=Budget(seconds=30))
    assert isinstance(outcome, Found)
    assert outcome.program.size <= 6
    assert "(QF_LIA) find no exception" in outcome.claims[0].sentence
    assert all(name in outcome.claims[0].sentence for name in ("z3 ", "cvc5 "))
    assert outcome.statistics.candidates > 0


def test_every_mutation_of_a_proved_program_is_refuted():
    spec = maximum(2)
    (f,) = spec.functions
    a, b = f.signature.variables
    wrong = [
        a,
        of("ite", of("<=", a, b), a, b),
        of("ite", of("<=", a, of("+", b, literal(1, INT)())), b, a),
        of("ite", of("<", b, of("-", a, literal(1, INT)())), a, b),
    ]
    with Refutation(spec, get("z3")) as verifier:
        assert isinstance(verifier.check(solution(f, of("ite", of("<=", a, b), b, a))), Valid)
        for body in wrong:
            verdict = verifier.check(solution(f, body))
            assert isinstance(verdict, Counterexample), body
            assert verifier.replay(solution(f, body), verdict.inputs) is not None


def test_contradicting_assumptions_prove_nothing():
    f = function("f", ("a", INT), result=INT)
    never = (of("<", x, literal(0, INT)()), of(">", x, literal(0, INT)()))
    spec = FormulaSpec((f,), (("x", INT),), (of("=", call(f, x), x),), never)
    with Refutation(spec, get("z3")) as verifier, pytest.raises(DomainError, match="contradict"):
        verifier.check(solution(f, f.signature.variables[0]))


def test_a_number_beyond_a_machine_word_is_no_zero():
    """2**64 wraps around to 0 as int64; the proof and the replay must not."""
    f = function("f", ("a", INT), result=INT)
    spec = FormulaSpec((f,), (), (of("=", call(f, literal(1, INT)()), literal(2**64, INT)()),))
    (a,) = f.signature.variables
    with Refutation(spec, get("z3")) as verifier:
        assert isinstance(verifier.check(solution(f, of("-", a, a))), Counterexample)


def test_unknown_is_never_valid(monkeypatch):
    spec = maximum(2)
    (f,) = spec.functions
    monkeypatch.setattr("cegis.formulas.refutation.decide", lambda *_: Unknown("z3", "0", 0.0, "gave up"))
    with Refutation(spec, get("z3")) as verifier:
        assert verifier.check(solution(f, f.signature.variables[0])) == Undecided("z3: gave up")


def test_a_model_that_refutes_nothing_is_an_error(monkeypatch):
    from backends import Sat

    spec = maximum(2)
    (f,) = spec.functions
    a, b = f.signature.variables
    monkeypatch.setattr("cegis.formulas.refutation.decide", lambda *_: Sat("z3", "0", 0.0, {"x0": 1, "x1": 2}))
    with Refutation(spec, get("z3")) as verifier, pytest.raises(BackendError, match="exact evaluation says"):
        verifier.check(solution(f, of("ite", of("<=", a, b), b, a)))


def test_components_are_solved_apart_and_proved_together():
    f, g = function("f", ("a", INT), result=INT), function("g", ("a", INT), result=BOOL)
    two = literal(2, INT)()
    spec = FormulaSpec(
        (f, g), (("x", INT),), (of("=", call(f, x), of("+", x, two)), of("=", call(g, x), of("<=", x, two)))
    )
    outcome = solve(spec, {}, backend=get("z3"), budget=Budget(seconds=30))
    assert isinstance(outcome, Found)
    assert outcome.claims[0].spec == spec
    assert list(outcome.program.programs) == [f, g]


def test_functions_that_meet_are_searched_together():
    f, g = function("f", ("a", INT), result=INT), function("g", ("a", INT), result=INT)
    total = of("+", call(f, x), call(g, x))
    spec = FormulaSpec(
        (f, g), (("x", INT),), (of("=", total, x), of("=", call(f, x), of("+", call(g, x), literal(0, INT)())))
    )
    outcome = solve(spec, {}, backend=get("z3"), budget=Budget(seconds=20, cost=4))
    assert isinstance(outcome, Exhausted)  # x / 2 is no number where x is odd
    assert outcome.evidence is not None
    one_more = FormulaSpec(
        (f, g), (("x", INT),), (of("=", total, x), of("=", call(f, x), of("+", x, call(g, literal(0, INT)()))))
    )
    assert isinstance(solve(one_more, {}, backend=get("z3"), budget=Budget(seconds=20)), Found)


def test_a_spent_budget_is_an_outcome():
    spec = maximum(4)
    outcome = solve(spec, {}, backend=get("z3"), budget=dataclasses.replace(Budget(), seconds=0.001))
    assert isinstance(outcome, Stopped)
    assert "time limit" in outcome.reason


def test_the_logic_is_the_one_of_the_terms():
    word = bitvector(8)
    f = function("f", ("a", word), result=word)
    spec = FormulaSpec((f,), (("v", word),), ())
    assert logic_of(spec).name == "QF_BV"
    g = function("g", ("a", STRING), result=INT)
    mixed = FormulaSpec((f, g), (("v", word), ("s", STRING)), ())
    with pytest.raises(DomainError, match="mixes"):
        logic_of(mixed)


@pytest.mark.parametrize(
    ("parameters", "sort", "body", "size"),
    [
        ("((x Int) (y Int))", "Int", "(+ (mod (div x 3) (- 3)) (* 2 (mod y 3)))", 11),
        ("((x (_ BitVec 16)))", "Bool", "(bvslt (bvmul x x) ((_ rotate_left 3) x))", 6),
        ("((x (_ BitVec 8)))", "(_ BitVec 8)", "(concat ((_ extract 3 0) x) ((_ extract 7 4) x))", 5),
        ("((x (_ BitVec 8)))", "(_ BitVec 8)", "(concat #b101 ((_ extract 6 2) x))", 4),
        ("((x Int))", "Int", "(abs (- x 7))", 4),
    ],
)
def test_without_a_grammar_an_answer_may_use_what_its_constraints_are_made_of(parameters, sort, body, size):
    names = [pair.split()[0] for pair in parameters[2:-2].split(") (")]
    declared = "".join(f"(declare-var {pair}) " for pair in parameters[2:-2].split(") ("))
    text = f"(synth-fun f {parameters} {sort}) {declared} (constraint (= (f {' '.join(names)}) {body})) (check-synth)"
    problem = read_text(text)
    found = solve(problem.spec, problem.grammars, budget=Budget(seconds=60))
    assert isinstance(found, Found), found
    assert found.program.size <= size
    assert found.claims[0].is_confirmed


WITHOUT_CONDITIONALS = """
    (synth-fun f ((x (_ BitVec 16)) (a (_ BitVec 16)) (b (_ BitVec 16))) (_ BitVec 16)
        ((W (_ BitVec 16)) (T Bool) (One (_ BitVec 16)) (Zero (_ BitVec 16)))
        ((W (_ BitVec 16) (x a b (bvand W W) (bvxor W W) (bvneg W) (bvnot W) (ite T One Zero)))
         (T Bool ((= W W) (bvult W W))) (One (_ BitVec 16) (#x0001)) (Zero (_ BitVec 16) (#x0000))))
    (declare-var x (_ BitVec 16)) (declare-var a (_ BitVec 16)) (declare-var b (_ BitVec 16))
    (constraint (= (f x a b) (ite (= x a) b (ite (bvult a x) a x))))
    (check-synth)
"""
AVERAGE = """
    (synth-fun mean ((x (_ BitVec 8)) (y (_ BitVec 8))) (_ BitVec 8)
        ((W (_ BitVec 8)))
        ((W (_ BitVec 8) (x y #x01 (bvnot W) (bvneg W) (bvand W W) (bvor W W) (bvxor W W) (bvadd W W) (bvlshr W W)))))
    (declare-var x (_ BitVec 8)) (declare-var y (_ BitVec 8))
    (constraint (= ((_ zero_extend 1) (mean x y))
        (bvlshr (bvadd ((_ zero_extend 1) x) ((_ zero_extend 1) y)) #b000000001)))
    (check-synth)
"""


@pytest.mark.parametrize(("text", "size"), [(WITHOUT_CONDITIONALS, 32), (AVERAGE, 9)], ids=["alone", "beaten"])
def test_words_are_chosen_by_masks_where_nothing_else_came_and_beaten_by_what_is_shorter(text, size):
    problem, heard = read_text(text), []
    found = solve(problem.spec, problem.grammars, budget=Budget(seconds=60), on_found=heard.append)
    assert isinstance(found, Found), found
    assert found.claims[0].is_confirmed
    assert heard[0].program.searcher == "masks"
    assert found.program.size <= size


@pytest.mark.slow
@pytest.mark.parametrize("memory_mb", [16, 32, 200])
def test_limits_hold_where_memory_ends_while_masks_are_tried(memory_mb):
    operators = " ".join(
        f"({name} W W)" for name in ["bvand", "bvor", "bvxor", "bvadd", "bvsub", "bvmul", "bvashr", "bvshl", "bvlshr"]
    )
    grammar = f"((W (_ BitVec 32))) ((W (_ BitVec 32) (x y #x0000001f (bvnot W) (bvneg W) {operators})))"
    body = "(ite (bvsle y x) x y)"
    text = f"(synth-fun f ((x (_ BitVec 32)) (y (_ BitVec 32))) (_ BitVec 32) {grammar})"
    names = "(declare-var x (_ BitVec 32)) (declare-var y (_ BitVec 32))"
    problem, began = read_text(f"{text} {names} (constraint (= (f x y) {body})) (check-synth)"), time.monotonic()
    solve(problem.spec, problem.grammars, budget=Budget(seconds=6, memory_mb=memory_mb))
    assert time.monotonic() - began < 12
