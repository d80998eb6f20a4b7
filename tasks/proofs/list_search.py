"""Lists for which a network goes on otherwise than a program: looked for, never proved absent.

Greedy decoding gives a wrong answer exactly where a token is wrong after right ones, so one pass over prompt and right
answer together shows all tokens of an answer at once (teacher forcing). Tried are lists of tokens drawn at random,
neighbours in the alphabet and those near its ends, in random, rising and falling order, and what comes of changing
lists of least margin: two items change places, or one becomes another token. What is found is made as simple as it
stays wrong: nearer to rising order, then of earlier tokens.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cegis.lists import Lists
from dsl.grammars.positions import PlacedBatch
from dsl.program import Program
from tasks.bounds.ball import Reals
from tasks.formats import Loaded
from tasks.networks.readout import Argmax
from tasks.proofs.operand_search import prefix_logits

Rows = NDArray[np.int64]  # (lists, items), indices into the alphabet
BATCH, KEPT, CHILDREN, ROUNDS, NEARBY = 500, 40, 12, 40, 8


@dataclass(frozen=True)
class ListTeacher:
    """A network, and the program of a list and a place that its answers should equal."""

    loaded: Loaded
    lists: Lists
    program: Program

    def right(self, rows: Rows) -> Rows:
        """The tokens of the right answers, as places among the outputs that are read; -1 for none of these."""
        count, answers = len(rows), self.lists.answers
        batch = PlacedBatch(np.repeat(rows, answers, axis=0).astype(np.int8), np.tile(np.arange(answers), count))
        said = self.program.run(batch).reshape(count, answers)
        names = self.loaded.readout.names  # type: ignore[union-attr]
        labels = [str(label) for label in self.program.grammar.sequences.labels]
        place = np.array([names.index(label) if label in names else -1 for label in labels] + [-1, -1])
        return np.asarray(place[said], np.int64)

    def margins(self, rows: Rows) -> Reals:
        """How far each right token is above all others, in float64, (lists, answers); -inf where none is right."""
        readout, vocabulary = self.loaded.readout, self.loaded.vocabulary
        assert isinstance(readout, Argmax)
        token = np.array([vocabulary.index(name) if name in vocabulary else 0 for name in readout.names])
        columns, found = np.array(readout.columns), []
        for start in range(0, len(rows), BATCH):
            part = rows[start : start + BATCH]
            right = self.right(part)
            prompts = _prompts(self.loaded, self.lists, part)
            ids = np.concatenate([prompts, token[np.maximum(right, 0)][:, :-1]], axis=1)
            given = prefix_logits(self.loaded.network, ids, prompts.shape[1])[..., columns]
            own = np.take_along_axis(given, np.maximum(right, 0)[..., None], axis=-1)[..., 0]
            np.put_along_axis(given, np.maximum(right, 0)[..., None], -np.inf, axis=-1)
            found.append(np.where(right < 0, -np.inf, own - given.max(axis=-1)))
        return np.concatenate(found)

    def worst(self, rows: Rows) -> Reals:
        """The least of ``margins`` of each list."""
        return np.asarray(self.margins(rows).min(axis=1))

    def answer(self, row: Rows) -> tuple[str, ...]:
        """What the program says, token by token; a text that is no output where it names none."""
        names = self.loaded.readout.names  # type: ignore[union-attr]
        return tuple(names[n] if n >= 0 else "" for n in self.right(row[None])[0])


def given(loaded: Loaded, lists: Lists, rows: Rows) -> list[tuple[str, ...]]:
    """What greedy decoding gives for each list in float64: the largest logit, the first of equal ones."""
    readout, vocabulary = loaded.readout, loaded.vocabulary
    assert isinstance(readout, Argmax)
    ids, said = _prompts(loaded, lists, rows), list[Rows]()
    token = np.array([vocabulary.index(name) if name in vocabulary else -1 for name in readout.names])
    for _ in range(lists.answers):
        here = prefix_logits(loaded.network, ids, ids.shape[1])[:, -1, list(readout.columns)].argmax(axis=1)
        said.append(here)
        ids = np.concatenate([ids, np.maximum(token[here], 0)[:, None]], axis=1)
    return [tuple(readout.names[n] for n in row) for row in np.stack(said, axis=1)]


def _prompts(loaded: Loaded, lists: Lists, rows: Rows) -> Rows:
    number = {token: n for n, token in enumerate(loaded.vocabulary)}
    items = np.array([number[token] for token in lists.alphabet])[rows]
    around = [np.array([[number[token] for token in part]] * len(rows), np.int64).reshape(len(rows), -1)
              for part in (lists.before, lists.after)]  # fmt: skip
    return np.concatenate([around[0], items, around[1]], axis=1)


def drawn(lists: Lists, random: np.random.Generator, count: int, span: int | None = None) -> Rows:
    """Lists drawn at random; with a ``span``, of that many tokens in a row, or as few as there must be."""
    size = len(lists.alphabet)
    wide = size if span is None else min(size, max(span, lists.items if lists.is_distinct else 1))
    starts = random.integers(0, size - wide + 1, count)[:, None]
    if lists.is_distinct:
        return starts + random.random((count, wide)).argsort(axis=1)[:, : lists.items]
    return starts + random.integers(0, wide, (count, lists.items))


def search(teacher: ListTeacher, *, seconds: float, seed: int = 0) -> tuple[Rows | None, int, float]:
    """A list of negative margin, made simple, or None; how many were tried, and the least margin of all."""
    deadline, random = time.monotonic() + seconds, np.random.default_rng(seed)
    tried, least = 0, np.inf
    best, margins = np.zeros((0, teacher.lists.items), np.int64), np.zeros(0)
    for rows in _families(teacher.lists, random):
        worst = teacher.worst(rows)
        tried, least = tried + len(rows), min(least, float(worst.min()))
        if (worst < 0).any():
            return _simplest(teacher, rows[worst < 0], deadline), tried, least
        best, margins = _kept(np.concatenate([best, rows]), np.concatenate([margins, worst]))
        if time.monotonic() > deadline:
            return None, tried, least
    for _ in range(ROUNDS):
        if time.monotonic() > deadline:
            break
        rows = _changed(teacher.lists, np.repeat(best, CHILDREN, axis=0), random)
        worst = teacher.worst(rows)
        tried, least = tried + len(rows), min(least, float(worst.min()))
        if (worst < 0).any():
            return _simplest(teacher, rows[worst < 0], deadline), tried, least
        best, margins = _kept(np.concatenate([best, rows]), np.concatenate([margins, worst]))
    return None, tried, least


def _kept(rows: Rows, margins: Reals) -> tuple[Rows, Reals]:
    """The different ones of least margin."""
    rows, at = np.unique(rows, axis=0, return_index=True)
    order = np.argsort(margins[at], kind="stable")[:KEPT]
    return rows[order], margins[at][order]


def _families(lists: Lists, random: np.random.Generator) -> Iterator[Rows]:
    spans = (lists.items, lists.items + 2, 2 * lists.items, None)
    for span in spans:
        rows = drawn(lists, random, BATCH, span)
        yield np.concatenate([rows, np.sort(rows, axis=1), np.sort(rows, axis=1)[:, ::-1]])
    for _ in range(8):
        yield drawn(lists, random, 2 * BATCH)


def _changed(lists: Lists, rows: Rows, random: np.random.Generator) -> Rows:
    """Each list with two items in each other's place, or one made another token, where it stays in the domain."""
    rows, each = rows.copy(), np.arange(len(rows))
    one, two = random.integers(0, lists.items, (2, len(rows)))
    swapped = rows.copy()
    swapped[each, one], swapped[each, two] = rows[each, two], rows[each, one]
    token = random.integers(0, len(lists.alphabet), len(rows))
    is_other = random.random(len(rows)) < 0.5
    if lists.is_distinct:
        is_other &= ~(rows == token[:, None]).any(axis=1)
    rows[each, one] = token
    return np.where(is_other[:, None], rows, swapped)


