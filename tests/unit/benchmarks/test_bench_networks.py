"""The suite "networks": what is asked at which length, the baselines, and the page from made-up rows."""

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from benchmarks.command import bench
from benchmarks.harness import journal, place
from benchmarks.harness.row import BenchmarkError, Row
from benchmarks.harness.task import Task
from benchmarks.inputs import dense, published, samples, stand_ins
from benchmarks.peers import sweep
from benchmarks.reports import length_scores, plots
from benchmarks.reports.document import markdown
from benchmarks.reports.networks_page import report, sentences, write
from benchmarks.suites import lengths, networks, worker
from benchmarks.suites.lengths import Line
from cegis import Domain
from tasks.formats.circuit_folder import load_circuit, shipped_names, shipped_path
from tasks.networks.sparse_transformer import NetworkError
from tasks.proofs.circuit_labels import label_domain
from tasks.proofs.count_bounds import obstacle

CASES = Path(os.environ.get("DISTILL_CASES", Path(__file__).resolve().parents[4] / "shared" / "cases"))
ANY_QUOTE = 'def program(tokens: list[str]) -> str:\n    return "\'" if "\'" in tokens else \'"\'\n'
FLIPPED = 'def program(tokens: list[str]) -> str:\n    return \'"\' if "\'" in tokens else "\'"\n'
ROW = Row(
    key="k", suite="lengths", problem="toy", backend="z3", solver="z3 5.4", seed=0, options={}, timelimit=60.0,
    memlimit=4096 << 20, status="solved", terminationreason="", reason="", cputime=2.0, walltime=2.2, memory=90_000_000,
    load=0.5, starttime="2025-01-01T00:00:00+00:00", versions={"python": "3.11"}, machine="a machine", commit="abc",
    source="0123", seconds=1.0, verdict="equal", program="def program(tokens): ...", size=4,
)  # fmt: skip


def asked(method: str, length: int, seconds: float | None, stand_in: str = "", **changes: Any) -> Row:
    status = {} if seconds is not None else {"status": "timeout", "verdict": ""}
    options = {"circuit": "toy", "name": "short", "length": length, "stand_in": stand_in}
    problem = f"toy, {stand_in}, {length}"
    return replace(ROW, problem=problem, backend=method, options=options, seconds=seconds, **{**status, **changes})


BROKEN = {"verdict": "differs", "detail": {"horizon": 20, "broken": ["x", "y"]}}
BY_LENGTH = (
    asked("z3", 8, 1.0, "dense", detail={"checked": 256, "sequences": 256.0}), asked("cvc5", 8, 3.0, "dense"),
    asked("z3", 12, 50.0, "dense", detail={"checked": 1000, "sequences": 4096.0}),
    asked("cvc5", 12, None, "dense"), asked("z3", 16, None, "dense"),
    asked("z3", 8, 0.1, "tied"), asked("z3", 12, 0.1, "tied"), asked("z3", 16, 0.1, "tied"),
    asked("z3", 24, 0.2, "tied"),
    asked("plain enumeration", 8, 0.1), asked("plain enumeration", 12, 1.6), asked("plain enumeration", 16, 25.6),
    asked("counting", 8, 0.1), asked("counting", 12, 0.1), asked("counting", 16, 0.2),
    asked("counting", 24, 0.3, **BROKEN),
)  # fmt: skip
FIGURES = {
    "parameters": 5840, "format": "gpt2", "lengths": [0, 12], "inputs": 190, "undecided": 0,
    "labels": 3, "exceptions": 0, "rule": None, "margin": 5.5, "semantics": "float32", "bounded": True,
    "recorded": None, "horizon": None, "breaks": None, "sequences": 190.0, "sentence": None, "check": None,
}  # fmt: skip


def other(problem: str, verdict: str, **changes: Any) -> Row:
    figures = {**FIGURES, **changes.pop("detail", {})}
    fields = {"suite": "networks", "problem": problem, "backend": "ours", "verdict": verdict, "detail": figures}
    return replace(ROW, **{**fields, **changes})


