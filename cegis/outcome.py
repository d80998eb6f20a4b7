"""How a synthesis ended: found, differs, exhausted or stopped. All four are answers, none is an exception.

Where several searchers were about, the outcome lists what became of each.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from cegis.verdict import Counterexample, Inputs, Verdict
from dsl.program import Program
from dsl.showing import brief, code_html, cut, panel_html, table_html, words_html

if TYPE_CHECKING:
    from cegis.claim import Statement
    from dsl.sequences import Label

SHOWN = 10  # exceptions and examples in a notebook
P = TypeVar("P", covariant=True)  # what was looked for: a Program, for a formula a Solution


@dataclass(frozen=True)
class Round(Generic[P]):
    """One turn of the loop: a candidate and what the verifier said of it.

    >>> _ = synthesize(spec, grammar, on_event=lambda event: print(event.number, type(event.verdict).__name__))
    1 Counterexample
    2 Valid
    """

    number: int
    program: P
    verdict: Verdict
    examples: int
    search_seconds: float
    check_seconds: float

    __repr__ = brief


@dataclass(frozen=True)
class Statistics:
    """What the search used. ``seconds`` is wall clock, split into search and check; ``memory_mb`` is the peak.

    ``level``: up to which cost everything was built.

    >>> outcome.statistics.rounds, outcome.statistics.examples
    (2, 2)
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
    """A program the verifier accepted, and what exactly it established.

    >>> outcome.program, outcome.statistics.rounds
    (Program(return 'yes' if 'a' in tokens else 'no'), 2)
    >>> outcome.program(["b", "a"])
    'yes'
    """

    program: P
    claims: tuple[Statement, ...]
    notes: tuple[str, ...]
    statistics: Statistics
    searchers: tuple[Searched, ...] = ()

    __repr__ = brief

    def _repr_html_(self) -> str:
        """Program and claims, for notebooks."""
        return panel_html(_program_html(self.program), *_claims_html(self.claims))


@dataclass(frozen=True)
class Differs:
    """No program within the budget equals the reference; the best one differs exactly on ``exceptions``.

    ``undecided`` sequences, for which the reference has no label, are neither among them nor right. ``is_late``: the
    time ended the search.

    >>> odd = Spec(domain, lambda tokens: "yes" if tokens == ("a", "b", "b") else "no")
    >>> few = synthesize(odd, grammar, budget=Budget(candidates=50))
    >>> type(few).__name__, len(few.exceptions), few.horizon
    ('Differs', 1, 2)
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

    def __repr__(self) -> str:
        return cut(f"Differs({self.program!r}, {len(self.exceptions):,} exceptions, the first: {self.exceptions[:1]})")

    def _repr_html_(self) -> str:
        """Program and its first exceptions, for notebooks."""
        rows = [
            (" ".join(map(str, one.inputs)), one.expected, "no label" if one.got is None else one.got)
            for one in self.exceptions[:SHOWN]
        ]
        said = f"No program found equals the reference everywhere ({self.reason}); this one differs on exactly "
        said += f"{len(self.exceptions):,} inputs, the first of them:"
        table = table_html(("input", "reference", "program"), rows)
        return panel_html(_program_html(self.program), words_html(said), table)


@dataclass(frozen=True)
class Exhausted:
    """No program of the grammar agrees with these examples: the grammar cannot express the reference.

    ``evidence`` says where it is more than that: nothing at all satisfies the specification, whatever the grammar.

    >>> only_x = Grammar(f.signature, "I", (Production("I", x.operator),))
    >>> type(synthesize(above, only_x)).__name__
    'Exhausted'
    """

    examples: tuple[tuple[Inputs, Label], ...]
    statistics: Statistics
    evidence: Statement | None = None
    searchers: tuple[Searched, ...] = ()

    @property
    def program(self) -> None:
        """There is none."""
        return None

    def __repr__(self) -> str:
        more = "" if self.evidence is None else f", evidence={self.evidence.sentence!r}"
        return cut(f"Exhausted({len(self.examples):,} examples{more})")

    def _repr_html_(self) -> str:
        """What no program agrees with, for notebooks."""
        said = f"No program of the grammar agrees with all of {len(self.examples):,} examples."
        said += "" if self.evidence is None else f" {self.evidence.sentence}"
        rows = [(" ".join(map(str, inputs)), expected) for inputs, expected in self.examples[:SHOWN]]
        return panel_html(words_html(said), table_html(("input", "expected"), rows))


@dataclass(frozen=True)
class Stopped(Generic[P]):
    """A limit ended the run. ``program`` is the last candidate, unproved beyond ``claims``; None if there was none.

    >>> late = synthesize(spec, grammar, budget=Budget(candidates=1))
    >>> type(late).__name__
    'Stopped'
    """

    reason: str
    program: P | None
    claims: tuple[Statement, ...]
    statistics: Statistics
    searchers: tuple[Searched, ...] = ()

    __repr__ = brief

    def _repr_html_(self) -> str:
        """Why it stopped, the last candidate and what holds of it, for notebooks."""
        said = words_html(f"Stopped: {self.reason}.")
        last = "" if self.program is None else _program_html(self.program)
        return panel_html(said, last, *_claims_html(self.claims))


def _program_html(program: Any) -> str:
    """The printed function, or the functions of a formula's solution."""
    return code_html(program.source()) if hasattr(program, "source") else words_html(cut(repr(program)))


def _claims_html(claims: tuple[Statement, ...]) -> list[str]:
    return [words_html(str(getattr(claim, "words", claim.sentence))) for claim in claims]


Outcome = Found[P] | Differs | Exhausted | Stopped[P]
