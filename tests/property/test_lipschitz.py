"""One bound for the errors of many rows holds the error of every row, of every operation; and of whole prompts."""

from itertools import product

import flint
import numpy as np
import pytest
from flint import arb
from hypothesis import given, settings
from hypothesis import strategies as st
from quick import examples
from state_networks import random_cells

from tasks.bounds import ball, exact_states
from tasks.bounds.ball import FLOAT32, FLOAT64, Ball
from tasks.bounds.recurrent_lipschitz import TANH_LOSS, Centers, Lipschitz, Steep, apart, together, way
from tasks.networks.interpreter import run
from tasks.networks.transformer import Activation, Affine, Blend, Columns, Concat, Product, Residual, Step

WIDTH = 3
seeds = st.integers(0, 2**32 - 1).map(np.random.default_rng)
laws = settings(max_examples=examples(25), deadline=None, derandomize=True)
ACTIVATIONS = [Activation(kind, 0.25) for kind in ("leaky_relu",)] + [
    Activation(kind) for kind in ("relu", "tanh", "sigmoid", "gelu", "gelu_tanh", "silu")
]


def a_map(rng: np.random.Generator, width: int = WIDTH) -> Affine:
    return Affine(rng.normal(size=(width, WIDTH)).astype(np.float32).astype(float), rng.normal(size=width))


def a_step(rng: np.random.Generator, kind: str) -> Step:
    identity = Columns(0, WIDTH)
    return {
        "affine": a_map(rng),
        "constant": Affine(np.zeros((2, WIDTH)), rng.normal(size=2)),
        "sum": Affine(np.hstack([np.eye(1)] * WIDTH), None),
        "product": Product((identity,), (Activation("tanh"), a_map(rng))),
        "concat": Concat(((a_map(rng),), (Activation("tanh"),), (Columns(1, 3),))),
        "blend": Blend((a_map(rng),), (identity,), (a_map(rng), Activation("tanh"))),
        "residual": Residual((a_map(rng), Activation("relu"))),
    }[kind]


def check(step: Step, x: Ball, rng: np.random.Generator) -> Centers:
    """What is said of the rows of ``x`` after ``step`` holds for points of theirs, most of them corners."""
    found = way((step,), FLOAT64)(together(x))
    no_ids = np.zeros((0, 0), np.int64)
    assert (np.abs(found.center) <= found.sizes.center).all()
    for _ in range(30):
        point = x.center + x.radius * rng.choice([-1.0, 1.0, 0.3], x.center.shape)
        y = run((step,), point, no_ids)
        slack = 64 * FLOAT64 * (1.0 + np.abs(y))  # what computing the point and its image rounds
        assert (np.abs(y - found.center) <= found.sizes.radius + slack).all()
    return found


def rows_of(rng: np.random.Generator, radius: float) -> Ball:
    """Rows about one place, that where slopes are steepest or one where all are flat, with radii of their own."""
    center = rng.normal(size=(8, WIDTH)) * rng.choice([0.0, 0.05, 1.0, 3.0], (8, 1)) * rng.choice([0.1, 1.0])
    return Ball(center + rng.choice([0.0, 2.5, -2.5]), radius * rng.choice([0.1, 1.0], (8, WIDTH)))


@pytest.mark.parametrize("step", ACTIVATIONS, ids=lambda step: step.kind)
@laws
@given(seeds, st.sampled_from([1e-6, 1e-2, 1.0, 3.0]))
def test_no_row_moves_by_more_than_the_steepest_slope(step: Activation, rng: np.random.Generator, radius: float):
    steepest = {"gelu": np.sqrt(2.0), "gelu_tanh": 1.41, "silu": 2.4}.get(step.kind)
    x = rows_of(rng, radius)
    if steepest:
        x = Ball(np.concatenate([x.center, np.full((1, WIDTH), steepest)]), np.concatenate([x.radius, x.radius[:1]]))
    check(step, x, rng)


@pytest.mark.parametrize("kind", ["affine", "constant", "sum", "product", "concat", "blend", "residual"])
@laws
@given(seeds, st.sampled_from([1e-6, 1e-2, 1.0]))
def test_one_bound_holds_for_every_row(kind: str, rng: np.random.Generator, radius: float):
    check(a_step(rng, kind), rows_of(rng, radius), rng)


