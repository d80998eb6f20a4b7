"""Claims about recurrent networks in files: what the equations give, or one sentence; torch's cells are torch's."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from quick import sliced
from recurrent_networks import FORMULAS, dynet_logits, dynet_tensors, write_adder, write_dynet

from tasks.formats import Question, load, save_folder
from tasks.networks.sparse_transformer import NetworkError


@pytest.mark.parametrize("kind", ["gru", "lstm"])
def test_a_dynet_folder_is_its_equations(kind, tmp_path):
    loaded = load(write_dynet(tmp_path / "net", kind))
    words = np.array([*product((0, 1), repeat=4)])
    expected = [dynet_logits(dynet_tensors(kind), [*word]) for word in words]
    assert np.allclose(loaded.logits(words), expected, atol=1e-12)
    assert (loaded.readout.names, loaded.domain.min_length) == (("accept", "reject"), 0)


@pytest.mark.parametrize("kind", ["gru", "lstm"])
def test_a_recurrent_folder_of_steps_is_read_back_equal(kind, tmp_path):
    loaded = load(write_dynet(tmp_path / "net", kind))
    again = load(save_folder(loaded, tmp_path / "steps"))
    words = np.array([*product((0, 1), repeat=3)])
    assert again.format == "recurrent steps"
    assert np.array_equal(again.logits(words), loaded.logits(words))
    assert (again.domain, again.readout, again.vocabulary) == (loaded.domain, loaded.readout, loaded.vocabulary)


def test_an_adder_of_numbers_adds(tmp_path):
    loaded = load(write_adder(tmp_path / "net"))
    assert loaded.vocabulary == ("0,0", "0,1", "1,0", "1,1")
    words = np.array([*product(range(4), repeat=4)])
    labels, _ = loaded.labels(words)
    bits = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])[words]
    total = (bits * (1 << np.arange(4))[None, :, None]).sum(axis=(1, 2))
    assert np.array_equal(labels, total[:, None] >> np.arange(4) & 1)


@pytest.mark.parametrize(
    ("case", "said"),
    [
        ({"architecture": {"formulas": FORMULAS["gru"][:-1]}}, "expected the formula 'h_t = z"),
        ({"architecture": {"formulas": [*FORMULAS["gru"], "h_t = r * h_t"]}}, "not understood: 'h_t = r"),
        ({"architecture": {"formulas": [*FORMULAS["gru"][:-1], "h_t = z * h_(t-1) + (1 - z) * ht + 1"]}}, "expected"),
        ({"read_out": {"kind": "round"}}, "accept_reject_at_end"),
        ({"symbols": {"a": 0, "b": 2}}, "ids 0 to 1"),
        ({"test_vectors": {"vectors": [{"word": "ab", "score": 9.5}]}}, "does not give what its test vectors say"),
        ({"test_vectors": {"vectors": [{"word": "ac", "score": 9.5}]}}, "not understood"),
    ],
)
def test_a_case_that_is_not_understood_is_refused(case, said, tmp_path):
    with pytest.raises(NetworkError, match=said):
        load(write_dynet(tmp_path / "net", "gru", **case))


def test_test_vectors_are_replayed(tmp_path):
    score = -float(np.subtract(*dynet_logits(dynet_tensors("lstm"), [0, 1, 1])[::-1]))
    vectors = {"vectors": [{"word": "abb", "score": score}]}
    assert load(write_dynet(tmp_path / "net", "lstm", test_vectors=vectors)).name == "made"


def test_an_unknown_tensor_is_refused(tmp_path):
    tensors = dynet_tensors("gru") | {"more": np.zeros(2, np.float32)}
    with pytest.raises(NetworkError, match="more"):
        load(write_dynet(tmp_path / "net", "gru", tensors))


@pytest.mark.parametrize("kind", sliced(["RNN", "GRU", "LSTM"], 2))
@pytest.mark.parametrize("is_last", [True, False])
def test_a_torch_module_with_a_recurrent_layer_is_mapped(kind, is_last):
    torch = pytest.importorskip("torch")
    from tasks.formats.torch_module import from_torch

    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.embed, self.out = torch.nn.Embedding(3, 2), torch.nn.Linear(3, 2)
            self.cells = getattr(torch.nn, kind)(2, 3, num_layers=2, batch_first=True)

        def forward(self, ids):
            rows, _ = self.cells(self.embed(ids))
            return self.out(rows[:, -1] if is_last else rows)

    module = Net()
    readout = None if is_last else "argmax"
    loaded = from_torch(module, vocabulary=("a", "b", "c"), longest=6, outputs=("no", "yes"), readout=readout)
    ids = np.random.default_rng(0).integers(0, 3, (5, 6))
    with torch.no_grad():
        expected = module.double()(torch.from_numpy(ids)).numpy()
    found = loaded.network.logits(ids)[:, 1:]
    assert np.allclose(found[:, -1] if is_last else found, expected, atol=1e-12)
    assert loaded.domain.min_length == 1


def test_a_torch_layer_of_two_directions_is_refused():
    torch = pytest.importorskip("torch")
    from tasks.formats.torch_module import from_torch

    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.embed, self.out = torch.nn.Embedding(3, 2), torch.nn.Linear(6, 2)
            self.cells = torch.nn.GRU(2, 3, batch_first=True, bidirectional=True)

        def forward(self, ids):
            return self.out(self.cells(self.embed(ids))[0][:, -1])

    with pytest.raises(NetworkError, match="of one direction"):
        from_torch(Net(), vocabulary=("a", "b", "c"), longest=6, outputs=("no", "yes"))


def test_a_recurrent_layer_that_is_never_called_makes_no_recurrent_network():
    torch = pytest.importorskip("torch")
    from tasks.formats.torch_module import from_torch
    from tasks.networks.transformer import Transformer

    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.embed, self.out = torch.nn.Embedding(3, 2), torch.nn.Linear(2, 2)
            self.spare = torch.nn.GRU(2, 3, batch_first=True)

        def forward(self, ids):
            return self.out(torch.tanh(self.embed(ids))[:, -1])

    loaded = from_torch(Net(), vocabulary=("a", "b", "c"), longest=4, outputs=("no", "yes"))
    assert isinstance(loaded.network, Transformer)


def test_a_longer_word_is_the_same_formula(tmp_path):
    folder = write_dynet(tmp_path / "net", "gru")
    loaded = load(folder, Question(lengths=(0, 64)))
    with pytest.raises(NetworkError, match="no prompts of 0 to 64"):
        load(folder, Question(lengths=(0, 65)))
    assert not loaded.network.has_end
