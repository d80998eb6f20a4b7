"""Programs that give every label: an automaton by state merging, an expression by enumeration; the better one wins.

What the answer depends on is found first (``dependence``), and what is read off it (``closed_forms``). The automaton
comes next, since merging states costs hundredths of a second; beside one of these that is exact, expressions are
searched for a while only. Several grammars are searched, one after the other: those that say no more than what the
answer depends on, and then all; each has its share of the time. Which of two exact programs is better, longer sequences
say, where the network takes some: one that breaks there at once is not preferred to one that does not. Then it is the
one with less to read.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from math import inf

import numpy as np

from cegis import (
    Budget,
    Combined,
    Counterexample,
    Differs,
    DomainError,
    Found,
    Outcome,
    Program,
    Round,
    Statistics,
    Stopped,
    Symbolic,
    Unknown,
    Valid,
    Verifier,
)
from cegis.loop import Loop
from dsl.enumeration.relevance import relevant
from dsl.enumerator import Enumerator
from dsl.grammar import Grammar, Production
from dsl.grammars import selections
from dsl.grammars.motifs import AND, NOT, OR, label
from dsl.meaning import AtLeast, Constant, Divided, Multiple, TupleOf
from dsl.operators import TEXT, Operator
from tasks.networks.recurrent import Recurrent
from tasks.pipeline.closed_forms import calculated, closed_form
from tasks.pipeline.dependence import Dependence, Labelled, dependences, representatives, sample
from tasks.pipeline.functions import RunProgram
from tasks.pipeline.groups import product_of_a_group
from tasks.pipeline.labels import Inputs, LabelTable
from tasks.pipeline.probes import Probes
from tasks.pipeline.reading import reading
from tasks.pipeline.state_merging import merged_program, shorter_programs
from tasks.pipeline.tidy import tidied
from tasks.proofs.enumeration import LateError

READABLE = 36  # words of a program beside which another grammar is tried
GOOD = 60  # words of a program beside which nothing is tried that says more than what the answer depends on
LONG = 12  # operators of a program beside which a shorter rule is looked for
BRIEF = 3.0  # seconds of search beside what is calculated from two tokens
SHORT, BESIDE = 80, 15.0  # words of an exact automaton beside which an expression is searched so many seconds at most
NEAR = 0.001  # of the inputs: beside a machine that is wrong on no more, a recurrent network has seldom another program
TIDYING = 0.1  # of the time, for saying an exact program in fewer words
DEPENDING = 0.1  # of the time, for what the answer depends on
BEGUN, SAMPLED = 64, 24  # examples that a search begins with: all that the answer depends on, or some of them
RANDOM, HARDEST, LABELS = 10, 3, 8  # where that is not known: at random, and of so many labels the hardest
CONNECTIVES = frozenset({AND, OR, NOT})
FEW_CANDIDATES = 500_000  # of a part, which is small
SMALL = 2  # a number that is tried before larger ones
GIVEN = "it was given"  # why no other program was looked for
PARTS = 3  # attempts for each of the things that the answer depends on, at most
PER_COST = 3  # words of a program for each unit of its cost, about


@dataclass(frozen=True)
class Tried:
    """A grammar that was searched: ``words`` for it, how much, and what came of it."""

    words: str
    productions: int
    candidates: int
    rounds: int
    seconds: float
    ended: str

    @property
    def per_second(self) -> float:
        """Candidates per second of search."""
        return self.candidates / self.seconds if self.seconds else 0.0


@dataclass(frozen=True)
class Searched:
    """The ``outcome``, what was found ``beside`` it and is as exact, and whether it is the automaton.

    ``dependence``: what the answer depends on, the least first; ``tried``: the grammars that were searched.
    """

    outcome: Outcome[Program]
    beside: Program | None = None
    is_automaton: bool = False
    note: str = ""
    is_interrupted: bool = False
    dependence: tuple[Dependence, ...] = ()
    tried: tuple[Tried, ...] = ()

    @property
    def is_short(self) -> bool:
        """Whether it is exact and nothing shorter need be looked for."""
        if not isinstance(self.outcome, Found):
            return False
        return self.outcome.program.size <= LONG or reading(self.outcome.program) <= SHORT

    @property
    def exact(self) -> tuple[Program, ...]:
        """The programs that give every label, the better one first."""
        if not isinstance(self.outcome, Found):
            return ()
        return (self.outcome.program, *(() if self.beside is None else (self.beside,)))


def searched(
    table: LabelTable,
    *,
    seconds: float,
    seed: int = 0,
    solver: Symbolic | None = None,
    is_followed: bool | None = None,
    on_round: Callable[[Round[Program]], None] = lambda event: None,
) -> Searched:
    """The better of the automaton and the shortest expression that give every label of ``table``, or neither.

    ``solver`` is asked of expressions beside the table. ``is_followed``: whether the program is to be followed to
    longer sequences, which not every row of the grammar can be; None where none can. About ``seconds`` (wall clock).
    """
    begun = time.perf_counter()
    inputs = Labelled(table)
    found = dependences(inputs, seconds=DEPENDING * seconds)
    reads_off = not solver and table.own_grammar is None
    forms = [form for known in found if (form := closed_form(inputs, known)) is not None] if reads_off else []
    of_two = (calculated(inputs) or product_of_a_group(inputs)) if reads_off else None
    forms += [] if of_two is None else [of_two]
    read_off = min(forms, key=reading, default=None)
    automaton = merged_program(table) if may_be_machine(table) and table.own_grammar is None else None
    left = seconds - (time.perf_counter() - begun)
    if read_off is not None or (automaton is not None and reading(automaton) <= SHORT):
        left = min(left, BESIDE if of_two is None else BRIEF)
    elif reads_off and automaton is None and has_near_machine(table, begun + seconds):
        left = min(left, BESIDE)
    run = Expressions(table, solver, seed, on_round)
    is_followed = is_followed if solver is None else True
    planned = attempts(inputs, found, is_followed, seed)
    most = PARTS * len(found) + len(table.grammars)
    if solver is None:  # else a time limit is seldom what ends them, and the first one is mostly enough
        listed = [*planned]
        planned, most = iter(listed), len(listed)
    outcome = run.run(planned, left, read_off, most)
    if read_off is not None and not (isinstance(outcome, Found) and reading(outcome.program) <= reading(read_off)):
        outcome = _as_found(table, read_off, outcome.statistics, "read off what the answer depends on")
    outcome = tidied(table, run.verifier, outcome, seconds=TIDYING * seconds, seed=seed)
    result = Searched(outcome, dependence=found, tried=tuple(run.tried), is_interrupted=run.is_interrupted)
    return result if automaton is None else _with_automaton(table, result, automaton, seed)


def may_be_machine(table: LabelTable) -> bool:
    """Whether an automaton may give the labels: those of places are where nothing behind a place is read."""
    return not table.is_placed or isinstance(table.enumeration.loaded.network, Recurrent)


def has_near_machine(table: LabelTable, deadline: float = inf) -> bool:
    """Whether a machine learned from shorter words of a recurrent network is wrong on few of all.

    At the ``deadline`` (by ``time.perf_counter``) those that were looked at are all there are.
    """
    if not isinstance(table.enumeration.loaded.network, Recurrent):
        return False
    most = NEAR * table.size
    return any(table.count_exceptions(machine, most) <= most for machine in shorter_programs(table, deadline))


def _with_automaton(table: LabelTable, result: Searched, automaton: Program, seed: int) -> Searched:
    """The better of an exact automaton and what else was found."""
    expression = result.outcome
    learned = replace(
        result,
        outcome=_as_found(table, automaton, expression.statistics, "learned as an automaton"),
        is_automaton=True,
    )
    if not isinstance(expression, Found):
        return learned
    try:
        is_better, note = _prefers(table, automaton, expression.program, seed)
    except KeyboardInterrupt:
        return replace(result, beside=automaton, is_interrupted=True)
    if is_better:
        return replace(learned, beside=expression.program, note=note)
    return replace(result, beside=automaton, note=note)


@dataclass(frozen=True)
class Attempt:
    """A grammar to search, in ``words``, and the examples that the search begins with."""

    words: str
    grammar: Grammar
    examples: tuple[tuple[Inputs, str], ...]
    is_all: bool = False  # what the answer depends on is not looked at
    most: int = 2_000_000  # candidates
    with_thresholds: bool = True
    enough: int = READABLE  # words of a program beside which no other attempt is made


def attempts(inputs: Labelled, found: tuple[Dependence, ...], is_followed: bool | None, seed: int) -> Iterator[Attempt]:
    """What is searched, one after the other: parts of the grammar that say what the answer depends on, then all.

    Where programs can be followed to longer sequences (``is_followed`` is not None), the grammar of those that can be
    comes first, and where they are to be, a longer one of it is enough.
    """
    table, rng = inputs.table, np.random.default_rng(seed)
    begun = np.random.default_rng(seed).permutation(len(inputs.labels))[:RANDOM]
    begun = np.union1d(begun, inputs.hardest(HARDEST, LABELS))
    first = tuple(dict([table.first(), *(inputs.example(int(row)) for row in begun)]).items())
    others = [Attempt(words, grammar, first, is_all=True) for words, grammar in table.grammars]
    if is_followed is not None and not table.is_placed:
        yield replace(others.pop(0), enough=SHORT if is_followed else READABLE)
    for known in found:
        rows, groups = sample(inputs, known.features, rng)
        part = relevant(table.grammar, inputs.batch(rows), groups)
        if part is not None and len(part.productions) < len(table.grammar.productions):
            begun = representatives(inputs, known.features, BEGUN if known.groups <= BEGUN else SAMPLED, rng)
            examples = tuple(inputs.example(int(row)) for row in begun)
            words = f"what depends on {known.words}"
            few = small(plain(part))
            if all(selections.whole(text) is not None for text in table.domain.alphabet):
                few = without_letters(few)  # numbers are mostly numbers
            yield from (
                Attempt(f"{words}, by small numbers", few, examples, most=FEW_CANDIDATES, with_thresholds=False),
                Attempt(f"{words}, without connectives", plain(part), examples, most=FEW_CANDIDATES),
                Attempt(words, part, examples, most=FEW_CANDIDATES),
            )
    if not found and table.own_grammar is None:
        begun = np.sort(rng.permutation(table.size)[:SAMPLED])
        examples = tuple(inputs.example(int(row)) for row in begun)
        words, grammar = table.grammars[-1]
        few = small(plain(grammar))
        words = f"{words}, by small numbers"
        yield Attempt(words, few, examples, is_all=True, most=FEW_CANDIDATES, with_thresholds=False)
    yield from others


def exchanged(table: LabelTable, best: Searched, program: Program) -> Searched:
    """``best`` with ``program`` in front, where that gives every label as well, has less to read, and lasts as long."""
    shown = best.exact[0] if best.exact else None
    if not isinstance(table.check(program), Valid):
        return best
    if shown is not None and (reading(shown) <= reading(program) or probed(table, shown) < probed(table, program)):
        return best
    outcome = _as_found(table, program, best.outcome.statistics, "a short rule that has no exceptions")
    return replace(best, outcome=outcome, beside=shown, is_automaton=False, note="")


def compared(table: LabelTable, program: Program, solver: Symbolic | None = None) -> Searched:
    """What is known of ``program`` on ``table``, without any search; ``solver`` is asked as well."""
    nothing = Statistics(1, 0, 0, 0.0, 0.0, 0.0)
    verifier: Verifier[Program] = table if solver is None else Combined((solver, table), (1,), constants)
    verdict = verifier.check(program)
    match verdict:
        case Valid(claims, notes):
            return Searched(Found(program, claims, notes, nothing))
        case Counterexample():
            exceptions = table.exceptions(program) or (verdict,)
            return Searched(Differs(program, exceptions, GIVEN, nothing, table.undecided))
        case Unknown(reason, claims):
            return Searched(Stopped(reason, program, claims, nothing))


def constants(program: Program) -> Iterator[Program]:
    """Programs that give one label, whatever they read."""
    signature = program.grammar.sequences
    for index, value in enumerate(signature.labels):
        row = Production("Label", label(index, value))
        yield Program(row.operator(), Grammar(signature, row.nonterminal, (row,)))


def answered(table: LabelTable, program: RunProgram) -> tuple[LabelTable, str]:
    """The part of ``table``, up to a length, that the function could be run on, and what ended it, if anything did.

    Raises DomainError where that is nothing.
    """
    ended, done = "", table.domain.min_length - 1
    try:
        for length, part in zip(table.domain.lengths, table.parts, strict=True):
            program.run(part.batch)
            done = length
    except LateError as error:
        ended = f"the time ended at length {done + 1}{f', where {error}' if str(error) else ''}"
    except KeyboardInterrupt:
        ended = f"interrupted at length {done + 1}"
    if not ended:
        return table, ""
    if done < table.domain.min_length:
        raise DomainError(
            f"{program.asked.name} was not run on all of the shortest sequences: {ended}; give it more time"
        )
    return table.up_to(done), f"of the function, {ended}"


def plain(grammar: Grammar) -> Grammar:
    """The same grammar without connectives: conditionals one after the other say the same, and terms get deeper."""
    return replace(grammar, productions=tuple(p for p in grammar.productions if p.operator not in CONNECTIVES))


def small(grammar: Grammar) -> Grammar:
    """The same grammar without factors, bounds, divisors and constants above ``SMALL``."""
    return replace(grammar, productions=tuple(p for p in grammar.productions if _number(p.operator) <= SMALL))


def without_letters(grammar: Grammar) -> Grammar:
    """The same grammar without what reads letters of tokens, but for what labels are made of."""
    rows = (
        p for p in grammar.productions if TEXT not in p.operator.arguments or isinstance(p.operator.meaning, TupleOf)
    )
    return replace(grammar, productions=tuple(rows))


def _number(operator: Operator) -> int:
    """The number that an operator brings; 0 for none."""
    match operator.meaning:
        case Constant(number) | Multiple(number) | AtLeast(number) | Divided(number):
            return number
    return 0


class Expressions:
    """A search of one grammar after the other."""

    def __init__(
        self, table: LabelTable, solver: Symbolic | None, seed: int, on_round: Callable[[Round[Program]], None]
    ) -> None:
        self.table, self.seed, self.on_round = table, seed, on_round
        self.verifier: Verifier[Program] = table if solver is None else Combined((solver, table), (1,), constants)
        self.tried: list[Tried] = []
        self.is_interrupted = False

    def run(
        self, attempts: Iterable[Attempt], seconds: float, beside: Program | None, most: int = 1
    ) -> Outcome[Program]:
        """The exact program with the least to read; of the first grammar where that is little, else of all.

        Where none is exact, the program of the first with the fewest exceptions. ``beside``: another exact program, so
        that there is no need to look for long, and none for what costs as much. ``most``: attempts that share the time;
        one is made when it is its turn.
        """
        closest: Outcome[Program] | None = None
        used: list[Statistics] = []
        found: Found[Program] | None = None
        waiting = iter(attempts)
        attempt, left = next(waiting, None), most
        while attempt is not None:
            search = Enumerator(
                attempt.grammar,
                seed=self.seed,
                max_candidates=attempt.most,
                max_cost=None if beside is None else reading(beside) // PER_COST,
                with_thresholds=attempt.with_thresholds,
            )
            budget, began = Budget(seconds=max(seconds / left, 0.1)), time.perf_counter()
            loop = Loop(search, self.verifier, budget, self.on_round)
            try:
                outcome = loop.run(attempt.examples)
            except KeyboardInterrupt:
                self.is_interrupted = True
                return found or interrupted(self.table, loop.known())
            used.append(outcome.statistics)
            closest = outcome if closest is None else _closer(closest, outcome)
            self._told(attempt, outcome)
            seconds -= time.perf_counter() - began
            if isinstance(outcome, Found) and (found is None or reading(outcome.program) < reading(found.program)):
                found = outcome
            if found is not None and reading(found.program) <= attempt.enough:
                break
            is_known = found is not None or beside is not None
            try:
                following, left = next(waiting, None), max(1, left - 1)
            except KeyboardInterrupt:
                self.is_interrupted = True
                return found or interrupted(self.table, loop.known())
            is_good = beside is not None or (found is not None and reading(found.program) <= GOOD)
            if is_good and following is not None and following.is_all and not attempt.is_all:
                break  # a program that says more than what the answer depends on is seldom a better one
            if is_known:
                seconds = min(seconds, BESIDE / 2)
            attempt = following
        if found is None:
            assert closest is not None
            return replace(closest, statistics=self.statistics(used))
        program = Program(found.program.term, self.table.grammar)
        return replace(found, program=program, statistics=self.statistics(used))

    def _told(self, attempt: Attempt, outcome: Outcome[Program]) -> None:
        """What was searched, for the result."""
        used = outcome.statistics
        seconds = used.search_seconds + used.check_seconds
        match outcome:
            case Found():
                ended = "an exact program"
            case Differs(reason=reason) | Stopped(reason=reason):
                ended = reason
            case _:
                ended = "no program of it is exact"
        self.tried.append(
            Tried(attempt.words, len(attempt.grammar.productions), used.candidates, used.rounds, seconds, ended)
        )

    @staticmethod
    def statistics(used: list[Statistics]) -> Statistics:
        """Of all searches together."""
        return Statistics(
            sum(one.rounds for one in used),
            max(one.examples for one in used),
            sum(one.candidates for one in used),
            sum(one.search_seconds for one in used),
            sum(one.check_seconds for one in used),
            max(one.memory_mb for one in used),
            max(one.level for one in used),
        )


def _closer(one: Outcome[Program], other: Outcome[Program]) -> Outcome[Program]:
    """The outcome that says more: with fewer exceptions, else the ``other``, which is later."""
    if isinstance(one, Differs) and isinstance(other, Differs):
        return other if len(other.exceptions) < len(one.exceptions) else one
    return one if isinstance(one, Differs) else other


def interrupted(table: LabelTable, tried: Sequence[Program]) -> Outcome[Program]:
    """What is left of a search that the user ended: the best program so far."""
    nothing = Statistics(0, 0, 0, 0.0, 0.0, 0.0)
    if not tried:
        return Stopped("interrupted", None, (), nothing)
    best = table.closest(tried)
    exceptions = table.exceptions(best)
    if not exceptions:
        return _as_found(table, best, nothing, "interrupted")
    return Differs(best, exceptions, "interrupted", nothing, table.undecided, is_late=True)


def probed(table: LabelTable, program: Program, seed: int = 0) -> int:
    """On how many of some sequences just longer than all listed ones ``program`` is wrong; a sample, no proof."""
    return sum(int(wrong.sum()) for wrong in Probes.of(table, seed).wrong(program))


def _as_found(table: LabelTable, program: Program, statistics: Statistics, note: str) -> Found[Program]:
    verdict = table.check(program)
    assert isinstance(verdict, Valid)
    return Found(program, verdict.claims, (*verdict.notes, note), statistics)


def _prefers(table: LabelTable, automaton: Program, expression: Program, seed: int) -> tuple[bool, str]:
    """Whether the automaton is better than the expression, both exact; and why, for a reader."""
    is_shorter = reading(automaton) < reading(expression)
    shorter, longer = (automaton, expression) if is_shorter else (expression, automaton)
    names = ("automaton", "expression") if is_shorter else ("expression", "automaton")
    wrong = probed(table, shorter, seed)
    if wrong and not probed(table, longer, seed):
        why = (
            f"a shorter {names[0]} is exact as well, but wrong on {wrong} sampled longer sequences, where this is right"
        )
        return not is_shorter, why
    return is_shorter, f"an {names[1]} is exact as well, with more to read"
