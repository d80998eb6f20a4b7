"""Tables of numbers of fixed point, each column one integer of Python, so that many rows are mapped at once.

A column of integers x_0, x_1, ... is the sum of all x_n 2**(64 n), negative ones among them: sums and multiples of
columns are sums and multiples of those integers (arithmetic "within a register"; Fisher and Dietz, Compiling for SIMD
within a register, 1998). That is so as long as no x_n reaches 2**63 in size, or it would run over into its neighbour.
Hence every table has a bound on all its entries, ``most``, and nothing is made whose bound is not below ``FULL``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import ldexp
from operator import mul
from struct import pack, unpack

LANE, ROOM = 64, 62  # bits of a lane, and of what may be in it
FULL = 1 << ROOM


@lru_cache(256)
def ones(count: int) -> int:
    """The column of so many ones."""
    return ((1 << LANE * count) - 1) // ((1 << LANE) - 1)


def packed(values: Sequence[int]) -> int:
    """The column of these integers, each below 2**63 in size; struct.error where one is not."""
    high = ones(len(values)) << LANE - 1  # the sign of two's complement
    return (int.from_bytes(pack(f"<{len(values)}q", *values), "little") ^ high) - high


def unpacked(column: int, count: int) -> tuple[int, ...]:
    """The integers of a column of so many."""
    high = ones(count) << LANE - 1
    return unpack(f"<{count}q", (column + high ^ high).to_bytes(LANE // 8 * count, "little"))


def lowered(column: int, count: int, by: int) -> int:
    """The column of so many integers, each without its last ``by`` bits, rounded down."""
    one, by = ones(count), min(by, LANE - 1)
    return ((column + (one << LANE - 1) >> by) & one * ((1 << LANE - by) - 1)) - (one << LANE - 1 - by)


@dataclass(frozen=True)
class Table:
    """``count`` rows of entries ``v 2**-bits``, v an integer of at most ``most`` < FULL in size; one int a column."""

    columns: list[int]
    count: int
    bits: int
    most: int

    def __post_init__(self) -> None:
        if not self.most < FULL:
            raise OverflowError(f"entries of up to {self.most} do not fit")

    @classmethod
    def of(cls, columns: Iterable[Sequence[int]], count: int, bits: int) -> Table:
        """The table of these columns of integers."""
        given = [*columns]
        most = max((max(max(c), -min(c)) for c in given), default=0) if count else 0
        return cls([*map(packed, given)], count, bits, most)

    @property
    def unit(self) -> float:
        """What the last bit is."""
        return ldexp(1.0, -self.bits)

    def lists(self) -> list[tuple[int, ...]]:
        """The integers of each column."""
        return [unpacked(column, self.count) for column in self.columns]

    def bound(self, bits: int) -> int:
        """What no entry is above in size with so many bits behind the point."""
        by = bits - self.bits
        return self.most << by if by >= 0 else (self.most >> -by) + 1

    def fitting(self, fits: Callable[[int, int], bool]) -> int:
        """The most bits that are no more than there are, and for which, and the bound on entries with them, it fits."""
        bits = self.bits
        while not fits(self.bound(bits), bits):
            bits -= 1
        return bits

    def within(self, most: int) -> Table:
        """The same with as many bits as keep integers at or below ``most`` in size."""
        return self.shifted(self.fitting(lambda bound, _: bound <= most))

    def shifted(self, bits: int) -> Table:
        """The same with so many bits behind the point; fewer round every entry down, by less than its last bit."""
        by, most = self.bits - bits, self.bound(bits)
        if by <= 0:
            return self if not by else Table([column << -by for column in self.columns], self.count, bits, most)
        return Table([lowered(column, self.count, by) for column in self.columns], self.count, bits, most)

    def times(self, weights: Sequence[Mapping[int, int]], shift: Sequence[int], bits: int, most: int) -> Table:
        """``x weights + shift``, per result the weights of some entries, which have ``bits``; shifts as many and mine.

        ``most``: no entry of the result is above it in size.
        """
        one = ones(self.count)
        found = [
            sum(map(mul, row.values(), map(self.columns.__getitem__, row)), b * one)
            for row, b in zip(weights, shift, strict=True)
        ]
        return Table(found, self.count, self.bits + bits, most)

    def plus(self, other: Table) -> Table:
        """The sums, of two tables with as many bits."""
        pairs = zip(self.columns, other.columns, strict=True)
        return Table([x + y for x, y in pairs], self.count, self.bits, self.most + other.most)

    def picked(self, rows: Sequence[int]) -> Table:
        """These rows, in this order."""
        if len(rows) == self.count and all(n == m for n, m in enumerate(rows)):
            return self
        columns = [packed([*map(column.__getitem__, rows)]) for column in self.lists()]
        return Table(columns, len(rows), self.bits, self.most)
