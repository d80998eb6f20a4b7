"""What a network's label does not depend on, read off the labels of every sequence of a domain: counted, not sampled.

    exchange of a and b    every a becomes b, and every b becomes a
    a read as b            every a becomes b
    without a              one a is left out, wherever it stands
    order                  the same tokens in any other order; of all, or of all but the last

An input counts where the changed sequence is in the domain. It is undecided where one of the two has no label. No
network is run: the labels, with their guarantee, are those of an ``Enumeration``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tasks.networks.readout import UNDECIDED, Labels, label_name
from tasks.proofs.effects import Change, Effect, input_at, kept_labels
from tasks.proofs.enumeration import Enumeration

MOST_TOKENS = 24  # of an alphabet, whose pairs are gone through
Rows = NDArray[np.int8]


@dataclass(frozen=True)
class Invariance:
    """What is changed, in ``words``, the ``tokens`` that it is about, and what that changes; ``outside``: how many
    changed sequences are not in the domain."""

    kind: str
    words: str
    tokens: tuple[str, ...]
    effect: Effect
    outside: int = 0


def invariances(enumeration: Enumeration, least: float) -> Iterator[Invariance]:
    """All of them, one after the other."""
    labels = kept_labels(enumeration, least)
    alphabet = enumeration.domain.alphabet
    few = range(len(alphabet)) if len(alphabet) <= MOST_TOKENS else range(0)
    same = np.arange(len(alphabet), dtype=np.int8)
    for a in few:
        for b in few:
            one, other = alphabet[a], alphabet[b]
            if a < b:
                mapped = same.copy()
                mapped[[a, b]] = b, a
                found = _mapped(enumeration, labels, mapped, {a, b})
                yield Invariance("exchange", f"{one!r} and {other!r} exchanged", (one, other), *found)
            if a != b:
                mapped = same.copy()
                mapped[a] = b
                found = _mapped(enumeration, labels, mapped, {a})
                yield Invariance("read as", f"{one!r} read as {other!r}", (one, other), *found)
    if enumeration.loaded.readout.position == "every":
        return  # a sequence of another length has other places
    for a, name in enumerate(alphabet):
        yield Invariance("without", f"one {name!r} left out", (name,), *_left_out(enumeration, labels, a))
    yield Invariance("order", "other order", (), _reordered(enumeration, labels, 0))
    yield Invariance("order but last", "other order of all but the last token", (), _reordered(enumeration, labels, 1))


class _Counted:
    """Changes as they are counted."""

    def __init__(self, enumeration: Enumeration) -> None:
        self._enumeration = enumeration
        self.compared = self.changed = self.undecided = self.outside = 0
        self.first: Change | None = None

    def note(self, length: int, rows: NDArray[np.int64], new_length: int, found: NDArray[np.int64],
             old: Labels, new: Labels) -> NDArray[np.bool_]:  # fmt: skip
        """Inputs ``rows`` of a length, with label ``old``, that become ``found`` of another with ``new``: changed?"""
        is_known = (old != UNDECIDED) & (new != UNDECIDED)
        differs: NDArray[np.bool_] = is_known & (old != new)
        self.compared += int(old.size)
        self.undecided += int((~is_known).sum())
        self.changed += int(differs.sum())
        if self.first is None and differs.any():
            at = tuple(int(n) for n in np.argwhere(differs)[0])
            readout = self._enumeration.loaded.readout
            inputs, others = (
                input_at(self._enumeration, self._enumeration.lengths[n], (int(which[at[0]]), *at[1:]))
                for n, which in ((length, rows), (new_length, found))
            )
            names = label_name(readout, int(old[at])), label_name(readout, int(new[at]))
            self.first = Change(inputs, *names, others)
        return differs

    @property
    def effect(self) -> Effect:
        """The count."""
        return Effect(self.compared, self.changed, self.undecided, self.first)


def _mapped(
    enumeration: Enumeration, labels: tuple[Labels, ...], mapped: NDArray[np.int8], tokens: set[int]
) -> tuple[Effect, int]:
    """Sequences with one of ``tokens``, against those with each token t replaced by ``mapped[t]``."""
    counted = _Counted(enumeration)
    for n, part in enumerate(enumeration.lengths):
        rows = np.flatnonzero(np.isin(part.sequences, list(tokens)).any(axis=1))
        found = _find(part.sequences, mapped[part.sequences[rows]])
        counted.outside += int((found < 0).sum())
        rows, found = rows[found >= 0], found[found >= 0]
        counted.note(n, rows, n, found, labels[n][rows], labels[n][found])
    return counted.effect, counted.outside


def _left_out(enumeration: Enumeration, labels: tuple[Labels, ...], token: int) -> tuple[Effect, int]:
    """Pairs of a sequence and a place where ``token`` stands, against the sequence without it there."""
    counted = _Counted(enumeration)
    for n in range(1, len(enumeration.lengths)):
        sequences, shorter = enumeration.lengths[n].sequences, enumeration.lengths[n - 1].sequences
        for place in range(sequences.shape[1]):
            rows = np.flatnonzero(sequences[:, place] == token)
            found = _find(shorter, np.delete(sequences[rows], place, axis=1))
            counted.outside += int((found < 0).sum())
            rows, found = rows[found >= 0], found[found >= 0]
            counted.note(n, rows, n - 1, found, labels[n][rows], labels[n - 1][found])
    return counted.effect, counted.outside


def _reordered(enumeration: Enumeration, labels: tuple[Labels, ...], fixed: int) -> Effect:
    """Sequences against the first one with the same tokens in another order, the ``fixed`` last ones where they are."""
    counted = _Counted(enumeration)
    for n, part in enumerate(enumeration.lengths):
        length = part.sequences.shape[1]
        if length <= fixed or not len(part.sequences):
            continue
        ordered = part.sequences.copy()
        ordered[:, : length - fixed] = np.sort(ordered[:, : length - fixed], axis=1)
        keys = _keys(ordered)
        _, first, group = np.unique(keys, return_index=True, return_inverse=True)
        found = first[group.ravel()]
        rows = np.flatnonzero(found != np.arange(len(found)))
        counted.note(n, rows, n, found[rows], labels[n][rows], labels[n][found[rows]])
    return counted.effect


def _keys(rows: Rows) -> NDArray[np.bytes_]:
    """Rows as texts of bytes, which sort as they do."""
    whole = np.ascontiguousarray(rows.astype(np.uint8) + 1)  # no byte is zero, which would end a text
    return whole.view(f"S{whole.shape[1]}").ravel() if whole.size else np.zeros(len(rows), "S1")


def _find(listed: Rows, wanted: Rows) -> NDArray[np.int64]:
    """Where each of the rows ``wanted`` is ``listed``, in the order of their texts; -1 where it is not."""
    if not len(listed) or not len(wanted):
        return np.full(len(wanted), -1)
    known, keys = _keys(listed), _keys(wanted)
    order = np.argsort(known, kind="stable")
    at = np.minimum(np.searchsorted(known, keys, sorter=order), len(known) - 1)
    return np.where(known[order[at]] == keys, order[at], -1)
