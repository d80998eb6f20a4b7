"""Claims about the bank on scalars: it holds the behaviours of the cheap terms, within its memory, quickly or not."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest

from dsl.enumeration.bank import Bank
from dsl.grammar import Grammar, Production
from dsl.operators import BOOL, INT, STRING, Sort, Term, bitvector
from dsl.scalars import ScalarSignature, Value, variable
from dsl.theories.theory import find, literal


def grammar(parameters: dict[str, Sort], start: str, rules: dict[str, list[tuple[Any, ...]]]) -> Grammar:
    """``rules[nonterminal]`` lists leaves, (term,), and applications, (name, nonterminal, ...)."""
    sorts = {name: leaf[0].sort for name, lines in rules.items() for leaf in lines if isinstance(leaf[0], Term)}
    sorts = {"B": BOOL, **sorts}
    made = []
    for name, lines in rules.items():
        for head, *names in lines:
            operator = head.operator if isinstance(head, Term) else find(head, tuple(sorts[n] for n in names))
            made.append(Production(name, operator, tuple(names)))
    return Grammar(ScalarSignature(tuple(parameters.items()), sorts[start]), start, tuple(made))


X, Y, S = variable("x", INT)(), variable("y", INT)(), variable("s", STRING)()
LINEAR = grammar(
    {"x": INT, "y": INT},
    "I",
    {
        "I": [(X,), (Y,), (literal(1, INT)(),), ("+", "I", "I"), ("-", "I", "I"), ("ite", "B", "I", "I")],
        "B": [("<=", "I", "I"), ("and", "B", "B")],
    },
)
WORD = bitvector(64)
WORDS = grammar(
    {"x": WORD},
    "W",
    {"W": [(variable("x", WORD)(),), (literal(1, WORD)(),), *[(n, "W", "W") for n in ("bvand", "bvadd", "bvshl")]]},
)
WIDE = bitvector(80)
WIDER = grammar({"x": WIDE}, "W", {"W": [(variable("x", WIDE)(),), ("bvnot", "W"), ("bvadd", "W", "W")]})
TEXTS = grammar(
    {"s": STRING},
    "S",
    {
        "S": [(S,), (literal(" ", STRING)(),), ("str.++", "S", "S"), ("str.substr", "S", "N", "N")],
        "N": [(literal(0, INT)(),), ("str.len", "S"), ("str.indexof", "S", "S", "N"), ("+", "N", "N")],
    },
)
EXAMPLES: dict[str, list[tuple[Value, ...]]] = {
    "linear": [(3, 4), (-2, 5), (0, 0), (7, -7)],
    "words": [(1,), (2**63,), (0xDEADBEEF,), (2**64 - 1,)],
    "wider": [(2**79 + 1,), (5,)],
    "texts": [("a b",), ("ab  c",), ("",)],
}
GRAMMARS = {"linear": LINEAR, "words": WORDS, "wider": WIDER, "texts": TEXTS}
LEVELS = {"linear": 6, "words": 6, "wider": 7, "texts": 6}


def terms_by_cost(grammar: Grammar, level: int) -> dict[tuple[str, int], list[Term]]:
    """Every term of every nonterminal by its cost, written out."""
    found: dict[tuple[str, int], list[Term]] = {(name, cost): [] for name in grammar.sorts for cost in range(level + 1)}
    for cost in range(1, level + 1):
        for p in grammar.productions:
            for costs in product(range(1, level), repeat=len(p.arguments)):
                if sum(costs) + p.cost == cost:
                    for arguments in product(*[found[key] for key in zip(p.arguments, costs, strict=True)]):
                        found[p.nonterminal, cost].append(p.operator(*arguments))
    return found


def cheapest(grammar: Grammar, level: int, rows: list[tuple[Value, ...]]) -> dict[tuple[str, tuple[Any, ...]], int]:
    """The least cost of every behaviour, evaluated term by term on exact numbers."""
    batch = grammar.signature.batch(rows, exact=True)
    least: dict[tuple[str, tuple[Any, ...]], int] = {}
    for (name, cost), terms in terms_by_cost(grammar, level).items():
        for term in terms:
            values = np.broadcast_to(np.asarray(term.evaluate(batch), object), (len(rows),))
            least.setdefault((name, tuple(values.tolist())), cost)
    return least


def held(bank: Bank) -> dict[tuple[str, tuple[Any, ...]], int]:
    """What the bank holds, in the same form; every row is checked against its own term on the way."""
    result = {}
    for name, store in bank.stores.items():
        for row, values in enumerate(store.values):
            term = bank.term(name, row)
            assert np.broadcast_to(term.evaluate(bank.batch), values.shape).tolist() == values.tolist()
            assert bank.grammar.cost(term, name) == store.origin[row, 0]
            assert bank.find(name, values) == row
            result[name, tuple(values.tolist())] = int(store.origin[row, 0])
    assert len(result) == bank.rows
    return result


@pytest.mark.parametrize("remember", [True, False], ids=["remembers", "forgets"])
@pytest.mark.parametrize("name", GRAMMARS)
def test_rows_are_the_behaviours_at_their_least_cost_however_examples_come(name, remember):
    chosen, rows = GRAMMARS[name], EXAMPLES[name]
    expected = cheapest(chosen, LEVELS[name], rows)
    whole, step = Bank(chosen, remember=remember), Bank(chosen, remember=remember)
    whole.observe(chosen.signature.batch(rows))
    for row in rows:
        step.grow(3)
        step.observe(chosen.signature.batch([row]))
    for bank in (whole, step):
        assert bank.grow(LEVELS[name])
        assert held(bank) == expected


def test_both_kinds_of_bank_hold_the_same_rows_in_the_same_order_under_any_seed():
    seen = []
    for remember, seed in ((True, 0), (False, 0), (False, 5)):
        bank = Bank(LINEAR, remember=remember, seed=seed)
        bank.observe(LINEAR.signature.batch(EXAMPLES["linear"]))
        bank.grow(7)
        seen.append([bank.stores["I"].values.tolist(), [str(bank.term("I", row)) for row in range(60)]])
    assert seen[0] == seen[1] == seen[2]


def test_words_that_differ_in_high_bits_alone_are_told_apart():
    bank, high = Bank(WORDS), 2**63
    bank.observe(WORDS.signature.batch([(1,), (2,), (3,), (high,)]))
    words = np.array([[0, 0, 0, 0], [high, high, 0, 0], [0, high, high, 0], [high] * 4], np.uint64)
    assert len(set(bank.keys.of(words).tolist())) == 4


@pytest.mark.parametrize("name", ["linear", "words", "texts"])
def test_memory_stays_below_its_limit_and_growth_ends_cleanly(name):
    bank = Bank(GRAMMARS[name], max_memory_mb=3)
    bank.observe(GRAMMARS[name].signature.batch(EXAMPLES[name]))
    bank.grow(2)
    assert not bank.is_out_of_memory
    for level in range(3, 40):
        if not bank.grow(level):
            break
    assert bank.is_out_of_memory
    assert 1 < bank.memory_mb <= 3
    before = bank.candidates
    assert not bank.grow(40)
    assert bank.candidates == before
    bank.observe(GRAMMARS[name].signature.batch(EXAMPLES[name]))
    bank.grow(3)
    assert bank.memory_mb <= 3


def test_the_rate_is_counted():
    bank = Bank(WORDS)
    assert bank.candidates_per_second == 0
    bank.observe(WORDS.signature.batch(EXAMPLES["words"]))
    bank.grow(6)
    assert bank.candidates_per_second == pytest.approx(bank.candidates / bank.seconds)


def test_a_bank_that_cannot_be_split_within_its_memory_starts_afresh():
    bank = Bank(LINEAR, max_memory_mb=2)
    bank.observe(LINEAR.signature.batch(EXAMPLES["linear"]))
    for level in range(1, 20):
        if not bank.grow(level):
            break
    many = [(a, b) for a in range(-9, 9) for b in range(-9, 9)]
    bank.observe(LINEAR.signature.batch(many))
    assert bank.memory_mb < 1
    bank.grow(4)
    assert held(bank) == cheapest(LINEAR, 4, [*EXAMPLES["linear"], *many])
