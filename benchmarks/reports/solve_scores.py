"""Figures of SyGuS runs, from rows alone: who solved what, how quickly, how small, and who wins where.

Seconds are CPU seconds of whole processes. PAR-2 charges twice the limit where there is no right answer. cvc5's virtual
best takes, for each problem, the quickest of its configurations with the problem's grammar; the runs without grammar
answer an easier question, so they stand aside and serve for comparing sizes only.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.harness.row import Row
from benchmarks.harness.standing import Standing
from benchmarks.suites.solve_runs import CVC5, NO_GRAMMAR, OURS

BEST = "cvc5 virtual best"
SLOWER = 2.0  # how many times slower is worth saying
Cells = Mapping[str, Row]  # the runs of one problem by tool
Table = Mapping[str, Cells]  # problem to its runs, sorted by name


def by_problem(rows: Iterable[Row]) -> Table:
    """The runs of each problem by tool."""
    table: dict[str, dict[str, Row]] = {}
    for row in rows:
        table.setdefault(row.problem, {})[row.backend] = row
    return {name: table[name] for name in sorted(table)}


def common(table: Table, on: Standing) -> Table:
    """The problems on which every tool that took part was measured, with the runs of these tools alone."""
    kept = (*on.tools, NO_GRAMMAR)
    return {
        name: {tool: row for tool, row in cells.items() if tool in kept}
        for name, cells in table.items()
        if name in on.common
    }


def tools(table: Table) -> tuple[str, ...]:
    """Who was given the problems with their grammars."""
    return tuple(tool for tool in (OURS, *CVC5) if any(tool in cells for cells in table.values()))


def track(cells: Cells) -> str:
    """The track of a problem."""
    return str(next(iter(cells.values())).options.get("track", ""))


def solution(cells: Cells, tool: str) -> Row | None:
    """The run of ``tool`` that solved the problem, if it did; of the virtual best the quickest."""
    if tool != BEST:
        row = cells.get(tool)
        return row if row is not None and row.status == "solved" else None
    solved = [row for name in CVC5 if (row := solution(cells, name)) is not None]
    return min(solved, key=_seconds, default=None)


def solutions(table: Table, tool: str) -> list[Row]:
    """Every run of ``tool`` that solved its problem."""
    return [row for cells in table.values() if (row := solution(cells, tool)) is not None]


def times(table: Table, tool: str) -> list[float]:
    """Seconds of what ``tool`` solved, ascending."""
    return sorted(map(_seconds, solutions(table, tool)))


def cactus(table: Table, tool: str) -> list[tuple[float, str]]:
    """(seconds, problem) of what ``tool`` solved, ascending."""
    return sorted((_seconds(row), row.problem) for row in solutions(table, tool))


def bests(table: Table) -> tuple[str, ...]:
    """The virtual best, where a configuration of cvc5 was run."""
    return (BEST,) if any(tool in CVC5 for tool in tools(table)) else ()


def solved_by_all(table: Table) -> Table:
    """The problems that every tool solved."""
    names = tools(table)
    return {name: cells for name, cells in table.items() if all(solution(cells, tool) for tool in names)}


def par2(table: Table, tool: str) -> float:
    """Mean seconds, twice the limit where ``tool`` has no right answer; of problems that it ran."""
    missed = (max(row.timelimit for row in cells.values()) for cells in table.values() if solution(cells, tool) is None)
    return (sum(times(table, tool)) + 2 * sum(missed)) / len(table)


def unique(table: Table, tool: str) -> int:
    """Problems that ``tool`` alone solved; for the virtual best, that we did not."""
    others = (OURS,) if tool == BEST else [other for other in (OURS, *CVC5) if other != tool]
    return sum(
        solution(cells, tool) is not None and all(solution(cells, other) is None for other in others)
        for cells in table.values()
    )


def invalid(rows: Sequence[Row]) -> list[tuple[Row, str]]:
    """Answers that are wrong, and why; also calling infeasible what another tool solved."""
    solved = {(row.problem, row.backend == NO_GRAMMAR) for row in rows if row.status == "solved"}
    denied = [
        (row, "called infeasible, but solved by another tool")
        for row in rows
        if row.status == "infeasible" and (row.problem, row.backend == NO_GRAMMAR) in solved
    ]
    return [(row, row.reason) for row in rows if row.status == "wrong"] + denied


@dataclass(frozen=True)
class Comparison:
    """Ours beside cvc5. Each entry is a problem with our run and the run of cvc5 it is compared with.

    ``missed``: cvc5 alone solved it; ``alone``: we alone did (no other run); ``slower``: cvc5 is more than twice as
    quick; ``larger``: its smallest answer is smaller than ours.
    """

    missed: tuple[tuple[str, Row | None, Row], ...]
    alone: tuple[tuple[str, Row], ...]
    slower: tuple[tuple[str, Row, Row], ...]
    larger: tuple[tuple[str, Row, Row], ...]


def compared(table: Table) -> Comparison:
    """Where who wins."""
    found = {name: (solution(cells, OURS), solution(cells, BEST)) for name, cells in table.items()}
    both = [(name, ours, best) for name, (ours, best) in found.items() if ours is not None and best is not None]
    smallest = [(name, ours, _smallest(table[name])) for name, ours, _ in both]
    return Comparison(
        tuple((name, table[name].get(OURS), best) for name, (ours, best) in found.items() if best and not ours),
        tuple((name, ours) for name, (ours, best) in found.items() if ours and not best),
        tuple(entry for entry in both if _seconds(entry[1]) > SLOWER * _seconds(entry[2])),
        tuple(entry for entry in smallest if entry[2].size < entry[1].size),
    )


def sizes(table: Table) -> list[tuple[int, int, bool]]:
    """(our size, cvc5's without a grammar, whether the problem has one), where both answer; none if never tried."""
    if not any(NO_GRAMMAR in cells for cells in table.values()):
        return []
    pairs = []
    for cells in table.values():
        ours, other = solution(cells, OURS), solution(cells, NO_GRAMMAR if NO_GRAMMAR in cells else "cvc5 default")
        if ours is not None and other is not None:
            pairs.append((ours.size, other.size, NO_GRAMMAR in cells))
    return pairs


def _smallest(cells: Cells) -> Row:
    return min((row for tool in CVC5 if (row := solution(cells, tool)) is not None), key=lambda row: row.size)


def _seconds(row: Row) -> float:
    assert row.seconds is not None, "a solved run has its seconds"
    return row.seconds
