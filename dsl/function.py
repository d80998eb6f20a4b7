"""One term as one Python function: early returns down a chain of conditionals, and a name for what is used twice.

The functions that the text calls are printed above it: an operator's ``helper`` as it is, a defined function from its
definition. ``read_body`` reads back what is printed here, and nothing is ever run. ``program`` puts it all together.
"""

from __future__ import annotations

import ast
import textwrap
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Protocol

from dsl.operators import BOOL, GrammarError, Operator, Sort, Term
from dsl.scalars import HELPERS, ScalarSignature, identifier
from dsl.text import Printer, Reader, is_loop, spaced
from dsl.wrapping import wrapped

INDENT = "    "
LONGEST_RETURN = 84  # columns; a longer conditional prints as two returns


class Readable(Protocol):
    """What a function's first line needs; every signature has it."""

    @property
    def names(self) -> tuple[str, ...]:
        """What the text calls the parameters."""

    def header(self, name: str) -> str:
        """The line ``def name(...) -> ...:``."""


def function_text(term: Term, signature: Readable, name: str, docstring: str = "") -> str:
    """``def name`` that returns ``term``, without the functions it calls; ``name`` is an identifier."""
    taken = frozenset([*signature.names, *called(term)])
    printer = Printer(frozenset(_shared(term)), taken=taken, crowded=_crowded(term))
    body = _returns(term, printer)
    lines = [signature.header(name)]
    lines += docstring_lines(docstring)
    text = "\n".join(_text(statement) for statement in body)
    return "\n".join(lines) + "\n" + wrapped(textwrap.indent(text, INDENT)) + "\n"


def docstring_lines(docstring: str) -> list[str]:
    """The lines of a function's docstring, whatever is in it; none for an empty one."""
    if not docstring:
        return []
    quoted = f'"""{_quoted(docstring)}"""'
    return textwrap.wrap(quoted, 100, initial_indent=INDENT, subsequent_indent=INDENT, break_long_words=False)


def called(term: Term) -> Mapping[str, str]:
    """The functions that the text of ``term`` calls, by name, each below those it calls itself.

    Raises GrammarError for two different functions of one name.
    """
    functions: dict[str, str] = {}
    for operator in operators(term):
        for name, text in _functions(operator, operator.helper, operator.definition):
            if functions.setdefault(name, text) != text:
                raise GrammarError(f"two functions called {name!r} are needed; give each its own name")
    return functions


@cache
def _functions(operator: Operator, helper: str, definition: Term | None) -> tuple[tuple[str, str], ...]:
    """Name and text of each function that an operator brings (the rest of its row is part of the cache's key)."""
    if definition is None:
        return _helpers(operator.name, helper)
    signature, name = ScalarSignature(operator.parameters, operator.result), identifier(operator.name)
    return (*called(definition).items(), (name, function_text(definition, signature, name)))


@cache
def _helpers(operator: str, helper: str) -> tuple[tuple[str, str], ...]:
    try:
        functions = ast.parse(helper).body
    except (SyntaxError, ValueError) as error:
        raise GrammarError(f"operator {operator}: its helper is not Python: {error}") from error
    found = []
    for function in functions:
        if not isinstance(function, ast.FunctionDef) or not _is_free(function.name):
            got = ast.unparse(function).splitlines()[0]
            raise GrammarError(f"operator {operator}: expected its helper to be functions of own names, got {got}")
        found.append((function.name, f"{ast.get_source_segment(helper, function)}\n"))
    return tuple(found)


def _is_free(name: str) -> bool:
    return name in HELPERS or identifier(name) == name


def operators(term: Term) -> tuple[Operator, ...]:
    """The distinct operators of a term, those of arguments first."""
    return tuple(dict.fromkeys(inner.operator for inner in _counted(term)))


def _counted(term: Term) -> Counter[Term]:
    """How often each distinct subterm is an argument, where those that are equal stand there once; arguments first."""
    counts: Counter[Term] = Counter()
    stack = [(term, False)]
    while stack:
        inner, is_expanded = stack.pop()
        if is_expanded:
            counts[inner] += 0
            counts.update(inner.arguments)
        elif inner not in counts:
            stack.append((inner, True))
            stack.extend((argument, False) for argument in reversed(inner.arguments))
    return counts


