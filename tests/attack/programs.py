"""Printed programs: the Python text, the values the search computes, the formula that is proved, and all ways to follow
a program over sets of sequences, compared on the same inputs.

    sequences    every sequence up to some length, the empty one where the grammar allows it: text, numpy, formula, text
                 read back, and the states that path cover, counting and the checker's machine follow
    places       the same at every place of a sequence
    scalars      integers, words of bits, strings and truth values, ends of their ranges too
    strangers    other Python that the checker follows as a machine: it must say what Python says, or refuse
"""

from __future__ import annotations

from functools import cache
from itertools import product
from random import Random
from typing import Any

import numpy as np
from deriving import derived
from pysmt.environment import Environment
from strangers import Readings, of_a_stranger
from trial import Outcome, random_of

from backends import Limits, Unsat, decide, get
from backends.evaluation import flatten
from backends.translation import fitting_logic
from cegis import Domain, motifs
from cegis.domain import DomainError
from dsl.grammar import Grammar
from dsl.grammars.defaults import default_grammar
from dsl.grammars.positions import PlacedSignature, PlacedSymbols, places
from dsl.operators import BOOL, INT, STRING, GrammarError, Sort, Term, bitvector
from dsl.program import Program
from dsl.scalars import ScalarSignature
from dsl.sequences import NO_LABEL
from tasks.automata.program_states import UncountableError
from tasks.automata.trellis_construction import trellis
from tasks.checker.files import Rejected
from tasks.checker.programs import called, function_of, machine_of

Word = tuple[str, ...]
LETTERS = (("a",), ("a", "b"), ("(", ")"), ("a", "b", "c"), ("'", '"', "\\"), ("token", "last", "\n"), ("1", "10"))
LABELS = (("yes", "no"), ("0", "1", "2"), ("a", "b"), ("'", '"'), ("True", "x y"), ("only",))
SORTS = (BOOL, INT, STRING, bitvector(1), bitvector(4), bitvector(32), bitvector(64))
LONGEST, FORMULAS, SOLVED = 4, 8, 3  # of sequences; inputs at which the formula is evaluated, and given to a solver
FAR = 10**6  # beyond which machine words are not asked


def attack(seed: int, index: int) -> Outcome:
    """One random program."""
    rng = random_of("programs", seed, index)
    choose = Random(int(rng.integers(2**32)))
    match str(rng.choice(["sequences", "sequences", "places", "scalars", "strangers", "strangers"])):
        case "sequences":
            return _of_sequences(rng, choose, index)
        case "places":
            return _of_places(rng, choose)
        case "strangers":
            return of_a_stranger(choose)
    return _of_scalars(rng, choose)


@cache
def _sequence_grammar(letters: Word, labels: Word, shortest: int) -> Grammar:
    return motifs(letters, labels, min_length=shortest)


def _of_sequences(rng: np.random.Generator, choose: Random, index: int) -> Outcome:
    letters, labels = choose.choice(LETTERS), choose.choice(LABELS)
    grammar = _sequence_grammar(letters, labels, choose.randint(0, 1))
    program = Program(derived(grammar, grammar.start, choose.randint(1, 20), choose.choice), grammar)
    words = [w for n in range(LONGEST + 1) for w in product(letters, repeat=n) if n or not program.term.needs_token]
    if len(words) > 60:
        words = words[:8] + choose.sample(words[8:], 52)
    values = [None if n == NO_LABEL else labels[int(n)] for n in program.run(grammar.sequences.batch(words))]
    text = program.source("program")
    function = _function(text, "program")
    found = Readings(text)
    for word, value in zip(words, values, strict=True):
        said = function([*word])
        found.compare("numpy", word, value, said if said in labels else None)
    for word in choose.sample(words, min(FORMULAS, len(words))):
        found.compare("the formula", word, _by_formula(grammar, program, word), program(word))
    if index % 8 == 0:
        for word in choose.sample(words, min(SOLVED, len(words))):
            found.compare("a solver", word, _solved(grammar, program, word, program(word)), True)
    found.compare("read back", (), Program.parse(text, grammar).source("program"), text)
    _by_states(found, program, Domain(letters, int(program.term.needs_token), LONGEST), function)
    _by_machine(found, text, words, function, letters if choose.random() < 0.3 else ())
    return found.outcome


def _function(text: str, name: str) -> Any:
    scope: dict[str, Any] = {}
    exec(text, scope)
    return scope[name]


def _stands(symbols: Any, word: Word, letters: Word) -> dict[Any, bool]:
    return {
        symbol: token == here
        for row, here in zip(symbols.at, word, strict=True)
        for symbol, token in zip(row, letters, strict=True)
    }


def _by_formula(grammar: Grammar, program: Program, word: Word, *place: int) -> Any:
    environment = Environment()
    symbols = grammar.sequences.symbols(environment.formula_manager, len(word))
    formula = program.encode(PlacedSymbols(symbols.manager, symbols.at, *place) if place else symbols)
    model = {s.symbol_name(): value for s, value in _stands(symbols, word, grammar.sequences.alphabet).items()}
    tape = flatten(environment, formula)
    return grammar.signature.answer(np.int64(tape({name: model.get(name, False) for name in tape.symbols})))


