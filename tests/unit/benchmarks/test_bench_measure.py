"""Limits hold and are named; rows survive a process that dies while writing."""

import json
import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest
from quick import sliced

from benchmarks.harness import journal
from benchmarks.harness.execution import execute
from benchmarks.harness.load import burning
from benchmarks.harness.measure import WALL, CpuClock, run_process, told
from benchmarks.harness.row import BenchmarkError, Place, Row, finished, read
from benchmarks.harness.task import Task

PLACE = Place({"python": "3.11"}, "a machine", "abc123", "0123456789abcdef")
TASK = Task("loop", "toy, length 4", "z3", 0, 20.0, {"length": 4}, {})


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def says(**fields: object) -> str:
    return f"print({json.dumps(fields)!r}, flush=True)\n"


def test_a_busy_loop_ends_at_its_cpu_limit_and_the_row_says_so() -> None:
    process = run_process(python("while True: pass"), 30, cpu_seconds=1)
    assert process.reason == "cputime"
    assert 0.7 < process.cputime < 2.1  # the kernel that limits and the one that counts differ by some ticks


def test_a_process_that_waits_ends_at_the_wall_limit_within_a_second() -> None:
    start = time.monotonic()
    process = run_process(
        python("import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)"),
        0.5,
        cpu_seconds=5,
        grace=0.2,
    )
    assert process.reason == "walltime"
    assert time.monotonic() - start < 1.5


def test_a_memory_hog_ends_at_its_memory_limit_and_the_row_says_so() -> None:
    process = run_process(python("x = []\nwhile True: x.append(bytearray(1 << 20))"), 30, cpu_seconds=20, memory_mb=200)
    assert process.reason == "memory"
    assert process.memory_mb < 215


def test_a_process_that_stays_within_its_limits_is_left_alone() -> None:
    process = run_process(python("x = bytearray(50 << 20); print('done')"), 30, cpu_seconds=20, memory_mb=400)
    assert (process.reason, process.code, process.output) == ("", 0, "done\n")


def test_the_peak_is_the_process_s_own_not_that_of_the_process_that_measures() -> None:
    ballast = bytearray(300 << 20)
    process = run_process(python("import time; time.sleep(0.1)"), 30)
    assert 2 < process.memory_mb < 100 < len(ballast) / 1e6


@pytest.mark.slow
def test_a_grandchild_in_a_session_of_its_own_is_ended_too(tmp_path: Path) -> None:
    mark = tmp_path / "still-alive"
    child = f"import time; time.sleep(1.5); open({str(mark)!r}, 'w')"
    parent = (
        f"import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', {child!r}], start_new_session=True)"
    )
    run_process(python(parent + "\ntime.sleep(60)"), 0.6, grace=0.1)
    time.sleep(1.6)
    assert not mark.exists()


def test_what_a_process_leaves_behind_is_ended_with_it() -> None:
    leaves = (
        "import subprocess, sys; print(subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']).pid)"
    )
    process = run_process(python(leaves), 30)
    left, deadline = Path(f"/proc/{int(process.output)}/stat"), time.monotonic() + 5
    while left.exists() and left.read_text().rpartition(")")[2].split()[0] != "Z" and time.monotonic() < deadline:
        time.sleep(0.01)
    assert time.monotonic() < deadline
    assert (process.code, process.reason) == (0, "")


@pytest.mark.slow
def test_output_gives_more_time_and_silence_ends_it() -> None:
    lively = "import time\nfor i in range(6): print(i, flush=True); time.sleep(0.2)"
    assert run_process(python(lively), 5, silence=1.0).reason == ""
    silent = python("import time; print(1, flush=True); time.sleep(60)")
    process = run_process(silent, 20, silence=0.3, grace=0.1)
    assert (process.reason, process.output) == ("walltime", "1\n")
    assert process.walltime < 3


def test_answers_add_up_and_other_fields_are_overruled() -> None:
    lines = [{"a": 1, "answers": [["q", "sat"]]}, {"a": 2, "answers": [["r", "unsat"]]}]
    assert told("\n".join(map(json.dumps, lines)) + '\n{"a": 3, "ans') == {
        "a": 2,
        "answers": [["q", "sat"], ["r", "unsat"]],
    }


