"""Rows: terms of one nonterminal by their values on the examples, as arrays.

A search from the goal combines terms by thousands and keeps a handful. So rows know their values and costs, and make
a term only when asked: a row taken from other rows remembers where it came from. Rows are values; nothing here changes
one, and nothing here knows what a goal is.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dsl.grammar import Production
from dsl.operators import Term
from dsl.scalars import Columns

Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Rows:
    """``values``: (rows, examples) of object (strings), int64 or bool; ``costs``: (rows,); ``term(row)`` makes it."""

    values: NDArray[Any]
    costs: NDArray[np.signedinteger[Any]]
    term: Callable[[int], Term]

    def __len__(self) -> int:
        return len(self.values)

    def take(self, index: NDArray[Any]) -> Rows:
        """The rows of these numbers, or of this mask, in this order."""
        index = np.flatnonzero(index) if index.dtype == bool else index
        return Rows(self.values[index], self.costs[index], lambda row: self.term(int(index[row])))

    def on(self, examples: Indices) -> Rows:
        """The same rows on some of the examples."""
        return Rows(self.values[:, examples], self.costs, self.term)

    def cheapest(self, limit: int | None = None) -> Rows:
        """At most ``limit`` rows of different values, in order of cost."""
        order = np.argsort(self.costs, kind="stable")
        _, first = np.unique(keys(self.values[order]), return_index=True)
        return self.take(order[np.sort(first)[:limit]])


def keys(values: NDArray[Any]) -> NDArray[np.uint64]:
    """A 64-bit number for each row of values (rows, examples); different rows differ but for chance."""
    if values.dtype == object:
        words = np.fromiter(map(hash, values.ravel().tolist()), np.int64, values.size).reshape(values.shape)
    else:
        words = values.astype(np.int64)
    weights = np.frombuffer(Random(0).randbytes(8 * values.shape[1]), np.uint64) | np.uint64(1)
    mixed: NDArray[np.uint64] = words.astype(np.uint64) @ weights
    return mixed


def union(*parts: Rows) -> Rows:
    """All rows of the parts, in order; equal values may stand in several rows."""
    bounds = np.cumsum([0, *map(len, parts)])

    def term(row: int) -> Term:
        part = int(np.searchsorted(bounds, row, side="right")) - 1
        return parts[part].term(row - int(bounds[part]))

    values = np.concatenate([part.values for part in parts])
    return Rows(values, np.concatenate([part.costs for part in parts]), term)


def applied(production: Production, arguments: Sequence[Rows], index: Indices) -> Rows:
    """The production's operator on argument rows. ``index``: (rows, arity)."""
    picked = [rows.values[index[:, place]] for place, rows in enumerate(arguments)]
    costs = production.cost + sum(rows.costs[index[:, place]] for place, rows in enumerate(arguments))
    values = np.asarray(production.operator.numpy(Columns({}, picked[0].shape[1]), *picked))

    def term(row: int) -> Term:
        return production.operator(*(rows.term(int(at)) for rows, at in zip(arguments, index[row], strict=True)))

    return Rows(values, np.asarray(costs), term)


def product(production: Production, arguments: Sequence[Rows], limit: int) -> Rows:
    """The production's operator on all combinations, of fewer rows of the longer arguments where ``limit`` asks so."""
    sizes = [len(rows) for rows in arguments]
    while math.prod(sizes) > limit:
        longest = sizes.index(max(sizes))
        sizes[longest] = max(1, limit * sizes[longest] // math.prod(sizes))
    index = np.stack(np.meshgrid(*map(np.arange, sizes), indexing="ij"), axis=-1).reshape(-1, len(sizes))
    return applied(production, arguments, index)
