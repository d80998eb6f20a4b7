"""Over every box of counts, a program's range holds what it answers on the sequences in the box."""

from random import Random

import numpy as np
import pytest

from cegis import Domain, Program, motifs
from tasks.automata.parikh import Classes
from tasks.automata.program_intervals import Boxes, Ranged, is_finite
from tasks.automata.program_states import Folded

LETTERS, LABELS = ("a", "b", "c"), ("0", "1", "2")
GRAMMAR = motifs(LETTERS, LABELS)
DOMAIN = Domain(LETTERS, 1, 6)


@pytest.mark.parametrize("seed", range(6))
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
