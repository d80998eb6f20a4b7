"""Sums of products in which every rounding goes wrong by as much as a unit roundoff allows, all in one direction."""

from fractions import Fraction

TINY = Fraction(1, 2**20)
COUNT = 64
# terms in the order in which they are added: partial sums are as large as the signs of the terms let them be
SUMS = {
    "one large": [Fraction(1), *[TINY] * (COUNT - 1)],
    "two large that cancel": [Fraction(1), *[TINY] * (COUNT - 2), Fraction(-1)],
    "equal": [Fraction(1)] * COUNT,
    "half of either sign": [Fraction(1)] * (COUNT // 2) + [Fraction(-1)] * (COUNT // 2),
}


def worst_sum(terms: list[Fraction], u: float) -> Fraction:
    """What an execution may get that rounds each product, and the sum after each term, up by ``u`` of its size."""
    once, total = Fraction(u), Fraction(0)
    for n, term in enumerate(terms):
        total += term + once * abs(term)
        total += once * abs(total) if n else 0
    return total
