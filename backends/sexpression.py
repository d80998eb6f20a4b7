"""What a solver program prints: s-expressions, and the values of Booleans, numbers, bit-vectors and strings.

Reading follows SMT-LIB 2.6 (section 3.1) and takes the dialects seen in the wild: ``-5`` for ``(- 5)``, ``1/3``, and
whole numbers without ``.0`` among reals. A string is quoted, a quote in it doubled, and ``\\u{e9}`` or ``\\u00e9`` is
one character of it. Anything else is no value: a ValueError, never a guess.
"""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Any

from backends.answer import Value

Expression = str | list[Any]  # a token as printed, or a list of expressions

TOKEN = re.compile(r'[()]|"(?:[^"]|"")*"|\|[^|]*\||;[^\n\r]*|[^\s()";|]+|(\S)')
NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+|/[0-9]+)?")
CHARACTER = re.compile(r"\\u(?:\{([0-2]?[0-9a-fA-F]{1,4})\}|([0-9a-fA-F]{4}))")


def read(text: str) -> list[Expression]:
    """Every top-level expression of ``text``, comments left out; raises ValueError where brackets do not match.

    >>> read('sat ((x (- 5)) (p true)) "a b"')
    ['sat', [['x', ['-', '5']], ['p', 'true']], '"a b"']
    """
    stack: list[list[Expression]] = [[]]
    for match in TOKEN.finditer(text):
        token = match.group()
        if match.group(1):
            raise ValueError(f"expected an SMT-LIB token, got {token!r}")
        if token == "(":
            stack.append([])
        elif token == ")":
            if len(stack) == 1:
                raise ValueError("a closing bracket without an opening one")
            closed = stack.pop()
            stack[-1].append(closed)
        elif not token.startswith(";"):
            stack[-1].append(token)
    if len(stack) > 1:
        raise ValueError("an opening bracket without a closing one")
    return stack[0]


def shown(expression: Expression) -> str:
    """``expression`` as text on one line.

    >>> shown(["-", "5"])
    '(- 5)'
    """
    return expression if isinstance(expression, str) else f"({' '.join(map(shown, expression))})"


def value(expression: Expression, sort: Any) -> Value:
    """The Python value of a constant of a pySMT type; raises ValueError when it is not one."""
    if sort.is_bool_type() and expression in ("true", "false"):
        return expression == "true"
    if sort.is_bv_type():
        return _bits(expression, sort.width)
    if sort.is_string_type():
        return _text(expression)
    if sort.is_int_type():
        number = _number(expression)
        if number.denominator == 1:
            return int(number)
    if sort.is_real_type():
        return _number(expression)
    raise ValueError(f"expected a value of type {sort}, got {shown(expression)[:200]!r}")


def _number(expression: Expression) -> Fraction:
    match expression:
        case str() if NUMBER.fullmatch(expression) and not re.search(r"/0+$", expression):
            return Fraction(expression)
        case ["-", part]:
            return -_number(part)
        case ["/", top, bottom] if _number(bottom) != 0:
            return _number(top) / _number(bottom)
        case ["to_real", part]:
            return _number(part)
    raise ValueError(f"expected a number, got {shown(expression)[:200]!r}")


def _text(expression: Expression) -> str:
    if isinstance(expression, str) and len(expression) > 1 and expression[0] == expression[-1] == '"':
        return CHARACTER.sub(lambda found: chr(int(found[1] or found[2], 16)), expression[1:-1].replace('""', '"'))
    raise ValueError(f"expected a quoted text, got {shown(expression)[:200]!r}")


def _bits(expression: Expression, width: int) -> int:
    match expression:
        case str() if re.fullmatch(r"#b[01]+", expression) and len(expression) - 2 == width:
            return int(expression[2:], 2)
        case str() if re.fullmatch(r"#x[0-9a-fA-F]+", expression) and 4 * (len(expression) - 2) == width:
            return int(expression[2:], 16)
        case ["_", str(number), str(size)] if re.fullmatch(r"bv[0-9]+", number) and size == str(width):
            if int(number[2:]) < 1 << width:
                return int(number[2:])
    raise ValueError(f"expected {width} bits, got {shown(expression)[:200]!r}")
