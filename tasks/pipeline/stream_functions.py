"""A Python function of the numbers so far that is no loop that can be read: run on every stream that is listed.

Streams are listed step by step, all of one length together, the states of the network bounded. The function is asked
twice for each, the second time in the opposite order (``functions``). What is known is what was run: streams of up to
the length that can be listed, never more.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from cegis.blackbox import BlackBoxError
from dsl.sequences import SequenceSignature
from tasks.bounds import ball
from tasks.bounds.ball import Ball
from tasks.networks.number_streams import Ints, NumberStreams
from tasks.networks.readout import Rounded
from tasks.pipeline.functions import BETWEEN, RunProgram, as_program, called_until
from tasks.pipeline.own_programs import OwnProgram
from tasks.proofs.enumeration import LateError, Semantics
from tasks.proofs.stream_states import Boxes, Broken, Equal, Lattice, Open, Outcome

MOST = 200_000  # streams of one length
ARITHMETICS: tuple[tuple[Semantics, float], ...] = (("float32", ball.FLOAT32), ("float64", ball.FLOAT64))


def as_run(own: OwnProgram, of: NumberStreams, deadline: float) -> RunProgram:
    """``own`` as a program that is run; raises GrammarError where it takes anything but the tokens so far."""
    function, text, needs = own.loaded(1)
    signature = SequenceSignature(("0",), ("0",))  # what the pipeline of sequences asks for, and nothing here
    readout = Rounded(of.column, position="every")
    return as_program(own.name, function, signature, readout, text=text, needs=needs, deadline=deadline)


def compared_function(
    of: NumberStreams, program: RunProgram, longest: int, deadline: float, semantics: Semantics | None = None
) -> Outcome:
    """``program`` against the network on every stream that can be listed until then, up to ``longest`` steps."""
    best = Open("nothing was compared")
    lattice = Lattice.of(of.network)
    arithmetics = ARITHMETICS[:1] if semantics == "float32" else ARITHMETICS
    ways = [lattice] if lattice is not None else [Boxes(of.network, u, name) for name, u in arithmetics]
    answers: list[Ints] = []
    for way in ways:
        found = _Listing(of, program, way, longest, deadline, answers).run()
        if not isinstance(found, Open):
            return found
        best = found if best.shorter is None or found.equal_up_to > best.equal_up_to else best
    return best


@dataclass
class _Listing:
    """All streams, level by level; ``answers``: the function's, once they are known."""

    of: NumberStreams
    program: RunProgram
    way: Lattice | Boxes
    longest: int
    deadline: float
    answers: list[Ints]

    def run(self) -> Outcome:
        """What is so of the streams of each length, as far as it goes."""
        begun, each, margin = time.perf_counter(), len(self.of.numbers), np.inf
        states, ids = Ball.exact(self.of.network.initial(1)), np.zeros((1, 0), np.int64)
        shorter: Equal | None = None
        for length in range(1, self.longest + 1):
            if len(ids) * each > MOST:
                more = f"of {length} steps there are {len(ids) * each:,}"
                return Open(f"a function that is run is compared on streams that are listed, and {more}", shorter)
            rows, token = np.repeat(np.arange(len(ids)), each), np.tile(np.arange(each), len(ids))
            ids = np.concatenate([ids[rows], token[:, None]], axis=1)
            states = self.way.step(states[rows], token)
            read = self.way.read(states)
            center, radius = read.center[:, self.of.column], read.radius[:, self.of.column]
            label = np.round(center)
            left = 0.5 - np.abs(center - label) - radius
            try:
                said = self._asked(length, ids)
            except LateError:
                return Open(f"the time ended at streams of {length} steps", shorter)
            is_known = left > 2.0**-40 * (1.0 + np.abs(center))
            wrong = np.flatnonzero(is_known & (label != said))
            if len(wrong):
                at = int(wrong[0])
                return Broken(self.of.numbers[ids[at]], int(label[at]), int(said[at]), shorter)
            if not is_known.all():
                why = f"an output after {length} steps is too close to the middle between two whole numbers"
                return Open(why, shorter)
            margin = min(margin, float(left.min()))
            seconds = time.perf_counter() - begun
            shorter = Equal(length, margin, len(ids), self.way.semantics, "listed", seconds)
        assert shorter is not None
        return shorter

    def _asked(self, length: int, ids: Ints) -> Ints:
        if len(self.answers) < length:
            self.answers.append(answers_of(self.program, self.of, ids, self.deadline))
        return self.answers[length - 1]


def answers_of(program: RunProgram, of: NumberStreams, ids: Ints, deadline: float) -> Ints:
    """The function's answers to streams of token ids (count, T), each asked twice.

    Raises BlackBoxError for one that raises, changes its mind or gives no whole number, and LateError.
    """
    alphabet, first = of.alphabet, np.zeros(len(ids), np.int64)
    with called_until(deadline):
        for turn, order in enumerate((range(len(ids)), reversed(range(len(ids))))):
            for n, row in enumerate(order):
                if n % BETWEEN == 0 and time.perf_counter() > deadline:
                    raise LateError
                words = tuple(alphabet[token] for token in ids[row])
                value = _whole(program, words)
                if turn and value != first[row]:
                    raise BlackBoxError(
                        f"{program.asked.name} gives two answers for the same input, {' '.join(words)!r}; nothing can "
                        "be claimed of a function that changes its mind"
                    )
                first[row] = value
    return first


def _whole(program: RunProgram, words: tuple[str, ...]) -> int:
    text: Any = program.asked.answer((words,))
    try:
        value = int(text)
    except (TypeError, ValueError):
        raise BlackBoxError(
            f"{program.asked.name} at {' '.join(words)!r}: expected a whole number, got {text}"
        ) from None
    if not -(2**62) < value < 2**62:
        raise BlackBoxError(f"{program.asked.name} at {' '.join(words)!r}: expected a number of less than 62 bits")
    return value
