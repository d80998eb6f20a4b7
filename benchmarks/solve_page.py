"""The SyGuS table, made from rows alone: invalid answers first, then totals, tracks, sizes, where cvc5 wins, all runs.

Seconds are CPU seconds of whole processes. PAR-2 charges twice the limit where there is no right answer. cvc5's virtual
best takes, for each problem, the quickest of its configurations with the problem's grammar; the runs without grammar
answer an easier question, so they stand aside and serve for comparing sizes only. A tool that calls a problem
infeasible which another one solved is counted with the invalid answers. The suite "rate" adds its section below.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from statistics import median

from benchmarks import plots
from benchmarks.document import Block, Figure, Grid, Heading, Paragraph, markdown, page
from benchmarks.page import conditions, newest, shown_seconds
from benchmarks.plots import Drawing
from benchmarks.row import BenchmarkError
from benchmarks.solve_runs import CHECKERS, CVC5, NO_GRAMMAR, OURS, SUITE
from benchmarks.task import Result, read

TITLE = "SyGuS problems: this project and cvc5"
BEST = "cvc5 virtual best"
STATUSES = ("timeout", "memory", "unsolved", "infeasible", "error", "unsupported", "unchecked", "wrong", "lost")
SLOWER, NOTABLE_SECONDS = 2.0, 0.5  # times slower, and seconds slower, that are worth a line each
Cells = Mapping[str, Result]  # the runs of one problem by tool


def write(rows_file: Path, folder: Path) -> str:
    """Write sygus.md, sygus.html and the drawings to ``folder``; the Markdown text. Raises BenchmarkError."""
    blocks, drawings = report(newest(read(rows_file)))
    folder.mkdir(parents=True, exist_ok=True)
    for name, drawing in drawings.items():
        (folder / f"{name}.svg").write_text(drawing.svg, encoding="utf-8")
        (folder / f"{name}.png").write_bytes(drawing.png)
    text = markdown(blocks)
    (folder / "sygus.md").write_text(text, encoding="utf-8")
    vectors = {name: drawing.svg for name, drawing in drawings.items()}
    (folder / "sygus.html").write_text(page(TITLE, blocks, vectors), encoding="utf-8")
    return text


def report(rows: Sequence[Result], draw: bool | None = None) -> tuple[list[Block], dict[str, Drawing]]:
    """The blocks of the table and its drawings; none are made where matplotlib is missing."""
    from benchmarks import solve_rate

    if not rows:
        raise BenchmarkError("there are no rows to make a table from; run: distill bench --suite sygus")
    draw = plots.is_installed() if draw is None else draw
    drawings: dict[str, Drawing] = {}
    blocks: list[Block] = []

    def add(name: str, caption: str, make: Callable[[str], Drawing]) -> None:
        if draw:
            drawings[name] = make(name)
            blocks.append(Figure(name, caption))

    solving = [row for row in rows if row.suite == SUITE]
    blocks += invalid(solving)
    for name in sorted({row.problem.partition("/")[0] for row in solving}):
        own = [row for row in solving if row.problem.partition("/")[0] == name]
        table = by_problem(own)
        blocks += [Heading(f"Problems {name}: {len(table)}"), *_totals(table), *_tracks(table), *_sizes(table)]
        times = {tool: _times(table, tool) for tool in (*tools(table), BEST)}
        add(f"sygus-{name}", "Problems solved within a limit of CPU seconds for each.",
            lambda file, t=times: plots.cactus(file, t, "problems"))  # type: ignore[misc] # fmt: skip
        blocks += [*_cvc5_wins(table), *_ours_wins(table), *_checks(own), *_statistics(own), *_runs(table)]
    measured = [row for row in rows if row.suite == solve_rate.SUITE]
    if measured:
        solve_rate.section(measured, blocks, add)
    return [*blocks, *conditions(rows)], drawings


def by_problem(rows: Iterable[Result]) -> dict[str, Cells]:
    """Problem to tool to run, sorted by name."""
    table: dict[str, dict[str, Result]] = {}
    for row in rows:
        table.setdefault(row.problem, {})[row.backend] = row
    return {name: table[name] for name in sorted(table)}


def tools(table: Mapping[str, Cells]) -> tuple[str, ...]:
    """Who was given the problems with their grammars."""
    return tuple(tool for tool in (OURS, *CVC5) if any(tool in cells for cells in table.values()))


def invalid(rows: Sequence[Result]) -> list[Block]:
    """The heading and, as the first line under it, how many answers were wrong."""
    wrong = [(row, row.reason) for row in rows if row.status == "wrong"]
    solved = {(row.problem, row.backend == NO_GRAMMAR) for row in rows if row.status == "solved"}
    wrong += [
        (row, "called infeasible, but solved by another tool")
        for row in rows
        if row.status == "infeasible" and (row.problem, row.backend == NO_GRAMMAR) in solved
    ]
    ours = sum(row.backend == OURS for row, _ in wrong)
    blocks: list[Block] = [
        Heading(TITLE, 1),
        Paragraph(f"{len(wrong)} invalid answers ({ours} ours, {len(wrong) - ours} cvc5's).", is_bad=bool(wrong)),
    ]
    if wrong:
        body = [[row.problem, row.backend, why, " ".join(row.program.split())[:120]] for row, why in wrong]
        blocks.append(Grid(["problem", "tool", "what is wrong", "answer"], body))
    return blocks


def _best(cells: Cells) -> Result | None:
    """The quickest run of cvc5 that solved the problem with its grammar."""
    solved = [cells[tool] for tool in CVC5 if tool in cells and cells[tool].status == "solved"]
    return min(solved, key=lambda row: row.seconds or 0.0, default=None)


def _solution(cells: Cells, tool: str) -> Result | None:
    if tool == BEST:
        return _best(cells)
    row = cells.get(tool)
    return row if row is not None and row.status == "solved" else None


def _times(table: Mapping[str, Cells], tool: str) -> list[float]:
    found = (_solution(cells, tool) for cells in table.values())
    return sorted(row.seconds for row in found if row is not None and row.seconds is not None)


def _par2(table: Mapping[str, Cells], tool: str) -> float:
    limits = [max(row.timelimit for row in cells.values()) for cells in table.values()]
    found = [_solution(cells, tool) for cells in table.values()]
    charged = [
        2 * limit if row is None or row.seconds is None else row.seconds
        for row, limit in zip(found, limits, strict=True)
    ]
    return sum(charged) / len(charged)


def _unique(table: Mapping[str, Cells], tool: str) -> int:
    """Problems that ``tool`` alone solved; for the virtual best, that ours did not."""
    others = [other for other in (OURS, *CVC5) if other != tool and (tool != BEST or other == OURS)]
    return sum(
        _solution(cells, tool) is not None and all(_solution(cells, other) is None for other in others)
        for cells in table.values()
    )


def _totals(table: Mapping[str, Cells]) -> Iterable[Block]:
    head = ["tool", "solved", "PAR-2", "median CPU s", "median size", "unique", "MB", "not solved"]
    body = []
    for tool in (*tools(table), BEST):
        found = [row for cells in table.values() if (row := _solution(cells, tool)) is not None]
        given = [cells[tool] for cells in table.values() if tool in cells]
        counts = {status: sum(row.status == status for row in given) for status in STATUSES}
        ends = ", ".join(f"{status} {count}" for status, count in counts.items() if count)
        body.append([
            tool, f"{len(found)}/{len(given) or len(table)}", shown_seconds(_par2(table, tool)),
            shown_seconds(_median(row.seconds for row in found)), _number(_median(row.size for row in found)),
            str(_unique(table, tool)), _number(_median(row.memory / 1e6 for row in found)), ends or "–",
        ])  # fmt: skip
    yield Grid(head, body)


def _tracks(table: Mapping[str, Cells]) -> Iterable[Block]:
    """Per track: solved, PAR-2 and median CPU seconds of each tool."""
    tracks: dict[str, dict[str, Cells]] = {}
    for name, cells in table.items():
        tracks.setdefault(_track(cells), {})[name] = cells
    names = (*tools(table), BEST)
    body = [
        [track, *(f"{len(_times(own, tool))}/{len(own)}, {shown_seconds(_par2(own, tool))}, "
                  f"{shown_seconds(_median(_times(own, tool)))}" for tool in names)]
        for track, own in sorted(tracks.items())
    ]  # fmt: skip
    yield Paragraph("Per track: solved, PAR-2, median CPU seconds of the solved.")
    yield Grid(["track", *names], body)


def _track(cells: Cells) -> str:
    return str(next(iter(cells.values())).options.get("track", ""))


def _sizes(table: Mapping[str, Cells]) -> Iterable[Block]:
    """Sizes of ours beside cvc5's with the grammar, and without any (default, where the problem has none)."""
    pairs = []
    for cells in table.values():
        ours, other = _solution(cells, OURS), _solution(cells, NO_GRAMMAR if NO_GRAMMAR in cells else "cvc5 default")
        if ours is not None and other is not None and any(NO_GRAMMAR in c for c in table.values()):
            pairs.append((ours.size, other.size, NO_GRAMMAR in cells))
    if not pairs:
        return
    body = []
    for label, chosen in (("all", pairs), ("problems with a grammar", [pair for pair in pairs if pair[2]])):
        if chosen:
            ours, theirs = median(pair[0] for pair in chosen), median(pair[1] for pair in chosen)
            ratio = median(pair[0] / pair[1] for pair in chosen)
            body.append(
                [label, str(len(chosen)), _number(ours), _number(theirs), f"{ours / theirs:.2f}", f"{ratio:.2f}"]
            )
    yield Paragraph("Sizes (operators and leaves) of our answers beside cvc5's without a grammar, where both answer:")
    head = ["problems", "count", "median, ours", "median, no grammar", "ratio of medians", "median of ratios"]
    yield Grid(head, body)


