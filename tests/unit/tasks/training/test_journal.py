"""A journal gives back what was decided, forgets what a run no longer asks, and survives half a line."""

from __future__ import annotations

import numpy as np
import pytest

from tasks.networks.sparse_transformer import NetworkError
from tasks.training.journal import DECISIONS, LEARNED, Journal, State


def never() -> bool:
    raise AssertionError("decided once already")


def test_decisions_are_made_once(tmp_path):
    with Journal(tmp_path / "state") as first:
        assert [first.decided(key, lambda key=key: key % 2 == 0) for key in range(4)] == [True, False, True, False]
    with Journal(tmp_path / "state") as again:
        assert again.replayed == 4
        assert [again.decided(key, never) for key in range(4)] == [True, False, True, False]
        assert again.decided(4, lambda: True)


def test_a_run_that_takes_another_way_decides_anew(tmp_path):
    with Journal(tmp_path) as first:
        for key in range(4):
            first.decided(key, lambda: True)
    with Journal(tmp_path) as again:
        assert again.decided(0, never)
        assert not again.decided(7, lambda: False)
        assert not again.decided(1, lambda: False)
    assert (tmp_path / DECISIONS).read_text() == "00000000 1\n00000007 0\n00000001 0\n"


def test_half_a_line_is_no_decision(tmp_path):
    with Journal(tmp_path) as first:
        first.decided(5, lambda: True)
    with (tmp_path / DECISIONS).open("a") as file:
        file.write("0000000")
    with Journal(tmp_path) as again:
        assert again.replayed == 1
        assert again.decided(5, never)
        assert not again.decided(6, lambda: False)
    assert (tmp_path / DECISIONS).read_text() == "00000005 1\n00000006 0\n"


def test_states_come_back_and_broken_ones_are_refused(tmp_path):
    rng = np.random.default_rng(3)
    state = State(7, {"x": np.arange(3.0)}, rng.bit_generator.state)
    with Journal(tmp_path) as journal:
        journal.store(lambda: state)
        journal.store(never)  # too soon
        found = journal.state()
        assert (found.step, found.random) == (7, rng.bit_generator.state)
        np.testing.assert_array_equal(found.arrays["x"], state.arrays["x"])
        (tmp_path / LEARNED).write_bytes(b"nonsense")
        with pytest.raises(NetworkError, match="remove it to begin anew"):
            journal.state()


def test_without_a_folder_nothing_is_kept():
    journal = Journal()
    assert journal.decided(1, lambda: True)
    assert journal.state() is None
