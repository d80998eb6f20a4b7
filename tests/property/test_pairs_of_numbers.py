"""Proofs about all pairs of numbers, against every pair: small networks that add, right, nearly right and wrong."""

import itertools
import time
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pytest
from flint import ctx
from hypothesis import given, settings
from hypothesis import strategies as st
from quick import examples

from cegis import DomainError
from cegis.operands import Operands
from tasks.automata.digits import DigitMachine, NumberProgram
from tasks.bounds import workers
from tasks.certificates.pairs import fields_of
from tasks.checker.files import Rejected
from tasks.checker.formats import read
from tasks.checker.pairs import everywhere, factors
from tasks.formats import save_folder
from tasks.proofs.digit_groups import Steps
from tasks.proofs.enumeration import ROUNDOFF
from tasks.proofs.failing_pairs import count_failing
from tasks.proofs.group_cover import confirmed, cover
from tests.support.adding_networks import adding, every_margin

SUM = NumberProgram(1, 1)
TEXT = SUM.source()
made = st.builds(
    adding,
    st.integers(1, 3),
    st.integers(2, 4),
    order=st.sampled_from(["lsb", "msb"]),
    noise=st.sampled_from([0.0, 1e-3, 3e-3, 1e-2]),
    by_token=st.sampled_from([0.0, 1e-3, 1e-2]),
    seed=st.integers(0, 2**20),
)


@settings(max_examples=examples(25))
@given(made, st.sampled_from(["real", "float32"]))
def test_what_is_proved_holds_for_every_pair(network, semantics):
    least = float(every_margin(network, SUM).min())
    found = cover(network, network.operands, SUM, semantics, seconds=20)
    assert not (found.is_whole and (least <= 0 or found.margin > least + 1e-6 * (1 + abs(least))))
    assert found.is_whole or least < 0.7


@settings(max_examples=examples(12))
@given(
    st.builds(adding, st.integers(1, 3), st.integers(2, 4), noise=st.sampled_from([0.0, 0.02, 0.05]),
              by_token=st.sampled_from([0.0, 1e-2]), seed=st.integers(0, 2**20)),
    st.sampled_from(["real", "float32"]),
)  # fmt: skip
def test_pairs_that_fail_are_no_fewer_and_no_more_than_is_said(network, semantics):
    margins = every_margin(network, SUM).ravel()
    numbers = range(network.operands.largest + 1)
    known = [pair for pair, margin in zip(itertools.product(numbers, numbers), margins, strict=True) if margin < 0]
    found = count_failing(network, network.operands, SUM, semantics, seconds=20, known=known[:5])
    assert found.least <= int((margins < 1e-5).sum())
    assert found.most >= int((margins < -1e-5).sum())
    assert found.is_exact or int((np.abs(margins) < 0.1).sum()) or len([d for d in found.digits if d.wrong]) > 1


def test_every_pair_fails_of_a_program_that_says_one_more():
    network = adding(3, 3)
    found = count_failing(network, network.operands, NumberProgram(1, 1, 1), "float32", seconds=60)
    assert found.is_exact
    assert found.least == network.operands.size() == 729
    assert "Exactly 729 of all 729 pairs fail" in found.words


@settings(max_examples=examples(8))
@given(made, st.sampled_from(["real", "float32"]))
def test_what_the_checker_finds_holds_for_every_pair(tmp_path_factory, network, semantics):
    folder = tmp_path_factory.mktemp("pairs") / "network"
    least = float(every_margin(network, SUM).min())
    try:
        pairs, margin = checked(network, folder, semantics)
    except Rejected:
        assert least < 0.7
    else:
        assert pairs == network.operands.size()
        assert 0 < float(margin) <= least + 1e-6 * (1 + abs(least))


def ways_of(machine, a, b):
    """The digits and the last state of every way of a pair from a start to an end."""
    found, base = [], machine.operands.base
    for state in machine.starts:
        digits = []
        for power in range(machine.groups):
            digit, state = machine.step(state, a // base**power % base, b // base**power % base)
            digits.append(digit)
        found += [(digits, state)] if state in machine.ends else []
    return found


@given(st.integers(-3, 3), st.integers(-3, 3), st.integers(-2, 4), st.integers(2, 5), st.booleans())
def test_a_machine_of_digits_calculates_as_python_does(p, q, r, base, is_cut):
    operands = Operands(2, base, answer_digits=4)
    program = NumberProgram(p, q, r, base**4 if is_cut else None)
    numbers = range(base**2)
    values = {(a, b): program(a, b) for a, b in itertools.product(numbers, numbers)}
    is_shown = all(0 <= value < base**4 for value in values.values())
    try:
        machine = DigitMachine(program, operands)
    except DomainError:
        assert not is_shown
        return
    assert is_shown
    for (a, b), value in values.items():
        ((digits, _),) = ways_of(machine, a, b)
        assert sum(digit * base**power for power, digit in enumerate(digits)) == value
    assert NumberProgram.parse(program.source()) == program
    assert factors(program.source()) == (p, q, r, program.modulus)


def checked(network, folder, semantics, text=TEXT, **changed):
    """What the checker finds of all pairs."""
    save_folder(network, folder)
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    steps = Steps(network, network.operands, DigitMachine(SUM, network.operands), ROUNDOFF[semantics])
    directions = np.rint(2**16 * steps.directions).astype(int).tolist()
    readout = network.readout
    with ctx.workprec(80):
        found = read("steps", files, semantics)
        return everywhere(
            found, fields_of(network.operands) | changed, text, [*readout.columns], [*readout.names], directions,
            semantics, time.monotonic() + 60,
        )  # fmt: skip


def test_digits_are_decided_in_other_processes_as_here():
    network = adding(2, 3)
    with ProcessPoolExecutor(2) as pool, workers.lent(pool):
        found = cover(network, network.operands, SUM, "float32")
    assert found.is_whole
    assert found == cover(network, network.operands, SUM, "float32")


@pytest.mark.parametrize("semantics", ["real", "float32"])
def test_a_failing_pair_is_confirmed_on_its_prompt_alone(semantics):
    network = adding(2, 3, noise=0.05, seed=1)
    margins = every_margin(network, SUM)
    numbers = range(network.operands.largest + 1)
    pairs = [*itertools.product(numbers, numbers)]
    worst = pairs[int(margins.argmin())]
    assert margins.min() < -0.1
    assert confirmed(network, network.operands, SUM, worst, semantics) is not None
    best = pairs[int(margins.argmax())]
    assert margins.max() > 0.1
    assert confirmed(network, network.operands, SUM, best, semantics) is None


@pytest.mark.slow
def test_other_programs_orders_and_layouts_are_refused(tmp_path):
    network = adding(2, 3)
    checked(network, tmp_path / "own", "float32")
    wrong = {
        "a digit": {"text": "def program(a: int, b: int) -> int:\n    return a + b + 1\n"},
        "the order": {"order": "msb"},
        "the order of the answer": {"answer_order": "msb"},
    }
    for name, changed in wrong.items():
        with pytest.raises(Rejected):
            checked(network, tmp_path / name, "float32", **changed)
    with pytest.raises(Rejected, match="fewer digits"):
        checked(network, tmp_path / "fewer", "float32", answer_digits=1)
