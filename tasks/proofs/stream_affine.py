"""An affine recurrence beside an affine loop, on every stream, in exact rationals.

Put the two states side by side, z = (h, m): z' = M z + N x + v, and the difference of the answers is q z + r, so after
t steps

    e_t = r + q M^t z_0 + sum_(k<t) q M^k (N x_(t-k) + v)

is largest where each input, on its own, is at one of its ends. The loop gives whole numbers; so its answer is the
rounded output on every stream of t steps exactly where max |e_t| < 1/2, and a stream that reaches more is a
counterexample. All lengths follow where every q M^k N is 0 and e_t is constant (Cayley and Hamilton: as many k as z has
numbers are enough), or from a tail: with |M^m| = s < 1 in the maximum norm, the terms from K on are at most those of
one turn of m, times 1 / (1 - s).
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from dsl.grammars.streams import INPUTS, Loop
from dsl.meaning import Combination, Multiple
from dsl.operators import Operator, Term
from tasks.networks.recurrent import Recurrent
from tasks.networks.transformer import Affine, Step
from tasks.proofs.stream_states import Broken, Equal, Open, Outcome

Matrix = tuple[tuple[Fraction, ...], ...]
Vector = tuple[Fraction, ...]
LONGEST = 400  # steps that are looked at
TURNS = 32  # powers tried for a norm below 1


class NotAffineError(ValueError):
    """Something that is not affine."""


@dataclass(frozen=True)
class Difference:
    """``z' = M z + N x + v`` from ``start``; the network's answer less the loop's is ``read . z + shift``."""

    back: Matrix
    into: Matrix
    constant: Vector
    start: Vector
    read: Vector
    shift: Fraction


def compared(
    network: Recurrent,
    numbers: NDArray[np.int64],
    loop: Loop,
    length: int | None,
    *,
    column: int = 0,
    seconds: float = np.inf,
) -> Outcome:
    """The loop against output ``column`` on every stream of up to ``length`` steps of ``numbers``; None: of any.

    Equal with ``length`` None where a proof for every length closes; Broken where a step up to ``LONGEST`` breaks it.
    It ends after about ``seconds`` (wall clock), one step at least. Raises NotAffineError.
    """
    begun = time.perf_counter()
    difference = joined(network, loop, column)
    lows = [Fraction(int(n)) for n in numbers.min(axis=0)]
    highs = [Fraction(int(n)) for n in numbers.max(axis=0)]
    if len(numbers) != int(np.prod(numbers.max(axis=0) - numbers.min(axis=0) + 1)):
        raise NotAffineError("expected every combination of numbers")
    worst, steps = Fraction(0), _Steps(difference, lows, highs)
    for t in range(1, LONGEST + 1):
        shorter = None if t == 1 else _equal(t - 1, worst, begun)
        if shorter is not None and time.perf_counter() - begun > seconds:
            return shorter if length is not None and t > length else Open("the time ended", shorter)
        least, most = steps.next()
        worst = max(worst, abs(least), abs(most))
        if worst >= Fraction(1, 2):
            return _broken(network, difference, steps.stream(abs(most) >= abs(least)), column, shorter)
        if t >= (length or 1) and (t in (length, LONGEST) or t % 8 == 0):
            bound = worst if steps.is_constant() else steps.tail()
            if bound is not None and max(bound, worst) < Fraction(1, 2):
                return _equal(None, max(bound, worst), begun)
    proved = _equal(LONGEST, worst, begun)
    return Open(f"no tail closes after {LONGEST} steps", proved) if length is None else proved


def _equal(length: int | None, worst: Fraction, begun: float) -> Equal:
    """What is proved where no difference is above ``worst``; the margin is rounded down."""
    left = Fraction(1, 2) - worst
    margin = float(left)
    margin = margin if margin <= left else float(np.nextafter(margin, -np.inf))
    return Equal(length, margin, 1, "real", "affine", time.perf_counter() - begun)


