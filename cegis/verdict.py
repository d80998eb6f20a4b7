"""What a verifier says of one program: valid, a counterexample, or unknown. Never one for another.

A verifier is anything with ``check(program)``; a plain function of the program will do. Verdicts carry the claims
they established: a ``Valid`` covers the whole domain, an ``Unknown`` may still have proved the shorter lengths.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from cegis.claim import Statement
from dsl.sequences import Label

Candidate = TypeVar("Candidate", contravariant=True)  # what is verified: a Program, for a formula a Solution


@dataclass(frozen=True)
class Valid:
    """The program equals the reference on the whole domain; ``notes`` say what was tried beside and not finished."""

    claims: tuple[Statement, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Counterexample:
    """Inputs at which the program answers ``got`` (None: no label) and the reference ``expected``.

    A sequence of tokens and two labels; for a formula values of its variables, and in ``expected`` the constraint that
    fails.
    """

    inputs: tuple[Any, ...]
    expected: Label
    got: Label | None


@dataclass(frozen=True)
class Unknown:
    """Neither proved nor refuted, and why; ``claims`` hold for the part that was finished."""

    reason: str
    claims: tuple[Statement, ...] = ()


Verdict = Valid | Counterexample | Unknown


class Verifier(Protocol[Candidate]):
    """Decides whether a program equals the reference on the domain."""

    def check(self, program: Candidate, /) -> Verdict: ...


@dataclass(frozen=True)
class FunctionVerifier(Generic[Candidate]):
    """A plain function from a program to a verdict, as a verifier."""

    function: Callable[[Candidate], Verdict]

    def check(self, program: Candidate, /) -> Verdict:
        return self.function(program)


@dataclass(frozen=True)
class Combined(Generic[Candidate]):
    """Several verifiers of one reference, asked in order.

    The first counterexample wins. The program is valid when at least one verifier proved the whole domain and none
    found a counterexample; what the others could not finish is said in the notes. Otherwise it is unknown.
    """

    verifiers: tuple[Verifier[Candidate], ...]

    def check(self, program: Candidate, /) -> Verdict:
        claims: list[Statement] = []
        notes: list[str] = []
        proved = False
        for verifier in self.verifiers:
            match verifier.check(program):
                case Counterexample() as counterexample:
                    return counterexample
                case Valid(established, more):
                    proved = True
                    claims += established
                    notes += more
                case Unknown(reason, established):
                    claims += established
                    notes.append(reason)
        if proved:
            return Valid(tuple(claims), tuple(notes))
        return Unknown("; ".join(notes) or "no verifier was asked", tuple(claims))
