"""One type for every transformer we read: an embedding and a short list of steps, each a plain value.

A prompt of T token ids becomes a stream of T rows, and every step maps a stream to a stream:

    x = tokens[ids] (+ positions[0:T])          known up to what token_error and position_error say
    for step in steps: x = step(x)
    logits = x

Blocks, norms before or after them, heads and read-out layers are all spelt with the same steps, so a proof
method is one ``match`` over them:

    pre-norm block    Residual((Norm, Attention, Affine)), Residual((Norm, Affine, Activation, Affine))
    post-norm block   Residual((Attention, Affine)), Norm, ...
    pooled head       Pool("sum"), Affine, Activation("relu"), Affine
    circuit           a Mask at every site: the mean replaces the nodes that are not kept
    gated MLP         Residual((Norm, Product((Affine, Activation("silu")), (Affine,)), Affine))
    rotated heads     columns of the stream hold the cosines and sines of a position, and a Product takes them in
    recurrent cell    Columns, Concat and Blend besides: ``recurrent``; a transformer has none of these
    parallel block    columns hold what each branch gives, and one Affine adds all up, in whatever order

All steps but ``Attention`` and ``Pool`` act on each row by itself. Arrays are float64 and hold the stored weights
exactly; ``dtype`` says in which arithmetic the network is meant to be executed. This file holds values and checks
that they fit; running them is in ``interpreter``, labels are in ``readout``, files are in ``formats``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from dsl.showing import brief, cut
from tasks.networks.sparse_transformer import NetworkError

Reals = NDArray[np.float64]
LARGEST_SCALE = 2**20  # of attention scores; bounds multiply radii by it


@dataclass(frozen=True, eq=False)
class Affine:
    """``W x + b``. ``weight``: (out, in), ``bias``: (out,) or None for no bias."""

    weight: Reals
    bias: Reals | None = None

    __repr__ = brief

    def __post_init__(self) -> None:
        check_array("an affine weight", self.weight, (None, None))
        if self.bias is not None:
            check_array("an affine bias", self.bias, (len(self.weight),))


@dataclass(frozen=True, eq=False)
class Norm:
    """``x / sqrt(mean(x^2) + eps) * gain (+ bias)``; kind ``layer`` first subtracts the mean of ``x``.

    ``groups``: the columns are so many equal blocks, for example heads, each with a norm of its own.
    """

    kind: Literal["rms", "layer"]
    gain: Reals
    bias: Reals | None
    eps: float
    groups: int = 1

    __repr__ = brief

    def __post_init__(self) -> None:
        if self.kind not in ("rms", "layer"):
            raise NetworkError(f"expected a norm of kind rms or layer, got {self.kind!r}")
        check_array("a norm's gain", self.gain, (None,))
        if self.bias is not None:
            check_array("a norm's bias", self.bias, self.gain.shape)
        if not 0 < self.eps < 1:
            raise NetworkError(f"expected a norm's eps between 0 and 1, got {self.eps!r}")
        if self.groups < 1 or len(self.gain) % self.groups:
            raise NetworkError(f"{len(self.gain)} entries of a norm cannot be split into {self.groups} equal groups")

    @property
    def parts(self) -> tuple[tuple[slice, Norm], ...]:
        """The columns of each group, and its norm."""
        size = len(self.gain) // self.groups
        places = [slice(start, start + size) for start in range(0, len(self.gain), size)]
        biases = [None if self.bias is None else self.bias[place] for place in places]
        return tuple(
            (place, Norm(self.kind, self.gain[place], bias, self.eps))
            for place, bias in zip(places, biases, strict=True)
        )


@dataclass(frozen=True)
class Activation:
    """``gelu`` is ``x/2 (1 + erf(x/sqrt 2))``, ``gelu_tanh`` its tanh approximation; ``slope`` is for leaky_relu.

    ``sigmoid`` is ``1 / (1 + exp(-x))``, and ``silu`` is ``x sigmoid(x)``.

    The slope is a real number; an execution in float32 may round it first.
    """

    kind: Literal["relu", "leaky_relu", "gelu", "gelu_tanh", "silu", "tanh", "sigmoid"]
    slope: float = 0.0

    def __post_init__(self) -> None:
        known = ("relu", "leaky_relu", "gelu", "gelu_tanh", "silu", "tanh", "sigmoid")
        if self.kind not in known:
            raise NetworkError(f"unknown activation {self.kind!r}; known: {', '.join(known)}")
        if not isinstance(self.slope, int | float) or not 0 <= self.slope < 1:
            raise NetworkError(f"expected a slope from 0 to below 1, got {self.slope!r}")


@dataclass(frozen=True)
class AbsTopK:
    """Keep the ``count`` entries of largest absolute value, zero elsewhere; of equal ones the first."""

    count: int

    def __post_init__(self) -> None:
        if self.count < 1:
            raise NetworkError(f"expected AbsTopK to keep at least one entry, got {self.count}")


@dataclass(frozen=True, eq=False)
class Mask:
    """Node site ``site`` of a circuit: entries that are not ``kept`` become their entry of ``means``; both (width,)."""

    site: str
    kept: NDArray[np.bool_]
    means: Reals

    __repr__ = brief

    def __post_init__(self) -> None:
        check_array(f"{self.site}: means", self.means, (None,))
        if self.kept.dtype != np.bool_ or self.kept.shape != self.means.shape:
            raise NetworkError(f"{self.site}: expected one boolean per node, {len(self.means)} in all")
        self.kept.setflags(write=False)


@dataclass(frozen=True, eq=False)
class Attention:
    """Heads side by side: ``y_i = sum_j p_ij value_j`` with ``p_i = weighting_j(scale * query_i . key_j)``.

    ``query``, ``key`` and ``value`` are steps on the rows of the same stream; head h takes the h-th of ``heads`` equal
    blocks of columns. ``causal``: row i sees the rows j <= i, else all. ``hidden``: token ids that no row sees.
    ``hard`` weighs the rows of largest score equally. ``sink``: (heads,) or None, a score for one more row of value
    zero (softmax only).
    """

    query: tuple[Step, ...]
    key: tuple[Step, ...]
    value: tuple[Step, ...]
    heads: int
    scale: float
    weighting: Literal["softmax", "sparsemax", "hard"] = "softmax"
    causal: bool = True
    sink: Reals | None = None
    hidden: tuple[int, ...] = ()

    __repr__ = brief

    def __post_init__(self) -> None:
        if self.weighting not in ("softmax", "sparsemax", "hard"):
            raise NetworkError(f"expected attention by softmax, sparsemax or hard, got {self.weighting!r}")
        if self.heads < 1 or not 0 < self.scale <= LARGEST_SCALE:
            raise NetworkError(
                f"expected at least one head and a scale above 0 and at most {LARGEST_SCALE:,}, got {self.heads} and "
                f"{self.scale}"
            )
        if self.sink is not None:
            check_array("attention sinks", self.sink, (self.heads,))
            if self.weighting != "softmax":
                raise NetworkError(f"attention sinks belong to softmax, not to {self.weighting}")


@dataclass(frozen=True)
class Residual:
    """``x + steps(x)``."""

    steps: tuple[Step, ...]

    __repr__ = brief


@dataclass(frozen=True)
class Product:
    """``left(x) * right(x)``, entry by entry: two ways from each row by itself, to rows of equal width."""

    left: tuple[Step, ...]
    right: tuple[Step, ...]


@dataclass(frozen=True)
class Columns:
    """The columns from ``start`` to below ``stop`` of each row (recurrent networks)."""

    start: int
    stop: int

    def __post_init__(self) -> None:
        if not 0 <= self.start < self.stop:
            raise NetworkError(f"expected one column or more, got those from {self.start} to below {self.stop}")


@dataclass(frozen=True)
class Concat:
    """What several ways give from each row by itself, side by side (recurrent networks)."""

    parts: tuple[tuple[Step, ...], ...]

    __repr__ = brief

    def __post_init__(self) -> None:
        if not self.parts:
            raise NetworkError("expected one way or more to put side by side, got none")


@dataclass(frozen=True)
class Blend:
    """``g one(x) + (1 - g) other(x)`` with ``g = sigmoid(gate(x))``, entry by entry (recurrent networks).

    In real arithmetic; an execution may compute it as that, or as ``(one - other) g + other``.
    """

    gate: tuple[Step, ...]
    one: tuple[Step, ...]
    other: tuple[Step, ...]

    __repr__ = brief


@dataclass(frozen=True, eq=False)
class Lookup:
    """``x + table[ids]``: the row of each position's own token, for example a bigram table; (tokens, width)."""

    table: Reals

    __repr__ = brief

    def __post_init__(self) -> None:
        check_array("a lookup table", self.table, (None, None))


