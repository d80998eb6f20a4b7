"""Loops on streams of numbers: what a series says, its loop says, and its printed text."""

import numpy as np
import pytest

from dsl.grammars.motifs import EQUAL, GREATER, MINUS, PLUS, times
from dsl.grammars.positions import ABSOLUTE, GREATEST, LEAST, modulo
from dsl.grammars.streams import (
    Division,
    Earlier,
    Held,
    Input,
    Latest,
    Loop,
    OutgrownError,
    Pointwise,
    Running,
    Since,
    loop_of,
    number,
    one_of,
    values,
)
from dsl.operators import INT, GrammarError
from dsl.scalars import variable

X, Y = Input(0), Input(1)
DIFFERENCE = Pointwise(MINUS, (X, Earlier(X)))
IS_LARGE = Pointwise(GREATER, (X, number(4)))
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
    (Held(DIFFERENCE, 0, 5), 1),
    (Held(Pointwise(MINUS, (X, number(5))), -2, None), 1),
    (Held(X, None, 20), 1),
    (Since(number(1), IS_LARGE), 1),
    (Running(Since(X, IS_LARGE), GREATEST), 1),
    (Latest(X, IS_LARGE), 1),
    (Pointwise(PLUS, (Latest(Y, Pointwise(EQUAL, (X, Y))), Earlier(Since(Y, IS_LARGE)))), 2),
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


def test_a_step_that_is_part_of_another_is_said_once():
    longest = loop_of(Running(Since(number(1), IS_LARGE), GREATEST), 1)
    assert longest.source("f", ("0", "9")).splitlines()[1:] == [
        "    highest, run = 0, 0",
        "    for token in tokens:",
        "        run = run + 1 if int(token) > 4 else 0",
        "        highest = max(highest, run)",
        "    return highest",
    ]
    fall = loop_of(Running(DIFFERENCE, GREATEST), 1)  # what was last is needed as it was
    assert "highest, last = max(highest, x - last), x" in fall.source("f", ("0", "9"))
    a, b = (variable(name, INT)() for name in "ab")  # each needs the other as it was
    swapped = Loop(1, (("a", 0), ("b", 1)), (PLUS(a, b), PLUS(PLUS(a, b), a)), b)
    assert "a, b = a + b, a + b + a" in swapped.source("f", ("0", "1"))


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
