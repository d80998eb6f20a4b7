"""Laws of the dsl room: numpy, printed text and formula mean the same; what is printed reads back as what it was."""

from __future__ import annotations

import ast
import builtins
import random
import re
from collections.abc import Callable
from functools import cache
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pysmt.environment import Environment
from quick import examples, sliced

from cegis.domain import Constraint, Domain
from cegis.symbolic import sequences
from dsl.grammar import Grammar
from dsl.grammars.motifs import motifs
from dsl.operators import INT, LABEL, MASK, GrammarError, Term
from dsl.program import Program
from dsl.sequences import NO_LABEL, SymbolicSequence
from dsl.text import Printer

GRAMMARS = [
    motifs(["a"], ["only"]),
    motifs(["(", ")"], ["flat", "deep"]),
    motifs(["a", "b", "c"], ["0", "2", "11"]),
    motifs(["'", '"', "\\", "x y"], ["'", '"']),
    motifs(["token", "tokens", "if", "\n", "é"], ["True", "1", "state"]),
    motifs(["a", "b"], ["0", "1"], min_length=0),
    motifs(["a", "b", "c"], ["x", "y"], min_length=0),
    motifs(["a", "b"], [False, True]),
    motifs(["a", "b", "c"], [3, -1, 0, 10**12], min_length=0),
]
NAMES = [f"{len(g.signature.alphabet)}-{len(g.signature.labels)}-{i}" for i, g in enumerate(GRAMMARS)]
ENVIRONMENT = Environment()  # formulas are shared, so one environment for all examples is faster
M = ENVIRONMENT.formula_manager
Derive = Callable[..., Term]


def may_be_empty(grammar: Grammar) -> bool:
    return not any(production.operator.needs_token for production in grammar.productions)


def sample(grammar: Grammar, rng: random.Random) -> list[tuple[str, ...]]:
    """One sequence of each length up to 6, in random order, so that most of them are padded."""
    lengths = list(range(0 if may_be_empty(grammar) else 1, 7))
    rng.shuffle(lengths)
    return [tuple(rng.choices(grammar.signature.alphabet, k=length)) for length in lengths]


def by_text(term: Term) -> Callable[[tuple[str, ...]], Any]:
    """The printed text of any term as a function; of a positional term, a list with one value per position."""
    printer = Printer(frozenset())
    value = printer.print(term)
    result = f"[{ast.unparse(value)} for token in tokens]" if term.sort == MASK else ast.unparse(value)
    lines = [line for s in printer.statements for line in ast.unparse(ast.fix_missing_locations(s)).splitlines()]
    scope: dict[str, Any] = {}
    exec("\n    ".join(["def function(tokens):", *lines, f"return {result}"]), scope)
    return lambda words: scope["function"](list(words))


def by_formula(grammar: Grammar, term: Term) -> Callable[[tuple[str, ...]], Any]:
    """The formula of a term with a sequence put in and simplified."""
    encode = cache(lambda length: term.encode(grammar.signature.symbols(M, length)))

    def run(words: tuple[str, ...]) -> Any:
        symbols = grammar.signature.symbols(M, len(words))
        stands = {
            symbol: M.Bool(token == word)
            for row, word in zip(symbols.at, words, strict=True)
            for symbol, token in zip(row, grammar.signature.alphabet, strict=True)
        }

        def value(formula: Any) -> Any:
            put_in = ENVIRONMENT.substituter.substitute(formula, stands)
            return ENVIRONMENT.simplifier.simplify(put_in).constant_value()

        encoded = encode(len(words))
        return [value(part) for part in encoded] if term.sort == MASK else value(encoded)

    return run


def by_numpy(grammar: Grammar, term: Term, words: list[tuple[str, ...]]) -> list[Any]:
    """The values of one batch, cut to each sequence's length where the term is positional."""
    values = np.asarray(term.evaluate(grammar.signature.batch(words)))
    if term.sort != MASK:
        return [value.item() for value in values]
    for row, word in zip(values, words, strict=True):
        assert not row[len(word) :].any(), "a padded position must not count"
    return [row[: len(word)].tolist() for row, word in zip(values, words, strict=True)]


def as_text(grammar: Grammar, term: Term, value: Any) -> Any:
    """A numpy or solver value as what the text must return; ``None`` stands for any text that is no label."""
    if term.sort != LABEL:
        return value
    return None if value == NO_LABEL else grammar.signature.labels[value]


