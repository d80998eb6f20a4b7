"""Loops on streams of numbers: what a series says, its loop says, and its printed text."""

import numpy as np
import pytest

from dsl.grammars.motifs import EQUAL, MINUS, PLUS, times
from dsl.grammars.positions import ABSOLUTE, GREATEST, LEAST, modulo
from dsl.grammars.streams import (
    Division,
    Earlier,
    Input,
    Loop,
    OutgrownError,
    Pointwise,
    Running,
    loop_of,
    number,
    one_of,
    values,
)
from dsl.operators import INT, GrammarError
from dsl.scalars import variable

X, Y = Input(0), Input(1)
DIFFERENCE = Pointwise(MINUS, (X, Earlier(X)))
SERIES = [
    (X, 1),
    (Earlier(Earlier(X)), 1),
    (Pointwise(ABSOLUTE, (DIFFERENCE,)), 1),
    (Pointwise(EQUAL, (X, Earlier(X))), 1),
    (Running(X, LEAST, 9), 1),
    (Running(X, GREATEST, -9), 1),
    (Running(Running(X, PLUS), PLUS), 1),
    (Earlier(Pointwise(MINUS, (number(1), X))), 1),  # not 1 before the first step
    (Running(Pointwise(EQUAL, (X, number(2))), PLUS), 1),
    (Pointwise(one_of((0, 4)), (X,)), 1),
    (Division(X, 2, 3, "rest", "part"), 1),
    (Division(X, 1, 5, "rest", "rest"), 1),
    (Division(Pointwise(PLUS, (X, Y)), 1, 7, "part", "rest"), 2),
    (Pointwise(PLUS, (Earlier(Division(Y, 1, 3, "rest", "part")), X)), 2),
]


@pytest.mark.parametrize(("series", "inputs"), SERIES)
def test_series_loop_and_printed_text_give_the_same_answers(series, inputs):
    x = np.random.default_rng(0).integers(0, 10, (40, 9, inputs))
    wanted = values(series, x).astype(int)
    loop = loop_of(series, inputs)
    np.testing.assert_array_equal(loop.run(x), wanted)
    alphabet = [",".join(map(str, row)) for row in np.ndindex(*[10] * inputs)]
    for names in (alphabet, ["-1" + ",-1" * (inputs - 1)]):  # read by place, or apart at commas
        scope = {}
        exec(loop.source("f", names), scope)
        for stream, row in zip(x[:10].tolist(), wanted, strict=False):
            tokens = [",".join(map(str, numbers)) for numbers in stream]
            assert [scope["f"](tokens[: t + 1]) for t in range(9)] == row.tolist()


def test_a_loop_prints_in_four_lines():
    adder = loop_of(Division(Pointwise(PLUS, (X, Y)), 1, 2, "part", "rest"), 2)
    assert adder.source("add", ("0,0", "0,1", "1,0", "1,1")).splitlines() == [
        "def add(tokens: list[str]) -> int:",
        "    total = 0",
        "    for token in tokens:",
        "        total = total // 2 + (int(token[0]) + int(token[2]))",
        "    return total % 2",
    ]
    assert loop_of(X, 1).source("same", ("0", "1")).splitlines()[1:] == ["    return int(tokens[-1])"]


def test_a_loop_needs_an_update_for_each_state():
    with pytest.raises(GrammarError, match="an update for each of 1 states"):
        Loop(1, (("total", 0),), (), loop_of(X, 1).output)


def test_a_loop_whose_numbers_are_too_large_for_a_word_is_not_run():
    total = variable("total", INT)()
    loop = Loop(1, (("total", 1),), (times(2)(total),), modulo(3)(total))
    assert loop.run(np.zeros((1, 50, 1), np.int64))[0].tolist() == [2, 1] * 25
    with pytest.raises(OutgrownError):
        loop.run(np.zeros((1, 63, 1), np.int64))
    with pytest.raises(OutgrownError):  # not of a state, but on the way
        Loop(1, (("total", 1),), (total,), modulo(3)(times(3**33)(total))).run(np.zeros((1, 1, 1), np.int64))