def _cvc5_wins(table: Mapping[str, Cells]) -> Iterable[Block]:
    """What cvc5 solves and we do not, where it is much quicker, where its answer is smaller."""
    if OURS not in tools(table):
        return
    missed, slower, small, more = [], [], [], 0
    for name, cells in table.items():
        ours, best = _solution(cells, OURS), _best(cells)
        if best is None:
            continue
        if ours is None:
            row = cells.get(OURS)
            missed.append([name, best.backend, shown_seconds(best.seconds), row.status if row else "not run"])
            continue
        assert ours.seconds is not None
        assert best.seconds is not None
        if ours.seconds > SLOWER * best.seconds:
            if ours.seconds - best.seconds >= NOTABLE_SECONDS:
                slower.append([name, best.backend, shown_seconds(best.seconds), shown_seconds(ours.seconds)])
            else:
                more += 1
        tightest = min((r for t in CVC5 if (r := _solution(cells, t)) is not None), key=lambda row: row.size)
        if tightest.size < ours.size:
            small.append([name, tightest.backend, str(tightest.size), str(ours.size)])
    yield Heading("Where cvc5 wins", 3)
    yield from _listed("Solved by cvc5 and not by us", missed, ["problem", "cvc5", "CPU s", "ours"])
    note = f" (and {more} more where it is by less than {NOTABLE_SECONDS:g} s)" if more else ""
    what = f"cvc5 more than {SLOWER:g} times quicker{note}"
    yield from _listed(what, slower, ["problem", "cvc5", "its CPU s", "our CPU s"])
    yield from _listed("A smaller answer of cvc5", small, ["problem", "cvc5", "its size", "our size"])


