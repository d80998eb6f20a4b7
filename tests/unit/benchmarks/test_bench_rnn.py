"""The suite "rnn": loops and L* on the same networks, rows for tasks without a network, and the page."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.harness.row import BenchmarkError, Row
from benchmarks.reports import rnn_page
from benchmarks.suites import rnn
from tasks.training import streams
from tasks.training.stream_tasks import TASKS

PARITY = next(task for task in TASKS if task.paper_name == "Parity_All")


@pytest.fixture
def trained(tmp_path):
    """Parity by hand: h' = |h - x|, as two ReLUs."""
    weights = {
        "hmlp.mlp.0.weight": np.array([[1.0, -1.0], [-1.0, 1.0]]), "hmlp.mlp.0.bias": np.zeros(2),
        "hmlp.mlp.2.weight": np.array([[1.0, 1.0]]), "hmlp.mlp.2.bias": np.zeros(1),
        "ymlp.mlp.0.weight": np.array([[1.0]]), "ymlp.mlp.0.bias": np.zeros(1),
    }  # fmt: skip
    found = streams.Trained(weights, streams.Shape(1, 2, ()), True, 0.0, 0)
    streams.save(PARITY, found, tmp_path / PARITY.name, 0.0)
    return tmp_path


def run(task):
    told: dict[str, object] = {}
    rnn.work(task, lambda **found: told.update(found))
    return told


def test_a_network_is_asked_of_both_and_a_missing_one_is_a_row(trained):
    tasks = rnn.plan(None, trained, 30.0, 4096, 0, ("parity_numerical", "max_numerical"))
    assert [(task.problem, task.backend) for task in tasks] == [
        ("rnn_max_numerical", "ours"), (PARITY.name, "ours"), (PARITY.name, rnn.LSTAR),
    ]  # fmt: skip
    missing, ours, peer = map(run, tasks)
    assert (missing["status"], missing["reason"]) == ("unsolved", rnn.NO_NETWORK)
    assert ours["status"] == "solved", ours
    assert ours["detail"]["every"]
    assert ours["detail"]["method"] == "lattice"
    assert (ours["wrong"], ours["checked"]) == (0, rnn.HELD)
    assert "(total + int(token)) % 2" in ours["program"]
    assert (peer["status"], peer["size"], peer["wrong"]) == ("solved", 2, 0)


def test_all_tasks_are_planned_and_nothing_is_an_error(trained, tmp_path):
    tasks = rnn.plan(None, trained, 30.0, 4096, 0)
    assert sum(task.backend == "ours" for task in tasks) == 62
    with pytest.raises(BenchmarkError, match="expected networks"):
        rnn.plan(None, None, 30.0, 4096, 0)


def row(problem, backend, status, **more):
    return Row(
        key=f"{problem} {backend}", suite="rnn", problem=problem, backend=backend, solver=backend, seed=0,
        options={}, timelimit=20.0, memlimit=None, status=status, terminationreason="", cputime=2.0,
        walltime=2.0, memory=1, load=0.0, starttime="", versions={}, machine="m", commit="c", source="s", seconds=1.0,
        **{"reason": "", **more},
    )  # fmt: skip


def test_the_page_keeps_origins_apart_and_names_every_reason():
    proved = {"origin": rnn.RETRAINED, "every": True, "horizon": None, "claim": "proved equal", "method": "boxes"}
    rows = [
        row("one", "ours", "solved", detail=proved, program="def program(tokens):\n    return 0"),
        row("one", rnn.LSTAR, "solved", size=5, detail={"origin": rnn.RETRAINED}),
        row("two", "ours", "unsolved", reason="no loop found", detail={"origin": rnn.RETRAINED}),
        row("three", "ours", "solved", detail={"origin": rnn.AUTHORS, "horizon": 43, "breaks": 44}),
    ]
    text = "\n".join(str(block) for block in rnn_page.report(rows))
    assert "1 of 2 solved, 1 of them for every length. Solved is a program proved" in text
    assert "1 of 1 solved, 0 of them for every length." in text
    assert "no loop found" in text
    assert "breaks at 44" in text
    with pytest.raises(BenchmarkError, match="no rows"):
        rnn_page.report([])


def test_a_printed_text_that_differs_from_its_network_is_counted(trained):
    from tasks.formats.recurrent_case import number_streams

    of = number_streams(Path(trained) / PARITY.name)
    wrong, checked = rnn.held(of, "def program(tokens):\n    return 0", 0)
    assert checked == rnn.HELD
    assert 0.4 < wrong / checked < 0.6
