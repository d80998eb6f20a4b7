"""Claims about all pairs of numbers: every digit of the answer is right on every right prefix.

The program is ``p * a + q * b + r``, or its remainder by a power of the base, which schoolbook arithmetic goes through
digit by digit, least significant first, with the carry as its state. Or it is one such sum where another is negative,
and a third elsewhere (``max``, ``min``, ``abs``, a comparison): which one is supposed at the start, and a second carry,
of the sum that decides, is negative after all digits exactly where that sum is. The digits of a and b that count the
same power, and that of the answer, are a group. At a row whose token is known a head gives a quotient of two
sums over groups,

    y = sum_j w_j v_j / sum_j w_j,        c.y - t = (sum_j w_j (c.v_j - t)) / sum_j w_j,

so that choices of digits in some groups, with bounds on what all others add by carry (dynamic programming), give an
interval in each direction c, about a number t of a grid near it. An execution has weights w_j (1 + e_j), |e_j| <= g_j,
which moves y by sum_j w_j e_j (v_j - y) over sum_j w_j (1 + e_j). A set of choices whose digit is the same is bounded
at once, by ``lines`` through the rest of the network; where that does not decide it, it is cut in two; a single choice
has its box cut, or one more group chosen. Sums are made of floats, with LOSS of their sizes for what those lose.

Greedy decoding then gives the right number: its first digit is right, and after right digits the next one is.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from time import monotonic
from typing import Any

from flint import arb, arb_mat

from tasks.checker.arithmetic import LIMIT, ROUNDOFF, TINY, ZERO, Affine, Arithmetic, Row
from tasks.checker.files import confirm, expect
from tasks.checker.lines import Line, Lines
from tasks.checker.network import run, through
from tasks.checker.sets import MOST_APART, Attended

FIELDS = ("digits", "base", "order", "answer_digits", "answer_order", "before", "between", "after", "most")
GRID, LOSS, EDGE, FAINT = 13, 2.0**-40, 2.0**-50, 1e-6
CUTS, MOST_CUTS, LEAKING, BATCH, MOST_CARRIES = 4, 14, 0.02, 128, 64
Floats = list[float]


@dataclass(frozen=True)
class Layout:
    """How a prompt shows two numbers: ``cells`` of it, and the powers that the digits of an answer count, in order."""

    digits: int
    base: int
    cells: tuple[Any, ...]
    answer: tuple[int, ...]
    most: int

    @classmethod
    def of(cls, o: Any) -> Layout:
        """Checked fields of a statement."""
        expect(type(o) is dict and o.keys() == {*FIELDS}, "operands have other fields")
        whole = all(type(o[name]) is int for name in ("digits", "base", "answer_digits", "most"))
        expect(whole and 1 <= o["digits"] <= 64 and 2 <= o["base"] <= 1024, "operands: strange numbers")
        expect(
            1 <= o["answer_digits"] <= 128 and 0 <= o["most"] < o["base"] ** o["digits"], "operands: strange numbers"
        )
        expect({o["order"], o["answer_order"]} <= {"lsb", "msb"}, "operands: an unknown order")
        around = [o[name] for name in ("before", "between", "after")]
        expect(all(type(part) is list and {*map(type, part)} <= {str} for part in around), "operands: strange tokens")
        powers = [_powers(o["digits"], o["order"]), _powers(o["answer_digits"], o["answer_order"])]
        shown = [[(name, power) for power in powers[0]] for name in "ab"]
        cells = (*around[0], *shown[0], *around[1], *shown[1], *around[2])
        return cls(o["digits"], o["base"], cells, tuple(powers[1]), o["most"])

    def values(self, power: int) -> range:
        """The digits that a number may have there, whatever its others are."""
        if power >= self.digits:
            return range(1)
        unit = self.base**power
        expect(self.most % unit == unit - 1, "operands: the last digits of the largest number are not all free")
        return range(self.most // unit + 1) if self.most < unit * self.base else range(self.base)


def _powers(count: int, order: str) -> list[int]:
    return list(range(count) if order == "lsb" else reversed(range(count)))


Sum = tuple[int, int, int]  # p, q, r of p * a + q * b + r
Carries = tuple[int, int, int]  # which sum is supposed, its carry, and that of the sum that decides
ALWAYS: Sum = (0, 0, 0)  # never negative


def factors(text: str) -> tuple[int, int, int, int | None]:
    """p, q, r and the modulus of a function of two numbers, ``p * a + q * b + r``, that returns no more than that."""
    (number, _), decides, modulus = sums_of(text)
    expect(decides == ALWAYS, "program.py: expected one sum")
    return *number, modulus


def sums_of(text: str) -> tuple[tuple[Sum, Sum], Sum, int | None]:
    """What a function of two numbers returns: the first sum, the second where the one that decides is negative; and the
    modulus, of one that is no choice.
    """
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        expect(False, "program.py is no Python")
    match tree.body:
        case [ast.FunctionDef(args=ast.arguments([], [one, two], None, [], [], None, []), body=[ast.Return(value)],
                              decorator_list=[]) as function] if value:  # fmt: skip
            plain = ast.unparse(function.args) in ("a, b", "a: int, b: int") and (one.arg, two.arg) == ("a", "b")
            expect(
                plain and ast.unparse(function.returns or ast.Name("int")) == "int", "program.py: strange parameters"
            )
        case _:
            expect(False, "program.py: expected one function of a and b with one return")
    expect(function.name not in ("max", "min", "abs", "int"), "program.py: a function called as one of Python's own")
    inner: Any = value
    match inner:
        case ast.BinOp(left, ast.Mod(), right):
            number = _terms(left)
            return (number, number), ALWAYS, _constant(right)
        case ast.Call(ast.Name("max"), [left, right], []):  # the right one where left - right < 0
            first, second = _terms(left), _terms(right)
            return (first, second), _apart(first, second), None
        case ast.Call(ast.Name("min"), [left, right], []):  # the right one where right - left < 0
            first, second = _terms(left), _terms(right)
            return (first, second), _apart(second, first), None
        case ast.Call(ast.Name("abs"), [inside], []):
            number = _terms(inside)
            return (number, _apart(ALWAYS, number)), number, None
        case ast.Call(ast.Name("int"), [ast.Compare() as test], []):
            return _where(test, (0, 0, 1), (0, 0, 0))
        case ast.IfExp(ast.Compare() as test, yes, no):
            return _where(test, _terms(yes), _terms(no))
    number = _terms(inner)
    return (number, number), ALWAYS, None


def _apart(one: Sum, two: Sum) -> Sum:
    return one[0] - two[0], one[1] - two[1], one[2] - two[2]


def _where(test: ast.Compare, yes: Sum, no: Sum) -> tuple[tuple[Sum, Sum], Sum, None]:
    """``yes`` where the comparison holds, ``no`` elsewhere."""
    expect(len(test.ops) == 1, "program.py: more than one comparison")
    left, right = _terms(test.left), _terms(test.comparators[0])
    match test.ops[0]:
        case ast.Lt():
            return (no, yes), _apart(left, right), None
        case ast.Gt():
            return (no, yes), _apart(right, left), None
        case ast.LtE():  # no where right < left
            return (yes, no), _apart(right, left), None
        case ast.GtE():
            return (yes, no), _apart(left, right), None
    expect(False, "program.py: a comparison other than < > <= >=")
    raise AssertionError


def _constant(node: ast.expr) -> int:
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_constant(node.operand)
    expect(isinstance(node, ast.Constant) and type(node.value) is int, "program.py: expected a whole number")
    value: Any = node.value if isinstance(node, ast.Constant) else 0
    return int(value)


def _terms(node: ast.expr) -> tuple[int, int, int]:
    match node:
        case ast.Name("a"):
            return 1, 0, 0
        case ast.Name("b"):
            return 0, 1, 0
        case ast.Constant():
            return 0, 0, _constant(node)
        case ast.UnaryOp(ast.USub(), inner):
            p, q, r = _terms(inner)
            return -p, -q, -r
        case ast.BinOp(left, ast.Mult(), ast.Name() as name):
            k, (p, q, r) = _constant(left), _terms(name)
            return k * p, k * q, k * r
        case ast.BinOp(left, ast.Add() | ast.Sub() as op, right):
            one, two = _terms(left), _terms(right)
            sign = 1 if isinstance(op, ast.Add) else -1
            return one[0] + sign * two[0], one[1] + sign * two[1], one[2] + sign * two[2]
    expect(False, f"program.py: {ast.unparse(node)[:60]} is not followed")
    raise AssertionError


class Sums:
    """Schoolbook arithmetic of a program: carries, and digits of its number.

    Every pair has one way through all groups that begins at one of ``starts`` and ends where ``is_end`` says: that on
    which the sum that is negative is supposed to be so.
    """

    def __init__(self, text: str, layout: Layout) -> None:
        self.sums, self.decides, modulus = sums_of(text)
        self.layout, base, digits = layout, layout.base, len(layout.answer)
        confirm(modulus is None or modulus == base**digits, "a remainder by anything but what the answer's digits hold")
        self.has_modulus, self.groups = modulus is not None, max(digits, layout.digits)
        supposed = (0,) if self.decides == ALWAYS else (0, 1)
        self.starts: set[Carries] = {(n, self.sums[n][2], self.decides[2]) for n in supposed}
        level, every, ways = self.starts, {*self.starts}, list[set[tuple[Carries, int, Carries]]]()
        for power in range(self.groups):
            values = layout.values(power)
            ways.append({(c, *self.step(c, a, b)) for c in level for a in values for b in values})
            level = {after for _, _, after in ways[-1]}
            every |= level
            expect(len(every) <= MOST_CARRIES, "the program has too many carries")
        self.carries = sorted(every)
        confirm(self.has_modulus or self._is_shown(ways), "the program's number is not always shown by the answer's "
                "digits, or the answer has fewer digits than the numbers")  # fmt: skip

    def _is_shown(self, ways: list[set[tuple[Carries, int, Carries]]]) -> bool:
        """Whether on every way to an end no carry is left, and all digits that the answer does not show are 0."""
        met = {after for _, _, after in ways[-1] if self.is_end(after)}
        left = any(carry for _, carry, _ in met)
        for some in reversed(ways[len(self.layout.answer) :]):
            into = [(before, digit) for before, digit, after in some if after in met]
            left, met = left or any(digit for _, digit in into), {before for before, _ in into}
        return not left

    def is_end(self, carries: Carries) -> bool:
        """Whether a way may end there: what is supposed is so."""
        return (carries[0] == 1) == (carries[2] < 0)

    def step(self, carries: Carries, a: int, b: int) -> tuple[int, Carries]:
        """A digit of the number, and the carries after it."""
        supposed, carry, deciding = carries
        base, (p, q, _), (v, w, _) = self.layout.base, self.sums[supposed], self.decides
        after, digit = divmod(p * a + q * b + carry, base)
        return digit, (supposed, after, (v * a + w * b + deciding) // base)


@dataclass(frozen=True)
class Choice:
    """Digits in some ``groups``: carries before and after each, the right ``digit`` of the answer, what they add."""

    groups: tuple[int, ...]
    before: tuple[Carries, ...]
    after: tuple[Carries, ...]
    digit: int
    sums: tuple[float, ...]


class Place:
    """One digit of the answer, at a row with a known token."""

    def __init__(self, pairs: Pairs, index: int, token: int, cell: Any, digit: int) -> None:
        self.pairs, self.index, self.cell, self.digit = pairs, index, cell, digit
        layout, rows = pairs.layout, pairs.rows
        self.power, self.place = layout.answer[index], len(layout.cells) - 1 + index
        self.last = pairs.at[token, self.place]
        places: dict[Any, int] = {c: n for n, c in enumerate(layout.cells) if type(c) is tuple}
        places |= {("z", power): len(layout.cells) + n for n, power in enumerate(layout.answer[:index])}
        names = [*places]
        fixed = [pairs.at[pairs.tokens.index(c), n] for n, c in enumerate(layout.cells) if type(c) is str]
        keys = [pairs.at[t, places[name]] for name in names for t in pairs.ids] + fixed
        count, self.heads = len(names) + len(fixed), rows.heads.count
        self.d = len(rows.value[0][0])
        self.grid: list[list[Floats]] = []  # per head and direction
        self.rest: list[Floats] = []
        self.sizes: list[Floats] = []
        table = [self._features(h, keys, count) for h in range(self.heads)]
        flat = [tuple(x for head in range(self.heads) for x in table[head][n]) for n in range(len(keys))]
        base = layout.base
        self.of_cell = {name: flat[n * base : (n + 1) * base] for n, name in enumerate(names)}
        self.width = len(flat[0])
        self.nothing = (0.0,) * self.width
        self.fixed = self.nothing
        for row in flat[base * len(names) :]:
            self.fixed = _plus(self.fixed, row)
        self.known: dict[int, list[tuple[Carries, Carries, int, tuple[float, ...]]]] = {}
        self.gaps: dict[Any, Any] = {}  # what was found, by the question

    def _features(self, h: int, keys: list[int], count: int) -> list[Floats]:
        """Per key of a head: weight, per direction it times the value and, about numbers of the grid, what it may be
        off by times how far the value is; and what it may be off by. Sets grid, sizes and rest of the head.
        """
        rows, a = self.pairs.rows, self.pairs.rows.a
        scores = a.scores(rows.query[self.last][h], [rows.key[n][h] for n in keys], rows.heads.scale)
        largest = max(s.abs_upper() for s in scores)
        grows = [((arb(s.rad()) + a.drift(abs(s) + largest, count)).exp() - 1).upper() for s in scores]
        known = all(s.is_finite() for s in scores) and all(v.is_finite() for n in keys for v in rows.value[n][h])
        confirm(known and max(grows) < 0.25, "scores or values are not known well enough")
        top, low = max(s.mid() for s in scores), min(s.mid() for s in scores)
        confirm(top - low < MOST_APART, "a key towers over the others")
        weights = [float((s.mid() - top).exp()) for s in scores]
        loose = [w * float(g) * (1 + LOSS) for w, g in zip(weights, grows, strict=True)]
        axes = self.pairs.axes[h]
        along = [[sum(float(c) * float(v.mid()) for c, v in zip(axis, rows.value[n][h], strict=True)) for axis in axes]
                 for n in keys]  # fmt: skip
        off = []
        most = max(grows)
        for column in zip(*(rows.value[n][h] for n in keys), strict=True):
            size = max(abs(v).upper() for v in column)
            rounded = 2 * a.gamma(2 * (count + 1) + 8) * (1 + most) * size + (
                ZERO if a.is_real else 64 * TINY * (1 + size)
            )
            off.append(float(((1 + most) * max(v.rad() for v in column) + rounded) / (1 - most)) * (1 + LOSS))
        ends = [(min(column), max(column)) for column in zip(*along, strict=True)]
        sizes = [max(abs(x), abs(y)) for x, y in ends]
        largest_values = [float(max(abs(rows.value[n][h][e]).upper() for n in keys)) for e in range(self.d)]
        lost = [LOSS * (s + sum(abs(c) * v for c, v in zip(axis, largest_values, strict=True)) + 1)
                for s, axis in zip(sizes, axes, strict=True)]  # fmt: skip
        rest = [sum(abs(c) * x for c, x in zip(axis, off, strict=True)) + x for axis, x in zip(axes, lost, strict=True)]
        grid = [[x + n * (y - x) / (GRID - 1) for n in range(GRID)] for x, y in ends]
        self.grid.append(grid)
        self.rest.append(rest)
        self.sizes.append(sizes)
        found = []
        for w, g, values in zip(weights, loose, along, strict=True):
            far = [g * abs(v - t) for v, ts in zip(values, grid, strict=True) for t in ts]
            found.append([w, *(w * v for v in values), g, *far])
        return found

    def ways(self, group: int) -> list[tuple[Carries, Carries, int, tuple[float, ...]]]:
        """Every way through a group: carry before and after, digit of the answer, what it adds; equal ones once."""
        if group not in self.known:
            sums, layout = self.pairs.sums, self.pairs.layout
            found: dict[tuple[Carries, Carries, int, tuple[float, ...]], None] = {}
            a_, b_, z_ = (self.of_cell.get((name, group)) for name in "abz")
            for carry in sums.carries:
                for a in layout.values(group):
                    for b in layout.values(group):
                        z, after = sums.step(carry, a, b)
                        if (
                            self.cell is not None
                            and self.cell[1] == group
                            and {"a": a, "b": b, "z": z}[self.cell[0]] != self.digit
                        ):
                            continue
                        one = _plus(a_[a] if a_ else self.nothing, b_[b] if b_ else self.nothing)
                        found[carry, after, z, _plus(one, z_[z]) if z_ else one] = None
            self.known[group] = [*found]
        return self.known[group]

    def bounds(self, add: tuple[float, ...]) -> Floats:
        """Weights, numerators about every number of the grid, and both kinds of what weights may be off by."""
        found, step = [], 2 + self.d + self.d * GRID
        for h in range(self.heads):
            part = add[h * step : (h + 1) * step]
            found += [part[0], part[1 + self.d]]
            for e, ts in enumerate(self.grid[h]):
                w, v = part[0], part[1 + e]
                found += [v - t * w for t in ts]
            found += part[2 + self.d :]
        return found

    def gap(self, low: int, high: int) -> dict[tuple[Carries, Carries], tuple[Floats, Floats]]:
        """Least and most that groups from ``low`` to below ``high`` add, by carries before and after."""
        key = low, high
        if key not in self.gaps:
            if low == high:
                zero = [0.0] * (self.heads * (2 + 2 * self.d * GRID))
                self.gaps[key] = {(c, c): (zero, zero) for c in self.pairs.sums.carries}
            else:
                into: dict[tuple[Carries, Carries], tuple[Floats, Floats]] = {}
                for carry, after, _, add in self.ways(high - 1):
                    terms = self.bounds(add)
                    one = into.get((carry, after))
                    into[carry, after] = _hull(one, (terms, terms))
                found: dict[tuple[Carries, Carries], tuple[Floats, Floats]] = {}
                for (start, middle), ends in self.gap(low, high - 1).items():
                    for (carry, after), more in into.items():
                        if carry == middle:
                            both = _sum(ends[0], more[0]), _sum(ends[1], more[1])
                            found[start, after] = _hull(found.get((start, after)), both)
                self.gaps[key] = found
        known: dict[tuple[Carries, Carries], tuple[Floats, Floats]] = self.gaps[key]
        return known

    def first(self, group: int) -> dict[Carries, tuple[Floats, Floats]]:
        """What the groups below add, by the carries after them."""
        found: dict[Carries, tuple[Floats, Floats]] = {}
        for (start, after), ends in self.gap(0, group).items():
            if start in self.pairs.sums.starts:
                found[after] = _hull(found.get(after), ends)
        return found

    def rest_of(self, group: int) -> dict[Carries, tuple[Floats, Floats]]:
        """What the groups from ``group`` on add, by the carries before them."""
        found: dict[Carries, tuple[Floats, Floats]] = {}
        for (before, end), ends in self.gap(group, self.pairs.sums.groups).items():
            if self.pairs.sums.is_end(end):
                found[before] = _hull(found.get(before), ends)
        return found

    def chosen(self) -> list[Choice]:
        """Every choice in the group of the answer's digit, and in that of the row."""
        start = [Choice((self.power,), (carry,), (after,), z, _plus(self.fixed, add))
                 for carry, after, z, add in self.ways(self.power)]  # fmt: skip
        if self.cell is None or self.cell[1] == self.power:
            return [c for c in start if self.free(c) is not None]
        return [longer for c in start for longer in self.grown(c, self.cell[1])]

    def free(self, c: Choice) -> tuple[Floats, Floats] | None:
        """Least and most of what all other groups add; None where no digits do."""
        key = c.groups, c.before, c.after
        if key not in self.gaps:
            parts: list[tuple[Floats, Floats] | None] = [
                self._side("first", c.groups[0]).get(c.before[0]), self._side("rest", c.groups[-1] + 1).get(c.after[-1])
            ]  # fmt: skip
            for n in range(len(c.groups) - 1):
                parts.append(self.gap(c.groups[n] + 1, c.groups[n + 1]).get((c.after[n], c.before[n + 1])))
            total: Any = None
            if all(part is not None for part in parts):
                total = parts[0]
                for part in parts[1:]:
                    assert part is not None
                    total = _sum(total[0], part[0]), _sum(total[1], part[1])
            self.gaps[key] = total
        known: tuple[Floats, Floats] | None = self.gaps[key]
        return known

    def _side(self, which: str, group: int) -> dict[Carries, tuple[Floats, Floats]]:
        key = which, group
        if key not in self.gaps:
            self.gaps[key] = self.first(group) if which == "first" else self.rest_of(group)
        known: dict[Carries, tuple[Floats, Floats]] = self.gaps[key]
        return known

    def grown(self, c: Choice, group: int) -> list[Choice]:
        """A choice with every choice of one more group."""
        at, found = sum(g < group for g in c.groups), []
        groups = (*c.groups[:at], group, *c.groups[at:])
        for carry, after, z, add in self.ways(group):
            before = (*c.before[:at], carry, *c.before[at:])
            afters = (*c.after[:at], after, *c.after[at:])
            one = Choice(groups, before, afters, z if group == self.power else c.digit, _plus(c.sums, add))
            if self.free(one) is not None:
                found.append(one)
        return found

    def box(self, c: Choice) -> tuple[Floats, Floats, Floats]:
        """Least and most in each direction of each head, and how far executions may be off."""
        free = self.free(c)
        assert free is not None
        low, high, off = [], [], []
        step, size = 2 + self.d + self.d * GRID, 2 + 2 * self.d * GRID
        for h in range(self.heads):
            part, at = c.sums[h * step : (h + 1) * step], h * size
            least, most = part[0] + free[0][at], part[0] + free[1][at]
            loose = part[1 + self.d] + free[1][at + 1]
            for e in range(self.d):
                first = at + 2 + e * GRID
                grid, sizes = self.grid[h][e], self.sizes[h][e]
                t0 = grid[0]
                middle = part[1 + e] + (free[0][first] + free[1][first]) / 2 + t0 * ((least + most) / 2 - part[0])
                span = grid[-1] - t0
                share = (middle / ((least + most) / 2) - t0) / span * (GRID - 1) if span > 0 and least > 0 else 0.0
                near = min(max(round(share), 0), GRID - 1)
                t = grid[near]
                own, lost = part[1 + e] - t * part[0], LOSS * most * (sizes + abs(t) + 1)
                ends = own + free[0][first + near] - lost, own + free[1][first + near] + lost
                confirm(least > 0 and all(map(math.isfinite, ends)), "weights are not known well enough")
                total = least * (1 - LOSS), most * (1 + LOSS)
                quotients = [x / y for x in ends for y in total]
                lo, hi = t + min(quotients), t + max(quotients)
                far = part[2 + self.d + e * GRID + near] + free[1][first + self.d * GRID + near]
                moved = far + loose * max(abs(lo - t), abs(hi - t))
                under = total[0] - loose * (1 + LOSS)
                confirm(under > 0, "weights are not known well enough")
                slack = LOSS * (sizes + abs(t) + 1)
                low.append(lo - slack)
                high.append(hi + slack)
                off.append(moved / under * (1 + LOSS) + self.rest[h][e] + slack)
        return low, high, off

    def leak(self, group: int) -> float:
        """About how much a group may move what attention gives: which one is chosen next matters to nobody else."""
        if ("leak", group) not in self.gaps:
            step, best = 2 + self.d + self.d * GRID, 0.0
            for h in range(self.heads):
                heaviest = max((add[h * step] for *_, add in self.ways(group)), default=0.0)
                total = self.fixed[h * step] + min(ends[0][h * (2 + 2 * self.d * GRID)]
                                                   for ends in self.first(self.pairs.sums.groups).values())  # fmt: skip
                spread = max(ts[-1] - ts[0] for ts in self.grid[h])
                best = max(best, heaviest * spread / max(total, 1e-300))
            self.gaps["leak", group] = best
        return float(self.gaps["leak", group])


