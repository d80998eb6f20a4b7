"""Solvers that search for functions themselves: one question, one answer, in a process that can be killed.

``ask`` starts a program, gives it a script and reads its reply as s-expressions. It holds a wall-clock limit, the
program keeps the CPU and memory limits it is given, and an ``Interrupt`` ends it from another thread. However ``ask``
is left, nothing is left running. What these answers say is never trusted: who asked has to verify it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event, RLock
from time import monotonic

from backends.answer import Limits
from backends.process import DiedError
from backends.program import Program
from backends.sexpression import Expression


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


class Interrupt(Event):
    """An event that, once set, also ends every program asked under it; hand one to all searchers of a race."""

    def __init__(self) -> None:
        super().__init__()
        self._programs: set[Program] = set()
        self._lock = RLock()

    def set(self) -> None:
        """End what runs; whatever is asked afterwards is not begun."""
        with self._lock:
            super().set()
            for program in self._programs:
                program.end()

    @contextmanager
    def over(self, program: Program) -> Iterator[None]:
        """The block in which ``program`` is asked; it is dead afterwards."""
        with self._lock:
            self._programs.add(program)
            if self.is_set():
                program.end()
        try:
            yield
        finally:
            with self._lock:
                self._programs.remove(program)
            program.kill()


def ask(
    name: str,
    command: tuple[str, ...],
    script: Sequence[str],
    *,
    seconds: float,
    memory_mb: int | None = None,
    interrupt: Interrupt | None = None,
) -> list[Expression] | NoAnswer:
    """What the program prints for ``script``; raises BackendError when it cannot be started or prints nonsense."""
    deadline, interrupt = monotonic() + seconds, interrupt or Interrupt()
    limits = Limits(seconds, memory_mb)
    if interrupt.is_set():
        return NoAnswer("interrupted")
    program = Program(name, command, memory_mb)
    with interrupt.over(program):
        try:
            return program.say(script, deadline)
        except DiedError as death:
            return NoAnswer("interrupted" if interrupt.is_set() else death.sentence(limits))
