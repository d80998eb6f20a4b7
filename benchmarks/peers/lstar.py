"""AALpy's L* (Angluin, 1987) on the same circuit: the peer that learns a Moore machine by asking.

A state's output is the circuit's label of the words that lead to it. Membership questions inside the benchmark's domain
are looked up in its label table; longer words, up to what the network can read, are run on the circuit. Words outside
the circuit's domain (too short, too long, against the constraint) have the output ``OUTSIDE``, so a constrained circuit
costs L* states for its constraint. The equivalence question is answered by comparing every sequence of the domain, so
the machine learned is right on all of it; on words outside, where a program may answer anything too, it is not judged.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from aalpy.base import SUL, Oracle
from aalpy.learning_algs import run_Lstar

from benchmarks.inputs.case import Case
from tasks.proofs.circuit_labels import label_sequences

OUTSIDE = -3  # neither a label nor "undecided"
Word = tuple[int, ...]


class Membership(SUL):  # type: ignore[misc]  # AALpy has no types
    """The circuit as the system under learning: a word's output is its label index."""

    def __init__(self, case: Case) -> None:
        super().__init__()
        self.case = case
        self.word: Word = ()
        self.known: dict[Word, int] = {
            tuple(map(int, row)): int(label)
            for length in case.domain.lengths
            for row, label in zip(case.domain.sequences(length), case.table.labels[length], strict=True)
        }

    def pre(self) -> None:
        self.word = ()

    def post(self) -> None:
        """Nothing to end."""

    def step(self, letter: int | None) -> int:
        if letter is not None:
            self.word = (*self.word, letter)
        if self.word not in self.known:
            self.known[self.word] = self._ask(self.word)
        return self.known[self.word]

    def _ask(self, word: Word) -> int:
        circuit = self.case.circuit
        if not circuit.domain.contains(circuit.domain.words(word)):
            return OUTSIDE
        return int(label_sequences(circuit, np.array([word], np.int8)).labels[0])


class EverySequence(Oracle):  # type: ignore[misc]
    """The equivalence oracle that compares hypothesis and table on the whole domain, shortest first."""

    def __init__(self, case: Case, sul: SUL) -> None:
        super().__init__(list(range(len(case.domain.alphabet))), sul)
        self.case = case

    def find_cex(self, hypothesis: Any) -> Word | None:
        for length, wrong in wrong_rows(hypothesis, self.case).items():
            self.num_queries += self.case.domain.count(length)
            if len(wrong):
                return tuple(map(int, self.case.domain.sequences(length)[wrong[0]]))
        return None


def learn(case: Case) -> tuple[Any, Mapping[str, Any]]:
    """The Moore machine L* learns, and AALpy's own account of the run."""
    sul = Membership(case)
    oracle = EverySequence(case, sul)
    machine, account = run_Lstar(oracle.alphabet, sul, oracle, "moore", return_data=True, print_level=0)
    return machine, account


def wrong_rows(machine: Any, case: Case) -> dict[int, np.ndarray]:
    """For every length, which sequences of the domain ``machine`` answers wrongly (undecided ones are not judged)."""
    place = {id(state): number for number, state in enumerate(machine.states)}
    step = np.array([[place[id(state.transitions[a])] for a in case.letters] for state in machine.states])
    output = np.array([state.output for state in machine.states])
    wrong = {}
    for length in case.domain.lengths:
        at = np.full(case.domain.count(length), place[id(machine.initial_state)])
        for column in case.domain.sequences(length).T:
            at = step[at, column]
        expected = case.table.labels[length]
        wrong[length] = np.flatnonzero((output[at] != expected) & (expected >= 0))
    return wrong


def transitions(machine: Any, case: Case) -> str:
    """The machine as text, one line per state: its output, then the next state for every token."""
    place = {id(state): number for number, state in enumerate(machine.states)}
    labels = {index: repr(label) for index, label in enumerate(case.circuit.labels)} | {OUTSIDE: "outside"}
    return "\n".join(
        f"{number}: {labels.get(state.output, 'undecided')} -> "
        + " ".join(f"{token}:{place[id(state.transitions[a])]}" for a, token in enumerate(case.domain.alphabet))
        for number, state in enumerate(machine.states)
    )
