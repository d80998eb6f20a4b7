"""Claims about operators of one's own: whatever shape a search uses is tried before, and what breaks later is named."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from cegis import Found, GrammarError, synthesize
from cegis.operators.agreement import check_operators
from cegis.sygus import read_text
from dsl.grammar import Grammar, Production
from dsl.grammars.motifs import is_token
from dsl.operators import BOOL, INT, MASK, STRING, Operator
from dsl.scalars import ScalarSignature, variable
from dsl.sequences import SequenceSignature
from dsl.theories.theory import find, literal

Numpy = Callable[..., Any]
NAMES = read_text(
    """(set-logic SLIA)
    (synth-fun f ((name String)) String)
    (constraint (= (f "Rosa Parks") "Rosa, Rosa Parks"))
    (constraint (= (f "Alan Turing") "Alan, Alan Turing"))
    (check-synth)"""
).spec
DOUBLES = read_text(
    "(set-logic LIA)(synth-fun f ((x Int)) Int)(declare-var x Int)(constraint (= (f x) (* 8 x)))(check-synth)"
).spec


def names(numpy: Numpy) -> Grammar:
    """Strings with the operator "first word", read by ``numpy``."""
    first = Operator(
        "first_word",
        (STRING,),
        STRING,
        numpy,
        lambda s, x: s.manager.StrSubstr(
            x,
            s.manager.Int(0),
            s.manager.StrIndexOf(
                s.manager.StrConcat(x, s.manager.String(" ")), s.manager.String(" "), s.manager.Int(0)
            ),
        ),
        '_0.split(" ")[0]',
    )
    rows = (
        Production("S", variable("name", STRING)),
        Production("S", literal(", ", STRING)),
        Production("S", first, ("S",)),
        Production("S", find("str.++", (STRING, STRING)), ("S", "S")),
    )
    return Grammar(ScalarSignature((("name", STRING),), STRING), "S", rows)


def doubles(numpy: Numpy) -> Grammar:
    """Numbers with the operator "twice", read by ``numpy``."""
    twice = Operator("twice", (INT,), INT, numpy, lambda s, x: s.manager.Plus(x, x), "2 * _0")
    rows = (
        Production("N", variable("x", INT)),
        Production("N", find("+", (INT, INT)), ("N", "N")),
        Production("N", twice, ("N",)),
    )
    return Grammar(ScalarSignature((("x", INT),), INT), "N", rows)


def one_column(inputs: Any, texts: Any) -> Any:
    return np.array([text.split(" ")[0] for text in texts], object)


def every_shape(inputs: Any, texts: Any) -> Any:
    return np.vectorize(lambda text: text.split(" ")[0], otypes=[object])(texts)


def one_number(inputs: Any, x: Any) -> Any:
    return np.array([2 * value for value in x.tolist()])  # rows of examples are lists, which double in length


def in_place(inputs: Any, x: Any) -> Any:
    x += x
    return x


def not_empty(inputs: Any, x: Any) -> Any:
    return 2 * x + 0 * x.max()  # there is no largest of none


def by_the_first(inputs: Any, x: Any) -> Any:
    return 2 * x if x.size == 0 else x + x.reshape(-1, x.shape[-1])[0]  # of the first row


def by_examples(inputs: Any, x: Any) -> Any:
    return np.broadcast_to(2 * x, (inputs.examples,))


@pytest.mark.parametrize("numpy", [one_number, in_place, not_empty, by_the_first, by_examples])
def test_a_reading_that_is_right_in_one_shape_alone_is_caught(numpy: Numpy) -> None:
    (found,) = check_operators(doubles(numpy), ())
    assert "twice of (" in str(found)
    assert "in another shape, " in str(found) or numpy is in_place
    with pytest.raises(GrammarError, match="the readings of an operator differ"):
        synthesize(DOUBLES, doubles(numpy))


def test_an_operator_for_one_column_is_refused_and_one_for_all_shapes_is_taken() -> None:
    (found,) = check_operators(names(one_column), ())
    assert "first_word of (" in str(found)
    assert "raised AttributeError" in str(found)
    with pytest.raises(GrammarError, match="first_word of"):
        synthesize(NAMES, names(one_column))
    assert check_operators(names(every_shape), ()) == ()
    outcome = synthesize(NAMES, names(every_shape))
    assert isinstance(outcome, Found)
    assert "name.split" in outcome.program.source()


BREAKING = {
    "raises": (lambda x: {}["too large"], "KeyError: 'too large'"),
    "another shape": (lambda x: np.zeros((7, 3), np.int64), "shape"),
    "nothing": (lambda x: None, "int() argument must be"),
    "texts": (lambda x: np.full(np.shape(x), "a", object), "invalid literal"),
    "fractions": (lambda x: 2.0 * x, "it gave values of the type float64, where int64 was expected"),
}


@pytest.mark.parametrize("name", BREAKING)
def test_an_operator_that_breaks_in_the_search_is_named(name: str) -> None:
    breaks, said = BREAKING[name]

    def fragile(inputs: Any, x: Any) -> Any:
        return breaks(x) if (np.abs(x) > 30).any() else 2 * x  # beyond what is tried before

    assert check_operators(doubles(fragile), ()) == ()
    with pytest.raises(GrammarError) as refused:
        synthesize(DOUBLES, doubles(fragile))
    assert "the numpy reading of the operator twice failed on arguments of the shapes (" in str(refused.value)
    assert said in str(refused.value)


def test_rows_over_sequences_are_tried_in_blocks_as_well() -> None:
    def both(inputs: Any, x: Any, y: Any) -> Any:
        if x.ndim > 1:
            raise ValueError("one row of examples, please")
        return x & y

    own = Operator("both", (BOOL, BOOL), BOOL, both, lambda s, x, y: s.manager.And(x, y), "_0 and _1")
    signature = SequenceSignature(("a", "b"), ("x", "y"))
    right = Operator("both", (BOOL, BOOL), BOOL, lambda s, x, y: x & y, own.smt, own.python)
    some = Operator(
        "some",
        (MASK,),
        BOOL,
        lambda s, x: x.any(axis=-1),
        lambda s, x: s.manager.Or(list(x)),
        "any(_0(t) for t in tokens)",
    )
    for row, is_wrong in ((own, True), (right, False)):
        productions = (
            Production("M", is_token(0, "a")),
            Production("B", some, ("M",)),
            Production("B", row, ("B", "B")),
        )
        grammar = Grammar(signature, "B", productions)
        assert bool(check_operators(grammar, ())) == is_wrong
