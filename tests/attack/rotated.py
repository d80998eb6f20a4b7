"""Folders with decoders of rotary positions, and with small adders whose tables have formulas; see ``folders``."""

from __future__ import annotations

from typing import Any

import numpy as np
import safetensors.numpy
from made import Made, Random, Shapes, encoded, halved, readout, weights

KINDS = ("llama", "llama", "mistral", "qwen2", "qwen3", "qwen3", "described", "gpt_neox", "gpt_neox")
BASES = (1.0, 3.0, 50.0, 1e4, 1e4, 1e6, 1e12)
FAMILIES = ("circle", "circle tied", "halves", "halves of a spiral", "low")
FAR = 90  # tokens before the sequence, seldom: angles of many turns


def decoder(rng: Random, mood: str) -> Made:
    """A Llama, Mistral, Qwen or GPT-NeoX of Hugging Face, or a Qwen3 that ``case.json`` describes."""
    kind = str(rng.choice(KINDS))
    is_far = bool(rng.random() < 0.04)
    longest = FAR + 2 if is_far else int(rng.choice([3, 4, 4, 18])) if rng.random() < 0.2 else 4
    vocab, inner = int(rng.choice([3, 4])), int(rng.choice([2, 3]))
    heads, shared, head = [(1, 1, 2), (2, 1, 2), (2, 2, 2), (1, 1, 4), (4, 2, 2), (3, 1, 2)][rng.integers(6)]
    common = {
        "num_hidden_layers": 1 if is_far else int(rng.choice([1, 1, 2])), "num_attention_heads": heads,
        "intermediate_size": inner, "vocab_size": vocab, "max_position_embeddings": longest,
        "hidden_act": str(rng.choice(["silu", "silu", "silu", "gelu", "gelu_new", "relu"])),
        "tie_word_embeddings": bool(rng.random() < 0.3),
    }  # fmt: skip
    base, eps = float(rng.choice(BASES)), float(rng.choice([1e-6, 1e-5, 0.1]))
    if kind == "gpt_neox":
        head = int(rng.choice([2, 4]))
        c = common | {
            "model_type": kind, "hidden_size": heads * head, "rotary_pct": float(rng.choice([0.5, 1.0])) if head == 4
            else 1.0, "rotary_emb_base": base, "layer_norm_eps": eps, "attention_bias": bool(rng.random() < 0.8),
            "use_parallel_residual": bool(rng.random() < 0.6),
        }  # fmt: skip
        shapes = _neox_shapes(c)
    else:
        d = int(rng.choice([2, 3, 4]))
        own = "qwen3" if kind == "described" else kind
        c = common | {"model_type": own, "hidden_size": d, "num_key_value_heads": shared, "head_dim": head,
                      "rms_norm_eps": eps}  # fmt: skip
        if kind == "described":
            c |= {"rope_theta": base, "tie_word_embeddings": True, "hidden_act": "silu"}
        else:
            c |= {"rope_theta": base} if rng.random() < 0.6 else {"rope_parameters": {"rope_theta": base}}
            c |= {"attention_bias": bool(rng.random() < 0.4), "mlp_bias": bool(rng.random() < 0.3)}
            if kind == "mistral" and rng.random() < 0.5:
                c["sliding_window"] = longest - 1
        shapes = _llama_shapes(c)
    tensors = weights(rng, shapes, mood, np.float64 if rng.random() < 0.15 else np.float32)
    if rng.random() < 0.1:
        tensors = halved(tensors)
    names = tuple(f"t{n}" for n in range(vocab))
    files = {"model.safetensors": safetensors.numpy.save(tensors)}
    if kind == "described":
        architecture = {
            "kind": "made", "n_layer": c["num_hidden_layers"], "n_head": heads, "n_kv_head": shared, "head_size": head,
            "d_model": c["hidden_size"], "mlp_width": inner, "vocab_size": vocab, "n_positions": longest,
            "constants": {"rms_eps": eps, "rope_theta": base},
        }  # fmt: skip
        tokens = {name: n for n, name in enumerate(names)}
        files["case.json"] = encoded({"name": "made", "tokens": tokens, "architecture": architecture})
    else:
        files |= {"config.json": encoded(c), "vocab.json": encoded({name: n for n, name in enumerate(names)})}
    question: dict[str, Any] = readout(rng, names)
    if is_far:
        before = tuple(str(name) for name in rng.choice(names, FAR - int("sliding_window" in c)))
        question |= {"prefix": before, "alphabet": names}
    elif rng.random() < 0.5:
        question |= {"prefix": names[-1:], "alphabet": names[:-1]}
    return Made("decoder", files, question)


