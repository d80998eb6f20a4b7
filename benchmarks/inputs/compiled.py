"""A small compiler of attention and lookups into transformers, in the layout of tracr: networks whose truth is known.

The residual stream holds variables, one column a value (one-hot). Tokens are embedded, places are positions, and

    lookup   an MLP: one unit a combination of values, relu(sum of its columns - (count - 1)), which is 1 or 0
    fetch    a head that attends where every condition holds (a score of S each), and copies a variable from there;
             where there is no such place it attends to the token BOS, and fetches nothing
    count    a head that attends there and to BOS: BOS gets 1 / (1 + count), which an MLP turns into one-hot
    share    a head that averages a flag over these places: the only number that is not one-hot

after Lindner et al. (2023), "Tracr: compiled transformers as a laboratory for interpretability"; the code is our own.
On the row of BOS every variable is zero, or the value ``BOS``, so that nothing is attended to by accident. An operation
goes to the first layer in which what it reads is there; scores are so large that softmax is exact but for 1e-20.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

from benchmarks.harness.row import BenchmarkError

BOS, PAD = "BOS", "compiler_pad"
SCORE = 100.0  # of a condition that holds
SHUT = 100.0  # what BOS takes from every unit of an MLP
STEEP = 200.0  # a step of the counts rises within 1 / STEEP
MOST_COUNTED = 12
Weights = NDArray[np.float64]


@dataclass(frozen=True)
class Variable:
    """A column for each of ``values``, from ``column`` on; there from the half-layer ``ready`` on."""

    name: str
    values: tuple[object, ...]
    column: int
    ready: int

    def columns(self) -> dict[object, int]:
        """The column of each value."""
        return {value: self.column + n for n, value in enumerate(self.values)}


@dataclass(frozen=True)
class Condition:
    """``holds(here, there)``: of a variable here and one at the other place.

    With ``is_preference`` it is a number from 0 to 8: of the places where all others hold, the largest is attended to.
    """

    here: Variable
    there: Variable
    holds: Callable[[object, object], float]
    is_preference: bool = False


@dataclass(frozen=True)
class Head:
    """Columns to queries and keys (width, key size), values (width, value size) to columns (value size, width)."""

    query: dict[tuple[int, int], float]
    key: dict[tuple[int, int], float]
    size: int
    copies: tuple[tuple[int, int, float], ...]  # from a column, to a column, by a factor


@dataclass(frozen=True)
class Unit:
    """relu(weights on columns + bias), times factors into columns."""

    reads: tuple[tuple[int, float], ...]
    bias: float
    writes: tuple[tuple[int, float], ...]


@dataclass
class Compiler:
    """Variables and operations so far, over ``alphabet`` and sequences of 1 to ``longest`` tokens."""

    alphabet: tuple[str, ...]
    longest: int
    names: list[str] = field(default_factory=list)
    heads: dict[int, list[Head]] = field(default_factory=dict)
    units: dict[int, list[Unit]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if BOS in self.alphabet or PAD in self.alphabet or len(set(self.alphabet)) != len(self.alphabet):
            raise BenchmarkError(f"expected different tokens, none of them {BOS} or {PAD}, got {self.alphabet}")
        if not 1 <= self.longest <= MOST_COUNTED:
            raise BenchmarkError(f"expected sequences of at most 1 to {MOST_COUNTED} tokens, got {self.longest}")
        self.tokens = self._variable("tokens", (*self.alphabet, BOS), 0)
        self.places = self._variable("indices", tuple(range(self.longest)), 0)
        self.bos = self.tokens.columns()[BOS]

    def lookup(self, name: str, inputs: Sequence[Variable], value: Callable[..., object]) -> Variable:
        """``value`` of what the inputs are here; where it gives None, nothing."""
        told = [(key, value(*key)) for key in product(*(variable.values for variable in inputs))
                if not (len(inputs) == 1 and key == (BOS,) and inputs[0] is self.tokens)]  # fmt: skip
        values = _ordered({found for _, found in told if found is not None})
        layer = _at(inputs, is_attention=False)
        variable = self._variable(name, values, layer + 1)
        columns, reads = variable.columns(), [own.columns() for own in inputs]
        for key, found in told:
            if found is not None:
                ones = tuple((own[value], 1.0) for own, value in zip(reads, key, strict=True))
                unit = Unit((*ones, (self.bos, -SHUT)), 1.0 - len(inputs), ((columns[found], 1.0),))
                self.units.setdefault(layer // 2, []).append(unit)
        return variable

    def fetch(self, name: str, where: Sequence[Condition], what: Variable) -> Variable:
        """``what`` at the only place where every condition holds (or the preferred one); there may be none.

        Of several that are alike the values should be, too. The token BOS is fetched where there is no place.
        """
        layer = _at([*(v for c in where for v in (c.here, c.there)), what], is_attention=True)
        variable = self._variable(name, what.values, layer + 1)
        into = variable.columns()
        copies = tuple((column, into[value], 1.0) for value, column in what.columns().items())
        self.heads.setdefault(layer // 2, []).append(self._head(where, copies, 0.5))
        return variable

    def count(self, name: str, where: Sequence[Condition]) -> Variable:
        """At how many places every condition holds: 0 to ``longest``."""
        layer = _at([v for c in where for v in (c.here, c.there)], is_attention=True)
        share = self._column(f"{name}_share")
        self.heads.setdefault(layer // 2, []).append(self._head(where, ((self.bos, share, 1.0),), 0.0))
        variable = self._variable(name, tuple(range(self.longest + 1)), layer + 2)
        for number, column in variable.columns().items():
            assert isinstance(number, int)
            below = [] if number == self.longest else [(1 / (2 + number) + 1 / (1 + number)) / 2]
            above = [] if number == 0 else [(1 / (1 + number) + 1 / number) / 2]
            if not below:
                below = [0.5 / (1 + number)]
            for sign, steps in ((1.0, below), (-1.0, above)):
                for step in steps:
                    for half in (0.5, -0.5):  # relu(x + 1/2) - relu(x - 1/2) is 0, then a ramp, then 1
                        reads, writes = ((share, STEEP), (self.bos, -SHUT * STEEP)), ((column, sign * 2 * half),)
                        self.units.setdefault(layer // 2, []).append(Unit(reads, half - STEEP * step, writes))
        return variable

    def share(self, name: str, where: Sequence[Condition], what: Variable, weight: Callable[[object], float]) -> int:
        """The mean of ``weight`` of ``what`` over the places where every condition holds, of which there must be one.

        The column of that number.
        """
        layer = _at([*(v for c in where for v in (c.here, c.there)), what], is_attention=True)
        column = self._column(name)
        copies = tuple((n, column, float(weight(v))) for v, n in what.columns().items() if v != BOS and weight(v))
        self.heads.setdefault(layer // 2, []).append(self._head(where, copies, math.inf))
        return column

    def save(self, folder: Path, name: str, task: str, answer: Variable | int) -> Path:
        """``case.json`` and ``model.safetensors`` in ``folder``, which is made; ``answer``: a variable or a number."""
        tensors, sizes = self._tensors()
        encoding = {token: n for n, token in enumerate((BOS, PAD, *self.alphabet))}
        if isinstance(answer, int):
            said: dict[str, object] = {"kind": "numerical", "columns": [answer], "labels": [self.names[answer]]}
        else:
            columns = {str(value): column for value, column in answer.columns().items() if value != BOS}
            said = {"kind": "categorical", "columns": list(columns.values()), "values": list(columns)}
        case = {
            "name": name,
            "task": task,
            "architecture": {
                "kind": "transformer in the manner of tracr: relu MLP, softmax attention, no layer norm",
                **sizes,
                "causal": False,
                "layer_norm": False,
                "activation": "relu",
                "params": sum(int(tensor.size) for tensor in tensors.values()),
                "residual_labels": self.names,
            },
            "input": {"vocabulary": list(self.alphabet), "encoding": encoding, "max_length": self.longest},
            "read_out": {"position": "every position after BOS", **said},
        }
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "case.json").write_text(json.dumps(case, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
        save_file(tensors, folder / "model.safetensors")
        return folder

    # --- inside ---------------------------------------------------------------------------------------------------

    def _column(self, name: str) -> int:
        self.names.append(name)
        return len(self.names) - 1

    def _variable(self, name: str, values: tuple[object, ...], ready: int) -> Variable:
        if not values:
            raise BenchmarkError(f"{name}: expected a variable with one value or more, got none")
        return Variable(name, values, min(self._column(f"{name}:{value}") for value in values), ready)

    def _head(self, where: Sequence[Condition], copies: tuple[tuple[int, int, float], ...], less: float) -> Head:
        """Attention where every condition holds; BOS has the score of all of them and ``less``, but not below 0."""
        firm = 1.0 + max((8.0 for c in where if c.is_preference), default=0.0)  # no preference outweighs a condition
        query: dict[tuple[int, int], float] = {}
        key: dict[tuple[int, int], float] = {}
        size = 1  # the first dimension is that of BOS
        count = sum(not condition.is_preference for condition in where)
        for column in range(len(self.places.values)):
            query[self.places.column + column, 0] = 1.0
        query[self.bos, 0] = 2.0
        key[self.bos, 0] = SCORE * max(firm * count - less, 0.0)
        for condition in where:
            here, there = condition.here.columns(), condition.there.columns()
            for other, column in there.items():
                if other == BOS:
                    continue
                key[column, size] = SCORE
                for own, origin in here.items():
                    worth = float(condition.holds(own, other)) if own != BOS else 0.0
                    query[origin, size] = worth if condition.is_preference else firm * bool(worth)
                size += 1
        return Head(query, key, size, copies)

    def _tensors(self) -> tuple[dict[str, NDArray[np.float32]], dict[str, int]]:
        layers = 1 + max([*self.heads, *self.units, 0])
        heads = max([1, *(len(own) for own in self.heads.values())])
        every = [head for own in self.heads.values() for head in own]
        size = max([1, *(max(head.size, len(head.copies)) for head in every)])
        inner = max([1, *(len(own) for own in self.units.values())])
        d, rows = len(self.names), self.longest + 1
        tokens: Weights = np.zeros((2 + len(self.alphabet), d))
        positions: Weights = np.zeros((rows, d))
        for n, token in enumerate((BOS, PAD, *self.alphabet)):
            if token != PAD:
                tokens[n, self.tokens.columns()[token]] = 1.0
        for place, column in self.places.columns().items():
            assert isinstance(place, int)
            positions[place + 1, column] = 1.0
        arrays: dict[str, Weights] = {"token_embed/embeddings": tokens, "pos_embed/embeddings": positions}
        for layer in range(layers):
            own: dict[str, Weights] = {
                f"attn/{part}": np.zeros((d, heads * size)) for part in ("query", "key", "value")
            }
            own |= {"attn/linear": np.zeros((heads * size, d))}
            own |= {"mlp/linear_1": np.zeros((d, inner)), "mlp/linear_2": np.zeros((inner, d))}
            bias: Weights = np.zeros(inner)
            for n, head in enumerate(self.heads.get(layer, ())):
                _write(own, head, n * size, math.sqrt(size))
            for n, unit in enumerate(self.units.get(layer, ())):
                bias[n] = unit.bias
                for column, weight in unit.reads:
                    own["mlp/linear_1"][column, n] += weight
                for column, weight in unit.writes:
                    own["mlp/linear_2"][n, column] += weight
            for name, weights in own.items():
                at = f"transformer/layer_{layer}/{name}"
                arrays[f"{at}/w"] = weights
                arrays[f"{at}/b"] = bias if name == "mlp/linear_1" else np.zeros(weights.shape[1])
        sizes = {"num_layers": layers, "num_heads": heads, "key_size": size, "d_model": d, "mlp_hidden": inner}
        return {name: array.astype(np.float32) for name, array in arrays.items()}, sizes


def _write(own: dict[str, Weights], head: Head, start: int, root: float) -> None:
    """Add a head whose dimensions begin at ``start``; scores are divided by ``root`` when the network runs."""
    for (column, dimension), weight in head.query.items():
        own["attn/query"][column, start + dimension] += weight * root
    for (column, dimension), weight in head.key.items():
        own["attn/key"][column, start + dimension] += weight
    for n, (source, into, factor) in enumerate(head.copies):
        own["attn/value"][source, start + n] += 1.0
        own["attn/linear"][start + n, into] += factor


def _at(inputs: Sequence[Variable], *, is_attention: bool) -> int:
    """The first half-layer where all inputs are there: attention in even ones, MLPs in odd ones."""
    ready = max(variable.ready for variable in inputs)
    return ready + (ready % 2 if is_attention else 1 - ready % 2)


def _ordered(values: set[object]) -> tuple[object, ...]:
    """Values in an order of their own: numbers by size, everything else by its text."""
    return tuple(sorted(values, key=lambda v: (not isinstance(v, int), v if isinstance(v, int) else 0, str(v))))
