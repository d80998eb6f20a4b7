"""Sites are found by the shape of a network, change nothing it computes, and count nodes and edges as by hand."""

from __future__ import annotations

import numpy as np
import pytest
from planted_networks import WIDTH, lead
from random_circuits import CONFIGS, random_circuit
from small_networks import DYCK, GPT2, dyck_tensors, gpt2_tensors, write_network

from tasks.formats import from_circuit, load
from tasks.formats.sparse import sparse_transformer
from tasks.networks import sites
from tasks.networks.interpreter import logits
from tasks.networks.sparse_transformer import LAYER_SITES, NetworkError
from tasks.networks.transformer import Activation, Affine, Mask, Norm, Product, Residual, Transformer, walk

IDS = np.array([[0, 1, 2], [2, 2, 1]])


def folders(tmp_path):
    yield load(write_network(tmp_path / "gpt2", GPT2, gpt2_tensors())).network
    yield load(write_network(tmp_path / "dyck", DYCK, dyck_tensors())).network
    for options in CONFIGS.values():
        yield sparse_transformer(random_circuit(**options).network)
        yield from_circuit(random_circuit(**options)).network


def test_sites_change_nothing_that_is_computed(tmp_path):
    for network in folders(tmp_path):
        ids = IDS % len(network.tokens)
        np.testing.assert_array_equal(logits(sites.with_sites(network), ids), logits(network, ids))


def test_a_sparse_transformer_gets_the_sites_that_its_circuits_have():
    for options in CONFIGS.values():
        circuit = random_circuit(**options)
        found = sites.masks(sites.with_sites(sparse_transformer(circuit.network)))
        assert {site: len(mask.kept) for site, mask in found.items()} == circuit.network.config.site_widths()
        own = sites.with_sites(from_circuit(circuit).network)
        assert {site: mask.kept.tolist() for site, mask in sites.masks(own).items()} == {
            site: kept.tolist() for site, kept in circuit.kept.items()
        }


def test_sites_of_another_transformer_are_named_by_its_layers(tmp_path):
    network = load(write_network(tmp_path / "gpt2", GPT2, gpt2_tensors())).network
    assert list(sites.masks(sites.with_sites(network))) == [*(f"0.{site}" for site in LAYER_SITES), "final_resid"]
    pooled = load(write_network(tmp_path / "dyck", DYCK, dyck_tensors())).network
    assert "head.post_act" in sites.masks(sites.with_sites(pooled))


@pytest.mark.parametrize("options", CONFIGS.values(), ids=CONFIGS)
def test_nodes_and_edges_are_those_counted_by_hand(options):
    circuit = random_circuit(**options)
    network = from_circuit(circuit).network
    assert sites.nodes(network) == circuit.nodes
    total, kept, tensors = 0, circuit.kept, circuit.network.tensors
    for layer in range(circuit.network.config.n_layer):
        at = f"transformer.h.{layer}."
        q, k, v = np.split(tensors[f"{at}attn.c_attn.weight"], 3)
        for weight, target, source in (
            (q, "attn.q", "attn.act_in"),
            (k, "attn.k", "attn.act_in"),
            (v, "attn.v", "attn.act_in"),
            (tensors[f"{at}attn.c_proj.weight"], "attn.resid_delta", "attn.v"),
            (tensors[f"{at}mlp.c_fc.weight"], "mlp.post_act", "mlp.act_in"),
            (tensors[f"{at}mlp.c_proj.weight"], "mlp.resid_delta", "mlp.post_act"),
        ):
            joined = np.outer(kept[f"{layer}.{target}"], kept[f"{layer}.{source}"])
            total += int((joined & (weight != 0)).sum())
    assert sites.edges(network) == total


def test_dropped_nodes_stay_dropped_and_keep_their_means():
    circuit = random_circuit()
    network = from_circuit(circuit).network
    everything = {site: np.ones_like(kept) for site, kept in circuit.kept.items()}
    other = {site: mean + 1 for site, mean in circuit.means.items()}
    for site, mask in sites.masks(sites.with_masks(network, everything, other)).items():
        np.testing.assert_array_equal(mask.kept, circuit.kept[site])
        gone = ~mask.kept
        np.testing.assert_array_equal(mask.means[gone], circuit.means[site][gone].astype(np.float64))
        np.testing.assert_array_equal(mask.means[~gone], other[site][~gone].astype(np.float64))


def test_a_cut_edge_carries_the_mean_of_its_source():
    network = sites.with_sites(lead())
    means = np.arange(WIDTH, dtype=np.float64)

    def change(link: sites.Link) -> Affine:
        if link.name != "0.attn.act_in>0.attn.v":
            return link.affine
        cut = np.zeros_like(link.edges)
        cut[2, 0] = True
        return sites.without(link, cut, means, "float64")

    before = next(link for link in sites.links(network) if link.name == "0.attn.act_in>0.attn.v").affine
    after = next(link for link in sites.links(sites.with_links(network, change)) if link.source.site == "0.attn.act_in"
                 and link.target.site == "0.attn.v").affine  # fmt: skip
    x = np.random.default_rng(0).normal(size=WIDTH)
    at_mean = np.where(np.arange(WIDTH) == 0, means, x)
    expected = before.weight @ x + before.bias
    expected[2] = before.weight[2] @ at_mean + before.bias[2]
    np.testing.assert_allclose(after.weight @ x + after.bias, expected, atol=1e-12)


def test_two_sites_of_one_name_are_refused():
    mask = Mask("same", np.ones(2, bool), np.zeros(2))
    network = Transformer(np.ones((2, 2)), None, (Residual((mask,)), mask), 3)
    with pytest.raises(NetworkError, match="two sites are called 'same'"):
        sites.masks(network)
    assert sum(isinstance(step, Mask) for step in walk(network.steps)) == 2


def test_gated_neurons_are_one_site_with_two_maps_into_it():
    rng = np.random.default_rng(0)

    def some(*shape):
        return rng.normal(size=shape)

    gated = Product((Affine(some(5, 3)), Activation("silu")), (Affine(some(5, 3)),))
    mlp = Residual((Norm("rms", some(3), None, 1e-5), gated, Affine(some(3, 5))))
    network = sites.with_sites(Transformer(some(4, 3), None, (mlp, Affine(some(2, 3))), 6, "float64"))
    assert {site: len(mask.kept) for site, mask in sites.masks(network).items()} == {
        "0.mlp.act_in": 3, "0.mlp.post_act": 5, "0.mlp.resid_delta": 3, "final_resid": 3,
    }  # fmt: skip
    assert [link.name for link in sites.links(network)] == [
        "0.mlp.act_in>0.mlp.post_act", "0.mlp.act_in>0.mlp.post_act:2", "0.mlp.post_act>0.mlp.resid_delta",
    ]  # fmt: skip
    assert sites.edges(network) == 2 * 15 + 15
