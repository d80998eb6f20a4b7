"""A torch network of one's own, as the documentation shows it: proved, saved, certified; and a folder by hand."""

from __future__ import annotations

import contextlib
import io
import re
import sys
from pathlib import Path

import pytest

from tasks import load
from tasks.commands.main import main
from tasks.formats.network_folder import KEYS

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "your-own-network.md").read_text(encoding="utf-8")
MODULE, LINES, BLACK_BOX, BY_HAND = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
(PROGRAM,) = re.findall(r"```text\n(.*?)```", PAGE, re.DOTALL)


def executed(text: str) -> str:
    """What Python prints for a block of the page."""
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(compile(text, "page", "exec"), {})
    return printed.getvalue()


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    """A folder with the module of the page, in which its lines were run: the folder, and what they printed."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "reader.py").write_text(MODULE, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(sys, "path", [str(folder), *sys.path])
        yield folder, executed(LINES)
    sys.modules.pop("reader", None)


def distill(capsys, *arguments: str) -> tuple[int, str]:
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    return int(ended.value.code or 0), capsys.readouterr().out


def test_it_takes_twelve_lines():
    assert len([line for line in LINES.splitlines() if line.strip()]) <= 12


def test_the_module_is_proved_as_the_page_says(here):
    assert PROGRAM in here[1]
    assert "on all 363 sequences of length 1 to 5" in here[1]


@pytest.mark.slow
@pytest.mark.usefixtures("here")
def test_the_folder_goes_through_the_command_line(capsys):
    for command in re.findall(r"^\$ distill (.*)$", PAGE, re.MULTILINE):
        code, out = distill(capsys, *command.split())
        assert code == 0, out
    assert "equals the steps network Reader on all 363 sequences of length 1 to 5, in real" in out
    assert "chosen by the user" not in out


def test_a_black_box_is_enumerated_as_the_page_says():
    said = executed(BLACK_BOX)
    assert "in arithmetic as this machine executed it" in said
    assert "on all 363 sequences of length 1 to 5" in said


def test_the_folder_by_hand_is_read(here):
    folder, _ = here
    (folder / "last").mkdir()
    executed(BY_HAND)
    loaded = load(folder / "last")
    assert loaded.labels(loaded.domain.sequences(2))[0].tolist() == [0, 1, 0, 1]


def test_the_page_lists_every_key_of_the_folder():
    table = PAGE.partition("## The folder")[2]
    assert {
        name for row in re.findall(r"^\| (`.*?) \|", table, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)
    } == {*KEYS["steps"]}