@dataclass(frozen=True)
class Pool:
    """All rows become one: their sum, their mean, the last, the first, or (``concat``) all side by side, in order.

    ``rows``: for ``concat`` how many rows there are, which must be all that a prompt may have; else 0.
    """

    kind: Literal["sum", "mean", "last", "first", "concat"]
    rows: int = 0

    def __post_init__(self) -> None:
        if self.kind not in ("sum", "mean", "last", "first", "concat"):
            raise NetworkError(f"expected a pool of kind sum, mean, last, first or concat, got {self.kind!r}")
        if (self.rows >= 1) != (self.kind == "concat") or self.rows < 0:
            raise NetworkError(f"expected the number of rows that concat puts side by side, got {self.rows}")


Step = (
    Affine
    | Norm
    | Activation
    | AbsTopK
    | Mask
    | Attention
    | Residual
    | Product
    | Lookup
    | Pool
    | Columns
    | Concat
    | Blend
)


@dataclass(frozen=True, eq=False)
class Transformer:
    """``tokens``: (vocabulary, width); ``positions``: (longest, width) or None; at most ``longest`` tokens per prompt.

    A table that a program computes by a formula, such as cosines of angles, is known here up to an error:
    ``token_error`` and ``position_error`` (None: exact) bound, entry by entry, how far what any execution holds may lie
    from what stands here, and 2**-24 of it how far the real value of the formula may. Raises NetworkError where shapes
    do not fit; arrays given to it are locked against writing.
    """

    tokens: Reals
    positions: Reals | None
    steps: tuple[Step, ...]
    longest: int
    dtype: Literal["float32", "float64"] = "float32"
    token_error: Reals | None = None
    position_error: Reals | None = None

    def __repr__(self) -> str:
        kinds = ", ".join(type(step).__name__ for step in self.steps)
        sizes = f"{len(self.tokens)} tokens, {self.tokens.shape[1]} wide, {self.outputs} outputs"
        return cut(f"Transformer({sizes}, {self.dtype}: {kinds})")

    def __post_init__(self) -> None:
        check_array("the token embedding", self.tokens, (None, None))
        for what, error, table in (
            ("tokens", self.token_error, self.tokens),
            ("positions", self.position_error, self.positions),
        ):
            if error is not None:
                check_array(f"the error of {what}", error, () if table is None else table.shape)
                if (error < 0).any():
                    raise NetworkError(f"the error of {what} should not be negative")
        if self.longest < 1:
            raise NetworkError(f"expected prompts of at least one token, got a longest length of {self.longest}")
        if self.positions is not None:
            check_array("the position embedding", self.positions, (self.longest, self.tokens.shape[1]))
        if self.dtype not in ("float32", "float64"):
            raise NetworkError(f"expected execution in float32 or float64, got {self.dtype!r}")
        if self.dtype == "float32" and any((array != array.astype(np.float32)).any() for array in self._stored()):
            raise NetworkError("a network executed in float32 has a weight that no float32 can hold")
        _check_pools(self.steps, self.longest)
        if any(isinstance(step, Columns | Concat | Blend) for step in walk(self.steps)):
            raise NetworkError("columns, concat and blend are steps of recurrent networks, not of transformers")
        _ = self.outputs

    @property
    def outputs(self) -> int:
        """How many logits every row of the result has."""
        return width_after(self.steps, self.tokens.shape[1], len(self.tokens))

    @property
    def shortest(self) -> int:
        """The least number of tokens per prompt: 1, or ``longest`` where rows are put side by side."""
        return max((step.rows for step in self.steps if isinstance(step, Pool)), default=0) or 1

    @property
    def has_end(self) -> bool:
        """Whether no prompt can be longer than ``longest``: there are positions for so many, or one number of rows."""
        return self.positions is not None or any(isinstance(s, Pool) and s.kind == "concat" for s in self.steps)

    def arrays(self) -> Iterator[Reals]:
        """Every array of weights (masks' booleans left out)."""
        yield self.tokens
        if self.positions is not None:
            yield self.positions
        yield from self._of_steps()

    def _stored(self) -> Iterator[Reals]:
        """Every number that is no formula's."""
        for table, error in ((self.tokens, self.token_error), (self.positions, self.position_error)):
            if table is not None:
                yield table if error is None else table[error == 0]
        yield from self._of_steps()

    def _of_steps(self) -> Iterator[Reals]:
        for step in walk(self.steps):
            yield from (value for value in vars(step).values() if getattr(value, "dtype", None) == np.float64)


