"""The state dict of a torch module with one recurrent layer, as a folder: no module, no code, no pickle that may run.

    case.json                          what the tensors do not say
    model.safetensors, or model.pt     the state dict (``.pt`` by torch's ``weights_only`` reader)

``case.json`` has an object ``recurrent``: ``layer`` (rnn_tanh, rnn_relu, gru, lstm), ``name`` (of the layer in the
module, such as "rnn"; "" where the state dict is that of the layer), ``embedding`` (the name of one; null: none) and
``output``, the read-out from the last layer's h: names of linear maps, and relu, tanh or sigmoid between them, in
order. Beside it stand

    symbols, outputs, read_out    tokens with their ids and names of the logits; kind argmax, position last or every;
                                  without an embedding a token is the row of the identity with its id
    input, read_out               ``domain`` (bits, or integers A..B) of a step's numbers, and ``T``; kind round

``name`` and ``test_vectors`` may be there, which are replayed. The equations are torch's (``cells``); states begin as
zeros. One direction, no projections; dropout is nothing in a network that is not being trained, and ``batch_first``
nothing that the weights know of.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.formats.case import FILE, vocabulary_of
from tasks.formats.openai import read_torch
from tasks.formats.reading import Dtype, one_of, pick, read_object, read_tensors, widen
from tasks.formats.recurrent_case import axis, length_of, numbers_of, replay
from tasks.formats.torch_recurrent import CELLS, torch_layer
from tasks.formats.untrusted import line_of, object_of, text_of, texts_of
from tasks.networks.cells import stacked
from tasks.networks.model import Loaded, Question, assemble
from tasks.networks.number_streams import NumberStreams
from tasks.networks.readout import Argmax, Readout, Rounded
from tasks.networks.recurrent import Recurrent
from tasks.networks.sparse_transformer import NetworkError
from tasks.networks.transformer import Activation, Affine, Columns, Reals, Step

FORMAT, ENTRY = "torch recurrent", "recurrent"
WEIGHTS = ("model.safetensors", "model.pt")
LAYERS = {name.partition(".")[0]: gates for name, gates in CELLS.items()}  # and how many gates each has
ACTIVATIONS = ("relu", "tanh", "sigmoid")
Stored = Mapping[str, NDArray[Any]]


def load(folder: Path, question: Question) -> Loaded:
    """The network in ``folder``; raises NetworkError for anything that is not understood."""
    if question.circuit or question.task is not None:
        raise NetworkError(f"{folder}: the folder holds one whole network, no circuits or tasks to choose")
    read = _Folder(folder)
    if read.is_of_numbers:
        network, _, vocabulary = read.of_numbers()
        if network.outputs != 1:
            raise NetworkError(f"{read.what}: rounding reads one number at every step, got {network.outputs}")
        outputs: tuple[str, ...] = ("y",)
        readout: Readout = Rounded(0, position="every")
    else:
        network, vocabulary = read.of_symbols()
        outputs = texts_of(f"{read.what}: outputs", read.said.get("outputs"))
        if len(outputs) != network.outputs:
            raise NetworkError(f"{read.what}: expected outputs to name {network.outputs} logits, got {len(outputs)}")
        where = object_of(f"{read.what}: read_out", read.said.get("read_out"), None).get("position", "last")
        position = one_of(f"{read.what}: read_out.position", where, ("last", "every"))
        readout = Argmax(outputs, tuple(range(len(outputs))), "every" if position == "every" else "last")
    own = Question(vocabulary, (), (), (1, None), readout)
    loaded = assemble(read.name, FORMAT, network, vocabulary, question, own=own, outputs=outputs)
    replay(read.what, read.said, network, vocabulary)
    return loaded


def is_here(folder: Path) -> bool:
    """Whether ``folder`` says that it holds such a state dict; raises NetworkError where its case.json is no JSON."""
    return (folder / FILE).is_file() and ENTRY in read_object(folder / FILE)


def number_streams(folder: Path, *, column: int = 0) -> NumberStreams:
    """The network of numbers in ``folder``, however many different steps it has; raises NetworkError."""
    read = _Folder(folder)
    if not read.is_of_numbers:
        raise NetworkError(f"{folder}: its steps are symbols, no numbers")
    network, numbers, _ = read.of_numbers()
    length = length_of(read.what, read.said)
    return NumberStreams(read.name, network, numbers.astype(np.int64), length, "stored weights", column, FORMAT)


class _Folder:
    """What is said and stored, before anything is built of it."""

    def __init__(self, folder: Path) -> None:
        self.what, self.said = str(folder / FILE), read_object(folder / FILE)
        self.name = line_of(f"{self.what}: name", self.said.get("name", "")) or folder.name
        self.weights, self.tensors = _tensors(folder)
        plan = object_of(f"{self.what}: {ENTRY}", self.said.get(ENTRY), None)
        plan = pick(
            f"{self.what}: {ENTRY}", plan, {"layer": ..., "name": "", "embedding": None, "output": ...}, frozenset()
        )
        self.layer = one_of(f"{self.what}: {ENTRY}.layer", plan["layer"], LAYERS)
        self.at = f"{at}." if (at := text_of(f"{self.what}: {ENTRY}.name", plan["name"])) else ""
        embedding = plan["embedding"]
        self.embedding = embedding and f"{text_of(f'{self.what}: {ENTRY}.embedding', embedding)}.weight"
        self.output = texts_of(f"{self.what}: {ENTRY}.output", plan["output"])
        kinds = {False: "argmax", True: "round"}
        kind = object_of(f"{self.what}: read_out", self.said.get("read_out"), None).get("kind")
        if kind != kinds[self.is_of_numbers]:
            of = "numbers (input.domain)" if self.is_of_numbers else "symbols"
            raise NetworkError(
                f"{self.what}: expected read_out.kind {kinds[self.is_of_numbers]!r} of {of}, got {kind!r}"
            )

    @property
    def is_of_numbers(self) -> bool:
        """Whether numbers come in at each step."""
        return "symbols" not in self.said

    def of_symbols(self) -> tuple[Recurrent, tuple[str, ...]]:
        """A network of tokens, and their names."""
        vocabulary = vocabulary_of(self.what, object_of(f"{self.what}: symbols", self.said["symbols"], None))
        if self.embedding is None:
            return self._network(np.eye(len(vocabulary)), "the symbols"), vocabulary
        rows = axis(self.weights, self.tensors, self.embedding, 0)
        if rows != len(vocabulary):
            got = len(vocabulary)
            raise NetworkError(f"{self.what}: expected symbols for {rows} rows of {self.embedding}, got {got}")
        return self._network(self.tensors[self.embedding].astype(np.float64), self.embedding), vocabulary

    def of_numbers(self) -> tuple[Recurrent, Reals, tuple[str, ...]]:
        """A network of numbers, those of every step, and what these are called."""
        if self.embedding is not None:
            raise NetworkError(f"{self.what}: an embedding is of symbols, and there are none; name each with its id")
        inputs = axis(self.weights, self.tensors, f"{self.at}weight_ih_l0", 1) if self._layers() else 0
        numbers, vocabulary = numbers_of(self.what, self.said, inputs)
        return self._network(numbers, "the numbers of a step"), numbers, vocabulary

    def _layers(self) -> int:
        """How many layers there are; raises NetworkError for what no such layer has."""
        turned = [name for name in self.tensors if name.endswith("_reverse")]
        if turned:
            raise NetworkError(f"{self.weights}: expected one direction, got a bidirectional layer ({turned[0]})")
        projected = [name for name in self.tensors if ".weight_hr_l" in f".{name}"]
        if projected:
            raise NetworkError(f"{self.weights}: expected no projection of h (proj_size), got {projected[0]}")
        found = sorted(
            int(m[1]) for name in self.tensors if (m := re.fullmatch(re.escape(self.at) + r"weight_ih_l(\d+)", name))
        )
        if not found or found != list(range(len(found))):
            others = sorted(
                n.removesuffix("weight_ih_l0").rstrip(".") for n in self.tensors if n.endswith("weight_ih_l0")
            )
            hint = f"; recurrent.name should be {' or '.join(map(repr, others))}" if others and not found else ""
            raise NetworkError(f"{self.weights}: expected tensors {self.at}weight_ih_l0, ..., got layers {found}{hint}")
        return len(found)

    def _network(self, table: Reals, source: str) -> Recurrent:
        """The network of tokens that are rows of ``table``, of which it has as many columns as it should."""
        layers, gates, at = self._layers(), LAYERS[self.layer], self.at
        size = axis(self.weights, self.tensors, f"{at}weight_hh_l0", 1)
        rows, reads = (axis(self.weights, self.tensors, f"{at}weight_ih_l0", n) for n in (0, 1))
        if rows != gates * size:
            expected = f"expected {gates} gates of {size} rows each in a layer {self.layer}"
            raise NetworkError(f"{self.weights}: {at}weight_ih_l0: {expected}, got {rows} rows")
        shapes: dict[str, tuple[int, ...]] = {} if self.embedding is None else {self.embedding: table.shape}
        inputs = table.shape[1]
        if inputs != reads:
            raise NetworkError(f"{self.weights}: {at}weight_ih_l0 reads {reads} numbers, {source} has {inputs}")
        has_biases = f"{at}bias_ih_l0" in self.tensors
        parts = ("weight_ih", "weight_hh", *(("bias_ih", "bias_hh") if has_biases else ()))
        for n in range(layers):
            shapes |= {
                f"{at}weight_ih_l{n}": (rows, inputs if n == 0 else size), f"{at}weight_hh_l{n}": (rows, size),
                **{f"{at}{part}_l{n}": (rows,) for part in parts[2:]},
            }  # fmt: skip
        shapes |= self._read_out(size, {*shapes})
        weights, dtype = _widened(self.weights, shapes, self.tensors)
        if has_biases:
            table, inputs = np.hstack([table, np.ones((len(table), 1))]), inputs + 1
        cells = tuple(
            torch_layer(f"{self.layer}.input", [weights[f"{at}{part}_l{n}"] for part in parts], size)
            for n in range(layers)
        )
        is_lstm = self.layer == "lstm"
        width = layers * size * (2 if is_lstm else 1)
        last = width // layers * (layers - 1)
        steps: list[Step] = [Columns(last, last + size)]
        for name in self.output:
            is_map = name not in ACTIVATIONS
            steps.append(
                Affine(weights[f"{name}.weight"], weights.get(f"{name}.bias")) if is_map else Activation(name)  # type: ignore[arg-type]
            )
        transition = stacked(cells, size, inputs, is_lstm=is_lstm, has_ones=has_biases)
        return Recurrent(table, np.zeros(width), transition, tuple(steps), dtype=dtype)

    def _read_out(self, size: int, used: set[str]) -> dict[str, tuple[int, ...]]:
        """The shapes of the read-out's tensors."""
        left = sorted(self.tensors.keys() - used)
        maps = [name for name in self.output if name not in ACTIVATIONS]
        if not maps:
            raise NetworkError(
                f"{self.what}: expected {ENTRY}.output to name the linear maps from h to the logits; tensors that "
                f"nothing names: {', '.join(left[:6]) or 'none'}"
            )
        shapes: dict[str, tuple[int, ...]] = {}
        for name in maps:
            if f"{name}.weight" not in self.tensors:
                raise NetworkError(f"{self.weights}: expected {name}.weight, a map of the read-out ({ENTRY}.output)")
            out = axis(self.weights, self.tensors, f"{name}.weight", 0)
            shapes[f"{name}.weight"] = (out, size)
            if f"{name}.bias" in self.tensors:
                shapes[f"{name}.bias"] = (out,)
            size = out
        return shapes


