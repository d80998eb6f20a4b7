"""The suite "speed": medians and goals of its page, and that it measures what it says."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.harness.execution import lost
from benchmarks.harness.place import Place
from benchmarks.harness.row import BenchmarkError, Row
from benchmarks.harness.task import Task
from benchmarks.reports import speed_page
from benchmarks.reports.document import markdown
from benchmarks.suites import speed
from tasks.formats.circuit_folder import shipped_path

HERE = Place({}, "a machine", "abc", "0123")
SECONDS = {
    speed.RUN: 2.5, speed.VERIFY: 1.5, speed.CHECK: 4.5, speed.IMPORTS[speed.RUN]: 1.25,
    speed.IMPORTS[speed.VERIFY]: 1.0, speed.IMPORTS[speed.CHECK]: 0.5, speed.LISTING: 0.3, speed.PLAIN: 0.2,
}  # fmt: skip
LISTED = {"sequences": 1000, "longest": 8, "computations": 70, "semantics": "float32"}


def rows(circuit: str = "toy", **seconds: float) -> list[Row]:
    """Three runs of every process, of which the middle one counts."""
    found = []
    for tool, least in {**SECONDS, **seconds}.items():
        for seed, factor in enumerate((0.5, 1.0, 9.0)):
            task = Task(speed.SUITE, circuit, tool, seed, 100.0, {}, {})
            made = replace(lost(task, HERE, ""), status="solved", terminationreason="", seconds=factor * least)
            found.append(replace(made, cputime=factor * least, detail=LISTED if tool == speed.LISTING else {}))
    return found


def test_figures_are_medians_and_what_misses_its_goal_stands_on_top() -> None:
    text = markdown(speed_page.report(rows()))
    assert "Goals: 1 of 3 met." in text
    missed = text.split("| missed", 1)[1].split("\n\n", 1)[0]
    assert "| run over its imports, s | toy     | 1.25     | 1    |" in missed
    assert "| check / verify          | toy     | 3.00     | 2    |" in missed
    assert "listing" not in missed
    assert "| toy     | 1.5       | 4.5      | 3.00           | missed | 8.00            |" in text
    assert "| 1.50            | met  | 3,333" in text


def test_where_all_goals_are_met_none_is_named() -> None:
    text = markdown(speed_page.report(rows(run=2.25, check=3.0)))
    assert "Goals: 3 of 3 met." in text
    assert "missed" not in text


def test_a_circuit_without_one_of_two_processes_has_no_ratio() -> None:
    kept = [row for row in rows() if row.backend != speed.PLAIN]
    assert "Goals: 0 of 2 met." in markdown(speed_page.report(kept))
    with pytest.raises(BenchmarkError, match="--suite speed"):
        speed_page.report(())


def test_bare_imports_load_what_was_noted_and_nothing_is_charged_for_a_program_that_fails(tmp_path: Path) -> None:
    folder = shipped_path("quote_closing")
    speed.modules(tmp_path, speed.CHECK).write_text(json.dumps(["json", "tasks.checker.evidence", "__main__"]))
    files = {"circuit": str(folder), "made": str(tmp_path)}
    bare = speed.execute(Task(speed.SUITE, "quote_closing", speed.IMPORTS[speed.CHECK], 0, 60.0, {}, files), HERE)
    assert (bare.status, bare.seconds) == ("solved", bare.cputime)
    without = speed.execute(Task(speed.SUITE, "quote_closing", speed.CHECK, 0, 60.0, {}, files), HERE)
    assert (without.status, without.seconds) == ("error", None)
    assert str(tmp_path / speed.CERTIFICATE) in without.reason
