"""The label of every sequence of a domain by any loaded network, with the margin that guarantees it.

    label given   <=>   margin of the read-out at the centre  >  what the bounds of ``interpreter`` may move it

so it is the label in real arithmetic and in every execution that meets ``interpreter.assumption``. Everything else is
undecided: a tie, or a margin below the error bound. A black box is run as it is, with no bound at all: its labels are
what this machine computed, more than once and with one answer, and support no claim above the rung "tested".

Where balls leave something undecided, the zonotopes of ``zonotope_interpreter`` are tried. It visits every sequence;
what can be proved without visiting them is in other files.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from cegis.blackbox import REPEATS
from cegis.domain import Domain, DomainError, Tokens
from dsl.showing import brief
from tasks.bounds import ball, recurrent, recurrent_zonotope, workers, zonotope_interpreter
from tasks.bounds.ball import Ball, Reals
from tasks.bounds.interpreter import Stream, assumption, enclose
from tasks.bounds.magnitudes import narrowed
from tasks.bounds.recurrent import Level, beginnings
from tasks.bounds.recurrent_ellipsoid import STRAIGHT, Ellipsoids, Narrowing
from tasks.bounds.recurrent_lipschitz import Steep
from tasks.bounds.recurrent_zonotope import States
from tasks.formats import BlackBox, Loaded
from tasks.formats.blackbox import labels_asked_again
from tasks.networks.readout import UNDECIDED, Argmax, Labels, Readout
from tasks.networks.recurrent import Recurrent
from tasks.networks.sparse_transformer import NetworkError, check_prompt
from tasks.networks.transformer import Transformer

Ids = NDArray[np.int64]
Way = tuple[int, int]
_Read = tuple[list[tuple[Labels, Reals]], int, float]  # labels and margins, rows that were read, largest radius
Enclose = Callable[[Recurrent, list[Ids], float], Stream]
Semantics = Literal["real", "float32", "float64"]
ROUNDOFF = {"real": ball.REAL, "float64": ball.FLOAT64, "float32": ball.FLOAT32}
MEANING = {
    "real": "real arithmetic",
    "float64": "real arithmetic and in float64 as executed",
    "float32": "real arithmetic and in float64 and float32 as executed",
}
MAX_SEQUENCES = 20_000_000  # more are not listed
BLOCK = 200_000  # sequences bounded together
# where time is limited a block takes this share of what is left, or so many seconds, and has so many sequences at least
SHARE, STEP, LEAST = 0.05, 2.0, 200
FIRST, FASTER = 500, 40  # sequences that are timed first; how many times as many are begun next
SHARED = 400  # that, where longer sequences are little more work than the states that they share
HOPE = 1.5  # but no more than so many times as many as time seems to suffice for
PART, FEWEST = 10_000, 500  # sequences that are given to a worker at once, of a light network, and at least
LIGHT = 5_000  # weights of a network of which so many are timed; of a larger one fewer, in proportion
MOST_WORK = 500_000_000  # numbers in the forms of a block, some ten seconds; beyond, its undecided labels stay so
# how a recurrent network's prompts are followed as zonotopes: but for so many last tokens, and with so many times the
# usual number of symbols
USUAL: Way = (0, 1)
ZONOTOPES: tuple[Way, ...] = (USUAL, (0, 4))
PROBES, WORTH = 64, 0.5  # prompts on which such a way is tried; the share that it should decide
# last tokens of prompts that are followed as balls after ellipsoids, at first and at most; it becomes one more where
# all prompts with the same beginning are decided for more than this share of the beginnings, one less where for less
AHEAD, MOST_AHEAD, MORE, LESS = 3, 6, 0.9, 0.5
SHARPENED = 1 / 400  # of what these decide, those of the least margins are bounded as balls, too
STATES_EACH = 16  # at the end of prompts, for one that is bounded as a ball: the others by Lipschitz constants
MOST_ENTRIES, MOST_SHARED = 30_000_000, 64  # in the ellipsoids of a level; prompts to one of them that are counted on
FEWER = 4  # times as few are kept for all blocks
AS_RUN = (
    "arithmetic as this machine executed it (a black box: no rounding error is bounded; every sequence was asked "
    f"{1 + REPEATS} times, with one answer)"
)


@dataclass(frozen=True)
class Answers:
    """Some sequences of one length, (count, length) alphabet indices, and what the network says of each.

    ``labels``: (count,) or (count, length), labels of the read-out or UNDECIDED; ``margins``: the same shape, lower
    bounds, positive exactly where a label is given.
    """

    sequences: Tokens
    labels: Labels
    margins: Reals

    __repr__ = brief


@dataclass(frozen=True)
class Enumeration:
    """The labels of a domain, one ``Answers`` per length, shortest first.

    ``radius``: the largest error bound of a logit (0 for a black box); ``classes``: how many rows were really read;
    ``seconds``: wall clock.
    """

    loaded: Loaded
    domain: Domain
    semantics: Semantics
    lengths: tuple[Answers, ...]
    classes: int
    radius: float
    seconds: float

    __repr__ = brief

    @property
    def is_bounded(self) -> bool:
        """Whether rounding was bounded, so that labels are proved."""
        return not self.loaded.is_black_box

    @property
    def meaning(self) -> str:
        """The arithmetic the labels hold in."""
        return MEANING[self.semantics] if self.is_bounded else AS_RUN

    @property
    def assumption(self) -> str:
        """What is assumed of executions; empty for a black box."""
        return "" if isinstance(self.loaded.network, BlackBox) else assumption(self.loaded.network)

    @property
    def size(self) -> int:
        """How many labels were asked for."""
        return sum(part.labels.size for part in self.lengths)

    @property
    def undecided(self) -> int:
        """How many of them there are none for."""
        return sum(int((part.labels == UNDECIDED).sum()) for part in self.lengths)

    @property
    def margin(self) -> float:
        """The smallest guaranteed margin of a label that is given; infinite where none is."""
        given = [part.margins[part.labels != UNDECIDED] for part in self.lengths]
        return min((float(margins.min()) for margins in given if margins.size), default=np.inf)

    def counts(self) -> dict[int, int]:
        """How often each label is given."""
        every = np.concatenate([part.labels.ravel() for part in self.lengths])
        found, times = np.unique(every[every != UNDECIDED], return_counts=True)
        return {int(label): int(count) for label, count in zip(found, times, strict=True)}


def usual_semantics(loaded: Loaded) -> Semantics:
    """Real arithmetic and all executions at the network's own precision or above."""
    return "float64" if isinstance(loaded.network, BlackBox) else loaded.network.dtype