@pytest.mark.parametrize(
    ("code", "seconds", "memory_mb", "status", "reason"),
    sliced(
        [
            ("import time; time.sleep(60)", 0.3, 500, "killed", "walltime"),
            ("x = []\nwhile True: x.append(bytearray(1 << 20))", 20.0, 200, "out of memory", "memory"),
            ("while True: pass", 1.0, 500, "timeout", "cputime"),
            (f"import time; time.sleep(1.95); {says(status='unsolved')}", 0.5, 500, "killed", "walltime"),
            ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", 20.0, 500, "killed", "killed"),
            ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", 20.0, 500, "error", "failed"),
            (
                f"while __import__('time').process_time() < 0.6: pass\n{says(status='solved')}",
                0.5,
                500,
                "timeout",
                "cputime",
            ),
            (says(status="absent", reason="not installed"), 20.0, 500, "absent", "failed"),
            (says(status="solved", verdict="proved", seconds=1.5), 20.0, 500, "solved", ""),
            (says(status="solved") + "raise SystemExit(3)", 20.0, 500, "error", "failed"),
            ("pass", 20.0, 500, "error", "failed"),
        ],
        2,
    ),
)
def test_every_end_of_a_worker_is_a_row(code: str, seconds: float, memory_mb: int, status: str, reason: str) -> None:
    task = Task("loop", "toy", "z3", 0, seconds, {}, {}, memory_mb)
    row = execute(task, PLACE, python(code))
    assert (row.status, row.terminationreason) == (status, reason)
    assert row.walltime <= WALL * seconds + 1


@pytest.mark.slow
def test_a_query_that_ends_its_worker_is_unknown_and_the_next_ones_are_asked() -> None:
    code = (
        "import json, sys, time\n"
        "skip = json.loads(sys.argv[1])['options'].get('skip', 0)\n"
        "for name in ['a', 'hangs', 'c', 'crashes', 'e'][skip:]:\n"
        "    print(json.dumps({'asking': name}), flush=True)\n"
        "    if name == 'hangs': time.sleep(60)\n"
        "    if name == 'crashes': sys.exit(7)\n"
        "    print(json.dumps({'answers': [[name, 'sat', 0.1, 'sat']]}), flush=True)\n"
        "print(json.dumps({'status': 'solved', 'seconds': 0.3}))\n"
    )
    row = execute(Task("replay", "toy", "z3", 0, 0.2, {}, {}), PLACE, python(code))
    assert [(name, answer) for name, answer, *_ in row.answers] == [
        ("a", "sat"), ("hangs", "unknown: walltime"), ("c", "sat"),
        ("crashes", "unknown: the worker ended with code 7"), ("e", "sat"),
    ]  # fmt: skip
    assert row.status == "solved"


def test_a_replayed_query_out_of_memory_is_unknown_for_that_reason() -> None:
    code = (
        "import json, os, sys\n"
        "skip = json.loads(sys.argv[1])['options'].get('skip', 0)\n"
        "for name in ['large', 'small'][skip:]:\n"
        "    print(json.dumps({'asking': name}), flush=True)\n"
        "    if name == 'large':\n"
        "        try: x = bytearray(1 << 40)\n"
        "        except MemoryError: print(json.dumps({'terminationreason': 'memory'}), flush=True); os._exit(1)\n"
        "    print(json.dumps({'answers': [[name, 'sat', 0.1, 'sat']]}), flush=True)\n"
        "print(json.dumps({'status': 'solved', 'seconds': 0.3}))\n"
    )
    row = execute(Task("replay", "toy", "z3", 0, 5.0, {}, {}, 300), PLACE, python(code))
    assert [answer for _, answer, *_ in row.answers] == ["unknown: memory", "sat"]


def test_a_replay_worker_that_cannot_start_is_an_error() -> None:
    row = execute(Task("replay", "toy", "z3", 0, 0.5, {}, {}), PLACE, python("raise SystemExit('no file')"))
    assert (row.status, row.queries) == ("error", 0)
    assert "no file" in row.reason


