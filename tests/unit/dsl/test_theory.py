"""The rows of the scalar theories: how they are found and named, and the edges where readings tend to go wrong."""

from __future__ import annotations

import ast
import re
from fractions import Fraction

import numpy as np
import pytest

from dsl.operators import BOOL, INT, LABEL, REAL, STRING, GrammarError, Sort, bitvector
from dsl.scalars import HELPERS, Columns, column, identifier, variable
from dsl.theories import bitvectors, theory
from dsl.theories.theory import define, find, literal, names

BYTE, LONG, WIDE = bitvector(8), bitvector(64), bitvector(100)


def value(name: str, sorts: tuple[Sort, ...], *arguments: object, exact: bool = False) -> object:
    """A row's numpy value on one example."""
    arrays = [column(sort, [argument], exact=exact) for sort, argument in zip(sorts, arguments, strict=True)]
    return find(name, sorts).numpy(Columns({}, 1, exact), *arrays).tolist()[0]


@pytest.mark.parametrize("name", [name for name in names() if name not in ("extract", "concat")])
def test_every_name_leads_to_a_row_that_bears_it(name):
    counts, sorts = (1, 2, 3), (BOOL, INT, STRING, BYTE)
    tried = [(sort,) * count for sort in sorts for count in counts]
    tried += [(STRING, INT), (STRING, INT, INT), (STRING, STRING, INT)]
    called = [name, f"(_ {name} 3)"]
    found = []
    for text in called:
        for arguments in tried:
            try:
                found.append(find(text, arguments).name)
            except GrammarError:
                continue
    assert found
    assert set(found) <= set(called)


@pytest.mark.parametrize(
    ("name", "sorts", "message"),
    [
        ("bvad", (BYTE, BYTE), "unknown operator 'bvad'; did you mean bvand or bvadd"),
        ("zzz", (INT,), "unknown operator 'zzz'; the known ones are =, ite, not"),
        ("bvadd", (BYTE, LONG), "bvadd takes 2 bit-vector(s) of one width, got ((_ BitVec 8), (_ BitVec 64))"),
        ("-", (BOOL,), "- takes (Int, Int) or (Int) or (Real, Real) or (Real), got (Bool)"),
        ("=", (INT, BOOL), "= takes two arguments of one sort, got (Int, Bool)"),
        ("ite", (INT, INT, INT), "ite takes (Bool, S, S) with any sort S, got (Int, Int, Int)"),
        ("(_ extract 8 0)", (BYTE,), "(_ extract 8 0) takes one bit-vector and 2 index(es) that fit its width"),
        ("(_ extract 0 1)", (BYTE,), "index(es) that fit"),
        ("(_ )", (BYTE,), "unknown operator '(_ )'"),
        ("and", (BOOL, BOOL, BOOL), "and takes (Bool, Bool), got (Bool, Bool, Bool)"),
    ],
)
def test_what_is_no_row_is_refused_in_one_sentence(name, sorts, message):
    with pytest.raises(GrammarError, match=re.escape(message)):
        find(name, sorts)


