"""Try to refute a program: is there an input, of any length that the network takes, on which it is wrong?

    list    the shortest sequences, as many as a share of the time allows, under bounds
    breed   longer ones towards the least margin of the program's answer (``genetic_search``)

An answer that is wrong is bounded by itself before it is reported, shortest sequence first. Finding none proves
nothing, and nothing is claimed then.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from cegis import Counterexample, Domain
from tasks.formats import Loaded
from tasks.networks.sparse_transformer import NetworkError
from tasks.pipeline.labels import labelled
from tasks.pipeline.own_programs import OwnProgram
from tasks.proofs.enumeration import Semantics, shortened
from tasks.proofs.genetic_search import Falsifier

LISTED, LISTING = 5_000, 0.3  # sequences; of the time


@dataclass(frozen=True)
class Attack:
    """On how many inputs ``program`` was compared: ``listed``, every one up to the length ``listed_to``, and ``bred``.

    ``broken``: the first that it gets wrong; ``text``: what of longer ones was tried, and which came closest.
    """

    model: Loaded
    domain: Domain
    listed: int
    listed_to: int
    broken: Counterexample | None
    text: str
    seconds: float

    @property
    def sentence(self) -> str:
        """What was found, in words."""
        lengths = f"lengths {self.domain.min_length} to {self.domain.lengths[-1]}"
        if self.broken is not None:
            place = self.broken.inputs[1] if self.broken.sequence != self.broken.inputs else None
            at = "" if place is None else f" at place {place}"
            words = " ".join(self.broken.sequence)
            return (
                f"BROKEN: on {words!r}{at}, of length {len(self.broken.sequence)}, the network says "
                f"{self.broken.expected!r} and the program {self.broken.got!r}"
            )
        return (
            f"NOT BROKEN, which proves nothing: right on the {self.listed:,} inputs with a label up to length "
            f"{self.listed_to}{f'; {self.text}' if self.text else ''} ({lengths})"
        )

    def as_json(self) -> dict[str, Any]:
        """The same as JSON values."""
        broken = None
        if self.broken is not None:
            broken = {"inputs": self.broken.inputs, "network": self.broken.expected, "program": self.broken.got}
        return {
            "schema": "attack/1",
            "network": self.model.name,
            "lengths": [self.domain.min_length, self.domain.lengths[-1]],
            "verdict": "broken" if self.broken is not None else "not broken",
            "sentence": self.sentence,
            "counterexample": broken,
            "listed": self.listed,
            "listed_to": self.listed_to,
            "seconds": self.seconds,
        }


def attack(
    model: Loaded,
    domain: Domain,
    program: OwnProgram,
    *,
    semantics: Semantics | None = None,
    seconds: float,
    seed: int = 0,
) -> Attack:
    """Look for an input of ``domain`` on which ``program`` is wrong, for about ``seconds`` (wall clock).

    Raises DomainError and NetworkError as ``distill`` does, and GrammarError for a program that cannot be read.
    """
    started = time.perf_counter()
    table, _ = labelled(model, shortened(domain, LISTED), semantics, None, LISTING * seconds)
    read = program.on(table, started + seconds)
    found, text = table.check(read), ""
    broken = found if isinstance(found, Counterexample) else None
    reached, longest = table.domain.lengths[-1], domain.lengths[-1]
    if broken is None and reached < longest:
        left = max(0.1, seconds - (time.perf_counter() - started))
        by = Falsifier(model, domain, table.enumeration.semantics, left, least=table.margin, seed=seed)
        extent = by.examine(read, known=reached)
        broken, text = extent.counterexample, "" if extent.stopped is None else extent.stopped.text
    spent = time.perf_counter() - started
    return Attack(model, domain, table.size, reached, broken, text, spent)


def check_attackable(model: Loaded) -> None:
    """Raise NetworkError where a question is about pairs of numbers, not about sequences."""
    if model.operands is not None:
        raise NetworkError(
            f"{model.name}: an attack is on sequences; on a network whose prompts show two numbers distill verify "
            "looks for a pair that fails"
        )
