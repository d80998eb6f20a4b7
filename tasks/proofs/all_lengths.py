"""Prove "program = circuit" for sequences of every length, where that is true: the rung ``ALL_LENGTHS``.

Lengths up to N are compared class by class (``counting``). A longer sequence has some token at least
``cap = N // k + 1`` times (k letters), so counts are followed only up to ``cap``, which then means "cap or more":
finitely many classes, each a box of counts of which at least one has no upper end. On each box one label of the network
is certain, because far out attention tends to a mean of the values of the tokens that grow (``count_bounds``), and so
is the program's (``program_intervals``). Boxes where one is not certain are cut; those that only hold sequences of up
to N tokens are done.

An averaging circuit often fails here, and then nothing is said: its margins vanish as sequences grow, unless its
answer settles. The claim is about real arithmetic alone: no bound on rounding holds for every length.

Recurrent networks have methods of their own (``recurrent_lengths``).
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from cegis import Claim, Domain, DomainError, Program, Rung
from cegis.claim import least_margin
from dsl.meaning import Ints
from tasks.automata.parikh import Classes, unique
from tasks.automata.program_intervals import Boxes, Ranged, is_finite
from tasks.automata.program_states import Folded
from tasks.bounds import ball
from tasks.bounds.ball import Reals
from tasks.formats import Loaded, model_of
from tasks.networks.circuit import Circuit
from tasks.networks.conditions import conditions
from tasks.networks.readout import Labels
from tasks.networks.transformer import Transformer
from tasks.proofs import recurrent_lengths
from tasks.proofs.count_bounds import Tally
from tasks.proofs.counting import counting_verifier
from tasks.proofs.verifier import NOTHING, places

MOST_BOXES = 50_000  # where the answer settles, hundreds do
MOST_CLASSES = 1_000_000
TOGETHER = 4_000  # boxes that are bounded at once
FARTHEST = 2.0**50  # lower ends of boxes: below it every count, sum and half is a whole number that float64 holds


class Capped(Classes):
    """Classes of sequences of any length, where a count of ``cap`` means "cap or more"; see ``Classes``."""

    def __init__(self, domain: Domain, folded: Folded, last: int | None, cap: int) -> None:
        super().__init__(Domain(domain.alphabet, 0, cap, domain.constraint), folded, last)

    def ends(self, check_time: Callable[[], None] = lambda: None) -> dict[int, Ints]:
        """The accepted classes of all sequences but the empty one, by last token; ``check_time`` may raise."""
        reached = fresh = np.zeros(1, np.int64)
        ends: dict[int, Ints] = {token: fresh[:0] for token in range(self.letters)}
        position = 0
        while len(fresh):
            check_time()
            moved = [unique(self.step(fresh, token, position)) for token in range(self.letters)]
            ends = {token: unique(np.concatenate([ends[token], codes])) for token, codes in enumerate(moved)}
            fresh = np.setdiff1d(np.concatenate(moved), reached)
            reached = np.union1d(reached, fresh)
            if len(reached) > MOST_CLASSES:
                raise DomainError(f"more than {MOST_CLASSES:,} classes of long sequences")
            position = 1  # all that a finite fold asks is whether it is 0
        asked = range(self.letters) if self.last is None else (self.last,)
        return {token: self._accepted(ends[token]) for token in asked}

    def boxes(self, codes: Ints) -> Boxes:
        """The counts of each class, all sequences of it among them."""
        low = self.counts(codes).astype(np.float64)
        return Boxes(low, np.where(low == self.longest, np.inf, low))

    def _counted(self, vectors: Ints, token: int) -> Ints:
        digit = vectors // self.base**token % self.base
        return vectors + np.where(digit < self.longest, self.base**token, 0)


def all_lengths(
    network: Circuit | Loaded, program: Program, *, longest: int = 64, seconds: float | None = None
) -> Claim | str:
    """The claim that program and circuit are equal on every sequence of the circuit's constraint, or why it is open.

    Lengths up to ``longest`` are compared one by one, longer ones all at once; ``seconds`` (wall clock) limits both
    together. A reason is no refutation: ``horizon`` looks for those.
    """
    start = time.perf_counter()
    model = model_of(network)
    if recurrent_lengths.applies(model):
        return recurrent_lengths.recurrent_lengths(model, program, seconds=seconds)
    if not isinstance(model.network, Transformer) or model.network.has_end:
        return f"the network takes prompts of up to {model.network.longest} tokens alone"
    shortest, constraint = model.domain.min_length, model.domain.constraint
    domain = Domain(model.domain.alphabet, shortest, longest, constraint)
    verifier = counting_verifier(model, domain, semantics="float64", seconds=seconds)
    if isinstance(verifier, str):
        return verifier
    found = verifier.examine(program)
    if found.equal_up_to < longest:
        why = "not equal" if found.counterexample is not None else f"not compared ({found.stopped})"
        return f"{why} beyond length {found.equal_up_to} of the {longest} that are compared one by one"
    tail = _Tail(verifier.model, program, domain, None if seconds is None else start + seconds)
    try:
        tail.prove()
    except (_OpenError, DomainError) as error:
        return str(error)
    return Claim(
        Rung.ALL_LENGTHS,
        model.reference,
        "real arithmetic",
        Domain(domain.alphabet, shortest, None, constraint),
        f"{verifier.method}; {found.classes:,} classes up to length {longest}, and for all longer sequences "
        f"{tail.boxes:,} boxes of counts without an upper end, {least_margin(tail.margin)} there",
        domain.size(),
        time.perf_counter() - start,
        "The formula of the network is meant at every length, in ideal arithmetic: executions round, and no bound on "
        "rounding holds for all lengths.",
        conditions(model, Domain(domain.alphabet, shortest, None, constraint)),
    )


class _OpenError(Exception):
    """Some long sequences could not be decided."""


class _Tail:
    """The sequences longer than all of ``domain``, for one circuit and one program."""

    def __init__(self, model: Loaded, program: Program, domain: Domain, deadline: float | None) -> None:
        self._tally, self._folded, self._model = Tally(model, ball.FLOAT64), Folded(program), model
        self._names = program.grammar.sequences.labels
        self._ranged, self._domain, self._deadline = Ranged(self._folded), domain, deadline
        self.boxes, self.margin = 0, np.inf

    def prove(self) -> None:
        """Decide every box; raises _OpenError at the first that cannot be."""
        for term, fold in self._folded.folds:
            if not is_finite(fold):
                raise _OpenError(f"{term.operator.name!r} has ever more values as sequences grow")
        lasts = range(len(self._domain.alphabet)) if self._folded.asks_last else [None]
        cap = self._domain.lengths[-1] // len(self._domain.alphabet) + 1
        for last in lasts:
            classes = Capped(self._domain, self._folded, last, cap)
            for token, codes in classes.ends(self._check_time).items():
                self._decide(classes, codes, token)

    def _decide(self, classes: Capped, codes: Ints, token: int) -> None:
        """Cut the boxes of these classes until network and program have one and the same answer on each."""
        boxes = classes.boxes(codes)
        while True:
            long = boxes.high.sum(axis=1) > self._domain.lengths[-1]
            codes, boxes = codes[long], Boxes(boxes.low[long], boxes.high[long])
            if not len(codes):
                return
            self._check_limits(len(codes))
            labels, margins = self._ideal(boxes, token)
            labels = places(self._model.readout, self._names, labels)
            least, greatest = self._ranged.answers(boxes, token, classes.states(codes)[1:])
            differs = (labels != NOTHING) & ((greatest < labels) | (least > labels))
            equal = (labels != NOTHING) & (least == greatest) & ~differs
            stuck = ~equal & (boxes.low == boxes.high).all(axis=1)
            far = ~equal & (boxes.low > FARTHEST).any(axis=1)
            if (differs | stuck | far).any():
                raise _OpenError(self._open(boxes, int(np.flatnonzero(differs | stuck | far)[0]), token))
            self.margin = min(self.margin, float(margins[equal].min(initial=np.inf)))
            codes = np.concatenate([codes[~equal]] * 2)
            boxes = _halves(Boxes(boxes.low[~equal], boxes.high[~equal]))

    def _ideal(self, boxes: Boxes, token: int) -> tuple[Labels, Reals]:
        """Labels and margins of all boxes, some at a time."""
        found = list[tuple[Labels, Reals]]()
        for start in range(0, len(boxes.low), TOGETHER):
            self._check_time()
            some = slice(start, start + TOGETHER)
            found.append(self._tally.ideal(boxes.low[some], boxes.high[some], token))
        labels, margins = zip(*found, strict=True)
        return np.concatenate(labels), np.concatenate(margins)

    def _check_limits(self, more: int) -> None:
        self.boxes += more
        if self.boxes > MOST_BOXES:
            raise _OpenError(f"long sequences are not decided after {MOST_BOXES:,} boxes of counts")
        self._check_time()

    def _check_time(self) -> None:
        if self._deadline is not None and time.perf_counter() > self._deadline:
            raise _OpenError(f"long sequences are not decided within the time limit, after {self.boxes:,} boxes")

    def _open(self, boxes: Boxes, row: int, token: int) -> str:
        counts = ", ".join(
            f"{low:g}{'' if low == high else ' or more' if np.isinf(high) else f' to {high:g}'} times {text!r}"
            for text, low, high in zip(self._domain.alphabet, boxes.low[row], boxes.high[row], strict=True)
        )
        return f"long sequences are not decided: {counts}, {self._domain.alphabet[token]!r} last"


def _halves(boxes: Boxes) -> Boxes:
    """Every box cut in two along its relatively longest side, that of the lowest start among endless ones.

    Lower ends are at most FARTHEST, so that the halves hold every whole number of the box.
    """
    low, high = boxes.low, boxes.high
    sides = np.where(low < high, np.where(np.isinf(high), 1e18 / (low + 1), (high + 1) / (low + 1)), -1.0)
    here = np.arange(len(low)), sides.argmax(axis=1)
    middle = np.where(np.isinf(high[here]), 2 * low[here] + 1, low[here] + np.floor((high[here] - low[here]) / 2))
    below, above = high.copy(), low.copy()
    below[here], above[here] = middle, middle + 1
    return Boxes(np.concatenate([low, above]), np.concatenate([below, high]))
