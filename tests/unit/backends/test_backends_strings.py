"""Claims about strings behind ``decide``: one meaning for solvers, evaluation, the wire and the recorded text."""

from __future__ import annotations

import json
from functools import cache
from importlib import metadata
from typing import Any

import cvc5
import pytest
import z3
from hypothesis import given, settings
from hypothesis import strategies as st
from pysmt.environment import Environment
from pysmt.logics import QF_BV, QF_LIA, QF_NIA, QF_SLIA
from pysmt.typing import INT, STRING, BVType
from quick import examples

from backends import BITWUZLA, CVC5, Z3, BackendError, Limits, Portfolio, Sat, Session, Unsat, decide, smtlib_script
from backends.evaluation import flatten
from backends.sexpression import value
from backends.wire import Decoder, Encoder, read_value, write_value

ENVIRONMENT = Environment()
M = ENVIRONMENT.formula_manager
X, Y, N = M.Symbol("x", STRING), M.Symbol("y", STRING), M.Symbol("n", INT)
ODD = ("", 'say "hi"', "\\u{41}", "\\x41 \\", "two\nlines\0", "é€\U0001f600", "\ud800\udc00", "\U0002ffff")
BOTH = [pytest.param(b, marks=pytest.mark.needs(b.name), id=b.name) for b in (Z3, CVC5)]

letters = st.text('ab0-9"\\é\U0001f600', max_size=4).map(M.String)
whole = st.integers(-2, 12).map(M.Int)


@cache
def texts(depth: int = 2) -> st.SearchStrategy[Any]:
    """Terms of texts, so deep."""
    if not depth:
        return letters
    text, number = texts(depth - 1), numbers(depth - 1)
    return st.one_of(
        letters,
        st.lists(text, min_size=2, max_size=3).map(M.StrConcat),
        st.builds(M.StrReplace, text, text, text),
        st.builds(M.StrSubstr, text, number, number),
        st.builds(M.StrCharAt, text, number),
        st.builds(M.IntToStr, number),
        st.builds(M.Ite, flags(depth - 1), text, text),
    )


@cache
def numbers(depth: int = 2) -> st.SearchStrategy[Any]:
    """Terms of numbers, so deep."""
    if not depth:
        return whole
    text, number = texts(depth - 1), numbers(depth - 1)
    return st.one_of(
        whole,
        st.builds(M.StrLength, text),
        st.builds(M.StrIndexOf, text, text, number),
        st.builds(M.StrToInt, text),
        st.builds(M.Plus, number, number),
    )


@cache
def flags(depth: int = 2) -> st.SearchStrategy[Any]:
    """Comparisons of such terms."""
    text, number = texts(depth), numbers(depth)
    return st.one_of(
        st.builds(M.Equals, text, text),
        st.builds(M.StrContains, text, text),
        st.builds(M.StrPrefixOf, text, text),
        st.builds(M.StrSuffixOf, text, text),
        st.builds(M.LE, number, number),
    )


def evaluated(term: Any, **model: Any) -> Any:
    return flatten(ENVIRONMENT, term)(model)


def strings(*texts: str) -> tuple[Any, ...]:
    return tuple(map(M.String, texts))


@pytest.mark.slow
@pytest.mark.needs("z3")
@pytest.mark.needs("cvc5")
@settings(max_examples=examples(120))
@given(st.one_of(texts().map(lambda t: (X, t)), numbers().map(lambda t: (N, t))))
def test_two_solvers_give_a_ground_term_our_value(question: tuple[Any, Any]) -> None:
    symbol, term = question
    expected = evaluated(term)
    other = M.Not(M.Equals(term, M.String(expected) if symbol is X else M.Int(expected)))
    with CVC5.open(ENVIRONMENT, QF_SLIA, limits=Limits(10)) as session:
        answer = decide(session, "value", M.Equals(symbol, term))
        assert isinstance(answer, Sat)
        assert answer.model[symbol.symbol_name()] == expected
        assert isinstance(decide(session, "another value", other), Unsat)
    solver = z3.Solver()
    solver.from_string(smtlib_script([other], QF_SLIA, "another value", "unsat"))
    assert str(solver.check()) == "unsat"


