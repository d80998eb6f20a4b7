"""What statements of a program may return when counts lie in a box, and everything else that they read is known.

A value is a few possible ones, or a whole number ``weights . counts + [low, high]``, so that differences of counts,
which most programs compare, are exact. Where both ways are open, both are taken. What is not understood, or has too
many values, may be anything; on a box of one point all is understood.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable
from itertools import product
from math import inf
from typing import Any, NamedTuple

from tasks.checker.files import Rejected
from tasks.checker.growth import OPERATIONS, SCOPE
from tasks.checker.programs import BUILTINS, _function, _names

Box = tuple[tuple[int, ...], tuple[float, ...]]  # the lower ends of counts, and the upper ones, whole or infinite
MOST = 16  # values that are told apart, and ways that are followed

ARITHMETIC: dict[type, Callable[[Any, Any], Any]] = {
    **{kind: SCOPE[name] for kind, name in OPERATIONS.items()},
    **{ast.FloorDiv: operator.floordiv, ast.Div: operator.truediv},
}  # what they make is bounded
COMPARED: dict[type, Callable[[Any, Any], Any]] = {
    **{ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.In: lambda a, b: a in b, ast.NotIn: lambda a, b: a not in b},
    **{ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt, ast.GtE: operator.ge},
}


class Line(NamedTuple):
    """Whole numbers ``weights . counts + [low, high]``."""

    weights: tuple[int, ...]
    low: float  # a whole number, or -inf
    high: float

    def ends(self, box: Box) -> tuple[float, float]:
        """The least and the greatest over a box."""
        low, high = self.low, self.high
        for w, a, b in zip(self.weights, *box, strict=True):
            if w:
                low, high = low + (w * a if w > 0 else w * b), high + (w * b if w > 0 else w * a)
        return low, high

    def plus(self, other: Line) -> Line:
        """The sum of two."""
        weights = tuple(a + b for a, b in zip(self.weights, other.weights, strict=True))
        return Line(weights, self.low + other.low, self.high + other.high)

    def times(self, factor: int) -> Line:
        """A multiple, by a whole number."""
        ends = (factor * self.low, factor * self.high) if factor else (0, 0)
        return Line(tuple(factor * w for w in self.weights), min(ends), max(ends))


class Few(NamedTuple):
    """One of these values, no two of them equal and of the same type."""

    values: tuple[Any, ...]


Value = Line | Few
Known = dict[str, Value]


class _VagueError(Exception):
    """It may be anything."""


def answers(body: list[ast.stmt], names: dict[str, Any], box: Box) -> set[Any] | None:
    """All that ``body`` may return over ``box``, where ``names`` have these values and ``_n0``, ... are the counts."""
    letters = range(len(box[0]))
    known: Known = {name: Few((value,)) for name, value in names.items()}
    known |= {f"_n{n}": Line(tuple(int(n == m) for m in letters), 0, 0) for n in letters}
    try:
        returned, fallen = _run(body, [known], box)
        return {value for one in returned for value in _few(one, box).values} | ({None} if fallen else set())
    except Rejected:
        raise  # it grows too large
    except (_VagueError, TypeError, ValueError, ArithmeticError, LookupError):
        return None  # as on a way that nobody takes


def _run(body: list[ast.stmt], ways: list[Known], box: Box) -> tuple[list[Value], list[Known]]:
    """What is returned, and what is known where nothing is."""
    returned: list[Value] = []
    for statement in body:
        after: list[Known] = []
        for known in ways:
            match statement:
                case ast.Return(ast.expr() as value):
                    returned.append(_value(value, known, box))
                case ast.Assign([ast.Name(name)], value):
                    after.append({**known, name: _value(value, known, box)})
                case ast.If(test, yes, no):
                    for way in _truths(_value(test, known, box), box):
                        more, left = _run(yes if way else no, [known], box)
                        returned, after = returned + more, after + left
                case _:
                    raise _VagueError
        ways = after
        if len(ways) > MOST:
            raise _VagueError
    return returned, ways


def _value(node: ast.expr, known: Known, box: Box) -> Value:
    """What ``node`` may be."""
    match node:
        case ast.Constant(value):
            return Few((value,))
        case ast.Name(name) if name in known:
            return known[name]
        case ast.IfExp(test, yes, no):
            ways = _truths(_value(test, known, box), box)
            return _joined([_value(yes if way else no, known, box) for way in ways], box)
        case ast.BoolOp(kind, parts):
            return _either([*parts], isinstance(kind, ast.Or), known, box)
        case ast.UnaryOp(ast.Not(), part):
            return Few(tuple(not way for way in _truths(_value(part, known, box), box)))
        case ast.UnaryOp(ast.USub(), part):
            return _line(_value(part, known, box), box).times(-1)
        case ast.BinOp(left, kind, right):
            return _combined(type(kind), _value(left, known, box), _value(right, known, box), box)
        case ast.Compare(left, [kind], [right]):
            return _compared(type(kind), _value(left, known, box), _value(right, known, box), box)
    return _executed(node, known, box)


def _executed(node: ast.expr, known: Known, box: Box) -> Value:
    """The value of an expression that reads only names with one value each."""
    names = [name for name in _names(node) if name in known]
    if _names(node) - {*names, *BUILTINS}:
        raise _VagueError
    values = [_few(known[name], box).values for name in names]
    if any(len(some) > 1 for some in values):
        raise _VagueError
    function = _function(f"value({', '.join(names)})", [ast.Return(node)])
    return Few((function(*(value for (value,) in values)),))


def _few(value: Value, box: Box) -> Few:
    """A value as one of a few."""
    if isinstance(value, Few):
        return value
    low, high = value.ends(box)
    if high - low < MOST:  # never of two infinite ends
        return Few(tuple(range(int(low), int(high) + 1)))
    raise _VagueError


def _line(value: Value, box: Box) -> Line:
    """A value as a whole number."""
    if isinstance(value, Line):
        return value
    if not all(type(one) in (int, bool) for one in value.values):
        raise _VagueError
    return Line((0,) * len(box[0]), int(min(value.values)), int(max(value.values)))


def _truths(value: Value, box: Box) -> list[bool]:
    """Which of True and False a value may be as a test."""
    if isinstance(value, Few):
        return sorted({bool(one) for one in value.values}, reverse=True)
    low, high = value.ends(box)
    return [True] * (not low == high == 0) + [False] * (low <= 0 <= high)


def _joined(values: list[Value], box: Box) -> Value:
    """Any of ``values``."""
    if all(isinstance(value, Few) for value in values):
        found = {(type(one), one): one for value in values if isinstance(value, Few) for one in value.values}
        if len(found) <= MOST:
            return Few(tuple(found.values()))
    if any(type(one) is bool for value in values if isinstance(value, Few) for one in value.values):
        raise _VagueError  # a number of the same value prints as another text
    lines = [_line(value, box) for value in values]
    if len({line.weights for line in lines}) > 1:
        lines = [Line((0,) * len(box[0]), *line.ends(box)) for line in lines]
    return Line(lines[0].weights, min(line.low for line in lines), max(line.high for line in lines))


def _either(parts: list[ast.expr], is_or: bool, known: Known, box: Box) -> Value:
    """The first of ``parts`` that is true (``or``) or false (``and``), else the last."""
    found: list[Value] = []
    for n, part in enumerate(parts):
        value = _value(part, known, box)
        ways = _truths(value, box)
        ends = n == len(parts) - 1 or ways == [is_or]
        if ends:
            found.append(value)
            break
        if is_or in ways:
            some = _few(value, box).values
            found.append(Few(tuple(one for one in some if bool(one) == is_or)))
    return _joined(found, box)


def _combined(kind: type, a: Value, b: Value, box: Box) -> Value:
    if isinstance(a, Few) and isinstance(b, Few) and len(a.values) * len(b.values) <= MOST:
        return _pairs(ARITHMETIC[kind], a, b)
    left, right = _line(a, box), _line(b, box)
    if kind is ast.Add:
        return left.plus(right)
    if kind is ast.Sub:
        return left.plus(right.times(-1))
    for factor, line in ((a, right), (b, left)):
        if kind is ast.Mult and isinstance(factor, Few) and len(factor.values) == 1:
            return line.times(int(factor.values[0]))
    if kind in (ast.Mod, ast.FloorDiv) and isinstance(b, Few) and len(b.values) == 1 and b.values[0] > 0:
        return _divided(kind, left.ends(box), int(b.values[0]), len(box[0]))
    raise _VagueError


def _divided(kind: type, ends: tuple[float, float], by: int, letters: int) -> Value:
    """The quotient of whole numbers in a range, rounded down, or the rest."""
    low, high = (end if abs(end) == inf else int(end) // by for end in ends)
    if kind is ast.FloorDiv:
        return Line((0,) * letters, low, high)
    if low == high and abs(low) < inf:
        return Line((0,) * letters, int(ends[0]) % by, int(ends[1]) % by)
    return Line((0,) * letters, 0, by - 1)


def _compared(kind: type, a: Value, b: Value, box: Box) -> Value:
    if kind in (ast.In, ast.NotIn):
        a, b = _few(a, box), _few(b, box)
    if isinstance(a, Few) and isinstance(b, Few) and len(a.values) * len(b.values) <= MOST:
        return _pairs(COMPARED[kind], a, b)
    if kind in (ast.In, ast.NotIn):
        raise _VagueError
    low, high = _line(a, box).plus(_line(b, box).times(-1)).ends(box)
    if kind in (ast.Eq, ast.NotEq):
        ways = [True] * (low <= 0 <= high) + [False] * (not low == high == 0)
        return Few(tuple(way is (kind is ast.Eq) for way in ways))
    return Few(tuple({COMPARED[kind](low, 0), COMPARED[kind](high, 0)}))


def _pairs(what: Callable[[Any, Any], Any], a: Few, b: Few) -> Few:
    found = [what(x, y) for x, y in product(a.values, b.values)]
    return Few(tuple({(type(one), one): one for one in found}.values()))
