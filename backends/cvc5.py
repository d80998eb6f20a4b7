"""cvc5 through pySMT.

Quirks: pySMT turns on ``ite-simp`` and ``simp-ite-compress``, so this is not cvc5's default configuration. The
soft limit ``tlimit-per`` (milliseconds, 0 means none) may be overrun many times over inside preprocessing; use hard
limits where it matters. An incremental solver grows slower with every query (4 ms at first, 28 ms after 800),
so it is replaced often. It refuses cores together with those two options, so they are off where background is named.
Among pySMT's solvers it is the one that takes strings; pySMT's constants are plain text there, without escapes.
"""

from __future__ import annotations

from typing import Any

from backends.backend import LOGICS
from backends.package import PysmtBackend


def _set_seconds(solver: Any, seconds: float | None) -> None:
    solver.cvc5.setOption("tlimit-per", "0" if seconds is None else str(max(1, round(seconds * 1000))))


def _why_unknown(solver: Any) -> str:
    reason = solver.cvc5.getInfo("reason-unknown")
    return reason.decode() if isinstance(reason, bytes) else str(reason)


def _core(solver: Any) -> list[str]:
    return [str(literal.getSymbol()) for literal in solver.cvc5.getUnsatAssumptions()]


CVC5 = PysmtBackend(
    name="cvc5",
    logics=(*LOGICS, "QF_SLIA", "QF_AUFBVLIRA"),
    package="cvc5",
    module="cvc5",
    solver="pysmt.solvers.cvcfive:CVC5Solver",
    home="backends.cvc5:CVC5",
    set_seconds=_set_seconds,
    why_unknown=_why_unknown,
    queries_per_solver=100,
    core=_core,
    core_options=(("produce-unsat-assumptions", "true"), ("ite-simp", "false"), ("simp-ite-compress", "false")),
)
