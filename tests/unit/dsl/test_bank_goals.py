"""Claims about goals and streams: what they answer has the target's values and cost, and known programs are met."""

from __future__ import annotations

import numpy as np
import pytest

from dsl.deduction.inverses import BINARY, UNARY, Goals, goal_match
from dsl.enumeration.bank import Bank
from dsl.enumeration.streaming import match
from dsl.grammar import Grammar, Production
from dsl.operators import BOOL, INT, STRING, Sort, bitvector
from dsl.scalars import ScalarSignature, variable
from dsl.theories.theory import find, literal

WORD = bitvector(16)
WORDS = np.array([0, 1, 3, 7, 0x1234, 0x8001, 0xFFFF, 0xBEEF], np.uint64)


def one_sort(sort: Sort, names: str, unary: str = "") -> Grammar:
    leaves = [
        Production("E", variable("x", sort)),
        Production("E", variable("y", sort)),
        Production("E", literal(1, sort)),
    ]
    binary = [Production("E", find(name, (sort, sort)), ("E", "E")) for name in names.split()]
    single = [Production("E", find(name, (sort,)), ("E",)) for name in unary.split()]
    return Grammar(ScalarSignature((("x", sort), ("y", sort)), sort), "E", (*leaves, *single, *binary))


def grown(grammar: Grammar, rows: list[tuple[int, ...]], level: int, **options: object) -> Bank:
    bank = Bank(grammar, **options)  # type: ignore[arg-type]
    bank.observe(grammar.signature.batch(rows))
    assert bank.grow(level)
    return bank


MIXED = one_sort(WORD, "bvadd bvsub bvxor bvand bvor bvmul bvlshr", "bvnot bvneg")
LINEAR = one_sort(INT, "+ - *")
PAIRS = [(5, 9), (40000, 3), (65535, 77), (513, 1024), (7, 7)]


@pytest.mark.parametrize(
    "name", [*(n for n in BINARY if n.startswith("bv")), *(n for n in UNARY if n.startswith("bv"))]
)
def test_what_is_asked_for_gives_the_goal(name):
    if name in UNARY:
        operator = find(name, (WORD,))
        assert (operator.numpy({}, UNARY[name](WORDS, 16)) == WORDS).all()
        return
    operator = find(name, (WORD, WORD))
    goal, other = np.meshgrid(WORDS, WORDS)
    for side in (0, 1):
        needed, possible = BINARY[name][side](goal, other, 16)
        got = operator.numpy({}, *((needed, other) if side == 0 else (other, needed)))
        fits = np.ones(goal.shape, bool) if possible is None else possible
        assert (got[fits] == goal[fits]).all()
        if name == "bvmul":
            assert fits.any()
            assert not fits.all()
        else:
            assert fits.all()


@pytest.mark.parametrize("name", ["+", "-", "*"])
def test_whole_numbers_are_asked_for_too(name):
    operator, values = find(name, (INT, INT)), np.arange(-6, 7)
    goal, other = np.meshgrid(values, values)
    for side in (0, 1):
        needed, possible = BINARY[name][side](goal, other, 0)
        got = operator.numpy({}, *((needed, other) if side == 0 else (other, needed)))
        fits = np.ones(goal.shape, bool) if possible is None else possible
        assert (got[fits] == goal[fits]).all()
        products = {(a * b, b) for a in values for b in values if b}
        assert name != "*" or fits.sum() == len({(g, o) for g, o in products if abs(g) <= 6})


@pytest.mark.parametrize(("grammar", "deep"), [(MIXED, 5), (LINEAR, 7)], ids=["bit-vectors", "integers"])
def test_programs_twice_as_large_as_the_bank_are_met_in_the_middle(grammar, deep):
    small, large = grown(grammar, PAIRS, 3), grown(grammar, PAIRS, deep)
    store, some, seen = large.stores["E"], large.level_rows("E", deep)[::47], 0
    for row in some:
        target = store.values[row]
        assert small.find("E", target) is None
        found = goal_match(small, "E", target)
        if found is not None:
            seen += 1
            assert (found.evaluate(small.batch) == target).all()
            assert grammar.cost(found) >= store.origin[row, 0]
            assert goal_match(small, "E", target, max_cost=grammar.cost(found) - 1, most=1000) != found
    assert seen > 0.5 * len(some) > 2


def test_a_goal_the_bank_holds_is_answered_from_it():
    bank = grown(MIXED, PAIRS, 3)
    for row in range(0, len(bank.stores["E"]), 7):
        found = goal_match(bank, "E", bank.stores["E"].values[row])
        assert found is not None
        assert MIXED.cost(found) == bank.stores["E"].origin[row, 0]


def test_a_goal_out_of_reach_has_no_answer():
    assert goal_match(grown(one_sort(INT, "*"), PAIRS, 3), "E", np.array([2, 3, 5, 7, 11])) is None
    few = grown(LINEAR, PAIRS, 2)
    assert goal_match(few, "E", np.array([1, 2, 3, 4, 1000]), most=50) is None


