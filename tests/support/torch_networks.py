"""Torch modules of the kinds that people write: encoders of torch, blocks by hand, pools, MLPs; random weights."""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.nn import functional

WIDTH, HEADS, LONGEST = 8, 2, 5
VOCABULARY = ("a", "b", "c")


class Encoder(nn.Module):
    """``nn.TransformerEncoder`` with learned places."""

    def __init__(self, *, first=False, act="relu", causal=True, batch_first=True, layers=1):
        super().__init__()
        self.tokens, self.places = nn.Embedding(3, WIDTH), nn.Parameter(torch.randn(LONGEST, WIDTH))
        layer = nn.TransformerEncoderLayer(WIDTH, HEADS, 12, 0.3, act, batch_first=batch_first, norm_first=first)
        norm = nn.LayerNorm(WIDTH) if first else None
        self.body = nn.TransformerEncoder(layer, layers, norm, enable_nested_tensor=False)
        self.head, self.causal, self.batch_first = nn.Linear(WIDTH, 2), causal, batch_first

    def forward(self, ids):
        length = ids.shape[1]
        x = self.tokens(ids) * math.sqrt(WIDTH) + self.places[:length]
        x = x if self.batch_first else x.transpose(0, 1)
        mask = nn.Transformer.generate_square_subsequent_mask(length) if self.causal else None
        x = self.body(x, mask=mask, is_causal=self.causal)
        return self.head(x if self.batch_first else x.transpose(0, 1))


