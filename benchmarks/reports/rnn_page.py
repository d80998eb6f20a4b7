"""The report of the suite "rnn", made from rows alone: program, claim, horizon, exceptions, seconds, beside L*."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from benchmarks.harness import standing
from benchmarks.harness.row import BenchmarkError, Row, read
from benchmarks.harness.standing import Plan
from benchmarks.reports.comparison import shown_seconds
from benchmarks.reports.document import Block, Code, Grid, Heading, Paragraph, save
from benchmarks.reports.page import conditions
from benchmarks.reports.summary import summary
from benchmarks.suites.networks import OURS
from benchmarks.suites.rnn import FLOAT32, LSTAR, ORIGINS, RETRAINED, SUITE

TITLE = "Recurrent networks: programs, and where they are proved equal"
ABOUT = (
    "Proved means over every stream of the task's length, or of every length: nothing is sampled. Held is the printed "
    "text, run on random streams beside the network. Seconds are CPU seconds of the whole work, check those of the "
    "independent checker on its certificate (none: such a proof has no certificate yet). Of acceptors every word is "
    "listed, to the length listed; exceptions are all words to there on which the program that the run found, not the "
    "language that was taught, differs from the network; float32 is the length to which every label is bounded in "
    "float32 as executed, in a run of its own."
)


def write(rows_file: Path, folder: Path) -> str:
    """Write rnn.md and rnn.html to ``folder``; the Markdown text. Raises BenchmarkError."""
    plan = standing.load(rows_file)
    return save(folder, "rnn", TITLE, report(standing.chosen(read(rows_file), plan), plan), {})


def report(rows: Sequence[Row], plan: Plan | None = None) -> list[Block]:
    """The blocks of the report."""
    if not rows:
        raise BenchmarkError("there are no rows to make a report from; run: distill bench --suite rnn")
    stands = {SUITE: standing.of_rows(rows, plan, SUITE)}
    errors = [row for row in rows if row.status == "error"]
    blocks: list[Block] = [Heading(TITLE, 1), *summary(stands), Paragraph(f"Errors: {len(errors)}.", bool(errors))]
    blocks.append(Paragraph(ABOUT))
    for origin in ORIGINS:
        own = [row for row in rows if row.detail.get("origin") == origin]
        if own:
            blocks += [Heading(origin[0].upper() + origin[1:]), *_count(origin, own), _table(own)]
    blocks += [Heading("Unsolved"), *_unsolved(rows), Heading("Programs and claims"), *_programs(rows)]
    return [*blocks, *conditions(rows)]


def _count(origin: str, rows: Sequence[Row]) -> Iterable[Block]:
    ours = [row for row in rows if row.backend == OURS]
    solved = [row for row in ours if row.status == "solved"]
    every = [row for row in solved if row.detail.get("every")]
    text = f"{len(solved)} of {len(ours)} solved, {len(every)} of them for every length."
    if origin == RETRAINED:
        text += " Solved is a program proved over every stream of the task's length."
    yield Paragraph(text)


def _table(rows: Sequence[Row]) -> Grid:
    peers = {row.problem: row for row in rows if row.backend == LSTAR}
    executed = {row.problem: row for row in rows if row.backend == FLOAT32}
    body = []
    for row in rows:
        if row.backend != OURS:
            continue
        detail = row.detail
        horizon = "every length" if detail.get("every") else _text(detail.get("horizon"))
        body.append(
            [
                row.problem, "proved" if row.status == "solved" and not detail.get("breaks") else _ended(row), horizon,
                _text(detail.get("exceptions", 0 if row.status == "solved" else None)), _text(detail.get("method")),
                _text(detail.get("state")), _text(detail.get("domain")), _text(row.sizes.get("lines")),
                "–" if not row.checked else f"{row.checked - (row.wrong or 0):,} of {row.checked:,}",
                "–" if row.seconds is None else shown_seconds(row.seconds), _check(detail.get("check")),
                _text(detail.get("length") if "asked" in detail else None), *_float32(executed.get(row.problem)),
                *_peer(peers.get(row.problem)),
            ]
        )  # fmt: skip
    head = [
        "network",
        "",
        "horizon",
        "exceptions",
        "method",
        "state",
        "domain",
        "lines",
        "held",
        "s",
        "check, s",
        "listed to",
        "float32 to",
        "float32 s",
        "L* states",
        "L* s",
    ]
    return Grid(head, body)


def _ended(row: Row) -> str:
    if row.detail.get("breaks"):
        return f"breaks at {row.detail['breaks']}"
    return "exceptions" if row.status == "solved" else row.status


def _check(value: object) -> str:
    """Seconds of the independent checker; none where there is no certificate."""
    return shown_seconds(value) if isinstance(value, float) else "–" if value is None else "none"


def _text(value: object) -> str:
    return "–" if value is None or value == "" else f"{value:,}" if isinstance(value, int) else str(value)


def _float32(row: Row | None) -> tuple[str, str]:
    if row is None or row.seconds is None:
        return "–", "–"
    return _text(row.detail.get("whole")), shown_seconds(row.seconds)


def _peer(row: Row | None) -> tuple[str, str]:
    if row is None or row.seconds is None:
        return "–", "–"
    states = f"{row.size}" if row.status == "solved" else f"{row.size}, not right" if row.size else "none"
    return states, shown_seconds(row.seconds)


def _unsolved(rows: Sequence[Row]) -> Iterable[Block]:
    body = [
        [row.problem, row.detail.get("origin", ""), row.reason]
        for row in rows
        if row.backend == OURS and row.status != "solved"
    ]
    yield Grid(["network", "origin", "reason"], body) if body else Paragraph("None.")


def _programs(rows: Sequence[Row]) -> Iterable[Block]:
    for row in rows:
        if row.backend == OURS and row.program:
            file = row.detail.get("file")
            said = f"{row.detail.get('claim', '').rstrip('.')}{f'; all of them are in {file}' if file else ''}"
            yield Paragraph(f"{row.problem}, {row.detail.get('origin', '')}: {said}.")
            yield Code(row.program)
        elif row.backend in (FLOAT32, LSTAR) and "claim" in row.detail:
            yield Paragraph(f"{row.problem}, {row.backend}: {row.detail['claim']}.")
