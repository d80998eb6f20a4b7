"""The label that all states of a set have, read off a form of their logits."""

from __future__ import annotations

import numpy as np

from tasks.bounds import ball
from tasks.bounds.ball import Reals
from tasks.bounds.zonotope import Form
from tasks.networks.readout import UNDECIDED, Argmax, Labels, Readout, Rounded


def form_labels(readout: Readout, logits: Form) -> tuple[Labels, Reals]:
    """The one label of each row of a form, and its net margin; UNDECIDED where there may be more.

    The difference of two logits is a form of its own, which is known better than both.
    """
    if isinstance(readout, Argmax):
        columns = list(readout.columns)
        center, shape, rest = logits.center[:, columns], logits.shape[:, columns], logits.rest[:, columns]
        best, rows = center.argmax(axis=1), np.arange(len(center))
        apart = center[rows, best][:, None] - center
        moved = np.abs(shape[rows, best][:, None] - shape).sum(axis=2) + rest[rows, best][:, None] + rest
        margins = apart - moved * ball.INFLATION - 2.0**-40 * (1.0 + np.abs(apart))
        margins[rows, best] = np.inf
        least = margins.min(axis=1)
        return np.where(least > 0, best, UNDECIDED), least
    whole = logits.ball
    error = whole.radius[:, list(readout.columns)].max(axis=1) * ball.INFLATION
    error = error + 2.0**-40 * (1.0 + np.abs(whole.center).max(axis=1))
    center = whole.center
    if isinstance(readout, Rounded):
        error = np.where(np.abs(center[:, readout.column]) < 2.0**30, error, np.inf)
        center = np.clip(center, -(2.0**30), 2.0**30)
    labels, margins = readout.read(center)
    net = np.where(np.isfinite(error), margins - error, 0.0)
    return np.where(net > 0, labels, UNDECIDED), net
