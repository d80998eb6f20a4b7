"""Who answers: solvers behind one ``decide``. A name is imported when it is first asked for, a solver when it opens."""

from __future__ import annotations

TYPE_CHECKING = False  # as ``typing`` has it, which takes longer to import than a small problem to solve
if TYPE_CHECKING:
    from typing import Any

    from backends.answer import Answer, BackendError, Limits, Sat, Unknown, Unsat, Value
    from backends.backend import Backend
    from backends.bitwuzla import BITWUZLA
    from backends.cvc5 import CVC5
    from backends.package import PysmtBackend
    from backends.portfolio import Portfolio
    from backends.recorder import Recorder
    from backends.registry import available, get, names
    from backends.session import Session, decide
    from backends.smtlib import smtlib_script
    from backends.z3 import Z3

LATER = {
    "Answer": "backends.answer",
    "BITWUZLA": "backends.bitwuzla",
    "Backend": "backends.backend",
    "BackendError": "backends.answer",
    "CVC5": "backends.cvc5",
    "Limits": "backends.answer",
    "Portfolio": "backends.portfolio",
    "PysmtBackend": "backends.package",
    "Recorder": "backends.recorder",
    "Sat": "backends.answer",
    "Session": "backends.session",
    "Unknown": "backends.answer",
    "Unsat": "backends.answer",
    "Value": "backends.answer",
    "Z3": "backends.z3",
    "available": "backends.registry",
    "decide": "backends.session",
    "get": "backends.registry",
    "names": "backends.registry",
    "smtlib_script": "backends.smtlib",
}

__all__ = [
    "BITWUZLA",
    "CVC5",
    "Z3",
    "Answer",
    "Backend",
    "BackendError",
    "Limits",
    "Portfolio",
    "PysmtBackend",
    "Recorder",
    "Sat",
    "Session",
    "Unknown",
    "Unsat",
    "Value",
    "available",
    "decide",
    "get",
    "names",
    "smtlib_script",
]


def __getattr__(name: str) -> Any:
    """A name of ``LATER``, imported now."""
    if name not in LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = globals()[name] = getattr(import_module(LATER[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
