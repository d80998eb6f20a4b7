"""What a program of tensor operations does to a prompt of token ids, as a graph that can become a ``Transformer``.

Tensors that depend on the prompt are followed entry by entry. Each entry of such a tensor is one number of one row of a
``Node``, a stream of rows: ``index`` holds ``row * width + column`` in the shape of the tensor. So views, transposes,
slices and copies are done to the index, and need no rule of their own; what mixes numbers (a linear map, a norm,
attention) looks up which rows and columns it is given, and makes a new node:

    linear     all entries of a vector come from one row: an affine map of rows
               from several rows: the rows are put side by side first (``concat``), for prompts of one length
    q @ k.T    scores between rows, per leading index one head; scale, mask, softmax are noted, ``@ v`` makes attention
    x + y      the sum of the same row of two nodes; x + constant: a bias, or, where it differs by row, positions
    mean, sum  over all rows a pool, over columns an affine map

Every rule is exact in real arithmetic and leaves to an execution no fewer roundings than there are. Anything else
raises NetworkError with what it met. ``lowering`` makes the steps; ``torch_module`` and ``onnx_file`` read programs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tasks.networks.sparse_transformer import NetworkError
from tasks.networks.transformer import Activation, Affine, Norm, Reals, Step

Index = NDArray[np.int64]
HIDDEN = -1e4  # an added score up to this hides a key: its exponential is zero as executed
MOST_COLUMNS = 2**14  # of a node


@dataclass(frozen=True, eq=False)
class Node:
    """A stream of rows of ``width`` numbers; ``rows``: how many, of a prompt of the traced length."""

    width: int
    rows: int
    parents: tuple[Node, ...]


@dataclass(frozen=True, eq=False)
class Root(Node):
    """``tokens``: (vocabulary, width), of any type; ``positions``: (rows, width) or None."""

    tokens: NDArray[Any]
    positions: Reals | None = None


@dataclass(frozen=True, eq=False)
class Stepped(Node):
    """``step`` on every row of its parent."""

    step: Step


@dataclass(frozen=True, eq=False)
class Summed(Node):
    """The sum of its two parents."""


@dataclass(frozen=True, eq=False)
class Multiplied(Node):
    """The product of its two parents, entry by entry."""


@dataclass(frozen=True, eq=False)
class Attended(Node):
    """Attention of ``heads`` equal blocks; its parents are queries, keys and values."""

    heads: int
    scale: float
    causal: bool


@dataclass(frozen=True, eq=False)
class Pooled(Node):
    """All rows of its parent as one."""

    kind: Literal["sum", "mean", "concat", "first"]


@dataclass(frozen=True, eq=False)
class Rows:
    """A tensor of numbers of ``node``; see above."""

    node: Node
    index: Index


@dataclass(frozen=True, eq=False)
class Scores:
    """A tensor of scores, or, once ``are_weights``, of what softmax makes of them; ``index`` holds (head, i, j).

    Head h is the product of columns ``of_query[h]`` and ``of_key[h]``, times ``scale``; row i sees row j if ``seen``.
    """

    query: Node
    key: Node
    of_query: Index
    of_key: Index
    index: Index
    scale: float
    seen: NDArray[np.bool_]
    are_weights: bool = False


@dataclass(frozen=True, eq=False)
class Squares:
    """The squares of a tensor."""

    of: Rows


@dataclass(frozen=True, eq=False)
class Moment:
    """Mean squares of the last axis of ``of``, which stays as one entry, plus ``eps``; then their root, or one over it.

    ``stage`` says how far that is.
    """

    of: Rows
    eps: float = 0.0
    stage: Literal["mean", "root", "inverse root"] = "mean"


@dataclass(frozen=True, eq=False)
class ErrorFunction:
    """erf of a tensor ``of`` over the root of 2, plus ``shift``: a part of GELU as it is written out."""

    of: Rows
    shift: float = 0.0


Value = Rows | Scores | Squares | Moment | ErrorFunction
Moved = Callable[[Index], Index]


class TensorGraph:
    """The nodes made so far, each once; ``rows``: tokens of the traced prompt; ``notes``: to be said of the result."""

    def __init__(self, vocabulary: int, rows: int) -> None:
        self.vocabulary, self.rows = vocabulary, rows
        self.notes: dict[str, None] = {}
        self._made: dict[tuple[Any, ...], Node] = {}

    def ids(self) -> Rows:
        """The prompt itself, of shape (1, rows)."""
        table = np.arange(self.vocabulary)[:, None]
        return Rows(self._node(Root(1, self.rows, (), table)), np.arange(self.rows)[None])

    def moved(self, value: Value, move: Moved) -> Value:
        """``value`` after a view, a slice or a copy, that ``move`` does to an index."""
        if isinstance(value, Rows | Scores):
            return replace(value, index=move(value.index))
        raise NetworkError("the squares of numbers are rearranged before their mean is taken")

    def by_token(self, value: Rows, function: Callable[[NDArray[Any]], NDArray[Any]]) -> Rows:
        """A ``function`` of the token alone, given every token's (vocabulary, columns).

        It answers in the same shape, or with one axis more, which comes last.
        """
        root = self.token_root(value)
        if root is None:
            raise NetworkError("this is understood of token ids alone, and is given something computed from them")
        table = function(root.tokens)
        rows, columns = np.divmod(value.index, root.width)
        if table.ndim == 2:
            node = self._node(Root(table.shape[1], self.rows, (), table))
            return Rows(node, rows * node.width + columns)
        size = table.shape[2]
        node = self._node(Root(root.width * size, self.rows, (), table.reshape(len(table), -1)))
        index = (rows * node.width + columns * size)[..., None] + np.arange(size)
        return Rows(node, index)

    def token_root(self, value: Value) -> Root | None:
        """The node of a tensor that is a function of each token alone."""
        found = value.node if isinstance(value, Rows) else None
        return found if isinstance(found, Root) and found.positions is None else None

    def linear(self, x: Rows, weight: Reals, bias: Reals | None = None) -> Rows:
        """``weight`` (out, in) times every vector along the last axis, plus ``bias``."""
        x = self._in_one_row(x)
        out, into = weight.shape
        if x.index.shape[-1] != into:
            raise NetworkError(f"a linear map of {into} numbers is given {x.index.shape[-1]}")
        patterns, which = self._patterns(x)
        self._check_size(len(patterns) * out)
        table = np.zeros((len(patterns) * out, x.node.width))
        for n, columns in enumerate(patterns):
            np.add.at(table[n * out : (n + 1) * out].T, columns, weight.T)
        node = self.affine(x.node, table, None if bias is None else np.tile(bias, len(patterns)))
        start = (x.index[..., 0] // x.node.width) * node.width + which * out
        return Rows(node, start[..., None] + np.arange(out))

    def activate(self, x: Rows, step: Activation) -> Rows:
        """An activation of every entry."""
        return Rows(self._stepped(x.node, step, x.node.width), x.index)

    def norm(self, x: Rows, kind: Literal["rms", "layer"], gain: Reals | None, bias: Reals | None, eps: float) -> Rows:
        """A norm along the last axis."""
        x = self._in_one_row(x)
        patterns, which = self._patterns(x)
        count, size = patterns.shape
        node = self.select(x.node, patterns.ravel())
        gain = np.tile(np.ones(size) if gain is None else gain, count)
        shift = None if bias is None else _real(np.tile(bias, count))
        made = self._stepped(node, Norm(kind, _real(gain), shift, eps, count), node.width)
        start = (x.index[..., 0] // x.node.width) * node.width + which * size
        return Rows(made, start[..., None] + np.arange(size))

    def add(self, x: Rows, y: Rows, sign: float = 1.0) -> Rows:
        """``x + y``, or ``x - y`` for a ``sign`` of -1, with the shapes of numpy."""
        return self._paired(x, y, lambda one, other: self._summed(one, other), sign)

    def times(self, x: Rows, y: Rows) -> Rows:
        """``x * y``, entry by entry, as in a gated MLP."""
        return self._paired(x, y, lambda one, other: self._node(Multiplied(one.width, one.rows, (one, other))))

    def _paired(self, x: Rows, y: Rows, made: Callable[[Node, Node], Node], sign: float = 1.0) -> Rows:
        """The node that is ``made`` from the same entries of both."""
        if x.node.rows != y.node.rows:
            x, y = (self._concatenated(value) for value in (x, y))
        one, other = np.broadcast_arrays(x.index, y.index)
        (rows, left), (others, right) = np.divmod(one, x.node.width), np.divmod(other, y.node.width)
        if (rows != others).any():
            x, y = self._concatenated(x), self._concatenated(y)
            one, other = np.broadcast_arrays(x.index, y.index)
            rows, left, right = np.zeros_like(one), one, other
        pairs, which = np.unique(np.stack([left.ravel(), right.ravel()]), axis=1, return_inverse=True)
        self._check_size(pairs.shape[1])
        self._check_rows(rows, which.reshape(rows.shape), "positions that are not treated alike")
        node = made(self.select(x.node, pairs[0]), self.select(y.node, pairs[1], sign))
        return Rows(node, rows * node.width + which.reshape(rows.shape))

    def add_constant(self, x: Rows, constant: NDArray[Any]) -> Rows:
        """``x`` plus known numbers: a bias where they are the same for all rows, else positions."""
        index, values = np.broadcast_arrays(x.index, constant.astype(np.float64))
        if not values.any():
            return Rows(x.node, index)
        rows, columns = np.divmod(index, x.node.width)
        pairs, which = _pairs(columns, values)
        if not _is_alike(rows, which):
            return Rows(self._placed(x.node, index, values), index)
        self._check_size(pairs.shape[1])
        chosen = np.zeros((pairs.shape[1], x.node.width))
        chosen[np.arange(len(chosen)), pairs[0].astype(int)] = 1.0
        node = self.affine(x.node, chosen, pairs[1])
        return Rows(node, rows * node.width + which)

    def scaled(self, x: Rows, factor: NDArray[Any]) -> Rows:
        """``x`` times known numbers, the same for all rows."""
        index, values = np.broadcast_arrays(x.index, factor.astype(np.float64))
        rows, columns = np.divmod(index, x.node.width)
        pairs, which = _pairs(columns, values)
        self._check_rows(rows, which, "a factor that depends on the position")
        self._check_size(pairs.shape[1])
        inner, before = self._peeled(x.node)
        if before == 2.0 and (values == 0.5).all():  # what doubles and halves changes nothing
            return Rows(inner, index)
        node = self.select(x.node, pairs[0].astype(int))
        if (pairs[1] != 1.0).any():
            node = self.affine(node, np.diag(pairs[1]), None)
        return Rows(node, rows * node.width + which)

    def reduced(self, x: Rows, axes: tuple[int, ...], kind: Literal["sum", "mean"], *, keeps: bool) -> Rows:
        """Sum or mean over some axes, which stay with one entry each where it ``keeps`` them."""
        axes = tuple(sorted(axis % x.index.ndim for axis in axes))
        kept = [n for n in range(x.index.ndim) if n not in axes]
        index = x.index.transpose(*kept, *axes).reshape(*(x.index.shape[n] for n in kept), -1)
        rows, columns = np.divmod(index, x.node.width)
        every = rows.shape[-1] == x.node.rows > 1 and (np.sort(rows, axis=-1) == np.arange(x.node.rows)).all()
        if every and (columns == columns[..., :1]).all():
            node = self._node(Pooled(x.node.width, 1, (x.node,), kind))
            result = Rows(node, columns[..., 0])
        else:
            size = index.shape[-1]
            weight = np.full((1, size), 1.0 if kind == "sum" else 1.0 / size)
            result = self.linear(Rows(x.node, index), weight)
            result = Rows(result.node, result.index[..., 0])
        shape = tuple(1 if n in axes else size for n, size in enumerate(x.index.shape)) if keeps else ()
        return Rows(result.node, result.index.reshape(shape)) if keeps else result

    def joined(self, parts: list[Rows], axis: int) -> Rows:
        """Tensors one after the other along an axis."""
        if len({part.node.rows for part in parts}) > 1:
            parts = [self._concatenated(part) for part in parts]
        nodes = list(dict.fromkeys(part.node for part in parts))
        width = sum(node.width for node in nodes)
        self._check_size(width)
        start, whole = 0, None
        starts = {}
        for node in nodes if len(nodes) > 1 else ():
            starts[node] = start
            place = np.zeros((width, node.width))
            place[start : start + node.width] = np.eye(node.width)
            part = self.affine(node, place, None)
            whole = part if whole is None else self._summed(whole, part)
            start += node.width
        if whole is None:
            return Rows(nodes[0], np.concatenate([part.index for part in parts], axis))
        moved = [
            part.index // part.node.width * width + part.index % part.node.width + starts[part.node] for part in parts
        ]
        return Rows(whole, np.concatenate(moved, axis))

    def product(self, x: Value, y: Value) -> Value:
        """The matrix product of two tensors that depend on the prompt: scores, or attention."""
        if isinstance(x, Scores) and isinstance(y, Rows):
            return self._attended(x, y)
        if not (isinstance(x, Rows) and isinstance(y, Rows)):
            raise NetworkError("a product of things that depend on the prompt and are no queries, keys and values")
        lead = np.broadcast_shapes(x.index.shape[:-2], y.index.shape[:-2])
        q = np.broadcast_to(x.index, (*lead, *x.index.shape[-2:])).reshape(-1, *x.index.shape[-2:])
        k = np.broadcast_to(y.index, (*lead, *y.index.shape[-2:])).reshape(-1, *y.index.shape[-2:]).swapaxes(1, 2)
        of_query, of_key = self._of_heads(x.node, q, "queries"), self._of_heads(y.node, k, "keys")
        index = np.arange(len(q) * self.rows**2).reshape(*lead, self.rows, self.rows)
        (query, one), (key, other) = self._peeled(x.node), self._peeled(y.node)
        seen = np.ones((self.rows, self.rows), np.bool_)
        return Scores(query, key, of_query, of_key, index, one * other, seen)

    def masked(self, x: Scores, added: NDArray[Any]) -> Scores:
        """Scores to which known numbers are added: zero, or so little that a key is hidden."""
        if x.are_weights:
            raise NetworkError("numbers are added to what softmax gives")
        index, values = np.broadcast_arrays(x.index, added)
        hides = values <= HIDDEN
        if (values[~hides] != 0).any():
            raise NetworkError("numbers are added to the scores of attention that are no mask (such as ALiBi)")
        for value in np.unique(values[hides]):
            if np.isfinite(value):
                self.notes[f"keys that are not seen have no weight here, in the module the score {value:g}"] = None
        return self.hidden(Scores(x.query, x.key, x.of_query, x.of_key, index, x.scale, x.seen), hides)

    def hidden(self, x: Scores, hides: NDArray[np.bool_]) -> Scores:
        """Scores of which those that are true in ``hides`` are never seen."""
        index, hides = np.broadcast_arrays(x.index, hides)
        pair, count = index % self.rows**2, self.rows**2
        hidden = np.bincount(pair[hides], minlength=count) > 0
        shown = np.bincount(pair[~hides], minlength=count) > 0
        if (hidden & shown).any():
            raise NetworkError("a mask that is not the same for all heads")
        return replace(x, index=index, seen=x.seen & ~hidden.reshape(self.rows, self.rows))

    def softmax(self, x: Scores, axis: int) -> Scores:
        """Weights from scores."""
        index = np.moveaxis(x.index, axis, -1)
        ordered = index.shape[-1] == self.rows and (index % self.rows == np.arange(self.rows)).all()
        if x.are_weights or not ordered or (index // self.rows != index[..., :1] // self.rows).any():
            raise NetworkError("a softmax that is not over all keys of a query")
        return replace(x, are_weights=True)

    def _attended(self, x: Scores, y: Rows) -> Rows:
        if not x.are_weights:
            raise NetworkError("attention without a softmax")
        lead = np.broadcast_shapes(x.index.shape[:-2], y.index.shape[:-2])
        weights = np.broadcast_to(x.index, (*lead, *x.index.shape[-2:]))
        head, pair = np.divmod(weights, self.rows**2)
        if (pair != np.arange(self.rows**2).reshape(self.rows, self.rows)).any():
            raise NetworkError("attention in which queries or keys are rearranged")
        heads = head.reshape(-1, self.rows**2)[:, 0]
        v = np.broadcast_to(y.index, (*lead, *y.index.shape[-2:])).reshape(-1, *y.index.shape[-2:])
        of_value = self._of_heads(y.node, v, "values")
        causal = np.tri(self.rows, dtype=np.bool_)
        if not (x.seen.all() or (x.seen == causal).all()):
            raise NetworkError(
                "a mask of attention that is neither causal nor empty (such as a window, or one that hides padding)"
            )
        query, key, value = (
            self.select(node, columns.ravel())
            for node, columns in ((x.query, x.of_query[heads]), (x.key, x.of_key[heads]), (y.node, of_value))
        )
        causal_one = not x.seen.all() or self.rows == 1
        made = Attended(value.width, self.rows, (query, key, value), len(heads), x.scale, causal_one)
        size = of_value.shape[1]
        rows = np.arange(self.rows)[:, None] * value.width + np.arange(size)
        index = rows + (np.arange(len(heads)) * size)[:, None, None]
        return Rows(self._node(made), index.reshape(*lead, self.rows, size))

    def _of_heads(self, node: Node, index: Index, what: str) -> Index:
        """(heads, rows, columns) of one row each, all of them in order, to the columns of each head."""
        rows, columns = np.divmod(index, node.width)
        whole = index.shape[1] == node.rows == self.rows and (rows == np.arange(node.rows)[:, None]).all()
        if not whole or (columns != columns[:, :1]).any():
            raise NetworkError(f"the {what} of attention are not one row of the stream each")
        return np.ascontiguousarray(columns[:, 0])

    def _peeled(self, node: Node) -> tuple[Node, float]:
        """A node without a last factor, which belongs to the scale of scores; and that factor."""
        if isinstance(node, Stepped) and isinstance(node.step, Affine) and node.step.bias is None:
            weight = node.step.weight
            factor = float(weight[0, 0])
            if factor > 0 and _is_diagonal(weight) and (np.diag(weight) == factor).all():
                inner, more = self._peeled(node.parents[0])
                return inner, factor * more
        return node, 1.0

    def error_function(self, x: Rows) -> ErrorFunction:
        """erf, where what it is given is over the root of 2, as stored in float32 or better."""
        node, factor = self._peeled(x.node)
        if abs(factor * np.sqrt(2.0) - 1.0) > 1e-6:
            raise NetworkError("an error function outside a GELU")
        return ErrorFunction(Rows(node, x.index))

    def gelu(self, x: Rows, error: ErrorFunction) -> Rows:
        """``x (1 + erf(x / root 2))``, or a half of ``x``, as a GELU and a factor."""
        node, factor = self._peeled(x.node)
        own = error.of
        if error.shift != 1.0 or own.node is not node or not np.array_equal(own.index, x.index):
            raise NetworkError("an error function outside a GELU")
        found = self.activate(own, Activation("gelu"))
        return found if factor == 0.5 else self.scaled(found, np.array(2.0 * factor))

    def square(self, x: Rows) -> Squares:
        """The square of every entry."""
        return Squares(x)

    def variance(self, x: Rows) -> Moment:
        """The mean square of what lies around the mean, along the last axis."""
        return Moment(self.add(x, self.reduced(x, (-1,), "mean", keeps=True), -1.0))

    def normalised(self, x: Rows, moment: Moment) -> Rows:
        """``x`` over the root of its own mean square."""
        own = moment.of
        if own.node is not x.node or own.index.shape != x.index.shape or (own.index != x.index).any():
            raise NetworkError("a division by a norm of something else")
        if moment.eps <= 0:
            raise NetworkError("a norm without an eps inside its root")
        return self.norm(x, "rms", None, None, moment.eps)

    def select(self, node: Node, columns: Index, sign: float = 1.0) -> Node:
        """These columns of a node, times ``sign``."""
        if sign == 1.0 and len(columns) == node.width and (columns == np.arange(node.width)).all():
            return node
        self._check_size(len(columns))
        table = np.zeros((len(columns), node.width))
        table[np.arange(len(columns)), columns] = sign
        return self.affine(node, table, None)

    def affine(self, node: Node, weight: Reals, bias: Reals | None) -> Node:
        """An affine map of every row; joined with the map before it where that changes no number."""
        weight, bias = _real(weight), None if bias is None else _real(bias)
        if isinstance(node, Stepped) and isinstance(node.step, Affine):
            first, shift = node.step.weight, node.step.bias
            if shift is None and is_choice(first) and (np.count_nonzero(first, axis=0) <= 1).all():
                return self.affine(node.parents[0], weight @ first, bias)
            if is_choice(weight) and (shift is None or bias is None):
                chosen = None if shift is None else weight @ shift
                return self.affine(node.parents[0], weight @ first, bias if chosen is None else chosen)
        if (
            isinstance(node, Stepped)
            and isinstance(node.step, Norm)
            and _is_diagonal(weight)
            and node.step.bias is None
        ):
            gain, factor = node.step.gain, np.diag(weight)
            if (gain == 1).all() or (factor == 1).all():
                made = replace(node.step, gain=np.ascontiguousarray(gain * factor), bias=bias)
                return self._stepped(node.parents[0], made, node.width)
        if isinstance(node, Root) and node.positions is None and bias is None and is_choice(weight):
            table = (node.tokens @ weight.T).astype(node.tokens.dtype)
            return self._node(Root(len(weight), node.rows, (), table))
        return self._stepped(node, Affine(weight, bias), len(weight))

    def _placed(self, node: Node, index: Index, values: Reals) -> Node:
        """``node`` plus one number for each row and column."""
        if node.rows != self.rows:
            raise NetworkError("a constant is added to one row in several ways")
        table = np.zeros((node.rows, node.width))
        flat = table.reshape(-1)
        flat[index.ravel()] = values.ravel()
        told = np.zeros(flat.size, np.bool_)
        told[index.ravel()] = True
        if (flat[index] != values).any() or not told.reshape(table.shape).all(axis=0).any():
            raise NetworkError("a constant is added to some positions in several ways")
        table[:, ~told.reshape(table.shape).all(axis=0)] = 0.0
        if isinstance(node, Root) and node.positions is None and node.tokens.dtype.kind == "f":
            return self._node(Root(node.width, node.rows, (), node.tokens, table))
        nothing = np.zeros((self.vocabulary, node.width))
        return self._summed(node, self._node(Root(node.width, node.rows, (), nothing, table)))

    def _summed(self, x: Node, y: Node) -> Node:
        if isinstance(x, Pooled) and isinstance(y, Pooled) and x.kind == y.kind == "concat":
            (one,), (other,) = x.parents, y.parents
            if one.width == other.width:
                return self._node(Pooled(x.width, 1, (self._summed(one, other),), "concat"))
        return self._node(Summed(x.width, x.rows, (x, y)))

    def _stepped(self, node: Node, step: Step, width: int) -> Node:
        return self._node(Stepped(width, node.rows, (node,), step))

    def _node(self, node: Node) -> Node:
        """``node``, or the equal one that was made before."""
        own = [getattr(node, field.name) for field in fields(node) if field.name != "parents"]
        key = (type(node), *map(id, node.parents), *map(_key, own))
        return self._made.setdefault(key, node)

    def _in_one_row(self, x: Rows) -> Rows:
        """``x`` with every vector along its last axis from one row, side by side where it is from several."""
        rows = x.index // x.node.width
        return x if (rows == rows[..., :1]).all() else self._concatenated(x)

    def _concatenated(self, x: Rows) -> Rows:
        if x.node.rows == 1:
            return x
        width = x.node.rows * x.node.width
        self._check_size(width)
        return Rows(self._node(Pooled(width, 1, (x.node,), "concat")), x.index)

    def _patterns(self, x: Rows) -> tuple[Index, Index]:
        """The different columns of vectors along the last axis, and which of them each vector has."""
        columns = x.index % x.node.width
        flat = columns.reshape(-1, columns.shape[-1])
        patterns, which = np.unique(flat, axis=0, return_inverse=True)
        which = which.reshape(columns.shape[:-1])
        self._check_rows(x.index[..., 0] // x.node.width, which, "weights that depend on the position")
        return patterns, which

    def _check_rows(self, rows: Index, which: Index, problem: str) -> None:
        if not _is_alike(rows, which):
            raise NetworkError(problem)

    def _check_size(self, columns: int) -> None:
        if columns > MOST_COLUMNS:
            raise NetworkError(f"{columns:,} numbers per row, of {MOST_COLUMNS:,} at most")


def _is_alike(rows: Index, which: Index) -> bool:
    """Whether every row that occurs has the same set of things."""
    pairs = np.unique(np.stack([rows.ravel(), which.ravel()]), axis=1)
    first = pairs[1][pairs[0] == pairs[0][0]]
    count = len(np.unique(pairs[0]))
    return pairs.shape[1] == count * len(first) and bool((pairs[1].reshape(count, -1) == first).all())


def _pairs(columns: Index, values: Reals) -> tuple[Reals, Index]:
    """The different pairs of a column and a value, as (2, pairs), and which of them each entry has."""
    both = np.stack([columns.ravel().astype(np.float64), values.ravel()])
    pairs, which = np.unique(both, axis=1, return_inverse=True)
    return pairs, which.reshape(columns.shape)


def is_choice(weight: Reals) -> bool:
    """Whether every row of a map is one entry of what it is given, or its negative, or zero."""
    return bool((np.count_nonzero(weight, axis=1) <= 1).all() and np.isin(weight, (-1.0, 0.0, 1.0)).all())


def _is_diagonal(weight: Reals) -> bool:
    return weight.shape[0] == weight.shape[1] and bool((weight == np.diag(np.diag(weight))).all())


def _real(array: NDArray[Any]) -> Reals:
    return np.ascontiguousarray(array, np.float64)


def _key(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.shape, value.dtype.str, value.tobytes()
    if isinstance(value, Affine | Norm | Activation):
        return (type(value), *map(_key, vars(value).values()))
    return value
