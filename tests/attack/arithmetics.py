"""Two arithmetics for one formula: real numbers (``flint.arb``, hundreds of bits), and torch as people execute it.

A formula (``formulas``) calls the same few operations of either. ``Exact`` has one prompt, a list of rows of balls that
hold the real values; where it cannot tell (a tie in AbsTopK) a value becomes NaN, which decides nothing. ``Executed``
has a batch of prompts in float32 or float64, with one of several usual kernels per operation. Nothing here is shared
with what is attacked.
"""

from __future__ import annotations

import math
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
TURNS = ("rotate half", "by pairs")
FREQUENCIES = ("one over a power", "power", "exponential", "power of two", "stored")
GATES = ("torch", "by sigmoid", "by tanh")
WIDTHS = ("float32", "as executed")  # in which tables with a formula are computed


class Exact:
    """Real arithmetic on one prompt."""

    def __init__(self) -> None:
        self._maps: dict[int, tuple[Reals, arb_mat]] = {}
        ctx.prec = BITS

    def rows(self, table: Reals, ids: NDArray[np.integer]) -> Rows:
        """The rows ``ids`` (T,) of a table."""
        return [[x if isinstance(x, arb) else arb(float(x)) for x in table[n]] for n in ids]

    def number(self, x: float) -> arb:
        """A stored number, as it stands in a formula of a table."""
        return arb(float(x))

    def cos(self, x: arb) -> arb:
        """Of a number of a table."""
        return x.cos()

    def sin(self, x: arb) -> arb:
        """Of a number of a table."""
        return x.sin()

    def pi(self) -> arb:
        """For a formula of a table."""
        return arb.pi()

    def table(self, numbers: Rows) -> Rows:
        """Rows that a formula gave."""
        return numbers

    def factors(self, left: Reals, right: Reals) -> Rows:
        """The table that is a product of two stored ones."""
        return (arb_mat(left.astype(float).tolist()) * arb_mat(right.astype(float).tolist())).tolist()

    def beside(self, x: Rows, y: Rows) -> Rows:
        """Columns of both."""
        return [[*row, *other] for row, other in zip(x, y, strict=True)]

    def multiply(self, x: Rows, y: Rows) -> Rows:
        """Entry by entry."""
        return [[a * b for a, b in zip(row, other, strict=True)] for row, other in zip(x, y, strict=True)]

    def turn(self, x: Rows, heads: int, pairs: int, base: float) -> Rows:
        """Every head's first columns turned by their row's number, the numbers of a pair ``pairs`` columns apart."""
        size, result = len(x[0]) // heads, []
        for place, row in enumerate(x):
            angles = [place * (-arb(n) / pairs * arb(base).log()).exp() for n in range(pairs)]
            turned: list[arb] = []
            for at in range(0, len(row), size):
                pair = [(row[at + n], row[at + n + pairs], a) for n, a in enumerate(angles)]
                turned += [p * a.cos() - q * a.sin() for p, q, a in pair]
                turned += [q * a.cos() + p * a.sin() for p, q, a in pair]
                turned += row[at + 2 * pairs : at + size]
            result.append(turned)
        return result

    def turn_pairs(self, x: Rows, angle: float) -> Rows:
        """Columns side by side turned by one angle."""
        c, s = arb(float(angle)).cos(), arb(float(angle)).sin()
        return [
            [y for n in range(0, len(row), 2) for y in (row[n] * c - row[n + 1] * s, row[n] * s + row[n + 1] * c)]
            for row in x
        ]

    def times(self, x: Rows, table: Rows) -> Rows:
        """Scores of every row of a table that a formula gave."""
        return [[_dot(row, other) for other in table] for row in x]

    def shared(self, x: Rows, heads: int, times: int) -> Rows:
        """Every head so often."""
        size = len(x[0]) // heads
        return [[v for h in range(heads) for _ in range(times) for v in row[h * size : (h + 1) * size]] for row in x]

    def add(self, x: Rows, y: Rows) -> Rows:
        """Entry by entry."""
        return [[a + b for a, b in zip(row, other, strict=True)] for row, other in zip(x, y, strict=True)]

    def linear(self, x: Rows, weight: Reals, bias: Reals | None = None) -> Rows:
        """``W x + b``, weight (out, in)."""
        if id(weight) not in self._maps:
            self._maps[id(weight)] = weight, arb_mat(weight.T.astype(float).tolist())
        y: Rows = (arb_mat(x) * self._maps[id(weight)][1]).tolist()
        return y if bias is None else self.add(y, [[arb(float(b)) for b in bias]] * len(y))

    def norm(self, x: Rows, kind: str, gain: Reals, bias: Reals | None, eps: float, groups: int = 1) -> Rows:
        """RMSNorm or LayerNorm of every row, or of every of so many equal parts of it."""
        if groups > 1:
            size, parts = len(x[0]) // groups, []
            for at in range(0, len(x[0]), size):
                own = slice(at, at + size)
                some = None if bias is None else bias[own]
                parts.append(self.norm([row[own] for row in x], kind, gain[own], some, eps))
            return [[v for part in rows for v in part] for rows in zip(*parts, strict=True)]
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
        scale: float | None = None,
    ) -> Rows:
        """Attention of every row; scores are divided by the root of a head's size, or by another number, or scaled."""
        size, wide = len(q[0]) // heads, len(v[0]) // heads
        root = 1 / arb(scale) if scale is not None else arb(size).sqrt() if divisor is None else arb(divisor)
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
        if kind in ("last", "first"):
            return x[-1:] if kind == "last" else x[:1]
        if kind == "concat":
            return [[v for row in x for v in row]]
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
        case "silu":
            return x * _sigmoid(x)
        case "sigmoid":
            return _sigmoid(x)
        case "tanh":
            return x.tanh()
    return arb.max(x, arb(0)) + arb(slope) * arb.min(x, arb(0))


