"""Networks that compare two numbers, made by hand: what they give is a digit of one or the other, or a flag.

Two heads average the digits of either number by the powers that they count, two more look at the digit wanted. A step
of two ReLUs says whether the numbers' difference is at least 0 (or 1), and two more let one digit through.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from adding_networks import as_float32

from cegis.operands import Operands
from tasks.formats import Loaded
from tasks.networks.model import Question, authored
from tasks.networks.transformer import Activation, Affine, Attention, Transformer

WHOLE = 4.0  # the sum of all weights of a row
CHOICES = ("max(a, b)", "min(a, b)", "a < b", "a <= b", "a > b", "a >= b")


def choosing(
    what: str, digits: int = 2, base: int = 3, *, order: str = "lsb", noise: float = 0.0, by_token: float = 0.0,
    blind: int | None = None, seed: int = 0,
) -> Loaded:  # fmt: skip
    """A network for ``what``, one of CHOICES; ``blind``: a power at which it compares no digits."""
    is_flag = "<" in what or ">" in what
    operands = Operands(digits, base, order, 1 if is_flag else digits, between=("?",), after=("=",))  # type: ignore[arg-type]
    random = np.random.default_rng(seed)
    cells = operands.cells
    start, length = len(cells), len(cells) + operands.shown_digits - 1
    scores = np.full((4, length, length), -60.0)
    for index, wanted in enumerate(operands.answer_powers):
        row = start - 1 + index
        for h, name in enumerate("abab"):
            powers = [p for p in range(digits) if p != blind] if h < 2 else [wanted]
            for power in powers:
                scores[h, row, cells.index((name, power))] = (power + 1 - digits) * np.log(base) * (h < 2)
            total = sum(float(base) ** ((power + 1 - digits) * (h < 2)) for power in powers)
            scores[h, row, cells.index("?")] = np.log(WHOLE - total)  # of value 0
    scores += noise * random.normal(size=scores.shape)
    vocabulary = (*operands.alphabet, "?", "=")
    width = 1 + length  # the digit, and which place it is
    tokens, positions = np.zeros((len(vocabulary), width)), np.zeros((length, width))
    tokens[:base, 0], positions[:, 1:] = np.arange(base), np.eye(length)
    query, key = np.zeros((4, length + 1, width)), np.zeros((4, length + 1, width))
    query[:, :length, 1:], key[:, :length, 1:] = scores.transpose(0, 2, 1), np.eye(length)
    query[:, length, 1:], key[:, length, 0] = by_token, 1.0
    value = np.zeros((4, width))
    value[:, 0] = WHOLE
    attention = Attention(
        (Affine(as_float32(query.reshape(-1, width))),), (Affine(as_float32(key.reshape(-1, width))),),
        (Affine(as_float32(value)),), 4, 1.0,
    )  # fmt: skip
    fine = 2.0 * base ** (digits - 1)
    least = 1 if what in ("a > b", "a <= b") else 0  # of the difference, for the step to be 1
    step = np.array([[fine, -fine, 0, 0], [fine, -fine, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    step = step * (1 + noise * random.normal(size=step.shape))
    ends = np.array([1.5 - 2 * least, 0.5 - 2 * least, 0, 0])
    let, shift = {
        "max(a, b)": ([[base, -base, 1, 0], [-base, base, 0, 1]], [-base, 0]),
        "min(a, b)": ([[-base, base, 1, 0], [base, -base, 0, 1]], [0, -base]),
        "a < b": ([[-1, 1, 0, 0], [0, 0, 0, 0]], [1, 0]),
        "a <= b": ([[-1, 1, 0, 0], [0, 0, 0, 0]], [1, 0]),
        "a > b": ([[1, -1, 0, 0], [0, 0, 0, 0]], [0, 0]),
        "a >= b": ([[1, -1, 0, 0], [0, 0, 0, 0]], [0, 0]),
    }[what]
    read, offsets = np.zeros((len(vocabulary), 1)), np.full(len(vocabulary), -1e4)
    read[:base, 0], offsets[:base] = 2.0 * np.arange(base), -(np.arange(base) ** 2.0)
    steps = (
        attention, Affine(as_float32(step), as_float32(ends)), Activation("relu"),
        Affine(as_float32(np.array(let)), as_float32(np.array(shift))), Activation("relu"), Affine(np.ones((1, 2))),
        Affine(as_float32(read), as_float32(offsets)),
    )  # fmt: skip
    network = Transformer(as_float32(tokens), as_float32(positions), steps, length, "float32")
    question = Question(alphabet=operands.alphabet, lengths=(1, length))
    return replace(authored(f"choosing-{seed}", "steps", network, vocabulary, question), operands=operands)
