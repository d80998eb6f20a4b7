"""Two arithmetics for one formula: real numbers (``flint.arb``, hundreds of bits), and torch as people execute it.

A formula (``formulas``) calls the same few operations of either. ``Exact`` has one prompt, a list of rows of balls that
hold the real values; where it cannot tell (a tie in AbsTopK) a value becomes NaN, which decides nothing. ``Executed``
has a batch of prompts in float32 or float64, with one of several usual kernels per operation. Nothing here is shared
with what is attacked.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from flint import arb, arb_mat, ctx
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

Reals = NDArray[np.floating]
Rows = list[list[arb]]

BITS = 600  # squares of float32 numbers of both ends lie 2**400 apart
ATTENTIONS = ("plain", "fused", "scaled queries")
VARIANCES = ("torch", "two passes", "one pass")
MASKS = ("choice", "product")


class Exact:
    """Real arithmetic on one prompt."""

    def __init__(self) -> None:
        self._maps: dict[int, tuple[Reals, arb_mat]] = {}
        ctx.prec = BITS

    def rows(self, table: Reals, ids: NDArray[np.integer]) -> Rows:
        """The rows ``ids`` (T,) of a table."""
        return [[arb(float(x)) for x in table[n]] for n in ids]

    def add(self, x: Rows, y: Rows) -> Rows:
        """Entry by entry."""
        return [[a + b for a, b in zip(row, other, strict=True)] for row, other in zip(x, y, strict=True)]

    def linear(self, x: Rows, weight: Reals, bias: Reals | None = None) -> Rows:
        """``W x + b``, weight (out, in)."""
        if id(weight) not in self._maps:
            self._maps[id(weight)] = weight, arb_mat(weight.T.astype(float).tolist())
        y: Rows = (arb_mat(x) * self._maps[id(weight)][1]).tolist()
        return y if bias is None else self.add(y, [[arb(float(b)) for b in bias]] * len(y))

    def norm(self, x: Rows, kind: str, gain: Reals, bias: Reals | None, eps: float) -> Rows:
        """RMSNorm or LayerNorm of every row."""
        result = []
        for row in x:
            mean = sum(row, arb(0)) / len(row) if kind == "layer" else arb(0)
            row = [v - mean for v in row]
            root = (sum((v * v for v in row), arb(0)) / len(row) + arb(eps)).sqrt()
            row = [v / root * arb(float(g)) for v, g in zip(row, gain, strict=True)]
            result.append(row if bias is None else [v + arb(float(b)) for v, b in zip(row, bias, strict=True)])
        return result

    def activate(self, x: Rows, kind: str, slope: float = 0.0) -> Rows:
        """One of the activations of the formats."""
        return [[_activated(v, kind, slope) for v in row] for row in x]

    def top_k(self, x: Rows, k: int) -> Rows:
        """The k largest by size; NaN where a tie leaves the choice open."""
        result = []
        for row in x:
            order = sorted(range(len(row)), key=lambda n, row=row: float(abs(row[n]).mid()), reverse=True)
            kept, others = order[:k], order[k:]
            clear = all(abs(row[n]) > abs(row[m]) for n in kept for m in others)
            zero = arb(0) if clear else arb.nan()
            result.append([v if n in kept and clear else zero for n, v in enumerate(row)])
        return result

    def mask(self, x: Rows, kept: NDArray[np.bool_], means: Reals) -> Rows:
        """The means where a node is not kept."""
        return [[v if k else arb(float(m)) for v, k, m in zip(row, kept, means, strict=True)] for row in x]

    def attend(
        self,
        q: Rows,
        k: Rows,
        v: Rows,
        heads: int,
        *,
        causal: bool,
        kind: str = "softmax",
        sink: Reals | None = None,
        divisor: float | None = None,
    ) -> Rows:
        """Attention of every row; scores are divided by the root of a head's size, or by another number."""
        size, wide = len(q[0]) // heads, len(v[0]) // heads
        root = arb(size).sqrt() if divisor is None else arb(divisor)
        result = []
        for n, row in enumerate(q):
            seen, y = range(n + 1) if causal else range(len(k)), []
            for h in range(heads):
                here = slice(h * size, (h + 1) * size)
                scores = [_dot(row[here], k[m][here]) / root for m in seen]
                weights = _weights(scores, kind, None if sink is None else arb(float(sink[h])))
                y += [_dot(weights, [v[m][h * wide + c] for m in seen]) for c in range(wide)]
            result.append(y)
        return result

    def columns(self, x: Rows, start: int, end: int) -> Rows:
        """A block of columns."""
        return [row[start:end] for row in x]

    def pool(self, x: Rows, kind: str) -> Rows:
        """All rows as one."""
        if kind == "last":
            return x[-1:]
        total = [sum(column, arb(0)) for column in zip(*x, strict=True)]
        return [[v / len(x) for v in total] if kind == "mean" else total]


