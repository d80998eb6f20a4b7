"""What a distillation's certificate holds: the statement, the circuit, the program, the surrogate and the queries.

    certificate.json            statement and checksums (cegis.certificate)
    program.py                  the printed function
    circuit/                    the circuit's two files, byte for byte
    exceptions.json             every sequence on which circuit and program differ (empty when they are equal)
    surrogate.json, queries/    where a solver proved something: the network, and one SMT-LIB file per length

``recheck`` derives all of it again.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pysmt.environment import Environment
from pysmt.logics import QF_LIA

from backends import smtlib_script
from cegis import Differs, Found, Program, Rung
from cegis.certificate import Certificate
from cegis.domain import Domain
from cegis.symbolic import SymbolicReference, refutation
from dsl.operators import GrammarError
from tasks.bounds import ball
from tasks.certificates.statement import EXCEPTIONS, PROGRAM, SURROGATE, Subject, inhabited, query_file, statement
from tasks.formats import Loaded, from_circuit
from tasks.formats.circuit_folder import JSON_FILE, WEIGHTS_FILE, load_circuit, weights_sha256
from tasks.networks.circuit import Circuit
from tasks.networks.sparse_transformer import NetworkError
from tasks.networks.transformer import Mask, Transformer, walk
from tasks.pipeline.labels import grammar_of
from tasks.pipeline.report import program_text
from tasks.pipeline.sequences import Distillation
from tasks.pipeline.surrogate import SurrogateReference


def certify(result: Distillation, circuit_folder: Path) -> Certificate | None:
    """The certificate of a circuit whose labels all hold in float32, and may all be given; None for anything else.

    Raises NetworkError when ``circuit_folder`` does not hold the circuit that was distilled.
    """
    table, outcome, domain = result.labels, result.outcome, result.domain
    if result.model.format != "circuit" or not table.is_float32 or table.undecided or table.margin:
        return None
    if not isinstance(outcome, Found | Differs) or result.asked != domain or not _is_of_grammar(result):
        return None
    circuit = load_circuit(circuit_folder)
    if not is_same_question(circuit, result.model) or table.names != circuit.labels:
        return None  # the check numbers all labels of the circuit
    files = {
        PROGRAM: program_text(result).encode(),
        f"circuit/{JSON_FILE}": (circuit_folder / JSON_FILE).read_bytes(),
        f"circuit/{WEIGHTS_FILE}": (circuit_folder / WEIGHTS_FILE).read_bytes(),
        EXCEPTIONS: _json([[*e.inputs] for e in result.exceptions]),
    }
    proved = [claim for claim in result.claims if claim.rung == Rung.SURROGATE]
    if proved and result.surrogate is not None:
        reference = SurrogateReference(result.model, result.surrogate.surrogate, table.names, "float32")
        files[SURROGATE] = reference.surrogate.to_json().encode()
        assert isinstance(proved[0].domain, Domain)
        for length in inhabited(proved[0].domain):
            files[query_file(length)] = query(domain, reference, outcome.program, length).encode()
    subject = Subject(circuit, weights_sha256(circuit_folder), domain, len(result.exceptions))
    enumeration = table.enumeration
    stated = statement(subject, result.claims, table.least_margin, enumeration.radius, ball.FLOAT32)
    return Certificate(stated, files)


def is_same_question(circuit: Circuit, model: Loaded) -> bool:
    """Whether ``model`` asks of ``circuit`` what its file says; raises NetworkError where it is another network."""
    own = from_circuit(circuit)
    mine, theirs = _arrays(own), _arrays(model)
    is_other = own.name != model.name or len(mine) != len(theirs)
    if is_other or not all(map(np.array_equal, mine, theirs)):
        raise NetworkError(f"{model.name}: the folder holds another circuit than was distilled, it changed; run again")
    if (model.domain.max_length or 0) > (own.domain.max_length or 0):
        return False  # the check lists the lengths of the file
    same = (own.prefix, own.suffix, own.domain.alphabet) == (model.prefix, model.suffix, model.domain.alphabet)
    limited = (own.domain.constraint, own.domain.min_length) == (model.domain.constraint, model.domain.min_length)
    return same and limited and own.readout == model.readout


def _arrays(model: Loaded) -> list[NDArray[Any]]:
    """Everything that the steps hold."""
    assert isinstance(model.network, Transformer)
    masks = (step.kept for step in walk(model.network.steps) if isinstance(step, Mask))
    return [*model.network.arrays(), *masks]


def _is_of_grammar(result: Distillation) -> bool:
    """Whether the program is one of the grammar that ships, which the check reads it with."""
    try:
        Program.parse(program_text(result), grammar_of(result.domain, result.labels.names))
    except GrammarError:
        return False
    return True


def query(domain: Domain, reference: SymbolicReference, program: Program, length: int) -> str:
    """The SMT-LIB text whose unsatisfiability is "program = reference on all sequences of this length"."""
    environment = Environment()
    symbols = program.grammar.sequences.symbols(environment.formula_manager, length)
    formula = refutation(domain, symbols, reference, program)
    return smtlib_script([formula], QF_LIA, f"{reference.name}/length={length}", "unsat")


def _json(value: object) -> bytes:
    return (json.dumps(value, ensure_ascii=False) + "\n").encode()
