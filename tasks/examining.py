"""Compare a program with a circuit on every sequence of a domain, shortest length first, and say what that shows.

What every method shares: the state of one comparison, the replay of what it finds on program and network themselves,
and the verdict that follows. How the sequences of a length are gone through is the method's own matter: by classes of
token counts (``counting``), or one by one (``listing``); ``methods`` chooses.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Set
from dataclasses import dataclass, field, replace

import numpy as np

from cegis import Claim, Counterexample, Domain, DomainError, Program, Unknown, Valid, Verdict
from tasks import ball
from tasks.circuit import UNDECIDED, Circuit
from tasks.conditions import circuit_conditions
from tasks.labelling import label_sequences

Words = tuple[str, ...]


class LateError(Exception):
    """The time is up."""


@dataclass(frozen=True)
class Examined:
    """What comparing a program with a circuit, length by length, has shown.

    They are equal on every sequence of the domain up to the length ``equal``, and every length up to ``reached`` was
    looked at. ``broken`` is a shortest sequence where they differ; ``undecided`` the first sequence that has no label
    (a tie, or a margin below the error bound); ``stopped`` says what ended it early, or is empty.
    """

    equal: int
    reached: int
    broken: Counterexample | None
    undecided: Words | None
    undecided_classes: int
    stopped: str
    classes: int
    seconds: float


@dataclass
class Examiner(ABC):
    """Compares programs with a circuit on every sequence of the bounded ``domain``: a verifier for the loop.

    ``unit_roundoff``: FLOAT32 for claims about real arithmetic, float64 and float32; FLOAT64 leaves out the last.
    ``seconds`` (wall clock) limits one check; when they are spent, or on an interrupt, the verdict is Unknown.
    ``on_length(length, longest)`` is told of every length that was compared.
    """

    circuit: Circuit
    domain: Domain
    unit_roundoff: float = ball.FLOAT32
    seconds: float | None = None
    on_length: Callable[[int, int], None] = field(default=lambda length, longest: None, repr=False)
    _started: float = field(default=0.0, init=False, repr=False)

    def __post_init__(self) -> None:
        if not self.domain.size():
            raise DomainError(f"{self.circuit.name}: the domain holds no sequence; a proof over nothing proves nothing")
        self._declared = self.circuit.domain
        self._trained = self.circuit.network.config.block_size
        self.circuit = lengthened(self.circuit, self.domain)

    @property
    @abstractmethod
    def margin(self) -> float:
        """A lower bound of every margin behind a label given so far."""

    @property
    @abstractmethod
    def boxes(self) -> int:
        """How many sets of sequences were bounded at once so far; 0 for none."""

    @abstractmethod
    def claims(self, found: Examined) -> tuple[Claim, ...]:
        """What is proved by ``found``: nothing, or equality up to the length ``found.equal``."""

    @abstractmethod
    def compare(self, comparison: Comparison) -> None:
        """Compare shortest length first until the comparison is over or the domain ends; raises LateError."""

    @property
    def semantics(self) -> str:
        """The arithmetics that a claim is about."""
        return f"real arithmetic and in float64{' and float32' * (self.unit_roundoff > ball.FLOAT64)} as executed"

    def conditions(self, domain: Domain) -> str:
        """Those of a claim about ``domain``, in words."""
        return circuit_conditions(self.circuit, domain, self._declared)

    def check(self, program: Program) -> Verdict:
        """Valid for the whole domain, a shortest counterexample, or Unknown with a claim for shorter lengths."""
        found = self.examine(program)
        if found.broken is not None:
            return found.broken
        claims = self.claims(found)
        if found.equal == self.domain.lengths[-1]:
            return Valid(claims)
        reasons = [found.stopped] if found.stopped else []
        if found.undecided is not None:
            reasons.append(
                f"{found.undecided_classes:,} classes of sequences have no label (tie, or margin below the error "
                f"bound), first {' '.join(found.undecided)!r}"
            )
        return Unknown("; ".join(reasons), claims)

    def examine(self, program: Program) -> Examined:
        """Compare shortest length first, until the two differ, the domain ends, or the time is up."""
        signature = program.grammar.sequences
        if (signature.alphabet, signature.labels) != (self.domain.alphabet, self.circuit.labels):
            raise DomainError(
                f"expected a program from {self.domain.alphabet} to {self.circuit.labels}, got one from "
                f"{signature.alphabet} to {signature.labels}"
            )
        self._started = time.perf_counter()
        comparison = Comparison(self, program)
        try:
            self.compare(comparison)
        except LateError:
            comparison.stopped = f"stopped by the time limit of {self.seconds:g} s at length {comparison.reached + 1}"
        except KeyboardInterrupt:
            comparison.stopped = f"interrupted at length {comparison.reached + 1}"
        except DomainError as error:
            comparison.stopped = str(error)
        return comparison.examined(time.perf_counter() - self._started)

    def detail(self, equal: int, seen: Set[int]) -> str:
        """What a reader of a claim up to the length ``equal`` should know; ``seen``: the labels that were given."""
        parts = [ball.KERNEL_ASSUMPTION]
        if equal + len(self.circuit.prefix) > self._trained:
            parts.append(f"Prompts longer than the {self._trained} tokens of the network's file are the same formula.")
        if len(seen) == 1:
            parts.append(f"Every sequence has the label {self.circuit.labels[min(seen)]!r}.")
        return " ".join(parts)

    def label(self, sequence: Words) -> str | None:
        """The label of one sequence, by executing the network on it; None where it has none."""
        tokens = np.array(self.domain.indices(sequence), np.int8).reshape(1, -1)
        index = int(label_sequences(self.circuit, tokens, unit_roundoff=self.unit_roundoff).labels[0])
        return None if index == UNDECIDED else self.circuit.labels[index]

    def check_time(self) -> None:
        """Raise when the seconds of this check are spent."""
        if self.seconds is not None and time.perf_counter() - self._started > self.seconds:
            raise LateError


class Comparison:
    """One program against one circuit, in progress; see ``Examined`` for what is noted."""

    def __init__(self, examiner: Examiner, program: Program) -> None:
        self._examiner, self.program = examiner, program
        self.equal = self.reached = examiner.domain.min_length - 1
        self.broken: Counterexample | None = None
        self.undecided: Words | None = None
        self.undecided_classes = self.classes = 0
        self.stopped = ""

    @property
    def is_over(self) -> bool:
        """Whether a counterexample was found, or something else ended it."""
        return self.broken is not None or bool(self.stopped)

    def examined(self, seconds: float) -> Examined:
        """What was shown so far."""
        return Examined(
            self.equal,
            self.reached,
            self.broken,
            self.undecided,
            self.undecided_classes,
            self.stopped,
            self.classes,
            seconds,
        )

    def leave_undecided(self, sequence: Words, classes: int = 1) -> None:
        """Note classes without a label, of which ``sequence`` is in the first."""
        self.undecided = sequence if self.undecided is None else self.undecided
        self.undecided_classes += classes

    def replay(self, sequence: Words) -> None:
        """Run program and network on a sequence where they should differ."""
        expected, got = self._examiner.label(sequence), self.program(sequence)
        if expected is None:
            self.leave_undecided(sequence)
        elif expected != got:
            self.broken = Counterexample(sequence, expected, got)
        else:
            self.stopped = f"bounds and execution disagree on {' '.join(sequence)!r}, so nothing beyond is claimed"

    def finish(self, length: int) -> None:
        """Note that every sequence of ``length`` was compared and none is wrong."""
        self.reached = length
        if self.undecided is None:
            self.equal = length
        self._examiner.on_length(length, self._examiner.domain.lengths[-1])


def lengthened(circuit: Circuit, domain: Domain) -> Circuit:
    """``circuit`` on ``domain``; without positions with room for its longest sequence, as the formula is the same.

    Raises NetworkError where a network with positions has too few.
    """
    config = circuit.network.config
    room = config.block_size if config.positions else max(config.block_size, domain.lengths[-1] + len(circuit.prefix))
    network = replace(circuit.network, config=replace(config, block_size=room))
    return replace(circuit, domain=domain, network=network)
