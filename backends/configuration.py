"""Solver programs from a TOML file: ``[solvers.NAME]`` with a command and the logics it decides.

The file is the one named by the environment variable DISTILL_SOLVERS, else ``distill-solvers.toml`` in the current
folder, else ``~/.config/distill/solvers.toml``. See ``backends/README.md`` for an example. What is written there is
run only when it is asked for by name.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pysmt.logics

from backends.answer import BackendError
from backends.sexpression import read
from backends.smtlib_process import SmtlibProcess

VARIABLE = "DISTILL_SOLVERS"
KEYS = ("command", "logics", "options", "seconds", "seed", "cores")


def configured() -> Mapping[str, SmtlibProcess]:
    """The solver programs by name, in the order of the file; empty where there is no file."""
    path = _path()
    if path is None:
        return {}
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BackendError(f"{path} cannot be read as TOML: {error}") from error
    if set(content) - {"solvers"}:
        raise BackendError(f"{path}: expected tables [solvers.NAME], got {sorted(set(content) - {'solvers'})[0]!r}")
    solvers = content.get("solvers", {})
    if not isinstance(solvers, dict):
        raise BackendError(f"{path}: expected tables [solvers.NAME], got solvers = {solvers!r}")
    return {name: _entry(path, name, table) for name, table in solvers.items()}


def _path() -> Path | None:
    if named := os.environ.get(VARIABLE):
        return Path(named)
    places = (Path("distill-solvers.toml"), Path.home() / ".config" / "distill" / "solvers.toml")
    return next((place for place in places if place.is_file()), None)


def _entry(path: Path, name: str, table: object) -> SmtlibProcess:
    where = f"{path}: solvers.{name}"
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
        raise BackendError(f"{where}: expected a name of letters, digits, dots, dashes and underscores")
    if not isinstance(table, dict):
        raise BackendError(f"{where}: expected a table, got {table!r}")
    for key in table:
        if key not in KEYS:
            raise BackendError(f"{where}.{key}: unknown key; known: {', '.join(KEYS)}")
    return SmtlibProcess(
        name=name,
        command=_command(path, f"{where}.command", table.get("command")),
        logics=_logics(f"{where}.logics", table.get("logics")),
        options=_options(f"{where}.options", table.get("options", {})),
        seconds=_template(f"{where}.seconds", table.get("seconds"), ("{milliseconds}", "{seconds}")),
        seed=_template(f"{where}.seed", table.get("seed"), ("{seed}",)),
        cores=_flag(f"{where}.cores", table.get("cores", False)),
        source=str(path),
    )


def _texts(where: str, value: object, example: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not value or not all(isinstance(text, str) and text for text in value):
        raise BackendError(f"{where}: expected a list of texts such as {example}, got {value!r}")
    return tuple(value)


def _command(path: Path, where: str, value: object) -> tuple[str, ...]:
    """The command; a program written with a slash is looked for from the folder of the file."""
    program, *arguments = _texts(where, value, '["z3", "-in", "-smt2"]')
    if "/" in program:
        program = str(path.resolve().parent / Path(program).expanduser())
    return (program, *arguments)


def _logics(where: str, value: object) -> tuple[str, ...]:
    logics = _texts(where, value, '["QF_LIA", "QF_BV"]')
    for name in logics:
        if not isinstance(getattr(pysmt.logics, name, None), pysmt.logics.Logic):
            raise BackendError(f"{where}: unknown logic {name!r}; name logics of SMT-LIB such as QF_LIA or QF_BV")
    return logics


def _options(where: str, value: object) -> tuple[tuple[str, str], ...]:
    if not isinstance(value, dict):
        raise BackendError(f"{where}: expected a table such as {{ random-seed = 3 }}, got {value!r}")
    return tuple((key.removeprefix(":"), _option(f"{where}.{key}", key, setting)) for key, setting in value.items())


def _option(where: str, key: str, setting: Any) -> str:
    text = str(setting).lower() if isinstance(setting, bool) else str(setting)
    if not isinstance(setting, bool | int | float | str) or not _is_command(f"(set-option :{key} {text})", 3):
        raise BackendError(f"{where}: expected true, false, a number or one word of SMT-LIB, got {setting!r}")
    return text


def _template(where: str, value: object, holes: tuple[str, ...]) -> str | None:
    if value is None or (isinstance(value, str) and _is_command(value, 3) and any(hole in value for hole in holes)):
        return value
    raise BackendError(f"{where}: expected a command such as (set-option :name {holes[0]}), got {value!r}")


def _flag(where: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise BackendError(f"{where}: expected true or false, got {value!r}")
    return value


def _is_command(text: str, words: int) -> bool:
    """Whether ``text`` is one ``(set-option ...)`` of so many words."""
    try:
        match read(text):
            case [["set-option", *rest]]:
                return len(rest) == words - 1 and "\n" not in text and ";" not in text
    except ValueError:
        pass
    return False
