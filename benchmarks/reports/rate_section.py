"""The rate of enumeration on the page of solving: tables and drawings from the rows of the suite "rate"."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from benchmarks.harness.row import Row
from benchmarks.reports import plots
from benchmarks.reports.document import Block, Grid, Heading, Paragraph
from benchmarks.reports.plots import Drawing

Add = Callable[[str, str, Callable[[str], Drawing]], None]


def section(rows: Sequence[Row], blocks: list[Block], add: Add) -> None:
    """Tables and drawings of the rows of this suite."""
    blocks += [
        Heading("Rate of enumeration"),
        Paragraph(
            "All terms up to a size (operators applied), one kept per behaviour on eight samples; CPU seconds to "
            "exhaust it, candidates built, distinct behaviours, and both per second. A size that is missing was not "
            "exhausted within the limits."
        ),
    ]
    for name in sorted({row.problem for row in rows}):
        own = sorted((row for row in rows if row.problem == name), key=lambda row: row.backend)
        body = [
            [str(size), row.backend, f"{seconds:.3g}", f"{candidates:,}", f"{distinct:,}",
             *(f"{count / seconds:,.0f}" if seconds else "–" for count in (candidates, distinct))]
            for row in own for size, (_, seconds, candidates, distinct) in enumerate(row.answers)
        ]  # fmt: skip
        body.sort(key=lambda line: int(line[0]))
        blocks += [
            Heading(name.capitalize(), 3),
            Grid(["size", "tool", "CPU s", "candidates", "distinct", "candidates/s", "distinct/s"], body),
        ]
        times = {row.backend: [(k, answer[1]) for k, answer in enumerate(row.answers) if k] for row in own}
        rates = {row.backend: [(k, a[2] / a[1]) for k, a in enumerate(row.answers) if k and a[1] > 0] for row in own}
        drawn = [(f"rate-{name}-time", times, "CPU seconds"), (f"rate-{name}", rates, "candidates per second")]
        for file, lines, up in drawn:
            shown = {tool: points for tool, points in lines.items() if points}
            add(file, f"{name.capitalize()}: {up} by number of operators.",
                lambda f, s=shown, u=up: plots.growth(f, s, "operators", u))  # type: ignore[misc] # fmt: skip
