"""Decoders with rotary positions, and small adders whose tables have formulas.

The stream of such a network carries numbers of its place behind its own columns: cosines and sines, which turn queries
and keys, or a circle of tokens. Programs compute these in float32 (angles above all, by a power and a product, each off
by a part of its size), whatever arithmetic the rest is in; where real numbers are meant they are what the formula says.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from flint import arb

from tasks.checker.arithmetic import LEAST_EPS, ZERO, Affine, Arithmetic, Row
from tasks.checker.files import Tensors, expect
from tasks.checker.network import Branch, Heads, Network, Step, by_groups, run

UNIT = arb(2) ** -24  # of float32
TABLES = (
    "Tables that have a formula (cosines and sines of angles, or products of stored factors) are computed by it in "
    "float32 or float64, with sin, cos, log and powers within 4 ulp, or stored rounded to one of these."
)
LONGEST, PLACES, DIGITS = 2048, 34, 10
MORE, COSINE = arb(1.02), 10  # for what is of second order; roundings of a cosine within 4 ulp and of its product
KINDS = {"silu": "silu", "swish": "silu", "gelu": "gelu", "gelu_new": "gelu_tanh", "gelu_pytorch_tanh": "gelu_tanh",
         "relu": "relu"}  # fmt: skip
LLAMAS = ("llama", "mistral", "qwen2", "qwen3")
READ = {
    "model_type", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "vocab_size",
    "max_position_embeddings", "hidden_act", "num_key_value_heads", "head_dim", "rms_norm_eps", "layer_norm_eps",
    "rope_theta", "rope_parameters", "attention_bias", "mlp_bias", "tie_word_embeddings", "sliding_window",
    "use_sliding_window", "layer_types", "partial_rotary_factor", "rotary_pct", "rotary_emb_base",
    "use_parallel_residual", "dtype", "torch_dtype",
}  # fmt: skip
FIXED: dict[str, tuple[Any, ...]] = {
    "rope_scaling": (None,), "pretraining_tp": (1,), "quantization_config": (None,), "add_cross_attention": (False,),
    "is_encoder_decoder": (False,), "is_decoder": (False, True),
}  # fmt: skip
OTHERS = re.compile(
    r"architectures|_name_or_path|_?attn_implementation(_autoset)?|(attention|hidden)_dropout|auto_map|bos_token_id|"
    r"(eos|pad|sep|unk|decoder_start)_token_id|chunk_size_feed_forward|classifier_dropout|cross_attention_hidden_size|"
    r"do_sample|finetuning_task|gradient_checkpointing|id2label|initializer_range|label2id|loss_type|max_window_layers|"
    r"(max|min)_length|num_labels|output_(attentions|hidden_states|scores)|prefix|problem_type|return_dict|"
    r"task_specific_params|temperature|tokenizer_class|top_[kp]|torchscript|transformers_version|use_bfloat16|use_cache"
)  # entries that matter to nobody
BUFFERS = re.compile(r".*\.(masked_bias|attention\.bias|rotary_emb\.inv_freq)")
Steps = tuple[Step, ...]


def _size(c: dict[str, Any], name: str) -> int:
    value = c.get(name)
    expect(type(value) is int and 0 < value < 2**24, f"expected a size {name}")
    return value  # type: ignore[return-value]


def _number(c: dict[str, Any], name: str, default: float, least: float, most: float) -> float:
    value = c.get(name)
    value = default if value is None else value
    expect(type(value) in (int, float) and least <= value <= most, f"expected a number {name}")
    return float(value)


def _activation(kind: Any) -> Step:
    expect(type(kind) is str and kind in KINDS, "config.json: an unknown activation")
    return lambda a, rows: [a.activate(row, KINDS[kind]) for row in rows]


class _Tables:
    """Numbers with a formula: what executions hold, or the real numbers."""

    def __init__(self, *, is_real: bool) -> None:
        self._is_real = is_real

    def rounded(self, x: arb, sizes: arb, factor: arb = ZERO) -> arb:
        """``x``, off by roundings of numbers whose ``sizes`` add up to this, and by one of ``x`` itself.

        ``factor`` bounds what numbers are multiplied with, of which some part below normal ones may be lost.
        """
        off = MORE * UNIT * abs(sizes) + 2 * UNIT * abs(x) + arb(2) ** -100 + arb(2) ** -120 * abs(factor)
        return x if self._is_real else arb(x, off)

    def angles(self, place: int, pairs: int, base: float) -> Row:
        """Cosines, then sines, of ``place * base ** (-n / pairs)``."""
        found = []
        for n in range(pairs):
            share = arb(n) / pairs
            angle = place * (-share * arb(base).log()).exp() if n else arb(place)
            off = ZERO if self._is_real or not n else (12 * share * arb(base).log() + 24) * UNIT * angle
            found.append(arb(angle, abs(off)))
        ends = [[one.cos() for one in found], [one.sin() for one in found]]
        return [v if self._is_real else arb(v, 12 * UNIT) for end in ends for v in end]

    def circle(self, radius: arb, start: arb, stride: arb, count: int) -> list[Row]:
        """Points of a circle, ``stride`` apart: of an angle the product and the sum are rounded."""
        found = []
        for n in range(count):
            angle, size = start + n * stride, abs(radius) * (COSINE + abs(start) + 2 * n * abs(stride))
            found.append([self.rounded(radius * f, size) for f in (angle.cos(), angle.sin())])
        return found


def _place(row: Row, at: int, whole: int) -> Row:
    return [*[ZERO] * at, *row, *[ZERO] * (whole - at - len(row))]


def _placed(at: int, whole: int) -> Step:
    """Rows in the columns from ``at`` on of a wider stream."""
    return lambda a, rows: [_place(row, at, whole) for row in rows]


def _columns(start: int, end: int) -> Step:
    return lambda a, rows: [row[start:end] for row in rows]


def _combined(a: Arithmetic, x: arb, c: arb, y: arb, s: arb) -> arb:
    """``x c + y s``, of two roundings each."""
    return a.blur(x * c + y * s, a.gamma(3) * (abs(x * c) + abs(y * s)))


def _turned(steps: Steps, width: int, pairs: int, heads: int, repeats: int) -> Step:
    """What ``steps`` make of the first ``width`` columns, each head turned by the angles behind them, and repeated."""

    def step(a: Arithmetic, rows: list[Row]) -> list[Row]:
        result = []
        for x, row in zip(run(steps, a, [row[:width] for row in rows]), rows, strict=True):
            cos, sin, size = row[width : width + pairs], row[width + pairs : width + 2 * pairs], len(x) // heads
            turned: Row = []
            for start in range(0, len(x), size):
                one, other = x[start : start + pairs], x[start + pairs : start + 2 * pairs]
                ends = list(zip(one, other, cos, sin, strict=True))
                head = [_combined(a, p, c, -q, s) for p, q, c, s in ends]
                head += [_combined(a, q, c, p, s) for p, q, c, s in ends]
                turned += [*head, *x[start + 2 * pairs : start + size]] * repeats
            result.append(turned)
        return result

    return step


def tokens_of(said: dict[str, Any], vocabulary: int) -> tuple[str, ...]:
    """Names from ``tokenizer.json``, else ``vocab.json``; numbers for the rest."""
    ids: dict[str, Any] = {}
    if "tokenizer.json" in said:
        model = said["tokenizer.json"]["model"]
        listed = model["vocab"]
        ids = dict(listed) if isinstance(listed, dict) else {entry[0]: n for n, entry in enumerate(listed)}
        ids |= {entry["content"]: entry["id"] for entry in said["tokenizer.json"].get("added_tokens", [])}
    elif "vocab.json" in said:
        ids = said["vocab.json"]
    names = {n: name for name, n in ids.items()}
    known = all(type(n) is int and 0 <= n < vocabulary for n in names) and len(names) == len(ids)
    expect(known, "tokens with strange numbers")
    return tuple(names.get(n, f"#{n}") for n in range(vocabulary))


class _Maps:
    """Affine maps and norms by the names of a decoder's tensors."""

    def __init__(self, t: Tensors, eps: float) -> None:
        self._t, self._eps = t, eps
        expect(LEAST_EPS <= eps < 1, "expected a norm's eps from 2**-40 to 1")

    def affine(self, name: str, out: int, into: int, *, is_biased: bool = False) -> Affine:
        """The map of ``name``."""
        rows = self._t.matrix(f"{name}.weight", out, into)
        return Affine(rows, self._t.take(f"{name}.bias", out) if is_biased else [ZERO] * out)

    def norm(self, name: str, size: int, *, centered: bool = False, times: int = 1) -> Step:
        """The norm of ``name``, the same for ``times`` groups of columns."""
        gain = self._t.take(f"{name}.weight", size)
        bias = self._t.take(f"{name}.bias", size) if centered else [ZERO] * size
        return by_groups(gain * times, bias * times, self._eps, times, centered=centered)


