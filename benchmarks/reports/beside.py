"""What stands beside a page: the log of each run, and its query where there is one; every run, with links to both.

    logs/SUITE-KEY.log           what the run's process wrote, as far as it is kept in its row
    queries/DIGEST.smt2[.gz]     the file that a solver was given, copied when the run was planned

Links are relative, so the folder may be moved, and names hold letters, digits and dashes alone. A query of more than
``MOST_QUERY`` bytes is not copied, and its run has no link.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.harness.row import Row
from benchmarks.harness.task import Task
from benchmarks.reports.comparison import shown_seconds
from benchmarks.reports.document import Grid

LOGS, QUERIES = "logs", "queries"
MOST_QUERY = 1 << 20
GIVEN = {"smtlib": ("file", "content"), "replay": ("corpus", "corpus")}  # where a task says its file, and its digest


def keep_queries(tasks: Iterable[Task], folder: Path) -> None:
    """Copy the queries of ``tasks`` to ``folder``/queries, where they are not there yet."""
    for task in tasks:
        if task.suite not in GIVEN:
            continue
        source = Path(task.files[GIVEN[task.suite][0]])
        target = folder / QUERIES / _query_name(task.suite, task.options)
        if not target.exists() and source.stat().st_size <= MOST_QUERY:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)


def kept_queries(folder: Path) -> frozenset[str]:
    """The names of those that were copied."""
    found = folder / QUERIES
    return frozenset(path.name for path in found.iterdir()) if found.is_dir() else frozenset()


def write_logs(rows: Sequence[Row], folder: Path) -> None:
    """Write the logs of ``rows`` to ``folder``/logs, in place of earlier ones of the same suites."""
    target = folder / LOGS
    for suite in {row.suite for row in rows}:
        for old in target.glob(f"{_plain(suite)}-*.log"):
            old.unlink()
    for row in rows:
        if row.log:
            target.mkdir(parents=True, exist_ok=True)
            (target / log_name(row)).write_text(row.log, encoding="utf-8")


def log_name(row: Row) -> str:
    """The name of a run's log, in the folder of logs; "" where there is none."""
    return f"{_plain(row.suite)}-{_plain(row.key)[:16]}.log" if row.log else ""


def query_name(row: Row, kept: frozenset[str]) -> str:
    """The name of a run's query, among those that were ``kept``; "" where there is none."""
    name = _query_name(row.suite, row.options) if row.suite in GIVEN else ""
    return name if name in kept else ""


def every_run(rows: Sequence[Row], kept: frozenset[str]) -> Grid:
    """A line a run: how it ended, what it used, its log and its query."""
    body, links = [], dict[str, str]()
    for row in rows:
        log, query = log_name(row), query_name(row, kept)
        links |= {log: f"{LOGS}/{log}"} if log else {}
        links |= {query: f"{QUERIES}/{query}"} if query else {}
        body.append([
            f"{row.suite}: {row.problem}", row.backend, str(row.seed), row.status, row.verdict,
            shown_seconds(row.seconds), shown_seconds(row.cputime), f"{row.memory / 1e6:.0f}", log, query,
        ])  # fmt: skip
    head = ["run", "tool", "seed", "status", "answer", "charged, s", "CPU, s", "MB", "log", "query"]
    return Grid(head, body, links)


def _query_name(suite: str, options: Mapping[str, Any]) -> str:
    told, ending = str(options.get(GIVEN[suite][1], "")), "smt2.gz" if suite == "replay" else "smt2"
    return f"{_plain(told)[:16]}.{ending}"


def _plain(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9-]+", "-", name)
