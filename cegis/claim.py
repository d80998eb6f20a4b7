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
from cegis.lists import Lists
from cegis.operands import Operands
from cegis.streams import Streams
from dsl.showing import cut, panel_html, words_html

Inputs = Domain | Operands | Streams | Lists  # what a claim speaks of
MOST_DIGITS = 15  # of a number that is written out
MOST_WORDS = 120  # characters of a constraint's text in a sentence


def counted(number: int) -> str:
    """How many, for a reader: exact up to 15 digits and for powers of ten, beyond that about.

    >>> counted(18434), counted(3**256), counted(10**20)
    ('18,434', '(about 1.4e+122)', '10^20')
    """
    power = len(str(number)) - 1
    if power >= MOST_DIGITS and number == 10**power:
        return f"10^{power}"
    return f"{number:,}" if number < 10**MOST_DIGITS else f"(about {Decimal(number):.1e})"


def at_least(bound: float) -> str:
    """A lower bound in three digits, rounded down.

    >>> at_least(0.123999), at_least(float("inf"))
    ('0.123', 'inf')
    """
    return f"{float(Context(prec=3, rounding=ROUND_FLOOR).create_decimal_from_float(bound)):.3g}"


def least_margin(bound: float, is_bounded: bool = True) -> str:
    """The least margin of a claim, in words: ``bound`` lies below it, net of rounding where that is bounded."""
    return f"every margin{' after rounding' if is_bounded else ''} at least {at_least(bound)}"


def equality(
    reference: str,
    domain: Inputs,
    inputs: int | None,
    *,
    semantics: str,
    conditions: str = "",
    method: str = "",
    what: str = "sequences",
    which: str = "",
    exceptions: int = 0,
) -> str:
    """What equals what, where, and under which conditions: the one sentence of claims, docstrings and reports.

    It holds number, lengths and constraint of the inputs, the exceptions among them, the arithmetic, the
    ``conditions`` (tokens, prompt, read-out) and the ``method`` with its margin. ``what`` and ``which`` name inputs.

    >>> equality("f", Domain(("a",), 1, 3), 3, semantics="real arithmetic", exceptions=1)
    'f on all 3 sequences of length 1 to 3, except on exactly 1 of them, in real arithmetic'
    """
    but = f", except on exactly {exceptions:,} of them" if exceptions else ""
    where = inputs_text(domain, inputs, what, which)
    return f"{reference} on all {where}{but}, {under(semantics, conditions, method)}"


def inputs_text(domain: Inputs, inputs: int | None, what: str = "sequences", which: str = "") -> str:
    """So many inputs, with their lengths and their constraint; ``inputs`` None where there is no longest length.

    >>> inputs_text(Domain(("a",), 1, 3), 3, which=" that have a label")
    '3 sequences of length 1 to 3 that have a label'
    """
    return f"{'' if inputs is None else f'{counted(inputs)} '}{what} of {limits(domain)}{which}"


def under(semantics: str, conditions: str, method: str) -> str:
    """What a sentence about inputs depends on."""
    return "; ".join(filter(None, (f"in {semantics}", conditions, method)))


def limits(domain: Inputs) -> str:
    """Lengths and constraint of a domain in words, or which numbers there are, or which streams.

    >>> limits(Domain(("a",), 2, 2)), limits(Domain(("a",), 1, None))
    ('length 2', 'length 1 or more')
    """
    if isinstance(domain, Operands | Streams | Lists):
        return domain.words
    lengths = f"{domain.min_length} to {domain.max_length}"
    if domain.max_length is None:
        lengths = f"{domain.min_length} or more"
    if domain.max_length == domain.min_length:
        lengths = str(domain.min_length)
    return f"length {lengths}{f' ({worded(domain.constraint.text)})' if domain.constraint else ''}"


def worded(text: str) -> str:
    """The text of a constraint inside a sentence: cut, and quoted where it might be taken for other parts of it.

    >>> worded("prefixes of: (aa)*"), worded("all), in real arithmetic (")
    ('prefixes of: (aa)*', "'all), in real arithmetic ('")
    """
    cut = text if len(text) <= MOST_WORDS else f"{text[: MOST_WORDS - 1]}…"
    depths = [cut.count("(", 0, end) - cut.count(")", 0, end) for end in range(len(cut) + 1)]
    is_plain = cut.isprintable() and min(depths) == depths[-1] == 0
    return cut if is_plain else repr(cut)


class Rung(IntEnum):
    """How strong a claim is; a higher rung needs less trust or reaches further.

    >>> Rung.ENUMERATED.is_proof, Rung.TESTED.is_proof, str(Rung.ALL_LENGTHS)
    (True, False, 'all lengths')
    """

    TESTED = 1
    ENUMERATED = 2
    SURROGATE = 3
    BOUNDED = 4
    ALL_LENGTHS = 5

    @property
    def is_proof(self) -> bool:
        """Whether a claim of this rung is called proved."""
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
    ``detail`` what a reader should also know (assumptions), one sentence or empty; ``conditions`` say how a sequence
    becomes a prompt and how its label is read, where the reference is a network; ``what`` is compared: ``sequences``
    of these.

    >>> claim = outcome.claims[0]
    >>> str(claim.rung), claim.sequences, claim.method
    ('enumerated', 30, 'compared one by one, every sequence asked 3 times, with one answer')
    """

    rung: Rung
    reference: str
    semantics: str
    domain: Inputs
    method: str
    sequences: int
    seconds: float
    detail: str = ""
    conditions: str = ""
    what: str = "sequences"

    @property
    def sentence(self) -> str:
        """The claim in one sentence."""
        inputs = None if self.domain.max_length is None else self.sequences
        text = equality(
            self.reference,
            self.domain,
            inputs,
            semantics=self.semantics,
            conditions=self.conditions,
            method=self.method,
            what=self.what,
        )
        return f"equals {text}"

    def __repr__(self) -> str:
        return cut(f"Claim({self.rung}: {self.sentence})")

    def _repr_html_(self) -> str:
        """Rung and sentence, for notebooks."""
        return panel_html(words_html(self.words), words_html(self.detail) if self.detail else "")

    @property
    def words(self) -> str:
        """The claim as results print it."""
        word = f"PROVED (rung {self.rung})" if self.rung.is_proof else f"AGREES (rung {self.rung}, not proved)"
        return f"{word}: it {self.sentence}."

    @property
    def docstring(self) -> str:
        """The claim as it stands in the printed function."""
        return f"E{self.sentence[1:]}: {'proved' if self.rung.is_proof else 'compared one by one'}."

    def as_json(self) -> dict[str, Any]:
        """The claim as JSON values."""
        return {
            "rung": str(self.rung),
            "sentence": self.sentence,
            "semantics": self.semantics,
            "lengths": [self.domain.min_length, self.domain.max_length],
            "sequences": None if self.domain.max_length is None else self.sequences,
            "seconds": self.seconds,
            "conditions": self.conditions,
            "assumption": self.detail,
        }
