"""Rigorous bounds on the outputs of a ``Transformer``, for many prompts at once.

Every row of the stream is a ball (``ball``, ``operations``): it holds the value in real arithmetic and that of every
execution with unit roundoff ``u``. Rows that must behave alike are one *class*, computed once:

    at first         a class is a token with the row of the position table that is added to it
    after attention  a class is its own old class with what it is given, by the multiset of the old classes it sees
    all other steps  leave classes as they are

So a causal network computes a shared prefix once, and one without positions sees counts alone. Classes that give equal
balls to attention, or are given such, are told apart no further (``merging``). Steps whose result a later step throws
away (a mask that keeps no node, a map of weight zero) are left out where all they compute is finite (``magnitudes``,
else ``Watched``): infinity times zero is NaN. For the same reason nothing is known of a prompt where one row may not be
finite, whichever row that is: a product of matrices carries NaN from rows that are not seen to those that are read.

Labels are read in ``enumeration``. Nothing here runs the network itself; that is ``networks.interpreter``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from tasks.bounds import ball, magnitudes, operations
from tasks.bounds.ball import Ball, Reals, Scores, Softmax
from tasks.bounds.merging import merged
from tasks.networks.interpreter import check_ids
from tasks.networks.recurrent import Recurrent
from tasks.networks.sparse_transformer import NetworkError
from tasks.networks.transformer import (
    AbsTopK,
    Activation,
    Affine,
    Attention,
    Blend,
    Columns,
    Concat,
    Lookup,
    Mask,
    Norm,
    Pool,
    Product,
    Residual,
    Step,
    Transformer,
    walk,
    width_after,
)

Ids = NDArray[np.int64]
RowStep = Callable[[Ball, Ids], Ball]  # (rows, the token of each row)

CHUNK_VALUES = 1_000_000  # numbers per temporary array
MOST_USED = 0.75  # of the columns of a map: where fewer have a weight the others are left out


@dataclass(frozen=True)
class Watched:
    """Attention whose result is thrown away: a ``constant``, where queries, keys and values of the row are finite."""

    ways: tuple[tuple[Step, ...], ...]
    constant: Reals


@dataclass(frozen=True)
class Loose:
    """A step each of whose weights may be off by a factor of its own from 1 - ``spread`` to 1 + ``spread``."""

    step: Step
    spread: float


@dataclass(frozen=True)
class Stream:
    """``x`` (classes, width), the ``token`` of each class, and per batch of prompts the class of every row.

    ``places[b]``: (prompts, T) indices into ``x``; after a pool, and of last rows alone, (prompts, 1). ``most``: of how
    many classes an attention was given, at most.
    """

    x: Ball
    token: Ids
    places: tuple[Ids, ...]
    most: int = 0


def enclose(network: Transformer, batches: Sequence[NDArray[np.integer]], u: float, *, at_end: bool = False) -> Stream:
    """Bounds on the logits at every row of ``batches`` of prompts; each batch: (prompts, T) token ids.

    ``at_end``: at the last row of each prompt alone, where that is known without the others: behind the last attention
    no row is part of another, so others are not made.
    Raises NetworkError for ids the network cannot take, RoundoffError for a ``u`` that is not covered.
    """
    check(network, batches, u)
    return finite(run(needed(network, u), embed(network, batches, u), u, at_end=at_end), u)


def check(network: Transformer, batches: Sequence[NDArray[np.integer]], u: float) -> None:
    """Raise NetworkError for ids the network cannot take, RoundoffError for a ``u`` that is not covered."""
    ball.check_roundoff(u)
    for ids in batches:
        check_ids(ids, len(network.tokens), network.longest, network.shortest)


def run(steps: tuple[Step, ...], stream: Stream, u: float, *, at_end: bool = False) -> Stream:
    """The stream after ``steps``; ``at_end``: behind the last attention of last rows alone."""
    return _run(steps, stream, u, at_end)[0]


def assumption(network: Transformer | Recurrent) -> str:
    """What is assumed of executions, in sentences to be printed beside every claim."""
    if isinstance(network, Recurrent):
        return ball.KERNEL_ASSUMPTION
    steps = list(walk(network.steps))
    said = [ball.KERNEL_ASSUMPTION]
    if any(isinstance(step, Attention) and step.weighting == "sparsemax" for step in steps):
        said.append(operations.SPARSEMAX)
    if network.token_error is not None or network.position_error is not None:
        said.append(operations.TABLES)
    return " ".join(said)


def finite(stream: Stream, u: float) -> Stream:
    """``stream``, without any bound on the rows of prompts where an execution may have infinity or NaN in some row."""
    lost = stream.x.is_lost
    if not (ball.is_executed(u) and lost.any()):
        return stream
    width = stream.x.center.shape[1]
    nothing = Ball(np.zeros((1, width)), np.full((1, width), np.inf))
    places = (np.where(lost[place].any(axis=1, keepdims=True), len(lost), place) for place in stream.places)
    token = np.append(stream.token, stream.token[:1])
    return replace(stream, x=Ball.join([stream.x, nothing]), token=token, places=tuple(places))


def needed(network: Transformer, u: float, *, every_row: bool = True) -> tuple[Step, ...]:
    """The steps, without those whose result is a constant anyway, where no execution can make it NaN.

    ``every_row``: all rows of a prompt are bounded; else those before the last are up to the first attention alone.
    """
    if not ball.is_executed(u) or magnitudes.is_finite(network, u):
        return _needed(network.steps, network.tokens.shape[1], len(network.tokens))
    kept: list[Step] = []
    for step in network.steps:
        is_known = every_row or not any(map(sees_others, kept))
        kept.append((is_known and _watched(step, network, u)) or step)
    return tuple(kept)


def _watched(branch: Step, network: Transformer, u: float) -> Step | None:
    """``branch`` without its attention, if what becomes of that is thrown away and finite."""
    steps = branch.steps if isinstance(branch, Residual) else ()
    at = [n for n, step in enumerate(steps) if sees_others(step)]
    end = [n for n, step in enumerate(steps) if isinstance(step, Affine | Mask) and _result(step) is not None]
    if len(at) != 1 or not end or end[-1] < at[0]:
        return None
    before, attention, after = steps[: at[0]], steps[at[0]], steps[at[0] + 1 : end[-1] + 1]
    assert isinstance(attention, Attention)  # a pool is in no branch
    width = width_after((*before, attention), network.tokens.shape[1], len(network.tokens))
    if not magnitudes.are_finite(after, np.full(width, ball.LIMIT), network.longest, u):
        return None
    ways = tuple((*before, *part) for part in (attention.query, attention.key, attention.value))
    watched = Watched(ways, _result(after[-1]))  # type: ignore[arg-type]
    return Residual((watched, *steps[end[-1] + 1 :]))  # type: ignore[arg-type]


def _result(step: Step) -> Reals | None:
    """What a step gives whatever it is given, if it does."""
    match step:
        case Affine(weight, bias) if not weight.any():
            return np.zeros(len(weight)) if bias is None else bias
        case Mask(_, kept, means) if not kept.any():
            return means
    return None


def _needed(steps: tuple[Step, ...], width: int, vocabulary: int) -> tuple[Step, ...]:
    kept: list[Step] = []
    start = width
    for step in steps:
        after = width_after((step,), width, vocabulary)
        match step:
            case Affine() | Mask() if (result := _result(step)) is not None:
                kept = [_constant(result, start)]
            case Residual(inner):
                kept.append(Residual(_needed(inner, width, vocabulary)))
            case Pool():
                kept.append(step)
                return (*kept, *_needed(steps[steps.index(step) + 1 :], after, vocabulary))
            case _:
                kept.append(step)
        width = after
    return tuple(kept)


def _constant(values: Reals, width: int) -> Affine:
    return Affine(np.zeros((len(values), width)), values.copy())


def embed(network: Transformer, batches: Sequence[NDArray[np.integer]], u: float) -> Stream:
    """Classes of equal token and equal position weights."""
    vocabulary, position = len(network.tokens), np.zeros(network.longest, np.int64)
    if network.positions is not None:
        alike = network.positions
        if network.position_error is not None:
            alike = np.concatenate([alike, network.position_error], axis=1)
        _, first, index = np.unique(alike, axis=0, return_index=True, return_inverse=True)
        position = first[index.ravel()]
    codes = [ids.astype(np.int64) + vocabulary * position[: ids.shape[1]] for ids in batches]
    flat = np.concatenate([np.zeros(0, np.int64), *(code.ravel() for code in codes)])
    unique, members = ranked(flat, vocabulary * network.longest)
    token = unique % vocabulary
    x = _of_table(network.tokens, network.token_error, token, u)
    if network.positions is not None:
        x = ball.add(x, _of_table(network.positions, network.position_error, unique // vocabulary, u), u)
    return Stream(x, token, _shaped(members, [ids.shape for ids in batches]))


def _of_table(table: Reals, error: Reals | None, rows: Ids, u: float) -> Ball:
    """Rows of a table; the real value of a formula, computed in float64, is known better than what executions hold."""
    known = Ball.exact(table[rows])
    if error is None:
        return known
    share = 1.0 if ball.is_executed(u) else ball.FLOAT32
    return Ball(known.center, (known.radius + share * error[rows]) * ball.INFLATION)


def ranked(codes: Ids, bound: int) -> tuple[Ids, Ids]:
    """The codes that occur, all from 0 to below ``bound``, in rising order; and the rank of each code among them."""
    if bound > 4 * len(codes):
        return np.unique(codes, return_inverse=True)
    occurs = np.zeros(bound, bool)
    occurs[codes] = True
    return np.flatnonzero(occurs), (np.cumsum(occurs) - 1)[codes]


def _shaped(flat: Ids, shapes: Sequence[tuple[int, ...]]) -> tuple[Ids, ...]:
    ends = np.cumsum([rows * columns for rows, columns in shapes])[:-1]
    return tuple(part.reshape(shape) for part, shape in zip(np.split(flat, ends), shapes, strict=True))


def _run(steps: tuple[Step, ...], stream: Stream, u: float, at_end: bool) -> tuple[Stream, Ids]:
    """The stream after ``steps``, and for each of its classes the class it was before them."""
    origin = np.arange(len(stream.x))
    by_row: list[RowStep] = []
    last = max((n for n, step in enumerate(steps) if sees_others(step)), default=-1)
    for n, step in enumerate(steps):
        if not sees_others(step):
            by_row.append(row_step(step, u))
            continue
        stream, by_row = _each_row(by_row, stream), []
        match step:
            case Attention():
                parts = (step.query, step.key, step.value)
                q, k, v = (_each_row([row_step(inner, u) for inner in part], stream).x for part in parts)
                stream, came_from = attention(step, stream, q, k, v, u, at_end=at_end and n == last)
                origin = origin[came_from]
            case Residual(inner):
                branch, came_from = _run(inner, stream, u, at_end and n == last)
                stream = replace(branch, x=ball.add(stream.x[came_from], branch.x, u))
                origin = origin[came_from]
            case Pool(kind):
                stream = _pooled(kind, stream, u)
    return _each_row(by_row, stream), origin


def sees_others(step: Step) -> bool:
    """Whether a row's result depends on other rows."""
    return any(isinstance(inner, Attention | Pool) for inner in walk((step,)))


