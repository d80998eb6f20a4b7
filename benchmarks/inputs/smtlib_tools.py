"""Solvers that read SMT-LIB files, as tables of a TOML file say (``benchmarks/tools.toml``, or one of the user's).

A name that no table has may be a solver program of ``distill-solvers.toml`` (``backends.configuration``), and gets
the file on standard input.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from backends.configuration import configured
from benchmarks.harness.row import BenchmarkError
from benchmarks.inputs.smtlib_files import SmtlibFile

SHIPPED = Path(__file__).parents[1] / "tools.toml"
FILE = "{file}"
PYTHON = "python"
LISTS = ("command", "single", "incremental", "version", "logics")
KEYS = (*LISTS, "package", "is_variant")
VERSION = re.compile(r"\d+\.\d[\w.+-]*")
STANDARD_INPUT = ("/bin/sh", "-c", 'exec "$@" < "$0"', FILE)


@dataclass(frozen=True)
class Tool:
    """A solver by how it is started; see ``tools.toml`` for what each field means."""

    name: str
    command: tuple[str, ...]
    single: tuple[str, ...] = ()
    incremental: tuple[str, ...] = ()
    package: str = ""
    version: tuple[str, ...] = ()
    logics: tuple[str, ...] = field(default=("*",))
    is_variant: bool = False

    def reads(self, logic: str) -> bool:
        """Whether it is asked about files of a logic."""
        return any(fnmatchcase(logic, pattern) for pattern in self.logics)

    def on(self, file: SmtlibFile) -> tuple[str, ...]:
        """The command for one file, the file itself still open; raises BenchmarkError where it is not installed."""
        program, *rest = self.command
        more = self.incremental if file.is_incremental else self.single
        return (_program(program) or program, *rest, *more)

    def missing(self) -> str:
        """Why it cannot be run here, else ""."""
        program = next((word for word in self.command[4:] if word != FILE), "") if self.is_piped else self.command[0]
        if self.package and _installed(self.package) is None:
            return f"not installed: pip install {self.package}"
        return "" if _program(program) else f"not installed: there is no program {program}"

    @property
    def is_piped(self) -> bool:
        """Whether it gets the file on standard input."""
        return self.command[:4] == STANDARD_INPUT

    def release(self) -> str:
        """The version, as the package or the program tells it."""
        if self.package:
            return _installed(self.package) or ""
        return _said(tuple(_program(word) or word for word in self.version[:1]) + self.version[1:])


def tools(names: Sequence[str] = (), more: Path | None = None) -> tuple[Tool, ...]:
    """The tools called so, without names all but the variants; raises BenchmarkError listing the known ones."""
    known = {**read(SHIPPED), **(read(more) if more is not None else {})}
    if not names:
        return tuple(tool for tool in known.values() if not tool.is_variant)
    programs = {
        name: Tool(name, (*STANDARD_INPUT, *program.command), version=(*program.command, "--version"),
                   logics=program.logics)
        for name, program in configured().items()
    }  # fmt: skip
    for name in names:
        if name not in known and name not in programs:
            raise BenchmarkError(f"unknown tool {name!r}; known: {', '.join((*known, *programs))}")
    return tuple(known[name] if name in known else programs[name] for name in names)


def read(path: Path) -> Mapping[str, Tool]:
    """The tools of a file by name; raises BenchmarkError naming what is wrong with it."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BenchmarkError(f"{path}: cannot be read as TOML ({error})") from error
    tables = content.get("tools")
    if not isinstance(tables, dict) or set(content) != {"tools"}:
        raise BenchmarkError(f"{path}: expected tables [tools.NAME] alone, got {', '.join(content) or 'nothing'}")
    return {name: _tool(f"{path}: tools.{name}", name, table) for name, table in tables.items()}


def _tool(where: str, name: str, table: object) -> Tool:
    if not isinstance(table, dict):
        raise BenchmarkError(f"{where}: expected a table, got {table!r}")
    for key, value in table.items():
        if key not in KEYS:
            raise BenchmarkError(f"{where}.{key}: unknown key; known: {', '.join(KEYS)}")
        if key in LISTS and not (isinstance(value, list) and all(isinstance(word, str) and word for word in value)):
            raise BenchmarkError(f"{where}.{key}: expected a list of texts, got {value!r}")
    if FILE not in table.get("command", ()) or table["command"][0] == FILE:
        raise BenchmarkError(f"{where}.command: expected a program and arguments, {FILE} among them")
    if not isinstance(table.get("package", ""), str) or not isinstance(table.get("is_variant", False), bool):
        raise BenchmarkError(f"{where}: expected a text as package, and true or false as is_variant")
    fields: dict[str, Any] = {key: tuple(value) if key in LISTS else value for key, value in table.items()}
    return Tool(name, **fields)


def _program(word: str) -> str | None:
    """The path of a program: beside this Python first, then on the path."""
    if word == PYTHON:
        return sys.executable
    return shutil.which(word, path=str(Path(sys.executable).parent)) or shutil.which(word)


def _installed(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


@cache
def _said(command: tuple[str, ...]) -> str:
    """The version in what a program prints of itself."""
    try:
        found = subprocess.run(
            command, capture_output=True, text=True, timeout=20, stdin=subprocess.DEVNULL, check=False
        )
    except (OSError, subprocess.SubprocessError, IndexError):
        return "of unknown version"
    number = VERSION.search(found.stdout)
    return number[0] if number else "of unknown version"
