"""Balls that are made coarse, and keys that fade: what was bounded stays within bounds, and equal things become one."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import small_networks
import tracr_networks
from flint import arb, ctx
from hypothesis import given, settings
from hypothesis import strategies as st
from quick import examples, sliced

from tasks.checker.arithmetic import ROUNDOFF, ZERO, Arithmetic, Faint
from tasks.checker.balls import Balls, above, coarse
from tasks.checker.computations import Computations, Readings, logits
from tasks.checker.formats import FILES, read
from tasks.checker.heads import Head
from tasks.checker.network import Heads
from tasks.formats.circuit_folder import shipped_path

REAL, F32 = Arithmetic(0.0), Arithmetic(ROUNDOFF["float32"])
SIZES = st.floats(-1e9, 1e9, allow_subnormal=False)


@pytest.fixture(autouse=True)
def precision():
    with ctx.workprec(80):
        yield


@settings(max_examples=examples(300), deadline=None)
@given(
    middle=SIZES, radius=st.floats(0, 1e6, allow_subnormal=False), shift=st.integers(-70, 0), grain=st.integers(0, 40)
)
def test_a_coarse_ball_holds_the_ball_that_it_replaces(middle, radius, shift, grain):
    with ctx.workprec(80):
        ball = arb(middle, radius * 2.0**shift)
        _, (wide,) = coarse([ball], grain)
        assert wide.contains(ball)
        assert float(wide.rad()) <= 1.02 * float(ball.rad()) + 2.0 ** (1 - grain)
        assert above(ball) >= ball.abs_upper()
        assert above(ball) <= 1.01 * float(ball.abs_upper()) + 2.0**-999


def test_rows_that_may_not_be_finite_are_one_of_which_nothing_is_known():
    balls = Balls(8)
    assert balls.number([arb(1), arb.nan()]) == balls.number([arb.pos_inf(), arb(2)]) == 0
    assert not any(v.is_finite() for v in balls.rows[0])
    assert above(arb.nan()) == float("inf")


def test_what_no_float_holds_is_not_taken_for_zero():
    assert above(arb(2) ** -1100) >= arb(2) ** -1100


def test_nearly_equal_rows_are_one_and_marks_tell_them_apart():
    balls = Balls(16)
    third = [arb(1) / 3]
    assert balls.number(third) == balls.number([third[0] + arb(2) ** -40]) == 0
    assert balls.number([third[0] + arb(2) ** -10]) == balls.number(third, 0) - 1 == 1
    assert balls.number(third, 1) == 3
    assert Balls(None).number(third) == 0
    sharp = Balls(None)
    assert [sharp.number(third), sharp.number(third)] == [0, 1]


@pytest.mark.parametrize("a", [REAL, F32], ids=["real", "float32"])
@pytest.mark.parametrize("below", [0.5, 2.0, 10.0])
@pytest.mark.parametrize("sink", [None, arb(1)])
def test_the_average_with_faint_keys_holds_that_with_all_of_them(a, below, sink):
    values = [[arb(1), arb(2)], [arb(-1), arb(0)]]
    for reach, sign, more in product((0.5, 8.0), (-1, 1), (0, 5)):
        scores = [arb(3), arb(1)]
        faint = [arb(3) - below - more - arb(2) ** -20] * 3
        every = [*values, *[[arb(sign * reach), arb(-sign * reach)]] * 3]
        known = a.average(scores, values, sink, arb(4), Faint(3, arb(below), arb(reach)))
        exact = REAL.average([*scores, *faint], every, sink, arb(16), Faint(0, ZERO, ZERO))
        assert all(wide.contains(v.mid()) for wide, v in zip(known, exact, strict=True))
        widest = 12 * np.exp(-below) * (reach + 2) + 1e-4
        assert all(float(wide.rad()) < widest for wide in known)


def test_faint_keys_may_weigh_less_than_they_may():
    (known,) = REAL.average([ZERO], [[arb(0, 1)]], None, arb(1), Faint(3, arb(1) / 2, ZERO))
    assert known.contains(arb(1))


def test_the_rounding_of_faint_keys_is_in_the_average():
    a = F32
    faint = Faint(3, arb(1), arb(2) ** 30)
    much = a.average([ZERO], [[ZERO]], None, arb(1), faint)[0]
    exact = REAL.average([ZERO], [[ZERO]], None, arb(1), faint)[0]
    share = a.gamma(16) * 3 * (arb(-1)).exp() / (1 + 3 * arb(-1).exp()) * arb(2) ** 30
    assert float(much.rad()) >= float(exact.rad()) + float(share.mid())


class Recording(Arithmetic):
    """Remembers of how many keys only the number was used."""

    def average(self, scores, values, sink, largest, faint, sizes):
        self.faint, self.largest = faint, largest
        return super().average(scores, values, sink, largest, faint, sizes)


def head_of(a, scale=1.0, sink=None, grain=None):
    return Head(a, Heads((), 1, arb(scale), [sink]), sink, grain)


def asked(a, scores, values, sink=None, grain=None):
    """What a head with these scores and values answers to its first row."""
    head = head_of(a, sink=sink, grain=grain)
    for score, value in zip(scores, values, strict=True):
        head.add([arb(1)], [arb(score)], [arb(value)])
    return head.answers.rows[head.answer(0, head.seen([*range(len(scores))]))][0]


def test_keys_fade_where_that_is_certain_however_scores_are_rounded():
    real, executed = Recording(0.0), Recording(ROUNDOFF["float32"])
    large = 2.0**18  # float32 moves such a score by some hundredths
    for a, apart, faint in ((real, 64.01, 1), (executed, 64.01, 0), (executed, 65, 1), (real, 63.99, 0)):
        asked(a, [large, large - apart], [1, 2])
        assert a.faint.count == faint, (a.u, apart)
        assert a.largest >= large
    asked(executed, [0.0, -64.01], [1, 2], sink=arb(large))
    assert executed.faint.count == 0  # what a score is shifted by may be the sink
    asked(real, [0, -100, -90.5], [1, 700, 2])
    assert real.faint.reach >= 700
    assert (real.faint.count, float(real.faint.below)) == (2, 90)
    asked(real, [0, -100], [1, "nan"])
    assert real.faint.count == 0
    many = arb(2) ** 70  # next to which floats lie 2**18 apart; real numbers may be as large
    assert abs(asked(Arithmetic(0.0, is_small=True), [many, many + 100], [1, 2]) - 2) < 1e-9


def test_an_answer_depends_on_how_often_scores_and_values_are_seen():
    assert abs(asked(REAL, [0, 0, 0], [3, 0, 0], grain=20) - 1) < 1e-4
    assert abs(asked(REAL, [0, 0, 0], [3, 3, 0], grain=20) - 2) < 1e-4
    assert abs(asked(REAL, [0, 0, 0], [3, 3, 3], grain=20) - 3) < 1e-4
    head = head_of(REAL, grain=20)
    for score, value in ((0, 3), (0, 0), (1, 0), (0, 3)):
        head.add([arb(1)], [arb(score)], [arb(value)])
    assert head.key == [0, 1, 2, 0]  # keys with other values, or values with other keys, are others
    assert head.query == [0, 0, 0, 0]


def nearly_equal_tokens():
    """Weights of which places and two tokens are nearly the same: what a compiler leaves of noise."""
    weights = tracr_networks.tensors(1)
    weights["pos_embed/embeddings"] *= np.float32(1e-6)
    weights["token_embed/embeddings"][1] = weights["token_embed/embeddings"][0] + np.float32(1e-6)
    return weights


def networks(scratch):
    for kind, folder in (
        ("circuit", shipped_path("quote_closing")),
        ("gpt2", small_networks.write_network(scratch / "g", small_networks.GPT2, small_networks.gpt2_tensors())),
        ("dyck", small_networks.write_network(scratch / "d", {**small_networks.DYCK, "pool": "mean"},
                                              small_networks.dyck_tensors(3))),
        ("tracr", tracr_networks.folder(scratch / "n", weights=nearly_equal_tokens())),
        ("tracr", tracr_networks.folder(scratch / "t")),
    ):  # fmt: skip
        must, may = FILES[kind]
        files = {n: (folder / n).read_bytes() for n in (*must, *may) if (folder / n).is_file()}
        yield read(kind, files, "float32").network


@pytest.mark.parametrize(("grain", "longest"), sliced([(12, 3), (3, 4), (6, 4), (12, 4), (32, 4)], 5))
def test_coarse_logits_hold_the_logits_of_every_prompt(tmp_path, grain, longest):
    merged = 0
    for network in networks(tmp_path):
        tokens = range(min(len(network.tokens), 3))
        prompts = [one for n in range(1, min(network.longest, longest) + 1) for one in product(tokens, repeat=n)]
        exact = logits(network, REAL, prompts)
        for a in (REAL, F32):
            some = Computations(network, a, lambda row: row, grain)
            found = [each for n in range(0, len(prompts), 7) for each in some.at(prompts[n : n + 7])]
            for rows, others in zip(found, exact, strict=True):
                for row, other in zip(rows, others, strict=True):
                    assert all(not v.is_finite() or v.contains(w.mid()) for v, w in zip(row, other, strict=True))
            sharp = Computations(network, a, lambda row: row)
            sharp.at(prompts)
            merged += some.made < sharp.made
    assert grain == 32 or merged


def test_prompts_that_coarse_balls_do_not_decide_are_bounded_sharply(tmp_path):
    network = [*networks(tmp_path)][-1]
    prompts = [*product(range(3), repeat=3)]
    sure = {}
    for name, grain in (("coarse", 32), ("sharp", None)):
        rows = logits(network, REAL, prompts, grain)
        sure[name] = [float(row[0].rad()) for each in rows for row in each]
    limit = 2.0**-36  # below what a grain of 32 bits leaves

    def read_if_narrow(row):
        return 1 if float(row[0].rad()) < limit else None

    assert max(sure["sharp"]) < limit < min(sure["coarse"])
    assert Readings(network, REAL, read_if_narrow).at(prompts) == [[1, 1, 1]] * len(prompts)
    assert Readings(network, REAL, lambda row: None, slice(-1, None)).at(prompts) == [[None]] * len(prompts)