@pytest.mark.parametrize("seconds", [0.0, -1.0, float("inf"), float("nan")])
def test_a_limit_that_is_none_is_refused(seconds: float) -> None:
    with pytest.raises(BenchmarkError, match="more than 0 seconds"):
        Task("loop", "toy", "z3", 0, seconds, {}, {})


def test_rows_survive_the_file_and_a_torn_last_line(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    row = execute(TASK, PLACE, python(says(status="solved", seconds=1.0)))
    from dataclasses import asdict

    journal.append(path, asdict(row))
    with path.open("a") as lines:
        lines.write('{"key": "torn')
    assert read(path) == (row,)
    journal.append(path, {**asdict(row), "key": "other"})
    assert [r.key for r in read(path)] == [row.key, "other"]


def test_a_broken_line_in_the_middle_is_named(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"status": "solved"}\n')
    with pytest.raises(BenchmarkError, match="line 1: not a row"):
        read(path)


def test_errors_and_lost_runs_are_run_again_and_timeouts_are_not() -> None:
    row = execute(TASK, PLACE, python(says(status="solved", seconds=1.0)))
    from dataclasses import replace

    statuses = ("solved", "timeout", "out of memory", "error", "lost", "killed", "absent")
    rows = [replace(row, key=status, status=status) for status in statuses]
    assert set(finished(rows)) == {"solved", "timeout", "out of memory"}


def test_paths_do_not_decide_a_run_and_everything_else_does() -> None:
    from dataclasses import replace

    assert TASK.key(PLACE) == replace(TASK, files={"circuit": "elsewhere"}).key(PLACE)
    others = [
        replace(TASK, seed=1), replace(TASK, seconds=9.0), replace(TASK, backend="cvc5"), replace(TASK, memory_mb=9),
        replace(TASK, options={"length": 5}), replace(TASK, suite="replay"),
    ]  # fmt: skip
    assert len({task.key(PLACE) for task in [TASK, *others]}) == 7
    assert TASK.key(PLACE) != TASK.key(replace(PLACE, source="other"))


def test_an_unknown_status_is_refused() -> None:
    row = execute(TASK, PLACE, python(says(status="solved")))
    from dataclasses import asdict

    with pytest.raises(BenchmarkError, match="expected a status"):
        Row(**{**asdict(row), "status": "fine"})


def test_a_rank_by_cpu_seconds_stands_beside_an_artificial_load() -> None:
    work = "n = 0\nfor _ in range({}): n += 1"  # one tool needs five times the work of the other

    def ranked() -> list[str]:
        runs = {name: run_process([sys.executable, "-c", work.format(rounds)], 120.0)
                for name, rounds in (("slow", 5_000_000), ("quick", 1_000_000))}  # fmt: skip
        assert all(run.code == 0 for run in runs.values())
        return sorted(runs, key=lambda name: runs[name].cputime)

    with burning(2 * (os.cpu_count() or 1)) as burners:
        assert all(Path(f"/proc/{pid}").exists() for pid in burners)
        loaded = ranked()
    assert not any(Path(f"/proc/{pid}").exists() for pid in burners)
    assert loaded == ranked() == ["quick", "slow"]


def test_a_load_that_is_none_is_refused() -> None:
    with pytest.raises(BenchmarkError, match="0 to 1,024 processes, got -1"), burning(-1):
        pass


def test_the_clock_is_exact_beside_a_timer_and_counts_every_thread() -> None:
    def burn(rounds: int = 20_000) -> None:
        for _ in range(rounds):  # reading a thread's clock would bring that of the process up to date
            pass

    clock = CpuClock(descendants=False)
    signal.setitimer(signal.ITIMER_PROF, 60)
    try:
        spans = []
        for _ in range(40):
            before = clock.now()
            burn()
            spans.append(clock.now() - before)
        assert min(spans) > 0
        before = clock.now()
        threads = [threading.Thread(target=burn, args=(3_000_000,)) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert clock.now() - before > 10 * max(spans[1:5])
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
