"""Rows between bit-vectors and integers: SMT-LIB 2.7's ``ubv_to_int``, ``sbv_to_int``, ``(_ int_to_bv n)``, and what
these were called before (``bv2nat``, ``bv2int``, ``(_ int2bv n)``, ``(_ nat2bv n)``): each name is a row of its own, so
that an answer prints the names of its file.

A word is the number from 0 below 2**width that its bits spell, or with its sign in two's complement; a number becomes
the word of its remainder modulo 2**n. On machine words a number of 64 bits or more wraps around, as all numbers do.

PySMT has a node for ``ubv_to_int`` alone, and solvers are weak where a number is made of a word made of a number. But
remainders modulo 2**n commute with + - * and conditionals. So the word of a number is built of the words of its parts,
and of a number that is no more than a name, bit by bit from its quotients by powers of two; the number of a word is
built of the numbers of its parts, and of a word that was a number it is the remainder of that.
"""

from __future__ import annotations

from functools import cache
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from dsl.operators import INT, Operator, Sort, bitvector
from dsl.references import maker
from dsl.theories.bitvectors import SIGNED

UNSIGNED_NAMES = ("ubv_to_int", "bv2nat", "bv2int")
SIGNED_NAMES = ("sbv_to_int",)
WORD_NAMES = ("int_to_bv", "int2bv", "nat2bv")  # with one index, the width
NAMES = (*UNSIGNED_NAMES, *SIGNED_NAMES, *WORD_NAMES)
MOST_BITS = 1_024  # of a word that a number becomes
_NUMBERS: WeakKeyDictionary[Any, dict[Any, Any]] = WeakKeyDictionary()  # per formula manager, what a word was made of


def find(name: str, sorts: tuple[Sort, ...]) -> Operator | None:
    """The row called ``name``, such as ``ubv_to_int`` or ``(_ int_to_bv 8)``, for an argument of this sort, if any."""
    if len(sorts) != 1:
        return None
    (sort,) = sorts
    if sort.width and name in (*UNSIGNED_NAMES, *SIGNED_NAMES):
        return _number(name, sort.width)
    if sort == INT and name.startswith("(_ "):
        kind, _, index = name[3:-1].partition(" ")
        if kind in WORD_NAMES and index.isascii() and index.isdecimal() and 0 < int(index) <= MOST_BITS:
            return _word(kind, int(index))
    return None


@cache
@maker
def _number(name: str, width: int) -> Operator:
    is_signed = name in SIGNED_NAMES
    half, span = 2 ** (width - 1), 2**width

    def numpy(inputs: Any, x: NDArray[Any]) -> Any:
        if x.dtype == object or inputs.exact:
            numbers = np.asarray(x).astype(object)
            if is_signed:
                numbers = np.where(np.greater_equal(numbers, half), numbers - span, numbers)
            return numbers if inputs.exact else _wrapped(numbers)
        spare = 64 - width
        return (x << spare).view(np.int64) >> spare if is_signed else x.view(np.int64)

    def smt(s: Any, x: Any) -> Any:
        number = _number_of(s.manager, x, {})
        if not is_signed:
            return number
        is_negative = s.manager.BVULE(s.manager.BV(half, width), x)
        return s.manager.Ite(is_negative, s.manager.Minus(number, s.manager.Int(span)), number)

    python, helper = (f"signed(_0, {width})", SIGNED) if is_signed else ("int(_0)", "")
    return Operator(name, (bitvector(width),), INT, numpy, smt, python, noun="number", helper=helper)


@cache
@maker
def _word(kind: str, width: int) -> Operator:
    sort, mask = bitvector(width), 2**width - 1

    def numpy(_: Any, x: NDArray[Any]) -> Any:
        if x.dtype == object or width > 64:
            return np.asarray(np.bitwise_and(x.astype(object), mask), object)
        return x.astype(np.uint64) & mask

    return Operator(
        f"(_ {kind} {width})",
        (INT,),
        sort,
        numpy,
        lambda s, x: _word_of(s.manager, x, width),
        f"_0 & 0x{mask:X}",
        noun="word",
    )


