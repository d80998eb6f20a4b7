"""The weight-sparse transformer: its configuration, its tensors, and the sites where nodes live.

The architecture is that of ``openai/circuit_sparsity`` (``gpt.py``; Gao et al., "Weight-sparse transformers have
interpretable circuits", 2025). For token ids ``t[0..T-1]`` (causal; ``A`` is AbsTopK where configured, else identity;
``N(site, x)`` marks a node site):

    x = wte[t] (+ wpe[0:T])
    for each layer:
        u = N(attn.act_in, A(norm1(x)))
        q, k, v = split(u Wqkv^T + b);  k = N(attn.k, A(k)), q = N(attn.q, A(q)), v = N(attn.v, A(v))
        s_ij = q_i . k_j / sqrt(d_head) for j <= i, per head
        p_ij = exp(s_ij) / (sum_j exp(s_ij) (+ exp(sink_head)))
        x = x + N(attn.resid_delta, A(concat_heads(p v) Wo^T + b))
        u = N(mlp.act_in, A(norm2(x)))
        h = N(mlp.post_act, A(act(u Wfc^T + b)))
        x = x + N(mlp.resid_delta, A(h Wproj^T + b))
    x = N(final_resid, x)
    logits = norm_f(x) lm_head^T + final_logits_bias (+ bigram_table[t])

A *circuit* keeps some nodes of each site and replaces the others by their mean: ``N(site, x) = m*x + (1-m)*mean``.
This file holds values and checks them; running a network is in ``interpreter`` and ``torch_model``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from dsl.showing import brief

Array = NDArray[np.float32]

LAYER_SITES = (
    "attn.act_in", "attn.q", "attn.k", "attn.v", "attn.resid_delta",
    "mlp.act_in", "mlp.post_act", "mlp.resid_delta",
)  # fmt: skip
FINAL_SITE = "final_resid"
TOP_K_SITES = ("attn_in", "attn_q", "attn_k", "attn_v", "attn_out", "mlp_in", "mlp_neuron", "mlp_out")


class NetworkError(ValueError):
    """A network that cannot be run as described: a missing tensor, a wrong shape, NaN, an unknown option."""


def check_prompt(name: str, shortest: int, around: int) -> None:
    """Raise NetworkError where a sequence of the ``shortest`` length, with ``around`` tokens about it, is no prompt."""
    if shortest + around < 1:
        raise NetworkError(
            f"{name}: the empty sequence is no prompt; begin with length 1, or name tokens before every sequence "
            "(prefix)"
        )


@dataclass(frozen=True)
class Config:
    """The shape and the options of a network. ``top_k_fraction`` applies at ``top_k_sites`` (all eight by default)."""

    vocab_size: int
    n_layer: int
    n_head: int
    d_head: int
    d_model: int
    d_mlp: int
    block_size: int
    norm: Literal["rms", "layer"] = "rms"
    norm_eps: float = float(np.finfo(np.float32).eps)
    activation: Literal["gelu", "relu"] = "gelu"
    top_k_fraction: float | None = None
    top_k_sites: tuple[str, ...] = TOP_K_SITES
    sink: bool = False
    positions: bool = False
    bigram: bool = False

    def __post_init__(self) -> None:
        for name in ("vocab_size", "n_layer", "n_head", "d_head", "d_model", "d_mlp", "block_size"):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise NetworkError(f"config: {name} must be a whole number of at least 1, got {value!r}")
        for name, known in (("norm", ("rms", "layer")), ("activation", ("gelu", "relu"))):
            if getattr(self, name) not in known:
                raise NetworkError(f"config: {name} must be one of {known}, got {getattr(self, name)!r}")
        for name in ("sink", "positions", "bigram"):
            if not isinstance(getattr(self, name), bool):
                raise NetworkError(f"config: {name} must be true or false, got {getattr(self, name)!r}")
        if not (isinstance(self.norm_eps, float) and 0 < self.norm_eps < 1):
            raise NetworkError(f"config: norm_eps must lie between 0 and 1, got {self.norm_eps!r}")
        fraction = self.top_k_fraction
        if fraction is not None and not (isinstance(fraction, (int, float)) and 0 < fraction <= 1):
            raise NetworkError(f"config: top_k_fraction must lie in (0, 1] or be null, got {fraction!r}")
        unknown = set(self.top_k_sites) - set(TOP_K_SITES)
        if unknown:
            raise NetworkError(f"config: unknown top_k_sites {sorted(unknown)}; known: {', '.join(TOP_K_SITES)}")

    def top_k(self, site: str, width: int) -> int | None:
        """How many entries AbsTopK keeps at ``site`` (one of ``TOP_K_SITES``), or None where it does not act."""
        if self.top_k_fraction is None or site not in self.top_k_sites:
            return None
        return max(1, int(self.top_k_fraction * width))

    def site_widths(self) -> dict[str, int]:
        """Every node site, ``"0.attn.act_in"`` to ``"final_resid"``, with its number of nodes."""
        heads = self.n_head * self.d_head
        width = {"attn.q": heads, "attn.k": heads, "attn.v": heads, "mlp.post_act": self.d_mlp}
        sites = {
            f"{layer}.{site}": width.get(site, self.d_model) for layer in range(self.n_layer) for site in LAYER_SITES
        }
        return {**sites, FINAL_SITE: self.d_model}

    def tensor_shapes(self) -> dict[str, tuple[int, ...]]:
        """Every tensor's name and shape, with the names of ``circuit_sparsity`` state dicts."""
        heads, d = self.n_head * self.d_head, self.d_model
        norm = ("weight",) if self.norm == "rms" else ("weight", "bias")
        shapes: dict[str, tuple[int, ...]] = {"transformer.wte.weight": (self.vocab_size, d)}
        if self.positions:
            shapes["transformer.wpe.weight"] = (self.block_size, d)
        for layer in range(self.n_layer):
            at = f"transformer.h.{layer}."
            for part in norm:
                shapes[f"{at}ln_1.{part}"] = (d,)
                shapes[f"{at}ln_2.{part}"] = (d,)
            shapes[f"{at}attn.c_attn.weight"] = (3 * heads, d)
            shapes[f"{at}attn.c_attn.bias"] = (3 * heads,)
            shapes[f"{at}attn.c_proj.weight"] = (d, heads)
            shapes[f"{at}attn.c_proj.bias"] = (d,)
            if self.sink:
                shapes[f"{at}attn.attn_imp.sink_logit"] = (self.n_head,)
            shapes[f"{at}mlp.c_fc.weight"] = (self.d_mlp, d)
            shapes[f"{at}mlp.c_fc.bias"] = (self.d_mlp,)
            shapes[f"{at}mlp.c_proj.weight"] = (d, self.d_mlp)
            shapes[f"{at}mlp.c_proj.bias"] = (d,)
        for part in norm:
            shapes[f"transformer.ln_f.{part}"] = (d,)
        shapes["lm_head.weight"] = (self.vocab_size, d)
        shapes["final_logits_bias"] = (self.vocab_size,)
        if self.bigram:
            shapes["bigram_table"] = (self.vocab_size, self.vocab_size)
        return shapes

    @property
    def score_scale(self) -> float:
        """The factor on query-key products, ``1 / sqrt(d_head)``."""
        return 1.0 / math.sqrt(self.d_head)


