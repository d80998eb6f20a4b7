"""A solver in this process: the background stays asserted, each query is pushed, checked and popped.

After anything but a clean answer the solver is thrown away and a fresh one gets the background again, so a timeout or
an exception cannot leak into the next query. Answers leave this file unchecked: ``decide`` re-evaluates the models.
Several threads may each have an engine: pySMT checks types by tables of the whole process, so one formula at a time is
handed over.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from time import perf_counter
from typing import Any, Protocol

from pysmt.environment import Environment
from pysmt.exceptions import SolverReturnedUnknownResultError
from pysmt.logics import Logic

from backends.answer import Answer, BackendError, Limits, Sat, Unknown, Unsat, Value
from backends.evaluation import constant
from backends.fragment import GUARD, Formula

OUT_OF_MEMORY = "ran out of memory"
PYSMT = threading.Lock()  # held where a formula is handed over, and not while a solver solves


class Startable(Protocol):
    """What an engine asks of a package with a pySMT solver class; ``backends.package`` says what each member is."""

    @property
    def name(self) -> str:
        """What the package is called."""
        ...

    @property
    def queries_per_solver(self) -> int | None:
        """After how many queries a fresh solver is started."""
        ...

    @property
    def set_seconds(self) -> Callable[[Any, float | None], None]:
        """Sets the time limit of a query, in seconds."""
        ...

    @property
    def why_unknown(self) -> Callable[[Any], str]:
        """Asks a solver why it does not know."""
        ...

    @property
    def values(self) -> Callable[[Any, tuple[Any, ...]], Iterable[Any]]:
        """The constants that a model gives to symbols."""
        ...

    @property
    def core(self) -> Callable[[Any], Iterable[str]] | None:
        """Names the assumptions of an unsat answer."""
        ...

    def version(self) -> str:
        """The version that is installed."""
        ...

    def start(self, environment: Environment, logic: Logic, seed: int, with_core: bool = False) -> Any:
        """A fresh pySMT solver."""
        ...


class Engine:
    """Holds one pySMT solver; see ``backends.worker`` for the same three methods in another process."""

    def __init__(self, backend: Startable, environment: Environment, logic: Logic, seed: int) -> None:
        self.backend = backend
        self._environment, self._logic, self._seed = environment, logic, seed
        self._version = backend.version()
        self._background: list[Formula] = []
        self._guards: dict[Formula, str] = {}  # assumed in every query; a guard implies its named assertion
        self._queries = 0
        self._solver: Any = None
        self._solver = self._ready()

    def add(self, formula: Formula, name: str | None = None) -> None:
        """Assert ``formula`` for all later queries, under a name for unsatisfiable cores."""
        guard = None
        if name is not None and self.backend.core is not None:
            manager = self._environment.formula_manager
            guard = manager.Symbol(f"{GUARD}{len(self._guards)}")
            formula = manager.Implies(guard, formula)
            if not self._guards:
                self.close()  # only a fresh solver takes the options for cores
        if self._solver is not None:
            self._assert(self._solver, formula)
        self._background.append(formula)
        if guard is not None and name is not None:
            self._guards[guard] = name

    def check(self, formula: Formula, symbols: tuple[Formula, ...], limits: Limits) -> Answer:
        """The solver's answer for background and ``formula``, with a value for each of ``symbols``."""
        if limits.memory_mb is not None:
            raise BackendError("a memory limit cannot be kept inside this process; open the session with hard=True")
        start = perf_counter()
        solver, self._solver = self._ready(), None  # None until the answer is clean
        self._queries += 1
        try:
            answer = self._ask(solver, formula, symbols, limits, start)
        except MemoryError:
            answer = Unknown(*self._run(start), OUT_OF_MEMORY, is_out_of_memory=True)
        except BackendError:
            raise
        except Exception as error:
            if "out of memory" in str(error) or "bad_alloc" in str(error):
                return Unknown(*self._run(start), OUT_OF_MEMORY, is_out_of_memory=True)
            raise BackendError(f"{self.backend.name} failed on a query: {type(error).__name__}: {error}") from error
        self._solver = solver
        if isinstance(answer, Unknown):
            self.close()
        return answer

    def close(self) -> None:
        """Release the solver; what is asked afterwards gets a fresh one."""
        solver, self._solver = self._solver, None
        if solver is not None:
            with suppress(NotImplementedError):  # what pySMT's own ``Solver`` does
                solver.exit()

    def _ask(self, solver: Any, formula: Formula, symbols: tuple[Formula, ...], limits: Limits, start: float) -> Answer:
        self.backend.set_seconds(solver, limits.seconds)
        solver.push()
        _add(solver, formula)
        try:
            satisfiable = solver.solve(list(self._guards)) if self._guards else solver.solve()
        except SolverReturnedUnknownResultError:
            run = self._run(start)
            if limits.seconds is not None and run[2] >= 0.95 * limits.seconds:
                return Unknown(*run, f"reached the time limit of {limits.seconds:g} s")
            return Unknown(*run, self.backend.why_unknown(solver))
        if satisfiable is True:
            values = zip(symbols, self.backend.values(solver, symbols), strict=True)
            model: dict[str, Value] = {symbol.symbol_name(): constant(value) for symbol, value in values}
        core = self._core(solver) if satisfiable is False and self._guards else ()
        solver.pop()
        if satisfiable is True:
            return Sat(*self._run(start), model)
        if satisfiable is False:
            return Unsat(*self._run(start), core)
        raise BackendError(f"{self.backend.name}: expected solve() to return True or False, got {satisfiable!r}")

    def _core(self, solver: Any) -> tuple[str, ...]:
        assert self.backend.core is not None
        used = set(self.backend.core(solver))
        return tuple(name for guard, name in self._guards.items() if guard.symbol_name() in used)

    def _ready(self) -> Any:
        """The current solver, or a fresh one with the background when there is none or it has served long enough."""
        share = self.backend.queries_per_solver
        if self._solver is None or (share is not None and self._queries >= share):
            self.close()
            self._solver, self._queries = self._start(), 0
        return self._solver

    def _start(self) -> Any:
        try:
            solver = self.backend.start(self._environment, self._logic, self._seed, bool(self._guards))
        except BackendError:
            raise
        except Exception as error:
            raise BackendError(f"{self.backend.name} could not be started: {type(error).__name__}: {error}") from error
        for formula in self._background:
            self._assert(solver, formula)
        return solver

    def _assert(self, solver: Any, formula: Formula) -> None:
        try:
            _add(solver, formula)
        except Exception as error:
            self._solver = None
            raise BackendError(f"{self.backend.name} refused a formula: {type(error).__name__}: {error}") from error

    def _run(self, start: float) -> tuple[str, str, float]:
        return self.backend.name, self._version, perf_counter() - start


def _add(solver: Any, formula: Formula) -> None:
    with PYSMT:
        solver.add_assertion(formula)
