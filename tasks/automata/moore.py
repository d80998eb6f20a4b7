"""Moore machines as programs: their text, their formula, and the grammar of one machine.

Among the numberings of few states one is chosen that makes most steps arithmetic: ``state + 1``, ``max(state - 1, 0)``.
Two states are a flag, with a name that says what it holds where its steps are those of a toggle or of a latch.
A machine is one operator of its own grammar, so its text is read back by ``Program.parse`` like that of any program.
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
from dsl.operators import BOOL, INT, LABEL, Operator
from dsl.references import maker
from dsl.sequences import SequenceBatch, SequenceSignature, SymbolicSequence

MOST_RENUMBERED = 6  # states: 5! orders of those behind the first

Columns = tuple[tuple[int, ...], ...]
FLAG_STEPS: dict[tuple[int, ...], str] = {(0, 1): "state", (1, 0): "not state", (0, 0): "False", (1, 1): "True"}
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

    def noun(self, alphabet: Sequence[str]) -> str:
        """What the state is called: a toggle by quotes says whether one is inside, by letters whether they are odd."""
        moving = {column: None for column in self.columns if column != (0, 1)}
        if not self.is_flag:
            return "state"
        if moving == {(1, 1): None}:
            return "seen"
        if moving == {(1, 0): None}:
            toggles = [token for token, column in zip(alphabet, self.columns, strict=True) if column == (1, 0)]
            return "odd" if any(token.isalnum() for token in toggles) else "inside"
        return "flag"

    def run(self, tokens: NDArray[np.int8]) -> NDArray[np.int64]:
        """The state after each padded sequence: (sequences, width) to (sequences,)."""
        table = np.array([*self.columns, tuple(range(self.states))])  # the last row is for padding
        state = np.zeros(len(tokens), np.int64)
        for position in range(tokens.shape[1]):
            state = table[tokens[:, position], state]
        return state

    def read(self, batch: SequenceBatch) -> NDArray[np.int64]:
        """The state after each sequence."""
        return self.run(batch.tokens)

    def encode(self, symbols: SymbolicSequence) -> Any:
        """The state as a formula."""
        m, state = symbols.manager, symbols.manager.Int(0)
        for row in symbols.at:
            following = m.Int(0)
            for here, column in zip(row, self.columns, strict=True):
                following = m.Ite(here, _chosen(m, state, column), following)
            state = following
        return state

    def text(self, alphabet: Sequence[str]) -> str:
        """The loop that builds ``state``, in Python."""
        text_of = FLAG_STEPS.__getitem__ if self.is_flag else step_text
        steps = {token: text_of(column) for token, column in zip(alphabet, self.columns, strict=True)}
        moves = [(token, step) for token, step in steps.items() if step != "state"]
        lines = [f"state = {False if self.is_flag else 0}", "for token in tokens:"]
        if not moves:
            return "\n".join([*lines, "    state = state"])
        if len(moves) == len(alphabet) and len(set(steps.values())) == 1:
            return "\n".join([*lines, f"    state = {moves[0][1]}"])
        for n, (token, step) in enumerate(moves):
            lines += [f"    {'elif' if n else 'if'} token == {token!r}:", f"        state = {step}"]
        return "\n".join(lines)

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
    named = tuple(signature.labels[label] for label in machine.outputs)
    walk = Operator(
        f"automaton of {machine.states} states",
        (),
        BOOL if machine.is_flag else INT,
        numpy=(lambda s: machine.read(s) == 1) if machine.is_flag else machine.read,
        smt=(lambda s: s.manager.Equals(machine.encode(s), s.manager.Int(1))) if machine.is_flag else machine.encode,
        python=machine.text(signature.alphabet),
        noun=machine.noun(signature.alphabet),
        meaning=machine,
    )
    label = Operator(
        "label of the state",
        (walk.result,),
        LABEL,
        numpy=lambda s, state: outputs[np.clip(np.asarray(state, np.int64), 0, len(outputs) - 1)],
        smt=lambda s, state: _label_formula(s.manager, state, machine),
        python=_flag_text(named) if machine.is_flag else _picked(named, "_0"),
        meaning=machine,
    )
    return walk, label


def _label_formula(m: Any, state: Any, machine: Machine) -> Any:
    if machine.is_flag:
        return m.Ite(state, m.Int(machine.outputs[1]), m.Int(machine.outputs[0]))
    return _chosen(m, state, machine.outputs)


def _flag_text(named: Sequence[Any]) -> str:
    """The label of a flag that is false, and of one that is true."""
    known = {(False, True): "_0", (True, False): "not _0"}
    is_truth = all(isinstance(name, bool) for name in named)
    return known[named[0], named[1]] if is_truth and len({*named}) == 2 else f"{named[1]!r} if _0 else {named[0]!r}"


def _picked(values: Sequence[Any], state: str) -> str:
    """The value of a state: said of the one that differs from all others, where there are three or more."""
    for number, value in enumerate(values):
        others = {*values[:number], *values[number + 1 :]}
        if len(values) > 2 and len(others) == 1 and value not in others:
            return f"{value!r} if {state} == {number} else {others.pop()!r}"
    return f"{tuple(values)!r}[{state}]"


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
    for whole in _simple(len(column)):
        if all(entry in (FREE, value) for entry, value in zip(column, whole, strict=True)):
            return whole
    return tuple(max(entry, 0) for entry in column)


def step_text(column: tuple[int, ...]) -> str:
    """One step as an expression of ``state``."""
    moved = [state for state, following in enumerate(column) if state != following]
    if len(moved) == 1 and len(column) > 2:
        other = f"{column[moved[0]]} if state == {moved[0]} else state"
    else:
        other = _picked(column, "state")
    return _simple(len(column)).get(column, other)


def _burden(column: tuple[int, ...]) -> int:
    """How much there is to read in a step."""
    steps = list(_simple(len(column)))
    return steps.index(column) if column in steps else len(steps) + len(column)


def _simple(states: int) -> dict[tuple[int, ...], str]:
    """Steps that are arithmetic, the simplest first."""
    every, last = range(states), states - 1
    known = [
        (tuple(every), "state"),
        *[((n,) * states, str(n)) for n in every],
        *([((1, 0), "1 - state")] if states == 2 else []),
        (tuple(min(n + 1, last) for n in every), f"min(state + 1, {last})"),
        (tuple(max(n - 1, 0) for n in every), "max(state - 1, 0)"),
        (tuple((n + 1) % states for n in every), f"(state + 1) % {states}"),
        (tuple((n - 1) % states for n in every), f"(state - 1) % {states}"),
    ]
    steps: dict[tuple[int, ...], str] = {}
    for column, text in known:
        steps.setdefault(column, text)
    return steps


def _chosen(m: Any, state: Any, values: Sequence[int]) -> Any:
    """``values[state]`` as a formula."""
    result = m.Int(int(values[-1]))
    for number in reversed(range(len(values) - 1)):
        result = m.Ite(m.Equals(state, m.Int(number)), m.Int(int(values[number])), result)
    return result
