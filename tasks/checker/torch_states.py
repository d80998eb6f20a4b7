"""The state dict of a torch module with one recurrent layer, and a ``case.json`` that says what its tensors do not.

    recurrent   layer (rnn_tanh, rnn_relu, gru, lstm), name of it, embedding (or null), output: maps, and activations
    symbols     tokens with their ids; or input.domain, the numbers of a step

States begin as zeros. Per layer, with ``in`` its input, a(g) = W_ig in + b_ig + W_hg h + b_hg, and s the sigmoid:

    rnn    h' = tanh or relu of a
    gru    h' = s(a(z)) h + (1 - s(a(z))) tanh(W_in in + b_in + s(a(r)) (W_hn h + b_hn))             rows r, z, n
    lstm   c' = s(a(f)) c + s(a(i)) tanh(a(g));  h' = s(a(o)) tanh(c')                                rows i, f, g, o

The second bias of a gate is the weight of an input that is always 1.
"""

from __future__ import annotations

import re
from typing import Any

from tasks.checker.arithmetic import ONE, ZERO, Affine, Row
from tasks.checker.declared import Declared, readout_of, texts
from tasks.checker.files import Tensors, expect
from tasks.checker.network import Product
from tasks.checker.recurrent import Blend, Columns, Concat, Recurrent
from tasks.checker.recurrent_cases import ACTIVATIONS, Steps, axis, columns, numbers_of
from tasks.checker.torch_files import TorchTensors, archive

WEIGHTS = ("model.safetensors", "model.pt")
GATES = {"rnn_tanh": 1, "rnn_relu": 1, "gru": 3, "lstm": 4}
ENTRIES = {"layer", "name", "embedding", "output"}


def state_dict(files: dict[str, bytes]) -> Tensors:
    """The tensors of the one file that holds them."""
    names = [name for name in WEIGHTS if name in files]
    expect(len(names) == 1, f"expected one of {', '.join(WEIGHTS)}")
    (name,) = names
    if name.endswith(".safetensors"):
        return Tensors(name, files[name])
    stored, found = archive(name, files[name]), TorchTensors(name)
    expect(type(stored.value) is dict and stored.value, f"{name}: expected a state dict")
    for tensor, value in stored.value.items():
        expect(type(tensor) is str, f"{name}: expected a state dict")
        found.take_from(stored, tensor, value)
    return found


def torch_recurrent(case: dict[str, Any], t: Tensors) -> tuple[Recurrent, str, list[str], list[str]]:
    """The network, its name, the names of its tokens and those of its logits."""
    plan = case["recurrent"]
    expect(plan.keys() <= ENTRIES and plan["layer"] in GATES, "case.json: recurrent is not understood")
    at = f"{plan['name']}." if plan.get("name", "") else ""
    layers = sum(re.fullmatch(re.escape(at) + r"weight_ih_l\d+", name) is not None for name in t.left)
    size, inputs = axis(t, f"{at}weight_hh_l0", 1), axis(t, f"{at}weight_ih_l0", 1)
    has_biases = f"{at}bias_ih_l0" in t.left
    if "symbols" in case:
        symbols = case["symbols"]
        expect({*map(type, symbols.values())} == {int}, "case.json: the ids of symbols should be whole numbers")
        expect(sorted(symbols.values()) == [*range(len(symbols))], "case.json: the ids of symbols should be 0, 1, ...")
        tokens, names = sorted(symbols, key=symbols.__getitem__), texts(case["outputs"])
        if plan.get("embedding") is None:
            expect(inputs == len(tokens), "the layer reads a number for each symbol")
            table = [[ONE if n == k else ZERO for k in range(inputs)] for n in range(inputs)]
        else:
            table = t.matrix(f"{plan['embedding']}.weight", len(tokens), inputs)
    else:
        expect(plan.get("embedding") is None, "numbers have no embedding")
        tokens, table = numbers_of(case, inputs)
        names = []
    if has_biases:
        table, inputs = [[*row, ONE] for row in table], inputs + 1
    is_lstm = plan["layer"] == "lstm"
    each = 2 * size if is_lstm else size
    width, steps = layers * each, []
    for n in range(layers):
        layer = _Layer(t, at, n, plan["layer"], size, width, inputs, has_biases)
        steps.append(Concat((*columns(0, n * each), layer.steps(), *columns((n + 1) * each, width + inputs))))
    output, last = _read_out(t, texts(plan["output"]), size), (layers - 1) * each
    network = Recurrent(table, [ZERO] * width, (*steps, Columns(0, width)), (Columns(last, last + size), *output))
    outputs = len(next(step for step in reversed(output) if isinstance(step, Affine)).bias)
    names = names or (["y"] if outputs == 1 else [f"y{n}" for n in range(outputs)])
    expect(len(names) == outputs, f"case.json: expected names of {outputs} outputs")
    name = case.get("name", "")
    expect(type(name) is str, "case.json: the name should be a text")
    return network, name, tokens, names


