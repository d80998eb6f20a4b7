"""Rows of SMT-LIB's fixed-width bit-vectors, for any width.

A value is the whole number from 0 below 2**width that its bits spell: ``uint64`` words up to 64 bits, Python's own
numbers above; the same readings serve both, because every result is masked. Division is SMT-LIB's: by zero, bvudiv
is all ones and bvurem its first argument; the signed ones follow from these. A shift by the width or more leaves
nothing but the sign.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dsl.operators import BOOL, Operator, Sort, bitvector
from dsl.references import maker

Words = NDArray[Any]

SIGNED = """
def signed(x, width):
    return x - (x >> (width - 1) << width)
"""
BVUDIV = """
def bvudiv(x, y, width):
    return x // y if y else (1 << width) - 1
"""
BVUREM = """
def bvurem(x, y):
    return x % y if y else x
"""
BVSDIV = f"""{SIGNED}
def bvsdiv(x, y, width):
    x, y = signed(x, width), signed(y, width)
    if y == 0:
        return (1 << width) - 1 if x >= 0 else 1
    quotient = abs(x) // abs(y)
    return (quotient if (x < 0) == (y < 0) else -quotient) & ((1 << width) - 1)
"""
BVSREM = f"""{SIGNED}
def bvsrem(x, y, width):
    x, y = signed(x, width), signed(y, width)
    rest = abs(x) % abs(y) if y else abs(x)
    return (rest if x >= 0 else -rest) & ((1 << width) - 1)
"""
BVSMOD = f"""{SIGNED}
def bvsmod(x, y, width):
    x, y = signed(x, width), signed(y, width)
    return (x % y if y else x) & ((1 << width) - 1)
"""
EXTRACT = """
def extract(x, high, low):
    return (x >> low) & ((1 << (high - low + 1)) - 1)
"""
CONCAT = """
def concat(x, y, width):
    return (x << width) | y
"""
ROTATE_LEFT = """
def rotate_left(x, places, width):
    return ((x << places) | (x >> (width - places))) & ((1 << width) - 1)
"""
ROTATE_RIGHT = """
def rotate_right(x, places, width):
    return ((x >> places) | (x << (width - places))) & ((1 << width) - 1)