@pytest.mark.parametrize(
    ("term", "expected"),
    [
        (M.StrIndexOf(*strings("aba", "a"), M.Int(1)), 2),
        (M.StrIndexOf(*strings("aba", "a"), M.Int(-1)), -1),
        (M.StrIndexOf(*strings("aba", ""), M.Int(3)), 3),
        (M.StrIndexOf(*strings("aba", ""), M.Int(4)), -1),
        (M.StrReplace(*strings("aba", "a", "x")), "xba"),
        (M.StrReplace(*strings("aba", "", "x")), "xaba"),
        (M.StrReplace(*strings("aba", "c", "x")), "aba"),
        (M.StrSubstr(M.String("abc"), M.Int(1), M.Int(9)), "bc"),
        (M.StrSubstr(M.String("abc"), M.Int(-1), M.Int(2)), ""),
        (M.StrSubstr(M.String("abc"), M.Int(1), M.Int(-1)), ""),
        (M.StrCharAt(M.String("abc"), M.Int(3)), ""),
        (M.StrCharAt(M.String("abc"), M.Int(-1)), ""),
        (M.StrToInt(M.String("007")), 7),
        (M.StrToInt(M.String("")), -1),
        (M.StrToInt(M.String("-7")), -1),
        (M.StrToInt(M.String("٣")), -1),  # a digit to Python
        (M.StrToInt(M.String("1_0")), -1),
        (M.IntToStr(M.Int(-7)), ""),
        (M.IntToStr(M.Int(0)), "0"),
        (M.StrLength(M.String("\\u{41}")), 6),
        (M.StrLength(M.String("\U0001f600")), 1),
        (M.StrPrefixOf(*strings("", "a")), True),
        (M.StrSuffixOf(*strings("ab", "b")), False),
    ],
)
def test_an_operator_has_the_value_of_the_standard(term: Any, expected: Any) -> None:
    assert evaluated(term) == expected


def test_long_numbers_are_read_and_written_exactly() -> None:
    """Python itself refuses to convert so many digits at once."""
    digits = "1" + "0" * 9999 + "7"
    assert evaluated(M.StrToInt(M.String(digits))) == 10**10000 + 7
    assert evaluated(M.IntToStr(M.Int(10**10000 + 7))) == digits


def test_a_division_by_zero_inside_a_string_has_no_value() -> None:
    assert evaluated(M.StrCharAt(X, M.Div(N, N)), x="abc", n=0) is None


@pytest.mark.parametrize("backend", BOTH)
@pytest.mark.parametrize("hard", [False, True])
def test_every_character_comes_back_from_a_solver(backend: Any, hard: bool) -> None:
    with backend.open(ENVIRONMENT, QF_SLIA, hard=hard, limits=Limits(10)) as session:
        session.add(M.Equals(M.StrConcat(Y, M.String("a")), M.String("a")))
        for text in ODD:
            answer = decide(session, "text", M.Equals(X, M.StrConcat(Y, M.String(text))))
            assert isinstance(answer, Sat)
            assert answer.model == {"x": text, "y": ""}


@pytest.mark.needs("z3")
@pytest.mark.needs("cvc5")
def test_a_portfolio_takes_strings() -> None:
    with Portfolio(Z3, CVC5).open(ENVIRONMENT, QF_SLIA, limits=Limits(10)) as session:
        assert isinstance(decide(session, "too short", M.LT(M.StrLength(X), M.Int(0))), Unsat)


@pytest.mark.parametrize("text", ODD)
def test_text_crosses_the_wire_and_the_page(text: str) -> None:
    term = M.Equals(X, M.String(text))
    assert Decoder(ENVIRONMENT).decode(json.loads(json.dumps(Encoder().encode(term)))) is term
    assert read_value(json.loads(json.dumps(write_value(text)))) == text


@pytest.mark.parametrize(
    ("printed", "text"),
    [('"a""b"', 'a"b'), ('"\\u{e9}\\u00e9"', "éé"), ('"\\u{30000}\\u{}\\ug"', "\\u{30000}\\u{}\\ug"), ('""', "")],
)
def test_a_printed_string_is_read_by_the_standard(printed: str, text: str) -> None:
    assert value(printed, STRING) == text


@pytest.mark.parametrize("printed", ["abc", '"', ["str.++", '"a"', '"b"'], "5"])
def test_what_is_no_string_is_refused(printed: Any) -> None:
    with pytest.raises(ValueError, match="quoted text"):
        value(printed, STRING)


@pytest.mark.needs("z3")
@pytest.mark.needs("cvc5")
@settings(max_examples=examples(60))
@given(flags())
def test_recorded_strings_mean_what_was_asked(formula: Any) -> None:
    """Both solvers read the text with their own parsers."""
    status = "sat" if evaluated(formula) else "unsat"
    text = smtlib_script([formula], QF_SLIA, "law", status)
    assert text.isascii()
    reader = z3.Solver()
    reader.from_string(text)
    assert str(reader.check()) == status
    solver = cvc5.Solver()
    parser = cvc5.InputParser(solver)
    parser.setStringInput(cvc5.InputLanguage.SMT_LIB_2_6, text, "law")
    said = ""
    while not (command := parser.nextCommand()).isNull():
        said += str(command.invoke(solver, parser.getSymbolManager()))
    assert said.strip() == status


