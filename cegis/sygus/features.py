"""What a search without folds needs to know of sequences: numbers and flags, computed before it starts.

A *feature* is a term made of position-wise tests alone (``count('a')``, ``latch(is '[', is ']')``, ...). Its value on
an example is a number or a flag, so a SyGuS tool can take it as an input of the function it looks for; what else the
grammar has (constants, arithmetic, comparisons, connectives, conditionals, labels) is the tool's grammar.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from dsl.grammar import Grammar
from dsl.operators import BOOL, INT, LABEL, MASK, GrammarError, Operator, Term
from dsl.sequences import SequenceBatch


@dataclass(frozen=True)
class Feature:
    """A term that a tool gets as an input: derived from ``nonterminal`` at ``cost``."""

    nonterminal: str
    term: Term
    cost: int


@dataclass(frozen=True)
class Group:
    """The features of one production, evaluated together; ``tests`` are the stacks of tests for its arguments."""

    operator: Operator
    tests: tuple[tuple[Term, ...], ...]
    features: tuple[Feature, ...]

    def values(self, batch: SequenceBatch) -> Any:
        """(features, sequences)"""
        count = len(self.tests)
        stacks = (
            np.expand_dims(np.stack([test.evaluate(batch) for test in tests]), [i for i in range(count) if i != place])
            for place, tests in enumerate(self.tests)
        )
        found = np.asarray(self.operator.numpy(batch, *stacks))
        shape = (*map(len, self.tests), len(batch.tokens))
        return np.broadcast_to(found, shape).reshape(-1, len(batch.tokens))


def groups(grammar: Grammar) -> tuple[Group, ...]:
    """Every number and flag of ``grammar`` that only position-wise tests go into, by production."""
    tests: dict[str, list[tuple[Term, int]]] = {}
    for row in grammar.productions:
        if row.operator.result == MASK:
            if row.arguments:
                raise GrammarError(f"a position-wise operator with arguments has no SyGuS form: {row.operator.name}")
            tests.setdefault(row.nonterminal, []).append((row.operator(), row.cost))
    return tuple(
        Group(
            row.operator,
            tuple(tuple(term for term, _ in tests[name]) for name in row.arguments),
            tuple(
                Feature(
                    row.nonterminal, row.operator(*(term for term, _ in choice)), row.cost + sum(c for _, c in choice)
                )
                for choice in product(*(tests[name] for name in row.arguments))
            ),
        )
        for row in grammar.productions
        if row.operator.result in (INT, BOOL) and not is_constant(row.operator)
        if all(name in tests for name in row.arguments)
    )


def is_constant(operator: Operator) -> bool:
    """Whether a leaf is the same on every sequence."""
    return not operator.arguments and (operator.result == LABEL or operator.python.isdigit())


def distinct(known: Sequence[Group], batch: SequenceBatch) -> Iterator[tuple[Feature, Any]]:
    """The features that differ on the batch, the cheapest of each kind, with their values: (sequences,)."""
    rows = [pair for group in known for pair in zip(group.features, group.values(batch), strict=True)]
    seen = set()
    for feature, values in sorted(rows, key=lambda pair: pair[0].cost):
        key = (feature.nonterminal, values.tobytes())
        if key not in seen:
            seen.add(key)
            yield feature, values
