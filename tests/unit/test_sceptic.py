"""Attacks on single links of the chain that once went through."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tasks.network import NetworkError
from tasks.surrogate import Surrogate

SMALL = {
    "before": [[0, 0]], "here": [[1, 0]], "bias": [0], "hidden": [], "hidden_bias": [],
    "readout": [[1, 0, 0], [0, 0, 0]], "readout_bias": [0, 1], "alphabet": 2, "window": 1, "max_length": 3,
}  # fmt: skip


def surrogate(**change):
    return Surrogate.from_json(json.dumps({**SMALL, **change}))


def test_a_small_surrogate_is_read():
    assert surrogate().largest_sum == 3


@pytest.mark.parametrize("weight", [2**62, 2**63 - 1, -(2**63)])
def test_partial_sums_beyond_int64_are_not_taken_for_small_ones(weight):
    arrays = {name: np.array(SMALL[name], np.int64) for name in SMALL if name not in ("alphabet", "window")}
    arrays["hidden"], arrays["max_length"] = np.zeros((0, 3), np.int64), 4
    arrays["readout"] = np.array([[weight, 0, 0], [0, 0, 0]], np.int64)
    with pytest.raises(NetworkError, match="partial sums reach"):
        Surrogate(**arrays)


@pytest.mark.parametrize(
    "change",
    [
        {"readout_bias": [0.9, 1]},
        {"readout_bias": ["0", 1]},
        {"readout_bias": [False, True]},
        {"readout_bias": [2**62, 0]},
        {"readout_bias": [10**30, 0]},
        {"bias": 3},
        {"hidden_bias": 3},
        {"alphabet": 0, "before": [], "here": []},
        {"max_length": 10**30},
        {"max_length": -1},
        {"window": 0},
        {"window": "1"},
        {"readout": 5},
    ],
)
def test_a_surrogate_of_anything_but_whole_numbers_is_refused(change):
    with pytest.raises(NetworkError, match="surrogate: "):
        surrogate(**change)


def test_a_surrogate_nested_without_end_is_refused():
    with pytest.raises(NetworkError, match="not readable"):
        Surrogate.from_json("[" * 100_000)
