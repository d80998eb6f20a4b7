"""Figures from rows: solved, PAR-2, uniquely solved, virtual best, disagreements. Pure functions, nothing is run.

An attempt is one backend on one instance. In the suite "replay" an instance is a query of a file in a mode, elsewhere a
problem with a seed. PAR-2 (as in the SAT competitions): the mean of seconds, twice the limit where there is no answer.
The virtual best answers each instance with whichever backend was quickest there. Every figure is over the instances on
which each backend was measured (``standing``); lines stand in an order of merit only where nothing is missing. Times
are CPU seconds; of replayed queries those of ``decide``, elsewhere of the run without start-up.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median

from benchmarks.harness.row import UNMEASURED, Row
from benchmarks.harness.standing import Run, Standing, judge

VIRTUAL_BEST = "virtual best"


@dataclass(frozen=True)
class Attempt:
    """``seconds`` is None where there is no answer; ``verdict`` is then why. ``why`` it was not measured, else ""."""

    instance: str
    backend: str
    seconds: float | None
    verdict: str
    limit: float
    why: str = ""


@dataclass(frozen=True)
class Score:
    """One line of the table; seconds. ``common``: the median over the instances that every backend solved."""

    backend: str
    solved: int
    attempts: int
    errors: int
    par2: float
    unique: int
    common: float | None
    total: float


def attempts(rows: Sequence[Row]) -> tuple[Attempt, ...]:
    """Every attempt of the rows of one suite."""
    return tuple(attempt for row in rows for attempt in _attempts(row))


def _attempts(row: Row) -> Iterable[Attempt]:
    if row.suite == "smtlib" and row.status == "unsupported":
        return  # a file that a tool does not take is no question to it
    if row.suite != "replay":
        solved = row.status == "solved"
        instance = row.problem if row.suite == "smtlib" else f"{row.problem}, seed {row.seed}"
        verdict = row.verdict if solved else "error" if row.status == "wrong" else row.status
        why = UNMEASURED.get(row.status, "")
        yield Attempt(instance, row.backend, row.seconds if solved else None, verdict, row.timelimit, why)
        return
    if row.status != "solved":  # queries behind the end were not asked
        yield Attempt(row.problem, row.backend, None, row.status, row.timelimit, UNMEASURED.get(row.status, ""))
    for name, answer, seconds, *_ in row.answers:
        said = answer in ("sat", "unsat")
        verdict = answer if said else answer.partition(":")[0]
        why = UNMEASURED["killed"] if answer == "unknown: walltime" else ""
        yield Attempt(f"{row.problem}: {name}", row.backend, seconds if said else None, verdict, row.timelimit, why)


def backends(found: Iterable[Attempt]) -> tuple[str, ...]:
    """In order of first appearance by name, so that tables do not depend on the order of runs."""
    return tuple(sorted({attempt.backend for attempt in found}))


def by_instance(found: Iterable[Attempt]) -> dict[str, dict[str, Attempt]]:
    """Instance to backend to attempt, instances sorted."""
    table: dict[str, dict[str, Attempt]] = {}
    for attempt in found:
        table.setdefault(attempt.instance, {})[attempt.backend] = attempt
    return dict(sorted(table.items()))


def standing(found: Iterable[Attempt]) -> Standing:
    """Who is compared on what: every backend on every instance is taken to be planned."""
    return judge(Run(attempt.instance, attempt.backend, attempt.why) for attempt in found)


def shared(found: Iterable[Attempt], on: Standing) -> tuple[Attempt, ...]:
    """The attempts that may be compared."""
    return tuple(a for a in found if a.backend in on.tools and a.instance in on.common)


def scores(found: Sequence[Attempt], *, may_rank: bool = True) -> tuple[Score, ...]:
    """One line per backend: fewest errors, then most solved, then least PAR-2; by name where a run is missing.

    Without ``may_rank`` by name in any case. The virtual best stands at the end where there are several.
    """
    on = standing(found)
    broken = {name: sum(a.verdict == "error" for a in found if a.backend == name) for name in on.tools}
    found = shared(found, on)
    table, names = by_instance(found), backends(found)
    common = frozenset(name for name, cells in table.items() if all(b in cells and _ok(cells[b]) for b in names))
    lines = [_score(name, [cells[name] for cells in table.values() if name in cells], table, common) for name in names]
    lines = [replace(line, errors=broken[line.backend]) for line in lines]
    if may_rank and on.may_rank:
        lines.sort(key=lambda line: (line.errors, -line.solved, line.par2))
    if len(names) < 2:
        return tuple(lines)
    best = [min(cells.values(), key=_order) for cells in table.values()]
    virtual = [Attempt(a.instance, VIRTUAL_BEST, a.seconds, a.verdict, a.limit) for a in best]
    return (*lines, _score(VIRTUAL_BEST, virtual, {}, common))


def _score(
    backend: str, own: Sequence[Attempt], table: Mapping[str, Mapping[str, Attempt]], common: frozenset[str]
) -> Score:
    times = [2 * a.limit if a.seconds is None else a.seconds for a in own]
    shared = [a.seconds for a in own if a.instance in common and a.seconds is not None]
    unique = [
        cells
        for cells in table.values()
        if len(cells) > 1 and backend in cells and _ok(cells[backend]) and sum(map(_ok, cells.values())) == 1
    ]
    return Score(
        backend,
        sum(map(_ok, own)),
        len(own),
        0,
        sum(times) / len(times) if times else 0.0,
        len(unique),
        median(shared) if shared else None,
        sum(a.seconds for a in own if a.seconds is not None),
    )


def _ok(attempt: Attempt) -> bool:
    return attempt.seconds is not None


def _order(attempt: Attempt) -> float:
    return float("inf") if attempt.seconds is None else attempt.seconds


@dataclass(frozen=True)
class Conflict:
    """One question with different answers: ``said[who]`` is sat, unsat or a verdict.

    "recorded" is the corpus, ":status" a file.
    """

    instance: str
    said: Mapping[str, str]


def conflicts(rows: Sequence[Row]) -> tuple[Conflict, ...]:
    """Every question on which two solvers, two modes, or a solver and the record contradict each other."""
    told: dict[str, dict[str, str]] = {}
    for row in rows:
        if row.suite == "replay":
            file, _, mode = row.problem.rpartition(", ")
            for name, answer, _, *expected in row.answers:
                said = told.setdefault(f"{file}: {name}", {})
                said[f"{row.backend} ({mode})"] = answer
                said["recorded"] = next(iter(expected), "") or said.get("recorded", "")
        elif row.suite == "smtlib":
            for name, answer, _, *expected in row.answers:
                said = told.setdefault(name, {})
                said[row.backend] = answer
                said[BY_THE_FILE] = next(iter(expected), "") or said.get(BY_THE_FILE, "")
        elif row.verdict:
            told.setdefault(row.problem, {})[f"{row.backend}, seed {row.seed}"] = row.verdict
    return tuple(
        Conflict(instance, {who: said for who, said in answers.items() if said in KNOWN})
        for instance, answers in sorted(told.items())
        if len(KNOWN.intersection(answers.values())) > 1
    )


BY_THE_FILE = ":status"  # who says so: the file
KNOWN = frozenset({"sat", "unsat", "proved", "no program"})


def cactus(found: Sequence[Attempt], backend: str) -> list[tuple[float, str]]:
    """(seconds, instance) of the solved ones, ascending: the n-th value is the limit at which n are solved."""
    return sorted((a.seconds, a.instance) for a in found if a.backend == backend and a.seconds is not None)


def pairs(found: Sequence[Attempt], one: str, other: str) -> list[tuple[float, float, str]]:
    """(seconds of one, of other, instance) wherever both tried; twice the limit where there is no answer."""
    table = by_instance(found).items()
    return [(_penalised(c[one]), _penalised(c[other]), name) for name, c in table if one in c and other in c]


def _penalised(attempt: Attempt) -> float:
    return 2 * attempt.limit if attempt.seconds is None else attempt.seconds
