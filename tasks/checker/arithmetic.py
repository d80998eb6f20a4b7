"""Rows of real numbers in ball arithmetic (``flint.arb``), widened by what rounding may do.

With unit roundoff u = 0 a ball holds the real value. With u = 2**-53 or 2**-24 it also holds what any execution that
meets ``ASSUMPTION`` gets. A number that meets k roundings is known up to a factor 1 +- gamma(k), gamma(k) =
ku / (1 - ku) (Higham 2002, chapter 3); a function within 4 ulp costs 8u. ``TINY`` is for everything subnormal: it
suffices because numbers stay below ``LIMIT`` (else they become NaN, which decides nothing), eps above ``LEAST_EPS``
and sums below 2**16 terms.
"""

from __future__ import annotations

from collections.abc import Sequence

from flint import arb, arb_mat

Row = list[arb]

TINY, LIMIT, LEAST_EPS, ZERO = arb(2) ** -64, arb(2) ** 40, 2.0**-40, arb(0)
ROUNDOFF = {"real": 0.0, "float64": 2.0**-53, "float32": 2.0**-24}
ASSUMPTION = (
    "Executions are IEEE float32 or float64, rounded to nearest (sums in any order, fused multiply-add and flushed "
    "subnormals allowed; no TF32, half precision or Strassen products); sqrt, rsqrt, exp, erf and tanh within 4 ulp; "
    "softmax shifted by its largest score, in one pass or online in blocks of 16 or more keys; variances in two "
    "passes, by Welford's update, or as mean(x^2) - mean(x)^2; no overflow in values that ablation or zero weights "
    "remove."
)


