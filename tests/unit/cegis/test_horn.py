"""Claims about Horn clauses: what is read from a specification, and who finds conditions that satisfy it."""

from __future__ import annotations

from importlib import metadata
from itertools import product
from math import gcd
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends import Z3
from backends.search import STOPPED, Infeasible, NoAnswer, NotApplicable
from cegis.formulas.formula import FormulaSpec, Function, with_programs
from cegis.formulas.linear import Linear
from cegis.formulas.refutation import Refutation
from cegis.formulas.solution import Solution
from cegis.invariants.clauses import Clause, clauses
from cegis.invariants.horn import CONFIGURATIONS, Conditions, _read, spacer
from cegis.invariants.induction import induction
from cegis.invariants.templates import Bound, Hull, Region, Residue, nullspace
from cegis.sygus.reader import read_text
from cegis.verdict import Valid
from dsl.grammars.defaults import default_grammar
from dsl.operators import BOOL, INT, Term
from dsl.program import Program
from dsl.scalars import ScalarSignature, variable
from dsl.theories.theory import find, literal

pytestmark = pytest.mark.needs("z3")
A, B = (variable(name, BOOL)() for name in "ab")
X, Y = (variable(name, INT)() for name in "xy")
P, Q = (Function(name, ScalarSignature((), BOOL)) for name in "pq")


def loop(names: str, before: str, step: str, after: str, sort: str = "Int") -> FormulaSpec:
    """The specification of a loop's invariant; the next value of x is x!."""
    parameters = " ".join(f"({name} {sort})" for name in names)
    both = parameters + " " + " ".join(f"({name}! {sort})" for name in names)
    return read_text(
        f"""(set-logic ALL)
        (synth-inv inv ({parameters}))
        (define-fun before ({parameters}) Bool {before})
        (define-fun step ({both}) Bool {step})
        (define-fun after ({parameters}) Bool {after})
        (inv-constraint inv before step after)
        (check-synth)"""
    ).spec


COUNTER = loop("xn", "(and (= x 0) (>= n 0))", "(and (< x n) (= x! (+ x 1)) (= n! n))", "(=> (>= x n) (= x n))")
UNSAFE = loop("x", "(= x 0)", "(= x! (+ x 1))", "(< x 4)")
PHASES = loop(
    "xy",
    "(and (= x 0) (= y 7))",
    "(and (< x 50) (= x! (+ x 1)) (= y! (ite (< x 20) y (+ y 1))))",
    "(=> (>= x 50) (= y 37))",
)
LOOPS = {
    "equation": loop("abc", "(= 0 a b c)", "(and (= a! (+ a 2)) (= b! (+ b 3)) (= c! (+ c 1)))", "(= (+ a b) (* 5 c))"),
    "parity": loop("xf", "(and (= x 4) (= f 0))", "(and (= x! (+ x 1)) (= f! (- 1 f)))",
                   "(=> (= f 0) (= (mod x 2) 0))"),
    "branches": loop(
        "uv",
        "(= 0 u v)",
        "(or (and (= u! (+ u 1)) (= v! v)) (and (< v u) (= v! (+ v 1)) (= u! u)))",
        "(<= 0 v u)",
    ),
    "large": loop("xy", "(and (= x 0) (= y 90210))", "(and (> y 0) (= x! (+ x 1)) (= y! (- y 1)))",
                  "(=> (<= y 0) (= x 90210))"),
    "rest": loop("nqr", "(and (= r n) (= q 0) (>= n 0))", "(and (>= r 6) (= r! (- r 6)) (= q! (+ q 1)) (= n! n))",
                 "(=> (< r 6) (and (= n (+ r (* q 6))) (<= 0 r)))"),
    "counter": COUNTER,
}  # fmt: skip
TWO = read_text(
    """(set-logic LIA)
    (synth-fun even ((x Int)) Bool)
    (synth-fun odd ((x Int)) Bool)
    (declare-var x Int)
    (constraint (even 0))
    (constraint (=> (even x) (odd (+ x 1))))
    (constraint (=> (odd x) (even (+ x 1))))
    (constraint (not (and (even x) (odd x))))
    (check-synth)"""
).spec


