"""Certificates about networks with sparsemax: what is read, how a projection is bounded, and what is refused."""

from __future__ import annotations

import json
from fractions import Fraction
from itertools import product

import numpy as np
import pytest
import sparsemax_networks as formats
from flint import arb, ctx
from quick import sliced

from cegis.certificate import Certificate
from tasks.certificates.independent import attest, stored_files
from tasks.checker.arithmetic import ROUNDOFF, SPARSEMAX, Arithmetic
from tasks.checker.computations import logits
from tasks.checker.evidence import GIVEN, check, establish
from tasks.checker.files import Rejected, UnreadableError
from tasks.checker.formats import read
from tasks.formats import Question, load
from tasks.networks.interpreter import logits as executed
from tasks.pipeline.distill import distill

EDGES = {
    "granularity": "head", "ablation": "zero",
    "edges": [
        {"source": source, "target": target}
        for source, target in (
            ("emb", "attn_0_h_0"), ("emb", "attn_0_h_1"), ("attn_0_h_0", "mlp_0"), ("attn_0_h_1", "mlp_0"),
            ("emb", "mlp_0"), ("mlp_0", "attn_1_h_1"), ("attn_0_h_0", "attn_1_h_1"), ("attn_1_h_1", "logits"),
            ("mlp_0", "logits"), ("emb", "logits"),
        )
    ],
}  # fmt: skip


@pytest.fixture(autouse=True)
def precision():
    with ctx.workprec(80):
        yield


@pytest.mark.parametrize("attention", ["sparsemax", "softmax"])
@pytest.mark.parametrize("activation", ["leaky_relu", "relu", "gelu"])
@pytest.mark.parametrize("is_circuit", [False, True])
def test_the_checker_reads_the_network_that_the_loader_reads(tmp_path, attention, activation, is_circuit):
    changes = {"attn_variant": attention, "activation_variant": activation}
    folder = formats.folder(tmp_path / "n", {**formats.CONFIG, **changes}, formats.stored(**changes), EDGES)
    loaded = load(folder, formats.CIRCUIT if is_circuit else formats.TASK)
    found = read("sparsemax", stored_files(loaded, folder), "real", loaded.prefix)
    prompts = [(1, 2, *rest) for n in (1, 2, 3) for rest in product((0, 3, 4), repeat=n)]
    for prompt, rows in zip(prompts, logits(found.network, Arithmetic(0.0), prompts), strict=True):
        expected = executed(loaded.network, np.array([prompt]))[0]
        assert np.allclose([[float(v) for v in row] for row in rows], expected, rtol=0, atol=1e-9)


def exact(z, values):
    """The projection on the simplex in rational numbers, by trying every size of the support."""
    top = sorted(z, reverse=True)
    size = max(k for k in range(1, len(z) + 1) if 1 + k * top[k - 1] > sum(top[:k]))
    tau = (sum(top[:size]) - 1) / size
    return sum(max(x - tau, 0) * v for x, v in zip(z, values, strict=True))


def in_float32(z, values, shifted):
    """As libraries execute it: sorted, summed up, tested."""
    z = np.array(z, np.float32)
    z = z - z.max() if shifted else z
    top = np.sort(z)[::-1]
    sums = np.cumsum(top, dtype=np.float32)
    size = int((np.float32(1) + np.arange(1, len(z) + 1, dtype=np.float32) * top > sums).sum())
    tau = (sums[size - 1] - np.float32(1)) / np.float32(size)
    return float(np.dot(np.maximum(z - tau, np.float32(0)), np.array(values, np.float32)))


def test_a_projection_holds_the_exact_value_and_what_is_executed():
    rng = np.random.default_rng(0)
    for n in range(400):
        keys, scale = int(rng.integers(1, 7)), float(rng.choice([0.1, 1.0, 30.0, 3000.0]))
        z = (scale * rng.normal(size=keys)).astype(np.float32)
        if keys > 1 and n % 3 == 0:  # a key that is just at the edge of the support
            z[1] = np.nextafter(z[0] - np.float32(1), np.float32(rng.choice([-9e9, 9e9])))
        values = rng.normal(size=keys).astype(np.float32)
        row = [[arb(float(x))] for x in z], [[arb(float(v))] for v in values]
        fractions = [Fraction(float(x)) for x in z], [Fraction(float(v)) for v in values]
        expected = exact(*fractions)
        for semantics in ("real", "float32"):
            (found,) = Arithmetic(ROUNDOFF[semantics]).project([arb(1)], *row, arb(1))
            assert found.contains(arb(expected.numerator) / expected.denominator)
        for shifted in (False, True):
            assert found.contains(arb(in_float32(z, values, shifted)))
        sharp = Arithmetic(0.0).project([arb(1)], *row, arb(1))[0]
        assert float(sharp.rad()) < 1e-15 * scale + 1e-15


