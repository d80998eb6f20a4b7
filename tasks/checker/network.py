"""A transformer as checked here: what it does to rows of the stream. ``computations`` makes those of many prompts.

    x = token[t] (+ position[n]);  per branch: x += after(attend(before(x)))  or  x += after(x);  logits = final(x)
    A branch that is not added takes the place of x.

Infinity times zero is NaN in an execution. So what may not be finite passes steps that throw it away, attention without
a use is left out where all that it computes is finite (``lean``), and of a prompt with one row that may not be finite
nothing is known: a product of matrices carries NaN from rows that are not seen to those that are read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

from flint import arb

from tasks.checker.arithmetic import LIMIT, ZERO, Affine, Arithmetic, Row, Sizes, is_known

Step = Callable[[Arithmetic, list[Row]], list[Row]]
Prompt = tuple[int, ...]  # of tokens
Cell = tuple[int, int]  # a token and its place


def shared(one: Prompt, other: Prompt) -> int:
    """How many tokens two prompts have in common at the beginning."""
    return next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


@dataclass(frozen=True)
class Constant:
    """The same row, whatever is given, if that is finite."""

    row: Row

    def __call__(self, a: Arithmetic, rows: list[Row]) -> list[Row]:
        """The row, once for each that is given; not numbers where an execution may meet NaN."""
        return [self.row if a.is_real or is_known(row) else [arb.nan()] * len(self.row) for row in rows]


@dataclass(frozen=True)
class Normed:
    """A norm of each row, of its first entries where ``gain`` is shorter."""

    gain: Row
    bias: Row
    eps: float
    centered: bool

    def __call__(self, a: Arithmetic, rows: list[Row]) -> list[Row]:
        """The norms of the rows."""
        return [a.norm(x, self.gain, self.bias, self.eps, centered=self.centered) for x in rows]


@dataclass(frozen=True)
class Activated:
    """An activation of this ``kind``, entry by entry."""

    kind: str

    def __call__(self, a: Arithmetic, rows: list[Row]) -> list[Row]:
        """The rows, each entry by itself."""
        return [a.activate(row, self.kind) for row in rows]


@dataclass(frozen=True)
class Masked:
    """``means`` in place of all entries but the ``kept`` ones; where those may not be finite, nothing is known."""

    kept: tuple[bool, ...]
    means: Row

    def __call__(self, a: Arithmetic, rows: list[Row]) -> list[Row]:
        """The rows with that."""
        known = [(keep, mean) for keep, mean in zip(self.kept, self.means, strict=True)]
        return [
            [mean if not keep and (a.is_real or v.is_finite()) else v for v, (keep, mean) in zip(x, known, strict=True)]
            for x in rows
        ]


@dataclass(frozen=True)
class Product:
    """Two ways from each row, multiplied entry by entry."""

    left: tuple[Step, ...]
    right: tuple[Step, ...]

    def __call__(self, a: Arithmetic, rows: list[Row]) -> list[Row]:
        """The products of the ends of both ways."""
        return a.multiply(run(self.left, a, rows), run(self.right, a, rows))


def by_groups(gain: Row, bias: Row, eps: float, groups: int, *, centered: bool) -> Step:
    """A norm of each of so many equal groups of columns."""
    size = len(gain) // groups
    places = [slice(start, start + size) for start in range(0, len(gain), size)]

    def step(a: Arithmetic, rows: list[Row]) -> list[Row]:
        return [[y for at in places for y in a.norm(x[at], gain[at], bias[at], eps, centered=centered)] for x in rows]

    return step


@dataclass(frozen=True)
class Heads:
    """Attention: steps to query, key and value of each row, cut into ``count`` heads; ``sinks`` one per head.

    ``projects``: scores are projected on the simplex (sparsemax, without sinks), not made so by softmax. ``widths``: of
    the heads' values, where they are not equal.
    """

    steps: tuple[tuple[Step, ...], ...]
    count: int
    scale: arb
    sinks: list[arb | None]
    projects: bool = False
    widths: tuple[int, ...] = ()

    def parts(self, a: Arithmetic, x: list[Row]) -> list[list[list[Row]]]:
        """Queries, keys and values, each by row and head."""
        cuts = [(), (), self.widths]
        return [
            [_cut(row, widths or (len(row) // self.count,) * self.count) for row in run(steps, a, x)]
            for steps, widths in zip(self.steps, cuts, strict=True)
        ]

    def mixed(
        self, a: Arithmetic, parts: list[list[list[Row]]], rows: Iterable[tuple[int, Sequence[int]]]
    ) -> list[Row]:
        """What each row is given; of it, and of the rows that it sees, the numbers in ``parts``."""
        query, key, value = parts
        return [
            [
                y
                for h, sink in enumerate(self.sinks)
                for y in self._mixed(a, query[n][h], [key[m][h] for m in who], [value[m][h] for m in who], sink)
            ]
            for n, who in rows
        ]

    def _mixed(self, a: Arithmetic, q: Row, keys: list[Row], values: list[Row], sink: arb | None) -> Row:
        if self.projects:
            return a.project(q, keys, values, self.scale)
        return a.attend(q, keys, values, self.scale, sink)


@dataclass(frozen=True)
class Branch:
    """A residual branch, with or without attention between its row steps; ``is_added`` or in place of the stream."""

    before: tuple[Step, ...]
    heads: Heads | None
    after: tuple[Step, ...]
    unused: tuple[Step, ...] = ()  # in place of ``after``, where attention has no part in the result
    is_added: bool = True


@dataclass(frozen=True)
class Watched:
    """Nothing is done to rows of which these heads make finite queries, keys and values."""

    heads: Heads

    def __call__(self, a: Arithmetic, rows: list[Row]) -> list[Row]:
        """Each row as it is, or not numbers where its query, key or value may not be finite."""
        each = zip(rows, *(run(steps, a, rows) for steps in self.heads.steps), strict=True)
        return [row if all(map(is_known, parts)) else [arb.nan()] * len(row) for row, *parts in each]


@dataclass(frozen=True)
class Network:
    """``tokens`` and ``positions``: embeddings; ``bigram``: added to the logits, by token."""

    tokens: list[Row]
    positions: list[Row] | None
    branches: tuple[Branch, ...]
    final: tuple[Step, ...]
    longest: int
    causal: bool = True
    pool: str = "none"
    bigram: list[Row] | None = None
    is_computed: bool = False  # whether tables have a formula

    @property
    def tells_places(self) -> bool:
        """Whether a token's first row depends on its place: whether any two places have other embeddings."""
        return self.positions is not None and any(row != self.positions[0] for row in self.positions)

    @property
    def projects(self) -> bool:
        """Whether any attention is sparsemax."""
        return any(branch.heads is not None and branch.heads.projects for branch in self.branches)

    def start(self, a: Arithmetic, cells: list[Cell]) -> list[Row]:
        """The stream before the first branch."""
        x = [self.tokens[token] for token, _ in cells]
        return x if self.positions is None else a.add(x, [self.positions[n] for _, n in cells])

    def end(self, a: Arithmetic, x: list[Row], tokens: list[int]) -> list[Row]:
        """The logits of what the last branch leaves."""
        result = run(self.final, a, x)
        return result if self.bigram is None else a.add(result, [self.bigram[token] for token in tokens])


