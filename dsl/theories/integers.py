"""Rows of SMT-LIB's integers: + - * div mod abs and the comparisons.

Division is Euclidean: x = y * div(x, y) + mod(x, y) with 0 <= mod(x, y) < |y|. SMT-LIB leaves a division by zero open,
so a program that divides by zero has no one meaning: the numpy and Python readings take div(x, 0) = 0 and
mod(x, 0) = x, the solver takes anything, and what holds for anything is what gets proved. On machine words the numpy
readings wrap around; on exact numbers they are exact.
"""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from dsl.operators import INT, Operator
from dsl.theories.numbers import arithmetic, comparisons

Numbers = NDArray[Any]
_BY_ZERO: WeakKeyDictionary[Any, dict[Any, Any]] = WeakKeyDictionary()  # per formula manager, x mod 0 by x

DIV = """
def div(x, y):
    return 0 if y == 0 else x // y if y > 0 else -(x // -y)
"""
MOD = """
def mod(x, y):
    return x if y == 0 else x % abs(y)
"""


def divide(x: Numbers, y: Numbers) -> Numbers:
    """Euclidean quotients, 0 where y is 0."""
    safe = np.where(np.equal(y, 0), 1, y)
    with np.errstate(over="ignore"):  # the smallest word over -1 wraps around, like any other word
        floor = np.floor_divide(x, safe)
    return np.where(np.equal(y, 0), 0, floor + np.less(x - floor * safe, 0))


def remainder(x: Numbers, y: Numbers) -> Numbers:
    """Euclidean remainders, x where y is 0."""
    return np.subtract(x, np.multiply(y, divide(x, y)))


def _quotient(s: Any, x: Any, y: Any) -> Any:
    from pysmt import operators

    if y.is_int_constant(0):  # PySMT warns where it is asked for this by name
        return s.manager.create_node(node_type=operators.DIV, args=(x, y))
    return s.manager.Div(x, y)


def _remainder(s: Any, x: Any, y: Any) -> Any:
    """By the quotient, which is all that PySMT has; by zero, any number that depends on x alone."""
    rest = s.manager.Minus(x, s.manager.Times(y, _quotient(s, x, y)))
    if y.is_int_constant() and not y.is_int_constant(0):
        return rest
    from pysmt.typing import INT as INTEGER

    known = _BY_ZERO.setdefault(s.manager, {})
    if x not in known:
        known[x] = s.manager.FreshSymbol(INTEGER, "mod-by-zero-%d")
    by_zero = known[x]
    is_zero = s.manager.Equals(y, s.manager.Int(0))
    return s.manager.Plus(rest, s.manager.Ite(is_zero, by_zero, s.manager.Int(0)))


ROWS = (
    *arithmetic(INT, lambda manager: manager.Int(0)),
    Operator(
        "div", (INT, INT), INT, lambda _, x, y: divide(x, y), _quotient, "div(_0, _1)", noun="quotient", helper=DIV
    ),
    Operator(
        "mod", (INT, INT), INT, lambda _, x, y: remainder(x, y), _remainder, "mod(_0, _1)", noun="rest", helper=MOD
    ),
    Operator(
        "abs",
        (INT,),
        INT,
        lambda _, x: np.abs(x),
        lambda s, x: s.manager.Ite(s.manager.LT(x, s.manager.Int(0)), s.manager.Minus(s.manager.Int(0), x), x),
        "abs(_0)",
        noun="distance",
    ),
    *comparisons(INT),
)