def _quoted(text: str) -> str:
    """``text`` for a place between triple quotes."""
    safe = "".join(c if c.isprintable() else " " for c in text)
    safe = safe.replace("\\", "\\\\").replace('"""', '\\"\\"\\"')
    return safe[:-1] + '\\"' if safe.endswith('"') else safe


def _shared(term: Term) -> Iterator[Term]:
    """Subterms that stand in the text more than once and have a noun to be named by."""
    return (inner for inner, times in _counted(term).items() if times > 1 and inner.operator.noun != "value")


def _crowded(term: Term) -> frozenset[str]:
    """Nouns of several values that get a name."""
    named = {*_shared(term), *(inner for inner in _counted(term) if is_loop(inner.operator))}
    nouns = Counter(inner.operator.noun for inner in named)
    return frozenset(noun for noun, times in nouns.items() if times > 1)


def _returns(term: Term, printer: Printer) -> list[ast.stmt]:
    """The statements that return ``term``: early returns down the chain of conditionals."""
    conditions: list[ast.stmt] = []
    while term.operator.is_choice and term.arguments[2].operator.is_choice:
        condition, value, term = term.arguments
        conditions.append(ast.If(printer.print(condition), [ast.Return(printer.print(value))], []))
    final: list[ast.stmt] = [ast.Return(printer.print(term))]
    if term.operator.is_choice and len(_text(final[0])) > LONGEST_RETURN:
        test, then, otherwise = (printer.print(argument) for argument in term.arguments)
        final = [ast.If(test, [ast.Return(then)], []), ast.Return(otherwise)]
    return [*printer.statements, *conditions, *final]


def _text(statement: ast.stmt) -> str:
    """``ast.unparse`` of a ``spaced`` copy, without the second pair of parentheses around a lone generator."""
    text = ast.unparse(ast.fix_missing_locations(spaced(statement)))
    for node in ast.walk(statement):
        match node:
            case ast.Call(func=function, args=[ast.GeneratorExp() as generator], keywords=[]):
                name, inner = ast.unparse(function), ast.unparse(generator)
                short = text.replace(f"{name}({inner})", f"{name}{inner}")
                if ast.dump(ast.parse(short)) == ast.dump(ast.parse(text)):  # else it stands inside a token, too
                    text = short
    return text


def read_body(body: list[ast.stmt], reader: Reader, sort: Sort, names: Mapping[str, Term]) -> Term:
    """The term of ``sort`` that the statements of a function return; raises GrammarError when there is none."""
    if not body:
        raise GrammarError("the function ends without a return")
    for name, term, consumed in reader.read_loop(body, names):
        return read_body(body[consumed:], reader, sort, {**names, name: term})
    match body[0]:
        case ast.Return(value=ast.expr() as value):
            return reader.read(value, sort, names)
        case ast.Assign(targets=[ast.Name(id=name)], value=value):
            return read_body(body[1:], reader, sort, {**names, name: _read_any(value, reader, names)})
        case ast.If(test=test, body=[ast.Return(value=ast.expr() as value)], orelse=[]):
            choices = (operator for operator in reader.operators if operator.is_choice and operator.result == sort)
            choose = next(choices, None)
            if choose is None:
                raise GrammarError(f"this grammar has no conditional: if {ast.unparse(test)}")
            rest = read_body(body[1:], reader, sort, names)
            return choose(reader.read(test, BOOL, names), reader.read(value, sort, names), rest)
        case statement:
            raise GrammarError(f"not in this grammar: {ast.unparse(statement).splitlines()[0]}")


def _read_any(value: ast.expr, reader: Reader, names: Mapping[str, Term]) -> Term:
    for sort in dict.fromkeys(operator.result for operator in reader.operators if not is_loop(operator)):
        try:
            return reader.read(value, sort, names)
        except GrammarError:
            continue
    raise GrammarError(f"not in this grammar: {ast.unparse(value)}")
