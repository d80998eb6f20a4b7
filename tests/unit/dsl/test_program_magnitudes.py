"""Numbers of sequence programs stay within the 64 bits that they are evaluated in."""

import pytest

from cegis import Program, motifs
from dsl.grammars.motifs import CHOOSE, GREATER, PLUS, constant, count_of, label, times
from dsl.operators import GrammarError, Term

GRAMMAR = motifs(("a", "b"), ("yes", "no"))


def choice(number: Term) -> Program:
    program = Program(CHOOSE(GREATER(number, constant(0)()), label(0, "yes")(), label(1, "no")()), GRAMMAR)
    return Program.parse(program.source(), GRAMMAR)


def test_nested_factors_that_may_wrap_around_are_refused() -> None:
    number = count_of(0, "a")()
    for factor in (200, 10**6, 10**6):
        number = times(factor)(number)
    assert choice(number)(("a",)) == "yes"
    with pytest.raises(GrammarError, match="64 bits"):
        choice(times(10**6)(number))


def test_sums_that_double_again_and_again_are_refused() -> None:
    number = count_of(0, "a")()
    for _ in range(47):
        number = PLUS(number, number)
    assert choice(number)(("a",)) == "yes"
    with pytest.raises(GrammarError, match="64 bits"):
        choice(PLUS(number, number))
