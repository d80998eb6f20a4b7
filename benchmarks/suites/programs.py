"""The suite "programs": ``distill run`` as a user starts it, on many networks, and what there is to read in the end.

A run is one fresh process, ``distill run NETWORK --time-limit T --json --out CERTIFICATE``, charged its CPU seconds,
children, start-up and certificate included; then the certificate is checked by a process of ``distill-check`` (one with
a solver's evidence, by ``distill check``), which is not charged. The time limit is wall clock of the command's own; the
process is ended at ``HARD`` times as many CPU seconds. A row is "solved" where a program equals the network wherever
that has a label, and the checker says so.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.harness.execution import ENDED, STALLED, Ended, measured
from benchmarks.harness.measure import WALL, Process, run_process
from benchmarks.harness.row import Place, Row
from benchmarks.harness.task import Task
from benchmarks.inputs.program_networks import SHIPPED, Asked
from benchmarks.inputs.shipped_programs import is_known
from benchmarks.suites import texts

SUITE, OURS = "programs", "ours"
HARD = 2.0  # times the time limit: CPU seconds after which a run is ended
START = "from benchmarks.harness.parent import end_with_parent; end_with_parent(); "
DISTILL = (sys.executable, "-c", START + "from tasks.commands.main import main; main()")
RUN = (*DISTILL, "run")
CHECK = (sys.executable, "-m", "tasks.checker")
SOLVER_CHECK = (*DISTILL, "check")
QUERIES, CHECK_SECONDS = "queries", 300.0
PROVED, LABELLED, HORIZON, EXCEPTIONS, NONE = "proved", "proved where labelled", "horizon", "exceptions", "no program"
EXACT = (PROVED, LABELLED)
HELD, REFUSED, MISSING = "holds", "refused", "none"


def plan(asked: Sequence[Asked], seconds: float, memory_mb: int, seed: int = 0) -> tuple[Task, ...]:
    """One task a network; ``seconds`` is what ``distill run`` is given."""
    return tuple(
        Task(
            SUITE,
            f"{network.family}/{network.name}",
            OURS,
            seed,
            HARD * seconds,
            {
                "family": network.family,
                "content": network.content,
                "options": [*network.options],
                "limit": seconds,
                "known": network.known,
                "is_table": network.is_table,
            },
            {"network": network.where},
            memory_mb,
        )
        for network in asked
    )


def execute(task: Task, place: Place, run: Sequence[str] = RUN) -> Row:
    """Run one network through the command; whatever happens is a row."""
    return measured(task, place, lambda task: _run(task, run))


def _run(task: Task, run: Sequence[str]) -> Ended:
    with TemporaryDirectory() as scratch:
        certificate = Path(scratch) / "certificate"
        options = [*task.options["options"], "--seed", str(task.seed), "--time-limit", f"{task.options['limit']:g}"]
        process = run_process(
            [*run, task.files["network"], *options, "--json", "--out", str(certificate)],
            WALL * task.seconds,
            cpu_seconds=task.seconds,
            memory_mb=task.memory_mb,
            tree=True,
        )
        status, ended_by, reason, said = printed(process, task.seconds)
        if status:
            return Ended(process, status, ended_by, reason, {"solver": OURS})
        evidence, check = _checked(said)
    found = _told(task, said, evidence, check, process.cputime)
    is_exact = found["verdict"] in EXACT
    if is_exact and evidence == REFUSED:
        return Ended(process, "wrong", "", f"the checker refuses its certificate: {check}", found)
    return Ended(process, "solved" if is_exact and evidence == HELD else "unsolved", "", _why(said), found)


def printed(process: Process, limit: float) -> tuple[str, str, str, dict[str, Any]]:
    """What ended the run, where something did, and what the command printed."""
    if process.reason in ENDED:
        return ENDED[process.reason], process.reason, f"ended at the limit of {process.reason}", {}
    if process.is_killed:
        return "killed", "killed", f"a signal from outside ended it (code {process.code})", {}
    if process.is_stalled(limit, WALL * limit):
        return "killed", "walltime", STALLED, {}
    try:
        said = json.loads(process.output)
    except ValueError:
        said = None
    if process.code not in (0, 1) or not isinstance(said, dict):
        last = (process.errors.strip().splitlines() or ["no message"])[-1]
        return "error", "failed", f"ended with code {process.code}: {last[:300]}", {}
    return "", "", "", said


def _checked(said: Mapping[str, Any]) -> tuple[str, str | float]:
    """Whether every certificate that was written holds, by the checker, and in how many CPU seconds; else why not."""
    written = said.get("certificates") or []
    if not written:
        return MISSING, "; ".join(map(str, said.get("not_certified") or ["none was written"]))
    seconds = 0.0
    for folder in written:
        command = SOLVER_CHECK if (Path(folder) / QUERIES).is_dir() else CHECK
        process = run_process([*command, folder], WALL * CHECK_SECONDS, cpu_seconds=CHECK_SECONDS)
        seconds += process.cputime
        if process.code:
            return REFUSED, " ".join((process.output + process.errors).split())[:300]
    return HELD, seconds


def _told(task: Task, said: Mapping[str, Any], evidence: str, check: str | float, seconds: float) -> dict[str, Any]:
    """The columns of the row."""
    text = texts.body(said["program"]) if said.get("program") else ""
    sizes = {"operators": int(said.get("size") or 0), "lines": texts.lines(text), "reading": texts.reading(text)}
    name = task.problem.partition("/")[2]
    is_shipped = task.options["family"] == SHIPPED
    return {
        "solver": OURS,
        "seconds": seconds,
        "verdict": verdict(said),
        "program": text,
        "size": int(said.get("size") or 0),
        "sizes": sizes if text else {},
        "candidates": int((said.get("statistics") or {}).get("candidates", 0)),
        "phases": {step["name"]: step["cpu_seconds"] for step in said.get("steps", ())},
        "checked": int(said.get("inputs") or 0),
        "wrong": said.get("exception_count") or 0,
        "detail": {
            "sentence": said.get("sentence"),
            "lengths": said.get("lengths"),
            "undecided": said.get("without_label"),
            "evidence": evidence,
            "check": check,
            "has_table": bool(text) and texts.has_table(text),
            "is_known": is_known(name, text) if is_shipped and text else None,
        },
    }


def verdict(said: Mapping[str, Any]) -> str:
    """What was established, in the words of the table."""
    if said.get("proved"):
        return PROVED
    if said.get("extension"):
        return HORIZON
    if said.get("outcome") == "found":
        return LABELLED
    return EXCEPTIONS if said.get("program") else NONE


def _why(said: Mapping[str, Any]) -> str:
    return "; ".join(map(str, said.get("not_certified") or ()))
