"""A loop and a recurrent network of numbers: what is proved is so, and what is not so is broken by a stream."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from dsl.grammars.motifs import EQUAL, PLUS, times
from dsl.grammars.positions import GREATEST
from dsl.grammars.streams import INDICATOR, Division, Earlier, Input, Loop, Pointwise, Running, loop_of
from dsl.operators import INT
from dsl.scalars import variable
from dsl.theories.theory import literal
from tasks.networks.number_streams import NumberStreams, combinations
from tasks.networks.recurrent import Recurrent
from tasks.networks.transformer import Activation, Affine
from tasks.pipeline.distill import distill, verify
from tasks.proofs import stream_affine, stream_states
from tasks.proofs.stream_states import Broken, Equal, Open

X = Input(0)
RELU = Activation("relu")
MAXIMUM, SUM, LAST = loop_of(Running(X, GREATEST), 1), loop_of(Running(X, PLUS), 1), loop_of(X, 1)
SINGLE = combinations(0, 5, 1)


def network(transition, output, numbers=SINGLE, width=1):
    return Recurrent(numbers.astype(float), np.zeros(width), transition, output, dtype="float64")


def maximum(slope=1.0, shift=0.0):
    """h' = h + slope * relu(x - h) + shift."""
    inner = (Affine(np.array([[-1.0, 1.0], [1.0, 0.0]]), np.zeros(2)), RELU)
    return network(
        (*inner, Affine(np.array([[slope, 1.0]]), np.array([shift]))), (Affine(np.array([[1.0]]), np.zeros(1)),)
    )


def adder(error=0.0):
    """h = (digit, carry) of two bits; the carry is a step of the sum, into which the digit leaks."""
    first = Affine(np.array([[error, 1.0, 1.0, 1.0]] * 3), np.array([0.0, -1.25, -1.75]))
    second = Affine(np.array([[1.0, -4.0, 4.0], [0.0, 2.0, -2.0]]), np.zeros(2))
    return network((first, RELU, second), (Affine(np.array([[1.0, 0.0]]), np.zeros(1)),), combinations(0, 1, 2), 2)


ADDED = loop_of(Division(Pointwise(PLUS, (Input(0), Input(1))), 1, 2, "part", "rest"), 2)


def recurrence(factor, gain=1.0, numbers=SINGLE):
    return network(
        (Affine(np.array([[factor, gain]]), np.zeros(1)),), (Affine(np.array([[1.0]]), np.zeros(1)),), numbers
    )


def answers(of, numbers, tokens):
    states, found = of.initial(1), []
    for token in tokens:
        states = of.step(states, np.array([token]))
        found.append(float(of.read(states)[0, 0]))
    return found


def first_difference(of, numbers, loop, longest):
    """The shortest length at which some stream is answered otherwise, by looking at all; None for none."""
    tokens = np.array(list(product(range(len(numbers)), repeat=longest)))
    said, states = loop.run(numbers[tokens]), of.initial(len(tokens))
    for length in range(1, longest + 1):
        states = of.step(states, tokens[:, length - 1])
        if not (np.abs(of.read(states)[:, 0] - said[:, length - 1]) < 0.5).all():
            return length
    return None


def test_points_of_a_lattice_are_proved_at_every_length():
    for of, numbers, loop in ((maximum(), SINGLE, MAXIMUM), (adder(), combinations(0, 1, 2), ADDED)):
        found = stream_states.compared(of, numbers, loop, 10)
        assert isinstance(found, Equal)
        assert found.length is None
        assert found.method == "lattice"


def test_boxes_close_where_weights_lie_on_no_lattice():
    found = stream_states.compared(adder(0.01), combinations(0, 1, 2), ADDED, 10)
    assert isinstance(found, Equal)
    assert found.length is None
    assert found.method == "boxes"
    assert 0.4 < found.margin < 0.5


def test_as_many_boxes_as_there_is_room_for_hold_all_streams(monkeypatch):
    monkeypatch.setattr(stream_states, "ROOMS", (200,))
    found = stream_states.compared(adder(0.01), combinations(0, 1, 2), ADDED, 10)
    assert isinstance(found, Equal)
    assert found.pairs <= 4**4


