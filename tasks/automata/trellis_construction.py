"""The trellis of a program on a domain: which states its sequences reach, length by length.

The states are those of the domain's constraint together with what the program keeps: the state of a machine, or its
folds and, where it reads them, the token counts (``parikh``). Nodes are merged as far as their labels allow, so what
the program keeps and never uses does not count.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from cegis import Program
from cegis.domain import DEAD, Constraint, Domain, DomainError
from dsl.meaning import Ints
from dsl.sequences import NO_LABEL
from tasks.automata.moore import Machine, machine_of
from tasks.automata.parikh import Classes
from tasks.automata.program_states import Folded
from tasks.automata.trellis import NONE, Level, Trellis, check_size


class Walk(Protocol):
    """How states (nodes, parts) move along a sequence, from zeros."""

    parts: int

    def step(self, states: Ints, token: int, position: int) -> Ints:
        """The states after ``token`` at ``position``, (nodes, parts); NONE where the domain ends."""
        ...

    def labels(self, states: Ints, token: int, length: int) -> Ints:
        """Label indices (nodes,) of sequences of ``length`` >= 1 that end in ``token``.

        NONE where none is asked, NO_LABEL where the program has none.
        """
        ...


def trellis(domain: Domain, program: Program) -> Trellis:
    """The trellis of ``program`` on a bounded ``domain``.

    Raises ``program_states.UncountableError`` for a program whose rows are not known, DomainError for one over another
    alphabet and for too many states.
    """
    signature = program.grammar.sequences
    if signature.alphabet != domain.alphabet:
        raise DomainError(f"expected a program over {domain.alphabet}, got one over {signature.alphabet}")
    machine = machine_of(program)
    walk: Walk = _FoldWalk(domain, Folded(program)) if machine is None else _MachineWalk(domain, machine)
    names = (*signature.labels, None)
    first = names.index(program(())) if domain.contains(()) else NONE
    letters, longest = len(domain.alphabet), domain.lengths[-1]
    states, token, label = np.zeros((1, walk.parts), np.int64), np.array([NONE]), np.array([first])
    levels = []
    for n in range(longest):
        moved = np.stack([walk.step(states, t, n) for t in range(letters)], axis=1)  # (nodes, letters, parts)
        is_alive = moved[..., 0] != NONE
        ends = np.broadcast_to(np.arange(letters), is_alive.shape)[is_alive]
        rows, index = np.unique(np.column_stack([ends, moved[is_alive]]), axis=0, return_inverse=True)
        check_size(len(rows))
        after = np.full(is_alive.shape, NONE)
        after[is_alive] = index.ravel()
        levels.append(Level(token, label, after))
        token, states = rows[:, 0], rows[:, 1:]
        label = np.full(len(rows), NONE)
        if n + 1 >= domain.min_length:
            for t in range(letters):
                given = walk.labels(states[token == t], t, n + 1)
                label[token == t] = np.where(given == NO_LABEL, len(signature.labels), given)
    levels.append(Level(token, label, np.full((len(token), letters), NONE)))
    return Trellis(tuple(levels), names).minimal()


class _MachineWalk:
    """A machine beside the domain's constraint."""

    parts = 2

    def __init__(self, domain: Domain, machine: Machine) -> None:
        self._constraint = domain.constraint
        self._columns, self._outputs = np.array(machine.columns), np.array(machine.outputs)

    def step(self, states: Ints, token: int, position: int) -> Ints:
        inside, state = states.T
        if self._constraint is not None:
            inside = np.array(self._constraint.transitions)[inside, token]
        return np.where(inside[:, None] == DEAD, NONE, np.column_stack([inside, self._columns[token][state]]))

    def labels(self, states: Ints, token: int, length: int) -> Ints:
        answers = self._outputs[states[:, 1]]
        return (
            answers if self._constraint is None else np.where(_accepts(self._constraint)[states[:, 0]], answers, NONE)
        )


class _FoldWalk:
    """The classes of a program's folds; where a fold asks for the last token, once for each that it may be."""

    def __init__(self, domain: Domain, folded: Folded) -> None:
        lasts = range(len(domain.alphabet)) if folded.asks_last else [None]
        self._parts = [Classes(domain, folded, last, folded.kinds) for last in lasts]
        self._constraint = domain.constraint
        self.parts = len(self._parts)

    def step(self, states: Ints, token: int, position: int) -> Ints:
        moved = [
            part.step(codes, token, position, keep=True) for part, codes in zip(self._parts, states.T, strict=True)
        ]
        return np.stack(moved, axis=1)

    def labels(self, states: Ints, token: int, length: int) -> Ints:
        which = token if self.parts > 1 else 0
        part, codes = self._parts[which], states[:, which]
        answers = part.answers(codes, token, length)
        return (
            answers
            if self._constraint is None
            else np.where(_accepts(self._constraint)[part.states(codes)[0]], answers, NONE)
        )


def _accepts(constraint: Constraint) -> NDArray[np.bool_]:
    return np.array(constraint.accepting)
