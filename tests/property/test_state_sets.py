"""Images of sets of states hold every state of the set: the prover's, the checker's, and executions in float32."""

import json
import tempfile
from collections.abc import Iterator
from dataclasses import replace

import flint
import numpy as np
import pytest
from flint import arb
from hypothesis import given, settings
from hypothesis import strategies as st
from quick import examples
from state_networks import asked, random_cells

from tasks.bounds import (
    ball,
    exact_states,
    frames,
    operations,
    recurrent_ellipsoid,
    recurrent_lipschitz,
    recurrent_zonotope,
    taylor,
)
from tasks.bounds.frames import Frame
from tasks.bounds.interpreter import Stream
from tasks.bounds.recurrent_ellipsoid import Ellipsoids, Narrowing, added
from tasks.bounds.recurrent_zonotope import Zonotope, Zonotopes
from tasks.bounds.stacking import maps_together
from tasks.bounds.taylor import Errors, Image, Model
from tasks.checker.arithmetic import ZERO
from tasks.checker.files import Tensors
from tasks.checker.recurrent import Recurrent as Checked
from tasks.checker.recurrent_forms import Discs, Forms, Linear, norm
from tasks.checker.recurrent_forms import Frame as CheckedFrame
from tasks.checker.steps import FILE, recurrent_network
from tasks.formats.network_folder import save_folder
from tasks.networks.interpreter import run
from tasks.networks.recurrent import Recurrent
from tasks.networks.transformer import Activation, Affine, Blend, Columns, Concat, Product, Step

seeds = st.integers(0, 2**32 - 1).map(np.random.default_rng)
kinds = st.sampled_from(["tanh", "sigmoid", "gru", "reset", "lstm"])
laws = settings(max_examples=examples(25), deadline=None, derandomize=True)


@pytest.fixture(autouse=True)
def some_bits() -> Iterator[None]:
    before, flint.ctx.prec = flint.ctx.prec, 80
    yield
    flint.ctx.prec = before


def drawn(rng: np.random.Generator, kind: str) -> tuple[Recurrent, Frame, np.ndarray]:
    """A network, and a set of its states in a complex frame."""
    network = random_cells(rng, kind, int(rng.integers(1, 4)), int(rng.integers(1, 3)), float(rng.choice([0.5, 1.5])))
    vectors = np.linalg.eig(rng.normal(size=(network.width, network.width)))[1].astype(complex)
    radii = float(rng.choice([1e-6, 1e-3, 0.1, 1.0])) * rng.uniform(0.1, 1.0, network.width)
    for n in range(1, network.width):
        if np.array_equal(vectors[:, n], vectors[:, n - 1].conj()):
            radii[n] = radii[n - 1]
    return network, Frame(rng.normal(scale=0.5, size=network.width), vectors), radii


def states_in(rng: np.random.Generator, frame: Frame, radii: np.ndarray) -> np.ndarray:
    """Real states of the set, most of them at its edge."""
    width, found = len(radii), []
    for _ in range(20):
        turn = np.exp(2j * np.pi * rng.random(width)) * rng.choice([1.0, 1.0, 0.5], width)
        y = np.where(np.abs(frame.axes.imag).any(axis=0), turn, np.sign(turn.real))
        for n in range(1, width):
            if np.array_equal(frame.axes[:, n], frame.axes[:, n - 1].conj()):
                y[n] = y[n - 1].conj()
        found.append(frame.center + (frame.axes @ (radii * y)).real)
    return np.array(found)


@laws
@given(seeds, kinds, st.sampled_from([ball.REAL, ball.FLOAT32]))
def test_an_image_holds_the_image_of_every_state(rng: np.random.Generator, kind: str, u: float) -> None:
    network, frame, radii = drawn(rng, kind)
    states, token = states_in(rng, frame, radii), int(rng.integers(2))
    image = frames.step(network, u)(frame.form(radii), token)
    after = network.step(states, np.full(len(states), token))
    whole = image.ball
    assert (np.abs(after - whole.center) <= whole.radius + 1e-12).all()
    if u == ball.FLOAT32:
        near = network.step(states.astype(np.float32).astype(float), np.full(len(states), token))
        assert (np.abs(near - whole.center) <= whole.radius + 1e-6).all()
    reach = frame.linear(image).sum(axis=1) + frame.offset(image)
    along = np.abs(np.linalg.solve(frame.axes, (after - frame.center).T)).T
    assert (along <= reach * (1 + 1e-9) + 1e-9).all()


