"""Small adders of the AdderBoard contest, described by ``case.json``: tables with a formula, halves, low-rank maps.

Three families, each known by its tensors in ``model.safetensors``; numbers come from there, sizes from their shapes,
and ``constants`` of the ``architecture`` give rms_eps and attention_scale. N is an RMSNorm over the whole stream.

micro   tok_arc_A, tok_arc_start, tok_arc_stride (numbers): tokens on a circle, E[d] = A (cos, sin)(start + d stride)
        spiral_amp, spiral_phase, spiral_slope, spiral_offset: D[i] = (amp cos(2 pi i / 10 + phase), amp sin(the same),
        slope i + offset); special_pos_equals, z_hi_pos, _plus_pos, _eos_pos (1, 3)
        x_t = [E[id] | P[t]];  k = q_proj u[2:5];  q = k with pairs turned by q_phase_angle;  v = u[0:2] head_proj
        x += o A B (out_proj);  x += gelu(fc1 N(x)) fc2^T, or head_proj where there is no fc2
        logits = E (head_proj N(x))
halves  tok_emb.weight, digit_enc (10, 3), or spiral_* with pos_correction; z10_enc or z_hi_pos, special_enc or
        special_pos (3, 3)
        x_t = [tok_emb[id] | P[t]];  q, k = maps of the position half, v of the token half;  x += out_proj o
        x += fc2 gelu(fc1 N(x) + b1) + b2;  logits = tok_emb (head_proj N(x))
low     token_emb.weight, pos_emb.A, pos_emb.B: x_t = token_emb[id] + A[t] B
        h = N(x) qkv_A;  q = h qkv_Bq,  k = v = h qkv_Bkv;  x += o proj.A proj.B
        x += gelu(N(x) fc1.A fc1.B) fc2.A fc2.B;  logits = N(x) token_emb^T

P[0..9] = P[11..20] = P[22..31] = D, the digits of a, b and the sum; P[10], P[21], P[32], P[33] are their own vectors.
gelu is the exact one. A tensor with a prefix ``blocks.0.``, ``attn.`` or ``ffn.`` is the same. Copies (norm2, norm_f,
tok_arc_B, lm_head) must equal what they copy; causal_mask and _pos_* are buffers. Tables are computed as their formulas
say, and known up to the error of doing so in float32 (``Transformer.token_error`` and ``position_error``).
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tasks.formats.case import FILE as CASE
from tasks.formats.case import read_case
from tasks.formats.reading import count, pick, read_object, read_tensors
from tasks.formats.untrusted import object_of
from tasks.networks.model import Loaded, Question, assemble
from tasks.networks.rotary import UNIT
from tasks.networks.sparse_transformer import NetworkError
from tasks.networks.transformer import (
    Activation,
    Affine,
    Attention,
    Norm,
    Product,
    Reals,
    Residual,
    Step,
    Transformer,
)

WEIGHTS = "model.safetensors"
MARKS = ('"tok_arc_A"', '"digit_enc"', '"pos_correction"', '"pos_emb.A"')  # in the header of the weights
DIGITS, PLACES = 10, 34
BUFFERS = re.compile(r"causal_mask|_pos_sources|_pos_indices")
COPIES = {
    "tok_arc_B": "tok_arc_A", "norm2.weight": "norm1.weight", "norm_f.weight": "norm1.weight",
    "lm_head.weight": "token_emb.weight",
}  # fmt: skip
SPELT = {"0.weight": "fc1.weight", "0.bias": "fc1.bias", "2.weight": "fc2.weight", "2.bias": "fc2.bias"}
ROUNDED = 1.02 * UNIT  # a rounding, of the size of what is rounded, with all that is of second order
COSINE = 10.0  # roundings of a cosine within 4 ulp, and of its product with an amplitude; rounded up
FLUSHED = 2.0**-120  # what it may lose below the normal numbers of float32, of the factors that this meets
ARCHITECTURE: dict[str, Any] = {
    **dict.fromkeys(("kind", "n_layer", "n_head", "head_size", "d_model", "mlp_width", "vocab_size", "constants"), ...),
    "n_positions": PLACES,
}


@dataclass(frozen=True)
class Table:
    """Numbers that have a formula, and how far an execution may be off."""

    values: Reals
    error: Reals

    @classmethod
    def of(cls, values: Reals, off: Reals | float = 0.0) -> Table:
        """Such ``values``, computed in float64, with what float32 may be ``off``; its last rounding comes on top."""
        return cls(values, np.broadcast_to(off, values.shape) + 2 * UNIT * np.abs(values) + 2.0**-100)

    @classmethod
    def stored(cls, values: Reals) -> Table:
        """Numbers as they stand in the file."""
        return cls(values, np.zeros_like(values))

    @classmethod
    def stacked(cls, parts: list[Table], axis: int = 0) -> Table:
        """Tables one below the other, or side by side."""
        return cls(*(np.concatenate([getattr(part, name) for part in parts], axis) for name in ("values", "error")))


class Tensors:
    """What is stored, by names without the prefixes of a block; each is taken with its shape, and none is left."""

    def __init__(self, what: str, stored: Mapping[str, Any]) -> None:
        self._what = what
        self._left: dict[str, Reals] = {}
        for name, tensor in stored.items():
            own = re.sub(r"^blocks\.0\.", "", name)
            own = re.sub(r"^(attn|ffn)\.", "", own)
            own = SPELT.get(own, own)
            if BUFFERS.fullmatch(own):
                continue
            if own in self._left:
                raise NetworkError(f"{what}: a tensor named twice, with and without its prefix: {name!r}")
            if tensor.dtype != np.float32 or not np.isfinite(tensor).all():
                raise NetworkError(f"{what}: {name} should hold finite float32 numbers")
            self._left[own] = tensor.astype(np.float64)
        for name, first in COPIES.items():
            if name in self._left and not np.array_equal(self._left.pop(name), self._left.get(first, np.zeros(0))):
                raise NetworkError(f"{what}: {name} should be a copy of {first}")

    def __contains__(self, name: str) -> bool:
        return name in self._left

    def take(self, name: str, *shape: int | None) -> Reals:
        """The tensor ``name``, of this shape (None for any size)."""
        if name not in self._left:
            raise NetworkError(f"{self._what}: expected a tensor {name}")
        tensor = self._left.pop(name)
        fits = len(shape) == tensor.ndim and all(n in (None, m) for n, m in zip(shape, tensor.shape, strict=False))
        if not fits:
            raise NetworkError(f"{self._what}: {name} should have shape {shape}, got {tensor.shape}")
        return tensor

    def number(self, name: str) -> float:
        """A tensor of one number."""
        is_row = name in self._left and self._left[name].shape == (1,)
        return float(self.take(name, *([1] if is_row else [])).reshape(()))

    def done(self) -> None:
        """NetworkError where anything is left."""
        if self._left:
            raise NetworkError(f"{self._what}: unknown tensor {next(iter(self._left))!r}")


@dataclass(frozen=True)
class Sizes:
    """What ``case.json`` says beside the tensors."""

    heads: int
    head: int
    eps: float
    tokens: int
    longest: int


def load(folder: Path, question: Question) -> Loaded:
    """The adder in ``folder``; raises NetworkError for anything that is not understood."""
    if question.circuit or question.task is not None:
        raise NetworkError(f"{folder}: an adder's folder holds one whole network, no circuits or tasks to choose")
    what = f"{folder / CASE}: architecture"
    sizes = _sizes(what, object_of(what, read_object(folder / CASE).get("architecture"), None))
    t = Tensors(str(folder / WEIGHTS), read_tensors(folder / WEIGHTS))
    if "tok_arc_A" in t:
        network = _micro(t, sizes)
    elif "token_emb.weight" in t:
        network = _low(t, sizes)
    else:
        network = _halves(t, sizes)
    t.done()
    case = read_case(folder)
    vocabulary = case.vocabulary or tuple(f"#{n}" for n in range(sizes.tokens))
    note = "tables of cosines, and products of stored factors, are known up to the error of computing them in float32"
    return assemble(
        case.name or folder.name, "adder", network, vocabulary, question,
        own=case.question, constraint=case.constraint, notes=(note,),
    )  # fmt: skip


def _sizes(what: str, architecture: dict[str, Any]) -> Sizes:
    said = pick(what, architecture, ARCHITECTURE, frozenset({"formulas", "params", "tensors"}))
    constants = object_of(f"{what}: constants", said["constants"], ("rms_eps", "attention_scale"))
    head = count(what, said, "head_size")
    eps, scale = constants["rms_eps"], constants["attention_scale"]
    if not isinstance(scale, float) or not math.isclose(scale, head**-0.5, rel_tol=1e-9):
        raise NetworkError(f"{what}: attention_scale should be one over the root of {head}, got {scale!r}")
    if not isinstance(eps, float) or not 1e-12 <= eps < 1:
        raise NetworkError(f"{what}: rms_eps should be a number from 1e-12 to below 1, got {eps!r}")
    if said["n_layer"] != 1:
        raise NetworkError(f"{what}: these adders have one layer, got n_layer = {said['n_layer']!r}")
    return Sizes(
        count(what, said, "n_head"), head, eps, count(what, said, "vocab_size"), count(what, said, "n_positions")
    )


def _circle(what: tuple[float, float, float], steps: int) -> Table:
    """(cos, sin) of ``start + n stride``, times the radius: (steps, 2).

    The angle meets a rounding of the product and one of the sum.
    """
    radius, start, stride = what
    turns = np.arange(steps) * stride
    angle = start + turns
    off = abs(radius) * ROUNDED * (COSINE + abs(start) + 2 * np.abs(turns))[:, None]
    return Table.of(radius * np.stack([np.cos(angle), np.sin(angle)], axis=1), off)


def _spiral(t: Tensors, correction: Reals | None = None) -> Table:
    """Positions of digits, (10, 3); a correction stretches each.

    Of 2 pi n / 10 there are up to four roundings, of pi or of a product or quotient, and one more of the sum.
    """
    amp, phase, slope, offset = (t.number(f"spiral_{name}") for name in ("amp", "phase", "slope", "offset"))
    n = np.arange(DIGITS)
    turns = 2 * math.pi * n / DIGITS
    rise = slope * n + offset
    values = np.stack([amp * np.cos(turns + phase), amp * np.sin(turns + phase), rise], axis=1)
    sizes = np.stack([abs(amp) * (COSINE + 5 * turns + abs(phase))] * 2 + [2 * np.abs(slope * n) + abs(offset)], axis=1)
    off = ROUNDED * sizes + FLUSHED
    if correction is not None:  # 1 + correction, and the product: two roundings more
        off = (off + 2 * ROUNDED * np.abs(values)) * (1 + np.abs(correction))[:, None]
        values = values * (1 + correction)[:, None]
    return Table.of(values, off)


def _places(digits: Table, ends: list[Table]) -> Table:
    """The position of every token of a prompt and its answer, from those of digits and of the four other places."""
    plus, equals, last, end = ends
    return Table.stacked([digits, plus, digits, equals, digits, last, end])


def _joined(tokens: Table, places: Table, extra: Table, longest: int) -> tuple[Reals, Reals, Reals, Reals]:
    """Token and position tables of a stream that has a half of each, and columns of constants: with errors."""
    first, second, third = tokens.values.shape[1], places.values.shape[1], extra.values.size
    own, where = (
        np.zeros((2, len(tokens.values), first + second + third)),
        np.zeros((2, longest, first + second + third)),
    )
    for n, name in enumerate(("values", "error")):
        own[n, :, :first] = getattr(tokens, name)
        where[n, :, first : first + second] = getattr(places, name)[:longest]
        where[n, :, first + second :] = getattr(extra, name).reshape(-1)
    return own[0], own[1], where[0], where[1]


def _onto(weight: Reals, start: int, width: int) -> Reals:
    """A map of the columns from ``start`` on of a row of ``width``."""
    whole = np.zeros((len(weight), width))
    whole[:, start : start + weight.shape[1]] = weight
    return whole


def _micro(t: Tensors, s: Sizes) -> Transformer:
    """Constants that have a formula stand in columns of the stream: cosine and sine of the turn, and the circle E."""
    circle = _circle((t.number("tok_arc_A"), t.number("tok_arc_start"), t.number("tok_arc_stride")), s.tokens)
    ends = [Table.stored(t.take(name, 1, 3)) for name in ("_plus_pos", "special_pos_equals", "z_hi_pos", "_eos_pos")]
    places = _places(_spiral(t), ends)
    phase = t.number("q_phase_angle")
    turn = _circle((1.0, phase, 0.0), 1)
    extra = Table(
        *(np.concatenate([getattr(turn, n).ravel(), getattr(circle, n).ravel()]) for n in ("values", "error"))
    )
    own, own_error, where, where_error = _joined(circle, places, extra, s.longest)
    width, d, h = own.shape[1], 5, s.heads * s.head
    gain = t.take("norm1.weight" if "norm1.weight" in t else "ln1.weight", d)
    for copy in ("ln2.weight", "ln_f.weight"):
        if copy in t and not np.array_equal(t.take(copy, d), gain):
            raise NetworkError(f"{copy} should be a copy of ln1.weight: one norm is shared")
    normed: tuple[Step, ...] = (Affine(np.eye(d, width)), Norm("rms", gain, None, s.eps))
    key = Affine(_onto(t.take("q_proj.weight", h, 3), 2, d))
    head = t.take("head_proj.weight", 2, d)
    if h % 4 or h // s.heads % 4:
        raise NetworkError(f"a key of {s.head} numbers has no two pairs (0, 1), (2, 3) to turn")
    both, taken = np.zeros((2 * h, h)), np.zeros((2 * h, width))
    both[:h] = np.eye(h)
    for first in range(0, h, 2):
        both[h + first, first + 1], both[h + first + 1, first] = -1.0, 1.0
    taken[:h, d], taken[h:, d + 1] = 1.0, 1.0
    rotation: tuple[Step, ...] = (
        Product((*normed, key, Affine(both)), (Affine(taken),)),
        Affine(np.hstack([np.eye(h), np.eye(h)])),
    )
    value = Affine(_onto(np.ascontiguousarray(head.T), 0, d))
    attention = Attention(rotation, (*normed, key), (*normed, value), s.heads, s.head**-0.5)
    low, back = t.take("out_proj.A", d, None), t.take("out_proj.B", None, d)
    rank = Affine(np.ascontiguousarray(low.T)), Affine(_rows(np.ascontiguousarray(back.T), width))
    up = Affine(t.take("fc1.weight", None, d))
    down = t.take("fc2.weight", d, None) if "fc2.weight" in t else np.ascontiguousarray(head.T)
    n = s.tokens
    # logits: the two numbers of the head, each for every token, times the circle, which stands in the stream
    last, picked = np.zeros((2 * n, 2)), np.zeros((2 * n, width))
    for token in range(n):
        for part in range(2):
            last[2 * token + part, part] = 1.0
            picked[2 * token + part, d + 2 + 2 * token + part] = 1.0
    steps: tuple[Step, ...] = (
        Residual((attention, *rank)),
        Residual((*normed, up, Activation("gelu"), Affine(_rows(down, width)))),
        Product((*normed, Affine(head), Affine(last)), (Affine(picked),)),
        Affine(np.repeat(np.eye(n), 2, axis=1)),
    )
    return Transformer(own, where, steps, s.longest, "float32", own_error, where_error)


def _rows(weight: Reals, width: int) -> Reals:
    """A map with zeros below, for the columns that it does not change."""
    whole = np.zeros((width, weight.shape[1]))
    whole[: len(weight)] = weight
    return whole


def _halves(t: Tensors, s: Sizes) -> Transformer:
    tokens = t.take("tok_emb.weight", s.tokens, None)
    first = tokens.shape[1]
    if "digit_enc" in t:
        digits, last = Table.stored(t.take("digit_enc", DIGITS, None)), t.take("z10_enc", 1, None)
        special = t.take("special_enc", 3, None)
    else:
        digits, last = _spiral(t, t.take("pos_correction", DIGITS)), t.take("z_hi_pos", 1, None)
        special = t.take("special_pos", 3, None)
    ends = [Table.stored(rows) for rows in (special[0:1], special[1:2], last, special[2:3])]
    places = _places(digits, ends)
    own, _, where, error = _joined(Table.stored(tokens), places, Table.stored(np.zeros(0)), s.longest)
    d, h = own.shape[1], s.heads * s.head
    second = d - first

    def norm(name: str) -> Norm:
        return Norm("rms", t.take(f"{name}.weight", d), None, s.eps)

    query, key = (Affine(_onto(t.take(f"{part}_proj.weight", h, second), first, d)) for part in "qk")
    value = Affine(_onto(t.take("v_proj.weight", h, first), 0, d))
    attention = Attention((query,), (key,), (value,), s.heads, s.head**-0.5)
    out = Affine(t.take("out_proj.weight", d, h))
    bias = t.take("fc1.bias", None)
    up = Affine(t.take("fc1.weight", len(bias), d), bias)
    down = Affine(t.take("fc2.weight", d, len(bias)), t.take("fc2.bias", d))
    steps: tuple[Step, ...] = (
        Residual((norm("ln1"), attention, out)),
        Residual((norm("ln2"), up, Activation("gelu"), down)),
        norm("ln_f"),
        Affine(t.take("head_proj.weight", first, d)),
        Affine(tokens),
    )
    return Transformer(own, where, steps, s.longest, "float32", None, error if error.any() else None)


def _low(t: Tensors, s: Sizes) -> Transformer:
    tokens = t.take("token_emb.weight", s.tokens, None)
    d, h = tokens.shape[1], s.heads * s.head
    left = t.take("pos_emb.A", s.longest, None)
    right = t.take("pos_emb.B", left.shape[1], d)
    rank, sizes = left.shape[1], (np.abs(left), np.abs(right))
    off = (rank + 2) * 2 * UNIT * (sizes[0] @ sizes[1])
    off += FLUSHED * (rank + sizes[0].sum(axis=1)[:, None] + sizes[1].sum(axis=0))
    where = Table.of(left @ right, off)

    def norm(name: str) -> Norm:
        return Norm("rms", t.take(f"{name}.weight", d), None, s.eps)

    def low(name: str, into: int, out: int | None) -> tuple[Affine, Affine]:
        first = t.take(f"{name}.A", into, None)
        return turned(first), turned(t.take(f"{name}.B", first.shape[1], out))

    def turned(weight: Reals) -> Affine:
        return Affine(np.ascontiguousarray(weight.T))

    shared = t.take("qkv_A", d, None)
    query, key = (turned(t.take(f"qkv_B{part}", shared.shape[1], h)) for part in ("q", "kv"))
    attention = Attention((query,), (key,), (key,), s.heads, s.head**-0.5)
    before = norm("ln1")
    up = low("mlp.fc1" if "mlp.fc1.A" in t else "fc1", d, None)
    inner = len(up[1].weight)
    steps: tuple[Step, ...] = (
        Residual((before, turned(shared), attention, *low("proj", h, d))),
        Residual((norm("ln2"), *up, Activation("gelu"), *low("mlp.fc2" if "mlp.fc2.A" in t else "fc2", inner, d))),
        norm("ln_f"),
        Affine(tokens),
    )
    return Transformer(tokens, where.values, steps, s.longest, "float32", None, where.error)
