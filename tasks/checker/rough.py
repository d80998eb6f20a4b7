"""Rough bounds of logits: each row a point, and how far from it rows may be (``euclidean_balls``).

Where the least margin of many prompts is asked for, most have a far larger one, and need no sharp bound. Weights of
softmax that are known up to exp(+-d) move an average of points by at most exp(d) (exp(d) - 1) times their standard
deviation (Cauchy and Schwarz); it moves with its points by the most that one of them does.

So many prompts are read at once that their rows have about NUMBERS numbers, rows of common beginnings made once: they
come in an order in which those that begin alike are neighbours. Of networks with other steps, and of those that are
not causal, nothing is said here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, count, pairwise
from math import hypot, inf, isqrt, ldexp, sqrt
from operator import add, mul

from flint import arb, arb_mat, ctx

from tasks.checker.arithmetic import ONE, ZERO, Affine, Arithmetic, Row
from tasks.checker.euclidean_balls import (
    CHORD,
    DIGIT,
    DOWN,
    FINE,
    MOST,
    UP,
    Bent,
    Chords,
    Linear,
    Rounding,
    Rows,
    Scaled,
    UnknownError,
    above,
    chords,
    exactly,
    integer,
    length,
    lengths,
    spectral,
    squares,
)
from tasks.checker.lanes import FULL, ROOM, Table, lowered, packed, unpacked
from tasks.checker.narrow import Picked
from tasks.checker.network import Activated, Branch, Cell, Constant, Masked, Network, Normed, Prompt, Step, shared

DIGITS, NUMBERS = 53, 1 << 14  # bits of balls; numbers that are made at once, about
SCORE, SHARE = 26, 30  # bits of a score, and of a key's share
OFF = 4 * 2.0**-SHARE  # what a share is off by, but for its chord
ACROSS = 48  # rows beside those of one path that are looked at together
KINDS = ("relu", "gelu", "gelu_tanh", "silu", "tanh")

Way = Linear | Scaled | Bent


@dataclass(frozen=True)
class _Group:
    """Some rows, by number, and paths among them: places in that list, a path's own row last."""

    rows: list[int]
    paths: list[list[int]]


def _grouped(paths: Sequence[Sequence[int]]) -> list[_Group]:
    """Neighbours among the paths together, as long as they go through few rows."""
    found, start = list[_Group](), 0
    while start < len(paths):
        rows, end, most = dict[int, None](), start, len(paths[start]) + ACROSS
        while end < len(paths) and len(rows) < most:
            rows.update(dict.fromkeys(paths[end]))
            end += 1
        at = {n: m for m, n in enumerate(rows)}.__getitem__
        found.append(_Group([*rows], [[*map(at, path)] for path in paths[start:end]]))
        start = end
    return found


class _Seen:
    """At each place of some prompts the number of the row there; places that are ``asked`` see all rows up to theirs.

    ``trails``: of each place the places up to it, those of common beginnings first.
    """

    def __init__(self, rows: Sequence[int], trails: Sequence[Sequence[int]], asked: Sequence[int]) -> None:
        self.rows, self.trails, self.asked = rows, trails, asked
        self.own = [rows[n] for n in asked]
        self.groups = _grouped([[*map(rows.__getitem__, trails[n])] for n in asked])
        self.longest = max(len(trails[n]) for n in asked)

    def most(self, each: Sequence[tuple[float, ...]]) -> list[tuple[float, ...]]:
        """For each place that is asked the most of what rows have that it sees; ``each``: what each row has."""
        found: list[tuple[float, ...]] = []
        for n, trail in zip(self.rows, self.trails, strict=True):
            found.append(tuple(map(max, each[n], found[trail[-2]])) if len(trail) > 1 else each[n])
        return [found[n] for n in self.asked]


class _Shares(dict[int, int]):
    """By number of a key, exp(score - top), of SHARE bits, times what goes with the key; scores have ``bits``."""

    def __init__(self, scores: Sequence[int], top: int, given: Sequence[int], table: Chords, bits: int) -> None:
        super().__init__()
        self.scores, self.top, self.given, self.table = scores, top, given, table
        self.by, self.rest = bits - FINE, (1 << bits - FINE) - 1

    def __missing__(self, n: int) -> int:
        below, by = self.top - self.scores[n], self.by
        y, slope = self.table[below >> by]
        found = self[n] = (y + (slope * (below & self.rest) >> by)) * self.given[n]
        return found