def test_goals_stay_within_the_memory_the_bank_leaves():
    bank = grown(LINEAR, PAIRS, 5, max_memory_mb=1)
    goals = Goals(bank, "E", np.array([1, 2, 3, 4, 1000]))
    goals.grow(1000)
    kept = sum(level.nbytes for level in goals.levels.values()) / 2**20
    assert goals.is_full
    assert goals.asked < goals.most
    assert bank.memory_mb + kept < 2.5


def test_arguments_that_keep_part_of_themselves_are_paired():
    grammar = one_sort(WORD, "bvand bvlshr", "bvnot")
    bank, x, y = grown(grammar, PAIRS, 3), *(variable(name, WORD)() for name in "xy")
    both, shifted, negated = find("bvand", (WORD, WORD)), find("bvlshr", (WORD, WORD)), find("bvnot", (WORD,))
    term = both(negated(shifted(x, literal(1, WORD)())), negated(y))
    deeper = grown(grammar, PAIRS, 4)
    target = term.evaluate(bank.batch)
    found = goal_match(deeper, "E", target)
    assert bank.find("E", target) is None
    assert found is not None
    assert (found.evaluate(bank.batch) == target).all()


def test_flags_are_asked_for_by_exclusive_or():
    rules = [Production("B", variable(name, BOOL)) for name in "xyz"]
    rules.append(Production("B", find("xor", (BOOL, BOOL)), ("B", "B")))
    grammar = Grammar(ScalarSignature(tuple((name, BOOL) for name in "xyz"), BOOL), "B", tuple(rules))
    bank = grown(grammar, [(bool(i & 1), bool(i & 2), bool(i & 4)) for i in range(8)], 1)
    target = np.array([bool(i & 1) ^ bool(i & 2) ^ bool(i & 4) for i in range(8)])
    found = goal_match(bank, "B", target)
    assert found is not None
    assert (found.evaluate(bank.batch) == target).all()


def made(nonterminal, grammar):
    """The productions of a nonterminal."""
    return [p for p in grammar.productions if p.nonterminal == nonterminal]


def is_target(target):
    """Right is what equals ``target`` (examples,)."""
    return lambda values, start, stop: values == target[start:stop]


@pytest.mark.parametrize("remember", [True, False])
def test_a_stream_finds_all_that_growing_would_and_stores_nothing(remember):
    small, large = grown(MIXED, PAIRS, 3, remember=remember), grown(MIXED, PAIRS, 4)
    before = (small.rows, small.candidates)
    for row in large.level_rows("E", 4)[::5]:
        target = large.stores["E"].values[row]
        found = match(small, made("E", MIXED), 4, is_target(target))
        assert found is not None
        assert MIXED.cost(found) == 4
        assert (found.evaluate(small.batch) == target).all()
    assert match(small, made("E", MIXED), 4, is_target(np.array([4, 4, 4, 9, 2], np.uint64))) is None
    assert (small.rows, small.candidates) == before


def test_a_stream_takes_any_condition_and_can_be_stopped():
    bank = grown(LINEAR, PAIRS, 4)
    at_least = match(
        bank, made("E", LINEAR), 5, lambda values, start, stop: values > np.array(PAIRS).max(axis=1)[start:stop]
    )
    assert at_least is not None
    assert (at_least.evaluate(bank.batch) > np.array(PAIRS).max(axis=1)).all()
    assert match(bank, made("E", LINEAR), 5, lambda values, start, stop: values == values, stop=lambda: True) is None


def test_strings_are_streamed_without_being_kept():
    rules = [
        Production("S", variable("s", STRING)),
        Production("S", literal(" ", STRING)),
        Production("S", find("str.++", (STRING, STRING)), ("S", "S")),
    ]
    grammar = Grammar(ScalarSignature((("s", STRING),), STRING), "S", tuple(rules))
    bank = Bank(grammar)
    bank.observe(grammar.signature.batch([("a",), ("bc",), ("",)]))
    bank.grow(4)
    memory = bank.memory_mb
    found = match(bank, made("S", bank.grammar), 5, is_target(np.array(["a a", "bc bc", " "], object)))
    assert str(found) in ('str.++(str.++(s, " "), s)', 'str.++(s, str.++(" ", s))')
    assert bank.memory_mb == memory


def test_an_empty_bank_has_nothing_to_ask_for_and_time_that_is_over_ends_the_asking():
    bank = Bank(MIXED)
    bank.observe(MIXED.signature.batch([(5, 9)]))
    target = np.array([7], np.uint64)
    assert goal_match(bank, "E", target) is None  # by negations alone it would be asked for ever more words
    small, asked = grown(MIXED, [(5, 9)], 1), []
    goals = Goals(small, "E", np.array([12345], np.uint64))
    goals.grow(10**6, lambda: bool(asked.append(1)) or len(asked) > 20)
    assert len(asked) <= 22
