"""Small decoders in the files of Hugging Face, drawn at random, and their formulas once more, in torch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.numpy import save_file
from torch.nn import functional

Tensors = dict[str, np.ndarray]
VOCABULARY = 5
LLAMA: dict[str, Any] = {
    "model_type": "llama", "hidden_size": 6, "intermediate_size": 5, "num_hidden_layers": 2, "num_attention_heads": 2,
    "num_key_value_heads": 1, "head_dim": 4, "vocab_size": VOCABULARY, "max_position_embeddings": 12,
    "rms_norm_eps": 1e-5, "rope_theta": 50.0, "hidden_act": "silu", "tie_word_embeddings": False,
}  # fmt: skip
NEOX: dict[str, Any] = {
    "model_type": "gpt_neox", "hidden_size": 8, "intermediate_size": 6, "num_hidden_layers": 2,
    "num_attention_heads": 2, "vocab_size": VOCABULARY, "max_position_embeddings": 12, "rotary_pct": 0.5,
    "rotary_emb_base": 30.0, "hidden_act": "gelu", "layer_norm_eps": 1e-5, "use_parallel_residual": True,
    "tie_word_embeddings": False,
}  # fmt: skip
CONFIGS: dict[str, dict[str, Any]] = {
    "llama": LLAMA,
    "llama_biased": {**LLAMA, "attention_bias": True, "mlp_bias": True, "num_key_value_heads": 2, "hidden_act": "gelu"},
    "mistral": {**LLAMA, "model_type": "mistral", "sliding_window": 7},
    "qwen2": {**LLAMA, "model_type": "qwen2", "tie_word_embeddings": True, "use_sliding_window": False},
    "qwen3": {**LLAMA, "model_type": "qwen3", "rope_parameters": {"rope_type": "default", "rope_theta": 20.0}},
    "neox": NEOX,
    "neox_in_turn": {**NEOX, "use_parallel_residual": False, "rotary_pct": 1.0, "attention_bias": False},
}


def tensors_of(config: dict[str, Any], seed: int = 0) -> Tensors:
    """Random weights under the names of the configuration."""
    c, rng = config, np.random.default_rng(seed)
    d, inner, heads, vocabulary = (
        c[k] for k in ("hidden_size", "intermediate_size", "num_attention_heads", "vocab_size")
    )
    drawn: Tensors = {}

    def put(name: str, *shape: int) -> None:
        drawn[name] = rng.normal(scale=0.7, size=shape).astype(np.float32)

    if c["model_type"] == "gpt_neox":
        put("gpt_neox.embed_in.weight", vocabulary, d)
        put("embed_out.weight", vocabulary, d)
        names = ["gpt_neox.final_layer_norm"]
        for at in (f"gpt_neox.layers.{n}." for n in range(c["num_hidden_layers"])):
            names += [f"{at}input_layernorm", f"{at}post_attention_layernorm"]
            maps = {"attention.query_key_value": (3 * d, d), "attention.dense": (d, d)}
            for name, shape in {**maps, "mlp.dense_h_to_4h": (inner, d), "mlp.dense_4h_to_h": (d, inner)}.items():
                put(f"{at}{name}.weight", *shape)
                if name.startswith("mlp") or c.get("attention_bias", True):
                    put(f"{at}{name}.bias", shape[0])
        for name in names:
            put(f"{name}.weight", d)
            put(f"{name}.bias", d)
        return drawn
    head, shared = c["head_dim"], c["num_key_value_heads"]
    put("model.embed_tokens.weight", vocabulary, d)
    put("model.norm.weight", d)
    if not c["tie_word_embeddings"]:
        put("lm_head.weight", vocabulary, d)
    biased = "qkvo" if c.get("attention_bias") else "qkv" if c["model_type"] == "qwen2" else ""
    for at in (f"model.layers.{n}." for n in range(c["num_hidden_layers"])):
        put(f"{at}input_layernorm.weight", d)
        put(f"{at}post_attention_layernorm.weight", d)
        for part, shape in (("q", (heads * head, d)), ("k", (shared * head, d)), ("v", (shared * head, d)),
                            ("o", (d, heads * head))):  # fmt: skip
            put(f"{at}self_attn.{part}_proj.weight", *shape)
            if part in biased:
                put(f"{at}self_attn.{part}_proj.bias", shape[0])
        if c["model_type"] == "qwen3":
            put(f"{at}self_attn.q_norm.weight", head)
            put(f"{at}self_attn.k_norm.weight", head)
        for name, shape in (("gate", (inner, d)), ("up", (inner, d)), ("down", (d, inner))):
            put(f"{at}mlp.{name}_proj.weight", *shape)
            if c.get("mlp_bias"):
                put(f"{at}mlp.{name}_proj.bias", shape[0])
    return drawn


def write(folder: Path, config: dict[str, Any], tensors: Tensors | None = None, **texts: object) -> Path:
    """The folder of a decoder; ``texts`` are further JSON files by name without ending."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, value in {"config": config, **texts}.items():
        (folder / f"{name}.json").write_text(json.dumps(value))
    save_file(tensors_of(config) if tensors is None else tensors, folder / "model.safetensors")
    return folder


