"""Every decided query as a file, so that it can be replayed on other solvers and kept as evidence."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from pysmt.logics import Logic

from backends.answer import Answer, BackendError, Sat, Unknown, Unsat
from backends.fragment import Formula
from backends.smtlib import smtlib_script


class Recorder:
    """Writes ``0001-name.smt2``, ``0002-...`` into ``folder``, in the order the queries were decided."""

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        """``folder`` is made if needed; BackendError if it already holds queries, which would mix two runs."""
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        if any(self.folder.glob("*.smt2")):
            raise BackendError(f"expected a folder without recorded queries, got {self.folder}; name a fresh one")
        self._written = 0

    def write(self, name: str, formulas: Sequence[Formula], logic: Logic, answer: Answer) -> Path:
        """Record one query; the file appears complete or not at all."""
        text = smtlib_script(formulas, logic, name, status(answer))
        self._written += 1
        stem = re.sub(r"[^A-Za-z0-9._-]+", "-", name)[:80]
        path = self.folder / f"{self._written:04d}-{stem}.smt2"
        partial = path.with_suffix(".partial")
        partial.write_text(text, encoding="utf-8", newline="\n")
        os.replace(partial, path)
        return path


def status(answer: Answer) -> str:
    """The word SMT-LIB has for an answer."""
    match answer:
        case Sat():
            return "sat"
        case Unsat():
            return "unsat"
        case Unknown():
            return "unknown"
