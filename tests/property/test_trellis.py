"""A trellis says of every sequence what the program says; its parts lose no sequence and list none twice."""

from itertools import product as words_of
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from quick import examples

from cegis import Constraint, Domain, DomainError, Program, motifs
from dsl.grammars.motifs import ANY_PAIR, CHOOSE, SAME_AS_QUERY, count_of, digits, is_token, label
from tasks.automata.moore import Machine
from tasks.automata.program_states import UncountableError
from tasks.automata.trellis import NONE, Trellis, product
from tasks.automata.trellis_construction import trellis

LETTERS = ("a", "b", "c")
LABELS = ("0", "1", "2")  # numbers, so that programs may give an answer that is no label
laws = settings(max_examples=examples(60), deadline=None, derandomize=True)


@st.composite
def domains(draw: st.DrawFn, shortest: int = 0) -> Domain:
    """Up to five tokens over three letters, under a random automaton (with dead ends at times) or none."""
    longest = draw(st.integers(max(shortest, 1), 5))
    least = draw(st.integers(shortest, min(longest, 2)))
    if draw(st.booleans()):
        return Domain(LETTERS, least, longest)
    states = draw(st.integers(1, 3))
    rows = st.tuples(*[st.integers(-1, states - 1)] * 3)
    table = draw(st.tuples(*[rows] * states))
    return Domain(LETTERS, least, longest, Constraint("random", table, draw(st.tuples(*[st.booleans()] * states))))


def random_program(derive, domain: Domain, seed: int) -> Program:
    """A program of the motif grammar, or an automaton."""
    random = Random(seed)
    grammar = motifs(LETTERS, LABELS, min_length=domain.min_length)
    if random.random() < 0.2:
        states = random.randint(1, 4)
        columns = tuple(tuple(random.randrange(states) for _ in range(states)) for _ in LETTERS)
        return Machine(columns, tuple(random.randrange(3) for _ in range(states))).program(grammar.sequences)
    return Program(derive(grammar, "Label", random.randint(1, 14), random.choice), grammar)


def node_of(graph: Trellis, word: tuple[int, ...]) -> int:
    """The node a sequence leads to, or NONE."""
    node = 0
    for n, token in enumerate(word):
        node = int(graph.levels[n].after[node, token])
        if node == NONE:
            break
    return node


def expected(domain: Domain, program: Program, word: tuple[int, ...]) -> str | None:
    """What is asked of a sequence: the program's answer as text, or None where it is not in the domain."""
    tokens = domain.words(word)
    return str(program(tokens)) if domain.contains(tokens) else None


def said(graph: Trellis, word: tuple[int, ...]) -> str | None:
    """The same, by the trellis."""
    node = node_of(graph, word)
    label = NONE if node == NONE else graph.levels[len(word)].label[node]
    return None if label == NONE else str(graph.names[label])


def every_word(domain: Domain):
    return (word for n in range(domain.lengths[-1] + 1) for word in words_of(range(3), repeat=n))


@laws
@given(domain=domains(), seed=st.integers(0, 10**6))
def test_every_sequence_gets_the_programs_answer_and_no_other_has_one(derive, domain, seed):
    program = random_program(derive, domain, seed)
    graph = trellis(domain, program)
    for word in every_word(domain):
        assert said(graph, word) == expected(domain, program, word), (word, program.source())


@laws
@given(domain=domains(), seed=st.integers(0, 10**6))
def test_nodes_end_in_their_token_and_stand_for_as_many_sequences_as_they_say(derive, domain, seed):
    graph = trellis(domain, random_program(derive, domain, seed))
    counted = [[0] * len(level.token) for level in graph.levels]
    for word in every_word(domain):
        if (node := node_of(graph, word)) != NONE:
            counted[len(word)][node] += 1
            assert graph.levels[len(word)].token[node] == (word[-1] if word else NONE)
    assert counted == [list(sizes) for sizes in graph.sizes]
    assert all(min(level, default=1) > 0 for level in counted)
    lengths = range(domain.lengths[-1] + 1)
    assert [graph.labelled(n) for n in lengths] == [domain.count(n) if n in domain.lengths else 0 for n in lengths]


