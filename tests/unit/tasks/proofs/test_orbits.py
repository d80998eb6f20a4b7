"""Sequences that go round in one circle: proved where a set catches the states, never where a label changes late."""

from dataclasses import replace

import numpy as np
import pytest
from quick import sliced
from state_networks import always, answers_along, asked, drift, latch, machine, random_cells

from cegis import Claim, Domain
from tasks.automata.endless import automaton
from tasks.automata.regex import constraint
from tasks.networks.transformer import Activation, Affine
from tasks.proofs import orbits
from tasks.proofs.orbits import caught, circles, orbits_claim
from tasks.proofs.recurrent_lengths import recurrent_lengths
from tasks.proofs.still_open import StillOpenError


@pytest.mark.parametrize("kind", sliced(["tanh", "gru", "lstm", "reset"], 2))
def test_claims_of_random_cells_agree_with_long_runs(kind: str) -> None:
    proved = 0
    for seed in range(4):
        network = random_cells(np.random.default_rng(seed), kind, layers=1 + seed % 2)
        run = answers_along(network, [1] * 400)
        for label in ("accept", "reject"):
            claim = orbits_claim(asked(network, "11*"), always(label))
            if isinstance(claim, Claim):
                proved += 1
                assert set(run) == {label}
                assert claim.domain.max_length is None
                assert claim.semantics == "real arithmetic"
    assert proved


def test_a_label_that_changes_late_is_never_proved(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(orbits, "MOST_TOKENS", 4_000)
    model = asked(drift(2.0**-9), "11*")
    assert set(answers_along(model.network, [1] * 500)) == {"reject"}
    assert "not settle" in str(orbits_claim(model, always("reject")))


def test_a_slow_leak_past_the_threshold_is_never_proved() -> None:
    slow = Affine(np.array([[1 - 2.0**-10, 0.0, 0.0]]), np.array([2.0**-11]))
    leak = replace(drift(0.0), transition=(slow,))
    run = answers_along(leak, [1] * 3000)
    assert (run[0], run[-1]) == ("reject", "accept")
    claim = orbits_claim(asked(leak, "11*"), always("reject"))
    assert isinstance(claim, str)
    assert "which the program does not say" in claim


def test_labels_before_the_set_count() -> None:
    slow = Affine(np.array([[0.875, 0.0, 0.0]]), np.array([0.0625]))  # from -1 to 1/2: rejects at first
    model = asked(replace(drift(0.0), transition=(slow,)), "11*")
    run = answers_along(model.network, [1] * 40)
    assert (run[0], run[-1]) == ("reject", "accept")
    assert "length 1 is 'reject'" in str(orbits_claim(model, always("accept")))


def test_every_place_of_a_turn_counts() -> None:
    network = replace(latch(), start=np.array([1.0]))  # which is where a turn ends: no turn stands before the set
    model = asked(network, "(01)*0?", ("0", "1", "-"))
    assert answers_along(network, [0, 1, 0]) == ["reject", "accept", "reject"]
    follows = machine(((1, 1), (0, 0), (0, 0)), (0, 1), ("0", "1", "-"))
    found = caught(model, follows)
    assert found.caught[0].entry == len(found.caught[0].circle.word)
    for label in ("accept", "reject"):
        assert isinstance(orbits_claim(model, always(label, ("0", "1", "-"))), str)


def test_a_point_that_repels_is_in_no_set() -> None:
    grows = Affine(np.array([[1.0625, 0.0, 0.0]]))
    answer = Affine(np.array([[1.0], [-1.0]]), np.array([0.5, 0.0]))
    network = replace(drift(0.0, 0.0), transition=(grows,), output=(answer,))
    assert "no small set" in str(orbits_claim(asked(network, "11*"), always("accept")))


@pytest.mark.slow
def test_a_period_of_program_and_network_is_followed() -> None:
    network = replace(latch(), transition=(Affine(np.array([[-4.0, 0.0]])), Activation("tanh")))
    model = asked(network, "11*", ("0", "1", "-"))
    flip = machine(((1, 0), (1, 0), (1, 0)), (1, 0), ("0", "1", "-"))  # accepts words of odd length
    assert answers_along(network, [1, 1, 1, 1]) == ["accept", "reject", "accept", "reject"]
    assert isinstance(orbits_claim(model, flip), Claim)
    assert isinstance(orbits_claim(model, always("accept", ("0", "1", "-"))), str)


def test_words_that_branch_again_and_again_are_no_circles() -> None:
    model = asked(random_cells(np.random.default_rng(1), "gru"))
    assert "branch" in str(orbits_claim(model, always("accept")))
    assert "longest" in str(orbits_claim(asked(model.network, "0|11"), always("accept")))


def test_words_after_which_nothing_comes_count() -> None:
    network = replace(latch(), start=np.array([1.0]))
    run = answers_along(network, [1] * 40)
    assert set(run) == {"accept"}
    assert answers_along(network, [0]) == ["reject"]
    letters = ("0", "1", "-")
    assert isinstance(orbits_claim(asked(network, "11*", letters), always("accept", letters)), Claim)
    assert "length 1 is 'reject'" in str(orbits_claim(asked(network, "0|11*", letters), always("accept", letters)))
    either = machine(((1, 1), (0, 1), (0, 1)), (0, 1), letters)  # rejects once there was a 0
    assert isinstance(orbits_claim(asked(network, "0|11*", letters), either), Claim)


def test_circles_are_all_words_of_the_automaton() -> None:
    domain = Domain(("0", "1"), 1, None, constraint("(0|11)(01)*", ("0", "1")))
    found = circles(automaton(domain, always("accept")))
    assert {part.word[:2] for part in found} >= {(1, 1)}
    assert all(len(part.turn) % 2 == 0 for part in found)
    assert len(found) == 2


def test_labels_at_every_place_are_left_to_loops() -> None:
    model = asked(latch(), "11*", ("0", "1", "-"))
    every = replace(model, readout=replace(model.readout, position="every"))
    said = recurrent_lengths(every, always("accept", ("0", "1", "-")))
    assert isinstance(said, str)
    assert "last token" in said


def test_time_that_is_spent_is_said() -> None:
    model = asked(random_cells(np.random.default_rng(2), "gru"), "11*")
    with pytest.raises(StillOpenError, match="time"):
        caught(model, always("accept"), deadline=0.0)
