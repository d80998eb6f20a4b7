"""Claims about the enumerator: it agrees with the examples, cheaper programs come first, and its limits are said."""

from __future__ import annotations

import random
from itertools import product

import numpy as np
import pytest

from dsl.deduction.trees import Leaf, Split, Stuck, grow_tree
from dsl.enumeration import bank
from dsl.enumerator import Enumerator, Exhausted, Stopped
from dsl.grammar import Grammar, Production
from dsl.grammars.motifs import CHOOSE, COUNT, ENDS_WITH, TOGGLE, constant, digits, is_token, label, modular, motifs
from dsl.grammars.positions import places
from dsl.operators import GrammarError, Term
from dsl.program import Program
from dsl.sequences import SequenceSignature

WORDS = ["".join(letters) for n in range(1, 4) for letters in product("ab", repeat=n)]
MOTIFS = motifs(["a", "b"], ["x", "y"])
FINITE = Grammar(
    SequenceSignature(("a", "b"), ("0", "1", "2")),
    "Label",
    (
        Production("Symbol", is_token(0, "a")),
        Production("Symbol", is_token(1, "b")),
        Production("Number", COUNT, ("Symbol",)),
        Production("Number", modular(2), ("Symbol",), cost=2),
        Production("Number", constant(2)),
        Production("Label", digits((0, 1, 2)), ("Number",)),
    ),
)
SMALL = Grammar(
    SequenceSignature(("a", "b"), ("x", "y")),
    "Label",
    (
        Production("Symbol", is_token(0, "a")),
        Production("Symbol", is_token(1, "b"), cost=2),
        Production("Flag", TOGGLE, ("Symbol",), cost=2),
        Production("Flag", ENDS_WITH, ("Symbol",)),
        Production("Label", label(0, "x")),
        Production("Label", label(1, "y")),
        Production("Label", CHOOSE, ("Flag", "Label", "Label")),
    ),
)


def programs_by_cost(grammar: Grammar, limit: int) -> dict[int, list[Program]]:
    """Every program up to a cost, written out."""
    found: dict[tuple[str, int], list[Term]] = {(name, cost): [] for name in grammar.sorts for cost in range(limit + 1)}
    for cost in range(1, limit + 1):
        for p in grammar.productions:
            for costs in product(range(1, limit), repeat=len(p.arguments)):
                if sum(costs) + p.cost == cost:
                    for arguments in product(*[found[key] for key in zip(p.arguments, costs, strict=True)]):
                        found[p.nonterminal, cost].append(p.operator(*arguments))
    return {cost: [Program(t, grammar) for t in found[grammar.start, cost]] for cost in range(1, limit + 1)}


def tables(programs: dict[int, list[Program]]) -> list[tuple[int, tuple[str | None, ...]]]:
    """Cost and answers on ``WORDS`` of every program, cheapest first."""
    return [
        (cost, tuple(p.run(p.grammar.signature.batch(WORDS)).tolist()))
        for cost, ps in sorted(programs.items())
        for p in ps
    ]


SMALL_TABLES = tables(programs_by_cost(SMALL, 13))
FINITE_TABLES = tables(programs_by_cost(FINITE, 8))


def least_cost(known, examples, labels):
    """The cost of the cheapest listed program that agrees with the examples, or None."""
    wanted = [(WORDS.index(word), labels.index(text)) for word, text in examples]
    return next((cost for cost, table in known if all(table[place] == index for place, index in wanted)), None)


@pytest.mark.parametrize("seed", range(12))
def test_every_proposal_agrees_with_the_examples_and_nothing_cheaper_does(seed):
    rng, examples, search = random.Random(seed), [], Enumerator(SMALL, max_candidates=100_000)
    target = rng.choice([table for _, table in SMALL_TABLES])
    for word in rng.sample(WORDS, 7):
        examples.append((word, SMALL.signature.labels[target[WORDS.index(word)]]))
        search.observe(*examples[-1])
        proposal = search.propose()
        assert isinstance(proposal, Program)
        assert all(proposal(known) == text for known, text in examples)
        assert proposal.cost == least_cost(SMALL_TABLES, examples, SMALL.signature.labels)


