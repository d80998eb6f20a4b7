"""The scoreboard: rows, resuming, limits, the table, and that the peers get the problem they should."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from benchmarks.command import bench
from benchmarks.harness.execution import lost
from benchmarks.harness.measure import run_process
from benchmarks.harness.row import BenchmarkError, Place, Row, append, finished, read
from benchmarks.harness.task import Task
from benchmarks.inputs.case import Case
from benchmarks.reports.table import best, markdown
from benchmarks.suites.competitors import COMPETITORS, SYGUS_CONFIGURATIONS, examples
from benchmarks.suites.peers import execute, plan, run_suite
from cegis import Domain, motifs, tabulate
from tasks.formats.circuit_folder import load_circuit, shipped_path

PLACE = Place({"python": "3.11", "cvc5": "1.4"}, "a machine", "abc123", "0123456789abcdef")


def peer_task(competitor: str = "ours", configuration: str = "z3", seconds: float = 20.0, **changes: object) -> Task:
    """A task on the circuit ``toy``."""
    options = {"circuit": "ff", "competitor": competitor, "configuration": configuration, "options": {}}
    files = {"folder": "toy-folder", "examples": "toy-examples"}
    task = Task("peers", "toy", f"{competitor}, {configuration}", 0, seconds, options, files, None)
    return replace(task, **changes)  # type: ignore[arg-type]


JOB = peer_task()


def row(competitor: str = "ours", configuration: str = "z3", **changes: object) -> Row:
    """A solved row of ours on the circuit ``toy``."""
    values: dict[str, object] = dict(
        status="solved", terminationreason="", seconds=2.0, cputime=1.5, walltime=3.0, memory=90_000_000,
        program="def f", wrong=0, sizes={"operators": 4, "lines": 1}, checked=30, phases={"search": 2.0},
        detail={"proof": ["surrogate", "enumerated"]}, load=0.5, starttime="2025-01-01T00:00:00+00:00",
    )  # fmt: skip
    return replace(lost(peer_task(competitor, configuration), PLACE, ""), **{**values, **changes})  # type: ignore[arg-type]


LOOP, EXAMPLES, LSTAR = (name for name in COMPETITORS if name != "ours")
ROWS = (
    row(),
    row(configuration="no solver", seconds=0.5, detail={"proof": ["enumerated"]}),
    row(competitor=LOOP, configuration="default", status="timeout", seconds=None, wrong=7, detail={}),
    row(competitor=LOOP, configuration="fast", seconds=0.25, sizes={"operators": 3, "lines": 1, "nodes": 3}, detail={}),
    row(competitor=EXAMPLES, configuration="default", seconds=0.1, wrong=5, sizes={"operators": 2}, detail={}),
    row(competitor=LSTAR, configuration="moore", seconds=4.0, sizes={"states": 3, "transitions": 6}, detail={}),
)

EXPECTED_TIMES = """\
| circuit | sequences | ours, z3 | ours, no solver | cvc5 SyGuS, in the loop | cvc5 SyGuS, our examples | AALpy L* |
|---------|-----------|----------|-----------------|-------------------------|--------------------------|----------|
| toy     | 30        | 2.00     | 0.5             | 0.25                    | 0.1, wrong on 5          | 4.00     |
"""

EXPECTED_WINS = """\
## Where a peer wins

- **toy**: cvc5 SyGuS, in the loop (fast) is right in 0.25 s; ours, z3: 2.00, ours, no solver: 0.5.
- **toy**: cvc5 SyGuS, in the loop (fast) needs 3 operators, ours 4.

