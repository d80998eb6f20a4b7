"""The part of a grammar that says nothing beyond what an answer depends on.

Inputs come in groups: those of a group are alike in all that the answer depends on. A term that has one value on each
group says no more than that; a production that only makes terms with several values in a group cannot help, so it is
left out. That is a test on a sample, so the part is a place to search first, never a limit of what there is.

What is positional (tests on tokens, parts of a sequence) has a value for each position; it stays where something that
stays takes it.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import islice, product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dsl.enumeration.blocks import Batch
from dsl.grammar import Grammar, Production

ROUNDS = 3  # how deep terms are made
HELD, HELD_POSITIONAL = 6, 48  # values kept of a nonterminal
TRIED = 96  # combinations of arguments


class _Pool:
    """Values made so far, by nonterminal, with the productions that made each."""

    def __init__(self) -> None:
        self.values: dict[str, list[tuple[Any, frozenset[Production]]]] = {}

    def add(self, name: str, value: Any, made_of: frozenset[Production], most: int) -> None:
        """Keep a value, unless there are enough or it is known."""
        held = self.values.setdefault(name, [])
        if len(held) < most and not any(np.array_equal(value, other) for other, _ in held):
            held.append((value, made_of))


def relevant(grammar: Grammar, batch: Batch, groups: NDArray[np.int64]) -> Grammar | None:
    """``grammar`` without what does not help on ``batch``; ``groups`` (examples,): a number for each input's group.

    None where its start is not among what is left.
    """
    pool, kept = _Pool(), set[Production]()
    order = np.argsort(groups, kind="stable")
    is_first = np.append(True, groups[order][1:] != groups[order][:-1])
    starts = order[is_first][np.cumsum(is_first) - 1]  # of each input in order, the first one of its group
    for _ in range(ROUNDS):
        for production in grammar.productions:
            is_positional = production.operator.result.positional
            held = [pool.values.get(name, ()) for name in production.arguments]
            for arguments in islice(product(*held), TRIED):
                value = _value(production, [value for value, _ in arguments], batch)
                made_of = frozenset({production}).union(*(used for _, used in arguments))
                if is_positional:
                    pool.add(production.nonterminal, value, made_of, HELD_POSITIONAL)
                elif np.array_equal(value[order], value[starts]):
                    kept |= made_of
                    pool.add(production.nonterminal, value, made_of, HELD)
    productions = _reachable(grammar, kept)
    return (
        replace(grammar, productions=productions) if any(p.nonterminal == grammar.start for p in productions) else None
    )


def _value(production: Production, arguments: list[Any], batch: Batch) -> NDArray[Any]:
    value = np.asarray(production.operator.numpy(batch, *arguments))
    shape = (batch.examples, batch.width) if production.operator.result.positional else (batch.examples,)
    return np.broadcast_to(value, shape) if value.ndim <= len(shape) else value


def _reachable(grammar: Grammar, kept: set[Production]) -> tuple[Production, ...]:
    """Productions of ``kept`` whose arguments can be made, and which the start can need; in the grammar's order."""
    made: set[str] = set()
    while True:
        more = {p.nonterminal for p in kept if all(name in made for name in p.arguments)}
        if more == made:
            break
        made = more
    useful = [p for p in grammar.productions if p in kept and all(name in made for name in p.arguments)]
    needed, stack = set[str](), [grammar.start]
    while stack:
        name = stack.pop()
        if name not in needed:
            needed.add(name)
            stack += [argument for p in useful if p.nonterminal == name for argument in p.arguments]
    return tuple(p for p in useful if p.nonterminal in needed)
