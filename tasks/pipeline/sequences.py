"""A network of sequences in, a proved program out: the whole pipeline on one screen.

    network --(bounds on every sequence)--> labels --(automaton; expressions, a solver)--> program
    no exact one:       a short rule, its complete exceptions, and a region that holds them all    (``approximate``)
    longer sequences:   what is exact on the labels is proved on all of the domain, or its exact horizon is found, or
                        another program that holds longer; where nothing grows, every length       (``extend``)

The same for every network: what a step needs of its structure, the step asks itself, and says why it does not apply.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from backends import Backend
from cegis import Claim, Counterexample, Differs, Domain, Found, Outcome, Program, Stopped
from cegis.claim import limits
from dsl.showing import panel_html, words_html
from tasks.formats import Loaded, model_of
from tasks.networks.circuit import Circuit
from tasks.networks.recurrent import Recurrent
from tasks.pipeline import surrogate
from tasks.pipeline.approximate import Rule, approximated, having_a_label
from tasks.pipeline.dependence import Dependence
from tasks.pipeline.extend import LONGER, RUN, Extending, Extension, at_least_known, endless, extended
from tasks.pipeline.functions import RunProgram, how_run
from tasks.pipeline.labels import MOST_SEQUENCES, LabelTable, described, labelled, length_of, listed_part, usual_domain
from tasks.pipeline.languages import Language
from tasks.pipeline.own_programs import OwnProgram
from tasks.pipeline.result import panel, summary
from tasks.pipeline.search import Searched, Tried, answered, compared, exchanged, searched
from tasks.pipeline.steps import SILENT, Clock, Observer, Step
from tasks.proofs.enumeration import ROUNDOFF, Semantics
from tasks.proofs.select import Way, beyond_listing

if TYPE_CHECKING:
    from tasks.surrogates.fitting import Fitted

USUAL_SECONDS = 150.0
INTERRUPTED = "interrupted"
HAVING = 0.15  # of the time that is left, for which inputs have a label
LISTING, SEARCHING = 1 / 3, 0.5  # of the time there is, and of what is then left: at most so much of it
LISTING_ALL = 0.75  # of the time there is, where nothing but listing says anything of longer sequences


@dataclass(frozen=True)
class Distillation:
    """What is known of the network ``model`` on the domain ``asked``, and of the labels of its listed part.

    ``rule``: given where no short program is exact. ``extension``: how far a program holds beyond what was listed,
    where that is less than what was asked, or ``ended`` says why nothing is known. ``not_applied`` says why a step was
    not taken, by name. ``labelled_iff``: where some of what was listed has no label, a program that says which.
    ``dependence``: what decides every label that was listed, the least first; ``tried``: grammars that were searched.
    """

    model: Loaded
    asked: Domain
    labels: LabelTable
    outcome: Outcome[Program]
    beside: Program | None
    rule: Rule | None
    surrogate: Fitted | None
    extension: Extension | None
    steps: tuple[Step, ...]
    notes: tuple[str, ...]
    not_applied: dict[str, str]
    queries: int = 0
    labelled_iff: Program | None = None
    dependence: tuple[Dependence, ...] = ()
    tried: tuple[Tried, ...] = ()

    def __repr__(self) -> str:
        return summary(self, type(self.outcome).__name__)

    def _repr_html_(self) -> str:
        """Network, program and claims, or exceptions, for notebooks."""
        if self.program is None or not self.claims:
            return panel_html(words_html(f"{self.model.name}, {limits(self.asked)}"), self.outcome._repr_html_())
        broken = "" if self.broken is None else f"The first sequence on which they differ: {self.broken!r}"
        return panel(self, self.program.source(), *(claim.words for claim in self.claims), broken)

    @property
    def domain(self) -> Domain:
        """The part that was listed."""
        return self.labels.domain

    @property
    def program(self) -> Program | None:
        """The program found, or the best one."""
        if self.extension is not None and self.extension.where is None:
            return self.extension.program
        match self.outcome:
            case Found(program=program) | Differs(program=program) | Stopped(program=program):
                return program
        return None

    @property
    def exceptions(self) -> tuple[Counterexample, ...]:
        """Where ``program`` and network differ, among what was listed."""
        return self.outcome.exceptions if isinstance(self.outcome, Differs) else ()

    @property
    def ended(self) -> str:
        """Why nothing is known beyond what was listed, where more was asked for."""
        return self.not_applied.get(LONGER, "")

    @property
    def is_exact(self) -> bool:
        """Whether a program is the network's answer wherever there is one, among what was listed."""
        return isinstance(self.outcome, Found)

    @property
    def is_proved(self) -> bool:
        """Whether it is proved, and every input of the domain that was asked for has an answer."""
        if self.asked != self.domain:
            return self.extension is not None and self.extension.is_proved
        return self.is_exact and self.labels.enumeration.is_bounded and not self.labels.undecided

    @property
    def horizon(self) -> int | None:
        """Up to which length ``program`` equals the network wherever that has a label; None where that is not known."""
        if self.extension is not None and self.extension.where is None:
            return self.extension.found.equal_up_to
        match self.outcome:
            case Found():
                return self.domain.lengths[-1]
            case Differs(exceptions=exceptions):
                return min(length_of(exception.inputs) for exception in exceptions) - 1
        return None

    @property
    def broken(self) -> Counterexample | None:
        """The first sequence found on which ``program`` is wrong."""
        if self.extension is not None and self.extension.where is None:
            return self.extension.found.counterexample
        return next(iter(self.exceptions), None)

    @property
    def claims(self) -> tuple[Claim, ...]:
        """What is established of ``program``: on what was listed, or beyond; for every length last."""
        if self.extension is not None and self.extension.where is None:
            return self.extension.claims
        claims = self.outcome.claims if isinstance(self.outcome, Found | Stopped) else ()
        return tuple(claim for claim in claims if isinstance(claim, Claim))