def simplicity(row: Rows) -> tuple[int, int, tuple[int, ...]]:
    """Fewer pairs out of rising order come first, then earlier tokens."""
    inverted = int((row[:, None] > row[None]).astype(int)[np.triu_indices(len(row), 1)].sum())
    return inverted, int(row.sum()), tuple(map(int, row))


def _simplest(teacher: ListTeacher, wrong: Rows, deadline: float) -> Rows:
    """A simple list that is wrong as well, changed step by step until nothing near is simpler."""
    row: Rows = min(wrong, key=simplicity)
    while time.monotonic() < deadline + 2.0:
        nearby = sorted((r for r in _smaller(teacher.lists, row) if simplicity(r) < simplicity(row)), key=simplicity)
        if not nearby:
            return row
        worst = teacher.worst(np.array(nearby))
        if not (worst < 0).any():
            return row
        row = nearby[int(np.flatnonzero(worst < 0)[0])]
    return row


def _smaller(lists: Lists, row: Rows) -> Iterator[Rows]:
    """The list in rising order, with two items exchanged, and with one item among the tokens up to it."""
    yield np.sort(row)
    for one in range(len(row)):
        for two in range(one + 1, len(row)):
            if row[one] > row[two]:
                swapped = row.copy()
                swapped[[one, two]] = row[[two, one]]
                yield swapped
        for token in range(int(row[one])):
            if not lists.is_distinct or token not in row:
                other = row.copy()
                other[one] = token
                yield other
