"""Functions that an equation defines, ``f(x) = t``: ``t`` itself, or a smaller term with its values at some points.

Where ``t`` is a term of the grammar and no smaller one has its values at the points, ``t`` is a smallest answer, and
that it is one needs no solver: with ``t`` in the place of ``f(x)`` both sides of the equation are the same term.
"""

from __future__ import annotations

from cegis.quick.bank import Bank, function_of, term_of
from cegis.quick.nodes import (
    CALL,
    INT,
    NONTERMINAL,
    ROW,
    VARIABLE,
    BeyondError,
    Node,
    evaluated,
    rebuilt,
    subterms,
    width_of,
)
from cegis.quick.points import few

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cegis.quick.reading import Question

MOST_STEPS = 20_000  # terms of bit-vectors, for which a smaller term has no proof here
MOST_LINEAR = 24_000  # and of whole numbers, for which it has
MOST_SIZE = 12


def target_of(question: Question) -> Node | None:
    """The term ``t`` over the parameters, if the one constraint is ``f(x) = t`` for different variables ``x``.

    The parameters are whole numbers or words.
    """
    if len(question.constraints) != 1 or question.constraints[0].name != "=":
        return None
    if any(not (one.sort == INT or width_of(one.sort)) for one in question.parameters):
        return None
    for call, target in (question.constraints[0].arguments, question.constraints[0].arguments[::-1]):
        if call.kind == CALL and not any(inner.kind == CALL for inner in subterms(target)):
            if len(set(call.arguments)) < len(call.arguments) or any(one.kind != VARIABLE for one in call.arguments):
                return None
            if not {inner for inner in subterms(target) if inner.kind == VARIABLE} <= set(call.arguments):
                return None
            return rebuilt(target, dict(zip(call.arguments, question.parameters, strict=True)))
    return None


def search(question: Question, target: Node) -> tuple[Node, int]:
    """A smallest term with the values of ``target`` at some points, and how many were tried; raises BeyondError."""
    points = few(question.parameters)
    wanted = tuple(evaluated(target, dict(points), function_of(question)))
    is_derived = _is_derived(question, target, question.start)
    bank = Bank(question, points, MOST_LINEAR if question.result == INT else MOST_STEPS)
    while bank.size < (target.size - 1 if is_derived else MOST_SIZE):
        bank.grow()
        if wanted in bank.seen[question.start]:
            return term_of(bank.seen[question.start][wanted]), bank.steps
    if not is_derived:
        raise BeyondError
    return target, bank.steps


def _is_derived(question: Question, term: Node, name: str) -> bool:
    """Whether the grammar derives ``term`` from a nonterminal."""
    known: dict[tuple[Node, str], bool] = {}

    def derives(inner: Node, nonterminal: str) -> bool:
        key = inner, nonterminal
        if key not in known:
            known[key] = False
            known[key] = any(fits(inner, rule) for rule in question.rules[nonterminal])
        return known[key]

    def fits(inner: Node, rule: Node) -> bool:
        if rule.kind == NONTERMINAL:
            return derives(inner, rule.name)
        if not rule.arguments:
            return rule is inner
        if rule.kind != ROW or (rule.name, rule.sort) != (inner.name, inner.sort):
            return False
        pairs = zip(inner.arguments, rule.arguments, strict=False)
        return len(inner.arguments) == len(rule.arguments) and all(
            derives(one, argument.name) for one, argument in pairs
        )

    return derives(term, name)
