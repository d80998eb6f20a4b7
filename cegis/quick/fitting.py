"""Functions of a grammar whose one call the formula describes: the smallest term that is right at some points.

Terms come by size, one for each row of values at the points (``bank``). Whether a value is right at a point is asked
of the constraints once. Where a proof of the term fails the point at which it is wrong is taken in
(counterexample-guided: Solar-Lezama 2008), so that no smaller term is right, or a search would have come to it.
"""

from __future__ import annotations

from cegis.quick.bank import Bank, function_of, term_of
from cegis.quick.cases import one_call
from cegis.quick.everywhere import all_values, is_narrow
from cegis.quick.nodes import BOOL, INT, BeyondError, Node, evaluated, subterms
from cegis.quick.points import few, near_zero

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from cegis.quick.bank import Values
    from cegis.quick.reading import Question

MOST_STEPS = 40_000  # terms, in all rounds
MOST_ROUNDS = 8
MOST_WORK = 400_000  # terms of constraints, each with a value at a point
FIRST = 12  # points


class Fitting:
    """What is right at the points so far; ``steps`` counts the terms that were tried."""

    def __init__(self, question: Question) -> None:
        if any(one.sort not in (BOOL, INT) for one in question.parameters) and not is_narrow(question.variables):
            raise BeyondError
        self.question, self.steps = question, 0
        self.constraints, self.value, self.arguments = one_call(question)
        self.run = function_of(question)
        self.left, self.work = MOST_WORK, sum(len(subterms(one)) for one in self.constraints)
        self.points: dict[Values, dict[Any, bool]] = {point: {} for point in _first(question.parameters)}

    def smallest(self) -> Node:
        """A smallest term that is right at all points; raises BeyondError where too many would be tried."""
        columns = zip(*self.points, strict=True)
        bank = Bank(self.question, dict(zip(self.question.parameters, columns, strict=True)), MOST_STEPS - self.steps)
        while True:
            bank.grow()
            for entry in bank.entries[self.question.start][-1]:
                if all(map(self._is_right, self.points, entry[0])):
                    self.steps += bank.steps
                    return term_of(entry)

    def add(self, values: Mapping[Node, Any]) -> None:
        """Take in a point, by variables of the file; raises BeyondError where it is there."""
        point = tuple(values.get(one, False if one.sort == BOOL else 0) for one in self.arguments)
        if point in self.points:
            raise BeyondError
        self.points = {point: {}, **self.points}

    def _is_right(self, point: Values, value: Any) -> bool:
        known = self.points[point]
        if value not in known:
            self.left -= self.work
            if self.left < 0:
                raise BeyondError
            values = dict(zip(self.question.parameters, ((one,) for one in point), strict=True))
            values[self.value] = (value,)
            known[value] = all(evaluated(one, values, self.run)[0] for one in self.constraints)
        return known[value]


def _first(parameters: tuple[Node, ...]) -> list[Values]:
    """Points to begin with: all of flags where they are few."""
    if all(one.sort == BOOL for one in parameters) and 2 ** len(parameters) <= FIRST:
        return all_values(parameters)
    mixed = few(parameters)
    numbers = near_zero(len(parameters))[:FIRST]
    columns = [
        [number % 2 == 1 for number in column] if one.sort == BOOL else column if one.sort == INT else mixed[one]
        for one, column in zip(parameters, zip(*numbers, strict=True), strict=True)
    ]
    return list(zip(*columns, strict=False))
