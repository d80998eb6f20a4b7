"""One task to one row: start a worker process, hold it to its limits, judge what it said.

Every end of a worker is a row: the reported status only when the process ended cleanly; a limit that struck is named.
Limits are CPU seconds; a run that wall clock ends at ``WALL`` times as many, with CPU time left, is "killed": not
measured. An answer that took more CPU than the limit is a timeout.
A replay worker names each query before asking it. When one query takes the process down with it (a limit, a crash),
that query is recorded as unknown and a fresh worker goes on behind it, so that no query is lost.
"""

from __future__ import annotations

import json
import os
import shlex
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

from benchmarks.harness.measure import WALL, Process, run_process, told
from benchmarks.harness.row import ANSWERED, REPEATS, Place, Row
from benchmarks.harness.task import Task

COMMAND = (sys.executable, "-m", "benchmarks.suites.worker")
KEPT = 8_000  # characters of what a run wrote
GRACE_SECONDS = 0.3
START_SECONDS = 30.0  # for a replay worker to start and to read its file up to the first query
REPORTED = ("solver", "seconds", "verdict", "phases", "queries", "candidates", "program", "size", "answers", "detail",
            "wrong", "checked", "sizes")  # fmt: skip
ENDED = {"cputime": "timeout", "memory": "out of memory"}
STALLED = "stopped by wall clock with CPU time left"


@dataclass(frozen=True)
class Ended:
    """How a run ended: its process, what that counts as and why, and what it told (``REPORTED``)."""

    process: Process
    status: str
    terminationreason: str
    reason: str
    told: Mapping[str, Any]


def execute(task: Task, place: Place, command: Sequence[str] = COMMAND) -> Row:
    """Run ``task`` in a worker of its own; whatever happens to it is a row."""
    return measured(task, place, lambda task: _in_worker(task, command))


def measured(task: Task, place: Place, run: Callable[[Task], Ended]) -> Row:
    """The row of ``task``, made by ``run``; every row but that of a lost run is built here."""
    started, load = datetime.now(UTC).isoformat(timespec="seconds"), os.getloadavg()[0]
    ended = run(task)
    process = ended.process
    return Row(
        key=task.key(place),
        suite=task.suite,
        problem=task.problem,
        backend=task.backend,
        seed=task.seed,
        options=dict(task.options),
        timelimit=task.seconds,
        memlimit=task.memlimit,
        status=ended.status,
        terminationreason=ended.terminationreason,
        reason=ended.reason,
        cputime=process.cputime,
        walltime=process.walltime,
        memory=int(process.memory_mb * 1e6),
        load=load,
        starttime=started,
        returnvalue=process.code if process.code >= 0 else None,
        exitsignal=-process.code if process.code < 0 else None,
        log=log(process),
        **{"solver": task.backend, **{name: ended.told[name] for name in REPORTED if name in ended.told}},
        **asdict(place),
    )


