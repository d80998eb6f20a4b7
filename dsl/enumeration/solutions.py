"""Every remembered term of a row, in order of cost.

A bank that remembers is a packed forest: a row is what any of its candidates computes, and a candidate is a production
over rows. Its terms are listed lazily as in k-best parsing (Huang & Chiang, IWPT 2005). Costs are whole numbers of at
least 1, so instead of queues there is one lazy list for each row and cost: a candidate of cost c over terms whose costs
add up to c less the production's own; rows that stand for themselves (``x + 0``) need no special care. Pairs of which
the bank keeps one of two mirror images are listed once.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from dsl.enumeration.bank import Bank
from dsl.enumeration.blocks import Block
from dsl.enumeration.index_ranges import splits
from dsl.operators import GrammarError, Term

Candidate = tuple[int, Block, tuple[int, ...]]  # the least it may cost, its block, its argument rows


def _product(lists: list[Lazy]) -> Iterator[tuple[Term, ...]]:
    """The product of lazy lists; the last varies quickest."""
    if not lists:
        yield ()
    elif all(next(iter(terms), None) is not None for terms in lists):
        for first in lists[0]:
            for rest in _product(lists[1:]):
                yield (first, *rest)


class Lazy:
    """An iterator that can be gone through many times, each term made once."""

    def __init__(self, source: Iterator[Term]) -> None:
        self._source, self._made = source, list[Term]()

    def __iter__(self) -> Iterator[Term]:
        place = 0
        while True:
            if place == len(self._made):
                term = next(self._source, None)
                if term is None:
                    return
                self._made.append(term)
            yield self._made[place]
            place += 1


class Forest:
    """The candidates of a bank by row."""

    def __init__(self, bank: Bank) -> None:
        if any(block.row is None for block in bank.blocks):
            raise GrammarError("expected a bank that remembers its candidates; make it with remember=True")
        self._bank = bank
        self._lists: dict[tuple[str, int, int], Lazy] = {}
        self._candidates: dict[tuple[str, int], list[Candidate]] = {}

    def terms(self, nonterminal: str, row: int, cost: int) -> Lazy:
        """The terms of a row that cost exactly ``cost``."""
        key = (nonterminal, row, cost)
        if key not in self._lists:
            self._lists[key] = Lazy(self._made(nonterminal, row, cost))
        return self._lists[key]

    def _made(self, nonterminal: str, row: int, cost: int) -> Iterator[Term]:
        for least, block, children in self._of(nonterminal, row):
            if least > cost:
                return
            if block.given is not None:
                if least == cost:
                    yield block.given
                continue
            for costs in splits(cost - block.production.cost, len(children)):
                lists = [self.terms(*key) for key in zip(block.production.arguments, children, costs, strict=True)]
                for arguments in _product(lists):
                    yield block.production.operator(*arguments)

    def _of(self, nonterminal: str, row: int) -> list[Candidate]:
        """The candidates of a row, those that may be cheapest first."""
        key = (nonterminal, row)
        if key not in self._candidates:
            blocks, starts, order, ends = self._index[nonterminal]
            places = order[ends[row] : ends[row + 1]]
            numbers = np.searchsorted(starts, places, side="right") - 1
            found = []
            for number in np.unique(numbers):
                block = blocks[number]
                members = block.members[places[numbers == number] - starts[number]]
                children = self._bank.children(block, members)
                least = np.full(len(members), block.production.cost if block.given is None else block.cost)
                for name, side in zip(block.production.arguments if children else (), children, strict=True):
                    least += self._bank.stores[name].origin[side, 0]
                rows = zip(*(side.tolist() for side in children), strict=True) if children else [()]
                found += [(cost, block, arguments) for cost, arguments in zip(least.tolist(), rows, strict=True)]
            found.sort(key=lambda candidate: candidate[0])
            self._candidates[key] = found
        return self._candidates[key]

    @cached_property
    def _index(self) -> dict[str, tuple[list[Block], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]]:
        """By nonterminal: its blocks, where each starts, all their candidates sorted by row, and where each row is."""
        index = {}
        for name, store in self._bank.stores.items():
            blocks = [block for block in self._bank.blocks if block.production.nonterminal == name]
            rows = [block.row for block in blocks if block.row is not None]
            together = np.concatenate([np.zeros(0, np.int32), *rows])
            starts = np.cumsum([0, *map(len, rows)])[:-1]
            order = np.argsort(together, kind="stable")
            index[name] = blocks, starts, order, np.searchsorted(together[order], np.arange(len(store) + 1))
        return index
