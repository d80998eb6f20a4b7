"""A circuit of any ``Transformer``: nodes, then edges, then once more the nodes that no edge needs.

The questions are all prompts that are given, each with the answer it must keep; the method is that of ``pruning``.
How much an answer must lead is the smaller of a fixed margin and a share of what it leads by in the whole network, so
that no answer is asked for more than it had.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tasks.networks import sites
from tasks.networks.readout import Labels, Readout
from tasks.networks.sparse_transformer import NetworkError
from tasks.networks.transformer import Affine, Transformer
from tasks.training.edges import Gated, attributed
from tasks.training.grading import answers_of, grading
from tasks.training.journal import Journal, OutOfTimeError
from tasks.training.pruning import Exam, Gates, Learning, clean_up, cut, in_chunks, learn_scores, node_means, thin_out
from tasks.training.torch_steps import TorchTransformer, float_of

BATCH = 128
AT_ONCE = 256  # nodes or edges that are dropped together, at most
WEIGHING = 0.5  # of the time that is left then, for rounds in which nodes are weighed
LEARNING = 0.4  # of the time, for scores: at most so much of it
Prompts = NDArray[np.int64]


@dataclass(frozen=True)
class Goal:
    """What a circuit must keep: prompts (n, T) of each length, and the label of each, UNDECIDED where there is none.

    ``first``: the first row that is read where every row of the sequence is.
    """

    readout: Readout
    first: int
    parts: tuple[tuple[Prompts, Labels], ...]


@dataclass(frozen=True)
class How:
    """``margin``: what an answer must lead by, at most; ``share``: of what it leads by in the whole network."""

    learning: Learning
    margin: float
    share: float
    has_edges: bool = True


@dataclass(frozen=True)
class Cut:
    """The circuit as a network with masks; ``is_complete``: whether every node and edge was tried, and none can go."""

    network: Transformer
    is_complete: bool
    wrong: int  # prompts that the whole network answers otherwise than asked; they were not asked


def circuit_of(
    network: Transformer,
    goal: Goal,
    how: How,
    seed: int,
    *,
    seconds: float = np.inf,
    journal: Journal | None = None,
    on_progress: Callable[[str, int, int], None] = lambda what, done, total: None,
    on_step: Callable[[str, str], None] = lambda name, text: None,
) -> Cut:
    """The smallest circuit found in about ``seconds``; the same for the same seed where time does not end it.

    Raises NetworkError where the network gives none of the answers.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # sums in the same order everywhere
    try:
        run = _Pruning(sites.with_sites(network), goal, how, seed, seconds, journal or Journal(), on_progress)
        return run.circuit(on_step)
    finally:
        torch.set_num_threads(threads)


