"""Networks trained to be right on every sequence: the files that loaders read give the answers of the lesson."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tasks.formats import Question, load
from tasks.networks.sparse_transformer import NetworkError
from tasks.training import algorithms
from tasks.training.algorithms import BOS, LESSONS, Lesson, learned, lesson, save

QUICK = ("shifted", "first")  # an answer at every place under TransformerLens's names, and the last row of a GPT-2


@pytest.fixture(scope="module")
def weights() -> dict[str, algorithms.Weights]:
    """Trained on short sequences, which takes a second or two."""
    return {name: learned(short(name))[0] for name in QUICK}


def short(name: str) -> Lesson:
    return replace(lesson(name), alphabet=("a", "b", "c"), longest=3)


@pytest.mark.parametrize("name", QUICK)
def test_a_trained_network_gives_every_answer_of_its_lesson(name: str, weights, tmp_path: Path) -> None:
    asked = short(name)
    loaded = load(save(asked, weights[name], tmp_path), Question())
    assert (loaded.domain.alphabet, loaded.domain.lengths) == (asked.alphabet, range(1, 4))
    for length in loaded.domain.lengths:
        rows = loaded.domain.sequences(length)
        labels, margins = loaded.labels(rows)
        assert margins.min() > 1
        for row, own in zip(rows, labels.reshape(len(rows), -1), strict=True):
            tokens = loaded.domain.words(row)
            places = range(length) if asked.is_placed else (length - 1,)
            assert [loaded.readout.text(label) for label in own] == [asked.answer(tokens, i) or BOS for i in places]


def test_the_same_seed_gives_the_same_weights(weights) -> None:
    again = learned(short("shifted"))[0]
    assert all(torch.equal(again[name], tensor) for name, tensor in weights["shifted"].items())


def test_training_that_does_not_get_there_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(algorithms, "STEPS", 5)
    with pytest.raises(NetworkError, match="right on every sequence"):
        learned(short("first"))


def test_a_gpt2_reads_its_last_row_alone(weights, tmp_path: Path) -> None:
    with pytest.raises(NetworkError, match="read at its last row"):
        save(replace(short("shifted"), layout="gpt2"), weights["shifted"], tmp_path)


def test_lessons_have_names_of_their_own_and_an_unknown_one_lists_them() -> None:
    assert len({known.name for known in LESSONS}) == len(LESSONS) >= 8
    with pytest.raises(NetworkError, match="known: copy, reverse"):
        lesson("chess")
