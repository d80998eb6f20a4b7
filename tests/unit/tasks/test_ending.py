"""What a command prints when a signal ends it."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
CODE = """
import os, resource, sys, time
from tasks.commands.ending import speaking_last
with speaking_last(lambda: {answer!r}):
    {action}
    time.sleep(60)
"""


def ended(answer: str | None, action: str, limit: str = "") -> tuple[int, str]:
    code = CODE.format(answer=answer, action=action)
    run = subprocess.run(
        ["/bin/sh", "-c", f'{limit} exec "$0" -c "$1"', sys.executable, code], cwd=ROOT, capture_output=True, text=True
    )
    return run.returncode, run.stdout


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGXCPU])
def test_a_signal_has_the_answer_printed_where_there_is_one(number):
    assert ended("found\n", f"os.kill(os.getpid(), {int(number)})") == (0, "found\n")
    assert ended(None, f"os.kill(os.getpid(), {int(number)})") == (128 + number, "")


def test_a_hard_limit_of_cpu_time_has_a_soft_one_put_before_it():
    says = "sys.stdout.write(str(resource.getrlimit(resource.RLIMIT_CPU)[0])); sys.exit()"
    assert ended(None, says, "ulimit -t 20;") == (0, "19")
    assert ended(None, says, "ulimit -S -t 15; ulimit -H -t 20;") == (0, "15")


def test_afterwards_signals_do_what_they_did_before():
    code = (
        "import signal, resource\n"
        "from tasks.commands.ending import speaking_last\n"
        "with speaking_last(lambda: None): pass\n"
        "print(signal.getsignal(signal.SIGTERM) == signal.SIG_DFL, resource.getrlimit(resource.RLIMIT_CPU)[0])"
    )
    run = subprocess.run(
        ["/bin/sh", "-c", 'ulimit -t 20; exec "$0" -c "$1"', sys.executable, code],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert run.stdout == "True 20\n"
