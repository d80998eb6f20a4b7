"""Observers that show a run's progress on standard error: a live line on a terminal, plain lines elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console

from cegis import Counterexample, Round, Unknown, Valid
from tasks.pipeline.steps import SILENT, Observer, Step


@contextmanager
def observed(*, quiet: bool = False) -> Iterator[Observer]:
    """The observer that reports to standard error; with ``quiet`` nothing is shown."""
    if quiet:
        yield SILENT
        return
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    if not console.is_terminal:
        yield _observer(lambda line: console.print(line, markup=False), lambda line: None)
        return
    with console.status("reading the network") as status:
        yield _observer(lambda line: console.print(line, markup=False), lambda line: status.update(_plain(line)))


def _observer(say: Callable[[str], None], show: Callable[[str], None]) -> Observer:
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
        lambda done, total: show(f"left out, one at a time: {done:,} of {total:,} parts"),
    )


def _plain(line: str) -> str:
    """``line`` with nothing that rich would read as markup."""
    return line.replace("[", "\\[")