@dataclass
class _Item:
    """Boxes of choices with one right digit, to be decided together."""

    members: list[tuple[Choice, Floats, Floats, Floats]]
    cuts: int = 0


@dataclass(frozen=True)
class _Apart:
    """How far the right digit is above each other one, from below: a number, and a slope in each of some directions.

    At y in the hull it is ``least + sum_k slope_k (y_k - middle_k)`` or more, for each pair of these in ``columns``.
    So a choice is decided by its own box, where that is, though the hull is not.
    """

    columns: tuple[tuple[float, tuple[float, ...]], ...]
    kept: tuple[int, ...]
    middle: tuple[float, ...]

    @classmethod
    def of(cls, lines: list[Line], kept: list[int], middle: Floats, half: Floats) -> _Apart:
        """Those of finite ``lines``, whose symbol k moves direction ``kept[k]`` by up to ``half`` of it."""
        columns = []
        for line in lines:
            slopes = [float(c.mid()) / half[k] for c, k in zip(line.g, kept, strict=True)]
            known = sum(float(c.rad()) for c in line.g)
            size = sum(abs(x) * (half[k] + abs(middle[k])) for x, k in zip(slopes, kept, strict=True))
            size += float(abs(line.ball).upper())
            columns.append((float(line.ball.lower()) - known * (1 + LOSS) - LOSS * size, (*slopes,)))
        return cls((*columns,), (*kept,), tuple(middle[k] for k in kept))

    def least(self, low: Floats, high: Floats) -> float:
        """The least over a box in the hull; 0 where nothing is known."""
        ends = [(low[k] - m, high[k] - m) for k, m in zip(self.kept, self.middle, strict=True)]
        return min(
            (base + sum(x * (one if x > 0 else two) for x, (one, two) in zip(slopes, ends, strict=True))
             for base, slopes in self.columns), default=0.0,
        )  # fmt: skip


