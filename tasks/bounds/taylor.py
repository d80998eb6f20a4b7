"""Taylor models of first order: what steps on rows make of errors, linear parts apart from everything else.

    an entry  =  center + sum_k slope_k * image_k(errors) + e,   |e| <= rest

Errors are those of the row that came in, in groups: symbols that meet |s|_2 <= 1 or each |s_k| <= 1 (``Zonotope``),
and boxes, an error each with a radius of its own. An ``Image`` is a matrix applied to all of them. Operations entry by
entry only change slopes and rests (Makino and Berz 2003, Taylor models and other validated functional inclusion
methods, in order one); matrices are multiplied where a map needs the sum of its terms, and once at the end. So four
gates that read one row are four images, and all that a cell makes of them is arithmetic on vectors.

What a layer rounds or bends is a box of new errors for the next one (``renewed``): it reads them several times, and
their effects cancel as the others' do.

Symbols and matrices are in float32 where executions in float32 are meant: what their products lose is bounded
(``slack``, ``FLUSHED``) and put into ``rest`` with everything else. The formulas for the rests are those of ``ball``
and ``operations``, each with the linear part taken out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from tasks.bounds import ball, interpreter, operations
from tasks.bounds.ball import FLOAT32, FLOAT64, INFLATION, LIMIT, TINY, Ball, Reals, gamma
from tasks.bounds.stacking import maps_together
from tasks.networks.transformer import Activation, Affine, Blend, Columns, Concat, Product, Residual, Step

DUST = 2.0**-16  # of what moves an entry: what is left over there is no error of its own
FEW = 2  # terms that a sum may have before it is one image
LOOSER = 0.125  # than a ball a linear form may be: what it remembers is worth that, a ball only grows
FLUSHED = 2.0**-100  # above what all subnormals that one product of symbols flushes may come to
VANISHED = 2.0**-55  # above the root of what all squares of numbers in float32 that come out as zero may add up to
STEEPEST = 2.0**60  # of slopes: beyond, a product of two of them may leave the range of float32
Symbols = NDArray[np.floating]


def slack(dtype: np.dtype[np.floating] | type[np.floating], terms: int) -> float:
    """What a sum of so many products of symbols may lose, of what it adds."""
    return 1.01 * (terms + 4) * (FLOAT32 if dtype == np.float32 else FLOAT64)


@dataclass(frozen=True)
class Errors:
    """What may be off in a row that comes in: ``symbols``, and the ``radii`` (rows, entries) of each group of boxes.

    ``is_round``: symbols meet |s|_2 <= 1 together. A step adds groups. Radii are no smaller than ``TINY``: so they are
    numbers of float32, up to its relative error.
    """

    is_round: bool
    dtype: type[np.floating]
    radii: list[Reals]

    def spread(self, symbols: Symbols, boxes: Sequence[Symbols]) -> Reals:
        """How far they all move each entry, rounded up: (rows, out)."""
        if self.is_round:
            squares = np.einsum("rok,rok->ro", symbols, symbols).astype(np.float64)
            moved = np.sqrt(squares) * (1.0 + slack(self.dtype, symbols.shape[2])) + VANISHED
        else:
            moved = np.abs(symbols).sum(axis=2).astype(np.float64)
            moved = moved * (1.0 + slack(self.dtype, symbols.shape[2])) + FLUSHED
        total: Reals = moved + self.of_boxes(boxes)
        return total * INFLATION

    def of_boxes(self, boxes: Sequence[Symbols]) -> Reals:
        """How far the boxes move each entry."""
        total: Reals = np.zeros(1)
        for radii, matrix in zip(self.radii, boxes, strict=False):  # later groups, and later entries, move nothing
            size = radii[:, : matrix.shape[2]].astype(self.dtype)
            moved = size @ np.abs(matrix[0]).T if len(matrix) == 1 else (np.abs(matrix) @ size[:, :, None])[:, :, 0]
            total = total + moved.astype(np.float64) * (1.0 + slack(self.dtype, matrix.shape[2] + 1))
        result: Reals = total * INFLATION + self.flushed()
        return result

    def flushed(self) -> Reals:
        """What subnormals of a product may come to, (rows, 1)."""
        total: Reals = FLUSHED * (1.0 + sum(radii.sum(axis=1, keepdims=True) for radii in self.radii))
        return total


@dataclass(frozen=True, eq=False)
class Image:
    """A matrix applied to all errors: ``symbols`` (rows, out, symbols), ``boxes`` (rows or 1, out, entries) a group.

    There may be fewer of either than errors have; the others move nothing here. ``spread``: (rows, out).
    """

    symbols: Symbols
    boxes: tuple[Symbols, ...]
    spread: Reals

    def at(self, columns: slice | NDArray[np.int64]) -> Image:
        """Some entries."""
        return Image(self.symbols[:, columns], tuple(box[:, columns] for box in self.boxes), self.spread[:, columns])


Term = tuple[Reals | None, Image]  # a slope for each entry, or None: one


@dataclass(frozen=True, eq=False)
class Model:
    """Entries that stand side by side: ``center``, ``rest`` (rows, out), and linear ``terms``."""

    center: Reals
    terms: tuple[Term, ...]
    rest: Reals

    @cached_property
    def moved(self) -> Reals:
        """How far the errors move each entry at most."""
        total = np.zeros_like(self.rest)
        for slope, image in self.terms:
            total = total + (image.spread if slope is None else np.abs(slope) * image.spread)
        return total * INFLATION

    @cached_property
    def radius(self) -> Reals:
        """How far an entry may lie from its center, in all."""
        return self.moved + self.rest

    @cached_property
    def ball(self) -> Ball:
        """The same numbers without memory."""
        return ball._ball(self.center, self.radius)

    @property
    def width(self) -> int:
        """How many entries."""
        return int(self.center.shape[1])

    def at(self, columns: slice | NDArray[np.int64]) -> Model:
        """Some entries."""
        terms = tuple((None if slope is None else slope[:, columns], image.at(columns)) for slope, image in self.terms)
        return Model(self.center[:, columns], terms, self.rest[:, columns])


Row = list[Model]
Way = Callable[[Errors, Row], Row]


def way(steps: Sequence[Step], u: float, dtype: type[np.floating]) -> Way:
    """``steps`` on rows of models, with their weights prepared."""
    each = [_chain(maps_together(step), u, dtype) for step in steps]
    last = max((n for n, step in enumerate(steps) if not isinstance(step, Columns)), default=0)

    def run(errors: Errors, row: Row) -> Row:
        for n, one in enumerate(each):
            row = one(errors, row)
            if n < last:
                row = renewed(errors, row)
        return row

    return run


def _chain(steps: Sequence[Step], u: float, dtype: type[np.floating]) -> Way:
    each = [_way(step, u, dtype) for step in steps]

    def run(errors: Errors, row: Row) -> Row:
        for one in each:
            row = one(errors, row)
        return row

    return run


def _way(step: Step, u: float, dtype: type[np.floating]) -> Way:
    match step:
        case Affine(weight, bias):
            used = np.flatnonzero(weight.any(axis=0)) if weight.any() else np.zeros(1, np.int64)
            part = ball.Affine.of(weight[:, used], np.zeros(len(weight)) if bias is None else bias)
            return partial(_affine, part, used, part.weight.astype(dtype), u)
        case Activation():
            return lambda errors, row: [_activation(step, u, x) for x in row]
        case Columns(start, stop):
            return lambda errors, row: columns(row, start, stop)
        case Concat(parts):
            sides = [_chain(part, u, dtype) for part in parts]
            return lambda errors, row: [x for side in sides for x in side(errors, row)]
        case Residual(inner):
            branch = _chain(inner, u, dtype)
            return lambda errors, row: [add(x, y, u) for x, y in aligned(row, branch(errors, row))]
        case Product(left, right):
            pair = _chain(left, u, dtype), _chain(right, u, dtype)
            return lambda errors, row: [multiply(x, y, u) for x, y in aligned(*[one(errors, row) for one in pair])]
        case Blend(gate, one, other):
            three = [_chain(part, u, dtype) for part in (gate, one, other)]
            return lambda errors, row: [blend(x, y, z, u) for x, y, z in aligned(*[w(errors, row) for w in three])]
    by_ball = interpreter.row_step(step, u)
    return lambda errors, row: [forgotten(by_ball(whole(row), np.zeros(len(row[0].center), np.int64)))]


def columns(row: Row, start: int, stop: int) -> Row:
    """Those entries alone."""
    found, at = [], 0
    for x in row:
        low, high = max(start - at, 0), min(stop - at, x.width)
        if low < high:
            found.append(x if high - low == x.width else x.at(slice(low, high)))
        at += x.width
    return found


def aligned(*rows: Row) -> Iterator[tuple[Model, ...]]:
    """Models of several rows of the same width, cut where one of them is."""
    ends = sorted({0}.union(*(np.cumsum([x.width for x in row]).tolist() for row in rows)))
    for start, stop in pairwise(ends):
        yield tuple(columns(row, start, stop)[0] for row in rows)


def whole(row: Row) -> Ball:
    """All entries as one ball."""
    balls = [x.ball for x in row]
    return Ball(np.concatenate([x.center for x in balls], axis=1), np.concatenate([x.radius for x in balls], axis=1))


def forgotten(x: Ball) -> Model:
    """What any operation on balls gives: no error is known in it."""
    return Model(x.center, (), x.radius)


def combined(errors: Errors, x: Model) -> Model:
    """``x`` with one term of slope one, or none."""
    if not x.terms or (len(x.terms) == 1 and x.terms[0][0] is None):
        return x
    symbols = _total([(slope, image.symbols) for slope, image in x.terms], errors.dtype)
    groups = max(len(image.boxes) for _, image in x.terms)
    boxes = tuple(
        _total([(slope, image.boxes[n]) for slope, image in x.terms if len(image.boxes) > n], errors.dtype)
        for n in range(groups)
    )
    spread = errors.spread(symbols, boxes)
    rest = x.rest + slack(errors.dtype, len(x.terms) + 2) * x.moved + errors.flushed()
    return _kept(x.center, ((None, Image(symbols, boxes, spread)),), rest)


def _total(parts: list[tuple[Reals | None, Symbols]], dtype: type[np.floating]) -> Symbols:
    """The sum of slopes times matrices, of which some have fewer columns."""
    (slope, widest), *others = sorted(parts, key=lambda part: (-part[1].shape[2], part[0] is None))
    if slope is None and not others:
        return widest
    rows = max(len(part) if slope is None else len(slope) for slope, part in parts)
    if slope is None:
        total = np.array(np.broadcast_to(widest, (rows, *widest.shape[1:])))
    else:
        total = widest * slope.astype(dtype)[:, :, None]
    scratch = np.empty_like(total)
    for slope, part in others:
        count = part.shape[2]
        if slope is not None:
            part = np.multiply(part, slope.astype(dtype)[:, :, None], out=scratch[:, :, :count])
        total[:, :, :count] += part
    return total


def renewed(errors: Errors, row: Row) -> Row:
    """``row`` with what is left over as a box of new errors, at models where that is more than dust."""
    ready = {n: combined(errors, x) for n, x in enumerate(row) if _is_more_than_dust(x)}
    if not ready:
        return row
    found, group, at = list(row), len(errors.radii), 0
    rests = [np.where(np.isfinite(x.rest), x.rest, 0.0) for x in ready.values()]
    errors.radii.append(np.maximum(np.concatenate(rests, axis=1), TINY))
    for (n, x), rest in zip(ready.items(), rests, strict=True):
        image = x.terms[0][1] if x.terms else none(x, errors.dtype)
        own = np.eye(at + x.width, dtype=errors.dtype)[None, at:]
        empty = [own[:, :, :0]] * (group - len(image.boxes))
        new = Image(image.symbols, (*image.boxes, *empty, own), (image.spread + rest) * INFLATION + TINY)
        found[n] = Model(x.center, ((None, new),), np.where(np.isfinite(x.rest), 0.0, np.inf))
        at += x.width
    return found


def _is_more_than_dust(x: Model) -> bool:
    return bool((x.rest > DUST * x.moved).any())


def none(x: Model, dtype: type[np.floating]) -> Image:
    """The image that does not move."""
    return Image(np.zeros((*x.center.shape, 0), dtype), (), np.zeros_like(x.center))


@dataclass(frozen=True, eq=False)
class Start(Image):
    """Where a step starts: of each entry the first ``counts`` (out,) symbols, which alone may move it."""

    counts: NDArray[np.int64]

    def at(self, columns: slice | NDArray[np.int64]) -> Image:
        """Some entries."""
        return Image(self.symbols[:, columns, : self.counts[columns].max()], (), self.spread[:, columns])


def start(
    center: Reals, symbols: Symbols, rest: Reals, counts: NDArray[np.int64], is_round: bool
) -> tuple[Errors, Model]:
    """A row that comes in, without boxes of errors."""
    errors = Errors(is_round, symbols.dtype.type, [])
    return errors, Model(center, ((None, Start(symbols, (), errors.spread(symbols, ()), counts)),), rest)


def _affine(part: ball.Affine, used: NDArray[np.int64], weight: Symbols, u: float, errors: Errors, row: Row) -> Row:
    """``W x + b``, of the columns ``used`` that have a weight; zero times infinity is none."""
    lost = ~np.isfinite(np.concatenate([x.rest for x in row], axis=1)).all(axis=1, keepdims=True)
    read = _picked(row, used)
    if part.blocks > 1:
        out = len(part.bias)
        blocks = [columns(read, start, start + out) for start in range(0, part.blocks * out, out)]
        found, start = [], 0
        for together in aligned(*blocks):
            found.append(_sum(part, start, together, u, lost, errors))
            start += together[0].width
        return found
    read = [combined(errors, x) for x in read]
    x = whole(read)
    moved = np.concatenate([model.moved for model in read], axis=1)
    rest = np.concatenate([model.rest for model in read], axis=1) + slack(errors.dtype, len(used)) * moved
    sizes, wide, kept = np.split(part.sizes(np.concatenate([x.magnitude, x.radius, rest])), 3)
    center = part.linear(x.center) + part.bias
    rounded = ball.rounding(part.depth, sizes + np.abs(part.bias), np.abs(center) + wide, u)
    rounded = rounded + TINY * (2.0 * part.depth + x.magnitude.sum(axis=-1, keepdims=True)) + errors.flushed()
    terms: tuple[Term, ...] = ()
    if any(model.terms for model in read):
        images = [model.terms[0][1] if model.terms else none(model, errors.dtype) for model in read]
        symbols = weight @ below([image.symbols for image in images])
        boxes = tuple(weight @ matrix for _, matrix in boxes_of(errors, images))
        terms = ((None, Image(symbols, boxes, errors.spread(symbols, boxes))),)
    return [_kept(center, terms, np.where(lost, np.inf, kept + rounded))]


def _picked(row: Row, used: NDArray[np.int64]) -> Row:
    """Those columns, in order."""
    found, at = [], 0
    for x in row:
        own = used[(used >= at) & (used < at + x.width)] - at
        if len(own) == x.width:
            found.append(x)
        elif len(own):
            is_run = own[-1] - own[0] == len(own) - 1
            found.append(x.at(slice(int(own[0]), int(own[-1]) + 1) if is_run else own))
        at += x.width
    return found


def _sum(
    layer: ball.Affine, start: int, parts: tuple[Model, ...], u: float, lost: NDArray[np.bool_], errors: Errors
) -> Model:
    """Entries from ``start`` on of ``W x + b`` where W is identities side by side: the sum of ``parts`` and b."""
    some = slice(start, start + parts[0].width)
    center = layer.bias[some] + sum(x.center for x in parts)
    moved: Reals = np.sum([x.radius for x in parts], axis=0)
    size: Reals = np.sum([np.abs(x.center) for x in parts], axis=0) + moved
    rounded = ball.rounding(layer.depth[some], size + np.abs(layer.bias[some]), np.abs(center) + moved, u)
    flushed = TINY * (2.0 * layer.depth[some] + size) + FLUSHED
    rest = np.sum([x.rest for x in parts], axis=0) + slack(np.float64, len(parts) + 4) * moved + rounded + flushed
    total = _kept(center, _merged([term for x in parts for term in x.terms]), np.where(lost, np.inf, rest))
    return combined(errors, total) if len(total.terms) > FEW else total


def _merged(terms: Sequence[Term]) -> tuple[Term, ...]:
    """Terms with one slope for each image."""
    images = {id(image): image for _, image in terms}
    if len(images) == len(terms):
        return tuple(terms)
    total: dict[int, Reals] = {}
    for slope, image in terms:
        own = np.ones_like(image.spread) if slope is None else slope
        total[id(image)] = total.get(id(image), 0.0) + own
    return tuple((total[key], image) for key, image in images.items())


def add(x: Model, y: Model, u: float) -> Model:
    """``x + y`` with one rounding."""
    center, moved = x.center + y.center, x.radius + y.radius
    rest = x.rest + y.rest + gamma(1, u) * (np.abs(center) + moved) + slack(np.float64, 4) * moved + FLUSHED
    return _kept(center, _merged([*x.terms, *y.terms]), rest)


def multiply(x: Model, y: Model, u: float) -> Model:
    """``x * y``: linear about the centers; the product of the errors goes to the rest."""
    a, b, total = x.ball, y.ball, ball.multiply(x.ball, y.ball, u)
    moved = np.abs(x.center) * b.radius + a.radius * b.magnitude
    straight = np.abs(x.center) * y.rest + np.abs(y.center) * x.rest
    terms = [*_scaled(x.center, y.terms), *_scaled(y.center, x.terms)]
    rest = straight + a.radius * b.radius + slack(np.float64, 4) * moved
    return _better(total, moved, total.radius - (1.0 - slack(np.float64, 4)) * moved, terms, rest)


def blend(gate: Model, one: Model, other: Model, u: float) -> Model:
    """``g one + (1 - g) other``, g = sigmoid(gate): linear about the centers."""
    g = _activation(Activation("sigmoid"), u, gate)
    total = operations.blend(gate.ball, one.ball, other.ball, u)
    share, apart = g.center, one.center - other.center
    both = one.ball.radius + other.ball.radius
    moves = share * one.ball.radius + (1.0 - share) * other.ball.radius + np.abs(apart) * g.ball.radius
    moved = moves + g.ball.radius * both
    straight = share * one.rest + (1.0 - share) * other.rest + np.abs(apart) * g.rest
    terms = [*_scaled(share, one.terms), *_scaled(1.0 - share, other.terms), *_scaled(apart, g.terms)]
    rest = straight + g.ball.radius * both + slack(np.float64, 6) * moves
    return _better(total, moved, total.radius - (1.0 - slack(np.float64, 6)) * moved, terms, rest)


def _scaled(slope: Reals, terms: Sequence[Term]) -> list[Term]:
    return [(slope if own is None else slope * own, image) for own, image in terms]


def _activation(step: Activation, u: float, x: Model) -> Model:
    """ReLUs are linear where their sign is known; tanh and sigmoid bend; what others do is not remembered."""
    within, c = x.ball, x.center
    bend: Reals
    match step.kind:
        case "relu":
            up, down = c - within.radius >= 0, c + within.radius <= 0
            total, rounded = ball.relu(within), np.zeros_like(c)
            slope, bend = np.where(up, 1.0, 0.0), np.where(up | down, 0.0, np.inf)
        case "tanh":
            total, rounded = operations.tanh(within, u), np.full_like(c, gamma(10, u) + 4.0 * TINY)
            slope, bend = 1.0 - total.center**2, operations.tanh_bend(total.center, within.radius)
        case "sigmoid":
            total, rounded = operations.sigmoid(within, u), np.full_like(c, gamma(14, u) + operations.OVERFLOWN)
            share = total.center
            slope, bend = share * (1.0 - share), operations.tanh_bend(2.0 * share - 1.0, 0.5 * within.radius) / 8.0
        case _:
            return forgotten(interpreter.row_step(step, u)(within, np.zeros(len(c), np.int64)))
    rest = slope * x.rest + slack(np.float64, 8) * within.radius + 0.5 * bend * within.radius**2
    return _better(total, total.radius - rounded, rounded, _scaled(slope, x.terms), rest)


def _better(total: Ball, moved: Reals, rounded: Reals, terms: Sequence[Term], rest: Reals) -> Model:
    """The linear form, except at entries that the ball's own bound holds far more tightly."""
    found = Model(total.center, _merged(terms), rest)
    tight = found.radius < moved * (1.0 + LOOSER)
    if not tight.all():
        found = Model(total.center, tuple((np.where(tight, _slope(term), 0.0), term[1]) for term in found.terms), rest)
    return _kept(total.center, found.terms, np.where(tight, rest + rounded + FLUSHED, total.radius))