def log(process: Process) -> str:
    """What a process wrote, standard error last; of what is long the beginning and the end."""
    parts = [process.output.rstrip(), *(["--- standard error ---", process.errors.rstrip()] if process.errors else [])]
    text = "\n".join(filter(None, parts))
    if len(text) > KEPT:
        left_out = f"\n... {len(text) - KEPT:,} characters left out ...\n"
        text = text[: KEPT // 2] + left_out + text[-KEPT // 2 :]
    return f"{text}\n" if text else ""


def _in_worker(task: Task, command: Sequence[str]) -> Ended:
    process, said = _replay(task, command) if task.suite == "replay" else _once(task, command)
    return Ended(process, *_judged(process, said, None if task.suite == "replay" else task.seconds), said)


def command_line(task: Task, command: Sequence[str] = COMMAND) -> str:
    """What a shell would run for ``task``; the limits are the caller's."""
    return shlex.join([*command, json.dumps(asdict(task))])


def lost(task: Task, place: Place, why: str) -> Row:
    """The row of a run whose machine or process went away, twice."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return Row(
        key=task.key(place), suite=task.suite, problem=task.problem, backend=task.backend, solver=task.backend,
        seed=task.seed, options=dict(task.options), timelimit=task.seconds, memlimit=task.memlimit,
        status="lost", terminationreason="killed", reason=why, cputime=0.0, walltime=0.0, memory=0, load=0.0,
        starttime=now, **asdict(place),
    )  # fmt: skip


def _once(task: Task, command: Sequence[str]) -> tuple[Process, dict[str, Any]]:
    process = run_process(
        [*command, json.dumps(asdict(task))],
        WALL * task.seconds,
        cpu_seconds=task.seconds,
        memory_mb=task.memory_mb,
        grace=GRACE_SECONDS,
        tree=True,
    )
    return process, told(process.output)


def _replay(task: Task, command: Sequence[str]) -> tuple[Process, dict[str, Any]]:
    """One worker, or as many as queries ended theirs; times add up, memory is the largest.

    A query that wall clock ends is asked again, ``REPEATS`` times; then it is "unknown: walltime": not measured.
    """
    answers: list[Any] = []
    stalled = 0
    used = (0.0, 0.0, 0.0)
    while True:
        part = replace(task, options={**task.options, "skip": len(answers)})
        process = run_process(
            [*command, json.dumps(asdict(part))],
            START_SECONDS,
            silence=WALL * task.seconds,
            memory_mb=task.memory_mb,
            grace=GRACE_SECONDS,
        )
        said = told(process.output)
        answers += [_in_time(answer, task.seconds) for answer in said.pop("answers", [])]
        used = (used[0] + process.walltime, used[1] + process.cputime, max(used[2], process.memory_mb))
        ended_by = said.pop("asking", None)
        if ended_by is None or said.get("status") or (answers and answers[-1][0] == ended_by):
            break
        stalled = stalled + 1 if process.reason == "walltime" else 0
        if 0 < stalled <= REPEATS:
            continue
        stalled = 0
        why = process.reason or said.get("terminationreason") or _signalled(process)
        answers.append([ended_by, f"unknown: {why}", task.seconds, ""])
    said["answers"] = answers
    said["queries"] = len(answers)
    return replace(process, walltime=used[0], cputime=used[1], memory_mb=used[2]), said


def _in_time(answer: list[Any], limit: float) -> list[Any]:
    """A query's answer; one that took longer than the limit is none."""
    name, said, seconds, *rest = answer
    return [name, "unknown: cputime", seconds, *rest] if said in ("sat", "unsat") and seconds > limit else answer


def _signalled(process: Process) -> str:
    """How a replay worker ended in the middle of a query, where no limit struck."""
    return (
        "cputime"
        if process.code in (-signal.SIGXCPU, -signal.SIGPROF)
        else f"the worker ended with code {process.code}"
    )


def _judged(process: Process, said: Mapping[str, Any], limit: float | None) -> tuple[str, str, str]:
    """Status, the limit that struck, and why; nothing but a clean end after an answer in time is "solved"."""
    ended, status = process.reason or str(said.get("terminationreason", "")), str(said.get("status", ""))
    if status == "absent":
        return status, "failed", str(said.get("reason", ""))
    if process.is_killed:
        return "killed", "killed", f"a signal from outside ended it (code {process.code})"
    if ended in ENDED and (process.reason or not status):
        return ENDED[ended], ended, f"ended at the limit of {ended}"
    if limit is None and process.reason == "walltime":  # before the first query
        return "killed", "walltime", STALLED
    if limit is not None and status not in ANSWERED and process.is_stalled(limit, WALL * limit):
        return "killed", "walltime", STALLED
    if process.reason == "walltime":
        return "timeout", "cputime", f"ended after {process.cputime:.3g} CPU seconds"
    if process.code != 0 or not status:
        last = (process.errors.strip().splitlines() or ["no message"])[-1]
        return "error", "failed", f"the worker ended with code {process.code}: {last}"
    if limit is not None and status == "solved" and process.cputime > limit:
        return "timeout", "cputime", f"answered after {process.cputime:.3g} CPU seconds"
    return status, ended, str(said.get("reason", ""))