def _each_row(steps: Sequence[RowStep], stream: Stream) -> Stream:
    """``steps`` on every class by itself, some classes at a time."""
    if not steps:
        return stream
    parts = []
    for rows in chunks(len(stream.x), 8 * stream.x.center.shape[1]):
        x = stream.x[rows]
        for step in steps:
            x = step(x, stream.token[rows])
        parts.append(x)
    return replace(stream, x=Ball.join(parts))


def row_step(step: Step, u: float) -> RowStep:
    """A step that acts on each row by itself, with its weights prepared."""
    match step:
        case Affine(weight, bias) if not weight.any():
            return partial(_constants, np.zeros(len(weight)) if bias is None else bias)
        case Affine(weight, bias):
            return partial(_affine, *layers(weight, np.zeros(len(weight)) if bias is None else bias), u)
        case Norm():
            return lambda x, token: _norm(step, x, u)
        case Activation():
            return lambda x, token: _activation(step, x, u)
        case AbsTopK(count):
            return lambda x, token: ball.abs_top_k(x, count)
        case Mask(_, kept, means):
            constant = Ball.exact(means)
            return lambda x, token: ball.select(kept, x, constant, u)
        case Product(left, right):
            return partial(_product, [row_step(part, u) for part in left], [row_step(part, u) for part in right], u)
        case Columns(start, stop):
            return lambda x, token: x[:, start:stop]
        case Concat(parts):
            return partial(_concat, [[row_step(inner, u) for inner in part] for part in parts])
        case Blend(gate, one, other):
            ways = [[row_step(inner, u) for inner in part] for part in (gate, one, other)]
            return partial(_blend, ways, u)
        case Lookup(table):
            return lambda x, token: ball.add(x, Ball.exact(table[token]), u)
        case Residual(inner):
            return partial(_branch, [row_step(part, u) for part in inner], u)
        case Loose(inner, spread):
            return partial(_loosened, row_step(inner, u), inner, spread)
        case Watched(ways, constant):
            return partial(_watch, [[row_step(part, u) for part in way] for way in ways], Ball.exact(constant), u)
    raise NetworkError(f"no bound is known for the step {type(step).__name__}")


