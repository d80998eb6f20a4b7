"""The formats that are understood: which files a network is stored in, and what their numbers mean.

Written from the formulas of each format (they stand in the docstrings of ``tasks.formats``); a file with anything
unknown in it is refused. What all have in common is a stack of layers; ``Layout`` says what a format calls their maps.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from flint import arb

from tasks.checker.arithmetic import LEAST_EPS, ROUNDOFF, ZERO, Affine, Arithmetic, Row
from tasks.checker.declared import Declared, declared, texts
from tasks.checker.decoders import adder, decoder, tokens_of
from tasks.checker.files import Tensors, expect, parse
from tasks.checker.network import Activated, Branch, Constant, Heads, Masked, Network, Normed, Step, lean
from tasks.checker.recurrent import Recurrent
from tasks.checker.recurrent_cases import declared_by, recurrent_case
from tasks.checker.sparsemax import CIRCUIT_OF, gathered, sparsemax
from tasks.checker.steps import FILE as STEPS
from tasks.checker.steps import recurrent_network, steps_network
from tasks.checker.torch_files import TorchTensors, archive
from tasks.checker.torch_states import WEIGHTS as STATE_DICTS
from tasks.checker.torch_states import declared_by as declared_by_torch
from tasks.checker.torch_states import state_dict, torch_recurrent

MEANS = "mean_baseline_pretrain.pt"
FILES = {
    "circuit": (("circuit.json", "weights.safetensors"), ()),
    "gpt2": (("config.json", "model.safetensors"), ("case.json", "vocab.json", "tokenizer.json")),
    "decoder": (("model.safetensors",), ("config.json", "case.json", "vocab.json", "tokenizer.json")),
    "adder": (("case.json", "model.safetensors"), ()),
    "dyck": (("config.json", "model.safetensors"), ()),
    "tracr": (("case.json", "model.safetensors"), ()),
    "transformer_lens": (("model.safetensors",), ("config.json", "case.json")),
    "circuit_sparsity": (("beeg_config.json", "final_model.pt"), ("viz_data.pt", MEANS, "encoder.json")),
    "steps": ((STEPS, "model.safetensors"), ()),
    "recurrent steps": ((STEPS, "model.safetensors"), ()),
    "recurrent case": (("case.json", "model.safetensors"), ("config.json",)),
    "torch recurrent": (("case.json",), STATE_DICTS),  # one of these
    "sparsemax": (("config.json", "smt_weights.json", "vocab.json"), ("case.json",)),  # and circuit_<task>.json
}  # those that must be there, and those that may
ALLOWED: dict[str, tuple[Any, ...]] = {
    **dict.fromkeys(("scale_attn_by_inverse_layer_idx", "reorder_and_upcast_attn", "add_cross_attention"), (False,)),
    **dict.fromkeys(("is_encoder_decoder", "is_decoder"), (False,)),
    **dict.fromkeys(("dtype", "torch_dtype"), (None, "float32", "float64", "float16", "bfloat16")),
    **{"model_type": ("gpt2",), "scale_attn_weights": (True,), "tie_word_embeddings": (True, False)},
    **{"pruned_heads": ({},), "quantization_config": (None,), "position_embedding_type": ("absolute", "none")},
}  # entries of a GPT-2's config that change the function; those that are read, or that matter to nobody:
OTHERS = re.compile(
    r"vocab_size|n_positions|n_embd|n_layer|n_head|n_inner|layer_norm_epsilon|activation_function|architectures|"
    r"_name_or_path|_?attn_implementation(_autoset)?|(attn|embd|resid)_pdrop|(bos|eos|pad|sep|decoder_start)_token_id|"
    r"chunk_size_feed_forward|cross_attention_hidden_size|do_sample|finetuning_task|gradient_checkpointing|id2label|"
    r"initializer_range|label2id|loss_type|(max|min)_length|n_ctx|num_labels|output_(attentions|hidden_states|past|scores)|"
    r"prefix|problem_type|return_dict(_in_generate)?|summary_\w+|task_specific_params|temperature|tokenizer_class|"
    r"top_[kp]|torchscript|transformers_version|use_bfloat16|use_cache"
)
ACTIVATIONS = {"gelu_new": "gelu_tanh", "gelu_pytorch_tanh": "gelu_tanh", "gelu": "gelu", "relu": "relu"}
LENS_NAMES = {
    r"^blocks\.(\d+)\.": r"h.\1.", r"^(h\.\d+\.)ln([12])\.": r"\1ln_\2.", r"^ln_final\.": "ln_f.",
    r"^(h\.\d+\.mlp\.)W_in$": r"\1c_fc.weight", r"^(h\.\d+\.mlp\.)b_in$": r"\1c_fc.bias",
    r"^(h\.\d+\.mlp\.)W_out$": r"\1c_proj.weight", r"^(h\.\d+\.mlp\.)b_out$": r"\1c_proj.bias",
    r"^((h\.\d+\.)?ln_[12f]\.)w$": r"\1weight", r"^((h\.\d+\.)?ln_[12f]\.)b$": r"\1bias",
    r"^embed\.W_E$": "wte.weight", r"^pos_embed\.W_pos$": "wpe.weight",
}  # fmt: skip
LENS_USED = {"n_layers", "d_model", "n_ctx", "d_head", "d_vocab", "n_heads", "d_mlp", "d_vocab_out", "act_fn", "eps",
             "normalization_type", "attention_dir", "attn_only"}  # fmt: skip
LENS_ALLOWED: dict[str, tuple[Any, ...]] = {
    **{"positional_embedding_type": ("standard", "none"), "use_attn_scale": (True,), "attn_scale": (-1, None)},
    "dtype": (None, *(f"{at}{name}{bits}" for at in ("", "torch.")
                      for name, bits in (("float", 16), ("bfloat", 16), ("float", 32), ("float", 64)))),
    **dict.fromkeys(
        ("final_rms", "gated_mlp", "load_in_4bit", "parallel_attn_mlp", "post_embedding_ln", "use_local_attn",
         "use_normalization_before_and_after", "use_NTK_by_parts_rope", "use_qk_norm", "relative_attention_has_bias",
         "rmsnorm_uses_offset", "scale_attn_by_inverse_layer_idx", "layer_norm_folding", "use_attention_sinks",
         "use_dynamic_ntk_rope", "use_logn_attn", "use_yarn_rope", "uses_rms_norm"), (False, None)),
    **dict.fromkeys(("attn_scores_soft_cap", "output_logits_soft_cap"), (-1, None)),
    **dict.fromkeys(("experts_per_token", "n_key_value_heads", "num_experts", "attn_types", "window_size", "clip_qkv",
                     "quantization_method"), (None,)),
}  # fmt: skip
LENS_OTHERS = re.compile(
    r"NTK_\w+|checkpoint_(index|label_type|value)|decoder_start_token_id|default_prepend_bos|device|from_checkpoint|"
    r"(weight_)?init_mode|init_weights|initializer_range|model_name|n_devices|n_params|norm_topk_prob|original_architecture|"
    r"relative_attention_(max_distance|num_buckets)|rotary_\w+|seed|tie_word_embeddings|tokenizer_\w+|"
    r"train_seq_length|trust_remote_code|ungroup_grouped_query_attention|use_attn_(in|result)|"
    r"use_hook_(mlp_in|tokens)|use_split_qkv_input|yarn_\w+"
)  # entries of HookedTransformerConfig that matter to nobody
CASE_ENTRIES = {"kind", "n_layer", "n_head", "head_size", "d_model", "mlp_width", "n_positions", "vocab_size", "causal",
                "outputs", "layer_norm", "constants", "formulas", "params", "tensors"}  # fmt: skip
TOP_K = {"attn_in", "attn_q", "attn_k", "attn_v", "attn_out", "mlp_in", "mlp_neuron", "mlp_out"}
SPARSITY: dict[str, Any] = {
    "block_size": 1024, "vocab_size": 50304, "n_layer": 12, "n_head": 12, "d_head": None, "d_model": 768,
    "d_mlp": None, "bias": True, "ln_bias": True, "rms_norm": False, "activation_type": "gelu", "afrac": None,
    "afrac_loctypes": "attn_in,attn_out,mlp_in,mlp_out", "tied_unembed": True, "enable_bigram_table": False,
    "sink": False, "residual_activation_type": "identity", "d_pos_emb": None, "sinusoidal_cat_pos_emb": False,
    "enable_sparse_kernels": False, "use_tied_aux_matrix": False, "afrac_approx": False, "rtopk": False,
}  # fmt: skip
SPARSITY_ONLY = {name: SPARSITY[name] for name in ("residual_activation_type", "d_pos_emb", "sinusoidal_cat_pos_emb",
                 "enable_sparse_kernels", "use_tied_aux_matrix", "afrac_approx", "rtopk")}  # fmt: skip
SPARSITY_OTHERS = re.compile(
    r"dropout|debug_nans|tokenizer_name|grad_checkpointing|learnable_bigram_table|dropout_cat_pos_emb|flash|"
    r"ignore_dw_grad|bigram_table_rank|pfrac|expansion_factor(_mlp)?|debug_exact_topk|sparse_matmul_impl"
)  # entries that matter to nobody
LENS_NORMS = {"LN": (True, True), "LNPre": (True, False), "RMS": (False, True), "RMSPre": (False, False)}
Steps = tuple[Step, ...]
Site = Callable[[str], Steps]  # what acts on the values at a node site


@dataclass(frozen=True)
class Read:
    """A network and what its folder calls things: ``outputs`` name the logits, or ``reading`` these columns.

    ``declared``: what the folder says of the question that it is for.
    """

    network: Network | Recurrent
    name: str
    tokens: tuple[str, ...]
    outputs: tuple[str, ...]
    reading: tuple[list[int], list[str]] | None = None
    declared: Declared = field(default=Declared())


@dataclass(frozen=True)
class Layout:
    """Names of a layer's maps, and of what is added to weights and biases; ``turned``: weights are (in, out)."""

    layer: str
    qkv: tuple[str, ...]  # one name: all three in one map
    o: str
    up: str
    down: str
    norms: tuple[str, ...] = ()
    ends: tuple[str, str] = (".weight", ".bias")
    turned: bool = False
    is_biased: bool = True  # the four maps of attention

    def affine(self, t: Tensors, name: str, into: int, out: int, *, is_biased: bool = True) -> Affine:
        """The affine map stored under ``name``, of rows of ``into`` numbers to rows of ``out``."""
        weight, bias = (name + end for end in self.ends)
        table = _turned(t.matrix(weight, into, out)) if self.turned else t.matrix(weight, out, into)
        return Affine(table, t.take(bias, out) if is_biased else [ZERO] * out)


