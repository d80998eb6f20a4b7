"""Terms of small problems, each there once: two that are equal are the same object.

A light twin of ``dsl.operators.Term``, whose module takes longer to import than a small problem takes to solve.
Sorts are their SMT-LIB names. ``kind`` is LITERAL (with a ``value``), VARIABLE, ROW of a theory, DEFINED (by the file),
CALL of the function to be found, or NONTERMINAL of its grammar.
"""

from __future__ import annotations

TYPE_CHECKING = False  # without ``typing``, which takes as long to import as all of this room
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

LITERAL, VARIABLE, ROW, DEFINED, CALL, NONTERMINAL = "literal", "variable", "row", "defined", "call", "nonterminal"
BOOL, INT, STRING = "Bool", "Int", "String"


class BeyondError(Exception):
    """A problem is not of the small kind, or took too long: it goes the usual way."""


class Node:
    """A name applied to ``arguments``; ``size`` is how many names the whole term applies."""

    __slots__ = ("arguments", "kind", "name", "size", "sort", "value")

    def __init__(self, kind: str, name: str, sort: str, arguments: tuple[Node, ...], value: Any) -> None:
        self.kind, self.name, self.sort, self.arguments, self.value = kind, name, sort, arguments, value
        self.size: int = 1 + sum(argument.size for argument in arguments)

    def __repr__(self) -> str:
        return text_of(self)


_KNOWN: dict[tuple[object, ...], Node] = {}


def node(kind: str, name: str, sort: str, arguments: tuple[Node, ...] = (), value: Any = None) -> Node:
    """The term of these parts."""
    key = (kind, name, sort, arguments)
    found = _KNOWN.get(key)
    if found is None:
        found = _KNOWN[key] = Node(kind, name, sort, arguments, value)
    return found


def literal(value: bool | int | str, sort: str) -> Node:
    """The constant ``value``, named by its SMT-LIB text."""
    if sort == BOOL:
        name = "true" if value else "false"
    elif sort == STRING:
        assert isinstance(value, str)
        name = '"' + value.replace('"', '""') + '"'
    elif sort == INT:
        assert isinstance(value, int)
        name = str(value) if value >= 0 else f"(- {-value})"
    else:
        width = width_of(sort)
        name = f"#b{value:0{width}b}" if width % 4 else f"#x{value:0{width // 4}x}"
    return node(LITERAL, name, sort, (), value)


def width_of(sort: str) -> int:
    """The bits of a bit-vector sort; 0 for any other."""
    return int(sort[10:-1]) if sort.startswith("(_ BitVec ") else 0


def text_of(term: Node) -> str:
    """The term in SMT-LIB."""
    if not term.arguments:
        return term.name
    return f"({' '.join([term.name, *map(text_of, term.arguments)])})"


def subterms(term: Node) -> list[Node]:
    """Every distinct subterm, arguments before what they stand in."""
    order: dict[Node, None] = {}
    stack = [(term, False)]
    while stack:
        inner, is_expanded = stack.pop()
        if is_expanded:
            order[inner] = None
        elif inner not in order:
            stack.append((inner, True))
            stack.extend((argument, False) for argument in reversed(inner.arguments))
    return list(order)


def conjunction(terms: Sequence[Node]) -> Node:
    """All of some conditions, at least one."""
    whole = terms[0]
    for term in terms[1:]:
        whole = node(ROW, "and", BOOL, (whole, term))
    return whole


def rebuilt(term: Node, replacement: Mapping[Node, Node]) -> Node:
    """``term`` with subterms replaced (outermost first)."""
    known = dict(replacement)

    def built(inner: Node) -> Node:
        if inner not in known:
            arguments = tuple(map(built, inner.arguments))
            is_same = arguments == inner.arguments
            known[inner] = inner if is_same else node(inner.kind, inner.name, inner.sort, arguments)
        return known[inner]

    return built(term)


def evaluated(
    term: Node, known: dict[Node, tuple[Any, ...]], run: Callable[[Node], Callable[..., Any]]
) -> tuple[Any, ...]:
    """The values of a term at some points; ``known`` has those of the variables, and is added to.

    ``run`` is the function of plain values that a row stands for.
    """
    if term not in known:
        if term.kind == LITERAL:
            count = len(next(iter(known.values()), ((),)))
            known[term] = (term.value,) * count
        else:
            columns = [evaluated(argument, known, run) for argument in term.arguments]
            known[term] = tuple(map(run(term), *columns))
    return known[term]
