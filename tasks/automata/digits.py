"""Programs over two numbers as machines over their digits, least significant first: schoolbook arithmetic.

    p a + q b + r  =  sum over k of  z_k base^k,      p a_k + q b_k + c_k  =  z_k + base c_(k+1),      c_0 = r

so the carry c is all that is remembered from the digits below (Knuth, TAOCP 2, 4.3.1). Whole numbers p, q and r of any
sign will do: division is rounded down, and a number is shown by n digits exactly where the carry after them is 0. A
remainder by a power of the base leaves the carry out.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from cegis.domain import DomainError
from cegis.operands import Operands, Pair
from dsl.function import docstring_lines
from dsl.operators import GrammarError

MOST_STATES, MOST_FACTOR = 64, 32


@dataclass(frozen=True)
class NumberProgram:
    """``p * a + q * b + r``, of which the remainder by ``modulus`` is taken, if that is not None.

    >>> NumberProgram.parse("def f(a, b): return (a + b) % 113")
    NumberProgram(p=1, q=1, r=0, modulus=113)
    >>> NumberProgram(1, 1)(3, 4), NumberProgram(1, -1, 0, 10).expression
    (7, '(a - b) % 10')
    """

    p: int
    q: int
    r: int = 0
    modulus: int | None = None

    def __post_init__(self) -> None:
        if max(abs(self.p), abs(self.q), abs(self.r)) > MOST_FACTOR:
            raise GrammarError(f"expected factors up to {MOST_FACTOR}, got {self.expression}")
        if self.modulus is not None and self.modulus < 1:
            raise GrammarError(f"expected a modulus of 1 or more, got {self.modulus}")

    def __call__(self, a: int, b: int) -> int:
        """The number for a pair."""
        value = self.p * a + self.q * b + self.r
        return value if self.modulus is None else value % self.modulus

    @property
    def expression(self) -> str:
        """The number in Python."""
        terms = [_term(factor, name) for factor, name in ((self.p, "a"), (self.q, "b")) if factor]
        terms += [("-" if self.r < 0 else "+", str(abs(self.r)))] if self.r or not terms else []
        (sign, first), *rest = terms
        text = ("-" if sign == "-" else "") + first + "".join(f" {sign} {term}" for sign, term in rest)
        if self.modulus is None:
            return text
        return f"{text if not rest and sign == '+' and '*' not in text else f'({text})'} % {self.modulus}"

    @property
    def size(self) -> int:
        """How many operators it applies.

        >>> NumberProgram(1, 1).size, NumberProgram(2, -1, 0, 10).size
        (1, 3)
        """
        return sum(isinstance(node, ast.BinOp | ast.UnaryOp) for node in ast.walk(ast.parse(self.expression)))

    def source(self, name: str = "program", docstring: str = "") -> str:
        """The function that is printed."""
        lines = [f"def {name}(a: int, b: int) -> int:", *docstring_lines(docstring), f"    return {self.expression}"]
        return "\n".join(lines) + "\n"

    @classmethod
    def parse(cls, text: str, function: str = "") -> NumberProgram:
        """The program in the text of one Python function of two numbers; raises GrammarError for any other text.

        ``function`` names one of several.
        """
        try:
            tree = ast.parse(text)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            raise GrammarError(f"expected a Python function of two numbers, got no Python: {error}") from None
        functions = [n for n in tree.body if isinstance(n, ast.FunctionDef) and function in ("", n.name)]
        others = [n for n in tree.body if not isinstance(n, ast.FunctionDef) and not _is_docstring(n)]
        if len(functions) != 1 or others:
            raise GrammarError("expected one Python function of two numbers, such as def f(a, b): return a + b")
        names = [argument.arg for argument in functions[0].args.args]
        body = [node for node in functions[0].body if not _is_docstring(node)]
        if len(names) != 2 or len(body) != 1 or not isinstance(body[0], ast.Return) or body[0].value is None:
            raise GrammarError("expected a function of two numbers with one return, such as def f(a, b): return a + b")
        value: Any = body[0].value
        modulus = None
        if isinstance(value, ast.BinOp) and isinstance(value.op, ast.Mod):
            value, modulus = value.left, _whole(value.right)
        return cls(*_linear(value, names), modulus)


def _term(factor: int, name: str) -> tuple[str, str]:
    return "-" if factor < 0 else "+", name if abs(factor) == 1 else f"{abs(factor)} * {name}"


def _is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _whole(node: ast.expr) -> int:
    """A constant, or a power of constants."""
    match node:
        case ast.Constant(int(value)) if not isinstance(value, bool):
            return value
        case ast.UnaryOp(ast.USub(), inner):
            return -_whole(inner)
        case ast.BinOp(left, ast.Pow(), right):
            base, power = _whole(left), _whole(right)
            if abs(base) <= 1024 and 0 <= power <= 128:
                return int(base**power)
    raise GrammarError(f"expected a whole number, got {ast.unparse(node)}")


def _linear(node: ast.expr, names: list[str]) -> tuple[int, int, int]:
    """``p, q, r`` of what an expression adds up."""
    match node:
        case ast.Name(name) if name in names:
            return (1, 0, 0) if name == names[0] else (0, 1, 0)
        case ast.BinOp(left, ast.Add() | ast.Sub() as op, right):
            one, other = _linear(left, names), _linear(right, names)
            sign = 1 if isinstance(op, ast.Add) else -1
            p, q, r = (x + sign * y for x, y in zip(one, other, strict=True))
            return p, q, r
        case ast.UnaryOp(ast.USub(), inner):
            p, q, r = _linear(inner, names)
            return -p, -q, -r
        case ast.BinOp(left, ast.Mult(), right):
            number, inner = (left, right) if _is_number(left) else (right, left)
            factor = _whole(number)
            p, q, r = _linear(inner, names)
            return factor * p, factor * q, factor * r
        case ast.Constant() | ast.BinOp(_, ast.Pow(), _):
            return 0, 0, _whole(node)
    raise GrammarError(
        f"expected sums and differences of a and b with whole factors, and a remainder of that, got {ast.unparse(node)}"
    )


def _is_number(node: ast.expr) -> bool:
    return not any(isinstance(inner, ast.Name) for inner in ast.walk(node))


@dataclass(frozen=True)
class DigitMachine:
    """``program`` on ``operands``: states are carries, and a step reads the digits of both numbers.

    Beyond the digits of the operands it reads zeros. Raises DomainError where the answer of some pair has no such
    digits, and where ``operands`` has numbers up to anything but all of its digits.
    """

    program: NumberProgram
    operands: Operands

    def __post_init__(self) -> None:
        base, digits = self.operands.base, self.operands.shown_digits
        modulus = self.program.modulus
        if modulus is not None and modulus != base**digits:
            raise DomainError(f"expected a remainder by {base}**{digits}, as the answer has such digits, got {modulus}")
        if len(self.states) > MOST_STATES:
            raise DomainError(f"expected at most {MOST_STATES} carries, got {len(self.states)}: use smaller factors")
        if modulus is None and (digits < self.operands.digits or self.reached[digits] != (0,)):
            raise DomainError(
                f"{self.program.expression} is not always a number of {digits} digits from 0 on, as an answer is"
            )

    @cached_property
    def states(self) -> tuple[int, ...]:
        """Every carry that any digits lead to, in rising order."""
        return tuple(sorted({state for level in self.reached for state in level}))

    @cached_property
    def reached(self) -> tuple[tuple[int, ...], ...]:
        """The carries before each digit of the answer, and after the last."""
        levels: list[tuple[int, ...]] = [(self.program.r,)]
        for power in range(max(self.operands.shown_digits, self.operands.digits)):
            after = {self.step(state, a, b)[1] for state in levels[-1] for a in self.values(power)
                     for b in self.values(power)}  # fmt: skip
            levels.append(tuple(sorted(after)))
        return tuple(levels)

    def values(self, power: int) -> range:
        """The digits that an operand may have there; all are free of each other."""
        if power >= self.operands.digits:
            return range(1)
        top = self.operands.largest // self.operands.base**power % self.operands.base
        return range(top + 1) if self._is_cut(power) else range(self.operands.base)

    def answers(self, power: int) -> tuple[int, ...]:
        """The digits that an answer may have there, whatever the carry."""
        values = self.values(power)
        return tuple(sorted({self.step(s, a, b)[0] for s in self.states for a in values for b in values}))

    def _is_cut(self, power: int) -> bool:
        """Whether numbers end at this digit or before: below it all are free, as in numbers up to 4,999."""
        base, largest = self.operands.base, self.operands.largest
        if power and base**power > largest:
            return True  # a leading zero
        rest = largest % base**power
        if rest != base**power - 1:
            raise DomainError(f"expected a largest number such as 4999, whose last digits are all free, got {largest}")
        return bool(largest // base ** (power + 1) == 0)

    def step(self, state: int, a: int, b: int) -> tuple[int, int]:
        """The digit of the answer, and the carry."""
        carry, digit = divmod(self.program.p * a + self.program.q * b + state, self.operands.base)
        return digit, carry


def digits_shown(program: NumberProgram, operands: Operands, pair: Pair) -> tuple[str, ...]:
    """The tokens of the answer of ``program`` to a pair."""
    return operands.answer(program(*pair))
