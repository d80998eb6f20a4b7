"""Scalar programs of every theory, drawn at random, and inputs for them."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from hypothesis import strategies as st

from dsl.grammar import Grammar, Production
from dsl.grammars.defaults import default_grammar
from dsl.operators import BOOL, INT, STRING, Operator, Sort, Term, bitvector
from dsl.program import Program
from dsl.scalars import ScalarSignature, variable
from dsl.theories import bitvectors, booleans, integers, strings
from dsl.theories.theory import define, find, literal

NIBBLE, WORD, WIDE = bitvector(4), bitvector(32), bitvector(70)


def grammar_of(rows: tuple[Operator, ...], start: Sort, *literals: Operator) -> Grammar:
    """All the rows over two parameters of each of their sorts; names that Python does not take among them."""
    sorts = list(dict.fromkeys([start, *(sort for row in rows for sort in (row.result, *row.arguments))]))
    parameters = tuple((f"{name}{place}", sort) for place, sort in enumerate(sorts) for name in ("x", "y!"))
    leaves = [variable(name, sort) for name, sort in parameters]
    operators = dict.fromkeys([*leaves, *literals, *rows])
    productions = (Production(o.result.name, o, tuple(sort.name for sort in o.arguments)) for o in operators)
    return Grammar(ScalarSignature(parameters, start), start.name, tuple(productions))


def over(sort: Sort) -> tuple[Operator, ...]:
    """Equality and choice."""
    return find("=", (sort, sort)), find("ite", (BOOL, sort, sort))


def defined(sort: Sort, *names: str) -> Operator:
    """A function of two definitions, the second called by the first."""
    x, y = variable("x", sort), variable("y", sort)
    inner = define(f"{names[0]}-of", (("x", sort), ("y", sort)), find(names[0], (sort, sort))(x(), y()))
    chosen = find("ite", (BOOL, sort, sort))(find("=", (sort, sort))(x(), y()), inner(x(), y()), inner(y(), x()))
    return define("outer", (("x", sort), ("y", sort)), chosen)


@cache
def grammars() -> dict[str, Grammar]:
    """A grammar of all rows for each theory, and some of several, by name."""
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
    converting = tuple(find(name, (sort,)) for name in ("ubv_to_int", "sbv_to_int") for sort in (NIBBLE, WIDE))
    converting += tuple(find(name, (INT,)) for name in ("(_ int_to_bv 4)", "(_ int_to_bv 70)"))
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
        "words and numbers": grammar_of((*converting, find("+", (INT, INT)), find("bvadd", (NIBBLE, NIBBLE))), INT),
        "string": grammar_of((*strings.ROWS, *over(STRING)), STRING, literal(0, INT), literal("b\n'", STRING)),
        "default": default_grammar(ScalarSignature((("len", INT), ("state", STRING), ("x", BOOL)), STRING)),
    }


def inputs_of(grammar: Grammar) -> st.SearchStrategy[tuple[Any, ...]]:
    """One value for each parameter."""
    strategies: list[st.SearchStrategy[Any]] = []
    for _, sort in grammar.scalars.parameters:
        if sort == BOOL:
            strategies.append(st.booleans())
        elif sort == STRING:
            strategies.append(st.text("ab01\né", max_size=4))
        else:
            strategies.append(st.integers(0, 2**sort.width - 1) if sort.width else st.integers(-9, 9))
    return st.tuples(*strategies)


def drawn(data: st.DataObject, derive: Callable[..., Term]) -> Program:
    """A program of any of the grammars; ``derive`` is the fixture."""
    grammar = grammars()[data.draw(st.sampled_from(sorted(grammars())))]
    size = data.draw(st.integers(1, 12))
    return Program(derive(grammar, grammar.start, size, lambda options: data.draw(st.sampled_from(options))), grammar)
