"""Networks that average: one uniform head over a start token and a sequence of a and b, written without training."""

from __future__ import annotations

import numpy as np

from cegis import Domain
from tasks.formats import Loaded
from tasks.networks.readout import Argmax, Readout
from tasks.networks.transformer import Affine, Attention, Transformer

AB, VOCABULARY = ("a", "b"), ("a", "b", "<")
SIGNS = Argmax(("yes", "no"), (0, 1))


def average(
    values: tuple[float, float, float],
    longest: int,
    readout: Readout = SIGNS,
    *,
    wiggle: float = 0.0,
    dtype: str = "float32",
) -> Loaded:
    """A network whose logits are +-s/(n + 1), s the sum of ``values`` (of a, of b, of the start token).

    ``wiggle`` makes what a token adds depend on its position.
    """
    noise = np.random.default_rng(0).normal(scale=wiggle, size=longest + 1).astype(np.float32)
    tokens = np.column_stack([np.array(values, float), np.ones(3)])
    places = np.column_stack([noise.astype(float), np.zeros(longest + 1)])
    one, zero = Affine(np.array([[1.0, 0.0]])), Affine(np.zeros((1, 2)))
    attention = Attention((zero,), (zero,), (one,), 1, 1.0)
    model = Transformer(tokens, places, (attention, Affine(np.array([[1.0], [-1.0]]))), longest + 1, dtype)
    return Loaded("average", "test", model, VOCABULARY, ("<",), (), Domain(AB, 0, longest), readout)


def lead(longest: int, start: float = -0.5, **options) -> Loaded:
    """Yes where there are more a than b."""
    return average((1.0, -1.0, start), longest, **options)
