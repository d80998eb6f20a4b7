"""Claims about the bank: after any examples and any growth it holds exactly the behaviours of the cheap terms."""

from __future__ import annotations

import random
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from quick import examples

from dsl.enumeration import bank as bank_module
from dsl.enumeration.bank import Bank
from dsl.grammar import Grammar, Production
from dsl.grammars.motifs import (
    AND,
    CHOOSE,
    COUNT,
    ENDS_WITH,
    GREATER,
    LENGTH,
    MINUS,
    NOT,
    PLUS,
    TOGGLE,
    constant,
    is_token,
    label,
    motifs,
)
from dsl.operators import MASK, GrammarError, Term
from dsl.sequences import SequenceSignature

SIGNATURE = SequenceSignature(("a", "b"), ("x", "y"))
A, B, X, Y = is_token(0, "a"), is_token(1, "b"), label(0, "x"), label(1, "y")
TINY = Grammar(
    SIGNATURE,
    "Label",
    (
        Production("Symbol", A),
        Production("Symbol", B),
        Production("Number", COUNT, ("Symbol",)),
        Production("Number", LENGTH, cost=2),
        Production("Number", constant(1)),
        Production("Number", PLUS, ("Number", "Number")),
        Production("Number", MINUS, ("Number", "Number"), cost=2),
        Production("Flag", TOGGLE, ("Symbol",)),
        Production("Flag", GREATER, ("Number", "Number")),
        Production("Flag", NOT, ("Flag",)),
        Production("Flag", AND, ("Flag", "Flag")),
        Production("Label", X),
        Production("Label", Y),
        Production("Label", CHOOSE, ("Flag", "Label", "Label")),
    ),
)
ASYMMETRIC = Grammar(SIGNATURE, "Label", tuple(p for p in TINY.productions if not p.operator.commutative))
LEVEL = 8


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


EVERY = terms_by_cost(TINY, LEVEL)


def behaviour(term: Term, sequences: list[str]) -> tuple[Any, ...]:
    """What a term says of each sequence, evaluated alone and without padding."""
    return tuple(tuple(np.ravel(term.evaluate(SIGNATURE.batch([word]))).tolist()) for word in sequences)


def cheapest(level: int, sequences: list[str], every: dict[tuple[str, int], list[Term]]) -> dict[str, dict[Any, int]]:
    """The least cost of every behaviour, by nonterminal."""
    least: dict[str, dict[Any, int]] = {}
    for (name, cost), terms in sorted(every.items(), key=lambda item: item[0][1]):
        for term in terms if cost <= level else ():
            least.setdefault(name, {}).setdefault(behaviour(term, sequences), cost)
    return least


def held(bank: Bank, sequences: list[str]) -> dict[str, dict[Any, int]]:
    """What the bank holds, in the same form; every row is checked against its own term on the way."""
    result: dict[str, dict[Any, int]] = {}
    for name, store in bank.stores.items():
        for row, (values, origin) in enumerate(zip(store.values, store.origin, strict=True)):
            if bank.grammar.sorts[name] == MASK:
                seen = tuple(tuple(v[: len(word)].tolist()) for v, word in zip(values, sequences, strict=True))
            else:
                seen = tuple((value.item(),) for value in values)
            term = bank.term(name, row)
            assert behaviour(term, sequences) == seen, f"row {row} of {name} is not what {term} computes"
            assert bank.grammar.cost(term, name) == origin[0], f"{term} has another cost than noted"
            assert seen not in result.get(name, {}), f"two rows of {name} behave alike"
            assert bank.find(name, values) == row
            result.setdefault(name, {})[seen] = int(origin[0])
    return result


words = st.text(alphabet="ab", min_size=0, max_size=5)
steps = st.lists(st.one_of(words, st.integers(1, LEVEL - 1)), max_size=7)


@given(steps=steps)
@settings(max_examples=examples(40))
@example(steps=[LEVEL - 1, "a", "", "abbab", 2, "b"])
@example(steps=["", LEVEL - 1, ""])
@example(steps=["a", 4, "ab", "abb", 5, "abba", "abbab"])
def test_rows_are_the_distinct_behaviours_at_their_least_cost_in_whatever_order_examples_come(steps):
    bank, sequences, level = Bank(TINY), [], LEVEL - 1
    for step in steps:
        if isinstance(step, int):
            bank.grow(step)
        else:
            bank.observe(SIGNATURE.batch([step]))
            sequences.append(step)
    assert bank.grow(level)
    assert held(bank, sequences) == cheapest(level, sequences, EVERY)


