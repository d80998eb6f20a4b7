"""Small random networks in the layout of tracr, as folders."""

from __future__ import annotations

import json

import numpy as np
from safetensors.numpy import save_file

ENCODING = {"BOS": 0, "compiler_pad": 1, "a": 2, "b": 3}
D, HEADS, KEY, INNER, LAYERS, POSITIONS = 6, 2, 2, 3, 2, 5


def case(**changes):
    """What ``case.json`` says, with other entries of its architecture."""
    shape = {
        "num_layers": LAYERS, "num_heads": HEADS, "key_size": KEY, "d_model": D, "mlp_hidden": INNER, "causal": False,
        "layer_norm": False, "activation": "relu", "residual_labels": [f"r{n}" for n in range(D)],
    }  # fmt: skip
    return {
        "name": "toy",
        "architecture": {**shape, **changes},
        "input": {"vocabulary": ["a", "b"], "encoding": ENCODING, "max_length": 4},
        "read_out": {"kind": "categorical", "columns": [1, 4], "values": ["x", "y"]},
    }


def tensors(seed=0):
    """Random weights of the network that ``case`` describes."""
    rng, heads = np.random.default_rng(seed), HEADS * KEY
    shapes = {"token_embed/embeddings": (4, D), "pos_embed/embeddings": (POSITIONS, D)}
    for n in range(LAYERS):
        maps = {f"attn/{part}": (D, heads) for part in ("query", "key", "value")}
        maps |= {"attn/linear": (heads, D), "mlp/linear_1": (D, INNER), "mlp/linear_2": (INNER, D)}
        for name, shape in maps.items():
            shapes |= {f"transformer/layer_{n}/{name}/w": shape, f"transformer/layer_{n}/{name}/b": shape[1:]}
    return {name: rng.normal(0, 0.5, size=shape).astype(np.float32) for name, shape in shapes.items()}


def folder(path, said=None, weights=None):
    """The folder ``path`` with both files."""
    path.mkdir(exist_ok=True)
    (path / "case.json").write_text(json.dumps(said or case()))
    save_file(tensors() if weights is None else weights, path / "model.safetensors")
    return path
