"""The SMT-friendly transformers: numbers in JSON, sparsemax or softmax attention, and circuits given as edges.

Written from the formulas in ``tasks.formats.sparsemax``. A circuit is run on a wide stream, in which every node that is
read has columns of its own, and so has each bias behind heads: a node reads the sum of its sources by one map.
"""

from __future__ import annotations

import re
import struct
from typing import Any

from flint import arb

from tasks.checker.arithmetic import ZERO, Affine, Arithmetic, Row
from tasks.checker.files import Gathered, Tensors, expect
from tasks.checker.network import Branch, Heads, Network, Step, is_tame

CIRCUIT_OF = re.compile(r"circuit_[^/]+\.json")
CONFIG = {"vocab_size", "max_seq_len", "d_model", "n_layers", "n_heads", "d_mlp", "norm_variant", "attn_variant",
          "activation_variant", "bos_token_id", "leaky_relu_negative_slope", "use_bias"}  # fmt: skip
INERT = {"pad_token_id", "eos_token_id", "tie_embeddings", "norm_l1_low_per_dim", "norm_l1_high_per_dim", "dropout",
         "attn_pdrop", "resid_pdrop", "embd_pdrop", "initializer_range"}  # fmt: skip
SAME = ("d_model", "n_layers", "n_heads", "vocab_size", "norm_variant", "attn_variant", "activation_variant")
UNUSED = re.compile(r"half_low|half_high|program_heads|d_ff|head_dim|.*_norm_(gamma|beta)")
FILE = "smt_weights.json"


def gathered(said: dict[str, Any]) -> Gathered:
    """The arrays of numbers in a JSON object; as float32 where every number is one, else as float64."""
    arrays = {n: _flat(n, v) for n, v in said.items() if n not in SAME and not UNUSED.fullmatch(n)}
    single = all(_is_single(x) for _, numbers in arrays.values() for x in numbers)
    tensors = Gathered(FILE)
    for name, (shape, numbers) in arrays.items():
        content = struct.pack(f"<{len(numbers)}{'f' if single else 'd'}", *numbers)
        tensors.put(name, "F32" if single else "F64", shape, content)
    return tensors


def _flat(name: str, value: Any) -> tuple[tuple[int, ...], list[float]]:
    """The shape of an array of one or two dimensions, and its numbers."""
    expect(type(value) is list and value, f"{FILE}: {name} should be an array of numbers")
    rows = value if type(value[0]) is list else [value]
    fits = all(type(row) is list and len(row) == len(rows[0]) for row in rows)
    numbers = [x for row in rows for x in row] if fits else []
    fits = fits and all(type(x) is float or (type(x) is int and abs(x) < 2**53) for x in numbers)
    expect(fits, f"{FILE}: {name} should be an array of numbers")
    return (len(rows), len(rows[0])) if rows is value else (len(value),), [float(x) for x in numbers]


def _is_single(x: float) -> bool:
    try:
        return struct.unpack("<f", struct.pack("<f", x))[0] == x  # type: ignore[no-any-return]
    except OverflowError:
        return False


def sparsemax(said: dict[str, Any], t: Tensors, a: Arithmetic) -> tuple[Network, tuple[str, ...]]:
    """The network, or the circuit of it that is there, as executed in ``a``; and the names of its tokens."""
    c, stored, names = said["config.json"], said[FILE], said["vocab.json"]["token_names"]
    sizes = [c[name] for name in ("vocab_size", "max_seq_len", "d_model", "n_layers", "n_heads", "d_mlp")]
    expect(all(type(n) is int and 0 < n < 2**16 for n in sizes), "config.json: sizes should be whole numbers from 1")
    vocab, longest, d, _, heads, inner = sizes
    slope = c.get("leaky_relu_negative_slope", 0.01) if c["activation_variant"] == "leaky_relu" else 0.0
    known = c.keys() <= CONFIG | INERT and c["norm_variant"] == "none" and c.get("use_bias", True) is True
    known = known and c["attn_variant"] in ("sparsemax", "softmax") and d % heads == 0
    known = known and c["activation_variant"] in ("leaky_relu", "relu", "gelu")
    known = known and type(slope) in (int, float) and 0 <= slope < 1
    bos = c["bos_token_id"]
    expect(known and type(bos) is int and 0 <= bos < vocab, "config.json: not understood")
    same = all(stored.get(name) == c[name] for name in SAME) and stored.get("d_ff") == inner
    same = same and stored.get("head_dim") == d // heads and not stored.get("program_heads")
    expect(same, f"{FILE}: not the weights of config.json")
    layer = _Layers(c, t, arb(float(slope)))
    tables = t.matrix("wte", vocab, d), t.matrix("wpe", longest, d)
    head = Affine(t.matrix("lm_head", vocab, d), t.take("lm_head_bias", vocab))
    tokens = tuple(names.get(str(n), f"#{n}") for n in range(vocab))
    expect(all(type(name) is str for name in tokens), "vocab.json: names of tokens should be texts")
    network = Network(*tables, tuple(layer.branches()), (head,), longest)
    edges = [content for name, content in said.items() if CIRCUIT_OF.fullmatch(name)]
    if edges:
        expect(a.is_real or is_tame(network, a), "a circuit of a network in which anything may overflow")
        network = _pruned(edges[0], layer, network, head)
    return network, tokens