def decoder(said: dict[str, Any], t: Tensors, *, is_real: bool) -> tuple[Network, int]:
    """The network, and how many tokens there are."""
    if "config.json" not in said:
        return _described(said["case.json"]["architecture"], t, is_real=is_real)
    c = said["config.json"]
    strange = [name for name in c if name not in READ and not OTHERS.fullmatch(name)
               and c[name] not in FIXED.get(name, ())]  # fmt: skip
    expect(not strange, f"config.json: not understood: {strange[:1]}")
    rope = c.get("rope_parameters") or {}
    plain = rope.keys() <= {"rope_theta", "rope_type", "partial_rotary_factor"}
    expect(plain and rope.get("rope_type", "default") == "default", "config.json: rotary positions of another kind")
    c = {**c, **{name: value for name, value in rope.items() if name != "rope_type"}}
    tied = c.get("tie_word_embeddings", False)
    flags = (tied, c.get("mlp_bias", False), c.get("use_parallel_residual", True), bool(c.get("attention_bias")))
    expect(all(type(flag) is bool for flag in flags), "config.json: expected true or false")
    copies = {"lm_head.weight": "model.embed_tokens.weight", "embed_out.weight": "gpt_neox.embed_in.weight"}
    for name, first in copies.items():
        if tied and name in t.left:
            expect(t.content(name) == t.content(first), f"{name} is no copy of the embedding")
            t.drop(re.compile(re.escape(name)))
    pairs = _checked_frequencies(c, t)
    t.drop(BUFFERS)
    if c.get("model_type") == "gpt_neox":
        return _neox(c, t, pairs, tied=tied, is_real=is_real)
    expect(c.get("model_type") in LLAMAS, "config.json: an unknown model_type")
    return _llama(c, t, pairs, tied=tied, is_real=is_real)


