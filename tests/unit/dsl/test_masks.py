"""Claims about masks: what they choose is what was asked for, for all words, and only words that are masks choose."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dsl.deduction.conditionals import join
from dsl.deduction.masks import masked
from dsl.enumeration.bank import Bank
from dsl.grammar import Grammar, Production
from dsl.operators import BOOL, INT, Term, bitvector
from dsl.scalars import ScalarSignature, variable
from dsl.theories.theory import find, literal

WIDTH = 8
WORD = bitvector(WIDTH)
ONES = 2**WIDTH - 1
EVERY = "bvand bvor bvxor bvadd bvsub bvnot bvneg"
SIGNATURE = ScalarSignature((("m", WORD), ("a", WORD), ("b", WORD), ("c", BOOL)), WORD)
M, A, B = (variable(name, WORD)() for name in "mab")
C = variable("c", BOOL)()


def words(names: str, then: int | None = None, otherwise: int | None = None, **options: object) -> Grammar:
    """Words with these operators, and a choice between two literals."""
    rows = [Production("W", variable(name, WORD)) for name in "mab"]
    for name in names.split():
        count = 1 if name in ("bvnot", "bvneg") else 2
        rows.append(Production("W", find(name, (WORD,) * count), ("W",) * count))
    if then is not None and otherwise is not None:
        rows += [
            Production("W", find("ite", (BOOL, WORD, WORD)), ("T", "Then", "Else")),
            Production("T", variable("c", BOOL)),
            Production("T", find("bvult", (WORD, WORD)), ("W", "W")),
            Production("Then", literal(then, WORD)),
            Production("Else", literal(otherwise, WORD)),
            *(Production("W", literal(value, WORD)) for value in (0, 1)),
        ]
    return Grammar(SIGNATURE, "W", tuple(rows), **options)  # type: ignore[arg-type]


def values(term: Term) -> tuple[np.ndarray, ...]:
    """What a term is, and its inputs, at words and flags of all kinds."""
    drawn = np.random.default_rng(0)
    a, b = drawn.integers(0, ONES + 1, (2, 200)).tolist()
    rows = [(ONES if c else 0, x, y, c) for x, y in zip(a, b, strict=True) for c in (False, True)]
    columns = SIGNATURE.batch(rows)
    flags = np.array([row[3] for row in rows])
    return (
        np.asarray(term.evaluate(columns)),
        np.array([row[1] for row in rows]),
        np.array([row[2] for row in rows]),
        flags,
    )


@pytest.mark.parametrize("names", ["bvand bvxor", "bvand bvor bvnot", "bvand bvsub", "bvand bvadd bvsub", EVERY])
def test_every_way_gives_the_first_word_under_ones_and_the_second_under_zero(names):
    (own, *_) = masked(words(names), "W")
    assert own.ways
    for way in own.ways:
        got, a, b, flags = values(way(M, A, B))
        assert (got == np.where(flags, a, b)).all()
    assert own.apply(M, A, B).size == min(way(M, A, B).size for way in own.ways)


@pytest.mark.parametrize(
    ("then", "otherwise", "names"),
    [(ONES, 0, "bvand bvxor"), (1, 0, "bvand bvxor bvneg"), (1, 0, "bvand bvsub"), (0, 1, "bvand bvsub")],
)
def test_a_flag_chooses_where_two_literals_make_a_mask(then, otherwise, names):
    found = [one for one in masked(words(names, then, otherwise), "W") if one.width is None]
    assert [one.source for one in found] == ["T"]
    got, a, b, flags = values(found[0].apply(C, A, B))
    assert (got == np.where(flags, a, b)).all()


@pytest.mark.parametrize(("then", "otherwise", "names"), [(1, 0, "bvand bvxor"), (2, 0, EVERY), (1, 1, EVERY)])
def test_no_flag_chooses_where_two_literals_make_none(then, otherwise, names):
    assert [one.width for one in masked(words(names, then, otherwise), "W")] == [WIDTH]


def test_any_literal_is_one():
    rows = tuple(p for p in words("bvand bvxor", 1, 0).productions if p.nonterminal not in ("Then", "Else"))
    kept = Grammar(SIGNATURE, "W", (*rows, *(Production(n, literal(7, WORD)) for n in ("Then", "Else"))),
                   constants=frozenset({"Then", "Else"}))  # fmt: skip
    assert [one.width for one in masked(kept, "W")] == [WIDTH, None]


def test_without_the_operators_or_words_there_are_none():
    assert masked(words("bvor bvnot bvadd"), "W") == ()
    assert masked(words("bvand"), "W") == ()
    whole = Grammar(ScalarSignature((("x", INT),), INT), "I", (Production("I", variable("x", INT)),))
    assert masked(whole, "I") == ()
    wide = bitvector(80)
    rows = [Production("W", variable("x", wide))]
    rows += [Production("W", find(name, (wide, wide)), ("W", "W")) for name in ("bvand", "bvxor")]
    assert masked(Grammar(ScalarSignature((("x", wide),), wide), "W", tuple(rows)), "W") == ()


def test_operators_of_more_words_are_no_ways():
    rows = [Production("W", variable(name, WORD)) for name in "mab"]
    of_two = [find(name, (WORD, WORD)) for name in ("bvand", "bvxor")]
    of_three = [replace(row, arguments=(WORD,) * 3, python="_0 _1 _2") for row in of_two]
    two = [Production("W", row, ("W",) * 2) for row in of_two]
    three = [Production("W", row, ("W",) * 3) for row in of_three]
    assert masked(Grammar(SIGNATURE, "W", (*rows, *three)), "W") == ()
    for both in ((*rows, *three, *two), (*rows, *two, *three)):
        (own,) = masked(Grammar(SIGNATURE, "W", both), "W")
        got, a, b, flags = values(own.apply(M, A, B))
        assert (got == np.where(flags, a, b)).all()


def test_only_words_that_are_zero_or_all_ones_everywhere_are_masks():
    (own, *_) = masked(words(EVERY), "W")
    held = np.array([[0, ONES], [ONES, ONES], [0, 0], [1, ONES], [0, ONES - 1], [128, 0]], np.uint64)
    assert own.usable(held).tolist() == [True, True, True, False, False, False]
    assert own.flags(held[:3], 2).tolist() == [[False, True], [True, True], [False, False]]


def test_words_right_at_some_points_are_joined_by_masks():
    grammar = words("bvand bvxor bvneg", 1, 0)
    bank = Bank(grammar)
    rows = [(0, x, y, False) for x, y in ((3, 200), (200, 3), (17, 16), (16, 17), (0, 255), (255, 0))]
    bank.observe(grammar.signature.batch(rows))
    assert bank.grow(3)
    wanted = np.array([max(x, y) for _, x, y, _ in rows], np.uint64)
    term = join(bank, "W", bank.stores["W"].values == wanted, by=masked(grammar, "W"))
    assert isinstance(term, Term)
    assert grammar.cost(term) is not None
    assert (np.asarray(term.evaluate(bank.batch)) == wanted).all()
