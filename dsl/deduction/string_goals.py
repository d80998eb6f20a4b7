"""Programs for strings from examples, from the goal down: what the rows of a bank can be joined to.

A bank enumerates small terms; the goal says how to go on. ``StringGoals`` takes the rows and looks for the cheapest
term with the wanted values on all examples:

- a String: the cheapest chain (``concatenation``) of rows, substrings of cheap rows (``substrings``), replacements
  that bring a row nearer to the goal (``replacements``), and numbers in digits;
- an Int: a number (``ingredients``), a sum or difference of two, or a String read as a number;
- ``ite`` over rows that are right on a part of the examples, or, where nothing else is right on all of them, over
  terms found as above for parts (``branches``).

Gulwani, "Automating string processing in spreadsheets using input-output examples", POPL 2011; Lee, "Combining the
top-down propagation and bottom-up enumeration for inductive program synthesis", POPL 2021. Every term is built from
the grammar's productions. What is found is right on the examples, no more: proving is somebody else's work. The search
is not complete: None says nothing about the grammar.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dsl.deduction.branches import Branches, Found, Part, examples, parts
from dsl.deduction.concatenation import cheapest_chain
from dsl.deduction.ingredients import RUNS, Ingredients, no_rows
from dsl.deduction.replacements import edited, replaced
from dsl.deduction.rows import Indices, Rows, applied, keys, product, union
from dsl.grammar import Grammar, Production
from dsl.operators import BOOL, INT, STRING, Term
from dsl.scalars import Columns, column
from dsl.theories.theory import literal

MAX_EXAMPLES = 12  # looked at together at first
MAX_PIECES = 3000  # strings that chains are made of
MAX_LEAVES = 5000  # rows that trees without a search are made of
MAX_ASKS = 30  # searches for the leaves of a tree
MAX_DEPTH = 4  # conditions in a row
# what the leaves of a tree may cost, and a program so cheap that no such tree is looked for; 0: rows only
LEAVES = ((0, 8), (32, 64), (64, 128), (math.inf, math.inf))


class StringGoals:
    """``rows`` by nonterminal, with their values on the examples ``inputs``."""

    def __init__(self, grammar: Grammar, inputs: Columns, rows: Mapping[str, Rows]) -> None:
        self._grammar, self._inputs, self._rows = grammar, inputs, rows
        self._have = Ingredients(grammar, rows)

    def solve(self, nonterminal: str, goal: NDArray[Any], stop: Callable[[], bool] = lambda: False) -> Term | None:
        """The cheapest term found with the values ``goal`` (examples,), or None. ``stop()`` ends the search early.

        Of many examples, a few are looked at, and then those that the term found is wrong on.
        """
        wanted = column(self._grammar.sorts[nonterminal], goal.tolist())
        if not len(goal) or not (wanted == goal).all():  # numbers beyond a machine word, which rows do not hold
            return None
        few = np.arange(min(len(goal), MAX_EXAMPLES))
        while len(few) < len(goal):
            term = self._on(few).solve(nonterminal, wanted[few], stop)
            if term is None:
                return None
            wrong = np.flatnonzero(term.evaluate(self._inputs) != wanted)
            if not len(wrong):
                return term
            few = np.append(few, wrong[0])
        return self._solve(nonterminal, wanted, stop)

    def _on(self, examples: Indices) -> StringGoals:
        inputs = Columns({name: array[examples] for name, array in self._inputs.items()}, len(examples))
        return StringGoals(self._grammar, inputs, {name: rows.on(examples) for name, rows in self._rows.items()})

    def _solve(self, nonterminal: str, goal: NDArray[Any], stop: Callable[[], bool]) -> Term | None:
        leaf = _Leaf(self._have, nonterminal, goal, stop)
        best = self._right(nonterminal, leaf.find((1 << len(goal)) - 1), goal)
        for choose in self._have.productions(nonterminal, "ite"):
            side = choose.arguments[1]
            if side == choose.arguments[2]:
                leaf = leaf if side == nonterminal else _Leaf(self._have, side, goal, stop)
                for most, enough in LEAVES:
                    if best is None or best[0] > enough:
                        tree = self._right(nonterminal, self._tree(choose, goal, leaf, most, stop), goal)
                        best = min((each for each in (best, tree) if each is not None), key=_cost, default=None)
        return None if best is None else best[1]

    def _right(self, nonterminal: str, found: Found | None, goal: NDArray[Any]) -> Found | None:
        """What was found, if it is a term of the grammar and, run once more, right."""
        if found is None or self._grammar.cost(found[1], nonterminal) is None:
            return None
        return found if (found[1].evaluate(self._inputs) == goal).all() else None

    def _tree(
        self, choose: Production, goal: NDArray[Any], leaf: _Leaf, most: float, stop: Callable[[], bool]
    ) -> Found | None:
        """A tree of rows, and of leaves that are searched for and cost at most ``most``."""
        flag, side, _ = choose.arguments
        rows = self._have.cheap(side, MAX_LEAVES)
        known: dict[Part, Found] = {}
        for row, part in enumerate(parts(np.asarray(rows.values == goal, bool))):
            if part and part not in known:
                known[part] = int(rows.costs[row]), rows.term(row)

        def right(term: Term) -> Part:
            return parts(np.asarray(term.evaluate(self._inputs) == goal, bool)[None])[0]

        def ask(part: Part) -> Found | None:
            found = leaf.find(part)
            return found if found is not None and found[0] <= most else None

        nests = any(inner.arguments[1:] == (side, side) for inner in self._have.productions(side, "ite"))
        branches = Branches(choose, self._have.flags(flag), known.items(), ask, right, MAX_ASKS if most else 0, stop)
        return branches.grow((1 << len(goal)) - 1, MAX_DEPTH if nests else 1)


def _cost(found: Found) -> int:
    return found[0]


class _Leaf:
    """Terms without conditions of their own for one goal, on parts of the examples."""

    def __init__(self, have: Ingredients, nonterminal: str, goal: NDArray[Any], stop: Callable[[], bool]) -> None:
        self._have, self._nonterminal, self._goal, self._stop = have, nonterminal, goal, stop
        self._known: dict[Part, Found | None] = {}

    def find(self, part: Part) -> Found | None:
        """The cheapest term found that is right on these examples."""
        if part not in self._known:
            here = examples(part)
            self._known[part] = self._find(self._nonterminal, self._goal[here], here)
        return self._known[part]

    def _find(self, nonterminal: str, goal: NDArray[Any], here: Indices, *, nested: bool = False) -> Found | None:
        found = [_equal(self._have.rows[nonterminal].on(here), goal)]
        sort = self._have.grammar.sorts[nonterminal]
        if sort == STRING:
            found.append(self._chain(nonterminal, goal, here, nested))
        elif sort == INT:
            found.append(self._sum(nonterminal, goal, here, depth=1))
            if not nested:
                found.append(self._read(nonterminal, goal, here))
        elif sort == BOOL:
            found.append(_equal(self._have.flags(nonterminal).on(here), goal))
        return min((each for each in found if each is not None), key=_cost, default=None)

    # --- strings ------------------------------------------------------------------------------------------------

    def _chain(self, nonterminal: str, goal: NDArray[Any], here: Indices, nested: bool) -> Found | None:
        joins = [p for p in self._have.grammar.productions if p.operator.name == "str.++"]
        names = {nonterminal}
        for _ in joins:
            names |= {name for join in joins if join.nonterminal in names for name in join.arguments}
        pieces = {name: self._pieces(name, goal, here, nested) for name in sorted(names)}
        for replace in self._have.productions(nonterminal, "str.replace"):
            source, mark, fill = replace.arguments
            fills = union(pieces.get(fill, no_rows(STRING, len(here))), self._have.cheap(fill, 200).on(here))
            marks = self._have.cheap(mark, 100).on(here)
            whole = replaced(replace, self._have.sources(source).on(here), marks, fills, goal)
            pieces[nonterminal] = union(pieces[nonterminal], whole)
        return cheapest_chain(nonterminal, goal, pieces, joins, self._stop)

    def _pieces(self, nonterminal: str, goal: NDArray[Any], here: Indices, nested: bool) -> Rows:
        """Strings of ``nonterminal`` that the goal contains in every example, not all empty."""
        have = self._have
        found = [_contained(have.rows[nonterminal].on(here), goal)]
        if nonterminal in have.grammar.constants:
            found.append(_common(goal))
        for replace in have.productions(nonterminal, "str.replace"):
            source, mark, fill = replace.arguments
            marks, fills = (have.marks(name).on(here) for name in (mark, fill))
            edits = edited(replace, have.sources(source).on(here), marks, fills, goal, self._stop)
            found.append(_contained(edits, goal))
        for digits in have.productions(nonterminal, "str.from_int"):
            numbers = have.numbers(digits.arguments[0]).on(here)
            found.append(_contained(product(digits, (numbers,), have.work), goal))
            if not nested:
                found.extend(self._digits(digits, goal, here))
        for cut in have.productions(nonterminal, "str.at"):
            starts = have.numbers(cut.arguments[1]).on(here)
            found.append(_contained(product(cut, (have.sources(cut.arguments[0]).on(here), starts), have.work), goal))
        for cut in have.productions(nonterminal, "str.substr"):
            sources = have.sources(cut.arguments[0])
            for row in range(len(sources)):
                if not self._stop():
                    found.extend(have.cuts(cut, sources.take(np.array([row])), goal, here))
        return union(*found).cheapest(MAX_PIECES)

    def _digits(self, digits: Production, goal: NDArray[Any], here: Indices) -> Iterator[Rows]:
        """The first, second, ... number written in the goal, computed."""
        runs = [re.findall("[0-9]+", text) for text in goal]
        for place in range(min([RUNS, *map(len, runs)])):
            wanted = [run[place] for run in runs]
            if all(text == str(int(text)) and len(text) < 18 for text in wanted):
                found = self._find(digits.arguments[0], np.array([int(text) for text in wanted]), here, nested=True)
                if found is not None:
                    yield _row(wanted, found[0] + digits.cost, digits.operator(found[1]))

    # --- numbers ------------------------------------------------------------------------------------------------

    def _sum(self, nonterminal: str, goal: NDArray[Any], here: Indices, depth: int) -> Found | None:
        """A number, or a sum or difference: one side is chosen, the other looked up, and so again for constants."""
        have = self._have
        found = [_equal(have.numbers(nonterminal).on(here), goal)]
        for add in have.productions(nonterminal, "+", "-"):
            if len(add.arguments) == 2:
                sign = 1 if add.operator.name == "+" else -1
                first, second = (union(have.numbers(name), have.rows[name]).on(here) for name in add.arguments)
                found.append(_meeting(add, first, second, sign * (goal - first.values)))
                constants = second.take((second.values == second.values[:, :1]).all(axis=1)).cheapest(4 * depth)
                for row in range(len(constants)):
                    rest = self._sum(add.arguments[0], goal - sign * constants.values[row], here, depth - 1)
                    if rest is not None:
                        cost = add.cost + rest[0] + int(constants.costs[row])
                        found.append((cost, add.operator(rest[1], constants.term(row))))
        return min((each for each in found if each is not None), key=_cost, default=None)

    def _read(self, nonterminal: str, goal: NDArray[Any], here: Indices) -> Found | None:
        """A String that reads as the number."""
        if (goal < 0).any():
            return None
        digits = np.array([str(number) for number in goal.tolist()], object)
        for read in self._have.productions(nonterminal, "str.to_int"):
            found = self._find(read.arguments[0], digits, here, nested=True)
            if found is not None:
                return found[0] + read.cost, read.operator(found[1])
        return None


def _row(values: list[Any], cost: int, term: Term) -> Rows:
    """One row of a given term."""
    array = np.empty((1, len(values)), object)
    array[0] = values
    return Rows(array, np.array([cost]), lambda row: term)


def _common(goal: NDArray[Any]) -> Rows:
    """Literals that every goal contains."""
    least = min(goal, key=len)
    inside = {least[i:j] for i in range(len(least)) for j in range(i + 1, len(least) + 1)}
    common = sorted(text for text in inside if all(text in wanted for wanted in goal))
    rows = [_row([text] * len(goal), 1, literal(text, STRING)()) for text in common]
    return union(no_rows(STRING, len(goal)), *rows)


def _equal(rows: Rows, goal: NDArray[Any]) -> Found | None:
    """The cheapest row equal to the goal."""
    index = np.arange(len(rows))
    for values, wanted in zip(rows.values.T, goal, strict=True):
        index = index[np.asarray(values[index] == wanted, bool)]
    return _best(rows.take(index))


def _contained(rows: Rows, goal: NDArray[Any]) -> Rows:
    """Rows that the goal contains in every example, not all empty."""
    index = np.arange(len(rows))
    for values, wanted in zip(rows.values.T, goal, strict=True):
        index = index[np.array([value in wanted for value in values[index].tolist()], bool)]
    return rows.take(index[np.asarray(rows.values[index] != "", bool).any(axis=1)])


def _meeting(production: Production, first: Rows, second: Rows, wanted: NDArray[Any]) -> Found | None:
    """The cheapest application whose second argument has the values ``wanted`` beside the first."""
    if not len(second):
        return None
    known, asked = keys(second.values), keys(wanted)
    by_key = np.argsort(known, kind="stable")
    place = np.minimum(np.searchsorted(known[by_key], asked), len(known) - 1)
    met = np.flatnonzero(known[by_key][place] == asked)
    partner = by_key[place[met]]
    exact = (second.values[partner] == wanted[met]).all(axis=1)
    return _best(applied(production, (first, second), np.column_stack([met[exact], partner[exact]])))


def _best(rows: Rows) -> Found | None:
    if not len(rows):
        return None
    row = int(np.argmin(rows.costs))
    return int(rows.costs[row]), rows.term(row)
