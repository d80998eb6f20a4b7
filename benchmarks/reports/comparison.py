"""Tools against each other on the same tasks: the table of scores, a cactus, and a scatter for every two."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations

from benchmarks.harness.row import Row
from benchmarks.harness.standing import Standing
from benchmarks.reports import plots, scores
from benchmarks.reports.document import Block, Grid
from benchmarks.reports.plots import Drawing

Add = Callable[[str, str, Callable[[str], Drawing]], None]  # name of a drawing, caption, and what makes it


def compared(
    name: str, rows: Sequence[Row], unit: str, stands: Standing, blocks: list[Block], add: Add, *, pairwise: bool = True
) -> None:
    """The table of scores, the cactus, and a scatter for every two backends."""
    found = scores.attempts(rows)
    table, on = scores.scores(found, may_rank=stands.may_rank), scores.standing(found)
    found = scores.shared(found, on)
    versions = {row.backend: row.solver for row in rows}
    head = ["backend", "solved", "errors", "PAR-2", "unique", "median on common", "seconds in all"]
    body = [
        [versions.get(s.backend, s.backend), f"{s.solved:,}/{s.attempts:,}", str(s.errors), shown_seconds(s.par2),
         f"{s.unique:,}" if s.backend in versions else "–", shown_seconds(s.common), shown_seconds(s.total)]
        for s in table
    ]  # fmt: skip
    blocks.append(Grid(head, body))
    names = scores.backends(found)
    add(
        f"{name}-cactus",
        f"Cactus: {unit} solved within a limit for each.",
        lambda file: plots.cactus(file, {b: scores.cactus(found, b) for b in names}, unit),
    )
    for one, other in combinations(names, 2) if pairwise else ():
        points = [plots.Named(*point) for point in scores.pairs(found, one, other)]
        add(
            f"{name}-{one}-{other}",
            f"{one} across, {other} up; twice the limit where there is no answer.",
            lambda file, p=points, a=one, b=other: plots.scatter(file, p, a, b),  # type: ignore[misc]
        )


def shown_seconds(seconds: float | None) -> str:
    """Three figures; a dash for no time."""
    return "–" if seconds is None else f"{seconds:.3g}" if seconds < 100 else f"{seconds:,.0f}"
