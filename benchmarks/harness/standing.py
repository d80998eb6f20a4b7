"""Whether a comparison is complete, on which tasks, and who may be ranked: the one rule behind every page.

    run        one tool on one task (a problem with a seed, a replayed query); measured when it ended by itself or at a
               limit of CPU time or memory. Not measured: not made, stopped by wall clock or from outside, lost, not
               installed
    took part  a tool with a measured run that is not an error; any other has no line, no place in a virtual best, and
               no loss
    common     the tasks on which every tool that took part was measured; PAR-2 and the virtual best are over these
    complete   every planned run was measured
    ranked     only where complete and alike: one limit and one machine for all, one version and one source for a tool

What was planned is kept beside the rows (``record``), so that a run that was interrupted before a tool's turn says so.
Rows that are there without a plan are taken to be every tool on every task that is seen.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.harness.row import UNMEASURED, BenchmarkError, Place, Row, digest
from benchmarks.harness.runexec import OURS
from benchmarks.harness.task import Task

NOT_MADE = "not run"
Identity = tuple[str, str, str, int]  # suite, problem, tool, seed


@dataclass(frozen=True)
class Run:
    """``why`` it is not measured, else "". ``limits`` and ``machine`` must be one for all, ``source`` by tool."""

    task: str
    tool: str
    why: str = ""
    is_error: bool = False
    limits: str = ""
    machine: str = ""
    source: str = ""


@dataclass(frozen=True)
class Plan:
    """``keys``: of every planned run; ``absent``: by suite the tools that could not be planned, and why.

    ``unfinished``: suites that plan as they go, and were interrupted.
    """

    keys: Mapping[Identity, str] = field(default_factory=dict)
    absent: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    unfinished: frozenset[str] = frozenset()

    def cells(self, suite: str) -> list[Identity]:
        """The planned runs of a suite."""
        return [identity for identity in self.keys if identity[0] == suite]


@dataclass(frozen=True)
class Standing:
    """``missing``: (tool, task, why). ``mixed``: sentences on what keeps the rows from being compared."""

    tools: tuple[str, ...]
    common: frozenset[str]
    planned: int
    missing: tuple[tuple[str, str, str], ...]
    absent: Mapping[str, str]
    mixed: tuple[str, ...]
    is_unfinished: bool = False

    @property
    def is_complete(self) -> bool:
        """Whether every planned run was measured."""
        return not self.missing and not self.is_unfinished

    @property
    def may_rank(self) -> bool:
        """Whether tools may be put in an order."""
        return self.is_complete and not self.mixed

    @property
    def made(self) -> int:
        """How many of the planned runs were measured."""
        return self.planned - len(self.missing)


def judge(
    runs: Iterable[Run],
    planned: Iterable[tuple[str, str]] | None = None,
    absent: Mapping[str, str] | None = None,
    *,
    is_unfinished: bool = False,
) -> Standing:
    """The standing of one comparison; ``planned``: (task, tool) of every run that was to be made."""
    found = {(run.task, run.tool): run for run in runs}
    wanted = list(dict.fromkeys(planned if planned is not None else _every(found)))
    measured = [run for run in found.values() if not run.why]
    tools = tuple(sorted({run.tool for run in measured if not run.is_error}))
    missing = []
    for task, tool in wanted:
        run = found.get((task, tool))
        if run is None or run.why:
            missing.append((tool, task, NOT_MADE if run is None else run.why))
    tasks = dict.fromkeys(run.task for run in measured)
    done = {(run.task, run.tool) for run in measured}
    common = frozenset(task for task in tasks if tools and all((task, tool) in done for tool in tools))
    out = {tool: "every run was an error" for tool in sorted({run.tool for run in measured if run.tool not in tools})}
    for tool in dict.fromkeys(tool for tool, _, _ in missing):
        if tool not in tools and tool not in out:
            out[tool] = ", ".join(sorted({why for name, _, why in missing if name == tool}))
    return Standing(
        tools, common, len(wanted), tuple(missing), {**out, **(absent or {})},
        tuple(_mixed([run for run in measured if run.tool in tools])), is_unfinished,
    )  # fmt: skip


def _every(found: Mapping[tuple[str, str], Run]) -> Iterator[tuple[str, str]]:
    tools = dict.fromkeys(tool for _, tool in found)
    yield from ((task, tool) for task in dict.fromkeys(task for task, _ in found) for tool in tools)


def _mixed(runs: Sequence[Run]) -> Iterator[str]:
    for what, values in (("limits", {r.limits for r in runs}), ("machines", {r.machine for r in runs})):
        if len(values) > 1:
            yield f"the {what} differ ({'; '.join(sorted(values))})"
    for tool in dict.fromkeys(run.tool for run in runs):
        if len(sources := {run.source for run in runs if run.tool == tool}) > 1:
            yield f"the rows of {tool} are of {len(sources)} versions ({'; '.join(sorted(sources))})"


def run_of(row: Row) -> Run:
    """A row of a solver suite as a run; what a tool's runs do not depend on in our source is left out."""
    packages = digest(json.dumps(row.versions, sort_keys=True))[:8]
    source = f"source {row.options.get('source', row.source)}, packages {packages}"
    why = UNMEASURED.get(row.status, "")
    runner = row.options.get("runner", OURS)
    machine = row.machine if runner == OURS else f"{row.machine}, measured by {runner}"
    return Run(task_of(row), row.backend, why, row.status == "error", row.limits, machine, source)


