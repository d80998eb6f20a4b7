"""What a distillation's certificate holds: the statement, the circuit, the program, the surrogate and the queries.

    certificate.json            statement and checksums (cegis.certificate)
    program.py                  the printed function
    circuit/                    the circuit's two files, byte for byte
    exceptions.json             every sequence on which circuit and program differ (empty when they are equal)
    surrogate.json, queries/    where a solver proved something: the network, and one SMT-LIB file per length

``checking`` derives all of it again.
"""

from __future__ import annotations

import json
from pathlib import Path

from pysmt.environment import Environment
from pysmt.logics import QF_LIA

from backends import smtlib_script
from cegis import Differs, Found, Program, Rung
from cegis.certificate import Certificate
from cegis.domain import Domain
from cegis.symbolic import SymbolicReference, refutation
from tasks.bounds import ball
from tasks.certificates.statement import EXCEPTIONS, PROGRAM, SURROGATE, Subject, inhabited, query_file, statement
from tasks.formats.circuit_folder import JSON_FILE, WEIGHTS_FILE, is_same, load_circuit, weights_sha256
from tasks.networks.sparse_transformer import NetworkError
from tasks.pipeline.distill import CircuitSurrogate, Distillation, surrogate_name


def certify(distillation: Distillation, circuit_folder: Path) -> Certificate | None:
    """The certificate, or None when nothing was established (search or proof did not finish).

    Raises NetworkError when ``circuit_folder`` does not hold the circuit that was distilled.
    """
    outcome, domain = distillation.outcome, distillation.domain
    if not (isinstance(outcome, Found) and distillation.is_proved) and not isinstance(outcome, Differs):
        return None
    exceptions = outcome.exceptions if isinstance(outcome, Differs) else ()
    if distillation.labelling.undecided or distillation.labelling.unit_roundoff != ball.FLOAT32:
        return None
    if not is_same(load_circuit(circuit_folder), distillation.circuit):
        raise NetworkError(f"{circuit_folder}: not the circuit that was distilled, it changed since; run again")
    files = {
        PROGRAM: distillation.source.encode(),
        f"circuit/{JSON_FILE}": (circuit_folder / JSON_FILE).read_bytes(),
        f"circuit/{WEIGHTS_FILE}": (circuit_folder / WEIGHTS_FILE).read_bytes(),
        EXCEPTIONS: _json([[*e.inputs] for e in exceptions]),
    }
    proved = [claim for claim in distillation.claims if claim.rung == Rung.SURROGATE]
    if proved and distillation.fitted is not None:
        reference = CircuitSurrogate(
            distillation.circuit, distillation.fitted.surrogate, surrogate_name(distillation.circuit)
        )
        files[SURROGATE] = reference.surrogate.to_json().encode()
        for length in inhabited(proved[0].domain):
            files[query_file(length)] = query(domain, reference, outcome.program, length).encode()
    labelling = distillation.labelling
    subject = Subject(distillation.circuit, weights_sha256(circuit_folder), domain, len(exceptions))
    stated = statement(subject, distillation.claims, labelling.margin, labelling.radius, labelling.unit_roundoff)
    return Certificate(stated, files)


def query(domain: Domain, reference: SymbolicReference, program: Program, length: int) -> str:
    """The SMT-LIB text whose unsatisfiability is "program = reference on all sequences of this length"."""
    environment = Environment()
    symbols = program.grammar.sequences.symbols(environment.formula_manager, length)
    formula = refutation(domain, symbols, reference, program)
    return smtlib_script([formula], QF_LIA, f"{reference.name}/length={length}", "unsat")


def _json(value: object) -> bytes:
    return (json.dumps(value, ensure_ascii=False) + "\n").encode()
