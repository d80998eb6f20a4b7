"""Small recurrent networks: random cells, a latch, a slow drift, sums; and words of their own answers."""

from __future__ import annotations

import numpy as np

from cegis import Domain
from cegis.domain import Constraint
from dsl.sequences import SequenceSignature
from tasks.automata.moore import Machine
from tasks.automata.regex import constraint
from tasks.formats import Loaded
from tasks.networks.cells import Gate, elman, gru, lstm, stacked
from tasks.networks.model import Question, authored
from tasks.networks.readout import Argmax, Rounded
from tasks.networks.recurrent import Recurrent
from tasks.networks.transformer import Activation, Affine

ANSWERS = ("accept", "reject")
ALPHABET = ("0", "1")
Random = np.random.Generator


def weights(rng: Random, *shape: int, scale: float = 0.6) -> np.ndarray:
    """Random numbers that float32 holds."""
    return rng.normal(scale=scale, size=shape).astype(np.float32).astype(np.float64)


def gate(rng: Random, size: int, inputs: int, scale: float = 0.6) -> Gate:
    """One with random weights."""
    return Gate(weights(rng, size, inputs), weights(rng, size, size, scale=scale), weights(rng, size))


def random_cells(rng: Random, kind: str, size: int = 3, layers: int = 1, scale: float = 0.6) -> Recurrent:
    """A network of ``tanh``, ``gru`` or ``lstm`` cells that reads two tokens and has two logits."""
    made = []
    for n in range(layers):
        inputs = 2 if n == 0 else size
        gates = [gate(rng, size, inputs, scale) for _ in range(4)]
        match kind:
            case "gru":
                made.append(lambda row, g=gates: gru(g[0], g[1], None, row))
            case "reset":
                made.append(lambda row, g=gates: gru(g[0], g[1], g[2], row))
            case "lstm":
                made.append(lambda row, g=gates: lstm(*g, row))
            case _:
                made.append(lambda row, g=gates: elman(g[0], kind, row))
    is_lstm = kind == "lstm"
    transition = stacked(tuple(made), size, 2, is_lstm=is_lstm)
    width = size * layers * (2 if is_lstm else 1)
    return Recurrent(
        np.eye(2), weights(rng, width, scale=0.3), transition, (Affine(weights(rng, 2, width), weights(rng, 2)),)
    )


def latch(gain: float = 4.0) -> Recurrent:
    """A tanh that remembers the last token other than ``-``: logits of accept (after 1) and reject (after 0)."""
    rows = Affine(np.array([[gain, 1.0]]))
    tokens = np.array([[-10.0], [10.0], [0.0]])
    return Recurrent(tokens, np.array([-1.0]), (rows, Activation("tanh")), (Affine(np.array([[1.0], [-1.0]])),))


def drift(step: float, start: float = -1.0) -> Recurrent:
    """A number that grows by ``step`` with every token: rejects until it is above 0, which is late."""
    rows = Affine(np.array([[1.0, 0.0, 0.0]]), np.array([step]))
    return Recurrent(np.eye(2), np.array([start]), (rows,), (Affine(np.array([[1.0], [-1.0]])),), dtype="float64")


def running_sum(factor: float = 1.0, leak: float = 1.0) -> Recurrent:
    """``h' = leak h + factor x``, read as it is."""
    tokens = np.arange(4.0)[:, None]
    return Recurrent(
        tokens, np.zeros(1), (Affine(np.array([[leak, factor]])),), (Affine(np.array([[1.0]])),), dtype="float64"
    )


def asked(
    network: Recurrent, pattern: str | None = None, alphabet: tuple[str, ...] = ALPHABET, least: int = 1
) -> Loaded:
    """The network, read by the larger of two logits, on the words of a regular expression."""
    limit: Constraint | None = None if pattern is None else constraint(pattern, alphabet)
    question = Question(alphabet, (), (), (least, 64), Argmax(ANSWERS, (0, 1)))
    return authored("small", "recurrent steps", network, alphabet, question, outputs=ANSWERS, constraint=limit)


def numbers_asked(network: Recurrent) -> Loaded:
    """A network of the numbers 0 to 3, rounded at every step."""
    alphabet = ("0", "1", "2", "3")
    question = Question(alphabet, (), (), (1, 64), Rounded(0, position="every"))
    return authored("numbers", "recurrent steps", network, alphabet, question, outputs=("y",))


def machine(columns: tuple[tuple[int, ...], ...], outputs: tuple[int, ...], alphabet: tuple[str, ...] = ALPHABET):
    """A program: the label of a state, with the next state by token and state."""
    return Machine(columns, outputs).program(SequenceSignature(alphabet, ANSWERS))


def always(label: str, alphabet: tuple[str, ...] = ALPHABET):
    """The program that has one answer."""
    return machine(tuple((0,) for _ in alphabet), (ANSWERS.index(label),), alphabet)


def answers_along(network: Recurrent, ids: list[int]) -> list[str]:
    """The larger logit after every token, in float64."""
    state, found = network.initial(1), []
    for token in ids:
        state = network.step(state, np.array([token]))
        found.append(ANSWERS[int(network.read(state)[0].argmax())])
    return found


def whole(alphabet: tuple[str, ...] = ALPHABET) -> Domain:
    """Every word."""
    return Domain(alphabet, 1, None)
