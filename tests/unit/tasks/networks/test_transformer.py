"""The common network type: each step does what its docstring says, shapes are checked, and shipped circuits convert."""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional

from tasks.bounds.ball import FLOAT64
from tasks.bounds.interpreter import enclose
from tasks.formats import from_circuit
from tasks.formats.circuit_folder import load_circuit, shipped_names, shipped_path
from tasks.formats.sparse import sparse_transformer
from tasks.networks.interpreter import logits
from tasks.networks.sparse_transformer import Config, Network, NetworkError
from tasks.networks.transformer import (
    AbsTopK,
    Activation,
    Affine,
    Attention,
    Lookup,
    Mask,
    Norm,
    Pool,
    Residual,
    Transformer,
    walk,
)
from tasks.training.torch_model import forward, from_network, run_circuit

VOCABULARY, WIDTH, LONGEST = 5, 6, 7
IDS = np.random.default_rng(3).integers(0, VOCABULARY, (9, LONGEST))


def numbers(*shape, seed=0):
    return np.random.default_rng((seed, *shape)).normal(size=shape)


def network(*steps, positions=True, dtype="float64"):
    where = numbers(LONGEST, WIDTH, seed=1) if positions else None
    return Transformer(numbers(VOCABULARY, WIDTH), where, steps, LONGEST, dtype)


def attention(**options):
    query, key, value = ((Affine(numbers(WIDTH, WIDTH, seed=n), numbers(WIDTH, seed=n)),) for n in (2, 3, 4))
    return Attention(query, key, value, 2, 0.7, **options)


def stream(positions=True):
    return numbers(VOCABULARY, WIDTH)[IDS] + (numbers(LONGEST, WIDTH, seed=1) if positions else 0)


def by_torch(step, x, mask):
    """Attention by torch's own scaled_dot_product_attention; ``mask`` is added to the scores."""
    x = torch.from_numpy(x)
    parts = (functional.linear(x, *(torch.tensor(w) for w in (p[0].weight, p[0].bias)))
             for p in (step.query, step.key, step.value))  # fmt: skip
    q, k, v = (part.unflatten(-1, (step.heads, -1)).transpose(1, 2) for part in parts)
    y = functional.scaled_dot_product_attention(q, k, v, attn_mask=torch.from_numpy(mask), scale=step.scale)
    return y.transpose(1, 2).flatten(2).numpy()


CAUSAL = np.where(np.tri(LONGEST, dtype=bool), 0.0, -np.inf)


@pytest.mark.parametrize("causal", [True, False])
def test_softmax_attention_is_torchs(causal):
    step = attention(causal=causal)
    expected = by_torch(step, stream(), CAUSAL if causal else np.zeros_like(CAUSAL))
    assert np.allclose(logits(network(step), IDS), expected, rtol=0, atol=1e-12)


def test_a_sink_takes_weight_and_gives_nothing():
    step = attention(sink=np.array([0.5, -1.0]))
    scores = np.concatenate([np.broadcast_to(CAUSAL, (2, LONGEST, LONGEST)), np.empty((2, LONGEST, 1))], axis=2)
    scores[..., -1] = step.sink[:, None]
    q, k, v = (stream() @ p[0].weight.T + p[0].bias for p in (step.query, step.key, step.value))
    heads = [part.reshape(len(IDS), LONGEST, 2, 3) for part in (q, k, v)]
    raw = np.einsum("nihd,njhd->nhij", heads[0], heads[1]) * step.scale
    full = torch.from_numpy(np.concatenate([raw, np.zeros((*raw.shape[:3], 1))], axis=3) + scores).softmax(-1)
    expected = np.einsum("nhij,njhd->nihd", full.numpy()[..., :-1], heads[2]).reshape(len(IDS), LONGEST, -1)
    assert np.allclose(logits(network(step), IDS), expected, rtol=0, atol=1e-12)


def test_hidden_tokens_are_seen_by_nobody():
    hidden = np.where(IDS == 1, -np.inf, 0.0)[:, None, None, :]
    ids = np.where(IDS[:, :1] == 1, 2, IDS[:, :1])  # the first token must be seen by itself
    changed = np.concatenate([ids, IDS[:, 1:]], axis=1)
    x = numbers(VOCABULARY, WIDTH)[changed] + numbers(LONGEST, WIDTH, seed=1)
    hidden[:, :, :, 0] = 0.0
    expected = by_torch(attention(), x, CAUSAL + hidden)
    assert np.allclose(logits(network(attention(hidden=(1,))), changed), expected, rtol=0, atol=1e-12)
    with pytest.raises(NetworkError, match="sees no token"):
        logits(network(attention(hidden=(1,))), np.array([[1, 2]]))