def proved(spec: FormulaSpec, answer: Any) -> bool:
    """Whether z3 finds no exception to these conditions."""
    assert isinstance(answer, Conditions), answer
    pairs = zip(spec.functions, answer.bodies, strict=True)
    programs = {function: Program(body, default_grammar(function.signature)) for function, body in pairs}
    with Refutation(spec, Z3, seconds=20) as verifier:
        return isinstance(verifier.check(Solution(programs)), Valid)


# --- clauses ----------------------------------------------------------------------------------------------------


def test_a_loop_is_three_clauses() -> None:
    found = clauses(COUNTER)
    assert found is not None
    assert [(len(c.premises), c.conclusion is not None) for c in found] == [(0, True), (1, True), (1, False)]
    assert [len(clause.variables) for clause in found] == [2, 4, 2]


@pytest.mark.parametrize(
    "constraint",
    [
        "(or (p x) (p (+ x 1)))",  # two that may be concluded
        "(xor (p x) (p 0))",
        "(= (ite (p x) 1 0) x)",  # inside a number
        "(p (ite (p x) 1 0))",  # inside another
    ],
)
def test_other_specifications_have_no_clauses(constraint: str) -> None:
    text = f"(set-logic LIA)(synth-fun p ((x Int)) Bool)(declare-var x Int)(constraint {constraint})(check-synth)"
    spec = read_text(text).spec
    assert clauses(spec) is None
    assert spacer(spec, seconds=5) == NotApplicable("the specification is not made of Horn clauses")
    assert induction(spec, seconds=5) == NotApplicable("the specification is not made of Horn clauses")


def test_a_number_is_no_condition() -> None:
    spec = read_text("(set-logic LIA)(synth-fun f ((x Int)) Int)(constraint (= (f 1) 2))(check-synth)").spec
    assert clauses(spec) is None


shapes = st.recursive(
    st.sampled_from([A, B, P.operator(), Q.operator(), literal(True, BOOL)()]),
    lambda inner: st.one_of(
        inner.map(lambda one: find("not", (BOOL,))(one)),
        st.builds(
            lambda name, one, other: find(name, (BOOL, BOOL))(one, other),
            st.sampled_from(("and", "or", "=>", "=", "xor")),
            inner,
            inner,
        ),
        st.builds(find("ite", (BOOL, BOOL, BOOL)), inner, inner, inner),
    ),
    max_leaves=7,
)


@given(shapes, shapes)
def test_clauses_say_what_the_specification_says(constraint: Term, assumption: Term) -> None:
    (plain,) = with_programs([assumption], {f.operator: (f.signature, A) for f in (P, Q)})
    spec = FormulaSpec((P, Q), (("a", BOOL), ("b", BOOL)), (constraint,), (plain,))
    found = clauses(spec)
    if found is None:
        return
    for a, b, p, q in product((False, True), repeat=4):
        bodies = {P.operator: (P.signature, literal(p, BOOL)()), Q.operator: (Q.signature, literal(q, BOOL)())}
        columns = spec.signature.batch([(a, b)], exact=True)

        def holds(term: Term, bodies: Any = bodies, columns: Any = columns) -> bool:
            return bool(with_programs([term], bodies)[0].evaluate(columns)[0])

        said = all(
            not all(map(holds, (*clause.facts, *clause.premises)))
            or (clause.conclusion is not None and holds(clause.conclusion))
            for clause in found
        )
        assert said == (holds(constraint) or not holds(plain))


# --- Spacer -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", CONFIGURATIONS)
@pytest.mark.parametrize("name", ["equation", "branches", "rest", "counter"])
def test_spacer_finds_invariants(name: str, options: str) -> None:
    assert proved(LOOPS[name], spacer(LOOPS[name], seconds=20, options=CONFIGURATIONS[options]))


