"""64-bit keys of behaviours: sums over the examples of mixed values with random odd weights.

Two different behaviours share a key with probability about 2**-64 over the weights; those that differ on one example
alone never do. A sum is quick (one multiplication per value), and one example more is one weight more.
"""

from __future__ import annotations

import math
from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray

MIX = np.uint64(0xD6E8FEB86659FD93)
BLOCK = 2**18  # values at once, so that what is in between stays in the processor's cache


class Keys:
    """The weights: (examples, positions, at least 1)."""

    def __init__(self, seed: int) -> None:
        self._random = Random(int(seed))  # numpy's takes a hundredth of a second to import
        self._weight = np.zeros((0, 1), np.uint64)

    def widen(self, examples: int, width: int) -> None:
        """Have weights for so many examples of so many positions; those there are stay."""
        shape = (examples, max(width, 1))
        drawn = np.frombuffer(self._random.randbytes(8 * math.prod(shape)), np.uint64)
        weight = drawn.reshape(shape) | np.uint64(1)
        weight[: len(self._weight), : self._weight.shape[1]] = self._weight
        self._weight = weight

    def of(self, words: NDArray[Any], first: int = 0) -> NDArray[np.uint64]:
        """The key of each behaviour, for words (rows, examples[, width]) on the examples from ``first`` on."""
        step = max(1, BLOCK // max(1, math.prod(words.shape[1:])))
        if len(words) > step:
            parts = [self.of(words[start : start + step], first) for start in range(0, len(words), step)]
            return np.concatenate(parts)
        weight = self._weight[first : first + words.shape[1]]
        if words.ndim == 3:
            weight = weight[:, : words.shape[2]].reshape(-1)
            words = words.reshape(len(words), words.shape[1] * words.shape[2])
        else:
            weight = weight[:, 0]
        mixed = _mixed(words) if words.dtype == np.uint64 else words.astype(np.uint64)
        keys: NDArray[np.uint64] = np.einsum("ij,j->i", mixed, weight)
        return keys


def _mixed(words: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Each word scrambled, one to one: sums of plain words with odd weights cannot tell two high bits from none."""
    scratch = words >> np.uint64(32)
    scratch ^= words
    scratch *= MIX
    scratch ^= scratch >> np.uint64(29)
    return scratch