def _llama_shapes(c: dict[str, Any]) -> Shapes:
    d, inner, vocab, head = c["hidden_size"], c["intermediate_size"], c["vocab_size"], c["head_dim"]
    wide, narrow = c["num_attention_heads"] * head, c["num_key_value_heads"] * head
    has_biases = c.get("attention_bias", False)
    biased = {"llama": "qkvo", "qwen3": "qkvo"}.get(c["model_type"], "") if has_biases else ""
    biased = "qkv" if c["model_type"] == "qwen2" else biased
    shapes: Shapes = {"model.embed_tokens.weight": (vocab, d)}
    for at in (f"model.layers.{n}." for n in range(c["num_hidden_layers"])):
        shapes[f"{at}input_layernorm.weight"] = (d,)
        for part, shape in (("q", (wide, d)), ("k", (narrow, d)), ("v", (narrow, d)), ("o", (d, wide))):
            shapes[f"{at}self_attn.{part}_proj.weight"] = shape
            shapes |= {f"{at}self_attn.{part}_proj.bias": shape[:1]} if part in biased else {}
        if c["model_type"] == "qwen3":
            shapes |= {f"{at}self_attn.{part}_norm.weight": (head,) for part in "qk"}
        shapes[f"{at}post_attention_layernorm.weight"] = (d,)
        for name, shape in (("gate", (inner, d)), ("up", (inner, d)), ("down", (d, inner))):
            shapes[f"{at}mlp.{name}_proj.weight"] = shape
            shapes |= {f"{at}mlp.{name}_proj.bias": shape[:1]} if c.get("mlp_bias") else {}
    shapes["model.norm.weight"] = (d,)
    return shapes | ({} if c["tie_word_embeddings"] else {"lm_head.weight": (vocab, d)})


def _neox_shapes(c: dict[str, Any]) -> Shapes:
    d, inner, vocab = c["hidden_size"], c["intermediate_size"], c["vocab_size"]
    shapes: Shapes = {"gpt_neox.embed_in.weight": (vocab, d)}
    for at in (f"gpt_neox.layers.{n}." for n in range(c["num_hidden_layers"])):
        norms = [f"{at}input_layernorm", f"{at}post_attention_layernorm"]
        shapes |= {f"{norm}.{part}": (d,) for norm in norms for part in ("weight", "bias")}
        maps = {"attention.query_key_value": (3 * d, d), "attention.dense": (d, d)}
        for name, shape in {**maps, "mlp.dense_h_to_4h": (inner, d), "mlp.dense_4h_to_h": (d, inner)}.items():
            shapes[f"{at}{name}.weight"] = shape
            shapes |= {f"{at}{name}.bias": shape[:1]} if c["attention_bias"] or name.startswith("mlp") else {}
    shapes |= {f"gpt_neox.final_layer_norm.{part}": (d,) for part in ("weight", "bias")}
    return shapes | ({} if c["tie_word_embeddings"] else {"embed_out.weight": (vocab, d)})


