"""What was established: a rung of the ladder, under which arithmetic, for which lengths, by which method.

Nothing below ``ENUMERATED`` is called proved. A claim speaks of every sequence of its domain with a length in its
range, never of more.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_FLOOR, Context, Decimal
from enum import IntEnum
from typing import Any, Protocol

from cegis.domain import Domain

MOST_DIGITS = 15  # of a number that is written out


def counted(number: int) -> str:
    """How many, for a reader: exact up to 15 digits, beyond that about.

    >>> counted(18434), counted(3**256)
    ('18,434', '(about 1.4e+122)')
    """
    return f"{number:,}" if number < 10**MOST_DIGITS else f"(about {Decimal(number):.1e})"


def at_least(bound: float) -> str:
    """A lower bound in three digits, rounded down.

    >>> at_least(0.123999), at_least(float("inf"))
    ('0.123', 'inf')
    """
    return f"{float(Context(prec=3, rounding=ROUND_FLOOR).create_decimal_from_float(bound)):.3g}"


class Rung(IntEnum):
    """How strong a claim is; a higher rung needs less trust or reaches further."""

    TESTED = 1
    ENUMERATED = 2
    SURROGATE = 3
    BOUNDED = 4
    ALL_LENGTHS = 5

    @property
    def is_proof(self) -> bool:
        return self >= Rung.ENUMERATED

    def __str__(self) -> str:
        return self.name.lower().replace("_", " ")


class Statement(Protocol):
    """Anything that was established: a ``Claim`` about sequences, a ``Proof`` about a formula."""

    @property
    def sentence(self) -> str:
        """What was established, in one sentence."""
        ...


@dataclass(frozen=True)
class Claim:
    """``program = reference`` on every sequence of ``domain`` (whose lengths are exactly those established).

    ``reference`` names what the program equals; ``semantics`` the arithmetic; ``sequences`` how many the domain holds
    (those compared one by one, where it has no longest);
    ``detail`` what a reader should also know (margins, assumptions), one sentence or empty.
    """

    rung: Rung
    reference: str
    semantics: str
    domain: Domain
    method: str
    sequences: int
    seconds: float
    detail: str = ""

    @property
    def sentence(self) -> str:
        """The claim in one sentence."""
        lengths = f"{self.domain.min_length} to {self.domain.max_length}"
        how_many = f"{counted(self.sequences)} "
        if self.domain.max_length is None:
            lengths, how_many = f"{self.domain.min_length} or more", ""
        if self.domain.max_length == self.domain.min_length:
            lengths = str(self.domain.min_length)
        limited = f" ({self.domain.constraint.text})" if self.domain.constraint else ""
        return (
            f"equals {self.reference} on all {how_many}sequences of length {lengths}{limited}, "
            f"in {self.semantics}; {self.method}"
        )

    def as_json(self) -> dict[str, Any]:
        """The claim as JSON values."""
        return {
            "rung": str(self.rung),
            "sentence": self.sentence,
            "semantics": self.semantics,
            "lengths": [self.domain.min_length, self.domain.max_length],
            "sequences": self.sequences,
            "seconds": self.seconds,
            "assumption": self.detail,
        }
