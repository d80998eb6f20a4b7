"""Invariants that are conjunctions of the file's own inequalities (Houdini: Flanagan and Leino 2001).

The candidates are the inequalities that stand before, in the step and after, and their opposites, over the variables of
one state. Those that do not hold at first are left out, then those that a step from a state with all others can break,
until none is; then each that is not needed. ``solving`` proves what is left.
"""

from __future__ import annotations

from cegis.quick import linear
from cegis.quick.nodes import BOOL, INT, ROW, VARIABLE, BeyondError, Node, conjunction, rebuilt, subterms
from cegis.quick.refutation import Prover, holds

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from cegis.quick.certificates import Case
    from cegis.quick.reading import Question

MOST_CANDIDATES = 30


def search(question: Question) -> tuple[Node, int]:
    """An invariant, and how many candidates there were; raises BeyondError."""
    if question.invariant is None or question.rules or any(one.sort != INT for one in question.variables):
        raise BeyondError
    return _Houdini(question).found()


class _Houdini:
    """The candidates that are left."""

    def __init__(self, question: Question) -> None:
        assert question.invariant is not None
        self.before, self.step, self.after = question.invariant
        now = question.parameters
        count = len(now)
        self.primed = dict(zip(now, question.variables[count : 2 * count], strict=True))
        self.prover = Prover()
        self.candidates = self._candidates(set(now))

    def found(self) -> tuple[Node, int]:
        """See ``search``."""
        left = [one for one in self.candidates if self._refuted([(self.before, True), (one, False)]) is None]
        left = self._kept(left)
        if self._refuted([*((one, True) for one in left), (self.after, False)]) is not None:
            raise BeyondError
        for one in sorted(left, key=lambda one: -one.size):
            fewer = [other for other in left if other is not one]
            if fewer and self._is_enough(fewer):
                left = fewer
        if not left:
            raise BeyondError
        return conjunction(left), len(self.candidates)

    def _refuted(self, case: Case) -> dict[Node, int] | None:
        """Values at which a case holds; None where it is refuted."""
        found = self.prover.refuted(case)
        return None if isinstance(found, tuple) else dict(found)

    def _kept(self, left: list[Node]) -> list[Node]:
        """Those that a step keeps from every state at which all of them hold."""
        place = 0
        while place < len(left):
            then = rebuilt(left[place], self.primed)
            values = self._refuted([*((one, True) for one in left), (self.step, True), (then, False)])
            if values is None:
                place += 1
                continue
            left = [one for one in left if holds([(rebuilt(one, self.primed), True)], dict(values))]
            place = 0
        return left

    def _is_enough(self, left: Sequence[Node]) -> bool:
        facts = [(one, True) for one in left]
        if self._refuted([*facts, (self.after, False)]) is not None:
            return False
        return all(
            self._refuted([*facts, (self.step, True), (rebuilt(one, self.primed), False)]) is None for one in left
        )

    def _candidates(self, now: set[Node]) -> list[Node]:
        found: dict[Node, None] = {}
        for body in (self.after, self.before, self.step):
            for atom in subterms(body):
                if atom.sort != BOOL or atom.kind != ROW or len(atom.arguments) != 2 or atom.arguments[0].sort != INT:
                    continue
                if not {inner for inner in subterms(atom) if inner.kind == VARIABLE} <= now:
                    continue
                parts, constant = linear.difference(*atom.arguments)
                opposite = tuple((one, -a) for one, a in parts)
                if not parts:
                    continue
                for inequality in ((parts, -constant), (opposite, constant)):
                    step = 0 if atom.name == "=" else 1
                    for bound in dict.fromkeys((inequality[1], inequality[1] - step)):
                        found[linear.condition_of((inequality[0], bound))] = None
        return list(found)[:MOST_CANDIDATES]