@laws
@given(domain=domains(), seed=st.integers(0, 10**6))
def test_no_two_nodes_of_a_length_are_alike(derive, domain, seed):
    graph = trellis(domain, random_program(derive, domain, seed))
    for level in graph.levels:
        rows = np.column_stack([level.token, level.label, level.after])
        assert len({tuple(row) for row in rows.tolist()}) == len(rows)


@laws
@given(domain=domains(1), one=st.integers(0, 10**6), other=st.integers(0, 10**6), label=st.integers(0, 3))
def test_a_product_keeps_the_labels_where_the_other_says_so(derive, domain, one, other, label):
    first, second = (random_program(derive, domain, seed) for seed in (one, other))
    both = product(trellis(domain, first), trellis(domain, second), label)
    wanted = (*LABELS, "None")[label]
    for word in every_word(domain):
        is_asked = expected(domain, second, word) == wanted
        assert said(both, word) == (expected(domain, first, word) if is_asked else None)


def listed(graph, node: int) -> list[tuple[int, ...]]:
    """Every sequence of a last node."""
    return [word for word in words_of(range(3), repeat=graph.longest) if node_of(graph, word) == node]


@laws
@given(domain=domains(1), seed=st.integers(0, 10**6), data=st.data())
def test_parts_of_the_sequences_of_a_node_are_a_partition(derive, domain, seed, data):
    graph = trellis(domain, random_program(derive, domain, seed))
    length = data.draw(st.integers(1, graph.longest))
    if not len(graph.levels[length].token):
        return
    node = data.draw(st.integers(0, len(graph.levels[length].token) - 1))
    random = np.random.default_rng(seed)
    alone = graph.only(length, node)
    whole = listed(alone, 0)
    assert sorted(whole) == [word for word in words_of(range(3), repeat=length) if node_of(graph, word) == node]
    assert len(whole) == alone.sizes[length][0] == graph.sizes[length][node]
    assert sorted(map(tuple, alone.sequences.tolist())) == sorted(whole)
    pull = [random.normal(size=len(level.token)).round(1) for level in alone.levels]
    parts = alone.divided(pull, data.draw(st.integers(1, 5)), data.draw(st.integers(1, 40)))
    last = parts.levels[length]
    assert sorted(word for n in range(len(last.token)) for word in listed(parts, n)) == sorted(whole)
    assert set(last.label) == set(alone.levels[length].label)
    for n in range(len(last.token)):
        assert listed(parts.only(length, n), 0) == listed(parts, n) != []


@laws
@given(domain=domains(1), seed=st.integers(0, 10**6))
def test_sums_that_differ_widely_are_parted(derive, domain, seed):
    graph = trellis(domain, random_program(derive, domain, seed)).minimal()
    length = graph.longest
    for node in range(len(graph.levels[length].token)):
        alone = graph.only(length, node)
        wide = [n for n, level in enumerate(alone.levels) if len(level.token) > 1]
        assert (alone.nodes == length + 1) == (not wide) == (len(listed(alone, 0)) == 1)
        for first in wide[:1]:
            ranks = [np.arange(len(level.token)) * float(n == first) for n, level in enumerate(alone.levels)]
            assert len(alone.divided(ranks, 8, 64).levels[length].token) > 1


@laws
@given(domain=domains(1), seed=st.integers(0, 10**6))
def test_random_paths_are_sequences_of_their_nodes(derive, domain, seed):
    graph = trellis(domain, random_program(derive, domain, seed))
    for length in range(1, graph.longest + 1):
        nodes = np.arange(len(graph.levels[length].token))
        if len(nodes):
            tokens = graph.tokens(graph.paths(length, nodes, 3, np.random.default_rng(seed)))
            assert tokens.shape == (len(nodes), 3, length)
            for node, rows in zip(nodes, tokens, strict=True):
                assert all(node_of(graph, tuple(row)) == node for row in rows.tolist())


