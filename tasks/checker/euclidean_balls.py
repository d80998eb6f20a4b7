"""Rows in Euclidean balls, a point and a distance each: maps, norms and activations of many rows at once.

A row is a point ``x`` of fixed-point numbers (``lanes``), and the row of every execution, like the real one, is within
the Euclidean distance ``r`` of it. Per step, with what ``Arithmetic`` says of each rounding:

    W x + b    |W| r, with the spectral norm; an execution errs by a share of (sizes of W) (|x| + r), and of |b|
    x / S      S = sqrt(mean(x^2) + eps) moves by r / sqrt(n) at most, x / S by r over the least S that this allows
    GELU       has a slope below 1.15; a chord from point to point of a grid is off by h^2 / 8 times the bend at most

What fixed-point numbers lose is added to r: a weight is off by its own remainder, a number that is shortened by less
than its last bit. Distances, and what the lengths of points are not above, are floats: sums and products of numbers
that are not negative, so that they err by a share of their size, which UP makes good in the end, and DOWN where
something is taken off. What underflow takes is far below TINY, as no distance is above LIMIT, and TINY is what every
affine map adds, where real numbers are meant, too. A row of which nothing is known is at the distance inf.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from math import floor, frexp, inf, isqrt, ldexp, sqrt
from operator import mul

from flint import arb, arb_mat

from tasks.checker.arithmetic import LIMIT, TINY, ZERO, Arithmetic, Row
from tasks.checker.lanes import FULL, Table, packed, unpacked

MOST = float(LIMIT)
UP, DOWN = 1 + 2.0**-20, 1 - 2.0**-20  # for up to 2**32 roundings
LONG, BEHIND = 30, 64  # bits of what Python multiplies at once, a digit of its integers; the most behind the point
DIGIT = (1 << LONG) - 1
FACTOR = 26  # bits of the least factor of a row
FINE = 10  # bits of the grid, to 1, on which functions are tabulated
CHORD = 2.0 ** (-2 * FINE - 3)  # what a chord is off by, as no second derivative here is above 1
FAINT, HELD = 32, 1 << 16  # exp(-32) is none of the bits that are asked for; chords that are kept of a function
SLOPE = 1.15  # of any activation here; each is 0 at 0
SQUARED = 64  # the most rows or columns of a matrix whose spectral norm is found by squaring it
REAL = Arithmetic(0.0)


class UnknownError(Exception):
    """A network, or prompts, of which nothing is said here."""


class _Gamma(dict[int, float]):
    """The relative error of so many roundings."""

    def __init__(self, u: float) -> None:
        super().__init__()
        self.u = u

    def __missing__(self, k: int) -> float:
        self[k] = k * self.u / (1 - k * self.u) if k * self.u < 0.5 else inf
        return self[k]


class Rounding:
    """What rounding may do, in floats, as ``Arithmetic`` has it."""

    def __init__(self, a: Arithmetic) -> None:
        self.is_real, self.is_small = a.is_real, a.is_small or a.is_real
        self.u, self.tiny = float(a.u), float(TINY)
        self.gamma = _Gamma(self.u).__getitem__


@dataclass(frozen=True)
class Rows:
    """Points; how ``far`` from each a row may be; and its ``size``, which the length of the point is not above."""

    points: Table
    far: list[float]
    size: list[float]

    def at(self, bits: int) -> Rows:
        """The same with so many bits behind the point."""
        points = self.points.shifted(bits)
        off = _last(points) if bits < self.points.bits else 0.0
        if not off:
            return Rows(points, self.far, self.size)
        return Rows(points, [r + off for r in self.far], [s + off for s in self.size])

    def within(self, most: int) -> Rows:
        """The same with as many bits as keep integers at or below ``most`` in size."""
        return self.at(self.points.fitting(lambda bound, _: bound <= most))

    def picked(self, rows: Sequence[int]) -> Rows:
        """These rows, in this order."""
        return Rows(self.points.picked(rows), [self.far[n] for n in rows], [self.size[n] for n in rows])

    def plus(self, other: Rows, a: Rounding) -> Rows:
        """The sums, rounded once."""
        one, two = self.points, other.points
        bits = max(one.bits, two.bits)
        while one.bound(bits) + two.bound(bits) >= FULL:
            bits -= 1
        mine, its, u, tiny = self.at(bits), other.at(bits), a.gamma(1), len(one.columns) * a.tiny
        size = [s + t for s, t in zip(mine.size, its.size, strict=True)]
        far = [r + q + u * (s + r + q) + tiny for r, q, s in zip(mine.far, its.far, size, strict=True)]
        return Rows(mine.points.plus(its.points), far, size).held(a)

    def held(self, a: Rounding) -> Rows:
        """The same, with nothing known of rows in which an execution may have a number as large as LIMIT, or none."""
        most = self.far if a.is_small else [r + s for r, s in zip(self.far, self.size, strict=True)]
        far = [r if size < MOST else inf for r, size in zip(self.far, most, strict=True)]
        return Rows(self.points, far, self.size)


def _last(points: Table) -> float:
    """How long a row of last bits is, or more."""
    return sqrt(len(points.columns)) * points.unit * UP


@dataclass(frozen=True)
class _Fixed:
    """A map of ``bits``: per result the weight of each entry; the sizes of those add up to ``norm`` at most.

    ``shift``: man and exp of each number man 2**exp, none above ``top`` in size; ``off``, ``rest``: what is left of
    the map, and of the shift.
    """

    weights: list[dict[int, int]]
    bits: int
    norm: int
    off: float
    shift: list[tuple[int, int]]
    top: float
    rest: float

    def largest(self, bound: int, bits: int) -> int:
        """What no entry of an image is above, of entries up to ``bound`` with that many bits."""
        return bound * self.norm + int(ldexp(self.top, bits + self.bits)) + 2


@dataclass(frozen=True)
class Linear:
    """``x map + shift``: distances grow by ``stretch``; an execution errs by ``share`` (|x| + r) + ``own``.

    Where it is several maps, rows between them are no longer than ``inner`` (|x| + r) + ``least``.
    """

    map: arb_mat
    shift: arb_mat
    stretch: float
    share: float = 0.0
    own: float = 0.0
    inner: float = 0.0
    least: float = 0.0

    def __call__(self, a: Rounding, rows: Rows) -> Rows:
        """The images of points."""
        fixed = self.fixed
        most = BEHIND - fixed.bits
        rows = rows.at(rows.points.fitting(lambda bound, bits: bits <= most and fixed.largest(bound, bits) < FULL))
        own = rows.points
        if own.bits < -BEHIND:
            raise UnknownError  # of numbers that are so large, and larger ones behind them: no float might hold those
        shift = [_shifted(man, exp + own.bits + fixed.bits) for man, exp in fixed.shift]
        points = own.times(fixed.weights, shift, fixed.bits, fixed.largest(own.most, own.bits))
        last = _last(points) + fixed.rest
        stretch, moved, own_off = self.stretch + fixed.off, length(self.shift) + last, self.own + last
        sizes = [s + r for s, r in zip(rows.size, rows.far, strict=True)]
        far = [
            self.stretch * r + self.share * m + fixed.off * s + own_off if self.inner * m + self.least < MOST else inf
            for r, s, m in zip(rows.far, rows.size, sizes, strict=True)
        ]
        return Rows(points, far, [stretch * s + moved for s in rows.size])

    @cached_property
    def fixed(self) -> _Fixed:
        """The map in fixed-point numbers; raises where it has a number that is not known."""
        rows, shift = self.map.tolist(), self.shift.entries()
        if not all(v.is_finite() for row in (*rows, shift) for v in row):
            raise UnknownError
        values = [[*map(float, row)] for row in rows]
        norm = max((sum(map(abs, column)) for column in zip(*values, strict=True)), default=0.0)
        top = max(map(above, map(abs, shift)), default=0.0)
        if not max(norm, top) < MOST * MOST:
            raise UnknownError
        bits = min(LONG - frexp(norm)[1], BEHIND)
        whole = [[round(ldexp(v, bits)) for v in row] for row in values]
        columns = [{n: w for n, w in enumerate(column) if w} for column in zip(*whole, strict=True)]
        most = max((sum(map(abs, column.values())) for column in columns), default=0)
        pairs = [(int(man), int(exp)) for man, exp in (v.mid().man_exp() for v in shift)]
        left = [[ldexp(v, bits) - w for v, w in zip(*each, strict=True)] for each in zip(values, whole, strict=True)]
        blur = max((float(v.rad()) for row in rows for v in row), default=0.0)
        count = len(rows) * len(shift)  # floats are off by 2**-53 of numbers that are not above 2**LONG
        off = sqrt(sum(v * v for row in left for v in row)) + sqrt(count) * (2.0 ** (LONG - 52) + ldexp(blur, bits))
        off = ldexp(off * UP, -bits)
        return _Fixed(columns, bits, most, off, pairs, top, length(self.shift - self.shift.mid()))

    def then(self, other: Linear) -> Linear:
        """Both, one after the other."""
        both, grown, moved = self.map * other.map, self.stretch + self.share, length(self.shift) + self.own
        return Linear(
            both,
            self.shift * other.map + other.shift,
            min(self.stretch * other.stretch, spectral(both)),
            other.stretch * self.share + other.share * grown,  # between them a row is no longer than
            other.stretch * self.own + other.share * moved + other.own,  # grown (|x| + r) + moved
            max(self.inner, grown, other.inner * grown),
            max(self.least, moved, other.inner * moved + other.least),
        )


@dataclass(frozen=True)
class Scaled:
    """``x / S`` of all ``width`` entries of a row, less their mean where ``centered``; gain and bias come behind it."""

    width: int
    eps: float
    centered: bool

    def __call__(self, a: Rounding, rows: Rows) -> Rows:
        """The images of points, no longer than sqrt(width). S^2 is off by what ``Arithmetic.norm`` says.

        Entries less their mean are multiplied by ``width``, to be integers.
        """
        n, rows = self.width, rows.within(DIGIT)
        points, root = rows.points, sqrt(self.width)
        times, rest, of_mean, of_square = 1, 0.0, 0.0, a.gamma(n + 8)
        if self.centered:
            total = sum(points.columns)
            means = [(v * points.unit / n) ** 2 for v in unpacked(total, points.count)]
            columns = [n * column - total for column in points.columns]
            points = Table(columns, points.count, points.bits, 2 * n * points.most).within(DIGIT)
            times, rest, of_mean, of_square = n, _last(points) / n, a.gamma(n + 4), 4 * of_square
        unit, lists, tiny = points.unit / times, points.lists(), n * a.tiny if self.centered else 0.0
        scaled = unit * unit / n
        whole = [square * scaled + self.eps for square in squares(zip(*lists, strict=True))]
        # of a row with its mean: its size is no more than root times this, nor does this grow by more than r / root
        full = [sqrt(v + mean) for v, mean in zip(whole, means, strict=True)] if self.centered else [*map(sqrt, whole)]
        whole = [*map(sqrt, whole)] if self.centered else full
        moved = [r + rest + of_mean * (root * s + rest + r) + tiny for r, s in zip(rows.far, full, strict=True)]
        more, others, per = root * a.gamma(16), root * (1 + a.gamma(16)), UP / root
        far = [
            r / least + more + others * share
            if (least := s * DOWN - r * per) > 0 and (share := of_square * ((most + r * per) / least) ** 2) < 0.25
            else inf  # as 1 / sqrt(1 - t) is at most 1 + t up to t = 1/2
            for r, s, most in zip(moved, whole, full, strict=True)
        ]
        bits = LONG - (isqrt(n) + 1).bit_length()
        largest = max((s for r, s in zip(far, whole, strict=True) if r < inf), default=1.0)
        by = max(FACTOR - frexp(unit / largest)[1], bits)
        factor, down, last = ldexp(unit, by), by - bits, ldexp(2 * root, -bits)
        factors = [int(factor / s) if r < inf else 0 for r, s in zip(far, whole, strict=True)]
        # factors are off by less than one, and entries rounded down; what floats are off by is far less
        columns = [packed([v * m >> down for v, m in zip(column, factors, strict=True)]) for column in lists]
        far = [r + root / (m or 1) + last for r, m in zip(far, factors, strict=True)]
        return Rows(Table(columns, points.count, bits, (isqrt(n) + 2) << bits), far, [root + last] * points.count)


@dataclass(frozen=True)
class Bent:
    """An activation of this ``kind``, entry by entry."""

    kind: str

    def __call__(self, a: Rounding, rows: Rows) -> Rows:
        """The images of points."""
        rows = rows.within(DIGIT)
        points, wide = rows.points, len(rows.points.columns)
        bits = points.bits
        if bits < FINE:
            return Rows(points, [inf] * points.count, rows.size)
        if self.kind == "relu":
            lists, more = [[v if v > 0 else 0 for v in column] for column in points.lists()], 0.0
        else:
            chord, by = chords(self.kind, bits).__getitem__, bits - FINE
            rest = (1 << by) - 1
            lists = []
            for column in points.lists():
                found = zip(column, map(chord, [v >> by for v in column]), strict=True)
                lists.append([y + (slope * (v & rest) >> by) for v, (y, slope) in found])
            more = sqrt(wide) * CHORD + 4 * _last(points)
        u, more = a.gamma(16), more + wide * a.tiny
        far = [SLOPE * r + u * (s + r) + more for r, s in zip(rows.far, rows.size, strict=True)]
        return Rows(Table.of(lists, points.count, bits), far, [SLOPE * s + more for s in rows.size])


class Chords(dict[int, tuple[int, int]]):
    """A function from n to n + 1 steps of the grid: what it is at n, of these ``bits``, and by how much it grows.

    Both are off by a last bit at most. exp is that of the negative number.
    """

    def __init__(self, kind: str, bits: int) -> None:
        super().__init__()
        self.kind, self.bits, self.known = kind, bits, dict[int, int]()

    def __missing__(self, n: int) -> tuple[int, int]:
        if self.kind == "exp" and n >= FAINT << FINE:
            return 0, 0
        if len(self) >= HELD:
            self.clear()
            self.known.clear()
        y, z = self._value(n), self._value(n + 1)
        found = self[n] = y, z - y
        return found

    def _value(self, n: int) -> int:
        found = self.known.get(n)
        if found is None:
            x = arb(ldexp(n, -FINE))
            (y,) = [(-x).exp()] if self.kind == "exp" else REAL.activate([x], self.kind)
            found = self.known[n] = floor(ldexp(float(y), self.bits))
        return found


@lru_cache(64)
def chords(kind: str, bits: int) -> Chords:
    """The chords of a function, which are kept."""
    return Chords(kind, bits)


def integer(x: arb, bits: int) -> int:
    """The integer below the middle of ``x 2**bits``."""
    man, exp = x.mid().man_exp()
    return _shifted(int(man), int(exp) + bits)


def _shifted(man: int, by: int) -> int:
    return man << by if by >= 0 else man >> -by


def squares(rows: Iterable[Sequence[int]]) -> list[int]:
    """The sum of the squares of each row."""
    return [sum(map(mul, row, row)) for row in rows]


def lengths(squared: Iterable[int], points: Table) -> list[float]:
    """The length of each point, or more, from the squares of its integers."""
    return [sqrt(square) * points.unit * UP for square in squared]


def exactly(table: Sequence[Row]) -> Rows:
    """Rows that are given; nothing is known of one with a number that is not, or as large as LIMIT."""
    each = [([*map(float, row)], length(arb_mat([[v.rad() for v in row]]))) for row in table]
    known = [rad < MOST and all(-MOST < v < MOST for v in row) for row, rad in each]
    sizes = [max(map(abs, row), default=0.0) for (row, _), is_known in zip(each, known, strict=True) if is_known]
    bits = min(LONG - frexp(max(sizes, default=0.0))[1], 64)
    rows = [
        [floor(ldexp(v, bits)) if is_known else 0 for v in row] for (row, _), is_known in zip(each, known, strict=True)
    ]
    points = Table.of(zip(*rows, strict=True), len(rows), bits)
    last = _last(points)  # of floats, which are off by far less
    far = [rad + last if is_known else inf for (_, rad), is_known in zip(each, known, strict=True)]
    return Rows(points, far, lengths(squares(rows), points))


def spectral(matrix: arb_mat) -> float:
    """What the largest singular value is at most.

    The least of the Frobenius norm, of the root of the product of the largest sums of a row and of a column and, of a
    small matrix, of the root of order 16 of the Frobenius norm of (M M^T)^8, whose largest eigenvalue is a power of it.
    """
    rows = [[abs(v) for v in row] for row in matrix.tolist()]
    sums = [max(above(sum(row, ZERO)) for row in part) for part in (rows, [*zip(*rows, strict=True)])]
    least = min(length(matrix), sqrt(sums[0] * sums[1]))
    if min(matrix.nrows(), matrix.ncols()) <= SQUARED:
        turned = matrix.transpose()
        power = matrix * turned if matrix.nrows() < matrix.ncols() else turned * matrix
        for _ in range(3):
            power = power * power
        least = min(least, above(sum([v * v for v in power.entries()], ZERO).root(32)))
    return least


def above(x: arb) -> float:
    """A float that ``x`` is not above."""
    return float(x.upper()) * UP


def length(matrix: arb_mat) -> float:
    """The root of the sum of all squares, or more."""
    return _root(sum([v * v for v in matrix.entries()], ZERO))


def _root(square: arb) -> float:
    """The root of a number that is not negative, or more."""
    return sqrt(float(square.upper())) * UP
