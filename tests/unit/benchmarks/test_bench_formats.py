"""Rows for others: BenchExec's result files, tables as CSV and LaTeX, and two runs compared."""

from __future__ import annotations

import csv
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner

from benchmarks.command import bench
from benchmarks.harness.execution import log
from benchmarks.harness.measure import Process
from benchmarks.harness.row import Row, append
from benchmarks.harness.standing import Plan
from benchmarks.harness.task import Task
from benchmarks.reports import compare_page, document, result_xml
from benchmarks.reports.beside import keep_queries
from benchmarks.reports.document import Grid, Heading, markdown
from benchmarks.reports.page import write

ROW = Row(
    key="k", suite="smtlib", problem="own/a.smt2", backend="z3", solver="z3 5.4", seed=0,
    options={"logic": "QF_BV", "expected": ["sat"]}, timelimit=10.0, memlimit=4096 << 20, status="solved",
    terminationreason="", reason="", cputime=1.0, walltime=1.2, memory=90_000_000, load=0.5,
    starttime="2025-01-01T00:00:00+00:00", versions={"python": "3.11"}, machine="AMD EPYC, 2 cores, Linux x86_64",
    commit="abc", source="0123", seconds=0.9, verdict="sat", queries=1, answers=[["own/a.smt2", "sat", 0.9, "sat"]],
    wrong=0, checked=1, returnvalue=0,
)  # fmt: skip
LATE = {"status": "timeout", "seconds": None, "verdict": "", "answers": [], "wrong": None, "checked": 0,
        "terminationreason": "cputime", "cputime": 10.2}  # fmt: skip
ROWS = (
    ROW,
    replace(ROW, key="l", problem="own/b & <c>\x07.smt2", **LATE),
    replace(ROW, key="m", backend="cvc5", solver="cvc5 1.4", seconds=2.0),
    replace(ROW, key="n", backend="cvc5", solver="cvc5 1.4", problem="own/b & <c>\x07.smt2", status="wrong", wrong=1),
)


def columns(file: Path, task: str) -> dict[str, str]:
    (run,) = (run for run in ElementTree.parse(file).getroot().findall("run") if run.get("name") == task)
    return {column.attrib["title"]: column.attrib["value"] for column in run.findall("column")}


def test_a_result_file_has_units_words_of_benchexec_and_no_sign_that_xml_forbids(tmp_path: Path) -> None:
    cvc5, z3 = result_xml.write(ROWS, tmp_path)
    root = ElementTree.parse(z3).getroot()
    assert (root.get("tool"), root.get("version"), root.get("timelimit")) == ("z3", "5.4", "10s")
    assert root.get("memlimit") == f"{4096 << 20}B"
    assert columns(z3, "own/a.smt2").items() >= {
        "status": "sat", "category": "correct", "cputime": "1.000000s", "charged": "0.900000s", "memory": "90000000B",
    }.items()  # fmt: skip
    late = columns(z3, "own/b & <c>?.smt2")
    assert (late["status"], late["category"], late["terminationreason"]) == ("TIMEOUT", "error", "cputime")
    assert columns(cvc5, "own/b & <c>?.smt2")["category"] == "wrong"


def test_a_partial_run_is_marked_as_incomplete(tmp_path: Path) -> None:
    keys = {(row.suite, row.problem, row.backend, row.seed): row.key for row in ROWS}
    cvc5, z3 = result_xml.write(ROWS[:-1], tmp_path, Plan(keys))
    assert ElementTree.parse(cvc5).getroot().get("error") == "incomplete: 1 of 2 runs"
    assert ElementTree.parse(z3).getroot().get("error") is None


def test_a_tool_that_is_no_longer_in_the_rows_has_no_file(tmp_path: Path) -> None:
    result_xml.write(ROWS, tmp_path)
    result_xml.write(ROWS[:2], tmp_path)
    assert [path.name for path in (tmp_path / "results").iterdir()] == ["smtlib.z3.results.xml"]


