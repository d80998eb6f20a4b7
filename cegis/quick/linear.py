"""Linear forms and inequalities over whole numbers, and the smallest terms that state them.

    form          a_1 x_1 + ... + a_n x_n + c
    inequality    a_1 x_1 + ... + a_n x_n <= b

Coefficients are pairs of a variable and a number that is not 0, in order of name. What is not linear raises
BeyondError.
"""

from __future__ import annotations

from cegis.quick.nodes import BOOL, INT, LITERAL, ROW, VARIABLE, BeyondError, Node, literal, node

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    Coefficients = tuple[tuple[Node, int], ...]
    Form = tuple[Coefficients, int]  # with the constant
    Inequality = tuple[Coefficients, int]  # with the bound


def form(term: Node) -> Form:
    """The linear form of a term without choices."""
    found: dict[Node, int] = {}
    constant = _add(term, 1, found)
    return coefficients(found), constant


def coefficients(found: Mapping[Node, int]) -> Coefficients:
    """As pairs, in order."""
    return tuple(sorted(((one, a) for one, a in found.items() if a), key=_name))


def _name(pair: tuple[Node, int]) -> str:
    return pair[0].name


def _add(term: Node, factor: int, found: dict[Node, int]) -> int:
    """Add ``factor`` times the term to the coefficients; its constant part."""
    if term.kind == LITERAL and term.sort == INT:
        return factor * int(term.value)
    if term.kind == VARIABLE and term.sort == INT:
        found[term] = found.get(term, 0) + factor
        return 0
    if term.kind == ROW:
        match term.name, term.arguments:
            case "+", (left, right):
                return _add(left, factor, found) + _add(right, factor, found)
            case "-", (left, right):
                return _add(left, factor, found) + _add(right, -factor, found)
            case "-", (only,):
                return _add(only, -factor, found)
            case "*", (left, right):
                for one, other in ((left, right), (right, left)):
                    parts, constant = form(one)
                    if not parts:
                        return _add(other, factor * constant, found)
    raise BeyondError


def difference(one: Node, other: Node) -> Form:
    """``one - other``."""
    found: dict[Node, int] = {}
    constant = _add(one, 1, found) + _add(other, -1, found)
    return coefficients(found), constant


def negated(inequality: Inequality) -> Inequality:
    """What holds where the inequality does not: -a x <= -b - 1, since whole numbers have gaps."""
    parts, bound = inequality
    return tuple((one, -a) for one, a in parts), -bound - 1


# --- terms ------------------------------------------------------------------------------------------------------


def term_of(value: Form) -> Node:
    """A small term with the value of a form."""
    parts, constant = value
    plus = [_multiple(one, a) for one, a in parts if a > 0]
    minus = [_multiple(one, -a) for one, a in parts if a < 0]
    (plus if constant > 0 or not parts else minus if constant < 0 else []).append(literal(abs(constant), INT))
    if not parts:
        return literal(constant, INT)
    if not minus:
        return _sum(plus)
    return node(ROW, "-", INT, (_sum(plus), _sum(minus)) if plus else (_sum(minus),))


def condition_of(inequality: Inequality) -> Node:
    """A small term that holds where the inequality does."""
    parts, bound = inequality
    found = [_compared("<=", parts, bound), _compared("<", parts, bound + 1)]
    for one, a in parts:
        if abs(a) == 1 and len(parts) > 1:  # as the opposite on the other side, where nothing else stands
            found += [_compared("<=", parts, bound, one), _compared("<", parts, bound + 1, one)]
    return min(found, key=_size)


def equation_of(equation: Inequality) -> Node:
    """A small term that holds where both sides of the inequality are equal."""
    parts, bound = equation
    found = [_compared("=", parts, bound), _compared("=", tuple((one, -a) for one, a in parts), -bound)]
    return min(found, key=_size)


def _size(term: Node) -> int:
    return term.size


def _compared(name: str, parts: Coefficients, bound: int, moved: Node | None = None) -> Node:
    """``left <= right`` or ``left < right``, all factors positive but that of ``moved``, which is -1."""
    left = [_multiple(one, a) for one, a in parts if a > 0 and one is not moved]
    right = [_multiple(one, -a) for one, a in parts if a < 0 and one is not moved]
    for one, a in parts:
        if one is moved:
            (right if a > 0 else left).append(node(ROW, "-", INT, (one,)))
    if not left or (right and bound < 0):
        left.append(literal(-bound, INT))
    elif not right or bound > 0:
        right.append(literal(bound, INT))
    return node(ROW, name, BOOL, (_sum(left), _sum(right)))


def _multiple(one: Node, factor: int) -> Node:
    return one if factor == 1 else node(ROW, "*", INT, (literal(factor, INT), one))


def _sum(terms: list[Node]) -> Node:
    """A balanced sum of at least one term."""
    if len(terms) == 1:
        return terms[0]
    half = (len(terms) + 1) // 2
    return node(ROW, "+", INT, (_sum(terms[:half]), _sum(terms[half:])))