"""
INDEXED = {"extract": 2, "zero_extend": 1, "sign_extend": 1, "rotate_left": 1, "rotate_right": 1}


def find(name: str, sorts: tuple[Sort, ...]) -> Operator | None:
    """The row called ``name``, such as ``bvadd`` or ``(_ extract 7 0)``, for bit-vectors of these sorts, if any."""
    if not sorts or not all(sort.width for sort in sorts):
        return None
    if name == "concat" and len(sorts) == 2:
        return _concat(sorts[0].width, sorts[1].width)
    if name.startswith("(_ ") and len(sorts) == 1:
        kind, _, rest = name[3:-1].partition(" ")
        indices = rest.split()
        if INDEXED.get(kind) == len(indices) and all(index.isascii() and index.isdecimal() for index in indices):
            return _indexed(kind, tuple(map(int, indices)), sorts[0].width)
    return next((row for row in rows(sorts[0].width) if row.name == name and row.arguments == sorts), None)


@cache
@maker
def rows(width: int) -> tuple[Operator, ...]:
    """The rows without indices whose arguments all have ``width`` bits."""
    return (*_bitwise(width), *_arithmetic(width), *_division(width), *_shifts(width), *_comparisons(width))


def _row(
    name: str,
    width: int,
    numpy: Callable[..., Any],
    smt: Callable[..., Any],
    python: str,
    *,
    arity: int = 2,
    result: Sort | None = None,
    **more: Any,
) -> Operator:
    """A row on ``arity`` words; its result is a word of the same width unless said otherwise."""
    sort = bitvector(width)
    noun = "flag" if result == BOOL else "word"
    return Operator(name, (sort,) * arity, result or sort, numpy, smt, python, noun=noun, **more)


def _masked(values: Words, width: int) -> Words:
    """Fresh values cut to ``width`` bits, in place; machine words of 64 bits are cut already."""
    if width != 64 or values.dtype == object:
        values &= 2**width - 1
    return values


def _bitwise(width: int) -> Iterator[Operator]:
    mask, ones = 2**width - 1, _ones(width)
    yield _row("bvnot", width, lambda _, x: x ^ mask, lambda s, x: s.manager.BVNot(x), f"~_0 & {ones}", arity=1)
    for name, numpy, smt, python in (
        ("bvand", lambda _, x, y: x & y, lambda s, x, y: s.manager.BVAnd(x, y), "_0 & _1"),
        ("bvor", lambda _, x, y: x | y, lambda s, x, y: s.manager.BVOr(x, y), "_0 | _1"),
        ("bvxor", lambda _, x, y: x ^ y, lambda s, x, y: s.manager.BVXor(x, y), "_0 ^ _1"),
        ("bvnand", lambda _, x, y: (x & y) ^ mask, lambda s, x, y: s.manager.BVNand(x, y), f"(~_0 | ~_1) & {ones}"),
        ("bvnor", lambda _, x, y: (x | y) ^ mask, lambda s, x, y: s.manager.BVNor(x, y), f"~_0 & ~_1 & {ones}"),
        ("bvxnor", lambda _, x, y: x ^ y ^ mask, lambda s, x, y: s.manager.BVXnor(x, y), f"(_0 ^ ~_1) & {ones}"),
    ):
        yield _row(name, width, numpy, smt, python, commutative=True)


def _arithmetic(width: int) -> Iterator[Operator]:
    ones = _ones(width)
    for name, numpy, smt, sign in (
        ("bvadd", lambda _, x, y: _masked(x + y, width), lambda s, x, y: s.manager.BVAdd(x, y), "+"),
        ("bvsub", lambda _, x, y: _masked(x - y, width), lambda s, x, y: s.manager.BVSub(x, y), "-"),
        ("bvmul", lambda _, x, y: _masked(x * y, width), lambda s, x, y: s.manager.BVMul(x, y), "*"),
    ):
        yield _row(name, width, numpy, smt, f"(_0 {sign} _1) & {ones}", commutative=sign != "-")
    yield _row(
        "bvneg", width, lambda _, x: _masked(-x, width), lambda s, x: s.manager.BVNeg(x), f"-_0 & {ones}", arity=1
    )


def _division(width: int) -> Iterator[Operator]:
    mask = 2**width - 1

    def negative(x: Words) -> Words:
        return np.asarray(np.greater(x, mask >> 1))

    def negated(x: Words, where: Words) -> Words:
        return np.where(where, -x & mask, x)

    def udiv(x: Words, y: Words) -> Words:
        return np.where(np.equal(y, 0), mask, x // np.where(np.equal(y, 0), 1, y))

    def urem(x: Words, y: Words) -> Words:
        return np.where(np.equal(y, 0), x, x % np.where(np.equal(y, 0), 1, y))

    def sdiv(x: Words, y: Words) -> Words:
        return negated(udiv(negated(x, negative(x)), negated(y, negative(y))), negative(x) != negative(y))

    def srem(x: Words, y: Words) -> Words:
        return negated(urem(negated(x, negative(x)), negated(y, negative(y))), negative(x))

    def smod(x: Words, y: Words) -> Words:
        rest = srem(x, y)
        return np.where((negative(x) != negative(y)) & np.not_equal(rest, 0), (rest + y) & mask, rest)

    for name, numpy, python, helper in (
        ("bvudiv", udiv, f"bvudiv(_0, _1, {width})", BVUDIV),
        ("bvurem", urem, "bvurem(_0, _1)", BVUREM),
        ("bvsdiv", sdiv, f"bvsdiv(_0, _1, {width})", BVSDIV),
        ("bvsrem", srem, f"bvsrem(_0, _1, {width})", BVSREM),
        ("bvsmod", smod, f"bvsmod(_0, _1, {width})", BVSMOD),
    ):
        node = {"bvudiv": "BVUDiv", "bvurem": "BVURem", "bvsdiv": "BVSDiv", "bvsrem": "BVSRem", "bvsmod": "BVSMod"}
        yield _row(
            name,
            width,
            lambda _, x, y, numpy=numpy: numpy(x, y),
            lambda s, x, y, node=node[name]: getattr(s.manager, node)(x, y),
            python,
            helper=helper,
        )


def _shifts(width: int) -> Iterator[Operator]:
    ones = _ones(width)

    def left(_: Any, x: Words, y: Words) -> Words:
        return _masked(np.left_shift(*_shiftable(x, y, width)), width)

    def right(_: Any, x: Words, y: Words) -> Words:
        return np.asarray(np.right_shift(*_shiftable(x, y, width)))

    def signed_right(_: Any, x: Words, y: Words) -> Words:
        x, y = _shiftable(x, y, width)
        if x.dtype == object:
            return _masked(x - (x >> width - 1 << width) >> y, width)
        spare = 64 - width
        return _masked(((x << spare).view(np.int64) >> spare >> y.view(np.int64)).view(np.uint64), width)

    yield _row("bvshl", width, left, lambda s, x, y: s.manager.BVLShl(x, y), f"(_0 << min(_1, {width})) & {ones}")
    yield _row("bvlshr", width, right, lambda s, x, y: s.manager.BVLShr(x, y), "_0 >> _1")
    yield _row(
        "bvashr",
        width,
        signed_right,
        lambda s, x, y: s.manager.BVAShr(x, y),
        f"(signed(_0, {width}) >> _1) & {ones}",
        helper=SIGNED,
    )


def _shiftable(x: Words, y: Words, width: int) -> tuple[Words, Words]:
    """Alike: machine words, where too many places leave 0 or the sign, or Python's numbers by at most the width."""
    if object not in (x.dtype, y.dtype):
        return x, y
    return x.astype(object), np.minimum(y.astype(object), width)


