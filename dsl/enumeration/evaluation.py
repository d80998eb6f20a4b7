"""Values of many candidates at once, and of strings once for each combination of different arguments.

Rows hold *words*: machine words themselves, or numbers of objects in the pool of their sort. A product of argument
rows is one numpy call that broadcasts. Where objects are about, numpy calls Python for each element; on one example
few arguments differ, so only those are combined there, and the rest is indexing.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dsl.enumeration.blocks import Batch, spread
from dsl.enumeration.store import Pool
from dsl.grammar import Grammar, Production


class Evaluation:
    """Evaluates productions on words; ``pools`` by name of sort."""

    def __init__(self, grammar: Grammar) -> None:
        self.pools = {sort.name: Pool() for sort in grammar.sorts.values() if sort.dtype == "object"}

    def words(self, production: Production, arguments: list[NDArray[Any]], batch: Batch) -> NDArray[Any]:
        """The production's words on words of its arguments whose leading axes broadcast."""
        return self.encoded(self.values(production, arguments, batch), production)

    def values(self, production: Production, arguments: list[NDArray[Any]], batch: Batch) -> Any:
        """The production's values on words of its arguments whose leading axes broadcast."""
        decoded = [
            self.pools[sort.name].objects(words) if sort.dtype == "object" else words
            for sort, words in zip(production.operator.arguments, arguments, strict=True)
        ]
        return production.operator.numpy(batch, *decoded)

    def encoded(self, values: Any, production: Production) -> NDArray[Any]:
        """Values of a production as words."""
        sort = production.operator.result
        if sort.dtype == "object":
            return self.pools[sort.name].intern(np.asarray(values, object))
        return np.asarray(values).astype(sort.dtype, copy=False)

    def product(self, production: Production, sides: list[NDArray[Any]], batch: Batch) -> NDArray[Any]:
        """Words for all combinations of words of the arguments: (combinations, examples[, width]), in order."""
        if not sides:
            return self.words(production, [], batch)[None]
        by_column = is_pooled(production) and batch.examples
        whole = self._pooled(production, sides, batch) if by_column else self.words(production, spread(sides), batch)
        sizes, tail = tuple(map(len, sides)), whole.shape[len(sides) :]
        return np.broadcast_to(whole, (*sizes, *tail)).reshape(math.prod(sizes), *tail)

    def _pooled(self, production: Production, sides: list[NDArray[Any]], batch: Batch) -> NDArray[Any]:
        """The product of ``sides``, where on each example only different arguments are combined."""
        columns = []
        for place in range(batch.examples):
            distinct = [np.unique(side[:, place], return_inverse=True) for side in sides]
            one = self.words(
                production, spread([words[:, None] for words, _ in distinct]), batch.part(place, place + 1)
            )
            shape = tuple(len(words) for words, _ in distinct)
            table = np.broadcast_to(one, (*shape, 1))[..., 0]
            columns.append(table[np.ix_(*(inverse for _, inverse in distinct))])
        return np.stack(columns, axis=-1)


def is_pooled(production: Production) -> bool:
    """Whether the production takes or gives Python objects."""
    return any(sort.dtype == "object" for sort in (*production.operator.arguments, production.operator.result))
