"""All sequences of a domain at once, for a recurrent network: boxes of its states, and where letters lead from each.

The question gives boxes, and which box each letter leads to from which. It is found here that

    the first state lies in the first box;  each letter takes every state of a box into the box that it leads to, with
    one certain label on the way;
    program and automaton, followed along with the boxes through all that they can be, give these labels

With lengths that have no end no letter may lead nowhere, so that no sequence, however long, has another label; else
letters are followed as far as the sequences go. What executions round is part of the images.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

from flint import arb

from tasks.checker.arithmetic import ZERO, Row
from tasks.checker.files import confirm, expect
from tasks.checker.programs import Machine, State
from tasks.checker.recurrent import Recurrent
from tasks.checker.recurrent_forms import Discs, Forms, Linear

MOST_BOXES, MOST_PAIRS = 200_000, 2_000_000
TOGETHER = 512  # images made at once
BOX = {"next", "center", "radii"}
Label = tuple[str, arb]
Pair = tuple[int, int, int, State]  # letters up to the least number, box, place, and what the program remembers


@dataclass
class Boxes:
    """One network, its letters, and the boxes of a question; ``label_of`` reads forms of logits."""

    network: Recurrent
    letters: list[str]
    ids: list[int]
    before: list[int]  # of the tokens that stand before every sequence
    u: float
    label_of: Callable[[Forms, list[Linear]], Label]
    deadline: float
    given: Any
    _boxes: list[tuple[Row, Row]] = field(default_factory=list, init=False)  # centers and half sides
    _next: list[list[int]] = field(default_factory=list, init=False)
    _known: dict[tuple[int, int], Label] = field(default_factory=dict, init=False)
    _moves: dict[tuple[State, int], tuple[State, Any]] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        expect(type(self.given) is list and 0 < len(self.given) <= MOST_BOXES, "boxes are missing, or too many")
        width = len(self.network.start)
        for one in self.given:
            expect(type(one) is dict and one.keys() == BOX, "a box has unknown or missing entries")
            targets = one["next"]
            known = type(targets) is list and len(targets) == len(self.letters)
            known = known and all(type(to) is int and -1 <= to < len(self.given) for to in targets)
            expect(known, "each letter leads from a box to a box, or nowhere")
            center, radii = (_row(one[part], width) for part in ("center", "radii"))
            expect(all(r > 0 for r in radii), "a box has a side that is none")
            self._boxes.append((center, radii))
            self._next.append(targets)
        self._a = Forms(Discs.units(width), self.u)

    def decided(
        self,
        machine: Machine,
        table: list[list[int]],
        accepting: list[bool],
        least: int,
        most: int | None,
        empty: Any,
    ) -> tuple[set[str], arb]:
        """The labels and the least margin of all sequences of ``least`` to ``most`` letters (None: of any more).

        ``empty``: what the program says of none.
        """
        confirm(not machine.asks_last, "the program asks at every token for the last one")
        labels, margin = set[str](), arb("inf")
        first = self._first()
        if least == 0 and accepting[0]:
            label, margin = self.label_of(*first)
            confirm(margin > 0 and label == spoken(empty), "the empty sequence is not decided, or has another label")
            labels.add(label)
        start = (0, 0, 0, machine.start)
        seen, waiting = {start}, [start] if most != 0 else []
        while waiting:
            steps = [(pair, n) for pair in waiting for n in range(len(self.letters)) if table[pair[2]][n] >= 0]
            self._follow([*dict.fromkeys((pair[1], n) for pair, n in steps)], most is None)
            waiting = []
            for (count, box, place, memory), n in steps:
                inside, to = table[place][n], self._next[box][n]
                after, said = self._moved(machine, memory, n)
                now = min(count + 1, max(least, 1)) if most is None else count + 1
                if now >= least and accepting[inside]:
                    label, sure = self._known[box, n]
                    what = f"the label after {self.letters[n]!r}"
                    confirm(sure > 0, f"{what} is not decided in a box")
                    confirm(said == label, f"{what} is {label!r} in a box, the program says {said!r}")
                    labels.add(label)
                    margin = sure if sure < margin else margin
                pair = (now, to, inside, after)
                if now != most and pair not in seen:
                    confirm(to >= 0, "a letter leads nowhere from a box, and may come there")
                    seen.add(pair)
                    waiting.append(pair)
                    confirm(len(seen) <= MOST_PAIRS, "program, automaton and boxes can be too many things together")
        confirm(labels, "no sequence is of these lengths")
        return labels, margin

    def _moved(self, machine: Machine, memory: State, n: int) -> tuple[State, Any]:
        """What the program remembers after a letter, and what it says there."""
        if (memory, n) not in self._moves:
            letter = self.letters[n]
            after = machine.step(memory, letter, "")
            self._moves[memory, n] = machine.lasting(after), spoken(machine.answer(after, letter))
        return self._moves[memory, n]

    def _first(self) -> tuple[Forms, list[Linear]]:
        """The logits before any letter; the state there lies in the first box."""
        width = len(self.network.start)
        a = Forms(Discs((1,) * width, [ZERO] * width), self.u)
        state = [Linear(x, [ZERO] * width, ZERO) for x in self.network.start]
        for token in self.before:
            state = a.after(self.network, state, token)
        confirm(self._holds(0, a, state), "the first state is not in the first box")
        return a, a.read(self.network, state)

    def _holds(self, box: int, a: Forms, image: list[Linear]) -> bool:
        """Whether all of an image lies in a box."""
        return all(
            (abs(x.center - c) + a.reach(x)).abs_upper() <= r for x, c, r in zip(image, *self._boxes[box], strict=True)
        )

    def _follow(self, moves: list[tuple[int, int]], is_endless: bool) -> None:
        """Finds the label of every state of boxes after letters, which lead them into the boxes that are said.

        Where one leads nowhere, only the label is found; without end it must lead somewhere.
        """
        new, a, width = [move for move in moves if move not in self._known], self._a, len(self.network.start)
        for start in range(0, len(new), TOGETHER):
            confirm(monotonic() < self.deadline, "boxes were not followed in time")
            some = new[start : start + TOGETHER]
            sets = [
                [Linear(c, [r if n == k else ZERO for k in range(width)], ZERO) for n, (c, r) in enumerate(rows)]
                for rows in ([*zip(*self._boxes[box], strict=True)] for box, _ in some)
            ]
            after = a.after_each(self.network, sets, [self.ids[n] for _, n in some])
            for (box, n), image, logits in zip(some, after, a.read_each(self.network, after), strict=True):
                to = self._next[box][n]
                confirm(to >= 0 or not is_endless, "a letter leads nowhere from a box, and may come there")
                confirm(to < 0 or self._holds(to, a, image), "a letter leads out of a box, or the boxes are too small")
                self._known[box, n] = self.label_of(a, logits)


def spoken(answer: Any) -> Any:
    """What a program says: a whole number as the text that a label is."""
    return str(answer) if type(answer) is int else answer


def _row(value: Any, size: int) -> Row:
    known = type(value) is list and len(value) == size and all(type(v) is float and abs(v) < 2.0**64 for v in value)
    expect(known, "a number of a box is none")
    return [arb(v) for v in value]