GPT2 = Layout("h.{}.", ("attn.c_attn",), "attn.c_proj", "mlp.c_fc", "mlp.c_proj", ("ln_1", "ln_2"), turned=True)
CIRCUIT = Layout("transformer.h.{}.", GPT2.qkv, GPT2.o, GPT2.up, GPT2.down, GPT2.norms)
DYCK = Layout("blocks.{}.", ("Wq", "Wk", "Wv"), "Wo", "mlp1", "mlp2", is_biased=False)
TRACR = Layout("transformer/layer_{}/", ("attn/query", "attn/key", "attn/value"), "attn/linear", "mlp/linear_1",
               "mlp/linear_2", ends=("/w", "/b"), turned=True)  # fmt: skip


@dataclass(frozen=True)
class ByHeads(Layout):
    """Attention stored head by head, (heads, in, out) each; ``turned`` is false for maps stored as (out, in).

    A map's name has a place for W or b; biases that are not stored are zero.
    """

    heads: int = 1

    def affine(self, t: Tensors, name: str, into: int, out: int, *, is_biased: bool = True) -> Affine:
        """The affine map stored under ``name``, of rows of ``into`` numbers to rows of ``out``."""
        weight, bias = name.format("W"), name.format("b")
        if name.endswith(self.qkv):
            head = out // self.heads
            if self.turned:
                flat = t.take(weight, self.heads, into, head)
                rows = [
                    flat[h * into * head + k :][: into * head : head] for h in range(self.heads) for k in range(head)
                ]
            else:
                flat = t.take(weight, self.heads, head, into)
                rows = [flat[n : n + into] for n in range(0, out * into, into)]
            return Affine(rows, t.take(bias, self.heads, head) if bias in t.left else [ZERO] * out)
        if name.endswith(self.o) and self.turned:
            flat = t.take(weight, self.heads, into // self.heads, out)
            rows = _turned([flat[n : n + out] for n in range(0, into * out, out)])
        else:
            rows = _turned(t.matrix(weight, into, out)) if self.turned else t.matrix(weight, out, into)
        return Affine(rows, t.take(bias, out) if bias in t.left else [ZERO] * out)


@dataclass(frozen=True)
class Size:
    """Of a stack: layers, heads, entries of a head, of the stream and of an inner row."""

    layers: int
    heads: int
    head: int
    d: int
    inner: int


def read(kind: str, files: dict[str, bytes], semantics: str, prefix: Sequence[str] = ()) -> Read:
    """The network in ``files``; raises UnreadableError for anything that is not understood.

    ``prefix``: the tokens before a sequence, which tell the tasks of a network apart.
    """
    expect(kind in FILES, f"unknown format {kind!r}; known: {', '.join(FILES)}")
    must, may = FILES[kind]
    if kind == "sparsemax":
        may = (*may, *[name for name in files if CIRCUIT_OF.fullmatch(name)][:1])
    expect({*must} <= files.keys() <= {*must, *may}, f"a {kind} network is stored in {', '.join(must)}")
    said = {name: parse(name, content) for name, content in files.items() if name.endswith(".json")}
    if kind == "circuit_sparsity":
        tensors, result = _sparsity(said, files)
        return _finished(kind, said, tensors, result, semantics)
    if kind == "sparsemax":
        numbers = gathered(said["smt_weights.json"])
        return _finished(kind, said, numbers, _sparsemax(said, numbers, semantics), semantics, prefix)
    if kind == "torch recurrent":
        tensors = state_dict(files)
        network, name, tokens, outputs = torch_recurrent(said["case.json"], tensors)
        return _finished(kind, said, tensors, Read(network, name, tuple(tokens), tuple(outputs)), semantics)
    tensors = Tensors(must[-1], files[must[-1]])
    if kind in ("decoder", "adder"):
        return _finished(kind, said, tensors, _with_tables(kind, said, tensors, semantics), semantics)
    readers = {
        "steps": _steps,
        "circuit": _circuit,
        "gpt2": _gpt2,
        "dyck": _dyck,
        "tracr": _tracr,
        "transformer_lens": _lens,
        "recurrent steps": _recurrent_steps,
        "recurrent case": _recurrent_case,
    }
    return _finished(kind, said, tensors, readers[kind](said, tensors), semantics)


def _finished(
    kind: str, said: dict[str, Any], tensors: Tensors, result: Read, semantics: str, prefix: Sequence[str] = ()
) -> Read:
    """What was read, where nothing is left of the ``tensors``, as it is executed and with what is declared of it."""
    config = said.get("config.json", {})
    tensors.done(semantics, [str(config.get(name)).removeprefix("torch.") for name in ("dtype", "torch_dtype")])
    if isinstance(result.network, Network):
        result = replace(result, network=lean(result.network, Arithmetic(ROUNDOFF[semantics])))
    expect(len({*result.tokens}) == len(result.tokens) == len(result.network.tokens), "tokens need one name each")
    if kind == "recurrent case":
        return replace(result, declared=declared_by(said["case.json"], [*result.tokens], len(result.outputs)))
    if kind == "torch recurrent":
        own = declared_by_torch(said["case.json"], [*result.tokens], [*result.outputs])
        return replace(result, declared=own)
    found = declared(kind, said, result.tokens, result.outputs, prefix)
    pool = result.network.pool if isinstance(result.network, Network) else "none"
    return replace(result, declared=replace(found, pool=pool))


def _recurrent_steps(said: dict[str, Any], t: Tensors) -> Read:
    return _listed(said[STEPS], recurrent_network(said[STEPS], t))


def _recurrent_case(said: dict[str, Any], t: Tensors) -> Read:
    network, name, tokens, outputs = recurrent_case(said, t)
    return Read(network, name, tuple(tokens), tuple(outputs))


def _layers(
    t: Tensors,
    layout: Layout,
    size: Size,
    kind: str,
    norm: Callable[[str], Steps] = lambda name: (),
    site: Site = lambda name: (),
    sinks: str = "",
) -> Iterator[Branch]:
    """The two residual branches of every layer."""
    width, d, biased = size.heads * size.head, size.d, layout.is_biased
    for n, at in ((n, layout.layer.format(n)) for n in range(size.layers)):
        joined = [layout.affine(t, at + name, d, 3 * width // len(layout.qkv), is_biased=biased) for name in layout.qkv]
        weight, bias = [row for m in joined for row in m.weight], [b for m in joined for b in m.bias]
        qkv = [Affine(weight[m : m + width], bias[m : m + width]) for m in (0, width, 2 * width)]
        o = layout.affine(t, at + layout.o, width, d, is_biased=biased)
        first, second = ([norm(at + name) for name in layout.norms] + [(), ()])[:2]
        steps: tuple[Steps, ...] = tuple(
            (step, *site(f"{n}.attn.{part}")) for step, part in zip(qkv, "qkv", strict=True)
        )
        scores: list[arb | None] = [*t.take(at + sinks, size.heads)] if sinks else [None] * size.heads
        result = site(f"{n}.attn.resid_delta")
        before, heads = (*first, *site(f"{n}.attn.act_in")), Heads(steps, size.heads, 1 / arb(size.head).sqrt(), scores)
        used = any(w != 0 for row in o.weight for w in row) and not any(isinstance(step, Constant) for step in result)
        yield Branch(before, heads, (o, *result), () if used else (Constant(o.bias), *result))
        if not size.inner:
            continue
        up, down = layout.affine(t, at + layout.up, d, size.inner), layout.affine(t, at + layout.down, size.inner, d)
        inner: Steps = (*site(f"{n}.mlp.act_in"), up, Activated(kind), *site(f"{n}.mlp.post_act"), down)
        yield Branch((*second, *inner, *site(f"{n}.mlp.resid_delta")), None, ())


def _turned(table: list[Row]) -> list[Row]:
    return [list(column) for column in zip(*table, strict=True)]


def _norm(t: Tensors, d: int, eps: Any, *, centered: bool) -> Callable[[str], Steps]:
    """The norm of a name; one that does not center has no bias."""
    expect(type(eps) is float and LEAST_EPS <= eps < 1, f"expected a norm's eps from 2**-40 to 1, got {eps!r}")

    def named(name: str) -> Steps:
        gain, bias = t.take(f"{name}.weight", d), t.take(f"{name}.bias", d) if centered else [ZERO] * d
        return (Normed(gain, bias, eps, centered),)

    return named


def _whole(said: dict[str, Any], names: str) -> list[int]:
    """These entries, each a whole number from 1."""
    values = [said.get(name) for name in names.split()]
    expect(all(type(value) is int and 0 < value < 2**24 for value in values), f"expected sizes {names}")
    return values  # type: ignore[return-value]


def _circuit(said: dict[str, Any], t: Tensors) -> Read:
    said, c = said["circuit.json"], said["circuit.json"]["config"]
    expect(len(c) == 15, "circuit.json: config not understood")
    names = tuple(said["vocabulary"])
    return Read(_sparse(c, said["kept"], t, is_masked=True), said["name"], names, names)


def _sparse(c: dict[str, Any], kept_nodes: dict[str, list[int]], t: Tensors, *, is_masked: bool) -> Network:
    """A weight-sparse transformer; ``is_masked``: every site has a list of kept nodes, else those that have one."""
    vocab, longest, *sizes = _whole(c, "vocab_size block_size n_layer n_head d_head d_model d_mlp")
    size = Size(*sizes)
    known = c["norm"] in ("rms", "layer") and c["activation"] in ("gelu", "relu")
    expect(known, "a configuration that is not understood: norm or activation")
    norm = _norm(t, size.d, c["norm_eps"], centered=c["norm"] == "layer")

    def site(name: str) -> Steps:
        """AbsTopK where it acts, then the mask."""
        part, _, what = name.split(".", 1)[-1].partition(".")
        width = _site_width(size, name)
        is_kept = name in kept_nodes
        expect(is_kept or not is_masked, f"expected the kept nodes of {name}")
        means = t.take(f"mean:{name}", width) if is_kept else []
        kept = kept_nodes[name] if is_kept else [*range(width)]
        expect(all(type(n) is int and 0 <= n < width for n in kept), f"kept nodes of {name}")
        if is_kept and not kept:
            return (Constant(means),)
        top = f"{part}_{ {'act_in': 'in', 'resid_delta': 'out', 'post_act': 'neuron'}.get(what, what) }"
        is_top = top in c["top_k_sites"] and c["top_k_fraction"] is not None
        k = max(1, int(c["top_k_fraction"] * width)) if is_top else width
        largest: Steps = (lambda a, rows: [a.top_k(x, k) for x in rows],) if is_top and k < width else ()
        return (*largest, Masked(tuple(n in kept for n in range(width)), means)) if is_kept else largest

    sinks = "attn.attn_imp.sink_logit" if c["sink"] else ""
    found = tuple(_layers(t, CIRCUIT, size, c["activation"], norm, site, sinks))
    head = Affine(t.matrix("lm_head.weight", vocab, size.d), t.take("final_logits_bias", vocab))
    final: Steps = (*site("final_resid"), *norm("transformer.ln_f"), head)
    positions = t.matrix("transformer.wpe.weight", longest, size.d) if c["positions"] else None
    bigram = t.matrix("bigram_table", vocab, vocab) if c["bigram"] else None
    table = t.matrix("transformer.wte.weight", vocab, size.d)
    return Network(table, positions, found, final, longest, bigram=bigram)


def _site_width(size: Size, name: str) -> int:
    """How many nodes a site has."""
    what = name.rpartition(".")[2]
    return size.inner if what == "post_act" else size.heads * size.head if what in ("q", "k", "v") else size.d


def _sparsity(said: dict[str, Any], files: dict[str, bytes]) -> tuple[Tensors, Read]:
    """A model of circuit_sparsity, or a circuit of one, in the words of ``circuit.json``."""
    c, sites = _sparsity_config({**SPARSITY, **said["beeg_config.json"]})
    weights, t = archive("final_model.pt", files["final_model.pt"]), TorchTensors("final_model.pt")
    state = weights.value
    expect(type(state) is dict and all(type(name) is str for name in state), "final_model.pt: expected tensors by name")
    for name, tensor in state.items():
        if not name.endswith(".attn.bias"):  # a causal mask
            t.take_from(weights, name, tensor)
    _fill(c, t)
    size = Size(*_whole(c, "n_layer n_head d_head d_model d_mlp"))
    expect(("viz_data.pt" in files) == (MEANS in files), f"viz_data.pt and {MEANS} belong together")
    kept = _sparsity_kept(c, size, files, t) if "viz_data.pt" in files else {}
    network = _sparse(c | {"top_k_sites": sites}, kept, t, is_masked=False)
    names = _encoded_names(said.get("encoder.json", {}), c["vocab_size"])
    return t, Read(network, "", names, names)


def _sparsity_config(c: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Its entries in the words of ``circuit.json``, and the sites of AbsTopK."""
    c["d_mlp"] = c.pop("n_mlp", c["d_mlp"])
    strange = [name for name in c if name not in SPARSITY and not SPARSITY_OTHERS.fullmatch(name)]
    strange += [name for name, value in SPARSITY_ONLY.items() if c[name] != value]
    names = ("bias", "ln_bias", "rms_norm", "tied_unembed", "sink", "enable_bigram_table")
    flags = all(type(c[name]) is bool for name in names)
    expect(not strange and flags, f"beeg_config.json: not understood: {strange[:1]}")
    heads, d = _whole(c, "n_head d_model")
    c["d_head"] = d // heads if c["d_head"] is None else c["d_head"]
    c["d_mlp"] = 4 * d if c["d_mlp"] is None else c["d_mlp"]
    sites = str(c["afrac_loctypes"]).split(",") if c["afrac"] is not None else []
    narrowest = min(heads * c["d_head"], *_whole(c, "d_model d_mlp"))
    fraction = c["afrac"]
    fits = fraction is None or (type(fraction) is float and 0 < fraction <= 1 and int(fraction * narrowest) >= 1)
    expect(fits and {*sites} <= TOP_K and len({*sites}) == len(sites), "beeg_config.json: afrac is not understood")
    more = {
        "norm": "rms" if c["rms_norm"] else "layer", "norm_eps": 2.0**-23 if c["rms_norm"] else 1e-5,
        "activation": c["activation_type"], "top_k_fraction": fraction, "positions": True,
        "bigram": c["enable_bigram_table"],
    }  # fmt: skip
    return c | more, sites


def _fill(c: dict[str, Any], t: TorchTensors) -> None:
    """Zeros for the biases that there are none of, and the embedding where it is the unembedding too."""
    if c["tied_unembed"]:
        table = t.content("transformer.wte.weight")
        expect(t.content("lm_head.weight") in (None, table), "final_model.pt: lm_head.weight is not tied")
        t.left.setdefault("lm_head.weight", t.left.get("transformer.wte.weight", {}))
    layers, d, inner = _whole(c, "n_layer d_model d_mlp")
    width = c["n_head"] * c["d_head"]
    maps = {"attn.c_attn": 3 * width, "attn.c_proj": d, "mlp.c_fc": inner, "mlp.c_proj": d}
    absent = {} if "final_logits_bias" in t.left else {"final_logits_bias": c["vocab_size"]}
    blocks = [f"transformer.h.{n}." for n in range(layers)]
    if not c["bias"]:
        absent |= {f"{at}{name}.bias": size for at in blocks for name, size in maps.items()}
    if not c["ln_bias"] and not c["rms_norm"]:
        norms = [*(f"{at}{name}" for at in blocks for name in ("ln_1", "ln_2")), "transformer.ln_f"]
        absent |= {f"{name}.bias": d for name in norms}
    for name, size in absent.items():
        t.zeros(name, size)


def _sparsity_kept(c: dict[str, Any], size: Size, files: dict[str, bytes], t: TorchTensors) -> dict[str, list[int]]:
    """The kept nodes of every site that a circuit masks; their means become tensors ``mean:<site>``."""
    parts = ("attn.act_in", "attn.q", "attn.k", "attn.v", "attn.resid_delta", "mlp.act_in", "mlp.post_act",
             "mlp.resid_delta")  # fmt: skip
    sites = [*(f"{n}.{part}" for n in range(size.layers) for part in parts), "final_resid"]
    viz, means = archive("viz_data.pt", files["viz_data.pt"]), archive(MEANS, files.get(MEANS, b""))
    said = viz.value["circuit_data"]
    expect(type(said) is dict and {*said} <= {*sites}, "viz_data.pt: circuit_data has unknown sites")
    expect(type(means.value) is dict, f"{MEANS}: expected means by site")
    kept = {site: viz.whole(nodes) for site, nodes in said.items()}
    importances = viz.value.get("importances")
    model = importances.get("beeg_model_config") if type(importances) is dict else None
    if type(model) is dict:
        same = all(model.get(name, c[name]) == c[name] for name in ("vocab_size", "n_layer", "d_model"))
        expect(same, "viz_data.pt: the circuit is of another model")
    total, listed = viz.value.get("num_total_nodes"), sum(_site_width(size, site) for site in kept)
    rest = [site for site in sites if site not in kept and site != "final_resid"]
    if rest and total == listed + sum(_site_width(size, site) for site in rest):
        kept |= {site: [] for site in rest}
    expect(not rest or rest[0] in kept or total == listed, "viz_data.pt: nothing says whether other sites are kept")
    for site, nodes in kept.items():
        width = _site_width(size, site)
        expect(len({*nodes}) == len(nodes), f"viz_data.pt: a node of {site} occurs twice")
        if site in means.value:
            t.take_from(means, f"mean:{site}", means.value[site])
            t.left[f"mean:{site}"]["shape"] = [width]  # stored in any shape of so many numbers; take() counts them
        else:
            expect(len(nodes) == width, f"{MEANS}: no means for the site {site}")
            t.zeros(f"mean:{site}", width)
    return kept


def _encoded_names(said: dict[str, Any], vocab: int) -> tuple[str, ...]:
    """Token names from GPT-2's byte letters, else numbers."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    letters = {chr(b): b for b in printable}
    letters |= {chr(256 + n): b for n, b in enumerate(b for b in range(256) if b not in printable)}
    numbers = [f"#{n}" for n in range(vocab)]
    names = [*numbers]
    for text, n in said.items():
        expect(type(n) is int and 0 <= n < vocab, "encoder.json: an id that is no token")
        raw = bytes(letters[letter] for letter in text) if {*text} <= letters.keys() else text.encode()
        names[n] = raw.decode("utf-8", "backslashreplace")
    return tuple(names if len({*names}) == vocab else numbers)


def _sparsemax(said: dict[str, Any], t: Tensors, semantics: str) -> Read:
    network, names = sparsemax(said, t, Arithmetic(ROUNDOFF[semantics]))
    return Read(network, "", names, names)


def _own_name(name: str) -> str:
    """What GPT-2 calls a tensor that is stored with a prefix, or under a name of TransformerLens of the same shape."""
    name = name.removeprefix("transformer.")
    for pattern, own in LENS_NAMES.items():
        name = re.sub(pattern, own, name)
    return name


def _gpt2(said: dict[str, Any], t: Tensors) -> Read:
    c, case = {"n_inner": None, **said["config.json"]}, said.get("case.json", {})
    vocab, longest, d, layers, heads = _whole(c, "vocab_size n_positions n_embd n_layer n_head")
    (inner,) = [4 * d] if c["n_inner"] is None else _whole(c, "n_inner")
    kind = ACTIVATIONS.get(c.get("activation_function", "gelu_new"), "")
    strange = [name for name in c if not OTHERS.fullmatch(name) and c[name] not in ALLOWED.get(name, ())]
    expect(
        not strange and kind and d % heads == 0, f"config.json: not understood: {strange[:1] or 'heads, activation'}"
    )
    named = {_own_name(name): entry for name, entry in t.left.items()}
    expect(len(named) == len(t.left), "model.safetensors: a tensor named twice, with and without its prefix")
    t.left = named
    t.drop(re.compile(r"h\.\d+\.attn\.(bias|masked_bias)"))
    norm = _norm(t, d, c.get("layer_norm_epsilon", 1e-5), centered=True)
    found = tuple(_layers(t, GPT2, Size(layers, heads, d // heads, d, inner), kind, norm))
    table, is_tied = t.matrix("wte.weight", vocab, d), not {"lm_head.weight", "unembed.W_U"} & t.left.keys()
    expect(not is_tied or c.get("tie_word_embeddings", True), "model.safetensors: expected a tensor lm_head.weight")
    turned = _turned(t.matrix("unembed.W_U", d, vocab)) if "unembed.W_U" in t.left else None
    head = Affine(table if is_tied else turned or t.matrix("lm_head.weight", vocab, d), [ZERO] * vocab)
    positions = None if c.get("position_embedding_type") == "none" else t.matrix("wpe.weight", longest, d)
    network = Network(table, positions, found, (*norm("ln_f"), head), longest)
    if isinstance(case.get("tokens"), dict):
        names = {n: name for name, n in case["tokens"].items()}
        tokens = tuple(names.get(n, f"#{n}") for n in range(vocab))
    else:
        tokens = tokens_of(said, vocab)
    return Read(network, case.get("name", ""), tokens, tokens)


def _with_tables(kind: str, said: dict[str, Any], t: Tensors, semantics: str) -> Read:
    """A network of which tables have a formula."""
    make, case = (decoder if kind == "decoder" else adder), said.get("case.json", {})
    network, count = make(said, t, is_real=semantics == "real")
    named = isinstance(case.get("tokens"), dict)
    tokens = _lens_tokens(case["tokens"]) if named else tokens_of(said, count)
    return Read(replace(network, is_computed=True), case.get("name", ""), tokens, tokens)


def _steps(said: dict[str, Any], t: Tensors) -> Read:
    return _listed(said[STEPS], steps_network(said[STEPS], t))


def _listed(c: dict[str, Any], network: Network | Recurrent) -> Read:
    """The network with the names that network.json gives."""
    names = [*texts(c["vocabulary"]), *texts(c["outputs"])]
    expect(len({*c["outputs"]}) == len(c["outputs"]) and type(c["name"]) is str, f"{STEPS}: names")
    return Read(network, c["name"], tuple(names[: len(network.tokens)]), tuple(c["outputs"]))


def _dyck(said: dict[str, Any], t: Tensors) -> Read:
    c = said["config.json"]
    n, d, heads, inner, layers = _whole(c, "n d heads ff layers")
    known = c.keys() <= {"n", "d", "heads", "ff", "layers", "causal", "pool", "note"} and type(c["causal"]) is bool
    expect(known and c["pool"] in ("sum", "mean", "last") and d % heads == 0, "config.json: not understood")
    found = tuple(_layers(t, DYCK, Size(layers, heads, d // heads, d, inner), "relu"))
    final: Steps = DYCK.affine(t, "h1", d, d), Activated("relu"), DYCK.affine(t, "h2", d, 2)
    tables = t.matrix("tok.weight", 2, d), t.matrix("pos", n, d)
    return Read(Network(*tables, found, final, n, c["causal"], c["pool"]), "", ("(", ")"), ("not valid", "valid"))


def _tracr(said: dict[str, Any], t: Tensors) -> Read:
    said = said["case.json"]
    c, reading, encoding = said["architecture"], said["read_out"], said["input"]["encoding"]
    size = Size(*_whole(c, "num_layers num_heads key_size d_model mlp_hidden"))
    known = c["layer_norm"] is False and c["activation"] == "relu" and type(c["causal"]) is bool
    expect(known, "case.json: architecture not understood")
    found, longest = tuple(_layers(t, TRACR, size, "relu")), t.left["pos_embed/embeddings"]["shape"][0]
    tables = (
        t.matrix("token_embed/embeddings", len(encoding), size.d),
        t.matrix("pos_embed/embeddings", longest, size.d),
    )
    named, labels = {n: name for name, n in encoding.items()}, c.get("residual_labels", [])
    outputs = tuple(labels) if len(labels) == size.d else tuple(f"#{n}" for n in range(size.d))
    network = Network(*tables, found, (), longest, c["causal"])
    tokens = tuple(named[n] for n in range(len(named)))
    return Read(network, said.get("name", ""), tokens, outputs, (reading["columns"], reading.get("values", [])))


@dataclass(frozen=True)
class Described:
    """What tensors under TransformerLens's names do not say; ``outputs`` is 0 where nothing does."""

    size: Size
    vocabulary: int
    longest: int
    kind: str  # of activation
    norm: str | None
    eps: Any
    causal: Any = True
    outputs: Any = 0
    is_tied: Any = False
    is_positioned: bool = True


def _lens(said: dict[str, Any], t: Tensors) -> Read:
    config, case = said.get("config.json"), said.get("case.json", {})
    of_config = _described_gpt2 if config and config.get("model_type") == "gpt2" else _described
    c = _described_case(case["architecture"]) if config is None else of_config(config)
    size, d, outputs = c.size, c.size.d, c.outputs
    expect(type(c.causal) is bool and type(outputs) is int, "a description that is not understood")
    expect(type(c.eps) is float and LEAST_EPS <= c.eps < 1, f"expected a norm's eps from 2**-40 to 1, got {c.eps!r}")
    t.drop(re.compile(r"blocks\.\d+\.attn\.(mask|IGNORE)"))
    embedding, kept = t.content("embed.W_E"), t.left
    t.left = {name: kept[name] for name in kept if name == "embed.W_E" or "." in name or t.content(name) != embedding}
    turned = len(t.left.get("blocks.0.attn.W_O", {"shape": [0, 0, 0]})["shape"]) == 3
    layout = ByHeads("blocks.{}.", ("attn.{}_Q", "attn.{}_K", "attn.{}_V"), "attn.{}_O", "mlp.{}_in", "mlp.{}_out",
                     ("ln1", "ln2")[: 2 if size.inner else 1], turned=turned, heads=size.heads)  # fmt: skip
    centered, has_weights = LENS_NORMS[c.norm or "LN"]

    def norm(name: str) -> Steps:
        if c.norm is None:
            return ()
        gain = t.take(f"{name}.w", d) if has_weights else [arb(1)] * d
        bias = t.take(f"{name}.b", d) if c.norm == "LN" else [ZERO] * d
        return (lambda a, rows: [a.norm(x, gain, bias, c.eps, centered=centered) for x in rows],)

    found = tuple(_layers(t, layout, size, c.kind, norm))
    table = t.matrix("embed.W_E", c.vocabulary, d) if turned else _turned(t.matrix("embed.W_E", d, c.vocabulary))
    is_stored = "unembed.W_U" in t.left
    expect(is_stored or c.is_tied, "model.safetensors: expected a tensor unembed.W_U")
    outputs = outputs or (t.left["unembed.W_U"]["shape"][-1] if is_stored else c.vocabulary)
    weight = _turned(t.matrix("unembed.W_U", d, outputs)) if is_stored else table
    bias = t.take("unembed.b_U", outputs) if "unembed.b_U" in t.left else [ZERO] * outputs
    positions = t.matrix("pos_embed.W_pos", c.longest, d) if c.is_positioned else None
    reading = case.get("read_out", {})
    at_first = reading.get("kind") == "accept_reject" and "at position 0" in str(reading.get("rule", ""))
    is_verdict = outputs == 2 and at_first
    final: Steps = (*norm("ln_final"), Affine(weight, bias))
    network = Network(table, positions, found, final, c.longest, c.causal, "first" if is_verdict else "none")
    tokens = _lens_tokens(case["tokens"]) if isinstance(case.get("tokens"), dict) else ()
    tokens = tokens or tuple(f"#{n}" for n in range(c.vocabulary))
    named = outputs == len(tokens) or tokens[:outputs] == tuple(str(n) for n in range(outputs))
    names = tokens[:outputs] if named else tuple(f"#{n}" for n in range(outputs))
    return Read(network, case.get("name", ""), tokens, ("rejected", "accepted") if is_verdict else names)


def _described(c: dict[str, Any]) -> Described:
    """By the entries of HookedTransformerConfig."""
    longest, d, layers, head, vocabulary = _whole(c, "n_ctx d_model n_layers d_head d_vocab")
    others = [name for name in c if name not in LENS_USED and not LENS_OTHERS.fullmatch(name)]
    roots = {"attn_scale": (math.sqrt(head),)}  # a HookedTransformer writes into its configuration what it divides by
    strange = [name for name in others if c[name] not in (*LENS_ALLOWED.get(name, ()), *roots.get(name, ()))]
    (heads,) = [d // head] if c.get("n_heads", -1) == -1 else _whole(c, "n_heads")
    only, direction, norm = (
        c.get("attn_only", False),
        c.get("attention_dir", "causal"),
        c.get("normalization_type", "LN"),
    )
    (inner,) = [0] if only is True else [4 * d] if c.get("d_mlp") is None else _whole(c, "d_mlp")
    kind = ACTIVATIONS.get(c.get("act_fn") or "", "") if inner else "relu"
    known = direction in ("causal", "bidirectional") and type(only) is bool and (norm is None or norm in LENS_NORMS)
    expect(not strange and known and kind and heads > 0, f"config.json: not understood: {strange[:1]}")
    outputs = vocabulary if c.get("d_vocab_out", -1) in (-1, None) else c["d_vocab_out"]
    size = Size(layers, heads, head, d, inner)
    return Described(size, vocabulary, longest, kind, norm, c.get("eps", 1e-5), direction == "causal", outputs,
                     is_positioned=c.get("positional_embedding_type") != "none")  # fmt: skip


def _described_gpt2(c: dict[str, Any]) -> Described:
    """By the configuration of a GPT-2."""
    vocabulary, longest, d, layers, heads = _whole(c, "vocab_size n_positions n_embd n_layer n_head")
    (inner,) = [4 * d] if c.get("n_inner") is None else _whole(c, "n_inner")
    strange = [name for name in c if not OTHERS.fullmatch(name) and c[name] not in ALLOWED.get(name, ())]
    kind, tied = ACTIVATIONS.get(c.get("activation_function", "gelu_new"), ""), c.get("tie_word_embeddings", True)
    expect(not strange and kind and d % heads == 0, f"config.json: not understood: {strange[:1]}")
    size, eps = Size(layers, heads, d // heads, d, inner), c.get("layer_norm_epsilon", 1e-5)
    return Described(size, vocabulary, longest, kind, "LN", eps, is_tied=tied,
                     is_positioned=c.get("position_embedding_type") != "none")  # fmt: skip


def _described_case(c: dict[str, Any]) -> Described:
    """By the architecture in ``case.json``, where nothing else describes the network."""
    vocabulary, longest, d, layers, heads, head = _whole(c, "vocab_size n_positions d_model n_layer n_head head_size")
    (inner,) = [0] if c["mlp_width"] == 0 else _whole(c, "mlp_width")
    kinds, constants = {*re.findall(r"\w+", str(c["kind"]))} & ACTIVATIONS.keys(), c.get("constants", {})
    normed, scale = c.get("layer_norm", True), constants.get("attention_scale", head**-0.5)
    known = c.keys() <= CASE_ENTRIES and (len(kinds) == 1 or not inner) and type(normed) is bool
    expect(known and abs(scale * head**0.5 - 1) < 1e-9, "case.json: architecture not understood")
    kind, eps = ACTIVATIONS[min(kinds)] if inner else "relu", constants.get("layer_norm_eps", 1e-5)
    size, norm = Size(layers, heads, head, d, inner), "LN" if normed else None
    return Described(size, vocabulary, longest, kind, norm, eps, c["causal"], c.get("outputs") or 0)


def _lens_tokens(tokens: dict[str, Any]) -> tuple[str, ...]:
    """Names in the order of their ids; ``0..9`` with a text stands for ten numbers, each its own id."""
    ids: dict[int, str] = {}
    for name, n in tokens.items():
        span = re.fullmatch(r"(\d{1,6})\.\.(\d{1,6})", name) if isinstance(n, str) else None
        for number, text in (
            [(n, name)] if span is None else [(m, str(m)) for m in range(int(span[1]), int(span[2]) + 1)]
        ):
            expect(type(number) is int and ids.setdefault(number, text) == text, f"case.json: token {name}")
    expect(sorted(ids) == [*range(len(ids))], "case.json: ids of tokens")
    return tuple(ids[n] for n in range(len(ids)))
