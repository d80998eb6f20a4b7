"""The loop: counterexample-guided inductive synthesis (Solar-Lezama et al., ASPLOS 2006).

    find P with  for all x: P is right at x

    examples = a few inputs
    repeat:  P = simplest candidate that is right on the examples     (search)
             x = input at which P is wrong                            (verifier)
             no such x: P is the answer;  else: add x to the examples

The loop knows no network, no solver and no grammar: a search proposes and observes, a verifier checks. Running out of
candidates, time or memory is an outcome, not an error. When no candidate within the budget is right everywhere and
the verifier can list exceptions, the best one is returned with its complete list.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from numbers import Integral, Real
from typing import Any, Protocol, runtime_checkable

from cegis import outcome
from cegis.domain import DomainError
from cegis.outcome import Differs, Found, Outcome, Round, Statistics
from cegis.verdict import Combined, Counterexample, Unknown, Valid, Verdict, Verifier
from dsl.enumerator import Exhausted, Stopped
from dsl.program import Program

TELL_SECONDS = 1.0


@dataclass(frozen=True)
class Budget:
    """Limits of one synthesis; spending one is an outcome.

    Wall-clock seconds, candidates built, cost of a program, and MiB for what the search remembers.

    >>> Budget(seconds=5, cost=12)
    Budget(seconds=5, candidates=2000000, cost=12, memory_mb=2048)
    """

    seconds: float | None = 120.0
    candidates: int = 2_000_000
    cost: int = 24
    memory_mb: int = 2_048

    def __post_init__(self) -> None:
        wholes = (self.candidates, self.cost, self.memory_mb)
        if not isinstance(self.seconds, Real | None) or not all(isinstance(value, Integral) for value in wholes):
            raise TypeError(f"expected a budget of numbers, such as Budget(seconds=5, candidates=10_000), got {self}")
        if (self.seconds is not None and self.seconds <= 0) or min(self.candidates, self.cost, self.memory_mb) < 1:
            raise ValueError(f"a budget needs positive limits, got {self}")


class Search(Protocol):
    """Proposes candidates that are right on everything it has observed."""

    @property
    def candidates(self) -> int:
        """How many candidates were built so far."""
        ...

    @property
    def memory_mb(self) -> float:
        """MiB of what is remembered."""
        ...

    @property
    def level(self) -> int:
        """The cost up to which everything was built."""
        ...

    def propose(self, stop: Callable[[], bool]) -> Any:
        """A candidate, ``Exhausted`` or ``Stopped``; ``stop()`` is asked now and then."""
        ...

    def observe(self, inputs: Any, expected: Any) -> None:
        """Take one more input that candidates must be right at."""
        ...


@dataclass(frozen=True)
class FormulaBudget(Budget):
    """Limits that suit a formula: time and memory end the search, not a count.

    >>> FormulaBudget().seconds, FormulaBudget().candidates
    (60.0, 100000000)
    """

    seconds: float | None = 60.0
    candidates: int = 100_000_000
    cost: int = 1_000


@runtime_checkable
class Avoids(Protocol):
    """A search that can go on without what made a candidate undecidable in time; False says that it cannot."""

    def avoid(self, candidate: Any, /) -> bool:
        """Go on without what made ``candidate`` undecidable; False where that cannot be."""
        ...


@runtime_checkable
class Approximates(Protocol):
    """A search that knows what comes near where nothing agrees with all examples yet."""

    def nearest(self) -> list[Any]:
        """A few candidates that agree with the most of the examples."""
        ...


@runtime_checkable
class ListsExceptions(Protocol):
    """A verifier that can list everything a program gets wrong, but for what is ``undecided``."""

    @property
    def undecided(self) -> int:
        """How many sequences of the domain have no label."""
        ...

    def exceptions(self, program: Program) -> tuple[Counterexample, ...]:
        """Every sequence on which ``program`` differs from the reference."""
        ...

    def closest(self, programs: Sequence[Program], /) -> Program:
        """The one of ``programs`` that differs on the fewest, the first of several."""
        ...


@runtime_checkable
class AsksAgain(Protocol):
    """A verifier of a reference that may change its mind: ``ask_again`` says how often it was asked, or raises."""

    def ask_again(self) -> str:
        """How often the reference was asked again, in words; raises where it gave another answer."""
        ...


@dataclass
class Loop:
    """One run of the loop: the state that belongs to it."""

    search: Search
    verifier: Verifier[Any]
    budget: Budget
    on_event: Callable[[Round[Any]], None] = lambda event: None
    on_progress: Callable[[Statistics], None] = lambda statistics: None  # about once a second while searching
    examples: list[tuple[Any, Any]] = field(default_factory=list)
    tried: list[Any] = field(default_factory=list)
    search_seconds: float = 0.0
    check_seconds: float = 0.0
    peak_mb: float = 0.0
    undecided: outcome.Stopped[Any] | None = None  # a candidate that the verifier could not decide
    told: float = 0.0  # when progress was last told

    def run(self, examples: Iterable[tuple[Any, Any]] = ()) -> Outcome[Any]:
        """Turn until there is an outcome, from ``examples``: inputs and what the reference says there."""
        self.started = self.told = time.perf_counter()
        for inputs, expected in examples:
            self._learn(inputs, expected)
        while True:
            candidate = self._propose()
            if isinstance(candidate, Exhausted):
                return self._without(None)
            if isinstance(candidate, Stopped):
                return self._without(candidate.reason)
            match self._check(candidate):
                case Valid(claims, notes):
                    return Found(candidate, claims, notes, self._statistics())
                case Unknown(reason, claims):
                    self.undecided = outcome.Stopped(reason, candidate, claims, self._statistics())
                    if self._is_late() or not (isinstance(self.search, Avoids) and self.search.avoid(candidate)):
                        return self.undecided
                case Counterexample(inputs, expected, _):
                    inputs = tuple(inputs)
                    if any(inputs == known for known, _ in self.examples):
                        text = " ".join(map(str, inputs))
                        raise DomainError(
                            f"the verifier repeats the counterexample {text!r}, which the candidate answers as it was "
                            "told to; the verifier contradicts itself"
                        )
                    self._learn(inputs, expected)
                case other:
                    raise DomainError(f"expected Valid, Counterexample or Unknown from the verifier, got {other!r}")

    def _learn(self, inputs: Any, expected: Any) -> None:
        began = time.perf_counter()
        self.peak_mb = max(self.peak_mb, self.search.memory_mb)  # a search may start afresh at an example
        self.examples.append((inputs, expected))
        self.search.observe(inputs, expected)
        self.search_seconds += time.perf_counter() - began

    def _propose(self) -> Any:
        began = time.perf_counter()
        proposal = self.search.propose(lambda: self._is_late(began))
        self.search_seconds += time.perf_counter() - began
        return Stopped("time limit") if self._is_late() and not isinstance(proposal, Exhausted) else proposal

    def _is_late(self, began: float | None = None) -> bool:
        """Whether time is up; tells progress now and then in a search that ``began``."""
        now = time.perf_counter()
        if began is not None and now > self.told + TELL_SECONDS:
            self.told = now
            self.on_progress(self._statistics(now - began))
        return self.budget.seconds is not None and now - self.started > self.budget.seconds

    def _check(self, candidate: Any) -> Verdict:
        began = time.perf_counter()
        verdict = self.verifier.check(candidate)
        seconds = time.perf_counter() - began
        self.check_seconds += seconds
        self.tried.append(candidate)
        self.on_event(
            Round(len(self.tried), candidate, verdict, len(self.examples), self.search_seconds, self.check_seconds)
        )
        return verdict

    def _without(self, reason: str | None) -> Outcome[Any]:
        """The outcome when search has nothing more to propose (``reason`` None: the grammar is exhausted)."""
        lister = _lister(self.verifier)
        asked = self.verifier.ask_again() if isinstance(self.verifier, AsksAgain) else ""
        known = self.known() if lister is not None else []
        if known and lister is not None:
            best = lister.closest(known)
            exceptions = lister.exceptions(best)
            why = reason or "no program of the grammar agrees with the counterexamples"
            if lister.undecided:
                why += f"; {lister.undecided:,} sequences have no label and are not among the exceptions"
            why += f"; {asked}" if asked else ""
            if exceptions:  # else another verifier knows of one that is not in the list
                is_late = reason is not None and self._is_late()
                return Differs(best, exceptions, why, self._statistics(), lister.undecided, is_late)
        if reason is None:
            return outcome.Exhausted(tuple(self.examples), self._statistics())
        if self.undecided is not None:
            why = f"{self.undecided.reason}; then {reason}"
            return outcome.Stopped(why, self.undecided.program, self.undecided.claims, self._statistics())
        return outcome.Stopped(reason, self.tried[-1] if self.tried else None, (), self._statistics())

    def known(self) -> list[Any]:
        """What was tried; where nothing was, since examples were many to begin with, what comes near to these."""
        if self.tried or len(self.examples) < 2 or not isinstance(self.search, Approximates):
            return self.tried
        return self.search.nearest()

    def _statistics(self, searching: float = 0.0) -> Statistics:
        """So far, ``searching`` seconds of a search under way included."""
        self.peak_mb = max(self.peak_mb, self.search.memory_mb)
        return Statistics(
            len(self.tried),
            len(self.examples),
            self.search.candidates,
            self.search_seconds + searching,
            self.check_seconds,
            self.peak_mb,
            self.search.level,
        )


def _lister(verifier: Verifier[Any]) -> ListsExceptions | None:
    """The part of ``verifier`` that can list exceptions, if there is one."""
    parts = verifier.verifiers if isinstance(verifier, Combined) else (verifier,)
    return next((part for part in parts if isinstance(part, ListsExceptions)), None)
