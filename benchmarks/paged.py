"""Suites with a page of their own: what is planned, what makes a run, where rows go, and what page they make."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmarks.harness.row import Place, Row
    from benchmarks.harness.task import Task

    Run = Callable[[Task, Place], Row]


WORKER = "benchmarks.harness.execution"


@dataclass(frozen=True)
class Asked:
    """What the command line says of the runs; empty names stand for all, folders that are None for what is shipped."""

    out: Path
    seconds: float
    memory_mb: int
    seed: int
    circuits: tuple[Path, ...]
    backends: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    cases: Path | None = None
    trained: Path | None = None
    sygus: Path | None = None
    on_solved: Callable[[str, bool], None] = field(default=lambda name, is_solved: None, repr=False)


@dataclass(frozen=True)
class Page:
    """A page that a module of ``benchmarks.reports`` makes of the rows in a file."""

    rows: str
    module: str

    def write(self, folder: Path) -> str:
        """The page in ``folder``, from the rows there."""
        text: str = import_module(f"benchmarks.reports.{self.module}").write(folder / self.rows, folder)
        return text


@dataclass(frozen=True)
class Paged:
    """A suite: ``plan`` lists its runs, whose rows make ``page``.

    A run is made by a worker of its own, or by the function ``execute`` of the module ``executing``. ``absent`` names
    tools that were to be run and are not installed.
    """

    page: Page
    plan: Callable[[Asked], tuple[Task, ...]]
    executing: str = WORKER
    absent: Callable[[Asked], Mapping[str, str]] | None = None

    @property
    def has_worker(self) -> bool:
        """Whether a run is the one command of its worker."""
        return self.executing == WORKER

    @property
    def run(self) -> Run:
        """What makes a run."""
        execute: Run = import_module(self.executing).execute
        return execute


def _sygus(asked: Asked) -> tuple[Task, ...]:
    from benchmarks.suites import solve_runs

    return solve_runs.plan(asked.sygus or solve_runs.OWN, asked.seconds, asked.memory_mb, asked.backends)


def _rate(asked: Asked) -> tuple[Task, ...]:
    from benchmarks.suites import solve_rate

    return solve_rate.plan(asked.seconds, asked.memory_mb)


def _no_solver(asked: Asked) -> Mapping[str, str]:
    from benchmarks.suites.solve_runs import absent

    found = absent()
    return {tool: why for tool, why in found.items() if tool in (asked.backends or found)}


def _no_fast_solver(_: Asked) -> Mapping[str, str]:
    from benchmarks.suites.solve_rate import FAST
    from benchmarks.suites.solve_runs import absent

    return {tool: why for tool, why in absent().items() if tool == FAST}


def _breadth(asked: Asked) -> tuple[Task, ...]:
    from benchmarks.suites import breadth

    return breadth.plan(asked.only, asked.seconds, asked.memory_mb, asked.seed)


def _learned(asked: Asked) -> tuple[Task, ...]:
    from benchmarks.suites import learned

    return learned.plan(
        asked.circuits, asked.out, asked.seconds, asked.memory_mb, asked.seed, asked.only, asked.on_solved
    )


def _rnn(asked: Asked) -> tuple[Task, ...]:
    from benchmarks.suites import rnn

    return rnn.plan(asked.cases, asked.trained, asked.seconds, asked.memory_mb, asked.seed, asked.only, asked.out)


def _adders(asked: Asked) -> tuple[Task, ...]:
    from benchmarks.suites import adders

    return adders.plan(asked.cases, asked.seconds, asked.memory_mb, asked.seed, asked.only)


def _speed(asked: Asked) -> tuple[Task, ...]:
    from benchmarks.suites import speed

    return speed.plan(asked.circuits, asked.out, asked.seconds, asked.memory_mb)


def _workers(asked: Asked) -> tuple[Task, ...]:
    from benchmarks.suites import workers

    return workers.plan(asked.circuits, asked.seconds, asked.memory_mb)


SOLVING, NETWORKS = Page("sygus.jsonl", "solve_page"), Page("networks.jsonl", "networks_page")
PROGRAMS, SWEEP = Page("programs.jsonl", "programs_page"), Page("sweep.jsonl", "sweep_page")
PAGED: Mapping[str, Paged] = {
    "sygus": Paged(SOLVING, _sygus, executing="benchmarks.suites.solve_runs", absent=_no_solver),
    "rate": Paged(SOLVING, _rate, absent=_no_fast_solver),
    "breadth": Paged(Page("breadth.jsonl", "breadth_page"), _breadth),
    "learned": Paged(Page("learned.jsonl", "learned_page"), _learned),
    "rnn": Paged(Page("rnn.jsonl", "rnn_page"), _rnn),
    "adders": Paged(Page("adders.jsonl", "adders_page"), _adders),
    "workers": Paged(Page("workers.jsonl", "workers_page"), _workers),
    "speed": Paged(Page("speed.jsonl", "speed_page"), _speed, executing="benchmarks.suites.speed"),
}
PAGES = (*dict.fromkeys(paged.page for paged in PAGED.values()), NETWORKS, PROGRAMS, SWEEP)