def lean(network: Network, a: Arithmetic) -> Network:
    """``network`` without attention whose result has no use, where that changes no execution."""
    if not any(branch.unused for branch in network.branches):
        return network
    tame = a.is_real or is_tame(network, a)
    return replace(network, branches=tuple(_leaner(branch, a, tame) for branch in network.branches))


def _leaner(branch: Branch, a: Arithmetic, tame: bool) -> Branch:
    if not branch.unused or branch.heads is None:
        return branch
    if tame:
        return replace(branch, before=(), heads=None, after=branch.unused, unused=())
    out, sizes = branch.after[0], Sizes(float(a.u), 1)
    assert isinstance(out, Affine)
    (end,) = run(branch.after, sizes, [[arb(0, LIMIT)] * len(out.weight[0])])
    safe = branch.unused if is_known(end) else (Constant([arb.nan()] * len(end)),)
    return replace(branch, before=(*branch.before, Watched(branch.heads)), heads=None, after=safe, unused=())


def is_tame(network: Network, a: Arithmetic, *, is_small: bool = False) -> bool:
    """Whether no execution has infinity or NaN anywhere, whatever the prompt; nor a number that reaches LIMIT."""
    sizes, tables = (
        Sizes(float(a.u), network.longest, is_small=is_small),
        [table for table in (network.tokens, network.positions) if table is not None],
    )
    x = [[sum(column, ZERO) for column in zip(*map(_sizes, tables), strict=True)]]
    x = [[sizes.blur(v, ZERO) for v in row] for row in through(network.branches, sizes, x, [[0]])]
    if network.pool == "concat":
        x = [row * network.longest for row in x]
    elif network.pool != "none":
        x = [[sizes.blur(network.longest * v, v) for v in row] for row in x]
    x = run(network.final, sizes, x)
    return is_known(x[0]) and (network.bigram is None or is_known(sizes.add(x, [_sizes(network.bigram)])[0]))


def _sizes(table: list[Row]) -> Row:
    """Balls about zero that hold all rows; no numbers where one may not be finite."""
    return [
        arb(0, max(abs(v).upper() for v in column)) if is_known([*column]) else arb.nan()
        for column in zip(*table, strict=True)
    ]


def through(branches: tuple[Branch, ...], a: Arithmetic, x: list[Row], seen: list[list[int]]) -> list[Row]:
    """The stream after these ``branches``."""
    for branch in branches:
        y = run(branch.before, a, x)
        if branch.heads is not None:
            y = branch.heads.mixed(a, branch.heads.parts(a, y), enumerate(seen))
        y = run(branch.after, a, y)
        x = a.add(x, y) if branch.is_added else y
    return x


def run(steps: tuple[Step, ...], a: Arithmetic, rows: list[Row]) -> list[Row]:
    """The rows after all ``steps``, in order."""
    for step in steps:
        rows = step(a, rows)
    return rows


def _cut(row: Row, widths: tuple[int, ...]) -> list[Row]:
    return [row[end - width : end] for width, end in zip(widths, accumulate(widths), strict=True)]


def pooled(a: Arithmetic, kind: str, rows: list[Row]) -> Row:
    """The one row that the ``rows`` of a prompt become."""
    if kind == "concat":
        return [v for row in rows for v in row]
    if kind in ("first", "last"):
        one = rows[0 if kind == "first" else -1]
        return one if a.is_real or all(map(is_known, rows)) else [arb.nan()] * len(one)
    n = len(rows)
    share, off = (1 if kind == "sum" else n), a.gamma(n + 2)
    sums = [(sum(column, ZERO), sum(map(abs, column), ZERO)) for column in zip(*rows, strict=True)]
    return [a.blur(total / share, off * size / share) for total, size in sums]
