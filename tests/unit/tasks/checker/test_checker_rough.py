"""Rough bounds hold what sharp ones do, and each of their parts is wide enough where it is nearly reached."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from math import inf

import numpy as np
import pytest
import small_networks
from flint import arb, arb_mat, ctx
from safetensors.numpy import load, save

from tasks.checker import computations
from tasks.checker import rough as rough_module
from tasks.checker.arithmetic import ROUNDOFF, ZERO, Affine, Arithmetic
from tasks.checker.computations import Readings, logits
from tasks.checker.euclidean_balls import CHORD, FINE, Rows, exactly
from tasks.checker.formats import FILES, read
from tasks.checker.narrow import narrowed
from tasks.checker.network import Activated, Branch, Heads, Network, Normed
from tasks.checker.rough import _Seen, rough
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


def network_of(kind, folder):
    must, may = FILES[kind]
    files = {n: (folder / n).read_bytes() for n in (*must, *may) if (folder / n).is_file()}
    return read(kind, files, "float32").network


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
        for bounds, rows in zip(found.at(prompts, EVERY), logits(network, own, prompts), strict=True):
            for row, sharp in zip(bounds, rows, strict=True):
                assert all(wide.contains(ball.mid()) for wide, ball in zip(row, sharp, strict=True))
                assert all(float(wide.rad()) < (0.1 if a.is_real else 0.5) for wide in row)


def attending(q, k, v, sink=None, a=F32, longest=9):
    """A network that attends from rows (query, key, value), which are those of its tokens."""
    eye = np.eye(3)
    steps = tuple((Affine(table(eye[n]), [ZERO]),) for n in range(3))
    heads = Heads(steps, 1, arb(1), [None if sink is None else arb(sink)])
    branch = Branch((), heads, (Affine(table([[1.0]]), [ZERO]),), is_added=False)
    tokens = [[arb(float(x)) for x in row] for row in zip(q, k, v, strict=True)]
    found = rough(Network(tokens, None, (branch,), (), longest), a)
    assert found is not None
    return found


def test_an_average_moves_by_what_rounding_may_do_to_scores():
    """Two keys with scores of 100 and the values 1 and -1: the average is tanh of half of what moves them apart."""
    ((ball,),) = attending((10.0, 10.0), (10.0, 10.0), (1.0, -1.0)).at([(0, 1)], slice(-1, None))[0]
    off = F32.gamma(4) * 200 + F32.gamma(9) * 100 + F32.gamma(16)
    assert ball.rad() >= off.tanh()
    assert float(ball.rad()) <= 3 * float(off)
    ((ball,),) = attending((0.0, 0.0), (0.0, 0.0), (1.0, -1.0)).at([(0, 1)], slice(-1, None))[0]
    assert ball.rad() >= F32.gamma(16) + F32.gamma(12)
    ((real,),) = attending((10.0, 10.0), (10.0, 10.0), (1.0, -1.0), a=Arithmetic(0.0)).at([(0, 1)], slice(-1, None))[0]
    assert float(real.rad()) < 1e-5


def test_an_average_moves_with_query_keys_and_values():
    found = attending((1.0, 1.0), (1.0, -1.0), (1.0, -1.0), a=Arithmetic(0.0))
    (head,), rows = found._stages[0].heads, exactly([*found._network.tokens])

    def answered(query=0.0, key=0.0, value=0.0):
        off = replace(
            head, query=replace(head.query, own=query), key=replace(head.key, own=key),
            value=replace(head.value, own=value),
        )  # fmt: skip
        (far,) = off.answers(found._a, rows, _Seen([0, 1], [[0], [0, 1]], [1])).far
        return far

    def average(q, k=1.0):
        return np.tanh(q * k)

    assert answered() < 1e-6
    assert average(1.01) - average(1.0) <= answered(query=0.01)
    assert average(1.0, 1.01) - average(1.0) <= answered(key=0.01)
    assert answered(query=0.01) >= 0.01 * (1 - np.tanh(1) ** 2)
    assert answered(value=0.25) >= 0.25
    assert answered(query=2.0) == inf


def test_what_a_place_sees_is_at_the_distance_of_the_farthest_row_it_sees():
    """Of three rows the second one is far off, or not known; places before it do not see it."""
    found = attending((1.0, 1.0, 1.0), (1.0, -1.0, 0.5), (1.0, -1.0, 2.0), a=Arithmetic(0.0))
    (head,), rows = found._stages[0].heads, exactly([*found._network.tokens])
    for far in (0.125, inf):
        off = Rows(rows.points, [0.0, far, 0.0], rows.size)
        seen = _Seen([0, 1, 2, 2], [[0], [0, 1], [0, 1, 2], [0, 3]], [0, 1, 2, 3])
        first, own, last, beside = head.answers(found._a, off, seen).far
        assert max(first, beside) < 1e-6
        assert own >= far
        assert last >= far


@pytest.mark.parametrize("sink", [None, 3.0])
def test_averages_of_many_prompts_are_what_softmax_makes_of_them(sink):
    """Scores up to 60 apart, values of other sizes, prompts in no order, and rows that many of them share."""
    rng = np.random.default_rng(6)
    q, k, v = rng.normal(size=7) * 4, rng.normal(size=7) * 4, rng.normal(size=7) * 10.0 ** rng.integers(-3, 3, 7)
    q[0] = k[1] = 0.0
    prompts = [tuple(int(n) for n in rng.integers(0, 7, size)) for size in rng.integers(1, 9, 300)]
    prompts += [(*range(6),) * 10, (3,) * 70]
    balls = attending(q, k, v, sink, Arithmetic(0.0), longest=80).at(prompts, EVERY)
    for prompt, rows in zip(prompts, balls, strict=True):
        for place, ((ball,), token) in enumerate(zip(rows, prompt, strict=True)):
            seen = [*prompt[: place + 1]]
            scores = np.array([q[token] * k[n] for n in seen] + [sink] * (sink is not None))
            shares = np.exp(scores - scores.max())
            true = (shares[: len(seen)] * v[seen]).sum() / shares.sum()
            assert abs(float(ball.mid()) - true) <= float(ball.rad()) + 1e-12
            assert float(ball.rad()) < 1e-5 * max(abs(v))


def test_shares_are_off_by_their_chords_and_last_bits(monkeypatch):
    """2,000 keys of almost a last bit; and halfway between two points of the grid, where a chord is off most."""
    many = attending((1.0, 1.0), (0.0, -20.84), (0.0, 32.6), a=Arithmetic(0.0), longest=2001)
    ((ball,),) = many.at([(1,) * 2000 + (0,)], slice(-1, None))[0]
    share = 2000 * (-arb(20.84)).exp()
    assert abs(ball.mid() - 32.6 * share / (1 + share)) > 5e-5
    assert ball.contains(32.6 * share / (1 + share))
    monkeypatch.setattr(rough_module, "OFF", 0.0)
    step = 0.5 / 2**FINE
    ((ball,),) = attending((1.0, 1.0), (0.0, -step), (1.0, -1.0), a=Arithmetic(0.0)).at([(1, 0)], slice(-1, None))[0]
    assert abs(ball.mid() - (arb(step) / 2).tanh()) > CHORD / 4
    assert ball.contains((arb(step) / 2).tanh())


def test_no_score_and_no_sum_runs_over_its_lane():
    """Wide heads whose queries, keys and values are all as large as they can be, with one sign and the other."""
    for width, longest in ((64, 40), (3, 300)):
        eye = (Affine(table(np.eye(width)), [ZERO] * width),)
        heads = Heads((eye,) * 3, 1, arb(1) / width, [None])
        tokens = np.array([[1.0] * width, [-1.0] * width])
        network = Network(table(tokens), None, (Branch((), heads, eye, is_added=False),), (), longest)
        found = rough(network, Arithmetic(0.0))
        for prompt in ((0,) * longest, (1,) * longest, (0, 1) * (longest // 2)):
            (row,) = found.at([prompt], slice(-1, None))[0]
            shares = np.exp([tokens[prompt[-1]] @ tokens[n] / width for n in prompt])
            true = shares @ tokens[[*prompt]] / shares.sum()
            assert all(abs(float(b.mid()) - t) <= float(b.rad()) < 1e-3 for b, t in zip(row, true, strict=True))


def test_a_sink_takes_its_share_and_one_that_towers_is_not_known():
    ((ball,),) = attending((0.0,), (0.0,), (1.0,), sink=0.0).at([(0,)], EVERY)[0]
    assert ball.contains(arb(1) / 2)
    assert float(ball.rad()) < 1e-5
    ((lost,),) = attending((0.0,), (0.0,), (1.0,), sink=85.0).at([(0,)], EVERY)[0]
    assert not lost.is_finite()
    ((large,),) = attending((1.0, 1.0), (1.0, 1.0), (1.0, -1.0), sink=70.0).at([(0, 1)], slice(-1, None))[0]
    ((small,),) = attending((1.0, 1.0), (1.0, 1.0), (1.0, -1.0)).at([(0, 1)], slice(-1, None))[0]
    assert large.is_finite()
    assert small.is_finite()


def test_a_sum_is_rounded_and_so_is_an_average():
    token, place = [[arb(1)]], [[arb(1.5) * arb(2) ** -24]]
    ((total,),) = rough(Network(token, place, (), (), 1), F32).at([(0,)], EVERY)[0]
    assert total.contains(arb(float(np.float32(1) + np.float32(1.5 * 2.0**-24))))
    ((ball,),) = attending((0.0,), (0.0,), (1.0,)).at([(0,)], EVERY)[0]
    assert ball.rad() >= F32.gamma(10)
    ((ball,),) = attending((0.0, 0.0), (0.0, 0.0), (1000.0, 0.0)).at([(0, 1)], slice(-1, None))[0]
    assert ball.rad() >= F32.gamma(12) * 1000  # of the largest value that is seen


def test_of_other_networks_nothing_is_said():
    row, zero = [[arb(1), arb(2)]], [ZERO] * 2
    plain = Network(row, None, (), (), 1)
    assert rough(plain, F32) is not None
    for other in (
        replace(plain, causal=False), replace(plain, pool="mean"),
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
    assert rough(replace(plain, branches=(Branch((), replace(heads, sinks=[arb.nan()]), eye),)), F32) is None
    unknown = replace(plain, final=(Affine([[arb.nan(), arb(1)]], [ZERO]),))
    assert not rough(unknown, F32).at([(0,)], EVERY)[0][0][0].is_finite()
    lost = rough(replace(plain, tokens=[[arb.nan(), arb(1)]], final=(Normed([arb(1)] * 2, zero, 1e-5, False),)), F32)
    assert not any(v.is_finite() for v in lost.at([(0,)], EVERY)[0][0])


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
        def at(self, prompts, places):
            return [[[arb(1 + token) / 10]] for (token,) in prompts]

    class Sharp(computations.Computations):
        def at(self, prompts):
            asked.extend(token for (token,) in prompts)
            return super().at(prompts)

    monkeypatch.setattr(computations, "rough", lambda network, a: Tenth())
    monkeypatch.setattr(computations, "Computations", Sharp)
    monkeypatch.setattr(computations, "FEW", 100)
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

        def at(self, prompts, places):
            self.asked += len(prompts)
            return [[[arb.nan()]] for _ in prompts]

    none, network = Nothing(), Network([[arb(1)], [arb(2)]], None, (), (), 9)
    monkeypatch.setattr(computations, "rough", lambda network, a: none)
    monkeypatch.setattr(computations, "FEW", 2)
    monkeypatch.setattr(computations, "TRIED", 4)
    prompts = [tuple(int(c) for c in f"{n:05b}") for n in range(32)]
    readings = Readings(network, F32, lambda row: (1, row[0]) if row[0].is_finite() else None, EVERY, lambda x: x[1])
    readings._pays = False
    assert None not in [one for each in readings.at(prompts) for one in each]
    assert none.asked == 2
    assert readings._least < inf


def test_what_a_token_adds_to_its_logits_is_added():
    """In real arithmetic, and rounded once in an execution; a number that is not known is none."""
    bigram = [[arb(5), arb(0)], [arb(1.5) * arb(2) ** -24, arb.nan()]]
    plain = Network([[arb(1), arb(2)], [arb(1), arb(3)]], None, (), (), 2, bigram=bigram)
    first, last = rough(plain, F32).at([(0, 1)], EVERY)[0]
    assert [one.contains(arb(n)) for one, n in zip(first, (6, 2), strict=True)] == [True, True]
    assert not any(v.is_finite() for v in last)
    known = rough(replace(plain, bigram=[bigram[0], [bigram[1][0], ZERO]]), F32).at([(1,)], EVERY)[0][0][0]
    assert known.contains(arb(float(np.float32(1) + np.float32(1.5 * 2.0**-24))))


@pytest.mark.parametrize("noise", [0.0, 0.3])
def test_a_statement_is_the_same_without_rough_bounds(monkeypatch, noise):
    """Of a circuit, and of one with other weights, which the program does not equal: labels, exceptions, margin."""
    folder, rng = shipped_path("variable_type"), np.random.default_rng(9)
    weights = load((folder / "weights.safetensors").read_bytes())
    other = {
        name: np.ascontiguousarray((v + noise * v.std() * rng.normal(size=v.shape) * (v != 0)).astype(v.dtype))
        for name, v in weights.items()
    }
    files = {"circuit.json": (folder / "circuit.json").read_bytes(), "weights.safetensors": save(other)}
    network = read("circuit", files, "float32").network

    def read_of(row):
        apart = row[7] - row[8]
        return ("one" if apart > 0 else "two", abs(apart).lower()) if abs(apart).lower() > 0 else None

    prompts = [(0, *word, 6, last) for word in product(range(1, 7), repeat=3) for last in (1, 2, 3)]
    found = []
    for bounds in (rough, lambda network, a: None):
        monkeypatch.setattr(computations, "rough", bounds)
        said = Readings(network, F32, read_of, slice(-1, None), lambda one: one[1]).at(prompts)
        found.append(([one and one[0] for (one,) in said], min(one[1] for (one,) in said if one)))
    assert found[0] == found[1]
    assert {"one", "two"} <= {*found[0][0]}


def test_of_large_numbers_nothing_is_said():
    large, a = arb(2) ** 41, Arithmetic(U)
    row = [[large / 4, large / 4]]
    assert rough(Network(row, None, (), (), 1), a).at([(0,)], EVERY)[0][0][0].is_finite()
    for network in (
        Network(row, None, (), (Affine(table([[4.0, 4.0]]), [ZERO]),), 1),
        Network(row, None, (), (Affine(table([[4.0, 4.0]]), [ZERO]), Affine(table([[2.0**-9]]), [ZERO])), 1),
        Network(row, row, (), (Affine(table([[2.0**-9, 0.0]]), [ZERO]),), 1),
    ):
        assert not rough(network, a).at([(0,)], EVERY)[0][0][0].is_finite()
    growing = (Affine([[arb(2) ** 70]], [ZERO]), Activated("relu")) * 16  # up to what no float holds
    assert not rough(Network([[arb(1)]], None, (), growing, 1), Arithmetic(0.0)).at([(0,)], EVERY)[0][0][0].is_finite()
    for part in (1, 2):
        eye = [table(np.eye(1))] * 3
        eye[part] = [[large]]
        heads = Heads(tuple((Affine(m, [ZERO]),) for m in eye), 1, arb(2) ** -60, [None])
        out = (Affine([[arb(2) ** -20]], [ZERO]),)
        found = rough(Network([[arb(1)]], None, (Branch((), heads, out, is_added=False),), (), 1), a)
        assert not found.at([(0,)], EVERY)[0][0][0].is_finite()
    heads = Heads(((Affine(table(np.eye(1)), [ZERO]),),) * 3, 1, arb(1), [None])
    for out in ([[large]], [[large], [arb(1)]]):
        after = (Affine(out, [ZERO] * len(out)), Affine([[ZERO] * (len(out) - 1) + [arb(2) ** -60]], [ZERO]))
        found = rough(Network([[arb(1)]], None, (Branch((), heads, after[: 3 - len(out)], is_added=False),), (), 1), a)
        assert not found.at([(0,)], EVERY)[0][0][0].is_finite()


def test_prompts_in_any_order_have_the_rows_that_each_has_alone(monkeypatch):
    network, a = narrowed(network_of("circuit", shipped_path("variable_type")), F32)
    rng = np.random.default_rng(4)
    prompts = [tuple(int(n) for n in rng.integers(0, 4, size)) for size in (3, 3, 2, 4, 1, 4, 3)]
    alone = [rough(network, a).at([prompt], EVERY)[0] for prompt in prompts]
    for held in (rough_module.NUMBERS, 0):  # all together, or each in a part of its own
        monkeypatch.setattr(rough_module, "NUMBERS", held)
        for bounds, rows in zip(rough(network, a).at(prompts, EVERY), alone, strict=True):
            for row, own in zip(bounds, rows, strict=True):
                assert all(one.overlaps(other) for one, other in zip(row, own, strict=True))
                assert [float(v.rad()) for v in row] == pytest.approx([float(v.rad()) for v in own], rel=0.5)
    found = rough(network, a)
    assert found.at(prompts[:2], slice(3, 3)) == [[], []]
    assert found.at([], EVERY) == []


def test_a_few_prompts_are_tried_and_more_where_any_rows_are_equal():
    """Of tokens that are all other ones nothing is equal, of two a half, and of one almost all."""
    made = {}
    for tokens in (1, 2, 300):
        network = Network([[arb(1 + n % tokens)] for n in range(300)], None, (), (), 1)
        readings = Readings(network, F32, lambda row: (1, row[0]), EVERY, lambda found: found[1])
        readings.at([(n,) for n in range(300)])
        made[tokens] = readings._coarse.asked, readings._pays
    assert made == {1: (300, True), 2: (300, True), 300: (computations.FEW, False)}
