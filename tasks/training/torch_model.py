"""The weight-sparse transformer in torch: what training differentiates and what a certificate check re-executes.

One function, ``forward``, follows the formula in ``tasks/networks/sparse_transformer.py`` line by line. Everything that
differs between uses is the ``node`` argument, called at every node site: identity for the full network, ``mask*x +
(1-mask)*mean`` for a circuit, a recorder for measuring means, a differentiable gate for pruning. ``run_circuit`` shares
no code with the numpy interpreter, so the two can check each other. Nothing here bounds rounding errors; ``bounds``
does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from tasks.networks.circuit import Circuit
from tasks.networks.sparse_transformer import FINAL_SITE, Config, Network, NetworkError

Weights = Mapping[str, Tensor]
Node = Callable[[str, Tensor], Tensor]  # (site name, values (batch, length, width)) to the values that flow on
Float = type[np.float32] | type[np.float64]

CHUNK = 4096  # sequences executed at once, to bound memory


def keep_all(_site: str, x: Tensor) -> Tensor:
    """The node function of the full network."""
    return x


def circuit_nodes(kept: Weights, means: Weights) -> Node:
    """The node function of a circuit; ``kept[site]`` holds 0 or 1 per node (or a gate that carries gradients)."""
    return lambda site, x: kept[site] * x + (1 - kept[site]) * means[site]


def forward(config: Config, weights: Weights, ids: Tensor, node: Node = keep_all) -> Tensor:
    """Logits at every position: token ids (batch, length) to (batch, length, vocab_size), causal."""
    if ids.shape[1] > config.block_size:
        raise NetworkError(f"expected at most {config.block_size} tokens (block_size), got {ids.shape[1]}")
    x = weights["transformer.wte.weight"][ids]
    if config.positions:
        x = x + weights["transformer.wpe.weight"][: ids.shape[1]]
    for layer in range(config.n_layer):
        x = x + _attention(config, weights, layer, x, node)
        x = x + _mlp(config, weights, layer, x, node)
    x = node(FINAL_SITE, x)
    logits = _norm(config, weights, "transformer.ln_f", x) @ weights["lm_head.weight"].T + weights["final_logits_bias"]
    return logits + weights["bigram_table"][ids] if config.bigram else logits


def run_circuit(circuit: Circuit, sequences: NDArray[np.int8], dtype: Float = np.float64) -> NDArray[np.floating]:
    """Label logits at the last position: (sequences, length) alphabet indices to (sequences, labels)."""
    if sequences.shape[1] + len(circuit.prefix) == 0:
        raise NetworkError(f"{circuit.name}: cannot run an empty prompt; give a sequence of length 1 or more")
    weights = {name: torch.from_numpy(array.astype(dtype)) for name, array in circuit.network.tensors.items()}
    kept = {site: torch.from_numpy(mask.astype(dtype)) for site, mask in circuit.kept.items()}
    means = {site: torch.from_numpy(mean.astype(dtype)) for site, mean in circuit.means.items()}
    node = circuit_nodes(kept, means)
    ids = torch.from_numpy(circuit.prompt_ids(sequences))
    with torch.no_grad():
        answers = [
            forward(circuit.network.config, weights, chunk, node)[:, -1, list(circuit.label_ids)]
            for chunk in torch.split(ids, CHUNK)
        ]
    return torch.cat(answers).numpy()


def from_network(network: Network, dtype: Float = np.float32) -> dict[str, Tensor]:
    """The tensors of ``network`` as fresh torch tensors."""
    return {name: torch.from_numpy(array.astype(dtype)) for name, array in network.tensors.items()}


def to_network(config: Config, weights: Weights) -> Network:
    """The network with these weights, copied out of torch as float32."""
    tensors = {name: w.detach().numpy().astype(np.float32) for name, w in weights.items()}
    return Network(config, tensors)


def _attention(config: Config, weights: Weights, layer: int, x: Tensor, node: Node) -> Tensor:
    """What the attention of ``layer`` adds to the residual stream ``x`` (batch, length, d_model)."""
    at = f"transformer.h.{layer}."
    u = node(f"{layer}.attn.act_in", _abs_top_k(config, "attn_in", _norm(config, weights, f"{at}ln_1", x)))
    qkv = functional.linear(u, weights[f"{at}attn.c_attn.weight"], weights[f"{at}attn.c_attn.bias"])
    q, k, v = (
        _heads(config, node(f"{layer}.attn.{part}", _abs_top_k(config, f"attn_{part}", rows)))
        for part, rows in zip("qkv", qkv.chunk(3, dim=-1), strict=True)
    )
    scores = q @ k.transpose(-1, -2) * config.score_scale  # (batch, head, query, key)
    future = torch.ones(x.shape[1], x.shape[1], dtype=torch.bool).triu(1)
    scores = scores.masked_fill(future, -torch.inf)
    if config.sink:  # one more key of value zero, with a learned score per head
        sink = weights[f"{at}attn.attn_imp.sink_logit"][:, None, None].expand(*scores.shape[:3], 1)
        pattern = torch.cat([scores, sink], dim=-1).softmax(dim=-1)[..., :-1]
    else:
        pattern = scores.softmax(dim=-1)
    y = (pattern @ v).transpose(1, 2).flatten(2)
    out = functional.linear(y, weights[f"{at}attn.c_proj.weight"], weights[f"{at}attn.c_proj.bias"])
    return node(f"{layer}.attn.resid_delta", _abs_top_k(config, "attn_out", out))


def _mlp(config: Config, weights: Weights, layer: int, x: Tensor, node: Node) -> Tensor:
    """What the MLP of ``layer`` adds to the residual stream ``x`` (batch, length, d_model)."""
    at = f"transformer.h.{layer}."
    act = functional.gelu if config.activation == "gelu" else functional.relu
    u = node(f"{layer}.mlp.act_in", _abs_top_k(config, "mlp_in", _norm(config, weights, f"{at}ln_2", x)))
    h = act(functional.linear(u, weights[f"{at}mlp.c_fc.weight"], weights[f"{at}mlp.c_fc.bias"]))
    h = node(f"{layer}.mlp.post_act", _abs_top_k(config, "mlp_neuron", h))
    out = functional.linear(h, weights[f"{at}mlp.c_proj.weight"], weights[f"{at}mlp.c_proj.bias"])
    return node(f"{layer}.mlp.resid_delta", _abs_top_k(config, "mlp_out", out))


def _norm(config: Config, weights: Weights, at: str, x: Tensor) -> Tensor:
    """RMSNorm with a gain, or LayerNorm with a gain and a bias, over the last dimension."""
    if config.norm == "layer":
        x = x - x.mean(-1, keepdim=True)
    normed = x / torch.sqrt(x.square().mean(-1, keepdim=True) + config.norm_eps) * weights[f"{at}.weight"]
    return normed + weights[f"{at}.bias"] if config.norm == "layer" else normed


def _abs_top_k(config: Config, site: str, x: Tensor) -> Tensor:
    """The k entries of largest absolute value, zero elsewhere; equal values compete by torch's choice."""
    k = config.top_k(site, x.shape[-1])
    if k is None or k >= x.shape[-1]:
        return x
    winners = x.detach().abs().topk(k, dim=-1).indices
    return x * torch.zeros_like(x).scatter(-1, winners, 1.0)


def _heads(config: Config, x: Tensor) -> Tensor:
    """(batch, length, heads * d_head) to (batch, head, length, d_head)."""
    return x.reshape(*x.shape[:-1], config.n_head, config.d_head).transpose(1, 2)
