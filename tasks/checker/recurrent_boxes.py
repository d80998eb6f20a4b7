"""Every sequence of a domain at once, for a recurrent network: boxes of its states that no letter leaves.

The question gives boxes, and which box each letter leads to from which. It is found here that

    the first state lies in the first box;  each letter takes every state of a box into the box that it leads to, with
    one certain label on the way;
    program and automaton, followed along with the boxes through all that they can be, give these labels

So no sequence, however long, has another label. What executions round is part of the images.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

from flint import arb

from tasks.checker.arithmetic import ZERO, Row
from tasks.checker.files import confirm, expect
from tasks.checker.programs import Machine
from tasks.checker.recurrent import Recurrent
from tasks.checker.recurrent_forms import Discs, Forms, Frame, Linear

MOST_BOXES, MOST_PAIRS = 4096, 200_000
BOX = {"next", "center", "radii"}
Label = tuple[str, arb]


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
    _boxes: list[Frame] = field(default_factory=list, init=False)
    _next: list[list[int]] = field(default_factory=list, init=False)
    _known: dict[tuple[int, int], Label] = field(default_factory=dict, init=False)

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
            self._boxes.append(Frame.box(center, radii))
            self._next.append(targets)

    def decided(
        self, machine: Machine, table: list[list[int]], accepting: list[bool], least: int, empty: Any
    ) -> tuple[set[str], arb]:
        """The labels and the least margin of all sequences of ``least`` letters or more; ``empty``: what the program
        says of none."""
        confirm(not machine.asks_last, "the program asks at every token for the last one")
        labels, margin = set[str](), arb("inf")
        first = self._first()
        if least == 0 and accepting[0]:
            label, margin = self.label_of(*first)
            confirm(margin > 0 and label == spoken(empty), "the empty sequence is not decided, or has another label")
            labels.add(label)
        start = (0, 0, 0, machine.start)  # letters up to the least number, box, place, and what the program remembers
        seen, waiting = {start}, [start]
        while waiting:
            count, box, place, memory = waiting.pop()
            for n, letter in enumerate(self.letters):
                inside = table[place][n]
                if inside < 0:
                    continue
                to, after = self._next[box][n], machine.step(memory, letter, "")
                confirm(to >= 0, "a letter leads nowhere from a box, and may come there")
                label, sure = self._led(box, n)
                now = min(count + 1, max(least, 1))
                if now >= least and accepting[inside]:
                    said = spoken(machine.answer(after, letter))
                    confirm(sure > 0, f"the label after {letter!r} is not decided in a box")
                    confirm(
                        said == label, f"the label after {letter!r} is {label!r} in a box, the program says {said!r}"
                    )
                    labels.add(label)
                    margin = sure if sure < margin else margin
                pair = (now, to, inside, after)
                if pair not in seen:
                    seen.add(pair)
                    waiting.append(pair)
                    confirm(len(seen) <= MOST_PAIRS, "program, automaton and boxes can be too many things together")
        confirm(labels, "no sequence is of that length or longer")
        return labels, margin

    def _first(self) -> tuple[Forms, list[Linear]]:
        """The logits before any letter; the state there lies in the first box."""
        width = len(self.network.start)
        a = Forms(Discs((1,) * width, [ZERO] * width), self.u)
        state = [Linear(x, [ZERO] * width, ZERO) for x in self.network.start]
        for token in self.before:
            state = a.after(self.network, state, token)
        confirm(self._boxes[0].holds(self._boxes[0].reaches(state)), "the first state is not in the first box")
        return a, a.read(self.network, state)

    def _led(self, box: int, letter: int) -> Label:
        """The label of every state of a box after a letter, which leads them into the box that is said."""
        if (box, letter) not in self._known:
            confirm(monotonic() < self.deadline, "boxes were not followed in time")
            a = Forms(self._boxes[box].discs, self.u)
            after = a.after(self.network, self._boxes[box].states(), self.ids[letter])
            target = self._boxes[self._next[box][letter]]
            confirm(target.holds(target.within(a, after)), "a letter leads out of a box, or the boxes are too small")
            self._known[box, letter] = self.label_of(a, a.read(self.network, after))
        return self._known[box, letter]


def spoken(answer: Any) -> Any:
    """What a program says: a whole number as the text that a label is."""
    return str(answer) if type(answer) is int else answer


def _row(value: Any, size: int) -> Row:
    known = type(value) is list and len(value) == size and all(type(v) is float and abs(v) < 2.0**64 for v in value)
    expect(known, "a number of a box is none")
    return [arb(v) for v in value]
