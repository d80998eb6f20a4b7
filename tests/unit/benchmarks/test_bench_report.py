"""Figures and report from made-up rows: what counts as solved, who disagrees, and that errors are seen first."""

import re
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from benchmarks.harness import journal
from benchmarks.harness.row import BenchmarkError, Row
from benchmarks.harness.standing import chosen
from benchmarks.reports import plots, scores
from benchmarks.reports.document import markdown, page
from benchmarks.reports.page import TITLE, report, write

ROW = Row(
    key="k", suite="loop", problem="toy, length 4", backend="z3", solver="z3 5.4", seed=0, options={"length": 4},
    timelimit=10.0, memlimit=4096 << 20, status="solved", terminationreason="", reason="", cputime=1.0, walltime=1.2,
    memory=90_000_000, load=0.5, starttime="2025-01-01T00:00:00+00:00", versions={"python": "3.11"},
    machine="a machine", commit="abc", source="0123",
    seconds=1.0, verdict="proved", phases={"search": 0.5, "encode": 0.2, "solve": 0.3},
    queries=3, candidates=100, program="def program(tokens): ...", size=4,
    answers=[["q1", "sat", 0.1], ["q2", "unsat", 0.2]], detail={"checks": [[2, 0.1], [4, 0.4]]},
)  # fmt: skip


def loop(problem: str, backend: str, seconds: float | None, seed: int = 0, **changes: object) -> Row:
    status = "solved" if seconds is not None else "timeout"
    verdict = "proved" if seconds is not None else ""
    fields = {"status": status, "verdict": verdict, "terminationreason": "" if verdict else "cputime", **changes}
    return replace(ROW, problem=problem, backend=backend, solver=f"{backend} 1.0", seconds=seconds, seed=seed, **fields)


def replayed(backend: str, answers: list[list[object]], mode: str = "incremental", **changes: object) -> Row:
    return replace(
        ROW, suite="replay", problem=f"toy-04, {mode}", backend=backend, solver=f"{backend} 1.0", verdict="",
        options={"mode": mode}, answers=answers, queries=len(answers), detail={}, **changes,
    )  # fmt: skip


LOOP = (
    loop("a", "z3", 1.0), loop("b", "z3", 3.0), loop("c", "z3", None),
    loop("a", "cvc5", 2.0), loop("b", "cvc5", None), loop("c", "cvc5", None),
)  # fmt: skip
AGREED = (
    replayed("z3", [["q1", "sat", 0.01, "sat"], ["q2", "unsat", 0.02, "unsat"]]),
    replayed("cvc5", [["q1", "sat", 0.03, "sat"], ["q2", "unknown: cputime", 10.0, ""]]),
)


def lines(found: tuple[Row, ...]) -> dict[str, scores.Score]:
    return {score.backend: score for score in scores.scores(scores.attempts(found))}


def test_par2_charges_twice_the_limit_for_no_answer() -> None:
    table = lines(LOOP)
    assert table["z3"].par2 == pytest.approx((1 + 3 + 20) / 3)
    assert table["cvc5"].par2 == pytest.approx((2 + 20 + 20) / 3)
    assert [(s.solved, s.attempts) for s in (table["z3"], table["cvc5"])] == [(2, 3), (1, 3)]


def test_unique_counts_what_only_one_solver_solved() -> None:
    table = lines(LOOP)
    assert (table["z3"].unique, table["cvc5"].unique) == (1, 0)


def test_the_virtual_best_takes_the_quickest_of_each_instance() -> None:
    rows = (loop("a", "z3", 1.0), loop("a", "cvc5", 2.0), loop("b", "z3", 5.0), loop("b", "cvc5", 3.0))
    best = lines(rows)[scores.VIRTUAL_BEST]
    assert (best.solved, best.total) == (2, 4.0)


def test_the_common_median_leaves_out_what_one_solver_missed() -> None:
    table = lines(LOOP)
    assert (table["z3"].common, table["cvc5"].common) == (1.0, 2.0)
    assert lines((loop("a", "z3", 1.0), loop("a", "cvc5", None)))["z3"].common is None


def test_an_error_ranks_last_whatever_else_it_solved() -> None:
    rows = (
        loop("a", "z3", 0.1), loop("b", "z3", None, status="error"), loop("a", "cvc5", 9.0), loop("b", "cvc5", None),
    )  # fmt: skip
    ranked = scores.scores(scores.attempts(rows))
    assert [score.backend for score in ranked] == ["cvc5", "z3", scores.VIRTUAL_BEST]
    assert ranked[1].errors == 1


def test_unknown_never_counts_as_solved_and_never_contradicts() -> None:
    assert lines(AGREED)["cvc5"].solved == 1
    assert scores.conflicts(AGREED) == ()


@pytest.mark.parametrize(
    "rows",
    [
        (replayed("z3", [["q", "sat", 0.1, ""]]), replayed("cvc5", [["q", "unsat", 0.1, ""]])),
        (replayed("z3", [["q", "sat", 0.1, "unsat"]]),),
        (loop("q", "z3", 1.0), loop("q", "cvc5", None, status="unsolved", verdict="no program")),
        (replayed("z3", [["q", "sat", 0.1, ""]]), replayed("z3", [["q", "unsat", 0.1, ""]], mode="one-shot")),
    ],
    ids=["two solvers", "solver and record", "a proof and an exhausted grammar", "two modes"],
)
def test_a_disagreement_is_detected_and_comes_first(rows: tuple[Row, ...]) -> None:
    (conflict,) = scores.conflicts(rows)
    assert set(conflict.said.values()) in ({"sat", "unsat"}, {"proved", "no program"})
    text = markdown(report(rows, draw=False)[0])
    assert text.index("**Disagreements: 1.**") < text.index(conflict.instance) < text.index("## Suite")


