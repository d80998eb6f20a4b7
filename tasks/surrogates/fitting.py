"""Fit a surrogate to a circuit's labels on a whole domain: an L1 hard-margin classifier over small ReLU units.

Hidden units come from a dictionary of tied, small-integer ReLUs, in families from simple to rich (token counts, the
query token, neighbouring pairs, counts beyond a threshold, pairs seen by the query, tokens by position). The read-out
solves

    minimise  |readout|_1    such that    logit_label(x) - logit_other(x) >= 1   for every x of the domain

as a linear programme by constraint generation (HiGHS through scipy), on some sequences at first and then also on those
the last solution got wrong; L1 keeps few units (Zhu et al., "1-norm support vector machines", NIPS 2003). The solution
is scaled and rounded to the coarsest integer grid that is still right, units that are not read are dropped, and the
result is checked on every sequence in exact integer arithmetic. When no family separates the labels, the best attempt
(with slack) is returned with every sequence it gets wrong.
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
from dsl.showing import brief
from tasks.networks.sparse_transformer import NetworkError
from tasks.surrogates.relu import Integers, Surrogate, pooled_features

GRIDS = (1, 1.5, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 256, 512)
BATCH = 200  # constraints, or sequences of one length, added per round
SAMPLE = 20_000  # sequences a fit starts from
SOFT = 600  # sequences a fit with slack is made from
SLACK_PRICE = 100.0
BLOCK = 200_000  # sequences evaluated at once, to bound memory


@dataclass(frozen=True)
class Fitted:
    """A surrogate, and the sequences of the domain on which it differs from the circuit (none: it is exact)."""

    surrogate: Surrogate
    wrong: tuple[tuple[str, ...], ...]
    family: str
    seconds: float

    __repr__ = brief


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
    whole = [
        Labelled(table.domain.sequences(length), table.labels[length].astype(np.int64))
        for length in table.domain.lengths
    ]
    longest, deadline = table.domain.lengths[-1], start + seconds
    frequency = sum(np.bincount(part.labels, minlength=labels) for part in whole)
    constant = _Attempt("constant", _constant(np.asarray(frequency), table.domain), int(np.sum(frequency)))
    made: list[_Attempt | _Inexact] = [constant]
    for family in families(len(table.domain.alphabet), longest):
        if time.perf_counter() > deadline:
            break
        for attempt in _attempts(family, whole, labels, longest, deadline):
            if isinstance(attempt, _Attempt) and attempt.wrong == 0:
                return Fitted(attempt.surrogate, (), family.name, time.perf_counter() - start)
            made.append(attempt)
    attempts = [one if isinstance(one, _Attempt) else one.attempt(whole, labels, longest) for one in made]
    best = min((one for one in attempts if one is not None), key=lambda one: one.wrong)
    wrong = tuple(table.domain.words(row) for part in whole for row in part.sequences[_wrong(best.surrogate, part)])
    return Fitted(best.surrogate, wrong, best.family, time.perf_counter() - start)


@dataclass(frozen=True)
class Labelled:
    """Sequences of one length, (count, length), and their labels, (count,)."""

    sequences: NDArray[np.int8]
    labels: NDArray[np.int64]

    __repr__ = brief


@dataclass(frozen=True)
class _Attempt:
    """A surrogate and how many sequences of the whole domain it gets wrong."""

    family: str
    surrogate: Surrogate
    wrong: int


@dataclass(frozen=True)
class _Inexact:
    """A family that cannot be right on ``some`` sequences; how wrong it is matters where no other one is exact."""

    family: Family
    some: list[Labelled]

    def attempt(self, whole: list[Labelled], labels: int, longest: int) -> _Attempt | None:
        """The attempt with slack; None where float32 may round its sums."""
        try:
            surrogate = _pruned(self.family, _solve_softly(self.family, self.some, labels), longest)
        except NetworkError:
            return None
        return _Attempt(self.family.name, surrogate, sum(int(_wrong(surrogate, part).sum()) for part in whole))


class _InseparableError(Exception):
    """No read-out of a family gives every label."""


def _attempts(
    family: Family, whole: list[Labelled], labels: int, longest: int, deadline: float
) -> Iterator[_Attempt | _Inexact]:
    """Fit to some sequences, check on all, add those that are wrong, again; the last attempt may be exact."""
    chosen = [_spread(len(part.labels), SAMPLE // len(whole)) for part in whole]
    while time.perf_counter() < deadline:
        some = [Labelled(part.sequences[rows], part.labels[rows]) for part, rows in zip(whole, chosen, strict=True)]
        try:
            solved = _solve(family, *_pooled(family, some), labels, deadline - time.perf_counter())
        except _InseparableError:
            yield _Inexact(family, some)
            return
        exact = solved is not None
        if solved is None:
            solved = _solve_softly(family, some, labels)
        try:
            surrogate = _pruned(family, solved, longest)
        except NetworkError:  # sums that float32 may round
            return
        wrong = [np.flatnonzero(_wrong(surrogate, part)) for part in whole]
        yield _Attempt(family.name, surrogate, sum(map(len, wrong)))
        if not exact or not any(map(len, wrong)):
            return
        chosen = [np.union1d(rows, bad[_spread(len(bad), BATCH)]) for rows, bad in zip(chosen, wrong, strict=True)]


def _spread(count: int, most: int) -> NDArray[np.int64]:
    """At most ``most`` indices below ``count``, evenly spread."""
    some = min(count, max(1, most))
    return np.arange(some) * (count - 1) // max(some - 1, 1)


def _constant(frequency: NDArray[np.int64], domain: Domain) -> Surrogate:
    """The network that always gives the most frequent label."""
    none, alphabet, labels = np.zeros(0, np.int64), len(domain.alphabet), len(frequency)
    units = np.zeros((0, alphabet), np.int64)
    rank = frequency.argsort(kind="stable").argsort()
    return Surrogate(units, units, none, units, none, np.zeros((labels, alphabet), np.int64), rank, domain.lengths[-1])


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


def _pooled(family: Family, some: list[Labelled]) -> tuple[Integers, NDArray[np.int64]]:
    """What the hidden layer sees of each sequence, (sequences, pooled), and the labels, (sequences,)."""
    pooled = np.vstack(
        [pooled_features(family.before, family.here, family.bias, family.window, part.sequences) for part in some]
    )
    return pooled, np.concatenate([part.labels for part in some])


def _features(family: Family, pooled: Integers) -> Integers:
    """What the read-out sees, (sequences, pooled + hidden); whole numbers far below 2^53, which floats add exactly."""
    total = (pooled.astype(np.float64) @ family.hidden.T.astype(np.float64)).astype(np.int64)
    return np.hstack([pooled, np.maximum(total + family.hidden_bias, 0)])


def _solve_softly(family: Family, some: list[Labelled], labels: int) -> tuple[Integers, Integers]:
    """An integer read-out that is right on most of a few sequences, by a programme with slack."""
    few = []
    for part in some:
        rows = _spread(len(part.labels), SOFT // len(some))
        few.append(Labelled(part.sequences[rows], part.labels[rows]))
    pooled, target = _pooled(family, few)
    features = _features(family, pooled)
    rows, wanted, rival = _constraints(target, labels)
    solution = _linear_programme(features[rows], wanted, rival, labels, slack=True)
    assert solution is not None, "with slack every constraint can be met"
    grids = [_on_grid(*solution, scale) for scale in GRIDS]
    return max(grids, key=lambda grid: int(_right(features, target, *grid).sum()))


def _distinct(rows: Integers) -> tuple[Integers, NDArray[np.int64], NDArray[np.int64]]:
    """As ``np.unique(rows, axis=0)``: distinct rows, sorted, where each is first, and which one each row is.

    Rows are sorted by a number each at first, which is quick; those with equal ones are compared.
    """
    random = np.random.default_rng(0).integers(-(2**62), 2**62, rows.shape[1])
    _, first, kind = np.unique(rows @ random, return_index=True, return_inverse=True)  # sums modulo 2**64
    if (rows[first][kind] != rows).any():  # two rows have one number
        return np.unique(rows, axis=0, return_index=True, return_inverse=True)
    order = np.lexsort(rows[first].T[::-1])
    back = np.empty_like(order)
    back[order] = np.arange(len(order))
    return rows[first[order]], first[order], back[kind]


def _constraints(
    target: NDArray[np.int64], labels: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Every "row's own label before a rival": rows, wanted labels, rivals."""
    rows, rival = np.divmod(np.arange(len(target) * labels), labels)
    kept = rival != target[rows]
    return rows[kept], target[rows[kept]], rival[kept]


