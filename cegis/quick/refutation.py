"""Whether conditions over whole numbers can hold together: a refutation with its certificate, or values where they do.

Conditions are taken apart case by case, as in DPLL(T) (Nieuwenhuis, Oliveras and Tinelli 2006): what has no case left
that the bounds on single forms allow, or one, is opened first. The inequalities of a case are refuted by Fourier's and
Motzkin's elimination (Schrijver 1986, 12.2), each rounded to whole numbers as it comes; an equation with a factor 1 or
-1 is put in. Where nothing contradicts, values are read off backwards; there may be no whole number between two bounds,
and then nothing is known. What is not known, or takes too many steps, raises BeyondError.
"""

from __future__ import annotations

from math import gcd

from cegis.quick import rows
from cegis.quick.certificates import ALL, ANY, FACT, opened
from cegis.quick.nodes import BOOL, LITERAL, VARIABLE, BeyondError, subterms

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from cegis.quick.certificates import Case, Refutation, Step
    from cegis.quick.linear import Coefficients
    from cegis.quick.nodes import Node

    Lines = dict[Coefficients, "Line"]  # the tightest of each form
    Values = Mapping[Node, int]

MOST_STEPS = 5_000  # conditions opened, cases looked at and inequalities added


class Line:
    """An inequality, rounded. ``why``: the number of the fact it is, or the lines it was added from, with factors."""

    __slots__ = ("bound", "divisor", "parts", "why")

    def __init__(self, parts: Coefficients, bound: int, why: Any) -> None:
        self.divisor = gcd(*(a for _, a in parts)) or 1
        self.parts = parts if self.divisor == 1 else tuple((one, a // self.divisor) for one, a in parts)
        self.bound, self.why = bound // self.divisor, why

    @property
    def is_false(self) -> bool:
        """Whether it says 0 <= b for a negative b."""
        return not self.parts and self.bound < 0

    @property
    def opposite(self) -> Coefficients:
        """The same form with the other sign."""
        return tuple((one, -a) for one, a in self.parts)


class Prover:
    """Asked again and again, within one number of steps."""

    def __init__(self, most: int = MOST_STEPS) -> None:
        self.left = most
        self._opened: dict[tuple[Node, bool], tuple[str, Any]] = {}

    def refuted(self, case: Case) -> Refutation | Values:
        """A refutation of the case (``certificates``), or values of its variables at which it holds (a dict)."""
        return _Search(self, case).refuted(list(case), {}, 0, [])

    def step(self, count: int = 1) -> None:
        """Count work; raises BeyondError where there was enough."""
        self.left -= count
        if self.left < 0:
            raise BeyondError

    def opened(self, term: Node, truth: bool) -> tuple[str, Any]:
        """As ``certificates.opened``, kept."""
        key = term, truth
        if key not in self._opened:
            self._opened[key] = opened(term, truth)
        return self._opened[key]


class _Search:
    """That of one refutation."""

    def __init__(self, prover: Prover, case: Case) -> None:
        self.prover, self.case = prover, case
        self.variables = {one for term, _ in case for one in subterms(term) if one.kind == VARIABLE}

    def refuted(
        self, todo: list[tuple[Node, bool]], lines: Lines, count: int, choices: list[Sequence[Case]]
    ) -> Refutation | Values:
        """``count``: how many facts there are so far, tight or not."""
        lines, choices = dict(lines), list(choices)
        false: Line | None = None
        while todo:
            self.prover.step()
            kind, what = self.prover.opened(*todo.pop())
            if kind == ALL:
                todo.extend(what)
            elif kind == ANY:
                choices.append(what)
            else:
                false = taken(lines, Line(what[0], what[1], count)) or false
                count += 1
        if false is not None:
            return "closed", steps_to(false, count)
        place, alive = self._chosen(lines, choices)
        if alive > 1 or place < 0:
            found = eliminated(list(lines.values()), self.prover.step)
            if isinstance(found, Line):
                return "closed", steps_to(found, count)
            values: dict[Node, Any] = {one: _value_of(one, found) for one in self.variables}
            are_met = all(any(holds(case, values) for case in cases) for cases in choices)
            if are_met and holds(self.case, values):
                return {one: values[one] for one in self.variables}
            if place < 0:  # all conditions were inequalities, or followed from some: the values have to satisfy them
                raise BeyondError
        parts = []
        rest = [*choices[:place], *choices[place + 1 :]]
        for case in choices[place]:
            part = self.refuted(list(case), lines, count, rest)
            if isinstance(part, dict):
                return part
            parts.append(part)
        return "split", place, tuple(parts)

    def _chosen(self, lines: Lines, choices: Sequence[Sequence[Case]]) -> tuple[int, int]:
        """The place of the choice with the fewest cases that bounds allow, and their number; -1 where all are met."""
        best, fewest = -1, 1_000
        for place, cases in enumerate(choices):
            known = [self._known(lines, case) for case in cases]
            alive = sum(one is not False for one in known)
            if True not in known and alive < fewest:
                best, fewest = place, alive
        return best, fewest

    def _known(self, lines: Lines, case: Case) -> bool | None:
        """False where the bounds on single forms contradict a case, True where they imply it."""
        is_implied = True
        for term, truth in case:
            self.prover.step()
            kind, what = self.prover.opened(term, truth)
            if kind == ANY and not what:
                return False
            if kind != FACT:
                is_implied = is_implied and kind == ALL and not what
                continue
            line = Line(what[0], what[1], None)
            other, same = lines.get(line.opposite), lines.get(line.parts)
            if line.is_false or (other is not None and other.bound + line.bound < 0):
                return False
            is_met = not line.parts or (same is not None and same.bound <= line.bound)
            is_implied = is_implied and is_met
        return True if is_implied else None


def _value_of(one: Node, found: Mapping[Node, int]) -> int:
    return found.get(one, 0) > 0 if one.sort == BOOL else found.get(one, 0)


def holds(case: Case, values: dict[Node, Any]) -> bool:
    """Whether the conditions have their truth values, by exact evaluation; values of terms are added to ``values``."""
    return all(_value(term, values) == truth for term, truth in case)


def _value(term: Node, values: dict[Node, Any]) -> Any:
    if term not in values:
        values[term] = _worked_out(term, values)
    return values[term]


def _worked_out(term: Node, values: dict[Node, Any]) -> Any:
    if term.kind == LITERAL:
        return term.value
    first, *rest = term.arguments
    if term.name == "ite":
        return _value(rest[0] if _value(first, values) else rest[1], values)
    if term.name in ("and", "or"):
        is_decided = _value(first, values) is (term.name == "or")
        return term.name == "or" if is_decided else _value(rest[0], values)
    found = rows.find(term.name, tuple(argument.sort for argument in term.arguments))
    if found is None:
        raise BeyondError
    return found[1](*(_value(argument, values) for argument in term.arguments))


def taken(lines: Lines, line: Line) -> Line | None:
    """Take a line where it is the tightest of its form; a contradiction that it makes with one other, if any."""
    if not line.parts:
        return line if line.is_false else None
    known = lines.get(line.parts)
    if known is None or line.bound < known.bound:
        lines[line.parts] = line
        other = lines.get(line.opposite)
        if other is not None and other.bound + line.bound < 0:
            return Line((), other.bound + line.bound, ((1, line), (1, other)))
    return None


def eliminated(found: list[Line], step: Callable[[int], None]) -> Line | dict[Node, int]:
    """A contradiction of inequalities, or values that satisfy them."""
    left: list[tuple[Node, list[Line]]] = []
    while variables := _variables(found):
        known = {line.parts: line for line in found}
        one, pairs = _next(variables, known)
        left.append((one, [line for line in found if any(other is one for other, _ in line.parts)]))
        kept: Lines = {line.parts: line for line in found if all(other is not one for other, _ in line.parts)}
        for upper, lower in pairs:
            step(1)
            false = taken(kept, _added(one, upper, lower))
            if false is not None:
                return false
        found = list(kept.values())
    values: dict[Node, int] = {}
    for one, lines in reversed(left):
        values[one] = _between(one, lines, values)
    return values


def _variables(lines: Sequence[Line]) -> dict[Node, tuple[list[Line], list[Line]]]:
    """For each variable the lines that bound it from above, and those from below."""
    found: dict[Node, tuple[list[Line], list[Line]]] = {}
    for line in lines:
        for one, a in line.parts:
            found.setdefault(one, ([], []))[a < 0].append(line)
    return found


def _next(
    variables: Mapping[Node, tuple[list[Line], list[Line]]], known: Lines
) -> tuple[Node, list[tuple[Line, Line]]]:
    """A variable to eliminate, and the pairs of lines that do: by an equation, or the one with the fewest pairs."""
    for line in known.values():
        other = known.get(line.opposite)
        if other is not None and other.bound == -line.bound:
            one = next((one for one, a in line.parts if abs(a) == 1), None)
            if one is not None:
                uppers, lowers = variables[one]
                above, below = (line, other) if line in uppers else (other, line)
                pairs = [(upper, below) for upper in uppers if upper is not above]
                return one, pairs + [(above, lower) for lower in lowers if lower is not below]
    one = min(variables, key=lambda one: (len(variables[one][0]) * len(variables[one][1]), one.name))
    uppers, lowers = variables[one]
    return one, [(upper, lower) for upper in uppers for lower in lowers]


def _added(one: Node, upper: Line, lower: Line) -> Line:
    """The sum of two lines in which the variable ``one`` is gone."""
    above, below = dict(upper.parts), dict(lower.parts)
    divisor = gcd(above[one], below[one])
    up, down = -below[one] // divisor, above[one] // divisor
    sums = {other: up * a for other, a in upper.parts}
    for other, a in lower.parts:
        sums[other] = sums.get(other, 0) + down * a
    parts = tuple(sorted(((other, a) for other, a in sums.items() if a), key=lambda pair: pair[0].name))
    return Line(parts, up * upper.bound + down * lower.bound, ((up, upper), (down, lower)))


def _between(one: Node, lines: Sequence[Line], values: Mapping[Node, int]) -> int:
    """The whole number nearest to 0 that some lines allow; raises BeyondError where there is none."""
    least: int | None = None
    most: int | None = None
    for line in lines:
        rest = line.bound - sum(a * values.get(other, 0) for other, a in line.parts if other is not one)
        a = dict(line.parts)[one]
        if a > 0:
            most = rest // a if most is None else min(most, rest // a)
        else:
            least = -(rest // -a) if least is None else max(least, -(rest // -a))
    if least is not None and most is not None and least > most:
        raise BeyondError
    if least is not None and least > 0:
        return least
    return most if most is not None and most < 0 else 0


def steps_to(false: Line, count: int) -> tuple[Step, ...]:
    """The steps of a certificate that end in a line; facts are numbered up to ``count``, then the steps."""
    numbers: dict[int, int] = {}
    steps: list[Step] = []

    def number(line: Line) -> int:
        if id(line) not in numbers:
            if isinstance(line.why, int):
                terms: tuple[tuple[int, int], ...] = ((line.why, 1),)
                if line.divisor == 1 and line is not false:
                    return line.why
            else:
                terms = tuple((number(other), factor) for factor, other in line.why)
            steps.append((terms, line.divisor))
            numbers[id(line)] = count + len(steps) - 1
        return numbers[id(line)]

    number(false)
    return tuple(steps)
