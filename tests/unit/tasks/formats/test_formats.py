"""Recognising a folder, asking a loaded network, and black boxes."""

import json
import shutil

import numpy as np
import pytest
import torch

from tasks.formats import BlackBox, Question, from_callable, load
from tasks.formats.circuit_folder import SHIPPED, load_circuit, shipped_path
from tasks.networks.readout import UNDECIDED, Rounded
from tasks.networks.sparse_transformer import NetworkError

VOCABULARY = ("<s>", "(", ")")


def shallow(ids):
    depth = np.where(ids == 1, 1.0, np.where(ids == 2, -1.0, 0.0)).sum(axis=1)
    return np.stack([0.5 - depth, depth - 0.5], axis=1)


def box(function=shallow, **question):
    asked = Question(**{"prefix": ("<s>",), "lengths": (1, 6), **question})
    return from_callable(function, vocabulary=VOCABULARY, outputs=("no", "yes"), longest=8, question=asked)


def test_a_shipped_folder_is_recognised_and_asked_what_it_was_made_for():
    loaded = load(shipped_path("quote_closing"))
    circuit = load_circuit(shipped_path("quote_closing"))
    assert (loaded.format, loaded.name, loaded.domain) == ("circuit", "quote_closing", circuit.domain)
    with pytest.raises(NetworkError, match="one task"):
        load(SHIPPED / "quote_closing", Question(task="other"))


def test_an_unknown_folder_is_told_what_was_looked_for(tmp_path):
    (tmp_path / "weights.bin").write_bytes(b"")
    said = (
        r"transformers and recurrent networks are read .*Found weights\.bin; weights\.bin may be a pickle"
        r".*looked for circuit, .*gpt2.*docs/layouts\.md"
    )
    with pytest.raises(NetworkError, match=said):
        load(tmp_path)
    with pytest.raises(NetworkError, match="got a file"):
        load(tmp_path / "weights.bin")
    with pytest.raises(NetworkError, match="no such folder"):
        load(tmp_path / "nowhere")


def test_what_is_no_file_where_a_file_belongs_is_named(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "gpt2"}))
    (tmp_path / "model.safetensors").mkdir()
    with pytest.raises(NetworkError, match=r"model\.safetensors: expected a file, got a folder"):
        load(tmp_path)
    (tmp_path / "model.safetensors").rmdir()
    (tmp_path / "model.safetensors").symlink_to(tmp_path / "nowhere")
    with pytest.raises(NetworkError, match=r"model\.safetensors: expected a file, got none"):
        load(tmp_path)


def test_a_key_that_occurs_twice_is_named(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "gpt2", "n_layer": 1, "n_layer": 2}')
    (tmp_path / "model.safetensors").write_bytes(b"")
    with pytest.raises(NetworkError, match=r"config\.json: not a JSON file: a key occurs twice: 'n_layer'"):
        load(tmp_path)


@pytest.mark.parametrize("text", ["{", "[]", '{"a": 1, "a": 2}', '{"a": NaN}', "[" * 100_000, "\xff"])
def test_a_folder_with_broken_json_is_refused_in_a_sentence(tmp_path, text):
    (tmp_path / "config.json").write_bytes(text.encode("latin-1"))
    (tmp_path / "model.safetensors").write_bytes(b"")
    with pytest.raises(NetworkError, match=r"config\.json"):
        load(tmp_path)


def test_a_config_of_another_architecture_is_no_known_format(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert"}))
    (tmp_path / "model.safetensors").write_bytes(b"")
    with pytest.raises(NetworkError, match="no known network format"):
        load(tmp_path)


def test_a_question_changes_what_a_circuit_is_asked(tmp_path):
    shutil.copytree(shipped_path("quote_closing"), tmp_path / "mine")
    circuit = load_circuit(tmp_path / "mine")
    fewer = circuit.domain.alphabet[:2]
    loaded = load(tmp_path / "mine", Question(alphabet=fewer, lengths=(2, 3)))
    assert (loaded.domain.alphabet, list(loaded.domain.lengths), loaded.domain.constraint) == (fewer, [2, 3], None)


def test_a_black_box_answers_and_says_what_it_is():
    loaded = box()
    labels, margins = loaded.labels(loaded.domain.sequences(1))
    assert [loaded.readout.text(label) for label in labels] == ["yes", "no"]
    assert margins.tolist() == [1.0, 3.0]
    assert loaded.is_black_box
    assert "enumerated" in loaded.notes[0]


def test_a_torch_module_is_a_black_box_in_evaluation_mode_only():
    torch.manual_seed(0)
    module = torch.nn.Sequential(torch.nn.Embedding(3, 4), torch.nn.Dropout(0.5), torch.nn.Linear(4, 2))
    with pytest.raises(NetworkError, match="eval"):
        box(module)
    loaded = box(module.eval())
    got = loaded.logits(np.array([[0, 1], [1, 0]]))
    with torch.no_grad():
        expected = module(torch.tensor([[0, 1, 2], [0, 2, 1]]))[:, -1]
    assert np.allclose(got, expected.numpy(), rtol=0, atol=1e-6)


@pytest.mark.parametrize("wrong", [lambda ids: np.zeros(len(ids)), lambda ids: np.full((len(ids), 2), np.nan)])
def test_a_black_box_that_answers_something_else_is_refused(wrong):
    with pytest.raises(NetworkError, match="finite logits"):
        box(wrong).logits(np.array([[0]]))


def test_a_tie_of_a_black_box_is_undecided():
    assert box(lambda ids: np.zeros((len(ids), 2))).labels(np.array([[0]]))[0].tolist() == [UNDECIDED]


def test_one_output_can_be_rounded():
    loaded = from_callable(
        lambda ids: shallow(ids)[:, 1:], vocabulary=VOCABULARY, outputs=("depth",), longest=4,
        question=Question(readout="round", alphabet=("(", ")"), lengths=(1, 3)),
    )  # fmt: skip
    assert loaded.readout == Rounded(0)
    assert loaded.labels(np.array([[0, 0]]), 0.4)[0].tolist() == [UNDECIDED]  # 1.5 lies halfway


@pytest.mark.parametrize(
    "question",
    [
        {"prefix": ("?",)},
        {"alphabet": ("(", "?")},
        {"lengths": (0, 8)},
        {"readout": Rounded(2)},
        {"readout": Rounded(0, position="every")},
    ],
)
def test_questions_that_do_not_fit_are_refused(question):
    with pytest.raises(NetworkError):
        box(**question)


def test_a_network_that_needs_a_token_refuses_the_empty_prompt():
    with pytest.raises(NetworkError, match="the empty sequence is no prompt; begin with length 1"):
        box(prefix=(), lengths=(0, 3))


def test_sequences_outside_the_alphabet_are_refused():
    for wrong in (np.array([[2]]), np.array([[-1]]), np.array([0]), np.array([[0.5]])):
        with pytest.raises(NetworkError, match="alphabet indices"):
            box().labels(wrong)


def test_the_example_of_the_black_box_runs():
    import tasks.formats.blackbox as module

    lines = module.__doc__.partition("::\n")[2].splitlines()
    space = {}
    exec("\n".join(line[4:] for line in lines), space)
    assert isinstance(space["loaded"].network, BlackBox)
    assert space["loaded"].domain.alphabet == ("(", ")")
    assert len(space["labels"]) == 64
