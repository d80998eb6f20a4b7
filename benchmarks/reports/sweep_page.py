"""One page of results over many networks: program, verdict, exceptions, horizon and cost of each, from rows alone.

Beside it stands the whole result of each network as the command printed it, in ``json`` (``verify`` and ``attack`` in
folders of these names), and in ``programs`` each program that was found, as ``distill verify`` takes it.
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
from benchmarks.harness.row import UNMEASURED, BenchmarkError, Row, read
from benchmarks.harness.standing import Plan
from benchmarks.reports.comparison import shown_seconds
from benchmarks.reports.document import Block, Code, Grid, Heading, Paragraph, save
from benchmarks.reports.page import STARVED_SECONDS, conditions
from benchmarks.reports.result_xml import written
from benchmarks.reports.summary import summary
from benchmarks.suites import programs, sweep, texts
from cegis.claim import counted

TITLE = "Networks, and what equals them"
NAME, FOLDER, PROGRAMS = "sweep", "json", "programs"
WORKERS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1000)
EVERY = "every length"
WIDEST = 100  # characters of a program in the table
ABOUT = (
    "Each network in a fresh process of {commands}, whose time limit is {limit} s of wall clock; CPU seconds are of "
    "the whole process, start included. Proved: the program equals the network on all that was asked; proved where "
    "labelled: wherever the network has a label beyond its error bound. Of streams of numbers and of pairs, differs: "
    "an input is known on which the two differ; not decided: neither is known. Exceptions are of the inputs that were "
    "listed; of streams and pairs, which are taken together, one that breaks the program is known, or none is. The "
    "horizon is the length (of pairs, the digits) up to which it equals the network wherever that has a label. The "
    "whole result, and what it rests on, is in the file of each."
)
LATER = (
    "Verify and attack take the program that was given, else the one that run found: verify compares it anew, without "
    "a search; attack looks for an input on which it is wrong, also at lengths beyond the claim, where one contradicts "
    "nothing. Not broken proves nothing."
)


def write(rows_file: Path, folder: Path) -> str:
    """Write sweep.md, sweep.html and a file for each result to ``folder``; the Markdown text. Raises BenchmarkError."""
    rows, plan = written(rows_file, folder)
    for row in rows:
        keep(row, folder)
    return save(folder, NAME, TITLE, report(rows, plan), {})


def rows_of(rows_file: Path) -> tuple[Row, ...]:
    """The rows that were planned last."""
    return standing.chosen(read(rows_file), standing.load(rows_file))


def keep(row: Row, folder: Path) -> Path | None:
    """Write the whole result of a run beside the page, where it has one, and its program; the result's path."""
    if "result" not in row.detail:
        return None
    told = row.detail["result"]
    path = folder / where(row)
    _put(path, json.dumps(told, ensure_ascii=False, indent=1) + "\n")
    if row.backend == sweep.OURS and isinstance(told.get("program"), str):
        _put(folder / PROGRAMS / f"{sweep.file_name(row.problem)}.py", told["program"])
    return path


