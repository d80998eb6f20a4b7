"""Proofs cut into parts: the same to the last bit whoever computes them, while a worker is killed, and in time."""

from __future__ import annotations

import hashlib
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from average_networks import AB, Affine, Attention, average
from quick import sliced
from recurrent_networks import write_dynet

from cegis import Domain, Program, motifs
from dsl.grammars.motifs import PLUS
from dsl.grammars.streams import Input, Running, loop_of
from tasks.bounds import recurrent, recurrent_ellipsoid, recurrent_zonotope
from tasks.bounds.ball import FLOAT32, FLOAT64
from tasks.bounds.interpreter import Stream
from tasks.bounds.workers import Part, Workers, opened, using
from tasks.formats import load
from tasks.formats.circuit_folder import shipped_path
from tasks.networks.number_streams import combinations
from tasks.networks.recurrent import Recurrent
from tasks.proofs import count_bounds, enumeration, path_cover, stream_states
from tasks.proofs.count_bounds import Tally
from tasks.proofs.enumeration import LateError, enumerate_domain, in_float64
from tasks.proofs.path_cover import CoveringVerifier
from tasks.proofs.stream_states import Boxes, Equal, Open, Walk

Run = Callable[[], object]  # something compared bit by bit


def digest(*arrays: np.ndarray[Any, Any]) -> str:
    return hashlib.sha256(b"".join(np.ascontiguousarray(array).tobytes() for array in arrays)).hexdigest()


def of_stream(found: Stream) -> str:
    return digest(found.x.center, found.x.radius, found.token, *found.places)


