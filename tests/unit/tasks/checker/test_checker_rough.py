"""Rough bounds hold what sharp ones do, and each of their parts is wide enough where it is nearly reached."""

from __future__ import annotations

from dataclasses import replace
from math import erf, inf, sqrt

import numpy as np
import pytest
import small_networks
from flint import arb, arb_mat, ctx
from worst_sums import SUMS, worst_sum

from tasks.checker import computations
from tasks.checker import rough as rough_module
from tasks.checker.arithmetic import ROUNDOFF, TINY, ZERO, Affine, Arithmetic
from tasks.checker.computations import Readings, logits
from tasks.checker.formats import FILES, read
from tasks.checker.narrow import narrowed
from tasks.checker.network import Activated, Branch, Heads, Network, Normed
from tasks.checker.rough import (
    KINDS,
    Bent,
    Linear,
    Rounding,
    Scaled,
    _affine,
    _UnknownError,
    _ways,
    picked,
    rough,
    spectral,
)
from tasks.formats.circuit_folder import shipped_path

REAL, F32 = Arithmetic(0.0), Arithmetic(ROUNDOFF["float32"], is_small=True)
U = ROUNDOFF["float32"]
EVERY = slice(None)


@pytest.fixture(autouse=True)
def precision():
    with ctx.workprec(80):
        yield


def table(x):
    return [[arb(float(v)) for v in row] for row in np.atleast_2d(x)]


def matrix(x):
    return arb_mat(table(x))


def numbers(x):
    return np.array([[float(v) for v in row] for row in x.tolist()])


def network_of(kind, folder):
    must, may = FILES[kind]
    files = {n: (folder / n).read_bytes() for n in (*must, *may) if (folder / n).is_file()}
    return read(kind, files, "float32").network


def point(x):
    return matrix(x), 0.0, arb(float(np.square(x).sum()))


@pytest.mark.parametrize("a", [Arithmetic(0.0), Arithmetic(U)], ids=["real", "float32"])
def test_rough_balls_hold_the_sharp_ones_of_networks_that_have_them(tmp_path, a):
    folder = small_networks.write_network(tmp_path / "g", small_networks.GPT2, small_networks.gpt2_tensors())
    for kind, path in (("circuit", shipped_path("variable_type")), ("gpt2", folder)):
        network, own = narrowed(network_of(kind, path), a)
        found = rough(network, own)
        assert found is not None
        rng = np.random.default_rng(0)
        tokens = rng.choice(len(network.tokens), 3, replace=False).tolist()
        prompts = [tuple(tokens[n] for n in rng.integers(0, 3, size)) for size in (1, 2, 3, 4, 4, 4, 2)]
        for prompt, rows in zip(prompts, logits(network, own, prompts), strict=True):
            for row, sharp in zip(found.at(prompt, EVERY), rows, strict=True):
                assert all(wide.contains(ball.mid()) for wide, ball in zip(row, sharp, strict=True))
                assert all(float(wide.rad()) < (1e-3 if a.is_real else 0.5) for wide in row)


def test_the_spectral_norm_is_above_the_largest_singular_value_and_near_it():
    rng = np.random.default_rng(1)
    for shape in ((5, 5), (3, 9), (9, 3), (70, 66), (1, 4)):
        x = rng.normal(size=shape)
        true = np.linalg.norm(x, 2)
        assert true <= spectral(matrix(x)) <= true * (1.15 if min(shape) <= 64 else 5)
    assert 3 <= spectral(matrix(np.diag([3.0, 1, 2]))) <= 3.001 * 3 ** (1 / 32)
    assert spectral(matrix(np.ones((70, 70)))) == pytest.approx(70, rel=1e-4)
    assert spectral(matrix(np.eye(70))) == pytest.approx(1, rel=1e-4)


