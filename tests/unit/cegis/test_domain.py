"""Claims about domains: counts are exact, lists are complete, what cannot be meant is refused."""

from __future__ import annotations

import numpy as np
import pytest

from cegis import Constraint, Domain, DomainError

EVEN = Constraint.explore("even number of a", "ab", 0, lambda state, token: state ^ (token == "a"), lambda s: s == 0)


def deeper(state: int, token: str) -> int | None:
    after = state + (1 if token == "(" else -1)
    return after if after >= 0 else None


def test_counting_needs_no_listing():
    assert Domain(("a", "b"), 1, 200).count(200) == 2**200
    assert Domain(("a", "b"), 1, 200, EVEN).count(200) == 2**199
    assert Domain(("a", "b"), 0, 3).size() == 15


def test_random_sequences_of_any_length_belong_to_the_domain():
    drawn = Domain(("a", "b"), 1, 1200, EVEN).sample(1200, 50, np.random.default_rng(0))
    assert drawn.shape == (50, 1200)
    assert ((drawn == 0).sum(axis=1) % 2 == 0).all()
    assert 500 < (drawn == 0).sum(axis=1).mean() < 700


def test_nothing_is_drawn_where_there_is_nothing():
    never = Constraint.explore("never", "ab", 0, lambda state, token: state, lambda state: False)
    with pytest.raises(DomainError, match="no sequence of length 3 to draw from"):
        Domain(("a", "b"), 0, 3, never).sample(3, 1, np.random.default_rng(0))


def test_balanced_brackets_are_counted_by_catalan_numbers():
    balanced = Constraint.explore("balanced", "()", 0, lambda s, t: None if s > 9 else deeper(s, t), lambda s: s == 0)
    domain = Domain(("(", ")"), 0, 8, balanced)
    assert [domain.count(2 * n) for n in range(5)] == [1, 1, 2, 5, 14]
    assert [domain.count(2 * n + 1) for n in range(4)] == [0] * 4
    assert domain.words(domain.sequences(4)[0]) == ("(", "(", ")", ")")


def test_lists_are_in_lexicographic_order():
    for constraint in (None, EVEN):
        rows = Domain(("a", "b"), 0, 5, constraint).sequences(5).tolist()
        assert rows == sorted(rows)


@pytest.mark.parametrize("length", [0, 1, 64, 300])
def test_one_token_makes_one_sequence_of_any_length(length):
    rows = Domain(("a",), 0, 300).sequences(length)
    assert rows.shape == (1, length)
    assert rows.dtype == np.int8


def test_too_many_sequences_are_refused_before_they_are_made():
    with pytest.raises(DomainError, match="too many to list"):
        Domain(("a", "b"), 1, 60).sequences(60)
    assert len(Domain(("a", "b"), 1, 60).sequences(3, max_count=8)) == 8


def test_the_largest_alphabet_keeps_its_tokens_apart():
    domain = Domain(tuple(map(str, range(127))), 1, 1)
    assert [domain.words(row) for row in domain.sequences(1)] == [(str(n),) for n in range(127)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (((), 1, 2), "1 to 127"),
        ((("a", "a"), 1, 2), "different tokens"),
        ((tuple(map(str, range(128))), 1, 2), "1 to 127"),
        ((("a",), -1, 2), "0 or more"),
        ((("a",), 3, 2), "empty"),
        ((("a",), 1, 2, EVEN), "reads 2 symbols"),
    ],
)
def test_domains_that_cannot_be_meant_are_refused(arguments, message):
    with pytest.raises(DomainError, match=message):
        Domain(*arguments)


@pytest.mark.parametrize(
    ("transitions", "accepting", "message"),
    [
        ((), (), "one accepting flag per state"),
        (((0,),), (True, True), "one accepting flag per state"),
        (((0, 0), (0,)), (True, True), "row 1"),
        (((2,), (0,)), (True, True), "row 0"),
        (((-2,),), (True,), "row 0"),
    ],
)
def test_automata_that_do_not_fit_together_are_refused(transitions, accepting, message):
    with pytest.raises(DomainError, match=message):
        Constraint("broken", transitions, accepting)


def test_an_unbounded_counter_is_refused_with_advice():
    with pytest.raises(DomainError, match="bound the counter"):
        Constraint.explore("depth", "()", 0, deeper, lambda s: s == 0, max_states=50)


def test_an_unbounded_domain_can_be_cut_but_not_listed():
    endless = Domain(("a", "b"), 2, None, EVEN)
    assert endless.contains("abab")
    assert not endless.contains("b")
    assert endless.up_to(3).size() == 2 + 4
    for ask in (lambda: endless.lengths, endless.size, lambda: list(endless)):
        with pytest.raises(DomainError, match="unbounded"):
            ask()


def test_words_and_indices_are_each_others_inverse():
    domain = Domain(("a", "b"), 1, 3)
    assert all(domain.words(domain.indices(word)) == word for word in domain)
    with pytest.raises(DomainError, match="unknown token 'c'"):
        domain.indices(["a", "c"])


def test_the_first_sequence_of_a_long_domain_needs_no_list():
    assert Domain(("a", "b"), 90, 100).first() == ("a",) * 90
    odd = Constraint("odd number of a", EVEN.transitions, (False, True))
    assert Domain(("a", "b"), 90, 100, odd).first() == ("a",) * 89 + ("b",)
    assert Domain(("a", "b"), 1, 9, Constraint("nothing", ((0, 0),), (False,))).first() is None
