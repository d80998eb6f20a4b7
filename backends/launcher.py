"""Starts a program under limits, and so that it ends with us: ``launcher.py PARENT CPU_SECONDS COMMAND ...``.

A solver that is busy does not notice that nobody waits for its answer. On Linux the kernel kills it when the thread
that asked ends, however that ends (PR_SET_PDEATHSIG is kept by ``exec``); elsewhere it lives as long as its CPU limit.
"""

from __future__ import annotations

import os
import resource
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    """Become the command."""
    parent, seconds, *command = sys.argv[1:]
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (int(seconds), int(seconds)))
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != int(parent):  # gone before the kernel was told
            return
    os.execvp(command[0], command)


if __name__ == "__main__":
    main()
