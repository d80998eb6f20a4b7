"""A measured process that ends with the one that measures it.

Every run calls this first, and the time that takes counts as the run's own: so nothing else is imported here.
"""

from __future__ import annotations

import sys

PR_SET_PDEATHSIG = 1
SIGKILL = 9


def end_with_parent() -> None:
    """Ask Linux to end this process when the one that measures it dies, so that no run outlives its row."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, SIGKILL)