def _slope(term: Term) -> Reals:
    slope, image = term
    return np.ones_like(image.spread) if slope is None else slope


def _kept(center: Reals, terms: tuple[Term, ...], rest: Reals) -> Model:
    """A model with its rest rounded up; unbounded where anything is not finite or too large."""
    found = Model(center, terms, rest * INFLATION + TINY)
    known = (np.abs(center) < LIMIT) & (found.radius < LIMIT)
    for slope, _ in terms:
        if slope is not None:
            known &= np.abs(slope) < STEEPEST
    if known.all():
        return found
    # zeros in matrices, too: infinity times zero is none
    cut = tuple((np.where(known, _slope(term), 0.0), _cleared(term[1], known)) for term in terms)
    return Model(np.where(known, center, 0.0), cut, np.where(known, found.rest, np.inf))


def _cleared(image: Image, known: NDArray[np.bool_]) -> Image:
    """Zero where an entry is not known."""
    symbols, *boxes = (np.where(known[:, :, None], m, m.dtype.type(0)) for m in (image.symbols, *image.boxes))
    return Image(symbols, tuple(boxes), np.where(known, image.spread, 0.0))


def joined(errors: Errors, row: Row) -> tuple[Reals, Symbols, NDArray[np.int64], Reals, list[Image]]:
    """A row as one: its center, its symbols, how many of them move each entry, its rest, and the images of boxes."""
    row = [combined(errors, x) for x in row]
    images = [x.terms[0][1] if x.terms else none(x, errors.dtype) for x in row]
    counts = np.repeat([image.symbols.shape[2] for image in images], [x.width for x in row])
    symbols = below([image.symbols for image in images])
    center, rest = (np.concatenate([getattr(x, name) for x in row], axis=1) for name in ("center", "rest"))
    return center, symbols, counts, rest, images


