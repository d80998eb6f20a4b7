"""Attempts to get a wrong "proved": each must end in a non-proof that says why."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from distilling import distilled

from backends import get
from cegis import (
    Budget,
    Differs,
    Domain,
    DomainError,
    Exhaustive,
    Found,
    Program,
    Spec,
    Stopped,
    Symbolic,
    Table,
    Valid,
    motifs,
    synthesize,
)
from cegis.certificate import Certificate
from tasks.certificates.recheck import check
from tasks.certificates.solver_evidence import certify
from tasks.formats.circuit_folder import load_circuit, save_circuit, shipped_path
from tasks.networks.sparse_transformer import Network, NetworkError
from tasks.pipeline.surrogate import SurrogateReference
from tasks.proofs.circuit_labels import as_table, label_domain
from tasks.surrogates.fitting import fit

FOLDER = shipped_path("quote_closing")
LENGTH = 4


@pytest.fixture(scope="module")
def circuit():
    return load_circuit(FOLDER)


@pytest.fixture(scope="module")
def proved(circuit):
    result = distilled(circuit, get("z3"), length=LENGTH)
    assert isinstance(result.outcome, Found)
    return result


@pytest.fixture
def certificate(proved, tmp_path):
    return certify(proved, FOLDER).save(tmp_path / "certificate")


def with_tensor(circuit, name, change):
    tensor = circuit.network.tensors[name].copy()
    change(tensor)
    tensors = {**circuit.network.tensors, name: tensor}
    return replace(circuit, network=Network(circuit.network.config, tensors))


def grammar_of(circuit):
    return motifs(circuit.domain.alphabet, circuit.labels)


@pytest.mark.parametrize("backend", ["z3", "cvc5"])
@pytest.mark.parametrize(
    "body",
    [
        """return "'" if "'" not in tokens else '"'""",
        """return "'" if '"' in tokens else '"'""",
        """return "'" if tokens.count("'") >= 2 else '"'""",
        """return "'" if tokens[-1] == "'" else '"'""",
        """return "'" """,
    ],
)
def test_a_mutated_program_is_refuted_by_solver_and_table(circuit, proved, backend, body):
    program = Program.parse(f"def f(tokens):\n    {body.strip()}", grammar_of(circuit))
    reference = SurrogateReference(proved.model, proved.surrogate.surrogate, circuit.labels, "float32")
    with Symbolic(proved.domain, program.grammar.signature, reference, get(backend)) as symbolic:
        for verifier in (symbolic, Exhaustive(as_table(circuit, label_domain(circuit, proved.domain)))):
            verdict = verifier.check(program)
            assert not isinstance(verdict, Valid)
            assert program(verdict.inputs) == verdict.got != verdict.expected


def test_a_network_whose_labels_swap_does_not_get_the_old_proof(circuit, proved):
    def swap(head):
        first, second = circuit.label_ids
        head[[first, second]] = head[[second, first]]

    def swap_bias(bias):
        first, second = circuit.label_ids
        bias[[first, second]] = bias[[second, first]]

    other = with_tensor(with_tensor(circuit, "lm_head.weight", swap), "final_logits_bias", swap_bias)
    verdict = Exhaustive(as_table(other, label_domain(other, proved.domain))).check(proved.program)
    assert not isinstance(verdict, Valid)


@pytest.mark.slow
def test_one_bias_nudged_until_a_label_flips_is_noticed(circuit, proved):
    """The bias of one label moves just past the smallest margin: some input must flip, and the proof must fail."""
    labelling = label_domain(circuit, proved.domain)
    margin, winner = labelling.margin, labelling.closest
    label = circuit.label_ids[circuit.labels.index(proved.program(winner))]

    def nudge(bias):
        bias[label] -= np.float32(margin + 2 * labelling.radius + 1e-3)

    nudged = with_tensor(circuit, "final_logits_bias", nudge)
    verdict = Exhaustive(as_table(nudged, label_domain(nudged, proved.domain))).check(proved.program)
    assert not isinstance(verdict, Valid)
    again = distilled(nudged, get("z3"), length=LENGTH, seconds=3)
    assert again.program != proved.program or not again.is_proved


def test_a_tie_in_the_logits_is_undecided_and_never_proved(circuit):
    def tie(head):
        head[circuit.label_ids[1]] = head[circuit.label_ids[0]]

    def tie_bias(bias):
        bias[circuit.label_ids[1]] = bias[circuit.label_ids[0]]

    tied = with_tensor(with_tensor(circuit, "lm_head.weight", tie), "final_logits_bias", tie_bias)
    labelling = label_domain(tied, tied.domain.up_to(3))
    assert len(labelling.undecided) == labelling.size
    with pytest.raises(NetworkError, match="no label"):
        fit(as_table(tied, labelling), 2)
    with pytest.raises(NetworkError, match=r"no sequence has a label \(ties"):
        distilled(tied, get("z3"), length=3)


def test_an_empty_domain_is_an_error_not_a_proof(circuit):
    nothing = replace(circuit.domain.constraint, accepting=tuple(False for _ in circuit.domain.constraint.accepting))
    empty = replace(circuit, domain=replace(circuit.domain, constraint=nothing))
    with pytest.raises(DomainError, match="no sequence"):
        distilled(empty, get("z3"), length=LENGTH)


@pytest.mark.parametrize("length", [0, -1, 17, 10**9])
def test_a_length_outside_the_network_is_an_error(circuit, length):
    with pytest.raises(DomainError, match="expected a length from 1 to 16"):
        distilled(circuit, get("z3"), length=length)


def test_a_solver_that_times_out_proves_nothing(circuit, proved):
    reference = SurrogateReference(proved.model, proved.surrogate.surrogate, circuit.labels, "float32")
    signature = proved.program.grammar.signature
    with Symbolic(proved.domain, signature, reference, get("z3"), seconds=1e-9) as symbolic:
        verdict = symbolic.check(proved.program)
    assert not isinstance(verdict, Valid)
    assert "nothing was proved" in verdict.reason
    assert verdict.claims == ()


def test_a_run_without_time_claims_nothing_that_is_not_so(circuit):
    result = distilled(circuit, get("z3"), length=LENGTH, seconds=1e-6)
    assert isinstance(result.outcome, (Stopped, Found, Differs))
    wrong = None if result.program is None else result.labels.count_exceptions(result.program)
    assert result.is_proved == (wrong == 0)
    assert wrong == 0 or not result.claims


def test_labels_that_no_program_fits_give_the_complete_list_of_exceptions(circuit):
    rng = np.random.default_rng(0)
    domain = Domain(circuit.domain.alphabet, 1, 3)
    labels = {n: rng.integers(0, 2, domain.count(n)).astype(np.int8) for n in domain.lengths}
    table = Table(domain, labels)
    verifier = Exhaustive(table)
    spec = Spec(domain, lambda tokens: circuit.labels[table.label(domain.indices(tokens))])
    outcome = synthesize(spec, grammar_of(circuit), verifier=verifier, budget=Budget(candidates=20_000, cost=9))
    assert isinstance(outcome, Differs)
    wrong = [words for words in domain if outcome.program(words) != spec.label(words)]
    assert [e.inputs for e in outcome.exceptions] == wrong
    assert wrong


# --- certificates: a forged one is rewritten with fresh checksums, so only the content can give it away ---------------


def forge(folder, **changes):
    certificate = Certificate.load(folder)
    files = dict(certificate.files)
    statement = dict(certificate.statement)
    for name, change in changes.items():
        if name == "statement":
            statement.update(change)
        else:
            path = {"program": "program.py", "surrogate": "surrogate.json", "exceptions": "exceptions.json"}.get(
                name, name
            )
            files[path] = change(files[path])
    Certificate(statement, files).save(folder)
    return folder


def failing_step(folder):
    steps = check(folder, get("cvc5"), seconds=60)
    return next((step.name for step in steps if step.holds is not True), None)


def test_the_untouched_certificate_holds(certificate):
    assert failing_step(certificate) is None


@pytest.mark.parametrize(
    ("old", "new", "step"),
    [
        (b""""'" in tokens""", b""""'" not in tokens""", "network"),
        (b"return", b"import os; return", "program"),
        (b"in tokens else", b"in open('x') else", "program"),
        (b"'\"'\n", b"__import__('os').getcwd()\n", "program"),
    ],
)
def test_a_forged_program_is_rejected(certificate, old, new, step):
    forged = forge(certificate, program=lambda text: text.replace(old, new, 1))
    assert Certificate.load(forged).files["program.py"].count(new) == 1
    assert failing_step(forged) == step


def test_a_forged_surrogate_is_rejected(certificate):
    def negate(text):
        body = json.loads(text)
        body["readout"] = (-np.array(body["readout"])).tolist()
        body["readout_bias"] = (-np.array(body["readout_bias"])).tolist()
        return json.dumps(body).encode()

    assert failing_step(forge(certificate, surrogate=negate)) == "surrogate"


def test_a_forged_query_is_rejected(certificate):
    trivial = {"queries/length-002.smt2": lambda text: text.replace(b"(check-sat)", b"(assert false)\n(check-sat)")}
    assert failing_step(forge(certificate, **trivial)) == "queries"


def test_a_forged_exception_list_is_rejected(certificate):
    forged = forge(certificate, exceptions=lambda text: json.dumps([["'"]]).encode(), statement={"exceptions": 1})
    assert failing_step(forged) == "statement"


@pytest.mark.parametrize("change", [{"sequences": 1}, {"lengths": [1, 3]}, {"circuit_sha256": "0" * 64}])
def test_a_forged_statement_is_rejected(certificate, change):
    assert failing_step(forge(certificate, statement=change)) == "statement"


def test_other_weights_in_the_certificate_are_rejected(certificate, circuit, tmp_path):
    def swap(head):
        head[list(circuit.label_ids)] = head[list(reversed(circuit.label_ids))]

    save_circuit(with_tensor(circuit, "lm_head.weight", swap), tmp_path / "other")
    weights = (tmp_path / "other" / "weights.safetensors").read_bytes()
    assert failing_step(forge(certificate, **{"circuit/weights.safetensors": lambda _: weights})) == "statement"
