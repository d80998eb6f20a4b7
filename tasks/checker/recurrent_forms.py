"""Sets of states through the steps of a recurrent network: what each number is to first order, and how far it may lie.

A set is c + V y. The columns of V belong, one or two together, to directions, and y to a disc in each: |y_d| <= r_d. A
number that depends on such a state is known as

    center + slopes . y + e,  |e| <= rest        whatever y; slopes . y is at most sum_d r_d |slopes_d|

Affine maps act on all three. A product, and a function f about the center, put what is beyond first order into the
rest: half of sup |f''| times the square of how far the number may lie from its center. So does what executions round.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, cast

from flint import arb, arb_mat

from tasks.checker.arithmetic import LIMIT, ONE, TINY, ZERO, Affine, Arithmetic, Row
from tasks.checker.files import confirm, expect
from tasks.checker.network import run
from tasks.checker.readouts import Reader
from tasks.checker.recurrent import Recurrent

BENDS = {"tanh": arb(77) / 100, "sigmoid": arb(963) / 10000}  # above sup |f''|


class Linear(NamedTuple):
    """``center`` and ``slopes`` are balls that hold the true ones; ``rest`` bounds the remainder."""

    center: arb
    slopes: Row
    rest: arb


@dataclass(frozen=True)
class Discs:
    """``sizes``: how many columns each direction has, 1 or 2; ``radii``: of the disc in each."""

    sizes: tuple[int, ...]
    radii: Row

    @classmethod
    def units(cls, count: int) -> Discs:
        """As many directions of one column, each from -1 to 1."""
        return cls((1,) * count, [ONE] * count)

    @cached_property
    def are_units(self) -> bool:
        """Whether every direction goes from -1 to 1."""
        return {*self.sizes} <= {1} and all(r == 1 for r in self.radii)

    def parts(self, row: Row) -> list[Row]:
        """A row of columns, by direction."""
        found, at = [], 0
        for size in self.sizes:
            found.append(row[at : at + size])
            at += size
        return found

    def reach(self, slopes: Row) -> arb:
        """An upper bound of |slopes . y|."""
        if self.are_units:
            return sum(map(abs, slopes), ZERO).abs_upper()
        lengths = (length(part) for part in self.parts(slopes))
        return sum((r * x for r, x in zip(self.radii, lengths, strict=True)), ZERO).abs_upper()


def length(row: Row) -> arb:
    """The Euclidean length, rounded up."""
    if len(row) == 1:
        return row[0].abs_upper()
    return arb(sum((v.abs_upper() * v.abs_upper() for v in row), ZERO).upper()).sqrt().upper()


class Forms(Arithmetic):
    """In place of numbers rows hold ``Linear``; the steps of a network ask the arithmetic that they are given."""

    def __init__(self, discs: Discs, u: float = 0.0) -> None:
        super().__init__(u)
        self.discs = discs
        self._maps = dict[int, tuple[Affine, list[int], arb_mat, arb_mat]]()  # what is kept is not another one

    def size(self, x: Linear) -> arb:
        """An upper bound of |x|."""
        return (abs(x.center) + self.reach(x)).abs_upper()

    def _rounded(self, x: Linear, error: arb) -> Linear:
        """``x`` as executions know it, off by the size of an ``error`` at most; unbounded where it may overflow."""
        if self.is_real:
            return x
        found = Linear(x.center, x.slopes, (x.rest + abs(error) + TINY).abs_upper())
        return found if self.size(found) < LIMIT else Linear(x.center, x.slopes, arb.pos_inf())

    def affine(self, layer: Affine, rows: list[Any]) -> list[Any]:
        """``W x + b`` of every row."""
        used, weight, sizes = self._used(layer)
        found = self._mapped(weight, sizes, layer.bias, [[row[n] for n in used] for row in rows])
        if self.is_real:
            return found
        errors = layer.rounding(self, [[self.size(x) for x in row] for row in rows])
        most = (LIMIT * self.u / 2).lower()  # of what rounding adds, which is at least u times the size of a number
        return [
            [
                Linear(x.center, x.slopes, (x.rest + error).abs_upper() if error < most else arb.pos_inf())
                for x, error in zip(row, more, strict=True)
            ]
            for row, more in zip(found, errors, strict=True)
        ]

    def _used(self, layer: Affine) -> tuple[list[int], arb_mat, arb_mat]:
        """The numbers that a map reads, its weights for them, and the sizes of these."""
        if id(layer) not in self._maps:
            inputs = range(len(layer.weight[0])) if layer.weight else range(0)
            used = [n for n in inputs if not all(weights[n] == 0 for weights in layer.weight)]
            weight = [[weights[n] for n in used] for weights in layer.weight]
            sizes = arb_mat([[abs(w) for w in weights] for weights in weight])
            self._maps[id(layer)] = layer, used, arb_mat(weight), sizes
        _, *found = self._maps[id(layer)]
        return found[0], found[1], found[2]

    def _mapped(self, weight: arb_mat, sizes: arb_mat, bias: Row, rows: list[list[Linear]]) -> list[list[Linear]]:
        """All rows in one product: center and slopes of each side by side."""
        columns = sum(self.discs.sizes)
        if not rows or not rows[0]:
            return [[Linear(b, [ZERO] * columns, ZERO) for b in bias] for _ in rows]
        each = [*zip(*rows, strict=True)]  # by the number that is read
        moved = (weight * arb_mat([[v for x in row for v in (x.center, *x.slopes)] for row in each])).tolist()
        rests = (sizes * arb_mat([[x.rest for x in row] for row in each])).tolist()
        starts = range(0, len(rows) * (columns + 1), columns + 1)
        return [
            [
                Linear(line[at] + b, line[at + 1 : at + 1 + columns], rest[n].abs_upper())
                for line, b, rest in zip(moved, bias, rests, strict=True)
            ]
            for n, at in enumerate(starts)
        ]

    def add(self, rows: list[Any], others: list[Any]) -> list[Any]:
        """The sums of two lists of rows, entry by entry."""
        return [
            [self._sum(x, y) for x, y in zip(row, other, strict=True)] for row, other in zip(rows, others, strict=True)
        ]

    def multiply(self, rows: list[Any], others: list[Any]) -> list[Any]:
        """The products, entry by entry."""
        return [
            [self._product(x, y) for x, y in zip(row, other, strict=True)]
            for row, other in zip(rows, others, strict=True)
        ]

    def blend(self, gates: list[Any], ones: list[Any], others: list[Any]) -> list[Any]:
        """``g one + (1 - g) other`` with ``g = sigmoid(gate)``: ``other + g (one - other)`` to first order."""
        shares = [self.activate(row, "sigmoid") for row in gates]
        return [
            [self._blended(g, x, y) for g, x, y in zip(share, one, other, strict=True)]
            for share, one, other in zip(shares, ones, others, strict=True)
        ]

    def activate(self, row: list[Any], kind: str) -> list[Any]:
        """tanh, sigmoid, or a ReLU whose sign is known of all states."""
        return [self._activated(x, kind) for x in cast("list[Linear]", row)]

    def leak(self, row: list[Any], slope: Any) -> list[Any]:
        """Not followed."""
        confirm(False, "sets of states are not followed through leaky ReLUs")
        return row

    def after(self, network: Recurrent, states: list[Linear], token: int) -> list[Linear]:
        """What a token makes of states."""
        return self.after_each(network, [states], [token])[0]

    def after_each(self, network: Recurrent, sets: list[list[Linear]], tokens: list[int]) -> list[list[Linear]]:
        """What tokens make of sets of states, one of each."""
        none = [ZERO] * sum(self.discs.sizes)
        rows: list[Any] = [
            [*states, *(Linear(x, none, ZERO) for x in network.tokens[token])]
            for states, token in zip(sets, tokens, strict=True)
        ]
        return cast("list[list[Linear]]", run(network.transition, self, rows))

    def read(self, network: Recurrent, states: list[Linear]) -> list[Linear]:
        """Their logits."""
        return self.read_each(network, [states])[0]

    def read_each(self, network: Recurrent, sets: list[Any]) -> list[list[Linear]]:
        """The logits of sets of states."""
        return cast("list[list[Linear]]", run(network.output, self, sets))

    def reach(self, x: Linear) -> arb:
        """An upper bound of how far ``x`` may lie from its center."""
        return (self.discs.reach(x.slopes) + x.rest).abs_upper()

    def _product(self, x: Linear, y: Linear) -> Linear:
        slopes = [x.center * t + y.center * s for s, t in zip(x.slopes, y.slopes, strict=True)]
        straight = abs(x.center) * y.rest + abs(y.center) * x.rest
        found = Linear(x.center * y.center, slopes, (straight + self.reach(x) * self.reach(y)).abs_upper())
        return self._rounded(found, ZERO if self.is_real else self.gamma(1) * self.size(x) * self.size(y))

    def _sum(self, x: Linear, y: Linear) -> Linear:
        slopes = [s + t for s, t in zip(x.slopes, y.slopes, strict=True)]
        found = Linear(x.center + y.center, slopes, (x.rest + y.rest).abs_upper())
        return self._rounded(found, ZERO if self.is_real else self.gamma(1) * self.size(found))

    def _blended(self, g: Linear, x: Linear, y: Linear) -> Linear:
        """The change is g dx + (1 - g) dy + (x - y) dg + dg (dx - dy), with g, x, y at the center."""
        apart = Linear(x.center - y.center, [s - t for s, t in zip(x.slopes, y.slopes, strict=True)], x.rest + y.rest)
        slopes = [t + g.center * s + apart.center * d for s, t, d in zip(apart.slopes, y.slopes, g.slopes, strict=True)]
        rest = abs(g.center) * x.rest + abs(1 - g.center) * y.rest + abs(apart.center) * g.rest
        rest += self.reach(g) * self.reach(apart)
        found = Linear(y.center + g.center * apart.center, slopes, rest.abs_upper())
        return self._rounded(found, ZERO if self.is_real else 8 * self.gamma(8) * (self.size(x) + self.size(y)))

    def _activated(self, x: Linear, kind: str) -> Linear:
        far = self.reach(x)
        if kind == "relu":
            whole = arb(x.center, far)
            if not whole.is_finite():
                return Linear(x.center, x.slopes, arb.pos_inf())
            if whole >= 0:
                return x
            if whole <= 0:
                return Linear(ZERO, [ZERO] * len(x.slopes), ZERO)
            return _bent(x, whole)
        confirm(kind in BENDS, f"sets of states are not followed through {kind}")
        half = x.center if kind == "tanh" else x.center / 2
        t = half.tanh()
        value, slope = (t, 1 - t * t) if kind == "tanh" else ((1 + t) / 2, (1 - t * t) / 4)
        bend = _tanh_bend(half, far) if kind == "tanh" else _tanh_bend(half, far / 2) / 8
        rest = abs(slope) * x.rest + bend * far * far / 2
        return self._rounded(Linear(value, [slope * s for s in x.slopes], rest.abs_upper()), self.gamma(14))


def _bent(x: Linear, whole: arb) -> Linear:
    """max(x, 0) where x may be of either sign: with 0 <= m <= 1 it is m x and from 0 to what that leaves at an end."""
    low, high = whole.lower(), whole.upper()
    m = (high / (high - low)).mid()
    m = m if 0 <= m <= 1 else ZERO
    ends = ((-m * low).upper(), ((1 - m) * high).upper())
    half = (ends[0] if ends[0] > ends[1] else ends[1]) / 2
    return Linear(m * x.center + half, [m * s for s in x.slopes], (m * x.rest + half).abs_upper())


def _tanh_bend(center: arb, far: arb) -> arb:
    """Above sup |tanh''| = sup 2 |t| (1 - t^2) within ``far`` of ``center``: largest at an end, or at t^2 = 1/3."""
    low, high = abs(center).lower() - far, abs(center).upper() + far
    ends = [(x if x > 0 else ZERO).tanh() for x in (low, high)]
    if not (3 * ends[0] * ends[0] > 1 or 3 * ends[1] * ends[1] < 1):
        return BENDS["tanh"]
    one, other = ((2 * t * (1 - t) * (1 + t)).abs_upper() for t in ends)
    return one if one > other else other


@dataclass(frozen=True)
class Frame:
    """``center`` (width,) and ``axes`` (width, columns), a square matrix with an inverse, beside its ``discs``."""

    center: Row
    axes: arb_mat
    inverse: arb_mat
    discs: Discs

    @classmethod
    def of(cls, center: Row, axes: list[Row], discs: Discs) -> Frame:
        """The frame; UnreadableError where it is none."""
        width = len(center)
        fits = len(axes) == width and {len(row) for row in axes} == {width} and sum(discs.sizes) == width
        expect(fits and len(discs.sizes) == len(discs.radii), "a set needs as many axes as a state has numbers")
        table = arb_mat(axes)
        try:
            return cls(center, table, table.inv(), discs)
        except ZeroDivisionError:
            expect(False, "the axes of a set are not known to be independent")
            raise

    def states(self) -> list[Linear]:
        """Every state of the set at once."""
        return [Linear(c, row, ZERO) for c, row in zip(self.center, self.axes.tolist(), strict=True)]

    def reaches(self, image: Sequence[Linear]) -> Row:
        """Per direction an upper bound of how far ``image`` lies from the center, in terms of the frame."""
        moved = (self.inverse * arb_mat([x.slopes for x in image])).tolist()
        apart = arb_mat(len(image), 1, [x.center - c for x, c in zip(image, self.center, strict=True)])
        offsets = (self.inverse * apart).entries()
        sizes = arb_mat([[abs(v) for v in row] for row in self.inverse.tolist()])
        rests = (sizes * arb_mat(len(image), 1, [x.rest for x in image])).entries()
        found, at = [], 0
        for size in self.discs.sizes:
            rows = [self.discs.parts(row) for row in moved[at : at + size]]
            reach = sum((r * norm([row[d] for row in rows]) for d, r in enumerate(self.discs.radii)), ZERO)
            away = length(
                [x.abs_upper() + e for x, e in zip(offsets[at : at + size], rests[at : at + size], strict=True)]
            )
            found.append((reach + away).abs_upper())
            at += size
        return found

    def holds(self, reaches: Row) -> bool:
        """Whether all that reaches so far lies in the set."""
        return all(x <= r for x, r in zip(reaches, self.discs.radii, strict=True))


def norm(block: list[Row]) -> arb:
    """The spectral norm of a matrix of one or two rows and columns, rounded up."""
    if len(block) == 1:
        return length(block[0])
    if len(block[0]) == 1:
        return length([row[0] for row in block])
    (p, q), (s, t) = block
    return ((length([p + t, s - q]) + length([p - t, s + q])) / 2).abs_upper()


def labels_of(reader: Reader, is_relative: bool) -> Callable[[Forms, list[Linear]], tuple[str, arb]]:
    """The label and margin that hold for every state of a form of logits.

    Differences of logits are known better than logits: where they alone matter, one logit is taken off all.
    """

    def read(a: Forms, row: list[Linear]) -> tuple[str, arb]:
        label, sure = reader([arb(x.center, a.reach(x)) for x in row])
        for base in row if is_relative else ():
            if not sure > 0:
                label, sure = reader([_apart(a, x, base) for x in row])
        return label, sure

    return read


def _apart(a: Forms, x: Linear, base: Linear) -> arb:
    slopes = [s - t for s, t in zip(x.slopes, base.slopes, strict=True)]
    return ZERO if x is base else arb(x.center - base.center, a.reach(Linear(ZERO, slopes, x.rest + base.rest)))
