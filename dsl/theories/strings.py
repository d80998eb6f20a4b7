"""Rows of SMT-LIB's strings (2.6, Unicode): arrays of Python's own ``str``, one code point per character.

Positions outside a string give "" (``str.at``, ``str.substr``) or -1 (``str.indexof``); see the helpers, which are the
definitions: the numpy readings run the same functions on every element. PySMT has no node for ``str.<``, ``str.<=``,
``str.replace_all``, ``str.to_code`` and ``str.from_code``: their proofs raise GrammarError, which says so.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dsl.operators import BOOL, INT, STRING, GrammarError, Operator, Sort
from dsl.scalars import LAST_CODE

CHAR_AT = """
def char_at(text, place):
    return text[place] if 0 <= place < len(text) else ""
"""
SUBSTR = """
def substr(text, start, length):
    return text[start:start + length] if 0 <= start < len(text) and length > 0 else ""
"""
INDEXOF = """
def indexof(text, part, start):
    return text.find(part, start) if 0 <= start <= len(text) else -1
"""
REPLACE_ALL = """
def replace_all(text, part, new):
    return text.replace(part, new) if part else text
"""
TO_INT = """
def to_int(text):
    return int(text) if text.isascii() and text.isdigit() else -1
"""
FROM_INT = """
def from_int(number):
    return str(number) if number >= 0 else ""
"""
IS_DIGIT = """
def is_digit(text):
    return len(text) == 1 and "0" <= text <= "9"
"""
TO_CODE = """
def to_code(text):
    return ord(text) if len(text) == 1 else -1
"""
FROM_CODE = f"""
def from_code(code):
    return chr(code) if 0 <= code <= {LAST_CODE} else ""
"""


def _row(
    name: str,
    arguments: tuple[Sort, ...],
    result: Sort,
    function: Callable[..., Any],
    smt: Callable[..., Any],
    python: str,
    noun: str,
    helper: str = "",
) -> Operator:
    """A row whose numpy reading applies ``function`` to every element."""
    elementwise = np.frompyfunc(function, len(arguments), 1)

    def numpy(inputs: Any, *arrays: NDArray[Any]) -> Any:
        values = elementwise(*arrays)
        if result == INT and not inputs.exact:
            return _word(values)
        return values.astype(bool) if result == BOOL else values

    return Operator(name, arguments, result, numpy, smt, python, noun=noun, helper=helper)


def _word(values: NDArray[Any]) -> NDArray[np.int64]:
    """Python's numbers as machine words, wrapped around."""
    try:
        return values.astype(np.int64)
    except OverflowError:
        return ((values + 2**63) % 2**64 - 2**63).astype(np.int64)


def _called(helper: str) -> Callable[..., Any]:
    """The function that a helper's text defines."""
    scope: dict[str, Any] = {}
    exec(helper, scope)
    function: Callable[..., Any] = next(value for name, value in scope.items() if name != "__builtins__")
    return function


def _helped(
    name: str, arguments: tuple[Sort, ...], result: Sort, helper: str, smt: Callable[..., Any], noun: str
) -> Operator:
    """A row that is its helper."""
    function = _called(helper)
    holes = ", ".join(f"_{place}" for place in range(len(arguments)))
    return _row(name, arguments, result, function, smt, f"{function.__name__}({holes})", noun, helper)


def _missing(name: str) -> Callable[..., Any]:
    def smt(*_: Any) -> Any:
        raise GrammarError(f"PySMT cannot say {name}, so nothing can be proved about it; take another operator")

    return smt


def _is_digit(s: Any, text: Any) -> Any:
    is_single = s.manager.Equals(s.manager.StrLength(text), s.manager.Int(1))
    return s.manager.And(is_single, s.manager.GE(s.manager.StrToInt(text), s.manager.Int(0)))


ROWS = (
    Operator(
        "str.++",
        (STRING, STRING),
        STRING,
        numpy=lambda _, x, y: np.add(x, y),
        smt=lambda s, x, y: s.manager.StrConcat(x, y),
        python="_0 + _1",
        noun="text",
    ),
    _row("str.len", (STRING,), INT, len, lambda s, x: s.manager.StrLength(x), "len(_0)", "length"),
    _helped("str.at", (STRING, INT), STRING, CHAR_AT, lambda s, x, i: s.manager.StrCharAt(x, i), "character"),
    _helped("str.substr", (STRING, INT, INT), STRING, SUBSTR, lambda s, x, i, n: s.manager.StrSubstr(x, i, n), "part"),
    _helped(
        "str.indexof", (STRING, STRING, INT), INT, INDEXOF, lambda s, x, y, i: s.manager.StrIndexOf(x, y, i), "place"
    ),
    _row(
        "str.replace",
        (STRING, STRING, STRING),
        STRING,
        lambda text, part, new: text.replace(part, new, 1),
        lambda s, x, y, z: s.manager.StrReplace(x, y, z),
        "_0.replace(_1, _2, 1)",
        "text",
    ),
    _helped("str.replace_all", (STRING, STRING, STRING), STRING, REPLACE_ALL, _missing("str.replace_all"), "text"),
    _row(
        "str.prefixof",
        (STRING, STRING),
        BOOL,
        lambda part, text: text.startswith(part),
        lambda s, x, y: s.manager.StrPrefixOf(x, y),
        "_1.startswith(_0)",
        "flag",
    ),
    _row(
        "str.suffixof",
        (STRING, STRING),
        BOOL,
        lambda part, text: text.endswith(part),
        lambda s, x, y: s.manager.StrSuffixOf(x, y),
        "_1.endswith(_0)",
        "flag",
    ),
    _row(
        "str.contains",
        (STRING, STRING),
        BOOL,
        lambda text, part: part in text,
        lambda s, x, y: s.manager.StrContains(x, y),
        "_1 in _0",
        "flag",
    ),
    _row("str.<", (STRING, STRING), BOOL, lambda x, y: x < y, _missing("str.<"), "_0 < _1", "flag"),
    _row("str.<=", (STRING, STRING), BOOL, lambda x, y: x <= y, _missing("str.<="), "_0 <= _1", "flag"),
    _helped("str.is_digit", (STRING,), BOOL, IS_DIGIT, _is_digit, "flag"),
    _helped("str.to_int", (STRING,), INT, TO_INT, lambda s, x: s.manager.StrToInt(x), "number"),
    _helped("str.from_int", (INT,), STRING, FROM_INT, lambda s, x: s.manager.IntToStr(x), "text"),
    _helped("str.to_code", (STRING,), INT, TO_CODE, _missing("str.to_code"), "code"),
    _helped("str.from_code", (INT,), STRING, FROM_CODE, _missing("str.from_code"), "character"),
)