@pytest.mark.parametrize(("slope", "shift"), [(0.9, 0.0), (1.0, 0.25), (1.1, 0.0), (0.75, 0.0), (1.0, -0.0625)])
def test_perturbed_networks_are_never_proved_beyond_their_first_difference(slope, shift):
    of = maximum(slope, shift)
    first = first_difference(of, SINGLE, MAXIMUM, 4)
    found = stream_states.compared(of, SINGLE, MAXIMUM, 4, seconds=10.0)
    if first is None:
        assert not isinstance(found, Broken)
    else:
        assert isinstance(found, Broken | Open)
        assert found.equal_up_to == first - 1


def test_a_wrong_loop_is_broken_by_a_stream_on_which_they_differ():
    for loop in (LAST, SUM, loop_of(Earlier(X), 1)):
        found = stream_states.compared(maximum(), SINGLE, loop, 6)
        assert isinstance(found, Broken)
        assert found.equal_up_to == first_difference(maximum(), SINGLE, loop, 4) - 1
        got = answers(maximum(), SINGLE, found.stream[:, 0].tolist())[-1]
        assert round(got) == found.got != found.expected == loop.run(found.stream[None])[0, -1]


def test_one_of_two_halves_is_no_label():
    halves = network((Affine(np.array([[0.0, 1.0]]), np.array([0.5])),), (Affine(np.array([[1.0]]), np.zeros(1)),))
    for found in (stream_states.compared(halves, SINGLE, LAST, 2), stream_affine.compared(halves, SINGLE, LAST, 2)):
        assert isinstance(found, Open)
        assert found.equal_up_to == 0


def test_an_exact_sum_is_one_at_every_length_and_a_drifting_one_up_to_its_horizon():
    found = stream_affine.compared(recurrence(1.0), SINGLE, SUM, 10)
    assert isinstance(found, Equal)
    assert found.length is None
    assert found.margin == 0.5
    drifting = recurrence(1.0, 1.01)
    found = stream_affine.compared(drifting, SINGLE, SUM, 4)
    assert isinstance(found, Broken)  # 5 * 0.01 a step
    assert found.equal_up_to == 9
    assert len(found.stream) == 10
    assert found.got == found.expected + 1


def test_affine_horizons_are_those_of_all_streams():
    for factor, gain in ((1.0, 1.08), (1.02, 1.0), (0.97, 1.0), (1.0, 0.93)):
        of = recurrence(factor, gain, combinations(-2, 2, 1))
        found = stream_affine.compared(of, combinations(-2, 2, 1), SUM, 3)
        first = first_difference(of, combinations(-2, 2, 1), SUM, 5)
        assert isinstance(found, Broken)
        assert found.equal_up_to >= 5 if first is None else found.equal_up_to == first - 1


def test_a_contraction_is_proved_at_every_length_by_its_tail():
    nearly = recurrence(0.04, 0.99)
    found = stream_affine.compared(nearly, SINGLE, LAST, 10)
    assert isinstance(found, Equal)
    assert found.length is None
    worst = 5 * 0.99 * 0.04 / (1 - 0.04)  # after many fives and a zero
    assert 0 < found.margin <= 0.5 - worst + 1e-9
    too_much = recurrence(0.1, 0.99)
    assert isinstance(stream_affine.compared(too_much, SINGLE, LAST, 10), Broken)


def test_constants_count_in_every_bound():
    shifted = network((Affine(np.array([[0.5, 1.0]]), np.array([0.3])),), (Affine(np.array([[1.0]]), np.zeros(1)),))
    zero = combinations(0, 0, 1)
    of = Recurrent(zero.astype(float), np.zeros(1), shifted.transition, shifted.output, dtype="float64")
    found = stream_affine.compared(of, zero, LAST, 1)  # .3, .45, .525, ...
    assert isinstance(found, Broken)
    assert found.equal_up_to == 2


