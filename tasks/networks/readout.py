"""How logits become labels: an argmax, a set of tokens, or a number on a grid; each with its margin.

A label is an integer, and a margin says by how much the deciding numbers may move before the label does. Where the
margin does not exceed the error bound the label is ``UNDECIDED``: a tie is its own outcome, never silently a label.

    Argmax      label: index of the largest column;              margin: gap to the runner-up (with two columns this is
                                                                 the sign of a logit difference)
    TokenSet    label: sum of 2**i over columns i > threshold;   margin: smallest distance to the threshold
    Rounded     label / unit: the nearest fraction whose denominator is at most ``denominator`` (1: an integer);
                                                                 margin: distance to the nearest point halfway

Margins are in terms of the columns themselves, except Argmax's, which is a difference of two (an error bound ``e`` per
logit is a bound ``2 e`` there; ``read`` takes care of it). They are computed in float64 and rounded to nearest, so a
proof gives an error bound with room for 2**-50 of the logits.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tasks.networks.sparse_transformer import NetworkError
from tasks.networks.transformer import Reals

Labels = NDArray[np.int64]
Position = Literal["last", "every"]

UNDECIDED = int(np.iinfo(np.int64).min)  # not -1: a rounded label may be negative
MAX_SET = 62  # columns of a token set: a label is one int64
MAX_DENOMINATOR = 20  # lcm(1..20) = 232,792,560, and labels are int64


@dataclass(frozen=True)
class Argmax:
    """The name of the largest of these columns."""

    names: tuple[str, ...]
    columns: tuple[int, ...]
    position: Position = "last"

    def __post_init__(self) -> None:
        _check_columns(self.names, self.columns, at_least=2)

    def read(self, logits: Reals, error: float = 0.0) -> tuple[Labels, Reals]:
        """Labels and margins of logits (..., outputs): arrays without the last axis."""
        chosen = logits[..., list(self.columns)]
        ranked = np.sort(chosen, axis=-1)
        return _decided(chosen.argmax(axis=-1), ranked[..., -1] - ranked[..., -2], 2 * error)

    def text(self, label: int) -> str:
        """A label as the reader knows it."""
        return "undecided" if label == UNDECIDED else self.names[label]


@dataclass(frozen=True)
class TokenSet:
    """The names of the columns above ``threshold``."""

    names: tuple[str, ...]
    columns: tuple[int, ...]
    threshold: float = 0.0
    position: Position = "last"

    def __post_init__(self) -> None:
        _check_columns(self.names, self.columns, at_least=1)
        if len(self.columns) > MAX_SET:
            raise NetworkError(f"expected a set over at most {MAX_SET} tokens, got {len(self.columns)}; name fewer")

    def read(self, logits: Reals, error: float = 0.0) -> tuple[Labels, Reals]:
        """Labels and margins of logits (..., outputs): arrays without the last axis."""
        above = logits[..., list(self.columns)] - self.threshold
        return _decided((above > 0) @ (1 << np.arange(len(self.columns))), np.abs(above).min(axis=-1), error)

    def members(self, label: int) -> tuple[str, ...]:
        """The names in the set."""
        return tuple(name for i, name in enumerate(self.names) if label >> i & 1)

    def text(self, label: int) -> str:
        """A label as the reader knows it."""
        return "undecided" if label == UNDECIDED else "{" + ", ".join(self.members(label)) + "}"


@dataclass(frozen=True)
class Rounded:
    """The fraction nearest to one column, with a denominator of at most ``denominator``."""

    column: int
    denominator: int = 1
    position: Position = "last"

    def __post_init__(self) -> None:
        if self.column < 0 or not 1 <= self.denominator <= MAX_DENOMINATOR:
            raise NetworkError(
                f"expected a column and a denominator from 1 to {MAX_DENOMINATOR}, "
                f"got {self.column} and {self.denominator}"
            )

    @property
    def columns(self) -> tuple[int, ...]:
        """The one column that is read."""
        return (self.column,)

    @property
    def unit(self) -> int:
        """What labels count: ``label / unit`` is the number."""
        return math.lcm(*range(1, self.denominator + 1))

    def value(self, label: int) -> Fraction:
        """The number a label stands for."""
        return Fraction(label, self.unit)

    def read(self, logits: Reals, error: float = 0.0) -> tuple[Labels, Reals]:
        """Labels and margins of logits (..., outputs): arrays without the last axis."""
        x = logits[..., self.column]
        grid = np.array(sorted({n * (self.unit // d) for d in range(1, self.denominator + 1) for n in range(d + 1)}))
        whole = np.floor(x)
        if x.size and np.abs(whole).max() > 2**31:
            raise NetworkError(f"cannot round {np.abs(x).max():.3g}: expected numbers below 2**31")
        below = whole.astype(np.int64) * self.unit
        part = (x - whole) * self.unit
        halfway = (grid[1:] + grid[:-1]) / 2
        label = below + grid[np.searchsorted(halfway, part)]
        margin = np.abs(part[..., None] - halfway).min(axis=-1) / self.unit  # beyond 0 and 1 none is nearer
        return np.where(margin > error, label, UNDECIDED), margin

    def text(self, label: int) -> str:
        """A label as the reader knows it."""
        return "undecided" if label == UNDECIDED else str(self.value(label))


Readout = Argmax | TokenSet | Rounded


def label_name(readout: Readout, label: int) -> str:
    """A label as programs print it: a fraction as Python prints a quotient."""
    if isinstance(readout, Rounded) and readout.denominator > 1:
        return str(label / readout.unit)
    return readout.text(label)


def _decided(labels: NDArray[np.integer], margins: Reals, error: float) -> tuple[Labels, Reals]:
    return np.where(margins > error, labels, UNDECIDED).astype(np.int64), margins


def _check_columns(names: tuple[str, ...], columns: tuple[int, ...], at_least: int) -> None:
    if len(names) != len(columns) or len(set(names)) != len(names) or len(columns) < at_least:
        raise NetworkError(f"expected {at_least} or more different names, one per column, got {names} for {columns}")
    if len(set(columns)) != len(columns) or min(columns) < 0:
        raise NetworkError(f"expected different columns from 0 on, got {columns}")