def _ours_wins(table: Mapping[str, Cells]) -> Iterable[Block]:
    if OURS not in tools(table):
        return
    alone = [
        [name, shown_seconds(ours.seconds), str(ours.size)]
        for name, cells in table.items()
        if (ours := _solution(cells, OURS)) is not None and _best(cells) is None
    ]
    yield Heading("Where we win", 3)
    yield from _listed("Solved by us and by no configuration of cvc5", alone, ["problem", "CPU s", "size"])


def _listed(what: str, body: Sequence[Sequence[str]], head: Sequence[str]) -> Iterable[Block]:
    yield Paragraph(f"{what}: {len(body)}.")
    if body:
        yield Grid(head, body)


def _checks(rows: Sequence[Result]) -> Iterable[Block]:
    """Who confirmed how many answers."""
    counts: dict[str, int] = {}
    for row in rows:
        if row.status == "solved":
            who = [name for name, verdict, _ in row.answers if verdict == "valid"]
            label = "both" if len(who) == len(CHECKERS) else f"{who[0]} alone"
            counts[label] = counts.get(label, 0) + 1
    listed = ", ".join(f"{count} by {label}" for label, count in sorted(counts.items(), key=lambda pair: -pair[1]))
    unchecked = [f"{row.problem}: {row.backend}: {row.reason}" for row in rows if row.status == "unchecked"]
    yield Paragraph(
        f"Solved answers confirmed by z3 and cvc5 as SMT-LIB: {listed or 'none'}; every one matches its grammar. "
        f"Answers nobody could confirm, not counted as solved: {len(unchecked)}{''.join(f'; {u}' for u in unchecked)}."
    )


def _statistics(rows: Sequence[Result]) -> Iterable[Block]:
    """What our engine says of itself."""
    told = [row.detail.get("statistics") or {} for row in rows if row.backend == OURS and row.status == "solved"]
    wanted = (
        "candidates",
        "candidates_per_second",
        "memory_mb",
        "rounds",
        "examples",
        "search_seconds",
        "check_seconds",
    )
    parts = [
        f"{name.replace('_', ' ')} {_number(median(values))} (most {_number(max(values))})"
        for name in wanted
        if (values := [float(one[name]) for one in told if one.get(name) is not None])
    ]
    if parts:
        yield Paragraph(f"Our engine on what it solved, medians: {', '.join(parts)}.")


def _runs(table: Mapping[str, Cells]) -> Iterable[Block]:
    names = (*tools(table), *([NO_GRAMMAR] if any(NO_GRAMMAR in cells for cells in table.values()) else []))
    yield Heading("Every run", 3)
    yield Paragraph("CPU seconds and size where solved, else how it ended.")
    yield Grid(
        ["problem", "track", *names],
        [[name.partition("/")[2], _track(cells), *(_cell(cells.get(tool)) for tool in names)]
         for name, cells in table.items()],
    )  # fmt: skip


def _cell(row: Result | None) -> str:
    if row is None:
        return ""
    return f"{shown_seconds(row.seconds)} / {row.size}" if row.status == "solved" else row.status


def _median(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:,.0f}" if value >= 10 or value == int(value) else f"{value:.2g}"