def test_a_map_moves_a_row_by_its_largest_singular_value_and_two_maps_are_one():
    rng = np.random.default_rng(2)
    one, two = (
        Linear(matrix(x), matrix(np.ones(4)), spectral(matrix(x)), 0.5, 0.25) for x in rng.normal(size=(2, 4, 4))
    )
    (_, _, vectors), x = np.linalg.svd(numbers(one.map).T), rng.normal(size=4)
    step = 0.01 * vectors[0]
    a, at = Rounding(REAL), matrix(x)
    moved = np.linalg.norm(step @ numbers(one.map))
    free = replace(one, share=0.0, own=0.0)
    assert moved <= free(a, at, 0.01, arb(1))[1] <= 1.2 * moved
    assert one(a, at, 0.0, arb(4))[1] == pytest.approx(0.5 * 2 + 0.25, rel=1e-5)
    assert one(a, at, 1.0, arb(4))[1] >= one.stretch + 0.5 * 3 + 0.25
    both, (y, r, square) = one.then(two), one(a, at, 0.125, arb(float(x @ x)))
    z, apart, _ = two(a, y, r, square)
    found = both(a, at, 0.125, arb(float(x @ x)))
    assert np.allclose(numbers(found[0]), numbers(z))
    assert (
        found[1] >= apart - spectral(one.map) * spectral(two.map) * 0.125 + spectral(one.map * two.map) * 0.125 - 1e-9
    )
    # where a map stretches all rows alike nothing is lost by bounding the row between them
    same = Linear(matrix(2 * np.eye(4)), matrix(np.zeros(4)), 2.0, 0.5, 0.25)
    y, r, square = same(a, at, 0.125, arb(float(x @ x)))
    assert same.then(same)(a, at, 0.125, arb(float(x @ x)))[1] == pytest.approx(same(a, y, r, square)[1], rel=1e-3)
    shifted = replace(same, shift=matrix(np.full(4, 100.0)))
    assert shifted.then(same)(a, at, 0.0, ZERO)[1] >= 0.5 * 200


@pytest.mark.parametrize("terms", SUMS.values(), ids=SUMS)
def test_a_sum_whose_roundings_all_go_wrong_is_within_the_distance(terms):
    layer, n = Affine([[arb(float(term)) for term in terms]], [ZERO]), len(terms)
    y, r, _ = _affine(Rounding(F32), layer)(Rounding(F32), matrix(np.ones(n)), 0.0, arb(n))
    off = float(worst_sum(terms, U) - sum(terms))
    assert off <= r
    assert float(y[0, 0]) == pytest.approx(float(sum(terms)))
    biased = _affine(Rounding(F32), Affine([[arb(1)]], [arb(1000)]))
    assert biased(Rounding(F32), matrix([[1.0]]), 0.0, arb(1))[1] >= 1000 * U
    assert biased(Rounding(F32), matrix([[1000.0]]), 0.0, arb(10**6))[1] >= 2000 * U
    assert biased(Rounding(F32), matrix([[0.0]]), 1000.0, arb(0))[1] >= 1000 + 2000 * U
    exact = _affine(Rounding(REAL), Affine([[arb(1)]], [arb(1000)]))
    assert exact(Rounding(REAL), matrix([[1.0]]), 0.0, arb(1))[1] == TINY


def test_no_distance_is_lost_to_underflow():
    """GELU between two points of its grid, times 2**-560, whose square no float holds, and back."""
    x, least = arb(0.5) / 1024, Affine([[arb(2) ** -560]], [ZERO])
    assert _affine(Rounding(REAL), least)(Rounding(REAL), matrix([[0.0]]), 1.0, ZERO)[1] >= 2.0**-560
    back = (*[Affine([[arb(2) ** 39]], [ZERO])] * 14, Affine([[arb(2) ** 14]], [ZERO]))
    network = Network([[x]], None, (), (Activated("gelu"), least, *back), 1)
    (true,) = REAL.activate([x], "gelu")
    for semantics in ROUNDOFF:
        ((ball,),) = rough(*narrowed(network, Arithmetic(ROUNDOFF[semantics]))).at((0,), EVERY)
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
        y, off, square = Scaled(n, eps, centered)(Rounding(REAL), matrix(x), r, arb(float(x @ x)))
        assert np.allclose(numbers(y), normed(x))
        assert float(square) == pytest.approx(float(np.square(normed(x)).sum()))
        apart = np.linalg.norm(normed(moved) - normed(x))
        assert apart <= off
        assert centered or off <= 1.5 * apart + 10 * r**2
    x = np.full(4, 0.01)
    y, off, _ = Scaled(4, 1e-10, False)(Rounding(REAL), matrix(x), 0.015, arb(float(x @ x)))
    assert np.linalg.norm((x - 0.0075) / np.sqrt(0.0025**2 + 1e-10) - numbers(y)) <= off  # S is a quarter there
    with pytest.raises(_UnknownError):
        Scaled(4, 1e-10, False)(Rounding(REAL), matrix(x), 0.03, arb(float(x @ x)))


