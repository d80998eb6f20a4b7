"""What may be compared, from made-up rows: nobody wins by a run that was not made, and nobody loses by one."""

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from benchmarks.harness import journal, standing
from benchmarks.harness.execution import lost
from benchmarks.harness.measure import inherited
from benchmarks.harness.row import REPEATS, BenchmarkError, Place, Row
from benchmarks.harness.schedule import run_all
from benchmarks.harness.standing import Plan, Run, judge
from benchmarks.harness.task import Task
from benchmarks.reports import length_scores, networks_page, plots, scores, solve_page, table
from benchmarks.reports.document import markdown
from benchmarks.reports.page import report, write
from benchmarks.suites.peers import run_suite
from benchmarks.suites.solve_runs import absent as absent_tools
from benchmarks.suites.solve_runs import plan as sygus_plan

PLACE = Place({"python": "3.11"}, "a machine, 2 cores", "abc123", "0123456789abcdef")
RUNS = [Run(task, tool) for task in ("a", "b", "c") for tool in ("x", "y")]


def result(problem: str, backend: str, seconds: float | None, suite: str = "sygus", **changes: object) -> Row:
    """A solved row, or a timeout where there are no seconds."""
    task = Task(suite, problem, backend, 0, 10.0, {"track": "t", "length": 4}, {})
    status, verdict = ("solved", "proved") if seconds is not None else ("timeout", "")
    row = replace(
        lost(task, PLACE, ""), status=status, terminationreason="", seconds=seconds, verdict=verdict, size=3,
        answers=[["z3", "valid", 0.1]] if suite == "sygus" and seconds is not None else [],
    )  # fmt: skip
    return replace(row, **changes)  # type: ignore[arg-type]


def planned(rows: Sequence[Row], *more: Row, **fields: object) -> Plan:
    keys = {(row.suite, row.problem, row.backend, row.seed): row.key for row in (*rows, *more)}
    return Plan(keys, **fields)  # type: ignore[arg-type]


BOTH = [result(f"own/{name}", tool, 1.0) for name in "abc" for tool in ("ours", "cvc5 fast")]


def sygus(rows: Sequence[Row], plan: Plan | None = None) -> str:
    return markdown(solve_page.report(rows, draw=False, plan=plan)[0])


def test_everything_measured_may_be_ranked() -> None:
    found = judge(RUNS)
    assert (found.tools, found.made, found.planned, found.may_rank) == (("x", "y"), 6, 6, True)
    assert found.common == {"a", "b", "c"}


@pytest.mark.parametrize(
    "gone", [None, Run("c", "y", "stopped by wall clock or from outside"), Run("c", "y", "not installed")]
)
def test_a_run_that_measured_nothing_leaves_its_task_out_for_everybody(gone: Run | None) -> None:
    found = judge([*RUNS[:-1], *([gone] if gone else [])], [(run.task, run.tool) for run in RUNS])
    assert (found.made, found.planned, found.may_rank, found.common) == (5, 6, False, {"a", "b"})
    assert found.missing == (("y", "c", gone.why if gone else "not run"),)


def test_a_tool_without_a_measured_run_took_no_part() -> None:
    for why, is_error in (("not installed", False), ("", True)):
        found = judge([*RUNS, Run("a", "z", why, is_error)], [(run.task, run.tool) for run in RUNS])
        assert found.tools == ("x", "y")
        assert found.common == {"a", "b", "c"}
    assert found.absent == {"z": "every run was an error"}


def test_a_crash_beside_answers_is_a_loss_and_not_a_missing_run() -> None:
    found = judge([*RUNS[:-1], Run("c", "y", is_error=True)])
    assert (found.may_rank, found.common) == (True, {"a", "b", "c"})


@pytest.mark.parametrize("mixed", [{"limits": "9 s"}, {"machine": "another"}, {"source": "another"}])
def test_rows_of_different_conditions_rank_nobody(mixed: dict[str, str]) -> None:
    found = judge([*RUNS[:-1], replace(RUNS[-1], **mixed)])
    assert (found.is_complete, found.may_rank, len(found.mixed)) == (True, False, 1)


def test_two_tools_may_have_sources_of_their_own() -> None:
    assert judge([replace(run, source=run.tool) for run in RUNS]).may_rank


# the pages


