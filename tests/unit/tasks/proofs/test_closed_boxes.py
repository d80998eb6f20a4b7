"""Boxes that no token leaves: proofs for every word, in executed arithmetic too, and none for a wrong program."""

from dataclasses import replace

import numpy as np
import pytest
from state_networks import always, asked, drift, latch, machine

from cegis import Claim
from tasks.automata.endless import automaton, minimal, with_history
from tasks.proofs import closed_boxes
from tasks.proofs.closed_boxes import closed, closed_claim
from tasks.proofs.recurrent_lengths import recurrent_lengths
from tasks.proofs.still_open import StillOpenError

LETTERS = ("0", "1", "-")
LAST = machine(((0, 0), (1, 1), (0, 1)), (1, 0), LETTERS)  # accepts where the last token other than - is 1


def test_a_latch_is_proved_in_float32_at_every_length() -> None:
    claim = closed_claim(asked(latch(), None, LETTERS, least=0), LAST)
    assert isinstance(claim, Claim)
    assert claim.domain.max_length is None
    assert "float32" in claim.semantics
    assert isinstance(recurrent_lengths(asked(latch(), None, LETTERS), LAST), Claim)


def test_a_wrong_program_is_not_proved() -> None:
    for outputs in ((0, 1), (1, 1), (0, 0)):
        assert isinstance(
            closed_claim(asked(latch(), None, LETTERS), machine(((0, 0), (1, 1), (0, 1)), outputs, LETTERS)), str
        )


def test_a_latch_that_forgets_is_not_proved() -> None:
    assert isinstance(closed_claim(asked(latch(0.875), None, LETTERS), LAST), str)


def test_a_drift_is_not_proved(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(closed_boxes, "MOST_ROUNDS", 300)
    assert isinstance(closed_claim(asked(drift(2.0**-8)), always("reject")), str)


def test_unreached_states_and_history_change_nothing() -> None:
    model = asked(latch(), None, LETTERS)
    whole = automaton(model.domain, LAST)
    assert len(minimal(whole).rows) < len(whole.rows)
    found = closed(model, with_history(minimal(whole), 1), ("accept", "reject"))
    assert found.margin > 0.5


def test_a_prefix_moves_the_first_state() -> None:
    plain = asked(latch(), "-*", LETTERS)
    model = replace(plain, prefix=("1",), domain=plain.domain.up_to(60))
    assert isinstance(closed_claim(model, always("accept", LETTERS)), Claim)
    assert isinstance(closed_claim(model, always("reject", LETTERS)), str)


def test_time_that_is_spent_is_said() -> None:
    model = asked(latch(), None, LETTERS)
    with pytest.raises(StillOpenError, match="time"):
        closed(model, automaton(model.domain, LAST), ("accept", "reject"), None, 0.0)


def test_a_box_is_an_upright_one() -> None:
    model = asked(latch(), None, LETTERS)
    found = closed(model, automaton(model.domain, LAST), ("accept", "reject"))
    states = model.network.initial(1)
    place = 0
    for token in np.random.default_rng(0).integers(0, 3, 200):
        states, place = model.network.step(states, np.array([token])), found.states.rows[place][token]
        apart = np.abs(states[0] - found.boxes.center[place])
        assert (apart <= found.boxes.radius[place]).all()
