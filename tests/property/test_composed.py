"""Laws of composed operators: each of the three readings is that of the body with the arguments put in."""

from __future__ import annotations

import ast
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pysmt.environment import Environment
from quick import examples

from dsl.composition import composed, parameter, written_out
from dsl.grammars.motifs import motifs
from dsl.grammars.positions import fixed_places
from dsl.operators import Operator, Term
from dsl.program import Program
from dsl.text import Printer, is_loop

GRAMMARS = (
    motifs(("a", "b", "c"), ("x", "y")),
    motifs(("(", ")"), ("0", "1", "2")),
    fixed_places(("1", "2"), ("1", "2"), 2, 2),
)
M = Environment().formula_manager
WORDS = [(0, 1), (1, 0), (0, 1, 1, 0), (1, 1, 0), (0, 0, 1, 0, 1)]


def abstracted(term: Term, rng: random.Random) -> tuple[Operator, tuple[Term, ...]]:
    """A composed operator, and arguments at which it is ``term``: some subterms become parameters."""
    arguments: list[Term] = []

    def walk(inner: Term, is_top: bool) -> Term:
        if not is_top and rng.random() < 0.3:
            if inner not in arguments:
                arguments.append(inner)
            return parameter(arguments.index(inner), inner.sort)()
        return Term(inner.operator, tuple(walk(argument, False) for argument in inner.arguments))

    body = walk(term, True)
    return composed("composed", tuple(argument.sort for argument in arguments), body), tuple(arguments)


def text(term: Term) -> str:
    """The expression of a term, with the statements that it needs."""
    printer = Printer(frozenset())
    value = printer.print(term)
    return ast.dump(ast.Module([*printer.statements, ast.Expr(value)], []))


@given(data=st.data())
@settings(max_examples=examples(120))
def test_readings_are_those_of_the_body(data, derive):
    grammar = data.draw(st.sampled_from(GRAMMARS))
    rng = random.Random(data.draw(st.integers(0, 2**32)))
    nonterminal = data.draw(st.sampled_from(sorted(grammar.sorts)))
    term = derive(grammar, nonterminal, rng.randint(2, 9), rng.choice)
    operator, arguments = abstracted(term, rng)
    whole = operator(*arguments)
    assert written_out(whole) == term
    assert (operator.result, operator.needs_token) == (term.sort, operator.needs_token)
    alphabet = grammar.sequences.alphabet
    batch = grammar.sequences.batch([tuple(alphabet[n] for n in word) for word in WORDS])
    assert np.array_equal(whole.evaluate(batch), term.evaluate(batch))
    for length in (2, 3):
        symbols = grammar.sequences.symbols(M, length)
        assert whole.encode(symbols) == term.encode(symbols)
    if not any(is_loop(one) for one in _operators(term)) and not operator.python.startswith("composed("):
        assert text(whole) == text(term)


def _operators(term: Term) -> list[Operator]:
    return [term.operator, *(one for argument in term.arguments for one in _operators(argument))]


@pytest.mark.parametrize("grammar", GRAMMARS, ids=["letters", "brackets", "fixed places"])
def test_programs_with_composed_operators_print_and_read_back_alike(grammar, derive):
    rng = random.Random(1)
    for _ in range(20):
        term = derive(grammar, grammar.start, 8, rng.choice)
        operator, arguments = abstracted(term, rng)
        program = Program(operator(*arguments), grammar)
        assert program.term == term
        assert program.source() == Program(term, grammar).source()
