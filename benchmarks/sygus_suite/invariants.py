"""Loop invariants: what holds at first, is kept by every step, and is enough at the end.

The files use ``inv-constraint``; here the three conditions are written out, over the same definitions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from benchmarks.sygus_suite.language import (
    BOOL,
    INT,
    Expression,
    SygusProblem,
    declare,
    function,
    implies,
    ite,
    problem,
)
from dsl.theories import theory

Predicate = Callable[..., Expression]


def _loop(names: Sequence[str], before: Predicate, step: Predicate, after: Predicate) -> SygusProblem:
    """``before(*now)``, ``step(*now, *then)``, ``after(*now)`` over Int variables; ``x!`` is x after the step."""
    now = declare(**dict.fromkeys(names, INT))
    then = declare(**{f"{name}!": INT for name in names})
    invariant = function("invariant", BOOL, *now)
    holds = invariant(*now)
    constraints = [
        implies(_defined("before", before, now), holds),
        implies(holds & _defined("step", step, [*now, *then]), invariant(*then)),
        implies(holds, _defined("after", after, now)),
    ]
    return problem("LIA", [invariant], [*now, *then], constraints)


def _defined(name: str, body: Predicate, variables: Sequence[Expression]) -> Expression:
    """A call of the function that ``body`` defines."""
    pairs = tuple((variable.term.operator.name, variable.sort) for variable in variables)
    return Expression(theory.define(name, pairs, body(*variables).term)(*(variable.term for variable in variables)))


def count_to_ten() -> SygusProblem:
    """A counter that stops at ten."""
    return _loop(
        ["i"],
        lambda i: i == 0,
        lambda i, i2: (i < 10) & (i2 == i + 1),
        lambda i: implies(~(i < 10), i == 10),
    )


def two_in_step() -> SygusProblem:
    """Two counters that move together."""
    return _loop(
        ["x", "y"],
        lambda x, y: (x == 0) & (y == 0),
        lambda x, y, x2, y2: (x2 == x + 2) & (y2 == y + 2),
        lambda x, y: implies(x >= 100, y >= 100),
    )


def constant_sum() -> SygusProblem:
    """What one variable loses the other gains."""
    return _loop(
        ["x", "y"],
        lambda x, y: (x == 50) & (y == 0),
        lambda x, y, x2, y2: (x > 0) & ((x2 == x - 1) & (y2 == y + 1)),
        lambda x, y: implies(~(x > 0), y == 50),
    )


def never_negative() -> SygusProblem:
    """A sum of growing numbers."""
    return _loop(
        ["sum", "i"],
        lambda total, i: (total == 0) & (i == 1),
        lambda total, i, total2, i2: (total2 == total + i) & (i2 == i + 1),
        lambda total, i: total >= 0,
    )


def bounded_lead() -> SygusProblem:
    """Two runners that take turns: one is ahead by at most one."""
    return _loop(
        ["x", "y"],
        lambda x, y: (x == 0) & (y == 0),
        lambda x, y, x2, y2: ite(x == y, (x2 == x + 1) & (y2 == y), (x2 == x) & (y2 == y + 1)),
        lambda x, y: (y <= x) & (x <= y + 1),
    )


def open_and_close() -> SygusProblem:
    """A saturating depth of brackets, opened or closed at will."""
    return _loop(
        ["depth"],
        lambda depth: depth == 0,
        lambda depth, depth2: ((depth < 3) & (depth2 == depth + 1)) | ((depth > 0) & (depth2 == depth - 1)),
        lambda depth: (depth >= 0) & (depth <= 3),
    )


PROBLEMS = (count_to_ten, two_in_step, constant_sum, never_negative, bounded_lead, open_and_close)
