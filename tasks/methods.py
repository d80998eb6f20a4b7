"""Which way of proving "program = circuit" up to a length fits a circuit, and why: decided by its structure alone.

    the sequences can be listed            ->  enumeration
    one layer attends, without positions   ->  counting: token counts and the last token decide the logits
    one layer attends, with positions      ->  covering: what it gives is an average along each sequence
    anything else                          ->  enumeration, as far as that goes, and what stands against the others

``horizon`` and the command line ask here, and nowhere else. The methods themselves are in ``listing``, ``counting`` and
``gathering``; each is an ``Examiner``, so the loop takes any of them as its verifier.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from cegis import Domain, DomainError
from tasks import ball, gathering
from tasks.circuit import Circuit
from tasks.counting import WHY, CountingVerifier
from tasks.distillation import MAX_SEQUENCES
from tasks.examining import Examiner
from tasks.gathering import GatheringVerifier, gathering_obstacle
from tasks.listing import ListingVerifier
from tasks.tally import obstacle

LONGEST = 4_096  # beyond, numbers of classes and of sequences are out of reach by far


class Way(Enum):
    """How sequences are gone through."""

    ENUMERATION = "enumeration"
    COUNTING = "counting"
    COVERING = "covering"


@dataclass(frozen=True)
class Method:
    """The ``way`` to compare programs with a circuit, the ``reason`` for it, and the ``longest`` length it takes."""

    way: Way
    reason: str
    longest: int

    @property
    def sentence(self) -> str:
        """Way and reason in one line."""
        return f"{self.way.value}, because {self.reason}"


def choose(circuit: Circuit, length: int, *, most: int = MAX_SEQUENCES, unit_roundoff: float = ball.FLOAT32) -> Method:
    """The method for ``circuit`` up to ``length``, where at most ``most`` sequences are listed if another is there.

    Raises DomainError for a length that no sequence of the circuit has, or beyond ``LONGEST``.
    """
    shortest = circuit.domain.min_length
    if not shortest <= length <= LONGEST:
        raise DomainError(f"{circuit.name}: expected a length from {shortest} to {LONGEST:,}, got {length}")
    listed, hindered = listable(circuit, length, most), obstacle(circuit, unit_roundoff)
    if listed == length:
        return Method(Way.ENUMERATION, f"all {_up_to(circuit, length).size():,} sequences can be listed", length)
    if hindered is None:
        return Method(Way.COUNTING, f"{WHY}, and there are too many sequences to list", length)
    room = _room(circuit, length)
    if gathering_obstacle(circuit, unit_roundoff) is None and room > listed:
        return Method(Way.COVERING, f"{gathering.WHY}, and there are too many sequences to list", min(length, room))
    listed = listable(circuit, length, MAX_SEQUENCES)
    if listed < shortest or not _up_to(circuit, listed).size():
        raise DomainError(
            f"{circuit.name}: counting does not apply ({hindered}), and no length has between 1 and {MAX_SEQUENCES:,} "
            "sequences to list"
        )
    ends = f"listing ends at length {listed}: {_end(circuit, listed)}" if listed < length else "all can be listed"
    return Method(Way.ENUMERATION, f"counting does not apply ({hindered}); {ends}", listed)


def examiner(
    circuit: Circuit,
    method: Method,
    length: int,
    *,
    unit_roundoff: float = ball.FLOAT32,
    seconds: float | None = None,
    on_length: Callable[[int, int], None] = lambda length, longest: None,
) -> Examiner:
    """What compares programs with ``circuit`` by ``method`` on every sequence up to ``length``.

    Raises DomainError when there are none.
    """
    return EXAMINERS[method.way](circuit, _up_to(circuit, length), unit_roundoff, seconds, on_length)


EXAMINERS: dict[Way, type[Examiner]] = {
    Way.ENUMERATION: ListingVerifier,
    Way.COUNTING: CountingVerifier,
    Way.COVERING: GatheringVerifier,
}


def _up_to(circuit: Circuit, length: int) -> Domain:
    domain = circuit.domain
    return Domain(domain.alphabet, domain.min_length, length, domain.constraint)


def listable(circuit: Circuit, length: int, most: int) -> int:
    """The largest length up to ``length`` that the network has room for, with at most ``most`` sequences up to it."""
    domain, total = _up_to(circuit, length), 0
    longest = min(length, _room(circuit, length))
    for reached in range(domain.min_length, longest + 1):
        total += domain.count(reached)
        if total > most:
            return reached - 1
    return longest


def _room(circuit: Circuit, length: int) -> int:
    """How many tokens a sequence may have: as many as there are positions for, and any number without positions."""
    config = circuit.network.config
    return config.block_size - len(circuit.prefix) if config.positions else length


def _end(circuit: Circuit, listed: int) -> str:
    room = _room(circuit, listed + 1)
    if listed >= room:
        return f"the network has positions for no longer sequences (of {room} tokens)"
    return f"up to {listed + 1} there are more than {MAX_SEQUENCES:,} sequences"
