"""Every example in a docstring prints what it says, and every public name of ``cegis`` has one."""

from __future__ import annotations

import doctest
import inspect
from importlib import import_module
from pathlib import Path
from typing import Any, get_origin

import pytest

import cegis
from backends import get

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("backends", "cegis", "dsl", "tasks")
OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
MODULES = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for room in ROOMS
    for path in (ROOT / room).rglob("*.py")
    if ">>>" in path.read_text(encoding="utf-8")
)


@pytest.fixture(scope="module")
def names() -> dict[str, Any]:
    """The public names, and what the example of ``cegis`` itself leaves behind."""
    public = {name: getattr(cegis, name) for name in cegis.__all__} | {"get": get}
    (example,) = doctest.DocTestFinder(recurse=False).find(cegis, "cegis", extraglobs=public)
    example.globs = dict(example.globs)
    assert doctest.DocTestRunner(optionflags=OPTIONS).run(example, clear_globs=False).failed == 0
    return example.globs


@pytest.mark.parametrize("module", MODULES)
def test_examples_print_what_they_say(module, names, capsys):
    found = import_module(module)
    if module == "cegis":
        return
    for example in doctest.DocTestFinder(exclude_empty=True).find(found, module, extraglobs={}):
        example.globs = names | vars(found)
        result = doctest.DocTestRunner(optionflags=OPTIONS).run(example)
        assert result.failed == 0, capsys.readouterr().out


@pytest.mark.parametrize("name", cegis.__all__)
def test_every_public_name_has_an_example(name):
    found = getattr(cegis, name)
    if get_origin(found) is None and callable(found):
        assert ">>>" in (inspect.getdoc(inspect.unwrap(found)) or ""), name