def assert_readings_agree(grammar: Grammar, term: Term, words: list[tuple[str, ...]]) -> None:
    text, formula = by_text(term), by_formula(grammar, term)
    for word, value in zip(words, by_numpy(grammar, term, words), strict=True):
        assert formula(word) == value, (str(term), word)
        said = text(word)
        if term.sort == LABEL and said not in grammar.signature.labels:
            said = None
        assert said == as_text(grammar, term, value), (str(term), word)


@pytest.mark.parametrize("grammar", sliced(GRAMMARS, 3), ids=NAMES)
def test_the_three_readings_of_every_row_agree(grammar, derive):
    rng = random.Random(0)
    for production in grammar.productions:
        for _ in range(1 if not production.arguments else 4):
            arguments = [derive(grammar, name, rng.randint(1, 4), rng.choice) for name in production.arguments]
            assert_readings_agree(grammar, production.operator(*arguments), sample(grammar, rng))


@given(data=st.data())
@settings(max_examples=examples(60))
def test_the_three_readings_of_random_programs_agree(data, derive):
    grammar = data.draw(st.sampled_from(GRAMMARS))
    program = draw_program(data, grammar, derive)
    words = data.draw(st.lists(word_of(grammar), min_size=1, max_size=4))
    assert_readings_agree(grammar, program.term, words)
    printed = compiled(program.source())
    got = program.run(grammar.signature.batch(words))
    for word, index in zip(words, got, strict=True):
        said = printed(list(word))
        assert (said if said in grammar.signature.labels else None) == as_text(grammar, program.term, int(index))
        assert program(word) == as_text(grammar, program.term, int(index))


def word_of(grammar: Grammar) -> st.SearchStrategy[tuple[str, ...]]:
    shortest = 0 if may_be_empty(grammar) else 1
    tokens = st.sampled_from(grammar.signature.alphabet)
    return st.lists(tokens, min_size=shortest, max_size=6).map(tuple)


def draw_program(data: Any, grammar: Grammar, derive: Derive) -> Program:
    size = data.draw(st.integers(1, 24))
    return Program(derive(grammar, grammar.start, size, lambda o: data.draw(st.sampled_from(o))), grammar)


def compiled(source: str) -> Callable[[list[str]], Any]:
    scope: dict[str, Any] = {}
    exec(source, scope)
    return scope["program"]


@given(data=st.data(), docstring=st.text(max_size=150))
@settings(max_examples=examples(150))
def test_a_printed_program_reads_back_as_itself(data, docstring, derive):
    grammar = data.draw(st.sampled_from(GRAMMARS))
    program = draw_program(data, grammar, derive)
    assert Program.parse(program.source(), grammar) == program
    assert Program.parse(program.source("other", docstring), grammar) == program


@given(data=st.data())
@settings(max_examples=examples(100))
def test_printed_programs_use_nothing_but_builtins_and_their_argument(data, derive):
    grammar = data.draw(st.sampled_from(GRAMMARS))
    nodes = list(ast.walk(ast.parse(draw_program(data, grammar, derive).source())))
    assert not [node for node in nodes if isinstance(node, (ast.Import, ast.ImportFrom, ast.Global))]
    names = [node for node in nodes if isinstance(node, ast.Name)]
    stored = {node.id for node in names if isinstance(node.ctx, ast.Store)}
    read = {node.id for node in names if isinstance(node.ctx, ast.Load)}
    assert read - stored - {"tokens"} <= set(dir(builtins))
    assert not stored & set(dir(builtins))


def test_a_text_with_a_variable_exchanged_is_no_program_of_another_meaning(derive):
    rng, variables = random.Random(0), ("before", "token", "tokens[0]", "tokens[-1]", "flag", "inside", "depth")
    whole = re.compile(r"\b(before|token|tokens\[0\]|tokens\[-1\]|flag|inside|depth)(?!\w)")
    tried = 0
    for _ in range(examples(400)):
        grammar = rng.choice(GRAMMARS[1:3])
        source = Program(derive(grammar, "Label", rng.randint(6, 20), rng.choice), grammar).source()
        for found in whole.finditer(source):
            changed = source[: found.start()] + rng.choice(variables) + source[found.end() :]
            tried += 1
            try:
                program = Program.parse(changed, grammar)
            except GrammarError:
                continue
            for word in sample(grammar, rng):
                said = compiled(changed)(list(word))
                assert (said if said in grammar.signature.labels else None) == program(word), changed
    assert tried > examples(100)


