"""The suite ends its worker when it is asked to end, or dies itself, and keeps what was finished."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from quick import sliced

from benchmarks.harness import place, standing
from benchmarks.harness.row import read
from benchmarks.reports import page

ROOT = Path(place.__file__).parents[2]
STUBBORN = (  # a run that hears no SIGTERM, and, where asked, a child of it in a session of its own
    "import os, signal, subprocess, sys, time\n"
    "from benchmarks.harness.parent import end_with_parent; end_with_parent()\n"
    "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    "pids = [os.getpid()]\n"
    "child = [sys.executable, '-c', 'import time; time.sleep(60)']\n"
    "if os.environ['CHILD']: pids.append(subprocess.Popen(child, start_new_session=True).pid)\n"
    "open(sys.argv[1] + '/pids', 'a').write(''.join(f'{pid}\\n' for pid in pids))\n"
    "time.sleep(60)\n"
)
SUITE = (  # the command itself; each run but the first is a stubborn one
    "import sys\n"
    "from dataclasses import replace\n"
    "from benchmarks import command\n"
    "from benchmarks.harness import execution, schedule\n"
    "from benchmarks.suites import loop\n"
    "from benchmarks.harness.task import Task\n"
    "def plan(*given): return tuple(Task('loop', f'toy {n}', 'z3', 0, 60.0, {'length': 4}, {}) for n in range(4))\n"
    "loop.plan = plan\n"
    "real = schedule.run_all.__kwdefaults__['run']\n"
    "def run(task, place):\n"
    "    if not made:\n"
    "        made.append(task)\n"
    "        return replace(execution.lost(task, place, ''), status='solved', seconds=1.0)\n"
    f"    return real(task, place, [sys.executable, '-c', {STUBBORN!r}, sys.argv[1]])\n"
    "made = []\n"
    "schedule.run_all.__kwdefaults__['run'] = run\n"
    "command.bench(['--suite', 'loop', '--backends', 'z3', '--out', sys.argv[1], '--circuits', 'quote_closing'])\n"
)


def start(folder: Path, *, child: bool) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", SUITE, str(folder)],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "CHILD": "yes" if child else ""},
    )  # fmt: skip


def workers(folder: Path) -> list[int]:
    """The workers that were started, once there is one."""
    deadline = time.monotonic() + 60
    while not (folder / "pids").exists() or not (folder / "pids").read_text().strip():
        assert time.monotonic() < deadline, "no worker was started"
        time.sleep(0.02)
    return [int(line) for line in (folder / "pids").read_text().split()]


def is_gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


@pytest.mark.slow
@pytest.mark.needs("z3")
@pytest.mark.parametrize(
    ("how", "code"), sliced([(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -signal.SIGKILL)], 3)
)
def test_a_suite_that_is_ended_ends_its_worker_and_keeps_its_rows(
    how: signal.Signals, code: int, tmp_path: Path
) -> None:
    process = start(tmp_path, child=how != signal.SIGKILL)  # which leaves nobody to look for it
    pids = workers(tmp_path)
    os.kill(process.pid, how)
    errors = process.communicate(timeout=20)[1]
    assert process.returncode == code, errors
    assert "Traceback" not in errors
    deadline = time.monotonic() + 5
    while not all(map(is_gone, pids)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert all(map(is_gone, pids))
    assert [row.status for row in read(tmp_path / "solvers.jsonl")] == ["solved"]
    if how != signal.SIGKILL:
        assert "the same command goes on" in errors
    plan = standing.load(tmp_path / "solvers.jsonl")
    assert plan is not None
    assert len(plan.keys) == 4
    assert page.write(tmp_path / "solvers.jsonl", tmp_path).splitlines()[2].startswith("**1 of 4 runs.")


@pytest.mark.slow
def test_a_limit_that_cannot_hold_is_lowered_and_said(tmp_path: Path) -> None:
    problem = tmp_path / "problems" / "above.sl"
    problem.parent.mkdir()
    problem.write_text(
        "(set-logic LIA) (synth-fun f ((x Int)) Int) (declare-var x Int) (constraint (> (f x) x)) (check-synth)"
    )
    arguments = f"--suite sygus --sygus-dir {problem.parent} --backends 'cvc5 fast' --time-limit 300 --out {tmp_path}"
    done = subprocess.run(
        ["/bin/sh", "-c", f"ulimit -t 61; exec {sys.executable} -m benchmarks {arguments}"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout, read(tmp_path / "sygus.jsonl")  # fmt: skip
    assert "sygus: 60 s" in done[0]
    assert [(row.status, row.timelimit) for row in done[1]] == [("solved", 60.0)]
    assert json.loads((tmp_path / "sygus.plan.json").read_text())["absent"] == {"sygus": {}}
