"""Compare a program of two numbers with the digits that a network gives, on all pairs of numbers at once.

Every digit of the answer is a problem of its own: on every prefix that is right, is the largest logit that of the right
next digit? Where all are decided, greedy decoding gives the right number for every pair, as it goes on from right
prefixes alone (teacher forcing). For each digit, and for each token that the row may have, all choices of digits in a
window of groups are gone through (``digit_groups``); a box of what attention may give, which holds all other groups and
what executions round, goes through the rest of the network as a zonotope. A box that is not decided is cut in two
across the direction that moves the worst difference most, and after ``CUTS`` cuts its window grows by a group.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from cegis.operands import Operands, Pair
from tasks.automata.digits import DigitMachine, NumberProgram
from tasks.bounds import workers
from tasks.bounds.ball import Reals
from tasks.formats import Loaded
from tasks.networks.readout import UNDECIDED, Argmax
from tasks.networks.transformer import Attention, Transformer, walk
from tasks.proofs import attention_bounds
from tasks.proofs.digit_groups import Case, Chosen, Ints, Steps
from tasks.proofs.enumeration import ROUNDOFF, LateError, Semantics, answers_of

CUTS, MOST_CUTS, BLOCK = 5, 12, 20_000  # of a box before its window may grow, and at all; boxes bounded together
LEAKING = 0.02  # of a box: where other groups make up so much of it, its window grows
NEAR = 2.0**-8  # of a box, about its middle
MOST_BOXES = 3_000_000  # of one digit of the answer


@dataclass(frozen=True)
class Open:
    """A choice of digits that was not decided: ``a`` and ``b`` in some ``groups``, the ``state`` before the first."""

    index: int
    groups: tuple[int, ...]
    a: tuple[int, ...]
    b: tuple[int, ...]
    state: int
    margin: float


@dataclass(frozen=True)
class Decided:
    """One digit of the answer: the least margin of all that was decided, boxes that were bounded, and what is open."""

    index: int
    margin: float
    boxes: int
    cases: int
    open: tuple[Open, ...] = ()


def obstacle(loaded: Loaded, operands: Operands, semantics: Semantics) -> str | None:
    """Why this method says nothing of a network, None where it does."""
    if not isinstance(loaded.network, Transformer):
        return "nothing is known of a black box but its answers"
    if not isinstance(loaded.readout, Argmax) or loaded.readout.position != "last":
        return "the next digit is not the largest logit at the last position"
    missing = [token for token in operands.alphabet if token not in loaded.readout.names]
    if missing:
        return f"no output is called {missing[0]!r}"
    longest = len(operands.cells) + operands.shown_digits - 1
    if longest > loaded.network.longest:
        return f"the network has no room for the {longest} tokens of a prompt and its answer"
    if any(step.sink is not None for step in attending(loaded)):
        return "attention has sinks"
    reason = attention_bounds.obstacle(loaded, ROUNDOFF[semantics])
    return reason if reason is not None or attending(loaded) else "no layer attends"


def attending(loaded: Loaded) -> list[Attention]:
    """The steps that attend."""
    assert isinstance(loaded.network, Transformer)
    return [step for step in walk(loaded.network.steps) if isinstance(step, Attention)]


@dataclass(frozen=True)
class Cover:
    """What was decided of each digit of the answer, in the order of the answer; ``is_late``: the time ended it."""

    decided: tuple[Decided, ...]
    digits: int
    is_late: bool

    @property
    def is_whole(self) -> bool:
        """Whether every digit is right on all right prefixes of all pairs."""
        return len(self.decided) == self.digits and not any(one.open for one in self.decided) and self.margin > 0

    @property
    def margin(self) -> float:
        """The least margin of what was decided, after rounding."""
        return min((one.margin for one in self.decided), default=0.0)

    @property
    def boxes(self) -> int:
        """How many boxes were bounded."""
        return sum(one.boxes for one in self.decided)

    @property
    def open(self) -> tuple[Open, ...]:
        """What was left open."""
        return tuple(case for one in self.decided for case in one.open)


def cover(
    loaded: Loaded, operands: Operands, program: NumberProgram, semantics: Semantics, *, seconds: float | None = None,
    on_digit: Callable[[int, int], None] = lambda done, total: None,
) -> Cover:  # fmt: skip
    """Compare ``program`` with a network without ``obstacle`` on all pairs, until a digit stays open.

    Each digit is a job of its own for the ``workers`` in use. Raises DomainError where answers do not have such digits.
    """
    deadline = None if seconds is None else time.time() + seconds
    DigitMachine(program, operands)
    indices, found = range(operands.shown_digits), list[Decided]()
    job = _Job(loaded, operands, program, semantics, deadline)
    try:
        for decided in workers.each(_Job.decided, job, ((index,) for index in indices), job.check_time):
            found.append(decided)
            on_digit(len(found), len(indices))
            if decided.open:
                break
    except LateError:
        return Cover(tuple(found), len(indices), True)
    return Cover(tuple(found), len(indices), False)


@dataclass
class _Job:
    loaded: Loaded
    operands: Operands
    program: NumberProgram
    semantics: Semantics
    deadline: float | None
    steps: Steps | None = None

    def decided(self, index: int) -> Decided:
        """One digit of the answer; raises LateError."""
        if self.steps is None:
            machine = DigitMachine(self.program, self.operands)
            self.steps = Steps(self.loaded, self.operands, machine, ROUNDOFF[self.semantics])
        return decide(self.steps, index, check_time=self.check_time)

    def check_time(self) -> None:
        """Raise LateError behind the deadline, which is of ``time.time``: that of all machines."""
        if self.deadline is not None and time.time() > self.deadline:
            raise LateError


def confirmed(
    loaded: Loaded, operands: Operands, program: NumberProgram, pair: Pair, semantics: Semantics
) -> tuple[int, str] | None:
    """The first digit of a pair's answer at which the network has another, by bounds on that prompt alone, and which.

    None where every digit is right, or one before is not decided.
    """
    return first_wrong(loaded, operands.prompt(*pair), operands.answer(program(*pair)), semantics)


def first_wrong(
    loaded: Loaded, prompt: tuple[str, ...], answer: tuple[str, ...], semantics: Semantics
) -> tuple[int, str] | None:
    """The first token of an answer at which the network has another, by bounds on that prompt alone, and which.

    None where every token is right, or one before is not decided.
    """
    alone = replace(
        loaded, prefix=(), suffix=(), domain=replace(loaded.domain, alphabet=loaded.vocabulary, constraint=None)
    )
    number = {token: n for n, token in enumerate(loaded.vocabulary)}
    for index, right in enumerate(answer):
        ids = [number[token] for token in (*prompt, *answer[:index])]
        (label,), _ = answers_of(alone, np.array([ids], np.int64), semantics)
        if label == UNDECIDED:
            return None
        given = loaded.readout.text(int(label))
        if given != right:
            return index, given
    return None


@dataclass
class _Progress:
    case: Case
    check_time: Callable[[], None]
    margin: float = np.inf
    boxes: int = 0
    cases: int = 0
    open: list[Open] = field(default_factory=list)


def decide(
    steps: Steps, index: int, *, most_open: int = 1, most_boxes: int = MOST_BOXES,
    check_time: Callable[[], None] = lambda: None,
) -> Decided:  # fmt: skip
    """Whether the digit ``index`` of the answer is right on every right prefix; it ends with ``most_open`` open."""
    margin, boxes, cases, found = np.inf, 0, 0, list[Open]()
    for case in steps.cases(index):
        run = _Progress(case, check_time)
        start = case.chosen()
        waiting = [start[start.different]]
        while waiting and len(found) + len(run.open) < most_open:
            chosen = waiting.pop()
            run.cases += len(chosen)
            left, stuck = _cut(run, chosen)
            run.open += _opened(case, stuck)
            if len(left):
                longer = _grown(case, left)
                if longer is None or boxes + run.boxes > most_boxes:
                    run.open += _opened(case, left)
                else:
                    waiting.append(longer[longer.different])
        margin, boxes, cases = min(margin, run.margin), boxes + run.boxes, cases + run.cases
        found += run.open
        if len(found) >= most_open:
            break
    return Decided(index, margin, boxes, cases, tuple(found))


def _cut(run: _Progress, chosen: Chosen) -> tuple[Chosen, Chosen]:
    """Those of ``chosen`` whose boxes are not decided, though they were cut: where others leak, and all others."""
    failed, stuck = np.zeros(len(chosen), bool), np.zeros(len(chosen), bool)
    for start in range(0, len(chosen), BLOCK):
        rows = np.arange(start, min(start + BLOCK, len(chosen)))
        low, high, off = run.case.boxes(chosen[rows])
        leaks = (high - low).reshape(len(rows), -1)
        low, high = low - off, high + off
        part, slope = leaks / np.maximum((high - low).reshape(len(rows), -1), 1e-300), np.ones_like(leaks)
        for cut in range(MOST_CUTS + 1):
            run.check_time()
            sure, _, _ = run.case.margins(chosen.answer[rows], low, high)
            run.boxes += len(rows)
            done = sure > 0
            if done.any():
                run.margin = min(run.margin, float(sure[done].min()))
            rows, low, high = rows[~done], low[~done], high[~done]
            if not len(rows):
                break
            if cut == 0:
                slope[rows - start] = _slopes(run.case, chosen.answer[rows], low, high)
            pull = slope[rows - start] * np.nan_to_num((high - low).reshape(len(rows), -1), posinf=1.0)
            if cut >= CUTS:
                weight = pull / np.maximum(pull.sum(axis=1, keepdims=True), 1e-300)
                grows = ~((weight * part[rows - start]).sum(axis=1) <= LEAKING)
                failed[rows[grows]] = True
                stays = ~failed[rows]
                rows, low, high, pull = rows[stays], low[stays], high[stays], pull[stays]
            if cut == MOST_CUTS or not len(rows):
                break
            rows, low, high = _halves(rows, low, high, pull)
        stuck[rows] = True
    return chosen[failed], chosen[stuck & ~failed]


def _slopes(case: Case, answer: Ints, low: Reals, high: Reals) -> Reals:
    """How steeply the worst difference of logits falls in each direction, about the middle of each box."""
    middle, half = (low + high) / 2, (high - low) / 2 * NEAR
    lost = ~np.isfinite(middle + half)
    middle, half = np.where(lost, 0.0, middle), np.where(lost, 1.0, half)
    _, _, pull = case.margins(answer, middle - half, middle + half)
    slope = pull / np.maximum(2 * half.reshape(len(answer), -1), 1e-300)
    known = np.where(np.isfinite(slope), slope, 0.0)
    return np.asarray(known + 0.02 * known.max(axis=1, keepdims=True) + 1e-12)


def _halves(rows: Ints, low: Reals, high: Reals, pull: Reals) -> tuple[Ints, Reals, Reals]:
    """Every box in two, cut across the direction of the largest ``pull``."""
    count, each = np.arange(len(rows)), pull.argmax(axis=1)
    one, other = low.reshape(len(rows), -1).copy(), high.reshape(len(rows), -1).copy()
    middle = (one[count, each] + other[count, each]) / 2
    middle = np.where(np.isfinite(middle), middle, 0.0)
    second, first = one.copy(), other.copy()
    first[count, each], second[count, each] = middle, middle
    shape = (2 * len(rows), *low.shape[1:])
    return (
        np.concatenate([rows, rows]),
        np.concatenate([one, second]).reshape(shape),
        np.concatenate([first, other]).reshape(shape),
    )


def _grown(case: Case, chosen: Chosen) -> Chosen | None:
    """The cases with one more group chosen, that which may matter most; None where all are."""
    left = [group for group in range(case.steps.groups) if group not in chosen.groups]
    return case.grown(chosen, max(left, key=case.leak)) if left else None


def _opened(case: Case, chosen: Chosen) -> list[Open]:
    if not len(chosen):
        return []
    low, high, _ = case.boxes(chosen)
    middle = (low + high) / 2
    sure, _, _ = case.margins(chosen.answer, middle, middle)
    return [
        Open(case.index, chosen.groups, tuple(map(int, chosen.a[n])), tuple(map(int, chosen.b[n])),
             int(chosen.before[n, 0]), float(sure[n]))
        for n in np.argsort(sure)[:64]
    ]  # fmt: skip
