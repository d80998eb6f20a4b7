"""What attention may give at a digit of an answer, over all pairs of numbers at once: sums over groups of digits.

The digits ``a_k``, ``b_k`` of a pair and the digit ``z_k`` of its answer are a *group*: whatever the order of a prompt,
groups are visited in the order of the program, least significant first, and all that one has to know of the groups
before is a state, such as the carry (``automata.digits``). At a row whose token is given, a head gives a quotient of
two sums over keys,

    y = sum_j w_j v_j / sum_j w_j,        w_j = exp(scale q.k_j),

and both are sums over groups. Groups in a *window* are chosen one by one; what the others add lies between bounds found
by dynamic programming over states. In a direction d, about any number t,

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
from tasks.networks.transformer import Affine, Step, Transformer
from tasks.proofs.attention_bounds import Averages

Ints = NDArray[np.int64]

GRID, FAINT = 13, 1e-9  # numbers t about which quotients are taken; a share of the largest symbol
LOSS = 2.0**-40  # far above what float64 loses in sums of some hundred terms, relative to their sizes


@dataclass(frozen=True)
class Chosen:
    """Digits of some ``groups``, in rising order, for many cases at once.

    ``before``, ``after``: (cases, groups) states before and after each; ``a``, ``b``: (cases, groups) digits;
    ``answer``: the right digit; ``sums``: (cases, features) what these groups and all fixed tokens add.
    """

    groups: tuple[int, ...]
    before: Ints
    after: Ints
    a: Ints
    b: Ints
    answer: Ints
    sums: Reals

    def __len__(self) -> int:
        return len(self.sums)

    def __getitem__(self, rows: Ints | NDArray[np.bool_] | slice) -> Chosen:
        parts = {name: getattr(self, name)[rows] for name in ("before", "after", "a", "b", "answer", "sums")}
        return replace(self, **parts)

    @property
    def different(self) -> Ints:
        """One of all cases that add the same to every sum, between the same states."""
        key = np.concatenate([self.before, self.after, self.answer[:, None], self.sums], axis=1)
        rows = np.ascontiguousarray(key).view(np.dtype((np.void, key.shape[1] * key.itemsize))).ravel()
        return np.sort(np.unique(rows, return_index=True)[1])


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
        self.groups = machine.groups
        self._out = self._outer()
        assert isinstance(loaded.readout, Argmax)
        self.columns = frozenset(loaded.readout.columns)
        self.column = np.array([loaded.readout.columns[loaded.readout.names.index(t)] for t in operands.alphabet])

    @property
    def directions(self) -> Reals:
        """Per head, in which directions what attention gives is bounded, the most important first: (heads, d, d)."""
        return self._out

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
        digits = self.machine.values(power) if name != "z" else self.machine.answers(power)
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
        self._ways: dict[int, tuple[Ints, Ints, Ints, Ints, Ints, Reals]] = {}
        self._gaps: dict[tuple[int, int], tuple[Reals, Reals]] = {}
        self.known_ways: dict[tuple[int, int], NDArray[np.object_]] = {}  # how many there are (``failing_pairs``)
        self.states = np.array(steps.machine.states)
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
        found = ball.scores_of_one(q, k, scale, steps._u)
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
        """Every way through a group: state before, digits a, b and of the answer, state after; what each adds."""
        machine, rows, sums = self.steps.machine, list[tuple[int, int, int, int, int]](), list[Reals]()
        nothing = np.zeros((len(self.steps.digit), len(self.fixed)))
        parts = [self.of_cell.get((name, group), nothing) for name in "abz"]
        for state in machine.states:
            for a in machine.values(group):
                for b in machine.values(group):
                    z, after = machine.step(state, a, b)
                    digits = {"a": a, "b": b, "z": z}
                    if self.cell is not None and self.cell[1] == group and digits[self.cell[0]] != self.digit:
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

    def gap(self, low: int, high: int) -> tuple[Reals, Reals]:
        """Least and most that the groups from ``low`` to below ``high`` add, by the states before and after them:
        (states, states, functionals), infinite where no digits lead from one to the other.
        """
        if (low, high) not in self._gaps:
            states, width = len(self.states), 2 * self.heads + 2 * self.grid.size
            if low == high:
                least = np.where(np.eye(states, dtype=bool)[..., None], 0.0, np.inf) + np.zeros(width)
                self._gaps[low, high] = least, np.where(np.isfinite(least), least, -np.inf)
            else:
                known = self.gap(low, high - 1)
                before, _, _, _, after, sums = self.ways(high - 1)
                source, target = np.searchsorted(self.states, before), np.searchsorted(self.states, after)
                terms = self.functionals(sums)
                least, most = np.full_like(known[0], np.inf), np.full_like(known[1], -np.inf)
                for start in range(states):
                    np.minimum.at(least[start], target, known[0][start, source] + terms)
                    np.maximum.at(most[start], target, known[1][start, source] + terms)
                self._gaps[low, high] = least, most
        return self._gaps[low, high]

    def first(self, group: int) -> tuple[Reals, Reals]:
        """What the groups below ``group`` add, by the state after them."""
        starts = [*self.steps.machine.starts]
        least, most = self.gap(0, group)
        return least[starts].min(axis=0), most[starts].max(axis=0)

    def last(self, group: int) -> tuple[Reals, Reals]:
        """What the groups from ``group`` on add, by the state before them."""
        ends = [*self.steps.machine.ends]
        least, most = self.gap(group, self.steps.groups)
        return least[:, ends].min(axis=1), most[:, ends].max(axis=1)

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
        low = self.first(self.steps.groups)[0][:, : self.heads]
        return np.asarray(self.fixed[: self.heads] + low[np.isfinite(low[:, 0])].min(axis=0))

    def chosen(self) -> Chosen:
        """Every choice of digits in the group of the answer's digit, and in that of the row."""
        before, a, b, z, after, sums = self.ways(self.power)
        start = Chosen((self.power,), before[:, None], after[:, None], a[:, None], b[:, None], z, sums + self.fixed)
        start = start[self._is_met(start)]
        return start if self.cell is None or self.cell[1] == self.power else self.grown(start, self.cell[1])

    def _is_met(self, chosen: Chosen) -> NDArray[np.bool_]:
        return np.asarray(np.isfinite(self._free(chosen)[0][:, 0]))

    def _free(self, chosen: Chosen) -> tuple[Reals, Reals]:
        """Least and most that all other groups add, (cases, functionals)."""
        groups = chosen.groups
        before, after = (np.searchsorted(self.states, part) for part in (chosen.before, chosen.after))
        ends = []
        for n in (0, 1):
            total = self.first(groups[0])[n][before[:, 0]] + self.last(groups[-1] + 1)[n][after[:, -1]]
            for at in range(len(groups) - 1):
                if groups[at + 1] > groups[at] + 1:
                    total = total + self.gap(groups[at] + 1, groups[at + 1])[n][after[:, at], before[:, at + 1]]
            ends.append(total)
        return ends[0], ends[1]

    def grown(self, chosen: Chosen, group: int) -> Chosen:
        """The same cases, each with every choice of one more group."""
        before, a, b, z, after, sums = self.ways(group)
        at = int(np.searchsorted(chosen.groups, group))
        fits = np.ones((len(chosen), len(before)), bool)
        if at:
            least = self.gap(chosen.groups[at - 1] + 1, group)[0][..., 0]
            ends = np.searchsorted(self.states, chosen.after[:, at - 1])
            fits &= np.isfinite(least[ends[:, None], np.searchsorted(self.states, before)[None]])
        if at < len(chosen.groups):
            least = self.gap(group + 1, chosen.groups[at])[0][..., 0]
            starts = np.searchsorted(self.states, chosen.before[:, at])
            fits &= np.isfinite(least[np.searchsorted(self.states, after)[None], starts[:, None]])
        one, other = np.nonzero(fits)
        parts = [
            np.insert(old[one], at, new[other], axis=1)
            for old, new in ((chosen.before, before), (chosen.after, after), (chosen.a, a), (chosen.b, b))
        ]
        groups = (*chosen.groups[:at], group, *chosen.groups[at:])
        answer = z[other] if group == self.power else chosen.answer[one]
        made = Chosen(groups, parts[0], parts[1], parts[2], parts[3], answer, chosen.sums[one] + sums[other])
        return made[np.asarray(self._is_met(made))]

    @np.errstate(all="ignore")
    def boxes(self, chosen: Chosen) -> tuple[Reals, Reals, Reals]:
        """Least and most in each direction, (cases, heads, d), in real arithmetic, and how far executions may be off.

        Quotients are bounded about the nearest number t of the grid; so is what weights may be off by,
        sum_j w_j g_j |v_j - y| <= sum_j w_j g_j |v_j - t| + |t - y| sum_j w_j g_j, over the sum of all w_j (1 - g_j).
        """
        ends = [self.read(end) for end in self._free(chosen)]
        weight, value, loose, apart = self.split(chosen.sums)
        least, most = weight + ends[0][0], weight + ends[1][0]
        middle = (
            value + (ends[0][1][:, 0] + ends[1][1][:, 0]) / 2 + self.grid[0] * ((least + most) / 2 - weight)[..., None]
        )
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
        bad = np.asarray(~(total[0] > 0) | ~np.isfinite(quotients).all(axis=0) | ~np.isfinite(off))
        least_value, most_value = np.where(bad, -np.inf, least_value), np.where(bad, np.inf, most_value)
        return least_value, most_value, np.where(bad, 0.0, off)

    def margins(self, answer: Ints, low: Reals, high: Reals) -> tuple[Reals, Ints, Reals]:
        """Of cases in boxes: how far the logit of the right digit is above all others, at least; the largest other
        column; and how much each direction moves that difference, (cases, heads * d).
        """
        right = self.steps.column[answer]
        rows = np.arange(len(answer))
        lead = self.leads(right, low, high)
        moved = np.abs(lead.shape).sum(axis=-1)
        rest = lead.rest + LOSS * (np.abs(lead.center) + moved)
        sure = np.where(np.isnan(lead.center + moved + rest), -np.inf, lead.center - moved - rest)
        sure[rows, right] = np.inf
        others = [n for n in range(sure.shape[1]) if n not in self.steps.columns]
        sure[:, others] = np.inf
        worst = sure.argmin(axis=1)
        pull = np.zeros((len(answer), low[0].size))
        pull[:, self.kept] = np.abs(lead.shape[rows, worst])
        return sure[rows, worst], worst, pull

    def leads_between(self, answer: Ints, low: Reals, high: Reals) -> tuple[Reals, Reals]:
        """The least lead of the right digit over all others in each box, and the largest over the one that it may be
        least above: (cases,) each. Where the second is below zero no point of the box has the right digit.
        """
        right = self.steps.column[answer]
        lead = self.leads(right, low, high)
        moved = np.abs(lead.shape).sum(axis=-1)
        rest = lead.rest + LOSS * (np.abs(lead.center) + moved)
        is_read = np.isin(np.arange(lead.center.shape[1]), [*self.steps.columns])
        ends = [lead.center - moved - rest, lead.center + moved + rest]
        for end, lost in zip(ends, (-np.inf, np.inf), strict=True):
            end[np.isnan(end)] = lost
            end[:, ~is_read] = np.inf
            end[np.arange(len(answer)), right] = np.inf
        return ends[0].min(axis=1), ends[1].min(axis=1)

    def leads(self, right: Ints, low: Reals, high: Reals) -> Form:
        """How far the column that is ``right`` in each case is above every column, where attention gives what lies in
        these boxes: (cases, outputs), nothing at the column itself.

        A map that comes last is made of the difference of two columns at once: what both share is not in doubt.
        """
        *before, last = self.steps._parts.after or (None,)
        if not isinstance(last, Affine):
            logits = self._tail(self.given(low, high), self.steps._parts.after)
            rows = np.arange(len(right))
            center = logits.center[rows, right, None] - logits.center
            sizes = np.abs(logits.center) + np.abs(logits.center[rows, right, None])
            rest = logits.rest + logits.rest[rows, right, None] + LOSS * sizes
            return Form(center, logits.shape[rows, right][:, None] - logits.shape, rest)
        x = self._tail(self.given(low, high), tuple(before))
        bias = np.zeros(len(last.weight)) if last.bias is None else last.bias
        found = Form(
            np.zeros((len(right), len(bias))),
            np.zeros((len(right), len(bias), x.shape.shape[-1])),
            np.zeros((len(right), len(bias))),
        )
        for own in np.unique(right):
            which = np.flatnonzero(right == own)
            part = zonotope.apart(
                Form(x.center[which], x.shape[which], x.rest[which]), last.weight, bias, int(own), self.steps._u
            )
            found.center[which], found.shape[which], found.rest[which] = part.center, part.shape, part.rest
        return found

    def given(self, low: Reals, high: Reals) -> Form:
        """What attention gives, in these boxes."""
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
        rest = (
            np.einsum("hde,he->hd", skew, self.largest)[None]
            + d * LOSS * (np.abs(low) + np.abs(high)).max(axis=2)[..., None]
        )
        rest = np.where(np.asarray(lost.any(axis=2))[..., None], np.inf, rest)
        return Form(center.reshape(flat), shape.reshape(*flat, heads * d), rest.reshape(flat))

    def _tail(self, given: Form, after: tuple[Step, ...]) -> Form:
        """Behind attention and the steps ``after`` it; directions that all but vanish there lose their symbols."""
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
        return steps._through(after, x, ids)