def _solved(grammar: Grammar, program: Program, word: Word, value: Any) -> bool:
    """Whether a solver finds no other value than this."""
    environment, backend = Environment(), get("z3")
    m = environment.formula_manager
    symbols = grammar.sequences.symbols(m, len(word))
    number = NO_LABEL if value is None else grammar.sequences.labels.index(value)
    fixed = [s if holds else m.Not(s) for s, holds in _stands(symbols, word, grammar.sequences.alphabet).items()]
    formula = m.And(*fixed, m.Not(m.Equals(program.encode(symbols), m.Int(number))))
    with backend.open(environment, fitting_logic(backend.logics)) as session:
        return isinstance(decide(session, "attack", formula, Limits(seconds=20.0)), Unsat)


def _by_states(found: Readings, program: Program, domain: Domain, function: Any) -> None:
    """The trellis of path cover: every sequence once, with its label."""
    try:
        graph = trellis(domain, program)
    except (UncountableError, DomainError):
        return
    for length in domain.lengths:
        seen = 0
        for node in range(len(graph.levels[length].token)):
            for row in graph.only(length, node).sequences:
                word, seen = domain.words(row), seen + 1
                said = function([*word])
                label = graph.names[graph.levels[length].label[node]]
                found.compare(
                    "path cover's state", word, label, said if said in program.grammar.sequences.labels else None
                )
        found.compare("path cover's sequences", length, seen, domain.count(length))


def _by_machine(found: Readings, text: str, words: list[Word], function: Any, counted: Word) -> None:
    """The checker's machine, where it follows the program at all."""
    function_of(text, ["tokens"])
    try:
        machine = machine_of(text, [*counted])
        for word in words:
            if word:
                state = machine.start
                for token in word:
                    state = machine.step(state, token, word[-1])
                found.compare("the checker's machine", word, machine.answer(state, word[-1]), function([*word]))
    except Rejected:
        return


# --- places ---------------------------------------------------------------------------------------------------------


@cache
def _place_grammar(letters: Word, labels: Word) -> Grammar:
    return places(letters, labels)


def _of_places(rng: np.random.Generator, choose: Random) -> Outcome:
    letters, labels = (
        choose.choice((("1", "2", "3"), ("b", "a"), ("-1", "0", "10"))),
        choose.choice((("0", "1", "2"), ("x", "a"), ("0.5", "1.0"))),
    )
    grammar = _place_grammar(letters, labels)
    assert isinstance(grammar.signature, PlacedSignature)
    program = Program(derived(grammar, grammar.start, choose.randint(1, 14), choose.choice), grammar)
    cases = [(w, n) for length in (1, 2, 3) for w in product(letters, repeat=length) for n in range(length)]
    text = program.source("program")
    function, found = _function(text, "program"), Readings(text)
    values = [grammar.signature.answer(value) for value in program.run(grammar.signature.batch(cases))]
    checked = function_of(text, ["tokens", "i"])
    for (word, place), value in zip(cases, values, strict=True):
        said = function([*word], place)
        found.compare("numpy", (word, place), value, said if said in labels else None)
        found.compare("the checker's Python", (word, place), called(checked, [*word], place), said)
    for word, place in choose.sample(cases, FORMULAS):
        found.compare("the formula", (word, place), _by_formula(grammar, program, word, place), program(word, place))
    return found.outcome


# --- scalars --------------------------------------------------------------------------------------------------------


def _of_scalars(rng: np.random.Generator, choose: Random) -> Outcome:
    sorts = [choose.choice(SORTS) for _ in range(choose.randint(1, 3))]
    grammar = default_grammar(
        ScalarSignature(tuple((f"x{n}", sort) for n, sort in enumerate(sorts)), choose.choice(SORTS)), "ALL"
    )
    program = Program(derived(grammar, grammar.start, choose.randint(1, 12), choose.choice), grammar)
    text = program.source("program")
    function, found = _function(text, "program"), Readings(text)
    rows = [tuple(_value(choose, sort) for sort in sorts) for _ in range(12)]
    environment = Environment()
    symbols = grammar.scalars.symbols(environment.formula_manager)
    try:
        tape = flatten(environment, program.encode(symbols))
    except GrammarError:  # it says which operators have no formula
        tape = None
    for row in rows:
        said = function(*row)
        found.compare("exact numbers", row, program(*row), said)
        if tape is not None:
            value = tape({**dict.fromkeys(tape.symbols, 0), **dict(zip(symbols, row, strict=True))})
            if value is not None:  # what hangs on a division by zero is left open
                found.compare("the formula", row, value, said)
    small = [row for row in rows if all(abs(n) < FAR for n in _numbers(program.term, grammar.scalars, row))]
    if small:
        words = program.run(grammar.scalars.batch(small))
        for row, value in zip(small, words, strict=True):
            found.compare("numpy", row, grammar.scalars.answer(value), function(*row))
    return found.outcome


def _numbers(term: Term, signature: ScalarSignature, row: tuple[Any, ...]) -> list[int]:
    """The values of all subterms that are integers: machine words hold small ones alone."""
    own = [*term.evaluate(signature.batch([row], exact=True))] if term.sort == INT else []
    return [*own, *(number for argument in term.arguments for number in _numbers(argument, signature, row))]


def _value(choose: Random, sort: Sort) -> Any:
    if sort == BOOL:
        return choose.random() < 0.5
    if sort == STRING:
        return "".join(choose.choices("ab01é\n", k=choose.choice((0, 0, 1, 2, 4))))
    if sort.width:
        return choose.choice((0, 1, 2**sort.width - 1, 2 ** (sort.width - 1), choose.randrange(2**sort.width)))
    return choose.choice((0, 1, -1, 7, -8, 2**31, -(2**63), choose.randint(-100, 100)))
