"""Images of sets of states hold every state of the set: the prover's, the checker's, and executions in float32."""

import json
import tempfile
from collections.abc import Iterator

import flint
import numpy as np
import pytest
from flint import arb
from hypothesis import given, settings
from hypothesis import strategies as st
from state_networks import asked, random_cells

from tasks.bounds import ball, exact_states, frames
from tasks.bounds.frames import Frame
from tasks.checker.arithmetic import ZERO
from tasks.checker.files import Tensors
from tasks.checker.recurrent import Recurrent as Checked
from tasks.checker.recurrent_forms import Discs, Forms, Linear, norm
from tasks.checker.recurrent_forms import Frame as CheckedFrame
from tasks.checker.steps import FILE, recurrent_network
from tasks.formats.network_folder import save_folder
from tasks.networks.recurrent import Recurrent

seeds = st.integers(0, 2**32 - 1).map(np.random.default_rng)
kinds = st.sampled_from(["tanh", "sigmoid", "gru", "reset", "lstm"])
laws = settings(max_examples=25, deadline=None, derandomize=True)


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
