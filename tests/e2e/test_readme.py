"""What the README and its pages of commands say is what happens: examples run, the function and the commands exist."""

from __future__ import annotations

import re
import textwrap
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


DOCS = ROOT / "docs"
COMMANDS = (DOCS / "command-line.md").read_text(encoding="utf-8")
SPECIFICATION = (DOCS / "any-specification.md").read_text(encoding="utf-8")
PYTHON = re.compile(r"```python\n(.*?)```", flags=re.DOTALL)
EXAMPLES = PYTHON.findall(SPECIFICATION)
PRINTED = {
    "depth": "def depth(tokens: list[str]) -> str:",
    "lesser": "def lesser(a: int, b: int) -> int:\n    return a if a <= b else b\n",
}
FASTER = {"prune": ("--steps", "50")}
LINES = 60  # one screen, and links


@pytest.mark.parametrize("name", PRINTED)
def test_the_library_examples_run_as_printed(name, capsys):
    assert len(EXAMPLES) == len(PRINTED)
    (example,) = (text for text in EXAMPLES if name in text)
    exec(compile(example, "any-specification.md", "exec"), {})
    out = capsys.readouterr().out
    assert PRINTED[name] in out
    if name == "lesser":
        assert len({line for line in out.splitlines() if line.startswith("(define-fun lesser")}) == 3


def test_the_problems_that_are_shown_are_solved(capsys, monkeypatch):
    monkeypatch.chdir(ROOT / "tests" / "examples")
    commands = re.findall(r"^    distill (solve [^#]*?) *#", SPECIFICATION, flags=re.MULTILINE)
    assert len(commands) == 3
    for words in commands:
        with pytest.raises(SystemExit) as ended:
            main(words.split())
        assert ended.value.code == 0
        assert "def distance(x: int, y: int) -> int:" in capsys.readouterr().out


def test_the_readme_is_one_screen():
    assert len(README.splitlines()) <= LINES


def test_what_the_readme_does_with_a_network_of_your_own_works(tmp_path, monkeypatch, capsys):
    torch = pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    values = [[1.0, 0.0], [0.0, 1.0]], [[1.0, -1.1], [-0.9, 1.2]], [0.1, 0.3]
    module = torch.nn.Sequential(torch.nn.Embedding(2, 2), torch.nn.ReLU(), torch.nn.Linear(2, 2))  # of the last token
    with torch.no_grad():
        for parameter, entries in zip(module.parameters(), values, strict=True):
            parameter.copy_(torch.tensor(entries))
    (example,) = PYTHON.findall(README)
    exec(compile(textwrap.dedent(example), "README.md", "exec"), {"module": module})
    assert "proved" in capsys.readouterr().out
    Path("rule.py").write_text("def rule(tokens):\n    return 'no' if tokens[-1] == '(' else 'yes'\n")
    commands = re.findall(r"`distill ([^`]*)`", README.partition("## What you can do")[2].partition("## What is")[0])
    assert [words.split()[0] for words in commands] == ["verify", "explain", "prune", "run", "report", "show"]
    for words in commands:
        with pytest.raises(SystemExit) as ended:
            main([*words.split(), *FASTER.get(words.split()[0], ())])
        assert not ended.value.code, (words, capsys.readouterr().out)


def test_the_demo_ends_with_the_function_the_readme_shows():
    result = distilled(load_circuit(shipped_path("quote_closing")), get("z3"))
    assert program_text(result) in README


def test_the_page_of_commands_has_all_of_them():
    named = set(re.findall(r"^    distill (\w+)", COMMANDS, flags=re.MULTILINE))
    with command.make_context("distill", ["list"]) as context:
        known = set(command.list_commands(context))
    assert named == known
    assert set(re.findall(r"distill (\w+) ", README)) - {"a"} <= known