@given(data=st.data())
@settings(max_examples=examples(60))
def test_size_and_cost_are_those_of_the_cheapest_derivation(data, derive):
    grammar = data.draw(st.sampled_from(GRAMMARS))
    program = draw_program(data, grammar, derive)

    def least(term: Term, nonterminal: str) -> float:
        ways = [p for p in grammar.productions if (p.nonterminal, p.operator) == (nonterminal, term.operator)]
        return min((p.cost + sum(map(least, term.arguments, p.arguments)) for p in ways), default=float("inf"))

    assert program.cost == least(program.term, grammar.start)
    assert program.size == 1 + sum(argument.size for argument in program.term.arguments)


@pytest.mark.parametrize("grammar", GRAMMARS, ids=NAMES)
def test_commutative_rows_commute(grammar, derive):
    rng = random.Random(0)
    rows = [production for production in grammar.productions if production.operator.commutative]
    assert {row.operator.name for row in rows} >= {"plus", "equal", "and", "or"}
    for row in rows:
        assert len(row.arguments) == 2, "the bank leaves out mirror images of pairs only"
        left, right = (derive(grammar, name, 3, rng.choice) for name in row.arguments)
        words = sample(grammar, rng)
        assert by_numpy(grammar, row.operator(left, right), words) == by_numpy(
            grammar, row.operator(right, left), words
        )


# --- domains ----------------------------------------------------------------------------------------------------


@st.composite
def domains(draw: Any) -> Domain:
    alphabet = draw(st.sampled_from([("a",), ("a", "b"), ("a", "b", "c")]))
    states = draw(st.integers(1, 4))
    targets = st.tuples(*[st.integers(-1, states - 1)] * len(alphabet))
    rows = draw(st.tuples(*[targets] * states))
    accepting = draw(st.tuples(*[st.booleans()] * states))
    shortest = draw(st.integers(0, 2))
    longest = draw(st.integers(shortest, 4))
    constraint = draw(st.sampled_from([None, Constraint("drawn", rows, accepting)]))
    return Domain(alphabet, shortest, longest, constraint)


@given(domain=domains())
def test_a_domain_counts_lists_and_contains_the_same_sequences(domain):
    listed = list(domain)
    every = [w for n in range(domain.max_length + 2) for w in product(domain.alphabet, repeat=n)]
    assert listed == [word for word in every if domain.contains(word)]
    assert domain.size() == len(listed)
    assert domain.first() == next(iter(listed), None)
    for length in domain.lengths:
        assert domain.count(length) == len(domain.sequences(length)) == sum(len(w) == length for w in listed)
        assert domain.sequences(length).dtype == np.int8


@given(domain=domains(), length=st.integers(0, 3))
def test_the_formula_of_a_domain_holds_exactly_on_its_sequences(domain, length):
    symbols = SymbolicSequence(
        M, tuple(tuple(M.Symbol(f"tok_{p}_{t}") for t in range(len(domain.alphabet))) for p in range(length))
    )
    formula = sequences(Domain(domain.alphabet, 0, 9, domain.constraint), symbols)
    flat = [symbol for row in symbols.at for symbol in row]
    open_domain = Domain(domain.alphabet, 0, 9, domain.constraint)
    for bits in product([False, True], repeat=min(len(flat), 9)):
        bits += (False,) * (len(flat) - len(bits))
        put_in = ENVIRONMENT.substituter.substitute(formula, dict(zip(flat, map(M.Bool, bits), strict=True)))
        rows = [bits[i : i + len(domain.alphabet)] for i in range(0, len(flat), len(domain.alphabet))]
        is_sequence = all(sum(row) == 1 for row in rows)
        expected = is_sequence and open_domain.contains([domain.alphabet[row.index(True)] for row in rows])
        assert ENVIRONMENT.simplifier.simplify(put_in).is_true() == expected


def test_every_sort_of_row_was_compared():
    sorts = {production.operator.result.name for grammar in GRAMMARS for production in grammar.productions}
    assert sorts == {"Bool", INT.name, LABEL.name, MASK.name}