@laws
@given(seeds, kinds, st.sampled_from([1e-3, 0.1, 1.0]))
def test_a_zonotope_after_a_token_holds_every_state(rng: np.random.Generator, kind: str, size: float) -> None:
    network = random_cells(rng, kind, int(rng.integers(1, 4)), int(rng.integers(1, 3)), float(rng.choice([0.5, 1.5])))
    width, known = network.width, int(rng.integers(1, 9 * network.width))
    symbols = (size / known * rng.normal(size=(1, width, known))).astype(np.float32)
    rest = 0.3 * size * rng.uniform(size=(1, width))
    before = Zonotope(rng.normal(scale=0.5, size=(1, width)), symbols, rest)
    token = rng.integers(0, 2, 1)
    after = Zonotopes(network, ball.FLOAT32, 9).step(before, token)
    assert isinstance(after, Zonotope)
    assert after.symbols.shape[2] <= recurrent_zonotope.MOST_SYMBOLS[True] * width
    signs = rng.choice([-1.0, 1.0], (200, known))
    own = rng.choice([-1.0, 1.0], (200, width))
    states = network.step(before.center + signs @ symbols[0].T + own * rest, np.repeat(token, 200))
    assert (np.abs(states - after.center) <= after.radius + 1e-12).all()
    # what is no symbol yet holds all that is not linear in those before: nothing is forgotten where symbols are few
    if known + width <= recurrent_zonotope.MOST_SYMBOLS[True] * width:
        apart = np.abs(states - after.center - signs @ after.symbols[0, :, :known].T)
        fresh = np.abs(after.symbols[0, :, known:]).sum(axis=1)
        assert (apart <= fresh + after.rest + 1e-6 * size + 1e-12).all()


def some_errors(rng: np.random.Generator, size: float, dtype: type = np.float64) -> tuple[Errors, np.ndarray]:
    """Two symbols and two groups of one and two boxes; all their corners, symbols first, then boxes in units."""
    errors = Errors(False, dtype, [size * rng.uniform(size=(1, count)) for count in (1, 2)])
    return errors, np.array([*np.ndindex(*(2,) * 5)]) * 2.0 - 1.0


def some_model(rng: np.random.Generator, errors: Errors, size: float, width: int = 40) -> Model:
    """A model of one or two images of the errors, and a rest."""
    images = []
    for _ in range(int(rng.integers(1, 3))):
        symbols = (size * rng.normal(size=(1, width, 2))).astype(errors.dtype)
        boxes = tuple(rng.normal(size=(1, width, r.shape[1])).astype(errors.dtype) for r in errors.radii)
        images.append(Image(symbols, boxes, errors.spread(symbols, boxes)))
    slopes = [None, rng.normal(size=(1, width))]
    terms = tuple((slope, image) for slope, image in zip(slopes, images, strict=False))
    return Model(rng.normal(size=(1, width)), terms, size * rng.choice([0.0, 0.1], size=(1, width)))


def linear(errors: Errors, x: Model, corners: np.ndarray) -> np.ndarray:
    """What the errors do to each entry at their corners."""
    total = np.zeros((len(corners), x.width))
    for slope, image in x.terms:
        moved = corners[:, : image.symbols.shape[2]] @ image.symbols[0].T.astype(float)
        at = 2
        for radii, box in zip(errors.radii[:2], image.boxes, strict=False):
            moved += (corners[:, at : at + box.shape[2]] * radii[0, : box.shape[2]]) @ box[0].T.astype(float)
            at += radii.shape[1]
        total += moved if slope is None else slope * moved
    return total


