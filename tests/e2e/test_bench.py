"""The benchmark as a user runs it: resumed after kill -9, on a Dask cluster whose workers die, with bad input."""

import gzip
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from quick import sliced

from benchmarks.command import CORPUS, bench
from benchmarks.harness.execution import execute, lost
from benchmarks.harness.place import Place
from benchmarks.harness.row import read
from benchmarks.harness.schedule import executor, run_all
from benchmarks.harness.task import Task
from benchmarks.inputs import corpus as corpus_module
from benchmarks.suites import replay

ROOT = Path(corpus_module.__file__).parents[2]
PLACE = Place({"python": "3.11"}, "a machine", "abc123", "0123456789abcdef")


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(bench, list(arguments))


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """Two files of the shipped sample: four runs with one backend."""
    folder = tmp_path / "corpus"
    folder.mkdir()
    for name in ("bracket_depth-03.smt2.gz", "quote_closing-03.smt2.gz"):
        shutil.copy(CORPUS / name, folder / name)
    return folder


@pytest.mark.slow
def test_a_benchmark_killed_in_the_middle_goes_on_where_it_was(tmp_path: Path, corpus: Path) -> None:
    arguments = ["--suite", "replay", "--backends", "z3", "--corpus", str(corpus), "--out", str(tmp_path / "out")]
    rows_file = tmp_path / "out" / "solvers.jsonl"
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks", *arguments],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + 60
    while not read(rows_file) and time.monotonic() < deadline:
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    before = {row.key: row.starttime for row in read(rows_file)}
    assert 1 <= len(before) < 4
    with rows_file.open("a") as rows:
        rows.write('{"key": "torn by the kill')
    result = invoke(*arguments)
    assert result.exit_code == 0, result.output
    after = {row.key: row for row in read(rows_file)}
    assert len(after) == 4
    assert all(after[key].starttime == started for key, started in before.items())
    assert {row.status for row in after.values()} == {"solved"}
    assert "Disagreements: 0." in result.output
    assert "Errors: 0." in result.output
    report = (tmp_path / "out" / "report.html").read_text()
    assert "z3" in report
    again = invoke("report", "--out", str(tmp_path / "out"))
    assert again.exit_code == 0
    assert (tmp_path / "out" / "report.html").read_text() == report


def pigeons(holes: int) -> str:
    """More pigeons than holes: a solver that counts nothing chews on it for minutes."""
    names = [[f"p{pigeon}_{hole}" for hole in range(holes)] for pigeon in range(holes + 1)]
    parts = [f"(or {' '.join(row)})" for row in names]
    for column in zip(*names, strict=True):
        parts += [f"(not (and {a} {b}))" for i, a in enumerate(column) for b in column[:i]]
    return f"(and {' '.join(parts)})"


@pytest.mark.slow
@pytest.mark.parametrize("backend", sliced(["z3", "cvc5"], 2))
def test_a_query_a_solver_chews_on_ends_at_the_limit_and_the_next_is_answered(backend: str, tmp_path: Path) -> None:
    holes = 13
    symbols = "".join(f"(declare-fun p{p}_{h} () Bool)\n" for p in range(holes + 1) for h in range(holes))
    queries = "".join(
        f'(push 1)\n(set-info :name "{name}")\n(set-info :status {said})\n(assert {text})\n(check-sat)\n(pop 1)\n'
        for name, said, text in (("easy", "sat", "p0_0"), ("hard", "unsat", pigeons(holes)), ("last", "sat", "p1_1"))
    )
    (tmp_path / "pigeons.smt2.gz").write_bytes(gzip.compress(f"(set-logic QF_LIA)\n{symbols}{queries}".encode()))
    (task,) = replay.plan(tmp_path, [backend], 1.0, 4096, ["incremental"])
    row = execute(task, PLACE)
    said = {name: answer for name, answer, *_ in row.answers}
    assert (row.status, said["easy"], said["last"]) == ("solved", "sat", "sat")
    assert said["hard"].startswith("unknown")
    assert next(seconds for name, _, seconds, *_ in row.answers if name == "hard") < 2.0