class Pairs:
    """The network on prompts of a layout, with a program's digits behind them."""

    def __init__(self, layout: Layout, sums: Sums, rows: Attended, at: dict[Any, int], tokens: list[str], axes: Any,
                 columns: dict[int, int], read: list[int]) -> None:  # fmt: skip
        self.layout, self.sums, self.rows, self.at, self.tokens, self.axes = layout, sums, rows, at, tokens, axes
        self.ids = [tokens.index(str(d)) for d in range(layout.base)]
        self.columns, self.read = columns, read
        self.maps = [(arb_mat(axis).inv().transpose() * rows.out_of(h)).tolist() for h, axis in enumerate(axes)]
        sizes = [[max(float(abs(v)) for v in row) for row in part] for part in self.maps]
        self.sizes = [x for part in sizes for x in part]
        self.boxes = 0
        self._largest: dict[int, Row] = {}
        self._apart_maps: dict[int, Affine] = {}  # per right column, differences of the last map

    def rows_of(self, index: int) -> list[Place]:
        """The tokens that the row of a digit of the answer may have."""
        layout, n = self.layout, len(self.layout.cells) - 1
        cell = layout.cells[n] if index == 0 else ("z", layout.answer[index - 1])
        if type(cell) is str:
            return [Place(self, index, self.tokens.index(cell), None, 0)]
        digits = range(layout.base) if cell[0] == "z" else layout.values(cell[1])
        return [Place(self, index, self.ids[d], cell, d) for d in digits]

    def decide(self, row: Place, deadline: float) -> arb:
        """The least margin of all choices; raises Rejected where one is not decided."""
        sets: dict[int, list[Any]] = {}
        for choice in row.chosen():
            sets.setdefault(choice.digit, []).append(self._member(row, choice))
        waiting, margin = [_Item(members) for members in sets.values()], arb("inf")
        while waiting:
            confirm(monotonic() < deadline, "digits were not decided in time")
            some, waiting = waiting[-BATCH:], waiting[:-BATCH]
            for item, (apart, pull) in zip(some, self._apart(row, some), strict=True):
                sure = [apart.least(low, high) for _, low, high, _ in item.members]
                left = [member for member, least in zip(item.members, sure, strict=True) if not least > 0]
                margin = min(margin, arb(min((least for least in sure if least > 0), default=math.inf)))
                if len(left) > 1:
                    waiting += self._parted(replace(item, members=left), pull)
                elif left:
                    alone = len(item.members) == 1
                    waiting += self._refined(row, item, pull) if alone else [_Item(left)]
        return margin

    def _member(self, row: Place, choice: Choice) -> tuple[Choice, Floats, Floats, Floats]:
        low, high, off = row.box(choice)
        share = [(y - x) / max(y - x + 2 * o, 1e-300) for x, y, o in zip(low, high, off, strict=True)]
        return (
            choice,
            [x - o for x, o in zip(low, off, strict=True)],
            [y + o for y, o in zip(high, off, strict=True)],
            share,
        )

    def _parted(self, item: _Item, pull: Floats) -> list[_Item]:
        """Two sets, cut at the middle of where the direction that moves the margin most is spread."""
        lows = [min(m[1][n] for m in item.members) for n in range(len(pull))]
        highs = [max(m[2][n] for m in item.members) for n in range(len(pull))]
        at = max(range(len(pull)), key=lambda n: pull[n] * (highs[n] - lows[n]))
        ordered = sorted(item.members, key=lambda m: m[1][at] + m[2][at])
        middle = (ordered[0][1][at] + ordered[-1][2][at]) / 2
        cut = sum((m[1][at] + m[2][at]) / 2 < middle for m in ordered)
        cut = min(max(cut, 1), len(ordered) - 1)
        return [_Item(ordered[:cut]), _Item(ordered[cut:])]

    def _refined(self, row: Place, item: _Item, pull: Floats) -> list[_Item]:
        ((choice, low, high, share),) = item.members
        moved = [p * (y - x) for p, x, y in zip(pull, low, high, strict=True)]
        total = sum(moved)
        leaks = sum(m * s for m, s in zip(moved, share, strict=True)) / total if total > 0 else 1.0
        if item.cuts >= CUTS and leaks > LEAKING:
            left = [g for g in range(self.sums.groups) if g not in choice.groups]
            confirm(left, "a pair is not decided")
            made: dict[int, list[Any]] = {}
            for longer in row.grown(choice, max(left, key=row.leak)):
                made.setdefault(longer.digit, []).append(self._member(row, longer))
            return [_Item(members) for members in made.values()]
        confirm(item.cuts < MOST_CUTS, f"digit {row.index + 1} of the answer is not decided for some pair")
        at = max(range(len(moved)), key=lambda n: moved[n])
        middle = (low[at] + high[at]) / 2
        ends = [*high[:at], middle, *high[at + 1 :]], [*low[:at], middle, *low[at + 1 :]]
        return [
            _Item([(choice, low, ends[0], share)], item.cuts + 1),
            _Item([(choice, ends[1], high, share)], item.cuts + 1),
        ]

    def _apart(self, row: Place, items: list[_Item]) -> list[tuple[_Apart, Floats]]:
        """Per set how far the right digit is above the others, all over its hull; and how much directions move it."""
        hulls = [([min(m[1][n] for m in i.members) for n in range(len(self.sizes))],
                  [max(m[2][n] for m in i.members) for n in range(len(self.sizes))]) for i in items]  # fmt: skip
        halves = [[(y - x) / 2 * (1 + LOSS) + EDGE * (abs(x) + abs(y)) for x, y in zip(*hull, strict=True)]
                  for hull in hulls]  # fmt: skip
        reach = [max(half[n] for half in halves) * self.sizes[n] for n in range(len(self.sizes))]
        kept = [n for n, x in enumerate(reach) if x > FAINT * max(reach)]
        a, maps = Lines(float(self.rows.a.u), len(kept)), [row_ for part in self.maps for row_ in part]
        middles = [[(x + y) / 2 for x, y in zip(*hull, strict=True)] for hull in hulls]
        balls = [[arb(m) if n in kept else arb(m, h) for n, (m, h) in enumerate(zip(middle, half, strict=True))]
                 for middle, half in zip(middles, halves, strict=True)]  # fmt: skip
        given = (arb_mat(balls) * arb_mat(maps)).tolist()
        out, sizes = self.rows.out, self._value_sizes(row)
        (off,) = out.rounding(self.rows.a, [sizes])
        start = [
            [a.blur(Line(x + b, [maps[k][n] * half[k] for k in kept]), e)
             for n, (x, b, e) in enumerate(zip(one, out.bias, off, strict=True))]
            for one, half in zip(given, halves, strict=True)
        ]  # fmt: skip
        self.boxes += len(items)
        right = [self.columns[item.members[0][0].digit] for item in items]
        found = []
        for each, middle, half in zip(self._leads(row.last, a, start, right), middles, halves, strict=True):
            pull = [1e-3 * x for x in self.sizes]
            if all(one.is_finite() for one in each):
                worst = min(each, key=lambda one: float((one.ball - one.spread).lower()))
                for k, c in zip(kept, worst.g, strict=True):
                    pull[k] += float(abs(c)) / max(half[k], 1e-300)
                found.append((_Apart.of(each, kept, middle, half), pull))
            else:
                found.append((_Apart((), (), ()), pull))
        return found

    def _value_sizes(self, row: Place) -> Row:
        """The largest size of what each entry of attention's answer may be, in every execution."""
        if row.index not in self._largest:
            used = [self.at[t, n] for (t, n) in self.at if n <= row.place]
            columns = zip(*([v for head in self.rows.value[n] for v in head] for n in used), strict=True)
            self._largest[row.index] = [2 * max(abs(v).upper() for v in column) for column in columns]
        return self._largest[row.index]

    def _leads(self, last: int, a: Lines, given: list[Row], right: list[int]) -> list[list[Line]]:
        """How far the column that is ``right`` in each row is above the others that are read.

        A map that comes last is made of two columns' difference at once: what both share is not in doubt.
        """
        rows, network = self.rows, self.rows.network
        x = run(rows.branch.after[1:], a, given)
        x = a.add([rows.x[last]] * len(given), x) if rows.branch.is_added else x
        x = through(rows.after, a, x, [])
        last_map = network.final[-1] if network.final and network.bigram is None else None
        if not isinstance(last_map, Affine):
            logits = [[a.line(v) for v in row] for row in network.end(a, x, [rows.cells[last][0]] * len(given))]
            return [[row[own] - row[n] for n in self.read if n != own] for row, own in zip(logits, right, strict=True)]
        x = run(network.final[:-1], a, x)
        found: list[list[Line]] = [[]] * len(given)
        for own in {*right}:
            which = [n for n, one in enumerate(right) if one == own]
            for n, leads in zip(which, self._lead(last_map, own, a, [x[n] for n in which]), strict=True):
                found[n] = leads
        return found

    def _lead(self, layer: Affine, own: int, a: Lines, x: list[Row]) -> list[list[Line]]:
        others = [n for n in self.read if n != own]
        if own not in self._apart_maps:
            weight = [[v - w for v, w in zip(layer.weight[own], layer.weight[n], strict=True)] for n in others]
            self._apart_maps[own] = Affine(weight, [layer.bias[own] - layer.bias[n] for n in others])
        errors = layer.rounding(a, [[abs(v).upper() for v in row] for row in x])
        exact = Lines(0.0, a.symbols).affine(self._apart_maps[own], x)
        return [
            [a.blur(v, self._twice(a, error[own], error[n])) for v, n in zip(row, others, strict=True)]
            for row, error in zip(exact, errors, strict=True)
        ]

    @staticmethod
    def _twice(a: Lines, one: arb, other: arb) -> arb:
        """What two logits may be off by; infinite where either may be too large for an execution."""
        return one + other + TINY if max(one, other) < LIMIT * a.u else arb.pos_inf()