def test_an_answer_that_is_no_label_is_kept_apart_from_every_label():
    grammar = motifs(LETTERS, ("0", "1"))
    program = Program(digits((0, 1))(count_of(0, "a")()), grammar)
    graph = trellis(Domain(LETTERS, 1, 3), program)
    assert said(graph, (0, 0)) == "None"
    assert graph.names == ("0", "1", None)
    assert said(graph, (0, 1)) == "1"


def test_folds_that_ask_for_the_last_token_are_followed_for_each_that_it_may_be():
    grammar = motifs(LETTERS, LABELS)
    pair = ANY_PAIR(SAME_AS_QUERY(), is_token(0, "a")())
    program, domain = Program(CHOOSE(pair, label(0, "0")(), label(1, "1")()), grammar), Domain(LETTERS, 1, 5)
    graph = trellis(domain, program)
    assert {said(graph, word) for word in every_word(domain)} == {None, "0", "1"}
    for word in every_word(domain):
        assert said(graph, word) == expected(domain, program, word)


def test_what_a_program_keeps_and_never_uses_makes_no_nodes():
    grammar = motifs(LETTERS, LABELS)
    same = CHOOSE(ANY_PAIR(is_token(0, "a")(), SAME_AS_QUERY()), label(1, "1")(), label(1, "1")())
    graph = trellis(Domain(LETTERS, 1, 20), Program(same, grammar))
    assert [len(level.token) for level in graph.levels] == [1] + [3] * 20


def test_a_language_that_ends_leaves_empty_levels():
    ends = Constraint("a or ab", ((1, -1, -1), (-1, 2, -1), (-1, -1, -1)), (False, True, True))
    graph = trellis(Domain(LETTERS, 0, 6, ends), Program(label(0, "0")(), motifs(LETTERS, LABELS, min_length=0)))
    assert [graph.labelled(n) for n in range(7)] == [0, 1, 1, 0, 0, 0, 0]
    assert [len(before) for before in graph.before] == [1, 1, 1, 0, 0, 0, 0]


def test_a_program_over_another_alphabet_is_refused():
    program = Program(label(0, "0")(), motifs(("b", "a"), LABELS))
    with pytest.raises(DomainError, match="expected a program over"):
        trellis(Domain(("a", "b"), 1, 3), program)


def test_rows_that_are_not_known_and_too_many_states_are_refused():
    from dsl.grammars.positions import fixed_places

    grammar = fixed_places(LETTERS, LABELS, 3, 3)
    at = next(row.operator for row in grammar.productions if row.operator.name == "at 1")
    placed = Program(CHOOSE(at(is_token(0, "a")()), label(0, "0")(), label(1, "1")()), grammar)
    with pytest.raises(UncountableError):
        trellis(Domain(LETTERS, 3, 5), placed)
    text = "def f(tokens):\n    return '0' if tokens.count('a') > tokens.count('b') else '1'\n"
    many = Program.parse(text, motifs(LETTERS, LABELS))
    with pytest.raises(DomainError, match="counts of 3 kinds of tokens up to length 2000000,"):
        trellis(Domain(LETTERS, 1, 2_000_000), many)


@pytest.mark.slow
def test_letters_that_no_reading_tells_apart_are_counted_together():
    letters = tuple("abcdefghijkl")  # 12 counts up to 30 are more than can be numbered
    text = "def f(tokens):\n    return '0' if tokens.count('a') > tokens.count('b') else '1'\n"
    program = Program.parse(text, motifs(letters, LABELS))
    graph = trellis(Domain(letters, 1, 30), program)
    assert max(len(level.token) for level in graph.levels) <= 12 * 61
    assert sum(graph.labelled(n) for n in range(1, 31)) == sum(12**n for n in range(1, 31))
    for word in (("a",), ("a", "b", "l"), ("c", "a", "l", "a", "b")):
        at = 0
        for n, letter in enumerate(word):
            at = graph.levels[n].after[at, letters.index(letter)]
        assert graph.names[graph.levels[len(word)].label[at]] == program(word)