def test_another_formula_of_tanh_misses_no_more_than_is_said():
    rng = np.random.default_rng(0)
    x = np.concatenate([scale * rng.normal(size=300) for scale in (1e-9, 1e-3, 0.1, 1.0, 3.0, 40.0)])
    found = way((Activation("tanh"),), FLOAT64)(Centers((x[None],), Ball(np.abs(x)[None], np.zeros((1, len(x))))))
    with flint.ctx.workprec(200):
        missed = [abs(arb(float(y)) - arb(float(v)).tanh()) for y, v in zip(found.center[0], x, strict=True)]
    assert float(max(missed)) < TANH_LOSS / 2
    assert (np.array([float(m) for m in missed]) <= found.sizes.radius[0]).all()


def test_slopes_are_no_steeper_than_they_are():
    x = Ball(np.array([[0.0], [1.0]]), np.full((2, 1), 1e-3))
    for kind, slope in (("tanh", 1.0), ("sigmoid", 0.25), ("relu", 1.0)):
        found = way((Activation(kind),), FLOAT64)(together(x))
        assert found.sizes.radius[0, 0] == pytest.approx(slope * 1e-3, rel=1e-6)


@pytest.mark.parametrize("kind", ["affine", "product", "concat", "blend", "residual"])
def test_what_may_be_anything_stays_so(kind):
    rng = np.random.default_rng(1)
    x = rows_of(rng, 0.1)
    lost = Ball(x.center, np.where(np.arange(WIDTH) == 1, np.inf, x.radius))
    found = apart(way((a_step(rng, kind),), FLOAT32)(together(lost)))
    assert np.isinf(found.radius).any(axis=0).any()
    assert np.isinf(found.radius[:, 1]).all()
    assert np.isfinite(found.center).all()


@pytest.mark.parametrize("step", ACTIVATIONS, ids=lambda step: step.kind)
def test_an_activation_of_what_may_be_anything_is_that(step):
    x = Ball(np.zeros((2, 2)), np.array([[np.inf, 1.0], [0.0, 1.0]]))
    found = apart(way((step,), FLOAT32)(together(x)))
    assert np.isinf(found.radius[:, 0]).all()
    assert np.isfinite(found.radius[:, 1]).all()


def test_numbers_that_float32_cannot_hold_are_lost():
    x = Ball(np.array([[2.0**45]]), np.zeros((1, 1)))
    found = apart(way((Affine(np.array([[2.0**10]]), None),), FLOAT32)(together(x)))
    assert np.isinf(found.radius).all()


@laws
@given(seeds, st.sampled_from(["tanh", "sigmoid", "gru", "reset", "lstm"]), st.integers(1, 4))
def test_prompts_of_several_lengths_are_held_and_go_on_as_balls(rng: np.random.Generator, kind: str, ahead: int):
    network = random_cells(rng, kind, 2, 1, 1.0)
    batches = [np.array([*product((0, 1), repeat=length)], np.int64).reshape(-1, length) for length in (2, 5)]
    steep, some = Steep(ahead), [np.array([1, 3]), np.array([0, 9, 30])]
    found = [(steep(network, batches, FLOAT32), batches)]
    after = steep.narrowed(some)
    assert after is not None
    few = [words[rows] for words, rows in zip(batches, some, strict=True)]
    found.append((after(network, few, FLOAT32), few))
    assert after.narrowed(some) is None
    for stream, listed in found:
        for words, places in zip(listed, stream.places, strict=True):
            for word, place in zip(words, places, strict=True):
                for known, row in zip(exact_states.along(network, word.tolist()), place, strict=True):
                    apart_by = np.abs(known.logits.center[0] - stream.x.center[row])
                    assert (apart_by <= stream.x.radius[row]).all()
    whole = Steep(0)(network, few, FLOAT32)
    for stream_places, places in zip(found[1][0].places, whole.places, strict=True):  # no wider than balls to the end
        assert np.array_equal(found[1][0].x.radius[stream_places], whole.x.radius[places])


def test_workers_get_what_it_is_made_of():
    network = random_cells(np.random.default_rng(3), "gru", 2, 1, 1.0)
    made = Lipschitz(network, FLOAT32)
    kind, parts = made.__reduce__()
    states = Ball(np.zeros((2, network.width)), np.full((2, network.width), 1e-6))
    once, again = (way.step(states, np.array([0, 1])) for way in (made, kind(*parts)))
    assert np.array_equal(once.radius, again.radius)
    with pytest.raises(ball.RoundoffError):
        Lipschitz(network, 2.0**-11)
