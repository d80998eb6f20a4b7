"""The verifier that compares program and reference on every sequence of the domain.

The reference is a table of labels, one array per length in the order of ``Domain.sequences``; ``blackbox.tabulate``
makes one from any Python function. Sequences whose label is undecided (a tie, a margin below the error bound) can be
neither right nor wrong: a program that is right everywhere else is ``Unknown``, and the reason says how many there are.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cegis.claim import Claim, Rung
from cegis.domain import Domain, DomainError
from cegis.verdict import Counterexample, Unknown, Valid, Verdict
from dsl.program import Program
from dsl.sequences import Label, SequenceBatch
from dsl.showing import brief

UNDECIDED = -1
NONE = np.zeros(0, np.int8)


@dataclass(frozen=True)
class Table:
    """``labels[length]``: (sequences,) label indices in the order of ``domain.sequences(length)``, -1 undecided.

    ``names`` are the labels behind the indices; without them only the alphabet of a program is compared.
    ``conditions``: see ``Claim``.

    >>> table = tabulate(spec.reference, domain, grammar.sequences)
    >>> table.labels[1].tolist(), table.names
    ([0, 1], ('yes', 'no'))
    """

    domain: Domain
    labels: Mapping[int, NDArray[np.integer[Any]]]
    name: str = "the reference"
    semantics: str = "Python, as executed"
    method: str = "compared one by one"
    detail: str = ""
    names: tuple[Label, ...] | None = None
    conditions: str = ""

    __repr__ = brief

    def __post_init__(self) -> None:
        if not self.labels.keys() <= set(self.domain.lengths):
            raise DomainError(
                f"{self.name}: expected labels for the lengths {list(self.domain.lengths)}, got {sorted(self.labels)}"
            )
        for length in self.domain.lengths:
            expected, labels = self.domain.count(length), self.labels.get(length, NONE)
            got = np.shape(labels)
            if got != (expected,):
                raise DomainError(f"{self.name}: expected {expected} labels for length {length}, got shape {got}")
            if not np.issubdtype(labels.dtype, np.integer) or (expected and labels.min() < UNDECIDED):
                raise DomainError(f"{self.name}: labels of length {length} must be whole numbers of at least -1")
        if not self.domain.size():
            raise DomainError(f"{self.name}: the domain holds no sequence; a proof over nothing proves nothing")

    @property
    def undecided(self) -> int:
        """How many sequences have no label."""
        return sum(int((labels == UNDECIDED).sum()) for labels in self.labels.values())

    def label(self, sequence: Sequence[int]) -> int:
        """The label index of one sequence (indices into the alphabet); raises DomainError outside the domain."""
        if len(sequence) not in self.domain.lengths:
            raise DomainError(f"length {len(sequence)} is not in the domain")
        rows = self.domain.sequences(len(sequence))
        place = np.flatnonzero((rows == np.array(sequence, np.int8)).all(axis=1))
        if not len(place):
            raise DomainError(f"{' '.join(self.domain.words(np.array(sequence, np.int8)))!r} is not in the domain")
        return int(self.labels[len(sequence)][place[0]])


@dataclass(frozen=True)
class Exhaustive:
    """Compares a program with a table; the shortest counterexample comes first.

    >>> Exhaustive(table).check(outcome.program)
    Valid(claims=(Claim(enumerated: equals a lambda on all 30 sequences of l…)
    """

    table: Table
    _batches: dict[int, SequenceBatch] = field(default_factory=dict, repr=False, compare=False)

    __repr__ = brief

    def check(self, program: Program) -> Verdict:
        """Valid for the whole domain, the first counterexample, or Unknown where some sequence has no label."""
        start = time.perf_counter()
        table = self.table
        for length in table.domain.lengths:
            wrong = self._wrong(program, length)
            if len(wrong):
                return next(self._exceptions(program, length))
        if table.undecided:
            return Unknown(f"{table.undecided:,} sequences have no label (tie, or margin below the error bound)")
        claim = Claim(
            Rung.ENUMERATED,
            table.name,
            table.semantics,
            table.domain,
            table.method,
            table.domain.size(),
            time.perf_counter() - start,
            table.detail,
            table.conditions,
        )
        return Valid((claim,))

    def exceptions(self, program: Program) -> tuple[Counterexample, ...]:
        """Every sequence on which program and reference differ, shortest first (undecided ones are not among them)."""
        return tuple(e for length in self.table.domain.lengths for e in self._exceptions(program, length))

    @property
    def undecided(self) -> int:
        """How many sequences have no label, so that no program is right or wrong there."""
        return self.table.undecided

    def closest(self, programs: Sequence[Program]) -> Program:
        """The program with the fewest exceptions, the first of several."""
        return min(programs, key=self.count_exceptions)

    def count_exceptions(self, program: Program) -> int:
        """How many sequences differ."""
        return sum(len(self._wrong(program, length)) for length in self.table.domain.lengths)

    def _wrong(self, program: Program, length: int) -> NDArray[np.int64]:
        signature, table = program.grammar.sequences, self.table
        if signature.alphabet != table.domain.alphabet or table.names not in (None, signature.labels):
            raise DomainError(
                f"expected a program from {table.domain.alphabet} to {table.names or 'labels'}, got one from "
                f"{signature.alphabet} to {signature.labels}"
            )
        expected = self.table.labels.get(length, NONE)
        got = program.run(self._batch(length))
        return np.flatnonzero((got != expected) & (expected != UNDECIDED))

    def _batch(self, length: int) -> SequenceBatch:
        if length not in self._batches:
            self._batches[length] = SequenceBatch(self.table.domain.sequences(length))
        return self._batches[length]

    def _exceptions(self, program: Program, length: int) -> Iterator[Counterexample]:
        wrong, names = self._wrong(program, length), program.grammar.sequences.labels
        tokens = self._batch(length).tokens[wrong]
        got = program.run(SequenceBatch(tokens))
        for row, expected, label in zip(tokens, self.table.labels[length][wrong], got, strict=True):
            given = names[int(label)] if label >= 0 else None
            yield Counterexample(self.table.domain.words(row), names[int(expected)], given)
