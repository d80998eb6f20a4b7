"""Laws of scalar programs: printed text, machine words, exact numbers mean the same; what is printed reads back."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pysmt.environment import Environment
from quick import examples
from scalar_programs import drawn, grammars, inputs_of

from backends.evaluation import flatten
from dsl.grammar import Grammar
from dsl.operators import INT, GrammarError, Term
from dsl.program import Program
from dsl.scalars import ScalarSignature

WITHOUT_FORMULA = ("str.replace_all", "str.<", "str.<=", "str.to_code", "str.from_code")


@cache
def environment_of(signature: ScalarSignature) -> Environment:
    """One for each signature, as names have one type in each."""
    return Environment()


def compiled(program: Program) -> Callable[..., Any]:
    scope: dict[str, Any] = {}
    exec(program.source("f!"), scope)
    function: Callable[..., Any] = scope["f_u21_"]
    return function


@given(data=st.data())
@settings(max_examples=examples(150))
def test_text_words_and_exact_numbers_agree(data, derive):
    program = drawn(data, derive)
    signature = program.grammar.scalars
    rows = data.draw(st.lists(inputs_of(program.grammar), min_size=1, max_size=3))
    function = compiled(program)
    exact = [program(*row) for row in rows]
    assert [function(*row) for row in rows] == exact
    assert [type(function(*row)) for row in rows] == [type(value) for value in exact]
    if all(abs(value) < 2**62 for value in _numbers(program.term, signature, rows)):
        words = program.run(signature.batch(rows))
        assert [signature.answer(value) for value in words] == exact
        assert words.dtype == program.term.sort.dtype


def _numbers(term: Term, signature: ScalarSignature, rows: list[tuple[Any, ...]]) -> list[int]:
    """The exact values of all subterms that are integers: machine words hold small ones alone."""
    own = list(term.evaluate(signature.batch(rows, exact=True))) if term.sort == INT else []
    return [*own, *(number for argument in term.arguments for number in _numbers(argument, signature, rows))]


@given(data=st.data())
@settings(max_examples=examples(100))
def test_the_formula_has_the_value_of_the_program(data, derive):
    program = drawn(data, derive)
    signature = program.grammar.scalars
    environment = environment_of(signature)
    symbols = signature.symbols(environment.formula_manager)
    try:
        tape = flatten(environment, program.encode(symbols))
    except GrammarError:
        assert any(name in str(program.term) for name in WITHOUT_FORMULA)
        return
    row = data.draw(inputs_of(program.grammar))
    model = dict(zip(symbols, row, strict=True))
    value = tape({**dict.fromkeys(tape.symbols, 0), **model})
    assert value is None or value == program(*row)  # None: hangs on a division by zero


@given(data=st.data())
@settings(max_examples=examples(150))
def test_what_is_printed_reads_back_as_the_same_program(data, derive):
    program = drawn(data, derive)
    source = program.source("inv-f")
    assert Program.parse(source, program.grammar) == program
    assert Program.parse(source, program.grammar).source("inv-f") == source


@pytest.mark.parametrize("name", sorted(grammars()))
def test_every_row_prints_and_reads_back(name, derive):
    grammar = grammars()[name]
    for production in grammar.productions:
        arguments = [derive(grammar, argument, 1, lambda options: options[0]) for argument in production.arguments]
        own = Grammar(ScalarSignature(grammar.scalars.parameters, production.operator.result), production.nonterminal,
                      grammar.productions)  # fmt: skip
        program = Program(production.operator(*arguments), own)
        assert Program.parse(program.source("f"), own) == program
