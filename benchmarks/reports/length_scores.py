"""Figures from rows of the suite "lengths": where methods end, how many times apart they are, how fast they grow.

    growth   t ~ N^a (counting, whose classes are that many) or t ~ f^N (everything else), least squares on
             logarithms over the runs of one method that took 0.05 s or more
    ratio    CPU seconds of the quickest solver, over those of counting, at the largest length a solver finishes
    chain    the quicker enumeration of all sequences, which ties the stand-in to the circuit, and the quickest solver

Pure functions, nothing is run.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from benchmarks.harness.row import UNMEASURED, Row
from benchmarks.inputs.stand_ins import DENSE, TIED
from benchmarks.suites.lengths import BOUNDED, COUNTING, DIFFERS, EQUAL, PLAIN

MEASURABLE = 0.05
STAND_INS = (TIED, DENSE)
CHAIN = "check and solver, dense"  # derived, not run
OTHERS = (CHAIN, PLAIN, BOUNDED, COUNTING)
Subject = tuple[str, str]  # circuit, name of the program


@dataclass(frozen=True)
class Compared:
    """The best solver on one kind of stand-in at ``length``, the largest where one has the answer "equal".

    ``ours``: seconds of counting at the same length (None: not run). ``failed``: the next length, if it was asked and
    measured, and no solver finished; ``ends``: how they ended; ``ours_there``: counting there;
    ``limit``: what the solvers were given. ``unmeasured``: the next length, if one was not measured. ``refuted``: the
    next length, if solvers find the stand-in to differ there, and counting the circuit not to.
    """

    stand_in: str
    length: int
    solver: str
    seconds: float
    ours: float | None
    failed: int | None
    ours_there: float | None
    refuted: int | None
    limit: float
    ends: tuple[str, ...] = ()
    unmeasured: int | None = None

    @property
    def ratio(self) -> float | None:
        """How many times as long the solver took."""
        return self.seconds / self.ours if self.ours else None

    @property
    def at_least(self) -> float | None:
        """How many times as long, at least, it would take at the length where all ran into the limit of CPU time."""
        return self.limit / self.ours_there if self.ends == ("timeout",) and self.ours_there else None


@dataclass(frozen=True)
class Chain:
    """CPU seconds, at ``length``, of everything that a proof through a dense stand-in needs.

    ``check``: every sequence is run once; ``solver``: the stand-in equals the program; ``ours``: counting (None: not
    run), which needs neither.
    """

    length: int
    check: float
    solver: float
    ours: float | None

    @property
    def seconds(self) -> float:
        """Of both steps."""
        return self.check + self.solver

    @property
    def ratio(self) -> float | None:
        """How many times as long as counting."""
        return self.seconds / self.ours if self.ours else None


def subjects(rows: Iterable[Row]) -> tuple[Subject, ...]:
    """Circuits with the names of their programs: short ones first."""
    found = {(row.options["circuit"], row.options["name"]) for row in rows}
    return tuple(sorted(found, key=lambda subject: (subject[0], subject[1] != "short")))


def of(rows: Iterable[Row], subject: Subject) -> tuple[Row, ...]:
    """The rows of one subject, by length."""
    own = [row for row in rows if (row.options["circuit"], row.options["name"]) == subject]
    return tuple(sorted(own, key=lambda row: (row.options["length"], row.backend)))


def method(row: Row) -> str:
    """What a row is called in tables: its method, and what a solver was asked about."""
    return f"{row.backend}, {row.options['stand_in']}" if row.options["stand_in"] else row.backend


def times(rows: Iterable[Row]) -> dict[str, list[tuple[int, float]]]:
    """(length, CPU seconds) of every method, where its answer is "equal"."""
    found: dict[str, list[tuple[int, float]]] = {}
    for row in rows:
        if is_equal(row) and row.seconds is not None:
            found.setdefault(method(row), []).append((row.options["length"], row.seconds))
    return {name: sorted(points) for name, points in found.items()}


def chains(rows: Iterable[Row]) -> tuple[Chain, ...]:
    """By length: the chain wherever an enumeration and a solver on the dense stand-in both have the answer "equal"."""
    best: dict[str, dict[int, float]] = {"check": {}, "solver": {}, "ours": {}}
    for row in rows:
        step = {PLAIN: "check", BOUNDED: "check", COUNTING: "ours"}.get(row.backend, "solver")
        if not is_equal(row) or row.seconds is None or (step == "solver" and row.options["stand_in"] != DENSE):
            continue
        length = row.options["length"]
        best[step][length] = min(row.seconds, best[step].get(length, row.seconds))
    both = sorted(best["check"].keys() & best["solver"].keys())
    return tuple(Chain(n, best["check"][n], best["solver"][n], best["ours"].get(n)) for n in both)


def checked(rows: Iterable[Row]) -> tuple[tuple[int, int, float], ...]:
    """(length, sequences checked, sequences there are) of each dense stand-in, by length."""
    found = {
        (row.options["length"], row.detail["checked"], row.detail["sequences"])
        for row in rows
        if row.options["stand_in"] == DENSE and row.detail.get("checked")
    }
    return tuple(sorted(found))


def is_equal(row: Row) -> bool:
    """Whether the run ended with the answer "equal"."""
    return row.status == "solved" and row.verdict == EQUAL


def quicker(rows: Iterable[Row]) -> dict[str, tuple[int, ...]]:
    """The lengths at which each other method takes less time than counting, where both have the answer "equal"."""
    found = times(rows)
    ours = dict(found.pop(COUNTING, []))
    lengths = {name: tuple(n for n, s in points if n in ours and s < ours[n]) for name, points in found.items()}
    return {name: some for name, some in sorted(lengths.items()) if some}


def compared(rows: Sequence[Row], stand_in: str) -> Compared | None:
    """Solvers and counting on one subject; None where no solver has an answer."""
    asked = [row for row in rows if row.options["stand_in"] == stand_in]
    answered = [row for row in asked if is_equal(row) and row.seconds is not None]
    if not answered:
        return None
    length = max(row.options["length"] for row in answered)
    seconds, solver = min((row.seconds or 0.0, row.backend) for row in answered if row.options["length"] == length)
    ours = {row.options["length"]: row.seconds for row in rows if row.backend == COUNTING and is_equal(row)}
    beyond = [row for row in asked if row.options["length"] > length]
    failed = min((row.options["length"] for row in beyond if row.status != "solved"), default=None)
    ends = tuple(sorted({row.status for row in beyond if row.options["length"] == failed and row.status != "solved"}))
    unmeasured = failed if any(end in UNMEASURED for end in ends) else None
    failed = None if unmeasured is not None else failed
    limit = min((row.timelimit for row in asked), default=0.0)
    refuted = min((row.options["length"] for row in beyond if row.verdict == DIFFERS), default=None)
    return Compared(
        stand_in, length, solver, seconds, ours.get(length), failed, None if failed is None else ours.get(failed),
        refuted if refuted in ours else None, limit, () if failed is None else ends, unmeasured,
    )  # fmt: skip


def horizon(rows: Iterable[Row]) -> Row | None:
    """The row of counting that found where the program breaks."""
    return next((row for row in rows if row.backend == COUNTING and row.verdict == DIFFERS), None)


def misled(rows: Sequence[Row]) -> Row | None:
    """The longest "equal" of a solver at a length where the network itself breaks the program; None for none."""
    broken = horizon(rows)
    if broken is None:
        return None
    told = [r for r in rows if r.options["stand_in"] and is_equal(r) and r.options["length"] > broken.detail["horizon"]]
    return max(told, key=lambda row: int(row.options["length"]), default=None)


def growth(name: str, points: Sequence[tuple[int, float]]) -> str | None:
    """How the time of the method ``name`` grows with length; None for fewer than three measurable runs."""
    shown = [(length, math.log(seconds)) for length, seconds in points if seconds >= MEASURABLE]
    if len(shown) < 3:
        return None
    if name == COUNTING:
        return f"N^{_slope([(math.log(length), y) for length, y in shown]):.1f}"
    return f"{math.exp(_slope([(float(length), y) for length, y in shown])):.2f} times per token"


def _slope(points: Sequence[tuple[float, float]]) -> float:
    x, y = (sum(column) / len(points) for column in zip(*points, strict=True))
    slope: float = sum((a - x) * (b - y) for a, b in points) / sum((a - x) ** 2 for a, _ in points)
    return slope