def test_zero_disagreements_and_zero_errors_are_said() -> None:
    text = markdown(report(LOOP, draw=False)[0])
    assert "Disagreements: 0." in text
    assert "Errors: 0." in text


def test_errors_of_runs_and_of_queries_come_before_the_suites() -> None:
    broken = loop("b", "z3", None, status="error", reason="out of luck")
    query = replayed("cvc5", [["q", "error: a model that does not satisfy it", 0.1, "sat"]])
    text = markdown(report((broken, query), draw=False)[0])
    assert text.index("**Errors: 2.**") < text.index("out of luck") < text.index("## Suite")
    assert lines((query,))["cvc5"].errors == 1


def test_a_replay_that_ended_early_is_not_a_shorter_success() -> None:
    cut = replayed("cvc5", [["q1", "sat", 0.1, "sat"]], status="timeout")
    assert (lines((cut,))["cvc5"].solved, lines((cut,))["cvc5"].attempts) == (1, 2)


def test_of_a_run_made_twice_the_newest_counts() -> None:
    assert [row.seconds for row in chosen([loop("a", "z3", 5.0), loop("a", "z3", 1.0)], None)] == [1.0]


def test_scatter_points_pair_the_same_instance() -> None:
    found = scores.attempts(LOOP)
    assert scores.pairs(found, "z3", "cvc5") == [
        (1.0, 2.0, "a, seed 0"), (3.0, 20.0, "b, seed 0"), (20.0, 20.0, "c, seed 0"),
    ]  # fmt: skip


def test_cactus_times_ascend() -> None:
    assert scores.cactus(scores.attempts(LOOP), "z3") == [(1.0, "a, seed 0"), (3.0, "b, seed 0")]


def test_the_report_of_known_rows_is_known(golden: Callable[[str, str], None]) -> None:
    blocks, drawings = report(chosen([*LOOP, *AGREED], None), draw=False)
    assert drawings == {}
    golden("bench_report.md", markdown(blocks))
    golden("bench_report.html", page(TITLE, blocks, {}))


def test_text_from_rows_cannot_break_the_page_or_a_table() -> None:
    nasty = loop("a", "z3", None, status="error", reason="<script>alert(1)</script> | x")
    blocks, _ = report((nasty,), draw=False)
    assert "<script>alert" not in page(TITLE, blocks, {})
    assert "\\| x" in markdown(blocks)


@pytest.mark.slow
def test_the_page_needs_nothing_beside_it_and_is_the_same_every_time(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    for number, row in enumerate((*LOOP, *AGREED)):
        journal.append(tmp_path / "solvers.jsonl", asdict(replace(row, key=str(number))))
    write(tmp_path / "solvers.jsonl", tmp_path)
    html = (tmp_path / "report.html").read_text()
    assert html.count("<svg") == len(list(tmp_path.glob("*.svg"))) == len(list(tmp_path.glob("*.png"))) >= 5
    assert all(path.read_bytes().startswith(b"%PDF-") for path in tmp_path.glob("*.pdf"))
    assert len(list(tmp_path.glob("*.pdf"))) == html.count("<svg")
    for outside in ('src="http', 'href="http', "<link", "<script src", "@import", "url(http"):
        assert outside not in html
    assert html.count("<script") == 1
    write(tmp_path / "solvers.jsonl", tmp_path)
    assert (tmp_path / "report.html").read_text() == html


def test_without_matplotlib_the_report_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plots, "is_installed", lambda: False)
    assert "matplotlib is not installed" in markdown(report(LOOP)[0])


def test_no_rows_make_no_report() -> None:
    with pytest.raises(BenchmarkError, match="no rows"):
        report([])


@pytest.mark.slow
def test_a_point_of_a_growth_curve_has_its_name_where_it_is_drawn() -> None:
    pytest.importorskip("matplotlib")
    lines = {"z3 <one>": [(4.0, 0.5), (6.0, 2.0)], "cvc5": [(4.0, 0.25)]}
    drawing = plots.growth("g", lines, "length")
    titles = [part.split("</title>")[0] for part in drawing.svg.split("<title>")[1:]]
    ours = [f"z3 &lt;one&gt;: length {point} seconds" for point in ("4, 0.5", "6, 2")]
    assert titles == ["cvc5: length 4, 0.25 seconds", *ours]
    drawn = {(float(x), float(y)) for x, y in re.findall(r'<use [^>]*x="([\d.]+)" y="([\d.]+)"', drawing.svg)}
    named = [(float(x), float(y)) for x, y in re.findall(r'<circle cx="([\d.]+)" cy="([\d.]+)"', drawing.svg)]
    assert len(named) == 3
    assert all(min(abs(x - a) + abs(y - b) for a, b in drawn) < 0.5 for x, y in named)
    assert drawing.pdf == plots.growth("g", lines, "length").pdf
