"""Claims about programs and grammars: what is printed, what is read, what is refused with a sentence."""

from __future__ import annotations

import numpy as np
import pytest

from dsl.grammar import Grammar, Production
from dsl.grammars.motifs import (
    BEGINS_WITH,
    CHOOSE,
    COUNT,
    ENDS_WITH,
    GREATER,
    LATCH,
    LENGTH,
    PLUS,
    TOGGLE,
    at_least,
    clipped,
    constant,
    digits,
    is_token,
    label,
    motifs,
    multiplied,
    times,
)
from dsl.operators import BOOL, INT, GrammarError, Operator
from dsl.program import Program
from dsl.sequences import SequenceBatch, SequenceSignature

GRAMMAR = motifs(["a", "b"], ["x", "y"])
A, B, X, Y = is_token(0, "a"), is_token(1, "b"), label(0, "x"), label(1, "y")


def body(text: str) -> str:
    return f"def f(tokens):\n    {text}\n"


@pytest.mark.parametrize(
    "source",
    [
        body("return 'x' if token == 'a' else 'y'"),
        body("return 'x' if tokens[1] == 'a' else 'y'"),
        body("return 'x' if any(token == 'a' and token == 'b' for before, token in zip(tokens, tokens[1:])) else 'y'"),
        body("return 'x' if sum(before == 'a' for token in tokens) >= 2 else 'y'"),
        body(
            "token = False\n    for token in tokens:\n        if token == 'a':\n            token = not token\n"
            "    return 'x' if token else 'y'"
        ),
        body("flag = token == 'a'\n    return 'x' if sum(flag for token in tokens) >= 2 else 'y'"),
        body("sum = tokens.count('a')\n    return 'x' if sum + sum >= 2 else 'y'"),
        body("return 'z'"),
        body("return 'x' if __import__('os') else 'y'"),
        body("return 'x' if (lambda: True)() else 'y'"),
        body("'only a docstring'"),
        body("pass"),
        "@print\ndef f(tokens):\n    return 'x'\n",
        "def f(tokens=print()):\n    return 'x'\n",
        "def f(tokens, *more):\n    return 'x'\n",
        "def f(tokens, more=print()):\n    return 'x'\n",
        "def f(*, tokens):\n    return 'x'\n",
        "def f(tokens: print()):\n    return 'x'\n",
        "def f(tokens) -> print():\n    return 'x'\n",
        "def len(tokens):\n    return 'x' if len(tokens) >= 2 else 'y'\n",
        "async def f(tokens):\n    return 'x'\n",
        "def f(tokens):\n    return 'x'\nprint()\n",
        "import os\ndef f(tokens):\n    return 'x'\n",
        "f = lambda tokens: 'x'",
        "",
        "\0",
        "def f(tokens):\nreturn 'x'",
        body("return 'x' if " + "not " * 400 + "tokens[-1] == 'a' else 'y'"),
        body("return " + "(" * 400 + "'x'" + ")" * 400),
    ],
)
def test_what_is_not_a_printed_program_is_refused_and_never_run(source, capsys):
    with pytest.raises(GrammarError) as refusal:
        Program.parse(source, GRAMMAR)
    assert "\n" not in str(refusal.value)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    "source",
    [
        body("return 'x' if tokens[-1] == 'a' else 'y'"),
        body("'''With a docstring.'''\n    return 'x'"),
        "# a comment\n" + body("return   'x'  # another"),
        "def f(tokens: list[str]) -> str:\n    return 'x'",
    ],
)
def test_docstrings_comments_and_annotations_may_come_and_go(source):
    program = Program.parse(source, GRAMMAR)
    assert Program.parse(program.source(), GRAMMAR) == program


@pytest.mark.parametrize(
    "text", ['says "hi"', "ends in \\", 'a """ b', "\\" * 300, "nul \0", "  ", "a\nb", '"', "w " * 90]
)
def test_any_docstring_leaves_the_program_as_it_is(text):
    program = Program(CHOOSE(ENDS_WITH(A()), X(), Y()), GRAMMAR)
    source = program.source("f", text)
    assert Program.parse(source, GRAMMAR) == program
    scope: dict[str, object] = {}
    exec(source, scope)
    assert scope["f"](["b", "a"]) == "x"  # type: ignore[operator]


