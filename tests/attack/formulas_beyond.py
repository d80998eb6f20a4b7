"""The formulas of decoders with rotary positions, of adders whose tables have formulas, and of folders of steps.

Each function gives the parts of a ``formulas.Formula`` behind its format: tokens, outputs, longest prompt, dtype,
``run(arithmetic, ids)``, and whether all rows become one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray

Files = Mapping[str, bytes]
Ids = NDArray[np.int64]
Parts = tuple[tuple[str, ...], tuple[str, ...], int, str, Callable[[Any, Ids], Any], bool]
KINDS = {"swish": "silu", "gelu_new": "gelu_tanh", "gelu_pytorch_tanh": "gelu_tanh"}


def _dtype(w: Mapping[str, NDArray[Any]]) -> str:
    return "float64" if any(t.dtype == np.float64 for t in w.values()) else "float32"


def _tokens(files: Files, size: int) -> tuple[str, ...]:
    names: dict[int, str] = {}
    if "vocab.json" in files:
        names = {n: name for name, n in json.loads(files["vocab.json"]).items()}
    if "case.json" in files:
        names = {n: name for name, n in json.loads(files["case.json"]).get("tokens", {}).items()}
    return tuple(names.get(n, f"#{n}") for n in range(size))


def decoder(files: Files) -> Parts:
    """A Llama and its kin, whose configuration may stand in ``case.json``, or a GPT-NeoX."""
    w = safetensors.numpy.load(files["model.safetensors"])
    if "config.json" in files:
        c = json.loads(files["config.json"])
        run = _neox(c, w) if c["model_type"] == "gpt_neox" else _llama(c, w)
    else:
        said = json.loads(files["case.json"])["architecture"]
        c = {
            "model_type": "qwen3", "num_hidden_layers": said["n_layer"], "num_attention_heads": said["n_head"],
            "num_key_value_heads": said["n_kv_head"], "head_dim": said["head_size"], "hidden_size": said["d_model"],
            "vocab_size": said["vocab_size"], "max_position_embeddings": said["n_positions"],
            "rms_norm_eps": said["constants"]["rms_eps"], "rope_theta": said["constants"]["rope_theta"],
            "tie_word_embeddings": True,
        }  # fmt: skip
        run = _llama(c, w)
    tokens = _tokens(files, c["vocab_size"])
    longest = min(c["max_position_embeddings"], c.get("sliding_window") or 2048)
    return tokens, tokens, longest, _dtype(w), run, False


def _llama(c: Mapping[str, Any], w: Mapping[str, NDArray[Any]]) -> Callable[[Any, Ids], Any]:
    heads, shared, size = c["num_attention_heads"], c["num_key_value_heads"], c["head_dim"]
    base, kind = c.get("rope_parameters", c)["rope_theta"], c.get("hidden_act", "silu")
    pairs = int(size * c.get("partial_rotary_factor", 1.0)) // 2
    table = w["model.embed_tokens.weight"]

    def run(o: Any, ids: Ids) -> Any:
        def norm(name: str, x: Any) -> Any:
            return o.norm(x, "rms", w[f"{name}.weight"], None, c["rms_norm_eps"])

        def linear(name: str, x: Any) -> Any:
            return o.linear(x, w[f"{name}.weight"], w.get(f"{name}.bias"))

        x = o.rows(table, ids)
        for at in (f"model.layers.{n}." for n in range(c["num_hidden_layers"])):
            u = norm(f"{at}input_layernorm", x)
            q, k, v = (linear(f"{at}self_attn.{part}_proj", u) for part in "qkv")
            if c["model_type"] == "qwen3":
                gains = [w[f"{at}self_attn.{part}_norm.weight"] for part in "qk"]
                q = o.norm(q, "rms", np.tile(gains[0], heads), None, c["rms_norm_eps"], heads)
                k = o.norm(k, "rms", np.tile(gains[1], shared), None, c["rms_norm_eps"], shared)
            q, k = o.turn(q, heads, pairs, base), o.turn(k, shared, pairs, base)
            k, v = (o.shared(part, shared, heads // shared) for part in (k, v))
            x = o.add(x, linear(f"{at}self_attn.o_proj", o.attend(q, k, v, heads, causal=True)))
            u = norm(f"{at}post_attention_layernorm", x)
            gate = o.activate(linear(f"{at}mlp.gate_proj", u), KINDS.get(kind, kind))
            x = o.add(x, linear(f"{at}mlp.down_proj", o.multiply(gate, linear(f"{at}mlp.up_proj", u))))
        return o.linear(norm("model.norm", x), table if c["tie_word_embeddings"] else w["lm_head.weight"])

    return run


def _neox(c: Mapping[str, Any], w: Mapping[str, NDArray[Any]]) -> Callable[[Any, Ids], Any]:
    heads, kind = c["num_attention_heads"], c["hidden_act"]
    size = c["hidden_size"] // heads
    pairs = int(size * c["rotary_pct"]) // 2
    table = w["gpt_neox.embed_in.weight"]
    parts: dict[str, NDArray[Any]] = {}
    for name, tensor in w.items():
        if ".query_key_value." in name:
            rows = tensor.reshape(heads, 3, size, *tensor.shape[1:])
            for n, part in enumerate("qkv"):
                parts[f"{name}:{part}"] = np.ascontiguousarray(rows[:, n].reshape(-1, *tensor.shape[1:]))

    def run(o: Any, ids: Ids) -> Any:
        def norm(name: str, x: Any) -> Any:
            return o.norm(x, "layer", w[f"{name}.weight"], w[f"{name}.bias"], c["layer_norm_eps"])

        def linear(name: str, x: Any) -> Any:
            return o.linear(x, w[f"{name}.weight"], w.get(f"{name}.bias"))

        def mlp(at: str, x: Any) -> Any:
            inner = linear(f"{at}mlp.dense_h_to_4h", norm(f"{at}post_attention_layernorm", x))
            return linear(f"{at}mlp.dense_4h_to_h", o.activate(inner, KINDS.get(kind, kind)))

        x = o.rows(table, ids)
        for at in (f"gpt_neox.layers.{n}." for n in range(c["num_hidden_layers"])):
            u, name = norm(f"{at}input_layernorm", x), f"{at}attention.query_key_value"
            q, k, v = (o.linear(u, parts[f"{name}.weight:{p}"], parts.get(f"{name}.bias:{p}")) for p in "qkv")
            q, k = (o.turn(part, heads, pairs, c["rotary_emb_base"]) for part in (q, k))
            given = linear(f"{at}attention.dense", o.attend(q, k, v, heads, causal=True))
            if c["use_parallel_residual"]:
                x = o.add(o.add(mlp(at, x), given), x)
            else:
                x = o.add(x, given)
                x = o.add(mlp(at, x), x)
        head = table if c["tie_word_embeddings"] else w["embed_out.weight"]
        return o.linear(norm("gpt_neox.final_layer_norm", x), head)

    return run


# --- adders ---------------------------------------------------------------------------------------------------------


def adder(files: Files) -> Parts:
    """The three families of small adders, by the names of their tensors."""
    c = json.loads(files["case.json"])["architecture"]
    w = {}
    for name, tensor in safetensors.numpy.load(files["model.safetensors"]).items():
        own = name.removeprefix("blocks.0.")
        for prefix in ("attn.", "ffn.", "mlp."):
            own = own.removeprefix(prefix)
        w[own] = tensor
    family = _circle if "tok_arc_A" in w else _low if "token_emb.weight" in w else _halves
    tokens = _tokens(files, c["vocab_size"])
    return tokens, tokens, c["n_positions"], "float32", family(c, w), False


def _spiral(o: Any, w: Mapping[str, NDArray[Any]]) -> list[list[Any]]:
    amp, phase, slope, offset = (o.number(w[f"spiral_{n}"][0]) for n in ("amp", "phase", "slope", "offset"))
    rows = []
    for n in range(10):
        angle = 2 * o.pi() * n / 10 + phase
        row = [amp * o.cos(angle), amp * o.sin(angle), slope * n + offset]
        rows.append([v * (1 + o.number(w["pos_correction"][n])) for v in row] if "pos_correction" in w else row)
    return rows


def _all_places(o: Any, digits: list[list[Any]], ends: list[NDArray[Any]]) -> Any:
    plus, equals, last, end = ([o.number(v) for v in row.reshape(-1)] for row in ends)
    return o.table([*digits, plus, *digits, equals, *digits, last, end])


def _embedded(o: Any, tokens: Any, places: Any, ids: Ids) -> Any:
    return o.beside(o.rows(tokens, ids), o.rows(places, np.arange(ids.shape[-1])))


def _turned(w: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Every matrix the other way round, under the same names."""
    return {name: np.ascontiguousarray(t.T) for name, t in w.items() if t.ndim == 2}


