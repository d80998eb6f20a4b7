"""Recurrent networks described by ``case.json``: DyNet's GRUs and LSTMs of Weiss et al., and the RNNs of MIPS.

The numbers are in ``model.safetensors``; its tensors tell the family, and ``architecture.formulas`` must be the ones
that are understood: a cell that is computed otherwise is refused, not guessed. Where ``test_vectors`` are stored, the
network is run on them, and refused where it does not give what stands there.

dynet   embedding (symbols, n); layers.L.GATE.Wx, .Wh, .b, layers.L.h0 (and .c0); out.weight, out.bias
        gates z, htilde (r is stored and not used by the authors' code), or i, f, o, ctilde: see ``cells``
        read after the last symbol: y[0] > y[1] accepts
mips    hmlp.mlp.0.weight, ... on [h, x] and ymlp.mlp.0.weight, ... on h, or Wh, Wx, Wy; h_0 = 0
        ``input.domain`` names the numbers of a step (bits, or integers A..B); read by rounding, at every step
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.formats.case import FILE, vocabulary_of
from tasks.formats.reading import Dtype, read_object, read_tensors, widen
from tasks.formats.untrusted import list_of, object_of, texts_of
from tasks.networks.cells import Gate, Layer, gru, lstm, stacked
from tasks.networks.model import Loaded, Question, assemble
from tasks.networks.number_streams import NumberStreams
from tasks.networks.readout import Argmax, Rounded
from tasks.networks.recurrent import Recurrent
from tasks.networks.sparse_transformer import NetworkError
from tasks.networks.transformer import Activation, Affine, Columns, Reals, Step

WEIGHTS = "model.safetensors"
DYNET, MIPS = '"layers.0.h0"', ('"hmlp.mlp.0.weight"', '"Wh.weight"')  # in the header of the weights
ANSWERS = ("accept", "reject")
GATES = {"z, r, htilde": ("z", "r", "htilde"), "i, f, o, ctilde": ("i", "f", "o", "ctilde")}
FORMULAS = {  # what may stand there, up to remarks: what begins a formula, and all of it
    "z, r, htilde": ("z = sigmoid(affine(z)); ht = tanh(affine(htilde))", "h_t = z * h_(t-1) + (1 - z) * ht"),
    "i, f, o, ctilde": (
        "i = sigmoid(affine(i)); f = sigmoid(affine(f)); o = sigmoid(affine(o)); g = tanh(affine(ctilde))",
        "c_t = c_(t-1) * f + g * i; h_t = tanh(c_t) * o",
    ),
    "dynet": (
        "x_t = embedding[symbol id]",
        "affine(g) = Wx_g @ in + Wh_g @ h_(t-1) + b_g",
    ),
}
LAYERS = re.compile(
    r"layer 0 reads x_t(, layer \d+ reads the new h of layer \d+)*; each layer keeps its own h( \(and c\))?"
)
ACTIVATIONS = ("relu", "tanh", "sigmoid")
INTEGERS = re.compile(r"integers? (-?\d{1,6})\.\.(-?\d{1,6})")
MOST_TOKENS = 2**16
TOLERANCE = 1e-6  # of test vectors, which are printed with nine digits


def load(folder: Path, question: Question) -> Loaded:
    """The network in ``folder``; raises NetworkError for anything that is not understood."""
    if question.circuit or question.task is not None:
        raise NetworkError(f"{folder}: the folder holds one whole network, no circuits or tasks to choose")
    said, what = read_object(folder / FILE), str(folder / FILE)
    tensors = read_tensors(folder / WEIGHTS)
    name = said.get("name") if isinstance(said.get("name"), str) and said.get("name") else folder.name
    build = _dynet if "layers.0.h0" in tensors else _mips
    network, vocabulary, own, outputs = build(folder, what, said, tensors)
    loaded = assemble(str(name), "recurrent case", network, vocabulary, question, own=own, outputs=outputs)
    replay(what, said, network, vocabulary)
    return loaded


def _dynet(
    folder: Path, what: str, said: dict[str, Any], tensors: dict[str, NDArray[Any]]
) -> tuple[Recurrent, tuple[str, ...], Question, tuple[str, ...]]:
    """DyNet's cells: the network, its vocabulary, what is asked of it, and its outputs."""
    vocabulary = vocabulary_of(what, object_of(f"{what}: symbols", said.get("symbols"), None))
    _check_readout(what, said, "accept_reject_at_end")
    kind = "i, f, o, ctilde" if "layers.0.c0" in tensors else "z, r, htilde"
    _check_formulas(what, said, (*FORMULAS["dynet"], *FORMULAS[kind]))
    embedding, start = tensors.get("embedding"), tensors["layers.0.h0"]
    if embedding is None or embedding.ndim != 2 or start.ndim != 1:
        raise NetworkError(f"{folder / WEIGHTS}: expected an embedding of two axes and states h0 of one")
    size, inputs = len(start), embedding.shape[1]
    layers = len({found[1] for name in tensors if (found := re.fullmatch(r"layers\.(\d+)\.h0", name))})
    shapes: dict[str, tuple[int, ...]] = {"embedding": (len(vocabulary), inputs)}
    for layer in range(layers):
        at, read = f"layers.{layer}.", inputs if layer == 0 else size
        shapes |= {f"{at}{state}0": (size,) for state in ("hc" if kind.startswith("i") else "h")}
        for gate in GATES[kind]:
            shapes |= {f"{at}{gate}.Wx": (size, read), f"{at}{gate}.Wh": (size, size), f"{at}{gate}.b": (size,)}
    shapes |= {"out.weight": (len(ANSWERS), size), "out.bias": (len(ANSWERS),)}
    weights, dtype = widen(str(folder / WEIGHTS), shapes, tensors)
    is_lstm = kind.startswith("i")
    cells = tuple(_cell(weights, f"layers.{layer}.", is_lstm) for layer in range(layers))
    each = ("h0", "c0") if is_lstm else ("h0",)
    states = [weights[f"layers.{layer}.{state}"] for layer in range(layers) for state in each]
    last = (layers - 1) * size * len(each)
    network = Recurrent(
        weights["embedding"],
        np.concatenate(states),
        stacked(cells, size, inputs, is_lstm=is_lstm),
        (Columns(last, last + size), Affine(weights["out.weight"], weights["out.bias"])),
        dtype=dtype,
    )
    own = Question(vocabulary, (), (), (0, None), Argmax(ANSWERS, (0, 1)))
    return network, vocabulary, own, ANSWERS


