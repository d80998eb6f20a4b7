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
import socket
import subprocess
import sys
from time import monotonic, perf_counter
from typing import Any, Protocol

from pysmt.logics import Logic

from backends.answer import Answer, BackendError, Limits, Sat, Unknown, Unsat
from backends.fragment import Formula
from backends.process import GRACE_SECONDS, Child, DiedError
from backends.wire import Encoder, read_value

START_SECONDS = 120.0  # to start Python, import the solver, or take over one background formula


class Hosted(Protocol):
    """What a worker asks of a solver: ``home`` is where the child process finds the same value."""

    @property
    def name(self) -> str:
        """What answers call it."""
        ...

    @property
    def home(self) -> str:
        """Its import path, ``module:attribute``."""
        ...

    def version(self) -> str:
        """The version that is installed."""
        ...


class Worker:
    """The three methods of ``Engine``, answered by a child process."""

    def __init__(self, backend: Hosted, logic: Logic, seed: int, limits: Limits) -> None:
        if os.name != "posix":
            raise BackendError("hard limits need a POSIX system; open the session with hard=False")
        self.backend, self._limits = backend, limits
        self._hello = {"home": backend.home, "logic": logic.name, "seed": seed}
        self._version = backend.version()
        self._background: list[tuple[Formula, str | None]] = []
        self._child, self._encoder = Child(_start), Encoder()
        try:
            self._greeted = self._greet()
        except DiedError as death:
            self.close()
            raise BackendError(f"the worker for {backend.name} did not start: {death}") from death
        except BaseException:
            self.close()
            raise

    def add(self, formula: Formula, name: str | None = None) -> None:
        """Assert ``formula`` for all later queries, under a name for unsatisfiable cores."""
        try:
            self._ready()
            self._tell(formula, name)
        except DiedError:
            self._restart()  # the next query meets the same trouble and reports it
        except BaseException:
            self._restart()
            raise
        self._background.append((formula, name))

    def check(self, formula: Formula, symbols: tuple[Formula, ...], limits: Limits) -> Answer:
        """The child's answer, or Unknown naming the limit or the crash that ended it."""
        start = perf_counter()
        try:
            self._ready()
            request = {
                "check": self._encoder.encode(formula),
                "symbols": [symbol.symbol_name() for symbol in symbols],
                "seconds": limits.seconds,
                "memory_mb": limits.memory_mb,
            }
            start = perf_counter()
            return self._read(self._send(request, None if limits.seconds is None else limits.seconds + GRACE_SECONDS))
        except DiedError as death:
            self._restart()
            reason = death.sentence(limits)
            return Unknown(self.backend.name, self._version, perf_counter() - start, reason)
        except BaseException:
            self._restart()  # interrupted or nonsense: an old reply must not meet the next question
            raise

    def ready(self) -> None:
        """Wait until a live child knows the background; raises DiedError if it ends meanwhile."""
        if not self._child.is_alive():
            self._restart()
        self._ready()

    def interrupt(self) -> None:
        """From another thread: kill the child, so that ``check`` ends as Unknown."""
        self._child.kill()

    def close(self) -> None:
        """Kill the child and its group."""
        self._child.kill()

    def _restart(self) -> None:
        self._child.kill()
        self._child, self._encoder, self._greeted = Child(_start), Encoder(), False

    def _ready(self) -> None:
        if not self._greeted:
            self._greeted = self._greet()

    def _greet(self) -> bool:
        self._send(self._hello, START_SECONDS)
        for formula, name in self._background:
            self._tell(formula, name)
        return True

    def _tell(self, formula: Formula, name: str | None) -> None:
        request = {"add": self._encoder.encode(formula), "name": name, "memory_mb": self._limits.memory_mb}
        self._send(request, START_SECONDS)

    def _send(self, request: dict[str, Any], seconds: float | None) -> dict[str, Any]:
        deadline = None if seconds is None else monotonic() + seconds
        line = self._child.exchange(json.dumps(request).encode() + b"\n", lambda reply: reply.endswith(b"\n"), deadline)
        reply = json.loads(line)
        if not isinstance(reply, dict) or "error" in reply:
            raise BackendError(str(reply["error"]) if isinstance(reply, dict) else f"the worker sent {reply!r}")
        return reply

    def _read(self, reply: dict[str, Any]) -> Answer:
        try:
            run = (self.backend.name, self._version, float(reply["seconds"]))
            match reply:
                case {"sat": dict(model)}:
                    return Sat(*run, {str(name): read_value(value) for name, value in model.items()})
                case {"unsat": True, "core": [*core]}:
                    return Unsat(*run, tuple(map(str, core)))
                case {"unknown": str(reason)}:
                    return Unknown(*run, reason)
        except (KeyError, TypeError, ValueError, ArithmeticError):
            pass
        raise BackendError(f"the worker for {self.backend.name} sent a reply that is no answer: {str(reply)[:200]}")


def _start(theirs: socket.socket) -> subprocess.Popen[bytes]:
    path = os.pathsep.join(entry or os.getcwd() for entry in sys.path)
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "backends.child", str(theirs.fileno())],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        # One malloc arena: each further one reserves 64 MB of the address space that RLIMIT_AS counts.
        env={**os.environ, "PYTHONPATH": path, "MALLOC_ARENA_MAX": "1"},
        pass_fds=(theirs.fileno(),),
        start_new_session=True,
    )
