"""``distill sweep``: which networks, what a run comes to, the page; and that a kill -9 loses nothing."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from benchmarks.command import sweep as command
from benchmarks.harness import place
from benchmarks.harness.row import BenchmarkError, Place, Row, read
from benchmarks.harness.schedule import executor, run_all
from benchmarks.reports import sweep_page
from benchmarks.reports.document import markdown, page
from benchmarks.suites import sweep
from benchmarks.suites.sweep import Network
from tasks.formats.circuit_folder import shipped_path

ROOT = Path(place.__file__).parents[2]
HERE = Place({}, "a machine", "abc", "0123")
SHORT = ("--length", "2", "--backend", "none")
PROGRAM = 'def f(tokens: list[str]) -> str:\n    """Equals the network."""\n    return tokens[0]\n'
SAID: dict[str, Any] = {
    "proved": True, "outcome": "found", "program": PROGRAM, "size": 1, "inputs": 12, "exception_count": 0,
    "horizon": 4, "sentence": "PROVED <everywhere>", "steps": [{"name": "search", "cpu_seconds": 0.5}],
}  # fmt: skip


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    """Two networks below one folder, and one that no loader takes."""
    for name in ("a", "deep/c"):
        shutil.copytree(shipped_path("quote_closing"), tmp_path / "nets" / name)
    (tmp_path / "nets" / "broken").mkdir()
    (tmp_path / "nets" / "broken" / "case.json").write_text("[")
    return tmp_path / "nets"


def test_every_network_below_a_folder_is_found_once_with_those_that_are_named(folders: Path) -> None:
    found = sweep.networks(["quote_closing", str(folders / "a")], folders)
    assert [network.name for network in found] == ["quote_closing", str(folders / "a"), "broken", "deep/c"]
    assert len({network.content for network in found if network.name != "broken"}) == 1


def test_a_folder_with_several_questions_is_asked_each(folders: Path) -> None:
    (folders / "broken" / "case.json").write_text('{"input": {"tasks": {"one": {}, "two": {}}}}')
    tasks = sweep.plan(sweep.networks([str(folders / "broken")], None), 10.0, 2048)
    assert [task.problem.rpartition(", ")[2] for task in tasks] == ["one", "two"]
    assert len({task.key(HERE) for task in tasks}) == 2


@pytest.mark.parametrize(("given", "message"), [(("nowhere",), "shipped name"), ((), "or --cases-dir DIR")])
def test_no_network_is_one_sentence(given: tuple[str, ...], message: str, tmp_path: Path) -> None:
    found = CliRunner().invoke(command, [*given, "--out", str(tmp_path)])
    assert (found.exit_code, len(found.output.splitlines())) == (2, 1)
    assert message in found.output


def run(said: object, code: int = 0, name: str = "net", errors: str = "") -> Row:
    """The row of a run whose command prints ``said`` and ends with ``code``."""
    text = said if isinstance(said, str) else json.dumps(said)
    script = f"import sys; print({text!r}); print({errors!r}, file=sys.stderr); raise SystemExit({code})"
    (task,) = sweep.plan([Network(name, "/nowhere", "d1")], 10.0, 2048)
    return sweep.execute(task, HERE, (sys.executable, "-c", script))


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    return [
        run(SAID, name="group/proved"),
        run({**SAID, "proved": False, "outcome": "differs", "exception_count": 3}, 1, "exceptions"),
        run(
            {**SAID, "proved": False, "outcome": "none", "program": None, "horizon": None, "sentence": "NONE"},
            1,
            "none",
        ),
        run("", 2, "refused", "distill: /nowhere: expected a network"),
        run("no JSON", 0, "crash"),
        run({**SAID, "extension": {"lengths": [1, None], "proved": True}}, name="far"),
    ]


def test_a_run_comes_to_what_the_command_claims_and_to_nothing_more(rows: list[Row]) -> None:
    told = [(row.problem, row.status, sweep_page.outcome(row)) for row in rows]
    assert told == [
        ("group/proved", "solved", "proved"),
        ("exceptions", "unsolved", "exceptions"),
        ("none", "unsolved", "no program"),
        ("refused", "unsupported", "refused"),
        ("crash", "error", "error"),
        ("far", "solved", "proved"),
    ]
    assert rows[3].reason == "/nowhere: expected a network"


def test_the_page_has_a_line_and_a_file_for_each_and_names_what_was_refused(rows: list[Row], tmp_path: Path) -> None:
    blocks = sweep_page.report(rows)
    text = markdown(blocks)
    assert "6 networks and questions: proved 2, exceptions 1, no program 1, error 1, refused 1" in text
    assert "**Errors: 1.**" in text
    line = next(line for line in text.splitlines() if line.startswith("| group/proved"))
    assert "| 0 of 12 " in line
    assert "[json/group/proved.json](json/group/proved.json)" in line
    assert "| 3 of 12 " in next(line for line in text.splitlines() if line.startswith("| exceptions"))
    assert "every length" in next(line for line in text.splitlines() if line.startswith("| far"))
    assert '<a href="json/far.json">' in page("t", blocks, {})
    assert "PROVED &lt;everywhere&gt;" in page("t", blocks, {})
    for row in rows:
        sweep_page.keep(row, tmp_path)
    assert json.loads((tmp_path / "json" / "group" / "proved.json").read_text()) == SAID
    assert not (tmp_path / "json" / "refused.json").exists()


def test_a_network_that_a_busy_machine_kept_waiting_is_named(rows: list[Row]) -> None:
    waiting = [replace(row, walltime=20.0, cputime=9.0, memory=1) for row in rows]
    text = markdown(sweep_page.report(waiting))
    assert "**2 of the runs without an exact program got less than half of a core, " in text
    assert "more on a free machine: exceptions, none.**" in text
    assert "free machine" not in markdown(sweep_page.report([replace(row, cputime=19.0) for row in waiting]))


def test_more_workers_are_calculated_from_recorded_lengths_and_never_beat_the_longest_run(rows: list[Row]) -> None:
    assert sweep_page.scaling([3.0, 1.0, 1.0, 1.0], 1) == 6.0
    assert sweep_page.scaling([3.0, 1.0, 1.0, 1.0], 2) == 3.0
    assert sweep_page.scaling([1.0, 1.0, 1.0, 3.0], 2) == 4.0
    assert sweep_page.scaling([3.0, 1.0], 1000) == 3.0
    text = markdown(sweep_page.report([replace(row, cputime=4.0) for row in rows]))
    table = text.split("## On more workers", 1)[1]
    assert "| 1       | 24      | 1.0            | 100% " in table
    assert "| 2       | 12      | 2.0            | 100% " in table
    assert "| 8       | 4       | 6.0            | 75% " in table
    assert "| 16 " not in table


@pytest.mark.parametrize(("name", "path"), [("a/b", "a/b"), ("/x/../y z", "x/y-z"), ("n, one", "n-one")])
def test_no_name_leads_out_of_the_folder(name: str, path: str) -> None:
    assert sweep.file_name(name) == path


def start(out: Path, folders: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", "from benchmarks.command import sweep; sweep()", *arguments(out, folders)],
        cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip


def arguments(out: Path, folders: Path) -> list[str]:
    return ["--cases-dir", str(folders), "--run-options", " ".join(SHORT), "--time-limit", "60", "--out", str(out)]


def test_a_sweep_that_is_killed_goes_on_where_it_was_and_ends_with_one_page(tmp_path: Path, folders: Path) -> None:
    out = tmp_path / "out"
    process = start(out, folders)
    deadline = time.monotonic() + 120
    while not read(out / "sweep.jsonl") and time.monotonic() < deadline:
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    before = {row.key: row.starttime for row in read(out / "sweep.jsonl")}
    assert 1 <= len(before) < 3
    with (out / "sweep.jsonl").open("a") as rows:
        rows.write('{"key": "torn by the kill')
    found = CliRunner().invoke(command, arguments(out, folders))
    assert found.exit_code == 0, found.output
    after = {row.key: row for row in read(out / "sweep.jsonl")}
    assert {row.problem: row.verdict for row in after.values()} == {
        "a": "proved", "broken": "", "deep/c": "proved",
    }  # fmt: skip
    assert all(after[key].starttime == started for key, started in before.items())
    assert "3 of 3 runs." in (out / "sweep.md").read_text()
    assert json.loads((out / "json" / "deep" / "c.json").read_text())["proved"]
    assert (out / "results" / "sweep.distill-run.results.xml").exists()


@pytest.mark.slow  # the mechanism is in test_bench.py; here with real runs
def test_a_dask_worker_that_is_killed_at_work_loses_nothing(tmp_path: Path, folders: Path) -> None:
    pytest.importorskip("distributed")
    psutil = pytest.importorskip("psutil")
    tasks = sweep.plan(sweep.networks((), folders), 60.0, 4096, options=SHORT)
    killed: list[int] = []

    def at_work() -> list[int]:
        """The workers that have a run of the command below them."""
        below = psutil.Process().children(recursive=True)
        return [child.ppid() for child in below if "--json" in child.cmdline() and child.ppid() != os.getpid()]

    def on_row(row: Row, is_new: bool) -> None:
        deadline = time.monotonic() + 20
        while not killed and time.monotonic() < deadline:
            for pid in at_work()[:1]:
                os.kill(pid, signal.SIGKILL)
                killed.append(pid)

    with executor("dask", 1) as pool:
        rows = run_all(tasks, tmp_path / "sweep.jsonl", HERE, pool, on_row=on_row, run=sweep.execute)
    assert killed
    assert {row.problem: row.verdict for row in rows} == {
        "a": "proved",
        "broken": "",
        "deep/c": "proved",
    }


def test_a_page_needs_rows() -> None:
    with pytest.raises(BenchmarkError, match="distill sweep FOLDER"):
        sweep_page.report(())


def test_a_folder_that_is_no_network_stands_for_those_in_it_and_what_holds_none_is_named(folders: Path) -> None:
    (folders / "notes" / "old").mkdir(parents=True)
    (folders / "deep" / "empty").mkdir()
    found = sweep.networks([str(folders), "quote_closing"], None)
    assert [network.name for network in found] == ["a", "broken", "deep/c", "quote_closing"]
    assert sorted(sweep.skipped([str(folders), "quote_closing"], None)) == ["deep/empty", "notes"]
    assert sweep.skipped(["quote_closing", str(folders / "a")], None) == {}


@pytest.mark.parametrize(
    ("said", "code", "word"),
    [
        ({"kind": "pairs", "program": "p", "broken": {"inputs": ["1"]}}, 1, "differs"),
        ({"kind": "streams", "program": "p", "broken": {"inputs": ["1"]}, "extension": {}}, 1, "differs"),
        ({"kind": "streams", "program": "p", "broken": {"inputs": ["1"]}, "extension": {"horizon": 3}}, 1, "horizon"),
        ({"kind": "pairs", "program": "p", "broken": None}, 1, "not decided"),
        ({"kind": "pairs", "program": "p", "proved": True}, 0, "proved"),
        ({"program": None}, 1, "no program"),
        ({"schema": "attack/1", "counterexample": None}, 0, "not broken"),
        ({"schema": "attack/1", "counterexample": {"inputs": ["a"]}}, 1, "broken"),
    ],
)
def test_no_result_without_exceptions_counts_as_having_some(said: dict[str, Any], code: int, word: str) -> None:
    assert sweep.verdict(said, code) == word


BROKEN = {
    "schema": "attack/1", "verdict": "broken", "sentence": "BROKEN: on 'a b c'",
    "counterexample": {"inputs": ["a", "b", "c"], "network": "x", "program": "y"},
}  # fmt: skip


def attacked(length: int) -> list[Row]:
    """A run that claims equality up to ``length``, and an attack that broke its program at length 3."""
    (task,) = sweep.plan([Network("net", "/nowhere", "d1")], 10.0, 2048, ask="attack", given={"net": PROGRAM})
    text = json.dumps(BROKEN)
    script = f"import sys; assert sys.argv[1] == 'attack' and open(sys.argv[3]).read() == {PROGRAM!r}; "
    script += f"print({text!r}); raise SystemExit(1)"
    return [run({**SAID, "horizon": length}), sweep.execute(task, HERE, (sys.executable, "-c", script))]


def test_an_attack_contradicts_a_claim_about_its_lengths_alone() -> None:
    text = markdown(sweep_page.report(attacked(3)))
    assert "**Claims that an attack contradicts: 1.**" in text
    assert "| net     | run: proved; attack: BROKEN: on 'a b c' |" in text
    beyond = markdown(sweep_page.report(attacked(2)))
    assert "Claims that an attack contradicts: 0." in beyond
    assert "| net     | proved  | broken |" in beyond


def test_verify_and_attack_take_what_run_found_or_a_folder_of_programs(tmp_path: Path, rows: list[Row]) -> None:
    for row in rows:
        sweep_page.keep(row, tmp_path)
    found = [Network("group/proved", "/nowhere", "d1"), Network("refused", "/nowhere", "d1")]
    assert sweep.programs_in(tmp_path / "programs", found) == {"group/proved": PROGRAM}
    assert set(sweep.programs_of(rows)) == {"group/proved", "exceptions", "far"}
    with pytest.raises(BenchmarkError, match=r"NAME as on the page, such as refused\.py"):
        sweep.programs_in(tmp_path / "programs", found[1:])
    tasks = sweep.plan(found, 10.0, 2048, ask="verify", given=sweep.programs_of(rows))
    assert [(task.problem, task.backend) for task in tasks] == [("group/proved", "distill verify")]


def test_an_unknown_question_is_one_sentence(tmp_path: Path) -> None:
    found = CliRunner().invoke(command, ["quote_closing", "--ask", "run,prove", "--out", str(tmp_path)])
    assert (found.exit_code, len(found.output.splitlines())) == (2, 1)
    assert "among run, verify, attack" in found.output