def declared_by(case: dict[str, Any], tokens: list[str], outputs: list[str]) -> Declared:
    """Every token, any length from 1 on, and the read-out that is said."""
    said = case["read_out"]
    if "symbols" in case:
        expect(said["kind"] == "argmax", "case.json: read_out not understood")
        position = said.get("position", "last")
        readout: dict[str, Any] | None = readout_of("argmax", [*range(len(outputs))], outputs, position)
    else:
        expect(said["kind"] == "round", "case.json: read_out not understood")
        readout = readout_of("round", [0], [], "every") if len(outputs) == 1 else None
    return Declared(tokens, None, None, [], [], readout, is_endless=True)


def _read_out(t: Tensors, names: list[str], size: int) -> Steps:
    """Maps and activations, one after the other."""
    steps: Steps = ()
    for name in names:
        if name in ACTIVATIONS:
            steps = (*steps, ACTIVATIONS[name])
            continue
        out = axis(t, f"{name}.weight", 0)
        weight, bias = t.matrix(f"{name}.weight", out, size), f"{name}.bias"
        steps = (*steps, Affine(weight, t.take(bias, out) if bias in t.left else [ZERO] * out))
        size = out
    expect(any(isinstance(step, Affine) for step in steps), "case.json: recurrent.output has no map")
    return steps


class _Layer:
    """One layer: its gates as maps of the whole row of all states and inputs."""

    def __init__(
        self, t: Tensors, at: str, n: int, kind: str, size: int, width: int, inputs: int, has_biases: bool
    ) -> None:
        self.kind, self.size, self.whole = kind, size, width + inputs
        each = 2 * size if kind == "lstm" else size
        self.h = n * each
        self.into = (width, inputs - has_biases) if n == 0 else ((n - 1) * each, size)
        rows = GATES[kind] * size
        self.of_input = t.matrix(f"{at}weight_ih_l{n}", rows, self.into[1])
        self.of_state = t.matrix(f"{at}weight_hh_l{n}", rows, size)
        self.biases = [t.take(f"{at}bias_{part}_l{n}", rows) if has_biases else [ZERO] * rows for part in ("ih", "hh")]
        self.ones = width + inputs - 1 if has_biases else None

    def gate(self, which: int, *, has_input: bool = True, has_state: bool = True) -> Affine:
        """The map of a gate, or of what it reads of its input, or its state, alone."""
        weight: list[Row] = []
        some = slice(which * self.size, (which + 1) * self.size)
        for x, y, second in zip(self.of_input[some], self.of_state[some], self.biases[1][some], strict=True):
            row = [ZERO] * self.whole
            if has_input:
                row[self.into[0] : self.into[0] + self.into[1]] = x
            if has_state:
                row[self.h : self.h + self.size] = y
            if has_input and has_state and self.ones is not None:
                row[self.ones] = second
            weight.append(row)
        return Affine(weight, self.biases[0 if has_input else 1][some])

    def steps(self) -> Steps:
        """Rows to the layer's own state."""
        h, tanh, sigmoid = Columns(self.h, self.h + self.size), ACTIVATIONS["tanh"], ACTIVATIONS["sigmoid"]
        if self.kind == "gru":
            gated = Product((self.gate(0), sigmoid), (self.gate(2, has_input=False),))
            fresh: Steps = (Concat(((self.gate(2, has_state=False),), (gated,))), self._added(), tanh)
            return (Blend((self.gate(1),), (h,), fresh),)
        if self.kind == "lstm":
            c = Columns(self.h + self.size, self.h + 2 * self.size)
            shares: Steps = (Concat(((self.gate(1),), (self.gate(0),))), sigmoid)
            both = Product(shares, (Concat(((c,), (self.gate(2), tanh))),))
            first = Concat(((self.gate(3), sigmoid), (both, self._added())))
            o, new = Columns(0, self.size), Columns(self.size, 2 * self.size)
            return (first, Concat(((Product((o,), (new, tanh)),), (new,))))
        return (self.gate(0), ACTIVATIONS[self.kind.removeprefix("rnn_")])

    def _added(self) -> Affine:
        """The sum of two halves."""
        size = self.size
        return Affine([[ONE if k % size == n else ZERO for k in range(2 * size)] for n in range(size)], [ZERO] * size)
