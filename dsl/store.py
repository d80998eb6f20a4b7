"""Where a bank keeps the behaviours of one nonterminal: their values, and which 64-bit key has which row.

``Numbering`` is an open-addressing hash table (linear probing, at most half full) whose every step is one numpy call
for a whole chunk of keys: new keys claim empty slots, the earliest claim stays, whoever lost compares or probes on.
Values that are Python objects (strings, wide bit-vectors) are kept once in a ``Pool`` and stand in rows by number.
Nothing here knows operators or costs of terms.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dsl.operators import Sort

LARGE = 2**25  # bytes from which a column takes all the room it may ever need (untouched memory costs nothing)
Rows = NDArray[np.signedinteger[Any]]


class Column:
    """A numpy array that grows along its first axis in amortised constant time, up to about ``most`` bytes."""

    def __init__(self, empty: NDArray[Any], most: int = LARGE) -> None:
        self._room, self._length, self._most = empty, len(empty), most

    def __len__(self) -> int:
        return self._length

    @property
    def array(self) -> NDArray[Any]:
        """What has been put in so far (a view)."""
        return self._room[: self._length]

    @property
    def room(self) -> NDArray[Any]:
        """What has been put in, and the room behind it (a view)."""
        return self._room

    @property
    def nbytes(self) -> int:
        """Bytes in use."""
        return self.array.nbytes

    def extend(self, more: NDArray[Any]) -> None:
        """Append along the first axis."""
        self.reserve(len(more))
        self._room[self._length : self._length + len(more)] = more
        self._length += len(more)

    def reserve(self, more: int) -> None:
        """Make room for ``more`` entries."""
        needed = self._length + more
        if needed > len(self._room):
            tail = self._room.shape[1:]
            width = max(1, int(np.prod(tail)) * self._room.itemsize)
            roomy = self._most // width if needed * width > LARGE else 0
            try:
                room = np.empty((max(needed, 2 * len(self._room), roomy), *tail), self._room.dtype)
            except MemoryError:  # the system does not lend memory it may never have to give
                room = np.empty((needed + needed // 4, *tail), self._room.dtype)
            room[: self._length] = self.array
            self._room = room


class Numbering:
    """Different 64-bit keys, numbered in order of first appearance. Keys must differ in their high bits."""

    def __init__(self, most: int = LARGE) -> None:
        self._most = most
        self._keys = Column(np.zeros(0, np.uint64), most)
        self._slots = np.full(256, -1, np.int32)

    def __len__(self) -> int:
        return len(self._keys)

    @property
    def keys(self) -> NDArray[np.uint64]:
        """The key of each number."""
        return self._keys.array

    @property
    def nbytes(self) -> int:
        """Bytes in use."""
        return self._keys.nbytes + self._slots.nbytes

    def growth(self, more: int) -> int:
        """How many bytes ``more`` new keys would take."""
        return 8 * more + (self._needed(more) - len(self._slots)) * 4

    def number(self, keys: NDArray[np.uint64]) -> tuple[Rows, Rows]:
        """The number of each key, and which keys were new (places of first appearance, in the order of numbers)."""
        base, count = len(self), len(keys)
        self._widen(count)
        self._keys.reserve(count)
        self._keys.room[base : base + count] = keys  # as if all were new, until it is known which are
        numbers, seats = self._settle(keys, base)
        new = np.flatnonzero(numbers == np.arange(base, base + count))
        rank = np.zeros(count, np.int64)
        rank[new] = np.arange(base, base + len(new))
        self._slots[seats[new]] = rank[new]
        self._keys.extend(keys[new])
        return np.where(numbers < base, numbers, rank[np.maximum(numbers - base, 0)]), new

    def lookup(self, keys: NDArray[np.uint64]) -> Rows:
        """The number of each key, -1 where it has none."""
        numbers = np.full(len(keys), -1, np.int64)
        waiting, at = np.arange(len(keys) if len(self) else 0), self._home(keys)
        while len(waiting):
            found = self._slots[at]
            same = (found >= 0) & (self._keys.room[found] == keys[waiting])
            numbers[waiting[same]] = found[same]
            other = np.flatnonzero((found >= 0) & ~same)
            waiting, at = waiting[other], (at[other] + 1) & (len(self._slots) - 1)
        return numbers

    def _settle(self, keys: NDArray[np.uint64], base: int) -> tuple[Rows, Rows]:
        """Numbers and slots of keys; key i claims an empty slot as ``base + i``, and the earliest claim stays."""
        numbers, seats = np.zeros((2, len(keys)), np.int64)
        waiting, at, mine, every = np.arange(len(keys)), self._home(keys), keys, self._keys.room
        while len(waiting):
            found = self._slots[at]
            empty = np.flatnonzero(found < 0)[::-1]
            if len(empty):
                self._slots[at[empty]] = base + waiting[empty]
                found[empty] = self._slots[at[empty]]
            same = every[found] == mine
            numbers[waiting[same]], seats[waiting[same]] = found[same], at[same]
            other = np.flatnonzero(~same)
            waiting, mine, at = waiting[other], mine[other], (at[other] + 1) & (len(self._slots) - 1)
        return numbers, seats

    def _home(self, keys: NDArray[np.uint64]) -> Rows:
        return (keys >> np.uint64(65 - len(self._slots).bit_length())).astype(np.int64)

    def _needed(self, more: int) -> int:
        slots = len(self._slots)
        while 2 * (len(self) + more) > slots:
            slots *= 2
        return slots

    def _widen(self, more: int) -> None:
        slots = self._needed(more)
        if slots == len(self._slots):
            return
        self._slots = np.full(slots, -1, np.int32)
        for start in range(0, len(self), 2**16):
            keys = self.keys[start : start + 2**16]
            self._settle(keys, start)


class Pool:
    """Different Python objects of one sort, by number."""

    def __init__(self) -> None:
        self._number: dict[Any, int] = {}
        self._objects = Column(np.zeros(0, object))
        self._bytes = 0

    @property
    def nbytes(self) -> int:
        """Bytes in use: the objects, and about a hundred for each one's place in two tables."""
        return self._bytes + 100 * len(self._number)

    def intern(self, values: NDArray[Any]) -> NDArray[np.int32]:
        """The number of each object."""
        number, known = self._number, len(self._number)
        flat = [number.setdefault(value, len(number)) for value in values.ravel().tolist()]
        if len(number) > known:
            fresh = list(number)[known:] if known * 2 < len(number) else _last(number, len(number) - known)
            more = np.empty(len(fresh), object)
            more[:] = fresh
            self._objects.extend(more)
            self._bytes += sum(map(sys.getsizeof, fresh))
        return np.array(flat, np.int32).reshape(values.shape)

    def objects(self, numbers: NDArray[Any]) -> NDArray[Any]:
        """The objects with these numbers."""
        objects: NDArray[Any] = self._objects.array[numbers]
        return objects


