"""The suite "workers": equal results to the last bit, when workers pay, and that parts are noted as they are."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Any

import pytest

from benchmarks.harness.execution import lost
from benchmarks.harness.place import Place
from benchmarks.harness.row import BenchmarkError, Row
from benchmarks.harness.task import Task
from benchmarks.reports import workers_page
from benchmarks.reports.document import markdown
from benchmarks.suites import workers
from tasks.formats.circuit_folder import shipped_path

HERE = Place({}, "a machine", "abc", "0123")
PARTS = [[1.5] * 8]
SECONDS = {workers.HERE: 10.0, workers.PARTS: 12.0, workers.PROCESSES: 15.0, workers.DASK: 20.0}


def rows(**results: str) -> list[Row]:
    """One run of every way on a circuit of eight parts."""
    found = []
    for tool, seconds in SECONDS.items():
        detail = {
            "size": 1000, "of": "sequences", "longest": 8, "computations": 70, "result": results.get(tool, "same"),
            "parts": PARTS if tool == workers.PARTS else [],
        }  # fmt: skip
        made = lost(Task(workers.SUITE, "toy", tool, 0, 100.0, {}, {}), HERE, "")
        found.append(replace(made, status="solved", terminationreason="", seconds=seconds, detail=detail))
    return found


def test_cost_efficiency_and_the_point_from_which_workers_pay() -> None:
    text = markdown(workers_page.report(rows()))
    assert "Results that depend on the workers: 0." in text
    line = next(line for line in text.splitlines() if line.startswith("| toy"))
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    assert cells[4:] == ["10", "12", "15", "20", "67%", "3.75", "50%", "10"]
    table = text.split("## On more workers", 1)[1]
    assert "| 4       | 4.0 |" in table
    assert "| 1,000   | 8.0 |" in table


def test_more_workers_wait_for_the_end_of_a_level_and_for_what_one_does_between(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys.modules[__name__], "PARTS", [[1.5] * 4, [1.0] * 4])  # 10 of 12 seconds, in two levels
    table = markdown(workers_page.report(rows())).split("## On more workers", 1)[1]
    assert "| 2       | 1.7 |" in table  # 12 / (2 + 3 + 2)
    assert "| 1,000   | 2.7 |" in table  # 12 / (2 + 1.5 + 1)


def test_a_result_that_depends_on_who_made_it_stands_on_top() -> None:
    text = markdown(workers_page.report(rows(**{workers.DASK: "another"})))
    assert "**Results that depend on the workers: 1 (toy).**" in text
    other = markdown(workers_page.report(rows(**{workers.HERE: "cut in another way"})))
    assert "Results that depend on the workers: 0." in other
    with pytest.raises(BenchmarkError, match="--suite workers"):
        workers_page.report(())


def test_parts_that_double_the_work_never_pay_on_two() -> None:
    assert workers_page.pays_from(10.0, 20.0, 21.0) is None
    assert workers_page.pays_from(10.0, 10.0, 12.0) == 2.0


def test_boxes_are_the_same_to_the_last_bit_whoever_bounds_them(monkeypatch: pytest.MonkeyPatch) -> None:
    from tasks.proofs import count_bounds

    monkeypatch.setattr(count_bounds, "ROWS", 64)
    monkeypatch.setattr(workers, "BOXES", 30)
    said: dict[str, dict[str, object]] = {}
    plan = workers.plan([shipped_path("bracket_depth"), shipped_path("variable_type")], 60.0, 4096)
    boxes = [task for task in plan if task.options["what"] == workers.BOUND]
    assert {task.problem for task in boxes} == {"bracket_depth, boxes of counts"}  # two layers attend in the other one
    for task in boxes[:2]:
        workers.work(task, lambda tool=task.backend, **told: said.update({tool: told}))
    whole, parts = (said[tool]["detail"] for tool in (workers.HERE, workers.PARTS))
    assert isinstance(whole, dict)
    assert isinstance(parts, dict)
    assert (whole["result"], whole["size"]) == (parts["result"], parts["size"])
    assert (len(whole["parts"]), len(parts["parts"]) > 1) == (0, True)
    found = [replace(row, options={"what": workers.BOUND}) for row in rows(**{workers.HERE: "another"})]
    assert "Results that depend on the workers: 1 (toy)" in markdown(workers_page.report(found))


@pytest.mark.parametrize("what", [workers.COVER, workers.LEVELS, workers.STEPS])
def test_what_is_cut_in_rounds_is_the_same_whole_and_in_parts(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from tasks.bounds import recurrent_zonotope
    from tasks.proofs import stream_states

    monkeypatch.setitem(workers.COVERED, "bracket_depth", (workers.COVERED["bracket_depth"][0], 4))
    for name, small in (("WIDTH", 4), ("DEPTH", 6), ("NUMBERS", 6), ("STEPPED", 5)):
        monkeypatch.setattr(workers, name, small)
    monkeypatch.setattr(recurrent_zonotope.Zonotopes, "rows", 8)
    monkeypatch.setattr(stream_states, "ROWS", 8)
    monkeypatch.setattr(stream_states, "PART", 8)
    said: dict[str, Any] = {}
    plan = workers.plan([shipped_path("bracket_depth")], 60.0, 4096)
    for task in [task for task in plan if task.options["what"] == what][:2]:
        workers.work(task, lambda tool=task.backend, **told: said.update({tool: told}))
    whole, parts = (said[tool]["detail"] for tool in (workers.HERE, workers.PARTS))
    assert whole["result"] == parts["result"]
    assert whole["parts"] == []
    assert sum(map(len, parts["parts"])) > 1
    assert len(parts["parts"]) > 1 or what == workers.COVER


def test_parts_that_are_made_here_are_noted_and_change_no_result(monkeypatch: pytest.MonkeyPatch) -> None:
    from tasks.proofs import enumeration

    monkeypatch.setattr(enumeration, "PART", 500)
    monkeypatch.setattr(workers, "LISTED", 3_000)
    said: dict[str, dict[str, object]] = {}
    for task in workers.plan([shipped_path("bracket_depth")], 60.0, 4096)[:2]:
        workers.work(task, lambda tool=task.backend, **told: said.update({tool: told}))
    whole, parts = (said[tool]["detail"] for tool in (workers.HERE, workers.PARTS))
    assert isinstance(whole, dict)
    assert isinstance(parts, dict)
    assert (whole["parts"], whole["size"]) == ([], parts["size"])
    assert sum(map(len, parts["parts"])) > 1
    assert parts["computations"] >= whole["computations"]
