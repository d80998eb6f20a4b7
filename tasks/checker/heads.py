"""What the heads of an attention answer, every distinct answer made once.

A head sees of a row one ball of keys and one of values. What it answers to a query depends on how often it sees each
score with each value; of keys that surely score so far below another one that they fade, on their number alone.
"""

from __future__ import annotations

from math import floor, inf

from flint import arb

from tasks.checker.arithmetic import LIMIT, Arithmetic, Faint, Row, length
from tasks.checker.balls import Balls, above
from tasks.checker.network import Heads

FADED, COARSE = 64, 16  # how far below another one a score fades; where balls are coarse
MOST_BELOW = 200  # that it is said to lie below, in whole numbers
MOST = float(LIMIT)  # from where on floats are too coarse to tell scores apart


class Set:
    """How often a head sees each key: sorted numbers, and its ``answers`` to queries; ``grown``: with one key more."""

    __slots__ = ("answers", "grown", "keys")

    def __init__(self, keys: tuple[int, ...]) -> None:
        self.keys = keys
        self.answers: dict[int, int] = {}
        self.grown: dict[int, Set] = {}


class _Scores:
    """What one query gives to each key: the ends of its score, what its size is below, and what it adds.

    The latter is a score and a value: keys with equal ones are one. No key fades whose score or value may not be
    finite, or whose score may be as large as LIMIT, as it may where real numbers are meant.
    """

    def __init__(self, grain: int | None) -> None:
        self.balls, self.pairs = Balls(grain), list[tuple[int, int]]()
        self.of: dict[int, tuple[float, float, float, int]] = {}
        self._pair: dict[tuple[int, int], int] = {}

    def add(self, key: int, score: arb, value: int, is_finite: bool) -> None:
        """One more ``key``, its score and the number of its value, and whether that is known to be finite."""
        number = self.balls.number([score])
        (score,) = self.balls.rows[number]
        pair = self._pair.setdefault((number, value), len(self.pairs))
        if pair == len(self.pairs):
            self.pairs.append((number, value))
        size = above(score)
        ends = (float(score.lower()), float(score.upper())) if is_finite and size < MOST else (-inf, inf)
        self.of[key] = *ends, size if size < inf else 0.0, pair


class Head:
    """One head of an attention, and what it answers to queries about sets of keys."""

    def __init__(self, a: Arithmetic, heads: Heads, sink: arb | None, grain: int | None) -> None:
        self._a, self._heads, self._sink, self._grain = a, heads, sink, grain
        self.query: list[int] = []  # per row of the stage
        self.key: list[int] = []
        self.answers = Balls(grain)
        self.nothing = Set(())
        self._queries, self._keys, self._values = Balls(grain), Balls(grain), Balls(grain)
        self._value: list[int] = []  # per key
        self._reach: list[float] = []  # what its value is below; 0 where that may not be finite
        self._is_known: list[bool] = []  # whether that is
        self._length: list[arb] = []
        self._size: list[arb] = []  # per value, of its largest entry
        self._fading = FADED if grain is None else COARSE
        self._scores: list[_Scores] = []  # per query
        self._sets: dict[tuple[int, ...], Set] = {(): self.nothing}
        self._known: dict[tuple[int, int, float, float, int, tuple[int, ...]], int] = {}
        self._spared: dict[tuple[float, int], float] = {}
        self.held = 0  # entries of tables, about

    def add(self, query: Row, key: Row, value: Row) -> None:
        """One more row of the stage."""
        self.query.append(self._queries.number(query))
        while len(self._scores) < len(self._queries.rows):
            self._scores.append(_Scores(self._grain))
        of_value = self._values.number(value)
        if len(self._size) < len(self._values.rows):
            self._size.append(max(v.abs_upper() for v in self._values.rows[-1]))
        self.key.append(self._keys.number(key, of_value))
        if len(self._value) < len(self._keys.rows):
            self._value.append(of_value)
            reach = max(above(v) for v in self._values.rows[of_value])
            self._reach.append(reach if reach < inf else 0.0)
            self._is_known.append(reach < inf)
            self._length.append(length(self._keys.rows[-1]))

    def seen(self, rows: list[int]) -> Set:
        """The set of keys of these rows."""
        return self._set(tuple(sorted([self.key[row] for row in rows])))

    def grown(self, seen: Set, row: int) -> Set:
        """The set with the key of one ``row`` more."""
        key = self.key[row]
        found = seen.grown.get(key)
        if found is None:
            found = seen.grown[key] = self._set(tuple(sorted((*seen.keys, key))))
        return found

    def _set(self, keys: tuple[int, ...]) -> Set:
        found = self._sets.get(keys)
        if found is None:
            found = self._sets[keys] = Set(keys)
            self.held += 2 * len(keys) + 8
        return found

    def answer(self, row: int, seen: Set) -> int:
        """The number of what ``row`` is given of the rows that it sees."""
        query = self.query[row]
        found = seen.answers.get(query)
        if found is None:
            found = seen.answers[query] = self._answer(query, seen.keys)
        return found

    def _answer(self, query: int, keys: tuple[int, ...]) -> int:
        """Where softmax weighs: keys that surely score so far below the largest that they fade are only counted."""
        scores, size, reach, below = self._scored(query, keys), 0.0, 0.0, 0
        adds, count = [scores.of[key] for key in keys], len(keys)
        if not self._heads.projects:
            size, reach = max([one[2] for one in adds]), max([self._reach[key] for key in keys])
            best = max([one[0] for one in adds]) - self._spare(size, count)
            least = best - self._fading
            faint = [one[1] for one in adds if one[1] <= least]
            if faint:
                below, adds = min(floor(best - max(faint)), MOST_BELOW), [one for one in adds if one[1] > least]
        about = query, count, size, reach, below, tuple(sorted([one[3] for one in adds]))
        found = self._known.get(about)
        if found is None:
            row = self._made(scores, *about[1:])
            found = self._known[about] = self.answers.number(row)
            self.held += len(row) + len(adds)
        return found

    def _made(self, scores: _Scores, count: int, size: float, reach: float, below: int, adds: tuple[int, ...]) -> Row:
        pairs = [scores.pairs[n] for n in adds]
        z, values = [scores.balls.rows[n][0] for n, _ in pairs], [self._values.rows[n] for _, n in pairs]
        if self._heads.projects:
            return self._a.share(z, values)
        faint = Faint(count - len(z), arb(below), arb(reach))
        return self._a.average(z, values, self._sink, arb(size), faint, [self._size[n] for _, n in pairs])

    def _scored(self, query: int, keys: tuple[int, ...]) -> _Scores:
        """What ``query`` gives to these keys, among others."""
        scores = self._scores[query]
        new = [key for key in dict.fromkeys(keys) if key not in scores.of]
        if new:
            rows = [self._keys.rows[key] for key in new]
            lengths = [self._length[key] for key in new]
            found = self._a.scores(self._queries.rows[query], rows, self._heads.scale, lengths)
            for key, score in zip(new, found, strict=True):
                scores.add(key, score, self._value[key], self._is_known[key])
            self.held += len(new)
        return scores

    def _spare(self, size: float, count: int) -> float:
        """How much more than its ball an execution may move the difference of two of ``count`` scores below ``size``.

        And what the difference of two floats may lose, below 2**40 as they are.
        """
        found = self._spared.get((size, count))
        if found is None:
            keys, largest = count, arb(size)
            if self._sink is not None:
                keys, largest = count + 1, max(largest, abs(self._sink))
            found = self._spared[size, count] = above(2 * self._a.drift(2 * largest, keys)) + 2.0**-10
        return found
