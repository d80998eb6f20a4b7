"""The process of one run: ``python -m benchmarks.worker JOB`` with the job as JSON.

Results go to standard output, one JSON object per line; a later line overrules an earlier one field by field, so a
run that is killed keeps what it had reported. What libraries print goes to standard error.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from benchmarks.competitors import COMPETITORS
from benchmarks.row import Job


def main() -> None:
    """Run the job named on the command line."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # ends child solvers on the way out
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as channel:
        os.dup2(2, 1)

        def report(**found: Any) -> None:
            channel.write(json.dumps(found, ensure_ascii=False) + "\n")
            channel.flush()

        run(Job.from_json(sys.argv[1]), report)


def run(job: Job, report: Any) -> None:
    """Run ``job``; every foreseen error is reported as the status "error" with its sentence."""
    from tasks.files import load_circuit

    try:
        COMPETITORS[job.competitor].run(load_circuit(Path(job.folder)), job, report)
    except (ValueError, RuntimeError) as error:
        report(status="error", reason=str(error))


if __name__ == "__main__":
    main()
