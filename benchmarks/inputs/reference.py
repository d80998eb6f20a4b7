"""What the solver suites ask about: surrogates of the shipped circuits, fitted once and kept in files.

Fitting is not measured. A surrogate may be read at lengths beyond those it was fitted on, where it is a network of
its own that the circuit need not equal; ``widened`` adds hidden units that change nothing but the solver's work:

    relu(2 k s) - 2 relu(k s) = 0     for every pooled s and any integer row k
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness.row import BenchmarkError, digest
from cegis import Domain, Grammar, Program, motifs
from dsl.sequences import SequenceSignature, SymbolicSequence
from tasks.formats.circuit_folder import load_circuit, weights_sha256
from tasks.networks.circuit import Circuit
from tasks.networks.sparse_transformer import NetworkError
from tasks.proofs.circuit_labels import as_table, label_domain
from tasks.proofs.select import listed_domain as bounded_domain
from tasks.surrogates.fitting import fit
from tasks.surrogates.relu import SEMANTICS, Surrogate

FIT_LENGTH = 10


@dataclass(frozen=True)
class SurrogateReference:
    """A surrogate as the reference of its own: labels come from it, not from the circuit."""

    name: str
    domain: Domain
    labels: tuple[str, ...]
    surrogate: Surrogate
    semantics: str = SEMANTICS

    @property
    def signature(self) -> SequenceSignature:
        return SequenceSignature(self.domain.alphabet, self.labels)

    @property
    def grammar(self) -> Grammar:
        return motifs(self.domain.alphabet, self.labels, min_length=self.domain.min_length)

    def differs(self, symbols: SymbolicSequence, answer: Any) -> Any:
        return self.surrogate.differs(symbols, answer)

    def label(self, sequence: tuple[str, ...]) -> str:
        """The surrogate's label; raises NetworkError for a tie."""
        index = int(self.surrogate.labels(np.array([self.domain.indices(sequence)], np.int8))[0])
        if index < 0:
            raise NetworkError(f"{self.name}: {' '.join(sequence)!r} is a tie")
        return self.labels[index]

    def wrong(self, program: Program, *, most: int = 100_000) -> tuple[int, int]:
        """On how many sequences ``program`` is wrong, of how many: all lengths up to ``most`` sequences are run."""
        from dsl.sequences import SequenceBatch

        wrong = checked = 0
        for length in self.domain.lengths:
            if 0 < self.domain.count(length) <= most:
                tokens = self.domain.sequences(length)
                wrong += int((program.run(SequenceBatch(tokens)) != self.surrogate.labels(tokens)).sum())
                checked += len(tokens)
        return wrong, checked


def prepare(folder: Path, into: Path) -> Path:
    """The file with the surrogate of the circuit in ``folder``, fitted now unless it is there already."""
    sha = weights_sha256(folder)
    path = into / f"{folder.name}-{digest(sha)}.json"
    if not path.exists():
        circuit = load_circuit(folder)
        assert circuit.domain.max_length is not None
        domain = bounded_domain(circuit, min(FIT_LENGTH, circuit.domain.max_length))
        fitted = fit(as_table(circuit, label_domain(circuit, domain)), len(circuit.labels))
        if fitted.wrong:
            raise BenchmarkError(
                f"{circuit.name}: its surrogate differs on {len(fitted.wrong):,} sequences, so there is nothing to ask "
                "a solver; leave this circuit out with --circuits"
            )
        into.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        partial.write_text(fitted.surrogate.to_json(), encoding="utf-8")
        os.replace(partial, path)
    return path


def load(files: Mapping[str, str], *, length: int, pairs: int = 0) -> SurrogateReference:
    """The reference of a task up to ``length``, with ``pairs`` pairs of idle hidden units."""
    circuit: Circuit = load_circuit(Path(files["circuit"]))
    surrogate = Surrogate.from_json(Path(files["surrogate"]).read_text(encoding="utf-8"))
    surrogate = replace(surrogate, max_length=max(length, surrogate.max_length))
    domain = replace(circuit.domain, max_length=length)
    return SurrogateReference(circuit.name, domain, circuit.labels, widened(surrogate, pairs))


def widened(surrogate: Surrogate, pairs: int, *, seed: int = 0) -> Surrogate:
    """The same function with ``2 * pairs`` more hidden ReLU units."""
    chance = random.Random(seed)
    units, pooled = len(surrogate.bias), surrogate.hidden.shape[1]
    rows = np.zeros((2 * pairs, pooled), np.int64)
    readout = np.zeros((len(surrogate.readout_bias), 2 * pairs), np.int64)
    for pair in range(pairs):
        places = [*range(units), *range(pooled - surrogate.here.shape[1], pooled)]
        for place in chance.sample(places, min(2, len(places))):
            rows[2 * pair, place] = chance.choice((-1, 1))
        rows[2 * pair + 1] = 2 * rows[2 * pair]
        readout[pair % len(readout), 2 * pair : 2 * pair + 2] = (-2, 1)
    return replace(
        surrogate,
        hidden=np.vstack([surrogate.hidden, rows]),
        hidden_bias=np.concatenate([surrogate.hidden_bias, np.zeros(2 * pairs, np.int64)]),
        readout=np.hstack([surrogate.readout, readout]),
    )


def surrogate_digest(path: Path) -> str:
    """What identifies a prepared surrogate in a run's key."""
    return digest(json.dumps(json.loads(path.read_text(encoding="utf-8")), sort_keys=True))