def boxes_of_counts(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Run:
    monkeypatch.setattr(count_bounds, "ROWS", 64)

    def run() -> object:
        tally = Tally(load(shipped_path("bracket_depth")), FLOAT32)
        canvas, least = tally.paint(0, 40, lambda: None)
        return digest(canvas), least, tally.boxes, tally.seen

    return run


def listing(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Run:
    monkeypatch.setattr(enumeration, "PART", 300)
    monkeypatch.setattr(enumeration, "FEWEST", 1)
    model = load(shipped_path("bracket_depth"))

    def run() -> object:
        found = in_float64(enumerate_domain(model, model.domain.up_to(6)), 100.0)
        return digest(*(one for part in found.lengths for one in (part.labels, part.margins))), found.radius

    return run


def levels(monkeypatch: pytest.MonkeyPatch, folder: Path, enclose: Callable[..., Stream], **options: int) -> Run:
    monkeypatch.setattr(recurrent.Balls, "rows", 16)
    monkeypatch.setattr(recurrent_zonotope.Zonotopes, "rows", 16)
    model = load(write_dynet(folder / "net", "gru"))
    assert isinstance(model.network, Recurrent)
    words = model.prompts(Domain(("a", "b"), 8, 8).sequences(8))
    return lambda: of_stream(enclose(model.network, [words[:, :6], words], FLOAT32, **options))


def balls(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Run:
    return levels(monkeypatch, folder, recurrent.enclose)


def zonotopes(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Run:
    return levels(monkeypatch, folder, recurrent_zonotope.enclose, times=2)


def ellipsoids(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Run:
    return levels(monkeypatch, folder, recurrent_ellipsoid.enclose, ahead=2)


def covered() -> tuple[CoveringVerifier, Program]:
    """Two heads that see the same, of which one is taken from the other: a box of both holds what never comes."""
    loaded = average((1.0, -20.0, 0.5), 13, wiggle=1e-3)
    assert not isinstance(loaded.network, Recurrent)
    one, zero = Affine(np.array([[1.0, 0.0], [1.0, 0.0]])), Affine(np.zeros((2, 2)))
    less = Affine(np.array([[1.0, -0.875], [-1.0, 0.875]]))
    network = replace(loaded.network, steps=(Attention((zero,), (zero,), (one,), 2, 1.0), less))  # type: ignore[type-var]
    text = "def f(tokens):\n    return 'no' if 'b' in tokens else 'yes'\n"
    program = Program.parse(text, motifs(AB, ("yes", "no"), min_length=0))
    return CoveringVerifier(replace(loaded, network=network), loaded.domain), program


def path_covers(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Run:
    verifier, program = covered()

    def run() -> object:
        found = verifier.examine(program)
        assert found.equal_up_to == 13
        return verifier.boxes, verifier.margin, [(cost.length, cost.nodes, cost.boxes) for cost in found.costs]

    return run


def walk() -> Walk:
    """A sum that grows a little, beside the sum."""
    numbers = combinations(0, 5, 1)
    keeps = (Affine(np.array([[1.0, 1.0 + 2.0**-12]]), np.zeros(1)),)
    network = Recurrent(numbers.astype(float), np.zeros(1), keeps, (Affine(np.array([[1.0]]), np.zeros(1)),))
    loop, boxes = loop_of(Running(Input(0), PLUS), 1), Boxes(network, FLOAT64, "float64")
    return Walk(network, numbers, loop, 0, boxes, time.perf_counter() + 600)


def walks(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Run:
    monkeypatch.setattr(stream_states, "ROWS", 16)
    monkeypatch.setattr(stream_states, "PART", 16)

    def run() -> object:
        found = walk().run(12)
        assert isinstance(found, Equal)
        return found.length, found.margin, found.pairs

    return run


PROOFS = (boxes_of_counts, path_covers, ellipsoids, listing, balls, zonotopes, walks)
OFTEN = 2  # of them, in the fast tests, where workers are processes


@dataclass
class Watched(Workers):
    """Notes how many parts they are given, and calls ``then`` behind each, until that says that it is done."""

    then: Callable[[Workers], bool] = lambda workers: True
    parts: int = 0
    is_done: bool = False

    def map(
        self,
        function: Callable[..., Any],
        shared: Any,
        parts: Sequence[Part],
        check_time: Callable[[], None] = lambda: None,
    ) -> Iterator[Any]:
        """As ever."""
        for found in super().map(function, shared, parts, check_time):
            yield found
            self.parts += 1
            self.is_done = self.is_done or self.then(self)


@pytest.mark.parametrize(
    "proof", [*(pytest.param(proof, marks=pytest.mark.slow) for proof in PROOFS[:OFTEN]), *sliced(PROOFS[OFTEN:], 2)]
)
def test_a_proof_does_not_depend_on_how_many_compute_it(
    proof: Callable[..., Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = proof(monkeypatch, tmp_path)
    found, parts = [], []
    for count in (1, 3):
        with using(Watched(lambda count=count: ThreadPoolExecutor(count))) as workers:  # type: ignore[misc]
            found.append(run())
        assert isinstance(workers, Watched)
        parts.append(workers.parts)
    assert found[0] == found[1]
    assert parts[0] == parts[1] > 4
    if proof is not listing:  # whose parts share no beginnings of sequences
        assert run() == found[0]


def kill_one(workers: Workers) -> bool:
    """Kill -9 one of the processes, which is at work or about to be."""
    (pid, *_) = workers._pool._processes  # type: ignore[union-attr]
    os.kill(pid, signal.SIGKILL)
    return True


@pytest.mark.parametrize("proof", sliced(PROOFS, len(PROOFS)))
def test_a_worker_that_is_killed_in_the_middle_changes_nothing(
    proof: Callable[..., Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = proof(monkeypatch, tmp_path)
    with using(Watched(lambda: ThreadPoolExecutor(1))):
        expected = run()
    with opened("2") as workers, using(Watched(workers.start, then=kill_one)) as killed:
        assert run() == expected
    assert isinstance(killed, Watched)
    assert killed.is_done


@pytest.mark.slow  # the mechanism is in test_workers.py; here with a cluster
def test_a_worker_of_a_cluster_that_is_killed_in_the_middle_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=OFTEN + 1, threads_per_worker=1, dashboard_address="127.0.0.1:0"
    ) as cluster:
        address = cluster.scheduler_address

        def kill_another(workers: Workers) -> bool:
            os.kill(next(iter(cluster.workers.values())).pid, signal.SIGKILL)
            return True

        for n, proof in enumerate(PROOFS[:OFTEN]):
            with monkeypatch.context() as changed:
                (tmp_path / str(n)).mkdir()
                run = proof(changed, tmp_path / str(n))
                with using(Watched(lambda: ThreadPoolExecutor(1))):
                    expected = run()
                with opened(address) as workers, using(Watched(workers.start, workers.has_any, kill_another)) as killed:
                    assert run() == expected, proof.__name__
                assert isinstance(killed, Watched)
                assert killed.is_done


@pytest.mark.parametrize("count", [0, 2])
def test_a_cover_that_the_time_ends_keeps_what_was_proved(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    verifier, program = covered()
    compared: list[int] = []
    verifier.on_length = lambda length, longest: compared.append(length)

    def check_time(self: CoveringVerifier) -> None:
        if self is verifier and len(compared) > 4:
            raise LateError

    monkeypatch.setattr(CoveringVerifier, "check_time", check_time)
    verifier.seconds = 1.0
    with using(Workers(lambda: ThreadPoolExecutor(count))) if count else nullcontext():
        found = verifier.examine(program)
    assert found.equal_up_to == 4 == found.claims[0].domain.max_length
    assert found.stopped is not None
    assert "time limit" in found.stopped.text


@pytest.mark.parametrize("count", [0, 2])
def test_a_wrong_program_is_broken_by_a_shortest_sequence_whoever_looks(count: int) -> None:
    verifier, _ = covered()
    text = "def f(tokens):\n    return 'no' if tokens.count('b') > 1 else 'yes'\n"
    program = Program.parse(text, motifs(AB, ("yes", "no"), min_length=0))
    with using(Workers(lambda: ThreadPoolExecutor(count))) if count else nullcontext():
        found = verifier.examine(program)
    assert found.counterexample is not None
    assert found.counterexample.inputs == ("b",)
    assert found.equal_up_to == 0


@pytest.mark.parametrize("count", [0, 2])
def test_a_walk_that_the_time_ends_keeps_the_steps_before(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_states, "ROWS", 16)
    monkeypatch.setattr(stream_states, "PART", 16)
    steps = iter(range(20))

    def check_time(self: Walk) -> None:
        if next(steps, None) is None:
            raise TimeoutError

    monkeypatch.setattr(Walk, "check_time", check_time)
    with using(Workers(lambda: ThreadPoolExecutor(count))) if count else nullcontext():
        found = walk().run(12)
    assert isinstance(found, Open)
    assert 0 < found.equal_up_to < 12


@pytest.mark.slow
def test_boxes_that_are_left_are_cut_some_at_a_time_with_the_same_result(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[int] = []
    each = path_cover.each

    def counted(function: Callable[..., Any], shared: Any, parts: Any, check_time: Callable[[], None]) -> Iterator[Any]:
        parts = list(parts)
        taken.append(len(parts))
        return each(function, shared, parts, check_time)

    monkeypatch.setattr(path_cover, "each", counted)
    found = []
    for most in (1, 2):
        monkeypatch.setattr(path_cover, "TAKEN", most)
        taken.clear()
        found.append(path_covers(monkeypatch, Path())())
        assert max(taken[1:]) == most
    assert found[0] == found[1]
