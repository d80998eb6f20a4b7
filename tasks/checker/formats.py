"""The formats that are understood: which files a network is stored in, and what their numbers mean.

Written from the formulas of each format (they stand in the docstrings of ``tasks.formats``); a file with anything
unknown in it is refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from flint import arb

from tasks.checker.arithmetic import LEAST_EPS, ZERO, Row
from tasks.checker.files import Tensors, expect, parse
from tasks.checker.network import Affine, Branch, Heads, Network, Step

FILES = {
    "circuit": (("circuit.json", "weights.safetensors"), ()),
    "gpt2": (("config.json", "model.safetensors"), ("case.json", "vocab.json")),
    "dyck": (("config.json", "model.safetensors"), ()),
    "tracr": (("case.json", "model.safetensors"), ()),
}  # those that must be there, and those that may
ALLOWED = {
    **dict.fromkeys(("scale_attn_by_inverse_layer_idx", "reorder_and_upcast_attn", "add_cross_attention"), (False,)),
    **dict.fromkeys(("is_encoder_decoder", "is_decoder"), (False,)),
    **dict.fromkeys(("dtype", "torch_dtype"), (None, "float32", "float64")),
    **{"model_type": ("gpt2",), "scale_attn_weights": (True,), "tie_word_embeddings": (True, False)},
    **{"pruned_heads": ({},), "quantization_config": (None,)},
}  # entries of a GPT-2's config that change the function; those that are read, and those that matter to nobody:
READ = re.compile("vocab_size|n_positions|n_embd|n_layer|n_head|n_inner|layer_norm_epsilon|activation_function")
INERT = re.compile(
    r"architectures|_name_or_path|(attn|embd|resid)_pdrop|(bos|eos|pad)_token_id|gradient_checkpointing|id2label|"
    r"label2id|initializer_range|n_ctx|output_(attentions|hidden_states|past)|return_dict|summary_\w+|task_specific_params|"
    r"transformers_version|use_cache"
)
ACTIVATIONS = {"gelu_new": "gelu_tanh", "gelu_pytorch_tanh": "gelu_tanh", "gelu": "gelu", "relu": "relu"}
Steps = tuple[Step, ...]


@dataclass(frozen=True)
class Read:
    """A network and what its folder calls things. ``outputs`` name the logits; ``reading``: columns and other names."""

    network: Network
    name: str
    tokens: tuple[str, ...]
    outputs: tuple[str, ...]
    reading: tuple[list[int], list[str]] | None = None


def read(kind: str, files: dict[str, bytes], semantics: str) -> Read:
    """The network in ``files``; raises UnreadableError for anything that is not understood."""
    expect(kind in FILES, f"unknown format {kind!r}; known: {', '.join(FILES)}")
    must, may = FILES[kind]
    expect({*must} <= files.keys() <= {*must, *may}, f"a {kind} network is stored in {', '.join(must)}")
    tensors = Tensors(must[1], files[must[1]])
    said = {name: parse(name, content) for name, content in files.items() if name.endswith(".json")}
    result = {"circuit": _circuit, "gpt2": _gpt2, "dyck": _dyck, "tracr": _tracr}[kind](said, tensors)
    tensors.done(semantics)
    expect(len({*result.tokens}) == len(result.tokens) == len(result.network.tokens), "tokens need one name each")
    return result


def affine(weight: list[Row], bias: Row | None = None) -> Affine:
    return Affine(weight, bias or [ZERO] * len(weight))


def linear(t: Tensors, weight: str, bias: str | None, into: int, out: int, *, turned: bool = False) -> Affine:
    """A stored affine map; ``turned``: its weight is stored as (in, out)."""
    table = t.matrix(weight, into, out) if turned else t.matrix(weight, out, into)
    return affine(
        [list(row) for row in zip(*table, strict=True)] if turned else table, t.take(bias, out) if bias else None
    )


def norm(gain: Row, bias: Row | None, eps: Any, *, centered: bool) -> Step:
    expect(type(eps) is float and LEAST_EPS <= eps < 1, f"expected a norm's eps from 2**-40 to 1, got {eps!r}")
    return lambda a, rows: [a.norm(x, gain, bias or [ZERO] * len(x), eps, centered=centered) for x in rows]


def constant(row: Row) -> Step:
    return lambda a, rows: [row] * len(rows)


def activation(kind: str) -> Step:
    return lambda a, rows: [[a.activate(x, kind) for x in row] for row in rows]


def branches(
    qkvo: Sequence[Affine],
    mlp: Steps,
    count: int,
    d_head: int,
    sinks: Row | None = None,
    site: Callable[[str], Steps] = lambda name: (),
    norms: tuple[Steps, Steps] = ((), ()),
) -> Iterator[Branch]:
    """A layer's two residual branches; ``site(name)`` acts on the values at a node site."""
    *qkv, o = qkvo
    query, key, value = ((step, *site(f"attn.{part}")) for step, part in zip(qkv, "qkv", strict=True))
    attention = Heads(query, key, value, count, 1 / arb(d_head).sqrt(), sinks)
    before, after = (*norms[0], *site("attn.act_in")), (o, *site("attn.resid_delta"))
    is_used = any(w != 0 for row in o.weight for w in row)
    yield Branch(before, attention, after) if is_used else Branch((), None, (constant(o.bias), *after[1:]))
    up, act, down = mlp
    inner = (*site("mlp.act_in"), up, act, *site("mlp.post_act"), down)
    yield Branch((*norms[1], *inner, *site("mlp.resid_delta")), None, ())


