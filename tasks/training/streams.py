"""Recurrent ReLU networks trained on the tasks of ``stream_tasks``, one folder each.

    h_0 = 0,   h_t = F(h_(t-1), x_t),   y_t = G(h_t)

F and G are affine, or affine, ReLU, affine (G once more for the hardest). Many seeds are trained side by side, as
stacked matrices, by Adam on log(1 + error^2), from nothing but inputs and outputs. Those that are right on fresh
samples are then made provable: weight after weight is put on a grid (whole numbers inside F, quarters and eighths
elsewhere) while the others go on learning (incremental quantisation, arXiv 1702.03044), so that states are multiples
of a quarter and coincide. An affine recurrence is brought into observability form, a change of the basis of its
state, and rounded. What cannot be rounded keeps its weights, and its folder says so.

The same seed gives the same weights on the same machine and torch version. A folder that is there is not made again.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor

from tasks.training.stream_tasks import TASKS, StreamTask

SEEDS = 32  # trained side by side
STEPS, LOOK, RATE, BATCH = 3000, 100, 1e-2, 96
KEPT, BEAM = 8, 10  # right ones that are enough, and as many as are rounded side by side
NEAR, NEAREST, LONGER = 3.0, 6, 2000  # errors of seeds that learn on, how many do, and for how many steps
FEW, SHORT = 20, 0.4  # numbers that are not scaled; share of the steps on short streams
NOISE, APART = 0.03, 0.01  # of states while learning, where they are to be few; least singular value of a basis
POLISH, NOTHING = 500, 0.03  # last steps of those that are right; share of the largest effect on F that is none
ROUNDS, AGAIN, SETTLING = 20, 100, 400  # rounds of rounding, steps of learning after each, and before
FRESH, FINAL = 256, 4096  # fresh streams that say whether a network is right, and that the result is held to
CLEAR = 0.45  # largest error that is right
GRID, OUTER = 4, 8  # parts of a unit: of inputs and constants of F, of weights of G
Weights = dict[str, Tensor]


@dataclass(frozen=True)
class Shape:
    """Sizes: of the state, of F's hidden layer (0: affine), of each hidden layer of G."""

    state: int
    width: int
    read: tuple[int, ...]


def shapes(task: StreamTask) -> tuple[Shape, ...]:
    """What is tried, one after the other: the authors' size of state where it is at most 8, then larger ones."""
    if task.is_affine:
        return (Shape(task.state, 0, ()),)
    least, width = min(task.state, 8), task.width
    tried = [
        Shape(least, width, ()),
        Shape(max(least, 4), 2 * width, (2 * width,)),
        Shape(least, width, (width,)),
        Shape(least + 1, width, ()),
        Shape(least + 1, width, (width,)),
    ]
    return tuple(tried)


def initial(task: StreamTask, shape: Shape, seeds: int, generator: torch.Generator) -> Weights:
    """Stacked random weights (seeds, rows, columns) and biases (seeds, rows), by their names in the file."""
    inner = (shape.state + task.inputs, *([shape.width] if shape.width else []), shape.state)
    outer = (shape.state, *shape.read, task.outputs)
    weights: Weights = {}
    for part, sizes in (("hmlp", inner), ("ymlp", outer)):
        for layer, (columns, rows) in enumerate(pairwise(sizes)):
            deviation = (1.0 if len(sizes) == 2 else 1.6) / math.sqrt(columns)
            name = f"{part}.mlp.{2 * layer}"
            weights[f"{name}.weight"] = deviation * torch.randn(seeds, rows, columns, generator=generator)
            weights[f"{name}.bias"] = (
                0.3 * torch.rand(seeds, rows, generator=generator) if len(sizes) > 2 else torch.zeros(seeds, rows)
            )
    return weights


def outputs(weights: Weights, x: Tensor) -> Tensor:
    """Outputs (seeds, streams, T, outputs) for x (streams, T, inputs)."""
    return run(weights, x)[1]


