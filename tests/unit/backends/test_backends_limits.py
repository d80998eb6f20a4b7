"""Claims about limits of a batch system: every process of ours keeps them, and asks for less, never for more."""

from __future__ import annotations

import re
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from backends.launcher import lowered

NONE = resource.RLIM_INFINITY
SHOW = "import resource as r; print(r.getrlimit(r.RLIMIT_CPU), r.getrlimit(r.RLIMIT_AS))"
ASK = f"""
import sys
from backends.search import ask
command = (sys.executable, "-c", {SHOW!r} + "; input(); print('end-of-reply-1', flush=True)")
print(ask("shower", command, (), seconds=100, memory_mb=%s))
"""
CHILD = """
import resource
from backends.child import limit
for wanted in ((50, 4000), (5, 1000), (None, None)):
    limit(*wanted)
    print(resource.getrlimit(resource.RLIMIT_CPU)[0] <= 20, resource.getrlimit(resource.RLIMIT_AS)[0] >> 10)
"""


def under(limits: str, program: str) -> str:
    """What ``program`` prints where the shell was told ``limits``."""
    root = Path(__file__).resolve().parents[3]
    command = ["/bin/bash", "-c", f'{limits}; exec "$0" -c "$1"', sys.executable, program]
    return subprocess.run(command, cwd=root, check=True, capture_output=True, text=True).stdout


@pytest.mark.parametrize(
    ("inherited", "wanted", "got"),
    [
        ((NONE, NONE), 20, (20, 20)),
        ((10, 10), 20, (10, 10)),
        ((10, NONE), 20, (10, 20)),
        ((30, 40), 20, (20, 20)),
        ((10, 15), 20, (10, 15)),
        ((10, 15), None, (10, 15)),
    ],
)
def test_a_limit_is_the_smaller_of_wanted_and_inherited(
    inherited: tuple[int, int], wanted: int | None, got: tuple[int, int]
) -> None:
    assert lowered(inherited, wanted) == got


@pytest.mark.parametrize(
    ("limits", "memory_mb", "shown"),
    [
        ("true", 3000, (101, 101, 3000 << 20, 3000 << 20)),
        ("ulimit -t 20", 3000, (20, 20, 3000 << 20, 3000 << 20)),
        ("ulimit -S -t 20; ulimit -S -v 2000000", 3000, (20, 101, 2000000 << 10, NONE)),
        ("ulimit -v 2000000", 3000, (101, 101, 2000000 << 10, 2000000 << 10)),
    ],
)
def test_a_searcher_starts_under_any_inherited_limit(limits: str, memory_mb: int, shown: tuple[int, ...]) -> None:
    said = under(limits, ASK % memory_mb)
    assert tuple(map(int, re.findall(r"-?\d+", said))) == shown, said


def test_a_worker_never_rises_above_what_it_was_started_with() -> None:
    said = under("ulimit -S -t 20; ulimit -S -v 3000000", CHILD)
    assert said.split() == ["True", "3000000", "True", str(1000 << 10), "True", "3000000"]
