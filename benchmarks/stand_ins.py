"""What the suite "lengths" asks about, made once and kept in files: programs to follow, and stand-ins for circuits.

A stand-in is "tied" (``reference``: this project's surrogate, fitted to length 10) or "dense" (``dense``: trained for
one length). Making them is not measured, and nothing here says that a stand-in is its circuit at any other length.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import reference
from benchmarks.case import Case
from benchmarks.dense import Dense, train
from benchmarks.row import BenchmarkError
from benchmarks.task import Task, digest
from cegis import Budget, Domain, Found, Spec, motifs, synthesize
from dsl.sequences import SymbolicSequence
from tasks.circuit import UNDECIDED, Circuit
from tasks.counting import counting_verifier
from tasks.files import load_circuit, weights_sha256
from tasks.labelling import label_domain
from tasks.network import NetworkError
from tasks.surrogate import Surrogate

LONG = 64  # the longer of two lengths at which programs are looked for; the shorter is ``case.LENGTH``
TIED, DENSE = "tied", "dense"
MOST_TRAINED = 5_000_000  # sequences a dense stand-in is trained on


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
    outcome = synthesize(Spec(case.domain, case.label), case.grammar, budget=Budget(seconds=60.0))
    if not isinstance(outcome, Found):
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
        return found

    outcome = synthesize(
        Spec(domain, label), grammar, verifier=verifier, budget=Budget(seconds=15.0, candidates=1_000_000)
    )
    return outcome.program.source() if isinstance(outcome, Found) else None


def dense_file(folder: Path, length: int, cache: Path) -> Path | None:
    """The file with the dense stand-in, trained now unless it is there; None for too many sequences, or no success."""
    path = cache / f"{folder.name}-{digest(weights_sha256(folder))}-dense-{length}.json"
    if not path.exists():
        circuit = load_circuit(folder)
        domain = only(circuit, length)
        fits = length + len(circuit.prefix) <= circuit.network.config.block_size
        if not fits or not 0 < domain.size() <= MOST_TRAINED:
            return None
        (labels,) = label_domain(circuit, domain).lengths
        if (labels.labels == UNDECIDED).any():
            return None
        try:
            network = train(labels.sequences, labels.labels, len(domain.alphabet), len(circuit.labels))
        except BenchmarkError:
            return None
        _keep(path, network.to_json())
    return path


def _keep(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_text(text, encoding="utf-8")
    os.replace(partial, path)


@dataclass
class StandIn:
    """What a solver is asked about, as a reference."""

    name: str
    network: Surrogate | Dense
    labels: tuple[str, ...]
    alphabet: tuple[str, ...]
    semantics: str = "exact integer arithmetic"

    def differs(self, symbols: SymbolicSequence, answer: Any) -> Any:
        """The formula "``answer`` is not the stand-in's label"."""
        return self.network.differs(symbols, answer)

    def label(self, sequence: tuple[str, ...]) -> str:
        """The stand-in's label of one sequence."""
        tokens = np.array([[self.alphabet.index(token) for token in sequence]], np.int8)
        of = self.network
        found = of.labels(tokens, len(self.alphabet)) if isinstance(of, Dense) else of.labels(tokens)
        return self.labels[int(found[0])]


def stand_in(task: Task, circuit: Circuit, domain: Domain) -> StandIn:
    if task.options["stand_in"] == TIED:
        network: Surrogate | Dense = reference.load(task.files, length=domain.lengths[-1]).surrogate
    else:
        network = Dense.from_json(Path(task.files["surrogate"]).read_text(encoding="utf-8"))
    return StandIn(task.problem, network, circuit.labels, circuit.domain.alphabet)


def only(circuit: Circuit, length: int) -> Domain:
    """The sequences of exactly this length."""
    return Domain(circuit.domain.alphabet, length, length, circuit.domain.constraint)


def up_to(circuit: Circuit, length: int) -> Domain:
    """All sequences up to this length."""
    return Domain(circuit.domain.alphabet, circuit.domain.min_length, length, circuit.domain.constraint)
