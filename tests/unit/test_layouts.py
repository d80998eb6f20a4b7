"""The page of layouts has a section for every format, with an example."""

from pathlib import Path

import pytest

from tasks.formats.detect import FORMATS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "layouts.md"
SECTIONS = {part.split("\n", 1)[0]: part for part in PAGE.read_text().split("\n## ")[1:]}


@pytest.mark.parametrize("name", sorted({known.name for known in FORMATS}))
def test_every_format_has_its_section_with_files_and_an_example(name):
    files = {file for known in FORMATS if known.name == name for file in known.files}
    assert name in SECTIONS
    section = SECTIONS[name]
    assert "```" in section
    assert "efused" in section or "in parts" in name or "The same" in section
    assert any(f"`{file}`" in section for file in files), files


def test_the_page_has_no_section_of_a_format_that_is_not_read():
    assert {*SECTIONS} <= {known.name for known in FORMATS}
