"""A job in a process of its own, under limits of time and memory that hold whatever the job does.

    guarded() ── python -I limits.py ──► supervisor ── fork ──► the job, a function named "module:function"

``guarded`` passes on what the job prints, and ends it at the deadline; all processes of a job carry a mark in their
environment, by which they are found. The supervisor ends them where ``guarded`` itself is gone, and the kernel (on
Linux) the job where the supervisor is. The interpreter of the job is isolated (``-I``): no PYTHON* variable and no
folder but those on the path of this process counts. Address space and CPU time are limits of the operating system,
never above those that are inherited.
"""

from __future__ import annotations

import codecs
import importlib
import json
import math
import os
import resource
import secrets
import selectors
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

SECONDS, MEMORY_MB = 600.0, 2048  # unless others are asked for
MOST_SECONDS, LEAST_MB, MOST_MB = 10_000_000, 64, 1 << 24
OUT_OF_MEMORY, BROKEN = 86, 70  # exit codes of a job; its own are below 3
MARK = "DISTILL_JOB"
PR_SET_PDEATHSIG = 1
KEPT = 1 << 16  # bytes of what a job says on standard error


@dataclass(frozen=True)
class Ended:
    """How a job ended: its ``code``, and what it ``said`` on standard error; a limit is code 2 and one line."""

    code: int
    said: str = ""


class _Signal(Exception):  # noqa: N818 (not an error: somebody asks us to end)
    """A signal that asks this process to end."""


def guarded(entry: str, arguments: dict[str, Any], *, seconds: float, memory_mb: int, grace: float = 0.0) -> Ended:
    """Run ``entry`` ("module:function") with JSON ``arguments``; what it prints is printed, its value is the code.

    After ``seconds`` (and ``grace``, for a job that looks at the clock itself) it is ended, with all that it started.
    """
    deadline, mark = time.monotonic() + seconds + grace, secrets.token_hex(16)
    settings = {"path": sys.path, "entry": entry, "arguments": arguments, "parent": os.getpid(), "seconds": seconds}
    job = subprocess.Popen(
        [sys.executable, "-I", __file__, json.dumps({**settings, "memory_mb": memory_mb})],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        env={**os.environ, MARK: mark},
    )
    try:
        with _told_to_end():
            said = _passed_on(job, deadline)
            status = job.wait(max(0.0, deadline - time.monotonic()))
    except (TimeoutError, subprocess.TimeoutExpired):
        return Ended(2, f"not checked: it took more than {seconds:g} s; give it more with --time-limit")
    except _Signal as told:
        return Ended(2, f"not checked: ended by {told}")
    finally:
        _end(job, mark)
    return _ending(status, said, seconds, memory_mb)


def too_little_memory(memory_mb: int) -> str:
    """What is said where the limit of memory struck."""
    return f"not checked: it needs more than {memory_mb} MB of memory; give it more with --memory"


def _ending(status: int, said: str, seconds: float, memory_mb: int) -> Ended:
    if 0 <= status <= 2:
        return Ended(status, said)
    if status == OUT_OF_MEMORY:
        return Ended(2, too_little_memory(memory_mb))
    if status == 128 + signal.SIGXCPU:
        return Ended(2, f"not checked: its CPU time came to an end before the {seconds:g} s did")
    last = said.strip().splitlines()[-1:]
    if status > 128 or status < 0:
        number = status - 128 if status > 0 else -status
        name = signal.Signals(number).name if number in [*signal.Signals] else f"signal {number}"
        return Ended(2, f"not checked: its process was ended by {name} (it may have run out of memory)")
    return Ended(2, f"not checked: {''.join(last) or f'its process ended with status {status}'}")


def _passed_on(job: subprocess.Popen[bytes], deadline: float) -> str:
    """Print what ``job`` prints until it ends; the end of what it says on standard error."""
    assert job.stdout is not None
    assert job.stderr is not None
    text, said = codecs.getincrementaldecoder("utf-8")("replace"), b""
    with selectors.DefaultSelector() as selector:
        selector.register(job.stdout, selectors.EVENT_READ)
        selector.register(job.stderr, selectors.EVENT_READ)
        while selector.get_map():
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError
            for key, _ in selector.select(left):
                chunk = os.read(key.fd, KEPT)
                if not chunk:
                    selector.unregister(key.fileobj)
                elif key.fileobj is job.stdout:
                    _print(text.decode(chunk))
                else:
                    said = (said + chunk)[-KEPT:]
    return said.decode("utf-8", "replace")