def _circle(c: Mapping[str, Any], w: Mapping[str, NDArray[Any]]) -> Callable[[Any, Ids], Any]:
    t, eps, gain = _turned(w), c["constants"]["rms_eps"], w.get("norm1.weight", w.get("ln1.weight"))
    down = w["fc2.weight"] if "fc2.weight" in w else t["head_proj.weight"]

    def run(o: Any, ids: Ids) -> Any:
        radius, start, stride = (o.number(w[f"tok_arc_{name}"][0]) for name in ("A", "start", "stride"))
        angles = [start + n * stride for n in range(c["vocab_size"])]
        circle = o.table([[radius * o.cos(angle), radius * o.sin(angle)] for angle in angles])
        ends = [w[name] for name in ("_plus_pos", "special_pos_equals", "z_hi_pos", "_eos_pos")]
        x = _embedded(o, circle, _all_places(o, _spiral(o, w), ends), ids)
        u = o.norm(x, "rms", gain, None, eps)
        k = o.linear(o.columns(u, 2, 5), w["q_proj.weight"])
        q, v = o.turn_pairs(k, w["q_phase_angle"][0]), o.linear(o.columns(u, 0, 2), t["head_proj.weight"])
        y = o.attend(q, k, v, c["n_head"], causal=True)
        x = o.add(x, o.linear(o.linear(y, t["out_proj.A"]), t["out_proj.B"]))
        inner = o.activate(o.linear(o.norm(x, "rms", gain, None, eps), w["fc1.weight"]), "gelu")
        x = o.add(x, o.linear(inner, down))
        return o.times(o.linear(o.norm(x, "rms", gain, None, eps), w["head_proj.weight"]), circle)

    return run