def project(z):
    """The point of the simplex nearest to ``z``, by trying every support."""
    best = None
    for support in range(1, 2 ** len(z)):
        chosen = np.array([support >> n & 1 for n in range(len(z))], bool)
        p = np.where(chosen, z - (z[chosen].sum() - 1) / chosen.sum(), 0.0)
        if (p >= 0).all() and (best is None or ((p - z) ** 2).sum() < ((best - z) ** 2).sum()):
            best = p
    return best


def test_sparsemax_is_the_projection_on_the_simplex_of_the_seen_scores():
    step = attention(weighting="sparsemax")
    q, k, v = (stream() @ p[0].weight.T + p[0].bias for p in (step.query, step.key, step.value))
    got = logits(network(step), IDS)
    for n, i, head in ((0, 0, 0), (1, 3, 0), (2, 4, 1), (3, 6, 1)):
        at = slice(3 * head, 3 * head + 3)
        p = project(k[n, : i + 1, at] @ q[n, i, at] * step.scale)
        assert np.allclose(got[n, i, at], p @ v[n, : i + 1, at], rtol=0, atol=1e-12)


def test_hard_attention_is_the_limit_of_softmax_and_shares_ties_equally():
    step, steep = attention(weighting="hard"), attention()
    steep = Attention(steep.query, steep.key, steep.value, 2, 0.7e6)
    assert np.allclose(logits(network(step), IDS), logits(network(steep), IDS), rtol=0, atol=1e-9)
    alike = logits(network(step, positions=False), np.array([[2, 2, 2]]))
    assert np.allclose(alike[0, 0], alike[0, 2], rtol=0, atol=1e-12)


def test_norms_and_activations_are_torchs():
    x, gain, bias = stream(), numbers(WIDTH, seed=5), numbers(WIDTH, seed=6)
    t, g, b = torch.from_numpy(x), torch.tensor(gain), torch.tensor(bias)
    pairs = (
        (Norm("layer", gain, bias, 1e-5), functional.layer_norm(t, (WIDTH,), g, b, 1e-5)),
        (Norm("rms", gain, None, 1e-6), functional.rms_norm(t, (WIDTH,), g, 1e-6)),
        (Activation("relu"), functional.relu(t)),
        (Activation("leaky_relu", 0.01), functional.leaky_relu(t, 0.01)),
        (Activation("gelu"), functional.gelu(t)),
        (Activation("gelu_tanh"), functional.gelu(t, approximate="tanh")),
    )
    for step, expected in pairs:
        assert np.allclose(logits(network(step), IDS), expected.numpy(), rtol=0, atol=1e-12), step


def test_top_k_keeps_the_largest_and_of_equal_ones_the_first():
    table = np.array([[3.0, -4.0, 4.0, 0.0, -3.0, 1.0]] * VOCABULARY)
    got = logits(Transformer(table, None, (AbsTopK(3),), LONGEST), IDS[:1, :1])
    assert got[0, 0].tolist() == [3.0, -4.0, 4.0, 0.0, 0.0, 0.0]


def test_a_mask_replaces_and_is_observed_after_it_acts():
    kept, means, seen = np.array([True, False] * 3), numbers(WIDTH, seed=8), {}
    got = logits(network(Mask("here", kept, means)), IDS, seen.__setitem__)
    assert (got == np.where(kept, stream(), means)).all()
    assert (seen["here"] == got).all()


def test_a_residual_adds_a_lookup_adds_its_row_and_pools_pool():
    double, table = Affine(2 * np.eye(WIDTH)), numbers(VOCABULARY, WIDTH, seed=9)
    assert np.allclose(logits(network(Residual((double,))), IDS), 3 * stream())
    assert np.allclose(logits(network(Lookup(table)), IDS), stream() + table[IDS])
    for kind, expected in (("sum", stream().sum(1)), ("mean", stream().mean(1)), ("last", stream()[:, -1])):
        assert np.allclose(logits(network(Pool(kind)), IDS)[:, 0], expected)


def test_a_prompt_answers_alike_alone_and_in_company(monkeypatch):
    whole = network(Residual((attention(), Affine(numbers(WIDTH, WIDTH)))), Activation("gelu"))
    together = logits(whole, IDS)
    monkeypatch.setattr("tasks.networks.interpreter.CHUNK_VALUES", 100)
    assert np.allclose(logits(whole, IDS), together, rtol=0, atol=1e-13)
    assert logits(whole, IDS[:0]).shape == (0, LONGEST, WIDTH)
    shorter = logits(whole, IDS[:, :4])  # causal: a prefix does not see what follows
    assert np.allclose(shorter, together[:, :4], rtol=0, atol=1e-13)


