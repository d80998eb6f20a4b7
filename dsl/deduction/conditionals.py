"""Conditionals of a grammar, plain or in disguise, and programs joined by them from the rows of a bank.

``ite`` and ``choose`` take a flag. A defined function whose body is an ``ite`` over its own parameters is a conditional
too: ``im(c, a, b) = ite(c = 1, a, b)`` takes a number for a flag, and every row for c gives a flag, namely its
condition's value. ``qm(a, b) = ite(a < 0, b, a)`` looks at its own branch: such a row for a is a guard (``trees``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dsl.deduction.masks import Masked
from dsl.deduction.trees import MOST_LEAVES, Guard, Guards, Leaf, Mask, Split, Stuck, Tree, grow_tree
from dsl.enumeration.bank import Bank
from dsl.grammar import Grammar, Production
from dsl.operators import Term
from dsl.scalars import Columns


@dataclass(frozen=True)
class Conditional:
    """``production`` gives its argument ``then`` where its argument ``asked`` meets ``condition``, else ``otherwise``.

    ``condition`` is over the parameter of that number, or None where the argument is itself the flag. A guard asks
    one of its branches.
    """

    production: Production
    asked: int
    then: int
    otherwise: int
    condition: Term | None = None

    @property
    def is_guard(self) -> bool:
        """Whether it asks one of its own branches."""
        return self.asked in (self.then, self.otherwise)

    @property
    def source(self) -> str:
        """The nonterminal of what it asks."""
        return self.production.arguments[self.asked]

    @property
    def cost(self) -> int:
        """What it costs itself."""
        return self.production.cost

    def flags(self, values: NDArray[Any], examples: int) -> Mask:
        """The condition of rows for the argument asked: (rows, examples), of the same shape."""
        if self.condition is None:
            return values
        name, _ = self.production.operator.parameters[self.asked]
        flags = np.asarray(self.condition.evaluate(Columns({name: values}, examples)), bool)
        return np.broadcast_to(flags, values.shape)

    def usable(self, values: NDArray[Any]) -> Mask:
        """Which rows may be asked: all."""
        return np.ones(len(values), bool)

    def apply(self, asked: Term, then: Term, otherwise: Term) -> Term:
        """The application; a guard's own branch is what it asks."""
        arguments = {self.then: then, self.otherwise: otherwise, self.asked: asked}
        return self.production.operator(*(arguments[place] for place in sorted(arguments)))


Choosing = Conditional | Masked


def conditionals(grammar: Grammar, nonterminal: str) -> tuple[Conditional, ...]:
    """The conditionals between terms of ``nonterminal``, which is what both branches must be."""
    found = []
    for production in grammar.productions:
        if production.nonterminal == nonterminal:
            made = _plain(production) or _defined(production)
            if made is not None and {production.arguments[made.then], production.arguments[made.otherwise]} == {
                nonterminal
            }:
                found.append(made)
    return tuple(found)


def _plain(production: Production) -> Conditional | None:
    return Conditional(production, 0, 1, 2) if production.operator.is_choice else None


def _defined(production: Production) -> Conditional | None:
    """A defined function as a conditional, if its body is one over parameters, all of them used."""
    body, names = production.operator.definition, [name for name, _ in production.operator.parameters]
    if body is None or not body.operator.is_choice:
        return None
    condition, then, otherwise = body.arguments
    if not (then.operator.is_variable and otherwise.operator.is_variable) or then == otherwise:
        return None
    asked = {name for name in _variables(condition) if name in names}
    branches = {then.operator.name, otherwise.operator.name}
    if len(asked) != 1 or asked | branches != set(names):
        return None
    return Conditional(
        production,
        names.index(asked.pop()),
        names.index(then.operator.name),
        names.index(otherwise.operator.name),
        condition,
    )


def _variables(term: Term) -> set[str]:
    if term.operator.is_variable:
        return {term.operator.name}
    return set().union(*map(_variables, term.arguments))


