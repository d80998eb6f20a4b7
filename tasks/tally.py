"""Logits of a circuit from token counts alone, for whole boxes of counts at once, every one with a rigorous radius.

Where a network has no positions and one layer attends, every key is that of a token, so for the last token q, counts
``n_c`` of the other tokens (the prefix among them) and sinks ``s_h`` the attention of head h is

    y_h = sum_c n_c exp(s_qc) v_c / (sum_c n_c exp(s_qc) + exp(s_h))

and everything after it acts on the last position by itself. This is a quotient of two linear functions of the counts,
so over a box of counts each entry of ``W y_h`` lies between its values at the corners. The rest of the network is run
on that interval with the same balls as any sequence (``executor``, ``ball``). A point is a box with one corner.

An execution sums over up to ``keys`` positions in any order; the error is that of ``ball.attend`` with every position
its own key, where p_j e_j (v_j - y) is bounded by max |e_j| times the spread of the values. This file knows no program
and enumerates nothing; ``counting`` does.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
from numpy.typing import NDArray

from tasks import ball
from tasks.ball import Ball, Reals
from tasks.circuit import UNDECIDED, Circuit
from tasks.executor import Executor, State, Tree, is_tame
from tasks.labelling import read_out

Ints = NDArray[np.int64]

ROWS = 4096  # boxes computed together: their temporaries fit the cache
NO_TREE = Tree((), ())


def attending(circuit: Circuit, u: float) -> tuple[int, ...]:
    """The layers whose attention writes to a node that is kept; in the others attention adds a constant.

    Where an execution with unit roundoff ``u`` may have NaN anywhere, so do all layers behind one that attends: their
    rows but the last are not bounded.
    """
    layers = range(circuit.network.config.n_layer)
    live = tuple(layer for layer in layers if circuit.kept[f"{layer}.attn.resid_delta"].any())
    return tuple(layers[live[0] :]) if live and live[-1] + 1 < len(layers) and not is_tame(circuit, u) else live


def obstacle(circuit: Circuit, u: float = ball.FLOAT32) -> str | None:
    """Why token counts and the last token do not decide the logits, or None where they do."""
    if circuit.network.config.positions:
        return "the network embeds positions, so the order of tokens matters"
    layers = attending(circuit, u)
    if len(layers) > 1:
        return (
            f"layers {' and '.join(map(str, layers))} attend: what the later one reads at a position depends on the "
            "tokens before that position, so the order of tokens matters"
        )
    return None


class Tally(Executor):
    """A circuit without ``obstacle``, ready to bound logits from counts, with unit roundoff ``u``.

    Counts are those of the alphabet's tokens; the prefix is added here. The last token is an index into the alphabet,
    or the alphabet's size for the empty sequence, where the prefix ends the prompt.
    """

    def __init__(self, circuit: Circuit, unit_roundoff: float) -> None:
        super().__init__(circuit, unit_roundoff)
        self.letters = len(circuit.domain.alphabet)
        self._own = np.array([circuit.vocabulary.index(token) for token in (*circuit.domain.alphabet, *circuit.prefix)])
        self._live = next(iter(attending(circuit, unit_roundoff)), None)
        state = State(Ball.exact(self._tensors["transformer.wte.weight"][self._own]), self._own, ())
        for layer in range(self._config.n_layer if self._live is None else self._live):
            state = self._block(layer, NO_TREE, state)
        spoilt = np.inf if state.x.is_lost.any() else 0.0  # by NaN, of any token, even where attention has no use
        self._before = Ball(state.x.center, state.x.radius + spoilt)
        self._attention = cache(self._attention_of)
        self.boxes = 0

    def points(self, counts: Ints, last: int) -> tuple[NDArray[np.int8], Reals]:
        """Labels and margins (rows,) of count vectors (rows, letters) that are followed by a read-out at ``last``."""
        parts = [(np.zeros(0, np.int8), np.zeros(0))]
        for start in range(0, len(counts), ROWS):
            n = counts[start : start + ROWS].astype(np.float64)
            parts.append(read_out(self._logits(n, n, last, int(n.sum(axis=1).max()))[0]))
        return np.concatenate([label for label, _ in parts]), np.concatenate([margin for _, margin in parts])

    def ideal(self, low: Reals, high: Reals, last: int) -> tuple[NDArray[np.int8], Reals]:
        """Labels and margins (boxes,), in real arithmetic, of all counts in boxes [low, high]; high may be infinite."""
        parts = [(np.zeros(0, np.int8), np.zeros(0))]
        for start in range(0, len(low), ROWS):
            rows = slice(start, start + ROWS)
            parts.append(read_out(self._logits(low[rows], high[rows], last, self.letters)[0]))
        return np.concatenate([label for label, _ in parts]), np.concatenate([margin for _, margin in parts])

    def paint(self, last: int, longest: int, check_time: Callable[[], None]) -> tuple[NDArray[np.int8], float]:
        """The label of every count vector that ends in ``last``, of at most ``longest`` tokens, and the least margin.

        The array has ``longest + 1`` entries along each of ``letters`` axes, the first moving fastest; UNDECIDED where
        nothing is known.
        ``check_time`` is called now and then and may raise.
        """
        k, least = self.letters, np.inf
        canvas = np.full((longest + 1,) * k, UNDECIDED, np.int8, order="F")
        low, high = np.zeros((1, k)), np.full((1, k), float(longest))
        low[0, last] = 1
        while len(low):
            high = np.minimum(high, longest - low.sum(axis=1, keepdims=True) + low)
            halves = []
            for start in range(0, len(low), ROWS):
                check_time()
                part = slice(start, start + ROWS)
                labels, margins, halved = self._split(low[part], high[part], last, longest)
                known = labels != UNDECIDED
                least = min(least, float(margins[known].min(initial=np.inf)))
                boxes = zip(low[part][known].astype(int), high[part][known].astype(int) + 1, labels[known], strict=True)
                for bottom, top, label in boxes:
                    canvas[tuple(map(slice, bottom, top))] = label
                halves.append(halved)
            low, high = (np.concatenate(ends) for ends in zip(*halves, strict=True))
            inside = low.sum(axis=1) <= longest
            low, high = low[inside], high[inside]
        return canvas, least

    def _split(
        self, low: Reals, high: Reals, last: int, longest: int
    ) -> tuple[NDArray[np.int8], Reals, tuple[Reals, Reals]]:
        """Labels and margins of boxes, and the undecided ones cut in two where that moves the logits most."""
        logits, influence = self._logits(low, high, last, longest)
        labels, margins = read_out(logits)
        self.boxes += len(labels)
        rows = np.flatnonzero((labels == UNDECIDED) & (low < high).any(axis=1))
        low, high = low[rows], high[rows]
        axis = np.where(low < high, influence[rows], -1.0).argmax(axis=1)
        here = np.arange(len(rows)), axis
        middle = np.floor((low[here] + high[here]) / 2)
        below, above = high.copy(), low.copy()
        below[here], above[here] = middle, middle + 1
        return labels, margins, (np.concatenate([low, above]), np.concatenate([below, high]))

    def _logits(self, low: Reals, high: Reals, last: int, longest: int) -> tuple[Ball, Reals]:
        """Label logits (boxes, labels) over every vector of counts of at most ``longest`` tokens in each box
        [low, high] of (boxes, letters), and how much each count moves the residual stream: (boxes, letters).

        Ideal values are inside whatever ``longest``, and ``high`` may be infinite.
        """
        own = np.full(len(low), last if last < self.letters else len(self._own) - 1)
        x, influence = self._before[own], np.zeros_like(low)
        if self._live is not None:
            delta, influence = self._delta(low, high, last, longest)
            x = ball.add(x, self._node(f"{self._live}.attn.resid_delta", "attn_out", delta), self._u)
            state = State(self._mlp(self._live, x), self._own[own], ())
            for layer in range(self._live + 1, self._config.n_layer):
                state = self._block(layer, NO_TREE, state)
            x = state.x
        return self._read(x, self._own[own]), influence

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
        moved = values.sum(axis=1)[:, :, self._circuit.kept[f"{self._live}.attn.resid_delta"]]
        pairs = [np.abs(moved[corners[:, j]] - moved[~corners[:, j]]).sum(axis=(0, 2)) for j in range(k)]
        return ball._ball((least + most) / 2 + bias, (most - least) / 2 + error), np.stack(pairs, axis=1)

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
        config, u, at = self._config, self._u, f"transformer.h.{self._live}.attn."
        q, k, v = (part.heads(config.d_head) for part in self._queries(self._live or 0, self._before))
        own = last if last < self.letters else len(self._own) - 1
        found = ball._scores(q[own : own + 1], Ball(k.center[None], k.radius[None]), config.score_scale, u)
        found = found[0]
        if config.sink:
            found, v = ball.with_sink_among(found, v, self._tensors[f"{at}attn_imp.sink_logit"])
        keys = longest + len(self._own) - self.letters + config.sink
        largest, spread = v.magnitude.max(axis=0), ball.average_error(found, v, keys, u)
        layer = self._affine[f"{at}c_proj"]
        error = ball.affine(Ball(largest.reshape(1, -1), spread.reshape(1, -1)), layer, u).radius[0]
        here = 8 * ball.gamma(len(v) + largest.size + 8, ball.FLOAT64)  # for the order of summation in this file
        error = error + here * (layer.absolute @ largest.ravel() + np.abs(layer.bias))
        shifted = found.center - found.center.max(axis=-1, keepdims=True)
        if shifted.min() < -ball.MOST_APART:  # a key that towers over all others may be absent: nothing is known
            shifted, error = np.zeros_like(shifted), np.full_like(error, np.inf)
        value = np.einsum("ohd,jhd->hjo", layer.weight.reshape(-1, config.n_head, config.d_head), v.center)
        return np.exp(shifted), value, layer.bias, error