def _cell(weights: Mapping[str, Reals], at: str, is_lstm: bool) -> Layer:
    def gate(name: str) -> Gate:
        return Gate(weights[f"{at}{name}.Wx"], weights[f"{at}{name}.Wh"], weights[f"{at}{name}.b"])

    if is_lstm:
        return partial(lstm, gate("i"), gate("f"), gate("ctilde"), gate("o"))
    return partial(gru, gate("z"), gate("htilde"), None)


def _mips(
    folder: Path, what: str, said: dict[str, Any], tensors: dict[str, NDArray[Any]]
) -> tuple[Recurrent, tuple[str, ...], Question, tuple[str, ...]]:
    """Networks of numbers: the network, its vocabulary, what is asked of it, and its outputs."""
    network, _, vocabulary = _of_numbers(folder, what, said, tensors)
    if network.outputs != 1:
        raise NetworkError(f"{what}: rounding reads one number at every step, got {network.outputs}")
    own = Question(vocabulary, (), (), (1, None), Rounded(0, position="every"))
    return network, vocabulary, own, ("y",)


def _of_numbers(
    folder: Path, what: str, said: dict[str, Any], tensors: dict[str, NDArray[Any]]
) -> tuple[Recurrent, Reals, tuple[str, ...]]:
    """The network, the numbers of each step that it may see, and what these are called."""
    _check_readout(what, said, "round")
    config = read_object(folder / "config.json") if (folder / "config.json").is_file() else {}
    chosen = str(config.get("activation", "")).lower()
    activation = next((name for name in ACTIVATIONS if chosen == name), None)
    build = _elman if "Wh.weight" in tensors else _mlps
    width, inputs, has_ones, transition, output, dtype = build(str(folder / WEIGHTS), tensors, activation)
    numbers, vocabulary = numbers_of(what, said, inputs)
    tokens = np.hstack([numbers, np.ones((len(numbers), 1))]) if has_ones else numbers
    network = Recurrent(tokens, np.zeros(width), transition, output, dtype=dtype)
    return network, numbers, vocabulary


