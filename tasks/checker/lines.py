"""Rows whose entries remember how they depend on a few symbols: first-order forms over ball arithmetic.

    x = ball + sum_k g_k e_k,      |e_k| <= 1

A ball forgets that two numbers move together; a ``Line`` keeps the linear part, and what bends goes to its ball (affine
arithmetic: Comba and Stolfi 1993). Each operation holds what that of ``Arithmetic`` holds.
"""

from __future__ import annotations

from typing import Any

from flint import arb, arb_mat

from tasks.checker.arithmetic import LIMIT, TINY, ZERO, Affine, Arithmetic, Row

BEND, SILU_BEND = arb("0.4"), arb("0.25")  # above half of sup |gelu''| < 0.8 and of sup |silu''| <= 0.5


class Line:
    """``ball`` and the factors ``g`` of the symbols."""

    __slots__ = ("_spread", "ball", "g")

    def __init__(self, ball: arb, g: list[arb], spread: arb | None = None) -> None:
        self.ball, self.g, self._spread = ball, g, spread

    @property
    def spread(self) -> arb:
        """How far the symbols may move it, at most."""
        if self._spread is None:
            self._spread = sum(map(abs, self.g), ZERO).upper()
        return self._spread

    @property
    def whole(self) -> arb:
        """The same number without memory."""
        return arb(self.ball, self.spread) if self.g else self.ball

    def is_finite(self) -> bool:
        """Whether it is bounded."""
        return bool(self.whole.is_finite())

    def __abs__(self) -> arb:
        return abs(self.whole)

    def __neg__(self) -> Line:
        return Line(-self.ball, [-c for c in self.g], self._spread)

    def __add__(self, other: Any) -> Line:
        if not isinstance(other, Line):
            return Line(self.ball + other, self.g, self._spread)
        return Line(self.ball + other.ball, [x + y for x, y in zip(self.g, other.g, strict=True)])

    __radd__ = __add__

    def __sub__(self, other: Any) -> Line:
        return self.__add__(-other)

    def __rsub__(self, other: Any) -> Line:
        return self.__neg__().__add__(other)

    def __mul__(self, other: Any) -> Line:
        """(a + r + L)(b + s + M) = ab + aM + bL + rest, with the parts of balls beside their middles in ``rest``."""
        if not isinstance(other, Line):
            other = arb(other)
            middle = other.mid()
            return Line(arb(self.ball * other, self.spread * other.rad()), [middle * c for c in self.g])
        one, two = self.ball.mid(), other.ball.mid()
        left, right = self.spread, other.spread
        rest = self.ball.rad() * right + other.ball.rad() * left + left * right
        return Line(
            arb(self.ball * other.ball, rest), [one * y + two * x for x, y in zip(self.g, other.g, strict=True)]
        )

    __rmul__ = __mul__

    @property
    def square(self) -> Line:
        """(a + r + L)^2 = a^2 + 2aL + (2a + r)r + 2rL + L^2, of which L^2 is from 0 to the square of its spread."""
        twice, reach = 2 * self.ball.mid(), self.spread
        half = reach * reach / 2
        return Line(arb(self.ball * self.ball + half, half + 2 * self.ball.rad() * reach), [twice * c for c in self.g])

    def __truediv__(self, other: Any) -> Line:
        return self.__mul__(1 / arb(other))


def _total(lines: list[Line]) -> Line:
    """The sum of some lines."""
    return Line(
        sum([x.ball for x in lines], ZERO), [sum(part, ZERO) for part in zip(*[x.g for x in lines], strict=True)]
    )


def _whole(x: Any) -> arb:
    return x.whole if isinstance(x, Line) else x


