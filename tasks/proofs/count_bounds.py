"""Logits of a network from token counts alone, for whole boxes of counts at once, every one with a rigorous radius.

Where a network has no positions and one layer attends, every key is that of a token, so for the last token q, counts
``n_c`` of the other tokens (the prefix among them) and sinks ``s_h`` the attention of head h is

    y_h = sum_c n_c exp(s_qc) v_c / (sum_c n_c exp(s_qc) + exp(s_h))

and everything after it acts on the last position by itself. This is a quotient of two linear functions of the counts,
so over a box of counts each entry of ``W y_h`` lies between its values at the corners. The rest of the network is run
on that interval with the same balls as any sequence (``interpreter``, ``ball``). A point is a box with one corner.

An execution sums over up to ``keys`` positions in any order; the error is that of ``ball.attend`` with every position
its own key, where p_j e_j (v_j - y) is bounded by max |e_j| times the spread of the values. This file knows no program
and enumerates nothing; ``counting`` does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, cached_property

import numpy as np
from numpy.typing import NDArray

from tasks.bounds import ball, interpreter, workers
from tasks.bounds.ball import Ball, Reals
from tasks.bounds.magnitudes import narrowed
from tasks.formats import Loaded, model_of
from tasks.networks.circuit import Circuit
from tasks.networks.readout import UNDECIDED, Labels
from tasks.networks.transformer import Affine, Attention, Mask, Pool, Step, Transformer, walk
from tasks.proofs.attention_bounds import not_one_average, parts_around
from tasks.proofs.enumeration import read_bounds

Ints = NDArray[np.int64]

ROWS = 4096  # boxes computed together: their temporaries fit the cache
UNKNOWN = -1  # on a canvas


def obstacle(network: Circuit | Loaded, u: float = ball.FLOAT32) -> str | None:
    """Why token counts and the last token do not decide the logits, or None where they do."""
    loaded = model_of(network)
    if not isinstance(loaded.network, Transformer):
        return loaded.no_transformer
    positions = loaded.network.positions
    if positions is not None and (positions != positions[0]).any():
        return "the network embeds positions, so the order of tokens matters"
    if loaded.network.position_error is not None:
        return "the network's positions are known up to an error, in which they may differ"
    if loaded.suffix:
        return "tokens stand behind every sequence, so that its last token is none of the prompt's end"
    steps = interpreter.needed(loaded.network, u, every_row=False)
    found = [step for step in walk(steps) if isinstance(step, Attention)]
    if len(found) > 1:
        return (
            f"{len(found)} layers attend: what a later one reads at a position depends on the tokens before that "
            "position, so the order of tokens matters"
        )
    return not_one_average(loaded, u)


_Split = tuple[Labels, Reals, tuple[Reals, Reals]]  # labels and margins of boxes, and both ends of what they are cut in


class Tally:
    """A network without ``obstacle``, ready to bound logits from counts, with unit roundoff ``u``.

    Counts are those of the alphabet's tokens; the prefix is added here. The last token is an index into the alphabet,
    or the alphabet's size for the empty sequence, where the prefix ends the prompt. Labels are those of the read-out,
    with a guaranteed margin of ``least`` or more.
    """

    def __init__(self, network: Circuit | Loaded, unit_roundoff: float, least: float = 0.0) -> None:
        ball.check_roundoff(unit_roundoff)
        self._least = least
        loaded = narrowed(model_of(network), unit_roundoff)
        assert isinstance(loaded.network, Transformer)
        self._u, self._readout, self.letters = unit_roundoff, loaded.readout, len(loaded.domain.alphabet)
        names = (*loaded.domain.alphabet, *loaded.prefix)
        self._own = np.array([loaded.vocabulary.index(token) for token in names])
        steps = interpreter.needed(loaded.network, unit_roundoff, every_row=False)
        is_blind = not any(isinstance(step, Attention) for step in walk(steps))
        self._parts = None if is_blind else parts_around(steps)
        own = tuple(step for step in steps if not isinstance(step, Pool))  # the last row as it is
        start = interpreter.embed(loaded.network, [self._own[:, None]], unit_roundoff)
        x = start.x[start.places[0][:, 0]]
        x = self._each(own if self._parts is None else self._parts.before, x, self._own)
        spoilt = np.inf if x.is_lost.any() else 0.0  # by NaN, of any token, even where attention has no use
        self._before = Ball(x.center, x.radius + spoilt)
        self._attention = cache(self._attention_of)
        self.boxes = 0
        self.seen: list[int] = []  # labels, by their number on a canvas

    def points(self, counts: Ints, last: int) -> tuple[Labels, Reals]:
        """Labels and margins (rows,) of count vectors (rows, letters) that are followed by a read-out at ``last``."""
        parts = [(np.zeros(0, np.int64), np.zeros(0))]
        for start in range(0, len(counts), ROWS):
            n = counts[start : start + ROWS].astype(np.float64)
            parts.append(self._read(self._logits(n, n, last, int(n.sum(axis=1).max()))[0]))
        return np.concatenate([label for label, _ in parts]), np.concatenate([margin for _, margin in parts])

    def ideal(self, low: Reals, high: Reals, last: int) -> tuple[Labels, Reals]:
        """Labels and margins (boxes,), in real arithmetic, of all counts in boxes [low, high]; high may be infinite."""
        parts = [(np.zeros(0, np.int64), np.zeros(0))]
        for start in range(0, len(low), ROWS):
            rows = slice(start, start + ROWS)
            parts.append(self._read(self._logits(low[rows], high[rows], last, self.letters)[0]))
        return np.concatenate([label for label, _ in parts]), np.concatenate([margin for _, margin in parts])

    def paint(self, last: int, longest: int, check_time: Callable[[], None]) -> tuple[NDArray[np.int16], float]:
        """The label of every count vector that ends in ``last``, of at most ``longest`` tokens, and the least margin.

        The array has ``longest + 1`` entries along each of ``letters`` axes, the first moving fastest; each is the
        number of a label among those ``seen``, or UNKNOWN. ``check_time`` is called now and then and may raise.
        """
        k, least = self.letters, np.inf
        canvas = np.full((longest + 1,) * k, UNKNOWN, np.int16, order="F")
        low, high = np.zeros((1, k)), np.full((1, k), float(longest))
        low[0, last] = 1
        while len(low):
            high = np.minimum(high, longest - low.sum(axis=1, keepdims=True) + low)
            halves, cut = [], workers.blocks(len(low), ROWS)
            boxes = ((low[rows], high[rows], last, longest) for rows in cut)
            splits = workers.each(Tally._split, self, boxes, check_time)
            for part, (labels, margins, halved) in zip(cut, splits, strict=True):
                self.boxes += len(labels)
                known = labels != UNDECIDED
                least = min(least, float(margins[known].min(initial=np.inf)))
                corners = low[part][known].astype(int), high[part][known].astype(int) + 1
                for bottom, top, number in zip(*corners, self._numbers(labels[known]), strict=True):
                    canvas[tuple(map(slice, bottom, top))] = number
                halves.append(halved)
            low, high = (np.concatenate(ends) for ends in zip(*halves, strict=True))
            inside = low.sum(axis=1) <= longest
            low, high = low[inside], high[inside]
        return canvas, least

    def __getstate__(self) -> dict[str, object]:
        return {name: value for name, value in self.__dict__.items() if name != "_attention"}

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state)
        self._attention = cache(self._attention_of)

    def _split(self, low: Reals, high: Reals, last: int, longest: int) -> _Split:
        """Labels and margins of boxes, and the undecided ones cut in two where that moves the logits most."""
        logits, influence = self._logits(low, high, last, longest)
        labels, margins = self._read(logits)
        rows = np.flatnonzero((labels == UNDECIDED) & (low < high).any(axis=1))
        low, high = low[rows], high[rows]
        axis = np.where(low < high, influence[rows], -1.0).argmax(axis=1)
        here = np.arange(len(rows)), axis
        middle = np.floor((low[here] + high[here]) / 2)
        below, above = high.copy(), low.copy()
        below[here], above[here] = middle, middle + 1
        return labels, margins, (np.concatenate([low, above]), np.concatenate([below, high]))

    def _read(self, logits: Ball) -> tuple[Labels, Reals]:
        labels, margins = read_bounds(self._readout, logits)
        return np.where(margins >= self._least, labels, UNDECIDED), margins

    def _numbers(self, labels: Labels) -> list[int]:
        """The number of each label among those seen."""
        for label in np.unique(labels):
            if int(label) not in self.seen:
                self.seen.append(int(label))
        number = {label: n for n, label in enumerate(self.seen)}
        return [number[label] for label in labels.tolist()]

    def _each(self, steps: Sequence[Step], x: Ball, ids: Ints) -> Ball:
        """``steps`` on every row by itself."""
        for step in steps:
            x = interpreter.row_step(step, self._u)(x, ids)
        return x

    def _logits(self, low: Reals, high: Reals, last: int, longest: int) -> tuple[Ball, Reals]:
        """Logits that are read (boxes, outputs) over every vector of counts of at most ``longest`` tokens in each box
        [low, high] of (boxes, letters), and how much each count moves the residual stream: (boxes, letters).

        Ideal values are inside whatever ``longest``, and ``high`` may be infinite.
        """
        own = np.full(len(low), last if last < self.letters else len(self._own) - 1)
        x, ids, parts = self._before[own], self._own[own], self._parts
        if parts is None:
            return x, np.zeros_like(low)
        delta, influence = self._delta(low, high, last, longest)
        branch = self._each(self._projection[1], delta, ids)
        return self._each(parts.after, ball.add(x, branch, self._u) if parts.is_residual else branch, ids), influence

    @cached_property
    def _heads(self) -> tuple[Ball, Ball, Ball]:
        """Queries, keys and values of every token: (tokens, heads, d) each."""
        assert self._parts is not None
        step = self._parts.attention
        x = self._each(self._parts.inner, self._before, self._own)
        parts = (self._each(steps, x, self._own) for steps in (step.query, step.key, step.value))
        q, k, v = (part.heads(part.center.shape[-1] // step.heads) for part in parts)
        return q, k, v

    @cached_property
    def _projection(self) -> tuple[Affine, tuple[Step, ...]]:
        """The map of what all heads give, and the steps after it; if there is none behind attention, the identity."""
        assert self._parts is not None
        outer = self._parts.outer
        if outer and isinstance(outer[0], Affine):
            return outer[0], outer[1:]
        return Affine(np.eye(self._heads[2].center[0].size)), outer

    def _delta(self, low: Reals, high: Reals, last: int, longest: int) -> tuple[Ball, Reals]:
        """What attention adds to the residual stream, (boxes, d_model), before AbsTopK and mask; and influence."""
        weight, value, bias, error = self._attention(last, longest)
        k = self.letters
        if (low == high).all():
            center = self._mean(low, weight, value).sum(axis=0) + bias
            return ball._ball(center, np.broadcast_to(error, center.shape)), np.zeros_like(low)
        corners = (np.arange(2**k)[:, None] >> np.arange(k) & 1).astype(np.bool_)
        values = np.stack([self._corner(low, high, corner, weight, value) for corner in corners])
        least, most = values.min(axis=0).sum(axis=0), values.max(axis=0).sum(axis=0)
        moved = values.sum(axis=1)[:, :, self._matters]
        pairs = [np.abs(moved[corners[:, j]] - moved[~corners[:, j]]).sum(axis=(0, 2)) for j in range(k)]
        return ball._ball((least + most) / 2 + bias, (most - least) / 2 + error), np.stack(pairs, axis=1)

    @cached_property
    def _matters(self) -> NDArray[np.bool_]:
        """The entries of what attention adds that a mask does not replace."""
        layer, rest = self._projection
        masks = [step.kept for step in rest if isinstance(step, Mask)]
        return np.logical_and.reduce(masks) if masks else np.ones(len(layer.weight), bool)

    def _corner(self, low: Reals, high: Reals, corner: NDArray[np.bool_], weight: Reals, value: Reals) -> Reals:
        """What each head adds, (heads, rows, d_model), at one corner of each box: that of ``high`` where ``corner``.

        Where counts have no upper end, far out only those that grow matter: a mean of their values, and every vector
        of counts in the box gives a mean of such means and of the finite corners.
        """
        endless = corner & np.isinf(high)
        far = endless.any(axis=1, keepdims=True)
        counts = np.where(far, endless, np.where(corner & ~endless, high, low))
        return self._mean(counts, weight, value, np.where(far, 0.0, 1.0))

    def _mean(self, counts: Reals, weight: Reals, value: Reals, others: Reals | float = 1.0) -> Reals:
        """What each head adds at counts (rows, letters), where prefix and sink occur ``others`` times."""
        once = np.ones((len(counts), weight.shape[1] - self.letters))
        shares = weight[:, None] * np.concatenate([counts, others * once], axis=1)
        mixed: Reals = np.matmul(shares, value) / shares.sum(axis=-1, keepdims=True)
        return mixed

    @np.errstate(all="ignore")
    def _attention_of(self, last: int, longest: int) -> tuple[Reals, Reals, Reals, Reals]:
        """Exponentials (heads, keys), values times output weights (heads, keys, d_model), bias and error (d_model,).

        The error bounds, for every vector of counts of at most ``longest`` tokens, how far an execution and the ideal
        value lie from what is computed here.
        """
        assert self._parts is not None
        u, step = self._u, self._parts.attention
        q, k, v = self._heads
        own = last if last < self.letters else len(self._own) - 1
        found = ball.scores_of_one(q[own : own + 1], k, step.scale, u)
        if step.sink is not None:
            found, v = ball.with_sink_among(found, v, step.sink)
        keys = longest + len(self._own) - self.letters + (step.sink is not None)
        largest, spread = v.magnitude.max(axis=0), ball.average_error(found, v, keys, u)
        affine = self._projection[0]
        layer = ball.Affine.of(affine.weight, np.zeros(len(affine.weight)) if affine.bias is None else affine.bias)
        error = ball.affine_sizes(ball.Ball(largest.reshape(1, -1), spread.reshape(1, -1)), layer, u).radius[0]
        here = 8 * ball.gamma(len(v) + largest.size + 8, ball.FLOAT64)  # for the order of summation in this file
        error = error + here * (layer.absolute @ largest.ravel() + np.abs(layer.bias))
        shifted = found.center - found.center.max(axis=-1, keepdims=True)
        if shifted.min() < -ball.MOST_APART:  # a key that towers over all others may be absent: nothing is known
            shifted, error = np.zeros_like(shifted), np.full_like(error, np.inf)
        value = np.einsum("ohd,jhd->hjo", layer.weight.reshape(-1, step.heads, v.center.shape[-1]), v.center)
        return np.exp(shifted), value, layer.bias, error
