"""One level more without storing it: candidates are built from a bank's rows, compared with the goal, and forgotten.

A candidate is evaluated on the last example alone at first, where one numpy call makes whole columns; the few that
are right there are evaluated on the others. That is many times quicker than growing the bank, and takes no memory;
what was looked at is not known to the bank afterwards.
"""

from __future__ import annotations

from collections.abc import Callable, Container
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dsl.enumeration import index_ranges
from dsl.enumeration.bank import Bank
from dsl.enumeration.blocks import Block, spread
from dsl.enumeration.store import Rows
from dsl.grammar import Production
from dsl.operators import Term

CHUNK = 2**17  # candidates at once
Right = Callable[[NDArray[Any], int, int], NDArray[np.bool_]]


def match(
    bank: Bank,
    productions: Container[Production],
    level: int,
    right: Right,
    *,
    stop: Callable[[], bool] = lambda: False,
) -> Term | None:
    """A term of cost ``level`` that is right on all examples, among those of ``productions`` that the bank has not
    built; None if none is.

    ``right(values, start, stop)`` says of values (candidates, stop - start), those on the examples from ``start`` to
    before ``stop``, which are right: the same shape. None is returned too when ``stop()`` became true.
    """
    for index, costs, todo in bank.work(level):
        production = bank.grammar.productions[index]
        if production not in productions:
            continue
        for box in todo:
            for piece in index_ranges.chunks(box, CHUNK, mirrored=Block(production, level, costs, box).is_mirrored):
                if stop():
                    return None
                block = Block(production, level, costs, piece)
                members = _right_ones(bank, block, right)
                if len(members):
                    return bank.candidate(block, int(members[0]))
    return None


def _right_ones(bank: Bank, block: Block, right: Right) -> Rows:
    """The members of a block that are right on all examples."""
    last, names = bank.batch.examples - 1, block.production.arguments
    members = np.arange(index_ranges.volume(block.box))
    if last < 0:
        return members
    sides = [
        bank.stores[name].words[bank.level_rows(name, cost)[start:stop], last:]
        for name, cost, (start, stop) in zip(names, block.costs, block.box, strict=True)
    ]
    one = np.asarray(bank.evaluation.values(block.production, spread(sides), bank.batch.part(last, last + 1)))
    column = np.broadcast_to(one, (*map(len, sides), 1)).reshape(-1, 1)
    members = members[np.flatnonzero(right(column, last, last + 1)[:, 0])]
    for start, stop in ((max(0, last - 2), last), (0, max(0, last - 2))):
        if len(members) and stop > start:
            children = zip(names, bank.children(block, members), strict=True)
            arguments = [bank.stores[name].words[rows, start:stop] for name, rows in children]
            values = np.asarray(bank.evaluation.values(block.production, arguments, bank.batch.part(start, stop)))
            values = np.broadcast_to(values, (len(members), stop - start))
            members = members[np.flatnonzero(right(values, start, stop).all(axis=1))]
    return members
