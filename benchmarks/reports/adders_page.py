"""The report of the suite "adders", made from rows alone: claimed, measured, proved on all pairs or a failing pair."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from benchmarks.harness import standing
from benchmarks.harness.row import BenchmarkError, Row, read
from benchmarks.harness.standing import Plan
from benchmarks.reports.comparison import shown_seconds
from benchmarks.reports.document import Block, Grid, Heading, Paragraph, save
from benchmarks.reports.page import conditions
from benchmarks.reports.summary import summary
from benchmarks.suites.adders import RANDOM, SUITE

TITLE = "Networks that calculate: proved on all pairs, or a pair that fails"
ABOUT = (
    "A prompt shows two numbers digit by digit, and the answer is what greedy decoding gives. Proved is about all "
    "pairs, in the arithmetic named; the proof is by teacher forcing: every next digit is right on every right prefix. "
    "Claimed is what the authors say, as the folder quotes them; they may count a token behind the digits, such as an "
    "end token, which is no part of the answer here. Measured is the program beside the network run in "
    f"float64, on {RANDOM:,} random pairs and all pairs of round and extreme numbers, or on all where there are few: "
    "it proves nothing, and no search has chosen those pairs. The least margin is that of the proof, after rounding. "
    "How many pairs fail is counted over sets of pairs under bounds, never sampled, in seconds; it is counted where "
    "one layer attends. "
    "Seconds are CPU seconds from the files read to the verdict, check those of the independent checker on the "
    "certificate."
)
HEAD = [
    "network", "parameters", "program", "pairs", "claimed", "measured wrong", "outcome", "pairs that fail",
    "arithmetic", "least margin", "CPU s", "check, CPU s",
]  # fmt: skip


def write(rows_file: Path, folder: Path) -> str:
    """Write adders.md and adders.html to ``folder``; the Markdown text. Raises BenchmarkError."""
    plan = standing.load(rows_file)
    return save(folder, "adders", TITLE, report(standing.chosen(read(rows_file), plan), plan), {})


def report(rows: Sequence[Row], plan: Plan | None = None) -> list[Block]:
    """The blocks of the report."""
    if not rows:
        raise BenchmarkError("there are no rows to make a report from; run: distill bench --suite adders")
    errors = [row for row in rows if row.status == "error"]
    stands = {SUITE: standing.of_rows(rows, plan, SUITE)}
    blocks: list[Block] = [Heading(TITLE, 1), *summary(stands, ranks=False)]
    blocks.append(Paragraph(f"Errors: {len(errors)}.", bool(errors)))
    proved = sum(_is_proved(row) for row in rows)
    failing = sum(row.status == "solved" and not _is_proved(row) for row in rows)
    blocks.append(
        Paragraph(
            f"Of {len(rows)} networks: {proved} proved on all pairs, {failing} with a pair that fails, "
            f"{len(rows) - proved - failing} not decided."
        )
    )
    return [*blocks, Paragraph(ABOUT), Grid(HEAD, [_line(row) for row in rows]), *_verdicts(rows), *conditions(rows)]


def _is_proved(row: Row) -> bool:
    return row.status == "solved" and bool(row.detail.get("proved"))


def _line(row: Row) -> list[str]:
    told = row.detail
    margin, check = told.get("margin"), told.get("check")
    measured = [f"{wrong:,} of {tried:,} {family}" for family, (wrong, tried) in told.get("measured", {}).items()]
    return [
        row.problem, _count(told.get("parameters")), told.get("expression") or "–", _pairs(told.get("pairs")),
        told.get("claimed") or "–", ", ".join(measured) or "–", _outcome(row), _failing(row),
        told.get("arithmetic") or "–", "–" if not _is_proved(row) or margin is None else f"{margin:.3g}",
        "–" if row.seconds is None else shown_seconds(row.seconds),
        shown_seconds(check) if isinstance(check, float) else "–" if check is None else "no certificate",
    ]  # fmt: skip


def _outcome(row: Row) -> str:
    told = row.detail
    if _is_proved(row):
        return "proved"
    if row.status != "solved":
        return "not decided" if row.status == "unsolved" else row.status
    a, b = told["pair"]
    return f"{a}, {b}: {'no number' if told['given'] is None else told['given']}, not {told['right']}"


def _failing(row: Row) -> str:
    """How many pairs fail, exactly or between bounds; of a network with a pair that fails, or none."""
    between = row.detail.get("fail")
    if _is_proved(row):
        return "none"
    if row.status != "solved":
        return "–"
    if between is None:
        return "at least 1 (not counted)"
    least, most = (f"{int(number):,}" for number in between)  # in full: a bound that is rounded is none
    if least == most:
        return least
    return f"{'1' if least == '0' else least} to {'all' if between[1] == row.detail.get('pairs') else most}"


def _count(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else "–"


def _pairs(value: str | None) -> str:
    """How many pairs there are: a power of ten as such, else in full where that is short."""
    if value is None:
        return "–"
    if value.strip("0") == "1" and len(value) > 7:
        return f"10^{len(value) - 1}"
    return f"{int(value):,}" if len(value) < 16 else f"{int(value):.1e}"


def _verdicts(rows: Sequence[Row]) -> Iterable[Block]:
    """Each verdict in full, the reason of every other row, and what a certificate says or why there is none."""
    yield Heading("Verdicts")
    for row in rows:
        told = row.detail
        said = [told["verdict"] if row.status == "solved" else row.reason or f"{row.status}."]
        if row.status == "solved" and told.get("failures"):
            said.append(told["failures"])
        if isinstance(told.get("check"), str):
            said.append(f"No certificate: {told['check']}.")
        elif told.get("certified") and told["certified"] != told["arithmetic"]:
            said.append(f"The certificate holds in {told['certified']} only.")
        yield Paragraph(f"{row.problem}: {' '.join(said)}")
