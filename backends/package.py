"""A solver that is a Python package behind pySMT: hosted by an ``Engine`` in this process, or by a ``Worker``."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from pysmt.environment import Environment
from pysmt.exceptions import SolverAPINotFound
from pysmt.logics import Logic

from backends.answer import BackendError, Limits
from backends.backend import Backend
from backends.engine import Engine
from backends.session import Solving


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
        version = installed_version(self.package)
        if version is None:
            raise self._missing()
        return version

    def engine(self, environment: Environment, logic: Logic, seed: int, limits: Limits, hard: bool) -> Solving:
        """An ``Engine`` in this process, or a ``Worker`` where limits are hard."""
        if hard:
            from backends.worker import Worker

            return Worker(self, logic, seed, limits)
        if limits.memory_mb is not None:
            raise BackendError("a memory limit cannot be kept inside this process; open the session with hard=True")
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


def installed_version(package: str) -> str | None:
    """The version of a package that is installed, by the name of its folder; None where there is none.

    ``NAME-VERSION.dist-info`` in a folder of the path is what pip leaves (PyPA, "Recording installed projects"). Only
    where that is not clear ``importlib.metadata`` is asked: to import it takes as long as a small problem.
    """
    stem, end = f"{package.replace('-', '_')}-".lower(), ".dist-info"
    for folder in sys.path:
        try:
            names = os.listdir(folder or os.curdir)
        except OSError:  # a file, or none
            continue
        found = [name for name in names if name.lower().startswith(stem) and name.endswith(end)]
        if len(found) == 1:
            return found[0][len(stem) : -len(end)]
        if found:
            break
    from importlib import metadata

    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
