"""Programs in English say what the Python says; what has no words stays Python."""

from __future__ import annotations

import pytest

from tasks.reports.words import in_words


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("return 'x' if 'a' in tokens else 'y'", ["The answer is 'x' if 'a' occurs, and 'y' if not."]),
        (
            "if len(tokens) % 2 == 1:\n        return 'x'\n    return 'y'",
            ["If the length is odd, the answer is 'x'.", "Otherwise the answer is 'y'."],
        ),
        (
            "return tokens[-1] if 5 * (tokens.count('[') - tokens.count(']')) > len(tokens) else tokens[0]",
            ["The answer is the last token if 5 times (the number of '[' minus the number of ']') is greater than the "
             "length, and the first token if not."],
        ),
        (
            "state = 0\n    for token in tokens:\n        if token == 'a':\n            state = 1\n        else:\n"
            "            state = max(state - 1, 0)\n    return 'x' if state == 1 and not 'b' in tokens else 'y'",
            ["state is 0.", "For every token, from the first to the last:", "If the token is 'a', state becomes 1.",
             "Otherwise, state is max(state - 1, 0).",
             "The answer is 'x' if state is 1 and not 'b' occurs, and 'y' if not."],
        ),
        ("return sorted(tokens)[0]", ["The answer is sorted(tokens)[0]."]),
        ("raise ValueError", ["raise ValueError"]),
    ],
)  # fmt: skip
def test_statements_are_sentences(body, words):
    assert [line.text for line in in_words(f"def f(tokens):\n    {body}\n")] == words


def test_a_docstring_is_not_told_and_helpers_are_left_out():
    source = "def helper(x):\n    return x\n\ndef f(tokens):\n    'says'\n    return 'x'\n"
    assert [line.text for line in in_words(source)] == ["The answer is 'x'."]


@pytest.mark.parametrize("source", ["", "x = 1", "def f(:", "(" * 10_000])
def test_what_is_no_function_has_no_words(source):
    assert in_words(source) == ()
