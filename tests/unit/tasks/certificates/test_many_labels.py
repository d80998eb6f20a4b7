"""A circuit of more labels than occur: what a solver proved of those that do is certified by the other kind."""

from dataclasses import replace

import numpy as np
import pytest
import random_circuits

from backends import get
from cegis import Rung
from tasks.certificates.independent import attest
from tasks.checker.evidence import check
from tasks.formats.circuit_folder import save_circuit
from tasks.formats.sparse import from_circuit
from tasks.pipeline.distill import distill
from tasks.proofs.verifier import lengthened

LABELS = tuple(f"l{n}" for n in range(10))


def of_ten_labels():
    """A random circuit of ten labels."""
    circuit = random_circuits.random_circuit(7, vocab_size=7, n_layer=1)
    tensors = dict(circuit.network.tensors)
    for name in ("transformer.wte.weight", "lm_head.weight", "final_logits_bias"):
        more = np.repeat(tensors[name][-1:], 7, axis=0)
        tensors[name] = np.concatenate([tensors[name], more - (5.0 if name == "final_logits_bias" else 0.0)])
    network = replace(circuit.network, config=replace(circuit.network.config, vocab_size=14), tensors=tensors)
    vocabulary = (*random_circuits.VOCABULARY[:4], *LABELS)
    return replace(circuit, network=network, vocabulary=vocabulary, labels=LABELS)


@pytest.mark.slow
def test_a_surrogate_of_the_labels_that_occur_is_no_evidence_of_a_circuit_of_more(tmp_path):
    circuit = of_ten_labels()
    save_circuit(circuit, tmp_path / "circuit")
    found = distill(circuit, circuit.domain.up_to(3), backend=get("z3"), seconds=60)
    assert found.labels.names != LABELS
    assert Rung.SURROGATE in [claim.rung for claim in found.claims]
    made = attest(found, tmp_path / "circuit")
    assert "kind" in made.statement
    assert "39" in check(made.save(tmp_path / "cert"))["claim"]


def test_lengths_beyond_those_of_a_circuit_s_file_are_certified_by_the_kind_that_knows_them(tmp_path):
    circuit = random_circuits.random_circuit(0, n_layer=1)  # without positions, so it takes any length
    save_circuit(circuit, tmp_path / "circuit")
    domain = replace(circuit.domain, max_length=5)
    loaded = lengthened(from_circuit(circuit), domain)
    found = distill(loaded, domain, seconds=60)
    assert found.is_exact
    made = attest(found, tmp_path / "circuit")
    assert "kind" in made.statement
    assert "length 1 to 5" in check(made.save(tmp_path / "cert"))["claim"]
