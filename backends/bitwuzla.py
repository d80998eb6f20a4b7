"""Bitwuzla, a solver for bit-vectors, through our own pySMT adapter (pySMT 0.9.6 has none for it).

Quirks: it decides no arithmetic, so integer questions reach it as bit-vectors (``backends.translation``). The soft
limit is a callback that it asks about time; it is kept within milliseconds, on wide division too. It gives no reason
for *unknown* besides that callback. Speed and memory stay level over thousands of queries on one solver, but our
converted terms are kept, so it is replaced now and then.
"""

from __future__ import annotations

from typing import Any

from backends.package import PysmtBackend


def _set_seconds(solver: Any, seconds: float | None) -> None:
    solver.set_seconds(seconds)


def _why_unknown(solver: Any) -> str:
    return "bitwuzla gave up without a reason"


def _core(solver: Any) -> list[str]:
    return list(solver.unsat_assumptions())


BITWUZLA = PysmtBackend(
    name="bitwuzla",
    package="bitwuzla",
    module="bitwuzla",
    solver="backends.bitwuzla_adapter:BitwuzlaSolver",
    home="backends.bitwuzla:BITWUZLA",
    set_seconds=_set_seconds,
    why_unknown=_why_unknown,
    logics=("QF_BV", "QF_UF"),
    queries_per_solver=1000,
    core=_core,
    core_options=(("produce-unsat-assumptions", True),),
)