@dataclass(frozen=True)
class _Softmax:
    """Queries, columns of keys, and what goes with the keys: ``wide`` lanes. Products have ``bits`` and ``less`` more.

    ``sink``: a score and what goes with it, where there is one.
    """

    queries: list[tuple[int, ...]]
    columns: list[tuple[int, ...]]
    given: list[int]
    wide: int
    bits: int
    less: int
    sink: tuple[int, int] | None

    def sums(self, group: _Group) -> list[tuple[int, ...]]:
        """For each path the sum of what goes with the keys there, each times its share.

        That is exp(score - top), with a whole number above the largest score for the top, but by no more than 1: many
        paths of one query have the same, and share what is made of it.
        """
        count, bits, up, table, found = len(group.rows), self.bits, (1 << self.bits) - 1, chords("exp", SHARE), []
        columns = [packed([*map(column.__getitem__, group.rows)]) for column in self.columns]
        given, ends = [*map(self.given.__getitem__, group.rows)], list[int]()
        if self.sink is not None:
            ends = [count]
            given.append(self.sink[1])
        known, shares = dict[int, tuple[int, ...]](), dict[tuple[int, int], _Shares]()
        for path in group.paths:
            own = path[-1]
            scores = known.get(own)
            if scores is None:
                products = sum(map(mul, self.queries[group.rows[own]], columns))
                scores = known[own] = unpacked(lowered(products, count, self.less), count) + (self.sink or ())[:1]
            path = path + ends
            top = max(map(scores.__getitem__, path)) | up
            weighed = shares.get((own, top))
            if weighed is None:
                weighed = shares[own, top] = _Shares(scores, top, given, table, bits)
            found.append(unpacked(sum(map(weighed.__getitem__, path)), self.wide))
        return found


