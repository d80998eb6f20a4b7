"""Programs of a stranger: what would take much time or memory is refused before, or where, it happens."""

from __future__ import annotations

import time
from functools import reduce
from math import inf

import pytest

from tasks.checker.endless import followed
from tasks.checker.files import Rejected, UnreadableError
from tasks.checker.programs import called, function_of, machine_of

TOKENS = ["a", "b"] * 20


def program(body: str) -> str:
    return f"def program(tokens):\n    {body}\n"


def loop(first: str, step: str, last: str = "return 'x'") -> str:
    return program(f"x = {first}\n    for token in tokens:\n        x = {step}\n    {last}")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (loop("3", "x * x"), "4,096 bits"),
        (loop("-3", "x * x"), "4,096 bits"),
        (program("return 'a' * 3000000000"), "more than 1,048,576 entries"),
        (program("return 3000000000 * 'a'"), "more than 1,048,576 entries"),
        (program("return tokens * 300000000"), "more than 1,048,576 entries"),
        (program("return len((0,) * 300000000)"), "more than 1,048,576 entries"),
        (program("return len([0] * 250000000)"), "more than 1,048,576 entries"),
        (loop("tokens", "x + x"), "more than 1,048,576 entries"),
        (loop("'ab'", "x + x"), "more than 1,048,576 entries"),
        (loop("'ab'", "x * len(x)"), "more than 1,048,576 entries"),
        (loop("[0]", "[x, x]", "return str(x)"), "something else than a number"),
        (loop("'ab'", "str((x, x))"), "more than 1,048,576 entries"),
        (program("return '%1000000000d' % len(tokens)"), "formats a text"),
        (program("return len(list(0 for a in tokens for b in tokens for c in tokens for d in tokens))"), "entries"),
        (program("return len(sorted(0 for a in tokens for b in tokens for c in tokens for d in tokens))"), "entries"),
        (program("return len(sum((tokens for a in tokens), tokens))"), "something else than numbers"),
        (loop("1", f"x - x * {'9' * 99}"), "4,096 bits"),
        (program("return len(list(range(3000000000)))"), "entries"),
        (program("return len(sorted(reversed(range(3000000000))))"), "entries"),
        (program("return len([0 for n in range(3000000000)])"), "entries"),
        (program("return len(list(dict.fromkeys(n for n in range(3000000000))))"), "entries"),
        (program("return len(dict(zip(range(3000000000), range(3000000000))).get(1, ''))"), "entries"),
        (program("return len(('\u0390' * 1000000).upper())"), "entries"),
        (loop("'ab'", "x.join([x, x, x])"), "more than 1,048,576 entries"),
        (program("return ''.join('a' for n in range(3000000000))"), "entries"),
        (program("return ''.join([1, 2])"), "joins no texts"),
        (program("return str(round(5, -10000000000))"), "20 digits"),
        (program("return str(round(1 / 3, 10000000000))"), "20 digits"),
    ],
)
def test_what_grows_is_refused_where_it_does(text, said):
    function, began = function_of(text, ["tokens"]), time.perf_counter()
    with pytest.raises(Rejected, match=said):
        called(function, TOKENS)
    assert time.perf_counter() - began < 5


@pytest.mark.parametrize(
    "text",
    [
        program("return 10 ** 10 ** 10"),
        program("return 1 << 10 ** 12"),
        program("return 1 << 1000000000000"),
        program("return f'{len(tokens):1000000000}'"),
        program("return '{:1000000000}'.format(1)"),
        program("return 'a'.ljust(1000000000)"),
        program("x = ''.join\n    return x(tokens)"),
        program("return 'a'.replace('a', 'b' * 1000000)"),
        program("return 'a'.__class__"),
        program("return str(dict(a=tokens))"),
        program("return dict.fromkeys(tokens)"),
        program("return {}.fromkeys(tokens)"),
        program("x = dict\n    return x.fromkeys(tokens)"),
        program("return [*reversed(tokens)]"),
        program("return reversed(tokens)"),
        program("return tokens.index"),
        program("return min(tokens, key=tokens.append)"),
        program("return min({'a', 'b'})"),
        program("return {'a', 'b'}"),
        program("return 'a' in {tokens[0], 'b'}"),
        program("return {'a'} in [{'a'}]"),
        program("return len({'a', 'b'})"),
        program("return str({token: 1 for token in tokens})"),
        program("return {token for token in tokens}"),
        program("return 'a' if {'a'} < {'a', 'b'} else 'b'"),
        program("while True:\n        x = 1"),
        program("return program(tokens) + program(tokens)"),
        program(f"return 0x{'f' * 2000}"),
        program(f"return {'9' * 6000}"),
        program(f"return '{'a' * 20000}'"),
        program(f"return {'(' * 5000}1{')' * 5000}"),
        program(f"return {'(' * 150}1{')' * 150}" + "[0]" * 5000),
        program(f"return {'[' * 5000}{']' * 5000}"),
        program(f"return {'- ' * 100000}1"),
        program(f"return {'not ' * 100000}1"),
        program(f"return {'1 + ' * 100000}1"),
        program(f"return {'1 if 1 else ' * 50000}1"),
        program(f"return len{'(1)' * 50000}"),
        program("return 1" + " " * 2_000_000),
        program("x = 1; " * 400_000),
        "def f(tokens):\n    return g(tokens)\ndef g(tokens):\n    return f(tokens)\n" + program("return f(tokens)"),
        "def _add(a, b):\n    return 'x'\n" + program("return 'a' + 'b'"),
        program("_mul = 1\n    return 2 * 3"),
        "def f(tokens):\n    return 1\ndef f(tokens):\n    return f(tokens)\n" + program("return f(tokens)"),
        program("return 1\x00"),
        program("return '\ud800'"),
    ],
)
def test_what_cannot_be_bounded_is_refused_before_it_runs(text):
    began = time.perf_counter()
    with pytest.raises((UnreadableError, Rejected)):
        called(function_of(text, ["tokens"]), TOKENS)
    assert time.perf_counter() - began < 10