def test_the_table_generator_of_benchexec_reads_what_a_page_writes_beside_itself(tmp_path: Path) -> None:
    pytest.importorskip("benchexec")
    program = Path(sys.executable).parent / "table-generator"
    for row in ROWS:
        append(tmp_path / "solvers.jsonl", row)
    write(tmp_path / "solvers.jsonl", tmp_path)
    files = sorted((tmp_path / "results").iterdir())
    done = subprocess.run(
        [str(program), "--no-diff", "--name", "table", "-o", str(tmp_path / "made"), *map(str, files)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    with (tmp_path / "made" / "table.table.csv").open() as file:
        lines = list(csv.reader(file, delimiter="\t"))
    assert lines[0].count("cvc5 1.4") == lines[0].count("z3 5.4") == 5
    assert (
        lines[2][1:] == ["status", "charged (s)", "cputime (s)", "memory (MB)", "walltime (s)"] * 2
        or "status" in lines[2]
    )
    told = {line[0]: line for line in lines[3:]}
    assert [*told] == ["a.smt2", "b & <c>?.smt2"]
    assert "sat" in told["a.smt2"]
    assert {"wrong", "TIMEOUT"} <= set(told["b & <c>?.smt2"])
    assert (tmp_path / "made" / "table.table.html").exists()


def test_every_table_of_a_page_is_a_csv_and_a_latex_file_and_old_ones_go(tmp_path: Path) -> None:
    first = Grid(["tool", "seconds"], [["a, b_1", "1,234.5"], ["50 % {x}", "–"]])
    document.save(tmp_path, "page", "Title", [Heading("Who & what?"), first, Heading("More"), first], {})
    names = sorted(path.name for path in (tmp_path / "page-tables").iterdir())
    assert names == ["01-who-what.csv", "01-who-what.tex", "02-more.csv", "02-more.tex"]
    with (tmp_path / "page-tables" / "01-who-what.csv").open(newline="") as file:
        assert list(csv.reader(file)) == [["tool", "seconds"], ["a, b_1", "1234.5"], ["50 % {x}", "–"]]
    latex = (tmp_path / "page-tables" / "01-who-what.tex").read_text()
    assert latex.splitlines()[0] == r"\begin{tabular}{lr}"
    assert r"a, b\_1 & 1,234.5 \\" in latex
    assert r"50 \% \{x\} & -- \\" in latex
    (tmp_path / "page-tables" / "notes.txt").write_text("mine")
    document.save(tmp_path, "page", "Title", [Heading("More"), first], {})
    names = sorted(path.name for path in (tmp_path / "page-tables").iterdir())
    assert names == ["01-more.csv", "01-more.tex", "notes.txt"]


BEFORE = tuple(replace(ROW, key=name, problem=f"own/{name}") for name in "abcde")


def after(**changed: dict[str, object]) -> tuple[Row, ...]:
    return tuple(replace(row, **changed.get(row.key, {})) for row in BEFORE)  # type: ignore[arg-type]


def compared(new: tuple[Row, ...], old: tuple[Row, ...] = BEFORE) -> tuple[str, bool]:
    blocks, _, is_worse = compare_page.report(old, new, ("one", "two"), draw=False)
    return markdown(blocks), is_worse


def section(text: str, title: str) -> str:
    return text.split(f"## {title}", 1)[1].split("\n## ", 1)[0]


def test_two_equal_runs_differ_in_nothing() -> None:
    text, is_worse = compared(BEFORE)
    assert not is_worse
    assert "5 runs are in both; 0 in the first alone, 0 in the second alone." in text
    assert "| smtlib | z3   | 5                | 5             | 5     | 0    | 0      | 1.00" in text
    assert "**" not in text


def test_what_got_worse_stands_first_and_names_the_run() -> None:
    text, is_worse = compared(after(a=LATE, b={"verdict": "unsat"}, c={"seconds": 2.0}, d={"status": "wrong"}))
    assert is_worse
    assert "own/b" in section(text, "Answers that contradict each other")
    lost = section(text, "Lost")
    assert "own/a" in lost
    assert "own/d" in lost
    assert "own/c" in section(text, "Slower")
    assert "2.22" in section(text, "Slower")
    assert text.index("Answers that contradict") < text.index("## Lost") < text.index("## Slower")


def test_what_got_better_is_told_and_is_no_regression() -> None:
    text, is_worse = compared(BEFORE, after(a=LATE, c={"seconds": 2.0}))
    assert not is_worse
    assert "own/a" in section(text, "Gained")
    assert "own/c" in section(text, "Quicker")


def test_a_short_run_is_not_called_slower() -> None:
    old = tuple(replace(row, seconds=0.01) for row in BEFORE)
    assert not compared(tuple(replace(row, seconds=0.05) for row in BEFORE), old)[1]


@pytest.mark.parametrize("changed", [{"machine": "another"}, {"timelimit": 20.0}])
def test_times_of_other_machines_or_limits_are_not_compared(changed: dict[str, object]) -> None:
    text, is_worse = compared(tuple(replace(row, seconds=9.0, **changed) for row in BEFORE))  # type: ignore[arg-type]
    assert not is_worse
    assert "**Times are not compared: the " in text
    assert "Slower" not in text
    assert "–" in text.split("## By suite and tool", 1)[1]


def test_a_run_that_was_not_measured_is_neither_lost_nor_won() -> None:
    text, is_worse = compared(after(a={"status": "killed", "seconds": None, "verdict": ""}))
    assert not is_worse
    assert "**1 of them were not measured in both, and are not compared.**" in text
    assert "| 4                | 4 " in text


@pytest.mark.slow
def test_the_command_ends_with_1_where_something_got_worse(tmp_path: Path) -> None:
    for name, rows in (("one", BEFORE), ("two", after(a=LATE))):
        (tmp_path / name).mkdir()
        for row in rows:
            append(tmp_path / name / "solvers.jsonl", row)
    (tmp_path / "empty").mkdir()

    def ask(one: str, other: str) -> tuple[int, str]:
        found = CliRunner().invoke(
            bench, ["compare", str(tmp_path / one), str(tmp_path / other), "--out", str(tmp_path / "out")]
        )
        return found.exit_code, found.output

    assert ask("one", "one")[0] == 0
    assert ask("one", "two")[0] == 1
    assert (tmp_path / "out" / "compare.html").exists()
    code, said = ask("one", "empty")
    assert code == 2
    assert "expected a folder with rows of a benchmark" in said
    shutil.copy(tmp_path / "two" / "solvers.jsonl", tmp_path / "two.jsonl")
    assert ask("one", "two.jsonl")[0] == 1


def test_the_order_of_the_tools_is_told_of_both_runs() -> None:
    second = tuple(
        replace(row, backend="cvc5", key=f"{row.key}c", seconds=2.0 * (row.seconds or 1.0)) for row in BEFORE
    )
    both = (*BEFORE, *second)
    busy = tuple(replace(row, seconds=1.3 * (row.seconds or 1.0), load=20.0) for row in both)
    line = section(compared(busy, both)[0], "Order of the tools").strip().splitlines()[-1]
    assert [cell.strip().split()[0] for cell in line.strip("|").split("|")] == ["smtlib,", "z3", "z3", "yes"]
    turned = tuple(replace(row, seconds=9.0) if row.backend == "z3" else row for row in both)
    assert section(compared(turned, both)[0], "Order of the tools").strip().endswith("| no             |")
    close = tuple(replace(row, seconds=1.95) if row.backend == "z3" else replace(row, seconds=2.0) for row in both)
    turned = tuple(replace(row, seconds=2.05) if row.backend == "z3" else row for row in close)
    assert "| yes, but for z3, cvc5, too near to tell |" in compared(turned, close)[0]
    part = tuple(replace(row, status="killed") if row.backend == "z3" else row for row in both[:-1])
    assert "Order of the tools" not in compared(part, both)[0]


@pytest.mark.slow
def test_a_page_links_the_log_and_the_query_of_a_run_that_has_them(tmp_path: Path) -> None:
    query, out = tmp_path / "a.smt2", tmp_path / "out"
    query.write_text("(check-sat)")
    options = {**ROW.options, "content": "0123456789abcdef0123"}
    keep_queries([Task("smtlib", "own/a.smt2", "z3", 0, 10.0, options, {"file": str(query)})], out)
    for row in (replace(ROW, options=options, log="sat <b>é\n"), *ROWS[1:]):
        append(out / "solvers.jsonl", row)
    text = write(out / "solvers.jsonl", out)
    moved = tmp_path / "moved"
    shutil.move(out, moved)
    wanted, kept = "logs/smtlib-k.log", "queries/0123456789abcdef.smt2"
    page = (moved / "report.html").read_text()
    assert page.count('href="logs/') == page.count('href="queries/') == 1
    for link in (wanted, kept):
        assert f'href="{link}"' in page
        assert f"({link})" in text
    assert (moved / wanted).read_text() == "sat <b>é\n"
    assert (moved / kept).read_text() == "(check-sat)"
    result = moved / "results" / "smtlib.z3.results.xml"
    (run,) = (run for run in ElementTree.parse(result).getroot().findall("run") if run.get("logfile"))
    assert (result.parent / run.attrib["logfile"]).resolve() == (moved / wanted).resolve()


@pytest.mark.slow
def test_a_log_of_a_run_that_is_no_longer_on_the_page_is_removed(tmp_path: Path) -> None:
    append(tmp_path / "solvers.jsonl", replace(ROW, log="sat"))
    write(tmp_path / "solvers.jsonl", tmp_path)
    (tmp_path / "solvers.jsonl").unlink()
    append(tmp_path / "solvers.jsonl", replace(ROW, key="new", log="sat"))
    write(tmp_path / "solvers.jsonl", tmp_path)
    assert [path.name for path in (tmp_path / "logs").iterdir()] == ["smtlib-new.log"]


def test_of_a_long_log_the_beginning_and_the_end_are_kept() -> None:
    said = "".join(f"{n}\n" for n in range(10_000))
    kept = log(Process(said, "the error", 1, False, "", 1.0, 1.0, 1.0))
    assert kept.startswith("0\n1\n")
    assert kept.endswith("9999\n--- standard error ---\nthe error\n")
    assert len(kept) < 8_100
    assert "characters left out" in kept
    assert log(Process("", "", 0, False, "", 1.0, 1.0, 1.0)) == ""
