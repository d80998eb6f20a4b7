"""Run one command under limits that hold: a process of its own, CPU time, address space and wall clock.

CPU time and address space are limited by the kernel (``setrlimit`` through the shell's ``ulimit``, inherited by every
child); wall clock by ending the process group, and every descendant that left it, from outside. A limit inside a solver
is not trusted: such limits were seen to overrun half a second by a hundred. CPU time and peak memory are those the
system counted (``wait4``), children included. CPU limits are whole seconds, rounded up, and hold per process.

Wall clock is no measure: a loaded machine gives a run less CPU. So the wall clock may take ``WALL`` times the CPU
limit, and a run that it ends ``is_stalled``: nothing was measured. Limits that this process was started under hold
for the runs too: the smaller of wanted and inherited is set, and told (``inherited``).

A trap: the peak that ``wait4`` tells starts at the size of the process that forked. Below that size, the process's own
high-water mark (``VmHWM``, looked at while it runs) is taken instead.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, BinaryIO

WALL = 4.0  # seconds of wall clock allowed per second of CPU, in every suite
ALMOST = 0.95  # of the wall clock: a run that gives up there by its own clock was stopped by wall clock too
POLL_SECONDS = 0.01
TREE_POLL_SECONDS = 0.2  # every process of the system is looked at
GRACE_SECONDS = 1.0  # between asking a group to end and ending it
ROOT = Path(__file__).parents[2]
LIMITED = 'ulimit -c 0; ulimit -S -t "$1"; ulimit -H -t "$2"; ulimit -v "$3"; shift 3; exec "$@"'
NO_MEMORY = ("MemoryError", "bad_alloc", "out of memory", "Cannot allocate memory", "Unable to allocate")


@dataclass(frozen=True)
class Process:
    """How a command ended: what it wrote, and what it used.

    ``reason`` names the limit that ended it, in BenchExec's words: "cputime", "walltime", "memory", or "" for none.
    """

    output: str
    errors: str
    code: int
    killed: bool
    reason: str
    walltime: float
    cputime: float
    memory_mb: float

    def is_stalled(self, cpu_seconds: float, wall: float) -> bool:
        """Whether wall clock ended it, from outside or by its own clock, with CPU time left: it is not measured."""
        return self.cputime <= cpu_seconds and (self.reason == "walltime" or self.walltime >= ALMOST * wall)

    @property
    def is_killed(self) -> bool:
        """Whether a signal from elsewhere ended it, under no limit of ours."""
        elsewhere = (-signal.SIGKILL, -signal.SIGTERM, -signal.SIGINT, -signal.SIGHUP, 128 + signal.SIGTERM)
        return not self.reason and self.code in elsewhere


class StoppedError(RuntimeError):
    """The benchmark itself was asked to end; the run that was under way has been ended and has no row."""


_stopping = threading.Event()


@contextlib.contextmanager
def ending_on_signals() -> Iterator[None]:
    """SIGTERM and SIGINT end every run under way, in whatever thread, and this process with 128 + the signal."""

    def stop(number: int, frame: FrameType | None) -> None:
        _stopping.set()
        raise SystemExit(128 + number)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        _stopping.clear()


def inherited(cpu_seconds: float | None, memory_mb: int | None) -> tuple[float | None, int | None]:
    """The limits that can hold here: the smaller of what is wanted and what this process was started under."""
    cpu, space = (resource.getrlimit(kind)[1] for kind in (resource.RLIMIT_CPU, resource.RLIMIT_AS))
    if cpu_seconds is not None and cpu != resource.RLIM_INFINITY:
        cpu_seconds = min(cpu_seconds, max(cpu - 1, 1))  # a second is left between being told and being ended
    if memory_mb is not None and space != resource.RLIM_INFINITY:
        memory_mb = min(memory_mb, space >> 20)
    return cpu_seconds, memory_mb


def run_process(
    command: Sequence[str],
    seconds: float,
    *,
    cpu_seconds: float | None = None,
    memory_mb: int | None = None,
    silence: float | None = None,
    grace: float | None = None,
    tree: bool = False,
) -> Process:
    """Run ``command`` for at most ``seconds`` of wall clock; at the limit it has ``grace`` seconds to end by itself.

    With ``silence``, ``seconds`` is the time to its first output, and each output gives it ``silence`` seconds more.
    With ``tree``, ``cpu_seconds`` also holds for the process and all its descendants together (looked at on Linux).
    """
    grace = GRACE_SECONDS if grace is None else grace
    cpu_seconds, memory_mb = inherited(cpu_seconds, memory_mb)
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        start, killed, written, peak = time.monotonic(), False, 0, 0.0
        spent, look = 0.0, start
        deadline = start + seconds
        child = subprocess.Popen(
            _limited(command, cpu_seconds, memory_mb),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=errors,
            start_new_session=True,
            env=_environment(),
        )
        try:
            while not (ended := os.wait4(child.pid, os.WNOHANG))[0]:
                if silence is not None and not killed and os.fstat(output.fileno()).st_size > written:
                    written, deadline = os.fstat(output.fileno()).st_size, time.monotonic() + silence
                if _stopping.is_set():
                    raise StoppedError("the benchmark was asked to end")
                late = time.monotonic() - deadline
                if late > 0:
                    killed = True
                    end(child.pid, signal.SIGTERM if late < grace else signal.SIGKILL)
                peak = max(peak, _high_water_mb(child.pid))
                if tree and time.monotonic() >= look:
                    spent, look = max(spent, _tree_seconds(child.pid)), time.monotonic() + TREE_POLL_SECONDS
                    if cpu_seconds is not None and spent > math.ceil(cpu_seconds):
                        end(child.pid, signal.SIGKILL)
                time.sleep(POLL_SECONDS)
        except BaseException:
            end(child.pid, signal.SIGKILL)
            child.wait()
            raise
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGKILL)  # what it left behind would run on beside the next
        child.returncode = os.waitstatus_to_exitcode(ended[1])
        usage = ended[2]
        cputime, said = max(spent, usage.ru_utime + usage.ru_stime), text(errors)
        return Process(
            text(output),
            said,
            child.returncode,
            killed,
            _reason(child.returncode, killed, cputime, cpu_seconds, memory_mb, said),
            walltime=time.monotonic() - start,
            cputime=cputime,
            memory_mb=_peak_mb(usage, peak),
        )


def cpu_seconds() -> float:
    """CPU seconds of this process and its children so far."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(part.ru_utime + part.ru_stime for part in used)