def _dot(x: list[arb], y: list[arb]) -> arb:
    return sum((a * b for a, b in zip(x, y, strict=True)), arb(0))


def _activated(x: arb, kind: str, slope: float) -> arb:
    match kind:
        case "gelu":
            return x / 2 * (1 + (x / arb(2).sqrt()).erf())
        case "gelu_tanh":
            return x / 2 * (1 + ((2 / arb.pi()).sqrt() * (x + arb("0.044715") * x * x * x)).tanh())
    return arb.max(x, arb(0)) + arb(slope) * arb.min(x, arb(0))


def _weights(scores: list[arb], kind: str, sink: arb | None) -> list[arb]:
    if kind == "sparsemax":
        falling = sorted(scores, key=lambda s: float(s.mid()), reverse=True)
        total, tau = arb(0), arb("-inf")
        for n, score in enumerate(falling, 1):
            total += score
            tau = arb.max(tau, (total - 1) / n) if n > 1 else total - 1
        return [arb.max(score - tau, arb(0)) for score in scores]
    every = scores if sink is None else [*scores, sink]
    if not all(s.is_finite() for s in every):
        return [arb.nan()] * len(scores)
    top = max((s.mid() for s in every), key=float if all(abs(s) < 1e300 for s in every) else _order)
    powers = [(s - top).exp() for s in every]
    total = sum(powers, arb(0))
    return [p / total for p in powers[: len(scores)]]


class _order:  # noqa: N801 (a key to sort by)
    """Midpoints beyond float64, compared as they are."""

    def __init__(self, value: arb) -> None:
        self.value = value

    def __lt__(self, other: _order) -> bool:
        return bool(self.value < other.value)

    def __gt__(self, other: _order) -> bool:
        return bool(self.value > other.value)


@dataclass(frozen=True)
class Style:
    """Which kernels an execution uses."""

    attention: str = "plain"
    variance: str = "torch"
    mask: str = "choice"

    @classmethod
    def drawn(cls, rng: np.random.Generator) -> Style:
        """One of all."""
        return cls(str(rng.choice(ATTENTIONS)), str(rng.choice(VARIANCES)), str(rng.choice(MASKS)))