class _Layers:
    """What each layer computes of rows of the stream."""

    def __init__(self, c: dict[str, Any], t: Tensors, slope: arb) -> None:
        self.d, self.layers, self.heads, self.inner = c["d_model"], c["n_layers"], c["n_heads"], c["d_mlp"]
        self.head, self.projects, kind = self.d // self.heads, c["attn_variant"] == "sparsemax", c["activation_variant"]
        d = self.d
        self.maps = {f"{n}{p}": Affine(t.matrix(f"attn_{n}_W_{p}", d, d), t.take(f"attn_{n}_b_{p}", d))
                     for n in range(self.layers) for p in "qkvo"}  # fmt: skip
        self.ups = [Affine(t.matrix(f"mlp_{n}_W_up", self.inner, d), t.take(f"mlp_{n}_b_up", self.inner))
                    for n in range(self.layers)]  # fmt: skip
        self.downs = [Affine(t.matrix(f"mlp_{n}_W_down", d, self.inner), t.take(f"mlp_{n}_b_down", d))
                      for n in range(self.layers)]  # fmt: skip
        leaks = kind == "leaky_relu"
        self.act: Step = lambda a, rows: [a.leak(row, slope) if leaks else a.activate(row, kind) for row in rows]

    def branches(self) -> list[Branch]:
        """The whole network's."""
        found = []
        for n in range(self.layers):
            found.append(Branch((), self.attention(n, 0, self.d, self.heads), (self.maps[f"{n}o"],)))
            found.append(Branch(self.mlp(n), None, ()))
        return found

    def mlp(self, n: int) -> tuple[Step, ...]:
        return self.ups[n], self.act, self.downs[n]

    def attention(self, n: int, start: int, end: int, count: int) -> Heads:
        """``count`` heads, with these rows of the maps to queries, keys and values."""
        maps = [self.maps[f"{n}{part}"] for part in "qkv"]
        steps = tuple((Affine(m.weight[start:end], m.bias[start:end]),) for m in maps)
        return Heads(steps, count, 1 / arb(self.head).sqrt(), [None] * count, self.projects)


def _pruned(said: dict[str, Any], layer: _Layers, whole: Network, head: Affine) -> Network:
    """The circuit with these edges."""
    nodes = ["emb"]
    for n in range(layer.layers):
        nodes += [*(f"attn_{n}_h_{h}" for h in range(layer.heads)), f"mlp_{n}"]
    kept = _edges(said, [*nodes, "logits"])
    read = {source for sources in kept.values() for source in sources}
    d, size = layer.d, layer.head
    sizes = {node: size if "_h_" in node else d for node in nodes if node == "emb" or node in read}
    behind = sorted({int(node.split("_")[1]) for node in sizes if "_h_" in node})
    sizes |= {f"bias {n}": d for n in behind}
    starts, width = {}, 0
    for name, count in sizes.items():
        starts[name], width = width, width + count

    def reader(node: str) -> Affine:
        rows = [[ZERO] * width for _ in range(d)]
        for source in kept[node]:
            if "_h_" not in source:
                _identity(rows, starts[source])
                continue
            n, h = int(source.split("_")[1]), int(source.split("_")[3])
            for row, weights in zip(rows, layer.maps[f"{n}o"].weight, strict=True):
                row[starts[source] : starts[source] + size] = weights[size * h : size * h + size]
            _identity(rows, starts[f"bias {n}"])
        return Affine(rows, [ZERO] * d)

    def writer(node: str) -> Affine:
        rows = [[ZERO] * sizes[node] for _ in range(width)]
        for n in range(sizes[node]):
            rows[starts[node] + n][n] = arb(1)
        return Affine(rows, [ZERO] * width)

    branches = []
    for node in [name for name in sizes if name in nodes[1:]]:
        expect(node in kept, f"the circuit reads {node}, which reads nothing itself")
        n = int(node.split("_")[1])
        if node.startswith("mlp"):
            branches.append(Branch((reader(node), *layer.mlp(n), writer(node)), None, ()))
        else:
            h = int(node.split("_")[3])
            branches.append(Branch((reader(node),), layer.attention(n, size * h, size * h + size, 1), (writer(node),)))
    constants = [b for n in behind for b in layer.maps[f"{n}o"].bias]
    rest: Row = [ZERO] * (width - d - len(constants))
    assert whole.positions is not None
    tokens = [[*row, *rest, *constants] for row in whole.tokens]
    positions = [[*row, *[ZERO] * (width - d)] for row in whole.positions]
    return Network(tokens, positions, tuple(branches), (reader("logits"), head), whole.longest)


def _identity(rows: list[Row], start: int) -> None:
    for n, row in enumerate(rows):
        row[start + n] = arb(1)


def _edges(said: dict[str, Any], order: list[str]) -> dict[str, list[str]]:
    """Per node that reads anything its kept sources; every edge goes forward."""
    expect(said.get("granularity") == "head" and said.get("ablation") == "zero", "a circuit of another kind")
    kept: dict[str, list[str]] = {}
    for edge in said["edges"]:
        expect(edge.keys() == {"source", "target"}, "an edge has a source and a target")
        source, target = edge["source"], edge["target"]
        expect(source in order and target in order, "an edge between unknown nodes")
        same = source.rpartition("_h_")[0] == target.rpartition("_h_")[0] != ""
        expect(order.index(source) < order.index(target) and not same, "an edge that does not go forward")
        kept.setdefault(target, []).append(source)
    expect("logits" in kept and all(len({*s}) == len(s) for s in kept.values()), "edges that occur twice, or no end")
    return kept
