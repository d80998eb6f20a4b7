"""Transformers under TransformerLens's names: ``model.safetensors``, and a description in JSON.

    embed.W_E (d_vocab, d_model), pos_embed.W_pos (n_ctx, d_model)
    blocks.N.ln1.w, .b, blocks.N.ln2.w, .b, ln_final.w, .b              (d_model,); none of them where they are folded
    blocks.N.attn.W_Q, W_K, W_V (n_heads, d_model, d_head), b_Q, b_K, b_V (n_heads, d_head)
    blocks.N.attn.W_O (n_heads, d_head, d_model), b_O (d_model,)
    blocks.N.mlp.W_in (d_model, d_mlp), b_in, W_out (d_mlp, d_model), b_out
    unembed.W_U (d_model, d_vocab_out), b_U

    x = W_E[ids] + W_pos[0..T-1];   per block: x += sum over heads of Attention(norm(x)) W_O + b_O
                                    x += act(norm(x) W_in + b_in) W_out + b_out        (not where attention is all)
    logits = norm(x) W_U + b_U

Where attention's W_O is stored as (d_model, n_heads d_head), as in the first such networks, every map but W_U is stored
as (out, in): W_E (d_model, d_vocab), W_Q (n_heads, d_head, d_model), W_in (d_mlp, d_model), W_out (d_model, d_mlp).
Biases that are not stored are zero. ``blocks.N.attn.mask`` and ``IGNORE`` are buffers, not weights: a row that is not
seen has no weight in attention (older versions of the library give it the score -100,000, which is said), and a mask of
other rows than the later ones is refused. A tensor outside the blocks that repeats W_E number by number is a copy. Any
other tensor is refused.

The description is one of three: ``config.json`` with the entries of HookedTransformerConfig (d_vocab among them), a
``config.json`` of a GPT-2, or ``case.json`` alone, whose ``architecture`` gives n_layer, n_head, head_size, d_model,
mlp_width, n_positions, vocab_size, causal, layer_norm, and in ``kind`` the activation. Rotary or other positions, local
or grouped attention, gated or parallel MLPs, mixtures of experts and soft caps are refused by name. W_pos is absent
exactly where the configuration says that positions are not embedded (``"positional_embedding_type": "none"``, in that
of a GPT-2 ``"position_embedding_type": "none"``).
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from cegis.domain import Constraint
from tasks.formats import gpt2
from tasks.formats.case import FILE as CASE
from tasks.formats.case import read_case
from tasks.formats.reading import count, flags, one_of, pick, read_object, read_tensors, require, survives, widen
from tasks.formats.untrusted import object_of
from tasks.networks.model import READOUTS, Loaded, Question, assemble, authored
from tasks.networks.readout import Argmax, Readout
from tasks.networks.sparse_transformer import NetworkError
from tasks.networks.transformer import Activation, Affine, Attention, Norm, Pool, Reals, Residual, Step, Transformer

WEIGHTS, CONFIG, POSITIONS = "model.safetensors", "config.json", "pos_embed.W_pos"
MARK = '.attn.W_Q"'  # in the header of the weights: attention by heads under these names
ACTIVATIONS: dict[str, Literal["relu", "gelu", "gelu_tanh"]] = {
    "relu": "relu",
    "gelu": "gelu",
    "gelu_new": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
}
NORMS: dict[str, tuple[Literal["layer", "rms"], bool]] = {  # the kind, and whether it has weights of its own
    "LN": ("layer", True),
    "LNPre": ("layer", False),
    "RMS": ("rms", True),
    "RMSPre": ("rms", False),
}
VERDICTS = ("rejected", "accepted")
KNOWN = {
    "n_layers": ...,
    "d_model": ...,
    "n_ctx": ...,
    "d_head": ...,
    "d_vocab": ...,
    "n_heads": -1,
    "d_mlp": None,
    "d_vocab_out": -1,
    "act_fn": None,
    "eps": 1e-5,
    "normalization_type": "LN",
    "attention_dir": "causal",
    "attn_only": False,
    "use_attn_scale": True,
    "attn_scale": -1.0,
    "scale_attn_by_inverse_layer_idx": False,
    "dtype": "float32",
}
ONLY: dict[str, tuple[Any, ...]] = {  # entries that would change the function, and the values that do not
    "positional_embedding_type": ("standard", "none"),
    **dict.fromkeys(
        (
            "final_rms", "gated_mlp", "load_in_4bit", "parallel_attn_mlp", "post_embedding_ln", "use_local_attn",
            "use_normalization_before_and_after", "use_NTK_by_parts_rope", "use_qk_norm", "relative_attention_has_bias",
            "rmsnorm_uses_offset", "layer_norm_folding", "use_attention_sinks", "use_dynamic_ntk_rope", "use_logn_attn",
            "use_yarn_rope", "uses_rms_norm",
        ),
        (False, None),
    ),
    **dict.fromkeys(("attn_scores_soft_cap", "output_logits_soft_cap"), (-1, None)),
    **dict.fromkeys(
        (
            "experts_per_token", "n_key_value_heads", "num_experts", "attn_types", "window_size", "clip_qkv",
            "quantization_method",
        ),
        (None,),
    ),
}  # fmt: skip
INERT = frozenset((
    "NTK_by_parts_factor", "NTK_by_parts_high_freq_factor", "NTK_by_parts_low_freq_factor", "NTK_original_ctx_len",
    "checkpoint_index", "checkpoint_label_type", "checkpoint_value", "decoder_start_token_id", "default_prepend_bos",
    "device", "from_checkpoint", "init_mode", "init_weights", "initializer_range", "model_name", "n_devices",
    "n_params", "norm_topk_prob", "original_architecture", "relative_attention_max_distance",
    "relative_attention_num_buckets",
    "rotary_adjacent_pairs", "rotary_base", "rotary_base_local", "rotary_dim", "seed", "tie_word_embeddings",
    "rotary_scaling_factor", "tokenizer_name", "tokenizer_prepends_bos", "train_seq_length", "trust_remote_code",
    "ungroup_grouped_query_attention", "use_attn_in", "use_attn_result", "use_hook_mlp_in", "use_hook_tokens",
    "use_split_qkv_input", "weight_init_mode", "yarn_attention_factor", "yarn_beta_fast", "yarn_beta_slow",
    "yarn_factor", "yarn_global_attn_only", "yarn_original_max_position_embeddings", "yarn_truncate"
))  # fmt: skip
BUFFERS = re.compile(r"blocks\.\d+\.attn\.(mask|IGNORE)")
ARCHITECTURE: dict[str, Any] = {
    "kind": ...,
    "n_layer": ...,
    "n_head": ...,
    "head_size": ...,
    "d_model": ...,
    "mlp_width": ...,
    "n_positions": ...,
    "vocab_size": ...,
    "causal": ...,
    "outputs": None,
    "layer_norm": True,
    "constants": {},
}


@dataclass(frozen=True)
class Shape:
    """What the tensors alone do not say.

    ``inner`` is 0 where there is no MLP, ``outputs`` 0 where nothing says how many; ``scale`` multiplies scores.
    """

    layers: int
    d: int
    heads: int
    head: int
    inner: int
    vocabulary: int
    outputs: int
    longest: int
    activation: Literal["relu", "gelu", "gelu_tanh"]
    norm: str | None
    eps: float
    scale: float
    by_layer: bool = False
    causal: bool = True
    tied: bool = False  # the unembedding may be the embedding
    dtype: object = "float32"
    positioned: bool = True  # whether positions are embedded


def load(folder: Path, question: Question) -> Loaded:
    """The network in ``folder``; raises NetworkError for anything that is not understood."""
    if question.circuit or question.task is not None:
        raise NetworkError(f"{folder}: under TransformerLens's names there is one whole network, no circuits or tasks")
    tensors = read_tensors(folder / WEIGHTS)
    network, shape, notes = _network(str(folder), str(folder / WEIGHTS), _shape(folder), tensors)
    return _asked(folder, network, shape, question, notes)


def from_transformer_lens(
    config: object,
    state_dict: Mapping[str, Any],
    *,
    vocabulary: tuple[str, ...] | None = None,
    alphabet: tuple[str, ...] | None = None,
    prefix: tuple[str, ...] | None = None,
    suffix: tuple[str, ...] | None = None,
    lengths: tuple[int, int | None] | None = None,
    readout: str | Readout | None = None,
    answers: tuple[str, ...] | None = None,
    constraint: Constraint | None = None,
    name: str = "hooked_transformer",
) -> Loaded:
    """The network of a HookedTransformer, from its ``cfg`` (or its entries as a mapping) and its ``state_dict()``.

    Tensors may be torch's or numpy's. ``vocabulary`` names the token ids (default: ``#0``, ``#1``, ...), and the logits
    where there are as many. The rest says what is asked, as in ``from_torch``. Raises NetworkError for anything that a
    folder with these entries and tensors is refused for.
    """
    entries = dict(config) if isinstance(config, Mapping) else dict(vars(config))
    tensors = {tensor_name: _as_numpy(tensor) for tensor_name, tensor in state_dict.items()}
    network, shape, notes = _network(name, f"{name}: state_dict", _of_lens(f"{name}: config", entries), tensors)
    vocabulary = vocabulary or tuple(f"#{n}" for n in range(shape.vocabulary))
    question = Question(alphabet, prefix, suffix, lengths, readout, answers)
    return authored(name, "state dict", network, vocabulary, question, constraint=constraint, notes=notes)


def _as_numpy(tensor: Any) -> NDArray[Any]:
    """A tensor of either library; half precision as the float32 numbers that it holds."""
    if hasattr(tensor, "detach"):
        tensor = tensor.detach().cpu()
        tensor = (tensor.float() if str(tensor.dtype) in ("torch.float16", "torch.bfloat16") else tensor).numpy()
    array = np.asarray(tensor)
    return array.astype(np.float32) if array.dtype == np.float16 else array


def _network(
    folder: str, what: str, shape: Shape, tensors: Mapping[str, NDArray[Any]]
) -> tuple[Transformer, Shape, tuple[str, ...]]:
    """The network of these tensors, its shape with the number of outputs, and what is to be said of it."""
    if shape.layers > len(tensors):
        raise NetworkError(f"{folder}: {shape.layers} layers, and the weights file has {len(tensors)} tensors")
    notes = [*_of_buffers(what, shape, tensors), *([] if shape.positioned else [gpt2.UNPOSITIONED])]
    tensors = {name: tensor for name, tensor in tensors.items() if not BUFFERS.fullmatch(name)}
    gpt2.check_positions(folder, shape.positioned, tensors, POSITIONS)
    copies = _copies(tensors)
    tensors = {name: tensor for name, tensor in tensors.items() if name not in copies}
    if not shape.outputs:
        stored: tuple[int, ...] = getattr(tensors.get("unembed.W_U"), "shape", ())
        shape = replace(shape, outputs=stored[1] if len(stored) == 2 else 1)
    is_turned = getattr(tensors.get("blocks.0.attn.W_O"), "ndim", 3) == 2
    shapes = _shapes(shape, is_turned)
    absent = [name for name in shapes if ".b_" in name and name not in tensors]
    if shape.tied and "unembed.W_U" not in tensors:
        absent.append("unembed.W_U")
    weights, dtype = widen(what, {name: size for name, size in shapes.items() if name not in absent}, tensors)
    notes += [f"{name} is a copy of embed.W_E, and not used" for name in copies]
    biases = [name for name in absent if ".b_" in name]
    if biases:
        notes.append(f"biases that are not stored are zero: {', '.join(biases[:8])}{', ...' * (len(biases) > 8)}")
    named = str(shape.dtype).removeprefix("torch.")
    if named not in ("float32", "None", dtype):
        if not survives(named, weights.values()):
            raise NetworkError(f"{folder}: expected a network executed in {dtype}, as stored, got {named!r}")
        notes.append(f"the weights are {named} numbers; nothing is said of executions in {named}")
    table = weights["embed.W_E"]
    network = Transformer(
        _turned(table) if is_turned else table,
        weights.get(POSITIONS),
        _steps(shape, weights, is_turned),
        shape.longest,
        dtype,
    )
    return network, shape, tuple(notes)


def _asked(folder: Path, network: Transformer, shape: Shape, question: Question, notes: tuple[str, ...]) -> Loaded:
    """The network with the tokens and the read-out that ``case.json`` gives, where there is one."""
    case, what = read_case(folder), str(folder / CASE)
    vocabulary = case.vocabulary or tuple(f"#{n}" for n in range(shape.vocabulary))
    numbers = tuple(map(str, range(shape.outputs)))
    is_named = shape.outputs == len(vocabulary) or vocabulary[: shape.outputs] == numbers
    outputs = vocabulary[: shape.outputs] if is_named else tuple(f"#{n}" for n in range(shape.outputs))
    own = case.question
    if own.readout == "categorical":
        said = object_of(f"{what}: read_out", read_object(folder / CASE)["read_out"], None)
        every = str(said.get("position", "")).startswith("every position")
        own = replace(own, readout=Argmax(outputs, tuple(range(len(outputs))), "every" if every else "last"))
        own = replace(own, lengths=(1, None))
    elif shape.outputs == 2 and _at_first(folder):
        at = next(n for n, step in reversed([*enumerate(network.steps)]) if isinstance(step, Residual)) + 1
        network = replace(network, steps=(*network.steps[:at], Pool("first"), *network.steps[at:]))
        own, outputs = replace(own, readout=Argmax(VERDICTS, (0, 1))), VERDICTS
        notes = (
            *notes,
            "the first position of the prompt alone is read: it is the only one, and so the last, in the end",
        )
    elif isinstance(own.readout, str) and own.readout not in READOUTS:
        own = replace(own, lengths=None)  # of a kind that must be replaced by the caller's
    return assemble(
        case.name or folder.name, "transformer_lens", network, vocabulary, question,
        own=own, outputs=outputs, constraint=case.constraint, notes=notes,
    )  # fmt: skip


def _at_first(folder: Path) -> bool:
    """Whether ``case.json`` says that the first position alone decides: accepted where logit 1 is the larger one."""
    if not (folder / CASE).is_file():
        return False
    said = object_of(f"{folder / CASE}: read_out", read_object(folder / CASE).get("read_out", {}), None)
    return said.get("kind") == "accept_reject" and "at position 0" in str(said.get("rule", ""))


def _shape(folder: Path) -> Shape:
    """From the first description that there is."""
    if not (folder / CONFIG).is_file():
        what = f"{folder / CASE}: architecture"
        return _of_case(what, object_of(what, read_object(folder / CASE).get("architecture"), None))
    config, what = read_object(folder / CONFIG), str(folder / CONFIG)
    return _of_gpt2(what, config) if config.get("model_type") == "gpt2" else _of_lens(what, config)


def _of_lens(what: str, config: dict[str, Any]) -> Shape:
    for name, values in ONLY.items():
        if config.get(name, values[0]) not in values:
            known = " or ".join(repr(value) for value in values if value is not None or len(values) == 1)
            raise NetworkError(f"{what}: only {name} = {known} is understood, got {config[name]!r}")
    said = pick(what, config, KNOWN, INERT | ONLY.keys())
    layers, d, longest, head, vocabulary = (
        count(what, said, name) for name in ("n_layers", "d_model", "n_ctx", "d_head", "d_vocab")
    )
    flags(what, said, "attn_only", "use_attn_scale", "scale_attn_by_inverse_layer_idx")
    if said["n_heads"] == -1:
        said["n_heads"] = d // head
    inner = 0 if said["attn_only"] else 4 * d if said["d_mlp"] is None else count(what, said, "d_mlp")
    divisor = said["attn_scale"] if said["attn_scale"] not in (-1, None) else math.sqrt(head)
    if not isinstance(divisor, int | float) or isinstance(divisor, bool) or not 0 < divisor < 1e9:
        raise NetworkError(f"{what}: attn_scale should be a positive number, got {divisor!r}")
    kind = said["normalization_type"]
    return Shape(
        layers=layers,
        d=d,
        heads=count(what, said, "n_heads"),
        head=head,
        inner=inner,
        vocabulary=vocabulary,
        outputs=vocabulary if said["d_vocab_out"] in (-1, None) else count(what, said, "d_vocab_out"),
        longest=longest,
        activation=_activation(f"{what}: act_fn", said["act_fn"]) if inner else "relu",
        norm=None if kind is None else one_of(f"{what}: normalization_type", kind, NORMS),
        eps=_eps(f"{what}: eps", said["eps"]),
        scale=1 / divisor if said["use_attn_scale"] else 1.0,
        by_layer=said["scale_attn_by_inverse_layer_idx"],
        causal=one_of(f"{what}: attention_dir", said["attention_dir"], ("causal", "bidirectional")) == "causal",
        dtype=said["dtype"],
        positioned=config.get("positional_embedding_type", "standard") != "none",
    )


def _of_gpt2(what: str, config: dict[str, Any]) -> Shape:
    said = pick(what, config, gpt2.KNOWN, gpt2.INERT)
    require(what, said, reorder_and_upcast_attn=False, add_cross_attention=False, is_encoder_decoder=False)
    require(what, said, pruned_heads={}, quantization_config=None)
    flags(what, said, "scale_attn_weights", "scale_attn_by_inverse_layer_idx", "tie_word_embeddings")
    d, heads = count(what, said, "n_embd"), count(what, said, "n_head")
    if d % heads:
        raise NetworkError(f"{what}: n_embd = {d} cannot be split into n_head = {heads} heads")
    vocabulary = count(what, said, "vocab_size")
    return Shape(
        layers=count(what, said, "n_layer"),
        d=d,
        heads=heads,
        head=d // heads,
        inner=4 * d if said["n_inner"] is None else count(what, said, "n_inner"),
        vocabulary=vocabulary,
        outputs=vocabulary,
        longest=count(what, said, "n_positions"),
        activation=_activation(f"{what}: activation_function", said["activation_function"]),
        norm="LN",
        eps=_eps(f"{what}: layer_norm_epsilon", said["layer_norm_epsilon"]),
        scale=1 / math.sqrt(d // heads) if said["scale_attn_weights"] else 1.0,
        by_layer=said["scale_attn_by_inverse_layer_idx"],
        tied=said["tie_word_embeddings"],
        dtype=said["dtype"],
        positioned=gpt2.is_positioned(what, said),
    )


def _of_case(what: str, architecture: dict[str, Any]) -> Shape:
    said = pick(what, architecture, ARCHITECTURE, frozenset({"formulas", "params", "tensors"}))
    constants = object_of(f"{what}: constants", said["constants"], None)
    flags(what, said, "causal", "layer_norm")
    head, vocabulary = count(what, said, "head_size"), count(what, said, "vocab_size")
    inner = 0 if said["mlp_width"] == 0 and said["mlp_width"] is not False else count(what, said, "mlp_width")
    words = sorted(set(re.findall(r"\w+", str(said["kind"]))) & ACTIVATIONS.keys())
    if inner and len(words) != 1:
        raise NetworkError(f"{what}: kind should name one activation of {', '.join(ACTIVATIONS)}, got {said['kind']!r}")
    scale = constants.get("attention_scale", 1 / math.sqrt(head))
    if not isinstance(scale, float) or not math.isclose(scale, 1 / math.sqrt(head), rel_tol=1e-9):
        raise NetworkError(f"{what}: attention_scale should be one over the root of {head}, got {scale!r}")
    return Shape(
        layers=count(what, said, "n_layer"),
        d=count(what, said, "d_model"),
        heads=count(what, said, "n_head"),
        head=head,
        inner=inner,
        vocabulary=vocabulary,
        outputs=0 if said["outputs"] is None else count(what, said, "outputs"),
        longest=count(what, said, "n_positions"),
        activation=ACTIVATIONS[words[0]] if inner else "relu",
        norm="LN" if said["layer_norm"] else None,
        eps=_eps(f"{what}: layer_norm_eps", constants.get("layer_norm_eps", 1e-5)),
        scale=1 / math.sqrt(head),
        causal=said["causal"],
    )


def _activation(what: str, name: object) -> Literal["relu", "gelu", "gelu_tanh"]:
    return ACTIVATIONS[one_of(what, name, ACTIVATIONS)]


def _eps(what: str, eps: object) -> float:
    if not isinstance(eps, float):
        raise NetworkError(f"{what} should be a number between 0 and 1, got {eps!r}")
    return eps


def _of_buffers(what: str, shape: Shape, tensors: Mapping[str, NDArray[Any]]) -> list[str]:
    """What to say of stored masks and of the score of rows that are not seen; NetworkError for another mask."""
    if not shape.causal:
        return []
    for name, tensor in tensors.items():
        if re.fullmatch(r"blocks\.\d+\.attn\.mask", name):
            seen = np.tril(np.ones((shape.longest, shape.longest), bool))
            if tensor.shape == (0, 0):  # of the library from 3.0 on, which makes the mask when it runs
                continue
            if tensor.shape != seen.shape or ((tensor != 0) != seen).any():
                raise NetworkError(f"{what}: {name} should hide the later rows and no others")
    scores = {float(t) for name, t in tensors.items() if name.endswith(".IGNORE") and t.size == 1 and np.isfinite(t)}
    return [f"rows that are not seen have no weight here, in the library the score {score:g}" for score in scores]


def _copies(tensors: Mapping[str, NDArray[Any]]) -> list[str]:
    """Tensors outside the blocks that repeat the embedding number by number."""
    table = tensors.get("embed.W_E")
    return [
        name
        for name, tensor in tensors.items()
        if table is not None and "." not in name and tensor.dtype == table.dtype and np.array_equal(tensor, table)
    ]


def _shapes(s: Shape, is_turned: bool) -> dict[str, tuple[int, ...]]:
    """Every tensor and its shape."""
    whole = s.heads * s.head
    shapes: dict[str, tuple[int, ...]] = {
        "embed.W_E": (s.d, s.vocabulary) if is_turned else (s.vocabulary, s.d),
        **({POSITIONS: (s.longest, s.d)} if s.positioned else {}),
        "unembed.W_U": (s.d, s.outputs),
        "unembed.b_U": (s.outputs,),
    }
    normed = s.norm is not None and NORMS[s.norm][1]
    parts = ("w", "b") if s.norm == "LN" else ("w",)
    norms = ["ln_final"] if normed else []
    for at in (f"blocks.{layer}." for layer in range(s.layers)):
        norms += ([f"{at}ln1", f"{at}ln2"] if s.inner else [f"{at}ln1"]) if normed else []
        for part in "QKV":
            shapes[f"{at}attn.W_{part}"] = (s.heads, s.head, s.d) if is_turned else (s.heads, s.d, s.head)
            shapes[f"{at}attn.b_{part}"] = (s.heads, s.head)
        shapes |= {f"{at}attn.W_O": (s.d, whole) if is_turned else (s.heads, s.head, s.d), f"{at}attn.b_O": (s.d,)}
        if s.inner:
            up, down = (s.d, s.inner), (s.inner, s.d)
            shapes |= {f"{at}mlp.W_in": up[::-1] if is_turned else up, f"{at}mlp.b_in": (s.inner,)}
            shapes |= {f"{at}mlp.W_out": down[::-1] if is_turned else down, f"{at}mlp.b_out": (s.d,)}
    return shapes | {f"{norm}.{part}": (s.d,) for norm in norms for part in parts}


def _steps(s: Shape, weights: Mapping[str, Reals], is_turned: bool) -> tuple[Step, ...]:
    def norm(name: str) -> tuple[Step, ...]:
        if s.norm is None:
            return ()
        kind, has_weights = NORMS[s.norm]
        gain = weights[f"{name}.w"] if has_weights else np.ones(s.d)
        return (Norm(kind, gain, weights.get(f"{name}.b"), s.eps),)

    def of_heads(at: str, part: str) -> Affine:
        weight, bias = weights[f"{at}attn.W_{part}"], weights.get(f"{at}attn.b_{part}")
        rows = weight if is_turned else weight.transpose(0, 2, 1)
        return Affine(np.ascontiguousarray(rows.reshape(-1, s.d)), None if bias is None else bias.reshape(-1))

    def mapped(name: str) -> Affine:
        weight = weights[name.format("W")]
        return Affine(
            weight if is_turned else _turned(weight.reshape(-1, weight.shape[-1])), weights.get(name.format("b"))
        )

    steps: list[Step] = []
    for layer in range(s.layers):
        at = f"blocks.{layer}."
        query, key, value = ((of_heads(at, part),) for part in "QKV")
        scale = s.scale / (layer + 1) if s.by_layer else s.scale
        attention = Attention(query, key, value, s.heads, scale, causal=s.causal)
        steps.append(Residual((*norm(f"{at}ln1"), attention, mapped(f"{at}attn.{{}}_O"))))
        if s.inner:
            up, down = mapped(f"{at}mlp.{{}}_in"), mapped(f"{at}mlp.{{}}_out")
            steps.append(Residual((*norm(f"{at}ln2"), up, Activation(s.activation), down)))
    table = weights["unembed.W_U"].T if "unembed.W_U" in weights else weights["embed.W_E"]
    return (*steps, *norm("ln_final"), Affine(np.ascontiguousarray(table), weights.get("unembed.b_U")))


def _turned(table: Reals) -> Reals:
    return np.ascontiguousarray(table.T)
