"""A function of whole numbers that is called once: values that the formula names, chosen by its own conditions.

As ``cegis.formulas.harvest``: where the value y of the call stands in linear atoms with a factor 1 or -1, a value that
is right is on the border of one of them. The conditions are the atoms without y, and those that come of putting a
border for y. At some points it is known which values are right and which conditions hold; the decision tree there is
the smallest that some searching finds: a condition that splits the points, or a conjunction that picks points at which
one value is right. The tree is proved, or a point where it is wrong is taken in.
"""

from __future__ import annotations

from cegis.quick import linear
from cegis.quick.bank import function_of
from cegis.quick.certificates import check
from cegis.quick.nodes import (
    BOOL,
    CALL,
    INT,
    ROW,
    VARIABLE,
    BeyondError,
    Node,
    conjunction,
    evaluated,
    node,
    rebuilt,
    subterms,
)
from cegis.quick.points import near_zero
from cegis.quick.refutation import Prover

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cegis.quick.certificates import Refutation
    from cegis.quick.reading import Question

MOST_VALUES, MOST_CONDITIONS = 16, 60
MOST_ROUNDS = 6
MOST_TERMS = 1_500  # distinct ones of what is to hold of all values, which are evaluated at all points
MOST_PICKED = 300  # conjunctions looked for in one tree


class Cases:
    """What the formula says of its function, at points that are added as they are found."""

    def __init__(self, question: Question) -> None:
        self.question = question
        self.constraints, self.value, _ = one_call(question)
        self.run = function_of(question)
        borders = _borders(self.constraints, self.value)
        try:
            self._choose_among(borders)
        except BeyondError:  # where a negation turns an atom around the value is beside its border
            self._choose_among([*borders, *((parts, c + step) for parts, c in borders for step in (1, -1))])

    def _choose_among(self, values: Sequence[linear.Form]) -> None:
        self.terms = [linear.term_of(value) for value in dict.fromkeys(values)][:MOST_VALUES]
        self.right = [
            conjunction([rebuilt(constraint, {self.value: term}) for constraint in self.constraints])
            for term in self.terms
        ]
        if sum(len(subterms(one)) for one in self.right) > MOST_TERMS:
            raise BeyondError
        self.conditions = list(_conditions(self.right, self.constraints))[:MOST_CONDITIONS]
        self.signatures: dict[tuple[int, int], None] = {}
        self.add(near_zero(len(self.question.parameters)))

    def add(self, points: Sequence[tuple[int, ...]]) -> None:
        """Take points; those that differ neither in the values that are right nor in conditions are one."""
        columns = dict(zip(self.question.parameters, zip(*points, strict=True), strict=True))
        known = dict(columns)
        rights = [evaluated(one, known, self.run) for one in self.right]
        hold = [evaluated(one, known, self.run) for one, _ in self.conditions]
        for place in range(len(points)):
            right = sum(column[place] << number for number, column in enumerate(rights))
            if not right:
                raise BeyondError  # none of the values will do
            self.signatures[right, sum(column[place] << number for number, column in enumerate(hold))] = None

    def put_in(self, body: Node) -> Node:
        """All constraints of the value of ``body``: where it is a choice, a choice of what they say of both values."""
        if body.name == "ite" and body.kind == ROW:
            test, then, otherwise = body.arguments
            return node(ROW, "ite", BOOL, (test, self.put_in(then), self.put_in(otherwise)))
        return conjunction([rebuilt(constraint, {self.value: body}) for constraint in self.constraints])

    def tree(self) -> Node:
        """A small term that is right at all points."""
        return _Trees(self).whole()


def search(question: Question) -> tuple[Node, Refutation, int, int, int]:
    """A proved answer, its refutation, and how many rounds, trees and points it took; raises BeyondError."""
    if question.rules or question.result != INT or any(one.sort != INT for one in question.parameters):
        raise BeyondError
    cases, prover = Cases(question), Prover()
    for number in range(MOST_ROUNDS):
        body = cases.tree()
        failing = [(cases.put_in(body), False)]
        found = prover.refuted(failing)
        if isinstance(found, tuple):
            if not check(failing, found):
                raise BeyondError
            return body, found, number + 1, len(cases.terms), len(cases.signatures)
        cases.add([tuple(found.get(one, 0) for one in question.parameters)])
    raise BeyondError


def one_call(question: Question) -> tuple[list[Node], Node, tuple[Node, ...]]:
    """The constraints over the parameters and a variable for the only call, that variable, and the call's arguments."""
    calls = {inner for one in question.constraints for inner in subterms(one) if inner.kind == CALL}
    if len(calls) != 1:
        raise BeyondError
    (call,) = calls
    if len(set(call.arguments)) < len(call.arguments) or any(one.kind != VARIABLE for one in call.arguments):
        raise BeyondError
    used = {inner for one in question.constraints for inner in subterms(one) if inner.kind == VARIABLE}
    if not used <= set(call.arguments):  # it would be taken for a parameter of its name
        raise BeyondError
    value = node(VARIABLE, "(value)", question.result)  # which is no name that can be read
    names = {**dict(zip(call.arguments, question.parameters, strict=True)), call: value}
    return [rebuilt(one, names) for one in question.constraints], value, call.arguments


