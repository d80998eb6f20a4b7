"""The row of a run, of whatever suite: what was run, under which limits, what came of it, where. JSON lines.

Columns are called what BenchExec calls them (its doc/run-results.md): status, category, terminationreason, returnvalue,
exitsignal, cputime, walltime (seconds), memory (bytes), starttime; they hold for the whole process of the run. A file
of rows is only ever appended to; a run whose key is there with a finished row is not repeated.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from benchmarks.harness import journal

STATUSES = (
    "solved", "unsolved", "timeout", "out of memory", "killed", "error", "lost", "absent", "infeasible", "wrong",
    "unchecked", "unsupported",
)  # fmt: skip
UNMEASURED = {  # nothing is known of the tool after such a run
    "killed": "stopped by wall clock or from outside",
    "lost": "its machine or process went away",
    "absent": "not installed",
}
AGAIN = ("error", *UNMEASURED)  # a resumed benchmark runs these again
ANSWERED = ("solved", "infeasible")
UNDECIDED = ("unsolved", "unchecked", "unsupported")
REPEATS = 2  # further tries of a run that is killed, in one go


class BenchmarkError(ValueError):
    """A benchmark that cannot be run, or rows that cannot be read."""


@dataclass(frozen=True)
class Place:
    """Where rows come from: ``versions`` by package, ``machine`` in words, ``source``: digest of the code that ran."""

    versions: Mapping[str, str]
    machine: str
    commit: str
    source: str


@dataclass(frozen=True)
class Row:
    """The row of a run. Seconds and bytes; ``memlimit``: None for no limit.

    ``seconds``: what the run itself took, start-up left out; None where it did not finish. ``phases``: seconds of
    search, encode (formulas, checks, models re-evaluated) and solve (conversion included). ``answers``: one (name,
    answer, seconds) per solver query, in the suite "replay" also the recorded answer. ``verdict``: the answer to the
    whole, comparable between solvers: sat, unsat, proved, no program, or "" for none. ``repeats``: how many runs before
    this one were killed. ``wrong`` of ``checked`` inputs are answered differently from what is asked about, None and 0
    where that was not counted. ``sizes``: how large the answer is, by unit. ``load``: the machine's load average at the
    start. ``returnvalue``, ``exitsignal``: how the process ended. ``log``: what it wrote, beginning and end.
    """

    key: str
    suite: str
    problem: str
    backend: str
    solver: str
    seed: int
    options: Mapping[str, Any]
    timelimit: float
    memlimit: int | None
    status: str
    terminationreason: str
    reason: str
    cputime: float
    walltime: float
    memory: int
    load: float
    starttime: str
    versions: Mapping[str, str]
    machine: str
    commit: str
    source: str
    seconds: float | None = None
    verdict: str = ""
    phases: Mapping[str, float] = field(default_factory=dict)
    queries: int = 0
    candidates: int = 0
    program: str = ""
    size: int = 0
    answers: Sequence[Sequence[Any]] = field(default_factory=list)
    detail: Mapping[str, Any] = field(default_factory=dict)
    repeats: int = 0
    wrong: int | None = None
    checked: int = 0
    sizes: Mapping[str, int] = field(default_factory=dict)
    returnvalue: int | None = None
    exitsignal: int | None = None
    log: str = ""

    def __post_init__(self) -> None:
        if self.status not in STATUSES:
            raise BenchmarkError(f"expected a status among {', '.join(STATUSES)}, got {self.status!r}")

    @property
    def is_right(self) -> bool:
        """Whether the run ended with an answer that is right on everything it was compared on."""
        return self.status == "solved" and self.wrong == 0 and self.checked > 0

    @property
    def limits(self) -> str:
        """Its limits in words."""
        memory = "" if self.memlimit is None else f", {self.memlimit >> 20:,} MB"
        return f"{self.timelimit:g} s{memory}"

    @property
    def category(self) -> str:
        """What the answer is worth, in BenchExec's words; "missing" where it was compared with nothing."""
        if self.status == "wrong" or self.wrong:
            return "wrong"
        if self.status in ANSWERED:
            is_confirmed = self.is_right or any(said[1] == "valid" for said in self.answers)
            return "correct" if is_confirmed else "missing"
        return "unknown" if self.status in UNDECIDED else "error"


def append(path: Path, row: Row) -> None:
    """Add ``row`` at the end of the file."""
    journal.append(path, {**asdict(row), "category": row.category})


def read(path: Path) -> tuple[Row, ...]:
    """The rows of a file, the last one of each run; none when there is no file.

    A last line without its end, which a killed run leaves, is no line. Raises BenchmarkError naming any other line that
    is no row.
    """
    rows: dict[str, Row] = {}
    for number, line in journal.lines(path):
        try:
            row = Row(**_renamed(json.loads(line)))
        except (ValueError, TypeError, AttributeError) as error:
            known = ", ".join(f.name for f in fields(Row))
            raise BenchmarkError(
                f"{path}, line {number}: not a row of this benchmark ({error}); "
                f"delete the line or start another folder. A row has: {known}"
            ) from error
        rows[row.key] = row
    return tuple(rows.values())


def _renamed(row: dict[str, Any]) -> dict[str, Any]:
    """A row with today's words, without what is derived; raises ValueError for a row that has too little to be one."""
    if "circuit_sha256" in row:
        raise ValueError("a row of peers as an earlier version wrote it, which holds no key and no limit of memory")
    named = {"starttime" if name == "started" else name: value for name, value in row.items() if name != "category"}
    return {**named, "status": "out of memory"} if row.get("status") == "memory" else named


def finished(rows: Iterable[Row]) -> dict[str, Row]:
    """The rows that need not be run again, by key."""
    return {row.key: row for row in rows if row.status not in AGAIN}


def digest(data: str | bytes) -> str:
    """The first 16 hexadecimal digits of a SHA-256."""
    return hashlib.sha256(data.encode() if isinstance(data, str) else data).hexdigest()[:16]
