"""Claims about looking for counterexamples: those found are real, within what was asked, and none proves nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from state_networks import numbers_asked, running_sum

from cegis import Constraint, Domain, Program, motifs
from cegis.domain import DEAD
from dsl.grammars.positions import places
from tasks.formats import from_callable
from tasks.networks.sparse_transformer import NetworkError
from tasks.proofs import genetic_search
from tasks.proofs.genetic_search import Falsifier

LONGEST = 30
TOKENS = ("a", "b")
NEEDLE = np.array([0, 1, 1, 0, 1, 0, 0, 1, 0, 1, 1, 0, 1, 0, 0, 1])


def black_box(score, domain):
    """A network that says yes where ``score`` of a batch (rows, length) is positive, else no."""

    def logits(ids):
        values = np.array([score(row) for row in ids], float)
        return np.stack([-values, values], axis=1)

    box = from_callable(logits, vocabulary=TOKENS, outputs=("no", "yes"), longest=LONGEST, name="box")
    return replace(box, domain=domain)


def near(row):
    """Above 0 only for sequences that begin with all but two tokens of one word of 16, or more."""
    return (row[:16] == NEEDLE[: len(row)]).sum() - 13.5


def always(label):
    return Program.parse(f"def f(tokens):\n    return '{label}'\n", motifs(TOKENS, ("no", "yes")))


DOMAIN = Domain(TOKENS, 1, LONGEST)


def test_a_sequence_that_random_ones_would_not_hit_is_found_and_the_shortest_kept():
    found = Falsifier(black_box(near, DOMAIN), DOMAIN).examine(always("no"), known=5)
    assert found.counterexample is not None
    assert (found.counterexample.expected, found.counterexample.got) == ("yes", "no")
    assert len(found.counterexample.inputs) == 14  # of 14 tokens all must fit
    assert near(np.array([TOKENS.index(token) for token in found.counterexample.inputs])) > 0
    assert (found.equal_up_to, found.claims, found.stopped) == (5, (), None)


def test_where_nothing_is_wrong_nothing_is_claimed_and_the_closest_is_named(monkeypatch):
    monkeypatch.setattr(genetic_search, "SWEEPS", 12)
    box = black_box(lambda row: near(row) - 3, DOMAIN)  # at most 16 - 13.5 - 3
    found = Falsifier(box, DOMAIN).examine(always("no"), known=10)
    assert found.counterexample is None
    assert found.claims == ()
    assert "of length 11 to 30 that were bred to break it does; margin 1 at" in found.stopped.text
    closest = found.stopped.text.split("'")[1].split()
    assert [TOKENS.index(token) for token in closest[:16]] == NEEDLE.tolist()


def test_only_sequences_of_the_domain_and_of_the_region_are_tried():
    even = Constraint.explore("even number of b", "ab", 0, lambda s, t: s ^ (t == "b"), lambda s: s == 0)
    domain, seen = Domain(TOKENS, 2, 9, even), []

    def score(row):
        seen.append(tuple(row))
        return 1.0 if row[0] == 1 else -1.0

    where = Program.parse(
        "def f(tokens):\n    return 'in' if tokens[-1] == 'b' else 'out'\n", motifs(TOKENS, ("in", "out"))
    )
    found = Falsifier(black_box(score, domain), domain).examine(always("no"), where, "in")
    assert found.counterexample is not None
    assert found.counterexample.inputs == ("b", "b")  # the shortest that begins and ends with b
    table = np.array(even.transitions)
    for row in seen:
        state = 0
        for token in row:
            state = table[state, token]
            assert state != DEAD
        assert state == 0
        assert row[-1] == 1


def test_a_label_the_program_never_gives_breaks_it():
    found = Falsifier(black_box(lambda row: 1.0, DOMAIN), DOMAIN).examine(always("no"))
    assert found.counterexample is not None
    assert len(found.counterexample.inputs) == 1


@pytest.mark.slow
def test_a_margin_too_small_for_a_label_is_no_counterexample(monkeypatch):
    monkeypatch.setattr(genetic_search, "SWEEPS", 3)
    found = Falsifier(black_box(lambda row: 1e-6, DOMAIN), DOMAIN, least=1e-4).examine(always("no"), known=25)
    assert found.counterexample is None
    assert "margin -" in found.stopped.text


def test_no_time_is_said_to_have_been_none():
    found = Falsifier(black_box(near, DOMAIN), DOMAIN, seconds=0).examine(always("no"))
    assert found.stopped.text == "no longer sequence was tried (stopped by the time limit)"
    assert not found.claims


def test_children_keep_to_their_length_and_come_from_their_parents():
    search = genetic_search._Search(Falsifier(black_box(near, DOMAIN), DOMAIN), always("no"), None, "", range(4, 7))
    rows = np.array([[0, 0, 0, 1, 1], [1, 0, 1, 0, 1]], np.int8)
    search._kept[5] = genetic_search._Kept(rows, np.zeros(2))
    longer, shorter = search._longer(6), search._shorter(4)
    assert longer.shape == (2, 6)
    assert shorter.shape == (2, 4)
    for parent, more, less in zip(rows, longer, shorter, strict=True):
        assert any((np.delete(more, place) == parent).all() for place in range(6))
        assert any((np.delete(parent, place) == less).all() for place in range(5))


def test_a_domain_of_another_alphabet_is_refused():
    with pytest.raises(NetworkError, match="expected a domain over a, b, got one over x"):
        Falsifier(black_box(near, DOMAIN), Domain(("x",), 1, 3))


def test_where_every_place_has_a_label_the_place_that_is_wrong_is_named(monkeypatch):
    monkeypatch.setattr(genetic_search, "SWEEPS", 2)
    model = numbers_asked(running_sum(leak=0.0))  # says the number that it just read
    by = Falsifier(model, model.domain.up_to(6))
    grammar = places(model.domain.alphabet, model.domain.alphabet)
    found = by.examine(Program.parse("def f(tokens, i):\n    return '0'", grammar), known=2)
    assert found.counterexample is not None
    words, place = found.counterexample.inputs
    assert (found.counterexample.expected, found.counterexample.got) == (words[place], "0")
    assert words[place] != "0"
    assert by.examine(Program.parse("def f(tokens, i):\n    return tokens[i]", grammar), known=2).counterexample is None
