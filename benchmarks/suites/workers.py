"""The suite "workers": one piece of work here, here in parts, by two processes, and by two workers of a local cluster.

    listing             a circuit's sequences, with bounds
    boxes of counts     branch and bound over them, where they decide what a circuit answers
    path cover          the nodes of a program's states, and boxes that are cut (``COVERED``)
    levels of states    ellipsoids of a tanh network with random weights, level by level
    steps of pairs      boxes of a network of numbers beside a loop, step by step

    here             all of it, sequences in blocks as large as memory likes them
    in parts         the same parts that workers are given, one after the other; their CPU seconds are recorded
    2 processes      ``--workers 2``
    2 Dask workers   ``--workers tcp://...`` with a scheduler and two workers on this machine

Cost is CPU seconds of everything that was started, start-up of the workers included, since on a machine that others use
as well wall clock says little. The results of all four, of a listing of the last three, must be equal to the last bit,
which the page says.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.harness.task import Task
from tasks.formats.circuit_folder import weights_sha256

SUITE, COUNT = "workers", 2
HERE, PARTS, PROCESSES, DASK = "here", "in parts", f"{COUNT} processes", f"{COUNT} Dask workers"
TOOLS = (HERE, PARTS, PROCESSES, DASK)
LISTED, LONGEST = 60_000, 16  # sequences; how long they may be
BOXES, LETTERS = 300, 3  # tokens, and different ones at most, where boxes of counts are bounded
TRIMMED = "MALLOC_TRIM_THRESHOLD_"  # Dask sets it for workers; each large array is then new memory from the system
LIST, BOUND, COVER = "listing", "boxes of counts", "path cover"
LEVELS, STEPS = "levels of states", "steps of pairs"
MADE = {LEVELS: "random tanh network", STEPS: "sum of numbers"}  # here, not loaded
COVERED = {"bracket_depth": ("']]' if tokens.count('[') - tokens.count(']') >= 2 else ']'", 12)}  # program, length
WIDTH, DEPTH = 64, 13  # numbers of a state, and tokens, of which there are two
NUMBERS, STEPPED = 100, 40  # numbers of an input, and steps


def plan(folders: Sequence[Path], seconds: float, memory_mb: int) -> tuple[Task, ...]:
    """Every way for each circuit, and for what is made here; see above for which circuits have what."""
    circuits = [
        (f"{folder.name}, {what}", {"circuit": weights_sha256(folder), "what": what}, {"circuit": str(folder)})
        for folder in folders
        for what in (LIST, BOUND, COVER)
        if what == LIST or (folder.name in COVERED if what == COVER else _is_counted(folder))
    ]
    made = [(f"{name}, {what}", {"what": what}, dict[str, str]()) for what, name in MADE.items()]
    return tuple(
        Task(SUITE, name, tool, 0, seconds, options, files, memory_mb)
        for name, options, files in [*circuits, *made]
        for tool in TOOLS
    )


def _is_counted(folder: Path) -> bool:
    from tasks.formats.circuit_folder import load_circuit
    from tasks.proofs.count_bounds import obstacle

    circuit = load_circuit(folder)
    return len(circuit.domain.alphabet) <= LETTERS and obstacle(circuit) is None


def work(task: Task, report: Callable[..., None]) -> None:
    """Do one piece of work in one of the ways."""
    from benchmarks.harness.measure import cpu_seconds

    what = task.options["what"]
    if what in MADE:
        run = {LEVELS: _levels, STEPS: _steps}[what]()
    else:
        run = {LIST: _listing, BOUND: _bounding, COVER: _covering}[what](Path(task.files["circuit"]))
    start, rounds = cpu_seconds(), list[list[float]]()
    with _workers(task.backend, rounds):
        detail = run()
    report(status="solved", reason="", seconds=cpu_seconds() - start, detail={**detail, "parts": rounds})


def _listing(folder: Path) -> Callable[[], dict[str, Any]]:
    """What lists a circuit's sequences; how many, and a digest of all that is found."""
    from cegis import Domain
    from tasks.formats import load
    from tasks.proofs.enumeration import enumerate_domain, shortened
    from tasks.proofs.verifier import lengthened

    model = load(folder)
    own = model.domain
    domain = shortened(Domain(own.alphabet, own.min_length, LONGEST, own.constraint), LISTED)
    model = lengthened(model, domain)

    def run() -> dict[str, Any]:
        found = enumerate_domain(model, domain)
        digest = hashlib.sha256()
        for part in found.lengths:
            digest.update(part.labels.tobytes())
            digest.update(part.margins.tobytes())
        return {
            "size": domain.size(), "of": "sequences", "longest": domain.lengths[-1], "computations": found.classes,
            "result": f"{digest.hexdigest()[:16]}, {found.classes}, {found.radius!r}",
        }  # fmt: skip

    return run


def _bounding(folder: Path) -> Callable[[], dict[str, Any]]:
    """What labels every vector of counts by branch and bound; how many boxes, and a digest of all that is found."""
    from tasks.bounds.ball import FLOAT32
    from tasks.formats.circuit_folder import load_circuit
    from tasks.proofs.count_bounds import Tally

    tally = Tally(load_circuit(folder), FLOAT32)

    def run() -> dict[str, Any]:
        canvas, least = tally.paint(0, BOXES, lambda: None)
        result = f"{hashlib.sha256(canvas.tobytes()).hexdigest()[:16]}, {least!r}, {tally.seen}"
        return {"size": tally.boxes, "of": "boxes", "longest": BOXES, "result": result}

    return run