def _comparisons(width: int) -> Iterator[Operator]:
    flip = 1 << width - 1  # exchanges the order of negative and other words
    for end, function, sign in (
        ("LT", np.less, "<"),
        ("LE", np.less_equal, "<="),
        ("GT", np.greater, ">"),
        ("GE", np.greater_equal, ">="),
    ):
        yield _row(
            f"bvu{end.lower()}",
            width,
            lambda _, x, y, function=function: function(x, y),
            lambda s, x, y, node=f"BVU{end}": getattr(s.manager, node)(x, y),
            f"_0 {sign} _1",
            result=BOOL,
        )
        yield _row(
            f"bvs{end.lower()}",
            width,
            lambda _, x, y, function=function: function(x ^ flip, y ^ flip),
            lambda s, x, y, node=f"BVS{end}": getattr(s.manager, node)(x, y),
            f"signed(_0, {width}) {sign} signed(_1, {width})",
            result=BOOL,
            helper=SIGNED,
        )
    yield _row(
        "bvcomp",
        width,
        lambda _, x, y: np.where(np.equal(x, y), np.uint64(1), np.uint64(0)),
        lambda s, x, y: s.manager.BVComp(x, y),
        "int(_0 == _1)",
        result=bitvector(1),
        commutative=True,
    )


# --- rows that change the width ---------------------------------------------------------------------------------


@cache
@maker
def _concat(high: int, low: int) -> Operator:
    sort = bitvector(high + low)
    return Operator(
        "concat",
        (bitvector(high), bitvector(low)),
        sort,
        numpy=lambda _, x, y: _fitting(x, sort) << low | y,
        smt=lambda s, x, y: s.manager.BVConcat(x, y),
        python=f"concat(_0, _1, {low})",
        noun="word",
        helper=CONCAT,
    )


@cache
@maker
def _indexed(kind: str, indices: tuple[int, ...], width: int) -> Operator | None:
    """A row whose name holds numbers; None where they do not fit the width."""
    match kind, indices:
        case "extract", (high, low) if width > high >= low:
            return _extract(high, low, width)
        case "zero_extend", (more,):
            sort = bitvector(width + more)
            numpy, smt = lambda _, x: _fitting(x, sort), lambda s, x: s.manager.BVZExt(x, more)
            python, helper = "int(_0)", ""
        case "sign_extend", (more,):
            sort = bitvector(width + more)
            numpy, smt = lambda _, x: _sign_extended(x, width, sort), lambda s, x: s.manager.BVSExt(x, more)
            python, helper = f"signed(_0, {width}) & {_ones(width + more)}", SIGNED
        case ("rotate_left" | "rotate_right", (steps,)):
            return _rotation(kind, steps, width)
        case _:
            return None
    name = f"(_ {kind} {indices[0]})"
    return Operator(name, (bitvector(width),), sort, numpy, smt, python, noun="word", helper=helper)


def _rotation(kind: str, steps: int, width: int) -> Operator:
    sort, places, is_left = bitvector(width), steps % width, kind == "rotate_left"
    left = places if is_left else -places % width
    node = "BVRol" if is_left else "BVRor"
    return Operator(
        f"(_ {kind} {steps})",
        (sort,),
        sort,
        numpy=lambda _, x: x if not left else x << left & 2**width - 1 | x >> width - left,
        smt=lambda s, x: getattr(s.manager, node)(x, places),
        python=f"{kind}(_0, {places}, {width})",
        noun="word",
        helper=ROTATE_LEFT if is_left else ROTATE_RIGHT,
    )


def _extract(high: int, low: int, width: int) -> Operator:
    sort = bitvector(high - low + 1)
    return Operator(
        f"(_ extract {high} {low})",
        (bitvector(width),),
        sort,
        numpy=lambda _, x: _narrowed(x >> low & 2**sort.width - 1, width, sort),
        smt=lambda s, x: s.manager.BVExtract(x, low, high),
        python=f"extract(_0, {high}, {low})",
        noun="word",
        helper=EXTRACT,
    )


def _sign_extended(x: Words, width: int, sort: Sort) -> Words:
    wide = _fitting(x, sort)
    return np.where(np.greater(x, 2**width - 1 >> 1), wide | 2**sort.width - 2**width, wide)


def _fitting(x: Words, sort: Sort) -> Words:
    """Words, as Python's numbers where machine words are too narrow for ``sort``."""
    return x.astype(object) if sort.dtype == "object" else x


def _narrowed(x: Words, width: int, sort: Sort) -> Words:
    """Words cut out of Python's numbers, as machine words where these are wide enough now."""
    return x.astype(sort.dtype) if width > 64 else x


def _ones(width: int) -> str:
    return f"0x{2**width - 1:X}"