def _put(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.write_text(text, encoding="utf-8")
    os.replace(fresh, path)


def where(row: Row) -> str:
    """The path of a result's file from the page."""
    folder = FOLDER if row.backend == sweep.OURS else command(row)
    return f"{folder}/{sweep.file_name(row.problem)}.json"


def command(row: Row) -> str:
    """The word of the command that a row is of: run, verify or attack."""
    return row.backend.removeprefix(sweep.DISTILL)


def report(rows: Sequence[Row], plan: Plan | None = None) -> list[Block]:
    """The blocks of the page."""
    if not rows:
        raise BenchmarkError("there are no rows to make a page from; run: distill sweep FOLDER")
    stands = {sweep.SUITE: standing.of_rows(rows, plan, sweep.SUITE)}
    broken, against = [row for row in rows if row.status == "error"], contradictions(rows)
    blocks: list[Block] = [
        Heading(TITLE, 1),
        *summary(stands, ranks=False),
        Paragraph(f"Errors: {len(broken)}.", is_bad=bool(broken)),
    ]
    if any(command(row) == "attack" for row in rows):
        blocks.append(Paragraph(f"Claims that an attack contradicts: {len(against)}.", is_bad=bool(against)))
        blocks += [Grid(["network", "what contradicts it"], [*map(list, against)])] if against else []
    if broken:
        blocks.append(Grid(["network", "command", "what happened"], [[*_of(row), row.reason] for row in broken]))
    if starved := [name(row) for row in rows if is_starved(row)]:
        text = f"{len(starved):,} of the runs without an exact program got less than half of a core, "
        blocks.append(Paragraph(f"{text}and may come to more on a free machine: {', '.join(starved)}.", is_bad=True))
    limits = ", ".join(sorted({f"{row.options['limit']:g}" for row in rows}))
    asked = [ask for ask in sweep.ASKS if any(command(row) == ask for row in rows)]
    about = ABOUT.format(limit=limits, commands=" and of ".join(f"distill {ask}" for ask in asked))
    blocks.append(Paragraph(about if asked == ["run"] else f"{about} {LATER}"))
    blocks += [_counts([row for row in rows if command(row) == ask], ask) for ask in asked]
    blocks += [Heading("Every network"), _every(rows)]
    refused = [row for row in rows if row.status == "unsupported"]
    if refused:
        body = [[*_of(row), row.reason] for row in refused]
        blocks += [Heading("Refused"), Grid(["network", "command", "why"], body)]
    blocks += [Heading("Programs"), *_programs(rows), *_scaling(rows)]
    return [*blocks, *conditions(rows)]


def contradictions(rows: Sequence[Row]) -> list[tuple[str, str]]:
    """Networks with a claim that an input found by an attack contradicts, and what the two say."""
    found = []
    attacks = {row.problem: row for row in rows if command(row) == "attack" and row.verdict == sweep.BROKEN}
    for row in rows:
        other = attacks.get(row.problem)
        if other is None or row is other or row.verdict not in programs.EXACT:
            continue
        if row.program.strip() != texts.body(str(other.options.get("program", ""))).strip():
            continue  # another program was attacked
        told, said = row.detail.get("result", {}), other.detail["result"]
        inputs = (said.get("counterexample") or {}).get("inputs") or []
        length = len(inputs[0]) if inputs and isinstance(inputs[0], list) else len(inputs)
        horizon = told.get("horizon")
        if _horizon(horizon, told.get("extension")) == EVERY or (horizon is not None and length <= horizon):
            found.append((row.problem, f"{command(row)}: {row.verdict}; attack: {said.get('sentence', '')}"))
    return found


def name(row: Row) -> str:
    """The network of a row, with its command where that is not run."""
    return row.problem if row.backend == sweep.OURS else f"{row.problem}, {command(row)}"


def _of(row: Row) -> list[str]:
    """The network and the command of a row."""
    return [row.problem, command(row)]


def is_starved(row: Row) -> bool:
    """Whether a run that did not come to its end was short of a processor: its time limit is wall clock."""
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


def _counts(rows: Sequence[Row], ask: str) -> Paragraph:
    counts = Counter(outcome(row) for row in rows)
    words = (programs.PROVED, programs.LABELLED, programs.HORIZON, programs.EXCEPTIONS, programs.NONE)
    order = [word for word in words if word in counts] + sorted(set(counts) - set(words))
    spent = sum(row.cputime for row in rows if row.status not in UNMEASURED)
    listed = ", ".join(f"{word} {counts[word]:,}" for word in order)
    what = "networks and questions" if ask == "run" else "programs"
    return Paragraph(
        f"{ask}: {len(rows):,} {what}: {listed}; {shown_seconds(spent)} CPU seconds in all.".removeprefix("run: ")
    )


def _every(rows: Sequence[Row]) -> Grid:
    """A line for each network; what verify and attack say in columns of their own where they are not all there is."""
    by_name: dict[str, dict[str, Row]] = {}
    for row in rows:
        by_name.setdefault(row.problem, {})[command(row)] = row
    first = next(ask for ask in sweep.ASKS if any(ask in of for of in by_name.values()))
    later = [ask for ask in sweep.ASKS if ask != first and any(ask in of for of in by_name.values())]
    columns = [name for ask in later for name in (ask, f"{ask}, CPU s")]
    head = ["network", "verdict", *columns, "exceptions", "horizon", "CPU s", "wall s", "MB", "lines", "result"]
    links: dict[str, str] = {}
    body = []
    for problem, of in by_name.items():
        main = of.get(first)
        cells = []
        for ask in later:
            cells += [outcome(of[ask]), shown_seconds(of[ask].cputime)] if ask in of else ["", ""]
        if main is None:
            body.append([problem, "", *cells, *[""] * 8])
            continue
        row, told = main, main.detail.get("result", {})
        file = where(row) if told else ""
        links |= {file: file} if file else {}
        text = " ⏎ ".join(line.strip() for line in row.program.splitlines()[1:])
        body.append([
            problem,
            outcome(row),
            *cells,
            _exceptions(row),
            _horizon(told.get("horizon"), told.get("extension")),
            shown_seconds(row.cputime),
            shown_seconds(row.walltime),
            f"{row.memory / 1e6:.0f}",
            str(row.sizes["lines"]) if row.sizes else "",
            file,
            text if len(text) <= WIDEST else f"{text[: WIDEST - 1]}…",
        ])  # fmt: skip
    return Grid([*head, "program"], body, links)


def _exceptions(row: Row) -> str:
    """How many there are of those that were looked at; of inputs that were taken together, that one is known."""
    told = row.detail.get("result", {})
    if "kind" in told and told.get("broken"):
        return "one is known"
    return f"{row.wrong:,} of {counted(row.checked)}" if row.wrong is not None and row.checked else ""


def _horizon(found: int | None, extension: object) -> str:
    if isinstance(extension, dict) and extension.get("proved") and extension.get("lengths", [0, 0])[1] is None:
        return EVERY
    return "" if found is None else str(found)


def _programs(rows: Sequence[Row]) -> Iterable[Block]:
    for row in rows:
        if "result" in row.detail:
            told = row.detail["result"]
            yield Heading(name(row), 3)
            yield Paragraph(str(told.get("sentence") or told.get("verdict") or outcome(row)))
            yield from [Code(row.program)] if row.program and row.backend == sweep.OURS else []
