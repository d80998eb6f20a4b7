"""The suite "programs": which networks are asked about, what a run of the command comes to, and the page."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from benchmarks.command import bench
from benchmarks.harness.row import BenchmarkError, Place, Row
from benchmarks.inputs.program_networks import Asked, networks
from benchmarks.inputs.shipped_programs import BODIES, is_known
from benchmarks.reports.document import markdown
from benchmarks.reports.programs_page import report
from benchmarks.suites import programs, texts
from tasks.formats.circuit_folder import shipped_names

HERE = Place({}, "a machine", "abc", "0123")
TEXT = (
    'def f(tokens: list[str], i: int) -> str:\n    """Equals the network,\n    everywhere."""\n    return tokens[i]\n'
)
SAID: dict[str, Any] = {
    "proved": True, "outcome": "found", "program": TEXT, "size": 1, "inputs": 12, "without_label": 0, "exceptions": [],
    "extension": None, "statistics": {"candidates": 7}, "steps": [{"name": "search", "cpu_seconds": 0.5}],
    "certificates": [], "not_certified": [], "sentence": "PROVED", "lengths": [1, 2],
}  # fmt: skip
ASKED = Asked("one token", "same_0", "/nowhere", "d1", known="token")


def test_the_docstring_is_not_read_and_words_and_signs_are_counted() -> None:
    assert texts.body(TEXT) == "def f(tokens: list[str], i: int) -> str:\n    return tokens[i]\n"
    assert texts.lines(texts.body(TEXT)) == 1
    assert texts.reading(texts.body(TEXT)) == 22
    assert texts.lines("def f(tokens):\n    # a comment\n\n    n = 1\n    return n\n") == 2


def test_a_table_is_a_dictionary_of_three_entries_or_more() -> None:
    assert texts.has_table("def f(t):\n    return {'a': '1', 'b': '2', 'c': '1'}[t]\n")
    assert not texts.has_table("def f(t):\n    return t in {'a', 'b', 'c'}\n")


@pytest.mark.parametrize("name", shipped_names())
def test_every_shipped_circuit_has_a_known_program(name: str) -> None:
    assert is_known(name, f"def {name}(tokens: list[str]) -> str:\n{BODIES[name]}")
    assert not is_known(name, f"def {name}(tokens: list[str]) -> str:\n    return tokens[0]\n")


def test_a_family_without_its_folder_is_left_out_with_a_reason(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    found, left_out = networks(("cases", "trained", "shipped"), None, tmp_path / "empty", tmp_path)
    assert [asked.name for asked in found] == list(shipped_names())
    assert left_out == {"cases": "no --cases-dir was given", "trained": f"nothing below {tmp_path / 'empty'}"}


def test_an_unknown_family_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match="expected families among cases, one token"):
        networks(("two tokens",), None, None, tmp_path)


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({}, "proved"),
        ({"proved": False, "without_label": 3}, "proved where labelled"),
        ({"proved": False, "outcome": "differs"}, "exceptions"),
        ({"proved": False, "outcome": "differs", "program": None}, "no program"),
        ({"proved": False, "extension": {"lengths": [1, 9]}}, "horizon"),
    ],
)
def test_the_outcome_is_told_in_words(changes: dict[str, Any], verdict: str) -> None:
    assert programs.verdict({**SAID, **changes}) == verdict


def run(said: object, code: int = 0) -> Row:
    """The row of a run whose command prints ``said`` and ends with ``code``."""
    text = said if isinstance(said, str) else json.dumps(said)
    command = (sys.executable, "-c", f"print({text!r}); raise SystemExit({code})")
    (task,) = programs.plan((ASKED,), 10.0, 2048)
    return programs.execute(task, HERE, command)


def test_an_exact_program_without_a_certificate_is_not_solved() -> None:
    row = run({**SAID, "not_certified": ["the network is too large"]})
    assert (row.status, row.verdict, row.reason) == ("unsolved", "proved", "the network is too large")
    assert row.detail["evidence"] == "none"
    assert row.sizes == {"operators": 1, "lines": 1, "reading": 22}


def test_a_certificate_that_the_checker_refuses_is_wrong(tmp_path: Path) -> None:
    row = run({**SAID, "certificates": [str(tmp_path)]})
    assert row.status == "wrong"
    assert "the checker refuses its certificate" in row.reason


def test_bad_input_and_output_that_is_no_json_are_errors() -> None:
    assert run(SAID, code=2).status == "error"
    assert run("no JSON").status == "error"


ROW = replace(run({**SAID}), status="solved", cputime=2.0)


def made(family: str, name: str, **changes: Any) -> Row:
    options = {**ROW.options, "family": family, **changes.pop("options", {})}
    detail = {**ROW.detail, "evidence": "holds", "check": 0.5, **changes.pop("detail", {})}
    return replace(ROW, key=name, problem=f"{family}/{name}", options=options, detail=detail, **changes)


ROWS = (
    made("cases", "tracr/one"),
    made("cases", "tracr/two", cputime=70.0, status="unsolved", verdict="exceptions", wrong=3),
    made("one token", "set_0", detail={"has_table": True}, options={"known": "token in {'a'}"}),
    made("one token", "table_1", detail={"has_table": True}, options={"is_table": True}),
    made(
        "one token", "words_2", sizes={"operators": 1, "lines": 1, "reading": 40}, options={"known": "len(token) > 4"}
    ),
    made("trained", "copy"),
    made("trained", "sort", sizes={"operators": 30, "lines": 9, "reading": 200}),
    made("shipped", "quote_closing", detail={"is_known": True}),
)


def test_the_page_says_what_is_asked_of_each_family() -> None:
    text = markdown(report(ROWS))
    assert "exact for 1 of 2, each certified and checked (0 more without a certificate)" in text
    assert "CPU seconds 36 in the median, 70 at most, 1 above" in text
    assert "exact for 3 of 3; a table for 2, of which 1 have a shorter expression (set_0)." in text
    assert "Of the others, 1 read more than 1.3 times what a person would write (words_2)." in text
    assert "a program of one or two lines, exact, for 1 of 2." in text
    assert "the known program, proved, for 1 of 1." in text
    assert "| cases/tracr/two | exceptions | 3 of 12 | 70 " in text


def test_the_programs_with_most_to_read_come_first() -> None:
    text = markdown(report(ROWS))
    assert text.index("trained/sort: 200 to read, 9 lines") < text.index("one token/words_2: 40 to read, 1 lines")
    assert text.index("cases/tracr/one: 22 to read") < text.index("of the other networks") < text.index("200 to read")


def test_there_is_no_page_without_rows() -> None:
    with pytest.raises(BenchmarkError, match="distill bench programs"):
        report(())


@pytest.mark.slow
def test_the_quick_benchmark_distills_two_networks_and_checks_their_certificates(tmp_path: Path) -> None:
    result = CliRunner().invoke(bench, ["programs", "--quick", "--time-limit", "40", "--out", str(tmp_path)])
    assert result.exit_code == 0, result.output
    rows = [json.loads(line) for line in (tmp_path / "programs.jsonl").read_text().splitlines()]
    assert sorted(row["problem"] for row in rows) == ["one token/set_0_1", "one token/table_0_0"]
    assert all(row["status"] in ("solved", "unsolved") for row in rows), rows
    assert all(row["detail"]["evidence"] == "holds" for row in rows)
    assert "2 of 2 runs." in (tmp_path / "programs.md").read_text()


def test_nothing_to_ask_is_one_line(tmp_path: Path) -> None:
    options = ["programs", "--families", "cases", "--out", str(tmp_path)]
    result = CliRunner().invoke(bench, options)
    assert result.exit_code == 2
    assert "expected one network or more, got none" in result.output
