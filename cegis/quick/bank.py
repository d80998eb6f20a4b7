"""Terms of a grammar by size, one for each row of values at some points (observational equivalence).

Bottom-up enumeration, as in ``dsl.enumeration``, with tuples for arrays: for a few thousand terms nothing else is
needed. Terms are tried in order of size, so the first with the wanted values is a smallest one.
"""

from __future__ import annotations

from cegis.quick import rows
from cegis.quick.nodes import DEFINED, NONTERMINAL, BeyondError, Node, evaluated, node

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import Any

    from cegis.quick.reading import Question

    Values = tuple[Any, ...]
    Entry = tuple[Values, Node, tuple["Entry", ...], int]  # values, rule, what stands for its nonterminals, size

LARGEST = 30  # size of a term


def columns_of(question: Question, rule: Node) -> Callable[..., Values]:
    """A rule of the grammar on columns of values."""
    run = function_of(question)
    if rule.kind != DEFINED:
        function = run(rule)
        return lambda *columns: tuple(map(function, *columns))
    definition = question.definitions[rule.name]
    return lambda *columns: tuple(
        evaluated(definition.inlined, dict(zip(definition.parameters, columns, strict=True)), run)
    )


def function_of(question: Question) -> Callable[[Node], Callable[..., Any]]:
    """What ``nodes.evaluated`` runs: rows, and the file's own functions by their bodies."""
    known: dict[str, Callable[..., Any]] = {}

    def run(term: Node) -> Callable[..., Any]:
        if term.kind == DEFINED:
            if term.name not in known:
                known[term.name] = _defined(term.name)
            return known[term.name]
        found = rows.find(term.name, tuple(argument.sort for argument in term.arguments))
        if found is None:
            raise BeyondError
        return found[1]

    def _defined(name: str) -> Callable[..., Any]:
        definition = question.definitions[name]

        def function(*values: Any) -> Any:
            points = dict(zip(definition.parameters, ((value,) for value in values), strict=True))
            return evaluated(definition.inlined, points, run)[0]

        return function

    return run


class Bank:
    """``entries[nonterminal][size]``: the terms of that size with values that no smaller one has.

    ``steps`` counts the terms tried; where a size would take more than ``most`` in all BeyondError is raised, and so it
    is beyond ``LARGEST``: where hardly any term has new values, sizes may have no terms to try without end.
    """

    def __init__(
        self, question: Question, points: Mapping[Node, Values], most: int, skipped: tuple[str, ...] = ()
    ) -> None:
        self.steps, self.most, self.size = 0, most, 0
        run = function_of(question)
        self.leaves: dict[str, list[Entry]] = {}
        self.rules: dict[str, list[tuple[Node, Callable[..., Values], list[str]]]] = {}
        self.entries: dict[str, list[list[Entry]]] = {name: [[]] for name in question.rules}
        self.seen: dict[str, dict[Values, Entry]] = {name: {} for name in question.rules}
        for name in question.rules:
            self.leaves[name], self.rules[name] = [], []
            for rule in _closure(question, name):
                if rule.arguments:
                    used = [argument.name for argument in rule.arguments]
                    if rule.name not in skipped:
                        self.rules[name].append((rule, columns_of(question, rule), used))
                else:
                    self.leaves[name].append((evaluated(rule, dict(points), run), rule, (), 1))

    def grow(self) -> None:
        """Try all terms of the next size."""
        steps = self.steps + sum(map(self._count, self.entries))
        if steps > self.most or self.size == LARGEST:
            raise BeyondError
        self.size, self.steps = self.size + 1, steps
        for name, entries in self.entries.items():
            entries.append([])
            seen = self.seen[name]
            for entry in self._made(name):
                if entry[0] not in seen:
                    seen[entry[0]] = entry
                    entries[-1].append(entry)

    def _count(self, name: str) -> int:
        """How many terms of the next size there are to try."""
        if self.size == 0:
            return len(self.leaves[name])
        count = 0
        for _, _, used in self.rules[name]:
            for sizes in _compositions(self.size, len(used)):
                product = 1
                for one, size in zip(used, sizes, strict=True):
                    product *= len(self.entries[one][size])
                count += product
        return count

    def _made(self, name: str) -> Iterator[Entry]:
        if self.size == 1:
            yield from self.leaves[name]
            return
        for rule, function, used in self.rules[name]:
            for sizes in _compositions(self.size - 1, len(used)):
                parts = [self.entries[one][size] for one, size in zip(used, sizes, strict=True)]
                yield from _applied(rule, function, parts, self.size)


def term_of(entry: Entry) -> Node:
    """The term of an entry."""
    _, rule, parts, _ = entry
    if not parts:
        return rule
    return node(rule.kind, rule.name, rule.sort, tuple(map(term_of, parts)))


def _applied(rule: Node, function: Callable[..., Values], parts: list[list[Entry]], size: int) -> Iterator[Entry]:
    match parts:
        case [ones]:
            for one in ones:
                yield function(one[0]), rule, (one,), size
        case [ones, others]:
            for one in ones:
                for other in others:
                    yield function(one[0], other[0]), rule, (one, other), size
        case [ones, others, thirds]:
            for one in ones:
                for other in others:
                    for third in thirds:
                        yield function(one[0], other[0], third[0]), rule, (one, other, third), size
        case _:
            raise BeyondError


def _compositions(total: int, parts: int) -> Iterator[tuple[int, ...]]:
    """The ways to write ``total`` as so many sizes of at least 1."""
    if parts == 1:
        if total >= 1:
            yield (total,)
        return
    for first in range(1, total - parts + 2):
        for rest in _compositions(total - first, parts - 1):
            yield (first, *rest)


def _closure(question: Question, name: str) -> list[Node]:
    """The rules of a nonterminal and of those that it may be instead."""
    found: dict[Node, None] = {}
    names = [name]
    for one in names:
        for rule in question.rules[one]:
            if rule.kind != NONTERMINAL:
                found[rule] = None
            elif rule.name not in names:
                names.append(rule.name)
    return list(found)
