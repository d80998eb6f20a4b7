"""A recurrent network of affine maps beside a program that is one, on every sequence, in exact rational numbers.

Both states side by side, z = (h, p), are z' = M z + n(letter), and what is read less the program's answer is q z + r.
So after t letters it is

    r + q M^t z_0 + sum_(s < t) q M^s n(letter_(t-s))

which is largest, and least, where each letter on its own makes its part so. The label is the whole number that the
program returns on all sequences of t letters exactly where both are below 1/2 in size. For all t from K on, with
|M^m| = c < 1 (maximum of row sums), rows v_s = q M^s have sum_(s >= K) |v_s| <= (|v_K| + ... + |v_(K+m-1)|) / (1 - c).

It is one number for all sequences of all lengths where letters make no difference to v_s n(letter) for d powers s, d
numbers in z, and after 1 to d + 1 letters it is the same: from t to t + 1 letters it moves by q M^t (M z_0 + n - z_0),
and what is 0 for d powers of M in a row is 0 for all that follow (Cayley and Hamilton).
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from time import monotonic
from typing import Any

from flint import arb

from tasks.checker.arithmetic import Affine, Row
from tasks.checker.files import confirm, expect
from tasks.checker.network import Step
from tasks.checker.recurrent import Recurrent

LONGEST, TURNS = 4096, 64  # letters that are looked at; powers m
HALF, NONE = Fraction(1, 2), Fraction(0)
Numbers = list[Fraction]
Matrix = list[Numbers]


@dataclass(frozen=True)
class Recurrence:
    """``state' = back . state + into[letter]`` from ``start``; what is read is ``read . state + shift``."""

    back: Matrix
    into: list[Numbers]
    start: Numbers
    read: Numbers
    shift: Fraction


def of_network(network: Recurrent, column: int, ids: list[int], before: list[int]) -> Recurrence:
    """The network as read in one column, with what its letters are."""
    width = len(network.start)
    weight, bias = _mapped(network.transition)
    output, shift = _mapped(network.output)
    back = [row[:width] for row in weight]
    into = [
        [_dot(row[width:], _exact(network.tokens[token])) + b for row, b in zip(weight, bias, strict=True)]
        for token in (*ids, *before)
    ]
    state = _exact(network.start)
    for given in into[len(ids) :]:
        state = _stepped(back, state, given)
    return Recurrence(back, into[: len(ids)], state, output[column], shift[column])


def of_program(text: str, letters: list[str]) -> Recurrence:
    """The program ``text``, which passed ``function_of``; Rejected where it is no affine recurrence."""
    return _Reading(text, letters).recurrence()


def largest(network: Recurrence, program: Recurrence, most: int | None, deadline: float) -> Fraction:
    """The largest difference after 1 to ``most`` letters (None: any number of them), or a bound on it below 1/2.

    Rejected where it is 1/2 or more, or nothing is found for all numbers of letters.
    """
    both = _beside(network, program)
    size = max(abs(x) for given in both.into for x in given) if both.into[0] else NONE
    first = max((abs(x) for x in both.start), default=NONE)
    row, state, least, greatest, worst, met = both.read, both.start, NONE, NONE, NONE, set[Fraction]()
    for t in range(1, LONGEST + 1):
        confirm(monotonic() < deadline, "the worst sequences were not found in time")
        parts = [_dot(row, given) for given in both.into]
        least, greatest = least + min(parts), greatest + max(parts)
        row = _through(row, both.back)
        away = _dot(row, state) + both.shift
        worst = max(worst, abs(least + away), abs(greatest + away))
        confirm(worst < HALF, f"some sequence of {t} letters has another label than the program says")
        met |= {least + away, greatest + away}
        if t == most or (t == len(both.start) + 1 and len(met) == 1):
            return worst
        if most is None and t & (t - 1) == 0:
            later = _later(both.back, row)
            if later is not None:
                rest = max(abs(least + both.shift), abs(greatest + both.shift)) + later * (size + first)
                if rest < HALF:
                    return max(worst, rest)
    confirm(False, f"no bound was found for sequences of more than {LONGEST} letters")
    raise AssertionError


