"""Every sequence of every length at once: boxes of states, one for each state of the program, that no token leaves.

For a program with finitely many states (``endless``) a recurrent network is right at every length if there are boxes
B_q of its states, one per state q of program and constraint, such that

    the first state lies in B_0;  every token a takes B_q into B_q',  q' = q after a;
    and after that token every state of the image has the label that the program gives in q'

The least such boxes are the limit of Kleene's iteration (Cousot and Cousot 1977): begin with the first state, join what
tokens make of the boxes, and again. Each round is widened a little, or the limit would only be approached. Where a
label is lost the boxes are told apart by the last tokens as well, up to a number of boxes. Images are zonotopes, and
hold every execution in the arithmetic of the claim, so rounding is part of the theorem.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cegis import Claim, Domain, DomainError, Program, Rung
from cegis.claim import counted, least_margin
from cegis.domain import DEAD
from tasks.automata.endless import NONE, Automaton, automaton, minimal, with_history
from tasks.automata.program_states import UncountableError
from tasks.bounds import ball, frames, zonotope
from tasks.bounds.ball import Ball, Reals
from tasks.bounds.zonotope import Form
from tasks.formats import Loaded
from tasks.networks.conditions import conditions
from tasks.networks.readout import UNDECIDED, Labels
from tasks.networks.recurrent import Recurrent
from tasks.networks.sparse_transformer import NetworkError
from tasks.proofs.enumeration import MEANING, ROUNDOFF, Semantics, usual_semantics
from tasks.proofs.form_labels import form_labels
from tasks.proofs.still_open import StillOpenError
from tasks.proofs.verifier import OTHER, places

WEAKER: dict[Semantics, tuple[Semantics, ...]] = {
    "float32": ("float32", "float64", "real"), "float64": ("float64", "real"), "real": ("real",),
}  # fmt: skip
MOST_BOXES, MOST_ROUNDS, LONGEST_HISTORY = 4_096, 2_000, 4
VALUES = 4_000_000  # numbers in the shapes of images that are made together
WIDER, MORE = 1.0 + 2.0**-8, 2.0**-30  # of boxes, a round
LARGEST = 2.0**40  # of a box

Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Closed:
    """Boxes (states of ``states``, width) that no token leaves, found in ``rounds``, with ``history`` tokens told."""

    states: Automaton
    boxes: Ball
    history: int
    rounds: int
    margin: float
    semantics: Semantics


def closed_claim(
    model: Loaded, program: Program, *, semantics: Semantics | None = None, seconds: float | None = None
) -> Claim | str:
    """The claim that program and network are equal on every sequence of the domain, or why it is open."""
    start = time.perf_counter()
    if model.readout.position == "every":
        return "boxes are for labels at the last token"
    try:
        whole = automaton(model.domain, program)
        found = closed(
            model, whole, program.grammar.sequences.labels, semantics, None if seconds is None else start + seconds
        )
    except (StillOpenError, UncountableError, DomainError, NetworkError) as error:
        return str(error)
    return claim_of(model, found, time.perf_counter() - start)


def claim_of(model: Loaded, found: Closed, seconds: float) -> Claim:
    """What these boxes show."""
    domain = Domain(model.domain.alphabet, model.domain.min_length, None, model.domain.constraint)
    told = f", told apart by up to {found.history} last tokens" if found.history else ""
    return Claim(
        Rung.ALL_LENGTHS,
        model.reference,
        MEANING[found.semantics],
        domain,
        f"{counted(len(found.states.rows))} boxes of states, one for each state of the program{told}, that no token "
        f"leaves, found in {found.rounds:,} rounds, {least_margin(found.margin)}",
        0,
        seconds,
        "" if found.semantics == "real" else ball.KERNEL_ASSUMPTION,
        conditions(model, domain),
    )


def closed(
    model: Loaded,
    whole: Automaton,
    names: tuple[str | int, ...],
    semantics: Semantics | None = None,
    deadline: float | None = None,
) -> Closed:
    """Boxes that show ``whole`` to be right; raises StillOpenError. ``names``: of the labels of ``whole``."""
    network = model.network
    if not isinstance(network, Recurrent):
        raise StillOpenError("the network is not recurrent")
    if model.suffix:
        raise StillOpenError("labels are read before the suffix is")
    reasons = list[str]()
    for history in range(LONGEST_HISTORY + 1):
        try:
            states = with_history(minimal(whole), history)
        except DomainError:
            break
        if len(states.rows) > MOST_BOXES:
            break
        for kind in WEAKER[semantics or usual_semantics(model)]:
            try:
                with np.errstate(all="ignore"):  # what is not finite is in no box
                    return _Kleene(model, network, states, names, kind, deadline).found(history)
            except StillOpenError as error:
                reasons.append(str(error))
        if reasons[-1].endswith(LATE):
            break
    raise StillOpenError(f"no boxes of states are left by no token: {reasons[-1]}")


LATE = "within the time limit"


class _Kleene:
    """The iteration for one automaton, in one arithmetic."""

    def __init__(
        self,
        model: Loaded,
        network: Recurrent,
        states: Automaton,
        names: tuple[str | int, ...],
        semantics: Semantics,
        deadline: float | None,
    ) -> None:
        self._model, self._network, self._states, self._names = model, network, states, names
        self.semantics, self._deadline = semantics, deadline
        u = ROUNDOFF[semantics]
        self._step, self._read = image(network, u), frames.rows(network.output, u)
        self._ids = np.array([model.vocabulary.index(token) for token in model.domain.alphabet])
        pairs = [(q, a, to) for q, row in enumerate(states.rows) for a, to in enumerate(row) if to != DEAD]
        self._from, self._token, self._to = np.array(pairs, np.int64).reshape(-1, 3).T
        self._labels = np.array(states.labels)

    def found(self, history: int) -> Closed:
        """The boxes; raises StillOpenError where a label is lost, or they grow without end."""
        first = self._first()
        boxes = Ball(
            np.tile(first.center, (len(self._states.rows), 1)),
            np.full((len(self._states.rows), self._network.width), -1.0),
        )
        boxes.radius[0] = first.radius
        margin = self._first_margin(first)
        for rounds in range(1, MOST_ROUNDS + 1):
            self._check_time()
            low, high, least, is_inside = self._round(boxes)
            if is_inside and not (boxes.radius[self._to] < 0).any():
                return Closed(self._states, boxes, history, rounds, min(margin, least), self.semantics)
            boxes = _joined(boxes, low, high)
            if not (np.abs(boxes.center) + boxes.radius < LARGEST).all():
                raise StillOpenError("they grow without end")
        raise StillOpenError(f"they still grow after {MOST_ROUNDS:,} rounds")

    def _first(self) -> Ball:
        """The state before the first token of a sequence."""
        form = Form.of(Ball.exact(self._network.initial(1)))
        for token in self._model.prefix:
            form = self._step(form, np.array([self._model.vocabulary.index(token)]))
        return form.ball

    def _first_margin(self, first: Ball) -> float:
        """The margin of the empty sequence, if its label is asked."""
        if self._labels[0] == NONE:
            return np.inf
        return self._least(self._read(Form.of(first)), self._labels[:1])

    def _round(self, boxes: Ball) -> tuple[Reals, Reals, float, bool]:
        """Per state the least and the greatest of what tokens make of the boxes, the least margin, and whether all
        of it is inside."""
        width = self._network.width
        low = np.full((len(self._states.rows), width), np.inf)
        high = np.full_like(low, -np.inf)
        margin, is_inside = np.inf, True
        alive = np.flatnonzero(boxes.radius[self._from, 0] >= 0)
        size = max(1, VALUES // (8 * width * width))
        for part in np.split(alive, range(size, len(alive), size)):
            after = self._step(Form.of(boxes[self._from[part]]), self._ids[self._token[part]])
            asked = self._labels[self._to[part]]
            margin = min(margin, self._least(self._read(after), asked))
            found, to = after.ball, self._to[part]
            np.minimum.at(low, to, _below(found.center - found.radius))
            np.maximum.at(high, to, -_below(-found.center - found.radius))
            apart = np.abs(found.center - boxes.center[to]) + found.radius
            is_inside &= bool((apart * (1.0 + 2.0**-48) <= boxes.radius[to]).all())
        return low, high, margin, is_inside

    def _least(self, logits: Form, asked: Labels) -> float:
        """The least margin of the rows that have a label; StillOpenError where one is another, or not certain."""
        labels, margins = form_labels(self._model.readout, logits)
        known = asked != NONE
        found = places(self._model.readout, self._names, labels)
        wrong = known & ((labels == UNDECIDED) | (found != asked) | (found == OTHER))
        if wrong.any():
            raise StillOpenError("the label of a box is not that of the program")
        return float(margins[known].min(initial=np.inf))

    def _check_time(self) -> None:
        if self._deadline is not None and time.perf_counter() > self._deadline:
            raise StillOpenError(f"none were found {LATE}")


def image(network: Recurrent, u: float) -> Callable[[Form, Ints], Form]:
    """What tokens make of forms of as many rows."""
    after = frames.rows(network.transition, u)

    def stepped(states: Form, ids: Ints) -> Form:
        read = Ball.exact(network.tokens[ids])
        none = np.zeros((*read.center.shape, states.shape.shape[2]))
        return after(zonotope.concat([states, Form(read.center, none, read.radius)]))

    return stepped


def _joined(boxes: Ball, low: Reals, high: Reals) -> Ball:
    """The boxes with what was found, a little wider; those that nothing reaches stay as they are."""
    is_reached, is_begun = low[:, :1] <= high[:, :1], boxes.radius[:, :1] >= 0
    bottom = np.where(is_begun, boxes.center - boxes.radius, low)
    top = np.where(is_begun, boxes.center + boxes.radius, high)
    least, most = (
        np.minimum(bottom, np.where(is_reached, low, bottom)),
        np.maximum(top, np.where(is_reached, high, top)),
    )
    center = 0.5 * (least + most)
    radius = np.maximum(most - center, center - least) * WIDER + MORE
    is_new = is_reached & ((least < bottom) | (most > top) | ~is_begun)
    return Ball(np.where(is_new, center, boxes.center), np.where(is_new, radius, boxes.radius))


def _below(x: Reals) -> Reals:
    return x - 2.0**-48 * np.abs(x)
