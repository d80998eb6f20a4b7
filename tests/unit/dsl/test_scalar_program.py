"""Scalar programs: what they print, what stands above them, what is read and what is refused."""

from __future__ import annotations

import re
from typing import Any

import pytest

from dsl.grammar import Grammar, Production
from dsl.grammars.motifs import motifs
from dsl.operators import BOOL, INT, STRING, GrammarError, Operator, Sort, Term, bitvector
from dsl.program import Program
from dsl.scalars import ScalarSignature, variable
from dsl.theories.theory import define, find, literal

WORD = bitvector(32)
X, Y = variable("x", WORD), variable("y!", WORD)


def grammar_of(*operators: Operator, start: Sort = WORD, names: tuple[str, ...] = ("x", "y!"), **more: Any) -> Grammar:
    rows = [Production(o.result.name, o, tuple(sort.name for sort in o.arguments)) for o in operators]
    sort = operators[0].result
    return Grammar(ScalarSignature(tuple((name, sort) for name in names), start), start.name, tuple(rows), **more)


def bv(name: str) -> Operator:
    return find(name, (WORD, WORD))


WHERE_LESS = define(
    "min!",
    (("a", WORD), ("b", WORD)),
    find("ite", (BOOL, WORD, WORD))(bv("bvslt")(variable("a", WORD)(), variable("b", WORD)()), variable("a", WORD)(),
                                    variable("b", WORD)()),
)  # fmt: skip
GRAMMAR = grammar_of(
    X, Y, literal(1, WORD), literal(255, WORD), bv("bvadd"), bv("bvand"), bv("bvslt"), bv("bvsdiv"), bv("bvashr"),
    find("ite", (BOOL, WORD, WORD)), WHERE_LESS,
)  # fmt: skip


def program() -> Program:
    ite, mixed = find("ite", (BOOL, WORD, WORD)), bv("bvadd")(X(), literal(255, WORD)())
    last = WHERE_LESS(bv("bvand")(mixed, Y()), bv("bvashr")(Y(), literal(1, WORD)()))
    return Program(
        ite(bv("bvslt")(mixed, Y()), X(), ite(bv("bvslt")(X(), Y()), bv("bvsdiv")(mixed, Y()), last)), GRAMMAR
    )


def test_a_program_prints_as_people_write_it():
    assert (
        program().source("inv-f", "What it is.")
        == '''def signed(x, width):
    return x - (x >> (width - 1) << width)


def bvsdiv(x, y, width):
    x, y = signed(x, width), signed(y, width)
    if y == 0:
        return (1 << width) - 1 if x >= 0 else 1
    quotient = abs(x) // abs(y)
    return (quotient if (x < 0) == (y < 0) else -quotient) & ((1 << width) - 1)


def min_u21_(a: int, b: int) -> int:
    return a if signed(a, 32) < signed(b, 32) else b


def inv_u2d_f(x: int, y_u21_: int) -> int:
    """What it is."""
    word = (x + 0xFF) & 0xFFFFFFFF
    if signed(word, 32) < signed(y_u21_, 32):
        return x
    if signed(x, 32) < signed(y_u21_, 32):
        return bvsdiv(word, y_u21_, 32)
    return min_u21_(word & y_u21_, (signed(y_u21_, 32) >> 1) & 0xFFFFFFFF)
'''
    )


def test_the_sygus_text_has_smt_libs_names():
    added = "(bvadd x #x000000ff)"
    assert program().sygus("inv-f") == (
        "(define-fun inv-f ((x (_ BitVec 32)) (y! (_ BitVec 32))) (_ BitVec 32) "
        f"(ite (bvslt {added} y!) x (ite (bvslt x y!) (bvsdiv {added} y!) "
        f"(min! (bvand {added} y!) (bvashr y! #x00000001)))))"
    )
    assert program().definitions() == (
        "(define-fun min! ((a (_ BitVec 32)) (b (_ BitVec 32))) (_ BitVec 32) (ite (bvslt a b) a b))",
    )
    with pytest.raises(GrammarError, match="no SyGuS-IF text"):
        Program(motifs(["a"], ["x"]).productions[-2].operator(), motifs(["a"], ["x"])).sygus("f")


def test_symbols_that_smt_lib_reads_between_bars_are_printed_so():
    grammar = grammar_of(variable("a b", INT), start=INT, names=("a b",))
    assert Program(variable("a b", INT)(), grammar).sygus("my f") == "(define-fun |my f| ((|a b| Int)) Int |a b|)"


def test_a_program_runs_exactly_on_one_input_and_refuses_others():
    plus = find("+", (INT, INT))
    x, y = variable("x", INT), variable("y", INT)
    own = Program(plus(x(), y()), grammar_of(x, y, plus, start=INT, names=("x", "y")))
    assert own(2**63, 2**63) == 2**64
    assert own.run(own.grammar.scalars.batch([(2**62, 2**62)])).tolist() == [-(2**63)]
    for values in ((1,), (1, "2"), (1, True), (1, 2, 3)):
        with pytest.raises(GrammarError, match=re.escape("expected one value for each of (x: Int, y: Int), got ")):
            own(*values)
    assert program()(2**32 - 1, 5) == 50  # -1 is less than 5, so (-1 + 255) / 5
    with pytest.raises(GrammarError, match="expected one value for each"):
        program()(2**32, 5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.replace("x - (x >>", "x + (x >>"), "exactly as they are printed: signed, bvsdiv, min_u21_"),
        (lambda s: s[s.index("def bvsdiv") :], "exactly as they are printed"),
        (lambda s: s.replace("a: int", "a: str"), "exactly as they are printed"),
        (lambda s: "def extra():\n    return 1\n\n" + s, "exactly as they are printed"),
        (lambda s: s.replace("0xFF)", "0xFE)"), "not in this grammar"),
        (lambda s: s.replace("word", "len"), "not in the shape that is printed"),
        (lambda s: s.replace("(x: int, y", "(y: int, z"), "the last one a function of x, y_u21_"),
        (lambda s: "import os\n" + s, "expected functions alone"),
        (lambda s: s.replace("(x: int", "(x: str"), "not in the shape that is printed"),
    ],
)
def test_a_changed_text_is_refused(change, message):
    source = program().source("inv-f")
    assert change(source) != source
    with pytest.raises(GrammarError, match=re.escape(message)):
        Program.parse(change(source), GRAMMAR)


