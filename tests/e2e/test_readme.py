"""What the README says is what happens: its library example runs, its function and its commands exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from backends import get
from tasks.distillation import distill
from tasks.files import load_circuit, shipped_path
from tasks.main import distill as command

README = (Path(__file__).resolve().parents[2] / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("example", re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL))
def test_the_library_example_runs_as_printed(example, capsys):
    exec(compile(example, "README.md", "exec"), {})
    assert "def depth(tokens: list[str]) -> str:" in capsys.readouterr().out


def test_the_demo_ends_with_the_function_the_readme_shows():
    result = distill(load_circuit(shipped_path("quote_closing")), get("z3"))
    assert result.source in README


def test_every_command_the_readme_names_exists():
    named = set(re.findall(r"^    distill (\w+)", README, flags=re.MULTILINE))
    assert named == {"list", "show", "run", "check", "bench"}
    with command.make_context("distill", ["list"]) as context:
        assert named <= set(command.list_commands(context))
