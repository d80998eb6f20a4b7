"""Claims up to lengths that nobody can list, for networks in which one branch attends: many sequences at once.

What attention gives the last row is an average, weighted by exponentials of scores. All sequences of one length, last
token, and state of automaton and program (``programs``) are a node of a graph; for a set of nodes the averages lie in
a box, and the box goes through the rest of the network. A set whose label is not found is cut in two, and so is the box
of a single node. There are two ways to bound averages:

``Counts``, without positions. An average is a quotient of linear functions of how often each token occurs, so over a
box of counts it lies between its values at the corners.

``Paths``, with positions or without; a node that stays open is divided by how its sequences end, and few sequences are
looked at one by one. In any direction c

    c.y = sum_j w_j (c.v_j) / sum_j w_j  <=  t      exactly when      sum_j w_j (c.v_j - t)  <=  0

which is a longest path (Viterbi 1967) through the graph. Weights and values are whole numbers beside the middles of
their balls, so that sums and comparisons are exact; t is the least that no path exceeds, found by Newton's steps from
below (Dinkelbach 1967). Directions are rows of a matrix of whole numbers per head, which the certificate gives; any
that has an inverse is as sound as any other.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache, reduce
from itertools import pairwise, product
from time import monotonic
from typing import Any, NamedTuple

from flint import arb, arb_mat

from tasks.checker.arithmetic import TINY, ZERO, Affine, Arithmetic, Row
from tasks.checker.computations import logits
from tasks.checker.files import Rejected, UnreadableError, confirm, expect
from tasks.checker.network import Cell, Network, Watched, run, through
from tasks.checker.programs import Machine, State

BITS, SLACK, MOST_APART = 60, arb(2) ** -50, 300  # of values and of the least weight; for both; of scores
MOST_NODES, MOST_PIECES = 200_000, 5_000  # per length; of boxes of single nodes, per set
FEW, CUTS = 64, 3  # sequences that are sooner listed; cuts of a box before its node is divided
Reader = Callable[[Row], tuple[str, arb]]
Level = dict[State, list[tuple[int, int]]]  # per state, of automaton and program, those before it, and the letters
Term = tuple[int, int]  # weight and value of a key


class Node(NamedTuple):
    """Sequences of one length and last token that lead to one state: which of its level, and how many there are.

    ``ends``: where not empty, only those whose last steps are these, the last one first: each a state before, of its
    level, and a letter.
    """

    state: State
    place: int
    size: int
    ends: tuple[tuple[int, int], ...] = ()


def graph(machine: Machine, letters: list[str], table: list[list[int]], most: int, last: str) -> Iterator[Level]:
    """Per length from 1: every state that sequences lead to, and from where."""
    level: Level = {(0, *machine.start): []}
    for _ in range(most):
        after: Level = defaultdict(list)
        for m, state in enumerate(level):
            for n, (letter, to) in enumerate(zip(letters, table[state[0]], strict=True)):
                if to >= 0:
                    after[to, *machine.step(state[1:], letter, last)].append((m, n))
        confirm(len(after) <= MOST_NODES, f"the program has more than {MOST_NODES:,} states at one length")
        yield after
        level = after


def nodes_of(
    levels: Iterable[Level], accepting: list[bool], least: int, lasts: list[int]
) -> Iterator[tuple[int, int, Node]]:
    """Every node of the domain, with its length and last letter, where that is one of ``lasts``."""
    ways = [1]  # to come to each state
    for length, level in enumerate(levels, 1):
        after = []
        for place, (state, arcs) in enumerate(level.items()):
            sizes: dict[int, int] = defaultdict(int)
            for m, n in arcs:
                sizes[n] += ways[m]
            after.append(sum(sizes.values()))
            if length >= least and accepting[state[0]]:
                yield from ((length, n, Node(state, place, sizes[n])) for n in lasts if n in sizes)
        ways = after


@dataclass(frozen=True)
class Bound:
    """What is known of averages at cell ``last``: for nodes a ``box``, whose image under ``map`` holds what ``out`` of
    attention gives, less its bias, and up to ``off``."""

    rows: Attended
    last: int
    off: Row
    map: arb_mat
    box: Callable[[list[Node]], Row]
    pull: dict[int, float]  # how much an entry of the state moves the result: where a set is cut matters to nobody else
    listed: Callable[[Node], list[Row]] | None = None  # the logits of each of its sequences, where boxes do not say all
    divided: Callable[[Node], list[Node]] = lambda node: []

    def decide(self, nodes: list[Node], answer: str, reader: Reader, deadline: float) -> arb:
        """The margin of the label ``answer`` for all of ``nodes``; raises Rejected where it is not decided."""
        margin, waiting, pieces = arb("inf"), [(nodes, self.box(nodes), 0)], 0
        while waiting:
            confirm(monotonic() < deadline, "a set of sequences was not decided in time")
            given = (arb_mat([box for _, box, _ in waiting]) * self.map).tolist()
            halves: list[tuple[list[Node], Row, int]] = []
            left: dict[Node, None] = {}
            for (some, box, cuts), row in zip(waiting, self.rows.logits(self.last, given, self.off), strict=True):
                sure = self._sure(row, some, answer, reader)
                if sure > 0:
                    margin = min(margin, sure)
                elif len(some) > 1:
                    halves += [(part, self.box(part), 0) for part in self._parted(some)]
                elif self.listed is None or (cuts < CUTS and some[0].size > FEW):
                    pieces += 1
                    halves += [(some, half, cuts + 1) for half in self._halves(box)]
                else:
                    left[some[0]] = None  # all pieces of a node come here together
            for node in left:
                pieces += 1
                if self.listed is None or node.size > FEW:
                    halves += [([part], self.box([part]), 0) for part in self.divided(node)]
                    continue
                for row in self.listed(node):
                    sure = self._sure(row, [node], answer, reader)
                    confirm(sure > 0, f"one of {_told([node])} is not decided")
                    margin = min(margin, sure)
            confirm(pieces <= MOST_PIECES, f"{_told(nodes)} is not decided in {MOST_PIECES:,} pieces of boxes")
            waiting = halves
        return margin

    def _sure(self, row: Row, some: list[Node], answer: str, reader: Reader) -> arb:
        """The margin of ``answer``, positive only where it is certain."""
        name, sure = reader(row)
        if sure > 0 and name != answer:
            raise Rejected(f"{_told(some)} may have the label {name!r}, the program says {answer!r}")
        return sure

    def _halves(self, box: Row) -> Iterator[Row]:
        """Both halves of a box, cut across the direction that moves the result of attention most."""
        pull = [sum(map(abs, row)) * ball.rad() for row, ball in zip(self.map.tolist(), box, strict=True)]
        n = max(range(len(box)), key=lambda n: float(pull[n]))
        for end in (box[n].lower(), box[n].upper()):
            yield [*box[:n], box[n].mid().union(end), *box[n + 1 :]]

    def _parted(self, nodes: list[Node]) -> list[list[Node]]:
        """Two sets, cut across an entry of their states."""
        values = [sorted({*column}) for column in zip(*(node.state for node in nodes), strict=True)]
        entry = max(range(len(values)), key=lambda n: ((len(values[n]) - 1) * self.pull.get(n, 0.0), len(values[n])))
        cut = values[entry][len(values[entry]) // 2]
        return [[node for node in nodes if (node.state[entry] < cut) is below] for below in (True, False)]


def _told(nodes: list[Node]) -> str:
    return f"a set of {sum(node.size for node in nodes):,} sequences"


class Attended:
    """``network`` on ``cells`` around its one branch that attends: what comes before it, and what comes after."""

    def __init__(self, network: Network, a: Arithmetic, cells: list[Cell]) -> None:
        live = [n for n, branch in enumerate(network.branches) if branch.heads is not None]
        expect(len(live) == 1 and network.pool in ("none", "last"), "the network pools, or does not attend once")
        self.a, self.network, self.cells = a, network, cells
        self.branch, self.after = network.branches[live[0]], network.branches[live[0] + 1 :]
        watched = [step for branch in self.after for step in branch.before if isinstance(step, Watched)]
        expect(not watched, "attention without a use, behind that of the result, is not finite in all rows")
        heads, out = self.branch.heads, next(iter(self.branch.after), None)
        assert heads is not None
        if not isinstance(out, Affine):
            raise UnreadableError("sets of sequences are bounded where an affine map mixes the heads")
        expect(not heads.projects, "sets of sequences are bounded where attention is a softmax")
        self.heads, self.out = heads, out
        self.x = through(network.branches[: live[0]], a, network.start(a, cells), [])
        self.query, self.key, self.value = self.heads.parts(a, run(self.branch.before, a, self.x))

    def logits(self, last: int, given: list[Row], off: Row) -> list[Row]:
        """The logits at cell ``last``, where ``out`` of what attention gives is in one of ``given``, up to ``off``."""
        a = self.a
        given = [
            [a.blur(arb(x + b, e), ZERO) for x, b, e in zip(row, self.out.bias, off, strict=True)] for row in given
        ]
        x = run(self.branch.after[1:], a, given)
        x = a.add([self.x[last]] * len(given), x) if self.branch.is_added else x
        return self.network.end(a, through(self.after, a, x, []), [self.cells[last][0]] * len(given))

    def weights(self, last: int, keys: list[int], count: int) -> tuple[list[list[int]], Row]:
        """Per head whole numbers in proportion to exponentials of scores of ``keys``, then of a sink or 0; and how far
        ``out`` of an execution may lie from that of averages of up to ``count`` middles of values with these weights.

        Exponentials up to factors 1 + e move an average by e / (1 - e) times the spread of the values.
        """
        a, found = self.a, []
        error, sizes = [], []
        for h, sink in enumerate(self.heads.sinks):
            scores = a.scores(self.query[last][h], [self.key[n][h] for n in keys], self.heads.scale)
            scores, values = [arb(s, SLACK) for s in scores], [self.value[n][h] for n in keys]
            safe = not a.overflows(min(s.lower() for s in scores), sink)
            if sink is not None:
                scores, values = [*scores, sink], [*values, [ZERO] * len(values[0])]
            largest = max(s.abs_upper() for s in scores)
            moved = ((max(s.rad() for s in scores) + a.drift(2 * largest, count)).exp() - 1).upper()
            known = safe and moved < 0.5 and all(v.is_finite() for row in (scores, *values) for v in row)
            confirm(known, "scores or values are not known well enough")
            for column in zip(*values, strict=True):
                mids, blur = [v.mid() for v in column], max(v.rad() for v in column) + SLACK
                sizes.append(max(abs(v).upper() for v in column) + SLACK)
                rounded = 2 * a.gamma(2 * count + 8) * sizes[-1] + (ZERO if a.is_real else TINY)
                error.append(moved / (1 - moved) * (max(mids) - min(mids) + 2 * blur) + blur + rounded)
            found.append([*_powers(scores), *([0] if sink is None else [])])
        given = [sum((abs(w) * e for w, e in zip(row, error, strict=True)), ZERO) for row in self.out.weight]
        (off,) = self.out.rounding(a, [[s + e for s, e in zip(sizes, error, strict=True)]])
        return found, [e + o for e, o in zip(given, off, strict=True)]

    def out_of(self, h: int) -> arb_mat:
        """What ``out`` does to the values of head ``h``: (entries of a value, entries of a row)."""
        size = len(self.value[0][0])
        return arb_mat([row[h * size : (h + 1) * size] for row in self.out.weight]).transpose()


def counts(rows: Attended, letters: int, longest: int) -> Callable[[int, int], Bound]:
    """Averages by last letter; states begin with the counts of ``letters``, and every other cell occurs once."""
    expect(not rows.network.tells_places, "counts decide nothing: the network has positions")
    cells, width = len(rows.cells), len(rows.out.bias)
    once, heads = [1] * (cells + 1 - letters), range(rows.heads.count)  # of cells and a sink
    mapped = [(arb_mat([[v.mid() for v in row[h]] for row in rows.value]) * rows.out_of(h)).tolist() for h in heads]
    identity = arb_mat([[int(m == n) for m in range(width)] for n in range(width)])

    @cache
    def bound(length: int, last: int) -> Bound:
        found, off = rows.weights(last, [*range(cells)], longest + cells - letters + 1)
        parts = zip(found, ([*part, [ZERO] * width] for part in mapped), strict=True)
        tables = [[[*(w * v for v in row), arb(w)] for w, row in zip(*part, strict=True)] for part in parts]

        def averages(counts: list[list[int]]) -> Iterator[list[Row]]:
            """Per head, for every vector of counts, what ``out`` of attention gives."""
            for table in map(arb_mat, tables):
                yield [[v / total for v in row] for *row, total in (arb_mat(counts) * table).tolist()]

        def box(nodes: list[Node]) -> Row:
            ends = [{min(column), max(column)} for column in zip(*(node.state for node in nodes), strict=True)]
            corners = [[*corner, *once] for corner in product(*ends[1 : letters + 1])]
            hulls = [[reduce(arb.union, column) for column in zip(*part, strict=True)] for part in averages(corners)]
            return [sum(column, ZERO) for column in zip(*hulls, strict=True)]

        pull = dict.fromkeys(range(1, letters + 1), 0.0)
        for table, (centre,) in zip(tables, averages([[1] * (letters + len(once))]), strict=True):
            total = sum(row[-1] for row in table)
            for n, (*row, w) in zip(pull, table, strict=False):
                pull[n] += float(sum(abs(v - w * c) for v, c in zip(row, centre, strict=True)) / total)
        return Bound(rows, last, off, identity, box, pull)

    return bound


def paths(rows: Attended, ids: list[list[int]], axes: Any, levels: list[Level]) -> Callable[[int, int], Bound]:
    """Averages by length and last letter; ``ids``: tokens of prefix, letters and suffix; ``axes``: directions."""
    place, (prefix, letters, suffix) = {cell: n for n, cell in enumerate(rows.cells)}, ids
    arcs = [[*level.values()] for level in levels]
    maps = [arb_mat(axis).inv().transpose() * rows.out_of(h) for h, axis in enumerate(axes)]
    whole = [[[_whole(v, BITS) for v in row[h]] for row in rows.value] for h in range(len(axes))]
    along = [
        [[sum(map(int.__mul__, c, v)) for c in axis] for v in part] for part, axis in zip(whole, axes, strict=True)
    ]

    ways = [[1]]  # to come to each state of each level
    for level in arcs:
        ways.append([sum(ways[-1][m] for m, _ in into) for into in level])

    def before(node: Node, length: int, last: int) -> list[tuple[int, int]]:
        """The steps that may come before the ends of ``node``."""
        if not node.ends:
            return [arc for arc in arcs[length - 1][node.place] if arc[1] == last]
        left = length - len(node.ends)
        return arcs[left - 1][node.ends[-1][0]] if left else []

    @cache
    def bound(length: int, last: int) -> Bound:
        first, after = len(prefix), len(prefix) + length
        free = [[place[t, first + n] for t in letters] for n in range(length)]
        fixed = [place[t, n] for n, t in enumerate(prefix)] + [place[t, after + n] for n, t in enumerate(suffix)]
        keys, end = [*fixed, *(n for row in free for n in row)], fixed[-1] if suffix else free[-1][last]
        heads, off = rows.weights(end, keys, length + len(fixed) + 1)

        def divided(node: Node) -> list[Node]:
            left = length - len(node.ends) - 1  # levels before the step that is chosen
            return [
                Node(node.state, node.place, ways[left][arc[0]], (*node.ends, arc))
                for arc in before(node, length, last)
            ]

        def listed(node: Node) -> list[Row]:
            waiting, words = [node], []
            while waiting:
                one = waiting.pop()
                if len(one.ends) == length:
                    words.append([*prefix, *(letters[n] for _, n in reversed(one.ends)), *suffix])
                else:
                    waiting += divided(one)
            confirm(len(words) == node.size, "sequences were miscounted")
            return [found[-1] for found in logits(rows.network, rows.a, [tuple(word) for word in words])]

        def box(nodes: list[Node]) -> Row:
            found = []
            into = [*arcs[: length - 1], [list(node.ends[:1]) or before(node, length, last) for node in nodes]]
            if any(node.ends for node in nodes):
                (one,) = nodes
                for n, ((at, _), arc) in enumerate(pairwise(one.ends), 2):
                    into[length - n] = [[arc] if m == at else row for m, row in enumerate(into[length - n])]
            for weights, values, axis in zip(heads, along, axes, strict=True):
                weight = dict(zip(keys, weights, strict=False))
                for d in range(len(axis)):
                    ends = []
                    for sign in (-1, 1):
                        terms = [[(weight[n], sign * values[n][d]) for n in row] for row in free]
                        once = [*((weight[n], sign * values[n][d]) for n in fixed), (weights[-1], 0)]
                        ends.append(arb(sign * largest(into, terms, once)))
                    found.append(ends[0].union(ends[1]) / 2**BITS)
            return found

        return Bound(rows, end, off, arb_mat([row for part in maps for row in part.tolist()]), box, {}, listed, divided)

    return bound


def largest(levels: list[list[list[tuple[int, int]]]], terms: list[list[Term]], fixed: list[Term]) -> int:
    """The least whole number that is exceeded by no average along a path through all ``levels`` of arcs.

    ``terms``: per level, the term of each letter; ``fixed``: terms that every path has.
    """
    bound = min(v for row in (*terms, fixed) for _, v in row)
    while True:
        sums = [[sum(w * (v - bound) for w, v in fixed)]]
        gains = [[w * (v - bound) for w, v in row] for row in terms]
        for level, gain in zip(levels, gains, strict=True):
            came = sums[-1]
            sums.append([max([came[m] + gain[n] for m, n in arcs]) for arcs in level])
        excess, total = max(sums[-1]), sum(w for w, _ in fixed)
        if excess <= 0:
            return bound
        at = sums[-1].index(excess)
        for level, row, gain, came in zip(levels[::-1], terms[::-1], gains[::-1], sums[-2::-1], strict=True):
            at, letter = max(level[at], key=lambda arc: came[arc[0]] + gain[arc[1]])
            total += row[letter][0]
        bound -= -excess // total  # up to the average of a worst path, so beyond no other one


def _powers(scores: Row) -> list[int]:
    """Whole numbers in proportion to the exponentials of the middles of ``scores``, to BITS bits and more."""
    top, low = max(s.mid() for s in scores), min(s.mid() for s in scores)
    confirm(top - low < MOST_APART, "a key towers over the others")
    bits = BITS + 2 * int(float(top - low)) + 2
    return [_whole((s.mid() - top).exp(), bits) for s in scores]


def _whole(x: arb, bits: int) -> int:
    """``2**bits`` times the middle of ``x``, rounded down."""
    man, exp = x.mid().man_exp()
    shift = int(exp) + bits
    return int(man) << shift if shift >= 0 else int(man) >> -shift
