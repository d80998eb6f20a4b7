"""Folders with small networks in every format that is read, with the weights that ``made`` draws."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import safetensors.numpy
import torch
from made import MOODS, Array, Made, Random, Shapes, encoded, halved, readout, sizes, weights
from recurrents import recurrent, torch_state
from rotated import adder, decoder
from stepwise import steps

from tasks.formats.detect import FORMATS


def make(rng: Random, format_name: str | None = None, mood: str | None = None) -> Made:
    """A random network of a random format."""
    name = format_name or str(rng.choice([*MAKERS]))
    return MAKERS[name](rng, mood or str(rng.choice(MOODS)))


def attending(rng: Random, longest: int) -> Made:
    """A network of one layer for prompts of up to ``longest`` tokens, of which t0 and t1 are letters."""
    while True:
        made = circuit(rng, "plain", longest) if rng.random() < 0.5 else gpt2(rng, "plain", longest)
        said = json.loads(made.files.get("circuit.json", made.files.get("config.json", b"{}")))
        if said.get("config", said)["n_layer"] == 1:
            return replace(made, question={"alphabet": ("t0", "t1"), "prefix": ("t2",) if rng.random() < 0.7 else ()})


# --- one folder per format ------------------------------------------------------------------------------------------


def _torch(values: Mapping[str, Array]) -> bytes:
    stream = io.BytesIO()
    torch.save({name: torch.from_numpy(np.ascontiguousarray(value)) for name, value in values.items()}, stream)
    return stream.getvalue()


def sparse_shapes(c: Mapping[str, Any]) -> Shapes:
    """Tensors of a weight-sparse transformer with the configuration ``c``."""
    width, d, inner, vocab = c["n_head"] * c["d_head"], c["d_model"], c["d_mlp"], c["vocab_size"]
    parts = ("weight",) if c["norm"] == "rms" else ("weight", "bias")
    shapes: Shapes = {"transformer.wte.weight": (vocab, d)}
    if c["positions"]:
        shapes["transformer.wpe.weight"] = (c["block_size"], d)
    for n in range(c["n_layer"]):
        at = f"transformer.h.{n}."
        shapes |= {f"{at}{norm}.{part}": (d,) for norm in ("ln_1", "ln_2") for part in parts}
        maps = {
            "attn.c_attn": (3 * width, d),
            "attn.c_proj": (d, width),
            "mlp.c_fc": (inner, d),
            "mlp.c_proj": (d, inner),
        }
        for name, shape in maps.items():
            shapes |= {f"{at}{name}.weight": shape, f"{at}{name}.bias": shape[:1]}
        if c["sink"]:
            shapes[f"{at}attn.attn_imp.sink_logit"] = (c["n_head"],)
    shapes |= {f"transformer.ln_f.{part}": (d,) for part in parts}
    shapes |= {"lm_head.weight": (vocab, d), "final_logits_bias": (vocab,)}
    return shapes | ({"bigram_table": (vocab, vocab)} if c["bigram"] else {})


def site_widths(c: Mapping[str, Any]) -> dict[str, int]:
    """Node sites and their sizes."""
    width = c["n_head"] * c["d_head"]
    sizes = {"attn.act_in": c["d_model"], "attn.q": width, "attn.k": width, "attn.v": width}
    sizes |= {"attn.resid_delta": c["d_model"], "mlp.act_in": c["d_model"], "mlp.post_act": c["d_mlp"]}
    sizes |= {"mlp.resid_delta": c["d_model"]}
    return {f"{n}.{site}": size for n in range(c["n_layer"]) for site, size in sizes.items()} | {
        "final_resid": c["d_model"]
    }


def _sparse_config(rng: Random, longest: int | None = None) -> dict[str, Any]:
    s = sizes(rng, longest)
    return {
        "vocab_size": s["vocabulary"], "n_layer": s["layers"], "n_head": s["heads"], "d_head": s["head"],
        "d_model": s["d"], "d_mlp": s["inner"], "block_size": s["longest"], "norm": str(rng.choice(["rms", "layer"])),
        "norm_eps": float(rng.choice([1e-5, 2.0**-23])), "activation": str(rng.choice(["gelu", "relu"])),
        "top_k_fraction": None if rng.random() < 0.5 else float(rng.choice([0.3, 0.5, 0.75])),
        "top_k_sites": [*rng.permutation(TOP_K)[: int(rng.integers(1, 9))]], "sink": bool(rng.random() < 0.4),
        "positions": bool(rng.random() < 0.5), "bigram": bool(rng.random() < 0.3),
    }  # fmt: skip


TOP_K = ("attn_in", "attn_q", "attn_k", "attn_v", "attn_out", "mlp_in", "mlp_neuron", "mlp_out")


def _kept(rng: Random, size: int) -> list[int]:
    share = float(rng.choice([0.0, 0.5, 1.0, 1.0, 1.0]))
    return [n for n in range(size) if rng.random() < share]


def circuit(rng: Random, mood: str, longest: int | None = None) -> Made:
    """A circuit of this project."""
    c = _sparse_config(rng, longest)
    names = [f"t{n}" for n in range(c["vocab_size"])]
    prefix = names[-1:] if rng.random() < 0.5 else []
    alphabet, sites = names[: len(names) - len(prefix)], site_widths(c)
    shapes = sparse_shapes(c) | {f"mean:{site}": (size,) for site, size in sites.items()}
    tensors = weights(rng, shapes, mood)
    said = {
        "name": "made", "summary": "random", "config": c, "vocabulary": names, "prefix": prefix,
        "labels": [names[n] for n in rng.permutation(len(names))[: int(rng.integers(2, len(names) + 1))]],
        "domain": {"alphabet": alphabet, "min_length": 1 - len(prefix), "max_length": c["block_size"] - len(prefix),
                   "constraint": None},
        "kept": {site: _kept(rng, size) for site, size in sites.items()}, "card": {},
    }  # fmt: skip
    files = {"circuit.json": encoded(said), "weights.safetensors": safetensors.numpy.save(tensors)}
    return Made("circuit", files, readout(rng, tuple(names)) if rng.random() < 0.3 else {})


def openai(rng: Random, mood: str) -> Made:
    """A circuit_sparsity model or a circuit of one."""
    c = _sparse_config(rng) | {"positions": True}
    c["norm_eps"] = 2.0**-23 if c["norm"] == "rms" else 1e-5
    if c["top_k_fraction"] is not None:
        c["top_k_fraction"] = max(0.5, c["top_k_fraction"])
    is_tied = bool(rng.random() < 0.3)
    tensors = weights(rng, sparse_shapes(c), mood)
    if is_tied:
        tensors.pop("lm_head.weight")
    said = {
        "vocab_size": c["vocab_size"], "n_layer": c["n_layer"], "n_head": c["n_head"], "d_head": c["d_head"],
        "d_model": c["d_model"], "d_mlp": c["d_mlp"], "block_size": c["block_size"], "rms_norm": c["norm"] == "rms",
        "activation_type": c["activation"], "afrac": c["top_k_fraction"], "afrac_loctypes": ",".join(c["top_k_sites"]),
        "tied_unembed": is_tied, "enable_bigram_table": c["bigram"], "sink": c["sink"],
    }  # fmt: skip
    files = {"beeg_config.json": encoded(said), "final_model.pt": _torch(tensors)}
    tokens = tuple(f"#{n}" for n in range(c["vocab_size"]))
    if rng.random() < 0.6:
        widths = site_widths(c)
        if rng.random() < 0.5:
            widths.pop("final_resid")
        nodes = {site: np.array(_kept(rng, size), np.int64) for site, size in widths.items()}
        viz = {"circuit_data": {site: torch.from_numpy(which) for site, which in nodes.items()}, "importances": {}}
        stream = io.BytesIO()
        torch.save(viz, stream)
        files["viz_data.pt"] = stream.getvalue()
        files["mean_baseline_pretrain.pt"] = _torch(weights(rng, {s: (n,) for s, n in widths.items()}, "plain"))
    return Made("circuit_sparsity", files, readout(rng, tokens) if rng.random() < 0.7 else {})


def gpt2(rng: Random, mood: str, longest: int | None = None) -> Made:
    """A GPT-2 of Hugging Face."""
    s = sizes(rng, longest)
    d, vocab, inner = s["heads"] * s["head"], s["vocabulary"], s["inner"]
    shapes: Shapes = {"wte.weight": (vocab, d), "wpe.weight": (s["longest"], d)}
    for n in range(s["layers"]):
        at = f"h.{n}."
        shapes |= {f"{at}ln_1.weight": (d,), f"{at}ln_1.bias": (d,)}
        for name, into, out in (("attn.c_attn", d, 3 * d), ("attn.c_proj", d, d)):
            shapes |= {f"{at}{name}.weight": (into, out), f"{at}{name}.bias": (out,)}
        shapes |= {f"{at}ln_2.weight": (d,), f"{at}ln_2.bias": (d,)}
        for name, into, out in (("mlp.c_fc", d, inner), ("mlp.c_proj", inner, d)):
            shapes |= {f"{at}{name}.weight": (into, out), f"{at}{name}.bias": (out,)}
    shapes |= {"ln_f.weight": (d,), "ln_f.bias": (d,)}
    if rng.random() < 0.5:
        shapes["lm_head.weight"] = (vocab, d)
    is_positioned = bool(longest or rng.random() < 0.75)
    if not is_positioned:
        shapes.pop("wpe.weight")
    tensors = weights(rng, shapes, mood, np.float64 if rng.random() < 0.2 else np.float32)
    if rng.random() < 0.15:
        tensors = halved(tensors)
    before = "transformer." if rng.random() < 0.5 else ""
    tensors = {("" if name.startswith("lm_head") else before) + name: t for name, t in tensors.items()}
    config = {
        "model_type": "gpt2", "vocab_size": vocab, "n_positions": s["longest"], "n_embd": d, "n_layer": s["layers"],
        "n_head": s["heads"], "n_inner": inner, "layer_norm_epsilon": float(rng.choice([1e-5, 1e-12, 0.1])),
        "activation_function": str(rng.choice(["gelu_new", "gelu", "relu"])),
    }  # fmt: skip
    if not is_positioned:
        config["position_embedding_type"] = "none"
    names = [f"t{n}" for n in range(vocab)]
    files = {"config.json": encoded(config), "model.safetensors": safetensors.numpy.save(tensors)}
    question: dict[str, Any] = readout(rng, tuple(names))
    if rng.random() < 0.5:
        files["vocab.json"] = encoded({name: n for n, name in enumerate(names)})
    else:
        files["case.json"] = encoded({"name": "made", "tokens": {name: n for n, name in enumerate(names)}})
    if rng.random() < 0.5:
        question |= {"prefix": (names[-1],), "alphabet": tuple(names[:-1])}
    if rng.random() < 0.3:
        question |= {"suffix": (names[0],)}
    return Made("gpt2", files, question)


def dyck(rng: Random, mood: str) -> Made:
    """A pooled Dyck transformer."""
    heads, n = int(rng.choice([1, 2])), int(rng.choice([2, 3, 4]))
    d, inner, layers = 2 * heads, 3, int(rng.choice([1, 1, 2]))
    shapes: Shapes = {"tok.weight": (2, d), "pos": (n, d)}
    for b in range(layers):
        shapes |= {f"blocks.{b}.W{part}.weight": (d, d) for part in "qkvo"}
        shapes |= {f"blocks.{b}.mlp1.weight": (inner, d), f"blocks.{b}.mlp1.bias": (inner,)}
        shapes |= {f"blocks.{b}.mlp2.weight": (d, inner), f"blocks.{b}.mlp2.bias": (d,)}
    shapes |= {"h1.weight": (d, d), "h1.bias": (d,), "h2.weight": (2, d), "h2.bias": (2,)}
    config = {"n": n, "d": d, "heads": heads, "ff": inner, "layers": layers, "causal": bool(rng.random() < 0.5)}
    config["pool"] = str(rng.choice(["sum", "mean", "last"]))
    tensors = weights(rng, shapes, mood, np.float64 if rng.random() < 0.2 else np.float32)
    files = {"config.json": encoded(config), "model.safetensors": safetensors.numpy.save(tensors)}
    return Made("dyck", files, readout(rng, ("not valid", "valid")) if rng.random() < 0.5 else {})


def tracr(rng: Random, mood: str) -> Made:
    """A transformer as tracr compiles them."""
    d, size, inner, heads = int(rng.choice([3, 4])), 2, 3, int(rng.choice([1, 1, 2]))
    layers, vocab, longest = int(rng.choice([1, 1, 2])), 3, 4
    shapes: Shapes = {"token_embed/embeddings": (vocab + 2, d), "pos_embed/embeddings": (longest + 1, d)}
    for n in range(layers):
        at = f"transformer/layer_{n}/"
        maps = {f"attn/{part}": (d, heads * size) for part in ("query", "key", "value")}
        maps |= {"attn/linear": (heads * size, d), "mlp/linear_1": (d, inner), "mlp/linear_2": (inner, d)}
        for name, shape in maps.items():
            shapes |= {f"{at}{name}/w": shape, f"{at}{name}/b": shape[1:]}
    names = [f"t{n}" for n in range(vocab)]
    columns = [int(n) for n in rng.permutation(d)[: int(rng.integers(2, d + 1))]]
    reading = {"kind": "categorical", "columns": columns, "values": [f"v{n}" for n in range(len(columns))]}
    if rng.random() < 0.3:
        reading = {"kind": "numerical", "columns": columns[:1]}
    said = {
        "name": "made",
        "architecture": {"layer_norm": False, "activation": "relu", "causal": bool(rng.random() < 0.3),
                         "num_layers": layers, "num_heads": heads, "key_size": size, "d_model": d, "mlp_hidden": inner},
        "input": {"encoding": {name: n for n, name in enumerate([*names, "BOS", "compiler_pad"])},
                  "vocabulary": names, "max_length": 3},
        "read_out": reading,
    }  # fmt: skip
    tensors = weights(rng, shapes, mood, np.float64 if rng.random() < 0.2 else np.float32)
    files = {"case.json": encoded(said), "model.safetensors": safetensors.numpy.save(tensors)}
    return Made("tracr", files)


def sparsemax(rng: Random, mood: str) -> Made:
    """An SMT-friendly transformer, or a circuit of one."""
    heads, layers, vocab, inner = int(rng.choice([1, 2])), int(rng.choice([1, 1, 2])), 5, 3
    d, longest = 2 * heads, int(rng.choice([3, 4, 5]))
    shapes: Shapes = {"wte": (vocab, d), "wpe": (longest, d)}
    for n in range(layers):
        shapes |= {f"attn_{n}_W_{part}": (d, d) for part in "qkvo"} | {f"attn_{n}_b_{part}": (d,) for part in "qkvo"}
        shapes |= {f"mlp_{n}_W_up": (inner, d), f"mlp_{n}_b_up": (inner,)}
        shapes |= {f"mlp_{n}_W_down": (d, inner), f"mlp_{n}_b_down": (d,)}
    shapes |= {"lm_head": (vocab, d), "lm_head_bias": (vocab,)}
    tensors = weights(rng, shapes, mood, np.float32 if rng.random() < 0.6 else np.float64)
    variants = {"norm_variant": "none", "attn_variant": str(rng.choice(["sparsemax", "sparsemax", "softmax"])),
                "activation_variant": str(rng.choice(["leaky_relu", "relu", "gelu"]))}  # fmt: skip
    same = {"d_model": d, "n_layers": layers, "n_heads": heads, "vocab_size": vocab, **variants}
    config = same | {"max_seq_len": longest, "d_mlp": inner, "bos_token_id": 3}
    stored = same | {"d_ff": inner, "head_dim": 2} | {name: t.astype(float).tolist() for name, t in tensors.items()}
    said = {"token_names": {str(n): f"t{n}" for n in range(vocab)}, "task_names": {"4": "task"},
            "task_to_candidates": {"4": [0, 1, 2][: int(rng.integers(2, 4))]}}  # fmt: skip
    files = {"config.json": encoded(config), "smt_weights.json": encoded(stored), "vocab.json": encoded(said)}
    question: dict[str, Any] = {"task": "task", "alphabet": ("t0", "t1", "t2")}
    if rng.random() < 0.4:
        question["circuit"] = True
        files["circuit_task.json"] = encoded({"granularity": "head", "ablation": "zero",
                                               "edges": _edges(rng, layers, heads)})  # fmt: skip
    return Made("sparsemax", files, question)


def lens(rng: Random, mood: str) -> Made:
    """A transformer under TransformerLens's names."""
    s, kind = sizes(rng), rng.choice(["LN", "LNPre", "RMS", "RMSPre", ""]).item() or None
    d, heads, head, inner, vocab = s["d"], s["heads"], s["head"], s["inner"], s["vocabulary"]
    outputs, attends_only = vocab if rng.random() < 0.6 else int(rng.choice([2, 3])), bool(rng.random() < 0.3)
    shapes: Shapes = {"embed.W_E": (vocab, d), "pos_embed.W_pos": (s["longest"], d)}
    for n in range(s["layers"]):
        at = f"blocks.{n}."
        shapes |= {f"{at}ln1.{part}": (d,) for part in NORMED[kind]}
        shapes |= {f"{at}attn.W_{part}": (heads, d, head) for part in "QKV"}
        shapes |= {f"{at}attn.b_{part}": (heads, head) for part in "QKV"}
        shapes |= {f"{at}attn.W_O": (heads, head, d), f"{at}attn.b_O": (d,)}
        if not attends_only:
            shapes |= {f"{at}ln2.{part}": (d,) for part in NORMED[kind]}
            shapes |= {f"{at}mlp.W_in": (d, inner), f"{at}mlp.b_in": (inner,)}
            shapes |= {f"{at}mlp.W_out": (inner, d), f"{at}mlp.b_out": (d,)}
    shapes |= {f"ln_final.{part}": (d,) for part in NORMED[kind]}
    shapes |= {"unembed.W_U": (d, outputs), "unembed.b_U": (outputs,)}
    if rng.random() < 0.3:
        shapes = {name: shape for name, shape in shapes.items() if ".b_" not in name}
    config = {
        "n_layers": s["layers"], "d_model": d, "n_ctx": s["longest"], "d_head": head, "d_vocab": vocab,
        "n_heads": heads, "d_mlp": inner, "d_vocab_out": outputs,
        "act_fn": str(rng.choice(["relu", "gelu", "gelu_new"])), "eps": float(rng.choice([1e-5, 1e-8])),
        "normalization_type": kind, "attn_only": attends_only,
        "attention_dir": str(rng.choice(["causal", "causal", "bidirectional"])),
        "use_attn_scale": bool(rng.random() < 0.8), "attn_scale": float(rng.choice([-1.0, -1.0, 3.0])),
        "scale_attn_by_inverse_layer_idx": bool(rng.random() < 0.3),
    }  # fmt: skip
    tensors = weights(rng, shapes, mood, np.float64 if rng.random() < 0.2 else np.float32)
    files = {"config.json": encoded(config), "model.safetensors": safetensors.numpy.save(tensors)}
    names = tuple(f"t{n}" for n in range(vocab))
    if rng.random() < 0.5:
        files["case.json"] = encoded({"name": "made", "tokens": {name: n for n, name in enumerate(names)}})
    else:
        names = tuple(f"#{n}" for n in range(vocab))
    question = readout(rng, names if outputs == vocab else tuple(f"#{n}" for n in range(outputs)))
    if rng.random() < 0.5:
        question |= {"prefix": (names[-1],), "alphabet": names[:-1]}
    return Made("transformer_lens", files, question)