def _print(text: str) -> None:
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding))
    sys.stdout.flush()


@contextmanager
def _told_to_end() -> Iterator[None]:
    """SIGTERM and SIGHUP raise here, so that the job ends before we do."""

    def tell(number: int, frame: FrameType | None) -> None:
        raise _Signal(signal.Signals(number).name)

    if threading.current_thread() is not threading.main_thread():
        yield  # only there are signals heard
        return
    before = {number: signal.signal(number, tell) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end(job: subprocess.Popen[bytes], mark: str) -> None:
    """Leave no process of the job."""
    if job.poll() is None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(job.pid, signal.SIGKILL)
    _kill_marked(mark)
    job.wait()
    for stream in (job.stdout, job.stderr):
        if stream is not None:
            stream.close()


def _kill_marked(mark: str) -> None:
    """Kill every process but this one whose environment has the mark; where there is no /proc, none is found."""
    wanted, own = f"{MARK}={mark}".encode(), os.getpid()
    for _ in range(20):  # one may have started another meanwhile
        found = [n for n in _numbers() if n != own and wanted in _environment(n).split(b"\0")]
        for number in found:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(number, signal.SIGKILL)
        if not found:
            return
        time.sleep(0.01)


def _numbers() -> list[int]:
    with suppress(OSError):
        return [int(name) for name in os.listdir("/proc") if name.isdecimal()]
    return []


def _environment(number: int) -> bytes:
    with suppress(OSError):
        return Path(f"/proc/{number}/environ").read_bytes()
    return b""


def limit(kind: int, wanted: int, spare: int = 0) -> None:
    """Set a limit of this process and its children: ``wanted``, or the inherited one where that is lower.

    What is told of it (the soft limit) comes ``spare`` before what is not (the hard one).
    """
    soft, hard = (wanted if n == resource.RLIM_INFINITY else min(wanted, n) for n in resource.getrlimit(kind))
    with suppress(ValueError, OSError):  # not every system has every limit; the deadline holds
        resource.setrlimit(kind, (max(min(soft, hard - spare), min(hard, 1)), hard))


def limit_memory(memory_mb: int) -> None:
    """Limit the address space of this process and of each of its children."""
    limit(resource.RLIMIT_AS, memory_mb << 20)


def _supervise() -> int:
    """The supervisor: start the job, wait for it, and leave nothing behind, whatever becomes of ``guarded``."""
    settings = json.loads(sys.argv[1])
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(BROKEN))
    _end_with(settings["parent"], signal.SIGTERM)
    own, pid = os.getpid(), os.fork()
    if pid == 0:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        _end_with(own, signal.SIGKILL)
        return _job(settings)
    try:
        os.dup2(0, 1)  # only the job holds the pipes, so that they end with it
        os.dup2(0, 2)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    finally:
        _kill_marked(os.environ[MARK])
    return 128 - code if code < 0 else code


def _end_with(parent: int, number: int) -> None:
    """Be sent the signal ``number`` when ``parent`` ends; end now, if it has."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, number)
    if os.getppid() != parent:
        os._exit(BROKEN)


def _job(settings: dict[str, Any]) -> int:
    cpu = math.ceil(settings["seconds"] + 1) * (os.cpu_count() or 1)
    limit(resource.RLIMIT_CORE, 0)
    limit(resource.RLIMIT_CPU, cpu, spare=1)
    limit_memory(settings["memory_mb"])
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="utf-8", errors="backslashreplace")  # type: ignore[union-attr]
    sys.path[:] = settings["path"]
    module, _, name = settings["entry"].partition(":")
    try:
        return int(getattr(importlib.import_module(module), name)(**settings["arguments"]))
    except MemoryError:
        return OUT_OF_MEMORY
    except Exception as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return BROKEN


if __name__ == "__main__":
    sys.exit(_supervise())