def test_spacer_finds_several_conditions_at_once() -> None:
    spec = read_text(
        """(set-logic LIA)
        (synth-fun first ((x Int)) Bool)
        (synth-fun second ((x Int) (y Int)) Bool)
        (declare-var x Int)
        (declare-var y Int)
        (constraint (first 0))
        (constraint (=> (and (first x) (< x 9)) (first (+ x 1))))
        (constraint (=> (and (first x) (>= x 9)) (second x 0)))
        (constraint (=> (and (second x y) (> x 0)) (second (- x 1) (+ y 2))))
        (constraint (=> (second x y) (= y (- 18 (* 2 x)))))
        (check-synth)"""
    ).spec
    assert proved(spec, spacer(spec, seconds=20))


def test_spacer_s_quantifiers_are_no_answer() -> None:
    answer = spacer(TWO, seconds=20)
    assert isinstance(answer, NoAnswer)
    assert "quantifier" in answer.reason


def test_spacer_takes_booleans_and_bit_vectors() -> None:
    flags = loop("ab", "(and a (not b))", "(and (= a! b) (= b! a))", "(or a b)", sort="Bool")
    assert proved(flags, spacer(flags, seconds=20))
    words = loop("x", "(= x #x0)", "(= x! (bvadd x #x2))", "(not (= x #x3))", sort="(_ BitVec 4)")
    assert proved(words, spacer(words, seconds=20))


def test_without_z3_s_program_there_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "files", lambda name: [])
    answer = spacer(COUNTER, seconds=20)
    assert isinstance(answer, NoAnswer)
    assert "own program" in answer.reason


def test_spacer_sees_that_a_loop_is_wrong() -> None:
    assert isinstance(spacer(UNSAFE, seconds=20), Infeasible)


def test_spacer_is_ended_at_its_limit_and_from_outside() -> None:
    answer = spacer(PHASES, seconds=0.3, options=CONFIGURATIONS["local"])
    assert answer == NoAnswer("killed at the time limit of 0.3 s")
    assert spacer(COUNTER, seconds=20, stop=lambda: True) == NoAnswer(STOPPED)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (["exists", [["k", "Int"]], ["=", "a0", ["*", "2", "k"]]], "quantifier"),
        (["unheard", "a0", "a1"], "unheard"),
    ],
)
def test_an_answer_that_cannot_be_read_is_no_answer(body: Any, reason: str) -> None:
    answer = _read(COUNTER, [["define-fun", "p0", [["a0", "Int"], ["a1", "Int"]], "Bool", body]])
    assert isinstance(answer, NoAnswer)
    assert reason in answer.reason
    assert isinstance(_read(COUNTER, []), NoAnswer)


# --- induction --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", LOOPS)
def test_induction_finds_invariants(name: str) -> None:
    assert proved(LOOPS[name], induction(LOOPS[name], seconds=20))


def test_induction_says_little() -> None:
    answer = induction(LOOPS["rest"], seconds=20)
    assert isinstance(answer, Conditions)
    assert str(answer.bodies[0]) in ("and(<=(0, r), =(n, +(*(6, q), r)))", "and(=(n, +(*(6, q), r)), <=(0, r))")


def test_induction_splits_a_loop_into_phases() -> None:
    assert proved(PHASES, induction(PHASES, seconds=20))


def test_induction_finds_several_conditions_in_another_process() -> None:
    assert proved(TWO, induction(TWO, seconds=20, hard=True))


def test_induction_reads_flags() -> None:
    spec = read_text(
        """(set-logic LIA)
        (synth-inv inv ((up Bool) (x Int)))
        (define-fun before ((up Bool) (x Int)) Bool (and up (= x 0)))
        (define-fun step ((up Bool) (x Int) (up! Bool) (x! Int)) Bool
          (and (= up! (not up)) (= x! (ite up (+ x 1) (- x 1)))))
        (define-fun after ((up Bool) (x Int)) Bool (= x (ite up 0 1)))
        (inv-constraint inv before step after)
        (check-synth)"""
    ).spec
    assert proved(spec, induction(spec, seconds=20))


