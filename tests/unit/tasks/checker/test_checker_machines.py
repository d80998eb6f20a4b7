"""The checker's machines: a program that Python runs in another way than they would is refused, not followed."""

from __future__ import annotations

import os
from itertools import product

import pytest

from tasks.checker import __main__ as command
from tasks.checker.files import Rejected, UnreadableError, load
from tasks.checker.programs import function_of, machine_of

PAIRS, PLACES = "before, token in zip(tokens, tokens[1:])", "place for place, token in enumerate(tokens)"
OTHERWISE = {
    "a sum that begins at 5": f"sum((before == 'a' for {PAIRS}), 5) > 4",
    "a largest place by its text": f"max(({PLACES} if token == 'a'), key=str, default=-1) > 9",
    "a length of two things": "len(tokens, obj=1) > 2",
    "a count with a keyword": "tokens.count('a', b=2) > 2",
    "a test of two things": f"any((before == 'a' for {PAIRS}), 5)",
    "a sum that waits": "sum(token == 'a' async for token in tokens) > 1",
    "an order of the tokens": "tokens[::-1][0] == 'a'",
    "a key that counts": "min(tokens, key=tokens.count) == 'a'",
    "a test of all of two things": f"all((before == 'a' for {PAIRS}), 5)",
    "a count that a neighbour reads": f"any(tokens.count('a') > 1 for {PAIRS})",
}
LOOPS = {
    "a return out of a loop": (
        "s = ''",
        "if token == 'b':\n            return 'b'\n        s = s",
        "s == 'b'",
    ),
    "what a loop left, read by neighbours": ("s = 'a'", "s = token", f"any(before == s for {PAIRS})"),
    "what a loop left, read by places": ("place = 0", "place = 5", f"next(({PLACES} if place == 5), len(tokens)) == 0"),
    "what another loop left": (
        "s = 0\n    for token in tokens:\n        s = s + 1\n    t = 0",
        "t = t + s",
        "t > 8",
    ),
    "what a loop left in the loop's name": ("token = 'b'\n    s = 0", "s = s + 1", "token == 'b' and s > 0"),
    "other tokens": ("tokens = 'a'\n    s = 0", "tokens = token\n        s = s + 1", "s > 1"),
    "what another loop began": ("s = 0\n    for token in tokens:\n        s = s + 1\n    s = 0", "s = s + 1", "s > 2"),
    "what changes its type": ("s = 0", "s = s + 1 / 2", "str(s) == '1.0'"),
    "what was computed before a loop": ("x = len(tokens)\n    s = 0", "s = x", "s > 1"),
}
TEXTS = {name: f"def program(tokens):\n    return 'x' if {test} else 'y'\n" for name, test in OTHERWISE.items()} | {
    name: f"def program(tokens):\n    {first}\n    for token in tokens:\n        {step}\n    return "
    f"'x' if {test} else 'y'\n"
    for name, (first, step, test) in LOOPS.items()
}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS.keys())
def test_a_program_that_a_machine_would_run_otherwise_is_refused(text):
    function_of(text, ["tokens"])  # each is a program, and was once taken for another one
    with pytest.raises(Rejected, match="cannot follow"):
        followed(text, "a")


def test_a_program_that_calls_itself_is_not_followed():
    calling = "if tokens[-1] == 'ba':\n        return 'y'\n    return 'x' if tokens[-1] == 'a' else answer('ba')"
    text = f"def answer(tokens):\n    {calling}\n"
    with pytest.raises(UnreadableError, match="calls itself"):
        function_of(text, ["tokens"])  # a machine's own function of this name says y
    with pytest.raises(Rejected, match="cannot follow"):
        followed(text, "b")


def followed(text, word):
    """The answer of the machine that ``text`` is."""
    return answer_of(machine_of(text, []), word)


def answer_of(machine, word):
    state = machine.start
    for token in word:
        state = machine.step(state, token, word[-1])
    return machine.answer(state, word[-1])


def test_a_sum_of_texts_fails_as_it_does_in_python():
    machine = machine_of("def program(tokens):\n    return sum('x' for token in tokens)\n", [])
    with pytest.raises(Rejected, match=r"the program fails .* TypeError"):
        machine.step(machine.start, "a", "a")


def test_a_step_that_fails_is_an_answer():
    text = LOOPS["a return out of a loop"]
    failing = f"def program(tokens):\n    {text[0]}\n    for token in tokens:\n        s = s + 1\n    return s\n"
    machine = machine_of(failing, [])
    with pytest.raises(Rejected, match=r"the program fails .* TypeError"):
        machine.step(machine.start, "a", "a")


