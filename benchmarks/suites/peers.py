"""Run jobs one after the other, each in a fresh process under limits that hold.

A competitor has ``seconds`` of CPU for its answer; a solved run that took more counts as a timeout. The process has
``HARD_FACTOR * seconds + START_SECONDS`` of CPU, for starting Python and for what is not charged, and ``WALL`` times as
much of wall clock; then its whole process group is ended. A run that wall clock ends with CPU time left is "killed": it
is made again up to ``REPEATS`` times, and then not measured. CPU time and peak memory are those the operating system
counted (``wait4``), child solvers included.
"""

from __future__ import annotations

import json
import math
import os
import signal
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks.harness import measure, standing
from benchmarks.harness.execution import STALLED
from benchmarks.harness.measure import WALL, Process, run_process
from benchmarks.harness.row import BenchmarkError, Job, Place, Row, append, finished, key, read
from benchmarks.harness.task import REPEATS
from benchmarks.suites.competitors import COMPETITORS

SUITE = "peers"
START_SECONDS = 15.0
HARD_FACTOR = 2.0
GRACE_SECONDS = 1.0  # between asking a group to end and ending it
COMMAND = (sys.executable, "-m", "benchmarks.suites.worker")


def run_suite(
    jobs: Iterable[Job],
    rows_file: Path,
    place: Place,
    *,
    on_row: Callable[[Row, bool], None] = lambda row, is_new: None,
    run: Callable[[Job, Place], Row] | None = None,
) -> tuple[Row, ...]:
    """The rows of ``jobs``, in order: those finished before are read from ``rows_file``, the others run and added.

    Every job gets the examples of the first row before it, on the same circuit, that has some. ``on_row(row, is_new)``.
    """
    jobs = tuple(jobs)
    planned = {(SUITE, job.circuit, f"{job.competitor}, {job.configuration}", job.seed): job for job in jobs}
    standing.record_keys(rows_file, {name: "|".join(key(job, place)) for name, job in planned.items()})
    known, result = finished(read(rows_file)), []
    examples: dict[str, Sequence[Any]] = {}
    for job in jobs:
        row = known.get(key(job, place))
        is_new = row is None
        tries = 0
        while row is None or (row.status == "killed" and tries <= REPEATS):
            row = (run or run_job)(replace(job, examples=examples.get(job.circuit, ())), place)
            append(rows_file, row)
            tries += 1
        if row.examples:
            examples.setdefault(job.circuit, row.examples)
        result.append(row)
        on_row(row, is_new)
    return tuple(result)


def plan(folders: Mapping[str, Path], *, seconds: float, seed: int) -> tuple[Job, ...]:
    """Every competitor that is installed, in every configuration, on every circuit (name to folder); ours first."""
    from tasks.formats.circuit_folder import weights_sha256

    if not folders:
        raise BenchmarkError("there is no circuit to run; name a shipped one or train one")
    if not 0 < seconds < math.inf:
        raise BenchmarkError(f"expected a limit of more than 0 seconds, got {seconds:g}")
    return tuple(
        Job(name, str(folder), weights_sha256(folder), competitor.name, configuration, options, seed, seconds)
        for name, folder in folders.items()
        for competitor in COMPETITORS.values()
        if not missing(competitor.name)
        for configuration, options in competitor.configurations.items()
    )


def absent() -> dict[str, str]:
    """The competitors that cannot be run here, and why."""
    return {name: why for name in COMPETITORS if (why := missing(name))}


def missing(competitor: str) -> str:
    """What has to be installed for a competitor to run; "" when it is."""
    needed = [package for package in COMPETITORS[competitor].packages if find_spec(package) is None]
    return f"not installed: {', '.join(needed)}" if needed else ""


def run_job(job: Job, place: Place, *, command: Sequence[str] = COMMAND) -> Row:
    """Run ``job`` in a process of its own; whatever happens to it is a row."""
    started, load = datetime.now(UTC).isoformat(timespec="seconds"), os.getloadavg()[0]
    cpu = HARD_FACTOR * job.seconds + START_SECONDS
    process = run_process(
        [*command, json.dumps(asdict(job))], WALL * cpu, cpu_seconds=cpu, grace=GRACE_SECONDS, tree=True
    )
    told = measure.told(process.output)
    status, reason = _status(process, told, job.seconds)
    return Row(
        circuit=job.circuit,
        circuit_sha256=job.circuit_sha256,
        competitor=job.competitor,
        configuration=job.configuration,
        options=dict(job.options),
        seed=job.seed,
        limit=job.seconds,
        status=status,
        reason=reason,
        seconds=told.get("seconds") if status in ("solved", "unsolved") else None,
        cputime=process.cputime,
        walltime=process.walltime,
        memory_mb=process.memory_mb,
        answer=told.get("answer", ""),
        size=told.get("size", {}),
        wrong=told.get("wrong"),
        checked=told.get("checked", 0),
        phases=told.get("phases", {}),
        detail=told.get("detail", {}),
        examples=told.get("examples", []),
        load=load,
        started=started,
        **asdict(place),
    )


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
