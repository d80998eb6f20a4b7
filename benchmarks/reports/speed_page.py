"""The report of the suite "speed", made from rows alone: what the main chain costs, as ratios, beside its goals."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.harness import standing
from benchmarks.harness.row import BenchmarkError, Row
from benchmarks.harness.standing import Plan
from benchmarks.reports.comparison import shown_seconds
from benchmarks.reports.document import Block, Grid, Heading, Paragraph, save
from benchmarks.reports.page import conditions
from benchmarks.reports.result_xml import written
from benchmarks.reports.summary import summary
from benchmarks.suites.speed import CHECK, IMPORTS, LISTING, PLAIN, REPEATS, RUN, SUITE, VERIFY

TITLE = "What a distillation costs over what it cannot do without"
OVER, TWICE = 1.0, 2.0  # goals: CPU seconds over the imports; a ratio
ABOUT = (
    f"Medians of {REPEATS} processes each, in a shuffled order, in CPU seconds, children included: measured side by "
    "side, so that only ratios and differences of one page mean anything."
)


@dataclass(frozen=True)
class Goal:
    """What was measured of a circuit, against at most ``most``."""

    what: str
    circuit: str
    value: float
    most: float

    @property
    def is_met(self) -> bool:
        """Whether it is within the goal."""
        return self.value <= self.most

    @property
    def word(self) -> str:
        """The same in a word."""
        return "met" if self.is_met else "missed"


def write(rows_file: Path, folder: Path) -> str:
    """Write speed.md and speed.html to ``folder``; the Markdown text. Raises BenchmarkError."""
    rows, plan = written(rows_file, folder)
    return save(folder, "speed", TITLE, report(rows, plan), {})


def report(rows: Sequence[Row], plan: Plan | None = None) -> list[Block]:
    """The blocks of the report."""
    if not rows:
        raise BenchmarkError("there are no rows to make a report from; run: distill bench --suite speed")
    stands = {SUITE: standing.of_rows(rows, plan, SUITE)}
    errors = [row for row in rows if row.status == "error"]
    times = medians(rows)
    goals = [*starting(times), *checking(times), *listing(times)]
    missed = [goal for goal in goals if not goal.is_met]
    blocks: list[Block] = [
        Heading(TITLE, 1),
        *summary(stands, ranks=False),
        Paragraph(f"Errors: {len(errors)}.", is_bad=bool(errors)),
    ]
    if errors:
        body = [[row.problem, row.backend, row.reason] for row in errors]
        blocks.append(Grid(["circuit", "process", "what happened"], body))
    blocks.append(Paragraph(f"Goals: {len(goals) - len(missed):,} of {len(goals):,} met."))
    if missed:
        body = [[goal.what, goal.circuit, f"{goal.value:.2f}", f"{goal.most:g}"] for goal in missed]
        blocks.append(Grid(["missed", "circuit", "measured", "goal"], body))
    blocks += [Paragraph(ABOUT), *_starting(times), *_checking(times), *_listing(times, rows)]
    return [*blocks, *conditions(rows)]


Times = Mapping[tuple[str, str], float]


def medians(rows: Sequence[Row]) -> Times:
    """The median CPU seconds by circuit and process, of those that ended."""
    found: dict[tuple[str, str], list[float]] = {}
    for row in rows:
        if row.status == "solved" and row.seconds is not None:
            found.setdefault((row.problem, row.backend), []).append(row.seconds)
    return {key: median(seconds) for key, seconds in found.items()}


def _goals(
    times: Times, what: str, most: float, needs: Sequence[str], value: Callable[..., float]
) -> Iterable[tuple[Goal, tuple[float, ...]]]:
    """The goal of each circuit that has all that it ``needs``, and those figures."""
    for circuit in dict.fromkeys(circuit for circuit, _ in times):
        if all((circuit, tool) in times for tool in needs):
            figures = tuple(times[circuit, tool] for tool in needs)
            yield Goal(what, circuit, value(*figures), most), figures


def starting(times: Times) -> list[Goal]:
    """``distill run`` over its bare imports, in CPU seconds."""
    return [goal for goal, _ in _of_start(times)]


def _of_start(times: Times) -> list[tuple[Goal, tuple[float, ...]]]:
    return list(_goals(times, "run over its imports, s", OVER, (RUN, IMPORTS[RUN]), lambda run, bare: run - bare))


def checking(times: Times) -> list[Goal]:
    """The checker's process by the prover's."""
    return [goal for goal, _ in _of_check(times)]


def _of_check(times: Times) -> list[tuple[Goal, tuple[float, ...]]]:
    needs = (CHECK, VERIFY, IMPORTS[CHECK], IMPORTS[VERIFY])
    return list(_goals(times, "check / verify", TWICE, needs, lambda check, prove, *bare: check / prove))


def listing(times: Times) -> list[Goal]:
    """Labels with bounds by labels without."""
    return [goal for goal, _ in _of_listing(times)]


def _of_listing(times: Times) -> list[tuple[Goal, tuple[float, ...]]]:
    return list(_goals(times, "listing / plain", TWICE, (LISTING, PLAIN), lambda ours, plain: ours / plain))


def _starting(times: Times) -> Iterable[Block]:
    yield Heading("distill run, cold")
    yield Paragraph(
        "The whole command with its usual solver, beside a process that only imports the modules which the command has "
        f"loaded at its end, and those of the solver's own process. Goal: at most {OVER:g} CPU second over them."
    )
    body = [
        [g.circuit, shown_seconds(run), shown_seconds(bare), shown_seconds(g.value), f"{run / bare:.2f}", g.word]
        for g, (run, bare) in _of_start(times)
    ]
    yield Grid(["circuit", "run, s", "imports, s", "over imports, s", "run / imports", "goal"], body)


def _checking(times: Times) -> Iterable[Block]:
    yield Heading("Checker and prover")
    yield Paragraph(
        "distill verify of the program that was found, no certificate written, beside distill-check of its "
        f"certificate. Goal: the checker's process takes at most {TWICE:g} times the prover's. The last ratio leaves "
        "out the imports of both."
    )
    body = []
    for goal, (check, prove, bare, bare_prove) in _of_check(times):
        own, proving = check - bare, prove - bare_prove
        without = f"{own / proving:.2f}" if proving > 0 else "–"
        seconds = map(shown_seconds, (prove, check))
        body.append([goal.circuit, *seconds, f"{goal.value:.2f}", goal.word, without])
    yield Grid(["circuit", "verify, s", "check, s", "check / verify", "goal", "without imports"], body)


def _listing(times: Times, rows: Sequence[Row]) -> Iterable[Block]:
    yield Heading("Listing and compiled enumeration")
    yield Paragraph(
        "Labels of every sequence up to a length, each with a guaranteed margin, beside the same circuit in plain "
        "float32 by numpy's compiled kernels, every prefix computed once, without any bound. Start-up left out. Goal: "
        f"listing takes at most {TWICE:g} times as long."
    )
    told = {row.problem: row.detail for row in rows if row.backend == LISTING and row.status == "solved"}
    body = []
    for goal, (ours, plain) in _of_listing(times):
        said = told[goal.circuit]
        count = said["sequences"]
        body.append([
            goal.circuit, str(said["longest"]), f"{count:,}", f"{said['computations']:,}", shown_seconds(ours),
            shown_seconds(plain), f"{goal.value:.2f}", goal.word, f"{count / ours:,.0f}",
        ])  # fmt: skip
    head = ["circuit", "length", "sequences", "computations", "listing, s", "plain, s", "listing / plain", "goal"]
    yield Grid([*head, "listed a second"], body)
