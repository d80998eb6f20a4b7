"""The formats that are understood: which files a network is stored in, and what their numbers mean.

Written from the formulas of each format (they stand in the docstrings of ``tasks.formats``); a file with anything
unknown in it is refused. What all have in common is a stack of layers; ``Layout`` says what a format calls their maps.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from flint import arb

from tasks.checker.arithmetic import LEAST_EPS, ROUNDOFF, ZERO, Affine, Arithmetic, Row
from tasks.checker.files import Tensors, expect, parse
from tasks.checker.network import Branch, Constant, Heads, Network, Step, lean

FILES = {
    "circuit": (("circuit.json", "weights.safetensors"), ()),
    "gpt2": (("config.json", "model.safetensors"), ("case.json", "vocab.json")),
    "dyck": (("config.json", "model.safetensors"), ()),
    "tracr": (("case.json", "model.safetensors"), ()),
}  # those that must be there, and those that may
ALLOWED: dict[str, tuple[Any, ...]] = {
    **dict.fromkeys(("scale_attn_by_inverse_layer_idx", "reorder_and_upcast_attn", "add_cross_attention"), (False,)),
    **dict.fromkeys(("is_encoder_decoder", "is_decoder"), (False,)),
    **dict.fromkeys(("dtype", "torch_dtype"), (None, "float32", "float64")),
    **{"model_type": ("gpt2",), "scale_attn_weights": (True,), "tie_word_embeddings": (True, False)},
    **{"pruned_heads": ({},), "quantization_config": (None,)},
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
Steps = tuple[Step, ...]
Site = Callable[[str], Steps]  # what acts on the values at a node site


@dataclass(frozen=True)
class Read:
    """A network and what its folder calls things: ``outputs`` name the logits, or ``reading`` these columns."""

    network: Network
    name: str
    tokens: tuple[str, ...]
    outputs: tuple[str, ...]
    reading: tuple[list[int], list[str]] | None = None


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
    tensors = Tensors(must[1], files[must[1]])
    said = {name: parse(name, content) for name, content in files.items() if name.endswith(".json")}
    result = {"circuit": _circuit, "gpt2": _gpt2, "dyck": _dyck, "tracr": _tracr}[kind](said, tensors)
    tensors.done(semantics)
    result = replace(result, network=lean(result.network, Arithmetic(ROUNDOFF[semantics])))
    expect(len({*result.tokens}) == len(result.tokens) == len(result.network.tokens), "tokens need one name each")
    return result


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
        up, down = layout.affine(t, at + layout.up, d, size.inner), layout.affine(t, at + layout.down, size.inner, d)
        first, second = [norm(at + name) for name in layout.norms] or [(), ()]
        steps: tuple[Steps, ...] = tuple(
            (step, *site(f"{n}.attn.{part}")) for step, part in zip(qkv, "qkv", strict=True)
        )
        scores: list[arb | None] = [*t.take(at + sinks, size.heads)] if sinks else [None] * size.heads
        result = site(f"{n}.attn.resid_delta")
        before, heads = (*first, *site(f"{n}.attn.act_in")), Heads(steps, size.heads, 1 / arb(size.head).sqrt(), scores)
        used = any(w != 0 for row in o.weight for w in row) and not any(isinstance(step, Constant) for step in result)
        yield Branch(before, heads, (o, *result), () if used else (Constant(o.bias), *result))
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


def _gpt2(said: dict[str, Any], t: Tensors) -> Read:
    c, case, ids = {"n_inner": None, **said["config.json"]}, said.get("case.json", {}), said.get("vocab.json", {})
    vocab, longest, d, layers, heads = _whole(c, "vocab_size n_positions n_embd n_layer n_head")
    (inner,) = [4 * d] if c["n_inner"] is None else _whole(c, "n_inner")
    kind = ACTIVATIONS.get(c.get("activation_function", "gelu_new"), "")
    strange = [name for name in c if not OTHERS.fullmatch(name) and c[name] not in ALLOWED.get(name, ())]
    expect(
        not strange and kind and d % heads == 0, f"config.json: not understood: {strange[:1] or 'heads, activation'}"
    )
    buffers = re.compile(r"(transformer\.)?h\.\d+\.attn\.(bias|masked_bias)")
    t.left = {name.removeprefix("transformer."): e for name, e in t.left.items() if not buffers.fullmatch(name)}
    norm = _norm(t, d, c.get("layer_norm_epsilon", 1e-5), centered=True)
    found = tuple(_layers(t, GPT2, Size(layers, heads, d // heads, d, inner), kind, norm))
    table, is_tied = t.matrix("wte.weight", vocab, d), "lm_head.weight" not in t.left
    expect(not is_tied or c.get("tie_word_embeddings", True), "model.safetensors: expected a tensor lm_head.weight")
    head = Affine(table if is_tied else t.matrix("lm_head.weight", vocab, d), [ZERO] * vocab)
    network = Network(table, t.matrix("wpe.weight", longest, d), found, (*norm("ln_f"), head), longest)
    named = {n: name for name, n in (case["tokens"] if isinstance(case.get("tokens"), dict) else ids).items()}
    tokens = tuple(named.get(n, f"#{n}") for n in range(vocab))
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