def joined(network: Recurrent, loop: Loop, column: int = 0) -> Difference:
    """Output ``column`` of a network and a loop side by side; raises NotAffineError."""
    wide, bias = _affine(network.transition)
    reader, shift = _affine(network.output)
    size, own = network.width, len(loop.states)
    inputs = loop.inputs
    if not np.array_equal(network.tokens.shape, (len(network.tokens), inputs)):
        raise NotAffineError("expected tokens that are the numbers themselves")
    states = {name: n for n, name in enumerate(loop.names)}
    back, into, constant = [], [], []
    for row, c in zip(wide, bias, strict=True):
        back.append((*row[:size], *[Fraction(0)] * own))
        into.append(row[size:])
        constant.append(c)
    for update in loop.updates:
        of_states, of_inputs, c = _coefficients(update, states)
        back.append((*[Fraction(0)] * size, *of_states))
        into.append(of_inputs[:inputs])
        constant.append(c)
    of_states, of_inputs, c = _coefficients(loop.output, states)
    return Difference(
        tuple(back),
        tuple(into),
        tuple(constant),
        (*(Fraction(float(v)) for v in network.start), *(Fraction(first) for _, first in loop.states)),
        (*reader[column], *(-v for v in of_states)),
        shift[column] - c,
    )


def _affine(steps: tuple[Step, ...]) -> tuple[Matrix, Vector]:
    """One affine map of several."""
    found: tuple[Matrix, Vector] | None = None
    for step in steps:
        if not isinstance(step, Affine):
            raise NotAffineError(f"{type(step).__name__} is not affine")
        weight = tuple(tuple(Fraction(float(v)) for v in row) for row in step.weight)
        bias = tuple(Fraction(float(v)) for v in (np.zeros(len(weight)) if step.bias is None else step.bias))
        if found is not None:
            inner, shift = found
            bias = tuple(_dot(row, shift) + c for row, c in zip(weight, bias, strict=True))
            weight = _product(weight, inner)
        found = weight, bias
    if found is None:
        raise NotAffineError("expected a map")
    return found


def _coefficients(term: Term, states: dict[str, int]) -> tuple[Vector, Vector, Fraction]:
    """Factors of states and inputs, and the constant."""
    size = len(states) + len(INPUTS)
    unit = {**states, **{name: len(states) + n for n, name in enumerate(INPUTS)}}

    def read(operator: Operator, arguments: list[Vector]) -> Vector:
        if operator.is_variable:
            return tuple(Fraction(int(n == unit[operator.name])) for n in range(size + 1))
        if operator.is_literal:
            return (*[Fraction(0)] * size, Fraction(int(operator.value or 0)))
        match operator.meaning:
            case Combination.SUM:
                return tuple(a + b for a, b in zip(*arguments, strict=True))
            case Combination.DIFFERENCE:
                return tuple(a - b for a, b in zip(*arguments, strict=True))
            case Multiple(factor):
                return tuple(factor * a for a in arguments[0])
        raise NotAffineError(f"{operator.name} is not affine")

    found = term.fold(read)
    return found[: len(states)], found[len(states) : size], found[size]


