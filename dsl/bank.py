"""The bank: terms by nonterminal and cost, one row per behaviour on the examples seen so far.

Bottom-up enumeration with observational equivalence (Udupa et al., TRANSIT, PLDI 2013; Albarghouthi et al., CAV
2013), kept instead of rebuilt when an example arrives. Every candidate ever built is remembered as a production and
the rows of its arguments, next to the row (behaviour) it fell into. A new example gives each candidate one more value;
candidates that part from their row found rows of their own, and ``grow`` combines only what has not been combined.

All values of a block of candidates are computed by one numpy call. Behaviours are compared by a 64-bit key that is
linear in the values, so a new example updates a key by one multiplication; a row is checked value by value against
every candidate that shares its key. The bank knows no target: choosing candidates is ``enumeration``'s work.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dsl.grammar import Grammar, Production
from dsl.operators import GrammarError, Sort, Term
from dsl.sequences import SequenceBatch

CHUNK = 100_000  # candidates evaluated at once
Rows = NDArray[np.int64]


@dataclass
class Block:
    """Candidates built at once: ``children[i]`` are the argument rows of candidate i, ``row[i]`` its behaviour."""

    production: Production
    cost: int
    children: NDArray[np.int32]  # (candidates, arity)
    row: NDArray[np.int32]  # (candidates,)
    given: Term | None = None


@dataclass(frozen=True)
class Stray:
    """Candidates of a block that part from their row on a new example, with their values on it."""

    block: int
    members: NDArray[np.int64]
    values: NDArray[Any]


class Column:
    """A numpy array that grows along its first axis in amortised constant time."""

    def __init__(self, empty: NDArray[Any]) -> None:
        self._room, self._length = empty, len(empty)

    @property
    def array(self) -> NDArray[Any]:
        """What has been put in so far (a view)."""
        return self._room[: self._length]

    def extend(self, more: NDArray[Any]) -> None:
        """Append along the first axis."""
        needed = self._length + len(more)
        if needed > len(self._room):
            room = np.empty((max(needed, 2 * len(self._room)), *self._room.shape[1:]), self._room.dtype)
            room[: self._length] = self.array
            self._room = room
        self._room[self._length : needed] = more
        self._length = needed


class Store:
    """The rows of one nonterminal. ``values``: (rows, examples) or, for a positional sort, (rows, examples, width)."""

    def __init__(self, sort: Sort) -> None:
        self._values = Column(np.zeros((0, 0, 0) if sort.positional else (0, 0), sort.dtype))
        self._keys = Column(np.zeros(0, np.uint64))
        self._origin = Column(np.zeros((0, 3), np.int64))  # cost, block, member of the cheapest known candidate
        self._sorted_keys, self._sorted_rows = np.zeros(0, np.uint64), np.zeros(0, np.int64)
        self.levels: dict[int, Column] = defaultdict(lambda: Column(np.zeros(0, np.int64)))

    @property
    def values(self) -> NDArray[Any]:
        return self._values.array

    @property
    def keys(self) -> NDArray[np.uint64]:
        return self._keys.array

    @property
    def origin(self) -> NDArray[np.int64]:
        return self._origin.array

    @property
    def costs(self) -> tuple[int, ...]:
        """The costs at which there are rows."""
        return tuple(cost for cost, rows in self.levels.items() if len(rows.array))

    def append(self, values: NDArray[Any], keys: NDArray[np.uint64], origin: NDArray[np.int64]) -> Rows:
        """Add rows with new, sorted, different keys; returns their numbers."""
        rows = np.arange(len(self.keys), len(self.keys) + len(keys))
        self._values.extend(values)
        self._keys.extend(keys)
        self._origin.extend(origin)
        for cost in np.unique(origin[:, 0]):
            self.levels[int(cost)].extend(rows[origin[:, 0] == cost])
        place = np.searchsorted(self._sorted_keys, keys)
        self._sorted_keys = np.insert(self._sorted_keys, place, keys)
        self._sorted_rows = np.insert(self._sorted_rows, place, rows)
        return rows

    def cheapen(self, row: int, origin: tuple[int, int, int]) -> None:
        """Note a cheaper candidate for a row."""
        self.origin[row] = origin
        self.levels[origin[0]].extend(np.array([row]))

    def lookup(self, keys: NDArray[np.uint64]) -> Rows:
        """The row of each key, -1 where there is none."""
        if not len(self._sorted_keys):
            return np.full(len(keys), -1, np.int64)
        place = np.minimum(np.searchsorted(self._sorted_keys, keys), len(self._sorted_keys) - 1)
        return np.where(self._sorted_keys[place] == keys, self._sorted_rows[place], -1)

    def refine(self, column: NDArray[Any], keys: NDArray[np.uint64]) -> None:
        """Give every row one more value, and its new key."""
        self._values, self._keys = Column(np.concatenate([self.values, column], axis=1)), Column(keys)
        self._sorted_rows = np.argsort(keys, kind="stable")
        self._sorted_keys = keys[self._sorted_rows]

    def widen(self, width: int) -> None:
        """Pad positional values to ``width`` positions."""
        if self.values.ndim == 3 and width > self.values.shape[2]:
            self._values = Column(np.pad(self.values, ((0, 0), (0, 0), (0, width - self.values.shape[2]))))


class Bank:
    """Grows by cost, splits by example. ``seed`` chooses the keys, and so which of two equally cheap terms stays."""

    def __init__(self, grammar: Grammar, *, seed: int = 0) -> None:
        self.grammar = grammar
        self.batch = SequenceBatch(np.zeros((0, 0), np.int8))
        self.candidates = 0
        self._random = np.random.default_rng(seed)
        self._weight = np.zeros((0, 1), np.uint64)  # (examples, width, at least 1)
        self._blocks: list[Block] = []
        self._combined: dict[tuple[int, tuple[int, ...]], tuple[int, ...]] = {}
        self.stores = {name: Store(sort) for name, sort in grammar.sorts.items()}

    # --- reading ------------------------------------------------------------------------------------------------

    @property
    def rows(self) -> int:
        """How many behaviours are held."""
        return sum(len(store.keys) for store in self.stores.values())

    @property
    def memory_mb(self) -> float:
        """Memory of values and candidates, in MiB."""
        values = sum(store.values.nbytes + 48 * len(store.keys) for store in self.stores.values())
        return (values + sum(block.children.nbytes + block.row.nbytes for block in self._blocks)) / 2**20

    def term(self, nonterminal: str, row: int) -> Term:
        """The cheapest known term of a row."""
        store = self.stores[nonterminal]
        _, number, member = store.origin[row]
        block = self._blocks[int(number)]
        if block.given is not None:
            return block.given
        children = zip(block.production.arguments, block.children[member], strict=True)
        arguments: tuple[Term, ...] = tuple(self.term(name, int(child)) for name, child in children)
        return Term(block.production.operator, arguments)

    def find(self, nonterminal: str, values: NDArray[Any]) -> int | None:
        """The row with exactly these values on the examples, or None."""
        store = self.stores[nonterminal]
        row = int(store.lookup(self._keys(np.asarray(values)[None]))[0])
        return row if row >= 0 and np.array_equal(store.values[row], values) else None

    # --- growing ------------------------------------------------------------------------------------------------

    def pending(self, level: int) -> int:
        """About how many candidates ``grow(level)`` would build from the rows there are now.

        Mirror images count here and are not built; rows of level - 1 that are not built yet do not count. It is zero
        exactly when nothing is left to combine up to ``level``.
        """
        return sum(_volume(box) for _, _, boxes in self._work(level) for box in boxes)

    def grow(self, level: int, stop: Callable[[], bool] = lambda: False) -> bool:
        """Combine all rows into candidates of cost up to ``level``; False when ``stop()`` became true midway."""
        for cost in range(1, level + 1):
            for index, costs, boxes in self._work(cost, only=True):
                production = self.grammar.productions[index]
                for box in boxes:
                    for children in _chunks(box):
                        if stop():
                            return False
                        self._insert(production, cost, self._canonical(production, costs, children))
                self._combined[index, costs] = self._sizes(production, costs)
        return True

    def add(self, nonterminal: str, term: Term, cost: int) -> None:
        """Add a term found by other means (a solved constant) as a candidate of its own."""
        production = Production(nonterminal, term.operator, tuple("" for _ in term.arguments), cost)
        self._insert(production, cost, np.zeros((1, 0), np.int32), given=term)

    def _work(self, level: int, only: bool = False) -> Iterator[tuple[int, tuple[int, ...], list[list[Rows]]]]:
        """Productions (by number) and argument costs with rows not yet combined, as boxes of argument rows."""
        for cost in (level,) if only else range(1, level + 1):
            for index, production in enumerate(self.grammar.productions):
                names = production.arguments
                spare = cost - production.cost
                for costs in _splits(spare, len(names)):
                    if _mirrored(production, costs):
                        continue
                    done = self._combined.get((index, costs))
                    if done is None and not names:
                        yield index, costs, [[]]
                        continue
                    rows = [self.stores[name].levels[c].array for name, c in zip(names, costs, strict=True)]
                    boxes = _fresh(rows, done or (0,) * len(names))
                    if boxes:
                        yield index, costs, boxes

    def _sizes(self, production: Production, costs: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(len(self.stores[n].levels[c].array) for n, c in zip(production.arguments, costs, strict=True))

    @staticmethod
    def _canonical(production: Production, costs: tuple[int, ...], children: Rows) -> NDArray[np.int32]:
        """Without mirror images of commutative applications."""
        operator = production.operator
        if operator.commutative and len(set(production.arguments)) == 1 and len(set(costs)) == 1:
            children = children[children[:, 0] <= children[:, 1]]
        return children.astype(np.int32)

    def _insert(
        self, production: Production, cost: int, children: NDArray[np.int32], given: Term | None = None
    ) -> None:
        if not len(children):
            return
        store = self.stores[production.nonterminal]
        block = Block(production, cost, children, np.zeros(0, np.int32), given)
        values = self._evaluate(block, children, self.batch, {n: s.values for n, s in self.stores.items()})
        keys = self._keys(values)
        unique, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
        rows = store.lookup(unique)
        fresh, number = np.flatnonzero(rows < 0), len(self._blocks)
        for place in np.flatnonzero(rows >= 0):  # a late arrival may be cheaper than what it equals
            if store.origin[rows[place], 0] > cost:
                store.cheapen(int(rows[place]), (cost, number, int(first[place])))
        origin = np.column_stack([np.full((len(fresh), 2), (cost, number)), first[fresh]])
        rows[fresh] = store.append(values[first[fresh]], unique[fresh], origin)
        assert (store.values[rows[inverse]] == values).all(), "two behaviours share a key; use another seed"
        block.row = rows[inverse].astype(np.int32)
        self._blocks.append(block)
        self.candidates += len(children)

    @staticmethod
    def _evaluate(block: Block, children: NDArray[Any], batch: SequenceBatch, values: dict[str, Any]) -> NDArray[Any]:
        """Values of candidates: (candidates, examples[, width])."""
        if block.given is not None:
            return np.asarray(block.given.evaluate(batch))[None]
        names = block.production.arguments
        arguments = [values[name][children[:, i]] for i, name in enumerate(names)]
        result = np.asarray(block.production.operator.numpy(batch, *arguments))
        return result if names else result[None]

    # --- examples -----------------------------------------------------------------------------------------------

    def observe(self, example: SequenceBatch) -> None:
        """Take one more example; rows whose candidates differ on it are split.

        Raises GrammarError for an empty sequence where a production has no value on it.
        """
        if not example.lengths.all():
            needy = [p.operator.name for p in self.grammar.productions if p.operator.needs_token]
            if needy:
                raise GrammarError(
                    f"{needy[0]!r} has no value on the empty sequence; leave that out of the domain, or such operators "
                    "out of the grammar, as motifs(..., min_length=0) does"
                )
        width = max(self.batch.tokens.shape[1], example.tokens.shape[1])
        one = example.widened(width)
        self.batch = SequenceBatch(np.concatenate([self.batch.widened(width).tokens, one.tokens]))
        self._widen(width)
        column = self._new_values(one)
        strays = self._strays(one, column)
        for name, store in self.stores.items():
            store.refine(column[name], store.keys + self._keys(column[name], len(self._weight) - 1))
            self._found(store, strays[name])

    def _widen(self, width: int) -> None:
        """Room for one more example of ``width`` positions, in the key's weights and in positional values."""
        shape = (len(self._weight) + 1, max(width, 1))
        weight = self._random.integers(1, 2**63, size=shape, dtype=np.uint64) * np.uint64(2) + np.uint64(1)
        weight[: len(self._weight), : self._weight.shape[1]] = self._weight
        self._weight = weight
        for store in self.stores.values():
            store.widen(width)

    def _new_values(self, one: SequenceBatch) -> dict[str, NDArray[Any]]:
        """The value of every row on the new example, cheapest rows first (arguments are always cheaper)."""
        column: dict[str, NDArray[Any]] = {}
        for name, store in self.stores.items():
            shape = (len(store.keys), 1, *one.tokens.shape[1:][: store.values.ndim - 2])
            column[name] = np.zeros(shape, store.values.dtype)
        for cost in sorted({int(cost) for store in self.stores.values() for cost in np.unique(store.origin[:, 0])}):
            for name, store in self.stores.items():
                rows = np.flatnonzero(store.origin[:, 0] == cost)
                rows = rows[np.argsort(store.origin[rows, 1], kind="stable")]
                for group in np.split(rows, np.flatnonzero(np.diff(store.origin[rows, 1])) + 1):
                    if len(group):
                        block = self._blocks[store.origin[group[0], 1]]
                        children = block.children[store.origin[group, 2]]
                        column[name][group] = self._evaluate(block, children, one, column)
        return column

    def _strays(self, one: SequenceBatch, column: dict[str, NDArray[Any]]) -> dict[str, list[Stray]]:
        """Candidates that part from their row on the new example, cheapest first."""
        strays: dict[str, list[Stray]] = {name: [] for name in self.stores}
        for number in sorted(range(len(self._blocks)), key=lambda b: (self._blocks[b].cost, b)):
            block, name = self._blocks[number], self._blocks[number].production.nonterminal
            values = self._evaluate(block, block.children, one, column)
            differs = (values != column[name][block.row]).reshape(len(values), math.prod(values.shape[1:]))
            away = np.flatnonzero(differs.any(axis=1))
            if len(away):
                strays[name].append(Stray(number, away, values[away]))
        return strays

    def _found(self, store: Store, strays: list[Stray]) -> None:
        """Found rows for strays: candidates of one old row with one new value share a row."""
        if not strays:
            return
        blocks = [self._blocks[stray.block] for stray in strays]
        sizes = [len(stray.members) for stray in strays]
        old = np.concatenate([block.row[stray.members] for block, stray in zip(blocks, strays, strict=True)])
        value = np.concatenate([stray.values for stray in strays])
        offset = len(self._weight) - 1
        keys = store.keys[old] - self._keys(store.values[old, -1:], offset) + self._keys(value, offset)
        unique, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
        values = store.values[old[first]]
        values[:, -1:] = value[first]
        cost = np.repeat([block.cost for block in blocks], sizes)
        number = np.repeat([stray.block for stray in strays], sizes)
        member = np.concatenate([stray.members for stray in strays])
        rows = store.append(values, unique, np.column_stack([cost, number, member])[first])[inverse]
        for block, stray, new in zip(blocks, strays, np.split(rows, np.cumsum(sizes)[:-1]), strict=True):
            block.row[stray.members] = new

    def _keys(self, values: NDArray[Any], offset: int = 0) -> NDArray[np.uint64]:
        """The linear 64-bit key of each behaviour, for values on the examples from ``offset`` on."""
        weight = self._weight[offset:]
        if values.ndim == 3:
            words = values.reshape(len(values), values.shape[1] * values.shape[2])
            weight = weight[:, : values.shape[2]].reshape(-1)
        else:
            words, weight = values, weight[:, 0]
        keys: NDArray[np.uint64] = words.astype(np.uint64) @ weight
        return keys


