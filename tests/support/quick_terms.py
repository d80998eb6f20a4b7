"""Terms of small problems: drawn, and as terms of ``dsl`` and of z3."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

import z3

from cegis.quick import rows
from cegis.quick.nodes import BOOL, INT, LITERAL, ROW, STRING, VARIABLE, Node, literal, node, width_of
from dsl.operators import BOOL as BOOL_SORT
from dsl.operators import INT as INT_SORT
from dsl.operators import STRING as STRING_SORT
from dsl.operators import Sort, Term, bitvector
from dsl.scalars import variable
from dsl.theories.theory import find
from dsl.theories.theory import literal as literal_row

WORDS = {
    "+": lambda a, b: a + b, "*": lambda a, b: a * b, "<=": lambda a, b: a <= b, "<": lambda a, b: a < b,
    ">=": lambda a, b: a >= b, ">": lambda a, b: a > b, "=": lambda a, b: a == b, "not": z3.Not, "and": z3.And,
    "or": z3.Or, "=>": z3.Implies, "xor": z3.Xor, "ite": z3.If, "abs": z3.Abs,
}  # fmt: skip
ALPHABET = "a b1-"


def sort_of(name: str) -> Sort:
    plain = {BOOL: BOOL_SORT, INT: INT_SORT, STRING: STRING_SORT}
    return plain[name] if name in plain else bitvector(width_of(name))


def as_term(term: Node) -> Term:
    """The same term of ``dsl``, without defined functions."""
    if term.kind == LITERAL:
        return literal_row(term.value, sort_of(term.sort))()
    if term.kind == VARIABLE:
        return variable(term.name, sort_of(term.sort))()
    assert term.kind == ROW
    arguments = tuple(map(as_term, term.arguments))
    return find(term.name, tuple(argument.sort for argument in arguments))(*arguments)


def as_z3(term: Node) -> Any:
    """The same condition or number of z3."""
    if term.kind == LITERAL:
        return z3.IntVal(term.value) if term.sort == INT else z3.BoolVal(term.value)
    if term.kind == VARIABLE:
        return z3.Int(term.name) if term.sort == INT else z3.Bool(term.name)
    arguments = list(map(as_z3, term.arguments))
    if term.name == "-":
        return -arguments[0] if len(arguments) == 1 else arguments[0] - arguments[1]
    return WORDS[term.name](*arguments)


def variables(*names: str, sort: str = INT) -> tuple[Node, ...]:
    return tuple(node(VARIABLE, name, sort) for name in names)


def applied(name: str, *arguments: Node) -> Node:
    found = rows.find(name, tuple(argument.sort for argument in arguments))
    assert found is not None, name
    return node(ROW, name, found[0], arguments)


def number(choose: Random, known: Sequence[Node], depth: int) -> Node:
    """A linear term, with choices where it is deep."""
    kind = choose.random()
    if depth == 0 or kind < 0.35:
        return choose.choice(known) if choose.random() < 0.7 else literal(choose.randint(-5, 5), INT)
    one, other = number(choose, known, depth - 1), number(choose, known, depth - 1)
    if kind < 0.7:
        return applied(choose.choice("+-"), one, other)
    if kind < 0.9:
        return applied("*", literal(choose.randint(-4, 4), INT), one)
    return applied("ite", condition(choose, known, 0), one, other)


def condition(choose: Random, known: Sequence[Node], depth: int) -> Node:
    kind = choose.random()
    flags = [one for one in known if one.sort == BOOL]
    known = [one for one in known if one.sort == INT]
    if flags and choose.random() < 0.2:
        return choose.choice(flags)
    if depth == 0 or kind < 0.3:
        name = choose.choice(("<=", "<", ">=", ">", "="))
        return applied(name, number(choose, known, 2 if depth else 1), number(choose, known, 1))
    known = [*known, *flags]
    if kind < 0.4:
        return applied("not", condition(choose, known, depth - 1))
    if kind < 0.5:
        return applied("ite", *(condition(choose, known, depth - 1) for _ in range(3)))
    name = choose.choice(("and", "or", "and", "or", "=>", "xor", "="))
    return applied(name, condition(choose, known, depth - 1), condition(choose, known, depth - 1))


def value_of(choose: Random, sort: str) -> bool | int | str:
    """Edges of the sort more often than what lies between."""
    if sort == BOOL:
        return choose.random() < 0.5
    if sort == INT:
        return choose.choice((0, 1, -1, 2, choose.randint(-9, 9), choose.randint(-(10**20), 10**20)))
    if sort == STRING:
        return "".join(choose.choice(ALPHABET) for _ in range(choose.choice((0, 1, 1, 2, 5))))
    most = 2 ** width_of(sort) - 1
    return choose.choice((0, 1 & most, most, most >> 1, (most >> 1) + 1 & most, choose.randint(0, most)))


def drawn(choose: Random, known: Sequence[Node], sort: str, depth: int) -> Node:
    """Any term of a sort over the rows of small problems."""
    leaves = [one for one in known if one.sort == sort]
    if depth == 0 or choose.random() < 0.2:
        is_leaf = leaves and choose.random() < 0.8
        return choose.choice(leaves) if is_leaf else literal(value_of(choose, sort), sort)
    sorts = [one.sort for one in known] + [sort, BOOL]
    for one in sorts:
        rows.find("", (one,))
    made = [key for one in set(sorts) for key, (result, _) in rows._ROWS.get(one, {}).items() if result == sort]
    choices = [("ite", (BOOL, sort, sort))]
    equal = [("=", (one, one)) for one in set(sorts)] if sort == BOOL else []
    name, arguments = choose.choice([*made, *made, *choices, *equal])
    return applied(name, *(drawn(choose, known, argument, depth - 1) for argument in arguments))