def distill_sequences(
    network: Circuit | Loaded,
    domain: Domain | None = None,
    *,
    backend: Backend | None = None,
    semantics: Semantics | None = None,
    margin: float | None = None,
    seconds: float = USUAL_SECONDS,
    seed: int = 0,
    grammar: Language | None = None,
    program: Program | OwnProgram | None = None,
    observer: Observer = SILENT,
) -> Distillation:
    """Distill ``network`` on ``domain`` in about ``seconds`` (wall clock).

    Default: its own domain, as far as it can be listed. ``backend`` is a solver to prove programs with as well. With a
    ``program`` none is searched: how far that one holds is found out, and what breaks it. ``grammar``: a language of
    one's own (``languages``), in place of those that ship.
    ``semantics`` None takes the strongest that decides no less than real arithmetic does. Labels with a guaranteed
    margin below ``margin`` count as none. Raises DomainError and NetworkError.
    """
    model, clock = model_of(network), Clock(seconds, observer.on_step)
    asked = usual_domain(model) if domain is None else domain
    way = beyond_listing(model, ROUNDOFF[semantics or "real"])
    table, notes = labelled(
        model, listed_part(model, asked, way), semantics, margin, _share(model, asked) * clock.left, grammar,
        observer.on_progress,
    )  # fmt: skip
    asked = table.domain if domain is None else asked
    clock.done("labels", described(table))
    ended = ""
    if isinstance(program, OwnProgram):
        program = program.on(table, clock.end)
    if isinstance(program, RunProgram):
        table, ended = answered(table, program)
        clock.done("function", how_run(program))
    best, found, queries = _programs(table, asked, backend, program, clock, seed, observer, isinstance(way, Way))
    not_applied = {"solver": surrogate.why_not_applicable(table, asked, backend, program)}
    if found is not None and found.wrong:
        not_applied["solver"] = "no surrogate was found that is exact"
    if backend is not None and isinstance(program, RunProgram):
        not_applied["solver"] = RUN
    labelled_iff = None
    if program is None and table.undecided and not best.is_interrupted:
        labelled_iff = having_a_label(table, seconds=HAVING * clock.left, seed=seed)
        clock.done("having label", "no exact program" if labelled_iff is None else "an exact program says which")
    rule = None
    if program is None and (not best.is_short or best.is_automaton):
        share = (SEARCHING if asked != table.domain else 1.0) * clock.left
        best, rule = _with_rule(table, best, clock, share, seed, is_free=backend is None)
    extension = None
    if asked != table.domain and isinstance(program, RunProgram) and not best.exact:
        ended = ended or "the function is wrong on what was listed"
    if ended:
        not_applied[LONGER] = ended
    elif asked != table.domain:
        candidates = best.exact if program is None else (program,)
        is_right = isinstance(program, RunProgram)
        run = Extending(table, asked, candidates, rule, clock, seed, observer, program is not None, is_right)
        extension, reasons = _beyond(run, is_free=semantics is None)
        not_applied |= reasons
    elif isinstance(best.outcome, Found):
        claims = tuple(claim for claim in best.outcome.claims if isinstance(claim, Claim))
        extension = endless(table, best.outcome.program, claims, clock)
    if best.is_interrupted:
        notes += ("the search was interrupted, so there may be a shorter program",)
    return Distillation(
        model,
        asked,
        table,
        best.outcome,
        best.beside,
        rule,
        found,
        extension,
        tuple(clock.steps),
        notes,
        {name: reason for name, reason in not_applied.items() if reason is not None},
        queries,
        labelled_iff,
        best.dependence,
        best.tried,
    )


def _beyond(run: Extending, *, is_free: bool) -> tuple[Extension | None, dict[str, str]]:
    """How far a program holds beyond what was listed, and why steps were not taken."""
    try:
        extension, why_nothing = extended(run, is_free=is_free), run.why_nothing
    except KeyboardInterrupt:
        extension, why_nothing = None, INTERRUPTED
    return extension, run.not_applied | ({} if extension else {LONGER: why_nothing})


def _share(model: Loaded, asked: Domain) -> float:
    """The share of the time for listing: more where all is listed, or else would be listed once more."""
    is_all = isinstance(model.network, Recurrent) and asked.size() <= MOST_SEQUENCES
    return LISTING_ALL if is_all else LISTING


