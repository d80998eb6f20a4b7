"""A specification as a formula: what must hold between variables and calls of the functions to be found.

    find f_1 ... f_k  such that  for all x:  assumptions(x)  implies  constraints(x, f_1(...), ..., f_k(...))

A formula is a ``Term`` of sort Bool over the variables and over calls of the functions; a call has no value until
programs are put in its place (``with_programs``). A search that wants to judge many candidates at once reads every
call as a variable of its own (``flat``): the specification then depends on a candidate only through its values there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from cegis.domain import DomainError
from dsl.operators import BOOL, Operator, Sort, Term
from dsl.scalars import ScalarSignature, variable


@dataclass(frozen=True)
class Function:
    """A function to be found."""

    name: str
    signature: ScalarSignature

    @cached_property
    def operator(self) -> Operator:
        """The operator that calls it."""
        sorts = tuple(sort for _, sort in self.signature.parameters)
        holes = ", ".join(f"_{place}" for place in range(len(sorts)))
        return Operator(self.name, sorts, self.signature.result, _no_value, _no_value, python=f"f({holes})")


def _no_value(*_: Any) -> Any:
    raise DomainError("a call of a function to be found has no value until a program is put in its place")


@dataclass(frozen=True)
class Call:
    """One call in a specification, read as the variable ``name``."""

    name: str
    function: Function
    arguments: tuple[Term, ...]  # over variables, and over other calls where calls are nested


@dataclass(frozen=True)
class Flat:
    """``constraint`` over the variables and one more variable for each of ``calls`` (inner calls first)."""

    calls: tuple[Call, ...]
    constraint: Term


@dataclass(frozen=True)
class FormulaSpec:
    """``functions`` to be found so that all ``constraints`` hold wherever all ``assumptions`` do."""

    functions: tuple[Function, ...]
    variables: tuple[tuple[str, Sort], ...]
    constraints: tuple[Term, ...]
    assumptions: tuple[Term, ...] = ()

    def __post_init__(self) -> None:
        if not self.functions:
            raise DomainError("expected at least one function to be found, got none")
        names = [function.name for function in self.functions]
        if len(set(names)) != len(names):
            raise DomainError(f"expected functions with different names, got {', '.join(names)}")
        known = {variable(name, sort) for name, sort in self.variables}
        for term in (*self.constraints, *self.assumptions):
            if term.sort != BOOL:
                raise DomainError(f"expected a constraint of sort Bool, got {term} of sort {term.sort.name}")
            for inner in subterms(term):
                if not inner.operator.arguments and not inner.operator.is_literal and inner.operator not in known:
                    if inner.operator not in {function.operator for function in self.functions}:
                        raise DomainError(f"the constraint uses {inner}, which is not declared")


def subterms(term: Term) -> tuple[Term, ...]:
    """Every distinct subterm, arguments before what they stand in, without recursion."""
    order: dict[Term, None] = {}
    stack: list[tuple[Term, bool]] = [(term, False)]
    while stack:
        node, expanded = stack.pop()
        if expanded:
            order[node] = None
        elif node not in order:
            stack.append((node, True))
            stack.extend((argument, False) for argument in reversed(node.arguments))
    return tuple(order)


def rebuilt(term: Term, replace: Mapping[Term, Term]) -> Term:
    """``term`` with subterms replaced (outermost first)."""
    if term in replace:
        return replace[term]
    if not term.arguments:
        return term
    return Term(term.operator, tuple(rebuilt(argument, replace) for argument in term.arguments))
