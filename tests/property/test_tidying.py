"""Laws of tidying: never more to read, equal wherever it was compared, and its text reads back as itself."""

import ast
import random
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from pysmt.environment import Environment
from quick import sliced

from dsl.deduction.tidying import NESTED, OtherWords, tidied, words
from dsl.grammars import comparisons
from dsl.grammars.motifs import motifs
from dsl.grammars.positions import PlacedSymbols, fixed_places, places
from dsl.operators import BOOL, GrammarError
from dsl.program import Program

GRAMMARS = {
    "places": places(["1", "2", "3"], ["0", "1", "2"]),
    "near": places(["b", "a", "c"], ["a", "b", "x"], with_loops=False, with_letters=False),
    "motifs": motifs(["(", ")"], ["flat", "deep"]),
    "flags": motifs(["a", "b", "c"], [False, True], min_length=0),
    "fixed": fixed_places(["b", "a", "c"], ["p", "q"], 2, 2, with_tokens=True),
}
PLACED = ("places", "near")
ENVIRONMENT = Environment()
M = ENVIRONMENT.formula_manager


def inputs(name, grammar):
    shortest = {"fixed": 2, "flags": 0}.get(name, 1)
    every = [word for n in range(shortest, 5) for word in product(grammar.sequences.alphabet, repeat=n)]
    if name in PLACED:
        return [(word, place) for word in every for place in range(len(word))]
    return every


def arguments_of(name, case):
    return (list(case[0]), case[1]) if name in PLACED else (list(case),)


def nested(term):
    is_nested = term.operator.is_choice and term.arguments[1].operator.is_choice
    return is_nested + sum(map(nested, term.arguments))


def values(term, batch):
    return np.broadcast_to(np.asarray(term.evaluate(batch)), (batch.examples,))


@pytest.mark.parametrize("name", sliced(GRAMMARS, 2))
def test_tidied_programs_are_equal_no_larger_and_read_back(name, derive):
    grammar, rng = GRAMMARS[name], random.Random(0)
    cases = inputs(name, grammar)
    batch = grammar.sequences.batch(cases)
    smaller = 0
    for size in range(30):
        program = Program(derive(grammar, "Label", 3 + size % 12, rng.choice), grammar)
        wanted = values(program.term, batch)
        term = tidied(program.term, grammar, lambda term, wanted=wanted: bool((values(term, batch) == wanted).all()))
        before, after = program.source(), Program(term, grammar).source()
        assert words(after) <= words(before) + NESTED * nested(program.term), (before, after)
        assert (values(term, batch) == wanted).all(), (before, after)
        smaller += words(after) < words(before)
        scope = {}
        exec(after, scope)
        for row in rng.sample(range(len(cases)), 20):
            said = scope["program"](*arguments_of(name, cases[row]))
            answer = grammar.signature.answer(wanted[row])
            assert answer == (said if said in grammar.sequences.labels else None), (after, cases[row])
        try:
            assert Program.parse(after, grammar).term == term
        except GrammarError:
            with pytest.raises(GrammarError):  # what cannot be read back could not before
                Program.parse(before, grammar)
    assert smaller


@pytest.mark.parametrize("name", GRAMMARS)
def test_other_words_mean_the_same(name, derive):
    grammar, rng = GRAMMARS[name], random.Random(1)
    batch = grammar.sequences.batch(inputs(name, grammar))
    other = OtherWords(with_comparisons(grammar))
    seen = 0
    for size in range(900):
        term = derive(other.grammar, rng.choice(["Flag", "Number", "Label"]), 2 + size % 6, rng.choice)
        for again in other(term):
            seen += 1
            assert (values(again, batch) == values(term, batch)).all(), (str(term), str(again))
    assert seen > 20


def with_comparisons(grammar):
    rows = comparisons.productions(grammar.sequences.alphabet)
    known = [row for row in rows if set(row.arguments) <= grammar.sorts.keys()]
    return replace(grammar, productions=(*grammar.productions, *known))


@pytest.mark.parametrize("name", ["places", "near", "fixed"])
def test_comparisons_mean_what_their_texts_say(name, derive):
    grammar, rng = GRAMMARS[name], random.Random(2)
    choose = next(p.operator for p in grammar.productions if p.operator.is_choice)
    labels = [p.operator() for p in grammar.productions if p.operator.name.startswith("label")][:2]
    cases = inputs(name, grammar)
    batch = grammar.sequences.batch(cases)
    for row in comparisons.productions(grammar.sequences.alphabet):
        if not set(row.arguments) <= grammar.sorts.keys():
            continue
        assert row.operator.result == BOOL
        arguments = [derive(grammar, argument, 2, rng.choice) for argument in row.arguments]
        program = Program(choose(row.operator(*arguments), *labels), grammar)
        assert program.cost >= row.cost
        text, scope = program.source(), {}
        exec(text, scope)
        wanted = [grammar.signature.answer(value) for value in program.run(batch)]
        for row_number in rng.sample(range(len(cases)), 30):
            case = cases[row_number]
            assert scope["program"](*arguments_of(name, case)) == wanted[row_number], (text, case)
        if "%" not in text and "//" not in text:
            for row_number in rng.sample(range(len(cases)), 3):
                assert by_formula(grammar, program, cases[row_number], name) == wanted[row_number], text
        assert Program.parse(text, grammar).source() == text


def by_formula(grammar, program, case, name):
    word, place = case if name in PLACED else (case, None)
    symbols = grammar.signature.symbols(M, len(word))
    stands = {
        symbol: M.Bool(token == here)
        for row, here in zip(symbols.at, word, strict=True)
        for symbol, token in zip(row, grammar.sequences.alphabet, strict=True)
    }
    formula = program.encode(symbols if place is None else PlacedSymbols(symbols.manager, symbols.at, place))
    value = ENVIRONMENT.simplifier.simplify(ENVIRONMENT.substituter.substitute(formula, stands)).constant_value()
    return grammar.signature.answer(value)


def test_a_conjunction_in_a_row_prints_without_parentheses_and_reads_back():
    grammar = GRAMMARS["motifs"]
    text = "def program(tokens: list[str]) -> str:\n    return 'flat' if {} else 'deep'\n"
    both = text.format("'(' in tokens and ')' in tokens and len(tokens) >= 3")
    program = Program.parse(both, grammar)
    assert program.source() == both
    assert ast.unparse(ast.parse(program.source())) == ast.unparse(ast.parse(both))
    other = text.format("'(' in tokens and (')' in tokens and len(tokens) >= 3)")
    assert Program.parse(other, grammar).source() == other
    assert Program.parse(other, grammar).term != program.term


def test_what_stands_twice_is_said_in_other_words_in_both_places():
    grammar = GRAMMARS["places"]
    before = (
        "def program(tokens: list[str], i: int) -> str:\n"
        "    count = sum(token == tokens[i] for token in tokens)\n"
        "    if 2 * count > len(tokens):\n"
        "        return '2'\n"
        "    return '0' if count > i else '1'\n"
    )
    term = Program.parse(before, grammar).term
    after = Program(tidied(term, grammar, lambda other: True, lambda: False), grammar).source()
    assert after.count("return") == 1  # anything fits
    batch = grammar.sequences.batch(inputs("places", grammar))
    wanted = values(term, batch)
    found = tidied(term, grammar, lambda other: bool((values(other, batch) == wanted).all()))
    assert "count = tokens.count(tokens[i])" in Program(found, grammar).source()
