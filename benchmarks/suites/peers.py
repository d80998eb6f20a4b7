"""The suite "peers": this project beside others on the shipped circuits, one run after the other.

A competitor has ``seconds`` of CPU for its answer; a solved run that took more counts as a timeout. The process has
``HARD_FACTOR * seconds + START_SECONDS`` of CPU, for starting Python and for what is not charged, and ``WALL`` times as
much of wall clock; then its whole process group is ended. A run that wall clock ends with CPU time left is "killed": it
is made again up to ``REPEATS`` times, and then not measured. CPU time and peak memory are those the operating system
counted (``wait4``), child solvers included.
"""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks.harness import measure, standing
from benchmarks.harness.execution import COMMAND, STALLED, Ended, measured
from benchmarks.harness.measure import WALL, Process, run_process
from benchmarks.harness.row import BenchmarkError, Place, Row
from benchmarks.harness.schedule import run_all
from benchmarks.harness.task import Task
from benchmarks.suites.competitors import COMPETITORS

SUITE = "peers"
START_SECONDS = 15.0
HARD_FACTOR = 2.0
GRACE_SECONDS = 1.0  # between asking a group to end and ending it
OURS = "ours"


def run_suite(
    tasks: Sequence[Task],
    rows_file: Path,
    place: Place,
    *,
    on_row: Callable[[Row, bool], None] = lambda row, is_new: None,
    run: Callable[[Task, Place], Row] | None = None,
) -> tuple[Row, ...]:
    """The rows of ``tasks``, in order: ours first, then the peers with the examples that ours ended with.

    A circuit's examples are those of the first of our runs that has some.
    """
    standing.record(rows_file, tasks, place)
    made: dict[str, Row] = {}
    for is_ours in (True, False):
        part = [task for task in tasks if (task.options["competitor"] == OURS) is is_ours]
        with ThreadPoolExecutor(1) as pool:
            rows = run_all(part, rows_file, place, pool, seed=None, on_row=on_row, run=run or execute)
        made |= {row.key: row for row in rows}
        if is_ours:
            _keep_examples(zip(part, rows, strict=True))
    return tuple(made[task.key(place)] for task in tasks)


def _keep_examples(made: Iterable[tuple[Task, Row]]) -> None:
    found: dict[str, Any] = {}
    for task, row in made:
        if row.detail.get("examples"):
            found.setdefault(task.files["examples"], row.detail["examples"])
    for file, examples in found.items():
        Path(file).parent.mkdir(parents=True, exist_ok=True)
        Path(file).write_text(json.dumps(examples, ensure_ascii=False), encoding="utf-8")


def plan(folders: Mapping[str, Path], *, seconds: float, seed: int, out: Path) -> tuple[Task, ...]:
    """Every competitor that is installed, in every configuration, on every circuit (name to folder); ours first.

    Our examples are kept below ``out``. They are no part of a key: circuit, source and seed decide them.
    """
    from tasks.formats.circuit_folder import weights_sha256

    if not folders:
        raise BenchmarkError("there is no circuit to run; name a shipped one or train one")
    return tuple(
        Task(
            SUITE, name, f"{competitor.name}, {configuration}", seed, seconds,
            {
                "circuit": weights_sha256(folder), "competitor": competitor.name,
                "configuration": configuration, "options": dict(options),
            },
            {"folder": str(folder), "examples": str(out / "examples" / f"{name}.json")}, None,
        )
        for name, folder in folders.items()
        for competitor in COMPETITORS.values()
        if not missing(competitor.name)
        for configuration, options in competitor.configurations.items()
    )  # fmt: skip


def absent() -> dict[str, str]:
    """The competitors that cannot be run here, and why."""
    return {name: why for name in COMPETITORS if (why := missing(name))}


def missing(competitor: str) -> str:
    """What has to be installed for a competitor to run; "" when it is."""
    needed = [package for package in COMPETITORS[competitor].packages if find_spec(package) is None]
    return f"not installed: {', '.join(needed)}" if needed else ""


def execute(task: Task, place: Place, command: Sequence[str] = COMMAND) -> Row:
    """Run ``task`` in a worker of its own; whatever happens to it is a row."""
    return measured(task, place, lambda task: _run(task, command))


def work(task: Task, report: Callable[..., None]) -> None:
    """Run one competitor in this process."""
    from tasks.formats.circuit_folder import load_circuit

    COMPETITORS[task.options["competitor"]].run(load_circuit(Path(task.files["folder"])), task, report)


def _run(task: Task, command: Sequence[str]) -> Ended:
    cpu = HARD_FACTOR * task.seconds + START_SECONDS
    process = run_process(
        [*command, json.dumps(asdict(task))], WALL * cpu, cpu_seconds=cpu, grace=GRACE_SECONDS, tree=True
    )
    told = measure.told(process.output)
    status, reason = _status(process, told, task.seconds)
    told["seconds"] = told.get("seconds") if status in ("solved", "unsolved") else None
    sizes = told.get("sizes", {})
    told["size"] = sizes.get("operators", sizes.get("states", 0))
    return Ended(process, status, _limit(process, status), reason, told)


def _limit(process: Process, status: str) -> str:
    """The limit that struck, in BenchExec's words."""
    said = {"timeout": "cputime", "out of memory": "memory", "error": "failed", "absent": "failed"}
    return process.reason or ("walltime" if status == "killed" and not process.is_killed else said.get(status, ""))


def _status(process: Process, told: Mapping[str, Any], limit: float) -> tuple[str, str]:
    """What a run counts as, and why; nothing but a reported answer within the limit is "solved"."""
    status, reason, seconds = told.get("status"), told.get("reason", ""), told.get("seconds")
    if status == "absent":
        return "absent", reason
    if process.code == -signal.SIGPROF or process.reason == "cputime":
        return "timeout", "ended at the limit of CPU time"
    if process.reason == "memory":
        return "out of memory", "ended at the limit of memory"
    if process.is_killed:
        return "killed", f"a signal from outside ended it (code {process.code})"
    if process.reason == "walltime" or (status in ("timeout", "unsolved") and _gave_up(process, told, limit)):
        return "killed", STALLED
    if process.code != 0 or status is None:
        last = (process.errors.strip().splitlines() or ["no message"])[-1]
        return "error", f"the worker ended with code {process.code}: {last}"
    if status in ("solved", "unsolved") and (not isinstance(seconds, float) or seconds > limit):
        return "timeout", reason or "answered after the limit"
    return status, reason


def _gave_up(process: Process, told: Mapping[str, Any], limit: float) -> bool:
    """Whether a competitor's own clock, which counts wall clock, ended it with CPU time left."""
    seconds = told.get("seconds")
    return isinstance(seconds, float) and seconds <= limit and process.walltime >= measure.ALMOST * WALL * limit
