"""What terms for strings are made of, whatever the goal: sources, positions, numbers and tests beyond the bank's rows.

A bank goes through all small terms, so it is late where a small choice is repeated: the third comma is two more
``str.indexof``, each from behind the last one. Here such repetitions are built at once, from cheap rows:

- positions: look for a mark from behind the mark found last, and step a little to either side;
- counts: the length of a source without its first few marks of a kind;
- numbers written in a source: its first, second, ... run of digits;
- flags: every test of the grammar on cheap rows, and on these numbers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dsl.deduction.rows import Indices, Rows, product, union
from dsl.deduction.substrings import substrings, substrings_between
from dsl.grammar import Grammar, Production
from dsl.operators import INT, Sort, Term

MAX_ROWS = 100_000  # of a nonterminal, cheapest first
MAX_NUMBERS = 400  # Int rows of the bank that starts and lengths are taken from
MAX_SOURCES = 3  # rows that substrings are cut from, beside the inputs
MAX_INPUTS = 6
MAX_MARKS = 12  # rows that are looked for, or put in
MAX_FLAGS = 4000  # Bool rows that examples are split by
MAX_VALUES = 60_000  # computed at once
MAX_CUTS = 800  # substrings of one source
DEPTH = 5  # marks in a row
BEAM = 40  # positions to look on from
RUNS = 3  # numbers in one source


class Ingredients:
    """``rows`` by nonterminal, on the same examples. Holds what it has worked out."""

    def __init__(self, grammar: Grammar, rows: Mapping[str, Rows]) -> None:
        self.grammar = grammar
        self.rows = {name: _sorted(part, MAX_ROWS) for name, part in rows.items()}
        self.work = MAX_VALUES // max(
            1, *(part.values.shape[1] for part in rows.values())
        )  # combinations built at once
        self._inputs: dict[str, Rows] = {}
        self._sources: dict[str, Rows] = {}
        self._numbers: dict[str, Rows] = {}
        self._flags: dict[str, Rows] = {}

    def productions(self, nonterminal: str, *names: str) -> list[Production]:
        """The grammar's productions of a nonterminal with operators of these names."""
        return [p for p in self.grammar.productions if p.nonterminal == nonterminal and p.operator.name in names]

    def cheap(self, nonterminal: str, limit: int) -> Rows:
        """The ``limit`` cheapest rows."""
        rows = self.rows[nonterminal]
        return rows.take(np.arange(min(limit, len(rows))))

    def inputs(self, nonterminal: str) -> Rows:
        """The rows that are parameters."""
        if nonterminal not in self._inputs:
            rows = self.cheap(nonterminal, 200)
            is_input = [rows.term(row).operator.is_variable for row in range(len(rows))]
            self._inputs[nonterminal] = rows.take(np.flatnonzero(is_input)[:MAX_INPUTS])
        return self._inputs[nonterminal]

    def sources(self, nonterminal: str) -> Rows:
        """Rows worth cutting from: the inputs, and cheap rows that are no part of a cheaper one."""
        if nonterminal not in self._sources:
            rows, inputs = self.cheap(nonterminal, 200), self.inputs(nonterminal)
            texts, found = list(inputs.values), list[int]()
            for row in np.flatnonzero(_varies(rows)).tolist():
                inside = (all(map(str.__contains__, text, rows.values[row])) for text in texts)
                if len(found) < MAX_SOURCES and not any(inside):
                    found.append(row)
                    texts.append(rows.values[row])
            self._sources[nonterminal] = union(inputs, rows.take(np.array(found, np.int64)))
        return self._sources[nonterminal]

    def marks(self, nonterminal: str) -> Rows:
        """Rows that are looked for, or put in: constants, and a few others."""
        rows = self.cheap(nonterminal, 200)
        varies = _varies(rows)
        return rows.take(np.sort(np.concatenate([np.flatnonzero(~varies)[:MAX_MARKS], np.flatnonzero(varies)[:3]])))

    # --- numbers ------------------------------------------------------------------------------------------------

    def numbers(self, nonterminal: str) -> Rows:
        """Cheap Int rows, positions, counts, and numbers written in the inputs, in order of cost."""
        if nonterminal not in self._numbers:
            base = union(
                self.cheap(nonterminal, MAX_NUMBERS), *self._positions(nonterminal), *self._counts(nonterminal)
            ).cheapest()
            self._numbers[nonterminal] = base  # what numbers written in a source are cut by
            more = union(base, *self._written(nonterminal))
            self._numbers[nonterminal] = more.cheapest()
        return self._numbers[nonterminal]

    def _positions(self, nonterminal: str) -> Iterator[Rows]:
        rows = self.cheap(nonterminal, MAX_NUMBERS)
        is_step = np.asarray((rows.values > 0).all(axis=1), bool) & ~_varies(rows)
        steps = rows.take(is_step).cheapest(3)
        shifts = [
            s
            for s in (*self.productions(nonterminal, "+"), *self.productions(nonterminal, "-"))
            if s.arguments == (nonterminal, nonterminal)
        ]
        for find in self.productions(nonterminal, "str.indexof"):
            sources, marks = self.sources(find.arguments[0]), self.marks(find.arguments[1])
            begin = self.rows[find.arguments[2]]
            begin = begin.take(np.flatnonzero((begin.values == 0).all(axis=1))).cheapest(1)
            yield from _chased(find, (sources, marks, begin), shifts, steps, self.work)
            inputs = self.inputs(find.arguments[0])
            for row in range(len(inputs)):
                for mark in np.flatnonzero(~_varies(marks) & (marks.values != "").all(axis=1)).tolist():
                    where = inputs.take(np.array([row])), marks.take(np.array([mark])), begin
                    yield from _chased(find, where, shifts[:1], steps.take(np.arange(len(steps))[:1]), self.work)

    def _counts(self, nonterminal: str) -> Iterator[Rows]:
        for length in self.productions(nonterminal, "str.len"):
            name = length.arguments[0]
            yield product(length, (union(self.sources(name), self.removals(name)),), self.work)

    def removals(self, nonterminal: str) -> Rows:
        """The inputs without their first one, two, ... marks of a kind."""
        found = [self.cheap(nonterminal, 0)]
        for replace in self.productions(nonterminal, "str.replace"):
            fills = self.cheap(replace.arguments[2], 500)
            nothing = fills.take(np.flatnonzero((fills.values == "").all(axis=1))[:1])
            marks = self.marks(replace.arguments[1])
            for mark in np.flatnonzero((marks.values != "").all(axis=1) & ~_varies(marks)).tolist():
                left = self.inputs(replace.arguments[0])
                for _ in range(DEPTH if replace.arguments[0] == nonterminal and len(nothing) else 0):
                    less = product(replace, (left, marks.take(np.array([mark])), nothing), self.work)
                    less = less.take((less.values != left.values).any(axis=1))
                    if not len(less):
                        break
                    found.append(less)
                    left = less
        return union(*found)

    def _written(self, nonterminal: str) -> Iterator[Rows]:
        for read in self.productions(nonterminal, "str.to_int"):
            for cut in self.productions(read.arguments[0], "str.substr"):
                inputs = self.inputs(cut.arguments[0])
                for row, texts in enumerate(inputs.values):
                    runs = [re.findall("[0-9]+", text) for text in texts]
                    for place in range(min(RUNS, *map(len, runs)) if runs else 0):
                        wanted = np.array([run[place] for run in runs], object)
                        cuts = union(*self.cuts(cut, inputs.take(np.array([row])), wanted, np.arange(len(wanted))))
                        yield product(read, (cuts.take((cuts.values == wanted).all(axis=1)),), self.work)

    # --- substrings and flags -----------------------------------------------------------------------------------

    def cuts(self, cut: Production, source: Rows, goal: NDArray[Any], here: Indices) -> Iterator[Rows]:
        """Substrings of ``source`` (one row) that the goal contains, on the examples ``here``."""
        starts, lengths = self.numbers(cut.arguments[1]).on(here), self.numbers(cut.arguments[2]).on(here)
        yield substrings(cut, source.on(here), starts, lengths, goal, MAX_CUTS)
        for minus in self.productions(cut.arguments[2], "-"):
            if len(minus.arguments) == 2 and minus.arguments[1] == cut.arguments[1]:
                ends = self.numbers(minus.arguments[0]).on(here)
                yield substrings_between(cut, minus, source.on(here), starts, ends, goal, MAX_CUTS)

    def flags(self, nonterminal: str) -> Rows:
        """Cheap Bool rows, and every test of cheap rows, in order of cost; none is the same on all examples."""
        if nonterminal not in self._flags:
            rows = union(self.cheap(nonterminal, MAX_FLAGS), *self._tests(nonterminal))
            self._flags[nonterminal] = rows.take(_varies(rows)).cheapest(MAX_FLAGS)
        return self._flags[nonterminal]

    def _tests(self, nonterminal: str) -> Iterator[Rows]:
        for test in self.grammar.productions:
            if test.nonterminal == nonterminal and test.arguments:
                yield product(test, [self.rows[name] for name in test.arguments], self.work)
                if INT in test.operator.arguments:
                    yield product(test, [self._cheap_or_number(name) for name in test.arguments], self.work)

    def _cheap_or_number(self, nonterminal: str) -> Rows:
        return self.numbers(nonterminal) if self.grammar.sorts[nonterminal] == INT else self.rows[nonterminal]