@pytest.mark.slow
def test_a_run_on_dask_survives_its_workers(tmp_path: Path) -> None:
    pytest.importorskip("distributed")
    mark = tmp_path / "died-once"

    def run(task: Task, place: Place) -> object:  # a local function, so that workers get it by value
        import os
        import signal
        from dataclasses import replace

        if task.problem == "always" or (task.problem == "once" and not mark.exists()):
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return replace(lost(task, place, ""), status="solved", terminationreason="")

    names = ("a", "once", "b", "always", "c", "d")
    tasks = [Task("loop", name, "z3", 0, 20.0, {}, {}) for name in names]
    with executor("dask", 2) as pool:
        rows = run_all(tasks, tmp_path / "rows.jsonl", PLACE, pool, run=run)  # type: ignore[arg-type]
    assert mark.exists()
    assert {row.problem: row.status for row in rows} == {
        "a": "solved", "once": "solved", "b": "solved", "always": "lost", "c": "solved", "d": "solved",
    }  # fmt: skip
    assert {row.key for row in read(tmp_path / "rows.jsonl")} == {row.key for row in rows}


@pytest.mark.slow
def test_a_worker_that_cannot_be_started_again_is_replaced() -> None:
    pytest.importorskip("distributed")
    with executor("dask", 1) as pool:
        cluster = pool._client.cluster  # type: ignore[attr-defined]
        (nanny,) = cluster.workers.values()
        cluster.sync(nanny.close)
        assert pool.submit(abs, -3).result(timeout=60) == 3


@pytest.mark.slow
def test_a_suite_runs_on_dask_as_on_one_machine(tmp_path: Path, corpus: Path) -> None:
    pytest.importorskip("distributed")
    result = invoke(
        "--suite", "replay", "--backends", "z3", "--corpus", str(corpus), "--out", str(tmp_path / "out"),
        "--executor", "dask", "--jobs", "2",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert {row.status for row in read(tmp_path / "out" / "solvers.jsonl")} == {"solved"}


def test_commands_of_a_suite_with_a_page_of_its_own_are_printed_and_nothing_is_run(tmp_path: Path) -> None:
    result = invoke("--suite", "breadth", "--only", "sorted", "--out", str(tmp_path), "--print-commands")
    assert result.exit_code == 0, result.output
    assert all(" -m benchmarks.suites.worker " in line for line in result.output.splitlines())
    assert not [*tmp_path.iterdir()]


@pytest.mark.slow
def test_printed_commands_are_those_of_the_runs(tmp_path: Path, corpus: Path) -> None:
    result = invoke(
        "--suite", "replay", "--backends", "z3", "--corpus", str(corpus), "--out", str(tmp_path), "--print-commands"
    )  # fmt: skip
    lines = result.output.splitlines()
    assert len(lines) == 4
    worker = subprocess.run(lines[0], shell=True, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
    assert '"status": "solved"' in worker.stdout.splitlines()[-1]
    assert not (tmp_path / "solvers.jsonl").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--suite", "loop", "--backends", "z4"], "unknown backend 'z4'; known: z3"),
        (["--suite", "loop", "--backends", "z3", "--time-limit", "0"], "more than 0 seconds"),
        (["--suite", "loop", "--backends", "z3", "--seeds", "0"], "at least 1 seed"),
        (["--suite", "loop", "--circuits", "nonsense"], "quote_closing"),
        (["--suite", "sygus", "--print-commands"], "the suite sygus are not of one command each"),
        (["--suite", "networks", "--print-commands"], "the suite networks are not of one command each"),
        (["--suite", "replay", "--backends", "z3", "--memory-limit", "0"], "memory limit"),
        (["--suite", "replay", "--backends", "z3", "--jobs", "0"], "at least 1 job"),
        (["--suite", "replay", "--backends", "z3", "--executor", "slurm"], "known: processes, dask"),
        (["--suite", "replay", "--backends", "z3", "--scheduler", "tcp://x:1"], "executor dask"),
        (["--suite", "replay", "--backends", "z3", "--corpus", "nowhere"], "distill bench record"),
        (["--suite", "tennis"], "expected a suite among peers"),
        (["--seeds", "many"], "not a valid integer"),
        (["record", "--queries", "0"], "at least 1 query"),
        (["record", "--lengths", "x"], "whole numbers"),
        (["report"], "no rows"),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, list) else "",
)
def test_bad_input_is_one_line_and_exit_code_2(arguments: list[str], message: str, tmp_path: Path) -> None:
    result = invoke(*arguments, "--out", str(tmp_path / "out"))
    assert result.exit_code == 2
    assert message in result.output
    assert "Traceback" not in result.output
    assert result.output.strip().splitlines()[-1].startswith("Error: ")
