"""Linear forms, conditions, and what a specification says about its function."""

from itertools import pairwise

import numpy as np
import pytest
from specs import call, function, integers, maximum, of

from cegis.formulas import linear
from cegis.formulas.formula import FormulaSpec, conjuncts, inlined
from cegis.formulas.harvest import harvest, single_call
from cegis.formulas.linear import FALSE, TRUE, Linear, compare, condition, forms, join
from dsl.operators import BOOL, INT
from dsl.scalars import Columns, ScalarSignature, variable
from dsl.theories.theory import find, literal

x, y, z = integers("x", "y", "z")


def test_a_sum_is_read_as_a_linear_form():
    (form,) = forms(of("-", of("+", x, of("+", x, literal(3, INT)())), of("*", literal(2, INT)(), y)))
    assert (form.coefficient(x), form.coefficient(y), form.constant) == (2, -2, 3)


def test_both_branches_of_a_conditional_are_forms():
    term = of("+", of("ite", of("<=", x, y), x, y), literal(1, INT)())
    assert [str(form.term) for form in forms(term)] == ["+(x, 1)", "+(y, 1)"]


def test_a_product_of_variables_is_one_opaque_part():
    (form,) = forms(of("*", x, y))
    assert form.parts == ((of("*", x, y), 1),)


@pytest.mark.parametrize("name", ["<=", "<", ">=", ">", "="])
@pytest.mark.parametrize("negated", [False, True])
def test_a_comparison_means_the_same_once_it_is_simplified(name, negated):
    term = of(name, of("+", x, literal(1, INT)()), of("-", y, z))
    again = condition(term, negated=negated).term
    grid = np.array([(a, b, c) for a in range(-3, 4) for b in range(-3, 4) for c in range(-3, 4)]).T
    inputs = Columns(dict(zip("xyz", grid, strict=True)), grid.shape[1])
    assert (again.evaluate(inputs) == (term.evaluate(inputs) != negated)).all()


def test_conditions_absorb_what_they_imply():
    weak, strong = compare("<=", Linear(((x, 1),)), Linear((), 5)), compare("<=", Linear(((x, 1),)), Linear((), 3))
    assert join(True, (weak, strong)) == strong
    assert join(False, (weak, strong)) == weak
    assert join(True, (weak, FALSE)) == FALSE
    assert join(False, (weak, TRUE)) == TRUE
    assert join(True, ()) == TRUE


def test_the_values_of_a_maximum_are_its_arguments():
    found = harvest(maximum(3))
    assert found is not None
    assert {"x0", "x1", "x2"} <= {str(term) for term in found.terms}
    x0 = next(term for term in found.terms if str(term) == "x0")
    assert str(found.right(x0).term) == "and(<=(x1, x0), <=(x2, x0))"


def test_an_equation_of_any_sort_yields_its_other_side():
    f = function("f", ("a", BOOL), result=BOOL)
    (a,) = f.signature.variables
    spec = FormulaSpec((f,), f.signature.parameters, (of("=", call(f, a), of("not", a)),))
    assert harvest(spec) is not None


def test_two_different_calls_yield_nothing():
    f = function("f", ("x", INT), ("y", INT), result=INT)
    spec = FormulaSpec((f,), (("x", INT), ("y", INT)), (of("=", call(f, x, y), call(f, y, x)),))
    assert single_call(spec) is None
    assert harvest(spec) is None


def test_a_call_with_the_same_argument_twice_yields_nothing():
    f = function("f", ("x", INT), ("y", INT), result=INT)
    assert harvest(FormulaSpec((f,), (("x", INT),), (of("=", call(f, x, x), x),))) is None


def test_conjunctions_come_apart_and_definitions_are_put_in():
    both = of("and", of("<=", x, y), of("and", of("<=", y, z), of("<=", x, z)))
    assert len(conjuncts([both])) == 3
    assert inlined(both) == both
    assert find("and", (BOOL, BOOL)).definition is None


@pytest.mark.parametrize(
    ("is_all", "left", "right", "expected"),
    [
        (True, ("<=", "x", "y"), ("distinct", "x", "y"), "<(x, y)"),
        (True, ("distinct", "x", "y"), (">=", "x", "y"), "<(y, x)"),
        (False, ("<", "x", "y"), ("=", "y", "x"), "<=(x, y)"),
        (False, ("<=", "x", "y"), ("distinct", "x", "y"), "or(<=(x, y), not(=(x, y)))"),
    ],
)
def test_comparisons_that_meet_at_their_border_are_one(is_all, left, right, expected):
    signature = ScalarSignature((("x", INT), ("y", INT)), BOOL)

    def made(name, *operands):
        values = [variable(operand, INT)() for operand in operands]
        return condition(of("not", of("=", *values)) if name == "distinct" else of(name, *values))

    whole, terms = join(is_all, (made(*left), made(*right))).term, [made(*left).term, made(*right).term]
    grid = signature.batch([(a, b) for a in range(-3, 4) for b in range(-3, 4)])
    first, second = (np.broadcast_to(term.evaluate(grid), (49,)) for term in terms)
    assert (np.broadcast_to(whole.evaluate(grid), (49,)) == (first & second if is_all else first | second)).all()
    assert str(whole) == expected


def test_what_constraints_share_is_read_once(monkeypatch):
    """A search in an array of ten: every constraint begins with the same order, for each of eleven values."""
    names = [f"y{place}" for place in range(10)]
    fields, key = integers(*names), integers("k")[0]
    f = function("f", *((name, INT) for name in (*names, "k")), result=INT)
    order = of("<", fields[0], fields[1])
    for one, other in pairwise(fields[1:]):
        order = of("and", order, of("<", one, other))
    value = call(f, *fields, key)
    beside = [of("<", key, fields[0])]
    beside += [of("and", of("<", one, key), of("<", key, other)) for one, other in pairwise(fields)]
    beside += [of("<", fields[-1], key)]
    constraints = tuple(
        of("=>", order, of("=>", test, of("=", value, literal(place, INT)()))) for place, test in enumerate(beside)
    )
    mined = harvest(FormulaSpec((f,), tuple((name, INT) for name in (*names, "k")), constraints))
    assert mined is not None
    read, atom = [], linear._atom
    monkeypatch.setattr(linear, "_atom", lambda *arguments: read.append(arguments) or atom(*arguments))
    for term in mined.terms:
        assert mined.right(term)
    assert len(read) < 2 * len(mined.terms) * len(
        constraints
    )  # each value is compared with each; the order adds little
