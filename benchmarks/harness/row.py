"""One row per run: what was run, under which limits, with what result, on which machine and commit. JSON lines.

A file of rows is only ever appended to. A run whose key is already there with a finished row is not repeated; the key
holds everything that decides the result: circuit (by hash), competitor, options, seed, limit, source code and machine.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from benchmarks.harness import journal

STATUSES = ("solved", "unsolved", "timeout", "out of memory", "killed", "error", "absent")
FINISHED = ("solved", "unsolved", "timeout", "out of memory")


class BenchmarkError(ValueError):
    """A benchmark that cannot be run, or rows that cannot be read."""


@dataclass(frozen=True)
class Job:
    """One run to be made. ``folder`` holds the circuit; ``examples`` are for competitors that are given some."""

    circuit: str
    folder: str
    circuit_sha256: str
    competitor: str
    configuration: str
    options: Mapping[str, str]
    seed: int
    seconds: float
    examples: Sequence[tuple[tuple[str, ...], str]] = ()

    @classmethod
    def from_json(cls, text: str) -> Job:
        """A job as ``asdict`` and JSON wrote it."""
        parts = json.loads(text)
        examples = tuple((tuple(words), label) for words, label in parts.pop("examples"))
        return cls(**parts, examples=examples)


@dataclass(frozen=True)
class Place:
    """Where rows come from: ``versions`` by package, ``machine`` in words, ``source``: digest of the code that ran."""

    versions: Mapping[str, str]
    machine: str
    commit: str
    source: str


@dataclass(frozen=True)
class Row:
    """The result of one run.

    ``seconds``: what the competitor is charged (None where it gave no time); ``walltime`` and ``cputime``: seconds of
    the whole worker process, start-up included; ``memory_mb``: its peak resident set. ``wrong`` of ``checked``
    sequences of the domain are answered differently from the circuit. ``size``: counts by unit. ``load``: the
    machine's load average at the start.
    """

    circuit: str
    circuit_sha256: str
    competitor: str
    configuration: str
    options: Mapping[str, str]
    seed: int
    limit: float
    status: str
    reason: str
    seconds: float | None
    cputime: float
    walltime: float
    memory_mb: float
    answer: str
    size: Mapping[str, int]
    wrong: int | None
    checked: int
    phases: Mapping[str, float]
    detail: Mapping[str, Any]
    examples: Sequence[Any]
    load: float
    started: str
    versions: Mapping[str, str]
    machine: str
    commit: str
    source: str
    suite: str = field(default="shipped")

    def __post_init__(self) -> None:
        if self.status not in STATUSES:
            raise BenchmarkError(f"expected a status among {', '.join(STATUSES)}, got {self.status!r}")

    @property
    def is_right(self) -> bool:
        """Whether the run ended with an answer that is right on the whole domain."""
        return self.status == "solved" and self.wrong == 0 and self.checked > 0


Key = tuple[str, ...]


def key(job: Job, place: Place) -> Key:
    """What decides the result of ``job``."""
    options = json.dumps(dict(job.options), sort_keys=True)
    return (
        job.circuit, job.circuit_sha256, job.competitor, job.configuration, options, str(job.seed),
        f"{job.seconds:g}", place.source, place.machine,
    )  # fmt: skip


def key_of(row: Row) -> Key:
    """The key of the job that ``row`` is the result of."""
    options = json.dumps(dict(row.options), sort_keys=True)
    return (
        row.circuit, row.circuit_sha256, row.competitor, row.configuration, options, str(row.seed),
        f"{row.limit:g}", row.source, row.machine,
    )  # fmt: skip


def read(path: Path) -> tuple[Row, ...]:
    """The rows of a file, none when there is no file; raises BenchmarkError naming the line that is no row.

    A last line without its end, which a killed run leaves, is no line.
    """
    rows = []
    for number, line in journal.lines(path):
        try:
            rows.append(Row(**json.loads(line)))
        except (ValueError, TypeError) as error:
            known = ", ".join(f.name for f in fields(Row))
            raise BenchmarkError(
                f"{path}, line {number}: not a row of this benchmark ({error}); "
                f"delete the line or start another folder. A row has: {known}"
            ) from error
    return tuple(rows)


def append(path: Path, row: Row) -> None:
    """Add ``row`` at the end of the file."""
    journal.append(path, asdict(row))


def finished(rows: Iterable[Row]) -> dict[Key, Row]:
    """The rows that need not be run again, by key; errors are run again."""
    return {key_of(row): row for row in rows if row.status in FINISHED}
