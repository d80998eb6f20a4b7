"""One run of a solver suite and its row: what is run under which limits, and what came of it.

The columns status, terminationreason, cputime, walltime (seconds) and memory (bytes) are called what BenchExec calls
them and hold for the whole worker process. The key of a run holds everything that decides its result; paths do not,
the digests of what they lead to do.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from benchmarks.harness import journal
from benchmarks.harness.row import BenchmarkError, Place

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
REPEATS = 2  # further tries of a run that is killed, in one go
MEMORY_MB = 4096


@dataclass(frozen=True)
class Task:
    """``problem`` for ``backend``; ``options`` decide the result, ``files`` say where its inputs lie.

    ``seconds`` limits the whole process, start-up included; in the suite "replay" each query.
    """

    suite: str
    problem: str
    backend: str
    seed: int
    seconds: float
    options: Mapping[str, Any]
    files: Mapping[str, str]
    memory_mb: int = MEMORY_MB

    def __post_init__(self) -> None:
        if not 0 < self.seconds < math.inf:
            raise BenchmarkError(f"expected a time limit of more than 0 seconds, got {self.seconds:g}")
        if not 0 < self.memory_mb < 1 << 30:
            raise BenchmarkError(f"expected a memory limit of more than 0 MB, got {self.memory_mb}")

    def key(self, place: Place) -> str:
        """A digest of what decides the result; ``options["source"]`` where that is not all of our source."""
        parts = {name: value for name, value in asdict(self).items() if name != "files"}
        source = self.options.get("source", place.source)
        return digest(json.dumps([parts, source, place.machine], sort_keys=True))


@dataclass(frozen=True)
class Result:
    """The row of a run.

    ``seconds``: what the run itself took, start-up left out; None where it did not finish. ``phases``: seconds of
    search, encode (formulas, checks, models re-evaluated) and solve (conversion included). ``answers``: one (name,
    answer, seconds) per solver query, in the suite "replay" also the recorded answer. ``verdict``: the answer to the
    whole, comparable between solvers: sat, unsat, proved, no program, or "" for none. ``repeats``: how many runs before
    this one were killed.
    """

    key: str
    suite: str
    problem: str
    backend: str
    solver: str
    seed: int
    options: Mapping[str, Any]
    timelimit: float
    memlimit: int
    status: str
    terminationreason: str
    reason: str
    cputime: float
    walltime: float
    memory: int
    load: float
    started: str
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

    def __post_init__(self) -> None:
        if self.status not in STATUSES:
            raise BenchmarkError(f"expected a status among {', '.join(STATUSES)}, got {self.status!r}")


def read(path: Path) -> tuple[Result, ...]:
    """The rows of a file, the last one of each run; raises BenchmarkError naming a line that is no row."""
    rows: dict[str, Result] = {}
    for number, line in journal.lines(path):
        try:
            row = Result(**_renamed(json.loads(line)))
        except (ValueError, TypeError) as error:
            known = ", ".join(f.name for f in fields(Result))
            raise BenchmarkError(
                f"{path}, line {number}: not a row of this benchmark ({error}); "
                f"delete the line or start another folder. A row has: {known}"
            ) from error
        rows[row.key] = row
    return tuple(rows.values())


def _renamed(row: dict[str, Any]) -> dict[str, Any]:
    """A row with today's words."""
    return {**row, "status": "out of memory"} if row.get("status") == "memory" else row


def finished(rows: Iterable[Result]) -> dict[str, Result]:
    """The rows that need not be run again, by key."""
    return {row.key: row for row in rows if row.status not in AGAIN}


def digest(data: str | bytes) -> str:
    """The first 16 hexadecimal digits of a SHA-256."""
    return hashlib.sha256(data.encode() if isinstance(data, str) else data).hexdigest()[:16]