def _covering(folder: Path) -> Callable[[], dict[str, Any]]:
    """What proves a program by the states that it needs; how many boxes, and the least margin."""
    from cegis import Program, motifs
    from tasks.formats import load
    from tasks.networks.readout import Argmax
    from tasks.proofs.path_cover import CoveringVerifier

    text, longest = COVERED[folder.name]
    model = load(folder)
    domain = model.domain.up_to(longest)
    assert isinstance(model.readout, Argmax)
    grammar = motifs(domain.alphabet, model.readout.names, min_length=domain.min_length)
    program = Program.parse(f"def f(tokens):\n    return {text}\n", grammar)
    verifier = CoveringVerifier(model, domain)

    def run() -> dict[str, Any]:
        found = verifier.examine(program)
        result = f"equal up to {found.equal_up_to}, {verifier.margin!r}, {verifier.boxes}"
        return {"size": verifier.boxes, "of": "boxes", "longest": found.equal_up_to, "result": result}

    return run


def _levels() -> Callable[[], dict[str, Any]]:
    """What bounds every state of a network of random weights; how many, and a digest of all bounds."""
    import numpy as np

    from tasks.bounds import recurrent_ellipsoid
    from tasks.bounds.ball import FLOAT32
    from tasks.networks.recurrent import Recurrent
    from tasks.networks.transformer import Activation, Affine

    random = np.random.default_rng(0)

    def numbers(*shape: int, scale: float) -> Any:
        return random.normal(scale=scale, size=shape).astype(np.float32).astype(np.float64)

    after = (Affine(numbers(WIDTH, 2 * WIDTH, scale=WIDTH**-0.5), numbers(WIDTH, scale=0.1)), Activation("tanh"))
    output = (Affine(numbers(2, WIDTH, scale=1.0), np.zeros(2)),)
    network = Recurrent(numbers(2, WIDTH, scale=1.0), np.zeros(WIDTH), after, output)
    words = np.indices((2,) * DEPTH).reshape(DEPTH, -1).T

    def run() -> dict[str, Any]:
        found = recurrent_ellipsoid.enclose(network, [words], FLOAT32)
        digest = hashlib.sha256(found.x.center.tobytes() + found.x.radius.tobytes()).hexdigest()
        return {"size": len(found.x), "of": "states", "longest": DEPTH, "result": digest[:16]}

    return run


def _steps() -> Callable[[], dict[str, Any]]:
    """What walks a network of numbers, a little more than their sum, beside the sum; the pairs, and what is proved."""
    import numpy as np

    from dsl.grammars.motifs import PLUS
    from dsl.grammars.streams import Input, Running, loop_of
    from tasks.bounds.ball import FLOAT64
    from tasks.networks.number_streams import combinations
    from tasks.networks.recurrent import Recurrent
    from tasks.networks.transformer import Affine
    from tasks.proofs.stream_states import Boxes, Equal, Walk

    inputs, loop = combinations(0, NUMBERS - 1, 1), loop_of(Running(Input(0), PLUS), 1)
    added, same = Affine(np.array([[1.0, 1.0 + 2.0**-20]]), np.zeros(1)), Affine(np.ones((1, 1)), np.zeros(1))
    network = Recurrent(inputs.astype(np.float64), np.zeros(1), (added,), (same,))
    walk = Walk(network, inputs, loop, 0, Boxes(network, FLOAT64, "float64"), time.perf_counter() + 3600)

    def run() -> dict[str, Any]:
        found = walk.run(STEPPED)
        assert isinstance(found, Equal)
        result = f"{found.length}, {found.margin!r}, {found.pairs}"
        return {"size": found.pairs, "of": "pairs", "longest": STEPPED, "result": result}

    return run


@contextmanager
def _workers(tool: str, rounds: list[list[float]]) -> Iterator[None]:
    """Those of a tool; they have ended, and their time is counted, behind it.

    ``rounds`` is told, of parts that are made here, how long each took: a list for those that are given out together.
    """
    from tasks.bounds.workers import Part, Workers, opened, using

    class Noted(Workers):
        """Begins a list of the parts that they are given together."""

        def map(
            self,
            function: Callable[..., Any],
            shared: Any,
            parts: Sequence[Part],
            check_time: Callable[[], None] = lambda: None,
        ) -> Iterator[Any]:
            """As ever."""
            rounds.append([])
            yield from super().map(function, shared, parts, check_time)

    if tool == HERE:
        yield
    elif tool == PARTS:
        with using(Noted(lambda: _Here(rounds))):
            yield
    elif tool == PROCESSES:
        with opened(str(COUNT)) as workers:
            yield
            workers.close(wait=True)
    else:
        import dask
        from distributed import LocalCluster

        spawned = dask.config.get("distributed.nanny.pre-spawn-environ")
        spawned = {name: value for name, value in spawned.items() if name != TRIMMED}
        with (
            dask.config.set({"distributed.nanny.pre-spawn-environ": spawned}),
            LocalCluster(n_workers=COUNT, threads_per_worker=1, dashboard_address="127.0.0.1:0") as cluster,
            opened(cluster.scheduler_address),
        ):
            yield


class _Here(Executor):
    """Does what it is given at once, and notes how many CPU seconds that took."""

    def __init__(self, rounds: list[list[float]]) -> None:
        self._rounds = rounds

    def submit(self, fn: Callable[..., Any], /, *given: Any, **named: Any) -> Future[Any]:
        """A future that is done."""
        future: Future[Any] = Future()
        start = time.process_time()
        future.set_result(fn(*given, **named))
        self._rounds[-1].append(round(time.process_time() - start, 4))
        return future