def run(
    weights: Weights, x: Tensor, *, noise: float = 0.0, generator: torch.Generator | None = None
) -> tuple[Tensor, Tensor]:
    """States (seeds, streams * T, state) and outputs (seeds, streams, T, outputs) for x (streams, T, inputs).

    ``noise``: the deviation of what is added to each number of a state.
    """
    layers = sorted(name[:-7] for name in weights if name.startswith("hmlp") and name.endswith("weight"))
    first, last = layers[0], layers[-1]
    streams, length, inputs = x.shape
    wide = weights[f"{first}.weight"]
    seeds, _rows, columns = wide.shape
    state = columns - inputs
    into = torch.einsum("nti,sri->stnr", x, wide[..., state:]) + weights[f"{first}.bias"][:, None, None]
    back = wide[..., :state].transpose(1, 2)
    if first != last:
        out, bias = weights[f"{last}.weight"].transpose(1, 2), weights[f"{last}.bias"][:, None]
    h, states = None, []
    for t in range(length):
        z = into[:, t] if h is None else torch.baddbmm(into[:, t], h, back)
        h = z if first == last else torch.baddbmm(bias.expand(-1, streams, -1), torch.relu(z), out)
        if noise:
            h = h + noise * torch.randn(h.shape, generator=generator)
        states.append(h)
    y = all_states = torch.stack(states, dim=2).reshape(seeds, streams * length, state)
    readers = sorted(name[:-7] for name in weights if name.startswith("ymlp") and name.endswith("weight"))
    for reader in readers:
        y = torch.baddbmm(
            weights[f"{reader}.bias"][:, None].expand(-1, y.shape[1], -1),
            y,
            weights[f"{reader}.weight"].transpose(1, 2),
        )
        if reader != readers[-1]:
            y = torch.relu(y)
    return all_states, y.reshape(seeds, streams, length, -1)


