"""What attention may give at the last row, over all sequences of a node of a trellis at once.

Where one layer attends, every key and value belongs to a position and a token. At the last row, with query q, a head
gives a quotient of two sums along the path of a sequence,

    y = sum_j w_j v_j / sum_j w_j,      w_j = exp(scale q.k_j),

whose largest value in a direction is that of a worst path (``fractional_path``), at a cost linear in the length.
Directions are the principal axes of what random sequences give; any others are as sound. What an execution with unit
roundoff u adds is ``ball.average_error``. Positions of prefix and suffix are part of every path.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tasks.automata.trellis import NONE, Ints, Trellis
from tasks.bounds import ball, interpreter, zonotope
from tasks.bounds.ball import Reals
from tasks.bounds.interpreter import Ids
from tasks.bounds.zonotope import Form
from tasks.bounds.zonotope_interpreter import form_step
from tasks.formats import Loaded
from tasks.networks.transformer import Attention, Pool, Residual, Step, Transformer, walk
from tasks.proofs.fractional_path import ROUNDING, Keys, Paths, largest_ratio

SAMPLES = 48  # sequences per node, for the axes


@dataclass(frozen=True)
class Parts:
    """A network as what happens before the one attention, inside its branch around it, and after."""

    before: tuple[Step, ...]
    inner: tuple[Step, ...]
    attention: Attention
    outer: tuple[Step, ...]
    after: tuple[Step, ...]
    is_residual: bool


def obstacle(loaded: Loaded, u: float = ball.FLOAT32) -> str | None:
    """Why there are no bounds of this kind for a network, with unit roundoff ``u``, or None where there are."""
    if not isinstance(loaded.network, Transformer):
        return loaded.no_transformer
    steps = interpreter.needed(loaded.network, u, every_row=False)
    found = [step for step in walk(steps) if isinstance(step, Attention)]
    if len(found) > 1:
        return f"{len(found)} layers attend, and what a later one reads depends on whole prefixes"
    return not_one_average(loaded, u) if found else "no layer attends"


def not_one_average(loaded: Loaded, u: float) -> str | None:
    """Why the read-out is no function of the last row and of one average of what that sees, or None where it is."""
    assert isinstance(loaded.network, Transformer)
    steps = interpreter.needed(loaded.network, u, every_row=False)
    if loaded.readout.position != "last":
        return "a label is read at every position"
    if any(isinstance(step, Pool) and step.kind != "last" for step in steps):
        return "all rows are pooled"
    found = [step for step in walk(steps) if isinstance(step, Attention)]
    if any(step.weighting != "softmax" or step.hidden for step in found):
        return "attention is not a softmax over all tokens before"
    return None if not found or parts_around(steps) else "attention is inside a nested branch, or behind a pool"


def parts_around(steps: tuple[Step, ...]) -> Parts | None:
    """``steps`` around their one attention; None where it is nested deeper than one branch, or behind a pool."""
    at = next(n for n, step in enumerate(steps) if interpreter.sees_others(step))
    before, after = steps[:at], tuple(step for step in steps[at + 1 :] if step != Pool("last"))  # the last row as it is
    match steps[at]:
        case Attention() as attention:
            return Parts(before, (), attention, (), after, False)
        case Residual(inside):
            at = next(n for n, step in enumerate(inside) if interpreter.sees_others(step))
            match inside[at]:
                case Attention() as attention:
                    return Parts(before, inside[:at], attention, inside[at + 1 :], after, True)
    return None


class Averages:
    """A network without ``obstacle``, with unit roundoff ``u``, for sequences of up to ``longest`` tokens."""

    def __init__(self, loaded: Loaded, u: float, longest: int) -> None:
        ball.check_roundoff(u)
        assert isinstance(loaded.network, Transformer)
        parts = parts_around(interpreter.needed(loaded.network, u, every_row=False))
        assert parts is not None
        self._u, self._loaded, self._parts = u, loaded, parts
        names = (*loaded.domain.alphabet, *loaded.prefix, *loaded.suffix)
        self._ids = np.array([loaded.vocabulary.index(token) for token in names])
        letters, first = len(loaded.domain.alphabet), len(loaded.prefix)
        self._prefix = np.arange(letters, letters + first)  # indices into names
        self._suffix = np.arange(letters + first, len(names))
        self._embed(longest + len(names) - letters)

    def _embed(self, width: int) -> None:
        """Stream, queries, keys and values of every token at every position: (positions, tokens, ...)."""
        parts, network = self._parts, self._loaded.network
        assert isinstance(network, Transformer)
        start = interpreter.embed(network, [np.repeat(self._ids[:, None], width, axis=1)], self._u)
        x = self._through(parts.before, Form.of(start.x), start.token)
        inside = self._through(parts.inner, x, start.token)
        steps = (parts.attention.query, parts.attention.key, parts.attention.value)
        q, k, v = (self._through(part, inside, start.token).ball for part in steps)
        places = start.places[0].T
        self._x = x.ball[places]
        self._q, self._k, self._v = (
            part.heads(part.center.shape[-1] // parts.attention.heads)[places] for part in (q, k, v)
        )

    def _through(self, steps: tuple[Step, ...], x: Form, token: Ids) -> Form:
        for step in steps:
            x = form_step(step, self._u)(x, token)
        return x

    @np.errstate(all="ignore")
    def given(self, trellis: Trellis, length: int, nodes: Ints, axes: Reals) -> Form:
        """What attention gives, (boxes, heads * d), at the last row of the sequences of ``nodes`` of level ``length``.

        All of ``nodes`` end in one token. ``axes``: (boxes, heads, d, d), a direction per row; each is a symbol of the
        form.
        """
        keys = self._keys(trellis, length, int(trellis.levels[length].token[nodes[0]]))
        boxes, heads, d, _ = axes.shape
        both = np.concatenate([axes, -axes], axis=2)
        paths = Paths(trellis, length, np.repeat(nodes, 2 * d))
        found = [largest_ratio(both[:, h].reshape(-1, d), keys.head(h), paths) for h in range(heads)]
        most = np.stack([ratio.reshape(boxes, 2 * d) for ratio in found], axis=1)
        high, low = most[:, :, :d], -most[:, :, d:]
        center = np.einsum("bhkd,bhk->bhd", axes, (high + low) / 2)
        shape = np.zeros((boxes, heads, d, heads, d))
        for h in range(heads):
            shape[:, h, :, h] = np.swapaxes(axes[:, h] * ((high - low) / 2)[:, h, :, None], 1, 2)
        skew = np.abs(np.eye(d) - np.einsum("bhkd,bhke->bhde", axes, axes)) + d * ROUNDING
        rest = (
            keys.error
            + np.einsum("bhde,he->bhd", skew, keys.largest)
            + d * ROUNDING * (np.abs(high) + np.abs(low)).max(axis=2)[..., None]
        )
        lost = np.asarray(~np.isfinite(high - low).all(axis=2))[..., None]
        flat = (boxes, heads * d)
        return Form(
            np.where(lost, 0.0, center).reshape(flat),
            np.where(lost[..., None, None], 0.0, shape).reshape(*flat, heads * d),
            np.where(lost, np.inf, rest).reshape(flat),
        )

    def logits(self, given: Form, length: int, token: int) -> Form:
        """The logits at the last row of prompts of ``length`` tokens, the last of which is ``token``."""
        place, last = len(self._prefix) + length + len(self._suffix) - 1, self._last(token)
        ids = np.repeat(self._ids[last], len(given.center))
        x = self._through(self._parts.outer, given, ids)
        if self._parts.is_residual:
            row = self._x[place, last]
            own = Form(
                np.broadcast_to(row.center, x.center.shape),
                np.zeros_like(x.shape),
                np.broadcast_to(row.radius, x.rest.shape),
            )
            x = zonotope.add(own, x, self._u)
        return self._through(self._parts.after, x, ids)

    def work(self, trellis: Trellis, length: int) -> int:
        """About how many numbers one node of level ``length`` takes."""
        heads, d = self._v.center.shape[-2:]
        widest = max(before.size for before in trellis.before[: length + 1])
        return int(4 * d * widest + SAMPLES * (length + 1) * heads * (d + 1))

    def axes(self, trellis: Trellis, length: int, nodes: Ints, random: np.random.Generator) -> Reals:
        """Orthogonal directions (nodes, heads, d, d), along which what attention gives varies most, then less."""
        keys = self._keys(trellis, length, int(trellis.levels[length].token[nodes[0]]))
        paths = trellis.paths(length, nodes, SAMPLES, random)
        at = (
            np.stack([keys.of_level[n][paths[..., n]] for n in range(1, length + 1)], axis=-1)
            if length
            else np.zeros((*paths.shape[:2], 0), int)
        )
        weight = keys.weight[:, at].transpose(1, 2, 0, 3)  # (nodes, samples, heads, length)
        total = weight.sum(axis=-1) + keys.fixed.sum(axis=-1)
        value = np.einsum("nshl,nslhd->nshd", weight, keys.value[at]) + np.einsum(
            "hk,khd->hd", keys.fixed, keys.fixed_value
        )
        y = value / total[..., None]
        y = (y - y.mean(axis=1, keepdims=True)).transpose(0, 2, 1, 3)
        return np.linalg.svd(y.swapaxes(2, 3) @ y)[2]

    def pull(self, trellis: Trellis, length: int, node: int, axes: Reals) -> list[Reals]:
        """How much each node, per level, adds to what attention gives along the first of ``axes`` (heads, d, d)."""
        if not length:
            return [np.zeros(1)]
        keys = self._keys(trellis, length, int(trellis.levels[length].token[node]))
        along = np.einsum("hd,khd->hk", axes[:, 0], keys.value)
        mean = (keys.weight * along).sum(axis=1, keepdims=True) / keys.weight.sum(axis=1, keepdims=True)
        each = np.abs(keys.weight * (along - mean)).sum(axis=0) * np.sign(along - mean)[0]
        return [np.zeros(1), *(each[index] for index in keys.of_level[1:])]

    def _last(self, token: int) -> int:
        """The token of the prompt's last row, where the sequence ends in ``token`` (NONE: it is empty)."""
        around = self._suffix if len(self._suffix) else self._prefix
        return int(around[-1]) if len(self._suffix) or token == NONE else token

    def _keys(self, trellis: Trellis, length: int, token: int) -> Keys:
        """Everything a row may attend to at the end of sequences of ``length`` that end in ``token``."""
        first = len(self._prefix)
        place, own = first + length + len(self._suffix) - 1, self._last(token)
        pairs, of_level = list[tuple[int, int]](), [np.zeros(0, np.int64)]
        for n in range(1, length + 1):
            tokens, index = np.unique(trellis.levels[n].token, return_inverse=True)
            of_level.append(len(pairs) + index)
            pairs += [(first + n - 1, int(t)) for t in tokens]
        free = len(pairs)
        pairs += [*enumerate(self._prefix.tolist()), *enumerate(self._suffix.tolist(), first + length)]
        at, tokens = np.array(pairs).T
        scale, sink = self._parts.attention.scale, self._parts.attention.sink
        k, v, q = self._k[at, tokens], self._v[at, tokens], self._q[place : place + 1, own]
        found = ball.scores_of_one(q, k, scale, self._u)
        count = length + len(self._prefix) + len(self._suffix)
        if sink is not None:
            found, v = ball.with_sink_among(found, v, sink)
            count += 1
        error = ball.average_error(found, v, count, self._u)
        shifted = found.center - found.center.max(axis=-1, keepdims=True)
        if shifted.min() < -ball.MOST_APART:  # a key that towers over all others may be absent: nothing is known
            shifted, error = np.zeros_like(shifted), np.full_like(error, np.inf)
        weight = np.exp(shifted)
        return Keys(
            weight[:, :free],
            v.center[:free],
            of_level,
            weight[:, free:],
            v.center[free:],
            error,
            v.magnitude.max(axis=0),
        )
