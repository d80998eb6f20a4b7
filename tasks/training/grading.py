"""How far logits are from giving the right label: a loss to learn by, and margins to pass by, for each read-out.

    Argmax      cross entropy;                margin: the right column less the best wrong one
    TokenSet    cross entropy of each column; margin: the smallest distance from the threshold, on the right side
    Rounded     squared error, in halves of   margin: the distance to the nearest end of that interval, inside it
                the interval that is rounded
                to the right value

An answer that is not known has no loss and an infinite margin.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from tasks.networks.readout import UNDECIDED, Argmax, Readout, Rounded, TokenSet

UNKNOWN = -100  # what torch's cross entropy leaves out


@dataclass(frozen=True)
class Grading:
    """``loss(logits, answers)`` is a number, ``margins(logits, answers)`` has one for each answer.

    Logits are those of the read-out's columns, (prompts, columns) or (prompts, places, columns); answers are what
    ``answers_of`` makes of labels.
    """

    loss: Callable[[Tensor, Tensor], Tensor]
    margins: Callable[[Tensor, Tensor], Tensor]


def grading(readout: Readout) -> Grading:
    """The loss and the margins of ``readout``."""
    match readout:
        case Argmax():
            return LARGEST
        case TokenSet(threshold=threshold):
            return Grading(
                lambda logits, signs: _mean(functional.softplus(-signs * (logits - threshold)), signs != 0),
                lambda logits, signs: torch.where(signs != 0, signs * (logits - threshold), torch.inf).amin(-1),
            )
        case Rounded():
            return Grading(_squared, _inside)


def answers_of(readout: Readout, labels: NDArray[np.int64], dtype: torch.dtype) -> Tensor:
    """Labels of the read-out, UNDECIDED where there is none, as tensors to grade by."""
    known = labels != UNDECIDED
    match readout:
        case Argmax():
            return torch.from_numpy(np.where(known, labels, UNKNOWN))
        case TokenSet(columns=columns):
            bits = np.where(known, labels, 0)[..., None] >> np.arange(len(columns)) & 1
            return torch.from_numpy(np.where(known[..., None], 2 * bits - 1, 0)).to(dtype)
        case Rounded():
            ends = {int(label): _ends(readout, int(label)) for label in np.unique(labels[known])}
            rows = [ends.get(int(label), (-np.inf, np.inf)) for label in labels.ravel()]
            return torch.tensor(rows, dtype=dtype).reshape(*labels.shape, 2)


def _largest_loss(logits: Tensor, answers: Tensor) -> Tensor:
    return functional.cross_entropy(logits.reshape(-1, logits.shape[-1]), answers.reshape(-1))


def _largest_margins(logits: Tensor, answers: Tensor) -> Tensor:
    chosen = answers.clamp(min=0)[..., None]
    right = logits.gather(-1, chosen)[..., 0]
    margins = right - logits.scatter(-1, chosen, -torch.inf).amax(dim=-1)
    return torch.where(answers == UNKNOWN, torch.inf, margins)


LARGEST = Grading(_largest_loss, _largest_margins)


def _squared(logits: Tensor, ends: Tensor) -> Tensor:
    low, high = ends[..., 0], ends[..., 1]
    known = low.isfinite() & high.isfinite()
    low, high = torch.where(known, low, -1.0), torch.where(known, high, 1.0)
    return _mean((2 * (logits[..., 0] - (low + high) / 2) / (high - low)).square(), known)


def _inside(logits: Tensor, ends: Tensor) -> Tensor:
    return torch.minimum(logits[..., 0] - ends[..., 0], ends[..., 1] - logits[..., 0])


def _mean(values: Tensor, known: Tensor) -> Tensor:
    return torch.where(known, values, 0.0).sum() / known.sum().clamp(min=1)


def _ends(readout: Rounded, label: int) -> tuple[float, float]:
    """The interval that is rounded to a label."""
    unit = readout.unit
    grid = sorted({n * (unit // d) for d in range(1, readout.denominator + 1) for n in range(-d, 2 * d + 1)})
    base = label - label % unit
    at = grid.index(label - base)
    low, high = ((grid[at] + grid[n]) / 2 for n in (at - 1, at + 1))
    return (base + low) / unit, (base + high) / unit
