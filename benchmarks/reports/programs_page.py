"""The report of the suite "programs", made from rows alone: figures by family, what was missed, and programs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import median

from benchmarks.harness import standing
from benchmarks.harness.row import UNMEASURED, BenchmarkError, Row
from benchmarks.harness.standing import Plan
from benchmarks.inputs.program_networks import CASES, FAMILIES, GPT2, ONE_TOKEN, SEQUENCE, SHIPPED, TRAINED
from benchmarks.reports.comparison import shown_seconds
from benchmarks.reports.document import Block, Code, Grid, Heading, Paragraph, save
from benchmarks.reports.page import conditions
from benchmarks.reports.result_xml import written
from benchmarks.reports.summary import summary
from benchmarks.suites import programs, texts

TITLE = "Programs: what there is to read in the end"
ABOUT = (
    "Each network in a fresh process, as its user starts it: distill run NETWORK --time-limit T --out CERTIFICATE. CPU "
    "seconds are those of the whole process, start-up and certificate included; the independent checker then looks at "
    "the certificate, which is not charged. Equal: the program is proved equal to the network wherever that has a "
    "label; exact: and the certificate holds. To read are the words and signs of the program, its docstring left out."
)
MOST_READ = 5
LONGER = 1.3  # times the known expression, which is then said
SHORT = 2  # lines of a program for a trained algorithm
WIDEST = 100  # characters of a program in a table


def write(rows_file: Path, folder: Path) -> str:
    """Write programs.md and programs.html to ``folder``; the Markdown text. Raises BenchmarkError."""
    rows, plan = written(rows_file, folder)
    return save(folder, "programs", TITLE, report(rows, plan), {})


def report(rows: Sequence[Row], plan: Plan | None = None) -> list[Block]:
    """The blocks of the report."""
    if not rows:
        raise BenchmarkError("there are no rows to make a report from; run: distill bench programs")
    stands = {programs.SUITE: standing.of_rows(rows, plan, programs.SUITE, is_grid=False)}
    broken = [row for row in rows if row.status in ("error", "wrong")]
    blocks: list[Block] = [Heading(TITLE, 1), *summary(stands)]
    blocks.append(Paragraph(f"Errors and refused certificates: {len(broken)}.", is_bad=bool(broken)))
    if broken:
        blocks.append(Grid(["network", "what happened"], [[row.problem, row.reason] for row in broken]))
    measured = [row for row in rows if row.status not in UNMEASURED]
    blocks += [Paragraph(ABOUT), *_families(measured), *map(Paragraph, findings(measured))]
    blocks += [Heading("Not exact"), *_missed(measured), *_longest(measured)]
    blocks += [Heading("Every network"), _every(measured)]
    return [*blocks, *conditions(rows)]


def findings(rows: Sequence[Row]) -> Iterable[str]:
    """What is asked of these families, in a sentence each."""
    own = _of(rows, CASES)
    if own:
        exact, used = _exact(own), [row.cputime for row in own]
        late = sum(row.cputime > row.options["limit"] for row in own)
        yield (
            f"Compiled by others: exact for {len(exact)} of {len(own)}, each certified and checked "
            f"({_uncertified(own)} more without a certificate); CPU seconds "
            f"{shown_seconds(median(used))} in the median, {shown_seconds(max(used))} at most, {late} above the limit."
        )
    own = _of(rows, ONE_TOKEN)
    if own:
        tables = [row for row in _exact(own) if row.detail["has_table"]]
        needless = [row for row in tables if not row.options["is_table"]]
        names = f" ({', '.join(row.problem.partition('/')[2] for row in needless)})" if needless else ""
        yield (
            f"Functions of one token: exact for {len(_exact(own))} of {len(own)}; a table for {len(tables)}, of which "
            f"{len(needless)} have a shorter expression{names}."
        )
        long = [row for row in _exact(own) if row not in needless and _is_long(row)]
        named = f" ({', '.join(row.problem.partition('/')[2] for row in long)})" if long else ""
        yield f"Of the others, {len(long)} read more than {LONGER:g} times what a person would write{named}."
    own = _of(rows, TRAINED)
    if own:
        short = [row for row in _exact(own) if row.sizes["lines"] <= SHORT]
        yield f"Trained algorithms: a program of one or two lines, exact, for {len(short)} of {len(own)}."
    for family, words in ((SEQUENCE, "Functions of a sequence, compiled"), (GPT2, "GPT-2 of others, to length 12")):
        own = _of(rows, family)
        if own:
            used = [row.cputime for row in own]
            yield (
                f"{words}: exact for {len(_exact(own))} of {len(own)}; CPU seconds {shown_seconds(median(used))} in "
                f"the median, {shown_seconds(max(used))} at most."
            )
    own = _of(rows, SHIPPED)
    if own:
        same = [row for row in _exact(own) if row.detail["is_known"]]
        yield f"Shipped circuits: the known program, proved, for {len(same)} of {len(own)}."


def _is_long(row: Row) -> bool:
    """Whether there is much more to read than in the known expression, written as programs are."""
    known = re.sub(r"\btoken\b", "tokens[i]", row.options["known"])
    written = f"def f(tokens: list[str], i: int) -> str:\n    return str({known})\n"
    return bool(row.sizes["reading"] > LONGER * texts.reading(written))


def _of(rows: Sequence[Row], family: str) -> list[Row]:
    return [row for row in rows if row.options["family"] == family]


def _uncertified(rows: Sequence[Row]) -> int:
    return sum(row.verdict in programs.EXACT and row.status == "unsolved" for row in rows)


def _exact(rows: Sequence[Row]) -> list[Row]:
    return [row for row in rows if row.status == "solved"]


def _families(rows: Sequence[Row]) -> Iterable[Block]:
    head = ["family", "networks", "equal", "exact", "where labelled", "checked", "CPU s, median", "most",
            "above the limit", "lines, median", "most", "to read, median", "most"]  # fmt: skip
    families = [family for family in FAMILIES if _of(rows, family)]
    body = [[family, *_figures(_of(rows, family))] for family in families]
    if len(families) > 1:
        body.append(["all", *_figures(rows)])
    yield Grid(head, body)


def _figures(rows: Sequence[Row]) -> list[str]:
    exact, used = _exact(rows), [row.cputime for row in rows]
    labelled = sum(row.verdict == programs.LABELLED for row in exact)
    checked = sum(row.detail.get("evidence") == programs.HELD for row in rows)
    late = sum(row.cputime > row.options["limit"] for row in rows)
    sizes: list[str] = []
    for name in ("lines", "reading") if exact else ():
        found = [row.sizes[name] for row in exact]
        sizes += [f"{median(found):g}", f"{max(found)}"]
    equal = sum(row.verdict in programs.EXACT for row in rows)
    counts = [str(n) for n in (len(rows), equal, len(exact), labelled, checked)]
    return [*counts, shown_seconds(median(used)), shown_seconds(max(used)), str(late), *(sizes or ["–"] * 4)]


def _missed(rows: Sequence[Row]) -> Iterable[Block]:
    missed = [row for row in rows if row.status != "solved"]
    if not missed:
        yield Paragraph("None.")
        return
    head = ["network", "outcome", "wrong", "CPU s", "evidence", "a person would write", "best program"]
    yield Grid(head, [_line(row) for row in missed])


def _line(row: Row) -> list[str]:
    outcome = row.verdict if row.status == "unsolved" else row.status
    wrong = f"{row.wrong:,} of {row.checked:,}" if row.wrong else ""
    known = "" if row.options["is_table"] else row.options["known"]
    evidence = str(row.detail.get("evidence", ""))
    return [row.problem, outcome, wrong, shown_seconds(row.cputime), evidence, known, _short(row.program)]


def _longest(rows: Sequence[Row]) -> Iterable[Block]:
    """The exact programs with most to read: of networks compiled by others, and of all the others."""
    others = [row for row in rows if row.options["family"] != CASES]
    for where, own in ((", of networks compiled by others", _of(rows, CASES)), (", of the other networks", others)):
        order = sorted(_exact(own), key=lambda row: (-row.sizes["reading"], row.problem))[:MOST_READ]
        if order:
            yield Heading(f"The {len(order)} exact programs with most to read{where}")
        yield from _shown(order)


def _shown(rows: Sequence[Row]) -> Iterable[Block]:
    for row in rows:
        known = f"; a person would write {row.options['known']}" if row.options["known"] else ""
        yield Paragraph(f"{row.problem}: {row.sizes['reading']} to read, {row.sizes['lines']} lines{known}")
        yield Code(row.program)


def _every(rows: Sequence[Row]) -> Grid:
    head = ["network", "outcome", "CPU s", "check, CPU s", "lines", "to read", "program"]
    body = []
    for row in sorted(rows, key=lambda row: (FAMILIES.index(row.options["family"]), row.problem)):
        check = row.detail.get("check")
        body.append([
            row.problem,
            row.verdict if row.status in ("solved", "unsolved") else row.status,
            shown_seconds(row.cputime),
            shown_seconds(check) if isinstance(check, float) else str(row.detail.get("evidence", "")),
            *(str(row.sizes[name]) if row.sizes else "" for name in ("lines", "reading")),
            _short(row.program),
        ])  # fmt: skip
    return Grid(head, body)


def _short(program: str) -> str:
    """A program's lines on one, cut where that is long."""
    text = " ⏎ ".join(line.strip() for line in program.splitlines()[1:])
    return text if len(text) <= WIDEST else f"{text[: WIDEST - 1]}…"