def test_a_norm_is_off_by_what_the_checker_says_of_its_rounding():
    x = np.array([1.0, 2, -3, 4])
    _, off, _ = Scaled(4, 1e-5, False)(Rounding(F32), matrix(x), 0.0, arb(30))
    wide = F32.norm(table(x)[0], [arb(1)] * 4, [ZERO] * 4, 1e-5, centered=False)
    assert sqrt(sum(float(v.rad()) ** 2 for v in wide)) <= off <= 2e-5
    far = x + 100
    _, off, _ = Scaled(4, 1e-5, True)(Rounding(F32), matrix(far), 0.0, arb(float(far @ far)))
    wide = F32.norm(table(far)[0], [arb(1)] * 4, [ZERO] * 4, 1e-5, centered=True)
    assert sqrt(sum(float(v.rad()) ** 2 for v in wide)) <= off
    _, off, _ = Scaled(4, 1e-5, True)(Rounding(F32), matrix(far), 1e-9, arb(float(far @ far)))
    assert off > 4 * F32.gamma(12) * 100**2 / 5  # of a variance in one pass


def test_an_entry_less_the_mean_is_off_by_what_the_mean_errs():
    rounding, x = Rounding(F32), np.array([9.0, 10, 10, 11])
    rounding.gamma = lambda k: 0.01 if k == 4 + 4 else 0.0
    _, off, _ = Scaled(4, 1e-5, True)(rounding, matrix(x), 0.0, arb(float(x @ x)))
    assert off >= 0.01 * 10 / sqrt(0.5)


@pytest.mark.parametrize("kind", KINDS)
def test_an_activation_moves_by_no_more_than_the_distance(kind):
    grid = np.linspace(-6, 6, 1201)
    image = np.array([float(v.mid()) for v in REAL.activate([arb(float(v)) for v in grid], kind)])
    slopes = np.abs(np.diff(image)) / np.diff(grid)
    steep = int(slopes.argmax())
    _, off, _ = Bent(kind)(Rounding(REAL), matrix([grid[steep]]), 0.01, arb(float(grid[steep] ** 2)))
    assert slopes[steep] * 0.01 <= off <= 0.012
    y, off, _ = Bent(kind)(Rounding(F32), matrix(grid), 0.0, arb(float(grid @ grid)))
    assert np.linalg.norm(numbers(y)[0] - image) <= off
    wide = F32.activate([arb(float(v)) for v in grid], kind)
    assert sqrt(sum(float(v.rad()) ** 2 for v in wide)) <= off


def test_a_chord_of_gelu_is_off_by_what_its_bend_allows():
    for x in ((np.arange(-40, 40) + 0.5) / 1024, np.array([20.0, 0.1]), np.array([-20.0, 0.1])):
        y, off, _ = Bent("gelu")(Rounding(REAL), matrix(x), 0.0, arb(float(x @ x)))
        true = np.array([v / 2 * (1 + erf(v / sqrt(2))) for v in x])
        assert np.linalg.norm(numbers(y)[0] - true) <= off + 1e-15
        assert off < 1e-5
    (ball,) = Bent("gelu")(Rounding(REAL), arb_mat([[arb(0.1, 0.01)]]), 0.0, None)[0].entries()
    assert ball.contains(arb(0.11 / 2 * (1 + erf(0.11 / sqrt(2)))))  # the grid tells such a number from its neighbours
    assert not Bent("gelu")(Rounding(REAL), arb_mat([[arb.nan()]]), 0.0, arb.nan())[0][0, 0].is_finite()