def _atoms(terms: Sequence[Node]) -> Iterator[tuple[str, linear.Form]]:
    """The comparisons of whole numbers, as a name and the form that is compared with 0; those with choices left out."""
    for atom in dict.fromkeys(inner for term in terms for inner in subterms(term)):
        if atom.sort == BOOL and atom.kind == ROW and len(atom.arguments) == 2 and atom.arguments[0].sort == INT:
            if any(inner.name == "ite" for inner in subterms(atom)):
                continue
            yield atom.name, linear.difference(*atom.arguments)


def _borders(constraints: Sequence[Node], value: Node) -> list[linear.Form]:
    """Forms on the border of an atom that speaks of the value, simplest first."""
    found: dict[linear.Form, None] = {}
    for name, (parts, constant) in _atoms(constraints):
        factor = dict(parts).get(value, 0)
        if abs(factor) == 1:  # of y + rest + constant or its opposite
            rest = tuple((one, -factor * a) for one, a in parts if one is not value)
            step = {"<": -factor, ">": factor}.get(name, 0)
            found[rest, step - factor * constant] = None
    return sorted(found, key=lambda form: (len(form[0]), abs(form[1])))


def _conditions(right: Sequence[Node], constraints: Sequence[Node]) -> list[tuple[Node, Node]]:
    """What the atoms say, as small terms: one of each inequality and its opposite, with the opposite.

    An equation is one as well where the constraints themselves have it: most others compare two values.
    """
    found: dict[Node, Node] = {}
    own = set(_atoms(constraints))
    for name, (parts, constant) in _atoms(right):
        if not parts:
            continue
        at_most, at_least = (parts, -constant), (tuple((one, -a) for one, a in parts), constant)
        inequalities = {"<=": [at_most], ">=": [at_least], "=": [at_most, at_least]}.get(name, [])
        inequalities += [linear.negated(at_least)] if name == "<" else [linear.negated(at_most)] if name == ">" else []
        for inequality in inequalities:
            one, other = linear.condition_of(inequality), linear.condition_of(linear.negated(inequality))
            if one not in found and other not in found.values() and other not in found:
                found[one] = other
        if name == "=" and (name, (parts, constant)) in own:
            equation = linear.equation_of(at_most)
            found[equation] = node(ROW, "not", BOOL, (equation,))
    return list(found.items())


class _Trees:
    """The smallest trees found for sets of points, which are the bits of a number."""

    def __init__(self, cases: Cases) -> None:
        self.cases = cases
        signatures = list(cases.signatures)
        self.all = (1 << len(signatures)) - 1
        self.right = [
            sum((right >> number & 1) << place for place, (right, _) in enumerate(signatures))
            for number in range(len(cases.terms))
        ]
        hold = [
            sum((held >> number & 1) << place for place, (_, held) in enumerate(signatures))
            for number in range(len(cases.conditions))
        ]
        self.tests: list[tuple[int, Node]] = []  # the points where it holds; both a condition and its opposite
        for points, (term, negation) in zip(hold, cases.conditions, strict=True):
            self.tests += [(points, term), (self.all & ~points, negation)]
        self.tests.sort(key=lambda test: -test[1].size)
        self.known: dict[int, Node | None] = {}
        self.left = MOST_PICKED

    def whole(self) -> Node:
        """The smallest tree found for all points."""
        best = self.chain(self.all)
        tried: set[int] = set()
        for held, condition in self.tests:
            inside = self.all & held
            if inside in (0, self.all) or inside in tried or self.left < 0:
                continue
            tried.add(inside)
            if best is None or condition.size + 3 < best.size:
                then = self.chain(inside)
                otherwise = None if then is None else self.chain(self.all & ~inside)
                if then is not None and otherwise is not None:
                    best = _smaller(best, node(ROW, "ite", INT, (condition, then, otherwise)))
        if best is None:
            raise BeyondError
        return best

    def chain(self, points: int) -> Node | None:
        """The smallest chain of conjunctions found for these points, each with a value; None where there is none."""
        if points not in self.known:
            self.known[points] = None
            best = self._leaf(points)
            for term, right in zip(self.cases.terms, self.right, strict=True) if best is None else ():
                self.left -= 1
                picked = self._picked(points, right) if self.left >= 0 else None
                rest = self.chain(points & ~picked[0]) if picked else None
                if picked and rest is not None:
                    best = _smaller(best, node(ROW, "ite", INT, (picked[1], term, rest)))
            self.known[points] = best
        return self.known[points]

    def _leaf(self, points: int) -> Node | None:
        found = [term for term, right in zip(self.cases.terms, self.right, strict=True) if not points & ~right]
        return min(found, key=lambda term: term.size, default=None)

    def _picked(self, points: int, right: int) -> tuple[int, Node] | None:
        """A conjunction that picks points at which a value is right: all those where no other one is, or more."""
        others = 0
        for other in self.right:
            others |= other if other is not right else 0
        needed, wrong = points & right & ~others or points & right, points & ~right
        held = [test for test in self.tests if not needed & ~test[0] and wrong & ~test[0]] if needed else []
        after = [points]  # what is left by the tests from some place on
        for holds, _ in reversed(held):
            after.append(after[-1] & holds)
        if not held or after[-1] & wrong:
            return None
        kept, inside = [], points
        for place, (holds, term) in enumerate(held):
            if inside & after[len(held) - 1 - place] & wrong:
                kept.append(term)
                inside &= holds
        return inside, conjunction(kept)


def _smaller(one: Node | None, other: Node) -> Node:
    return other if one is None or other.size < one.size else one
