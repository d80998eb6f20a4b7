"""The process of one run: ``python -m benchmarks.suites.worker TASK`` with the task as JSON.

Results go to standard output, one JSON object per line; a later line overrules an earlier one field by field, so a
run that is killed keeps what it had reported. What libraries print goes to standard error. Memory is kept as by the
command line.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from importlib import import_module
from typing import Any

from benchmarks.harness.parent import end_with_parent
from benchmarks.harness.task import Task
from tasks.commands.memory import keep_freed_memory

WORK = {
    "peers": "benchmarks.suites.peers",
    "loop": "benchmarks.suites.loop",
    "replay": "benchmarks.suites.replay",
    "growth": "benchmarks.suites.growth",
    "overhead": "benchmarks.suites.overhead",
    "rate": "benchmarks.suites.solve_rate",
    "lengths": "benchmarks.suites.lengths",
    "networks": "benchmarks.suites.networks",
    "learned": "benchmarks.suites.learned",
    "breadth": "benchmarks.suites.breadth",
    "rnn": "benchmarks.suites.rnn",
    "adders": "benchmarks.suites.adders",
    "speed": "benchmarks.suites.speed",
    "workers": "benchmarks.suites.workers",
}


def main() -> None:
    """Run the task named on the command line."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # ends child solvers on the way out
    end_with_parent()
    keep_freed_memory()
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as channel:
        os.dup2(2, 1)

        def report(**found: Any) -> None:
            channel.write(json.dumps(found, ensure_ascii=False) + "\n")
            channel.flush()

        run(Task(**json.loads(sys.argv[1])), report)


def run(task: Task, report: Any) -> None:
    """Run one task; running out of memory is its own end, and so is a solver that is not here."""
    if not _is_here(task.backend):
        report(status="absent", reason=f"{task.backend} is not installed here")
        return
    try:
        import_module(WORK[task.suite]).work(task, report)
    except MemoryError:
        report(terminationreason="memory")
        os._exit(1)
    except ImportError as error:
        report(status="absent", reason=str(error))
    except (ValueError, RuntimeError) as error:
        report(status="error", reason=str(error))


def _is_here(backend: str) -> bool:
    """Whether a solver is installed; other methods always are."""
    from backends import BackendError, get

    try:
        return get(backend).is_installed()
    except BackendError:
        return True


if __name__ == "__main__":
    main()