NORMED = {"LN": ("w", "b"), "RMS": ("w",), "LNPre": (), "RMSPre": (), None: ()}  # tensors of a norm


def _edges(rng: Random, layers: int, heads: int) -> list[dict[str, str]]:
    """Some edges to later nodes; whoever is read reads something."""
    stages = [["emb"]]
    for n in range(layers):
        stages += [[f"attn_{n}_h_{h}" for h in range(heads)], [f"mlp_{n}"]]
    edges, wanted = [], ["logits"]
    while wanted:
        target = wanted.pop(0)
        stage = next((n for n, stage in enumerate(stages) if target in stage), len(stages))
        earlier = [node for part in stages[:stage] for node in part]
        chosen = [node for node in earlier if rng.random() < 0.6] or earlier[-1:]
        edges += [{"source": node, "target": target} for node in chosen]
        done = {edge["target"] for edge in edges}
        wanted += [node for node in chosen if node != "emb" and node not in done and node not in wanted]
    return edges


Maker = Callable[[Random, str], Made]
OTHERS: tuple[Maker, ...] = (circuit, openai, gpt2, dyck, tracr, sparsemax, lens)  # that a folder of steps can hold
MAKERS: dict[str, Maker] = {
    "circuit": circuit,
    "circuit_sparsity": openai,
    "gpt2": gpt2,
    "dyck": dyck,
    "tracr": tracr,
    "sparsemax": sparsemax,
    "transformer_lens": lens,
    "decoder": decoder,
    "adder": adder,
    "recurrent": recurrent,
    "torch": torch_state,
    "steps": lambda rng, mood: steps(rng, mood, OTHERS),
}
MAKERS = {name: maker for name, maker in MAKERS.items() if any(known.name.startswith(name) for known in FORMATS)}
