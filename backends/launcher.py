"""Starts a program under limits, and so that it ends with us: ``launcher.py PARENT CPU_SECONDS COMMAND ...``.

A limit is the smaller of what is wanted and what was inherited, soft and hard: a batch system's own limit stays, and
asking for more than it allows is no error. A solver that is busy does not notice that nobody waits for its answer. On
Linux the kernel kills it when the thread that asked ends, however that ends (PR_SET_PDEATHSIG is kept by ``exec``);
elsewhere it lives as long as its CPU limit.

Run by path, so it imports nothing of ours; ``lowered`` is for the other processes that limit themselves.
"""

from __future__ import annotations

import os
import resource
import signal
import sys

PR_SET_PDEATHSIG = 1


def lowered(inherited: tuple[int, int], wanted: int | None) -> tuple[int, int]:
    """The soft and the hard limit: the smaller of ``wanted`` (None: as many as there are) and what was inherited.

    >>> lowered((10, resource.RLIM_INFINITY), 20), lowered((30, 30), 20), lowered((10, 20), None)
    ((10, 20), (20, 20), (10, 20))
    """
    if wanted is None:
        return inherited
    soft, hard = (wanted if known == resource.RLIM_INFINITY else min(wanted, known) for known in inherited)
    return soft, hard


def main() -> None:
    """Become the command."""
    parent, seconds, *command = sys.argv[1:]
    for kind, wanted in ((resource.RLIMIT_CORE, 0), (resource.RLIMIT_CPU, int(seconds))):
        resource.setrlimit(kind, lowered(resource.getrlimit(kind), wanted))
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != int(parent):  # gone before the kernel was told
            return
    os.execvp(command[0], command)


if __name__ == "__main__":
    main()