class Reference:
    """The forward pass as the authors' programs make it, in one dtype, with angles in another."""

    def __init__(self, config: dict[str, Any], tensors: Tensors, dtype: torch.dtype, angles: torch.dtype) -> None:
        self.c, self.dtype, self.angles = config, dtype, angles
        self.t = {name: torch.tensor(value, dtype=dtype) for name, value in tensors.items()}

    def logits(self, ids: np.ndarray) -> np.ndarray:
        """(prompts, T) to (prompts, T, vocabulary)."""
        with torch.no_grad():
            run = self._neox if self.c["model_type"] == "gpt_neox" else self._llama
            return run(torch.tensor(ids)).double().numpy()

    def _map(self, name: str, x: torch.Tensor) -> torch.Tensor:
        return functional.linear(x, self.t[f"{name}.weight"], self.t.get(f"{name}.bias"))

    def _rms(self, name: str, x: torch.Tensor) -> torch.Tensor:
        scale = torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.c["rms_norm_eps"])
        return self.t[f"{name}.weight"] * (x * scale)

    def _turn(self, x: torch.Tensor, columns: int, base: float) -> torch.Tensor:
        frequencies = 1.0 / base ** (torch.arange(0, columns, 2, dtype=self.angles) / columns)
        angle = torch.outer(torch.arange(x.shape[-2], dtype=self.angles), frequencies)
        angle = torch.cat([angle, angle], dim=-1)
        cos, sin = angle.cos().to(self.dtype), angle.sin().to(self.dtype)
        first, rest = x[..., :columns], x[..., columns:]
        swapped = torch.cat([-first[..., columns // 2 :], first[..., : columns // 2]], dim=-1)
        return torch.cat([first * cos + swapped * sin, rest], dim=-1)

    def _attend(self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        scores = q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5
        later = torch.ones(scores.shape[-2:], dtype=torch.bool).triu(1)
        return (scores.masked_fill(later, -torch.inf).softmax(-1) @ v).transpose(1, 2).flatten(-2)

    def _act(self, x: torch.Tensor) -> torch.Tensor:
        return functional.silu(x) if self.c["hidden_act"] == "silu" else functional.gelu(x)

    def _llama(self, ids: torch.Tensor) -> torch.Tensor:
        c, head, shared = self.c, self.c["head_dim"], self.c["num_key_value_heads"]
        base, times = c.get("rope_parameters", c)["rope_theta"], c["num_attention_heads"] // shared
        x = self.t["model.embed_tokens.weight"][ids]
        for at in (f"model.layers.{n}." for n in range(c["num_hidden_layers"])):
            u = self._rms(f"{at}input_layernorm", x)
            q, k, v = (
                self._map(f"{at}self_attn.{part}_proj", u).unflatten(-1, (-1, head)).transpose(1, 2) for part in "qkv"
            )
            if c["model_type"] == "qwen3":
                q, k = self._rms(f"{at}self_attn.q_norm", q), self._rms(f"{at}self_attn.k_norm", k)
            q, k = self._turn(q, head, base), self._turn(k, head, base)
            k, v = (part.repeat_interleave(times, dim=1) for part in (k, v))
            x = x + self._map(f"{at}self_attn.o_proj", self._attend(q, k, v))
            u = self._rms(f"{at}post_attention_layernorm", x)
            gated = self._act(self._map(f"{at}mlp.gate_proj", u)) * self._map(f"{at}mlp.up_proj", u)
            x = x + self._map(f"{at}mlp.down_proj", gated)
        table = self.t["model.embed_tokens.weight" if c["tie_word_embeddings"] else "lm_head.weight"]
        return functional.linear(self._rms("model.norm", x), table)

    def _neox(self, ids: torch.Tensor) -> torch.Tensor:
        c, d, heads = self.c, self.c["hidden_size"], self.c["num_attention_heads"]
        columns = int(d // heads * c["rotary_pct"])

        def norm(name: str, x: torch.Tensor) -> torch.Tensor:
            return functional.layer_norm(x, (d,), self.t[f"{name}.weight"], self.t[f"{name}.bias"], c["layer_norm_eps"])

        x = self.t["gpt_neox.embed_in.weight"][ids]
        for at in (f"gpt_neox.layers.{n}." for n in range(c["num_hidden_layers"])):
            fused = self._map(f"{at}attention.query_key_value", norm(f"{at}input_layernorm", x))
            q, k, v = fused.unflatten(-1, (heads, -1)).transpose(1, 2).chunk(3, dim=-1)
            q, k = (self._turn(part, columns, c["rotary_emb_base"]) for part in (q, k))
            given = self._map(f"{at}attention.dense", self._attend(q, k, v))
            read = x if c["use_parallel_residual"] else x + given
            inner = self._act(self._map(f"{at}mlp.dense_h_to_4h", norm(f"{at}post_attention_layernorm", read)))
            made = self._map(f"{at}mlp.dense_4h_to_h", inner)
            x = made + given + x if c["use_parallel_residual"] else made + read
        return functional.linear(norm("gpt_neox.final_layer_norm", x), self.t["embed_out.weight"])
