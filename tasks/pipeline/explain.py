"""Any loaded network in, a proved program out, or the shortest one with its complete list of exceptions.

    network --(bounds on every sequence)--> labels --(enumerate programs, compare everywhere)--> program = network
                                                                                  \\-> a short rule, its exceptions,
                                                                                      and a region that holds them all

The claim is of the rung "enumerated": every sequence of the domain was visited, the network with a rigorous bound. A
black box is visited too, without one, and its rung is "tested". Where a domain is too large for that, or for the time
there is, the part of it that can be listed is explained, and the result followed through all of it where the network's
structure allows (``farther``): the rung is "bounded". Shipped circuits go a longer way (``distillation``).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from cegis import Budget, Counterexample, Differs, Domain, DomainError, Found, Outcome, Program, Round, Stopped
from cegis.claim import counted, least_margin
from cegis.loop import Loop
from dsl.enumerator import Enumerator
from tasks.formats import Loaded
from tasks.networks.sparse_transformer import NetworkError
from tasks.networks.transformer import Transformer
from tasks.pipeline.approximate import USEFUL, Rule, region, rule
from tasks.pipeline.extend import Farther, farther, followed
from tasks.pipeline.labels import Subject
from tasks.pipeline.state_merging import machine_program
from tasks.proofs.enumeration import (
    FIRST,
    ROUNDOFF,
    Enumeration,
    Semantics,
    enumerate_domain,
    enumerate_within,
    shortened,
)
from tasks.proofs.select import beyond_listing

MOST_SEQUENCES = 2_000_000
USUAL_SEQUENCES = 200_000  # of the domain that is taken where the caller names none
FEW_SEQUENCES = 20_000  # of those that a program is searched on, to be followed farther
USUAL_MARGIN = 1e-4  # what a compiled network leaves where it was given no answer is smaller
LISTING, SEARCHING = 0.4, 0.5  # of the time there is, and of what is then left: at most so much of it
LISTING_ALONE = 0.6  # where nothing is known beyond what is listed
LONG = 12  # operators of a program beside which a shorter rule is looked for
READABLE = 24  # operators of one beside which another grammar is tried


@dataclass(frozen=True)
class Step:
    """What a step established, and its cost in seconds of wall clock and of this process's CPU."""

    name: str
    text: str
    seconds: float
    cpu_seconds: float


@dataclass(frozen=True)
class Explanation:
    """What is known of ``loaded`` on ``domain``. ``rule`` is given where no short program is exact.

    Where ``domain`` is only the part of what was ``asked`` that was listed, ``farther`` is what is known of all of it,
    or ``ended`` says why no more is known.
    """

    loaded: Loaded
    asked: Domain
    domain: Domain
    subject: Subject
    outcome: Outcome
    rule: Rule | None
    steps: tuple[Step, ...]
    notes: tuple[str, ...]
    farther: Farther | None = None
    ended: str = ""

    @property
    def program(self) -> Program | None:
        """The program found, or the best one."""
        if self.farther is not None and self.farther.where is None:
            return self.farther.program
        match self.outcome:
            case Found(program=program) | Differs(program=program) | Stopped(program=program):
                return program
        return None

    @property
    def exceptions(self) -> tuple[Counterexample, ...]:
        """Where ``program`` and network differ."""
        return self.outcome.exceptions if isinstance(self.outcome, Differs) else ()

    @property
    def is_exact(self) -> bool:
        """Whether the program is the network's answer wherever there is one."""
        return isinstance(self.outcome, Found)

    @property
    def is_proved(self) -> bool:
        """Whether it is proved, and every input of the domain that was asked for has an answer."""
        if self.farther is not None:
            return self.farther.is_proved
        if self.ended:
            return False
        return self.is_exact and self.subject.enumeration.is_bounded and not self.subject.undecided


@dataclass
class _Clock:
    """Steps as they end."""

    on_step: Callable[[Step], None]
    steps: list[Step]

    def __post_init__(self) -> None:
        self.wall, self.cpu = time.perf_counter(), time.process_time()

    def done(self, name: str, text: str) -> None:
        """A step that began when the last one ended."""
        wall, cpu = time.perf_counter(), time.process_time()
        self.steps.append(Step(name, text, wall - self.wall, cpu - self.cpu))
        self.on_step(self.steps[-1])
        self.wall, self.cpu = wall, cpu