OTHERS = (
    other("gpt2/one", "proved", size=15, detail={"check": 0.3}),
    other("gpt2/one, to 50", "proved", detail={"horizon": 50, "sequences": 3e15, "lengths": [0, 50]}),
    other("gpt2/two, to 50", "horizon", detail={"horizon": 31, "breaks": 40, "sequences": 51.0, "lengths": [0, 50]}),
    other("gpt2/two", "exceptions", detail={"exceptions": 1200, "rule": [5, 1300]}),
    other("tracr/three", "proved where labelled", detail={"undecided": 7, "lengths": [4, 4]}),
    other("dyck/four", "", status="timeout", seconds=None),
    other("sparsemax/five, quote", "proved", detail={"recorded": {"listed": 3, "found": 3, "same": True}}),
    other("rnn/six", "", status="unsupported", seconds=None, reason="no known network format"),
)


def run(task: Task) -> dict[str, Any]:
    """What a worker reports of ``task``, run in this process."""
    found: dict[str, Any] = {}
    worker.run(task, lambda **fields: found.update(fields))
    return found


def line(method: str, stand_in: str = "", program: str = ANY_QUOTE) -> Line:
    return Line(shipped_path("quote_closing"), "short", program, method, stand_in, 20.0, 4096)


def all_labels(name: str, length: int) -> tuple[Any, Any, Domain, Any]:
    circuit = load_circuit(shipped_path(name))
    domain = Domain(circuit.domain.alphabet, length, length, circuit.domain.constraint)
    (labels,) = label_domain(circuit, domain).lengths
    return circuit, domain, labels.sequences, labels.labels


@pytest.mark.parametrize("name", shipped_names())
def test_plain_enumeration_gives_the_labels_of_the_bounded_one(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep, "ROWS", 100)
    circuit, domain, sequences, labels = all_labels(name, 6)
    expected = {row.tobytes(): int(label) for row, label in zip(sequences, labels, strict=True)}
    found = [
        (row.tobytes(), int(label))
        for block, answers in sweep.sweep(circuit, domain, 6)
        for row, label in zip(block, answers, strict=True)
    ]
    assert len(found) == len(expected) > 100
    assert dict(found) == expected


def test_plain_enumeration_refuses_what_a_network_with_positions_cannot_read() -> None:
    circuit = load_circuit(shipped_path("variable_type"))
    with pytest.raises(NetworkError, match="do not fit its block_size of 17"):
        next(sweep.sweep(circuit, circuit.domain, 17))


def test_a_dense_stand_in_is_right_on_every_sequence_and_kept_exactly() -> None:
    circuit, domain, sequences, labels = all_labels("bracket_depth", 6)
    network = dense.train(sequences, labels, len(domain.alphabet), len(circuit.labels))
    assert network.relus == dense.WIDTHS[0]
    assert network.is_right(sequences, labels, len(domain.alphabet))
    assert not network.is_right(sequences, 1 - labels, len(domain.alphabet))
    again = dense.Dense.from_json(network.to_json())
    assert all((getattr(again, name) == value).all() for name, value in asdict(network).items())
    assert all(value.dtype == np.int64 for value in asdict(again).values())


def test_labels_that_no_network_can_have_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dense, "STEPS", 500)
    same = np.zeros((2, 3), np.int8)
    with pytest.raises(BenchmarkError, match="no dense network of 64 units was right on all 2 sequences of length 3"):
        dense.train(same, np.array([0, 1], np.int8), 2, 2)


@pytest.mark.needs("z3")
@pytest.mark.parametrize("stand_in", ["tied", "dense"])
def test_a_solver_says_equal_of_the_program_and_differs_of_another(stand_in: str, tmp_path: Path) -> None:
    task = line("z3", stand_in).task(4, tmp_path)
    assert task is not None
    assert run(task)["verdict"] == "equal"
    found = run(replace(task, options={**task.options, "program": FLIPPED}))
    assert found["verdict"] == "differs"
    assert len(found["detail"]["broken"]) == 4


@pytest.mark.slow
def test_the_program_to_follow_equals_the_circuit_at_the_short_lengths(tmp_path: Path) -> None:
    folder = shipped_path("bracket_depth_deep")
    found = stand_ins.programs(folder, tmp_path)
    task = Line(folder, "short", found["short"], "plain enumeration", "", 20.0, 4096).task(8, tmp_path)
    assert task is not None
    assert run(task)["verdict"] == "equal"


