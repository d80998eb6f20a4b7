"""How a process of the command line keeps memory."""

from __future__ import annotations

import ctypes
from contextlib import suppress

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of mallopt
LARGEST_KEPT = 2**28


def keep_freed_memory() -> None:
    """Keep what arrays free for the next ones: to get each page from the system anew costs a tenth of a long listing.

    Only glibc has this setting (mallopt(3)); arrays beyond ``LARGEST_KEPT`` bytes are given back as ever.
    """
    with suppress(AttributeError, OSError, TypeError):
        change = ctypes.CDLL(None).mallopt
        change(M_MMAP_THRESHOLD, LARGEST_KEPT)
        change(M_TRIM_THRESHOLD, 4 * LARGEST_KEPT)
