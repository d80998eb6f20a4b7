"""Every step of a transformer in torch is the one of the interpreter."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from planted_networks import lead
from random_circuits import CONFIGS, random_circuit

from tasks.formats import from_circuit
from tasks.networks.interpreter import logits
from tasks.networks.sparse_transformer import NetworkError
from tasks.networks.transformer import (
    Activation,
    Affine,
    Attention,
    Lookup,
    Norm,
    Pool,
    Product,
    Residual,
    Transformer,
)
from tasks.training.torch_steps import TorchTransformer

RNG = np.random.default_rng(0)
IDS = RNG.integers(0, 5, (40, 6))


def some(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape)


def attending(**options: object) -> Attention:
    parts = ((Affine(some(6, 6), some(6)),) for _ in "qkv")
    return Attention(*parts, heads=2, scale=0.7, **options)


KINDS = {
    "softmax both ways": (Residual((attending(causal=False), Affine(some(6, 6)))),),
    "sinks": (Residual((attending(sink=some(2)),)),),
    "hidden": (Residual((attending(hidden=(3,), causal=False),)),),
    "sparsemax": (Residual((attending(weighting="sparsemax"),)),),
    "sparsemax of hidden rows": (Residual((attending(weighting="sparsemax", hidden=(2, 3), causal=False),)),),
    "hard": (Residual((attending(weighting="hard"),)),),
    "norms": (Norm("layer", some(6), some(6), 1e-5), Norm("rms", some(6), None, 1e-5)),
    "activations": (Activation("gelu"), Activation("gelu_tanh"), Activation("leaky_relu", 0.1), Activation("relu")),
    "gates": (Product((Affine(some(6, 6)), Activation("silu")), (Affine(some(6, 6), some(6)),)),),
    "other activations": (Activation("silu"), Activation("tanh"), Activation("sigmoid")),
    "norms by head": (Norm("rms", some(6), None, 1e-5, 2), Norm("layer", some(6), some(6), 1e-5, 3)),
    "lookup": (Lookup(some(5, 6)),),
    "sum": (Pool("sum"), Affine(some(4, 6))),
    "mean": (Pool("mean"),),
    "last": (Pool("last"),),
    "first": (Pool("first"),),
    "concat": (Pool("concat", 6),),
}  # fmt: skip


@pytest.mark.parametrize("steps", KINDS.values(), ids=KINDS)
def test_torch_computes_what_the_interpreter_does(steps):
    network = Transformer(some(5, 6), some(6, 6), steps, 6, "float64")
    ids = np.where((IDS == 3) | (IDS == 2), IDS, IDS)
    ids[:, 0] = 0  # a row that is never hidden
    found = TorchTransformer(network).logits(torch.from_numpy(ids)).numpy()
    np.testing.assert_allclose(found, logits(network, ids), atol=1e-12)


@pytest.mark.parametrize("options", CONFIGS.values(), ids=CONFIGS)
def test_circuits_too(options):
    network = from_circuit(random_circuit(**options)).network
    found = TorchTransformer(network).logits(torch.from_numpy(IDS)).numpy()
    np.testing.assert_allclose(found, logits(network, IDS), atol=2e-4)


def test_an_unknown_step_is_refused():
    network = lead()
    object.__setattr__(network, "steps", (*network.steps, "rotate"))
    with pytest.raises(NetworkError, match="does not know a step of the kind str"):
        TorchTransformer(network).logits(torch.zeros((1, 2), dtype=torch.int64))


def test_every_kind_of_step_is_among_these():
    """A step that another room adds must be added here: what is pruned is what is executed."""
    from typing import get_args, get_type_hints

    from tasks.networks import transformer

    steps = [step for kind in KINDS.values() for step in transformer.walk(kind)]
    steps += transformer.walk(from_circuit(random_circuit(top_k_fraction=0.5)).network.steps)
    of_cells = {transformer.Columns, transformer.Concat, transformer.Blend}  # no transformer takes these
    assert {type(step) for step in steps} == set(get_args(transformer.Step)) - of_cells
    for kind, field in ((Pool, "kind"), (Norm, "kind"), (Activation, "kind"), (Attention, "weighting")):
        known = set(get_args(get_type_hints(kind, vars(transformer))[field]))
        assert {getattr(step, field) for step in steps if isinstance(step, kind)} == known