def enumerate_domain(
    loaded: Loaded,
    domain: Domain,
    *,
    semantics: Semantics | None = None,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
    deadline: float = np.inf,
    rate: float | None = None,
    with_zonotopes: bool = True,
    may_stop_short: bool = False,
) -> Enumeration:
    """Label every sequence of a bounded ``domain``; ``on_progress(done, total)``.

    Raises NetworkError for another alphabet, a domain without sequences, or float32 asked of float64 weights, and
    LateError at the ``deadline`` (by ``time.perf_counter``). ``rate``: sequences a second, where that is known.
    Without zonotopes balls alone decide, which is quicker where they leave something open. Where it ``may_stop_short``,
    lengths for which time turns out to be too short are left out, the longest first.
    """
    start = time.perf_counter()
    semantics = semantics or usual_semantics(loaded)
    check(loaded, domain, semantics)
    listed = [domain.sequences(length) for length in domain.lengths]
    shapes = [part.shape if loaded.readout.position == "every" else part.shape[:1] for part in listed]
    labels = [np.full(shape, UNDECIDED, np.int64) for shape in shapes]
    margins = [np.full(shape, -np.inf) for shape in shapes]
    done, classes, radius = [0] * len(listed), 0, 0.0  # so many of each length, the first
    pace, worth = _Pace(deadline, rate, few(loaded)), Worth()
    while rest := _rest(listed, done):
        first = [*done]
        left = [part[some:] for part, some in zip(listed, first, strict=True)]
        for block, (found, rows_read, widest) in _answered(
            loaded, left, ROUNDOFF[semantics], with_zonotopes, pace, worth
        ):
            classes, radius = classes + rows_read, max(radius, widest)
            for (n, rows), (label, margin) in zip(block, found, strict=True):
                labels[n][first[n] :][rows], margins[n][first[n] :][rows] = label, margin
                done[n] = first[n] + rows.stop
            rest = _rest(listed, done)
            on_progress(sum(done), sum(done) + rest)
            if rest:
                pace.note(_size(block))
            if may_stop_short and pace.is_short(rest):
                break
        while may_stop_short and pace.is_short(_rest(listed, done)):
            listed.pop()
            done.pop()
    if not listed:
        raise LateError
    lengths = tuple(Answers(*part) for part in zip(listed, labels, margins, strict=False))
    domain = domain.up_to(domain.lengths[len(listed) - 1])
    return Enumeration(loaded, domain, semantics, lengths, classes, radius, time.perf_counter() - start)