class Executed:
    """A batch of prompts (B, T) in torch."""

    def __init__(self, dtype: str, style: Style = Style(), device: str = "cpu") -> None:
        self.dtype, self.style, self.device = getattr(torch, dtype), style, device

    def tensor(self, values: Reals) -> Tensor:
        """Weights as they are loaded."""
        return torch.from_numpy(np.ascontiguousarray(values)).to(self.device, self.dtype)

    def rows(self, table: Reals, ids: NDArray[np.integer]) -> Tensor:
        """The rows ``ids`` (B, T), or (T,), of a table."""
        return self.tensor(table)[torch.from_numpy(np.ascontiguousarray(ids)).to(self.device)]

    def add(self, x: Tensor, y: Tensor) -> Tensor:
        """Entry by entry; (T, d) is added to every prompt."""
        return x + y

    def linear(self, x: Tensor, weight: Reals, bias: Reals | None = None) -> Tensor:
        """``W x + b``."""
        return functional.linear(x, self.tensor(weight), None if bias is None else self.tensor(bias))

    def norm(self, x: Tensor, kind: str, gain: Reals, bias: Reals | None, eps: float) -> Tensor:
        """RMSNorm or LayerNorm of every row."""
        scale, shift = self.tensor(gain), None if bias is None else self.tensor(bias)
        if kind == "rms":
            y = x * torch.rsqrt(x.square().mean(-1, keepdim=True) + eps) * scale
            return y if shift is None else y + shift
        if self.style.variance == "torch":
            return functional.layer_norm(x, x.shape[-1:], scale, shift, eps)
        mean = x.mean(-1, keepdim=True)
        one_pass = self.style.variance == "one pass"
        variance = x.square().mean(-1, keepdim=True) - mean.square() if one_pass else (x - mean).square().mean(-1, True)
        y = (x - mean) / torch.sqrt(variance + eps) * scale
        return y if shift is None else y + shift

    def activate(self, x: Tensor, kind: str, slope: float = 0.0) -> Tensor:
        """One of the activations of the formats."""
        match kind:
            case "gelu":
                return functional.gelu(x)
            case "gelu_tanh":
                return functional.gelu(x, approximate="tanh")
            case "leaky_relu":
                return functional.leaky_relu(x, slope)
        return functional.relu(x)

    def top_k(self, x: Tensor, k: int) -> Tensor:
        """The k largest by size, by torch's choice where some are equal."""
        return torch.zeros_like(x).scatter(-1, (at := x.abs().topk(k, dim=-1).indices), x.gather(-1, at))

    def mask(self, x: Tensor, kept: NDArray[np.bool_], means: Reals) -> Tensor:
        """The means where a node is not kept, by a choice or by a product."""
        if self.style.mask == "choice":
            return torch.where(torch.from_numpy(kept.copy()).to(self.device), x, self.tensor(means))
        share = self.tensor(kept.astype(float))
        return share * x + (1 - share) * self.tensor(means)

    def attend(
        self,
        q: Tensor,
        k: Tensor,
        v: Tensor,
        heads: int,
        *,
        causal: bool,
        kind: str = "softmax",
        sink: Reals | None = None,
        divisor: float | None = None,
    ) -> Tensor:
        """Attention of every row."""
        q, k, v = (part.unflatten(-1, (heads, -1)).transpose(1, 2) for part in (q, k, v))
        root = float(q.shape[-1]) ** -0.5 if divisor is None else 1 / divisor
        if self.style.attention == "fused" and kind == "softmax" and sink is None:
            y = functional.scaled_dot_product_attention(q, k, v, is_causal=causal, scale=root)
            return y.transpose(1, 2).flatten(2)
        is_early = self.style.attention == "scaled queries"
        scores = (q * root) @ k.transpose(-1, -2) if is_early else q @ k.transpose(-1, -2) * root
        if causal:
            future = torch.ones(scores.shape[-2:], dtype=torch.bool, device=self.device).triu(1)
            scores = scores.masked_fill(future, -torch.inf)
        if kind == "sparsemax":
            pattern = _sparsemax(scores)
        elif sink is None:
            pattern = scores.softmax(-1)
        else:
            column = self.tensor(sink)[None, :, None, None].expand(*scores.shape[:-1], 1)
            pattern = torch.cat([scores, column], -1).softmax(-1)[..., :-1]
        return (pattern @ v).transpose(1, 2).flatten(2)

    def columns(self, x: Tensor, start: int, end: int) -> Tensor:
        """A block of columns."""
        return x[..., start:end]

    def pool(self, x: Tensor, kind: str) -> Tensor:
        """All rows as one."""
        return x[:, -1:] if kind == "last" else x.sum(1, True) if kind == "sum" else x.mean(1, True)


def _sparsemax(z: Tensor) -> Tensor:
    """By sorting; a score of -inf has no weight."""
    falling = z.sort(-1, descending=True).values
    count = torch.arange(1, z.shape[-1] + 1, dtype=z.dtype, device=z.device)
    sums = falling.cumsum(-1) - 1
    size = (count * falling > sums).sum(-1, True).clamp(min=1)
    tau = sums.gather(-1, size - 1) / size.to(z.dtype)
    return (z - tau).clamp(min=0)


def as_floats(x: Any) -> NDArray[np.float64]:
    """Executed numbers as float64, which holds them."""
    return np.asarray(x.detach().double().cpu().numpy(), np.float64)