@laws
@given(seeds, st.sampled_from([1e-3, 0.1, 1.0]))
def test_what_is_left_of_an_operation_on_models_is_in_the_rest(rng: np.random.Generator, size: float) -> None:
    """For few errors and all their corners, where what is beyond first order is as large as it gets."""
    errors, corners = some_errors(rng, size)
    given = [some_model(rng, errors, size) for _ in range(3)]
    points = [x.center + linear(errors, x, corners) + rng.choice([-1.0, 1.0], x.rest.shape) * x.rest for x in given]
    assert all((np.abs(p - x.center) <= x.radius).all() for p, x in zip(points, given, strict=True))
    share, real = 1 / (1 + np.exp(-points[0])), ball.REAL
    for found, values in (
        (taylor.multiply(*given[:2], real), points[0] * points[1]),
        (taylor.blend(*given, real), share * points[1] + (1 - share) * points[2]),
        (taylor.add(*given[:2], real), points[0] + points[1]),
        (taylor._activation(Activation("tanh"), real, given[0]), np.tanh(points[0])),
        (taylor._activation(Activation("sigmoid"), real, given[0]), share),
        (taylor._activation(Activation("relu"), real, given[0]), np.maximum(points[0], 0)),
        (taylor.combined(errors, given[2]), points[2]),
    ):
        assert (np.abs(values - found.center - linear(errors, found, corners)) <= found.rest + 1e-14).all()


@laws
@given(seeds, st.sampled_from([1e-3, 1.0]))
def test_what_is_left_over_is_a_box_of_errors_for_the_next_layer(rng: np.random.Generator, size: float) -> None:
    errors, corners = some_errors(rng, size)
    row = [some_model(rng, errors, size, 3), taylor.forgotten(ball.Ball(rng.normal(size=(1, 2)), np.ones((1, 2))))]
    values = [x.center + linear(errors, x, corners) for x in row]
    found = taylor.renewed(errors, row)
    for x, value, before in zip(found, values, row, strict=True):
        fresh = errors.of_boxes([np.zeros((1, x.width, 0))] * 2 + [box for box in x.terms[0][1].boxes[2:]])
        assert (x.rest == 0).all()
        assert (np.abs(value - x.center - linear(errors, x, corners)) + before.rest <= fresh + 1e-14).all()
        assert (x.radius >= np.abs(value - x.center).max(axis=0) + before.rest).all()


@laws
@given(seeds, st.sampled_from([1e-3, 1.0]))
def test_terms_in_float32_lose_no_more_than_the_rest_has(rng: np.random.Generator, size: float) -> None:
    errors, corners = some_errors(rng, size, np.float32)
    x = some_model(rng, errors, size)
    one = taylor.combined(errors, x)
    lost = linear(errors, x, corners) - linear(errors, one, corners)
    assert (np.abs(lost) <= one.rest - x.rest).all()
    weight = rng.normal(size=(30, 40)).astype(np.float32).astype(float)
    x = replace(x, rest=np.zeros_like(x.rest), terms=x.terms[:1])
    (moved,) = taylor.way((Affine(weight),), ball.REAL, np.float32)(errors, [x])
    values = (x.center + linear(errors, x, corners)) @ weight.T
    assert (np.abs(values - moved.center - linear(errors, moved, corners)) <= moved.rest).all()


def test_maps_of_one_row_read_their_own_entries() -> None:
    first, last = np.array([[1.0, 2.0, 0.0, 0.0]]), np.array([[0.0, 0.0, 1.0, 2.0]])
    again = np.array([[3.0, 1.0, 0.0, 0.0], [5.0, 0.0, 0.0, 0.0]])
    ways = Concat(((Affine(first),), (Affine(last),), (Affine(again),), (Columns(1, 3),)))
    row = np.array([[1.0, 10.0, 100.0, 1000.0]])
    errors, start = taylor.start(row, np.eye(4)[None], np.zeros((1, 4)), np.arange(4) + 1, True)
    found = taylor.way((ways,), ball.REAL, np.float64)(errors, [start])
    center, symbols, _, _, _ = taylor.joined(errors, found)
    assert (np.abs(center - [[21.0, 2100.0, 13.0, 5.0, 10.0, 100.0]]) < 1e-9).all()
    wanted = np.concatenate([first, last, again, np.eye(4)[1:3]])
    assert np.array_equal(symbols[0], wanted)