@pytest.mark.needs("z3")
@pytest.mark.parametrize(("checked", "status"), [(64, "error"), (63, "solved")])
def test_a_stand_in_that_is_wrong_is_an_error_only_where_it_was_compared_everywhere(
    checked: int, status: str, tmp_path: Path
) -> None:
    task = line("z3", "dense").task(4, tmp_path)
    assert task is not None
    path = Path(task.files["surrogate"])
    kept = json.loads(path.read_text(encoding="utf-8"))
    assert kept["checked"] == 64
    network = json.loads(kept["network"])
    for name in ("second", "second_bias"):
        network[name] = network[name][::-1]
    path.write_text(json.dumps({"checked": checked, "network": json.dumps(network)}), encoding="utf-8")
    found = run(task)
    assert found["status"] == status
    if status == "solved":
        assert (found["verdict"], found["detail"]["checked"]) == ("differs", 63)


@pytest.mark.slow
@pytest.mark.needs("z3")
def test_a_stand_in_for_more_sequences_than_are_listed_is_trained_on_a_sample(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stand_ins, "MOST_LISTED", 1000)
    monkeypatch.setattr(stand_ins, "DRAWS", 5000)
    task = line("z3", "dense").task(8, tmp_path)
    assert task is not None
    found = run(task)
    assert found["verdict"] == "equal"
    assert 100 < found["detail"]["checked"] < found["detail"]["sequences"] == 2048


def test_a_circuit_without_positions_is_sampled_beyond_its_block_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stand_ins, "DRAWS", 2000)
    assert stand_ins.dense_file(shipped_path("quote_closing"), 20, tmp_path) is not None
    assert stand_ins.dense_file(shipped_path("variable_type"), 20, tmp_path) is None


@pytest.mark.parametrize("name", shipped_names())
def test_a_sample_is_of_the_domain_and_reaches_all_of_a_small_one(name: str) -> None:
    circuit = load_circuit(shipped_path(name))
    domain = stand_ins.only(circuit, 4)
    assert (samples.sample(domain, 4, 20_000) == domain.sequences(4)).all()
    longer = stand_ins.only(circuit, 12)
    drawn = samples.sample(longer, 12, 300)
    assert 50 < len(drawn) == len({row.tobytes() for row in drawn})
    assert all(longer.contains(longer.words(row)) for row in drawn)
    assert (drawn == samples.sample(longer, 12, 300)).all()


def test_a_length_without_sequences_has_no_sample() -> None:
    circuit = load_circuit(shipped_path("variable_type"))
    with pytest.raises(BenchmarkError, match="expected a length that has sequences to draw from, got 2"):
        samples.sample(circuit.domain, 2, 10)


@pytest.mark.parametrize("method", ["plain enumeration", "bounded enumeration", "counting"])
def test_every_method_of_ours_tells_a_right_program_from_a_wrong_one(method: str, tmp_path: Path) -> None:
    task = line(method).task(6, tmp_path)
    assert task is not None
    right = run(task)
    assert (right["status"], right["verdict"]) == ("solved", "equal")
    assert right["detail"]["sequences"] > 0
    assert run(replace(task, options={**task.options, "program": FLIPPED}))["verdict"] == "differs"


def test_a_method_that_cannot_go_so_far_is_a_row_and_no_answer(tmp_path: Path) -> None:
    task = line("bounded enumeration").task(64, tmp_path)
    assert task is not None
    found = run(task)
    assert found["status"] == "unsolved"
    assert "too many to list" in found["reason"]


def test_counting_is_asked_where_it_applies() -> None:
    names = {name for name in shipped_names() if obstacle(load_circuit(shipped_path(name))) is None}
    assert "quote_closing" in names
    assert "variable_type" not in names


