"""Sequences of every length that go round in one circle in the end, such as 1^n: a recurrent network on them.

Where the domain is a union of u v^n (n = 0, 1, ...), cut off anywhere, and of single words, its long sequences follow
one orbit of states for every u. An orbit that settles is caught:

    entry     states up to a step N are bounded one by one, in arithmetic of as many digits as that takes (exact_states)
    set       c + V y, |y_k| <= r_k, about the state c to which the orbit tends, V the eigenvectors of the Jacobian of
              v at c; it holds the state at N, and v maps it into itself (``frames``)
    labels    one certain label after each token of v, for all states of the set; the program goes round with it

So every longer sequence has the label that the program gives. The radii come from a linear system: with the image
along direction k bounded by (L r)_k + b_k(r), b the curvature, and y the reach of the state at N,

    r = y + (I - L)^-1 max(0, b + L y - y)      then L r + b <= r, for b taken at these r

which is repeated until b stands still. This is a theorem about part of the input space, and its domain says so. It is
about real arithmetic: along the entry nothing bounds what executions round.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from cegis import Claim, Domain, DomainError, Program, Rung
from cegis.claim import least_margin
from cegis.domain import DEAD
from tasks.automata.endless import NONE, Automaton, automaton
from tasks.automata.program_states import UncountableError
from tasks.bounds import ball, exact_states, frames
from tasks.bounds.ball import REAL, Reals
from tasks.bounds.exact_states import Known
from tasks.bounds.frames import Frame, FrameError
from tasks.bounds.zonotope import Form
from tasks.formats import Loaded
from tasks.networks.conditions import conditions
from tasks.networks.readout import UNDECIDED, Argmax, Readout, Rounded
from tasks.networks.recurrent import Recurrent
from tasks.networks.sparse_transformer import NetworkError
from tasks.proofs.form_labels import form_labels
from tasks.proofs.still_open import StillOpenError
from tasks.proofs.verifier import OTHER, places

MOST_CIRCLES, MOST_TURN, MOST_ENTRY = 64, 64, 4_096  # words u; tokens of v; tokens before the set holds the state
GRID = 2.0**24  # of axes
MOST_TOKENS = 60_000  # until the orbit has settled
SETTLED = 2.0**-44  # two states, a turn apart, of an orbit that has
ROUNDS = 40  # of radii
ROOM, LEAST = 1.0 + 2.0**-10, 2.0**-24  # of radii: below, roundings of float64 would matter


@dataclass(frozen=True)
class Circle:
    """Sequences ``word`` ``turn``^n: ids, and the program's label after every token (NONE where none is asked).

    An empty ``turn``: nothing comes after the word.
    """

    word: tuple[int, ...]
    turn: tuple[int, ...]
    labels: tuple[int, ...]  # of the states along word, the first before any token
    turn_labels: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Caught:
    """A set that holds the state after ``entry`` tokens of word turn turn ...; ``frame`` and ``radii`` of it."""

    circle: Circle
    entry: int
    frame: Frame
    radii: Reals
    bits: int  # of precision, with which the states before were followed


@dataclass(frozen=True, eq=False)
class Orbits:
    """All circles of a domain caught, and the least margin: the evidence for a claim."""

    caught: tuple[Caught, ...]
    margin: float
    checked: int  # sequences before the sets


def orbits_claim(model: Loaded, program: Program, *, seconds: float | None = None) -> Claim | str:
    """The claim that program and network are equal on every sequence of the domain, or why it is open."""
    start = time.perf_counter()
    try:
        found = caught(model, program, None if seconds is None else start + seconds)
    except (StillOpenError, UncountableError, DomainError, NetworkError, FrameError) as error:
        return str(error)
    domain = Domain(model.domain.alphabet, model.domain.min_length, None, model.domain.constraint)
    entry, count = max(part.entry for part in found.caught), len(found.caught)
    sets = "one set" if count == 1 else f"{count} sets"
    return Claim(
        Rung.ALL_LENGTHS,
        model.reference,
        "real arithmetic",
        domain,
        f"orbits caught by sets that the network maps into themselves: {found.checked:,} sequences with up to "
        f"{entry:,} tokens followed one by one, {sets} for all longer ones, {least_margin(found.margin)}",
        found.checked,
        time.perf_counter() - start,
        "The formula of the network is meant at every length, in ideal arithmetic on the stored weights.",
        conditions(model, domain),
    )


def caught(model: Loaded, program: Program, deadline: float | None = None) -> Orbits:
    """The orbits of every sequence of the domain; raises what ``orbits_claim`` takes for a reason."""
    network = model.network
    if not isinstance(network, Recurrent):
        raise StillOpenError("the network is not recurrent")
    if model.suffix or model.readout.position != "last":
        raise StillOpenError("orbits are for labels at the last token, which belongs to the sequence")
    whole = automaton(model.domain, program)
    with np.errstate(all="ignore"):  # what is not finite holds nothing
        return _Catching(model, network, program, deadline).all(circles(whole))


def circles(whole: Automaton) -> tuple[Circle, ...]:
    """The sequences of ``whole`` as circles; raises StillOpenError where they branch without end.

    A state is on a circle when it can be reached from itself: then it may have one successor alone.
    """
    inside = _recurrent_states(whole)
    waiting: list[tuple[int, tuple[int, ...], tuple[int, ...]]] = [(0, (), (0,))]
    found = list[Circle]()
    while waiting:
        state, word, path = waiting.pop()
        ways = [(token, after) for token, after in enumerate(whole.rows[state]) if after != DEAD]
        if state in inside:
            if len(ways) != 1:
                raise StillOpenError("sequences branch again and again; orbits are for those that end in one circle")
            turn, on_it = list[int](), state
            while not turn or on_it != state:
                ((token, on_it),) = [(t, after) for t, after in enumerate(whole.rows[on_it]) if after != DEAD] or [
                    (0, DEAD)
                ]
                turn.append(token)
            labels, at = list[int](), state
            for token in turn:
                at = whole.rows[at][token]
                labels.append(whole.labels[at])
            found.append(Circle(word, tuple(turn), tuple(whole.labels[s] for s in path), tuple(labels)))
            if len(turn) > MOST_TURN:
                raise StillOpenError(f"sequences go round in circles of more than {MOST_TURN} tokens")
        else:
            waiting += [(after, (*word, token), (*path, after)) for token, after in ways]
            found += [] if ways else [Circle(word, (), tuple(whole.labels[s] for s in path), ())]
        if len(found) + len(waiting) > MOST_CIRCLES or len(word) > MOST_ENTRY:
            raise StillOpenError(f"sequences begin in more than {MOST_CIRCLES} ways")
    if not any(circle.turn for circle in found):
        raise StillOpenError("the domain has a longest sequence")
    return tuple(found)


def _recurrent_states(whole: Automaton) -> set[int]:
    """States that can be reached from themselves."""
    found = set[int]()
    for state in range(len(whole.rows)):
        seen, waiting = set[int](), [state]
        while waiting:
            for after in whole.rows[waiting.pop()]:
                if after != DEAD and after not in seen:
                    seen.add(after)
                    waiting.append(after)
        if state in seen:
            found.add(state)
    return found


class _Catching:
    """The search for sets, for one network and program."""

    def __init__(self, model: Loaded, network: Recurrent, program: Program, deadline: float | None) -> None:
        self._model, self._network, self._deadline = model, network, deadline
        self._names = program.grammar.sequences.labels
        self._ids = [model.vocabulary.index(token) for token in model.domain.alphabet]
        self._step, self._read = frames.step(network, REAL), frames.rows(network.output, REAL)
        self._before = tuple(model.vocabulary.index(token) for token in model.prefix)
        self.margin, self.checked = np.inf, 0

    def all(self, every: tuple[Circle, ...]) -> Orbits:
        """Every circle."""
        for circle in every:
            if not circle.turn:
                self._followed(circle, self._word(circle), (), 0)
        found = tuple(self._catch(circle) for circle in every if circle.turn)
        if not np.isfinite(self.margin):
            raise StillOpenError("no label is asked of any sequence")
        return Orbits(found, float(self.margin), self.checked)

    def _catch(self, circle: Circle) -> Caught:
        turn = tuple(self._ids[token] for token in circle.turn)
        word = self._word(circle)
        orbit = self._settled(word, turn)
        frame = Frame(orbit[-1], self._directions(orbit[-1], turn))
        number = self._earliest(frame, orbit, turn)
        followed = self._followed(circle, word, turn, number)
        held = self._radii(frame, frame.reach(followed.state), turn)
        if held is None:
            raise StillOpenError(f"the state after {len(word) + number * len(turn)} tokens is in no set that was found")
        self._check_labels(circle, frame.form(held), turn)
        return Caught(circle, len(circle.word) + number * len(turn), frame, held, followed.bits)

    def _word(self, circle: Circle) -> tuple[int, ...]:
        return (*self._before, *(self._ids[token] for token in circle.word))

    def _settled(self, word: tuple[int, ...], turn: tuple[int, ...]) -> Reals:
        """The states after word turn^n for n = 0, 1, ... up to where they stand still, (n, width), in float64."""
        state = self._network.initial(1)
        for token in word:
            state = self._network.step(state, np.array([token]))
        found, done = [state[0]], 0
        while done < MOST_TOKENS:
            self._check_time()
            for token in turn:
                state = self._network.step(state, np.array([token]))
            done += len(turn)
            found.append(state[0])
            apart = np.abs(found[-1] - found[-2]).max()
            if apart <= SETTLED * (1.0 + np.abs(state).max()):
                return np.array(found)
            if not np.isfinite(apart):
                break
        raise StillOpenError(f"the states of {self._said(word, turn)} do not settle within {MOST_TOKENS:,} tokens")

    def _directions(self, center: Reals, turn: tuple[int, ...]) -> frames.Complex:
        """Eigenvectors of the Jacobian of ``turn`` at ``center``."""
        width = len(center)
        form = Form(center[None], 2.0**-30 * np.eye(width)[None], np.zeros((1, width)))
        for token in turn:
            form = self._step(form, token)
        try:
            vectors: Any = np.linalg.eig(form.shape[0] * 2.0**30)[1].astype(np.complex128)
        except np.linalg.LinAlgError as error:
            raise StillOpenError("the directions at the end of the orbit were not found") from error
        found: frames.Complex = np.rint(vectors * GRID) / GRID  # so that a certificate can state them
        return found

    def _earliest(self, frame: Frame, orbit: Reals, turn: tuple[int, ...]) -> int:
        """After how many turns a set about the end of the orbit, with one label, holds its state."""
        nothing = np.zeros((1, orbit.shape[1]))
        low, high = -1, len(orbit) - 1
        if self._radii(frame, frame.reach(ball.Ball(orbit[[high]], nothing)), turn) is None:
            raise StillOpenError(
                f"the network maps no small set about the end of its orbit into itself ({self._said((), turn)})"
            )
        while high - low > 1:
            middle = (low + high) // 2
            radii = self._radii(frame, frame.reach(ball.Ball(orbit[[middle]], nothing)), turn)
            if radii is None or not self._has_labels(frame.form(radii), turn):
                low = middle
            else:
                high = middle
        if high * len(turn) > MOST_ENTRY:
            raise StillOpenError(f"an orbit is caught only after {high * len(turn):,} tokens")
        return high

    def _radii(self, frame: Frame, reach: Reals, turn: tuple[int, ...]) -> Reals | None:
        """Radii of a set that holds all within ``reach`` and is mapped into itself; None where none is found."""
        radii = reach * ROOM + LEAST
        for _ in range(ROUNDS):
            self._check_time()
            image = frame.form(radii)
            for token in turn:
                image = self._step(image, token)
            if not (np.isfinite(image.rest).all() and np.isfinite(image.center).all()):
                return None
            moved, offset = frame.linear(image), frame.offset(image)
            if (moved.sum(axis=1) * ball.INFLATION + offset <= radii).all():
                return radii
            linear = moved / radii  # columns by their radii
            try:
                more = np.linalg.solve(
                    np.eye(len(radii)) - linear, np.maximum(0.0, offset + linear @ reach - reach) * ROOM + 2.0**-40
                )
            except np.linalg.LinAlgError:
                return None
            if not (np.isfinite(more).all() and (more >= 0).all()):
                return None  # the size of L is not below 1
            radii = np.maximum(radii, (reach + more) * ROOM)
            if radii.max() > 2.0**10 * (1.0 + reach.max()):
                return None
        return None

    def _followed(self, circle: Circle, word: tuple[int, ...], turn: tuple[int, ...], number: int) -> Known:
        """What is known at the entry; the labels of all sequences up to it are compared."""
        first = len(self._before)
        asked = [*circle.labels, *(circle.turn_labels * number)]
        for n, known in enumerate(exact_states.along(self._network, (*word, *(turn * number)))):
            self._check_time()
            if n >= first and asked[n - first] != NONE:
                self._compare(*known_label(self._model.readout, known), asked[n - first], n - first)
                self.checked += 1
        return known

    def _has_labels(self, states: Form, turn: tuple[int, ...]) -> bool:
        """Whether all states have one label after each token of the turn."""
        for token in turn:
            states = self._step(states, token)
            if form_label(self._model.readout, self._read(states))[0] == UNDECIDED:
                return False
        return True

    def _check_labels(self, circle: Circle, states: Form, turn: tuple[int, ...]) -> None:
        """Compare the labels after each token of the turn, of all states at once."""
        for token, asked in zip(turn, circle.turn_labels, strict=True):
            states = self._step(states, token)
            if asked != NONE:
                self._compare(*form_label(self._model.readout, self._read(states)), asked, None)

    def _compare(self, label: int, margin: float, asked: int, length: int | None) -> None:
        where = "of all long sequences" if length is None else f"of the sequence of length {length}"
        if label == UNDECIDED:
            raise StillOpenError(f"the label {where} is not decided")
        (place,) = places(self._model.readout, self._names, np.array([label]))
        if place != asked or place == OTHER:
            raise StillOpenError(
                f"the label {where} is {self._model.readout.text(label)!r}, which the program does not say"
            )
        self.margin = min(self.margin, margin)

    def _said(self, word: tuple[int, ...], turn: tuple[int, ...]) -> str:
        names = [" ".join(self._model.vocabulary[token] for token in part) for part in (word, turn)]
        return f"{names[0]} ({names[1]})^n".strip()

    def _check_time(self) -> None:
        if self._deadline is not None and time.perf_counter() > self._deadline:
            raise StillOpenError("no set was found within the time limit")


def known_label(readout: Readout, known: Known) -> tuple[int, float]:
    """Label and net margin of logits that are known (1, outputs)."""
    return _net(readout, known.logits.center, float(known.logits.radius[:, list(readout.columns)].max()))


def form_label(readout: Readout, logits: Form) -> tuple[int, float]:
    """The one label of all states of a form of one row, and their least margin; UNDECIDED where there are more."""
    (label,), (margin,) = form_labels(readout, logits)
    return int(label), float(margin)


def _net(readout: Readout, center: Reals, error: float) -> tuple[int, float]:
    if not np.isfinite(error) or (isinstance(readout, Rounded) and np.abs(center).max() > 2.0**30):
        return UNDECIDED, 0.0
    error = error * ball.INFLATION + 2.0**-40 * (1.0 + float(np.abs(center).max()))
    (label,), (margin,) = readout.read(center, error)
    return int(label), float(margin) - error * (2.0 if isinstance(readout, Argmax) else 1.0)
