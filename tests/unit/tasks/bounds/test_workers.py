"""Claims about workers: the same result however many there are, in order, and one that is killed loses nothing.

What is proved by them, and that it stays what it is while one is killed, is in ``test_parts_of_proofs``.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Future, ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path
from typing import ClassVar, TypeVar

import numpy as np
import pytest
from click.testing import CliRunner

from tasks.bounds import workers
from tasks.bounds.ball import FLOAT32
from tasks.bounds.workers import TRIES, Workers, WorkersError, blocks, current, each, opened, using
from tasks.commands.main import distill
from tasks.formats import load
from tasks.formats.circuit_folder import shipped_path
from tasks.proofs import count_bounds, enumeration
from tasks.proofs.count_bounds import Tally
from tasks.proofs.enumeration import Enumeration, LateError, enumerate_domain

ROOT = Path(workers.__file__).parents[2]
T = TypeVar("T")


def threads(count: int) -> Workers:
    return Workers(lambda: ThreadPoolExecutor(count))


def power(_: None, base: int, exponent: int) -> int:
    return base**exponent


def killed_once(_: None, number: int, folder: str) -> int:
    """The square of a number; the first worker that is asked for that of 2 is killed at it."""
    mark = Path(folder) / "killed"
    if number == 2 and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return number * number


def test_blocks_are_all_rows_once() -> None:
    for count in range(9):
        for size in (1, 2, 3, 8):
            cut = blocks(count, size)
            assert [row for rows in cut for row in range(count)[rows]] == [*range(count)]
            assert all(0 < rows.stop - rows.start <= size for rows in cut)


def test_a_worker_that_is_killed_loses_nothing(tmp_path: Path) -> None:
    with opened("2") as workers:
        assert [*workers.map(killed_once, None, [(n, str(tmp_path)) for n in range(5)])] == [0, 1, 4, 9, 16]
    assert (tmp_path / "killed").exists()


class Broken(ThreadPoolExecutor):
    """An executor whose workers are all lost at once."""

    def submit(self, *_: object, **__: object) -> Future[object]:  # type: ignore[override]
        future: Future[object] = Future()
        future.set_exception(BrokenExecutor("gone"))
        return future


def test_where_every_worker_is_lost_it_is_computed_here() -> None:
    started = []
    workers = Workers(lambda: started.append(1) or Broken(1))  # type: ignore[func-returns-value]
    assert [*workers.map(power, None, [(2, 3), (3, 2)])] == [8, 9]
    assert len(started) >= TRIES


class Plain(ThreadPoolExecutor):
    """An executor that can be shut down as ``concurrent.futures.Executor`` says, and as Dask's can, no more."""

    def shutdown(self, wait: bool = True) -> None:  # type: ignore[override]
        super().shutdown(wait)


def test_any_executor_may_be_used_and_is_let_go() -> None:
    made: list[Plain] = []
    with using(Workers(lambda: made.append(Plain(1)) or made[-1])) as workers:  # type: ignore[func-returns-value]
        assert [*workers.map(power, None, [(2, 3)])] == [8]
    with pytest.raises(RuntimeError, match="after shutdown"):
        made[0].submit(pow, 2, 3)


def is_alone(_: None, number: int) -> bool:
    return current() is None


def test_inside_a_part_nobody_is_in_use() -> None:
    class Here(ThreadPoolExecutor):
        def submit(self, function: Callable[..., T], *given: object) -> Future[T]:  # type: ignore[override]
            future: Future[T] = Future()
            future.set_result(function(*given))
            return future

    with using(Workers(lambda: Here(1))):
        assert [*each(is_alone, None, [(1,), (2,)])] == [True, True]
        assert current() is not None


class Counted:
    """Notes each time that it is unpacked."""

    unpacked: ClassVar[list[int]] = []

    def __setstate__(self, state: object) -> None:
        Counted.unpacked.append(1)

    def __getstate__(self) -> dict[str, int]:
        return {"a network": 1}


def is_counted(shared: object, _: int) -> bool:
    return isinstance(shared, Counted)


def test_what_is_shared_is_unpacked_once_by_a_worker_and_not_at_all_here() -> None:
    Counted.unpacked.clear()
    shared = Counted()
    assert all(each(is_counted, shared, [(n,) for n in range(5)]))
    assert not Counted.unpacked
    with using(threads(1)):
        for _ in range(2):
            assert all(each(is_counted, shared, [(n,) for n in range(5)]))
    assert len(Counted.unpacked) == 1


def asleep(_: None, seconds: float) -> None:
    time.sleep(seconds)