def test_a_followed_machine_is_bounded_too():
    machine = machine_of(loop("3", "x * x", "return 'x' if x > 7 else 'y'"), [])
    with pytest.raises(Rejected, match="4,096 bits"):
        reduce(lambda state, token: machine.step(state, token, "b"), TOKENS, machine.start)


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        ("return str(sum(token == 'a' for token in tokens) % 3)", "2"),
        ("return 'x' if 123456789 * tokens.count('a') > 2 ** 3 else 'y'".replace("2 ** 3", "8"), "x"),
        ("return tokens[-1] + tokens[0]", "ba"),
        ("return 'ab'[len(tokens) // 2 - 20]", "a"),
        ("return str(len(sorted(set(tokens))))".replace("sorted(set(tokens))", "set(tokens)"), "2"),
        ("return sorted(tokens, key=str)[0]", "a"),
        ("return str(sum((1 for token in tokens), 5))", "45"),
        ("return 'x' if tokens[0] in {'a', 'c'} and tokens[1] not in {'a'} else 'y'", "x"),
        ("return 'x' if (tokens[0], len(tokens) - 41) in {('a', -1), ('b', 2)} else 'y'", "x"),
        ("return {'a': '1', 'b': '2'}[tokens[-1]]", "2"),
        ("return {('a', 0): 'x'}[tokens[0], 0]", "x"),
        ("return {'c': '1'}.get(tokens[0], 'none')", "none"),
        ("return tokens[::-1][0] + tokens[::2][1] + tokens[::-3][1]", "baa"),
        ("return list(dict.fromkeys(tokens))[1]", "b"),
        ("return str((tokens[0], len(tokens[0]), 'b' in tokens))", "('a', 1, True)"),
        ("return max(tokens[1:], key=tokens[1:].count)", "b"),
        ("return sorted(tokens, key=tokens.index)[0] + sorted(tokens, key=tokens.count)[1]", "ab"),
        ("return max(tokens, key=len) + min(list(dict.fromkeys(tokens)), key=tokens.count)", "aa"),
        ("return list(reversed(tokens))[0] + next(reversed(tokens))", "bb"),
        ("return 'x' if all(s != t for s, t in zip(tokens, reversed(tokens))) else 'y'", "x"),
        ("return 'x' if all(token in 'ab' for token in tokens) else 'y'", "x"),
        ("return str(abs(1 - len(tokens))) + str(round(5 / 2)) + str(round(1 / 3, 2))", "3920.33"),
        ("return str(round(7 / 2, 0))", "4.0"),
        ("return str(sum(i % 2 for i in range(len(tokens)) if tokens[i] == 'b'))", "20"),
        ("return [token for token in tokens if token != 'a'][2]", "b"),
        ("return (tokens[0] * 3).upper()[1:] + tokens[1].capitalize() + tokens[1].title().swapcase().lower()", "AABb"),
        ("return 'x' if tokens[0].startswith('a') and tokens[0].endswith('a') else 'y'", "x"),
        (
            "return str('7'.isdigit()) + str('7'.isalpha()) + str('B'.isupper()) + str('B'.islower())",
            "TrueFalseTrueFalse",
        ),
        ("return str(tokens.index('b')) + str('abcb'.count('b'))", "12"),
    ],
)
def test_honest_programs_compute_what_they_say(body, answer):
    assert called(function_of(program(body), ["tokens"]), TOKENS) == answer


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("return 'a' * 3000000000", "1,048,576 entries"),
        ("return '%1000000000d' % 1", "formats a text"),
        ("x = 3\n" + "    x = x * x\n" * 15 + "    return 'a' if x else 'b'", "4,096 bits"),
    ],
)
def test_a_program_followed_over_every_length_is_bounded_too(body, said):
    text = program(body)
    function_of(text, ["tokens"])
    followed_there = followed(text, ["a", "b"], "a")
    with pytest.raises(Rejected, match=said):
        followed_there.answers(((0, 0), (inf, inf)), followed_there.start)


def test_of_a_dict_of_pairs_one_value_is_looked_up_and_nothing_else():
    (text, tokens) = program("return dict(zip(tokens, tokens[1:])).get(tokens[-1], 'none')"), ["a", "b", "a", "c", "a"]
    assert called(function_of(text, ["tokens"]), tokens) == "c"
    for other in ("str(dict(zip(tokens, tokens)))", "dict(zip(tokens, tokens)).get(tokens[0])", "str(dict(tokens))"):
        with pytest.raises(UnreadableError, match=r"of dict only dict.fromkeys and dict\(zip"):
            function_of(program(f"return {other}"), ["tokens"])
