"""Any ``Transformer`` in torch: what pruning differentiates.

Every step of ``tasks.networks.transformer`` has its line here, as in ``tasks.networks.interpreter``; the two are held
against each other by a test. What differs between uses is ``node``, called at every mask (``torch_model.Node``), and
``affine``, called for every affine map. Sparsemax and hard attention have the gradient of the support they chose.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from tasks.networks.sparse_transformer import NetworkError
from tasks.networks.transformer import (
    AbsTopK,
    Activation,
    Affine,
    Attention,
    Lookup,
    Mask,
    Norm,
    Pool,
    Product,
    Reals,
    Residual,
    Step,
    Transformer,
)
from tasks.training.torch_model import Node

Map = Callable[[Affine, Tensor], Tensor]  # an affine map of the network and what it is applied to


@dataclass(frozen=True, eq=False)
class TorchTransformer:
    """``network`` with its arrays as tensors of its own ``dtype``, made once."""

    network: Transformer
    _tensors: dict[int, Tensor] = field(default_factory=dict, init=False, repr=False)

    def logits(self, ids: Tensor, node: Node | None = None, affine: Map | None = None) -> Tensor:
        """Logits at every row: token ids (prompts, T) to (prompts, T, outputs), or one row after a pool.

        ``node(site, values)`` replaces what a mask does, ``affine(step, values)`` what an affine map does.
        """
        network = self.network
        x = self.tensor(network.tokens)[ids]
        if network.positions is not None:
            x = x + self.tensor(network.positions)[: ids.shape[1]]
        return _Run(self, ids, node, affine or self.affine).steps(network.steps, x)

    def affine(self, step: Affine, x: Tensor) -> Tensor:
        """An affine map as it is."""
        return functional.linear(x, self.tensor(step.weight), None if step.bias is None else self.tensor(step.bias))

    def tensor(self, array: Reals) -> Tensor:
        """An array of the network."""
        found = self._tensors.get(id(array))
        if found is None:
            found = self._tensors[id(array)] = torch.from_numpy(array.astype(self.network.dtype))
        return found


@dataclass(frozen=True, eq=False)
class _Run:
    """One execution on the prompts ``ids``."""

    model: TorchTransformer
    ids: Tensor
    node: Node | None
    affine: Map

    def steps(self, steps: tuple[Step, ...], x: Tensor) -> Tensor:
        tensor = self.model.tensor
        for step in steps:
            match step:
                case Affine():
                    x = self.affine(step, x)
                case Norm():
                    x = self._norm(step, x)
                case Activation(kind, slope):
                    x = _activation(kind, slope, x)
                case AbsTopK(count):
                    winners = x.detach().abs().topk(min(count, x.shape[-1]), dim=-1).indices
                    x = x * torch.zeros_like(x).scatter(-1, winners, 1.0)
                case Mask(site, kept, means):
                    x = self.node(site, x) if self.node is not None else x
                    if not kept.all():
                        x = torch.where(torch.from_numpy(np.array(kept)), x, tensor(means))
                case Attention():
                    x = self._attention(step, x)
                case Residual(inner):
                    x = x + self.steps(inner, x)
                case Product(left, right):
                    x = self.steps(left, x) * self.steps(right, x)
                case Lookup(table):
                    x = x + tensor(table)[self.ids]
                case Pool(kind):
                    x = _pooled(kind, x)
                case _:
                    raise NetworkError(f"pruning does not know a step of the kind {type(step).__name__}")
        return x

    def _norm(self, step: Norm, x: Tensor) -> Tensor:
        shape = x.shape
        x = x.reshape(*shape[:-1], step.groups, shape[-1] // step.groups)
        if step.kind not in ("layer", "rms"):
            raise NetworkError(f"pruning does not know the norm {step.kind}")
        if step.kind == "layer":
            x = x - x.mean(-1, keepdim=True)
        x = (x / torch.sqrt(x.square().mean(-1, keepdim=True) + step.eps)).reshape(shape) * self.model.tensor(step.gain)
        return x if step.bias is None else x + self.model.tensor(step.bias)

    def _attention(self, step: Attention, x: Tensor) -> Tensor:
        q, k, v = (_heads(self.steps(part, x), step.heads) for part in (step.query, step.key, step.value))
        scores = q @ k.transpose(-1, -2) * step.scale  # (prompts, heads, query, key)
        y = (self._weights(step, scores) @ v).transpose(1, 2)
        return y.flatten(2)

    def _weights(self, step: Attention, scores: Tensor) -> Tensor:
        length = self.ids.shape[1]
        seen = torch.ones(length, length, dtype=torch.bool)
        if step.causal:
            seen = seen.tril()
        if step.hidden:
            seen = seen & ~torch.isin(self.ids, torch.tensor(step.hidden))[:, None, None, :]
        scores = scores.masked_fill(~seen, -torch.inf)
        match step.weighting:
            case "softmax":
                if step.sink is None:
                    return scores.softmax(-1)
                sink = self.model.tensor(step.sink)[:, None, None].expand(*scores.shape[:3], 1)
                return torch.cat([scores, sink], dim=-1).softmax(dim=-1)[..., :-1]
            case "hard":
                best = (scores == scores.amax(-1, keepdim=True)).to(scores.dtype)
                return best / best.sum(-1, keepdim=True)
            case "sparsemax":
                return _sparsemax(scores)
        raise NetworkError(f"pruning does not know attention by {step.weighting}")


def _activation(kind: str, slope: float, x: Tensor) -> Tensor:
    match kind:
        case "gelu":
            return functional.gelu(x)
        case "gelu_tanh":
            return functional.gelu(x, approximate="tanh")
        case "relu":
            return functional.relu(x)
        case "leaky_relu":
            return functional.leaky_relu(x, slope)
        case "silu":
            return functional.silu(x)
        case "tanh":
            return torch.tanh(x)
        case "sigmoid":
            return torch.sigmoid(x)
    raise NetworkError(f"pruning does not know the activation {kind}")


def _pooled(kind: str, x: Tensor) -> Tensor:
    match kind:
        case "first":
            return x[:, :1]
        case "last":
            return x[:, -1:]
        case "concat":
            return x.flatten(1)[:, None]
        case "sum":
            return x.sum(dim=1, keepdim=True)
        case "mean":
            return x.mean(dim=1, keepdim=True)
    raise NetworkError(f"pruning does not know the pool {kind}")


def _sparsemax(scores: Tensor) -> Tensor:
    """The projection on the simplex (Martins and Astudillo, 2016)."""
    ranked = scores.sort(-1, descending=True).values
    counts = torch.arange(1, scores.shape[-1] + 1, dtype=scores.dtype)
    sums = torch.where(ranked.isinf(), torch.zeros_like(ranked), ranked).cumsum(-1)
    support = (1 + counts * ranked > sums) & ~ranked.isinf()
    size = support.sum(-1, keepdim=True)
    threshold = (sums.gather(-1, size - 1) - 1) / size
    return torch.clamp(scores - threshold, min=0)


def _heads(x: Tensor, heads: int) -> Tensor:
    """(prompts, T, heads * width) to (prompts, head, T, width)."""
    return x.reshape(*x.shape[:-1], heads, x.shape[-1] // heads).transpose(1, 2)


def float_of(network: Transformer) -> torch.dtype:
    """The floating point numbers that it is executed in."""
    return torch.float32 if network.dtype == "float32" else torch.float64
