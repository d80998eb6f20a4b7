"""The suite "breadth": which of many plain functions the search finds, from their labels alone; no network is run.

One fresh process a function (``inputs.functions``): its label table, then the search of ``pipeline.search`` for at most
``SEARCH`` seconds of wall clock, then the short rule where that is not exact. The limit of a run is CPU seconds of the
whole process, start-up and table included; ``seconds`` are those of the search alone. A program that the table accepts
is compared with the function once more, row by row: as the printed text runs in Python, not as our engine reads it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from benchmarks.harness.row import BenchmarkError
from benchmarks.harness.task import Task
from benchmarks.inputs.functions import Function, chosen, table
from benchmarks.suites import texts

SUITE, OURS = "breadth", "ours"
SEARCH, START = 1 / 3, 0.25  # of the limit: what the search may take, and what start-up and table are left
EXACT, AUTOMATON, NEARLY, NOTHING = "expression", "automaton", "not exact", "nothing"
FEWEST, MOST_COMPARED = 1, 3000  # inputs on which the printed text is run


def plan(only: Sequence[str], seconds: float, memory_mb: int, seed: int = 0) -> tuple[Task, ...]:
    """One task for each function whose name holds one of ``only``, or for all."""
    return tuple(
        Task(SUITE, function.name, OURS, seed, seconds, {"search": SEARCH * seconds}, {}, memory_mb)
        for function in chosen(only)
    )


def work(task: Task, report: Callable[..., None]) -> None:
    """Search a program for one function in this process."""
    from tasks.pipeline.approximate import approximated
    from tasks.pipeline.search import searched

    (function,) = (f for f in chosen() if f.name == task.problem)
    labels, allowed = table(function), float(task.options["search"])
    figures: dict[str, Any] = {"labels": len(labels.names), "inputs": labels.size, "undecided": labels.undecided}
    figures["is_placed"] = function.is_placed
    report(solver=OURS, checked=labels.size, detail=figures)
    start = time.process_time()
    found = searched(labels, seconds=allowed, seed=task.seed)
    seconds = time.process_time() - start
    best = found.exact[0] if found.exact else getattr(found.outcome, "program", None)
    rule = None if found.is_short else approximated(labels, found, seconds=allowed / 2, seed=task.seed)
    figures["rule"] = None if rule is None else len(rule.exceptions)
    verdict = (AUTOMATON if found.is_automaton else EXACT) if found.exact else NOTHING if best is None else NEARLY
    wrong = labels.size if best is None else labels.count_exceptions(best)
    if best is not None:
        text = best.source("f")
        if found.exact:
            check_text(function, text)
        sizes = {"operators": best.size, "lines": texts.lines(text), "reading": texts.reading(text)}
        report(program=text, size=best.size, sizes=sizes)
    report(
        status="solved" if found.exact else "unsolved",
        reason=found.note,
        verdict=verdict,
        seconds=seconds,
        phases={"search": seconds, "rule": time.process_time() - start - seconds},
        candidates=found.outcome.statistics.candidates,
        wrong=wrong,
        detail=figures,
    )


def check_text(function: Function, text: str) -> None:
    """Raise BenchmarkError where the printed program, run as Python, differs from ``function`` where that has a label.

    On every sequence of the domain, or on every k-th where they are many.
    """
    names: dict[str, Any] = {}
    exec(text, names)  # our own text, in the process of this run
    domain = function.domain
    step = max(FEWEST, domain.size() // MOST_COMPARED)
    rows = [domain.words(row) for length in domain.lengths for row in domain.sequences(length)]
    for tokens in rows[::step]:
        for i, label in enumerate(function.labels(tokens)):
            arguments = (list(tokens), i) if function.is_placed else (list(tokens),)
            got = names["f"](*arguments) if label is not None else None
            if label is not None and str(got) != label:
                raise BenchmarkError(f"{function.name}: the printed program says {got!r} of {arguments}, not {label!r}")
