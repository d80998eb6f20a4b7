"""Rows of SMT-LIB's reals: + - * and the comparisons, over arrays of Python's own fractions.

There is no row for a division: by a number it is a product with a number, and by anything else no solver here decides
it. So nothing is rounded: a printed program gives fractions for fractions, whole numbers for whole numbers, both exact.
A number that is no whole one prints as ``ratio(1, 3)``, by a helper, as a program imports nothing itself.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np

from dsl.operators import BOOL, REAL, Operator

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


def _number(
    name: str, arity: int, numpy: Callable[..., Any], smt: Callable[..., Any], python: str, noun: str, **more: Any
) -> Operator:
    return Operator(name, (REAL,) * arity, REAL, numpy, smt, python, noun=noun, **more)


def _comparison(name: str, numpy: Callable[..., Any], smt: Callable[..., Any]) -> Operator:
    return Operator(name, (REAL, REAL), BOOL, numpy, smt, f"_0 {name} _1", noun="flag")


ROWS = (
    _number(
        "+", 2, lambda _, x, y: np.add(x, y), lambda s, x, y: s.manager.Plus(x, y), "_0 + _1", "total", commutative=True
    ),
    _number("-", 2, lambda _, x, y: np.subtract(x, y), lambda s, x, y: s.manager.Minus(x, y), "_0 - _1", "difference"),
    _number("-", 1, lambda _, x: np.negative(x), lambda s, x: s.manager.Minus(s.manager.Real(0), x), "-_0", "opposite"),
    _number(
        "*",
        2,
        lambda _, x, y: np.multiply(x, y),
        lambda s, x, y: s.manager.Times(x, y),
        "_0 * _1",
        "product",
        commutative=True,
    ),
    _comparison("<=", lambda _, x, y: np.less_equal(x, y).astype(bool), lambda s, x, y: s.manager.LE(x, y)),
    _comparison("<", lambda _, x, y: np.less(x, y).astype(bool), lambda s, x, y: s.manager.LT(x, y)),
    _comparison(">=", lambda _, x, y: np.greater_equal(x, y).astype(bool), lambda s, x, y: s.manager.GE(x, y)),
    _comparison(">", lambda _, x, y: np.greater(x, y).astype(bool), lambda s, x, y: s.manager.GT(x, y)),
)
