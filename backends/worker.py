"""A solver in a process of its own, which can be killed: hard limits on time and memory, and no crash of ours.

The child (``backends.child``) runs in its own session and process group. A query that outlives its time limit by
``GRACE_SECONDS`` has the whole group killed; memory is limited by the operating system. A dead child is an Unknown
that names what happened; a fresh one is started at once, and gets the background again before the next query. Starting
Python and importing the solver are not charged to a query. The child's models are not trusted: ``decide`` re-evaluates
them here.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import weakref
from time import monotonic, perf_counter
from typing import Any

from pysmt.logics import Logic

from backends.answer import Answer, BackendError, Limits, Sat, Unknown, Unsat
from backends.backend import Backend
from backends.fragment import Formula
from backends.wire import Row, encode, read_value

GRACE_SECONDS = 0.5
START_SECONDS = 120.0  # to start Python, import the solver, or take over one background formula
EXIT_MEMORY = 86  # the child's exit status after running out of memory


class Worker:
    """The three methods of ``Engine``, answered by a child process."""

    def __init__(self, backend: Backend, logic: Logic, seed: int, limits: Limits) -> None:
        if os.name != "posix":
            raise BackendError("hard limits need a POSIX system; open the session with hard=False")
        self.backend, self._limits = backend, limits
        self._hello = {"home": backend.home, "logic": logic.name, "seed": seed}
        self._version = backend.version()
        self._background: list[list[Row]] = []
        self._child = _Child()
        try:
            self._greeted = self._greet()
        except _DiedError as death:
            self.close()
            raise BackendError(f"the worker for {backend.name} did not start: {death}") from death
        except BaseException:
            self.close()
            raise

    def add(self, formula: Formula) -> None:
        """Assert ``formula`` for all later queries."""
        rows = encode(formula)
        try:
            self._ready()
            self._send({"add": rows, "memory_mb": self._limits.memory_mb}, START_SECONDS)
        except _DiedError:
            self._restart()  # the next query meets the same trouble and reports it
        except BaseException:
            self._restart()
            raise
        self._background.append(rows)

    def check(self, formula: Formula, symbols: tuple[Formula, ...], limits: Limits) -> Answer:
        """The child's answer, or Unknown naming the limit or the crash that ended it."""
        request = {
            "check": encode(formula),
            "symbols": [symbol.symbol_name() for symbol in symbols],
            "seconds": limits.seconds,
            "memory_mb": limits.memory_mb,
        }
        start = perf_counter()
        try:
            self._ready()
            start = perf_counter()
            return self._read(self._send(request, None if limits.seconds is None else limits.seconds + GRACE_SECONDS))
        except _DiedError as death:
            self._restart()
            reason = death.sentence(limits)
            return Unknown(self.backend.name, self._version, perf_counter() - start, reason)
        except BaseException:
            self._restart()  # interrupted or nonsense: an old reply must not meet the next question
            raise

    def close(self) -> None:
        """Kill the child and its group."""
        self._child.kill()

    def _restart(self) -> None:
        self._child.kill()
        self._child, self._greeted = _Child(), False

    def _ready(self) -> None:
        if not self._greeted:
            self._greeted = self._greet()

    def _greet(self) -> bool:
        self._send(self._hello, START_SECONDS)
        for rows in self._background:
            self._send({"add": rows, "memory_mb": self._limits.memory_mb}, START_SECONDS)
        return True

    def _send(self, request: dict[str, Any], seconds: float | None) -> dict[str, Any]:
        reply = self._child.exchange(request, seconds)
        if "error" in reply:
            raise BackendError(str(reply["error"]))
        return reply

    def _read(self, reply: dict[str, Any]) -> Answer:
        try:
            run = (self.backend.name, self._version, float(reply["seconds"]))
            match reply:
                case {"sat": dict(model)}:
                    return Sat(*run, {str(name): read_value(value) for name, value in model.items()})
                case {"unsat": True}:
                    return Unsat(*run)
                case {"unknown": str(reason)}:
                    return Unknown(*run, reason)
        except (KeyError, TypeError, ValueError, ArithmeticError):
            pass
        raise BackendError(f"the worker for {self.backend.name} sent a reply that is no answer: {str(reply)[:200]}")


class _DiedError(Exception):
    """The child is gone or too late."""

    def __init__(self, status: int | None) -> None:
        super().__init__("it was too slow" if status is None else f"it ended with status {status}")
        self.status = status  # an exit status, minus a signal number, or None for "still running, out of time"

    def sentence(self, limits: Limits) -> str:
        """What the user should read, naming the limit that was set."""
        memory = "" if limits.memory_mb is None else f" (memory limit {limits.memory_mb} MB)"
        match self.status:
            case None:
                return f"killed at the time limit of {limits.seconds} s"
            case status if status == EXIT_MEMORY:
                return f"ran out of memory{memory}"
            case status if status == -signal.SIGXCPU:
                return f"killed at the CPU time limit of {limits.seconds} s"
            case status if status < 0:
                return f"the solver process was ended by {signal.Signals(-status).name}{memory}"
        return f"the solver process ended with status {self.status}{memory}"


class _Child:
    """A child process and the socket to it."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            path = os.pathsep.join(entry or os.getcwd() for entry in sys.path)
            # One malloc arena: each further one reserves 64 MB of the address space that RLIMIT_AS counts.
            environment = {**os.environ, "PYTHONPATH": path, "MALLOC_ARENA_MAX": "1"}
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "backends.child", str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=environment,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
            )
        self._socket = ours
        self._kill = weakref.finalize(self, _kill, self._process, ours, os.getpid())

    def exchange(self, request: dict[str, Any], seconds: float | None) -> dict[str, Any]:
        """Send one line and read one line within ``seconds``; raises _DiedError when no line comes."""
        deadline = None if seconds is None else monotonic() + seconds
        line = b""
        try:
            self._wait_until(deadline)
            self._socket.sendall(json.dumps(request).encode() + b"\n")
            while not line.endswith(b"\n"):
                self._wait_until(deadline)
                received = self._socket.recv(1 << 16)
                if not received:
                    raise ConnectionResetError
                line += received
        except TimeoutError:
            raise _DiedError(None) from None
        except OSError:
            raise _DiedError(self._status()) from None
        reply = json.loads(line)
        return reply if isinstance(reply, dict) else {"error": f"the worker sent {reply!r}"}

    def kill(self) -> None:
        """End the whole process group; ending it twice is harmless."""
        self._kill()

    def _wait_until(self, deadline: float | None) -> None:
        """Let the next socket call wait until ``deadline`` at most."""
        if deadline is not None and deadline <= monotonic():
            raise TimeoutError
        self._socket.settimeout(None if deadline is None else deadline - monotonic())

    def _status(self) -> int | None:
        try:
            return self._process.wait(timeout=GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            return None


def _kill(process: subprocess.Popen[bytes], channel: socket.socket, owner: int) -> None:
    if os.getpid() != owner:  # a fork of this process inherits the object, but not the right to end the child
        return
    channel.close()
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