def test_a_partial_page_says_so_on_top_and_names_what_is_missing() -> None:
    text = sygus(BOTH[:-1], planned(BOTH))
    assert text.splitlines()[2] == "**5 of 6 runs. This is a part: nobody is ranked on it.**"
    assert "Missing (own): cvc5 fast: 1 not run; namely cvc5 fast on own/c." in text
    assert "Where cvc5 wins" not in text
    assert "Where we win" not in text
    assert "| ours              | 2/2 " in text  # of the common problems


def test_a_complete_page_says_so_and_ranks() -> None:
    text = sygus(BOTH, planned(BOTH))
    assert text.splitlines()[2] == "6 of 6 runs."
    assert "Where cvc5 wins" in text


def test_par2_is_over_the_common_problems_only() -> None:
    slow = result("own/d", "ours", None)
    text = sygus([*BOTH, slow], planned([*BOTH, slow], result("own/d", "cvc5 fast", 1.0)))
    assert "| ours              | 3/3    | 1 " in text
    assert "7 of 8 runs" in text


def test_a_tool_that_never_came_to_its_turn_loses_nothing() -> None:
    ours = [row for row in BOTH if row.backend == "ours"]
    text = sygus(ours, planned(BOTH))
    assert "3 of 6 runs" in text
    assert "Did not run, and is in no figure (own): cvc5 fast (not run)." in text
    assert "virtual best" not in text
    assert "Solved by us" not in text
    totals = text.split("## Problems own", 1)[1].split("### Every run", 1)[0]
    assert "| cvc5" not in totals


def test_what_cannot_be_installed_is_planned_for_nobody_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.suites.solve_runs.find_spec", lambda name: None)
    folder = Path(solve_page.__file__).parents[1] / "sygus_suite" / "files"
    assert {task.backend for task in sygus_plan(folder, 1.0, 4096)} == {"ours"}
    with pytest.raises(BenchmarkError, match="expected tools among ours, got cvc5 fast"):
        sygus_plan(folder, 1.0, 4096, ["cvc5 fast"])
    ours = [row for row in BOTH if row.backend == "ours"]
    text = sygus(ours, planned(ours, absent={"sygus": absent_tools()}))
    assert "cvc5 fast (not installed: cvc5)" in text
    assert "3 of 3 runs" in text


@pytest.mark.parametrize("status", ["killed", "lost", "absent"])
def test_a_run_that_measured_nothing_is_never_ranked(status: str) -> None:
    starved = [*BOTH[:-1], replace(BOTH[-1], status=status, seconds=None)]
    text = sygus(starved, planned(starved))
    assert "5 of 6 runs" in text.splitlines()[2]
    assert "Where cvc5 wins" not in text
    loop = [replace(row, suite="loop") for row in starved]
    (ours, other, best) = scores.scores(scores.attempts(loop))
    assert [ours.attempts, other.attempts, best.attempts] == [2, 2, 2]


def test_a_stop_by_wall_clock_is_not_a_timeout_of_the_solver_pages_either() -> None:
    rows = [result(name, tool, 1.0, "loop") for name in "ab" for tool in ("z3", "cvc5")]
    rows[-1] = replace(rows[-1], status="killed", seconds=None)
    text = markdown(report(rows, draw=False)[0])
    assert text.splitlines()[2].startswith("**3 of 4 runs.")
    assert "Nobody is ranked" in text
    assert "| z3   | 1/1 " in text.replace("| z3           |", "| z3   |")


def test_a_query_stopped_by_wall_clock_is_left_out_for_every_solver() -> None:
    answers = {"z3": "sat", "cvc5": "unknown: walltime"}
    rows = [
        result("toy, one-shot", tool, 1.0, "replay", options={"mode": "one-shot"},
               answers=[["q", "sat", 0.1, ""], ["r", said, 0.1, ""]], queries=2)
        for tool, said in answers.items()
    ]  # fmt: skip
    assert {line.attempts for line in scores.scores(scores.attempts(rows))} == {1}
    assert "3 of 4 runs" in markdown(report(rows, draw=False)[0]).splitlines()[2]


def test_rows_of_another_plan_are_in_no_figure() -> None:
    old = replace(BOTH[0], key="of another commit", seconds=0.001)
    assert old not in standing.chosen([*BOTH, old], planned(BOTH))
    assert standing.chosen([*BOTH, old], None)[-1] in BOTH


def test_a_tie_of_limits_is_needed_before_anybody_is_ranked() -> None:
    mixed = [*BOTH[:-1], replace(BOTH[-1], timelimit=5.0)]
    text = sygus(mixed, planned(mixed))
    assert "Not comparable, nobody is ranked (own): the limits differ (10 s, 4,096 MB; 5 s, 4,096 MB)." in text
    assert "Where cvc5 wins" not in text


