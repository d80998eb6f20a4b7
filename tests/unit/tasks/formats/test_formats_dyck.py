"""The pooled Dyck transformers: the function of the architecture on random weights."""

import json

import numpy as np
import pytest
import torch
from json_junk import read_junk
from safetensors.numpy import save_file
from torch.nn import functional

from tasks.formats import Question, load
from tasks.networks.readout import Argmax
from tasks.networks.sparse_transformer import NetworkError

CONFIG = {"n": 4, "d": 6, "heads": 2, "ff": 5, "layers": 2, "causal": True, "pool": "sum", "note": "toy"}


def tensors():
    rng, d, ff = np.random.default_rng(0), CONFIG["d"], CONFIG["ff"]
    shapes = {"pos": (CONFIG["n"], d), "tok.weight": (2, d)}
    for b in range(CONFIG["layers"]):
        shapes |= {f"blocks.{b}.W{part}.weight": (d, d) for part in "qkvo"}
        shapes |= {f"blocks.{b}.mlp1.weight": (ff, d), f"blocks.{b}.mlp1.bias": (ff,)}
        shapes |= {f"blocks.{b}.mlp2.weight": (d, ff), f"blocks.{b}.mlp2.bias": (d,)}
    shapes |= {"h1.weight": (d, d), "h1.bias": (d,), "h2.weight": (2, d), "h2.bias": (2,)}
    return {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}


def folder(path, config=None, weights=None):
    path.mkdir(exist_ok=True)
    (path / "config.json").write_text(json.dumps(config or CONFIG))
    save_file(weights or tensors(), path / "model.safetensors")
    return path


def reference(ids, causal, pool):
    w = {name: torch.tensor(tensor, dtype=torch.float64) for name, tensor in tensors().items()}
    z = w["tok.weight"][torch.tensor(ids).long()] + w["pos"]
    for b in range(CONFIG["layers"]):
        q, k, v = (
            functional.linear(z, w[f"blocks.{b}.W{p}.weight"]).unflatten(-1, (2, 3)).transpose(1, 2) for p in "qkv"
        )
        y = functional.scaled_dot_product_attention(q, k, v, is_causal=causal).transpose(1, 2).flatten(2)
        z = z + functional.linear(y, w[f"blocks.{b}.Wo.weight"])
        hidden = functional.relu(functional.linear(z, w[f"blocks.{b}.mlp1.weight"], w[f"blocks.{b}.mlp1.bias"]))
        z = z + functional.linear(hidden, w[f"blocks.{b}.mlp2.weight"], w[f"blocks.{b}.mlp2.bias"])
    pooled = {"sum": z.sum(1), "mean": z.mean(1), "last": z[:, -1]}[pool]
    hidden = functional.relu(functional.linear(pooled, w["h1.weight"], w["h1.bias"]))
    return functional.linear(hidden, w["h2.weight"], w["h2.bias"]).numpy()


@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("pool", ["sum", "mean", "last"])
def test_the_function_is_that_of_the_architecture(tmp_path, causal, pool):
    loaded = load(folder(tmp_path, {**CONFIG, "causal": causal, "pool": pool}))
    every = loaded.domain.sequences(4)
    assert len(every) == 16
    assert np.allclose(loaded.logits(every), reference(every, causal, pool), rtol=0, atol=1e-11)


def test_a_sequence_has_exactly_n_brackets_and_output_one_means_valid(tmp_path):
    loaded = load(folder(tmp_path))
    assert (loaded.domain.alphabet, list(loaded.domain.lengths)) == (("(", ")"), [4])
    assert loaded.readout == Argmax(("not valid", "valid"), (0, 1))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"heads": 4}, "equal heads"),
        ({"causal": 1}, "causal"),
        ({"pool": "max"}, "pool"),
        ({"n": 5}, "shape"),
        ({"layers": 3}, "missing"),
        ({"norm": "layer"}, "'norm'"),
    ],
)
def test_what_is_not_understood_is_refused(tmp_path, change, message):
    with pytest.raises(NetworkError, match=message):
        load(folder(tmp_path, {**CONFIG, **change}))
    with pytest.raises(NetworkError, match="a row for each"):
        load(folder(tmp_path), Question(readout=Argmax(("a", "b"), (0, 1), "every")))
    with pytest.raises(NetworkError, match="no circuits or tasks"):
        load(folder(tmp_path), Question(circuit=True))


def test_junk_in_the_description_is_read_or_refused_in_a_sentence(tmp_path):
    read_junk(folder(tmp_path), {"config.json": CONFIG}, load)
