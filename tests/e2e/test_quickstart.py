"""Five things a researcher does first, as their page shows them: every file and command of it, in its order."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path

import pytest
from checking import checked_here
from quick import sliced

from tasks.commands.main import main
from tasks.formats.detect import FORMATS

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "quickstart.md").read_text(encoding="utf-8")
FILE = re.compile(r'```python title="(\w+\.py)"\n(.*?)```', re.DOTALL)
PARTS = PAGE.split("\n## ")[1:]
CODES = {"distill verify reader hypothesis.py": 1}  # it differs, and the page says so
LONG = ("distill prune reader --out small", "distill run small --against reader")  # a second prune is short
MADE = ("model", "prove", "pairs")


def commands(part: str) -> list[tuple[str, list[str]]]:
    """Each command of a part, and the lines that the page says it prints."""
    found: list[tuple[str, list[str]]] = []
    for block in re.findall(r"```console\n(.*?)```", part, re.DOTALL):
        for line in block.splitlines():
            if line.startswith("$ "):
                found.append((line.removeprefix("$ "), []))
            elif line:
                found[-1][1].append(line)
    return found


def printed(command: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """Exit code and output of ``python FILE`` or ``distill ...``, in this process."""
    program, *words = shlex.split(command)
    capsys.readouterr()
    if program == "python":
        (file,) = words
        exec(compile(Path(file).read_text(), file, "exec"), {"__name__": "__main__"})
        return 0, capsys.readouterr().out
    assert program == "distill"
    with pytest.raises(SystemExit) as ended, checked_here():
        main(words)
    return int(ended.value.code or 0), capsys.readouterr().out


@pytest.mark.parametrize("left_out", sliced([(LONG,), ((),)], 2), ids=["but for a long one", "whole"])
def test_the_page_runs_from_top_to_bottom_and_prints_what_it_says(left_out, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    ran = 0
    try:
        for part in PARTS:
            for name, text in FILE.findall(part):
                Path(name).write_text(text, encoding="utf-8")
            for command, lines in (each for each in commands(part) if each[0] not in left_out):
                code, out = printed(command, capsys)
                assert code == CODES.get(command, 0), f"{command}\n{out}"
                flat = " ".join(out.split())
                for line in lines:
                    for piece in line.split("..."):
                        assert " ".join(piece.split()) in flat, f"{command}: {line}\n{out}"
                ran += 1
    finally:
        for name in MADE:
            sys.modules.pop(name, None)
    assert len(PARTS) == 5
    assert ran == 12 - len(left_out)
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "'b' in tokens" in page or "&#39;b&#39;" in page


def test_the_page_leads_to_every_layout():
    anchors = set(re.findall(r"layouts\.md#([\w-]+)", PAGE))
    assert anchors == {known.name.replace(" ", "-") for known in FORMATS}, (
        "the table of its last part has a row for each"
    )
