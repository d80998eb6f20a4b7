"""Rough bounds of logits: each row a point, and how far from it rows may be.

Where the least margin of many prompts is asked for, most have a far larger one, and need no sharp bound. A row is a
point ``x`` (of balls that are as narrow as the precision), and the row of every execution, like the real one, is within
the Euclidean distance ``r`` of it. Per step, with what ``Arithmetic`` says of each rounding:

    W x + b    |W| r, with the spectral norm; an execution errs by a share of (sizes of W) (|x| + r), and of |b|
    x / S      S = sqrt(mean(x^2) + eps) moves by r / sqrt(n) at most, x / S by r over the least S that this allows
    GELU       has a slope below 1.15; a chord from point to point of a grid is off by h^2 / 8 times the bend at most
    softmax    weights known up to exp(+-d) move an average of points by at most exp(d) (exp(d) - 1) times their
               standard deviation (Cauchy and Schwarz); it moves with its points by the most that one of them does

Distances are floats. They are sums and products of numbers that are not negative, so that they err by a share of their
size, which UP makes good in the end, and DOWN where something is taken off. What underflow takes is far below TINY, as
no distance is above LIMIT, and TINY is what every affine map adds, where real numbers are meant, too. Only the rows of
one prompt are kept: prompts come in an order in which those that begin alike are neighbours. Of networks with other
steps, those that are not causal, and prompts with rows that may have large numbers, nothing is said here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, pairwise
from math import floor, inf, sqrt

from flint import arb, arb_mat, ctx

from tasks.checker.arithmetic import LIMIT, ONE, TINY, ZERO, Affine, Arithmetic, Row
from tasks.checker.narrow import Picked
from tasks.checker.network import Activated, Branch, Constant, Masked, Network, Normed, Prompt, Step

MOST = float(LIMIT)
DIGITS, HELD = 53, 4_000_000  # bits of the points; numbers that are kept of first rows, about
UP, DOWN = 1 + 2.0**-20, 1 - 2.0**-20  # for up to 2**32 roundings
GRID, WIDE = 1024, 16.0  # points of the grid to 1, on which GELU is tabulated, and how far
NARROW = arb(2) ** -7 / GRID**2  # of a row's square: half the square of what an entry is known up to is no more
SQUARED = 64  # the most rows or columns of a matrix whose spectral norm is found by squaring it
KINDS = ("relu", "gelu", "gelu_tanh", "silu", "tanh")
SLOPE, BEND = 1.15, 0.8  # of any of these, and the second derivative of GELU (``lines``)
Point = tuple[arb_mat, float, arb | None]  # (1, width), the distance, and the square of the length where it is known
REAL = Arithmetic(0.0)


class _UnknownError(Exception):
    """A network, or a prompt, of which nothing is said here."""


def _known(size: float) -> None:
    """Raises where an execution may have a number as large as LIMIT, or none: ``size`` is what none is above."""
    if not size < MOST:
        raise _UnknownError


@dataclass(frozen=True)
class Linear:
    """``x map + shift``: distances grow by ``stretch``; an execution errs by ``share`` (|x| + r) + ``own``.

    Where it is several maps, rows between them are no longer than ``inner`` (|x| + r) + ``least``.
    """

    map: arb_mat
    shift: arb_mat
    stretch: float
    share: float = 0.0
    own: float = 0.0
    inner: float = 0.0
    least: float = 0.0

    def __call__(self, a: Rounding, x: arb_mat, r: float, square: arb | None) -> Point:
        """The image of a point."""
        y, most = x * self.map + self.shift, _size(x, square) + r
        _known(self.inner * most + self.least)
        return y, self.stretch * r + self.share * most + self.own, None

    def then(self, other: Linear) -> Linear:
        """Both, one after the other."""
        both, grown, moved = self.map * other.map, self.stretch + self.share, _length(self.shift) + self.own
        return Linear(
            both,
            self.shift * other.map + other.shift,
            min(self.stretch * other.stretch, spectral(both)),
            other.stretch * self.share + other.share * grown,  # between them a row is no longer than
            other.stretch * self.own + other.share * moved + other.own,  # grown (|x| + r) + moved
            max(self.inner, grown, other.inner * grown),
            max(self.least, moved, other.inner * moved + other.least),
        )


@dataclass(frozen=True)
class Scaled:
    """``x / S`` of all ``width`` entries of a row, less their mean where ``centered``; gain and bias come behind it."""

    width: int
    eps: float
    centered: bool

    def __call__(self, a: Rounding, x: arb_mat, r: float, square: arb | None) -> Point:
        """The image of a point; no image is longer than sqrt(width). S^2 is off by what ``Arithmetic.norm`` says."""
        n, square = self.width, _square(x) if square is None else square
        size = _root(square)
        off = a.gamma(n + 8) * ((size + r) * (size + r) / n + self.eps)
        if self.centered:
            r, off = r + a.gamma(n + 4) * (size + r) + n * a.tiny, 4 * off
            x = x - arb_mat([[sum(x.entries(), ZERO) / n] * n])
            square = _square(x)
        whole = (square / n + self.eps).sqrt()
        least = float(whole.lower()) * DOWN - r * UP / sqrt(n)
        if not (least > 0 and off < least * least / 4):
            raise _UnknownError
        share = off / (least * least)  # as 1 / sqrt(1 - t) is at most 1 + t up to t = 1/2
        inverse = 1 / whole
        return x * inverse, r / least + sqrt(n) * (share + (1 + share) * a.gamma(16)), square * inverse * inverse


@dataclass(frozen=True)
class Bent:
    """An activation of this ``kind``, entry by entry."""

    kind: str

    def __call__(self, a: Rounding, x: arb_mat, r: float, square: arb | None) -> Point:
        """The image of a point."""
        entries, square = x.entries(), _square(x) if square is None else square
        off = SLOPE * r + a.gamma(16) * (_root(square) + r) + x.ncols() * a.tiny
        if self.kind == "gelu" and square.rad() < NARROW and all([-WIDE < float(v) < WIDE for v in entries]):
            chords = [_chord(floor(float(v) * GRID)) for v in entries]
            off += x.ncols() * BEND / 8 / GRID**2
            y = arb_mat([[start + slope * v for v, (start, slope) in zip(entries, chords, strict=True)]])
        else:
            y = arb_mat([REAL.activate(entries, self.kind)])
        return y, off, None


@lru_cache(1 << 16)
def _chord(n: int) -> tuple[arb, arb]:
    """The line through two neighbours of GELU's grid: its value at 0, and its slope."""
    x = arb(n) / GRID
    y, z = REAL.activate([x, arb(n + 1) / GRID], "gelu")
    slope = (z - y) * GRID
    return y - slope * x, slope