class Arithmetic:
    """What all operations share: the unit roundoff."""

    def __init__(self, u: float) -> None:
        self.is_real, self.u = u == 0, arb(u)

    def gamma(self, k: int) -> arb:
        return k * self.u / (1 - k * self.u) if k * self.u < 0.5 else arb.pos_inf()

    def blur(self, x: arb, *errors: arb) -> arb:
        """``x``, known up to the sizes of all ``errors`` beside the ball it is."""
        wide = x if self.is_real else arb(x, sum(map(abs, errors), TINY))
        return wide if abs(wide) < LIMIT else arb.nan()

    def add(self, one: Row, other: Row) -> Row:
        return [self.blur(x + y, self.gamma(1) * (x + y)) for x, y in zip(one, other, strict=True)]

    def sums(self, rows: list[Row], others: list[Row]) -> list[Row]:
        return [self.add(row, other) for row, other in zip(rows, others, strict=True)]

    def affine(self, rows: list[Row], weight: list[Row], bias: Row) -> list[Row]:
        """``W x + b`` for every row; zero weights meet no rounding."""
        moved = [[self.gamma(1 + sum(w != 0 for w in out)) * abs(w) for w in out] for out in weight]
        y = (arb_mat(rows) * arb_mat(weight).transpose()).tolist()
        if self.is_real:
            return [[self.blur(x + b, ZERO) for x, b in zip(row, bias, strict=True)] for row in y]
        sizes = arb_mat([[x.abs_upper() for x in row] for row in rows]) * arb_mat(moved).transpose()
        off = [self.gamma(1 + len(weight[0])) * abs(b) for b in bias]
        return [
            [self.blur(x + b, e + o) for x, b, e, o in zip(row, bias, error, off, strict=True)]
            for row, error in zip(y, sizes.tolist(), strict=True)
        ]

    def norm(self, x: Row, gain: Row, bias: Row, eps: float, *, centered: bool) -> Row:
        """``gain * x / S + bias``, S = sqrt(mean(x^2) + eps), of x - mean(x) where ``centered``.

        S moves by at most sqrt(mean(r^2)) while x stays within r of its middle.
        """
        n, square = len(x), _mean(v * v for v in x) + eps
        if centered:
            mean, size = _mean(x), _mean(map(abs, x))
            x = [self.blur(v - mean, self.gamma(n + 2) * size, self.gamma(1) * (v - mean)) for v in x]
        root = (_mean(v.mid() * v.mid() for v in x) + eps).sqrt()
        root = arb(root, _mean(v.rad() * v.rad() for v in x).sqrt())
        root = arb(root * root, (4 if centered else 1) * self.gamma(n + 8) * square).sqrt()
        scaled = [g * v / root for g, v in zip(gain, x, strict=True)]
        return [self.blur(y + b, self.gamma(16) * y, self.gamma(1) * b) for y, b in zip(scaled, bias, strict=True)]

    def activate(self, x: arb, kind: str) -> arb:
        """An execution of either GELU errs by less than 13u |x|: see the bounds on erf and tanh beside them."""
        if kind == "relu":
            return x if x >= 0 else ZERO if x <= 0 else ZERO.union(x.upper())
        if kind == "gelu":  # |a erf'(a)| < 0.49, so the argument's 3u and erf's own 8u are 10u; then 1 +, and products
            inner = (x / arb(2).sqrt()).erf()
        else:  # |a tanh'(a)| < 0.45, and a has 16 roundings of one sign
            inner = ((2 / arb.pi()).sqrt() * (x + arb(44715) / 10**6 * x * x * x)).tanh()
        return self.blur(x / 2 * (1 + inner), self.gamma(16) * x)

    def top_k(self, x: Row, k: int) -> Row:
        """The k largest by absolute value, zero elsewhere; the hull of both where that is not known."""
        if k >= len(x):
            return x
        if not all(v.is_finite() for v in x):
            return [arb.nan()] * len(x)
        kth, after = sorted(v.abs_lower() for v in x)[-k], sorted(v.abs_upper() for v in x)[-k - 1]
        return [v if v.abs_lower() > after else ZERO if v.abs_upper() < kth else v.union(ZERO) for v in x]

    def scores(self, q: Row, keys: Sequence[Row], scale: arb) -> Row:
        """``scale * q.k`` for every key; its rounding is bounded by Cauchy and Schwarz."""
        dots = (arb_mat(keys) * arb_mat([[v] for v in q])).entries()
        reach = scale * self.gamma(len(q) + 8) * _length(q)
        return [self.blur(scale * s, reach * _length(k)) for s, k in zip(dots, keys, strict=True)]

    def attend(self, q: Row, keys: Sequence[Row], values: Sequence[Row], scale: arb, sink: arb | None) -> Row:
        """One head's ``sum_j p_j v_j``, p = softmax(scale q.k); a sink is the score of one more key, of value zero.

        About any m it is m + sum_j e_j (v_j - m) / sum_j e_j, with e_j up to a factor for what scores may move.
        """
        scores = self.scores(q, keys, scale)
        if sink is not None:
            if not self.is_real and not max(s.lower() for s in scores) > sink - 80:
                return [arb.nan()] * len(values[0])  # exp(sink - largest other score) may overflow
            scores, values = [*scores, sink], [*values, [ZERO] * len(values[0])]
        top, largest = max(s.mid() for s in scores), max(s.abs_upper() for s in scores)
        drift = self.gamma(16 * (1 + len(scores) // 16))
        powers = [(arb(s, self.gamma(4) * (abs(s) + largest) + drift) - top).exp() for s in scores]
        total = sum(powers, ZERO)
        middle = [v.mid() for v in (arb_mat([[p.mid() for p in powers]]) * arb_mat(values)).entries()]
        middle = [(v / total).mid() for v in middle]
        moved = arb_mat([[v - m for v, m in zip(row, middle, strict=True)] for row in values])
        rounded = self.gamma(2 * len(scores) + 8) * max(v.abs_upper() for row in values for v in row)
        mixed = (arb_mat([powers]) * moved).entries()
        return [self.blur(m + y / total, rounded) for m, y in zip(middle, mixed, strict=True)]


def _mean(values: object) -> arb:
    listed = list(values)  # type: ignore[call-overload]
    return sum(listed, ZERO) / len(listed)


def _length(x: Row) -> arb:
    return arb(sum((v * v for v in x), ZERO).upper()).sqrt().upper()