def _solve(
    family: Family, pooled: Integers, target: NDArray[np.int64], labels: int, seconds: float
) -> tuple[Integers, Integers] | None:
    """An integer read-out (labels, features) and bias (labels,); None where none was found.

    Raises _InseparableError when the features cannot separate.
    """
    pooled, first, kind = _distinct(pooled)
    if (target[first][kind] != target).any():
        raise _InseparableError  # two sequences look alike and have different labels
    target, features = target[first], _features(family, pooled)
    rows, wanted, rival = _constraints(target, labels)
    active = _spread(len(rows), BATCH)
    deadline = time.perf_counter() + seconds
    while time.perf_counter() < deadline:
        solution = _linear_programme(features[rows[active]], wanted[active], rival[active], labels)
        if solution is None:
            raise _InseparableError
        logits = features @ solution[0].T + solution[1]
        margins = logits[rows, wanted] - logits[rows, rival]
        violated = np.flatnonzero(margins < 1 - 1e-6)
        worst = violated[np.argsort(margins[violated], kind="stable")[:BATCH]]
        if not len(np.setdiff1d(worst, active)):
            grids = (_on_grid(*solution, scale) for scale in GRIDS)
            return next((grid for grid in grids if _right(features, target, *grid).all()), None)
        active = np.union1d(active, worst)
    return None