class Trainer:
    """Seeds of one shape. Inside, all numbers are divided by ``unit``, a power of two."""

    def __init__(self, task: StreamTask, shape: Shape, seed: int, seeds: int = SEEDS) -> None:
        self.task, self.shape = task, shape
        largest = max(-task.low, task.high)
        self.unit = 1.0 if largest < FEW else 2.0 ** math.floor(math.log2(largest))
        self.generator = torch.Generator().manual_seed(seed)
        self.rng = np.random.default_rng(seed)
        self.weights = initial(task, shape, seeds, self.generator)
        if shape.width:  # kinks among the numbers that come in
            wide = self.weights["hmlp.mlp.0.weight"]
            x = torch.rand(seeds, shape.width, task.inputs, generator=self.generator)
            x = (task.low + (task.high - task.low) * x) / self.unit
            self.weights["hmlp.mlp.0.bias"] = -(wide[..., shape.state :] * x).sum(dim=2)
        self.frozen: Weights = {}
        self.values: Weights = {}
        few = task.steps**task.length <= 1024
        self.all = every(task) if few else None

    def batch(self, count: int) -> tuple[Tensor, Tensor]:
        """Streams and what should go out, in units."""
        if self.all is not None:
            rows = self.rng.integers(len(self.all), size=count) if count < len(self.all) else slice(None)
            x = self.all[rows]
        else:
            x = self.task.sample(count, self.rng)
            some = self.rng.random((count, 1, 1)) < 0.25  # streams of few values meet corners that others miss
            low = self.rng.integers(self.task.low, self.task.high + 1, (count, 1, self.task.inputs))
            reach = max(1, (self.task.high - self.task.low) // 20)
            near = np.clip(low + self.rng.integers(-reach, reach + 1, x.shape), self.task.low, self.task.high)
            x = np.where(some, near, x)
        y = self.task.target(x)
        return torch.tensor(x / self.unit, dtype=torch.float32), torch.tensor(y / self.unit, dtype=torch.float32)

    def current(self) -> Weights:
        """The weights with what is frozen in its place."""
        if not self.frozen:
            return self.weights
        return {name: torch.where(self.frozen[name], self.values[name], w) for name, w in self.weights.items()}

    def train(
        self,
        steps: int,
        rate: float,
        *,
        until: int = 0,
        pull: float = 0.0,
        sparse: float = 0.0,
        whole: float = 0.0,
        noise: float = 0.0,
        with_short: bool = False,
    ) -> Tensor:
        """Largest errors (seeds,) on fresh streams, after ``steps`` or when ``until`` seeds are right."""
        for w in self.weights.values():
            w.requires_grad_(True)
        optimiser = torch.optim.Adam(self.weights.values(), lr=rate, betas=(0.9, 0.98))
        worst = torch.full((1,), math.inf)
        right = 0
        for step in range(steps):
            optimiser.param_groups[0]["lr"] = rate * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * step / steps)))
            x, y = self.batch(BATCH)
            if with_short and step < SHORT * steps:  # short streams first
                length = 3 if step < SHORT / 2 * steps else 6
                x, y = x[:, :length], y[:, :length]
            optimiser.zero_grad(set_to_none=True)
            current = self.current()
            states, out = run(current, x, noise=noise, generator=self.generator)
            error = (out - y) * self.unit
            loss = torch.log1p(error**2).mean(dim=(1, 2, 3))
            if whole:
                loss = loss + whole * step / steps * (torch.sin(math.pi * states) ** 2).mean(dim=(1, 2))
            total = loss.nan_to_num(0.0, 0.0, 0.0).sum()
            if pull:
                total = total + pull * self.distance(current)
            if sparse:
                total = total + sparse * sum(w.abs().sum() for name, w in current.items() if name.endswith("weight"))
            total.backward()  # type: ignore[no-untyped-call]
            for w in self.weights.values():
                if w.grad is not None:
                    grad = w.grad.nan_to_num(0.0, 0.0, 0.0)
                    norm = grad.reshape(len(grad), -1).norm(dim=1).clamp(min=1.0).reshape(-1, *[1] * (grad.dim() - 1))
                    w.grad = grad / norm
            optimiser.step()
            if until and step % LOOK == LOOK - 1 and (not with_short or step >= SHORT * steps):
                worst = self.worst(FRESH)
                right = int((worst < CLEAR).sum())
                if right >= until:
                    break
        for w in self.weights.values():
            w.requires_grad_(False)
        return self.worst(FRESH)

    def distance(self, weights: Weights) -> Tensor:
        """How far weights are from their grids."""
        apart = [
            (torch.sin(math.pi * w * self.parts(name)) ** 2 / self.parts(name) ** 2).sum()
            for name, w in weights.items()
        ]
        return torch.stack(apart).sum()

    def parts(self, name: str) -> Tensor:
        """Parts of a unit of each entry's grid, in the numbers used inside."""
        w = self.weights[name]
        result = torch.ones_like(w[:1])
        if name.startswith("ymlp"):
            result *= OUTER
        elif name == "hmlp.mlp.0.weight":
            result[..., self.shape.state :] *= GRID
        elif name.endswith("bias"):
            result *= GRID
        return result * self.unit if name.endswith("bias") else result

    def worst(self, count: int) -> Tensor:
        """Largest error (seeds,) on fresh streams, in the task's own numbers."""
        with torch.no_grad():
            x, y = self.batch(count)
            return ((outputs(self.current(), x) - y) * self.unit).abs().nan_to_num(1e9, 1e9, 1e9).amax(dim=(1, 2, 3))

    @property
    def seeds(self) -> int:
        """How many are left."""
        return len(self.weights["hmlp.mlp.0.bias"])

    def keep(self, rows: Tensor) -> None:
        """These seeds alone."""
        self.weights = {name: w[rows].clone() for name, w in self.weights.items()}
        self.frozen = {name: m[rows] for name, m in self.frozen.items()}
        self.values = {name: v[rows] for name, v in self.values.items()}

    def rescale(self) -> None:
        """ReLUs with weights of at most 1 into them, which changes nothing but the scale of what follows."""
        for part in ("hmlp", "ymlp"):
            layers = sorted({name[:10] for name in self.weights if name.startswith(part)})
            for layer, after in pairwise(layers):
                size = self.weights[f"{layer}.weight"].abs().amax(dim=2).clamp(min=1e-6)
                self.weights = {
                    **self.weights,
                    f"{layer}.weight": self.weights[f"{layer}.weight"] / size[..., None],
                    f"{layer}.bias": self.weights[f"{layer}.bias"] / size,
                    f"{after}.weight": self.weights[f"{after}.weight"] * size[:, None],
                }

    def settle(self) -> None:
        """A basis of the states in which outputs are states where G is affine, and others are spaced by 1."""
        reader, first = self.weights["ymlp.mlp.0.weight"], self.weights["hmlp.mlp.0.weight"]
        with torch.no_grad():
            states = run(self.current(), self.batch(FRESH)[0])[0]
        seeds, _, size = states.shape
        change = torch.eye(size).repeat(seeds, 1, 1)
        for seed in range(seeds):
            rows = [] if self.shape.read else list(reader[seed])
            read = torch.linalg.svd(first[seed, :, :size])[2]  # what F reads of a state, the most important first
            for axis in (*read, *torch.eye(size)):
                wider = torch.stack([*rows, axis])
                sizes = torch.linalg.svdvals(wider / wider.norm(dim=1, keepdim=True).clamp(min=1e-9))
                if len(rows) < size and float(sizes.min()) > APART:
                    rows.append(axis * _spacing(states[seed] @ axis) if self.is_small else axis)
            if len(rows) == size and float(torch.linalg.svdvals(torch.stack(rows)).min()) > 1e-3:
                change[seed] = torch.stack(rows)
        undo = torch.linalg.inv(change)
        last = f"hmlp.mlp.{2 if self.shape.width else 0}"
        self.weights = {
            **self.weights,
            "hmlp.mlp.0.weight": torch.cat([first[..., :size] @ undo, first[..., size:]], dim=2),
        }
        self.weights["ymlp.mlp.0.weight"] = reader @ undo
        self.weights[f"{last}.weight"] = change @ self.weights[f"{last}.weight"]
        self.weights[f"{last}.bias"] = (change @ self.weights[f"{last}.bias"][..., None])[..., 0]

    def tidy(self) -> None:
        """A basis in which the transition reads few numbers; what is nearly nothing becomes nothing; trained on."""
        before = {key: w.detach().clone() for key, w in self.weights.items()}
        self.settle()
        self.rescale()
        name, size = "hmlp.mlp.0.weight", self.shape.state
        with torch.no_grad():
            states = run(self.weights, self.batch(FRESH)[0])[0]
            reach = states.amax(dim=1) - states.amin(dim=1)
        first = self.weights[name]
        moved = first[..., :size].abs() * reach[:, None]
        self.frozen = {key: torch.zeros_like(w, dtype=torch.bool) for key, w in self.weights.items()}
        self.values = {key: torch.zeros_like(w) for key, w in self.weights.items()}
        small = moved < NOTHING * moved.amax(dim=(1, 2), keepdim=True)
        settled = {key: w.detach().clone() for key, w in self.weights.items()}
        answers = torch.zeros_like(small)
        answers[..., : self.task.outputs] = True
        has_answers = not self.shape.read and self.shape.state > self.task.outputs
        for nothing in ([small | answers] if has_answers else []) + [
            small
        ]:  # answers that nothing reads, if that works
            self.weights = {key: w.clone() for key, w in settled.items()}
            self.frozen[name][..., :size] = nothing
            worst = self.train(POLISH, 2e-3)
            good = worst.argsort()[: int((worst < CLEAR).sum())]
            if len(good):
                self.keep(good)
                return
        self.weights, self.frozen = before, {}
        worst = self.train(POLISH, 2e-3)
        self.keep(worst.argsort()[: max(1, int((worst < CLEAR).sum()))])

    @property
    def is_small(self) -> bool:
        """Whether inputs are few numbers, so that states may be held to few."""
        return self.task.high - self.task.low < FEW

    def round(self) -> bool:
        """Put weight after weight on its grid; whether a seed is left that is right with all of them there."""
        if self.is_small:
            self.rescale()
            self.train(SETTLING, 4e-3, sparse=3e-4, whole=0.1 if self.unit == 1 else 0.0)
            self.settle()
        self.rescale()
        worst = self.train(SETTLING, 3e-3, sparse=1e-3 if self.is_small else 1e-4, whole=0.3 if self.unit == 1 else 0.0)
        good = torch.nonzero(worst < 1.5)[:, 0]
        if not len(good):
            return False
        self.keep(good)
        for name, w in self.weights.items():
            self.frozen[name] = torch.zeros_like(w, dtype=torch.bool)
            self.values[name] = torch.zeros_like(w)
        for turn in range(1, ROUNDS + 1):
            share = 1 - (1 - turn / ROUNDS) ** 1.5
            self._freeze(share)
            worst = self.train(AGAIN if turn < ROUNDS else 1, 4e-3, pull=1e-3 * turn / ROUNDS)
            good = torch.nonzero(worst < (CLEAR if turn == ROUNDS else 1.5))[:, 0]
            if not len(good):
                return False
            if turn < ROUNDS:  # a beam: those that are left, each several times, which part in what is fixed next
                good = good[worst[good].argsort()].repeat(math.ceil(BEAM / len(good)))[: max(BEAM, len(good))]
            self.keep(good)
        return True

    def _freeze(self, share: float) -> None:
        """Fix so many entries of each seed, those nearest to their grids, among those not fixed."""
        names = list(self.weights)
        seeds = len(self.weights[names[0]])
        current = self.current()
        gaps, sizes = [], []
        for name in names:
            parts = self.parts(name)
            target = torch.round(current[name] * parts) / parts
            gap = (current[name] - target).abs() * (self.unit if name.endswith("bias") else 1.0)
            if name.startswith("ymlp"):
                gap = gap + 0.5 * (share < 0.8)  # F first
            gap = torch.where(self.frozen[name], -1.0, gap)
            gaps.append(gap.reshape(seeds, -1))
            sizes.append(gap[0].numel())
        flat = torch.cat(gaps, dim=1)
        flat = torch.where(flat < 0, flat, flat * (0.5 + torch.rand(flat.shape, generator=self.generator)))
        count = max(1, min(flat.shape[1], math.ceil(share * flat.shape[1])))
        chosen = torch.zeros_like(flat, dtype=torch.bool).scatter_(1, flat.argsort(dim=1)[:, :count], True)
        for name, part in zip(names, torch.split(chosen, sizes, dim=1), strict=True):
            now = part.reshape(self.weights[name].shape) & ~self.frozen[name]
            parts = self.parts(name)
            self.values[name] = torch.where(now, torch.round(current[name] * parts) / parts, self.values[name])
            self.frozen[name] |= now

    def stored(self, seed: int) -> dict[str, NDArray[np.float64]]:
        """One seed's weights in the task's own numbers."""
        return {
            name: (w[seed].double() * (self.unit if name.endswith("bias") else 1.0)).numpy()
            for name, w in self.current().items()
        }


