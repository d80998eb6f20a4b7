"""Training and pruning: sparse as told, the same again from the same seed, and cards that tell the truth."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from cegis.domain import Domain
from tasks.formats.circuit_folder import load_circuit, shipped_names, shipped_path
from tasks.networks.sparse_transformer import NetworkError
from tasks.training import train as training
from tasks.training.pruning import edges, prune
from tasks.training.recipes import TASKS, Recipe, task
from tasks.training.train import make_circuit, score, train


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def small(steps=150, **recipe):
    """Close a quote within four tokens: seconds instead of minutes."""
    asked = task("quote_closing")
    config = replace(asked.config, n_layer=1, n_head=1, d_model=8, d_mlp=8, top_k_fraction=0.5)
    short = asked.domain.up_to(4)
    recipe = Recipe(**{"steps": steps, "density": 0.3, "prune_steps": 60, "batch": 32, **recipe})
    return replace(asked, config=config, domain=short, taught=short, recipe=recipe)


@pytest.mark.slow
def test_the_same_seed_gives_the_same_circuit_and_another_seed_another():
    first, again, other = (make_circuit(small(50, prune_steps=20), seed) for seed in (0, 0, 1))
    for name, tensor in first.network.tensors.items():
        np.testing.assert_array_equal(tensor, again.network.tensors[name])
    for site, mask in first.kept.items():
        np.testing.assert_array_equal(mask, again.kept[site])
        np.testing.assert_array_equal(first.means[site], again.means[site])
    name = "lm_head.weight"
    assert not np.array_equal(first.network.tensors[name], other.network.tensors[name])


@pytest.mark.slow
def test_pruning_keeps_every_answer_and_drops_nodes():
    asked = small()
    circuit = make_circuit(asked, 0)
    total = sum(circuit.network.config.site_widths().values())
    result = score(asked, circuit, 4)
    assert result["right"] == result["of"] == asked.domain.size()
    assert result["min_margin"] >= asked.recipe.margin - 1e-3
    assert 0 < circuit.nodes < total / 3


def test_training_leaves_the_promised_fraction_of_weights():
    network = train(small(steps=20, density=0.1), 0)
    for name, tensor in network.tensors.items():
        if tensor.ndim == 2:
            assert (np.count_nonzero(tensor, axis=1) >= 2).all(), name
            assert np.count_nonzero(tensor) <= max(0.1 * tensor.size, 1) + 2 * len(tensor), name


def test_a_network_that_learnt_nothing_is_not_pruned():
    asked = small(steps=1)
    with pytest.raises(NetworkError, match="train longer"):
        prune(asked, train(asked, 0), 0)


def test_edges_join_two_kept_nodes():
    asked = small(steps=20)
    network = train(asked, 0)
    nothing = {site: np.zeros(width, bool) for site, width in asked.config.site_widths().items()}
    assert edges(network, nothing) == 0
    everything = {site: ~mask for site, mask in nothing.items()}
    matrices = [t for name, t in network.tensors.items() if ".h." in name and t.ndim == 2]
    assert edges(network, everything) == sum(np.count_nonzero(t) for t in matrices)
    one_source = {**everything, "0.mlp.post_act": np.arange(8) == 3, "0.attn.resid_delta": nothing["final_resid"]}
    expected = np.count_nonzero(network.tensors["transformer.h.0.attn.c_attn.weight"])
    expected += np.count_nonzero(network.tensors["transformer.h.0.mlp.c_fc.weight"][3])
    expected += np.count_nonzero(network.tensors["transformer.h.0.mlp.c_proj.weight"][:, 3])
    assert edges(network, one_source) == expected


@pytest.mark.parametrize("name", TASKS)
def test_samples_are_uniform_over_the_domain(name):
    domain = task(name).domain
    length = 4
    words = [domain.words(row) for row in domain.sample(length, 4000, np.random.default_rng(0))]
    assert all(domain.contains(word) for word in words)
    count = domain.count(length)
    _, hits = np.unique(words, axis=0, return_counts=True)
    assert len(hits) == count
    assert ((hits - 4000 / count) ** 2).sum() / (4000 / count) < count + 5 * (2 * count) ** 0.5  # chi squared


ANSWERS = {
    "quote_closing": {("x", "'", "y"): "'", ('"', "x"): '"'},
    "bracket_depth": {("[", "["): "]]", ("[", "]", "[", "x"): "]", ("]", "[", "[", "["): "]]", ("x",): "]"},
    "bracket_dilution": {("[", "[", "x", "x", "x"): "]]", ("[", "x", "x", "x", "x"): "]"},
    "variable_type": {
        ("a", "=set()", "b", '=""', ";", "b"): "+=",
        ("a", "=set()", ";", "b", '=""', "a"): ".add",
        ("c", '=""', "c"): "+=",
    },
    "bracket_depth_deep": {("[", "[", "[", "[", "]"): "3", ("[", "]"): "0", ("x",): "0"},
}


@pytest.mark.parametrize("name", TASKS)
def test_true_answers(name):
    for words, label in ANSWERS[name].items():
        assert task(name).domain.contains(words)
        assert task(name).label(words) == label


OUTSIDE = {
    "quote_closing": [("x",), ("'", "'"), ("'", '"')],
    "variable_type": [
        ("a",),
        ("a", "=set()", "b"),
        ("a", ";", "=set()", "a"),
        ("a", '=""', "a", '=""', "a"),
        ("a", '=""', "a", ";"),
    ],
    "bracket_depth_deep": [("]",), ("[",) * 5],
}


@pytest.mark.parametrize("name", OUTSIDE)
def test_sequences_outside_the_domain(name):
    for words in OUTSIDE[name]:
        assert not task(name).domain.contains(words)


@pytest.mark.parametrize("name", shipped_names())
def test_a_shipped_circuit_is_what_its_card_says(name):
    circuit, asked = load_circuit(shipped_path(name)), task(name)
    card = circuit.card
    assert (circuit.domain, circuit.labels, circuit.prefix) == (asked.domain, asked.labels, asked.prefix)
    assert circuit.network.config == asked.config
    assert card["nodes"] == circuit.nodes
    assert card["edges"] == edges(circuit.network, circuit.kept)
    assert card["of"] == circuit.domain.up_to(10).size()
    here = score(asked, circuit, 6)
    wrong = here["of"] - here["right"]
    assert wrong <= card["of"] - card["right"]
    assert here["min_margin"] >= card["min_margin"]
    if name == "bracket_dilution":
        assert wrong > 0
    else:
        assert card["right"] == card["of"]
        assert card["min_margin"] >= asked.recipe.margin


def test_the_diluting_circuit_is_right_where_it_was_taught():
    asked = task("bracket_dilution")
    circuit = load_circuit(shipped_path("bracket_dilution"))
    for length in (5, 7):
        only = Domain(asked.domain.alphabet, length, length)
        result = score(asked, replace(circuit, domain=replace(only, max_length=16)), length)
        assert result["right"] == result["of"] == 3**length


def test_an_unknown_task_lists_the_known_ones():
    run = CliRunner().invoke(training.main, ["nonsense"])
    assert run.exit_code != 0
    assert "quote_closing" in run.output