def walk(steps: tuple[Step, ...]) -> Iterator[Step]:
    """Every step, those inside residuals and attention included, in the order of execution."""
    for step in steps:
        yield step
        match step:
            case Residual(inner):
                yield from walk(inner)
            case Product(left, right):
                yield from walk(left + right)
            case Concat(parts):
                yield from (inner for part in parts for inner in walk(part))
            case Blend(gate, one, other):
                yield from walk(gate + one + other)
            case Attention(query, key, value):
                yield from walk(query + key + value)


def width_after(steps: tuple[Step, ...], width: int, vocabulary: int) -> int:
    """The width of the stream after ``steps``; raises NetworkError at the first step that does not fit."""
    for step in steps:
        match step:
            case Affine(weight):
                _fits(f"an affine map of {weight.shape[1]} inputs", weight.shape[1], width)
                width = len(weight)
            case Norm(gain=gain):
                _fits(f"a norm of {len(gain)} entries", len(gain), width)
            case Mask(site, kept):
                _fits(f"the site {site} of {len(kept)} nodes", len(kept), width)
            case Lookup(table):
                _fits(f"a lookup table of {table.shape} entries", table.shape, (vocabulary, width))
            case Residual(inner):
                _fits("a residual branch", width_after(inner, width, vocabulary), width)
            case Product(left, right):
                if any(isinstance(inner, Attention | Pool) for inner in walk(left + right)):
                    raise NetworkError("a product should be made from each row by itself")
                sizes = [width_after(part, width, vocabulary) for part in (left, right)]
                _fits("the right side of a product", sizes[1], sizes[0])
                width = sizes[0]
            case Columns(start, stop):
                _fits(f"columns {start} to {stop}", min(stop, width), stop)
                width = stop - start
            case Concat(parts):
                width = sum(width_after(part, width, vocabulary) for part in parts)
            case Blend(gate, one, other):
                sizes = [width_after(part, width, vocabulary) for part in (gate, one, other)]
                _fits("what a blend is made of", sizes, sizes[:1] * 3)
                width = sizes[0]
            case Attention():
                width = _attention_width(step, width, vocabulary)
            case AbsTopK(count):
                _fits(f"AbsTopK of {count} entries", min(count, width), count)
            case Pool("concat", rows):
                width *= rows
    return width


