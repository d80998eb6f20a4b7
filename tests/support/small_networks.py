"""Small networks as folders: random ones, and one that says which of two tokens there is more of."""

from __future__ import annotations

import json

import numpy as np
from safetensors.numpy import save

DYCK = {"n": 4, "d": 6, "heads": 2, "ff": 5, "layers": 2, "causal": True, "pool": "sum", "note": "toy"}
GPT2 = {"model_type": "gpt2", "vocab_size": 3, "n_positions": 6, "n_embd": 4, "n_layer": 1, "n_head": 2}
WIDTH, LONGEST = 4, 40  # of ``lead_network``


def dyck_tensors(seed=0):
    """Random weights for ``DYCK``."""
    rng, d, ff = np.random.default_rng(seed), DYCK["d"], DYCK["ff"]
    shapes = {"pos": (DYCK["n"], d), "tok.weight": (2, d)}
    for b in range(DYCK["layers"]):
        shapes |= {f"blocks.{b}.W{part}.weight": (d, d) for part in "qkvo"}
        shapes |= {f"blocks.{b}.mlp1.weight": (ff, d), f"blocks.{b}.mlp1.bias": (ff,)}
        shapes |= {f"blocks.{b}.mlp2.weight": (d, ff), f"blocks.{b}.mlp2.bias": (d,)}
    shapes |= {"h1.weight": (d, d), "h1.bias": (d,), "h2.weight": (2, d), "h2.bias": (2,)}
    return {name: 0.5 * rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}


def gpt2_tensors(seed=0):
    """Random weights for ``GPT2``."""
    rng, d = np.random.default_rng(seed), GPT2["n_embd"]
    shapes = {"wte.weight": (3, d), "wpe.weight": (6, d), "ln_f.weight": (d,), "ln_f.bias": (d,)}
    for name, out, into in (
        ("attn.c_attn", 3 * d, d),
        ("attn.c_proj", d, d),
        ("mlp.c_fc", 4 * d, d),
        ("mlp.c_proj", d, 4 * d),
    ):
        shapes |= {f"h.0.{name}.weight": (into, out), f"h.0.{name}.bias": (out,)}
    for name in ("ln_1", "ln_2"):
        shapes |= {f"h.0.{name}.weight": (d,), f"h.0.{name}.bias": (d,)}
    return {f"transformer.{name}": 0.7 * rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}


def write_network(path, config, tensors):
    """The folder ``path`` with these two files."""
    path.mkdir(exist_ok=True)
    (path / "config.json").write_text(json.dumps(config))
    (path / "model.safetensors").write_bytes(save(tensors))
    return path


def lead_network(folder, wiggle=1e-4):
    """A GPT-2 that says a where there are more a than b, else b; ``wiggle``: what positions add, None without any."""
    rng = np.random.default_rng(0)
    config = {"model_type": "gpt2", "vocab_size": 3, "n_positions": LONGEST + 1, "n_embd": WIDTH, "n_layer": 1,
              "n_head": 1, "n_inner": 2, "layer_norm_epsilon": 1e-5}  # fmt: skip
    case = {"name": "lead", "tokens": {"a": 0, "b": 1, "<bos>": 2}, "read_out": {"kind": "argmax_last"},
            "input": {"sequence": "<bos> then the symbols"}, "language": {"alphabet": ["a", "b"]}}  # fmt: skip
    value, back = np.zeros((WIDTH, 3 * WIDTH)), np.zeros((WIDTH, WIDTH))
    value[0, 2 * WIDTH], value[2, 2 * WIDTH] = 1.0, -0.3  # a for, b against, and a little the start
    back[0, 2], back[0, 3] = 4.0, -4.0
    tensors = {"wte.weight": np.array([[1.0, -1, 0, 0], [-1, 1, 0, 0], [0, 0, 1, -1]])}
    if wiggle is None:
        config["position_embedding_type"] = "none"
    else:
        tensors["wpe.weight"] = rng.normal(scale=wiggle, size=(LONGEST + 1, WIDTH))
    for name, table in (("attn.c_attn", value), ("attn.c_proj", back), ("mlp.c_fc", np.zeros((WIDTH, 2))),
                        ("mlp.c_proj", np.zeros((2, WIDTH)))):  # fmt: skip
        tensors |= {f"h.0.{name}.weight": table, f"h.0.{name}.bias": np.zeros(table.shape[1])}
    for norm in ("h.0.ln_1", "h.0.ln_2", "ln_f"):
        tensors |= {f"{norm}.weight": np.ones(WIDTH), f"{norm}.bias": np.zeros(WIDTH)}
    tensors["lm_head.weight"] = np.array([[0, 0, 1.0, -1], [0, 0, -1, 1], [0, 0, 0, 0]])
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config | {"tie_word_embeddings": False}))
    (folder / "case.json").write_text(json.dumps(case))
    stored = {name: table.astype(np.float32) for name, table in tensors.items()}
    (folder / "model.safetensors").write_bytes(save(stored))
    return folder
