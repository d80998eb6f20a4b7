"""What a run has decided so far, kept on disk, so that it goes on where it was interrupted.

After the scores are learned, pruning is a function of yes-or-no answers: does this circuit pass? They are appended to
a file as they fall. A run that finds such a file takes the answers from there, in order, and goes through the same
steps without computing anything twice: what it then ends with is what it would have ended with, had nobody
interrupted it. While scores are learned, they are stored every few seconds, with the state of optimiser and
random numbers. A kill at any moment loses a few seconds at most.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as save_safetensors

from tasks.networks.sparse_transformer import NetworkError

DECISIONS, LEARNED = "decisions", "learned.safetensors"
EVERY = 3.0  # seconds between two stores of what is learned


class OutOfTimeError(Exception):
    """The time limit is reached; what is known so far is the result."""


@dataclass(frozen=True)
class State:
    """Arrays by name after ``step`` steps, and the state of the random numbers then."""

    step: int
    arrays: Mapping[str, NDArray[Any]]
    random: dict[str, Any]


@dataclass
class Journal:
    """Decisions and states in ``folder``; None keeps nothing."""

    folder: Path | None = None
    _known: list[str] = field(default_factory=list, init=False)
    _used: int = field(default=0, init=False)
    _file: TextIO | None = field(default=None, init=False)
    _stored: float = field(default=-np.inf, init=False)

    def __post_init__(self) -> None:
        if self.folder is None:
            return
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._file = (self.folder / DECISIONS).open("a+", encoding="ascii")
            self._file.seek(0)
            *self._known, rest = self._file.read().split("\n")
            if rest:  # a line that was not finished
                self._rewrite()
        except (OSError, UnicodeDecodeError) as error:
            raise NetworkError(f"{self.folder}: cannot keep the state of this run there: {error}") from error

    @property
    def replayed(self) -> int:
        """How many decisions are known from before."""
        return len(self._known)

    def decided(self, key: int, decide: Callable[[], bool]) -> bool:
        """The decision about ``key``: the one made before, at this place of the run, or what ``decide`` says now."""
        return self._noted(key, lambda: str(int(decide()))) == "1"

    def weighed(self, key: int, weigh: Callable[[], float]) -> float:
        """The same of a number."""
        try:
            return float.fromhex(self._noted(key, lambda: weigh().hex()))
        except ValueError as error:
            raise NetworkError(f"{self.folder}: not the notes of a run ({error}); remove it to begin anew") from error

    def _noted(self, key: int, make: Callable[[], str]) -> str:
        line = self._known[self._used] if self._used < len(self._known) else ""
        if not line.startswith(f"{key:08x} "):  # not made yet; or the run took another way, at a time limit
            line = f"{key:08x} {make()}"
            self._write(line)
        self._used += 1
        return line.partition(" ")[2]

    def _write(self, line: str) -> None:
        """Put ``line`` at the place that the run is at; what was known of later ones is void."""
        is_changed = self._used < len(self._known)
        self._known[self._used :] = [line]
        if is_changed:
            self._rewrite()
        elif self._file is not None:
            self._file.write(f"{line}\n")
            self._file.flush()

    def _rewrite(self) -> None:
        """Put what is known in the place of what the file holds."""
        if self._file is not None:
            self._file.truncate(0)
            self._file.write("".join(f"{known}\n" for known in self._known))
            self._file.flush()

    def state(self) -> State | None:
        """The latest that was stored."""
        path = None if self.folder is None else self.folder / LEARNED
        if path is None or not path.is_file():
            return None
        try:
            with safe_open(str(path), framework="np") as file:
                said = json.loads((file.metadata() or {})["state"])
                arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
            return State(int(said["step"]), arrays, said["random"])
        except (SafetensorError, OSError, KeyError, ValueError, TypeError) as error:
            raise NetworkError(f"{path}: not the state of a run ({error}); remove it to begin anew") from error

    def store(self, make: Callable[[], State], is_last: bool = False) -> None:
        """Keep a state, if the last one is old enough or ``is_last``."""
        now = time.monotonic()
        if self.folder is None or not (is_last or now - self._stored > EVERY):
            return
        state = make()
        metadata = {"state": json.dumps({"step": state.step, "random": state.random})}
        scratch = self.folder / f".{LEARNED}"
        scratch.write_bytes(save_safetensors(dict(state.arrays), metadata))
        os.replace(scratch, self.folder / LEARNED)
        self._stored = now

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file; what it holds stays."""
        if self._file is not None:
            self._file.close()
            self._file = None