@pytest.mark.parametrize(
    ("name", "sorts", "arguments", "expected"),
    [
        ("div", (INT, INT), (-7, 2), -4),
        ("div", (INT, INT), (-7, -2), 4),
        ("mod", (INT, INT), (-7, -2), 1),
        ("div", (INT, INT), (-(2**63), -1), -(2**63)),
        ("mod", (INT, INT), (5, -(2**63)), 5),
        ("div", (INT, INT), (7, 0), 0),
        ("mod", (INT, INT), (7, 0), 7),
        ("+", (INT, INT), (2**63 - 1, 1), -(2**63)),
        ("bvshl", (LONG, LONG), (1, 64), 0),
        ("bvshl", (LONG, LONG), (1, 2**63), 0),
        ("bvlshr", (LONG, LONG), (2**64 - 1, 2**64 - 1), 0),
        ("bvashr", (LONG, LONG), (2**63, 2**64 - 1), 2**64 - 1),
        ("bvashr", (LONG, LONG), (2**62, 200), 0),
        ("bvudiv", (BYTE, BYTE), (5, 0), 255),
        ("bvurem", (BYTE, BYTE), (5, 0), 5),
        ("bvsdiv", (BYTE, BYTE), (251, 0), 1),
        ("bvsdiv", (BYTE, BYTE), (128, 255), 128),
        ("bvsrem", (BYTE, BYTE), (251, 3), 254),
        ("bvsmod", (BYTE, BYTE), (251, 3), 1),
        ("bvneg", (WIDE,), (1,), 2**100 - 1),
        ("concat", (LONG, BYTE), (2**64 - 1, 1), (2**64 - 1) * 256 + 1),
        ("(_ extract 99 90)", (WIDE,), (2**100 - 1,), 1023),
        ("(_ sign_extend 60)", (BYTE,), (128,), 2**68 - 128),
        ("(_ rotate_left 9)", (BYTE,), (129,), 3),
        ("str.at", (STRING, INT), ("ab", -1), ""),
        ("str.substr", (STRING, INT, INT), ("abc", 1, 9), "bc"),
        ("str.substr", (STRING, INT, INT), ("abc", -1, 2), ""),
        ("str.substr", (STRING, INT, INT), ("abc", 1, -1), ""),
        ("str.indexof", (STRING, STRING, INT), ("abc", "", 3), 3),
        ("str.indexof", (STRING, STRING, INT), ("abc", "", 4), -1),
        ("str.indexof", (STRING, STRING, INT), ("abc", "a", -1), -1),
        ("str.replace", (STRING, STRING, STRING), ("aa", "", "b"), "baa"),
        ("str.replace", (STRING, STRING, STRING), ("aa", "a", "b"), "ba"),
        ("str.replace_all", (STRING, STRING, STRING), ("aa", "", "b"), "aa"),
        ("str.to_int", (STRING,), ("007",), 7),
        ("str.to_int", (STRING,), ("",), -1),
        ("str.to_int", (STRING,), ("-1",), -1),
        ("str.to_int", (STRING,), ("²",), -1),
        ("str.from_int", (INT,), (-1,), ""),
        ("str.is_digit", (STRING,), ("²",), False),
        ("str.from_code", (INT,), (0x30000,), ""),
    ],
)
def test_edges_are_those_of_smt_lib(name, sorts, arguments, expected):
    assert value(name, sorts, *arguments) == expected
    if name != "+" and arguments[0] != -(2**63):
        assert value(name, sorts, *arguments, exact=True) == expected


def test_exact_numbers_never_wrap():
    assert value("+", (INT, INT), 2**63 - 1, 1, exact=True) == 2**63
    assert value("str.to_int", (STRING,), "9" * 30, exact=True) == 10**30 - 1
    assert value("str.to_int", (STRING,), str(2**64 + 5)) == 5
    five = literal(2**70, INT)
    assert five.numpy(Columns({}, 2, exact=True)).tolist() == [2**70] * 2
    assert five.numpy(Columns({}, 2)).tolist() == [0, 0]


@pytest.mark.parametrize("name", ["bvashr", "bvlshr", "bvshl", "bvadd", "bvsub", "bvsdiv", "bvsmod", "bvslt", "bvcomp"])
def test_machine_words_and_exact_numbers_may_meet(name):
    """As they do where a narrow word is cut out of a wide one."""
    row, inputs = find(name, (LONG, LONG)), Columns({}, 4, exact=True)
    x, y = [2**63, 5, 2**64 - 1, 0], [2**63, 70, 1, 2**64 - 1]
    words, exact = (np.array(x, np.uint64), np.array(y, np.uint64)), (np.array(x, object), np.array(y, object))
    expected = row.numpy(inputs, *words).tolist()
    assert row.numpy(inputs, *exact).tolist() == expected
    assert row.numpy(inputs, words[0], exact[1]).tolist() == expected
    assert row.numpy(inputs, exact[0], words[1]).tolist() == expected