def test_a_limit_holds_while_a_worker_is_at_work_and_the_worker_ends() -> None:
    started = time.monotonic()

    def check_time() -> None:
        if multiprocessing.active_children():
            raise LateError

    with pytest.raises(LateError), opened("1"):
        [*each(asleep, None, [(600.0,), (600.0,)], check_time)]
    while multiprocessing.active_children():
        assert time.monotonic() < started + 60
        time.sleep(0.02)


BOSS = """
import multiprocessing, sys, threading, time
from tasks.bounds import workers
from tasks.bounds.workers import TRIES, Workers, WorkersError, blocks, current, each, opened, using
from test_workers import asleep

def told():
    while not multiprocessing.active_children():
        time.sleep(0.02)
    print(multiprocessing.active_children()[0].pid, flush=True)

if __name__ == "__main__":
    with opened("1"):
        threading.Thread(target=told).start()
        list(each(asleep, None, [(600.0,), (600.0,)]))
"""


@pytest.mark.slow
def test_a_worker_ends_with_the_process_that_started_it_even_by_kill_9(tmp_path: Path) -> None:
    psutil = pytest.importorskip("psutil")
    (tmp_path / "boss.py").write_text(BOSS)
    here = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(Path(__file__).parent)])}
    boss = subprocess.Popen([sys.executable, str(tmp_path / "boss.py")], env=here, stdout=subprocess.PIPE, text=True)
    assert boss.stdout is not None
    with boss, boss.stdout:
        worker = psutil.Process(int(boss.stdout.readline()))
        deadline = time.monotonic() + 60
        while worker.num_threads() < 2 and time.monotonic() < deadline:  # it is not yet told whom to follow
            time.sleep(0.02)
        boss.kill()
    worker.wait(60)


def test_where_no_worker_comes_nobody_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "ALONE", 0.05)

    class Never(ThreadPoolExecutor):
        def submit(self, *_: object) -> Future[object]:  # type: ignore[override]
            return Future()

    gone = Workers(lambda: Never(1), has_any=lambda: False)
    assert [*gone.map(power, None, [(2, 3), (3, 2)])] == [8, 9]


def late(_: None, number: int) -> int:
    raise LateError(number)


def test_what_a_part_raises_is_raised_and_is_no_loss() -> None:
    with pytest.raises(LateError):
        [*threads(2).map(late, None, [(1,), (2,)])]


def listed(workers: Workers | None) -> Enumeration:
    model = load(shipped_path("bracket_depth"))
    if workers is None:
        return enumerate_domain(model, model.domain.up_to(7))
    with using(workers):
        return enumerate_domain(model, model.domain.up_to(7))


def test_labels_and_margins_do_not_depend_on_how_many_workers_list_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(enumeration, "PART", 500)
    alone, one, three = listed(None), listed(threads(1)), listed(threads(3))
    assert current() is None
    assert (one.classes, one.radius) == (three.classes, three.radius)
    assert one.classes > alone.classes  # cut into parts, each of which shares its own beginnings
    for a, b, c in zip(alone.lengths, one.lengths, three.lengths, strict=True):
        assert np.array_equal(b.labels, c.labels)
        assert np.array_equal(b.margins, c.margins)
        assert np.array_equal(a.labels, b.labels)
        assert np.allclose(a.margins, b.margins, rtol=1e-12)


@pytest.mark.parametrize("said", ["0", "many", "1.5", "http://host", ""])
def test_workers_that_cannot_be_had_are_one_sentence(said: str) -> None:
    with (
        pytest.raises(WorkersError, match="expected a number of workers from 1 to 256, or a Dask scheduler"),
        opened(said),
    ):
        pass
    result = CliRunner().invoke(distill, ["run", "quote_closing", "--workers", said])
    assert isinstance(result.exception, WorkersError)


def painted(workers: Workers | None) -> tuple[object, ...]:
    tally = pickle.loads(pickle.dumps(Tally(load(shipped_path("bracket_depth")), FLOAT32)))  # as workers are given it
    with nullcontext() if workers is None else using(workers):
        canvas, least = tally.paint(0, 40, lambda: None)
    return canvas.tobytes(), least, tally.boxes, tally.seen


@pytest.mark.slow
def test_boxes_of_counts_do_not_depend_on_how_many_workers_bound_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(count_bounds, "ROWS", 64)
    assert painted(None) == painted(threads(1)) == painted(threads(3))


def test_a_time_limit_holds_while_workers_bound_boxes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(count_bounds, "ROWS", 64)
    tally, asked = Tally(load(shipped_path("bracket_depth")), FLOAT32), []

    def late() -> None:
        asked.append(1)
        if len(asked) == 5:
            raise LateError

    with using(threads(2)), pytest.raises(LateError):
        tally.paint(0, 40, late)
