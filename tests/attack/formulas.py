"""What the network in a folder computes, written once more from the formulas of each format.

``read(files)`` parses the files itself and gives a ``Formula``: vocabulary, names of the outputs, and
``run(arithmetic, ids)``, the logits at every row in either arithmetic of ``arithmetics``. It shares no code with the
loaders, nor with the independent checker.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import formulas_beyond
import numpy as np
import recurrents
import safetensors.numpy
import torch
from numpy.typing import NDArray

Files = Mapping[str, bytes]
Weights = Mapping[str, NDArray[Any]]
Run = Callable[[Any, NDArray[np.int64]], Any]  # (arithmetic, ids (T,) or (B, T)) to logits by row


@dataclass(frozen=True)
class Formula:
    """``dtype``: in which it is stored; ``pooled``: whether all rows become one."""

    format: str
    tokens: tuple[str, ...]
    outputs: tuple[str, ...]
    longest: int
    dtype: str
    run: Run
    pooled: bool = False


def read(format_name: str, files: Files, task: str | None = None, circuit: bool = False) -> Formula:
    """The network in the files of a folder; ``task`` and ``circuit`` as the sparsemax format knows them."""
    match format_name:
        case "circuit":
            return _circuit(files)
        case "circuit_sparsity":
            return _openai(files)
        case "gpt2":
            return _gpt2(files)
        case "dyck":
            return _dyck(files)
        case "tracr":
            return _tracr(files)
        case "sparsemax":
            return _sparsemax(files, task, circuit)
        case "transformer_lens":
            return _lens(files)
        case "decoder":
            return Formula("decoder", *formulas_beyond.decoder(files))
        case "adder":
            return Formula("adder", *formulas_beyond.adder(files))
        case "recurrent case" | "recurrent steps" | "torch recurrent":
            return Formula(format_name, *recurrents.formula(files))
        case "steps":
            return Formula("steps", *formulas_beyond.steps(files))
    raise ValueError(f"no formula is known for {format_name!r}")


def _json(files: Files, name: str) -> Any:
    return json.loads(files[name])


def _numbered(size: int) -> tuple[str, ...]:
    return tuple(f"#{n}" for n in range(size))


def _start(o: Any, tokens: Any, positions: Any, ids: NDArray[np.int64]) -> Any:
    x = o.rows(tokens, ids)
    return x if positions is None else o.add(x, o.rows(positions, np.arange(ids.shape[-1])))


# --- weight-sparse transformers, whole or pruned ------------------------------------------------------------------


def _sparse(c: Mapping[str, Any], w: Weights, kept: Mapping[str, Any], means: Weights) -> Run:
    """``c`` in the words of ``circuit.json``; sites without an entry in ``kept`` are not masked."""
    heads, width = c["n_head"], c["n_head"] * c["d_head"]

    def run(o: Any, ids: NDArray[np.int64]) -> Any:
        def top(name: str, x: Any, size: int) -> Any:
            if c["top_k_fraction"] is None or name not in c["top_k_sites"]:
                return x
            return o.top_k(x, max(1, int(c["top_k_fraction"] * size)))

        def node(site: str, x: Any) -> Any:
            return o.mask(x, kept[site], means[site]) if site in kept else x

        def norm(name: str, x: Any) -> Any:
            bias = w[f"{name}.bias"] if c["norm"] == "layer" else None
            return o.norm(x, c["norm"], w[f"{name}.weight"], bias, c["norm_eps"])

        def linear(name: str, x: Any) -> Any:
            return o.linear(x, w[f"{name}.weight"], w[f"{name}.bias"])

        d, inner = c["d_model"], c["d_mlp"]
        x = _start(o, w["transformer.wte.weight"], w["transformer.wpe.weight"] if c["positions"] else None, ids)
        for n in range(c["n_layer"]):
            at = f"transformer.h.{n}."
            u = node(f"{n}.attn.act_in", top("attn_in", norm(f"{at}ln_1", x), d))
            joined = linear(f"{at}attn.c_attn", u)
            q, k, v = (
                node(f"{n}.attn.{p}", top(f"attn_{p}", o.columns(joined, m * width, (m + 1) * width), width))
                for m, p in enumerate("qkv")
            )
            sink = w[f"{at}attn.attn_imp.sink_logit"] if c["sink"] else None
            y = linear(f"{at}attn.c_proj", o.attend(q, k, v, heads, causal=True, sink=sink))
            x = o.add(x, node(f"{n}.attn.resid_delta", top("attn_out", y, d)))
            u = node(f"{n}.mlp.act_in", top("mlp_in", norm(f"{at}ln_2", x), d))
            h = o.activate(linear(f"{at}mlp.c_fc", u), c["activation"])
            h = node(f"{n}.mlp.post_act", top("mlp_neuron", h, inner))
            x = o.add(x, node(f"{n}.mlp.resid_delta", top("mlp_out", linear(f"{at}mlp.c_proj", h), d)))
        x = norm("transformer.ln_f", node("final_resid", x))
        x = o.linear(x, w["lm_head.weight"], w["final_logits_bias"])
        return o.add(x, o.rows(w["bigram_table"], ids)) if c["bigram"] else x

    return run


def _circuit(files: Files) -> Formula:
    said, stored = _json(files, "circuit.json"), safetensors.numpy.load(files["weights.safetensors"])
    c, means = said["config"], {name[5:]: t for name, t in stored.items() if name.startswith("mean:")}
    kept = {site: np.isin(np.arange(len(means[site])), nodes) for site, nodes in said["kept"].items()}
    tokens = tuple(said["vocabulary"])
    return Formula("circuit", tokens, tokens, c["block_size"], "float32", _sparse(c, stored, kept, means))


def _openai(files: Files) -> Formula:
    said = _json(files, "beeg_config.json")
    state = torch.load(io.BytesIO(files["final_model.pt"]), weights_only=True)
    w = {name: t.numpy() for name, t in state.items()}
    rms, d = said.get("rms_norm", False), said["d_model"]
    c = {
        "n_layer": said["n_layer"], "n_head": said["n_head"], "d_head": said["d_head"], "d_model": d,
        "d_mlp": said["d_mlp"], "norm": "rms" if rms else "layer",
        "norm_eps": float(np.finfo(np.float32).eps) if rms else 1e-5, "activation": said.get("activation_type", "gelu"),
        "top_k_fraction": said.get("afrac"), "sink": said.get("sink", False), "positions": True,
        "top_k_sites": said.get("afrac_loctypes", "attn_in,attn_out,mlp_in,mlp_out").split(","),
        "bigram": said.get("enable_bigram_table", False),
    }  # fmt: skip
    if said.get("tied_unembed", True):
        w.setdefault("lm_head.weight", w["transformer.wte.weight"])
    w.setdefault("final_logits_bias", np.zeros(said["vocab_size"], np.float32))
    kept: dict[str, NDArray[np.bool_]] = {}
    means: dict[str, NDArray[Any]] = {}
    if "viz_data.pt" in files:
        nodes = torch.load(io.BytesIO(files["viz_data.pt"]), weights_only=True)["circuit_data"]
        stored = torch.load(io.BytesIO(files["mean_baseline_pretrain.pt"]), weights_only=True)
        means = {site: stored[site].numpy() for site in nodes}
        kept = {site: np.isin(np.arange(len(means[site])), which.numpy()) for site, which in nodes.items()}
    tokens = _numbered(said["vocab_size"])
    return Formula("circuit_sparsity", tokens, tokens, said["block_size"], "float32", _sparse(c, w, kept, means))


# --- the others -----------------------------------------------------------------------------------------------------


def _gpt2(files: Files) -> Formula:
    c = _json(files, "config.json")
    w = {n.removeprefix("transformer."): t for n, t in safetensors.numpy.load(files["model.safetensors"]).items()}
    w = {name: t.astype(np.float32) if t.dtype == np.float16 else t for name, t in w.items()}
    dtype = "float64" if any(t.dtype == np.float64 for t in w.values()) else "float32"
    kind = {"relu": "relu", "gelu": "gelu"}.get(c.get("activation_function", "gelu_new"), "gelu_tanh")
    d, head = c["n_embd"], w.get("lm_head.weight", w["wte.weight"])
    turned = {name: np.ascontiguousarray(t.T) for name, t in w.items() if t.ndim == 2 and name.startswith("h.")}

    def run(o: Any, ids: NDArray[np.int64]) -> Any:
        def norm(name: str, x: Any) -> Any:
            return o.norm(x, "layer", w[f"{name}.weight"], w[f"{name}.bias"], c.get("layer_norm_epsilon", 1e-5))

        def linear(name: str, x: Any) -> Any:
            return o.linear(x, turned[f"{name}.weight"], w[f"{name}.bias"])

        x = _start(o, w["wte.weight"], w.get("wpe.weight"), ids)
        for n in range(c["n_layer"]):
            at = f"h.{n}."
            joined = linear(f"{at}attn.c_attn", norm(f"{at}ln_1", x))
            q, k, v = (o.columns(joined, m * d, (m + 1) * d) for m in range(3))
            x = o.add(x, linear(f"{at}attn.c_proj", o.attend(q, k, v, c["n_head"], causal=True)))
            inner = o.activate(linear(f"{at}mlp.c_fc", norm(f"{at}ln_2", x)), kind)
            x = o.add(x, linear(f"{at}mlp.c_proj", inner))
        return o.linear(norm("ln_f", x), head)

    names = {n: name for name, n in _json(files, "vocab.json").items()} if "vocab.json" in files else {}
    if "case.json" in files and isinstance(_json(files, "case.json").get("tokens"), dict):
        names = {n: name for name, n in _json(files, "case.json")["tokens"].items()}
    tokens = tuple(names.get(n, f"#{n}") for n in range(c["vocab_size"]))
    return Formula("gpt2", tokens, tokens, c["n_positions"], dtype, run)


def _dyck(files: Files) -> Formula:
    c, w = _json(files, "config.json"), safetensors.numpy.load(files["model.safetensors"])
    dtype = "float64" if any(t.dtype == np.float64 for t in w.values()) else "float32"

    def run(o: Any, ids: NDArray[np.int64]) -> Any:
        z = _start(o, w["tok.weight"], w["pos"], ids)
        for n in range(c["layers"]):
            at = f"blocks.{n}."
            q, k, v = (o.linear(z, w[f"{at}W{part}.weight"]) for part in "qkv")
            z = o.add(z, o.linear(o.attend(q, k, v, c["heads"], causal=c["causal"]), w[f"{at}Wo.weight"]))
            inner = o.activate(o.linear(z, w[f"{at}mlp1.weight"], w[f"{at}mlp1.bias"]), "relu")
            z = o.add(z, o.linear(inner, w[f"{at}mlp2.weight"], w[f"{at}mlp2.bias"]))
        y = o.activate(o.linear(o.pool(z, c["pool"]), w["h1.weight"], w["h1.bias"]), "relu")
        return o.linear(y, w["h2.weight"], w["h2.bias"])

    return Formula("dyck", ("(", ")"), ("not valid", "valid"), c["n"], dtype, run, pooled=True)


def _tracr(files: Files) -> Formula:
    said, w = _json(files, "case.json"), safetensors.numpy.load(files["model.safetensors"])
    c = said["architecture"]
    dtype = "float64" if any(t.dtype == np.float64 for t in w.values()) else "float32"
    turned = {name: np.ascontiguousarray(t.T) for name, t in w.items() if name.endswith("/w")}

    def run(o: Any, ids: NDArray[np.int64]) -> Any:
        def linear(name: str, x: Any) -> Any:
            return o.linear(x, turned[f"{name}/w"], w[f"{name}/b"])

        x = _start(o, w["token_embed/embeddings"], w["pos_embed/embeddings"], ids)
        for n in range(c["num_layers"]):
            at = f"transformer/layer_{n}/"
            q, k, v = (linear(f"{at}attn/{part}", x) for part in ("query", "key", "value"))
            x = o.add(x, linear(f"{at}attn/linear", o.attend(q, k, v, c["num_heads"], causal=c["causal"])))
            x = o.add(x, linear(f"{at}mlp/linear_2", o.activate(linear(f"{at}mlp/linear_1", x), "relu")))
        return x

    encoding = {n: name for name, n in said["input"]["encoding"].items()}
    labels = c.get("residual_labels", [])
    outputs = tuple(labels) if len(labels) == c["d_model"] else _numbered(c["d_model"])
    tokens = tuple(encoding[n] for n in range(len(encoding)))
    return Formula("tracr", tokens, outputs, len(w["pos_embed/embeddings"]), dtype, run)


def _sparsemax(files: Files, task: str | None, circuit: bool) -> Formula:
    c, said = _json(files, "config.json"), _json(files, "smt_weights.json")
    w = {name: np.array(value, np.float64) for name, value in said.items() if isinstance(value, list)}
    is_single = all((t == t.astype(np.float32)).all() for t in w.values())
    kind, slope, heads = c["activation_variant"], c.get("leaky_relu_negative_slope", 0.01), c["n_heads"]
    size = c["d_model"] // heads

    def mlp(o: Any, n: int, x: Any) -> Any:
        inner = o.activate(o.linear(x, w[f"mlp_{n}_W_up"], w[f"mlp_{n}_b_up"]), kind, slope * (kind == "leaky_relu"))
        return o.linear(inner, w[f"mlp_{n}_W_down"], w[f"mlp_{n}_b_down"])

    def whole(o: Any, ids: NDArray[np.int64]) -> Any:
        x = _start(o, w["wte"], w["wpe"], ids)
        for n in range(c["n_layers"]):
            q, k, v = (o.linear(x, w[f"attn_{n}_W_{part}"], w[f"attn_{n}_b_{part}"]) for part in "qkv")
            y = o.attend(q, k, v, heads, causal=True, kind=c["attn_variant"])
            x = o.add(x, o.linear(y, w[f"attn_{n}_W_o"], w[f"attn_{n}_b_o"]))
            x = o.add(x, mlp(o, n, x))
        return o.linear(x, w["lm_head"], w["lm_head_bias"])

    def pruned(o: Any, ids: NDArray[np.int64]) -> Any:
        """Every node reads the sum of its sources; b_o comes once per layer that is read from."""
        sources: dict[str, list[str]] = {}
        for edge in _json(files, f"circuit_{task}.json")["edges"]:
            sources.setdefault(edge["target"], []).append(edge["source"])
        done = {"emb": _start(o, w["wte"], w["wpe"], ids)}

        def given(node: str) -> Any:
            parts = [
                o.linear(done[s], w[f"attn_{s.split('_')[1]}_W_o"][:, (at := int(s.split("_")[3]) * size) : at + size])
                if "_h_" in s
                else done[s]
                for s in sources[node]
            ]
            total = parts[0]
            for part in parts[1:]:
                total = o.add(total, part)
            layers = sorted({int(s.split("_")[1]) for s in sources[node] if "_h_" in s})
            for n in layers:
                total = o.add(total, o.rows(w[f"attn_{n}_b_o"][None], np.zeros(ids.shape[-1], np.int64)))
            return total

        for n in range(c["n_layers"]):
            for h in range(heads):
                node, rows = f"attn_{n}_h_{h}", slice(h * size, (h + 1) * size)
                if node in sources:
                    x = given(node)
                    q, k, v = (
                        o.linear(x, w[f"attn_{n}_W_{part}"][rows], w[f"attn_{n}_b_{part}"][rows]) for part in "qkv"
                    )
                    done[node] = o.attend(q, k, v, 1, causal=True, kind=c["attn_variant"])
            if f"mlp_{n}" in sources:
                done[f"mlp_{n}"] = mlp(o, n, given(f"mlp_{n}"))
        return o.linear(given("logits"), w["lm_head"], w["lm_head_bias"])

    names = _json(files, "vocab.json")["token_names"]
    tokens = tuple(names.get(str(n), f"#{n}") for n in range(c["vocab_size"]))
    run = pruned if circuit else whole
    return Formula("sparsemax", tokens, tokens, c["max_seq_len"], "float32" if is_single else "float64", run)


def _lens(files: Files) -> Formula:
    c, w = _json(files, "config.json"), safetensors.numpy.load(files["model.safetensors"])
    dtype = "float64" if any(t.dtype == np.float64 for t in w.values()) else "float32"
    d, kind, has_mlp = c["d_model"], c["normalization_type"], not c["attn_only"]
    inside = {"relu": "relu", "gelu": "gelu", "gelu_new": "gelu_tanh"}[c["act_fn"]] if has_mlp else ""
    divisor = (c["attn_scale"] if c["attn_scale"] > 0 else float(np.sqrt(c["d_head"]))) if c["use_attn_scale"] else 1.0
    by_layer = c["scale_attn_by_inverse_layer_idx"]
    is_usual = c["use_attn_scale"] and c["attn_scale"] < 0 and not by_layer

    def turned(name: str) -> NDArray[Any]:
        return np.ascontiguousarray(w[name].reshape(-1, w[name].shape[-1]).T)

    maps = {name: turned(name) for name in w if name.split(".")[-1] in ("W_O", "W_in", "W_out", "W_U")}
    maps |= {
        name: np.ascontiguousarray(w[name].transpose(0, 2, 1).reshape(-1, d))
        for name in w
        if name.split(".")[-1] in ("W_Q", "W_K", "W_V")
    }

    def run(o: Any, ids: NDArray[np.int64]) -> Any:
        def norm(name: str, x: Any) -> Any:
            if kind is None:
                return x
            gain = w[f"{name}.w"] if kind in ("LN", "RMS") else np.ones(d)
            bias = w[f"{name}.b"] if kind == "LN" else None
            return o.norm(x, "layer" if kind.startswith("LN") else "rms", gain, bias, c["eps"])

        def linear(name: str, x: Any) -> Any:
            bias = w.get(name.replace(".W_", ".b_"))
            return o.linear(x, maps[name], None if bias is None else bias.reshape(-1))

        x = _start(o, w["embed.W_E"], w["pos_embed.W_pos"], ids)
        for n in range(c["n_layers"]):
            at = f"blocks.{n}."
            u = norm(f"{at}ln1", x)
            q, k, v = (linear(f"{at}attn.W_{part}", u) for part in "QKV")
            by = None if is_usual else divisor * (n + 1 if by_layer else 1)
            y = o.attend(q, k, v, c["n_heads"], causal=c["attention_dir"] == "causal", divisor=by)
            x = o.add(x, linear(f"{at}attn.W_O", y))
            if has_mlp:
                h = o.activate(linear(f"{at}mlp.W_in", norm(f"{at}ln2", x)), inside)
                x = o.add(x, linear(f"{at}mlp.W_out", h))
        return linear("unembed.W_U", norm("ln_final", x))

    names = {n: name for name, n in _json(files, "case.json")["tokens"].items()} if "case.json" in files else {}
    tokens = tuple(names.get(n, f"#{n}") for n in range(c["d_vocab"]))
    size = w["unembed.W_U"].shape[-1]
    return Formula(
        "transformer_lens", tokens, tokens if size == len(tokens) else _numbered(size), c["n_ctx"], dtype, run
    )
