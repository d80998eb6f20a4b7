"""Compare programs with a circuit on every sequence, one by one: what is left where no structure of it is known.

Labels are made length by length, once, with a rigorous bound on every rounding error (``labelling``), so a comparison
that runs out of time or is interrupted has proved the lengths before. The cost grows like the number of sequences;
``methods`` says up to which length that is bearable.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from cegis import Claim, Domain, Program, Rung
from cegis.claim import least_margin
from dsl.sequences import SequenceBatch
from tasks.circuit import UNDECIDED
from tasks.examining import Comparison, Examined, Examiner
from tasks.labelling import Labels, label_domain

BLOCK = 200_000  # sequences that a program runs on at once


@dataclass
class ListingVerifier(Examiner):
    """Compares programs with a circuit on every sequence of ``domain``, one by one; see ``Examiner``."""

    _lengths: dict[int, Labels] = field(default_factory=dict, init=False, repr=False)

    @property
    def margin(self) -> float:
        least = (float(part.margins[part.labels != UNDECIDED].min(initial=np.inf)) for part in self._lengths.values())
        return min(least, default=np.inf)

    @property
    def boxes(self) -> int:
        return 0

    def claims(self, found: Examined) -> tuple[Claim, ...]:
        """What is proved by ``found``: nothing, or equality up to the length ``found.equal``."""
        if found.equal < self.domain.min_length or not self.domain.up_to(found.equal).size():
            return ()
        domain = self.domain.up_to(found.equal)
        seen = {int(i) for n in domain.lengths if n in self._lengths for i in np.unique(self._lengths[n].labels)}
        return (
            Claim(
                Rung.ENUMERATED,
                f"circuit {self.circuit.name}",
                self.semantics,
                domain,
                f"network executed on every sequence, {least_margin(self.margin)}",
                domain.size(),
                found.seconds,
                self.detail(found.equal, seen),
                self.conditions(domain),
            ),
        )

    def compare(self, comparison: Comparison) -> None:
        """Compare every sequence, shortest first, until something ends it."""
        for length in self.domain.lengths:
            self.check_time()
            if self.domain.count(length):
                self._compare(comparison, comparison.program, self._labels(length))
            if comparison.is_over:
                return
            comparison.finish(length)

    def _labels(self, length: int) -> Labels:
        if length not in self._lengths:
            alone = Domain(self.domain.alphabet, length, length, self.domain.constraint)
            (self._lengths[length],) = label_domain(
                self.circuit,
                alone,
                unit_roundoff=self.unit_roundoff,
                on_progress=lambda done, total: self.check_time(),
            ).lengths
        return self._lengths[length]

    def _compare(self, comparison: Comparison, program: Program, part: Labels) -> None:
        for start in range(0, len(part.labels), BLOCK):
            self.check_time()
            rows, labels = part.sequences[start : start + BLOCK], part.labels[start : start + BLOCK]
            comparison.classes += len(rows)
            undecided = labels == UNDECIDED
            if undecided.any():
                first = self.domain.words(rows[int(undecided.argmax())])
                comparison.leave_undecided(first, int(undecided.sum()))
            for row in np.flatnonzero((program.run(SequenceBatch(rows)) != labels) & ~undecided):
                comparison.replay(self.domain.words(rows[row]))
                if comparison.is_over:
                    return
