"""Invariants that are conjunctions of the file's own inequalities (Houdini: Flanagan and Leino 2001).

The candidates are the inequalities that stand before, in the step and after, and their opposites, over the variables of
one state. Those that do not hold at first are left out, then those that a step from a state with all others can break,
until none is; then each that is not needed. Where what is left is not enough the file's own disjunctions, implications
and negations join the candidates, and the equations that hold in every state (affine relations: Karr 1976), which are
those of some states, a state more for each that does not (Reps, Sagiv and Yorsh 2004). ``solving`` proves what is left.
"""

from __future__ import annotations

from math import gcd, lcm

from cegis.quick import linear, refutation
from cegis.quick.nodes import BOOL, INT, ROW, VARIABLE, BeyondError, Node, conjunction, node, rebuilt, subterms
from cegis.quick.refutation import Prover, holds

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from cegis.quick.certificates import Case
    from cegis.quick.reading import Question

OPPOSITES = {"<=": ">", "<": ">=", ">": "<=", ">=": "<", "and": "or", "or": "and"}
MOST_CANDIDATES, MOST_COMPOUNDS = 30, 10
MOST_STEPS = 40_000  # of proofs, where all candidates are taken, and to find a smaller one


def search(question: Question) -> tuple[Node, int]:
    """An invariant, and how many candidates there were; raises BeyondError."""
    if question.invariant is None or question.rules or any(one.sort != INT for one in question.variables):
        raise BeyondError
    try:
        return _Houdini(question).found()
    except BeyondError:
        return _Houdini(question, takes_all=True).found()


class _Houdini:
    """The candidates that are left."""

    def __init__(self, question: Question, takes_all: bool = False) -> None:
        assert question.invariant is not None
        self.before, self.step, self.after = question.invariant
        now = question.parameters
        count = len(now)
        self.primed = dict(zip(now, question.variables[count : 2 * count], strict=True))
        self.prover = Prover(MOST_STEPS if takes_all else refutation.MOST_STEPS)
        self.zeros = dict.fromkeys((*now, *question.variables), 0)
        more = (*self._compounds(set(now)), *self._equations(now)) if takes_all else ()
        self.candidates = [*more, *self._candidates(set(now))]

    def found(self) -> tuple[Node, int]:
        """See ``search``."""
        left = [one for one in self.candidates if self._refuted([(self.before, True), (one, False)]) is None]
        left = self._kept(left)
        if self._refuted([*((one, True) for one in left), (self.after, False)]) is not None:
            raise BeyondError
        if not left:
            raise BeyondError
        self.prover = Prover(MOST_STEPS)
        while (smaller := self._smaller(left)) is not None:
            left = smaller
        return conjunction(_equated(left)), len(self.candidates)

    def _smaller(self, left: list[Node]) -> list[Node] | None:
        """One less, or with one that is plainer; None where that is not enough, or too much work."""
        places = sorted(range(len(left)), key=lambda place: -left[place].size)
        fewer = [[*left[:place], *left[place + 1 :]] for place in places if len(left) > 1]
        plainer = [[*left[:place], one, *left[place + 1 :]] for place in places for one in _plainer(left[place])]
        for some in (*fewer, *plainer):
            try:
                if self._is_enough(some):
                    return some
            except BeyondError:
                continue
        return None

    def _refuted(self, case: Case) -> dict[Node, int] | None:
        """Values at which a case holds, 0 where any does; None where it is refuted."""
        found = self.prover.refuted(case)
        return None if isinstance(found, tuple) else self.zeros | dict(found)

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
        cases = (
            *([(self.before, True), (one, False)] for one in left),
            [*facts, (self.after, False)],
            *([*facts, (self.step, True), (rebuilt(one, self.primed), False)] for one in left),
        )
        return all(self._refuted(case) is None for case in cases)

    def _compounds(self, now: set[Node]) -> list[Node]:
        """Disjunctions, implications and negations of the file over the variables of one state."""
        found: dict[Node, None] = {}
        for body in (self.after, self.before, self.step):
            for one in subterms(body):
                if one.kind == ROW and one.name in ("or", "=>", "not") and _variables(one) <= now:
                    found[one] = None
        return list(found)[:MOST_COMPOUNDS]

    def _equations(self, now: Sequence[Node]) -> list[Node]:
        """Both inequalities of each equation that holds at first and that no step breaks."""
        values = self._refuted([(self.before, True)])
        points: list[list[int]] = []
        lines: list[Node] = []
        while values is not None:
            points.append([values[one] for one in now])
            lines = []
            for factors in _relations(points):
                for sign in (1, -1):
                    parts = linear.coefficients({one: sign * a for one, a in zip(now, factors, strict=False)})
                    lines.append(linear.condition_of((parts, -sign * factors[-1])))
            values = self._outside(lines)
        return lines

    def _outside(self, lines: Sequence[Node]) -> dict[Node, int] | None:
        """A state in which one of these does not hold, though it is one of the first, or all held a step before."""
        facts = [(one, True) for one in lines]
        for one in lines:
            values = self._refuted([(self.before, True), (one, False)])
            if values is not None:
                return values
            values = self._refuted([*facts, (self.step, True), (rebuilt(one, self.primed), False)])
            if values is not None:
                return {name: values[then] for name, then in self.primed.items()}
        return None

    def _candidates(self, now: set[Node]) -> list[Node]:
        found: dict[Node, None] = {}
        for body in (self.after, self.before, self.step):
            for atom in subterms(body):
                if atom.sort != BOOL or atom.kind != ROW or len(atom.arguments) != 2 or atom.arguments[0].sort != INT:
                    continue
                if not _variables(atom) <= now:
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


