"""Edges of a circuit: scored by attribution patching, so that the ones that matter least are ablated first.

An ablated edge carries the mean of what it carried (``tasks.networks.sites.without``): its gate stands between the
weight and the constant that the weight makes of that mean.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from tasks.networks.sites import Link
from tasks.networks.transformer import Affine
from tasks.training.pruning import Exam, Gates
from tasks.training.torch_model import circuit_nodes
from tasks.training.torch_steps import TorchTransformer

BATCHES = 16  # by which edges are scored


@dataclass(frozen=True)
class Gated:
    """A network with sites, run with gates at nodes and at the edges of its ``links``.

    ``means``: of every node, by site; ``carried``: of what a link's map is applied to, by link. The two are the same
    but behind attention, whose weights need not sum to one.
    """

    model: TorchTransformer
    links: tuple[Link, ...]
    read: Callable[[Tensor], Tensor]
    means: Mapping[str, Tensor]
    carried: Mapping[str, Tensor]

    def run(self, ids: Tensor, gates: Gates) -> Tensor:
        """Logits that are read, with these gates; what has none is open. ``read`` takes them from those of all rows."""
        node = circuit_nodes(gates, self.means)
        gated = {id(link.affine): link for link in self.links if link.name in gates}

        def affine(step: Affine, x: Tensor) -> Tensor:
            link, weight = gated.get(id(step)), self.model.tensor(step.weight)
            if link is None:
                return self.model.affine(step, x)
            gate = gates[link.name]
            y = x @ (weight * gate).T + (weight * (1 - gate)) @ self.carried[link.name]
            return y if step.bias is None else y + self.model.tensor(step.bias)

        return self.read(self.model.logits(ids, node, affine if gated else None))

    def watch(self, ids: Tensor, record: Callable[[str, Tensor], Tensor]) -> None:
        """Show ``record`` the values at every site, and what every link's map is applied to."""
        names = {id(link.affine): link.name for link in self.links}

        def affine(step: Affine, x: Tensor) -> Tensor:
            return self.model.affine(step, record(names[id(step)], x) if id(step) in names else x)

        self.model.logits(ids, record, affine)

    def edge_gates(self) -> dict[str, Tensor]:
        """An open gate for every weight of a link."""
        return {link.name: torch.ones_like(self.model.tensor(link.affine.weight)) for link in self.links}


def attributed(exam: Exam, gated: Gated, gates: Gates, rng: np.random.Generator) -> dict[str, Tensor]:
    """How much ablating each edge would change the margins of drawn questions, to first order; by link.

    NaN for a weight that is none: zero, or of a node whose gate is closed. Attribution patching (Nanda 2023; Syed et
    al. 2023): the gradient at the end of the edge, times what the edge carries beyond its mean, summed over the rows
    of a prompt; the mean of its size over prompts.
    """
    by_affine = {id(link.affine): link for link in gated.links}
    effects = {link.name: torch.zeros_like(gated.model.tensor(link.affine.weight)) for link in gated.links}
    node = circuit_nodes(gates, gated.means)
    for _ in range(BATCHES):
        exam.check_time()
        ids, answers = exam.draw(rng)
        seen: list[tuple[Link, Tensor, Tensor]] = []

        def affine(step: Affine, x: Tensor) -> Tensor:
            y = gated.model.affine(step, x)
            if id(step) in by_affine:
                if not y.requires_grad:
                    y.requires_grad_()
                y.retain_grad()
                seen.append((by_affine[id(step)], x.detach(), y))  # noqa: B023 (used before the next round)
            return y

        margins = exam.grading.margins(gated.read(gated.model.logits(ids, node, affine)), answers)
        torch.autograd.backward(margins[margins.isfinite()].sum())
        for link, x, y in seen:
            if y.grad is not None:
                moved = torch.einsum("btr,btc->brc", y.grad, x - gated.carried[link.name])
                effects[link.name] += moved.abs().mean(0)
    for link in gated.links:
        weight = gated.model.tensor(link.affine.weight)
        is_edge = (weight != 0) & (gates[link.target.site][:, None] * gates[link.source.site] > 0.5)
        effects[link.name] = torch.where(is_edge, effects[link.name] * weight.abs(), torch.nan)
    return effects