def test_each_of_several_outputs_is_compared_by_itself():
    both = network(
        (Affine(np.array([[1.0, 0.0, 1.0], [0.0, 0.0, 1.0]]), np.zeros(2)),), (Affine(np.eye(2), np.zeros(2)),), width=2
    )
    for column, right, wrong in ((0, SUM, LAST), (1, LAST, SUM)):
        assert isinstance(stream_affine.compared(both, SINGLE, right, 10, column=column), Equal)
        assert isinstance(stream_affine.compared(both, SINGLE, wrong, 10, column=column), Broken)


def test_what_is_not_affine_is_refused():
    for of, loop in ((maximum(), SUM), (recurrence(1.0), MAXIMUM)):
        with pytest.raises(stream_affine.NotAffineError):
            stream_affine.compared(of, SINGLE, loop, 3)


def test_numbers_that_outgrow_float32_end_the_lattice():
    doubling = network(
        (Affine(np.array([[4096.0, 1.0]]), np.zeros(1)), RELU), (Affine(np.array([[1.0]]), np.zeros(1)),)
    )
    lattice = stream_states.Lattice.of(doubling)
    walk = stream_states.Walk(doubling, SINGLE, SUM, 0, lattice, np.inf)
    assert isinstance(walk.run(1), Equal | Broken)
    same = loop_of(Running(X, PLUS), 1)
    factor = replace(same, updates=(PLUS(times(4096)(same.output), variable("x", INT)()),))
    assert isinstance(stream_states.compared(doubling, SINGLE, factor, 1), Equal)
    found = stream_states.Walk(doubling, SINGLE, factor, 0, lattice, np.inf).run(4)
    assert isinstance(found, Open)
    assert found.equal_up_to == 2
    assert "outgrow what float32 holds exactly" in found.reason


def test_a_proof_up_to_a_shorter_length_than_was_asked_is_none_of_that():
    of = NumberStreams("sum", recurrence(1.0), SINGLE, 10, "a test")
    found = verify(of, SUM)
    for length, is_proved in ((9, False), (10, True), (None, True)):
        claim = replace(found.claims[0], domain=of.up_to(length))
        assert replace(found, claims=(claim,)).is_proved is is_proved


@pytest.mark.slow
def test_of_a_network_that_stops_being_right_the_loop_is_found_on_shorter_streams():
    leaking = NumberStreams("leaking", recurrence(1.0 + 2.0**-9), SINGLE, 40, "a test")
    found = distill(leaking, seconds=3)
    assert found.program is not None
    assert isinstance(found.outcome, Broken)
    assert 1 <= found.outcome.equal_up_to < 40
    assert not found.is_proved


def test_a_loop_whose_numbers_outgrow_a_word_is_neither_proved_nor_broken():
    """2**62, doubled twice, is 0 in 64 bits, and never in Python."""
    total = variable("total", INT)()
    loop = Loop(1, (("total", 2**62),), (times(2)(total),), INDICATOR(EQUAL(total, literal(0, INT)())))
    zero = network((Affine(np.zeros((1, 2)), np.zeros(1)), RELU), (Affine(np.zeros((1, 1)), np.zeros(1)),))
    assert isinstance(stream_states.compared(zero, SINGLE, loop, 10), Open)


def test_a_loop_that_keeps_nothing_is_compared_at_every_length_like_any_other():
    nothing = Loop(1, (), (), literal(0, INT)())
    of = network((Affine(np.array([[0.5, 0.01]]), np.zeros(1)), RELU), (Affine(np.array([[1.0]]), np.zeros(1)),))
    found = stream_states.compared(of, SINGLE, nothing, 4)
    assert isinstance(found, Equal)
    assert (found.length, found.method) == (None, "boxes")
    assert 0.39 < found.margin < 0.4  # 5 * 0.01 / (1 - 0.5) is the most that it comes to


def test_an_affine_proof_without_time_keeps_the_steps_that_were_done():
    same = recurrence(0.5)
    loop = loop_of(X, 1)  # right on 0 alone: broken at once where there is time
    zeros = combinations(0, 0, 1)
    of = network(same.transition, same.output, zeros)
    found = stream_affine.compared(of, zeros, loop, 10, seconds=0.0)
    assert isinstance(found, Open)
    assert found.reason == "the time ended"
    assert found.equal_up_to == 1
    assert stream_affine.compared(of, zeros, loop, 10).length is None
