"""Solvers that search for functions themselves: one question, one answer, in a process that can be killed.

``ask`` starts a program, gives it a script and reads its reply as s-expressions. It holds a wall-clock limit, the
system those on CPU time and memory, and a ``stop`` that turns true ends the program. However ``ask`` is left, nothing
is left running (``backends.launcher``). What these answers say is never trusted: who asked has to verify it.
"""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from time import monotonic
from typing import TYPE_CHECKING

from backends.answer import Limits

if TYPE_CHECKING:
    from backends.session import Session
    from backends.sexpression import Expression

LAUNCHER = str(Path(__file__).with_name("launcher.py"))
POLL_SECONDS = 0.02
STOPPED = "stopped from outside"
Stop = Callable[[], bool]


def never() -> bool:
    """Nothing stops it but its limits."""
    return False


@dataclass(frozen=True)
class Answered:
    """One ``(define-fun ...)`` text for each function."""

    functions: tuple[str, ...]


@dataclass(frozen=True)
class Infeasible:
    """The solver says that there is no solution."""

    reason: str


@dataclass(frozen=True)
class NoAnswer:
    """Neither, and why: a limit, a crash, an interruption, a problem it does not take."""

    reason: str


@dataclass(frozen=True)
class NotApplicable(NoAnswer):
    """No answer, because the problem is of another kind than what the solver is for."""


def ask(
    name: str,
    command: tuple[str, ...],
    script: Sequence[str],
    *,
    seconds: float,
    memory_mb: int | None = None,
    stop: Stop = never,
) -> list[Expression] | NoAnswer:
    """What the program prints for ``script``; raises BackendError when it cannot be started or prints nonsense.

    ``stop()`` is asked now and then, in another thread; once it is true, the program is ended.
    """
    from backends.process import DiedError  # most problems are solved before anybody is asked
    from backends.program import Program

    deadline, limits = monotonic() + seconds, Limits(seconds, memory_mb)
    if stop():
        return NoAnswer(STOPPED)
    limited = (sys.executable, "-I", "-S", LAUNCHER, str(os.getpid()), str(math.ceil(seconds) + 1), *command)
    program, ended = Program(name, limited, memory_mb), Event()
    watcher = Thread(target=_watch, args=(program.end, stop, ended), daemon=True)
    try:
        watcher.start()
        return program.say(script, deadline)
    except DiedError as death:
        return NoAnswer(STOPPED if stop() else death.sentence(limits))
    finally:
        program.kill()
        ended.set()


@contextmanager
def interruptible(session: Session, stop: Stop) -> Iterator[Session]:
    """``session``, whose query under way ends once ``stop()`` is true; for a solver in a process of its own."""
    ended = Event()
    watcher = Thread(target=_watch, args=(session.interrupt, stop, ended), daemon=True)
    watcher.start()
    try:
        yield session
    finally:
        ended.set()


def _watch(end: Callable[[], None], stop: Stop, ended: Event) -> None:
    while not ended.wait(POLL_SECONDS):
        if stop():
            end()
            return
