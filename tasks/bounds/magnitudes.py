"""Whether every number that an execution computes is finite, whatever the prompt, by the sizes of the weights alone.

    sizes of x   ->   W x + b: |W| s + |b|    norm: |gain| min(sqrt(width), s / sqrt(eps)) + |bias|
                      attention: sizes of v (an average), if scores are finite    product: that of the two sizes
                      ReLU, GELU, SiLU, tanh, AbsTopK: at most s                  sigmoid: at most 1

A row of sizes bounds the entries of all rows of all prompts, rounding included, so that what holds of it holds of rows
that nobody reads and of steps whose result is thrown away: only where it is finite may such steps be left out, since
infinity times zero is NaN. It is coarse: "no" means that steps have to be looked at row by row.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np

from tasks.bounds import ball
from tasks.bounds.ball import TINY, gamma, is_executed
from tasks.bounds.operations import SWALLOWED
from tasks.networks.model import Loaded
from tasks.networks.readout import Argmax, Rounded, TokenSet
from tasks.networks.transformer import (
    Activation,
    Affine,
    Attention,
    Lookup,
    Mask,
    Norm,
    Pool,
    Product,
    Reals,
    Residual,
    Step,
    Transformer,
)

WIDER = 1.0 + 2.0**-6  # more than any rounding here
LARGEST = {True: 2.0**120, False: 2.0**1000}  # of sizes where float32 is meant, and where float64 alone is


class _UnboundedError(Exception):
    """A number that may be infinite, or NaN."""


@lru_cache(maxsize=16)
def is_finite(network: Transformer, u: float) -> bool:
    """Whether no execution of ``network`` with unit roundoff ``u`` has infinity or NaN anywhere, on any prompt."""
    sizes = _largest(network.tokens, network.token_error)
    if network.positions is not None:
        sizes = sizes + _largest(network.positions, network.position_error)
    return are_finite(network.steps, sizes, network.longest, u)


def _largest(table: Reals, error: Reals | None) -> Reals:
    """Per column the largest size of an entry."""
    sizes: Reals = (np.abs(table) if error is None else np.abs(table) + error).max(axis=0)
    return sizes


@np.errstate(all="ignore")
def are_finite(steps: tuple[Step, ...], sizes: Reals, longest: int, u: float) -> bool:
    """Whether ``steps`` compute finite numbers alone, given rows of at most these ``sizes``, up to ``longest``."""
    try:
        _Sizes(u, longest).after(steps, sizes)
    except _UnboundedError:
        return False
    return True


class _Sizes:
    """Rows of sizes, for executions with unit roundoff ``u`` of prompts of up to ``longest`` tokens."""

    def __init__(self, u: float, longest: int) -> None:
        self._u, self._longest, self._most = u, longest, LARGEST[u > ball.FLOAT64]

    def after(self, steps: tuple[Step, ...], x: Reals) -> Reals:
        """The sizes after ``steps``; raises _UnboundedError."""
        x = self._bounded(x, 1)
        for step in steps:
            match step:
                case Affine(weight, bias):
                    summed = np.abs(weight) @ x + (0.0 if bias is None else np.abs(bias))
                    x = self._bounded(summed, len(x))
                case Norm():
                    x = self._norm(step, x)
                case Mask(_, kept, means):
                    x = self._bounded(np.where(kept, x, np.abs(means)), 1)
                case Attention():
                    x = self._attention(step, x)
                case Residual(inner):
                    x = self._bounded(x + self.after(inner, x), 1)
                case Lookup(table):
                    x = self._bounded(x + np.abs(table).max(axis=0), 1)
                case Pool("concat", rows):
                    x = np.tile(x, rows)
                case Pool(kind):
                    summed = self._bounded(self._longest * x, self._longest)
                    x = summed if kind == "sum" else x * WIDER
                case Product(left, right):
                    x = self._bounded(self.after(left, x) * self.after(right, x), 1)
                case Activation("sigmoid"):
                    x = self._bounded(np.ones_like(x), 1)
                case Activation():
                    self._bounded(x * x, 1)  # inside a GELU; a cube may overflow, where tanh is 1 or -1
        return x

    def _bounded(self, sizes: Reals, terms: int) -> Reals:
        """``sizes`` of sums of so many terms, with rounding, where all partial sums are finite."""
        if not (gamma(terms + 2, self._u) < 2.0**-8 and (sizes < self._most).all()):
            raise _UnboundedError
        return sizes * WIDER + TINY

    def _norm(self, step: Norm, x: Reals) -> Reals:
        """A variance may be a difference of squares: it should not come out negative, whatever it is."""
        if step.groups > 1:
            return np.concatenate([self._norm(norm, x[place]) for place, norm in step.parts])
        square = self._bounded(np.square(x).sum(keepdims=True), len(x))[0] / len(x)
        share = 4.0 * gamma(len(x) + 8, self._u) * (square + step.eps) if step.kind == "layer" else 0.0
        if not share + 4.0 * TINY < step.eps / 4.0:
            raise _UnboundedError
        self._bounded(np.abs(step.gain) / np.sqrt(step.eps), 1)
        scaled = np.abs(step.gain) * np.minimum(2.0 * x.max() / np.sqrt(step.eps), 2.0 * np.sqrt(len(x)))
        return self._bounded(scaled + (0.0 if step.bias is None else np.abs(step.bias)), 1)

    def _attention(self, step: Attention, x: Reals) -> Reals:
        q, k, v = (self.after(part, x) for part in (step.query, step.key, step.value))
        products = (q * k).reshape(step.heads, -1)
        scores = self._bounded(products.sum(axis=1) * max(1.0, step.scale), products.shape[1])
        if step.weighting == "sparsemax":
            self._bounded(scores * step.scale * self._longest, self._longest)
            if not (self._u * scores * step.scale < SWALLOWED).all():
                raise _UnboundedError
        if step.sink is not None:  # its exponential may be infinite, but only as a divisor, which leaves zero
            self._bounded(np.abs(step.sink), 1)
        return self._bounded(v, 2 * self._longest)


def narrowed(loaded: Loaded, u: float) -> Loaded:
    """``loaded`` without the outputs that are not read, where its last steps are an affine map and lookups.

    Where an execution with unit roundoff ``u`` may have infinity or NaN somewhere, all of them stay.
    """
    network, columns = loaded.network, list(loaded.readout.columns)
    assert isinstance(network, Transformer)
    if is_executed(u) and not is_finite(network, u):
        return loaded
    at = next((n for n, step in reversed([*enumerate(network.steps)]) if not isinstance(step, Lookup)), 0)
    last, lookups = network.steps[at], network.steps[at + 1 :]
    if not isinstance(last, Affine):
        return loaded
    head = Affine(last.weight[columns], None if last.bias is None else last.bias[columns])
    tables = (Lookup(step.table[:, columns]) for step in lookups if isinstance(step, Lookup))
    readout = loaded.readout
    match readout:
        case Rounded():
            readout = replace(readout, column=0)
        case Argmax() | TokenSet():
            readout = replace(readout, columns=tuple(range(len(columns))))
    return replace(loaded, network=replace(network, steps=(*network.steps[:at], head, *tables)), readout=readout)
