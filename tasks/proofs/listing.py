"""Compare programs with a network on every sequence, one by one: what is left where no structure of it is known.

Labels are made length by length, once, with a rigorous bound on every rounding error (``enumerating``), so a comparison
that runs out of time or is interrupted has proved the lengths before. The cost grows like the number of sequences;
``methods`` says up to which length that is bearable.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from cegis import Claim, Domain, Rung
from cegis.claim import least_margin
from dsl.sequences import SequenceBatch
from tasks.networks.readout import UNDECIDED, label_name
from tasks.proofs.enumeration import Answers, enumerate_domain
from tasks.proofs.verifier import NOTHING, Comparison, Extent, Listed

BLOCK = 200_000  # sequences that a program runs on at once


@dataclass
class ListingVerifier(Listed):
    """Compares programs with a network on every sequence of ``domain``, one by one; see ``Verifier``."""

    _lengths: dict[int, Answers] = field(default_factory=dict, init=False, repr=False)

    def claims(self, found: Extent) -> tuple[Claim, ...]:
        """What is proved by ``found``: nothing, or equality up to the length ``found.equal_up_to``."""
        domain = self.domain.up_to(found.equal_up_to) if found.equal_up_to >= self.domain.min_length else None
        if domain is None or not domain.size():
            return ()
        parts = [self._lengths[n].labels for n in domain.lengths if n in self._lengths]
        seen = {label_name(self.model.readout, int(x)) for part in parts for x in np.unique(part) if x != UNDECIDED}
        return (
            Claim(
                Rung.ENUMERATED,
                self.model.reference,
                self.meaning,
                domain,
                f"network executed on every sequence, {least_margin(self.margin)}",
                domain.size(),
                found.seconds,
                self.detail(found.equal_up_to, seen),
                self.conditions(domain),
            ),
        )

    def compare(self, comparison: Comparison) -> None:
        """Compare every sequence, shortest first, until something ends it."""
        for length in self.domain.lengths:
            self.check_time()
            if length > comparison.known and self.domain.count(length):
                self._compare(comparison, self._labels(length))
            if comparison.is_over:
                return
            comparison.finish(length, self.domain.count(length))

    def _labels(self, length: int) -> Answers:
        if length not in self._lengths:
            alone = Domain(self.domain.alphabet, length, length, self.domain.constraint)
            found = enumerate_domain(
                self.model, alone, semantics=self.semantics, deadline=self._started + (self.seconds or np.inf)
            )
            self._lengths[length] = found.lengths[0]
            self.margin = min(self.margin, found.margin)
        return self._lengths[length]

    def _compare(self, comparison: Comparison, part: Answers) -> None:
        names = comparison.program.grammar.sequences.labels
        labels = np.where(part.margins >= self.least, self.places(names, part.labels), NOTHING)
        for start in range(0, len(labels), BLOCK):
            self.check_time()
            rows, found = part.sequences[start : start + BLOCK], labels[start : start + BLOCK]
            counts = self._inside(comparison, rows)
            comparison.classes += int(counts.sum())
            undecided = counts & (found == NOTHING)
            if undecided.any():
                first = self.domain.words(rows[int(undecided.argmax())])
                comparison.leave_undecided(first, int(undecided.sum()))
            wrong = counts & ~undecided & (comparison.program.run(SequenceBatch(rows)) != found)
            for row in np.flatnonzero(wrong):
                comparison.replay(self.domain.words(rows[row]))
                if comparison.is_over:
                    return

    def _inside(self, comparison: Comparison, rows: NDArray[np.int8]) -> NDArray[np.bool_]:
        """The sequences that count."""
        if comparison.where is None:
            return np.ones(len(rows), bool)
        names = comparison.where.grammar.sequences.labels
        inside: NDArray[np.bool_] = comparison.where.run(SequenceBatch(rows)) == names.index(comparison.inside)
        return inside