def _heads(c: dict[str, Any]) -> tuple[int, int, int, int]:
    d, heads, kind = _size(c, "hidden_size"), _size(c, "num_attention_heads"), c.get("model_type")
    default = {"mistral": 8, "qwen2": 32, "qwen3": 32}.get(str(kind), heads)
    shared = default if c.get("num_key_value_heads") is None else _size(c, "num_key_value_heads")
    head = 128 if kind == "qwen3" else d // heads
    expect(c.get("head_dim") is not None or d % heads == 0 or kind == "qwen3", "config.json: heads do not fit")
    head = head if c.get("head_dim") is None else _size(c, "head_dim")
    expect(heads % shared == 0, "config.json: heads cannot share keys and values")
    return d, heads, shared, head


def _rotation(c: dict[str, Any]) -> tuple[int, float]:
    """Pairs of columns that are turned, and the base."""
    head = _heads(c)[3]
    if c.get("model_type") == "gpt_neox":
        share = c.get("partial_rotary_factor")
        share = _number(c, "rotary_pct", 0.25, 0, 1) if share is None else share
        base = c.get("rope_theta")
        base = _number(c, "rotary_emb_base", 10000.0, 1, 1e12) if base is None else base
    else:
        share, base = c.get("partial_rotary_factor", 1.0), c.get("rope_theta")
        base = 10000.0 if base is None else base
    share, base = (_number({"n": n}, "n", 0, 0, 1e12) for n in (share, base))
    turned = int(head * share)
    expect(0 < turned <= head and turned % 2 == 0 and base >= 1, "config.json: a rotation that does not fit")
    return turned // 2, base


