"""The solution a specification names itself: each harvested value where it is right, one after the other.

    t_1 if c_1 else t_2 if c_2 else ... t_n

The values are chosen greedily, those right at most of the remaining points first; ``c_i`` starts as the condition that
the specification holds with t_i, and loses every conjunct that the points do not need. So it is as short as the points
allow, and longer again once a counterexample becomes a point.
"""

from __future__ import annotations

from functools import reduce

import numpy as np
from numpy.typing import NDArray

from cegis.formulas.harvest import Harvest
from cegis.formulas.linear import Condition, Joined, join
from dsl.enumeration.values import Values
from dsl.operators import BOOL, Term
from dsl.scalars import Columns
from dsl.theories.theory import find

Mask = NDArray[np.bool_]


def chain(mined: Harvest, right: Mask, columns: Columns, *, whole: bool = False) -> Term | None:
    """The chain that is right at all points, or None where no harvested value is right at one of them.

    right: (terms, points), where each of ``mined.terms`` is; ``columns`` holds the parameters at the points. A
    ``whole`` chain keeps every condition as it is, so it is right wherever the chain has a right value at all.
    """
    values, remaining = Values(columns), np.ones(columns.examples, bool)
    links: list[tuple[Condition, Term]] = []
    while remaining.any():
        gained = (right & remaining).sum(axis=1)
        best = int(np.argmax(gained))
        if not gained[best]:
            return None
        if gained[best] == remaining.sum():
            return reduce(_link, reversed(links), mined.terms[best])
        needed = mined.right(mined.terms[best])
        if not whole:
            needed = _needed(needed, right[best], remaining, values)
        holds = _holds(needed, values, columns.examples)
        if not (holds & remaining).any():
            return None  # the condition is no better than false here; it was read with less than the whole
        links.append((needed, mined.terms[best]))
        remaining &= ~holds
    return reduce(_link, reversed(links[:-1]), links[-1][1]) if links else mined.terms[0]


def _link(rest: Term, link: tuple[Condition, Term]) -> Term:
    condition, term = link[0].term, link[1]
    return find("ite", (BOOL, term.sort, term.sort))(condition, term, rest)


def _needed(condition: Condition, right: Mask, remaining: Mask, values: Values) -> Condition:
    """``condition`` without conjuncts that can go: what still holds is right at every remaining point."""
    if not isinstance(condition, Joined) or not condition.is_all:
        return condition
    kept = list(condition.parts)
    fails = {part: ~_holds(part, values, len(right)) for part in kept}
    misses = sum(failing.astype(np.int64) for failing in fails.values())  # how many of those kept fail at each point
    for part in reversed(condition.parts):
        without = misses - fails[part]
        if len(kept) > 1 and not (remaining & ~right & (without == 0)).any():
            kept.remove(part)
            misses = without
    return join(True, kept)


def _holds(condition: Condition, values: Values, points: int) -> Mask:
    return np.broadcast_to(np.asarray(values(condition.term), bool), (points,))
