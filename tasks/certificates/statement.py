"""What a certificate states, and whether that is exactly what stands beside it.

A statement repeats what other files hold, in words people read: so every word of it is derived, when it is written
and again when it is checked. Nothing in it is taken on trust but the versions and the name of the solver. Whether the
derived claims are *true* is shown by the other steps of ``recheck``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib import metadata
from typing import Any

from cegis import Claim, Domain, Rung
from cegis.claim import equality, least_margin
from tasks.bounds import ball
from tasks.bounds.interpreter import assumption
from tasks.formats import from_circuit
from tasks.formats.circuit_folder import JSON_FILE, WEIGHTS_FILE
from tasks.networks.circuit import Circuit
from tasks.networks.conditions import conditions
from tasks.networks.model import Loaded
from tasks.networks.transformer import Transformer
from tasks.pipeline.labels import SLACK, network_method
from tasks.pipeline.surrogate import METHOD, surrogate_name
from tasks.proofs.enumeration import MEANING
from tasks.surrogates.relu import SEMANTICS

PACKAGES = ("numpy", "pysmt", "z3-solver", "cvc5", "torch")
PROGRAM, SURROGATE, EXCEPTIONS = "program.py", "surrogate.json", "exceptions.json"
FILES = (PROGRAM, f"circuit/{JSON_FILE}", f"circuit/{WEIGHTS_FILE}", EXCEPTIONS)
SOLVER = re.compile(r" by [\w.+-]{1,40} [\w.+-]{1,40}")


@dataclass(frozen=True)
class Subject:
    """What a statement is about: all but the claims follows from these."""

    circuit: Circuit
    sha256: str
    domain: Domain
    exceptions: int

    @cached_property
    def model(self) -> Loaded:
        """The circuit as a network."""
        return from_circuit(self.circuit)

    @property
    def transformer(self) -> Transformer:
        """Its steps."""
        assert isinstance(self.model.network, Transformer)
        return self.model.network


def statement(
    subject: Subject, claims: tuple[Claim, ...], margin: float, error_bound: float, unit_roundoff: float
) -> dict[str, Any]:
    """The statement as JSON values."""
    return {
        **_facts(subject),
        "margin": margin,
        "error_bound": error_bound,
        "unit_roundoff": unit_roundoff,
        "claims": [_described(claim) for claim in claims],
        "versions": {package: _version(package) for package in PACKAGES},
    }


def objection(stated: Mapping[str, Any], files: Mapping[str, bytes], subject: Subject) -> str:
    """What the statement says, or which files it comes with, beyond its subject; empty when there is nothing."""
    expected_keys = {*_facts(subject), "margin", "error_bound", "unit_roundoff", "claims", "versions"}
    if stated.keys() != expected_keys:
        return f"the statement has the wrong entries: {', '.join(sorted(stated.keys() ^ expected_keys))[:200]}"
    wrong = [key for key, value in _facts(subject).items() if stated[key] != value]
    if wrong:
        return f"the statement does not fit the circuit, the domain or the exceptions in: {', '.join(wrong)}"
    if not all(type(stated[key]) is float for key in ("margin", "error_bound")):
        return "margin and error bound are not numbers"
    if stated["unit_roundoff"] != ball.FLOAT32:
        return f"the unit roundoff is not float32's: {stated['unit_roundoff']}"
    lengths, claims = solver_lengths(stated), stated["claims"]
    described = [_solver_claim(subject, lengths), _network_claim(subject, stated["margin"])]
    expected = [] if subject.exceptions else described if lengths else described[1:]
    if len(claims) != len(expected) or not all(map(_is_claim, claims, expected)):
        return "the claims are not the ones that circuit, program and lengths give"
    if bool(lengths) != (SURROGATE in files):
        return "a claim about a surrogate and its network come together or not at all"
    listed = {*FILES, *((SURROGATE, *map(query_file, inhabited(subject.domain, lengths))) if lengths else ())}
    if files.keys() != listed:
        return f"a file is missing or has no part in the certificate: {sorted(files.keys() ^ listed)[0]}"
    return ""


def solver_lengths(stated: Mapping[str, Any]) -> tuple[int, int] | None:
    """The shortest and the longest length that the statement says a solver proved; None when it says nothing of one."""
    for claim in stated["claims"]:
        if claim["rung"] == str(Rung.SURROGATE):
            shortest, longest = claim["lengths"]
            return shortest, longest
    return None


def inhabited(domain: Domain, lengths: tuple[int, int] | None = None) -> tuple[int, ...]:
    """The lengths, within ``lengths``, of which the domain holds a sequence."""
    shortest, longest = lengths or (domain.min_length, domain.lengths[-1])
    return tuple(n for n in domain.lengths if shortest <= n <= longest and domain.count(n))


def query_file(length: int) -> str:
    """Where a length's query stands in the certificate."""
    return f"queries/length-{length:03d}.smt2"


