"""Laws of scalar programs: printed text, machine words, exact numbers mean the same; what is printed reads back."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pysmt.environment import Environment

from backends.evaluation import flatten
from dsl.grammar import Grammar, Production
from dsl.grammars.defaults import default_grammar
from dsl.operators import BOOL, INT, STRING, GrammarError, Operator, Sort, Term, bitvector
from dsl.program import Program
from dsl.scalars import ScalarSignature, variable
from dsl.theories import bitvectors, booleans, integers, strings
from dsl.theories.theory import define, find, literal

NIBBLE, WORD, WIDE = bitvector(4), bitvector(32), bitvector(70)
WITHOUT_FORMULA = ("str.replace_all", "str.<", "str.<=", "str.to_code", "str.from_code")


def grammar_of(rows: tuple[Operator, ...], start: Sort, *literals: Operator) -> Grammar:
    """All the rows over two parameters of each of their sorts; names that Python does not take among them."""
    sorts = list(dict.fromkeys([start, *(sort for row in rows for sort in (row.result, *row.arguments))]))
    parameters = tuple((f"{name}{place}", sort) for place, sort in enumerate(sorts) for name in ("x", "y!"))
    leaves = [variable(name, sort) for name, sort in parameters]
    operators = dict.fromkeys([*leaves, *literals, *rows])
    productions = (Production(o.result.name, o, tuple(sort.name for sort in o.arguments)) for o in operators)
    return Grammar(ScalarSignature(parameters, start), start.name, tuple(productions))


def over(sort: Sort) -> tuple[Operator, ...]:
    return find("=", (sort, sort)), find("ite", (BOOL, sort, sort))


def defined(sort: Sort, *names: str) -> Operator:
    """A function of two definitions, the second called by the first."""
    x, y = variable("x", sort), variable("y", sort)
    inner = define(f"{names[0]}-of", (("x", sort), ("y", sort)), find(names[0], (sort, sort))(x(), y()))
    chosen = find("ite", (BOOL, sort, sort))(find("=", (sort, sort))(x(), y()), inner(x(), y()), inner(y(), x()))
    return define("outer", (("x", sort), ("y", sort)), chosen)


@cache
def grammars() -> dict[str, Grammar]:
    connectives = (*booleans.ROWS, *over(BOOL))
    minus = find("-", (INT,))  # prints like the literals below zero
    numbers = (*(row for row in integers.ROWS if row != minus), *over(INT), defined(INT, "div"))
    words = [(*bitvectors.rows(sort.width), *over(sort), defined(sort, "bvsmod")) for sort in (NIBBLE, WORD, WIDE)]
    widths = tuple(
        find(name, (NIBBLE,)) for name in ("(_ sign_extend 4)", "(_ rotate_left 1)", "(_ rotate_right 3)", "bvnot")
    )
    widths += (find("concat", (NIBBLE, bitvector(8))), find("(_ extract 10 3)", (bitvector(12),)))
    narrowed = (find("(_ extract 69 66)", (WIDE,)), find("(_ zero_extend 66)", (NIBBLE,)), find("bvcomp", (WIDE, WIDE)))
    narrowed += (*bitvectors.rows(4), find("(_ sign_extend 3)", (bitvector(1),)))
    return {
        "bool": grammar_of(connectives, BOOL),
        "int": grammar_of(numbers, INT, *(literal(value, INT) for value in (0, 7, -3))),
        "int and bool": grammar_of((*connectives, *numbers), BOOL, literal(-1, INT)),
        "minus": grammar_of((minus, find("+", (INT, INT))), INT),
        **{
            f"word {sort.width}": grammar_of(rows, sort, literal(1, sort), literal(11, sort))
            for sort, rows in zip((NIBBLE, WORD, WIDE), words, strict=True)
        },
        "widths": grammar_of(widths, bitvector(12)),
        "narrowed": grammar_of(narrowed, NIBBLE, literal(3, NIBBLE)),
        "string": grammar_of((*strings.ROWS, *over(STRING)), STRING, literal(0, INT), literal("b\n'", STRING)),
        "default": default_grammar(ScalarSignature((("len", INT), ("state", STRING), ("x", BOOL)), STRING)),
    }


@cache
def environment_of(signature: ScalarSignature) -> Environment:
    """One for each signature, as names have one type in each."""
    return Environment()


def inputs_of(grammar: Grammar) -> st.SearchStrategy[tuple[Any, ...]]:
    strategies: list[st.SearchStrategy[Any]] = []
    for _, sort in grammar.scalars.parameters:
        if sort == BOOL:
            strategies.append(st.booleans())
        elif sort == STRING:
            strategies.append(st.text("ab01\né", max_size=4))
        else:
            strategies.append(st.integers(0, 2**sort.width - 1) if sort.width else st.integers(-9, 9))
    return st.tuples(*strategies)


def compiled(program: Program) -> Callable[..., Any]:
    scope: dict[str, Any] = {}
    exec(program.source("f!"), scope)
    function: Callable[..., Any] = scope["f_u21_"]
    return function


def drawn(data: st.DataObject, derive: Callable[..., Term]) -> Program:
    grammar = grammars()[data.draw(st.sampled_from(sorted(grammars())))]
    size = data.draw(st.integers(1, 12))
    return Program(derive(grammar, grammar.start, size, lambda options: data.draw(st.sampled_from(options))), grammar)


@given(data=st.data())
@settings(max_examples=150)
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
@settings(max_examples=100)
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
@settings(max_examples=150)
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
