"""Decoders of Hugging Face with rotary positions: Llama, Mistral, Qwen2, Qwen3 and GPT-NeoX (Pythia).

    config.json (model_type llama, mistral, qwen2, qwen3 or gpt_neox), model.safetensors, whole or in parts

    llama, mistral, qwen2, qwen3                                    gpt_neox
    model.embed_tokens.weight (vocab, d)                            gpt_neox.embed_in.weight
    model.layers.N.input_layernorm.weight (d,)                      gpt_neox.layers.N.input_layernorm.weight, .bias
    model.layers.N.self_attn.q_proj.weight (heads head, d)          gpt_neox.layers.N.attention.query_key_value (3d, d):
      k_proj, v_proj (kv_heads head, d); biases in Qwen2              per head its query, key, value; with bias
      q_norm, k_norm.weight (head,): Qwen3 alone
      o_proj.weight (d, heads head)                                 gpt_neox.layers.N.attention.dense
    model.layers.N.post_attention_layernorm.weight                  gpt_neox.layers.N.post_attention_layernorm
    model.layers.N.mlp.gate_proj, up_proj (inner, d), down_proj     gpt_neox.layers.N.mlp.dense_h_to_4h, dense_4h_to_h
    model.norm.weight; lm_head.weight (vocab, d), absent if tied    gpt_neox.final_layer_norm; embed_out.weight

    x = embedding[ids];  x += o(Attention(RMSNorm(x)));  x += down(act(gate(n)) * up(n)), n = RMSNorm(x)
    gpt_neox: x += dense(Attention(LayerNorm1(x))) + mlp(LayerNorm2(x)), at once where use_parallel_residual is true
    logits = norm(x) W^T

Queries and keys (in Qwen3 each head normed first) are turned by their position, the first rotary_pct of the columns of
a head, in halves. Several query heads share one of keys and values. Mistral and Qwen may have a window: a network that
is asked about prompts no longer than it is the same without. Other kinds of rotation (``rope_scaling``), mixtures of
experts and layers of another kind are refused. ``case.json`` may take the place of the configuration, where its
``architecture`` gives n_layer, n_head, n_kv_head, head_size, d_model, mlp_width, vocab_size and the constants rms_eps
and rope_theta, and the tensors are those of a Qwen3.

Angles are computed in float32 by a program, and known up to an error here (``networks.rotary``).
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tasks.formats.case import read_case
from tasks.formats.reading import (
    check_size,
    count,
    flags,
    one_of,
    pick,
    read_object,
    read_tensors,
    require,
    survives,
    widen,
)
from tasks.formats.tokenizer import token_names
from tasks.formats.untrusted import object_of
from tasks.networks.model import Loaded, Question, assemble
from tasks.networks.rotary import Stream, repeated, tables, turned
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

CONFIG, WEIGHTS, CASE = "config.json", "model.safetensors", "case.json"
KINDS = ("llama", "mistral", "qwen2", "qwen3", "gpt_neox")
MARK = '.self_attn.q_norm.weight"'  # of a Qwen3 that case.json describes
LONGEST = 2_048  # tokens per prompt, at most: tables of angles are written out
Kind = Literal["relu", "gelu", "gelu_tanh", "silu"]
ACTIVATIONS: dict[str, Kind] = {
    "silu": "silu",
    "swish": "silu",
    "gelu": "gelu",
    "gelu_new": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "relu": "relu",
}
LLAMA: dict[str, Any] = {
    "model_type": ..., "hidden_size": ..., "intermediate_size": ..., "num_hidden_layers": ...,
    "num_attention_heads": ..., "num_key_value_heads": None, "head_dim": None, "vocab_size": ...,
    "max_position_embeddings": ..., "hidden_act": "silu", "rms_norm_eps": 1e-6, "rope_theta": None,
    "rope_scaling": None, "rope_parameters": None, "attention_bias": None, "mlp_bias": False,
    "tie_word_embeddings": False, "sliding_window": None, "use_sliding_window": None, "layer_types": None,
    "pretraining_tp": 1, "partial_rotary_factor": 1.0, "quantization_config": None, "dtype": None, "torch_dtype": None,
}  # fmt: skip
NEOX: dict[str, Any] = {
    "model_type": ..., "hidden_size": ..., "intermediate_size": ..., "num_hidden_layers": ...,
    "num_attention_heads": ..., "vocab_size": ..., "max_position_embeddings": ..., "hidden_act": "gelu",
    "layer_norm_eps": 1e-5, "rotary_pct": 0.25, "rotary_emb_base": 10000.0, "rope_theta": None, "rope_scaling": None,
    "rope_parameters": None, "partial_rotary_factor": None, "attention_bias": True, "use_parallel_residual": True,
    "tie_word_embeddings": False, "quantization_config": None, "dtype": None, "torch_dtype": None,
}  # fmt: skip
INERT = frozenset((
    "_attn_implementation_autoset", "_name_or_path", "add_cross_attention", "architectures", "attention_dropout",
    "attn_implementation", "auto_map", "bos_token_id", "chunk_size_feed_forward", "classifier_dropout",
    "cross_attention_hidden_size", "decoder_start_token_id", "do_sample", "eos_token_id", "finetuning_task",
    "gradient_checkpointing", "hidden_dropout", "id2label", "initializer_range", "is_decoder", "is_encoder_decoder",
    "label2id", "loss_type", "max_length", "max_window_layers", "min_length", "num_labels", "output_attentions",
    "output_hidden_states", "output_scores", "pad_token_id", "prefix", "problem_type", "return_dict", "sep_token_id",
    "task_specific_params", "temperature", "tokenizer_class", "top_k", "top_p", "torchscript", "transformers_version",
    "unk_token_id", "use_bfloat16", "use_cache"
))  # fmt: skip
ALLOWED: dict[str, tuple[object, ...]] = {
    "add_cross_attention": (False,),
    "is_encoder_decoder": (False,),
    "is_decoder": (False, True),
}
BUFFERS = re.compile(r".*\.(masked_bias|attention\.bias|rotary_emb\.inv_freq)")
FREQUENCIES = re.compile(r".*\.rotary_emb\.inv_freq")


@dataclass(frozen=True)
class Shape:
    """What the tensors alone do not say. ``rotated``: columns of a head that are turned."""

    layers: int
    d: int
    heads: int
    shared: int  # heads of keys and values
    head: int
    inner: int
    vocabulary: int
    longest: int
    kind: Kind
    eps: float
    base: float
    rotated: int
    is_tied: bool
    is_normed: bool = False  # queries and keys, head by head
    biases: tuple[str, ...] = ()  # of q, k, v, o, and mlp
    dtypes: tuple[object, ...] = ()


def load(folder: Path, question: Question) -> Loaded:
    """The decoder in ``folder``; raises NetworkError for anything that is not understood."""
    if question.circuit or question.task is not None:
        raise NetworkError(f"{folder}: a decoder's folder holds one whole network, no circuits or tasks to choose")
    notes: list[str] = []
    if (folder / CONFIG).is_file():
        said, what = read_object(folder / CONFIG), str(folder / CONFIG)
        kind = one_of(f"{what}: model_type", said.get("model_type"), KINDS)
        said, is_neox = _checked(what, said, NEOX if kind == "gpt_neox" else LLAMA), kind == "gpt_neox"
        shape = _of_neox(what, said) if is_neox else _of_llama(what, kind, said, notes)
    else:
        what, is_neox = f"{folder / CASE}: architecture", False
        shape, said = _of_case(what, object_of(what, read_object(folder / CASE).get("architecture"), None)), {}
    expected = _neox_shapes(shape) if is_neox else _shapes(shape)
    check_size(str(folder), expected)
    weights, dtype = _weights(folder, what, shape, expected, notes)
    steps, stream = _neox(shape, weights, said) if is_neox else _llama(shape, weights)
    values, errors = tables(shape.longest, shape.rotated // 2, shape.base)
    positions = np.zeros((shape.longest, stream.whole))
    off = np.zeros_like(positions)
    columns = slice(stream.width, stream.width + shape.rotated)
    positions[:, columns], off[:, columns] = values, errors
    table = weights["gpt_neox.embed_in.weight" if is_neox else "model.embed_tokens.weight"]
    network = Transformer(stream.wide(table), positions, steps, shape.longest, dtype, position_error=off)
    notes.append(f"positions turn {shape.rotated} of the {shape.head} columns of a head, with base {shape.base:g}")
    case = read_case(folder)
    return assemble(
        case.name or folder.name, "decoder", network, case.vocabulary or token_names(folder, shape.vocabulary),
        question, own=case.question, constraint=case.constraint, notes=tuple(notes),
    )  # fmt: skip


def _checked(what: str, config: dict[str, Any], known: Mapping[str, Any]) -> dict[str, Any]:
    """The entries that matter; NetworkError for one that changes the function in a way that is not understood."""
    for name, values in ALLOWED.items():
        if config.get(name, values[0]) not in values:
            raise NetworkError(f"{what}: only {name} = {values[0]} is understood, got {config[name]!r}")
    if any(name in config for name in ("num_experts", "num_local_experts", "n_routed_experts")):
        raise NetworkError(f"{what}: a mixture of experts is not understood; only dense layers are")
    said = pick(what, config, known, INERT)
    if said["rope_scaling"] is not None:
        raise NetworkError(f"{what}: only plain rotary positions are understood, got rope_scaling {_cut(said)}")
    require(what, said, rope_scaling=None, quantization_config=None)
    rope = object_of(f"{what}: rope_parameters", said["rope_parameters"] or {}, None)
    plain = rope.keys() <= {"rope_theta", "rope_type", "partial_rotary_factor"}
    if rope.get("rope_type", "default") != "default" or not plain:
        raise NetworkError(f"{what}: only plain rotary positions are understood, got rope_parameters {rope!r:.120}")
    return {**said, **{name: value for name, value in rope.items() if name != "rope_type"}}


def _cut(said: Mapping[str, Any]) -> str:
    return f"{said['rope_scaling']!r:.120}"


def _number(what: str, said: Mapping[str, Any], name: str, least: float, most: float) -> float:
    value = said[name]
    if not isinstance(value, int | float) or isinstance(value, bool) or not least <= value <= most:
        raise NetworkError(f"{what}: {name} should be a number from {least:g} to {most:g}, got {value!r}")
    return float(value)


def _heads(what: str, said: Mapping[str, Any]) -> tuple[int, int, int, int]:
    """Width, heads, heads of keys and values, and columns of a head."""
    d, heads = count(what, said, "hidden_size"), count(what, said, "num_attention_heads")
    shared = heads if said.get("num_key_value_heads") is None else count(what, said, "num_key_value_heads")
    if heads % shared:
        raise NetworkError(f"{what}: {heads} query heads cannot share {shared} heads of keys and values equally")
    if said.get("head_dim") is None and d % heads:
        raise NetworkError(f"{what}: hidden_size = {d} cannot be split into {heads} heads")
    return d, heads, shared, d // heads if said.get("head_dim") is None else count(what, said, "head_dim")


def _rotated(what: str, head: int, share: float) -> int:
    columns = int(head * share)
    if columns % 2 or columns < 2:
        raise NetworkError(f"{what}: {columns} columns of a head are no pairs that a rotation could turn")
    return columns


def _of_llama(what: str, kind: str, said: Mapping[str, Any], notes: list[str]) -> Shape:
    d, heads, shared, head = _heads(what, said)
    if kind == "qwen3" and said["head_dim"] is None:
        head = 128  # which its configuration leaves out
    require(what, said, pretraining_tp=1)
    flags(what, said, "mlp_bias", "tie_word_embeddings")
    if said["attention_bias"] is not None:
        flags(what, said, "attention_bias")
    longest = min(count(what, said, "max_position_embeddings"), LONGEST)
    window = said["sliding_window"] if kind == "mistral" or said["use_sliding_window"] else None
    if window is not None:
        longest = min(longest, count(what, said, "sliding_window"))
        notes.append(f"attention has a window of {window:,}: longer prompts are not taken")
    layers = said["layer_types"]
    others = [] if layers is None else [name for name in layers if name != "full_attention"]
    if others and not (window is not None and set(others) == {"sliding_attention"}):
        raise NetworkError(f"{what}: only layers of full attention are understood, got {others[0]!r:.80}")
    if longest < said["max_position_embeddings"]:
        notes.append(f"prompts of up to {longest:,} tokens are taken, of {said['max_position_embeddings']:,}")
    biases = {"qwen2": ("q", "k", "v"), "llama": ("q", "k", "v", "o"), "qwen3": ("q", "k", "v", "o")}.get(kind, ())
    if not (kind == "qwen2" or said["attention_bias"]):
        biases = ()
    theta = {**said, "rope_theta": 10000.0 if said["rope_theta"] is None else said["rope_theta"]}
    return Shape(
        layers=count(what, said, "num_hidden_layers"),
        d=d,
        heads=heads,
        shared=shared,
        head=head,
        inner=count(what, said, "intermediate_size"),
        vocabulary=count(what, said, "vocab_size"),
        longest=longest,
        kind=ACTIVATIONS[one_of(f"{what}: hidden_act", said["hidden_act"], ACTIVATIONS)],
        eps=_number(what, said, "rms_norm_eps", 1e-12, 0.5),
        base=_number(what, theta, "rope_theta", 1.0, 1e12),
        rotated=_rotated(what, head, _number(what, said, "partial_rotary_factor", 0.0, 1.0)),
        is_tied=said["tie_word_embeddings"],
        is_normed=kind == "qwen3",
        biases=(*biases, *(("mlp",) if said["mlp_bias"] else ())),
        dtypes=(said["dtype"], said["torch_dtype"]),
    )


def _of_neox(what: str, said: Mapping[str, Any]) -> Shape:
    d, heads, _, head = _heads(what, said)
    flags(what, said, "attention_bias", "use_parallel_residual", "tie_word_embeddings")
    share = said["rotary_pct"] if said["partial_rotary_factor"] is None else said["partial_rotary_factor"]
    base = {"base": said["rotary_emb_base"] if said["rope_theta"] is None else said["rope_theta"], "share": share}
    return Shape(
        layers=count(what, said, "num_hidden_layers"),
        d=d,
        heads=heads,
        shared=heads,
        head=head,
        inner=count(what, said, "intermediate_size"),
        vocabulary=count(what, said, "vocab_size"),
        longest=min(count(what, said, "max_position_embeddings"), LONGEST),
        kind=ACTIVATIONS[one_of(f"{what}: hidden_act", said["hidden_act"], ACTIVATIONS)],
        eps=_number(what, said, "layer_norm_eps", 1e-12, 0.5),
        base=_number(what, base, "base", 1.0, 1e12),
        rotated=_rotated(what, head, _number(what, base, "share", 0.0, 1.0)),
        is_tied=said["tie_word_embeddings"],
        biases=("q",) if said["attention_bias"] else (),
        dtypes=(said["dtype"], said["torch_dtype"]),
    )


def _of_case(what: str, architecture: dict[str, Any]) -> Shape:
    known = dict.fromkeys(("kind", "n_layer", "n_head", "head_size", "d_model", "mlp_width", "vocab_size"), ...)
    said = pick(
        what, architecture, {**known, "n_kv_head": None, "n_positions": 512, "constants": ...},
        frozenset({"formulas", "params", "tensors"}),
    )  # fmt: skip
    constants = object_of(f"{what}: constants", said["constants"], None)
    pick(f"{what}: constants", constants, dict.fromkeys(("rms_eps", "rope_theta"), ...), frozenset({"attention_scale"}))
    heads, head = count(what, said, "n_head"), count(what, said, "head_size")
    shared = heads if said["n_kv_head"] is None else count(what, said, "n_kv_head")
    scale = constants.get("attention_scale", head**-0.5)
    if heads % shared or not isinstance(scale, float) or not math.isclose(scale, head**-0.5, rel_tol=1e-9):
        raise NetworkError(f"{what}: {heads} heads over {shared}, or the scale {scale!r}, are not understood")
    return Shape(
        layers=count(what, said, "n_layer"),
        d=count(what, said, "d_model"),
        heads=heads,
        shared=shared,
        head=head,
        inner=count(what, said, "mlp_width"),
        vocabulary=count(what, said, "vocab_size"),
        longest=min(count(what, said, "n_positions"), LONGEST),
        kind="silu",
        eps=_number(what, constants, "rms_eps", 1e-12, 0.5),
        base=_number(what, constants, "rope_theta", 1.0, 1e12),
        rotated=_rotated(what, head, 1.0),
        is_tied=True,
        is_normed=True,
    )


def _shapes(s: Shape) -> dict[str, tuple[int, ...]]:
    """Every tensor of a Llama and its kin."""
    shapes: dict[str, tuple[int, ...]] = {
        "model.embed_tokens.weight": (s.vocabulary, s.d),
        "model.norm.weight": (s.d,),
        **({} if s.is_tied else {"lm_head.weight": (s.vocabulary, s.d)}),
    }
    wide, narrow = s.heads * s.head, s.shared * s.head
    for at in (f"model.layers.{layer}." for layer in range(s.layers)):
        shapes |= {f"{at}{name}.weight": (s.d,) for name in ("input_layernorm", "post_attention_layernorm")}
        for part, size in (("q", (wide, s.d)), ("k", (narrow, s.d)), ("v", (narrow, s.d)), ("o", (s.d, wide))):
            shapes[f"{at}self_attn.{part}_proj.weight"] = size
            if part in s.biases:
                shapes[f"{at}self_attn.{part}_proj.bias"] = size[:1]
        if s.is_normed:
            shapes |= {f"{at}self_attn.{part}_norm.weight": (s.head,) for part in "qk"}
        for name, size in (("gate", (s.inner, s.d)), ("up", (s.inner, s.d)), ("down", (s.d, s.inner))):
            shapes[f"{at}mlp.{name}_proj.weight"] = size
            if "mlp" in s.biases:
                shapes[f"{at}mlp.{name}_proj.bias"] = size[:1]
    return shapes


def _neox_shapes(s: Shape) -> dict[str, tuple[int, ...]]:
    """Every tensor of a GPT-NeoX."""
    shapes: dict[str, tuple[int, ...]] = {
        "gpt_neox.embed_in.weight": (s.vocabulary, s.d),
        **({} if s.is_tied else {"embed_out.weight": (s.vocabulary, s.d)}),
    }
    norms = ["gpt_neox.final_layer_norm"]
    for at in (f"gpt_neox.layers.{layer}." for layer in range(s.layers)):
        norms += [f"{at}input_layernorm", f"{at}post_attention_layernorm"]
        maps = {"attention.query_key_value": (3 * s.heads * s.head, s.d), "attention.dense": (s.d, s.heads * s.head)}
        for name, size in {**maps, "mlp.dense_h_to_4h": (s.inner, s.d), "mlp.dense_4h_to_h": (s.d, s.inner)}.items():
            shapes[f"{at}{name}.weight"] = size
            if s.biases or name.startswith("mlp"):
                shapes[f"{at}{name}.bias"] = size[:1]
    return shapes | {f"{norm}.{part}": (s.d,) for norm in norms for part in ("weight", "bias")}


def _weights(
    folder: Path, what: str, shape: Shape, expected: Mapping[str, tuple[int, ...]], notes: list[str]
) -> tuple[dict[str, Reals], Literal["float32", "float64"]]:
    """The tensors, without buffers, and an output that repeats the embedding."""
    tensors = read_tensors(folder / WEIGHTS)
    for name, tensor in tensors.items():
        if FREQUENCIES.fullmatch(name):
            _check_frequencies(f"{folder / WEIGHTS}: {name}", shape, tensor)
    tensors = {name: tensor for name, tensor in tensors.items() if not BUFFERS.fullmatch(name)}
    for head, table in (
        ("lm_head.weight", "model.embed_tokens.weight"),
        ("embed_out.weight", "gpt_neox.embed_in.weight"),
    ):
        if shape.is_tied and head in tensors and table in tensors:
            if not np.array_equal(tensors[head], tensors[table]):
                raise NetworkError(f"{what}: the output should be the embedding, and {head} is another table")
            del tensors[head]
    if shape.layers > len(tensors):
        raise NetworkError(f"{what}: {shape.layers} layers, and the weights file has {len(tensors)} tensors")
    weights, dtype = widen(str(folder / WEIGHTS), expected, tensors)
    for said in {str(name).removeprefix("torch.") for name in shape.dtypes} - {"None", "float32", dtype}:
        if not survives(said, weights.values()):
            raise NetworkError(f"{what}: expected a network executed in {dtype}, as stored, got {said!r}")
        notes.append(f"the weights are {said} numbers; nothing is said of executions in {said}")
    return weights, dtype


def _check_frequencies(what: str, shape: Shape, stored: NDArray[Any]) -> None:
    """Stored frequencies may take the place of computed ones: they should be those, up to a rounding."""
    pairs = shape.rotated // 2
    share = np.arange(pairs) / pairs
    expected = shape.base**-share
    if stored.shape != (pairs,) or (np.abs(stored - expected) > 2.0**-20 * expected * (share > 0)).any():
        raise NetworkError(f"{what} should hold {pairs} frequencies, the powers of {shape.base:g}")


def _llama(s: Shape, weights: Mapping[str, Reals]) -> tuple[tuple[Step, ...], Stream]:
    stream = Stream(s.d, s.rotated // 2)

    def norm(name: str) -> Norm:
        return Norm("rms", weights[f"{name}.weight"], None, s.eps)

    def mapped(name: str) -> Affine:
        return Affine(weights[f"{name}.weight"], weights.get(f"{name}.bias"))

    steps: list[Step] = []
    for layer in range(s.layers):
        at = f"model.layers.{layer}."
        before = (*stream.own(), norm(f"{at}input_layernorm"))
        parts: dict[str, tuple[Step, ...]] = {}
        for part, heads in (("q", s.heads), ("k", s.shared)):
            made: list[Step] = [*before, mapped(f"{at}self_attn.{part}_proj")]
            if s.is_normed:
                gain = np.tile(weights[f"{at}self_attn.{part}_norm.weight"], heads)
                made.append(Norm("rms", gain, None, s.eps, heads))
            parts[part] = turned(made, stream, heads, s.head, "halves", s.heads // heads)
        value = mapped(f"{at}self_attn.v_proj")
        times = s.heads // s.shared
        bias = None if value.bias is None else repeated(value.bias, s.shared, times)
        parts["v"] = (*before, Affine(repeated(value.weight, s.shared, times), bias))
        attention = Attention(parts["q"], parts["k"], parts["v"], s.heads, s.head**-0.5)
        steps.append(Residual((attention, stream.onto(mapped(f"{at}self_attn.o_proj")))))
        gate, up, down = (mapped(f"{at}mlp.{name}_proj") for name in ("gate", "up", "down"))
        gated = Product((gate, Activation(s.kind)), (up,))
        steps.append(Residual((*stream.own(), norm(f"{at}post_attention_layernorm"), gated, stream.onto(down))))
    head = weights["model.embed_tokens.weight" if s.is_tied else "lm_head.weight"]
    return (*steps, *stream.own(), norm("model.norm"), Affine(head)), stream


def _neox(s: Shape, weights: Mapping[str, Reals], said: Mapping[str, Any]) -> tuple[tuple[Step, ...], Stream]:
    is_parallel = bool(said["use_parallel_residual"])
    stream = Stream(s.d, s.rotated // 2, 2 * s.d if is_parallel else 0)
    places = stream.spare if is_parallel else (0, 0)

    def norm(name: str) -> Norm:
        return Norm("layer", weights[f"{name}.weight"], weights[f"{name}.bias"], s.eps)

    def mapped(name: str) -> Affine:
        return Affine(weights[f"{name}.weight"], weights.get(f"{name}.bias"))

    steps: list[Step] = []
    for layer in range(s.layers):
        at = f"gpt_neox.layers.{layer}."
        before = (*stream.own(), norm(f"{at}input_layernorm"))
        fused = mapped(f"{at}attention.query_key_value")
        weight = fused.weight.reshape(s.heads, 3, s.head, s.d)
        bias = None if fused.bias is None else fused.bias.reshape(s.heads, 3, s.head)
        maps = [
            Affine(weight[:, n].reshape(-1, s.d), None if bias is None else bias[:, n].reshape(-1)) for n in range(3)
        ]
        query, key = (turned((*before, part), stream, s.heads, s.head, "halves") for part in maps[:2])
        attention = Attention(query, key, (*before, maps[2]), s.heads, s.head**-0.5)
        steps.append(Residual((attention, stream.onto(mapped(f"{at}attention.dense"), places[0]))))
        up, down = (mapped(f"{at}mlp.{name}") for name in ("dense_h_to_4h", "dense_4h_to_h"))
        normed = (*stream.own(), norm(f"{at}post_attention_layernorm"))
        steps.append(Residual((*normed, up, Activation(s.kind), stream.onto(down, places[1]))))
        if is_parallel:
            steps.append(stream.summed())
    head = weights["gpt_neox.embed_in.weight" if s.is_tied else "embed_out.weight"]
    return (*steps, *stream.own(), norm("gpt_neox.final_layer_norm"), Affine(head)), stream
