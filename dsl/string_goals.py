"""Programs for strings from examples, from the goal down: what the rows of a bank can be joined to.

A bank enumerates small terms; the goal says how to go on. ``StringGoals`` takes the rows and looks for the cheapest
term with the wanted values on all examples:

- a String: the cheapest chain (``concatenation``) of rows, substrings of cheap rows (``substrings``), replacements
  that bring a row nearer to the goal (``replacements``), and numbers in digits;
- an Int: a row, a sum or difference of two rows, or a String read as a number;
- where no such term is right on all examples, ``ite`` over terms that are right on parts of them (``branches``).

Gulwani, "Automating string processing in spreadsheets using input-output examples", POPL 2011; Lee, "Combining the
top-down propagation and bottom-up enumeration for inductive program synthesis", POPL 2021. Every term is built from
the grammar's productions. What is found is right on the examples, no more: proving is somebody else's work. The search
is not complete: None says nothing about the grammar.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dsl.branches import Branches, Found
from dsl.concatenation import cheapest_chain
from dsl.grammar import Grammar, Production
from dsl.operators import BOOL, INT, STRING, Term
from dsl.replacements import edited, replaced
from dsl.rows import Indices, Rows, applied, keys, product, union
from dsl.substrings import substrings, substrings_between

MAX_NUMBERS = 1200  # Int rows that starts and lengths are taken from
MAX_SOURCES = 6  # rows that substrings are cut from
MAX_PIECES = 3000  # strings that chains are made of
MAX_FLAGS = 400  # Bool rows that examples are split by
MAX_WORK = 20_000  # combinations built at once
DEPTH = 4  # conditions in a row


class StringGoals:
    """``rows`` by nonterminal, with values on the same examples as the goals."""

    def __init__(self, grammar: Grammar, rows: Mapping[str, Rows]) -> None:
        self._grammar = grammar
        self._rows = {name: part.take(np.argsort(part.costs, kind="stable")) for name, part in rows.items()}
        self._known_numbers: dict[str, Rows] = {}

    def solve(self, nonterminal: str, goal: NDArray[Any], stop: Callable[[], bool] = lambda: False) -> Term | None:
        """The cheapest term found with the values ``goal`` (examples,), or None. ``stop()`` ends the search early."""
        leaf = partial(self._leaf, nonterminal, goal, stop)
        found = leaf(np.arange(len(goal)))
        for choose in self._productions(nonterminal, "ite"):
            if found is None and choose.arguments[1:] == (nonterminal, nonterminal):
                branches = Branches(choose, self._flags(choose.arguments[0]), leaf, stop)
                found = branches.grow(frozenset(range(len(goal))), DEPTH)
        return None if found is None else found[1]

    # --- terms without conditions -------------------------------------------------------------------------------

    def _leaf(self, nonterminal: str, goal: NDArray[Any], stop: Callable[[], bool], here: Indices) -> Found | None:
        """The cheapest term without a condition of its own that is right on the examples ``here``."""
        wanted = goal[here]
        equal = _equal(self._rows[nonterminal].on(here), wanted)
        match self._grammar.sorts[nonterminal]:
            case sort if sort == STRING:
                found = [equal, self._chain(nonterminal, wanted, here, stop)]
            case sort if sort == INT:
                found = [equal, *self._sums(nonterminal, wanted, here), self._number(nonterminal, wanted, here, stop)]
            case _:
                found = [equal]
        return min((each for each in found if each is not None), key=lambda each: each[0], default=None)

    def _chain(self, nonterminal: str, goal: NDArray[Any], here: Indices, stop: Callable[[], bool]) -> Found | None:
        joins = [p for p in self._grammar.productions if p.operator.name == "str.++"]
        names = {nonterminal}
        for _ in joins:
            names |= {name for join in joins if join.nonterminal in names for name in join.arguments}
        pieces = {name: self._pieces(name, goal, here, stop) for name in sorted(names)}
        for replace in self._productions(nonterminal, "str.replace"):
            fills = union(
                pieces.get(replace.arguments[2], _none(STRING, len(here))), self._strings(replace, 2, here, 200)
            )
            whole = replaced(replace, self._sources(replace, here), self._strings(replace, 1, here, 100), fills, goal)
            pieces[nonterminal] = union(pieces[nonterminal], whole)
        return cheapest_chain(nonterminal, goal, pieces, joins, stop)

    def _pieces(self, nonterminal: str, goal: NDArray[Any], here: Indices, stop: Callable[[], bool]) -> Rows:
        """Strings of ``nonterminal`` that the goal contains in every example, not all empty."""
        rows = self._rows[nonterminal].on(here)
        parts = [_contained(rows, goal)]
        for replace in self._productions(nonterminal, "str.replace"):
            marks, fills = self._strings(replace, 1, here, 12), self._strings(replace, 2, here, 12)
            edits = edited(replace, self._sources(replace, here), marks, fills, goal, stop)
            parts.append(_contained(edits, goal))
        for digits in self._productions(nonterminal, "str.from_int"):
            numbers = self._numbers(digits.arguments[0]).on(here)
            parts.append(_contained(product(digits, (numbers,), MAX_WORK), goal))
        for cut in [*self._productions(nonterminal, "str.at"), *self._productions(nonterminal, "str.substr")]:
            sources = self._sources(cut, here)
            for row in range(len(sources)):
                if not stop():
                    parts.extend(self._cuts(cut, sources.take(np.array([row])), goal, here))
        return union(*parts).cheapest(MAX_PIECES)

    def _cuts(self, cut: Production, source: Rows, goal: NDArray[Any], here: Indices) -> Iterator[Rows]:
        starts = self._numbers(cut.arguments[1]).on(here)
        if len(cut.arguments) == 2:
            yield _contained(product(cut, (source, starts), MAX_WORK), goal)
            return
        lengths = self._numbers(cut.arguments[2]).on(here)
        yield substrings(cut, source, starts, lengths, goal, MAX_PIECES)
        for minus in self._productions(cut.arguments[2], "-"):
            if len(minus.arguments) == 2 and minus.arguments[1] == cut.arguments[1]:
                ends = self._numbers(minus.arguments[0]).on(here)
                yield substrings_between(cut, minus, source, starts, ends, goal, MAX_PIECES)

    def _sums(self, nonterminal: str, goal: NDArray[Any], here: Indices) -> Iterator[Found | None]:
        """Sums and differences of two numbers: one is chosen, the other looked up."""
        yield _equal(self._numbers(nonterminal).on(here), goal)
        for operator, other in (("+", lambda first: goal - first), ("-", lambda first: first - goal)):
            for production in self._productions(nonterminal, operator):
                if len(production.arguments) == 2:
                    first, second = (union(self._numbers(n), self._rows[n]).on(here) for n in production.arguments)
                    yield _meeting(production, first, second, other(first.values))

    def _number(self, nonterminal: str, goal: NDArray[Any], here: Indices, stop: Callable[[], bool]) -> Found | None:
        """A String that reads as the number."""
        if (goal < 0).any():
            return None
        digits = np.array([str(number) for number in goal.tolist()], object)
        for read in self._productions(nonterminal, "str.to_int"):
            found = self._chain(read.arguments[0], digits, here, stop)
            if found is not None:
                return found[0] + read.cost, read.operator(found[1])
        return None

    # --- what terms are made of ---------------------------------------------------------------------------------

    def _productions(self, nonterminal: str, name: str) -> list[Production]:
        return [p for p in self._grammar.productions if p.nonterminal == nonterminal and p.operator.name == name]

    def _strings(self, production: Production, place: int, here: Indices, limit: int) -> Rows:
        """Cheap rows for an argument."""
        rows = self._rows[production.arguments[place]]
        return rows.take(np.arange(min(limit, len(rows)))).on(here)

    def _sources(self, production: Production, here: Indices) -> Rows:
        """Rows worth cutting from: cheap ones that are no constant and not part of a cheaper one."""
        rows, found = self._rows[production.arguments[0]], list[int]()
        for row in np.flatnonzero((rows.values != rows.values[:, :1]).any(axis=1))[:200]:
            inside = (all(v in s for v, s in zip(rows.values[row], rows.values[known], strict=True)) for known in found)
            if len(found) < MAX_SOURCES and not any(inside):
                found.append(int(row))
        return rows.take(np.array(found or range(min(len(rows), 1)), np.int64)).on(here)

    def _numbers(self, nonterminal: str) -> Rows:
        """Cheap Int rows, and positions reached by looking for one mark after another."""
        if nonterminal not in self._known_numbers:
            rows = self._rows[nonterminal]
            rows = rows.take(np.arange(min(len(rows), MAX_NUMBERS)))
            marks = union(rows, *self._positions(nonterminal, rows))
            self._known_numbers[nonterminal] = marks.cheapest(2 * MAX_NUMBERS)
        return self._known_numbers[nonterminal]

    def _positions(self, nonterminal: str, rows: Rows) -> Iterator[Rows]:
        """str.indexof from the last position found, and what lies a little before or behind it."""
        examples = np.arange(rows.values.shape[1])
        steps = rows.take((rows.values == rows.values[:, :1]).all(axis=1) & (rows.values[:, 0] > 0)).cheapest(4)
        for find in self._productions(nonterminal, "str.indexof"):
            sources, marks = self._sources(find, examples), self._strings(find, 1, examples, 12)
            begin = self._rows[find.arguments[2]]
            begin = begin.take((begin.values == 0).all(axis=1)).cheapest(1)
            for _ in range(3):
                found = product(find, (sources, marks, begin), MAX_WORK // 4)
                found = found.take((found.values >= 0).any(axis=1)).cheapest(60)
                near = [found]
                for name in ("+", "-"):
                    for shift in self._productions(nonterminal, name):
                        if shift.arguments == (nonterminal, nonterminal):
                            near.append(product(shift, (found, steps), MAX_WORK))
                yield union(*near)
                begin = union(*near[:2]).cheapest(60)

    def _flags(self, nonterminal: str) -> Rows:
        """Cheap Bool rows, and every test of cheap rows."""
        parts = [self._rows[nonterminal].take(np.arange(min(len(self._rows[nonterminal]), MAX_WORK)))]
        for production in self._grammar.productions:
            if production.nonterminal == nonterminal and production.operator.arguments and parts:
                arguments = [self._rows[name] for name in production.arguments]
                parts.append(product(production, arguments, MAX_WORK))
        rows = union(*parts)
        return rows.take((rows.values != rows.values[:, :1]).any(axis=1)).cheapest(MAX_FLAGS)


def _none(sort: Any, examples: int) -> Rows:
    return Rows(np.empty((0, examples), sort.dtype), np.zeros(0, np.int64), lambda row: _never())


def _never() -> Term:
    raise IndexError("there is no row")


def _equal(rows: Rows, goal: NDArray[Any]) -> Found | None:
    """The cheapest row equal to the goal."""
    index = np.arange(len(rows))
    for values, wanted in zip(rows.values.T, goal, strict=True):
        index = index[values[index] == wanted]
    if not len(index):
        return None
    row = int(index[np.argmin(rows.costs[index])])
    return int(rows.costs[row]), rows.term(row)


def _contained(rows: Rows, goal: NDArray[Any]) -> Rows:
    """Rows that the goal contains in every example, not all empty."""
    index = np.arange(len(rows))
    for values, wanted in zip(rows.values.T, goal, strict=True):
        index = index[np.array([value in wanted for value in values[index].tolist()], bool)]
    return rows.take(index[(rows.values[index] != "").any(axis=1)])


def _meeting(production: Production, first: Rows, second: Rows, wanted: NDArray[Any]) -> Found | None:
    """The cheapest application whose second argument has the values ``wanted`` beside the first."""
    by_key = np.argsort(keys(second.values), kind="stable")
    known, asked = keys(second.values)[by_key], keys(wanted)
    place = np.minimum(np.searchsorted(known, asked), len(known) - 1)
    met = np.flatnonzero(known[place] == asked)
    partner = by_key[place[met]]
    exact = (second.values[partner] == wanted[met]).all(axis=1)
    met, partner = met[exact], partner[exact]
    return _best(applied(production, (first, second), np.column_stack([met, partner])))


def _best(rows: Rows) -> Found | None:
    if not len(rows):
        return None
    row = int(np.argmin(rows.costs))
    return int(rows.costs[row]), rows.term(row)
