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
from tasks.bounds import ball
from tasks.bounds.ball import Ball, Reals
from tasks.bounds.zonotope import Form
from tasks.formats import Loaded
from tasks.networks.readout import Argmax
from tasks.networks.transformer import Transformer
from tasks.proofs.attention_bounds import Averages

Ints = NDArray[np.int64]

GRID = 17  # numbers t about which quotients are taken
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
        self.read = frozenset(loaded.readout.columns)
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
        self.error = ball.average_error(found, v, count, steps._u)
        shifted = found.center - found.center.max(axis=-1, keepdims=True)
        if shifted.min() < -ball.MOST_APART:
            shifted, self.error = np.zeros_like(shifted), np.full_like(self.error, np.inf)
        weight = np.exp(shifted)  # (heads, keys)
        along = np.einsum("hed,khd->khe", steps._out, v.center)
        self.low_value, self.high_value = along.min(axis=0), along.max(axis=0)
        self.largest = v.magnitude.max(axis=0)
        features = np.concatenate([weight.T[:, :, None], weight.T[:, :, None] * along], axis=2)  # (keys, heads, 1 + d)
        base, size = len(steps.digit), len(names) * len(steps.digit)
        each = features[:size].reshape(len(names), base, -1)
        self.of_cell = dict(zip(names, each, strict=True))
        self.fixed = features[size:].reshape(len(features) - size, -1).sum(axis=0)
        heads, d = along.shape[1:]
        self.shape = (heads, 1 + d)
        grid = np.linspace(0.0, 1.0, GRID)[:, None, None]
        self.grid = self.low_value + grid * (self.high_value - self.low_value)  # (GRID, heads, d)

    def added(self, group: int) -> tuple[Ints, Ints, Ints, Ints, Ints, Reals]:
        """Every way through a group: carry before, digits a, b and of the answer, carry after; what each adds."""
        machine, rows, sums = self.steps.machine, list[tuple[int, int, int, int, int]](), list[Reals]()
        nothing = np.zeros((len(self.steps.digit), self.shape[0] * self.shape[1]))
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

    def functionals(self, sums: Reals) -> Reals:
        """Denominators per head, then numerators about every number of the grid: (rows, heads + GRID * heads * d)."""
        f = sums.reshape(len(sums), *self.shape)
        about = f[:, None, :, 1:] - self.grid[None] * f[:, None, :, :1]
        return np.concatenate([f[:, :, 0], about.reshape(len(sums), -1)], axis=1)

    def ways(self, group: int) -> tuple[Ints, Ints, Ints, Ints, Ints, Reals]:
        """What ``added`` gives, computed once."""
        if group not in self._ways:
            self._ways[group] = self.added(group)
        return self._ways[group]

    def _ranges(self) -> None:
        """Least and most that the groups below each, and from each on, add, by carry; of carries never met: inf."""
        index = {state: n for n, state in enumerate(self.steps.machine.states)}
        count, states = self.steps.groups, len(index)
        start = np.full((states, self.shape[0] + self.grid.size), np.inf)
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
        sums = self.ways(group)[-1].reshape(-1, *self.shape)
        if not len(sums):
            return 0.0
        middle = self.fixed.reshape(self.shape)[None] * 0.0
        spread = (self.high_value - self.low_value).max(axis=1)
        moved = (sums[:, :, 0].max(axis=0) * spread + middle[0, :, 0]) / np.maximum(self._total, 1e-300)
        return float(moved.max())

    @property
    def _total(self) -> Reals:
        """The least sum of weights, per head."""
        low = self._below[-1][0][:, : self.shape[0]]
        return np.asarray(self.fixed.reshape(self.shape)[:, 0] + low[np.isfinite(low[:, 0])].min(axis=0))

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
    def boxes(self, chosen: Chosen) -> tuple[Reals, Reals]:
        """Least and most in each direction, (cases, heads, d), of every execution too."""
        states, heads = np.array(self.steps.machine.states), self.shape[0]
        entry, leave = np.searchsorted(states, chosen.entry), np.searchsorted(states, chosen.leave)
        below, above = self._below[chosen.low], self._above[chosen.high + 1]
        low, high = below[0][entry] + above[0][leave], below[1][entry] + above[1][leave]
        f = chosen.sums.reshape(len(chosen), *self.shape)
        least, most = f[:, :, 0] + low[:, :heads], f[:, :, 0] + high[:, :heads]
        about = (len(chosen), GRID, heads, self.shape[1] - 1)
        low, high = low[:, heads:].reshape(about), high[:, heads:].reshape(about)
        middle = (f[:, :, 1:] + (low[:, 0] + high[:, 0]) / 2 + self.grid[0] * ((least + most) / 2 - f[:, :, 0])[..., None])
        ratio = middle / ((least + most) / 2)[..., None]
        span = np.maximum(self.high_value - self.low_value, 1e-300)
        near = np.clip(np.rint((ratio - self.low_value) / span * (GRID - 1)), 0, GRID - 1).astype(np.int64)
        t = np.take_along_axis(np.broadcast_to(self.grid[None], about), near[:, None], axis=1)[:, 0]
        low, high = (np.take_along_axis(end, near[:, None], axis=1)[:, 0] for end in (low, high))
        own = f[:, :, 1:] - t * f[:, :, :1]
        sizes = np.maximum(np.abs(self.low_value), np.abs(self.high_value)) + np.abs(t) + 2.0**-40
        lost = LOSS * most[..., None] * sizes
        ends = np.stack([own + low - lost, own + high + lost])
        total = np.stack([least * (1 - LOSS), most * (1 + LOSS)])[..., None]
        quotients = np.stack([ends[0] / total[0], ends[0] / total[1], ends[1] / total[0], ends[1] / total[1]])
        off = np.einsum("hed,hd->he", np.abs(self.steps._out), self.error) + LOSS * sizes
        least_value, most_value = t + quotients.min(axis=0) - off, t + quotients.max(axis=0) + off
        bad = ~(total[0] > 0) | ~np.isfinite(quotients).all(axis=0)
        return np.where(bad, -np.inf, least_value), np.where(bad, np.inf, most_value)

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
        others = [n for n in range(sure.shape[1]) if n not in self.steps.read]
        sure[:, others] = np.inf
        worst = sure.argmin(axis=1)
        return sure[rows, worst], worst, np.abs(shape[rows, worst])

    def logits(self, low: Reals, high: Reals) -> Form:
        """The logits where attention gives what lies in these boxes."""
        steps, (heads, d) = self.steps, (self.shape[0], self.shape[1] - 1)
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
        return self.steps.logits(given, self.place + 1, self.token)
