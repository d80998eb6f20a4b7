"""Torch modules as networks: equal to the module, inside the bounds, unchanged; what cannot be mapped is named."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from quick import sliced
from torch import nn
from torch.nn import functional
from torch_networks import KINDS, LONGEST, VOCABULARY, WIDTH, ByHand, Encoder, module_of

from tasks import from_torch
from tasks.bounds import interpreter
from tasks.formats import torch_module
from tasks.networks.interpreter import logits
from tasks.networks.readout import TokenSet
from tasks.networks.sparse_transformer import NetworkError
from tasks.networks.transformer import Attention, Norm, walk


def network_of(module, **options):
    return from_torch(module, vocabulary=VOCABULARY, **({"longest": LONGEST} | options))


def ids_of(network, count, seed=1):
    least = network.shortest
    return [np.random.default_rng(seed).integers(0, 3, (count, length)) for length in range(least, LONGEST + 1)]


@pytest.mark.parametrize("kind", sliced(KINDS, 2))
def test_a_module_is_mapped_and_its_executions_lie_in_the_bounds(kind):
    module = module_of(kind)
    network = network_of(module).network
    double, single = copy.deepcopy(module).eval(), copy.deepcopy(module).eval()
    for ids in ids_of(network, 8):
        ours = logits(network, ids)
        bounds = interpreter.enclose(network, [ids], 2.0**-24)
        with torch.no_grad():
            theirs = single(torch.from_numpy(ids)).double().numpy().reshape(len(ids), -1, ours.shape[-1])
        place = bounds.places[0][:, -theirs.shape[1] :]
        ours, ball = ours[:, -theirs.shape[1] :], bounds.x[place]
        assert (np.abs(ours - ball.center) <= ball.radius).all()
        assert (np.abs(theirs - ball.center) <= ball.radius).all()
        if kind != "one-hot":  # which makes float32 numbers itself
            with torch.no_grad():
                exact = double.double()(torch.from_numpy(ids)).numpy().reshape(theirs.shape)
            assert np.abs(ours - exact).max() < 1e-6 * (1 + np.abs(exact).max())  # constants are float32 in ours


def test_blocks_become_blocks():
    steps = network_of(module_of("pre-norm, gelu, both directions")).network.steps
    assert [type(step).__name__ for step in steps] == ["Residual", "Residual", "Norm", "Affine"]
    assert [type(step).__name__ for step in steps[0].steps] == ["Norm", "Attention", "Affine"]
    assert [type(step).__name__ for step in steps[1].steps] == ["Norm", "Affine", "Activation", "Affine"]
    found = [step for step in walk(network_of(module_of("fused")).network.steps) if isinstance(step, Attention)]
    assert [(step.heads, step.causal, step.scale) for step in found] == [(2, True, 0.5)]
    norms = [
        step for step in walk(network_of(module_of("einsum, rms by hand")).network.steps) if isinstance(step, Norm)
    ]
    assert {(step.kind, step.eps) for step in norms} == {("rms", 1e-6)}


def test_the_module_is_left_as_it_was():
    module = module_of("post-norm, causal")
    module.train()
    module.tokens.weight.requires_grad_(False)
    before = copy.deepcopy(module.state_dict())
    state = torch.random.get_rng_state()
    network_of(module)
    assert module.training
    assert not module.tokens.weight.requires_grad
    assert all(torch.equal(tensor, before[name]) for name, tensor in module.state_dict().items())
    assert all(parameter.dtype == torch.float32 for parameter in module.parameters())
    assert torch.equal(torch.random.get_rng_state(), state)
    assert torch.backends.mha.get_fastpath_enabled()


def test_dropout_is_off_and_float64_stays():
    module = module_of("fused").double()
    network = network_of(module).network
    assert network.dtype == "float64"
    ids = ids_of(network, 4)[-1]
    with torch.no_grad():
        assert np.allclose(module.eval()(torch.from_numpy(ids)).numpy(), logits(network, ids), rtol=0, atol=1e-12)


def test_numbers_that_the_module_computes_itself_are_said():
    class Waves(nn.Module):
        def __init__(self):
            super().__init__()
            self.tokens = nn.Embedding(3, 4)

        def forward(self, ids):
            return self.tokens(ids) + torch.sin(
                torch.arange(ids.shape[1])[:, None] / torch.tensor([1.0, 2.0, 3.0, 4.0])
            )

    notes = network_of(Waves()).notes
    assert "numbers that the module computes itself (sin) are those of this machine" in notes


def test_half_precision_is_widened_and_said():
    loaded = network_of(module_of("mlp").to(torch.bfloat16))
    assert loaded.network.dtype == "float32"
    assert "half precision" in loaded.notes[0]


def test_a_module_over_one_hot_numbers_is_asked_by_an_example():
    layers = nn.Sequential(nn.Linear(3 * LONGEST, 4), nn.ReLU(), nn.Linear(4, 2))
    flat = network_of(layers, example=torch.zeros(1, 3 * LONGEST), longest=None).network
    rows = network_of(nn.Sequential(nn.Flatten(), layers), example=torch.zeros(1, LONGEST, 3), longest=None).network
    ids = ids_of(flat, 5)[-1]
    assert np.array_equal(logits(flat, ids), logits(rows, ids))
    given = functional.one_hot(torch.from_numpy(ids), 3).float().flatten(1)
    with torch.no_grad():
        assert np.allclose(layers(given).numpy(), logits(flat, ids)[:, 0], atol=1e-5)


def test_what_is_asked_is_what_the_author_says():
    loaded = network_of(
        module_of("post-norm, causal"), prefix=("c",), outputs=("no", "yes"), readout="set", lengths=(1, 3), name="mine"
    )
    assert loaded.domain.alphabet == ("a", "b")
    assert (loaded.domain.min_length, loaded.domain.max_length) == (1, 3)
    assert loaded.readout == TokenSet(("no", "yes"), (0, 1))
    assert loaded.declared.readout == loaded.readout
    assert not loaded.notes


class Refused(nn.Module):
    """An embedding, then something."""

    def __init__(self, what):
        super().__init__()
        self.tokens, self.what = nn.Embedding(3, WIDTH), what
        self.inner = nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.Softplus())
        self.attention = nn.MultiheadAttention(WIDTH, 2, batch_first=True)
        self.start = nn.Parameter(torch.randn(1, 1, WIDTH))

    def forward(self, ids):
        x = self.tokens(ids)
        match self.what:
            case "softplus":
                return self.inner(x)
            case "start":
                return torch.cat([self.start.expand(len(x), 1, WIDTH), x], 1)
            case "softmax":
                return x.softmax(-1)
            case "padding":
                return self.attention(x, x, x, key_padding_mask=ids == 2)[0]
            case "window":
                near = torch.ones(ids.shape[1], ids.shape[1]).triu(-1).tril()
                return self.attention(x, x, x, attn_mask=near == 0)[0]
            case "alibi":
                away = -torch.arange(ids.shape[1])[None].float().repeat(ids.shape[1], 1)
                return self.attention(x, x, x, attn_mask=away)[0]
            case "second row":
                return x[:, 1]
            case "values":
                return x if ids[0, 0] == 1 else 2 * x
            case "longest":
                return x.max(1).values
            case "in place":
                x += 1
                return x.relu_()
            case "length":
                return x if ids.shape[1] > 3 else 2 * x
            case "lengths":
                return x.sum(1) / ids.shape[1]


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("softplus", "in inner.1 (Softplus): an operation that is not understood (torch operation softplus)"),
        ("start", "name it as prefix or suffix instead"),
        ("softmax", "let the module answer with logits"),
        ("padding", "such as one that hides padding: leave it out"),
        ("window", "neither causal nor empty"),
        ("alibi", "no mask (such as ALiBi)"),
        ("second row", "the result is read at position 1 of 5"),
        ("values", "cannot be traced"),
        ("longest", "torch operation max"),
        ("in place", "in place"),
        ("length", "differ by"),
        ("lengths", "differ by"),
    ],
)
def test_what_cannot_be_mapped_is_named_with_the_way_round(what, words):
    with pytest.raises(NetworkError) as refused:
        network_of(Refused(what))
    assert words in str(refused.value)
    if "position 1" not in words:
        assert "from_callable" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_module_of_one_length_says_so():
    class Fixed(nn.Module):
        def __init__(self):
            super().__init__()
            self.tokens = nn.Embedding(3, 4)

        def forward(self, ids):
            assert ids.shape[1] == LONGEST
            return self.tokens(ids)

    with pytest.raises(NetworkError, match=r"say lengths=\(T, T\)"):
        network_of(Fixed())
    assert network_of(Fixed(), lengths=(LONGEST, LONGEST)).domain.min_length == LONGEST


def test_a_prompt_that_is_too_long_for_the_module_is_told_with_the_length_that_is_not(capfd):
    with pytest.raises(NetworkError) as refused:
        network_of(Encoder(), longest=LONGEST + 40)
    assert f"the module itself fails on a prompt of {LONGEST + 40} tokens (" in str(refused.value)
    assert f"and on one of {LONGEST} it does not: longest is more than it takes" in str(refused.value)
    assert capfd.readouterr() == ("", "")


def test_what_has_no_size_yet_is_named():
    with pytest.raises(NetworkError, match=r"Sequential: 1\.weight has no size yet \(a lazy module\)"):
        network_of(nn.Sequential(nn.Embedding(3, 4), nn.LazyLinear(2)))


def test_a_vocabulary_shorter_than_the_embedding_is_said():
    loaded = network_of(nn.Sequential(nn.Embedding(7, 4), nn.Linear(4, 2)), outputs=("no", "yes"))
    assert "the vocabulary names 3 tokens, and an embedding has 7 rows: nothing is said of the others" in loaded.notes


def test_a_wrong_mapping_is_refused(monkeypatch):
    right = torch_module.Follower._do_gelu
    monkeypatch.setattr(
        torch_module.Follower, "_do_gelu", lambda self, x, **options: right(self, x, approximate="tanh")
    )
    with pytest.raises(NetworkError, match="the mapping is not equal to the module"):
        network_of(ByHand())


def test_an_own_error_of_the_module_is_told():
    class Broken(nn.Module):
        def forward(self, ids):
            raise KeyError("mine")

    with pytest.raises(NetworkError, match=r"KeyError: 'mine'"):
        network_of(Broken())
    with pytest.raises(NetworkError, match="expected a torch module, got function"):
        network_of(lambda ids: ids)
    with pytest.raises(NetworkError, match="or the longest length"):
        network_of(Encoder(), longest=None)
    with pytest.raises(NetworkError, match="lacks"):
        from_torch(Encoder(), vocabulary=("a", "b", "c", "d"), longest=3)