@pytest.mark.parametrize("step", [Activation("tanh"), Columns(1, 2), Affine(np.ones((1, 3)))])
def test_what_stands_beside_maps_that_are_computed_together_reads_the_row_itself(step: Step) -> None:
    weights = np.array([[1.0, 2.0, 0.0], [3.0, 4.0, 0.0]])
    beside = Concat(((Affine(weights),), (Affine(2.0 * weights), Activation("tanh")), (step,)))
    (wider, rest) = maps_together(beside)
    row, none = np.array([[0.1, 0.2, 0.3]]), np.zeros((0, 0), np.int64)
    assert np.array_equal(run((wider, rest), row, none), run((beside,), row, none))
    assert isinstance(wider, Concat)
    assert len(wider.parts) == 2


@laws
@given(seeds)
def test_the_rest_of_a_map_holds_its_rounding_in_float32(rng: np.random.Generator) -> None:
    weight, x = (rng.normal(size=shape).astype(np.float32) for shape in ((30, 40), (1, 40)))
    way = taylor.way((Affine(weight.astype(float)),), ball.FLOAT32, np.float32)
    nothing = np.zeros((1, 40, 0), np.float32)
    errors, start = taylor.start(x.astype(float), nothing, np.zeros((1, 40)), np.zeros(40, np.int64), True)
    (found,) = way(errors, [start])
    executed = (x @ weight.T).astype(float)
    assert (executed != found.center).any()
    assert (np.abs(executed - found.center) <= found.radius).all()


def test_what_is_not_finite_stays_unknown() -> None:
    center, rest = np.zeros((2, 3)), np.array([[0.0, np.inf, 0.0], [0.1, 0.2, 0.3]])
    errors, start = taylor.start(center, np.ones((2, 3, 1)), rest, np.ones(3, np.int64), True)
    steps = (Affine(np.eye(3)[:1]), Activation("tanh"))
    (found,) = taylor.way(steps, ball.FLOAT64, np.float64)(errors, [start])
    assert np.isinf(found.radius[0]).all()  # zero times what may be infinite
    assert np.isfinite(found.radius[1]).all()
    assert np.isinf(taylor.way((Columns(1, 2),), ball.FLOAT64, np.float64)(errors, [start])[0].radius[0]).all()


def extent(x: Zonotope, along: np.ndarray) -> np.ndarray:
    """How far ``x``, one row, reaches from its center along each row of ``along``."""
    moved = np.linalg.norm(along @ x.symbols[0].astype(float), axis=1)
    reach: np.ndarray = moved + np.abs(along) @ x.rest[0]
    return reach


def round_set(rng: np.random.Generator, width: int, size: float) -> Zonotope:
    known = int(rng.integers(1, 3 * width))
    symbols = (size / np.sqrt(known) * rng.normal(size=(1, width, known))).astype(np.float32)
    rest = size * float(rng.choice([0.01, 0.3])) * rng.uniform(size=(1, width))
    return Zonotope(rng.normal(scale=0.5, size=(1, width)), symbols, rest, is_round=True)


