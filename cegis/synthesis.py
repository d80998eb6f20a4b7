"""``synthesize``: what the caller meant, put into the loop.

A specification is a reference over a domain of sequences (``Spec``: a black box or something a solver can see into) or
a formula over typed variables (``cegis.formula.FormulaSpec``, see ``cegis.solving``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from backends import Backend, get
from cegis.domain import Domain, DomainError
from cegis.exhaustive import Exhaustive, tabulate
from cegis.loop import Budget, Loop
from cegis.outcome import Outcome, Round
from cegis.symbolic import Symbolic, SymbolicReference
from cegis.verdict import FunctionVerifier, Verdict, Verifier
from dsl.enumeration import Enumerator
from dsl.grammar import Grammar
from dsl.program import Program

Example = tuple[tuple[str, ...], str]


@dataclass(frozen=True)
class Spec:
    """What a program must equal: a reference on every sequence of a domain.

    ``reference`` is any Python function from token names to a label (a black box), or an object a solver can see into
    (``SymbolicReference``).
    """

    domain: Domain
    reference: Callable[[tuple[str, ...]], str] | SymbolicReference

    def label(self, sequence: tuple[str, ...]) -> str:
        """The reference's label of one sequence."""
        run = self.reference if callable(self.reference) else self.reference.label
        return run(sequence)


def synthesize(
    spec: Spec,
    grammar: Grammar,
    *,
    verifier: str | Backend | Verifier | Callable[[Program], Verdict] | None = None,
    examples: Iterable[Example] = (),
    budget: Budget | None = None,
    seed: int = 0,
    on_event: Callable[[Round], None] = lambda event: None,
) -> Outcome:
    """The simplest program of ``grammar`` that equals ``spec``, with what was established.

    ``verifier``: a backend or its name (the reference must be symbolic), anything with ``check(program)``, a function
    from a program to a verdict, or None to compare with the reference on every sequence. Deterministic by ``seed``.
    """
    if spec.domain.alphabet != grammar.sequences.alphabet:
        raise DomainError(f"the domain reads {spec.domain.alphabet}, the grammar {grammar.sequences.alphabet}")
    budget = budget or Budget()
    checker = as_verifier(verifier, spec, grammar, budget, seed)
    try:
        search = Enumerator(grammar, max_candidates=budget.candidates, max_cost=budget.cost, seed=seed)
        return Loop(search, checker, budget, on_event).run(tuple(examples) or (_first(spec),))
    finally:
        if isinstance(checker, Symbolic) and checker is not verifier:
            checker.close()


def as_verifier(
    verifier: str | Backend | Verifier | Callable[[Program], Verdict] | None,
    spec: Spec,
    grammar: Grammar,
    budget: Budget,
    seed: int,
) -> Verifier:
    """What the caller meant by ``verifier``; a solver gets the budget's seconds for each check."""
    if verifier is None:
        return Exhaustive(tabulate(spec.label, spec.domain, grammar.sequences))
    backend = get(verifier) if isinstance(verifier, str) else verifier
    if isinstance(backend, Backend):
        if callable(spec.reference):
            raise DomainError(
                f"{backend.name} cannot see into a Python function; leave verifier out to compare every sequence, "
                "or give a symbolic reference"
            )
        return Symbolic(spec.domain, grammar.sequences, spec.reference, backend, seconds=budget.seconds, seed=seed)
    if hasattr(backend, "check"):
        return backend
    if not callable(backend):
        raise DomainError(f"expected a solver, a verifier or a function of a program as the verifier, got {backend!r}")
    return FunctionVerifier(backend)


def _first(spec: Spec) -> Example:
    sequence = spec.domain.first()
    if sequence is None:
        raise DomainError("the domain holds no sequence; a program proved over nothing would mean nothing")
    return sequence, spec.label(sequence)
