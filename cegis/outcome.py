"""How a synthesis ended: found, differs, exhausted or stopped. All four are answers, none is an exception.

Where several searchers were about, the outcome lists what became of each.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
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
        """Of search time; 0 where none was spent."""
        return self.candidates / self.search_seconds if self.search_seconds else 0.0


class End(StrEnum):
    """What may become of a searcher."""

    FOUND = "found"
    ANSWERED = "answered, not taken"
    NO_ANSWER = "no answer"
    NOTHING = "nothing in time"
    INFEASIBLE = "says that there is no solution"
    NOT_APPLICABLE = "not applicable"
    NOT_STARTED = "not started"
    DIED = "died"


@dataclass(frozen=True)
class Searched:
    """What became of one searcher (``own`` is ours), and why; ``seconds`` from its start to its end."""

    searcher: str
    end: End
    reason: str = ""
    seconds: float = 0.0

    def __str__(self) -> str:
        return f"{self.searcher} {self.end}{f' ({self.reason})' if self.reason else ''}"


@dataclass(frozen=True)
class Found(Generic[P]):
    """A program the verifier accepted, and what exactly it established."""

    program: P
    claims: tuple[Statement, ...]
    notes: tuple[str, ...]
    statistics: Statistics
    searchers: tuple[Searched, ...] = ()


@dataclass(frozen=True)
class Differs:
    """No program within the budget equals the reference; the best one differs exactly on ``exceptions``.

    ``undecided`` sequences, for which the reference has no label, are neither among them nor right. ``is_late``: the
    time ended the search.
    """

    program: Program
    exceptions: tuple[Counterexample, ...]
    reason: str
    statistics: Statistics
    undecided: int = 0
    is_late: bool = False

    @property
    def horizon(self) -> int:
        """The largest length below that of every exception: the two are equal up to there, where decided."""
        return min(len(exception.inputs) for exception in self.exceptions) - 1


@dataclass(frozen=True)
class Exhausted:
    """No program of the grammar agrees with these examples: the grammar cannot express the reference.

    ``evidence`` says where it is more than that: nothing at all satisfies the specification, whatever the grammar.
    """

    examples: tuple[tuple[tuple[Any, ...], Any], ...]
    statistics: Statistics
    evidence: Statement | None = None
    searchers: tuple[Searched, ...] = ()


@dataclass(frozen=True)
class Stopped(Generic[P]):
    """A limit ended the run. ``program`` is the last candidate, unproved beyond ``claims``; None if there was none."""

    reason: str
    program: P | None
    claims: tuple[Statement, ...]
    statistics: Statistics
    searchers: tuple[Searched, ...] = ()


Outcome = Found[P] | Differs | Exhausted | Stopped[P]
