"""What nobody reads is left out where that changes no execution, and only there."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import small_networks
from flint import arb, ctx

from tasks.checker.arithmetic import NONE, ROUNDOFF, ZERO, Affine, Arithmetic
from tasks.checker.computations import Readings, logits
from tasks.checker.formats import FILES, read
from tasks.checker.narrow import narrowed
from tasks.checker.network import Masked, Network, Normed
from tasks.formats.circuit_folder import shipped_path

CIRCUITS = ("bracket_depth", "bracket_depth_deep", "bracket_dilution", "quote_closing", "variable_type")
REAL, F32 = Arithmetic(0.0), Arithmetic(ROUNDOFF["float32"])


@pytest.fixture(autouse=True)
def precision():
    with ctx.workprec(80):
        yield


def network_of(kind, folder):
    must, may = FILES[kind]
    files = {n: (folder / n).read_bytes() for n in (*must, *may) if (folder / n).is_file()}
    return read(kind, files, "float32").network


def networks(scratch):
    yield from (network_of("circuit", shipped_path(name)) for name in CIRCUITS)
    yield network_of(
        "gpt2", small_networks.write_network(scratch / "g", small_networks.GPT2, small_networks.gpt2_tensors())
    )
    config = {**small_networks.DYCK, "pool": "mean", "causal": False}
    yield network_of("dyck", small_networks.write_network(scratch / "d", config, small_networks.dyck_tensors(0)))


def prompts_of(network: Network):
    rng = np.random.default_rng(0)
    tokens = rng.choice(len(network.tokens), 2, replace=False).tolist()
    return [prompt for n in range(1, min(network.longest, 4) + 1) for prompt in product(tokens, repeat=n)]


@pytest.mark.slow
def test_what_is_read_has_the_bounds_that_it_has_in_the_whole_network(tmp_path):
    for network in networks(tmp_path):
        centers = any(isinstance(step, Normed) and step.centered for step in network.final)  # NaN is not ruled out
        for a in (Arithmetic(0.0), F32):
            some, own = narrowed(network, a)
            assert own.is_small is (a.is_real or not centers)
            prompts = prompts_of(network)
            for rows, others in zip(logits(network, a, prompts), logits(some, own, prompts), strict=True):
                for one, other in zip((v for r in rows for v in r), (v for r in others for v in r), strict=True):
                    assert one.overlaps(other)
                    assert float(other.rad()) <= (1 + 2.0**-16) * float(one.rad()) + 1e-20
                    assert float(other.rad()) >= 0.5 * float(one.rad()) - 1e-20


def test_heads_and_entries_that_nobody_reads_are_left_out():
    first, _, second, _ = narrowed(network_of("circuit", shipped_path("variable_type")), F32)[0].branches
    assert (first.heads.count, first.heads.widths, len(first.heads.sinks)) == (2, (7, 6), 2)
    assert (second.heads.count, second.heads.widths, len(second.heads.sinks)) == (1, (5,), 1)
    for branch in (first, second):
        (norm,) = (step for step in branch.before if isinstance(step, Normed))
        assert len(norm.gain) < 16


def test_numbers_that_may_reach_the_limit_are_looked_at_in_the_whole_network():
    network = network_of("circuit", shipped_path("quote_closing"))
    for large in (arb(2) ** 41, arb.nan()):
        tokens = [[large, *row[1:]] if n == 1 else row for n, row in enumerate(network.tokens)]
        lost = replace(network, tokens=tokens)
        some, own = narrowed(lost, F32)
        assert some is lost
        assert own is F32
        assert not F32.is_small
        readings = Readings(lost, F32, lambda row: None if not row[0].is_finite() else 1)
        assert readings.at([(0, 1), (0, 2)]) == [[None, None], [1, 1]]


def test_a_masked_entry_is_not_read_and_a_norm_reads_every_entry():
    rows = [[arb(n == m) for m in range(3)] for n in range(3)]
    ones, zeros = [arb(1)] * 3, [arb(0)] * 3
    steps = (Normed(ones, zeros, 1e-5, False), Masked((True, False, False), [arb(5)] * 3), Affine(rows, zeros))
    network = Network([[arb(3), arb(4), arb(0)]], None, (), steps, 1)
    some, a = narrowed(network, Arithmetic(0.0))
    (((row,),), ((other,),)) = (logits(each, a, [(0,)]) for each in (network, some))
    assert [float(v) for v in row[1:]] == [float(v) for v in other[1:]] == [5, 5]
    assert row[0].overlaps(other[0])
    assert float(row[0]) == pytest.approx(3 / np.sqrt(25 / 3 + 1e-5))


def test_scores_move_by_what_rounding_may_do_to_them():
    (moved,) = F32.average([arb(100), arb(100)], [[arb(1)], [arb(-1)]], None, arb(100), NONE)
    off = F32.gamma(4) * 200 + F32.gamma(16)  # either score up, the other down: the average is tanh of that
    assert moved.contains(off.tanh().mid())
    assert moved.contains(-off.tanh().mid())
    (alone,) = REAL.average([arb(100), arb(100)], [[arb(1)], [arb(-1)]], None, arb(100), NONE)
    assert float(alone.rad()) < 1e-20


def test_a_sum_and_a_norm_hold_what_float32_computes():
    a, one, tiny = Arithmetic(2.0**-24), np.float32(1), np.float32(2.0**-30)
    ((total,),) = a.add([[arb(1)]], [[arb(float(tiny))]])
    assert total.contains(arb(float(one + tiny)))
    assert not Arithmetic(0.0).add([[arb(1)]], [[arb(float(tiny))]])[0][0].contains(arb(float(one + tiny)))
    row = np.float32([3.0, 1.0, -2.0, 0.1])
    executed = row / np.sqrt((row * row).mean(dtype=np.float32) + np.float32(2.0**-17))
    exact = a.norm([arb(float(v)) for v in row], [arb(1)] * 4, [ZERO] * 4, 2.0**-17, centered=False)
    assert all(ball.contains(arb(float(v))) for ball, v in zip(exact, executed, strict=True))
    assert all(ball.rad() >= abs(float(v)) * 2.0**-24 for ball, v in zip(exact, executed, strict=True))