def _checked_frequencies(c: dict[str, Any], t: Tensors) -> int:
    """Stored frequencies, which may be used, are the computed ones; returns how many pairs are turned."""
    pairs, base = _rotation(c)
    for name in [name for name in t.left if name.endswith(".rotary_emb.inv_freq")]:
        for n, stored in enumerate(t.take(name, pairs)):
            exact = (-arb(n) / pairs * arb(base).log()).exp()
            near = abs(stored - exact) <= arb(2) ** -20 * exact if n else stored == 1
            expect(near, f"{name} holds other frequencies")
    return pairs


def _llama(c: dict[str, Any], t: Tensors, pairs: int, *, tied: bool, is_real: bool) -> tuple[Network, int]:
    kind = c["model_type"]
    d, heads, shared, head = _heads(c)
    longest = min(_size(c, "max_position_embeddings"), LONGEST)
    has_window = kind == "mistral" or c.get("use_sliding_window")
    if has_window and c.get("sliding_window") is not None:
        longest = min(longest, _size(c, "sliding_window"))
    kinds = {*(c.get("layer_types") or ())}
    windowed = {"sliding_attention"} if has_window and c.get("sliding_window") is not None else set()
    expect(kinds <= {"full_attention"} | windowed, "config.json: layers of another kind")
    parts = {"qwen2": "qkv", "llama": "qkvo", "qwen3": "qkvo"}.get(kind, "")
    biased = parts if kind == "qwen2" or c.get("attention_bias") else ""
    return _stack(
        t, d, heads, shared, head, _size(c, "intermediate_size"), _size(c, "vocab_size"), longest, pairs,
        _size(c, "num_hidden_layers"), _rotation(c)[1], _number(c, "rms_norm_eps", 1e-6, 0, 1),
        _activation(c.get("hidden_act", "silu")), biased, normed=kind == "qwen3", tied=tied,
        mlp_biased=bool(c.get("mlp_bias", False)), is_real=is_real,
    )  # fmt: skip


def _described(c: dict[str, Any], t: Tensors, *, is_real: bool) -> tuple[Network, int]:
    """A Qwen3 that ``case.json`` describes."""
    known = {"kind", "n_layer", "n_head", "n_kv_head", "head_size", "d_model", "mlp_width", "vocab_size", "n_positions",
             "constants", "formulas", "params", "tensors"}  # fmt: skip
    constants, head = c["constants"], _size(c, "head_size")
    heads = _size(c, "n_head")
    shared = heads if c.get("n_kv_head") is None else _size(c, "n_kv_head")
    fits = c.keys() <= known and {"rms_eps", "rope_theta"} <= constants.keys()
    fits = fits and constants.keys() <= {"rms_eps", "rope_theta", "attention_scale"} and heads % shared == 0
    fits = fits and head % 2 == 0 and abs(constants.get("attention_scale", head**-0.5) * head**0.5 - 1) < 1e-9
    expect(fits, "case.json: architecture not understood")
    longest = min(_size({"n_positions": 512, **c}, "n_positions"), LONGEST)
    return _stack(
        t, _size(c, "d_model"), heads, shared, head, _size(c, "mlp_width"), _size(c, "vocab_size"), longest, head // 2,
        _size(c, "n_layer"), _number(constants, "rope_theta", 0, 1, 1e12), _number(constants, "rms_eps", 0, 0, 1),
        _activation("silu"), "", normed=True, tied=True, mlp_biased=False, is_real=is_real,
    )  # fmt: skip


