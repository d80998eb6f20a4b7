"""The grammar of a function without one: the terms of its sorts, any literal, products as the logic allows."""

from __future__ import annotations

import pytest

from dsl.grammars.defaults import default_grammar, nonterminal
from dsl.operators import BOOL, INT, STRING, Sort, Term, bitvector
from dsl.scalars import ScalarSignature, variable
from dsl.theories.theory import find, literal

X = variable("x", INT)()
WORD = bitvector(32)


def signature(*sorts: Sort, result: Sort = INT) -> ScalarSignature:
    return ScalarSignature(tuple((name, sort) for name, sort in zip("xyz", sorts, strict=False)), result)


def applied(name: str, *arguments: Term) -> Term:
    return find(name, tuple(argument.sort for argument in arguments))(*arguments)


def number(value: int) -> Term:
    return literal(value, INT)()


@pytest.mark.parametrize("sort", [BOOL, INT, STRING, bitvector(7), WORD])
def test_the_start_is_the_nonterminal_of_the_result(sort):
    grammar = default_grammar(signature(sort, result=sort))
    assert grammar.start == nonterminal(sort)
    assert grammar.cost(variable("x", sort)()) == 1
    assert grammar.cost(applied("ite", applied("=", *[variable("x", sort)()] * 2), *[variable("x", sort)()] * 2)) == 6


def test_a_nonterminal_is_called_like_its_sort():
    assert [nonterminal(sort) for sort in (BOOL, INT, STRING, WORD)] == ["Bool", "Int", "String", "BitVec32"]


def test_any_literal_is_derivable_and_those_given_are_proposed():
    grammar = default_grammar(signature(INT), constants=(literal(7, INT), literal("a", STRING)))
    assert grammar.cost(number(123456)) == 1
    proposed = [p.operator.value for p in grammar.productions if p.nonterminal == "Int" and p.operator.is_literal]
    assert proposed == [0, 1, 7]


def test_linear_logics_multiply_by_literals_alone():
    linear, free = default_grammar(signature(INT), "LIA"), default_grammar(signature(INT), "QF_NIA")
    assert linear.cost(applied("*", number(5), X)) == 3
    assert linear.cost(applied("*", X, X)) is None
    assert free.cost(applied("*", X, X)) == 3


def test_a_predicate_has_the_comparisons_of_its_parameters():
    word = variable("y", WORD)()
    grammar = default_grammar(signature(INT, WORD, result=BOOL))
    assert grammar.cost(applied("and", applied("<", X, number(3)), applied("bvslt", word, word))) == 7
    assert "String" not in grammar.sorts


def test_strings_bring_integers_to_measure_them():
    text = variable("x", STRING)()
    grammar = default_grammar(signature(STRING, result=STRING))
    part = applied("str.substr", text, number(0), applied("-", applied("str.len", text), number(1)))
    assert grammar.cost(applied("str.++", part, text)) == 9
    assert "Int" not in default_grammar(signature(WORD, result=WORD)).sorts
