"""Which substrings of a source occur in a goal, by the starts and lengths at hand.

The inverse of ``str.substr`` (Gulwani, "Automating string processing in spreadsheets using input-output examples",
POPL 2011, section 4.2): a substring is a start and a length per example. For each source one table says how much can
follow a position before the goal no longer contains it, so all pairs of a start and a length are judged by comparing
numbers. A length is an Int row, or an end minus the start where the grammar can subtract. It knows rows, not grammars:
which productions to use is the caller's choice.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dsl.deduction.rows import Indices, Rows, keys
from dsl.grammar import Production
from dsl.operators import Term

GRID = 400_000  # pairs of a start and a length judged at once


def substrings(cut: Production, source: Rows, starts: Rows, lengths: Rows, goal: NDArray[Any], limit: int) -> Rows:
    """The ``limit`` cheapest ``cut(source, start, length)`` that the goal contains in every example, not all empty.

    ``source``: one row; ``goal``: (examples,) of str. Raises nothing; no such substring gives no rows.
    """
    return _cuts(cut, None, source, starts, lengths, goal, limit)


def substrings_between(
    cut: Production, minus: Production, source: Rows, starts: Rows, ends: Rows, goal: NDArray[Any], limit: int
) -> Rows:
    """The same with lengths ``minus(end, start)``."""
    return _cuts(cut, minus, source, starts, ends, goal, limit)


def reach(text: NDArray[Any], goal: NDArray[Any]) -> NDArray[np.int64]:
    """How many characters of ``text`` from each position on the goal contains: (examples, longest text + 1)."""
    table = np.zeros((len(text), max(map(len, text), default=0) + 1), np.int64)
    for example, (source, wanted) in enumerate(zip(text, goal, strict=True)):
        length = 0
        for begin in range(len(source)):  # what follows begin + 1 is at least one less than what follows begin
            length = max(length - 1, 0)
            while begin + length < len(source) and source[begin : begin + length + 1] in wanted:
                length += 1
            table[example, begin] = length
    return table


def _cuts(
    cut: Production, minus: Production | None, source: Rows, starts: Rows, spans: Rows, goal: NDArray[Any], limit: int
) -> Rows:
    text = source.values[0]
    sizes = np.array([len(each) for each in text], np.int64)
    starts, begin = _distinct(starts, np.where((starts.values >= 0) & (starts.values < sizes), starts.values, sizes))
    spans, span = _distinct(spans, np.clip(spans.values, 0, sizes))
    contained = reach(text, goal)[np.arange(len(text)), begin]
    start, length = _pairs(begin, span, sizes, contained, between=minus is not None)
    fixed = cut.cost + int(source.costs[0])
    costs = fixed + starts.costs[start] + spans.costs[length]
    if minus is not None:
        costs = costs + minus.cost + starts.costs[start]
    if len(costs) > 20 * limit:
        cheap = np.flatnonzero(costs <= np.partition(costs, 20 * limit)[20 * limit])
        start, length, costs = start[cheap], length[cheap], costs[cheap]
    width = span[length] - begin[start] if minus else np.minimum(span[length], sizes - begin[start])
    order = np.argsort(costs, kind="stable")
    order = order[width[order].any(axis=1)]
    _, first = np.unique(keys(np.hstack([begin[start], width])[order]), return_index=True)
    order = order[np.sort(first)[:limit]]
    values = np.empty((len(order), len(text)), object)
    for row, pair in enumerate(order):
        values[row] = [s[b : b + w] for s, b, w in zip(text, begin[start[pair]], width[pair], strict=True)]

    def term(row: int) -> Term:
        first, last = starts.term(int(start[order[row]])), spans.term(int(length[order[row]]))
        return cut.operator(source.term(0), first, minus.operator(last, first) if minus else last)

    return Rows(values, costs[order], term)


def _distinct(rows: Rows, values: NDArray[np.int64]) -> tuple[Rows, NDArray[np.int64]]:
    """The cheapest row of each of the ``values`` (rows, examples), by cost, with its values."""
    seen = Rows(values, rows.costs, rows.term).cheapest()
    return seen, seen.values


def _pairs(
    begin: NDArray[np.int64],
    span: NDArray[np.int64],
    sizes: NDArray[np.int64],
    contained: NDArray[np.int64],
    *,
    between: bool,
) -> tuple[Indices, Indices]:
    """Rows of ``begin`` and ``span`` that cut what the goal contains; all spans are tried for cheap starts only.

    The most telling example is looked at first.
    """
    order = np.argsort((contained - (sizes - begin)).sum(axis=0), kind="stable")

    def fits(first: Any, last: Any, example: int) -> Any:
        here, size = begin[first, example], span[last, example]
        if between:
            return (here <= size) & (size - here <= contained[first, example])
        return np.minimum(size, sizes[example] - here) <= contained[first, example]

    starts, spans = np.arange(len(begin)), np.arange(len(span))
    wide, narrow = GRID // max(len(spans), 1), GRID // max(len(starts), 1)
    found = []
    for firsts, lasts in ((starts[:wide], spans), (starts[wide:], spans[:narrow])):
        at = np.nonzero(fits(firsts[:, None], lasts[None], order[0]))
        first, last = firsts[at[0]], lasts[at[1]]
        for example in order[1:]:
            kept = fits(first, last, example)
            first, last = first[kept], last[kept]
        found.append((first, last))
    return np.concatenate([first for first, _ in found]), np.concatenate([last for _, last in found])
