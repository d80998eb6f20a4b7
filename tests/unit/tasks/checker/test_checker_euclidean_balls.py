"""Maps, norms and activations of points are as wide as they must be, where that is nearly reached."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from math import erf, inf, sqrt

import numpy as np
import pytest
from flint import arb, arb_mat, arb_series, ctx
from worst_sums import SUMS, worst_sum

from tasks.checker import euclidean_balls
from tasks.checker.arithmetic import ROUNDOFF, TINY, ZERO, Affine, Arithmetic
from tasks.checker.euclidean_balls import (
    CHORD,
    FAINT,
    FINE,
    SLOPE,
    Bent,
    Chords,
    Linear,
    Rounding,
    Rows,
    Scaled,
    UnknownError,
    exactly,
    spectral,
)
from tasks.checker.lanes import FULL, Table
from tasks.checker.narrow import narrowed
from tasks.checker.network import Activated, Network, Normed
from tasks.checker.rough import KINDS, _affine, _ways, picked, rough

REAL, F32 = Arithmetic(0.0), Arithmetic(ROUNDOFF["float32"], is_small=True)
U = ROUNDOFF["float32"]
NEAR = 1e-6  # what fixed-point numbers may add


@pytest.fixture(autouse=True)
def precision():
    with ctx.workprec(80):
        yield


def table(x):
    return [[arb(float(v)) for v in row] for row in np.atleast_2d(x)]


def matrix(x):
    return arb_mat(table(x))


def rows_of(x, r=0.0):
    """Points as they are given, all at one distance."""
    rows = exactly(table(x))
    return Rows(rows.points, [far + r for far in rows.far], rows.size)


def numbers(rows):
    return np.array([[v * rows.points.unit for v in row] for row in zip(*rows.points.lists(), strict=True)])


def test_given_rows_are_points_as_near_as_their_bits_and_unknown_ones_are_told():
    x = np.array([[1.0, -3.7, 1e-9], [100.3, 0.0, -55.55]])
    rows = rows_of(x)
    off = np.linalg.norm(numbers(rows) - x, axis=1)
    assert (off <= rows.far).all()
    assert max(rows.far) < 1e-6
    assert (np.linalg.norm(numbers(rows), axis=1) <= rows.size).all()
    wide = exactly([[arb(1, 0.25), arb(2)], [arb.nan(), arb(2)], [arb(2) ** 40, arb(1)], [arb(1, arb(2) ** 40), ZERO]])
    assert wide.far[0] >= 0.25
    assert wide.far[1:] == [inf, inf, inf]


def test_fewer_bits_are_made_good_by_the_distance():
    rows = rows_of([[1.2345678901, -7.654321]], 0.5)
    for bits in (5, 0, -2):
        less = rows.at(bits)
        off = np.linalg.norm(numbers(less) - numbers(rows))
        assert less.far[0] >= rows.far[0] + off
        assert less.size[0] >= np.linalg.norm(numbers(less))
    assert rows.at(rows.points.bits + 3).far == rows.far
    assert rows.within(100).points.most <= 100
    assert rows.within(100).far[0] > rows.far[0]


def test_a_map_moves_a_row_by_its_largest_singular_value_and_two_maps_are_one():
    rng = np.random.default_rng(2)
    one, two = (
        Linear(matrix(x), matrix(np.ones(4)), spectral(matrix(x)), 0.5, 0.25) for x in rng.normal(size=(2, 4, 4))
    )
    weights = np.array([[float(v) for v in row] for row in one.map.tolist()])
    (_, _, vectors), x = np.linalg.svd(weights.T), rng.normal(size=4)
    step = 0.01 * vectors[0]
    a, size = Rounding(REAL), np.linalg.norm(x)
    moved = np.linalg.norm(step @ weights)
    free = replace(one, share=0.0, own=0.0)
    assert moved <= free(a, rows_of(x, 0.01)).far[0] <= 1.2 * moved
    assert one(a, rows_of(x)).far[0] == pytest.approx(0.5 * size + 0.25, rel=1e-5)
    assert one(a, rows_of(x, 1.0)).far[0] >= one.stretch + 0.5 * (size + 1) + 0.25
    both, half = one.then(two), one(a, rows_of(x, 0.125))
    whole, found = two(a, half), both(a, rows_of(x, 0.125))
    assert np.allclose(numbers(found), numbers(whole), atol=NEAR)
    apart = spectral(one.map) * spectral(two.map) - spectral(one.map * two.map)
    assert found.far[0] >= 0.5 * np.linalg.norm(numbers(half)) + two.stretch * (0.5 * (size + 0.125) + 0.25) + 0.25 - (
        apart * 0.125
    )
    # where a map stretches all rows alike nothing is lost by bounding the row between them
    same = Linear(matrix(2 * np.eye(4)), matrix(np.zeros(4)), 2.0, 0.5, 0.25)
    apart = same(a, same(a, rows_of(x, 0.125))).far[0]
    assert same.then(same)(a, rows_of(x, 0.125)).far[0] == pytest.approx(apart, rel=1e-3)
    shifted = replace(same, shift=matrix(np.full(4, 100.0)))
    assert shifted.then(same)(a, rows_of(np.zeros(4))).far[0] >= 0.5 * 200
    assert one(a, rows_of(x)).size[0] >= np.linalg.norm(numbers(one(a, rows_of(x))))


def test_weights_and_shifts_that_have_more_bits_than_are_kept_are_made_good():
    """A third and a seventh, of rows that are as long as they can be, at once and where few bits are left."""
    third, seventh = arb(1) / 3, arb(1) / 7
    layer = Linear(arb_mat([[third, arb(100)]]), arb_mat([[seventh, ZERO]]), 101.0)
    for bits in (20, 3, -4):
        rows = rows_of([[2.0**28]]).at(bits)
        found = layer(Rounding(REAL), Rows(rows.points, [0.0], rows.size))
        exact = arb(numbers(rows)[0, 0]) * third + seventh
        off = abs(found.points.lists()[0][0] * arb(2) ** -found.points.bits - exact)
        assert off > 0
        assert off <= found.far[0]
    rows = Rows(rows_of([[0.0]]).at(3).points, [0.0], [0.0])
    shift = Linear(arb_mat([[arb(1)]]), arb_mat([[seventh]]), 1.0)(Rounding(REAL), rows)
    off = abs(shift.points.lists()[0][0] * arb(2) ** -shift.points.bits - seventh)
    assert 0 < off <= shift.far[0]
    wide = Linear(arb_mat([[arb(1, 0.5)]]), arb_mat([[arb(0, 0.25)]]), 2.0)
    assert wide(Rounding(REAL), rows_of([[4.0]])).far[0] >= 0.5 * 4 + 0.25
    with pytest.raises(UnknownError):
        _ = Linear(arb_mat([[arb.nan()]]), arb_mat([[ZERO]]), 1.0).fixed


def test_no_image_runs_over_its_lane_whatever_is_given():
    large = Table.of([[FULL - 1, -FULL + 1], [FULL - 1, FULL - 1]], 2, 60)
    rows = Rows(large, [0.0, 0.0], [8.0, 8.0])
    for weights, shift in (([[2.0**20], [2.0**20]], [0.0]), ([[1.0], [-1.0]], [2.0**36]), ([[0.0], [0.0]], [0.0])):
        found = Linear(matrix(weights), matrix(shift), 2.0**21)(Rounding(REAL), rows)
        exact = np.array([[4.0, 4.0], [-4.0, 4.0]]) @ np.array(weights) + shift
        assert (np.abs(numbers(found) - exact)[:, 0] <= found.far).all()
    assert np.allclose(numbers(rows.plus(rows, Rounding(REAL))), [[8, 8], [-8, 8]])


@pytest.mark.parametrize("terms", SUMS.values(), ids=SUMS)
def test_a_sum_whose_roundings_all_go_wrong_is_within_the_distance(terms):
    layer, n = Affine([[arb(float(term)) for term in terms]], [ZERO]), len(terms)
    found = _affine(Rounding(F32), layer)(Rounding(F32), rows_of(np.ones(n)))
    off = float(worst_sum(terms, U) - sum(terms))
    assert off <= found.far[0]
    assert numbers(found)[0, 0] == pytest.approx(float(sum(terms)))


def test_a_product_and_a_bias_are_rounded():
    a = Rounding(F32)
    biased = _affine(a, Affine([[arb(1)]], [arb(1000)]))
    assert biased(a, rows_of([[1.0]])).far[0] >= 1000 * U
    assert biased(a, rows_of([[1000.0]])).far[0] >= 2000 * U
    assert biased(a, rows_of([[0.0]], 1000.0)).far[0] >= 1000 + 2000 * U
    exact = _affine(Rounding(REAL), Affine([[arb(1)]], [arb(1000)]))
    assert float(TINY) <= exact.own <= exact(Rounding(REAL), rows_of([[1.0]])).far[0]


def test_no_distance_is_lost_to_underflow():
    """GELU between two points of its grid, times 2**-560, whose square no float holds, and back."""
    x, least = arb(0.5) / 1024, Affine([[arb(2) ** -560]], [ZERO])
    assert _affine(Rounding(REAL), least)(Rounding(REAL), rows_of([[0.0]], 1.0)).far[0] >= 2.0**-560
    back = (*[Affine([[arb(2) ** 39]], [ZERO])] * 14, Affine([[arb(2) ** 14]], [ZERO]))
    network = Network([[x]], None, (), (Activated("gelu"), least, *back), 1)
    (true,) = REAL.activate([x], "gelu")
    for semantics in ROUNDOFF:
        (((ball,),),) = rough(*narrowed(network, Arithmetic(ROUNDOFF[semantics]))).at([(0,)], slice(None))
        assert not ball.is_finite() or ball.contains(true)


@pytest.mark.parametrize("centered", [False, True])
def test_a_norm_moves_by_no_more_than_the_distance(centered):
    rng, n, eps = np.random.default_rng(3), 6, 1e-5

    def normed(x):
        x = x - x.mean() if centered else x
        return x / np.sqrt((x * x).mean() + eps)

    for _ in range(50):
        x, r = rng.normal(size=n) * 10.0 ** rng.uniform(-2, 1), 10.0 ** rng.uniform(-6, -3)
        step = rng.normal(size=n)
        step = step - step.mean() if centered else step
        step -= x * (step @ x) / (x @ x)
        moved = x + r * step / np.linalg.norm(step)
        found = Scaled(n, eps, centered)(Rounding(REAL), rows_of(x, r))
        assert np.allclose(numbers(found), normed(x), atol=NEAR)
        assert np.linalg.norm(numbers(found)) <= found.size[0]
        apart = np.linalg.norm(normed(moved) - normed(x))
        assert apart <= found.far[0]
        assert centered or found.far[0] <= 1.5 * apart + 10 * r**2 + NEAR
    x = np.full(4, 0.01)
    found = Scaled(4, 1e-10, False)(Rounding(REAL), rows_of(x, 0.015))
    off = np.linalg.norm((x - 0.0075) / np.sqrt(0.0025**2 + 1e-10) - numbers(found))
    assert off <= found.far[0] < inf  # S is a quarter there
    assert Scaled(4, 1e-10, False)(Rounding(REAL), rows_of(x, 0.03)).far == [inf]
    assert Scaled(4, 0.0, False)(Rounding(REAL), rows_of(np.zeros(4))).far == [inf]


@pytest.mark.parametrize("centered", [False, True])
def test_norms_of_rows_of_all_sizes_are_made_good_where_few_bits_are_left(centered, monkeypatch):
    rng = np.random.default_rng(5)
    x = rng.normal(size=(40, 5)) * 10.0 ** rng.uniform(-7, 5, size=(40, 1))
    rows = rows_of(x)
    given = numbers(rows)
    exactly_there = Rows(rows.points, [0.0] * 40, rows.size)
    found = Scaled(5, 1e-6, centered)(Rounding(REAL), exactly_there)
    y = given - given.mean(axis=1, keepdims=True) if centered else given
    exact = y / np.sqrt((y * y).mean(axis=1, keepdims=True) + 1e-6)
    off = np.linalg.norm(numbers(found) - exact, axis=1)
    assert (off <= found.far).all()
    assert min(found.far) < 1e-6
    monkeypatch.setattr(euclidean_balls, "FACTOR", 5)
    found = Scaled(5, 1e-6, centered)(Rounding(REAL), exactly_there)
    off = np.linalg.norm(numbers(found) - exact, axis=1)
    assert (off <= found.far).all()
    assert max(off) > 1e-3


def test_a_norm_is_off_by_what_the_checker_says_of_its_rounding():
    x = np.array([1.0, 2, -3, 4])
    (off,) = Scaled(4, 1e-5, False)(Rounding(F32), rows_of(x)).far
    wide = F32.norm(table(x)[0], [arb(1)] * 4, [ZERO] * 4, 1e-5, centered=False)
    assert sqrt(sum(float(v.rad()) ** 2 for v in wide)) <= off <= 2e-5
    far = x + 100
    (off,) = Scaled(4, 1e-5, True)(Rounding(F32), rows_of(far)).far
    wide = F32.norm(table(far)[0], [arb(1)] * 4, [ZERO] * 4, 1e-5, centered=True)
    assert sqrt(sum(float(v.rad()) ** 2 for v in wide)) <= off
    (off,) = Scaled(4, 1e-5, True)(Rounding(F32), rows_of(far, 1e-9)).far
    assert off > 4 * F32.gamma(12) * 100**2 / 5  # of a variance in one pass


def test_an_entry_less_the_mean_is_off_by_what_the_mean_errs():
    rounding, x = Rounding(F32), np.array([9.0, 10, 10, 11])
    rounding.gamma = lambda k: 0.01 if k == 4 + 4 else 0.0
    (off,) = Scaled(4, 1e-5, True)(rounding, rows_of(x)).far
    assert off >= 0.01 * 10 / sqrt(0.5)


def test_the_spectral_norm_is_above_the_largest_singular_value_and_near_it():
    rng = np.random.default_rng(1)
    for shape in ((5, 5), (3, 9), (9, 3), (70, 66), (1, 4)):
        x = rng.normal(size=shape)
        true = np.linalg.norm(x, 2)
        assert true <= spectral(matrix(x)) <= true * (1.15 if min(shape) <= 64 else 5)
    assert 3 <= spectral(matrix(np.diag([3.0, 1, 2]))) <= 3.001 * 3 ** (1 / 32)
    assert spectral(matrix(np.ones((70, 70)))) == pytest.approx(70, rel=1e-4)
    assert spectral(matrix(np.eye(70))) == pytest.approx(1, rel=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_an_activation_moves_by_no_more_than_the_distance(kind):
    grid = np.linspace(-6, 6, 1201)
    image = np.array([float(v.mid()) for v in REAL.activate([arb(float(v)) for v in grid], kind)])
    slopes = np.abs(np.diff(image)) / np.diff(grid)
    steep = int(slopes.argmax())
    (off,) = Bent(kind)(Rounding(REAL), rows_of([[grid[steep]]], 0.01)).far
    assert slopes[steep] * 0.01 <= off <= 0.012
    found = Bent(kind)(Rounding(F32), rows_of(grid))
    assert np.linalg.norm(numbers(found)[0] - image) <= found.far[0]
    assert np.linalg.norm(numbers(found)[0]) <= found.size[0]
    wide = F32.activate([arb(float(v)) for v in grid], kind)
    assert sqrt(sum(float(v.rad()) ** 2 for v in wide)) <= found.far[0]


@pytest.mark.parametrize("kind", [*KINDS[1:], "exp"])
def test_no_function_that_is_tabulated_bends_by_more_than_one_nor_is_steeper_than_the_slope(kind):
    """Taylor series over balls that cover where they are not within 2**-60 of straight lines."""

    def bounds(ball):
        x = arb_series([ball, 1], prec=3)
        match kind:
            case "gelu":
                y = x * (1 + (x / arb(2).sqrt()).erf()) / 2
            case "gelu_tanh":
                inner = (2 / arb.pi()).sqrt() * (x + arb(44715) / 10**6 * x * x * x)
                y = x / (1 + (-2 * inner).exp())
            case "silu":
                y = x / (1 + (-x).exp())
            case "tanh":
                y = 2 / (1 + (-2 * x).exp()) - 1
            case _:
                y = (-x).exp()
        return abs(y[1]), 2 * abs(y[2])

    edges = np.linspace(0 if kind == "exp" else -10, 10, 1600 + 1)
    for low, high in pairwise(edges):
        slope, bend = bounds(arb((low + high) / 2, (high - low) / 2))
        assert bend <= (1.001 if kind == "exp" else 1)
        assert slope <= (1.001 if kind == "exp" else SLOPE)


def test_a_chord_is_off_by_what_its_bend_allows():
    for x in ((np.arange(-40, 40) + 0.5) / 2**FINE, np.array([20.0, 0.1]), np.array([-20.0, 0.1])):
        found = Bent("gelu")(Rounding(REAL), rows_of(x))
        true = np.array([v / 2 * (1 + erf(v / sqrt(2))) for v in numbers(rows_of(x))[0]])
        assert 0 < np.linalg.norm(numbers(found)[0] - true) <= found.far[0] < 1e-4
    assert 0.05 < np.abs(numbers(found)[0] - true).max() / CHORD < 1.1 or len(x) == 2
    assert Bent("gelu")(Rounding(REAL), rows_of([[2.0**35]])).far == [inf]  # the grid has more bits than such numbers
    relu = Bent("relu")(Rounding(REAL), rows_of([[2.0**14, -(2.0**14)]]))
    assert np.allclose(numbers(relu), [[2.0**14, 0]])


def test_of_the_middle_of_a_step_a_chord_is_off_by_an_eighth_of_the_bend():
    """GELU bends most at 0, by 0.7979."""
    x = np.array([[0.5 / 2**FINE]])
    rows = rows_of(x)
    found = Bent("gelu")(Rounding(REAL), Rows(rows.points, [0.0], rows.size))
    off = abs(numbers(found)[0, 0] - x[0, 0] / 2 * (1 + erf(x[0, 0] / sqrt(2))))
    assert 0.7 * CHORD < off <= found.far[0]


def test_shares_far_below_the_largest_are_nothing_and_chords_are_let_go(monkeypatch):
    exp = Chords("exp", 30)
    assert exp[0][0] == 1 << 30
    assert exp[FAINT << FINE] == (0, 0)
    for n in (0, 1, 700, 5000, (FAINT << FINE) - 1):
        y, slope = exp[n]
        true = float((-arb(n) / 2**FINE).exp()) * 2**30
        assert true - 1.001 <= y <= true
        assert abs(slope - float((-arb(n + 1) / 2**FINE).exp() - (-arb(n) / 2**FINE).exp()) * 2**30) <= 1.001
        assert slope <= 0 <= y + slope
    monkeypatch.setattr(euclidean_balls, "HELD", 2)
    for n in range(9):
        assert exp[n]
    assert len(exp) <= 2


def test_gains_biases_and_picks_are_maps():
    x = np.array([3.0, 4.0])
    ways, width = _ways(Rounding(F32), [Normed([arb(5), arb(-7)], [arb(1), arb(0)], 0.0, False)], 2)
    assert width == 2
    scaled, gain = ways
    y = gain(Rounding(F32), scaled(Rounding(F32), rows_of(x)))
    assert np.allclose(numbers(y), x / np.sqrt(12.5) * [5, -7] + [1, 0], atol=NEAR)
    assert gain.stretch >= 7
    assert gain.own >= U
    twice = picked((0, 0, arb(9)), 2)
    assert np.allclose(numbers(twice(Rounding(F32), rows_of(x))), [3, 3, 9], atol=NEAR)
    assert twice.stretch == pytest.approx(sqrt(2))
