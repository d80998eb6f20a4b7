"""Functions of the numbers so far, read as loops: what is read answers as Python does, and nothing else is read."""

from itertools import product

import numpy as np
import pytest

from dsl.grammars.stream_reading import loop_from_text
from dsl.grammars.streams import OutgrownError
from dsl.operators import GrammarError

DIGITS = tuple(map(str, range(4)))
BITS = ("0,0", "0,1", "1,0", "1,1")
LARGEST = """
def f(s):
    a = 0
    for x in s:
        a = max(a, int(x))
    return a
"""
RISES = """
def rises(xs):
    "How often a number is above the one before."
    n, p = 0, -1
    for t in xs:
        v = int(t)
        if v > p and not v == 2:
            n += 1
        elif t in ('1', '2') or t == '3':
            n = n * 2 - 1
        p = v
    n = n + 1
    return n if n < 5 else n % 5
"""
BETWEEN = """
def f(tokens: list[str]) -> int:
    c: int = 0
    for token in tokens:
        c += 1 <= int(token) <= 2
    return c >= 2
"""
SEQUENTIAL = """
def h(tokens):
    x, y = 0, 1
    for token in tokens:
        x = y
        y = x + int(token)
    return abs(x - y) // 2
"""
SUMS = (
    "def f(tokens):\n    return sum(int(t) for t in tokens)",
    "def f(token):\n    s = sum(map(int, token))\n    return s % 3",
    "def f(s):\n    return sum(int(t) for t in s if int(t) > 1) - 2 * sum(t == '1' for t in s)",
    "def f(total):\n    return max(sum(map(int, total)), 4)",
)
LAST = "def f(tokens):\n    return int(tokens[-1]) % 3"
CARRY = """
def add(tokens):
    c = 0
    d = 0
    for t in tokens:
        a, b = map(int, t.split(','))
        s = a + b + c
        c = s // 2
        d = s % 2
    return d
"""
BEFORE = """
def f(s):
    a = 0
    for x in s:
        b = a
        a = int(x)
    return b
"""
SPLIT = """
def add(tokens):
    carry = 0
    for token in tokens:
        a, b = token.split(',')
        s = int(a) + int(b) + carry
        carry = s // 2
    return s % 2
"""


def python(text):
    scope = {}
    exec(text, scope)
    return next(value for name, value in scope.items() if name != "__builtins__")


@pytest.mark.parametrize(
    ("text", "alphabet", "inputs"),
    [(text, DIGITS, 1) for text in (LARGEST, RISES, BETWEEN, SEQUENTIAL, BEFORE, LAST, *SUMS)]
    + [(CARRY, BITS, 2), (SPLIT, BITS, 2)],
    ids=[
        "largest",
        "rises",
        "between",
        "sequential",
        "before",
        "last",
        "sum",
        "rest of a sum",
        "sums",
        "least sum",
        "carry",
        "split",
    ],
)
def test_a_function_is_read_as_the_loop_that_python_runs(text, alphabet, inputs):
    loop = loop_from_text(text, inputs, alphabet)
    printed = loop.source("f", alphabet)
    assert loop_from_text(printed, inputs, alphabet) == loop
    streams = list(product(alphabet, repeat=5))
    numbers = np.array([[[int(n) for n in token.split(",")] for token in stream] for stream in streams])
    given, again = python(text), python(printed)
    for stream, answers in zip(streams, loop.run(numbers).tolist(), strict=True):
        for steps in (1, 4, 5):
            assert int(given(list(stream[:steps]))) == int(again(list(stream[:steps]))) == answers[steps - 1]


@pytest.mark.parametrize(
    "text",
    [
        "def f(s):\n    return int(token)",
        "def f(s):\n    a = 0\n    for x in s:\n        if int(x): b = 1\n        a = 2\n    return a + b",
        "def f(s):\n    a = 0\n    for x in s:\n        b = x\n    return a + b",
        "def f(s):\n    a = 0\n    for x in s:\n        a = int(x)\n        c = 1 // 0\n    return a",
        "def max(s):\n    a = 0\n    for x in s: a = max(a, int(x))\n    return a",
        "def f(s):\n    int = 0\n    for x in s: int = 1\n    return int",
        "import os\ndef f(s):\n    return int(s[-1])",
        "def f(s):\n    a = 0\n    for x in s[1:]: a += int(x)\n    return a",
        "def f(s, i=0):\n    return 1",
        "def f(s):\n    a = 0\n    for x in s:\n        a += int(x)\n        if a > 3: break\n    return a",
        "def f(s):\n    a = 0\n    for x in s:\n        a += int(x) / 2\n    return a",
        "def f(s):\n    a = 0\n    for x in s:\n        a = a % 0 + int(x)\n    return a",
        "def f(s):\n    a = 0\n    for x in s:\n        a += x == '7'\n    return a",
        "def f(s):\n    a = 0\n    for x in s:\n        s = []\n    return a",
        "def f(s):\n    a = 0.5\n    for x in s:\n        a = a\n    return a",
        "def f(s):\n    a = 0\n    for x in s:\n        a = a // int(x)\n    return a",
        "def f(s):\n    return sum(int(t) for t in s[1:])",
        "def f(s):\n    k = 2\n    return sum(int(t) * k for t in s)",  # k is set behind the loop
        "def f(s):\n    sum = int(s[-1])\n    return sum",
        "def sum(s):\n    return sum(int(t) for t in s)",
        "def f(s):\n    return sum([int(t) for t in s], 1)",
        "def f(s):\n    return sum(int(t) for t in s for u in s)",
        "def f(s):\n    return sum(int(s[-1]) for t in s)",
        "def f(s):\n    return sum(int(t) // 0 for t in s)",
        "def f(s):\n    return sum(int(t) for t in s) + int(t)",
        "def f(s):\n    a = 99999999999999999\n    for x in s:\n        a = a\n    return a",
    ],
)
def test_what_is_no_such_loop_is_refused(text):
    with pytest.raises(GrammarError):
        loop_from_text(text, 1, DIGITS)


def test_numbers_that_leave_64_bits_are_refused_and_never_wrapped():
    doubling = "def f(s):\n    a = 1\n    for x in s:\n        a = 2 * a\n    return a == 0"  # of 64 bits, 1 at last
    squares = "def f(s):\n    a = 3\n    for x in s:\n        a = a * a\n    return a % 7"
    for text, fits in ((doubling, 50), (squares, 4)):
        loop = loop_from_text(text, 1, DIGITS)
        answers = loop.run(np.zeros((1, fits, 1), np.int64))[0].tolist()
        assert answers == [int(python(text)(["0"] * steps)) for steps in range(1, fits + 1)]
        with pytest.raises(OutgrownError, match="more than is followed"):
            loop.run(np.zeros((1, 70, 1), np.int64))