def test_stacks_of_terms_are_evaluated_at_once():
    left, right = np.arange(6, dtype=np.int64).reshape(3, 2), np.array([2, -2])
    assert find("div", (INT, INT)).numpy(Columns({}, 2), left, right).tolist() == [[0, 0], [1, -1], [2, -2]]
    texts = np.array([["ab", ""], ["b", "abab"]], object)
    assert find("str.len", (STRING,)).numpy(Columns({}, 2), texts).dtype == np.int64
    assert find("str.++", (STRING, STRING)).numpy(Columns({}, 2), texts, texts[0]).tolist() == [
        ["abab", ""],
        ["bab", "abab"],
    ]


@pytest.mark.parametrize(
    ("given", "sort", "name", "text"),
    [
        (5, INT, "5", "5"),
        (-5, INT, "(- 5)", "-5"),
        (True, BOOL, "true", "True"),
        (15, BYTE, "#x0f", "0xF"),
        (5, bitvector(3), "#b101", "5"),
        ('a"b', STRING, '"a""b"', "'a\"b'"),
        ("\\u\n\\x", STRING, '"\\u{5c}u\\u{a}\\x"', "'\\\\u\\n\\\\x'"),
    ],
)
def test_a_literal_is_named_as_smt_lib_writes_it(given, sort, name, text):
    made = literal(given, sort)
    assert (made.name, made.python, made.is_literal, made.value) == (name, text, True, given)


@pytest.mark.parametrize(
    ("given", "sort"), [(256, BYTE), (-1, BYTE), (True, INT), (1, BOOL), ("\U00030000", STRING), (1, STRING)]
)
def test_a_value_of_another_sort_is_no_literal(given, sort):
    with pytest.raises(GrammarError, match="expected a value of sort"):
        literal(given, sort)


def test_a_defined_function_computes_its_body():
    x, y = variable("x", INT), variable("y", INT)
    least = find("ite", (BOOL, INT, INT))(find("<", (INT, INT))(x(), y()), x(), y())
    function = define("least-of", (("x", INT), ("y", INT)), least)
    assert function(literal(3, INT)(), literal(-2, INT)()).evaluate(Columns({}, 1)).tolist() == [-2]
    assert function.python == "least_u2d_of(_0, _1)"
    with pytest.raises(GrammarError, match="the body of f reads y of sort Int, which is no parameter"):
        define("f", (("x", INT),), least)


def test_names_that_python_cannot_take_become_different_identifiers():
    given = ["x", "x!", "x_u21_", "len", "len_", "in", "in_", "1x", "_0", "_0_", "a-b", "a_b", "a_u2d_b", "tokens", "é"]
    made = [identifier(name) for name in given]
    assert len(set(made)) == len(given)
    assert all(name.isidentifier() and name not in ("len", "in", "_0", "tokens") for name in made)
    assert identifier("total_2") == "total_2"


def test_every_sort_has_its_own_equation_and_choice():
    assert find("=", (LABEL, LABEL)).arguments == (LABEL, LABEL)
    assert find("ite", (BOOL, WIDE, WIDE)).result == WIDE


def test_functions_that_rows_call_are_no_identifiers_of_names():
    rows = [
        *theory.ROWS,
        *bitvectors.rows(8),
        literal(Fraction(1, 2), REAL),
        find("concat", (bitvector(1), bitvector(2))),
    ]
    rows += [find(f"(_ {kind} 1{' 0' * (n - 1)})", (bitvector(8),)) for kind, n in bitvectors.INDEXED.items()]
    called = {node.name for row in rows for node in ast.parse(row.helper).body if isinstance(node, ast.FunctionDef)}
    assert called == set(HELPERS)
    assert all(identifier(name) == f"{name}_" for name in HELPERS)
