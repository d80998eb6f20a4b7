"""Results on networks of numbers: programs of one's own, what is said of them, and other networks beside them."""

import json
import pickle
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from jsonschema import Draft202012Validator
from quick import sliced

from cegis.blackbox import BlackBoxError
from dsl.operators import GrammarError
from tasks.networks.number_streams import NumberStreams, combinations
from tasks.networks.recurrent import Recurrent
from tasks.networks.transformer import Activation, Affine
from tasks.pipeline import streams
from tasks.pipeline.beside import beside_lines, beside_streams
from tasks.pipeline.distill import distill, verify
from tasks.pipeline.own_programs import OwnProgram
from tasks.pipeline.report import distillation_json, distillation_text, exception_lines, program_text

SCHEMA = json.loads((Path(__file__).resolve().parents[4] / "docs" / "distillation.schema.json").read_text())
WRITTEN = {"certificates": [], "not_certified": [], "exceptions_file": None}
NUMBERS = combinations(0, 5, 1)
SUM = "def f(s):\n    total = 0\n    for x in s:\n        total += int(x)\n    return total"
RUN = "def f(s):\n    return sum(sorted(int(x) for x in s))"


def network(gain=1.0, length=6, name="sum"):
    """h' = h + gain x."""
    transition = (Affine(np.array([[1.0, gain]]), np.zeros(1)),)
    made = Recurrent(NUMBERS.astype(float), np.zeros(1), transition, (Affine(np.eye(1), np.zeros(1)),), dtype="float64")
    return NumberStreams(name, made, NUMBERS, length, "a test")


def check_json(found):
    value = json.loads(json.dumps(distillation_json(found) | WRITTEN))
    assert not [*Draft202012Validator(SCHEMA).iter_errors(value)]
    return value


def test_what_is_printed_is_accepted_back():
    found = distill(network())
    again = verify(network(), program_text(found))
    assert found.is_proved
    assert again.is_proved
    assert [claim.sentence for claim in again.claims] == [claim.sentence for claim in found.claims]
    assert found.claims[0].docstring in " ".join(program_text(found).split())
    assert "program" not in check_json(found)["not_applied"]
    assert "equals the network sum" in found._repr_html_()


def test_a_wrong_loop_is_broken_by_its_shortest_stream_and_says_so_everywhere():
    wrong = "def f(s):\n    a = 0\n    for x in s:\n        a = max(a, int(x))\n    return a"
    found = verify(network(), wrong)
    assert not found.is_proved
    assert found.horizon == 1
    assert len(found.broken.inputs) == 2
    assert found.broken.expected == str(sum(map(int, found.broken.inputs)))
    text, value = distillation_text(found, is_full=False), check_json(found)
    assert "NOT EQUAL: after the 2 steps" in text
    assert "streams of 1 step, a whole number from 0 to 5" in text
    assert (value["proved"], value["outcome"], value["broken"]["inputs"]) == (False, "differs", [*found.broken.inputs])
    assert json.loads(*exception_lines(found))["inputs"] == value["broken"]["inputs"]


@pytest.mark.parametrize(
    ("ask", "semantics"),
    sliced(
        [
            (partial(verify, program=SUM), None),
            (distill, None),
            (partial(verify, program=SUM), "float32"),
            (distill, "float32"),
            (partial(verify, program=SUM), "real"),
        ],
        2,
    ),
)
def test_executions_are_claimed_where_they_are_asked_for_and_bounded(ask, semantics):
    exactly, run = "in real arithmetic;", "in real arithmetic and in float64 and float32 as executed;"
    found = ask(network(1.001), semantics=semantics, seconds=20)
    assert found.is_proved
    assert (run if semantics == "float32" else exactly) in found.claims[0].sentence
    assert bool(found.claims[0].detail) is (semantics == "float32")  # what is assumed of executions


def test_what_breaks_beyond_what_was_asked_is_told_beside_the_proof():
    found = verify(network(1.01), SUM)  # 5 * 0.01 a step
    assert found.is_proved
    assert found.horizon == 9
    assert "It breaks beyond that: after the 10 steps 5 (10 times) the program says 50" in found.verdict()
    far = verify(network(1.01), SUM, network().up_to(20))
    assert not far.is_proved
    assert check_json(far)["extension"]["horizon"] == 9


