"""Over every box of counts, a program's range holds what it answers on the sequences in the box."""

from random import Random

import numpy as np
import pytest
from quick import sliced

from cegis import Domain, Program, motifs
from tasks.automata.parikh import Classes
from tasks.automata.program_intervals import Boxes, Range, Ranged, is_finite
from tasks.automata.program_states import Folded

LETTERS, LABELS = ("a", "b", "c"), ("0", "1", "2")
GRAMMAR = motifs(LETTERS, LABELS)
DOMAIN = Domain(LETTERS, 1, 6)


@pytest.mark.parametrize("seed", range(20))
def test_numbers_too_large_for_float64_are_not_told_apart(seed: int) -> None:
    rng = np.random.default_rng(seed)
    counts = [int(n) for n in 2**50 - rng.integers(0, 200, 3)]
    point, zero = np.array([counts], float), np.zeros(1)
    factors = [int(n) for n in rng.integers(-4096, 4097, 2)]
    factors.append(-sum(factors))  # so that the large parts cancel
    exact = sum(factor * count for factor, count in zip(factors, counts, strict=True))
    (low,), (high,) = Range(np.array(factors, float), zero, zero).ends(Boxes(point, point))
    assert low <= exact <= high


def test_a_multiple_that_float64_rounds_does_not_cancel() -> None:
    boxes, one = Boxes(np.ones((1, 1)), np.ones((1, 1))), Range(np.ones(1), np.zeros(1), np.zeros(1))
    large = one
    for _ in range(5):
        large = large.times(4095)
    (low,), (high,) = large.plus(one).plus(large.times(-1)).ends(boxes)
    assert low <= 1 <= high


@pytest.mark.parametrize("seed", sliced(range(6), 2))
def test_a_range_holds_the_answers_of_its_box(seed: int, derive) -> None:
    rng, choose, certain = np.random.default_rng(seed), Random(seed).choice, 0
    for size in range(40):
        folded = Folded(Program(derive(GRAMMAR, "Label", 3 + size % 15, choose), GRAMMAR))
        if folded.asks_last or not all(is_finite(fold) for _, fold in folded.folds):
            continue
        classes, ranged = Classes(DOMAIN, folded), Ranged(folded)
        for level in classes.levels():
            for token, codes in level.ends.items():
                counts = classes.counts(codes).astype(float)
                room = rng.integers(0, 4, (2, *counts.shape)) * rng.integers(0, 2, (2, *counts.shape))
                high = np.where(rng.random(counts.shape) < 0.2, np.inf, counts + room[0])
                boxes = Boxes(np.maximum(counts - room[1], 0), high)
                low, high = ranged.answers(boxes, token, classes.states(codes)[1:])
                answers = classes.answers(codes, token, level.length)
                assert (low <= answers).all()
                assert (answers <= high).all()
                certain += int((low == high).sum())
    assert certain > 1000  # the ranges say something