def _attention_width(step: Attention, width: int, vocabulary: int) -> int:
    query, key, value = (width_after(part, width, vocabulary) for part in (step.query, step.key, step.value))
    _fits("the keys of attention", key, query)
    for what, size in (("keys", key), ("values", value)):
        if size % step.heads:
            raise NetworkError(f"{size} columns of {what} cannot be split into {step.heads} equal heads")
    if any(not 0 <= token < vocabulary for token in step.hidden):
        raise NetworkError(f"hidden tokens should lie between 0 and {vocabulary - 1}, got {step.hidden}")
    for part in (step.query, step.key, step.value):
        if any(isinstance(inner, Attention | Pool) for inner in walk(part)):
            raise NetworkError("queries, keys and values should be made from each row by itself")
    return value


def _check_pools(steps: tuple[Step, ...], longest: int) -> None:
    """At most one pool, outside any branch; after it there is one row, and no token of its own."""
    for step in walk(steps):
        if isinstance(step, Pool) and step.kind == "concat" and step.rows != longest:
            raise NetworkError(f"{step.rows} rows side by side are those of prompts of {longest} tokens only")
    at = next((n for n, step in enumerate(steps) if isinstance(step, Pool)), len(steps))
    rest = steps[:at] + steps[at + 1 :]
    if any(isinstance(step, Pool) for step in walk(rest)):
        raise NetworkError("expected at most one pool, and none inside a branch")
    if any(isinstance(step, Attention | Lookup) for step in walk(steps[at:])):
        raise NetworkError("after a pool there is one row: attention and lookups belong before it")


def _fits(what: str, expected: object, got: object) -> None:
    if expected != got:
        raise NetworkError(f"{what} does not fit: expected {expected}, got {got}")


def check_array(what: str, array: Reals, shape: tuple[int | None, ...]) -> None:
    """Raise NetworkError unless ``array`` is finite float64 of this shape (None for any size), then lock it."""
    fits = array.ndim == len(shape) and all(n is None or n == m for n, m in zip(shape, array.shape, strict=True))
    if not fits or array.size == 0:
        raise NetworkError(f"{what} should have shape {shape}, got {array.shape}")
    if array.dtype != np.float64:
        raise NetworkError(f"{what} should be float64, got {array.dtype}")
    if not np.isfinite(array).all():
        raise NetworkError(f"{what} holds NaN or infinity; the weights are not usable")
    array.setflags(write=False)
