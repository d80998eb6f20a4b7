"""Small networks with sparsemax attention, as folders, and their formula."""

import json

import numpy as np

from tasks.formats import Question
from tasks.networks.interpreter import logits

D, HEADS, LAYERS, INNER, VOCABULARY, LENGTH = 4, 2, 2, 3, 6, 5
HEAD = D // HEADS
CONFIG = {
    "vocab_size": VOCABULARY, "max_seq_len": LENGTH, "d_model": D, "n_layers": LAYERS, "n_heads": HEADS,
    "d_mlp": INNER, "norm_variant": "none", "attn_variant": "sparsemax", "activation_variant": "leaky_relu",
    "bos_token_id": 1, "leaky_relu_negative_slope": 0.25, "use_bias": True, "dropout": 0.0,
}  # fmt: skip
SAME = ("d_model", "n_layers", "n_heads", "vocab_size", "norm_variant", "attn_variant", "activation_variant")
VOCAB = {
    "token_names": {"0": "<PAD>", "1": "<BOS>", "2": "<T>", "3": "x", "4": "y"},
    "task_names": {"2": "copy"},
    "task_to_candidates": {"2": [3, 4]},
}
CASE = {"input": {"sequence": "[BOS=1, task, x1, opener, x2]", "tasks": {"copy": {"openers": [3, 4]}}}}
TASK, CIRCUIT = Question(task="copy"), Question(task="copy", circuit=True)


def arrays():
    rng = np.random.default_rng(0)
    shapes = {"wte": (VOCABULARY, D), "wpe": (LENGTH, D), "lm_head": (VOCABULARY, D), "lm_head_bias": (VOCABULARY,)}
    for n in range(LAYERS):
        shapes |= {f"attn_{n}_W_{part}": (D, D) for part in "qkvo"} | {f"attn_{n}_b_{part}": (D,) for part in "qkvo"}
        shapes |= {f"mlp_{n}_W_up": (INNER, D), f"mlp_{n}_b_up": (INNER,)}
        shapes |= {f"mlp_{n}_W_down": (D, INNER), f"mlp_{n}_b_down": (D,)}
    return {name: rng.normal(size=shape).astype(np.float32).astype(float) for name, shape in shapes.items()}


def stored(**changes):
    numbers = {name: array.tolist() for name, array in arrays().items()}
    unused = {"half_low": 1.0, "attn_0_norm_gamma": [1.0] * D}
    return {**{name: CONFIG[name] for name in SAME}, "d_ff": INNER, "head_dim": HEAD, **numbers, **unused, **changes}


def folder(path, config=None, smt=None, circuit=None, case=CASE):
    path.mkdir(exist_ok=True)
    contents = {
        "config.json": config or CONFIG, "smt_weights.json": smt or stored(), "vocab.json": VOCAB, "case.json": case,
        "circuit_copy.json": circuit,
    }  # fmt: skip
    for name, content in contents.items():
        if content is not None:
            (path / name).write_text(json.dumps(content))
    return path


ALL = ["emb", *(n for at in range(LAYERS) for n in (*(f"attn_{at}_h_{h}" for h in range(HEADS)), f"mlp_{at}"))]


def sparsemax(z):
    top = np.sort(z)[::-1]
    size = max(k for k in range(1, len(z) + 1) if 1 + k * top[k - 1] > top[:k].sum())
    return np.maximum(z - (top[:size].sum() - 1) / size, 0)


def reference(ids, reads):
    """Node by node: ``reads(node)`` lists the sources whose outputs a node adds up; heads pass W_o at the reader."""
    w = arrays()
    out = {"emb": w["wte"][ids] + w["wpe"][: len(ids)]}

    def total(node):
        x = np.zeros((len(ids), D))
        for at in range(LAYERS):
            heads = [h for h in range(HEADS) if f"attn_{at}_h_{h}" in reads(node)]
            if heads:
                wide = np.zeros((len(ids), D))
                for h in heads:
                    wide[:, h * HEAD : h * HEAD + HEAD] = out[f"attn_{at}_h_{h}"]
                x += wide @ w[f"attn_{at}_W_o"].T + w[f"attn_{at}_b_o"]
        return x + sum((out[node] for node in reads(node) if not node.startswith("attn")), np.zeros(D))

    for node in ALL[1:]:
        x, at = total(node), int(node.split("_")[1])
        if node.startswith("mlp"):
            u = x @ w[f"mlp_{at}_W_up"].T + w[f"mlp_{at}_b_up"]
            out[node] = np.where(u >= 0, u, 0.25 * u) @ w[f"mlp_{at}_W_down"].T + w[f"mlp_{at}_b_down"]
        else:
            columns = slice(HEAD * int(node[-1]), HEAD * int(node[-1]) + HEAD)
            q, k, v = ((x @ w[f"attn_{at}_W_{p}"].T + w[f"attn_{at}_b_{p}"])[:, columns] for p in "qkv")
            out[node] = np.stack([sparsemax(k[: i + 1] @ q[i] / np.sqrt(HEAD)) @ v[: i + 1] for i in range(len(ids))])
    return total("logits") @ w["lm_head"].T + w["lm_head_bias"]


def before(node):
    """The full graph: everything before a node, heads of its own layer left out."""
    earlier = ALL if node == "logits" else ALL[: ALL.index(node)]
    return [n for n in earlier if not (node.startswith("attn") and n.rpartition("_h_")[0] == node.rpartition("_h_")[0])]


IDS = np.random.default_rng(2).integers(0, VOCABULARY, (6, LENGTH))


def agrees(network, reads):
    return all(np.allclose(logits(network, ids[None])[0], reference(ids, reads), rtol=0, atol=1e-11) for ids in IDS)


def circuit(edges):
    said = [{"source": source, "target": target} for source, target in edges]
    return {"task": "copy", "granularity": "head", "ablation": "zero", "edges": said}


EDGES = [
    ("emb", "attn_0_h_1"), ("emb", "mlp_0"), ("attn_0_h_1", "mlp_0"), ("mlp_0", "attn_1_h_0"), ("emb", "attn_1_h_1"),
    ("attn_1_h_0", "mlp_1"), ("attn_1_h_1", "mlp_1"), ("attn_0_h_1", "logits"), ("mlp_1", "logits"),
]  # fmt: skip
