"""Claims about workers: the same result however many there are, in order, and one that is killed loses nothing."""

from __future__ import annotations

import os
import pickle
import signal
from concurrent.futures import BrokenExecutor, Future, ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from tasks.bounds.ball import FLOAT32
from tasks.commands.main import distill
from tasks.formats import load
from tasks.formats.circuit_folder import shipped_path
from tasks.proofs import count_bounds, enumeration
from tasks.proofs.count_bounds import Tally
from tasks.proofs.enumeration import Enumeration, LateError, enumerate_domain
from tasks.bounds.workers import TRIES, Workers, WorkersError, current, opened, using


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
