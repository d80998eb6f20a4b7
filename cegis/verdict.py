"""What a verifier says of one program: valid, a counterexample, or unknown. Never one for another.

A verifier is anything with ``check(program)``; a plain function of the program will do. Verdicts carry the claims
they established: a ``Valid`` covers the whole domain, an ``Unknown`` may still have proved the shorter lengths.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
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
    """Several verifiers of one reference, asked in order, those at the places ``quick`` before the others.

    The first counterexample wins. The program is valid when at least one verifier proved the whole domain and none
    found a counterexample; what the others could not finish is said in the notes. Otherwise it is unknown. Claims come
    in the order of the verifiers. Of one program that a quick verifier refutes the others are asked as well; where none
    was refuted on the way, of one of those that ``others`` makes of the program, before they are believed.

    A verifier whose solver breaks costs nothing but its own claim: it is named, asked last from then on, and after
    ``MOST_TROUBLES`` not at all. One that proved what another refutes is named and not believed any more.

    >>> same = Exhaustive(table)
    >>> Combined((same, same)).check(outcome.program)
    Valid(claims=(Claim(enumerated: equals a lambda on all 30 sequences of l…)
    """

    verifiers: tuple[Verifier[Candidate], ...]
    quick: tuple[int, ...] = ()
    others: Callable[[Candidate], Iterable[Candidate]] = lambda program: ()
    _tested: set[int] = field(default_factory=set, init=False, repr=False, compare=False)
    _troubles: dict[int, int] = field(default_factory=dict, init=False, repr=False, compare=False)
    _wrong: set[int] = field(default_factory=set, init=False, repr=False, compare=False)
    _notes: dict[str, None] = field(default_factory=dict, init=False, repr=False, compare=False)

    def check(self, program: Candidate, /) -> Verdict:
        """The verdict of all together."""
        verdicts: dict[int, Valid | Unknown] = {}
        for place in self._order():
            verdict = self._asked(place, program)
            if isinstance(verdict, Counterexample):
                if place in self.quick:
                    verdicts |= self._asked_as_well(program, {*verdicts, place})
                self._contradict({n: v for n, v in verdicts.items() if isinstance(v, Valid)}, verdict)
                return verdict
            if verdict is not None:
                verdicts[place] = verdict
        for place in self._wrong_about_others(program, verdicts):
            del verdicts[place]
        said = [*self._notes]
        for place in sorted(verdicts):
            one = verdicts[place]
            said += one.notes if isinstance(one, Valid) else [one.reason]
        claims = tuple(claim for place in sorted(verdicts) for claim in verdicts[place].claims)
        if any(isinstance(one, Valid) for one in verdicts.values()):
            return Valid(claims, tuple(said))
        return Unknown("; ".join(said) or "no verifier was asked", claims)

    def _asked(self, place: int, program: Candidate) -> Verdict | None:
        """What one says; None where its solver breaks."""
        try:
            return self.verifiers[place].check(program)
        except BackendError as error:
            self._troubles[place] = self._troubles.get(place, 0) + 1
            self._notes[str(error)] = None
            return None

    def _asked_as_well(self, program: Candidate, asked: set[int]) -> dict[int, Valid | Unknown]:
        """What those say of a refuted program that were never asked of one."""
        others = [place for place in self._order() if place not in asked | self._tested]
        self._tested.update(others)
        verdicts = {place: self._asked(place, program) for place in others}
        return {place: verdict for place, verdict in verdicts.items() if isinstance(verdict, Valid | Unknown)}

    def _wrong_about_others(self, program: Candidate, verdicts: Mapping[int, Valid | Unknown]) -> Iterable[int]:
        """Those of ``verdicts`` that claim something, were asked of no refuted program yet, and prove one."""
        asked = {place for place, one in verdicts.items() if isinstance(one, Valid) or one.claims}
        if not asked - self._tested - {*self.quick}:
            return ()
        for other in self.others(program):
            for place in self.quick:
                found = self._asked(place, other)
                if isinstance(found, Counterexample):
                    said = self._asked_as_well(other, {*range(len(self.verifiers))} - asked | {*self.quick})
                    wrong = {place: one for place, one in said.items() if isinstance(one, Valid)}
                    self._contradict(wrong, found)
                    return wrong
        return ()

    def _contradict(self, proved: dict[int, Valid], found: Counterexample) -> None:
        """Believe those no more that proved what is refuted."""
        for place, valid in proved.items():
            self._wrong.add(place)
            self._notes[_contradicted(valid, found.inputs)] = None

    def _order(self) -> list[int]:
        """Those that may be asked; first those that gave no trouble, of these the ``quick`` ones."""
        asked = [place for place in range(len(self.verifiers)) if place not in self._wrong]
        asked = [place for place in asked if self._troubles.get(place, 0) < MOST_TROUBLES]
        return sorted(asked, key=lambda place: (self._troubles.get(place, 0) > 0, place not in self.quick))


def _contradicted(valid: Valid, inputs: tuple[Any, ...]) -> str:
    claimed = "; ".join(claim.sentence for claim in valid.claims) or "a proof without a claim"
    return (
        f"not believed any more, as a program of which it was said fails at {' '.join(map(str, inputs))!r}: {claimed}"
    )