def _halves(c: Mapping[str, Any], w: Mapping[str, NDArray[Any]]) -> Callable[[Any, Ids], Any]:
    eps, table = c["constants"]["rms_eps"], w["tok_emb.weight"]
    first = table.shape[1]
    names = ("digit_enc", "special_enc", "z10_enc") if "digit_enc" in w else ("", "special_pos", "z_hi_pos")
    special, last = w[names[1]], w[names[2]]
    up, down = ("0", "2") if "0.weight" in w else ("fc1", "fc2")

    def run(o: Any, ids: Ids) -> Any:
        digits = [[o.number(v) for v in row] for row in w["digit_enc"]] if names[0] else _spiral(o, w)
        places = _all_places(o, digits, [special[:1], special[1:2], last, special[2:]])
        x = _embedded(o, table, places, ids)
        u, d = o.norm(x, "rms", w["ln1.weight"], None, eps), len(w["ln1.weight"])
        q, k = (o.linear(o.columns(u, first, d), w[f"{part}_proj.weight"]) for part in "qk")
        v = o.linear(o.columns(u, 0, first), w["v_proj.weight"])
        x = o.add(x, o.linear(o.attend(q, k, v, c["n_head"], causal=True), w["out_proj.weight"]))
        u = o.norm(x, "rms", w["ln2.weight"], None, eps)
        inner = o.activate(o.linear(u, w[f"{up}.weight"], w[f"{up}.bias"]), "gelu")
        x = o.add(x, o.linear(inner, w[f"{down}.weight"], w[f"{down}.bias"]))
        return o.linear(o.linear(o.norm(x, "rms", w["ln_f.weight"], None, eps), w["head_proj.weight"]), table)

    return run


