"""pySMT's Z3 solver in a Z3 context of its own.

pySMT puts all solvers of a process into one context, whose terms no two threads may touch at once: not by solving, nor
by collecting what another has left behind. Contexts have nothing in common (Z3's C API: "different threads may use
different contexts"), so that one per solver is safe in any thread, and answers the same whatever was asked before.
A context takes some 16 MB until its last term is gone: ``exit`` lets go of all, and waits for no collection.
"""

from __future__ import annotations

from typing import Any

import z3
from pysmt.environment import Environment
from pysmt.logics import Logic
from pysmt.solvers.solver import IncrementalTrackingSolver
from pysmt.solvers.z3 import Z3Converter, Z3Solver


class ContextSolver(Z3Solver):  # type: ignore[misc]
    """A solver with all its terms in a context that nothing else uses."""

    def __init__(self, environment: Environment, logic: Logic, **options: Any) -> None:
        IncrementalTrackingSolver.__init__(self, environment=environment, logic=logic, **options)
        context, name = z3.Context(), str(logic)
        # a name that Z3 does not know may crash it
        self.z3 = z3.SolverFor(name, ctx=context) if name in self.SOLVERFOR_LOGIC_NAMES else z3.Solver(ctx=context)
        self.options(self)
        self.declarations: set[Any] = set()
        self.converter = Z3Converter(environment, z3_ctx=context)
        self.mgr = environment.formula_manager

    def _exit(self) -> None:
        parts = vars(self.converter)  # its tables hold functions of its own, and they hold it
        needed = {name: parts[name] for name in ("ctx", "memoization")}  # to give its terms back when it ends
        parts.clear()
        parts.update(needed)
        super()._exit()
