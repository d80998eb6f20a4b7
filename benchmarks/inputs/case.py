"""What every competitor gets: a circuit, its labels on a bounded domain, and one way to count wrong answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from benchmarks.harness.measure import cpu_seconds
from cegis import Domain, Exhaustive, Grammar, Program, Table, motifs
from tasks.networks.circuit import Circuit
from tasks.networks.sparse_transformer import NetworkError
from tasks.proofs.circuit_labels import as_table, label_domain
from tasks.proofs.select import listed_domain as bounded_domain

LENGTH = 10  # longest sequences of the benchmark's domains


@dataclass(frozen=True)
class Case:
    """A circuit with the table of its labels on its domain up to ``LENGTH`` (or as far as it reads)."""

    circuit: Circuit
    domain: Domain
    table: Table
    grammar: Grammar

    @classmethod
    def of(cls, circuit: Circuit) -> Case:
        """Label the circuit's domain; raises DomainError or NetworkError for a circuit that has none."""
        domain = bounded_domain(circuit, longest(circuit))
        table = as_table(circuit, label_domain(circuit, domain))
        return cls(circuit, domain, table, motifs(domain.alphabet, circuit.labels, min_length=domain.min_length))

    @property
    def letters(self) -> range:
        """The alphabet as indices."""
        return range(len(self.domain.alphabet))

    @property
    def checked(self) -> int:
        """How many sequences an answer is compared on: those of the domain that have a label."""
        return self.domain.size() - self.table.undecided

    def label(self, sequence: tuple[str, ...]) -> str:
        """The circuit's label of one sequence of the domain."""
        index = self.table.label(self.domain.indices(sequence))
        if index < 0:
            raise NetworkError(
                f"{self.circuit.name}: {' '.join(sequence)!r} has no label (a tie within the error bound)"
            )
        return self.circuit.labels[index]

    def wrong(self, program: Program) -> int:
        """On how many of them ``program`` is wrong."""
        return Exhaustive(self.table).count_exceptions(program)


@dataclass
class Phases:
    """CPU seconds per part of a run, children that have ended included."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """Add the duration of the block to ``name``."""
        start = cpu_seconds()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + cpu_seconds() - start

    def total(self, *free: str) -> float:
        """All seconds but those of the parts named ``free``."""
        return sum(seconds for name, seconds in self.seconds.items() if name not in free)


def longest(circuit: Circuit) -> int:
    """The longest sequences that are compared."""
    assert circuit.domain.max_length is not None
    return min(LENGTH, circuit.domain.max_length)


def program_size(program: Program) -> Mapping[str, int]:
    """How large a program is: operators it applies, lines it prints after the ``def``."""
    return {"operators": program.size, "lines": len(program.source().splitlines()) - 1}
