"""What a search begins with: inputs where labels change, and some at random."""

import numpy as np

from tasks.formats import from_circuit
from tasks.formats.circuit_folder import load_circuit, shipped_path
from tasks.pipeline.dependence import Labelled
from tasks.pipeline.labels import LabelTable
from tasks.pipeline.search import HARDEST, RANDOM, attempts
from tasks.proofs.enumeration import enumerate_domain


def inputs():
    model = from_circuit(load_circuit(shipped_path("bracket_depth")))
    return Labelled(LabelTable.of(enumerate_domain(model, model.domain.up_to(5))))


def test_the_hardest_are_those_of_each_label_with_the_least_margins():
    of = inputs()
    margins = np.concatenate([part.margins for part in of.table.enumeration.lengths])
    rows = of.hardest(3, 8)
    for label in (0, 1):
        own = margins[rows[of.labels[rows] == label]]
        assert own.tolist() == np.unique(margins[of.labels == label])[:3].tolist()
    assert set(of.labels[of.hardest(3, 1)]) == {0}


def test_a_search_begins_with_them_the_first_and_some_at_random_none_twice():
    of = inputs()
    (attempt, *_) = attempts(of, (), True, 0)
    words = [word for word, _ in attempt.examples]
    assert attempt.examples[0] == of.table.first()
    assert {of.example(int(row))[0] for row in of.hardest(HARDEST, 8)} <= set(words)
    assert RANDOM < len(words) == len(set(words)) <= 1 + RANDOM + 2 * HARDEST
    of_word = {of.example(row)[0]: of.example(row)[1] for row in range(len(of.labels))}
    assert all(of_word[word] == label for word, label in attempt.examples)
