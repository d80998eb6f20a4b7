"""Boxes of token counts, each with one label: the evidence of a counting certificate.

For every last token the counts a domain reaches are covered by boxes on which the network has one label, by the bounds
of ``tally`` and with some slack, since the checker's own bounds are not the same to the last digit. A box without a
label is cut in two where that moves the logits most. What is proposed here is found again by the checker, which also
looks for gaps, so nothing here has to be trusted.
"""

from __future__ import annotations

from itertools import product

import numpy as np
from numpy.typing import NDArray

from cegis import Domain, Program
from tasks.ball import Reals
from tasks.circuit import UNDECIDED, Circuit
from tasks.classes import Classes
from tasks.folds import Folded
from tasks.labelling import read_out
from tasks.tally import ROWS, Tally

Part = list[tuple[list[int], list[int], int]]  # least counts, most counts, index of the label
Boxes = list[Part]  # per last token
SLACK = 0.25  # of the error bound
MOST_CELLS = 200_000_000  # of all letters' canvases, as in the checker
MOST_BOXES = 2_000_000


def boxes(circuit: Circuit, program: Program, domain: Domain, unit_roundoff: float) -> Boxes | str:
    """The boxes for every class of ``domain`` (bounded), or the reason why there are none."""
    tally = Tally(circuit, unit_roundoff)
    found: Boxes = []
    for last, counts in enumerate(_reached(domain, program)):
        sides = counts.max(axis=0, initial=0) + 1
        if len(sides) * int(np.prod(sides.astype(float))) > MOST_CELLS:
            return f"up to length {domain.lengths[-1]} there are too many counts for the checker"
        part = _cover(tally, _below(counts, sides), last, domain.lengths[-1]) if len(counts) else []
        if isinstance(part, str):
            return part
        found.append(part)
    return found


def _reached(domain: Domain, program: Program) -> list[NDArray[np.int64]]:
    """Per last token all counts of the domain's sequences that end in it: (vectors, letters)."""
    folded = Folded(program)
    lasts = range(len(domain.alphabet)) if folded.asks_last else [None]
    result: list[list[NDArray[np.int64]]] = [[] for _ in domain.alphabet]
    for classes in (Classes(domain, folded, last) for last in lasts):
        for level in classes.levels():
            for token, codes in level.ends.items():
                result[token].append(classes.counts(np.unique(codes % classes.plane)))
    return [np.concatenate(parts) for parts in result]


def _below(counts: NDArray[np.int64], sides: NDArray[np.int64]) -> NDArray[np.int32]:
    """How many of ``counts`` are below each vector: sides + 1 entries on every axis."""
    result = np.zeros(tuple(sides), np.int32)
    result[tuple(counts.T)] = 1
    for axis in range(len(sides)):
        result = result.cumsum(axis=axis, dtype=np.int32)
    return np.pad(result, [(1, 0)] * len(sides))


def _inside(below: NDArray[np.int32], low: Reals, high: Reals) -> NDArray[np.int64]:
    """How many reached counts lie in each box, by inclusion and exclusion."""
    total = np.zeros(len(low), np.int64)
    for corner in product((0, 1), repeat=low.shape[1]):
        at = np.where(corner, high + 1, low).astype(np.int64)
        total += (-1) ** (len(corner) - sum(corner)) * below[tuple(at.T)].astype(np.int64)
    return total


def _cover(tally: Tally, below: NDArray[np.int32], last: int, longest: int) -> Part | str:
    k = tally.letters
    low, high = np.zeros((1, k)), np.array([below.shape], float) - 2
    low[0, last] = 1
    found: Part = []
    while len(low):
        asked = _inside(below, low, high) > 0
        low, high = low[asked], high[asked]
        rest = []
        for start in range(0, len(low), ROWS):
            some = slice(start, start + ROWS)
            a, b = low[some], high[some]
            logits, influence = tally._logits(a, b, last, longest)
            labels, margins = read_out(logits)
            is_point = (a == b).all(axis=1)
            known = (labels != UNDECIDED) & (is_point | (margins > SLACK * logits.radius.max(axis=1)))
            if (is_point & ~known).any():
                return "some counts have no label by which boxes could be cut"
            lows, highs = a[known].astype(int).tolist(), b[known].astype(int).tolist()
            found += zip(lows, highs, map(int, labels[known]), strict=True)
            rest.append(_halves(a[~known], b[~known], influence[~known]))
        if len(found) > MOST_BOXES:
            return f"more than {MOST_BOXES:,} boxes would be needed"
        low, high = (np.concatenate(ends) for ends in zip(*rest, strict=True)) if rest else (low[:0], high[:0])
    return found


def _halves(low: Reals, high: Reals, influence: Reals) -> tuple[Reals, Reals]:
    axis = np.where(low < high, influence, -1.0).argmax(axis=1)
    here = np.arange(len(low)), axis
    middle = np.floor((low[here] + high[here]) / 2)
    below, above = high.copy(), low.copy()
    below[here], above[here] = middle, middle + 1
    return np.concatenate([low, above]), np.concatenate([below, high])