Way = Linear | Scaled | Bent


class _Gamma(dict[int, float]):
    """The relative error of so many roundings."""

    def __init__(self, u: float) -> None:
        super().__init__()
        self.u = u

    def __missing__(self, k: int) -> float:
        self[k] = k * self.u / (1 - k * self.u) if k * self.u < 0.5 else inf
        return self[k]


class Rounding:
    """What rounding may do, in floats, as ``Arithmetic`` has it."""

    def __init__(self, a: Arithmetic) -> None:
        self.is_real, self.is_small = a.is_real, a.is_small or a.is_real
        self.u, self.tiny = float(a.u), float(TINY)
        self.gamma = _Gamma(self.u).__getitem__

    def drift(self, sizes: float, count: int) -> float:
        """How far an execution's exponent of one of ``count`` keys may lie from its score less the largest."""
        return self.gamma(4) * sizes + self.gamma(16 * (1 + count // 16))


class _Seen:
    """A row where heads see it: per head key and value; the queries where they are asked for."""

    def __init__(self, row: Point, heads: Sequence[_Head], a: Rounding) -> None:
        self.row, self.parts, self.queries = row, list[tuple[arb_mat, arb_mat]](), list[Point]()
        self.most: list[tuple[float, ...]] = []  # of key and value: distances, and lengths
        self.weighed: list[dict[int, arb_mat]] = [{} for _ in heads]
        for head in heads:
            (key, off, _), (value, far, _) = head.key(a, *row), head.value(a, *row)
            square = _square(value)
            self.parts.append((key.transpose(), arb_mat([[ONE, *value.entries(), square]])))
            self.most.append((off, far, _size(key, None) + off, _root(square) + far))


@dataclass(frozen=True)
class _Head:
    """Maps of a row to query, with the scale in it, key and value; and of the answer to what is added to the row.

    Each of the former ends in a choice of entries, so that it looks at those that it chooses from.
    ``out`` takes 1 before the answer, and a number behind it, and has no use of them.
    """

    query: Linear
    key: Linear
    value: Linear
    sink: tuple[arb, float] | None  # its exponential, and its size
    out: arb_mat

    def answer(
        self, a: Rounding, h: int, own: _Seen, seen: Sequence[_Seen], most: tuple[float, ...]
    ) -> tuple[arb_mat, float]:
        """What ``own`` is given by those ``seen``, and how far that may be off; ``most``: of those.

        The head is that of number ``h``.
        """
        (query, off, _), known = own.queries[h], own.weighed[h]
        found = []
        for one in seen:
            term = known.get(id(one))
            if term is None:
                column, value = one.parts[h]
                term = known[id(one)] = value * (query * column)[0, 0].exp()
            found.append(term)
        sums, count, size = sum(found[1:], found[0]), len(seen), _size(query, None)
        width, (far, moved, reach, longest) = sums.ncols() - 2, most
        ones, squares, largest = sums[0, 0], sums[0, width + 1], (size + off) * reach
        d = off * reach + size * far + a.gamma(query.ncols() + 8) * largest + a.tiny
        total = ones
        if self.sink is not None:
            power, sink = self.sink
            if not (a.is_real or largest + sink < 79):
                raise _UnknownError
            total, count, largest = ones + power, count + 1, max(largest, sink)
        d += a.drift(2 * largest, count)
        if not (d < 1 and largest < MOST):
            raise _UnknownError
        share, grown = 1 / total, d + d * d  # is above exp(d) - 1 up to d = 1
        length = (_square(sums) - ones * ones - squares * squares) * share * share
        spread = _root(squares * share - length)
        off = (1 + grown) * grown * spread + moved + a.gamma(2 * count + 8) * longest + width * a.tiny
        return sums * share, off


Branches = tuple[tuple[tuple[Way, ...], bool], ...]  # without attention: what is done, and whether it is added


@dataclass(frozen=True)
class _Stage:
    """Branches without attention, and the one with it that follows: what comes before its heads, those, and after."""

    plain: Branches
    before: tuple[Way, ...]
    heads: tuple[_Head, ...]
    out: Linear
    after: tuple[Way, ...]
    is_added: bool


class Rough:
    """Rough logits of a causal network; raises where it has a step that is not known."""

    def __init__(self, network: Network, a: Arithmetic) -> None:
        if not (network.causal and network.pool == "none" and network.bigram is None):
            raise _UnknownError
        self._network, self._a, width = network, Rounding(a), len(network.tokens[0])
        self._stages: list[_Stage] = []
        plain: list[tuple[tuple[Way, ...], bool]] = []
        for branch in network.branches:
            if branch.heads is None:
                ways, wide = _ways(self._a, (*branch.before, *branch.after), width)
                plain.append((ways, branch.is_added))
            else:
                stage, wide = _attending(self._a, branch, tuple(plain), width)
                self._stages.append(stage)
                plain = []
            width = width if branch.is_added else wide
        self._last, (self._final, self._width) = tuple(plain), _ways(self._a, network.final, width)
        self._wide = sum(head.out.nrows() for stage in self._stages[:1] for head in stage.heads)
        self._cells: dict[tuple[int, int], tuple[Point, list[_Seen]]] = {}
        self._forget()

    def _forget(self) -> None:
        self._prompt: Prompt = ()
        self._path: list[list[_Seen]] = []  # per place of the prompt, the row where each attention sees it
        self._most: list[list[list[tuple[float, ...]]]] = []  # the most of those up to there, by attention and head
        self._rows: list[Point] = []  # the row before the last attention

    def at(self, prompt: Prompt, places: slice) -> list[Row]:
        """Balls that hold the logits at some places of a prompt; no numbers where nothing is known."""
        try:
            with ctx.workprec(DIGITS):
                if len(self._cells) ** 2 * self._wide > HELD:
                    self._cells.clear()
                    self._forget()
                self._walk(prompt)
                return [self._logits(place) for place in range(len(prompt))[places]]
        except _UnknownError:
            self._forget()
            return [[arb.nan()] * self._width for _ in range(len(prompt))[places]]

    def _walk(self, prompt: Prompt) -> None:
        """The rows of a prompt, but for those at its beginning that the one before has, too."""
        same = next((n for n, pair in enumerate(zip(prompt, self._prompt, strict=False)) if pair[0] != pair[1]), inf)
        same = int(min(same, len(prompt), len(self._prompt)))
        del self._path[same:], self._most[same:], self._rows[same:]
        self._prompt = prompt
        for place in range(same, len(prompt)):
            row, first = self._cell(prompt[place], place)
            self._path.append([*first])
            self._most.append([])
            for n, stage in enumerate(self._stages):
                if n:
                    row = self._plain(stage.plain, self._attended(n - 1, row, place))
                    self._path[place].append(self._seen(stage, row))
                most = self._path[place][n].most
                if place:
                    pairs = zip(most, self._most[place - 1][n], strict=True)
                    most = [tuple(map(max, *pair)) for pair in pairs]
                self._most[place].append(most)
            self._rows.append(row)

    def _cell(self, token: int, place: int) -> tuple[Point, list[_Seen]]:
        """The first row of a token at a place, and how the first attention sees it."""
        found = self._cells.get((token, place))
        if found is None:
            x, positions = arb_mat([self._network.tokens[token]]), self._network.positions
            row = x, 0.0, _square(x)
            if positions is not None:
                row = self._added(row, (arb_mat([positions[place]]), 0.0, ZERO))
            if self._stages:
                row = self._plain(self._stages[0].plain, row)
            found = self._cells[token, place] = row, [self._seen(stage, row) for stage in self._stages[:1]]
        return found

    def _seen(self, stage: _Stage, row: Point) -> _Seen:
        return _Seen(self._run(stage.before, row), stage.heads, self._a)

    def _attended(self, n: int, row: Point, place: int) -> Point:
        """The row behind the attention of number ``n``."""
        stage, own, a = self._stages[n], self._path[place][n], self._a
        if not own.queries:
            own.queries = [head.query(a, *own.row) for head in stage.heads]
        seen, x, far, size = [path[n] for path in self._path[: place + 1]], stage.out.shift, 0.0, 0.0
        for h, head in enumerate(stage.heads):
            most = self._most[place][n][h]
            given, r = head.answer(a, h, own, seen, most)
            x, far, size = x + given * head.out, far + r, size + most[-1]  # an average is no longer than the longest
        out, size = stage.out, size + far
        r = out.stretch * far + out.share * size + out.own
        _known(out.inner * size + out.least)
        _known(r if a.is_small else r + _size(x, None))
        y = self._run(stage.after, (x, r, None))
        return self._added(row, y) if stage.is_added else y

    def _plain(self, branches: Branches, row: Point) -> Point:
        for ways, is_added in branches:
            y = self._run(ways, row)
            row = self._added(row, y) if is_added else y
        return row

    def _logits(self, place: int) -> Row:
        row = self._rows[place]
        if self._stages:
            row = self._attended(len(self._stages) - 1, row, place)
        row = self._plain(self._last, row)
        x, r, _ = self._run(self._final, row)
        off = arb(0, r * UP)
        return [v + off for v in x.entries()]

    def _added(self, one: Point, other: Point) -> Point:
        x, r = one[0] + other[0], one[1] + other[1]
        square = _square(x)
        r += self._a.gamma(1) * (_root(square) + r) + x.ncols() * self._a.tiny
        _known(r if self._a.is_small else r + _root(square))
        return x, r, square

    def _run(self, ways: Sequence[Way], row: Point) -> Point:
        for way in ways:
            row = way(self._a, *row)
            _known(row[1] if self._a.is_small else row[1] + _size(row[0], row[2]))
        return row


def rough(network: Network, a: Arithmetic) -> Rough | None:
    """Rough bounds of a network, where there are any."""
    try:
        return Rough(network, a)
    except _UnknownError:
        return None


def _attending(a: Rounding, branch: Branch, plain: Branches, width: int) -> tuple[_Stage, int]:
    """A branch with attention, behind others without, and the width of what it gives."""
    heads = branch.heads
    assert heads is not None
    if heads.projects:
        raise _UnknownError
    before, width = _ways(a, branch.before, width)
    shared = before[-1:] if before and isinstance(before[-1], Linear) else ()
    maps: list[list[Linear]] = []
    for part, (steps, widths) in enumerate(zip(heads.steps, [(), (), heads.widths], strict=True)):
        ways, wide = _ways(a, steps, width)
        cuts = [*accumulate(widths or [wide // heads.count] * heads.count, initial=0)]
        maps.append([])
        for start, end in pairwise(cuts):
            whole = _joined([*shared, *ways, picked(tuple(range(start, end)), wide)])
            if not (len(whole) == 1 and isinstance(whole[0], Linear)):
                raise _UnknownError
            one = whole[0]
            if part == 0:
                one = one.then(_scaled(heads.scale, end - start))
            maps[-1].append(one)
    after, width = _ways(a, branch.after, cuts[-1])
    if not (after and isinstance(after[0], Linear)):
        raise _UnknownError
    out = after[0]
    found = []
    for query, key, value, sink, start, end in zip(*maps, heads.sinks, cuts[:-1], cuts[1:], strict=True):
        rows = out.map.tolist()
        own = arb_mat([[ZERO] * out.map.ncols(), *rows[start:end], [ZERO] * out.map.ncols()])
        found.append(_Head(query, key, value, None if sink is None else (sink.exp(), _above(abs(sink))), own))
    before = before[: len(before) - len(shared)]
    return _Stage(plain, before, tuple(found), out, after[1:], branch.is_added), width


def _ways(a: Rounding, steps: Sequence[Step], width: int) -> tuple[tuple[Way, ...], int]:
    """Steps of rows of this width as ways, linear ones as one; and the width in the end."""
    found: list[Way] = []
    for step in steps:
        match step:
            case Affine():
                found.append(_affine(a, step))
                width = len(step.bias)
            case Picked(picks):
                found.append(picked(picks, width))
                width = len(picks)
            case Masked(kept, means):
                picks = tuple(n if keep else mean for n, (keep, mean) in enumerate(zip(kept, means, strict=True)))
                found.append(picked(picks, width))
            case Constant(row):
                found.append(picked(tuple(row), width))
                width = len(row)
            case Normed(gain, bias, eps, centered):
                most, own = _above(max(map(abs, gain))), a.gamma(1) * _length(arb_mat([bias])) + len(gain) * a.tiny
                wide = arb_mat([[v if n == m else ZERO for m, v in enumerate(gain)] for n in range(width)])
                found += [Scaled(width, eps, centered), Linear(wide, arb_mat([bias]), most, own=own)]
                width = len(gain)
            case Activated(kind) if kind in KINDS:
                found.append(Bent(kind))
            case _:
                raise _UnknownError
    return tuple(_joined(found)), width


def _joined(ways: Sequence[Way]) -> list[Way]:
    """The same with neighbours that are linear made one."""
    found: list[Way] = []
    for way in ways:
        last = found[-1] if found else None
        if isinstance(way, Linear) and isinstance(last, Linear):
            found[-1] = last.then(way)
        else:
            found.append(way)
    return found


def _affine(a: Rounding, layer: Affine) -> Linear:
    """An affine map, with the rounding that ``Affine`` speaks of: at most that of its row with the most weights."""
    n = max(sum(w != 0 for w in row) for row in layer.weight)
    sums = n * a.u * (1 + a.gamma(n + 1))
    shift, weight = arb_mat([layer.bias]), arb_mat(layer.weight).transpose()
    sizes = arb_mat([[abs(w) for w in row] for row in layer.weight])
    own = sums * _length(shift) + len(layer.bias) * a.tiny
    return Linear(weight, shift, spectral(weight), (a.u + sums) * spectral(sizes), own)


def picked(picks: Sequence[int | arb], width: int) -> Linear:
    """Some entries of a row, and numbers in place of some."""
    times = Counter(n for n in picks if type(n) is int)
    chosen = arb_mat([[ONE if type(p) is int and p == n else ZERO for p in picks] for n in range(width)])
    shift = arb_mat([[ZERO if type(p) is int else p for p in picks]])
    return Linear(chosen, shift, sqrt(max(times.values(), default=0)))


def _scaled(by: arb, width: int) -> Linear:
    """Every entry times that."""
    table = [[by if n == m else ZERO for m in range(width)] for n in range(width)]
    return Linear(arb_mat(table), arb_mat([[ZERO] * width]), _above(abs(by)))


def spectral(matrix: arb_mat) -> float:
    """What the largest singular value is at most.

    The least of the Frobenius norm, of the root of the product of the largest sums of a row and of a column and, of a
    small matrix, of the root of order 16 of the Frobenius norm of (M M^T)^8, whose largest eigenvalue is a power of it.
    """
    rows = [[abs(v) for v in row] for row in matrix.tolist()]
    sums = [max(_above(sum(row, ZERO)) for row in part) for part in (rows, [*zip(*rows, strict=True)])]
    least = min(_length(matrix), sqrt(sums[0] * sums[1]))
    if min(matrix.nrows(), matrix.ncols()) <= SQUARED:
        turned = matrix.transpose()
        power = matrix * turned if matrix.nrows() < matrix.ncols() else turned * matrix
        for _ in range(3):
            power = power * power
        least = min(least, _above(sum([v * v for v in power.entries()], ZERO).root(32)))
    return least


def _above(x: arb) -> float:
    """A float that ``x`` is not above."""
    return float(x.upper()) * UP


def _length(matrix: arb_mat) -> float:
    """The root of the sum of all squares, or more."""
    return _root(sum([v * v for v in matrix.entries()], ZERO))


def _size(x: arb_mat, square: arb | None) -> float:
    """The length of a row, or more; its ``square`` may be known."""
    return _root(_square(x) if square is None else square)


def _root(square: arb) -> float:
    """The root of a number that is not negative, or more."""
    return sqrt(float(square.upper())) * UP


def _square(row: arb_mat) -> arb:
    return (row * row.transpose())[0, 0]
