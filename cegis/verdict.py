"""What a verifier says of one program: valid, a counterexample, or unknown. Never one for another.

A verifier is anything with ``check(program)``; a plain function of the program will do. Verdicts carry the claims
they established: a ``Valid`` covers the whole domain, an ``Unknown`` may still have proved the shorter lengths.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from cegis.claim import Claim
from dsl.program import Program


@dataclass(frozen=True)
class Valid:
    """The program equals the reference on the whole domain; ``notes`` say what was tried beside and not finished."""

    claims: tuple[Claim, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Counterexample:
    """A sequence on which the program answers ``got`` (None: no label) and the reference ``expected``."""

    inputs: tuple[str, ...]
    expected: str
    got: str | None


@dataclass(frozen=True)
class Unknown:
    """Neither proved nor refuted, and why; ``claims`` hold for the part that was finished."""

    reason: str
    claims: tuple[Claim, ...] = ()


Verdict = Valid | Counterexample | Unknown


class Verifier(Protocol):
    """Decides whether a program equals the reference on the domain."""

    def check(self, program: Program) -> Verdict: ...


@dataclass(frozen=True)
class FunctionVerifier:
    """A plain function from a program to a verdict, as a verifier."""

    function: Callable[[Program], Verdict]

    def check(self, program: Program) -> Verdict:
        return self.function(program)


@dataclass(frozen=True)
class Combined:
    """Several verifiers of one reference, asked in order.

    The first counterexample wins. The program is valid when at least one verifier proved the whole domain and none
    found a counterexample; what the others could not finish is said in the notes. Otherwise it is unknown.
    """

    verifiers: tuple[Verifier, ...]

    def check(self, program: Program) -> Verdict:
        claims: list[Claim] = []
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
