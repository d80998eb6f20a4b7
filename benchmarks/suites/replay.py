"""The suite "replay": the same recorded queries to every backend, so that only the solver differs.

Two modes. "incremental": one session stays open, as in the loop. "one-shot": a fresh session per query. Every model is
re-evaluated by ``decide``; an answer other than the recorded one is not judged here but shown by the report, which
compares all backends and the record. Reading the file and translating to the backend's logic are not timed. The limit
is CPU seconds of each query, at which the kernel ends this process; see ``execution``. A solver program is a process of
its own: its CPU seconds are counted, and an answer of it that took more than the limit is none.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from pysmt.environment import Environment

from backends import BackendError, Limits, Unknown, decide, get
from backends.recorder import status
from backends.smtlib_process import SmtlibProcess
from backends.translation import fitting_logic, translate
from benchmarks.harness.measure import WALL, CpuClock
from benchmarks.harness.row import digest
from benchmarks.harness.task import Task
from benchmarks.inputs import corpus

MODES = ("incremental", "one-shot")


def plan(
    folder: Path, backends: Sequence[str], seconds: float, memory_mb: int, modes: Sequence[str] = MODES
) -> tuple[Task, ...]:
    """Every file of the corpus in ``folder``, for each mode and backend."""
    tasks = []
    for path in corpus.files(folder):
        sha, name = digest(path.read_bytes()), path.name.removesuffix(".smt2.gz")
        tasks += [
            Task("replay", f"{name}, {mode}", backend, 0, seconds, {"corpus": sha, "mode": mode},
                 {"corpus": str(path)}, memory_mb)
            for mode in modes
            for backend in backends
        ]  # fmt: skip
    return tuple(tasks)


def work(task: Task, report: Callable[..., None]) -> None:
    """Ask every query of the task's file but the first ``options["skip"]``."""
    backend, environment = get(task.backend), Environment()
    logic, limits = fitting_logic(backend.logics), Limits(seconds=WALL * task.seconds)
    clock = CpuClock(descendants=isinstance(backend, SmtlibProcess))
    spent = solving = 0.0
    report(solver=f"{backend.name} {backend.version()}")
    with ExitStack() as stack:
        session = None
        for number, query in enumerate(corpus.read(Path(task.files["corpus"]), environment)):
            if number < int(task.options.get("skip", 0)):
                continue
            formula = translate(environment, query.formula, logic)
            report(asking=query.name)
            signal.setitimer(signal.ITIMER_PROF, task.seconds)
            start = clock.now()
            if session is None or task.options["mode"] == "one-shot":
                stack.close()
                session = stack.enter_context(backend.open(environment, logic, seed=task.seed))
            try:
                answer = decide(session, query.name, formula, limits)
            except BackendError as error:
                report(answers=[[query.name, f"error: {error}", clock.now() - start, query.expected]])
                session = None
                continue
            seconds = clock.now() - start
            signal.setitimer(signal.ITIMER_PROF, 0)
            spent, solving = spent + seconds, solving + answer.seconds
            said = f"unknown: {answer.reason}" if isinstance(answer, Unknown) else status(answer)
            report(answers=[[query.name, said, round(seconds, 6), query.expected]])
    report(status="solved", seconds=spent, phases={"encode": max(spent - solving, 0.0), "solve": solving})
