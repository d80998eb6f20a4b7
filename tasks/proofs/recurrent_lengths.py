"""One claim for every length about a recurrent network: by the first method that fits domain and program.

    the domain goes round in circles, such as 1^n   ->  orbits
    the program remembers finitely much             ->  closed boxes of states

Each says why it does not apply, or what stays open.
"""

from __future__ import annotations

import time

from cegis import Claim, Program
from tasks.formats import Loaded
from tasks.networks.recurrent import Recurrent
from tasks.proofs.closed_boxes import closed_claim
from tasks.proofs.enumeration import Semantics
from tasks.proofs.orbits import orbits_claim

SHARE = 0.8  # of the time, for orbits
BOXES = 0.1  # of what is then left, for boxes: those that close do so in a few rounds


def applies(model: Loaded) -> bool:
    """Whether it is a network for which these methods are meant."""
    return isinstance(model.network, Recurrent)


def recurrent_lengths(
    model: Loaded, program: Program, *, semantics: Semantics | None = None, seconds: float | None = None
) -> Claim | str:
    """The claim that program and network are equal on every sequence of the domain, or why it is open."""
    end = None if seconds is None else time.perf_counter() + seconds
    left = None if seconds is None else SHARE * seconds
    orbits = orbits_claim(model, program, seconds=left)
    if isinstance(orbits, Claim):
        return orbits
    left = None if end is None else BOXES * max(0.0, end - time.perf_counter())
    boxes = closed_claim(model, program, semantics=semantics, seconds=left)
    return boxes if isinstance(boxes, Claim) else f"orbits: {orbits}; boxes: {boxes}"
