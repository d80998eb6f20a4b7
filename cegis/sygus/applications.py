"""Applications as rows of the theories, which are unary to ternary.

What SMT-LIB writes with more arguments is taken apart: chainable relations into conjunctions, right- and
left-associative operators into nested ones, ``distinct`` into inequalities. Long sums and conjunctions become balanced
trees, which mean the same and are less deep.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations, pairwise

from cegis.formulas.formula import subterms
from dsl.operators import INT, GrammarError, Operator, Sort, Term
from dsl.program import symbol_text, term_text
from dsl.scalars import variable
from dsl.text import Printer
from dsl.theories import theory

CHAINABLE = ("=", "<", "<=", ">", ">=", "str.<", "str.<=")
ASSOCIATIVE = ("and", "or", "+", "*", "str.++", "bvand", "bvor", "bvadd", "bvmul", "bvxor", "xor")
INDEXED = re.compile(r"\(_ (repeat|divisible) ([0-9]+)\)")
MOST_REPEATED = 4_096  # bits
LEFT = ("-", "div", "bvsub", "concat")


def desugared(name: str, arguments: Sequence[Term]) -> Term:
    """An application over the rows of the theories; raises GrammarError where there are none for it."""
    match name, arguments:
        case "distinct", [_, _, *_]:
            return _balanced("and", [_apply("not", _apply("=", *pair)) for pair in combinations(arguments, 2)])
        case _, [_, _, _, *_] if name in CHAINABLE:
            return _balanced("and", [_apply(name, *pair) for pair in pairwise(arguments)])
        case "=>", [*first, before, last] if first:
            return desugared("=>", [*first, _apply("=>", before, last)])
        case _, [_, _, _, *_] if name in ASSOCIATIVE:
            return _balanced(name, arguments)
        case _, [first, second, *rest] if rest and name in LEFT:
            return desugared(name, [_apply(name, first, second), *rest])
        case _, [part] if indexed := INDEXED.fullmatch(name):
            return _indexed(indexed[1], int(indexed[2]), part)
        case (("and" | "or" | "+" | "*" | "str.++"), [only]):
            _apply(name, only, only)
            return only
    return _apply(name, *arguments)


def _indexed(name: str, number: int, part: Term) -> Term:
    """``((_ repeat n) x)`` and ``((_ divisible n) x)`` over rows that the theories have."""
    is_number = name == "divisible"
    is_taken = part.sort == INT if is_number else 0 < number * part.sort.width <= MOST_REPEATED
    if number < 1 or not is_taken:
        raise GrammarError(f"(_ {name} {number}) does not take {part.sort.name}")
    if is_number:
        remainder = _apply("mod", part, theory.literal(number, INT)())
        return _apply("=", remainder, theory.literal(0, INT)())
    return part if number == 1 else desugared("concat", [part] * number)


def one_row(name: str, arguments: Sequence[Term]) -> Term:
    """An application as a single row, made for it where the theory has none; raises GrammarError."""
    sorts = tuple(argument.sort for argument in arguments)
    try:
        return theory.find(name, sorts)(*arguments)
    except GrammarError:
        return _wide(name, sorts)(*arguments)


def let_row(bound: Sequence[tuple[str, Term]], body: Term) -> Term:
    """A ``let`` of a rule as one row, applied to what is bound and to every other leaf of ``body``.

    The row is called ``(let ((v _0)) (+ v _1))``, which ``term_text`` fills in: so a value that is bound is derived
    once and stands wherever its name does. Raises GrammarError for a name that is bound and not used.
    """
    names = {variable(name, value.sort)(): place for place, (name, value) in enumerate(bound)}
    leaves: list[Term] = [value for _, value in bound]

    def opened(term: Term, written: bool) -> Term:
        """``term`` with a hole for each leaf; what is bound keeps its name where the row is ``written`` out."""
        if term in names:
            return term if written else _hole(names[term], term.sort)
        if term.arguments:
            return Term(term.operator, tuple(opened(argument, written) for argument in term.arguments))
        leaves.append(term)
        return _hole(len(leaves) - 1, term.sort)

    pairs = " ".join(f"({symbol_text(name)} _{place})" for place, (name, _) in enumerate(bound))
    text = f"(let ({pairs}) {term_text(opened(body, True))})"
    del leaves[len(bound) :]
    inner = opened(body, False)
    return _row(text, [leaf.sort for leaf in leaves], inner)(*leaves)


def _wide(name: str, sorts: Sequence[Sort]) -> Operator:
    """The row for ``name`` applied to more arguments than the theory's row takes, as ``(+ x y z)``."""
    return _row(name, sorts, desugared(name, [_hole(place, sort) for place, sort in enumerate(sorts)]))


def _hole(place: int, sort: Sort) -> Term:
    return replace(variable(f"_{place}", sort), python=f"_{place}")()


def _row(name: str, sorts: Sequence[Sort], body: Term) -> Operator:
    """A row whose readings follow from ``body`` over its holes, but which prints as one. Raises GrammarError."""
    parameters = tuple((f"_{place}", sort) for place, sort in enumerate(sorts))
    text = ast.unparse(Printer(frozenset()).print(body))
    helper = next((inner.operator.helper for inner in subterms(body) if inner.operator.helper), "")
    row = theory.define(name, parameters, body)
    return replace(row, python=text, helper=helper, parameters=(), definition=None)


def _apply(name: str, *arguments: Term) -> Term:
    return theory.find(name, tuple(argument.sort for argument in arguments))(*arguments)


def _balanced(name: str, arguments: Sequence[Term]) -> Term:
    if len(arguments) == 1:
        return arguments[0]
    half = (len(arguments) + 1) // 2
    return _apply(name, _balanced(name, arguments[:half]), _balanced(name, arguments[half:]))