def whole(said: dict[str, Any], names: str) -> list[int]:
    """These entries, each a whole number from 1."""
    values = [said.get(name) for name in names.split()]
    expect(all(type(value) is int and 0 < value < 2**24 for value in values), f"expected sizes {names}")
    return values  # type: ignore[return-value]


def _circuit(said: dict[str, Any], t: Tensors) -> Read:
    said, c = said["circuit.json"], said["circuit.json"]["config"]
    vocab, layers, count, d_head, d, inner, longest = whole(
        c, "vocab_size n_layer n_head d_head d_model d_mlp block_size"
    )
    width, is_layer = count * d_head, c["norm"] == "layer"
    known = c["norm"] in ("rms", "layer") and c["activation"] in ("gelu", "relu") and len(c) == 15
    expect(known, "circuit.json: config not understood")

    def site(name: str) -> Steps:
        """AbsTopK where it acts, then the mask."""
        part, _, what = name.split(".", 1)[-1].partition(".")
        size = inner if what == "post_act" else width if what in ("q", "k", "v") else d
        means, kept = t.take(f"mean:{name}", size), said["kept"][name]
        expect(all(type(n) is int and 0 <= n < size for n in kept), f"circuit.json: kept nodes of {name}")
        top = f"{part}_{ {'act_in': 'in', 'resid_delta': 'out', 'post_act': 'neuron'}.get(what, what) }"
        is_top = top in c["top_k_sites"] and c["top_k_fraction"] is not None
        k = max(1, int(c["top_k_fraction"] * size)) if is_top else size
        pick = [(n in kept, mean) for n, mean in enumerate(means)]
        if not kept:
            return (constant(means),)
        return (lambda a, rows: [[v if keep else m for v, (keep, m) in zip(a.top_k(x, k), pick, strict=True)]
                                 for x in rows],)  # fmt: skip

    def normed(name: str) -> Steps:
        bias = t.take(f"{name}.bias", d) if is_layer else None
        return (norm(t.take(f"{name}.weight", d), bias, c["norm_eps"], centered=is_layer),)

    found: list[Branch] = []
    for n, at in ((n, f"transformer.h.{n}.") for n in range(layers)):
        weight, bias = t.matrix(f"{at}attn.c_attn.weight", 3 * width, d), t.take(f"{at}attn.c_attn.bias", 3 * width)
        qkv = [affine(weight[m : m + width], bias[m : m + width]) for m in (0, width, 2 * width)]
        o, up, down = (
            linear(t, f"{at}{name}.weight", f"{at}{name}.bias", *sizes)
            for name, *sizes in (("attn.c_proj", width, d), ("mlp.c_fc", d, inner), ("mlp.c_proj", inner, d))
        )
        sinks = t.take(f"{at}attn.attn_imp.sink_logit", count) if c["sink"] else None
        norms = normed(f"{at}ln_1"), normed(f"{at}ln_2")
        attention, mlp = branches(
            [*qkv, o],
            (up, activation(c["activation"]), down),
            count,
            d_head,
            sinks,
            lambda s, n=n: site(f"{n}.{s}"),
            norms,
        )
        ablated = Branch((), None, attention.after[-1:])  # where no node of attention's result is kept
        found += [attention if said["kept"][f"{n}.attn.resid_delta"] else ablated, mlp]
    final = (
        *site("final_resid"),
        *normed("transformer.ln_f"),
        linear(t, "lm_head.weight", "final_logits_bias", d, vocab),
    )
    positions = t.matrix("transformer.wpe.weight", longest, d) if c["positions"] else None
    bigram = t.matrix("bigram_table", vocab, vocab) if c["bigram"] else None
    table, names = t.matrix("transformer.wte.weight", vocab, d), tuple(said["vocabulary"])
    return Read(Network(table, positions, tuple(found), final, longest, bigram=bigram), said["name"], names, names)


