"""The command line as it is: what ``run``, ``horizon``, ``check`` and ``show`` print, for circuits and every format.

One file a case in ``golden/commands``: the commands, their text and JSON, exit codes, the certificates that they wrote
and what the check says of those. ``golden/commands/summary.txt`` says the same of each case on one line: verdict,
counts, program. ``pytest --refresh-golden tests/e2e/test_golden_commands.py`` writes all of it anew.
"""

from __future__ import annotations

import contextlib
import io
import shlex
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from checking import checked_here
from golden_cases import CASES, PROGRAMS, Case
from golden_folders import FOLDERS, write
from golden_texts import Done, line_of, searched

from tasks.commands.main import main

COMMANDS = Path(__file__).resolve().parents[1] / "golden" / "commands"
SUMMARY = COMMANDS / "summary.txt"
LIMITED, SECONDS = ("run", "horizon", "check"), "400"

every_case = pytest.mark.parametrize(
    "case",
    [pytest.param(case, id=case.name, marks=[pytest.mark.slow] * case.is_slow) for case in CASES],
    scope="module",
)
Ended = tuple[Path, tuple[Done, ...], tuple[tuple[str, Done], ...]]


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Case], Ended]:
    """The folder of a case, what its commands printed, and its certificates as the check sees them; each run once."""

    @cache
    def run(case: Case) -> Ended:
        folder = tmp_path_factory.mktemp(case.name)
        with contextlib.chdir(folder):
            first, *others = case.commands
            typed = [first, *others] if case.is_text_only else [first, f"{first} --json", *others]
            commands = tuple(map(distill, typed))
            written = sorted(str(path.parent.relative_to(folder)) for path in folder.rglob("certificate.json"))
            return folder, commands, tuple((path, distill(f"check {path} --json")) for path in written)

    return run


def distill(command: str) -> Done:
    """Run it in the current folder, which gets the folders and programs that it names."""
    words = shlex.split(command)
    for word in words:
        if word in FOLDERS and not Path(word).exists():
            write(word, Path())
        if word in PROGRAMS:
            Path(word).write_text(PROGRAMS[word])
    if words[0] in LIMITED and "--time-limit" not in words:
        words += ["--time-limit", SECONDS]
    typed = [f"./{word}" if word in FOLDERS else word for word in words]
    out, err = io.StringIO(), io.StringIO()
    with (
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        pytest.raises(SystemExit) as exited,
        checked_here(),
    ):
        main(typed)
    assert isinstance(exited.value.code, int)
    return Done(command, exited.value.code, out.getvalue(), err.getvalue())


def listing(folder: Path, path: str) -> str:
    """A certificate's files."""
    names = sorted(str(file.relative_to(folder / path)) for file in (folder / path).rglob("*") if file.is_file())
    return f"certificate {path}: {' '.join(names)}\n"


@every_case
def test_a_command_says_what_it_said(case, ended, golden):
    folder, commands, certificates = ended(case)
    texts = [done.text(folder) for done in commands]
    texts += [listing(folder, path) + done.text(folder) for path, done in certificates]
    text = "\n".join(texts)
    golden(f"commands/{case.name}.txt", searched(text) if case.is_timed else text)


@every_case
def test_a_summary_says_what_it_said(case, ended, request):
    _, commands, certificates = ended(case)
    line = line_of(case.name, commands, certificates)
    lines = dict(_split(line) for line in SUMMARY.read_text().splitlines()) if SUMMARY.exists() else {}
    if request.config.getoption("--refresh-golden"):
        lines[case.name] = line
        known = [other.name for other in CASES if other.name in lines]
        SUMMARY.write_text("".join(f"{lines[name]}\n" for name in known))
    assert line == lines.get(case.name), f"{case.name} is another: if that is meant, run pytest --refresh-golden"


def _split(line: str) -> tuple[str, str]:
    return line.partition(":")[0], line


def test_golden_commands_are_the_cases():
    names = [case.name for case in CASES]
    assert len({*names}) == len(names)
    assert [_split(line)[0] for line in SUMMARY.read_text().splitlines()] == names
    assert sorted(path.stem for path in COMMANDS.glob("*.txt")) == sorted([*names, "summary"])
    assert {*FOLDERS} <= {word for case in CASES for command in case.commands for word in command.split()}
