"""Every operation of ``tasks.bounds.ball`` contains the ideal value (arb, 200 bits) and any float32 execution."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from math import inf

import flint
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from quick import examples
from scipy.special import erf
from worst_sums import SUMS, TINY, worst_sum

from tasks.bounds import ball
from tasks.bounds.ball import FLOAT32, FLOAT64, Affine, Ball

F = np.float32
seeds = st.integers(0, 2**32 - 1).map(np.random.default_rng)
widths = st.integers(1, 7)
blurs = st.sampled_from([0.0, 1e-9, 1e-6, 1e-3, 0.3])
roundoffs = st.sampled_from([FLOAT32, FLOAT64])
laws = settings(max_examples=examples(60), deadline=None, derandomize=True)


@pytest.fixture(autouse=True)
def many_bits() -> Iterator[None]:
    before, flint.ctx.prec = flint.ctx.prec, 200
    yield
    flint.ctx.prec = before


def floats(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """float32 numbers of several magnitudes, some equal, some zero."""
    values = rng.normal(size=shape) * rng.choice([1e-3, 0.3, 1.0, 1.0, 10.0], size=shape)
    return np.where(rng.random(shape) < 0.1, 0.0, values).astype(F)


def blurred(rng: np.random.Generator, center: np.ndarray, blur: float) -> Ball:
    return Ball(center.astype(float), blur * rng.choice([0.0, 0.5, 1.0], size=center.shape))


def inside(rng: np.random.Generator, x: Ball, dtype: type = np.float64) -> np.ndarray:
    """A point of the ball, often a corner."""
    shift = rng.choice([-1.0, 1.0, rng.uniform(-1, 1)], size=x.center.shape) * x.radius
    point = (x.center + shift).astype(dtype)
    return np.where(np.abs(point.astype(float) - x.center) <= x.radius, point, x.center.astype(dtype))


def exact(values: np.ndarray) -> np.ndarray:
    """An array of arb numbers, each exactly a float."""
    return np.vectorize(lambda value: flint.arb(float(value)), otypes=[object])(values)


def assert_contains(x: Ball, values: np.ndarray) -> None:
    """All of ``values`` (floats or arbs), certainly."""
    assert x.center.shape == values.shape
    for center, radius, value in zip(x.center.flat, x.radius.flat, values.flat, strict=True):
        if radius < inf:
            off = abs((value if isinstance(value, flint.arb) else flint.arb(float(value))) - flint.arb(center))
            assert off <= flint.arb(radius), (center, radius, value)


def shuffled_sum(rng: np.random.Generator, terms: np.ndarray) -> np.float32:
    """float32 sum of a vector in a random order, as a random binary tree."""
    pile = [F(term) for term in terms]
    while len(pile) > 1:
        first, second = (pile.pop(rng.integers(len(pile))) for _ in range(2))
        pile.append(F(first + second))
    return pile[0] if pile else F(0)


def fused_sum(rng: np.random.Generator, left: np.ndarray, right: np.ndarray) -> np.float32:
    """float32 dot product in a random order, with fused multiply-adds at random."""
    total = F(0)
    for i in rng.permutation(len(left)):
        fused = F(float(left[i]) * float(right[i]) + float(total))
        total = fused if rng.random() < 0.5 else F(F(left[i] * right[i]) + total)
    return total


# One row of each operation: at the point x, in arb, and in float32.


def exact_norm(x: np.ndarray, gain: np.ndarray, bias: np.ndarray, eps: float, centered: bool) -> np.ndarray:
    z = x - x.sum() / len(x) if centered else x
    root = ((z * z).sum() / len(z) + flint.arb(eps)).sqrt()
    return exact(gain) * z / root + exact(bias)


def float_norm(rng: np.random.Generator, x: np.ndarray, gain: np.ndarray, bias: np.ndarray, eps: float, centered: bool):
    z, width = x, F(len(x))
    if centered:
        mean = F(shuffled_sum(rng, x) / width)
        z = x - mean
    if centered and rng.random() < 0.5:  # the formula in one pass
        variance = F(F(shuffled_sum(rng, x * x) / width) - mean * mean)
    else:
        variance = F(shuffled_sum(rng, z * z) / width)
    root = np.sqrt(F(variance + F(eps)))
    y = z / root * gain if rng.random() < 0.5 else gain * (z * F(F(1) / root))
    return (y + bias).astype(F) if centered else y.astype(F)


def exact_attention(q, k, v, scale, sink) -> np.ndarray:
    scores = [(q * key).sum() * scale for key in k]
    terms = [score.exp() for score in scores]
    total = sum(terms) + (flint.arb(float(sink)).exp() if sink is not None else 0)
    return sum(term * value for term, value in zip(terms, v, strict=True)) / total


def float_attention(rng: np.random.Generator, q, k, v, scale, sink) -> np.ndarray:
    """Softmax with a division first or last, or online in blocks of 16 keys."""
    style = rng.choice(["weights", "late", "online"])
    scores = np.array([F(fused_sum(rng, q, key) * F(scale)) for key in k])
    if rng.random() < 0.5:
        root = np.sqrt(F(scale))
        scores = np.array([fused_sum(rng, q * root, key * root) for key in k])
    if style == "online":
        top, total, mixed = F(-np.inf), F(0), np.zeros_like(q)
        for start in range(0, len(k), 16):
            block = slice(start, start + 16)
            new = max(top, scores[block].max())
            terms, fade = np.exp(scores[block] - new), np.exp(top - new)
            total = F(total * fade + shuffled_sum(rng, terms))
            mixed = mixed * fade + np.array([fused_sum(rng, terms, column) for column in v[block].T])
            top = new
        total = F(total + np.exp(F(sink) - top)) if sink is not None else total
        return (mixed / total).astype(F)
    top = max(scores.max(), F(sink)) if sink is not None else scores.max()
    terms = np.exp(scores - top)
    total = shuffled_sum(rng, np.append(terms, np.exp(F(sink) - top)) if sink is not None else terms)
    if style == "late":
        return np.array([F(fused_sum(rng, terms, column) / total) for column in v.T])
    return np.array([fused_sum(rng, terms / total, column) for column in v.T])


@laws
@given(seeds, widths, widths, blurs, roundoffs)
def test_affine_contains_every_execution(rng, width, out, blur, u):
    weight, bias = floats(rng, out, width), floats(rng, out)
    x = blurred(rng, floats(rng, 3, width), blur)
    y = ball.affine(x, Affine.of(weight, bias), u)
    points = inside(rng, x)
    rows = [[(exact(row) * exact(point)).sum() for row in weight] for point in points]
    assert_contains(y, np.array(rows, object) + exact(bias))
    if u == FLOAT32:
        points = inside(rng, x, F)
        rows = [[F(fused_sum(rng, row, point) + b) for row, b in zip(weight, bias, strict=True)] for point in points]
        assert_contains(y, np.array(rows))


@laws
@given(seeds, widths, blurs)
def test_affine_reaches_its_worst_corner_and_no_further(rng, width, blur):
    weight, bias, center = floats(rng, 1, width).astype(float), np.zeros(1), floats(rng, 1, width).astype(float)
    y = ball.affine(Ball(center, np.full((1, width), blur)), Affine.of(weight, bias), FLOAT64)
    corner = exact(center) + exact(np.sign(weight)) * flint.arb(blur)
    assert_contains(y, (exact(weight) * corner).sum(axis=1, keepdims=True))
    assert y.radius[0, 0] <= blur * np.abs(weight).sum() + 1e-6 * blur + 1e-12


@pytest.mark.parametrize("center", [-(2.0**50), 2.0**50, np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("radius", [0.0, 1.0])
def test_a_center_out_of_range_leaves_its_own_entry_unknown(center: float, radius: float) -> None:
    found = ball._ball(np.array([1.0, center]), np.array([radius, radius]))
    assert found.center.tolist() == [1.0, 0.0]
    assert found.radius[0] < 1.01
    assert found.radius[1] == np.inf


@pytest.mark.parametrize("radius", [2.0**50, np.nan, np.inf])
def test_a_radius_out_of_range_is_infinite(radius: float) -> None:
    found = ball._ball(np.array([1.0, 2.0]), np.array([0.5, radius]))
    assert found.center.tolist() == [1.0, 0.0]
    assert found.radius[1] == np.inf


@pytest.mark.parametrize("u", [FLOAT32, FLOAT64])
@pytest.mark.parametrize("terms", SUMS.values(), ids=SUMS)
@pytest.mark.parametrize("is_corner", [False, True])
def test_a_sum_whose_roundings_all_go_wrong_lies_in_its_ball_and_near_its_edge(terms, u, is_corner):
    weight, one = np.array([[float(term) for term in terms]]), np.ones((1, len(terms)))
    x = Ball(0.0 * one, one) if is_corner else Ball(one, 0.0 * one)  # of which all ones are a corner
    y = ball.affine(x, Affine.of(weight, np.zeros(1)), u)
    gets, radius = worst_sum(terms, u), Fraction(y.radius[0, 0])
    assert abs(gets - Fraction(y.center[0, 0])) <= radius
    if not is_corner and u == FLOAT32:  # of float64, the center errs as much
        assert radius <= Fraction(5, 2) * (gets - sum(terms))


def test_what_a_map_is_off_by_holds_for_all_signs_of_what_it_reads() -> None:
    terms = [Fraction(1), Fraction(1), *[TINY] * 60]
    signs = np.array([1.0, -1.0, *[1.0] * 60])  # the weights alone add up to almost nothing
    layer = Affine.of(signs[None] * np.array([[float(term) for term in terms]]), np.zeros(1))
    error = ball.affine_sizes(ball.Ball(np.ones((1, 62)), np.zeros((1, 62))), layer, FLOAT32).radius
    assert worst_sum(terms, FLOAT32) - sum(terms) <= Fraction(error[0, 0])


@laws
@given(seeds, widths, st.integers(1, 3), blurs, roundoffs)
def test_identities_side_by_side_add_as_other_weights_do(rng, width, blocks, blur, u):
    weight, bias = np.tile(np.eye(width), (1, blocks)), floats(rng, width)
    x, layer = blurred(rng, floats(rng, 3, blocks * width), blur), Affine.of(weight, bias)
    assert layer.blocks == blocks
    assert Affine.of(weight * np.array([*[1.0] * (blocks * width - 1), 2.0]), bias).blocks == 0
    added, multiplied = ball.affine(x, layer, u), ball.affine(x, replace(layer, blocks=0), u)
    np.testing.assert_allclose(added.center, multiplied.center, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(added.radius, multiplied.radius, rtol=1e-9)


@laws
@given(seeds, widths, blurs, roundoffs)
def test_add_contains_every_execution(rng, width, blur, u):
    x, y = blurred(rng, floats(rng, 4, width), blur), blurred(rng, floats(rng, 4, width), blur / 3)
    total = ball.add(x, y, u)
    assert_contains(total, exact(inside(rng, x)) + exact(inside(rng, y)))
    if u == FLOAT32:
        assert_contains(total, inside(rng, x, F) + inside(rng, y, F))


@laws
@given(seeds, widths, blurs, roundoffs, st.sampled_from([float(np.finfo(F).eps), 1e-5, 0.1]), st.booleans())
def test_norms_contain_every_execution(rng, width, blur, u, eps, centered):
    gain, bias = floats(rng, width), floats(rng, width) if centered else np.zeros(width, F)
    offset = rng.choice([0, 30]) if centered else 0  # cancellation
    x = blurred(rng, (floats(rng, 3, width) + F(offset)).astype(F), blur)
    wide = gain.astype(float)
    y = ball.layer_norm(x, wide, bias.astype(float), eps, u) if centered else ball.rms_norm(x, wide, eps, u)
    assert_contains(y, np.array([exact_norm(exact(p), gain, bias, eps, centered) for p in inside(rng, x)], object))
    if u == FLOAT32:
        with np.errstate(invalid="ignore"):  # a one-pass variance may come out negative; the ball is then infinite
            rows = [float_norm(rng, p, gain, bias, eps, centered) for p in inside(rng, x, F)]
        assert_contains(y, np.array(rows))


@laws
@given(seeds, widths, st.sampled_from([0.0, 1e-6, 1e-3]))
def test_norms_stay_useful(rng, width, blur):
    x = Ball(rng.choice([-1.0, 1.0], size=(5, width)), np.full((5, width), blur))
    assert (ball.rms_norm(x, np.ones(width), 1e-5, FLOAT32).radius < 4 * blur + 1e-5).all()
    x = Ball(np.linspace(-1, 1, width + 1)[None], np.full((1, width + 1), blur))
    zeros, ones = np.zeros(width + 1), np.ones(width + 1)
    assert (ball.layer_norm(x, ones, zeros, 1e-5, FLOAT32).radius < 8 * blur + 1e-4).all()


@laws
@given(seeds, widths, blurs, roundoffs)
def test_activations_contain_every_execution(rng, width, blur, u):
    x = blurred(rng, floats(rng, 6, width), blur)
    half, root = flint.arb(0.5), flint.arb(2).sqrt()
    gelu, relu = ball.gelu(x, u), ball.relu(x)
    points = inside(rng, x)
    assert_contains(gelu, np.vectorize(lambda p: half * p * (1 + (p / root).erf()), otypes=[object])(exact(points)))
    assert_contains(relu, np.maximum(points, 0))
    if u == FLOAT32:
        points = inside(rng, x, F)
        assert_contains(gelu, points * F(0.5) * (F(1) + erf(points * F(np.sqrt(0.5))).astype(F)))


def test_relu_of_a_negative_ball_is_exactly_zero():
    y = ball.relu(Ball(np.array([-1.0, -1.0]), np.array([0.5, 2.0])))
    assert y.center.tolist() == [0.0, 0.0]
    assert y.radius[0] == ball.TINY
    assert y.radius[1] >= 1.0


@laws
@given(seeds, st.integers(2, 8), st.data(), blurs)
def test_abs_top_k_contains_every_choice_among_ties(rng, width, data, blur):
    k = data.draw(st.integers(1, width - 1))
    center = rng.choice([-2.0, -1.0, -1.0, 0.0, 0.5, 1.0], size=(4, width))
    x = blurred(rng, center, blur)
    y = ball.abs_top_k(x, k)
    points = inside(rng, x)
    for row, point in enumerate(points):
        order = np.lexsort((rng.random(width), -np.abs(point)))  # ties fall at random
        kept = np.zeros(width)
        kept[order[:k]] = point[order[:k]]
        assert_contains(y[row : row + 1], kept[None])


def test_abs_top_k_decides_what_is_clear_and_nothing_else():
    x = Ball(np.array([[3.0, -2.0, 1.9, 0.1]]), np.array([[0.1, 0.05, 0.04, 0.0]]))
    clear = ball.abs_top_k(x, 2)
    assert clear.center.tolist() == [[3.0, -2.0, 0.0, 0.0]]
    assert clear.radius[0, 2:].max() <= ball.TINY
    close = ball.abs_top_k(Ball(x.center, np.array([[0.1, 0.05, 0.06, 0.0]])), 2)
    assert close.center[0, 0] == 3.0
    assert close.radius[0, 0] < 0.11
    assert_contains(close, np.array([[3.0, -2.0, 0.0, 0.0]]))
    assert_contains(close, np.array([[3.0, 0.0, 1.9, 0.0]]))


@settings(max_examples=examples(80), deadline=None, derandomize=True)
@given(
    seeds, st.sampled_from([1, 2, 5, 20, 40]), st.integers(1, 3), st.sampled_from([0.0, 1e-6, 1e-3, 0.05]), roundoffs,
    st.sampled_from([None, -3.0, 0.5, 6.0]),
)  # fmt: skip
def test_attention_contains_every_execution(rng, keys, d_head, blur, u, sink):
    q, k, v = (blurred(rng, floats(rng, count, 2, d_head), blur) for count in (2, keys, keys))
    scale, sinks = 1 / np.sqrt(d_head), None if sink is None else np.full(2, sink)
    asking, seen = np.array([1, 0, 1]), rng.integers(keys, size=(3, keys))
    seen[0] = np.arange(keys)
    y = ball.Softmax(q, k, v, scale, sinks, u)(asking, seen)
    ideal = 1 / flint.arb(d_head).sqrt()
    for row, (n, of) in enumerate(zip(asking, seen, strict=True)):
        points = [exact(inside(rng, part)) for part in (q[n : n + 1], k[of], v[of])]
        heads = [exact_attention(points[0][0, h], points[1][:, h], points[2][:, h], ideal, sink) for h in range(2)]
        assert_contains(y[row], np.array(heads, object))
        if u == FLOAT32:
            a, b, c = (inside(rng, part, F) for part in (q[n : n + 1], k[of], v[of]))
            heads = [float_attention(rng, a[0, h], b[:, h], c[:, h], scale, sink) for h in range(2)]
            assert_contains(y[row], np.array(heads))


def softmax_of_all(q: Ball, k: Ball, v: Ball, sink: np.ndarray | None) -> Ball:
    """Every query sees every key."""
    seen = np.tile(np.arange(len(k)), (len(q), 1))
    return ball.Softmax(q, k, v, q.center.shape[-1] ** -0.5, sink, FLOAT32)(np.arange(len(q)), seen)


def test_attention_stays_useful():
    rng = np.random.default_rng(0)
    q, k, v = (Ball.exact(rng.normal(size=(count, 2, 8)).astype(F)) for count in (50, 12, 12))
    assert softmax_of_all(q, k, v, np.zeros(2)).radius.max() < 1e-4


def test_attention_to_a_sink_that_may_overflow_is_unbounded():
    one = Ball.exact(np.ones((1, 1, 1), F))
    assert softmax_of_all(one, one, one, np.array([70.0])).radius.max() < 1
    assert softmax_of_all(one, one, one, np.array([90.0])).radius.min() == inf


def test_attention_whose_weights_are_not_known_is_unbounded():
    rng = np.random.default_rng(0)
    q, k, v = (Ball.exact(rng.normal(size=(count, 1, 2)).astype(F)) for count in (1, 3, 3))
    for blur in (0.01, 0.9):
        y = softmax_of_all(Ball(q.center, np.full(q.center.shape, blur)), k, v, None)
        assert np.isinf(y.radius).all() == (blur > 0.5)


@pytest.mark.parametrize("part", range(3))
def test_nothing_is_known_of_rows_that_see_what_is_not_bounded_and_nothing_is_lost_of_others(part):
    rng = np.random.default_rng(0)
    balls = [Ball.exact(rng.normal(size=(2, 2, 3)).astype(F)) for _ in range(3)]
    balls[part] = Ball(balls[part].center, np.where(np.arange(2)[:, None, None] == 1, inf, balls[part].radius))
    y = ball.Softmax(*balls, 1.0, None, FLOAT32)(np.array([0, 1]), np.array([[0, 0], [0, 1]]))
    assert y.radius[0].max() < 1e-4
    assert y.radius[1].min() == inf


UNARY: dict[str, Callable[[Ball], Ball]] = {
    "affine": lambda x: ball.affine(x, Affine.of(np.ones((2, 3), F), np.zeros(2, F)), FLOAT32),
    "add": lambda x: ball.add(x, x, FLOAT32),
    "rms_norm": lambda x: ball.rms_norm(x, np.ones(3), 1e-5, FLOAT32),
    "layer_norm": lambda x: ball.layer_norm(x, np.ones(3), np.zeros(3), 1e-5, FLOAT32),
    "gelu": lambda x: ball.gelu(x, FLOAT32),
    "relu": ball.relu,
    "abs_top_k": lambda x: ball.abs_top_k(x, 1),
    "attend": lambda x: softmax_of_all(*[Ball(x.center[None], x.radius[None])] * 3, None)[0],
}


@pytest.mark.parametrize("name", UNARY)
@pytest.mark.parametrize("bad", [np.nan, inf, -inf, 1e30, 2.0**50])
def test_what_is_not_finite_or_too_large_stays_unbounded(name, bad):
    x = ball.add(Ball(np.array([[1.0, bad, 2.0]]), np.zeros((1, 3))), Ball(np.zeros((1, 3)), np.zeros((1, 3))), FLOAT32)
    assert x.radius.tolist()[0][1] == inf
    y = UNARY[name](x)
    assert not np.isnan(y.center).any()
    assert not np.isnan(y.radius).any()
    assert y.radius.max() == inf


@pytest.mark.parametrize("u", [0.0, 2.0**-54, 2.0**-23, 2.0**-8, inf, np.nan])
def test_only_float32_or_better_is_covered(u):
    with pytest.raises(ball.RoundoffError, match=r"expected a unit roundoff between"):
        ball.check_roundoff(u)


@laws
@given(st.integers(1, 4096), roundoffs)
def test_gamma_covers_both_arithmetics(k, u):
    both = sum(Fraction(k) * Fraction(v) / (1 - Fraction(k) * Fraction(v)) for v in (u, FLOAT64))
    assert both * (1 - Fraction(2) ** -50) <= Fraction(float(ball.gamma(k, u)))
    assert ball.gamma(2.0**60, u) == inf
