"""Compiled networks: a hand-compiled one, and the function of the architecture on random weights."""

import numpy as np
import pytest
from json_junk import read_junk
from tracr_networks import ENCODING, HEADS, KEY, LAYERS, POSITIONS, case, folder, tensors

from tasks.formats import Question, load
from tasks.networks.interpreter import logits
from tasks.networks.readout import Argmax, Rounded
from tasks.networks.sparse_transformer import NetworkError


def reference(weights, ids, causal):
    """One prompt at a time, one head at a time, one position at a time."""
    w = {name: tensor.astype(np.float64) for name, tensor in weights.items()}
    x = w["token_embed/embeddings"][ids] + w["pos_embed/embeddings"][: len(ids)]
    for n in range(LAYERS):

        def linear(name, rows, at=f"transformer/layer_{n}/"):
            return rows @ w[f"{at}{name}/w"] + w[f"{at}{name}/b"]

        q, k, v = (linear(f"attn/{part}", x) for part in ("query", "key", "value"))
        y = np.zeros_like(q)
        for i in range(len(ids)):
            for at in (slice(h * KEY, h * KEY + KEY) for h in range(HEADS)):
                stop = i + 1 if causal else len(ids)
                p = np.exp(k[:stop, at] @ q[i, at] / np.sqrt(KEY))
                y[i, at] = p @ v[:stop, at] / p.sum()
        x = x + linear("attn/linear", y)
        x = x + linear("mlp/linear_2", np.maximum(linear("mlp/linear_1", x), 0))
    return x


@pytest.mark.parametrize("causal", [True, False])
def test_the_function_is_that_of_the_architecture(tmp_path, causal):
    loaded = load(folder(tmp_path, case(causal=causal)))
    ids = np.random.default_rng(1).integers(0, 4, (5, POSITIONS))
    for row, got in zip(ids, logits(loaded.network, ids), strict=True):
        assert np.allclose(got, reference(tensors(), row, causal), rtol=0, atol=1e-11)


def test_every_position_after_bos_is_read(tmp_path):
    loaded = load(folder(tmp_path))
    assert loaded.readout == Argmax(("x", "y"), (1, 4), position="every")
    assert (loaded.prefix, loaded.domain.alphabet) == (("BOS",), ("a", "b"))
    assert (loaded.domain.min_length, loaded.domain.max_length) == (1, 4)
    labels, margins = loaded.labels(np.array([[0, 1, 1]]))
    final = reference(tensors(), [0, 2, 3, 3], causal=False)[1:]
    assert labels.tolist() == [(final[:, 4] > final[:, 1]).astype(int).tolist()]
    assert np.allclose(margins[0], np.abs(final[:, 4] - final[:, 1]))


def test_an_average_over_positions_reads_as_a_fraction(tmp_path):
    """By hand: a uniform causal head writes the share of a among BOS and the tokens so far into column 5."""
    weights = {name: np.zeros_like(tensor) for name, tensor in tensors().items()}
    weights["token_embed/embeddings"][ENCODING["a"], 0] = 1
    weights["transformer/layer_0/attn/value/w"][0, 0] = 1
    weights["transformer/layer_0/attn/linear/w"][0, 5] = 1
    said = {**case(causal=True), "read_out": {"kind": "numerical", "columns": [5]}}
    loaded = load(folder(tmp_path, said, weights))
    assert loaded.readout == Rounded(5, 4, "every")
    labels, _ = load(folder(tmp_path, said, weights), Question(readout=Rounded(5, 5, "every"))).labels(
        np.array([[0, 1, 0, 1]])
    )
    assert [str(Rounded(5, 5).value(int(label))) for label in labels[0]] == ["1/2", "1/3", "1/2", "2/5"]


def test_a_question_may_name_residual_columns(tmp_path):
    loaded = load(folder(tmp_path), Question(answers=("r0", "r2", "r3")))
    assert loaded.readout == Argmax(("r0", "r2", "r3"), (0, 2, 3))


@pytest.mark.parametrize(
    ("said", "message"),
    [
        (case(layer_norm=True), "layer_norm"),
        (case(activation="gelu"), "activation"),
        (case(causal="no"), "causal"),
        (case(num_heads=4), "shape"),
        (case(num_layers=3), "missing"),
        ({**case(), "read_out": {"kind": "numerical", "columns": [1, 2]}}, "one column"),
        ({**case(), "read_out": {"kind": "categorical", "columns": [1], "values": ["x"]}}, "2 or more"),
        ({**case(), "read_out": {"kind": "categorical", "columns": [1, 6], "values": ["x", "y"]}}, "outputs"),
        ({**case(), "input": {**case()["input"], "max_length": 5}}, "no prompts"),
        ({**case(), "input": {**case()["input"], "encoding": {"a": 0, "b": 1, "c": 2, "d": 3}}}, "BOS"),
        ({**case(), "input": {**case()["input"], "encoding": {"a": 0, "b": 5, "BOS": 2}}}, "ids 0 to 2"),
    ],
)
def test_what_is_not_understood_is_refused(tmp_path, said, message):
    with pytest.raises(NetworkError, match=message):
        load(folder(tmp_path, said))


def test_junk_in_the_description_is_read_or_refused_in_a_sentence(tmp_path):
    read_junk(folder(tmp_path), {"case.json": case()}, load)
