"""The part of a grammar that says nothing beyond what an answer depends on.

Inputs come in groups: those of a group are alike in all that the answer depends on. A term that has one value on each
group says no more than that. What a production says of single values says no more than they do, so it stays; one that
takes what is positional (tests on tokens, parts of a sequence) is tried on small terms, the cheapest first, and stays
where it says something that nothing cheaper says, and no more than the groups do. That is a test on a sample of inputs
and of terms, so the part is a place to search first, never a limit of what there is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice, product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dsl.enumeration.blocks import Batch
from dsl.grammar import Grammar, Production
from dsl.operators import INT, TOKEN, Operator

PASSES = 3  # a token is chosen, then counted, then looked for by that number
HELD, HELD_POSITIONAL = 10, 48  # values of a nonterminal that are given to others
TRIED = 200  # combinations of them for one production


@dataclass(frozen=True)
class _Made:
    """A value on the sample, what it costs to make it, and of which positional operators it is made."""

    value: NDArray[Any]
    cost: int
    operators: frozenset[Operator]


def relevant(grammar: Grammar, batch: Batch, groups: NDArray[np.int64]) -> Grammar | None:
    """``grammar`` without what does not help on ``batch``; ``groups`` (examples,): a number for each input's group.

    None where its start is not among what is left.
    """
    order = np.argsort(groups, kind="stable")
    is_first = np.append(True, groups[order][1:] != groups[order][:-1])
    starts = order[is_first][np.cumsum(is_first) - 1]  # of each input in order, the first one of its group
    explored = _Explored(grammar, batch)
    used = set[Operator]()
    for _ in range(PASSES):
        for production, made in sorted(explored.candidates(), key=lambda pair: pair[1].cost):
            value = made.value
            is_new = explored.is_new(production.nonterminal, value)
            if production.operator.result.positional:
                explored.keep(production.nonterminal, made, is_new, HELD_POSITIONAL)
            elif _is_said(value[order] == value[starts], groups[order], production.operator):
                is_said = is_new and bool((value != value[0]).any())
                if is_said or not production.arguments:
                    used |= {production.operator, *made.operators}
                    explored.keep(production.nonterminal, made, is_new, HELD)
            elif not production.arguments and production.operator.result == INT:
                bounds = (value > value.min(), value == value.max())  # alone at the first place, in the shortest
                if any(np.array_equal(flag[order], flag[starts]) for flag in bounds):
                    used.add(production.operator)
    return _reached(grammar, [p for p in grammar.productions if p.operator in used or _is_of_values(p)])


def _is_said(is_alike: NDArray[np.bool_], groups: NDArray[np.int64], operator: Operator) -> bool:
    """Whether a value says no more than the groups do: a token may in one of them, where there is none to choose."""
    strays = np.unique(groups[~is_alike])
    return len(strays) <= (operator.result == TOKEN and groups[0] != groups[-1])


def _is_of_values(production: Production) -> bool:
    """Whether a production makes a value of values."""
    sorts = (*production.operator.arguments, production.operator.result)
    return bool(production.arguments) and not any(sort.positional for sort in sorts)


class _Explored:
    """Values of small terms by nonterminal, and what can be made of them."""

    def __init__(self, grammar: Grammar, batch: Batch) -> None:
        self._grammar, self._batch = grammar, batch
        self._held: dict[str, list[_Made]] = {}
        self._seen: set[tuple[str, bytes]] = set()
        self._tried: set[tuple[Production, tuple[int, ...]]] = set()

    def candidates(self) -> Iterator[tuple[Production, _Made]]:
        """What productions make of what is held, but for what was made before, and what many values make together."""
        for production in self._grammar.productions:
            if _is_of_values(production) and len(production.arguments) > 1:
                continue
            held = [self._held.get(name, []) for name in production.arguments]
            for chosen in islice(product(*held), TRIED):
                key = production, tuple(map(id, chosen))
                if key not in self._tried:
                    self._tried.add(key)
                    yield production, self._make(production, chosen)

    def _make(self, production: Production, arguments: tuple[_Made, ...]) -> _Made:
        value = np.asarray(production.operator.numpy(self._batch, *(argument.value for argument in arguments)))
        is_positional = production.operator.result.positional
        shape = (self._batch.examples, self._batch.width) if is_positional else (self._batch.examples,)
        operators = frozenset({production.operator}).union(*(argument.operators for argument in arguments))
        cost = production.cost + sum(argument.cost for argument in arguments)
        return _Made(np.broadcast_to(value, shape), cost, operators)

    def is_new(self, name: str, value: NDArray[Any]) -> bool:
        """Whether no term of the nonterminal had this value so far."""
        words = np.array([hash(one) for one in value]) if value.dtype == object else np.ascontiguousarray(value)
        key = name, words.tobytes()
        is_new = key not in self._seen
        self._seen.add(key)
        return is_new

    def keep(self, name: str, made: _Made, is_new: bool, most: int) -> None:
        """Give a new value to others, unless they have enough."""
        held = self._held.setdefault(name, [])
        if is_new and len(held) < most:
            held.append(made)


def _reached(grammar: Grammar, kept: list[Production]) -> Grammar | None:
    """The productions of ``kept`` whose arguments can be made, and which the start can need."""
    made: set[str] = set()
    while more := {p.nonterminal for p in kept if all(name in made for name in p.arguments)} - made:
        made |= more
    useful = [p for p in kept if all(name in made for name in p.arguments)]
    needed, stack = set[str](), [grammar.start]
    while stack:
        name = stack.pop()
        if name not in needed:
            needed.add(name)
            stack += [argument for p in useful if p.nonterminal == name for argument in p.arguments]
    productions = tuple(p for p in useful if p.nonterminal in needed)
    is_whole = any(p.nonterminal == grammar.start for p in productions)
    return replace(grammar, productions=productions) if is_whole else None
