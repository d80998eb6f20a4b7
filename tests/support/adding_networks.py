"""Networks that add, made by hand: one layer that attends by place, a few ReLUs, and a largest logit.

At the row before the digit of base**i a head gives the average of all digits with weights base**(k - i) for the digits
of power k <= i, so a multiple of s = sum_k (a_k + b_k) base**(k - i), whose whole part is the digit wanted, or more
than it by the base: two ReLUs take that away. Noise in any of these makes networks of which some pairs are wrong.
"""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np

from cegis.operands import Operands
from tasks.automata.digits import NumberProgram
from tasks.formats import Loaded
from tasks.networks.model import Question, authored
from tasks.networks.transformer import Activation, Affine, Attention, Transformer
from tasks.proofs.operand_search import Teacher

SUM = NumberProgram(1, 1)
WHOLE = 6.0  # the sum of all weights of a row


def adding(
    digits: int = 2, base: int = 4, *, order: str = "lsb", noise: float = 0.0, by_token: float = 0.0, seed: int = 0
) -> Loaded:
    """A network for numbers of so many digits; ``noise`` in its weights; ``by_token``: digits move attention."""
    operands = Operands(digits, base, order, between=("+",), after=("=",))  # type: ignore[arg-type]
    random = np.random.default_rng(seed)
    cells = operands.cells
    length, start = len(cells) + operands.shown_digits - 1, len(cells)
    scores = np.full((length, length), -60.0)
    for index, power in enumerate(operands.answer_powers):
        row, total = start - 1 + index, 0.0
        for place, cell in enumerate(cells):
            if not isinstance(cell, str) and cell[1] <= power:
                scores[row, place] = (cell[1] - power) * np.log(base)
                total += float(base) ** (cell[1] - power)
        scores[row, cells.index("+")] = np.log(WHOLE - total)  # of value 0: weights add up to the same in every row
    scores += noise * random.normal(size=scores.shape)
    vocabulary = (*operands.alphabet, "+", "=")
    width = 1 + length  # the digit, and which place it is
    tokens, positions = np.zeros((len(vocabulary), width)), np.zeros((length, width))
    tokens[:base, 0] = np.arange(base)
    positions[:, 1:] = np.eye(length)
    query, key = np.zeros((length + 1, width)), np.zeros((length + 1, width))
    query[:length, 1:], key[:length, 1:] = scores.T, np.eye(length)
    query[length, 1:], key[length, 0] = by_token, 1.0
    value = np.zeros((1, width))
    value[0, 0] = WHOLE
    attention = Attention(
        (Affine(as_float32(query)),), (Affine(as_float32(key)),), (Affine(as_float32(value)),), 1, 1.0
    )
    fine = float(base**digits)  # s is a multiple of one over it
    steep = 4.0 * fine
    up = np.array([[1.0], [steep], [steep]])
    bias = np.array([0.0, -steep * (base - 0.75 / fine), -steep * (base - 0.75 / fine) - 1.0])
    down = np.array([[1.0, -base, base]])
    shift = 0.5 - 0.5 / fine
    read, offsets = np.zeros((len(vocabulary), 1)), np.full(len(vocabulary), -1e4)
    read[:base, 0] = 2.0 * np.arange(base) * fine
    offsets[:base] = (-(np.arange(base) ** 2.0) - 2.0 * np.arange(base) * shift) * fine
    up = up * (1 + noise * random.normal(size=up.shape))
    steps = (
        attention, Affine(as_float32(up), as_float32(bias)), Activation("relu"), Affine(as_float32(down)),
        Affine(as_float32(read), as_float32(offsets)),
    )  # fmt: skip
    network = Transformer(as_float32(tokens), as_float32(positions), steps, length, "float32")
    question = Question(alphabet=operands.alphabet, lengths=(1, length))
    return replace(authored(f"adding-{seed}", "steps", network, vocabulary, question), operands=operands)


def as_float32(values: np.ndarray) -> np.ndarray:
    return np.asarray(values, np.float32).astype(np.float64)


def every_margin(loaded: Loaded, program: NumberProgram) -> np.ndarray:
    """The least margin of every pair, in float64."""
    assert loaded.operands is not None
    numbers = range(loaded.operands.largest + 1)
    return Teacher(loaded, loaded.operands, program).worst(list(itertools.product(numbers, numbers)))
