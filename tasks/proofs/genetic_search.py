"""Look for a sequence that a program gets wrong, at lengths that nobody can list and no method bounds.

Sequences of each length climb towards the least margin of the program's label,

    margin(x) = how far the network is from answering anything but program(x) on x,    negative where it does,

as a genetic algorithm (Holland 1975): children differ from their parents by a few tokens, take a segment of another
parent, or come from a parent of a neighbouring length by one token more or less. Of a recurrent network the words of a
beam (``beam_search``) are tried first, and are parents as well. What is found is bounded by itself
before it is called a counterexample; then only shorter ones are looked for. Where none is found nothing is claimed: the
verdict says how many were tried, and which came closest. Where every place has a label, the margin of a sequence is the
least over its places.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cegis import Counterexample, Program
from cegis.domain import DEAD, Tokens
from dsl.grammars.positions import PlacedBatch
from dsl.sequences import SequenceBatch
from tasks.bounds.ball import Reals
from tasks.networks.recurrent import Recurrent
from tasks.proofs.beam_search import beams
from tasks.proofs.enumeration import LateError
from tasks.proofs.verifier import Cause, Extent, StopReason, Verifier, Words

SWEEPS = 40  # over all lengths
KEPT, CHILDREN, FRESH = 32, 192, 64  # sequences per length: parents, and what is tried in a sweep
MOST_PERIOD = 4  # of the repeated words that a population begins with
SAID = {Cause.TIME: "stopped by the time limit", Cause.INTERRUPT: "interrupted", Cause.NONE_FOUND: ""}


@dataclass(frozen=True)
class _Kept:
    """The parents of one length, (rows, length), and the margins of the program's label on them, least first."""

    tokens: Tokens
    margins: Reals


@dataclass
class Falsifier(Verifier):
    """Tries to refute programs on long sequences of the bounded ``domain``: any network, any read-out.

    It proves nothing; ``on_length(length, longest)`` is told of every length that was tried. See ``Verifier``.
    """

    seed: int = 0

    def examine(
        self, program: Program, where: Program | None = None, inside: str = "", known: int | None = None
    ) -> Extent:
        """Look for a counterexample among sequences longer than ``known``, up to which the program is right.

        With ``where``, only the sequences count for which that program says ``inside``.
        """
        self._started = time.perf_counter()
        lengths = range(1 + (known or 0), self.domain.lengths[-1] + 1)
        search, cause = _Search(self, program, where, inside, lengths), Cause.NONE_FOUND
        try:
            search.run()
        except LateError:
            cause = Cause.TIME
        except KeyboardInterrupt:
            cause = Cause.INTERRUPT
        equal = self.domain.min_length - 1 if known is None else known
        stopped = None if search.broken else StopReason(cause, search.sentence(SAID[cause]))
        return Extent(equal, search.broken, stopped, (), seconds=time.perf_counter() - self._started)


