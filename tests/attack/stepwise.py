"""Folders that list the steps of a network: saved ones of other formats, and random lists with every kind of step."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
from made import Made, Random, Shapes, encoded, weights

from tasks.formats import Question, load, save_folder
from tasks.networks.sparse_transformer import NetworkError

KINDS = ("relu", "leaky_relu", "gelu", "gelu_tanh", "silu", "silu", "tanh", "sigmoid")
Listed = list[dict[str, Any]]


def steps(rng: Random, mood: str, others: tuple[Callable[[Random, str], Made], ...]) -> Made:
    """A random list of steps, or what ``save_folder`` makes of a network of another format."""
    if rng.random() < 0.3:
        made = others[rng.integers(len(others))](rng, mood)
        saved = _saved(made)
        if saved is not None:
            return saved
    return _Random(rng, mood).made()


def _saved(made: Made) -> Made | None:
    with tempfile.TemporaryDirectory() as scratch:
        try:
            loaded = load(made.write(Path(scratch) / "made"), Question(**made.question))
            folder = save_folder(loaded, Path(scratch) / "saved")
        except NetworkError:
            return None
        return Made("steps", {path.name: path.read_bytes() for path in folder.iterdir()})


class _Random:
    """Shapes of tensors by name, as steps are drawn."""

    def __init__(self, rng: Random, mood: str) -> None:
        self.rng, self.mood = rng, mood
        self.shapes: Shapes = {}
        self.vocabulary, self.longest = int(rng.choice([3, 4])), int(rng.choice([2, 3, 4, 4]))
        self.width = int(rng.choice([2, 4]))

    def tensor(self, what: str, *shape: int) -> str:
        """A new one."""
        name = f"{what}.{len(self.shapes)}.weight"
        self.shapes[name] = shape
        return name

    def maybe(self, what: str, *shape: int) -> str | None:
        """A new one, or none."""
        return self.tensor(what, *shape) if self.rng.random() < 0.5 else None

    def affine(self, into: int, out: int) -> dict[str, Any]:
        """A map."""
        return {"step": "affine", "weight": self.tensor("map", out, into), "bias": self.maybe("bias", out)}

    def norm(self, width: int) -> dict[str, Any]:
        """A norm, of the row or of parts of it."""
        kind, groups = str(self.rng.choice(["rms", "rms", "layer"])), int(self.rng.choice([1, width // 2, width]))
        eps = float(self.rng.choice([1e-5, 2.0**-23, 0.1]))
        return {"step": "norm", "kind": kind, "gain": self.tensor("norm", width), "bias": self.maybe("bias", width),
                "eps": eps, "groups": max(1, groups)}  # fmt: skip

    def activation(self) -> dict[str, Any]:
        """An activation."""
        kind = str(self.rng.choice(KINDS))
        return {"step": "activation", "kind": kind, "slope": 0.25 if kind == "leaky_relu" else 0.0}

    def product(self, width: int, depth: int) -> dict[str, Any]:
        """A gate, a square, or a product of any two ways."""
        way = self.rng.random()
        if way < 0.4:
            left = [self.affine(width, width), self.activation()]
            return {"step": "product", "left": left, "right": [self.affine(width, width)]}
        if way < 0.5:
            return {"step": "product", "left": [], "right": []}
        sides = [self.rows(width, depth + 1) for _ in range(2)]
        return {"step": "product", "left": sides[0], "right": sides[1]}

    def rows(self, width: int, depth: int) -> Listed:
        """Some steps on each row by itself."""
        found: Listed = []
        for _ in range(int(self.rng.integers(1, 3))):
            match int(self.rng.integers(8 if depth < 2 else 5)):
                case 0 | 1:
                    found.append(self.affine(width, width))
                case 2:
                    found.append(self.norm(width))
                case 3:
                    found.append(self.activation())
                case 4:
                    found.append(self.odd(width))
                case 5 | 6:
                    found.append(self.product(width, depth))
                case _:
                    found.append({"step": "residual", "steps": self.rows(width, depth + 1)})
        return found

    def odd(self, width: int) -> dict[str, Any]:
        """What few networks have."""
        match int(self.rng.integers(3)):
            case 0:
                return {"step": "abs_top_k", "count": int(self.rng.integers(1, width + 1))}
            case 1:
                kept = [bool(flag) for flag in self.rng.random(width) < 0.6]
                return {"step": "mask", "site": "a site", "kept": kept, "means": self.tensor("means", width)}
        return {"step": "lookup", "table": self.tensor("lookup", self.vocabulary, width)}

    def attention(self) -> Listed:
        """Heads, whose queries and keys may be turned or normed, and the map behind them."""
        rng, weighting = self.rng, str(self.rng.choice(["softmax", "softmax", "sparsemax", "hard"]))
        heads, size = int(rng.choice([1, 2])), int(rng.choice([1, 2]))
        wide, ways = heads * size, []
        for n in range(3):
            way: Listed = [self.affine(self.width, wide)]
            if n < 2 and rng.random() < 0.4:
                way.append({**self.norm(wide), "groups": heads})
            if rng.random() < 0.3:
                way = [{"step": "product", "left": way, "right": [self.affine(self.width, wide)]}]
            ways.append(way)
        sink = self.tensor("sink", heads) if weighting == "softmax" and rng.random() < 0.3 else None
        query, key, value = ways
        scale = float(rng.choice([0.5, 1.0, size**-0.5]))
        attention = {
            "step": "attention", "query": query, "key": key, "value": value, "heads": heads, "scale": scale,
            "weighting": weighting, "causal": bool(rng.random() < 0.7), "sink": sink, "hidden": [],
        }  # fmt: skip
        return [attention, self.affine(wide, self.width)]

    def bare(self) -> Listed:
        """One step on the embedding, or a product of two."""
        if self.rng.random() < 0.5:
            way: Listed = [self.activation()] if self.rng.random() < 0.6 else []
            return [{"step": "product", "left": way, "right": []}]
        return [self.activation() if self.rng.random() < 0.7 else self.norm(self.width)]

    def made(self) -> Made:
        """The folder."""
        rng = self.rng
        tokens, positions = self.tensor("tok", self.vocabulary, self.width), None
        listed: Listed = []
        is_bare = rng.random() < 0.2  # one step on numbers that are stored: nothing hides what it rounds
        if is_bare:
            listed = self.bare()
        elif rng.random() < 0.6:
            positions = self.tensor("pos", self.longest, self.width)
        for _ in range(0 if is_bare else int(rng.choice([1, 1, 2]))):
            before = [self.norm(self.width)] if rng.random() < 0.5 else []
            listed.append({"step": "residual", "steps": [*before, *self.attention()]})
            inner = self.rows(self.width, 0)
            listed += [{"step": "residual", "steps": inner}] if rng.random() < 0.6 else inner
        width = self.width
        pool = (
            str(rng.choice(["sum", "mean", "last", "first", "concat"])) if rng.random() < 0.2 and not is_bare else None
        )
        rows = self.longest if pool == "concat" else 0
        if pool is not None:
            listed.append({"step": "pool", "kind": pool, "rows": rows})
            width *= rows or 1
        outputs = self.width if is_bare else int(rng.choice([2, 3]))
        listed += [] if is_bare else [self.affine(width, outputs)]
        names, tells = [f"t{n}" for n in range(self.vocabulary)], [f"y{n}" for n in range(outputs)]
        dtype = "float64" if rng.random() < 0.2 else "float32"
        tensors = weights(rng, self.shapes, self.mood, np.dtype(dtype).type)
        kind = str(rng.choice(["argmax", "argmax", "set"]))
        said = {
            "name": "made", "notes": [], "dtype": dtype, "longest": self.longest, "vocabulary": names,
            "outputs": tells, "prefix": [], "suffix": [],
            "domain": {"alphabet": names, "min_length": rows or 1, "max_length": self.longest, "constraint": None},
            "readout": {"kind": kind, "position": "last", "columns": [*range(outputs)], "threshold": 0.0,
                        "denominator": 1},
            "tokens": tokens, "positions": positions, "steps": listed,
        }  # fmt: skip
        return Made("steps", {"network.json": encoded(said), "model.safetensors": safetensors.numpy.save(tensors)})