@pytest.mark.slow
def test_a_function_that_cannot_be_read_is_run_on_every_listed_stream_and_the_claim_says_so():
    found = verify(network(length=3), RUN)
    assert found.is_proved
    assert str(found.claims[0].rung) == "enumerated"
    assert "all 258 streams of 1 to 3 steps" in found.claims[0].sentence
    assert "was run by" in found.claims[0].sentence
    far = verify(network(length=40), RUN)
    assert not far.is_proved
    assert far.horizon == 6
    assert "a function that is run is compared on streams that are listed" in far.verdict()
    with pytest.raises(GrammarError, match="of the kind that is printed"):
        verify(network(), OwnProgram("mine.py", RUN, is_run=False))


def test_a_function_that_was_given_is_run_whatever_its_text_says():
    def total(numbers):
        t = 0
        for x in numbers:
            t += int(x)
        return t

    found = verify(network(length=2), total)
    assert str(found.claims[0].rung) == "enumerated"
    assert "was run by" in found.claims[0].sentence
    assert "def total" in program_text(found)


def test_a_run_function_that_is_wrong_late_or_fickle_is_never_proved():
    late = "def f(s):\n    return sum(sorted(int(x) for x in s)) - (len(s) > 2)"
    found = verify(network(length=4), late)
    assert (found.is_proved, found.horizon, len(found.broken.inputs)) == (False, 2, 3)
    fickle = "def f(s, seen=[]):\n    seen.append(1)\n    return len(seen)"
    for text in (fickle, "def f(s):\n    return 0.5", "def f(s):\n    return None", "def f(s):\n    raise ValueError"):
        with pytest.raises(BlackBoxError):
            verify(network(), text)


def test_a_loop_that_agrees_only_where_64_bits_wrap_is_not_proved():
    zero = replace(network(0.0), name="zero")  # which says 0 always
    doubling = "def f(s):\n    a = 1\n    for x in s:\n        a = 2 * a\n    return a % 18014398509481984"
    found = verify(zero, "def f(s):\n    a = 0\n    for x in s: a = 0\n    return a", zero.up_to(80))
    assert found.is_proved
    with pytest.raises(GrammarError, match="expected numbers below"):
        verify(zero, OwnProgram("doubling.py", doubling, is_run=False))
    powers = "def f(s):\n    a = 1\n    for x in s:\n        a = 2 * a\n    return int(a == 0)"
    relu = replace(
        zero, network=replace(zero.network, output=(Affine(np.zeros((1, 1)), np.zeros(1)), Activation("relu")))
    )
    found = verify(relu, powers, relu.up_to(80))
    assert not found.is_proved
    assert found.horizon == 51  # 2**52 is not followed
    assert "more than is followed" in found.verdict()


def test_proofs_about_two_networks_say_where_these_differ():
    first = distill(network())
    same = beside_streams(network(1.0011, name="nearly"), first, 20)
    assert "both equal the program on all streams of 1 to 90 steps" in same.sentence  # 5 * 0.0011 a step
    other = beside_streams(network(2.0, name="twice"), first, 20)
    assert other.apart is not None
    _, mine, theirs = other.apart
    assert int(theirs) == 2 * int(mine)
    assert "Against the network twice" in beside_lines(other)[1]


def test_an_interrupt_keeps_the_program_and_proves_nothing(monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(streams, "compared_loop", interrupted)
    found = verify(network(), SUM)
    assert not found.is_proved
    assert found.program is not None
    assert "NOT DECIDED: interrupted." in distillation_text(found)
    found = distill(network())
    assert found.verdict() == "NOT FOUND: interrupted."


def test_a_result_is_pickled_and_shown():
    found = pickle.loads(pickle.dumps(verify(network(), SUM)))
    assert found.is_proved
    assert repr(found).startswith(
        "StreamDistillation('sum', 1 to 6 steps, each a whole number from 0 to 5: compared, proved;"
    )