@pytest.mark.parametrize(
    "text",
    [
        "inside = False\n    for token in tokens:\n        if token == 'a':\n            inside = not inside\n"
        "    return 'x' if inside else 'y'",
        "return 'x' if tokens.count('a') >= 3 else 'y'",
        "return 'x' if tokens.count('a') > tokens.count('b') else 'y'",
    ],
    ids=["toggle", "count", "majority"],
)
def test_a_tree_that_is_known_early_waits_for_what_is_cheaper(text):
    reference = Program.parse(f"def f(tokens):\n    {text}\n", MOTIFS)
    rng, search = random.Random(1), Enumerator(MOTIFS, max_candidates=200_000)
    for _ in range(12):
        word = rng.choices("ab", k=rng.randint(1, 7))
        search.observe(word, reference(word))
        proposal = search.propose()
        assert isinstance(proposal, Program)
        assert proposal.cost <= reference.cost


@pytest.mark.parametrize("seed", range(12))
def test_exhausted_means_that_no_program_agrees(seed):
    rng, examples, search = random.Random(seed), [], Enumerator(FINITE)
    for word in rng.sample(WORDS, 4):
        examples.append((word, rng.choice(FINITE.signature.labels)))
        search.observe(*examples[-1])
        proposal, cost = search.propose(), least_cost(FINITE_TABLES, examples, FINITE.signature.labels)
        assert isinstance(proposal, Exhausted if cost is None else Program)
        assert cost is None or proposal.cost == cost


def test_contradicting_examples_exhaust_a_grammar_with_conditionals():
    search = Enumerator(SMALL)
    search.observe("ab", "x")
    search.observe("ab", "y")
    assert isinstance(search.propose(), Exhausted)


def test_a_spent_limit_is_named_and_never_called_exhausted():
    hard = [("a", "x"), ("b", "y"), ("ab", "y"), ("ba", "y"), ("bb", "x"), ("aa", "x"), ("aba", "x"), ("bab", "y")]
    limits = [({"max_candidates": 300}, "300 candidates"), ({"max_cost": 3}, "cost 3")]
    limits.append(({"max_candidates": 300, "max_cost": 24}, "300 candidates"))
    for limit, words in limits:
        search = Enumerator(MOTIFS, **limit)
        search._choose = None  # no trees: only what the bank holds
        for word, text in hard:
            search.observe(word, text)
        assert search.propose() == Stopped(f"search limit of {words}")
        assert search.candidates <= 600


def test_time_is_asked_for_and_a_stopped_search_goes_on_where_it_was():
    search = Enumerator(MOTIFS)
    search.observe("ab", "x")
    search.observe("ba", "y")
    search.observe("bb", "x")
    assert search.propose(lambda: True) == Stopped("time limit")
    assert isinstance(search.propose(), Program)


def test_no_proposal_costs_more_than_the_limit():
    for limit in range(1, 9):
        search = Enumerator(MOTIFS, max_cost=limit)
        for word in ("ab", "ba", "bba", "b", "aab"):
            search.observe(word, "x" if word.count("a") >= 2 or word[0] == "b" else "y")
        proposal = search.propose()
        assert isinstance(proposal, Stopped) or proposal.cost <= limit


@pytest.mark.slow
def test_splits_cannot_bring_the_bank_far_beyond_its_limit(monkeypatch):
    monkeypatch.setattr(bank, "CHUNK", 200)
    rng, search = random.Random(0), Enumerator(motifs("abcde", ["x", "y"]), max_candidates=2_500)
    for word, text in [("a", "x"), ("a", "y")]:  # nothing agrees, so the bank is filled with what one token tells
        search.observe(word, text)
    search.propose()
    for _ in range(25):
        search.observe(rng.choices("abcde", k=rng.randint(1, 9)), "x")
        assert isinstance(search.propose(), Stopped)
    assert search.candidates <= 2 * 2_500 + 200


def test_the_same_seed_gives_the_same_programs_and_any_seed_the_same_costs():
    def run(seed):
        search, rng = Enumerator(MOTIFS, max_candidates=30_000, seed=seed), random.Random(4)
        for word in [*"ab", *("".join(rng.choices("ab", k=rng.randint(2, 7))) for _ in range(6))]:
            search.observe(word, "x" if 2 * word.count("a") > len(word) else "y")
            yield search.propose()

    first, again, other = list(run(0)), list(run(0)), list(run(1))
    assert [p.source() for p in first] == [p.source() for p in again]
    assert [p.cost for p in first] == [p.cost for p in other]


