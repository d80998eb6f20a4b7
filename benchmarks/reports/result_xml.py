"""Rows as the result files of BenchExec, which its table-generator reads: one XML file for each suite and tool.

The form is that of BenchExec's doc/run-results.md and result.dtd: a ``result`` with a ``run`` for each task, whose
``column`` values carry their units. Status words are BenchExec's where it has one (TIMEOUT, OUT OF MEMORY). What
was planned and not run has no ``run``, and the file says that it is incomplete. The category is that of the row; what
the suite charges stands in the column "charged", beside the CPU time of the whole process.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from xml.etree import ElementTree

from benchmarks.harness import standing
from benchmarks.harness.row import Row, read
from benchmarks.harness.standing import Plan, task_of
from benchmarks.reports.beside import LOGS, log_name, write_logs

FOLDER, ENDING = "results", ".results.xml"
GENERATOR = "symbolic-circuit-distillation"
WORDS: Mapping[str, str] = {
    "timeout": "TIMEOUT",
    "out of memory": "OUT OF MEMORY",
    "killed": "KILLED",
    "error": "ERROR",
    "lost": "ABORTED",
    "unsolved": "unknown",
}
FORBIDDEN = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # in XML 1.0


def written(rows_file: Path, folder: Path) -> tuple[tuple[Row, ...], Plan | None]:
    """The rows that a page of ``rows_file`` is made of, and their plan; the result files are written beside it."""
    plan = standing.load(rows_file)
    rows = standing.chosen(read(rows_file), plan)
    if rows:
        write(rows, folder, plan)
        write_logs(rows, folder)
    return rows, plan


def write(rows: Sequence[Row], folder: Path, plan: Plan | None = None) -> tuple[Path, ...]:
    """Write the files below ``folder``/results, in place of earlier ones of the same suites; their paths."""
    target = folder / FOLDER
    target.mkdir(parents=True, exist_ok=True)
    for suite in {row.suite for row in rows}:
        for old in target.glob(f"{_plain(suite)}.*{ENDING}"):
            old.unlink()
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((row.suite, row.backend), []).append(row)
    made = []
    for (suite, tool), own in sorted(groups.items()):
        tree = ElementTree.ElementTree(_result(suite, tool, own, _planned(plan, suite, tool)))
        ElementTree.indent(tree)
        path = target / f"{_plain(suite)}.{_plain(tool)}{ENDING}"
        fresh = path.with_name(f".{path.name}.{os.getpid()}")
        tree.write(fresh, encoding="utf-8", xml_declaration=True)
        os.replace(fresh, path)
        made.append(path)
    return tuple(made)


def _planned(plan: Plan | None, suite: str, tool: str) -> int | None:
    return None if plan is None else sum(cell[2] == tool for cell in plan.cells(suite))


def _result(suite: str, tool: str, rows: Sequence[Row], planned: int | None) -> ElementTree.Element:
    first = rows[0]
    about = {
        "benchmarkname": suite,
        "name": suite,
        "displayName": f"{suite}: {tool}",
        "tool": tool,
        "version": first.solver.removeprefix(f"{tool} "),
        "date": _date(min(row.starttime for row in rows)),
        "starttime": min(row.starttime for row in rows),
        "endtime": max(row.starttime for row in rows),
        "timelimit": f"{first.timelimit:g}s",
        "generator": f"{GENERATOR} {first.versions.get(GENERATOR, '')}".strip(),
    }
    if first.memlimit is not None:
        about["memlimit"] = f"{first.memlimit}B"
    if planned is not None and planned > len(rows):
        about["error"] = f"incomplete: {len(rows)} of {planned} runs"
    found = _element("result", about)
    system = ElementTree.SubElement(found, "systeminfo", {"hostname": ""})
    processor, _, rest = first.machine.partition(", ")
    cores = re.match(r"(\d+) cores, (.*)", rest)
    system.append(_element("os", {"name": cores[2] if cores else ""}))
    system.append(_element("cpu", {"model": processor, "cores": cores[1] if cores else ""}))
    system.append(_element("ram", {"size": ""}))  # the table needs the element; a row does not know the size
    for row in sorted(rows, key=task_of):
        log = {"logfile": f"../{LOGS}/{name}"} if (name := log_name(row)) else {}
        run = _element("run", {"name": task_of(row), **log})
        run.extend(_element("column", column) for column in _columns(row))
        found.append(run)
    return found


def _columns(row: Row) -> Iterable[dict[str, str]]:
    yield {"title": "status", "value": status(row)}
    yield {"title": "category", "value": row.category, "hidden": "true"}
    if row.walltime == 0:  # nothing was started
        yield {"title": "reason", "value": row.reason, "hidden": "true"}
        return
    shown = {"cputime": f"{row.cputime:.6f}s", "walltime": f"{row.walltime:.6f}s", "memory": f"{row.memory}B"}
    if row.seconds is not None:
        shown["charged"] = f"{row.seconds:.6f}s"
    yield from ({"title": title, "value": value} for title, value in shown.items())
    hidden = {
        "terminationreason": row.terminationreason,
        "returnvalue": row.returnvalue,
        "exitsignal": row.exitsignal,
        "starttime": row.starttime,
        "reason": row.reason,
        "load": f"{row.load:.2f}",
    }
    yield from ({"title": t, "value": str(v), "hidden": "true"} for t, v in hidden.items() if v not in (None, ""))


def status(row: Row) -> str:
    """What is shown as the status: the verdict of a solved run, BenchExec's word for an end without one."""
    if row.status == "solved":
        return row.verdict or "done"
    word = WORDS.get(row.status, row.status)
    return f"{word} ({row.terminationreason})" if word == "KILLED" and row.terminationreason == "walltime" else word


def _element(tag: str, attributes: Mapping[str, str]) -> ElementTree.Element:
    return ElementTree.Element(tag, {name: FORBIDDEN.sub("?", value) for name, value in attributes.items()})


def _date(start: str) -> str:
    """In BenchExec's form, from an ISO time in UTC."""
    return f"{start[:10]} {start[11:19]} UTC"


def _plain(name: str) -> str:
    """A name as a part of a file's name."""
    return re.sub(r"[^\w+-]+", "-", name)
