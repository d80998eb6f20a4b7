"""SMT-LIB files of other people: what they ask, which solvers take them, what an answer is worth, and the page."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from quick import sliced

from benchmarks.command import bench
from benchmarks.harness import runexec
from benchmarks.harness.row import BenchmarkError, Place, Row, read
from benchmarks.inputs import smtlib_files, smtlib_tools
from benchmarks.reports import scores
from benchmarks.reports.document import markdown
from benchmarks.reports.page import report
from benchmarks.suites import smtlib

PLACE = Place({"python": "3.11"}, "a machine", "abc123", "0123456789abcdef")
SQUARE = """; (check-sat) in a comment is none
(set-info :source |by hand; (check-sat) (set-info :status unsat)|)
(set-info :status sat)
(set-logic QF_BV)
(declare-fun x () (_ BitVec 8))
(assert (= (bvmul x x) #x31))
(check-sat)
(get-model)
"""
TWICE = """(set-logic QF_LIA)
(declare-fun x () Int)
(push 1) (assert (> x 3)) (set-info :status sat) (check-sat) (pop 1)
(push 1) (assert (and (< x 3) (> x 2))) (set-info :status unsat) (check-sat) (pop 1)
"""
QUANTIFIED = (
    "(set-logic UFLIA)(declare-fun f (Int) Int)(assert (forall ((x Int)) (> (f x) x)))(assert (< (f 3) 2))(check-sat)"
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "own" / "below").mkdir(parents=True)
    (tmp_path / "own" / "square.smt2").write_text(SQUARE)
    (tmp_path / "own" / "below" / "twice.smt2").write_text(TWICE)
    (tmp_path / "own" / "quantified.smt2").write_text(QUANTIFIED)
    (tmp_path / "own" / "nothing.smt2").write_text('(echo "(check-sat)")')
    return tmp_path / "own"


def test_a_file_is_asked_what_its_commands_ask_and_no_comment_string_or_symbol(folder: Path) -> None:
    found = {file.name: file for file in smtlib_files.files(folder)}
    assert sorted(found) == ["below/twice.smt2", "quantified.smt2", "square.smt2"]
    square, twice, quantified = found["square.smt2"], found["below/twice.smt2"], found["quantified.smt2"]
    assert (square.logic, square.expected, square.is_incremental) == ("QF_BV", ("sat",), False)
    assert (twice.logic, twice.expected, twice.is_incremental) == ("QF_LIA", ("sat", "unsat"), True)
    assert (quantified.logic, quantified.expected) == ("UFLIA", ("",))


def test_a_status_holds_for_the_next_question_alone(tmp_path: Path) -> None:
    (tmp_path / "a.smt2").write_text("(set-info :status unsat)(check-sat)(check-sat-assuming (a))")
    (file,) = smtlib_files.files(tmp_path)
    assert (file.logic, file.expected) == ("no logic", ("unsat", ""))


def test_a_folder_without_questions_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match="got 0 files"):
        smtlib_files.files(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tools = 3", "expected tables"),
        ("[solvers.a]\ncommand = ['a']", "expected tables"),
        ("[tools.a]\ncommand = ['a']", "{file} among them"),
        ("[tools.a]\ncommand = 'a {file}'", "expected a list of texts"),
        ("[tools.a]\ncommand = ['a', '{file}']\nlogic = ['QF_BV']", "unknown key; known: command"),
        ("[tools.a]\ncommand = ['a', '{file}']\nis_variant = 1", "true or false"),
        ("[tools", "cannot be read as TOML"),
    ],
)
def test_a_wrong_table_of_tools_is_one_sentence(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "tools.toml").write_text(text)
    with pytest.raises(BenchmarkError, match=message):
        smtlib_tools.read(tmp_path / "tools.toml")


def test_five_solvers_are_configured_and_variants_run_only_when_they_are_named() -> None:
    assert [tool.name for tool in smtlib_tools.tools()] == ["z3", "cvc5", "bitwuzla", "yices", "cvc4"]
    assert smtlib_tools.tools(["z3-bit-blast"])[0].is_variant
    with pytest.raises(BenchmarkError, match="unknown tool 'z4'; known: z3, cvc5"):
        smtlib_tools.tools(["z4"])


def test_a_solver_program_of_the_users_gets_the_file_on_standard_input(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "distill-solvers.toml").write_text('[solvers.lines]\ncommand = ["wc", "-l"]\nlogics = ["QF_BV"]\n')
    monkeypatch.setenv("DISTILL_SOLVERS", str(tmp_path / "distill-solvers.toml"))
    rows = {row.problem: row for row in run(folder, ["lines"])}
    assert rows["own/square.smt2"].reason == "ended with code 0 and 0 of 1 answers: 8"  # lines
    assert rows["own/below/twice.smt2"].status == "unsupported"


def run(folder: Path, names: list[str], more: Path | None = None, seconds: float = 10.0) -> list[Row]:
    return [smtlib.execute(task, PLACE) for task in smtlib.plan(folder, names, seconds, 2048, more)]


def saying(tmp_path: Path, **scripts: str) -> Path:
    """A file of tools, each a line of shell; an answer is what it prints."""
    path = tmp_path / "tools.toml"
    tables = [
        f"[tools.{name}]\ncommand = ['sh', '-c', {json.dumps(text)}, '{{file}}']" for name, text in scripts.items()
    ]
    path.write_text("\n".join(tables))
    return path


@pytest.mark.parametrize(
    ("script", "status", "reason"),
    sliced(
        [
            ("echo sat; echo unsat", "solved", ""),
            ("echo sat; echo sat", "wrong", "question 2 is unsat by the file's own status, and it said sat"),
            ("echo sat; echo unknown", "unsolved", "1 of 2 answers are unknown"),
            ("echo sat", "error", "1 of 2 answers"),
            ("""echo '(error "no such logic")'; echo sat; echo unsat""", "unsupported", "no such logic"),
            ("""echo sat; echo '(error "no pop")'; echo unsat""", "error", "after 1 answers"),
            ("""echo unsat; echo '(error "no pop")'; echo unsat""", "wrong", "question 1"),
            ("""echo sat; echo unsat; echo '(error "no model")'; exit 1""", "solved", ""),
            ("""echo '(error "out of memory")'""", "out of memory", "memory"),
            ("echo sat; echo unsat; kill -SEGV $$", "error", "ended with code -11"),
            ("echo sat; kill -KILL $$", "killed", "a signal from outside"),
            ("echo sat; while :; do :; done", "timeout", "cputime"),
            ("echo unsat; while :; do :; done", "wrong", "question 1"),
        ],
        2,
    ),
)
def test_nothing_but_a_clean_answer_to_every_question_is_solved(
    script: str, status: str, reason: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(smtlib, "WALL", 60.0)  # a busy machine is another test's
    rows = run(folder / "below", ["one"], saying(tmp_path, one=script), seconds=1.0)
    assert [row.status for row in rows] == [status]
    assert reason in rows[0].reason
    assert (rows[0].seconds is not None) == (status == "solved")
    assert rows[0].category == {"solved": "correct", "wrong": "wrong"}.get(status, rows[0].category)


def page(rows: list[Row]) -> str:
    return markdown(report(rows, draw=False)[0])


def test_disagreements_stand_first_and_are_in_no_figure_where_no_status_decides(folder: Path, tmp_path: Path) -> None:
    (folder / "again.smt2").write_text(QUANTIFIED.replace("3", "4"))
    tools = saying(tmp_path, a="echo sat", b='case "$0" in *again*) echo unsat;; *) echo sat;; esac')
    text = page(run(folder, ["a", "b"], tools))
    assert "**Disagreements: 1.**" in text
    assert "| own/again.smt2 | a: sat, b: unsat |" in text
    figures = text.split("### UFLIA: 2 files", 1)[1]
    assert "Tools disagree and no :status decides, so these are in no figure: own/again.smt2." in figures
    assert "1/1" in figures.split("###", 1)[0]


def test_an_answer_against_the_status_of_the_file_is_an_error_of_the_tool(folder: Path, tmp_path: Path) -> None:
    rows = run(folder, ["a", "b"], saying(tmp_path, a="echo sat", b="echo unsat"))
    own = [row for row in rows if row.problem == "own/square.smt2"]
    assert [(row.backend, row.status, row.wrong, row.checked) for row in own] == [
        ("a", "solved", 0, 1),
        ("b", "wrong", 1, 1),
    ]
    text = page(own)
    assert "| own/square.smt2 | a: sat, :status: sat, b: unsat |" in text.split("## Suite", 1)[0]
    assert "**Errors: 1.**" in text
    assert [(line.backend, line.solved, line.errors) for line in scores.scores(scores.attempts(own))][:2] == [
        ("a", 1, 0), ("b", 0, 1),
    ]  # fmt: skip


def test_a_file_that_a_tool_does_not_take_is_no_loss(folder: Path, tmp_path: Path) -> None:
    (folder / "other.smt2").write_text(SQUARE.replace("#x31", "#x19"))
    tools = saying(tmp_path, a="echo sat", b="""case "$0" in *other*) echo '(error "too new")';; *) echo sat;; esac""")
    rows = [row for row in run(folder, ["a", "b"], tools) if row.options["logic"] == "QF_BV"]
    text = page(rows)
    assert 'Not taken by b: 1 of 2 ((error "too new")). No loss.' in text
    assert "Figures are over the 1 file that each of them takes; 1 not." in text
    lines = [line for line in text.splitlines() if line.startswith(("| a ", "| b "))]
    assert all("1/1" in line for line in lines)
    assert "4 of 4 runs." in text


def test_a_partial_run_ranks_nobody_in_any_logic(folder: Path, tmp_path: Path) -> None:
    rows = run(folder, ["b", "a"], saying(tmp_path, a="echo sat", b="echo sat"))
    slow = [replace(row, seconds=5.0) if row.backend == "a" and row.seconds is not None else row for row in rows]
    lost = replace(slow[-1], status="killed", seconds=None)
    text = page([*slow[:-1], lost])
    assert "Nobody is ranked" in text
    table = [line for line in text.splitlines() if line.startswith(("| a ", "| b "))]
    assert table[0].startswith("| a ")


@pytest.mark.needs("z3")
@pytest.mark.needs("cvc5")
@pytest.mark.needs("bitwuzla")
@pytest.mark.parametrize("name", [*smtlib_tools.read(smtlib_tools.SHIPPED)])
def test_every_configured_tool_answers_what_it_takes(name: str, folder: Path) -> None:
    (tool,) = smtlib_tools.tools([name])
    if why := tool.missing():
        pytest.skip(why)
    rows = {row.problem: row for row in run(folder, [name])}
    assert rows["own/square.smt2"].verdict == "sat"
    told = [row for row in rows.values() if row.status != "unsupported"]
    assert {row.status for row in told} <= {"solved", "unsolved"}
    assert all(row.solver.startswith(f"{name} ") and "unknown" not in row.solver for row in told)
    twice = rows["own/below/twice.smt2"]
    assert (twice.status, twice.verdict) in {("solved", "sat, unsat"), ("unsupported", "")}


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(bench, [*arguments])


def test_one_command_makes_the_page_and_goes_on_where_it_was(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmarks.reports.plots.is_installed", lambda: False)
    tools, out = saying(tmp_path, a="echo sat", b="echo sat"), tmp_path / "out"
    asked = [
        "--suite",
        "replay",
        "--smtlib",
        str(folder),
        "--tools",
        str(tools),
        "--backends",
        "a,b",
        "--runner",
        "ours",
    ]
    asked += ["--out", str(out)]
    first = invoke(*asked)
    assert first.exit_code == 0, first.output
    assert "6 of 6 runs." in first.output
    before = read(out / "solvers.jsonl")
    assert invoke(*asked).output.count("from an earlier run") == 4  # the two errors are run again
    assert len(read(out / "solvers.jsonl")) == len(before) == 6
    printed = invoke(*asked, "--print-commands").output
    assert f"echo sat' {folder / 'square.smt2'}" in printed


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--suite", "loop", "--smtlib", "."), "are for the suite replay"),
        (("--suite", "replay", "--tools", "x.toml"), "--tools is for --smtlib"),
        (("--suite", "loop,sygus"), "several of loop, replay, growth, overhead"),
        (("--suite", "no suite"), "expected a suite among peers"),
        (("--suite", "replay", "--smtlib", "/nowhere"), "expected a folder of SMT-LIB files"),
    ],
)
def test_what_cannot_be_asked_is_one_sentence(arguments: tuple[str, ...], message: str, tmp_path: Path) -> None:
    found = invoke(*arguments, "--out", str(tmp_path))
    assert found.exit_code == 2
    assert message in found.output
    assert len(found.output.splitlines()) == 1


@pytest.fixture
def control_groups() -> None:
    if why := runexec.trouble():
        pytest.skip(f"runexec cannot measure here: {why}")


@pytest.mark.slow
@pytest.mark.usefixtures("control_groups")
@pytest.mark.parametrize(
    ("script", "status", "reason"),
    [
        ("echo sat; echo unsat", "solved", ""),
        ("echo sat; while :; do :; done", "timeout", "cputime"),
        ("x=aaaaaaaaaaaaaaaa; while :; do x=$x$x; done", "out of memory", "memory"),
        ("echo sat; echo unsat; kill -SEGV $$", "error", "ended with code -11"),
    ],
)
def test_runexec_ends_and_names_what_our_runner_does(
    script: str, status: str, reason: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(smtlib, "WALL", 60.0)
    tools = saying(tmp_path, one=script)
    (task,) = smtlib.plan(folder / "below", ["one"], 1.0, 200, tools, runner=runexec.RUNEXEC)
    row = smtlib.execute(task, PLACE)
    assert (row.status, reason in row.reason) == (status, True)
    assert row.memory > 0
    assert "measured by BenchExec's runexec" in page([row])


def test_rows_of_two_runners_are_never_ranked(folder: Path, tmp_path: Path) -> None:
    rows = run(folder, ["a", "b"], saying(tmp_path, a="echo sat", b="echo sat"))
    mixed = [replace(r, options={**r.options, "runner": runexec.RUNEXEC}) if r.backend == "a" else r for r in rows]
    assert "Not comparable, nobody is ranked (smtlib): the machines differ" in page(mixed)


def test_a_runner_that_cannot_be_had_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runexec, "trouble", lambda: "no control groups")
    assert (runexec.chosen("auto"), runexec.chosen("ours")) == ("ours", "ours")
    with pytest.raises(BenchmarkError, match="runexec cannot measure here: no control groups"):
        runexec.chosen("runexec")
    with pytest.raises(BenchmarkError, match="expected a runner among auto, runexec, ours"):
        runexec.chosen("perf")
    monkeypatch.setattr(runexec, "trouble", lambda: "")
    assert runexec.chosen("auto") == "runexec"


def test_a_runexec_that_fails_is_an_error_of_the_run_and_not_of_the_solver_page(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runexec, "PROGRAM", Path("/bin/false"))
    tools = saying(tmp_path, one="echo sat")
    task = smtlib.plan(folder / "below", ["one"], 1.0, 200, tools, runner=runexec.RUNEXEC)[0]
    row = smtlib.execute(task, PLACE)
    assert (row.status, row.reason) == ("error", "runexec failed: it said nothing")
