"""Run a ``Transformer`` on many prompts at once, in plain numpy float64.

Every step of ``transformer`` has one line or one small function here, written from its docstring. Attention
subtracts the largest score before ``exp``; sparsemax is that of Martins and Astudillo (2016): the projection of the
scores on the simplex, ``p_j = max(z_j - tau, 0)`` with ``tau`` such that they sum to 1. Rounding errors are not
bounded here: proof methods bring their own arithmetic, and this file is what they, and torch, are compared with.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.special import erf, expit

from tasks.networks.sparse_transformer import NetworkError
from tasks.networks.transformer import (
    AbsTopK,
    Activation,
    Affine,
    Attention,
    Blend,
    Columns,
    Concat,
    Lookup,
    Mask,
    Norm,
    Pool,
    Product,
    Reals,
    Residual,
    Step,
    Transformer,
    walk,
)

Ids = NDArray[np.int64]
Observe = Callable[[str, Reals], None]  # (site, values (prompts, T, width)), called after every mask

CHUNK_VALUES = 4_000_000  # numbers per temporary array


def logits(network: Transformer, ids: NDArray[np.integer], observe: Observe | None = None) -> Reals:
    """Logits at every row: token ids (prompts, T) to (prompts, T, outputs), or (prompts, 1, outputs) after a pool.

    ``observe`` sees the values at every node site, for all prompts together. Raises NetworkError for ids that the
    network cannot take.
    """
    check_ids(ids, len(network.tokens), network.longest, network.shortest)
    wide = [network.tokens.shape[1]] + [len(s.weight) for s in walk(network.steps) if isinstance(s, Affine)]
    heads = [step.heads for step in walk(network.steps) if isinstance(step, Attention)]
    per_prompt = ids.shape[1] * (max(wide) + max(heads, default=0) * ids.shape[1])
    rows = max(1, CHUNK_VALUES // per_prompt) if observe is None else max(1, len(ids))
    parts = [
        _run(network, ids[start : start + rows].astype(np.int64), observe) for start in range(0, max(1, len(ids)), rows)
    ]
    return np.concatenate(parts)


def check_ids(ids: NDArray[np.integer], vocabulary: int, longest: int, shortest: int = 1) -> None:
    """Raise NetworkError unless ``ids`` holds prompts of ``shortest`` to ``longest`` token ids below ``vocabulary``."""
    if ids.ndim != 2 or not np.issubdtype(ids.dtype, np.integer):
        raise NetworkError(f"expected token ids as a (prompts, length) array, got shape {ids.shape} of {ids.dtype}")
    if not shortest <= ids.shape[1] <= longest:
        raise NetworkError(f"expected prompts of {shortest} to {longest} tokens, got {ids.shape[1]}")
    if ids.size and not (ids.min() >= 0 and ids.max() < vocabulary):
        raise NetworkError(f"expected token ids from 0 to {vocabulary - 1}, got {ids.min()} to {ids.max()}")


def _run(network: Transformer, ids: Ids, observe: Observe | None) -> Reals:
    x = network.tokens[ids]
    if network.positions is not None:
        x = x + network.positions[: ids.shape[1]]
    return run(network.steps, x, ids, observe)


def run(steps: tuple[Step, ...], x: Reals, ids: Ids, observe: Observe | None = None) -> Reals:
    """The stream ``x`` (prompts, T, width) of the prompts ``ids`` after ``steps``."""
    for step in steps:
        match step:
            case Affine(weight, bias):
                flat = x.reshape(-1, x.shape[-1]) @ weight.T  # one product, not one per prompt
                x = (flat if bias is None else flat + bias).reshape(*x.shape[:-1], len(weight))
            case Norm():
                x = _norm(step, x)
            case Activation(kind, slope):
                x = _activation(kind, slope, x)
            case AbsTopK(count):
                x = _abs_top_k(x, count)
            case Mask(site, kept, means):
                x = np.where(kept, x, means)
                if observe is not None:
                    observe(site, x)
            case Attention():
                x = _attention(step, x, ids, observe)
            case Residual(inner):
                x = x + run(inner, x, ids, observe)
            case Product(left, right):
                x = run(left, x, ids, observe) * run(right, x, ids, observe)
            case Columns(start, stop):
                x = x[..., start:stop]
            case Concat(parts):
                x = np.concatenate([run(part, x, ids, observe) for part in parts], axis=-1)
            case Blend(gate, one, other):
                g = expit(run(gate, x, ids, observe))
                x = g * run(one, x, ids, observe) + (1.0 - g) * run(other, x, ids, observe)
            case Lookup(table):
                x = x + table[ids]
            case Pool("last"):
                x = x[:, -1:]
            case Pool("first"):
                x = x[:, :1]
            case Pool("concat"):
                x = x.reshape(len(x), 1, -1)
            case Pool(kind):
                x = x.sum(axis=1, keepdims=True) if kind == "sum" else x.mean(axis=1, keepdims=True)
    return x


def _norm(step: Norm, x: Reals) -> Reals:
    if step.groups > 1:
        return np.concatenate([_norm(norm, x[..., place]) for place, norm in step.parts], axis=-1)
    if step.kind == "layer":
        x = x - x.mean(axis=-1, keepdims=True)
    x = x / np.sqrt(np.square(x).mean(axis=-1, keepdims=True) + step.eps) * step.gain
    return x if step.bias is None else x + step.bias


def _activation(kind: str, slope: float, x: Reals) -> Reals:
    y: Reals
    match kind:
        case "gelu":
            y = 0.5 * x * (1 + erf(x / math.sqrt(2)))
        case "gelu_tanh":
            y = 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x)))
        case "silu":
            y = x * expit(x)
        case "tanh":
            y = np.tanh(x)
        case "sigmoid":
            y = expit(x)
        case _:
            y = np.where(x >= 0, x, slope * x if kind == "leaky_relu" else 0.0)
    return y


def _abs_top_k(x: Reals, count: int) -> Reals:
    winners = np.argsort(-np.abs(x), axis=-1, kind="stable")[..., :count]
    result = np.zeros_like(x)
    np.put_along_axis(result, winners, np.take_along_axis(x, winners, axis=-1), axis=-1)
    return result


def _attention(step: Attention, x: Reals, ids: Ids, observe: Observe | None) -> Reals:
    q, k, v = (_heads(run(part, x, ids, observe), step.heads) for part in (step.query, step.key, step.value))
    scores = q @ k.swapaxes(-1, -2) * step.scale  # (prompts, heads, query, key)
    pattern = weights(step, scores, visible(step, ids)[:, None])
    y = (pattern @ v).swapaxes(1, 2)
    return y.reshape(*y.shape[:2], y.shape[2] * y.shape[3])


def visible(step: Attention, ids: Ids) -> NDArray[np.bool_]:
    """Which rows j row i sees: (prompts, i, j)."""
    length = ids.shape[1]
    seen = np.tri(length, dtype=np.bool_) if step.causal else np.ones((length, length), np.bool_)
    return seen & ~np.isin(ids, step.hidden)[:, None, :]


def weights(step: Attention, scores: Reals, seen: NDArray[np.bool_]) -> Reals:
    """The attention pattern of ``scores`` (prompts, heads, query, key) over the keys that are ``seen``."""
    if step.sink is None and not seen.any(axis=-1).all():
        raise NetworkError("a row of attention sees no token at all, so its weights are not defined")
    scores = np.where(seen, scores, -np.inf)
    top = scores.max(axis=-1, keepdims=True)
    shares: Reals
    match step.weighting:
        case "sparsemax":
            return _sparsemax(scores)
        case "hard":
            best = (scores == top).astype(np.float64)
            shares = best / best.sum(axis=-1, keepdims=True)
        case "softmax" if step.sink is None:
            raised = np.exp(scores - top)
            shares = raised / raised.sum(axis=-1, keepdims=True)
        case "softmax":
            sink = step.sink[:, None, None]
            top = np.maximum(top, sink)
            raised = np.exp(scores - top)
            shares = raised / (raised.sum(axis=-1, keepdims=True) + np.exp(sink - top))
    return shares


def _sparsemax(scores: Reals) -> Reals:
    """Over the last axis; entries of minus infinity get nothing."""
    falling = -np.sort(-scores, axis=-1)
    count = np.arange(1, scores.shape[-1] + 1)
    with np.errstate(invalid="ignore"):  # sums that contain an unseen key are minus infinity, and never chosen
        sums = np.cumsum(falling, axis=-1)
        support = (1 + count * falling > sums).sum(axis=-1, keepdims=True)
    tau = (np.take_along_axis(sums, support - 1, axis=-1) - 1) / support
    shares: Reals = np.maximum(scores - tau, 0.0)
    return shares


def _heads(x: Reals, heads: int) -> Reals:
    """(prompts, T, heads * size) to (prompts, heads, T, size)."""
    return x.reshape(*x.shape[:-1], heads, x.shape[-1] // heads).swapaxes(1, 2)
