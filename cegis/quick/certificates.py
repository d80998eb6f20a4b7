"""Refutations of conditions over whole numbers, as trees that are checked step by step.

A *case* is a list of conditions, each with the truth value that it has there. ``opened`` takes one condition apart: all
of some others hold, or the others of one of several cases, or it is an inequality. A refutation of a case is

    ("closed", steps)            a step adds inequalities, each times a positive whole number, and may divide: where g
                                 divides every coefficient, g a x <= b gives a x <= floor(b / g) (Gomory 1958;
                                 Chvatal 1973). The last step gives 0 <= b for a negative b (Farkas 1902)
    ("split", place, parts)      a refutation of each of the cases of which one holds; their place among what was opened

``check`` follows the tree with exact arithmetic and shares no code with the search for it but ``opened``.
"""

from __future__ import annotations

from cegis.quick import linear
from cegis.quick.nodes import BOOL, INT, LITERAL, ROW, VARIABLE, BeyondError, Node, node, rebuilt, subterms

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from cegis.quick.linear import Inequality

    Case = Sequence[tuple[Node, bool]]
    Step = tuple[tuple[tuple[int, int], ...], int]  # (number of an inequality, factor) ...; divisor
    Refutation = tuple[Any, ...]

ALL, ANY, FACT = "all", "any", "fact"


def opened(term: Node, truth: bool) -> tuple[str, Any]:
    """(ALL, conditions), (ANY, cases) or (FACT, inequality): what it means that ``term`` has this truth value.

    A variable of sort Bool is a whole number here, at least 1 where it holds and at most 0 where it does not.
    """
    if term.kind == LITERAL:
        return (ALL, ()) if term.value is truth else (ANY, ())
    if term.kind == VARIABLE and term.sort == BOOL:
        return FACT, (((term, -1),), -1) if truth else (((term, 1),), 0)
    if term.kind != ROW:
        raise BeyondError
    match term.name, term.arguments:
        case "not", (only,):
            return ALL, ((only, not truth),)
        case (("and" | "or"), parts):
            if truth is (term.name == "and"):
                return ALL, tuple((one, truth) for one in parts)
            return ANY, tuple(((one, truth),) for one in parts)
        case "=>", (first, second):
            return (ANY, (((first, False),), ((second, True),))) if truth else (ALL, ((first, True), (second, False)))
        case "ite", (test, then, otherwise):
            return ANY, (((test, True), (then, truth)), ((test, False), (otherwise, truth)))
        case (("=" | "xor"), (first, second)) if first.sort == BOOL:
            other = truth if term.name == "=" else not truth
            return ANY, (((first, True), (second, other)), ((first, False), (second, not other)))
    if term.sort != BOOL or any(argument.sort != INT for argument in term.arguments):
        raise BeyondError
    choice = next((inner for inner in subterms(term) if inner.name == "ite" and inner.kind == ROW), None)
    if choice is not None:
        test, then, otherwise = choice.arguments
        cases = ((test, True, then), (test, False, otherwise))
        return ANY, tuple(((one, is_so), (rebuilt(term, {choice: value}), truth)) for one, is_so, value in cases)
    return _compared(term, truth)


def _compared(term: Node, truth: bool) -> tuple[str, Any]:
    left, right = term.arguments
    if term.name == "=":
        halves = [node(ROW, "<=", BOOL, (left, right)), node(ROW, "<=", BOOL, (right, left))]
        if truth:
            return ALL, tuple((half, True) for half in halves)
        return ANY, tuple(((half, False),) for half in halves)
    if term.name in (">", ">="):
        left, right = right, left
    if term.name not in ("<", "<=", ">", ">="):
        raise BeyondError
    parts, constant = linear.difference(left, right)  # left - right <= 0, or at most -1
    inequality = parts, -constant - (1 if term.name in ("<", ">") else 0)
    return FACT, inequality if truth else linear.negated(inequality)


def check(case: Case, refutation: Refutation) -> bool:
    """Whether the refutation shows that the conditions of ``case`` cannot hold together."""
    return _check(list(case), [], [], refutation)


def _check(
    todo: list[tuple[Node, bool]], facts: list[Inequality], choices: list[Sequence[Case]], refutation: Refutation
) -> bool:
    todo, facts, choices = list(todo), list(facts), list(choices)
    while todo:
        kind, what = opened(*todo.pop())
        if kind == ALL:
            todo.extend(what)
        elif kind == ANY:
            choices.append(what)
        else:
            facts.append(what)
    if refutation[0] == "closed":
        return _is_closed(facts, refutation[1])
    _, place, parts = refutation
    cases = choices.pop(place)
    return len(parts) == len(cases) and all(
        _check(list(case), facts, choices, part) for case, part in zip(cases, parts, strict=True)
    )


def _is_closed(facts: Sequence[Inequality], steps: Sequence[Step]) -> bool:
    known = [(dict(parts), bound) for parts, bound in facts]
    for terms, divisor in steps:
        sums: dict[Node, int] = {}
        total = 0
        for number, factor in terms:
            if factor <= 0:
                return False
            parts, bound = known[number]
            total += factor * bound
            for one, a in parts.items():
                sums[one] = sums.get(one, 0) + factor * a
        if divisor <= 0 or any(a % divisor for a in sums.values()):
            return False
        known.append(({one: a // divisor for one, a in sums.items() if a}, total // divisor))
    parts, bound = known[-1] if known else ({}, 0)
    return not parts and bound < 0