def _last(table: dict[Any, int], count: int) -> list[Any]:
    """The last keys of a dictionary, in order."""
    ahead = iter(reversed(table))
    return [next(ahead) for _ in range(count)][::-1]


class Store:
    """The rows of one nonterminal: ``words`` (rows, examples[, width]) are values, or their numbers in ``pool``."""

    def __init__(self, sort: Sort, pool: Pool | None, shape: tuple[int, ...], most: int) -> None:
        self.sort, self.pool, self._most = sort, pool, most
        self._words = Column(np.zeros((0, *shape), np.int32 if pool is not None else sort.dtype), most)
        self._numbering = Numbering(most)
        self._origin = Column(np.zeros((0, 3), np.int32), most)  # cost, block, member of the cheapest known candidate
        self.levels: dict[int, Column] = defaultdict(lambda: Column(np.zeros(0, np.int32), most))

    def __len__(self) -> int:
        return len(self._origin)

    @property
    def words(self) -> NDArray[Any]:
        return self._words.array

    @property
    def values(self) -> NDArray[Any]:
        """(rows, examples) or, for a positional sort, (rows, examples, width); a copy where a pool holds them."""
        return self.words if self.pool is None else self.pool.objects(self.words)

    @property
    def keys(self) -> NDArray[np.uint64]:
        return self._numbering.keys

    @property
    def origin(self) -> NDArray[np.int32]:
        """Cost, block and member of the cheapest known candidate of each row: (rows, 3)."""
        return self._origin.array

    @property
    def costs(self) -> tuple[int, ...]:
        """The costs at which there are rows."""
        return tuple(cost for cost, rows in self.levels.items() if len(rows))

    @property
    def nbytes(self) -> int:
        """Bytes in use."""
        return (
            self._words.nbytes
            + self._numbering.nbytes
            + self._origin.nbytes
            + sum(r.nbytes for r in self.levels.values())
        )

    def growth(self, more: int) -> int:
        """How many bytes ``more`` new rows would take."""
        width = int(np.prod(self.words.shape[1:])) * self.words.itemsize
        return more * (width + 16) + self._numbering.growth(more)

    def number(self, keys: NDArray[np.uint64]) -> tuple[Rows, Rows]:
        """The row of each key and the places of new ones, which must be given to ``append`` next."""
        return self._numbering.number(keys)

    def append(self, words: NDArray[Any], origin: NDArray[np.int32]) -> None:
        """Add the rows just numbered."""
        rows = np.arange(len(self), len(self) + len(words), dtype=np.int32)
        self._words.extend(words)
        self._origin.extend(origin)
        for cost in np.unique(origin[:, 0]):
            self.levels[int(cost)].extend(rows[origin[:, 0] == cost])

    def cheapen(self, row: int, origin: tuple[int, int, int]) -> None:
        """Note a cheaper candidate for a row."""
        self.origin[row] = origin
        self.levels[origin[0]].extend(np.array([row], np.int32))

    def lookup(self, keys: NDArray[np.uint64]) -> Rows:
        """The row of each key, -1 where there is none."""
        return self._numbering.lookup(keys)

    def refine(self, words: NDArray[Any], keys: NDArray[np.uint64]) -> None:
        """Give every row more values, and its new key."""
        self._words = Column(np.concatenate([self.words, words], axis=1), self._most)
        self._numbering = Numbering(self._most)
        _, new = self._numbering.number(keys)
        assert len(new) == len(keys), "two behaviours share a key; use another seed"

    def widen(self, width: int) -> None:
        """Pad positional values to ``width`` positions."""
        if self.words.ndim == 3 and width > self.words.shape[2]:
            padding = ((0, 0), (0, 0), (0, width - self.words.shape[2]))
            self._words = Column(np.pad(self.words, padding), self._most)
