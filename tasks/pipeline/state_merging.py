"""The smallest automaton found that gives every label: state merging, where the grammar of motifs has no program.

Labels of the prefixes of a finite-state behaviour are the outputs of a Moore machine. States are found in the order of
their shortest prefix; a prefix is an old state when no continuation that both still have in the domain tells them
apart (state merging on a complete table, Trakhtenbrot and Barzdin 1973). What comes out is a guess where the domain
ends too early, and is therefore compared with every label like any other program.
"""

from __future__ import annotations

import time

import numpy as np
from numpy.typing import NDArray

from cegis import Claim, Found, Outcome, Valid
from tasks.automata.moore import FREE, Machine, readable
from tasks.pipeline.labels import Subject

MOST_STATES = 16
MOST_ENTRIES = 5_000_000  # words of one length over the alphabet, in the domain or not


def machine_program(subject: Subject, outcome: Outcome) -> Outcome:
    """``outcome``, or a machine that gives every label, where one of few states does."""
    start = time.perf_counter()
    machine = learned(subject)
    if machine is None:
        return outcome
    program = machine.program(subject.grammar.sequences)
    match subject.check(program):
        case Valid(claims, notes):
            seconds = time.perf_counter() - start
            return Found(program, _timed(claims, seconds), (*notes, "learned as an automaton"), outcome.statistics)
    return outcome


def _timed(claims: tuple[Claim, ...], seconds: float) -> tuple[Claim, ...]:
    return tuple(Claim(**{**vars(claim), "seconds": seconds}) for claim in claims)


def learned(subject: Subject) -> Machine | None:
    """A machine of at most ``MOST_STATES`` states that is likely to give every label; None when there is none.

    It is learned from the lengths of which a table has room for all words.
    """
    tokens = len(subject.enumeration.domain.alphabet)
    widths = [part.batch.width for part in subject.parts if tokens**part.batch.width <= MOST_ENTRIES]
    if not widths:
        return None
    longest = max(widths)
    table = _table(subject, tokens, longest)
    found = _merged(table, tokens, longest)
    return None if found is None else readable(*found)


def _table(subject: Subject, tokens: int, longest: int) -> list[NDArray[np.int64]]:
    """``table[n]``: the label of each word of n tokens, words as numbers with the first token most significant."""
    table = [np.full(tokens**n, FREE, np.int64) for n in range(longest + 1)]
    for part in subject.parts:
        width = part.batch.width
        if width > longest:
            continue
        powers = tokens ** np.arange(width - 1, -1, -1)
        table[width][(part.batch.tokens.astype(np.int64) * powers).sum(axis=1)] = part.expected
    return table


def _merged(table: list[NDArray[np.int64]], tokens: int, longest: int) -> tuple[list[list[int]], list[int]] | None:
    """Rows of next states (FREE where no word goes on), and the label of each state."""

    def futures(word: tuple[int, int]) -> list[NDArray[np.int64]]:
        length, number = word
        return [
            table[length + more][number * tokens**more : (number + 1) * tokens**more]
            for more in range(longest - length + 1)
        ]

    states: list[tuple[int, int]] = [(0, 0)]
    known = [futures((0, 0))]
    rows: list[list[int]] = []
    for length, number in states:  # grows while we walk it: breadth first
        row = []
        for token in range(tokens):
            word = (length + 1, number * tokens + token)
            after = futures(word) if length < longest else []
            if not any((labels != FREE).any() for labels in after):
                row.append(FREE)
                continue
            target = next((n for n, other in enumerate(known) if _agree(after, other)), len(states))
            if target == len(states):
                if len(states) >= MOST_STATES:
                    return None
                states.append(word)
                known.append(after)
            row.append(target)
        rows.append(row)
    return rows, [int(table[length][number]) for length, number in states]


def _agree(one: list[NDArray[np.int64]], other: list[NDArray[np.int64]]) -> bool:
    return all(((a == b) | (a == FREE) | (b == FREE)).all() for a, b in zip(one, other, strict=False))
