"""Claims about sequences of every length, for networks without positions in which one branch attends.

Sequences are gathered in classes: how often each letter occurs, counted up to a cap that then means "or more", and the
states of automaton and program. So classes are finitely many, if the program remembers finitely much; what else it
reads of the tokens is a sum over them, a linear function of the counts. The counts of a class are a box, with sides
that have no end, and on a box

    attention   gives a convex combination of what it gives where all endless sides are at their start, and of the
                values of the endless letters: (W + sum_c w_c m_c) y = W y_start + sum_c w_c m_c v_c with m_c >= 0 more
                of each and W the weights at the start; and y_start lies between the corners of the other sides
    the program is evaluated on ranges (``ranges``)

Where each has one label, and both the same, a box is done; else it is cut in two. All this is about real arithmetic: no
bound on rounding holds at every length.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import reduce
from itertools import product
from math import inf
from time import monotonic
from typing import Any, NamedTuple

from flint import arb, arb_mat

from tasks.checker.arithmetic import ZERO, Row
from tasks.checker.files import Rejected, confirm, expect
from tasks.checker.programs import (
    PAIRS,
    PLACES,
    State,
    _alone,
    _expression,
    _follow,
    _function,
    _hole,
    _names,
    _Reader,
    called,
    statements,
)
from tasks.checker.ranges import Box, answers
from tasks.checker.sets import Attended, Reader

MOST_CLASSES, MOST_BOXES, TOGETHER = 20_000, 20_000, 256  # for one last letter; computed at once
FARTHEST = 2**50  # where an endless side may start
SUMS = (
    ("len(tokens)", "1", "{}"),
    ("tokens.count(E)", "token == E", "{}"),
    ("E in tokens", "token == E", "{} > 0"),
    ("E not in tokens", "token == E", "{} == 0"),
    ("sum(E for token in tokens)", "E", "{}"),
)  # what is read; what a token adds to a sum; and what is read of that
GROWING = (f"sum(E {PAIRS})", f"max(({PLACES}), default=-1)", f"next(({PLACES}), len(tokens))")


class Class(NamedTuple):
    """Sequences with the same states of automaton and program, and the same counts up to the cap."""

    state: int
    counts: tuple[int, ...]
    memory: State


class _OpenError(Exception):
    """A box that is not decided, and why not."""

    def __init__(self, box: Box, reason: str) -> None:
        super().__init__(reason)
        self.box = box


@dataclass(frozen=True)
class Followed:
    """A program on sequences that end in one letter: ``step(memory, letter)``; ``answers(box, memory)``: all that it
    may say of sequences with counts in a box, or None for anything."""

    start: State
    step: Callable[[State, str], State]
    answers: Callable[[Box, State], set[Any] | None]


def followed(text: str, letters: list[str], last: str) -> Followed:
    """The program ``text``, which passed ``function_of``, on sequences that end in ``last``."""
    reader = _Sums(letters=letters)
    body = statements(text, reader, ast.Constant(last))
    names, read = [*reader.state], {name for part in reader.steps for name in _names(part)}
    more = {name: what for name, what in {"place": (0, "1"), "before": ("", "token")}.items() if name in read}
    after = ast.parse(f"({''.join(f'{name}, ' for name in [*names, *(text for _, text in more.values())])})").body[0]
    assert isinstance(after, ast.Expr)
    step = _function(f"step({', '.join([*names, *more, 'token'])})", [*reader.steps, ast.Return(after.value)])
    start = *reader.state.values(), *(first for first, _ in more.values())
    types = tuple(map(type, start))

    def stepped(memory: State, letter: str) -> State:
        moved: State = called(step, *memory, letter)
        _follow(tuple(map(type, moved)) == types, "what it remembers changes its type")
        return moved

    def said(box: Box, memory: State) -> set[Any] | None:
        return answers(body, dict(zip(names, memory, strict=False)), box)

    return Followed(start, stepped, said)


@dataclass
class _Sums(_Reader):
    """Replaces sums over the tokens by linear functions of ``_n0``, ``_n1``, ...: how often each letter occurs.

    Of what remains to be remembered (``tokens[0]``, a pair of neighbours, a loop) only whether a place is the first one
    matters, so a place is 0 or 1.
    """

    letters: list[str] = field(default_factory=list)

    def visit(self, node: ast.AST) -> Any:
        for pattern in GROWING if isinstance(node, ast.expr) else ():
            found = _hole(pattern, node)
            _follow(found is None, f"{ast.unparse(node)!r} has ever more values as sequences grow")
        for pattern, each, value in SUMS if isinstance(node, ast.expr) else ():
            part = _hole(pattern, node)
            if part is not None:
                return _expression(value.format(f"({self._sum(each, part)})"))
        return super().visit(node)

    def _sum(self, each: str, part: ast.expr) -> str:
        if "E" in each:
            _alone([part], {"token"})
        one = _function("one(token)", [ast.Return(_expression(each.replace("E", f"({ast.unparse(part)})")))])
        weights = [called(one, letter) for letter in self.letters]
        _follow(all(type(weight) in (int, bool) for weight in weights), f"a sum of {ast.unparse(part)}")
        return " + ".join(f"{int(weight)} * _n{n}" for n, weight in enumerate(weights))


def everything(
    rows: Attended,
    program: Followed,
    table: list[list[int]],
    accepting: list[bool],
    letters: list[str],
    last: int,
    least: int,
    reader: Reader,
    deadline: float,
) -> tuple[set[str], arb]:
    """The labels, and the least margin, of all sequences of ``least`` tokens or more that end in the letter ``last``.

    Raises Rejected where program and network are not the same throughout. Where that may be for want of a higher cap on
    counts, one is tried: an automaton of n states tells less than n of a letter from n.
    """
    averages = _Averages(rows, len(letters), last)
    for cap in (1 + len(table), 4 * (1 + len(table))):
        ends = _ends(program, table, letters, last, cap)
        try:
            return _decided(averages, program, [c for c in ends if accepting[c.state]], cap, least, reader, deadline)
        except _OpenError as error:
            (low, high), reason = error.box, str(error)
            if max(low) < cap:  # these counts occur, in these states
                break
    raise Rejected(f"{_told(letters, low, high, last)}: {reason}")


def _ends(program: Followed, table: list[list[int]], letters: list[str], last: int, cap: int) -> list[Class]:
    """Every class of sequences that end in the letter ``last``."""
    first = Class(0, (0,) * len(letters), program.start)
    known, waiting = {first}, [first]
    ends: dict[Class, None] = {}
    while waiting:
        state, counts, memory = waiting.pop()
        for n, (letter, to) in enumerate(zip(letters, table[state], strict=True)):
            if to >= 0:
                more = (*counts[:n], min(counts[n] + 1, cap), *counts[n + 1 :])
                after = Class(to, more, program.step(memory, letter))
                if n == last:
                    ends[after] = None
                if after not in known:
                    known.add(after)
                    waiting.append(after)
        confirm(len(known) <= MOST_CLASSES, f"sequences of all lengths have more than {MOST_CLASSES:,} classes")
    return [*ends]


def _decided(
    averages: _Averages,
    program: Followed,
    classes: list[Class],
    cap: int,
    least: int,
    reader: Reader,
    deadline: float,
) -> tuple[set[str], arb]:
    labels, margin, done = set[str](), arb("inf"), 0
    waiting = [((c.counts, tuple(inf if n == cap else n for n in c.counts)), c.memory) for c in classes]
    while waiting:
        waiting, some = waiting[:-TOGETHER], [part for part in waiting[-TOGETHER:] if sum(part[0][1]) >= least]
        done += len(some)
        confirm(monotonic() < deadline, "sequences of all lengths were not decided in time")
        confirm(done <= MOST_BOXES, f"sequences of all lengths are not decided in {MOST_BOXES:,} boxes of counts")
        for (box, memory), row in zip(some, averages.logits([box for box, _ in some]), strict=True):
            label, sure = reader(row)
            said = program.answers(box, memory)
            if sure > 0 and said == {label}:
                labels.add(label)
                margin = min(margin, sure)
                continue
            if sure > 0 and said is not None and label not in said:
                raise _OpenError(box, f"the label is {label!r}, the program says {', '.join(map(repr, said))}")
            if box[0] == box[1] or max(box[0]) > FARTHEST:
                raise _OpenError(box, "not decided")
            waiting += [(half, memory) for half in _halves(box)]
    return labels, margin


class _Averages:
    """What attention gives at a last letter over boxes of counts, and the logits there; prefix and sink occur once."""

    def __init__(self, rows: Attended, letters: int, last: int) -> None:
        expect(rows.network.positions is None, "counts decide nothing: the network has positions")
        expect(rows.a.is_real, "a claim about every length is one about real arithmetic")
        cells, width = len(rows.cells), len(rows.out.bias)
        self.rows, self.last, self.once = rows, last, [1] * (cells + 1 - letters)
        weights, self.off = rows.weights(last, [*range(cells)], cells)
        self.tables, self.values = [], []
        for h, row in enumerate(weights):
            mapped = (arb_mat([[v.mid() for v in value[h]] for value in rows.value]) * rows.out_of(h)).tolist()
            self.values.append(mapped[:letters])
            parts = zip(row, [*mapped, [ZERO] * width], strict=True)
            self.tables.append(arb_mat([[*(w * v for v in value), arb(w)] for w, value in parts]))

    def logits(self, boxes: list[Box]) -> list[Row]:
        """The logits of all sequences with counts in each box."""
        if not boxes:
            return []
        corners = [_corners(*box) for box in boxes]
        flat = arb_mat([[*corner, *self.once] for some in corners for corner in some])
        given = [[ZERO] * len(self.rows.out.bias) for _ in boxes]
        for table, values in zip(self.tables, self.values, strict=True):
            found = iter([[v / total for v in row] for *row, total in (flat * table).tolist()])
            for n, (some, (_, high)) in enumerate(zip(corners, boxes, strict=True)):
                points = [next(found) for _ in some] + [v for v, end in zip(values, high, strict=True) if end == inf]
                hull = [reduce(arb.union, column) for column in zip(*points, strict=True)]
                given[n] = [x + y for x, y in zip(given[n], hull, strict=True)]
        return self.rows.logits(self.last, given, self.off)


def _corners(low: tuple[int, ...], high: tuple[float, ...]) -> list[tuple[int, ...]]:
    """The corners of a box whose endless sides are at their start."""
    return [*product(*({a, a if b == inf else int(b)} for a, b in zip(low, high, strict=True)))]


def _halves(box: Box) -> Iterator[Box]:
    """Both halves of a box, cut across its relatively longest side; one without end counts as of a fixed length."""
    low, high = box
    sizes = [(64.0 if b == inf else (b + 1) / (a + 1)) * (a < b) for a, b in zip(low, high, strict=True)]
    n = max(range(len(low)), key=lambda n: (sizes[n], -low[n]))
    middle = 2 * low[n] + 1 if high[n] == inf else (low[n] + int(high[n])) // 2
    yield low, (*high[:n], middle, *high[n + 1 :])
    yield (*low[:n], middle + 1, *low[n + 1 :]), high


def _told(letters: list[str], low: tuple[int, ...], high: tuple[float, ...], last: int) -> str:
    counts = [
        f"{a}{'' if a == b else ' or more' if b == inf else f' to {b}'} times {letter!r}"
        for letter, a, b in zip(letters, low, high, strict=True)
    ]
    return f"sequences of {', '.join(counts)}, with {letters[last]!r} last"
