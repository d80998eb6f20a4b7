"""The label of every sequence of a domain, with the margin that guarantees it: the rung "enumerated".

The label is the argmax over the circuit's label logits at the last position. It is given only where the winner's lower
bound exceeds every other upper bound (``executor``, ``ball``), so it is the label in real arithmetic and in every
execution that meets ``ball.KERNEL_ASSUMPTION``. Everywhere else, ties included, it is ``UNDECIDED``.

It visits all sequences; what can be proved without visiting them is in other files.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cegis.domain import Domain, Tokens
from tasks import ball
from tasks.ball import Ball, Reals
from tasks.circuit import UNDECIDED, Circuit
from tasks.executor import Executor, Tree, prompts
from tasks.network import NetworkError, check_prompt

BLOCK = 200_000  # sequences executed together; bounds memory, loses merging between blocks


@dataclass(frozen=True)
class Labels:
    """Some sequences of one length, (count, length) alphabet indices, and what the circuit says of each.

    ``labels``: (count,) indices of the circuit's labels, or UNDECIDED; ``margins``: (count,) lower bounds of winner
    minus runner-up, positive exactly where a label is given.
    """

    sequences: Tokens
    labels: NDArray[np.int8]
    margins: Reals


@dataclass(frozen=True)
class Labelling:
    """The labels of a domain, one ``Labels`` per length, shortest first.

    ``radius``: the largest error bound of a logit; ``classes``: how many last positions were really computed;
    ``seconds``: wall clock.
    """

    domain: Domain
    unit_roundoff: float
    lengths: tuple[Labels, ...]
    classes: int
    radius: float
    seconds: float

    assumption = ball.KERNEL_ASSUMPTION

    @property
    def size(self) -> int:
        """How many sequences were labelled."""
        return sum(len(part.labels) for part in self.lengths)

    @property
    def undecided(self) -> tuple[tuple[str, ...], ...]:
        """The sequences without a label."""
        return tuple(self.domain.words(row) for p in self.lengths for row in p.sequences[p.labels == UNDECIDED])

    @property
    def margin(self) -> float:
        """The smallest guaranteed margin; positive exactly where every sequence has its label."""
        return min(float(part.margins.min()) for part in self.lengths if len(part.margins))

    @property
    def closest(self) -> tuple[str, ...]:
        """The first sequence with the smallest margin."""
        part = next(p for p in self.lengths if len(p.margins) and p.margins.min() == self.margin)
        return self.domain.words(part.sequences[int(part.margins.argmin())])

    def counts(self) -> dict[int, int]:
        """How often each label occurs (UNDECIDED too, if it does)."""
        found, times = np.unique(np.concatenate([part.labels for part in self.lengths]), return_counts=True)
        return {int(label): int(count) for label, count in zip(found, times, strict=True)}


def label_domain(
    circuit: Circuit,
    domain: Domain,
    *,
    unit_roundoff: float = ball.FLOAT32,
    on_progress: Callable[[int, int], None] | None = None,
) -> Labelling:
    """Label every sequence of a bounded ``domain`` over the circuit's alphabet; ``on_progress(done, total)``.

    Raises NetworkError for another alphabet, sequences that do not fit the network, or a domain without sequences.
    """
    start = time.perf_counter()
    if domain.alphabet != circuit.domain.alphabet:
        raise NetworkError(
            f"{circuit.name}: expected a domain over {', '.join(circuit.domain.alphabet)}, "
            f"got one over {', '.join(domain.alphabet)}"
        )
    check_prompt(circuit.name, domain.min_length, len(circuit.prefix))
    listed = [domain.sequences(length) for length in domain.lengths]
    total = sum(map(len, listed))
    if not total:
        raise NetworkError(f"{circuit.name}: the domain holds no sequence, so there is nothing to label")
    labels = [np.full(len(part), UNDECIDED, np.int8) for part in listed]
    margins = [np.full(len(part), -np.inf) for part in listed]
    executor, done, classes, radius = Executor(circuit, unit_roundoff), 0, 0, 0.0
    for block in blocks(listed, BLOCK):
        bounds, found = _run(executor, circuit, [listed[n][rows] for n, rows in block])
        classes, radius = classes + len(bounds), max(radius, float(bounds.radius.max()))
        for (n, rows), (label, margin) in zip(block, found, strict=True):
            labels[n][rows], margins[n][rows] = label, margin
            done += len(label)
        if on_progress:
            on_progress(done, total)
    lengths = tuple(Labels(*part) for part in zip(listed, labels, margins, strict=True))
    return Labelling(domain, unit_roundoff, lengths, classes, radius, time.perf_counter() - start)


def label_sequences(circuit: Circuit, sequences: Tokens, *, unit_roundoff: float = ball.FLOAT32) -> Labels:
    """Label some sequences of one length: (count, length) indices into the circuit's alphabet."""
    if not len(sequences):
        return Labels(sequences, np.zeros(0, np.int8), np.zeros(0))
    _, ((labels, margins),) = _run(Executor(circuit, unit_roundoff), circuit, [sequences])
    return Labels(sequences, labels, margins)


def read_out(logits: Ball) -> tuple[NDArray[np.int8], Reals]:
    """Labels (rows,) and guaranteed margins (rows,) of label logits (rows, labels); UNDECIDED where not positive."""
    center, radius = logits.center, logits.radius
    winner = center.argmax(axis=-1)
    rows = np.arange(len(center))
    gap = center[rows, winner][:, None] - center
    error = radius[rows, winner][:, None] + radius
    margins = gap - error - 2.0**-50 * (np.abs(center) + np.abs(center[rows, winner])[:, None] + error)
    margins[rows, winner] = np.inf
    margin = margins.min(axis=-1)
    return np.where(margin > 0, winner, UNDECIDED).astype(np.int8), margin


def _run(
    executor: Executor, circuit: Circuit, batches: list[Tokens]
) -> tuple[Ball, list[tuple[NDArray[np.int8], Reals]]]:
    """The logits per class, and for each batch of sequences its labels and margins."""
    bounds, classes = executor.logits(Tree.of([prompts(circuit, batch) for batch in batches]))
    labels, margins = read_out(bounds)
    return bounds, [(labels[index], margins[index]) for index in classes]


def blocks(listed: list[Tokens], most: int) -> Iterator[list[tuple[int, slice]]]:
    """Sequences that start alike, of all lengths together: (index of the length, rows), about ``most`` at a time.

    Lists are sorted, so the sequences with a given start are consecutive; shorter ones come as their own blocks.
    """
    pending: list[tuple[list[tuple[int, slice]], int]] = [([(n, slice(0, len(p))) for n, p in enumerate(listed)], 0)]
    while pending:
        block, depth = pending.pop()
        if sum(rows.stop - rows.start for _, rows in block) <= most:
            yield block
            continue
        short = [(n, rows) for n, rows in block if listed[n].shape[1] <= depth]
        if short:
            yield short
        tokens = {n: listed[n][rows, depth] for n, rows in block if listed[n].shape[1] > depth}
        for letter in reversed(np.unique(np.concatenate(list(tokens.values())))):
            part = []
            for n, rows in block:
                if n in tokens:
                    low, high = np.searchsorted(tokens[n], [letter, letter + 1])
                    if high > low:
                        part.append((n, slice(rows.start + int(low), rows.start + int(high))))
            pending.append((part, depth + 1))