def _later(back: Matrix, row: Numbers) -> Fraction | None:
    """A bound on |v| + |v M| + |v M^2| + ..., which is one on each of them; None where no power is small."""
    power, turn = back, NONE
    for _ in range(TURNS):
        turn += sum(map(abs, row), NONE)
        norm = max((sum(map(abs, line), NONE) for line in power), default=NONE)
        if norm < 1:
            return turn / (1 - norm)
        power, row = [_through(line, back) for line in power], _through(row, back)
    return None


def _beside(one: Recurrence, other: Recurrence) -> Recurrence:
    size, more = len(one.start), len(other.start)
    back = [[*row, *[NONE] * more] for row in one.back] + [[*[NONE] * size, *row] for row in other.back]
    into = [[*x, *y] for x, y in zip(one.into, other.into, strict=True)]
    read = [*one.read, *(-x for x in other.read)]
    return Recurrence(back, into, [*one.start, *other.start], read, one.shift - other.shift)


def _mapped(steps: tuple[Step, ...]) -> tuple[Matrix, Numbers]:
    """One affine map of several."""
    found: tuple[Matrix, Numbers] | None = None
    for step in steps:
        confirm(isinstance(step, Affine), "the network is not affine")
        assert isinstance(step, Affine)
        weight, bias = [_exact(row) for row in step.weight], _exact(step.bias)
        if found is not None:
            inner, shift = found
            bias = [_dot(row, shift) + b for row, b in zip(weight, bias, strict=True)]
            columns = [*zip(*inner, strict=True)]
            weight = [[_dot(row, [*column]) for column in columns] for row in weight]
        found = weight, bias
    confirm(found is not None, "the network is not affine")
    assert found is not None
    return found


def _exact(row: Row) -> Numbers:
    return [_fraction(x) for x in row]


def _fraction(x: arb) -> Fraction:
    expect(x.is_exact(), "a weight is not known exactly")
    mantissa, exponent = x.man_exp()
    return Fraction(int(mantissa)) * Fraction(2) ** int(exponent)


def _dot(row: Numbers, other: Numbers) -> Fraction:
    return sum((x * y for x, y in zip(row, other, strict=True) if x and y), NONE)


def _through(row: Numbers, matrix: Matrix) -> Numbers:
    return [sum((x * line[n] for x, line in zip(row, matrix, strict=True) if x), NONE) for n in range(len(row))]


def _stepped(back: Matrix, state: Numbers, given: Numbers) -> Numbers:
    return [_dot(row, state) + x for row, x in zip(back, given, strict=True)]


