"""Programs that give every label: an automaton by state merging, an expression by enumeration; the better one wins.

The automaton comes first, since merging states costs hundredths of a second; beside one that is exact, expressions are
searched for a while only. Which of two exact programs is better, longer sequences say, where the network takes some:
one that breaks there at once is not preferred to one that does not. Then it is the one with less to read.
"""

from __future__ import annotations

import io
import tokenize
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from cegis import (
    Budget,
    Combined,
    Differs,
    Found,
    Outcome,
    Program,
    Round,
    Statistics,
    Stopped,
    Symbolic,
    Valid,
    Verifier,
)
from cegis.loop import Loop
from dsl.enumerator import Enumerator
from tasks.networks.readout import UNDECIDED
from tasks.pipeline.labels import LabelTable
from tasks.pipeline.state_merging import merged_program
from tasks.proofs.enumeration import answers_of
from tasks.proofs.select import room, up_to
from tasks.proofs.verifier import lengthened, places

READABLE = 24  # operators of a program beside which another grammar is tried
LONG = 12  # operators of a program beside which a shorter rule is looked for
SHORT, BESIDE = 80, 10.0  # words of an exact automaton beside which an expression is searched so many seconds at most
PROBED, PROBES = 4, 32  # lengths past the longest that was listed, and sequences of each
SKIPPED = (tokenize.NEWLINE, tokenize.NL, tokenize.INDENT, tokenize.DEDENT, tokenize.COMMENT, tokenize.ENDMARKER)


@dataclass(frozen=True)
class Searched:
    """The ``outcome``, what was found ``beside`` it and is as exact, and whether it is the automaton."""

    outcome: Outcome[Program]
    beside: Program | None = None
    is_automaton: bool = False
    note: str = ""
    is_interrupted: bool = False

    @property
    def is_short(self) -> bool:
        """Whether it is exact and nothing shorter need be looked for."""
        return isinstance(self.outcome, Found) and self.outcome.program.size <= LONG

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
    on_round: Callable[[Round[Program]], None] = lambda event: None,
) -> Searched:
    """The better of the automaton and the shortest expression that give every label of ``table``, or neither.

    ``solver`` is asked of expressions beside the table. About ``seconds`` (wall clock).
    """
    automaton = None if table.is_placed or table.own_grammar else merged_program(table)
    left = min(seconds, BESIDE) if automaton is not None and reading(automaton) <= SHORT else seconds
    outcome, is_interrupted = expression(table, seconds=left, seed=seed, solver=solver, on_round=on_round)
    if automaton is None:
        return Searched(outcome, is_interrupted=is_interrupted)
    learned = _as_found(table, automaton, outcome.statistics)
    if not isinstance(outcome, Found):
        return Searched(learned, is_automaton=True, is_interrupted=is_interrupted)
    try:
        is_better, note = _prefers(table, automaton, outcome.program, seed)
    except KeyboardInterrupt:
        is_better, note, is_interrupted = False, "", True
    if is_better:
        return Searched(learned, outcome.program, True, note, is_interrupted)
    return Searched(outcome, automaton, False, note, is_interrupted)


def compared(table: LabelTable, program: Program) -> Searched:
    """What is known of ``program`` on ``table``, without any search."""
    nothing = Statistics(1, 0, 0, 0.0, 0.0, 0.0)
    verdict = table.check(program)
    if isinstance(verdict, Valid):
        return Searched(Found(program, verdict.claims, verdict.notes, nothing))
    return Searched(Differs(program, table.exceptions(program), "it was given", nothing, table.undecided))


def expression(
    table: LabelTable,
    *,
    seconds: float,
    seed: int = 0,
    solver: Symbolic | None = None,
    on_round: Callable[[Round[Program]], None] = lambda event: None,
) -> tuple[Outcome[Program], bool]:
    """The shortest exact program, of the first grammar where that has one to be read, else of all; or no such one.

    And whether the user interrupted the search.
    """
    outcome: Outcome[Program] | None = None
    found: Found[Program] | None = None
    verifier: Verifier[Program] = table if solver is None else Combined((solver, table))
    for left, grammar in zip(range(len(table.grammars), 0, -1), table.grammars, strict=True):
        search, budget = Enumerator(grammar, seed=seed), Budget(seconds=max(seconds / left, 0.1))
        loop = Loop(search, verifier, budget, on_round)
        try:
            outcome = loop.run([table.first()])
        except KeyboardInterrupt:
            best = min(loop.tried, key=table.count_exceptions, default=None)
            return found or interrupted(table, best), True
        seconds -= outcome.statistics.search_seconds + outcome.statistics.check_seconds
        if isinstance(outcome, Found) and (found is None or outcome.program.size < found.program.size):
            found = outcome
        if found is not None and found.program.size <= READABLE:
            break
    assert outcome is not None
    if found is None:
        return outcome, False
    return replace(found, program=Program(found.program.term, table.grammar)), False


def interrupted(table: LabelTable, best: Program | None) -> Outcome[Program]:
    """What is left of a search that the user ended: the best program so far."""
    nothing = Statistics(0, 0, 0, 0.0, 0.0, 0.0)
    exceptions = () if best is None else table.exceptions(best)
    if best is None or not exceptions:
        return Stopped("interrupted", None, (), nothing)
    return Differs(best, exceptions, "interrupted", nothing, table.undecided, is_late=True)


def reading(program: Program) -> int:
    """How much there is to read in a program: the words and signs of its text."""
    source = io.StringIO(program.source("f"))
    return sum(token.type not in SKIPPED for token in tokenize.generate_tokens(source.readline))


def probed(table: LabelTable, program: Program, seed: int = 0) -> int:
    """On how many of some sequences just longer than all listed ones ``program`` is wrong; a sample, no proof.

    Random ones, and one token again and again, which hardly ever is drawn.
    """
    enumeration = table.enumeration
    model, longest = enumeration.loaded, enumeration.domain.lengths[-1]
    wrong, random = 0, np.random.default_rng(seed)
    for length in range(longest + 1, min(longest + PROBED, room(model, longest + PROBED)) + 1):
        domain = replace(up_to(model, length), constraint=enumeration.domain.constraint)
        if domain.count(length):
            drawn = domain.sample(length, PROBES, random)
            alike = np.tile(np.arange(len(domain.alphabet), dtype=drawn.dtype)[:, None], (1, length))
            rows = np.concatenate([drawn, *(row[None] for row in alike if domain.contains(domain.words(row)))])
            labels, _ = answers_of(lengthened(model, domain), rows, enumeration.semantics)
            expected = places(model.readout, table.names, labels)
            got = program.run(table.grammar.sequences.batch([domain.words(row) for row in rows]))
            wrong += int(((got != expected) & (labels != UNDECIDED)).sum())
    return wrong


def _as_found(table: LabelTable, program: Program, statistics: Statistics) -> Found[Program]:
    verdict = table.check(program)
    assert isinstance(verdict, Valid)
    return Found(program, verdict.claims, (*verdict.notes, "learned as an automaton"), statistics)


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
