"""What a folder made for the attack is, and weights for it: ordinary ones, and ones made to mislead bounds.

Weights are drawn tensor by tensor: of one ordinary scale, or extreme (powers of ten from 1e-45 to 3e38), equal up to
one unit in the last place, constant, small whole numbers (exact ties), or zero beside a huge neighbour. ``Made`` holds
the files, and what is asked of them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Random = np.random.Generator
Shapes = dict[str, tuple[int, ...]]
Array = NDArray[Any]

MOST = 3.4e38
MOODS = ("plain", "plain", "whole", "ties", "extreme", "dead ends", "cancelling", "scores", "huge", "tiny", "any")

SCORES = (
    "c_attn", "Wq", "Wk", "query", "key", "W_q", "W_k", "W_Q", "W_K", "sink", "q_proj", "k_proj", "q_norm", "k_norm",
    "qkv",
)  # fmt: skip


@dataclass(frozen=True)
class Made:
    """``files`` by name, and the entries of the ``Question`` to load them with."""

    format: str
    files: Mapping[str, bytes]
    question: Mapping[str, Any] = field(default_factory=dict)

    def write(self, folder: Path) -> Path:
        """The files in ``folder``."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in self.files.items():
            (folder / name).write_bytes(content)
        return folder


def weights(rng: Random, shapes: Shapes, mood: str, dtype: type = np.float32) -> dict[str, Array]:
    """Tensors of these shapes; the ``mood`` says what is special about some of them."""
    scale = float(rng.choice([0.3, 0.7, 1.5]))
    drawn = {name: rng.normal(scale=scale, size=shape) for name, shape in shapes.items()}
    for name in shapes:  # norms that keep the size of things, mostly
        if re.search(r"\bln_?(1|2|f|final)\.w|norm\d?\.weight", name):
            drawn[name] = drawn[name] + rng.choice([0.0, 1.0])
    names = [*shapes]
    some = [names[n] for n in rng.choice(len(names), min(len(names), int(rng.integers(1, 4))), replace=False)]
    match mood:
        case "whole":
            drawn = {name: rng.integers(-2, 3, shape).astype(float) for name, shape in shapes.items()}
        case "ties":
            for name in {*some, *(n for n in names if "lm_head" in n or "h2." in n)}:
                drawn[name] = _nearly_equal(rng, drawn[name])
        case "extreme":
            for name in some:
                drawn[name] = _extreme(rng, shapes[name])
        case "dead ends":  # a matrix of zeros, and something huge around it
            at = int(rng.integers(len(names)))
            for n, name in enumerate(names[max(0, at - 3) : at + 4], max(0, at - 3)):
                if n == at:
                    drawn[name] = np.zeros(shapes[name])
                elif rng.random() < 0.6:
                    drawn[name] = drawn[name] * 10.0 ** rng.uniform(5, 38)
        case "cancelling":
            for name in names:
                if any(part in name for part in ("wte", "wpe", "tok", "pos", "embed", "W_E", "digit_enc")):
                    drawn[name] = 10.0 ** rng.uniform(0, 8) + rng.choice([0.0, 1e-3, 1.0]) * drawn[name]
        case "scores":
            for name in names:
                if any(part in name for part in SCORES):
                    drawn[name] = drawn[name] * 10.0 ** rng.uniform(0, 4)
        case "huge" | "tiny":
            low, high = (3, 38) if mood == "huge" else (-45, -3)
            for name in some:
                drawn[name] = drawn[name] * 10.0 ** rng.uniform(low, high)
        case "any":
            for name in names:
                drawn[name] = _any(rng, drawn[name])
    return {name: _stored(value, dtype) for name, value in drawn.items()}


def _stored(values: Array, dtype: type) -> Array:
    most = MOST if dtype == np.float32 else 1e300
    return np.clip(values, -most, most).astype(dtype)


def halved(tensors: dict[str, Array]) -> dict[str, Array]:
    """The same in float16, where that holds numbers of this size."""
    small = all(np.abs(t).max(initial=0) < 6e4 for t in tensors.values())
    return {name: t.astype(np.float16) for name, t in tensors.items()} if small else tensors


def _any(rng: Random, values: Array) -> Array:
    match int(rng.integers(12)):
        case 0:
            return np.zeros(values.shape)
        case 1:
            return np.full(values.shape, float(rng.normal()))
        case 2:
            return _nearly_equal(rng, values)
        case 3:
            return _extreme(rng, values.shape)
        case 4:
            return rng.integers(-1, 2, values.shape).astype(float)
        case 5:
            return values * 10.0 ** rng.uniform(-8, 8)
        case 6:
            return np.where(rng.random(values.shape) < 0.5, 0.0, values)
    return values


def _nearly_equal(rng: Random, values: Array) -> Array:
    """Every row the first one, moved by a few units in the last place."""
    first = np.broadcast_to(values[:1], values.shape).astype(np.float32)
    return first.astype(float) * (1 + rng.integers(-2, 3, values.shape) * float(rng.choice([0.0, 2.0**-23, 1e-5])))


def _extreme(rng: Random, shape: tuple[int, ...]) -> Array:
    powers = rng.choice([-45.0, -40.0, -38.0, -30.0, -20.0, -10.0, -3.0, 0.0, 3.0, 10.0, 19.0, 30.0, 38.0], size=shape)
    sign = rng.choice([-1.0, 0.0, 1.0, 1.0], size=shape)
    return sign * rng.uniform(1, 3.4, size=shape) * 10.0**powers


def encoded(value: object) -> bytes:
    return json.dumps(value).encode()


def readout(rng: Random, outputs: tuple[str, ...]) -> dict[str, Any]:
    """A read-out, and the outputs that it reads."""
    kind = str(rng.choice(["argmax", "argmax", "argmax", "set", "round"]))
    if kind == "round":
        return {"readout": kind, "answers": (str(rng.choice(outputs)),)}
    count = int(rng.integers(2, len(outputs) + 1))
    return {"readout": kind, "answers": tuple(outputs[n] for n in rng.permutation(len(outputs))[:count])}


def sizes(rng: Random, longest: int | None = None) -> dict[str, int]:
    heads, usual = int(rng.choice([1, 1, 2])), 4 if rng.random() < 0.97 else 18  # softmax online works by 16 keys
    return {
        "layers": int(rng.choice([1, 1, 2])), "heads": heads, "head": 2, "d": int(rng.choice([2, 4])),
        "inner": int(rng.choice([3, 4])), "vocabulary": int(rng.choice([3, 4])), "longest": longest or usual,
    }  # fmt: skip