def _widened(what: str, shapes: dict[str, tuple[int, ...]], tensors: Stored) -> tuple[dict[str, Reals], Dtype]:
    """Exactly these tensors; what no part of the plan has is named."""
    strange = sorted(tensors.keys() - shapes.keys())
    if strange:
        raise NetworkError(f"{what}: a tensor that no part of {FILE} names: {strange[0]!r}")
    return widen(what, shapes, tensors)


def _tensors(folder: Path) -> tuple[str, Stored]:
    """The state dict, and the file that it was read from."""
    there = [name for name in WEIGHTS if (folder / name).is_file()]
    if len(there) != 1:
        raise NetworkError(f"{folder}: expected one of {' and '.join(WEIGHTS)}, got {' and '.join(there) or 'none'}")
    path = folder / there[0]
    if path.suffix == ".safetensors":
        return str(path), read_tensors(path)
    state = read_torch(path)
    import torch

    if not isinstance(state, dict) or not state:
        raise NetworkError(f"{path}: expected a state dict of tensors by name, got {type(state).__name__}")
    found = dict[str, NDArray[Any]]()
    for name, tensor in state.items():
        if not isinstance(name, str) or not isinstance(tensor, torch.Tensor):
            raise NetworkError(f"{path}: expected a state dict of tensors by name, got {name!r:.60}; save that alone")
        if tensor.dtype not in (torch.float32, torch.float64) or tensor.layout != torch.strided:
            raise NetworkError(f"{path}: {name} should be a dense tensor of float32 or float64, got {tensor.dtype}")
        found[name] = np.ascontiguousarray(tensor.detach().cpu().numpy())
    return str(path), found
