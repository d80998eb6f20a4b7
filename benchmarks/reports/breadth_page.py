"""The report of the suite "breadth", made from rows alone: what was found, by kind; every function; every program."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import median

from benchmarks.harness import standing
from benchmarks.harness.row import BenchmarkError, Row
from benchmarks.harness.standing import Plan
from benchmarks.reports.comparison import shown_seconds
from benchmarks.reports.document import Block, Code, Grid, Heading, Paragraph, save
from benchmarks.reports.page import conditions
from benchmarks.reports.result_xml import written
from benchmarks.reports.summary import summary
from benchmarks.suites import breadth

TITLE = "Breadth: which plain functions are found"
ABOUT = (
    "Each function in a fresh process, from its labels alone, no network: the search, and the short rule where that is "
    "not exact. An exact program was run as Python, too, and compared with the function. CPU seconds of the search; to "
    "read are the words and signs of the program's text."
)
WORST = 10  # exact programs with most to read


def write(rows_file: Path, folder: Path) -> str:
    """Write breadth.md and breadth.html to ``folder``; the Markdown text. Raises BenchmarkError."""
    rows, plan = written(rows_file, folder)
    return save(folder, "breadth", TITLE, report(rows, plan), {})


def report(rows: Sequence[Row], plan: Plan | None = None) -> list[Block]:
    """The blocks of the report."""
    if not rows:
        raise BenchmarkError("there are no rows to make a report from; run: distill bench --suite breadth")
    stands = {breadth.SUITE: standing.of_rows(rows, plan, breadth.SUITE, is_grid=False)}
    errors = [row for row in rows if row.status == "error"]
    blocks: list[Block] = [Heading(TITLE, 1), *summary(stands), Paragraph(f"Errors: {len(errors)}.", bool(errors))]
    if errors:
        blocks.append(Grid(["function", "what happened"], [[row.problem, row.reason] for row in errors]))
    blocks += [Paragraph(ABOUT), *_sums(rows), Heading("Functions"), _functions(rows)]
    exact = sorted((row for row in rows if row.status == "solved"), key=lambda row: -row.sizes["reading"])
    blocks.append(Heading(f"The {min(WORST, len(exact))} exact programs with most to read"))
    for row in exact[:WORST]:
        blocks += [Paragraph(f"{row.problem}: {row.sizes['reading']} to read, {row.sizes['lines']} lines"),
                   Code(row.program)]  # fmt: skip
    return [*blocks, *conditions(rows)]


def _sums(rows: Sequence[Row]) -> Iterable[Block]:
    kinds = {
        "a label at every place": [row for row in rows if row.detail.get("is_placed")],
        "a label a sequence": [row for row in rows if not row.detail.get("is_placed")],
        "all": list(rows),
    }
    body = [[name, *_figures(own)] for name, own in kinds.items() if own]
    head = [
        "kind",
        "functions",
        "exact",
        "of them automata",
        "CPU s, median",
        "most",
        "in all",
        "to read, median",
        "most",
    ]
    yield Grid(head, body)


def _figures(rows: Sequence[Row]) -> list[str]:
    exact = [row for row in rows if row.status == "solved"]
    used = [row.cputime if row.seconds is None else row.seconds for row in rows]
    sizes = [row.sizes["reading"] for row in exact]
    automata = sum(row.verdict == breadth.AUTOMATON for row in exact)
    counts = [f"{len(rows)}", f"{len(exact)}", f"{automata}"]
    times = [shown_seconds(seconds) for seconds in (median(used), max(used), sum(used))]
    return [*counts, *times, *([f"{median(sizes):g}", f"{max(sizes)}"] if sizes else ["–", "–"])]


def _functions(rows: Sequence[Row]) -> Grid:
    head = ["function", "found", "wrong", "CPU s", "candidates", "lines", "to read", "program"]
    order = sorted(rows, key=lambda row: (row.status == "solved", row.problem))
    return Grid(head, [_line(row) for row in order])


def _line(row: Row) -> list[str]:
    found = row.verdict if row.status in ("solved", "unsolved") else row.status
    wrong = "" if not row.wrong else f"{row.wrong:,} of {row.checked:,}"
    sizes = [f"{row.sizes[name]}" if row.sizes else "" for name in ("lines", "reading")]
    body = " ⏎ ".join(line.strip() for line in row.program.splitlines()[1:]) if row.sizes.get("lines", 99) <= 3 else "…"
    return [
        row.problem,
        found,
        wrong,
        shown_seconds(row.seconds),
        f"{row.candidates:,}",
        *sizes,
        body if row.program else "",
    ]