def layers(weight: Reals, bias: Reals) -> tuple[ball.Affine, ball.Affine | None, slice | Ids]:
    """The map, and where many columns have no weight the map of the others, and which these are."""
    whole, used = ball.Affine.of(weight, bias), np.flatnonzero(weight.any(axis=0))
    if len(used) > MOST_USED * weight.shape[1]:
        return whole, None, slice(None)
    is_run = used[-1] - used[0] == len(used) - 1
    where = slice(int(used[0]), int(used[-1]) + 1) if is_run else used
    return whole, ball.Affine.of(np.ascontiguousarray(weight[:, where]), bias), where


def _affine(whole: ball.Affine, part: ball.Affine | None, used: slice | Ids, u: float, x: Ball, token: Ids) -> Ball:
    """``W x + b``; columns without weight are left out where all are finite: zero times infinity is none."""
    if part is None or not np.isfinite(x.radius).all():
        return ball.affine(x, whole, u)
    if isinstance(used, slice):
        return ball.affine(x[:, used], part, u)
    return ball.affine(Ball(x.center.take(used, axis=1), x.radius.take(used, axis=1)), part, u)


def _constants(values: Reals, x: Ball, token: Ids) -> Ball:
    """``values`` in every row whose entries are finite: zero times infinity is none."""
    constant = Ball.exact(np.broadcast_to(values, (len(x), len(values))))
    lost = ~np.isfinite(x.radius).all(axis=-1, keepdims=True)
    return Ball(constant.center, np.where(lost, np.inf, constant.radius))


