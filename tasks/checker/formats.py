"""The formats that are understood: which files a network is stored in, and what their numbers mean.

Written from the formulas of each format (they stand in the docstrings of ``tasks.formats``); a file with anything
unknown in it is refused. What all have in common is a stack of layers; ``Layout`` says what a format calls their maps.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from flint import arb

from tasks.checker.arithmetic import LEAST_EPS, ROUNDOFF, ZERO, Affine, Arithmetic, Row
from tasks.checker.declared import Declared, declared
from tasks.checker.files import Tensors, expect, parse
from tasks.checker.network import Branch, Constant, Heads, Network, Step, lean

FILES = {
    "circuit": (("circuit.json", "weights.safetensors"), ()),
    "gpt2": (("config.json", "model.safetensors"), ("case.json", "vocab.json")),
    "dyck": (("config.json", "model.safetensors"), ()),
    "tracr": (("case.json", "model.safetensors"), ()),
    "transformer_lens": (("model.safetensors",), ("config.json", "case.json")),
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
         "rmsnorm_uses_offset", "scale_attn_by_inverse_layer_idx"), (False, None)),
    **dict.fromkeys(("attn_scores_soft_cap", "output_logits_soft_cap"), (-1, None)),
    **dict.fromkeys(("experts_per_token", "n_key_value_heads", "num_experts", "attn_types", "window_size"), (None,)),
}  # fmt: skip
LENS_OTHERS = re.compile(
    r"NTK_\w+|checkpoint_(index|label_type|value)|decoder_start_token_id|default_prepend_bos|device|from_checkpoint|"
    r"(weight_)?init_mode|init_weights|initializer_range|model_name|n_devices|n_params|original_architecture|"
    r"relative_attention_(max_distance|num_buckets)|rotary_\w+|seed|tie_word_embeddings|tokenizer_\w+|trust_remote_code|"
    r"ungroup_grouped_query_attention|use_attn_(in|result)|use_hook_(mlp_in|tokens)|use_split_qkv_input"
)  # entries of HookedTransformerConfig that matter to nobody
CASE_ENTRIES = {"kind", "n_layer", "n_head", "head_size", "d_model", "mlp_width", "n_positions", "vocab_size", "causal",
                "outputs", "layer_norm", "constants", "formulas", "params", "tensors"}  # fmt: skip
LENS_NORMS = {"LN": (True, True), "LNPre": (True, False), "RMS": (False, True), "RMSPre": (False, False)}
Steps = tuple[Step, ...]
Site = Callable[[str], Steps]  # what acts on the values at a node site


@dataclass(frozen=True)
class Read:
    """A network and what its folder calls things: ``outputs`` name the logits, or ``reading`` these columns.

    ``declared``: what the folder says of the question that it is for.
    """

    network: Network
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


def read(kind: str, files: dict[str, bytes], semantics: str) -> Read:
    """The network in ``files``; raises UnreadableError for anything that is not understood."""
    expect(kind in FILES, f"unknown format {kind!r}; known: {', '.join(FILES)}")
    must, may = FILES[kind]
    expect({*must} <= files.keys() <= {*must, *may}, f"a {kind} network is stored in {', '.join(must)}")
    tensors = Tensors(must[-1], files[must[-1]])
    said = {name: parse(name, content) for name, content in files.items() if name.endswith(".json")}
    readers = {"circuit": _circuit, "gpt2": _gpt2, "dyck": _dyck, "tracr": _tracr, "transformer_lens": _lens}
    result = readers[kind](said, tensors)
    config = said.get("config.json", {})
    tensors.done(semantics, [str(config.get(name)).removeprefix("torch.") for name in ("dtype", "torch_dtype")])
    result = replace(result, network=lean(result.network, Arithmetic(ROUNDOFF[semantics])))
    expect(len({*result.tokens}) == len(result.tokens) == len(result.network.tokens), "tokens need one name each")
    return replace(result, declared=declared(kind, said, result.tokens, result.outputs))


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
        inner: Steps = (*site(f"{n}.mlp.act_in"), up, _activation(kind), *site(f"{n}.mlp.post_act"), down)
        yield Branch((*second, *inner, *site(f"{n}.mlp.resid_delta")), None, ())


def _turned(table: list[Row]) -> list[Row]:
    return [list(column) for column in zip(*table, strict=True)]


def _activation(kind: str) -> Step:
    return lambda a, rows: [a.activate(row, kind) for row in rows]


def _norm(t: Tensors, d: int, eps: Any, *, centered: bool) -> Callable[[str], Steps]:
    """The norm of a name; one that does not center has no bias."""
    expect(type(eps) is float and LEAST_EPS <= eps < 1, f"expected a norm's eps from 2**-40 to 1, got {eps!r}")

    def named(name: str) -> Steps:
        gain, bias = t.take(f"{name}.weight", d), t.take(f"{name}.bias", d) if centered else [ZERO] * d
        return (lambda a, rows: [a.norm(x, gain, bias, eps, centered=centered) for x in rows],)

    return named


def _whole(said: dict[str, Any], names: str) -> list[int]:
    """These entries, each a whole number from 1."""
    values = [said.get(name) for name in names.split()]
    expect(all(type(value) is int and 0 < value < 2**24 for value in values), f"expected sizes {names}")
    return values  # type: ignore[return-value]


def _circuit(said: dict[str, Any], t: Tensors) -> Read:
    said, c = said["circuit.json"], said["circuit.json"]["config"]
    vocab, longest, *sizes = _whole(c, "vocab_size block_size n_layer n_head d_head d_model d_mlp")
    size = Size(*sizes)
    known = c["norm"] in ("rms", "layer") and c["activation"] in ("gelu", "relu") and len(c) == 15
    expect(known, "circuit.json: config not understood")
    norm = _norm(t, size.d, c["norm_eps"], centered=c["norm"] == "layer")

    def site(name: str) -> Steps:
        """AbsTopK where it acts, then the mask."""
        part, _, what = name.split(".", 1)[-1].partition(".")
        width = size.inner if what == "post_act" else size.heads * size.head if what in ("q", "k", "v") else size.d
        means, kept = t.take(f"mean:{name}", width), said["kept"][name]
        expect(all(type(n) is int and 0 <= n < width for n in kept), f"circuit.json: kept nodes of {name}")
        if not kept:
            return (Constant(means),)
        top = f"{part}_{ {'act_in': 'in', 'resid_delta': 'out', 'post_act': 'neuron'}.get(what, what) }"
        is_top = top in c["top_k_sites"] and c["top_k_fraction"] is not None
        k = max(1, int(c["top_k_fraction"] * width)) if is_top else width
        pick = [(n in kept, mean) for n, mean in enumerate(means)]
        return (lambda a, rows: [[m if not keep and (a.is_real or v.is_finite()) else v
                                  for v, (keep, m) in zip(a.top_k(x, k), pick, strict=True)]
                                 for x in rows],)  # fmt: skip

    sinks = "attn.attn_imp.sink_logit" if c["sink"] else ""
    found = tuple(_layers(t, CIRCUIT, size, c["activation"], norm, site, sinks))
    head = Affine(t.matrix("lm_head.weight", vocab, size.d), t.take("final_logits_bias", vocab))
    final: Steps = (*site("final_resid"), *norm("transformer.ln_f"), head)
    positions = t.matrix("transformer.wpe.weight", longest, size.d) if c["positions"] else None
    bigram = t.matrix("bigram_table", vocab, vocab) if c["bigram"] else None
    table, names = t.matrix("transformer.wte.weight", vocab, size.d), tuple(said["vocabulary"])
    return Read(Network(table, positions, found, final, longest, bigram=bigram), said["name"], names, names)


def _own_name(name: str) -> str:
    """What GPT-2 calls a tensor that is stored with a prefix, or under a name of TransformerLens of the same shape."""
    name = name.removeprefix("transformer.")
    for pattern, own in LENS_NAMES.items():
        name = re.sub(pattern, own, name)
    return name


def _gpt2(said: dict[str, Any], t: Tensors) -> Read:
    c, case, ids = {"n_inner": None, **said["config.json"]}, said.get("case.json", {}), said.get("vocab.json", {})
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
    names = {n: name for name, n in (case["tokens"] if isinstance(case.get("tokens"), dict) else ids).items()}
    tokens = tuple(names.get(n, f"#{n}") for n in range(vocab))
    return Read(network, case.get("name", ""), tokens, tokens)


def _dyck(said: dict[str, Any], t: Tensors) -> Read:
    c = said["config.json"]
    n, d, heads, inner, layers = _whole(c, "n d heads ff layers")
    known = c.keys() <= {"n", "d", "heads", "ff", "layers", "causal", "pool", "note"} and type(c["causal"]) is bool
    expect(known and c["pool"] in ("sum", "mean", "last") and d % heads == 0, "config.json: not understood")
    found = tuple(_layers(t, DYCK, Size(layers, heads, d // heads, d, inner), "relu"))
    final: Steps = DYCK.affine(t, "h1", d, d), _activation("relu"), DYCK.affine(t, "h2", d, 2)
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
    network = Network(table, positions, found, (*norm("ln_final"), Affine(weight, bias)), c.longest, c.causal)
    tokens = _lens_tokens(case["tokens"]) if isinstance(case.get("tokens"), dict) else ()
    tokens = tokens or tuple(f"#{n}" for n in range(c.vocabulary))
    names = tokens if outputs == len(tokens) else tuple(f"#{n}" for n in range(outputs))
    return Read(network, case.get("name", ""), tokens, names)


def _described(c: dict[str, Any]) -> Described:
    """By the entries of HookedTransformerConfig."""
    longest, d, layers, head, vocabulary = _whole(c, "n_ctx d_model n_layers d_head d_vocab")
    others = [name for name in c if name not in LENS_USED and not LENS_OTHERS.fullmatch(name)]
    strange = [name for name in others if c[name] not in LENS_ALLOWED.get(name, ())]
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
