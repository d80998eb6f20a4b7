"""Z3 through pySMT.

Quirks: ``timeout`` is in milliseconds and 4294967295 means none; it is kept well (0.50 s for 0.5 s) except while wide
bit-vectors are blasted, where it is not looked at: use hard limits there. Each solver has a context of its own
(``backends.z3_context``), so that threads may each have a session. A solver keeps about 16 kB per query, so it is
replaced now and then.

PySMT cannot hand strings to Z3. Z3's package brings its own program along, which is told them as SMT-LIB text instead.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pysmt.environment import Environment
from pysmt.logics import Logic

from backends.answer import BackendError, Limits
from backends.backend import LOGICS
from backends.package import PysmtBackend
from backends.session import Solving

NO_TIMEOUT = 4294967295


def _set_seconds(solver: Any, seconds: float | None) -> None:
    solver.z3.set("timeout", NO_TIMEOUT if seconds is None else min(max(1, round(seconds * 1000)), NO_TIMEOUT))


def _why_unknown(solver: Any) -> str:
    return str(solver.z3.reason_unknown())


def _values(solver: Any, symbols: tuple[Any, ...]) -> list[Any]:
    """Every value from one model object; pySMT's ``get_value`` asks for a new one each time."""
    model = solver.z3.model()
    native = (model.eval(solver.converter.convert(symbol), model_completion=True) for symbol in symbols)
    return [solver.converter.back(value, model) for value in native]


def _core(solver: Any) -> list[str]:
    return [str(literal.decl().name()) for literal in solver.z3.unsat_core()]


def program() -> str:
    """The path of the program in Z3's package; raises BackendError where there is none."""
    from importlib import metadata

    try:
        listed = metadata.files("z3-solver") or []
    except metadata.PackageNotFoundError:
        listed = []
    for file in listed:
        if file.parent.name == "bin" and file.stem == "z3" and (path := Path(str(file.locate()))).is_file():
            return str(path.resolve())
    raise BackendError(
        "z3 takes strings and Horn clauses through its own program, which this installation of z3-solver lacks; "
        "reinstall it with pip, or use cvc5"
    )


@dataclass(frozen=True, kw_only=True)
class _Z3(PysmtBackend):
    def engine(self, environment: Environment, logic: Logic, seed: int, limits: Limits, hard: bool) -> Solving:
        """As for any package, but by Z3's program where there are strings; every limit is hard then."""
        if not logic.theory.strings:
            return super().engine(environment, logic, seed, limits, hard)
        from backends.smtlib_process import SmtlibProcess

        hosted = SmtlibProcess(
            name=self.name,
            command=(program(), "-in", "-smt2"),
            seconds="(set-option :timeout {milliseconds})",
            seed="(set-option :smt.random_seed {seed})",
            cores=True,
        )
        return hosted.engine(environment, logic, seed, limits, hard)


Z3 = _Z3(
    name="z3",
    logics=(*LOGICS, "QF_SLIA", "QF_AUFBVLIRA"),
    package="z3-solver",
    module="z3",
    solver="backends.z3_context:ContextSolver",
    home="backends.z3:Z3",
    set_seconds=_set_seconds,
    why_unknown=_why_unknown,
    queries_per_solver=1000,
    values=_values,
    core=_core,
)
