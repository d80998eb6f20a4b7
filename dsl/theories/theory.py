"""The rows of SMT-LIB's theories, by name: Bool, Int, Real, bit-vectors and String; literals; defined functions.

An operator is called as in SMT-LIB and SyGuS-IF 2.1, so a term prints there as ``(name argument ...)``. ``find`` takes
a name and the sorts it is applied to; ``literal`` makes a constant; ``define`` makes an operator out of a term.
"""

from __future__ import annotations

from fractions import Fraction
from functools import cache, lru_cache
from typing import Any

import numpy as np

from dsl.operators import BOOL, INT, REAL, STRING, GrammarError, Operator, Sort, Term
from dsl.references import maker
from dsl.scalars import Columns, Symbols, Value, belongs, column, identifier
from dsl.theories import bitvectors, booleans, conversions, integers, reals, strings

ROWS = (*booleans.ROWS, *integers.ROWS, *reals.ROWS, *strings.ROWS)


@cache
def names() -> tuple[str, ...]:
    """The names that ``find`` knows, those with indices without them (``extract``)."""
    plain = (row.name for row in (*ROWS, *bitvectors.rows(1)))
    return tuple(dict.fromkeys(["=", "ite", *plain, "concat", *bitvectors.INDEXED, *conversions.NAMES]))


@cache
def find(name: str, sorts: tuple[Sort, ...]) -> Operator:
    """The row called ``name`` for arguments of these sorts; raises GrammarError when there is none.

    >>> find("(_ extract 7 0)", (Sort("(_ BitVec 32)", "uint64", width=32),)).result.name
    '(_ BitVec 8)'
    """
    if name == "=" and len(sorts) == 2 and sorts[0] == sorts[1]:
        return booleans.equal(sorts[0])
    if name == "ite" and len(sorts) == 3 and sorts[0] == BOOL and sorts[1] == sorts[2]:
        return booleans.choice(sorts[1])
    row = next((row for row in ROWS if row.name == name and row.arguments == sorts), None)
    row = row or bitvectors.find(name, sorts) or conversions.find(name, sorts)
    if row is None:
        raise GrammarError(_unknown(name, sorts))
    return row


def is_own(operator: Operator) -> bool:
    """Whether ``operator`` is a user's: no row of the theories, no variable, no literal and no defined function."""
    if operator.is_variable or operator.is_literal or operator.definition is not None:
        return False
    try:
        return find(operator.name, operator.arguments) is not operator
    except GrammarError:
        return True


def _unknown(name: str, sorts: tuple[Sort, ...]) -> str:
    kind = name[3:-1].split()[0] if name.startswith("(_ ") and name[3:-1].split() else name
    got = f"({', '.join(sort.name for sort in sorts)})"
    if kind not in names():
        import difflib

        near = difflib.get_close_matches(kind, names())
        hint = f"did you mean {' or '.join(near)}?" if near else f"the known ones are {', '.join(names())}"
        return f"unknown operator {name!r}; {hint}"
    expected = [f"({', '.join(sort.name for sort in row.arguments)})" for row in ROWS if row.name == kind]
    if kind == "=":
        expected = ["two arguments of one sort"]
    elif kind == "ite":
        expected = ["(Bool, S, S) with any sort S"]
    elif kind in bitvectors.INDEXED:
        expected = [f"one bit-vector and {bitvectors.INDEXED[kind]} index(es) that fit its width"]
    elif kind in conversions.NAMES:
        is_word = kind in conversions.WORD_NAMES
        expected = [f"(Int), with a width of at most {conversions.MOST_BITS:,}" if is_word else "one bit-vector"]
    elif not expected:
        count = 1 if kind in ("bvnot", "bvneg") else 2
        expected = [f"{count} bit-vector(s)" + (" of one width" if count == 2 and kind != "concat" else "")]
    return f"{name} takes {' or '.join(expected)}, got {got}"


@lru_cache(maxsize=2**16, typed=True)
@maker
def literal(value: Value, sort: Sort) -> Operator:
    """The constant ``value``, named by its SMT-LIB text; raises GrammarError for a value that is not of ``sort``.

    >>> literal(-5, INT).name, literal('a"b', STRING).name
    ('(- 5)', '"a""b"')
    """
    if not belongs(value, sort):
        raise GrammarError(f"expected a value of sort {sort.name}, got {value!r}")
    value = Fraction(value) if sort == REAL else value

    @lru_cache(maxsize=8)
    def constant(examples: int, exact: bool) -> Any:
        return np.broadcast_to(column(sort, [value], exact=exact), (examples,))

    def numpy(inputs: Any) -> Any:
        return constant(inputs.examples, inputs.exact)

    def smt(symbols: Any) -> Any:
        if sort.width:
            return symbols.manager.BV(value, sort.width)
        made = {BOOL: symbols.manager.Bool, INT: symbols.manager.Int, REAL: symbols.manager.Real}
        return {**made, STRING: symbols.manager.String}[sort](value)

    text = f"0x{value:X}" if sort.width and int(value) > 9 else repr(value)
    helper = ""
    if isinstance(value, Fraction):
        text = reals.python_of(value)
        helper = reals.RATIO if value.denominator > 1 else ""
    return Operator(smt_text(value, sort), (), sort, numpy, smt, text, helper=helper, value=value)


def smt_text(value: Value, sort: Sort) -> str:
    """How SMT-LIB writes a value of ``sort``."""
    match value:
        case bool():
            return str(value).lower()
        case Fraction():
            return reals.text_of(value)
        case str():
            return f'"{"".join(_character(value, place) for place in range(len(value)))}"'
        case int() if sort.width % 4 or not sort.width:
            return f"#b{value:0{sort.width}b}" if sort.width else str(value) if value >= 0 else f"(- {-value})"
        case _:
            return f"#x{value:0{sort.width // 4}x}"


def _character(text: str, place: int) -> str:
    """One character of a string literal: a quote is doubled, what would read as an escape or not print is escaped."""
    character = text[place]
    if character == '"':
        return '""'
    is_escape = character == "\\" and text[place + 1 : place + 2] == "u"
    return character if " " <= character <= "~" and not is_escape else f"\\u{{{ord(character):x}}}"


@maker
def define(name: str, parameters: tuple[tuple[str, Sort], ...], body: Term) -> Operator:
    """A defined function as an operator: ``body`` is a term over ``variable``s of the parameters.

    Raises GrammarError where the body reads something that is no parameter.
    """
    called = tuple(parameter for parameter, _ in parameters)
    _check_body(name, dict(parameters), body)

    def numpy(inputs: Any, *arrays: Any) -> Any:
        return body.evaluate(Columns(dict(zip(called, arrays, strict=True)), inputs.examples, inputs.exact))

    def smt(symbols: Any, *formulas: Any) -> Any:
        return body.encode(Symbols(symbols.manager, dict(zip(called, formulas, strict=True))))

    return Operator(
        name,
        tuple(sort for _, sort in parameters),
        body.sort,
        numpy,
        smt,
        f"{identifier(name)}({', '.join(f'_{place}' for place in range(len(parameters)))})",
        definition=body,
        parameters=parameters,
    )


def _check_body(name: str, parameters: dict[str, Sort], body: Term) -> None:
    stack, seen = [body], {body}
    while stack:
        term = stack.pop()
        if term.operator.is_variable and parameters.get(term.operator.name) != term.sort:
            raise GrammarError(f"the body of {name} reads {term} of sort {term.sort.name}, which is no parameter")
        stack.extend(argument for argument in term.arguments if argument not in seen)
        seen.update(term.arguments)
