"""The SyGuS table, made from rows alone: how many runs of how many, invalid answers, then totals, tracks, sizes, wins.

What the figures mean is in ``solve_scores``, who is compared on what in ``standing``. One part for each folder of
problems; the suite "rate" adds its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from statistics import median

from benchmarks.harness import standing
from benchmarks.harness.row import BenchmarkError, Row
from benchmarks.harness.standing import Plan, Standing
from benchmarks.peers.solve_native import SYGUS
from benchmarks.reports import plots, rate_section, solve_scores
from benchmarks.reports.comparison import shown_seconds
from benchmarks.reports.document import Block, Figure, Grid, Heading, Paragraph, save
from benchmarks.reports.page import conditions
from benchmarks.reports.plots import Drawing
from benchmarks.reports.result_xml import written
from benchmarks.reports.solve_scores import SLOWER, Table, bests, by_problem, solutions, times, tools, track
from benchmarks.reports.summary import scope, summary
from benchmarks.suites import solve_rate
from benchmarks.suites.solve_runs import CHECKERS, CVC5, NO_GRAMMAR, OURS, SUITE

TITLE = "SyGuS problems: this project and cvc5"
STATUSES = ("timeout", "out of memory", "unsolved", "infeasible", "error", "unsupported", "unchecked", "wrong")
NOTABLE_SECONDS = 0.5  # slower by less is counted, not listed
TOLD = ("candidates", "candidates_per_second", "memory_mb", "rounds", "examples", "search_seconds", "check_seconds")


def write(rows_file: Path, folder: Path) -> str:
    """Write sygus.md, sygus.html and the drawings to ``folder``; the Markdown text. Raises BenchmarkError."""
    rows, plan = written(rows_file, folder)
    return save(folder, "sygus", TITLE, *report(rows, plan=plan))


def report(
    rows: Sequence[Row], draw: bool | None = None, plan: Plan | None = None
) -> tuple[list[Block], dict[str, Drawing]]:
    """The blocks of the table and its drawings; none are made where matplotlib is missing."""
    if not rows:
        raise BenchmarkError("there are no rows to make a table from; run: distill bench --suite sygus")
    draw = plots.is_installed() if draw is None else draw
    drawings: dict[str, Drawing] = {}
    solving = [row for row in rows if row.suite == SUITE]
    measured = [row for row in rows if row.suite == solve_rate.SUITE]
    groups = {
        name: standing.of_rows(_group(solving, name), plan, SUITE, problems=f"{name}/", aside=NO_GRAMMAR)
        for name in sorted(_groups(solving, plan))
    }
    rate = (
        {solve_rate.SUITE: standing.of_rows(measured, plan, solve_rate.SUITE)} if measured or _is_planned(plan) else {}
    )
    blocks: list[Block] = [Heading(TITLE, 1), *summary(groups | rate)]
    blocks += _invalid(solving) if solving else ()

    def add(name: str, caption: str, make: Callable[[str], Drawing]) -> None:
        if draw:
            drawings[name] = make(name)
            blocks.append(Figure(name, caption))

    for name, on in groups.items():
        own = _group(solving, name)
        whole = by_problem(own)
        table = solve_scores.common(whole, on)
        blocks.append(Heading(f"Problems {name}: {len(whole)}"))
        if not table:
            blocks += [Paragraph("There is no problem that every tool ran."), *_checks(own), *_runs(whole)]
            continue
        blocks += [*scope(on, "problems"), *_totals(table, on), *_tracks(table), *_sizes(table)]
        cactus = {tool: solve_scores.cactus(table, tool) for tool in (*tools(table), *bests(table))}
        add(
            f"sygus-{name}",
            "Problems solved within a limit of CPU seconds for each.",
            lambda file, lines=cactus: plots.cactus(file, lines, "problems"),  # type: ignore[misc]
        )
        blocks += [*(_wins(table) if on.may_rank else ()), *_checks(own), *_statistics(own), *_runs(whole)]
    if measured:
        rate_section.section([row for row in measured if row.backend in rate[solve_rate.SUITE].tools], blocks, add)
    return [*blocks, *conditions(rows), *(_options() if solving else ())], drawings


def _is_planned(plan: Plan | None) -> bool:
    return plan is not None and bool(plan.cells(solve_rate.SUITE))


def _groups(rows: Sequence[Row], plan: Plan | None) -> set[str]:
    """The folders of problems that were run or were to be."""
    planned = [problem for _, problem, *_ in plan.cells(SUITE)] if plan is not None else []
    return {problem.partition("/")[0] for problem in (*planned, *(row.problem for row in rows))}


def _group(rows: Sequence[Row], name: str) -> list[Row]:
    return [row for row in rows if row.problem.partition("/")[0] == name]


def _options() -> Iterable[Block]:
    """What each tool was given."""
    fixed = ", ".join(f"{name}={value}" for name, value in SYGUS.items())
    own = "; ".join(f"{tool}: {', '.join(f'{k}={v}' for k, v in more.items())}" for tool, more in CVC5.items() if more)
    yield Paragraph(
        f"cvc5 ran with {fixed} in every configuration ({own}), one run each; ours is one run without options, whose "
        "searchers, among them cvc5, may run side by side: the CPU seconds of all of them are charged."
    )


def _invalid(rows: Sequence[Row]) -> Iterable[Block]:
    """How many answers were wrong, and which."""
    wrong = solve_scores.invalid(rows)
    ours = sum(row.backend == OURS for row, _ in wrong)
    yield Paragraph(
        f"{len(wrong)} invalid answers ({ours} ours, {len(wrong) - ours} cvc5's).",
        is_bad=bool(wrong),
    )
    if wrong:
        body = [[row.problem, row.backend, why, " ".join(row.program.split())[:120]] for row, why in wrong]
        yield Grid(["problem", "tool", "what is wrong", "answer"], body)


def _totals(table: Table, on: Standing) -> Iterable[Block]:
    """Every figure over the problems of the table, which every tool ran; medians over those that every tool solved."""
    body, both = [], solve_scores.solved_by_all(table)
    for tool in (*tools(table), *bests(table)):
        found = solutions(table, tool)
        given = [cells[tool] for cells in table.values() if tool in cells]
        counts = {status: sum(row.status == status for row in given) for status in STATUSES}
        body.append([
            tool, f"{len(found)}/{len(given) or len(table)}", shown_seconds(solve_scores.par2(table, tool)),
            shown_seconds(_median(times(both, tool))), _number(_median([row.size for row in solutions(both, tool)])),
            str(solve_scores.unique(table, tool)) if on.may_rank else "–",
            _number(_median([row.memory / 1e6 for row in solutions(both, tool)])),
            ", ".join(f"{status} {count}" for status, count in counts.items() if count) or "–",
        ])  # fmt: skip
    yield Grid(["tool", "solved", "PAR-2", "median CPU s", "median size", "unique", "MB", "not solved"], body)
    yield Paragraph(f"Medians are over the {len(both)} problems that every tool solved.")
    if chosen := [tool for tool in tools(table) if tool in CVC5]:
        yield Paragraph(f"The virtual best is, for each problem, the quickest of {', '.join(chosen)}.")


def _tracks(table: Table) -> Iterable[Block]:
    """Per track: solved and PAR-2 of each tool."""
    names = (*tools(table), *bests(table))
    body = []
    for kind in sorted({track(cells) for cells in table.values()}):
        own = {name: cells for name, cells in table.items() if track(cells) == kind}
        cells = [f"{len(times(own, tool))}/{len(own)}, {shown_seconds(solve_scores.par2(own, tool))}" for tool in names]
        body.append([kind, *cells])
    yield Paragraph("Per track: solved, PAR-2.")
    yield Grid(["track", *names], body)


def _sizes(table: Table) -> Iterable[Block]:
    """Sizes of ours beside cvc5's without any grammar (where the problem has none: by default)."""
    pairs = solve_scores.sizes(table)
    body = []
    for label, chosen in (("all", pairs), ("problems with a grammar", [pair for pair in pairs if pair[2]])):
        if chosen:
            ours, theirs = median(pair[0] for pair in chosen), median(pair[1] for pair in chosen)
            ratios = [f"{ours / theirs:.2f}", f"{median(pair[0] / pair[1] for pair in chosen):.2f}"]
            body.append([label, str(len(chosen)), _number(ours), _number(theirs), *ratios])
    if body:
        yield Paragraph("Sizes (operators and leaves) of our answers and cvc5's without a grammar, where both answer:")
        head = ["problems", "count", "median, ours", "median, no grammar", "ratio of medians", "median of ratios"]
        yield Grid(head, body)


