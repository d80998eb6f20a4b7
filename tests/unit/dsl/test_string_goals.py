"""Claims about goals of strings: from leaves alone, programs of the usual kinds are found, in the grammar and right."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest

from dsl.deduction.rows import Rows, applied, union
from dsl.deduction.string_goals import StringGoals
from dsl.grammar import Grammar, Production
from dsl.operators import BOOL, INT, STRING, Sort, Term
from dsl.scalars import ScalarSignature, column, variable
from dsl.theories.theory import find, literal

NAMES = {STRING: "S", INT: "I", BOOL: "B"}
OPERATORS = (
    *(("str.++", STRING, STRING), ("str.replace", STRING, STRING, STRING), ("str.at", STRING, INT)),
    *(("str.from_int", INT), ("str.substr", STRING, INT, INT), ("ite", BOOL, STRING, STRING)),
    *(("+", INT, INT), ("-", INT, INT), ("str.len", STRING), ("str.to_int", STRING), ("ite", BOOL, INT, INT)),
    *(("str.indexof", STRING, STRING, INT), ("=", INT, INT), ("str.prefixof", STRING, STRING)),
    *(("str.suffixof", STRING, STRING), ("str.contains", STRING, STRING)),
)


def grammar_of(parameters, result: Sort, constants, *, without=()) -> Grammar:
    """A grammar of one nonterminal per sort, with all operators of strings but those ``without``."""
    productions = [Production(NAMES[sort], variable(name, sort)) for name, sort in parameters]
    for value in constants:
        sort = BOOL if isinstance(value, bool) else STRING if isinstance(value, str) else INT
        productions.append(Production(NAMES[sort], literal(value, sort)))
    for name, *sorts in OPERATORS:
        operator = find(name, tuple(sorts))
        if name not in without:
            productions.append(Production(NAMES[operator.result], operator, tuple(NAMES[sort] for sort in sorts)))
    return Grammar(ScalarSignature(tuple(parameters), result), NAMES[result], tuple(productions))


def rows_of(grammar: Grammar, inputs: Any) -> dict[str, Rows]:
    """The leaves of a grammar, and nothing else."""
    found = {}
    for name, sort in grammar.sorts.items():
        terms = [p.operator() for p in grammar.productions if p.nonterminal == name and not p.arguments]
        values = np.empty((len(terms), inputs.examples), sort.dtype)
        for place, term in enumerate(terms):
            values[place] = term.evaluate(inputs)
        found[name] = Rows(values, np.ones(len(terms), np.int64), terms.__getitem__)
    return found


def solve(grammar: Grammar, examples, **options) -> Term | None:
    """What is found for ``examples`` (inputs ..., output), checked to be right and in the grammar."""
    inputs = grammar.signature.batch([example[:-1] for example in examples])
    goal = column(grammar.signature.result, [example[-1] for example in examples], exact=True)
    term = StringGoals(grammar, inputs, rows_of(grammar, inputs)).solve(grammar.start, goal, **options)
    if term is not None:
        assert (term.evaluate(inputs) == goal).all()
        assert grammar.cost(term) is not None
    return term


def operators(term: Term) -> set[str]:
    return {term.operator.name}.union(*map(operators, term.arguments))


def texts(*names: str) -> tuple[tuple[str, Sort], ...]:
    return tuple((name, STRING) for name in names)


ONE, TWO = texts("text"), texts("left", "right")
NAMED = [("Ada Lovelace", "A.L."), ("Alan Turing", "A.T."), ("Grace Hopper", "G.H."), ("Kurt Goedel", "K.G.")]
PATHS = [("usr/lib/x/a.out", "a.out"), ("a/bb/c/d", "d"), ("one/two/three/4", "4")]
KINDS = {
    "initials": (ONE, (" ", ".", 0, 1), NAMED),
    "swapped": (ONE, (" ", ", ", 0, 1), [("Ada King", "King, Ada"), ("Al Gore", "Gore, Al"), ("Bo Ek", "Ek, Bo")]),
    "domain": (ONE, ("@", 0, 1), [("ada@ab.org", "ab.org"), ("x@y.z", "y.z"), ("bob@cc.de", "cc.de")]),
    "between": (ONE, ("[", "]", 0, 1), [("a[warn]", "warn"), ("[x] y", "x"), ("bb [e 1]", "e 1"), ("[]", "")]),
    "date": (ONE, ("-", "/", 0, 2, 3, 4, 5), [("31/12/1999", "1999-12-31"), ("01/02/2003", "2003-02-01")]),
    "loose date": (ONE, ("-", "/", 0, 1), [("3/12/1999", "1999-12-3"), ("11/2/203", "203-2-11"), ("5/8/99", "99-8-5")]),
    "phone": (ONE, ("(", ") ", "-", 0, 3, 4), [("555-123-4567", "(555) 123-4567"), ("800-222-9999", "(800) 222-9999")]),
    "digits only": (ONE, ("-", "(", ") ", ""), [("(555) 123-4567", "5551234567"), ("(20) 7-9", "2079")]),
    "fourth": (ONE, (",", 0, 1), [("a,b,c,dd,e", "dd"), ("11,2,33,4,5", "4"), ("x,,y,zzz,", "zzz")]),
    "last of four": (ONE, ("/", 0, 1), PATHS),
    "extension": (ONE, (".", 0, 1), [("a.pdf", "pdf"), ("photo1.jpeg", "jpeg"), ("x.c", "c")]),
    "maybe extension": (ONE, (".", "", 0, 1), [("a.pdf", "pdf"), ("Makefile", ""), ("x1.jpeg", "jpeg"), ("b", "")]),
    "next number": (ONE, ("-", 0, 1), [("item-9", "item-10"), ("a-41", "a-42"), ("rev-199", "rev-200")]),
    "sum in words": (TWO, (" ", " kg", 0, 1), [("12 kg", "3 kg", "15 kg"), ("7 kg", "41 kg", "48 kg")]),
    "choice": (ONE, ("yes", "no", "error"), [("error 12", "yes"), ("fine", "no"), ("an error", "yes"), ("", "no")]),
    "four kinds": (
        ONE,
        ("chrome", "firefox", "safari", "other"),
        [(f"{a}{b}{c}", b or "other") for a in "xy" for c in "zv" for b in ("chrome", "firefox", "safari", "")],
    ),
    "polite": (TWO, ("m", "Mr ", "Ms "), [("Eve", "f", "Ms Eve"), ("Bob", "m", "Mr Bob"), ("Al", "m", "Mr Al")]),
    "replaced": (ONE, (" ", "_"), [("a b c", "a_b_c"), ("one two 3", "one_two_3")]),
    "cut short": (ONE, ("...", 0, 3), [("ab", "ab..."), ("abcdef", "abc..."), ("xyz", "xyz...")]),
    "email": (TWO, (".", "@mail.org", 0), [("ada", "king", "a.king@mail.org"), ("bob", "ek", "b.ek@mail.org")]),
}
COUNTED = {
    "spaces": (ONE, (" ", "", 0, 1), [("a b c", 2), ("abc", 0), ("one two", 1), ("w x y z", 3)]),
    "words": (ONE, (" ", "", 0, 1), [("a b c", 3), ("abc", 1), ("one two", 2), ("w x y z", 4)]),
    "amount": (ONE, (" ", 0), [("12 kg", 12), ("7 m", 7), ("150 miles", 150)]),
    "sum": (TWO, (" ", 0), [("12 kg", "3 kg", 15), ("7 m", "10 m", 17), ("150 yd", "1 yd", 151)]),
    "rest": (ONE, (":", 0, 1), [("key:value", 5), ("a:bc", 2), ("name:x", 1)]),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_string_of_this_kind_is_found(kind):
    parameters, constants, examples = KINDS[kind]
    assert solve(grammar_of(parameters, STRING, constants), examples) is not None


@pytest.mark.parametrize("kind", COUNTED)
def test_a_number_of_this_kind_is_found(kind):
    parameters, constants, examples = COUNTED[kind]
    assert solve(grammar_of(parameters, INT, constants), examples) is not None


def test_a_test_is_found():
    grammar = grammar_of(ONE, BOOL, ("@", True, False))
    term = solve(grammar, [("a@b", True), ("ab", False), ("@", True)])
    assert str(term) == 'str.contains(text, "@")'


def test_the_cheapest_of_many_ways_is_taken():
    grammar = grammar_of(ONE, STRING, ("-", 0, 3))
    assert str(solve(grammar, [("555-12", "555"), ("800-9", "800")])) == "str.substr(text, 0, 3)"
    grammar = grammar_of(ONE, STRING, ("yes", "no", "x"))
    term = solve(grammar, [("axb", "yes"), ("ab", "no"), ("cxx", "yes"), ("", "no")])
    assert str(term) == 'ite(str.contains(text, "x"), "yes", "no")'


def test_a_program_found_on_a_few_of_many_examples_is_right_on_all():
    examples = [(f"{n:03}-{7 * n % 1000:03}", f"({n:03}) {7 * n % 1000:03}") for n in range(0, 1000, 5)]
    start = time.process_time()
    assert solve(grammar_of(ONE, STRING, ("(", ") ", "-", 0, 3, 4)), examples) is not None
    assert time.process_time() - start < 5


@pytest.mark.parametrize("name", ["ite", "str.++", "str.substr", "str.replace", "-", "str.indexof"])
def test_no_operator_outside_the_grammar_is_used(name):
    for parameters, constants, examples in [KINDS["initials"], KINDS["choice"], KINDS["between"]]:
        term = solve(grammar_of(parameters, STRING, constants, without=(name,)), examples)
        assert term is None or name not in operators(term)


def test_nothing_is_found_where_nothing_fits():
    grammar = grammar_of(ONE, STRING, ("a", 0))
    assert solve(grammar, [("ab", "xyz"), ("b", "q")]) is None
    assert solve(grammar, [("same", "a"), ("same", "b")]) is None


def test_a_stopped_search_finds_at_most_what_is_right():
    parameters, constants, examples = KINDS["loose date"]
    assert solve(grammar_of(parameters, STRING, constants), examples, stop=lambda: True) is None


def test_one_example_and_strange_characters_do():
    assert solve(grammar_of(ONE, STRING, ("ß", 0)), [("Straße", "ße")]) is not None
    assert solve(grammar_of(ONE, STRING, ("", 0)), [("", ""), ("\U0001f600", "\U0001f600")]) is not None


def test_an_input_that_is_part_of_another_is_an_input():
    examples = [("ab", "xaby", "ab"), ("cde", "cdef", "cde"), ("q", "qq", "q")]
    assert str(solve(grammar_of(TWO, STRING, (0,)), examples)) == "left"
    examples = [("a,b", "xa,by", "b"), ("cd,e", "cd,ef", "e"), ("q,p", "q,pq", "p")]
    assert solve(grammar_of(TWO, STRING, (",", 0, 1)), examples) is not None


def test_any_literal_may_be_used_where_the_grammar_says_so():
    plain = grammar_of(ONE, STRING, (0,))
    free = Grammar(plain.signature, plain.start, plain.productions, frozenset({"S"}))
    examples = [("Ada", "Hello, Ada!"), ("Bob", "Hello, Bob!")]
    assert solve(plain, examples) is None
    assert str(solve(free, examples)) == 'str.++("Hello, ", str.++(text, "!"))'


def test_values_beyond_a_word_are_no_reason_to_fail():
    assert solve(grammar_of(ONE, INT, (0,)), [("a", 2**70), ("b", 2**70)]) is None
    assert solve(grammar_of(ONE, STRING, (0,)), [("1" + "0" * 30, "10" + "0" * 29)]) is not None


def test_rows_of_a_nonterminal_may_be_missing():
    grammar = grammar_of(ONE, STRING, ("-",))  # no number at all
    inputs = grammar.signature.batch([("a",), ("b",)])
    rows = rows_of(grammar, inputs)
    rows["I"] = union(
        rows["I"], applied(Production("I", find("str.len", (STRING,)), ("S",)), (rows["S"],), np.zeros((0, 1), int))
    )
    assert StringGoals(grammar, inputs, rows).solve("S", column(STRING, ["a-", "b-"])) is not None
