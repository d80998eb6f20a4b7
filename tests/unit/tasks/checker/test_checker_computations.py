"""The checker makes equal computations once: nothing that differs is merged, and what is merged is the same."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import small_networks
from flint import arb, ctx
from safetensors.numpy import load as parsed
from safetensors.numpy import save

from tasks.checker import computations
from tasks.checker.arithmetic import ROUNDOFF, Arithmetic
from tasks.checker.computations import Computations, logits
from tasks.checker.formats import FILES, read
from tasks.checker.network import Network
from tasks.formats.circuit_folder import shipped_path

CIRCUITS = ("quote_closing", "bracket_dilution", "variable_type")


@pytest.fixture(autouse=True)
def precision():
    with ctx.workprec(80):
        yield


def network_of(kind, folder, semantics="float32"):
    must, may = FILES[kind]
    return read(
        kind, {n: (folder / n).read_bytes() for n in (*must, *may) if (folder / n).is_file()}, semantics
    ).network


def networks(scratch):
    yield from (network_of("circuit", shipped_path(name)) for name in CIRCUITS)
    yield network_of(
        "gpt2", small_networks.write_network(scratch / "g", small_networks.GPT2, small_networks.gpt2_tensors())
    )
    for n, pool in enumerate(("sum", "mean", "last")):
        config = {**small_networks.DYCK, "pool": pool, "causal": bool(n % 2)}
        yield network_of(
            "dyck", small_networks.write_network(scratch / f"d{n}", config, small_networks.dyck_tensors(n))
        )


def prompts_of(network: Network, rng):
    """Some of every length, many of which begin alike or hold the same tokens in another order."""
    tokens = rng.choice(len(network.tokens), 2, replace=False).tolist()
    return [prompt for n in range(1, min(network.longest, 4) + 1) for prompt in product(tokens, repeat=n)]


@pytest.mark.slow
def test_many_prompts_at_once_have_the_logits_that_each_has_alone(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    for network in networks(tmp_path):
        a, prompts = Arithmetic(ROUNDOFF["float32"]), prompts_of(network, rng)
        alone = [logits(network, a, [prompt])[0] for prompt in prompts]
        for held in (10**6, 0):  # nothing is forgotten; all is
            monkeypatch.setattr(computations, "HELD", held)
            some = Computations(network, a, lambda row: row)
            together = [rows for n in range(0, len(prompts), 5) for rows in some.at(prompts[n : n + 5])]
            for rows, others in zip(together, alone, strict=True):
                assert len(rows) == len(others)
                for one, other in zip((v for r in rows for v in r), (v for r in others for v in r), strict=True):
                    assert one.overlaps(other)  # sums in another order round otherwise
                    assert abs(float(one.rad()) - float(other.rad())) <= 2.0**-26 * float(other.rad()) + 1e-20  # ROUGH


def test_the_last_place_alone_has_the_logits_that_it_has_among_all(tmp_path):
    rng = np.random.default_rng(1)
    for network in networks(tmp_path):
        a, prompts = Arithmetic(ROUNDOFF["float32"]), prompts_of(network, rng)
        every = Computations(network, a, lambda row: row)
        last = Computations(network, a, lambda row: row, at_end=True)
        for n in range(0, len(prompts), 5):
            asked = prompts[n : n + 5]
            for rows, (row,) in zip(every.at(asked), last.at(asked), strict=True):
                assert all(one.overlaps(other) for one, other in zip(rows[-1], row, strict=True))


def test_rows_behind_the_last_attention_are_made_for_the_places_that_are_asked_for():
    network = network_of("circuit", shipped_path("variable_type"))
    prompts = [(0, *word) for word in product((1, 2), repeat=3)]
    every, last = (
        Computations(network, Arithmetic(ROUNDOFF["float32"]), lambda row: row, at_end=at_end)
        for at_end in (False, True)
    )
    assert (len(every.at(prompts)), len(last.at(prompts))) == (8, 8)
    assert (every.made, last.made) == (1 + 2 + 4 + 8, 8)


def test_a_value_that_may_not_be_finite_is_seen_from_the_last_place():
    network = network_of("circuit", shipped_path("quote_closing"))
    prompts = [(0, 1, 2, 1), (0, 2, 2, 1)]
    lost = replace(network, tokens=[[arb.nan()] * len(row) if n == 1 else row for n, row in enumerate(network.tokens)])
    some = Computations(lost, Arithmetic(ROUNDOFF["float32"]), lambda row: row, at_end=True)
    for prompt in (*prompts, (0, 1, 2)):
        assert not any(v.is_finite() for v in some.at([prompt])[0][0])


def alike(scratch, groups, each):
    """A GPT-2 without positions: ``groups`` of tokens with equal embeddings, ``each`` of so many."""
    folder = small_networks.lead_network(scratch / "alike", wiggle=None)
    tensors, rng = parsed((folder / "model.safetensors").read_bytes()), np.random.default_rng(1)
    tensors["wte.weight"] = np.repeat(rng.normal(size=(groups, 4)).astype(np.float32), each, axis=0)
    tensors["lm_head.weight"] = np.zeros((groups * each, 4), np.float32)
    (folder / "model.safetensors").write_bytes(save(tensors))
    (folder / "case.json").unlink()
    config = (folder / "config.json").read_text()
    (folder / "config.json").write_text(config.replace('"vocab_size": 3', f'"vocab_size": {groups * each}'))
    return network_of("gpt2", folder)


def test_so_many_rows_are_made_as_there_are_distinct_ones(tmp_path):
    network, longest = alike(tmp_path, 2, 3), 4
    some = Computations(network, Arithmetic(0.0), lambda row: row)
    some.at([prompt for n in range(1, longest + 1) for prompt in product(range(6), repeat=n)])
    # a row is its own group of two, and how many before and at it are of the first group
    assert some.made == sum(2 * n for n in range(1, longest + 1))


def test_tokens_with_equal_embeddings_and_other_bigrams_are_told_apart(tmp_path):
    plain = alike(tmp_path, 1, 3)
    rows = [[arb(n)] * 3 for n in (0, 5, 5)]
    network = Network(plain.tokens, None, plain.branches, plain.final, plain.longest, bigram=rows)
    found = logits(network, Arithmetic(0.0), [(0,), (1,), (2,)])
    assert [float(row[0][0]) for row in found] == [0, 5, 5]
    some = Computations(network, Arithmetic(0.0), lambda row: row)
    some.at([(0,), (1,), (2,)])
    assert some.made == 2


def test_rows_that_are_not_seen_spoil_a_prompt_when_they_may_not_be_finite(tmp_path):
    network = network_of(
        "gpt2", small_networks.write_network(tmp_path / "g", small_networks.GPT2, small_networks.gpt2_tensors())
    )
    tokens = [*network.tokens[:2], [arb.nan()] * 4]
    spoilt = Network(tokens, network.positions, network.branches, network.final, network.longest)
    fine, last, first = logits(spoilt, Arithmetic(ROUNDOFF["float32"]), [(0, 1), (0, 2), (2, 0)])
    assert all(v.is_finite() for row in fine for v in row)
    assert not any(v.is_finite() for rows in (last, first) for row in rows for v in row)
