"""Operators, terms, grammars and programs go to other processes, where they are what they were here."""

import copy
import pickle
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
import pytest

from dsl.grammar import Grammar, Production
from dsl.grammars.motifs import COUNT, NOT, motifs, times
from dsl.grammars.positions import fixed_places, places
from dsl.operators import BOOL, INT, STRING, GrammarError, Operator, bitvector
from dsl.program import Program
from dsl.references import maker
from dsl.scalars import ScalarSignature, variable
from dsl.sequences import SequenceSignature
from dsl.theories import bitvectors
from dsl.theories.theory import ROWS, define, find, literal

WORDS, FLAGS = tuple("abc"), (True, False)
GRAMMARS = {
    "motifs": motifs(WORDS, ("x", "y")),
    "motifs of numbers": motifs(WORDS, (0, 1, 2)),
    "motifs of digits": motifs(WORDS, ("0", "1"), min_length=0),
    "motifs of flags": motifs(("(", ")"), FLAGS),
    "places": places(WORDS, ("a", "b")),
    "places of numbers": places(("1", "2"), ("1", "-2", "0.5")),
    "fixed places": fixed_places(WORDS, ("x", "y"), 3, 3),
    "tokens and letters": fixed_places(WORDS, ("a", "b"), 1, 1, with_tokens=True, with_letters=True),
    "tokens that are numbers": fixed_places(("1", "2", "3"), ("1", "2"), 1, 1, with_tokens=True, with_letters=True),
}
OWN = Operator("own", (), INT, lambda s: s.lengths, lambda s: s.manager.Int(s.length), "len(tokens)")
SEVERAL = (OWN, Operator("twin", (), INT, lambda s: s.lengths, lambda s: s.manager.Int(s.length), "len(tokens)"))


@maker
def more_than(bound: int, *, noun: str = "flag") -> Operator:
    return Operator(
        f"more than {bound}",
        (INT,),
        BOOL,
        lambda s, x: x > bound,
        lambda s, x: s.manager.GT(x, s.manager.Int(bound)),
        f"_0 > {bound}",
        noun=noun,
    )


def again(value):
    return pickle.loads(pickle.dumps(value))


def is_same(one: Operator, other: Operator) -> bool:
    kinds = type(one.meaning) is type(other.meaning)  # a fold is a value of functions, which are made again
    names = ("python", "noun", "needs_token", "helper", "commutative", "value")
    return one == other and kinds and all(getattr(one, name) == getattr(other, name) for name in names)


@pytest.mark.parametrize("grammar", GRAMMARS.values(), ids=GRAMMARS)
def test_every_row_of_the_sequence_grammars_comes_back(grammar):
    tokens = grammar.sequences.alphabet * 2
    batch = grammar.sequences.example(*((tokens, 1) if "i" in grammar.sequences.names else (tokens,)))
    for row in grammar.productions:
        found = again(row)
        assert found == row
        assert is_same(found.operator, row.operator)
        if not row.arguments:
            assert np.array_equal(found.operator.numpy(batch), row.operator.numpy(batch))
    whole = again(grammar)
    assert whole == grammar
    assert whole.sorts == grammar.sorts


@pytest.mark.parametrize("row", [*ROWS, *bitvectors.rows(8)], ids=lambda row: f"{row.name}/{len(row.arguments)}")
def test_every_row_of_the_theories_comes_back(row):
    assert is_same(again(row), row)


def test_rows_with_indices_literals_variables_and_definitions_come_back():
    word = bitvector(8)
    names = ("(_ extract 3 0)", "(_ zero_extend 2)", "(_ rotate_left 3)", "concat", "=", "ite")
    sorts = ((word,), (word,), (word,), (word, word), (INT, INT), (BOOL, word, word))
    x = variable("x", INT)
    twice = define("twice", (("x", INT),), find("+", (INT, INT))(x(), x()))
    for row in (*map(find, names, sorts), literal(7, word), literal("a", STRING), x, twice):
        assert is_same(again(row), row)
    assert again(twice).definition == twice.definition


def test_an_operator_of_ones_own_needs_a_name_or_one_word():
    assert again(OWN) is OWN
    assert again(SEVERAL[1]) is SEVERAL[1]
    assert is_same(again(more_than(3, noun="big")), more_than(3, noun="big"))


def test_an_operator_that_cannot_be_found_says_what_to_do():
    lost = Operator("lost", (), INT, lambda s: s.lengths, lambda s: s.manager.Int(s.length), "len(tokens)")
    with pytest.raises(GrammarError, match=r"operator lost cannot be pickled: .* give it a name at the top level"):
        pickle.dumps(lost)

    @maker
    def inner() -> Operator:
        return lost

    with pytest.raises(GrammarError, match=r"operator lost cannot be pickled: expected 'test_an_operator.*inner' at"):
        pickle.dumps(inner())


def test_an_operator_that_changed_since_is_refused(monkeypatch):
    data = pickle.dumps(more_than(3))
    monkeypatch.setitem(globals(), "more_than", maker(lambda bound, noun="flag": OWN))
    with pytest.raises(GrammarError, match="more than 3 has changed since it was pickled"):
        pickle.loads(data)
    monkeypatch.delitem(globals(), "more_than")
    with pytest.raises(GrammarError, match="operator more than 3 cannot be read from its pickle"):
        pickle.loads(data)


def test_a_deep_term_comes_back_without_recursion():
    term = GRAMMARS["motifs"].productions[0].operator
    deep = COUNT(term())
    for _ in range(5_000):
        deep = times(2)(deep)
    found = again(deep)
    assert (found.size, hash(found)) == (deep.size, hash(deep))  # to compare them would be as deep a walk
    assert copy.deepcopy(deep) is deep


def test_programs_run_in_a_fresh_process():
    grammar = GRAMMARS["motifs of flags"]
    flags = {row.operator.name: row.operator for row in grammar.productions}
    program = Program(flags["truth"](NOT(flags["has '('"]())), grammar)
    scalar = Program(
        find("+", (INT, INT))(variable("x", INT)(), literal(1, INT)()),
        Grammar(
            ScalarSignature((("x", INT),), INT),
            "N",
            (
                Production("N", variable("x", INT)),
                Production("N", literal(1, INT)),
                Production("N", find("+", (INT, INT)), ("N", "N")),
            ),
        ),
    )
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        assert pool.submit(program, ("(", ")")).result() is False
        assert pool.submit(program, (")",)).result() is True
        assert pool.submit(scalar, 41).result() == 42
        there = pool.submit(Program.parse, program.source(), grammar).result()
    assert there == program
    assert there.grammar == grammar
    assert {there.term: 1}[program.term] == 1  # a hash is of this process
    assert isinstance(there.grammar.signature, SequenceSignature)
