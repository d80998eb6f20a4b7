"""A program for lengths far beyond what can be listed: distilled at a short length, then followed to a longer one.

    short length  --(enumeration, surrogate, solver)-->  program
    program       --(compare up to N)-->                 holds up to N, or breaks at a sequence
    where it breaks: loop with that comparison as its verifier  -->  a program that holds up to N
                     weights of counts, fitted (``thresholds``) -->  one that holds longer, perhaps
                     else the one that held longest, with the sequence that breaks it

The way of comparing is that of ``methods``. Where attention ignores order, a program that holds up to N is tried for
every length at once as well (``tail``). An interrupt ends the step it meets; what was proved before stays.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace

import numpy as np

from backends import Backend
from cegis import Budget, Claim, Counterexample, Found, Program, Round, Rung, Spec, Unknown, synthesize
from dsl.grammars.motifs import multiplied
from tasks.bounds import ball
from tasks.formats import from_circuit
from tasks.networks.circuit import Circuit
from tasks.networks.quoting import named
from tasks.pipeline.distill import Distillation, Link, distill, first_example, function_name
from tasks.pipeline.horizon import FEW, UNSEEN, Horizon, horizon
from tasks.pipeline.linear_thresholds import threshold_program
from tasks.proofs.all_lengths import all_lengths
from tasks.proofs.circuit_labels import semantics_of
from tasks.proofs.counting import CountingVerifier
from tasks.proofs.enumeration import Semantics
from tasks.proofs.select import Method, Way, choose, listable
from tasks.proofs.select import verifier as verifier_of
from tasks.proofs.verifier import Verifier

Example = tuple[tuple[str, ...], str]

USUAL_LENGTH = 10  # of the short distillation
SEARCH = 0.6  # of the time that is left
AVERAGES = 64  # the length up to which weights of counts are fitted, or a half of it, and so on
LEAST = 1.0  # seconds below which no other program is fitted
SPREAD = 24  # lengths, of each of which the search is shown a sequence at once
TAIL = 64  # lengths that are compared one by one before all longer ones at once


@dataclass(frozen=True)
class Prolonged:
    """What is known of ``program`` up to the length ``asked``: the one that held longest.

    ``short``: the distillation at a short length. its program held up to ``first``. ``method``: how
    longer ones were compared. ``tail``: the claim for all lengths, or why there is none.
    """

    asked: int
    short: Distillation
    method: Method
    program: Program | None
    horizon: Horizon | None
    first: Horizon | None
    tail: Claim | str
    steps: tuple[Link, ...]

    @property
    def circuit(self) -> Circuit:
        return self.short.circuit

    @property
    def is_proved(self) -> bool:
        """Whether program and circuit are equal on every sequence up to the length that was asked for."""
        return self.horizon is not None and self.horizon.length >= self.asked and bool(self.horizon.claims)

    @property
    def claims(self) -> tuple[Claim, ...]:
        """What is proved of the program; the strongest last."""
        tail = (self.tail,) if isinstance(self.tail, Claim) else ()
        return (*(self.horizon.claims if self.horizon else ()), *tail)

    @property
    def source(self) -> str:
        """The program as a Python function, with what was proved as its docstring; empty when there is none."""
        if self.program is None:
            return ""
        known = f"Not proved equal to the circuit {named(self.circuit.name)}."
        if self.horizon is not None and self.horizon.claims:
            known = self.horizon.claims[0].docstring
        return self.program.source(function_name(self.circuit), known)


@dataclass
class _Clock:
    """Steps as they end, and the time that is left."""

    seconds: float
    on_link: Callable[[Link], None]
    steps: list[Link] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.start = self.since = time.perf_counter()

    @property
    def left(self) -> float:
        return max(1e-3, self.start + self.seconds - time.perf_counter())

    def done(self, name: str, text: str) -> None:
        """A step that began when the last one ended."""
        now = time.perf_counter()
        self.steps.append(Link(name, text, now - self.since))
        self.since = now
        self.on_link(self.steps[-1])


def prolong(
    circuit: Circuit,
    backend: Backend,
    *,
    length: int,
    seconds: float = 150.0,
    seed: int = 0,
    unit_roundoff: float = ball.FLOAT32,
    on_link: Callable[[Link], None] = lambda link: None,
    on_round: Callable[[Round[Program]], None] = lambda event: None,
    on_length: Callable[[int, float], None] = lambda length, seconds: None,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
    on_reach: Callable[[int, int], None] = lambda length, reach: None,
) -> Prolonged:
    """Distill ``circuit``, and prove the program up to ``length``, or find how far it holds; about ``seconds`` in all.

    ``on_reach(length, reach)`` is told of every length that was compared, the others as in ``distill``. Raises
    DomainError for a length that no sequence of the circuit has, or far beyond what can be counted.
    """
    method, clock = choose(circuit, length, semantics=semantics_of(unit_roundoff)), _Clock(seconds, on_link)
    usual = listable(circuit, min(length, USUAL_LENGTH, circuit.domain.max_length or USUAL_LENGTH), FEW)
    short_length = max(usual, len(circuit.domain.first() or ()))
    short = distill(
        circuit,
        backend,
        length=short_length,
        seconds=seconds / 2,
        seed=seed,
        unit_roundoff=unit_roundoff,
        on_link=on_link,
        on_round=on_round,
        on_length=on_length,
        on_progress=on_progress,
    )
    clock.steps.extend(link for link in short.chain if link.name not in map(str, Rung))
    proved = ", ".join(str(claim.rung) for claim in short.claims) or "not proved"
    clock.done("short", f"distilled up to length {short_length} ({proved})")
    example = first_example(circuit, short.labelling)
    run = _Run(circuit, method, seed, semantics_of(unit_roundoff), clock, example, on_round, on_reach)
    if short.program is None:
        return Prolonged(length, short, method, None, None, None, "there is no program", tuple(clock.steps))
    first = run.follow(short.program, "the program found")
    program, far = run.further(short.program, first)
    tail = run.tail(program) if method.way == Way.COUNTING and far.length >= length else "it was not tried"
    return Prolonged(length, short, method, program, far, first, tail, tuple(clock.steps))


@dataclass
class _Run:
    """The steps after the short distillation."""

    circuit: Circuit
    method: Method
    seed: int
    semantics: Semantics
    clock: _Clock
    example: Example
    on_round: Callable[[Round[Program]], None]
    on_reach: Callable[[int, int], None]
    is_interrupted: bool = False

    def further(self, program: Program, first: Horizon) -> tuple[Program, Horizon]:
        """The program that holds longest, and up to where: ``program`` with horizon ``first``, or a better one."""
        if first.broken is None or first.stopped:  # the network is what ends it, or the time
            return program, first
        best, claims = self._search(program, first.length)
        if best is None:
            return self._averages(program, first)
        second = self.follow(best, "the best program")
        if second.broken is None and second.length < self.method.longest and claims:  # the time ended too early
            second = replace(second, length=self.method.longest, stopped=UNSEEN, claims=claims)
        if second.length >= self.method.longest:
            return best, second
        return self._averages(*((best, second) if second.length > first.length else (program, first)))

    def tail(self, program: Program) -> Claim | str:
        """The claim for every length, or why there is none."""
        try:
            found = all_lengths(self.circuit, program, longest=TAIL, seconds=self.clock.left)
        except KeyboardInterrupt:
            found = "interrupted"
        said = f"not proved: {found}" if isinstance(found, str) else f"proved, in {found.semantics}"
        self.clock.done("all lengths", said)
        return found

    def follow(self, program: Program, what: str) -> Horizon:
        """How long ``program`` holds; ``what`` is its name in the list of steps."""
        found = horizon(
            self.circuit,
            program,
            longest=self.method.longest,
            seconds=self.clock.left,
            semantics=self.semantics,
            on_length=self.on_reach,
        )
        self.clock.done(self.method.way.value, f"{what} {found.sentence}")
        return found

    def _averages(self, program: Program, first: Horizon) -> tuple[Program, Horizon]:
        """A comparison of weighted counts that holds longer than ``program``, whose horizon is ``first``; or that."""
        reach = min(self.method.longest, AVERAGES) if self.method.way == Way.COUNTING else 0
        with suppress(KeyboardInterrupt):
            while reach > first.length and not self.is_interrupted and self.clock.left > LEAST:
                domain = replace(self.circuit.domain, max_length=reach)
                verifier = CountingVerifier(from_circuit(self.circuit), domain, self.semantics)
                found = threshold_program(verifier, program.grammar)
                if found is not None:
                    self.clock.done("averages", f"weighted counts that are right on every class up to {reach}")
                    second = self.follow(found, "that program")
                    return (found, second) if second.length > first.length else (program, first)
                reach //= 2
        return program, first

    def _search(self, program: Program, least: int) -> tuple[Program | None, tuple[Claim, ...]]:
        """A program that holds up to the longest length, with the claims; else the one that seems to hold longest.

        None where none seems to hold beyond ``least``.
        """
        left, rounds = self.clock.left * SEARCH, list[Round[Program]]()
        verifier = verifier_of(
            self.circuit,
            self.method,
            self.method.longest,
            semantics=self.semantics,
            seconds=left,
            on_length=self.on_reach,
        )

        def noted(event: Round[Program]) -> None:
            rounds.append(event)
            self.on_round(event)

        outcome = None
        with suppress(KeyboardInterrupt):
            outcome = synthesize(
                Spec(verifier.domain, lambda sequence: (verifier.label(sequence) or ("",))[0]),
                program.grammar,
                verifier=verifier,
                examples=(self.example, *_spread(verifier, self.seed)),
                budget=Budget(seconds=left),
                seed=self.seed,
                on_event=noted,
            )
        if isinstance(outcome, Found):
            self.clock.done("search", f"{len(rounds)} rounds, one that holds up to {self.method.longest}")
            return replace(outcome.program, term=multiplied(outcome.program.term)), tuple(
                claim for claim in outcome.claims if isinstance(claim, Claim)
            )
        self.is_interrupted = outcome is None
        ended = getattr(outcome, "reason", "no program of the grammar" if outcome else "interrupted")
        self.clock.done("search", f"{len(rounds)} rounds, none that holds up to {self.method.longest} ({ended})")
        best = max(rounds, key=_held, default=None)
        return best.program if best is not None and _held(best) > least else None, ()


def _spread(verifier: Verifier, seed: int) -> list[Example]:
    """A random sequence of some of the lengths, with its label, so that the search need not learn them one by one."""
    domain, random, found = verifier.domain, np.random.default_rng(seed), list[Example]()
    for length in np.unique(np.geomspace(1, domain.lengths[-1], SPREAD).astype(int)):
        if length in domain.lengths and domain.count(int(length)):
            sequence = domain.words(domain.sample(int(length), 1, random)[0])
            known = verifier.label(sequence)
            if known is not None:
                found.append((sequence, known[0]))
    return found


def _held(event: Round[Program]) -> int:
    """Up to which length a candidate seemed to hold; comparing again decides."""
    match event.verdict:
        case Counterexample(inputs):
            return len(inputs) - 1
        case Unknown(claims=claims):
            return max((c.domain.max_length or 0 for c in claims if isinstance(c, Claim)), default=-1)
    return -1
