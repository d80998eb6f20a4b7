"""Constants by solving: the simplest integer threshold that separates the examples of one label from the others.

    sum_i w_i * number_i + bias > 0   exactly on the positive examples,   minimise  sum_i |w_i| + 3 * [w_i != 0]

over the grammar's cheap numbers (counts, length, ...), as a mixed-integer linear programme (HiGHS through scipy).
This is how thresholds on averages are found: ``5 * count > length`` is count/length > 1/5. The result is an ordinary
term of the grammar; a grammar without the rows it needs gets none.
"""

from __future__ import annotations

from collections.abc import MutableMapping, Sequence

import numpy as np
from numpy.typing import NDArray

from dsl.grammar import Grammar
from dsl.operators import BOOL, INT, Operator, Term

MAX_WEIGHT = 12
MAX_BIAS = 16
USE_COST = 3
INFEASIBLE = 2  # of scipy's milp
Known = MutableMapping[tuple[int, int], "NDArray[np.int64] | None"]


def solve_thresholds(
    grammar: Grammar,
    numbers: Sequence[Term],
    values: NDArray[np.int64],
    positive: NDArray[np.bool_],
    *,
    seconds: float,
    known: Known | None = None,
    kind: int = 0,
) -> tuple[Term, ...]:
    """Flags that are true exactly on the ``positive`` examples; none when there is none (or none in time).

    values: (numbers, examples), the value of each number on each example. positive: (examples,). The numbers may
    depend on each other (counts add up to the length), so the simplest threshold without each of the numbers used is
    solved for too, and the grammar's costs decide. ``known`` keeps, for a ``kind`` of examples, what was found for the
    first ones: a simplest threshold that is right on more of them is a simplest one still, and where there was none
    there is none.
    """
    found, known = [], {} if known is None else known
    weights = _separate(values, positive, seconds, known, (kind, -1))
    if weights is not None:
        found.append(weights)
        for used in np.flatnonzero(weights[:-1]):
            without = _separate(np.delete(values, used, axis=0), positive, seconds, known, (kind, int(used)))
            if without is not None:
                found.append(np.insert(without, used, 0))
    terms = (_as_term(grammar, numbers, weights[:-1], int(weights[-1])) for weights in found)
    return tuple(term for term in terms if term is not None)


def _separate(
    values: NDArray[np.int64], positive: NDArray[np.bool_], seconds: float, known: Known, key: tuple[int, int]
) -> NDArray[np.int64] | None:
    """Integer weights and a bias: (numbers + 1,). Variables: w = plus - minus, then one "is used" per number."""
    count, examples = values.shape
    if not count or positive.all() or not positive.any():
        return None
    if key in known:
        kept = known[key]
        if kept is None or _holds(kept, values, positive):
            return kept
    from scipy.optimize import Bounds, LinearConstraint, milp  # half a second to import, and seldom needed

    sign = np.where(positive, 1, -1)[:, None]
    features = np.hstack([values.T, -values.T, np.zeros((examples, count)), np.ones((examples, 1))]) * sign
    apart = LinearConstraint(features, lb=np.where(positive, 1.0, 0.0))
    linked = LinearConstraint(
        np.hstack([np.eye(count), np.eye(count), -MAX_WEIGHT * np.eye(count), np.zeros((count, 1))]), ub=0.0
    )
    weight, used = [MAX_WEIGHT] * (2 * count), [1] * count
    result = milp(
        np.array([1.0] * (2 * count) + [float(USE_COST)] * count + [0.0]),
        integrality=np.ones(3 * count + 1),
        bounds=Bounds([0] * (3 * count) + [-MAX_BIAS], [*weight, *used, MAX_BIAS]),
        constraints=[apart, linked],
        options={"time_limit": seconds},
    )
    if result.x is None:
        if result.status == INFEASIBLE:
            known[key] = None
        return None
    solved = np.rint(result.x).astype(np.int64)
    weights = np.append(solved[:count] - solved[count : 2 * count], solved[-1])
    if not _holds(weights, values, positive):  # never trust the solver's tolerances
        return None
    if result.status == 0:
        known[key] = weights
    return weights


def _holds(weights: NDArray[np.int64], values: NDArray[np.int64], positive: NDArray[np.bool_]) -> bool:
    """Whether a threshold is right on all examples."""
    return np.array_equal(weights[:-1] @ values + weights[-1] > 0, positive)


def _as_term(grammar: Grammar, numbers: Sequence[Term], weights: NDArray[np.int64], bias: int) -> Term | None:
    """``w . numbers + bias > 0`` with positive parts on either side, equal weights factored out."""
    rows = {production.operator.name: production.operator for production in grammar.productions}
    plus, minus, greater = rows.get("plus"), rows.get("minus"), rows.get("greater")
    if plus is None or minus is None or greater is None or greater.arguments != (INT, INT) or greater.result != BOOL:
        return None
    left: list[Term | None] = []
    right: list[Term | None] = []
    for size in sorted({abs(int(w)) for w in weights if w}, reverse=True):
        rising = [number for number, w in zip(numbers, weights, strict=True) if w == size]
        falling = [number for number, w in zip(numbers, weights, strict=True) if w == -size]
        if rising and falling:
            left.append(_scaled(rows, size, minus(_sum(plus, rising), _sum(plus, falling))))
        else:
            (left if rising else right).append(_scaled(rows, size, _sum(plus, rising or falling)))
    if bias:
        (left if bias > 0 else right).append(_constant(rows, abs(bias)))
    at_least = rows.get(f"at least {1 - bias}")
    if left and bias <= 0 and len(right) == (bias < 0) and at_least is not None:
        left_terms = [term for term in left if term is not None]
        return at_least(_sum(plus, left_terms)) if len(left_terms) == len(left) else None
    sides = [side or [_constant(rows, 0)] for side in (left, right)]
    if any(term is None for side in sides for term in side):
        return None
    return greater(*(_sum(plus, [term for term in side if term is not None]) for side in sides))


def _sum(plus: Operator, terms: Sequence[Term]) -> Term:
    total = terms[0]
    for term in terms[1:]:
        total = plus(total, term)
    return total


def _scaled(rows: dict[str, Operator], factor: int, term: Term) -> Term | None:
    if factor == 1:
        return term
    times = rows.get(f"{factor} times")
    return None if times is None else times(term)


def _constant(rows: dict[str, Operator], value: int) -> Term | None:
    constant = rows.get(str(value))
    return None if constant is None else constant()
