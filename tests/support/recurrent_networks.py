"""Small recurrent networks for tests: folders of DyNet's cells, of networks of numbers, and a counter that breaks."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from safetensors.numpy import save

from tasks.formats import Question
from tasks.networks.model import Loaded, authored
from tasks.networks.recurrent import Recurrent
from tasks.networks.transformer import Activation, Affine

PROSE = ["x_t = embedding[symbol id]   (2 numbers)", "affine(g) = Wx_g @ in + Wh_g @ h_(t-1) + b_g  with tensors"]
FORMULAS = {
    "gru": [*PROSE, "z = sigmoid(affine(z));  ht = tanh(affine(htilde))   (r is never used)",
            "h_t = z * h_(t-1) + (1 - z) * ht"],
    "lstm": [*PROSE, "i = sigmoid(affine(i)); f = sigmoid(affine(f)); o = sigmoid(affine(o)); g = tanh(affine(ctilde))",
             "c_t = c_(t-1) * f + g * i;  h_t = tanh(c_t) * o"],
}  # fmt: skip
GATES = {"gru": ("z", "r", "htilde"), "lstm": ("i", "f", "o", "ctilde")}


def dynet_tensors(kind: str, seed: int = 0, layers: int = 2, size: int = 3) -> dict[str, np.ndarray]:
    """Random tensors of a network over two symbols."""
    rng = np.random.default_rng(seed)
    tensors = {"embedding": rng.normal(size=(2, 2)), "out.weight": rng.normal(size=(2, size))}
    tensors["out.bias"] = rng.normal(size=2)
    for n in range(layers):
        tensors |= {f"layers.{n}.{state}0": rng.normal(size=size) for state in ("hc" if kind == "lstm" else "h")}
        for gate in GATES[kind]:
            at = f"layers.{n}.{gate}."
            tensors |= {f"{at}Wx": rng.normal(size=(size, size if n else 2)), f"{at}Wh": rng.normal(size=(size, size))}
            tensors[f"{at}b"] = rng.normal(size=size)
    return {name: tensor.astype(np.float32) for name, tensor in tensors.items()}


def dynet_logits(tensors: dict[str, np.ndarray], ids: list[int]) -> np.ndarray:
    """What the equations give, one word and one gate at a time."""
    w = {name: tensor.astype(np.float64) for name, tensor in tensors.items()}
    layers = sum(name.endswith(".h0") for name in w)
    h = [w[f"layers.{n}.h0"] for n in range(layers)]
    c = [w.get(f"layers.{n}.c0") for n in range(layers)]

    def sigmoid(x: np.ndarray) -> np.ndarray:
        return 1 / (1 + np.exp(-x))

    for token in ids:
        x = w["embedding"][token]
        for n in range(layers):
            at = {gate: f"layers.{n}.{gate}." for gate in GATES["lstm" if c[n] is not None else "gru"]}
            a = {gate: w[f"{p}Wx"] @ x + w[f"{p}Wh"] @ h[n] + w[f"{p}b"] for gate, p in at.items()}
            if c[n] is None:
                z = sigmoid(a["z"])
                h[n] = z * h[n] + (1 - z) * np.tanh(a["htilde"])
            else:
                c[n] = c[n] * sigmoid(a["f"]) + np.tanh(a["ctilde"]) * sigmoid(a["i"])
                h[n] = np.tanh(c[n]) * sigmoid(a["o"])
            x = h[n]
    return w["out.weight"] @ h[-1] + w["out.bias"]


def write_dynet(folder: Path, kind: str, tensors: dict[str, np.ndarray] | None = None, **case: object) -> Path:
    """The network as a folder; ``case`` replaces entries of case.json."""
    folder.mkdir(parents=True, exist_ok=True)
    said = {
        "name": "made", "symbols": {"a": 0, "b": 1}, "architecture": {"formulas": FORMULAS[kind]},
        "read_out": {"kind": "accept_reject_at_end"}, **case,
    }  # fmt: skip
    (folder / "case.json").write_text(json.dumps(said))
    (folder / "model.safetensors").write_bytes(save(tensors or dynet_tensors(kind)))
    return folder


def write_adder(folder: Path) -> Path:
    """Both bits of a step and the carry are added: h' = relu of the sum less 0, 1 and 2; exact in every arithmetic."""
    folder.mkdir(parents=True, exist_ok=True)
    carry = np.array([[0, 1, -1], [0, 1, -1], [0, 1, -1]], np.float32)  # of the h before
    tensors = {
        "hmlp.mlp.0.weight": np.hstack([carry, np.ones((3, 2), np.float32)]),
        "hmlp.mlp.0.bias": np.array([0, -1, -2], np.float32),
        "hmlp.mlp.2.weight": np.eye(3, dtype=np.float32), "hmlp.mlp.2.bias": np.zeros(3, np.float32),
        "ymlp.mlp.0.weight": np.array([[1, -2, 2]], np.float32), "ymlp.mlp.0.bias": np.zeros(1, np.float32),
    }  # fmt: skip
    said = {"name": "adder", "input": {"domain": "pairs of bits"}, "read_out": {"kind": "round"}}
    (folder / "case.json").write_text(json.dumps(said))
    (folder / "config.json").write_text(json.dumps({"activation": "ReLU"}))
    (folder / "model.safetensors").write_bytes(save(tensors))
    return folder


def counter(limit: float, *, longest: int = 64) -> Loaded:
    """Counts the letters b, 0 after an a: "many" where there are more than ``limit`` of them at the end."""
    tokens, start = np.array([[0.0], [1.0]]), np.zeros(1)
    transition = (Affine(np.array([[1.0, 65.0]]), np.array([-64.0])), Activation("relu"))
    output = (Affine(np.array([[-1.0], [1.0]]), np.array([limit, -limit])),)
    network = Recurrent(tokens, start, transition, output, longest)
    return authored("counter", "torch", network, ("a", "b"), Question(), outputs=("few", "many"))