def test_a_line_ends_with_its_first_failure_and_the_others_go_on(tmp_path: Path) -> None:
    rounds: list[list[tuple[str, int]]] = []

    def answer(tasks: Sequence[Task]) -> list[Row]:
        rounds.append([(task.backend, task.options["length"]) for task in tasks])
        ends = {"plain enumeration": (8, {"status": "timeout"}), "counting": (16, {"verdict": "differs"})}
        return [
            replace(ROW, **(ends[t.backend][1] if t.options["length"] == ends[t.backend][0] else {})) for t in tasks
        ]

    rows = lengths.climb([line("plain enumeration"), line("counting")], tmp_path, answer)
    assert rounds[:4] == [
        [("plain enumeration", 4), ("counting", 4)], [("plain enumeration", 6), ("counting", 6)],
        [("plain enumeration", 8), ("counting", 8)], [("counting", 10)],
    ]  # fmt: skip
    assert max(length for asked in rounds for _, length in asked) == 16
    assert len(rows) == sum(map(len, rounds))


def test_solver_and_counting_are_compared_at_the_largest_length_a_solver_finishes() -> None:
    found = length_scores.compared(BY_LENGTH, "dense")
    assert found is not None
    assert (found.length, found.solver, found.ratio) == (12, "z3", pytest.approx(500))
    assert (found.failed, found.at_least) == (16, pytest.approx(300))
    assert length_scores.compared(BY_LENGTH[:0], "dense") is None


def test_a_chain_is_the_quicker_check_and_the_quickest_solver() -> None:
    slow = asked("bounded enumeration", 12, 4.0)
    first, second = length_scores.chains((*BY_LENGTH, slow, asked("z3", 14, 60.0, "dense")))
    assert (first.length, first.check, first.solver, first.ratio) == (8, 0.1, 1.0, pytest.approx(11))
    assert (second.length, second.check, second.solver, second.ratio) == (12, 1.6, 50.0, pytest.approx(516))
    assert length_scores.chains([row for row in BY_LENGTH if "enumeration" not in row.backend]) == ()


def test_a_length_that_no_enumeration_ends_is_not_a_chain_and_said() -> None:
    said = " ".join(sentences((*BY_LENGTH, asked("z3", 14, 55.0, "dense"))))
    assert "takes 51.6 s at 12 (1.6 s for the check)" in said
    assert "at 14 no enumeration ends the check: the solver's answer is about the stand-in" in said


def test_what_stand_ins_were_checked_on_is_told() -> None:
    assert length_scores.checked(BY_LENGTH) == ((8, 256, 256.0), (12, 1000, 4096.0))


def test_what_is_quicker_than_counting_is_said_to_be() -> None:
    rows = (asked("z3", 8, 0.1, "dense"), asked("z3", 12, 0.3, "dense"), asked("counting", 8, 0.2))
    assert length_scores.quicker((*rows, asked("counting", 12, 0.2))) == {"z3, dense": (8,)}
    assert "Quicker than counting: z3, dense at 8." in list(sentences(rows))


def test_a_stand_in_that_misses_what_breaks_the_program_is_told() -> None:
    told = length_scores.misled(BY_LENGTH)
    assert told is not None
    assert (told.options["length"], told.options["stand_in"]) == (24, "tied")
    assert length_scores.misled([row for row in BY_LENGTH if row.verdict != "differs"]) is None


def test_growth_is_a_power_for_counting_and_a_factor_elsewhere() -> None:
    grow = length_scores.growth
    assert grow("counting", [(n, 0.01 * n**2) for n in (8, 16, 32, 64)]) == "N^2.0"
    assert grow("plain enumeration", [(n, 0.1 * 3**n) for n in (2, 4, 6)]) == "3.00 times per token"
    assert grow("counting", [(4, 0.001), (8, 0.002), (16, 1.0), (32, 4.0)]) is None  # two runs are measurable


def test_the_page_is_golden(golden: Callable[[str, str], None]) -> None:
    golden("networks.md", markdown(report((*BY_LENGTH, *OTHERS), draw=False)[0]))


def test_errors_and_a_missing_folder_of_cases_are_told() -> None:
    broken = replace(BY_LENGTH[0], status="error", reason="it broke")
    text = markdown(report((broken, *BY_LENGTH[1:]), draw=False)[0])
    assert "**Errors: 1.**" in text
    assert "Left out: no folder of cases was given (--cases-dir)." in text
    with pytest.raises(BenchmarkError, match="there are no rows"):
        report(())


