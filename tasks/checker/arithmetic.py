"""Rows of real numbers in ball arithmetic (``flint.arb``), widened by what rounding may do.

With unit roundoff u = 0 a ball holds the real value. With u = 2**-53 or 2**-24 it also holds what any execution that
meets ``ASSUMPTION`` gets. A number that meets k roundings is known up to a factor 1 +- gamma(k), gamma(k) =
ku / (1 - ku) (Higham 2002, chapter 3); a function within 4 ulp costs 8u. ``TINY`` is for everything subnormal: it
suffices because numbers stay below ``LIMIT`` (else they become NaN, which decides nothing), eps above ``LEAST_EPS``
and sums below 2**16 terms.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

from flint import arb, arb_mat, ctx

Row = list[arb]

TINY, LIMIT, LEAST_EPS, ZERO, ONE = arb(2) ** -64, arb(2) ** 40, 2.0**-40, arb(0), arb(1)
ABOUT, FLUSHED = arb(0, 1), arb(0, TINY)  # a number times the first is any of that size or less
ROUGH = 32  # bits of what rounding adds
ROUNDOFF = {"real": 0.0, "float64": 2.0**-53, "float32": 2.0**-24}
ASSUMPTION = (
    "Executions are IEEE float32 or float64, rounded to nearest (sums in any order, fused multiply-add and flushed "
    "subnormals allowed; no TF32, half precision or Strassen products), of prompts without padding; sqrt, rsqrt, exp, "
    "erf and tanh within 4 ulp; softmax shifted by its largest score, in one pass or online in blocks of 16 or more "
    "keys, with weight zero for keys that are not seen; variances in two passes, by Welford's update, or as mean(x^2) "
    "- mean(x)^2."
)
SPARSEMAX = "Sparsemax is computed by sorting the scores, shifted or not, and testing each number of them."


@dataclass(frozen=True)
class Faint:
    """``count`` keys whose scores lie ``below`` that of another, of which more is known, however they are rounded.

    Their values are up to ``reach`` in size.
    """

    count: int
    below: arb
    reach: arb


NONE = Faint(0, ZERO, ZERO)


class Arithmetic:
    """What all operations share: the unit roundoff.

    ``is_small``: it is known beforehand that no number of any execution reaches LIMIT, so that none is looked at.
    """

    def __init__(self, u: float, *, is_small: bool = False) -> None:
        self.is_real, self.u, self.known, self.is_small = u == 0, arb(u), dict[int, arb](), is_small

    def gamma(self, k: int) -> arb:
        """The relative error of ``k`` roundings (Higham 2002, chapter 3); infinite from k u = 1/2 on."""
        if k not in self.known:
            self.known[k] = k * self.u / (1 - k * self.u) if k * self.u < 0.5 else arb.pos_inf()
        return self.known[k]

    def blur(self, x: arb, error: arb) -> arb:
        """``x``, known up to the size of an ``error`` of rounding beside the ball it is."""
        wide = x if self.is_real else arb(x, abs(error) + TINY)
        return self.held([wide])[0]

    def blurred(self, row: Row, errors: Row) -> Row:
        """``blur`` of each entry."""
        if not self.is_real:
            row = [arb(x, abs(error) + TINY) for x, error in zip(row, errors, strict=True)]
        return self.held(row)

    def rounded(self, row: Row, times: int, beside: arb = ZERO) -> Row:
        """``blur`` of each entry, which an execution knows up to ``times`` roundings of its own, ``beside`` others."""
        if not self.is_real:
            factor, more = arb(1, self.gamma(times)), arb(0, beside + TINY)
            row = [x * factor + more for x in row]
        return self.held(row)

    def held(self, row: Row) -> Row:
        """``row``, with no number where an execution may reach LIMIT."""
        return row if self.is_small else [x if abs(x) < LIMIT else arb.nan() for x in row]

    def add(self, rows: list[Row], others: list[Row]) -> list[Row]:
        """The sums of two lists of rows of equal shape, each rounded once."""
        pairs = zip(rows, others, strict=True)
        return [self.rounded([x + y for x, y in zip(*pair, strict=True)], 1) for pair in pairs]

    def multiply(self, rows: list[Row], others: list[Row]) -> list[Row]:
        """The products of two lists of rows of equal shape, entry by entry, each rounded once."""
        return [
            [self.blur(z := x * y, self.gamma(1) * z) for x, y in zip(row, other, strict=True)]
            for row, other in zip(rows, others, strict=True)
        ]

    def affine(self, layer: Affine, rows: list[Row]) -> list[Row]:
        """``W x + b`` of every row, with what an execution rounds."""
        exact: list[Row] = (arb_mat([[*row, ONE] for row in rows]) * layer.with_bias).tolist()
        if self.is_real:
            return [self.held(row) for row in exact]
        with ctx.workprec(ROUGH):  # of what rounding adds few bits are needed
            errors = (layer.errors(self, [[abs(x) for x in row] for row in rows]) * ABOUT).tolist()
        factors = [arb(1, half) for half in layer.halves(self)]
        return [
            self.held([x * factor + error for x, factor, error in zip(row, factors, more, strict=True)])
            for row, more in zip(exact, errors, strict=True)
        ]

    def blend(self, gates: list[Row], ones: list[Row], others: list[Row]) -> list[Row]:
        """``g one + (1 - g) other``, g = sigmoid(gate), or ``(one - other) g + other``, entry by entry.

        About the middle m of g it is m one + (1 - m) other + (g - m) (one - other); either way of computing it has at
        most 4 roundings of numbers that are no larger than |one| + |other|.
        """
        return [
            [self._blended(g, x, y) for g, x, y in zip(self.activate(gate, "sigmoid"), one, other, strict=True)]
            for gate, one, other in zip(gates, ones, others, strict=True)
        ]

    def _blended(self, g: arb, x: arb, y: arb) -> arb:
        m = g.mid()
        return self.blur(m * x + (1 - m) * y + (g - m) * (x - y), self.gamma(8) * (1 + g.rad()) * (abs(x) + abs(y)))

    def norm(self, x: Row, gain: Row, bias: Row, eps: float, *, centered: bool) -> Row:
        """``gain * x / S + bias``, S = sqrt(mean(x^2) + eps), of x - mean(x) where ``centered``; as long as ``gain``.

        S moves by at most sqrt(mean(r^2)) while x stays within r of its middle. A variance that is computed as
        mean(x^2) - mean(x)^2 errs by as much as these do.
        """
        n, row = len(x), arb_mat([x])
        error = self.gamma(n + 8) * (_square(row) / n + eps)
        if centered:
            mean, size = _mean(x), self.gamma(n + 2) * _mean([abs(v) for v in x])
            x = self.rounded([v - mean for v in x], 1, size)
            row, error = arb_mat([x]), 4 * error
        middles = row.mid()
        root = arb((_square(middles) / n + eps).sqrt(), (_square(row - middles) / n).upper().sqrt())
        root = arb(root * root, error).sqrt()
        scaled = self.rounded([g * v / root for g, v in zip(gain, x, strict=False)], 16)
        if all(b is ZERO for b in bias):
            return scaled
        factor = arb(1, self.gamma(1))
        return self.held([y + b * factor for y, b in zip(scaled, bias, strict=True)])

    def activate(self, row: Row, kind: str) -> Row:
        """An execution of either GELU errs by less than 13u |x|: see the bounds on erf and tanh beside them.

        Sigmoids are computed by exp, off by less than 10u of their size, or as (1 + tanh(x/2)) / 2, off by 6u; where
        exp(-x) is infinite less than TINY is lost. A tanh is off by 8u.
        """
        if kind == "relu":
            return [x if x >= 0 else ZERO if x <= 0 else ZERO.union(x.upper()) for x in row]
        if kind in ("silu", "tanh", "sigmoid"):
            return [self._saturating(x, kind) for x in row]
        if kind == "gelu":  # |a erf'(a)| < 0.49, so the argument's 3u and erf's own 8u are 10u; then 1 +, and products
            root = arb(2).sqrt()
            inner = [(x / root).erf() for x in row]
        else:  # |a tanh'(a)| < 0.45, and a has 16 roundings of one sign
            root, cubic = (2 / arb.pi()).sqrt(), arb(44715) / 10**6
            inner = [(root * (x + cubic * x * x * x)).tanh() for x in row]
        more = arb(0, self.gamma(16))
        return self.rounded([x * ((1 + y) / 2 + more) for x, y in zip(row, inner, strict=True)], 0)

    def _saturating(self, x: arb, kind: str) -> arb:
        """Through sigma(x) = (1 + tanh(x/2)) / 2, or tanh itself; neither is above 1."""
        if kind == "tanh":
            return self.blur(y := x.tanh(), self.gamma(10) * y)
        share = (1 + (x / 2).tanh()) / 2
        if kind == "sigmoid":
            return self.blur(share, self.gamma(14))
        return self.blur(self._silu(x, share), self.gamma(16) * x)

    def _silu(self, x: arb, share: arb) -> arb:
        """``x share``, the better of the product of balls and of that at the middle, with a slope below 1.1."""
        whole, middle = x * share, arb(x.mid())
        about = arb(middle * (1 + (middle / 2).tanh()) / 2, arb(11) / 10 * x.rad())
        return about if about.rad() < whole.rad() else whole

    def leak(self, row: Row, slope: arb) -> Row:
        """``x`` where positive, else ``slope * x``; an execution may round the slope, and the product."""
        return [
            x if x >= 0 else self.blur(y := slope * x, self.gamma(3) * y) if x <= 0
            else self.blur((slope * x.lower()).union(x.upper()), self.gamma(3) * slope * x.lower())
            for x in row
        ]  # fmt: skip

    def top_k(self, x: Row, k: int) -> Row:
        """The k largest by absolute value, zero elsewhere; the hull of both where that is not known."""
        if k >= len(x):
            return x
        if not all(v.is_finite() for v in x):
            return [arb.nan()] * len(x)
        kth, after = sorted(v.abs_lower() for v in x)[-k], sorted(v.abs_upper() for v in x)[-k - 1]
        return [v if v.abs_lower() > after else ZERO if v.abs_upper() < kth else v.union(ZERO) for v in x]

    def scores(self, q: Row, keys: Sequence[Row], scale: arb, lengths: Row | None = None) -> Row:
        """``scale * q.k`` for every key; its rounding is bounded by Cauchy and Schwarz. ``lengths``: of the keys."""
        dots = (arb_mat(keys) * arb_mat([[v] for v in q])).entries()
        reach = scale * self.gamma(len(q) + 8) * length(q)
        return self.blurred([scale * s for s in dots], [reach * v for v in lengths or map(length, keys)])

    def attend(self, q: Row, keys: Sequence[Row], values: Sequence[Row], scale: arb, sink: arb | None) -> Row:
        """One head's answer to the query ``q``; a sink is the score of one more key, of value zero."""
        scores = self.scores(q, keys, scale)
        return self.average(scores, values, sink, max(s.abs_upper() for s in scores), NONE)

    def average(
        self,
        scores: Row,
        values: Sequence[Row],
        sink: arb | None,
        largest: arb,
        faint: Faint,
        sizes: Row | None = None,
    ) -> Row:
        """``sum_j p_j v_j``, p = softmax of these scores, those of ``faint`` keys, and of a sink, whose value is zero.

        No score is above ``largest`` in size, and no entry of a value above that of its ``sizes``. About any m it is
        m + sum_j e_j (v_j - m) / sum_j e_j, with e_j up to a factor for what scores may move. A faint key has e_j <= f
        = exp(L - D), where L is the largest lower end of the others with their factors. So k of them add at most
        k f (R + |m|) to the upper sum and at most k f to the lower one. Rounding moves the result by
        gamma sum_j p_j |v_j|: gamma (largest |v_j| + k f R / sum_j e_j).
        """
        best = max(scores, key=float)
        if self.overflows(best.lower(), sink):
            return [arb.nan()] * len(values[0])
        if sink is not None:
            scores, values = [*scores, sink], [*values, [ZERO] * len(values[0])]
            largest = max(largest, abs(sink))
        count = len(scores) + faint.count
        factor, shift = arb(1, self.gamma(4)), arb(-best.mid(), self.drift(largest, count))
        moved = [s * factor + shift for s in scores]
        powers = [s.exp() for s in moved]
        left = faint.count * (max(s.lower() for s in moved) - faint.below).exp().upper() if faint.count else ZERO
        total = sum(powers, ZERO) + ZERO.union(left)
        shares, given = arb_mat([powers]), arb_mat(values)
        middle = [(v / total).mid() for v in (shares.mid() * given).entries()]
        apart = given - _ones(len(values)) * arb_mat([middle])
        size = max(sizes or [v.abs_upper() for row in values for v in row]) + left * faint.reach / total
        mixed = (shares * apart).entries()
        if faint.count:
            mixed = [arb(y, left * (faint.reach + abs(m))) for m, y in zip(middle, mixed, strict=True)]
        error = ZERO if self.is_real else arb(0, self.gamma(2 * count + 8) * size + TINY)
        return self.held([m + y / total + error for m, y in zip(middle, mixed, strict=True)])

    def project(self, q: Row, keys: Sequence[Row], values: Sequence[Row], scale: arb) -> Row:
        """One head's answer to the query ``q``."""
        return self.share(self.scores(q, keys, scale), values)

    def share(self, scores: Row, values: Sequence[Row]) -> Row:
        """``sum_j p_j v_j``, p_j = max(z_j - tau, 0) with sum_j p_j = 1, for scores z.

        tau is the largest of (sum of the k largest z - 1) / k (Martins and Astudillo 2016), and no z lowers it. An
        execution finds k by the sign of t_k = 1 + k z_k - (sum of the k largest); from k - 1 to k the quotient moves by
        t_k / (k (k - 1)), so that to err where |t_k| <= e moves it by no more than e. With scores that may be shifted
        by the largest, at most 2L in size, e <= gamma(n + 3) (1 + 4nL), the quotient errs by gamma(n + 2) (1 + 4nL),
        and shift and difference by u (6L + 1). Where 1 is swallowed by a score nothing is known.
        """
        n = len(scores)
        largest = max(s.abs_upper() for s in scores)
        if not all(s.is_finite() for s in scores) or not (self.is_real or self.u * largest < 0.125):
            return [arb.nan()] * len(values[0])
        error = (4 * self.gamma(n + 8) * (4 * n * largest + 1)).upper()
        low = max(v.lower() for v in _thresholds([s.lower() for s in scores])) - error
        high = max(v.upper() for v in _thresholds([s.upper() for s in scores])) + error
        shares = []
        for score in scores:
            ends = (score.lower() - high - error).lower(), (score.upper() - low + error).upper()
            shares.append(ZERO if ends[1] <= 0 else max(ends[0], ZERO).union(ends[1]))
        sizes = [[v.abs_upper() for v in row] for row in values]
        mixed = (arb_mat([shares]) * arb_mat(values)).entries()
        rounded = (arb_mat([[p.abs_upper() for p in shares]]) * arb_mat(sizes)).entries()
        return [self.blur(y, self.gamma(n + 8) * r) for y, r in zip(mixed, rounded, strict=True)]

    def overflows(self, largest: arb, sink: arb | None) -> bool:
        """Whether exp(sink - ``largest`` other score) may be more than an execution holds."""
        return not (self.is_real or sink is None or largest > sink - 80)

    def drift(self, sizes: arb, count: int) -> arb:
        """How far an execution's exponent of one of ``count`` keys may lie from its score less the largest."""
        return self.gamma(4) * sizes + self.gamma(16 * (1 + count // 16))


class Sizes(Arithmetic):
    """Rows of balls about zero that hold every row of every prompt, those that nobody reads among them.

    What is finite here is finite in every execution. A bound that is not known is no number, as everywhere.
    ``longest``: how many rows a prompt has at most; ``is_small``: what may reach LIMIT is not known either.
    """

    def __init__(self, u: float, longest: int, *, is_small: bool = False) -> None:
        super().__init__(u)
        self.longest = longest
        self.most = LIMIT if is_small else arb(2) ** (100 if u > 2.0**-53 else 900)

    def blur(self, x: arb, error: arb) -> arb:
        """``x`` within ``error`` of what it is; not a number where an execution may overflow."""
        return self.held([arb(x, abs(error) + TINY)])[0]

    def held(self, row: Row) -> Row:
        """``row``, with no number where an execution may overflow, or reach LIMIT where that is asked."""
        return [x if abs(x) < self.most else arb.nan() for x in row]

    def norm(self, x: Row, gain: Row, bias: Row, eps: float, *, centered: bool) -> Row:
        """At most twice the root of the width; a variance that is a difference of squares must not be negative."""
        square = self.blur(sum((v * v for v in x), ZERO), ZERO).upper() / len(x)
        known = not centered or 4 * self.gamma(len(x) + 8) * (square + eps) < eps / 4
        reach = arb(0, 2 * arb(len(x)).sqrt() if known and square.is_finite() else arb.nan())
        return [self.blur(g * reach + b, ZERO) for g, b in zip(gain, bias, strict=True)]

    def activate(self, row: Row, kind: str) -> Row:
        """The row as it is: no activation is larger than what it is given, but for sigmoids, which are up to 1."""
        return [self.blur(arb(0, 1), ZERO) for _ in row] if kind == "sigmoid" else row

    def leak(self, row: Row, slope: arb) -> Row:
        """The row as it is: a slope is below 1."""
        return row

    def top_k(self, x: Row, k: int) -> Row:
        """The row as it is: what is kept of it lies in a ball about zero as well."""
        return x

    def attend(self, q: Row, keys: Sequence[Row], values: Sequence[Row], scale: arb, sink: arb | None) -> Row:
        """An average of values is no larger than they are, if scores are finite."""
        score = self.blur(sum((v * w for v, w in zip(q, keys[0], strict=True)), ZERO), ZERO)
        return [self.blur(v, v) if score.is_finite() else arb.nan() for v in values[0]]

    def project(self, q: Row, keys: Sequence[Row], values: Sequence[Row], scale: arb) -> Row:
        """Shares that add up to 1, each up to twice what rounding may do to the threshold."""
        score, n = self.blur(sum((v * w for v, w in zip(q, keys[0], strict=True)), ZERO), ZERO), self.longest
        known = score.is_finite() and self.u * score.abs_upper() < 0.125
        shares = 1 + 8 * n * self.gamma(n + 8) * (4 * n * score.abs_upper() + 1)
        return [self.blur(v * shares, v) if known else arb.nan() for v in values[0]]


@dataclass(frozen=True)
class Affine:
    """``W x + b`` of every row; zero weights meet no rounding.

    Each product is rounded, and each of n sums of some of the n + 1 terms. Exactly such a sum is no more than all
    positive terms or all negative ones are, so than (A + |y|) / 2, with A the sum of the sizes of the terms and y the
    result (Higham 2002, section 4.2): u A + n u ((A + |y|) / 2 + gamma(n + 1) A), whatever the order.
    """

    weight: list[Row]
    bias: Row

    def __call__(self, a: Arithmetic, rows: list[Row]) -> list[Row]:
        """The map of every row, with what an execution rounds."""
        return a.affine(self, rows)

    def rounding(self, a: Arithmetic, sizes: list[Row]) -> list[Row]:
        """What rounding adds where entries of x have at most these ``sizes``, and everything subnormal."""
        if a.is_real:
            return [[ZERO] * len(self.bias) for _ in sizes]
        with ctx.workprec(ROUGH):
            found: list[Row] = (self._reach(a, sizes) * self._errors(a)[1]).tolist()
        return found

    def errors(self, a: Arithmetic, sizes: list[Row]) -> arb_mat:
        """The part of ``rounding`` that does not depend on the size of the result, of an execution."""
        return self._reach(a, sizes) * self._errors(a)[0]

    def halves(self, a: Arithmetic) -> Row:
        """For each result what rounding adds of its size."""
        return [n * a.u / 2 for n, _ in self._terms]

    def _reach(self, a: Arithmetic, sizes: list[Row]) -> arb_mat:
        return arb_mat([[*row, ONE] for row in sizes])

    def _errors(self, a: Arithmetic) -> tuple[arb_mat, arb_mat]:
        """The maps from the sizes of x, and 1, to what rounding adds beside ``halves``, and in all."""
        u = float(a.u)
        if u not in self._made:
            found = []
            for share in (ONE / 2, ONE):
                columns = [
                    [
                        *((a.u + n * a.u * (share + a.gamma(n + 1))) * abs(w) for w in row),
                        n * a.u * (share + a.gamma(n + 1)) * abs(b) + TINY,
                    ]
                    for row, (n, b) in zip(self.weight, self._terms, strict=True)
                ]
                found.append(arb_mat(columns).transpose())
            self._made[u] = found[0], found[1]
        return self._made[u]

    @cached_property
    def _made(self) -> dict[float, tuple[arb_mat, arb_mat]]:
        return {}

    @cached_property
    def with_bias(self) -> arb_mat:
        """The map of x, and 1, as (in + 1, out)."""
        return arb_mat([[*row, b] for row, b in zip(self.weight, self.bias, strict=True)]).transpose()

    @cached_property
    def turned(self) -> tuple[arb_mat, arb_mat]:
        """``W`` and the sizes of its entries, as (in, out)."""
        return arb_mat(self.weight).transpose(), arb_mat([[abs(w) for w in row] for row in self.weight]).transpose()

    @cached_property
    def _terms(self) -> list[tuple[int, arb]]:
        """Per entry of the result how many weights are not zero, and the bias."""
        return [(sum(w != 0 for w in row), b) for row, b in zip(self.weight, self.bias, strict=True)]


def _thresholds(scores: Row) -> list[arb]:
    """Per number k of exact scores: less 1, the sum of the k largest, divided by k."""
    found, total = [], arb(-1)
    for k, score in enumerate(sorted(scores, reverse=True), 1):
        total += score
        found.append(total / k)
    return found


def is_known(row: Row) -> bool:
    """Whether all of a row is bounded."""
    return all(v.is_finite() for v in row)


def _square(row: arb_mat) -> arb:
    """The sum of the squares of a row."""
    return (row * row.transpose())[0, 0]


def _mean(values: Row) -> arb:
    return sum(values, ZERO) / len(values)


@lru_cache(1024)
def _ones(rows: int) -> arb_mat:
    return arb_mat([[ONE]] * rows)


def length(x: Row) -> arb:
    """What the length of a row as a vector is at most."""
    return arb(sum([v * v for v in x], ZERO).upper()).sqrt().upper()
