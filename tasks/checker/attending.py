"""A network around its one branch that attends, as claims over many sequences need it: keys, values, and the rest.

Rows before that branch are those of a token at a place. What it is given there is an average, whose bounds come from
``counts`` or ``paths``; how far an execution may lie from the average of the middles of weights and values is the same
for both.
"""

from __future__ import annotations

from collections.abc import Iterator

from flint import arb

from tasks.checker.arithmetic import TINY, ZERO, Arithmetic, Row
from tasks.checker.files import Rejected, expect
from tasks.checker.network import Affine, Heads, Network, cut, run


class Attending:
    """``network`` on ``cells`` (token, place): stream ``x``; queries, keys and values by cell and head; and ``out``."""

    def __init__(self, network: Network, a: Arithmetic, cells: list[tuple[int, int]]) -> None:
        live = [n for n, branch in enumerate(network.branches) if branch.heads is not None]
        expect(
            len(live) == 1 and network.pool in (None, "last"), "the network pools, or attends more or less than once"
        )
        self.a, self.network, self.cells = a, network, cells
        before, (self.branch, *self.after) = network.branches[: live[0]], network.branches[live[0] :]
        self.x = [network.tokens[token] for token, _ in cells]
        if network.positions is not None:
            self.x = a.sums(self.x, [network.positions[place] for _, place in cells])
        for branch in before:
            self.x = a.sums(self.x, run(branch.after, a, run(branch.before, a, self.x)))
        heads, out = self.branch.heads, self.branch.after[0]
        assert isinstance(heads, Heads)
        assert isinstance(out, Affine)
        self.heads, self.out, y = heads, out, run(self.branch.before, a, self.x)
        self.query, self.key, self.value = (
            [cut(row, heads.count) for row in run(steps, a, y)] for steps in (heads.query, heads.key, heads.value)
        )
        self.sinks = heads.sinks or [None] * heads.count

    def logits(self, last: int, given: list[Row], off: Row) -> list[Row]:
        """The logits at cell ``last``, where ``out`` of what attention gives is in one of ``given``, up to ``off``."""
        a, token = self.a, self.cells[last][0]
        given = [[a.blur(arb(x, e)) for x, e in zip(row, off, strict=True)] for row in given]
        x = a.sums([self.x[last]] * len(given), run(self.branch.after[1:], a, given))
        for branch in self.after:
            x = a.sums(x, run(branch.after, a, run(branch.before, a, x)))
        result, bigram = run(self.network.final, a, x), self.network.bigram
        return result if bigram is None else a.sums(result, [bigram[token]] * len(given))

    def scores(self, last: int, keys: list[int], head: int) -> Row:
        """What the row of cell ``last`` says of ``keys``."""
        a, query = self.a, self.query[last][head]
        found = a.scores(query, [self.key[n][head] for n in keys], self.heads.scale)
        if not all(s.is_finite() for s in found):
            raise Rejected("scores are not known well enough")
        return found

    def off(self, spreads: list[tuple[arb, arb]]) -> Row:
        """How far an execution of ``out`` may lie from that of the middles: see ``spreads`` for all heads."""
        found = []
        for weights, bias in zip(self.out.weight, self.out.bias, strict=True):
            size = sum((abs(w) * s for w, (_, s) in zip(weights, spreads, strict=True)), abs(bias))
            shift = sum((abs(w) * e for w, (e, _) in zip(weights, spreads, strict=True)), ZERO)
            found.append(shift + self.a.gamma(2 + len(weights)) * (size + shift))
        return found


def spreads(a: Arithmetic, count: int, scores: Row, values: list[Row], sink: arb | None) -> Iterator[tuple[arb, arb]]:
    """Per column of a head's values how far its mean lies from that of the middles; and the column's largest size.

    A mean is one of up to ``count`` keys. Exponentials up to factors 1 + e move it by e / (1 - e) times the spread of
    the values.
    """
    every = [*scores, *([] if sink is None else [sink])]
    if not (a.is_real or sink is None or min(s.lower() for s in scores) > sink - 80):
        raise Rejected("exp(sink - largest other score) may overflow")
    largest = max(abs(s).upper() for s in every)
    drift = a.gamma(4) * 2 * largest + a.gamma(16 * (1 + count // 16))
    moved = ((max(s.rad() for s in scores) + drift).exp() - 1).upper()
    for column in ([*c, *([] if sink is None else [ZERO])] for c in zip(*values, strict=True)):
        if not (moved < 0.5 and all(v.is_finite() for v in column)):
            raise Rejected("scores or values are not known well enough")
        mids, size = [v.mid() for v in column], max(abs(v).upper() for v in column)
        spread, blur = max(mids) - min(mids), max(v.rad() for v in column)
        rounded = 2 * a.gamma(2 * count + 8) * size + (ZERO if a.is_real else TINY)
        yield moved / (1 - moved) * (spread + 2 * blur) + blur + rounded, size
