"""The smallest automaton found that gives every label: state merging, where the grammar of motifs has no program.

Labels of the prefixes of a finite-state behaviour are the outputs of a Moore machine. States are found in the order of
their shortest prefix; a prefix is an old state when no continuation that both still have in the domain tells them apart
(state merging on a complete table, Trakhtenbrot and Barzdin 1973). A state that its shortest prefix leaves without a
label, as the empty word does where that is not asked about, has that of the next prefix merged into it. What comes out
is a guess where the domain ends too early, and is therefore compared with every label like any other program. Where
labels stand at every place, that of a prefix is the one at its last place in any longer word: so it is for networks
that read from left to right.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from cegis import Program, Valid
from dsl.grammars.positions import PlacedBatch
from tasks.automata.moore import FREE, Machine, readable
from tasks.pipeline.labels import LabelTable

MOST_STATES = 16
NEAREST, FARTHER = 24, 8  # of the longest lengths all but one are tried, and so many times fewer of the others
MOST_ENTRIES = 5_000_000  # words of one length over the alphabet, in the domain or not


def merged_program(table: LabelTable) -> Program | None:
    """A machine of few states that gives every label, as a program; None when there is none."""
    machine = learned(table)
    program = None if machine is None else machine.program(table.grammar.sequences)
    return program if program is not None and isinstance(table.check(program), Valid) else None


def shorter_programs(table: LabelTable, deadline: float) -> Iterator[Program]:
    """Machines that give every label up to a length; the longer ones may be wrong beyond it.

    For each length but the longest; of the shorter ones of many lengths, for some. None is learned after the
    ``deadline`` (by ``time.perf_counter``).
    """
    found = set[Machine]()
    widths = sorted((part.batch.width for part in table.parts if part.batch.examples), reverse=True)
    for width in widths[1:NEAREST] + widths[NEAREST::FARTHER]:
        if time.perf_counter() > deadline:
            return
        machine = learned(table, width)
        if machine is not None and machine.states > 1 and machine not in found:
            found.add(machine)
            yield machine.program(table.grammar.sequences)


def learned(table: LabelTable, most: int | None = None) -> Machine | None:
    """A machine of at most ``MOST_STATES`` states that is likely to give every label; None when there is none.

    It is learned from the lengths up to ``most`` of which a table has room for all words.
    """
    tokens = len(table.domain.alphabet)
    widths = [part.batch.width for part in table.parts if tokens**part.batch.width <= MOST_ENTRIES]
    longest = max((width for width in widths if most is None or width <= most), default=None)
    if longest is None:
        return None
    found = _merged(_table(table, tokens, longest), tokens, longest)
    return None if found is None else readable(*found)


def _table(table: LabelTable, tokens: int, longest: int) -> list[NDArray[np.int64]]:
    """The label of each word of n tokens, for each n; words as numbers with the first token most significant."""
    labels = [np.full(tokens**n, FREE, np.int64) for n in range(longest + 1)]
    for part in table.parts:
        width = part.batch.width
        if width > longest:
            continue
        batch = part.batch
        ends = batch.place + 1 if isinstance(batch, PlacedBatch) else np.full(batch.examples, width)
        for end in np.unique(ends):
            rows = np.flatnonzero((ends == end) & (part.expected != FREE))
            powers = tokens ** np.arange(end - 1, -1, -1)
            labels[end][(batch.tokens[rows, :end].astype(np.int64) * powers).sum(axis=1)] = part.expected[rows]
    return labels


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
            elif known[target][0][0] == FREE:
                known[target][0] = after[0]
            row.append(target)
        rows.append(row)
    return rows, [int(labels[0][0]) for labels in known]


def _agree(one: list[NDArray[np.int64]], other: list[NDArray[np.int64]]) -> bool:
    return all(((a == b) | (a == FREE) | (b == FREE)).all() for a, b in zip(one, other, strict=False))
