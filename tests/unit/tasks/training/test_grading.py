"""A margin is positive exactly where the read-out gives the label, and is the read-out's own."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tasks.networks.readout import UNDECIDED, Argmax, Rounded, TokenSet
from tasks.training.grading import answers_of, grading

NAMES = ("a", "b", "c")
READOUTS = (
    Argmax(NAMES, (0, 1, 2)),
    Argmax(NAMES, (0, 1, 2), "every"),
    TokenSet(NAMES, (0, 1, 2), 0.2),
    Rounded(0),
    Rounded(0, 3),
)


@pytest.mark.parametrize("readout", READOUTS, ids=str)
def test_margins_are_those_of_the_read_out(readout):
    rng = np.random.default_rng(0)
    shape = (50, 4, 3) if readout.position == "every" else (50, 3)
    logits = rng.normal(size=shape) * 2
    labels, margins = readout.read(logits)
    columns = torch.from_numpy(logits[..., list(readout.columns)])
    found = grading(readout).margins(columns, answers_of(readout, labels, torch.float64)).numpy()
    np.testing.assert_allclose(found, margins, atol=1e-9)
    others = labels[rng.permutation(len(labels))]
    found = grading(readout).margins(columns, answers_of(readout, others, torch.float64)).numpy()
    np.testing.assert_array_equal(found > 0, labels == others)


@pytest.mark.parametrize("readout", READOUTS, ids=str)
def test_the_loss_falls_towards_the_answer_and_leaves_out_what_is_not_asked(readout):
    rng = np.random.default_rng(1)
    shape = (20, 4, 3) if readout.position == "every" else (20, 3)
    columns = rng.normal(size=shape)[..., list(readout.columns)]
    labels, _ = readout.read(rng.normal(size=shape))
    grade = grading(readout)
    answers = answers_of(readout, labels, torch.float64)
    logits = torch.from_numpy(columns).requires_grad_()
    loss = grade.loss(logits, answers)
    torch.autograd.backward(loss)
    assert grade.loss(logits.detach() - 0.01 * logits.grad, answers) < loss
    labels[0] = UNDECIDED
    answers, fresh = answers_of(readout, labels, torch.float64), torch.from_numpy(columns).requires_grad_()
    torch.autograd.backward(grade.loss(fresh, answers))
    assert (fresh.grad[0] == 0).all()
    assert torch.isinf(grade.margins(fresh, answers)[0]).all()