@laws
@given(seeds, kinds, st.sampled_from([1e-3, 0.1, 1.0]))
def test_an_ellipsoid_after_a_token_holds_every_state(rng: np.random.Generator, kind: str, size: float) -> None:
    network = random_cells(rng, kind, int(rng.integers(1, 4)), int(rng.integers(1, 3)), float(rng.choice([0.5, 1.5])))
    before, token = round_set(rng, network.width, size), rng.integers(0, 2, 1)
    after = Ellipsoids(network, ball.FLOAT32, 9).step(before, token)
    assert isinstance(after, Zonotope)
    assert after.symbols.shape == (1, network.width, network.width)
    s = rng.normal(size=(200, before.symbols.shape[2]))
    own = rng.choice([-1.0, 1.0], (200, network.width)) * before.rest
    points = before.center + s / np.linalg.norm(s, axis=1, keepdims=True) @ before.symbols[0].T + own
    apart = network.step(points, np.repeat(token, 200)) - after.center
    worst = np.linalg.solve(after.symbols[0].astype(float) @ after.symbols[0].T, apart.T).T  # where it reaches least
    assert ((worst * apart).sum(axis=1) <= extent(after, worst) * (1 + 1e-9) + 1e-12).all()
    assert (np.abs(apart) <= after.radius + 1e-12).all()


@laws
@given(seeds, kinds, st.sampled_from([1e-3, 0.1, 1.0]), st.booleans())
def test_a_last_step_before_balls_holds_every_state(
    rng: np.random.Generator, kind: str, size: float, is_lower: bool
) -> None:
    network = random_cells(rng, kind, int(rng.integers(1, 4)), int(rng.integers(1, 3)), float(rng.choice([0.5, 1.5])))
    before, token = replace(round_set(rng, network.width, size), depth=7), rng.integers(0, 2, 1)
    if is_lower:  # as after a step that is not one of the last
        lower = np.linalg.qr(rng.normal(size=(network.width, network.width)))[1].T
        counts = np.arange(network.width) + 1
        before = replace(before, symbols=(size * lower[None]).astype(np.float32), counts=counts)
    after = Ellipsoids(network, ball.FLOAT32, 9, True).step(before, token)
    assert isinstance(after, Zonotope)
    assert after.symbols.shape == before.symbols.shape
    s = rng.normal(size=(200, before.symbols.shape[2]))
    own = rng.choice([-1.0, 1.0], (200, network.width)) * before.rest
    points = before.center + s / np.linalg.norm(s, axis=1, keepdims=True) @ before.symbols[0].T + own
    apart = network.step(points, np.repeat(token, 200)) - after.center
    for along in (apart, rng.choice([-1.0, 1.0], apart.shape)):
        assert (np.abs((along * apart).sum(axis=1)) <= extent(after, along) * (1 + 1e-9) + 1e-12).all()


def test_symbols_are_left_out_only_where_they_move_nothing() -> None:
    symbols = np.array([[[1.0, 0.0, 0.0], [2.0, 4.0, 0.0], [3.0, 5.0, 6.0]]])
    _, start = taylor.start(np.zeros((1, 3)), symbols, np.ones((1, 3)), np.array([1, 2, 3]), True)
    for columns, count in ((slice(0, 1), 1), (slice(0, 2), 2), (slice(1, 3), 3), (np.array([0, 2]), 3)):
        assert np.array_equal(start.at(columns).terms[0][1].symbols, symbols[:, columns, :count])


@laws
@given(seeds, st.sampled_from([1e-6, 1e-3, 1.0]))
def test_an_ellipsoid_holds_the_sum_of_an_ellipsoid_and_a_box(rng: np.random.Generator, size: float) -> None:
    x = round_set(rng, int(rng.integers(1, 8)), size)
    along = rng.choice([-1.0, 1.0], (100, x.center.shape[1])) * rng.choice([0.0, 0.1, 1.0], (100, x.center.shape[1]))
    q = added(x.symbols, x.rest)
    assert (extent(x, along) <= np.sqrt(np.einsum("ai,ij,aj->a", along, q[0], along)) * (1 + 1e-14)).all()
    symbols, rest = recurrent_ellipsoid.root(q, np.float32)
    rooted = Zonotope(x.center, symbols, rest, is_round=True)
    assert (np.sqrt(np.einsum("ai,ij,aj->a", along, q[0], along)) <= extent(rooted, along) * (1 + 1e-14)).all()
    count = int(rng.integers(1, 6))
    radii, matrix = size * rng.uniform(size=(1, count)), rng.normal(size=(1, x.center.shape[1], count))
    boxes = [(radii, matrix.astype(np.float32)), (radii[:, :1], matrix[:, :, :1].astype(np.float32))]
    more = sum(np.abs(along @ box[0].astype(float)) @ r[0] for r, box in boxes)
    q = added(x.symbols, x.rest, boxes)
    assert (extent(x, along) + more <= np.sqrt(np.einsum("ai,ij,aj->a", along, q[0], along)) * (1 + 1e-14)).all()


