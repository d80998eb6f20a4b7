"""What one case of the attack gives, and where its random numbers come from."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class Outcome:
    """``tried`` single comparisons, of which ``decided`` met a claim that could have been wrong; ``wrong``: sentences.

    ``files`` are kept, beside those sentences, where something is wrong.
    """

    tried: int
    decided: int
    wrong: tuple[str, ...] = ()
    harmless: int = 0
    files: Mapping[str, bytes] = field(default_factory=dict)


Case = Callable[[int, int], Outcome]  # (seed, index)


def random_of(part: str, seed: int, index: int) -> np.random.Generator:
    """The generator of one case: the same for (part, seed, index) on every machine."""
    return np.random.default_rng([zlib.crc32(part.encode()), seed, index])