def _stack(
    t: Tensors, d: int, heads: int, shared: int, head: int, inner: int, vocabulary: int, longest: int, pairs: int,
    layers: int, base: float, eps: float, act: Step, biased: str, *, normed: bool, tied: bool, mlp_biased: bool,
    is_real: bool,
) -> tuple[Network, int]:  # fmt: skip
    """Layers as those of a Llama."""
    maps, whole, tables, times = _Maps(t, eps), d + 2 * pairs, _Tables(is_real=is_real), heads // shared
    own, wide = _columns(0, d), _placed(0, whole)
    branches = []
    for at in (f"model.layers.{n}." for n in range(layers)):
        first, second = (maps.norm(f"{at}{name}_layernorm", d) for name in ("input", "post_attention"))
        made: dict[str, Affine] = {}
        for part, count in (("q", heads), ("k", shared), ("v", shared)):
            made[part] = maps.affine(f"{at}self_attn.{part}_proj", count * head, d, is_biased=part in biased)
        o = maps.affine(f"{at}self_attn.o_proj", d, heads * head, is_biased="o" in biased)
        norms: dict[str, Steps] = {"q": (), "k": ()}
        if normed:
            norms = {part: (maps.norm(f"{at}self_attn.{part}_norm", head, times=count),)
                     for part, count in (("q", heads), ("k", shared))}  # fmt: skip
        value = made["v"]
        turns = range(0, shared * head, head)
        rows = [row for n in turns for row in value.weight[n : n + head] * times]
        offs = [b for n in turns for b in value.bias[n : n + head] * times]
        steps: tuple[Steps, ...] = (
            (_turned((first, made["q"], *norms["q"]), d, pairs, heads, 1),),
            (_turned((first, made["k"], *norms["k"]), d, pairs, shared, times),),
            (own, first, Affine(rows, offs)),
        )
        branches.append(Branch((), Heads(steps, heads, 1 / arb(head).sqrt(), [None] * heads), (o, wide)))
        gate, up = (maps.affine(f"{at}mlp.{name}_proj", inner, d, is_biased=mlp_biased) for name in ("gate", "up"))
        down = maps.affine(f"{at}mlp.down_proj", d, inner, is_biased=mlp_biased)
        branches.append(Branch((own, second, _gated(gate, act, up), down, wide), None, ()))
    table = t.matrix("model.embed_tokens.weight", vocabulary, d)
    head_rows = table if tied else t.matrix("lm_head.weight", vocabulary, d)
    final: Steps = (own, maps.norm("model.norm", d), Affine(head_rows, [ZERO] * vocabulary))
    places = [_place(tables.angles(n, pairs, base), d, whole) for n in range(longest)]
    return Network([_place(row, 0, whole) for row in table], places, tuple(branches), final, longest), vocabulary


def _gated(gate: Step, act: Step, up: Step) -> Step:
    return lambda a, rows: a.multiply(act(a, gate(a, rows)), up(a, rows))


def _neox(c: dict[str, Any], t: Tensors, pairs: int, *, tied: bool, is_real: bool) -> tuple[Network, int]:
    d, heads, _, head = _heads(c)
    inner, vocabulary, layers = _size(c, "intermediate_size"), _size(c, "vocab_size"), _size(c, "num_hidden_layers")
    longest, biased = min(_size(c, "max_position_embeddings"), LONGEST), c.get("attention_bias", True)
    expect(type(biased) is bool, "config.json: expected true or false")
    is_parallel = c.get("use_parallel_residual", True)
    maps = _Maps(t, _number(c, "layer_norm_eps", 1e-5, 0, 1))
    act, tables, behind = _activation(c.get("hidden_act", "gelu")), _Tables(is_real=is_real), d + 2 * pairs
    whole = behind + (2 * d if is_parallel else 0)
    own, ends = _columns(0, d), (behind, behind + d) if is_parallel else (0, 0)
    branches = []
    for at in (f"gpt_neox.layers.{n}." for n in range(layers)):
        first, second = (maps.norm(f"{at}{name}_layernorm", d, centered=True) for name in ("input", "post_attention"))
        fused = maps.affine(f"{at}attention.query_key_value", 3 * heads * head, d, is_biased=biased)
        parts = []
        for part in range(3):
            rows = [n for h in range(heads) for n in range((3 * h + part) * head, (3 * h + part + 1) * head)]
            parts.append(Affine([fused.weight[n] for n in rows], [fused.bias[n] for n in rows]))
        steps: tuple[Steps, ...] = (
            (_turned((first, parts[0]), d, pairs, heads, 1),),
            (_turned((first, parts[1]), d, pairs, heads, 1),),
            (own, first, parts[2]),
        )
        o = maps.affine(f"{at}attention.dense", d, heads * head, is_biased=biased)
        attention = Heads(steps, heads, 1 / arb(head).sqrt(), [None] * heads)
        branches.append(Branch((), attention, (o, _placed(ends[0], whole))))
        up = maps.affine(f"{at}mlp.dense_h_to_4h", inner, d, is_biased=True)
        down = maps.affine(f"{at}mlp.dense_4h_to_h", d, inner, is_biased=True)
        branches.append(Branch((own, second, up, act, down, _placed(ends[1], whole)), None, ()))
        if is_parallel:
            branches.append(Branch((_summed(d, behind),), None, (), is_added=False))
    table = t.matrix("gpt_neox.embed_in.weight", vocabulary, d)
    head_rows = table if tied else t.matrix("embed_out.weight", vocabulary, d)
    norm = maps.norm("gpt_neox.final_layer_norm", d, centered=True)
    final: Steps = (own, norm, Affine(head_rows, [ZERO] * vocabulary))
    base = _rotation(c)[1]
    places = [_place(tables.angles(n, pairs, base), d, whole) for n in range(longest)]
    return Network([_place(row, 0, whole) for row in table], places, tuple(branches), final, longest), vocabulary


