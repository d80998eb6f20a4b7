"""The SyGuS table from made-up rows: invalid answers first, fair figures, and where cvc5 wins."""

from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from benchmarks.command import bench
from benchmarks.harness import journal
from benchmarks.harness.row import BenchmarkError, Row, read
from benchmarks.reports import plots, solve_scores
from benchmarks.reports.document import markdown
from benchmarks.reports.solve_page import report, write
from benchmarks.reports.solve_scores import BEST, by_problem
from benchmarks.suites import solve_rate

ROW = Row(
    key="k", suite="sygus", problem="own/motifs/a", backend="ours", solver="ours 0.1", seed=0,
    options={"track": "motifs"}, timelimit=30.0, memlimit=4096 << 20, status="solved", terminationreason="", reason="",
    cputime=1.0, walltime=1.2, memory=90_000_000, load=0.5, starttime="2025-01-01T00:00:00+00:00",
    versions={"cvc5": "1.4.2"}, machine="a machine", commit="abc", source="0123", seconds=1.0, program="(define-fun f)",
    size=6, answers=[["z3", "valid", 0.1], ["cvc5", "valid", 0.2]],
    detail={
        "searcher": "enumeration",
        "statistics": {"candidates": 1000, "candidates_per_second": 500000.0, "memory_mb": 12.5, "rounds": 3},
    },
)  # fmt: skip


def run(problem: str, backend: str, seconds: float | None, size: int = 6, **changes: object) -> Row:
    fields: dict[str, object] = {"status": "solved" if seconds is not None else "timeout", **changes}
    options = {"track": problem.partition("/")[0]}
    detail = ROW.detail if backend == "ours" else {}
    return replace(
        ROW, problem=f"own/{problem}", backend=backend, seconds=seconds, size=size, options=options, detail=detail,
        answers=ROW.answers if seconds is not None else [], **fields,  # type: ignore[arg-type]
    )  # fmt: skip


ROWS = (
    run("motifs/a", "ours", 0.4, 6), run("motifs/a", "cvc5 default", 2.0, 8), run("motifs/a", "cvc5 fast", 1.0, 6),
    run("motifs/a", "cvc5 no grammar", 0.1, 20),
    run("motifs/b", "ours", 0.5, 9), run("motifs/b", "cvc5 default", None), run("motifs/b", "cvc5 fast", None),
    run("motifs/b", "cvc5 no grammar", 0.1, 30),
    run("strings/c", "ours", None, status="unsolved"), run("strings/c", "cvc5 default", None),
    run("strings/c", "cvc5 fast", 5.0, 11), run("strings/c", "cvc5 no grammar", None, status="wrong", reason="refuted"),
    run("strings/d", "ours", 3.0, 7), run("strings/d", "cvc5 default", 0.1, 7), run("strings/d", "cvc5 fast", 0.2, 5),
)  # fmt: skip
RATE = tuple(
    replace(ROW, suite="rate", problem="integers", backend=tool, answers=[["size 0", 0.1, 4, 4], ["size 1", t, 34, 19]])
    for tool, t in (("ours", 0.2), ("cvc5 fast", 0.4))
)


def test_the_table_is_golden(golden: Callable[[str, str], None]) -> None:
    golden("sygus_table.md", markdown(report((*ROWS, *RATE), draw=False)[0]))


def test_invalid_answers_stand_before_every_figure_also_when_there_are_none() -> None:
    assert markdown(report(ROWS, draw=False)[0]).splitlines()[4] == "**1 invalid answers (0 ours, 1 cvc5's).**"
    good = [row for row in ROWS if row.status != "wrong"]
    assert markdown(report(good, draw=False)[0]).splitlines()[4] == "0 invalid answers (0 ours, 0 cvc5's)."


def test_calling_infeasible_what_another_solved_is_invalid() -> None:
    rows = (run("motifs/a", "ours", None, status="infeasible"), run("motifs/a", "cvc5 fast", 1.0))
    assert [(row.backend, why) for row, why in solve_scores.invalid(rows)] == [
        ("ours", "called infeasible, but solved by another tool")
    ]
    easier = (rows[0], run("motifs/a", "cvc5 no grammar", 1.0))  # without its grammar it is another problem
    assert solve_scores.invalid(easier) == []


