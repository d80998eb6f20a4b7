"""What the operators of small problems do with plain values, one value at a time.

``tests/unit/cegis/test_quick_rows.py`` holds each equal to the row of ``dsl.theories`` that has its name, and the text
that ``printing`` writes for it to that row's text. What is not here goes the usual way: among it ``div`` and ``mod``,
since SMT-LIB leaves open what is divided by zero.
"""

from __future__ import annotations

import operator as plain

from cegis.quick.nodes import BOOL, INT, STRING, BeyondError, width_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Function = Callable[..., Any]
    Rows = dict[tuple[str, tuple[str, ...]], tuple[str, Function]]

MOST_BITS, MOST_LETTERS = 4_096, 4_000  # of a value: functions of the file may multiply and double again and again
INDICES = frozenset(map(str, range(128)))
_ROWS: dict[str, Rows] = {}


def find(name: str, sorts: tuple[str, ...]) -> tuple[str, Function] | None:
    """The sort of the result and the function, for arguments of these sorts; None where there is no such row here."""
    if name == "=" and len(sorts) == 2 and sorts[0] == sorts[1]:
        return BOOL, plain.eq
    if name == "ite" and len(sorts) == 3 and sorts[0] == BOOL and sorts[1] == sorts[2]:
        return sorts[1], _choice
    if name == "concat" or name.startswith("(_ "):
        return _of_parts(name, sorts)
    for sort in dict.fromkeys(sorts):
        if sort not in _ROWS:
            _ROWS[sort] = _made(sort)
        if (name, sorts) in _ROWS[sort]:
            return _ROWS[sort][name, sorts]
    return None


def _choice(condition: bool, then: Any, otherwise: Any) -> Any:
    return then if condition else otherwise


def _made(sort: str) -> Rows:
    if sort == BOOL:
        two = (BOOL, BOOL)
        return {
            ("not", (BOOL,)): (BOOL, plain.not_),
            ("and", two): (BOOL, plain.and_),
            ("or", two): (BOOL, plain.or_),
            ("xor", two): (BOOL, plain.ne),
            ("=>", two): (BOOL, plain.le),  # of two truth values
        }
    if sort == INT:
        return _integers()
    if sort == STRING:
        return _strings()
    return _words(width_of(sort), sort) if width_of(sort) else {}


def _integers() -> Rows:
    one, two = (INT,), (INT, INT)
    return {
        ("+", two): (INT, plain.add),
        ("-", two): (INT, plain.sub),
        ("-", one): (INT, plain.neg),
        ("*", two): (INT, _product),
        ("abs", one): (INT, abs),
        ("<=", two): (BOOL, plain.le),
        ("<", two): (BOOL, plain.lt),
        (">=", two): (BOOL, plain.ge),
        (">", two): (BOOL, plain.gt),
        ("str.from_int", one): (STRING, lambda number: str(number) if number >= 0 else ""),
    }