def _low(c: Mapping[str, Any], w: Mapping[str, NDArray[Any]]) -> Callable[[Any, Ids], Any]:
    t, eps = _turned(w), c["constants"]["rms_eps"]

    def run(o: Any, ids: Ids) -> Any:
        def low(name: str, x: Any) -> Any:
            return o.linear(o.linear(x, t[f"{name}.A"]), t[f"{name}.B"])

        places = o.rows(o.factors(w["pos_emb.A"], w["pos_emb.B"]), np.arange(ids.shape[-1]))
        x = o.add(o.rows(w["token_emb.weight"], ids), places)
        u = o.linear(o.norm(x, "rms", w["ln1.weight"], None, eps), t["qkv_A"])
        q, k = o.linear(u, t["qkv_Bq"]), o.linear(u, t["qkv_Bkv"])
        x = o.add(x, low("proj", o.attend(q, k, k, c["n_head"], causal=True)))
        u = low("fc1", o.norm(x, "rms", w["ln2.weight"], None, eps))
        x = o.add(x, low("fc2", o.activate(u, "gelu")))
        return o.linear(o.norm(x, "rms", w["ln_f.weight"], None, eps), w["token_emb.weight"])

    return run


# --- steps ----------------------------------------------------------------------------------------------------------


def steps(files: Files) -> Parts:
    """A folder that lists its steps."""
    said, w = json.loads(files["network.json"]), safetensors.numpy.load(files["model.safetensors"])

    def run(o: Any, ids: Ids) -> Any:
        x = o.rows(w[said["tokens"]], ids)
        if said["positions"] is not None:
            x = o.add(x, o.rows(w[said["positions"]], np.arange(ids.shape[-1])))
        return _follow(o, said["steps"], x, ids, w)

    pooled = any(step["step"] == "pool" for step in said["steps"])
    return tuple(said["vocabulary"]), tuple(said["outputs"]), said["longest"], said["dtype"], run, pooled


def _follow(o: Any, listed: list[dict[str, Any]], x: Any, ids: Ids, w: Mapping[str, NDArray[Any]]) -> Any:
    for s in listed:
        match s["step"]:
            case "affine":
                x = o.linear(x, w[s["weight"]], None if s["bias"] is None else w[s["bias"]])
            case "norm":
                bias = None if s["bias"] is None else w[s["bias"]]
                x = o.norm(x, s["kind"], w[s["gain"]], bias, s["eps"], s["groups"])
            case "activation":
                x = o.activate(x, s["kind"], s["slope"])
            case "abs_top_k":
                x = o.top_k(x, s["count"])
            case "mask":
                x = o.mask(x, np.array(s["kept"]), w[s["means"]])
            case "attention":
                q, k, v = (_follow(o, s[part], x, ids, w) for part in ("query", "key", "value"))
                sink = None if s["sink"] is None else w[s["sink"]]
                x = o.attend(q, k, v, s["heads"], causal=s["causal"], kind=s["weighting"], sink=sink, scale=s["scale"])
            case "residual":
                x = o.add(x, _follow(o, s["steps"], x, ids, w))
            case "product":
                x = o.multiply(_follow(o, s["left"], x, ids, w), _follow(o, s["right"], x, ids, w))
            case "lookup":
                x = o.add(x, o.rows(w[s["table"]], ids))
            case "pool":
                x = o.pool(x, s["kind"])
            case other:
                raise ValueError(f"no formula is known for the step {other!r}")
    return x
