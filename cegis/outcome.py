"""How a synthesis ended: found, differs, exhausted or stopped. All four are answers, none is an exception."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from cegis.claim import Statement
from cegis.verdict import Counterexample, Verdict
from dsl.program import Program

P = TypeVar("P", covariant=True)  # what was looked for: a Program, for a formula a Solution


@dataclass(frozen=True)
class Round(Generic[P]):
    """One turn of the loop: a candidate and what the verifier said of it."""

    number: int
    program: P
    verdict: Verdict
    examples: int
    search_seconds: float
    check_seconds: float


@dataclass(frozen=True)
class Statistics:
    """What the search used. ``seconds`` is wall clock, split into search and check; ``memory_mb`` is the peak.

    ``level``: up to which cost everything was built.
    """

    rounds: int
    examples: int
    candidates: int
    search_seconds: float
    check_seconds: float
    memory_mb: float
    level: int = 0

    @property
    def candidates_per_second(self) -> float:
        return self.candidates / self.search_seconds if self.search_seconds else 0.0


@dataclass(frozen=True)
class Found(Generic[P]):
    """A program the verifier accepted, and what exactly it established."""

    program: P
    claims: tuple[Statement, ...]
    notes: tuple[str, ...]
    statistics: Statistics


@dataclass(frozen=True)
class Differs:
    """No program within the budget equals the reference; the best one differs exactly on ``exceptions``.

    ``undecided`` sequences, for which the reference has no label, are neither among them nor right.
    """

    program: Program
    exceptions: tuple[Counterexample, ...]
    reason: str
    statistics: Statistics
    undecided: int = 0

    @property
    def horizon(self) -> int:
        """The largest length below that of every exception: the two are equal up to there, where decided."""
        return min(len(exception.inputs) for exception in self.exceptions) - 1


@dataclass(frozen=True)
class Exhausted:
    """No program of the grammar agrees with these examples: the grammar cannot express the reference."""

    examples: tuple[tuple[tuple[Any, ...], Any], ...]
    statistics: Statistics


@dataclass(frozen=True)
class Stopped(Generic[P]):
    """A limit ended the run. ``program`` is the last candidate, unproved beyond ``claims``; None if there was none."""

    reason: str
    program: P | None
    claims: tuple[Statement, ...]
    statistics: Statistics


Outcome = Found[P] | Differs | Exhausted | Stopped[P]