def _words(width: int, sort: str) -> Rows:
    """Words as the whole numbers from 0 below 2**width; division as in SMT-LIB, zero included."""
    mask, half = (1 << width) - 1, 1 << (width - 1)
    one, two = (sort,), (sort, sort)

    def signed(x: int) -> int:
        return x - ((x & half) << 1)

    def sdiv(x: int, y: int) -> int:
        x, y = signed(x), signed(y)
        if y == 0:
            return mask if x >= 0 else 1
        quotient = abs(x) // abs(y)
        return (quotient if (x < 0) == (y < 0) else -quotient) & mask

    def srem(x: int, y: int) -> int:
        x, y = signed(x), signed(y)
        rest = abs(x) % abs(y) if y else abs(x)
        return (rest if x >= 0 else -rest) & mask

    return {
        ("bvnot", one): (sort, lambda x: x ^ mask),
        ("bvneg", one): (sort, lambda x: -x & mask),
        ("bvand", two): (sort, plain.and_),
        ("bvor", two): (sort, plain.or_),
        ("bvxor", two): (sort, plain.xor),
        ("bvadd", two): (sort, lambda x, y: x + y & mask),
        ("bvsub", two): (sort, lambda x, y: x - y & mask),
        ("bvmul", two): (sort, lambda x, y: x * y & mask),
        ("bvudiv", two): (sort, lambda x, y: x // y if y else mask),
        ("bvurem", two): (sort, lambda x, y: x % y if y else x),
        ("bvsdiv", two): (sort, sdiv),
        ("bvsrem", two): (sort, srem),
        ("bvshl", two): (sort, lambda x, y: x << y & mask if y < width else 0),
        ("bvlshr", two): (sort, lambda x, y: x >> y if y < width else 0),
        ("bvashr", two): (sort, lambda x, y: signed(x) >> min(y, width) & mask),
        ("bvult", two): (BOOL, plain.lt),
        ("bvule", two): (BOOL, plain.le),
        ("bvugt", two): (BOOL, plain.gt),
        ("bvuge", two): (BOOL, plain.ge),
        ("bvslt", two): (BOOL, lambda x, y: x ^ half < y ^ half),
        ("bvsle", two): (BOOL, lambda x, y: x ^ half <= y ^ half),
        ("bvsgt", two): (BOOL, lambda x, y: x ^ half > y ^ half),
        ("bvsge", two): (BOOL, lambda x, y: x ^ half >= y ^ half),
    }


def _of_parts(name: str, sorts: tuple[str, ...]) -> tuple[str, Function] | None:
    """A row that makes a word of another width, by its name and numbers."""
    _, kind, *numbers = name.strip("()").split() if name != "concat" else ("_", name)
    widths = [width_of(sort) for sort in sorts]
    if not all(widths) or any(number not in INDICES for number in numbers):
        return None
    match kind, widths, list(map(int, numbers)):
        case "concat", [_, low], []:
            return _word(sum(widths)), lambda x, y: x << low | y
        case "extract", [width], [last, first] if first <= last < width:
            mask = (2 << last - first) - 1
            return _word(last - first + 1), lambda x: x >> first & mask
        case "zero_extend", [width], [more]:
            return _word(width + more), lambda x: x
        case "sign_extend", [width], [more]:
            high = (1 << width + more) - (1 << width)
            return _word(width + more), lambda x: x | high if x >> width - 1 else x
    return None


def _word(width: int) -> str:
    return f"(_ BitVec {width})"


def _strings() -> Rows:
    one, two, three = (STRING,), (STRING, STRING), (STRING, STRING, STRING)
    return {
        ("str.++", two): (STRING, lambda text, other: _short(text + other)),
        ("str.len", one): (INT, len),
        ("str.at", (STRING, INT)): (STRING, lambda text, place: text[place] if 0 <= place < len(text) else ""),
        ("str.substr", (STRING, INT, INT)): (STRING, _part),
        ("str.indexof", (STRING, STRING, INT)): (INT, _place),
        ("str.replace", three): (STRING, lambda text, part, new: _short(text.replace(part, new, 1))),
        ("str.prefixof", two): (BOOL, lambda part, text: text.startswith(part)),
        ("str.suffixof", two): (BOOL, lambda part, text: text.endswith(part)),
        ("str.contains", two): (BOOL, plain.contains),
        ("str.to_int", one): (INT, lambda text: int(_short(text)) if text.isascii() and text.isdigit() else -1),
    }


def _product(x: int, y: int) -> int:
    if x.bit_length() + y.bit_length() > MOST_BITS:
        raise BeyondError
    return x * y


def _short(text: str) -> str:
    if len(text) > MOST_LETTERS:
        raise BeyondError
    return text


def _part(text: str, start: int, length: int) -> str:
    return text[start : start + length] if 0 <= start < len(text) and length > 0 else ""


def _place(text: str, part: str, start: int) -> int:
    return text.find(part, start) if 0 <= start <= len(text) else -1