def attending(q, k, v, sink=None, a=F32):
    """A network that attends from rows (query, key, value), which are those of its tokens."""
    eye = np.eye(3)
    steps = tuple((Affine(table(eye[n]), [ZERO]),) for n in range(3))
    heads = Heads(steps, 1, arb(1), [None if sink is None else arb(sink)])
    branch = Branch((), heads, (Affine(table([[1.0]]), [ZERO]),), is_added=False)
    tokens = [[arb(x) for x in row] for row in zip(q, k, v, strict=True)]
    found = rough(Network(tokens, None, (branch,), (), 9), a)
    assert found is not None
    return found


def test_an_average_moves_by_what_rounding_may_do_to_scores():
    """Two keys with scores of 100 and the values 1 and -1: the average is tanh of half of what moves them apart."""
    ((ball,),) = attending((10.0, 10.0), (10.0, 10.0), (1.0, -1.0)).at((0, 1), slice(-1, None))
    off = F32.gamma(4) * 200 + F32.gamma(9) * 100 + F32.gamma(16)
    assert ball.rad() >= off.tanh()
    assert float(ball.rad()) <= 3 * float(off)
    ((real,),) = attending((10.0, 10.0), (10.0, 10.0), (1.0, -1.0), a=Arithmetic(0.0)).at((0, 1), slice(-1, None))
    assert float(real.rad()) < 1e-12


def test_an_average_moves_with_query_keys_and_values():
    found = attending((1.0, 1.0), (1.0, -1.0), (1.0, -1.0), a=Arithmetic(0.0))
    plain = [path[0] for path in found._path] or None
    assert plain is None
    found.at((0, 1), EVERY)
    (stage,), own, seen = found._stages, found._path[1][0], [path[0] for path in found._path]
    own.queries = [head.query(found._a, *own.row) for head in stage.heads]
    query, _, square = own.queries[0]

    def answered(off=0.0, most=(0.0, 0.0, 1.0, 1.0)):
        own.queries, own.weighed = [(query, off, square)], [{}]
        return stage.heads[0].answer(found._a, 0, own, seen, most)[1]

    def average(q, k=1.0):
        return np.tanh(q * k)

    assert answered() < 1e-12
    assert average(1.01) - average(1.0) <= answered(off=0.01)
    assert average(1.0, 1.01) - average(1.0) <= answered(most=(0.01, 0.0, 1.01, 1.0))
    assert answered(off=0.01) >= 0.01 * (1 - np.tanh(1) ** 2)
    assert answered(most=(0.0, 0.25, 1.0, 1.25)) >= 0.25
    with pytest.raises(_UnknownError):
        answered(off=2.0)


def test_a_sink_takes_its_share_and_one_that_towers_is_not_known():
    ((ball,),) = attending((0.0,), (0.0,), (1.0,), sink=0.0).at((0,), EVERY)
    assert ball.contains(arb(1) / 2)
    assert float(ball.rad()) < 1e-5
    ((lost,),) = attending((0.0,), (0.0,), (1.0,), sink=85.0).at((0,), EVERY)
    assert not lost.is_finite()
    large = attending((1.0, 1.0), (1.0, 1.0), (1.0, -1.0), sink=70.0).at((0, 1), slice(-1, None))[0][0]
    small = attending((1.0, 1.0), (1.0, 1.0), (1.0, -1.0)).at((0, 1), slice(-1, None))[0][0]
    assert large.is_finite()
    assert small.is_finite()


def test_a_sum_is_rounded_and_so_is_an_average():
    token, place = [[arb(1)]], [[arb(2) ** -30]]
    ((total,),) = rough(Network(token, place, (), (), 1), F32).at((0,), EVERY)
    assert total.contains(arb(float(np.float32(1) + np.float32(2.0**-30))))
    ((ball,),) = attending((0.0,), (0.0,), (1.0,)).at((0,), EVERY)
    assert ball.rad() >= F32.gamma(10)
    ((ball,),) = attending((0.0, 0.0), (0.0, 0.0), (1000.0, 0.0)).at((0, 1), slice(-1, None))
    assert ball.rad() >= F32.gamma(12) * 1000  # of the largest value that is seen