@dataclass(frozen=True)
class _Head:
    """Maps of a row to query, with the scale in it, key and value; and the score of a sink.

    Each map ends in a choice of entries, so that it looks at those that it chooses from.
    """

    query: Linear
    key: Linear
    value: Linear
    sink: arb | None

    def answers(self, a: Rounding, rows: Rows, seen: _Seen) -> Rows:
        """What is given to the places that are asked.

        With the values go their squares, in units of the largest one, and 1: the sum of the shares of that is what
        averages are divided by. Chords err by CHORD of a share at most, and shares add up to exp(-1) at least.
        """
        longest, inner, wide = seen.longest + (self.sink is not None), self.query.map.ncols(), self.value.map.ncols()
        small, full = DIGIT // (isqrt(inner) + 1), (FULL - 1) // (longest << SHARE)  # no score is above DIGIT**2
        query, key = (part(a, rows).within(small).held(a) for part in (self.query, self.key))
        value = self.value(a, rows).within(full).held(a)
        queries, keys, values = ([*zip(*part.points.lists(), strict=True)] for part in (query, key, value))
        squared, product, last = squares(values), query.points.bits + key.points.bits, value.points.unit
        asks, sought, given = (
            lengths(square, part.points)
            for square, part in ((squares(queries), query), (squares(keys), key), (squared, value))
        )
        most = seen.most([*zip(key.far, value.far, map(add, sought, key.far), map(add, given, value.far), strict=True)])
        bits = min(product, SCORE)
        if bits < FINE:
            return Rows(Table([0] * wide, len(most), 0, 0), [inf] * len(most), [0.0] * len(most))
        sink, size, blur = None, 0.0, 0.0
        if self.sink is not None:
            sink = integer(self.sink, bits), packed((*([0] * wide), 0, 1))
            size, blur = above(abs(self.sink)), above(self.sink.rad())
        top = max(*squared, 1)
        packs = [packed((*v, square * (full - 1) // top + 1, 1)) for v, square in zip(values, squared, strict=True)]
        softmax = _Softmax(queries, [*zip(*keys, strict=True)], packs, wide + 2, bits, product - bits, sink)
        found, variances, scale = list[list[int]](), list[float](), top * UP / (full - 1)
        for group in seen.groups:
            for *sums, square, total in softmax.sums(group):
                inverse = FULL // total  # off by less than one, as an average times the total is no more than FULL
                point = [v * inverse >> ROOM for v in sums]
                found.append(point)
                variances.append(square * scale / total - sum(map(mul, point, point)) * DOWN)
        # d, what exponents are off by: what scores are, which are rounded down, and some more for their largest
        each, extra = a.gamma(inner + 8) + 2 * a.gamma(4), a.gamma(16 * (1 + longest // 16)) + 2 * a.gamma(4) * size
        extra += a.tiny + ldexp(2.0, -bits) + blur
        largest = [asking + aside for asking, aside in zip(asks, query.far, strict=True)]
        moves = [aside + each * v for aside, v in zip(query.far, largest, strict=True)]
        bound = min(MOST if sink is None or a.is_real else 79 - size, MOST)
        apart, edge = 2.1 * CHORD + 6 * longest * OFF, 2 * sqrt(wide) * last  # averages are rounded down twice
        # and an average squared, which variances are without, is off by 2 edge (long + edge), but by long^2 at most
        spare, share, more = 4 * apart, apart + a.gamma(2 * longest + 8), wide * a.tiny + edge
        unit = last * last
        far = [
            (1 + (grown := d + d * d)) * grown * sqrt(max(v, 0.0) * unit + (spare * long + 4 * edge) * long)
            + (share * long + moved + more)
            if largest[n] * reach < bound and (d := asks[n] * off + moves[n] * reach + extra) < 1
            else inf  # up to d = 1 that is above exp(d) - 1
            for n, (off, moved, reach, long), v in zip(seen.own, most, variances, strict=True)
        ]
        points = Table.of(zip(*found, strict=True), len(found), value.points.bits)
        return Rows(points, far, [long + edge for *_, long in most])


Branches = tuple[tuple[tuple[Way, ...], bool], ...]  # without attention: what is done, and whether it is added


@dataclass(frozen=True)
class _Stage:
    """Branches without attention, and the one with it that follows: what comes before its heads, those, and after."""

    plain: Branches
    before: tuple[Way, ...]
    heads: tuple[_Head, ...]
    after: tuple[Way, ...]
    is_added: bool


class Rough:
    """Rough logits of a causal network; raises where it has a step that is not known."""

    def __init__(self, network: Network, a: Arithmetic) -> None:
        if not (network.causal and network.pool == "none"):
            raise UnknownError
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
        self._most = 1 + NUMBERS // width

    def at(self, prompts: Sequence[Prompt], places: slice) -> list[list[Row]]:
        """Balls that hold the logits at some places of each prompt; no numbers where nothing is known."""
        try:
            with ctx.workprec(DIGITS):
                cells = [*dict.fromkeys(cell for prompt in prompts for cell in zip(prompt, count(), strict=False))]
                first, known = self._first(cells), {cell: n for n, cell in enumerate(cells)}
                return [each for part in _parts(prompts, known, self._most) for each in self._at(first, part, places)]
        except UnknownError:
            return [[[arb.nan()] * self._width for _ in prompt[places]] for prompt in prompts]

    def _first(self, cells: Sequence[Cell]) -> Rows:
        """The rows of tokens at places where the first attention sees them, or the end."""
        tokens, positions = self._network.tokens, self._network.positions
        rows = exactly([tokens[token] for token, _ in cells])
        if positions is not None:
            rows = rows.plus(exactly([positions[n] for _, n in cells]), self._a)
        return self._plain(self._stages[0].plain if self._stages else self._last, rows)

    def _at(self, rows: Rows, part: _Part, places: slice) -> list[list[Row]]:
        """The same of a part of the prompts; of the first ``rows``."""
        asked = [path[places] for path in part.paths]
        which = [*dict.fromkeys(n for path in asked for n in path)]
        if not which:
            return [[] for _ in asked]
        own, ends = part.cells, [*self._stages[1:], None]
        for stage, end in zip(self._stages, ends, strict=False):
            rows = self._attended(stage, rows, _Seen(own, part.trails, range(len(own)) if end else which))
            rows = self._plain(end.plain if end else self._last, rows)
            own = [*range(len(own))]
        if not self._stages:
            rows = rows.picked([own[n] for n in which])
        rows = self._run(self._final, rows)
        if self._network.bigram is not None:
            rows = rows.plus(exactly([self._network.bigram[part.tokens[n]] for n in which]), self._a)
        found = dict(zip(which, self._balls(rows), strict=True))
        return [[found[n] for n in path] for path in asked]

    def _attended(self, stage: _Stage, rows: Rows, seen: _Seen) -> Rows:
        """The rows behind the attention of a stage, at the places that are asked."""
        x, a = self._run(stage.before, rows), self._a
        each = [head.answers(a, x, seen) for head in stage.heads]
        bits = min(one.points.bits for one in each)
        each = [one.at(bits) for one in each]
        columns = [column for one in each for column in one.points.columns]
        points = Table(columns, len(seen.own), bits, max(one.points.most for one in each))
        far, size = ([*map(hypot, *parts)] for parts in ([one.far for one in each], [one.size for one in each]))
        y = self._run(stage.after, Rows(points, far, size).held(a))
        return rows.picked(seen.own).plus(y, a) if stage.is_added else y

    def _plain(self, branches: Branches, rows: Rows) -> Rows:
        for ways, is_added in branches:
            y = self._run(ways, rows)
            rows = rows.plus(y, self._a) if is_added else y
        return rows

    def _run(self, ways: Sequence[Way], rows: Rows) -> Rows:
        for way in ways:
            rows = way(self._a, rows).held(self._a)
        return rows

    def _balls(self, rows: Rows) -> Iterator[Row]:
        rows = rows.within(1 << DIGITS)  # which floats hold
        unit = rows.points.unit
        for row, r in zip(zip(*rows.points.lists(), strict=True), rows.far, strict=True):
            off = arb(0, r * UP)
            yield [v * unit + off for v in row] if r < MOST else [arb.nan()] * self._width


@dataclass(frozen=True)
class _Part:
    """Some prompts: every place of them, but for beginnings that are shared, and the numbers of each one's places.

    ``tokens``: of each place; ``cells``: the number of its first row; ``trails``: the numbers of places up to it.
    """

    tokens: list[int]
    cells: list[int]
    trails: list[list[int]]
    paths: list[list[int]]


def _parts(prompts: Sequence[Prompt], known: dict[Cell, int], most: int) -> Iterator[_Part]:
    """Prompts in parts of about as many places."""
    part, last, path = _Part([], [], [], []), Prompt(), list[int]()
    for prompt in prompts:
        path = path[: shared(last, prompt)]
        for place in range(len(path), len(prompt)):
            path = [*path, len(part.cells)]
            part.trails.append(path)
            part.tokens.append(prompt[place])
            part.cells.append(known[prompt[place], place])
        part.paths.append(path)
        last = prompt
        if len(part.cells) >= most:
            yield part
            part, last, path = _Part([], [], [], []), Prompt(), []
    if part.paths:
        yield part


def rough(network: Network, a: Arithmetic) -> Rough | None:
    """Rough bounds of a network, where there are any."""
    try:
        return Rough(network, a)
    except UnknownError:
        return None


def _attending(a: Rounding, branch: Branch, plain: Branches, width: int) -> tuple[_Stage, int]:
    """A branch with attention, behind others without, and the width of what it gives."""
    heads = branch.heads
    assert heads is not None
    if heads.projects or not all(sink is None or sink.is_finite() for sink in heads.sinks):
        raise UnknownError
    before, width = _ways(a, branch.before, width)
    last = before[-1:] if before and isinstance(before[-1], Linear) else ()
    maps: list[list[Linear]] = []
    for part, (steps, widths) in enumerate(zip(heads.steps, [(), (), heads.widths], strict=True)):
        ways, wide = _ways(a, steps, width)
        cuts = [*accumulate(widths or [wide // heads.count] * heads.count, initial=0)]
        maps.append([])
        for start, end in pairwise(cuts):
            whole = _joined([*last, *ways, picked(tuple(range(start, end)), wide)])
            if not (len(whole) == 1 and isinstance(whole[0], Linear)):
                raise UnknownError
            one = whole[0]
            if part == 0:
                one = one.then(_scaled(heads.scale, end - start))
            maps[-1].append(one)
    after, width = _ways(a, branch.after, cuts[-1])
    found = tuple(_Head(*each) for each in zip(*maps, heads.sinks, strict=True))
    return _Stage(plain, before[: len(before) - len(last)], found, after, branch.is_added), width


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
                most, own = above(max(map(abs, gain))), a.gamma(1) * length(arb_mat([bias])) + len(gain) * a.tiny
                wide = arb_mat([[v if n == m else ZERO for m, v in enumerate(gain)] for n in range(width)])
                found += [Scaled(width, eps, centered), Linear(wide, arb_mat([bias]), most, own=own)]
                width = len(gain)
            case Activated(kind) if kind in KINDS:
                found.append(Bent(kind))
            case _:
                raise UnknownError
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
    own = sums * length(shift) + len(layer.bias) * a.tiny
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
    return Linear(arb_mat(table), arb_mat([[ZERO] * width]), above(abs(by)))
