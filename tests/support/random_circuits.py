"""Circuits with random weights, their changes, and their logits straight from the formula."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from scipy.special import erf

from cegis.domain import Domain
from tasks.networks.circuit import Circuit
from tasks.networks.sparse_transformer import Config, Network

VOCABULARY = ("<s>", "a", "b", "c", "yes", "no", "maybe")
SMALL = {"vocab_size": 7, "n_layer": 2, "n_head": 2, "d_head": 4, "d_model": 8, "d_mlp": 12, "block_size": 12}
CONFIGS = {
    "rms, gelu": {},
    "layer norm, relu": {"norm": "layer", "norm_eps": 1e-5, "activation": "relu"},
    "sink": {"sink": True},
    "positions": {"positions": True, "activation": "relu"},
    "bigram": {"bigram": True, "n_layer": 1},
    "top-k everywhere": {"top_k_fraction": 0.5, "sink": True},
    "top-k at two sites": {"top_k_fraction": 0.4, "top_k_sites": ("attn_in", "mlp_neuron"), "norm": "layer"},
}


def random_circuit(seed: int = 0, share: float = 0.6, prefix: tuple[str, ...] = ("<s>",), **options: object) -> Circuit:
    """Weights of order 1, a random ``share`` of the nodes kept, three labels, three letters up to length 4."""
    rng = np.random.default_rng(seed)
    config = Config(**{**SMALL, **options})
    tensors = {}
    for name, shape in config.tensor_shapes().items():
        inner = math.sqrt(shape[1]) if len(shape) == 2 and "wte" not in name else 1.0
        gain = 1.0 if ".ln_" in name and name.endswith("weight") else 0.0
        tensors[name] = (gain + rng.normal(size=shape) / inner * (0.3 if gain else 1.0)).astype(np.float32)
    sites = config.site_widths().items()
    kept = {site: rng.random(width) < share for site, width in sites}
    means = {site: (0.3 * rng.normal(size=width)).astype(np.float32) for site, width in sites}
    domain = Domain(("a", "b", "c"), 1, 4)
    network = Network(config, tensors)
    return Circuit("toy", "random", network, VOCABULARY, prefix, ("yes", "no", "maybe"), domain, kept, means)


def with_tensors(circuit: Circuit, **changes: np.ndarray) -> Circuit:
    """The circuit with other tensors; ``__`` stands for a dot."""
    new = {name.replace("__", "."): np.asarray(value, np.float32) for name, value in changes.items()}
    return replace(circuit, network=Network(circuit.network.config, {**circuit.network.tensors, **new}))


def with_kept(circuit: Circuit, kept: Mapping[str, bool]) -> Circuit:
    """The circuit with all or none of the nodes kept at some sites."""
    masks = {site: np.full_like(circuit.kept[site], flag) for site, flag in kept.items()}
    return replace(circuit, kept={**circuit.kept, **masks})


def naive_logits(circuit: Circuit, ids: np.ndarray, dtype: type) -> np.ndarray:
    """Label logits of one prompt, straight from the formula of ``sparse_transformer``; every step in ``dtype``."""
    config = circuit.network.config
    w = {name: tensor.astype(dtype) for name, tensor in circuit.network.tensors.items()}

    def norm(name: str, x: np.ndarray) -> np.ndarray:
        z = x - x.mean() if config.norm == "layer" else x
        y = z / np.sqrt((z * z).mean() + dtype(config.norm_eps)) * w[f"{name}.weight"]
        return y + w[f"{name}.bias"] if config.norm == "layer" else y

    def node(site: str, top_k_site: str | None, x: np.ndarray) -> np.ndarray:
        k = None if top_k_site is None else config.top_k(top_k_site, len(x))
        if k is not None:
            x = np.where(np.isin(np.arange(len(x)), np.argsort(-np.abs(x), kind="stable")[:k]), x, dtype(0))
        return np.where(circuit.kept[site], x, circuit.means[site].astype(dtype))

    stream = [w["transformer.wte.weight"][t] for t in ids]
    if config.positions:
        stream = [x + w["transformer.wpe.weight"][i] for i, x in enumerate(stream)]
    for layer in range(config.n_layer):
        at = f"transformer.h.{layer}."
        q, k, v = [], [], []
        for x in stream:
            u = node(f"{layer}.attn.act_in", "attn_in", norm(f"{at}ln_1", x))
            parts = np.split(w[f"{at}attn.c_attn.weight"] @ u + w[f"{at}attn.c_attn.bias"], 3)
            for rows, name, part in zip((q, k, v), "qkv", parts, strict=True):
                rows.append(node(f"{layer}.attn.{name}", f"attn_{name}", part).reshape(config.n_head, config.d_head))
        after = []
        for i, x in enumerate(stream):
            heads = []
            for h in range(config.n_head):
                scores = np.array([(q[i][h] @ k[j][h]) / dtype(math.sqrt(config.d_head)) for j in range(i + 1)])
                sink = [w[f"{at}attn.attn_imp.sink_logit"][h]] if config.sink else []
                terms = np.exp(np.append(scores, sink).astype(dtype) - scores.max())
                weights = terms / terms.sum()
                heads.append(sum(weights[j] * v[j][h] for j in range(i + 1)))
            y = w[f"{at}attn.c_proj.weight"] @ np.concatenate(heads) + w[f"{at}attn.c_proj.bias"]
            x = x + node(f"{layer}.attn.resid_delta", "attn_out", y)
            u = node(f"{layer}.mlp.act_in", "mlp_in", norm(f"{at}ln_2", x))
            h = w[f"{at}mlp.c_fc.weight"] @ u + w[f"{at}mlp.c_fc.bias"]
            gelu = h * dtype(0.5) * (dtype(1) + erf(h * dtype(math.sqrt(0.5))))
            h = node(f"{layer}.mlp.post_act", "mlp_neuron", gelu if config.activation == "gelu" else np.maximum(h, 0))
            y = w[f"{at}mlp.c_proj.weight"] @ h + w[f"{at}mlp.c_proj.bias"]
            after.append(x + node(f"{layer}.mlp.resid_delta", "mlp_out", y))
        stream = after
    logits = w["lm_head.weight"] @ norm("transformer.ln_f", node("final_resid", None, stream[-1]))
    logits = logits + w["final_logits_bias"] + (w["bigram_table"][ids[-1]] if config.bigram else dtype(0))
    assert logits.dtype == dtype
    return logits[list(circuit.label_ids)]
