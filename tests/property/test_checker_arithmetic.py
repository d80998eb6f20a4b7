"""Laws of the checker's ball arithmetic: what is exact is inside, and so is what float32 computes, in any order."""

from __future__ import annotations

import numpy as np
import pytest
from flint import arb, ctx, fmpq
from hypothesis import given, settings
from hypothesis import strategies as st
from quick import examples
from scipy.special import erf
from worst_sums import SUMS, worst_sum

from tasks.checker.arithmetic import ROUNDOFF, TINY, ZERO, Affine, Arithmetic

SEEDS = st.integers(0, 2**32 - 1)
SCALES = st.sampled_from([1e-3, 1.0, 30.0])
F = np.float32


@pytest.fixture(scope="module", autouse=True)
def _precision():
    with ctx.workprec(80):
        yield


def balls(x):
    return [arb(float(v)) for v in np.ravel(x)]


def table(x):
    return [balls(row) for row in x]


def inside(bounds, values, *, slack=0.0):
    """Every value lies in its ball; one that is not finite says nothing."""
    pairs = zip(bounds, np.ravel(values), strict=True)
    return all(
        not ball.is_finite() or abs(ball.mid() - arb(float(v))) <= ball.rad() + slack * (1 + abs(float(v)))
        for ball, v in pairs
    )


def forms(name, rng, scale):
    """One operation on random numbers: (as balls, in float64, in float32 in one random order)."""
    n, order = int(rng.integers(1, 9)), None
    x, w = (scale * rng.normal(size=n)).astype(F), rng.normal(size=(3, n)).astype(F)
    b, order = rng.normal(size=3).astype(F), rng.permutation(n)
    gain, bias = rng.normal(size=n).astype(F), rng.normal(size=n).astype(F)

    def normed(v, kind, dtype):
        v = v.astype(dtype)
        square, mean = (v * v).mean(dtype=dtype), v.mean(dtype=dtype)
        v = v - mean if kind else v
        variance = square - mean * mean if kind == "one pass" else (v * v).mean(dtype=dtype)
        return gain.astype(dtype) * (v / np.sqrt(variance + dtype(1e-5))) + bias.astype(dtype)

    def summed(v, m, dtype):
        total = np.zeros(3, dtype)
        for k in order:
            total = total + m[:, k].astype(dtype) * v[k].astype(dtype)
        return total + b.astype(dtype)

    def tanh(v):
        return v / 2 * (1 + np.tanh(v.dtype.type(np.sqrt(2 / np.pi)) * (v + v.dtype.type(0.044715) * v * v * v)))

    def exact_gelu(v):
        return v / 2 * (1 + erf(v / v.dtype.type(np.sqrt(2))))

    match name:
        case "affine":
            return lambda a: Affine(table(w), balls(b))(a, [balls(x)])[0], lambda t: summed(x, w, t)
        case "rms" | "layer" | "one pass":
            x = x + F(scale * rng.choice([0, 0, 20]) * (name == "one pass"))
            call = lambda a: a.norm(balls(x), balls(gain), balls(bias), 1e-5, centered=name != "rms")  # noqa: E731
            return call, lambda t: normed(x, name if name != "rms" else "", t)
        case "relu":
            return lambda a: a.activate(balls(x), "relu"), lambda t: np.maximum(x.astype(t), 0)
        case "gelu":
            return lambda a: a.activate(balls(x), "gelu"), lambda t: exact_gelu(x.astype(t))
        case "gelu_tanh":
            return lambda a: a.activate(balls(x), "gelu_tanh"), lambda t: tanh(x.astype(t))
    keys, values = rng.normal(size=(4, n)).astype(F), rng.normal(size=(4, 3)).astype(F)
    sink = F(rng.normal()) if rng.random() < 0.5 else None

    def attended(t):
        scores = np.array([sum((k[i].astype(t) * x[i].astype(t) for i in order), t(0)) for k in keys]) * t(n**-0.5)
        rows = values.astype(t)
        if sink is not None:
            scores, rows = np.append(scores, t(sink)), np.vstack([rows, np.zeros(3, t)])
        weights = np.exp(scores - scores.max())
        return (weights / weights.sum()) @ rows

    scale_of = 1 / arb(n).sqrt()
    ball = None if sink is None else arb(float(sink))
    return lambda a: a.attend(balls(x), table(keys), table(values), scale_of, ball), attended


OPERATIONS = ["affine", "rms", "layer", "one pass", "relu", "gelu", "gelu_tanh", "attend"]


@pytest.mark.parametrize("name", OPERATIONS)
@settings(max_examples=examples(60), deadline=None)
@given(seed=SEEDS, scale=SCALES)
def test_float64_and_float32_executions_lie_in_the_ball(name, seed, scale):
    as_balls, executed = forms(name, np.random.default_rng(seed), scale)
    real, wide = as_balls(Arithmetic(0.0)), as_balls(Arithmetic(ROUNDOFF["float32"]))
    assert inside(as_balls(Arithmetic(ROUNDOFF["float64"])), executed(np.float64))
    assert inside(wide, executed(np.float64))
    assert inside(wide, executed(np.float32))
    assert inside(real, executed(np.float64), slack=1e-11)  # the execution is off, not the ball
    assert all(not w.is_finite() or w.contains(r.mid()) for w, r in zip(wide, real, strict=True))
    is_centered = name in ("layer", "one pass")
    assert all(w.is_finite() for w in wide) or (is_centered and scale >= 1)  # a variance of rounding errors alone
    assert all(float(r.rad()) < 1e-15 * (1 + abs(float(r.mid()))) for r in real)