def _wins(table: Table) -> Iterable[Block]:
    """What cvc5 solves and we do not, where it is quicker, where its answer is smaller; what we alone solve."""
    if OURS not in tools(table) or not bests(table):
        return
    found = solve_scores.compared(table)
    missed = [
        [name, best.backend, shown_seconds(best.seconds), ours.status if ours else "not run"]
        for name, ours, best in found.missed
    ]
    slower = [
        [name, best.backend, shown_seconds(best.seconds), shown_seconds(ours.seconds)]
        for name, ours, best in found.slower
        if (ours.seconds or 0.0) - (best.seconds or 0.0) >= NOTABLE_SECONDS
    ]
    larger = [[name, best.backend, str(best.size), str(ours.size)] for name, ours, best in found.larger]
    alone = [[name, shown_seconds(ours.seconds), str(ours.size)] for name, ours in found.alone]
    yield Heading("Where cvc5 wins", 3)
    yield from _listed(f"Solved by cvc5, not by us: {len(missed)}", missed, ["problem", "cvc5", "CPU s", "ours"])
    what = (
        f"cvc5 more than {SLOWER:g} times quicker: {len(found.slower)}, of which "
        f"{len(slower)} by {NOTABLE_SECONDS:g} s or more"
    )
    yield from _listed(what, slower, ["problem", "cvc5", "its CPU s", "our CPU s"])
    yield from _listed(f"A smaller answer of cvc5: {len(larger)}", larger, ["problem", "cvc5", "its size", "our size"])
    yield Heading("Where we win", 3)
    yield from _listed(f"Solved by us and by no run of cvc5: {len(alone)}", alone, ["problem", "CPU s", "size"])


