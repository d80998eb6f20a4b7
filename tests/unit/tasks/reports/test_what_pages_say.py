"""What a page says of each kind of result, and nothing that was not established."""

from __future__ import annotations

import re
from html import unescape

import numpy as np
import pytest
from counted_circuits import OPENER, program, shipped, up_to

from cegis import Program
from tasks.formats import from_callable
from tasks.pipeline.distill import distill
from tasks.pipeline.sequences import Distillation
from tasks.reports.page import page
from tasks.reports.subject import of_distillation


def words(result: Distillation) -> str:
    """The page without its tags."""
    body = page(of_distillation(result)).partition("<body>")[2]
    return " ".join(unescape(re.sub(r"<script.*?</script>|<[^>]+>", " ", body, flags=re.DOTALL)).split())


def states(result: Distillation) -> list[str]:
    return [row.state for row in of_distillation(result).rows]


@pytest.fixture(scope="module")
def black_box() -> Distillation:
    def logits(ids: np.ndarray) -> np.ndarray:
        more = (ids == 0).sum(axis=1)
        return np.stack([more, ids.shape[1] - more + 0.5], axis=1).astype(float)

    model = from_callable(logits, vocabulary=("a", "b"), longest=4, outputs=("x", "y"), name="majority")
    return distill(model, seconds=1)


def test_a_black_box_is_tested_and_never_proved(black_box):
    text = words(black_box)
    assert "AGREES (rung tested, not proved): this function equals the network majority" in text
    assert "tested established" in text
    assert "enumerated not established" in text
    assert "PROVED" not in text
    assert "What it attends to" not in text
    assert "Nodes and edges" not in text


@pytest.mark.slow
def test_a_program_that_differs_has_its_exceptions_and_no_claim():
    circuit = shipped("bracket_depth")
    exact = distill(circuit, circuit.domain.up_to(3), seconds=5)
    wrong = Program.parse("def f(tokens):\n    return ']]' if tokens.count('[') >= 2 else ']'", exact.labels.grammar)
    result = distill(circuit, circuit.domain.up_to(4), program=wrong)
    text = words(result)
    assert f"Program and network differ on {len(result.exceptions)} of the inputs that were listed." in text
    assert "enumerated every exception is known" in text
    assert " established" not in text.replace("not established", "").replace("What is established", "")
    assert states(result) == ["equal" if length <= result.horizon else "differs" for length in range(1, 5)]


def test_lengths_beyond_those_listed_are_told_apart():
    circuit = shipped("quote_closing")
    far = distill(circuit, up_to(circuit, 20), program=program(circuit, OPENER))
    assert far.is_proved
    rows, listed = of_distillation(far).rows, len(far.domain.lengths)
    assert 0 < listed < 20
    assert states(far) == ["equal"] * listed + ["together"] * (20 - listed)
    assert all((row.margin is None) == (row.state == "together") for row in rows)
    assert sum(row.sequences for row in rows) == up_to(circuit, 20).size()
    assert "bounded established" in words(far)
