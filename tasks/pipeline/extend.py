"""Programs for sequences far longer than can be listed: searched on what can be, proved on all of it.

    short lengths  --(labels of every sequence)-->      candidates that are right there         (``labels``)
    candidate      --(sets of sequences, up to N)-->    holds up to N, or breaks at a sequence  (``proofs.select``)
    where sets cannot be bounded: each sequence, while there are few enough; a genetic search, which proves nothing else
    a sequence that breaks it goes back to the search, like any counterexample; then weights of counts are fitted

Both together are one verifier for the loop. Where no program holds up to N, the one that held longest is kept, with
the sequence that breaks it: its exact horizon.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from math import inf

import numpy as np

from cegis import Budget, Claim, Counterexample, Domain, Program, Unknown, Valid, Verdict
from cegis.loop import Loop
from dsl.enumerator import Enumerator
from dsl.grammars.motifs import multiplied
from dsl.showing import brief
from tasks.formats import Loaded, model_of
from tasks.networks.circuit import Circuit
from tasks.pipeline.approximate import NAMES, Rule
from tasks.pipeline.functions import is_run, qualified
from tasks.pipeline.labels import LabelTable, length_of
from tasks.pipeline.linear_thresholds import threshold_program
from tasks.pipeline.reading import reading
from tasks.pipeline.steps import SILENT, Clock, Observer
from tasks.proofs import recurrent_lengths
from tasks.proofs.all_lengths import all_lengths
from tasks.proofs.counting import CountingVerifier
from tasks.proofs.enumeration import MAX_SEQUENCES, ROUNDOFF, Semantics
from tasks.proofs.genetic_search import Falsifier
from tasks.proofs.listing import ListingVerifier
from tasks.proofs.select import VERIFIERS, Method, Way, beyond_listing, choose, reason_of, verifier
from tasks.proofs.verifier import Cause, Extent, StopReason, Verifier

SEARCHING, SPREADING = 0.8, 0.2  # of what is then left, for the loop, and for the labels that it begins with
SPREAD = 24  # lengths, of each of which the search is shown a sequence at once
FITTED = 64  # the length up to which weights of counts are fitted, or a half of it, and so on
TAIL = 64  # lengths that are compared one by one before all longer ones at once
PROVING = 0.8  # of the time there is; where it does not suffice, the rest is for a genetic search
FEW = 200_000  # sequences that are sooner listed than thought about
SMALL = 24  # operators of a program that is always short enough
LENGTHIER = 2  # times as much to read: no program beyond is looked for, none is kept that breaks as well, only later
RUN = "a function that is run is compared sequence by sequence"
LISTED = "all sequences that were asked for are listed"
WRONG = "the program is wrong on a sequence that was listed"
LONGER = "longer lengths"  # what is not applied where nothing is known beyond the listed part


@dataclass(frozen=True)
class Extension:
    """How far ``program`` equals the network in the ``domain`` that was asked for: see ``Extent``.

    Only where ``where`` says ``right``, if it is given. ``method``: how sequences were gone through, and why so.
    ``note``: what holds in a stronger arithmetic. ``tail``: the claim for every length, or why there is none; empty
    where it was not tried.
    """

    domain: Domain
    program: Program
    where: Program | None
    found: Extent
    method: Method
    note: str = ""
    tail: Claim | str = ""

    __repr__ = brief

    @property
    def is_proved(self) -> bool:
        """Whether program and network are equal on all of the domain."""
        proofs = [claim for claim in self.found.claims if claim.rung.is_proof]
        return bool(proofs) and self.where is None and self.found.equal_up_to == self.domain.max_length

    @property
    def claims(self) -> tuple[Claim, ...]:
        """What is established, for every length last."""
        return (*self.found.claims, *((self.tail,) if isinstance(self.tail, Claim) else ()))

    @property
    def sentence(self) -> str:
        """How far it holds, and what ends it."""
        found, limits = self.found, " (where the region allows it)" if self.where else ""
        is_listed = self.where is not None and found.equal_up_to >= self.domain.min_length
        is_known = found.claims or is_listed
        held = f"holds up to length {found.equal_up_to}{limits}" if is_known else "is proved at no length"
        if found.counterexample is not None:
            broken = found.counterexample
            length, sequence = len(broken.sequence), " ".join(broken.sequence)
            between = "; lengths between are open" if found.claims and length > found.equal_up_to + 1 else ""
            between += f" ({found.stopped})" if between and found.stopped else ""
            said = f"{sequence!r} is {broken.got!r} to it and {broken.expected!r} to the network"
            return f"{held}; breaks at length {length}: {said}{between}"
        return f"{held}; {found.stopped}" if found.stopped else held


class _TooLongError(Exception):
    """A program that nobody reads."""


@dataclass
class _Longer:
    """Right on the labels of ``table`` and on everything that ``beyond`` looks at; a verifier for the loop."""

    table: LabelTable
    beyond: Verifier
    known: int | None  # up to which length every sequence has a label in ``table``
    best: tuple[Program, Extent]  # the program that held longest
    deadline: float = inf  # by ``time.perf_counter``
    longest: int | None = None  # operators of a program that anybody reads

    def check(self, program: Program) -> Verdict:
        """The verdict of ``table`` where it is a counterexample, else that of ``beyond``.

        Raises _TooLongError where the search has come to programs that nobody reads.
        """
        if self.longest is not None and program.size > self.longest:
            raise _TooLongError
        program = replace(program, term=multiplied(program.term))  # 2 * (3 * x) is written 6 * x
        short = self.table.check(program)
        if isinstance(short, Counterexample):
            return short
        left = self.deadline - time.perf_counter()
        self.beyond.seconds = None if left == inf else max(left / 2, 0.01)  # or one program takes it all
        found = self.beyond.examine(program, known=self.known)
        best, is_whole = self.best[1], found.counterexample is None and not found.is_late
        if found.equal_up_to > best.equal_up_to or (best.counterexample is not None and is_whole):
            self.best = program, _listed(self.table, found, short)
        if found.counterexample is None:
            claims = found.claims
            return Unknown(found.stopped.text, claims) if found.stopped else Valid((*short.claims, *claims))
        if found.counterexample.expected not in self.table.names:
            return Unknown(
                f"the network says {found.counterexample.expected!r} there, as it never does up to length {self.short}"
            )
        return found.counterexample

    @property
    def short(self) -> int:
        """The length up to which ``table`` has labels."""
        return self.table.domain.lengths[-1]


@dataclass(frozen=True)
class Extending:
    """An extension of what is known on ``table`` to ``domain``, in the arithmetic of the labels and the time left.

    ``candidates`` are right on ``table``, the better one first; where there is none, ``rule`` is followed where its
    region says that it is right. With ``keeps`` a candidate may be wrong, and no other program is looked for.
    """

    table: LabelTable
    domain: Domain
    candidates: tuple[Program, ...]
    rule: Rule | None
    clock: Clock
    seed: int = 0
    observer: Observer = SILENT
    keeps: bool = False
    is_right: bool = False  # the kept candidate, on the table

    @property
    def model(self) -> Loaded:
        """The network that is distilled, on the listed domain."""
        return self.table.enumeration.loaded

    @property
    def known(self) -> int | None:
        """Up to which length every sequence has its label in the table."""
        is_open = bool(self.table.undecided) or (self.keeps and not self.is_right)
        return None if is_open else self.table.domain.max_length

    @property
    def why_nothing(self) -> str:
        """Why nothing is known of longer sequences."""
        if self.table.is_placed:
            return "labels of every place are listed, and not compared beyond that"
        return "there is no program to be followed"

    def way(self, with_regions: bool) -> Way | str:
        """The way to compare more than can be listed, or why there is none."""
        return beyond_listing(self.model, ROUNDOFF[self.table.enumeration.semantics], with_regions=with_regions)

    @property
    def not_applied(self) -> dict[str, str]:
        """What does not apply to the network, and why."""
        way = self.way(False)
        return {} if isinstance(way, Way) else {"bounds on sets of sequences": way}

    def verifier(self, kind: type[Verifier], seconds: float) -> Verifier:
        """A verifier of this kind for all of the domain."""
        made = kind(
            self.model,
            self.domain,
            self.table.enumeration.semantics,
            seconds,
            self.observer.on_length,
            self.table.margin,
        )
        made.listed_margin = self.table.least_margin
        return made

    def best(self) -> Extension | None:
        """What is known of the candidate that holds longest, or of a better program, or of the rule."""
        candidates = self.candidates
        if self.table.is_placed:
            return None
        if not candidates and (self.rule is None or self.rule.where is None):
            return None
        way = RUN if any(map(is_run, candidates)) else self.way(not candidates)
        if self.keeps and not isinstance(way, Way) and (broken := self._broken(candidates[0])) is not None:
            return self._done(broken)
        kind, method = self._kind(way)
        by = self.verifier(kind, (1.0 if kind is Falsifier else PROVING) * self.clock.left)
        if not candidates:
            assert self.rule is not None
            assert self.rule.where is not None
            where = self.rule.where.program
            found = self._examined(by, self.rule.program, where, NAMES[0])
            return self._done(Extension(self.domain, self.rule.program, where, found, method))
        best: tuple[Program, Extent] | None = None
        for program in candidates:
            found = _listed(self.table, self._examined(by, program), self.table.check(program))
            if best is None or found.equal_up_to > best[1].equal_up_to:
                best = program, found
            if (found.counterexample is None and found.stopped is None) or not self.clock.has_time:
                break
        assert best is not None
        best = best[0], replace(best[1], claims=tuple(qualified(claim, best[0]) for claim in best[1].claims))
        is_ended = best[1].stopped is not None  # by the network, which leaves a sequence without a label, or the time
        if best[1].counterexample is not None and not is_ended and self.clock.has_time and not self.keeps:
            self._done(Extension(self.domain, best[0], None, best[1], method))
            best = self._further(by, best)
        return self._whole(self._done(Extension(self.domain, best[0], None, best[1], method)), by)

    def _broken(self, program: Program) -> Extension | None:
        """How far a program holds that is wrong on what was listed; None where that is not known, or it is not."""
        short = self.table.check(program)
        if not isinstance(short, Counterexample) or is_run(program):
            return None
        reach, least = length_of(short.inputs) - 1, self.domain.min_length
        found = Extent(least - 1, short, None, ())
        if reach >= least:
            right = self.table.up_to(reach)
            if right.undecided:
                return None
            found = _listed(right, found, right.check(program))
        return Extension(self.domain, program, None, found, Method(Way.ENUMERATION, WRONG, self.domain.lengths[-1]))

    def _kind(self, way: Way | str) -> tuple[type[Verifier], Method]:
        longest = self.domain.lengths[-1]
        if isinstance(way, Way):
            return VERIFIERS[way], Method(way, f"{reason_of(way)}, and there are too many sequences to list", longest)
        is_listed = not self.model.is_black_box and self.domain.size() <= MAX_SEQUENCES
        kind: type[Verifier] = ListingVerifier if is_listed else Falsifier
        return kind, Method(Way.ENUMERATION if is_listed else Way.SEARCH, way, longest)

    def _done(self, extension: Extension) -> Extension:
        self.clock.done(extension.method.way.value, f"the program {extension.sentence}")
        return extension

    def _examined(self, by: Verifier, program: Program, where: Program | None = None, inside: str = "") -> Extent:
        """What ``by`` finds, and where its time ended, what a genetic search finds beyond."""
        found = by.examine(program, where, inside, self.known)
        if not found.is_late or not self.clock.has_time or isinstance(by, Falsifier):
            return found
        tried = self.verifier(Falsifier, self.clock.left).examine(program, where, inside, found.equal_up_to)
        text = "; ".join(str(reason) for reason in (found.stopped, tried.stopped) if reason is not None)
        return replace(found, counterexample=tried.counterexample, stopped=StopReason(Cause.TIME, text))

    def _further(self, by: Verifier, first: tuple[Program, Extent]) -> tuple[Program, Extent]:
        """A program that holds longer than ``first``, which breaks: by the loop, else by fitted weights of counts."""
        longest = max(LENGTHIER * first[0].size, SMALL)
        extending = _Longer(self.table, by, self.known, first, time.perf_counter() + self.clock.left, longest)
        budget = Budget(seconds=max(SEARCHING * self.clock.left, 0.1))
        search = Enumerator(self.table.followed, seed=self.seed)
        loop = Loop(search, extending, budget, self.observer.on_round)
        with suppress(KeyboardInterrupt):
            with suppress(_TooLongError):
                end = time.perf_counter() + SPREADING * self.clock.left
                loop.run([self.table.first(), *spread(by, self.table.names, self.seed, end)])
            if extending.best[1].counterexample is not None and isinstance(by, CountingVerifier):
                extending.longest = None  # one comparison, however many weights it has
                _fit_weights(extending, by)
        self.clock.done("search", f"{len(loop.tried)} rounds, longer sequences among the examples")
        program, found = extending.best
        is_late = found.counterexample is not None and reading(program) > LENGTHIER * reading(first[0])
        return first if is_late else extending.best

    def _whole(self, extension: Extension, by: Verifier) -> Extension:
        """With the claim for every length, where all of the domain is proved in a way that may go on, in time."""
        has_tail = isinstance(by, CountingVerifier) or recurrent_lengths.applies(self.model)
        if not (extension.is_proved and has_tail and self.clock.has_time):
            return extension
        try:
            tail = all_lengths(by.model, extension.program, longest=TAIL, seconds=self.clock.left)
        except KeyboardInterrupt:
            tail = "interrupted"
        self.clock.done("all lengths", f"not proved: {tail}" if isinstance(tail, str) else "proved")
        return replace(extension, tail=tail)


def endless(table: LabelTable, program: Program, claims: tuple[Claim, ...], clock: Clock) -> Extension | None:
    """What is known of every length, where all that was asked is listed and ``claims`` say that it is proved.

    None where the network is none for which a method is meant.
    """
    model, domain = table.enumeration.loaded, table.domain
    is_whole = bool(claims) and not table.undecided and not is_run(program)
    if not (is_whole and recurrent_lengths.applies(model) and clock.has_time):
        return None
    try:
        tail = all_lengths(model, program, seconds=clock.left)
    except KeyboardInterrupt:
        tail = "interrupted"
    clock.done("all lengths", f"not proved: {tail}" if isinstance(tail, str) else "proved")
    longest = domain.lengths[-1]
    found = Extent(longest, None, None, claims)
    return Extension(domain, program, None, found, Method(Way.ENUMERATION, LISTED, longest), tail=tail)


def extended(run: Extending, *, is_free: bool) -> Extension | None:
    """How far one of the candidates, or another program, holds in the domain; None where there is none.

    Where a label is lost to the rounding of float32, float64 is tried as well if ``is_free``.
    """
    found = run.best()
    stopped = None if found is None else found.found.stopped
    is_lost = stopped is not None and stopped.cause == Cause.NO_LABEL
    if found is None or not (is_free and is_lost and run.table.is_float32 and run.clock.has_time):
        return found
    candidates = run.candidates if found.where is not None else (found.program,)
    other = replace(run, table=run.table.in_float64, candidates=candidates).best()
    if other is None or (other.found.equal_up_to <= found.found.equal_up_to and other.found.counterexample is None):
        return found
    return replace(other, note=f"in float32 as executed it {found.sentence}")


def followed(
    network: Circuit | Loaded,
    program: Program,
    *,
    longest: int = 256,
    seconds: float | None = None,
    semantics: Semantics | None = None,
    on_length: Callable[[int, int], None] = lambda length, longest: None,
) -> Extension:
    """How long ``program`` holds among lengths up to ``longest``, in about ``seconds``; nothing is known beforehand.

    An interrupt keeps what was proved. Raises DomainError for a ``longest`` below the network's shortest sequence, or
    far beyond what can be counted.
    """
    model = model_of(network)
    method = choose(model, longest, most=FEW, semantics=semantics)
    by = verifier(model, method, method.longest, semantics=semantics, seconds=seconds, on_length=on_length)
    return Extension(by.domain, program, None, by.examine(program), method)


def _fit_weights(extending: _Longer, beyond: CountingVerifier) -> None:
    """Try comparisons of weighted counts, fitted up to a length, to half of it, and so on."""
    grammar, reach = extending.table.grammar, min(beyond.domain.lengths[-1], FITTED)
    while reach > extending.best[1].equal_up_to and time.perf_counter() < extending.deadline:
        part = CountingVerifier(beyond.model, beyond.domain.up_to(reach), beyond.semantics, least=beyond.least)
        found = threshold_program(part, grammar)
        if found is not None:
            extending.check(found)
            return
        reach //= 2


def spread(
    beyond: Verifier, names: tuple[str, ...], seed: int, deadline: float = np.inf
) -> list[tuple[tuple[str, ...], str]]:
    """A random sequence of some lengths, with its label, so that the search need not learn them one by one.

    None more behind the ``deadline`` (by ``time.perf_counter``).
    """
    domain, random, found = beyond.domain, np.random.default_rng(seed), list[tuple[tuple[str, ...], str]]()
    for length in np.unique(np.geomspace(1, domain.lengths[-1], SPREAD).astype(int)):
        if time.perf_counter() > deadline:
            break
        if length in domain.lengths and domain.count(int(length)):
            sequence = domain.words(domain.sample(int(length), 1, random)[0])
            known = beyond.label(sequence)
            if known is not None and known[0] in names:
                found.append((sequence, known[0]))
    return found


def _listed(table: LabelTable, found: Extent, short: Verdict) -> Extent:
    """``found`` with the claim for what was listed, where it makes none of its own, and with how far that goes."""
    listed = tuple(claim for claim in short.claims if isinstance(claim, Claim)) if isinstance(short, Valid) else ()
    return found if not listed or table.undecided else at_least_known(found, listed, table.domain.lengths[-1])


def at_least_known(found: Extent, claims: tuple[Claim, ...], reach: int) -> Extent:
    """``found`` with ``claims``, which say that the two are equal up to the length ``reach``, where it says less."""
    if found.claims and found.equal_up_to >= reach:
        return found
    return replace(found, claims=claims, equal_up_to=reach)
