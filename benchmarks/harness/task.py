"""One run to be made: what, with which options, under which limits.

The key of a run holds everything that decides its result; paths do not, the digests of what they lead to do.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.harness.row import BenchmarkError, Place, digest

MEMORY_MB = 4096


@dataclass(frozen=True)
class Task:
    """``problem`` for ``backend``; ``options`` decide the result, ``files`` say where its inputs lie.

    ``seconds`` limits the whole process, start-up included; in the suite "replay" each query,
    in the suite "peers" what is charged for.
    """

    suite: str
    problem: str
    backend: str
    seed: int
    seconds: float
    options: Mapping[str, Any]
    files: Mapping[str, str]
    memory_mb: int | None = MEMORY_MB

    def __post_init__(self) -> None:
        if not 0 < self.seconds < math.inf:
            raise BenchmarkError(f"expected a time limit of more than 0 seconds, got {self.seconds:g}")
        if self.memory_mb is not None and not 0 < self.memory_mb < 1 << 30:
            raise BenchmarkError(f"expected a memory limit of more than 0 MB, got {self.memory_mb}")

    @property
    def memlimit(self) -> int | None:
        """The limit of memory in bytes, None for none."""
        return None if self.memory_mb is None else self.memory_mb << 20

    def key(self, place: Place) -> str:
        """A digest of what decides the result; ``options["source"]`` where that is not all of our source."""
        parts = {name: value for name, value in asdict(self).items() if name != "files"}
        source = self.options.get("source", place.source)
        return digest(json.dumps([parts, source, place.machine], sort_keys=True))
