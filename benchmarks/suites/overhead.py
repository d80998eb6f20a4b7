"""The suite "overhead": what this project's solver layer costs over the solver's own Python interface.

Both sides are asked the same recorded queries in the same order, alternating, each on one solver that stays open:

    layer   decide(session, name, formula): fragment check, pySMT's conversion, push, assert, check, model, pop,
            and the model re-evaluated in exact arithmetic
    native  a direct walk over the formula that calls the solver's interface (each distinct subterm once per solver, as
            a native program would build it), push, assert, check, the same values read, pop

The native side gets the solver options that pySMT sets and is renewed as often as the layer's. It checks nothing and
names nothing. Answers must agree, or the run is an error. Only z3 and cvc5 have a pySMT converter to measure.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from pysmt.environment import Environment
from pysmt.logics import QF_LIA

from backends import decide, get
from backends.recorder import status
from benchmarks.harness.row import BenchmarkError, digest
from benchmarks.harness.task import Task
from benchmarks.inputs import corpus
from benchmarks.peers import native
from tasks.formats.circuit_folder import weights_sha256

QUERIES, LENGTHS = 80, (5, 8)


def plan(
    circuits: Sequence[Path], backends: Sequence[str], seeds: int, seconds: float, memory_mb: int, cache: Path
) -> tuple[Task, ...]:
    """Every circuit for each backend that has a native side; the queries are recorded on first use."""
    measured = [backend for backend in backends if backend in native.SOLVERS]
    if not measured:
        raise BenchmarkError(f"expected one of {', '.join(native.SOLVERS)} among the backends, got {backends}")
    tasks = []
    for folder in circuits:
        target = cache / f"overhead-{folder.name}-{digest(weights_sha256(folder))}"
        if not target.exists():
            cache.mkdir(parents=True, exist_ok=True)
            with TemporaryDirectory(dir=cache) as fresh:
                corpus.record([folder], Path(fresh) / "q", cache, get("z3"), queries=QUERIES, lengths=LENGTHS)
                (Path(fresh) / "q").rename(target)
        for path in corpus.files(target):
            name = path.name.removesuffix(".smt2.gz")
            options = {"corpus": digest(path.read_bytes())}
            files = {"corpus": str(path)}
            tasks += [Task("overhead", name, backend, 0, seconds, options, files, memory_mb) for backend in measured]
    return tuple(tasks)


def work(task: Task, report: Callable[..., None]) -> None:
    """Ask every query on both sides, which of them first by turns; ``pairs`` are (layer, native, solver) seconds."""
    backend, environment = get(task.backend), Environment()
    pairs: list[tuple[float, float, float]] = []
    bare = native.SOLVERS[task.backend](task.seed)
    start = time.perf_counter()
    with backend.open(environment, QF_LIA, seed=task.seed) as session:
        for number, query in enumerate(corpus.read(Path(task.files["corpus"]), environment)):
            said: dict[str, str] = {}
            took: dict[str, float] = {}
            for side in ("layer", "native") if number % 2 else ("native", "layer"):
                began = time.perf_counter()
                if side == "layer":
                    answer = decide(session, query.name, query.formula)
                    said[side] = status(answer)
                else:
                    said[side] = bare.ask(query.formula)
                took[side] = time.perf_counter() - began
            if said["layer"] != said["native"]:
                raise BenchmarkError(f"{query.name}: the layer says {said['layer']}, natively {said['native']}")
            pairs.append((round(took["layer"], 7), round(took["native"], 7), round(answer.seconds, 7)))
    report(
        status="solved",
        reason="",
        solver=f"{backend.name} {backend.version()}",
        seconds=time.perf_counter() - start,
        queries=len(pairs),
        detail={"pairs": pairs},
    )
