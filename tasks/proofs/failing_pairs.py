"""How many pairs of numbers a network answers otherwise than a program: counted over sets of pairs, never sampled.

A choice of digits in some groups stands for all pairs that have them, and the dynamic program over states counts
these. Where the largest lead that the right digit may have over another one is below zero, every one of them is
answered wrong; where its least lead over all is above zero, none is wrong at that digit. What is neither is chosen one
group more, first where most pairs are expected to be wrong. So at each digit of the answer at least ``wrong`` and at
most ``wrong + open`` pairs are wrong on their right prefix. A pair fails where it is wrong at some digit: at least as
many pairs fail as at any one digit, and no more than at all together.
"""

from __future__ import annotations

import heapq
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cegis.claim import counted
from cegis.operands import Operands, Pair
from tasks.automata.digits import DigitMachine, NumberProgram
from tasks.formats import Loaded
from tasks.proofs.digit_groups import Case, Chosen, Ints, Steps
from tasks.proofs.enumeration import MEANING, ROUNDOFF, LateError, Semantics
from tasks.proofs.group_cover import decide
from tasks.proofs.operand_search import Teacher

PART, LARGE = 16, 2_000  # choices that are grown together; of the first ones bounded together
STEEP = 8  # how much a choice that is nearly decided to be wrong is preferred to one with more pairs
Counts = NDArray[Any]  # whole numbers of any size


@dataclass(frozen=True)
class Wrong:
    """At the digit ``index`` of the answer: pairs that are certainly wrong, and those of which it is not known."""

    index: int
    wrong: int
    open: int
    boxes: int


@dataclass(frozen=True)
class Failures:
    """From ``least`` to ``most`` of all ``pairs`` fail; ``digits``: what is known of each digit of the answer."""

    pairs: int
    digits: tuple[Wrong, ...]
    semantics: Semantics

    @property
    def least(self) -> int:
        """So many fail, or more."""
        return max((digit.wrong for digit in self.digits), default=0)

    @property
    def most(self) -> int:
        """No more fail than so many."""
        return min(self.pairs, sum(digit.wrong + digit.open for digit in self.digits))

    @property
    def words(self) -> str:
        """The number as a sentence; of a bound, what it rests on.

        >>> Failures(100, (Wrong(0, 5, 2, 9), Wrong(1, 0, 0, 9)), "real").words
        'From 5 to 7 of all 100 pairs fail: all others are decided, by bounds in real arithmetic.'
        """
        every, bounds = counted(self.pairs), f"by bounds in {MEANING[self.semantics]}"
        if self.is_exact:
            return f"Exactly {self.least:,} of all {every} pairs fail: every pair is decided, {bounds}."
        where = max(self.digits, key=lambda digit: digit.wrong).index + 1
        if not self.least and self.most == self.pairs:
            return (
                f"How many of all {every} pairs fail is not known: no set of pairs was found that is wrong as a whole."
            )
        if self.most < self.pairs:
            return f"From {self.least:,} to {self.most:,} of all {every} pairs fail: all others are decided, {bounds}."
        return (
            f"At least {self.least:,} of all {every} pairs fail: sets that are all wrong at digit {where} of the "
            f"answer, {bounds}."
        )

    @property
    def is_exact(self) -> bool:
        """Whether their number is known."""
        return self.least == self.most


def count_failing(
    loaded: Loaded, operands: Operands, program: NumberProgram, semantics: Semantics, *, seconds: float,
    known: Sequence[Pair] = (),
) -> Failures:  # fmt: skip
    """How many pairs fail of a network without ``group_cover.obstacle``; about ``seconds`` (wall clock) for all digits.

    Pairs that are ``known`` to fail say where to look first. Raises DomainError where answers do not have such digits.
    """
    steps = Steps(loaded, operands, DigitMachine(program, operands), ROUNDOFF[semantics])
    begun, digits = time.perf_counter(), dict[int, Wrong]()
    margins = Teacher(loaded, operands, program).margins([*known]) if known else np.zeros((0, operands.shown_digits))
    order = np.argsort(-(margins < 0).sum(axis=0), kind="stable")
    for done, index in enumerate(map(int, order)):
        left = seconds - (time.perf_counter() - begun)
        seeds = [pair for pair, margin in zip(known, margins[:, index], strict=True) if margin < 0]
        until = time.perf_counter() + (left / 2 if seeds and done == 0 else left / (len(order) - done))
        digits[index] = (None if seeds else _right_at(steps, index, until)) or wrong_at(steps, index, until, seeds)
    return Failures(operands.size(), tuple(digits[index] for index in sorted(digits)), semantics)


