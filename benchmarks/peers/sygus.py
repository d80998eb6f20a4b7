"""cvc5's own SyGuS engine as a searcher over one of our grammars.

The encoding: a *feature* is a term made of position-wise tests alone (``count('a')``, ``latch(is '[', is ']')``, ...);
its value on an example is a number or a flag. cvc5 gets each feature as an input variable of the function to find, and
the rest of the grammar (constants, arithmetic, comparisons, connectives, conditionals, labels) as its SyGuS grammar:

    find f in grammar  with  f(features of example i) = label of example i     for every example i

This is an advantage to cvc5: it needs no folds over sequences, features equal on all examples are one input (the
cheapest by our costs), and building the problem is not charged to it. What it does not get is our cost of a production,
since its API has no weights: it goes by its own measure of size. The SyGuS rules are made by the operators' own ``smt``
readings, so no second description of the grammar can disagree, and an answer is read back as a program of the grammar.

``incremental=false`` is needed: the Python API starts with true, which silently switches off cvc5's strategies for
examples (``setDefaultsSygus`` in cvc5's ``set_defaults.cpp``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import cvc5
from cvc5 import Kind

from cegis import Grammar, Program
from cegis.sygus.features import Group, distinct, is_constant
from dsl.operators import BOOL, MASK, Operator, Sort, Term

BASE_OPTIONS = {"sygus": "true", "incremental": "false"}
Example = tuple[tuple[str, ...], str]


class SygusError(RuntimeError):
    """A grammar that cannot be written as SyGuS, or an answer that is not of it."""


@dataclass(frozen=True)
class Rule:
    """``operator`` as a cvc5 term over its parameters."""

    nonterminal: str
    operator: Operator
    arguments: tuple[str, ...]
    parameters: tuple[Any, ...]
    pattern: Any


class Problem:
    """The SyGuS problem of some examples; ``solve`` answers it once."""

    def __init__(
        self,
        grammar: Grammar,
        known: Sequence[Group],
        examples: Sequence[Example],
        options: Mapping[str, str],
        seed: int,
    ) -> None:
        self.grammar = grammar
        self.terms = cvc5.TermManager()
        self.solver = cvc5.Solver(self.terms)
        for name, value in {**BASE_OPTIONS, "seed": str(seed), **options}.items():
            self.solver.setOption(name, value)
        self.solver.setLogic("LIA")
        batch = grammar.sequences.batch([sequence for sequence, _ in examples])
        chosen = list(distinct(known, batch))
        self.inputs = {f"x{place}": feature for place, (feature, _) in enumerate(chosen)}
        variables = [self.terms.mkVar(self._sort(feature.term.sort), name) for name, feature in self.inputs.items()]
        symbols = {
            name: self.terms.mkVar(self._sort(sort), name) for name, sort in grammar.sorts.items() if sort != MASK
        }
        self.rules = tuple(self._rules(symbols))
        self.function = self.solver.synthFun(
            "f", variables, self.terms.getIntegerSort(), self._sygus_grammar(variables, symbols)
        )
        for row, (_, label) in enumerate(examples):
            values = [self._value(array[row]) for _, array in chosen]
            answer = self.terms.mkInteger(grammar.sequences.label_index(label))
            call = self.terms.mkTerm(Kind.APPLY_UF, self.function, *values)
            self.solver.addSygusConstraint(self.terms.mkTerm(Kind.EQUAL, call, answer))

    def solve(self) -> Program | None:
        """A program of the grammar that is right on every example; None when cvc5 gives up or says there is none."""
        if not self.solver.checkSynth().hasSolution():
            return None
        _, body = self.solver.getSynthSolution(self.function)
        self.nodes = _nodes(body)
        return Program(self._read(body, self.grammar.start), self.grammar)

    def _rules(self, symbols: Mapping[str, Any]) -> Iterator[Rule]:
        """The productions that are no features, as cvc5 terms over one parameter per argument."""
        manager = SimpleNamespace(manager=_Terms(self.terms))
        for number, row in enumerate(self.grammar.productions):
            operator = row.operator
            if any(name not in symbols for name in (row.nonterminal, *row.arguments)):
                continue
            if not row.arguments and not is_constant(operator):
                continue
            parameters = tuple(
                self.terms.mkVar(self._sort(sort), f"p{place}") for place, sort in enumerate(operator.arguments)
            )
            pattern = operator.smt(manager, *parameters)
            if any(_occurrences(pattern, parameter) > 1 for parameter in parameters):
                defined = self.solver.defineFun(f"g{number}", list(parameters), self._sort(operator.result), pattern)
                pattern = self.terms.mkTerm(Kind.APPLY_UF, defined, *parameters)
            yield Rule(row.nonterminal, operator, row.arguments, parameters, pattern)

    def _sygus_grammar(self, variables: Sequence[Any], symbols: Mapping[str, Any]) -> Any:
        start = self.grammar.start
        others = [symbol for name, symbol in symbols.items() if name != start]
        grammar = self.solver.mkGrammar(list(variables), [symbols[start], *others])
        for name, symbol in symbols.items():
            inputs = [v for v, f in zip(variables, self.inputs.values(), strict=True) if f.nonterminal == name]
            rules = [
                rule.pattern.substitute(list(rule.parameters), [symbols[argument] for argument in rule.arguments])
                if rule.parameters
                else rule.pattern
                for rule in self.rules
                if rule.nonterminal == name
            ]
            grammar.addRules(symbol, inputs + rules)
        return grammar

    def _read(self, answer: Any, nonterminal: str) -> Term:
        """The term of our grammar that ``answer`` stands for; raises SygusError when it is none."""
        feature = self.inputs.get(str(answer))
        if feature is not None and feature.nonterminal == nonterminal:
            return feature.term
        for rule in self.rules:
            if rule.nonterminal == nonterminal and (bound := _match(rule.pattern, rule.parameters, answer)) is not None:
                parts = (bound[str(parameter)] for parameter in rule.parameters)
                return rule.operator(*map(self._read, parts, rule.arguments))
        raise SygusError(f"cvc5 answered with a term outside the grammar: {answer}")

    def _sort(self, sort: Sort) -> Any:
        return self.terms.getBooleanSort() if sort == BOOL else self.terms.getIntegerSort()

    def _value(self, value: Any) -> Any:
        return self.terms.mkBoolean(bool(value)) if value.dtype == bool else self.terms.mkInteger(int(value))


@dataclass(frozen=True)
class _Terms:
    """The part of a formula manager that the operators of a grammar use, building cvc5 terms."""

    terms: Any

    def __getattr__(self, name: str) -> Any:
        kinds = {
            "Plus": Kind.ADD, "Minus": Kind.SUB, "Times": Kind.MULT, "GT": Kind.GT, "GE": Kind.GEQ, "LT": Kind.LT,
            "LE": Kind.LEQ, "Equals": Kind.EQUAL, "Not": Kind.NOT, "And": Kind.AND, "Or": Kind.OR, "Ite": Kind.ITE,
        }  # fmt: skip
        if name not in kinds:
            raise SygusError(f"the SyGuS encoding knows no {name}; known: {', '.join(kinds)}")
        return lambda *arguments: self.terms.mkTerm(kinds[name], *arguments)

    def Int(self, value: int) -> Any:  # noqa: N802 (the name PySMT gives it)
        return self.terms.mkInteger(value)


def _match(pattern: Any, parameters: Sequence[Any], answer: Any) -> dict[str, Any] | None:
    """What each parameter of ``pattern`` stands for in ``answer``, by name; None where the two do not fit."""
    if pattern in parameters:
        return {str(pattern): answer}
    if pattern.getKind() != answer.getKind() or pattern.getNumChildren() != answer.getNumChildren():
        return None
    if not pattern.getNumChildren():
        return {} if pattern == answer else None
    bound: dict[str, Any] = {}
    for part, other in zip(pattern, answer, strict=True):
        inner = _match(part, parameters, other)
        if inner is None:
            return None
        bound |= inner
    return bound


def _occurrences(term: Any, parameter: Any) -> int:
    return 1 if term == parameter else sum(_occurrences(child, parameter) for child in term)


def _nodes(term: Any) -> int:
    """How many nodes cvc5's answer has; the name of a defined function is none."""
    children = list(term)[1:] if term.getKind() == Kind.APPLY_UF else list(term)
    return 1 + sum(map(_nodes, children))
