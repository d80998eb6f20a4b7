"""A solver's chain: an exact ReLU network in place of the labels, and a refutation of every length.

    labels --(fit, compared on every sequence)--> surrogate       program = surrogate?  one query per length

The surrogate was compared with the network's labels on every sequence, so the solver adds no reach over enumeration,
only an independent method.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from backends import Backend
from cegis import Domain, Program, Symbolic, Table
from dsl.sequences import SymbolicSequence
from dsl.showing import brief
from tasks.formats import Loaded
from tasks.networks.quoting import named
from tasks.networks.readout import UNDECIDED, label_name
from tasks.networks.sparse_transformer import NetworkError
from tasks.pipeline.labels import LabelTable
from tasks.pipeline.steps import Observer
from tasks.proofs.enumeration import Semantics, answers_of
from tasks.surrogates.relu import SEMANTICS, Surrogate

if TYPE_CHECKING:
    from tasks.surrogates.fitting import Fitted

METHOD = "surrogate = circuit by enumeration, program = surrogate by refutation of every length"
SOLVING = 0.7  # of the time that a search has, for the solver


@dataclass(frozen=True)
class SurrogateReference:
    """The surrogate as a solver's reference; counterexamples are labelled by bounds on the network itself."""

    loaded: Loaded
    surrogate: Surrogate
    names: tuple[str, ...]
    arithmetic: Semantics
    semantics: str = SEMANTICS

    __repr__ = brief

    @property
    def name(self) -> str:
        """What claims and queries call it."""
        return surrogate_name(self.loaded.name)

    def differs(self, symbols: SymbolicSequence, answer: Any) -> Any:
        """The formula that ``answer`` is not the surrogate's label."""
        return self.surrogate.differs(symbols, answer)

    def label(self, sequence: tuple[str, ...]) -> str:
        """The network's label; raises NetworkError if the surrogate has another one."""
        tokens = np.array([self.loaded.domain.indices(sequence)], np.int8)
        (label,), _ = answers_of(self.loaded, tokens, self.arithmetic)
        name = None if label == UNDECIDED else label_name(self.loaded.readout, int(label))
        if name != self.names[int(self.surrogate.labels(tokens)[0])]:
            raise NetworkError(
                f"{self.name}: network and surrogate differ on {' '.join(sequence)!r}; the surrogate is not exact there"
            )
        assert name is not None
        return name


def surrogate_name(network: str) -> str:
    """What claims and queries call the surrogate of a network of this name."""
    return named(f"{network}-surrogate")


def why_not_applicable(
    table: LabelTable, asked: Domain, backend: Backend | None, program: Program | None = None
) -> str | None:
    """Why no solver is asked about ``table``, or about ``program`` on it; None where one can be."""
    if backend is None:
        return "no solver was asked for"
    if table.is_placed:
        return "the labels are those of places"
    if not table.enumeration.is_bounded:
        return "the network is a black box"
    if asked != table.domain:
        return "what is asked goes beyond what is listed"
    if table.undecided:
        return f"{table.undecided:,} sequences have no label"
    if len(table.names) == 1:
        return "only one label occurs"
    if program is not None and program.grammar.sequences.labels[: len(table.names)] != table.names:
        return "the program has its labels in another order"
    return None


def fitted(table: LabelTable, seconds: float) -> Fitted:
    """The simplest exact surrogate found, or the best one with the sequences on which it differs."""
    from tasks.surrogates.fitting import fit  # its solver takes a second to load

    return fit(as_table(table), len(table.names), seconds=seconds)


def as_table(table: LabelTable) -> Table:
    """The labels as a table of the loop."""
    domain = table.domain
    labels = {part.batch.width: part.expected for part in table.parts if part.batch.examples}
    labels |= {n: np.zeros(0, np.int64) for n in domain.lengths if n not in labels}
    return Table(domain, labels, table.enumeration.loaded.reference, names=table.names)


@contextmanager
def solver(
    table: LabelTable, found: Fitted | None, backend: Backend | None, seconds: float, seed: int, observer: Observer
) -> Iterator[Symbolic | None]:
    """The verifier that compares programs with an exact surrogate by ``backend``; None where there is none."""
    if found is None or found.wrong or backend is None:
        yield None
        return
    enumeration = table.enumeration
    reference = SurrogateReference(enumeration.loaded, found.surrogate, table.names, enumeration.semantics)
    with Symbolic(
        enumeration.domain,
        table.grammar.sequences,
        reference,
        backend,
        seconds=SOLVING * seconds,
        seed=seed,
        hard=True,
        on_length=observer.on_query,
        method=METHOD,
        conditions=table.conditions,
    ) as symbolic:
        yield symbolic


def described(found: Fitted) -> str:
    """The surrogate in one line."""
    net = found.surrogate
    size = f"{net.relus} tied ReLU units, {net.weights} integer weights, partial sums below {net.largest_sum + 1:,}"
    if found.wrong:
        first, count = " ".join(found.wrong[0]), len(found.wrong)
        return f"not exact: the best of all families ({size}) differs on {count:,} sequences, first {first!r}"
    return f"{size} ({found.family}); equal to the network on every sequence"