def test_the_page_states_limits_load_and_what_cvc5_was_given() -> None:
    text = sygus([replace(row, load=7.5) for row in BOTH])
    for said in ("Wall clock may take 4 times", "7.5 to 7.5", "incremental=false", "sygus-enum=fast", "abc123"):
        assert said in text
    starved = [replace(BOTH[0], walltime=20.0, cputime=1.0), *BOTH[1:]]
    assert "1 runs got less than half of a core" in sygus(starved)


def test_a_network_that_came_to_no_end_is_charged_what_it_used() -> None:
    cut = result("dyck/a", "ours", None, "networks", cputime=400.0, detail={}, options={"longest": 10})
    text = markdown(networks_page.report([cut], draw=False)[0])
    assert "0 of 1 networks; 400 CPU seconds in all" in text


def by_length(backend: str, length: int, seconds: float | None, status: str = "") -> Row:
    options = {"circuit": "c", "name": "short", "length": length, "stand_in": "" if backend == "counting" else "dense"}
    row = result(f"{length}", backend, seconds, "lengths", options=options, verdict="equal" if seconds else "")
    return replace(row, status=status) if status else row


@pytest.mark.parametrize(
    ("status", "failed", "said"),
    [
        ("timeout", 8, "the ratio is above 100"),
        ("out of memory", 8, "no solver finishes (out of memory)"),
        ("killed", None, "at 8 not every solver was measured"),
    ],
)
def test_only_a_timeout_gives_a_lower_bound(status: str, failed: int | None, said: str) -> None:
    rows = [by_length("z3", 4, 1.0), by_length("z3", 8, None, status)]
    rows += [by_length("counting", 4, 0.1), by_length("counting", 8, 0.1)]
    found = length_scores.compared(rows, "dense")
    assert found is not None
    assert found.failed == failed
    assert said in " ".join(networks_page.sentences(rows))


def test_a_suite_interrupted_while_it_climbs_says_so() -> None:
    rows = [by_length("counting", 4, 0.1)]
    text = markdown(networks_page.report(rows, draw=False, plan=planned(rows, unfinished=frozenset({"lengths"})))[0])
    assert "Interrupted before its end (lengths)" in text


def test_a_suite_interrupted_before_its_first_run_is_missing_and_not_forgotten() -> None:
    loop, growth = (result("toy", "z3", 1.0, suite) for suite in ("loop", "growth"))
    text = markdown(report([loop], draw=False, plan=planned([loop], growth))[0])
    assert text.splitlines()[2].startswith("**1 of 2 runs.")
    assert "Did not run, and is in no figure (growth): z3 (not run)." in text


# the peers


def peer_task(competitor: str, configuration: str, circuit: str = "toy") -> Task:
    options = {"circuit": "ff", "competitor": competitor, "configuration": configuration, "options": {}}
    tool = f"{competitor}, {configuration}"
    return Task("peers", circuit, tool, 0, 20.0, options, {"folder": "", "examples": ""}, None)


def peer(competitor: str, configuration: str, circuit: str = "toy", **changes: object) -> Row:
    values: dict[str, object] = dict(
        status="solved", terminationreason="", seconds=2.0, cputime=1.5, walltime=3.0, memory=90_000_000,
        sizes={"operators": 4}, wrong=0, checked=30, load=0.5, starttime="2025",
    )  # fmt: skip
    return replace(lost(peer_task(competitor, configuration, circuit), PLACE, ""), **{**values, **changes})  # type: ignore[arg-type]


def test_a_partial_table_of_peers_has_neither_ratios_nor_wins() -> None:
    rows = [peer("ours", "z3"), peer("AALpy L*", "moore"), peer("ours", "z3", "other")]
    keys = {("peers", r.problem, r.backend, 0): "" for r in rows}
    plan = Plan({**keys, ("peers", "other", "AALpy L*, moore", 0): ""})
    text = table.markdown(rows, plan)
    assert text.splitlines()[2] == "**3 of 4 runs. This is a part: nobody is ranked on it.**"
    assert "## Ratios" not in text
    assert "Where a peer wins" not in text
    assert "| other " not in text.split("## Every run")[0]
    assert "## Ratios" in table.markdown(rows[:2])


