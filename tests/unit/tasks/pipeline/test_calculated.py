"""Sums and remainders of two tokens are read off the labels, where every pair is right, and nowhere else."""

import numpy as np
import pytest
from quick import sliced

from tasks import Question, distill, from_callable

SEVEN = tuple(map(str, range(7)))


def network(answer):
    """A black box over two residues whose largest output is ``answer`` of them."""

    def outputs(ids):
        logits = np.zeros((len(ids), 7))
        logits[np.arange(len(ids)), [answer(int(a), int(b)) for a, b in ids]] = 1.0
        return logits

    return from_callable(outputs, vocabulary=SEVEN, longest=2, question=Question(alphabet=SEVEN, lengths=(2, 2)))


@pytest.mark.parametrize(
    ("answer", "text"),
    sliced(
        [
            (lambda a, b: (a + b) % 7, "(int(tokens[0]) + int(tokens[-1])) % 7"),
            (lambda a, b: (a - b) % 7, "(int(tokens[0]) - int(tokens[-1])) % 7"),
        ],
        2,
    ),
)
def test_a_remainder_is_read_off(answer, text):
    found = distill(network(answer), seconds=2)
    assert found.is_exact
    assert text in found.program.source()


@pytest.mark.slow
def test_one_wrong_pair_is_no_sum():
    found = distill(network(lambda a, b: (a + b) % 7 if (a, b) != (3, 6) else 5), seconds=2)
    assert found.program is None or "% 7" not in found.program.source() or found.exceptions