@dataclass(frozen=True)
class Asked:
    """Rows that conditionals may ask, numbered through: (conditional, row) and the flags they give."""

    sources: list[tuple[Choosing, NDArray[np.int64]]]
    starts: list[int]
    flags: Mask
    cost: NDArray[Any]

    def source(self, number: int) -> tuple[Choosing, int]:
        """The conditional and the row of the argument it asks."""
        place = int(np.searchsorted(self.starts, number, side="right")) - 1
        conditional, rows = self.sources[place]
        return conditional, int(rows[number - self.starts[place]])


def join(
    bank: Bank,
    nonterminal: str,
    right: Mask,
    *,
    by: Sequence[Choosing] | None = None,
    kinds: NDArray[Any] | None = None,
    tries: int = 4,
    most_leaves: int = MOST_LEAVES,
    stop: Callable[[], bool] = lambda: False,
) -> Term | Stuck:
    """A program of ``nonterminal`` right on all examples, joined from rows right on some by the grammar's conditionals.

    right: (rows of the nonterminal, examples). ``Stuck`` names the examples that no row is right on, or some that no
    flag tells apart. by: other ways to choose. kinds, most_leaves: as for ``grow_tree``.
    """
    found = conditionals(bank.grammar, nonterminal) if by is None else by
    plain = _asked(bank, [c for c in found if not c.is_guard])
    guarding = _asked(bank, [c for c in found if c.is_guard])
    store = bank.stores[nonterminal]
    guards = None
    if guarding.sources:
        whole = np.concatenate([right[rows] for _, rows in guarding.sources])
        guards = Guards(guarding.flags, whole, guarding.cost)
    split_cost = min((c.cost for c in found), default=1)
    costs = store.origin[:, 0]
    tree = grow_tree(
        right,
        costs,
        plain.flags,
        plain.cost,
        kinds=kinds,
        guards=guards,
        split_cost=split_cost,
        tries=tries,
        most_leaves=most_leaves,
        stop=stop,
    )

    def build(tree: Tree) -> Term:
        match tree:
            case Leaf(row):
                return bank.term(nonterminal, row)
            case Split(flag, then, otherwise):
                conditional, row = plain.source(flag)
                asked = bank.term(conditional.source, row)
                return conditional.apply(asked, build(then), build(otherwise))
            case Guard(guard, rest):
                conditional, row = guarding.source(guard)
                asked, other = bank.term(nonterminal, row), build(rest)
                return conditional.apply(asked, other, other)

    return tree if isinstance(tree, Stuck) else build(tree)


def _asked(bank: Bank, found: Sequence[Choosing]) -> Asked:
    """What the rows of a bank say as flags, cheapest first among those that say the same; for guards, all of them."""
    sources, starts, flags, cost = [], [], [np.zeros((0, bank.batch.examples), bool)], [np.zeros(0, np.int64)]
    for conditional in found:
        store = bank.stores[conditional.source]
        if not len(store):
            continue
        held = store.values
        values, rows = conditional.flags(held, bank.batch.examples), np.arange(len(store))
        if isinstance(conditional, Conditional) and conditional.is_guard:  # selected is where its own branch is taken
            values = values if conditional.asked == conditional.then else ~values
        elif values is not held:
            able = np.flatnonzero(conditional.usable(held))
            by_cost = able[np.argsort(store.origin[able, 0], kind="stable")]
            _, first = np.unique(np.packbits(values[by_cost], axis=1), axis=0, return_index=True)
            rows = by_cost[np.sort(first)]
        starts.append(sum(map(len, cost)))
        sources.append((conditional, rows))
        flags.append(values[rows] if len(rows) < len(values) else values)
        cost.append(store.origin[rows, 0].astype(np.int64))
    together = flags[1] if len(flags) == 2 else np.concatenate(flags)
    return Asked(sources, starts, together, np.concatenate(cost))
