"""The report on solvers, made from rows alone: what went wrong first, then one section per suite.

Of runs that were made more than once (another commit, another limit) the one that was planned last counts; what is
compared, and whether anybody is ranked, is decided in ``standing``. Written as report.html (one
page with its drawings inside), report.md, and every drawing as SVG and PNG.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median

from benchmarks.harness import standing
from benchmarks.harness.measure import WALL
from benchmarks.harness.row import BenchmarkError, Row
from benchmarks.harness.runexec import OURS, WORDS
from benchmarks.harness.standing import Plan, Standing
from benchmarks.reports import plots, scores, smtlib_section
from benchmarks.reports.beside import every_run, kept_queries
from benchmarks.reports.comparison import Add, compared, shown_seconds
from benchmarks.reports.document import Block, Figure, Grid, Heading, Paragraph, save
from benchmarks.reports.plots import Drawing
from benchmarks.reports.result_xml import written
from benchmarks.reports.summary import scope, summary

TITLE = "Solvers against each other"
STARVED_SECONDS = 5.0  # of wall clock; shorter runs are not looked at
SHOWN = 20  # errors and disagreements listed one by one
ABOUT = {
    "loop": "The whole distillation loop with each solver, steered by its own counterexamples; an instance is a "
    "circuit, a longest length and a seed. CPU seconds of search and proof; fitting and start-up are left out.",
    "replay": "The same recorded queries to every solver. Incremental: one session stays open. One-shot: a fresh "
    "session per query. CPU seconds of one decide: checks, conversion, solving, the model read back and re-evaluated; "
    "translation to another logic (bitwuzla gets QF_BV) is left out.",
    "smtlib": "SMT-LIB files as they are, each to a solver's own program and reader; CPU seconds of the whole file, of "
    "which Python's start is left out where a solver has no program of its own. The limit holds with the start. An "
    "answer against the file's own :status is wrong, and an error; models are not looked at. Figures are by logic.",
    "growth": "One refutation of the circuit's program: at growing lengths, and at length 10 with idle ReLU units.",
    "overhead": "The same queries through this project's solver layer (decide) and through the solver's own Python "
    "interface (terms built by a direct walk, push, assert, check, values, pop), one session each. pySMT: the part of "
    "decide that converts, solves and reads the model; the rest checks the question and re-evaluates the model.",
}
BESIDE = "With what its process wrote, and the file that it was given, where they are kept beside this page."
PHASES = ("search", "encode", "solve")


def write(rows_file: Path, folder: Path) -> str:
    """Write the report of ``rows_file`` to ``folder``; the Markdown text. Raises BenchmarkError without rows."""
    rows, plan = written(rows_file, folder)
    return save(folder, "report", TITLE, *report(rows, plan=plan, queries=kept_queries(folder)))


def report(
    rows: Sequence[Row],
    draw: bool | None = None,
    plan: Plan | None = None,
    queries: frozenset[str] = frozenset(),
) -> tuple[list[Block], dict[str, Drawing]]:
    """The blocks of the report and its drawings; none are made where matplotlib is missing.

    ``queries``: the names of those that stand beside the page.
    """
    if not rows:
        raise BenchmarkError("there are no rows to make a report from; run a suite first: distill bench --suite loop")
    draw = plots.is_installed() if draw is None else draw
    drawings: dict[str, Drawing] = {}
    found = {suite: _standing(rows, plan, suite) for suite in ABOUT if suite in _suites(rows, plan)}
    blocks: list[Block] = [Heading(TITLE, 1), *summary(found), *_wrong(rows)]

    def add(name: str, caption: str, make: Callable[[str], Drawing]) -> None:
        if draw:
            drawings[name] = make(name)
            blocks.append(Figure(name, caption))

    for suite, stands in found.items():
        own = [row for row in rows if row.suite == suite and row.backend in stands.tools]
        blocks += [Heading(f"Suite {suite}"), Paragraph(ABOUT[suite])]
        if shared := [row for row in own if suite == "replay" or standing.task_of(row) in stands.common]:
            blocks += scope(stands, "queries" if suite == "replay" else "runs")
            SECTIONS[suite](shared, stands, blocks, add)
        else:
            blocks.append(Paragraph("There is nothing that every tool ran."))
    if not draw:
        blocks.append(Paragraph("No drawings were made: matplotlib is not installed (pip install matplotlib)."))
    blocks += [Heading("Every run"), Paragraph(BESIDE), every_run(rows, queries)]
    return [*blocks, *conditions(rows)], drawings


def _suites(rows: Sequence[Row], plan: Plan | None) -> set[str]:
    """The suites that were run or were to be."""
    return {row.suite for row in rows} | {suite for suite, *_ in (plan.keys if plan is not None else ())}


def _standing(rows: Sequence[Row], plan: Plan | None, suite: str) -> Standing:
    """The standing of a suite; of a replay whose runs were all made, that of its queries."""
    own = [row for row in rows if row.suite == suite]
    found = standing.of_rows(own, plan, suite)
    if suite != "replay" or not found.may_rank:
        return found
    queries = scores.standing(a for a in scores.attempts(own) if a.backend in found.tools)
    return found if queries.is_complete else replace(queries, absent=found.absent)


def _wrong(rows: Sequence[Row]) -> Iterable[Block]:
    """Disagreements and errors, counted even when there are none."""
    found = scores.conflicts(rows)
    yield Heading("Disagreements and errors")
    yield Paragraph(f"Disagreements: {len(found)}.", is_bad=bool(found))
    if found:
        yield Grid(
            ["question", "answers"],
            [[c.instance, ", ".join(f"{who}: {said}" for who, said in c.said.items())] for c in found[:SHOWN]],
        )
    broken = [
        (f"{r.suite}: {r.problem}", r.backend, r.seed, r.reason) for r in rows if r.status in ("error", "wrong", "lost")
    ]
    broken += [
        (f"{r.suite}: {r.problem}: {name}", r.backend, r.seed, answer)
        for r in rows
        for name, answer, *_ in r.answers
        if answer.startswith("error")
    ]
    yield Paragraph(f"Errors: {len(broken)}.", is_bad=bool(broken))
    if broken:
        yield Grid(["run", "backend", "seed", "what happened"], [[str(c) for c in line] for line in broken[:SHOWN]])


def _loop(rows: Sequence[Row], stands: Standing, blocks: list[Block], add: Add) -> None:
    compared("loop", rows, "runs", stands, blocks, add)
    blocks.append(_limits(rows))
    blocks += [
        Paragraph("Median seconds per phase (of wall clock), and counts, over the runs that every backend solved:"),
        _phases(rows),
    ]
    lengths: dict[str, dict[int, list[float]]] = {}
    sizes: dict[str, dict[int, list[float]]] = {}
    for row in rows:
        lengths.setdefault(row.backend, {}).setdefault(row.options["length"], []).append(_charged(row))
        for size, seconds in row.detail.get("checks", ()):
            sizes.setdefault(row.backend, {}).setdefault(size, []).append(seconds)
    _grow(
        "loop-length",
        lengths,
        "longest sequence",
        "Median seconds of a loop, by longest sequence; twice the limit without an answer.",
        add,
    )
    _grow("loop-size", sizes, "operators", "Median seconds to check a candidate, by its number of operators.", add)


def _replay(rows: Sequence[Row], stands: Standing, blocks: list[Block], add: Add) -> None:
    for mode in sorted({str(row.options["mode"]) for row in rows}):
        own = [row for row in rows if row.options["mode"] == mode]
        blocks.append(Heading(f"{mode.capitalize()}: {max(_asked(own).values()):,} queries", 3))
        compared(f"replay-{mode}", own, "queries", stands, blocks, add)
    blocks.append(_limits(rows))


def _asked(rows: Sequence[Row]) -> dict[str, int]:
    return {backend: sum(r.queries for r in rows if r.backend == backend) for backend in {r.backend for r in rows}}


def _growth(rows: Sequence[Row], stands: Standing, blocks: list[Block], add: Add) -> None:
    compared("growth", rows, "questions", stands, blocks, add, pairwise=False)
    blocks.append(_limits(rows))
    for kind, across in (("length", "sequence length"), ("width", "idle ReLU units")):
        own = [row for row in rows if row.options["kind"] == kind]
        values: dict[str, dict[int, list[float]]] = {}
        for row in own:
            step = row.options["length"] if kind == "length" else 2 * row.options["pairs"]
            values.setdefault(row.backend, {}).setdefault(step, []).append(_charged(row))
        steps = sorted({step for cells in values.values() for step in cells})
        grid = [
            [backend, *(shown_seconds(median(cells[s])) if s in cells else "–" for s in steps)]
            for backend, cells in sorted(values.items())
        ]
        blocks += [
            Paragraph(f"Median seconds over circuits, by {across}; twice the limit without an answer:"),
            Grid(["backend", *map(str, steps)], grid),
        ]
        _grow(f"growth-{kind}", values, across, f"Median seconds of one refutation over circuits, by {across}.", add)


def _overhead(rows: Sequence[Row], stands: Standing, blocks: list[Block], add: Add) -> None:
    body = []
    for backend in sorted({row.backend for row in rows}):
        cells = [cell for r in rows if r.backend == backend for cell in r.detail.get("pairs", ())]
        if cells:
            times = [f"{median(column) * 1e3:.2f}" for column in zip(*cells, strict=True)]
            inner = median(solver / native for _, native, solver in cells)
            whole = median(layer / native for layer, native, _ in cells)
            body.append([backend, f"{len(cells):,}", times[1], times[2], times[0], f"{inner:.2f}", f"{whole:.2f}"])
    head = ["backend", "queries", "native, ms", "pySMT, ms", "decide, ms", "pySMT / native", "decide / native"]
    blocks += [Paragraph("Medians over queries:"), Grid(head, body)]


SECTIONS: dict[str, Callable[[Sequence[Row], Standing, list[Block], Add], None]] = {
    "loop": _loop,
    "replay": _replay,
    "smtlib": smtlib_section.section,
    "growth": _growth,
    "overhead": _overhead,
}


def _limits(rows: Sequence[Row]) -> Block:
    """Which limit ended how many runs and replayed queries."""
    counts: dict[str, int] = {}
    for row in rows:
        for reason in (row.terminationreason, *(a[1] for a in row.answers if a[1].startswith("unknown"))):
            if reason not in ("", "failed"):
                counts[reason] = counts.get(reason, 0) + 1
    listed = ", ".join(f"{reason} {count}" for reason, count in sorted(counts.items()))
    return Paragraph(f"Ended by a limit or without an answer: {listed or 'none'}.")


def _phases(rows: Sequence[Row]) -> Block:
    body = []
    names = sorted({row.backend for row in rows})
    done = {(standing.task_of(row), row.backend) for row in rows if row.status == "solved"}
    for backend in names:
        solved = [row for row in rows if all((standing.task_of(row), name) in done for name in names)]
        own = [row for row in solved if row.backend == backend]
        if own:
            parts = [shown_seconds(median(row.phases.get(phase, 0.0) for row in own)) for phase in PHASES]
            counts = [f"{median(getattr(r, what) for r in own):,.0f}" for what in ("queries", "candidates", "size")]
            memory, cpu = median(r.memory for r in own) / 1e6, median(r.cputime for r in own)
            body.append([backend, *parts, *counts, shown_seconds(cpu), f"{memory:.0f}"])
    return Grid(["backend", *PHASES, "queries", "candidates", "operators", "CPU, whole process", "MB"], body)


def _charged(row: Row) -> float:
    """Seconds of a run; twice its limit where it has no answer."""
    return row.seconds if row.status == "solved" and row.seconds is not None else 2 * row.timelimit


def _grow(name: str, values: dict[str, dict[int, list[float]]], across: str, caption: str, add: Add) -> None:
    lines = {b: [(float(x), median(ys)) for x, ys in cells.items()] for b, cells in values.items() if cells}
    if lines:
        add(name, caption, lambda file: plots.growth(file, lines, across))


def conditions(rows: Sequence[Row]) -> Iterable[Block]:
    """Limits, versions, machine and commit of the rows, each value once."""
    limits = dict.fromkeys(f"{r.suite}: {r.limits}" for r in rows)
    places = dict.fromkeys(f"{r.machine}; commit {r.commit}; source {r.source}" for r in rows)
    versions = dict.fromkeys(f"{name} {version}" for row in rows for name, version in row.versions.items())
    loads = [row.load for row in rows]
    runners = dict.fromkeys(WORDS[row.options.get("runner", OURS)] for row in rows)
    yield Heading("Conditions")
    yield Paragraph(
        f"Limits, of CPU: {'; '.join(limits)}. Wall clock may take {WALL:g} times as long; a run that it ends is made "
        f"again, and never counted. {len(rows):,} runs, each a fresh process, in an order shuffled by seed, from "
        f"{min(row.starttime for row in rows)} to {max(row.starttime for row in rows)}, measured by "
        f"{' and by '.join(runners)}; load "
        f"average at their starts {min(loads):.1f} to {max(loads):.1f}. {'; '.join(places)}. {', '.join(versions)}."
    )
    starved = [row for row in rows if row.walltime > STARVED_SECONDS and row.cputime < row.walltime / 2]
    if starved:
        yield Paragraph(f"{len(starved):,} runs got less than half of a core while they ran.", is_bad=True)
