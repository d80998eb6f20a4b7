"""One page of results over many networks: program, verdict, exceptions, horizon and cost of each, from rows alone.

Beside it, in ``json``, stands the whole result of each network as the command printed it.
"""

from __future__ import annotations

import heapq
import json
import os
import random
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from benchmarks.harness import standing
from benchmarks.harness.row import UNMEASURED, BenchmarkError, Row
from benchmarks.harness.standing import Plan
from benchmarks.reports.comparison import shown_seconds
from benchmarks.reports.document import Block, Code, Grid, Heading, Paragraph, save
from benchmarks.reports.page import STARVED_SECONDS, conditions
from benchmarks.reports.result_xml import written
from benchmarks.reports.summary import summary
from benchmarks.suites import programs, sweep
from cegis.claim import counted

TITLE = "Networks, and what equals them"
NAME, FOLDER = "sweep", "json"
WORKERS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1000)
WIDEST = 100  # characters of a program in the table
ABOUT = (
    "Each network in a fresh process of distill run, whose time limit is {limit} s of wall clock; CPU seconds are of "
    "the whole process, start included. Proved: the program equals the network on all that was asked; proved where "
    "labelled: wherever the network has a label beyond its error bound. Exceptions are of the inputs that were "
    "listed; of streams and pairs, which are taken together, one that breaks the program is known, or none is. The "
    "horizon is the length (of pairs, the digits) up to which it equals the network wherever that has a label. The "
    "whole result, and what it rests on, is in the file of each."
)


def write(rows_file: Path, folder: Path) -> str:
    """Write sweep.md, sweep.html and a file for each result to ``folder``; the Markdown text. Raises BenchmarkError."""
    rows, plan = written(rows_file, folder)
    for row in rows:
        keep(row, folder)
    return save(folder, NAME, TITLE, report(rows, plan), {})


