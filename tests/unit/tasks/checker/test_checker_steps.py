"""The checker's own reading of networks listed step by step, and certificates of networks that came from torch."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from quick import sliced
from random_circuits import CONFIGS, random_circuit
from torch_networks import KINDS, LONGEST, VOCABULARY, module_of

from cegis.certificate import Certificate
from tasks import certify, distill, from_torch, load, save_folder
from tasks.certificates.independent import stored_files
from tasks.checker.arithmetic import Arithmetic
from tasks.checker.computations import logits
from tasks.checker.evidence import check
from tasks.checker.files import UnreadableError
from tasks.checker.formats import read
from tasks.checker.steps import ENTRIES
from tasks.formats.network_folder import FILE, STEPS
from tasks.formats.sparse import from_circuit
from tasks.networks.interpreter import logits as run
from tasks.networks.model import Question, authored
from tasks.networks.transformer import Affine, Attention, Pool, Transformer


def stored(loaded, folder):
    save_folder(loaded, folder)
    return stored_files(load(folder), folder)


def assert_same_logits(loaded, folder, semantics="float64"):
    found = read("steps", stored(loaded, folder), semantics)
    u = {"float32": 2.0**-24, "float64": 2.0**-53}[semantics]
    rng = np.random.default_rng(2)
    for length in {loaded.network.shortest, loaded.network.longest}:
        ids = rng.integers(0, len(loaded.vocabulary), (3, length))
        ours = run(loaded.network, ids)
        theirs = logits(found.network, Arithmetic(u), [tuple(map(int, row)) for row in ids])
        for prompt, rows in zip(ours, theirs, strict=True):
            for row, balls in zip(prompt, rows, strict=True):
                assert all(ball.contains(float(value)) for value, ball in zip(row, balls, strict=True))
                assert all(float(ball.rad()) < 1e-3 for ball in balls)


@pytest.fixture(scope="module")
def mean(tmp_path_factory):
    """The files of a network that attends once and takes the mean."""
    loaded = from_torch(module_of("mean"), vocabulary=VOCABULARY, longest=LONGEST)
    return stored(loaded, tmp_path_factory.mktemp("mean") / "net")


@pytest.mark.parametrize("kind", sliced(KINDS, 2))
def test_modules_mean_the_same_to_the_checker(kind, tmp_path):
    assert_same_logits(from_torch(module_of(kind), vocabulary=VOCABULARY, longest=LONGEST), tmp_path / "net")


@pytest.mark.parametrize("kind", CONFIGS)
def test_circuits_mean_the_same_to_the_checker(kind, tmp_path):
    assert_same_logits(from_circuit(random_circuit(**CONFIGS[kind])), tmp_path / "net")


def test_sparsemax_and_pools_mean_the_same_to_the_checker(tmp_path):
    rng = np.random.default_rng(0)

    def table(*shape):
        return rng.normal(size=shape)

    for kind in ("sum", "mean", "last", "concat"):
        ways = [(Affine(table(4, 4), table(4)),) for _ in range(3)]
        pool = Pool(kind, 3 if kind == "concat" else 0)
        steps = (Attention(*ways, 2, 0.7, "sparsemax", causal=False), pool, Affine(table(2, 12 if pool.rows else 4)))
        network = Transformer(table(3, 4), table(3, 4), steps, 3, "float64")
        loaded = authored("pools", "torch", network, VOCABULARY, Question())
        assert_same_logits(loaded, tmp_path / kind)


def test_the_checker_knows_the_same_steps():
    assert {name: set(entries) for name, (_, entries) in STEPS.items()} == ENTRIES


@pytest.fixture(scope="module")
def certified(tmp_path_factory):
    """A folder of a trained module, and the certificate of its program."""
    torch.manual_seed(0)
    module = torch.nn.Sequential(torch.nn.Embedding(2, 4), torch.nn.Flatten(), torch.nn.Linear(12, 2))
    ids = torch.tensor([[n >> k & 1 for k in range(3)] for n in range(8)])
    adam = torch.optim.Adam(module.parameters(), 0.1)
    for _ in range(60):
        loss = torch.nn.functional.cross_entropy(module(ids), ids[:, 1])
        adam.zero_grad()
        loss.backward()
        adam.step()
    here = tmp_path_factory.mktemp("steps")
    loaded = from_torch(module, vocabulary=("a", "b"), longest=3, outputs=("no", "yes"), name="second")
    result = distill(load(save_folder(loaded, here / "net")))
    (written,) = certify(result, here / "net")
    assert isinstance(written.certificate, Certificate)
    return written.certificate.save(here / "net.cert")


def test_a_module_of_torch_ends_in_a_certificate(certified):
    found = check(certified)
    assert not found["exceptions"]
    assert found["sequences"] == 8
    assert found["chosen"] == []
    assert "the steps network second" in found["claim"]


def resealed(certified, target, change):
    """The certificate with a changed network.json, its checksums made again."""
    certificate = Certificate.load(certified)
    files = dict(certificate.files)
    said = json.loads(files[f"network/{FILE}"])
    change(said)
    files[f"network/{FILE}"] = json.dumps(said).encode()
    return Certificate(certificate.statement, files).save(target)


@pytest.mark.parametrize(
    "change",
    [
        lambda c: c.update(name="other"),
        lambda c: c.update(vocabulary=["b", "a"]),
        lambda c: c.update(outputs=["yes", "no"]),
        lambda c: c["domain"].update(alphabet=["b", "a"]),
        lambda c: c["readout"].update(columns=[1, 0]),
        lambda c: c["readout"].update(threshold=1.0),
        lambda c: c.update(prefix=["a"]),
        lambda c: c.update(longest=4),
        lambda c: c["steps"][0].update(rows=2),
        lambda c: c["steps"][0].update(kind="sum"),
        lambda c: c["steps"].append({"step": "activation", "kind": "gelu", "slope": 0.5}),
        lambda c: c["steps"].append({"step": "pool", "kind": "last", "rows": 0}),
        lambda c: c["steps"].append({"step": "lookup", "table": c["tokens"]}),
        lambda c: c["steps"].append({"step": "relu"}),
        lambda c: c["steps"][1].update(bias=None),
        lambda c: c["steps"][1].update(weight=c["tokens"]),
        lambda c: c.update(dtype="float64"),
        lambda c: c.update(more=1),
    ],
)
def test_a_changed_folder_is_refused_or_another_statement(certified, tmp_path, change):
    with pytest.raises(ValueError, match=r"\w"):  # Rejected or UnreadableError
        check(resealed(certified, tmp_path / "changed.cert", change))


@pytest.mark.parametrize(
    ("step", "words"),
    [
        ({"weighting": "hard"}, "attention that is not understood"),
        ({"hidden": [1]}, "attention that is not understood"),
        ({"scale": "1"}, "expected a number"),
        ({"scale": -1.0}, "expected a scale above 0"),
        ({"heads": 3}, "do not fit 3 heads"),
        ({"causal": 0}, "attention that is not understood"),
        ({"sink": "nothing"}, "no tensor is called"),
    ],
)
def test_attention_that_is_not_understood_is_refused(step, words, mean):
    said = json.loads(mean[FILE])
    said["steps"][0]["steps"][0].update(step)
    with pytest.raises(UnreadableError, match=words):
        read("steps", mean | {FILE: json.dumps(said).encode()}, "real")