def _summed(d: int, behind: int) -> Step:
    """Own columns and what both branches gave, added in any order; theirs are free again."""

    def step(a: Arithmetic, rows: list[Row]) -> list[Row]:
        result = []
        for row in rows:
            triples = zip(row[:d], row[behind : behind + d], row[behind + d :], strict=True)
            sums = [a.blur(x + y + z, a.gamma(3) * (abs(x) + abs(y) + abs(z))) for x, y, z in triples]
            result.append([*sums, *row[d:behind], *[ZERO] * (2 * d)])
        return result

    return step


def adder(said: dict[str, Any], t: Tensors, *, is_real: bool) -> tuple[Network, int]:
    """One of three families of adders, and how many tokens there are."""
    c = said["case.json"]["architecture"]
    constants, head = c["constants"], _size(c, "head_size")
    known = {"kind", "n_layer", "n_head", "head_size", "d_model", "mlp_width", "vocab_size", "n_positions", "constants",
             "formulas", "params", "tensors"}  # fmt: skip
    fits = c.keys() <= known and constants.keys() == {"rms_eps", "attention_scale"} and c["n_layer"] == 1
    fits = fits and abs(constants["attention_scale"] * head**0.5 - 1) < 1e-9
    expect(fits, "case.json: architecture not understood")
    own: dict[str, Any] = {}
    for name, entry in t.left.items():
        short = re.sub(r"^(attn|ffn)\.", "", re.sub(r"^blocks\.0\.", "", name))
        short = re.sub(r"^2\.", "fc2.", re.sub(r"^0\.", "fc1.", short))
        expect(short not in own, f"a tensor named twice, with and without its prefix: {short}")
        own[short] = entry
    t.left = own
    t.drop(re.compile("causal_mask|_pos_sources|_pos_indices"))
    for name, first in (("tok_arc_B", "tok_arc_A"), ("norm2.weight", "norm1.weight"), ("norm_f.weight", "norm1.weight"),
                        ("lm_head.weight", "token_emb.weight")):  # fmt: skip
        if name in t.left:
            expect(t.content(name) == t.content(first), f"{name} is no copy of {first}")
            t.drop(re.compile(re.escape(name)))
    makers: dict[str, Callable[..., Network]] = {"tok_arc_A": _micro, "token_emb.weight": _low}
    make = next((makers[name] for name in makers if name in t.left), _halves)
    tokens, longest = _size(c, "vocab_size"), _size({"n_positions": PLACES, **c}, "n_positions")
    maps, heads = _Maps(t, _number(constants, "rms_eps", 0, 0, 1)), _size(c, "n_head")
    return make(t, maps, _Tables(is_real=is_real), heads, head, tokens, longest), tokens


def _single(t: Tensors, name: str) -> arb:
    """A tensor of one number."""
    shape = t.left[name]["shape"] if name in t.left else []
    return t.take(name, *([1] if shape == [1] else []))[0]


def _spiral(t: Tensors, tables: _Tables, stretch: Row) -> list[Row]:
    """Positions of digits: of each angle up to four roundings and one of the sum; of a stretch two more."""
    amp, phase, slope, offset = (_single(t, f"spiral_{name}") for name in ("amp", "phase", "slope", "offset"))
    found = []
    for n, more in enumerate(stretch):
        turn, by, size = 2 * arb.pi() * n / DIGITS, 1 + more, 1 + abs(more)
        angle, reach = turn + phase, abs(amp) * (COSINE + 2 + 5 * turn + abs(phase)) * size
        rise = tables.rounded((slope * n + offset) * by, (4 * n * abs(slope) + 3 * abs(offset)) * size, size)
        found.append([tables.rounded(amp * f * by, reach, size) for f in (angle.cos(), angle.sin())] + [rise])
    return found


