"""Folders of SMT-LIB files of other people: what a file asks, and what it says of itself.

Only commands are looked for (comments, strings and quoted symbols are skipped); the file itself goes to the solvers as
it is. The status of a question is that of the last ``(set-info :status ...)`` since the question before (SMT-LIB 2.6,
section 4.1.8); a file that says none is asked all the same.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from benchmarks.harness.row import BenchmarkError, digest

ENDING = ".smt2"
NO_LOGIC = "no logic"
STATUSES = ("sat", "unsat")
TOKEN = re.compile(
    r'"(?:[^"]|"")*"|\|[^|]*\||;[^\n]*|'
    r"\(\s*(?P<command>set-logic|set-info|check-sat-assuming|check-sat|push|reset-assertions|reset)"
    r"(?![^\s()])\s*(?P<first>[^\s()]*)\s*(?P<second>[^\s()]*)"
)


@dataclass(frozen=True)
class SmtlibFile:
    """``name``: the path below the folder; ``expected``: of every question "sat", "unsat" or "" for no known status."""

    name: str
    path: Path
    logic: str
    expected: tuple[str, ...]
    is_incremental: bool
    content: str


def files(folder: Path) -> tuple[SmtlibFile, ...]:
    """Every file with a question below ``folder``, by name; raises BenchmarkError where there is none."""
    if not folder.is_dir():
        raise BenchmarkError(f"{folder}: expected a folder of SMT-LIB files (*{ENDING}), got none")
    paths = sorted(path for path in folder.rglob(f"*{ENDING}") if path.is_file())
    found = tuple(look(path, path.relative_to(folder).as_posix()) for path in paths)
    asked = tuple(file for file in found if file.expected)
    if not asked:
        raise BenchmarkError(f"{folder}: expected SMT-LIB files (*{ENDING}) with a check-sat, got {len(paths)} files")
    return asked


def look(path: Path, name: str) -> SmtlibFile:
    """What one file asks; raises BenchmarkError for one that cannot be read."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BenchmarkError(f"{path}: cannot be read ({error})") from error
    logic, status, expected, is_incremental = NO_LOGIC, "", [], False
    for found in TOKEN.finditer(data.decode("utf-8", "replace")):
        match found["command"], found["first"], found["second"]:
            case "set-logic", name_of_logic, _:
                logic = name_of_logic
            case "set-info", ":status", said:
                status = said if said in STATUSES else ""
            case "check-sat" | "check-sat-assuming", _, _:
                expected.append(status)
                status = ""
            case "push" | "reset" | "reset-assertions", _, _:
                is_incremental = True
    return SmtlibFile(name, path, logic, tuple(expected), is_incremental or len(expected) > 1, digest(data))
