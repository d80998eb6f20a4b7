"""Compare programs with a network on every sequence, one by one: what is left where no structure of it is known.

Labels are made length by length, once, with a rigorous bound on every rounding error (``enumeration``), so a comparison
that runs out of time or is interrupted has proved the lengths before. The cost grows like the number of sequences;
``select`` says up to which length that is bearable.
"""

from __future__ import annotations

from collections import defaultdict
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
class _Compared:
    """What one comparison went through: sequences and their labels, by length; ``inside`` a region, if it has a name.

    ``has_known``: some of it was taken as known.
    """

    inside: str = ""
    has_known: bool = False
    counts: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    seen: dict[int, set[str]] = field(default_factory=lambda: defaultdict(set))

    def note(self, length: int, counts: NDArray[np.bool_], labels: set[str]) -> None:
        """Some sequences of a length, those that count, and the labels of these."""
        self.counts[length] += int(counts.sum())
        self.seen[length] |= labels


@dataclass
class ListingVerifier(Listed):
    """Compares programs with a network on every sequence of ``domain``, one by one; see ``Verifier``."""

    _lengths: dict[int, Answers] = field(default_factory=dict, init=False, repr=False)
    _compared: _Compared = field(default_factory=_Compared, init=False, repr=False)

    def claims(self, found: Extent) -> tuple[Claim, ...]:
        """What is proved by ``found``: nothing, or equality up to the length ``found.equal_up_to``."""
        compared, domain = self._compared, self.domain
        lengths = [n for n in domain.lengths if n <= found.equal_up_to]
        count = sum(compared.counts[n] for n in lengths)
        if not count:
            return ()
        network, domain = self.model.reference, domain.up_to(found.equal_up_to)
        if compared.inside:
            network += f", of the sequences that the region calls {compared.inside!r},"
        margin = min(self.margin, self.listed_margin) if compared.has_known else self.margin
        seen = set[str]().union(*(compared.seen[n] for n in lengths))
        return (
            Claim(
                Rung.ENUMERATED,
                network,
                self.meaning,
                domain,
                f"network executed on every sequence, {least_margin(margin)}",
                count,
                found.seconds,
                self.detail(found.equal_up_to, seen),
                self.conditions(domain),
            ),
        )

    def compare(self, comparison: Comparison) -> None:
        """Compare every sequence, shortest first, until something ends it."""
        self._compared = _Compared(comparison.inside if comparison.where is not None else "")
        for length in self.domain.lengths:
            self.check_time()
            if self.domain.count(length):
                if length > comparison.known:
                    self._compare(comparison, self._labels(length))
                else:
                    self._take(comparison, length)
            if comparison.is_over:
                return
            comparison.finish(length, self.domain.count(length))

    def _take(self, comparison: Comparison, length: int) -> None:
        """Take a length as known: the network's labels are the program's."""
        names, sequences = comparison.program.grammar.sequences.labels, self.domain.sequences(length)
        self._compared.has_known = True
        for start in range(0, len(sequences), BLOCK):
            self.check_time()
            rows = sequences[start : start + BLOCK]
            counts = self._inside(comparison, rows)
            given = np.unique(comparison.program.run(SequenceBatch(rows))[counts])
            self._compared.note(length, counts, {str(names[n]) for n in given})

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
        length, readout = part.sequences.shape[1], self.model.readout
        for start in range(0, len(labels), BLOCK):
            self.check_time()
            rows, found = part.sequences[start : start + BLOCK], labels[start : start + BLOCK]
            counts = self._inside(comparison, rows)
            comparison.classes += int(counts.sum())
            given = np.unique(part.labels[start : start + BLOCK][counts])
            self._compared.note(length, counts, {label_name(readout, int(n)) for n in given if n != UNDECIDED})
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
