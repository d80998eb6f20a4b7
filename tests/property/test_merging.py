"""Rows taken for one: every ball is held by the one that stands for it, and networks keep their bounds and labels."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import tracr_networks
from hypothesis import given, settings
from hypothesis import strategies as st
from quick import examples

from tasks.bounds import merging, zonotope_interpreter
from tasks.bounds.ball import FLOAT32, FLOAT64, Ball
from tasks.bounds.interpreter import enclose
from tasks.bounds.merging import coarse, merged, numbered
from tasks.formats import load
from tasks.networks import interpreter

CENTERS = st.one_of(st.floats(-1e12, 1e12), st.floats(-4, 4), st.just(0.0), st.just(-0.0))
RADII = st.one_of(st.just(0.0), st.floats(0, 1e-9), st.floats(0, 1e6), st.just(np.inf))


@settings(max_examples=examples(200), deadline=None)
@given(rows=st.lists(st.tuples(CENTERS, RADII), min_size=1, max_size=8))
def test_a_coarse_ball_holds_the_ball_that_it_replaces(rows):
    center, radius = (np.array([part]).T for part in zip(*rows, strict=True))
    wide = coarse(Ball(center, radius))
    off = np.abs(center.astype(np.longdouble) - wide.center.astype(np.longdouble)) + radius
    assert (off <= wide.radius).all()
    finite = np.isfinite(radius)
    assert (np.isfinite(wide.radius) == finite).all()
    assert (wide.radius[finite] <= 1.01 * radius[finite] + 2 * merging.GRAIN).all()


def test_what_a_center_is_moved_by_is_in_the_radius():
    center, radius = np.array([[1 + 0.4 * merging.GRAIN]]), np.array([[2.0**-30 * (1 - 2.0**-29)]])
    wide = coarse(Ball(center, radius))
    assert (center - wide.center + radius <= wide.radius).all()


@pytest.mark.parametrize("seed", range(5))
def test_merged_rows_hold_every_row(seed):
    rng = np.random.default_rng(seed)
    few = rng.normal(size=(3, 4))[rng.integers(0, 3, 40)]
    x = Ball(few + 1e-15 * rng.normal(size=few.shape), 1e-14 * rng.random(few.shape))
    y = Ball(few[:, :2] * (1 + (np.arange(40) % 2)[:, None]), np.zeros((40, 2)))
    index, (one, two) = merged(x, y)
    assert len(one) == len(two) == index.max() + 1 <= 20
    for part, wide in ((x, one), (y, two)):
        assert (np.abs(part.center - wide.center[index]) + part.radius <= wide.radius[index]).all()


def test_where_few_rows_are_equal_all_stay_as_they_are():
    x = Ball(np.random.default_rng(0).normal(size=(9, 3)), np.full((9, 3), 1e-15))
    index, (same,) = merged(x)
    assert same is x
    assert index.tolist() == [*range(9)]


def test_rows_that_differ_are_told_apart_whatever_their_codes(monkeypatch):
    class Nothing:
        def integers(self, most, size, dtype):
            return np.full(size, 2**63, dtype)  # times two and one more: every factor is 1

    x = Ball(np.array([[1.0, 2.0], [2.0, 1.0], [1.0, 2.0]]), np.zeros((3, 2)))
    expected, _ = numbered(x)
    monkeypatch.setattr(merging.np.random, "default_rng", lambda seed: Nothing())
    index, first = numbered(x)
    assert index[0] == index[2] != index[1]
    assert expected[0] == expected[2] != expected[1]
    assert len(first) == 2


def compiled(folder, seed, **changes):
    """A network whose tokens are nearly equal, twice two, in what attention takes of them."""
    weights, rng = tracr_networks.tensors(seed), np.random.default_rng(seed)
    weights["pos_embed/embeddings"] *= np.float32(1e-7)
    table = weights["token_embed/embeddings"]
    table[1] = table[0] + np.float32(1e-7) * rng.normal(size=table.shape[1])
    table[3] = table[2]
    table[3, 0] += 1  # of which keys and queries of the first layer know nothing
    for part in ("query", "key"):
        weights[f"transformer/layer_0/attn/{part}/w"][0] = 0
    return load(tracr_networks.folder(folder, tracr_networks.case(**changes), weights))


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_a_network_with_few_distinct_rows_has_bounds_that_hold_it(tmp_path, monkeypatch, seed, causal):
    network = compiled(tmp_path / "n", seed, causal=causal).network
    batches = [np.array([*product(range(4), repeat=n)]) for n in (1, 2, 3, 4)]
    monkeypatch.setattr(merging, "GRAIN", 2.0**-16)
    counts = []
    for method, u in product((enclose, zonotope_interpreter.enclose), (FLOAT64, FLOAT32)):
        stream = method(network, batches, u)
        counts.append(len(stream.x))
        for place, ids in zip(stream.places, batches, strict=True):
            values = interpreter.logits(network, ids)
            off = np.abs(values - stream.x.center[place])
            assert (off <= stream.x.radius[place]).all()
            assert stream.x.radius[place].max() < 0.1
    assert max(counts) < sum(ids.size for ids in batches) / 2