def _gpt2(said: dict[str, Any], t: Tensors) -> Read:
    c, case, ids = {"n_inner": None, **said["config.json"]}, said.get("case.json", {}), said.get("vocab.json", {})
    vocab, longest, d, layers, count = whole(c, "vocab_size n_positions n_embd n_layer n_head")
    (inner,) = [4 * d] if c["n_inner"] is None else whole(c, "n_inner")
    eps, act = c.get("layer_norm_epsilon", 1e-5), ACTIVATIONS.get(c.get("activation_function", "gelu_new"), "")
    rest = {name: value for name, value in c.items() if not (READ.fullmatch(name) or INERT.fullmatch(name))}
    strange = [name for name, value in rest.items() if value not in ALLOWED.get(name, ())]
    expect(not strange and act and d % count == 0, f"config.json: not understood: {strange[:1] or 'heads, activation'}")
    buffers = [name for name in t.left if re.fullmatch(r"(transformer\.)?h\.\d+\.attn\.(bias|masked_bias)", name)]
    t.left = {name.removeprefix("transformer."): e for name, e in t.left.items() if name not in buffers}

    def normed(name: str) -> Steps:
        return (norm(t.take(f"{name}.weight", d), t.take(f"{name}.bias", d), eps, centered=True),)

    found: list[Branch] = []
    for at in (f"h.{n}." for n in range(layers)):
        table, bias = t.matrix(f"{at}attn.c_attn.weight", d, 3 * d), t.take(f"{at}attn.c_attn.bias", 3 * d)
        weight = [list(row) for row in zip(*table, strict=True)]
        qkv = [affine(weight[m : m + d], bias[m : m + d]) for m in (0, d, 2 * d)]
        o, up, down = (
            linear(t, f"{at}{name}.weight", f"{at}{name}.bias", *sizes, turned=True)
            for name, *sizes in (("attn.c_proj", d, d), ("mlp.c_fc", d, inner), ("mlp.c_proj", inner, d))
        )
        norms = normed(f"{at}ln_1"), normed(f"{at}ln_2")
        found += branches([*qkv, o], (up, activation(act), down), count, d // count, norms=norms)
    table = t.matrix("wte.weight", vocab, d)
    is_tied = "lm_head.weight" not in t.left
    expect(not is_tied or c.get("tie_word_embeddings", True), "model.safetensors: expected a tensor lm_head.weight")
    head = affine(table) if is_tied else linear(t, "lm_head.weight", None, d, vocab)
    network = Network(table, t.matrix("wpe.weight", longest, d), tuple(found), (*normed("ln_f"), head), longest)
    named = {n: name for name, n in (case["tokens"] if isinstance(case.get("tokens"), dict) else ids).items()}
    tokens = tuple(named.get(n, f"#{n}") for n in range(vocab))
    return Read(network, case.get("name", ""), tokens, tokens)


def _dyck(said: dict[str, Any], t: Tensors) -> Read:
    c = said["config.json"]
    n, d, count, inner, layers = whole(c, "n d heads ff layers")
    known = c.keys() <= {"n", "d", "heads", "ff", "layers", "causal", "pool", "note"} and type(c["causal"]) is bool
    expect(known and c["pool"] in ("sum", "mean", "last") and d % count == 0, "config.json: not understood")
    found: list[Branch] = []
    for at in (f"blocks.{layer}." for layer in range(layers)):
        qkvo = [linear(t, f"{at}W{part}.weight", None, d, d) for part in "qkvo"]
        up = linear(t, f"{at}mlp1.weight", f"{at}mlp1.bias", d, inner)
        down = linear(t, f"{at}mlp2.weight", f"{at}mlp2.bias", inner, d)
        found += branches(qkvo, (up, activation("relu"), down), count, d // count)
    first, last = linear(t, "h1.weight", "h1.bias", d, d), linear(t, "h2.weight", "h2.bias", d, 2)
    tables, final = (t.matrix("tok.weight", 2, d), t.matrix("pos", n, d)), (first, activation("relu"), last)
    return Read(
        Network(*tables, tuple(found), final, n, c["causal"], c["pool"]), "", ("(", ")"), ("not valid", "valid")
    )


def _tracr(said: dict[str, Any], t: Tensors) -> Read:
    said = said["case.json"]
    c, reading, encoding = said["architecture"], said["read_out"], said["input"]["encoding"]
    layers, count, size, d, inner = whole(c, "num_layers num_heads key_size d_model mlp_hidden")
    known = c["layer_norm"] is False and c["activation"] == "relu" and type(c["causal"]) is bool
    expect(known, "case.json: architecture not understood")
    found: list[Branch] = []
    wide = {"attn/linear": (count * size, d), "mlp/linear_1": (d, inner), "mlp/linear_2": (inner, d)}
    for at in (f"transformer/layer_{n}/" for n in range(layers)):
        q, k, v, o, up, down = (
            linear(t, f"{at}{name}/w", f"{at}{name}/b", *wide.get(name, (d, count * size)), turned=True)
            for name in ("attn/query", "attn/key", "attn/value", *wide)
        )
        found += branches([q, k, v, o], (up, activation("relu"), down), count, size)
    longest = t.left["pos_embed/embeddings"]["shape"][0]
    tables = t.matrix("token_embed/embeddings", len(encoding), d), t.matrix("pos_embed/embeddings", longest, d)
    named, labels = {n: name for name, n in encoding.items()}, c.get("residual_labels", [])
    outputs = tuple(labels) if len(labels) == d else tuple(f"#{n}" for n in range(d))
    tokens, network = (
        tuple(named[n] for n in range(len(named))),
        Network(*tables, tuple(found), (), longest, c["causal"]),
    )
    return Read(network, said.get("name", ""), tokens, outputs, (reading["columns"], reading.get("values", [])))
