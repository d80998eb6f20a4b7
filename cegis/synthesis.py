"""``synthesize``: what the caller meant, put into the loop.

A specification is a reference over a domain of sequences (``Spec``: a black box or something a solver can see into) or
a formula over typed variables (``cegis.formulas.formula.FormulaSpec``, handed to ``cegis.searchers.solving``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from numbers import Integral
from typing import TYPE_CHECKING, Any, overload

from backends import Backend, get
from cegis.blackbox import REPEATS, SHARE, Asked, BlackBoxError, ask, tabulate
from cegis.domain import Domain, DomainError
from cegis.exhaustive import Exhaustive, Table
from cegis.formulas.formula import FormulaSpec
from cegis.formulas.solution import Solution
from cegis.loop import Budget, Loop
from cegis.outcome import Outcome, Round
from cegis.symbolic import Symbolic, SymbolicReference
from cegis.verdict import FunctionVerifier, Verdict, Verifier
from dsl.enumerator import Enumerator
from dsl.grammar import Grammar
from dsl.program import Program
from dsl.sequences import Label
from dsl.showing import brief, cut

if TYPE_CHECKING:
    from cegis.searchers.portfolio import Searcher
    from cegis.searchers.solving import Grammars

Example = tuple[tuple[str, ...], Label]


@dataclass(frozen=True)
class Spec:
    """What a program must equal: a reference on every sequence of a domain.

    ``reference`` is any Python function from token names to a label (a black box), or an object a solver can see into
    (``SymbolicReference``). A black box is asked ``repeats`` more times for every counterexample and, before a claim,
    for every sequence, as far as a quarter of the budget's seconds allows; the claim says how often it was. A second
    answer to one input, and an exception, are a ``BlackBoxError``.

    >>> Spec(Domain(("a", "b"), 1, 4), lambda tokens: "yes" if "a" in tokens else "no").label(("b", "a"))
    'yes'
    """

    domain: Domain
    reference: Callable[[tuple[str, ...]], Label] | SymbolicReference
    repeats: int = REPEATS

    __repr__ = brief

    def __post_init__(self) -> None:
        if not isinstance(self.domain, Domain):
            raise DomainError(
                f"expected a Domain first and then the reference: Spec(Domain(('a', 'b'), 1, 5), function), got "
                f"{cut(repr(self.domain), 80)}"
            )
        if not callable(self.reference) and not hasattr(self.reference, "label"):
            raise DomainError(
                "expected as the reference a function from a sequence of tokens to a label, or a symbolic one, got "
                f"{cut(repr(self.reference), 80)}"
            )

    def label(self, sequence: tuple[str, ...]) -> Label:
        """The reference's label of one sequence; raises BlackBoxError where a black box raises."""
        if not callable(self.reference):
            return self.reference.label(sequence)
        label: Label = ask(self.reference, sequence)
        return label


@overload
def synthesize(
    spec: Spec,
    grammar: Grammar,
    *,
    verifier: str | Backend | Verifier[Program] | Callable[[Program], Verdict] | None = None,
    examples: Iterable[Example] = (),
    budget: Budget | None = None,
    seed: int = 0,
    on_event: Callable[[Round[Program]], None] = lambda event: None,
) -> Outcome[Program]: ...


@overload
def synthesize(
    spec: FormulaSpec,
    grammar: Grammars = None,
    *,
    verifier: str | Backend | Verifier[Solution] | Callable[[Solution], Verdict] | None = None,
    searchers: Sequence[str | Searcher] = (),
    budget: Budget | None = None,
    seed: int = 0,
    on_event: Callable[[Round[Solution]], None] = lambda event: None,
) -> Outcome[Solution]: ...


def synthesize(
    spec: Spec | FormulaSpec,
    grammar: Grammars = None,
    *,
    verifier: Any = None,
    examples: Iterable[Example] = (),
    searchers: Sequence[str | Searcher] = (),
    budget: Budget | None = None,
    seed: int = 0,
    on_event: Callable[[Round[Any]], None] = lambda event: None,
) -> Outcome[Any]:
    """The simplest program of ``grammar`` that equals ``spec``, with what was established. Deterministic by ``seed``.

    ``verifier``: a backend or its name (a reference must be symbolic), anything with ``check(program)``, a function
    from a program to a verdict, or None: compare with a reference on every sequence, prove a formula by z3 or cvc5.

    A formula asks for a ``Solution``: a program for each of its functions. ``grammar`` is then one for all of them, one
    by name, or None for any term of the logic; ``searchers`` run beside our own: "cvc5", "horn", "induction", or your
    own (``cegis.searchers.portfolio.Searcher``). Without a ``budget`` it has that of ``FormulaBudget``.

    >>> spec = Spec(Domain(("a", "b"), 1, 4), lambda tokens: "yes" if "a" in tokens else "no")
    >>> synthesize(spec, motifs(("a", "b"), ("yes", "no"))).program
    Program(return 'yes' if 'a' in tokens else 'no')
    """
    if budget is not None and not isinstance(budget, Budget):
        raise DomainError(f"expected a budget such as Budget(seconds=5), got {cut(repr(budget), 80)}")
    if not isinstance(seed, Integral):
        raise DomainError(f"expected the seed as a whole number, got {cut(repr(seed), 80)}")
    if not callable(on_event):
        raise DomainError(f"expected on_event as a function that takes a Round, got {cut(repr(on_event), 80)}")
    if not isinstance(spec, Spec | FormulaSpec):
        raise DomainError(
            f"expected a Spec(domain, reference) or a FormulaSpec as what to synthesize, got {cut(repr(spec), 80)}"
        )
    if isinstance(spec, FormulaSpec):
        if tuple(examples):
            raise DomainError("examples go into a formula as constraints, f(input) = output; add them to the others")
        return _solved(spec, grammar, verifier, searchers, budget, seed, on_event)
    if not isinstance(grammar, Grammar):
        raise DomainError(f"expected a grammar of programs over sequences, got {grammar!r}; motifs(...) makes one")
    if searchers:
        raise DomainError("other searchers take formulas, and this is a reference over sequences; leave them out")
    if spec.domain.alphabet != grammar.sequences.alphabet:
        raise DomainError(f"the domain reads {spec.domain.alphabet}, the grammar {grammar.sequences.alphabet}")
    budget = budget or Budget()
    checker = as_verifier(verifier, spec, grammar, budget, seed)
    pairs = _pairs(examples)
    try:
        search = Enumerator(grammar, max_candidates=budget.candidates, max_cost=budget.cost, seed=seed)
        return Loop(search, checker, budget, on_event).run(_examples(spec, checker, pairs))
    finally:
        if isinstance(checker, Symbolic) and checker is not verifier:
            checker.close()