class _Search:
    """The search for one program's counterexample."""

    def __init__(
        self, falsifier: Falsifier, program: Program, where: Program | None, inside: str, lengths: range
    ) -> None:
        self._falsifier, self._program, self._where, self._inside = falsifier, program, where, inside
        self._loaded, self._domain = falsifier.model, falsifier.domain
        self._lengths = [n for n in lengths if n >= max(1, self._domain.min_length) and self._domain.count(n)]
        self._random = np.random.default_rng(falsifier.seed)
        self._kept: dict[int, _Kept] = {}
        self._is_placed = self._loaded.readout.position == "every"
        self._tried = 0
        self._closest: tuple[float, Words] = (np.inf, ())
        self.broken: Counterexample | None = None

    def run(self) -> None:
        """Sweep over all lengths, after a counterexample over the shorter ones; raises LateError."""
        self._beam()
        for sweep in range(SWEEPS):
            for length in self._lengths:
                self._check_time()
                if self.broken is not None and length >= len(self.broken.sequence):
                    break
                children = self._children(length) if sweep else self._beginning(length)
                self._add(length, np.unique(self._within(children), axis=0))
                self._falsifier.on_length(length, self._domain.lengths[-1])

    def sentence(self, stopped: str) -> str:
        """What was tried, and what came closest."""
        if not self._tried:
            return f"no longer sequence was tried ({stopped or 'there is none'})"
        margin, sequence = self._closest
        limit = f" ({stopped})" if stopped else ""
        return (
            f"none of {self._tried:,} sequences of length {self._lengths[0]} to {self._lengths[-1]} that were bred to "
            f"break it does{limit}; margin {margin:.3g} at {' '.join(sequence)!r}"
        )

    def _beam(self) -> None:
        """Words along the tree of prefixes, where the network has states; raises LateError."""
        loaded, longest = self._loaded, max(self._lengths, default=0)
        is_free = self._domain.constraint is None and self._where is None
        if not isinstance(loaded.network, Recurrent) or loaded.readout.position == "every" or not is_free:
            return
        for words, margins in beams(loaded, longest, self._margins):
            length = words.shape[1]
            self._check_time()
            if length not in self._lengths:
                continue
            if self.broken is not None:
                return
            self._tried += len(words)
            self._note(length, words, margins)
            self._falsifier.on_length(length, self._domain.lengths[-1])

    def _margins(self, words: Tokens, logits: Reals) -> Reals:
        """How far the network is from anything but what the program says."""
        labels, margins = self._loaded.readout.read(logits)
        said = np.where(self._is_said(labels, self._answers(words)), margins, -margins)
        return said if said.ndim == 1 else said.min(axis=1)

    def _answers(self, tokens: Tokens) -> NDArray[np.int64]:
        """What the program says, (sequences,) or (sequences, length)."""
        count, length = tokens.shape
        if not self._is_placed:
            return self._program.run(SequenceBatch(tokens))
        batch = PlacedBatch(np.repeat(tokens, length, axis=0), np.tile(np.arange(length), count))
        return self._program.run(batch).reshape(count, length)

    # --- sequences to try ---------------------------------------------------------------------------------------

    def _beginning(self, length: int) -> Tokens:
        """Random sequences, repeated words, and parents of the length before with one token more."""
        letters = len(self._domain.alphabet)
        words = [self._random.integers(0, letters, (KEPT, n)) for n in range(1, MOST_PERIOD + 1)]
        repeated = [np.tile(word, (1, -(-length // word.shape[1])))[:, :length] for word in words]
        fresh = self._domain.sample(length, FRESH, self._random)
        return np.concatenate([fresh, *(part.astype(np.int8) for part in repeated), self._longer(length)])

    def _children(self, length: int) -> Tokens:
        """Children of the parents of this length and of those beside it."""
        fresh = self._domain.sample(length, FRESH, self._random)
        parents = self._kept[length].tokens if length in self._kept else fresh
        children = parents[self._random.integers(0, len(parents), CHILDREN)]
        self._cross(children[::3], parents)
        self._change(children)
        return np.concatenate([children, self._longer(length), self._shorter(length), fresh[: FRESH // 4]])

    def _change(self, rows: Tokens) -> None:
        """Other tokens at one to three places of each row."""
        for _ in range(3):
            place = self._random.integers(0, rows.shape[1], len(rows))
            token = self._random.integers(0, len(self._domain.alphabet), len(rows))
            chosen = self._random.random(len(rows)) < 0.6
            rows[np.flatnonzero(chosen), place[chosen]] = token[chosen]

    def _cross(self, rows: Tokens, parents: Tokens) -> None:
        """A segment of another parent in each row, at its own place."""
        ends = np.sort(self._random.integers(0, rows.shape[1] + 1, (len(rows), 2)), axis=1)
        place = np.arange(rows.shape[1])
        taken = (place >= ends[:, :1]) & (place < ends[:, 1:])
        rows[taken] = parents[self._random.integers(0, len(parents), len(rows))][taken]

    def _longer(self, length: int) -> Tokens:
        """Parents of the length before with one token more."""
        if length - 1 not in self._kept:
            return np.zeros((0, length), np.int8)
        shorter = self._kept[length - 1].tokens
        place = self._random.integers(0, length, len(shorter))
        token = self._random.integers(0, len(self._domain.alphabet), len(shorter))
        index = np.arange(length)
        moved = shorter[np.arange(len(shorter))[:, None], np.minimum(index - (index > place[:, None]), length - 2)]
        return np.where(index == place[:, None], token[:, None], moved).astype(np.int8)

    def _shorter(self, length: int) -> Tokens:
        """Parents of the length behind with one token less."""
        if length + 1 not in self._kept:
            return np.zeros((0, length), np.int8)
        longer, index = self._kept[length + 1].tokens, np.arange(length)
        place = self._random.integers(0, length + 1, (len(longer), 1))
        return longer[np.arange(len(longer))[:, None], index + (index >= place)]

    def _within(self, tokens: Tokens) -> Tokens:
        """The rows that belong to the domain."""
        constraint = self._domain.constraint
        if constraint is None:
            return tokens
        table = np.array(constraint.transitions)
        states = np.zeros(len(tokens), np.int64)
        for column in tokens.T:
            states = np.where(states == DEAD, DEAD, table[states, column])
        accepted: Tokens = tokens[(states != DEAD) & np.array(constraint.accepting)[states]]
        return accepted

    # --- what they show -----------------------------------------------------------------------------------------

    def _add(self, length: int, tokens: Tokens) -> None:
        """Try some sequences, and keep the best parents; raises where one is wrong."""
        if self._where is not None:
            names = (*self._where.grammar.sequences.labels, None)
            said = self._where.run(SequenceBatch(tokens))
            tokens = tokens[np.array([names[n] == self._inside for n in said], bool)]
        if not len(tokens):
            return
        self._tried += len(tokens)
        self._note(length, tokens, self._margins(tokens, self._loaded.logits(tokens)))

    def _note(self, length: int, tokens: Tokens, margins: Reals) -> None:
        """Replay what seems to be wrong, and keep the best parents."""
        order = np.argsort(margins, kind="stable")
        for row in order[margins[order] <= 0]:
            self._replay(tokens[row])
        known = self._kept.get(length)
        if known is not None:
            tokens, margins = np.concatenate([known.tokens, tokens]), np.concatenate([known.margins, margins])
            tokens, first = np.unique(tokens, axis=0, return_index=True)
            margins = margins[first]
        order = np.argsort(margins, kind="stable")[:KEPT]
        self._kept[length] = _Kept(tokens[order], margins[order])
        if margins[order[0]] < self._closest[0]:
            self._closest = float(margins[order[0]]), self._domain.words(tokens[order[0]])

    def _is_said(self, labels: NDArray[np.int64], given: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether each label is what the program gives; no label is nothing that one gives."""
        found = self._falsifier.places(self._program.grammar.sequences.labels, labels).reshape(labels.shape)
        is_same: NDArray[np.bool_] = (found >= 0) & (found == given)
        return is_same

    def _replay(self, row: NDArray[np.int8]) -> None:
        """Note a sequence where bounds on it alone say that the program is wrong."""
        sequence: Words = self._domain.words(row)
        for place in range(len(sequence)) if self._is_placed else (None,):
            inputs = sequence if place is None else (sequence, place)
            known = self._falsifier.label(sequence, place)
            got = self._program(sequence) if place is None else self._program(sequence, place)
            if known is not None and known[0] != got:
                self.broken = Counterexample(inputs, known[0], got)
                return

    def _check_time(self) -> None:
        self._falsifier.check_time()
