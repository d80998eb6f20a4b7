"""What the answer depends on: found on the labels before any program is searched.

A *feature* is something of an input that one number can stand for: the token here, the place, the length, how often
each token occurs. The answer depends on some features alone where inputs that agree in these have one label. All
labels are looked at, so on what was listed that is a fact; which features are asked about is a list. The fewest are
looked for first, and a set that contains one that was found is left out.

The search goes through what says no more than these features first (``dsl.enumeration.relevance``), and where the
answer depends on a token, or a token and a number, its table is read off.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dsl.grammars import selections
from dsl.grammars.motifs import LENGTH
from dsl.grammars.positions import PLACE, PlacedBatch
from dsl.operators import LONGEST, Term
from dsl.sequences import PAD, SequenceBatch
from tasks.pipeline.labels import Inputs, LabelTable

Codes = NDArray[np.int64]
MOST, LIGHT = 3, 3  # features together, and one more where none weighs more
FOUND, HEAVIER = 3, 3  # sets of features that are kept, none heavier than the first by more
FIRST_LOOK = 4_000  # inputs, before all are looked at
LOOKS = slice(None, None, 10), slice(None)  # of these: most sets of features are refuted by a tenth
GROUPS, MEMBERS = 100, 5  # of a sample: inputs that agree
_MIX = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True)
class Feature:
    """``read(batch)``: a number for each input (inputs,), equal where the feature is; ``term``: what a program reads.

    ``weight``: how much is known with it; a set of features that weighs less is tried first.
    """

    words: str
    read: Callable[[SequenceBatch], Codes]
    weight: int
    term: Term | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        """By its words, as its reading has no name."""
        return _feature, (self.words,)


@dataclass(frozen=True)
class Dependence:
    """The answer is a function of these ``features`` on all that was listed; ``groups`` counts their values."""

    features: tuple[Feature, ...]
    groups: int

    @property
    def words(self) -> str:
        """The features in words."""
        return listed([feature.words for feature in self.features])

    def codes(self, batch: SequenceBatch) -> Codes:
        """A number for each input, equal where all features are."""
        return mixed([feature.read(batch) for feature in self.features], batch.examples)


def listed(features: list[str]) -> str:
    """Features in a sentence.

    >>> listed(["the length", "the last token"]), listed([])
    ('the length and the last token', 'nothing')
    """
    if not features:
        return "nothing"
    *others, last = features
    return f"{', '.join(others)} and {last}" if others else last


def mixed(codes: Sequence[Codes], count: int, *, skipped: int | None = None) -> Codes:
    """One number for several, by multiplicative hashing: different ones share it with probability 2**-64.

    A code ``skipped`` changes nothing.
    """
    result = np.full(count, _MIX)
    for code in codes:
        after = (result ^ code.astype(np.uint64)) * _MIX
        after ^= after >> np.uint64(29)
        after = after * _MIX + _MIX  # adding it: nothing once more is not the same as nothing
        after ^= after >> np.uint64(32)
        result = after if skipped is None else np.where(code == skipped, result, after)
    return result.view(np.int64)


def _rows(tokens: NDArray[np.int8]) -> Codes:
    """A number for each row, whatever its padding."""
    return mixed([column for column in tokens.T.astype(np.int64)], len(tokens), skipped=PAD)


def _sorted(tokens: NDArray[np.int8]) -> Codes:
    return _rows(np.sort(tokens, axis=1))


def _set(tokens: NDArray[np.int8]) -> Codes:
    ordered = np.sort(tokens, axis=1)
    ordered[:, 1:][ordered[:, 1:] == ordered[:, :-1]] = PAD
    return _rows(ordered)


def features(is_placed: bool) -> tuple[Feature, ...]:
    """What is asked about, of a sequence, or of a sequence and a place in it."""
    tokens = selections.TOKENS()
    common = [
        Feature("the length", lambda b: b.lengths, 2, LENGTH()),
        Feature("the first token", lambda b: _at(b, np.zeros(b.examples, np.int64)), 2, selections.FIRST_OF(tokens)),
        Feature("the last token", lambda b: _at(b, b.lengths - 1), 2, selections.LAST_OF(tokens)),
        Feature("which tokens occur", lambda b: _set(b.tokens), 5),
        Feature("how often each token occurs", lambda b: _sorted(b.tokens), 6),
    ]
    if not is_placed:
        return (
            *common,
            Feature("the last token but one", lambda b: _at(b, b.lengths - 2), 3),
            Feature("the second token", lambda b: _at(b, np.ones(b.examples, np.int64)), 3),
            Feature("how often the last token occurs", lambda b: (b.tokens == b.last[:, None]).sum(1), 3),
        )
    return (
        Feature("the token here", lambda b: _at(b, _place(b)), 1, selections.AT_HERE(tokens)),
        Feature("the place", _place, 2, PLACE()),
        Feature("the place and the length", lambda b: _place(b) * LONGEST + b.lengths, 3),
        *common,
        Feature("the distance from the end", lambda b: b.lengths - _place(b), 2),
        Feature("the token before", lambda b: _at(b, _place(b) - 1), 3),
        Feature("the token after", lambda b: _at(b, _place(b) + 1), 3),
        Feature("the token at the mirrored place", lambda b: _at(b, b.lengths - 1 - _place(b)), 3),
        Feature("how often the token here occurs", lambda b: _count_here(b, None), 3),
        Feature("how often the token here occurs before", lambda b: _count_here(b, -1), 3),
        Feature("which tokens are before", lambda b: _set(_cut(b, -1)), 5),
        Feature("how often each token occurs up to here", lambda b: _sorted(_cut(b)), 6),
        Feature("the tokens up to here, in their order", lambda b: _rows(_cut(b)), 8),
        Feature("the tokens, in their order", lambda b: _rows(b.tokens), 9),
    )


def _feature(words: str) -> Feature:
    """The feature that these words are for."""
    return next(one for one in (*features(is_placed=False), *features(is_placed=True)) if one.words == words)


def _place(batch: SequenceBatch) -> Codes:
    assert isinstance(batch, PlacedBatch)
    return batch.place


def _at(batch: SequenceBatch, place: Codes) -> Codes:
    """The token at a place of each input, -1 outside."""
    if not batch.width:
        return np.full(batch.examples, -1, np.int64)
    found = batch.tokens[np.arange(batch.examples), np.clip(place, 0, batch.width - 1)].astype(np.int64)
    return np.where((place >= 0) & (place < batch.lengths), found, -1)


def _cut(batch: SequenceBatch, offset: int = 0) -> NDArray[np.int8]:
    """The tokens up to the place, or so many places on."""
    return np.where(np.arange(batch.width) <= _place(batch)[:, None] + offset, batch.tokens, np.int8(PAD))


def _count_here(batch: SequenceBatch, offset: int | None) -> Codes:
    same = batch.tokens == _at(batch, _place(batch))[:, None]
    if offset is not None:
        same &= np.arange(batch.width) <= (_place(batch) + offset)[:, None]
    return np.asarray(same.sum(1), np.int64)


# --- finding ----------------------------------------------------------------------------------------------------


class Labelled:
    """All labelled inputs of a table, with what each feature says of them, read once."""

    def __init__(self, table: LabelTable) -> None:
        self.table = table
        self.features = features(table.is_placed)
        self._batches = [
            (part.batch, np.flatnonzero(part.expected >= 0)) for part in table.parts if part.batch.examples
        ]
        self.labels = np.concatenate(
            [np.zeros(0, np.int64), *(part.expected[part.expected >= 0] for part in table.parts)]
        )
        self._known: dict[Feature, Codes] = {}

    def codes(self, feature: Feature) -> Codes:
        """What a feature says of each input: (inputs,)."""
        if feature not in self._known:
            found = [np.asarray(feature.read(batch), np.int64)[rows] for batch, rows in self._batches]
            self._known[feature] = np.concatenate([np.zeros(0, np.int64), *found])
        return self._known[feature]

    def groups(self, chosen: Sequence[Feature]) -> Codes:
        """A number for each input, equal where all of ``chosen`` are."""
        return mixed([self.codes(feature) for feature in chosen], len(self.labels))

    def example(self, row: int) -> tuple[Inputs, str]:
        """An input, numbered through, and its label."""
        start = 0
        for part in self.table.parts:
            labelled = np.flatnonzero(part.expected >= 0)
            if row < start + len(labelled):
                place = int(labelled[row - start])
                return self.table.inputs(part, place), self.table.names[part.expected[place]]
            start += len(labelled)
        raise IndexError(row)

    def hardest(self, most: int, labels: int) -> NDArray[np.int64]:
        """Of the first ``labels`` labels the inputs with the least margins, no two of one label with the same one.

        They lie where labels change, and say most of them (uncertainty sampling: Lewis and Gale 1994, A Sequential
        Algorithm for Training Text Classifiers).
        """
        margins = self.table.margins
        of_each = (np.flatnonzero(self.labels == label) for label in np.unique(self.labels)[:labels])
        return np.concatenate([rows[np.unique(margins[rows], return_index=True)[1][:most]] for rows in of_each])

    def batch(self, rows: NDArray[np.int64]) -> SequenceBatch:
        """These inputs, numbered through, as a batch."""
        result, start = self.table.grammar.sequences.batch(()), 0
        for batch, labelled in self._batches:
            here = labelled[rows[(rows >= start) & (rows < start + len(labelled))] - start]
            if len(here):
                result = result.joined(batch.rows(here))
            start += len(labelled)
        return result


def decides(groups: Codes, labels: Codes) -> bool:
    """Whether all inputs of a group have one label."""
    order = np.argsort(groups)
    ordered, said = groups[order], labels[order]
    return not ((ordered[1:] == ordered[:-1]) & (said[1:] != said[:-1])).any()


def dependences(inputs: Labelled, *, seconds: float) -> tuple[Dependence, ...]:
    """The smallest sets of features that decide every label, at most ``FOUND``, the lightest first.

    One that tells all that another one tells, and more, is left out.
    """
    deadline, found, told = time.perf_counter() + seconds, list[Dependence](), list[Codes]()
    heaviest = 0
    few = np.sort(np.random.default_rng(0).permutation(len(inputs.labels))[:FIRST_LOOK])
    batch = inputs.batch(few)
    looked = {feature: np.asarray(feature.read(batch), np.int64) for feature in inputs.features}
    for chosen in _sets(inputs.features):
        if time.perf_counter() > deadline or len(found) == FOUND:
            break
        if any(set(known.features) <= set(chosen) for known in found):
            continue
        if found and sum(feature.weight for feature in chosen) > heaviest:
            break
        if not all(_decides_some(chosen, looked, inputs.labels[few], some) for some in LOOKS):
            continue
        groups = inputs.groups(chosen)
        if decides(groups, inputs.labels) and not any(decides(groups, known) for known in told):
            found.append(Dependence(chosen, len(np.unique(groups))))
            told.append(groups)
            heaviest = sum(feature.weight for feature in found[0].features) + HEAVIER
    return tuple(found)


def _decides_some(chosen: Sequence[Feature], looked: dict[Feature, Codes], labels: Codes, some: slice) -> bool:
    """Whether some inputs of a sample that agree in all of ``chosen`` have one label; ``looked``: what each says."""
    return decides(mixed([looked[feature][some] for feature in chosen], len(labels[some])), labels[some])


def _sets(known: tuple[Feature, ...]) -> Iterator[tuple[Feature, ...]]:
    light = [feature for feature in known if feature.weight <= LIGHT]
    chosen = [subset for count in range(MOST + 1) for subset in combinations(known, count)]
    chosen += [subset for subset in combinations(light, MOST + 1)]
    return iter(sorted(chosen, key=lambda subset: sum(feature.weight for feature in subset)))


def sample(inputs: Labelled, chosen: Sequence[Feature], rng: np.random.Generator) -> tuple[NDArray[np.int64], Codes]:
    """Some inputs that agree in all of ``chosen`` with others of them, and the group of each."""
    groups = inputs.groups(chosen)
    order = rng.permutation(len(groups))
    order = order[np.argsort(groups[order], kind="stable")]
    begins = np.flatnonzero(np.append(True, groups[order][1:] != groups[order][:-1]))
    sizes = np.diff(np.append(begins, len(order)))
    largest = np.argsort(-np.minimum(sizes, MEMBERS) - rng.random(len(sizes)), kind="stable")[:GROUPS]
    rows = np.concatenate([order[begins[n] : begins[n] + min(sizes[n], MEMBERS)] for n in largest])
    rows.sort()
    return rows, groups[rows]


def representatives(
    inputs: Labelled, chosen: Sequence[Feature], most: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """The first input of each group, shortest first; of more than ``most`` groups, of some, with every label if it can.

    A search that begins with them has few rounds.
    """
    _, first = np.unique(inputs.groups(chosen), return_index=True)
    if len(first) <= most:
        return np.sort(first)
    mixed_up = rng.permutation(first)
    _, each = np.unique(inputs.labels[mixed_up], return_index=True)
    others = np.setdiff1d(np.arange(len(mixed_up)), each)
    return np.sort(mixed_up[np.concatenate([each, others])[:most]])