def _spacing(values: Tensor) -> float:
    """A factor that puts clusters of values about 1 apart."""
    values = values.sort().values
    reach = float(values[-1] - values[0])
    return int((values.diff() > 0.06 * reach).sum()) / reach if reach > 1e-3 else 1.0


def every(task: StreamTask) -> NDArray[np.int64]:
    """Every stream of a task with few of them."""
    letters = np.stack(np.meshgrid(*[np.arange(task.low, task.high + 1)] * task.inputs, indexing="ij"), -1)
    letters = letters.reshape(-1, task.inputs)
    places = np.stack(np.meshgrid(*[np.arange(len(letters))] * task.length, indexing="ij"), -1)
    return letters[places.reshape(-1, task.length)]


def ran(weights: dict[str, NDArray[np.float64]], x: NDArray[np.int64]) -> NDArray[np.float64]:
    """Outputs (streams, T, outputs) of stored weights in float64."""
    stacked = {name: torch.tensor(w)[None] for name, w in weights.items()}
    return outputs(stacked, torch.tensor(x, dtype=torch.float64))[0].numpy()


def worst_error(task: StreamTask, weights: dict[str, NDArray[np.float64]], seed: int = 1) -> float:
    """The largest error on streams that training did not see; all streams where they are few."""
    x = every(task) if is_listable(task) else task.sample(FINAL, np.random.default_rng(seed + 10**6))
    return max(
        float(np.abs(ran(weights, part) - task.target(part)).max()) for part in np.array_split(x, 1 + len(x) // 2**16)
    )


def observability_form(weights: dict[str, NDArray[np.float64]], grid: int = 1) -> dict[str, NDArray[np.float64]] | None:
    """An affine recurrence in the basis of its outputs now and in the next steps, rounded; None where that is none.

    With h' = T h, T = (C, CA, CA^2, ...) as far as rows are independent, states are outputs to come, and a recurrence
    that whole numbers describe has whole weights.
    """
    wide, bias = weights["hmlp.mlp.0.weight"], weights["hmlp.mlp.0.bias"]
    read, shift = weights["ymlp.mlp.0.weight"], weights["ymlp.mlp.0.bias"]
    size = len(wide)
    back, into = wide[:, :size], wide[:, size:]
    rows: list[NDArray[np.float64]] = []
    power = read
    for _ in range(size):
        for row in power:
            if len(rows) < size and np.linalg.matrix_rank(np.stack([*rows, row]), tol=1e-6) == len(rows) + 1:
                rows.append(row)
        power = power @ back
    if len(rows) < size:
        return None
    change = np.stack(rows)
    undo = np.linalg.inv(change)
    new = {
        "hmlp.mlp.0.weight": np.concatenate([change @ back @ undo, change @ into], axis=1),
        "hmlp.mlp.0.bias": change @ bias,
        "ymlp.mlp.0.weight": read @ undo,
        "ymlp.mlp.0.bias": shift,
    }
    return {name: np.round(w * grid) / grid + 0.0 for name, w in new.items()}


@dataclass(frozen=True)
class Trained:
    """A network that is right on every stream looked at; ``is_rounded``: its weights lie on the grid."""

    weights: dict[str, NDArray[np.float64]]
    shape: Shape
    is_rounded: bool
    error: float
    seed: int


def trained(task: StreamTask, seed: int, seconds: float, is_rounding: bool = False) -> Trained | None:
    """The first network that is right, with ``is_rounding`` one that rounds well before others; None where none is."""
    deadline = time.process_time() + seconds
    best: Trained | None = None
    for turn, shape in _turns(task):
        if time.process_time() > deadline:
            break
        trainer = Trainer(task, shape, seed + turn)
        noise = NOISE if trainer.is_small and not task.is_affine and not is_listable(task) else 0.0
        worst = trainer.train(
            STEPS,
            RATE if shape.width else 2e-2,
            noise=noise,
            with_short=shape.width > 0,
            until=2 if is_listable(task) or not is_rounding else KEPT,
        )
        good = torch.nonzero(worst < CLEAR)[:, 0]
        print(f"  {shape}: {len(good)} of {SEEDS} right, least error {float(worst.min()):.3f}", flush=True)
        if not len(good) and float(worst.min()) < NEAR and not task.is_affine:
            trainer.keep(worst.argsort()[:NEAREST])
            worst = trainer.train(LONGER, 3e-3)
            good = torch.nonzero(worst < CLEAR)[:, 0]
            print(f"  after {LONGER} more: least error {float(worst.min()):.3f}", flush=True)
        if not len(good):
            continue
        trainer.keep(good[worst[good].argsort()][:KEPT])
        if not task.is_affine:
            trainer.tidy()
        found = affine_form(task, trainer, seed) if task.is_affine else None
        for row in range(min(4, trainer.seeds)):
            if best is None and found is None:
                best = _if_right(task, trainer, row, False, seed + turn)
        if best is not None and (is_listable(task) or not is_rounding):
            return best
        if found is None and not task.is_affine:
            trainer.settle()
            if trainer.round():
                found = next(
                    (f for row in range(trainer.seeds) if (f := _if_right(task, trainer, row, True, seed + turn))), None
                )
        print(f"  rounded: {found is not None}", flush=True)
        if found is not None:
            return found
    return best


def is_listable(task: StreamTask) -> bool:
    """Whether every stream can be listed, so that states need not coincide for a proof."""
    return bool(task.steps**task.length <= 2**20)


def _turns(task: StreamTask) -> Iterator[tuple[int, Shape]]:
    yield from enumerate(shapes(task))
    yield from enumerate(shapes(task), 100)


def affine_form(task: StreamTask, trainer: Trainer, seed: int) -> Trained | None:
    """The first seed whose observability form, rounded, is right."""
    for row in range(trainer.seeds):
        form = observability_form(trainer.stored(row))
        if form is not None and (error := worst_error(task, form)) < CLEAR:
            return Trained(form, trainer.shape, True, error, seed)
    return None


def _if_right(task: StreamTask, trainer: Trainer, row: int, is_rounded: bool, seed: int) -> Trained | None:
    weights = trainer.stored(row)
    error = worst_error(task, weights)
    return Trained(weights, trainer.shape, is_rounded, error, seed) if error < CLEAR else None


def save(task: StreamTask, found: Trained, folder: Path, seconds: float) -> None:
    """The network as a folder in the layout of the authors' networks; there is none until all of it is written."""
    begun = folder.with_name(f".{folder.name}.part")
    begun.mkdir(parents=True, exist_ok=True)
    weights = {name: torch.tensor(w, dtype=torch.float32).contiguous() for name, w in found.weights.items()}
    save_file(weights, begun / "model.safetensors")
    x = task.sample(3, np.random.default_rng(found.seed))
    y = ran({name: w.double().numpy() for name, w in weights.items()}, x)
    said = {
        "name": task.name,
        "task": task.name,
        "paper_name": task.paper_name,
        "origin": "our retraining (python -m tasks.training.streams)",
        "architecture": {
            "kind": "recurrent network, MLP transition and MLP output",
            "hidden_dim": found.shape.state,
            "authors_hidden_dim": task.state,
            "transition_width": found.shape.width,
            "output_widths": list(found.shape.read),
            "tensors": {name: list(w.shape) for name, w in weights.items()},
        },
        "input": {
            "domain": f"sequences of integers {task.low}..{task.high}, {task.inputs} at every step",
            "T": task.length,
        },
        "read_out": {"kind": "round", "rule": "round y_t to the nearest integer, at every step"},
        "trained": {
            "seed": found.seed,
            "cpu_seconds": round(seconds, 1),
            "weights_on_grid": found.is_rounded,
            "largest_error_seen": found.error,
        },
        "test_vectors": {
            "vectors": [
                {"x": row.tolist(), "y": out.squeeze(-1).tolist() if out.shape[-1] == 1 else out.tolist()}
                for row, out in zip(x, y, strict=True)
            ]
        },
    }
    (begun / "config.json").write_text(json.dumps({"activation": "ReLU", "dtype": "float32"}) + "\n")
    (begun / "case.json").write_text(json.dumps(said, indent=1) + "\n")
    begun.rename(folder)


def main(arguments: Sequence[str] | None = None) -> None:
    """Train one task or all."""
    parser = argparse.ArgumentParser(prog="python -m tasks.training.streams", description=__doc__)
    parser.add_argument("--out", required=True, type=Path)
    parser.add_argument("--task", choices=[task.name for task in TASKS], action="append")
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--seconds", type=float, default=60.0, help="CPU seconds a task")
    parser.add_argument("--round", action="store_true", help="put weights on a grid, where that succeeds")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    for task in sorted(TASKS, key=lambda task: (not task.is_affine, not is_listable(task))):  # the quick ones first
        folder = options.out / task.name
        if (not options.all and task.name not in (options.task or ())) or folder.exists():
            continue
        begun = time.process_time()
        found = trained(task, options.seed, options.seconds, options.round)
        print(
            task.name,
            "none" if found is None else (found.shape, found.is_rounded, round(found.error, 4)),
            f"{time.process_time() - begun:.0f} s",
            flush=True,
        )
        if found is not None:
            save(task, found, folder, time.process_time() - begun)


if __name__ == "__main__":
    main()
