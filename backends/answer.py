"""What a solver may say: satisfiable with a model, unsatisfiable, or unknown with a reason.

The three answers are separate classes so that every caller has to look at all of them with ``match``. An answer has no
truth value: ``if decide(...)`` would read *unknown* as a side, so it is an error. Only ``decide`` makes answers that
may be believed. Limits and the room's root exception live here because every file of the room speaks of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from numbers import Real
from typing import NoReturn

Value = bool | int | Fraction | str  # Bool | Int, bit-vector (unsigned) | Real | String


class BackendError(RuntimeError):
    """A contract was broken: by the caller, by an installation, or by a solver that contradicts itself.

    >>> from backends import get
    >>> get("z4")
    Traceback (most recent call last):
        ...
    backends.answer.BackendError: unknown backend 'z4'; known: z3, cvc5, bitwuzla; z3+cvc5 asks both
    """


@dataclass(frozen=True)
class Limits:
    """What one query may use; None means no limit. ``memory_mb`` is the address space of a worker process (MiB).

    >>> Limits(seconds=5, memory_mb=512)
    Limits(seconds=5, memory_mb=512)
    """

    seconds: float | None = None
    memory_mb: int | None = None

    def __post_init__(self) -> None:
        if not all(isinstance(value, Real | None) for value in (self.seconds, self.memory_mb)):
            raise BackendError(f"expected limits that are numbers or None, such as Limits(seconds=5), got {self}")
        if self.seconds is not None and not 0 < self.seconds < 1e8:
            raise BackendError(f"expected a time limit of more than 0 seconds or None, got {self.seconds!r}")
        if self.memory_mb is not None and not 0 < self.memory_mb < 1 << 30:
            raise BackendError(f"expected a memory limit of more than 0 MB or None, got {self.memory_mb!r}")


@dataclass(frozen=True)
class _Answered:
    """Which solver answered and how long it took: converting, solving and reading the model, wall-clock."""

    solver: str
    version: str
    seconds: float

    def __bool__(self) -> NoReturn:
        raise BackendError("an answer is not true or false; match it against Sat, Unsat and Unknown")


@dataclass(frozen=True)
class Sat(_Answered):
    """A model by symbol name: every free symbol of background and query, re-evaluated to satisfy all of them."""

    model: Mapping[str, Value]


@dataclass(frozen=True)
class Unsat(_Answered):
    """Background and query cannot hold together. Empty of meaning if the background alone is unsatisfiable: ask.

    ``core`` names background assertions that are enough for that, beside the query and everything without a name: the
    solver's word, and not the fewest. Empty too where nothing was named or the solver cannot tell.
    """

    core: tuple[str, ...] = ()


@dataclass(frozen=True)
class Unknown(_Answered):
    """No answer, and why: a limit, a crash, a solver that gave up. Never evidence for either side."""

    reason: str
    is_out_of_memory: bool = False


Answer = Sat | Unsat | Unknown
