"""The difference of two entries of a map holds what any point of a form gives, and what float32 computes of it."""

import numpy as np
import pytest

from tasks.bounds import ball, zonotope
from tasks.bounds.ball import Ball
from tasks.bounds.zonotope import Form


@pytest.mark.parametrize("u", [ball.REAL, ball.FLOAT32])
def test_differences_hold_every_point_and_what_float32_computes(u):
    random = np.random.default_rng(7)
    weight = random.normal(size=(4, 6)).astype(np.float32)
    weight[1] = weight[0] + np.float32(2**-20)  # rows whose difference is all but nothing
    bias = random.normal(size=4).astype(np.float32)
    rows = (100 * random.normal(size=(40, 6))).astype(np.float32).astype(np.float64)
    form = Form.of(Ball(rows, np.full(rows.shape, 0.5)))
    found = zonotope.apart(form, weight.astype(np.float64), bias.astype(np.float64), 0, u)
    for symbols in (np.zeros((40, 6)), *random.uniform(-1, 1, (20, 40, 6))):
        x = (rows + 0.5 * symbols).astype(np.float32)
        computed = np.zeros((40, 4), np.float32) + bias if u == ball.FLOAT32 else np.zeros((40, 4)) + bias.astype(float)
        for k in range(6):
            computed = (computed + x[:, k : k + 1].astype(computed.dtype) * weight[:, k]).astype(computed.dtype)
        lead = computed[:, :1].astype(float) - computed.astype(float)
        linear = found.center + np.einsum("rws,rs->rw", found.shape, (x - rows) / 0.5)
        assert (np.abs(lead - linear) <= found.rest + 1e-12).all()
    assert found.rest.max() < 1e-2


def test_nothing_is_known_of_logits_that_may_overflow():
    form = Form.of(Ball.exact(np.full((1, 2), 2.0**50)))
    found = zonotope.apart(form, np.full((2, 2), 2.0**60), np.zeros(2), 0, ball.FLOAT32)
    assert np.isinf(found.rest).all()
