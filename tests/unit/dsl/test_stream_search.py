"""The search for loops: recurrences are solved for, others are built; what is found gives every example."""

import numpy as np
import pytest
from quick import sliced

from dsl.deduction.stream_search import Examples, commonest, linear_loop, searched_loop
from dsl.grammars.streams import loop_of


def streams(low, high, inputs=1, count=12, length=8, seed=0):
    return np.random.default_rng(seed).integers(low, high + 1, (count, length, inputs))


def delayed(x, k):
    return np.concatenate([np.zeros_like(x[:, :k]), x[:, : x.shape[1] - k]], axis=1)


def carried(x, base):
    rest, out = np.zeros(len(x), int), []
    for t in range(x.shape[1]):
        total = rest + x[:, t].sum(axis=1)
        rest = total // base
        out.append(total % base)
    return np.stack(out, axis=1)


def folded(x, step):
    state, out = np.zeros(len(x), int), []
    for t in range(x.shape[1]):
        state = step(state, x[:, t, 0])
        out.append(state)
    return np.stack(out, axis=1)


def spring(x):
    place, speed, out = np.zeros(len(x), int), np.zeros(len(x), int), []
    for t in range(x.shape[1]):
        speed = speed + x[:, t, 0] - place
        place = place + speed
        out.append(place)
    return np.stack(out, axis=1)


TASKS = {
    "earlier": (0, 99, 1, lambda x: delayed(x[..., 0], 2)),
    "window": (0, 99, 1, lambda x: x[..., 0] + delayed(x[..., 0], 1) + delayed(x[..., 0], 2)),
    "spring": (-10, 10, 1, spring),
    "maximum": (0, 99, 1, lambda x: np.maximum.accumulate(x[..., 0], axis=1)),
    "difference": (-50, 49, 1, lambda x: np.abs(x[..., 0] - delayed(x[..., 0], 1))),
    "remainder": (0, 4, 1, lambda x: x[..., 0].cumsum(axis=1) % 5),
    "adder": (0, 2, 2, lambda x: carried(x, 3)),
    "members": (0, 19, 1, lambda x: np.isin(x[..., 0], (0, 1, 4, 9, 16)).astype(int)),
    "evens": (0, 9, 1, lambda x: (x[..., 0] % 2 == 0).cumsum(axis=1)),
    "saturating": (0, 1, 1, lambda x: folded(x, lambda s, v: np.clip(s + 2 * v - 1, 0, 4))),
    "never negative": (-5, 5, 1, lambda x: folded(x, lambda s, v: np.maximum(s + v, 0))),
    "clipped": (-9, 9, 1, lambda x: np.clip(x[..., 0], -3, 7)),
    "run": (0, 1, 1, lambda x: folded(x, lambda s, v: (s + 1) * v)),
    "longest run": (0, 1, 1, lambda x: np.maximum.accumulate(folded(x, lambda s, v: (s + 1) * v), axis=1)),
    "begun again": (0, 5, 1, lambda x: folded(x, lambda s, v: np.where(v == 0, 0, s + v))),
    "last that is not 0": (0, 5, 1, lambda x: folded(x, lambda s, v: np.where(v == 0, s, v))),
    "large ones": (0, 9, 1, lambda x: (x[..., 0] * (x[..., 0] > 4)).cumsum(axis=1)),
    "sum above 10": (0, 5, 1, lambda x: (x[..., 0].cumsum(axis=1) > 10).astype(int)),
    "largest of three": (
        0,
        9,
        1,
        lambda x: np.maximum(np.maximum(x[..., 0], delayed(x[..., 0], 1)), delayed(x[..., 0], 2)),
    ),
    "products": (0, 1, 2, lambda x: (x[..., 0] * x[..., 1]).cumsum(axis=1) % 2),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", sliced(TASKS, 2))
def test_what_is_found_is_right_on_other_streams(name):
    low, high, inputs, target = TASKS[name]
    x = streams(low, high, inputs)
    loop = searched_loop(Examples(x, target(x), low, high), 20.0)
    assert loop is not None
    fresh = streams(low, high, inputs, count=300, length=12, seed=1)
    np.testing.assert_array_equal(loop.run(fresh), target(fresh))


@pytest.mark.parametrize(
    ("low", "high", "target", "said"),
    [
        (0, 9, lambda x: (x > 6).astype(int), "int(int(tokens[-1]) > 6)"),
        (0, 9, lambda x: (x < 3).astype(int), "int(int(tokens[-1]) < 3)"),
        (0, 9, lambda x: (x == 5).astype(int), "int(int(tokens[-1]) == 5)"),
        (0, 9, lambda x: (x > 3).cumsum(axis=1), "total + int(int(token) > 3)"),
        (0, 1, lambda x: 1 - x, "return 1 - int(tokens[-1])"),
        (0, 1, lambda x: (x + delayed(x, 1)) % 2, "return (last + before) % 2"),
        (0, 1, lambda x: ((x == 1) & (delayed(x, 1) == 0)).cumsum(axis=1), "total + int(x > last)"),
    ],
)
def test_of_loops_that_cost_the_same_the_shortest_is_taken(low, high, target, said):
    x = streams(low, high)
    loop = searched_loop(Examples(x, target(x[..., 0]), low, high), 20.0)
    assert said in loop.source("f", [str(n) for n in range(low, high + 1)])


def test_the_most_frequent_number_is_counted():
    x = streams(0, 3, count=100)
    wanted = np.stack([(x[..., 0] == n).cumsum(axis=1) for n in range(4)]).argmax(axis=0)
    np.testing.assert_array_equal(loop_of(commonest(0, 3), 1).run(x), wanted)


def test_no_recurrence_is_read_off_answers_that_none_gives():
    x = streams(0, 9)
    assert linear_loop(Examples(x, np.maximum.accumulate(x[..., 0], axis=1), 0, 9)) is None


def test_answers_of_chance_have_no_loop():
    x = streams(0, 9, count=4)
    chance = np.random.default_rng(3).integers(0, 50, x.shape[:2])
    assert searched_loop(Examples(x, chance, 0, 9), 0.5) is None
