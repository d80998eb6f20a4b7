"""Labels and margins: the margin is exactly what an error may eat, and a tie is undecided."""

import itertools
from fractions import Fraction

import numpy as np
import pytest

from tasks.networks.readout import UNDECIDED, Argmax, Rounded, TokenSet
from tasks.networks.sparse_transformer import NetworkError


def test_an_argmax_names_the_largest_of_its_columns():
    readout = Argmax(("yes", "no"), (2, 0))
    labels, margins = readout.read(np.array([[1.0, 9.0, 3.0], [3.0, 9.0, 1.0], [2.0, 9.0, 2.0]]))
    assert labels.tolist() == [0, 1, UNDECIDED]
    assert margins.tolist() == [2.0, 2.0, 0.0]
    assert [readout.text(label) for label in labels] == ["yes", "no", "undecided"]


def test_an_argmax_within_twice_the_error_is_undecided():
    logits = np.array([[1.0, 2.0]])
    assert Argmax(("a", "b"), (0, 1)).read(logits, 0.49)[0].tolist() == [1]
    assert Argmax(("a", "b"), (0, 1)).read(logits, 0.5)[0].tolist() == [UNDECIDED]


def test_a_token_set_holds_what_is_above_the_threshold():
    readout = TokenSet(("a", "b", "c"), (0, 1, 3), threshold=1.0)
    labels, margins = readout.read(np.array([[2.0, 0.5, 7.0, 3.0], [0.0, 0.0, 7.0, 0.0], [2.0, 1.0, 7.0, 3.0]]))
    assert labels.tolist() == [0b101, 0, UNDECIDED]
    assert margins.tolist() == [0.5, 1.0, 0.0]
    assert [readout.text(label) for label in labels] == ["{a, c}", "{}", "undecided"]
    assert readout.read(np.array([[2.0, 0.5, 7.0, 3.0]]), 0.5)[0].tolist() == [UNDECIDED]


@pytest.mark.parametrize("denominator", [1, 2, 5, 7])
def test_rounding_finds_the_nearest_fraction_and_its_margin(denominator):
    readout, rng = Rounded(0, denominator), np.random.default_rng(denominator)
    xs = rng.uniform(-3, 3, 300)
    grid = sorted({Fraction(n, d) for d in range(1, denominator + 1) for n in range(-4 * d, 4 * d + 1)})
    labels, margins = readout.read(xs[:, None])
    edges = [(a + b) / 2 for a, b in itertools.pairwise(grid)]
    for x, label, margin in zip(xs, labels, margins, strict=True):
        assert readout.value(int(label)) == min(grid, key=lambda g: abs(g - Fraction(float(x))))
        assert margin == pytest.approx(float(min(abs(edge - Fraction(float(x))) for edge in edges)), abs=1e-12)


def test_a_number_halfway_is_undecided():
    labels, margins = Rounded(0).read(np.array([[0.5], [-1.5], [-1.25]]))
    assert labels.tolist() == [UNDECIDED, UNDECIDED, -1]
    assert margins.tolist() == [0.0, 0.0, 0.25]
    assert Rounded(0).text(labels[0]) == "undecided"
    assert Rounded(0, 4).text(Rounded(0, 4).read(np.array([[-0.74]]))[0][0]) == "-3/4"


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Argmax(("a",), (0,)),
        lambda: Argmax(("a", "a"), (0, 1)),
        lambda: Argmax(("a", "b"), (0, 0)),
        lambda: Argmax(("a", "b"), (0, -1)),
        lambda: TokenSet(tuple(map(str, range(63))), tuple(range(63))),
        lambda: Rounded(0, 21),
        lambda: Rounded(0).read(np.array([[1e10]])),
    ],
)
def test_read_outs_that_cannot_be_meant_are_refused(wrong):
    with pytest.raises(NetworkError):
        wrong()