def _with_rule(
    table: LabelTable, best: Searched, clock: Clock, seconds: float, seed: int, *, is_free: bool
) -> tuple[Searched, Rule | None]:
    """A short rule beside ``best``; one of fewer exceptions takes its place, where no solver has to confirm it."""
    try:
        rule = approximated(table, best, seconds=seconds, seed=seed)
        if rule is not None and table.own_grammar is not None:
            table.check_text(rule.program)
        clock.done("short rule", "none" if rule is None else f"{len(rule.exceptions):,} exceptions")
        if rule is None or not is_free:
            return best, rule
        if rule.exceptions:
            return _with_fewer(best, rule), rule
        front = exchanged(table, best, rule.program)
        return front, rule if front is best else None
    except KeyboardInterrupt:
        clock.stop()
        clock.done("short rule", INTERRUPTED)
        return best, None


def _with_fewer(best: Searched, rule: Rule) -> Searched:
    """``best``, whose program is that of the ``rule`` where this has fewer exceptions."""
    outcome = best.outcome
    if not isinstance(outcome, Differs) or len(rule.exceptions) >= len(outcome.exceptions):
        return best
    return replace(best, outcome=replace(outcome, program=rule.program, exceptions=rule.exceptions))


def _programs(
    table: LabelTable,
    asked: Domain,
    backend: Backend | None,
    program: Program | None,
    clock: Clock,
    seed: int,
    observer: Observer,
    is_followable: bool,
) -> tuple[Searched, Fitted | None, int]:
    """What is known of ``program``, or the best one found; a surrogate, and how often a solver was asked."""
    found, is_run = None, isinstance(program, RunProgram)
    if not is_run and surrogate.why_not_applicable(table, asked, backend, program) is None:
        found = surrogate.fitted(table, clock.left / 4)
        clock.done("surrogate", surrogate.described(found))
    with surrogate.solver(table, found, backend, clock.left, seed, observer) as solver:
        if program is not None:
            best, queries = compared(table, program, solver), solver.queries if solver else 0
            count = len(best.outcome.exceptions) if isinstance(best.outcome, Differs) else 0
            clock.done("comparison", f"{count:,} exceptions{f', {queries} solver queries' if queries else ''}")
            return best, found, queries
        share = clock.left if solver else SEARCHING * clock.left
        is_followed = asked != table.domain if is_followable else None
        best = searched(
            table, seconds=share, seed=seed, solver=solver, is_followed=is_followed, on_round=observer.on_round
        )
        queries = solver.queries if solver else 0
    if best.is_interrupted:
        clock.stop()
    if table.own_grammar is not None and isinstance(best.outcome, Differs):
        table.check_text(best.outcome.program)  # of one that is exact, that was asked when it was found
    used, asked_of = best.outcome.statistics, f", {queries} solver queries" if queries else ""
    note = f"; {best.note}" if best.note else ""
    rounds = f"{used.rounds} round{'s' * (used.rounds != 1)}"
    clock.done("search", f"{rounds}, {used.candidates:,} candidates{asked_of}{note}")
    return best, found, queries


def follow_sequences(
    network: Circuit | Loaded,
    domain: Domain,
    program: Program | OwnProgram | None = None,
    *,
    length: int,
    semantics: Semantics | None = None,
    margin: float | None = None,
    seconds: float = USUAL_SECONDS,
    seed: int = 0,
    grammar: Language | None = None,
    observer: Observer = SILENT,
) -> Distillation:
    """How long one program holds on ``domain``: ``program``, or the simplest that equals the network up to ``length``.

    Where none does, what is known of the best one up to there. See ``distill_sequences``.
    """
    start, model = time.perf_counter(), model_of(network)
    told: dict[str, Any] = {"semantics": semantics, "margin": margin, "seed": seed, "grammar": grammar}
    told["observer"] = observer
    steps: tuple[Step, ...] = ()
    short = None
    if program is None:
        reach = next((n for n in domain.lengths if n >= length and domain.up_to(n).size()), domain.lengths[-1])
        short = distill_sequences(model, domain.up_to(reach), seconds=seconds, **told)
        if short.asked == domain or not (short.is_exact or short.is_proved) or short.program is None:
            return short
        program, steps = short.program, short.steps
    left = max(0.1, seconds - (time.perf_counter() - start))
    found = distill_sequences(model, domain, program=program, seconds=left, **told)
    if short is not None:
        found = replace(found, extension=_with_known(found, short))
    return replace(found, steps=(*steps, *found.steps))


def _with_known(found: Distillation, short: Distillation) -> Extension | None:
    """What is known beyond the listed part, with what a run on shorter sequences proved of the same program."""
    extension, reach = found.extension, short.horizon
    is_whole = short.is_proved or (short.extension is not None and short.extension.where is None)
    if extension is None or extension.where is not None or not (is_whole and short.claims) or reach is None:
        return extension
    if short.program != extension.program or reach < extension.domain.min_length:
        return extension
    claims = short.claims if short.extension is None else short.extension.found.claims
    return replace(extension, found=at_least_known(extension.found, claims, reach)) if claims else extension
