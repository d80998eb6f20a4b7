"""Operators composed of others: a term with parameters that a search applies at once and a program writes out.

``composed`` makes the operator: its numpy reading and its formula are those of the body, with the arguments in the
place of the parameters, and so is its text. A program holds the body instead of the application (``written_out``), so
everything that follows programs, prints them or reads them back meets the operators of the body alone.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dsl.operators import GrammarError, Operator, Sort, Term
from dsl.references import maker
from dsl.text import BOUND, Printer


@dataclass(frozen=True)
class Composition:
    """The meaning of a composed operator: its ``body``, over its ``parameters``."""

    parameters: tuple[Operator, ...]
    body: Term


@maker
def parameter(place: int, sort: Sort) -> Operator:
    """What stands in a body for the argument at ``place``."""
    text = f"_{place}({BOUND})" if sort.positional else f"_{place}"
    return Operator(f"parameter {place}", (), sort, _unbound, _unbound, text)


def _unbound(inputs: Any) -> Any:
    raise GrammarError("a parameter has no value outside the body of a composed operator")


@maker
def composed(name: str, sorts: tuple[Sort, ...], body: Term) -> Operator:
    """The operator that is ``body``, where ``parameter(0, sorts[0])``, ... are its arguments.

    Raises GrammarError where the body leaves an argument out, or reads one that is not there.
    """
    parameters = tuple(parameter(place, sort) for place, sort in enumerate(sorts))
    whole = written_out(body)
    read = {one.operator for one in _leaves(whole) if one.operator.name.startswith("parameter ")}
    if read != set(parameters):
        raise GrammarError(
            f"operator {name}: expected a body that reads each of its {len(sorts)} arguments, got {body}"
        )

    def numpy(inputs: Any, *values: Any) -> Any:
        given = dict(zip(parameters, values, strict=True))
        return whole.fold(lambda row, parts: given[row] if row in given else row.numpy(inputs, *parts))

    def smt(inputs: Any, *formulas: Any) -> Any:
        given = dict(zip(parameters, formulas, strict=True))
        return whole.fold(lambda row, parts: given[row] if row in given else row.smt(inputs, *parts))

    return Operator(
        name,
        sorts,
        whole.sort,
        numpy,
        smt,
        _text(whole, len(sorts)),
        noun=whole.operator.noun,
        needs_token=whole.needs_token,
        meaning=Composition(parameters, whole),
    )


def written_out(term: Term) -> Term:
    """``term`` with the body in the place of every composed operator."""
    if not any(isinstance(one.operator.meaning, Composition) for one in _subterms(term)):
        return term
    return _built(term, {})


def _built(term: Term, given: Mapping[Operator, Term]) -> Term:
    def build(row: Operator, arguments: list[Term]) -> Term:
        if row in given:
            return given[row]
        if isinstance(row.meaning, Composition):
            return _built(row.meaning.body, dict(zip(row.meaning.parameters, arguments, strict=True)))
        return Term(row, tuple(arguments))

    built: Term = term.fold(build)
    return built


def _subterms(term: Term) -> list[Term]:
    seen, stack = {term}, [term]
    while stack:
        fresh = [inner for inner in stack.pop().arguments if inner not in seen]
        seen.update(fresh)
        stack += fresh
    return list(seen)


def _leaves(term: Term) -> list[Term]:
    return [inner for inner in _subterms(term) if not inner.arguments]


def _text(body: Term, arguments: int) -> str:
    """The body as one expression, or, where it has loops, as what applies it: that is never printed."""
    printer = Printer(frozenset())
    value = printer.print(body)
    if printer.statements:
        return f"composed({', '.join(f'_{place}' for place in range(arguments))})"
    return ast.unparse(ast.fix_missing_locations(value))