def _all_places(digits: list[Row], plus: Row, equals: Row, last: Row, end: Row, longest: int) -> list[Row]:
    places = [*digits, plus, *digits, equals, *digits, last, end]
    expect(longest <= len(places), "case.json: more positions than there are")
    return places[:longest]


def _micro(t: Tensors, maps: _Maps, tables: _Tables, heads: int, head: int, tokens: int, longest: int) -> Network:
    radius, start, stride = (_single(t, f"tok_arc_{name}") for name in ("A", "start", "stride"))
    circle = tables.circle(radius, start, stride, tokens)
    plus, equals, last, end = (
        t.take(name, 1, 3) for name in ("_plus_pos", "special_pos_equals", "z_hi_pos", "_eos_pos")
    )
    places = _all_places(_spiral(t, tables, [ZERO] * DIGITS), plus, equals, last, end, longest)
    (turn,) = tables.circle(arb(1), _single(t, "q_phase_angle"), ZERO, 1)
    whole = 7 + 2 * tokens
    shared = "norm1.weight" if "norm1.weight" in t.left else "ln1.weight"
    for name in ("ln2.weight", "ln_f.weight"):
        if name in t.left:
            expect(t.content(name) == t.content(shared), f"{name} is no copy of {shared}")
            t.drop(re.compile(re.escape(name)))
    norm, own, wide = maps.norm(shared.removesuffix(".weight"), 5), _columns(0, 5), _placed(0, whole)
    key, projected = maps.affine("q_proj", heads * head, 3), t.matrix("head_proj.weight", 2, 5)
    expect(head % 4 == 0, "keys whose pairs cannot be turned")

    def query(a: Arithmetic, rows: list[Row]) -> list[Row]:
        made = run((own, norm, _columns(2, 5), key), a, rows)
        return [
            [y for n in range(0, len(x), 2) for y in (_combined(a, x[n], row[5], -x[n + 1], row[6]),
                                                       _combined(a, x[n + 1], row[5], x[n], row[6]))]
            for x, row in zip(made, rows, strict=True)
        ]  # fmt: skip

    turned = [[row[n] for row in projected] for n in range(5)]
    value = Affine(turned, [ZERO] * 5)
    steps: tuple[Steps, ...] = ((query,), (own, norm, _columns(2, 5), key), (own, norm, _columns(0, 2), value))
    expect(5 % heads == 0, "values that do not fit the heads")
    low, back = _low_rank(t, "out_proj", 5, 5)
    up_width = t.left["fc1.weight"]["shape"][0]
    up = maps.affine("fc1", up_width, 5)
    down = maps.affine("fc2", 5, up_width) if "fc2.weight" in t.left else value

    def logits(a: Arithmetic, rows: list[Row]) -> list[Row]:
        two = run((own, norm, Affine(projected, [ZERO, ZERO])), a, rows)
        pairs = [[row[n : n + 2] for n in range(7, whole, 2)] for row in rows]
        return [[_combined(a, x[0], c, x[1], s) for c, s in row] for x, row in zip(two, pairs, strict=True)]

    branches = (
        Branch((), Heads(steps, heads, 1 / arb(head).sqrt(), [None] * heads), (low, back, wide)),
        Branch((own, norm, up, _gelu, down, wide), None, ()),
    )
    flat = [*turn, *(v for point in circle for v in point)]
    where = [_place([*place, *flat], 2, whole) for place in places]
    return Network([_place(point, 0, whole) for point in circle], where, branches, (logits,), longest)


def _low_rank(t: Tensors, name: str, into: int, out: int | None) -> tuple[Affine, Affine]:
    """Two maps one behind the other, each stored as (in, out)."""
    rank = t.left[f"{name}.A"]["shape"][-1]
    first = t.matrix(f"{name}.A", into, rank)
    second = t.matrix(f"{name}.B", rank, t.left[f"{name}.B"]["shape"][-1] if out is None else out)
    return _map_of(first), _map_of(second)