def _solved(
    spec: FormulaSpec,
    grammar: Grammars,
    verifier: Any,
    searchers: Sequence[str | Searcher],
    budget: Budget | None,
    seed: int,
    on_event: Callable[[Round[Solution]], None],
) -> Outcome[Solution]:
    from cegis.searchers.peers import searcher_of
    from cegis.searchers.solving import solve

    asked = get(verifier) if isinstance(verifier, str) else verifier
    backend = asked if isinstance(asked, Backend) else None
    return solve(
        spec,
        grammar,
        backend=backend,
        verifier=None if asked is backend else _checking(asked),
        budget=budget,
        searchers=[searcher_of(each) if isinstance(each, str) else each for each in searchers],
        seed=seed,
        on_event=on_event,
    )


def as_verifier(
    verifier: str | Backend | Verifier[Program] | Callable[[Program], Verdict] | None,
    spec: Spec,
    grammar: Grammar,
    budget: Budget,
    seed: int,
) -> Verifier[Program]:
    """What the caller meant by ``verifier``; a solver gets the budget's seconds for each check."""
    if verifier is None:
        return _comparing(spec, grammar, budget, seed)
    asked = get(verifier) if isinstance(verifier, str) else verifier
    if not isinstance(asked, Backend):
        return _checking(asked)
    if callable(spec.reference):
        raise DomainError(
            f"{asked.name} cannot see into a Python function; leave verifier out to compare every sequence, "
            "or give a symbolic reference"
        )
    return Symbolic(spec.domain, grammar.sequences, spec.reference, asked, seconds=budget.seconds, seed=seed)


def _comparing(spec: Spec, grammar: Grammar, budget: Budget, seed: int) -> Verifier[Program]:
    """Every sequence is compared: with a symbolic reference as it is, with a black box as it answers."""
    signature = grammar.sequences
    if not callable(spec.reference):
        table = tabulate(spec.reference.label, spec.domain, signature)
        return Exhaustive(replace(table, name=spec.reference.name, method=Table.method))
    table = tabulate(spec.reference, spec.domain, signature)
    seconds = None if budget.seconds is None else SHARE * budget.seconds
    return Asked(spec.reference, signature, table, spec.repeats, seconds, seed)


def _checking(verifier: Any) -> Verifier[Any]:
    """A verifier as it is, and a function as one."""
    if hasattr(verifier, "check"):
        checker: Verifier[Any] = verifier
        return checker
    if not callable(verifier):
        raise DomainError(f"expected a solver, a verifier or a function of a program as the verifier, got {verifier!r}")
    return FunctionVerifier(verifier)


def _pairs(examples: Iterable[Example]) -> tuple[Example, ...]:
    """The caller's examples; raises DomainError where they are no pairs of a sequence and a label."""
    try:
        return tuple((tuple(sequence), label) for sequence, label in examples)
    except (TypeError, ValueError):
        raise DomainError(
            f"expected examples as pairs of a sequence and a label, such as [(('a', 'b'), 'yes')], got "
            f"{cut(repr(examples), 80)}"
        ) from None


def _examples(spec: Spec, checker: Verifier[Program], examples: tuple[Example, ...]) -> tuple[Example, ...]:
    """The caller's examples, or the first sequence; a black box that answers something else there is refused."""
    if not isinstance(checker, Asked):
        return examples or (_first(spec),)
    for sequence, label in examples:
        answer = checker.label(sequence) if spec.domain.contains(sequence) else label
        if answer != label:
            raise BlackBoxError(
                f"{checker.table.name} answers {answer!r} at {' '.join(sequence)!r}, and an example says {label!r}"
            )
    first = spec.domain.first()
    return examples or (() if first is None else ((first, checker.label(first)),))


def _first(spec: Spec) -> Example:
    sequence = spec.domain.first()
    if sequence is None:
        raise DomainError("the domain holds no sequence; a program proved over nothing would mean nothing")
    return sequence, spec.label(sequence)
