"""Prune a trained network to a circuit: keep the few nodes the task needs and freeze the others at their mean.

Three steps. *Learn* a score per node (Gao et al. 2025): the gate is 1 where the score is positive, its gradient is
the sigmoid's, and every open gate costs a little. *Cut*: keep the top-scored nodes, as few as pass. *Clean up*: drop
node after node, weakest first, as long as the rest passes. To *pass* is to give every question its answer with a
margin; the questions are all sequences of the taught domain up to a length, and a sample of the longer ones.

Answers are only measured against, never written into a circuit. Margins are float32 and prove nothing by themselves.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from tasks.networks.sparse_transformer import Array, Network, NetworkError
from tasks.training.recipes import Task, batch, prompts
from tasks.training.torch_model import Node, Weights, circuit_nodes, forward, from_network, keep_all

ALL_UP_TO = 10  # every sequence up to this length is a question
SAMPLED = 1024  # questions per longer length
HARDEST = 32  # questions taken from every batch for the set that a sweep asks
CHUNK = 4096
MEAN_BATCHES = 64

Kept = Mapping[str, Tensor]  # site to one 0.0 or 1.0 per node
Questions = tuple[tuple[Tensor, Tensor], ...]  # batches of prompts (n, length) and label indices (n,)


@dataclass(frozen=True)
class Pruned:
    """The kept nodes and the means that replace the others, per site."""

    kept: Mapping[str, NDArray[np.bool_]]
    means: Mapping[str, Array]


@dataclass(frozen=True)
class Exam:
    """A network, the means of its nodes, and what a circuit of it must answer."""

    asked: Task
    weights: Weights
    means: Weights
    questions: Questions

    def margins(self, node: Node, questions: Questions) -> Iterable[Tensor]:
        """Logit of the right label minus the best wrong one, batch by batch."""
        for ids, answers in questions:
            with torch.no_grad():
                logits = label_logits(self.asked, self.weights, ids, node)
            right = logits.gather(1, answers[:, None])
            yield right[:, 0] - logits.scatter(1, answers[:, None], -torch.inf).amax(dim=1)

    def passes(self, node: Node, questions: Questions) -> bool:
        """Whether every answer is right with the margin of the recipe; stops at the first batch that is not."""
        return all(bool((margin >= self.asked.recipe.margin).all()) for margin in self.margins(node, questions))

    def circuit(self, kept: Kept) -> Node:
        """The node function that keeps these nodes and freezes the others at their means."""
        return circuit_nodes(kept, self.means)


def prune(asked: Task, network: Network, seed: int) -> Pruned:
    """A circuit that passes, of which no single node can go; NetworkError when not even the full network passes."""
    rng, weights = np.random.default_rng(seed), from_network(network)
    exam = Exam(asked, weights, node_means(asked, weights, rng), questions(asked, rng))
    if not exam.passes(keep_all, exam.questions):
        raise NetworkError(
            f"{asked.name}: the trained network (seed {seed}) does not answer every sequence of its domain "
            f"with a margin of {asked.recipe.margin}; train longer, denser, or with another seed"
        )
    kept = clean_up(exam, *cut(exam, learn_scores(exam, rng, seed)))
    return Pruned(
        {site: mask.numpy() > 0.5 for site, mask in kept.items()},
        {site: mean.numpy() for site, mean in exam.means.items()},
    )


def learn_scores(exam: Exam, rng: np.random.Generator, seed: int) -> dict[str, Tensor]:
    """A score in [-1, 1] per node and site: positive where keeping the node pays."""
    recipe, generator = exam.asked.recipe, torch.Generator().manual_seed(seed)
    scores = {
        site: (0.1 + 0.01 * torch.randn(mean.shape, generator=generator)).requires_grad_()
        for site, mean in exam.means.items()
    }
    adam = torch.optim.AdamW(scores.values(), lr=1e-2, betas=(0.9, 0.95), weight_decay=1e-3)
    for step in range(recipe.prune_steps):
        for group in adam.param_groups:
            group["lr"] = 1e-2 * (1 - step / recipe.prune_steps)
        gates = {site: (score > 0) + score.sigmoid() - score.sigmoid().detach() for site, score in scores.items()}
        ids, answers = batch(exam.asked, rng)
        loss = functional.cross_entropy(label_logits(exam.asked, exam.weights, ids, exam.circuit(gates)), answers)
        open_gates = torch.cat(list(gates.values())).sum()
        adam.zero_grad()
        torch.autograd.backward(loss + recipe.node_cost * open_gates)
        torch.nn.utils.clip_grad_norm_(scores.values(), 1.0)
        adam.step()
        with torch.no_grad():
            for score in scores.values():
                score.clamp_(-1, 1)
    return {site: score.detach() for site, score in scores.items()}


def cut(exam: Exam, scores: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], list[tuple[str, int]]]:
    """As few top-scored nodes as pass (by doubling and bisection), and those nodes, weakest first."""
    order = sorted(((float(s), site, i) for site, score in scores.items() for i, s in enumerate(score)), reverse=True)

    def top(count: int) -> dict[str, Tensor]:
        kept = {site: torch.zeros_like(score) for site, score in scores.items()}
        for _, site, i in order[:count]:
            kept[site][i] = 1.0
        return kept

    def enough(count: int) -> bool:
        return count == len(order) or exam.passes(exam.circuit(top(count)), exam.questions)

    fails, passes = 0, min(len(order), max(1, sum(score > 0 for score, _, _ in order)))
    while not enough(passes):
        fails, passes = passes, min(len(order), 2 * passes)
    while passes - fails > 1:
        middle = (fails + passes) // 2
        if enough(middle):
            passes = middle
        else:
            fails = middle
    return top(passes), [(site, i) for _, site, i in reversed(order[:passes])]


def clean_up(exam: Exam, kept: dict[str, Tensor], nodes: list[tuple[str, int]]) -> dict[str, Tensor]:
    """Drop each of ``nodes`` that the rest passes without, again and again until none can go.

    A sweep asks only the hardest questions so far; what then fails the whole exam adds its own hardest and is redone.
    """
    hard = _merged(_hardest(exam, kept))
    while True:
        trial, stay = {site: mask.clone() for site, mask in kept.items()}, []
        for site, i in nodes:
            trial[site][i] = 0.0
            if not exam.passes(exam.circuit(trial), hard):
                trial[site][i] = 1.0
                stay.append((site, i))
        if exam.passes(exam.circuit(trial), exam.questions):
            if len(stay) == len(nodes):
                return trial
            kept, nodes = trial, stay
        hard = _merged(hard + _hardest(exam, trial))


def edges(network: Network, kept: Mapping[str, NDArray[np.bool_]]) -> int:
    """How many nonzero weights join two kept nodes (residual and query-key links are implicit, not counted)."""
    total = 0
    for layer in range(network.config.n_layer):
        at = f"transformer.h.{layer}."
        qkv = np.split(network.tensors[f"{at}attn.c_attn.weight"], 3)
        links = [(weight, "attn.act_in", f"attn.{part}") for part, weight in zip("qkv", qkv, strict=True)]
        links += [
            (network.tensors[f"{at}attn.c_proj.weight"], "attn.v", "attn.resid_delta"),
            (network.tensors[f"{at}mlp.c_fc.weight"], "mlp.act_in", "mlp.post_act"),
            (network.tensors[f"{at}mlp.c_proj.weight"], "mlp.post_act", "mlp.resid_delta"),
        ]
        for weight, source, target in links:
            total += int(np.count_nonzero(weight[np.ix_(kept[f"{layer}.{target}"], kept[f"{layer}.{source}"])]))
    return total


def label_logits(asked: Task, weights: Weights, ids: Tensor, node: Node) -> Tensor:
    """Logits of the labels at the last position, (batch, labels)."""
    label_ids = [asked.vocabulary.index(label) for label in asked.labels]
    return forward(asked.config, weights, ids, node)[:, -1, label_ids]


def node_means(asked: Task, weights: Weights, rng: np.random.Generator) -> dict[str, Tensor]:
    """The mean of every node over the positions of sampled training prompts."""
    sums = {site: torch.zeros(width) for site, width in asked.config.site_widths().items()}
    positions = 0

    def record(site: str, x: Tensor) -> Tensor:
        sums[site] += x.sum(dim=(0, 1))
        return x

    with torch.no_grad():
        for _ in range(MEAN_BATCHES):
            ids, _ = batch(asked, rng)
            forward(asked.config, weights, ids, record)
            positions += ids.numel()
    return {site: total / positions for site, total in sums.items()}


def questions(asked: Task, rng: np.random.Generator) -> Questions:
    """All sequences of the taught domain up to ``ALL_UP_TO``, then ``SAMPLED`` of every longer length."""
    asked_of = []
    for length in asked.taught.lengths:
        if length <= ALL_UP_TO:
            sequences = asked.taught.sequences(length)
        elif asked.taught.count(length):
            sequences = asked.taught.sample(length, SAMPLED, rng)
        else:
            continue
        answers = torch.from_numpy(asked.answers(asked.taught, sequences))
        asked_of += list(zip(torch.split(prompts(asked, sequences), CHUNK), torch.split(answers, CHUNK), strict=True))
    return tuple(asked_of)


def _hardest(exam: Exam, kept: Kept) -> Questions:
    """The questions of smallest margin in every batch."""
    margins = exam.margins(exam.circuit(kept), exam.questions)
    hard = []
    for (ids, answers), margin in zip(exam.questions, margins, strict=True):
        chosen = margin.topk(min(HARDEST, len(margin)), largest=False).indices
        hard.append((ids[chosen], answers[chosen]))
    return tuple(hard)


def _merged(questions: Questions) -> Questions:
    """The same questions, one batch per length, longest first."""
    by_length: dict[int, list[tuple[Tensor, Tensor]]] = {}
    for ids, answers in questions:
        by_length.setdefault(ids.shape[1], []).append((ids, answers))
    longest_first = [list(zip(*by_length[length], strict=True)) for length in sorted(by_length, reverse=True)]
    return tuple((torch.cat(ids), torch.cat(answers)) for ids, answers in longest_first)
