"""What a run is told of while it goes on, and the steps it took: one clock, one observer."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from cegis import Round


def _nothing(*_: object) -> None:
    """Nobody looks."""


@dataclass(frozen=True)
class Step:
    """What a step established, and its cost in seconds of wall clock and of this process's CPU."""

    name: str
    text: str
    seconds: float
    cpu_seconds: float


@dataclass(frozen=True)
class Observer:
    """Who is told what: a step that ended, a round of the search, and how far something has come.

    ``on_progress(done, total)`` counts labelled inputs, ``on_length(length, longest)`` lengths that were compared,
    ``on_query(length, seconds)`` lengths that a solver proved, ``on_work(what, done, total)`` anything else, in words.
    """

    on_step: Callable[[Step], None] = _nothing
    on_round: Callable[[Round[Any]], None] = _nothing
    on_progress: Callable[[int, int], None] = _nothing
    on_length: Callable[[int, int], None] = _nothing
    on_query: Callable[[int, float], None] = _nothing
    on_work: Callable[[str, int, int], None] = _nothing


SILENT = Observer()


@dataclass
class Clock:
    """Steps as they end, and the time that is left of ``seconds`` (wall clock)."""

    seconds: float
    on_step: Callable[[Step], None] = _nothing
    steps: list[Step] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.start = self._wall = time.perf_counter()
        self._cpu = time.process_time()

    @property
    def end(self) -> float:
        """When the time is up, by ``time.perf_counter``."""
        return self.start + self.seconds

    @property
    def left(self) -> float:
        """Seconds until the end, but some."""
        return max(0.1, self.start + self.seconds - time.perf_counter())

    @property
    def has_time(self) -> bool:
        """Whether some is left."""
        return time.perf_counter() < self.start + self.seconds

    def stop(self) -> None:
        """Leave no time: the user interrupts."""
        self.seconds = 0.0

    def done(self, name: str, text: str) -> None:
        """Note a step that began when the last one ended."""
        wall, cpu = time.perf_counter(), time.process_time()
        self.steps.append(Step(name, text, wall - self._wall, cpu - self._cpu))
        self._wall, self._cpu = wall, cpu
        self.on_step(self.steps[-1])
