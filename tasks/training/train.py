"""Train a small weight-sparse transformer on a task of ``recipes``, prune it to a circuit, and save that.

The method of Gao et al. (2025), scaled down: Adam with a large epsilon on gradients normalised to unit RMS, and after
every step only the largest weights of every matrix survive; the surviving fraction falls linearly from 1 to the
target in the first half of training. The learning rate warms up, decays to zero and grows as matrices get sparser.

    python -m tasks.training [NAMES] [--seed SEED] [--out FOLDER]

The same seed gives the same circuit on the same machine and torch version; nothing is promised across machines.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

import click
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from tasks.formats.circuit_folder import SHIPPED, save_circuit
from tasks.networks.circuit import Circuit
from tasks.networks.sparse_transformer import Config, Network, NetworkError
from tasks.training.pruning import ALL_UP_TO, Pruned, edges, label_logits, prune
from tasks.training.recipes import TASKS, Recipe, Task, batch, task
from tasks.training.torch_model import keep_all, run_circuit, to_network

INIT_STD = 0.1
ROW_MINIMUM = 2  # nonzero weights every row keeps, so that no node dies by accident
WEIGHT_DECAY = 0.01


def train(asked: Task, seed: int) -> Network:
    """A network trained on ``asked.taught``, its matrices ``asked.recipe.density`` dense (rows keep at least two)."""
    rng, recipe = np.random.default_rng(seed), asked.recipe
    weights = initial_weights(asked.config, seed)
    matrices = [w for w in weights.values() if w.ndim == 2]
    adam = torch.optim.Adam(weights.values(), betas=(0.9, 0.95), eps=recipe.epsilon)
    for step in range(recipe.steps):
        density = _density(recipe, step / recipe.steps)
        rate = _learning_rate(recipe, step / recipe.steps, density)
        for group in adam.param_groups:
            group["lr"] = rate
        adam.zero_grad()
        ids, answers = batch(asked, rng)
        torch.autograd.backward(functional.cross_entropy(label_logits(asked, weights, ids, keep_all), answers))
        _normalise_gradients(weights.values())
        adam.step()
        with torch.no_grad():
            for matrix in matrices:
                matrix.mul_(1 - WEIGHT_DECAY * rate)
                _keep_largest(matrix, density)
    return to_network(asked.config, weights)


def make_circuit(asked: Task, seed: int) -> Circuit:
    """Train and prune; the card of the circuit says how, and how well it answers."""
    start = time.monotonic()
    network = train(asked, seed)
    trained = time.monotonic()
    pruned = prune(asked, network, seed)
    matrices = [tensor for tensor in network.tensors.values() if tensor.ndim == 2]
    circuit = _circuit(asked, network, pruned, {})
    everything = Pruned({site: np.ones_like(mask) for site, mask in pruned.kept.items()}, pruned.means)
    card = {
        "seed": seed,
        "steps": asked.recipe.steps,
        "density": round(float(sum(np.count_nonzero(m) for m in matrices) / sum(m.size for m in matrices)), 4),
        "training_seconds": round(trained - start, 1),
        "pruning_seconds": round(time.monotonic() - trained, 1),
        "nodes": circuit.nodes,
        "edges": edges(network, pruned.kept),
        "lengths": [asked.domain.min_length, ALL_UP_TO],
        **score(asked, circuit, ALL_UP_TO),
        "full_network": score(asked, _circuit(asked, network, everything, {}), ALL_UP_TO),
    }
    return _circuit(asked, network, pruned, card)


def score(asked: Task, circuit: Circuit, longest: int) -> dict[str, int | float]:
    """How many of all sequences up to ``longest`` are answered truly (float64), and the smallest margin over them.

    The margin is the logit of the true label minus the largest other one: negative where the circuit is wrong.
    """
    right, of, smallest = 0, 0, np.inf
    for length in circuit.domain.up_to(min(longest, asked.domain.max_length or longest)).lengths:
        sequences = circuit.domain.sequences(length)
        if not len(sequences):
            continue
        logits, answers = run_circuit(circuit, sequences), asked.answers(circuit.domain, sequences)[:, None]
        true = np.take_along_axis(logits, answers, axis=1)[:, 0]
        np.put_along_axis(logits, answers, -np.inf, axis=1)
        margins = true - logits.max(axis=1)
        right, of, smallest = right + int((margins > 0).sum()), of + len(margins), min(smallest, margins.min())
    return {"right": right, "of": of, "min_margin": round(float(smallest), 4)}


def initial_weights(config: Config, seed: int) -> dict[str, Tensor]:
    """Gaussian matrices, unit gains, zero biases; all require gradients."""
    generator = torch.Generator().manual_seed(seed)
    weights = {}
    for name, shape in config.tensor_shapes().items():
        if len(shape) == 2:
            weights[name] = torch.randn(shape, generator=generator) * INIT_STD
        else:
            is_gain = ".ln_" in name and name.endswith("weight")
            weights[name] = torch.ones(shape) if is_gain else torch.zeros(shape)
    return {name: w.requires_grad_() for name, w in weights.items()}


def _density(recipe: Recipe, progress: float) -> float:
    """1 until 1 % of training, then linearly down to the target at 50 %."""
    return 1 + (recipe.density - 1) * min(1.0, max(0.0, (progress - 0.01) / 0.49))


def _learning_rate(recipe: Recipe, progress: float, density: float) -> float:
    """Warm-up over 1 % of training, linear decay to zero, times 1 / sqrt(density)."""
    return float(recipe.learning_rate * min(1.0, (progress + 1e-3) / 0.01) * (1 - progress) / density**0.5)


def _normalise_gradients(weights: Iterable[Tensor]) -> None:
    """Scale all gradients together to a root mean square of one."""
    gradients = [w.grad for w in weights if w.grad is not None]
    square = sum((g.square().sum() for g in gradients), torch.zeros(())) / sum(g.numel() for g in gradients)
    for g in gradients:
        g.div_(square.sqrt() + 1e-5)


def _keep_largest(matrix: Tensor, density: float) -> None:
    """Zero all but the largest ``density`` of a matrix, in place; each row keeps its ``ROW_MINIMUM`` largest."""
    size = matrix.abs()
    survivors = torch.zeros_like(matrix)
    survivors.view(-1)[size.view(-1).topk(max(1, int(density * matrix.numel()))).indices] = 1
    survivors.scatter_(1, size.topk(min(ROW_MINIMUM, matrix.shape[1]), dim=1).indices, 1.0)
    matrix.mul_(survivors)


def _circuit(asked: Task, network: Network, pruned: Pruned, card: Mapping[str, object]) -> Circuit:
    return Circuit(
        name=asked.name,
        summary=asked.summary,
        network=network,
        vocabulary=asked.vocabulary,
        prefix=asked.prefix,
        labels=asked.labels,
        domain=asked.domain,
        kept=pruned.kept,
        means=pruned.means,
        card=card,
    )


@click.command()
@click.argument("names", nargs=-1)
@click.option("--seed", type=int, help="Of the weights, the batches and the node scores; each task has its own.")
@click.option("--out", type=click.Path(path_type=Path), default=SHIPPED, help="Where the circuit folders go.")
def main(names: tuple[str, ...], seed: int | None, out: Path) -> None:
    """Train, prune and save the circuits called NAMES (all when none is named)."""
    torch.set_num_threads(1)  # also makes the sums, and so the circuits, repeatable
    torch.use_deterministic_algorithms(True)
    try:
        for asked in [task(name) for name in names or TASKS]:
            chosen = asked.recipe.seed if seed is None else seed
            click.echo(f"{asked.name}: training {asked.recipe.steps} steps with seed {chosen} ...")
            circuit = make_circuit(asked, chosen)
            save_circuit(circuit, out / asked.name)
            click.echo(f"{asked.name}: " + ", ".join(f"{key} {value}" for key, value in circuit.card.items()))
    except NetworkError as error:
        sys.exit(f"error: {error}")
