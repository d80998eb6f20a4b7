"""What ``distill solve`` tells on standard error: rounds, and every few seconds how far the search is."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from cegis import Counterexample, Round, Statistics, Unknown, Valid

SECONDS = 5.0  # between two plain lines


@dataclass
class Teller:
    """Observers of a search: ``say`` a line for good, ``show`` one until the next, ``seconds`` apart at least."""

    say: Callable[[str], None]
    show: Callable[[str], None]
    seconds: float = 0.0
    started: float = field(default_factory=time.monotonic)
    shown: float = field(default_factory=time.monotonic)

    def on_event(self, event: Round[Any]) -> None:
        """One line for every candidate and its verdict."""
        match event.verdict:
            case Valid():
                result = "accepted"
            case Counterexample(inputs):
                result = f"refuted by {', '.join(map(repr, inputs))}" if inputs else "refuted"
            case Unknown(reason):
                result = f"undecided: {reason}"
        self.say(f"  round {event.number}: {event.program.size} operators, {result}")

    def on_progress(self, statistics: Statistics) -> None:
        """Cost reached, candidates and memory, if it is time to."""
        now = time.monotonic()
        if now >= self.shown + self.seconds:
            self.shown = now
            rate = f"{statistics.candidates_per_second:,.0f} per second"
            self.show(
                f"  {now - self.started:.0f} s: cost {statistics.level}, {statistics.candidates:,} candidates "
                f"({rate}), {statistics.memory_mb:,.0f} MiB"
            )


@dataclass(frozen=True)
class Observers:
    """The ``on_...`` arguments of ``solve``; by default they tell nothing."""

    on_event: Callable[[Round[Any]], None] = lambda event: None
    on_progress: Callable[[Statistics], None] = lambda statistics: None


@contextmanager
def telling(*, quiet: bool) -> Iterator[Observers]:
    """Observers for ``solve``: a live line on a terminal, plain lines elsewhere, nothing if ``quiet``."""
    if quiet:
        yield Observers()
        return
    if not sys.stderr.isatty():
        teller = Teller(_say, _say, SECONDS)
        yield Observers(teller.on_event, teller.on_progress)
        return
    from rich.console import Console  # a tenth of the time a small problem takes

    console = Console(stderr=True, highlight=False, soft_wrap=True)
    with console.status("searching") as status:
        teller = Teller(lambda line: console.print(line, markup=False), lambda line: status.update(line.strip()))
        yield Observers(teller.on_event, teller.on_progress)


def _say(line: str) -> None:
    print(line, file=sys.stderr)
