"""The part of a grammar that says nothing beyond what an answer depends on.

Inputs come in groups: those of a group are alike in all that the answer depends on. A term that has one value on each
group says no more than that. All small terms are enumerated on a sample, of equal ones the cheapest alone, and a
production stays where it is in one that says something, and no more. That is a test on a sample of inputs and of terms,
so the part is a place to search first, never a limit of what there is.

What is positional (tests on tokens, parts of a sequence) has a value for each position; it stays in what takes it.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from dsl.enumeration.bank import Bank
from dsl.enumeration.blocks import Batch
from dsl.grammar import Grammar, Production
from dsl.meaning import AtLeast, Combination, Constant, Divided, Multiple, TokenTest
from dsl.operators import Operator, Term

MOST_CANDIDATES = 60_000
SMALL = 2


def relevant(grammar: Grammar, batch: Batch, groups: NDArray[np.int64]) -> Grammar | None:
    """``grammar`` without what does not help on ``batch``; ``groups`` (examples,): a number for each input's group.

    None where its start is not among what is left.
    """
    bank = Bank(_simplest(grammar), remember=False)
    bank.observe(batch)
    level = 1
    while bank.grow(level) and bank.candidates + bank.pending(level + 1) <= MOST_CANDIDATES and bank.pending(level + 1):
        level += 1
    order = np.argsort(groups, kind="stable")
    is_first = np.append(True, groups[order][1:] != groups[order][:-1])
    starts = order[is_first][np.cumsum(is_first) - 1]  # of each input in order, the first one of its group
    used = set[Operator]()
    for name, store in bank.stores.items():
        if store.words.ndim == 2 and len(store):
            words = store.words
            says = (words[:, order] == words[:, starts]).all(axis=1) & (words != words[:, :1]).any(axis=1)
            for row in np.flatnonzero(says):
                _collect(bank.term(name, int(row)), used)
    tests = {p.operator for p in grammar.productions if isinstance(p.operator.meaning, TokenTest)}
    kept = [
        p
        for p in grammar.productions
        if p.operator in used
        or (tests & used and p.operator in tests)
        or (not p.arguments and _is_constant(bank, p))
        or (p.arguments and not any(sort.positional for sort in (*p.operator.arguments, p.operator.result)))
    ]
    return _reached(grammar, kept)


def _simplest(grammar: Grammar) -> Grammar:
    """What is enumerated: without connectives, tests for several tokens and large numbers; costs are nearly alike."""
    rows = [p for p in grammar.productions if _is_simple(p)]
    return replace(grammar, productions=tuple(replace(p, cost=(p.cost + 1) // 2) for p in rows))


def _is_simple(production: Production) -> bool:
    match production.operator.meaning:
        case Constant(number) | Multiple(number) | AtLeast(number) | Divided(number):
            return number <= SMALL
        case TokenTest(tokens, is_complement):
            return len(tokens) == 1 and not is_complement
        case Combination.AND | Combination.OR | Combination.NOT:
            return False
    return True


def _is_constant(bank: Bank, production: Production) -> bool:
    """Whether a production without arguments is the same everywhere: a number or a label."""
    value = np.asarray(production.operator.numpy(bank.batch))
    return value.ndim == 1 and bool((value == value[:1]).all())


def _collect(term: Term, used: set[Operator]) -> None:
    used.add(term.operator)
    for argument in term.arguments:
        _collect(argument, used)


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