def _plus(one: tuple[float, ...], two: tuple[float, ...]) -> tuple[float, ...]:
    return tuple(map(float.__add__, one, two))


def _sum(one: Floats, two: Floats) -> Floats:
    return [*map(float.__add__, one, two)]


def _hull(one: tuple[Floats, Floats] | None, two: tuple[Floats, Floats]) -> tuple[Floats, Floats]:
    return two if one is None else ([*map(min, one[0], two[0])], [*map(max, one[1], two[1])])


def everywhere(
    read: Any, operands: Any, text: str, columns: list[int], names: list[str], directions: Any, semantics: str,
    deadline: float, tell: Callable[[int], None] = lambda done: None,
) -> tuple[int, arb]:  # fmt: skip
    """How many pairs there are, and the least margin of any digit of any answer; raises Rejected otherwise."""
    layout = Layout.of(operands)
    sums, tokens, network = Sums(text, layout), [*read.tokens], read.network
    used = [*map(str, range(layout.base)), *(c for c in layout.cells if type(c) is str)]
    expect(all(name in tokens for name in used), "operands: a token that the network has not")
    expect(all(str(d) in names for d in range(layout.base)), "operands: a digit that is not among the answers")
    expect(network.causal, "rows see those behind them")
    length = len(layout.cells) + len(layout.answer) - 1
    expect(length <= network.longest, "operands: a prompt longer than the network takes")
    ids = [tokens.index(str(d)) for d in range(layout.base)]
    cells = [(t, n) for n, c in enumerate(layout.cells) for t in (ids if type(c) is tuple else [tokens.index(c)])]
    cells += [(t, len(layout.cells) + n) for n in range(len(layout.answer) - 1) for t in ids]
    rows = Attended(network, Arithmetic(ROUNDOFF[semantics]), cells)
    expect(all(sink is None for sink in rows.heads.sinks), "attention with sinks is not followed")
    d = len(rows.value[0][0])
    shaped = type(directions) is list and len(directions) == rows.heads.count
    shaped = shaped and all(type(part) is list and len(part) == d for part in directions)
    shaped = shaped and all(type(axis) is list and len(axis) == d and {*map(type, axis)} == {int} and
                            max(map(abs, axis)) < 2**40 for part in directions for axis in part)  # fmt: skip
    expect(shaped, "directions: expected whole numbers, a square of them per head")
    at = {cell: n for n, cell in enumerate(cells)}
    right = {digit: columns[names.index(str(digit))] for digit in range(layout.base)}
    pairs = Pairs(layout, sums, rows, at, tokens, directions, right, columns)
    margin = arb("inf")
    for index in range(len(layout.answer)):
        for row in pairs.rows_of(index):
            margin = min(margin, pairs.decide(row, deadline))
        tell(index + 1)
    return (layout.most + 1) ** 2, margin
