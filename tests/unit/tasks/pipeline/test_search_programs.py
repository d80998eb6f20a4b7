"""Functions of the token at a place: the program is the line that a person would write, and no table."""

import pytest
from quick import sliced

from benchmarks.inputs.functions import Function, table
from tasks.pipeline.search import searched

LETTERS = tuple("abcdefghijkl")
NUMBERS = ("-91", "-57", "-20", "-3", "4", "18", "41", "66", "75", "130")
WORDS = ("salt", "plum", "pear", "sea", "oak", "lemon", "olive", "radar")


@pytest.mark.parametrize(
    ("alphabet", "truth", "line"),
    sliced(
        [
            (LETTERS, lambda token: chr(ord(token) + 2), "chr(ord(tokens[i]) + 2)"),
            (LETTERS, lambda token: ord(token) - ord("a"), "str(ord(tokens[i]) - ord('a'))"),
            (LETTERS, lambda token: chr(219 - ord(token)), "chr(219 - ord(tokens[i]))"),
            (NUMBERS, lambda token: abs(int(token) - 18), "str(abs(int(tokens[i]) - 18))"),
            (NUMBERS, lambda token: 3 * int(token) - 70, "str(3 * int(tokens[i]) - 70)"),
            (NUMBERS, lambda token: int(token) ** 2, "str(number * number)"),
            (WORDS, lambda token: token[0] + token[-1], "tokens[i][:1] + tokens[i][-1:]"),
            (WORDS, lambda token: f"{token}-{token}", "tokens[i] + '-' + tokens[i]"),
        ],
        4,
    ),
)
def test_the_program_is_one_line(alphabet, truth, line):
    found = searched(table(Function("f", alphabet, 2, lambda tokens, i: truth(tokens[i]), is_placed=True)), seconds=60)
    assert found.exact[0].source("f").splitlines()[-1].strip() == f"return {line}"