def _linear_programme(
    features: Integers, wanted: NDArray[np.int64], rival: NDArray[np.int64], labels: int, *, slack: bool = False
) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """One constraint per row: features (rows, width), the label it wants and the rival it must beat by 1.

    Variables: the positive and the negative part of the free read-out rows, their biases, and with ``slack`` what each
    constraint may be missed by. Two labels need one weight vector: the first label's logit is held at zero.
    """
    count, width = features.shape
    free = 1 if labels == 2 else labels
    block = np.zeros((count, labels, width + 1))
    extended = np.hstack([features, np.ones((count, 1))])
    block[np.arange(count), wanted] += extended
    block[np.arange(count), rival] -= extended
    block = block[:, labels - free :]
    weights = block[:, :, :width].reshape(count, -1)
    slacks = count if slack else 0
    split = free * width
    result = linprog(
        np.concatenate([np.ones(2 * split), np.zeros(free), np.full(slacks, SLACK_PRICE)]),
        A_ub=-np.hstack([weights, -weights, block[:, :, width], np.eye(count)[:, :slacks]]),
        b_ub=-np.ones(count),
        bounds=[(0, None)] * (2 * split) + [(None, None)] * free + [(0, None)] * slacks,
        method="highs",
    )
    if result.x is None:
        return None
    readout, bias = np.zeros((labels, width)), np.zeros(labels)
    readout[labels - free :] = (result.x[:split] - result.x[split : 2 * split]).reshape(free, width)
    bias[labels - free :] = result.x[2 * split : 2 * split + free]
    return readout, bias


def _on_grid(readout: NDArray[np.float64], bias: NDArray[np.float64], scale: float) -> tuple[Integers, Integers]:
    """The read-out scaled and rounded to whole numbers."""
    return np.rint(readout * scale).astype(np.int64), np.rint(bias * scale).astype(np.int64)


def _right(features: Integers, target: NDArray[np.int64], readout: Integers, bias: Integers) -> NDArray[np.bool_]:
    """Rows whose own label beats every rival: (rows,)."""
    logits = features @ readout.T + bias
    mine = logits[np.arange(len(target)), target].copy()
    logits[np.arange(len(target)), target] = np.iinfo(np.int64).min
    return np.asarray(mine > logits.max(axis=1))


def _pruned(family: Family, solved: tuple[Integers, Integers], max_length: int) -> Surrogate:
    """The network without hidden units that are not read and convolution units that nothing uses."""
    readout, bias = solved
    units, pooled = len(family.bias), family.hidden.shape[1]
    hidden = np.flatnonzero(readout[:, pooled:].any(axis=0))
    used = np.asarray(readout[:, :pooled].any(axis=0) | family.hidden[hidden].any(axis=0))
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


def _wrong(surrogate: Surrogate, part: Labelled) -> NDArray[np.bool_]:
    """Which sequences get another label (or none): (count,), in exact integer arithmetic, a block at a time."""
    wrong = np.zeros(len(part.labels), np.bool_)
    for start in range(0, len(wrong), BLOCK):
        rows = slice(start, start + BLOCK)
        wrong[rows] = surrogate.labels(part.sequences[rows]) != part.labels[rows]
    return wrong
