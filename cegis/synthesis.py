"""The loop: counterexample-guided inductive synthesis (Solar-Lezama et al., ASPLOS 2006).

    find P in grammar with  for all x in domain: P(x) = reference(x)

    examples = first sequence
    repeat:  P = simplest program that agrees with the examples     (search)
             x = sequence on which P and the reference differ       (verifier)
             no such x: P is the answer;  else: add x to the examples

The loop knows no network and no solver. Running out of programs, time or candidates is an outcome, not an error. When
no program within the budget is right everywhere and the verifier can list exceptions, the best candidate is returned
with its complete list.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from backends import Backend, get
from cegis import outcome
from cegis.domain import Domain, DomainError
from cegis.exhaustive import Exhaustive, tabulate
from cegis.outcome import Differs, Found, Outcome, Round, Statistics
from cegis.symbolic import Symbolic, SymbolicReference
from cegis.verdict import Combined, Counterexample, FunctionVerifier, Unknown, Valid, Verdict, Verifier
from dsl.enumeration import Enumerator, Exhausted, Stopped
from dsl.grammar import Grammar
from dsl.program import Program

Example = tuple[tuple[str, ...], str]


@dataclass(frozen=True)
class Budget:
    """Limits of one synthesis: wall-clock seconds, candidates built, cost of a program. Spending one is an outcome."""

    seconds: float | None = 120.0
    candidates: int = 2_000_000
    cost: int = 24

    def __post_init__(self) -> None:
        if (self.seconds is not None and self.seconds <= 0) or self.candidates < 1 or self.cost < 1:
            raise ValueError(f"a budget needs positive limits, got {self}")


@dataclass(frozen=True)
class Spec:
    """What a program must equal: a reference on every sequence of a domain.

    ``reference`` is any Python function from token names to a label (a black box), or an object a solver can see into
    (``SymbolicReference``).
    """

    domain: Domain
    reference: Callable[[tuple[str, ...]], str] | SymbolicReference

    def label(self, sequence: tuple[str, ...]) -> str:
        """The reference's label of one sequence."""
        run = self.reference if callable(self.reference) else self.reference.label
        return run(sequence)


@runtime_checkable
class ListsExceptions(Protocol):
    """A verifier that can list everything a program gets wrong, but for what is ``undecided``."""

    @property
    def undecided(self) -> int: ...
    def exceptions(self, program: Program) -> tuple[Counterexample, ...]: ...
    def count_exceptions(self, program: Program) -> int: ...


def synthesize(
    spec: Spec,
    grammar: Grammar,
    *,
    verifier: str | Backend | Verifier | Callable[[Program], Verdict] | None = None,
    examples: Iterable[Example] = (),
    budget: Budget | None = None,
    seed: int = 0,
    on_event: Callable[[Round], None] = lambda event: None,
) -> Outcome:
    """The simplest program of ``grammar`` that equals ``spec``, with what was established.

    ``verifier``: a backend or its name (the reference must be symbolic), anything with ``check(program)``, a function
    from a program to a verdict, or None to compare with the reference on every sequence. Deterministic by ``seed``.
    """
    if spec.domain.alphabet != grammar.signature.alphabet:
        raise DomainError(f"the domain reads {spec.domain.alphabet}, the grammar {grammar.signature.alphabet}")
    budget = budget or Budget()
    checker = as_verifier(verifier, spec, grammar, budget, seed)
    try:
        return _Loop(spec, grammar, checker, budget, seed, on_event).run(tuple(examples))
    finally:
        if isinstance(checker, Symbolic) and checker is not verifier:
            checker.close()


def as_verifier(
    verifier: str | Backend | Verifier | Callable[[Program], Verdict] | None,
    spec: Spec,
    grammar: Grammar,
    budget: Budget,
    seed: int,
) -> Verifier:
    """What the caller meant by ``verifier``; a solver gets the budget's seconds for each check."""
    if verifier is None:
        return Exhaustive(tabulate(spec.label, spec.domain, grammar.signature))
    backend = get(verifier) if isinstance(verifier, str) else verifier
    if isinstance(backend, Backend):
        if callable(spec.reference):
            raise DomainError(
                f"{backend.name} cannot see into a Python function; leave verifier out to compare every sequence, "
                "or give a symbolic reference"
            )
        return Symbolic(spec.domain, grammar.signature, spec.reference, backend, seconds=budget.seconds, seed=seed)
    if hasattr(backend, "check"):
        return backend
    if not callable(backend):
        raise DomainError(f"expected a solver, a verifier or a function of a program as the verifier, got {backend!r}")
    return FunctionVerifier(backend)


