"""Answers in SyGuS-IF, as other tools give them, read as terms."""

from __future__ import annotations

from cegis.formulas.formula import Function, subterms
from cegis.sygus.problem import SygusProblem
from cegis.sygus.syntax import Expression, Group, SygusError, Token, expressions, fault, shown
from cegis.sygus.terms import Scope, as_real, read_term, symbol
from dsl.operators import REAL, Term

TOTAL = {"div_total": "div", "mod_total": "mod"}  # cvc5's own, which differ at a divisor of zero alone


def read_answer(text: str, problem: SygusProblem) -> dict[str, Term]:
    """The functions of an answer, ``(define-fun name ...)`` for each, as terms over the parameters of the problem.

    Applications are the rows of the function's grammar where it has them. That a term is derived by the grammar is not
    checked here. Raises SygusError for what is no answer to this problem.
    """
    try:
        return _answer(tuple(map(_standard, expressions(text))), problem)
    except RecursionError:
        raise SygusError("the answer is nested too deeply to be read", 1, 1) from None


def _standard(expression: Expression) -> Expression:
    """``expression`` with the names of the standard; what that means at zero, the verifier finds out."""
    if isinstance(expression, Group):
        items = tuple(map(_standard, expression.items))
        return Group(items, expression.line, expression.column, expression.depth)
    if expression in TOTAL:
        return Token(TOTAL[expression], expression.type, expression.line, expression.column)
    return expression


def _answer(top: tuple[Expression, ...], problem: SygusProblem) -> dict[str, Term]:
    found: dict[str, Term] = {}
    if len(top) == 1 and isinstance(top[0], Group) and not (top[0].items and top[0].items[0] == "define-fun"):
        top = top[0].items
    for expression in top:
        if not isinstance(expression, Group) or len(expression.items) != 5 or expression.items[0] != "define-fun":
            raise fault(expression, f"expected (define-fun NAME PARAMETERS SORT BODY), got {shown(expression)}")
        _, head, parameters, _, body = expression.items
        function = next((f for f in problem.spec.functions if f.name == str(head)), None)
        if function is None:
            raise fault(head, f"{shown(head)} is none of the functions to be found")
        term = read_term(body, _answer_scope(problem, function, parameters))
        found[function.name] = as_real(term) if function.signature.result == REAL else term
        if found[function.name].sort != function.signature.result:
            raise fault(body, f"expected a body of sort {function.signature.result.name}")
    missing = [function.name for function in problem.spec.functions if function.name not in found]
    if missing:
        raise SygusError(f"the answer has no {missing[0]}", 1, 1)
    return found


def _answer_scope(problem: SygusProblem, function: Function, parameters: Expression) -> Scope:
    """What names mean in an answer, whose parameters may be called differently."""
    names = (
        [symbol(item.items[0]) for item in parameters.items if isinstance(item, Group)]
        if isinstance(parameters, Group)
        else []
    )
    if len(names) != len(function.signature.parameters):
        raise fault(parameters, f"expected the {len(function.signature.parameters)} parameters of {function.name}")
    written = problem.written[function.name]
    rules = [rule for rules in written.rules.values() for rule in rules] if written else []
    rows = {inner.operator for rule in rules for inner in subterms(rule) if inner.arguments}
    terms = {operator.name: operator() for operator in problem.definitions if not operator.arguments}
    return Scope(
        terms | dict(zip(names, function.signature.variables, strict=True)),
        {operator.name: operator for operator in problem.definitions if operator.arguments},
        rows={(operator.name, operator.arguments): operator for operator in rows},
        is_real=REAL in {sort for _, sort in function.signature.parameters} | {function.signature.result},
    )
