"""A run's progress on standard error: a live line on a terminal, plain lines elsewhere, nothing where that is asked."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tasks.commands.manners import Manners
from tasks.pipeline.observers import live
from tasks.pipeline.steps import SILENT, Observer


@contextmanager
def observed(manners: Manners) -> Iterator[Observer]:
    """The observer that reports to standard error, as ``manners`` say."""
    if manners.is_silent:
        yield SILENT
        return
    with live(keeps=manners.verbose) as observer:
        yield observer
