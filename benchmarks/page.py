"""The report on solvers, made from rows alone: what went wrong first, then one section per suite.

Of runs that were made more than once (another commit, another limit) the newest counts. Written as report.html (one
page with its drawings inside), report.md, and every drawing as SVG and PNG.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import combinations
from pathlib import Path
from statistics import median

from benchmarks import plots, scores
from benchmarks.document import Block, Figure, Grid, Heading, Paragraph, save
from benchmarks.plots import Drawing
from benchmarks.row import BenchmarkError
from benchmarks.task import Result, read

TITLE = "Solvers against each other"
SHOWN = 20  # errors and disagreements listed one by one
ABOUT = {
    "loop": "The whole distillation loop with each solver, steered by its own counterexamples; an instance is a "
    "circuit, a longest length and a seed. Seconds of search and proof; fitting and start-up are left out.",
    "replay": "The same recorded queries to every solver. Incremental: one session stays open. One-shot: a fresh "
    "session per query. Seconds of one decide: checks, conversion, solving, the model read back and re-evaluated; "
    "translation to another logic (bitwuzla gets QF_BV) is left out.",
    "growth": "One refutation of the circuit's program: at growing lengths, and at length 10 with idle ReLU units.",
    "overhead": "The same queries through this project's solver layer (decide) and through the solver's own Python "
    "interface (terms built by a direct walk, push, assert, check, values, pop), one session each. pySMT: the part of "
    "decide that converts, solves and reads the model; the rest checks the question and re-evaluates the model.",
}
PHASES = ("search", "encode", "solve")


def write(rows_file: Path, folder: Path) -> str:
    """Write the report of ``rows_file`` to ``folder``; the Markdown text. Raises BenchmarkError without rows."""
    return save(folder, "report", TITLE, *report(newest(read(rows_file))))


def newest(rows: Iterable[Result]) -> tuple[Result, ...]:
    """The last row of each problem, backend and seed of a suite, sorted."""
    found = {(row.suite, row.problem, row.backend, row.seed): row for row in rows}
    return tuple(found[key] for key in sorted(found))


def report(rows: Sequence[Result], draw: bool | None = None) -> tuple[list[Block], dict[str, Drawing]]:
    """The blocks of the report and its drawings; none are made where matplotlib is missing."""
    if not rows:
        raise BenchmarkError("there are no rows to make a report from; run a suite first: distill bench --suite loop")
    draw = plots.is_installed() if draw is None else draw
    drawings: dict[str, Drawing] = {}
    blocks: list[Block] = [Heading(TITLE, 1), *_wrong(rows)]

    def add(name: str, caption: str, make: Callable[[str], Drawing]) -> None:
        if draw:
            drawings[name] = make(name)
            blocks.append(Figure(name, caption))

    for suite in ABOUT:
        own = [row for row in rows if row.suite == suite]
        if not own:
            continue
        blocks += [Heading(f"Suite {suite}"), Paragraph(ABOUT[suite])]
        SECTIONS[suite](own, blocks, add)
    if not draw:
        blocks.append(Paragraph("No drawings were made: matplotlib is not installed (pip install matplotlib)."))
    return [*blocks, *conditions(rows)], drawings


Add = Callable[[str, str, Callable[[str], Drawing]], None]


def _wrong(rows: Sequence[Result]) -> Iterable[Block]:
    """Disagreements and errors, counted even when there are none."""
    found = scores.conflicts(rows)
    yield Heading("Disagreements and errors")
    yield Paragraph(f"Disagreements: {len(found)}.", is_bad=bool(found))
    if found:
        yield Grid(
            ["question", "answers"],
            [[c.instance, ", ".join(f"{who}: {said}" for who, said in c.said.items())] for c in found[:SHOWN]],
        )
    broken = [(f"{r.suite}: {r.problem}", r.backend, r.seed, r.reason) for r in rows if r.status in ("error", "lost")]
    broken += [
        (f"{r.suite}: {r.problem}: {name}", r.backend, r.seed, answer)
        for r in rows
        for name, answer, *_ in r.answers
        if answer.startswith("error")
    ]
    yield Paragraph(f"Errors: {len(broken)}.", is_bad=bool(broken))
    if broken:
        yield Grid(["run", "backend", "seed", "what happened"], [[str(c) for c in line] for line in broken[:SHOWN]])


def _loop(rows: Sequence[Result], blocks: list[Block], add: Add) -> None:
    _compared("loop", rows, "runs", blocks, add)
    blocks.append(_limits(rows))
    blocks += [Paragraph("Median seconds per phase, and counts, over solved runs:"), _phases(rows)]
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


def _replay(rows: Sequence[Result], blocks: list[Block], add: Add) -> None:
    for mode in sorted({str(row.options["mode"]) for row in rows}):
        own = [row for row in rows if row.options["mode"] == mode]
        blocks.append(Heading(f"{mode.capitalize()}: {max(_asked(own).values()):,} queries", 3))
        _compared(f"replay-{mode}", own, "queries", blocks, add)
    blocks.append(_limits(rows))


def _asked(rows: Sequence[Result]) -> dict[str, int]:
    return {backend: sum(r.queries for r in rows if r.backend == backend) for backend in {r.backend for r in rows}}


def _growth(rows: Sequence[Result], blocks: list[Block], add: Add) -> None:
    _compared("growth", rows, "questions", blocks, add, pairwise=False)
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


def _overhead(rows: Sequence[Result], blocks: list[Block], add: Add) -> None:
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


SECTIONS: dict[str, Callable[[Sequence[Result], list[Block], Add], None]] = {
    "loop": _loop,
    "replay": _replay,
    "growth": _growth,
    "overhead": _overhead,
}


def _compared(
    name: str, rows: Sequence[Result], unit: str, blocks: list[Block], add: Add, *, pairwise: bool = True
) -> None:
    """The table of scores, the cactus, and a scatter for every two backends."""
    found = scores.attempts(rows)
    versions = {row.backend: row.solver for row in rows}
    head = ["backend", "solved", "errors", "PAR-2", "unique", "median on common", "seconds in all"]
    body = [
        [versions.get(s.backend, s.backend), f"{s.solved:,}/{s.attempts:,}", str(s.errors), shown_seconds(s.par2),
         f"{s.unique:,}" if s.backend in versions else "–", shown_seconds(s.common), shown_seconds(s.total)]
        for s in scores.scores(found)
    ]  # fmt: skip
    blocks.append(Grid(head, body))
    names = scores.backends(found)
    add(
        f"{name}-cactus",
        f"Cactus: {unit} solved within a limit for each.",
        lambda file: plots.cactus(file, {b: scores.cactus(found, b) for b in names}, unit),
    )
    for one, other in combinations(names, 2) if pairwise else ():
        points = scores.pairs(found, one, other)
        add(
            f"{name}-{one}-{other}",
            f"{one} across, {other} up; twice the limit where there is no answer.",
            lambda file, p=points, a=one, b=other: plots.scatter(file, p, a, b),  # type: ignore[misc]
        )


def _limits(rows: Sequence[Result]) -> Block:
    """Which limit ended how many runs and replayed queries."""
    counts: dict[str, int] = {}
    for row in rows:
        for reason in (row.terminationreason, *(a[1] for a in row.answers if a[1].startswith("unknown"))):
            if reason not in ("", "failed"):
                counts[reason] = counts.get(reason, 0) + 1
    listed = ", ".join(f"{reason} {count}" for reason, count in sorted(counts.items()))
    return Paragraph(f"Ended by a limit or without an answer: {listed or 'none'}.")


def _phases(rows: Sequence[Result]) -> Block:
    body = []
    for backend in sorted({row.backend for row in rows}):
        own = [row for row in rows if row.backend == backend and row.status == "solved"]
        if own:
            parts = [shown_seconds(median(row.phases.get(phase, 0.0) for row in own)) for phase in PHASES]
            counts = [f"{median(getattr(r, what) for r in own):,.0f}" for what in ("queries", "candidates", "size")]
            memory, cpu = median(r.memory for r in own) / 1e6, median(r.cputime for r in own)
            body.append([backend, *parts, *counts, shown_seconds(cpu), f"{memory:.0f}"])
    return Grid(["backend", *PHASES, "queries", "candidates", "operators", "CPU, whole process", "MB"], body)


def _charged(row: Result) -> float:
    """Seconds of a run; twice its limit where it has no answer."""
    return row.seconds if row.status == "solved" and row.seconds is not None else 2 * row.timelimit


def _grow(name: str, values: dict[str, dict[int, list[float]]], across: str, caption: str, add: Add) -> None:
    lines = {b: [(float(x), median(ys)) for x, ys in cells.items()] for b, cells in values.items() if cells}
    if lines:
        add(name, caption, lambda file: plots.growth(file, lines, across))


def conditions(rows: Sequence[Result]) -> Iterable[Block]:
    """Limits, versions, machine and commit of the rows, each value once."""
    limits = dict.fromkeys(f"{r.suite}: {r.timelimit:g} s, {r.memlimit >> 20:,} MB" for r in rows)
    places = dict.fromkeys(f"{r.machine}; commit {r.commit}; source {r.source}" for r in rows)
    versions = dict.fromkeys(f"{name} {version}" for row in rows for name, version in row.versions.items())
    loads = [row.load for row in rows]
    yield Heading("Conditions")
    yield Paragraph(
        f"Limits: {'; '.join(limits)}. {len(rows):,} runs, each a fresh process, in an order shuffled by seed; load "
        f"average at their starts {min(loads):.1f} to {max(loads):.1f}. {'; '.join(places)}. {', '.join(versions)}."
    )


def shown_seconds(seconds: float | None) -> str:
    """Three figures; a dash for no time."""
    return "–" if seconds is None else f"{seconds:.3g}" if seconds < 100 else f"{seconds:,.0f}"
