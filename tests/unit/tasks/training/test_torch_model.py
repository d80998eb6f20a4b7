"""The torch network against arithmetic by hand, and what a mask with means does to it."""

import math

import numpy as np
import pytest
import torch

from cegis.domain import Domain
from tasks.networks.circuit import Circuit
from tasks.networks.sparse_transformer import FINAL_SITE, Config, Network, NetworkError
from tasks.training.torch_model import circuit_nodes, forward, from_network, keep_all, run_circuit, to_network

SHAPE = {"vocab_size": 4, "n_layer": 2, "n_head": 2, "d_head": 3, "d_model": 5, "d_mlp": 8, "block_size": 7}
OPTIONS = [
    {},
    {"norm": "layer", "norm_eps": 1e-5, "activation": "relu", "positions": True},
    {"sink": True, "bigram": True, "top_k_fraction": 0.5},
    {"sink": True, "top_k_fraction": 0.25, "top_k_sites": ("attn_v", "mlp_neuron"), "positions": True},
]


def random_network(seed=0, **options) -> Network:
    config = Config(**{**SHAPE, **options})
    rng = np.random.default_rng(seed)
    return Network(config, {n: rng.normal(size=s).astype(np.float32) for n, s in config.tensor_shapes().items()})


def by_hand(network: Network, ids: list[int]) -> list[float]:
    """The last position's logits, in plain Python loops straight from the formula."""
    c, w = network.config, {name: tensor.astype(float) for name, tensor in network.tensors.items()}

    def norm(at, x):
        if c.norm == "layer":
            x = x - sum(x) / len(x)
        x = x / math.sqrt(sum(v * v for v in x) / len(x) + c.norm_eps) * w[f"{at}.weight"]
        return x + w[f"{at}.bias"] if c.norm == "layer" else x

    def top(site, x):
        k = c.top_k(site, len(x))
        ranked = sorted(range(len(x)), key=lambda i: -abs(x[i]))[:k]
        return np.array([v if i in ranked else 0.0 for i, v in enumerate(x)])

    def act(v):
        return max(v, 0.0) if c.activation == "relu" else 0.5 * v * (1 + math.erf(v / math.sqrt(2)))

    stream = [w["transformer.wte.weight"][i] for i in ids]
    if c.positions:
        stream = [x + w["transformer.wpe.weight"][position] for position, x in enumerate(stream)]
    heads = c.n_head * c.d_head
    for layer in range(c.n_layer):
        at = f"transformer.h.{layer}."
        rows = []
        for x in stream:
            qkv = w[f"{at}attn.c_attn.weight"] @ top("attn_in", norm(f"{at}ln_1", x)) + w[f"{at}attn.c_attn.bias"]
            parts = (qkv[:heads], qkv[heads : 2 * heads], qkv[2 * heads :])
            rows.append([top(f"attn_{part}", values) for part, values in zip("qkv", parts, strict=True)])
        after = []
        for i, x in enumerate(stream):
            y = np.zeros(heads)
            for head in range(c.n_head):
                own = slice(head * c.d_head, (head + 1) * c.d_head)
                powers = [math.exp(rows[i][0][own] @ rows[j][1][own] / math.sqrt(c.d_head)) for j in range(i + 1)]
                total = sum(powers) + (math.exp(w[f"{at}attn.attn_imp.sink_logit"][head]) if c.sink else 0.0)
                y[own] = sum(power / total * rows[j][2][own] for j, power in enumerate(powers))
            x = x + top("attn_out", w[f"{at}attn.c_proj.weight"] @ y + w[f"{at}attn.c_proj.bias"])
            h = w[f"{at}mlp.c_fc.weight"] @ top("mlp_in", norm(f"{at}ln_2", x)) + w[f"{at}mlp.c_fc.bias"]
            h = top("mlp_neuron", np.array([act(v) for v in h]))
            after.append(x + top("mlp_out", w[f"{at}mlp.c_proj.weight"] @ h + w[f"{at}mlp.c_proj.bias"]))
        stream = after
    logits = w["lm_head.weight"] @ norm("transformer.ln_f", stream[-1]) + w["final_logits_bias"]
    return list(logits + w["bigram_table"][ids[-1]] if c.bigram else logits)


@pytest.mark.parametrize("options", OPTIONS)
def test_the_network_computes_its_formula(options):
    network = random_network(**options)
    rng = np.random.default_rng(1)
    for length in (1, 2, 7):
        ids = rng.integers(0, 4, (3, length))
        logits = forward(network.config, from_network(network, np.float64), torch.from_numpy(ids))[:, -1]
        expected = [by_hand(network, list(row)) for row in ids]
        np.testing.assert_allclose(logits.numpy(), expected, rtol=0, atol=1e-12)


