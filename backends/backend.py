"""A solver as a value: what it is called, which logics it decides, and how it is started.

Three kinds share ``Backend``: a Python package behind pySMT (``backends.package``), a program that reads SMT-LIB
(``backends.smtlib_process``), and several at once (``backends.portfolio``). One file per shipped solver holds one
value; its adapter is imported when a session opens (pySMT itself imports z3's package where there is one, 30 ms).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from pysmt.environment import Environment
from pysmt.logics import Logic

from backends.answer import BackendError, Limits
from backends.recorder import Recorder
from backends.session import Session, Solving

LOGICS = ("QF_BV", "QF_LIA", "QF_LIRA", "QF_LRA", "QF_NIA", "QF_UF")
STRINGS_HINT = "; strings go to cvc5, to z3, or to a solver program that is set up for QF_SLIA"


@dataclass(frozen=True, kw_only=True)
class Backend(ABC):
    """What everyone may know about a solver, and ``open``, which starts one.

    >>> from backends import get
    >>> get("z3").is_installed(), get("z3").name
    (True, 'z3')
    """

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

    def ready_for(self, logic: Logic) -> None:
        """Raise BackendError where this solver does not decide ``logic`` or is not installed; nothing is started."""
        if logic.name not in self.logics:
            refused = f"{self.name} is not set up for {logic.name}; it decides {', '.join(self.logics)}"
            raise BackendError(f"{refused}{STRINGS_HINT if logic.theory.strings else ''}")
        if not self.is_installed():
            self.version()  # says what to install
            raise BackendError(f"the solver {self.name} is not installed")

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
        if not isinstance(logic, Logic):
            raise BackendError(f"expected a logic object such as pysmt.logics.QF_LIA, got {logic!r}")
        if logic.name not in self.logics:
            refused = f"{self.name} is not set up for {logic.name}; it decides {', '.join(self.logics)}"
            raise BackendError(f"{refused}{STRINGS_HINT if logic.theory.strings else ''}")
        if type(seed) is not int or not 0 <= seed < 1 << 31:
            raise BackendError(f"expected a seed between 0 and 2**31 - 1, got {seed!r}")
        limits = limits or Limits()
        engine = self.engine(environment, logic, seed, limits, hard)
        return Session(self, environment, logic, engine, limits, recorder)
