"""Rows of SMT-LIB's reals: + - * and the comparisons, over arrays of Python's own fractions.

There is no row for a division: by a number it is a product with a number, and by anything else no solver here decides
it. So nothing is rounded: a printed program gives fractions for fractions, whole numbers for whole numbers, both exact.
A number that is no whole one prints as ``ratio(1, 3)``, by a helper, as a program imports nothing itself.
"""

from __future__ import annotations

from fractions import Fraction

from dsl.operators import REAL
from dsl.theories.numbers import arithmetic, comparisons

RATIO = """
def ratio(above, below):
    from fractions import Fraction
    return Fraction(above, below)
"""


def text_of(value: Fraction) -> str:
    """How SMT-LIB writes a real number."""
    whole = f"{value.numerator}.0" if value >= 0 else f"(- {-value.numerator}.0)"
    return whole if value.denominator == 1 else f"(/ {whole} {value.denominator}.0)"


def python_of(value: Fraction) -> str:
    """How a program writes it."""
    return str(value) if value.denominator == 1 else f"ratio({value.numerator}, {value.denominator})"


ROWS = (*arithmetic(REAL, lambda manager: manager.Real(0)), *comparisons(REAL))