def keep(row: Row, folder: Path) -> Path | None:
    """Write the whole result of a run beside the page, where it has one."""
    if "result" not in row.detail:
        return None
    path = folder / where(row)
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.write_text(json.dumps(row.detail["result"], ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    os.replace(fresh, path)
    return path


def where(row: Row) -> str:
    """The path of a result's file from the page."""
    return f"{FOLDER}/{sweep.file_name(row.problem)}.json"


def report(rows: Sequence[Row], plan: Plan | None = None) -> list[Block]:
    """The blocks of the page."""
    if not rows:
        raise BenchmarkError("there are no rows to make a page from; run: distill sweep FOLDER")
    stands = {sweep.SUITE: standing.of_rows(rows, plan, sweep.SUITE)}
    broken = [row for row in rows if row.status == "error"]
    blocks: list[Block] = [
        Heading(TITLE, 1),
        *summary(stands, ranks=False),
        Paragraph(f"Errors: {len(broken)}.", is_bad=bool(broken)),
    ]
    if broken:
        blocks.append(Grid(["network", "what happened"], [[row.problem, row.reason] for row in broken]))
    if starved := [row.problem for row in rows if is_starved(row)]:
        text = f"{len(starved):,} of the networks without an exact program got less than half of a core, "
        blocks.append(Paragraph(f"{text}and may come to more on a free machine: {', '.join(starved)}.", is_bad=True))
    limits = ", ".join(sorted({f"{row.options['limit']:g}" for row in rows}))
    blocks += [Paragraph(ABOUT.format(limit=limits)), _counts(rows), Heading("Every network"), _every(rows)]
    refused = [row for row in rows if row.status == "unsupported"]
    if refused:
        blocks += [Heading("Refused"), Grid(["network", "why"], [[row.problem, row.reason] for row in refused])]
    blocks += [Heading("Programs"), *_programs(rows), *_scaling(rows)]
    return [*blocks, *conditions(rows)]


def is_starved(row: Row) -> bool:
    """Whether a run without an exact program was short of a processor: its time limit is wall clock."""
    return row.status == "unsolved" and row.walltime > STARVED_SECONDS and row.cputime < row.walltime / 2


def outcome(row: Row) -> str:
    """What came of a run, in a word or two."""
    if row.status in ("solved", "unsolved"):
        return row.verdict
    return "refused" if row.status == "unsupported" else row.status


def scaling(lengths: Sequence[float], workers: int) -> float:
    """Seconds until the last of runs of these ``lengths`` ends, each given to the next of ``workers`` that is free."""
    free = [0.0] * workers
    for length in lengths:
        heapq.heapreplace(free, free[0] + length)
    return max(free)


def _scaling(rows: Sequence[Row]) -> Iterable[Block]:
    """The recorded runs, played again on more workers."""
    lengths = [row.cputime for row in rows if row.status not in UNMEASURED]
    whole = sum(lengths)
    if len(lengths) < 2 or whole == 0:
        return
    order = list(lengths)
    random.Random(0).shuffle(order)  # as runs are
    body = []
    for workers in WORKERS:
        seconds = scaling(order, workers)
        body.append(
            [f"{workers:,}", shown_seconds(seconds), f"{whole / seconds:.1f}", f"{whole / seconds / workers:.0%}"]
        )
        if workers >= len(lengths):
            break
    yield Heading("On more workers")
    yield Paragraph(
        "A calculation, no measurement: these runs, each as long as its CPU seconds, in a shuffled order, given to the "
        "next worker that is free; the way to a worker costs nothing. The longest run, "
        f"{shown_seconds(max(lengths))} s, is the least that any number of workers takes."
    )
    yield Grid(["workers", "seconds", "times as quick", "of the workers in use"], body)


def _counts(rows: Sequence[Row]) -> Paragraph:
    counts = Counter(outcome(row) for row in rows)
    words = (programs.PROVED, programs.LABELLED, programs.HORIZON, programs.EXCEPTIONS, programs.NONE)
    order = [word for word in words if word in counts] + sorted(set(counts) - set(words))
    spent = sum(row.cputime for row in rows if row.status not in UNMEASURED)
    listed = ", ".join(f"{word} {counts[word]:,}" for word in order)
    return Paragraph(f"{len(rows):,} networks and questions: {listed}; {shown_seconds(spent)} CPU seconds in all.")


def _every(rows: Sequence[Row]) -> Grid:
    head = ["network", "verdict", "exceptions", "horizon", "CPU s", "wall s", "MB", "lines", "result", "program"]
    links: dict[str, str] = {}
    body = []
    for row in rows:
        told = row.detail.get("result", {})
        file = where(row) if told else ""
        links |= {file: file} if file else {}
        text = " ⏎ ".join(line.strip() for line in row.program.splitlines()[1:])
        body.append([
            row.problem,
            outcome(row),
            _exceptions(row),
            _horizon(told.get("horizon"), told.get("extension")),
            shown_seconds(row.cputime),
            shown_seconds(row.walltime),
            f"{row.memory / 1e6:.0f}",
            str(row.sizes["lines"]) if row.sizes else "",
            file,
            text if len(text) <= WIDEST else f"{text[: WIDEST - 1]}…",
        ])  # fmt: skip
    return Grid(head, body, links)


def _exceptions(row: Row) -> str:
    """How many there are of those that were looked at; of inputs that were taken together, that one is known."""
    told = row.detail.get("result", {})
    if "kind" in told and told.get("broken"):
        return "one is known"
    return f"{row.wrong:,} of {counted(row.checked)}" if row.wrong is not None and row.checked else ""


def _horizon(found: int | None, extension: object) -> str:
    if isinstance(extension, dict) and extension.get("proved") and extension.get("lengths", [0, 0])[1] is None:
        return "every length"
    return "" if found is None else str(found)


def _programs(rows: Sequence[Row]) -> Iterable[Block]:
    for row in rows:
        if "result" in row.detail:
            yield Heading(row.problem, 3)
            yield Paragraph(str(row.detail["result"].get("sentence") or outcome(row)))
            yield from [Code(row.program)] if row.program else []
