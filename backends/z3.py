"""Z3 through pySMT.

Quirks: ``timeout`` is in milliseconds and 4294967295 means none; it is kept well (0.50 s for 0.5 s) except while wide
bit-vectors are blasted, where it is not looked at: use hard limits there. One process has one Z3 context, so memory is
shared by all sessions of a process. A solver keeps about 16 kB per query, so it is replaced now and then. For the
same reason a seed repeats a model only in a fresh process (a worker), not across sessions of one process.
"""

from __future__ import annotations

from typing import Any

from backends.backend import PysmtBackend

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


Z3 = PysmtBackend(
    name="z3",
    package="z3-solver",
    module="z3",
    solver="pysmt.solvers.z3:Z3Solver",
    home="backends.z3:Z3",
    set_seconds=_set_seconds,
    why_unknown=_why_unknown,
    queries_per_solver=1000,
    values=_values,
    core=_core,
)
