"""What a verifier says of one program: valid, a counterexample, or unknown. Never one for another.

A verifier is anything with ``check(program)``; a plain function of the program will do. Verdicts carry the claims
they established: a ``Valid`` covers the whole domain, an ``Unknown`` may still have proved the shorter lengths.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from backends import BackendError
from dsl.scalars import Value
from dsl.showing import brief

if TYPE_CHECKING:
    from cegis.claim import Statement
    from dsl.sequences import Label

MOST_TROUBLES = 2  # after which a verifier whose solver breaks is not asked any more
Inputs = tuple[Value | tuple[str, ...], ...]  # tokens; a sequence and a place; values of variables
Candidate = TypeVar("Candidate", contravariant=True)  # what is verified: a Program, for a formula a Solution


@dataclass(frozen=True)
class Valid:
    """The program equals the reference on the whole domain; ``notes`` say what was tried beside and not finished.

    >>> Valid(outcome.claims).claims == outcome.claims
    True
    """

    claims: tuple[Statement, ...]
    notes: tuple[str, ...] = ()

    __repr__ = brief


@dataclass(frozen=True)
class Counterexample:
    """Inputs at which the program answers ``got`` (None: no label) and the reference ``expected``.

    A sequence of tokens and two labels; for a formula values of its variables, and in ``expected`` the constraint that
    fails.

    >>> other = Program.parse("def f(tokens):\\n    return 'yes' if 'b' in tokens else 'no'", grammar)
    >>> Exhaustive(table).check(other)
    Counterexample(inputs=('a',), expected='yes', got='no')
    """

    inputs: Inputs
    expected: Label
    got: Label | None

    __repr__ = brief

    @property
    def sequence(self) -> tuple[str, ...]:
        """The tokens; where the inputs are a sequence and a place in it, those of the sequence."""
        first = self.inputs[0] if len(self.inputs) == 2 else None
        return first if isinstance(first, tuple) else tuple(map(str, self.inputs))

    @property
    def values(self) -> tuple[Value, ...]:
        """The values of a formula's variables."""
        return tuple(value for value in self.inputs if not isinstance(value, tuple))


@dataclass(frozen=True)
class Unknown:
    """Neither proved nor refuted, and why; ``claims`` hold for the part that was finished.

    >>> Unknown("the time was up")
    Unknown(reason='the time was up')
    """

    reason: str
    claims: tuple[Statement, ...] = ()

    __repr__ = brief


Verdict = Valid | Counterexample | Unknown


class Verifier(Protocol[Candidate]):
    """Decides whether a program equals the reference on the domain.

    >>> synthesize(spec, grammar, verifier=lambda program: Valid(())).program
    Program(return 'yes')
    """

    def check(self, program: Candidate, /) -> Verdict:
        """Valid, a counterexample that was replayed, or Unknown with what holds all the same."""
        ...


@dataclass(frozen=True)
class FunctionVerifier(Generic[Candidate]):
    """A plain function from a program to a verdict, as a verifier."""

    function: Callable[[Candidate], Verdict]

    def check(self, program: Candidate, /) -> Verdict:
        """What the function says."""
        return self.function(program)


@dataclass(frozen=True)
class Combined(Generic[Candidate]):
    """Several verifiers of one reference, asked in order.

    The first counterexample wins. The program is valid when at least one verifier proved the whole domain and none
    found a counterexample; what the others could not finish is said in the notes. Otherwise it is unknown.

    A verifier whose solver breaks costs nothing but its own claim: it is named, asked last from then on, and after
    ``MOST_TROUBLES`` not at all. One that proved what another refutes is named and not believed any more.

    >>> same = Exhaustive(table)
    >>> Combined((same, same)).check(outcome.program)
    Valid(claims=(Claim(enumerated: equals a lambda on all 30 sequences of l…)
    """

    verifiers: tuple[Verifier[Candidate], ...]
    _troubles: dict[int, int] = field(default_factory=dict, init=False, repr=False, compare=False)
    _wrong: set[int] = field(default_factory=set, init=False, repr=False, compare=False)
    _notes: dict[str, None] = field(default_factory=dict, init=False, repr=False, compare=False)

    def check(self, program: Candidate, /) -> Verdict:
        """The verdict of all together."""
        claims: list[Statement] = []
        notes: list[str] = []
        proved: list[tuple[int, Valid]] = []
        for place in self._order():
            try:
                verdict = self.verifiers[place].check(program)
            except BackendError as error:
                self._troubles[place] = self._troubles.get(place, 0) + 1
                self._notes[str(error)] = None
                continue
            match verdict:
                case Counterexample(inputs):
                    for other, valid in proved:
                        self._wrong.add(other)
                        self._notes[_contradicted(valid, inputs)] = None
                    return verdict
                case Valid(established, more):
                    proved.append((place, verdict))
                    claims += established
                    notes += more
                case Unknown(reason, established):
                    claims += established
                    notes.append(reason)
        notes = [*self._notes, *notes]
        if proved:
            return Valid(tuple(claims), tuple(notes))
        return Unknown("; ".join(notes) or "no verifier was asked", tuple(claims))

    def _order(self) -> list[int]:
        """Those that may be asked; first those that gave no trouble."""
        asked = [place for place in range(len(self.verifiers)) if place not in self._wrong]
        asked = [place for place in asked if self._troubles.get(place, 0) < MOST_TROUBLES]
        return sorted(asked, key=lambda place: self._troubles.get(place, 0) > 0)


def _contradicted(valid: Valid, inputs: tuple[Any, ...]) -> str:
    claimed = "; ".join(claim.sentence for claim in valid.claims) or "a proof without a claim"
    return (
        f"not believed any more, as a program of which it was said fails at {' '.join(map(str, inputs))!r}: {claimed}"
    )