def test_later_tokens_do_not_change_earlier_logits():
    network = random_network(sink=True, top_k_fraction=0.5)
    ids = torch.tensor([[0, 1, 2, 3, 3]])
    whole = forward(network.config, from_network(network, np.float64), ids)
    part = forward(network.config, from_network(network, np.float64), ids[:, :3])
    torch.testing.assert_close(whole[:, :3], part)


def test_a_network_survives_torch_unchanged():
    network = random_network(positions=True)
    back = to_network(network.config, from_network(network))
    for name, tensor in network.tensors.items():
        np.testing.assert_array_equal(back.tensors[name], tensor)


def test_too_many_tokens_are_refused():
    network = random_network()
    with pytest.raises(NetworkError, match="at most 7 tokens"):
        forward(network.config, from_network(network), torch.zeros(1, 8, dtype=torch.int64))


def random_circuit(kept_share: float, seed=0) -> Circuit:
    network = random_network(seed, sink=True, top_k_fraction=0.5)
    rng, widths = np.random.default_rng(seed), network.config.site_widths()
    return Circuit(
        name="random",
        summary="",
        network=network,
        vocabulary=("BOS", "a", "b", "c"),
        prefix=("BOS",),
        labels=("c", "a"),
        domain=Domain(("c", "a", "b"), 0, 6),
        kept={site: rng.random(width) < kept_share for site, width in widths.items()},
        means={site: rng.normal(size=width).astype(np.float32) for site, width in widths.items()},
    )


def test_keeping_every_node_is_the_full_network():
    circuit = random_circuit(1.0)
    sequences = circuit.domain.sequences(4)
    weights = from_network(circuit.network, np.float64)
    full = forward(circuit.network.config, weights, torch.from_numpy(circuit.prompt_ids(sequences)), keep_all)
    np.testing.assert_array_equal(run_circuit(circuit, sequences), full[:, -1, list(circuit.label_ids)].numpy())
    assert np.ptp(run_circuit(circuit, sequences), axis=0).min() > 0.1


def test_keeping_no_node_answers_the_same_to_everything():
    circuit = random_circuit(0.0)
    logits = np.vstack([run_circuit(circuit, circuit.domain.sequences(length)) for length in range(5)])
    assert np.ptp(logits, axis=0).max() < 1e-12
    tensors, mean = circuit.network.tensors, circuit.means[FINAL_SITE].astype(float)
    normed = mean / np.sqrt((mean**2).mean() + circuit.network.config.norm_eps) * tensors["transformer.ln_f.weight"]
    expected = tensors["lm_head.weight"].astype(float) @ normed + tensors["final_logits_bias"]
    np.testing.assert_allclose(logits[0], expected[list(circuit.label_ids)], rtol=0, atol=1e-12)


def test_a_mask_acts_after_top_k_and_replaces_by_the_mean():
    circuit = random_circuit(0.5)
    weights = from_network(circuit.network, np.float64)
    kept = {site: torch.from_numpy(mask.astype(float)) for site, mask in circuit.kept.items()}
    means = {site: torch.from_numpy(mean.astype(float)) for site, mean in circuit.means.items()}
    masked, seen = circuit_nodes(kept, means), {}

    def watch(site, x):
        seen[site] = (x, masked(site, x))
        return seen[site][1]

    forward(circuit.network.config, weights, torch.from_numpy(circuit.prompt_ids(circuit.domain.sequences(3))), watch)
    assert seen.keys() == circuit.network.config.site_widths().keys()
    for site, (before, after) in seen.items():
        mask = torch.from_numpy(circuit.kept[site])
        torch.testing.assert_close(after[..., mask], before[..., mask], rtol=0, atol=0)
        torch.testing.assert_close(after[..., ~mask], means[site][~mask].expand_as(after[..., ~mask]), rtol=0, atol=0)
    assert ((seen["0.attn.q"][0] != 0).sum(dim=-1) == 3).all()


def test_single_and_double_precision_agree_to_single_precision():
    circuit = random_circuit(0.5, seed=2)
    sequences = circuit.domain.sequences(5)
    single, double = run_circuit(circuit, sequences, np.float32), run_circuit(circuit, sequences)
    assert (single.dtype, double.dtype) == (np.float32, np.float64)
    assert single.shape == (243, 2)
    np.testing.assert_allclose(single, double, rtol=0, atol=1e-4)


def test_an_empty_prompt_is_refused():
    circuit = random_circuit(0.5)
    with pytest.raises(NetworkError, match="the empty sequence is no prompt"):
        Circuit(**{**vars(circuit), "prefix": ()})
