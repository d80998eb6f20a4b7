"""Bit tricks from what they must do, and bit-vector functions from samples."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from benchmarks.sygus_suite.language import (
    BOOL,
    Expression,
    Rules,
    SygusProblem,
    apply,
    bits,
    declare,
    function,
    implies,
    ite,
    lifted,
    problem,
    samples,
)
from dsl.operators import Sort, bitvector

WORD, BYTE, LONG = bitvector(32), bitvector(8), bitvector(64)
ARITHMETIC = ("bvand", "bvor", "bvxor", "bvadd", "bvsub")
ALL = 2**64 - 1


def _words(sort: Sort, *leaves: Any, operators: tuple[str, ...] = ARITHMETIC) -> Rules:
    unary = [(name, "Word") for name in ("bvnot", "bvneg")]
    return {"Word": (sort, [*leaves, *unary, *((name, "Word", "Word") for name in operators)])}


def _is_single(value: Expression) -> Expression:
    """At most one bit of ``value`` is set."""
    return (value & (value - 1)) == 0


def lowest_bit() -> SygusProblem:
    """The lowest bit that is set, alone."""
    (x,) = declare(x=WORD)
    find = function("find", WORD, x)
    bit = find(x)
    constraints = [bit & x == bit, _is_single(bit), implies(~(x == 0), ~(bit == 0) & (x & (bit - 1) == 0))]
    return problem("BV", [find], [x], constraints, {"find": _words(WORD, x, 0, 1)})


def without_lowest_bit() -> SygusProblem:
    """A word whose lowest set bit is turned off."""
    (x,) = declare(x=WORD)
    clear = function("clear", WORD, x)
    rest = clear(x)
    gone = x ^ rest
    constraints = [rest & x == rest, _is_single(gone), implies(~(x == 0), ~(gone == 0) & (rest & (gone - 1) == 0)),
                   implies(~(x == 0), rest & ((gone << 1) - 1) == 0)]  # fmt: skip
    return problem("BV", [clear], [x], constraints, {"clear": _words(WORD, x, 0, 1)})


def mask_up_to_lowest() -> SygusProblem:
    """Ones up to and including the lowest set bit, bit by bit."""
    (x,) = declare(x=BYTE)
    mask = function("mask", BYTE, x)
    found = mask(x)
    constraints = [bits(0, 0, found) == lifted(1, bitvector(1))]
    constraints += [
        bits(place, place, found) == bits(place - 1, place - 1, found) & ~bits(place - 1, place - 1, x)
        for place in range(1, 8)
    ]
    return problem("BV", [mask], [x], constraints, {"mask": _words(BYTE, x, 0, 1)})


def average() -> SygusProblem:
    """The average of two bytes, rounded down, where the sum would not fit."""
    x, y = declare(x=BYTE, y=BYTE)
    mean = function("mean", BYTE, x, y)
    wide = [apply("(_ zero_extend 1)", value) for value in (mean(x, y), x, y)]
    constraints = [wide[0] == (wide[1] + wide[2]) >> 1]
    operators = ("bvand", "bvor", "bvxor", "bvadd", "bvlshr")
    return problem("BV", [mean], [x, y], constraints, {"mean": _words(BYTE, x, y, 1, operators=operators)})


def parity_of_nibble() -> SygusProblem:
    """Whether an odd number of four bits is set, as 0 or 1."""
    nibble = bitvector(4)
    (x,) = declare(x=nibble)
    parity = function("parity", nibble, x)
    found = parity(x)
    single = [bits(place, place, x) for place in range(4)]
    constraints = [found <= 1, bits(0, 0, found) == (single[0] ^ single[1]) ^ (single[2] ^ single[3])]
    rules: Rules = {"Word": (nibble, [x, 1, 2, *((name, "Word", "Word") for name in ("bvand", "bvxor", "bvlshr"))])}
    return problem("BV", [parity], [x], constraints, {"parity": rules})


def round_up_to_eight() -> SygusProblem:
    """The least multiple of 8 that is not below a number (which must not be too large)."""
    (x,) = declare(x=BYTE)
    up = function("up", BYTE, x)
    found = up(x)
    constraints = [
        implies(x <= 0xF8, condition) for condition in (bits(2, 0, found) == 0, x <= found, found - x < 8)
    ]  # fmt: skip
    return problem("BV", [up], [x], constraints, {"up": _words(BYTE, x, 0x07, 0xF8)})


def is_power_of_two() -> SygusProblem:
    """Whether exactly one bit of a non-zero word is set."""
    (x,) = declare(x=BYTE)
    power = function("power", BOOL, x)
    single = (x == 1) | (x == 2) | (x == 4) | (x == 8) | (x == 16) | (x == 32) | (x == 64) | (x == 128)
    constraints = [implies(~(x == 0), power(x) == single)]
    rules: Rules = {
        "Test": (BOOL, [("=", "Word", "Word"), ("bvult", "Word", "Word"), ("not", "Test")]),
        **_words(BYTE, x, 0, 1),
    }
    return problem("BV", [power], [x], constraints, {"power": rules})


def absolute_value() -> SygusProblem:
    """The distance of a signed byte from zero, without a conditional."""
    (x,) = declare(x=BYTE)
    size = function("size", BYTE, x)
    negative = bits(7, 7, x) == 1
    constraints = [implies(negative, size(x) + x == 0), implies(~negative, size(x) == x)]
    operators = ("bvand", "bvxor", "bvadd", "bvsub", "bvashr")
    return problem("BV", [size], [x], constraints, {"size": _words(BYTE, x, 0x07, operators=operators)})


def swap_nibbles() -> SygusProblem:
    """The two halves of a byte, exchanged."""
    (x,) = declare(x=BYTE)
    swap = function("swap", BYTE, x)
    found = swap(x)
    constraints = [bits(7, 4, found) == bits(3, 0, x), bits(3, 0, found) == bits(7, 4, x)]
    operators = ("bvand", "bvor", "bvshl", "bvlshr")
    return problem("BV", [swap], [x], constraints, {"swap": _words(BYTE, x, 4, 0x0F, operators=operators)})


def merge_by_mask() -> SygusProblem:
    """One word where a mask is set, another elsewhere."""
    mask, x, y = declare(mask=WORD, x=WORD, y=WORD)
    merge = function("merge", WORD, mask, x, y)
    found = merge(mask, x, y)
    constraints = [found & mask == x & mask, found & ~mask == y & ~mask]
    rules: Rules = {"Word": (WORD, [mask, x, y, ("bvnot", "Word"), ("bvand", "Word", "Word"), ("bvor", "Word", "Word"),
                                    ("bvxor", "Word", "Word")])}  # fmt: skip
    return problem("BV", [merge], [mask, x, y], constraints, {"merge": rules})


def saturating_sum() -> SygusProblem:
    """The sum of two bytes, kept at 255."""
    x, y = declare(x=BYTE, y=BYTE)
    add = function("add", BYTE, x, y)
    wide = [apply("(_ zero_extend 1)", value) for value in (add(x, y), x, y)]
    constraints = [wide[0] == ite(wide[1] + wide[2] <= 255, wide[1] + wide[2], 255)]
    rules: Rules = {
        "Word": (BYTE, [x, y, 0xFF, ("bvnot", "Word"), ("bvadd", "Word", "Word"), ("ite", "Test", "Word", "Word")]),
        "Test": (BOOL, [("bvult", "Word", "Word"), ("bvule", "Word", "Word")]),
    }
    return problem("BV", [add], [x, y], constraints, {"add": rules})


def carry_out() -> SygusProblem:
    """Whether the sum of two bytes overflows."""
    x, y = declare(x=BYTE, y=BYTE)
    carry = function("carry", BOOL, x, y)
    total = apply("(_ zero_extend 1)", x) + apply("(_ zero_extend 1)", y)
    constraints = [carry(x, y) == (bits(8, 8, total) == 1)]
    rules: Rules = {
        "Test": (BOOL, [("bvult", "Word", "Word"), ("=", "Word", "Word"), ("not", "Test")]),
        "Word": (BYTE, [x, y, ("bvnot", "Word"), ("bvadd", "Word", "Word")]),
    }
    return problem("BV", [carry], [x, y], constraints, {"carry": rules})


def gray_code() -> SygusProblem:
    """A byte as Gray code: every bit is the difference of two neighbours."""
    (x,) = declare(x=BYTE)
    gray = function("gray", BYTE, x)
    found = gray(x)
    constraints = [bits(7, 7, found) == bits(7, 7, x)]
    constraints += [bits(p, p, found) == bits(p, p, x) ^ bits(p + 1, p + 1, x) for p in range(7)]
    operators = ("bvand", "bvor", "bvxor", "bvshl", "bvlshr")
    return problem("BV", [gray], [x], constraints, {"gray": _words(BYTE, x, 1, operators=operators)})


def _sampled(seed: int, count: int, rule: Callable[[int], int]) -> SygusProblem:
    """A function of 64-bit words by ``count`` drawn samples."""
    (x,) = declare(x=LONG)
    f = function("f", LONG, x)
    draw = random.Random(seed)
    inputs = [draw.getrandbits(64) for _ in range(count)]
    binary = [(name, "Word", "Word") for name in ("bvand", "bvor", "bvxor", "bvadd", "bvshl", "bvlshr")]
    rules: Rules = {
        "Word": (LONG, [x, 0, 1, 4, 16, ("bvnot", "Word"), *binary, ("ite", "Test", "Word", "Word")]),
        "Test": (BOOL, [("=", "Word", "Word"), ("bvult", "Word", "Word")]),
    }
    return problem("BV", [f], [], samples(f, *(((value,), rule(value) & ALL) for value in inputs)), {"f": rules})


def spread_from_samples() -> SygusProblem:
    """Twelve samples of a word mixed with its own upper part."""
    return _sampled(1, 12, lambda x: x ^ (x >> 16))


def multiply_from_samples() -> SygusProblem:
    """Ten samples of seventeen times a word."""
    return _sampled(2, 10, lambda x: x + (x << 4))


def complement_from_samples() -> SygusProblem:
    """Sixteen samples of a masked complement."""
    return _sampled(3, 16, lambda x: ~(x << 1) & (x >> 4))


def branch_from_samples() -> SygusProblem:
    """Twenty samples of a rule that treats odd and even words differently."""
    return _sampled(4, 20, lambda x: (x >> 1) if x % 2 == 0 else x + (x << 1) + 1)


PROBLEMS = (
    lowest_bit, without_lowest_bit, mask_up_to_lowest, average, parity_of_nibble, round_up_to_eight, is_power_of_two,
    absolute_value, swap_nibbles, merge_by_mask, saturating_sum, carry_out, gray_code, spread_from_samples,
    multiply_from_samples, complement_from_samples, branch_from_samples,
)  # fmt: skip
