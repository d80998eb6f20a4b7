"""A sequence grammar and labelled sequences as a SyGuS problem over integers and Booleans.

    find f in grammar  with  f(features of example i) = label of example i     for every example i

Inputs are the features that differ on the examples (``features``), labels are their numbers. A rule is what the
operator's own ``smt`` reading builds, here out of terms of the theories, so no second description of the grammar can
disagree; where it uses an argument twice it becomes a defined function, since two leaves of a rule are two choices.
SyGuS-IF has no weights: every production costs 1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import SimpleNamespace

from cegis.formulas.formula import FormulaSpec, Function, rebuilt
from cegis.sygus.features import Feature, distinct, groups, is_constant
from cegis.sygus.problem import SygusProblem
from cegis.sygus.productions import WrittenGrammar, nonterminal
from dsl.grammar import Grammar, Production
from dsl.operators import BOOL, INT, LABEL, MASK, GrammarError, Operator, Sort, Term
from dsl.scalars import ScalarSignature, variable
from dsl.theories import theory

NAMES = {
    "Plus": "+", "Minus": "-", "Times": "*", "GT": ">", "GE": ">=", "LT": "<", "LE": "<=", "Equals": "=", "Not": "not",
    "And": "and", "Or": "or", "Ite": "ite",
}  # fmt: skip
FUNCTION = "program"
Example = tuple[tuple[str, ...], str]


@dataclass(frozen=True)
class Samples:
    """``problem`` asks for one function whose parameter ``name`` stands for ``features[name]``."""

    problem: SygusProblem
    features: Mapping[str, Feature]


def sampled(grammar: Grammar, examples: Sequence[Example]) -> Samples:
    """The problem of finding a program of a sequence grammar that is right on the examples.

    Raises GrammarError for a grammar with operators that have no such form, and for no examples.
    """
    signature = grammar.sequences
    if not examples:
        raise GrammarError("expected at least one labelled sequence, got none")
    chosen = list(distinct(groups(grammar), signature.batch([sequence for sequence, _ in examples])))
    features = {f"x{place}": feature for place, (feature, _) in enumerate(chosen)}
    parameters = tuple((name, _sort(feature.term.sort)) for name, feature in features.items())
    function = Function(FUNCTION, ScalarSignature(parameters, INT))
    written, definitions = _written(grammar, function, features)
    constraints = []
    for row, (_, label) in enumerate(examples):
        inputs = [_literal(values[row].item()) for _, values in chosen]
        answer = _literal(signature.label_index(label))
        constraints.append(theory.find("=", (INT, INT))(function.operator(*inputs), answer))
    spec = FormulaSpec((function,), (), tuple(constraints))
    own, asked = {FUNCTION: written.productions()}, {FUNCTION: written}
    return Samples(SygusProblem("LIA", spec, own, asked, definitions), features)


def _written(
    grammar: Grammar, function: Function, features: Mapping[str, Feature]
) -> tuple[WrittenGrammar, tuple[Operator, ...]]:
    """The grammar without what the features stand for, and the functions defined for it."""
    sorts = {name: _sort(sort) for name, sort in grammar.sorts.items() if sort != MASK}
    sorts = {grammar.start: sorts[grammar.start], **sorts}
    rules: dict[str, list[Term]] = {name: [] for name in sorts}
    for name, feature in features.items():
        rules[feature.nonterminal].append(variable(name, sorts[feature.nonterminal])())
    definitions: list[Operator] = []
    for number, row in enumerate(grammar.productions):
        if any(name not in sorts for name in (row.nonterminal, *row.arguments)):
            continue
        if row.arguments or is_constant(row.operator):
            rule, defined = _rule(row, number, sorts)
            rules[row.nonterminal].append(rule)
            definitions += defined
    kept = {name: tuple(found) for name, found in rules.items() if found}
    return WrittenGrammar(function.signature, kept, {name: sorts[name] for name in kept}), tuple(definitions)


def _rule(row: Production, number: int, sorts: Mapping[str, Sort]) -> tuple[Term, tuple[Operator, ...]]:
    parameters = tuple((f"p{place}", sorts[name]) for place, name in enumerate(row.arguments))
    holes = tuple(variable(name, sort)() for name, sort in parameters)
    leaves = tuple(nonterminal(name, sorts[name]) for name in row.arguments)
    body = row.operator.smt(SimpleNamespace(manager=_Terms()), *holes)
    if all(_occurrences(body, hole) <= 1 for hole in holes):
        return rebuilt(body, dict(zip(holes, leaves, strict=True))), ()
    defined = theory.define(f"g{number}", parameters, body)
    return defined(*leaves), (defined,)


class _Terms:
    """The part of a formula manager that the operators of a sequence grammar use, building terms."""

    def __getattr__(self, name: str) -> Callable[..., Term]:
        if name not in NAMES:
            raise GrammarError(f"the SyGuS encoding knows no {name}; known: {', '.join(NAMES)}")

        def build(*arguments: Term) -> Term:
            return theory.find(NAMES[name], tuple(argument.sort for argument in arguments))(*arguments)

        return build

    def Int(self, value: int) -> Term:  # noqa: N802 (the name PySMT gives it)
        return _literal(value)


def _literal(value: bool | int) -> Term:
    return theory.literal(value, BOOL if isinstance(value, bool) else INT)()


def _sort(sort: Sort) -> Sort:
    return INT if sort == LABEL else sort


def _occurrences(term: Term, hole: Term) -> int:
    return 1 if term == hole else sum(_occurrences(argument, hole) for argument in term.arguments)