def _listed(what: str, body: Sequence[Sequence[str]], head: Sequence[str]) -> Iterable[Block]:
    yield Paragraph(f"{what}.")
    if body:
        yield Grid(head, body)


def _checks(rows: Sequence[Row]) -> Iterable[Block]:
    """Who confirmed how many answers."""
    counts: dict[str, int] = {}
    for row in rows:
        if row.status == "solved":
            who = [name for name, verdict, _ in row.answers if verdict == "valid"]
            label = "both" if len(who) == len(CHECKERS) else f"{who[0]} alone"
            counts[label] = counts.get(label, 0) + 1
    listed = ", ".join(f"{count} by {label}" for label, count in sorted(counts.items(), key=lambda pair: -pair[1]))
    unchecked = [f"; {row.problem}: {row.backend}: {row.reason}" for row in rows if row.status == "unchecked"]
    yield Paragraph(
        f"Answers that z3 and cvc5 confirmed as SMT-LIB: {listed or 'none'}; all of them match their grammars. "
        f"Answers that neither could confirm, not counted as solved: {len(unchecked)}{''.join(unchecked)}."
    )


def _statistics(rows: Sequence[Row]) -> Iterable[Block]:
    """What our engine says of itself: which searcher had the answer (cvc5 may be one of them), and its counts."""
    found = [str(r.detail.get("searcher") or "not told") for r in rows if r.backend == OURS and r.status == "solved"]
    if found:
        listed = ", ".join(f"{name} {count}" for name, count in Counter(found).most_common())
        yield Paragraph(f"Our answers by the searcher that had them: {listed}.")
    told = [row.detail.get("statistics") or {} for row in rows if row.backend == OURS and row.status == "solved"]
    parts = [
        f"{name.replace('_', ' ')} {_number(median(values))} (most {_number(max(values))})"
        for name in TOLD
        if (values := [float(one[name]) for one in told if one.get(name) is not None])
    ]
    if parts:
        yield Paragraph(f"Our engine on what it solved, medians: {', '.join(parts)}.")


def _runs(table: Table) -> Iterable[Block]:
    names = (*tools(table), *([NO_GRAMMAR] if any(NO_GRAMMAR in cells for cells in table.values()) else []))
    body = [
        [name.partition("/")[2], track(cells), *(_cell(cells.get(tool)) for tool in names)]
        for name, cells in table.items()
    ]
    yield Heading("Every run", 3)
    yield Paragraph("CPU seconds / size where solved, else how it ended.")
    yield Grid(["problem", "track", *names], body)


def _cell(row: Row | None) -> str:
    if row is None:
        return "–"
    return f"{shown_seconds(row.seconds)} / {row.size}" if row.status == "solved" else row.status


def _median(values: Sequence[float]) -> float | None:
    return median(values) if values else None


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:,.0f}" if value >= 10 or value == int(value) else f"{value:.2g}"
