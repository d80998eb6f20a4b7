"""The strongest condition of a fixed kind that holds at every point seen: what an invariant is guessed from.

Four kinds of conditions on integer parameters, each joined with one point at a time:

- ``Bound``: a sum is at most one of given limits (an octagon has +x, -x, x + y and x - y for sums; Mine 2006);
- ``Residue``: a sum has one remainder modulo m;
- ``Fact``: a given condition;
- ``Hull``: all linear equations between the parameters (Karr 1976), kept as the points that span their solutions.

A ``Region`` says them of the points at which its guard holds, so that a loop in phases has different ones in each.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from math import lcm

from cegis.formulas.linear import Compared, Linear
from cegis.invariants.clauses import negation
from dsl.operators import BOOL, INT, Term
from dsl.scalars import ScalarSignature, Value
from dsl.theories.theory import find, literal

Point = Mapping[Term, Value]  # the value of each parameter


def value(linear: Linear, point: Point) -> int:
    """The value of a sum of parameters."""
    return sum(factor * int(point[term]) for term, factor in linear.parts) + linear.constant


@dataclass(frozen=True)
class Bound:
    """``linear <= limits[place]`` (ascending); nothing once every limit is passed."""

    linear: Linear
    limits: tuple[int, ...]
    place: int = 0

    def joined(self, point: Point) -> Bound:
        """What still holds once ``point``, too, is reached."""
        reached, place = value(self.linear, point), self.place
        while place < len(self.limits) and self.limits[place] < reached:
            place += 1
        return self if place == self.place else replace(self, place=place)

    @cached_property
    def conditions(self) -> tuple[Term, ...]:
        """The conjuncts that all points so far meet; none where nothing is left."""
        if self.place == len(self.limits):
            return ()
        return (Compared(self.linear + Linear((), -self.limits[self.place]), False).term,)


@dataclass(frozen=True)
class Residue:
    """``linear mod modulus`` is the one of ``seen``; nothing once there are two."""

    linear: Linear
    modulus: int
    seen: tuple[int, ...] = ()

    def joined(self, point: Point) -> Residue:
        """What still holds once ``point``, too, is reached."""
        rest = value(self.linear, point) % self.modulus
        return self if rest in self.seen or len(self.seen) > 1 else replace(self, seen=(*self.seen, rest))

    @cached_property
    def conditions(self) -> tuple[Term, ...]:
        """The conjuncts that all points so far meet; none where nothing is left."""
        if len(self.seen) != 1:
            return ()
        rest = find("mod", (INT, INT))(self.linear.term, literal(self.modulus, INT)())
        return (find("=", (INT, INT))(rest, literal(self.seen[0], INT)()),)


@dataclass(frozen=True)
class Hull:
    """Every equation that all points satisfy; ``points`` are affinely independent."""

    parameters: tuple[Term, ...]
    points: tuple[tuple[int, ...], ...] = ()

    def joined(self, point: Point) -> Hull:
        """What still holds once ``point``, too, is reached."""
        if self.points and all(value(equation, point) == 0 for equation in self.equations):
            return self
        return replace(self, points=(*self.points, tuple(int(point[parameter]) for parameter in self.parameters)))

    @cached_property
    def equations(self) -> tuple[Linear, ...]:
        """Sums that are 0 at all points."""
        first, *others = self.points
        found = []
        for row in nullspace([[a - b for a, b in zip(other, first, strict=True)] for other in others], len(first)):
            linear = Linear.of(dict(zip(self.parameters, row, strict=True)), 0)
            found.append(linear + Linear((), -sum(a * b for a, b in zip(row, first, strict=True))))
        return tuple(found)

    @cached_property
    def conditions(self) -> tuple[Term, ...]:
        """The conjuncts that all points so far meet; none where nothing is left."""
        return tuple(Compared(equation, True).term for equation in self.equations) if self.points else ()


def nullspace(rows: Sequence[Sequence[int]], width: int) -> list[list[int]]:
    """A basis of the vectors that every row gives 0 with, in whole numbers.

    >>> nullspace([[1, -1, 0]], 3)
    [[1, 1, 0], [0, 0, 1]]
    """
    reduced: list[list[Fraction]] = []  # row echelon form, pivots are 1
    pivots: list[int] = []
    for row in rows:
        rest = [Fraction(number) for number in row]
        for pivot, known in zip(pivots, reduced, strict=True):
            rest = [a - rest[pivot] * b for a, b in zip(rest, known, strict=True)]
        nonzero = [place for place, number in enumerate(rest) if number]
        if nonzero:
            pivot = nonzero[0]
            rest = [number / rest[pivot] for number in rest]
            reduced = [[a - known[pivot] * b for a, b in zip(known, rest, strict=True)] for known in reduced]
            reduced.append(rest)
            pivots.append(pivot)
    basis = []
    for free in (place for place in range(width) if place not in pivots):
        vector = [Fraction(int(place == free)) for place in range(width)]
        for pivot, known in zip(pivots, reduced, strict=True):
            vector[pivot] = -known[free]
        scale = lcm(*(number.denominator for number in vector))
        basis.append([int(number * scale) for number in vector])
    return basis


@dataclass(frozen=True)
class Fact:
    """``term``, as long as it holds."""

    signature: ScalarSignature
    term: Term
    holds: bool = True

    def joined(self, point: Point) -> Fact:
        """What still holds once ``point``, too, is reached."""
        return self if not self.holds or holds(self.term, self.signature, point) else replace(self, holds=False)

    @cached_property
    def conditions(self) -> tuple[Term, ...]:
        """The conjuncts that all points so far meet; none where nothing is left."""
        return (self.term,) if self.holds else ()


def holds(term: Term, signature: ScalarSignature, point: Point) -> bool:
    """Whether a condition on the parameters is true at a point."""
    row = [point[variable] for variable in signature.variables]
    return bool(term.evaluate(signature.batch([row], exact=True))[0])


Part = Bound | Residue | Hull | Fact


@dataclass(frozen=True)
class Region:
    """What holds at every point seen where ``guard`` holds (None: everywhere)."""

    signature: ScalarSignature
    guard: Term | None
    parts: tuple[Part, ...]
    is_empty: bool = True

    def joined(self, point: Point) -> Region:
        """The region with one more point; itself where nothing changes."""
        if self.guard is not None and not holds(self.guard, self.signature, point):
            return self
        parts = tuple(part.joined(point) for part in self.parts)
        unchanged = not self.is_empty and all(new is old for new, old in zip(parts, self.parts, strict=True))
        return self if unchanged else replace(self, parts=parts, is_empty=False)

    @cached_property
    def conditions(self) -> tuple[Term, ...]:
        """Terms over the parameters, all of them true at every point seen and none true of a region without points."""
        if self.is_empty:
            return (literal(False, BOOL)() if self.guard is None else negation(self.guard),)
        found = tuple(condition for part in self.parts for condition in part.conditions)
        if self.guard is None:
            return found
        return tuple(find("or", (BOOL, BOOL))(negation(self.guard), condition) for condition in found)