class Given(Arithmetic):
    """Scores are known as they are, so that nothing but the projection errs."""

    def scores(self, q, keys, scale):
        return [key[0] for key in keys]


def test_a_projection_of_known_scores_holds_what_is_executed():
    rng = np.random.default_rng(1)
    for _ in range(300):
        keys = int(rng.integers(2, 20))
        z = (rng.normal() * 10_000 + rng.random(keys)).astype(np.float32)
        values = rng.normal(size=keys).astype(np.float32)
        row = [[arb(float(x))] for x in z], [[arb(float(v))] for v in values]
        (found,) = Given(ROUNDOFF["float32"]).project([arb(1)], *row, arb(1))
        for shifted in (False, True):
            assert found.contains(arb(in_float32(z, values, shifted)))


def test_scores_that_swallow_one_decide_nothing():
    huge = [[arb(2) ** 25], [arb(0)]], [[arb(1)], [arb(2)]]
    assert not Arithmetic(ROUNDOFF["float32"]).project([arb(1)], *huge, arb(1))[0].is_finite()
    assert float(Arithmetic(0.0).project([arb(1)], *huge, arb(1))[0]) == 1


@pytest.fixture(scope="module", params=sliced([True, False], 2), ids=["circuit", "whole"])
def made(request, tmp_path_factory):
    small = {name: (0.4 * array).astype(np.float32).tolist() for name, array in formats.arrays().items()}
    folder = formats.folder(tmp_path_factory.mktemp("sparsemax") / "n", smt=formats.stored(**small), circuit=EDGES)
    result = distill(load(folder, Question(task="copy", circuit=request.param)), seconds=5)
    certificate = attest(result, folder)
    assert isinstance(certificate, Certificate), certificate
    return certificate


def test_a_network_with_sparsemax_is_certified_as_executed(made, tmp_path):
    found = check(made.save(tmp_path / "c"))
    assert (found["format"], found["semantics"], found["prefix"]) == ("sparsemax", "float32", ["<BOS>", "<T>"])
    assert found["assumption"].endswith(SPARSEMAX)
    assert found["declared"]["automaton"] is not None


def test_another_task_length_opener_or_read_out_is_refused(made):
    question = {name: made.statement[name] for name in GIVEN}
    swapped = {**question["readout"], "columns": [4, 3], "names": ["y", "x"]}
    for change in (
        {"prefix": ["<BOS>", "x"]}, {"prefix": []}, {"prefix": ["<T>", "<BOS>"]}, {"lengths": [2, 3]},
        {"lengths": [3, 4]}, {"readout": swapped}, {"automaton": None}, {"suffix": ["x"]}, {"kind": "counts"},
    ):  # fmt: skip
        with pytest.raises((Rejected, UnreadableError)):
            establish({**question, **change}, made.files)


def test_a_changed_weight_edge_or_variant_gives_no_such_statement(made):
    question = {name: made.statement[name] for name in GIVEN}
    weights = json.loads(made.files["network/smt_weights.json"])
    config = json.loads(made.files["network/config.json"])
    turned = {**weights, "lm_head": [[-x for x in row] for row in weights["lm_head"]]}
    changes = [
        {"network/smt_weights.json": turned},
        {"network/config.json": {**config, "leaky_relu_negative_slope": 0.75}},
        {"network/config.json": {**config, "attn_variant": "softmax"}},
        {"network/smt_weights.json": {**weights, "more": [1.0]}},
        {"network/config.json": {**config, "more": 1}},
    ]
    if "network/circuit_copy.json" in made.files:
        edges = {**EDGES, "edges": [{"source": "emb", "target": "logits"}]}
        changes += [{"network/circuit_copy.json": edges}]
        changes += [{"network/circuit_copy.json": {**EDGES, "edges": [*EDGES["edges"], EDGES["edges"][0]]}}]
    for change in changes:
        files = {**made.files, **{name: json.dumps(value).encode() for name, value in change.items()}}
        try:
            found = establish(question, files)
        except (Rejected, UnreadableError):
            continue
        assert {**found, "sha256": 0} != {**made.statement, "sha256": 0}, change
