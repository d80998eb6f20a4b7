"""Prune a trained network to a circuit: keep the few nodes the task needs and freeze the others at their mean.

Steps, for any network. *Learn* a score per node (Gao et al. 2025): the gate is 1 where the score is positive, its
gradient is the sigmoid's, and every open gate costs a little. *Cut*: keep the top-scored nodes, as few as pass.
*Clean up*: drop node after node, weakest first, as long as the rest passes. Edges the same way: scored by attribution
patching (what ablating one would change, to first order), cut, and cleaned up by ablating them. To *pass* is to give
every question its answer with a margin.

Answers are only measured against, never written into a circuit. Margins are float32 and prove nothing by themselves.
"""

from __future__ import annotations

import math
import time
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tasks.formats.sparse import sparse_transformer
from tasks.networks import sites
from tasks.networks.sparse_transformer import Array, Network, NetworkError
from tasks.training.grading import LARGEST, Grading
from tasks.training.journal import Journal, OutOfTimeError, State
from tasks.training.recipes import Task, batch, prompts
from tasks.training.torch_model import Node, Weights, circuit_nodes, forward, from_network

ALL_UP_TO = 10  # every sequence of a recipe up to this length is a question
SAMPLED = 1024  # questions per longer length
HARDEST = 32  # questions taken from every batch for the set that a sweep asks
CHUNK = 4096
MEAN_BATCHES = 64
ROUND = 0.3  # of the nodes that are left, dropped at most before all are weighed again
CONFIRMING = 1.5  # times what all questions take, kept back to confirm a sweep that ends for lack of time

Gates = Mapping[str, Tensor]  # site to a gate per node, link to one per weight; 1.0 is open, 0.0 is at the mean
Item = tuple[str, int]  # a gate: its site or link, and its index there
Questions = tuple[tuple[Tensor, Tensor, Tensor], ...]  # batches: prompts (n, length), answers, least margins (n,)
Draw = Callable[[np.random.Generator], tuple[Tensor, Tensor]]  # a batch of prompts and answers


@dataclass(frozen=True)
class Pruned:
    """The kept nodes and the means that replace the others, per site."""

    kept: Mapping[str, NDArray[np.bool_]]
    means: Mapping[str, Array]


@dataclass(frozen=True)
class Learning:
    """``steps`` of gradient descent, and the loss that a kept node must be worth."""

    steps: int
    node_cost: float


@dataclass(frozen=True)
class Exam:
    """A network with gates, the means of its nodes, and what a circuit of it must answer.

    ``run(prompts, gates)`` gives the logits that are read; what has no gate is open. ``open``: the nodes that may be
    dropped, those of a whole network all. At the ``deadline`` (by ``time.perf_counter``) ``OutOfTimeError`` is raised.
    """

    run: Callable[[Tensor, Gates], Tensor]
    means: Weights
    questions: Questions
    draw: Draw
    grading: Grading = LARGEST
    open: Gates = field(default_factory=dict)
    journal: Journal = field(default_factory=Journal)
    deadline: float = np.inf
    on_progress: Callable[[str, int, int], None] = lambda what, done, total: None

    def margins(self, gates: Gates, questions: Questions) -> Iterable[Tensor]:
        """By how much every answer leads, less what it should, batch by batch; (prompts,)."""
        for ids, answers, least in questions:
            self.check_time()
            with torch.no_grad():
                margins = self.grading.margins(self.run(ids, gates), answers)
            yield (margins if margins.ndim == 1 else margins.flatten(1).amin(1)) - least

    def passes(self, gates: Gates, questions: Questions) -> bool:
        """Whether every answer is right with its margin; stops at the first batch that is not. Kept in the journal."""
        return self.journal.decided(_key(gates, questions), lambda: self.is_right(gates, questions))

    def slack(self, gates: Gates, questions: Questions) -> float:
        """How far the closest answer is from failing, in units of the lead that it needs. Kept in the journal."""

        def weigh() -> float:
            margins = self.margins(gates, questions)
            return min(float((margin / least).min()) for margin, (_, _, least) in zip(margins, questions, strict=True))

        return self.journal.weighed(_key(gates, questions), weigh)

    def is_right(self, gates: Gates, questions: Questions) -> bool:
        """The same, asked beside the journal."""
        return all(bool((margin >= 0).all()) for margin in self.margins(gates, questions))

    def all_open(self) -> dict[str, Tensor]:
        """The gates of the network that is pruned."""
        return {site: self.open.get(site, torch.ones_like(mean)) for site, mean in self.means.items()}

    def check_time(self) -> None:
        """Raise OutOfTimeError at the deadline."""
        if time.perf_counter() > self.deadline:
            raise OutOfTimeError