def test_of_other_networks_nothing_is_said():
    row, zero = [[arb(1), arb(2)]], [ZERO] * 2
    plain = Network(row, None, (), (), 1)
    assert rough(plain, F32) is not None
    for other in (
        replace(plain, causal=False), replace(plain, pool="mean"), replace(plain, bigram=row),
        replace(plain, final=(Activated("sigmoid"),)), replace(plain, final=(lambda a, rows: rows,)),
    ):  # fmt: skip
        assert rough(other, F32) is None
    heads = Heads((((Activated("relu"),)),) * 3, 1, arb(1), [None])
    for branch in (Branch((), heads, ()), Branch((), heads, (Affine(row, [ZERO]),))):
        assert rough(replace(plain, branches=(branch,)), F32) is None
    eye = (Affine(table(np.eye(2)), zero),)
    heads = Heads((eye,) * 3, 1, arb(1), [None])
    softmax, sparsemax = (Branch((), replace(heads, projects=is_sparse), eye) for is_sparse in (False, True))
    assert rough(replace(plain, branches=(softmax,)), F32) is not None
    assert rough(replace(plain, branches=(sparsemax,)), F32) is None
    lost = rough(replace(plain, tokens=[[arb.nan(), arb(1)]], final=(Normed([arb(1)] * 2, zero, 1e-5, False),)), F32)
    assert not any(v.is_finite() for v in lost.at((0,), EVERY)[0])


def test_gains_biases_and_picks_are_maps():
    x = np.array([3.0, 4.0])
    ways, width = _ways(Rounding(F32), [Normed([arb(5), arb(-7)], [arb(1), arb(0)], 0.0, False)], 2)
    assert width == 2
    scaled, gain = ways
    y = gain(Rounding(F32), *scaled(Rounding(F32), *point(x)))
    assert np.allclose(numbers(y[0]), x / np.sqrt(12.5) * [5, -7] + [1, 0])
    assert gain.stretch >= 7
    assert gain.own >= U
    twice = picked((0, 0, arb(9)), 2)
    assert np.allclose(numbers(twice(Rounding(F32), *point(x))[0]), [3, 3, 9])
    assert twice.stretch == pytest.approx(sqrt(2))


def test_the_least_margin_is_that_of_sharp_bounds_and_few_are_asked_for(monkeypatch):
    network = network_of("circuit", shipped_path("variable_type"))
    prompts = [(0, a, b, c, d) for a in range(1, 7) for b in range(1, 7) for c in range(1, 7) for d in (1, 2)]

    def read(row):
        apart = row[7] - row[8]
        return ("one" if apart > 0 else "two", abs(apart).lower()) if abs(apart).lower() > 0 else None

    plain = Readings(network, F32, read, slice(-1, None)).at(prompts)
    readings = Readings(network, F32, read, slice(-1, None), lambda found: found[1])
    found = readings.at(prompts)
    assert [one and one[0] for (one,) in found] == [one and one[0] for (one,) in plain]
    assert min(one[1] for (one,) in found if one) == min(one[1] for (one,) in plain if one)
    assert readings._sharp.asked + readings._coarse.asked < len(prompts) + 60
    monkeypatch.setattr(computations, "rough", lambda network, a: None)
    assert Readings(network, F32, read, slice(-1, None), lambda found: found[1]).at(prompts) == plain


def test_a_rough_margin_below_the_least_is_made_sharp(monkeypatch):
    """Rough bounds that say a tenth of each margin: of 1, 2, 3 and more, all up to 10 may be the least."""
    asked: list[int] = []

    class Tenth:
        def at(self, prompt, places):
            return [[arb(1 + prompt[0]) / 10]]

    class Sharp(computations.Computations):
        def at(self, prompts):
            asked.extend(token for (token,) in prompts)
            return super().at(prompts)

    monkeypatch.setattr(computations, "rough", lambda network, a: Tenth())
    monkeypatch.setattr(computations, "Computations", Sharp)
    network = Network([[arb(1 + n)] for n in range(30)], None, (), (), 1)
    readings = Readings(network, Arithmetic(0.0), lambda row: ("", row[0]), EVERY, lambda found: found[1])
    readings._pays = False
    order = [*range(29, -1, -1)]
    margins = [one[1] for (one,) in readings.at([(n,) for n in order])]
    assert min(margins) == 1
    assert sorted(asked) == [*range(9)]
    assert all(abs(one - arb(1 + n) / 10) < 1e-9 for n, one in zip(order[:20], margins[:20], strict=True))


