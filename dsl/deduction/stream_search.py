"""From examples of a stream to a loop: linear recurrences by solving, everything else from the leaves up.

Examples are whole streams, an answer at every step, so ten streams of ten steps are a hundred equations. A recurrence
``y[t] = sum a_k y[t-k] + sum b_k x[t-k] + c`` with whole coefficients is solved for by least squares, rounded, and held
to every example. Other streams are built by cost (``dsl.grammars.streams``), one for each behaviour on the examples;
a flag is also read off any stream that a number compares with as the flag says, and two flags that hold wherever the
answer does are looked for whose conjunction is the answer.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial, reduce
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dsl.grammars.comparisons import LESS
from dsl.grammars.motifs import EQUAL, GREATER, MINUS, PLUS, at_least, times
from dsl.grammars.positions import ABSOLUTE, GREATEST, LEAST, PRODUCT, divided, modulo
from dsl.grammars.streams import (
    Division,
    Earlier,
    Held,
    Input,
    Latest,
    Loop,
    Pointwise,
    Running,
    Series,
    Since,
    divisions,
    earlier,
    held,
    latest,
    loop_of,
    number,
    one_of,
    running,
    since,
    values,
)
from dsl.operators import INT, Operator, Term
from dsl.scalars import variable
from dsl.theories.theory import literal

Ints = NDArray[np.int64]
LARGEST = 2**40  # of a stream's numbers
MOST = 600_000  # streams that are kept
FLAGS, FEW_PAIRS = 4000, 50  # flags of which pairs are looked at; pairs of which one is chosen
ORDERS, DELAYS, BESIDE = (
    4,
    7,
    3,
)  # of a linear recurrence: outputs and inputs that are remembered, inputs beside outputs
LARGEST_COEFFICIENT = 64
SPARE = 3  # steps beyond those that a recurrence looks back
FEW_VALUES, FEW_COMPARED, FEW_COUNTED = 64, 20, 6  # of an input, for a set that is read off; compared; counted
DEEPEST, SHALLOW, CHUNK = 10, 2, 8_000  # costs; streams that are made at once
COMPARED = 2  # cost of a comparison with a number
LARGEST_DIVISOR = 40


@dataclass(frozen=True)
class Examples:
    """Numbers x (streams, T, inputs) of which each is from ``low`` to ``high``, and answers y (streams, T)."""

    x: Ints
    y: Ints
    low: int
    high: int


def linear_loop(examples: Examples) -> Loop | None:
    """The linear recurrence with the least to read that gives every answer; None where none does."""
    inputs = examples.x.shape[2]
    found = list[Loop]()
    shapes = [(0, delays) for delays in range(DELAYS + 1)] + [
        (k, d) for k in range(1, ORDERS + 1) for d in range(BESIDE + 1)
    ]
    for outputs, delays in shapes:
        if examples.x.shape[1] < outputs + delays + SPARE:
            continue
        columns = _delayed(examples.x, range(delays + 1)) + _delayed(examples.y[..., None], range(1, outputs + 1))
        rows = np.stack([*columns, np.ones_like(examples.y)], axis=-1).reshape(-1, len(columns) + 1)
        solved = np.linalg.lstsq(rows.astype(np.float64), examples.y.ravel().astype(np.float64), rcond=None)[0]
        whole = np.round(solved).astype(np.int64)
        if np.abs(solved).max() > LARGEST_COEFFICIENT or (rows @ whole != examples.y.ravel()).any():
            continue
        into, back = whole[: inputs * (delays + 1)].reshape(delays + 1, inputs), whole[inputs * (delays + 1) : -1]
        found.append(_recurrence(into, back, int(whole[-1])))
    return min(found, key=lambda loop: loop.size, default=None)


def _delayed(x: Ints, steps: Sequence[int]) -> list[Ints]:
    return [
        np.concatenate([np.zeros_like(x[:, :k, n]), x[:, : x.shape[1] - k, n]], axis=1)
        for k in steps
        for n in range(x.shape[2])
    ]


def _recurrence(into: Ints, back: Ints, constant: int) -> Loop:
    """``y[t] = into . x[t], x[t-1], ... + back . y[t-1], ... + constant`` as a loop."""
    delays, inputs = len(into) - 1, into.shape[1]
    parts: Series = _sum(
        [(int(into[k, n]), _ago(Input(n), k)) for k, n in product(range(delays + 1), range(inputs))], constant
    )
    if not len(back):
        return loop_of(parts, inputs)
    if back.tolist() == [1]:
        return loop_of(Running(parts, PLUS), inputs)
    found = loop_of(Running(parts, PLUS), inputs)  # its first state is the answer, once it is told what else is added
    names = ("now", *(f"ago_{k}" for k in range(1, len(back))))
    kept = [(name, update) for name, update in zip(found.names, found.updates, strict=True)]
    total = next(n for n, (name, _) in enumerate(kept) if name == "total")
    added = kept[total][1].arguments[1]
    terms = [(int(a), variable(name, INT)()) for a, name in zip(back, names, strict=True)]
    update = _summed([*terms, (1, added)])
    rest = [(name, term) for name, term in kept if name != "total"]
    states = (*((name, 0) for name in names), *((name, 0) for name, _ in rest))
    updates = (update, *(variable(name, INT)() for name in names[:-1]), *(term for _, term in rest))
    return Loop(inputs, states, updates, variable("now", INT)())


def commonest(low: int, high: int) -> Series:
    """The number that was most frequent so far, the least of several."""
    counts = [Running(Pointwise(EQUAL, (Input(0), number(n))), PLUS) for n in range(low, high + 1)]
    above: Series = number(0)  # by how much it is above the least number from which on it is looked for
    for n in reversed(range(len(counts) - 1)):
        most: Series = counts[n + 1]
        for other in counts[n + 2 :]:
            most = Pointwise(GREATEST, (most, other))
        is_later = Pointwise(GREATER, (most, counts[n]))
        more: Series = number(1) if n == len(counts) - 2 else Pointwise(PLUS, (number(1), above))
        above = is_later if n == len(counts) - 2 else Pointwise(PRODUCT, (is_later, more))
    return above if low == 0 else Pointwise(PLUS, (above, number(low)))


def _ago(series: Series, steps: int) -> Series:
    for _ in range(steps):
        series = Earlier(series)
    return series


def _sum(parts: Sequence[tuple[int, Series]], constant: int) -> Series:
    """Multiples of streams and a constant, added up."""
    found: Series | None = None
    if constant and all(factor <= 0 for factor, _ in parts):  # 1 - x, not 0 - x + 1
        found, constant = number(constant), 0
    for factor, part in sorted((p for p in parts if p[0]), key=lambda p: p[0] < 0):
        size = part if abs(factor) == 1 else Pointwise(times(abs(factor)), (part,))
        if found is None:
            found = size if factor > 0 else Pointwise(MINUS, (number(0), size))
        else:
            found = Pointwise(PLUS if factor > 0 else MINUS, (found, size))
    if found is None:
        return number(constant)
    if constant:
        found = Pointwise(PLUS if constant > 0 else MINUS, (found, number(abs(constant))))
    return found


def _summed(parts: Sequence[tuple[int, Term]]) -> Term:
    found: Term | None = None
    for factor, part in sorted((p for p in parts if p[0]), key=lambda p: p[0] < 0):
        size = part if abs(factor) == 1 else times(abs(factor))(part)
        if found is None:
            found = size if factor > 0 else MINUS(literal(0, INT)(), size)
        else:
            found = (PLUS if factor > 0 else MINUS)(found, size)
    return literal(0, INT)() if found is None else found


# --- from the leaves up -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Unary:
    """A way to make one stream of another: its cost, its values of (..., T) values, the series it is, and of which."""

    cost: int
    values: Callable[[Ints], Any]
    series: Callable[[Series], Series]
    deepest: int = DEEPEST  # cost of the stream
    is_late: bool = False  # made after all others of a cost, so that what these say is said by them


@dataclass(frozen=True)
class Binary:
    """A way to make one stream of two: values of both, the series it is; ``is_of_flag``: the second is 0 or 1."""

    values: Callable[[Ints, Ints], Any]
    series: Callable[[Series, Series], Series]
    is_commutative: bool = False
    is_of_flag: bool = False
    deepest: int = DEEPEST  # cost of both streams

    @classmethod
    def of(cls, operator: Operator) -> Binary:
        """The operator at each step."""
        return cls(
            partial(operator.numpy, None), lambda s, t: Pointwise(operator, (s, t)), is_commutative=operator.commutative
        )


Origin = tuple[int, int, int, int, int]  # the way, and level and row of each argument
Origins = Callable[[list[int]], list[Origin]]  # of some rows of what was made together


def _unary_origins(way: int, level: int, begin: int, rows: list[int]) -> list[Origin]:
    return [(way, level, begin + row, 0, 0) for row in rows]


def _binary_origins(way: int, left: int, begin: int, right: int, others: list[int], rows: list[int]) -> list[Origin]:
    return [(way, left, begin + row // len(others), right, others[row % len(others)]) for row in rows]


@dataclass
class Level:
    """Streams of one cost: values (count, streams, T), and for each the way and the arguments that made it."""

    values: Ints
    origin: Ints  # (count, 5): way, level and row of each argument


class Search:
    """Streams by cost, one for each behaviour on the examples."""

    def __init__(self, examples: Examples, seconds: float) -> None:
        self.examples = examples
        self.deadline = time.perf_counter() + seconds
        self.shape = examples.y.shape
        self.keys = np.random.default_rng(0).integers(1, 2**62, examples.y.size, dtype=np.int64) * 2 + 1
        self.known: set[int] = set()
        self.levels: list[Level] = []
        self.leaves = list(self._leaves())
        self.unary = list(self._unary())
        self.binary = [
            *map(Binary.of, (PLUS, MINUS, LEAST, GREATEST, EQUAL, GREATER, PRODUCT)),
            Binary(since, Since, is_of_flag=True, deepest=SHALLOW + 3),
            Binary(latest, Latest, is_of_flag=True, deepest=SHALLOW + 3),
        ]
        self.count = self.made = 0

    def _leaves(self) -> Iterator[Series]:
        inputs = self.examples.x.shape[2]
        yield from (Input(n) for n in range(inputs))
        ends = (int(self.examples.y.min()), int(self.examples.y.max()))
        yield from (number(n) for n in dict.fromkeys((1, 2, 0, *ends)))
        if (self.examples.low, self.examples.high) == (0, 1):
            yield from (
                Pointwise(MINUS, (number(1), Pointwise(times(2), (Input(n),)))) for n in range(inputs)
            )  # a sign
        if inputs == 1 and 2 <= self.examples.high - self.examples.low < FEW_COUNTED:
            yield commonest(self.examples.low, self.examples.high)

    def moduli(self) -> Iterator[tuple[int, int]]:
        """Divisors, and the most that a stream costs to which they are applied: what numbers suggest, and others."""
        examples, span = self.examples, self.examples.high - self.examples.low + 1
        suggested = {2, span, span - 1, int(examples.y.max()) + 1}
        for m in sorted({2, 3, 4, 5, 6, 7, 8} | {m for m in suggested if 2 <= m <= LARGEST_DIVISOR}):
            yield m, DEEPEST if m in suggested else SHALLOW

    def _bounds(self) -> list[tuple[int | None, int | None]]:
        """Between which numbers a running sum may be held: what the answers suggest."""
        low, high = int(self.examples.y.min()), int(self.examples.y.max())
        return list(dict.fromkeys(((0, None), (low, None), (None, high), (0, high), (low, high))))

    def _unary(self) -> Iterator[Unary]:
        def pointwise(operator: Operator, cost: int, deepest: int = DEEPEST, *, is_late: bool = False) -> Unary:
            return Unary(cost, lambda v: operator.numpy(None, v), lambda s: Pointwise(operator, (s,)), deepest, is_late)

        yield Unary(1, earlier, Earlier)
        yield Unary(1, lambda v: running(PLUS, 0, v), lambda s: Running(s, PLUS))
        for operator, starts in ((GREATEST, {0, self.examples.low}), (LEAST, {0, self.examples.high})):
            for start in sorted(starts):
                yield Unary(1, partial(running, operator, start), partial(_running, operator, start))
        if (self.examples.low, self.examples.high) == (0, 1):
            yield Unary(1, lambda v: 2 * v - 1, lambda s: Pointwise(MINUS, (Pointwise(times(2), (s,)), number(1))), 1)
        if 2 < self.examples.high - self.examples.low < FEW_COMPARED:
            for bound in range(self.examples.low, self.examples.high):
                yield Unary(2, partial(_above, bound), partial(_is_above, bound), 1)
        yield pointwise(ABSOLUTE, 1)
        yield pointwise(times(2), 1)
        for m, deepest in self.moduli():
            if deepest < DEEPEST:
                continue
            yield self._divided(Division(Input(0), 1, m, "rest", "rest"), 1, deepest)  # keeps less than a sum modulo m
            yield pointwise(modulo(m), 1, deepest, is_late=True)
        for m in (2, 3):
            yield pointwise(divided(m), 1, SHALLOW + 1, is_late=True)
        for bound in (1, 2, 3):
            yield pointwise(at_least(bound), 1, DEEPEST if bound == 1 else SHALLOW + 3, is_late=bound > 1)
        for width in range(2, 5):
            yield Unary(2, partial(_window, np.add, width), partial(_windowed, width), SHALLOW + 3)
            for operator, joined in ((GREATEST, np.maximum), (LEAST, np.minimum)):
                yield Unary(2, partial(_window, joined, width), partial(_joined, operator, width), SHALLOW + 1)
        for low, high in self._bounds():
            make = partial(Held, low=low, high=high)
            yield Unary(1, partial(held, low, high), make, SHALLOW + 3, is_late=True)
        for (m, deepest), (factor, keeps, gives) in product(
            self.moduli(), ((1, "part", "rest"), (1, "rest", "part"), (2, "rest", "part"), (2, "rest", "rest"))
        ):
            most = min(deepest, SHALLOW + 1)
            yield self._divided(Division(Input(0), factor, m, keeps, gives), 2, most)  # type: ignore[arg-type]

    @staticmethod
    def _divided(kind: Division, cost: int, deepest: int) -> Unary:
        return Unary(cost, lambda v: divisions(kind, v), lambda s: replace(kind, of=s), deepest, is_late=True)

    # --- growing ------------------------------------------------------------------------------------------------

    def found(self) -> Series | None:
        """Of the cheapest series with the answers of the examples that with the least to read; None at the limits."""
        leaves = np.stack([values(leaf, self.examples.x) for leaf in self.leaves]).astype(np.int64)
        self.levels.append(Level(np.zeros((0, *self.shape), np.int64), np.zeros((0, 5), np.int64)))  # nothing costs 0
        made: Iterable[tuple[Ints, Origins]] = [(leaves, lambda fresh: [(-1 - n, 0, 0, 0, 0) for n in fresh])]
        for cost in range(2, DEEPEST + 2):
            hits = self._add(made)
            if hits:
                inputs = self.examples.x.shape[2]
                return min(map(self._of, hits), key=lambda series: loop_of(series, inputs).size)
            flag = self._flag(cost - 1)
            if flag is not None or self._is_over():
                return flag
            made = self._made(cost)
        return None

    def _made(self, cost: int) -> Iterator[tuple[Ints, Origins]]:
        yield from self._of_one(cost, is_late=False)
        yield from self._of_two(cost)
        yield from self._of_one(cost, is_late=True)

    def _of_one(self, cost: int, *, is_late: bool) -> Iterator[tuple[Ints, Origins]]:
        for way, unary in enumerate(self.unary):
            level = cost - unary.cost
            if unary.is_late != is_late or not 1 <= level < min(len(self.levels), unary.deepest + 1):
                continue
            streams = self.levels[level].values
            for begin in range(0, len(streams), CHUNK):
                made = np.asarray(unary.values(streams[begin : begin + CHUNK]), np.int64)
                yield made, partial(_unary_origins, way, level, begin)

    def _of_two(self, cost: int) -> Iterator[tuple[Ints, Origins]]:
        for way, binary in enumerate(self.binary, len(self.unary)):
            for left in range(1, cost - 1 if cost <= binary.deepest + 1 else 0):
                right = cost - 1 - left
                if right < len(self.levels) and not (binary.is_commutative and left > right):
                    yield from self._pairs(way, binary, left, right)

    def _pairs(self, way: int, binary: Binary, left: int, right: int) -> Iterator[tuple[Ints, Origins]]:
        one, other = self.levels[left].values, self.levels[right].values
        others = np.arange(len(other))
        if binary.is_of_flag:
            others = np.flatnonzero(((other == 0) | (other == 1)).reshape(len(other), -1).all(axis=1))
        step = max(1, CHUNK // max(1, len(others)))
        for begin in range(0, len(one) if len(others) else 0, step):
            made = np.asarray(binary.values(one[begin : begin + step, None], other[others][None]), np.int64)
            yield (
                made.reshape(-1, *self.shape),
                partial(_binary_origins, way, left, begin, right, others.tolist()),
            )

    def _add(self, parts: Iterable[tuple[Ints, Origins]]) -> list[Origin]:
        """One more level; the origins of streams of it that give the answers.

        After the first of these only others are looked for, among as many streams as were made before it.
        """
        kept, origins, target, count = list[Ints](), list[Ints](), int(self._key(self.examples.y[None])[0]), 0
        hits, more = list[Origin](), 0
        for made, rows in parts:
            keys = self._key(made)
            same = [
                row for row in np.flatnonzero(keys == target).tolist() if np.array_equal(made[row], self.examples.y)
            ]
            hits += rows(same)
            if hits:
                more += len(made)
                if more > self.made or self._is_over():
                    break
                continue
            self.made += len(made)
            usable = np.asarray((np.abs(made) < LARGEST).reshape(len(made), -1).all(axis=1))
            fresh = []
            for row, key in enumerate(keys.tolist()):
                if usable[row] and key not in self.known:
                    self.known.add(key)
                    fresh.append(row)
            kept.append(made[fresh])
            origins.append(np.array(rows(fresh), np.int64).reshape(len(fresh), 5))
            count += len(fresh)
            if self._is_over(count):
                break
        self.count += count
        empty = np.zeros((0, *self.shape), np.int64)
        self.levels.append(
            Level(np.concatenate([empty, *kept]), np.concatenate([np.zeros((0, 5), np.int64), *origins]))
        )
        return hits

    def _is_over(self, more: int = 0) -> bool:
        return time.perf_counter() > self.deadline or self.count + more > MOST

    def _key(self, made: Ints) -> Ints:
        with np.errstate(over="ignore"):
            mixed = made.reshape(len(made), -1).astype(np.int64)
            keys: Ints = (mixed * self.keys).sum(axis=1) ^ ((mixed + 7) * (mixed + 3) * self.keys[::-1]).sum(axis=1)
        return keys

    def _flag(self, last: int) -> Series | None:
        """A comparison with a number, a set of numbers, or two flags: of these what costs less."""
        cost, both = self._conjunction() or (last, None)
        most = last if self._is_over() else min(last, max(last, cost) - COMPARED)
        for level in range(max(1, last - COMPARED), most + 1):
            found = self._comparison(level)
            if found is not None:
                return found
        return (self._membership() if last > COMPARED + 1 else None) or both

    def _comparison(self, number_of: int) -> Series | None:
        """A stream of a level and a number that compare as the answer says."""
        level, ones = self.levels[number_of].values, self.examples.y == 1
        if not np.isin(self.examples.y, (0, 1)).all() or ones.all() or not ones.any() or not len(level):
            return None
        one, other = level[:, ones], level[:, ~ones]
        ways = (
            (GREATER, one.min(axis=1) > other.max(axis=1), other.max(axis=1)),
            (LESS, one.max(axis=1) < other.min(axis=1), other.min(axis=1)),
            (EQUAL, (one == one[:, :1]).all(axis=1) & (other != one[:, :1]).all(axis=1), one[:, 0]),
        )
        rows = [(int(fits.argmax()), operator, bounds) for operator, fits, bounds in ways if fits.any()]
        if not rows:
            return None
        row, operator, bounds = min(rows, key=lambda found: found[0])
        return Pointwise(operator, (self.series(number_of, row), number(int(bounds[row]))))

    def _membership(self) -> Series | None:
        """A number of the step that is one of some where the answer is 1."""
        x, ones = self.examples.x, self.examples.y == 1
        if not np.isin(self.examples.y, (0, 1)).all() or self.examples.high - self.examples.low >= FEW_VALUES:
            return None
        for n in range(x.shape[2]):
            members = np.unique(x[ones, n])
            if len(members) and not np.isin(x[~ones, n], members).any():
                return Pointwise(one_of(tuple(map(int, members))), (Input(n),))
        return None

    def _conjunction(self) -> tuple[int, Series] | None:
        """Two flags whose conjunction is the answer, with the least to read of those that cost least; and that cost."""
        y = self.examples.y
        if not np.isin(y, (0, 1)).all() or not y.any():
            return None
        places, extra = list[tuple[int, int]](), list[NDArray[np.bool_]]()
        for number_of, level in enumerate(self.levels):
            if not len(level.origin):
                continue
            are_flags = ((level.values == 0) | (level.values == 1)).reshape(len(level.values), -1).all(axis=1)
            holds = (level.values >= y).reshape(len(level.values), -1).all(axis=1)
            for row in np.flatnonzero(are_flags & holds)[: FLAGS - len(places)]:
                places.append((number_of, int(row)))
                extra.append((level.values[row] > y).ravel())
        if len(places) < 2:
            return None
        both = np.array(extra, np.float32)
        overlap = both @ both.T
        pairs = np.argwhere(np.triu(overlap == 0, 1))
        if not len(pairs):
            return None
        costs = np.array([level for level, _ in places])[pairs].sum(axis=1)
        found = [
            Pointwise(PRODUCT, (self.series(*places[one]), self.series(*places[other])))
            for one, other in pairs[costs == costs.min()][:FEW_PAIRS].tolist()
        ]
        inputs = self.examples.x.shape[2]
        return int(costs.min()) + 1, min(found, key=lambda series: loop_of(series, inputs).size)

    def series(self, level: int, row: int) -> Series:
        """The series of a place."""
        return self._of(tuple(map(int, self.levels[level].origin[row])))  # type: ignore[arg-type]

    def _of(self, origin: Origin) -> Series:
        """The series of an origin."""
        way, first, at, second, other = origin
        if way < 0:
            return self.leaves[-1 - way]
        if way < len(self.unary):
            return self.unary[way].series(self.series(first, at))
        return self.binary[way - len(self.unary)].series(self.series(first, at), self.series(second, other))


def _running(operator: Operator, start: int, of: Series) -> Series:
    return Running(of, operator, start)


def _above(bound: int, v: Ints) -> Ints:
    """Where numbers are larger."""
    return (v > bound).astype(np.int64)


def _is_above(bound: int, of: Series) -> Series:
    return Pointwise(GREATER, (of, number(bound)))


def _window(joined: Callable[[Ints, Ints], Ints], width: int, v: Ints) -> Ints:
    """The last ``width`` numbers together: their sum, the largest, the least."""
    found = v
    for _ in range(width - 1):
        v = earlier(v)
        found = joined(found, v)
    return found


def _joined(operator: Operator, width: int, of: Series) -> Series:
    return reduce(lambda found, ago: Pointwise(operator, (found, _ago(of, ago))), range(1, width), of)


def _windowed(width: int, of: Series) -> Series:
    return _sum([(1, _ago(of, k)) for k in range(width)], 0)


def searched_loop(examples: Examples, seconds: float) -> Loop | None:
    """A short loop that gives every answer of the examples; None where none was found in about ``seconds``."""
    linear = linear_loop(examples)
    if linear is not None and linear.size <= 4:
        return linear
    found = Search(examples, seconds if linear is None else min(seconds, 2.0)).found()
    others = [
        loop for loop in (linear, None if found is None else loop_of(found, examples.x.shape[2])) if loop is not None
    ]
    return min(others, key=lambda loop: loop.size, default=None)
