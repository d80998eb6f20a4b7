"""Fit a surrogate to a circuit's labels on a whole domain: an L1 hard-margin classifier over small ReLU units.

Hidden units come from a dictionary of tied, small-integer ReLUs, in families from simple to rich (token counts, the
query token, neighbouring pairs, counts beyond a threshold, pairs seen by the query, tokens by position). The read-out
solves

    minimise  |readout|_1    such that    logit_label(x) - logit_other(x) >= 1   for every x of the domain

as a linear programme by constraint generation (HiGHS through scipy); L1 keeps few units (Zhu et al., "1-norm support
vector machines", NIPS 2003). The solution is scaled and rounded to the coarsest integer grid that is still right on
every sequence, units that are not read are dropped, and the result is checked on the whole domain in exact integer
arithmetic. When no family separates the labels, the best attempt is returned with every sequence it gets wrong.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog

from cegis.domain import Domain
from cegis.exhaustive import Table
from tasks.network import NetworkError
from tasks.surrogate import Integers, Surrogate, pooled_features

GRIDS = (1, 1.5, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 256, 512)
BATCH = 200  # constraints added per round


@dataclass(frozen=True)
class Fitted:
    """A surrogate, and the sequences of the domain on which it differs from the circuit (none: it is exact)."""

    surrogate: Surrogate
    wrong: tuple[tuple[str, ...], ...]
    family: str
    seconds: float


@dataclass(frozen=True)
class Family:
    """A dictionary of units: a convolution and a hidden layer over what it pools."""

    name: str
    before: Integers
    here: Integers
    bias: Integers
    window: int
    hidden: Integers
    hidden_bias: Integers


def fit(table: Table, labels: int, *, seconds: float = 60.0) -> Fitted:
    """The simplest exact surrogate for ``table``, or the best attempt with the sequences that differ.

    ``labels``: how many labels there are. Raises NetworkError when the table has undecided sequences.
    """
    start = time.perf_counter()
    if table.undecided:
        raise NetworkError(
            f"{table.name}: {table.undecided:,} sequences have no label, so no surrogate can match it; "
            "shorten the domain or look at those inputs"
        )
    listed = [table.domain.sequences(length) for length in table.domain.lengths]
    wanted = [table.labels[length].astype(np.int64) for length in table.domain.lengths]
    best: Fitted | None = None
    for family in families(len(table.domain.alphabet), table.domain.lengths[-1]):
        features, inverse = _features(family, listed)
        target = np.zeros(len(features), np.int64)
        target[inverse] = np.concatenate(wanted)
        if (target[inverse] != np.concatenate(wanted)).any():
            continue  # two sequences look alike to this family and have different labels
        solved = _solve(features, target, labels, start + seconds - time.perf_counter())
        if solved is None:
            continue
        surrogate = _pruned(family, solved, table.domain.lengths[-1])
        wrong = _wrong(surrogate, table)
        attempt = Fitted(surrogate, wrong, family.name, time.perf_counter() - start)
        if not wrong:
            return attempt
        if best is None or len(wrong) < len(best.wrong):
            best = attempt
        if time.perf_counter() - start > seconds:
            break
    if best is None:
        constant = _constant(np.bincount(np.concatenate(wanted), minlength=labels), table.domain)
        best = Fitted(constant, _wrong(constant, table), "constant", time.perf_counter() - start)
    return best


def _constant(frequency: NDArray[np.int64], domain: Domain) -> Surrogate:
    """The network that always gives the most frequent label."""
    alphabet, labels = len(domain.alphabet), len(frequency)
    shapes = ((0, alphabet), (0, alphabet), (0,), (0, alphabet), (0,), (labels, alphabet))
    zeros = (np.zeros(shape, np.int64) for shape in shapes)
    return Surrogate(*zeros, frequency.argsort(kind="stable").argsort(), domain.lengths[-1])


def families(alphabet: int, max_length: int) -> Iterator[Family]:
    """Dictionaries from simple to rich."""
    eye, none = np.eye(alphabet, dtype=np.int64), np.zeros((alphabet, alphabet), np.int64)
    pairs = [(a, b) for a in range(alphabet) for b in range(alphabet)]
    pooled_counts = 2 * alphabet
    counts = (none, eye, np.zeros(alphabet, np.int64), 1)
    with_pairs = (
        np.vstack([none, eye[[a for a, _ in pairs]]]),
        np.vstack([eye, eye[[b for _, b in pairs]]]),
        np.concatenate([np.zeros(alphabet, np.int64), -np.ones(len(pairs), np.int64)]),
        1,
    )
    yield Family("counts", *counts, *_none(pooled_counts))
    yield Family("pairs", *with_pairs, *_none(pooled_counts + len(pairs)))
    yield Family("count thresholds", *counts, *_thresholds(alphabet, pooled_counts, max_length))
    gated = _gated(alphabet, pooled_counts + len(pairs))
    yield Family("pairs seen by the query", *with_pairs, *gated)
    thresholds = _thresholds(alphabet, pooled_counts + len(pairs), max_length)
    both = tuple(np.concatenate(two) for two in zip(gated, thresholds, strict=True))
    yield Family("pairs and thresholds", *with_pairs, *both)
    yield Family("positions", *with_pairs[:3], max_length, *_none(alphabet + len(pairs) + max_length * alphabet))


def _none(pooled: int) -> tuple[Integers, Integers]:
    """No hidden units."""
    return np.zeros((0, pooled), np.int64), np.zeros(0, np.int64)


def _thresholds(alphabet: int, pooled: int, max_length: int) -> tuple[Integers, Integers]:
    """relu(count_a - k) and relu(count_a - count_b - k): piecewise-linear functions of counts."""
    rows, biases = [], []
    for a in range(alphabet):
        for k in range(1, max_length):
            rows.append(_row(pooled, {a: 1}))
            biases.append(-k)
    for a, b in combinations(range(alphabet), 2):
        for k in range(-max_length + 1, max_length):
            rows.append(_row(pooled, {a: 1, b: -1}))
            biases.append(-k)
    return np.array(rows, np.int64).reshape(-1, pooled), np.array(biases, np.int64)


def _gated(alphabet: int, pooled: int) -> tuple[Integers, Integers]:
    """relu(pair_ab + last_c - 1): whether a pair occurs and the query is c."""
    query = pooled - alphabet
    rows = [
        _row(pooled, {alphabet + pair: 1, query + c: 1}) for pair in range(alphabet * alphabet) for c in range(alphabet)
    ]
    return np.array(rows, np.int64), -np.ones(len(rows), np.int64)


def _row(width: int, entries: dict[int, int]) -> Integers:
    row = np.zeros(width, np.int64)
    for place, weight in entries.items():
        row[place] = weight
    return row


def _features(family: Family, listed: list[NDArray[np.int8]]) -> tuple[Integers, NDArray[np.int64]]:
    """Different (pooled, hidden) rows of the family over all sequences, and which row each sequence has."""
    pooled = np.vstack(
        [pooled_features(family.before, family.here, family.bias, family.window, part) for part in listed]
    )
    pooled, inverse = np.unique(pooled, axis=0, return_inverse=True)
    hidden = np.maximum(pooled @ family.hidden.T + family.hidden_bias, 0)
    return np.hstack([pooled, hidden]), inverse


def _solve(
    features: Integers, target: NDArray[np.int64], labels: int, seconds: float
) -> tuple[Integers, Integers] | None:
    """An integer read-out (labels, features) and bias (labels,), or None when the features cannot separate.

    Two labels need one weight vector: the first label's logit is held at zero.
    """
    free = 1 if labels == 2 else labels
    rivals = [(row, rival) for row in range(len(features)) for rival in range(labels) if rival != target[row]]
    rows = np.array([row for row, _ in rivals])
    wanted, rival = target[rows], np.array([r for _, r in rivals])
    active = np.unique(np.linspace(0, len(rows) - 1, min(BATCH, len(rows))).astype(np.int64))
    deadline = time.perf_counter() + seconds
    while time.perf_counter() < deadline:
        solution = _linear_programme(features[rows[active]], wanted[active], rival[active], labels, free)
        if solution is None:
            return None
        margins = _margins(features, rows, wanted, rival, *solution)
        violated = np.flatnonzero(margins < 1 - 1e-6)
        if not len(violated):
            return _rounded(features, target, *solution)
        worst = violated[np.argsort(margins[violated], kind="stable")[:BATCH]]
        if not len(np.setdiff1d(worst, active)):
            return _rounded(features, target, *solution)
        active = np.union1d(active, worst)
    return None


def _linear_programme(
    features: Integers, wanted: NDArray[np.int64], rival: NDArray[np.int64], labels: int, free: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Variables: the positive and the negative part of the free read-out rows, then their biases."""
    count, width = features.shape
    block = np.zeros((count, labels, width + 1))
    extended = np.hstack([features, np.ones((count, 1))])
    block[np.arange(count), wanted] += extended
    block[np.arange(count), rival] -= extended
    block = block[:, labels - free :]
    weights = block[:, :, :width].reshape(count, -1)
    result = linprog(
        np.concatenate([np.ones(2 * free * width), np.zeros(free)]),
        A_ub=-np.hstack([weights, -weights, block[:, :, width]]),
        b_ub=-np.ones(count),
        bounds=[(0, None)] * (2 * free * width) + [(None, None)] * free,
        method="highs",
    )
    if result.x is None:
        return None
    split = free * width
    readout, bias = np.zeros((labels, width)), np.zeros(labels)
    readout[labels - free :] = (result.x[:split] - result.x[split : 2 * split]).reshape(free, width)
    bias[labels - free :] = result.x[2 * split :]
    return readout, bias


