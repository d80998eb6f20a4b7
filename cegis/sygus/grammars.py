"""The grammar of a ``synth-fun``: its rules read as terms with nonterminals for leaves.

    ((Start Int) (Condition Bool))                      the nonterminals (left out in SyGuS-IF 1.0)
    ((Start Int (x 0 (+ Start Start) (ite Condition Start Start)))
     (Condition Bool ((<= Start Start))))               the same with their rules

The first nonterminal is the start. ``(Constant S)`` is any literal, ``(Variable S)`` any parameter of that sort. A rule
``(! rule :weight 3)`` costs the search so much, where others cost 1: what is cheapest is found first.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from cegis.formulas.formula import Function
from cegis.sygus.problem import SygusProblem
from cegis.sygus.productions import WrittenGrammar, any_constant, any_variable, nonterminal
from cegis.sygus.syntax import Expression, Group, Token, fault, shown
from cegis.sygus.terms import Scope, as_real, read_sort, read_term, symbol
from dsl.operators import BOOL, REAL, STRING, Sort, Term
from dsl.theories import theory

LEAVES = {"Constant": any_constant, "Variable": any_variable, "InputVariable": any_variable}
WEIGHT = "weight"  # the name of a weight that none was declared for
MOST_WEIGHT = 1_000
MOST_CONSTANTS = 16  # of a specification that are tried where any literal may stand


def read_grammar(
    items: Sequence[Expression], function: Function, scope: Scope, weights: Iterable[str] = (WEIGHT,)
) -> WrittenGrammar:
    """The grammar that follows the sort of a function; ``scope`` knows the defined functions.

    ``weights`` are the names that a weight may have; a grammar uses one of them.
    """
    if len(items) > 2:
        raise fault(items[2], f"expected the end of the synth-fun, got {shown(items[2])}")
    *declared, listed = (_entries(item) for item in items)
    sorts: dict[str, Sort] = {}
    for entry in listed:
        if len(entry.items) != 3 or not isinstance(entry.items[2], Group):
            raise fault(entry, f"expected (NONTERMINAL SORT (RULE ...)), got {shown(entry)}")
        _add(entry, sorts, function, scope)
    if declared:
        _check_declared(items[0], declared[0], sorts, scope)
    start = next(iter(sorts))
    if sorts[start] != function.signature.result:
        result = function.signature.result.name
        raise fault(listed[0], f"the start {start} is of sort {sorts[start].name}, but the function of sort {result}")
    paid: dict[tuple[str, Term], int] = {}
    rules = _rules(listed, sorts, function, scope, _Weights(frozenset(weights), frozenset(sorts), paid))
    return WrittenGrammar(function.signature, rules, sorts, paid)


def constants_for(problem: SygusProblem, written: WrittenGrammar, name: str) -> tuple[Term, ...]:
    """Literals to try where a grammar takes any: the simplest ones, then those of the specification.

    The values of examples are no constants of the program that makes them, so they are left out.
    """
    sorts = written.sorts.values()
    if problem.examples(problem.function(name)) is not None:
        return defaults(sorts)
    own = [term for term in problem.literals if term.sort in set(sorts)]
    return tuple(dict.fromkeys((*defaults(sorts), *own[:MOST_CONSTANTS])))


def defaults(sorts: Iterable[Sort]) -> tuple[Term, ...]:
    """The simplest literals of each sort: 0 and 1, false and true, the empty string."""
    return tuple(theory.literal(value, sort)() for sort in dict.fromkeys(sorts) for value in _simplest(sort))


def _simplest(sort: Sort) -> tuple[bool | int | str, ...]:
    if sort == BOOL:
        return (False, True)
    return ("",) if sort == STRING else (0, 1)


def _entries(item: Expression) -> list[Group]:
    """The lists in a list, at least one."""
    groups = [entry for entry in item.items if isinstance(entry, Group)] if isinstance(item, Group) else []
    if not isinstance(item, Group) or not groups or len(groups) < len(item.items):
        raise fault(item, f"expected a list of nonterminals in brackets, got {shown(item)}")
    return groups


def _add(entry: Group, sorts: dict[str, Sort], function: Function, scope: Scope) -> None:
    """Declare the nonterminal that ``(NAME SORT ...)`` begins with."""
    name = symbol(entry.items[0])
    if name in sorts or name in scope.names or name in dict(function.signature.parameters):
        raise fault(entry, f"the nonterminal {name!r} has a name that is taken")
    sorts[name] = read_sort(entry.items[1], scope.sorts)


def _check_declared(place: Expression, entries: Sequence[Group], sorts: Mapping[str, Sort], scope: Scope) -> None:
    for entry in entries:
        if len(entry.items) != 2:
            raise fault(entry, f"expected (NONTERMINAL SORT), got {shown(entry)}")
    declared = {symbol(entry.items[0]): read_sort(entry.items[1], scope.sorts) for entry in entries}
    if list(declared.items()) != list(sorts.items()) or len(declared) < len(entries):
        listed = " ".join(f"({name} {sort.name})" for name, sort in sorts.items())
        raise fault(place, f"expected the nonterminals of the rules, in their order: ({listed}), got {shown(place)}")


def _rules(
    entries: Sequence[Group], sorts: Mapping[str, Sort], function: Function, scope: Scope, weights: _Weights
) -> dict[str, tuple[Term, ...]]:
    known = {variable.operator.name: variable for variable in function.signature.variables}
    known |= {name: nonterminal(name, sort) for name, sort in sorts.items()}
    inner = replace(scope, terms={**scope.terms, **known}, leaves=LEAVES, is_rule=True)
    rules = {}
    for entry, (name, sort) in zip(entries, sorts.items(), strict=True):
        assert isinstance(entry.items[2], Group)
        rules[name] = tuple(_rule(rule, name, sort, inner, weights) for rule in entry.items[2].items)
        if not rules[name]:
            raise fault(entry, f"the nonterminal {name!r} has no rule")
    return rules


@dataclass
class _Weights:
    """The names a weight may have, the weights of rules, and the name that the first of them had."""

    names: frozenset[str]
    nonterminals: frozenset[str]
    paid: dict[tuple[str, Term], int]
    used: str = ""

    def read(self, expression: Expression) -> int | None:
        """The weight that an annotated rule is given; None for one that is given none."""
        if not isinstance(expression, Group) or expression.items[:1] != ("!",):
            return None
        found = [
            (key, value)
            for key, value in zip(expression.items[2::2], expression.items[3::2], strict=False)
            if str(key)[1:] in self.names
        ]
        for key, value in found:
            if self.used not in ("", str(key)):
                raise fault(key, f"a grammar has one weight to search by, got {self.used} and {key}")
            if not (isinstance(value, Token) and value.isdigit() and 1 <= int(value) <= MOST_WEIGHT):
                raise fault(value, f"expected a weight from 1 to {MOST_WEIGHT:,}, got {shown(value)}")
            self.used = str(key)
        return int(str(found[-1][1])) if found else None


def _rule(expression: Expression, name: str, sort: Sort, scope: Scope, weights: _Weights) -> Term:
    rule, weight = read_term(expression, scope), weights.read(expression)
    rule = as_real(rule) if sort == REAL else rule
    if weight is not None:
        if rule == any_constant(rule.sort) or rule.operator.name in weights.nonterminals:
            raise fault(expression, "a weight of a rule that is a nonterminal, or any constant, is not supported")
        weights.paid[name, rule] = weight
    if rule.sort != sort:
        raise fault(expression, f"{name} is of sort {sort.name}, but this rule is of sort {rule.sort.name}")
    return rule