def test_a_threshold_on_an_average_is_found_by_solving():
    search, rng = Enumerator(MOTIFS, max_candidates=20_000), random.Random(0)
    words = ["".join(rng.choices("ab", [1, 2], k=rng.randint(4, 12))) for _ in range(60)]
    for word in words:
        search.observe(word, "x" if 5 * word.count("a") > 2 * len(word) else "y")
    program = search.propose()
    assert isinstance(program, Program)
    assert all(program(word) == ("x" if 5 * word.count("a") > 2 * len(word) else "y") for word in words)


def test_a_grammar_without_numbers_searches_without_thresholds():
    search = Enumerator(SMALL)
    for word, text in (("a", "x"), ("b", "y"), ("ab", "y")):
        search.observe(word, text)
    program = search.propose()
    assert isinstance(program, Program)
    assert program.source().count("tokens[-1] == 'a'") == 1


def test_a_refused_example_leaves_the_search_as_it_was():
    search = Enumerator(MOTIFS)
    search.observe("a", "x")
    for word, text in (("c", "x"), ("a", "z"), ("", "x")):
        with pytest.raises(GrammarError):
            search.observe(word, text)
    search.observe("b", "x")
    program = search.propose()
    assert isinstance(program, Program)
    assert program.source().endswith("return 'x'\n")


def test_proposing_before_the_first_example_gives_some_program():
    assert isinstance(Enumerator(MOTIFS).propose(), Program)


# --- trees ------------------------------------------------------------------------------------------------------


def read_tree(tree, leaves, flags, place):
    while isinstance(tree, Split):
        tree = tree.then if flags[tree.flag, place] else tree.otherwise
    return leaves[tree.row, place]


@pytest.mark.parametrize("seed", range(10))
def test_a_tree_is_right_on_every_example(seed):
    rng = np.random.default_rng(seed)
    flags = rng.integers(0, 2, (6, 12)).astype(bool)
    leaves = np.repeat(np.arange(3)[:, None], 12, axis=1)
    target = np.where(flags[0], np.where(flags[1], 2, 0), np.where(flags[2], 1, 0))
    tree = grow_tree(leaves == target, np.ones(3, int), flags, np.arange(6), kinds=target)
    assert isinstance(tree, Stuck) or [read_tree(tree, leaves, flags, place) for place in range(12)] == target.tolist()


def test_examples_that_no_flag_tells_apart_have_no_tree():
    flags = np.array([[True, True, False]])
    right = np.array([[0] * 3, [1] * 3]) == np.array([0, 1, 1])
    assert grow_tree(right, np.ones(2, int), flags, np.ones(1, int)) == Stuck((), (0, 1))


def test_one_leaf_is_enough_where_one_term_is_right_and_the_cheapest_is_taken():
    leaves = np.array([[1, 1], [0, 1], [0, 1]])
    tree = grow_tree(leaves == np.array([0, 1]), np.array([1, 5, 2]), np.zeros((0, 2), bool), np.zeros(0, int))
    assert tree == Leaf(2)


def test_among_equally_telling_flags_the_cheaper_splits():
    flags = np.array([[True, False], [False, True]])
    tree = grow_tree(np.array([[1, 0], [0, 1]], bool), np.ones(2, int), flags, np.array([7, 3]))
    assert tree == Split(1, Leaf(1), Leaf(0))


def test_a_spent_memory_is_named_and_what_is_known_is_still_proposed():
    search = Enumerator(MOTIFS, max_memory_mb=0.3)
    search._choose = None  # no trees: only what the bank holds
    search.observe("ab", "x")
    assert isinstance(search.propose(), Program)
    for word, text in [("ba", "x"), ("bb", "y"), ("a", "y"), ("abab", "y"), ("aba", "x"), ("bab", "y"), ("bba", "y")]:
        search.observe(word, text)
    assert search.propose() == Stopped("memory limit of 0.3 MiB")
    assert search.bank.memory_mb <= 0.3


def test_a_program_whose_numbers_may_leave_64_bits_is_not_proposed():
    wrapped = str((10**24 + 2**63) % 2**64 - 2**63)
    grammar = places(["1000000", "2"], [wrapped, "16"])
    search = Enumerator(grammar, max_candidates=50_000)
    for token, said in (("1000000", wrapped), ("2", "16")):
        search.observe(((token,), 0), said)
    found = search.propose()
    assert not isinstance(found, Program) or found.term.magnitude < 2**63