def _sigmoid(x: arb) -> arb:
    return x.exp() / (1 + x.exp()) if x < 0 else 1 / (1 + (-x).exp())


def _weights(scores: list[arb], kind: str, sink: arb | None) -> list[arb]:
    if kind == "sparsemax":
        falling = sorted(scores, key=lambda s: float(s.mid()), reverse=True)
        total, tau = arb(0), arb("-inf")
        for n, score in enumerate(falling, 1):
            total += score
            tau = arb.max(tau, (total - 1) / n) if n > 1 else total - 1
        return [arb.max(score - tau, arb(0)) for score in scores]
    if kind == "hard":
        best = [n for n, s in enumerate(scores) if all(s > other for m, other in enumerate(scores) if m != n)]
        return [arb(n in best) if best else arb.nan() for n in range(len(scores))]
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
    turn: str = "rotate half"
    frequency: str = "one over a power"
    gate: str = "torch"
    width: str = "float32"

    @classmethod
    def drawn(cls, rng: np.random.Generator) -> Style:
        """One of all."""
        every = (ATTENTIONS, VARIANCES, MASKS, TURNS, FREQUENCIES, GATES, WIDTHS)
        return cls(*(str(rng.choice(kinds)) for kinds in every))


class Executed:
    """A batch of prompts (B, T) in torch."""

    def __init__(self, dtype: str, style: Style = Style(), device: str = "cpu") -> None:
        self.dtype, self.style, self.device = getattr(torch, dtype), style, device

    def tensor(self, values: Reals) -> Tensor:
        """Weights as they are loaded."""
        return torch.from_numpy(np.ascontiguousarray(values)).to(self.device, self.dtype)

    def rows(self, table: Reals, ids: NDArray[np.integer]) -> Tensor:
        """The rows ``ids`` (B, T), or (T,), of a table."""
        stored = table if isinstance(table, Tensor) else self.tensor(table)
        return stored[torch.from_numpy(np.ascontiguousarray(ids)).to(self.device)]

    @property
    def _wide(self) -> torch.dtype:
        return torch.float32 if self.style.width == "float32" else self.dtype

    def number(self, x: float) -> Tensor:
        """A stored number, as it stands in a formula of a table."""
        return torch.tensor(float(x), dtype=self._wide)

    def cos(self, x: Tensor) -> Tensor:
        """Of a number of a table."""
        return x.cos()

    def sin(self, x: Tensor) -> Tensor:
        """Of a number of a table."""
        return x.sin()

    def pi(self) -> float:
        """For a formula of a table."""
        return math.pi

    def table(self, numbers: list[list[Tensor]]) -> Tensor:
        """Rows that a formula gave."""
        return torch.stack([torch.stack(row) for row in numbers]).to(self.device, self.dtype)

    def factors(self, left: Reals, right: Reals) -> Tensor:
        """The table that is a product of two stored ones."""
        made = torch.from_numpy(left.copy()).to(self._wide) @ torch.from_numpy(right.copy()).to(self._wide)
        return made.to(self.device, self.dtype)

    def beside(self, x: Tensor, y: Tensor) -> Tensor:
        """Columns of both; (T, d) stands beside every prompt."""
        return torch.cat([x, y.expand(*x.shape[:-1], -1)], -1)

    def multiply(self, x: Tensor, y: Tensor) -> Tensor:
        """Entry by entry."""
        return x * y

    def turn(self, x: Tensor, heads: int, pairs: int, base: float) -> Tensor:
        """Every head's first columns turned by their row's number, the numbers of a pair ``pairs`` columns apart."""
        angle = torch.outer(torch.arange(x.shape[1]).to(self._wide), self._frequencies(pairs, base))
        cos, sin = (part.to(self.device, self.dtype)[:, None] for part in (angle.cos(), angle.sin()))
        x = x.unflatten(-1, (heads, -1))
        first, second, rest = x[..., :pairs], x[..., pairs : 2 * pairs], x[..., 2 * pairs :]
        if self.style.turn == "by pairs":
            return torch.cat([first * cos - second * sin, second * cos + first * sin, rest], -1).flatten(2)
        whole, swapped = torch.cat([first, second], -1), torch.cat([-second, first], -1)
        turned = whole * torch.cat([cos, cos], -1) + swapped * torch.cat([sin, sin], -1)
        return torch.cat([turned, rest], -1).flatten(2)

    def _frequencies(self, pairs: int, base: float) -> Tensor:
        share = torch.arange(0, 2 * pairs, 2).to(self._wide) / (2 * pairs)
        radix = torch.tensor(base, dtype=self._wide)
        match self.style.frequency:
            case "power":
                return radix**-share
            case "exponential":
                return (-share * radix.log()).exp()
            case "power of two":
                return (-share * radix.log2()).exp2()
            case "stored":
                return torch.from_numpy(base ** (-np.arange(pairs) / pairs)).float().to(self._wide)
        return 1.0 / radix**share

    def turn_pairs(self, x: Tensor, angle: float) -> Tensor:
        """Columns side by side turned by one angle."""
        turn = self.number(angle)
        c, s = turn.cos().to(self.device, self.dtype), turn.sin().to(self.device, self.dtype)
        first, second = x[..., ::2], x[..., 1::2]
        return torch.stack([first * c - second * s, first * s + second * c], -1).flatten(-2)

    def times(self, x: Tensor, table: Tensor) -> Tensor:
        """Scores of every row of a table that a formula gave."""
        return functional.linear(x, table)

    def shared(self, x: Tensor, heads: int, times: int) -> Tensor:
        """Every head so often."""
        return x.unflatten(-1, (heads, -1)).repeat_interleave(times, dim=2).flatten(2)

    def add(self, x: Tensor, y: Tensor) -> Tensor:
        """Entry by entry; (T, d) is added to every prompt."""
        return x + y

    def linear(self, x: Tensor, weight: Reals, bias: Reals | None = None) -> Tensor:
        """``W x + b``."""
        return functional.linear(x, self.tensor(weight), None if bias is None else self.tensor(bias))

    def norm(self, x: Tensor, kind: str, gain: Reals, bias: Reals | None, eps: float, groups: int = 1) -> Tensor:
        """RMSNorm or LayerNorm of every row, or of every of so many equal parts of it."""
        if groups > 1:
            shape = (groups, -1)
            parts = x.unflatten(-1, shape).unbind(-2)
            biases = [None] * groups if bias is None else [*bias.reshape(shape)]
            own = zip(parts, gain.reshape(shape), biases, strict=True)
            return torch.cat([self.norm(part, kind, g, b, eps) for part, g, b in own], -1)
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
            case "silu":
                return x * self._sigmoid(x) if self.style.gate != "torch" else functional.silu(x)
            case "sigmoid":
                return self._sigmoid(x)
            case "tanh":
                return x.tanh()
        return functional.relu(x)

    def _sigmoid(self, x: Tensor) -> Tensor:
        return (1 + (x / 2).tanh()) / 2 if self.style.gate == "by tanh" else x.sigmoid()

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
        scale: float | None = None,
    ) -> Tensor:
        """Attention of every row."""
        q, k, v = (part.unflatten(-1, (heads, -1)).transpose(1, 2) for part in (q, k, v))
        root = scale if scale is not None else float(q.shape[-1]) ** -0.5 if divisor is None else 1 / divisor
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
        elif kind == "hard":
            best = (scores == scores.amax(-1, True)).to(self.dtype)
            pattern = best / best.sum(-1, True)
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
        if kind in ("last", "first"):
            return x[:, -1:] if kind == "last" else x[:, :1]
        if kind == "concat":
            return x.flatten(1)[:, None]
        return x.sum(1, True) if kind == "sum" else x.mean(1, True)


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
