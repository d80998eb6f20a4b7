"""Where candidates are judged: tests, templates, points and targets."""

import numpy as np
import pytest
from specs import call, function, integers, maximum, of

from cegis.domain import DomainError
from cegis.formulas.formula import FormulaSpec
from cegis.formulas.points import Points
from cegis.formulas.sampling import sample
from cegis.sygus import read_text
from dsl.operators import BOOL, INT, STRING, bitvector
from dsl.theories.theory import literal

x, y = integers("x", "y")


def number(value):
    return literal(value, INT)()


def examples_of_sum(*rows):
    f = function("f", ("a", INT), ("b", INT), result=INT)
    equations = tuple(of("=", call(f, number(a), number(b)), number(c)) for a, b, c in rows)
    return f, FormulaSpec((f,), (), equations)


def test_examples_are_one_template_with_a_target():
    f, spec = examples_of_sum((1, 2, 3), (4, 5, 9), (0, 0, 0))
    points = Points(spec)
    points.add_ground()
    assert len(points.templates) == 1
    assert points.tests == 3
    assert points.targets(f).tolist() == [3, 9, 0]
    assert points.arguments[f] == [(1, 2), (4, 5), (0, 0)]


def test_contradicting_examples_are_an_error_that_names_them():
    f, spec = examples_of_sum((1, 2, 3), (1, 2, 4))
    points = Points(spec)
    points.add_ground()
    with pytest.raises(DomainError, match=r"f\(1, 2\) must be 3 and 4"):
        points.targets(f)


def test_a_relation_is_judged_at_points():
    spec = maximum(2)
    points = Points(spec)
    points.add([(1, 2), (5, 0), (3, 3)])
    (f,) = spec.functions
    values = np.array([[2, 5, 3], [1, 5, 3], [9, 9, 9]])
    assert points.is_pointwise
    assert points.targets(f) is None
    assert points.right(f, values).tolist() == [[True] * 3, [False, True, True], [False] * 3]
    assert points.judge({f: values}).all(axis=1).tolist() == [True, False, False]


def test_one_point_that_several_tests_touch_must_pass_them_all():
    f = function("f", ("a", INT), ("b", INT), result=INT)
    zero = number(0)
    spec = FormulaSpec((f,), (("x", INT),), (of("=", call(f, x, zero), x), of("=", call(f, zero, x), zero)))
    points = Points(spec)
    points.add([(0,), (7,)])
    values = np.array([[0 if point[0] == 0 else point[0] for point in points.arguments[f]]])
    assert points.right(f, values).all()
    assert not points.right(f, values + 1).any()


def test_calls_at_two_points_are_not_pointwise():
    f = function("f", ("a", INT), ("b", INT), result=INT)
    spec = FormulaSpec((f,), (("x", INT), ("y", INT)), (of("=", call(f, x, y), call(f, y, x)),))
    points = Points(spec)
    points.add([(1, 2)])
    assert points.is_layered
    assert not points.is_pointwise
    assert points.arguments[f] == [(1, 2), (2, 1)]
    assert points.judge({f: np.array([[3, 3], [1, 2]])}).tolist() == [[True], [False]]


def test_a_call_inside_a_call_is_not_layered():
    f = function("f", ("a", INT), result=INT)
    assert not Points(FormulaSpec((f,), (("x", INT),), (of("=", call(f, call(f, x)), x),))).is_layered


def test_what_the_assumptions_exclude_is_no_test():
    f = function("f", ("a", INT), result=INT)
    spec = FormulaSpec((f,), (("x", INT),), (of("=", call(f, x), x),), (of(">=", x, number(0)),))
    points = Points(spec)
    points.add([(-1,), (2,), (2**63,)])
    assert points.arguments[f] == [(2,), (2**63,)]
    assert points.judge({f: np.array([[5, 5], [2, -(2**63)]])}).tolist() == [[False, False], [True, True]]


def test_taken_tests_are_the_same_tests():
    spec = maximum(2)
    whole, part = Points(spec), Points(spec)
    whole.add([(1, 2), (5, 0), (3, 3)])
    part.take(whole, [2, 0, 0])
    assert part.arguments[spec.functions[0]] == [(3, 3), (1, 2)]


def test_functions_that_meet_in_no_constraint_are_apart():
    f, g = function("f", ("a", INT), result=INT), function("g", ("a", INT), result=INT)
    apart = FormulaSpec((f, g), (("x", INT),), (of("=", call(f, x), x), of("=", call(g, x), number(1))))
    assert [component.functions for component in apart.components] == [(f,), (g,)]
    joined = FormulaSpec((f, g), (("x", INT),), (of("=", call(f, x), call(g, x)),))
    assert [component.functions for component in joined.components] == [(f, g)]


@pytest.mark.parametrize("sort", [BOOL, INT, STRING, bitvector(7), bitvector(64), bitvector(100)])
def test_samples_fit_their_sort_and_repeat_by_seed(sort):
    f = function("f", ("a", sort), result=BOOL)
    spec = FormulaSpec((f,), (("v", sort),), ())
    rows = sample(spec, 50, seed=3)
    assert rows == sample(spec, 50, seed=3)
    assert len(set(rows)) == len(rows)
    if sort.width:
        assert all(0 <= value < 1 << sort.width for (value,) in rows)


def test_specifications_that_differ_in_a_definition_alone_have_tests_of_their_own() -> None:
    def wanted(body: str) -> Points:
        text = f"(define-fun g ((n Int)) Int {body}) (synth-fun f ((n Int)) Int) (declare-var n Int)"
        points = Points(read_text(f"{text} (constraint (= (f n) (g n)))").spec)
        points.add([(5,)])
        return points

    first, second = wanted("(+ n 1)"), wanted("(+ n 2)")
    assert first.spec == second.spec  # operators are equal by their names
    values = np.array([[6], [7]])
    assert [p.judge({p.spec.functions[0]: values})[:, 0].tolist() for p in (first, second)] == [
        [True, False],
        [False, True],
    ]


@pytest.mark.parametrize("most", [0, 2**23])
def test_tests_hold_as_the_constraints_say_whatever_is_kept(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cegis.formulas.points.MOST_FIXED", most)
    text = """
    (synth-fun f ((x Int) (y Int)) Int) (declare-var a Int) (declare-var b Int)
    (constraint (=> (< a b) (= (f a b) (+ a 1)))) (constraint (=> (not (< a b)) (< (f a b) (+ a 1))))
    """
    spec = read_text(text).spec
    rows = [(a, b) for a in range(-3, 4) for b in range(-3, 4)]
    for exact in (False, True):
        points = Points(spec, exact=exact)
        points.add(rows[:20])
        points.judge({spec.functions[0]: np.zeros((1, 20), int)})
        points.add(rows[20:])
        values = np.array([[a + 1 for a, b in rows], [a + (a < b) for a, b in rows], [0] * len(rows)])
        judged = points.judge({spec.functions[0]: values})
        wanted = [[f == a + 1 if a < b else f < a + 1 for f, (a, b) in zip(v, rows, strict=True)] for v in values]
        assert judged.tolist() == wanted
