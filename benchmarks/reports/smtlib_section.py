"""The section of the suite "smtlib": by logic who takes which files, the scores, and every file with every tool."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from benchmarks.harness.row import Row
from benchmarks.harness.standing import Standing
from benchmarks.reports import scores
from benchmarks.reports.comparison import Add, compared, shown_seconds
from benchmarks.reports.document import Block, Grid, Heading, Paragraph

NOT_TAKEN = "unsupported"


def section(rows: Sequence[Row], stands: Standing, blocks: list[Block], add: Add) -> None:
    """A table for each logic, over the files that every tool with any of them takes; then every file."""
    logics = sorted({str(row.options["logic"]) for row in rows})
    disputed = unsettled(rows)
    for logic in logics:
        own = [row for row in rows if row.options["logic"] == logic]
        taken = [row for row in own if row.status != NOT_TAKEN]
        tools = {row.backend for row in taken}
        files = {row.problem for row in own}
        common = {f for f in files if tools == {row.backend for row in taken if row.problem == f}} - disputed
        blocks.append(Heading(f"{logic}: {_files(len(files))}", 3))
        blocks += [*_not_taken(own), *_disputed(files & disputed)]
        if left := len(files - disputed - common):
            blocks.append(Paragraph(f"Figures are over the {_files(len(common))} that each of them takes; {left} not."))
        if shared := [row for row in taken if row.problem in common]:
            compared(f"smtlib-{logic}", shared, "files", stands, blocks, add, pairwise=len(logics) == 1)
    blocks += [Heading("Every file", 3), every_file(rows)]


def unsettled(rows: Sequence[Row]) -> set[str]:
    """The files on a question of which tools disagree where the file gives no status: nobody knows who is right."""
    found = scores.conflicts([row for row in rows if row.suite == "smtlib"])
    names = {conflict.instance for conflict in found if scores.BY_THE_FILE not in conflict.said}
    return {row.problem for row in rows if any(answer[0] in names for answer in row.answers)}


def every_file(rows: Sequence[Row]) -> Grid:
    """A line a file: its status, and of every tool the seconds, or how it ended."""
    tools = sorted({row.backend for row in rows})
    cells = {(row.problem, row.backend): row for row in rows}
    body = []
    for problem in sorted({row.problem for row in rows}):
        found = {tool: cells[problem, tool] for tool in tools if (problem, tool) in cells}
        one = next(iter(found.values()))
        status = ", ".join(dict.fromkeys(said or "none" for said in one.options["expected"]))
        told = [_cell(found[tool]) if tool in found else "" for tool in tools]
        body.append([problem, str(one.options["logic"]), status, *told])
    return Grid(["file", "logic", ":status", *(f"{tool}, s" for tool in tools)], body)


def _cell(row: Row) -> str:
    return f"{shown_seconds(row.seconds)} {row.verdict}" if row.status == "solved" else row.status


def _not_taken(rows: Sequence[Row]) -> Iterable[Block]:
    """Who takes which files not, in the tool's own words where it was asked."""
    for tool in sorted({row.backend for row in rows}):
        own = [row for row in rows if row.backend == tool]
        refused = [row for row in own if row.status == NOT_TAKEN]
        if refused:
            many = "all" if len(refused) == len(own) else f"{len(refused)} of {len(own)}"
            words = "; ".join(sorted({row.reason for row in refused})[:3])
            yield Paragraph(f"Not taken by {tool}: {many} ({words}). No loss.")


def _disputed(names: set[str]) -> Iterable[Block]:
    if names:
        listed = ", ".join(sorted(names))
        yield Paragraph(f"Tools disagree and no :status decides, so these are in no figure: {listed}.", is_bad=True)


def _files(count: int) -> str:
    return f"{count:,} file" if count == 1 else f"{count:,} files"
