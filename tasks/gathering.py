"""Compare programs with a circuit over whole sets of sequences, where one layer attends and positions matter.

The circuit is read as any transformer, and ``covering`` does the work; this says its result in the words of every
other way of comparing (``examining``).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from cegis import Claim
from tasks import ball
from tasks.averages import obstacle
from tasks.circuit import Circuit
from tasks.covering import CoveringVerifier
from tasks.examining import Comparison, Examined, Examiner
from tasks.formats import from_circuit

WHY = "one layer attends, so the states of the program gather all sequences"


def gathering_obstacle(circuit: Circuit, unit_roundoff: float = ball.FLOAT32) -> str | None:
    """Why the sequences of a circuit cannot be gathered, or None where they can."""
    return obstacle(from_circuit(circuit), unit_roundoff)


@dataclass
class GatheringVerifier(Examiner):
    """Compares programs with a circuit on every sequence of ``domain`` by ``covering``; see ``Examiner``."""

    def __post_init__(self) -> None:
        declared = from_circuit(self.circuit).declared
        super().__post_init__()
        semantics = "float32" if self.unit_roundoff > ball.FLOAT64 else "float64"
        loaded = replace(from_circuit(self.circuit), declared=declared)
        self._covering = CoveringVerifier(loaded, self.domain, semantics, self.seconds, self.on_length)
        self._claims: tuple[Claim, ...] = ()

    @property
    def margin(self) -> float:
        return self._covering.margin

    @property
    def boxes(self) -> int:
        return self._covering.boxes

    def claims(self, found: Examined) -> tuple[Claim, ...]:
        """What the last comparison proved."""
        return self._claims

    def compare(self, comparison: Comparison) -> None:
        """Cover every length, shortest first, until something ends it."""
        found = self._covering.examine(comparison.program)
        self._claims, comparison.broken, comparison.stopped = found.claims, found.broken, found.stopped
        comparison.equal = comparison.reached = found.equal
        comparison.classes = sum(cost.nodes for cost in found.costs)
