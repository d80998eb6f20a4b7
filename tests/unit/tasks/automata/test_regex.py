"""Regular expressions over tokens: the same sequences as Python's ``re``, and one clear sentence for what is none."""

import re
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from quick import examples

from cegis import Domain, DomainError
from tasks.automata.regex import constraint

expressions = st.recursive(
    st.sampled_from(["a", "b", ".", "[ab]", "[^a]", "(a)", ""]),
    lambda inner: st.one_of(
        st.tuples(inner, inner).map("".join),
        st.tuples(inner, inner).map("|".join).map("({})".format),
        inner.map("({})*".format),
        inner.map("({})+".format),
        inner.map("({})?".format),
        inner.map("({}){{1,3}}".format),
        inner.map("({}){{2,}}".format),
        inner.map("({}){{0}}".format),
    ),
    max_leaves=6,
)


def words(text, alphabet=("a", "b"), longest=5):
    return set(Domain(alphabet, 0, longest, constraint(text, alphabet)))


@settings(max_examples=examples(150), deadline=None, derandomize=True)
@given(expressions)
def test_the_sequences_are_those_that_python_matches(text):
    every = {word for n in range(6) for word in product("ab", repeat=n)}
    assert words(text) == {word for word in every if re.fullmatch(text, "".join(word))}


def test_tokens_are_read_by_name_the_longest_first():
    alphabet = ("1", "10", "<sep>", "(")
    assert words("10 1 <sep>", alphabet) == {("10", "1", "<sep>")}
    assert words(r"\( 1{2}", alphabet) == {("(", "1", "1")}
    assert words("[1 10] <sep>?", alphabet, 1) == {("1",), ("10",)}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("(a", "a closing parenthesis at place 2, got the end"),
        ("a)", r"got '\)'"),
        ("*a", r"write \\\* for the token '\*'"),
        ("c", "one of the tokens a, b"),
        ("a{", "a number of times"),
        ("a{3,2}", "numbers of times that rise"),
        ("a{5000}", "numbers of times that rise, up to 100"),
        ("[a", "one of the tokens"),
        ("(" * 3000, "nested too deeply"),
        ("(a|b)*a(a|b){12}", "bound the counter"),
    ],
)
def test_what_is_no_expression_is_one_sentence(text, message):
    with pytest.raises(DomainError, match=message):
        constraint(text, ("a", "b"))
