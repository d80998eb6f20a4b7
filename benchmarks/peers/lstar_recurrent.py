"""AALpy's L* (Angluin, 1987) on a recurrent network: a Moore machine of the network's answers after every token.

Membership is the network itself, in float64 as numpy executes it. Equivalence is asked of every word up to the longest
length where they are few, else of random words, as one does who has nothing but the network: the machine is then
compared on words, not proved. Learning ends when the time does.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from aalpy.base import SUL, Oracle
from aalpy.learning_algs import run_Lstar

from tasks.networks.number_streams import NumberStreams

MOST_WORDS = 1_100_000  # that are all compared: of length 20 over two letters
TOGETHER = 4_096  # states at once
RANDOM = 20_000  # words, where they are more
Word = tuple[int, ...]


@dataclass(frozen=True)
class LearnedMachine:
    """``states`` of the machine; ``wrong`` of ``checked`` words of the longest length are answered differently."""

    states: int
    questions: int
    wrong: int
    checked: int
    is_complete: bool
    ended: str

    @property
    def is_exact(self) -> bool:
        """Whether it is right on all words that it was compared with."""
        return not self.wrong and not self.ended

    @property
    def words(self) -> str:
        """What is known of it."""
        if self.ended:
            return self.ended
        every = "every word" if self.is_complete else f"{self.checked:,} random words"
        return f"machine of {self.states} states; {self.wrong:,} wrong of {every} of the longest length"


class OutOfTimeError(Exception):
    """The time for learning ended."""


class Answers(SUL):  # type: ignore[misc]  # AALpy has no types
    """The network as the system under learning."""

    def __init__(self, of: Any, deadline: float) -> None:
        super().__init__()
        self.deadline = deadline
        if isinstance(of, NumberStreams):
            self.network, ids, self.read = of.network, list(range(len(of.numbers))), self._rounded(of.column)
        else:
            self.network = of.network
            ids = [of.vocabulary.index(token) for token in of.domain.alphabet]
            self.read = lambda logits: of.readout.read(logits)[0]
        self.ids = np.array(ids)
        self.alphabet = list(range(len(self.ids)))
        self.state = self.network.initial(1)

    @staticmethod
    def _rounded(column: int) -> Any:
        return lambda logits: np.round(logits[:, column]).astype(np.int64)

    def pre(self) -> None:
        if time.perf_counter() > self.deadline:
            raise OutOfTimeError
        self.state = self.network.initial(1)

    def post(self) -> None:
        """Nothing to end."""

    def step(self, letter: int | None) -> int:
        if letter is not None:
            self.state = self.network.step(self.state, self.ids[[letter]])
        return int(self.read(self.network.read(self.state))[0])

    def every(self, longest: int) -> np.ndarray[Any, Any]:
        """Answers after every token of every word of a length, in order: those that begin alike share their states."""
        letters, deep = len(self.ids), 0
        while deep < longest and letters ** (deep + 1) <= TOGETHER:
            deep += 1
        blocks = []
        for word in product(range(letters), repeat=longest - deep):
            states, found = self.network.initial(1), []
            for letter in word:
                states = self.network.step(states, self.ids[[letter]])
                found.append(self.read(self.network.read(states)))
            for _ in range(deep):
                states = self.network.step(np.repeat(states, letters, axis=0), np.tile(self.ids, len(states)))
                found.append(self.read(self.network.read(states)))
            blocks.append(np.stack([np.repeat(one, letters**deep // len(one)) for one in found], axis=1))
        return np.concatenate(blocks)

    def all(self, words: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """Answers after every token of words (words, T)."""
        states, found = self.network.initial(len(words)), []
        for column in words.T:
            states = self.network.step(states, self.ids[column])
            found.append(self.read(self.network.read(states)))
        return np.stack(found, axis=1)


class Words(Oracle):  # type: ignore[misc]
    """Compares the machine with the network on all words of the longest length, or on random ones."""

    def __init__(self, sul: Answers, longest: int, seed: int) -> None:
        super().__init__(sul.alphabet, sul)
        self.is_complete = len(sul.alphabet) ** longest <= MOST_WORDS
        self.words: np.ndarray[Any, Any]
        if self.is_complete:
            number = np.arange(len(sul.alphabet) ** longest)
            powers = len(sul.alphabet) ** np.arange(longest - 1, -1, -1)
            self.words = np.stack([(number // power % len(sul.alphabet)).astype(np.int8) for power in powers], axis=1)
            self.answers = sul.every(longest)
        else:
            self.words = np.random.default_rng(seed).integers(0, len(sul.alphabet), (RANDOM, longest))
            self.answers = sul.all(self.words)
        self.last = "none was finished"

    def find_cex(self, hypothesis: Any) -> Word | None:
        wrong = self.differing(hypothesis)
        self.num_queries += len(self.words)
        rows = np.flatnonzero(wrong.any(axis=1))
        among = f"of {len(self.words):,} {'' if self.is_complete else 'random '}words of the longest length"
        self.last = f"the last one, of {len(hypothesis.states)} states, was wrong on {len(rows):,} {among}"
        if not len(rows):
            return None
        row = rows[np.argmax(wrong[rows].argmax(axis=1) == wrong[rows].argmax(axis=1).min())]
        return tuple(map(int, self.words[row, : int(wrong[row].argmax()) + 1]))

    def differing(self, hypothesis: Any) -> np.ndarray[Any, Any]:
        """Where the machine answers otherwise, (words, T)."""
        number = {id(state): n for n, state in enumerate(hypothesis.states)}
        table = np.array([[number[id(s.transitions[a])] for a in self.alphabet] for s in hypothesis.states])
        outputs = np.array([state.output for state in hypothesis.states])
        at, found = np.full(len(self.words), number[id(hypothesis.initial_state)]), []
        for column in self.words.T:
            at = table[at, column]
            found.append(outputs[at])
        return np.asarray(np.stack(found, axis=1) != self.answers)


def learn(of: Any, longest: int, *, seconds: float, seed: int) -> LearnedMachine:
    """The machine that L* learns of a network of numbers or of symbols."""
    sul = Answers(of, time.perf_counter() + seconds)
    oracle = Words(sul, longest, seed)
    try:
        machine, account = run_Lstar(sul.alphabet, sul, oracle, "moore", return_data=True, print_level=0)
    except OutOfTimeError:
        ended = f"no machine within {seconds:g} s: {oracle.last}"
        return LearnedMachine(0, sul.num_queries, 0, 0, oracle.is_complete, ended)
    wrong = int(oracle.differing(machine).any(axis=1).sum())
    questions = int(account["queries_learning"])
    return LearnedMachine(len(machine.states), questions, wrong, len(oracle.words), oracle.is_complete, "")
