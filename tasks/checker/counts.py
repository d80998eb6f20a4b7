"""Claims up to lengths that nobody can list, for networks that see nothing of a sequence but its counts.

Without positions, and with one branch that attends, a row before attention is that of its token, and what the last
position is given depends on its own token and on how often each token occurs:

    y_h = sum_c n_c e_hc v_hc / (sum_c n_c e_hc + e_sink)

a quotient of linear functions of each count, which over a box of counts lies between its values at the corners. The
evidence is a list of boxes for every last token, each with a label. Here the label of every box is found again; the
boxes are painted on one canvas per last token; and every class (counts, last token, state of automaton and program)
that the domain reaches is looked up there: a gap, or a label that is not the program's answer, ends it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from math import prod
from operator import lt, mul
from typing import Any

from flint import arb, arb_mat

from tasks.checker.arithmetic import ZERO, Arithmetic, Row
from tasks.checker.attending import Attending, spreads
from tasks.checker.files import Rejected, expect
from tasks.checker.formats import Read
from tasks.checker.machines import Machine, State

MOST_CELLS, BLOCK, GAP = 200_000_000, 500, 255
Box = tuple[list[int], list[int], int]  # least and most of every count, and the index of a label


class Tally:
    """Logits from counts: ``letters`` are token ids whose counts vary, ``prefix`` those that occur once each."""

    def __init__(self, network: Read, a: Arithmetic, letters: list[int], prefix: list[int], longest: int) -> None:
        expect(network.network.positions is None, "counts decide nothing: the network has positions")
        self.letters, self.keys, self.cells = len(letters), longest + len(prefix) + 1, [*range(len(letters + prefix))]
        self.rows = Attending(network.network, a, [(token, 0) for token in (*letters, *prefix)])

    def logits(self, last: int, boxes: list[Box]) -> list[Row]:
        """Bounds of the logits over every box, for sequences whose last token is letter ``last``."""
        heads, off = self._heads(last)
        once = [1] * (len(self.cells) - self.letters)
        corners = [[*corner, *once] for low, high, _ in boxes for corner in product(*zip(low, high, strict=True))]
        number, counts = 2**self.letters, arb_mat(corners)
        given = [self.rows.out.bias for _ in boxes]
        for values, sink in heads:
            rows = (counts * values).tolist()
            means = [[v / (total + sink) for v in row] for *row, total in rows]
            for n, row in enumerate(given):
                hull = means[n * number]
                for corner in means[n * number + 1 : (n + 1) * number]:
                    hull = [x.union(y) for x, y in zip(hull, corner, strict=True)]
                given[n] = [x + y for x, y in zip(row, hull, strict=True)]
        return self.rows.logits(last, given, off)

    def _heads(self, last: int) -> tuple[list[tuple[arb_mat, arb]], Row]:
        """What each head does (``_head``), and how far from it executions lie."""
        rows, found = self.rows, []
        every: list[tuple[arb, arb]] = []
        for h, sink in enumerate(rows.sinks):
            scores, values = rows.scores(last, self.cells, h), [row[h] for row in rows.value]
            every += spreads(rows.a, self.keys, scores, values, sink)
            weight = [row[h * len(values[0]) : (h + 1) * len(values[0])] for row in rows.out.weight]
            found.append(_head(scores, values, sink, weight))
        return found, rows.off(every)


def _head(scores: Row, values: list[Row], sink: arb | None, weight: list[Row]) -> tuple[arb_mat, arb]:
    """Per token its exponential times its mapped value, then its exponential; and the exponential of the sink."""
    top = max(s.mid() for s in scores)
    powers = [(s.mid() - top).exp() for s in scores]
    mapped = arb_mat([[v.mid() for v in row] for row in values]) * arb_mat(weight).transpose()
    table = [[*(p * v for v in row), p] for p, row in zip(powers, mapped.tolist(), strict=True)]
    return arb_mat(table), ZERO if sink is None else (sink - top).exp()


@dataclass(frozen=True)
class Canvas:
    """The label of every vector of counts below ``sides``, GAP where no box holds it; the first count moves fastest."""

    sides: list[int]
    cells: bytearray

    def paint(self, low: list[int], high: list[int], label: int) -> None:
        (first, end), *rest = zip(low, high, strict=True)
        line, strides = bytes([label]) * (end - first + 1), self.strides
        for place in product(*(range(s * a, s * b + 1, s) for s, (a, b) in zip(strides[1:], rest, strict=True))):
            at = sum(place) + first
            self.cells[at : at + len(line)] = line

    @property
    def strides(self) -> list[int]:
        return [prod(self.sides[:n]) for n in range(len(self.sides))]


def painted(tally: Tally, reader: Any, names: list[str], content: bytes) -> tuple[list[Canvas], arb, int]:
    """A canvas per last token, of boxes whose labels were found again; the least margin; and how many boxes."""
    letters, listed, margin = tally.letters, json.loads(content), arb("inf")
    expect(len(listed) == letters, "boxes of other letters")
    canvases = []
    for last, boxes in enumerate(listed):
        whole = all(type(n) is int and n >= 0 for low, high, label in boxes for n in (*low, *high, label))
        expect(whole and all(len(low) == len(high) == letters for low, high, _ in boxes), "a box is not one of counts")
        expect(all(low[last] > 0 for low, _, _ in boxes), "a box without its last token")
        expect(all(a <= b for low, high, _ in boxes for a, b in zip(low, high, strict=True)), "a box is empty")
        sides = [1 + max((high[n] for _, high, _ in boxes), default=0) for n in range(letters)]
        expect(letters * prod(sides) <= MOST_CELLS and len(names) < GAP, "too many counts")
        canvases.append(Canvas(sides, bytearray([GAP]) * prod(sides)))
        for start in range(0, len(boxes), BLOCK):
            some = boxes[start : start + BLOCK]
            for (low, high, label), row in zip(some, tally.logits(last, some), strict=True):
                name, sure = reader(row)
                if not sure > 0 or name != names[label]:
                    raise Rejected(f"the label of the box from {low} to {high} is not found to be {names[label]!r}")
                margin = min(margin, sure)
                canvases[-1].paint(low, high, label)
    return canvases, margin, sum(map(len, listed))


def compared(
    machine: Machine,
    canvases: list[Canvas],
    alphabet: list[str],
    names: list[str],
    lengths: tuple[int, int],
    table: list[list[int]],
    accepting: list[bool],
) -> tuple[list[str], int]:
    """The labels that occur, and the number of classes; raises Rejected where a class is in no box of its answer."""
    side, seen, classes = lengths[1] + 1, set(), 0
    powers = [side**n for n in range(len(alphabet))]
    for last, moved in _reached(machine, alphabet, lengths, powers, table, accepting):
        canvas, text, answer = canvases[last], alphabet[last], machine.answer
        cells, strides, sides = canvas.cells, canvas.strides, canvas.sides
        classes += len(moved)
        for code, state in moved:
            counts = [code // power % side for power in powers]
            try:
                name = answer(*counts, text, *state)
            except Exception as error:
                raise Rejected(f"the program fails on counts {counts}: {type(error).__name__}") from error
            inside = all(map(lt, counts, sides))
            label = cells[sum(map(mul, counts, strides))] if inside else GAP
            if label == GAP or names[label] != name:
                had = "is in no box" if label == GAP else f"has the label {names[label]!r}"
                raise Rejected(f"the class of counts {counts} that ends in {text!r} {had}, the program says {name!r}")
            seen.add(label)
    if not classes:
        raise Rejected("the domain holds no sequence")
    return sorted(names[label] for label in seen), classes


def _reached(
    machine: Machine,
    alphabet: list[str],
    lengths: tuple[int, int],
    powers: list[int],
    table: list[list[int]],
    accepting: list[bool],
) -> Iterator[tuple[int, set[tuple[int, State]]]]:
    """Every class of the domain, length by length: last token, codes of the counts and states of the program."""
    for goal in range(len(alphabet)) if machine.asks_last else (None,):
        level: set[tuple[int, int, State]] = {(0, 0, machine.start)}
        for length in range(1, lengths[1] + 1):
            after: set[tuple[int, int, State]] = set()
            for token, (text, power) in enumerate(zip(alphabet, powers, strict=True)):
                last = "" if goal is None else alphabet[goal]
                moved = {
                    (code + power, table[at][token], machine.step(state, text, last) if state else state)
                    for code, at, state in level
                    if table[at][token] >= 0
                }
                if length >= lengths[0] and goal in (None, token):
                    yield token, {(code, state) for code, at, state in moved if accepting[at]}
                after |= moved
            level = after
