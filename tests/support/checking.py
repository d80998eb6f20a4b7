"""``distill check`` in the process of a test: no interpreter starts and nothing is imported anew.

That a check has a process of its own, which ends at its limits, is the matter of ``e2e/test_stranger.py``.
"""

from __future__ import annotations

import contextlib
import importlib
import io
from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

from tasks.checker.limits import Ended


@contextlib.contextmanager
def checked_here() -> Iterator[None]:
    """While it lasts, the command checks without a process of its own, and sets no limit of memory."""
    with (
        patch("tasks.commands.check.guarded", _here),
        patch("tasks.commands.check.limit_memory", lambda memory_mb: None),
    ):
        yield


def _here(entry: str, arguments: dict[str, Any], *, seconds: float, memory_mb: int, grace: float = 0.0) -> Ended:
    module, _, name = entry.partition(":")
    with contextlib.redirect_stderr(io.StringIO()) as said:
        code = getattr(importlib.import_module(module), name)(**arguments)
    return Ended(code, said.getvalue())