def _branch(steps: Sequence[RowStep], u: float, x: Ball, token: Ids) -> Ball:
    inner = x
    for step in steps:
        inner = step(inner, token)
    return ball.add(x, inner, u)


def _product(left: Sequence[RowStep], right: Sequence[RowStep], u: float, x: Ball, token: Ids) -> Ball:
    one, other = x, x
    for step in left:
        one = step(one, token)
    for step in right:
        other = step(other, token)
    return ball.multiply(one, other, u)


def _after(steps: Sequence[RowStep], x: Ball, token: Ids) -> Ball:
    for step in steps:
        x = step(x, token)
    return x


def _concat(ways: Sequence[Sequence[RowStep]], x: Ball, token: Ids) -> Ball:
    parts = [_after(way, x, token) for way in ways]
    return Ball(np.concatenate([p.center for p in parts], axis=1), np.concatenate([p.radius for p in parts], axis=1))


def _blend(ways: Sequence[Sequence[RowStep]], u: float, x: Ball, token: Ids) -> Ball:
    gate, one, other = (_after(way, x, token) for way in ways)
    return operations.blend(gate, one, other, u)


def _watch(ways: Sequence[Sequence[RowStep]], constant: Ball, u: float, x: Ball, token: Ids) -> Ball:
    lost = np.zeros((len(x), 1))
    for way in ways:
        inner = x
        for step in way:
            inner = step(inner, token)
        lost = lost + ball.remains(inner.radius, u).max(axis=1, keepdims=True)
    return Ball(np.broadcast_to(constant.center, (len(x), len(constant))), constant.radius + lost)


