"""The check of an operator's readings: right rows pass, and each way of being wrong is shown with an input."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
from quick import sliced

from backends import get
from cegis.formulas.formula import FormulaSpec, Function
from cegis.formulas.refutation import Refutation
from cegis.formulas.solution import Solution
from cegis.operators.agreement import Disagreement, Raised, check_operators, examine
from cegis.verdict import Unknown, Valid
from dsl.grammar import Grammar, Production
from dsl.grammars.motifs import COUNT, TOGGLE, is_token, label, motifs
from dsl.operators import BOOL, INT, REAL, STRING, GrammarError, Operator, Sort, bitvector
from dsl.program import Program
from dsl.scalars import ScalarSignature, variable
from dsl.sequences import SequenceSignature
from dsl.theories import booleans, integers, reals, strings
from dsl.theories.theory import define, find, literal

NIBBLE, WORD = bitvector(4), bitvector(32)
SEQUENCES = SequenceSignature(("a", "b"), ("x", "y"))


def grammar_of(*rows: Operator) -> Grammar:
    """The rows over one parameter of each sort."""
    sorts: tuple[Sort, ...] = tuple(dict.fromkeys(sort for row in rows for sort in (row.result, *row.arguments)))
    parameters = tuple((f"p{place}", sort) for place, sort in enumerate(sorts))
    operators = [*(variable(name, sort) for name, sort in parameters), *rows]
    productions = (Production(o.result.name, o, tuple(sort.name for sort in o.arguments)) for o in operators)
    return Grammar(ScalarSignature(parameters, sorts[0]), sorts[0].name, tuple(productions))


def the_disagreement(row: Operator, *backends: str) -> Disagreement:
    (found,) = check_operators(grammar_of(row), backends)
    return found


@pytest.mark.needs("z3", "cvc5")
def test_the_rows_of_booleans_and_integers_agree_in_all_readings():
    rows = [*booleans.ROWS, *integers.ROWS, find("=", (INT, INT)), find("ite", (BOOL, INT, INT)), literal(-5, INT)]
    checked = list(examine(grammar_of(*rows)))
    assert [one.operator for one in checked] == rows
    assert not any(one.disagreement or one.unasked for one in checked)
    assert {one.readings for one in checked} == {("numpy", "exact numpy", "Python", "formula", "z3", "cvc5")}
    assert {one.operator.name: one.left_open for one in checked if one.left_open} == {"div": 9, "mod": 9}
    assert {one.operator.name: one.points for one in checked}["ite"] == 2 * 9 * 9


@pytest.mark.needs("z3", "cvc5")
def test_the_rows_of_reals_agree_in_all_readings_but_for_products_that_no_linear_solver_takes():
    rows = [*reals.ROWS, find("=", (REAL, REAL)), find("ite", (BOOL, REAL, REAL)), literal(Fraction(-5, 3), REAL)]
    checked = list(examine(grammar_of(*rows)))
    assert [one.operator for one in checked] == rows
    assert not any(one.disagreement or one.left_open for one in checked)
    assert all(one.readings[:4] == ("numpy", "exact numpy", "Python", "formula") for one in checked)
    assert {one.operator.name for one in checked if "z3" not in one.readings or "cvc5" not in one.readings} <= {"*"}


@pytest.mark.slow
@pytest.mark.needs("z3", "cvc5", "bitwuzla")
@pytest.mark.parametrize("sort", sliced([bitvector(3), bitvector(1), WORD], 3), ids=lambda sort: f"{sort.width} bits")
def test_the_rows_of_bit_vectors_agree_in_all_readings(sort):
    names = ("bvsdiv", "bvsrem", "bvsmod", "bvudiv", "bvurem") if sort.width == 3 else ("bvsmod",)
    names += ("bvshl", "bvlshr", "bvashr", "bvsub", "bvxnor", "bvnand", "bvnor", "bvslt", "bvuge", "bvcomp", "concat")
    rows = [find(name, (sort, sort)) for name in names]
    rows += [find(f"(_ {name} 2)", (sort,)) for name in ("zero_extend", "sign_extend", "rotate_left", "rotate_right")]
    rows += [find("bvneg", (sort,)), find(f"(_ extract {sort.width - 1} 0)", (sort,))]
    checked = list(examine(grammar_of(*rows), ("z3", "cvc5", "bitwuzla") if sort.width < 4 else ("bitwuzla",)))
    assert not any(one.disagreement or one.unasked or one.left_open for one in checked)
    assert len(checked) == len(rows)


@pytest.mark.needs("cvc5")
def test_the_rows_of_strings_agree_and_those_without_a_formula_say_so():
    checked = list(examine(grammar_of(*strings.ROWS, literal('a"\\u', STRING)), ("cvc5",)))
    assert not any(one.disagreement for one in checked)
    missing = {one.operator.name: one.unasked for one in checked if one.unasked}
    assert set(missing) == {"str.replace_all", "str.<", "str.<=", "str.to_code", "str.from_code"}
    assert missing["str.<"] == ("PySMT cannot say str.<, so nothing can be proved about it; take another operator",)
    with pytest.raises(GrammarError, match=r"str.< could not be checked: PySMT cannot say str.<"):
        check_operators(grammar_of(find("str.<", (STRING, STRING))), ("cvc5",))


@pytest.mark.needs("z3")
def test_the_rows_of_a_sequence_grammar_agree():
    for checked in examine(motifs(["a"], ["0", "1"]), ("z3",)):
        assert checked.disagreement is None, str(checked.disagreement)
        assert checked.readings == ("numpy", "Python", "formula", "z3")
        assert not checked.unasked


def test_a_wrong_numpy_reading_is_shown_with_its_first_input():
    row = replace(find("div", (INT, INT)), numpy=lambda _, x, y: x // (y + (y == 0)))  # rounds like Python
    found = the_disagreement(row, "z3")
    assert found.point.arguments == (-4, -3)
    assert dict(found.readings) == {"numpy": 1, "exact numpy": 1, "Python": 2, "formula": 2}
    assert str(found) == "div of (-4, -3): numpy says 1, exact numpy says 1, Python says 2, formula says 2"


def test_a_reading_that_is_wrong_on_exact_numbers_alone_is_found():
    row = replace(find("+", (INT, INT)), numpy=lambda s, x, y: x + y + (s.exact and (x == 3)))
    assert dict(the_disagreement(row).readings)["exact numpy"] == 0
    assert the_disagreement(row).point.arguments == (3, -4)


def test_a_wrong_text_is_shown():
    row = replace(find("bvsub", (NIBBLE, NIBBLE)), python="_0 - _1")  # without the mask
    found = the_disagreement(row, "z3")
    assert (found.point.arguments, dict(found.readings)["Python"]) == ((0, 1), -1)


def test_a_text_of_another_type_is_another_value():
    row = replace(find("not", (BOOL,)), python="1 - _0")
    assert "Python says 1" in str(the_disagreement(row))


@pytest.mark.parametrize("solver", ["z3", "cvc5"])
def test_a_wrong_formula_is_shown(solver):
    row = replace(find("str.len", (STRING,)), smt=lambda s, x: s.manager.Plus(s.manager.StrLength(x), s.manager.Int(1)))
    found = the_disagreement(row, solver)
    assert found.point.arguments == ("",)
    assert dict(found.readings)["formula"] == 1


def test_a_formula_that_leaves_more_open_than_the_others_is_caught_by_the_solver():
    def smt(s, x, y):  # a free symbol where it should be x
        return s.manager.Ite(s.manager.LT(x, y), y, s.manager.Symbol("stray", s.manager.env.type_manager.INT()))

    row = Operator("larger", (INT, INT), INT, lambda _, x, y: (x < y) * y, smt, python="_1 if _0 < _1 else 0")
    found = the_disagreement(row, "z3")
    assert found.point.arguments == (-4, -4)
    readings = dict(found.readings)
    assert readings["formula"] == 0
    assert readings["z3"] != 0


@pytest.mark.parametrize(
    ("change", "reading", "error"),
    [
        ({"numpy": lambda _, x, y: x.missing}, "numpy", "AttributeError"),
        ({"python": "_0 % abs(_1)"}, "Python", "ZeroDivisionError"),
        ({"python": "mod(_0, _1)", "helper": ""}, "Python", "NameError"),
        ({"smt": lambda s, x: x}, "formula", "TypeError"),
    ],
)
def test_a_reading_that_raises_disagrees(change, reading, error):
    found = the_disagreement(replace(find("mod", (INT, INT)), **change))
    raised = {name: value for name, value in found.readings if isinstance(value, Raised)}
    assert reading in " ".join(raised)
    assert all(value.error.startswith(error) for value in raised.values())


def test_a_defined_function_is_read_like_any_row():
    x, y = variable("x", INT), variable("y", INT)
    body = find("div", (INT, INT))(x(), find("abs", (INT,))(y()))
    (checked,) = examine(grammar_of(define("share-of", (("x", INT), ("y", INT)), body)), ("z3",))
    assert checked.disagreement is None
    assert checked.left_open == 9


def test_a_row_that_reads_parameters_is_tried_on_their_values():
    row = Operator("p0 more", (), INT, lambda s: s["p0"] + 1, lambda s: s["p0"], python="p0 + 1")
    found = the_disagreement(row)
    assert str(found) == "p0 more on -4: numpy says -3, exact numpy says -3, Python says -3, formula says -4"


@pytest.mark.needs("z3")
def test_a_wrong_row_on_sequences_is_shown_with_the_sequence():
    wrong = [
        replace(COUNT, numpy=lambda s, m: (m & s.valid).sum(-1) + (s.lengths > 2)),
        replace(TOGGLE, python=TOGGLE.python.replace("not state", "True")),
        replace(is_token(0, "a"), smt=lambda s: tuple(row[1] for row in s.at)),
        replace(label(0, "x"), python="'y'"),
    ]
    rows = [*(Production("M", is_token(i, t)) for i, t in enumerate("ab") if i), Production("M", wrong[2])]
    rows += [Production("N", wrong[0], ("M",)), Production("F", wrong[1], ("M",)), Production("L", wrong[3])]
    found = check_operators(Grammar(SEQUENCES, "L", tuple(rows)), ("z3",))
    assert {one.operator.name: str(one) for one in found} == {
        "is 'a'": "is 'a' on ('a',): numpy says (True,), Python says (True,), formula says (False,)",
        "count": "count of ([]) on ('a', 'a', 'a'): numpy says 1, Python says 0, formula says 0",
        "toggle": "toggle of (['a']) on ('a', 'a'): numpy says False, Python says True, formula says False",
        "label 'x'": "label 'x' on (): numpy says 'x', Python says 'y', formula says 'x'",
    }


@pytest.mark.needs("bitwuzla")
def test_a_sort_that_a_solver_lacks_is_said_not_skipped():
    (checked,) = examine(grammar_of(find("+", (INT, INT))), (get("bitwuzla"),))
    assert checked.unasked == ("bitwuzla is not set up for QF_NIA; it decides QF_BV, QF_UF",)
    assert "bitwuzla" not in checked.readings


@pytest.mark.needs("z3", "cvc5")
@pytest.mark.parametrize("backend", ["z3", "cvc5"])
def test_no_proof_rests_on_what_division_by_zero_happens_to_be(backend):
    signature = ScalarSignature((("x", INT), ("y", INT)), INT)
    (x, y), function, zero = signature.variables, Function("f", signature), literal(0, INT)()
    div, mod, equal = find("div", (INT, INT)), find("mod", (INT, INT)), find("=", (INT, INT))
    call, by_zero = function.operator(x, y), equal(y, zero)
    rows = [Production("I", term.operator) for term in (x, y, zero)]
    grammar = Grammar(signature, "I", (*rows, Production("I", mod, ("I", "I"))))
    implies = find("=>", (BOOL, BOOL))
    for wanted, is_proved in (
        (equal(call, mod(x, y)), True),
        (implies(by_zero, equal(call, x)), False),
        (implies(by_zero, equal(call, div(x, y))), False),
    ):
        spec = FormulaSpec((function,), signature.parameters, (wanted,))
        with Refutation(spec, get(backend), seconds=20.0) as verifier:
            verdict = verifier.check(Solution({function: Program(mod(x, y), grammar)}))
        assert isinstance(verdict, Valid if is_proved else Unknown)
