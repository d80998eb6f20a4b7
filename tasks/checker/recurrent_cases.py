"""Recurrent networks that ``case.json`` describes: DyNet's GRUs and LSTMs, and recurrent networks of numbers.

dynet    tensors embedding, layers.L.G.Wx, .Wh and .b of gates G, layers.L.h0 (and .c0), out.weight and out.bias
             a(G) = Wx_G in + Wh_G h + b_G;  in: the embedding, then the new h of the layer below
             GRU   h' = s(a(z)) h + (1 - s(a(z))) tanh(a(htilde));  the gate r is stored and not used
             LSTM  c' = c s(a(f)) + tanh(a(ctilde)) s(a(i));  h' = tanh(c') s(a(o))
         read at the end: logits of accept and of reject
numbers  tensors hmlp.mlp.0.weight, ... (on h and x side by side) and ymlp.mlp.0.weight, ..., with an activation
         between two maps; or Wh, Wx and Wy: h' = activation(Wh h + bh + Wx x + bx).  h starts as zeros
         read after every token, rounded to the nearest whole number

``architecture.formulas`` must be these of DyNet, up to remarks behind them.
"""

from __future__ import annotations

import re
from itertools import product
from typing import Any

from flint import arb

from tasks.checker.arithmetic import ZERO, Affine, Arithmetic, Row
from tasks.checker.declared import Declared, readout_of, texts
from tasks.checker.files import Tensors, expect
from tasks.checker.network import Product, Step
from tasks.checker.recurrent import Blend, Columns, Concat, Recurrent

Steps = tuple[Step, ...]
ONE, ANSWERS = arb(1), ["accept", "reject"]
SHARED = ("x_t = embedding[symbol id]", "affine(g) = Wx_g @ in + Wh_g @ h_(t-1) + b_g")
GRU = (*SHARED, "z = sigmoid(affine(z)); ht = tanh(affine(htilde))", "h_t = z * h_(t-1) + (1 - z) * ht")
LSTM = (
    *SHARED,
    "i = sigmoid(affine(i)); f = sigmoid(affine(f)); o = sigmoid(affine(o)); g = tanh(affine(ctilde))",
    "c_t = c_(t-1) * f + g * i; h_t = tanh(c_t) * o",
)
PROSE = re.compile(
    r"initial state: h_0 = layers\.L\.h0[ ,(].*|"
    r"layer 0 reads x_t(, layer \d+ reads the new h of layer \d+)*; each layer keeps its own h( \(and c\))?"
)
MOST = 2**16  # tokens


def recurrent_case(said: dict[str, Any], t: Tensors) -> tuple[Recurrent, str, list[str], list[str]]:
    """The network, its name, the names of its tokens and those of its logits."""
    case = said["case.json"]
    network, tokens, outputs = (_dynet if "layers.0.h0" in t.left else _numbers)(case, said.get("config.json", {}), t)
    name = case.get("name", "")
    expect(type(name) is str, "case.json: the name should be a text")
    return network, name, tokens, outputs


def declared_by(case: dict[str, Any], tokens: list[str], outputs: int) -> Declared:
    """Every token, any length, and the read-out of the family; none of one of several numbers."""
    kind = case["read_out"]["kind"]
    if kind == "accept_reject_at_end":
        readout: dict[str, Any] | None = readout_of("argmax", [0, 1], ANSWERS)
    else:
        readout = readout_of("round", [0], [], "every") if outputs == 1 else None
    return Declared(tokens, None, None, [], [], readout, is_endless=True)