def _splits(total: int, parts: int) -> Iterator[tuple[int, ...]]:
    """Ways to write ``total`` as ``parts`` costs of at least 1, in order."""
    if parts == 0:
        if total == 0:
            yield ()
        return
    if parts == 1:
        if total >= 1:
            yield (total,)
        return
    for first in range(1, total - parts + 2):
        for rest in _splits(total - first, parts - 1):
            yield (first, *rest)


def _mirrored(production: Production, costs: tuple[int, ...]) -> bool:
    """Whether these argument costs mirror ones already taken for a commutative operator."""
    return production.operator.commutative and len(set(production.arguments)) == 1 and costs != tuple(sorted(costs))


def _fresh(rows: list[Rows], done: tuple[int, ...]) -> list[list[Rows]]:
    """The part of the product of ``rows`` outside the first ``done`` rows of each, as disjoint boxes."""
    boxes = []
    for i in range(len(rows)):
        box = [r[:d] for r, d in zip(rows[:i], done[:i], strict=True)] + [rows[i][done[i] :]] + rows[i + 1 :]
        if all(len(side) for side in box):
            boxes.append(box)
    return boxes


def _volume(box: list[Rows]) -> int:
    return math.prod(len(side) for side in box)


def _chunks(box: list[Rows]) -> Iterator[Rows]:
    """The product of a box as arrays of at most about CHUNK child rows."""
    if not box:
        yield np.zeros((1, 0), np.int64)
        return
    inner = _volume(box[1:])
    step = max(1, CHUNK // max(inner, 1))
    if inner > CHUNK and len(box) > 1:
        for first in box[0]:
            for rest in _chunks(box[1:]):
                yield np.column_stack([np.full(len(rest), first), rest])
        return
    for start in range(0, len(box[0]), step):
        grids = np.meshgrid(box[0][start : start + step], *box[1:], indexing="ij")
        yield np.stack(grids, axis=-1).reshape(-1, len(box))
