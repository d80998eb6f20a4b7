"""Rows on the code points of tokens that are single letters: places in an alphabet, shifts, and letters made of those.

A letter is made of a code point that is one wherever the program is run: of a token's, moved by so much or mirrored, or
of a remainder (a Caesar cipher). So ``chr`` never fails.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dsl.grammar import Production
from dsl.meaning import Within
from dsl.operators import INT, LABEL, TOKEN, Operator
from dsl.references import maker
from dsl.sequences import NO_LABEL

FIRST_LETTERS = "aA"
LETTERS = 26


def productions(alphabet: Sequence[str], labels: Sequence[str]) -> list[Production]:
    """The rows of this file for programs over ``alphabet`` that return ``labels``; none where tokens are no letters."""
    first = _first(alphabet)
    if first is None:
        return []
    rows = [Production("Number", place_of(tuple(alphabet), first), ("Token",), cost=2)]
    if any(len(label) != 1 for label in labels):
        return rows
    answers = {ord(label) for label in labels}
    codes = [ord(token) for token in alphabet]
    moves = [by for by in range(-LETTERS, LETTERS + 1) if by and {code + by for code in codes} <= answers]
    totals = sorted({code + other for code in codes[:1] for other in answers})
    mirrors = [total for total in totals if {total - code for code in codes} <= answers]
    rows += [Production("Code", moved(tuple(alphabet), by), ("Token",), cost=3) for by in moves]
    rows += [Production("Code", mirrored(tuple(alphabet), total), ("Token",), cost=3) for total in mirrors]
    start = _first(labels)
    if start is not None:
        periods = sorted({LETTERS, max(answers) - ord(start) + 1})
        rows += [Production("Code", in_turn(start, period), ("Number",), cost=2) for period in periods]
    return [*rows, Production("Label", letter_label(tuple(labels)), ("Code",))] if len(rows) > 1 else rows


def _first(texts: Sequence[str]) -> str | None:
    """The letter that those of ``texts`` are counted from, all of one case; None where they are not single letters."""
    for first in FIRST_LETTERS:
        if texts and all(len(text) == 1 and 0 <= ord(text) - ord(first) < LETTERS for text in texts):
            return first
    return None


def _of_tokens(name: str, codes: NDArray[np.int64], python: str, noun: str) -> Operator:
    """A number for each token; ``codes``: (tokens,), by index."""
    known = np.append(codes, 0)

    def encode(s: Any, token: Sequence[Any]) -> Any:
        m, result = s.manager, s.manager.Int(0)
        for here, number in zip(token, codes, strict=True):
            result = m.Ite(here, m.Int(int(number)), result)
        return result

    run: Callable[..., Any] = lambda s, a: known[a]  # noqa: E731
    most = Within(int(np.abs(codes).max()))
    return Operator(name, (TOKEN,), INT, numpy=run, smt=encode, python=python, noun=noun, meaning=most)


def _codes(alphabet: Sequence[str]) -> NDArray[np.int64]:
    return np.array([ord(token) for token in alphabet], np.int64)


@maker
def place_of(alphabet: Sequence[str], first: str) -> Operator:
    """The place of a letter in the alphabet that begins with ``first``, from 0."""
    text = f"ord(_0) - ord({first!r})"
    return _of_tokens(f"place in the alphabet of {first!r}", _codes(alphabet) - ord(first), text, "place")


@maker
def moved(alphabet: Sequence[str], by: int) -> Operator:
    """The code point of a letter, moved."""
    text = f"ord(_0) {'+' if by > 0 else '-'} {abs(by)}"
    return _of_tokens(f"code moved by {by}", _codes(alphabet) + by, text, "code")


@maker
def mirrored(alphabet: Sequence[str], total: int) -> Operator:
    """The code point that makes ``total`` with that of a letter."""
    return _of_tokens(f"code mirrored in {total}", total - _codes(alphabet), f"{total} - ord(_0)", "code")


@maker
def in_turn(first: str, period: int) -> Operator:
    """The code point so many letters after ``first``, where the letter after ``period`` is the first again."""
    start = ord(first)

    def encode(s: Any, number: Any) -> Any:
        m = s.manager
        whole = m.Times(m.Int(period), m.Div(number, m.Int(period)))
        return m.Plus(m.Int(start), m.Minus(number, whole))

    return Operator(
        f"code from {first!r} in turns of {period}",
        (INT,),
        INT,
        numpy=lambda s, a: start + a % period,
        smt=encode,
        python=f"ord({first!r}) + _0 % {period}",
        noun="code",
        meaning=Within(start + period),
    )


@maker
def letter_label(labels: Sequence[str]) -> Operator:
    """The label that is the letter of a code point; another letter gives none."""
    known = {ord(label): n for n, label in enumerate(labels)}

    def run(s: Any, code: Any) -> Any:
        result = np.full(np.shape(code), NO_LABEL, np.int64)
        for number, n in known.items():
            result[code == number] = n
        return result

    def encode(s: Any, code: Any) -> Any:
        m, result = s.manager, s.manager.Int(NO_LABEL)
        for number, n in known.items():
            result = m.Ite(m.Equals(code, m.Int(number)), m.Int(n), result)
        return result

    return Operator("letter of a code", (INT,), LABEL, numpy=run, smt=encode, python="chr(_0)")
