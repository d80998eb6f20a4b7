"""The tree of prefixes of a ``Recurrent`` network with ellipsoids: what errors do together, in one matrix a state.

    state after a prefix  =  c + S^T s + e,   |s|_2 <= 1,  |e| <= rest          S (width, width)

A zonotope (``recurrent_zonotope``) has a symbol for every error, and must forget symbols; forgotten ones grow as in a
ball. An ellipsoid needs no more than ``width`` symbols: a step maps them as the network does, by the operations of the
zonotope, where only the spread is a root of squares; then the box d of what is left over is added (Kurzhanski and
Valyi, Ellipsoidal Calculus for Estimation and Control, 1997, chapter 2). For any direction v and any p > 0

    |S v| + sum |v_i| d_i  <=  |S v| + (sum d)^(1/2) (sum d_i v_i^2)^(1/2)                    (Cauchy and Schwarz)
    (a + b)^2              <=  (1 + p) a^2 + (1 + 1/p) b^2

so the sum lies in the ellipsoid of  Q = (1 + p) S^T S + (1 + 1/p) sum(d) diag(d);  with p of the least trace, the
quotient of sum(d) and the root t of the trace of S^T S, the second factor is t + sum(d) times diag(d). S^T S is
computed in the symbols' own precision, the root of Q as a Cholesky factor in float64. What both round is a matrix with
entries of at most ``_lost`` * (q_ii q_jj)^(1/2) (Higham 2002, theorem 10.3), and so at most width * ``_lost`` *
diag(Q), which is added before, with what products of tiny numbers that come out as zero may add up to; what the
conversion of the root rounds goes to the rest.

It costs less than half of what 600 symbols of a state of 100 numbers cost, and is tighter after many tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from tasks.bounds.ball import FLOAT32, FLOAT64, INFLATION, TINY, Reals
from tasks.bounds.interpreter import Stream
from tasks.bounds.recurrent import tree
from tasks.bounds.recurrent_zonotope import FLUSHED, NUMBERS, Symbols, Way, Zonotope, Zonotopes, _slack, _way
from tasks.networks.recurrent import Recurrent
from tasks.networks.transformer import Columns, Step

STRAIGHT = 2  # last steps before balls after which nothing is added to the ellipsoid: it would widen it
LIGHT = 2.0**-16  # of the spread of an entry: what is left over there stays as it is


def enclose(network: Recurrent, batches: Sequence[NDArray[np.integer]], u: float, ahead: int = 0) -> Stream:
    """What ``recurrent.enclose`` gives, with smaller radii; ``ahead``: the last tokens, for which balls are used."""
    longest = max((ids.shape[1] for ids in batches), default=0)
    return tree(network, batches, Ellipsoids(network, u, max(0, longest - ahead), ahead > 0))


class Ellipsoids(Zonotopes):
    """Ellipsoids for the first ``deep`` tokens, balls for the others."""

    is_round = True

    def __init__(self, network: Recurrent, u: float, deep: int, is_followed: bool = False) -> None:
        super().__init__(network, u, deep)
        self._made_of = (network, u, deep, is_followed)
        self._is_followed = is_followed  # by balls
        self._straight, self._transition = self._transition, _interleaved(network.transition, u, self._dtype)
        self._together = max(1, NUMBERS // (2 * network.width**2))

    def _is_last(self, depth: int) -> bool:
        """Whether it is one of the last steps before balls: what they leave over stays beside the ellipsoid."""
        return self._is_followed and depth > self._deep - STRAIGHT

    def _way(self, depth: int) -> Way:
        """The transition to states after so many tokens."""
        return self._straight if self._is_last(depth) else self._transition

    def _renewed(self, after: Zonotope, depth: int) -> Zonotope:
        """``after`` with its rest inside the ellipsoid; the box around both where only balls follow."""
        if depth == self._deep and self._is_followed:
            return replace(after, symbols=after.symbols[:, :0], rest=after.radius)
        if self._is_last(depth):
            return after
        known = np.isfinite(after.rest)
        symbols, lost = root(added(after.symbols, np.where(known, after.rest, 0.0)), after.symbols.dtype.type)
        return replace(after, symbols=symbols, rest=np.where(known, lost, np.inf))


def _interleaved(steps: Sequence[Step], u: float, dtype: type[np.floating]) -> Way:
    """``steps`` on ellipsoids; what one of them leaves over gets symbols where another may read it twice."""
    last = max((n for n, step in enumerate(steps) if not isinstance(step, Columns)), default=0)
    ways = [_way(step, u, dtype) for step in steps]

    def run(x: Zonotope) -> Zonotope:
        for n, way in enumerate(ways):
            x = absorbed(way(x)) if n < last else way(x)
        return x

    return run


def absorbed(x: Zonotope) -> Zonotope:
    """An ellipsoid that holds ``x``, with a symbol more for each entry that something was left over at.

    It is that of Q, above, by a root that has more rows than columns.
    """
    columns = np.flatnonzero((x.rest > LIGHT * x.spread).any(axis=0))
    known = np.isfinite(x.rest)
    box = (np.where(known, x.rest, 0.0)[:, columns] + FLUSHED) * INFLATION
    one, total = np.sqrt((x.spread**2).sum(axis=1)), box.sum(axis=1)
    fresh = np.zeros((len(box), len(columns), x.rest.shape[1]), x.symbols.dtype)
    fresh[:, np.arange(len(columns)), columns] = np.sqrt((one + total)[:, None] * box)
    grown = x.symbols * np.sqrt((one + total) / one).astype(x.symbols.dtype)[:, None, None]
    rest = x.rest.copy()
    rest[:, columns] = np.where(known[:, columns], 0.0, np.inf)
    wider = replace(x, symbols=np.concatenate([grown, fresh], axis=1), rest=rest)
    return replace(wider, rest=rest + _slack(x, 4) * wider.spread + FLUSHED)


def added(symbols: Symbols, box: Reals) -> Reals:
    """Q (rows, width, width) of an ellipsoid that holds the sum of one with ``symbols`` and a ``box`` (rows, width)."""
    product = (symbols.transpose(0, 2, 1) @ symbols).astype(np.float64)
    box = (box + FLUSHED) * INFLATION
    total = box.sum(axis=1)
    one = np.sqrt(np.einsum("rii->r", product) + FLUSHED**2)  # the roots of both traces
    sides = one + total
    q: Reals = product * (sides / one)[:, None, None]
    every = np.arange(box.shape[1])
    flushed = symbols.shape[1] * TINY * sides / one
    q[:, every, every] += sides[:, None] * box + box.shape[1] * flushed[:, None]
    q[:, every, every] *= 1.0 + box.shape[1] * _lost(symbols.dtype.type, symbols.shape[1] + 3 * box.shape[1])
    return q


def root(q: Reals, dtype: type[np.floating]) -> tuple[Symbols, Reals]:
    """Symbols of the ellipsoid of ``q``, and what they leave over (rows, width)."""
    factor = np.linalg.cholesky(q).transpose(0, 2, 1)
    size = np.sqrt(np.einsum("rii->ri", q)) * INFLATION
    u = FLOAT32 if dtype == np.float32 else FLOAT64
    return np.ascontiguousarray(factor.astype(dtype)), 2.0 * u * size + FLUSHED


def _lost(dtype: type[np.floating], terms: int) -> float:
    """What so many roundings may change, of the root of the product of two entries of the diagonal."""
    return 4.0 * (terms + 16) * (FLOAT32 if dtype == np.float32 else FLOAT64)
