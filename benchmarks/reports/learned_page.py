"""The report of the suite "learned", made from rows alone: with and without motifs, on problems that were held back."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import mean, median

from benchmarks.harness import standing
from benchmarks.harness.row import BenchmarkError, Row
from benchmarks.harness.standing import Plan
from benchmarks.reports.comparison import shown_seconds
from benchmarks.reports.document import Block, Grid, Heading, Paragraph, save
from benchmarks.reports.page import conditions
from benchmarks.reports.result_xml import written
from benchmarks.reports.summary import summary
from benchmarks.suites.learned import BOTH, CANDIDATES, GROUPS, PLAIN, SUITE, VARIANTS, motifs_file

TITLE = "Learned motifs: with and without, on problems held back"
ABOUT = (
    "The motifs and costs were learned from the programs that the plain search found for the other half of the "
    "functions. Each problem is searched from its labels alone, by one enumeration of the whole grammar with the same "
    "number of candidates; solved is an exact program with little enough to read. Candidates, CPU seconds of the "
    "search and words to read are over the problems that all four solved."
)
LIMITS = (1_000, 3_000, 10_000, 30_000, CANDIDATES)


def write(rows_file: Path, folder: Path) -> str:
    """Write learned.md and learned.html to ``folder``; the Markdown text. Raises BenchmarkError."""
    rows, plan = written(rows_file, folder)
    motifs = motifs_file(rows_file.parent, rows[0].seed if rows else 0)
    told = json.loads(motifs.read_text(encoding="utf-8")) if motifs.exists() else {}
    return save(folder, "learned", TITLE, report(rows, plan, told), {})


def report(rows: Sequence[Row], plan: Plan | None = None, motifs: Mapping[str, object] | None = None) -> list[Block]:
    """The blocks of the report; ``motifs``: the file that was learned."""
    if not rows:
        raise BenchmarkError("there are no rows to make a report from; run: distill bench --suite learned")
    stands = {SUITE: standing.of_rows(rows, plan, SUITE)}
    errors = [row for row in rows if row.status == "error"]
    blocks: list[Block] = [Heading(TITLE, 1), *summary(stands), Paragraph(f"Errors: {len(errors)}.", bool(errors))]
    blocks += [Paragraph(ABOUT), *_sums(rows), Heading("Solved within so many candidates"), _within(rows)]
    blocks += [Heading("Differences"), *_differences(rows)]
    if motifs:
        blocks += [Heading("Motifs"), Paragraph(f"From {motifs['about']}."), _motifs(motifs)]
    return [*blocks, *conditions(rows)]


def _sums(rows: Sequence[Row]) -> Iterable[Block]:
    groups = {group: [row for row in rows if row.detail.get("group") == group] for group in GROUPS}
    body = [line for group, own in (*groups.items(), ("all", list(rows))) if own for line in _lines(group, own)]
    yield Grid(
        ["problems", "grammar", "of", "solved", "all four", "candidates, median", "CPU s, sum", "to read, mean"],
        body,
    )


def _within(rows: Sequence[Row]) -> Grid:
    """How many problems a grammar has solved by a number of candidates, without more of them."""
    body = []
    for variant in VARIANTS:
        used = [row.candidates for row in rows if row.backend == variant and row.status == "solved"]
        body.append([variant, *(f"{sum(candidates <= limit for candidates in used)}" for limit in LIMITS)])
    return Grid(["grammar", *(f"{limit:,}" for limit in LIMITS)], body)


def _lines(group: str, rows: Sequence[Row]) -> Iterable[list[str]]:
    by_variant = {variant: {row.problem: row for row in rows if row.backend == variant} for variant in VARIANTS}
    solved = {
        variant: {name for name, row in own.items() if row.status == "solved"} for variant, own in by_variant.items()
    }
    common = sorted(set.intersection(*solved.values()))
    for variant in VARIANTS:
        own = [by_variant[variant][name] for name in common]
        figures = ["–", "–", "–"]
        if own:
            figures = [
                f"{median(row.candidates for row in own):,.0f}",
                shown_seconds(sum(row.seconds or 0.0 for row in own)),
                f"{mean(row.sizes['reading'] for row in own):.1f}",
            ]
        yield [group, variant, f"{len(by_variant[variant])}", f"{len(solved[variant])}", f"{len(common)}", *figures]


def _differences(rows: Sequence[Row]) -> Iterable[Block]:
    """Problems where a variant solves what plain does not, or the other way round, or answers with less or more."""
    plain = {row.problem: row for row in rows if row.backend == PLAIN}
    body = []
    for row in sorted(rows, key=lambda row: (VARIANTS.index(row.backend), row.problem)):
        if row.backend == PLAIN or row.problem not in plain:
            continue
        before = plain[row.problem]
        was, is_now = before.status == "solved", row.status == "solved"
        if was != is_now:
            body.append([row.problem, row.backend, "solved" if is_now else "lost", _size(before), _size(row)])
        elif was and before.sizes["reading"] != row.sizes["reading"]:
            word = "shorter" if row.sizes["reading"] < before.sizes["reading"] else "longer"
            body.append([row.problem, row.backend, word, _size(before), _size(row)])
    counts = [
        [variant, *(f"{sum(line[1] == variant and line[2] == word for line in body)}" for word in WORDS)]
        for variant in VARIANTS
        if variant != PLAIN
    ]
    yield Grid(["grammar", *WORDS], counts)
    yield Grid(["problem", "grammar", "now", "to read, plain", "to read"], [line for line in body if line[1] == BOTH])


WORDS = ("solved", "lost", "shorter", "longer")


def _size(row: Row) -> str:
    return f"{row.sizes['reading']}" if row.sizes else "–"


def _motifs(told: Mapping[str, object]) -> Grid:
    motifs = told["motifs"]
    assert isinstance(motifs, list)
    rows = [
        [motif["name"], f"{motif['uses']}", motif["nonterminal"],
         ", ".join(["token"] * motif["tokens"] + motif["takes"]), motif["example"]]
        for motif in motifs
    ]  # fmt: skip
    return Grid(["motif", "uses", "is a", "of", "text"], rows)