@laws
@given(seeds, st.sampled_from([1e-12, 1e-3, 1.0]))
def test_the_matrix_of_an_ellipsoid_holds_what_its_products_round(rng: np.random.Generator, size: float) -> None:
    width = int(rng.integers(2, 30))
    symbols = (size * rng.normal(size=(1, width, 3 * width))).astype(np.float32)
    symbols[:, -1] = symbols[:, :-1].sum(axis=1)  # nearly flat: what is lost shows in that direction
    q, wide = added(symbols, np.zeros((1, width)))[0], symbols[0].astype(float)
    along = np.linalg.svd(wide)[0].T
    assert (((along @ wide) ** 2).sum(axis=1) <= np.einsum("ai,ij,aj->a", along, q, along)).all()


@laws
@given(st.floats(-6.0, 6.0), st.floats(0.0, 1.5))
def test_tanh_bends_no_more_than_is_said_and_nearly_that(center: float, radius: float) -> None:
    bend = float(operations.tanh_bend(np.tanh(np.array([center])), np.array([radius]))[0])
    t = np.tanh(np.linspace(center - radius, center + radius, 401))
    most = float((2.0 * np.abs(t) * (1.0 - t**2)).max())
    assert most <= bend <= operations.TANH_BEND
    if radius < 2.0**-8:
        assert bend <= 1.02 * most + 0.01


def test_nothing_is_said_of_the_bend_of_what_may_be_anywhere() -> None:
    bends = operations.tanh_bend(np.array([0.0, 1.0, -1.0, 0.9]), np.array([np.inf, np.inf, 1.0, 40.0]))
    assert (bends == operations.TANH_BEND).all()


def narrowed(network: Recurrent, batches: list[np.ndarray], u: float, ahead: int) -> Stream:
    """Ellipsoids, then balls, fewer and fewer of them."""
    way = Narrowing(ahead)
    stream = way(network, batches, u)
    while (next_one := way.narrowed([np.arange(len(ids)) for ids in batches])) is not None:
        way = next_one
        stream = way(network, batches, u)
    return stream


WAYS = [recurrent_zonotope.enclose, recurrent_ellipsoid.enclose, recurrent_lipschitz.enclose, narrowed]


def summed(steps: tuple[Step, ...], x: np.ndarray, order: str) -> np.ndarray:
    """A row in float32, sums of an affine map added up in an order."""
    for step in steps:
        match step:
            case Affine(weight, bias):
                terms = np.concatenate([weight.astype(np.float32) * x, np.zeros((len(weight), 1), np.float32)], axis=1)
                terms[:, -1] = 0.0 if bias is None else bias
                if order == "pairs":
                    x = terms.sum(axis=1, dtype=np.float32)
                else:
                    x = np.cumsum(terms[:, :: 1 if order == "forwards" else -1], axis=1, dtype=np.float32)[:, -1]
            case Activation("tanh"):
                x = np.tanh(x)
            case Activation("sigmoid"):
                x = np.float32(1) / (np.float32(1) + np.exp(-x))
            case Concat(parts):
                x = np.concatenate([summed(part, x, order) for part in parts])
            case Columns(start, stop):
                x = x[start:stop]
            case Product(left, right):
                x = summed(left, x, order) * summed(right, x, order)
            case Blend(gate, one, other):
                share = np.float32(1) / (np.float32(1) + np.exp(-summed(gate, x, order)))
                x = share * summed(one, x, order) + (np.float32(1) - share) * summed(other, x, order)
            case _:
                raise AssertionError(step)
        assert x.dtype == np.float32
    return x


