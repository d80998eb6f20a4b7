"""The tree of prefixes of a ``Recurrent`` network with ellipsoids: what errors do together, in one matrix a state.

    state after a prefix  =  c + S s + e,   |s|_2 <= 1,  |e| <= rest          S (width, width)

A zonotope (``recurrent_zonotope``) has a symbol for every error, and must forget symbols; forgotten ones grow as in a
ball. An ellipsoid needs no more than ``width`` symbols: a step maps them as Taylor models do (``taylor``), which leaves
new errors, a box d of what stands in the state, and boxes M e, |e| <= r, of what one layer left to the next. They are
added (Kurzhanski and Valyi, Ellipsoidal Calculus for Estimation and Control, 1997, chapter 2): for any direction v and
any positive t_k of sum t

    sum r_j |(M^T v)_j|  <=  (sum r)^(1/2) (sum r_j (M^T v)_j^2)^(1/2)                        (Cauchy and Schwarz)
    (sum a_k)^2          <=  t sum a_k^2 / t_k

so with Q_k = S S^T, sum(r) M diag(r) M^T, sum(d) diag(d) the sum lies in the ellipsoid of  Q = sum (t / t_k) Q_k;  its
trace is least where t_k is the root of that of Q_k.

Products are computed in the symbols' own precision, the root of Q as a Cholesky factor in float64. What both round is a
matrix with entries of at most ``_lost`` * (q_ii q_jj)^(1/2) (Higham 2002, theorem 10.3), and so at most width *
``_lost`` * diag(Q), which is added before, with what products of tiny numbers that come out as zero may add up to; what
the conversion of the root rounds goes to the rest. What the last ``STRAIGHT`` steps before balls leave over stays
beside the ellipsoid, which costs half as much and is no wider when balls begin.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tasks.bounds import taylor
from tasks.bounds.ball import FLOAT32, FLOAT64, INFLATION, TINY, Reals
from tasks.bounds.interpreter import Stream
from tasks.bounds.recurrent import Ids, Level, tree
from tasks.bounds.recurrent_zonotope import NUMBERS, States, Zonotope, Zonotopes
from tasks.bounds.taylor import FLUSHED, Errors, Row, Symbols
from tasks.networks.recurrent import Recurrent

LEAST = 2.0**-20  # share of a sum's extent that each of its parts gets
STRAIGHT = 3  # last steps before balls after which nothing is added to the ellipsoid: it would widen it


def enclose(network: Recurrent, batches: Sequence[NDArray[np.integer]], u: float, ahead: int = 0) -> Stream:
    """What ``recurrent.enclose`` gives, with smaller radii; ``ahead``: the last tokens, for which balls are used."""
    return Narrowing(ahead)(network, batches, u)


@dataclass
class Narrowing:
    """Encloses prompts with balls for the last ``ahead`` tokens; what that leaves open, with one ball less, from there.

    It is called once, then ``narrowed``. Where they have ``begun`` (``beginnings``) it goes on from there.
    """

    ahead: int
    begun: Level[States] | None = None
    is_first: bool = True
    _last: Level[States] | None = None

    def __call__(self, network: Recurrent, batches: Sequence[NDArray[np.integer]], u: float) -> Stream:
        """Bounds on the logits of ``batches`` of prompts."""
        deep = max(0, max((ids.shape[1] for ids in batches), default=0) - self.ahead)

        def keep(level: Level[States]) -> None:
            if level.depth == deep:
                self._last = level

        return tree(network, batches, Ellipsoids(network, u, deep, self.ahead > 0), self.begun, keep)

    def narrowed(self, some: Sequence[Ids]) -> Narrowing | None:
        """The next one, for ``some`` of the prompts of each batch; None where there is no ball."""
        if self._last is None or not self.ahead:
            return None
        return Narrowing(self.ahead - 1, self._last.of(some), is_first=False)


class Ellipsoids(Zonotopes):
    """Ellipsoids for the first ``deep`` tokens, balls for the others."""

    is_round = True

    def __init__(self, network: Recurrent, u: float, deep: int, is_followed: bool = False) -> None:
        super().__init__(network, u, deep)
        self._made_of = (network, u, deep, is_followed)
        self._is_followed = is_followed  # by balls
        self._together = max(1, NUMBERS // (2 * network.width**2))

    def _renewed(self, errors: Errors, row: Row, depth: int) -> Zonotope:
        """The state with its rest inside the ellipsoid; before balls beside it."""
        center, symbols, counts, rest, images = taylor.joined(errors, row)
        is_last = self._is_followed and depth > self._deep - STRAIGHT
        if is_last:
            rest = taylor.with_boxes(errors, rest, images)
        after = Zonotope(center, symbols, rest, depth, True, counts)
        if is_last:
            return after
        known = np.isfinite(rest)
        q = added(symbols, np.where(known, rest, 0.0), taylor.boxes_of(errors, images))
        symbols, lost = root(q, symbols.dtype.type)
        return replace(after, symbols=symbols, rest=np.where(known, lost, np.inf), counts=np.arange(len(counts)) + 1)


def added(symbols: Symbols, box: Reals, boxes: Sequence[tuple[Reals, Symbols]] = ()) -> Reals:
    """Q (rows, width, width) of an ellipsoid that holds the sum of one with ``symbols``, a ``box`` (rows, width), and

    ``boxes``: radii (rows, entries) of errors, and what a unit of each does (rows or 1, width, entries).
    """
    parts = [symbols]
    for radii, matrix in boxes:
        total = radii.sum(axis=1, keepdims=True) * INFLATION
        parts.append(np.sqrt(total * radii * INFLATION).astype(symbols.dtype)[:, None] * matrix)
    box = (box + FLUSHED) * INFLATION
    roots = np.array([*(np.sqrt(np.einsum("rok,rok->r", part, part)) for part in parts), box.sum(axis=1)], np.float64)
    roots = np.maximum(roots, LEAST * roots.sum(axis=0))  # any positive numbers would do
    whole = roots.sum(axis=0) * INFLATION
    shares = np.sqrt(whole / roots)
    scaled = [part * share.astype(part.dtype)[:, None, None] for part, share in zip(parts, shares, strict=False)]
    both = np.concatenate(scaled, axis=2)
    q: Reals = (both @ both.transpose(0, 2, 1)).astype(np.float64)
    every, terms = np.arange(box.shape[1]), both.shape[2]
    q[:, every, every] += whole[:, None] * box + box.shape[1] * terms * TINY * (shares**2).sum(axis=0)[:, None]
    q[:, every, every] *= 1.0 + box.shape[1] * _lost(symbols.dtype.type, terms, box.shape[1])
    return q


def root(q: Reals, dtype: type[np.floating]) -> tuple[Symbols, Reals]:
    """Symbols of the ellipsoid of ``q``, and what they leave over (rows, width)."""
    factor = np.linalg.cholesky(q)
    size = np.sqrt(np.einsum("rii->ri", q)) * INFLATION
    u = FLOAT32 if dtype == np.float32 else FLOAT64
    return factor.astype(dtype), 2.0 * u * size + FLUSHED


def _lost(dtype: type[np.floating], terms: int, width: int) -> float:
    """What sums of so many products and a root of so many rows may change, of (q_ii q_jj)^(1/2).

    Factors of the parts of Q are rounded, too; a sum of parts has the errors of its own terms alone.
    """
    return 1.1 * (terms + 16) * (FLOAT32 if dtype == np.float32 else FLOAT64) + 4.0 * (width + 16) * FLOAT64