@pytest.mark.parametrize("test", ["tokens[0] == ''", f"any(before == '' for {PAIRS})", "tokens[-1] == ''"])
def test_an_empty_token_is_a_token(test):
    assert_followed(f"def program(tokens):\n    return 'x' if {test} else 'y'\n", ("", "a"))


def assert_followed(text, alphabet):
    function, machine = function_of(text, ["tokens"]), machine_of(text, [])
    for length in range(1, 7):
        for word in product(alphabet, repeat=length):
            assert answer_of(machine, word) == function([*word]), word


@pytest.mark.parametrize(
    "text",
    [
        f"def program(tokens):\n    return 'x' if sum(before == 'a' for {PAIRS}) > 1 else 'y'\n",
        f"def program(tokens):\n    return 'x' if max(({PLACES} if token == 'a'), default=-1) > 1 else tokens[0]\n",
        f"def program(tokens):\n    return 'x' if next(({PLACES} if token == 'b'), len(tokens)) > 1 else tokens[-1]\n",
        "def program(tokens):\n    s = 0\n    for token in tokens:\n        "
        "s = 0 if token == 'a' else s + 1\n    return str(s)\n",
        f"def program(tokens):\n    return 'x' if next(({PLACES} if place == 5), len(tokens)) == 5 else 'y'\n",
        f"def program(tokens):\n    return str(any(1 for {PAIRS}))\n",
        "def program(tokens):\n    return str('a' in tokens) + str('b' not in tokens) + str(3 in tokens)\n",
        "def program(tokens):\n    E = tokens.count('a')\n    return str(E + sum(token == 'b' for token in tokens))\n",
        "def program(tokens):\n    return str(tokens.count(tokens[-1]) - tokens.count('c'))\n",
        f"def program(tokens):\n    return str(all(before != token for {PAIRS}))\n",
        "def program(tokens):\n    return str(all(token in {'a', 'c'} for token in tokens))\n",
        "def program(tokens):\n    return str(any({'a': 0, 'b': 1}[token] for token in tokens))\n",
        "def program(tokens):\n    return {'a': 'x'}.get(tokens[0], tokens[-1].upper())\n",
        "def program(tokens):\n    return 'x' if tokens.count('a') % 3 in {0, 2} else str(abs(2 - len(tokens)))\n",
        "def program(tokens):\n    s = 'in'\n    for token in tokens:\n"
        "        s = {('in', 'a'): 'out', ('out', 'b'): 'in'}.get((s, token), s)\n    return s\n",
    ],
)
def test_a_machine_answers_as_python_does(text):
    assert_followed(text, "ab")


def test_a_name_that_python_refuses_is_no_program():
    with pytest.raises(UnreadableError, match="no Python"):
        function_of("def program(tokens):\n    __debug__ = 1\n    return 'x'\n", ["tokens"])


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes are needed")
def test_a_pipe_in_a_certificate_is_no_file(tmp_path):
    os.mkfifo(tmp_path / "program.py")
    with pytest.raises(UnreadableError, match="is no file"):
        load(tmp_path)


def test_an_interrupted_check_is_no_answer(monkeypatch, capsys):
    def interrupted(*job, **limits):
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "guarded", interrupted)
    assert command.main(["folder"]) == 2
    said = capsys.readouterr()
    assert not said.out
    assert said.err == "checker: interrupted; nothing was found\n"


@pytest.mark.parametrize(
    "value",
    ["list(set(tokens))[0]", "max(place for place in set(tokens))", "sum(1 for token in set(tokens) if 'a' == token)",
     "'%s' % (token for token in tokens)", "next((1 for token in tokens if 0), (2 for token in tokens))",
     "'%s' % zip(tokens)", "str(enumerate(tokens))", "str(tokens.count)", "str(program)", "[len][0]",
     "max(tokens, key=enumerate)", "min({1 for token in tokens})"],
)  # fmt: skip
def test_a_program_that_answers_otherwise_in_another_run_is_refused(value):
    with pytest.raises(UnreadableError, match=r"program\.py"):
        function_of(f"def program(tokens):\n    return {value}\n", ["tokens"])


@pytest.mark.parametrize("kind", ["x", "tokens", "int[str]"])
def test_a_program_that_python_cannot_define_is_none(kind):
    with pytest.raises(UnreadableError, match="no Python"):
        function_of(f"def program(tokens: {kind}):\n    x = 'a'\n    return x\n", ["tokens"])
