"""Laws: solvers, our evaluation, the wire and the recorded text all mean the same formula."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import cvc5
import pytest
import z3
from hypothesis import given, settings
from hypothesis import strategies as st
from pysmt.environment import Environment
from pysmt.logics import QF_BV, QF_LIA, QF_LIRA
from pysmt.typing import BOOL, INT, REAL, BVType
from quick import examples

from backends import BITWUZLA, CVC5, Z3, Answer, Limits, Sat, Unknown, Unsat, decide, get, smtlib_script
from backends.evaluation import flatten
from backends.fragment import postorder
from backends.recorder import status
from backends.wire import Decoder, Encoder

ENVIRONMENT = Environment()  # formulas are hash-consed, so one environment for all examples is faster
M = ENVIRONMENT.formula_manager
BOOLS = [M.Symbol(name, BOOL) for name in ("tok_0_0", "tok_0_1", "let", "a b")]
INTS = [M.Symbol(name, INT) for name in ("x", "y")]
REALS = [M.Symbol(name, REAL) for name in ("r", "s")]
VECTORS = [M.Symbol(name, BVType(4)) for name in ("u", "v")]
SMALL = st.integers(-9, 9)
DIVISORS = SMALL.filter(bool)

terms = st.deferred(
    lambda: st.one_of(
        st.sampled_from(INTS),
        st.one_of(SMALL, st.integers(-(10**20), 10**20)).map(M.Int),
        st.tuples(terms, terms).map(M.Plus),
        st.builds(M.Minus, terms, terms),
        st.builds(lambda k, t: M.Times(M.Int(k), t), SMALL, terms),
        st.builds(lambda t, k: M.Div(t, M.Int(k)), terms, DIVISORS),
        st.builds(M.Ite, formulas, terms, terms),
    )
)
reals = st.deferred(
    lambda: st.one_of(
        st.sampled_from(REALS),
        st.builds(lambda n, d: M.Real(Fraction(n, d)), SMALL, DIVISORS),
        terms.map(M.ToReal),
        st.tuples(reals, reals).map(M.Plus),
        st.builds(lambda n, d, r: M.Times(M.Real(Fraction(n, d)), r), SMALL, DIVISORS, reals),
    )
)
formulas = st.deferred(
    lambda: st.one_of(
        st.sampled_from(BOOLS),
        st.builds(M.LE, terms, terms),
        st.builds(M.LT, terms, terms),
        st.builds(M.Equals, terms, terms),
        formulas.map(M.Not),
        st.lists(formulas, min_size=1, max_size=3).map(M.And),
        st.lists(formulas, min_size=1, max_size=3).map(M.Or),
        st.builds(M.Implies, formulas, formulas),
        st.builds(M.Iff, formulas, formulas),
        st.builds(M.Ite, formulas, formulas, formulas),
    )
)
mixed = st.one_of(formulas, st.builds(M.LE, reals, reals), st.builds(M.Equals, reals, reals))
binary = (M.BVAdd, M.BVMul, M.BVUDiv, M.BVURem, M.BVSDiv, M.BVSRem, M.BVLShl, M.BVLShr, M.BVAShr, M.BVXor)
vectors = st.recursive(
    st.sampled_from(VECTORS) | st.integers(0, 15).map(lambda value: M.BV(value, 4)),
    lambda inner: st.one_of(
        inner.map(M.BVNot),
        inner.map(M.BVNeg),
        st.builds(lambda operator, left, right: operator(left, right), st.sampled_from(binary), inner, inner),
        st.builds(M.BVRol, inner, st.integers(0, 3)),
        inner.map(lambda v: M.BVExtract(M.BVZExt(v, 2), 1, 4)),
    ),
    max_leaves=6,
)
relations = st.builds(
    lambda relation, left, right: relation(left, right),
    st.sampled_from((M.Equals, M.BVULT, M.BVULE, M.BVSLT, M.BVSLE)),
    vectors,
    vectors,
)
atoms = st.one_of(
    st.sampled_from(BOOLS),
    st.builds(lambda a, b, k: M.LE(M.Minus(a, b), M.Int(k)), st.sampled_from(INTS), st.sampled_from(INTS), SMALL),
)
facts = {
    QF_LIA: st.one_of(atoms, atoms.map(M.Not), st.builds(M.Iff, atoms, atoms), st.builds(M.Implies, atoms, atoms)),
    QF_BV: relations,
}
models = st.fixed_dictionaries(
    {symbol.symbol_name(): st.booleans() for symbol in BOOLS}
    | {symbol.symbol_name(): st.integers(-20, 20) for symbol in INTS}
    | {symbol.symbol_name(): st.fractions(-20, 20, max_denominator=9) for symbol in REALS}
    | {symbol.symbol_name(): st.integers(0, 15) for symbol in VECTORS}
)
few = settings(max_examples=examples(60), deadline=None, derandomize=True)
many = settings(max_examples=examples(200), deadline=None, derandomize=True)


def ask(backend: Any, logic: Any, formula: Any) -> Answer:
    with backend.open(ENVIRONMENT, logic, limits=Limits(10)) as session:
        return decide(session, "law", formula)


def pinned(model: dict[str, Any]) -> Any:
    """The formula saying that every symbol has its value in ``model``."""
    facts = [M.Iff(s, M.Bool(model[s.symbol_name()])) for s in BOOLS]
    facts += [M.Equals(s, M.Int(model[s.symbol_name()])) for s in INTS]
    facts += [M.Equals(s, M.Real(model[s.symbol_name()])) for s in REALS]
    return M.And(facts)


@pytest.mark.needs("z3")
@pytest.mark.needs("cvc5")
@few
@given(formulas)
def test_two_solvers_never_contradict_each_other(formula: Any) -> None:
    """Every Sat here has also passed re-evaluation, or ``decide`` would have raised."""
    answers = {type(ask(backend, QF_LIA, formula)) for backend in (Z3, CVC5)} - {Unknown}
    assert len(answers) == 1


@pytest.mark.needs("z3")
@pytest.mark.needs("bitwuzla")
@few
@given(st.lists(st.one_of(relations, st.builds(M.Iff, relations, st.sampled_from(BOOLS))), max_size=3).map(M.And))
def test_bitwuzla_and_z3_never_contradict_each_other(formula: Any) -> None:
    answers = {type(ask(backend, QF_BV, formula)) for backend in (Z3, BITWUZLA)} - {Unknown}
    assert len(answers) == 1


@pytest.mark.parametrize("name", ["z3", "cvc5", "bitwuzla"])
@few
@given(st.data())
def test_a_core_is_enough(name: str, data: st.DataObject) -> None:
    backend, logic = get(name), QF_BV if name == "bitwuzla" else QF_LIA
    query, *background = data.draw(st.lists(facts[logic], min_size=2, max_size=6))
    with backend.open(ENVIRONMENT, logic, limits=Limits(10)) as session:
        for number, fact in enumerate(background):
            session.add(fact, f"{number}")
        answer = decide(session, "all", query)
    assert type(answer) is type(ask(backend, logic, M.And(query, *background)))
    if isinstance(answer, Unsat):
        needed = [background[int(number)] for number in answer.core]
        assert isinstance(ask(backend, logic, M.And(query, *needed)), Unsat)


@pytest.mark.needs("z3")
@few
@given(mixed, models)
def test_our_evaluation_agrees_with_a_solver(formula: Any, model: dict[str, Any]) -> None:
    value = flatten(ENVIRONMENT, formula)(model)
    assert value is True or value is False
    answer = ask(Z3, QF_LIRA, M.And(pinned(model), formula))
    assert isinstance(answer, Sat if value else Unsat)


@pytest.mark.needs("z3")
@few
@given(relations, models)
def test_our_evaluation_of_bit_vectors_agrees_with_a_solver(formula: Any, model: dict[str, Any]) -> None:
    value = flatten(ENVIRONMENT, formula)(model)
    facts = M.And([M.Equals(s, M.BV(model[s.symbol_name()], 4)) for s in VECTORS])
    assert isinstance(ask(Z3, QF_BV, M.And(facts, formula)), Sat if value else Unsat)


@many
@given(st.integers(-(10**30), 10**30), st.integers(-(10**15), 10**15).filter(bool))
def test_integer_division_leaves_a_remainder_that_is_never_negative(left: int, right: int) -> None:
    quotient = flatten(ENVIRONMENT, M.Div(M.Int(left), M.Int(right)))({})
    assert isinstance(quotient, int)
    assert 0 <= left - right * quotient < abs(right)


@few
@given(st.lists(st.one_of(mixed, relations), min_size=1, max_size=4))
def test_the_wire_carries_the_very_same_formulas_and_no_part_twice(formulas: list[Any]) -> None:
    sender, here, there = Encoder(), Decoder(ENVIRONMENT), Decoder(Environment())
    again, sent = Encoder(), 0
    for formula in [*formulas, *formulas]:
        message = sender.encode(formula)
        assert here.decode(message) is formula
        assert again.encode(there.decode(message)) == message
        sent += len(message["rows"])
    assert sent == len({node for formula in formulas for node in postorder(formula)})


def z3_reads(text: str) -> str:
    solver = z3.Solver()
    solver.from_string(text)
    return str(solver.check())


def cvc5_reads(text: str) -> str:
    solver = cvc5.Solver()
    parser = cvc5.InputParser(solver)
    parser.setStringInput(cvc5.InputLanguage.SMT_LIB_2_6, text, "law")
    said = ""
    while not (command := parser.nextCommand()).isNull():
        said += str(command.invoke(solver, parser.getSymbolManager()))
    return said.strip()


@pytest.mark.needs("z3")
@pytest.mark.needs("cvc5")
@few
@given(st.one_of(formulas.map(lambda f: (QF_LIA, f)), mixed.map(lambda f: (QF_LIRA, f))), st.booleans())
def test_recorded_text_means_what_was_asked(question: Any, negated: bool) -> None:
    """Both solvers read the text with their own parsers, so pySMT's printer is checked against them."""
    logic, formula = question
    answer = ask(Z3, logic, M.Not(formula) if negated else formula)
    text = smtlib_script([M.Not(formula) if negated else formula], logic, "law", status(answer))
    assert z3_reads(text) == status(answer)
    assert cvc5_reads(text) == status(answer)


@pytest.mark.needs("z3")
@pytest.mark.needs("cvc5")
@few
@given(relations)
def test_recorded_bit_vectors_mean_what_was_asked(formula: Any) -> None:
    answer = ask(Z3, QF_BV, formula)
    text = smtlib_script([formula], QF_BV, "law", status(answer))
    assert z3_reads(text) == cvc5_reads(text) == status(answer)