def test_only_checked_answers_count_and_the_rest_costs_twice_the_limit() -> None:
    table = by_problem(ROWS)
    assert solve_scores.par2(table, "ours") == pytest.approx((0.4 + 0.5 + 60 + 3.0) / 4)
    assert solve_scores.times(table, "cvc5 fast") == [0.2, 1.0, 5.0]
    odd = by_problem([run("a/a", "ours", None, status=status) for status in ("wrong",)])
    assert solve_scores.par2(odd, "ours") == 60


def test_the_virtual_best_is_of_cvc5_with_the_grammar() -> None:
    table = by_problem(ROWS)
    assert solve_scores.times(table, BEST) == [0.1, 1.0, 5.0]
    assert (solve_scores.unique(table, BEST), solve_scores.unique(table, "ours")) == (1, 1)


def test_where_cvc5_wins_is_told_by_name() -> None:
    found = solve_scores.compared(by_problem(ROWS))
    assert [name for name, *_ in found.missed] == ["own/strings/c"]
    assert [name for name, *_ in found.alone] == ["own/motifs/b"]
    assert [name for name, *_ in found.slower] == ["own/strings/d"]
    assert [(name, cvc5.backend) for name, _, cvc5 in found.larger] == [("own/strings/d", "cvc5 fast")]


def test_sizes_are_compared_with_answers_without_a_grammar() -> None:
    assert solve_scores.sizes(by_problem(ROWS)) == [(6, 20, True), (9, 30, True), (7, 7, False)]
    assert solve_scores.sizes(by_problem(row for row in ROWS if row.backend != "cvc5 no grammar")) == []


def test_no_rows_are_an_error() -> None:
    with pytest.raises(BenchmarkError, match="there are no rows to make a table from"):
        report(())


@pytest.mark.slow
@pytest.mark.skipif(not plots.is_installed(), reason="matplotlib is not installed")
def test_the_page_holds_its_drawings(tmp_path: Path) -> None:
    for number, row in enumerate((*ROWS, *RATE)):
        journal.append(tmp_path / "sygus.jsonl", asdict(replace(row, key=str(number))))
    write(tmp_path / "sygus.jsonl", tmp_path)
    page = (tmp_path / "sygus.html").read_text(encoding="utf-8")
    assert page.count("<svg") == 3
    assert (tmp_path / "rate-integers.svg").is_file()


@pytest.mark.needs("cvc5")
@pytest.mark.parametrize("name", solve_rate.PROBLEMS)
def test_ours_and_cvc5_find_as_many_behaviours_of_every_size(name: str) -> None:
    found = {}
    for task in solve_rate.plan(10.0, 1024):
        if task.problem == name:
            asked = solve_rate.PROBLEMS[name]()
            exhaust = solve_rate._ours(asked, 1024) if task.backend == "ours" else solve_rate._cvc5(asked)
            found[task.backend] = [exhaust(size)[2] for size in range(3)]  # type: ignore[index]
    assert found["ours"] == found["cvc5 fast"]
    assert found["ours"][0] == 4


@pytest.mark.slow
@pytest.mark.needs("z3", "cvc5")
def test_the_command_runs_checks_and_resumes(tmp_path: Path) -> None:
    problems, out = tmp_path / "problems", tmp_path / "out"
    problems.mkdir()
    text = "(set-logic LIA) (synth-fun f ((x Int)) Int) (declare-var x Int) (constraint (> (f x) x)) (check-synth)"
    (problems / "above.sl").write_text(text, encoding="utf-8")
    (problems / "old.sl").write_text("(set-logic LIA) (declare-fun f () Nothing)", encoding="utf-8")
    options = ["--suite", "sygus", "--sygus-dir", str(problems), "--backends", "cvc5 fast", "--out", str(out)]
    first = CliRunner().invoke(bench, options)
    assert first.exit_code == 0, first.output
    assert "0 invalid answers" in first.output
    rows = {row.problem: row for row in read(out / "sygus.jsonl")}
    assert rows["problems/above"].status == "solved"
    assert (rows["problems/old"].status, rows["problems/old"].reason[:13]) == ("unsupported", "cvc5's parser")
    again = CliRunner().invoke(bench, options)
    assert again.stderr.count("(from an earlier run)") == 2
    assert CliRunner().invoke(bench, ["report", "--out", str(out)]).stdout == again.stdout


def test_a_folder_without_problems_is_one_line(tmp_path: Path) -> None:
    found = CliRunner().invoke(bench, ["--suite", "sygus", "--sygus-dir", str(tmp_path), "--out", str(tmp_path)])
    assert (found.exit_code, found.stderr.count("\n")) == (2, 1)
    assert "expected a folder with .sl files" in found.stderr