def _chased(
    find: Production, where: tuple[Rows, Rows, Rows], shifts: Sequence[Production], steps: Rows, work: int
) -> Iterator[Rows]:
    """Marks in sources, each looked for from the last one or from a step behind it, and the places a step away."""
    sources, marks, begin = where
    is_one = len(sources) == len(marks) == 1  # from where it was found, the same mark is found again
    for _ in range(DEPTH):
        found = product(find, (sources, marks, begin), work)
        found = found.take(np.flatnonzero((found.values >= 0).any(axis=1))).cheapest(BEAM)
        if not len(found):
            return
        near = [product(shift, (found, steps), work) for shift in shifts]
        yield union(found, *near)
        behind = [part for part, shift in zip(near, shifts, strict=True) if shift.operator.name == "+"]
        begin = union(*behind) if is_one and behind else union(found, *behind).cheapest(BEAM)


def no_rows(sort: Sort, examples: int) -> Rows:
    """Rows of a sort, none."""
    return Rows(np.empty((0, examples), sort.dtype), np.zeros(0, np.int64), _no_term)


def _no_term(row: int) -> Term:
    raise IndexError(f"there is no row {row}")


def _sorted(rows: Rows, limit: int) -> Rows:
    return rows.take(np.argsort(rows.costs, kind="stable")[:limit])


def _varies(rows: Rows) -> NDArray[np.bool_]:
    varies: NDArray[np.bool_] = np.asarray((rows.values != rows.values[:, :1]).any(axis=1), bool)
    return varies
