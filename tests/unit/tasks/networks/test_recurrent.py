"""Claims about the recurrent type: shapes fit or are refused, its steps are its logits, cells are their equations."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from recurrent_networks import counter

from tasks.networks.cells import Gate, gru, stacked
from tasks.networks.recurrent import Recurrent
from tasks.networks.sparse_transformer import NetworkError
from tasks.networks.transformer import Affine, Attention, Columns, Transformer


def test_logits_are_steps_and_reads_from_the_initial_state_on():
    network = counter(1.5).network
    ids = np.array([[1, 1, 0, 1], [0, 1, 1, 1]])
    states, expected = network.initial(2), [network.read(network.initial(2))]
    for column in ids.T:
        states = network.step(states, column)
        expected.append(network.read(states))
    assert np.array_equal(network.logits(ids), np.stack(expected, axis=1))
    assert np.array_equal(states[:, 0], [1, 3])


def test_the_empty_word_is_read_on_the_initial_state():
    loaded = counter(1.5)
    assert loaded.domain.min_length == 0
    labels, _ = loaded.labels(np.zeros((1, 0), np.int8))
    assert loaded.readout.text(int(labels[0])) == "few"


@pytest.mark.parametrize(
    ("transition", "output", "said"),
    [
        ((Affine(np.ones((2, 2))),), (Affine(np.ones((1, 1))),), "should give a state of 1"),
        ((Affine(np.ones((1, 3))),), (Affine(np.ones((1, 1))),), "3 inputs does not fit"),
        ((Columns(0, 3),), (Affine(np.ones((1, 1))),), "columns 0 to 3 does not fit"),
        ((Columns(0, 1), Attention((), (), (), 1, 1.0)), (), "Attention is no step of a recurrent network"),
    ],
)
def test_what_does_not_fit_is_refused(transition, output, said):
    with pytest.raises(NetworkError, match=said):
        Recurrent(np.ones((2, 1)), np.zeros(1), transition, output)


def test_a_transformer_has_no_steps_of_recurrent_networks():
    with pytest.raises(NetworkError, match="steps of recurrent networks"):
        Transformer(np.ones((2, 2)), None, (Columns(0, 1),), 4)


def test_a_second_bias_is_the_weight_of_a_column_of_ones():
    rng = np.random.default_rng(0)
    parts = [[rng.normal(size=shape) for shape in ((2, 1), (2, 2), (2,), (2,))] for _ in range(3)]
    r, z, n = (Gate(*part) for part in parts)
    steps = stacked((partial(gru, z, n, r),), 2, 2, has_ones=True)
    network = Recurrent(np.array([[0.5, 1.0]]), np.zeros(2), steps, (Columns(0, 2),), dtype="float64")
    x, h = np.array([0.5]), np.array([0.3, -0.2])
    gate = [w @ x + v @ h + b + c for w, v, b, c in parts]
    reset, update = (1 / (1 + np.exp(-g)) for g in gate[:2])
    w, v, b, c = parts[2]
    new = np.tanh(w @ x + b + reset * (v @ h + c))
    assert np.allclose(network.step(h[None], np.array([0]))[0], update * h + (1 - update) * new)
