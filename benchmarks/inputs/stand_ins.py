"""What the suite "lengths" asks about, made once and kept in files: programs to follow, and stand-ins for circuits.

A stand-in is "tied" (``reference``: this project's surrogate, fitted to length 10) or "dense" (``dense``: trained for
one length: on every sequence up to ``MOST_LISTED`` of them, and on a sample beyond). Making them is not measured, and
nothing here says that a stand-in is its circuit at another length, or on a sequence it was not checked on.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.harness.row import BenchmarkError, digest
from benchmarks.harness.task import Task
from benchmarks.inputs import reference
from benchmarks.inputs.case import Case
from benchmarks.inputs.dense import Dense, train
from benchmarks.inputs.samples import sample
from cegis import Budget, Domain, Exhaustive, Found, Spec, motifs, synthesize
from cegis.domain import Tokens
from dsl.sequences import SymbolicSequence
from tasks.formats.circuit_folder import load_circuit, weights_sha256
from tasks.networks.circuit import UNDECIDED, Circuit
from tasks.networks.sparse_transformer import NetworkError
from tasks.proofs.circuit_labels import Labels, label_domain, label_sequences
from tasks.proofs.counting import counting_verifier
from tasks.surrogates.relu import Surrogate

LONG = 64  # the longer of two lengths at which programs are looked for; the shorter is ``case.LENGTH``
TIED, DENSE = "tied", "dense"
MOST_LISTED = 5_000_000  # sequences that a dense stand-in is trained on, all of them
DRAWS = 200_000  # where there are more


def programs(folder: Path, cache: Path) -> dict[str, str]:
    """The programs of the circuit in ``folder`` by name, looked for now unless they are kept in ``cache``."""
    path = cache / f"{folder.name}-{digest(weights_sha256(folder))}-programs.json"
    if not path.exists():
        circuit = load_circuit(folder)
        found = {"short": _short(circuit)}
        longer = _long(circuit)
        if longer is not None and longer != found["short"]:
            found["long"] = longer
        _keep(path, json.dumps(found))
    kept: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))
    return kept


def _short(circuit: Circuit) -> str:
    case = Case.of(circuit)
    spec, table = Spec(case.domain, case.label), Exhaustive(case.table)
    outcome = synthesize(spec, case.grammar, verifier=table, budget=Budget(seconds=60.0))
    if not isinstance(outcome, Found) or case.table.undecided:
        raise BenchmarkError(f"{circuit.name}: no program was found to follow; leave it out with --circuits")
    return outcome.program.source()


def _long(circuit: Circuit) -> str | None:
    """A program that equals the circuit up to ``LONG``, if counting applies and the search finds one."""
    domain = up_to(circuit, LONG)
    verifier = counting_verifier(circuit, domain, seconds=10.0)
    if isinstance(verifier, str):
        return None
    grammar = motifs(domain.alphabet, circuit.labels, min_length=domain.min_length)

    def label(sequence: tuple[str, ...]) -> str:
        found = verifier.label(sequence)
        if found is None:
            raise NetworkError(f"{circuit.name}: {' '.join(sequence)!r} has no label")
        return found[0]

    outcome = synthesize(
        Spec(domain, label), grammar, verifier=verifier, budget=Budget(seconds=15.0, candidates=1_000_000)
    )
    return outcome.program.source() if isinstance(outcome, Found) else None


def dense_file(folder: Path, length: int, cache: Path) -> Path | None:
    """The file with the dense stand-in, trained now unless it is there; None for sequences that do not fit the
    network, have no label or are none, and for no success."""
    path = cache / f"{folder.name}-{digest(weights_sha256(folder))}-dense-{length}.json"
    if not path.exists():
        circuit = reaching(load_circuit(folder), length)
        if length + len(circuit.prefix) > circuit.network.config.block_size or not only(circuit, length).size():
            return None
        known = _labels(circuit, length)
        if (known.labels == UNDECIDED).any():
            return None
        try:
            network = train(known.sequences, known.labels, len(circuit.domain.alphabet), len(circuit.labels))
        except BenchmarkError:
            return None
        _keep(path, json.dumps({"checked": len(known.labels), "network": network.to_json()}))
    return path


def reaching(circuit: Circuit, length: int) -> Circuit:
    """The same circuit, allowed to read ``length`` tokens where it has no position embeddings that end before."""
    network = circuit.network
    if network.config.positions:
        return circuit
    size = max(network.config.block_size, length + len(circuit.prefix))
    return replace(circuit, network=replace(network, config=replace(network.config, block_size=size)))


def _labels(circuit: Circuit, length: int) -> Labels:
    """What a dense stand-in is trained on."""
    domain = only(circuit, length)
    if domain.size() > MOST_LISTED:
        return label_sequences(circuit, sample(domain, length, DRAWS))
    (labels,) = label_domain(circuit, domain).lengths
    return labels


def _keep(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_text(text, encoding="utf-8")
    os.replace(partial, path)


@dataclass
class StandIn:
    """What a solver is asked about, as a reference. ``checked``: on how many sequences of the length it was found to be
    the circuit; None where that is not known."""

    name: str
    network: Surrogate | Dense
    labels: tuple[str, ...]
    alphabet: tuple[str, ...]
    checked: int | None = None
    semantics: str = "exact integer arithmetic"

    def differs(self, symbols: SymbolicSequence, answer: Any) -> Any:
        """The formula "``answer`` is not the stand-in's label"."""
        return self.network.differs(symbols, answer)

    def indices(self, tokens: Tokens) -> NDArray[np.int64]:
        """(sequences,) indices of the stand-in's labels, -1 for a tie."""
        of = self.network
        found = of.labels(tokens, len(self.alphabet)) if isinstance(of, Dense) else of.labels(tokens)
        return found.astype(np.int64)

    def label(self, sequence: tuple[str, ...]) -> str:
        """The stand-in's label of one sequence; raises NetworkError for a tie."""
        index = int(self.indices(np.array([[self.alphabet.index(token) for token in sequence]], np.int8))[0])
        if index < 0:
            raise NetworkError(f"{self.name}: {' '.join(sequence)!r} is a tie")
        return self.labels[index]


def stand_in(task: Task, circuit: Circuit, domain: Domain) -> StandIn:
    """The stand-in that a task names."""
    if task.options["stand_in"] == TIED:
        network: Surrogate | Dense = reference.load(task.files, length=domain.lengths[-1]).surrogate
        checked = None
    else:
        kept = json.loads(Path(task.files["surrogate"]).read_text(encoding="utf-8"))
        network, checked = Dense.from_json(kept["network"]), kept["checked"]
    return StandIn(task.problem, network, circuit.labels, circuit.domain.alphabet, checked)


def only(circuit: Circuit, length: int) -> Domain:
    """The sequences of exactly this length."""
    return Domain(circuit.domain.alphabet, length, length, circuit.domain.constraint)


def up_to(circuit: Circuit, length: int) -> Domain:
    """All sequences up to this length."""
    return Domain(circuit.domain.alphabet, circuit.domain.min_length, length, circuit.domain.constraint)