def test_a_peer_that_is_not_installed_has_no_column() -> None:
    rows = [peer("ours", "z3"), peer("AALpy L*", "moore", status="absent", seconds=None, wrong=None)]
    text = table.markdown(rows)
    assert "AALpy L*" not in text.split("## Seconds")[1].split("## Every run")[0]
    assert "Did not run, and is in no figure (peers): AALpy L*, moore (not installed)." in text


def test_a_peer_starved_by_the_machine_is_run_again_and_at_last_not_measured(tmp_path: Path) -> None:
    tried: list[str] = []

    def starved(task: Task, place: Place) -> Row:
        tried.append(task.problem)
        return replace(peer("ours", "z3", status="killed", seconds=None), key=task.key(place))

    (row,) = run_suite([peer_task("ours", "z3")], tmp_path / "r.jsonl", PLACE, run=starved)
    assert (len(tried), row.status) == (1 + REPEATS, "killed")


# the runs


@pytest.mark.parametrize(("starved", "status", "made"), [(1, "solved", 2), (99, "killed", 1 + REPEATS)])
def test_a_starved_run_is_repeated_a_bounded_number_of_times(
    starved: int, status: str, made: int, tmp_path: Path
) -> None:
    tried: list[str] = []

    def run(task: Task, place: Place) -> Row:
        tried.append(task.problem)
        row = result(task.problem, "z3", 1.0, "loop", key=task.key(place))
        return replace(row, status="killed", seconds=None) if len(tried) <= starved else row

    tasks = [Task("loop", "toy", "z3", 0, 10.0, {"length": 4}, {})]
    with ThreadPoolExecutor(1) as pool:
        (row,) = run_all(tasks, tmp_path / "solvers.jsonl", PLACE, pool, run=run)
    assert (row.status, len(tried), row.repeats) == (status, made, made - 1)
    assert len((tmp_path / "solvers.jsonl").read_text().splitlines()) == made  # each stop is flagged in the file


def test_the_plan_outlives_a_suite_that_is_killed_and_is_replaced_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plots, "is_installed", lambda: False)
    file = tmp_path / "solvers.jsonl"
    tasks = [Task("loop", f"toy {n}", tool, 0, 10.0, {"length": 4}, {}) for n in range(2) for tool in ("z3", "cvc5")]

    made: list[str] = []

    def dies(task: Task, place: Place) -> Row:
        made.append(task.problem)
        if len(made) > 1:
            raise TypeError("the machine went down")
        return result(task.problem, task.backend, 1.0, "loop", key=task.key(place))

    with ThreadPoolExecutor(1) as pool, pytest.raises(TypeError):
        run_all(tasks, file, PLACE, pool, run=dies)
    assert "1 of 4 runs" in write(file, tmp_path).splitlines()[2]
    journal.append(file, asdict(result("toy 0", "z3", 0.001, "loop", key="old")))
    assert "1 of 4 runs" in write(file, tmp_path).splitlines()[2]


def test_every_form_of_a_page_begins_with_how_many_runs_it_is_of(tmp_path: Path) -> None:
    for row in BOTH[:-1]:
        journal.append(tmp_path / "sygus.jsonl", asdict(replace(row, key=row.problem + row.backend)))
    solve_page.write(tmp_path / "sygus.jsonl", tmp_path)
    said = "5 of 6 runs. This is a part: nobody is ranked on it."
    assert said in (tmp_path / "sygus.html").read_text().partition("<table>")[0]
    blocks = json.loads((tmp_path / "sygus.json").read_text())["blocks"]
    assert blocks[1] == {"kind": "Paragraph", "text": said, "is_bad": True}


def test_a_plan_that_is_none_is_one_sentence(tmp_path: Path) -> None:
    standing.beside(tmp_path / "rows.jsonl").write_text("[]")
    with pytest.raises(BenchmarkError, match="not a plan of this benchmark"):
        standing.load(tmp_path / "rows.jsonl")


def test_inherited_limits_hold_where_they_are_smaller(monkeypatch: pytest.MonkeyPatch) -> None:
    import resource

    limits = {resource.RLIMIT_CPU: (-1, 11), resource.RLIMIT_AS: (-1, 1 << 30)}
    monkeypatch.setattr("benchmarks.harness.measure.resource.getrlimit", limits.__getitem__)
    assert inherited(30.0, 4096) == (10, 1024)
    assert inherited(5.0, 512) == (5.0, 512)
    assert inherited(None, None) == (None, None)