@pytest.mark.parametrize("mean", [10.0, 100.0, 1000.0])
def test_a_variance_of_one_pass_errs_by_as_much_as_the_squares_do(mean):
    """As some normalise in float32: mean(x^2) - mean(x)^2, of rows far from zero."""
    x = (mean + np.random.default_rng(0).normal(size=16)).astype(F)
    variance = (x * x).mean(dtype=F) - x.mean(dtype=F) ** 2
    wide = Arithmetic(ROUNDOFF["float32"]).norm(balls(x), balls(np.ones(16)), [ZERO] * 16, 1e-5, centered=True)
    assert inside(wide, (x - x.mean(dtype=F)) / np.sqrt(variance + F(1e-5)))
    assert mean > 100 or all(y.is_finite() for y in wide)


@pytest.mark.parametrize("seed", range(5))
def test_an_entry_at_the_mean_is_off_it_by_what_the_mean_errs(seed):
    """Sums from the left in float32, and rows of which the last entry is nearly the mean."""
    x = np.append(1 + np.random.default_rng(seed).random(15).astype(F), F(0))
    x[-1] = x[:-1].mean()
    centered = x - np.add.accumulate(x)[-1] / F(16)
    wide = Arithmetic(ROUNDOFF["float32"]).norm(balls(x), balls(np.ones(16)), [ZERO] * 16, 1e-5, centered=True)
    assert inside(wide, centered / np.sqrt((centered * centered).mean(dtype=F) + F(1e-5)))


@pytest.mark.parametrize("name", OPERATIONS)
@settings(max_examples=examples(30), deadline=None)
@given(seed=SEEDS)
def test_the_image_of_a_ball_holds_the_image_of_its_points(name, seed):
    rng = np.random.default_rng(seed)
    n, radius = 5, 10.0 ** rng.uniform(-6, -0.5)
    center = rng.normal(size=n)
    moved = center + radius * rng.uniform(-1, 1, size=n)
    w, keys, values = rng.normal(size=(3, n)), rng.normal(size=(4, n)), rng.normal(size=(4, 3))
    gain = rng.normal(size=n)
    exact = Arithmetic(0.0)

    def image(x):
        match name:
            case "affine":
                return Affine(table(w), balls(w[:, 0]))(exact, [x])[0]
            case "rms" | "layer" | "one pass":
                return exact.norm(x, balls(gain), balls(center), 1e-5, centered=name != "rms")
            case "relu" | "gelu" | "gelu_tanh":
                return exact.activate(x, name)
        return exact.attend(x, [x, *table(keys)], table([*values, center[:3]]), arb(1), arb(0))

    wide = image([arb(float(c), radius * (1 + 1e-9)) for c in center])
    point = image(balls(moved))
    assert all(not w.is_finite() or w.contains(p.mid()) for w, p in zip(wide, point, strict=True))


@settings(max_examples=examples(60), deadline=None)
@given(seed=SEEDS, k=st.integers(1, 6))
def test_the_largest_entries_are_kept_and_ties_become_hulls(seed, k):
    rng = np.random.default_rng(seed)
    x = rng.integers(-3, 4, 6).astype(float)
    kept = Arithmetic(0.0).top_k(balls(x), k)
    size = np.sort(np.abs(x))[::-1]
    for ball, value in zip(kept, x, strict=True):
        above, tied = (np.abs(x) > abs(value)).sum(), (size == abs(value)).sum()
        if above + tied <= k:
            assert ball == arb(value)
        elif above >= k:
            assert ball == 0
        else:
            assert ball.contains(arb(value))
            assert ball.contains(arb(0))
    assert not any(v.is_finite() for v in Arithmetic(0.0).top_k([arb.nan(), *balls(x)], k))


def test_nothing_is_known_beyond_what_float32_can_hold():
    a = Arithmetic(ROUNDOFF["float32"])
    assert not a.blur(arb(2) ** 40, ZERO).is_finite()
    assert not a.gamma(2**24).is_finite()
    assert not a.attend([arb(1)], [[arb(1)]], [[arb(1)]], arb(1), arb(90))[0].is_finite()


@pytest.mark.parametrize("semantics", ["float32", "float64"])
@pytest.mark.parametrize("terms", SUMS.values(), ids=SUMS)
def test_a_sum_whose_roundings_all_go_wrong_lies_in_its_ball_and_near_its_edge(terms, semantics):
    a = Arithmetic(ROUNDOFF[semantics])
    layer, gets = Affine([[arb(float(term)) for term in terms]], [ZERO]), worst_sum(terms, ROUNDOFF[semantics])
    ((y,),) = a.affine(layer, [[arb(1)] * len(terms)])
    (widest,) = layer.rounding(a, [[arb(1)] * len(terms)])[0]
    with ctx.workprec(4000):
        off = arb(fmpq(gets.numerator, gets.denominator)) - arb(float(sum(terms)))
        assert off <= y.rad() + abs(y.mid() - arb(float(sum(terms))))
        assert off <= widest
        assert y.rad() <= 2.5 * off + 2 * TINY
