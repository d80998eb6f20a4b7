"""Does a loaded circuit_sparsity circuit do what its own file says it did?

``viz_data.pt`` stores the prompts of the task (right-padded with 0), what every kept node did on them, and the loss.
The circuit is run on the same prompts and compared: activations at kept nodes, and, where the ids of the two answer
tokens are given, the loss

    mean over pairs of   -log p(first | prompt i) - log p(second | prompt i + n/2),      p = softmax over the two logits

at the last token. A prompt that ends in token 0 cannot be told from a padded one; then the comparison fails loudly.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.formats.openai import CIRCUIT, array_of, read_circuit, read_torch
from tasks.networks.interpreter import logits
from tasks.networks.sparse_transformer import NetworkError
from tasks.networks.transformer import Reals

TOLERANCE = 1e-3


@dataclass(frozen=True)
class Acceptance:
    """``difference`` is the largest over ``values`` stored activations; a loss is None where it cannot be compared.

    What the prompts suggest, as token ids: the ``prefix`` that all begin with, the ``alphabet`` that they hold behind
    it, and as ``answers`` the tokens that the circuit says most often after the first and after the second half of
    them.
    """

    prompts: int
    values: int
    difference: float
    loss: float | None
    stored_loss: float | None
    prefix: tuple[int, ...] = ()
    alphabet: tuple[int, ...] = ()
    answers: tuple[int, ...] = ()

    @property
    def is_reproduced(self) -> bool:
        """Whether activations, and the loss where both are known, are what was stored, up to rounding in float32."""
        apart = 0.0 if self.loss is None or self.stored_loss is None else abs(self.loss - self.stored_loss)
        return self.difference <= TOLERANCE and apart <= TOLERANCE


def acceptance(folder: Path, answers: tuple[int, int] | None = None) -> Acceptance:
    """The circuit in ``folder`` (with ``viz_data.pt``) against what is stored there about its own prompts.

    ``answers`` are token ids; None where they are not known, and the loss is not compared. Raises NetworkError
    where nothing is stored, or what is stored cannot be read.
    """
    what, viz = str(folder / CIRCUIT), read_torch(folder / CIRCUIT)
    circuit = read_circuit(folder, viz).transformer
    importances = viz.get("importances")
    stored = importances.get("task_samples") if isinstance(importances, dict) else None
    if not isinstance(stored, list | tuple) or len(stored) != 2 or not isinstance(stored[1], dict):
        raise NetworkError(f"{what}: no task_samples (prompts, activations by site) to compare with")
    prompts = array_of(f"{what}: prompts", stored[0], "int64")
    if prompts.ndim != 2 or not prompts.size or not (prompts != 0).any(axis=1).all():
        raise NetworkError(f"{what}: expected prompts (documents, length), none of padding alone")
    lengths = prompts.shape[1] - (prompts[:, ::-1] != 0).argmax(axis=1)
    seen: dict[str, Reals] = {}
    scores = logits(circuit, prompts[:, : lengths.max()], seen.__setitem__)
    values, difference = _compared(what, stored[1], seen, lengths)
    last = scores[np.arange(len(prompts)), lengths - 1]
    loss = None if answers is None else _loss(last, answers)
    stored_loss = importances.get("interv_loss")
    prefix, alphabet = _tokens(prompts, lengths)
    return Acceptance(
        len(prompts), values, difference, loss, None if stored_loss is None or loss is None else float(stored_loss),
        prefix, alphabet, answers or _said(last),
    )  # fmt: skip


def _tokens(prompts: NDArray[np.int64], lengths: NDArray[np.integer]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """What all prompts begin with, one token less than the shortest at most, and what else they hold."""
    shared = 0
    while shared < lengths.min() - 1 and len(set(prompts[:, shared])) == 1:
        shared += 1
    rest = {int(token) for row, length in zip(prompts, lengths, strict=True) for token in row[shared:length]}
    return tuple(map(int, prompts[0, :shared])), tuple(sorted(rest))


def _said(last: Reals) -> tuple[int, ...]:
    """The most frequent largest logit of either half."""
    best, half = last.argmax(axis=1), len(last) // 2
    found = [int(np.bincount(part).argmax()) for part in (best[:half], best[half : 2 * half]) if len(part)]
    return tuple(dict.fromkeys(found))


def _compared(
    what: str, stored: dict[Any, Any], seen: dict[str, Reals], lengths: NDArray[np.integer]
) -> tuple[int, float]:
    """How many stored activations there are, and the largest difference from ours."""
    values, difference = 0, 0.0
    for site, channels in stored.items():
        if site not in seen or not isinstance(channels, dict):
            raise NetworkError(f"{what}: activations of {site!r} are not stored by node at a site of this circuit")
        ours = seen[site]
        real = np.arange(ours.shape[1]) < lengths[:, None]
        for channel, activations in channels.items():
            if not 0 <= int(channel) < ours.shape[2]:
                raise NetworkError(f"{what}: {site} has no node {int(channel)}")
            theirs = array_of(f"{what}: activations of {site}:{int(channel)}", activations)
            if theirs.ndim != 2 or len(theirs) != len(ours) or theirs.shape[1] < ours.shape[1]:
                raise NetworkError(f"{what}: activations of {site}:{int(channel)} do not fit the prompts")
            apart = np.abs(ours[..., int(channel)] - theirs[:, : ours.shape[1]])[real]
            values, difference = values + len(apart), max(difference, float(apart.max()))
    return values, difference


def _loss(scores: Reals, answers: tuple[int, int]) -> float:
    first, second = (scores[:, answer] for answer in answers)
    half = len(scores) // 2
    wrong_by = np.concatenate([second[:half] - first[:half], first[half : 2 * half] - second[half : 2 * half]])
    return float(2 * np.logaddexp(0, wrong_by).mean())
