"""Integer terms over Booleans mean the same as rationals and as bit-vectors, for every assignment."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pysmt.environment import Environment
from pysmt.logics import QF_BV, QF_LIA, QF_LRA, QF_UF
from pysmt.typing import INT

from backends import BackendError
from backends.evaluation import flatten
from backends.translation import fitting_logic, translate

NAMES = ("p", "q", "r")


def numbers(m, flags):
    leaves = st.integers(-40, 40).map(m.Int)

    def grow(inner):
        return st.one_of(
            st.lists(inner, min_size=2, max_size=4).map(m.Plus),
            st.tuples(inner, inner).map(lambda pair: m.Minus(*pair)),
            st.tuples(st.integers(-9, 9), inner).map(lambda pair: m.Times(m.Int(pair[0]), pair[1])),
            st.tuples(flags, inner, inner).map(lambda three: m.Ite(*three)),
        )

    return st.recursive(leaves, grow, max_leaves=12)


@given(st.data())
def test_translations_agree_on_every_assignment(data):
    environment = Environment()
    m = environment.formula_manager
    symbols = [m.Symbol(name) for name in NAMES]
    flags = st.sampled_from(symbols)
    number = numbers(m, flags)
    relation = st.sampled_from([m.LE, m.LT, m.GE, m.GT, m.Equals])
    atoms = st.tuples(relation, number, number).map(lambda three: three[0](three[1], three[2]))
    formula = m.And(data.draw(atoms), m.Or(data.draw(atoms), m.Not(data.draw(flags)), m.Iff(*symbols[:2])))
    values = {}
    for logic in (QF_LIA, QF_LRA, QF_BV):
        tape = flatten(environment, translate(environment, formula, logic))
        for bits in product([False, True], repeat=len(NAMES)):
            model = {name: bit for name, bit in zip(NAMES, bits, strict=True) if name in tape.symbols}
            values.setdefault(bits, set()).add(tape(model))
    assert all(len(seen) == 1 for seen in values.values())


def test_partial_sums_do_not_overflow():
    environment = Environment()
    m = environment.formula_manager
    p = m.Symbol("p")
    big = m.Ite(p, m.Int(100), m.Int(0))
    formula = m.Equals(m.Plus(big, big, big, m.Int(-299)), m.Int(1))
    tape = flatten(environment, translate(environment, formula, QF_BV))
    assert tape({"p": True}) is True
    assert tape({"p": False}) is False


def test_an_integer_symbol_is_refused():
    environment = Environment()
    m = environment.formula_manager
    with pytest.raises(BackendError, match="cannot translate"):
        translate(environment, m.GE(m.Symbol("n", INT), m.Int(0)), QF_BV)


def test_a_backend_without_a_fitting_logic_is_named():
    assert fitting_logic(("QF_BV", "QF_LRA")) == QF_LRA
    with pytest.raises(BackendError, match="got one for QF_UF"):
        fitting_logic((QF_UF.name,))
