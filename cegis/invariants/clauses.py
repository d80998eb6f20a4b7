"""Constrained Horn clauses in a specification: what it asks of unknown conditions (invariants among them).

    facts(x)  and  p_1(s_1(x)) and ... and p_n(s_n(x))  implies  q(t(x))      or  implies false

for all x, where p_i and q are functions to Bool that are to be found and facts, s_i and t call none of them. A loop's
invariant is the best known case: before => inv, inv and step => inv', inv => after. Any propositional shape is read:
connectives above the calls are multiplied out, and what calls nothing is kept whole. A specification that is not of
this kind (two calls that may be concluded, a call inside a number) has no clauses.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product

from cegis.formulas.formula import FormulaSpec, inlined, subterms
from dsl.operators import BOOL, Operator, Term
from dsl.theories.theory import find

MOST_CLAUSES = 256
Literals = tuple[tuple[Term, bool], ...]  # a disjunction: terms with their polarity


@dataclass(frozen=True)
class Clause:
    """``facts`` and the calls ``premises`` imply the call ``conclusion``, or a contradiction where that is None."""

    facts: tuple[Term, ...]
    premises: tuple[Term, ...]
    conclusion: Term | None

    @property
    def calls(self) -> tuple[Term, ...]:
        """The premises and the conclusion."""
        return self.premises if self.conclusion is None else (*self.premises, self.conclusion)

    @property
    def terms(self) -> tuple[Term, ...]:
        """All parts: the facts and the calls."""
        return (*self.facts, *self.calls)

    @property
    def variables(self) -> tuple[Term, ...]:
        """What the clause holds for all values of, in order of appearance."""
        return tuple(dict.fromkeys(i for term in self.terms for i in subterms(term) if i.operator.is_variable))


class _NotHornError(Exception):
    """The specification is of another kind."""


def clauses(spec: FormulaSpec) -> tuple[Clause, ...] | None:
    """The clauses that say the same as ``spec``, or None where there are none."""
    calls = {function.operator for function in spec.functions}
    if any(call.result != BOOL for call in calls):
        return None
    assumptions = tuple(inlined(term) for term in spec.assumptions)
    try:
        found = [
            _clause(literals, assumptions, calls)
            for term in spec.constraints
            for literals in _split(inlined(term), True, calls)
        ]
    except _NotHornError:
        return None
    return tuple(dict.fromkeys(found))


def _clause(literals: Literals, assumptions: tuple[Term, ...], calls: set[Operator]) -> Clause:
    facts = list(assumptions)
    premises: list[Term] = []
    conclusions: list[Term] = []
    for term, holds in literals:
        if term.operator not in calls:
            facts.append(negation(term) if holds else term)
        elif any(_has_call(argument, calls) for argument in term.arguments):
            raise _NotHornError
        else:
            (conclusions if holds else premises).append(term)
    if len(conclusions) > 1:
        raise _NotHornError
    return Clause(tuple(facts), tuple(premises), conclusions[0] if conclusions else None)


def negation(term: Term) -> Term:
    """``not term``, without a double negation."""
    return term.arguments[0] if term.operator.name == "not" else find("not", (BOOL,))(term)


def _split(term: Term, holds: bool, calls: set[Operator]) -> tuple[Literals, ...]:
    """The disjunctions whose conjunction is ``term`` (or its negation); what calls nothing stays in one piece."""
    if term.operator in calls or not _has_call(term, calls):
        return (((term, holds),),)
    parts = term.arguments
    match term.operator.name:
        case "not":
            return _split(parts[0], not holds, calls)
        case "and" | "or" as name:
            split = [_split(part, holds, calls) for part in parts]
            return tuple(one for some in split for one in some) if (name == "and") == holds else _either(*split)
        case "=>" if holds:
            return _either(_split(parts[0], False, calls), _split(parts[1], True, calls))
        case "=>":
            return (*_split(parts[0], True, calls), *_split(parts[1], False, calls))
        case "ite":
            yes = _either(_split(parts[0], False, calls), _split(parts[1], holds, calls))
            return (*yes, *_either(_split(parts[0], True, calls), _split(parts[2], holds, calls)))
        case "=" | "xor" as name if parts[0].sort == BOOL:
            same = holds == (name == "=")
            first = _either(_split(parts[0], False, calls), _split(parts[1], same, calls))
            return (*first, *_either(_split(parts[0], True, calls), _split(parts[1], not same, calls)))
    raise _NotHornError


def _either(*sides: tuple[Literals, ...]) -> tuple[Literals, ...]:
    found = 1
    for side in sides:
        found *= len(side)
    if found > MOST_CLAUSES:
        raise _NotHornError
    return tuple(_joined(choice) for choice in product(*sides))


def _joined(parts: Iterable[Literals]) -> Literals:
    return tuple(dict.fromkeys(literal for part in parts for literal in part))


def _has_call(term: Term, calls: set[Operator]) -> bool:
    return any(inner.operator in calls for inner in subterms(term))
