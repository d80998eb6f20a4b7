"""Torch modules with a recurrent layer: embedding, then RNN, GRU or LSTM, then maps to logits, as a ``Recurrent``.

The traced program of the module is followed node by node: an embedding of the ids, one ``torch.nn.RNN``, ``GRU`` or
``LSTM`` (any number of layers, one direction, no projection, zeros as its initial state), and linear maps with
activations on its output at the last position or at every one. Anything else is named and refused. The equations are
those of torch (``cells``); the two biases of a gate are both kept.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Literal

import numpy as np

from tasks.networks.cells import Gate, Layer, elman, gru, lstm, stacked
from tasks.networks.recurrent import Recurrent
from tasks.networks.sparse_transformer import NetworkError
from tasks.networks.transformer import Activation, Affine, Columns, Reals, Step

CELLS = {"gru.input": 3, "lstm.input": 4, "rnn_tanh.input": 1, "rnn_relu.input": 1}  # and how many gates each has
NOTHING = ("dropout.default", "contiguous.default", "clone.default", "detach.default", "alias.default")


def has_recurrence(program: Any) -> bool:
    """Whether a traced ``program`` runs a recurrent layer of torch; one that a module holds and never calls is none."""
    kinds = tuple(f"aten.{name.partition('.')[0]}." for name in CELLS)
    return any(str(node.target).startswith(kinds) for node in program.graph.nodes)


def recurrent_of(
    torch: Any, program: Any, tokens: int, longest: int, dtype: Literal["float32", "float64"]
) -> Recurrent:
    """The traced ``program`` as a recurrent network; raises NetworkError for anything that is not understood."""
    return _Follower(torch, program, tokens, longest, dtype).network()


class _Follower:
    """What each node of the program is: ids, an embedding, zeros, what the recurrent layer gives, or steps from it."""

    def __init__(
        self, torch: Any, program: Any, tokens: int, longest: int, dtype: Literal["float32", "float64"]
    ) -> None:
        self._torch, self._program, self._tokens, self._longest, self._dtype = torch, program, tokens, longest, dtype
        signature = program.graph_signature
        self._stored = {**signature.inputs_to_parameters, **signature.inputs_to_buffers}
        self._found: dict[Any, Any] = {}
        self._table = np.zeros((0, 0))
        self._cell: tuple[tuple[Step, ...], Reals, int] | None = None  # transition, start, size of a layer
        self._last = 0  # where the h of the last layer begins

    def network(self) -> Recurrent:
        """All of it."""
        result: Any = None
        for node in self._program.graph.nodes:
            if node.op == "placeholder":
                self._found[node] = self._array(node) if node.name in self._stored else ("ids",)
            elif node.op == "output":
                result = self._found.get(node.args[0][0])
            else:
                self._found[node] = self._value(node)
        if self._cell is None or not isinstance(result, tuple) or result[0] not in ("rows", "end"):
            raise NetworkError("expected logits made from what the recurrent layer gives")
        transition, start, size = self._cell
        output = (Columns(self._last, self._last + size), *result[1])
        return Recurrent(self._table, start, transition, output, self._longest, self._dtype)

    def _array(self, node: Any) -> Reals:
        tensor = self._program.state_dict[self._stored[node.name]]
        return np.ascontiguousarray(tensor.detach().double().cpu().numpy())

    def _value(self, node: Any) -> Any:
        name = str(node.target).removeprefix("aten.")
        given = [self._found.get(arg) if hasattr(arg, "op") else arg for arg in node.args]
        match name, given:
            case "embedding.default", [np.ndarray() as table, ("ids",), *_]:
                self._table = table
                return ("embedded",)
            case "zeros.default", _:
                return ("zeros",)
            case _, [value, *_] if name in NOTHING:
                return value
            case _, [("embedded",), start, weights, *options] if name in CELLS and self._cell is None:
                return self._recurrence(name, start, weights, options)
            case "<built-in function getitem>", [("layer",), 0]:
                return ("rows", ())
            case "<built-in function getitem>", [("layer",), 1]:
                return ("finals",)
            case "<built-in function getitem>", [("layer",), 2]:
                return ("cells",)
            case "select.int", [("rows", steps), 1, -1]:
                return ("end", steps)
            case "select.int", [("finals",), 0, -1]:
                return ("end", ())
            case "linear.default", [(("rows" | "end") as where, steps), np.ndarray() as weight, *bias]:
                return (where, (*steps, Affine(weight, bias[0] if bias else None)))
            case (("relu.default" | "tanh.default" | "sigmoid.default"), [(("rows" | "end") as where, steps)]):
                return (where, (*steps, Activation(name.split(".")[0])))  # type: ignore[arg-type]
        raise NetworkError(
            "beside a recurrent layer an embedding of the ids, linear maps, ReLU, tanh and sigmoid are understood, not "
            f"{name} ({node.name})"
        )

    def _recurrence(self, name: str, start: Any, weights: Any, options: list[Any]) -> tuple[str]:
        has_biases, layers, _, _, is_bidirectional, batch_first = options
        states = [self._found.get(one) for one in start] if isinstance(start, list | tuple) else []
        is_zero = start == ("zeros",) or (bool(states) and all(state == ("zeros",) for state in states))
        each = 4 if has_biases else 2
        if is_bidirectional or not batch_first or not is_zero or len(weights) != each * layers:
            raise NetworkError(
                "expected a recurrent layer of one direction, batch_first, without projections, that begins with zeros"
            )
        arrays = [self._found[weight] for weight in weights]
        size, is_lstm = arrays[1].shape[1], name == "lstm.input"
        cells = tuple(torch_layer(name, arrays[n : n + each], size) for n in range(0, len(arrays), each))
        inputs = self._table.shape[1]
        if has_biases:
            self._table, inputs = np.hstack([self._table, np.ones((len(self._table), 1))]), inputs + 1
        transition = stacked(cells, size, inputs, is_lstm=is_lstm, has_ones=has_biases)
        width = layers * size * (2 if is_lstm else 1)
        self._last = width // layers * (layers - 1)
        self._cell = transition, np.zeros(width), size
        return ("layer",)


def torch_layer(name: str, arrays: list[Reals], size: int) -> Layer:
    """One layer, from weight_ih, weight_hh and, where there are any, bias_ih and bias_hh: gates one below another."""

    def gate(n: int) -> Gate:
        return Gate(*(np.ascontiguousarray(array[n * size : (n + 1) * size]) for array in arrays))

    match name:
        case "gru.input":  # r, z, n
            return partial(gru, gate(1), gate(2), gate(0))
        case "lstm.input":  # i, f, g, o
            return partial(lstm, gate(0), gate(1), gate(2), gate(3))
    return partial(elman, gate(0), "tanh" if name == "rnn_tanh.input" else "relu")