class Lines(Arithmetic):
    """Arithmetic of rows with ``symbols`` symbols."""

    def __init__(self, u: float, symbols: int) -> None:
        super().__init__(u)
        self.symbols = symbols

    def line(self, x: Any) -> Line:
        """A number as a line."""
        return x if isinstance(x, Line) else Line(x, [ZERO] * self.symbols)

    def blur(self, x: Any, error: Any) -> Any:
        """``x``, known up to the size of an ``error`` of rounding beside what it is."""
        if not isinstance(x, Line):
            return super().blur(x, abs(error))
        ball = x.ball if self.is_real else arb(x.ball, abs(error) + TINY)
        return Line(ball if abs(arb(ball, x.spread)) < LIMIT else arb.nan(), x.g, x.spread)

    def blurred(self, row: Row, errors: Row) -> Row:
        """``blur`` of each entry."""
        return [self.blur(x, error) for x, error in zip(row, errors, strict=True)]

    def affine(self, layer: Affine, rows: list[Row]) -> list[Row]:
        """The map of every row, with what an execution rounds."""
        lines = [[self.line(x) for x in row] for row in rows]
        errors = layer.rounding(self, [[abs(x) for x in row] for row in lines])
        balls = (arb_mat([[x.ball for x in row] for row in lines]) * layer.turned[0]).tolist()
        flat = [[x.g[k] for x in row] for row in lines for k in range(self.symbols)]
        moved = (arb_mat(flat) * layer.turned[0]).tolist() if flat else []
        result = []
        for n, (row, error) in enumerate(zip(balls, errors, strict=True)):
            own = moved[n * self.symbols : (n + 1) * self.symbols]
            result.append([
                self.blur(Line(x + b, [part[i] for part in own]), e)
                for i, (x, b, e) in enumerate(zip(row, layer.bias, error, strict=True))
            ])  # fmt: skip
        return result

    def norm(self, x: Row, gain: Row, bias: Row, eps: float, *, centered: bool) -> Row:
        """``gain * x / S + bias``, as that of ``Arithmetic``; 1 / S is linear in S^2 up to its second derivative."""
        n, lines = len(x), [self.line(v) for v in x]
        sizes = [*map(abs, lines)]
        square = sum((v * v for v in sizes), ZERO) / n + eps
        if centered:
            mean, size = _total(lines) / n, self.gamma(n + 2) * sum(sizes, ZERO) / n
            lines = [self.blur(z := v - mean, size + self.gamma(1) * abs(z)) for v in lines]
        t = _total([v.square for v in lines]) / n + eps
        t = Line(arb(t.ball, (4 if centered else 1) * self.gamma(n + 8) * square), t.g)
        whole = t.whole
        least = max(whole.lower(), arb(eps) / 2)
        if not whole.is_finite() or not t.ball.mid() > least:
            return super().norm([_whole(v) for v in x], gain, bias, eps, centered=centered)
        middle, reach = t.ball.mid(), arb(whole.rad() + abs(whole.mid() - t.ball.mid()))
        inverse = 1 / middle.sqrt()
        slope = (-inverse / middle / 2).mid()
        bend = arb(3) / 8 * reach * reach / (least * least * arb(least).sqrt())
        error = abs(-inverse / middle / 2 - slope) * reach + bend
        h = Line(arb(inverse + slope * (t.ball - middle), error), [slope * c for c in t.g])
        result = []
        for g, v, b in zip(gain, lines, bias, strict=True):
            y = v * h * g
            result.append(self.blur(y + b, self.gamma(16) * abs(y) + self.gamma(1) * abs(b)))
        return result

    def activate(self, row: Row, kind: str) -> Row:
        """Linear about the middle, up to half the second derivative; the ball's own bound where that is better."""
        return [self._activated(self.line(x), kind) for x in row]

    def _activated(self, x: Line, kind: str) -> Any:
        whole = x.whole
        if kind == "relu" and (whole >= 0 or whole <= 0):
            return x if whole >= 0 else ZERO
        (plain,) = super().activate([whole], kind)
        if kind not in ("gelu", "silu"):
            return plain
        m, reach = x.ball.mid(), arb(whole.rad() + abs(whole.mid() - x.ball.mid()))
        if kind == "gelu":
            below = (1 + (m / arb(2).sqrt()).erf()) / 2
            slope, bend = below + m * (-m * m / 2).exp() / (2 * arb.pi()).sqrt(), BEND
        else:
            below = (1 + (m / 2).tanh()) / 2
            slope, bend = below * (1 + m * (1 - below)), SILU_BEND
        p = slope.mid()
        error = (bend * reach * reach + abs(slope - p) * reach).upper()
        line = Line(arb(m * below + p * (x.ball - m), error), [p * c for c in x.g])
        line = self.blur(line, self.gamma(16) * abs(whole))
        return plain if not line.whole.is_finite() or plain.rad() < line.ball.rad() else line

    def multiply(self, rows: list[Row], others: list[Row]) -> list[Row]:
        """The products of two lists of rows of equal shape, entry by entry, each rounded once."""
        return [
            [self.blur(z := self.line(x) * self.line(y), self.gamma(1) * abs(z)) for x, y in zip(one, two, strict=True)]
            for one, two in zip(rows, others, strict=True)
        ]

    def add(self, rows: list[Row], others: list[Row]) -> list[Row]:
        """The sums of two lists of rows of equal shape, each rounded once."""
        return [
            [self.blur(z := self.line(x) + self.line(y), self.gamma(1) * abs(z)) for x, y in zip(one, two, strict=True)]
            for one, two in zip(rows, others, strict=True)
        ]
