"""The suite "workers": one piece of work here, here in parts, by two processes, and by two workers of a local cluster.

The work is a listing with bounds, or a branch and bound over boxes of counts.

    here             all of it, sequences in blocks as large as memory likes them
    in parts         the same parts that workers are given, one after the other; their CPU seconds are recorded
    2 processes      ``--workers 2``
    2 Dask workers   ``--workers tcp://...`` with a scheduler and two workers on this machine

Cost is CPU seconds of everything that was started, start-up of the workers included, since on a machine that others use
as well wall clock says little. The results of the last three, of boxes all four, must be equal to the last bit, which
the page says.
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
LIST, BOUND = "listing", "boxes of counts"


def plan(folders: Sequence[Path], seconds: float, memory_mb: int) -> tuple[Task, ...]:
    """Every way for each circuit; boxes where counts of few letters decide what a circuit answers."""
    return tuple(
        Task(SUITE, f"{folder.name}, {what}", tool, 0, seconds, {"circuit": weights_sha256(folder), "what": what},
             {"circuit": str(folder)}, memory_mb)
        for folder in folders
        for what in (LIST, BOUND)
        if what == LIST or _is_counted(folder)
        for tool in TOOLS
    )  # fmt: skip


def _is_counted(folder: Path) -> bool:
    from tasks.formats.circuit_folder import load_circuit
    from tasks.proofs.count_bounds import obstacle

    circuit = load_circuit(folder)
    return len(circuit.domain.alphabet) <= LETTERS and obstacle(circuit) is None


def work(task: Task, report: Callable[..., None]) -> None:
    """List a circuit's sequences, or bound its boxes, in one of the ways."""
    from benchmarks.harness.measure import cpu_seconds

    make = _listing if task.options["what"] == LIST else _bounding
    run = make(Path(task.files["circuit"]))
    start, lengths = cpu_seconds(), list[float]()
    with _workers(task.backend, lengths):
        detail = run()
    report(status="solved", reason="", seconds=cpu_seconds() - start, detail={**detail, "parts": lengths})


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
            "sequences": domain.size(), "longest": domain.lengths[-1], "computations": found.classes,
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
        return {"boxes": tally.boxes, "longest": BOXES, "result": result}

    return run


@contextmanager
def _workers(tool: str, lengths: list[float]) -> Iterator[None]:
    """Those of a tool; they have ended, and their time is counted, behind it."""
    from tasks.bounds.workers import Workers, opened, using

    if tool == HERE:
        yield
    elif tool == PARTS:
        with using(Workers(lambda: _Here(lengths))):
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

    def __init__(self, lengths: list[float]) -> None:
        self._lengths = lengths

    def submit(self, fn: Callable[..., Any], /, *given: Any, **named: Any) -> Future[Any]:
        """A future that is done."""
        future: Future[Any] = Future()
        start = time.process_time()
        future.set_result(fn(*given, **named))
        self._lengths.append(round(time.process_time() - start, 4))
        return future