class ByHand(nn.Module):
    """Blocks as tutorials write them: ``attention`` fused, apart, einsum or torch's; a tied head, a mask as buffer."""

    def __init__(self, attention="fused", *, mlp=True, norm="layer", sinusoidal=False, fill=float("-inf")):
        super().__init__()
        self.kind, self.mlp, self.norm_kind, self.fill = attention, mlp, norm, fill
        self.tokens, self.places = nn.Embedding(3, WIDTH), nn.Embedding(LONGEST, WIDTH)
        self.qkv = nn.Linear(WIDTH, 3 * WIDTH)
        self.q, self.k, self.v = (nn.Linear(WIDTH, WIDTH, bias=False) for _ in range(3))
        self.out, self.up, self.down = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, 12), nn.Linear(12, WIDTH)
        self.norm, self.gain = nn.LayerNorm(WIDTH), nn.Parameter(1 + torch.rand(WIDTH))
        self.head = nn.Linear(WIDTH, 3, bias=False)
        self.head.weight = self.tokens.weight
        self.register_buffer("mask", torch.ones(LONGEST, LONGEST).tril()[None, None])
        self.drop, self.sinusoidal = nn.Dropout(0.5), sinusoidal
        angles = torch.arange(LONGEST)[:, None] / 10 ** torch.arange(0, WIDTH, 2)
        self.register_buffer("waves", torch.cat([angles.sin(), angles.cos()], 1), persistent=False)

    def normed(self, x):
        match self.norm_kind:
            case "layer":
                return self.norm(x)
            case "rms by hand":
                return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * self.gain
            case "layer by hand":
                centered = x - x.mean(-1, keepdim=True)
                return centered / torch.sqrt(x.var(-1, unbiased=False, keepdim=True) + 1e-5) * self.gain
        return x

    def attended(self, x):
        batch, length, _ = x.shape
        q, k, v = self.qkv(x).chunk(3, -1) if self.kind == "fused" else (self.q(x), self.k(x), self.v(x))
        if self.kind == "einsum":
            q, k, v = (part.reshape(batch, length, HEADS, -1) for part in (q, k, v))
            scores = torch.einsum("bqhd,bkhd->bhqk", q, k) / math.sqrt(WIDTH // HEADS)
            scores = scores + torch.full((length, length), self.fill).triu(1)
            return torch.einsum("bhqk,bkhd->bqhd", scores.softmax(-1), v).reshape(batch, length, WIDTH)
        q, k, v = (part.view(batch, length, HEADS, -1).transpose(1, 2) for part in (q, k, v))
        if self.kind == "torch":
            y = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        else:
            scores = (q * (WIDTH // HEADS) ** -0.5) @ k.transpose(-2, -1)
            scores = scores.masked_fill(self.mask[:, :, :length, :length] == 0, self.fill)
            y = self.drop(functional.softmax(scores, -1)) @ v
        return y.transpose(1, 2).contiguous().view(batch, length, WIDTH)

    def forward(self, ids):
        length = ids.shape[1]
        x = self.drop(
            self.tokens(ids) + (self.waves[:length] if self.sinusoidal else self.places(torch.arange(length)))
        )
        x = x + self.out(self.attended(self.normed(x)))
        if self.mlp:
            x = x + self.down(functional.gelu(self.up(self.normed(x))))
        return self.head(self.normed(x))


class Parallel(nn.Module):
    """Attention and MLP side by side, several embeddings, a norm before places; read at the last row."""

    def __init__(self):
        super().__init__()
        self.tokens, self.places = nn.Embedding(3, WIDTH), nn.Embedding(LONGEST, WIDTH)
        self.attention = nn.MultiheadAttention(WIDTH, HEADS, batch_first=True)
        self.mlp = nn.Sequential(nn.Linear(WIDTH, 9), nn.GELU(approximate="tanh"), nn.Linear(9, WIDTH))
        self.first, self.norm, self.head = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH), nn.Linear(WIDTH, 2)

    def forward(self, ids):
        length = ids.shape[1]
        x = self.first(self.tokens(ids)) + self.places.weight[:length]
        y = self.norm(x)
        later = torch.ones(length, length, dtype=torch.bool).triu(1)
        x = x + self.attention(y, y, y, attn_mask=later)[0] + self.mlp(y)
        return self.head(x)[:, -1]


class Pooled(nn.Module):
    """Attention in both directions, then one row for all."""

    def __init__(self, kind="mean"):
        super().__init__()
        self.tokens, self.kind = nn.Embedding(3, WIDTH), kind
        self.attention, self.head = nn.MultiheadAttention(WIDTH, HEADS, batch_first=True), nn.Linear(WIDTH, 2)

    def forward(self, ids):
        x = self.tokens(ids)
        x = x + self.attention(x, x, x, need_weights=False)[0]
        return self.head(x.mean(1) if self.kind == "mean" else x.sum(1))


class Gated(nn.Module):
    """Queries and keys with norms per head, one key for two queries, a gated MLP, read at the first row."""

    def __init__(self):
        super().__init__()
        self.tokens, self.norm = nn.Embedding(3, WIDTH), nn.RMSNorm(WIDTH, eps=1e-6)
        self.q, self.kv = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH)
        self.q_norm, self.k_norm = nn.RMSNorm(4, eps=1e-6), nn.LayerNorm(4)
        self.gate, self.up, self.down = nn.Linear(WIDTH, 6), nn.Linear(WIDTH, 6), nn.Linear(6, WIDTH)
        self.head = nn.Linear(WIDTH, 2)

    def forward(self, ids):
        batch, length = ids.shape
        x = self.tokens(ids)
        y = self.norm(x)
        q = self.q_norm(self.q(y).view(batch, length, HEADS, 4)).transpose(1, 2)
        k, v = self.kv(y).view(batch, length, 1, 8).transpose(1, 2).chunk(2, -1)
        y = functional.scaled_dot_product_attention(q, self.k_norm(k), v, enable_gqa=True)
        x = x + y.transpose(1, 2).reshape(batch, length, WIDTH)
        x = x + self.down(functional.silu(self.gate(x)) * self.up(x))
        return self.head(x[:, 0])


class OneHot(nn.Module):
    """An MLP over one-hot tokens, which it makes itself."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(3 * LONGEST, 6), nn.ReLU(), nn.Linear(6, 2))

    def forward(self, ids):
        return self.layers(functional.one_hot(ids, 3).float().flatten(1))


class Mixer(nn.Module):
    """A residual that mixes positions, as MLP-Mixers do, before a head per position pair."""

    def __init__(self):
        super().__init__()
        self.tokens, self.mix, self.head = nn.Embedding(3, 4), nn.Linear(LONGEST, LONGEST), nn.Linear(4 * LONGEST, 2)

    def forward(self, ids):
        x = self.tokens(ids)
        x = x + self.mix(x.transpose(1, 2)).relu().transpose(1, 2)
        return self.head(x.flatten(1))


def mlp():
    """Embedded tokens side by side."""
    return nn.Sequential(nn.Embedding(3, 4), nn.Flatten(), nn.Linear(4 * LONGEST, 7), nn.LeakyReLU(), nn.Linear(7, 2))


KINDS = {
    "post-norm, causal": lambda: Encoder(),
    "pre-norm, gelu, both directions": lambda: Encoder(first=True, act="gelu", causal=False),
    "sequence first, two layers": lambda: Encoder(batch_first=False, layers=2),
    "fused": lambda: ByHand(),
    "attention only": lambda: ByHand("apart", mlp=False, norm="none"),
    "einsum, rms by hand": lambda: ByHand("einsum", norm="rms by hand"),
    "torch's attention, norm by hand": lambda: ByHand("torch", norm="layer by hand"),
    "sinusoidal, filled with -1e9": lambda: ByHand(sinusoidal=True, fill=-1e9),
    "parallel": Parallel,
    "gated, first row": Gated,
    "mean": Pooled,
    "sum": lambda: Pooled("sum"),
    "one-hot": OneHot,
    "mixer": Mixer,
    "mlp": mlp,
}


def module_of(kind, seed=0):
    """One of ``KINDS`` with weights from ``seed``, norms included."""
    torch.manual_seed(seed)
    module = KINDS[kind]()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return module
