"""The twenty bit tricks that synthesis is measured on: formulas of Warren's book, by 32-bit words.

Henry S. Warren, Hacker's Delight (2002), chapters 2 to 5, in the choice and order of Gulwani, Jha, Tiwari and
Venkatesan (PLDI 2011, P1 to P20). A problem states the formula and asks for it in one grammar of all operators of
words, whatever the formula needs: the hardest setting of that paper's followers. Texts and grammars are our own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks.sygus_suite.language import BOOL, Expression, SygusProblem, apply, declare, function, ite, problem
from dsl.operators import Sort, bitvector

WORD = bitvector(32)
TOP = 31
UNARY = ("bvnot", "bvneg")
BINARY = ("bvand", "bvor", "bvxor", "bvadd", "bvsub", "bvmul", "bvudiv", "bvlshr", "bvashr", "bvshl")


def _asked(
    names: str,
    formula: Callable[..., Expression],
    constants: tuple[int, ...] = (0, 1, TOP),
    result: Sort = WORD,
    *,
    tests: bool = False,
) -> SygusProblem:
    """``f`` over words of these names, equal to ``formula`` of them; with ``tests`` a comparison is 1 or 0 as well."""
    words = declare(**dict.fromkeys(names.split(), WORD))
    f = function("f", result, *words)
    operators = [*((name, "Word") for name in UNARY), *((name, "Word", "Word") for name in BINARY)]
    comparisons = [("bvule", "Word", "Word"), ("bvult", "Word", "Word"), ("=", "Word", "Word")]
    test = (BOOL, [*comparisons, ("not", "Test"), ("and", "Test", "Test"), ("or", "Test", "Test")])
    rules: dict[str, tuple[Sort, list[Any]]] = {"Word": (WORD, [*words, *constants, *operators])}
    if result == BOOL:
        rules = {"Test": test, **rules}
    elif tests:
        rules["Word"][1].append(("ite", "Test", "One", "Zero"))
        rules |= {"Test": test, "One": (WORD, [1]), "Zero": (WORD, [0])}
    return problem("BV", [f], list(words), [f(*words) == formula(*words)], {"f": rules})


def _signs(x: Expression) -> Expression:
    """All bits the highest one of ``x``."""
    return apply("bvashr", x, (x ^ x) + TOP)


def p01() -> SygusProblem:
    """Turns off the rightmost 1."""
    return _asked("x", lambda x: x & (x - 1))


def p02() -> SygusProblem:
    """Is 0 just for 2^n - 1."""
    return _asked("x", lambda x: x & (x + 1))


def p03() -> SygusProblem:
    """Isolates the rightmost 1."""
    return _asked("x", lambda x: x & -x)


def p04() -> SygusProblem:
    """A mask of the rightmost 1 and the 0s behind it."""
    return _asked("x", lambda x: x ^ (x - 1))


def p05() -> SygusProblem:
    """Propagates the rightmost 1 to the right."""
    return _asked("x", lambda x: x | (x - 1))


def p06() -> SygusProblem:
    """Turns on the rightmost 0."""
    return _asked("x", lambda x: x | (x + 1))


def p07() -> SygusProblem:
    """Isolates the rightmost 0."""
    return _asked("x", lambda x: ~x & (x + 1))


def p08() -> SygusProblem:
    """A mask of the 0s at the right."""
    return _asked("x", lambda x: ~x & (x - 1))


def p09() -> SygusProblem:
    """The absolute value."""
    return _asked("x", lambda x: (x ^ _signs(x)) - _signs(x))


def p10() -> SygusProblem:
    """Whether two words have as many 0s at the left."""
    return _asked("x y", lambda x, y: (x ^ y) <= (x & y), result=BOOL)


def p11() -> SygusProblem:
    """Whether the first word has fewer 0s at the left."""
    return _asked("x y", lambda x, y: (x & ~y) > y, result=BOOL)


def p12() -> SygusProblem:
    """Whether the first word has no more 0s at the left."""
    return _asked("x y", lambda x, y: (y & ~x) <= x, result=BOOL)


def p13() -> SygusProblem:
    """The sign: -1, 0 or 1."""
    return _asked("x", lambda x: _signs(x) | (-x >> TOP))


def p14() -> SygusProblem:
    """The average, rounded down, without overflow."""
    return _asked("x y", lambda x, y: (x & y) + ((x ^ y) >> 1))


def p15() -> SygusProblem:
    """The average, rounded up, without overflow."""
    return _asked("x y", lambda x, y: (x | y) - ((x ^ y) >> 1))


def p16() -> SygusProblem:
    """The larger of two words, by a mask."""
    return _asked("x y", lambda x, y: ite(y <= x, x, y), tests=True)


def p17() -> SygusProblem:
    """Turns off the rightmost run of 1s."""
    return _asked("x", lambda x: (((x - 1) | x) + 1) & x)


def p18() -> SygusProblem:
    """Whether a word is a power of two."""
    return _asked("x", lambda x: ((x & (x - 1)) == 0) & ~(x == 0), result=BOOL)


def p19() -> SygusProblem:
    """Exchanges two fields of a word: those of a mask, and those ``k`` bits further left."""

    def exchanged(x: Expression, mask: Expression, k: Expression) -> Expression:
        moved = (x ^ apply("bvlshr", x, k)) & mask
        return x ^ moved ^ apply("bvshl", moved, k)

    return _asked("x mask k", exchanged)


def p20() -> SygusProblem:
    """The next higher word with as many 1s."""

    def higher(x: Expression) -> Expression:
        lowest = x & -x
        carried = x + lowest
        return apply("bvudiv", (x ^ carried) >> 2, lowest) | carried

    return _asked("x", higher, (0, 1, 2, TOP))


PROBLEMS = (
    p01, p02, p03, p04, p05, p06, p07, p08, p09, p10, p11, p12, p13, p14, p15, p16, p17, p18, p19, p20,
)  # fmt: skip