def _facts(subject: Subject) -> dict[str, Any]:
    domain = subject.domain
    return {
        "circuit": subject.circuit.name,
        "circuit_sha256": subject.sha256,
        "alphabet": [*domain.alphabet],
        "lengths": [domain.min_length, domain.max_length],
        "constraint": domain.constraint.text if domain.constraint else None,
        "prefix": [*subject.circuit.prefix],
        "labels": [*subject.circuit.labels],
        "sequences": domain.size(),
        "exceptions": subject.exceptions,
    }


def _described(claim: Claim) -> dict[str, Any]:
    return {
        "rung": str(claim.rung),
        "semantics": claim.semantics,
        "lengths": [claim.domain.min_length, claim.domain.max_length],
        "sequences": claim.sequences,
        "sentence": claim.sentence,
        "assumption": claim.detail,
    }


def _is_claim(stated: object, expected: Claim) -> bool:
    """Whether a stated claim is ``expected``; a solver's claim goes on to name the solver and its version."""
    wanted = _described(expected)
    if not isinstance(stated, dict) or stated.keys() != wanted.keys():
        return False
    sentence, rest = str(stated["sentence"]), {**stated, "sentence": wanted["sentence"]}
    tail = sentence.removeprefix(wanted["sentence"])
    named = bool(SOLVER.fullmatch(tail)) if expected.rung == Rung.SURROGATE else not tail
    return rest == wanted and named and sentence.startswith(wanted["sentence"])


def _network_claim(subject: Subject, margin: float) -> Claim:
    model, domain, method = subject.model, subject.domain, network_method(margin)
    told = assumption(subject.transformer), conditions(model, domain)
    return Claim(Rung.ENUMERATED, model.reference, MEANING["float32"], domain, method, domain.size(), 0.0, *told)


def _solver_claim(subject: Subject, lengths: tuple[int, int] | None) -> Claim:
    """The claim for the inhabited lengths up to the longest stated, whatever the shortest stated."""
    within = inhabited(subject.domain, lengths and (subject.domain.min_length, lengths[1])) or (0,)
    domain = Domain(subject.domain.alphabet, within[0], within[-1], subject.domain.constraint)
    name, told = surrogate_name(subject.model.name), conditions(subject.model, subject.domain)
    return Claim(Rung.SURROGATE, name, SEMANTICS, domain, METHOD, domain.size(), 0.0, conditions=told)


def known(subject: Subject, margin: float) -> str:
    """What stands as docstring in the program of a certificate with this margin."""
    text = equality(
        subject.model.reference,
        subject.domain,
        subject.domain.size(),
        semantics=MEANING["float32"],
        conditions=conditions(subject.model, subject.domain),
        method=least_margin(margin * (1 - SLACK)),
        exceptions=subject.exceptions,
    )
    return f"Equals {text}: proved." if not subject.exceptions else f"Equals {text}."


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"
