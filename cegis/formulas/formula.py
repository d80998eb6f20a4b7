"""A specification as a formula: what must hold between variables and calls of the functions to be found.

    find f_1 ... f_k  such that  for all x:  assumptions(x)  implies  constraints(x, f_1(...), ..., f_k(...))

A formula is a ``Term`` of sort Bool over the variables and over calls of the functions; a call has no value until
programs are put in its place (``with_programs``). A search that wants to judge many candidates at once reads every
call as a variable of its own (``flat``): the specification then depends on a candidate only through its values there.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import count
from typing import Any

from cegis.domain import DomainError
from dsl.operators import BOOL, Operator, Sort, Term, postorder
from dsl.references import maker
from dsl.scalars import ScalarSignature, variable
from dsl.showing import brief


@dataclass(frozen=True)
class Function:
    """A function to be found.

    >>> f = Function("f", ScalarSignature((("x", INT),), INT))
    >>> f.operator
    Operator('f', (Int) -> Int)
    """

    name: str
    signature: ScalarSignature

    @cached_property
    def operator(self) -> Operator:
        """The operator that calls it."""
        return _calling(self.name, self.signature)


@maker
def _calling(name: str, signature: ScalarSignature) -> Operator:
    sorts = tuple(sort for _, sort in signature.parameters)
    holes = ", ".join(f"_{place}" for place in range(len(sorts)))
    return Operator(name, sorts, signature.result, _no_value, _no_value, python=f"f({holes})")


def _no_value(*_: Any) -> Any:
    raise DomainError("a call of a function to be found has no value until a program is put in its place")


@dataclass(frozen=True)
class Call:
    """One call in a specification, read as the variable ``name``."""

    name: str
    function: Function
    arguments: tuple[Term, ...]  # over variables, and over other calls where calls are nested

    @property
    def variable(self) -> Term:
        """What stands for the call."""
        return variable(self.name, self.function.signature.result)()


@dataclass(frozen=True)
class Flat:
    """``constraints`` over the variables and one more variable for each of ``calls`` (inner calls first)."""

    calls: tuple[Call, ...]
    constraints: tuple[Term, ...]


@dataclass(frozen=True)
class FormulaSpec:
    """``functions`` to be found so that all ``constraints`` hold wherever all ``assumptions`` do.

    >>> x, f = variable("x", INT)(), Function("f", ScalarSignature((("x", INT),), INT))
    >>> greater = find(">", (INT, INT))
    >>> print(synthesize(FormulaSpec((f,), (("x", INT),), (greater(f.operator(x), x),))).program)
    (define-fun f ((x Int)) Int (+ x 1))
    """

    functions: tuple[Function, ...]
    variables: tuple[tuple[str, Sort], ...]
    constraints: tuple[Term, ...]
    assumptions: tuple[Term, ...] = ()

    __repr__ = brief

    def __post_init__(self) -> None:
        if not self.functions:
            raise DomainError("expected at least one function to be found, got none")
        names = [function.name for function in self.functions]
        if len(set(names)) != len(names):
            raise DomainError(f"expected functions with different names, got {', '.join(names)}")
        known = {variable(name, sort) for name, sort in self.variables} | self._operators
        for term in (*self.constraints, *self.assumptions):
            if term.sort != BOOL:
                raise DomainError(f"expected a constraint of sort Bool, got {term} of sort {term.sort.name}")
            for inner in subterms(term):
                if inner.operator.is_variable and inner.operator not in known:
                    raise DomainError(f"the constraint uses {inner}, which is not declared")
        for term in self.assumptions:
            if self.called(term):
                raise DomainError(f"an assumption speaks of the variables alone, got a call in {term}")

    @property
    def _operators(self) -> set[Operator]:
        return {function.operator for function in self.functions}

    def called(self, term: Term) -> tuple[Function, ...]:
        """The functions that ``term`` calls."""
        used = {inner.operator for inner in subterms(term)}
        return tuple(function for function in self.functions if function.operator in used)

    @cached_property
    def signature(self) -> ScalarSignature:
        """The variables as if they were parameters of a function to Bool: what a valuation is read by."""
        return ScalarSignature(self.variables, BOOL)

    @cached_property
    def mark(self) -> str:
        """What no name has in it, so that names made with it are new."""
        signatures = (self.signature, *(function.signature for function in self.functions))
        names = [function.name for function in self.functions]
        names += [name for signature in signatures for name, _ in signature.parameters]
        return next(mark for n in count(1) if not any((mark := "@" * n) in name for name in names))

    @cached_property
    def flat(self) -> Flat:
        """The same with every call read as a variable."""
        by_operator = {function.operator: function for function in self.functions}
        names: dict[Term, Term] = {}
        calls: list[Call] = []
        for constraint in self.constraints:
            for inner in subterms(constraint):
                function = by_operator.get(inner.operator)
                if function is not None and inner not in names:
                    arguments = tuple(rebuilt(argument, names) for argument in inner.arguments)
                    call = Call(f"{function.name}{self.mark}{len(calls)}", function, arguments)
                    calls.append(call)
                    names[inner] = call.variable
        return Flat(tuple(calls), tuple(rebuilt(constraint, names) for constraint in self.constraints))

    @cached_property
    def components(self) -> tuple[FormulaSpec, ...]:
        """The specification as independent ones: functions that no constraint speaks of together are found apart.

        A constraint without a call belongs to every component, so that none is solved where it fails.
        """
        groups: list[set[Function]] = [{function} for function in self.functions]
        for constraint in self.constraints:
            called = set(self.called(constraint))
            touched = [group for group in groups if group & called]
            groups = [group for group in groups if not group & called] + ([set().union(*touched)] if touched else [])
        found = []
        for group in sorted(groups, key=lambda group: min(map(self.functions.index, group))):
            constraints = tuple(c for c in self.constraints if set(self.called(c)) <= group)
            functions = tuple(function for function in self.functions if function in group)
            found.append(replace(self, functions=functions, constraints=constraints))
        return tuple(found)


def with_programs(terms: Iterable[Term], bodies: Mapping[Operator, tuple[ScalarSignature, Term]]) -> tuple[Term, ...]:
    """``terms`` with every call of the given operators replaced by the body, arguments put for the parameters."""
    values: dict[Term, Term] = {}
    replaced = tuple(terms)
    for term in replaced:
        for inner in subterms(term, values):
            arguments = tuple(values[argument] for argument in inner.arguments)
            if inner.operator in bodies:
                signature, body = bodies[inner.operator]
                parameters = signature.variables
                is_plain = arguments == parameters
                values[inner] = body if is_plain else rebuilt(body, dict(zip(parameters, arguments, strict=True)))
            else:
                values[inner] = inner if arguments == inner.arguments else Term(inner.operator, arguments)
    return tuple(values[term] for term in replaced)


def inlined(term: Term) -> Term:
    """``term`` without defined functions: each application replaced by its definition."""
    if all(inner.operator.definition is None for inner in subterms(term)):
        return term
    values: dict[Term, Term] = {}
    for inner in subterms(term):
        arguments = tuple(values[argument] for argument in inner.arguments)
        definition = inner.operator.definition
        if definition is None:
            values[inner] = Term(inner.operator, arguments) if arguments else inner
        else:
            parameters = (variable(name, sort)() for name, sort in inner.operator.parameters)
            values[inner] = rebuilt(inlined(definition), dict(zip(parameters, arguments, strict=True)))
    return values[term]


def conjuncts(terms: Iterable[Term]) -> tuple[Term, ...]:
    """The parts of a conjunction, nested ones too."""
    parts: list[Term] = []
    for term in terms:
        parts.extend(conjuncts(term.arguments) if term.operator.name == "and" else (term,))
    return tuple(parts)


def subterms(term: Term, known: Container[Term] = ()) -> tuple[Term, ...]:
    """Every distinct subterm but those ``known``, arguments before what they stand in, without recursion."""
    return postorder(term, known) if known else term.subterms


def rebuilt(term: Term, replacement: Mapping[Term, Term]) -> Term:
    """``term`` with subterms replaced (outermost first)."""
    values = dict(replacement)
    for inner in subterms(term, replacement):
        arguments = tuple(values[argument] for argument in inner.arguments)
        values[inner] = inner if arguments == inner.arguments else Term(inner.operator, arguments)
    return values[term]