def _relations(points: Sequence[Sequence[int]]) -> list[list[int]]:
    """A basis of all linear equations of some points: the factors, and a number that makes the sum 0 with them."""
    rows = [[*point, 1] for point in points]
    pivots: list[int] = []
    for column in range(len(rows[0])):
        place = next((n for n in range(len(pivots), len(rows)) if rows[n][column]), None)
        if place is None:
            continue
        rank = len(pivots)
        rows[rank], rows[place] = rows[place], rows[rank]
        pivot = rows[rank]
        for n, row in enumerate(rows):
            if n != rank and row[column]:
                mixed = [a * pivot[column] - b * row[column] for a, b in zip(row, pivot, strict=True)]
                share = gcd(*mixed) or 1
                rows[n] = [a // share for a in mixed]
        pivots.append(column)
    found = []
    for free in (column for column in range(len(rows[0])) if column not in pivots):
        whole = lcm(*(rows[n][column] for n, column in enumerate(pivots)))
        factors = [0] * len(rows[0])
        factors[free] = whole
        for n, column in enumerate(pivots):
            factors[column] = -rows[n][free] * whole // rows[n][column]
        share = gcd(*factors)
        found.append([a // share for a in factors])
    return found


def _equated(left: Sequence[Node]) -> list[Node]:
    """The same with equations for pairs of inequalities that are both ways."""
    found = list(left)
    for one in left:
        other = node(ROW, "<=", BOOL, one.arguments[::-1])
        if one.name == "<=" and one in found and other in found and one is not other:
            found[found.index(one)] = node(ROW, "=", BOOL, one.arguments)
            found.remove(other)
    return found


def _plainer(term: Node) -> list[Node]:
    """Smaller terms that may do in place of one: without negations, or with a part of a condition for it."""
    found: list[Node] = []
    if term.name in ("not", "=>"):
        first, *rest = term.arguments
        same = node(ROW, "or", BOOL, (_negated(first), *rest)) if rest else _negated(first)
        found = [same, *(() if same is term else _plainer(same))]
        if same is term and first.name == "=" and first.arguments[0].sort == INT:
            found += [node(ROW, name, BOOL, first.arguments) for name in ("<", ">")]
    if term.name in ("and", "or"):
        first, second = term.arguments
        found += [first, second, *(node(ROW, term.name, BOOL, (one, second)) for one in _plainer(first))]
        found += [node(ROW, term.name, BOOL, (first, one)) for one in _plainer(second)]
    return [one for one in found if one.size < term.size]


def _negated(term: Node) -> Node:
    """What holds where ``term`` does not."""
    if term.kind == ROW and term.name == "not":
        return term.arguments[0]
    if term.kind == ROW and term.name in OPPOSITES:
        if term.name in ("and", "or"):
            return node(ROW, OPPOSITES[term.name], BOOL, tuple(map(_negated, term.arguments)))
        return node(ROW, OPPOSITES[term.name], BOOL, term.arguments)
    return node(ROW, "not", BOOL, (term,))


def _variables(term: Node) -> set[Node]:
    return {inner for inner in subterms(term) if inner.kind == VARIABLE}