@np.errstate(all="ignore")
def _loosened(plain: RowStep, step: Step, spread: float, x: Ball, token: Ids) -> Ball:
    """What ``plain`` gives, and as much more as the weights of ``step`` may move it.

    Each summand is a weight times what is given, so it moves by at most ``spread`` times its size. A norm gives gain
    times z, which is what it gives less its bias.
    """
    y = plain(x, token)
    match step:
        case Affine(weight, bias):
            moved = x.magnitude @ np.abs(weight).T + (0.0 if bias is None else np.abs(bias))
        case Norm(bias=bias):
            moved = y.magnitude + (0.0 if bias is None else 2.0 * np.abs(bias))
        case Mask(_, kept, means):
            moved = np.broadcast_to(np.where(kept, 0.0, np.abs(means)), y.center.shape)
        case Lookup(table):
            moved = np.abs(table)[token]
        case Activation("leaky_relu", slope):
            moved = slope * x.magnitude
        case Activation() | AbsTopK():
            return y
        case _:
            raise NetworkError(f"no bound is known for other weights of the step {type(step).__name__}")
    return Ball(y.center, (y.radius + spread * moved) * ball.INFLATION)


def _norm(step: Norm, x: Ball, u: float) -> Ball:
    if step.groups > 1:
        parts = [_norm(norm, Ball(x.center[:, place], x.radius[:, place]), u) for place, norm in step.parts]
        return Ball(np.concatenate([p.center for p in parts], 1), np.concatenate([p.radius for p in parts], 1))
    bias = np.zeros_like(step.gain) if step.bias is None else step.bias
    if step.kind == "layer":
        return ball.layer_norm(x, step.gain, bias, step.eps, u)
    result = ball.rms_norm(x, step.gain, step.eps, u)
    return result if step.bias is None else ball.add(result, Ball.exact(np.broadcast_to(bias, x.center.shape)), u)


def _activation(step: Activation, x: Ball, u: float) -> Ball:
    match step.kind:
        case "relu":
            return ball.relu(x)
        case "leaky_relu":
            return operations.leaky_relu(x, step.slope, u)
        case "gelu":
            return ball.gelu(x, u)
        case "silu":
            return operations.silu(x, u)
        case "tanh":
            return operations.tanh(x, u)
        case "sigmoid":
            return operations.sigmoid(x, u)
    return operations.gelu_tanh(x, u)


