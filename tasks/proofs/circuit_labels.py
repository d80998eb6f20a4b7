"""The label of every sequence of a domain, with the margin that guarantees it: the rung "enumerated".

The label is the argmax over the circuit's label logits at the last position. It is given only where the winner's lower
bound exceeds every other upper bound (``enumerating``), so it is the label in real arithmetic and in every
execution that meets ``ball.KERNEL_ASSUMPTION``. Everywhere else, ties included, it is ``UNDECIDED``.

It visits all sequences; what can be proved without visiting them is in other files.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cegis import Table
from cegis.claim import least_margin
from cegis.domain import Domain, Tokens
from tasks.bounds import ball
from tasks.bounds.ball import Reals
from tasks.formats import from_circuit
from tasks.networks.circuit import UNDECIDED, Circuit
from tasks.networks.conditions import conditions
from tasks.networks.readout import UNDECIDED as NO_LABEL
from tasks.proofs.enumeration import MEANING, Semantics, answers_of, enumerate_domain


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
    told = (lambda done, total: None) if on_progress is None else on_progress
    semantics = semantics_of(unit_roundoff)
    found = enumerate_domain(from_circuit(circuit), domain, semantics=semantics, on_progress=told)
    lengths = tuple(Labels(part.sequences, _indices(part.labels), part.margins) for part in found.lengths)
    return Labelling(domain, unit_roundoff, lengths, found.classes, found.radius, found.seconds)


def label_sequences(circuit: Circuit, sequences: Tokens, *, unit_roundoff: float = ball.FLOAT32) -> Labels:
    """Label some sequences of one length: (count, length) indices into the circuit's alphabet."""
    if not len(sequences):
        return Labels(sequences, np.zeros(0, np.int8), np.zeros(0))
    labels, margins = answers_of(from_circuit(circuit), sequences, semantics_of(unit_roundoff))
    return Labels(sequences, _indices(labels), margins)


def semantics_of(unit_roundoff: float) -> Semantics:
    """The arithmetic with this unit roundoff; raises RoundoffError where there is none."""
    ball.check_roundoff(unit_roundoff)
    return "float32" if unit_roundoff > ball.FLOAT64 else "float64"


def _indices(labels: NDArray[np.int64]) -> NDArray[np.int8]:
    """Labels of the read-out as the circuit's: an argmax numbers them alike."""
    return np.where(labels == NO_LABEL, UNDECIDED, labels).astype(np.int8)


def as_table(circuit: Circuit, labelling: Labelling) -> Table:
    """The labels as a reference for programs."""
    model = from_circuit(circuit)
    return Table(
        labelling.domain,
        {part.sequences.shape[1]: part.labels for part in labelling.lengths},
        model.reference,
        MEANING[semantics_of(labelling.unit_roundoff)],
        f"network bounded on every sequence, {least_margin(labelling.margin)}",
        ball.KERNEL_ASSUMPTION,
        circuit.labels,
        conditions(model, labelling.domain),
    )
