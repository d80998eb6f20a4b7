"""Steps of recurrent networks on each row by itself, in the arithmetic that they are given."""

from __future__ import annotations

from dataclasses import dataclass

from tasks.checker.arithmetic import Arithmetic, Row
from tasks.checker.network import Step, run


@dataclass(frozen=True)
class Columns:
    """Those from ``start`` to below ``stop``."""

    start: int
    stop: int

    def __call__(self, a: Arithmetic, rows: list[Row]) -> list[Row]:
        """The columns of each row."""
        return [row[self.start : self.stop] for row in rows]


@dataclass(frozen=True)
class Concat:
    """Several ways from each row, side by side."""

    parts: tuple[tuple[Step, ...], ...]

    def __call__(self, a: Arithmetic, rows: list[Row]) -> list[Row]:
        """The ends of all ways, joined."""
        ends = [run(part, a, rows) for part in self.parts]
        return [[x for part in each for x in part] for each in zip(*ends, strict=True)]


@dataclass(frozen=True)
class Blend:
    """``g one + (1 - g) other`` with ``g = sigmoid(gate)``, entry by entry."""

    gate: tuple[Step, ...]
    one: tuple[Step, ...]
    other: tuple[Step, ...]

    def __call__(self, a: Arithmetic, rows: list[Row]) -> list[Row]:
        """The blends of the ends of three ways."""
        return a.blend(*(run(way, a, rows) for way in (self.gate, self.one, self.other)))
