"""Run many tasks on any ``concurrent.futures`` executor, keep every row, and lose none.

Tasks are shuffled by seed, so that a drift of the machine favours no backend. Rows are written as they arrive; a
task whose row is there already is not run again. A run that was killed (wall clock, a signal from outside) measured
nothing: its row is kept and it is made again behind the others, ``REPEATS`` times. A task whose worker went away (an
executor's exception, not a row) is tried once more and then recorded as "lost". Each task starts a measured process of
its own, so threads are enough on one machine; elsewhere the executor's machines need this package and the same files at
the same paths.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from benchmarks.harness import standing
from benchmarks.harness.execution import execute, lost
from benchmarks.harness.row import REPEATS, BenchmarkError, Place, Row, append, finished, read
from benchmarks.harness.task import Task

TRIES = 2


def run_all(
    tasks: Sequence[Task],
    rows_file: Path,
    place: Place,
    executor: Executor,
    *,
    seed: int | None = 0,
    on_row: Callable[[Row, bool], None] = lambda row, is_new: None,
    run: Callable[[Task, Place], Row] = execute,
) -> tuple[Row, ...]:
    """The rows of ``tasks``, in their order: known ones from ``rows_file``, new ones run and added to it.

    ``run`` must be importable by the executor's processes. ``on_row(row, is_new)`` is called as rows arrive.
    Without a ``seed`` tasks are run in their order.
    """
    standing.record(rows_file, tasks, place)
    known = finished(read(rows_file))
    rows = {key: known[key] for key in (task.key(place) for task in tasks) if key in known}
    for row in rows.values():
        on_row(row, False)
    left = [task for task in tasks if task.key(place) not in rows]
    if seed is not None:
        random.Random(seed).shuffle(left)
    repeats = dict.fromkeys((task.key(place) for task in left), 0)
    waiting: dict[Future[Row], tuple[Task, int]] = {executor.submit(run, task, place): (task, 1) for task in left}
    try:
        while waiting:
            for future in wait(waiting, return_when=FIRST_COMPLETED).done:
                task, tried = waiting.pop(future)
                if tried < TRIES and (future.cancelled() or future.exception() is not None):
                    waiting[executor.submit(run, task, place)] = (task, tried + 1)
                    continue
                row = replace(_row(future, task, place), repeats=repeats[task.key(place)])
                append(rows_file, row)
                rows[row.key] = row
                on_row(row, True)
                if row.status == "killed" and row.repeats < REPEATS:
                    repeats[row.key] += 1
                    waiting[executor.submit(run, task, place)] = (task, 1)
    except BaseException:
        for future in waiting:
            future.cancel()
        raise
    return tuple(rows[task.key(place)] for task in tasks)


def _row(future: Future[Row], task: Task, place: Place) -> Row:
    """The row of a task, "lost" where its worker was lost at the last try too; raises what is an error of ours.

    An executor's own bookkeeping of a worker that dies may fail with any exception, so the first never counts.
    """
    try:
        return future.result()
    except (TypeError, AttributeError, NameError, ValueError):
        raise
    except Exception as error:
        return lost(task, place, f"lost {TRIES} times: {type(error).__name__}: {error}")


@contextmanager
def executor(name: str, jobs: int, scheduler: str = "") -> Iterator[Executor]:
    """The executor called ``name``: "processes" (on this machine, ``jobs`` at a time) or "dask"."""
    if jobs < 1:
        raise BenchmarkError(f"expected at least 1 job at a time, got {jobs}")
    if scheduler and name != "dask":
        raise BenchmarkError(f"--scheduler is for the executor dask, got the executor {name}")
    if name == "processes":
        with ThreadPoolExecutor(jobs) as threads:
            yield threads
    elif name == "dask":
        with _dask(jobs, scheduler) as client:
            yield client
    else:
        raise BenchmarkError(f"unknown executor {name!r}; known: processes, dask")


@contextmanager
def _dask(jobs: int, scheduler: str) -> Iterator[Executor]:
    """A Dask scheduler at an address, or a cluster of ``jobs`` processes on this machine."""
    try:
        import dask
        from distributed import Client, LocalCluster
    except ImportError as error:
        raise BenchmarkError(f"the executor dask needs: pip install distributed ({error})") from error
    if scheduler:
        try:
            client = Client(scheduler, timeout=10)
        except (OSError, ValueError) as error:
            raise BenchmarkError(f"no Dask scheduler answers at {scheduler!r}: {error}") from error
        with client:
            yield client.get_executor(pure=False)
        return
    ours = {
        # retrying is decided here, not there; and a worker holds one task at a time, so that its death costs one
        "distributed.scheduler.allowed-failures": 0,
        "distributed.scheduler.worker-saturation": 1.0,
        "distributed.scheduler.worker-ttl": None,  # a machine that was asleep has lost no worker
    }
    with (
        dask.config.set(ours),
        LocalCluster(
            n_workers=jobs, threads_per_worker=1, dashboard_address="127.0.0.1:0", silence_logs=logging.CRITICAL
        ) as cluster,
        Client(cluster) as client,
    ):
        cluster.adapt(minimum=jobs, maximum=jobs)  # a worker that could not be started again is replaced
        yield client.get_executor(pure=False)