def test_one_level_deeper_is_complete_too():
    bank, sequences = Bank(TINY), ["ab", "b", "abbab"]
    for word in sequences:
        bank.observe(SIGNATURE.batch([word]))
        bank.grow(LEVEL)
    assert held(bank, sequences) == cheapest(LEVEL, sequences, EVERY)


def test_the_seed_changes_no_behaviour_and_no_cost():
    seen = []
    for seed in range(3):
        bank = Bank(TINY, seed=seed)
        for word in ("ab", "b", "aab"):
            bank.observe(SIGNATURE.batch([word]))
            bank.grow(6)
        seen.append((held(bank, ["ab", "b", "aab"]), bank.candidates))
    assert seen[0] == seen[1] == seen[2]


def test_a_cheaper_latecomer_replaces_a_given_term():
    bank = Bank(TINY)
    for word in ("ab", "b"):
        bank.observe(SIGNATURE.batch([word]))
    dear = GREATER(PLUS(COUNT(A()), COUNT(A())), COUNT(A()))  # true exactly where there is an "a"
    bank.add("Flag", dear, 12)
    row = bank.find("Flag", np.array([True, False]))
    assert row is not None
    assert bank.term("Flag", row) == dear
    bank.grow(6)
    assert TINY.cost(bank.term("Flag", row), "Flag") < 12
    bank.observe(SIGNATURE.batch(["bab"]))
    bank.grow(6)
    assert held(bank, ["ab", "b", "bab"]) == cheapest(6, ["ab", "b", "bab"], EVERY)


def test_chunks_do_not_change_what_is_built(monkeypatch):
    whole, pieces = Bank(TINY), Bank(TINY)
    for bank, chunk in ((whole, 2**16), (pieces, 3)):
        monkeypatch.setattr(bank_module, "CHUNK", chunk)
        bank.observe(SIGNATURE.batch(["ab"]))
        bank.grow(6)
        bank.observe(SIGNATURE.batch(["bb"]))
        bank.grow(6)
    assert held(whole, ["ab", "bb"]) == held(pieces, ["ab", "bb"])
    assert whole.candidates == pieces.candidates


@pytest.mark.parametrize(("grammar", "is_exact"), [(ASYMMETRIC, True), (TINY, False)])
def test_pending_is_what_grow_builds_up_to_mirror_images(grammar, is_exact):
    bank = Bank(grammar)
    bank.observe(SIGNATURE.batch(["ab"]))
    for level in range(1, 7):
        promised, before = bank.pending(level), bank.candidates
        bank.grow(level)
        built = bank.candidates - before
        assert built == promised if is_exact else promised / 2 <= built <= promised
        assert bank.pending(level) == 0
        assert bank.grow(level)
        assert bank.candidates == before + built, "what has been combined is not combined again"


def test_a_finite_grammar_has_nothing_pending_at_any_depth_in_the_end():
    finite = Grammar(SIGNATURE, "Flag", (Production("Symbol", A), Production("Flag", TOGGLE, ("Symbol",))))
    bank = Bank(finite)
    bank.grow(2)
    assert bank.pending(50) == 0


def test_a_stopped_growth_can_be_continued():
    bank, answers = Bank(TINY), iter([False] * 9 + [True])
    bank.observe(SIGNATURE.batch(["ab"]))
    assert not bank.grow(5, lambda: next(answers))
    assert bank.pending(5) > 0
    assert bank.grow(6)
    assert held(bank, ["ab"]) == cheapest(6, ["ab"], EVERY)


def test_every_row_of_the_motif_grammar_survives_splits_and_widening():
    rng, bank, sequences = random.Random(3), Bank(motifs(["a", "b"], ["0", "1"])), []
    for length in (1, 4, 2, 6):
        sequences.append("".join(rng.choices("ab", k=length)))
        bank.observe(SIGNATURE.batch([sequences[-1]]))
        bank.grow(4)
    assert all(rows for rows in held(bank, sequences).values())


def test_an_empty_sequence_is_refused_where_a_row_reads_a_token():
    grammar = Grammar(SIGNATURE, "F", (Production("S", A), Production("F", ENDS_WITH, ("S",))))
    bank = Bank(grammar)
    with pytest.raises(GrammarError, match="empty sequence"):
        bank.observe(SIGNATURE.batch([""]))
    bank.observe(SIGNATURE.batch(["a"]))
    bank.grow(2)
    assert bank.rows == 2


def test_growing_before_the_first_example_is_allowed():
    bank = Bank(motifs(["a", "b"], ["x", "y"]))
    bank.grow(3)
    assert all(len(store) == 1 for store in bank.stores.values())
    assert bank.memory_mb > 0
