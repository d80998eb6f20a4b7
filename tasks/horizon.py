"""How long a program stays equal to a circuit: the largest length that holds, and the sequence that breaks the next.

    holds up to 15; breaks at length 16: "x x x [ [ [ ]" is ']]' to the program and ']' to the circuit
    holds up to 64; longer sequences were not looked at

The two are different results: the first is a fact about program and circuit, the second about this run. Lengths are
compared by counting (``counting``), so this is for circuits whose attention ignores order.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

from cegis import Claim, Counterexample, Domain, Program
from tasks import ball
from tasks.circuit import Circuit
from tasks.counting import Examined, counting_verifier

FIRST_LONGEST = 16  # then 32, 64, ...: most programs break early, and short lengths are cheap


@dataclass(frozen=True)
class Horizon:
    """The largest ``length`` up to which program and circuit are equal (below the domain's shortest: nowhere).

    ``broken``: the shortest sequence on which they differ, run on both; None where none was found. ``stopped``: why
    nothing longer was decided; empty where ``broken`` follows at once. ``claims``: what is proved.
    """

    length: int
    broken: Counterexample | None
    stopped: str
    claims: tuple[Claim, ...]

    @property
    def sentence(self) -> str:
        """The result in one sentence."""
        parts = [f"holds up to {self.length}" if self.claims else "holds nowhere"]
        if self.stopped:
            parts.append(self.stopped)
        if self.broken is not None:
            expected, got = self.broken.expected, self.broken.got
            text = " ".join(self.broken.inputs)
            parts.append(
                f"breaks at length {len(self.broken.inputs)}: {text!r} is {got!r} to the program and {expected!r} to "
                "the circuit"
            )
        return "; ".join(parts)


def horizon(
    circuit: Circuit,
    program: Program,
    *,
    longest: int = 256,
    seconds: float | None = None,
    unit_roundoff: float = ball.FLOAT32,
) -> Horizon | str:
    """Find the horizon among lengths up to ``longest`` in about ``seconds``, or say why counting cannot.

    Raises DomainError for a ``longest`` below the circuit's shortest sequence.
    """
    deadline = None if seconds is None else time.perf_counter() + seconds
    whole = Domain(circuit.domain.alphabet, circuit.domain.min_length, longest, circuit.domain.constraint)
    best = Horizon(whole.min_length - 1, None, "no length was looked at", ())
    for reach in _reaches(max(FIRST_LONGEST, whole.min_length), longest):
        left = None if deadline is None else max(1e-3, deadline - time.perf_counter())
        domain = whole.up_to(reach)
        if reach < longest and not domain.size():
            continue
        verifier = counting_verifier(circuit, domain, unit_roundoff=unit_roundoff, seconds=left)
        if isinstance(verifier, str):
            return verifier
        found = verifier.examine(program)
        further = found.equal > best.length
        best = Horizon(
            found.equal if further else best.length,
            found.broken,
            _stopped(found),
            verifier.claims(found) if further else best.claims,
        )
        if found.broken is not None or found.stopped:
            break
    return best


def _reaches(first: int, longest: int) -> Iterator[int]:
    """``first``, twice that, and so on, and ``longest`` at last."""
    while first < longest:
        yield first
        first *= 2
    yield longest


def _stopped(found: Examined) -> str:
    """Why nothing longer is known to hold; empty where a counterexample follows at once."""
    reasons = []
    if found.undecided is not None:
        reasons.append(
            f"{' '.join(found.undecided)!r} of length {len(found.undecided)} has no label (a tie, or a margin below "
            "the error bound)"
        )
    if found.stopped:
        reasons.append(found.stopped)
    if not reasons and found.broken is None:
        reasons.append("longer sequences were not looked at")
    return "; ".join(reasons)
