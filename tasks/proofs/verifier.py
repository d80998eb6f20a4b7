"""Compare a program with a network on every sequence of a domain, shortest length first, and say what that shows.

One protocol for every proof method: a ``Verifier`` examines a program and returns an ``Extent``, and what the loop asks
of it, a verdict, is derived from that. Shared are the state of one comparison, the replay of what it finds on program
and network themselves, and the sentence of what ended it. How the sequences of a length are gone through is the
method's own matter: one by one (``listing``), by classes of token counts (``counting``), by states of the program
(``path_cover``), or by search alone, which proves nothing (``genetic_search``); ``select`` chooses.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from cegis import Claim, Counterexample, Domain, DomainError, Program, Unknown, Valid, Verdict
from dsl.sequences import Label
from dsl.showing import brief
from tasks.bounds.interpreter import assumption
from tasks.formats import BlackBox, Loaded, model_of
from tasks.networks.conditions import conditions
from tasks.networks.readout import UNDECIDED, Argmax, Labels, Readout, label_name
from tasks.proofs.enumeration import MEANING, LateError, Semantics, answers_of, check, usual_semantics

Words = tuple[str, ...]

OTHER = -3  # a label of the network that the program has none like (-2 is a program that gives none)
NOTHING = -1  # no label


class Cause(Enum):
    """Why a comparison ended before its domain did."""

    TIME = "time limit"
    INTERRUPT = "interrupt"
    NO_LABEL = "no label"
    TOO_MANY_STATES = "too many states"
    DISAGREEMENT = "bounds and execution disagree"
    NONE_FOUND = "no counterexample found"


@dataclass(frozen=True)
class StopReason:
    """The ``cause``, and the sentence that says it."""

    cause: Cause
    text: str

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Cost:
    """What all lengths up to ``length`` took together: boxes bounded, and seconds of this process's CPU.

    ``nodes``: the states or classes that were told apart at that length.
    """

    length: int
    nodes: int
    boxes: int
    cpu_seconds: float


@dataclass(frozen=True)
class Extent:
    """What comparing a program with a network, length by length, has shown.

    They are equal on every sequence of the domain up to the length ``equal_up_to`` (below the shortest: nowhere), which
    is what ``claims`` say. ``counterexample``: the shortest sequence found on which they differ, run on both;
    ``stopped``: what ended it otherwise, None where a counterexample or the end of the domain did. ``undecided``: the
    first sequence without a label (a tie, or a margin below the error bound), of ``undecided_classes`` classes.
    """

    equal_up_to: int
    counterexample: Counterexample | None
    stopped: StopReason | None
    claims: tuple[Claim, ...]
    costs: tuple[Cost, ...] = ()
    undecided: Words | None = None
    undecided_classes: int = 0
    classes: int = 0
    seconds: float = 0.0

    __repr__ = brief

    @property
    def is_late(self) -> bool:
        """Whether the time ended it."""
        return self.stopped is not None and self.stopped.cause == Cause.TIME


@dataclass
class Verifier(ABC):
    """Compares programs with ``model`` on every sequence of the bounded ``domain``: a verifier for the loop.

    ``semantics``: the strongest arithmetic of its claims, by default the network's own. ``seconds`` (wall clock) limits
    one comparison; when they are spent, or on an interrupt, what was proved stays claimed. ``on_length(length,
    longest)`` is told of every length that was compared. A label counts from a guaranteed margin of ``least`` on.
    ``listed_margin``: the least margin of the lengths that ``examine`` is told are known.
    Raises DomainError for an empty domain, NetworkError for one that does not fit the network.
    """

    model: Loaded
    domain: Domain
    semantics: Semantics | None = None
    seconds: float | None = None
    on_length: Callable[[int, int], None] = field(default=lambda length, longest: None, repr=False)
    least: float = 0.0
    listed_margin: float = 0.0
    boxes: int = field(default=0, init=False)
    margin: float = field(default=np.inf, init=False)
    _started: float = field(default=0.0, init=False, repr=False)

    def __post_init__(self) -> None:
        self.model = model_of(self.model)
        if not self.domain.size():
            raise DomainError(f"{self.model.name}: the domain holds no sequence; a proof over nothing proves nothing")
        self._trained = self.model.network.longest
        self.semantics = self.semantics or usual_semantics(self.model)
        check(self.model, self.domain, self.semantics)
        self.model = lengthened(self.model, self.domain)

    @abstractmethod
    def examine(
        self, program: Program, where: Program | None = None, inside: str = "", known: int | None = None
    ) -> Extent:
        """How far ``program`` equals the network, shortest length first.

        With ``where``, only the sequences count for which that program says ``inside``. Lengths up to ``known`` are
        taken as proved by other means, in these semantics: every sequence by itself.
        """

    def check(self, program: Program) -> Verdict:
        """Valid for the whole domain, a shortest counterexample, or Unknown with a claim for shorter lengths."""
        found = self.examine(program)
        if found.counterexample is not None:
            return found.counterexample
        if found.stopped is None and found.equal_up_to == self.domain.lengths[-1]:
            return Valid(found.claims)
        return Unknown("" if found.stopped is None else found.stopped.text, found.claims)

    @property
    def meaning(self) -> str:
        """The arithmetics that a claim is about."""
        assert self.semantics is not None
        return MEANING[self.semantics]

    def detail(self, equal_up_to: int, seen: set[str]) -> str:
        """What a reader of a claim up to that length should know; ``seen``: the labels that were given."""
        assert not isinstance(self.model.network, BlackBox)
        parts = [assumption(self.model.network)]
        if equal_up_to + len(self.model.prefix) + len(self.model.suffix) > self._trained:
            parts.append(f"Prompts longer than the {self._trained} tokens of the network's file are the same formula.")
        if len(seen) == 1:
            parts.append(f"Every sequence has the label {min(seen)!r}.")
        return " ".join(parts)

    def conditions(self, domain: Domain) -> str:
        """Those of a claim about ``domain``, in words."""
        return conditions(self.model, domain)

    def label(self, sequence: Words, place: int | None = None) -> tuple[str, float] | None:
        """The label of one sequence, or at a ``place`` of it, by bounds on it alone, and its margin; None for none."""
        assert self.semantics is not None
        tokens = np.array(self.domain.indices(sequence), np.int8).reshape(1, -1)
        labels, margins = answers_of(self.model, tokens, self.semantics)
        label, margin = (labels[0], margins[0]) if place is None else (labels[0, place], margins[0, place])
        if label == UNDECIDED or margin < self.least:
            return None
        return label_name(self.model.readout, int(label)), float(margin)

    def places(self, names: tuple[Label, ...], labels: Labels) -> NDArray[np.int64]:
        """Labels of the read-out as indices into ``names``; OTHER where it has none like that, or NOTHING."""
        return places(self.model.readout, names, labels)

    def check_time(self) -> None:
        """Raise when the seconds of this comparison are spent."""
        if self.seconds is not None and time.perf_counter() - self._started > self.seconds:
            raise LateError


class Listed(Verifier):
    """A verifier whose program answers one class of sequences after the other; see ``Comparison``."""

    @abstractmethod
    def compare(self, comparison: Comparison) -> None:
        """Compare shortest length first until the comparison is over or the domain ends; raises LateError."""

    @abstractmethod
    def claims(self, found: Extent) -> tuple[Claim, ...]:
        """What is proved by ``found``: nothing, or equality up to the length ``found.equal_up_to``."""

    def examine(
        self, program: Program, where: Program | None = None, inside: str = "", known: int | None = None
    ) -> Extent:
        """Compare shortest length first, until the two differ, the domain ends, or the time is up."""
        if program.grammar.sequences.alphabet != self.domain.alphabet:
            raise DomainError(
                f"expected a program over {self.domain.alphabet}, got one over {program.grammar.sequences.alphabet}"
            )
        self._started = time.perf_counter()
        comparison = Comparison(self, program, where, inside, known)
        stopped = None
        try:
            self.compare(comparison)
        except LateError:
            text = f"stopped by the time limit of {self.seconds:.3g} s at length {comparison.following}"
            stopped = StopReason(Cause.TIME, text)
        except KeyboardInterrupt:
            stopped = StopReason(Cause.INTERRUPT, f"interrupted at length {comparison.following}")
        except DomainError as error:
            stopped = StopReason(Cause.TOO_MANY_STATES, str(error))
        found = comparison.extent(stopped, time.perf_counter() - self._started)
        if known is not None and found.counterexample is None and found.equal_up_to < known:
            return replace(found, equal_up_to=known)
        return replace(found, claims=self.claims(found))


class Comparison:
    """One program against one network, in progress; see ``Extent`` for what is noted."""

    def __init__(
        self, verifier: Verifier, program: Program, where: Program | None, inside: str, known: int | None
    ) -> None:
        self._verifier, self.program, self.where, self.inside = verifier, program, where, inside
        self._began = time.process_time()
        self.known = verifier.domain.min_length - 1 if known is None else known
        self.equal_up_to = self.reached = verifier.domain.min_length - 1
        self.counterexample: Counterexample | None = None
        self.stopped: StopReason | None = None
        self.undecided: Words | None = None
        self.undecided_classes = self.classes = 0
        self.costs: list[Cost] = []

    @property
    def is_over(self) -> bool:
        """Whether a counterexample was found, or something else ended it."""
        return self.counterexample is not None or self.stopped is not None

    @property
    def following(self) -> int:
        """The length of which not all is compared or known."""
        return max(self.reached, self.known) + 1

    def extent(self, stopped: StopReason | None, seconds: float) -> Extent:
        """What was shown so far."""
        reasons = [reason for reason in (self._unlabelled(), self.stopped or stopped) if reason is not None]
        text = "; ".join(reason.text for reason in reasons)
        return Extent(
            self.equal_up_to,
            self.counterexample,
            StopReason(reasons[-1].cause, text) if reasons else None,
            (),
            tuple(self.costs),
            self.undecided,
            self.undecided_classes,
            self.classes,
            seconds,
        )

    def _unlabelled(self) -> StopReason | None:
        if self.undecided is None:
            return None
        more = f", and {self.undecided_classes - 1:,} classes more" if self.undecided_classes > 1 else ""
        sequence = f"{' '.join(self.undecided)!r} of length {len(self.undecided)}"
        return StopReason(Cause.NO_LABEL, f"{sequence} {unlabelled(self._verifier.semantics)}{more}")

    def leave_undecided(self, sequence: Words, classes: int = 1) -> None:
        """Note classes without a label, of which ``sequence`` is in the first."""
        self.undecided = sequence if self.undecided is None else self.undecided
        self.undecided_classes += classes

    def replay(self, sequence: Words) -> None:
        """Run program and network on a sequence where they should differ."""
        known, got = self._verifier.label(sequence), self.program(sequence)
        if known is None:
            self.leave_undecided(sequence)
        elif got is None and known[0] not in self.program.grammar.sequences.labels:
            text = f"on {' '.join(sequence)!r} the network says {known[0]!r}, a label that the program is not read with"
            self.stopped = StopReason(Cause.NO_LABEL, text)
        elif known[0] != got:
            self.counterexample = Counterexample(sequence, known[0], got)
        else:
            text = f"bounds and execution disagree on {' '.join(sequence)!r}, so nothing beyond is claimed"
            self.stopped = StopReason(Cause.DISAGREEMENT, text)

    def finish(self, length: int, nodes: int = 0) -> None:
        """Note that every sequence of ``length`` was compared and none is wrong."""
        self.reached = length
        if self.undecided is None:
            self.equal_up_to = length
        self.costs.append(Cost(length, nodes, self._verifier.boxes, time.process_time() - self._began))
        self._verifier.on_length(length, self._verifier.domain.lengths[-1])


def unlabelled(semantics: Semantics | None) -> str:
    """What is said of a sequence without a label."""
    return f"has no label (a tie, or a margin below the error bound of {semantics})"


def lengthened(model: Loaded, domain: Domain) -> Loaded:
    """``model`` on ``domain``; without positions with room for its longest sequence, as the formula is the same.

    Raises NetworkError where a network with positions has too few.
    """
    network, around = model.network, len(model.prefix) + len(model.suffix)
    if not isinstance(network, BlackBox) and not network.has_end:
        network = replace(network, longest=max(network.longest, domain.lengths[-1] + around))
    return replace(model, network=network, domain=domain)


def places(readout: Readout, names: tuple[Label, ...], labels: Labels) -> NDArray[np.int64]:
    """Labels of the read-out as indices into ``names``; OTHER where it has none like that, or NOTHING for no label."""
    if isinstance(readout, Argmax) and readout.names == names:
        return np.where(labels == UNDECIDED, NOTHING, labels)
    found, index = np.unique(labels, return_inverse=True)
    known: dict[Label, int] = {name: n for n, name in enumerate(names)}
    places = [NOTHING if x == UNDECIDED else known.get(label_name(readout, int(x)), OTHER) for x in found]
    return np.array(places, np.int64)[index.ravel()]
