"""The SMT-friendly transformers: the architecture, its tasks, and circuits given as edges."""

import pytest
from json_junk import read_junk
from sparsemax_networks import (
    ALL,
    CASE,
    CIRCUIT,
    CONFIG,
    EDGES,
    TASK,
    VOCAB,
    D,
    agrees,
    before,
    circuit,
    folder,
    stored,
)

from tasks.formats import load
from tasks.networks.readout import Argmax
from tasks.networks.sparse_transformer import NetworkError


def test_the_function_is_that_of_the_architecture(tmp_path):
    loaded = load(folder(tmp_path), TASK)
    assert agrees(loaded.network, before)
    assert (loaded.format, loaded.network.dtype) == ("sparsemax", "float32")


def test_a_circuit_reads_only_its_edges(tmp_path):
    loaded = load(folder(tmp_path, circuit=circuit(EDGES)), CIRCUIT)
    assert agrees(loaded.network, lambda node: [source for source, target in EDGES if target == node])
    assert not agrees(loaded.network, before)


def test_the_circuit_of_all_edges_is_the_network(tmp_path):
    edges = [(source, node) for node in [*ALL[1:], "logits"] for source in before(node)]
    assert agrees(load(folder(tmp_path, circuit=circuit(edges)), CIRCUIT).network, before)


@pytest.mark.parametrize(
    "edges",
    [
        [("mlp_1", "mlp_0"), ("mlp_0", "logits")],
        [("emb", "attn_0_h_2"), ("emb", "logits")],
        [("emb", "attn_0_h_0"), ("attn_0_h_0", "attn_0_h_1"), ("attn_0_h_1", "logits")],
        [("mlp_0", "logits")],
        [("emb", "mlp_0")],
        [("emb", "logits"), ("emb", "logits")],
    ],
)
def test_edges_that_make_no_circuit_are_refused(tmp_path, edges):
    with pytest.raises(NetworkError):
        load(folder(tmp_path, circuit=circuit(edges)), CIRCUIT)


def test_a_task_names_its_prompt_domain_and_answers(tmp_path):
    loaded = load(folder(tmp_path), TASK)
    assert (loaded.prefix, loaded.readout) == (("<BOS>", "<T>"), Argmax(("x", "y"), (3, 4)))
    assert loaded.vocabulary == ("<PAD>", "<BOS>", "<T>", "x", "y", "#5")
    assert loaded.domain.size() == 6 * 2 * 6  # the opener is at the second place
    assert loaded.domain.contains(("#5", "y", "<PAD>"))
    assert not loaded.domain.contains(("y", "#5", "<PAD>"))
    assert load(folder(tmp_path / "bare", case=None), TASK).domain.size() == 6**3
    with pytest.raises(NetworkError, match="one of copy"):
        load(folder(tmp_path))


@pytest.mark.parametrize(
    ("config", "smt", "message"),
    [
        ({"norm_variant": "signed_l1_band_norm"}, {}, "norm_variant"),
        ({"attn_variant": "linear"}, {"attn_variant": "linear"}, "attn_variant"),
        ({"activation_variant": "silu"}, {"activation_variant": "silu"}, "silu"),
        ({"use_bias": False}, {}, "use_bias"),
        ({"rope": True}, {}, "rope"),
        ({}, {"n_heads": 1}, "n_heads"),
        ({}, {"program_heads": [{"layer": 0}]}, "program_heads"),
        ({}, {"wte": [[0.0] * D]}, "shape"),
        ({}, {"wte": [[0.0] * D, [0.0]]}, "different lengths"),
        ({}, {"wte": "none"}, "array of numbers"),
        ({}, {"extra": [1.0]}, "unexpected"),
        ({"bos_token_id": 6}, {}, "bos_token_id"),
    ],
)
def test_what_is_not_understood_is_refused(tmp_path, config, smt, message):
    with pytest.raises(NetworkError, match=message):
        load(folder(tmp_path, {**CONFIG, **config}, stored(**smt)), TASK)


def test_junk_in_the_descriptions_is_read_or_refused_in_a_sentence(tmp_path):
    edges = circuit([("emb", "mlp_0"), ("mlp_0", "logits")])
    described = {"config.json": CONFIG, "vocab.json": VOCAB, "case.json": CASE, "circuit_copy.json": edges}
    read_junk(folder(tmp_path, circuit=edges), described, lambda path: load(path, CIRCUIT))