def _map_of(table: list[Row]) -> Affine:
    rows = [list(column) for column in zip(*table, strict=True)]
    return Affine(rows, [ZERO] * len(rows))


def _gelu(a: Arithmetic, rows: list[Row]) -> list[Row]:
    return [a.activate(row, "gelu") for row in rows]


def _halves(t: Tensors, maps: _Maps, tables: _Tables, heads: int, head: int, tokens: int, longest: int) -> Network:
    first = t.left["tok_emb.weight"]["shape"][1]
    table = t.matrix("tok_emb.weight", tokens, first)
    if "digit_enc" in t.left:
        second = t.left["digit_enc"]["shape"][1]
        digits, last = t.matrix("digit_enc", DIGITS, second), t.take("z10_enc", 1, second)
        special = t.matrix("special_enc", 3, second)
    else:
        second = 3
        digits, last = _spiral(t, tables, t.take("pos_correction", DIGITS)), t.take("z_hi_pos", 1, second)
        special = t.matrix("special_pos", 3, second)
    places = _all_places(digits, special[0], special[1], last, special[2], longest)
    d, h = first + second, heads * head
    query, key = (maps.affine(f"{part}_proj", h, second) for part in "qk")
    value, behind = maps.affine("v_proj", h, first), _columns(first, d)
    steps: tuple[Steps, ...] = ((behind, query), (behind, key), (_columns(0, first), value))
    inner = t.left["fc1.bias"]["shape"][0]
    up, down = maps.affine("fc1", inner, d, is_biased=True), maps.affine("fc2", d, inner, is_biased=True)
    branches = (
        Branch((maps.norm("ln1", d),), Heads(steps, heads, 1 / arb(head).sqrt(), [None] * heads),
               (maps.affine("out_proj", d, h),)),
        Branch((maps.norm("ln2", d), up, _gelu, down), None, ()),
    )  # fmt: skip
    final: Steps = (maps.norm("ln_f", d), maps.affine("head_proj", first, d), Affine(table, [ZERO] * tokens))
    own = [_place(row, 0, d) for row in table]
    return Network(own, [_place(row, first, d) for row in places], branches, final, longest)


def _low(t: Tensors, maps: _Maps, tables: _Tables, heads: int, head: int, tokens: int, longest: int) -> Network:
    d, h = t.left["token_emb.weight"]["shape"][1], heads * head
    table = t.matrix("token_emb.weight", tokens, d)
    rank = t.left["pos_emb.A"]["shape"][1]
    left, right = t.matrix("pos_emb.A", longest, rank), t.matrix("pos_emb.B", rank, d)
    expect(rank < 16, "factors of positions of too many columns")  # so that two dozen roundings are enough
    places = [
        [tables.rounded(sum((x * row[n] for x, row in zip(one, right, strict=True)), ZERO),
                        24 * sum((abs(x * row[n]) for x, row in zip(one, right, strict=True)), ZERO),
                        sum((1 + abs(x) + abs(row[n]) for x, row in zip(one, right, strict=True)), ZERO))
         for n in range(d)]
        for one in left
    ]  # fmt: skip
    shared_rank = t.left["qkv_A"]["shape"][1]
    shared = _map_of(t.matrix("qkv_A", d, shared_rank))
    query, key = (_map_of(t.matrix(f"qkv_B{part}", shared_rank, h)) for part in ("q", "kv"))
    steps: tuple[Steps, ...] = ((query,), (key,), (key,))
    fc1, fc2 = ("mlp.fc1", "mlp.fc2") if "mlp.fc1.A" in t.left else ("fc1", "fc2")
    ups = _low_rank(t, fc1, d, None)
    downs = _low_rank(t, fc2, len(ups[1].weight), d)
    heads_of = Heads(steps, heads, 1 / arb(head).sqrt(), [None] * heads)
    branches = (
        Branch((maps.norm("ln1", d), shared), heads_of, _low_rank(t, "proj", h, d)),
        Branch((maps.norm("ln2", d), *ups, _gelu, *downs), None, ()),
    )
    final: Steps = (maps.norm("ln_f", d), Affine(table, [ZERO] * tokens))
    return Network(table, places, branches, final, longest)