def test_rough_bounds_are_given_up_where_they_read_too_little(monkeypatch):
    class Nothing:
        asked = 0

        def at(self, prompt, places):
            self.asked += 1
            return [[arb.nan()]]

    none, network = Nothing(), Network([[arb(1)], [arb(2)]], None, (), (), 9)
    monkeypatch.setattr(computations, "rough", lambda network, a: none)
    monkeypatch.setattr(computations, "TRIED", 4)
    prompts = [tuple(int(c) for c in f"{n:05b}") for n in range(32)]
    readings = Readings(network, F32, lambda row: (1, row[0]) if row[0].is_finite() else None, EVERY, lambda x: x[1])
    readings._pays = False
    assert None not in [one for each in readings.at(prompts) for one in each]
    assert none.asked == 4
    assert readings._least < inf


def test_of_large_numbers_nothing_is_said():
    large, a = arb(2) ** 41, Arithmetic(U)
    row = [[large / 4, large / 4]]
    assert rough(Network(row, None, (), (), 1), a).at((0,), EVERY)[0][0].is_finite()
    for network in (
        Network(row, None, (), (Affine(table([[4.0, 4.0]]), [ZERO]),), 1),
        Network(row, None, (), (Affine(table([[4.0, 4.0]]), [ZERO]), Affine(table([[2.0**-9]]), [ZERO])), 1),
        Network(row, row, (), (Affine(table([[2.0**-9, 0.0]]), [ZERO]),), 1),
    ):
        assert not rough(network, a).at((0,), EVERY)[0][0].is_finite()
    for part in (1, 2):
        eye = [table(np.eye(1))] * 3
        eye[part] = [[large]]
        heads = Heads(tuple((Affine(m, [ZERO]),) for m in eye), 1, arb(2) ** -60, [None])
        out = (Affine([[arb(2) ** -20]], [ZERO]),)
        found = rough(Network([[arb(1)]], None, (Branch((), heads, out, is_added=False),), (), 1), a)
        assert not found.at((0,), EVERY)[0][0].is_finite()
    heads = Heads(((Affine(table(np.eye(1)), [ZERO]),),) * 3, 1, arb(1), [None])
    for out in ([[large]], [[large], [arb(1)]]):
        after = (Affine(out, [ZERO] * len(out)), Affine([[ZERO] * (len(out) - 1) + [arb(2) ** -60]], [ZERO]))
        found = rough(Network([[arb(1)]], None, (Branch((), heads, after[: 3 - len(out)], is_added=False),), (), 1), a)
        assert not found.at((0,), EVERY)[0][0].is_finite()


def test_prompts_in_any_order_have_the_rows_that_each_has_alone(monkeypatch):
    network, a = narrowed(network_of("circuit", shipped_path("variable_type")), F32)
    rng = np.random.default_rng(4)
    prompts = [tuple(int(n) for n in rng.integers(0, 4, size)) for size in (3, 3, 2, 4, 1, 4, 3)]
    alone = [rough(network, a).at(prompt, EVERY) for prompt in prompts]
    for held in (rough_module.HELD, 0):  # first rows are kept, or forgotten each time
        monkeypatch.setattr(rough_module, "HELD", held)
        found = rough(network, a)
        for prompt, rows in zip(prompts, alone, strict=True):
            for row, own in zip(found.at(prompt, EVERY), rows, strict=True):
                assert all(one.overlaps(other) for one, other in zip(row, own, strict=True))
                assert [float(v.rad()) for v in row] == pytest.approx([float(v.rad()) for v in own])
        assert len(found._cells) <= 16