class CpuClock:
    """CPU seconds of this process, its ended children and, on Linux, its descendants that still run.

    A solver program is such a descendant; the kernel adds it to this process's account only when it has ended. To look
    for it every process of the system is looked at, which is not counted. Without ``descendants`` nobody is looked for.

    A trap: while a limit or a timer of CPU time is set, Linux tells the time of a process as of the last tick, some
    milliseconds late. That of a thread is exact, so that of the calling thread, always the same, is told, and beside it
    the most that all others together were seen to have used.
    """

    def __init__(self, *, descendants: bool) -> None:
        self._is_looking, self._looked = descendants, 0.0
        self._others = 0.0

    def now(self) -> float:
        """The seconds so far."""
        own = self._own() - self._looked
        if not self._is_looking:
            return own
        start = self._own()
        ended = resource.getrusage(resource.RUSAGE_CHILDREN)
        others = ended.ru_utime + ended.ru_stime + sum(map(_running_seconds, _descendants(os.getpid())))
        self._looked += self._own() - start
        return own + others

    def _own(self) -> float:
        self._others = max(self._others, time.process_time() - time.thread_time())
        return time.thread_time() + self._others


def _running_seconds(pid: int) -> float:
    """CPU seconds of a running process and its ended children: to the nanosecond for threads, else to the tick."""
    fine = 0
    for path in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            fine += int(path.read_text().split()[0])
    with contextlib.suppress(OSError, ValueError, IndexError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        own, ended = sum(map(int, fields[11:13])), sum(map(int, fields[13:15]))
        tick = os.sysconf("SC_CLK_TCK")
        return max(fine / 1e9, own / tick if not fine else 0.0) + ended / tick
    return fine / 1e9


def told(output: str) -> dict[str, Any]:
    """The fields a worker reported, one JSON object per line; a line cut off by its end is dropped.

    A later line overrules an earlier one, but for lists, which grow.
    """
    found: dict[str, Any] = {}
    for line in output.splitlines():
        try:
            fields = dict(json.loads(line))
        except (ValueError, TypeError):
            break
        for name, value in fields.items():
            earlier = found.get(name)
            found[name] = [*earlier, *value] if name == "answers" and earlier else value
    return found


def end(pid: int, how: signal.Signals) -> None:
    """Send ``how`` to the process group of ``pid`` and to every descendant in another one (solvers have their own)."""
    for process in (*_descendants(pid), pid):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process, how)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(process, how)