@pytest.mark.slow
def test_induction_gives_up_on_a_wrong_loop_and_on_a_weak_guess() -> None:
    assert induction(UNSAFE, seconds=20) == NoAnswer("no such conditions are inductive")
    powers = loop("xy", "(and (= x 1) (= y 1))", "(and (= x! (* 2 x)) (= y! (+ y 1)))", "(not (= x 12))")
    assert isinstance(induction(powers, seconds=0.7), NoAnswer)


def test_induction_stops_when_told_or_late() -> None:
    assert induction(COUNTER, seconds=20, stop=lambda: True) == NoAnswer(STOPPED)
    assert induction(COUNTER, seconds=1e-9) == NoAnswer("out of time")


def test_a_clause_without_variables_is_not_overlooked() -> None:
    text = "(set-logic LIA)(synth-fun p ((x Int)) Bool)(constraint (p 3))(constraint (not (p {})))(check-synth)"
    other, same = (read_text(text.format(number)).spec for number in (5, 3))
    assert proved(other, induction(other, seconds=20))
    assert isinstance(induction(same, seconds=20), NoAnswer)
    assert isinstance(spacer(same, seconds=20), Infeasible)


def test_bit_vectors_are_not_guessed_about() -> None:
    words = loop("x", "(= x #x0)", "(= x! (bvadd x #x2))", "(not (= x #x3))", sort="(_ BitVec 4)")
    assert induction(words, seconds=5) == NotApplicable("only conditions on integers and Booleans are guessed")


# --- regions ----------------------------------------------------------------------------------------------------

rows = st.integers(1, 5).flatmap(
    lambda width: st.tuples(
        st.just(width), st.lists(st.lists(st.integers(-9, 9), min_size=width, max_size=width), max_size=5)
    )
)


@given(rows)
def test_a_nullspace_is_whole_and_orthogonal(question: tuple[int, list[list[int]]]) -> None:
    width, matrix = question
    basis = nullspace(matrix, width)
    assert all(sum(a * b for a, b in zip(row, vector, strict=True)) == 0 for row in matrix for vector in basis)
    rank = width - len(nullspace(matrix, width))
    assert len(nullspace(basis, width)) == rank  # the row space: nothing is missing from the basis
    assert all(gcd(*vector) == 1 for vector in basis)


@given(st.lists(st.tuples(st.integers(-50, 50), st.integers(-50, 50)), min_size=1, max_size=8))
def test_a_region_holds_at_every_point_joined(points: list[tuple[int, int]]) -> None:
    signature = ScalarSignature((("x", INT), ("y", INT)), BOOL)
    total = Linear(((X, 1), (Y, 1)))
    parts = (Hull((X, Y)), Bound(total, (-7, 0, 40)), Bound(total * -1, (0, 99)), Residue(total, 3))
    region = Region(signature, find("<=", (INT, INT))(X, Y), parts)
    for point in points:
        region = region.joined({X: point[0], Y: point[1]})
    columns = signature.batch(points, exact=True)
    for condition in region.conditions:
        assert all(condition.evaluate(columns))
    again = region
    for point in points:
        again = again.joined({X: point[0], Y: point[1]})
    assert again is region


def test_an_empty_region_denies_its_guard() -> None:
    signature = ScalarSignature((("x", INT),), BOOL)
    zero = find("<=", (INT, INT))(X, literal(0, INT)())
    assert [str(term) for term in Region(signature, None, ()).conditions] == ["false"]
    assert [str(term) for term in Region(signature, zero, ()).conditions] == ["not(<=(x, 0))"]


def test_a_clause_knows_its_parts() -> None:
    call = Function("p", ScalarSignature((("x", INT),), BOOL)).operator
    clause = Clause((find("<=", (INT, INT))(X, Y),), (call(X),), call(Y))
    assert clause.calls == (call(X), call(Y))
    assert clause.variables == (X, Y)