@pytest.mark.parametrize(
    "steps",
    [
        (Affine(numbers(3, 4)),),
        (Norm("rms", numbers(4), None, 1e-6),),
        (Mask("m", np.ones(4, bool), numbers(4)),),
        (Lookup(numbers(VOCABULARY, 4)),),
        (AbsTopK(WIDTH + 1),),
        (Residual((Affine(numbers(4, WIDTH)),)),),
        (Residual((Pool("sum"),)),),
        (Pool("sum"), Pool("sum")),
        (Pool("sum"), attention()),
        (Pool("last"), Lookup(numbers(VOCABULARY, WIDTH))),
        (Attention((), (Affine(numbers(4, WIDTH)),), (), 2, 1.0),),
        (Attention((), (), (Affine(numbers(3, WIDTH)),), 2, 1.0),),
        (Attention((), (), (attention(),), 2, 1.0),),
        (attention(hidden=(VOCABULARY,)),),
    ],
)
def test_steps_that_do_not_fit_are_refused(steps):
    with pytest.raises(NetworkError):
        network(*steps)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Affine(numbers(3, 4), numbers(4)),
        lambda: Affine(np.full((2, 2), np.nan)),
        lambda: Affine(np.ones((2, 2), np.float32)),
        lambda: Affine(np.ones((2, 0))),
        lambda: Norm("batch", numbers(3), None, 1e-5),
        lambda: Norm("rms", numbers(3), None, 0.0),
        lambda: Activation("swish"),
        lambda: Activation("leaky_relu", 1.0),
        lambda: AbsTopK(0),
        lambda: Mask("m", np.ones(3), numbers(3)),
        lambda: Pool("max"),
        lambda: Attention((), (), (), 2, math.inf),
        lambda: Attention((), (), (), 2, 1.0, "linear"),
        lambda: Attention((), (), (), 2, 1.0, "sparsemax", sink=numbers(2)),
        lambda: Attention((), (), (), 2, 1.0, sink=numbers(3)),
        lambda: network(dtype="float16"),
        lambda: network(dtype="float32"),  # weights that no float32 holds
        lambda: Transformer(numbers(3, 2), numbers(4, 2), (), 5),
        lambda: Transformer(numbers(3, 2), None, (), 0),
    ],
)
def test_values_that_make_no_sense_are_refused(wrong):
    with pytest.raises(NetworkError):
        wrong()


@pytest.mark.parametrize("ids", [[[VOCABULARY]], [[-1]], [[0] * (LONGEST + 1)], [[]], [0, 1], [[0.5]]])
def test_prompts_that_the_network_cannot_take_are_refused(ids):
    with pytest.raises(NetworkError):
        logits(network(), np.array(ids))


def test_weights_are_locked():
    whole = network(attention())
    assert all(not array.flags.writeable for array in whole.arrays())
    assert len(list(whole.arrays())) == 8
    assert len(list(walk(whole.steps))) == 4


@pytest.mark.parametrize("name", shipped_names())
def test_a_shipped_circuit_is_the_same_function_as_a_transformer(name):
    circuit = load_circuit(shipped_path(name))
    loaded, rng = from_circuit(circuit), np.random.default_rng(0)
    for length in (circuit.domain.min_length, 5, circuit.domain.max_length):
        every = rng.integers(0, len(circuit.domain.alphabet), (40, length)).astype(np.int8)
        got = logits(loaded.network, loaded.prompts(every))[:, -1, list(loaded.readout.columns)]
        assert np.allclose(got, run_circuit(circuit, every), rtol=0, atol=1e-9)
        stream = enclose(loaded.network, [loaded.prompts(every)], FLOAT64)
        last = stream.x[stream.places[0][:, -1]]
        off = np.abs(got - last.center[:, list(loaded.readout.columns)])
        assert (off <= last.radius[:, list(loaded.readout.columns)] + 1e-9).all()
    assert loaded.domain == circuit.domain
    assert loaded.readout.names == circuit.labels


OPTIONS = {
    "layer norm, relu, positions": {"norm": "layer", "norm_eps": 1e-5, "activation": "relu", "positions": True},
    "sink and bigram": {"sink": True, "bigram": True},
    "top-k": {"top_k_fraction": 0.4},
}


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_every_option_of_the_sparse_transformer_converts(options):
    config = Config(vocab_size=5, n_layer=2, n_head=2, d_head=4, d_model=8, d_mlp=12, block_size=LONGEST, **options)
    rng = np.random.default_rng(1)
    tensors = {name: rng.normal(size=shape).astype(np.float32) for name, shape in config.tensor_shapes().items()}
    sparse = Network(config, tensors)
    expected = forward(config, from_network(sparse, np.float64), torch.from_numpy(IDS)).numpy()
    assert np.allclose(logits(sparse_transformer(sparse), IDS), expected, rtol=0, atol=1e-9)