def _rest(listed: list[Tokens], done: list[int]) -> int:
    """How many sequences are not done yet."""
    return sum(map(len, listed)) - sum(done)


def _answered(
    loaded: Loaded, listed: list[Tokens], u: float, with_zonotopes: bool, pace: _Pace, worth: Worth
) -> Iterator[tuple[list[tuple[int, slice]], _Read]]:
    """Blocks of the sequences ``listed``, and what ``_answers`` says of them: by workers, where there are any.

    Those of one length come in order. By workers, blocks are cut by their number alone, so that nothing depends on how
    many workers there are.
    """
    if workers.current() is None or sum(map(len, listed)) <= (part := _part(loaded)):
        for block in blocks(listed, pace.most):
            yield block, _answers(loaded, [listed[n][rows] for n, rows in block], u, with_zonotopes, worth)
        return
    cut = [*blocks(listed, lambda: part)]
    parts = (([listed[n][rows] for n, rows in block], u, with_zonotopes) for block in cut)
    yield from zip(cut, workers.each(_answers, loaded, parts, pace.check_time), strict=True)


def _part(loaded: Loaded) -> int:
    """How many sequences are one worker's: about as much work whatever the network's size; of a black box, all."""
    if isinstance(loaded.network, BlackBox):
        return MAX_SEQUENCES
    weights = sum(int(array.size) for array in loaded.network.arrays())
    return max(FEWEST, PART * LIGHT // max(weights, LIGHT))


class LateError(Exception):
    """The time is up."""


class _Pace:
    """How many sequences are bounded together where time is limited, and whether it suffices, by those so far."""

    def __init__(self, deadline: float, rate: float | None, first: int) -> None:
        self._began, self._deadline = time.perf_counter(), deadline
        self._rate, self._first, self._count = rate, first, 0

    @property
    def _left(self) -> float:
        return self._deadline - time.perf_counter()

    def most(self) -> int:
        """At most so many."""
        if self._deadline == np.inf:
            return BLOCK
        if self._rate is None:
            return self._first
        step = min(max(STEP, SHARE * self._left if self._count else 0.0), self._left / 2)
        return int(min(BLOCK, max(LEAST, self._rate * step)))

    def check_time(self) -> None:
        """Raise LateError when no time is left."""
        if self._left < 0:
            raise LateError

    def note(self, count: int) -> None:
        """That a block of ``count`` ended just now; raises LateError when no time is left for another."""
        self.check_time()
        self._count += count
        self._rate = self._count / max(time.perf_counter() - self._began, 1e-6)

    def is_short(self, rest: int) -> bool:
        """Whether time is too short for the ``rest``, by a factor that is near to 2 at first and to 1 at last."""
        whole, left = self._deadline - self._began, self._left
        return rest > 0 and self._rate is not None and (left < 0 or rest * whole > self._rate * left * (whole + left))


def enumerate_within(
    loaded: Loaded,
    domain: Domain,
    seconds: float,
    *,
    semantics: Semantics | None = None,
    first: Enumeration | None = None,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
    with_zonotopes: bool = True,
) -> Enumeration:
    """``enumerate_domain``, up to the longest length that about ``seconds`` (wall clock) allow; at least the shortest.

    A few sequences tell how long more of them take; ``first`` are such, and are kept. Raises DomainError where even
    the shortest take longer.
    """
    deadline = time.perf_counter() + seconds
    found = first or _shortest(loaded, shortened(domain, few(loaded)), semantics, deadline, on_progress, with_zonotopes)
    faster = SHARED if isinstance(loaded.network, Recurrent) else FASTER
    while found.domain.lengths[-1] < domain.lengths[-1]:
        part, longer = found.domain, domain.up_to(found.domain.lengths[-1] + 1)
        more = part.size() * max(0.0, deadline - time.perf_counter()) / max(found.seconds, 1e-6)  # what is left makes
        if longer.size() - part.size() > more:
            return found
        most = int(min(part.size() + HOPE * more, faster * part.size()))
        part = max(longer, shortened(domain, most), key=lambda some: some.lengths[-1])
        try:
            found = _lengthened(found, part, deadline, on_progress, with_zonotopes)
        except LateError:
            return found
    return found


def few(loaded: Loaded) -> int:
    """How many sequences are bounded before it is known how long more of them take."""
    return max(1, FIRST * LIGHT // max(_weights(loaded), LIGHT))


def _weights(loaded: Loaded) -> int:
    """How many weights a transformer has; 0 for any other network."""
    network = loaded.network
    return sum(int(array.size) for array in network.arrays()) if isinstance(network, Transformer) else 0


def _shortest(
    loaded: Loaded,
    domain: Domain,
    semantics: Semantics | None,
    deadline: float,
    on_progress: Callable[[int, int], None],
    with_zonotopes: bool,
) -> Enumeration:
    """All of ``domain``, a few sequences, or those of the shortest length alone where time is short."""
    done = 0

    def noted(count: int, total: int) -> None:
        nonlocal done
        done = count
        on_progress(count, total)

    try:
        return enumerate_domain(
            loaded,
            domain,
            semantics=semantics,
            on_progress=noted,
            deadline=deadline,
            with_zonotopes=with_zonotopes,
        )
    except LateError:
        raise DomainError(
            f"{loaded.name}: expected time to list the shortest sequences, got too little: {done:,} of the "
            f"{domain.size():,} sequences of length {domain.min_length} to {domain.max_length} were labelled; give a "
            "larger time limit, or ask for shorter ones"
        ) from None


def _lengthened(
    found: Enumeration,
    domain: Domain,
    deadline: float,
    on_progress: Callable[[int, int], None],
    with_zonotopes: bool,
) -> Enumeration:
    """``found`` with the longer sequences of ``domain`` as well, to the length that time turns out to suffice for."""
    new = Domain(domain.alphabet, found.domain.lengths[-1] + 1, domain.max_length, domain.constraint)
    if not new.size():
        return replace(found, domain=domain, lengths=(*found.lengths, *(_none(found, n) for n in new.lengths)))
    before = found.domain.size()
    more = enumerate_domain(
        found.loaded,
        new,
        semantics=found.semantics,
        on_progress=lambda done, total: on_progress(before + done, before + total),
        deadline=deadline,
        rate=found.size / max(found.seconds, 1e-6),
        with_zonotopes=with_zonotopes,
        may_stop_short=True,
    )
    return replace(
        found,
        domain=domain.up_to(more.domain.lengths[-1]),
        lengths=(*found.lengths, *more.lengths),
        classes=found.classes + more.classes,
        radius=max(found.radius, more.radius),
        seconds=found.seconds + more.seconds,
    )


def _none(found: Enumeration, length: int) -> Answers:
    """The answers for a length that no sequence has."""
    shape = (0, length) if found.loaded.readout.position == "every" else (0,)
    return Answers(np.zeros((0, length), np.int8), np.full(shape, UNDECIDED), np.zeros(shape))


def in_float64(found: Enumeration, least: float = 0.0, deadline: float = np.inf) -> Enumeration:
    """``found``, of float32, in float64: what has a margin below ``least`` there is bounded again.

    Labels in float32 as executed are those in float64 and real arithmetic too; so is their margin a bound. After the
    ``deadline`` (by ``time.perf_counter``) the rest stays open.
    """
    lengths, worth, pace = [], Worth(), _Pace(deadline, found.size / max(found.seconds, 1e-6), LEAST)
    radius, again = 0.0, 0
    for part in found.lengths:
        is_open = (part.labels == UNDECIDED) | (part.margins < least)
        rows = np.flatnonzero(is_open if is_open.ndim == 1 else is_open.any(axis=1))
        labels, margins = part.labels.copy(), part.margins.copy()
        with suppress(LateError):
            pace.check_time()
            answered = _answered(found.loaded, [part.sequences[rows]], ROUNDOFF["float64"], True, pace, worth)
            for ((_, block),), (((label, margin),), _, widest) in answered if len(rows) else ():
                some = rows[block]
                radius, again = max(radius, widest), again + len(some)
                labels[some] = np.where(is_open[some], label, labels[some])
                margins[some] = np.where(is_open[some], margin, margins[some])
                pace.note(len(some))
        lengths.append(replace(part, labels=labels, margins=margins))
    if again < sum(len(part.sequences) for part in found.lengths):
        radius = max(radius, found.radius)  # some are as they were
    return replace(found, semantics="float64", lengths=tuple(lengths), radius=radius)


def shortened(domain: Domain, most: int) -> Domain:
    """``domain`` up to the largest length with at most ``most`` sequences, but never less than its shortest ones."""
    total = 0
    for length in domain.lengths:
        count = domain.count(length)
        if total and total + count > most:
            return domain.up_to(length - 1)
        total += count
    return domain


def answers_of(loaded: Loaded, sequences: Tokens, semantics: Semantics) -> tuple[Labels, Reals]:
    """Labels and guaranteed margins of some sequences of one length; UNDECIDED where the bounds leave one open."""
    return _answers(loaded, [sequences], ROUNDOFF[semantics])[0][0]


def check(loaded: Loaded, domain: Domain, semantics: Semantics) -> None:
    """Raise NetworkError for another alphabet, no sequences or an empty prompt, or float32 of float64 weights."""
    if domain.alphabet != loaded.domain.alphabet:
        raise NetworkError(
            f"{loaded.name}: expected a domain over {', '.join(loaded.domain.alphabet)}, "
            f"got one over {', '.join(domain.alphabet)}"
        )
    if loaded.network.shortest:
        check_prompt(loaded.name, domain.min_length, len(loaded.prefix) + len(loaded.suffix))
    if not domain.size():
        raise NetworkError(f"{loaded.name}: the domain holds no sequence, so there is nothing to label")
    network = loaded.network
    if semantics == "float32" and not isinstance(network, BlackBox) and network.dtype != "float32":
        raise NetworkError(f"{loaded.name}: its weights are no float32 numbers; ask for float64 or real semantics")


def _answers(
    loaded: Loaded, batches: list[Tokens], u: float, with_zonotopes: bool = True, worth: Worth | None = None
) -> tuple[list[tuple[Labels, Reals]], int, float]:
    """Per batch labels and margins; how many rows were read; and the largest radius of a logit that is read."""
    if isinstance(loaded.network, BlackBox):
        answers = [labels_asked_again(loaded, batch) for batch in batches]
        return answers, sum(label.size for label, _ in answers), 0.0
    prompts = [loaded.prompts(batch) for batch in batches]
    if isinstance(loaded.network, Recurrent):
        return _along_prefixes(loaded, prompts, u, with_zonotopes, worth or Worth())
    loaded = narrowed(loaded, u)
    network = loaded.network
    assert isinstance(network, Transformer)
    at_end = loaded.readout.position == "last"
    stream = enclose(network, prompts, u, at_end=at_end)
    found = _read(loaded, stream)
    if (
        with_zonotopes
        and any((label == UNDECIDED).any() for label, _ in found[0])
        and zonotope_interpreter.work(network, stream) < MOST_WORK
    ):
        return _read(loaded, zonotope_interpreter.enclose(network, prompts, u, at_end=at_end))
    return found


def _along_prefixes(
    loaded: Loaded, prompts: list[Ids], u: float, with_zonotopes: bool, worth: Worth
) -> tuple[list[tuple[Labels, Reals]], int, float]:
    """By the tree of prefixes: balls, and for prompts that they leave without a label ellipsoids, then zonotopes.

    A way that decides few of ``PROBES`` prompts is left out, as balls are where prompts are long; ellipsoids are
    followed for more and more of the tokens. ``worth`` remembers both.
    """
    found = _Found(loaded, prompts, u, [_unread(loaded, ids) for ids in prompts])
    if not with_zonotopes or found.is_worth(None, worth):
        found.by_balls(worth)
    if with_zonotopes:
        found.by_ellipsoids(worth)
    for way in ZONOTOPES if with_zonotopes else ():
        if way == USUAL or found.is_worth(way, worth):
            for n, rows in enumerate(found.open_rows()):
                for piece in recurrent_zonotope.pieces(found.network, prompts[n][rows], u, *way):
                    batches = [rows[piece] if m == n else rows[:0] for m in range(len(prompts))]
                    found.better(_enclose(way), batches)
    return found.answers, found.rows_read, found.widest


def _unread(loaded: Loaded, ids: Ids) -> tuple[Labels, Reals]:
    """No label for any prompt."""
    every = ids.shape[1] - len(loaded.prefix)
    shape = (len(ids),) if loaded.readout.position == "last" else (len(ids), every)
    return np.full(shape, UNDECIDED, np.int64), np.full(shape, -np.inf)


@dataclass
class Worth:
    """``decides``: whether a way, or None for balls, decides words of a length; ``ahead``: balls after ellipsoids.

    It is at most ``most``: one that left many prompts open is not tried again. ``steep``: so many tokens after balls
    are bounded by Lipschitz constants; None: not known yet.
    """

    decides: dict[tuple[int, Way | None], bool] = field(default_factory=dict)
    steep: int | None = None
    ahead: int = AHEAD
    most: int = MOST_AHEAD


@dataclass
class _Found:
    """Labels and margins of batches of prompts as they become better; and how many rows were read for that."""

    loaded: Loaded
    prompts: list[Ids]
    u: float
    answers: list[tuple[Labels, Reals]]
    rows_read: int = 0
    widest: float = 0.0

    def open_rows(self) -> list[Ids]:
        """The prompts of every batch that have no label yet."""
        return [np.flatnonzero((label == UNDECIDED).any(axis=tuple(range(1, label.ndim)))) for label, _ in self.answers]

    def better(self, enclose: Enclose, batches: list[Ids]) -> None:
        """Take what ``enclose`` finds of some rows of every batch where it is better."""
        if not any(len(rows) for rows in batches):
            return
        some = [ids[rows] for ids, rows in zip(self.prompts, batches, strict=True)]
        is_open = any((label[rows] == UNDECIDED).any() for rows, (label, _) in zip(batches, self.answers, strict=True))
        again, count, radius = _read(self.loaded, enclose(self.network, some, self.u))
        self.widest = self.widest if self.rows_read else radius  # of the first way that is tried
        self.rows_read += count * is_open  # what is known already is only bounded more sharply
        for rows, (label, margin), new in zip(batches, self.answers, again, strict=True):
            better = new[1] > margin[rows]
            label[rows] = np.where(better, new[0], label[rows])
            margin[rows] = np.where(better, new[1], margin[rows])

    @property
    def network(self) -> Recurrent:
        """What is followed."""
        assert isinstance(self.loaded.network, Recurrent)
        return self.loaded.network

    def is_worth(self, way: Way | None, worth: Worth) -> bool:
        """Whether this way decides many of a few of the longest prompts; where all are few, it is."""
        rows = self.open_rows()[-1] if self.prompts else np.zeros(0, np.int64)
        key = (self.prompts[-1].shape[1] if self.prompts else 0, way)
        if key not in worth.decides:
            if len(rows) <= 8 * PROBES:
                return True
            few = self.prompts[-1][rows[:: len(rows) // PROBES]]
            ((label, _),), _, _ = _read(self.loaded, _enclose(way)(self.network, [few], self.u))
            worth.decides[key] = bool((label != UNDECIDED).mean() > WORTH)
        return worth.decides[key]

    def by_balls(self, worth: Worth) -> None:
        """Lipschitz constants for the last tokens; what that leaves open, as balls to the end.

        Where that is more than balls for one more token would have been, there is one token less of these from then on.
        """
        letters, rows = max(2, len(self.loaded.domain.alphabet)), self.open_rows()
        if worth.steep is None:
            worth.steep = math.ceil(math.log(STATES_EACH, letters))
        way: Steep | None = Steep(worth.steep)
        while way is not None:
            self.better(way, rows)
            if way.ahead and sum(map(len, self.open_rows())) * letters**way.ahead > sum(map(len, rows)):
                worth.steep -= 1
            places, rows = self._still(rows, SHARPENED if way.ahead else 0.0)
            way = way.narrowed(places)

    def _still(self, batches: list[Ids], share: float = 0.0) -> tuple[list[Ids], list[Ids]]:
        """Which of these rows are open, by their places in ``batches`` and as rows.

        With those of the least margins, this ``share`` of all of them: so the least of all is as sharp as it can be.
        """
        margins = [
            margin[rows].min(axis=tuple(range(1, margin.ndim)), initial=np.inf)
            for (_, margin), rows in zip(self.answers, batches, strict=True)
        ]
        every = np.sort(np.concatenate(margins))
        few = int(share * len(every))
        least = every[few - 1] if few else 0.0
        places = [np.flatnonzero(margin <= max(least, 0.0)) for margin in margins]
        return places, [rows[some] for rows, some in zip(batches, places, strict=True)]

    def by_ellipsoids(self, worth: Worth) -> None:
        """Ellipsoids for all but the last tokens, of the prompts of all lengths together; of open ones for one more.

        With as many balls after them as were best so far, which is known anew after each block; at last without any.
        """
        for is_last in (False, True):
            batches = self._sorted(self.open_rows())
            listed: list[Any] = [ids[rows] for ids, rows in zip(self.prompts, batches, strict=True)]
            most = self._most(batches, 0 if is_last else worth.ahead)
            begun = self._beginnings(listed) if sum(map(len, batches)) > most else None
            for block in blocks(listed, partial(int, most)):
                together, own = [rows[:0] for rows in batches], [slice(0)] * len(batches)
                for n, rows in block:
                    together[n], own[n] = batches[n][rows], rows
                way: Narrowing | None = Narrowing(0 if is_last else worth.ahead, begun and begun.of(own))
                while way is not None and any(map(len, together)):
                    self.better(way, together)
                    places, still = self._still(together)
                    if way.is_first and not is_last and sum(map(len, together)) > PROBES:
                        share = 1.0 - self._begun(still, way.ahead) / self._begun(together, way.ahead)
                        worth.most = way.ahead - 1 if share < LESS else worth.most
                        worth.ahead = max(0, min(worth.most, way.ahead + (share > MORE)))
                    way, together = way.narrowed(places), still

    def _beginnings(self, listed: list[Ids]) -> Level[States] | None:
        """Ellipsoids of so many first tokens of sorted prompts that they are few, and that no block ends there."""
        depth, longest = 0, max(ids.shape[1] for ids in listed)
        most = MOST_ENTRIES // FEWER // self.network.width**2
        while depth < longest - MOST_AHEAD - STRAIGHT and _starts(listed, depth + 1) <= most:
            depth += 1
        return beginnings(self.network, listed, Ellipsoids(self.network, self.u, depth), depth)

    def _begun(self, batches: list[Ids], ahead: int) -> int:
        """How many beginnings sorted rows have, without the last tokens of the longest; most of one length."""
        longest = max((ids.shape[1] for ids in self.prompts), default=0)
        return _starts([ids[rows] for ids, rows in zip(self.prompts, batches, strict=True)], max(0, longest - ahead))

    def _sorted(self, batches: list[Ids]) -> list[Ids]:
        return [
            rows[np.lexsort(ids[rows].T[::-1])] if ids.shape[1] else rows
            for ids, rows in zip(self.prompts, batches, strict=True)
        ]

    def _most(self, batches: list[Ids], ahead: int) -> int:
        """How many prompts are followed at once: as many as share so many beginnings."""
        shared = sum(map(len, batches)) // max(1, self._begun(batches, ahead))
        return max(1, min(shared, MOST_SHARED)) * max(1, MOST_ENTRIES // self.network.width**2)


def _starts(batches: list[Ids], depth: int) -> int:
    """How many beginnings of so many tokens sorted prompts have; most of one length."""
    starts = (ids[:, :depth] for ids in batches)
    return max((bool(len(s)) + int((s[1:] != s[:-1]).any(axis=1).sum()) for s in starts), default=0)


def _enclose(way: Way | None) -> Enclose:
    if way is None:
        return recurrent.enclose
    return partial(recurrent_zonotope.enclose, ahead=way[0], times=way[1])


def _read(loaded: Loaded, stream: Stream) -> tuple[list[tuple[Labels, Reals]], int, float]:
    """What ``_answers`` gives, from the bounds of all rows."""
    start = len(loaded.prefix) + isinstance(loaded.network, Recurrent)  # whose first row is before any token
    wanted = [place[:, -1] if loaded.readout.position == "last" else place[:, start:] for place in stream.places]
    rows, index = np.unique(np.concatenate([place.ravel() for place in wanted]), return_inverse=True)
    read = stream.x[rows]
    labels, margins = read_bounds(loaded.readout, read)
    ends = np.cumsum([place.size for place in wanted])[:-1]
    parts = [part.reshape(place.shape) for part, place in zip(np.split(index, ends), wanted, strict=True)]
    widest = float(read.radius[:, list(loaded.readout.columns)].max(initial=0.0))
    return [(labels[part], margins[part]) for part in parts], len(rows), widest


def read_stream(loaded: Loaded, stream: Stream) -> list[tuple[Labels, Reals]]:
    """Labels and guaranteed margins of every batch of prompts that ``stream`` bounds."""
    return _read(loaded, stream)[0]


def blocks(listed: list[Tokens], most: Callable[[], int]) -> Iterator[list[tuple[int, slice]]]:
    """Sequences that start alike, of all lengths together: (index of the length, rows), about ``most()`` at a time.

    Lists are sorted, so the sequences with a given start are consecutive; shorter ones come as their own blocks, and
    several starts that follow each other are one block where they are few.
    """
    pending: list[tuple[list[tuple[int, slice]], int]] = [([(n, slice(0, len(p))) for n, p in enumerate(listed)], 0)]
    while pending:
        block, depth = pending.pop()
        if (count := _size(block)) <= (limit := most()):
            together = dict(block)
            while pending and count + (more := _size(pending[-1][0])) <= limit:
                count += more
                for n, rows in pending.pop()[0]:
                    together[n] = slice(together[n].start if n in together else rows.start, rows.stop)
            yield [*together.items()]
            continue
        short = [(n, rows) for n, rows in block if listed[n].shape[1] <= depth]
        if short:
            yield short
        tokens = {n: listed[n][rows, depth] for n, rows in block if listed[n].shape[1] > depth}
        for letter in reversed(np.unique(np.concatenate(list(tokens.values())))):
            part = []
            for n, rows in block:
                if n in tokens:
                    low, high = np.searchsorted(tokens[n], [letter, letter + 1])
                    if high > low:
                        part.append((n, slice(rows.start + int(low), rows.start + int(high))))
            pending.append((part, depth + 1))


def _size(block: list[tuple[int, slice]]) -> int:
    return sum(rows.stop - rows.start for _, rows in block)


def read_bounds(readout: Readout, logits: Ball) -> tuple[Labels, Reals]:
    """Labels (rows,) and guaranteed margins (rows,) of bounded logits (rows, outputs); UNDECIDED where not positive."""
    columns = list(readout.columns)
    center, radius = logits.center[:, columns], logits.radius[:, columns]
    if isinstance(readout, Argmax):
        guaranteed = _lead(center, radius)
        labels = center.argmax(axis=1)
    else:
        radius = radius.max(axis=1)
        labels, margins = readout.read(logits.center)
        size = np.abs(center).max(axis=1) + radius + abs(getattr(readout, "threshold", 0.0)) + 1.0
        guaranteed = np.where(np.isfinite(radius), margins - radius * ball.INFLATION - 2.0**-48 * size, -np.inf)
    return np.where(guaranteed > 0, labels, UNDECIDED).astype(np.int64), guaranteed


def _lead(center: Reals, radius: Reals) -> Reals:
    """A lower bound (rows,) of the largest column less every other one, where the same column is largest throughout."""
    rows, winner = np.arange(len(center)), center.argmax(axis=1)
    best = center[rows, winner][:, None]
    error = radius[rows, winner][:, None] + radius
    size = np.abs(center) + np.abs(best) + error
    lead = np.where(np.isfinite(error), best - center - error * ball.INFLATION - 2.0**-50 * size, -np.inf)
    lead[rows, winner] = np.inf
    least: Reals = lead.min(axis=1)
    return least
