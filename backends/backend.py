"""A solver as a value: what it is called, how it is installed, which logics it decides, and its quirks.

One file per solver holds one ``Backend``; its adapter is imported when a session opens (pySMT itself imports z3's
package where there is one, 30 ms). The pySMT solver class is named by import path, so any subclass of
``pysmt.solvers.solver.Solver`` can be a backend.
"""

from __future__ import annotations

from collections.abc import Callable
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
    from backends.session import Session

LOGICS = ("QF_BV", "QF_LIA", "QF_LIRA", "QF_LRA", "QF_NIA", "QF_UF")


@dataclass(frozen=True)
class Backend:
    """Everything the room knows about one solver.

    ``package`` is what pip installs and ``module`` what Python imports; ``solver`` and ``home`` are import paths
    (``module:attribute``) of the pySMT solver class and of this value itself, so that a worker process finds it.
    ``set_seconds(solver, seconds)`` sets the soft limit per query, ``why_unknown(solver)`` asks for a reason, and
    ``queries_per_solver`` replaces a solver that grows slower or larger with use.
    """

    name: str
    package: str
    module: str
    solver: str
    home: str
    set_seconds: Callable[[Any, float | None], None]
    why_unknown: Callable[[Any], str]
    logics: tuple[str, ...] = LOGICS
    options: tuple[tuple[str, str | int | bool], ...] = ()
    queries_per_solver: int | None = None

    def is_installed(self) -> bool:
        """Whether the solver's Python package can be found (it is not imported)."""
        return find_spec(self.module) is not None

    def version(self) -> str:
        """The installed version; raises BackendError naming the pip package when there is none."""
        try:
            return metadata.version(self.package)
        except metadata.PackageNotFoundError:
            raise self._missing() from None

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
        ``hard=True`` hosts the solver in a worker process, which is killed when a limit is passed.
        """
        from backends.session import open_session

        return open_session(self, environment, logic, seed, limits or Limits(), recorder, hard)

    def start(self, environment: Environment, logic: Logic, seed: int) -> Any:
        """A fresh pySMT solver. For the engine; everyone else opens a session."""
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
            solver_options=dict(self.options),
        )

    def _missing(self) -> BackendError:
        return BackendError(f"the solver {self.name} is not installed; run: pip install {self.package}")
