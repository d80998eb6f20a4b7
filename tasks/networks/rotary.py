"""Rotary positions (Su et al. 2021), and blocks of two branches, spelt with the steps of ``transformer``.

The stream carries, beside its ``width`` columns, the cosines and sines of its position: columns that the position table
fills and no step changes. A head's columns x are turned by one product and one sum:

    x_j cos a - x_k sin a,  x_j sin a + x_k cos a     =     (x * C) + (P x * S)

where C and S are columns of the stream, each repeated for both numbers of a pair, and P swaps the numbers of a pair and
changes one sign. All matrices have entries 0, 1 and -1, so that nothing is rounded that a program does not round.

Angles are ``position * base ** (-2 i / columns)``. Programs compute them in float32, where they are off by a part of
their size: ``tables`` says by how much at most, and ``Transformer.position_error`` carries it into every bound.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from tasks.networks.transformer import Affine, Product, Reals, Step

UNIT = 2.0**-24  # of float32, whose rounding holds that of float64
ULPS = 8 * UNIT  # 4 ulp, relative


@dataclass(frozen=True)
class Stream:
    """Columns of a stream: its own ``width``, then cosines and sines of ``pairs`` angles, then ``more`` of zeros.

    The latter hold what the branches of a parallel block give, until all is added up.
    """

    width: int
    pairs: int
    more: int = 0

    @property
    def whole(self) -> int:
        """All columns."""
        return self.width + 2 * self.pairs + self.more

    def wide(self, table: Reals) -> Reals:
        """Rows of the stream's own columns, with zeros in the others."""
        result = np.zeros((len(table), self.whole))
        result[:, : self.width] = table
        return result

    def own(self) -> tuple[Step, ...]:
        """From a row of the stream to its own columns."""
        return () if self.whole == self.width else (Affine(np.eye(self.width, self.whole)),)

    def onto(self, layer: Affine, at: int = 0) -> Affine:
        """``layer`` with its result in the columns from ``at`` on, and zeros in the others."""
        if self.whole == self.width:
            return layer
        weight, bias = np.zeros((self.whole, layer.weight.shape[1])), np.zeros(self.whole)
        weight[at : at + len(layer.weight)] = layer.weight
        if layer.bias is not None:
            bias[at : at + len(layer.weight)] = layer.bias
        return Affine(weight, None if layer.bias is None else bias)

    @property
    def spare(self) -> tuple[int, int]:
        """Where the two branches of a parallel block put what they give."""
        first = self.width + 2 * self.pairs
        return first, first + self.width

    def summed(self) -> Affine:
        """Own columns plus both that are spare, which become zero."""
        weight = np.zeros((self.whole, self.whole))
        weight[: self.spare[0], : self.spare[0]] = np.eye(self.spare[0])
        for start in self.spare:
            weight[: self.width, start : start + self.width] = np.eye(self.width)
        return Affine(weight)


def tables(longest: int, pairs: int, base: float) -> tuple[Reals, Reals]:
    """Cosines and sines of the angles at each position, (longest, 2 pairs), and how far any execution may be off.

    Both in float64, where all errors are 2**-29 of those that float32 may make.
    The error of a frequency, relative: its exponent, times the logarithm of the base, may be rounded a dozen times, and
    so may the power. The first frequency is 1, whatever computes it.
    """
    share = np.arange(pairs) / pairs
    frequency = base**-share
    angle = np.arange(longest)[:, None] * frequency
    relative = np.where(share == 0, 0.0, (12 * share * abs(math.log(base)) + 24) * UNIT)
    off = np.minimum(angle * relative, 2.0) + ULPS + 4 * UNIT
    values = np.concatenate([np.cos(angle), np.sin(angle)], axis=1)
    return values, np.concatenate([off, off], axis=1)


def turned(
    steps: Sequence[Step], stream: Stream, heads: int, head: int, layout: Literal["halves", "pairs"], repeats: int = 1
) -> tuple[Step, ...]:
    """``steps``, from the stream to ``heads`` heads of ``head`` columns, and the rotation of the first columns of each.

    ``layout``: the numbers of a pair lie half of the rotated columns apart, or side by side. Each head is then repeated
    for ``repeats`` heads that share it.
    """
    pairs, width = stream.pairs, heads * head
    if not pairs:
        return (*steps, *([Affine(repeated(np.eye(width), heads, repeats))] if repeats > 1 else []))
    both, taken, one = np.zeros((2 * width, width)), np.zeros((2 * width, stream.whole)), np.zeros(2 * width)
    both[:width] = np.eye(width)
    one[:width] = 1.0  # columns that are not rotated
    for start in range(0, width, head):
        for pair in range(pairs):
            first, second = (pair, pair + pairs) if layout == "halves" else (2 * pair, 2 * pair + 1)
            for place, other, sign in ((first, second, -1.0), (second, first, 1.0)):
                both[width + start + place, start + other] = sign
                taken[start + place, stream.width + pair] = 1.0
                taken[width + start + place, stream.width + pairs + pair] = 1.0
                one[start + place] = 0.0
    summed = repeated(np.hstack([np.eye(width), np.eye(width)]), heads, repeats)
    return (Product((*steps, Affine(both)), (Affine(taken, one),)), Affine(summed))


def repeated(rows: Reals, heads: int, times: int) -> Reals:
    """The rows of each of ``heads`` equal blocks ``times`` over: heads that share keys or values."""
    return np.repeat(rows.reshape(heads, -1, *rows.shape[1:]), times, axis=0).reshape(-1, *rows.shape[1:])
