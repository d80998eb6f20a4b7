"""Moore machines as programs: their text, their formula, and the grammar of one machine.

Among the numberings of few states one is chosen that makes most steps arithmetic: ``state + 1``, ``max(state - 1, 0)``.
Two states are a flag.
A machine is one operator of its own grammar, so its text is read back by ``Program.parse`` like that of any program.
Where a program is asked about a place in a sequence, the machine reads the tokens up to there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cegis import Program
from dsl.grammar import Grammar, Production
from dsl.grammars.positions import PlacedBatch, PlacedSignature, PlacedSymbols
from dsl.operators import BOOL, INT, LABEL, Operator
from dsl.references import maker
from dsl.sequences import PAD, SequenceBatch, SequenceSignature, SymbolicSequence
from tasks.automata.moore_text import Wording, is_plain, simple, worded

MOST_RENUMBERED = 6  # states: 5! orders of those behind the first

Columns = tuple[tuple[int, ...], ...]
FREE = -1  # an entry nothing depends on


@dataclass(frozen=True)
class Machine:
    """``columns[token][state]`` is the next state; ``outputs[state]`` the label's index; it starts in state 0."""

    columns: Columns
    outputs: tuple[int, ...]

    @property
    def states(self) -> int:
        """How many there are."""
        return len(self.outputs)

    @property
    def is_flag(self) -> bool:
        """Whether its states are those of a flag."""
        return self.states == 2

    def run(self, tokens: NDArray[np.int8]) -> NDArray[np.int64]:
        """The state after each padded sequence: (sequences, width) to (sequences,)."""
        table = np.array([*self.columns, tuple(range(self.states))])  # the last row is for padding
        state = np.zeros(len(tokens), np.int64)
        for position in range(tokens.shape[1]):
            state = table[tokens[:, position], state]
        return state

    def read(self, batch: SequenceBatch) -> NDArray[np.int64]:
        """The state after each sequence, or at the place in it that is asked about."""
        if not isinstance(batch, PlacedBatch):
            return self.run(batch.tokens)
        return self.run(np.where(np.arange(batch.width) <= batch.place[:, None], batch.tokens, np.int8(PAD)))

    def encode(self, symbols: SymbolicSequence) -> Any:
        """The state as a formula."""
        m, state = symbols.manager, symbols.manager.Int(0)
        for row in symbols.at[: symbols.place + 1] if isinstance(symbols, PlacedSymbols) else symbols.at:
            following = m.Int(0)
            for here, column in zip(row, self.columns, strict=True):
                following = m.Ite(here, _chosen(m, state, column), following)
            state = following
        return state

    def worded(self, signature: SequenceSignature) -> Wording:
        """The machine in Python."""
        return worded(self.columns, [signature.labels[label] for label in self.outputs], signature.alphabet)

    def grammar(self, signature: SequenceSignature) -> Grammar:
        """The grammar with this machine and the labels of its states, and nothing else."""
        walk, label = _operators(self, signature)
        name = "Flag" if self.is_flag else "Number"
        rows = (Production(name, walk, cost=self.states), Production("Label", label, (name,), cost=2))
        return Grammar(signature, "Label", rows)

    def program(self, signature: SequenceSignature) -> Program:
        """The machine as a program."""
        grammar = self.grammar(signature)
        walk, label = (row.operator for row in grammar.productions)
        return Program(label(walk()), grammar)


@maker
def _operators(machine: Machine, signature: SequenceSignature) -> tuple[Operator, Operator]:
    """The state after the sequence, and the label of a state."""
    outputs = np.array(machine.outputs, np.int64)
    words, is_placed = machine.worded(signature), isinstance(signature, PlacedSignature)
    walk = Operator(
        f"automaton of {machine.states} states",
        (),
        BOOL if machine.is_flag else INT,
        numpy=(lambda s: machine.read(s) == 1) if machine.is_flag else machine.read,
        smt=(lambda s: s.manager.Equals(machine.encode(s), s.manager.Int(1))) if machine.is_flag else machine.encode,
        python=words.walk.replace("in tokens:", "in tokens[:i + 1]:", 1) if is_placed else words.walk,
        noun=words.noun,
        meaning=None if is_placed else machine,  # what follows a meaning follows whole sequences
    )
    label = Operator(
        "label of the state",
        (walk.result,),
        LABEL,
        numpy=lambda s, state: outputs[np.clip(np.asarray(state, np.int64), 0, len(outputs) - 1)],
        smt=lambda s, state: _label_formula(s.manager, state, machine),
        python=words.label,
        meaning=None if is_placed else machine,
    )
    return walk, label


def _label_formula(m: Any, state: Any, machine: Machine) -> Any:
    if machine.is_flag:
        return m.Ite(state, m.Int(machine.outputs[1]), m.Int(machine.outputs[0]))
    return _chosen(m, state, machine.outputs)


def machine_of(program: Program) -> Machine | None:
    """The machine that ``program`` is, if it is one."""
    term = program.term
    machine = term.operator.meaning
    is_whole = isinstance(machine, Machine) and [part.operator.meaning for part in term.arguments] == [machine]
    return machine if isinstance(machine, Machine) and is_whole else None


def readable(rows: list[list[int]], labels: list[int]) -> Machine:
    """The machine with its states numbered, and its free entries filled, so that its text is short."""
    count = len(rows)
    orders = permutations(range(1, count)) if count <= MOST_RENUMBERED else [tuple(range(1, count))]
    best: tuple[int, Columns, tuple[int, ...]] | None = None
    for rest in orders:
        order = (0, *rest)  # the old number of each new state
        new = {old: n for n, old in enumerate(order)} | {FREE: FREE}
        columns = tuple(filled(tuple(new[rows[old][t]] for old in order)) for t in range(len(rows[0])))
        size = sum(map(_burden, columns))
        if best is None or size < best[0]:
            best = size, columns, tuple(max(labels[old], 0) for old in order)
    assert best is not None
    return Machine(best[1], best[2])


def filled(column: tuple[int, ...]) -> tuple[int, ...]:
    """A next state for every state; free entries are chosen so that the step is short to write."""
    for whole in simple(len(column)):
        if all(entry in (FREE, value) for entry, value in zip(column, whole, strict=True)):
            return whole
    return tuple(max(entry, 0) for entry in column)


def _burden(column: tuple[int, ...]) -> int:
    """How much there is to read in a step."""
    steps = list(simple(len(column)))
    if column in steps:
        return steps.index(column)
    return len(steps) + (1 if is_plain(column) else len(column))


def _chosen(m: Any, state: Any, values: Sequence[int]) -> Any:
    """``values[state]`` as a formula."""
    result = m.Int(int(values[-1]))
    for number in reversed(range(len(values) - 1)):
        result = m.Ite(m.Equals(state, m.Int(number)), m.Int(int(values[number])), result)
    return result
