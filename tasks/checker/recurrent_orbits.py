"""Every sequence of a domain whose sequences go round in one circle in the end, for a recurrent network.

The automaton of the domain must be such that a state which can be reached again has one way on. So its sequences are
those of a few pairs (word, turn): word turn turn turn ..., cut off where the automaton accepts, and some words after
which nothing comes. For each pair the question gives a set of states (``recurrent_forms``), and it is found here that

    before it    each state up to the entry, in as many digits as that takes, has the label that the program gives
    entry        the state after the word and so many turns lies in the set
    then         one turn maps the set into itself, and after each of its tokens every state has one certain label
    the program  which goes round with the turns, gives these labels, until it is where it was

All of it is real arithmetic.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import log
from time import monotonic
from typing import Any

from flint import arb, ctx

from tasks.checker.arithmetic import ZERO, Arithmetic, Row
from tasks.checker.files import confirm, expect
from tasks.checker.programs import Machine, called
from tasks.checker.readouts import Reader
from tasks.checker.recurrent import Recurrent
from tasks.checker.recurrent_forms import Discs, Forms, Frame, Linear

MOST_CIRCLES, MOST_TURN, MOST_ENTRY, MOST_TURNS = 64, 256, 2**14, 4096  # the last: of a program until it repeats
KEPT, BITS_EACH, SPARE, MOST_BITS = (
    96,
    4,
    32,
    2**16,
)  # of precision: at least; for a letter; below the error of a state; at most
ENOUGH = 2.0**-30  # error of a state
SCALE = 2**24  # of axes, which are whole numbers
SET = {"word", "turn", "turns", "bits", "center", "axes", "sizes", "radii"}


@dataclass(frozen=True)
class Caught:
    """A set of the question: it holds the state after ``word`` and so many ``turns`` of ``turn``."""

    word: tuple[int, ...]
    turn: tuple[int, ...]
    turns: int
    bits: int  # of precision, with which the states up to there are followed
    frame: Frame


@dataclass(frozen=True)
class Orbits:
    """One network and program on one domain; letters are numbered as in the alphabet."""

    network: Recurrent
    letters: list[str]
    ids: list[int]  # of the letters, among the network's tokens
    before: list[int]  # of the tokens that stand before every sequence
    table: list[list[int]]
    accepting: list[bool]
    least: int
    program: Callable[..., Any]
    machine: Machine
    reader: Reader
    label_of: Callable[[Forms, list[Linear]], tuple[str, arb]]  # of forms of logits
    deadline: float

    def decided(self, sets: Any) -> tuple[set[str], arb]:
        """The labels and the least margin of all sequences; Rejected where program and network are not the same."""
        confirm(not self.machine.asks_last, "the program asks at every token for the last one")
        known = circles(self.table, self.accepting)
        caught = [self._caught(one) for one in _listed(sets)]
        needed = sum(bool(turn) for _, turn in known)
        expect(len(caught) == needed, f"{needed} sets are needed, {len(caught)} are given")
        labels, margin = set[str](), arb("inf")
        for word, turn in known:
            fits = [one for one in caught if turn and _is_same(word, turn, one)]
            expect(len(fits) == bool(turn), "a set belongs to no sequences of the domain, or to those of another set")
            for label, sure in (
                self._followed(fits[0]) if turn else self._entering(word, KEPT + BITS_EACH * len(word), None)
            ):
                labels.add(label)
                margin = sure if sure < margin else margin
        confirm(labels, "no sequence is of that length or longer")
        return labels, margin

    def _caught(self, given: Any) -> Caught:
        expect(type(given) is dict and given.keys() == SET, "a set has unknown or missing entries")
        word, turn = (tuple(map(self.letters.index, _listed(given[part]))) for part in ("word", "turn"))
        turns, bits, sizes = given["turns"], given["bits"], tuple(_listed(given["sizes"]))
        expect(type(bits) is int and KEPT <= bits <= MOST_BITS, "a precision that does not fit")
        expect(type(turns) is int and 0 <= turns <= MOST_ENTRY and 0 < len(turn) <= MOST_TURN, "turns that do not fit")
        expect(len(word) + turns * len(turn) <= MOST_ENTRY, "an entry that is too late")
        expect(all(type(size) is int and size in (1, 2) for size in sizes), "a direction has one or two axes")
        center, radii = (_numbers(given[part]) for part in ("center", "radii"))
        expect(
            len(center) == len(self.network.start) and all(r > 0 for r in radii), "a center or radii that do not fit"
        )
        axes = [[arb(v) / SCALE for v in _whole(row)] for row in _listed(given["axes"])]
        return Caught(word, turn, turns, bits, Frame.of(center, axes, Discs(sizes, radii)))

    def _followed(self, one: Caught) -> Iterator[tuple[str, arb]]:
        """Label and margin of the sequences of a circle, each as the program says."""
        sequence = (*one.word, *(one.turn * one.turns))
        yield from self._entering(sequence, one.bits, one.frame)
        asked = [*self._set(one)]
        machine, state, last = self.machine, self.machine.start, ""
        place = 0
        for n in sequence:
            place, last = self.table[place][n], self.letters[n]
            state = machine.step(state, last, "")
        seen = set[tuple[Any, ...]]()
        while (place, state) not in seen:
            confirm(len(seen) < MOST_TURNS, "the program never is where it was a turn before")
            seen.add((place, state))
            for n, (label, sure) in zip(one.turn, asked, strict=True):
                place, last = self.table[place][n], self.letters[n]
                state = machine.step(state, last, "")
                if self.accepting[place]:
                    said = machine.answer(state, last)
                    confirm(said == label, f"long sequences have the label {label!r}, the program says {said!r}")
                    confirm(sure > 0, "the label of long sequences is not decided")
                    yield label, sure

    def _entering(self, sequence: tuple[int, ...], bits: int, frame: Frame | None) -> Iterator[tuple[str, arb]]:
        """The same of each beginning of a sequence; in the end the state must be in the set, if there is one."""
        place, words, known = 0, [self.letters[n] for n in sequence], Row()
        for count, (known, row) in enumerate(self._states(sequence, bits)):  # noqa: B007 (the last is used below)
            if count >= self.least and self.accepting[place]:
                label, sure = self.reader(row)
                said = called(self.program, words[:count])
                confirm(sure > 0, f"the label of the sequence of length {count} is not decided")
                confirm(
                    said == label, f"the sequence of length {count} has the label {label!r}, the program says {said!r}"
                )
                yield label, sure
            if count < len(sequence):
                place = self.table[place][sequence[count]]
        if frame is not None:
            point = [Linear(x, [ZERO] * len(known), ZERO) for x in known]
            confirm(frame.holds(frame.reaches(point)), "the state at the entry is not in the set")

    def _states(self, sequence: tuple[int, ...], bits: int) -> Iterator[tuple[Row, Row]]:
        """State and logits before any letter and after each, in ``bits`` of precision, and less as they are lost."""
        a, usual, state = Arithmetic(0.0), ctx.prec, self.network.start
        tokens = [*self.before, *(self.ids[n] for n in sequence)]
        try:
            for count in range(len(tokens) + 1):
                confirm(monotonic() < self.deadline, "states were not followed in time")
                error = max(v.rad() for v in state)
                confirm(error <= ENOUGH, f"the state after {count} tokens is not known well enough")
                if count >= len(self.before):
                    ctx.prec = usual
                    yield state, _only(self.network.read(a, [state]))
                if count < len(tokens):
                    ctx.prec = bits if error == 0 else min(bits, max(KEPT, SPARE - int(float(error.log()) / log(2))))
                    state = _only(self.network.step(a, [state], [tokens[count]]))
        finally:
            ctx.prec = usual

    def _set(self, one: Caught) -> Iterator[tuple[str, arb]]:
        """The one label after each token of a turn, for every state of the set, which the turn maps into itself."""
        a, states = Forms(one.frame.discs), one.frame.states()
        for n in one.turn:
            confirm(monotonic() < self.deadline, "a set was not followed in time")
            states = a.after(self.network, states, self.ids[n])
            yield self.label_of(a, a.read(self.network, states))
        confirm(one.frame.holds(one.frame.reaches(states)), "a turn maps the set out of itself, or radii are too small")


def circles(table: list[list[int]], accepting: list[bool]) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    """The pairs (word, turn) of an automaton, the turn empty where a word cannot go on; Rejected where sequences branch
    without end."""
    live = _reaching(table, {n for n, accepts in enumerate(accepting) if accepts})
    rows = [[to if to in live else -1 for to in row] for row in table]
    again = {state for state in live if state in _after(rows, state)}
    waiting: list[tuple[int, tuple[int, ...]]] = [(0, ())] if 0 in live else []
    found: list[tuple[tuple[int, ...], tuple[int, ...]]] = []
    while waiting:
        state, word = waiting.pop()
        ways = [(n, to) for n, to in enumerate(rows[state]) if to >= 0]
        if state not in again:
            waiting += [(to, (*word, n)) for n, to in ways]
            found += [] if ways else [(word, ())]
        else:
            turn, at = list[int](), state
            while not turn or at != state:
                on = [(n, to) for n, to in enumerate(rows[at]) if to >= 0]
                confirm(len(on) == 1, "sequences branch again and again, so no circle is all of them")
                turn.append(on[0][0])
                at = on[0][1]
            found.append((word, tuple(turn)))
        confirm(len(found) + len(waiting) <= MOST_CIRCLES, "the sequences begin in too many ways")
    confirm(any(turn for _, turn in found), "there is a longest sequence")
    return found


def _after(rows: list[list[int]], state: int) -> set[int]:
    """The states that are reached from one by a letter or more."""
    found, waiting = set[int](), [state]
    while waiting:
        new = {to for to in rows[waiting.pop()] if to >= 0} - found
        found |= new
        waiting += new
    return found


def _reaching(table: list[list[int]], ends: set[int]) -> set[int]:
    found = set(ends)
    while more := {n for n, row in enumerate(table) if n not in found and found & {*row}}:
        found |= more
    return found


def _is_same(word: tuple[int, ...], turn: tuple[int, ...], one: Caught) -> bool:
    """Whether word turn turn ... is what ``one`` says, beginning to go round later or by several turns at once."""
    if len(one.word) < len(word) or len(one.turn) % len(turn):
        return False
    size = len(one.word) + len(one.turn)
    said = (*word, *(turn * (1 + size // len(turn))))[:size]
    return said == (*one.word, *one.turn)


def _only(rows: list[Row]) -> Row:
    (found,) = rows
    return found


def _listed(value: Any) -> list[Any]:
    expect(type(value) is list, "a list is missing in a set")
    return value  # type: ignore[no-any-return]


def _numbers(value: Any) -> Row:
    known = all(type(v) is float and abs(v) < 2.0**64 for v in _listed(value))
    expect(known, "a number of a set is none")
    return [arb(v) for v in value]


def _whole(value: Any) -> list[int]:
    expect(all(type(v) is int and abs(v) <= 2**32 for v in _listed(value)), "an axis of a set is none")
    return value  # type: ignore[no-any-return]