def _margins(
    features: Integers,
    rows: NDArray[np.int64],
    wanted: NDArray[np.int64],
    rival: NDArray[np.int64],
    readout: NDArray[np.float64],
    bias: NDArray[np.float64],
) -> NDArray[np.float64]:
    logits = features @ readout.T + bias
    return np.asarray(logits[rows, wanted] - logits[rows, rival])


def _rounded(
    features: Integers, target: NDArray[np.int64], readout: NDArray[np.float64], bias: NDArray[np.float64]
) -> tuple[Integers, Integers] | None:
    """The coarsest grid on which the rounded read-out is still right everywhere."""
    for scale in GRIDS:
        whole, offset = np.rint(readout * scale).astype(np.int64), np.rint(bias * scale).astype(np.int64)
        logits = features @ whole.T + offset
        mine = logits[np.arange(len(target)), target].copy()
        logits[np.arange(len(target)), target] = np.iinfo(np.int64).min
        if (mine > logits.max(axis=1)).all():
            return whole, offset
    return None


def _pruned(family: Family, solved: tuple[Integers, Integers], max_length: int) -> Surrogate:
    """The network without hidden units that are not read and convolution units that nothing uses."""
    readout, bias = solved
    units, pooled = len(family.bias), family.hidden.shape[1]
    hidden = np.flatnonzero(readout[:, pooled:].any(axis=0))
    used = readout[:, :pooled].any(axis=0) | family.hidden[hidden].any(axis=0)
    kept = np.concatenate([np.flatnonzero(used[:units]), np.arange(units, pooled)])
    return Surrogate(
        family.before[kept[kept < units]],
        family.here[kept[kept < units]],
        family.bias[kept[kept < units]],
        family.hidden[np.ix_(hidden, kept)],
        family.hidden_bias[hidden],
        np.hstack([readout[:, kept], readout[:, pooled + hidden]]),
        bias,
        max_length,
    )


def _wrong(surrogate: Surrogate, table: Table) -> tuple[tuple[str, ...], ...]:
    """Every sequence on which the surrogate's label is not the table's."""
    found = []
    for length in table.domain.lengths:
        sequences = table.domain.sequences(length)
        for row in np.flatnonzero(surrogate.labels(sequences) != table.labels[length]):
            found.append(table.domain.words(sequences[row]))
    return tuple(found)
