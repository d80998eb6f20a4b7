"""Who answers: solvers behind one ``decide``. Names only; a solver's adapter is imported when a session opens."""

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
