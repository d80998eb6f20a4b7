"""Conditional linear arithmetic: with and without grammars, relational, several functions at once."""

from __future__ import annotations

from typing import Any

from benchmarks.sygus_suite.language import (
    BOOL,
    INT,
    Rules,
    SygusProblem,
    apply,
    declare,
    function,
    given,
    implies,
    lifted,
    problem,
)


def _numbers(*leaves: Any) -> Rules:
    return {
        "Number": (INT, [*leaves, ("+", "Number", "Number"), ("-", "Number", "Number"),
                         ("ite", "Test", "Number", "Number")]),
        "Test": (BOOL, [("<=", "Number", "Number"), ("=", "Number", "Number"), ("not", "Test"),
                        ("and", "Test", "Test")]),
    }  # fmt: skip


def largest_of_three() -> SygusProblem:
    """The largest of three numbers; any term will do."""
    a, b, c = declare(a=INT, b=INT, c=INT)
    top = function("top", INT, a, b, c)
    found = top(a, b, c)
    constraints = [a <= found, b <= found, c <= found, (found == a) | ((found == b) | (found == c))]
    return problem("LIA", [top], [a, b, c], constraints)


def least_of_four() -> SygusProblem:
    """The least of four numbers; any term will do."""
    a, b, c, d = declare(a=INT, b=INT, c=INT, d=INT)
    low = function("low", INT, a, b, c, d)
    found = low(a, b, c, d)
    equal = (found == a) | (found == b) | (found == c) | (found == d)
    constraints = [found <= a, found <= b, found <= c, found <= d, equal]
    return problem("LIA", [low], [a, b, c, d], constraints)


def median_of_three() -> SygusProblem:
    """The number in the middle, as one that is not above two and not below two."""
    a, b, c = declare(a=INT, b=INT, c=INT)
    middle = function("middle", INT, a, b, c)
    found = middle(a, b, c)
    constraints = [
        (found == a) | ((found == b) | (found == c)),
        implies((a <= b) & (b <= c), found == b), implies((c <= b) & (b <= a), found == b),
        implies((b <= a) & (a <= c), found == a), implies((c <= a) & (a <= b), found == a),
        implies((a <= c) & (c <= b), found == c), implies((b <= c) & (c <= a), found == c),
    ]  # fmt: skip
    return problem("LIA", [middle], [a, b, c], constraints, {"middle": _numbers(a, b, c)})


def clamp() -> SygusProblem:
    """A number kept between two bounds."""
    x, low, high = declare(x=INT, low=INT, high=INT)
    keep = function("keep", INT, x, low, high)
    found = keep(x, low, high)
    constraints = given(
        low <= high,
        (low <= found) & (found <= high),
        implies((low <= x) & (x <= high), found == x),
        implies(x < low, found == low),
        implies(high < x, found == high),
    )
    return problem("LIA", [keep], [x, low, high], constraints, {"keep": _numbers(x, low, high)})


def distance() -> SygusProblem:
    """How far apart two numbers are."""
    a, b = declare(a=INT, b=INT)
    gap = function("gap", INT, a, b)
    found = gap(a, b)
    constraints = [found >= 0, (found == a - b) | (found == b - a)]
    return problem("LIA", [gap], [a, b], constraints, {"gap": _numbers(a, b, 0)})


def sign() -> SygusProblem:
    """-1, 0 or 1."""
    (x,) = declare(x=INT)
    of = function("of", INT, x)
    constraints = [implies(x < 0, of(x) == -1), implies(x == 0, of(x) == 0), implies(x > 0, of(x) == 1)]
    return problem("LIA", [of], [x], constraints, {"of": _numbers(x, 0, 1, -1)})


def rank_among_three() -> SygusProblem:
    """How many of three ascending bounds a number has reached."""
    x, a, b, c = declare(x=INT, a=INT, b=INT, c=INT)
    rank = function("rank", INT, x, a, b, c)
    found = rank(x, a, b, c)
    constraints = given(
        (a < b) & (b < c),
        implies(x < a, found == 0),
        implies((a <= x) & (x < b), found == 1),
        implies((b <= x) & (x < c), found == 2),
        implies(c <= x, found == 3),
    )
    return problem("LIA", [rank], [x, a, b, c], constraints, {"rank": _numbers(x, a, b, c, 0, 1, 2, 3)})


def place_among_two() -> SygusProblem:
    """Where a key stands among two different entries: 0 or 1, and 2 when it is not there; any term will do."""
    key, first, second = declare(key=INT, first=INT, second=INT)
    place = function("place", INT, key, first, second)
    found = place(key, first, second)
    constraints = given(
        ~(first == second),
        implies(key == first, found == 0),
        implies(key == second, found == 1),
        implies(~(key == first) & ~(key == second), found == 2),
    )
    return problem("LIA", [place], [key, first, second], constraints)


def price_with_discount() -> SygusProblem:
    """A price in two linear pieces that meet at ten; any term will do."""
    (count,) = declare(count=INT)
    price = function("price", INT, count)
    found = price(count)
    constraints = given(
        count >= 0,
        implies(count <= 10, found == 3 * count),
        implies(count > 10, found - count == 20),
    )
    return problem("LIA", [price], [count], constraints)


