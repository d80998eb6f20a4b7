"""Which kind of certificate is written: by structure and cost, for whatever network has the structure."""

from __future__ import annotations

import json

import numpy as np
import pytest
import small_networks
from refusing import REFUSED
from safetensors.numpy import load as parsed
from safetensors.numpy import save

from cegis import Domain, Program
from cegis.certificate import Certificate
from tasks.certificates import independent
from tasks.certificates.independent import attest, attest_all_lengths, attest_counts
from tasks.checker import endless
from tasks.checker.evidence import GIVEN, PROGRAM, check, establish
from tasks.formats import Question, load
from tasks.pipeline.distill import distill
from tasks.proofs.verifier import lengthened

WEIGHTS = "network/model.safetensors"


def explained(folder, longest, shortest=1):
    loaded = load(folder)
    domain = Domain(("a", "b"), shortest, longest)
    if longest + 1 > loaded.network.longest:
        loaded = lengthened(loaded, domain)
    return distill(loaded, domain, seconds=20)


@pytest.fixture(scope="module")
def unpositioned(tmp_path_factory):
    return small_networks.lead_network(tmp_path_factory.mktemp("lead") / "network", wiggle=None)


@pytest.fixture(scope="module")
def certificate(unpositioned):
    made = attest(explained(unpositioned, 60), unpositioned)
    assert isinstance(made, Certificate), made
    return made


@pytest.mark.slow
def test_a_gpt2_without_positions_is_certified_by_counting_far_beyond_its_own_length(certificate, tmp_path):
    found = check(certificate.save(tmp_path / "c"))
    assert (found["kind"], found["format"], found["semantics"]) == ("counts", "gpt2", "float32")
    assert (found["lengths"], found["sequences"]) == ([1, 60], 2**61 - 2)


def test_counting_is_refused_where_positions_are_told_apart(certificate, tmp_path):
    """The same certificate about a network with positions, whether the configuration says so or not."""
    tensors = parsed(certificate.files[WEIGHTS])
    wiggled = {**tensors, "wpe.weight": np.arange(41 * 4, dtype=np.float32).reshape(41, 4) / 1000}
    config = json.loads(certificate.files["network/config.json"])
    question = {name: certificate.statement[name] for name in GIVEN}
    for kind in ("absolute", "none", None):
        said = {**config, "position_embedding_type": kind} if kind else dict(config)
        if kind is None:
            said.pop("position_embedding_type")
        for lengths in ([1, 60], [1, 12]):
            files = {**certificate.files, WEIGHTS: save(wiggled), "network/config.json": json.dumps(said).encode()}
            with pytest.raises(REFUSED):
                establish({**question, "lengths": lengths}, files)


def test_lost_positions_are_refused_by_the_checker(certificate):
    config = json.loads(certificate.files["network/config.json"])
    config.pop("position_embedding_type")
    question = {name: certificate.statement[name] for name in GIVEN}
    with pytest.raises(REFUSED, match=r"expected a tensor wpe\.weight"):
        establish(question, {**certificate.files, "network/config.json": json.dumps(config).encode()})


def test_a_table_of_equal_positions_is_counted_as_long_as_it_lasts(tmp_path):
    folder = small_networks.lead_network(tmp_path / "network", wiggle=0.0)
    made = attest(explained(folder, 30), folder)
    assert isinstance(made, Certificate), made
    assert check(made.save(tmp_path / "c"))["kind"] == "counts"
    question = {name: made.statement[name] for name in GIVEN}
    with pytest.raises(REFUSED, match="do not fit the network"):
        establish({**question, "lengths": [1, 60]}, made.files)


def test_every_length_is_certified_of_a_folder_as_of_a_circuit(unpositioned, tmp_path):
    loaded = load(unpositioned, Question(alphabet=("a",), lengths=(1, 6)))
    program = distill(loaded, seconds=5).program
    made = attest_all_lengths(loaded, unpositioned, program)
    assert isinstance(made, Certificate), made
    assert check(made.save(tmp_path / "c"))["lengths"] == [1, None]
    counted = attest_counts(loaded, unpositioned, program, Domain(("a",), 1, 500), "float32")
    assert isinstance(counted, Certificate), counted
    assert check(counted.save(tmp_path / "d"))["sequences"] == 500


def test_what_is_not_confirmed_is_said(unpositioned, monkeypatch):
    monkeypatch.setattr(endless, "MOST_BOXES", 800)
    result = explained(unpositioned, 6)
    model = lengthened(result.model, Domain(("a", "b"), 1, 6))
    text = "def lead(tokens):\n    return 'a' if tokens.count('a') > tokens.count('b') else 'b'"
    lead = Program.parse(text, result.labels.grammar)
    assert "not decided" in attest_all_lengths(model, unpositioned, lead)  # its margin falls to zero


def test_what_is_small_is_listed_and_what_is_large_is_counted_first(unpositioned, monkeypatch):
    small, large = explained(unpositioned, 6), explained(unpositioned, 8)
    assert attest(small, unpositioned).statement["kind"] == "network"
    monkeypatch.setattr(independent, "FEW", 300)
    made = attest(large, unpositioned)
    assert (made.statement["kind"], made.statement["inputs"]) == ("counts", 510)


def test_a_program_that_counting_cannot_follow_is_listed(unpositioned, monkeypatch):
    monkeypatch.setattr(independent, "FEW", 10)
    result = explained(unpositioned, 6)
    followed, asked = independent.establish, []

    def established(question, files, *rest):
        asked.append(question["kind"])
        text = "def program(tokens):\n    return 'a' if tokens[1:].count('a') + (tokens[0] == 'a') > " + (
            "len(tokens) - tokens.count('a') else 'b'\n"
        )
        return followed(question, {**files, PROGRAM: text.encode()}, *rest)

    monkeypatch.setattr(independent, "establish", established)
    assert attest(result, unpositioned).statement["kind"] == "network"
    assert asked == ["counts", "network"]
