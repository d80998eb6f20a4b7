"""The maps of the house: every room's README names its files and its imports, and no link of the docs leads nowhere."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from import_statements import import_statements

ROOT = Path(__file__).resolve().parents[2]
HOUSES = ("tasks", "cegis", "dsl")
ROOMS = sorted(path.parent for house in HOUSES for path in (ROOT / house).glob("*/__init__.py"))
MAPPED = [*ROOMS, *(ROOT / house for house in HOUSES), ROOT / "backends"]
TREES = ("docs", "tests", "benchmarks", "backends", *HOUSES)
PAGES = sorted([*ROOT.glob("*.md"), *(page for tree in TREES for page in (ROOT / tree).rglob("*.md"))])
LINK = re.compile(r"\[([^\]]*)\]\(([^)#\s]*)(#[^)\s]*)?\)")
CODE_BLOCK = re.compile(r"^( *)```.*?^\1```", re.DOTALL | re.MULTILINE)
NAME = re.compile(r"`(\w+)(?:\([^`]*\))?`")


def inside(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def rows(room: Path) -> list[str]:
    """The first cells of the tables in a room's README."""
    return [line.split("|")[1] for line in read(room / "README.md").splitlines() if line.startswith("|")]


def imported(room: Path) -> set[str]:
    """The other rooms of its house that a room's files import."""
    found = set()
    for path in room.glob("*.py"):
        for node, _ in import_statements(path):
            above = f"{node.module}." if isinstance(node, ast.ImportFrom) else ""
            found |= {above + alias.name for alias in node.names}
    house = room.parent.name
    here = {path.name for path in ROOMS if path.parent.name == house}
    return {name.split(".")[1] for name in found if name.startswith(f"{house}.")} & here - {room.name}


@pytest.mark.parametrize("room", MAPPED, ids=inside)
def test_the_map_of_a_room_names_each_of_its_files_once_and_no_others(room: Path) -> None:
    named = [name for cell in rows(room) for name in re.findall(r"`(\w+\.py)`", cell)]
    assert sorted(named) == sorted({path.name for path in room.glob("*.py")} - {"__init__.py"})


@pytest.mark.parametrize("house", HOUSES)
def test_the_map_of_a_house_names_its_rooms_each_below_those_that_import_it(house: str) -> None:
    named = [name for cell in rows(ROOT / house) for name in re.findall(r"\[(\w+)/\]", cell)]
    assert sorted(named) == [room.name for room in ROOMS if room.parent.name == house]
    for place, name in enumerate(named):
        assert imported(ROOT / house / name) <= set(named[place + 1 :]), name


@pytest.mark.parametrize("room", ROOMS, ids=inside)
def test_a_room_imports_no_other_than_its_map_allows(room: Path) -> None:
    (allowed,) = re.findall(r"^- \*\*May import:\*\* (.*(?:\n  .*)*)", read(room / "README.md"), flags=re.MULTILINE)
    assert imported(room) <= set(re.findall(r"`(\w+)`", allowed))


def definitions(path: Path) -> set[str]:
    """What a Python file defines at its top."""
    found: set[str] = set()
    for node in ast.parse(read(path)).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found |= {target.id for target in targets if isinstance(target, ast.Name)}
    return found


def anchors(page: Path) -> set[str]:
    """What a link can point at within a page: its headings, in small letters with hyphens."""
    headings = re.findall(r"^#+ +(.*?) *$", CODE_BLOCK.sub("", read(page)), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=inside)
def test_every_link_leads_to_a_file_that_defines_what_it_names(page: Path) -> None:
    for text, target, anchor in LINK.findall(CODE_BLOCK.sub("", read(page))):
        if "://" in target:
            continue
        path = (page.parent / target).resolve() if target else page
        assert path.exists(), f"{inside(page)}: {target}"
        if anchor:
            assert path.suffix == ".md", f"{inside(page)}: {target}{anchor}"
            assert anchor.removeprefix("#") in anchors(path), f"{inside(page)}: no {anchor} in {target}"
        name = NAME.fullmatch(text)
        if name and path.suffix == ".py":
            assert name[1] in definitions(path), f"{inside(page)}: no {name[1]} in {target}"


@pytest.mark.parametrize("page", PAGES, ids=inside)
def test_every_path_that_is_named_exists(page: Path) -> None:
    """Paths such as ``tests/unit/x.py`` in code marks, from the root or from the page."""
    for name in re.findall(r"`((?:tasks|cegis|dsl|backends|benchmarks|tests|docs)/[\w./]*)`", read(page)):
        assert (ROOT / name).exists() or (page.parent / name).exists(), f"{inside(page)}: {name}"