def _dynet(case: dict[str, Any], config: dict[str, Any], t: Tensors) -> tuple[Recurrent, list[str], list[str]]:
    symbols = case["symbols"]
    expect(sorted(symbols.values()) == [*range(len(symbols))], "case.json: the ids of symbols should be 0, 1, ...")
    expect({*map(type, symbols.values())} == {int}, "case.json: the ids of symbols should be whole numbers")
    tokens = sorted(symbols, key=symbols.__getitem__)
    expect(case["read_out"]["kind"] == "accept_reject_at_end", "case.json: read_out not understood")
    is_lstm = "layers.0.c0" in t.left
    _confirm_formulas(texts(case["architecture"]["formulas"]), LSTM if is_lstm else GRU)
    shape = t.left["embedding"]["shape"] if "embedding" in t.left else []
    expect(len(shape) == 2 and shape[0] == len(tokens), "expected an embedding with a row per symbol")
    inputs, (size,) = shape[1], t.left["layers.0.h0"]["shape"]
    embedding = t.matrix("embedding", len(tokens), inputs)
    layers = sum(re.fullmatch(r"layers\.\d+\.h0", name) is not None for name in t.left)
    each = 2 * size if is_lstm else size
    width, start, steps = layers * each, Row(), list[Step]()
    for n in range(layers):
        at, read = f"layers.{n}.", (width, inputs) if n == 0 else ((n - 1) * each, size)
        start += t.take(f"{at}h0", size) + (t.take(f"{at}c0", size) if is_lstm else [])
        names = ("i", "f", "o", "ctilde") if is_lstm else ("z", "r", "htilde")
        gates = {name: _gate(t, at + name, size, read, n * each, width + inputs) for name in names}
        h, c = Columns(n * each, n * each + size), Columns(n * each + size, (n + 1) * each)
        new: Steps = _lstm(gates, c, size) if is_lstm else (Blend((gates["z"],), (h,), (gates["htilde"], _tanh)),)
        steps.append(Concat((*columns(0, n * each), new, *columns((n + 1) * each, width + inputs))))
    steps.append(Columns(0, width))
    last = (layers - 1) * each
    output = (Columns(last, last + size), Affine(t.matrix("out.weight", 2, size), t.take("out.bias", 2)))
    return Recurrent(embedding, start, tuple(steps), output), tokens, ANSWERS


def _confirm_formulas(lines: list[str], known: tuple[str, ...]) -> None:
    """Every formula is known, and every known one is there, with nothing but a remark behind it."""
    found = set[str]()
    for line in (" ".join(line.split()) for line in lines):
        match = next((f for f in known if line == f or line.startswith((f"{f} (", f"{f} with "))), None)
        expect(match or PROSE.fullmatch(line), f"case.json: a formula that is not understood: {line[:80]!r}")
        found |= {match} if match else set()
    expect(found == {*known}, "case.json: expected all formulas of the network")


def _gate(t: Tensors, name: str, size: int, read: tuple[int, int], h: int, whole: int) -> Affine:
    """The map of a gate, of rows of ``whole`` numbers: what it reads begins at read[0], and its state at ``h``."""
    of_input, of_state = t.matrix(f"{name}.Wx", size, read[1]), t.matrix(f"{name}.Wh", size, size)
    weight = [[ZERO] * whole for _ in range(size)]
    for row, x, y in zip(weight, of_input, of_state, strict=True):
        row[read[0] : read[0] + read[1]] = x
        row[h : h + size] = y
    return Affine(weight, t.take(f"{name}.b", size))


def _lstm(gates: dict[str, Affine], c: Columns, size: int) -> Steps:
    """Rows to h' and c' side by side."""
    shares: Steps = (Concat(((gates["f"],), (gates["i"],))), _sigmoid)
    both = Product(shares, (Concat(((c,), (gates["ctilde"], _tanh))),))
    summed = Affine([[ONE if k % size == n else ZERO for k in range(2 * size)] for n in range(size)], [ZERO] * size)
    first = Concat(((gates["o"], _sigmoid), (both, summed)))
    o, new = Columns(0, size), Columns(size, 2 * size)
    return (first, Concat(((Product((o,), (new, _tanh)),), (new,))))


def columns(start: int, stop: int) -> tuple[Steps, ...]:
    """The way of these columns, if there are any."""
    return ((Columns(start, stop),),) if start < stop else ()


