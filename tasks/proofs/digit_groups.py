"""What attention may give at a digit of an answer, over all pairs of numbers at once: sums over groups of digits.

The digits ``a_k``, ``b_k`` of a pair and the digit ``z_k`` of its answer are a *group*: whatever the order of a prompt,
groups are visited in the order of the program, least significant first, and all that one has to know of the groups
before is the carry (``automata.digits``). At a row whose token is given, a head gives a quotient of two sums over keys,

    y = sum_j w_j v_j / sum_j w_j,        w_j = exp(scale q.k_j),

and both are sums over groups. Groups in a *window* are chosen one by one; what the others add lies between bounds found
by dynamic programming over carries. In a direction d, about any number t,

    d.y - t  =  (sum_j w_j (d.v_j - t)) / sum_j w_j,

of which numerator and denominator have such bounds: t is taken near the quotient, from a grid. Where no weight depends
on a token the denominator is one number, and the bounds are exact. Nothing here knows what the digits should be.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cegis.operands import Operands
from tasks.automata.digits import DigitMachine
from tasks.bounds import ball, zonotope
from tasks.bounds.ball import Ball, Reals
from tasks.bounds.zonotope import Form
from tasks.formats import Loaded
from tasks.networks.readout import Argmax
from tasks.networks.transformer import Transformer
from tasks.proofs.attention_bounds import Averages

Ints = NDArray[np.int64]

GRID, FAINT = 13, 1e-9  # numbers t about which quotients are taken; a share of the largest symbol
LOSS = 2.0**-40  # far above what float64 loses in sums of some hundred terms, relative to their sizes


@dataclass(frozen=True)
class Chosen:
    """Digits of the groups ``low`` to ``high``, for many cases at once.

    ``entry`` and ``leave``: the carries before and after them; ``a``, ``b``: (cases, groups) digits; ``answer``: the
    right digit; ``sums``: (cases, features) what these groups add.
    """

    low: int
    high: int
    entry: Ints
    leave: Ints
    a: Ints
    b: Ints
    answer: Ints
    sums: Reals

    def __len__(self) -> int:
        return len(self.entry)

    @property
    def different(self) -> Ints:
        """One of all cases that add the same to every sum, between the same carries."""
        key = np.concatenate([self.entry[:, None], self.leave[:, None], self.answer[:, None], self.sums], axis=1)
        rows = np.ascontiguousarray(key).view(np.dtype((np.void, key.shape[1] * key.itemsize))).ravel()
        return np.sort(np.unique(rows, return_index=True)[1])

    def __getitem__(self, rows: Ints | NDArray[np.bool_] | slice) -> Chosen:
        parts = {name: getattr(self, name)[rows] for name in ("entry", "leave", "a", "b", "answer", "sums")}
        return replace(self, **parts)


class Steps(Averages):
    """A network without ``attention_bounds.obstacle`` as it gives the digits of answers, with unit roundoff ``u``."""

    def __init__(self, loaded: Loaded, operands: Operands, machine: DigitMachine, u: float) -> None:
        assert isinstance(loaded.network, Transformer)
        whole = replace(
            loaded, prefix=(), suffix=(), domain=replace(loaded.domain, alphabet=loaded.vocabulary, constraint=None)
        )
        length = len(operands.cells) + operands.shown_digits - 1
        super().__init__(whole, u, length)
        self.operands, self.machine = operands, machine
        self.digit = np.array([loaded.vocabulary.index(token) for token in operands.alphabet])
        self.vocabulary = loaded.vocabulary
        self.groups = max(operands.digits, operands.shown_digits)
        self._out = self._outer()
        assert isinstance(loaded.readout, Argmax)
        self.columns = frozenset(loaded.readout.columns)
        self.column = np.array([loaded.readout.columns[loaded.readout.names.index(t)] for t in operands.alphabet])

    def _outer(self) -> Reals:
        """Per head, directions (heads, d, d), rows: what matters most behind attention first."""
        attention = self._parts.attention
        heads, d = self._v.center.shape[-2:]
        unit = Form(np.zeros((1, heads * d)), np.eye(heads * d)[None], np.zeros((1, heads * d)))
        out = self._through(self._parts.outer, unit, np.zeros(1, np.int64)).shape[0]  # (width, heads * d)
        return np.stack([np.linalg.svd(out[:, h * d : (h + 1) * d])[2] for h in range(attention.heads)])

    def cases(self, index: int) -> list[Case]:
        """Every token that the row of the digit ``index`` of the answer may have."""
        place = len(self.operands.cells) - 1 + index
        cell = self.operands.cells[place] if index == 0 else ("z", self.operands.answer_powers[index - 1])
        if isinstance(cell, str):
            return [Case(self, index, place, self.vocabulary.index(cell), None, 0)]
        name, power = cell
        digits = self.machine.values(power) if name != "z" else range(self.operands.base)
        return [Case(self, index, place, int(self.digit[d]), (name, power), d) for d in digits]


class Case:
    """One digit of the answer, at a row with one ``token``: the digit ``digit`` at ``cell``, or a token between."""

    def __init__(
        self, steps: Steps, index: int, place: int, token: int, cell: tuple[str, int] | None, digit: int
    ) -> None:
        self.steps, self.index, self.place, self.token, self.cell, self.digit = steps, index, place, token, cell, digit
        operands = steps.operands
        self.power = operands.answer_powers[index]
        places: dict[tuple[str, int], int] = {c: n for n, c in enumerate(operands.cells) if not isinstance(c, str)}
        start = len(operands.cells)
        places |= {("z", power): start + n for n, power in enumerate(operands.answer_powers[:index])}
        fixed = [(n, steps.vocabulary.index(c)) for n, c in enumerate(operands.cells) if isinstance(c, str)]
        self._read(places, fixed)

    def _read(self, places: dict[tuple[str, int], int], fixed: list[tuple[int, int]]) -> None:
        """Weights and values of all keys, as features: per head the weight, and it times the value per direction."""
        steps = self.steps
        names = list(places)
        pairs = [(places[name], int(t)) for name in names for t in steps.digit] + fixed
        at, tokens = np.array(pairs).T
        k, v = steps._k[at, tokens], steps._v[at, tokens]
        q = steps._q[self.place : self.place + 1, self.token]
        scale, sink = steps._parts.attention.scale, steps._parts.attention.sink
        found = ball._scores(q, Ball(k.center[None], k.radius[None]), scale, steps._u)[0]
        count = len(names) + len(fixed)
        if sink is not None:
            found, v = ball.with_sink_among(found, v, sink)
            count += 1
        growth, self.rest = self._blur(found, v, count)
        shifted = found.center - found.center.max(axis=-1, keepdims=True)
        if shifted.min() < -ball.MOST_APART:
            shifted, self.rest = np.zeros_like(shifted), np.full_like(self.rest, np.inf)
        weight = np.exp(shifted).T  # (keys, heads)
        along = np.einsum("hed,khd->khe", steps._out, v.center)
        self.low_value, self.high_value = along.min(axis=0), along.max(axis=0)
        self.largest = v.magnitude.max(axis=0)
        self.heads, self.d = along.shape[1:]
        grid = np.linspace(0.0, 1.0, GRID)[:, None, None]
        self.grid = self.low_value + grid * (self.high_value - self.low_value)  # (GRID, heads, d)
        loose = weight * growth.T
        apart = loose[:, None, :, None] * np.abs(along[:, None] - self.grid)
        parts = (weight, weight[:, :, None] * along, loose, apart)
        features = np.concatenate([part.reshape(len(weight), -1) for part in parts], axis=1)
        base, size = len(steps.digit), len(names) * len(steps.digit)
        self.of_cell = dict(zip(names, features[:size].reshape(len(names), base, -1), strict=True))
        self.fixed = features[size:].sum(axis=0)

    def _blur(self, scores: Ball, v: Ball, count: int) -> tuple[Reals, Reals]:
        """By how much, relative to it, an execution may have another weight of each key, (heads, keys); and how far,
        beside what that moves, it may be from the average, per direction (heads, d).

        The argument is that of ``ball.attend``: weights p_j (1 + e_j), made to sum to 1, move an average y by
        sum p_j e_j (v_j - y) / (1 + sum p_j e_j), of which the radii of values and their rounding are left here.
        """
        u, size, largest = self.steps._u, scores.magnitude, v.magnitude.max(axis=0)
        wobble = scores.radius + ball.gamma(4, u) * (size + size.max(axis=-1, keepdims=True))
        delta = (wobble + ball.gamma(16 * (1 + count // 16), u)) * ball.INFLATION
        growth = np.where(delta <= 0.25, np.expm1(np.minimum(delta, 1.0)), np.inf) * ball.INFLATION
        most = growth.max(axis=-1)[:, None]
        rounded = 2 * ball.gamma(2 * (count + 1) + 8, u) * (1 + most) * largest
        own = ((1 + most) * v.radius.max(axis=0) + rounded) / np.maximum(1 - most, 0.5) * ball.INFLATION
        rest = np.where(np.isfinite(own), own, np.inf) + 8 * ball.TINY * count * (1 + largest)
        return growth, np.einsum("hed,hd->he", np.abs(self.steps._out), rest)

    def added(self, group: int) -> tuple[Ints, Ints, Ints, Ints, Ints, Reals]:
        """Every way through a group: carry before, digits a, b and of the answer, carry after; what each adds."""
        machine, rows, sums = self.steps.machine, list[tuple[int, int, int, int, int]](), list[Reals]()
        nothing = np.zeros((len(self.steps.digit), len(self.fixed)))
        parts = [self.of_cell.get((name, group), nothing) for name in "abz"]
        for state in machine.states:
            for a in machine.values(group):
                for b in machine.values(group):
                    z, after = machine.step(state, a, b)
                    if self.cell is not None and self.cell[1] == group:
                        if {"a": a, "b": b, "z": z}[self.cell[0]] != self.digit:
                            continue
                    rows.append((state, a, b, z, after))
                    sums.append(parts[0][a] + parts[1][b] + parts[2][z])
        table = np.array(rows, np.int64).reshape(-1, 5)
        features = np.array(sums).reshape(len(rows), -1)
        return table[:, 0], table[:, 1], table[:, 2], table[:, 3], table[:, 4], features

    def split(self, sums: Reals) -> tuple[Reals, Reals, Reals, Reals]:
        """Sums of weights (rows, heads) and of weighted values (rows, heads, d); of what weights may be off by, and
        that times how far values are from each number of the grid (rows, GRID, heads, d).
        """
        heads, d, rows = self.heads, self.d, len(sums)
        ends = np.cumsum([heads, heads * d, heads])
        weight, value, loose, apart = np.split(sums, ends, axis=1)
        return weight, value.reshape(rows, heads, d), loose, apart.reshape(rows, GRID, heads, d)

    def functionals(self, sums: Reals) -> Reals:
        """Denominators per head, numerators about every number of the grid, and the last two parts of ``split``."""
        weight, value, loose, apart = self.split(sums)
        about = value[:, None] - self.grid[None] * weight[:, None, :, None]
        return np.concatenate([weight, about.reshape(len(sums), -1), loose, apart.reshape(len(sums), -1)], axis=1)

    def read(self, functionals: Reals) -> tuple[Reals, Reals, Reals, Reals]:
        """Their parts, each in its shape."""
        heads, shape = self.heads, (len(functionals), GRID, self.heads, self.d)
        weight, about, loose, apart = np.split(functionals, np.cumsum([heads, self.grid.size, heads]), axis=1)
        return weight, about.reshape(shape), loose, apart.reshape(shape)

    def ways(self, group: int) -> tuple[Ints, Ints, Ints, Ints, Ints, Reals]:
        """What ``added`` gives, computed once."""
        if group not in self._ways:
            self._ways[group] = self.added(group)
        return self._ways[group]

    def _ranges(self) -> None:
        """Least and most that the groups below each, and from each on, add, by carry; of carries never met: inf."""
        index = {state: n for n, state in enumerate(self.steps.machine.states)}
        count, states = self.steps.groups, len(index)
        start = np.full((states, 2 * self.heads + 2 * self.grid.size), np.inf)
        start[index[self.steps.machine.program.r]] = 0.0
        below = [(start, np.where(np.isfinite(start), start, -np.inf))]
        ends = np.zeros((states, start.shape[1]))
        if self.steps.machine.program.modulus is None:
            ends[[n for state, n in index.items() if state]] = np.inf
        above = [(ends, np.where(np.isfinite(ends), ends, -np.inf))]
        for group in range(count):
            below.append(self._passed(below[-1], group, is_up=True))
        for group in reversed(range(count)):
            above.append(self._passed(above[-1], group, is_up=False))
        self._below, self._above = below, above[::-1]

    def _passed(self, known: tuple[Reals, Reals], group: int, *, is_up: bool) -> tuple[Reals, Reals]:
        before, _, _, _, after, sums = self.ways(group)
        states = np.array(self.steps.machine.states)
        source, target = (before, after) if is_up else (after, before)
        source, target = np.searchsorted(states, source), np.searchsorted(states, target)
        terms = self.functionals(sums)
        low, high = np.full_like(known[0], np.inf), np.full_like(known[1], -np.inf)
        np.minimum.at(low, target, known[0][source] + terms)
        np.maximum.at(high, target, known[1][source] + terms)
        return low, high

    def leak(self, group: int) -> float:
        """How much the choice of a group's digits may move what attention gives, at most, relative to all weights."""
        sums = self.ways(group)[-1]
        if not len(sums):
            return 0.0
        spread = (self.high_value - self.low_value).max(axis=1)
        return float((sums[:, : self.heads].max(axis=0) * spread / np.maximum(self._total, 1e-300)).max())

    @property
    def _total(self) -> Reals:
        """The least sum of weights, per head."""
        low = self._below[-1][0][:, : self.heads]
        return np.asarray(self.fixed[: self.heads] + low[np.isfinite(low[:, 0])].min(axis=0))

    def chosen(self) -> Chosen:
        """Every choice of digits in the smallest window that holds the digit of the answer, and that of the row."""
        self._ways: dict[int, tuple[Ints, Ints, Ints, Ints, Ints, Reals]] = {}
        self._ranges()
        groups = [self.power] + ([] if self.cell is None else [self.cell[1]])
        low, high = min(groups), max(groups)
        before, a, b, z, after, sums = self.ways(low)
        start = Chosen(low, low, before, after, a[:, None], b[:, None], z, sums + self.fixed)
        start = start[self._is_met(start)]
        while start.high < high:
            start = self.longer(start, is_up=True)
        return start

    def _is_met(self, chosen: Chosen) -> NDArray[np.bool_]:
        states = np.array(self.steps.machine.states)
        below = self._below[chosen.low][0][np.searchsorted(states, chosen.entry), 0]
        above = self._above[chosen.high + 1][0][np.searchsorted(states, chosen.leave), 0]
        return np.isfinite(below) & np.isfinite(above)

    def longer(self, chosen: Chosen, *, is_up: bool) -> Chosen:
        """The same cases, each with every choice of the next group above, or below."""
        group = chosen.high + 1 if is_up else chosen.low - 1
        before, a, b, z, after, sums = self.ways(group)
        ends, starts = (chosen.leave, before) if is_up else (chosen.entry, after)
        one, other = np.nonzero(ends[:, None] == starts[None])
        if is_up:
            digits = [np.concatenate([old[one], new[other, None]], axis=1) for old, new in ((chosen.a, a), (chosen.b, b))]
            entry, leave = chosen.entry[one], after[other]
        else:
            digits = [np.concatenate([new[other, None], old[one]], axis=1) for old, new in ((chosen.a, a), (chosen.b, b))]
            entry, leave = before[other], chosen.leave[one]
        answer = z[other] if group == self.power else chosen.answer[one]
        low, high = min(chosen.low, group), max(chosen.high, group)
        made = Chosen(low, high, entry, leave, digits[0], digits[1], answer, chosen.sums[one] + sums[other])
        return made[self._is_met(made)]

    @np.errstate(all="ignore")
    def boxes(self, chosen: Chosen) -> tuple[Reals, Reals, Reals]:
        """Least and most in each direction, (cases, heads, d), in real arithmetic, and how far executions may be off.

        Quotients are bounded about the nearest number t of the grid; so is what weights may be off by,
        sum_j w_j g_j |v_j - y| <= sum_j w_j g_j |v_j - t| + |t - y| sum_j w_j g_j, over the sum of all w_j (1 - g_j).
        """
        states = np.array(self.steps.machine.states)
        entry, leave = np.searchsorted(states, chosen.entry), np.searchsorted(states, chosen.leave)
        below, above = self._below[chosen.low], self._above[chosen.high + 1]
        ends = [self.read(below[n][entry] + above[n][leave]) for n in (0, 1)]
        weight, value, loose, apart = self.split(chosen.sums)
        least, most = weight + ends[0][0], weight + ends[1][0]
        middle = value + (ends[0][1][:, 0] + ends[1][1][:, 0]) / 2 + self.grid[0] * ((least + most) / 2 - weight)[..., None]
        ratio = middle / ((least + most) / 2)[..., None]
        span = np.maximum(self.high_value - self.low_value, 1e-300)
        share = (ratio - self.low_value) / span * (GRID - 1)
        near = np.clip(np.rint(np.where(np.isfinite(share), share, 0.0)), 0, GRID - 1).astype(np.int64)[:, None]
        t = np.take_along_axis(np.broadcast_to(self.grid[None], apart.shape), near, axis=1)[:, 0]
        low, high, far = (
            np.take_along_axis(part, near, axis=1)[:, 0] for part in (ends[0][1], ends[1][1], apart + ends[1][3])
        )
        own = value - t * weight[..., None]
        sizes = np.maximum(np.abs(self.low_value), np.abs(self.high_value)) + np.abs(t) + 2.0**-40
        lost = LOSS * most[..., None] * sizes
        sums = np.stack([own + low - lost, own + high + lost])
        total = np.stack([least * (1 - LOSS), most * (1 + LOSS)])[..., None]
        quotients = np.stack([sums[0] / total[0], sums[0] / total[1], sums[1] / total[0], sums[1] / total[1]])
        least_value, most_value = t + quotients.min(axis=0), t + quotients.max(axis=0)
        loose = (loose + ends[1][2])[..., None]
        moved = far + loose * np.maximum(np.abs(least_value - t), np.abs(most_value - t))
        off = moved / np.maximum(total[0] - loose * (1 + LOSS), 0.0) * (1 + LOSS) + self.rest + LOSS * sizes
        bad = ~(total[0] > 0) | ~np.isfinite(quotients).all(axis=0) | ~np.isfinite(off)
        least_value, most_value = np.where(bad, -np.inf, least_value), np.where(bad, np.inf, most_value)
        return least_value, most_value, np.where(bad, 0.0, off)

    def margins(self, answer: Ints, low: Reals, high: Reals) -> tuple[Reals, Ints, Reals]:
        """Of cases in boxes: how far the logit of the right digit is above all others, at least; the largest other
        column; and how much each direction moves that difference, (cases, heads * d).
        """
        logits = self.logits(low, high)
        right = self.steps.column[answer]
        rows = np.arange(len(answer))
        center = logits.center[rows, right, None] - logits.center
        shape = logits.shape[rows, right][:, None] - logits.shape
        sizes = np.abs(logits.center) + np.abs(logits.center[rows, right, None])
        moved = np.abs(shape).sum(axis=-1)
        rest = logits.rest + logits.rest[rows, right, None] + LOSS * (sizes + moved)
        sure = np.where(np.isnan(center + moved + rest), -np.inf, center - moved - rest)
        sure[rows, right] = np.inf
        others = [n for n in range(sure.shape[1]) if n not in self.steps.columns]
        sure[:, others] = np.inf
        worst = sure.argmin(axis=1)
        pull = np.zeros((len(answer), low[0].size))
        pull[:, self.kept] = np.abs(shape[rows, worst])
        return sure[rows, worst], worst, pull

    def logits(self, low: Reals, high: Reals) -> Form:
        """The logits where attention gives what lies in these boxes."""
        steps, heads, d = self.steps, self.heads, self.d
        cases, flat = len(low), (len(low), heads * d)
        lost = ~np.isfinite(high - low)
        half, middle = np.where(lost, 0.0, (high - low) / 2), np.where(lost, 0.0, (high + low) / 2)
        axes = steps._out
        center = np.einsum("hkd,bhk->bhd", axes, middle)
        shape = np.zeros((cases, heads, d, heads, d))
        for h in range(heads):
            shape[:, h, :, h] = np.swapaxes(axes[None, h] * half[:, h, :, None], 1, 2)
        skew = np.abs(np.eye(d) - np.einsum("hkd,hke->hde", axes, axes)) + d * LOSS
        rest = np.einsum("hde,he->hd", skew, self.largest)[None] + d * LOSS * (np.abs(low) + np.abs(high)).max(axis=2)[..., None]
        rest = np.where(lost.any(axis=2)[..., None], np.inf, rest)
        form = Form(center.reshape(flat), shape.reshape(*flat, heads * d), rest.reshape(flat))
        return self._tail(form)

    def _tail(self, given: Form) -> Form:
        """Behind attention; directions that all but vanish there lose their symbols."""
        steps = self.steps
        ids = np.full(len(given.center), self.token)
        x = steps._through(steps._parts.outer, given, ids)
        sizes = np.abs(x.shape).max(axis=(0, 1))
        kept = sizes > FAINT * sizes.max(initial=0.0)
        faint = np.abs(x.shape[..., ~kept]).sum(axis=-1) * (1 + LOSS)
        x = Form(x.center, x.shape[..., kept], x.rest + faint)
        self.kept = np.flatnonzero(kept)
        if steps._parts.is_residual:
            row = steps._x[self.place, self.token]
            own = Form(
                np.broadcast_to(row.center, x.center.shape),
                np.zeros_like(x.shape),
                np.broadcast_to(row.radius, x.rest.shape),
            )
            x = zonotope.add(own, x, steps._u)
        return steps._through(steps._parts.after, x, ids)
