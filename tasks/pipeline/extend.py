"""Programs for sequences far longer than can be listed: searched on what can be, proved on all of it.

    short lengths  --(labels of every sequence)-->      candidates that are right there     (``subject``)
    candidate      --(sets of sequences, up to N)-->    holds up to N, or breaks at a sequence   (``methods``)
    where sets cannot be bounded: sequences bred to break it, which prove nothing else   (``falsifying``)
    a sequence that breaks it goes back to the search, like any counterexample

Both together are one verifier for the loop. Where no program holds up to N, the one that held longest is kept, with
the sequence that breaks it: its exact horizon.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from math import inf
from typing import Any

import numpy as np

from cegis import Budget, Claim, Counterexample, Domain, Program, Round, Unknown, Valid, Verdict
from cegis.loop import Loop
from dsl.enumerator import Enumerator
from tasks.pipeline.approximate import NAMES, Rule
from tasks.pipeline.labels import Subject
from tasks.pipeline.linear_thresholds import threshold_program
from tasks.proofs.all_lengths import all_lengths
from tasks.proofs.counting import CountingVerifier
from tasks.proofs.enumeration import ROUNDOFF
from tasks.proofs.genetic_search import Falsifier
from tasks.proofs.select import VERIFIERS, Way, beyond_listing
from tasks.proofs.verifier import Cause, Extent, StopReason, Verifier

SEARCHING = 0.8  # of what is then left, for the loop
SPREAD = 24  # lengths, of each of which the search is shown a sequence at once
FITTED = 64  # the length up to which weights of counts are fitted, or a half of it, and so on
TAIL = 64  # lengths that are compared one by one before all longer ones at once
COVERING = 0.8  # of the time there is; where it does not suffice, the rest is for sequences bred to break the program


@dataclass(frozen=True)
class Farther:
    """How far ``program`` equals the network in the ``domain`` that was asked for: see ``Extent``.

    Only where ``where`` says ``right``, if it is given. ``note``: what holds in a stronger arithmetic. ``tail``: the
    claim for every length, or why there is none; empty where it was not tried.
    """

    domain: Domain
    program: Program
    where: Program | None
    found: Extent
    note: str = ""
    tail: Claim | str = ""

    @property
    def is_proved(self) -> bool:
        """Whether program and network are equal on all of the domain."""
        proofs = [claim for claim in self.found.claims if claim.rung.is_proof]
        return bool(proofs) and self.where is None and self.found.equal_up_to == self.domain.max_length

    @property
    def sentence(self) -> str:
        """How far it holds, and what ends it."""
        found, limits = self.found, " (where the region allows it)" if self.where else ""
        is_listed = self.where is not None and found.equal_up_to >= self.domain.min_length
        held = (
            f"holds up to length {found.equal_up_to}{limits}" if found.claims or is_listed else "is proved at no length"
        )
        if found.counterexample is not None:
            sequence, said, got = (
                " ".join(found.counterexample.inputs),
                found.counterexample.expected,
                found.counterexample.got,
            )
            length = len(found.counterexample.inputs)
            between = "; lengths between are open" if found.claims and length > found.equal_up_to + 1 else ""
            breaks = f"breaks at length {length}: {sequence!r} is {got!r} to it and {said!r} to the network"
            return f"{held}; {breaks}{between}"
        return f"{held}; {found.stopped}" if found.stopped else held


@dataclass
class FartherVerifier:
    """Right on the labels of ``subject`` and on everything that ``beyond`` looks at; a verifier for the loop."""

    subject: Subject
    beyond: Verifier
    known: int | None  # up to which length every sequence has a label in ``subject``
    best: tuple[Program, Extent]  # the program that held longest
    deadline: float = inf  # by ``time.perf_counter``

    def check(self, program: Program) -> Verdict:
        """The verdict of ``subject`` where it is a counterexample, else that of ``beyond``."""
        short = self.subject.check(program)
        if isinstance(short, Counterexample):
            return short
        left = self.deadline - time.perf_counter()
        self.beyond.seconds = None if left == inf else max(left / 2, 0.01)  # or one program takes it all
        found = self.beyond.examine(program, known=self.known)
        best, is_whole = self.best[1], found.counterexample is None and not found.is_late
        if found.equal_up_to > best.equal_up_to or (best.counterexample is not None and is_whole):
            self.best = program, _listed(found, short)
        if found.counterexample is None:
            claims = found.claims
            return Unknown(found.stopped.text, claims) if found.stopped else Valid((*short.claims, *claims))
        if found.counterexample.expected not in self.subject.names:
            return Unknown(
                f"the network says {found.counterexample.expected!r} there, as it never does up to length {self.short}"
            )
        return found.counterexample

    @property
    def short(self) -> int:
        """The length up to which ``subject`` has labels."""
        return self.subject.enumeration.domain.lengths[-1]


def farther(
    subject: Subject, domain: Domain, program: Program | None, rule: Rule | None, *, seconds: float, **told: Any
) -> Farther | None:
    """How far ``program``, which is right on ``subject``, or another one holds in ``domain``; about ``seconds`` in all.

    Where there is none, ``rule`` is followed where its region says that it is right. None where there is neither.
    Where a label is lost to the rounding of float32, float64 is tried as well. ``told``: as ``followed`` takes it.
    """
    deadline = time.perf_counter() + seconds
    found = followed(subject, domain, program, rule, seconds=seconds, **told)
    left = deadline - time.perf_counter()
    stopped = None if found is None else found.found.stopped
    is_lost = stopped is not None and stopped.cause == Cause.NO_LABEL
    if found is None or not is_lost or left <= 0 or not subject.is_float32:
        return found
    program = None if program is None else found.program
    other = followed(subject.in_float64, domain, program, rule, seconds=left, **told)
    if other is None or (other.found.equal_up_to <= found.found.equal_up_to and other.found.counterexample is None):
        return found
    return replace(other, note=f"in float32 as executed it {found.sentence}")


def followed(
    subject: Subject,
    domain: Domain,
    program: Program | None,
    rule: Rule | None,
    *,
    seconds: float,
    seed: int = 0,
    on_round: Callable[[Round], None] = lambda event: None,
    on_length: Callable[[int, int], None] = lambda length, longest: None,
) -> Farther | None:
    """``farther``, in the arithmetic that the labels of ``subject`` hold in."""
    enumeration, start = subject.enumeration, time.perf_counter()
    loaded = enumeration.loaded
    asked: dict[str, Any] = {"semantics": enumeration.semantics, "on_length": on_length, "least": subject.margin}
    way = beyond_listing(loaded, ROUNDOFF[enumeration.semantics], with_regions=program is None)
    kind, share = (VERIFIERS[way], COVERING) if isinstance(way, Way) else (Falsifier, 1.0)
    beyond: Verifier = kind(loaded, domain, seconds=share * seconds, **asked)
    beyond.listed_margin = subject.least_margin
    known = None if subject.undecided else enumeration.domain.max_length

    def examined(program: Program, *region: Any) -> Extent:
        found, left = beyond.examine(program, *region, known=known), seconds - (time.perf_counter() - start)
        if not found.is_late or left <= 0:
            return found
        tried = Falsifier(loaded, domain, seconds=left, **asked).examine(program, *region, known=found.equal_up_to)
        text = "; ".join(str(reason) for reason in (found.stopped, tried.stopped) if reason is not None)
        return replace(found, counterexample=tried.counterexample, stopped=StopReason(Cause.TIME, text))

    if program is None:
        if rule is None or rule.where is None:
            return None
        where = rule.where.program
        return Farther(domain, rule.program, where, examined(rule.program, where, NAMES[0]))
    found = _listed(examined(program), subject.check(program))
    best = program, found
    if found.counterexample is not None and seconds > time.perf_counter() - start:
        best = _further(subject, beyond, known, best, start + seconds, seed, on_round)
    return _whole(Farther(domain, best[0], None, best[1]), beyond, start + seconds)


def _further(
    subject: Subject,
    beyond: Verifier,
    known: int | None,
    first: tuple[Program, Extent],
    deadline: float,
    seed: int,
    on_round: Callable[[Round], None],
) -> tuple[Program, Extent]:
    """A program that holds longer than the ``first``, which breaks: by the loop, else by fitted weights of counts."""
    verifier = FartherVerifier(subject, beyond, known, first, deadline)
    budget = Budget(seconds=max(SEARCHING * (deadline - time.perf_counter()), 0.1))
    loop = Loop(Enumerator(subject.grammar, seed=seed), verifier, budget, on_round)
    with suppress(KeyboardInterrupt):
        loop.run([subject.first(), *spread(beyond, subject.names, seed)])
        if verifier.best[1].counterexample is not None and isinstance(beyond, CountingVerifier):
            _fit_weights(verifier, beyond)
    return verifier.best


def _fit_weights(verifier: FartherVerifier, beyond: CountingVerifier) -> None:
    """Try comparisons of weighted counts, fitted up to a length, to half of it, and so on."""
    grammar, reach = verifier.subject.grammar, min(beyond.domain.lengths[-1], FITTED)
    while reach > verifier.best[1].equal_up_to and time.perf_counter() < verifier.deadline:
        part = CountingVerifier(beyond.model, beyond.domain.up_to(reach), beyond.semantics, least=beyond.least)
        found = threshold_program(part, grammar)
        if found is not None:
            verifier.check(found)
            return
        reach //= 2


def _whole(far: Farther, beyond: Verifier, deadline: float) -> Farther:
    """``far`` with the claim for every length, where counting proved all of its domain and there is time left."""
    left = deadline - time.perf_counter()
    if not (far.is_proved and isinstance(beyond, CountingVerifier) and left > 0):
        return far
    try:
        return replace(far, tail=all_lengths(beyond.model, far.program, longest=TAIL, seconds=left))
    except KeyboardInterrupt:
        return replace(far, tail="interrupted")


def spread(beyond: Verifier, names: tuple[str, ...], seed: int) -> list[tuple[tuple[str, ...], str]]:
    """A random sequence of some lengths, with its label, so that the search need not learn them one by one."""
    domain, random, found = beyond.domain, np.random.default_rng(seed), list[tuple[tuple[str, ...], str]]()
    for length in np.unique(np.geomspace(1, domain.lengths[-1], SPREAD).astype(int)):
        if length in domain.lengths and domain.count(int(length)):
            sequence = domain.words(domain.sample(int(length), 1, random)[0])
            known = beyond.label(sequence)
            if known is not None and known[0] in names:
                found.append((sequence, known[0]))
    return found


def _listed(found: Extent, short: Verdict) -> Extent:
    """``found`` with the claim for what was listed, where it makes none of its own."""
    is_right = isinstance(short, Valid) and found.equal_up_to >= short.claims[0].domain.lengths[-1]
    return replace(found, claims=short.claims) if is_right and not found.claims else found
