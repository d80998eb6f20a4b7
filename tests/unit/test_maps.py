"""The map in every room names every file of it, so that a reader finds where to look."""

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PLAIN = {"__init__.py", "rooms.py"}


@pytest.mark.parametrize("room", ["cegis", "dsl", "tasks"])
def test_the_map_of_a_room_names_its_files_and_no_others(room):
    text = (ROOT / room / "README.md").read_text(encoding="utf-8")
    named = {word.strip("`,;.()|") for word in text.split() if word.strip("`,;.()|").endswith(".py")}
    named = {name for name in named if "/" not in name and "*" not in name}
    files = {path.name for path in (ROOT / room).glob("*.py")} - PLAIN
    commands = {name for name in files if name.endswith(("_command.py", "_progress.py"))}
    assert files - commands <= named
    assert named <= files
