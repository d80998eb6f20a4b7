"""Runs measured by BenchExec's runexec, where this machine lets it make control groups.

A control group counts the CPU time and memory of a process and all its descendants exactly, whatever they do; our own
runner looks at them five times a second, and its limit of memory is address space. No container is made. What a command
prints to both its outputs arrives as one. Wall clock is runexec's to watch; this process watches runexec in turn.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.harness.measure import Process, inherited, run_process
from benchmarks.harness.row import BenchmarkError

RUNEXEC, OURS = "runexec", "ours"
WORDS = {
    RUNEXEC: "BenchExec's runexec, in control groups",
    OURS: "this project's own runner, by limits of the kernel on each process",
}
CHOICES = ("auto", RUNEXEC, OURS)
HEADER = "-" * 80 + "\n\n\n"
SLACK = 30.0  # seconds of wall clock for runexec itself
REASONS = {"cputime": "cputime", "cputime-soft": "cputime", "walltime": "walltime", "memory": "memory"}
FAILED = "failed"
PROGRAM = Path(sys.executable).parent / RUNEXEC


def chosen(wanted: str) -> str:
    """The runner for ``wanted``: "auto" is runexec where that can measure. BenchmarkError for one that cannot."""
    if wanted not in CHOICES:
        raise BenchmarkError(f"expected a runner among {', '.join(CHOICES)}, got {wanted!r}")
    if wanted == OURS:
        return OURS
    why = trouble()
    if wanted == RUNEXEC and why:
        raise BenchmarkError(f"runexec cannot measure here: {why}")
    return OURS if why else RUNEXEC


@cache
def trouble() -> str:
    """Why runexec cannot measure here, "" where it can; found out by a run of ``true``."""
    try:
        version("benchexec")
    except PackageNotFoundError:
        return "not installed: pip install benchexec"
    try:
        found = run(["true"], 10.0, cpu_seconds=5.0, memory_mb=500)
    except BenchmarkError as error:
        return str(error)
    return "" if (found.code, found.reason) == (0, "") and found.memory_mb > 0 else "it tells no memory of a run"


def run(
    command: Sequence[str], seconds: float, *, cpu_seconds: float | None = None, memory_mb: int | None = None
) -> Process:
    """Run ``command`` as ``measure.run_process`` does; raises BenchmarkError where runexec itself fails."""
    cpu_seconds, memory_mb = inherited(cpu_seconds, memory_mb)
    with TemporaryDirectory() as folder:
        log = Path(folder) / "output.log"
        asked = [
            str(PROGRAM),
            "--no-container",
            "--quiet",
            "--output",
            str(log),
            "--walltimelimit",
            f"{math.ceil(seconds)}",
        ]
        asked += [] if cpu_seconds is None else ["--timelimit", f"{math.ceil(cpu_seconds)}"]
        asked += [] if memory_mb is None else ["--memlimit", f"{memory_mb << 20}B"]
        outer = run_process([*asked, "--", *command], seconds + SLACK)
        output = log.read_text(encoding="utf-8", errors="replace") if log.is_file() else ""
    told = dict(line.split("=", 1) for line in outer.output.splitlines() if "=" in line)
    ended = told.get("terminationreason", "")
    if "cputime" not in told or "memory" not in told or ended == FAILED:
        words = " ".join((outer.errors.strip().splitlines() or ["it said nothing"])[-1].split())
        raise BenchmarkError(f"runexec failed: {words}")
    code = -int(told["exitsignal"]) if "exitsignal" in told else int(told.get("returnvalue", 0))
    reason = REASONS.get(ended, "")
    return Process(
        output.partition(HEADER)[2],
        "",
        code,
        reason == "walltime",
        reason,
        walltime=_seconds(told["walltime"]),
        cputime=_seconds(told["cputime"]),
        memory_mb=int(told["memory"].removesuffix("B")) / 1e6,
    )


def _seconds(text: str) -> float:
    return float(text.removesuffix("s"))
