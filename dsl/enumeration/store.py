"""Where a bank keeps the behaviours of one nonterminal: their values, and which 64-bit key has which row.

``Numbering`` is an open-addressing hash table (linear probing, at most half full) whose every step is one numpy call
for a whole chunk of keys: new keys claim empty slots, one claim stays, whoever lost compares or probes on.
Values that are Python objects (strings, wide bit-vectors) are kept once in a ``Pool`` and stand in rows by number.
Nothing here knows operators or costs of terms.
"""

from __future__ import annotations

import math
import sys
from collections import defaultdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dsl.operators import Sort

LARGE = 2**25  # bytes from which a column takes all the room it may ever need (untouched memory costs nothing)
MANY = 2**21  # slots from which a table grows by doubling; below, more room for less copying
BLOCK = 2**15  # keys handled at once where there are many
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
    def nbytes(self) -> int:
        """Bytes in use."""
        return self.array.nbytes

    def extend(self, more: NDArray[Any]) -> None:
        """Append along the first axis; ``more`` may be narrower along the second, which is left open then."""
        self.reserve(len(more))
        room = self._room[self._length : self._length + len(more)]
        room[tuple(slice(size) for size in more.shape)] = more
        self._length += len(more)

    def reserve(self, more: int) -> None:
        """Make room for ``more`` entries."""
        needed = self._length + more
        if needed > len(self._room):
            tail = self._room.shape[1:]
            width = max(1, math.prod(tail) * self._room.itemsize)
            roomy = self._most // width if needed * width > LARGE else 0
            try:
                room = np.empty((max(needed, 2 * len(self._room), roomy), *tail), self._room.dtype)
            except MemoryError:  # the system does not lend memory it may never have to give
                room = np.empty((needed + needed // 4, *tail), self._room.dtype)
            room[: self._length] = self.array
            self._room = room


class Numbering:
    """Different 64-bit keys, numbered in order of first appearance. Keys must differ in their high bits.

    Slots in which a key may stand are those from its high bits on; an empty slot holds 0, so the key 0 is taken for 1.
    """

    def __init__(self) -> None:
        self._count = 0
        self._keys, self._numbers = np.zeros(256, np.uint64), np.zeros(256, np.int32)

    def __len__(self) -> int:
        return self._count

    @property
    def nbytes(self) -> int:
        """Bytes in use."""
        return self._keys.nbytes + self._numbers.nbytes

    def growth(self, more: int) -> int:
        """How many bytes ``more`` new keys would take, the old table included while it is copied."""
        slots = self._needed(more)
        return 0 if slots == len(self._keys) else 12 * slots

    def number(self, keys: NDArray[np.uint64]) -> tuple[Rows, Rows]:
        """Number what is new. The slot of each key, and which keys were new (places of first appearance, in order)."""
        keys = np.maximum(keys, np.uint64(1))
        self.reserve(len(keys))
        slots, claims = self._settle(keys)
        seats = slots[claims]
        self._numbers[seats[::-1]] = claims[::-1]  # equal keys claimed one slot: the first of them is new
        new = claims[self._numbers[seats] == claims]
        self._numbers[slots[new]] = np.arange(self._count, self._count + len(new))
        self._count += len(new)
        return slots, new

    def numbers(self, slots: Rows) -> NDArray[np.int32]:
        """The numbers of the keys in these slots."""
        found: NDArray[np.int32] = self._numbers[slots]
        return found

    def lookup(self, keys: NDArray[np.uint64]) -> Rows:
        """The number of each key, -1 where it has none."""
        mine = np.maximum(keys, np.uint64(1))
        numbers = np.full(len(keys), -1, np.int64)
        waiting, at = np.arange(len(keys)), self._home(mine)
        while len(waiting):
            found = self._keys[at]
            same = found == mine
            numbers[waiting[same]] = self._numbers[at[same]]
            other = ((found != 0) & ~same).nonzero()[0]
            waiting, mine, at = waiting[other], mine[other], self._next(at[other])
        return numbers

    def _settle(self, keys: NDArray[np.uint64]) -> tuple[Rows, Rows]:
        """The slot of each key, and the places (ascending) of those that stand in slots that were empty."""
        at = self._home(keys)
        slots, waiting, mine, has_claimed = at, np.arange(len(keys)), keys, np.zeros(len(keys), bool)
        while True:
            found = self._keys[at]
            empty = (found == 0).nonzero()[0]
            if len(empty):
                free, wanted = at[empty], mine[empty]
                self._keys[free] = wanted  # of several claims to one slot any one stays
                found[empty] = self._keys[free]
                has_claimed[waiting[empty[found[empty] == wanted]]] = True
            other = (found != mine).nonzero()[0]
            if not len(other):
                return slots, has_claimed.nonzero()[0]
            waiting, mine, at = waiting[other], mine[other], self._next(at[other])
            slots[waiting] = at

    def _home(self, keys: NDArray[np.uint64]) -> Rows:
        return (keys >> np.uint64(65 - len(self._keys).bit_length())).astype(np.int64)

    def _next(self, slots: Rows) -> Rows:
        return (slots + 1) & (len(self._keys) - 1)

    def _needed(self, more: int) -> int:
        slots = len(self._keys)
        while 2 * (self._count + more) > slots:
            slots *= 4 if slots < MANY else 2
        return slots

    def reserve(self, more: int) -> None:
        """Make room for ``more`` new keys."""
        slots = self._needed(more)
        if slots == len(self._keys):
            return
        keys, numbers = self._keys, self._numbers
        self._keys, self._numbers = np.zeros(slots, np.uint64), np.zeros(slots, np.int32)
        for start in range(0, len(keys), BLOCK):
            held = start + np.flatnonzero(keys[start : start + BLOCK])
            seats, _ = self._settle(keys[held])
            self._numbers[seats] = numbers[held]


class Pool:
    """Different Python objects of one sort, by number."""

    def __init__(self) -> None:
        self._number: defaultdict[Any, int] = defaultdict()
        self._number.default_factory = self._number.__len__  # the next number
        self._objects = Column(np.zeros(0, object))
        self._bytes = self._longest = 0

    @property
    def nbytes(self) -> int:
        """Bytes in use: the objects, and about a hundred for each one's place in two tables."""
        return self._bytes + 100 * len(self._number)

    @property
    def largest(self) -> int:
        """What a new object may take: operators join two at most, as a rule."""
        return 2 * self._longest + 100

    def intern(self, values: NDArray[Any]) -> NDArray[np.int32]:
        """The number of each object."""
        number, known = self._number, len(self._number)
        flat = list(map(number.__getitem__, values.ravel().tolist()))
        if len(number) > known:
            fresh = list(number)[known:] if known * 2 < len(number) else _last(number, len(number) - known)
            more = np.empty(len(fresh), object)
            more[:] = fresh
            self._objects.extend(more)
            sizes = list(map(sys.getsizeof, fresh))
            self._bytes += sum(sizes)
            self._longest = max(self._longest, *sizes)
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
    """The rows of one nonterminal: ``words`` (rows, examples[, width]) are values, or their numbers in ``pool``.

    ``spare``: with room for some more examples.
    """

    def __init__(self, sort: Sort, pool: Pool | None, shape: tuple[int, ...], most: int, *, spare: bool = True) -> None:
        self.sort, self.pool, self._most = sort, pool, most
        self._examples, self._spare = shape[0], spare
        dtype = np.int32 if pool is not None else sort.dtype
        self._words = Column(np.zeros((0, self._capacity(), *shape[1:]), dtype), most)
        self._numbering = Numbering()
        self._origin = Column(np.zeros((0, 3), np.int32), most)  # cost, block, member of the cheapest known candidate
        self.levels: dict[int, Column] = defaultdict(lambda: Column(np.zeros(0, np.int32), most))

    def __len__(self) -> int:
        return len(self._origin)

    @property
    def words(self) -> NDArray[Any]:
        """(rows, examples): the values as they are stored, numbers of a pool's objects where there is one."""
        return self._words.array[:, : self._examples]

    @property
    def values(self) -> NDArray[Any]:
        """(rows, examples) or, for a positional sort, (rows, examples, width); a copy where a pool holds them."""
        return self.words if self.pool is None else self.pool.objects(self.words)

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
        width = math.prod(self._words.array.shape[1:]) * self.words.itemsize
        return more * (width + 16) + self._numbering.growth(more)

    def number(self, keys: NDArray[np.uint64]) -> tuple[Rows, Rows]:
        """A slot for each key and the places of new ones, which must be given to ``append`` next."""
        return self._numbering.number(keys)

    def rows(self, slots: Rows) -> NDArray[np.int32]:
        """The rows of slots."""
        return self._numbering.numbers(slots)

    def append(self, words: NDArray[Any], origin: NDArray[np.int32]) -> None:
        """Add the rows just numbered."""
        rows = np.arange(len(self), len(self) + len(words), dtype=np.int32)
        self._words.extend(words)
        self._origin.extend(origin)
        for cost in np.bincount(origin[:, 0]).nonzero()[0]:
            self.levels[int(cost)].extend(rows[origin[:, 0] == cost])

    def cheapen(self, row: int, origin: tuple[int, int, int]) -> None:
        """Note a cheaper candidate for a row."""
        self.origin[row] = origin
        self.levels[origin[0]].extend(np.array([row], np.int32))

    def lookup(self, keys: NDArray[np.uint64]) -> Rows:
        """The row of each key, -1 where there is none."""
        return self._numbering.lookup(keys)

    def refine(self, words: NDArray[Any]) -> None:
        """Give every row more values; new keys (``renumber``) must follow."""
        known, needed = self._examples, self._examples + words.shape[1]
        if needed > self._words.array.shape[1]:
            old, tail = self.words, words.shape[2:]
            self._examples = needed
            self._words = Column(np.empty((0, self._capacity(), *tail), words.dtype), self._most)
            self._words.extend(old)
        self._words.array[:, known:needed] = words
        self._examples = needed

    def _capacity(self) -> int:
        """For how many examples there is room, so that not every new one moves all values."""
        return self._examples + max(2, self._examples // 4) * self._spare

    def renumber(self, keys: NDArray[np.uint64]) -> None:
        """Give every row a new key."""
        self._numbering = Numbering()
        self._numbering.reserve(len(keys))
        for start in range(0, len(keys), BLOCK):
            self._numbering.number(keys[start : start + BLOCK])
        assert len(self._numbering) == len(keys), "two behaviours share a key; use another seed"

    def widen(self, width: int) -> None:
        """Pad positional values to ``width`` positions."""
        if self.words.ndim == 3 and width > self.words.shape[2]:
            padding = ((0, 0), (0, 0), (0, width - self.words.shape[2]))
            self._words = Column(np.pad(self.words, padding), self._most)