def test_any_constant_is_read_where_the_grammar_derives_any():
    free = Grammar(GRAMMAR.signature, GRAMMAR.start, GRAMMAR.productions, frozenset({WORD.name}))
    source = program().source("f").replace("0xFF)", "0xABCD)")
    read = Program.parse(source, free)
    assert literal(0xABCD, WORD)() in read.term.arguments[0].arguments[0].arguments
    assert read.cost == program().cost
    with pytest.raises(GrammarError, match="not in this grammar"):
        Program.parse(source, GRAMMAR)
    with pytest.raises(GrammarError, match="not in this grammar"):
        Program.parse(source.replace("0xABCD", "0x1FFFFFFFF"), free)


def test_a_shared_value_is_not_named_like_a_parameter_or_a_function():
    total, plus, times = variable("total", INT), find("+", (INT, INT)), find("*", (INT, INT))
    twice = plus(total(), total())
    own = Program(times(twice, twice), grammar_of(total, plus, times, start=INT, names=("total",)))
    assert "    total_2 = total + total\n    return total_2 * total_2\n" in own.source("f")
    assert Program.parse(own.source("f"), own.grammar) == own


def own_row(name: str, helper: str) -> Operator:
    return Operator(name, (INT,), INT, lambda _, x: x, lambda _, x: x, "same(_0)", helper=helper)


def test_names_that_would_mean_two_things_are_refused():
    x, clash = variable("x", INT), variable("same", INT)
    one, other = own_row("one", "def same(x):\n    return x"), own_row("other", "def same(y):\n    return y")
    with pytest.raises(GrammarError, match="the text calls a function 'same', so no parameter can have that name"):
        Program(one(clash()), grammar_of(clash, one, start=INT, names=("same",)))
    with pytest.raises(GrammarError, match="the text calls another function 'same'"):
        Program(one(x()), grammar_of(x, one, start=INT, names=("x",))).source("same")
    with pytest.raises(GrammarError, match="two functions called 'same' are needed"):
        Program(one(other(x())), grammar_of(x, one, other, start=INT, names=("x",)))


def test_what_is_called_like_a_row_of_a_theory_gets_another_name():
    mod, clash = find("mod", (INT, INT)), variable("mod", INT)
    program = Program(mod(clash(), clash()), grammar_of(clash, mod, start=INT, names=("mod",)))
    scope: dict[str, Any] = {}
    exec(program.source("mod"), scope)
    assert scope["mod_"](7) == 0
    assert Program.parse(program.source("mod"), program.grammar) == program


@pytest.mark.parametrize("helper", ["def same(x: return x", "same = int", "def len(x):\n    return x"])
def test_a_helper_is_a_function_with_a_name_of_its_own(helper):
    x, row = variable("x", INT), own_row("same", helper)
    with pytest.raises(GrammarError, match=r"operator same: .*helper"):
        Program(row(x()), grammar_of(x, row, start=INT, names=("x",)))


def test_hundreds_of_conditionals_are_no_trouble():
    x, equal, ite = variable("x", INT), find("=", (INT, INT)), find("ite", (BOOL, INT, INT))
    term: Term = x()
    for number in range(400):
        term = ite(equal(x(), literal(number, INT)()), literal(-number, INT)(), term)
    grammar = grammar_of(x, equal, ite, literal(0, INT), start=INT, names=("x",), constants=frozenset({"Int"}))
    own = Program(term, grammar)
    assert (own(7), own(400), own.size, own.cost) == (-7, 400, 2001, 2001)
    scope: dict[str, Any] = {}
    exec(own.source("f"), scope)
    assert scope["f"](399) == -399


def test_a_grammar_says_which_kind_of_programs_it_has():
    assert GRAMMAR.scalars is GRAMMAR.signature
    with pytest.raises(GrammarError, match="expected a grammar of sequence programs, got one of scalar programs"):
        _ = GRAMMAR.sequences
    with pytest.raises(GrammarError, match="expected a grammar of scalar programs, got one of sequence programs"):
        _ = motifs(["a"], ["x"]).scalars


def test_texts_and_truth_values_have_their_types():
    s, contains = variable("s", STRING), find("str.contains", (STRING, STRING))
    own = Program(contains(s(), literal('a"', STRING)()), grammar_of(
        s, literal('a"', STRING), contains, start=BOOL, names=("s",)))  # fmt: skip
    assert own.source("has") == "def has(s: str) -> bool:\n    return 'a\"' in s\n"
    assert own('ba"') is True
    assert own.run(own.grammar.scalars.batch([("",), ('a"',)])).tolist() == [False, True]
