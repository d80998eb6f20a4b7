"""Networks whose circuits are known: hand-built weights, with nodes and edges planted among others that do nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from cegis.domain import Domain
from tasks.formats import Question
from tasks.networks.model import Loaded, assemble
from tasks.networks.transformer import Activation, Affine, Attention, Norm, Residual, Transformer

WIDTH, HEADS, NEURONS = 8, 2, 6
VOCABULARY = ("a", "b", "yes", "no")
PLANTED = {"0.attn.act_in": (0,), "0.attn.v": (2,), "0.attn.resid_delta": (5,), "final_resid": (5,)}
PLANTED_EDGES = 2


def float32(array: np.ndarray) -> np.ndarray:
    return np.asarray(array, np.float32).astype(np.float64)


def lead(noise: float = 1e-3, copies: int = 1, norm: bool = False, seed: int = 0) -> Transformer:
    """Says yes where there are more a than b: channel 0 is averaged by value channel 2, and written to channel 5.

    ``noise``: what all other weights are like; ``copies``: value channels that do the same, side by side, one alone
    being enough.
    """
    rng = np.random.default_rng(seed)

    def some(*shape: int) -> np.ndarray:
        return noise * rng.normal(size=shape)

    tokens = some(len(VOCABULARY), WIDTH)
    tokens[:2, 0] = 1.0, -1.0
    value, back, out = some(WIDTH, WIDTH), some(WIDTH, WIDTH), some(len(VOCABULARY), WIDTH)
    for copy in range(copies):
        value[2 + copy, 0], back[5, 2 + copy] = 4.0, 1.0
    out[2, 5], out[3, 5] = 3.0, -3.0
    first = (Norm("layer", np.ones(WIDTH), None, 1e-5),) if norm else ()
    attention = (
        *first,
        Attention(
            *(
                (Affine(float32(weight), float32(some(WIDTH))),)
                for weight in (some(WIDTH, WIDTH), some(WIDTH, WIDTH), value)
            ),
            heads=HEADS,
            scale=0.5,
        ),
        Affine(float32(back), float32(some(WIDTH))),
    )
    mlp = (
        Affine(float32(some(NEURONS, WIDTH)), float32(some(NEURONS))),
        Activation("relu"),
        Affine(float32(some(WIDTH, NEURONS)), float32(some(WIDTH))),
    )
    steps = (Residual(attention), Residual(mlp), Affine(float32(out)))
    return Transformer(float32(tokens), None, steps, 9)


def lead_model(longest: int = 5, **options: object) -> Loaded:
    """The same, ready to be asked about a and b."""
    network = lead(**options)
    question = Question(
        alphabet=("a", "b"), prefix=(), suffix=(), lengths=(1, longest), readout="argmax", answers=("yes", "no")
    )
    return assemble("lead", "planted", network, VOCABULARY, question, own=question)


def odd(model: Loaded) -> Domain:
    """Its sequences of three tokens, of which none is a tie."""
    return replace(model.domain, min_length=3, max_length=3)
