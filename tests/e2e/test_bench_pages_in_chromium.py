"""The benchmark's pages in a real browser: tables are sorted and filtered, points have names, nothing overflows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from browsing import Opened, chromium

from benchmarks.harness.row import Row, append
from benchmarks.reports.page import write

ROW = Row(
    key="k", suite="smtlib", problem="own/0.smt2", backend="z3", solver="z3 5.4", seed=0,
    options={"logic": "QF_BV", "expected": ["sat"]}, timelimit=10.0, memlimit=4096 << 20, status="solved",
    terminationreason="", reason="", cputime=1.0, walltime=1.2, memory=90_000_000, load=0.5,
    starttime="2025-01-01T00:00:00+00:00", versions={"python": "3.11"}, machine="a machine", commit="abc",
    source="0123", seconds=1.0, verdict="sat",
)  # fmt: skip
SECONDS = (0.5, 12.0, 3.0, 0.04, 100.0, 2.0, 1.0, 7.0, 0.3, 40.0)
HOSTILE = "own/<img src=x onerror=alert(1)>.smt2"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("matplotlib")
    folder = tmp_path_factory.mktemp("page")
    for number, seconds in enumerate(SECONDS):
        name = HOSTILE if number == 9 else f"own/{number}.smt2"
        for tool, factor in (("z3", 1.0), ("cvc5", 2.0)):
            row = replace(ROW, key=f"{number}{tool}", problem=name, backend=tool, seconds=seconds * factor)
            append(folder / "solvers.jsonl", replace(row, solver=f"{tool} 1", log=f"{name}: <script>alert(1)</script>"))
    write(folder / "solvers.jsonl", folder)
    return folder / "report.html"


def column(page: Any, number: int) -> list[str]:
    lines = page.locator("table").nth(-2).locator("tbody tr:visible")
    return [lines.nth(n).locator("td").nth(number).inner_text() for n in range(lines.count())]


@pytest.mark.parametrize("width", [400, 1400])
def test_a_page_opens_without_error_request_or_overflow(browser: Any, file: Path, width: int) -> None:
    opened = Opened(browser, file, width)
    assert opened.said == []
    assert opened.asked == [file.as_uri()]
    assert opened.overflow <= 0
    opened.page.close()


@pytest.mark.slow
def test_a_table_is_sorted_by_numbers_both_ways_and_by_the_keyboard(browser: Any, file: Path) -> None:
    page = Opened(browser, file).page
    head = page.locator("table").nth(-2).locator("th").nth(4).locator("button")
    head.click()
    found = [float(cell.split()[0]) for cell in column(page, 4)]
    assert found == sorted(SECONDS)
    head.focus()
    page.keyboard.press("Enter")
    found = [float(cell.split()[0]) for cell in column(page, 4)]
    assert found == sorted(SECONDS, reverse=True)
    assert page.locator("table").nth(-2).locator("th").nth(4).get_attribute("aria-sort") == "descending"
    page.close()


@pytest.mark.slow
def test_a_long_table_keeps_the_lines_with_every_word(browser: Any, file: Path) -> None:
    page = Opened(browser, file).page
    field = page.locator("input[type=search]").nth(-2)
    field.fill("sat 7.smt2")
    assert column(page, 0) == ["own/7.smt2"]
    assert page.locator("output").nth(-2).inner_text() == "1 of 10 lines"
    field.fill("")
    assert len(column(page, 0)) == 10
    page.close()


@pytest.mark.slow
def test_the_name_of_a_point_is_under_the_pointer(browser: Any, file: Path) -> None:
    opened = Opened(browser, file)
    page = opened.page
    scatter = page.locator("figure", has_text="cvc5 across, z3 up").locator("svg")
    scatter.scroll_into_view_if_needed()
    told = []
    for circle in scatter.locator(".names circle").all():
        told.append(circle.locator("title").text_content())
        box = circle.bounding_box()
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        under = page.evaluate("([x, y]) => document.elementFromPoint(x, y)?.textContent", [x, y])
        assert "cvc5 " in under
    assert len(told) == 10
    assert "own/1.smt2: cvc5 24 s, z3 12 s" in told
    assert any(HOSTILE in text for text in told)
    assert opened.said == []
    page.close()


def test_a_name_lies_where_its_point_is_drawn(file: Path) -> None:
    text = (file.parent / "smtlib-QF_BV-cvc5-z3.svg").read_text()
    drawn = {(float(x), float(y)) for x, y in re.findall(r'<use [^>]*x="([\d.]+)" y="([\d.]+)"', text)}
    named = [(float(x), float(y)) for x, y in re.findall(r'<circle cx="([\d.]+)" cy="([\d.]+)"', text)]
    assert len(named) == 10
    assert all(min(abs(x - a) + abs(y - b) for a, b in drawn) < 0.5 for x, y in named)


@pytest.mark.slow
def test_nothing_bars_those_who_do_not_see_or_point(browser: Any, file: Path) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed").Axe()
    opened = Opened(browser, file, 400)
    found = axe.run(opened.page).response["violations"]
    assert [(one["id"], [node["html"][:200] for node in one["nodes"]][:3]) for one in found] == []
    opened.page.close()


@pytest.mark.slow
def test_every_run_leads_to_its_log(browser: Any, file: Path) -> None:
    page = Opened(browser, file).page
    page.locator("input[type=search]").last.fill("onerror z3")
    link = page.locator("table").last.locator("tbody tr:visible a")
    link.click()
    assert page.url.startswith((file.parent / "logs").as_uri())
    assert page.locator("body").inner_text().strip() == f"{HOSTILE}: <script>alert(1)</script>"
    page.close()