def text(file: BinaryIO) -> str:
    """All that was written to ``file``."""
    file.seek(0)
    return file.read().decode("utf-8", "replace")


def _limited(command: Sequence[str], cpu_seconds: float | None, memory_mb: int | None) -> list[str]:
    """``command`` behind a shell that sets the kernel's limits and becomes it."""
    if cpu_seconds is None and memory_mb is None:
        return list(command)
    cpu = None if cpu_seconds is None else math.ceil(cpu_seconds)
    soft, hard = ("unlimited", "unlimited") if cpu is None else (str(cpu), str(cpu + 1))
    space = "unlimited" if memory_mb is None else str(memory_mb * 1024)
    return ["/bin/sh", "-c", LIMITED, "sh", soft, hard, space, *command]


def _environment() -> dict[str, str]:
    """One thread and one malloc arena (each further one reserves 64 MB of address space); this source first."""
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH", ""))))
    return {**os.environ, **threads, "MALLOC_ARENA_MAX": "1", "PYTHONPATH": path}


def _reason(
    code: int, killed: bool, cputime: float, cpu_seconds: float | None, memory_mb: int | None, errors: str
) -> str:
    if killed:
        return "walltime"
    if code == -signal.SIGXCPU:
        return "cputime"
    if cpu_seconds is not None and code == -signal.SIGKILL and cputime >= cpu_seconds:
        return "cputime"
    if memory_mb is not None and code != 0 and any(word in errors for word in NO_MEMORY):
        return "memory"
    return ""


def _peak_mb(usage: resource.struct_rusage, seen: float) -> float:
    """The peak resident set in MB; ``seen`` where the system's figure is only that of this process."""
    kilobytes = 1e3 if sys.platform == "darwin" else 1.0
    floor = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return float(seen if seen > 0 and usage.ru_maxrss <= floor else usage.ru_maxrss / kilobytes * 1024 / 1e6)


def _high_water_mb(pid: int) -> float:
    """``VmHWM`` of a running process in MB; 0 where the system does not tell."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8", errors="replace")
        return int(status.partition("VmHWM:")[2].split(maxsplit=1)[0]) * 1024 / 1e6
    return 0.0


def _tree_seconds(pid: int) -> float:
    """CPU seconds of a process, its descendants, and those of them that have ended and were waited for."""
    ticks = 0
    for process in (pid, *_descendants(pid)):
        with contextlib.suppress(OSError, ValueError, IndexError):
            fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
            ticks += sum(map(int, fields[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")


def _descendants(pid: int) -> list[int]:
    """Every process below ``pid``, deepest last (Linux; elsewhere none are found and the group must do)."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, ValueError):
            fields = entry.read_text().rpartition(")")[2].split()
            children.setdefault(int(fields[1]), []).append(int(entry.parent.name))
    found: list[int] = []
    queue = [pid]
    while queue:
        below = children.get(queue.pop(), [])
        found += below
        queue += below
    return found