def _wrapped(numbers: NDArray[Any]) -> NDArray[Any]:
    """Python's numbers as machine words, which wrap around."""
    return np.asarray(np.bitwise_and(numbers, 2**64 - 1), object).astype(np.uint64).view(np.int64)


def _number_of(manager: Any, word: Any, known: dict[Any, Any]) -> Any:
    """The number that a formula's word spells."""
    if word not in known:
        known[word] = _number_anew(manager, word, known)
    return known[word]


def _number_anew(manager: Any, word: Any, known: dict[Any, Any]) -> Any:
    from pysmt.operators import BV_ADD, BV_SUB, BV_ZEXT

    parts, kind = word.args(), word.node_type()
    if word.is_bv_constant():
        return manager.Int(int(word.constant_value()))
    if word.is_ite():
        return manager.Ite(parts[0], *(_number_of(manager, part, known) for part in parts[1:]))
    if kind == BV_ZEXT:
        return _number_of(manager, parts[0], known)
    number = _NUMBERS.get(manager, {}).get(word)
    if number is None and kind in (BV_ADD, BV_SUB):
        join = manager.Plus if kind == BV_ADD else manager.Minus
        number = join(*(_number_of(manager, part, known) for part in parts))
    if number is None:
        return manager.BVToNatural(word)
    span = manager.Int(2 ** word.bv_width())
    return manager.Minus(number, manager.Times(span, manager.Div(number, span)))


def _word_of(manager: Any, number: Any, width: int) -> Any:
    """The word of ``width`` bits of a formula's number, of which it is remembered that it was one."""
    word = _cut(manager, number, width, {})
    if word.args() and not (number.args() and number.args()[0] is word):
        _NUMBERS.setdefault(manager, {}).setdefault(word, number)
    return word


def _cut(manager: Any, number: Any, width: int, known: dict[Any, Any]) -> Any:
    """The word of ``width`` bits of a formula's number modulo 2**width."""
    if number not in known:
        known[number] = _cut_anew(manager, number, width, known)
    return known[number]


def _cut_anew(manager: Any, number: Any, width: int, known: dict[Any, Any]) -> Any:
    from pysmt.operators import BV_TONATURAL

    parts = number.args()
    if number.is_int_constant():
        return manager.BV(int(number.constant_value()) % 2**width, width)
    if number.node_type() == BV_TONATURAL:
        return _resized(manager, parts[0], width)
    if number.is_ite():
        return manager.Ite(parts[0], *(_cut(manager, part, width, known) for part in parts[1:]))
    if number.is_plus() or number.is_minus() or number.is_times():
        words = [_cut(manager, part, width, known) for part in parts]
        joined = words[0]
        for word in words[1:]:
            make = manager.BVAdd if number.is_plus() else manager.BVSub if number.is_minus() else manager.BVMul
            joined = make(joined, word)
        return joined
    return _spelled(manager, number, width)


def _resized(manager: Any, word: Any, width: int) -> Any:
    """``word`` cut to ``width`` bits, or with zeros before it."""
    own = word.bv_width()
    if own < width:
        return manager.BVZExt(word, width - own)
    return word if own == width else manager.BVExtract(word, 0, width - 1)


def _spelled(manager: Any, number: Any, width: int) -> Any:
    """Bit by bit: bit i is odd(number div 2**i)."""
    word = None
    for place in range(width):
        quotient = manager.Div(number, manager.Int(2**place)) if place else number
        even = manager.Times(manager.Int(2), manager.Div(quotient, manager.Int(2)))
        bit = manager.Ite(manager.Equals(quotient, even), manager.BV(0, 1), manager.BV(1, 1))
        word = bit if word is None else manager.BVConcat(bit, word)
    return word
