"""A transformer as checked here, and its logits: every distinct row of the stream is computed once.

    x = token[t] (+ position[n]);  per branch: x += after(attend(before(x)))  or  x += after(x);  logits = final(x)

A row of a causal network depends on the tokens up to it, so a row is a prefix; else it is a place in one prompt. Where
nothing attends it is a token at a place.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from flint import arb

from tasks.checker.arithmetic import ZERO, Arithmetic, Row
from tasks.checker.files import expect

Step = Callable[[Arithmetic, list[Row]], list[Row]]
Prompt = tuple[int, ...]


@dataclass(frozen=True)
class Affine:
    """``W x + b`` of every row."""

    weight: list[Row]
    bias: Row

    def __call__(self, a: Arithmetic, rows: list[Row]) -> list[Row]:
        return a.affine(rows, self.weight, self.bias)


@dataclass(frozen=True)
class Heads:
    """Attention: ``query``, ``key`` and ``value`` of each row, cut into ``count`` heads; ``sinks`` one per head."""

    query: tuple[Step, ...]
    key: tuple[Step, ...]
    value: tuple[Step, ...]
    count: int
    scale: arb
    sinks: Row | None = None


@dataclass(frozen=True)
class Branch:
    """A residual branch, with or without attention between its row steps."""

    before: tuple[Step, ...]
    heads: Heads | None
    after: tuple[Step, ...]


@dataclass(frozen=True)
class Network:
    """``tokens`` and ``positions``: embeddings; ``bigram``: added to the logits, by token."""

    tokens: list[Row]
    positions: list[Row] | None
    branches: tuple[Branch, ...]
    final: tuple[Step, ...]
    longest: int
    causal: bool = True
    pool: str | None = None
    bigram: list[Row] | None = None

    @property
    def is_blind(self) -> bool:
        """Whether no row sees another one, so that a row is a token at a place."""
        return all(branch.heads is None for branch in self.branches)


def logits(network: Network, a: Arithmetic, prompts: list[Prompt]) -> list[list[Row]]:
    """For every prompt the logits at each of its places (after a pool: at one)."""
    index: dict[tuple[object, ...], int] = {}
    cells: list[tuple[int, int]] = []
    seen: list[list[int]] = []
    places = []
    for prompt in prompts:
        expect(1 <= len(prompt) <= network.longest, f"prompts of {len(prompt)} tokens do not fit the network")
        here: list[int] = []
        for n, token in enumerate(prompt):
            key = (token, n) if network.is_blind else prompt[: n + 1] if network.causal else (prompt, n)
            if key not in index:
                index[key] = len(cells)
                cells.append((token, n))
                seen.append([*here, len(cells) - 1])
            here.append(index[key])
        if not network.causal and not network.is_blind:
            for cell in here:
                seen[cell] = here
        places.append(here)
    x = [network.tokens[token] for token, _ in cells]
    if network.positions is not None:
        x = a.sums(x, [network.positions[n] for _, n in cells])
    for branch in network.branches:
        y = run(branch.before, a, x)
        if branch.heads is not None:
            y = _attended(branch.heads, a, y, seen)
        x = a.sums(x, run(branch.after, a, y))
    if network.pool is not None:
        x, places = (
            [_pooled(a, network.pool, [x[n] for n in here]) for here in places],
            [[n] for n in range(len(places))],
        )
    result = run(network.final, a, x)
    if network.bigram is not None:
        result = a.sums(result, [network.bigram[token] for token, _ in cells])
    return [[result[n] for n in here] for here in places]


def run(steps: tuple[Step, ...], a: Arithmetic, rows: list[Row]) -> list[Row]:
    for step in steps:
        rows = step(a, rows)
    return rows


def _attended(heads: Heads, a: Arithmetic, x: list[Row], seen: list[list[int]]) -> list[Row]:
    parts = [[cut(row, heads.count) for row in run(steps, a, x)] for steps in (heads.query, heads.key, heads.value)]
    query, key, value = parts
    sinks = heads.sinks or [None] * heads.count
    return [
        [
            y
            for h, sink in enumerate(sinks)
            for y in a.attend(query[n][h], [key[m][h] for m in who], [value[m][h] for m in who], heads.scale, sink)
        ]
        for n, who in enumerate(seen)
    ]


def cut(row: Row, count: int) -> list[Row]:
    size = len(row) // count
    return [row[n * size : (n + 1) * size] for n in range(count)]


def _pooled(a: Arithmetic, kind: str, rows: list[Row]) -> Row:
    if kind == "last":
        return rows[-1]
    n = len(rows)
    share, off = (1 if kind == "sum" else n), a.gamma(n + 2)
    sums = [(sum(column, ZERO), sum(map(abs, column), ZERO)) for column in zip(*rows, strict=True)]
    return [a.blur(total / share, off * size / share) for total, size in sums]