def adder(rng: Random, mood: str) -> Made:
    """One of the families of small adders, for prompts of a few digits, or of all."""
    family = str(rng.choice(FAMILIES))
    longest = int(rng.choice([3, 4, 4, 4, 12])) if rng.random() < 0.9 else 33
    d, heads, head, vocab, rank = 5, 1, 4, int(rng.choice([3, 4])), int(rng.choice([1, 2, 3]))
    spiral: Shapes = {f"spiral_{name}": (1,) for name in ("amp", "phase", "slope", "offset")}
    if family.startswith("circle"):
        shapes: Shapes = {f"tok_arc_{name}": (1,) for name in ("A", "start", "stride")} | spiral
        shapes |= {name: (1, 3) for name in ("special_pos_equals", "z_hi_pos", "_plus_pos", "_eos_pos")}
        shapes |= {"q_phase_angle": (1,), "q_proj.weight": (4, 3), "out_proj.A": (5, rank), "out_proj.B": (rank, 5)}
        shapes |= {"fc1.weight": (2, 5), "head_proj.weight": (2, 5), "norm1.weight": (5,)}
        shapes |= {} if family == "circle tied" else {"fc2.weight": (5, 2)}
    elif family == "low":
        heads, head, d = [(1, 4, 4), (2, 2, 4), (2, 2, 3)][rng.integers(3)]
        h, inner = heads * head, 3
        shapes = {
            "token_emb.weight": (vocab, d), "pos_emb.A": (longest, rank), "pos_emb.B": (rank, d), "ln1.weight": (d,),
            "qkv_A": (d, 3), "qkv_Bq": (3, h), "qkv_Bkv": (3, h), "proj.A": (h, rank), "proj.B": (rank, d),
            "ln2.weight": (d,), "mlp.fc1.A": (d, rank), "mlp.fc1.B": (rank, inner), "mlp.fc2.A": (inner, rank),
            "mlp.fc2.B": (rank, d), "ln_f.weight": (d,),
        }  # fmt: skip
    else:
        heads, head = [(1, 2), (2, 2), (2, 3)][rng.integers(3)]
        d, h = 6, heads * head
        shapes = {"tok_emb.weight": (vocab, 3), "ln1.weight": (6,), "ln2.weight": (6,), "ln_f.weight": (6,)}
        shapes |= {f"{part}_proj.weight": (h, 3) for part in "qkv"} | {"out_proj.weight": (6, h)}
        shapes |= {"fc1.weight": (2, 6), "fc1.bias": (2,), "fc2.weight": (6, 2), "fc2.bias": (6,)}
        if family == "halves":
            shapes |= {"digit_enc": (10, 3), "z10_enc": (1, 3), "special_enc": (3, 3)}
        else:
            shapes |= spiral | {"pos_correction": (10,), "z_hi_pos": (1, 3), "special_pos": (3, 3)}
        shapes["head_proj.weight"] = (3, 6)
    tensors = weights(rng, shapes, mood)
    if "pos_emb.A" in tensors and rng.random() < 0.1:
        _small_and_large(rng, tensors, "pos_emb.A", "pos_emb.B")
    if "pos_correction" in tensors and rng.random() < 0.1:
        _small_and_large(
            rng, tensors, str(rng.choice(["spiral_amp", "spiral_slope", "spiral_offset"])), "pos_correction"
        )
    for copy in ("norm2.weight", "norm_f.weight") if family.startswith("circle") else ():
        tensors[copy] = tensors["norm1.weight"]
    if rng.random() < 0.3:
        alone = ("tok_", "token_", "pos_", "spiral_", "special_", "z", "digit_", "ln_f", "head_proj", "_", "norm")
        tensors = {(n if n.startswith(alone) else f"blocks.0.{n}"): t for n, t in tensors.items()}
    architecture = {
        "kind": family, "n_layer": 1, "n_head": heads, "head_size": head, "d_model": d, "mlp_width": 2,
        "vocab_size": vocab, "n_positions": longest,
        "constants": {"rms_eps": float(rng.choice([1e-6, 1e-5, 0.1])), "attention_scale": head**-0.5},
    }  # fmt: skip
    names = tuple(f"t{n}" for n in range(vocab))
    said = {"name": "made", "tokens": {name: n for n, name in enumerate(names)}, "architecture": architecture}
    files = {"case.json": encoded(said), "model.safetensors": safetensors.numpy.save(tensors)}
    question: dict[str, Any] = readout(rng, names)
    if rng.random() < 0.5:
        question |= {"prefix": names[-1:], "alphabet": names[:-1]}
    return Made("adder", files, question)


def _small_and_large(rng: Random, tensors: dict[str, Any], small: str, large: str) -> None:
    """Two factors of an ordinary product, one of which float32 hardly holds."""
    power = rng.uniform(36, 44)
    tensors[small] = (tensors[small].astype(float) * 10.0**-power).astype(np.float32)
    tensors[large] = np.clip(tensors[large].astype(float) * 10.0 ** min(power, 37.5), -3e38, 3e38).astype(np.float32)