def test_every_recorded_string_operator_has_its_standard_name() -> None:
    digits, place = M.IntToStr(N), M.StrIndexOf(X, Y, M.StrToInt(X))
    formula = M.Equals(M.StrReplace(M.StrConcat(digits, X), Y, M.StrCharAt(X, place)), M.StrSubstr(X, N, place))
    text = smtlib_script([formula, M.StrContains(X, Y)], QF_SLIA, "names", "sat")
    assert "(declare-fun x () String)" in text
    for name in ("str.from_int", "str.to_int", "str.indexof", "str.replace", "str.++", "str.at", "str.substr"):
        assert f"({name} " in text


def test_strings_outside_their_logic_are_refused() -> None:
    with CVC5.open(ENVIRONMENT, QF_LIA) as session:
        with pytest.raises(BackendError, match="outside the logic QF_LIA"):
            decide(session, "symbol", M.Equals(X, Y))
        with pytest.raises(BackendError, match="open the session with QF_SLIA"):
            decide(session, "constants", M.StrContains(*strings("a", "b")))


def test_a_character_beyond_the_alphabet_is_refused() -> None:
    with (
        CVC5.open(ENVIRONMENT, QF_SLIA) as session,
        pytest.raises(BackendError, match=r"characters up to U\+2FFFF"),
    ):
        decide(session, "beyond", M.Equals(X, M.String("\U00030000")))


def test_a_solver_without_strings_names_those_with() -> None:
    with pytest.raises(BackendError, match=r"bitwuzla is not set up for QF_SLIA.*strings go to cvc5"):
        BITWUZLA.open(ENVIRONMENT, QF_SLIA)


@pytest.mark.needs("z3")
def test_z3_without_its_program_names_cvc5(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "files", lambda name: [])
    with pytest.raises(BackendError, match=r"z3 takes strings .* through its own program.*use cvc5"):
        Z3.open(ENVIRONMENT, QF_SLIA)


class Liar:
    """An engine whose model is always ``x = "b"``."""

    def __init__(self, text: Any) -> None:
        self.text = text

    def add(self, formula: Any, name: str | None = None) -> None:
        raise NotImplementedError

    def check(self, formula: Any, symbols: tuple[Any, ...], limits: Limits) -> Sat:
        return Sat("liar", "1", 0.0, {"x": self.text})

    def close(self) -> None:
        pass


@pytest.mark.parametrize("text", ["b", "a ", 7, "a\U00030000"])
def test_a_wrong_string_is_never_believed(text: Any) -> None:
    with (
        Session(CVC5, ENVIRONMENT, QF_SLIA, Liar(text), Limits(), None) as session,
        pytest.raises(BackendError, match="liar 1 answered sat"),
    ):
        decide(session, "x is a", M.Equals(X, M.String("a")))


@pytest.mark.parametrize("backend", BOTH)
def test_division_in_nonlinear_arithmetic_is_the_standards(backend: Any) -> None:
    other = M.Symbol("m", INT)
    with backend.open(ENVIRONMENT, QF_NIA, limits=Limits(10)) as session:
        session.add(M.Equals(M.Times(N, other), M.Int(-21)))
        session.add(M.Equals(M.Div(N, other), M.Int(-3)))  # 7 div -3 = -2, -7 div 3 = -3
        answer = decide(session, "factors", M.GT(other, M.Int(1)))
        assert isinstance(answer, Sat)
        assert answer.model == {"m": 3, "n": -7}
        assert isinstance(decide(session, "the other way", M.And(M.LT(other, M.Int(0)), M.GT(other, M.Int(-7)))), Unsat)


@pytest.mark.parametrize("backend", [*BOTH, pytest.param(BITWUZLA, marks=pytest.mark.needs("bitwuzla"), id="bitwuzla")])
@pytest.mark.parametrize("width", [64, 128])
def test_wide_bit_vectors_wrap_at_their_width(backend: Any, width: int) -> None:
    u = M.Symbol(f"u{width}", BVType(width))
    with backend.open(ENVIRONMENT, QF_BV, limits=Limits(10)) as session:
        session.add(M.Equals(M.BVAdd(u, M.BV(5, width)), M.BV(3, width)))
        answer = decide(session, "wrapped", M.BVSLT(u, M.BV(0, width)))
        assert isinstance(answer, Sat)
        assert answer.model == {f"u{width}": 2**width - 2}
        assert isinstance(decide(session, "not wrapped", M.BVULT(u, M.BV(3, width))), Unsat)
