"""An artificial load: processes that burn CPU beside the runs, to show that figures in CPU seconds hold beside them.

Wall clock shows it; CPU seconds are told by the kernel for each process, so that a rank by them stays. They are not the
same to the digit: caches, and cores that two threads share, serve a busy machine worse, every tool alike.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.harness.measure import ROOT
from benchmarks.harness.row import BenchmarkError

MOST = 1024
BURN = "from benchmarks.harness.parent import end_with_parent; end_with_parent()\nwhile True: pass"


@contextmanager
def burning(count: int) -> Iterator[tuple[int, ...]]:
    """So many processes at full load until the end, or until this process dies; their numbers."""
    if not 0 <= count <= MOST:
        raise BenchmarkError(f"expected a load of 0 to {MOST:,} processes, got {count}")
    burners = [subprocess.Popen([sys.executable, "-c", BURN], cwd=ROOT) for _ in range(count)]
    try:
        yield tuple(burner.pid for burner in burners)
    finally:
        for burner in burners:
            burner.kill()
        for burner in burners:
            burner.wait()
