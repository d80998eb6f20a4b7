"""GPT-2 folders of Hugging Face: ``config.json`` (model_type gpt2) and ``model.safetensors``, whole or in parts.

    x = wte[ids] + wpe[0..T-1];   per layer: x += Attention(LayerNorm(x)) Wo;   x += MLP(LayerNorm(x))
    logits = LayerNorm(x) W^T,    W = lm_head.weight, or wte where that tensor is not stored (tied)

Positions start at 0 and no padding is ever given. A network that was trained without position embeddings says so in its
configuration (``"position_embedding_type": "none"``): then wpe is absent and nothing is added. A file that merely lacks
wpe is refused, as is one that has it where there should be none: either would be another network.

Token names come from ``case.json``, ``tokenizer.json`` or ``vocab.json`` where the folder has one, else they are
``#0``, ``#1``, ...; the class GPT2BCELMHeadModel (independent sigmoids) is read as the set of next tokens with positive
logits, all others by argmax. Tensors may have TransformerLens's names where those have the same shape (embed.W_E,
blocks.N, ln1.w, mlp.W_in, ...); attention by heads is in ``transformer_lens``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from tasks.formats.case import read_case
from tasks.formats.reading import (
    Dtype,
    affine,
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
from tasks.networks.model import Loaded, Question, assemble
from tasks.networks.sparse_transformer import NetworkError
from tasks.networks.transformer import Activation, Affine, Attention, Norm, Reals, Residual, Step, Transformer

FILES = ("config.json", "model.safetensors")
ACTIVATIONS: dict[str, Literal["gelu_tanh", "gelu", "relu"]] = {
    "gelu_new": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "gelu": "gelu",
    "relu": "relu",
}
KNOWN = {
    "model_type": ...,
    "architectures": (),
    "vocab_size": ...,
    "n_positions": ...,
    "n_embd": ...,
    "n_layer": ...,
    "n_head": ...,
    "n_inner": None,
    "activation_function": "gelu_new",
    "layer_norm_epsilon": 1e-5,
    "scale_attn_weights": True,
    "scale_attn_by_inverse_layer_idx": False,
    "reorder_and_upcast_attn": False,
    "add_cross_attention": False,
    "is_encoder_decoder": False,
    "is_decoder": False,
    "tie_word_embeddings": True,
    "position_embedding_type": "absolute",
    "pruned_heads": {},
    "quantization_config": None,
    "dtype": "float32",
    "torch_dtype": "float32",
}
INERT = frozenset((
    "_attn_implementation_autoset", "_name_or_path", "attn_implementation", "attn_pdrop", "bos_token_id",
    "chunk_size_feed_forward", "cross_attention_hidden_size", "decoder_start_token_id", "do_sample", "embd_pdrop",
    "eos_token_id", "finetuning_task", "gradient_checkpointing", "id2label", "initializer_range", "label2id",
    "loss_type", "max_length", "min_length", "n_ctx", "num_labels", "output_attentions", "output_hidden_states",
    "output_past", "output_scores", "pad_token_id", "prefix", "problem_type", "resid_pdrop", "return_dict",
    "return_dict_in_generate", "sep_token_id", "summary_activation", "summary_first_dropout",
    "summary_proj_to_labels", "summary_type", "summary_use_proj", "task_specific_params", "temperature",
    "tokenizer_class", "top_k", "top_p", "torchscript", "transformers_version", "use_bfloat16", "use_cache"
))  # fmt: skip
LENS = (  # names of TransformerLens for tensors that GPT-2 stores in the same shape
    (r"blocks\.(\d+)\.", r"h.\1."),
    (r"(h\.\d+\.)ln([12])\.", r"\1ln_\2."),
    (r"(h\.\d+\.mlp\.)W_in$", r"\1c_fc.weight"),
    (r"(h\.\d+\.mlp\.)b_in$", r"\1c_fc.bias"),
    (r"(h\.\d+\.mlp\.)W_out$", r"\1c_proj.weight"),
    (r"(h\.\d+\.mlp\.)b_out$", r"\1c_proj.bias"),
    (r"ln_final\.", "ln_f."),
    (r"(.*\bln_[12f]\.)w$", r"\1weight"),
    (r"(.*\bln_[12f]\.)b$", r"\1bias"),
    (r"embed\.W_E$", "wte.weight"),
    (r"pos_embed\.W_pos$", "wpe.weight"),
)
POSITIONS = "wpe.weight"
UNPOSITIONED = "positions are not embedded, as config.json says"
POSITION_KINDS = {"absolute": True, "none": False}  # whether positions are embedded
BUFFERS = re.compile(r"h\.\d+\.attn\.(bias|masked_bias)")  # causal masks that old versions stored


def load(folder: Path, question: Question) -> Loaded:
    """The GPT-2 in ``folder``; raises NetworkError for anything that is not understood."""
    if question.circuit or question.task is not None:
        raise NetworkError(f"{folder}: a GPT-2 folder holds one whole network, no circuits or tasks to choose")
    what = str(folder / FILES[0])
    config = pick(what, read_object(folder / FILES[0]), KNOWN, INERT)
    require(what, config, model_type="gpt2", reorder_and_upcast_attn=False, add_cross_attention=False)
    flags(what, config, "scale_attn_weights", "scale_attn_by_inverse_layer_idx", "tie_word_embeddings")
    require(what, config, is_encoder_decoder=False, pruned_heads={}, quantization_config=None)
    weights, dtype = _weights(folder, what, config)
    notes = _notes(what, config, weights, dtype) + (() if is_positioned(what, config) else (UNPOSITIONED,))
    network = _network(what, config, weights, dtype)
    case = read_case(folder)
    vocabulary = case.vocabulary or token_names(folder, len(network.tokens))
    own = case.question
    if own.readout is None and config["architectures"] == ["GPT2BCELMHeadModel"]:
        own = Question(readout="set").over(own)
    name = case.name or folder.name
    return assemble(name, "gpt2", network, vocabulary, question, own=own, constraint=case.constraint, notes=notes)


def is_positioned(what: str, config: Mapping[str, Any]) -> bool:
    """Whether a configuration says that positions are embedded; one that says nothing does."""
    return POSITION_KINDS[one_of(f"{what}: position_embedding_type", config["position_embedding_type"], POSITION_KINDS)]


def check_positions(what: str, positioned: bool, stored: Mapping[str, object], name: str) -> None:
    """Raise NetworkError unless the tensor ``name`` is stored exactly where positions are embedded (``positioned``)."""
    if positioned and name not in stored:
        raise NetworkError(
            f"{what}: expected the position embeddings {name} among the weights, got none; if the network was trained "
            'without them, say so in config.json: "position_embedding_type": "none"'
        )
    if not positioned and name in stored:
        raise NetworkError(
            f'{what}: config.json says that positions are not embedded ("none"), and the weights have {name}; leave '
            "out one of the two"
        )


def own_name(name: str) -> str:
    """What GPT-2 calls a tensor that may be stored with a prefix, or under a name of TransformerLens.

    >>> own_name("transformer.h.0.ln_1.bias"), own_name("blocks.0.ln1.b"), own_name("blocks.0.attn.c_attn.weight")
    ('h.0.ln_1.bias', 'h.0.ln_1.bias', 'h.0.attn.c_attn.weight')
    """
    name = name.removeprefix("transformer.")
    for pattern, own in LENS:
        name = re.sub(f"^{pattern}", own, name)
    return name


def _notes(what: str, config: dict[str, Any], weights: dict[str, Reals], dtype: Dtype) -> tuple[str, ...]:
    """What to say of the dtype that a configuration names; NetworkError where loading in it would change a weight."""
    for named in (config["dtype"], config["torch_dtype"]):
        if named in (None, "float32", dtype):
            continue
        if survives(named, weights.values()):
            return (f"the weights are {named} numbers; nothing is said of executions in {named}",)
        raise NetworkError(f"{what}: expected a network executed in {dtype}, as stored, got {named!r}")
    return ()


def _weights(folder: Path, what: str, config: dict[str, Any]) -> tuple[dict[str, Reals], Dtype]:
    stored = {n: t for n, t in read_tensors(folder / FILES[1]).items() if not BUFFERS.fullmatch(own_name(n))}
    tensors = {own_name(name): tensor for name, tensor in stored.items()}
    if len(tensors) != len(stored):
        raise NetworkError(f"{folder / FILES[1]}: a tensor is stored twice, with and without its prefix")
    if "unembed.W_U" in tensors and "lm_head.weight" not in tensors:
        tensors["lm_head.weight"] = tensors.pop("unembed.W_U").T
    d, inner = count(what, config, "n_embd"), _inner(what, config)
    shapes: dict[str, tuple[int, ...]] = {"wte.weight": (count(what, config, "vocab_size"), d)}
    longest = count(what, config, "n_positions")
    positioned = is_positioned(what, config)
    check_positions(what, positioned, tensors, POSITIONS)
    if positioned:
        shapes[POSITIONS] = (longest, d)
    if "lm_head.weight" in tensors:
        shapes["lm_head.weight"] = shapes["wte.weight"]
    elif not config["tie_word_embeddings"]:
        raise NetworkError(f"{folder / FILES[1]}: expected lm_head.weight, since embeddings are not tied")
    for layer in range(count(what, config, "n_layer", most=len(tensors))):
        maps = {"attn.c_attn": (d, 3 * d), "attn.c_proj": (d, d), "mlp.c_fc": (d, inner), "mlp.c_proj": (inner, d)}
        for name, shape in maps.items():
            shapes[f"h.{layer}.{name}.weight"], shapes[f"h.{layer}.{name}.bias"] = shape, shape[1:]
        for norm in ("ln_1", "ln_2"):
            shapes[f"h.{layer}.{norm}.weight"] = shapes[f"h.{layer}.{norm}.bias"] = (d,)
    shapes["ln_f.weight"] = shapes["ln_f.bias"] = (d,)
    check_size(str(folder), shapes)
    return widen(str(folder / FILES[1]), shapes, tensors)


def _network(what: str, config: dict[str, Any], weights: dict[str, Reals], dtype: Dtype) -> Transformer:
    act = Activation(ACTIVATIONS[one_of(f"{what}: activation_function", config["activation_function"], ACTIVATIONS)])
    eps = config["layer_norm_epsilon"]
    if not isinstance(eps, float):
        raise NetworkError(f"{what}: layer_norm_epsilon should be a number between 0 and 1, got {eps!r}")

    def norm(name: str) -> Norm:
        return Norm("layer", weights[f"{name}.weight"], weights[f"{name}.bias"], eps)

    steps: list[Step] = []
    for layer in range(config["n_layer"]):
        at = f"h.{layer}."
        attention = _attention(what, config, weights, layer)
        out = affine(weights, f"{at}attn.c_proj.weight", f"{at}attn.c_proj.bias", transposed=True)
        up = affine(weights, f"{at}mlp.c_fc.weight", f"{at}mlp.c_fc.bias", transposed=True)
        down = affine(weights, f"{at}mlp.c_proj.weight", f"{at}mlp.c_proj.bias", transposed=True)
        steps += [Residual((norm(f"{at}ln_1"), attention, out)), Residual((norm(f"{at}ln_2"), up, act, down))]
    steps += [norm("ln_f"), Affine(weights.get("lm_head.weight", weights["wte.weight"]))]
    return Transformer(weights["wte.weight"], weights.get(POSITIONS), tuple(steps), config["n_positions"], dtype)


def _attention(what: str, config: dict[str, Any], weights: dict[str, Reals], layer: int) -> Attention:
    d, heads = config["n_embd"], count(what, config, "n_head")
    if d % heads:
        raise NetworkError(f"{what}: n_embd = {d} cannot be split into n_head = {heads} heads")
    scale = 1 / math.sqrt(d // heads) if config["scale_attn_weights"] else 1.0
    if config["scale_attn_by_inverse_layer_idx"]:
        scale /= layer + 1
    weight, bias = weights[f"h.{layer}.attn.c_attn.weight"].T, weights[f"h.{layer}.attn.c_attn.bias"]
    query, key, value = ((Affine(weight[n : n + d].copy(), bias[n : n + d]),) for n in (0, d, 2 * d))
    return Attention(query, key, value, heads, scale)


def _inner(what: str, config: dict[str, Any]) -> int:
    return 4 * config["n_embd"] if config["n_inner"] is None else count(what, config, "n_inner")
