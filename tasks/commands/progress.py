"""Observers that show a run's progress on standard error: a live line on a terminal, plain lines elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console

from cegis import Counterexample, Round, Unknown, Valid
from tasks.pipeline.distill import Link


@contextmanager
def observed(*, quiet: bool = False) -> Iterator[dict[str, Callable[..., None]]]:
    """The ``on_...`` arguments of ``prolong`` that report to standard error; with ``quiet`` nothing is shown.

    Other functions take some of them: ``distill`` all but ``on_reach``.
    """
    if quiet:
        yield {}
        return
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    if not console.is_terminal:
        yield _observers(lambda line: console.print(line, markup=False), lambda line: None)
        return
    with console.status("running the circuit") as status:
        yield _observers(lambda line: console.print(line, markup=False), lambda line: status.update(_plain(line)))


def _observers(say: Callable[[str], None], show: Callable[[str], None]) -> dict[str, Callable[..., None]]:
    def on_round(event: Round) -> None:
        match event.verdict:
            case Valid():
                result = "accepted"
            case Counterexample(inputs, expected, _):
                result = f"refuted by {' '.join(map(str, inputs))!r} (network: {expected!r})"
            case Unknown(reason):
                result = f"undecided: {reason}"
        say(f"  round {event.number}: {event.program.size} operators, {result}")

    def on_link(link: Link) -> None:
        say(f"{link.name}: {link.text} [{link.seconds:.1f} s]")
        show("working")

    def on_progress(done: int, total: int) -> None:
        show(f"running the circuit: {done:,} of {total:,} sequences")

    def on_length(length: int, seconds: float) -> None:
        show(f"length {length} proved in {seconds:.1f} s")

    def on_reach(length: int, reach: int) -> None:
        show(f"compared up to length {length} of {reach}")

    observers: dict[str, Any] = {
        "on_round": on_round,
        "on_link": on_link,
        "on_progress": on_progress,
        "on_length": on_length,
        "on_reach": on_reach,
    }
    return observers


def _plain(line: str) -> str:
    """``line`` with nothing that rich would read as markup."""
    return line.replace("[", "\\[")
