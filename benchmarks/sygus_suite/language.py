"""Writing problems in Python: terms with Python's operators, over the rows of ``dsl.theories.theory``.

    n, up = declare(n=INT, up=BOOL)
    step = function("step", INT, n, up)
    constraints = [implies(up, step(n, up) == n + 1), implies(~up, step(n, up) == n)]

``== < <= > >=`` and ``+ - * & | ^ ~ << >>`` stand for the operators of the left side's sort (numbers of bit-vectors are
unsigned); anything else is ``apply(name, ...)``. A Python number, text or truth beside a term is a literal of its sort.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cegis.formulas.formula import FormulaSpec, Function
from cegis.sygus import SygusProblem, as_problem
from dsl.grammar import Grammar, Production
from dsl.operators import BOOL, INT, STRING, Operator, Sort, Term
from dsl.scalars import ScalarSignature, Value, variable
from dsl.theories import theory

Rules = Mapping[
    str, tuple[Sort, Sequence[Any]]
]  # nonterminal to sort and rules: a leaf, or (operator, nonterminals...)
NAMES = {
    "Bool": {"&": "and", "|": "or", "^": "xor"},
    "Int": {"+": "+", "-": "-", "*": "*", "<": "<", "<=": "<="},
    "String": {"+": "str.++"},
    "bits": {
        "+": "bvadd", "-": "bvsub", "*": "bvmul", "&": "bvand", "|": "bvor", "^": "bvxor", "<<": "bvshl",
        ">>": "bvlshr", "<": "bvult", "<=": "bvule",
    },
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Expression:
    """A term that takes Python's operators."""

    term: Term

    @property
    def sort(self) -> Sort:
        return self.term.sort

    def _with(self, symbol: str, other: Any, *, swapped: bool = False) -> Expression:
        name = NAMES["bits" if self.sort.width else self.sort.name][symbol]
        pair = (self, lifted(other, self.sort))
        return apply(name, *(reversed(pair) if swapped else pair))

    def __add__(self, other: Any) -> Expression:
        return self._with("+", other)

    def __radd__(self, other: Any) -> Expression:
        return self._with("+", other, swapped=True)

    def __sub__(self, other: Any) -> Expression:
        return self._with("-", other)

    def __rsub__(self, other: Any) -> Expression:
        return self._with("-", other, swapped=True)

    def __rmul__(self, other: Any) -> Expression:
        return self._with("*", other, swapped=True)

    def __and__(self, other: Any) -> Expression:
        return self._with("&", other)

    def __or__(self, other: Any) -> Expression:
        return self._with("|", other)

    def __xor__(self, other: Any) -> Expression:
        return self._with("^", other)

    def __lshift__(self, other: Any) -> Expression:
        return self._with("<<", other)

    def __rshift__(self, other: Any) -> Expression:
        return self._with(">>", other)

    def __lt__(self, other: Any) -> Expression:
        return self._with("<", other)

    def __le__(self, other: Any) -> Expression:
        return self._with("<=", other)

    def __gt__(self, other: Any) -> Expression:
        return self._with("<", other, swapped=True)

    def __ge__(self, other: Any) -> Expression:
        return self._with("<=", other, swapped=True)

    def __eq__(self, other: Any) -> Expression:  # type: ignore[override]
        return apply("=", self, lifted(other, self.sort))

    def __invert__(self) -> Expression:
        return apply("bvnot" if self.sort.width else "not", self)

    def __neg__(self) -> Expression:
        return apply("bvneg" if self.sort.width else "-", self)


@dataclass(frozen=True)
class Unknown:
    """A function to be found, called with terms or literals."""

    function: Function

    def __call__(self, *arguments: Any) -> Expression:
        sorts = (sort for _, sort in self.function.signature.parameters)
        lifts = [lifted(argument, sort).term for argument, sort in zip(arguments, sorts, strict=True)]
        return Expression(self.function.operator(*lifts))


def declare(**sorts: Sort) -> tuple[Expression, ...]:
    """Variables, in order."""
    return tuple(Expression(variable(name, sort)()) for name, sort in sorts.items())


def function(name: str, result: Sort, *parameters: Expression) -> Unknown:
    """A function to be found, whose parameters are called like these variables."""
    pairs = tuple((parameter.term.operator.name, parameter.sort) for parameter in parameters)
    return Unknown(Function(name, ScalarSignature(pairs, result)))


def lifted(value: Any, sort: Sort) -> Expression:
    """``value`` as a term; a plain Python value is a literal of ``sort``."""
    return value if isinstance(value, Expression) else Expression(theory.literal(value, sort)())


def apply(name: str, *arguments: Expression) -> Expression:
    """An operator by its SMT-LIB name."""
    terms = [argument.term for argument in arguments]
    return Expression(theory.find(name, tuple(term.sort for term in terms))(*terms))


def implies(condition: Expression, conclusion: Expression) -> Expression:
    return apply("=>", condition, conclusion)


def ite(condition: Expression, yes: Expression, no: Any) -> Expression:
    return apply("ite", condition, yes, lifted(no, yes.sort))


def bits(high: int, low: int, value: Expression) -> Expression:
    return apply(f"(_ extract {high} {low})", value)


def given(condition: Expression, *constraints: Expression) -> list[Expression]:
    """``constraints``, where ``condition`` holds."""
    return [implies(condition, constraint) for constraint in constraints]


def samples(unknown: Unknown, *rows: tuple[Sequence[Value], Value]) -> list[Expression]:
    """A function by examples: (arguments, result) each."""
    return [unknown(*arguments) == result for arguments, result in rows]


def problem(
    logic: str,
    unknowns: Sequence[Unknown],
    variables: Sequence[Expression],
    constraints: Sequence[Expression],
    grammars: Mapping[str, Rules] | None = None,
) -> SygusProblem:
    """A problem; ``grammars`` by function (any term will do where there is none), the first nonterminal its start."""
    functions = tuple(unknown.function for unknown in unknowns)
    declared = tuple((variable.term.operator.name, variable.sort) for variable in variables)
    spec = FormulaSpec(functions, declared, tuple(constraint.term for constraint in constraints))
    rules = grammars or {}
    made = {f.name: _grammar(f.signature, rules[f.name]) for f in functions if f.name in rules}
    return as_problem(spec, made, logic)


def _grammar(signature: ScalarSignature, rules: Rules) -> Grammar:
    sorts = {name: sort for name, (sort, _) in rules.items()}
    rows = tuple(_production(name, sort, rule, sorts) for name, (sort, listed) in rules.items() for rule in listed)
    return Grammar(signature, next(iter(rules)), rows)


def _production(name: str, sort: Sort, rule: Any, sorts: Mapping[str, Sort]) -> Production:
    if not isinstance(rule, tuple):
        return Production(name, lifted(rule, sort).term.operator)
    operator, *arguments = rule
    found = operator if isinstance(operator, Operator) else theory.find(operator, tuple(sorts[a] for a in arguments))
    return Production(name, found, tuple(arguments))


__all__ = [
    "BOOL", "INT", "STRING", "Expression", "Rules", "SygusProblem", "Unknown", "apply", "bits", "declare", "function",
    "given", "implies", "ite", "lifted", "problem", "samples",
]  # fmt: skip
