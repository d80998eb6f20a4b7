"""Boxes beside a loop hold what the network comes to, and are told apart by what the loop remembers."""

import time
from functools import partial
from itertools import islice

import numpy as np
import pytest

from dsl.grammars.stream_reading import loop_from_text
from tasks.bounds import ball
from tasks.networks.number_streams import NumberStreams, combinations
from tasks.networks.recurrent import Recurrent
from tasks.networks.transformer import Affine
from tasks.proofs.box_graphs import Beside, Graph, LostError, every_length, hulls, hulls_of, snapped, up_to

NUMBERS = combinations(0, 1, 1)
LAST = "def f(tokens):\n    last = 0\n    for token in tokens:\n        last = int(token)\n    return last"
LARGEST = "def f(tokens):\n    a = 0\n    for token in tokens:\n        a = max(a, int(token))\n    return a"


def beside(program: str) -> Beside:
    """The last bit, beside a state h' = h / 2 + 0.3 x that the output hardly looks at, and a loop."""
    transition = (Affine(np.array([[0.5, 0.0, 0.3], [0.0, 0.0, 1.0]]), np.zeros(2)),)
    read = (Affine(np.array([[0.01, 1.0]]), np.zeros(1)),)
    made = Recurrent(NUMBERS.astype(float), np.zeros(2), transition, read, dtype="float64")
    of = NumberStreams("last", made, NUMBERS, 6, "a test")
    loop = loop_from_text(program, of.inputs, of.alphabet)
    return Beside(of.network, NUMBERS, loop, 0, 2.0**-53, time.perf_counter() + 60)


def walks(at: Beside, graph: Graph, steps: int) -> None:
    """Random streams stay in the boxes that the graph leads to."""
    random = np.random.default_rng(0)
    for _ in range(50):
        state, box = at.network.initial(1), 0
        for token in random.integers(0, 2, steps):
            state, box = at.network.step(state, token[None]), graph.after[box, token]
            inside = np.abs(state[0] - graph.boxes.center[box]) <= graph.boxes.radius[box]
            assert inside[at.kept].all()


@pytest.mark.parametrize("cell", [2.0**-3, 2.0**-6])
def test_snapped_boxes_hold_every_state(cell: float) -> None:
    walks(beside(LAST), snapped(beside(LAST), cell), 40)


@pytest.mark.parametrize("told", [0, 1, 2])
def test_hulls_hold_every_state(told: int) -> None:
    walks(beside(LAST), hulls(beside(LAST), told), 40)


def test_boxes_of_each_step_hold_every_state() -> None:
    for graph in islice(up_to(beside(LAST), 6), 2):
        walks(beside(LAST), graph, 5)


def test_a_box_around_balls_holds_all_of_them() -> None:
    balls = ball.Ball(np.array([[0.0, 1.0], [2.0, -1.0], [5.0, 0.5]]), np.array([[0.5, 0.0], [3.0, 0.25], [0.1, 0.1]]))
    index = np.array([0, 0, 1])
    boxes = hulls_of(balls, index, 2)
    assert (np.abs(balls.center - boxes.center[index]) + balls.radius <= boxes.radius[index]).all()
    assert boxes.radius[0] == pytest.approx([3.0, 1.125])  # from -1 to 5, and from -1.25 to 1
    assert boxes.radius[1] == pytest.approx([0.1, 0.1])


def test_a_loop_that_remembers_more_than_the_network_has_no_boxes() -> None:
    for find in (partial(snapped, cell=2.0**-3), partial(hulls, told=1)):
        with pytest.raises(LostError, match="an output is open"):
            find(beside(LARGEST))
    assert not list(every_length(beside(LARGEST)))
