"""The report of the suite "workers", made from rows alone: the same result, its cost, when it pays, and on how many."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from benchmarks.harness import standing
from benchmarks.harness.row import BenchmarkError, Row
from benchmarks.harness.standing import Plan
from benchmarks.reports.comparison import shown_seconds
from benchmarks.reports.document import Block, Grid, Heading, Paragraph, save
from benchmarks.reports.page import conditions
from benchmarks.reports.result_xml import written
from benchmarks.reports.summary import summary
from benchmarks.reports.sweep_page import WORKERS, scaling
from benchmarks.suites.workers import COUNT, DASK, HERE, LIST, PARTS, PROCESSES, SUITE, TOOLS

TITLE = "Proofs by workers"
ABOUT = (
    "One piece of a proof, four ways. CPU seconds of everything that "
    f"was started, {COUNT} workers' start-up included. In parts: what workers are given, one after the other in one "
    "process; parts share no beginnings of sequences, so they may be more work than the whole. Efficiency: what the "
    "cheaper of these two cost, by all that the workers used. Pays from: CPU seconds of such work from which "
    f"{COUNT} workers end earlier, if each has a core of its own: a calculation from their start-up and the loss by "
    "parts."
)


def write(rows_file: Path, folder: Path) -> str:
    """Write workers.md and workers.html to ``folder``; the Markdown text. Raises BenchmarkError."""
    rows, plan = written(rows_file, folder)
    return save(folder, "workers", TITLE, report(rows, plan), {})


def report(rows: Sequence[Row], plan: Plan | None = None) -> list[Block]:
    """The blocks of the report."""
    if not rows:
        raise BenchmarkError("there are no rows to make a report from; run: distill bench --suite workers")
    by_name: dict[str, dict[str, Row]] = {}
    for row in rows:
        if row.status == "solved":
            by_name.setdefault(row.problem, {})[row.backend] = row
    errors = [row for row in rows if row.status == "error"]
    differ = [name for name, of in by_name.items() if not is_alike(of)]
    blocks: list[Block] = [
        Heading(TITLE, 1),
        *summary({SUITE: standing.of_rows(rows, plan, SUITE)}, ranks=False),
        Paragraph(f"Errors: {len(errors)}.", is_bad=bool(errors)),
        Paragraph(f"Results that depend on the workers: {len(differ)}{_named(differ)}.", is_bad=bool(differ)),
        Paragraph(ABOUT),
        _costs(by_name),
        *_scaling(by_name),
    ]
    return [*blocks, *conditions(rows)]


def is_alike(of: Mapping[str, Row]) -> bool:
    """Whether the ways that are cut alike, which are all but the whole listing, came to one result, to the last bit."""
    is_cut = any(row.options.get("what", LIST) != LIST for row in of.values())
    return len({of[tool].detail["result"] for tool in TOOLS if tool in of and (is_cut or tool != HERE)}) <= 1


def _named(names: Sequence[str]) -> str:
    return f" ({', '.join(names)})" if names else ""


def pays_from(here: float, parts: float, by_workers: float) -> float | None:
    """From how many CPU seconds of a listing on two workers end earlier; None where parts cost too much.

    With a start of s seconds each, and parts that cost f times the whole, T seconds take s + f T / n: less than T from
    s / (1 - f / n) on.
    """
    start, factor = max(0.0, by_workers - parts) / COUNT, max(1.0, parts / here)
    return None if factor >= COUNT else start / (1 - factor / COUNT)


def _costs(by_name: Mapping[str, Mapping[str, Row]]) -> Grid:
    body = []
    for name, of in by_name.items():
        seconds = {tool: of[tool].seconds for tool in TOOLS if tool in of}
        here, parts = seconds.get(HERE), seconds.get(PARTS)
        cells = [shown_seconds(seconds[tool]) if tool in seconds else "" for tool in TOOLS]
        for tool in (PROCESSES, DASK):
            used = seconds.get(tool)
            if not (here and parts and used):
                cells += ["", ""]
                continue
            least = pays_from(here, parts, used)
            cells += [f"{min(here, parts) / used:.0%}", "never" if least is None else shown_seconds(least)]
        told = next(iter(of.values())).detail
        count = sum(map(len, of[PARTS].detail["parts"])) if PARTS in of else 0
        body.append([name, str(told["longest"]), f"{told['size']:,} {told['of']}", f"{count:,}", *cells])
    head = ["what", "length", "size", "parts", *(f"{tool}, s" for tool in TOOLS)]
    for tool in (PROCESSES, DASK):
        head += [f"efficiency, {tool}", "pays from, s"]
    return Grid(head, body)


def _replayed(row: Row, workers: int) -> float:
    """Seconds of a run whose parts are given to so many workers, round by round; the rest is done by one."""
    rounds: list[list[float]] = row.detail["parts"]
    alone = max(0.0, (row.seconds or 0.0) - sum(map(sum, rounds)))
    return alone + sum(scaling(of_round, workers) for of_round in rounds)


def _scaling(by_name: Mapping[str, Mapping[str, Row]]) -> Iterable[Block]:
    yield Heading("On more workers")
    yield Paragraph(
        "A calculation, no measurement: the recorded parts of each, each as long as its CPU seconds, in their order, "
        "given to the next worker that is free; those of a level, or a step, when the one before has ended, and what "
        "is done between parts by the one that gives them out, as long as it took. Start-up and the way to a worker "
        "cost nothing. How many times as quick as one worker."
    )
    body = []
    found = {name: of[PARTS] for name, of in by_name.items() if PARTS in of}
    for workers in WORKERS:
        quick = [f"{_replayed(row, 1) / _replayed(row, workers):.1f}" for row in found.values()]
        body.append([f"{workers:,}", *quick])
    yield Grid(["workers", *found], body)
