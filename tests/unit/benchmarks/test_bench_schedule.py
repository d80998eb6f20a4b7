"""Every task gets a row: known ones are kept, lost ones are tried once more, the order is shuffled by seed."""

from concurrent.futures import CancelledError, Executor, Future, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import pytest

from benchmarks.harness.execution import lost
from benchmarks.harness.row import BenchmarkError, Place, Row, read
from benchmarks.harness.schedule import executor, run_all
from benchmarks.harness.task import Task

PLACE = Place({"python": "3.11"}, "a machine", "abc123", "0123456789abcdef")
TASKS = [Task("loop", f"toy {number}", "z3", 0, 20.0, {}, {}) for number in range(6)]


def fake(task: Task, place: Place) -> Row:
    from dataclasses import replace

    return replace(lost(task, place, ""), status="solved", terminationreason="")


class Losing(Executor):
    """An executor whose workers go away on tasks whose problem ends in 3, ``times`` times."""

    def __init__(self, times: int, error: Exception | None = None) -> None:
        self.left, self.order = times, []
        self.error = error or BrokenProcessPool("a worker died")

    def submit(self, run: Any, /, task: Any, place: Any) -> Future[Any]:  # type: ignore[override]
        self.order.append(task.problem)
        future: Future[Any] = Future()
        if task.problem.endswith("3") and self.left:
            self.left -= 1
            future.set_exception(self.error)
        else:
            future.set_result(run(task, place))
        return future


def statuses(rows: tuple[Row, ...]) -> list[str]:
    return [row.status for row in rows]


def test_rows_come_in_the_order_of_the_tasks_and_are_written(tmp_path: Path) -> None:
    with ThreadPoolExecutor(3) as pool:
        rows = run_all(TASKS, tmp_path / "rows.jsonl", PLACE, pool, run=fake)
    assert [row.problem for row in rows] == [task.problem for task in TASKS]
    assert {row.key for row in read(tmp_path / "rows.jsonl")} == {row.key for row in rows}


@pytest.mark.parametrize("error", [BrokenProcessPool("a worker died"), CancelledError(), TypeError("bookkeeping")])
def test_a_task_whose_worker_dies_once_is_tried_again(tmp_path: Path, error: Exception) -> None:
    rows = run_all(TASKS, tmp_path / "rows.jsonl", PLACE, Losing(1, error), run=fake)
    assert statuses(rows) == ["solved"] * 6


def test_a_task_whose_worker_dies_twice_is_lost_never_dropped(tmp_path: Path) -> None:
    rows = run_all(TASKS, tmp_path / "rows.jsonl", PLACE, Losing(2), run=fake)
    assert statuses(rows) == ["solved"] * 3 + ["lost"] + ["solved"] * 2
    assert "BrokenProcessPool" in rows[3].reason
    again = run_all(TASKS, tmp_path / "rows.jsonl", PLACE, Losing(0), run=fake)
    assert statuses(again) == ["solved"] * 6


def test_known_rows_are_not_run_again(tmp_path: Path) -> None:
    first, second = Losing(0), Losing(0)
    run_all(TASKS[:4], tmp_path / "rows.jsonl", PLACE, first, run=fake)
    run_all(TASKS, tmp_path / "rows.jsonl", PLACE, second, run=fake)
    assert sorted(second.order) == ["toy 4", "toy 5"]


def test_the_order_is_shuffled_by_seed(tmp_path: Path) -> None:
    orders = []
    for number, seed in enumerate((0, 0, 1)):
        pool = Losing(0)
        run_all(TASKS, tmp_path / f"{number}.jsonl", PLACE, pool, seed=seed, run=fake)
        orders.append(pool.order)
    assert orders[0] == orders[1] != orders[2]
    assert orders[0] != [task.problem for task in TASKS]


def test_an_error_of_ours_is_not_taken_for_a_lost_worker(tmp_path: Path) -> None:
    def broken(task: Task, place: Place) -> Row:
        raise TypeError("a mistake")

    with ThreadPoolExecutor(1) as pool, pytest.raises(TypeError, match="a mistake"):
        run_all(TASKS, tmp_path / "rows.jsonl", PLACE, pool, run=broken)


@pytest.mark.parametrize(
    ("name", "jobs", "scheduler", "message"),
    [
        ("slurm", 1, "", "known: processes, dask"),
        ("processes", 0, "", "at least 1 job"),
        ("processes", 1, "tcp://nowhere:1", "--scheduler is for the executor dask"),
    ],
)
def test_an_executor_that_cannot_be_is_one_sentence(name: str, jobs: int, scheduler: str, message: str) -> None:
    with pytest.raises(BenchmarkError, match=message), executor(name, jobs, scheduler):
        pass
