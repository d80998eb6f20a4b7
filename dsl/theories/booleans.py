"""Rows of SMT-LIB's core theory: not, and, or, xor, =>, and for every sort = and ite.

Chains and more than two arguments are for readers of SMT-LIB to take apart; ``distinct`` is not and =.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from dsl.combination import Combination
from dsl.operators import BOOL, Operator, Sort
from dsl.references import maker

ROWS = (
    Operator(
        "not", (BOOL,), BOOL, lambda _, x: np.logical_not(x), lambda s, x: s.manager.Not(x), "not _0", noun="flag"
    ),
    Operator(
        "and",
        (BOOL, BOOL),
        BOOL,
        numpy=lambda _, x, y: np.logical_and(x, y),
        smt=lambda s, x, y: s.manager.And(x, y),
        python="_0 and _1",
        commutative=True,
        noun="flag",
    ),
    Operator(
        "or",
        (BOOL, BOOL),
        BOOL,
        numpy=lambda _, x, y: np.logical_or(x, y),
        smt=lambda s, x, y: s.manager.Or(x, y),
        python="_0 or _1",
        commutative=True,
        noun="flag",
    ),
    Operator(
        "xor",
        (BOOL, BOOL),
        BOOL,
        numpy=lambda _, x, y: np.not_equal(x, y),
        smt=lambda s, x, y: s.manager.Xor(x, y),
        python="_0 != _1",
        commutative=True,
        noun="flag",
    ),
    Operator(
        "=>",
        (BOOL, BOOL),
        BOOL,
        numpy=lambda _, x, y: np.logical_or(np.logical_not(x), y),
        smt=lambda s, x, y: s.manager.Implies(x, y),
        python="implies(_0, _1)",
        noun="flag",
        helper="def implies(x, y):\n    return not x or y",
    ),
)


@cache
@maker
def equal(sort: Sort) -> Operator:
    """``=`` on two values of ``sort``."""
    return Operator(
        "=",
        (sort, sort),
        BOOL,
        numpy=lambda _, x, y: np.equal(x, y),
        smt=lambda s, x, y: s.manager.EqualsOrIff(x, y),
        python="_0 == _1",
        commutative=True,
        noun="flag",
    )


@cache
@maker
def choice(sort: Sort) -> Operator:
    """``ite`` between two values of ``sort``."""
    return Operator(
        "ite",
        (BOOL, sort, sort),
        sort,
        numpy=lambda _, condition, then, otherwise: np.where(condition, then, otherwise),
        smt=lambda s, condition, then, otherwise: s.manager.Ite(condition, then, otherwise),
        python="_1 if _0 else _2",
        noun="choice",
        meaning=Combination.CHOICE,
    )