@dataclass
class _Pruning:
    network: Transformer
    goal: Goal
    how: How
    seed: int
    seconds: float
    journal: Journal
    on_progress: Callable[[str, int, int], None]
    _start: float = field(default_factory=time.perf_counter, init=False)

    def circuit(self, on_step: Callable[[str, str], None]) -> Cut:
        rng = np.random.default_rng(self.seed)
        exam, gated, wrong = self._exam(rng)
        learning = replace(exam, deadline=self._start + LEARNING * self.seconds)
        scores = learn_scores(learning, rng, self.seed, self.how.learning)
        gates, items = cut(exam, scores, exam.all_open())
        on_step("scores", f"{_count(gates):,} of {_count(exam.all_open()):,} nodes")
        now = time.perf_counter()
        weighing = replace(exam, deadline=now + WEIGHING * (exam.deadline - now))
        gates = thin_out(weighing, gates, items)
        items = [(site, i) for site, i in items if gates[site][i] > 0]
        on_step("weighed", f"{_count(gates):,} nodes")
        gates, is_complete = clean_up(exam, gates, items, AT_ONCE)
        on_step("nodes", f"{_count(gates):,} nodes")
        if self.how.has_edges and gated.links:
            gates, is_complete = self._edges(exam, gated, gates, rng)
        network = self._network(gated, gates)
        if self.how.has_edges:
            on_step("edges", f"{sites.nodes(network):,} nodes, {sites.edges(network):,} edges")
        return Cut(network, is_complete, wrong)

    def _edges(
        self, exam: Exam, gated: Gated, gates: dict[str, Tensor], rng: np.random.Generator
    ) -> tuple[dict[str, Tensor], bool]:
        """The same nodes with fewer edges between them, or fewer nodes; whether none can go."""
        try:
            scores = attributed(exam, gated, gates, rng)
        except OutOfTimeError:
            return gates, False
        every, items = cut(exam, scores, {**gates, **gated.edge_gates()})
        on_nodes = [(site, i) for site in gates for i in torch.nonzero(gates[site]).flatten().tolist()]
        return clean_up(exam, every, [*items, *on_nodes], AT_ONCE)

    def _exam(self, rng: np.random.Generator) -> tuple[Exam, Gated, int]:
        """The questions, asked with the network's own means; how many of them it does not answer as asked."""
        goal, dtype = self.goal, float_of(self.network)
        model, columns = TorchTransformer(self.network), list(goal.readout.columns)
        grade = grading(goal.readout)
        parts = [(torch.from_numpy(prompts), answers_of(goal.readout, labels, dtype)) for prompts, labels in goal.parts]
        parts = [(ids, answers) for ids, answers in parts if len(ids)]

        def read(logits: Tensor) -> Tensor:
            return logits[:, -1, columns] if goal.readout.position == "last" else logits[:, goal.first :, columns]

        def draw(rng: np.random.Generator) -> tuple[Tensor, Tensor]:
            ids, answers, _ = lengths[int(rng.integers(len(lengths)))]
            rows = torch.from_numpy(rng.integers(len(ids), size=min(BATCH, len(ids))))
            return ids[rows], answers[rows]

        def whole(ids: Tensor) -> Tensor:
            with torch.no_grad():
                return torch.cat([read(model.logits(some)) for some in torch.split(ids, BATCH)])

        lengths, wrong = [], 0
        for ids, answers in parts:
            margins = grade.margins(whole(ids), answers)
            margins = margins if margins.ndim == 1 else margins.flatten(1).amin(1)
            is_right, is_asked = margins > 0, margins.isfinite()
            wrong += int((~is_right).sum())
            asked = is_right & is_asked
            if asked.any():
                least = (self.how.share * margins).clamp(max=self.how.margin)
                lengths.append((ids[asked], answers[asked], least[asked]))
        if not lengths:
            raise NetworkError("the network gives none of the answers that a circuit of it should keep")
        found = sites.masks(self.network)
        widths = {site: len(mask.kept) for site, mask in found.items()}
        links = tuple(sites.links(self.network))
        widths |= {link.name: len(link.source.kept) for link in links}
        every = node_means(widths, Gated(model, links, read, {}, {}).watch, draw, rng, dtype)
        means = {site: every[site] for site in found}
        gated = Gated(model, links, read, means, {link.name: every[link.name] for link in links})
        is_open = {site: torch.from_numpy(mask.kept.copy()).to(dtype) for site, mask in found.items()}
        exam = Exam(
            gated.run,
            means,
            in_chunks(lengths),
            draw,
            grade,
            is_open,
            self.journal,
            self._start + self.seconds,
            self.on_progress,
        )
        return exam, gated, wrong

    def _network(self, gated: Gated, gates: Gates) -> Transformer:
        """The network with masks where gates of nodes are closed, and without the edges whose gates are."""
        kept = {site: gates[site].numpy() > 0.5 for site in gated.means}
        masked = sites.with_masks(self.network, kept, {site: mean.numpy() for site, mean in gated.means.items()})

        def change(link: sites.Link) -> Affine:
            if link.name not in gates:
                return link.affine
            closed = link.edges & (gates[link.name].numpy() < 0.5)
            return (
                sites.without(link, closed, gated.carried[link.name].numpy(), self.network.dtype)
                if closed.any()
                else link.affine
            )

        return sites.with_links(masked, change)


def _count(gates: Mapping[str, Tensor]) -> int:
    return sum(int(gate.sum()) for gate in gates.values())
