"""Several solvers at once: every query goes to all of them, and the first Sat or Unsat is the answer.

Each member works in a process of its own and is waited for by a thread of its own (a ``Lane``). After the first verdict
the others get as long again as it took, within ``PATIENCE``: quick queries end everywhere, so nothing is restarted
and the verdicts are compared. Whoever is still busy then is killed, and starts again while the next query is already
under way. The logics are those that all members decide. Which model comes first depends on the clock, so a run is not
repeatable to the last counterexample, whatever the seed.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass
from threading import Event, Lock
from time import perf_counter
from typing import Protocol

from pysmt.environment import Environment
from pysmt.logics import Logic

from backends.answer import Answer, BackendError, Limits, Sat, Unknown, Unsat
from backends.backend import Backend
from backends.fragment import Formula
from backends.process import DiedError
from backends.session import Solving

PATIENCE = (0.02, 0.2)  # seconds that the others get after the first verdict: at least, at most


class Interruptible(Solving, Protocol):
    """A solver in a process of its own: ``Worker`` and ``SmtlibEngine``."""

    def ready(self) -> None:
        """Wait until a live process knows what was asserted; raises DiedError if it ends meanwhile."""
        ...

    def interrupt(self) -> None:
        """End a query that is being answered in another thread."""
        ...


@dataclass(frozen=True, init=False)
class Portfolio(Backend):
    """``Portfolio(Z3, CVC5)``, or ``z3+cvc5`` on a command line; an answer names the member that gave it."""

    members: tuple[Backend, ...]

    def __init__(self, *members: Backend) -> None:
        names = [member.name for member in members]
        if len(members) < 2 or len(set(names)) < len(names) or any(isinstance(m, Portfolio) for m in members):
            raise BackendError(f"a portfolio needs two or more different solvers, got {'+'.join(names) or 'none'}")
        logics = tuple(name for name in members[0].logics if all(name in member.logics for member in members))
        if not logics:
            decided = "; ".join(f"{member.name} decides {', '.join(member.logics)}" for member in members)
            raise BackendError(f"the members of a portfolio need a logic in common: {decided}")
        for field, value in (("name", "+".join(names)), ("logics", logics), ("members", members)):
            object.__setattr__(self, field, value)

    def is_installed(self) -> bool:
        """Whether every member is."""
        return all(member.is_installed() for member in self.members)

    def version(self) -> str:
        """The versions of the members, joined by ``+``."""
        return "+".join(member.version() for member in self.members)

    def engine(self, environment: Environment, logic: Logic, seed: int, limits: Limits, hard: bool) -> Race:
        """Every member in a process of its own, so every limit is hard."""
        with ThreadPoolExecutor(len(self.members)) as starters:
            futures = [starters.submit(m.engine, environment, logic, seed, limits, True) for m in self.members]
        lanes = [Lane(m.name, f.result()) for m, f in zip(self.members, futures, strict=True) if not f.exception()]
        race = Race(self, lanes)
        if len(lanes) < len(futures):
            race.close()
        for future in futures:
            future.result()  # raises what kept a member from starting
        return race


class Race:
    """The three methods of ``Engine``, answered by whoever is first."""

    def __init__(self, portfolio: Portfolio, lanes: Sequence[Lane]) -> None:
        self._portfolio, self._lanes = portfolio, lanes

    def add(self, formula: Formula, name: str | None = None) -> None:
        """Assert ``formula`` for all later queries, in every member, under a name for unsatisfiable cores."""
        wait(futures := [lane.submit_add(formula, name) for lane in self._lanes])
        for future in futures:
            future.result()

    def check(self, formula: Formula, symbols: tuple[Formula, ...], limits: Limits) -> Answer:
        """The first verdict; Unknown if there is none, BackendError if two verdicts differ."""
        start, over = perf_counter(), Event()
        running = {lane.submit_check(formula, symbols, limits, over): lane for lane in self._lanes}
        pending, verdicts = set(running), list[Sat | Unsat]()
        try:
            while pending and not verdicts:
                done, pending = wait(pending, return_when=FIRST_COMPLETED)
                verdicts += _verdicts(done)
            least, most = PATIENCE
            done, pending = wait(pending, timeout=max(least, min(perf_counter() - start, most)))
            verdicts += _verdicts(done)
        finally:
            over.set()
            for lane in self._lanes:
                lane.stop()
            wait(future for future, lane in running.items() if lane.is_asking)
        return self._agreed(verdicts) if verdicts else self._unknown(running, perf_counter() - start)

    def close(self) -> None:
        """Kill every member."""
        for lane in self._lanes:
            lane.close()

    def _agreed(self, verdicts: list[Sat | Unsat]) -> Answer:
        kinds = {type(verdict): verdict for verdict in reversed(verdicts)}
        if len(kinds) > 1:
            said = " and ".join(f"{v.solver} {v.version} answered {type(v).__name__.lower()}" for v in kinds.values())
            raise BackendError(f"{said} to the same question; do not trust one of them, and report the query")
        return verdicts[0]

    def _unknown(self, running: dict[Future[Answer], Lane], seconds: float) -> Unknown:
        answers = {lane.name: future.result() for future, lane in running.items()}  # raises what a member raised
        reasons = [f"{name}: {answer.reason}" for name, answer in answers.items() if isinstance(answer, Unknown)]
        return Unknown(self._portfolio.name, self._portfolio.version(), seconds, "; ".join(reasons))


class Lane:
    """One member and the thread that waits for it, so that its requests keep their order."""

    def __init__(self, name: str, engine: Solving) -> None:
        self.name, self.is_asking = name, False
        self._engine: Interruptible = engine  # type: ignore[assignment]
        self._thread, self._lock = ThreadPoolExecutor(1, f"portfolio-{name}"), Lock()

    def submit_add(self, formula: Formula, name: str | None) -> Future[None]:
        """Begin to add ``formula``."""
        return self._thread.submit(self._engine.add, formula, name)

    def submit_check(
        self, formula: Formula, symbols: tuple[Formula, ...], limits: Limits, over: Event
    ) -> Future[Answer]:
        """Begin to ask, unless the race is ``over`` before this member is ready."""
        return self._thread.submit(self._check, formula, symbols, limits, over)

    def stop(self) -> None:
        """Kill the solver if it works on a query; one that is only starting may go on."""
        with self._lock:
            if self.is_asking:
                self._engine.interrupt()

    def close(self) -> None:
        """Kill the solver and end the thread."""
        self._thread.shutdown(wait=False, cancel_futures=True)
        self._engine.close()
        self._thread.shutdown()
        self._engine.close()  # once more, in case the thread was starting it

    def _check(self, formula: Formula, symbols: tuple[Formula, ...], limits: Limits, over: Event) -> Answer:
        if not over.is_set():
            with suppress(DiedError):  # the query meets the same trouble and reports it
                self._engine.ready()
        with self._lock:
            if over.is_set():
                return Unknown(self.name, "", 0.0, "the race was over")
            self.is_asking = True
        try:
            return self._engine.check(formula, symbols, limits)
        finally:
            with self._lock:
                self.is_asking = False


def _verdicts(done: set[Future[Answer]]) -> list[Sat | Unsat]:
    """The verdicts among finished futures; an error of one member is no verdict."""
    answers = [future.result() for future in done if future.exception() is None]
    return [answer for answer in answers if isinstance(answer, Sat | Unsat)]
