"""Conditions over flags and narrow words, evaluated at all values of their variables: what holds there holds."""

from __future__ import annotations

from itertools import product

from cegis.quick.nodes import BOOL, BeyondError, Node, evaluated, subterms, width_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    Values = tuple[Any, ...]

MOST_BITS = 16  # of all variables together
MOST_WORK = 3_000_000  # terms, each at a point


def is_narrow(variables: Sequence[Node]) -> bool:
    """Whether so few values of the variables are possible that all are looked at."""
    bits = [1 if one.sort == BOOL else width_of(one.sort) for one in variables]
    return all(bits) and sum(bits) <= MOST_BITS


def all_values(variables: Sequence[Node]) -> list[Values]:
    """Every combination of values, in order; raises BeyondError where they are too many."""
    if not is_narrow(variables):
        raise BeyondError
    ranges = [(False, True) if one.sort == BOOL else range(2 ** width_of(one.sort)) for one in variables]
    return list(product(*ranges))


def exception(
    conditions: Sequence[Node], variables: Sequence[Node], run: Callable[[Node], Callable[..., Any]]
) -> dict[Node, Any] | None:
    """The first values at which a condition does not hold; None where all hold at all values.

    Raises BeyondError where that is too much work.
    """
    points = all_values(variables)
    if len(points) * sum(len(subterms(one)) for one in conditions) > MOST_WORK:
        raise BeyondError
    columns = dict(zip(variables, zip(*points, strict=True), strict=True))
    for condition in conditions:
        held = evaluated(condition, dict(columns), run)
        if len(held) != len(points) or not all(one is True for one in held):
            return dict(zip(variables, points[held.index(False)], strict=True))
    return None
