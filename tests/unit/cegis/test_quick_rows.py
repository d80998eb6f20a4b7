"""The light rows and printer beside the rows of the theories and the printer of programs: the same in every word."""

from __future__ import annotations

from itertools import product
from random import Random
from typing import Any

import numpy as np
import pytest
from quick_terms import as_term, drawn, sort_of, value_of, variables

from cegis.quick import printing, rows
from cegis.quick.nodes import BOOL, INT, ROW, STRING, BeyondError, literal, node, text_of
from dsl.function import called, function_text
from dsl.program import define_fun
from dsl.scalars import HELPERS, RESERVED, ScalarSignature, identifier
from dsl.theories.theory import find

BYTE, WORD, BIT = "(_ BitVec 8)", "(_ BitVec 64)", "(_ BitVec 1)"
SORTS = (BOOL, INT, STRING, BIT, BYTE, WORD)
KEYS = [key for sort in SORTS for key in (rows.find("", (sort,)), rows._ROWS[sort])[1]]
KEYS += [("=", (sort, sort)) for sort in SORTS] + [("ite", (BOOL, sort, sort)) for sort in SORTS]
PARTS = [
    *(("concat", sorts) for sorts in ((BYTE, BYTE), (BIT, BYTE), (BYTE, BIT))),
    *((f"(_ extract {last} {first})", (BYTE,)) for last, first in ((7, 7), (7, 0), (0, 0), (5, 2))),
    *((f"(_ {kind} {more})", (sort,)) for kind in ("zero_extend", "sign_extend") for more in (0, 1, 5)
      for sort in (BIT, BYTE)),
]  # fmt: skip


def shown(keys: Any) -> str:
    return f"{keys[0]} {' '.join(keys[1])}"


@pytest.mark.parametrize("key", [*KEYS, *PARTS], ids=shown)
def test_a_row_has_the_exact_value_of_the_row_of_its_name(key):
    name, sorts = key
    result, function = rows.find(name, sorts)
    row = find(name, tuple(map(sort_of, sorts)))
    assert row.result == sort_of(result)
    choose = Random(1)
    drawn_values = [sorted({value_of(choose, sort) for _ in range(12)}) for sort in sorts]
    points = list(product(*drawn_values))[:600]
    names = [f"x{place}" for place in range(len(sorts))]
    signature = ScalarSignature(tuple(zip(names, map(sort_of, sorts), strict=True)), row.result)
    batch = signature.batch(points, exact=True)
    exact = np.broadcast_to(np.asarray(row(*signature.variables).evaluate(batch)), (len(points),)).tolist()
    assert [function(*point) for point in points] == exact
    assert {type(function(*point)) for point in points} == set(map(type, exact))


@pytest.mark.parametrize("key", KEYS, ids=shown)
def test_a_row_is_printed_as_the_row_of_its_name(key):
    name, sorts = key
    result, _ = rows.find(name, sorts)
    parameters = tuple(variables(f"x{place}", sort=sort)[0] for place, sort in enumerate(sorts))
    assert_alike(node(ROW, name, result, parameters), parameters)


@pytest.mark.parametrize("name", ["(_ extract 8 0)", "(_ extract 0 1)", "(_ extract 01 0)", "(_ extract 1)", "(_ x 1)"])
def test_a_part_that_is_none_is_no_row(name):
    assert rows.find(name, (BYTE,)) is None
    assert rows.find("concat", (BYTE, INT)) is None


def assert_alike(body, parameters):
    term = as_term(body)
    signature = ScalarSignature(tuple((one.name, sort_of(one.sort)) for one in parameters), term.sort)
    usual = "\n\n".join([*called(term).values(), function_text(term, signature, "f")])
    assert printing.source("f", parameters, body, {}) == usual
    assert printing.define_fun("f", parameters, body) == define_fun("f", signature, term)


@pytest.mark.parametrize("sorts", [(INT, INT, BOOL), (BYTE, BYTE), (WORD,), (STRING, STRING, INT)], ids=" ".join)
def test_terms_are_printed_alike_or_not_at_all(sorts):
    parameters = tuple(variables(f"x{place}", sort=sort)[0] for place, sort in enumerate(sorts))
    choose, printed = Random(7), 0
    for _ in range(150):
        body = drawn(choose, parameters, choose.choice(sorts), choose.randint(1, 4))
        try:
            printing.source("f", parameters, body, {})
        except BeyondError:
            continue
        assert_alike(body, parameters)
        printed += 1
    assert printed > 50


def test_a_value_that_stands_twice_gets_a_name_and_a_long_chain_early_returns():
    x, y, z = variables("x", "y", "z")
    flag = node(ROW, "<=", BOOL, (x, y))
    inner = node(ROW, "ite", INT, (flag, x, y))
    body = node(ROW, "ite", INT, (node(ROW, "<", BOOL, (z, x)), inner, node(ROW, "ite", INT, (flag, y, z))))
    assert "flag = x <= y" in printing.source("f", (x, y, z), body, {})
    assert_alike(body, (x, y, z))


@pytest.mark.parametrize("name", ["x", "inv-f", "x!", "len", "len_", "_arg_0", "token", "div", "if", "a.b"])
def test_names_become_the_same_identifiers(name):
    assert printing.identifier(name) == identifier(name)


@pytest.mark.parametrize("name", ["_u2d_", "_0", "__"])
def test_a_name_that_may_be_mistaken_goes_the_usual_way(name):
    with pytest.raises(BeyondError):
        printing.identifier(name)


def test_the_names_that_texts_use_are_the_same():
    assert set(printing.RESERVED) == {*RESERVED, *HELPERS}


def test_literals_are_written_as_the_theories_write_them():
    choose = Random(3)
    for sort in SORTS:
        for _ in range(20):
            constant = literal(value_of(choose, sort), sort)
            assert text_of(constant) == as_term(constant).operator.name