def order_two() -> SygusProblem:
    """Two functions at once: a pair in ascending order."""
    a, b = declare(a=INT, b=INT)
    low, high = function("low", INT, a, b), function("high", INT, a, b)
    first, second = low(a, b), high(a, b)
    constraints = [first <= second, first + second == a + b, (first == a) | (first == b)]
    return problem("LIA", [low, high], [a, b], constraints, {"low": _numbers(a, b), "high": _numbers(a, b)})


def two_halves() -> SygusProblem:
    """Two functions at once: a number in two parts that differ by at most one."""
    (x,) = declare(x=INT)
    small, large = function("small", INT, x), function("large", INT, x)
    low, high = small(x), large(x)
    constraints = [low + high == x, low <= high, high <= low + 1]
    rules: Rules = {
        "Number": (INT, [x, 1, ("+", "Number", "Number"), ("-", "Number", "Number"), ("div", "Number", "Two")]),
        "Two": (INT, [2]),
    }
    return problem("LIA", [small, large], [x], constraints, {"small": rules, "large": rules})


def plane_from_steps() -> SygusProblem:
    """A function of which only the steps and one value are known."""
    x, y = declare(x=INT, y=INT)
    height = function("height", INT, x, y)
    constraints = [height(0, 0) == 1, height(x + 1, y) == height(x, y) + 2, height(x, y + 1) == height(x, y) - 1]
    rules: Rules = {"Number": (INT, [x, y, 0, 1, ("+", "Number", "Number"), ("-", "Number", "Number")])}
    return problem("LIA", [height], [x, y], constraints, {"height": rules})


def symmetric_bound() -> SygusProblem:
    """A symmetric function that is one of its arguments and not below the first: asked at two places at once."""
    x, y = declare(x=INT, y=INT)
    bound = function("bound", INT, x, y)
    constraints = [bound(x, y) == bound(y, x), x <= bound(x, y), (bound(x, y) == x) | (bound(x, y) == y)]
    return problem("LIA", [bound], [x, y], constraints)


def distance_to_interval() -> SygusProblem:
    """How far a number lies outside an interval; 0 inside."""
    x, low, high = declare(x=INT, low=INT, high=INT)
    outside = function("outside", INT, x, low, high)
    found = outside(x, low, high)
    constraints = given(
        low <= high,
        implies((low <= x) & (x <= high), found == 0),
        implies(x < low, found + x == low),
        implies(high < x, found + high == x),
    )
    return problem("LIA", [outside], [x, low, high], constraints, {"outside": _numbers(x, low, high, 0)})


def digit_and_carry() -> SygusProblem:
    """Two functions at once: the sum of two decimal digits, as a digit and a carry."""
    a, b = declare(a=INT, b=INT)
    digit, carry = function("digit", INT, a, b), function("carry", INT, a, b)
    low, high = digit(a, b), carry(a, b)
    constraints = given(
        ((a >= 0) & (a <= 9)) & ((b >= 0) & (b <= 9)),
        (low >= 0) & (low <= 9),
        (high == 0) | (high == 1),
        low + 10 * high == a + b,
    )
    return problem(
        "LIA", [digit, carry], [a, b], constraints, {"digit": _numbers(a, b, 9, 10), "carry": _numbers(a, b, 0, 1, 9)}
    )


def overlap() -> SygusProblem:
    """Whether two closed intervals meet, said as the existence of bounds."""
    a, b, c, d = declare(a=INT, b=INT, c=INT, d=INT)
    meets = function("meets", BOOL, a, b, c, d)
    found = meets(a, b, c, d)
    constraints = given(
        (a <= b) & (c <= d),
        implies(b < c, ~found),
        implies(d < a, ~found),
        implies((a <= c) & (c <= b), found),
        implies((c <= a) & (a <= d), found),
    )
    rules: Rules = {
        "Test": (BOOL, [("<=", "Number", "Number"), ("not", "Test"), ("and", "Test", "Test"), ("or", "Test", "Test")]),
        "Number": (INT, [a, b, c, d]),
    }
    return problem("LIA", [meets], [a, b, c, d], constraints, {"meets": rules})


def remainder_of_five() -> SygusProblem:
    """A remainder, said by what it is left of."""
    (x,) = declare(x=INT)
    rest = function("rest", INT, x)
    found = rest(x)
    whole = apply("div", x, lifted(5, INT))
    constraints = [(found >= 0) & (found < 5), found + 5 * whole == x]
    rules: Rules = {
        "Number": (INT, [x, 0, 1, ("+", "Number", "Number"), ("-", "Number", "Number"), ("mod", "Number", "Five")]),
        "Five": (INT, [5]),
    }
    return problem("LIA", [rest], [x], constraints, {"rest": rules})


PROBLEMS = (
    largest_of_three, least_of_four, median_of_three, clamp, distance, sign, rank_among_three, place_among_two,
    price_with_discount, order_two, two_halves, plane_from_steps, symmetric_bound, distance_to_interval,
    digit_and_carry, overlap, remainder_of_five,
)  # fmt: skip