@pytest.mark.parametrize("name", ["sum", "class", "a b", "", "1st", "None", "f(tokens): pass\ndef g"])
def test_a_function_cannot_be_named_after_a_builtin_or_by_no_identifier(name):
    with pytest.raises(GrammarError, match="identifier"):
        Program(X(), GRAMMAR).source(name)


def test_a_token_that_looks_like_code_is_printed_as_it_is():
    token = "sum((token == 'a' for token in tokens))"
    grammar = motifs(["a", token], ["x", "y"])
    program = Program(CHOOSE(at_least(2)(PLUS(COUNT(A()), COUNT(is_token(1, token)()))), X(), Y()), grammar)
    assert Program.parse(program.source(), grammar) == program
    scope: dict[str, object] = {}
    exec(program.source(), scope)
    assert scope["program"]([token, token]) == "x"  # type: ignore[operator]


def test_a_value_used_twice_gets_one_name_and_two_loops_get_two():
    depth, once = clipped(2)(A(), B()), LATCH(A(), B())
    twice = CHOOSE(
        at_least(1)(PLUS(depth, clipped(None)(A(), B()))), CHOOSE(TOGGLE(A()), X(), Y()), CHOOSE(once, X(), Y())
    )
    source = Program(CHOOSE(once, twice, CHOOSE(TOGGLE(A()), Y(), X())), GRAMMAR).source()
    assert source.count("for token in tokens:") == 4
    assert all(f"{name} = " in source for name in ("depth", "depth_2", "flag", "inside"))
    assert Program.parse(source, GRAMMAR).source() == source


def test_a_program_that_reads_a_token_refuses_the_empty_sequence_in_every_reading():
    for test in (ENDS_WITH(A()), BEGINS_WITH(A())):
        program = Program(CHOOSE(test, X(), Y()), GRAMMAR)
        symbols = GRAMMAR.signature.symbols(None, 0)
        for reading in (lambda p=program: p([]), lambda p=program, s=symbols: p.encode(s)):
            with pytest.raises(GrammarError, match="empty sequence"):
                reading()
        with pytest.raises(GrammarError, match="empty sequence"):
            program.run(GRAMMAR.signature.batch([["a"], []]))
        assert program(["a"]) == "x"


def test_a_grammar_for_empty_sequences_holds_no_row_that_reads_a_token():
    grammar = motifs(["a", "b"], ["x", "y"], min_length=0)
    assert not any(production.operator.needs_token for production in grammar.productions)
    assert Program(CHOOSE(at_least(1)(LENGTH()), X(), Y()), grammar)([]) == "y"


def test_a_number_that_no_label_names_gives_no_label():
    grammar = motifs(["a", "b"], ["0", "1"])
    program = Program(digits((0, 1))(LENGTH()), grammar)
    assert [program(["a"] * n) for n in (1, 2)] == ["1", None]
    assert program.run(grammar.signature.batch([["a"], ["a", "a"]])).tolist() == [1, -2]


@pytest.mark.parametrize("labels", [["²", "1"], ["٣"], ["01", "1"], ["-1", "1"], ["", "1"]])
def test_only_labels_that_str_prints_are_digits(labels):
    assert not any(p.operator.name == "digits" for p in motifs(["a"], labels).productions)


@pytest.mark.parametrize(
    ("alphabet", "labels"),
    [
        ([], ["x"]),
        (["a"], []),
        (["a", "a"], ["x"]),
        (["a"], ["x", "x"]),
        (["a"], [1.0]),
        (["a"], [None, "x"]),
        (["a"], [0, "0"]),
        (["a"], [True, 1]),
        ([1], ["x"]),
        (list(map(str, range(128))), ["x"]),
    ],
)
def test_repeated_missing_or_too_many_texts_are_refused(alphabet, labels):
    with pytest.raises(GrammarError, match="expected"):
        motifs(alphabet, labels)


def test_foreign_tokens_and_labels_are_named():
    with pytest.raises(GrammarError, match="unknown token 'c'; the alphabet is a, b"):
        Program(X(), GRAMMAR)(["c"])
    with pytest.raises(GrammarError, match="unknown label None; the labels are 'x', 'y'"):
        GRAMMAR.signature.label_index(None)


@pytest.mark.parametrize("model", [{"tok_0_0": True, "tok_0_1": True}, {"tok_0_0": False, "tok_0_1": False}])
def test_a_model_without_exactly_one_token_per_position_is_refused(model):
    with pytest.raises(GrammarError, match="expected one"):
        GRAMMAR.signature.decode(model, 1)


