"""Claims up to lengths that nobody can list, for networks where one branch attends, with positions or without.

At the last row a head gives a quotient of two sums along the sequence, and in any direction c

    c.y = sum_j w_j (c.v_j) / sum_j w_j  <=  t      exactly when      sum_j w_j (c.v_j - t)  <=  0

which is a longest path (Viterbi 1967) through a graph whose nodes gather the sequences of one length, last token, state
of the automaton and state of the printed program (``machines``). Weights and values are whole numbers beside the
middles of their balls, so that sums and comparisons are exact; t is the least that no path exceeds, found by Newton's
steps from below (Dinkelbach 1967). How far executions lie from that is the business of ``attending``. The evidence is
an invertible matrix of whole numbers per head, whose rows are the directions; any are as sound as any other. The box
that they bound goes through the rest of the network, cut in half where it decides nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from math import inf
from time import monotonic
from typing import Any

from flint import arb, arb_mat

from tasks.checker.arithmetic import Arithmetic, Row
from tasks.checker.attending import Attending, spreads
from tasks.checker.files import Rejected, expect
from tasks.checker.formats import Read
from tasks.checker.machines import Machine

BITS, SLACK, MOST_APART = 60, arb(2) ** -50, 300  # of values and of the least weight; for both; of scores
MOST_NODES, MOST_PIECES = 100_000, 1_000  # per length; of a box
Term = tuple[int, int]  # weight and value of a key
Reader = Callable[[Row], tuple[str, arb]]


@dataclass(frozen=True)
class Node:
    """Sequences of one length that end in letter ``token``: the program's ``answer``, None where it is not asked.

    ``before``: nodes of the length before, whose sequences become these by that letter; ``size``: how many there are.
    """

    token: int
    answer: Any
    before: tuple[int, ...]
    size: int


def graph(
    machine: Machine,
    alphabet: list[str],
    lengths: tuple[int, int],
    table: list[list[int]],
    accepting: list[bool],
    last: int,
) -> list[list[Node]]:
    """The nodes of every length that lead to those that are asked: where sequences of the domain end in ``last``.

    Nodes are one where letter, answer and whatever follows are the same.
    """
    text, counted = alphabet[last], machine.counted
    rest = next((n for n in range(len(alphabet)) if n not in counted), None)
    levels: list[dict[Any, dict[int, Any]]] = [{(-1, 0, (0,) * len(alphabet), machine.start): {}}]
    for _ in range(lengths[1]):
        after: dict[Any, dict[int, Any]] = {}
        for (_, at, counts, state), row in levels[-1].items():
            for n, letter in enumerate(alphabet):
                if table[at][n] >= 0:
                    more = tuple(c + (m == n) for m, c in enumerate(counts)) if n in counted else counts
                    row[n] = (n, table[at][n], more, machine.step(state, letter, text) if state else state)
                    after.setdefault(row[n], {})
        if len(after) > MOST_NODES:
            raise Rejected(f"the program has more than {MOST_NODES:,} states at one length")
        levels.append(after)
    kinds: list[dict[Any, int]] = []  # per length, from the longest: what is merged, and its place
    place: dict[Any, int] = {}  # of a state of the length above
    for length, level in reversed([*enumerate(levels)]):
        kind: dict[Any, int] = {}
        here = {}
        for state, row in level.items():
            token, at, counts, inner = state
            answer = None
            if token == last and accepting[at] and length >= lengths[0]:
                count = [*counts]
                if rest is not None:
                    count[rest] = length - sum(counts)
                answer = _answer(machine, count, text, inner)
            to = tuple(place[following] for following in row.values() if following in place)
            if answer is not None or to:
                here[state] = kind.setdefault((token, answer, to), len(kind))
        kinds.append(kind)
        place = here
    return _sized([[*kind] for kind in reversed(kinds)])


def _answer(machine: Machine, counts: list[int], last: str, state: Any) -> str:
    try:
        answer = machine.answer(*counts, last, *state)
    except Exception as error:
        raise Rejected(f"the program fails on counts {counts}: {type(error).__name__}") from error
    if not isinstance(answer, str):
        raise Rejected(f"the program's answer to counts {counts} is no label")
    return answer


def _sized(kinds: list[list[Any]]) -> list[list[Node]]:
    """Nodes with those before them, from nodes with those after them."""
    found = [[Node(-1, None, (), 1) for _ in kinds[0]]]
    for before, level in pairwise(kinds):
        back: list[list[int]] = [[] for _ in level]
        for n, (_, _, to) in enumerate(before):
            for m in to:
                back[m].append(n)
        found.append(
            [
                Node(token, answer, tuple(come), sum(found[-1][m].size for m in come))
                for (token, answer, _), come in zip(level, back, strict=True)
            ]
        )
    return found


def largest(levels: list[list[Node]], node: int, terms: list[list[Term]], fixed: list[Term]) -> int:
    """The least whole number that is exceeded by no average along a path to ``node`` of the last of ``levels``.

    ``terms``: per length from 1, the term of each letter there; ``fixed``: terms that every path has.
    """
    bound = min(v for row in (*terms, fixed) for _, v in row)
    while True:
        sums = [[sum(w * (v - bound) for w, v in fixed)]]
        for level, row in zip(levels[1:], terms, strict=True):
            term, came = [w * (v - bound) for w, v in row], sums[-1]
            sums.append([max([came[m] for m in n.before]) + term[n.token] for n in level])
        excess, total, at = sums[-1][node], sum(w for w, _ in fixed), node
        if excess <= 0:
            return bound
        for level, row, came in zip(levels[:0:-1], terms[::-1], sums[-2::-1], strict=True):
            total += row[level[at].token][0]
            at = max(level[at].before, key=came.__getitem__)
        bound -= -excess // total  # up to the average of a worst path, so beyond no other one


class Averages:
    """Bounds of the logits over all sequences of a node, until ``deadline``; ``axes``: the directions of each head.

    ``ids``: tokens of the prefix, of the letters, and of the suffix.
    """

    def __init__(
        self, network: Read, a: Arithmetic, ids: list[list[int]], longest: int, axes: Any, deadline: float = inf
    ) -> None:
        (self.prefix, self.letters, self.suffix), self.deadline = ids, deadline
        first, length = len(self.prefix), len(self.prefix) + longest
        cells = [*((t, n) for n, t in enumerate(self.prefix))]
        cells += [(t, n) for n in range(first, length) for t in self.letters]
        cells += [(t, n + k) for n in range(first + 1, length + 1) for k, t in enumerate(self.suffix)]
        cells = [*dict.fromkeys(cells)]
        self.place, self.rows = {cell: n for n, cell in enumerate(cells)}, Attending(network.network, a, cells)
        count, size = self.rows.heads.count, len(self.rows.value[0][0])
        whole = all(type(x) is int and abs(x) < 2**30 for axis in axes for row in axis for x in row)
        shaped = len(axes) == count and all(len(x) == size for axis in axes for x in (axis, *axis))
        expect(whole and shaped, f"expected {count} matrices of {size} directions, in whole numbers")
        self.values, maps = [], []
        for h, axis in enumerate(axes):
            rows = [[_whole(v, BITS) for v in row[h]] for row in self.rows.value]
            self.values.append([[sum(map(int.__mul__, c, row)) for c in axis] for row in rows])
            weight = arb_mat([row[h * size : (h + 1) * size] for row in self.rows.out.weight])
            maps.append((weight * arb_mat(axis).inv()).transpose().tolist())
        self.map = arb_mat([row for part in maps for row in part])
        self.pull = [sum(map(abs, row)) for row in self.map.tolist()]  # of each direction on the result of attention

    def decide(self, levels: list[list[Node]], node: int, reader: Reader) -> arb:
        """The margin of the node's answer, for all its sequences; raises Rejected where it is not decided."""
        last, off, box = self._box(levels, node)
        answer, margin, waiting, pieces = levels[-1][node].answer, arb("inf"), [box], 0
        while waiting:
            if monotonic() > self.deadline:
                raise Rejected(f"{self._told(levels, node)} was not decided in time")
            given = [[x + b for x, b in zip(row, self.rows.out.bias, strict=True)] for row in self._mapped(waiting)]
            pieces += len(waiting)
            halves: list[Row] = []
            for piece, row in zip(waiting, self.rows.logits(last, given, off), strict=True):
                name, sure = reader(row)
                if not sure > 0:
                    halves += self._halves(piece)
                elif name != answer:
                    raise Rejected(
                        f"{self._told(levels, node)} may have the label {name!r}, the program says {answer!r}"
                    )
                else:
                    margin = min(margin, sure)
            if halves and pieces > MOST_PIECES:
                raise Rejected(f"{self._told(levels, node)} is not decided in {pieces:,} pieces")
            waiting = halves
        return margin

    def _box(self, levels: list[list[Node]], node: int) -> tuple[int, Row, Row]:
        """The cell of the last row; how far executions lie from the box; and the box, a ball per direction."""
        place, first, length = self.place, len(self.prefix), len(levels) - 1
        around = [(t, n) for n, t in enumerate(self.prefix)]
        around += [(t, first + length + n) for n, t in enumerate(self.suffix)]
        fixed = [place[cell] for cell in around]
        free = [[place[t, first + n] for t in self.letters] for n in range(length)]
        keys = [*fixed, *(n for row in free for n in row)]
        last = fixed[-1] if self.suffix else free[-1][levels[-1][node].token]
        every: list[tuple[arb, arb]] = []
        box: Row = []
        for h, sink in enumerate(self.rows.sinks):
            scores = [arb(s, SLACK) for s in self.rows.scores(last, keys, h)]
            values = [[arb(v, SLACK) for v in self.rows.value[n][h]] for n in keys]
            every += spreads(self.rows.a, length + len(fixed) + 1, scores, values, sink)
            weights = _weights([*scores, *([] if sink is None else [sink])])
            weight = dict(zip(keys, weights, strict=False))
            sunk = [] if sink is None else [(weights[-1], 0)]
            for axis in range(len(values[0])):
                ends = []
                for sign in (-1, 1):
                    value = {n: sign * self.values[h][n][axis] for n in keys}
                    terms = [[(weight[n], value[n]) for n in row] for row in free]
                    once = [*((weight[n], value[n]) for n in fixed), *sunk]
                    ends.append(arb(sign * largest(levels, node, terms, once)))
                box.append(ends[0].union(ends[1]) / 2**BITS)
        return last, self.rows.off(every), box

    def _mapped(self, boxes: list[Row]) -> list[Row]:
        return (arb_mat(boxes) * self.map).tolist()  # type: ignore[no-any-return]

    def _halves(self, box: Row) -> Iterator[Row]:
        """Both halves of a box, cut across the direction that moves the result of attention most."""
        n = max(range(len(box)), key=lambda n: float(self.pull[n] * box[n].rad()))
        middle = box[n].mid()
        for end in (box[n].lower(), box[n].upper()):
            yield [*box[:n], middle.union(end), *box[n + 1 :]]

    def _told(self, levels: list[list[Node]], node: int) -> str:
        return f"a set of {levels[-1][node].size:,} sequences of length {len(levels) - 1}"


def _weights(scores: Row) -> list[int]:
    """Whole numbers in proportion to the exponentials of the middles of ``scores``, to BITS bits and more."""
    top, low = max(s.mid() for s in scores), min(s.mid() for s in scores)
    if not top - low < MOST_APART:
        raise Rejected("a key towers over the others")
    bits = BITS + 2 * int(float(top - low)) + 2
    return [_whole((s.mid() - top).exp(), bits) for s in scores]


def _whole(x: arb, bits: int) -> int:
    """``2**bits`` times the middle of ``x``, rounded down."""
    man, exp = x.mid().man_exp()
    shift = int(exp) + bits
    return int(man) << shift if shift >= 0 else int(man) >> -shift
