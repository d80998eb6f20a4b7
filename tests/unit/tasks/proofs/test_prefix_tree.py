"""Claims about listing words of recurrent networks: every word once, shared and equal states computed once."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from itertools import product

import numpy as np
import pytest
from flint import arb, ctx
from quick import sliced
from recurrent_networks import counter, dynet_tensors, write_adder, write_dynet

from cegis import Constraint, Domain, Program, motifs
from cegis.domain import DEAD
from tasks.bounds import (
    ball,
    operations,
    recurrent,
    recurrent_ellipsoid,
    recurrent_lipschitz,
    recurrent_zonotope,
    zonotope,
)
from tasks.bounds.recurrent_ellipsoid import Narrowing
from tasks.formats import load
from tasks.networks.readout import UNDECIDED
from tasks.proofs import enumeration
from tasks.proofs.beam_search import beams
from tasks.proofs.enumeration import answers_of, enumerate_domain
from tasks.proofs.genetic_search import Falsifier

FEW = "def f(tokens):\n    return 'few'\n"


@pytest.fixture(params=["gru", "lstm"])
def made(request, tmp_path):
    return load(write_dynet(tmp_path / "net", request.param))


@pytest.mark.parametrize("semantics", ["float32", "float64", "real"])
def test_every_word_gets_the_label_of_its_own_run(made, semantics):
    found = enumerate_domain(made, Domain(("a", "b"), 0, 7), semantics=semantics)
    assert found.undecided == 0
    for length, part in enumerate(found.lengths):
        words = np.array([*product((0, 1), repeat=length)], np.int8).reshape(2**length, length)
        assert np.array_equal(part.sequences, words)
        assert np.array_equal(part.labels, made.labels(words)[0])


def test_a_prefix_is_one_computation(made):
    assert enumerate_domain(made, Domain(("a", "b"), 0, 9)).classes == 2**10 - 1


def test_the_least_margin_is_as_sharp_as_balls_make_it(made, monkeypatch):
    domain, margins = Domain(("a", "b"), 10, 10), []
    for name, value in (("SHARPENED", enumeration.SHARPENED), ("SHARPENED", 0.0), ("STATES_EACH", 1)):
        monkeypatch.setattr(enumeration, name, value)
        found = enumerate_domain(made, domain, semantics="float64")
        assert found.classes == 2**10
        margins.append(found.margin)
    usual, blunt, balls = margins
    assert usual == pytest.approx(balls, abs=0.1 * (balls - blunt))
    assert blunt < balls


def test_states_that_coincide_are_merged():
    found = enumerate_domain(counter(3.5), Domain(("a", "b"), 0, 12), semantics="float64")
    assert found.size == 2**13 - 1
    assert found.classes <= sum(range(14))  # a state is the number of b behind the last a


def test_merged_states_are_equal_bit_by_bit():
    center = np.array([[0.0, 1.0], [0.0, 1.0], [-0.0, 1.0], [0.0, 1.0]])
    radius = np.array([[0.5, 0.5], [0.5, 0.5], [0.5, 0.5], [0.5, np.nextafter(0.5, 1)]])
    kept, same = recurrent.merged(ball.Ball(center, radius))
    assert sorted(kept) == [0, 2, 3]
    assert same[0] == same[1]
    assert len({*same[[0, 2, 3]]}) == 3


def test_a_constraint_leaves_out_words_and_not_their_prefixes(made):
    odd = Constraint("an odd number of b", ((0, 1), (1, 0)), (False, True))
    found = enumerate_domain(made, Domain(("a", "b"), 0, 6, odd))
    for part in found.lengths:
        assert (part.sequences.sum(axis=1) % 2 == 1).all()
        assert np.array_equal(part.labels, made.labels(part.sequences)[0])
    none = Constraint("no word of one letter", ((1, DEAD), (1, 1)), (True, True))
    assert enumerate_domain(made, Domain(("a", "b"), 2, 5, none)).size == 2 + 4 + 8 + 16


def test_labels_at_every_place_are_those_of_prefixes(tmp_path):
    loaded = load(write_adder(tmp_path / "net"))
    found = enumerate_domain(loaded, Domain(loaded.domain.alphabet, 1, 4))
    for part in found.lengths:
        assert np.array_equal(part.labels, loaded.labels(part.sequences)[0])
    assert found.semantics == "float32"


METHODS = [recurrent.enclose, partial(recurrent_lipschitz.enclose, ahead=3), recurrent_zonotope.enclose]


@pytest.mark.parametrize("u", [ball.FLOAT32, ball.FLOAT64])
@pytest.mark.parametrize("method", sliced([*METHODS, recurrent_ellipsoid.enclose], 3))
def test_bounds_hold_the_real_value(made, u, method):
    words = np.array([*product((0, 1), repeat=6)])
    stream = method(made.network, [words], u)
    exact = enclosed(made, words)
    center, radius = (part[stream.places[0][:, -1]] for part in (stream.x.center, stream.x.radius))
    assert (np.abs(center - exact) <= radius).all()
    assert radius.max() < (0.05 if u == ball.FLOAT32 else 1e-9)


def test_ids_of_few_bits_give_the_same_bounds(made):
    words = np.array([*product((0, 1), repeat=9)])
    wide, narrow = (recurrent.enclose(made.network, [ids], ball.FLOAT64) for ids in (words, words.astype(np.int8)))
    assert np.array_equal(wide.x.center[wide.places[0]], narrow.x.center[narrow.places[0]])


@pytest.mark.parametrize("ahead", [1, 3])
def test_what_stays_open_goes_on_from_its_own_state(made, ahead):
    words = np.array([*product((0, 1), repeat=6)])
    some, way, words_of = np.array([3, 17, 40, 41, 63]), Narrowing(ahead), np.arange(64)
    first = way(made.network, [words[:, :2], words], ball.FLOAT64)
    for _ in range(ahead):
        way = way.narrowed([np.zeros(0, np.int64), some])
        stream = way(made.network, [words[:0, :2], words[some]], ball.FLOAT64)
        center, radius = (part[stream.places[1][:, -1]] for part in (stream.x.center, stream.x.radius))
        assert (np.abs(center - enclosed(made, words[some])) <= radius).all()
        assert radius.max() < 1e-9
        for before in range(4 - ahead):  # what was read up to the states that are kept
            rows = stream.places[1][:, before], first.places[1][words_of[some], before]
            assert np.array_equal(stream.x.center[rows[0]], first.x.center[rows[1]])
            assert np.array_equal(stream.x.radius[rows[0]], first.x.radius[rows[1]])
        words_of = words_of[some]
        words, some = words[some], np.arange(len(some))[::2]
    assert way.narrowed([np.zeros(0, np.int64), some]) is None
    assert np.isfinite(first.x.radius).all()


def test_words_in_blocks_go_on_from_beginnings_that_they_share(made, monkeypatch):
    begun = []

    def noted(network, batches, arithmetic, depth):
        begun.append(depth)
        return recurrent.beginnings(network, batches, arithmetic, depth)

    domain = Domain(("a", "b"), 0, 9)
    whole = enumerate_domain(made, domain, semantics="float64")
    monkeypatch.setattr(enumeration._Found, "by_balls", lambda self, worth: None)  # they decide nothing
    monkeypatch.setattr(enumeration, "beginnings", noted)
    monkeypatch.setattr(enumeration, "MOST_ENTRIES", 2 * enumeration.FEWER * made.network.width**2)
    monkeypatch.setattr(enumeration, "MOST_SHARED", 8)
    monkeypatch.setattr(enumeration, "MOST_AHEAD", 3)
    found = enumerate_domain(made, domain, semantics="float64")
    assert begun[0] == 1
    for part, other in zip(found.lengths, whole.lengths, strict=True):
        assert np.array_equal(part.labels, other.labels)
        assert np.allclose(part.margins, other.margins, atol=1e-9)  # radii are far below


def enclosed(made, words):
    """The logits to 60 digits, rounded."""
    return np.array([[float(x.mid()) for x in _exact(made.network, word)] for word in words])


def _exact(network, word):
    from tasks.networks.transformer import Activation, Affine, Blend, Columns, Concat, Product

    def number(x):
        return arb(float(x))

    def run(steps, x):
        for step in steps:
            match step:
                case Affine(weight, bias):
                    sums = [sum((number(w) * v for w, v in zip(row, x, strict=True)), arb(0)) for row in weight]
                    x = sums if bias is None else [s + number(b) for s, b in zip(sums, bias, strict=True)]
                case Activation("tanh"):
                    x = [v.tanh() for v in x]
                case Activation("sigmoid"):
                    x = [1 / (1 + (-v).exp()) for v in x]
                case Columns(start, stop):
                    x = x[start:stop]
                case Concat(parts):
                    x = [v for part in parts for v in run(part, x)]
                case Product(left, right):
                    x = [a * b for a, b in zip(run(left, x), run(right, x), strict=True)]
                case Blend(gate, one, other):
                    gates = [1 / (1 + (-v).exp()) for v in run(gate, x)]
                    sides = zip(gates, run(one, x), run(other, x), strict=True)
                    x = [g * a + (1 - g) * b for g, a, b in sides]
        return x

    with ctx.workprec(200):
        state = [number(v) for v in network.start]
        for token in word:
            state = run(network.transition, state + [number(v) for v in network.tokens[token]])
        return run(network.output, state)


@pytest.mark.parametrize("seed", range(8))
def test_a_blend_of_balls_holds_every_blend_of_their_points(seed):
    rng = np.random.default_rng(seed)
    balls = [ball.Ball(rng.normal(size=(1, 40)), rng.choice([0.0, 0.01, 0.3], (1, 40))) for _ in range(3)]
    whole = operations.blend(*balls, ball.FLOAT64)
    forms = [zonotope.Form(x.center, np.zeros((1, 40, 1)), x.radius) for x in balls]
    form = zonotope.blend(*forms, ball.FLOAT64).ball
    corners = rng.choice([-1.0, 1.0], (400, 3, 40))
    gate, one, other = (x.center + corners[:, n] * x.radius for n, x in enumerate(balls))
    share = 1 / (1 + np.exp(-gate))
    values = share * one + (1 - share) * other
    for bound in (whole, form):
        assert (np.abs(values - bound.center) <= bound.radius + 1e-14).all()
        assert (bound.radius <= 1.5 * np.ptp(values, axis=0) + 1e-12).all()


def test_zonotopes_decide_what_balls_leave_open(tmp_path):
    tensors = {name: 2 * tensor for name, tensor in dynet_tensors("gru", size=12).items()}
    loaded = load(write_dynet(tmp_path / "net", "gru", tensors))
    domain = Domain(
        ("a", "b"),
        12,
        12,
        Constraint(
            "a few words",
            (*((n + 1, n + 1 if n > 7 else DEAD) for n in range(12)), (DEAD, DEAD)),
            (False,) * 12 + (True,),
        ),
    )
    plain = enumerate_domain(loaded, domain, semantics="float32", with_zonotopes=False)
    better = enumerate_domain(loaded, domain, semantics="float32")
    assert better.undecided < plain.undecided
    kept = plain.lengths[0].labels != UNDECIDED
    assert np.array_equal(better.lengths[0].labels[kept], plain.lengths[0].labels[kept])
    assert (better.lengths[0].margins >= plain.lengths[0].margins).all()


@pytest.mark.slow
def test_a_beam_finds_the_word_that_breaks_far_out():
    loaded = counter(24.5)
    domain = Domain(("a", "b"), 0, 40)
    never = Program.parse(FEW, motifs(("a", "b"), ("few", "many")))
    found = Falsifier(replace(loaded, domain=domain), domain, "float64").examine(never, known=12)
    assert found.counterexample is not None
    assert found.counterexample.inputs == ("b",) * 25
    assert found.claims == ()


def test_a_beam_is_made_of_words_and_their_margins():
    loaded = counter(2.5)

    def margins(words, logits):
        return logits[:, 0] - logits[:, 1]

    for length, (words, found) in enumerate(beams(loaded, 5, margins), 1):
        assert words.shape[1] == length
        logits = loaded.logits(words)
        assert np.array_equal(found, logits[:, 0] - logits[:, 1])
        assert len(np.unique(words, axis=0)) == len(words)


def test_a_word_by_itself_has_the_label_it_has_among_all(made):
    words = np.array([[0, 1, 1, 0, 1]], np.int8)
    label, margin = answers_of(made, words, "float64")
    assert label[0] == made.labels(words)[0][0]
    assert 0 < margin[0] <= made.labels(words)[1][0]
