"""Prove "program = circuit" up to lengths that nobody can enumerate, where attention ignores the order of tokens.

Without positions, and with one layer that attends, the logits depend on the token counts and the last token alone
(``tally``). Sequences fall into polynomially many classes of equal counts, last token and program states
(``classes``), and the claim is checked class by class, shortest length first:

    every class of every length up to N has one label of the network, by a bound that holds in every arithmetic named,
    and the program gives that label in every state the class can reach.

Labels are made once per circuit and domain (``census``). A class where the two differ becomes a sequence, which is
run through program and network itself before it is called a counterexample. A network without positions is the same
formula at every length, so lengths beyond the ``block_size`` in its file are meant, too; a claim that reaches that far
says so.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from cegis import Claim, Counterexample, Domain, DomainError, Program, Rung, Unknown, Valid, Verdict
from tasks import ball
from tasks.census import Census
from tasks.circuit import UNDECIDED, Circuit
from tasks.classes import Classes, Level, unique
from tasks.folds import Folded, Ints, UncountableError
from tasks.labelling import label_sequences
from tasks.network import NetworkError
from tasks.tally import obstacle

Words = tuple[str, ...]


class _LateError(Exception):
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


def counting_verifier(
    circuit: Circuit, domain: Domain, *, unit_roundoff: float = ball.FLOAT32, seconds: float | None = None
) -> CountingVerifier | str:
    """The verifier by counting for ``circuit`` on a bounded ``domain``, or the reason why there is none.

    Raises NetworkError for another alphabet than the circuit's, DomainError for a domain without sequences.
    """
    if domain.alphabet != circuit.domain.alphabet:
        raise NetworkError(
            f"{circuit.name}: expected a domain over {', '.join(circuit.domain.alphabet)}, "
            f"got one over {', '.join(domain.alphabet)}"
        )
    return obstacle(circuit) or CountingVerifier(circuit, domain, unit_roundoff, seconds)


@dataclass
class CountingVerifier:
    """Compares programs with a circuit on every sequence of ``domain``; see ``counting_verifier``.

    ``unit_roundoff``: FLOAT32 for claims about real arithmetic, float64 and float32; FLOAT64 leaves out the last.
    ``seconds`` (wall clock) limits one check; when they are spent the verdict is Unknown.
    """

    circuit: Circuit
    domain: Domain
    unit_roundoff: float = ball.FLOAT32
    seconds: float | None = None
    _started: float = field(default=0.0, init=False, repr=False)

    def __post_init__(self) -> None:
        if not self.domain.size():
            raise DomainError(f"{self.circuit.name}: the domain holds no sequence; a proof over nothing proves nothing")
        self._trained = self.circuit.network.config.block_size
        self.circuit = lengthened(self.circuit, self.domain)
        self._census = Census(self.circuit, self.domain.lengths[-1], self.unit_roundoff)

    @property
    def method(self) -> str:
        """How the two are compared, and why that is enough."""
        letters = len(self.domain.alphabet)
        return f"attention ignores the order of tokens: {letters} token counts and the last token decide the logits"

    @property
    def semantics(self) -> str:
        """The arithmetics that a claim is about."""
        return f"real arithmetic and in float64{' and float32' * (self.unit_roundoff > ball.FLOAT64)} as executed"

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
        comparison = _Comparison(self, program)
        try:
            comparison.run()
        except _LateError:
            comparison.stopped = f"stopped by the time limit of {self.seconds:g} s at length {comparison.reached + 1}"
        except (UncountableError, DomainError) as error:
            comparison.stopped = str(error)
        return comparison.examined(time.perf_counter() - self._started)

    def claims(self, found: Examined) -> tuple[Claim, ...]:
        """What is proved by ``found``: nothing, or equality up to the length ``found.equal``."""
        if found.equal < self.domain.min_length or not self.domain.up_to(found.equal).size():
            return ()
        domain, census = self.domain.up_to(found.equal), self._census
        boxes = f", {census.boxes:,} boxes of counts" if census.boxes else ""
        method = f"{self.method}; {found.classes:,} classes{boxes}, margins of at least {census.margin:.3g}"
        detail = ball.KERNEL_ASSUMPTION
        if found.equal + len(self.circuit.prefix) > self._trained:
            detail += f" Prompts longer than the {self._trained} tokens of the network's file are the same formula."
        if len(census.seen) == 1:
            detail += f" Every sequence has the label {self.circuit.labels[min(census.seen)]!r}."
        return (
            Claim(
                Rung.BOUNDED,
                f"circuit {self.circuit.name}",
                self.semantics,
                domain,
                method,
                domain.size(),
                found.seconds,
                detail,
            ),
        )

    def label(self, sequence: Words) -> str | None:
        """The label of one sequence, by executing the network on it; None where it has none."""
        tokens = np.array(self.domain.indices(sequence), np.int8).reshape(1, -1)
        index = int(label_sequences(self.circuit, tokens, unit_roundoff=self.unit_roundoff).labels[0])
        return None if index == UNDECIDED else self.circuit.labels[index]

    def check_time(self) -> None:
        """Raise when the seconds of this check are spent."""
        if self.seconds is not None and time.perf_counter() - self._started > self.seconds:
            raise _LateError

    def labels(self, codes: Ints, plane: int, last: int, length: int) -> Ints:
        """Label indices (classes,) of sorted class codes, UNDECIDED where there is none."""
        vectors = codes % plane
        asked = vectors if codes[-1] < plane else unique(vectors)
        labels = self._census.labels(asked, last, length, self.check_time)
        return labels.astype(np.int64) if asked is vectors else labels[np.searchsorted(asked, vectors)].astype(np.int64)


class _Comparison:
    """One program against one circuit, in progress."""

    def __init__(self, verifier: CountingVerifier, program: Program) -> None:
        self._verifier, self._program = verifier, program
        self.equal = self.reached = verifier.domain.min_length - 1
        self.broken: Counterexample | None = None
        self.undecided: Words | None = None
        self.undecided_classes = self.classes = 0
        self.stopped = ""

    def examined(self, seconds: float) -> Examined:
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

    def run(self) -> None:
        """Compare every class, shortest first, until something ends it."""
        if self._verifier.domain.min_length == 0:
            self._compare_empty()
            if self.broken or self.stopped:
                return
            self._finish(0)
        for levels in self._levels():
            for classes, level in levels:
                for token, codes in level.ends.items():
                    self._verifier.check_time()
                    if len(codes) and not self.broken and not self.stopped:
                        self._compare(classes, codes, token, level.length)
            if self.broken or self.stopped:
                return
            self._finish(levels[0][1].length)

    def _levels(self) -> Iterator[list[tuple[Classes, Level]]]:
        """Every length once, with its classes; where folds ask for the last token, one set of classes for each."""
        folded, domain = Folded(self._program), self._verifier.domain
        lasts = range(len(domain.alphabet)) if folded.asks_last else [None]
        every = [Classes(domain, folded, last) for last in lasts]
        for levels in zip(*(classes.levels() for classes in every), strict=True):
            yield list(zip(every, levels, strict=True))

    def _compare(self, classes: Classes, codes: Ints, token: int, length: int) -> None:
        labels = self._verifier.labels(codes, classes.plane, token, length)
        answers = classes.answers(codes, token, length)
        self.classes += len(codes)
        undecided = codes[labels == UNDECIDED]
        self.undecided_classes += len(undecided)
        if len(undecided) and self.undecided is None:
            self.undecided = classes.word(int(undecided[0]), token, length)
        for code in codes[(labels != UNDECIDED) & (answers != labels)]:
            self._replay(classes.word(int(code), token, length))
            if self.broken or self.stopped:
                return

    def _compare_empty(self) -> None:
        """The empty sequence, if it belongs to the domain: its last token is that of the prefix."""
        if not self._verifier.domain.contains(()):
            return
        (label,) = self._verifier.labels(np.zeros(1, np.int64), 1, len(self._verifier.domain.alphabet), 0)
        self.classes += 1
        if label == UNDECIDED:
            self.undecided, self.undecided_classes = (), 1
        elif self._program(()) != self._verifier.circuit.labels[label]:
            self._replay(())

    def _replay(self, sequence: Words) -> None:
        """Run program and network on a sequence where they should differ."""
        expected, got = self._verifier.label(sequence), self._program(sequence)
        if expected is None:
            self.undecided = sequence if self.undecided is None else self.undecided
            self.undecided_classes += 1
        elif expected != got:
            self.broken = Counterexample(sequence, expected, got)
        else:
            self.stopped = f"counting and execution disagree on {' '.join(sequence)!r}, so nothing beyond is claimed"

    def _finish(self, length: int) -> None:
        """Note that every class of ``length`` was compared and none is wrong."""
        self.reached = length
        if self.undecided is None:
            self.equal = length


def lengthened(circuit: Circuit, domain: Domain) -> Circuit:
    """``circuit`` on ``domain``, with room for its longest sequence; needs a network without positions."""
    assert not circuit.network.config.positions
    config = circuit.network.config
    room = max(config.block_size, domain.lengths[-1] + len(circuit.prefix))
    network = replace(circuit.network, config=replace(config, block_size=room))
    return replace(circuit, domain=domain, network=network)
