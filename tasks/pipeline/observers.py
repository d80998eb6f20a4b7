"""Ready observers of a run: plain lines, a live line on a terminal, a line in a notebook.

with live() as observer:
    distill(model, observer=observer)
"""

from __future__ import annotations

import html
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TextIO

from cegis import Counterexample, Round, Unknown, Valid
from dsl.showing import PANEL
from tasks.pipeline.steps import Observer, Step

Tell = Callable[[str], None]
QUIET = 15.0  # seconds without a line after which one says what goes on
MOST_LINES = 12  # of rounds and steps that a notebook keeps


def plain(file: TextIO | None = None) -> Observer:
    """A line for every round and step, on ``file`` (default: standard error).

    >>> import sys
    >>> plain(sys.stdout).on_step(Step("labels", "30 sequences", 0.1, 0.1))
    labels: 30 sequences [0.1 s]
    """
    return observer(lambda line: print(line, file=file or sys.stderr, flush=True))


@contextmanager
def live(console: Any = None, *, keeps: bool = True) -> Iterator[Observer]:
    """Rounds and steps as lines, and below them what goes on right now.

    Where there is no terminal these are plain lines, with one of what goes on wherever none came for a while.

    Without ``keeps`` a terminal shows what goes on, and no line of it stays.

    ``console``: a ``rich.console.Console`` (default: one on standard error).
    """
    from rich.console import Console
    from rich.markup import escape

    console = console or Console(stderr=True, highlight=False, soft_wrap=True)

    def say(line: str) -> None:
        console.print(line, markup=False)

    if not console.is_terminal:
        yield observer(*unhurried(say))
        return
    with console.status("reading the network") as status:

        def show(line: str) -> None:
            status.update(escape(line))

        yield observer(say if keeps else show, show)


def unhurried(say: Tell, clock: Callable[[], float] = time.monotonic) -> tuple[Tell, Tell]:
    """``say``, and a way to show what goes on right now: said where nothing was for ``QUIET`` seconds."""
    told = clock()

    def tell(line: str) -> None:
        nonlocal told
        told = clock()
        say(line)

    def show(line: str) -> None:
        if clock() - told >= QUIET:
            tell(f"  {line}")

    return tell, show


@contextmanager
def notebook() -> Iterator[Observer]:
    """One output that changes as a run goes on: the last rounds and steps, and what goes on right now.

    Raises ImportError where IPython is not installed.
    """
    from IPython.display import HTML, display

    lines: list[str] = []
    handle = display(HTML(""), display_id=True)

    def show(line: str) -> None:
        told = "".join(f"<div>{html.escape(text)}</div>" for text in [*lines[-MOST_LINES:], line] if text)
        handle.update(HTML(f'<div style="{PANEL};font-family:monospace;font-size:.85em">{told}</div>'))

    def say(line: str) -> None:
        lines.append(line)
        show("")

    yield observer(say, show)


def observer(say: Tell, show: Tell = lambda line: None) -> Observer:
    """An observer that tells lines: ``say`` one for good, ``show`` one until the next."""

    def on_round(event: Round[Any]) -> None:
        match event.verdict:
            case Valid():
                result = "accepted"
            case Counterexample(inputs, expected, _):
                result = f"refuted by {' '.join(map(str, inputs))!r} (network: {expected!r})"
            case Unknown(reason):
                result = f"undecided: {reason}"
        say(f"  round {event.number}: {event.program.size} operators, {result}")

    def on_step(step: Step) -> None:
        say(f"{step.name}: {step.text} [{step.seconds:.1f} s]")
        show("working")

    return Observer(
        on_step,
        on_round,
        lambda done, total: show(f"running the network: {done:,} of {total:,} sequences"),
        lambda length, longest: show(f"compared up to length {length} of {longest}"),
        lambda length, seconds: show(f"length {length} proved in {seconds:.1f} s"),
        lambda what, done, total: show(f"{what} {done:,} of {total:,}"),
    )
