"""Circuit in, proved program out: the whole chain, link by link.

    circuit --(run on every sequence, with error bounds)--> labels --(fit, exact check)--> surrogate
    grammar --(enumerate)--> candidate --(solver: equals surrogate? table: equals circuit?)--> program

Two claims come out of one run: ``enumerated`` (the circuit itself, every sequence) and ``surrogate`` (the solver's
chain, one refutation per length). A surrogate that does not match leaves the first alone, and says on which sequences
it differs. The surrogate was checked on every sequence, so the solver adds no reach over the enumeration, only an
independent method; both costs are reported side by side.
"""

from __future__ import annotations

import builtins
import keyword
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from backends import Backend
from cegis import (
    Budget,
    Claim,
    Combined,
    Differs,
    Domain,
    DomainError,
    Exhaustive,
    Found,
    Outcome,
    Program,
    Round,
    Rung,
    Spec,
    Stopped,
    Symbolic,
    Table,
    motifs,
    synthesize,
)
from cegis.claim import at_least, equality, least_margin
from dsl.grammar import Grammar
from dsl.sequences import SequenceSignature, SymbolicSequence
from tasks.bounds import ball
from tasks.networks.circuit import UNDECIDED, Circuit
from tasks.networks.conditions import circuit_conditions
from tasks.networks.quoting import NAME, named
from tasks.networks.sparse_transformer import NetworkError
from tasks.proofs.circuit_labels import Labelling, label_domain, label_sequences
from tasks.proofs.enumeration import MAX_SEQUENCES
from tasks.surrogates.fitting import Fitted, fit
from tasks.surrogates.relu import SEMANTICS, Surrogate

NETWORK_SEMANTICS = "real arithmetic and in float64 and float32 as executed"
SLACK = 1e-5  # of a margin; a certificate's may be off by a tenth of it (``checking``)
SOLVER_METHOD = "surrogate = circuit by enumeration, program = surrogate by refutation of every length"


@dataclass(frozen=True)
class Link:
    """One step of the chain: what it established and what it cost (wall-clock seconds)."""

    name: str
    text: str
    seconds: float


@dataclass(frozen=True)
class Distillation:
    """What came out of one run. ``fitted`` is None when the labels have gaps (``labelling.undecided``)."""

    circuit: Circuit
    domain: Domain
    labelling: Labelling
    fitted: Fitted | None
    outcome: Outcome
    chain: tuple[Link, ...]
    queries: int

    @property
    def program(self) -> Program | None:
        """The program found, or the best one."""
        match self.outcome:
            case Found(program=program) | Differs(program=program) | Stopped(program=program):
                return program
        return None

    @property
    def claims(self) -> tuple[Claim, ...]:
        """What was established of the program."""
        match self.outcome:
            case Found(claims=claims) | Stopped(claims=claims):
                return claims
        return ()

    @property
    def is_proved(self) -> bool:
        """Whether program and circuit are equal on the whole domain, network itself executed."""
        return isinstance(self.outcome, Found) and any(
            claim.rung >= Rung.ENUMERATED and claim.rung != Rung.SURROGATE and claim.domain == self.domain
            for claim in self.claims
        )

    @property
    def source(self) -> str:
        """The program as a Python function, with what was proved as its docstring; empty when there is none."""
        if self.program is None:
            return ""
        return self.program.source(function_name(self.circuit), docstring(self))


@dataclass(frozen=True)
class CircuitSurrogate:
    """The surrogate as a solver's reference; counterexamples are labelled by running the circuit itself."""

    circuit: Circuit
    surrogate: Surrogate
    name: str
    semantics: str = SEMANTICS
    unit_roundoff: float = ball.FLOAT32

    def differs(self, symbols: SymbolicSequence, answer: Any) -> Any:
        return self.surrogate.differs(symbols, answer)

    def label(self, sequence: tuple[str, ...]) -> str:
        """The circuit's label; raises NetworkError if the surrogate has another one."""
        tokens = np.array([self.circuit.domain.indices(sequence)], np.int8)
        label = int(label_sequences(self.circuit, tokens, unit_roundoff=self.unit_roundoff).labels[0])
        if label < 0 or label != int(self.surrogate.labels(tokens)[0]):
            raise NetworkError(
                f"{self.name}: circuit and surrogate differ on {' '.join(sequence)!r}; the surrogate is not exact there"
            )
        return self.circuit.labels[label]