class _Reading:
    """A loop over the tokens that keeps numbers, or one look at the last token, as an affine recurrence."""

    def __init__(self, text: str, letters: list[str]) -> None:
        tree = ast.parse(text)
        self._follow(len(tree.body) == 1, "it calls functions")
        (function,) = tree.body
        assert isinstance(function, ast.FunctionDef)
        *before, last = function.body
        self._follow(isinstance(last, ast.Return), "it does not end in one answer")
        assert isinstance(last, ast.Return)
        assert last.value is not None
        self.letters, self.loop = letters, list[ast.stmt]()
        self.names: dict[str, Fraction] = {}
        for statement in before:
            if isinstance(statement, ast.For):
                plain = ast.unparse(statement.target) == "token" and ast.unparse(statement.iter) == "tokens"
                self._follow(plain and not self.loop and not statement.orelse, "a loop that is not over the tokens")
                self.loop = statement.body
                continue
            self._follow(not self.loop, "something stands behind the loop")
            for name, value in self._assigned(statement):
                self.names[name] = self._constant(value)
        self.answer: ast.expr = last.value
        if not self.loop:
            self._follow(not before, "something stands before the answer")
            self.answer = _Last(self).visit(self.answer)
        self.order = [*self.names]

    def recurrence(self) -> Recurrence:
        """All of it; the factors of states must be the same for every letter."""
        size = len(self.order)
        found = [self._after(letter) for letter in self.letters]
        back = [row[:size] for row in found[0]]
        same = all([row[:size] for row in rows] == back for rows in found)
        self._follow(same, "what it keeps is multiplied by what it reads")
        read = self._number(self.answer, self._unit())
        return Recurrence(
            back, [[row[size] for row in rows] for rows in found], [*self.names.values()], read[:size], read[size]
        )

    def _after(self, letter: str) -> Matrix:
        """The states after a letter: factors of each state, and the constant."""
        known: dict[str, Any] = self._unit() | {"token": letter}
        for statement in self.loop:
            known |= {name: self._value(value, known) for name, value in [*self._assigned(statement)]}
        return [self._as_number(known[name]) for name in self.order]

    def _unit(self) -> dict[str, Any]:
        size = len(self.order)
        return {name: [Fraction(int(n == k)) for k in range(size + 1)] for n, name in enumerate(self.order)}

    def _assigned(self, statement: ast.stmt) -> Iterator[tuple[str, ast.expr]]:
        match statement:
            case ast.Assign([ast.Name(name)], value):
                yield name, value
            case ast.Assign([ast.Tuple(names)], ast.Tuple(values)) if len(names) == len(values):
                for one, value in zip(names, values, strict=True):
                    self._follow(isinstance(one, ast.Name), "an assignment to no name")
                    yield one.id, value  # type: ignore[attr-defined]
            case _:
                self._follow(False, ast.unparse(statement).splitlines()[0])

    def _constant(self, node: ast.expr) -> Fraction:
        found = self._number(node, {})
        self._follow(not any(found[:-1]), "a state that does not begin from a constant")
        return found[-1]

    def _number(self, node: ast.expr, known: dict[str, Any]) -> Numbers:
        return self._as_number(self._value(node, known))

    def _as_number(self, value: Any) -> Numbers:
        self._follow(type(value) is list, "a text where a number is meant")
        return value  # type: ignore[no-any-return]

    def _value(self, node: ast.expr, known: dict[str, Any]) -> Any:
        """A text, parts of one (a tuple), or factors of states with a constant behind them (a list)."""
        zeros = [NONE] * len(getattr(self, "order", ()))
        match node:
            case ast.Constant(int() as value) if type(value) is int:
                return [*zeros, Fraction(value)]
            case ast.Name(name) if name in known:
                return known[name]
            case ast.UnaryOp(ast.USub(), inner):
                return [-x for x in self._number(inner, known)]
            case ast.BinOp(left, ast.Add() | ast.Sub() as operator, right):
                sign = 1 if isinstance(operator, ast.Add) else -1
                parts = self._number(left, known), self._number(right, known)
                return [x + sign * y for x, y in zip(*parts, strict=True)]
            case ast.BinOp(left, ast.Mult(), right):
                one, other = self._number(left, known), self._number(right, known)
                if any(one[:-1]):
                    one, other = other, one
                self._follow(not any(one[:-1]), "what it keeps is multiplied by what it keeps")
                return [one[-1] * x for x in other]
            case ast.Subscript(inner, ast.Constant(int() as place)):
                text = self._value(inner, known)
                is_part = type(text) in (str, tuple) and type(place) is int and 0 <= place < len(text)
                self._follow(is_part, "a part of a text")
                return text[place]
            case ast.Call(ast.Attribute(inner, "split"), [ast.Constant(str() as between)], []):
                text = self._value(inner, known)
                self._follow(type(text) is str and between, "a text that is split")
                return (*text.split(between),)
            case ast.Call(ast.Name("int"), [inner], []):
                text = self._value(inner, known)
                self._follow(
                    type(text) is str and text.removeprefix("-").isdecimal() and text.isascii(), "int of no digits"
                )
                return [*zeros, Fraction(int(text))]
        self._follow(False, ast.unparse(node))
        raise AssertionError

    def _follow(self, holds: object, what: str) -> None:
        confirm(holds, f"the program is not seen to be an affine recurrence: {what}")


class _Last(ast.NodeTransformer):
    """``int(tokens[-1])``, or of a part of it, becomes a state that holds that of the last token."""

    def __init__(self, reading: _Reading) -> None:
        self._reading = reading

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """A call of ``int`` on the last token."""
        text = ast.unparse(node)
        if not text.startswith("int(tokens[-1]"):
            return self.generic_visit(node)
        name = f"_last{len(self._reading.names)}"
        self._reading.names[name] = NONE
        value = ast.parse(text.replace("tokens[-1]", "token"), mode="eval").body
        self._reading.loop.append(ast.Assign([ast.Name(name, ast.Store())], value))
        return ast.Name(name, ast.Load())