def attention(
    step: Attention, stream: Stream, q: Ball, k: Ball, v: Ball, u: float, *, at_end: bool = False
) -> tuple[Stream, Ids]:
    """Attention splits classes by what they are given; each new class with the one it was.

    That is computed once for each query with each multiset of keys and values, which classes may share (``merging``).
    ``at_end``: for the last row of each prompt alone, unless queries, keys or values may be NaN somewhere: zero times
    those of a hidden token reaches the last row, too.
    """
    lost = np.sum([ball.remains(part.radius, u).max(axis=1) for part in (q, k, v)], axis=0)  # though seen by no row
    at_end = at_end and not lost.any()
    (query, (q,)), (key, (k, v)) = merged(q), merged(k, v)
    q, k, v = (part.heads(part.center.shape[-1] // step.heads) for part in (q, k, v))
    attend, own = _weighing(step, q, k, v, u), np.concatenate([place.ravel() for place in stream.places])
    answer, parts, count = np.zeros(len(own), np.int64), [], 0
    for keys, cells in _seen(step, stream, at_end).items():
        paths = np.concatenate([group.paths for group in cells])
        asking, seen, index = _grouped(query[paths[:, 0]], key[paths[:, 1:]], len(stream.x))
        ends = np.cumsum([len(group.paths) for group in cells])[:-1]
        for group, of_path in zip(cells, np.split(index + count, ends), strict=True):
            answer[group.cells] = of_path if group.path is None else of_path[group.path]
        count += len(asking)
        for rows in chunks(len(asking), (1 + keys) * (q.center[0].size + 2 * v.center[0].size)):
            parts.append(attend(asking[rows], seen[rows]))
    shapes = [place.shape for place in stream.places]
    if at_end:
        ends = np.concatenate([cells[:, -1] for cells in _shaped(np.arange(len(own)), shapes)])
        own, answer, shapes = own[ends], answer[ends], [(rows, 1) for rows, _ in shapes]
    number, (y,) = merged(Ball.join(parts).flat)
    known, members = ranked(number[answer] * len(stream.x) + own, len(y) * len(stream.x))
    came_from, given = known % len(stream.x), y[known // len(stream.x)]
    x = Ball(given.center, given.radius + lost[came_from, None])
    most = max(stream.most, len(stream.x))
    return Stream(x, stream.token[came_from], _shaped(members, shapes), most), came_from


@dataclass(frozen=True)
class Cells:
    """Some ``cells`` (counted through all places), and the ``paths`` that they see: own class first, then the others.

    ``path``: which path each cell has; None for one path per cell, in order.
    """

    cells: Ids
    paths: Ids
    path: Ids | None = None


def _seen(step: Attention, stream: Stream, at_end: bool) -> dict[int, list[Cells]]:
    """By number of keys: the cells, and the classes that they see; ``at_end``: the last cells of prompts."""
    found: dict[int, list[Cells]] = defaultdict(list)
    for group in _prefixes(stream, at_end) if step.causal else _whole_prompts(stream, at_end):
        for count, rows, visible in _visible(step, stream.token, group.paths):
            if len(rows) == len(group.paths):
                found[count].append(Cells(group.cells, visible, group.path))
            else:
                place = np.full(len(group.paths), -1)
                place[rows] = np.arange(len(rows))
                path = place if group.path is None else place[group.path]
                found[count].append(Cells(group.cells[path >= 0], visible, path[path >= 0]))
    return found


def _whole_prompts(stream: Stream, at_end: bool) -> Iterator[Cells]:
    """Every row sees its whole prompt."""
    start = 0
    for place in stream.places:
        cells = start + np.arange(place.size).reshape(place.shape)
        for row in range(place.shape[1] - 1 if at_end else 0, place.shape[1]):
            yield Cells(cells[:, row], np.concatenate([place[:, row, None], place], axis=1))
        start += place.size


def _prefixes(stream: Stream, at_end: bool) -> Iterator[Cells]:
    """Every row sees its own prefix: those of all prompts are one tree, of which each level is made from the last."""
    classes, starts = len(stream.x), np.cumsum([0, *(place.size for place in stream.places)])
    node = [np.zeros(len(place), np.int64) for place in stream.places]  # of each prompt, in the level before
    paths = np.zeros((1, 0), np.int64)
    for row in range(max((place.shape[1] for place in stream.places), default=0)):
        longer = [n for n, place in enumerate(stream.places) if place.shape[1] > row]
        own = np.concatenate([stream.places[n][:, row] for n in longer])
        known, index = ranked(np.concatenate([node[n] for n in longer]) * classes + own, len(paths) * classes)
        paths = np.concatenate([paths[known // classes], (known % classes)[:, None]], axis=1)
        for n, part in zip(longer, np.split(index, np.cumsum([len(node[n]) for n in longer])[:-1]), strict=True):
            node[n] = part
        asked = [n for n in longer if not at_end or stream.places[n].shape[1] == row + 1]
        if not asked:
            continue
        used, index = ranked(np.concatenate([node[n] for n in asked]), len(paths))
        cells = [starts[n] + row + stream.places[n].shape[1] * np.arange(len(node[n])) for n in asked]
        yield Cells(np.concatenate(cells), np.concatenate([paths[used, -1:], paths[used]], axis=1), index)


def _visible(step: Attention, token: Ids, paths: Ids) -> Iterator[tuple[int, Ids, Ids]]:
    """Paths (own class first) without the keys of hidden tokens: (number of keys, rows, shorter paths)."""
    if not step.hidden:
        yield paths.shape[1] - 1, np.arange(len(paths)), paths
        return
    is_seen = ~np.isin(token[paths], step.hidden)
    is_seen[:, 0] = True
    counts = is_seen.sum(axis=1)
    for count in np.unique(counts):
        if count == 1 and step.sink is None:
            raise NetworkError("a row of attention sees no token at all, so its weights are not defined")
        rows = np.flatnonzero(counts == count)
        yield int(count) - 1, rows, paths[rows][is_seen[rows]].reshape(len(rows), count)


def _grouped(own: Ids, seen: Ids, classes: int, *, ordered: bool = False) -> tuple[Ids, Ids, Ids]:
    """Paths merged by their own class and the multiset of those seen, or, ``ordered``, by the sequence of these.

    One of each group, and the group of each path.
    """
    key, bound = own.astype(np.int64), classes
    for column in (seen if ordered else np.sort(seen, axis=1)).T:
        if bound * classes >= 2**62:  # rename the keys seen so far to small numbers
            key = np.unique(key, return_inverse=True)[1]
            bound = len(key)
        key, bound = key * classes + column, bound * classes
    _, first, index = np.unique(key, return_index=True, return_inverse=True)
    return own[first], seen[first], index


def _weighing(step: Attention, q: Ball, k: Ball, v: Ball, u: float) -> Callable[[Ids, Ids], Ball]:
    """What rows are given by the numbers of their queries and keys: (rows,) and (rows, n) to (rows, heads, d).

    q, k and v: (their number, heads, d).
    """
    if step.weighting == "softmax":
        return Softmax(q, k, v, step.scale, step.sink, u)
    scores = Scores(q, k, step.scale, u)
    mixed = operations.sparse_attend if step.weighting == "sparsemax" else operations.hard_attend
    return lambda asking, seen: mixed(scores(asking, seen), v[seen], u)


def _pooled(kind: str, stream: Stream, u: float) -> Stream:
    """One row per prompt; prompts with the same multiset of classes are one class, or the same classes in order."""
    parts, places, tokens, count = [], [], [], 0
    for place in stream.places:
        rest = place[:, :0] if kind in ("first", "last") else place[:, :-1]
        own, seen, index = _grouped(
            place[:, 0 if kind == "first" else -1], rest, len(stream.x), ordered=kind == "concat"
        )
        rows = np.concatenate([seen, own[:, None]], axis=1)
        parts += [
            operations.pool(stream.x[rows[part]], kind, u)
            for part in chunks(len(rows), rows.shape[1] * stream.x.center.shape[1])
        ]
        places.append(index[:, None] + count)
        tokens.append(stream.token[own])
        count += len(own)
    return Stream(Ball.join(parts), np.concatenate(tokens), tuple(places))


def chunks(rows: int, values_per_row: int, values: int = CHUNK_VALUES) -> Iterator[slice]:
    """Slices of ``range(rows)`` with at most about so many ``values`` at ``values_per_row`` numbers per row."""
    step = max(1, values // values_per_row)
    return (slice(start, min(start + step, rows)) for start in range(0, rows, step))