def distill(
    circuit: Circuit,
    backend: Backend,
    *,
    length: int = 10,
    seconds: float = 150.0,
    seed: int = 0,
    grammar: Grammar | None = None,
    unit_roundoff: float = ball.FLOAT32,
    on_link: Callable[[Link], None] = lambda link: None,
    on_round: Callable[[Round], None] = lambda event: None,
    on_length: Callable[[int, float], None] = lambda length, seconds: None,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Distillation:
    """Distill ``circuit`` on its domain up to ``length``, in about ``seconds`` of wall clock.

    Claims hold in float32 too; ``unit_roundoff`` FLOAT64 gives that up where it leaves sequences without a label.
    Raises DomainError for a length that is empty, beyond the network or too large to enumerate.
    """
    start = time.perf_counter()
    domain = bounded_domain(circuit, length)
    grammar = grammar or motifs(circuit.domain.alphabet, circuit.labels, min_length=domain.min_length)
    if grammar.signature != SequenceSignature(circuit.domain.alphabet, circuit.labels):
        raise DomainError(
            f"{circuit.name}: expected a grammar from {circuit.domain.alphabet} to {circuit.labels}, in this order, "
            f"got one from {grammar.signature.alphabet} to {grammar.signature.labels}"
        )
    chain: list[Link] = []

    def link(name: str, text: str, since: float) -> None:
        chain.append(Link(name, text, time.perf_counter() - since))
        on_link(chain[-1])

    labelling = label_domain(circuit, domain, on_progress=on_progress)
    if unit_roundoff < labelling.unit_roundoff and labelling.undecided:
        labelling = label_domain(circuit, domain, unit_roundoff=unit_roundoff, on_progress=on_progress)
    table = as_table(circuit, labelling)
    link("circuit run", _describe_labels(circuit, labelling), start)
    since = time.perf_counter()
    fitted = None
    if not table.undecided:
        fitted = fit(table, len(circuit.labels), seconds=seconds / 4)
        link("fit", _describe_fit(fitted), since)
    since = time.perf_counter()
    left = max(1e-3, seconds - (since - start))
    reference = None
    if fitted is not None and not fitted.wrong:
        name, unit_roundoff = surrogate_name(circuit), labelling.unit_roundoff
        reference = CircuitSurrogate(circuit, fitted.surrogate, name, unit_roundoff=unit_roundoff)
    with _verifier(reference, table, grammar, backend, 0.7 * left, seed, on_length) as (verifier, symbolic):
        outcome = _search(circuit, labelling, grammar, verifier, left, seed, on_round)
        queries = symbolic.queries if symbolic else 0
    link("search", _describe_search(outcome, queries), since)
    for claim in outcome.claims if isinstance(outcome, Found) else ():
        chain.append(Link(f"{claim.rung}", f"PROVED: program {claim.sentence}", claim.seconds))
        on_link(chain[-1])
    return Distillation(circuit, domain, labelling, fitted, outcome, tuple(chain), queries)


def bounded_domain(circuit: Circuit, length: int) -> Domain:
    """The circuit's domain up to ``length``; raises DomainError when that cannot be enumerated."""
    longest = circuit.domain.max_length
    assert longest is not None
    if not circuit.domain.min_length <= length <= longest:
        raise DomainError(
            f"{circuit.name}: expected a length from {circuit.domain.min_length} to {longest} "
            f"(the network's own range), got {length}"
        )
    domain = circuit.domain.up_to(length)
    if domain.size() == 0:
        raise DomainError(f"{circuit.name}: no sequence of length up to {length} is in the domain")
    if domain.size() > MAX_SEQUENCES:
        raise DomainError(
            f"{circuit.name}: {domain.size():,} sequences up to length {length} are too many to enumerate "
            f"(limit {MAX_SEQUENCES:,}); ask for a shorter length"
        )
    return domain


def is_listed(circuit: Circuit, length: int) -> bool:
    """Whether ``distill`` takes this length: there are sequences up to it, and they can be enumerated."""
    domain = circuit.domain.up_to(length)
    return length <= (circuit.domain.max_length or length) and domain.size() <= MAX_SEQUENCES


def as_table(circuit: Circuit, labelling: Labelling) -> Table:
    """The labels as a reference for programs."""
    return Table(
        labelling.domain,
        {part.sequences.shape[1]: part.labels for part in labelling.lengths},
        f"circuit {named(circuit.name)}",
        _meaning(labelling.unit_roundoff),
        network_method(labelling.margin),
        ball.KERNEL_ASSUMPTION,
        circuit.labels,
        circuit_conditions(circuit, labelling.domain),
    )


def function_name(circuit: Circuit) -> str:
    """The circuit's name as a Python identifier that hides nothing of Python's."""
    return identifier(circuit.name[:NAME])


def identifier(text: str) -> str:
    """A name as a Python identifier that hides nothing of Python's."""
    name = "".join(c if c.isalnum() and c.isascii() else "_" for c in text)
    is_free = name[:1].isalpha() and not keyword.iskeyword(name) and not hasattr(builtins, name)
    return name if is_free else f"circuit_{name}"


def docstring(distillation: Distillation) -> str:
    """One sentence on what is known of the program."""
    circuit, domain, labelling = distillation.circuit, distillation.domain, distillation.labelling
    match distillation.outcome:
        case Found() if not labelling.undecided:
            return known(circuit, domain, 0, labelling.margin, labelling.unit_roundoff)
        case Differs(exceptions=exceptions) if not labelling.undecided:
            return known(circuit, domain, len(exceptions), labelling.margin, labelling.unit_roundoff)
    return f"Not proved equal to the circuit {named(circuit.name)}."


def dependence(distillation: Distillation) -> dict[str, str]:
    """What everything that is said of labels depends on: arithmetic, conditions, and the margin of those given."""
    labelling = distillation.labelling
    given = (part.margins[part.labels != UNDECIDED].min(initial=np.inf) for part in labelling.lengths)
    return {
        "semantics": _meaning(labelling.unit_roundoff),
        "conditions": circuit_conditions(distillation.circuit, distillation.domain),
        "method": network_method(min(map(float, given))),
    }


def known(circuit: Circuit, domain: Domain, exceptions: int, margin: float, unit_roundoff: float = ball.FLOAT32) -> str:
    """The sentence "equal but for so many exceptions", as it stands in a program that was proved."""
    told = {"conditions": circuit_conditions(circuit, domain), "method": network_method(margin)}
    return (
        "Equals "
        + equality(
            f"circuit {named(circuit.name)}",
            domain,
            domain.size(),
            semantics=_meaning(unit_roundoff),
            exceptions=exceptions,
            **told,
        )
        + (": proved." if not exceptions else ".")
    )


def network_method(margin: float) -> str:
    """How the network itself was compared; its margin is what any machine finds, which may sum in another order."""
    return f"network executed on every sequence, {least_margin(margin * (1 - SLACK))}"


def _meaning(unit_roundoff: float) -> str:
    """The arithmetics that labels hold in."""
    return NETWORK_SEMANTICS if unit_roundoff == ball.FLOAT32 else "real arithmetic and in float64 as executed"


def surrogate_name(circuit: Circuit) -> str:
    """What claims and queries call the circuit's surrogate."""
    return named(f"{circuit.name}-surrogate")


@contextmanager
def _verifier(
    reference: CircuitSurrogate | None,
    table: Table,
    grammar: Grammar,
    backend: Backend,
    seconds: float,
    seed: int,
    on_length: Callable[[int, float], None],
) -> Iterator[tuple[Combined, Symbolic | None]]:
    """The table of labels, with the solver's chain before it where an exact surrogate carries one."""
    exhaustive = Exhaustive(table)
    if reference is None:
        yield Combined((exhaustive,)), None
        return
    with Symbolic(
        table.domain,
        grammar.signature,
        reference,
        backend,
        seconds=seconds,
        seed=seed,
        hard=True,
        on_length=on_length,
        method=SOLVER_METHOD,
        conditions=table.conditions,
    ) as symbolic:
        yield Combined((symbolic, exhaustive)), symbolic


def _search(
    circuit: Circuit,
    labelling: Labelling,
    grammar: Grammar,
    verifier: Combined,
    seconds: float,
    seed: int,
    on_round: Callable[[Round], None],
) -> Outcome:
    def label(sequence: tuple[str, ...]) -> str:
        tokens = np.array([circuit.domain.indices(sequence)], np.int8)
        index = int(label_sequences(circuit, tokens, unit_roundoff=labelling.unit_roundoff).labels[0])
        if index < 0:
            raise NetworkError(f"{circuit.name}: {' '.join(sequence)!r} has no label (a tie within the error bound)")
        return circuit.labels[index]

    return synthesize(
        Spec(labelling.domain, label),
        grammar,
        verifier=verifier,
        examples=(first_example(circuit, labelling),),
        budget=Budget(seconds=seconds),
        seed=seed,
        on_event=on_round,
    )


def first_example(circuit: Circuit, labelling: Labelling) -> tuple[tuple[str, ...], str]:
    """The first sequence that has a label."""
    for part in labelling.lengths:
        for row in np.flatnonzero(part.labels != UNDECIDED):
            return labelling.domain.words(part.sequences[row]), circuit.labels[int(part.labels[row])]
    raise NetworkError(
        f"{circuit.name}: all {labelling.size:,} sequences have no label (a tie, or a margin below the error bound)"
    )


def _describe_labels(circuit: Circuit, labelling: Labelling) -> str:
    undecided = len(labelling.undecided)
    counts = labelling.counts()
    shares = ", ".join(f"{label!r} {counts.get(i, 0):,}" for i, label in enumerate(circuit.labels))
    decided = (
        f"least margin after rounding {at_least(labelling.margin)} at {' '.join(labelling.closest)!r}, "
        f"error bound {labelling.radius:.1e}"
        if not undecided
        else f"{undecided:,} undecided (a tie, or a margin below the error bound {labelling.radius:.1e})"
    )
    missing = [label for i, label in enumerate(circuit.labels) if not counts.get(i) and not undecided]
    vacuous = f"; no sequence has the label {missing[0]!r}" if missing else ""
    return f"{labelling.size:,} sequences, {labelling.classes:,} distinct computations; {shares}; {decided}{vacuous}"


def _describe_fit(fitted: Fitted) -> str:
    net = fitted.surrogate
    size = f"{net.relus} tied ReLU units, {net.weights} integer weights, partial sums below {net.largest_sum + 1:,}"
    if fitted.wrong:
        first = " ".join(fitted.wrong[0])
        return (
            f"not exact: the best of all families ({size}) differs on {len(fitted.wrong):,} sequences, first {first!r}"
        )
    return f"{size} ({fitted.family}); equal to the circuit on every sequence"


def _describe_search(outcome: Outcome, queries: int) -> str:
    used = outcome.statistics
    return (
        f"{used.rounds} rounds, {used.candidates:,} candidates, {queries} solver queries "
        f"({used.search_seconds:.1f} s search, {used.check_seconds:.1f} s check)"
    )