def below(parts: Sequence[Symbols]) -> Symbols:
    """Matrices (rows or 1, out, symbols) of the same symbols as one; where one has fewer the others move nothing."""
    if len(parts) == 1:
        return parts[0]
    rows, most = max(map(len, parts)), max(part.shape[2] for part in parts)
    found = np.empty((rows, sum(part.shape[1] for part in parts), most), parts[0].dtype)
    at = 0
    for part in parts:
        _, width, count = part.shape
        found[:, at : at + width, :count] = part
        found[:, at : at + width, count:] = 0.0
        at += width
    return found


def boxes_of(errors: Errors, images: Sequence[Image]) -> list[tuple[Reals, Symbols]]:
    """Of each group of boxes the radii (rows, entries) and what a unit of each does: (rows or 1, width, entries)."""
    found = []
    for n, radii in enumerate(errors.radii):
        matrix = below(
            [i.boxes[n] if len(i.boxes) > n else np.zeros((1, i.spread.shape[1], 0), errors.dtype) for i in images]
        )
        found.append((radii[:, : matrix.shape[2]], matrix))
    return found


def with_boxes(errors: Errors, rest: Reals, images: Sequence[Image]) -> Reals:
    """``rest`` and all that boxes move."""
    moved = [np.broadcast_to(errors.of_boxes(image.boxes), image.spread.shape) for image in images]
    total: Reals = (rest + np.concatenate(moved, axis=1)) * INFLATION
    return total
