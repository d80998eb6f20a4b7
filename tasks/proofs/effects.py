"""On how many inputs a change of a network changes the label: counted over a whole domain, nothing left to chance.

    changed     both have a label, and it is another one
    undecided   the network has a label, and the changed one has none (a tie, or a margin below the error bound)

The network's own labels are those of an ``Enumeration``, with the least margin that counts; inputs without one are not
counted. Where nothing is undecided the count is exact. A count of zero with nothing undecided is a proof that the
change is without effect on the domain.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from math import inf

import numpy as np
from numpy.typing import NDArray

from tasks.bounds.perturbation import enclose_loosely
from tasks.networks.readout import UNDECIDED, Labels, label_name
from tasks.networks.transformer import Transformer
from tasks.proofs.enumeration import (
    BLOCK,
    LEAST,
    STEP,
    Answers,
    Enumeration,
    LateError,
    answers_of,
    blocks,
    enumerate_domain,
    read_stream,
)

Inputs = tuple[tuple[str, ...], int | None]  # a sequence, and a place in it where each has a label


@dataclass(frozen=True)
class Change:
    """An input whose label is ``after`` instead of ``before``; of two inputs, the ``other`` one is where it is."""

    inputs: Inputs
    before: str
    after: str
    other: Inputs | None = None


@dataclass(frozen=True)
class Effect:
    """Of ``compared`` inputs the label changes on ``changed``, is open on ``undecided``; ``first``: the shortest."""

    compared: int
    changed: int
    undecided: int
    first: Change | None

    @property
    def is_exact(self) -> bool:
        """Whether so many labels change, no more."""
        return not self.undecided

    @property
    def is_none(self) -> bool:
        """Whether it is proved that no label changes."""
        return self.compared > 0 and not self.changed and not self.undecided

    @property
    def words(self) -> str:
        """The count in words."""
        if not self.compared:
            return "nothing to compare"
        if self.undecided:
            return f"{self.changed:,} to {self.changed + self.undecided:,}"
        return f"{self.changed:,}" if self.changed else "none"


def kept_labels(enumeration: Enumeration, least: float) -> tuple[Labels, ...]:
    """The labels by length, UNDECIDED where the guaranteed margin is below ``least``."""
    return tuple(_kept(part, least) for part in enumeration.lengths)


def effect(
    enumeration: Enumeration,
    least: float,
    network: Transformer,
    *,
    deadline: float = inf,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Effect:
    """What becomes of the labels where ``network`` takes the place of the one that was enumerated.

    Balls decide what they can; what they leave open is bounded by zonotopes, as long as that decides anything. Raises
    LateError at the ``deadline`` (by ``time.perf_counter``).
    """
    changed = replace(enumeration.loaded, network=network)
    rate = enumeration.domain.size() / max(enumeration.seconds, 1e-3)
    found = enumerate_domain(
        changed,
        enumeration.domain,
        semantics=enumeration.semantics,
        deadline=deadline,
        rate=rate,
        on_progress=on_progress,
        with_zonotopes=False,
    )
    before = kept_labels(enumeration, least)
    return compared(enumeration, before, _refined(found, before, least, deadline))


def _refined(found: Enumeration, before: tuple[Labels, ...], least: float, deadline: float) -> tuple[Labels, ...]:
    """The labels of ``found``, those that are open where ``before`` has one bounded once more."""
    labels = []
    for part, old in zip(found.lengths, before, strict=True):
        new = _kept(part, least)
        is_open = (new == UNDECIDED) & (old != UNDECIDED)
        rows = np.flatnonzero(is_open if is_open.ndim == 1 else is_open.any(axis=1))
        for start in range(0, len(rows), LEAST):
            if time.perf_counter() > deadline:
                raise LateError
            some = rows[start : start + LEAST]
            label, margin = answers_of(found.loaded, part.sequences[some], found.semantics)
            new[some] = np.where((new[some] == UNDECIDED) & (margin >= least), label, new[some])
            if (new[some] == UNDECIDED)[is_open[some]].all():
                break  # ties, most likely
        labels.append(new)
    return tuple(labels)


def compared(enumeration: Enumeration, before: tuple[Labels, ...], after: tuple[Labels, ...]) -> Effect:
    """What changes from ``before`` to ``after``, both by length."""
    count = changes = opened = 0
    first: Change | None = None
    for part, old, new in zip(enumeration.lengths, before, after, strict=True):
        is_known = old != UNDECIDED
        is_open = is_known & (new == UNDECIDED)
        differs = is_known & ~is_open & (old != new)
        count, changes, opened = count + int(is_known.sum()), changes + int(differs.sum()), opened + int(is_open.sum())
        if first is None and differs.any():
            at = tuple(int(n) for n in np.argwhere(differs)[0])
            first = change_at(enumeration, part, at, int(old[at]), int(new[at]))
    return Effect(count, changes, opened, first)


def change_at(enumeration: Enumeration, part: Answers, at: tuple[int, ...], before: int, after: int) -> Change:
    """The change at one input of a length."""
    readout = enumeration.loaded.readout
    return Change(input_at(enumeration, part, at), label_name(readout, before), label_name(readout, after))


def input_at(enumeration: Enumeration, part: Answers, at: tuple[int, ...]) -> Inputs:
    """One input by its names."""
    row, *place = at
    return enumeration.domain.words(part.sequences[row]), place[0] if place else None


def holds_loosely(enumeration: Enumeration, least: float, spread: float, deadline: float = inf) -> bool:
    """Whether every label is the same for all weights within a factor of 1 - ``spread`` to 1 + ``spread``, proved.

    In real arithmetic. Raises LateError at the ``deadline``.
    """
    loaded, labels = enumeration.loaded, kept_labels(enumeration, least)
    assert isinstance(loaded.network, Transformer)
    listed = [part.sequences for part in enumeration.lengths]
    most = int(min(BLOCK, max(LEAST, STEP * enumeration.domain.size() / max(enumeration.seconds, 1e-3))))
    for block in blocks(listed, lambda: most):
        if time.perf_counter() > deadline:
            raise LateError
        prompts = [loaded.prompts(listed[n][rows]) for n, rows in block]
        found = read_stream(loaded, enclose_loosely(loaded.network, prompts, spread))
        for (n, rows), (label, _) in zip(block, found, strict=True):
            old: NDArray[np.int64] = labels[n][rows]
            if ((old != UNDECIDED) & (label != old)).any():
                return False
    return True


def _kept(part: Answers, least: float) -> Labels:
    return np.where(part.margins >= least, part.labels, UNDECIDED)