class _Steps:
    """The worst differences after 1, 2, ... steps."""

    def __init__(self, difference: Difference, lows: list[Fraction], highs: list[Fraction]) -> None:
        self.of, self.lows, self.highs = difference, lows, highs
        self.row = difference.read  # q M^k
        self.ahead = difference.start  # M^t z_0 and what the constants add, kept apart from inputs
        self.low = self.high = Fraction(0)  # of what inputs add
        self.ends: list[tuple[list[Fraction], list[Fraction]]] = []  # the inputs of both extremes, the last step first
        self.factors: list[Vector] = []
        self.constants: list[Fraction] = []

    def next(self) -> tuple[Fraction, Fraction]:
        """The least and the greatest difference after one more step."""
        factors = tuple(_dot(self.row, column) for column in zip(*self.of.into, strict=True))
        least = [low if f > 0 else high for f, low, high in zip(factors, self.lows, self.highs, strict=True)]
        most = [high if f > 0 else low for f, low, high in zip(factors, self.lows, self.highs, strict=True)]
        self.low += _dot(factors, least)
        self.high += _dot(factors, most)
        self.ends.append((least, most))
        self.factors.append(factors)
        self.row = _through(self.row, self.of.back)
        self.ahead = tuple(_dot(row, self.ahead) + c for row, c in zip(self.of.back, self.of.constant, strict=True))
        constant = _dot(self.of.read, self.ahead) + self.of.shift
        self.constants.append(constant)
        return self.low + constant, self.high + constant

    def stream(self, is_most: bool) -> NDArray[np.int64]:
        """The stream of an extreme."""
        return np.array([[int(n) for n in end[is_most]] for end in reversed(self.ends)], np.int64)

    def is_constant(self) -> bool:
        """Whether the difference is the same for every stream of every length."""
        size = len(self.of.start) + 1
        enough = len(self.factors) >= size
        return enough and not any(map(any, self.factors[:size])) and len(set(self.constants[: size + 1])) == 1

    def tail(self) -> Fraction | None:
        """A bound on the difference after any number of further steps; None where no power is below 1."""
        extent = [max(abs(a), abs(b)) for a, b in zip(self.lows, self.highs, strict=True)]
        reach = [
            _dot(tuple(map(abs, row)), extent) + abs(c) for row, c in zip(self.of.into, self.of.constant, strict=True)
        ]
        begun, now = max(map(abs, self.of.start), default=Fraction(0)), self.constants[-1]
        power, row, turn = self.of.back, self.row, Fraction(0)
        for _ in range(TURNS):
            turn += sum(map(abs, row), Fraction(0))
            norm = max(sum(map(abs, line), Fraction(0)) for line in power)
            if norm < 1:
                later = turn / (1 - norm)  # sum of |q M^k| from now on
                return max(abs(self.low + now), abs(self.high + now)) + later * (max(reach) + 2 * begun)
            power, row = _product(power, self.of.back), _through(row, self.of.back)
        return None


def _broken(
    network: Recurrent, difference: Difference, stream: NDArray[np.int64], column: int, shorter: Equal | None
) -> Outcome:
    """The worst stream, computed again step by step, the loop's answer as what is left of the network's."""
    wide, bias = _affine(network.transition)
    reader, shift = _affine(network.output)
    state = tuple(Fraction(float(v)) for v in network.start)
    both = difference.start
    for at, step in enumerate(stream):
        numbers = tuple(Fraction(int(n)) for n in step)
        state = tuple(_dot(line, (*state, *numbers)) + c for line, c in zip(wide, bias, strict=True))
        both = tuple(
            _dot(line, both) + _dot(into, numbers) + c
            for line, into, c in zip(difference.back, difference.into, difference.constant, strict=True)
        )
        y, apart = _dot(reader[column], state) + shift[column], _dot(difference.read, both) + difference.shift
        if abs(apart) > Fraction(1, 2):
            return Broken(stream[: at + 1], round(y), int(y - apart), shorter)
    return Open("the worst output lies halfway between two whole numbers", shorter)


def _dot(a: tuple[Fraction, ...] | list[Fraction], b: tuple[Fraction, ...] | list[Fraction]) -> Fraction:
    return sum((x * y for x, y in zip(a, b, strict=True) if x and y), Fraction(0))


def _through(row: Vector, matrix: Matrix) -> Vector:
    return tuple(_dot(row, column) for column in zip(*matrix, strict=True))


def _product(left: Matrix, right: Matrix) -> Matrix:
    columns = tuple(zip(*right, strict=True))
    return tuple(tuple(_dot(row, column) for column in columns) for row in left)
