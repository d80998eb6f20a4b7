"""The verifier that asks a solver, one length at a time, whether any sequence tells program and reference apart.

One session stays open; each candidate and length L is one named query:

    exactly one token per position  and  the constraint's automaton accepts  and  program(x) != reference(x)

and, where the program reads counts and the length, that all counts together are the length, which follows. All that but
the last of the three ("assumptions") is asked once per length and must agree with the domain's own count, so that no
length is proved over nothing. A model is decoded and run through the concrete program and the concrete reference; if
they do not differ there, the encodings are wrong and a BackendError says so. Lengths are asked shortest first; on
*unknown* what was proved below is kept.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Protocol

from pysmt.environment import Environment
from pysmt.logics import Logic

from backends import Backend, BackendError, Limits, Recorder, Sat, Session, Unsat, decide
from backends import Unknown as NoAnswer
from backends.translation import fitting_logic, translate
from cegis.claim import Claim, Rung
from cegis.domain import DEAD, Domain, DomainError
from cegis.verdict import Counterexample, Unknown, Valid, Verdict
from dsl.meaning import Count, Length
from dsl.program import Program
from dsl.sequences import Label, SequenceSignature, SymbolicSequence
from dsl.showing import brief


class SymbolicReference(Protocol):
    """A reference a solver can see into.

    >>> ProgramReference(outcome.program, "mine").label(("b", "a"))
    'yes'
    """

    @property
    def name(self) -> str:
        """What queries and claims call it."""
        ...

    @property
    def semantics(self) -> str:
        """The arithmetic that its formula is about."""
        ...

    def differs(self, symbols: SymbolicSequence, answer: Any) -> Any:
        """The formula "``answer`` (a label index) is not the reference's label"; ties count as different."""
        ...

    def label(self, sequence: tuple[str, ...]) -> Label:
        """The label of one sequence, by running the reference."""
        ...


@dataclass(frozen=True)
class ProgramReference:
    """A program as the reference, for comparing two programs.

    >>> reference = ProgramReference(outcome.program)
    >>> with Symbolic(domain, grammar.sequences, reference, get("z3")) as verifier:
    ...     print(type(verifier.check(outcome.program)).__name__)
    Valid
    """

    program: Program
    name: str = "the reference program"
    semantics: str = "integer arithmetic"

    __repr__ = brief

    def differs(self, symbols: SymbolicSequence, answer: Any) -> Any:
        """The formula "``answer`` is not the program's label"; no label is never right."""
        m, expected = symbols.manager, self.program.encode(symbols)
        return m.Or(m.Not(m.Equals(answer, expected)), m.LT(expected, m.Int(0)))  # no label is never right

    def label(self, sequence: tuple[str, ...]) -> Label:
        """The label of one sequence; raises DomainError where the program gives none."""
        label: Label | None = self.program(sequence)
        if label is None:
            raise DomainError(
                f"{self.name} names no label on {' '.join(sequence)!r}; leave such sequences out of the domain"
            )
        return label


@dataclass
class Symbolic:
    """Checks programs with ``backend``; close it (or use ``with``) to release the solver session.

    ``seconds`` bounds one ``check``, and all that came to nothing together; ``hard`` hosts the solver in a worker that
    is killed when it overruns. With a recorder every query is written as SMT-LIB. ``logic`` is QF_LIA, QF_LRA or QF_BV;
    None takes the first of them that the backend decides. ``on_length(length, seconds)`` reports each length proved.

    >>> reference = ProgramReference(outcome.program)
    >>> with Symbolic(domain, grammar.sequences, reference, get("z3")) as verifier:
    ...     print(verifier.check(outcome.program).claims[0].rung)
    surrogate
    """

    domain: Domain
    signature: SequenceSignature
    reference: SymbolicReference
    backend: Backend
    seconds: float | None = None
    seed: int = 0
    hard: bool = False
    recorder: Recorder | None = None
    logic: Logic | None = None
    on_length: Callable[[int, float], None] = lambda length, seconds: None
    method: str = ""
    conditions: str = ""
    environment: Environment = field(default_factory=Environment)
    queries: int = field(default=0, init=False)
    _session: Session | None = field(default=None, init=False, repr=False)
    _inhabited: set[int] = field(default_factory=set, init=False, repr=False)
    _sequences: dict[int, Any] = field(default_factory=dict, init=False, repr=False)  # per length, as a formula
    _wasted: float = field(default=0.0, init=False, repr=False)  # seconds of checks that came to nothing
    _answering: dict[tuple[str, str], None] = field(
        default_factory=dict, init=False, repr=False
    )  # in the current check

    __repr__ = brief

    def __post_init__(self) -> None:
        if self.domain.alphabet != self.signature.alphabet:
            raise DomainError(f"the domain reads {self.domain.alphabet}, the programs {self.signature.alphabet}")
        if isinstance(self.reference, ProgramReference):
            check_signature(self.reference.program, self.signature)

    def check(self, program: Program) -> Verdict:
        """Valid for the whole domain, a replayed counterexample, or Unknown with the lengths proved so far."""
        check_signature(program, self.signature)
        start = time.perf_counter()
        lengths = [length for length in self.domain.lengths if self.domain.count(length)]
        limit = None if self.seconds is None else max(0.0, self.seconds - self._wasted)
        self._answering.clear()
        for place, length in enumerate(lengths):
            began = time.perf_counter()
            spent = began - start
            if limit is not None and spent >= limit:
                return self._unfinished("time limit", lengths[:place], spent)
            try:
                answer = self._ask(program, length, None if limit is None else limit - spent)
            except BackendError:
                self._wasted += time.perf_counter() - start
                raise
            except KeyboardInterrupt:
                return self._unfinished("interrupted", lengths[:place], time.perf_counter() - start)
            match answer:
                case Sat(model=model):
                    return self._replay(program, self.signature.decode(model, length))
                case NoAnswer(reason=reason):
                    return self._unfinished(reason, lengths[:place], time.perf_counter() - start)
                case Unsat(solver=solver, version=version):
                    self._answering[solver, version] = None
                    self.on_length(length, time.perf_counter() - began)
        if not lengths:
            return Unknown("the domain holds no sequence; a proof over nothing proves nothing")
        return Valid((self._claim(lengths, time.perf_counter() - start),))

    def _ask(self, program: Program, length: int, seconds: float | None) -> Sat | Unsat | NoAnswer:
        logic = self.logic or fitting_logic(self.backend.logics)
        if self._session is None:
            self._session = self.backend.open(
                self.environment, logic, seed=self.seed, limits=Limits(seconds), recorder=self.recorder, hard=self.hard
            )
        symbols = self.signature.symbols(self.environment.formula_manager, length)
        limits = Limits(seconds=seconds)
        if length not in self._inhabited:
            name = f"{self.reference.name}/length={length}/assumptions"
            assumed = symbols.manager.And(self._among(symbols), symbols.counts_add_up())
            assumptions = translate(self.environment, assumed, logic)
            match decide(self._session, name, assumptions, limits):
                case NoAnswer() as unknown:
                    return unknown
                case Unsat():
                    raise BackendError(
                        f"{name}: {self.backend.name} finds no sequence of length {length}, the domain counts "
                        f"{self.domain.count(length)}; do not trust one of the two"
                    )
            self._inhabited.add(length)
        self.queries += 1
        name = f"{self.reference.name}/length={length}/query={self.queries}"
        formula = symbols.manager.And(self._among(symbols), differing(symbols, self.reference, program))
        return decide(self._session, name, translate(self.environment, formula, logic), limits)

    def _among(self, symbols: SymbolicSequence) -> Any:
        """``sequences`` of the domain over ``symbols``, which are those of their length."""
        length = len(symbols.at)
        if length not in self._sequences:
            self._sequences[length] = sequences(self.domain, symbols)
        return self._sequences[length]

    def _replay(self, program: Program, sequence: tuple[str, ...]) -> Counterexample:
        expected, got = self.reference.label(sequence), program(sequence)
        if expected == got or not self.domain.contains(sequence):
            raise BackendError(
                f"{self.backend.name} claims that program and {self.reference.name} differ on {' '.join(sequence)!r}, "
                f"but both give {got!r} there; the encoding of one of them is wrong, please report it"
            )
        return Counterexample(sequence, expected, got)

    def _unfinished(self, reason: str, proved: Sequence[int], seconds: float) -> Unknown:
        self._wasted += seconds
        claims = (self._claim(proved, seconds),) if proved else ()
        reached = f"proved up to length {proved[-1]}" if proved else "nothing was proved"
        return Unknown(f"{self.backend.name}: {reason}; {reached}", claims)

    def _claim(self, lengths: Sequence[int], seconds: float) -> Claim:
        domain = Domain(self.domain.alphabet, lengths[0], lengths[-1], self.domain.constraint)
        solver = " and ".join(map(" ".join, self._answering))
        if {name for name, _ in self._answering} != {self.backend.name}:
            solver += f", for each length the first of {self.backend.name} to answer"
        return Claim(
            Rung.SURROGATE,
            self.reference.name,
            self.reference.semantics,
            domain,
            f"{self.method or 'refutation of every length'} by {solver}",
            domain.size(),
            seconds,
            conditions=self.conditions,
        )

    def close(self) -> None:
        """Release the session."""
        if self._session is not None:
            self._session.close()
            self._session = None

    def __enter__(self) -> Symbolic:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def check_signature(program: Program, signature: SequenceSignature) -> None:
    """Raise DomainError unless ``program`` reads and returns what ``signature`` says, in the same order."""
    own = program.grammar.sequences
    if own != signature:
        raise DomainError(
            f"expected a program from {signature.alphabet} to {signature.labels}, got one from {own.alphabet} to "
            f"{own.labels}"
        )


def refutation(domain: Domain, symbols: SymbolicSequence, reference: SymbolicReference, program: Program) -> Any:
    """The formula "here is a sequence of ``domain`` on which program and reference differ"."""
    return symbols.manager.And(sequences(domain, symbols), differing(symbols, reference, program))


def differing(symbols: SymbolicSequence, reference: SymbolicReference, program: Program) -> Any:
    """The formula "program and reference differ"; of a program that weighs counts against the length with a lemma."""
    wrong = reference.differs(symbols, program.encode(symbols))
    if {Count, Length} <= {type(term.operator.meaning) for term in program.term.subterms}:
        return symbols.manager.And(symbols.counts_add_up(), wrong)
    return wrong


def sequences(domain: Domain, symbols: SymbolicSequence) -> Any:
    """The formula "these Booleans are a sequence of ``domain``" for one length."""
    m = symbols.manager
    parts = [symbols.exactly_one_token_each()]
    if domain.constraint is not None:
        table, accepting = domain.constraint.transitions, domain.constraint.accepting
        states = {0: m.TRUE()}
        for row in symbols.at:
            arrivals: dict[int, list[Any]] = {}
            for state, here in states.items():
                for token, target in enumerate(table[state]):
                    if target != DEAD:
                        arrivals.setdefault(target, []).append(m.And(here, row[token]))
            states = {state: m.Or(ways) for state, ways in arrivals.items()}
        parts.append(m.Or([here for state, here in states.items() if accepting[state]]))
    return m.And(parts)