def _right_at(steps: Steps, index: int, deadline: float) -> Wrong | None:
    """That no pair is wrong at a digit of the answer, where boxes that are cut show it; None where they do not."""

    def check_time() -> None:
        if time.perf_counter() > deadline:
            raise LateError

    try:
        found = decide(steps, index, check_time=check_time)
    except LateError:
        return None
    return None if found.open else Wrong(index, 0, 0, found.boxes)


def wrong_at(steps: Steps, index: int, deadline: float = np.inf, known: Sequence[Pair] = ()) -> Wrong:
    """How many pairs are wrong at one digit of the answer, on their right prefix; sought about ``known`` ones first.

    What is not looked at before the ``deadline`` (by ``time.perf_counter``) is open: all pairs, where that has passed.
    """
    if time.perf_counter() > deadline:
        return Wrong(index, 0, steps.operands.size(), 0)
    search = _Search(steps, known)
    for case in steps.cases(index):
        chosen = case.chosen()
        search.left += int(_sizes(case, chosen).sum())
        for start in range(0, len(chosen), LARGE):
            if time.perf_counter() < deadline:
                search.add(case, chosen[slice(start, start + LARGE)])
    while search.waiting and time.perf_counter() < deadline:
        _, _, case, chosen = heapq.heappop(search.waiting)
        free = [group for group in range(steps.groups) if group not in chosen.groups]
        if free:  # else pairs one by one that bounds leave open
            search.add(case, case.grown(chosen, max(free, key=case.leak)))
    return Wrong(index, search.wrong, search.left, search.boxes)


class _Search:
    """What is open at a digit of the answer, the most promising part first, and how much is decided."""

    def __init__(self, steps: Steps, known: Sequence[Pair]) -> None:
        self.waiting: list[tuple[float, int, Case, Chosen]] = []
        self.left, self.wrong, self.boxes, self._numbers = 0, 0, 0, count()
        base, powers = steps.operands.base, range(steps.groups)
        self._known = [[[number // base**power % base for power in powers] for number in pair] for pair in known]

    def add(self, case: Case, chosen: Chosen) -> None:
        """Decide what can be, and keep the rest."""
        sizes = _sizes(case, chosen)
        low, high, off = case.boxes(chosen)
        least, most = case.leads_between(chosen.answer, low - off, high + off)
        self.boxes += len(chosen)
        self.wrong += int(sizes[most < 0].sum())
        self.left -= int(sizes[(most < 0) | (least > 0)].sum())
        open_ = np.flatnonzero(~(least > 0) & ~(most < 0))
        spread = most[open_] - least[open_]
        share = np.clip(np.where(np.isfinite(spread), -least[open_] / np.maximum(spread, 1e-300), 0.5), 0.0, 1.0)
        worth = share**STEEP * sizes[open_].astype(float)
        worth[self._has_known(chosen[open_])] = np.inf
        order = np.argsort(-worth)
        first = int(np.isinf(worth).sum())
        for rows in np.split(order, sorted({first, *range(PART, len(order), PART)})):
            if len(rows):
                worst = float(worth[rows].max())
                heapq.heappush(self.waiting, (-worst, next(self._numbers), case, chosen[open_[rows]]))

    def _has_known(self, chosen: Chosen) -> NDArray[np.bool_]:
        found = np.zeros(len(chosen), bool)
        groups = [*chosen.groups]
        for a, b in self._known:
            found |= (chosen.a == np.array(a)[groups]).all(axis=1) & (chosen.b == np.array(b)[groups]).all(axis=1)
        return found


def _sizes(case: Case, chosen: Chosen) -> Counts:
    """How many pairs have these digits, (cases,)."""
    states, groups = case.states, chosen.groups
    before, after = (np.searchsorted(states, part) for part in (chosen.before, chosen.after))
    starts, ends = [*case.steps.machine.starts], [*case.steps.machine.ends]
    total: Counts = ways(case, 0, groups[0])[starts].sum(axis=0)[before[:, 0]]
    total = total * ways(case, groups[-1] + 1, case.steps.groups)[:, ends].sum(axis=1)[after[:, -1]]
    for at in range(len(groups) - 1):
        total = total * ways(case, groups[at] + 1, groups[at + 1])[after[:, at], before[:, at + 1]]
    return total


def ways(case: Case, low: int, high: int) -> Counts:
    """In how many ways digits of the groups from ``low`` to below ``high`` lead from each state to each."""
    known: dict[tuple[int, int], Counts] = case.known_ways
    if (low, high) not in known:
        size = len(case.states)
        if low == high:
            known[low, high] = np.array([[int(n == m) for m in range(size)] for n in range(size)], object)
        else:
            before, _, _, _, after, _ = case.ways(high - 1)
            one = np.zeros((size, size), object)
            pairs: tuple[Ints, Ints] = (np.searchsorted(case.states, before), np.searchsorted(case.states, after))
            np.add.at(one, pairs, 1)
            known[low, high] = ways(case, low, high - 1).dot(one)
    return known[low, high]