"""


def section(text: str, title: str) -> str:
    """The part of a report below a heading."""
    return text.split(f"## {title}", 1)[1].split("\n## ", 1)[0]


def test_table_shows_times_side_by_side() -> None:
    assert EXPECTED_TIMES in markdown(ROWS)


def test_table_says_where_a_peer_wins() -> None:
    assert EXPECTED_WINS in markdown(ROWS)


def test_ratios_divide_the_peer_by_us_and_leave_wrong_answers_out() -> None:
    line = section(markdown(ROWS), "Ratios").strip().splitlines()[-1]
    assert [cell.strip() for cell in line.split("|")[1:-1]] == ["toy", "0.125", "0.5", "–", "–", "2", "8"]


def test_a_peer_at_the_limit_gives_a_lower_bound() -> None:
    rows = [row(), row(competitor=LOOP, configuration="fast", status="timeout", seconds=None, wrong=None)]
    assert "> 10" in section(markdown(rows), "Ratios")
    assert "timeout (20)" in section(markdown(rows), "Seconds")


def test_a_wrong_answer_never_counts_as_best_or_as_a_win() -> None:
    quick = row(competitor=LOOP, configuration="default", seconds=0.01, wrong=1)
    right = row(competitor=LOOP, configuration="fast", seconds=9.0)
    assert best([quick, right], "toy", LOOP) is right
    assert "no peer is quicker" in section(markdown([row(), quick]), "Where")


def test_an_answer_compared_with_nothing_is_not_right() -> None:
    assert not row(checked=0).is_right
    assert not row(wrong=None).is_right


def test_a_solver_that_did_not_finish_is_said_beside_our_time() -> None:
    assert "2.00, by enumeration only" in markdown([row(detail={"proof": ["enumerated"]})])


def test_errors_come_before_everything_else() -> None:
    text = markdown([*ROWS, row(competitor=LSTAR, status="error", reason="pip install aalpy", seconds=None)])
    assert text.index("## Errors: 1 of 7 runs") < text.index("pip install aalpy") < text.index("## Seconds")


def test_no_rows_make_no_table() -> None:
    with pytest.raises(BenchmarkError, match="no rows"):
        markdown([])


def test_rows_survive_the_file(tmp_path: Path) -> None:
    for one in ROWS:
        append(tmp_path / "rows.jsonl", one)
    assert read(tmp_path / "rows.jsonl") == ROWS


def test_a_broken_line_is_named(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    append(path, row())
    with path.open("a") as lines:
        lines.write('{"suite": "peers", "sta\n')
    with pytest.raises(BenchmarkError, match="line 2: not a row"):
        read(path)


def test_a_row_of_an_earlier_version_is_named_for_what_it_is(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"circuit": "toy", "circuit_sha256": "ff", "competitor": "ours"}\n')
    with pytest.raises(BenchmarkError, match=r"line 1: .* an earlier version wrote it.* start another folder"):
        read(path)


def test_the_columns_are_called_what_benchexec_calls_them(tmp_path: Path) -> None:
    append(tmp_path / "rows.jsonl", row())
    kept = json.loads((tmp_path / "rows.jsonl").read_text())
    columns = ("status", "category", "terminationreason", "returnvalue", "exitsignal", "cputime", "walltime", "memory")
    assert {*columns, "starttime", "timelimit", "memlimit"} <= set(kept)
    assert (kept["status"], kept["category"]) == ("solved", "correct")


@pytest.mark.parametrize(
    ("changes", "category"),
    [
        ({}, "correct"), ({"wrong": 1}, "wrong"), ({"status": "wrong", "wrong": None}, "wrong"),
        ({"checked": 0}, "missing"), ({"checked": 0, "answers": [["z3", "valid", 0.1]]}, "correct"),
        ({"status": "infeasible", "wrong": None}, "missing"), ({"status": "unsolved", "wrong": None}, "unknown"),
        ({"status": "unchecked", "wrong": None}, "unknown"), ({"status": "timeout", "wrong": None}, "error"),
        ({"status": "killed", "wrong": None}, "error"),
    ],
)  # fmt: skip
def test_the_category_says_what_an_answer_is_worth(changes: dict[str, object], category: str) -> None:
    assert row(**changes).category == category  # type: ignore[arg-type]


def test_a_line_that_a_killed_run_left_unfinished_is_no_row(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    append(path, ROWS[0])
    with path.open("a") as lines:
        lines.write('{"suite": "peers", "sta')
    assert read(path) == ROWS[:1]
    append(path, ROWS[1])
    assert read(path) == ROWS[:2]


def test_finished_runs_are_not_repeated_and_errors_are(tmp_path: Path) -> None:
    ran: list[str] = []

    def fake(task: Task, place: Place) -> Row:
        name = task.options["configuration"]
        ran.append(name)
        status = "error" if name == "cvc5" and ran.count("cvc5") == 1 else "solved"
        return replace(row(configuration=name, status=status), key=task.key(place))

    tasks = [peer_task("ours", name) for name in ("z3", "cvc5", "no solver")]
    for _ in range(3):
        rows = run_suite(tasks, tmp_path / "rows.jsonl", PLACE, run=fake)
    assert ran == ["z3", "cvc5", "no solver", "cvc5"]
    assert [one.status for one in rows] == ["solved"] * 3


@pytest.mark.parametrize(
    "other",
    [
        replace(JOB, seconds=30.0), replace(JOB, seed=1), replace(JOB, options={**JOB.options, "circuit": "00"}),
        replace(JOB, options={**JOB.options, "options": {"sygus-enum": "fast"}}),
    ],
)  # fmt: skip
def test_another_limit_seed_circuit_or_option_is_another_run(other: Task) -> None:
    assert JOB.key(PLACE) in finished([row()])
    assert other.key(PLACE) not in finished([row()])


def test_other_source_or_machine_is_another_run() -> None:
    assert JOB.key(replace(PLACE, source="1")) != JOB.key(replace(PLACE, source="2"))
    assert JOB.key(replace(PLACE, machine="1")) != JOB.key(replace(PLACE, machine="2"))


def test_peers_get_the_examples_our_loop_ended_with(tmp_path: Path) -> None:
    given: dict[str, object] = {}
    files = {"folder": "", "examples": str(tmp_path / "examples" / "toy.json")}

    def fake(task: Task, place: Place) -> Row:
        name = task.options["competitor"]
        given[name] = examples(task)
        found = {"examples": [[["a"], "x"]]} if name == "ours" else {}
        return replace(row(name), key=task.key(place), detail=found)

    tasks = [peer_task(EXAMPLES, files=files), peer_task(files=files)]
    rows = run_suite(tasks, tmp_path / "rows.jsonl", PLACE, run=fake)
    assert given == {"ours": (), EXAMPLES: ((("a",), "x"),)}
    assert [one.options["competitor"] for one in rows] == [EXAMPLES, "ours"]


def told(**fields: object) -> list[str]:
    """A worker that reports these fields and ends."""
    return [sys.executable, "-c", f"print({json.dumps(fields)!r})"]


@pytest.mark.slow
def test_a_worker_that_overruns_is_killed_with_its_children(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.suites.peers.START_SECONDS", 0.1)
    monkeypatch.setattr("benchmarks.suites.peers.GRACE_SECONDS", 0.2)
    mark = tmp_path / "still-alive"
    child = f"import time; time.sleep(2.5); open({str(mark)!r}, 'w')"
    stubborn = (
        "import json, signal, subprocess, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
        f"subprocess.Popen([sys.executable, '-c', {child!r}]); "
        "print(json.dumps({'program': 'so far', 'wrong': 3, 'checked': 9}), flush=True); time.sleep(60)"
    )
    result = execute(replace(JOB, seconds=0.1), PLACE, [sys.executable, "-c", stubborn])
    assert (result.status, result.seconds, result.program, result.wrong) == ("killed", None, "so far", 3)
    run_process([sys.executable, "-c", "import time; time.sleep(2.6)"], 10)
    assert not mark.exists()


def test_a_worker_that_dies_is_an_error_with_its_last_words() -> None:
    result = execute(JOB, PLACE, [sys.executable, "-c", "raise SystemExit('out of luck')"])
    assert result.status == "error"
    assert "out of luck" in result.reason


def test_a_worker_that_says_nothing_is_an_error() -> None:
    assert execute(JOB, PLACE, [sys.executable, "-c", "pass"]).status == "error"


def test_a_worker_that_dies_after_its_answer_is_an_error() -> None:
    code = 'print(\'{"status": "solved", "seconds": 1.0}\', flush=True); raise SystemExit(3)'
    assert execute(JOB, PLACE, [sys.executable, "-c", code]).status == "error"


def test_an_answer_after_the_limit_is_a_timeout() -> None:
    command = told(status="solved", seconds=20.5, wrong=0, checked=9)
    assert execute(JOB, PLACE, command).status == "timeout"


def test_an_alarm_inside_the_worker_is_a_timeout() -> None:
    code = "import os, signal; os.kill(os.getpid(), signal.SIGPROF)"
    assert execute(JOB, PLACE, [sys.executable, "-c", code]).status == "timeout"


@pytest.mark.slow
def test_a_real_worker_solves_a_shipped_circuit(tmp_path: Path) -> None:
    job = next(
        job
        for job in plan({"quote_closing": shipped_path("quote_closing")}, seconds=60, seed=0, out=tmp_path)
        if job.options["configuration"] == "no solver"
    )
    result = execute(job, PLACE)
    assert (result.status, result.reason, result.wrong, result.checked) == ("solved", "", 0, 18_434)
    assert result.detail["examples"]
    assert result.program.startswith("def program")


@pytest.fixture(scope="module")
def case() -> Case:
    """The quote circuit, labelled by what it was taught, up to length 5."""
    circuit = load_circuit(shipped_path("quote_closing"))
    domain = circuit.domain.up_to(5)
    grammar = motifs(domain.alphabet, circuit.labels)
    return Case(
        circuit, domain, tabulate(lambda words: "'" if "'" in words else '"', domain, grammar.signature), grammar
    )


@pytest.mark.parametrize("name", SYGUS_CONFIGURATIONS)
def test_cvc5_answers_with_a_program_of_the_grammar_that_fits_the_examples(name: str) -> None:
    from benchmarks.peers.sygus import Problem
    from cegis.sygus.features import groups

    domain = Domain(("a", "b"), 1, 4)
    grammar = motifs(domain.alphabet, ("0", "1", "2", "3", "4"))
    examples = [(words, str(words.count("a"))) for words in domain]
    program = Problem(grammar, groups(grammar), examples, SYGUS_CONFIGURATIONS[name], 0).solve()
    assert program is not None
    assert program.cost >= 1  # derivable; raises otherwise
    assert all(program(words) == label for words, label in examples)


def test_cvc5_gets_only_features_that_differ_on_the_examples(case: Case) -> None:
    from benchmarks.peers.sygus import Problem
    from cegis.sygus.features import groups

    known = groups(case.grammar)
    examples = [(("x", "'"), "'"), (('"',), '"')]
    problem = Problem(case.grammar, known, examples, {}, 0)
    batch = case.grammar.signature.batch([words for words, _ in examples])
    values = {(f.nonterminal, tuple(f.term.evaluate(batch))) for f in problem.inputs.values()}
    everything = [feature for group in known for feature in group.features]
    assert len(values) == len(problem.inputs) < len(everything)
    assert values == {(f.nonterminal, tuple(f.term.evaluate(batch))) for f in everything}


def test_features_evaluated_together_equal_one_by_one(case: Case) -> None:
    from cegis.sygus.features import groups

    batch = case.grammar.signature.batch([("x", "'", "y"), ('"',), ("y", "y", "x", "'", "x")])
    for group in groups(case.grammar):
        for feature, together in zip(group.features, group.values(batch), strict=True):
            assert (feature.term.evaluate(batch) == together).all(), str(feature.term)


def test_cvc5_stops_the_loop_only_when_right_on_the_domain(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Case, "of", lambda circuit: case)
    found: dict[str, object] = {}
    COMPETITORS[LOOP].run(case.circuit, peer_task(LOOP, "default"), lambda **fields: found.update(fields))
    assert (found["status"], found["wrong"], found["checked"]) == ("solved", 0, case.domain.size())


def test_lstar_learns_a_machine_that_is_right_on_the_domain(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("aalpy")
    monkeypatch.setattr(Case, "of", lambda circuit: case)
    found: dict[str, object] = {}
    COMPETITORS[LSTAR].run(case.circuit, peer_task(LSTAR, "moore"), lambda **fields: found.update(fields))
    assert (found["status"], found["wrong"]) == ("solved", 0)
    assert found["sizes"]["states"] >= 3  # type: ignore[index]


def test_a_machine_that_is_wrong_is_counted(case: Case) -> None:
    pytest.importorskip("aalpy")
    from benchmarks.peers.lstar import learn, wrong_rows

    machine, _ = learn(case)
    for state in machine.states:
        state.output = 0
    assert sum(map(len, wrong_rows(machine, case).values())) == case.domain.size() // 2


def test_missing_aalpy_is_one_clear_sentence(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "benchmarks.peers.lstar", None)
    with pytest.raises(ImportError, match="pip install aalpy"):
        COMPETITORS[LSTAR].run(case.circuit, JOB, lambda **fields: None)


def test_an_unknown_circuit_is_one_line_naming_the_known_ones(tmp_path: Path) -> None:
    result = CliRunner().invoke(bench, ["--out", str(tmp_path), "--circuits", "nonsense"])
    assert result.exit_code == 2
    assert "quote_closing" in result.output
    assert "Traceback" not in result.output


@pytest.mark.parametrize("seconds", [0.0, -1.0, float("inf"), float("nan")])
def test_a_limit_that_is_none_is_refused(seconds: float) -> None:
    with pytest.raises(BenchmarkError, match="more than 0 seconds"):
        plan({"quote_closing": shipped_path("quote_closing")}, seconds=seconds, seed=0, out=Path())


def test_the_command_loads_nothing_heavy() -> None:
    code = "import sys, benchmarks.command; sys.exit(str({'cvc5', 'numpy', 'aalpy', 'torch'} & set(sys.modules)))"
    process = run_process([sys.executable, "-c", code], 30)
    assert process.errors.strip() == "set()"