def test_a_grammar_that_does_not_fit_together_says_where():
    signature, number = SequenceSignature(("a",), ("x",)), Production("N", LENGTH)
    cases = [
        (lambda: Production("N", LENGTH, cost=0), "at least 1"),
        (lambda: Production("N", PLUS, ("N",)), "takes 2 arguments, got 1"),
        (lambda: Grammar(signature, "L", (number,)), "the start 'L' has no production"),
        (lambda: Grammar(signature, "N", (number, Production("N", X))), "two sorts"),
        (lambda: Grammar(signature, "N", (number, Production("F", at_least(1), ("M",)))), "has no production"),
        (lambda: Grammar(signature, "N", (Production("M", A), Production("N", PLUS, ("M", "M")))), "takes Int"),
        (lambda: Grammar(signature, "N", (number, number)), "listed twice"),
        (lambda: PLUS(LENGTH()), "takes"),
        (lambda: Operator("f", (INT,), BOOL, numpy=abs, smt=abs, python="tokens"), "no hole _0"),
        (lambda: Operator("f", (), INT, numpy=abs, smt=abs, python="len(tokens)", noun="sum"), "noun"),
        (lambda: Operator("f", (), INT, numpy=abs, smt=abs, python="len(tokens)", noun="tokens"), "noun"),
    ]
    for build, message in cases:
        with pytest.raises(GrammarError, match=message):
            build()


def test_two_meanings_under_one_name_are_refused():
    other = Operator("length", (), INT, numpy=abs, smt=abs, python="len(tokens) + 1")
    with pytest.raises(GrammarError, match="two operators are called 'length'"):
        Grammar(SequenceSignature(("a",), ("x",)), "N", (Production("N", LENGTH), Production("M", other)))


def test_a_term_outside_the_grammar_has_no_cost():
    with pytest.raises(GrammarError, match="not a program of this grammar"):
        _ = Program(label(2, "z")(), GRAMMAR).cost


def test_a_grammar_without_conditionals_refuses_them_when_reading():
    grammar = Grammar(GRAMMAR.signature, "L", (Production("L", X), Production("L", Y)))
    with pytest.raises(GrammarError, match="no conditional"):
        Program.parse(body("if tokens[-1] == 'a':\n        return 'x'\n    return 'y'"), grammar)


def test_padding_changes_no_value():
    batch = GRAMMAR.signature.batch([["a", "b"], ["b"]])
    assert batch.widened(1) is batch
    wide = batch.widened(9)
    assert wide.lengths.tolist() == [2, 1]
    assert wide.last.tolist() == batch.last.tolist() == [1, 1]
    assert SequenceBatch(np.zeros((1, 0), np.int8)).last.tolist() == [-1]


@pytest.mark.parametrize("factor", [12, 13, 794, 10**6 - 1])
def test_a_factor_of_any_size_is_read_back_though_no_search_tries_it(factor):
    term = CHOOSE(GREATER(times(factor)(LENGTH()), constant(factor + 1)()), label(0, "x")(), label(1, "y")())
    program = Program(term, GRAMMAR)
    assert f"{factor} * len(tokens) > {factor + 1}" in program.source("f")
    assert Program.parse(program.source("f"), GRAMMAR) == program
    assert [program(("a",) * n) for n in (1, 2)] == ["y", "x"]
    assert (times(factor) in {row.operator for row in GRAMMAR.productions}) == (factor == 12)


def test_numbers_without_a_row_of_their_own_stay_refused():
    for text in (
        f"{10**7} * len(tokens) > 1",
        "-30 * len(tokens) > 1",
        "30.0 * len(tokens) > 1",
        "len(tokens) * 30 > 1",
        "len(tokens) % 30 > 1",
    ):
        with pytest.raises(GrammarError):
            Program.parse(f"def f(tokens):\n    return 'x' if {text} else 'y'\n", GRAMMAR)


def test_products_of_products_are_one_product():
    nested = times(2)(times(3)(PLUS(times(5)(times(2)(LENGTH())), constant(4)())))
    assert multiplied(nested) == times(6)(PLUS(times(10)(LENGTH()), constant(4)()))
    batch = SequenceBatch(np.array([[0, 1, 0], [1, -1, -1]], np.int8))
    assert multiplied(nested).evaluate(batch).tolist() == nested.evaluate(batch).tolist() == [204, 84]