@dataclass(frozen=True)
class Network:
    """A full network: its configuration and its float32 tensors, checked against each other."""

    config: Config
    tensors: Mapping[str, Array]

    __repr__ = brief

    def __post_init__(self) -> None:
        check_tensors("network", self.config.tensor_shapes(), self.tensors)


def check_tensors(
    what: str, shapes: Mapping[str, tuple[int, ...]], tensors: Mapping[str, NDArray[Any]], dtype: str = "float32"
) -> None:
    """Raise NetworkError unless ``tensors`` has exactly these names and shapes, in finite numbers of ``dtype``."""
    missing, extra = sorted(shapes.keys() - tensors.keys()), sorted(tensors.keys() - shapes.keys())
    if missing or extra:
        raise NetworkError(
            f"{what}: tensors do not match the config"
            + (f"; missing: {', '.join(missing[:5])}" if missing else "")
            + (f"; unexpected: {', '.join(extra[:5])}" if extra else "")
        )
    for name, shape in shapes.items():
        tensor = tensors[name]
        if tuple(tensor.shape) != tuple(shape):
            raise NetworkError(f"{what}: {name} should have shape {tuple(shape)}, got {tuple(tensor.shape)}")
        if tensor.dtype != dtype:
            raise NetworkError(f"{what}: {name} should be {dtype}, got {tensor.dtype}")
        if not np.isfinite(tensor).all():
            raise NetworkError(f"{what}: {name} holds NaN or infinity; the weights are not usable")
