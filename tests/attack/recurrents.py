"""Folders with small recurrent networks, and their formulas, written again from the equations of their families.

A formula gives the logits after every token of a prompt, in the operations of ``arithmetics``: a DyNet GRU or LSTM of
several layers, the recurrent networks of numbers, and cells of torch, with a reset gate and two biases, as steps.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
from made import Made, Random, Shapes, encoded, weights
from numpy.typing import NDArray

from tasks.formats import Question, save_folder
from tasks.networks.cells import Gate, elman, gru, lstm, stacked
from tasks.networks.model import authored
from tasks.networks.recurrent import Recurrent
from tasks.networks.transformer import Affine, Columns

Ids = NDArray[np.int64]
LONGEST = 6
TORCH = {"rnn_tanh": 1, "rnn_relu": 1, "gru": 3, "lstm": 4}  # gates
GATES = {"gru": ("z", "r", "htilde"), "lstm": ("i", "f", "o", "ctilde")}
PROSE = ["x_t = embedding[symbol id]   (2 numbers)", "affine(g) = Wx_g @ in + Wh_g @ h_(t-1) + b_g  with tensors"]
SAID = {
    "gru": [*PROSE, "z = sigmoid(affine(z));  ht = tanh(affine(htilde))   (r is not used)",
            "h_t = z * h_(t-1) + (1 - z) * ht"],
    "lstm": [*PROSE, "i = sigmoid(affine(i)); f = sigmoid(affine(f)); o = sigmoid(affine(o)); g = tanh(affine(ctilde))",
             "c_t = c_(t-1) * f + g * i;  h_t = tanh(c_t) * o"],
}  # fmt: skip


def recurrent(rng: Random, mood: str) -> Made:
    """A recurrent network of any of the families."""
    family = str(rng.choice(["dynet", "numbers", "torch"]))
    return {"dynet": _dynet, "numbers": _numbers, "torch": _torch}[family](rng, mood)


def formula(files: Mapping[str, bytes]) -> tuple[Any, ...]:
    """Names of tokens and outputs, the longest prompt, the dtype, and how it is run."""
    w = safetensors.numpy.load(files["model.safetensors"])
    dtype = str(next(iter(w.values())).dtype)
    if "network.json" in files:
        said = json.loads(files["network.json"])
        return tuple(said["vocabulary"]), tuple(said["outputs"]), LONGEST, dtype, partial(_listed, said, w)
    case, config = json.loads(files["case.json"]), json.loads(files.get("config.json", b"{}"))
    if "recurrent" in case:
        said = case["recurrent"]
        return tuple(case["symbols"]), tuple(case["outputs"]), LONGEST, dtype, partial(_run_torch, w, said)
    if "embedding" in w:
        return tuple(case["symbols"]), ("accept", "reject"), LONGEST, dtype, partial(_run_dynet, w)
    inputs = w["Wx.weight"].shape[1] if "Wx.weight" in w else w["hmlp.mlp.0.weight"].shape[1] - _width(w)
    table = np.stack(np.meshgrid(*[np.arange(3.0)] * inputs, indexing="ij"), -1).reshape(-1, inputs)
    names = tuple(",".join(str(int(x)) for x in row) for row in table)
    run = partial(_run_numbers, w, table.astype(dtype), config["activation"])
    assert "0..2" in case["input"]["domain"]
    return names, ("y",), LONGEST, dtype, run


# --- files ----------------------------------------------------------------------------------------------------------


def _dynet(rng: Random, mood: str) -> Made:
    kind, layers, size, tokens = str(rng.choice([*GATES])), int(rng.integers(1, 3)), int(rng.integers(1, 5)), 2
    shapes: Shapes = {"embedding": (tokens, 2)}
    for n in range(layers):
        shapes |= {f"layers.{n}.{state}0": (size,) for state in ("hc" if kind == "lstm" else "h")}
        for gate in GATES[kind]:
            at = f"layers.{n}.{gate}."
            shapes |= {f"{at}Wx": (size, size if n else 2), f"{at}Wh": (size, size), f"{at}b": (size,)}
    shapes |= {"out.weight": (2, size), "out.bias": (2,)}
    case = {
        "name": "made", "symbols": {f"t{n}": n for n in range(tokens)}, "architecture": {"formulas": SAID[kind]},
        "read_out": {"kind": "accept_reject_at_end"},
    }  # fmt: skip
    return _case(rng, mood, shapes, case, {})


def _numbers(rng: Random, mood: str) -> Made:
    width, inputs, inner = (int(n) for n in (rng.integers(1, 4), rng.integers(1, 3), rng.integers(1, 4)))
    if rng.random() < 0.4:
        shapes: Shapes = {"Wh.weight": (width, width), "Wh.bias": (width,), "Wx.weight": (width, inputs)}
        shapes |= {"Wx.bias": (width,), "Wy.weight": (1, width), "Wy.bias": (1,)}
    else:
        shapes = {}
        for mlp, into, out in (("hmlp", width + inputs, width), ("ymlp", width, 1)):
            ends = [into, inner, out] if rng.random() < 0.5 else [into, out]
            for n, (a, b) in enumerate(pairwise(ends)):
                shapes |= {f"{mlp}.mlp.{2 * n}.weight": (b, a), f"{mlp}.mlp.{2 * n}.bias": (b,)}
    case = {"name": "made", "input": {"domain": "integers 0..2"}, "read_out": {"kind": "round"}}
    return _case(rng, mood, shapes, case, {"activation": str(rng.choice(["relu", "tanh", "sigmoid"]))})


def _case(rng: Random, mood: str, shapes: Shapes, case: dict[str, Any], config: dict[str, Any]) -> Made:
    tensors = weights(rng, shapes, mood, np.float64 if rng.random() < 0.2 else np.float32)
    files = {"case.json": encoded(case), "model.safetensors": safetensors.numpy.save(tensors)}
    files |= {"config.json": encoded(config)} if config else {}
    return Made("recurrent case", files, {"lengths": (1, LONGEST)})


def _torch(rng: Random, mood: str) -> Made:
    kind, layers, size = str(rng.choice(["gru", "lstm", "elman"])), int(rng.integers(1, 3)), int(rng.integers(1, 4))
    count, inputs = {"gru": 3, "lstm": 4, "elman": 1}[kind], 2
    shapes: Shapes = {"tokens": (2, inputs), "start": (size * layers * (2 if kind == "lstm" else 1),)}
    shapes |= {"out": (2, size), "out.b": (2,)}
    for n in range(layers):
        for g in range(count):
            shapes |= {f"{n}.{g}.x": (size, size if n else inputs), f"{n}.{g}.h": (size, size)}
            shapes |= {f"{n}.{g}.b": (size,), f"{n}.{g}.c": (size,)}
    w = {name: t.astype(np.float64) for name, t in weights(rng, shapes, mood, np.float32).items()}
    gates = [[Gate(*(w[f"{n}.{g}.{part}"] for part in "xhbc")) for g in range(count)] for n in range(layers)]
    activation = str(rng.choice(["tanh", "relu", "sigmoid"]))
    make: dict[str, Callable[..., Any]] = {
        "gru": lambda r, z, n: partial(gru, z, n, r),
        "lstm": lambda i, f, g, o: partial(lstm, i, f, g, o),
        "elman": lambda g: partial(elman, g, activation),
    }
    cells = tuple(make[kind](*each) for each in gates)
    steps = stacked(cells, size, inputs + 1, is_lstm=kind == "lstm", has_ones=True)
    at = len(w["start"]) // layers * (layers - 1)
    tokens = np.hstack([w["tokens"], np.ones((2, 1))])
    network = Recurrent(tokens, w["start"], steps, (Columns(at, at + size), Affine(w["out"], w["out.b"])), LONGEST)
    loaded = authored("made", "torch", network, ("t0", "t1"), Question(lengths=(1, LONGEST)), outputs=("no", "yes"))
    with tempfile.TemporaryDirectory() as folder:
        made = save_folder(loaded, Path(folder) / "made")
        return Made("recurrent steps", {path.name: path.read_bytes() for path in made.iterdir()})


def torch_state(rng: Random, mood: str) -> Made:
    """The state dict of a recurrent layer of torch, with an embedding, one or two maps after it, and biases or none."""
    layer, layers, size = str(rng.choice([*TORCH])), int(rng.integers(1, 3)), int(rng.integers(1, 4))
    has_bias, is_deep, rows = rng.random() < 0.7, rng.random() < 0.5, TORCH[layer] * size
    shapes: Shapes = {"emb.weight": (2, 2)}
    for n in range(layers):
        shapes |= {f"rnn.weight_ih_l{n}": (rows, size if n else 2), f"rnn.weight_hh_l{n}": (rows, size)}
        shapes |= {f"rnn.bias_{part}_l{n}": (rows,) for part in ("ih", "hh") if has_bias}
    shapes |= {"hidden.weight": (2, size), "hidden.bias": (2,)} if is_deep else {}
    shapes |= {"head.weight": (2, 2 if is_deep else size), "head.bias": (2,)}
    output = ["hidden", "relu", "head"] if is_deep else ["head"]
    case = {
        "recurrent": {"layer": layer, "name": "rnn", "embedding": "emb", "output": output},
        "symbols": {"t0": 0, "t1": 1}, "outputs": ["no", "yes"], "read_out": {"kind": "argmax", "position": "last"},
    }  # fmt: skip
    made = _case(rng, mood, shapes, case, {})
    return Made("torch recurrent", made.files, made.question)


# --- formulas -------------------------------------------------------------------------------------------------------


def _rows(o: Any, table: Any, ids: Ids, at: int) -> Any:
    """The row of one token of each prompt."""
    return o.rows(table, ids[..., at : at + 1])


def _start(o: Any, state: Any, ids: Ids) -> Any:
    return o.rows(state[None], 0 * ids[..., :1])


def _joined(logits: list[Any]) -> Any:
    """Rows of all places."""
    if isinstance(logits[0], list):
        return [row for rows in logits for row in rows]
    import torch

    return torch.cat(logits, 1)


def _less(o: Any, x: Any, size: int) -> Any:
    """``1 - x``."""
    return o.linear(x, -np.eye(size), np.ones(size))


def _run_dynet(w: Mapping[str, Any], o: Any, ids: Ids) -> Any:
    layers = sum(name.endswith(".h0") for name in w)
    h = [_start(o, w[f"layers.{n}.h0"], ids) for n in range(layers)]
    c = [_start(o, w[f"layers.{n}.c0"], ids) if f"layers.{n}.c0" in w else None for n in range(layers)]
    found = []
    for t in range(ids.shape[-1]):
        x = _rows(o, w["embedding"], ids, t)
        for n in range(layers):

            def gate(name: str, kind: str, n: int = n, x: Any = x) -> Any:
                at = f"layers.{n}.{name}."
                summed = o.add(o.linear(x, w[f"{at}Wx"], w[f"{at}b"]), o.linear(h[n], w[f"{at}Wh"]))
                return o.activate(summed, kind)

            size = w[f"layers.{n}.h0"].shape[0]
            if c[n] is None:
                z, new = gate("z", "sigmoid"), gate("htilde", "tanh")
                h[n] = o.add(o.multiply(z, h[n]), o.multiply(_less(o, z, size), new))
            else:
                i, f, out, g = (gate(name, "tanh" if name == "ctilde" else "sigmoid") for name in GATES["lstm"])
                c[n] = o.add(o.multiply(f, c[n]), o.multiply(i, g))
                h[n] = o.multiply(out, o.activate(c[n], "tanh"))
            x = h[n]
        found.append(o.linear(x, w["out.weight"], w["out.bias"]))
    return _joined(found)


def _width(w: Mapping[str, Any]) -> int:
    names = sorted(name for name in w if name.startswith("hmlp") and name.endswith("weight"))
    return int(w[names[-1]].shape[0])


def _run_numbers(w: Mapping[str, Any], table: Any, activation: str, o: Any, ids: Ids) -> Any:
    is_elman = "Wh.weight" in w
    width = w["Wh.weight"].shape[0] if is_elman else _width(w)
    h, found = _start(o, np.zeros(width, table.dtype), ids), []

    def mlp(name: str, x: Any) -> Any:
        for n in sorted(int(k.split(".")[2]) for k in w if k.startswith(name) and k.endswith("weight")):
            x = o.linear(o.activate(x, activation) if n else x, w[f"{name}.mlp.{n}.weight"], w[f"{name}.mlp.{n}.bias"])
        return x

    for t in range(ids.shape[-1]):
        x = _rows(o, table, ids, t)
        if is_elman:
            of_state, of_input = (o.linear(v, w[f"{k}.weight"], w[f"{k}.bias"]) for v, k in ((h, "Wh"), (x, "Wx")))
            h = o.activate(o.add(of_state, of_input), activation)
            found.append(o.linear(h, w["Wy.weight"], w["Wy.bias"]))
        else:
            h = mlp("hmlp", o.beside(h, x))
            found.append(mlp("ymlp", h))
    return _joined(found)


def _listed(said: Mapping[str, Any], w: Mapping[str, Any], o: Any, ids: Ids) -> Any:
    state, found = _start(o, w[said["start"]], ids), []
    for t in range(ids.shape[-1]):
        state = _follow(o, said["transition"], o.beside(state, _rows(o, w[said["tokens"]], ids, t)), w)
        found.append(_follow(o, said["output"], state, w))
    return _joined(found)


def _follow(o: Any, listed: list[dict[str, Any]], x: Any, w: Mapping[str, Any]) -> Any:
    for s in listed:
        match s["step"]:
            case "affine":
                x = o.linear(x, w[s["weight"]], None if s["bias"] is None else w[s["bias"]])
            case "activation":
                x = o.activate(x, s["kind"], s["slope"])
            case "product":
                x = o.multiply(_follow(o, s["left"], x, w), _follow(o, s["right"], x, w))
            case "columns":
                x = o.columns(x, s["start"], s["stop"])
            case "concat":
                first, *others = (_follow(o, part, x, w) for part in s["parts"])
                for other in others:
                    first = o.beside(first, other)
                x = first
            case "blend":
                g = o.activate(_follow(o, s["gate"], x, w), "sigmoid")
                one, other = (_follow(o, s[part], x, w) for part in ("one", "other"))
                size = len(g[0]) if isinstance(g, list) else g.shape[-1]
                x = o.add(o.multiply(g, one), o.multiply(_less(o, g, size), other))
            case other:
                raise ValueError(f"no formula is known for the step {other!r}")
    return x


def _run_torch(w: Mapping[str, Any], said: Mapping[str, Any], o: Any, ids: Ids) -> Any:
    size, kind = w["rnn.weight_hh_l0"].shape[1], said["layer"]
    layers = sum(name.startswith("rnn.weight_hh") for name in w)
    h = [_start(o, np.zeros(size, w["emb.weight"].dtype), ids) for _ in range(layers)]
    c, found = list(h), []
    for t in range(ids.shape[-1]):
        x = _rows(o, w["emb.weight"], ids, t)
        for n in range(layers):

            def part(of: str, value: Any, gate: int, n: int = n) -> Any:
                rows, bias = slice(gate * size, (gate + 1) * size), w.get(f"rnn.bias_{of}_l{n}")
                return o.linear(value, w[f"rnn.weight_{of}_l{n}"][rows], None if bias is None else bias[rows])

            def gate(number: int, kind: str = "sigmoid", n: int = n, x: Any = x, part: Any = part) -> Any:
                return o.activate(o.add(part("ih", x, number), part("hh", h[n], number)), kind)

            if kind == "gru":
                r, z = gate(0), gate(1)
                new = o.activate(o.add(part("ih", x, 2), o.multiply(r, part("hh", h[n], 2))), "tanh")
                h[n] = o.add(o.multiply(_less(o, z, size), new), o.multiply(z, h[n]))
            elif kind == "lstm":
                i, f, g, out = gate(0), gate(1), gate(2, "tanh"), gate(3)
                c[n] = o.add(o.multiply(f, c[n]), o.multiply(i, g))
                h[n] = o.multiply(out, o.activate(c[n], "tanh"))
            else:
                h[n] = gate(0, kind.removeprefix("rnn_"))
            x = h[n]
        for name in said["output"]:
            is_map = f"{name}.weight" in w
            x = o.linear(x, w[f"{name}.weight"], w[f"{name}.bias"]) if is_map else o.activate(x, name)
        found.append(x)
    return _joined(found)
