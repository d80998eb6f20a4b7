"""An exact program in fewer words that stays exact: everything that is tried is compared with every label.

What holds of the labels need not hold of longer sequences, so a shorter program must also be right on the sampled
longer ones (``probes``) where the program is, and one that counting can follow is exchanged for none that it cannot.
"""

from __future__ import annotations

import time
from dataclasses import replace
from functools import cache

import numpy as np
from numpy.typing import NDArray

from cegis import Found, Outcome, Program, Valid, Verifier
from dsl.deduction import tidying
from dsl.operators import Term
from tasks.automata.program_states import Folded, UncountableError
from tasks.pipeline.labels import LabelTable
from tasks.pipeline.probes import Probes


def tidied(
    table: LabelTable, verifier: Verifier[Program], outcome: Outcome[Program], *, seconds: float, seed: int = 0
) -> Outcome[Program]:
    """``outcome``, of the same program in fewer words where it is an exact one and ``verifier`` says so again."""
    if not isinstance(outcome, Found):
        return outcome
    program = outcome.program
    tidy = tidied_program(table, program, seconds=seconds, seed=seed)
    if tidy.term == program.term:
        return outcome
    match verifier.check(tidy):
        case Valid(claims, notes):
            return replace(outcome, program=tidy, claims=claims, notes=(*notes, *outcome.notes[len(notes) :]))
    return outcome


def tidied_program(table: LabelTable, program: Program, *, seconds: float, seed: int = 0) -> Program:
    """A program that is wrong on no more inputs than ``program``, with no more to read."""
    deadline = time.perf_counter() + seconds
    most, is_followed = table.count_exceptions(program), _is_followed(program)

    @cache
    def probed() -> tuple[Probes, tuple[NDArray[np.bool_], ...]]:
        probes = Probes.of(table, seed, deadline)
        return probes, probes.wrong(program)

    def fits(term: Term) -> bool:
        other = Program(term, program.grammar)
        if is_followed and not _is_followed(other):
            return False
        if not (isinstance(table.check(other), Valid) if most == 0 else table.count_exceptions(other) <= most):
            return False
        probes, before = probed()
        pairs = zip(probes.wrong(other), before, strict=True)
        return not any((wrong & ~known).any() for wrong, known in pairs)

    term = tidying.tidied(program.term, program.grammar, fits, lambda: time.perf_counter() > deadline)
    return Program(term, program.grammar)


def _is_followed(program: Program) -> bool:
    try:
        Folded(program)
    except UncountableError:
        return False
    return True
