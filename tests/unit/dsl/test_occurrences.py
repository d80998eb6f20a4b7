"""Tokens that occur once or more than once, the first and the last of them: found, printed, and right everywhere."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from quick import sliced

from dsl.enumerator import Enumerator
from dsl.grammars.positions import places
from dsl.grammars.selections import OCCURRENCES, TOKENS
from dsl.program import Program

WORDS = [list(word) for length in range(1, 6) for word in product("abc", repeat=length)]
ASKED = [
    (False, True, "next((token for token in _ if _.count(token) == 1), '')"),
    (True, True, "next((token for token in _[::-1] if _.count(token) == 1), '')"),
    (False, False, "next((token for token in _ if _.count(token) > 1), '')"),
    (True, False, "next((token for token in _[::-1] if _.count(token) > 1), '')"),
]


def by_hand(part, is_last, is_once):
    found = ""
    for token in part:
        times = sum(other == token for other in part)
        if (times == 1) == is_once and (is_last or not found):
            found = token
    return found


@pytest.mark.parametrize(("row", "asked"), [*zip(OCCURRENCES, ASKED, strict=True)])
def test_it_is_the_token_that_a_reader_of_its_text_would_take(row, asked):
    is_last, is_once, text = asked
    assert row.python.replace("_0", "_") == text
    batch = places(("a", "b", "c"), ("a", "b", "c", "?")).signature.batch([(word, 0) for word in WORDS])
    given = row(TOKENS()).evaluate(batch)
    assert ["abc"[n] if n >= 0 else "" for n in np.asarray(given)] == [by_hand(w, is_last, is_once) for w in WORDS]


@pytest.mark.parametrize(
    ("part", "text", "is_last", "is_once"),
    sliced(
        [
            (lambda t, i: t[: i + 1], "next((token for token in {0} if {0}.count(token) == 1), '?')", False, True),
            (lambda t, i: t[:i], "next((token for token in {0}[::-1] if {0}.count(token) > 1), '?')", True, False),
        ],
        2,
    ),
)
def test_the_first_or_last_token_that_is_so_is_found_by_search(part, text, is_last, is_once):
    grammar = places(("a", "b", "c"), ("a", "b", "c", "?"))
    cases = [(tuple(word), i) for word in WORDS for i in range(len(word))]
    right = {case: by_hand(part(*case), is_last, is_once) or "?" for case in cases}
    shown = "tokens[:i + 1]" if is_once else "tokens[:i]"
    assert searched(grammar, right).splitlines()[-1].strip() == "return " + text.format(shown)


def searched(grammar, right):
    search = Enumerator(grammar, max_candidates=200_000)
    while True:
        program = search.propose()
        assert isinstance(program, Program)
        given = [grammar.signature.answer(value) for value in program.run(grammar.signature.batch([*right]))]
        wrong = [case for case, value in zip(right, given, strict=True) if value != right[case]]
        if not wrong:
            return program.source("f")
        search.observe(wrong[0], right[wrong[0]])
