"""The console script: a small SyGuS problem is answered before the command line is imported, all else as ever.

Importing the engine, its solvers and the command line takes longer than many a problem (``cegis.quick``). Only
``distill solve FILE`` with plain options comes this way; what it prints and returns is what ``tasks.commands.solve``
would, but for the answer's proof, which says how it was proved here.
"""

from __future__ import annotations

import gc
import os
import sys


def script() -> None:
    """What ``distill`` on a command line runs."""
    if sys.argv[1:2] == ["solve"]:
        gc.disable()  # for some milliseconds
        from tasks.commands.solve_quickly import printed

        shown = printed(sys.argv[2:])
        if shown is not None:
            _end(*shown)
        gc.enable()
    from tasks.commands.main import script as usual

    usual()


def _end(answer: str, progress: str) -> None:
    """Write both and end the process; where the answer cannot be written the usual way says so."""
    if sys.stdout is None or sys.stdout.fileno() != 1:
        return
    try:
        if progress and sys.stderr is not None:
            sys.stderr.write(progress)
            sys.stderr.flush()
        left = answer.encode("ascii")
        while left:
            left = left[os.write(1, left) :]
    except OSError:
        return
    os._exit(0)