# --- the recipes ------------------------------------------------------------------------------------------------


def prune(asked: Task, network: Network, seed: int) -> Pruned:
    """A circuit that passes, of which no single node can go; NetworkError when not even the full network passes."""
    rng, weights = np.random.default_rng(seed), from_network(network)

    def run(ids: Tensor, gates: Gates) -> Tensor:
        return label_logits(asked, weights, ids, circuit_nodes(gates, exam.means))

    def draw(rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        return batch(asked, rng)

    def watch(ids: Tensor, record: Callable[[str, Tensor], Tensor]) -> None:
        forward(asked.config, weights, ids, record)

    exam = Exam(run, node_means(asked.config.site_widths(), watch, draw, rng), questions(asked, rng), draw)
    everything = exam.all_open()
    if not exam.passes(everything, exam.questions):
        raise NetworkError(
            f"{asked.name}: the trained network (seed {seed}) does not answer every sequence of its domain "
            f"with a margin of {asked.recipe.margin}; train longer, denser, or with another seed"
        )
    scores = learn_scores(exam, rng, seed, Learning(asked.recipe.prune_steps, asked.recipe.node_cost))
    kept, _ = clean_up(exam, *cut(exam, scores, everything))
    return Pruned(
        {site: mask.numpy() > 0.5 for site, mask in kept.items()},
        {site: mean.numpy() for site, mean in exam.means.items()},
    )


def label_logits(asked: Task, weights: Weights, ids: Tensor, node: Node) -> Tensor:
    """Logits of the labels at the last position, (batch, labels)."""
    label_ids = [asked.vocabulary.index(label) for label in asked.labels]
    return forward(asked.config, weights, ids, node)[:, -1, label_ids]


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
        asked_of.append((prompts(asked, sequences), answers, torch.full(answers.shape, asked.recipe.margin)))
    return in_chunks(asked_of)


def edges(network: Network, kept: Mapping[str, NDArray[np.bool_]]) -> int:
    """How many nonzero weights join two kept nodes."""
    means = {site: np.zeros(len(mask), np.float32) for site, mask in kept.items()}
    return sites.edges(sparse_transformer(network, kept, means))


# --- nodes ------------------------------------------------------------------------------------------------------


def learn_scores(exam: Exam, rng: np.random.Generator, seed: int, learning: Learning) -> dict[str, Tensor]:
    """A score in [-1, 1] per node and site: positive where keeping the node pays."""
    generator = torch.Generator().manual_seed(seed)
    scores = {
        site: (0.1 + 0.01 * torch.randn(mean.shape, generator=generator, dtype=mean.dtype)).requires_grad_()
        for site, mean in exam.means.items()
    }
    adam = torch.optim.AdamW(scores.values(), lr=1e-2, betas=(0.9, 0.95), weight_decay=1e-3)
    for step in range(_resumed(exam.journal, scores, adam, rng), learning.steps):
        if time.perf_counter() > exam.deadline:
            if step:  # before the first there is nothing to keep, and the optimizer has no state
                exam.journal.store(lambda done=step: _state(done, scores, adam, rng), True)  # type: ignore[misc]
            break
        exam.on_progress("learning scores, step", step, learning.steps)
        for group in adam.param_groups:
            group["lr"] = 1e-2 * (1 - step / learning.steps)
        gates = {site: (score > 0) + score.sigmoid() - score.sigmoid().detach() for site, score in scores.items()}
        ids, answers = exam.draw(rng)
        loss = exam.grading.loss(exam.run(ids, gates), answers)
        open_gates = torch.cat(list(gates.values())).sum()
        adam.zero_grad()
        torch.autograd.backward(loss + learning.node_cost * open_gates)
        torch.nn.utils.clip_grad_norm_(scores.values(), 1.0)
        adam.step()
        with torch.no_grad():
            for score in scores.values():
                score.clamp_(-1, 1)
        exam.journal.store(
            lambda done=step + 1: _state(done, scores, adam, rng),  # type: ignore[misc]
            step + 1 == learning.steps,
        )
    return {site: score.detach() for site, score in scores.items()}


def _state(step: int, scores: Mapping[str, Tensor], adam: torch.optim.Optimizer, rng: np.random.Generator) -> State:
    arrays = {f"score:{site}": score.detach().numpy() for site, score in scores.items()}
    for site, score in scores.items():
        arrays |= {f"{name}:{site}": adam.state[score][name].numpy() for name in ("exp_avg", "exp_avg_sq")}
    return State(step, arrays, dict(rng.bit_generator.state))


def _resumed(
    journal: Journal, scores: Mapping[str, Tensor], adam: torch.optim.Optimizer, rng: np.random.Generator
) -> int:
    """How many steps were done before; everything is put back as it was then."""
    state = journal.state()
    if state is None:
        return 0
    with torch.no_grad():
        for site, score in scores.items():
            score.copy_(torch.from_numpy(state.arrays[f"score:{site}"]))
            adam.state[score] = {"step": torch.tensor(float(state.step))} | {
                name: torch.from_numpy(state.arrays[f"{name}:{site}"].copy()) for name in ("exp_avg", "exp_avg_sq")
            }
    rng.bit_generator.state = state.random
    return state.step


def cut(exam: Exam, scores: Gates, gates: dict[str, Tensor]) -> tuple[dict[str, Tensor], list[Item]]:
    """As few top-scored gates as pass (by doubling and bisection), and those, weakest first.

    ``gates``: those that are open now, which pass; closed ones and those without a score (NaN) stay as they are.
    """
    order = sorted(
        (
            (s, key, i)
            for key, score in scores.items()
            for i, (s, gate) in enumerate(zip(score.flatten().tolist(), gates[key].flatten().tolist(), strict=True))
            if gate and not math.isnan(s)
        ),
        reverse=True,
    )
    ranks = {key: np.full(score.numel(), -1) for key, score in scores.items()}
    for rank, (_, key, i) in enumerate(order):
        ranks[key][i] = rank

    def top(count: int) -> dict[str, Tensor]:
        kept = dict(gates)
        for key, rank in ranks.items():
            kept[key] = torch.where(torch.from_numpy(rank < count).view(gates[key].shape), gates[key], 0.0)
        return kept

    def enough(count: int) -> bool:
        exam.on_progress("cutting to", count, len(order))
        return count == len(order) or exam.passes(top(count), exam.questions)

    fails, passes = 0, len(order)
    try:
        trial = min(len(order), max(1, sum(score > 0 for score, _, _ in order)))
        while not enough(trial):
            fails, trial = trial, min(len(order), 2 * trial)
        passes = trial
        while passes - fails > 1:
            middle = (fails + passes) // 2
            if enough(middle):
                passes = middle
            else:
                fails = middle
    except OutOfTimeError:
        pass  # what passes is the result
    return top(passes), [(key, i) for _, key, i in reversed(order[:passes])]


def thin_out(exam: Exam, kept: dict[str, Tensor], items: list[Item]) -> dict[str, Tensor]:
    """Drop of ``items`` those that matter least, by what dropping each alone leaves; then weigh the others again.

    A round drops up to ``ROUND`` of what is left, as long as the rest passes; it ends when nothing can go, or in time.
    Where there is no time for all rounds, none begins.
    """
    try:
        hard, failed = _merged(_hardest(exam, kept)), -1
        if not exam.journal.decided(_key(kept, hard), lambda: _has_time(exam, kept, hard, len(items) / ROUND)):
            return kept
        while True:
            trial, weights = {key: gate.clone() for key, gate in kept.items()}, list[float]()
            for n, item in enumerate(items):
                exam.on_progress("weighing nodes,", n, len(items))
                _set(trial, [item], 0.0)
                weights.append(exam.slack(trial, hard))
                _set(trial, [item], 1.0)
            ranked = sorted(range(len(items)), key=lambda n: -weights[n])
            dropped = set[Item]()
            for n in ranked[: max(1, int(ROUND * len(items)))]:
                _set(trial, [items[n]], 0.0)
                if weights[n] >= 0 and exam.passes(trial, hard):
                    dropped.add(items[n])
                else:
                    _set(trial, [items[n]], 1.0)
            if not dropped or failed == _key(trial, ()):
                return kept
            if exam.passes(trial, exam.questions):
                kept, items = trial, [item for item in items if item not in dropped]
            else:
                failed = _key(trial, ())
                hard = _merged(hard + _hardest(exam, trial))
    except OutOfTimeError:
        return kept


def _has_time(exam: Exam, gates: Gates, questions: Questions, times: float) -> bool:
    """Whether ``questions`` can be asked so many times before the deadline."""
    began = time.perf_counter()
    exam.is_right(gates, questions)
    now = time.perf_counter()
    return now + (now - began) * times < exam.deadline


def clean_up(
    exam: Exam, kept: dict[str, Tensor], items: list[Item], at_once: int = 1
) -> tuple[dict[str, Tensor], bool]:
    """Drop each of ``items`` that the rest passes without, again and again until none can go; whether it came to that.

    A sweep asks only the hardest questions so far; what then fails the whole exam adds its own hardest and is redone.
    Up to ``at_once`` are dropped together, twice as many after each time that this passes. Where time ends, what
    passes the whole exam by then is the result.
    """
    started = time.perf_counter()
    try:
        hard, failed = _merged(_hardest(exam, kept)), -1
        confirming = CONFIRMING * (time.perf_counter() - started)
        while True:
            trial, stay = {key: gate.clone() for key, gate in kept.items()}, list[Item]()
            n, size = 0, 1
            while n < len(items):
                if time.perf_counter() > exam.deadline - confirming:
                    return trial if exam.is_right(trial, exam.questions) else kept, False
                exam.on_progress("dropping what is not needed,", n, len(items))
                some = items[n : n + size]
                _set(trial, some, 0.0)
                if exam.passes(trial, hard):
                    n, size = n + len(some), min(2 * size, at_once)
                    continue
                _set(trial, some, 1.0)
                if len(some) == 1:
                    n, stay = n + 1, [*stay, *some]
                size = max(1, len(some) // 2)
            if exam.passes(trial, exam.questions):
                if len(stay) == len(items):
                    return trial, True
                kept, items = trial, stay
            elif len(stay) == len(items) or hard is exam.questions:
                return kept, False
            elif failed == _key(trial, ()):  # other batches, other rounding: ask everything, in the batches of the exam
                hard = exam.questions
                continue
            failed = _key(trial, ())
            hard = exam.questions if hard is exam.questions else _merged(hard + _hardest(exam, trial))
    except OutOfTimeError:
        return kept, False


def _set(gates: Gates, items: Iterable[Item], value: float) -> None:
    for key, i in items:
        gates[key].view(-1)[i] = value


def node_means(
    widths: Mapping[str, int],
    watch: Callable[[Tensor, Callable[[str, Tensor], Tensor]], None],
    draw: Draw,
    rng: np.random.Generator,
    dtype: torch.dtype = torch.float32,
) -> dict[str, Tensor]:
    """The mean of every node over the positions of sampled prompts; ``watch(prompts, record)`` shows them."""
    sums = {site: torch.zeros(width, dtype=dtype) for site, width in widths.items()}
    positions = 0

    def record(site: str, x: Tensor) -> Tensor:
        sums[site] += x.sum(dim=(0, 1))
        return x

    with torch.no_grad():
        for _ in range(MEAN_BATCHES):
            ids, _ = draw(rng)
            watch(ids, record)
            positions += ids.numel()
    return {site: total / positions for site, total in sums.items()}


def _key(gates: Gates, questions: Questions) -> int:
    """What tells one question of the journal from another."""
    key = sum(len(ids) for ids, _, _ in questions)
    for gate in gates.values():
        key = zlib.crc32(gate.numpy().tobytes(), key)
    return key


def _hardest(exam: Exam, gates: Gates) -> Questions:
    """The questions of smallest margin in every batch."""
    hard = []
    for (ids, answers, least), margin in zip(exam.questions, exam.margins(gates, exam.questions), strict=True):
        chosen = margin.topk(min(HARDEST, len(margin)), largest=False).indices
        hard.append((ids[chosen], answers[chosen], least[chosen]))
    return tuple(hard)


def _merged(questions: Questions) -> Questions:
    """The same questions, one batch per length, longest first."""
    by_length: dict[int, list[tuple[Tensor, Tensor, Tensor]]] = {}
    for part in questions:
        by_length.setdefault(part[0].shape[1], []).append(part)
    longest_first = [zip(*by_length[length], strict=True) for length in sorted(by_length, reverse=True)]
    return tuple(tuple(torch.cat(column) for column in columns) for columns in longest_first)  # type: ignore[misc]


def in_chunks(questions: Sequence[tuple[Tensor, Tensor, Tensor]]) -> Questions:
    """The same questions in batches of at most ``CHUNK``."""
    return tuple(
        part for columns in questions for part in zip(*(torch.split(column, CHUNK) for column in columns), strict=True)
    )