@laws
@given(seeds, kinds, st.sampled_from(WAYS))
def test_what_float32_executes_in_any_order_is_held(rng: np.random.Generator, kind: str, enclose) -> None:
    network = random_cells(rng, kind, 3, 2, 1.5)
    word = rng.integers(0, 2, (1, 12))
    stream = enclose(network, [word], ball.FLOAT32, ahead=int(rng.integers(3)))
    exact = [known.logits for known in exact_states.along(network, word[0].tolist())]
    states = {order: network.start.astype(np.float32) for order in ("forwards", "backwards", "pairs")}
    differs = False
    for n, token in enumerate(word[0]):
        at = stream.places[0][0, n + 1]
        assert (np.abs(exact[n + 1].center[0] - stream.x.center[at]) <= stream.x.radius[at]).all()
        for order, state in states.items():
            row = np.concatenate([state, network.tokens[token].astype(np.float32)])
            states[order] = summed(network.transition, row, order)
            read = summed(network.output, states[order], order)
            differs |= bool((np.abs(read - exact[n + 1].center[0]) > exact[n + 1].radius[0]).any())
            assert (np.abs(read - stream.x.center[at]) <= stream.x.radius[at]).all()
    assert differs


@laws
@given(seeds, kinds)
def test_the_checkers_image_holds_the_image_of_every_state(rng: np.random.Generator, kind: str) -> None:
    network, frame, radii = drawn(rng, kind)
    columns, sizes, discs, n = [], [], [], 0
    while n < network.width:
        axis = frame.axes[:, n]
        is_pair = bool(axis.imag.any())
        columns += [axis.real, axis.imag] if is_pair else [axis.real]
        sizes.append(2 if is_pair else 1)
        discs.append(arb((2.0 if is_pair else 1.0) * radii[n]))
        n += sizes[-1]
    axes = [[arb(float(v)) for v in row] for row in np.array(columns).T]
    checked = CheckedFrame.of([arb(float(v)) for v in frame.center], axes, Discs(tuple(sizes), discs))
    states, token = states_in(rng, frame, radii), int(rng.integers(2))
    a, cells = Forms(checked.discs), read(network)
    image = a.after(cells, checked.states(), token)
    after = network.step(states, np.full(len(states), token))
    reach = checked.reaches(image)
    for state in after:
        for x, v in zip(image, state, strict=True):
            assert abs(float(x.center) - v) <= float(a.reach(x)) + 1e-12
        point = [Linear(arb(float(v)), [ZERO] * network.width, ZERO) for v in state]
        assert all(float(p) <= float(r) * (1 + 1e-9) + 1e-9 for p, r in zip(checked.reaches(point), reach, strict=True))


def read(network: Recurrent) -> Checked:
    """The network as the checker reads it."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = save_folder(asked(network), f"{scratch}/n")
        tensors = Tensors("model.safetensors", (folder / "model.safetensors").read_bytes())
        return recurrent_network(json.loads((folder / FILE).read_text()), tensors)


@laws
@given(seeds, kinds)
def test_states_along_a_word_are_known_to_many_digits(rng: np.random.Generator, kind: str) -> None:
    network = random_cells(rng, kind, 2, 1, 0.8)
    word = rng.integers(0, 2, 30).tolist()
    states = network.initial(1)
    for n, known in enumerate(exact_states.along(network, word)):
        assert (np.abs(known.state.center - states) <= known.state.radius + 1e-9).all()
        assert known.state.radius.max() <= 2.0**-39
        if n < len(word):
            states = network.step(states, np.array([word[n]]))


@laws
@given(seeds)
def test_the_norm_of_a_block_is_the_largest_singular_value(rng: np.random.Generator) -> None:
    table = rng.normal(size=(int(rng.integers(1, 3)), int(rng.integers(1, 3))))
    found = float(norm([[arb(float(v)) for v in row] for row in table]))
    assert np.linalg.norm(table, 2) * (1 - 1e-14) <= found <= np.linalg.norm(table, 2) * (1 + 1e-9)
