"""A solver as a value: what it is called, which logics it decides, and how it is started.

Three kinds share ``Backend``: a Python package behind pySMT (``PysmtBackend``, in this file), a program that reads
SMT-LIB (``backends.smtlib_process``), and several at once (``backends.portfolio``). One file per shipped solver holds
one value; its adapter is imported when a session opens (pySMT itself imports z3's package where there is one, 30 ms).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import import_module, metadata
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from pysmt.environment import Environment
from pysmt.exceptions import SolverAPINotFound
from pysmt.logics import Logic

from backends.answer import BackendError, Limits

if TYPE_CHECKING:
    from backends.recorder import Recorder
    from backends.session import Session, Solving

LOGICS = ("QF_BV", "QF_LIA", "QF_LIRA", "QF_LRA", "QF_NIA", "QF_UF")


@dataclass(frozen=True, kw_only=True)
class Backend(ABC):
    """What everyone may know about a solver, and ``open``, which starts one."""

    name: str
    logics: tuple[str, ...] = LOGICS

    @abstractmethod
    def is_installed(self) -> bool:
        """Whether a session could be opened on this machine (nothing is started)."""

    @abstractmethod
    def version(self) -> str:
        """The installed version; raises BackendError saying what to install when there is none."""

    @abstractmethod
    def engine(self, environment: Environment, logic: Logic, seed: int, limits: Limits, hard: bool) -> Solving:
        """What a session asks. For ``backends``; everyone else opens a session."""

    def open(
        self,
        environment: Environment,
        logic: Logic,
        *,
        seed: int = 0,
        limits: Limits | None = None,
        recorder: Recorder | None = None,
        hard: bool = False,
    ) -> Session:
        """A session for ``decide``, used in a ``with`` block; ``limits`` hold for each query that names no others.

        In this process the time limit is soft (solvers have been seen to overrun it) and a memory limit is refused.
        ``hard=True`` hosts the solver in a process of its own, which is killed when a limit is passed.
        """
        from backends.session import open_session

        return open_session(self, environment, logic, seed, limits or Limits(), recorder, hard)


def _values(solver: Any, symbols: tuple[Any, ...]) -> Iterable[Any]:
    return (solver.get_value(symbol) for symbol in symbols)


@dataclass(frozen=True, kw_only=True)
class PysmtBackend(Backend):
    """A Python package with a pySMT solver class.

    ``package`` is what pip installs and ``module`` what Python imports; ``solver`` and ``home`` are import paths
    (``module:attribute``) of the pySMT solver class and of this value itself, so that a worker process finds it. Any
    subclass of ``pysmt.solvers.solver.Solver`` will do.
    ``set_seconds(solver, seconds)`` sets the soft limit per query, ``why_unknown(solver)`` asks for a reason, and
    ``queries_per_solver`` replaces a solver that grows slower or larger with use. ``values(solver, symbols)`` are the
    constants that the model gives to the symbols. ``core(solver)`` names the
    assumptions that an *unsat* used, in a solver started with ``core_options`` as well; None where it cannot tell.
    """

    package: str
    module: str
    solver: str
    home: str
    set_seconds: Callable[[Any, float | None], None]
    why_unknown: Callable[[Any], str]
    options: tuple[tuple[str, str | int | bool], ...] = ()
    queries_per_solver: int | None = None
    values: Callable[[Any, tuple[Any, ...]], Iterable[Any]] = _values
    core: Callable[[Any], Iterable[str]] | None = None
    core_options: tuple[tuple[str, str | int | bool], ...] = ()

    def is_installed(self) -> bool:
        """Whether the Python package of the solver can be imported."""
        return find_spec(self.module) is not None

    def version(self) -> str:
        """The version of that package; raises BackendError where it is not installed."""
        try:
            return metadata.version(self.package)
        except metadata.PackageNotFoundError:
            raise self._missing() from None

    def engine(self, environment: Environment, logic: Logic, seed: int, limits: Limits, hard: bool) -> Solving:
        """An ``Engine`` in this process, or a ``Worker`` where limits are hard."""
        if hard:
            from backends.worker import Worker

            return Worker(self, logic, seed, limits)
        if limits.memory_mb is not None:
            raise BackendError("a memory limit cannot be kept inside this process; open the session with hard=True")
        from backends.engine import Engine

        return Engine(self, environment, logic, seed)

    def start(self, environment: Environment, logic: Logic, seed: int, with_core: bool = False) -> Any:
        """A fresh pySMT solver, ``with_core`` one that can be asked for cores. For ``Engine``."""
        module, _, name = self.solver.partition(":")
        try:
            solver_class = getattr(import_module(module), name)
        except (SolverAPINotFound, ImportError) as error:
            raise self._missing() from error
        return solver_class(
            environment,
            logic,
            generate_models=True,
            incremental=True,
            random_seed=seed,
            solver_options=dict(self.options + (self.core_options if with_core else ())),
        )

    def _missing(self) -> BackendError:
        return BackendError(f"the solver {self.name} is not installed; run: pip install {self.package}")
