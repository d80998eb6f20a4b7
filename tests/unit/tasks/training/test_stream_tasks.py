"""The 62 tasks: right on the authors' samples, and trained into folders that load again."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from tasks.formats.number_streams import number_streams
from tasks.training import streams
from tasks.training.stream_tasks import TASKS

CASES = Path(__file__).resolve().parents[6] / "shared" / "cases" / "rnn" / "mips"
BY_NAME = {task.paper_name: task for task in TASKS}


def answers(paper_name, *stream):
    x = np.array(stream).reshape(1, len(stream), -1)
    return BY_NAME[paper_name].target(x)[0, :, 0].tolist()


def test_there_are_62_tasks_of_different_names():
    assert len({task.name for task in TASKS}) == len({task.paper_name for task in TASKS}) == 62


def test_tasks_mean_what_the_paper_says():
    assert answers("Binary_Addition", (1, 1), (0, 1), (1, 1), (0, 0)) == [0, 0, 1, 1]
    assert answers("Div_3", 1, 0, 0, 1) == [0, 0, 1, 1]  # 9 / 3 = 3
    assert answers("Dithering", 6, 3, 12, 14, 10) == [0, 0, 1, 1, 1]
    assert answers("Balanced_Parenthesis", 1, 0, 0, 1) == [0, 0, 0, 0]
    assert answers("Balanced_Parenthesis", 0, 1, 0, 1) == [0, 1, 0, 1]
    assert answers("Bit_Palindrome", 1, 0, 0, 1) == [1, 0, 0, 1]
    assert answers("Majority_0_2", 2, 1, 1, 2, 2) == [2, 1, 1, 1, 2]
    assert answers("Alternating_Last3", 1, 0, 1, 1) == [0, 1, 1, 0]
    assert answers("Newton_Spring", 5, -8, -6, 9) == [5, -3, -14, -2]
    assert answers("Newton_Magnetic", (5, -8), (-6, 9), (8, 7)) == [5, 12, 21]
    assert answers("Previous_Equals_Current", 0, 0, 3, 3, 1) == [1, 1, 0, 1, 0]


@pytest.mark.skipif(not CASES.is_dir(), reason=f"the authors' samples are not here: {CASES}")
@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.paper_name)
def test_every_task_gives_the_answers_of_the_authors_samples(task):
    stored = np.load(CASES / "samples" / f"{task.name}.npz")
    x, y = (stored[name].astype(np.int64) for name in "xy")
    x = x.reshape(*x.shape[:2], -1)
    np.testing.assert_array_equal(task.target(x), y.reshape(len(y), y.shape[1], -1))
    assert x.shape[1:] == (task.length, task.inputs)
    assert task.low <= x.min() <= x.max() <= task.high


def test_a_trained_network_is_a_folder_that_loads_and_is_not_made_again(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(streams, "STEPS", 200)
    monkeypatch.setattr(streams, "SEEDS", 4)
    asked = ["--out", str(tmp_path), "--task", "rnn_identity_numerical"]
    streams.main(asked)
    of = number_streams(tmp_path / "rnn_identity_numerical")
    assert (of.origin, of.low, of.high, of.length) == ("our retraining", 0, 99, 10)
    x = of.sample(50, np.random.default_rng(0))
    np.testing.assert_array_equal(of.answers(x), x[..., 0])
    said = json.loads((tmp_path / "rnn_identity_numerical" / "case.json").read_text())
    assert said["trained"]["weights_on_grid"] is True
    before = (tmp_path / "rnn_identity_numerical" / "model.safetensors").stat().st_mtime_ns
    capsys.readouterr()
    streams.main(asked)
    assert capsys.readouterr().out == ""
    assert (tmp_path / "rnn_identity_numerical" / "model.safetensors").stat().st_mtime_ns == before
    assert [path.name for path in tmp_path.iterdir()] == ["rnn_identity_numerical"]


def test_observability_form_is_the_same_recurrence_in_whole_numbers():
    turn = np.array([[0.3, 1.2], [-0.7, 0.4]])  # any basis
    back, into, read = np.array([[1.0, 1.0], [0.0, 1.0]]), np.array([[1.0], [1.0]]), np.array([[1.0, 0.0]])
    undo = np.linalg.inv(turn)
    given = {
        "hmlp.mlp.0.weight": np.hstack([turn @ back @ undo, turn @ into]),
        "hmlp.mlp.0.bias": turn @ np.array([-1.0, -1.0]),
        "ymlp.mlp.0.weight": read @ undo,
        "ymlp.mlp.0.bias": np.zeros(1),
    }
    found = streams.observability_form(given)
    x = BY_NAME["Newton_Gravity"].sample(20, np.random.default_rng(0))
    np.testing.assert_allclose(streams.ran(found, x), streams.ran(given, x), atol=1e-9)
    assert all((w == np.round(w)).all() for w in found.values())
    np.testing.assert_array_equal(streams.ran(found, x), BY_NAME["Newton_Gravity"].target(x))


def test_training_goes_on_where_only_one_seed_is_still_right_after_tidying(monkeypatch):
    """Tidying keeps those that stay right: there may be fewer than there were."""
    monkeypatch.setattr(streams.Trainer, "tidy", lambda self: self.keep(torch.tensor([0])))
    monkeypatch.setattr(streams.Trainer, "settle", lambda self: None)
    monkeypatch.setattr(streams.Trainer, "round", lambda self: False)
    monkeypatch.setattr(streams, "STEPS", 0)
    monkeypatch.setattr(streams, "CLEAR", 1e9)
    monkeypatch.setattr(streams, "worst_error", lambda task, weights: float("inf"))  # it is not right on every stream
    found = streams.trained(next(t for t in TASKS if t.name == "rnn_parity_last2_numerical"), 0, 0.01)
    assert found is None
