"""Which terms may be built, and what they cost: typed productions, as a value.

A production says that a nonterminal may be an operator applied to nonterminals, at a cost. The cost of a term is the
sum over its productions; search goes through terms in order of cost, so the cost is what "simplest" means.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, Protocol

from dsl.operators import GrammarError, Operator, Sort, Term
from dsl.scalars import ScalarSignature
from dsl.sequences import SequenceSignature
from dsl.showing import cut


@dataclass(frozen=True)
class Production:
    """``nonterminal -> operator(arguments)`` at ``cost`` (a whole number of at least 1).

    >>> Production("I", literal(0, INT), cost=2)
    Production(I -> 0, cost 2)
    """

    nonterminal: str
    operator: Operator
    arguments: tuple[str, ...] = ()
    cost: int = 1

    def __repr__(self) -> str:
        inner = f"({', '.join(self.arguments)})" if self.arguments else ""
        return cut(f"Production({self.nonterminal} -> {self.operator.name}{inner}, cost {self.cost})")

    def __post_init__(self) -> None:
        if not isinstance(self.operator, Operator) or not isinstance(self.arguments, tuple):
            raise GrammarError(
                f"production for {self.nonterminal}: expected an operator and a tuple of nonterminals, got "
                f"{cut(repr(self.operator), 60)} and {cut(repr(self.arguments), 60)}"
            )
        if self.cost < 1:
            raise GrammarError(f"production for {self.nonterminal}: cost must be at least 1, got {self.cost}")
        if len(self.arguments) != len(self.operator.arguments):
            raise GrammarError(
                f"production for {self.nonterminal}: {self.operator.name} takes "
                f"{len(self.operator.arguments)} arguments, got {len(self.arguments)}"
            )


class Written(Protocol):
    """Productions that a program may use, too many to be listed: each is known by what stands in a text."""

    def rows(self, nodes: Iterable[ast.AST]) -> Iterator[Production]:
        """Those that may stand in a text of these ``nodes``."""
        ...

    def find(self, operator: Operator) -> Production | None:
        """The one of an operator; None for an operator that is none of these."""
        ...


@dataclass(frozen=True)
class Numbered:
    """``nonterminal -> make(n)(arguments)`` at ``cost``, for every whole number n from ``least`` to ``most``."""

    nonterminal: str
    make: Callable[[int], Operator]
    arguments: tuple[str, ...]
    least: int
    most: int
    cost: int

    def production(self, number: int) -> Production | None:
        """That of one number."""
        if not self.least <= number <= self.most:
            return None
        return Production(self.nonterminal, self.make(number), self.arguments, self.cost)

    def rows(self, nodes: Iterable[ast.AST]) -> Iterator[Production]:
        """Those of the numbers that stand in a text."""
        numbers = {node.value for node in nodes if isinstance(node, ast.Constant) and type(node.value) is int}
        found = map(self.production, sorted(numbers))
        return (row for row in found if row is not None)

    def find(self, operator: Operator) -> Production | None:
        """That of an operator, whose text has the number; None for another one."""
        found = (self.production(int(number)) for number in re.findall(r"\b[0-9]+\b", operator.python))
        return next((row for row in found if row is not None and row.operator == operator), None)


@dataclass(frozen=True)
class Grammar:
    """``productions`` over nonterminals; a program is a term of ``start``.

    A nonterminal of ``constants`` derives every literal of its sort, at cost 1, beside those of its productions.
    ``written`` are productions that a program may use and a search does not try, such as large factors, which are
    products of small ones as well, and tables.

    >>> only_x = Grammar(f.signature, "I", (Production("I", x.operator),))
    >>> only_x.cost(x)
    1
    """

    signature: SequenceSignature | ScalarSignature
    start: str
    productions: tuple[Production, ...]
    constants: frozenset[str] = frozenset()
    written: tuple[Written, ...] = ()

    def __repr__(self) -> str:
        inputs = ", ".join(self.signature.names)
        return cut(f"Grammar(start {self.start!r}, {len(self.productions)} productions, of {inputs})")

    def __post_init__(self) -> None:
        sorts: dict[str, Sort] = {}
        texts: dict[Operator, str] = {}
        seen: set[Production] = set()
        for production in self.productions:
            operator = production.operator
            if production in seen:
                raise GrammarError(f"{production.nonterminal} -> {operator.name} is listed twice; keep one of the two")
            seen.add(production)
            if texts.setdefault(operator, operator.python) != operator.python:
                raise GrammarError(f"two operators are called {operator.name!r}; give each meaning its own name")
            sort = sorts.setdefault(production.nonterminal, production.operator.result)
            if sort != production.operator.result:
                raise GrammarError(
                    f"nonterminal {production.nonterminal} has productions of two sorts, "
                    f"{sort.name} and {production.operator.result.name}"
                )
        if self.start not in sorts:
            raise GrammarError(f"the start {self.start!r} has no production; nonterminals: {', '.join(sorts)}")
        for name in self.constants - sorts.keys():
            raise GrammarError(f"{name!r} takes any constant, but has no production; give it at least one constant")
        for production in self.productions:
            for argument, sort in zip(production.arguments, production.operator.arguments, strict=True):
                if argument not in sorts:
                    raise GrammarError(f"{production.operator.name} uses {argument!r}, which has no production")
                if sorts[argument] != sort:
                    raise GrammarError(
                        f"{production.operator.name} takes {sort.name}, "
                        f"but {argument} is of sort {sorts[argument].name}"
                    )

    def __reduce__(self) -> tuple[Any, ...]:
        """Its fields, without what was computed from them."""
        return Grammar, tuple(getattr(self, one.name) for one in fields(self))

    @property
    def sequences(self) -> SequenceSignature:
        """The signature of a grammar of sequence programs; raises GrammarError for one of scalar programs."""
        if not isinstance(self.signature, SequenceSignature):
            raise GrammarError("expected a grammar of sequence programs, got one of scalar programs")
        return self.signature

    @property
    def scalars(self) -> ScalarSignature:
        """The signature of a grammar of scalar programs; raises GrammarError for one of sequence programs."""
        if not isinstance(self.signature, ScalarSignature):
            raise GrammarError("expected a grammar of scalar programs, got one of sequence programs")
        return self.signature

    @cached_property
    def sorts(self) -> dict[str, Sort]:
        """The sort of every nonterminal, in order of first appearance."""
        return {production.nonterminal: production.operator.result for production in self.productions}

    def cost(self, term: Term, nonterminal: str | None = None) -> int | None:
        """The least cost of deriving ``term`` from ``nonterminal`` (the start), or None when it does not derive it."""
        return self.costs(term, {}).get(nonterminal or self.start)

    def costs(self, term: Term, known: dict[Term, dict[str, int]]) -> dict[str, int]:
        """The least cost of deriving ``term`` from each nonterminal that does; ``known``: those of terms, kept."""
        stack = [term]
        while stack:
            missing = [argument for argument in stack[-1].arguments if argument not in known]
            if missing:
                stack += missing
            else:
                inner = stack.pop()
                if inner not in known:
                    known[inner] = self._costs(inner, [known[argument] for argument in inner.arguments])
        return known[term]

    def _costs(self, term: Term, arguments: list[dict[str, int]]) -> dict[str, int]:
        """The least cost of deriving ``term`` from each nonterminal that does, by those of its arguments."""
        free = (name for name in self.constants if self.sorts[name] == term.sort) if term.operator.is_literal else ()
        least = dict.fromkeys(free, 1)
        for production in self.productions_of(term.operator):
            costs = [known.get(name) for known, name in zip(arguments, production.arguments, strict=True)]
            if None not in costs:
                total = production.cost + sum(cost for cost in costs if cost is not None)
                least[production.nonterminal] = min(total, least.get(production.nonterminal, total))
        return least

    def productions_of(self, operator: Operator) -> list[Production]:
        """Those with this operator, or those a text may have with it."""
        return self._productions_of.get(operator) or self._written(operator)

    def _written(self, operator: Operator) -> list[Production]:
        found = (family.find(operator) for family in self.written)
        return [production for production in found if production is not None]

    @cached_property
    def _productions_of(self) -> dict[Operator, list[Production]]:
        found: dict[Operator, list[Production]] = {}
        for production in self.productions:
            found.setdefault(production.operator, []).append(production)
        return found
