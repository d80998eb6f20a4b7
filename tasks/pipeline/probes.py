"""Sequences just longer than all that were listed: a sample that says which of several exact programs to prefer."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cegis import Program
from tasks.networks.readout import UNDECIDED
from tasks.networks.transformer import Transformer
from tasks.pipeline.labels import LabelTable, Part, batch_of
from tasks.proofs.enumeration import answers_of
from tasks.proofs.select import room, up_to
from tasks.proofs.verifier import lengthened, places

NONE = -1  # no label
LENGTHS, DRAWN = 4, 32  # lengths past the longest that was listed, and sequences of each


@dataclass(frozen=True)
class Probes:
    """A part for each length, with the labels of the network (``NONE`` for none); nothing of them is proved.

    Of a network without steps, which only stands for labels that were made otherwise, there are none.
    """

    parts: tuple[Part, ...]

    @classmethod
    def of(cls, table: LabelTable, seed: int = 0, deadline: float = np.inf) -> Probes:
        """Random sequences, and one token again and again, which hardly ever is drawn.

        Behind the ``deadline`` (by ``time.perf_counter``) no more lengths.
        """
        enumeration = table.enumeration
        model, longest = enumeration.loaded, enumeration.domain.lengths[-1]
        if isinstance(model.network, Transformer) and not model.network.steps:
            return cls(())
        parts, random = [], np.random.default_rng(seed)
        for length in range(longest + 1, min(longest + LENGTHS, room(model, longest + LENGTHS)) + 1):
            if time.perf_counter() > deadline:
                break
            domain = replace(up_to(model, length), constraint=enumeration.domain.constraint)
            if domain.count(length):
                drawn = domain.sample(length, DRAWN, random)
                alike = np.tile(np.arange(len(domain.alphabet), dtype=drawn.dtype)[:, None], (1, length))
                rows = np.concatenate([drawn, *(row[None] for row in alike if domain.contains(domain.words(row)))])
                labels, _ = answers_of(lengthened(model, domain), rows, enumeration.semantics)
                expected = np.where(
                    labels.ravel() == UNDECIDED, NONE, places(model.readout, table.names, labels).ravel()
                )
                parts.append(Part(batch_of(rows, table.is_placed), expected))
        return cls(tuple(parts))

    def wrong(self, program: Program) -> tuple[NDArray[np.bool_], ...]:
        """Where ``program`` is wrong, of each part."""
        return tuple((program.run(part.batch) != part.expected) & (part.expected != NONE) for part in self.parts)
