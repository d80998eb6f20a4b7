"""The site: every public name is on a page, and pages open from the disk, without network, in narrow windows too."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import pytest
from browsing import Opened, chromium

ROOT = Path(__file__).resolve().parents[2]
LOOKED_AT = ("index", "quickstart", "tutorial", "reference/cegis", "inside/tasks/index", "source/cegis/loop.py")


@pytest.mark.parametrize("package", ["tasks", "cegis"])
def test_every_public_name_has_its_place_in_the_reference(package):
    page = (ROOT / "docs" / "reference" / f"{package}.md").read_text(encoding="utf-8")
    named = re.findall(rf"^::: {package}\.(\w+)$", page, re.MULTILINE)
    assert sorted(named) == sorted(import_module(package).__all__)


def test_every_page_of_docs_is_in_the_navigation():
    listed = set(
        re.findall(r": ([\w/-]+\.(?:md|ipynb))$", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"), re.MULTILINE)
    )
    docs = ROOT / "docs"
    pages = [page for kind in ("*.md", "*.ipynb") for page in docs.rglob(kind)]
    assert {page.relative_to(docs).as_posix() for page in pages} <= listed, "mkdocs.yml lists every page"


@pytest.fixture(scope="module")
def site():
    """The site that ``make docs`` built, strictly."""
    folder = ROOT / "out" / "site"
    if not (folder / "index.html").exists():
        pytest.skip("the site is not built: run make docs")
    built = (folder / "index.html").stat().st_mtime
    if any(
        path.stat().st_mtime > built
        for path in (ROOT / "mkdocs.yml", ROOT / "README.md", *(ROOT / "docs").rglob("*.*"))
    ):
        pytest.skip("the site is older than its pages: run make docs")
    return folder


def test_links_to_definitions_lead_to_their_lines(site):
    page = (site / "how-a-folder-becomes-a-proof.html").read_text(encoding="utf-8")
    assert 'href="source/cegis/loop.py.html#Loop"' in page
    assert '<a id="Loop"></a>' in (site / "source" / "cegis" / "loop.py.html").read_text(encoding="utf-8")


def test_examples_in_docstrings_are_code(site):
    page = (site / "reference" / "cegis.html").read_text(encoding="utf-8")
    assert "<blockquote>" not in page
    assert page.count("&gt;&gt;&gt;") > 100


def test_pages_open_from_the_disk_and_fit(site):
    with chromium() as browser:
        for name in LOOKED_AT:
            opened = Opened(browser, site / f"{name}.html", 1400)
            assert opened.overflow == 0, name
            opened.page.set_viewport_size({"width": 400, "height": 900})
            assert opened.overflow == 0, name
            assert opened.said == [], name
            assert [url for url in opened.asked if not url.startswith(("file:", "data:", "about:"))] == []
            opened.page.close()


def test_the_site_is_searched_from_the_disk(site):
    with chromium() as browser:
        opened = Opened(browser, site / "reference" / "tasks.html")
        opened.page.keyboard.press("s")
        opened.page.keyboard.type("from_onnx")
        opened.page.wait_for_selector(
            ".md-search-result__link[href*='tasks.from_onnx']", state="attached", timeout=20_000
        )
        assert opened.said == []
