"""Specifications that several tests use, in few words."""

from cegis.formulas.formula import FormulaSpec, Function
from dsl.operators import INT, Sort, Term
from dsl.scalars import ScalarSignature, variable
from dsl.theories.theory import find


def of(name: str, *arguments: Term) -> Term:
    """The theory's row ``name`` applied to terms."""
    return find(name, tuple(argument.sort for argument in arguments))(*arguments)


def integers(*names: str) -> tuple[Term, ...]:
    """Integer variables."""
    return tuple(variable(name, INT)() for name in names)


def function(name: str, *parameters: tuple[str, Sort], result: Sort) -> Function:
    """A function to be found."""
    return Function(name, ScalarSignature(parameters, result))


def call(f: Function, *arguments: Term) -> Term:
    """``f`` applied."""
    return f.operator(*arguments)


def maximum(count: int) -> FormulaSpec:
    """f(x0, x1, ...) is the largest of ``count`` numbers."""
    names = tuple((f"x{place}", INT) for place in range(count))
    f = function("f", *names, result=INT)
    value, arguments = call(f, *f.signature.variables), f.signature.variables
    is_one = of("=", value, arguments[0])
    for argument in arguments[1:]:
        is_one = of("or", is_one, of("=", value, argument))
    return FormulaSpec((f,), names, (*(of(">=", value, argument) for argument in arguments), is_one))