def test_a_list_of_wrong_answers_that_differs_is_marked() -> None:
    odd = other("sparsemax/five, quote", "proved", detail={"recorded": {"listed": 3, "found": 2, "same": False}})
    assert "**Wrong answers of networks whose folder lists them: exactly the listed ones for 0 of 1" in markdown(
        report((odd,), draw=False)[0]
    )


def test_no_figure_is_told_without_rows_behind_it() -> None:
    assert list(sentences(())) == []


@pytest.mark.slow
@pytest.mark.skipif(not plots.is_installed(), reason="matplotlib is not installed")
def test_the_page_holds_a_drawing_per_circuit(tmp_path: Path) -> None:
    for number, row in enumerate(BY_LENGTH):
        journal.append(tmp_path / "networks.jsonl", asdict(replace(row, key=str(number))))
    write(tmp_path / "networks.jsonl", tmp_path)
    assert (tmp_path / "networks.html").read_text(encoding="utf-8").count("<svg") == 1
    assert (tmp_path / "lengths-toy-short.svg").is_file()


def test_published_figures_have_sources_and_the_longest_prefix_counts() -> None:
    assert all(figure.source and figure.prefix.endswith("/") for figure in published.FIGURES)
    found = published.published("rnn/weiss/x")
    assert found is not None
    assert found.prefix == "rnn/weiss/"
    assert published.published("nobody/knows") is None


def test_every_folder_and_every_task_of_one_is_a_run(tmp_path: Path) -> None:
    cases = {
        "gpt2/a": {}, "rnn/b/c": {"architecture": {"params": 5}}, "sparsemax/d": {"input": {"tasks": {"q": 1, "r": 2}}}
    }  # fmt: skip
    for name, case in cases.items():
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "case.json").write_text(json.dumps(case), encoding="utf-8")
    tasks = {task.problem: task for task in networks.plan(tmp_path, 10.0, 4096)}
    assert list(tasks) == ["gpt2/a", "gpt2/a, to 50", "rnn/b/c", "sparsemax/d, q", "sparsemax/d, r"]
    assert [task.options["longest"] for task in tasks.values()] == [12, 50, None, None, None]
    refused = run(tasks["rnn/b/c"])
    assert (refused["status"], refused["reason"]) == ("unsupported", "no known network format")
    assert refused["detail"] == {"parameters": 5}


def test_a_folder_without_cases_or_with_a_broken_one_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match=r"expected folders with a case\.json below it, found none"):
        networks.plan(tmp_path, 10.0, 4096)
    (tmp_path / "case.json").write_text("[1]", encoding="utf-8")
    with pytest.raises(BenchmarkError, match="expected a JSON object, got list"):
        networks.plan(tmp_path, 10.0, 4096)


@pytest.mark.slow
def test_a_compiled_network_is_proved_with_its_figures() -> None:
    if not (CASES / "tracr/sort/case.json").is_file():
        pytest.skip(f"no case tracr/sort in {CASES} (set DISTILL_CASES)")
    (task,) = (task for task in networks.plan(CASES, 60.0, 4096) if task.problem == "tracr/sort")
    found = run(task)
    assert (found["verdict"], found["detail"]["exceptions"], found["detail"]["inputs"]) == ("proved", 0, 426)
    assert found["detail"]["check"] > 0  # the independent checker has confirmed it


@pytest.mark.slow
@pytest.mark.needs("z3")
def test_the_command_runs_and_resumes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lengths, "LENGTHS", (4,))
    monkeypatch.setattr(lengths, "programs", lambda folder, cache: {"short": ANY_QUOTE})
    monkeypatch.setattr(place, "_source", lambda: "0123")  # which another's edit must not change between two runs
    options = ["--suite", "networks", "--circuits", "quote_closing", "--backends", "z3", "--out", str(tmp_path)]
    first = CliRunner().invoke(bench, options)
    assert first.exit_code == 0, first.output
    assert "Errors: 0." in first.stdout
    assert first.stderr.count("solved") == 5
    again = CliRunner().invoke(bench, options)
    assert again.stderr.count("(from an earlier run)") == 5
    assert CliRunner().invoke(bench, ["report", "--out", str(tmp_path)]).stdout == again.stdout == first.stdout
