"""A run's progress on standard error: a live line on a terminal, plain lines elsewhere, nothing where that is asked."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tasks.pipeline.observers import live
from tasks.pipeline.steps import SILENT, Observer


@contextmanager
def observed(*, quiet: bool = False) -> Iterator[Observer]:
    """The observer that reports to standard error; with ``quiet`` nothing is shown."""
    if quiet:
        yield SILENT
        return
    with live() as observer:
        yield observer
