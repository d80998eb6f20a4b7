"""The bank: terms by nonterminal and cost, one row per behaviour on the examples seen so far.

Bottom-up enumeration with observational equivalence (Udupa et al., TRANSIT, PLDI 2013; Albarghouthi et al., CAV
2013). A bank that ``remember``s keeps every candidate ever built as a place in a block, next to the row (behaviour) it
fell into: a new example gives each candidate one more value, candidates that part from their row found rows of their
own, and ``grow`` combines only what has not been combined. One that does not remember keeps the cheapest candidate of
each row alone, is smaller and quicker, and starts afresh at a new example.

A block is the product of ranges of argument rows (``blocks``); all its values are computed at once (``evaluation``).
Behaviours are compared by a 64-bit key (``fingerprints``): two of n share one with probability about n*n / 2**64, and
the later one is then lost. Memory is counted, and growth stops before it would pass ``max_memory_mb``. The bank knows
no target: choosing candidates is ``enumerator``'s work.
"""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dsl.enumeration import index_ranges
from dsl.enumeration.blocks import Batch, Block, Costs, is_mirror, is_mirrored, shape, taken
from dsl.enumeration.evaluation import Evaluation, is_pooled
from dsl.enumeration.fingerprints import Keys
from dsl.enumeration.index_ranges import Box
from dsl.enumeration.store import Rows, Store
from dsl.grammar import Grammar, Production
from dsl.operators import GrammarError, Sort, Term

CHUNK = 2**17  # values evaluated at once (strings: times 4)
SMALL = 1024  # candidates of a block that is looked at together with others of its production
BLOCK_BYTES = 300  # of a block, but for its rows


@dataclass(frozen=True)
class Stray:
    """Candidates of a block that part from their row on new examples, with their words on them."""

    block: int
    places: Rows
    words: NDArray[Any]