def explain(
    loaded: Loaded,
    domain: Domain | None = None,
    *,
    semantics: Semantics | None = None,
    margin: float = USUAL_MARGIN,
    seconds: float = 60.0,
    seed: int = 0,
    on_step: Callable[[Step], None] = lambda step: None,
    on_round: Callable[[Round], None] = lambda event: None,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Explanation:
    """Explain ``loaded`` on ``domain`` in about ``seconds`` (wall clock).

    Default: its own domain, as far as it can be listed. Labels with a guaranteed margin below ``margin`` count as
    none. ``semantics`` None takes the strongest that decides no less than real arithmetic does. Raises DomainError and
    NetworkError.
    """
    deadline = time.perf_counter() + seconds
    clock = _Clock(on_step, [])
    way = beyond_listing(loaded, ROUNDOFF[semantics or "real"])
    hindered = way if isinstance(way, str) else None
    part = usual_domain(loaded) if domain is None else _listed(loaded, domain, hindered)
    share = LISTING_ALONE if hindered else LISTING
    subject, notes = _label(loaded, part, semantics, margin, share * seconds, on_progress)
    part, way = subject.enumeration.domain, beyond_listing(loaded, ROUNDOFF[subject.enumeration.semantics])
    hindered = way if isinstance(way, str) else None
    asked = domain or part
    clock.done("network run", _described(subject))
    outcome = _search(subject, SEARCHING * _left(deadline), seed, on_round)
    clock.done("search", f"{outcome.statistics.rounds} rounds, {outcome.statistics.candidates:,} candidates")
    is_learned = False
    if not isinstance(outcome, Found) and not subject.is_placed:
        outcome = machine_program(subject, outcome)
        is_learned = isinstance(outcome, Found)
        clock.done("automaton", "exact" if is_learned else "none that is small")
    found = None
    if is_learned or not isinstance(outcome, Found) or outcome.program.size > LONG:
        left = (SEARCHING if asked != part else 1.0) * _left(deadline)
        found = _rule(subject, outcome, is_learned, left, seed)
        clock.done("short rule", "none" if found is None else f"{len(found.exceptions):,} exceptions")
    far, ended = None, ""
    if asked != part and not subject.is_placed:
        candidate = outcome.program if isinstance(outcome, Found) else None
        follow = farther if semantics is None else followed
        told: dict[str, Any] = {"seed": seed, "on_round": on_round, "on_length": on_progress}
        far = follow(subject, asked, candidate, found, seconds=_left(deadline), **told)
        ended = "no program to be followed" if far is None else ""
        clock.done("falsifying" if isinstance(way, str) else way.value, ended if far is None else far.sentence)
        notes += (f"longer sequences were tried, not proved: {_ended(part, asked, hindered)}",) if hindered else ()
        notes += (far.note,) if far is not None and far.note else ()
    elif asked != part:
        ended = _ended(part, asked, hindered or "")
    return Explanation(loaded, asked, part, subject, outcome, found, tuple(clock.steps), notes, far, ended)


def _left(deadline: float) -> float:
    """The seconds until then, but some."""
    return max(0.1, deadline - time.perf_counter())


def _listed(loaded: Loaded, domain: Domain, hindered: str | None) -> Domain:
    """The part of ``domain`` that is listed: all of it, or of one that is too large a small part to begin with."""
    if domain.size() <= MOST_SEQUENCES:
        return domain
    part = shortened(domain, MOST_SEQUENCES if hindered else FEW_SEQUENCES)
    if part.size() > MOST_SEQUENCES:
        raise DomainError(
            f"{loaded.name}: {counted(part.size())} sequences of length {part.max_length}, the shortest asked for, are "
            f"too many to list (limit {MOST_SEQUENCES:,}), and programs are searched on what is listed; begin with a "
            "shorter length"
        )
    return part


def _ended(part: Domain, asked: Domain, hindered: str) -> str:
    """Why nothing is known beyond ``part``."""
    is_late = shortened(asked, MOST_SEQUENCES) != part
    why = "listing ended by the time limit" if is_late else f"listing ends at {MOST_SEQUENCES:,} sequences"
    return f"{why}, and they cannot be taken together ({hindered})"


def usual_domain(loaded: Loaded) -> Domain:
    """The network's own domain, up to the largest length that has at most ``USUAL_SEQUENCES`` sequences."""
    return shortened(loaded.domain, USUAL_SEQUENCES)


def _label(
    loaded: Loaded,
    domain: Domain,
    semantics: Semantics | None,
    margin: float,
    seconds: float,
    on_progress: Callable[[int, int], None],
) -> tuple[Subject, tuple[str, ...]]:
    """The labels as far as ``seconds`` allow, in the strongest semantics that loses none, and what to say of others."""
    deadline, network = time.perf_counter() + seconds, loaded.network
    is_float32 = semantics is None and isinstance(network, Transformer) and network.dtype == "float32"
    first = "float64" if is_float32 else semantics
    labels = enumerate_within(loaded, domain, seconds, semantics=first, on_progress=on_progress)
    subject = Subject.of(labels, margin)
    if not is_float32:
        return subject, loaded.notes
    few = enumerate_domain(loaded, shortened(labels.domain, FIRST), semantics="float32")
    if few.seconds * labels.size > _left(deadline) * few.size:
        return subject, (
            *loaded.notes,
            "float32 execution was not bounded in time; ask for it with --semantics float32",
        )
    stronger = enumerate_domain(loaded, labels.domain, semantics="float32", on_progress=on_progress)
    kept = 0
    with suppress(NetworkError):  # no label at all
        strong = Subject.of(stronger, margin)
        if strong.size == subject.size:
            return strong, loaded.notes
        kept = strong.size
    said = f"in float32 as executed, rounding is bounded well enough for {kept:,} of the {subject.size:,} labels"
    return subject, (*loaded.notes, said)


def _search(subject: Subject, seconds: float, seed: int, on_round: Callable[[Round], None]) -> Outcome:
    """The shortest exact program, of the first grammar where that has one to be read, else of all; or no such one."""
    outcome: Outcome | None = None
    found: Found | None = None
    for left, grammar in zip(range(len(subject.grammars), 0, -1), subject.grammars, strict=True):
        start = time.perf_counter()
        loop = Loop(Enumerator(grammar, seed=seed), subject, Budget(seconds=max(seconds / left, 0.1)), on_round)
        outcome = loop.run([subject.first()])
        seconds -= time.perf_counter() - start
        if isinstance(outcome, Found) and (found is None or outcome.program.size < found.program.size):
            found = outcome
        if found is not None and found.program.size <= READABLE:
            break
    assert outcome is not None
    return outcome if found is None else replace(found, program=Program(found.program.term, subject.grammar))


def _rule(subject: Subject, outcome: Outcome, is_learned: bool, seconds: float, seed: int) -> Rule | None:
    """A rule, if need be the best program that was found, should it be wrong on few inputs.

    Beside an exact program that was not learned only one half as long, which is wrong on one input in a hundred.
    """
    program = rule(subject, seconds=seconds / 2, seed=seed)
    if program is None and isinstance(outcome, Differs) and len(outcome.exceptions) <= USEFUL * subject.size:
        program = outcome.program
    if program is None:
        return None
    exceptions = subject.exceptions(program)
    is_short = isinstance(outcome, Found) and program.size <= outcome.program.size // 2
    if isinstance(outcome, Found) and not is_learned and not (is_short and len(exceptions) <= 0.01 * subject.size):
        return None
    return Rule(program, exceptions, region(subject, program, seconds=seconds / 2, seed=seed))


def _described(subject: Subject) -> str:
    enumeration: Enumeration = subject.enumeration
    what = "sequences and places" if subject.is_placed else "sequences"
    least = f"{least_margin(subject.least_margin, enumeration.is_bounded)}, error bound {enumeration.radius:.1e}"
    without = f"; {subject.undecided:,} without a label (a tie, or a smaller margin)" if subject.undecided else ""
    only = f"; only one label occurs, {subject.names[0]!r}" if len(subject.names) == 1 else ""
    rows = f"{enumeration.classes:,} distinct computations"
    return f"{subject.size:,} {what} with a label, {len(subject.names)} labels, {rows}; {least}{without}{only}"
