"""``distill``, ``verify`` and ``follow`` ask what fits the inputs, and say in one sentence what does not."""

import re

import numpy as np
import pytest
from adding_networks import adding

from cegis import Domain, DomainError, Operands
from cegis.streams import Streams
from dsl.operators import GrammarError
from tasks.networks.number_streams import NumberStreams, combinations
from tasks.networks.recurrent import Recurrent
from tasks.networks.transformer import Affine
from tasks.pipeline.distill import distill, follow, verify
from tasks.pipeline.numbers import NumberDistillation
from tasks.pipeline.sequences import Distillation
from tasks.pipeline.streams import StreamDistillation

NUMBERS = combinations(0, 2, 1)
SUM = "def f(a, b):\n    return a + b"
TOTAL = "def f(tokens):\n    total = 0\n    for x in tokens:\n        total += int(x)\n    return total"


def totals(length=3):
    """Streams of 0 to 2, and their running sum."""
    transition, out = (Affine(np.ones((1, 2)), np.zeros(1)),), (Affine(np.eye(1), np.zeros(1)),)
    made = Recurrent(NUMBERS.astype(float), np.zeros(1), transition, out, dtype="float64")
    return NumberStreams("totals", made, NUMBERS, length, "a test")


def test_what_is_asked_about_decides_what_is_made_of_a_network():
    network = adding(1, 2)
    assert isinstance(verify(network, SUM, seconds=20), NumberDistillation)
    assert isinstance(distill(network, network.domain.up_to(1), seconds=5), Distillation)
    assert isinstance(verify(network, lambda tokens: "0", network.domain.up_to(1), seconds=5), Distillation)
    assert isinstance(verify(totals(), TOTAL, seconds=20), StreamDistillation)


def test_one_program_is_followed_on_inputs_of_every_kind():
    streams = follow(totals(), totals().up_to(7), length=2, seconds=20)
    assert (streams.is_proved, streams.asked) == (True, totals().up_to(7))
    network = adding(2, 2)
    pairs = follow(network, network.operands.up_to(1), length=2, seconds=20)
    assert (pairs.is_proved, pairs.asked.size()) == (True, 4)


@pytest.mark.parametrize(
    ("domain", "options", "said"),
    [
        (Streams(0, 3), {}, "totals: expected 1 or more steps, each a whole number from 0 to 2, got 1 or more steps"),
        (Domain(("0",), 1, 2), {}, "totals: expected Streams to be asked about, got Domain"),
        (Operands(2), {}, "totals: expected Streams to be asked about, got Operands"),
        (None, {"margin": 0.1}, "totals: margin goes with sequences of tokens, not with Streams"),
    ],
)
def test_what_does_not_fit_a_network_is_one_sentence(domain, options, said):
    with pytest.raises(DomainError, match=re.escape(said)):
        distill(totals(), domain, **options)


@pytest.mark.parametrize("program", [None, 3])
def test_what_is_no_program_is_refused(program):
    with pytest.raises(GrammarError, match="expected a program, its text, its file or a function, got"):
        verify(totals(), program)
