"""The automaton that is drawn answers as the program does, and is the smallest that does."""

from __future__ import annotations

from itertools import product
from xml.etree import ElementTree

import pytest

from cegis import Constraint
from tasks.reports.automaton import Automaton, automaton_of, automaton_svg

COUNTER = """def f(tokens):
    state = 0
    for token in tokens:
        if token == 'a':
            state = (state + 1) % 3
    return ('zero', 'one', 'two')[state]
"""
SEEN = """def f(tokens: list[str]) -> str:
    \"\"\"Is 'a' there?\"\"\"
    return 'yes' if 'a' in tokens else 'no'
"""
DEPTH = """def f(tokens):
    return 'in' if tokens.count('a') - tokens.count('b') >= 1 else 'out'
"""


def answer(found: Automaton, sequence: tuple[str, ...]) -> str:
    state: int | None = 0
    for token in sequence:
        assert state is not None
        state = found.steps[state][found.alphabet.index(token)]
    assert state is not None
    return found.answers[state]


@pytest.mark.parametrize(("source", "states"), [(COUNTER, 3), (SEEN, 2)])
def test_it_answers_as_the_program(source, states):
    scope: dict = {}
    exec(source, scope)
    found = automaton_of(source, ("a", "b"))
    assert len(found.steps) == states
    for length in range(6):
        for sequence in product("ab", repeat=length):
            assert answer(found, sequence) == scope["f"](list(sequence))


def test_a_count_without_bound_is_none_unless_the_domain_bounds_it():
    assert automaton_of(DEPTH, ("a", "b")) is None
    two = Constraint("a b a b", ((1, -1), (-1, 0)), (True, True))
    assert automaton_of(DEPTH, ("a", "b"), two) is None  # it still counts both, without end
    once = Constraint("a at most once", ((1, -1), (-1, -1)), (True, True))
    found = automaton_of(DEPTH, ("a", "b"), once)
    assert found.answers == ("out", "in")
    assert found.steps[1] == (None, None)


@pytest.mark.parametrize(
    "source",
    [
        "def f(tokens):\n    import os\n    return os.getcwd()\n",
        "def f(tokens):\n    return open('/etc/passwd').read()\n",
        "def f(tokens):\n    return 'a'\n",
        "def f(tokens):\n    return sum(1 for i in range(10 ** 12))\n",
        "no python",
        "",
    ],
)
def test_what_is_no_automaton_has_none_and_is_not_run(source):
    assert automaton_of(source, ("a",)) is None


def test_the_drawing_names_states_and_moves():
    root = ElementTree.fromstring(automaton_svg(automaton_of(COUNTER, ("a", "b<")), "<counter>"))
    words = ["".join(part.itertext()) for part in root.iter("{http://www.w3.org/2000/svg}text")]
    assert {"zero", "one", "two", "b<"} <= set(words)
    assert root.get("aria-label") == "automaton of <counter>: 3 states"