def _numbers(case: dict[str, Any], config: dict[str, Any], t: Tensors) -> tuple[Recurrent, list[str], list[str]]:
    expect(case["read_out"]["kind"] == "round", "case.json: read_out not understood")
    kind = str(config.get("activation", "")).lower()
    between: Steps = (ACTIVATIONS[kind],) if kind in ACTIVATIONS else ()
    if "Wh.weight" in t.left:
        expect(between, "config.json: expected an activation that is known")
        width, inputs = (axis(t, name, which) for name, which in (("Wh.weight", 0), ("Wx.weight", 1)))
        maps = t.matrix("Wh.weight", width, width), t.matrix("Wx.weight", width, inputs)
        rows = [[*h, *x, b] for h, x, b in zip(*maps, t.take("Wx.bias", width), strict=True)]
        transition: Steps = (Affine(rows, t.take("Wh.bias", width)), *between)
        outputs = axis(t, "Wy.weight", 0)
        output: Steps = (Affine(t.matrix("Wy.weight", outputs, width), t.take("Wy.bias", outputs)),)
        more = [ONE]  # the second bias is the weight of an input that is always 1
    else:
        width = axis(t, f"{_maps(t, 'hmlp')[-1]}.weight", 0)
        inputs, more = axis(t, "hmlp.mlp.0.weight", 1) - width, []
        transition = _mlp(t, "hmlp", width + inputs, width, between)
        outputs = axis(t, f"{_maps(t, 'ymlp')[-1]}.weight", 0)
        output = _mlp(t, "ymlp", width, outputs, between)
    tokens, table = numbers_of(case, inputs)
    names = ["y"] if outputs == 1 else [f"y{n}" for n in range(outputs)]
    return Recurrent([row + more for row in table], [ZERO] * width, transition, output), tokens, names


def numbers_of(case: dict[str, Any], inputs: int) -> tuple[list[str], list[Row]]:
    """The tokens of all numbers of a step, and these."""
    text = str(case["input"]["domain"])
    ends = re.search(r"integers? (-?\d{1,6})\.\.(-?\d{1,6})", text)
    span = range(int(ends[1]), int(ends[2]) + 1) if ends else range(2 * bool(re.search(r"\bbits?\b", text)))
    expect(span and 0 < inputs < 17 and len(span) ** inputs <= MOST, "case.json: the numbers of a step")
    steps = [*product(span, repeat=inputs)]
    return [",".join(map(str, step)) for step in steps], [[arb(x) for x in step] for step in steps]


def _maps(t: Tensors, mlp: str) -> list[str]:
    numbers = sorted(int(m[1]) for name in t.left if (m := re.fullmatch(rf"{mlp}\.mlp\.(\d{{1,3}})\.weight", name)))
    expect(numbers and numbers == [*range(0, 2 * len(numbers), 2)], f"expected the maps {mlp}.mlp.0, {mlp}.mlp.2, ...")
    return [f"{mlp}.mlp.{n}" for n in numbers]


def _mlp(t: Tensors, mlp: str, into: int, out: int, between: Steps) -> Steps:
    steps = list[Step]()
    names = _maps(t, mlp)
    expect(between or len(names) == 1, "config.json: expected an activation that is known")
    for n, name in enumerate(names):
        size = out if n == len(names) - 1 else axis(t, f"{name}.weight", 0)
        steps += [*(between if n else ()), Affine(t.matrix(f"{name}.weight", size, into), t.take(f"{name}.bias", size))]
        into = size
    return tuple(steps)


def axis(t: Tensors, name: str, which: int) -> int:
    """The length of one axis of a matrix."""
    expect(name in t.left and len(t.left[name]["shape"]) == 2, f"expected a tensor {name} of two axes")
    return int(t.left[name]["shape"][which])


def _activation(kind: str) -> Step:
    def step(a: Arithmetic, rows: list[Row]) -> list[Row]:
        return [a.activate(row, kind) for row in rows]

    return step


ACTIVATIONS = {kind: _activation(kind) for kind in ("relu", "tanh", "sigmoid")}
_tanh, _sigmoid = ACTIVATIONS["tanh"], ACTIVATIONS["sigmoid"]