def number_streams(folder: Path, *, column: int = 0) -> NumberStreams:
    """The network of numbers in ``folder``, however many different steps it has; raises NetworkError."""
    said, what = read_object(folder / FILE), str(folder / FILE)
    tensors = read_tensors(folder / WEIGHTS)
    if "layers.0.h0" in tensors:
        raise NetworkError(f"{folder}: its steps are symbols, no numbers")
    network, numbers, _ = _of_numbers(folder, what, said, tensors)
    length = length_of(what, said)
    is_ours = isinstance(said.get("origin"), str)
    name = said.get("name") if isinstance(said.get("name"), str) and said.get("name") else folder.name
    origin = "our retraining" if is_ours else "authors' weights"
    return NumberStreams(str(name), network, numbers.astype(np.int64), length, origin, column)


def length_of(what: str, said: dict[str, Any]) -> int:
    """How many steps a network of numbers was made for."""
    length = object_of(f"{what}: input", said.get("input", {}), None).get("T", 10)
    if not isinstance(length, int) or isinstance(length, bool) or not 1 <= length <= 1000:
        raise NetworkError(f"{what}: expected input.T from 1 to 1,000, got {length!r}")
    return length


Parts = tuple[int, int, bool, tuple[Step, ...], tuple[Step, ...], Dtype]


def _elman(what: str, tensors: Mapping[str, NDArray[Any]], activation: Any) -> Parts:
    """``h' = activation(Wh h + bh + Wx x + bx)``, ``y = Wy h + by``."""
    width, inputs, outputs = (axis(what, tensors, *at) for at in (("Wh.weight", 0), ("Wx.weight", 1), ("Wy.weight", 0)))
    shapes: dict[str, tuple[int, ...]] = {
        "Wh.weight": (width, width), "Wh.bias": (width,), "Wx.weight": (width, inputs), "Wx.bias": (width,),
        "Wy.weight": (outputs, width), "Wy.bias": (outputs,),
    }  # fmt: skip
    weights, dtype = widen(what, shapes, tensors)
    if activation is None:
        raise NetworkError(f"{what}: expected config.json to name the activation: one of {', '.join(ACTIVATIONS)}")
    rows = np.hstack([weights["Wh.weight"], weights["Wx.weight"], weights["Wx.bias"][:, None]])
    transition = (Affine(rows, weights["Wh.bias"]), Activation(activation))
    return width, inputs, True, transition, (Affine(weights["Wy.weight"], weights["Wy.bias"]),), dtype


def _mlps(what: str, tensors: Mapping[str, NDArray[Any]], activation: Any) -> Parts:
    """``h' = hmlp([h, x])``, ``y = ymlp(h)``: affine maps with the activation between them, and none at the end."""
    shapes, found = dict[str, tuple[int, ...]](), dict[str, list[str]]()
    for mlp in ("hmlp", "ymlp"):
        numbers = sorted(int(m[1]) for name in tensors if (m := re.fullmatch(mlp + r"\.mlp\.(\d+)\.weight", name)))
        if numbers != list(range(0, 2 * len(numbers), 2)) or not numbers:
            raise NetworkError(f"{what}: expected the maps {mlp}.mlp.0, {mlp}.mlp.2, ..., got the numbers {numbers}")
        found[mlp] = [f"{mlp}.mlp.{n}" for n in numbers]
    width = axis(what, tensors, f"{found['hmlp'][-1]}.weight", 0)
    inputs = axis(what, tensors, "hmlp.mlp.0.weight", 1) - width
    for mlp, before in (("hmlp", width + inputs), ("ymlp", width)):
        for name in found[mlp]:
            after = axis(what, tensors, f"{name}.weight", 0)
            shapes |= {f"{name}.weight": (after, before), f"{name}.bias": (after,)}
            before = after
    weights, dtype = widen(what, shapes, tensors)
    if activation is None and max(map(len, found.values())) > 1:
        raise NetworkError(f"{what}: expected config.json to name the activation: one of {', '.join(ACTIVATIONS)}")
    between = (Activation(activation),) if activation else ()
    parts = []
    for mlp in ("hmlp", "ymlp"):
        maps = [Affine(weights[f"{name}.weight"], weights[f"{name}.bias"]) for name in found[mlp]]
        parts.append(tuple(step for n, one in enumerate(maps) for step in ((*between, one) if n else (one,))))
    return width, inputs, False, parts[0], parts[1], dtype


