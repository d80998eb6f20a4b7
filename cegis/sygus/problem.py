"""A SyGuS problem: what a file asks, as a specification and one grammar per function."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from cegis.formulas.formula import FormulaSpec, Function, conjuncts, subterms
from cegis.sygus.productions import WrittenGrammar
from dsl.grammar import Grammar
from dsl.operators import BOOL, Operator, Term
from dsl.scalars import Value
from dsl.showing import brief

Examples = tuple[tuple[tuple[Value, ...], Value], ...]


@dataclass(frozen=True)
class SygusProblem:
    """``spec`` in ``logic``, and what each function may be built of.

    ``grammars``: for the search, None where the file leaves it open; ``written``: the same as in the file;
    ``definitions``: the defined functions, each after those it uses; ``file``: where it was read from.

    >>> problem = read_sygus_text("(set-logic LIA) (synth-fun f ((x Int)) Int) (check-synth)")
    >>> problem.logic, [function.name for function in problem.spec.functions]
    ('LIA', ['f'])
    """

    logic: str
    spec: FormulaSpec
    grammars: Mapping[str, Grammar | None]
    written: Mapping[str, WrittenGrammar | None]
    definitions: tuple[Operator, ...] = ()
    file: str = ""

    __repr__ = brief

    def function(self, name: str) -> Function:
        """The function to be found that is called ``name``."""
        return next(function for function in self.spec.functions if function.name == name)

    def examples(self, function: Function) -> Examples | None:
        """Inputs and output of each constraint, where all that speak of the function are ``f(literals) = literal``.

        A condition without the function is no example, and no hindrance; without any example the answer is None.
        """
        found = []
        for constraint in conjuncts(self.spec.constraints):
            if function not in self.spec.called(constraint):
                continue
            example = _example(constraint, function.operator)
            if example is None:
                return None
            found.append(example)
        return tuple(dict.fromkeys(found)) or None

    @cached_property
    def literals(self) -> tuple[Term, ...]:
        """The literals of the specification and of the definitions, in order of appearance."""
        terms = (*self.spec.constraints, *self.spec.assumptions, *_bodies(self.definitions))
        return tuple(dict.fromkeys(inner for term in terms for inner in subterms(term) if inner.operator.is_literal))


def _example(constraint: Term, call: Operator) -> tuple[tuple[Value, ...], Value] | None:
    """One example, also turned around, and as a bare (negated) call of a function to Bool."""
    sides: tuple[Term, ...] = (constraint,)
    value: Value | None = True
    if constraint.operator.name == "=":
        first, second = constraint.arguments
        sides, value = (
            ((first,), second.operator.value) if first.operator == call else ((second,), first.operator.value)
        )
    elif constraint.operator.name == "not" and call.result == BOOL:
        sides, value = constraint.arguments, False
    inputs = [argument.operator.value for argument in sides[0].arguments]
    known = [value for value in inputs if value is not None]
    if sides[0].operator != call or value is None or len(known) < len(inputs):
        return None
    return tuple(known), value


def _bodies(definitions: tuple[Operator, ...]) -> Iterator[Term]:
    return (operator.definition for operator in definitions if operator.definition is not None)
