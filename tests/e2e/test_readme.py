"""What the README says is what happens: its library example runs, its function and its commands exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from distilling import distilled

from backends import get
from tasks.commands.main import distill as command
from tasks.commands.main import main
from tasks.formats.circuit_folder import load_circuit, shipped_path
from tasks.pipeline.report import program_text

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


EXAMPLES = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
PRINTED = {
    "depth": "def depth(tokens: list[str]) -> str:",
    "lesser": "def lesser(a: int, b: int) -> int:\n    return a if a <= b else b\n",
}


@pytest.mark.parametrize("name", PRINTED)
def test_the_library_examples_run_as_printed(name, capsys):
    assert len(EXAMPLES) == len(PRINTED)
    (example,) = (text for text in EXAMPLES if name in text)
    exec(compile(example, "README.md", "exec"), {})
    out = capsys.readouterr().out
    assert PRINTED[name] in out
    if name == "lesser":
        assert len({line for line in out.splitlines() if line.startswith("(define-fun lesser")}) == 3


def test_the_problems_the_readme_solves_are_solved(capsys, monkeypatch):
    monkeypatch.chdir(ROOT / "tests" / "examples")
    commands = re.findall(r"^    distill (solve [^#]*?) *#", README, flags=re.MULTILINE)
    assert len(commands) == 3
    for words in commands:
        with pytest.raises(SystemExit) as ended:
            main(words.split())
        assert ended.value.code == 0
        assert "def distance(x: int, y: int) -> int:" in capsys.readouterr().out


def test_the_demo_ends_with_the_function_the_readme_shows():
    result = distilled(load_circuit(shipped_path("quote_closing")), get("z3"))
    assert program_text(result) in README


def test_every_command_the_readme_names_exists():
    named = set(re.findall(r"^    distill (\w+)", README, flags=re.MULTILINE))
    with command.make_context("distill", ["list"]) as context:
        known = set(command.list_commands(context))
    assert named <= known
    assert known - named <= {"accept"}  # for circuit_sparsity alone: docs/layouts.md