def axis(what: str, tensors: Mapping[str, NDArray[Any]], name: str, which: int) -> int:
    """The length of one axis of a matrix."""
    if name not in tensors or tensors[name].ndim != 2:
        raise NetworkError(f"{what}: expected a tensor {name!r} of two axes")
    return int(tensors[name].shape[which])


def numbers_of(what: str, said: dict[str, Any], inputs: int) -> tuple[Reals, tuple[str, ...]]:
    """The numbers of every token (tokens, inputs) and their names: ``7``, or ``0,1`` where a step reads several."""
    text = str(object_of(f"{what}: input", said.get("input", {}), None).get("domain", ""))
    found = INTEGERS.search(text)
    span = range(int(found[1]), int(found[2]) + 1) if found else range(2) if re.search(r"\bbits?\b", text) else range(0)
    if not span:
        raise NetworkError(f"{what}: input.domain should name the numbers of a step (bits, or integers A..B)")
    if inputs < 1 or len(span) ** inputs > MOST_TOKENS:
        raise NetworkError(f"{what}: {inputs} of {len(span)} numbers a step are no alphabet that can be listed")
    rows = list(itertools.product(span, repeat=inputs))
    return np.array(rows, np.float64), tuple(",".join(map(str, row)) for row in rows)


def _check_readout(what: str, said: dict[str, Any], expected: str) -> None:
    kind = object_of(f"{what}: read_out", said.get("read_out", {}), None).get("kind")
    if kind != expected:
        raise NetworkError(f"{what}: expected read_out.kind {expected!r} of such a network, got {kind!r}")


def _check_formulas(what: str, said: dict[str, Any], known: tuple[str, ...]) -> None:
    """Raise NetworkError unless what stands there is the ``known`` formulas, remarks behind them left out."""
    architecture = object_of(f"{what}: architecture", said.get("architecture", {}), None)
    lines = texts_of(f"{what}: formulas", list_of(f"{what}: formulas", architecture.get("formulas")))
    lines = tuple(" ".join(line.split()) for line in lines if not line.startswith("initial state: h_0 = layers.L.h0 "))
    missing = [formula for formula in known if not any(_is_formula(line, formula) for line in lines)]
    if missing:
        raise NetworkError(f"{what}: expected the formula {missing[0]!r} among architecture.formulas")
    strange = [line for line in lines if not (LAYERS.fullmatch(line) or any(_is_formula(line, f) for f in known))]
    if strange:
        raise NetworkError(f"{what}: a formula that is not understood: {strange[0]!r}")


def _is_formula(line: str, formula: str) -> bool:
    """Whether ``line`` is ``formula``, perhaps with a remark behind it."""
    return line == formula or line.startswith((f"{formula} (", f"{formula} with "))


def replay(what: str, said: dict[str, Any], network: Recurrent, vocabulary: tuple[str, ...]) -> None:
    """Raise NetworkError where the network does not give what the ``test_vectors`` say."""
    stored = object_of(f"{what}: test_vectors", said.get("test_vectors", {}), None).get("vectors", [])
    index = {name: n for n, name in enumerate(vocabulary)}
    for vector in list_of(f"{what}: test_vectors", stored):
        vector = object_of(f"{what}: a test vector", vector, None)
        try:
            if "word" in vector:
                ids = [index[letter] for letter in vector["word"]]
                expected = np.array([float(vector["score"])])
            else:
                steps = [step if isinstance(step, list) else [step] for step in vector["x"]]
                ids = [index[",".join(str(int(number)) for number in step)] for step in steps]
                expected = np.array(vector["y"], np.float64)
        except (KeyError, TypeError, ValueError) as error:
            raise NetworkError(f"{what}: a test vector that is not understood: {error}") from error
        states, got = network.initial(1), [network.read(network.initial(1))[0]]
        for token in ids:
            states = network.step(states, np.array([token]))
            got.append(network.read(states)[0])
        values = np.array([got[-1][0] - got[-1][1]]) if "word" in vector else np.array(got)[1:, 0]
        if values.shape != expected.shape or not np.allclose(values, expected, rtol=TOLERANCE, atol=TOLERANCE):
            raise NetworkError(f"{what}: the network does not give what its test vectors say; its formulas are others")