def task_of(row: Row) -> str:
    """What the runs of different tools on one question have in common."""
    return _task(row.problem, row.seed)


def _task(problem: str, seed: int) -> str:
    return f"{problem}, seed {seed}" if seed else problem


def of_rows(
    rows: Sequence[Row], plan: Plan | None, suite: str, *, problems: str = "", aside: str = "", is_grid: bool = True
) -> Standing:
    """The standing of a suite, of those ``problems`` that begin so, without the tool that stands ``aside``.

    ``is_grid``: every tool is asked everything, which is what is taken to be planned where no plan was kept.
    """
    runs = [run_of(row) for row in rows if row.backend != aside]
    if plan is None or not plan.cells(suite):
        return judge(runs, None if is_grid else [(run.task, run.tool) for run in runs])
    cells = [c for c in plan.cells(suite) if c[1].startswith(problems) and c[2] != aside]
    planned = [(_task(problem, seed), tool) for _, problem, tool, seed in cells]
    return judge(runs, planned, plan.absent.get(suite), is_unfinished=suite in plan.unfinished)


def chosen(rows: Iterable[Row], plan: Plan | None) -> tuple[Row, ...]:
    """Of each run the row that was planned last, sorted; without a plan the last one. Nothing else is in a page."""
    found: dict[Identity, Row] = {}
    for row in rows:
        identity = (row.suite, row.problem, row.backend, row.seed)
        if plan is None or plan.keys.get(identity) == row.key:
            found[identity] = row
    return tuple(found[identity] for identity in sorted(found))


def beside(rows_file: Path) -> Path:
    """Where the plan of a file of rows is kept."""
    return rows_file.with_suffix(".plan.json")


def record(rows_file: Path, tasks: Iterable[Task], place: Place) -> None:
    """Add ``tasks`` to what is planned; a run that was planned before under other conditions is replaced."""
    keys = {(task.suite, task.problem, task.backend, task.seed): task.key(place) for task in tasks}
    plan = load(rows_file) or Plan()
    _save(rows_file, Plan({**plan.keys, **keys}, plan.absent, plan.unfinished))


def record_absent(rows_file: Path, suite: str, absent: Mapping[str, str]) -> None:
    """Say which tools of a suite could not be planned; those that were before stay planned."""
    plan = load(rows_file) or Plan()
    _save(rows_file, Plan(plan.keys, {**plan.absent, suite: dict(absent)}, plan.unfinished))


def record_unfinished(rows_file: Path, suite: str, is_unfinished: bool) -> None:
    """Say that a suite plans as it goes and has not come to its end, or that it has."""
    plan = load(rows_file) or Plan()
    others = plan.unfinished - {suite}
    _save(rows_file, Plan(plan.keys, plan.absent, others | {suite} if is_unfinished else others))


def load(rows_file: Path) -> Plan | None:
    """The plan beside ``rows_file``, None where there is none; raises BenchmarkError for one that cannot be read."""
    path = beside(rows_file)
    if not path.exists():
        return None
    try:
        told: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        keys = {(suite, problem, tool, int(seed)): key for suite, problem, tool, seed, key in told["runs"]}
        return Plan(keys, told["absent"], frozenset(told["unfinished"]))
    except (ValueError, KeyError, TypeError) as error:
        raise BenchmarkError(f"{path}: not a plan of this benchmark ({error}); run the suite again") from error


def _save(rows_file: Path, plan: Plan) -> None:
    """Written whole, by a rename."""
    runs = [[*identity, key] for identity, key in plan.keys.items()]
    text = json.dumps({"runs": runs, "absent": plan.absent, "unfinished": sorted(plan.unfinished)}, indent=0)
    path = beside(rows_file)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.write_text(text, encoding="utf-8")
    os.replace(fresh, path)