@dataclass
class _Loop:
    """One run of the loop: the state that belongs to it, made and ended in ``synthesize``."""

    spec: Spec
    grammar: Grammar
    verifier: Verifier
    budget: Budget
    seed: int
    on_event: Callable[[Round], None]
    examples: list[Example] = field(default_factory=list)
    tried: list[Program] = field(default_factory=list)
    search_seconds: float = 0.0
    check_seconds: float = 0.0

    def run(self, examples: tuple[Example, ...]) -> Outcome:
        self.started = time.perf_counter()
        self.search = Enumerator(
            self.grammar, max_candidates=self.budget.candidates, max_cost=self.budget.cost, seed=self.seed
        )
        for inputs, label in examples or (self._first(),):
            self._learn(inputs, label)
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
                    return outcome.Stopped(reason, candidate, claims, self._statistics())
                case Counterexample(inputs, expected, _):
                    inputs = tuple(inputs)
                    if any(inputs == known for known, _ in self.examples):
                        raise DomainError(
                            f"the verifier repeats the counterexample {' '.join(inputs)!r}, which the candidate "
                            "answers as it was told to; the verifier contradicts itself"
                        )
                    self._learn(inputs, expected)
                case other:
                    raise DomainError(f"expected Valid, Counterexample or Unknown from the verifier, got {other!r}")

    def _first(self) -> Example:
        sequence = self.spec.domain.first()
        if sequence is None:
            raise DomainError("the domain holds no sequence; a program proved over nothing would mean nothing")
        return sequence, self.spec.label(sequence)

    def _learn(self, inputs: tuple[str, ...], label: str) -> None:
        began = time.perf_counter()
        self.examples.append((inputs, label))
        self.search.observe(inputs, label)
        self.search_seconds += time.perf_counter() - began

    def _propose(self) -> Program | Exhausted | Stopped:
        began = time.perf_counter()
        proposal = self.search.propose(self._is_late)
        self.search_seconds += time.perf_counter() - began
        return Stopped("time limit") if self._is_late() and not isinstance(proposal, Exhausted) else proposal

    def _is_late(self) -> bool:
        return self.budget.seconds is not None and time.perf_counter() - self.started > self.budget.seconds

    def _check(self, candidate: Program) -> Verdict:
        began = time.perf_counter()
        verdict = self.verifier.check(candidate)
        seconds = time.perf_counter() - began
        self.check_seconds += seconds
        self.tried.append(candidate)
        self.on_event(
            Round(len(self.tried), candidate, verdict, len(self.examples), self.search_seconds, self.check_seconds)
        )
        return verdict

    def _without(self, reason: str | None) -> Outcome:
        """The outcome when search has nothing more to propose (``reason`` None: the grammar is exhausted)."""
        lister = _lister(self.verifier)
        if self.tried and lister is not None:
            best = min(self.tried, key=lister.count_exceptions)
            exceptions = lister.exceptions(best)
            why = reason or "no program of the grammar agrees with the counterexamples"
            if lister.undecided:
                why += f"; {lister.undecided:,} sequences have no label and are not among the exceptions"
            if exceptions:  # else another verifier knows of one that is not in the list
                return Differs(best, exceptions, why, self._statistics(), lister.undecided)
        if reason is None:
            return outcome.Exhausted(tuple(self.examples), self._statistics())
        return outcome.Stopped(reason, self.tried[-1] if self.tried else None, (), self._statistics())

    def _statistics(self) -> Statistics:
        return Statistics(
            len(self.tried),
            len(self.examples),
            self.search.candidates,
            self.search_seconds,
            self.check_seconds,
            self.search.bank.memory_mb,
        )


def _lister(verifier: Verifier) -> ListsExceptions | None:
    """The part of ``verifier`` that can list exceptions, if there is one."""
    parts = verifier.verifiers if isinstance(verifier, Combined) else (verifier,)
    return next((part for part in parts if isinstance(part, ListsExceptions)), None)