class Bank:
    """Grows by cost, splits by example. ``seed`` chooses the keys, on which nothing depends but what may be lost."""

    def __init__(
        self, grammar: Grammar, *, seed: int = 0, remember: bool = True, max_memory_mb: float = 2048.0
    ) -> None:
        self.grammar = grammar
        self.batch: Batch = grammar.signature.batch(())
        self.candidates, self.seconds = 0, 0.0
        self.is_out_of_memory = False
        self.max_memory_mb = max_memory_mb
        self._remember = remember
        self.keys, self.evaluation = Keys(seed), Evaluation(grammar)
        self._given: list[tuple[str, Term, int]] = []
        self._start_afresh()

    def _start_afresh(self) -> None:
        self.blocks: list[Block] = []
        self._row_bytes = 0  # of what the blocks remember
        self._room = 0  # bytes that surely are left; what is left is counted where these are not enough
        self._combined: dict[tuple[int, Costs], tuple[int, ...]] = {}
        self._settled: dict[int, int] = {}  # of how many cheaper rows all candidates of a cost are built
        self.stores = {name: self._new_store(sort) for name, sort in self.grammar.sorts.items()}

    def _new_store(self, sort: Sort) -> Store:
        return Store(
            sort,
            self.evaluation.pools.get(sort.name),
            shape(sort, self.batch),
            int(self.max_memory_mb * 2**20),
            spare=self._remember,
        )

    # --- reading ------------------------------------------------------------------------------------------------

    @property
    def rows(self) -> int:
        """How many behaviours are held."""
        return sum(map(len, self.stores.values()))

    @property
    def memory_mb(self) -> float:
        """Memory of values, keys, strings and remembered candidates, in MiB."""
        return self._nbytes() / 2**20

    @property
    def candidates_per_second(self) -> float:
        """How many candidates were built per second of growing and observing."""
        return self.candidates / self.seconds if self.seconds else 0.0

    def term(self, nonterminal: str, row: int) -> Term:
        """The cheapest known term of a row."""
        _, number, member = self.stores[nonterminal].origin[row]
        return self.candidate(self.blocks[number], int(member))

    def find(self, nonterminal: str, values: NDArray[Any]) -> int | None:
        """The row with exactly these values on the examples, or None."""
        store = self.stores[nonterminal]
        words = np.asarray(values) if store.pool is None else store.pool.intern(np.asarray(values, object))
        row = int(store.lookup(self.keys.of(words[None].astype(store.words.dtype)))[0])
        return row if row >= 0 and np.array_equal(store.words[row], words) else None

    def agreeing(self, nonterminal: str, values: NDArray[Any], most: int) -> list[Term]:
        """The terms with the most of these values on the examples, the cheapest of equal ones first.

        An interrupt may have ended work on the bank at any place: rows that were not ready then are left out.
        """
        store = self.stores[nonterminal]
        known, origin = store.values, store.origin
        if known.shape != (len(origin), len(values)):
            return []
        ready = np.flatnonzero(origin[:, 1] < len(self.blocks))
        right = (known[ready] == values).sum(axis=1)
        best = ready[np.lexsort((origin[ready, 0], -right))[:most]]
        return [self.term(nonterminal, int(row)) for row in best]

    def level_rows(self, nonterminal: str, cost: int) -> NDArray[np.int32]:
        """The rows of ``nonterminal`` at ``cost``, in order of discovery."""
        return self.stores[nonterminal].levels[cost].array

    def candidate(self, block: Block, member: int) -> Term:
        """The term that is ``member`` (counted from 0) of a block."""
        if block.given is not None:
            return block.given
        children = self.children(block, np.array([member]))
        names = block.production.arguments
        return Term(
            block.production.operator, tuple(self.term(n, int(c[0])) for n, c in zip(names, children, strict=True))
        )

    def children(self, block: Block, members: Rows) -> list[Rows]:
        """The argument rows of candidates, one array per argument."""
        if not block.box:
            return []
        places = np.unravel_index(members, [stop - start for start, stop in block.box])
        sides = zip(block.production.arguments, block.costs, block.box, places, strict=True)
        return [self.level_rows(name, cost)[start + place] for name, cost, (start, _), place in sides]

    def _nbytes(self) -> int:
        pools = sum(pool.nbytes for pool in self.evaluation.pools.values())
        held = sum(s.nbytes for s in self.stores.values()) + pools
        return held + self._row_bytes + BLOCK_BYTES * len(self.blocks)

    # --- growing ------------------------------------------------------------------------------------------------

    def pending(self, level: int) -> int:
        """About how many candidates ``grow(level)`` would build from the rows there are now.

        Mirror images count here and are not built; rows of level - 1 that are not built yet do not count. It is zero
        exactly when nothing is left to combine up to ``level``.
        """
        return sum(
            index_ranges.volume(box) for cost in range(1, level + 1) for *_, todo in self.work(cost) for box in todo
        )

    @property
    def is_saturated(self) -> bool:
        """Whether no level, however deep, has anything left to combine."""
        deepest = max((cost for store in self.stores.values() for cost in store.costs), default=0)
        reach = max(p.cost + len(p.arguments) * deepest for p in self.grammar.productions)
        return not any(True for cost in range(1, reach + 1) for _ in self.work(cost))

    def grow(self, level: int, stop: Callable[[], bool] = lambda: False) -> bool:
        """Combine all rows into candidates of cost up to ``level``; False when that ended midway.

        It ends midway when ``stop()`` becomes true, or before memory would pass its limit (``is_out_of_memory``).
        """
        begin, self._room = time.perf_counter(), 0
        try:
            return all(self._grow_to(cost, stop) for cost in range(1, level + 1))
        finally:
            self.seconds += time.perf_counter() - begin

    def _grow_to(self, cost: int, stop: Callable[[], bool]) -> bool:
        cheaper = self._cheaper(cost)
        for index, costs, todo in self.work(cost):
            production = self.grammar.productions[index]
            most = self.chunk(production)
            for box in todo:
                for piece in index_ranges.chunks(box, most, mirrored=is_mirrored(production, costs)):
                    if stop():
                        return False
                    self.is_out_of_memory = not self._has_room(production, index_ranges.volume(piece))
                    if self.is_out_of_memory:
                        return False
                    self._insert(Block(production, cost, costs, piece))
            self._combined[index, costs] = self._sizes(production, costs)
        self._settled[cost] = cheaper
        return True

    def _cheaper(self, cost: int) -> int:
        """How many rows there are at lower costs, of which alone candidates of ``cost`` are made."""
        return sum(len(rows) for store in self.stores.values() for c, rows in store.levels.items() if c < cost)

    def add(self, nonterminal: str, term: Term, cost: int) -> None:
        """Add a term found by other means (a solved constant) as a candidate of its own."""
        self._given.append((nonterminal, term, cost))
        self._add(nonterminal, term, cost)

    def _add(self, nonterminal: str, term: Term, cost: int) -> None:
        production = Production(nonterminal, term.operator, tuple("" for _ in term.arguments), cost)
        self._insert(Block(production, cost, (), (), given=term))

    def work(self, cost: int) -> Iterator[tuple[int, Costs, list[Box]]]:
        """Productions (by number) and argument costs with rows not yet combined, as boxes of positions in levels."""
        if self._settled.get(cost) == self._cheaper(cost):
            return
        known = {name: tuple(sorted(store.costs)) for name, store in self.stores.items()}
        for index, production in enumerate(self.grammar.productions):
            choices = [known[name] for name in production.arguments]
            for costs in index_ranges.splits_among(cost - production.cost, choices):
                if is_mirror(production, costs):
                    continue
                done = self._combined.get((index, costs))
                if not production.arguments:
                    if done is None:
                        yield index, costs, [()]
                    continue
                todo = index_ranges.fresh(self._sizes(production, costs), done or (0,) * len(costs))
                if todo:
                    yield index, costs, todo

    def _sizes(self, production: Production, costs: Costs) -> tuple[int, ...]:
        return tuple(len(self.stores[n].levels[c]) for n, c in zip(production.arguments, costs, strict=True))

    def chunk(self, production: Production) -> int:
        """How many candidates to build at once."""
        per_candidate = max(1, self.batch.examples) * max(1, self.batch.width)
        if is_pooled(production):
            return int(max(1, min(4 * CHUNK, self.max_memory_mb * 2**20 / 4_000) / per_candidate))
        return max(CHUNK // per_candidate, CHUNK // 32, 1)

    def _has_room(self, production: Production, count: int) -> bool:
        growth = self.stores[production.nonterminal].growth(count) + (4 * count if self._remember else 0)
        if production.operator.result.name in self.evaluation.pools:
            growth += count * self.batch.examples * self.evaluation.pools[production.operator.result.name].largest
        growth += BLOCK_BYTES
        if growth > self._room:
            self._room = int(self.max_memory_mb * 2**20) - self._nbytes()
        has_room = growth <= self._room
        self._room -= growth if has_room else 0
        return has_room

    def _insert(self, block: Block) -> None:
        store, number, cost = self.stores[block.production.nonterminal], len(self.blocks), block.cost
        members = block.members
        words = self._evaluate(block, self.batch, {name: self.stores[name].words for name in self._needed(block)})
        slots, new = store.number(self.keys.of(words))
        origin = np.empty((len(new), 3), np.int32)
        origin[:, 0], origin[:, 1], origin[:, 2] = cost, number, members[new]
        store.append(words[new], origin)
        if self._remember or self._given:
            rows = store.rows(slots)
            for place in (store.origin[rows, 0] > cost).nonzero()[0]:  # a late arrival may be cheaper than its equal
                if store.origin[rows[place], 0] > cost:
                    store.cheapen(int(rows[place]), (cost, number, int(members[place])))
            if self._remember:
                block.row = rows
                self._row_bytes += rows.nbytes
        self.blocks.append(block)
        self.candidates += len(words)

    @staticmethod
    def _needed(block: Block) -> tuple[str, ...]:
        """The nonterminals whose words its candidates are made of."""
        return block.production.arguments if block.given is None else ()

    def _evaluate(self, block: Block, batch: Batch, words: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
        """Words of a block's candidates: (candidates, examples[, width])."""
        if block.given is not None:
            return self.evaluation.encoded(block.given.evaluate(batch), block.production)[None]
        sides = [
            taken(words[name], self.level_rows(name, cost)[start:stop])
            for name, cost, (start, stop) in zip(block.production.arguments, block.costs, block.box, strict=True)
        ]
        values, members = self.evaluation.product(block.production, sides, batch), block.members
        return values if len(members) == len(values) else values[members]

    # --- examples -----------------------------------------------------------------------------------------------

    def observe(self, examples: Batch) -> None:
        """Take more examples; rows whose candidates differ on them are split.

        Many examples at once cost little more than one. A bank that does not remember, or could not be split within
        its memory, is empty afterwards: ``grow`` it again. Raises GrammarError for an empty sequence where a production
        has no value on it.
        """
        if examples.has_empty:
            needy = [p.operator.name for p in self.grammar.productions if p.operator.needs_token]
            if needy:
                raise GrammarError(
                    f"{needy[0]!r} has no value on the empty sequence; leave that out of the domain, or such operators "
                    "out of the grammar, as motifs(..., min_length=0) does"
                )
        begin = time.perf_counter()
        self.batch = self.batch.joined(examples)
        more = self.batch.part(self.batch.examples - examples.examples, self.batch.examples)
        self._widen(more)
        if self._remember and self.blocks and self._can_split(more):
            self._split(more)
        else:
            self._start_afresh()
            for nonterminal, term, cost in self._given:
                self._add(nonterminal, term, cost)
        self.seconds += time.perf_counter() - begin

    def _can_split(self, more: Batch) -> bool:
        """Whether a split stays within the memory: the largest store is there twice for a moment."""
        sizes = [
            len(store) * math.prod(shape(store.sort, self.batch)) * store.words.itemsize
            for store in self.stores.values()
        ]
        grown = sum(sizes) - sum(store.words.nbytes for store in self.stores.values())
        return self._nbytes() + 2 * grown + max(sizes) <= self.max_memory_mb * 2**20

    def _widen(self, more: Batch) -> None:
        """Room for ``more`` examples in the keys and, if they are wider, in positional values."""
        self.keys.widen(self.batch.examples, self.batch.width)
        for store in self.stores.values():
            store.widen(more.width)

    def _split(self, more: Batch) -> None:
        columns = self._new_words(more)
        strays = self._strays(more, columns)
        first = self.batch.examples - more.examples
        for name, store in self.stores.items():
            store.refine(columns[name])
            store.renumber(self.keys.of(store.words))
            self._found(store, strays[name], first)

    def _new_words(self, more: Batch) -> dict[str, NDArray[Any]]:
        """The words of every row on new examples, cheapest rows first (arguments are always cheaper)."""
        columns = {
            name: np.zeros((len(store), *shape(store.sort, more)), store.words.dtype)
            for name, store in self.stores.items()
        }
        for cost in sorted(
            {int(cost) for store in self.stores.values() for cost in np.flatnonzero(np.bincount(store.origin[:, 0]))}
        ):
            for name, store in self.stores.items():
                rows = np.flatnonzero(store.origin[:, 0] == cost)
                rows = rows[np.argsort(store.origin[rows, 1], kind="stable")]
                alike: dict[int, list[Rows]] = defaultdict(list)  # rows of small blocks, by production
                for group in np.split(rows, np.flatnonzero(np.diff(store.origin[rows, 1])) + 1):
                    if len(group):
                        block = self.blocks[store.origin[group[0], 1]]
                        alike[id(block.production) if _is_small(block) else -len(alike)].append(group)
                for groups in alike.values():
                    columns[name][np.concatenate(groups)] = self._values_of(store.origin, groups, more, columns)
        return columns

    def _values_of(
        self, origin: NDArray[np.int32], groups: list[Rows], more: Batch, columns: dict[str, NDArray[Any]]
    ) -> NDArray[Any]:
        """Words of rows; each of ``groups`` is of one block, and all are of one production."""
        block = self.blocks[origin[groups[0][0], 1]]
        if block.given is not None or not block.box:
            return self._evaluate(block, more, columns)
        each = [self.children(self.blocks[origin[rows[0], 1]], origin[rows, 2]) for rows in groups]
        return self._combinations(block.production, each, more, columns)

    def _combinations(
        self, production: Production, each: list[Any], more: Batch, columns: dict[str, NDArray[Any]]
    ) -> NDArray[Any]:
        """Words of a production on rows of its arguments, given for some blocks one after the other."""
        sides = zip(production.arguments, zip(*each, strict=True), strict=True)
        arguments = [columns[name][np.concatenate(rows)] for name, rows in sides]
        return self.evaluation.words(production, arguments, more)

    def _strays(self, more: Batch, columns: dict[str, NDArray[Any]]) -> dict[str, list[Stray]]:
        """Candidates that part from their row on new examples, cheapest first."""
        strays: dict[str, list[Stray]] = defaultdict(list)
        for group in self._together():
            name = self.blocks[group[0]].production.nonterminal
            words = self._words_of(group, more, columns)
            rows = np.concatenate([_rows(self.blocks[number]) for number in group])
            differs = (words != columns[name][rows]).reshape(len(words), math.prod(words.shape[1:]))
            away = differs.any(axis=1).nonzero()[0]
            starts = np.cumsum([0, *(len(_rows(self.blocks[number])) for number in group)])
            bounds = np.searchsorted(away, starts)
            for n in np.diff(bounds).nonzero()[0]:
                places = away[bounds[n] : bounds[n + 1]]
                strays[name].append(Stray(group[n], places - starts[n], words[places]))
        for found in strays.values():
            found.sort(key=lambda stray: (self.blocks[stray.block].cost, stray.block))
        return strays

    def _together(self) -> Iterator[list[int]]:
        """The blocks, by number; small ones of one production together, as many as may be evaluated at once."""
        groups: dict[int, tuple[list[int], int]] = {}
        most: dict[int, int] = {}
        for number, block in enumerate(self.blocks):
            if not _is_small(block):
                yield [number]
                continue
            size, production = len(_rows(block)), id(block.production)
            if production not in most:
                most[production] = self.chunk(block.production)
            group, held = groups.get(production, ([], 0))
            group.append(number)
            groups[production] = group, held + size
            if held + size > most[production]:
                yield groups.pop(production)[0]
        yield from (group for group, _ in groups.values())

    def _words_of(self, group: list[int], more: Batch, columns: dict[str, NDArray[Any]]) -> NDArray[Any]:
        """Words of the candidates of some blocks of one production, one after the other."""
        blocks = [self.blocks[number] for number in group]
        if len(blocks) == 1:
            return self._evaluate(blocks[0], more, columns)
        return self._combinations(blocks[0].production, [*map(self._sides, blocks)], more, columns)

    def _sides(self, block: Block) -> tuple[Rows, ...]:
        """The argument rows of every candidate of a small block."""
        if block.sides is None:
            block.sides = tuple(self.children(block, block.members))
            self._row_bytes += sum(side.nbytes for side in block.sides)
        return block.sides

    def _found(self, store: Store, strays: list[Stray], first: int) -> None:
        """Found rows for strays: candidates of one old row with the same new words share a row."""
        if not strays:
            return
        blocks = [self.blocks[stray.block] for stray in strays]
        sizes = [len(stray.places) for stray in strays]
        old = np.concatenate([_rows(block)[stray.places] for block, stray in zip(blocks, strays, strict=True)])
        words = np.concatenate([stray.words for stray in strays])
        slots, new = store.number(self.keys.of(store.words[old, :first]) + self.keys.of(words, first))
        whole = store.words[old[new]]
        whole[:, first:] = words[new]
        member = np.concatenate([b.members[stray.places] for b, stray in zip(blocks, strays, strict=True)])
        cost = np.repeat([block.cost for block in blocks], sizes)
        number = np.repeat([stray.block for stray in strays], sizes)
        known = len(store)
        store.append(whole, np.column_stack([cost, number, member])[new].astype(np.int32))
        rows = store.rows(slots)
        assert (rows >= known).all(), "two behaviours share a key; use another seed"
        for block, stray, row in zip(blocks, strays, np.split(rows, np.cumsum(sizes)[:-1]), strict=True):
            _rows(block)[stray.places] = row


def _is_small(block: Block) -> bool:
    """Whether it is looked at together with others of its production."""
    return block.given is None and bool(block.box) and block.row is not None and len(block.row) <= SMALL


def _rows(block: Block) -> NDArray[np.int32]:
    assert block.row is not None
    return block.row
